"""Wavefront OBJ in the file's own order of vertices, in all the forms that are about.

Numbers may be parted by tabs, comments may end a line, a line may go on after a backslash, indices may count backwards
from the last vertex, corners may be `1`, `1/2`, `1//3` or `1/2/3`, faces may be polygons (they become fans), and
several materials share one list of vertices.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.io.reading import must_exist, reading


@dataclass(frozen=True)
class ObjFile:
    """What an OBJ holds.

    Attributes:
        vertices: `[V,3]`.
        colors: `[V,3]` in [0,1], or None.
        uv: `[T,2]` places in the texture, v upwards, or None.
        triangles: `[F,3]` from 0.
        places: `[F,3]` each corner's row of `uv`, -1 where it has none; None where no corner has one.
        libraries: the names after `mtllib`.
        materials: the names after `usemtl`, in their order.
    """

    vertices: NDArray[np.float64]
    colors: NDArray[np.float64] | None
    uv: NDArray[np.float64] | None
    triangles: NDArray[np.int64]
    places: NDArray[np.int64] | None
    libraries: tuple[str, ...]
    materials: tuple[str, ...]


def read_obj(path: Path, advice: str = "give an OBJ file", with_faces: bool = True) -> ObjFile:
    """The OBJ at `path`; without its faces where only vertices are asked for.

    Raises:
        UserError: the file is missing, no OBJ, names vertices that it lacks, or has none.
    """
    path = must_exist(path, advice)
    with reading(path, "an OBJ mesh", advice):
        found = _parse(path.read_text(encoding="utf-8-sig", errors="replace"), with_faces)
    if not len(found.vertices):
        raise UserError(f"{path} cannot be read as an OBJ mesh (it holds no vertices): {advice}.")
    return found


def _parse(text: str, with_faces: bool) -> ObjFile:
    """Raises ValueError, or whatever a broken text leads to."""
    vertices: list[list[str]] = []
    uv: list[list[str]] = []
    faces: list[list[int]] = []
    places: list[list[int]] = []
    names: dict[str, list[str]] = {"mtllib": [], "usemtl": []}
    for line in text.replace("\\\n", " ").replace("\\\r\n", " ").splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        kind = words[0]
        if kind == "v":
            vertices.append(words[1:])
        elif kind == "vt":
            uv.append(words[1:3])
        elif kind == "f" and with_faces:
            corners = [corner.split("/") for corner in words[1:]]
            faces.append([_index(corner[0], len(vertices)) for corner in corners])
            places.append([_index(c[1], len(uv)) if len(c) > 1 and c[1] else -1 for c in corners])
        elif kind in names:
            names[kind].append(" ".join(words[1:]))
    points, colors = _points(vertices)
    triangles = _fans(faces)
    corners_uv = _fans(places)
    if len(triangles) and not 0 <= triangles.min() <= triangles.max() < len(points):
        raise ValueError(f"a face names a vertex beyond its {len(points)}")
    corners_uv[(corners_uv < 0) | (corners_uv >= len(uv))] = -1  # places that the file does not have
    has_uv = bool(len(uv)) and bool((corners_uv >= 0).any())
    return ObjFile(
        points,
        colors,
        _table(uv, 2) if has_uv else None,
        triangles,
        corners_uv if has_uv else None,
        tuple(names["mtllib"]),
        tuple(dict.fromkeys(names["usemtl"])),
    )


def _index(word: str, count: int) -> int:
    """From 1, or backwards from the last so far, to an index from 0."""
    number = int(word)
    if number == 0:
        raise ValueError("it names vertex 0, where the first is 1")
    return number - 1 if number > 0 else count + number


def _fans(polygons: list[list[int]]) -> NDArray[np.int64]:
    """Polygons as triangles `[F,3]`, each a fan round its first corner."""
    if any(len(corners) < 3 for corners in polygons):
        raise ValueError("it has a face of fewer than three corners")
    flat = [(c[0], c[k], c[k + 1]) for c in polygons for k in range(1, len(c) - 1)]
    return np.array(flat, np.int64).reshape(-1, 3)


def _points(rows: list[list[str]]) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Vertices, and their colours where every vertex has one."""
    points = _table([row[:3] for row in rows], 3)
    if not rows or min(map(len, rows)) < 6:
        return points, None
    colors = _table([row[3:6] for row in rows], 3)
    return points, colors / 255 if colors.max() > 1 else colors


def _table(rows: list[list[str]], width: int) -> NDArray[np.float64]:
    if any(len(row) < width for row in rows):
        raise ValueError(f"it has a line of fewer than {width} numbers")
    return np.array(rows, np.float64).reshape(-1, width)


def texture_file(path: Path, obj: ObjFile) -> Path | None:
    """The picture that the OBJ's first textured material names; None where there is none.

    Raises:
        UserError: a material file cannot be read.
    """
    pictures: dict[str, str] = {}
    for library in obj.libraries:
        file = path.parent / library.replace("\\", "/")
        if _is_file(file):
            with reading(file, "a material file (.mtl)"):
                pictures.update(_pictures(file.read_text(encoding="utf-8-sig", errors="replace")))
    order = [name for name in obj.materials if name in pictures] or list(pictures)
    files = [path.parent / pictures[name].replace("\\", "/") for name in order]
    return next((file for file in files if _is_file(file)), None)


def _pictures(text: str) -> dict[str, str]:
    """The diffuse picture of each material."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) < 2:
            continue
        if words[0] == "newmtl":
            name = " ".join(words[1:])
        elif words[0].lower() == "map_kd":
            found[name] = " ".join(_without_options(words[1:]))
    return found


def _without_options(words: list[str]) -> list[str]:
    """`-s 1 1 1 -clamp on picture.png` names picture.png."""
    rest = list(words)
    while len(rest) > 1 and rest[0].startswith("-"):
        rest.pop(0)
        while len(rest) > 1 and _is_value(rest[0]):
            rest.pop(0)
    return rest


def _is_value(word: Any) -> bool:
    return word in ("on", "off") or word.replace(".", "").replace("-", "").isdigit()


def _is_file(path: Path) -> bool:
    """Whether there is such a file; none has a name that is too long, which Python would raise for."""
    try:
        return path.is_file()
    except OSError:
        return False
