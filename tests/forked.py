"""Processes that begin with TensorFlow imported: children of one that imported it and does nothing else.

The import costs a core five seconds. A test in which processes are killed, or meet each other, need not pay them for
each; one about how a command starts runs Python anew (the fixture `python`).
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tensorflow", "tfface.training.position_map"])


def begin(function: Callable[..., Any], *arguments: Any, log: Path, **environment: str) -> ForkServerProcess:
    """Calls a module's function in a process of its own.

    Args:
        function: what it gives is the process's exit code; None is 0.
        log: where its standard output and error go.
        environment: variables to set there.
    """
    process = _CONTEXT.Process(target=_call, args=(log, environment, function, arguments))
    process.start()
    return process


def ended(process: ForkServerProcess, seconds: float = 300) -> int | None:
    """The exit code, once there is one; None if it takes longer."""
    process.join(seconds)
    return process.exitcode


def _call(log: Path, environment: dict[str, str], function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    os.environ.update(environment)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.exit(function(*arguments))
