"""Tables that follow from the face model alone, kept in the user's cache: made once, then mapped into memory.

Which triangle a texel lies in, what a subdivided cage's vertices blend and the like take SciPy and a second to make,
and never change. They are kept under a digest of the face model and of the code that makes them, so what is stale is
not found.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.io.files import begun_prefix, cache_folder, sweep_leftovers

Arrays = tuple[NDArray[Any], ...]
PACKAGE = Path(__file__).parents[1]
CODE = ("face/*.py", "geometry/*.py", "viz/*.py", "models/map_basis.py")
"""What makes them."""
STALE_SECONDS = 24 * 3600
"""So old are tables of other code, or of another face model, that are deleted when new ones are kept."""


def kept(name: str, of: str, make: Callable[[], Arrays]) -> Arrays:
    """What `make` gives: from the cache, where it is kept from then on.

    Args:
        name: of the table.
        of: a digest of what it is made of, beside the code; empty: it is made anew and not kept.
        make: gives the arrays, always as many and the same ones.
    """
    if not of:
        return make()
    folder = cache_folder() / "tables" / f"{name}-{of[:8]}{_code()}"
    found = _read(folder)
    if found is None:
        found = make()
        _write(folder, found)
    return found


@lru_cache(maxsize=1)
def _code() -> str:
    digest = hashlib.sha256(np.__version__.encode())
    for path in sorted(path for place in CODE for path in PACKAGE.glob(place)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _read(folder: Path) -> Arrays | None:
    """None where nothing whole is kept."""
    try:
        count = int(np.load(folder / "count.npy"))
        # copy on write: some libraries compile code of its own for arrays that may not be written
        return tuple(np.asarray(np.load(folder / f"{k}.npy", mmap_mode="c")) for k in range(count))
    except Exception:  # a damaged file makes NumPy throw much
        return None


def _write(folder: Path, arrays: Arrays) -> None:
    """A whole folder or none, and no older ones of its name; a cache that cannot be written is done without."""
    beside = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep_leftovers(folder.parent)
        beside = Path(tempfile.mkdtemp(prefix=begun_prefix(folder.name), dir=folder.parent))
        np.save(beside / "count.npy", len(arrays))
        for number, array in enumerate(arrays):
            np.save(beside / f"{number}.npy", np.asarray(array, order="C"))
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)  # it could not be read
        os.replace(beside, folder)
        for other in folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*"):
            if other.stat().st_mtime < time.time() - STALE_SECONDS:
                shutil.rmtree(other, ignore_errors=True)
    except OSError:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)
