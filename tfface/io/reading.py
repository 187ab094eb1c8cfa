"""Whatever a parser throws at a damaged file becomes one sentence, in one place.

Parsers raise what they meet: of a file with a flipped byte `zlib.error`, `IndexError`, `struct.error`,
`NotImplementedError`, `MemoryError` (an absurd size) or something of their own. No list of them is ever complete, so
`reading` lists none. What it guards must therefore be the parser's call alone: mistakes in our own lines would be
blamed on the file. The parser's exception stays attached (`__cause__`) for whoever looks.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.io.unpacking import MOST_VALUES, check_unpacked, matlab

Result = TypeVar("Result")
PathLike = str | os.PathLike[str]
LONGEST_REASON = 160


@contextmanager
def reading(path: PathLike, what: str, advice: str = "the file is damaged or another one") -> Iterator[None]:
    """Guards a parser's call on the file at `path`.

    Args:
        what: what the file should be, with its article: "a MATLAB file".
        advice: what to do next, or what the matter may be.

    Raises:
        UserError: the parser failed, however.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path} cannot be read as {what} ({reason(error)}): {advice}.") from error


def guarded(what: str, advice: str) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """`reading` round a whole function whose first argument is the path: for parsers that are our own."""

    def decorate(parse: Callable[..., Result]) -> Callable[..., Result]:
        @wraps(parse)
        def call(path: PathLike, *rest: Any, **named: Any) -> Result:
            with reading(path, what, advice):
                return parse(path, *rest, **named)

        return call

    return decorate


def reason(error: BaseException) -> str:
    """An exception in a few words, on one line: what TensorFlow or a decoder says is often a page."""
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    message = " ".join(next((line for line in str(error).splitlines() if line.strip()), "").split()).rstrip(".:")
    if isinstance(error, KeyError):
        return f"it has no entry {message}"
    if len(message) > LONGEST_REASON:
        message = message[: LONGEST_REASON - 1] + "…"
    return message or type(error).__name__


def parse_yaml(text: str) -> Any:
    """What YAML says, read safely; within `reading`.

    Raises:
        ValueError, yaml.YAMLError: it is damaged, or by its references endless or huge when it is gone through.
    """
    import yaml

    left, waiting = MOST_VALUES, [tree := yaml.safe_load(text)]
    while waiting:
        part = waiting.pop()
        inner = list(part.values()) if isinstance(part, dict) else part if isinstance(part, list) else []
        left -= len(inner)
        if left < 0:
            raise ValueError("its references to itself make it endless, or larger than any configuration")
        waiting += inner
    return tree


def must_exist(path: PathLike, advice: str) -> Path:
    """`path`, which is a file: neither missing, nor a folder, nor a pipe that nobody writes to.

    Raises:
        UserError: it is something else.
    """
    path = Path(path)
    with reading(path, "a file", "check its name"):
        missing, folder, plain = not path.exists(), path.is_dir(), path.is_file()
    if missing:
        raise UserError(f"{path} does not exist: {advice}.")
    if folder:
        raise UserError(f"{path} is a folder: {advice}.")
    if not plain:
        raise UserError(f"{path} is not an ordinary file (a pipe or a device): {advice}.")
    return path


def read_text(path: PathLike, what: str = "text", advice: str = "give a text file in UTF-8") -> str:
    """The text of a file in UTF-8, with or without a byte-order mark.

    Raises:
        UserError: it cannot be read.
    """
    path = must_exist(path, advice)
    with reading(path, what, advice):
        return path.read_text(encoding="utf-8-sig")


def read_json(path: PathLike, what: str = "JSON", advice: str = "the file is damaged or another one") -> Any:
    """What a JSON file holds.

    Raises:
        UserError: it cannot be read.
    """
    text = read_text(path, what, advice)
    with reading(path, what, advice):
        return json.loads(text)


def read_json_object(path: PathLike, what: str = "JSON", advice: str = "the file is damaged or another one") -> Any:
    """The object (a dictionary) that a JSON file holds.

    Raises:
        UserError: it cannot be read, or holds something else.
    """
    content = read_json(path, what, advice)
    if not isinstance(content, dict):
        raise UserError(f"{path} cannot be read as {what} (it holds no object): {advice}.")
    return content


