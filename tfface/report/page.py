"""The report of a folder's results: one file with photographs, overlays, meshes that turn, numbers and failures.

Everything comes from the results themselves, so results of an earlier run are in it, too. Meshes are the shape that
NAME.json says, at level 0, as offsets from the mean head in one byte each; a page draws 48 faces at a time, and decodes
a face's data when it is drawn.
"""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.head_mesh import HeadMesh, head_mesh
from tfface.face.open_model import load_open_face
from tfface.geometry.align import crop_transform, square_box
from tfface.io.files import MARK, atomic_path, refuse_foreign
from tfface.io.formats import REPORT, VIEW
from tfface.io.glb import first_picture
from tfface.io.image import read_image
from tfface.io.model import LEAST_MOVE_MM
from tfface.io.warp import warp_image
from tfface.viz.head_model import BROWN, PLAIN, eye_texture, tooth_texture

FEW, SIZES = 1000, (256, 144)
"""Pictures of up to so many faces, and of more, have sides of so many pixels."""
FINE, MOST_FINE = 1024, 12
"""Side of the textures of a viewer's faces, where these are so few."""
STRONGEST = 5
"""Expressions that are listed for each face."""
IDENTITIES = 10
"""Components of identity that have a slider in a viewer, the largest ones."""
COLOURS = {"skin": (0.80, 0.65, 0.56), "eye": (0.9, 0.9, 0.9), "tooth": (0.9, 0.87, 0.8)}


@dataclass(frozen=True)
class Reported:
    """A face whose results are there.

    Attributes:
        photo: its photograph, if it is there.
        base: its results' path without their endings.
    """

    photo: Path | None
    base: Path


def write_report(
    folder: Path,
    faces: Sequence[tuple[Path | None, str]],
    failures: Sequence[str],
    title: str,
    overwrite: bool = False,
    viewer: bool = False,
) -> Path:
    """Writes report.html into the folder of the results, or view.html.

    Args:
        faces: each one's photograph, if it is there, and what its results are called.
        failures: a sentence for each photograph that failed.
        title: of the page.
        viewer: write view.html: expressions, shape and light have sliders, and few faces' textures are fine.

    Returns:
        its path.

    Raises:
        UserError: a file of this name is there that tfface did not write.
    """
    path, size = folder / (VIEW if viewer else REPORT), SIZES[len(faces) > FEW]
    texels = FINE if viewer and len(faces) <= MOST_FINE else size if size == SIZES[0] else 128
    if not overwrite:
        refuse_foreign([path])
    room = Path(__file__).parent
    entries: list[dict[str, Any]] = []
    with atomic_path(path) as beside, beside.open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(_head(title, (room / "page.css").read_text(encoding="utf-8"), len(faces), failures))
        for photo, name in faces:
            face = Reported(photo, folder / name)
            try:
                numbers, pictures = _numbers(face), _pictures(face, size, texels)
                block = _json(f"face{len(entries)}", pictures)
                _json("numbers", numbers)
            except Exception:
                continue  # results that were changed since, or are of an earlier schema
            file.write(block)
            entries.append(numbers)
        if faces and not entries:
            raise UserError(f"No result in {folder} can be read (a damaged or an earlier NAME.json): predict it again.")
        file.write(_json("shared", {**_shared(), "moves": _moves() if viewer else None}))
        file.write(_json("list", entries))
        script = (room / "viewer.js").read_text(encoding="utf-8")
        file.write(f"<script>\n{script}</script>\n</body></html>\n")
    return path


def _head(title: str, style: str, count: int, failures: Sequence[str]) -> str:
    """Up to the cards; nothing may be fetched."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    failed = ""
    if failures:
        rows = "".join(f"<li>{html.escape(each)}</li>" for each in failures)
        failed = f'<details id="failures" open><summary>{len(failures)} failed</summary><ul>{rows}</ul></details>'
    sorts = {"name": "by name", "yaw": "by yaw", "error": "by error", "score": "by score"}
    heading = f"{html.escape(title)}: {count} face{'' if count == 1 else 's'}"
    options = "".join(f'<option value="{value}">{label}</option>' for value, label in sorts.items())
    return (
        f'<!doctype html>\n<!-- {MARK} -->\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
        f"<style>{style}</style></head><body><h1>{heading}</h1>{failed}"
        f'<nav><input id="search" placeholder="name"><select id="sort">{options}</select>'
        '<button id="before">before</button><span id="where"></span><button id="after">after</button></nav>'
        '<main id="cards"></main>\n'
    )


def _json(name: str, content: Any) -> str:
    """A block that no browser runs, and that no name in it can end."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>\n'


def _summary(face: Reported) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(face.base.with_name(f"{face.base.name}.json").read_text(encoding="utf-8"))
    return found


def _numbers(face: Reported) -> dict[str, Any]:
    summary = _summary(face)
    pose, weights = summary["pose"], summary["shape"]["expression_weights"]
    strongest = sorted(weights.items(), key=lambda item: -item[1])[:STRONGEST]
    return {
        "name": face.base.name,
        **{name: float(pose[f"{name}_deg"]) for name in ("yaw", "pitch", "roll")},
        "score": summary["detection_score"],
        "doubtful": bool(summary["detection_doubtful"]),
        "error": float(summary["camera"]["mean_error_px"]),
        "model": f"{summary['model']} ({summary['preset']})",
        "ms": float(sum(summary["timings_ms"].values())),
        "expression": [[name, float(weight)] for name, weight in strongest if weight > 0.02],
    }


