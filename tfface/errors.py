"""The one error that people see, and how a batch tells what one of its items did."""

from __future__ import annotations

import os
import re
import sys
import traceback
from pathlib import Path

TRACEBACK_VARIABLE = "TFFACE_TRACEBACK"
"""Set in the environment, mistakes of our own show where they happened also where a batch goes on after them."""


ARGUMENT = re.compile(r"`([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*)(?:=([^`]+))?`")
"""How an argument stands in an error's sentence."""


class UserError(Exception):
    """Bad input, described in one clear sentence: what is wrong, where, what to do next.

    Arguments stand in it by the names that they have in Python, in backticks, and with a value where one is advised:
    `box`, `run.out`, `overwrite=True`. Commands print the sentence with their flags in place of those (`with_flags`),
    without a traceback, and exit with code 2; batches note it and go on.
    """

    exit_code = 2


class StoppedError(UserError):
    """Work that was begun well and could not be ended well; exit code 1."""

    exit_code = 1


class Terminated(KeyboardInterrupt):
    """SIGTERM came, and what is under way ends as at Ctrl-C; exit code 143."""


def item_error(error: Exception, path: Path | None = None) -> str:
    """Why one item of a batch failed, in a sentence; it begins with the item's `path` unless it names it anyway.

    A `UserError` says it, here with flags. Anything else is not a fault of the item that we foresaw, so the sentence
    names its kind, and with TFFACE_TRACEBACK set its traceback is printed.
    """
    if path is not None:
        sentence = item_error(error)
        return sentence if path.name in sentence else f"{path}: {sentence}"
    if isinstance(error, UserError):
        return with_flags(" ".join(str(error).split()))
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return "there is not enough memory for it: end other programs, or give a smaller picture"
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exception(error, file=sys.stderr)
    words = " ".join(str(error).split())[:300]
    return f"unexpected {type(error).__name__}: {words} (set {TRACEBACK_VARIABLE}=1 to see where)"


def with_flags(sentence: str) -> str:
    """The sentence of a `UserError` as a command says it: --min-face for `min_face`, --no-strict for `strict=False`."""

    def flag(argument: re.Match[str]) -> str:
        name, value = argument[1].replace("_", "-"), argument[2]
        if value == "False":
            return f"--no-{name}"
        return f"--{name}" if value in (None, "True") else f"--{name} {value}"

    return ARGUMENT.sub(flag, sentence)
