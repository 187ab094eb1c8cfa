"""Meshes on disk: OBJ (vertex colours, or a texture with its MTL), PLY and GLB; the same input gives the same bytes.

Vertices are millimetres; GLB alone is in metres, as glTF wants. `uv` has its origin top-left; OBJ's v points up.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.io.files import MARK, atomic_path, write_text
from tfface.io.glb import glb_bytes
from tfface.io.image import only_known_formats, read_image, write_image
from tfface.io.obj import read_obj, texture_file
from tfface.io.reading import must_exist, reading

MM_TO_M = 0.001
MESH_SUFFIXES = (".obj", ".ply", ".glb")
_LIKE = "give an OBJ, PLY or GLB file"
PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh.

    Attributes:
        vertices: `[V,3]` float32, millimetres.
        triangles: `[F,3]` int32, counter-clockwise from outside.
        colors: `[V,3]` uint8 RGB or None.
        uv: `[V,2]` float32, origin top-left, or None.
        texture: `[T,T,3]` uint8 RGB or None.
    """

    vertices: NDArray[np.float32]
    triangles: NDArray[np.int32]
    colors: NDArray[np.uint8] | None = None
    uv: NDArray[np.float32] | None = None
    texture: NDArray[np.uint8] | None = None


def write_mesh(path: PathLike, mesh: Mesh, mark: str = MARK) -> None:
    """Writes `.obj`, `.ply` or `.glb`, by the suffix of `path`; it carries `mark`.

    Raises:
        UserError: when the suffix is another one.
    """
    writers = {".obj": write_obj, ".ply": _write_ply, ".glb": _write_glb}
    suffix = Path(path).suffix.lower()
    if suffix not in writers:
        raise UserError(f"{path}: meshes are written as {', '.join(writers)}; choose one of these suffixes.")
    writers[suffix](Path(path), mesh, mark)


def write_obj(path: Path, mesh: Mesh, mark: str = MARK) -> None:
    """Writes an OBJ: `v x y z r g b` without a texture; else NAME.obj, NAME.mtl and NAME_texture.png side by side."""
    textured = mesh.texture is not None and mesh.uv is not None
    lines = [f"# {mark}\n"]
    if textured:
        _write_material(path, mesh, mark)
        lines.append(f"mtllib {path.stem}.mtl\nusemtl face\n")
    if mesh.colors is not None and not textured:
        lines.append(rows_of_text("v %.4f %.4f %.4f %.4f %.4f %.4f\n", np.hstack([mesh.vertices, mesh.colors / 255.0])))
    else:
        lines.append(rows_of_text("v %.4f %.4f %.4f\n", mesh.vertices))
    if mesh.uv is not None:
        lines.append(rows_of_text("vt %.6f %.6f\n", mesh.uv * [1.0, -1.0] + [0.0, 1.0]))
        lines.append(rows_of_text("f %d/%d %d/%d %d/%d\n", np.repeat(mesh.triangles + 1, 2, axis=1)))
    else:
        lines.append(rows_of_text("f %d %d %d\n", mesh.triangles + 1))
    write_text(path, "".join(lines), errors="surrogateescape")


def _write_material(path: Path, mesh: Mesh, mark: str) -> None:
    picture = path.with_name(f"{path.stem}_texture.png")
    assert mesh.texture is not None
    write_image(picture, mesh.texture, result=True, mark=mark)
    text = f"# {mark}\nnewmtl face\nKa 1 1 1\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {picture.name}\n"
    write_text(path.with_suffix(".mtl"), text, errors="surrogateescape")


def rows_of_text(template: str, values: NDArray[Any]) -> str:
    """A line a row of `values` `[N,C]`, each after `template` (of `%d` and `%.4f`), in a fifth of Python's own time.

    Text is put together from words of four characters, of which zeros are none.
    """
    between = re.split(r"%(?:\.(\d))?[df]", template)
    words: list[Any] = []
    for number, literal in enumerate(between[::2]):
        words += np.frombuffer((bytes(-len(literal) % 4) + literal.encode()), "<u4").tolist()
        if number < values.shape[1]:
            words += _digits(values[:, number], int(between[2 * number + 1] or 0))
    text = np.empty((len(values), len(words)), "<u4")
    for place, word in enumerate(words):
        text[:, place] = word
    return text.tobytes().translate(None, b"\0").decode("ascii")


def _digits(values: NDArray[Any], decimals: int) -> list[Any]:
    """Numbers `[N]` as words `[N]` each, or one for all."""
    left = np.rint(np.abs(values.astype(np.float64)) * 10**decimals).astype(np.int64)
    left = left.astype(np.int32) if left.max(initial=0) < 2**31 else left
    integer = left // 10**decimals if decimals else left
    minus = np.where((values < 0) & (left > 0), np.uint32(ord("-")), np.uint32(0))
    words = [minus, *_figures(integer, len(str(int(integer.max(initial=0)))), blank=True)]
    return [*words, ord("."), *_figures(left - integer * 10**decimals, decimals, blank=False)] if decimals else words


def _figures(numbers: NDArray[np.integer], count: int, blank: bool) -> list[NDArray[np.uint32]]:
    """The last `count` digits of numbers `[N]`; with `blank` zeros before a number are none."""
    padded, bare = _four_figures()
    if count <= 4:
        return [bare.take(numbers) if blank else padded.take(numbers) & np.uint32(2**32 - 256 ** (4 - count))]
    higher = numbers // 10000
    last = padded.take(numbers - 10000 * higher)
    before = _figures(higher, count - 4, blank)
    if blank:
        last = np.where(higher > 0, last, bare.take(numbers - 10000 * higher))
        before = [np.where(higher > 0, word, np.uint32(0)) for word in before]
    return [*before, last]