def _pictures(face: Reported, size: int, texels: int) -> dict[str, Any]:
    """JPEG files as base64, and the mesh."""
    summary = _summary(face)
    offsets, step = _offsets(summary["shape"])
    overlay, skin = (face.base.with_name(f"{face.base.name}_{name}.png") for name in ("overlay", "texture"))
    glb = face.base.with_name(f"{face.base.name}.glb")
    texture = read_image(skin) if skin.is_file() else first_picture(glb) if glb.is_file() else None
    weights, identity = (summary["shape"][part] for part in ("expression_weights", "identity_sigma"))
    names = load_open_face().expression_names
    return {
        "photo": None if face.photo is None else _jpeg(_photo(face.photo, summary, size), size),
        "overlay": _jpeg(read_image(overlay), size) if overlay.is_file() else None,
        "texture": None if texture is None else _jpeg(texture, texels),
        "weights": [round(float(each), 3) for each in (*(weights[name] for name in names), *identity[:IDENTITIES])],
        "mesh": _base64(offsets),
        "step": step,
    }


def _photo(photo: Path, summary: dict[str, Any], size: int) -> NDArray[np.uint8]:
    """The face's part of its photograph."""
    points = np.array(summary["landmarks68_px"])[:, :2]
    low, high = points.min(0), points.max(0)
    window = square_box((low + high) / 2 - [0, 0.15 * (high - low)[1]], 2.0 * float((high - low).max()))
    return np.asarray(warp_image(read_image(photo), crop_transform(window, size), size, size), np.uint8)


def _jpeg(picture: NDArray[np.uint8], size: int) -> str:
    from PIL import Image

    image, file = Image.fromarray(picture), io.BytesIO()
    image.thumbnail((size, size))
    image.save(file, "JPEG", quality=78)
    return base64.b64encode(file.getvalue()).decode()


def _base64(values: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


@lru_cache(maxsize=1)
def _mean() -> tuple[HeadMesh, NDArray[np.int16]]:
    """The head's topology, and the mean head `[V,3]` about its centre in hundredths of a millimetre."""
    mesh = head_mesh("face", 0)
    resting = mesh.vertices(np.zeros(1), np.zeros(1)) - load_open_face().centre
    return mesh, np.asarray(np.round(resting * 100), np.int16)


def _offsets(shape: dict[str, Any]) -> tuple[NDArray[np.int8], float]:
    """How far each vertex lies from the mean head's, in steps of so many millimetres."""
    mesh, mean = _mean()
    names = load_open_face().expression_names
    weights = np.array([shape["expression_weights"][name] for name in names], np.float32)
    points = mesh.vertices(np.array(shape["identity_sigma"], np.float32), weights) - load_open_face().centre
    beside = points - mean / 100
    step = max(float(np.abs(beside).max()), 1e-3) / 127
    return np.asarray(np.round(beside / step), np.int8), step


@lru_cache(maxsize=1)
def _moves() -> list[dict[str, Any]]:
    """What has a slider, the 52 expressions and then components of identity: its name, its least and its most, which
    vertices it moves, and by how many steps of so many millimetres at 1."""
    mesh, _ = _mean()
    resting = mesh.vertices(np.zeros(1), np.zeros(1))
    people = [mesh.vertices(row, np.zeros(1)) - resting for row in np.eye(IDENTITIES, dtype=np.float32)]
    return [
        *(_move(name, moves, 0, 1) for name, moves in mesh.morph_targets().items()),
        *(_move(f"shape {number}", moves, -2, 2) for number, moves in enumerate(people, 1)),
    ]


def _move(name: str, moves: NDArray[np.floating], least: int, most: int) -> dict[str, Any]:
    rows = np.flatnonzero(np.abs(moves).max(1) > LEAST_MOVE_MM)
    step = max(float(np.abs(moves).max()), 1e-3) / 127
    offsets = np.asarray(np.round(moves[rows] / step), np.int8)
    limits = {"name": name, "least": least, "most": most, "step": step}
    return {**limits, "rows": _base64(rows.astype(np.uint16)), "offsets": _base64(offsets)}


@lru_cache(maxsize=1)
def _shared() -> dict[str, Any]:
    """What all faces share: topology, mean, and the pictures of eyes and teeth."""
    mesh, mean = _mean()
    pictures = {"eye": eye_texture(BROWN), "tooth": tooth_texture()}
    plain = {name: material.color for name, material in PLAIN.items()}
    pieces = []
    for piece in mesh.pieces:
        uv = None if piece.uv is None else np.asarray(np.round(np.clip(piece.uv, 0, 1) * 65535), np.uint16)
        picture = pictures.get(piece.material)
        pieces.append(
            {
                "name": piece.name,
                "first": piece.first,
                "triangles": _base64(np.asarray(piece.triangles, np.uint16)),
                "uv": None if uv is None else _base64(uv),
                "color": (COLOURS | plain)[piece.material],
                "picture": None if picture is None else _jpeg(picture, len(picture)),
            }
        )
    return {"mean": _base64(mean), "pieces": pieces}
