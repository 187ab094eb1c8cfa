"""Files that are either whole or absent, and that say who wrote them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError

TRUST_FILE = "trust.npz"
"""How far a network's points may be trusted (`tfface.face.found`): lies beside its weights and in its export."""
MARK = "written by tfface"
"""What every result carries near its beginning, in whatever way its format allows."""
_MARK_WITHIN = 4096
_MARKED = re.compile(rb"written by tfface(?: of ([0-9a-f]{16}))?")
_DISK_ERRORS = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.ENAMETOOLONG, errno.EIO)
_BEGUN = re.compile(r"\..*-tfface-([0-9a-f]{8})-([0-9]+)-[a-z0-9_]{8}(\..*)?")
_NOWHERE = "0" * 8
_STALE_SECONDS = 24 * 3600
_swept: set[str] = set()


def json_text(content: Mapping[str, Any]) -> str:
    """An object as JSON, a line a key: Python's encoder is ten times as slow where it indents all that is inside."""
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items())
    return f"{{\n{lines}\n}}\n"


def write_text(path: str | os.PathLike[str], text: str, errors: str = "strict") -> None:
    """Writes UTF-8, whole or not at all; `errors` as of `str.encode`."""
    with atomic_path(path) as beside:
        beside.write_bytes(text.encode("utf-8", errors))


def write_results(path: Path, results: Mapping[str, Any]) -> None:
    """Writes JSON that says who wrote it, whole or not at all."""
    write_text(path, json.dumps({"software": MARK, **results}, indent=1, allow_nan=False))


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path beside `path` (same folder, same suffix) to write to; renamed onto `path` when the block ends well.

    When the block raises, what was written is deleted and `path` is left as it was.

    Raises:
        UserError: the disk does not take it (full, read-only, a name too long).
    """
    target = Path(path)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep_leftovers(target.parent)
        handle, name = tempfile.mkstemp(prefix=begun_prefix(target.stem), suffix=target.suffix, dir=target.parent)
    os.close(handle)
    beside = Path(name)
    try:
        with writing(target):
            yield beside
            beside.chmod(0o666 & ~_umask())
            beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@contextmanager
def writing(target: str | os.PathLike[str]) -> Iterator[None]:
    """Turns what a disk says (full, read-only, not yours) into a sentence that names what was being written.

    Raises:
        UserError: an `OSError` that is not of a closed pipe, or the same in the words of TensorFlow or HDF5.
    """
    try:
        yield
    except (UserError, BrokenPipeError):
        raise
    except Exception as error:
        why = disk_trouble(error)
        if why is None:
            raise
        raise UserError(f"{target} cannot be written ({why}): make room, or choose another folder.") from error


def disk_trouble(error: Exception) -> str | None:
    """What a disk said, where that is what an exception is about; None where it is not."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    message = str(error)
    for number in _DISK_ERRORS:
        if os.strerror(number) in message or f"errno = {number}," in message:
            return os.strerror(number)
    return message or type(error).__name__ if isinstance(error, OSError) else None


def write_array(path: Path, values: NDArray[Any]) -> None:
    """Writes a result as NumPy's `.npy`, whole or not at all; `MARK` stands as a comment in its header."""
    description = {"descr": values.dtype.str, "fortran_order": False, "shape": values.shape}
    text = f"{description!r} # {MARK}"
    text += " " * (-(len(text) + 11) % 64) + "\n"  # the format aligns the data to 64 bytes
    header = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode("latin-1")
    with atomic_path(path) as beside:
        beside.write_bytes(header + np.ascontiguousarray(values).tobytes())


@contextmanager
def utf8_name(path: Path) -> Iterator[Path]:
    """The path of the same file for libraries that take names in UTF-8 alone (OpenCV's FFmpeg ends the process at
    another): itself, or a link to it in a temporary folder."""
    if _is_utf8(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="tfface-") as folder:
        link = Path(folder, f"link{path.suffix if _is_utf8(path.suffix) else ''}")
        with writing(link):
            link.symlink_to(path.absolute())
        if not _is_utf8(link):
            raise UserError(f"{path} has a name that is not UTF-8: rename it.")
        yield link


def _is_utf8(name: str | os.PathLike[str]) -> bool:
    try:
        os.fspath(name).encode()
    except UnicodeEncodeError:
        return False
    return True