@lru_cache(maxsize=1)
def _four_figures() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """0 to 9999 as words, with zeros before the number and with none `[10000]`."""
    numbers, places = np.arange(10000)[:, None], np.array([1000, 100, 10, 1])
    padded = (numbers // places % 10 + ord("0")).astype(np.uint8)
    bare = np.where(numbers >= places * (places > 1), padded, 0).astype(np.uint8)
    return padded.view("<u4")[:, 0].astype(np.uint32), bare.view("<u4")[:, 0].astype(np.uint32)


def _write_ply(path: Path, mesh: Mesh, mark: str) -> None:
    data = _to_trimesh(mesh).export(file_type="ply")
    first, format_line, rest = data.split(b"\n", 2)
    with atomic_path(path) as beside:
        beside.write_bytes(b"\n".join([first, format_line, f"comment {mark}".encode(), rest]))


def _write_glb(path: Path, mesh: Mesh, mark: str) -> None:
    data = glb_bytes(mesh, MM_TO_M, mark)
    with atomic_path(path) as beside:
        beside.write_bytes(data)


def _to_trimesh(mesh: Mesh) -> Any:
    import trimesh

    from tfface.geometry.raster import vertex_normals

    result = trimesh.Trimesh(
        mesh.vertices.astype(np.float64),
        mesh.triangles,
        vertex_normals=vertex_normals(mesh.vertices, mesh.triangles),
        process=False,
    )
    if mesh.colors is not None:
        result.visual = trimesh.visual.ColorVisuals(result, vertex_colors=mesh.colors)
    return result


def read_mesh(path: PathLike, split_seams: bool = False) -> Mesh:
    """A mesh of one piece from OBJ, PLY or GLB, vertices in their order; GLB's metres become millimetres.

    Args:
        split_seams: an OBJ's vertices that have several places in the texture are repeated for each, in another order:
            to draw the mesh with its texture. Otherwise such a vertex keeps one of its places.

    Raises:
        UserError: when it is missing or cannot be read, has no triangles, or coordinates that are not numbers.
    """
    path = must_exist(path, _LIKE)
    suffix = path.suffix.lower()
    if suffix not in MESH_SUFFIXES:
        raise UserError(f"{path} is not a mesh that is read here: {_LIKE}.")
    mesh = _read_obj(path, split_seams) if suffix == ".obj" else _read_trimesh(path, suffix)
    if not len(mesh.triangles):
        raise UserError(f"{path} holds no triangles: give a mesh.")
    if not np.isfinite(mesh.vertices).all():
        raise UserError(f"{path} has vertices whose coordinates are not finite numbers: give another mesh.")
    return mesh


def _read_obj(path: Path, split_seams: bool) -> Mesh:
    obj = read_obj(path, _LIKE)
    texture = _read_texture(texture_file(path, obj))
    vertices, triangles, uv = obj.vertices, obj.triangles, None
    if obj.uv is not None and obj.places is not None:
        pairs = np.stack([triangles.ravel(), obj.places.ravel()], axis=1)
        if split_seams:
            pairs, corners = np.unique(pairs, axis=0, return_inverse=True)
            vertices, triangles = vertices[pairs[:, 0]], corners.reshape(-1, 3)
            uv = np.where(pairs[:, 1:] >= 0, obj.uv[pairs[:, 1]], 0.0)
        else:
            pairs = pairs[pairs[:, 1] >= 0]
            uv = np.zeros((len(vertices), 2))
            uv[pairs[:, 0]] = obj.uv[pairs[:, 1]]
        uv = uv * [1.0, -1.0] + [0.0, 1.0]
    colors = None
    if obj.colors is not None and uv is None:
        colors = np.asarray(np.clip(obj.colors, 0, 1) * 255 + 0.5, np.uint8)
    with np.errstate(over="ignore"):  # what is too large for 32 bits is reported as not finite
        points = np.asarray(vertices, np.float32)
    return Mesh(
        points,
        np.asarray(triangles, np.int32),
        colors,
        None if uv is None else np.asarray(uv, np.float32),
        texture if uv is not None else None,
    )


def _read_texture(path: Path | None) -> NDArray[np.uint8] | None:
    return None if path is None else read_image(path, min_side=1)


def _read_trimesh(path: Path, suffix: str) -> Mesh:
    import trimesh

    with only_known_formats():
        with reading(path, "a mesh", _LIKE):
            loaded = trimesh.load_mesh(path, process=False, maintain_order=True)
            if isinstance(loaded, trimesh.Scene):
                loaded = loaded.to_mesh()
            points, faces = np.asarray(loaded.vertices, np.float64), np.asarray(loaded.faces, np.int64)
            looks = _read_looks(loaded.visual)
        if len(faces) and (faces.min() < 0 or faces.max() >= len(points)):
            raise UserError(f"{path} cannot be read as a mesh (a face names a vertex that it lacks): {_LIKE}.")
    scale = 1 / MM_TO_M if suffix == ".glb" else 1.0
    with np.errstate(over="ignore"):
        return Mesh(np.asarray(points * scale, np.float32), np.asarray(faces, np.int32), *looks)


def _read_looks(
    visual: Any,
) -> tuple[NDArray[np.uint8] | None, NDArray[np.float32] | None, NDArray[np.uint8] | None]:
    """Colours, uv and texture as far as there are any."""
    if visual.kind == "vertex":
        return np.asarray(visual.vertex_colors[:, :3], np.uint8), None, None
    uv = getattr(visual, "uv", None)
    if visual.kind != "texture" or uv is None:
        return None, None, None
    material = visual.material
    picture = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    texture = None if picture is None else np.asarray(picture.convert("RGB"), np.uint8)
    return None, np.asarray(uv * [1.0, -1.0] + [0.0, 1.0], np.float32), texture
