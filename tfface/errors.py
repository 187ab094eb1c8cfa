"""The one error that people see."""

from __future__ import annotations


class UserError(Exception):
    """Bad input, told in one clear sentence: what is wrong, where, what to do next.

    Commands print the sentence without a traceback and exit with code 2; batches note it and go on.
    """
