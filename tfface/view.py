"""`tfface view RESULT`: results in the browser, to turn and to move; one file, no server."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from tfface.cli import run
from tfface.errors import UserError


@dataclass(frozen=True)
class Arguments:
    """Opens results of predict or fit in the browser: heads that turn, with a slider for each of the 52 expressions."""

    result: tyro.conf.Positional[Path]
    """A folder of results, or a file of a face's results (NAME.glb, NAME.json, ...); view.html is written beside it."""
    open: bool = True
    """--no-open: only write the page."""
    overwrite: bool = False
    """Also over a view.html that tfface did not write."""


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the page and opens it; 0."""
    arguments = tyro.cli(Arguments, args=argv, prog="tfface view")
    path = write_view(arguments.result, arguments.overwrite)
    print(path)
    if arguments.open and not webbrowser.open(path.resolve().as_uri()):
        print("tfface view: no browser was found: open this file in one.", file=sys.stderr)
    return 0


def write_view(result: Path, overwrite: bool = False) -> Path:
    """Writes view.html beside results.

    Args:
        result: a folder of results, or a file of a face's.
        overwrite: also what tfface did not write.

    Raises:
        UserError: there are none, or a view.html that tfface did not write.
    """
    from tfface.io.reading import must_exist
    from tfface.io.results import faces_in
    from tfface.report.page import write_report

    if result.is_dir():
        folder, names = result, faces_in(result)
    else:
        must_exist(result, "give a folder of results, or a file in one")
        folder, every = result.parent, faces_in(result.parent)
        names = [name for name in every if result.stem == name] or [
            name for name in every if result.stem.startswith(f"{name}_")
        ][-1:]
    if not names:
        raise UserError(f"{result} is not a result with a NAME.json beside it: make one with `tfface predict PHOTO`.")
    return write_report(folder, [(None, name) for name in names], [], f"tfface view {result.name}", overwrite, True)


if __name__ == "__main__":
    sys.exit(run(main))