def begun_prefix(name: str) -> str:
    """How a file or folder is called that is not whole yet: hidden, by whom and where it is being written."""
    return f".{name[:40]}-tfface-{_this_place()}-{os.getpid()}-"


def sweep_leftovers(folder: Path) -> None:
    """Deletes what was begun in a folder by processes of ours that were killed; a process looks once.

    A leftover is known by its name (`begun_prefix`), which nobody else gives. It goes when the process that it names
    has ended; where that cannot be known (another machine or container, another system than Linux), a day after it was
    last touched.
    """
    if str(folder.absolute()) in _swept:
        return
    _swept.add(str(folder.absolute()))
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            named = _BEGUN.fullmatch(entry.name)
            if named is None or not _is_stale(entry, *named.group(1, 2)):
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)


def _is_stale(entry: os.DirEntry[str], place: str, process: str) -> bool:
    if place != _this_place() or place == _NOWHERE:
        return entry.stat(follow_symlinks=False).st_mtime < time.time() - _STALE_SECONDS
    return not Path("/proc", process).exists()


@lru_cache(maxsize=1)
def _this_place() -> str:
    """Where a process's number means one process: this machine since it started, and this container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        place = f"{boot}{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return _NOWHERE
    return hashlib.sha256(place.encode()).hexdigest()[:8]


def mark_of(digest: str) -> str:
    """`MARK` with whose result it is: the first 16 hexadecimal digits of what it was made of, told by `owner`."""
    return f"{MARK} of {digest[:16]}"


def owner(path: Path) -> str | None:
    """Whose result a file is: what `mark_of` says in it, empty where our mark says nothing; None of what is not ours.

    A CSV has no room for a mark: it is as the JSON beside it.
    """
    path = path.with_suffix(".json") if path.suffix == ".csv" else path
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            found = _MARKED.search(file.read(_MARK_WITHIN))
    except OSError:
        return None
    return None if found is None else (found[1] or b"").decode()


def written_by_us(path: Path) -> bool:
    """Whether a file is a result of ours, by the mark that it carries (`MARK`)."""
    return owner(path) is not None


def refuse_foreign(paths: Iterable[Path], advice: str = "choose another `out`, or add `overwrite=True`") -> None:
    """Sees to it that nothing is overwritten that is not ours.

    Raises:
        UserError: one of `paths` is there and does not carry our mark.
    """
    for path in paths:
        if os.path.lexists(path) and not written_by_us(path):
            raise UserError(f"{path} is there and is not a result of tfface: {advice}.")


def folder_digest(folder: Path) -> str:
    """A digest of the files of a folder (an exported model's), wherever it lies and whatever it is called.

    Raises:
        UserError: one of them cannot be read.
    """
    digest = hashlib.sha256()
    try:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest.update(os.fsencode(path.relative_to(folder).as_posix()))
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    except OSError as error:
        raise UserError(
            f"{error.filename or folder} cannot be read ({error.strerror}): is it yours to read?"
        ) from error
    return digest.hexdigest()[:16]


def must_be_free(folder: Path, sign: str, what: str = "the SavedModel", replaced: Container[str] | None = None) -> None:
    """Sees to it that a whole folder may be written to `folder`.

    Args:
        folder: where to.
        sign: the file by which an earlier one is recognised, which may be replaced.
        what: is to be written.
        replaced: names of all that an earlier one may hold, where it is replaced with all that lies in it.

    Raises:
        UserError: it is a file, or holds something else.
    """
    with writing(folder):
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        other = [] if (folder / sign).is_file() else names
        other += [] if replaced is None else [name for name in names if name not in replaced]
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a new folder for {what}.")
    if other:
        raise UserError(f"{folder} holds other files ({other[0]}); name a new folder for {what}.")


def cache_folder() -> Path:
    """Where what can be made again is kept: `$TFFACE_CACHE`, else `~/.cache/tfface`.

    Raises:
        UserError: this user has no home folder.
    """
    named = os.environ.get("TFFACE_CACHE")
    try:
        return Path(named) if named else Path.home() / ".cache" / "tfface"
    except RuntimeError as error:
        raise UserError("This user has no home folder: name a folder for what is kept in TFFACE_CACHE.") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