def read_rows(path: PathLike, what: str, needed: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """The rows of a CSV file with a head.

    Raises:
        UserError: it cannot be read, or a row lacks one of the columns `needed`.
    """
    text = read_text(path, what)
    with reading(path, what):
        rows = list(csv.DictReader(text.splitlines(), strict=True))
    for number, row in enumerate(rows, 2):
        lacks = [name for name in needed if row.get(name) is None]
        if lacks or None in row:
            problem = f"has no {', '.join(lacks)}" if lacks else "has more fields than its head"
            raise UserError(f"{path} cannot be read as {what}: line {number} {problem}; remove that line.")
    return rows


def read_arrays(
    path: PathLike, what: str, needed: tuple[str, ...] = (), advice: str = "the file is damaged or another one"
) -> dict[str, NDArray[Any]]:
    """All arrays of an `.npz` file, never pickled ones.

    Raises:
        UserError: it cannot be read, or lacks one of `needed`.
    """
    path = must_exist(path, advice)
    with reading(path, what, advice):
        opened = np.load(path, allow_pickle=False)
        if isinstance(opened, np.ndarray):
            raise ValueError("it holds one array, not several with names")
        with opened:
            check_unpacked(path, sum(entry.file_size for entry in opened.zip.infolist()))
            arrays = {name: _real(np.asarray(opened[name])) for name in opened.files}
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise UserError(f"{path} cannot be read as {what} (it has no {', '.join(missing)}): {advice}.")
    return arrays


def read_array(path: PathLike, what: str, advice: str = "the file is damaged or another one") -> NDArray[Any]:
    """The array of an `.npy` file, never a pickled one.

    Raises:
        UserError: it cannot be read.
    """
    path = must_exist(path, advice)
    with reading(path, what, advice):
        array = np.load(path, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it holds several arrays, not one")
        return _real(array)


def _real(array: Any) -> Any:
    """NumPy drops imaginary parts with a warning alone."""
    if np.iscomplexobj(array):
        raise ValueError("its numbers are complex")
    return array


def read_matlab(
    path: PathLike, names: tuple[str, ...] = (), advice: str = "the file is damaged or another one"
) -> dict[str, Any]:
    """What a MATLAB file of version 4 to 7 holds; of all variables, or of `names` alone.

    Raises:
        UserError: it cannot be read.
    """
    from scipy.io import loadmat

    path = must_exist(path, advice)
    with reading(path, "a MATLAB file of version 5 to 7", advice):
        content: dict[str, Any] = loadmat(matlab(path), variable_names=list(names) or None)
        return {name: _real(value) for name, value in content.items() if not name.startswith("__")}


def read_matlab_numbers(path: PathLike, needed: tuple[str, ...] = ()) -> dict[str, NDArray[np.float64]]:
    """The variables of a MATLAB file that are finite numbers.

    Raises:
        UserError: it cannot be read, or one of `needed` is not among them.
    """
    content = read_matlab(path)
    arrays = {name: np.asarray(value) for name, value in content.items()}
    numbers = {name: array.astype(np.float64) for name, array in arrays.items() if array.dtype.kind in "fiub"}
    missing = [name for name in needed if name not in numbers]
    if missing:
        odd = [name for name in missing if name in arrays]
        what = f"no numbers in {', '.join(odd)}" if odd else f"no {', '.join(missing)}"
        raise UserError(f"{Path(path).name} has {what}")
    endless = [name for name in needed if not np.isfinite(numbers[name]).all()]
    if endless:
        raise UserError(f"{Path(path).name} has numbers in {', '.join(endless)} that are not finite")
    return numbers


def sibling(path: Path, suffixes: tuple[str, ...]) -> Path | None:
    """The file beside `path` with its stem and the first of `suffixes` that there is, in whatever case."""
    for suffix in suffixes:
        exact = path.with_name(path.stem + suffix)
        if exact.is_file():
            return exact
    wanted = [path.stem + suffix for suffix in suffixes]
    folder = path.parent
    there = _by_lower_suffix(folder, folder.stat().st_mtime_ns) if folder.is_dir() else {}
    return next((there[name] for name in wanted if name in there), None)


@lru_cache(maxsize=8)
def _by_lower_suffix(folder: Path, _changed: int) -> dict[str, Path]:
    """Files of a folder, as it was when it last changed, by their names with the suffix in lower case."""
    return {file.stem + file.suffix.lower(): file for file in sorted(folder.iterdir(), reverse=True) if file.is_file()}


def files_in(folder: Path, stem: str, suffixes: tuple[str, ...], deep: bool = False) -> list[Path]:
    """Files of a folder (and, `deep`, of those in it) whose stem fits the pattern `stem`, the suffix in any case."""
    found = folder.rglob(f"{stem}.*") if deep else folder.glob(f"{stem}.*")
    return sorted(file for file in found if file.suffix.lower() in suffixes and not file.name.startswith("."))
