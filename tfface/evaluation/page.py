"""One HTML file with everything in it: tables, pictures as data, problems."""

from __future__ import annotations

import base64
import html
import io
import platform
from collections.abc import Iterable, Sequence
from importlib import metadata

import numpy as np
from numpy.typing import NDArray

from tfface.io.files import MARK
from tfface.version import __version__

_PACKAGES = ("numpy", "scipy", "tensorflow", "keras", "opencv-python", "trimesh")
_STYLE = """body{font:15px/1.5 sans-serif;max-width:75em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}td,th{padding:.25em .7em;border-bottom:1px solid #ccc;text-align:right}
td:nth-child(-n+2),th:nth-child(-n+2){text-align:left}img{max-width:100%}"""


def page(title: str, *parts: str) -> str:
    """A whole HTML page of `parts`, which are HTML."""
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title><!-- {MARK} -->'
    return f"{head}<style>{_STYLE}</style>\n<h1>{html.escape(title)}</h1>\n" + "\n".join(parts) + "\n</html>\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table."""
    heads = "".join(f"<th>{html.escape(text)}</th>" for text in head)
    cells = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{heads}</tr>{cells}</table>"


def heading(text: str, level: int = 2) -> str:
    """A heading."""
    return f"<h{level}>{html.escape(text)}</h{level}>"


def paragraph(text: str) -> str:
    """A paragraph."""
    return f"<p>{html.escape(text)}</p>"


def problem_list(lines: Sequence[str]) -> str:
    """What went wrong, under a heading; nothing where nothing did."""
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"{heading('Problems')}<ul>{items}</ul>" if lines else ""


def print_tables(tables: Iterable[tuple[str, tuple[list[str], list[list[str]]]]], problems: Sequence[str] = ()) -> None:
    """Tables (a title, head and rows) that have rows, and lines after them, on the terminal."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for title, (head, rows) in tables:
        table = Table(title=title)
        for number, text in enumerate(head):
            table.add_column(text, justify="left" if number < 2 else "right", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        if rows:
            # A terminal that is not one has 80 columns, and would cut the numbers.
            Console(width=max(console.width, 70 + 11 * len(head))).print(table)
    for line in problems:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def png_tag(png: bytes) -> str:
    """A PNG's bytes as an image."""
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def image_tag(image: NDArray[np.uint8]) -> str:
    """A picture `[H,W,3]` uint8 RGB as a JPEG image."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=88)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}">'


def versions() -> dict[str, str]:
    """Of ourselves, Python and the packages that the figures depend on."""
    found = {"tfface": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
