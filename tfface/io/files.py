"""Files that are either whole or absent."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path beside `path` (same folder, same suffix) to write to; renamed onto `path` when the block ends well.

    When the block raises, what was written is deleted and `path` is left as it was.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        beside.chmod(0o666 & ~_umask())
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def cache_folder() -> Path:
    """Where what can be made again is kept: `$TFFACE_CACHE`, else `~/.cache/tfface`."""
    return Path(os.environ.get("TFFACE_CACHE") or Path.home() / ".cache" / "tfface")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
