"""Loops compiled by numba, and kept from one process to the next where there is room for that."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[Function], Function]:
    """`numba.njit` with these options.

    Numba keeps what it compiled beside the file, else in the user's cache. Where neither may be written (a package
    installed by another user, a service without a home folder, a read-only container) it refuses; each process then
    compiles anew, for some seconds.
    """

    def decorate(function: Function) -> Function:
        try:
            made: Function = numba.njit(cache=True, **options)(function)
        except RuntimeError:
            made = numba.njit(**options)(function)
        cache: Any = getattr(made, "_cache", None)
        keep = getattr(cache, "save_overload", None)
        if keep is not None:
            cache.save_overload = partial(_where_there_is_room, keep)
        return made

    return decorate


def _where_there_is_room(keep: Callable[..., None], *compiled_loop: Any) -> None:
    """A disk that takes no more is no matter: what is compiled works in this process."""
    with suppress(OSError):
        keep(*compiled_loop)
