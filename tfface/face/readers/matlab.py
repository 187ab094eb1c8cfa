"""MATLAB files of known content, and what to say when they are absent or hold something else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.io.reading import read_matlab


def load(path: Path, names: Sequence[str], what: str, optional: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """The arrays `names` (and those of `optional` that are there) of a `.mat` file.

    Args:
        what: what the file is, where it comes from and its licence, in sentences.

    Raises:
        UserError: the file is missing, no MATLAB file, or lacks one of `names`.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing. {what}")
    content = read_matlab(path, (*names, *optional), what.rstrip("."))
    missing = [name for name in names if name not in content]
    if missing:
        raise UserError(f"{path} holds no {', '.join(missing)}, so it is another file. {what}")
    return {name: np.asarray(content[name]) for name in (*names, *optional) if name in content}


def indices(array: NDArray[Any]) -> NDArray[np.int64]:
    """MATLAB's indices, counted from 1, as a flat array counted from 0."""
    return np.asarray(array, np.int64).ravel() - 1


def triangles(array: NDArray[Any]) -> NDArray[np.int64]:
    """Triangles `[F,3]` or `[3,F]` counted from 1, as `[F,3]` counted from 0."""
    table = np.asarray(array, np.int64)
    if table.ndim != 2 or 3 not in table.shape:
        raise UserError(f"Triangles of shape {table.shape} have no three corners: a wrong file.")
    return (table if table.shape[1] == 3 else table.T) - 1
