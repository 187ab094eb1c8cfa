"""What a person's performance becomes: CSV, GLB with an animation, JSON."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.head_mesh import head_mesh
from tfface.face.open_model import load_open_face
from tfface.io.files import MARK, write_text
from tfface.io.model import Animation, Model, write_glb
from tfface.video.person import Performer, positions_mm
from tfface.viz.head_model import head_model, iris_colour

_EYES = ("Blink", "LookDown", "LookIn", "LookOut", "LookUp", "Squint", "Wide")
_SIDES = ("Left", "Right")
_PAIRS_OF_MOUTH = ("Smile", "Frown", "Dimple", "Stretch"), ("Press", "LowerDown", "UpperUp")
_ROLLS = ("RollLower", "RollUpper", "ShrugLower", "ShrugUpper")


def _both(names: tuple[str, ...], before: str) -> list[str]:
    return [f"{before}{name}{side}" for name in names for side in _SIDES]


FACE_CAPTURE_ORDER = (
    *(f"eye{name}{side}" for side in _SIDES for name in _EYES),
    *("jawForward", "jawRight", "jawLeft", "jawOpen"),
    *("mouthClose", "mouthFunnel", "mouthPucker", "mouthRight", "mouthLeft"),
    *_both(_PAIRS_OF_MOUTH[0], "mouth"),
    *(f"mouth{name}" for name in _ROLLS),
    *_both(_PAIRS_OF_MOUTH[1], "mouth"),
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut"),
)
"""ARKit's 52 in the order of Live Link Face's CSV files."""
ANGLES = tuple(f"{part}{angle}" for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll"))
NOTE = (
    "weights from 0 to 1; radians: yaw > 0 to the picture's right, pitch > 0 down, roll > 0 counter-clockwise in the "
    "picture; a frame without the face has no row"
)


def timecode(seconds: float, fps: float) -> str:
    """`HH:MM:SS:FF.fff`, frames counted within their second."""
    full = int(seconds + 1e-6)
    return f"{full // 3600:02d}:{full // 60 % 60:02d}:{full % 60:02d}:{max(seconds - full, 0.0) * fps:06.3f}"


def csv_text(performer: Performer, fps: float) -> str:
    """A row a frame: time code, 61, 52 weights, the head's and the eyes' angles."""
    names = load_open_face().expression_names
    order = [names.index(name) for name in FACE_CAPTURE_ORDER]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    shown = [name[0].upper() + name[1:] for name in FACE_CAPTURE_ORDER]
    writer.writerow(["Timecode", "BlendShapeCount", *shown, *ANGLES])
    for moment, eyes in zip(performer.moments, _eye_angles(performer), strict=True):
        numbers = [*moment.expression[order], *np.radians(moment.angles_deg), *eyes]
        writer.writerow([timecode(moment.seconds, fps), len(numbers), *(f"{value:.6f}" for value in numbers)])
    return text.getvalue()


def _eye_angles(performer: Performer) -> NDArray[np.float64]:
    """`[T,6]` yaw, pitch and roll (0) of the left and of the right eyeball, radians, from the gaze's weights."""
    mesh, face = head_mesh("face", 0), load_open_face()
    rest = mesh.vertices(np.zeros(1), np.zeros(52))
    moves = mesh.morph_targets()
    gaze = [name for name in face.expression_names if name.startswith("eyeLook")]
    weights = np.array([moment.expression for moment in performer.moments])
    weights = weights[:, [face.expression_names.index(name) for name in gaze]]
    columns = []
    for piece in (each for each in mesh.pieces if each.material == "eye"):
        assert piece.uv is not None
        pupil = piece.rows.start + int(np.linalg.norm(piece.uv - 0.5, axis=1).argmin())
        ball = rest[piece.rows]
        ahead = rest[pupil] - (ball.min(0) + ball.max(0)) / 2
        steps = np.array([moves[name][pupil] for name in gaze])
        way = ahead + weights @ steps
        yaw = np.arctan2(way[:, 0], way[:, 2]) - np.arctan2(ahead[0], ahead[2])
        pitch = np.arctan2(-way[:, 1], way[:, 2]) - np.arctan2(-ahead[1], ahead[2])
        columns += [yaw, pitch, np.zeros_like(yaw)]
    return np.stack(columns, axis=-1)


def animated_model(performer: Performer, width: int, height: int, name: str, kind: str, level: int) -> Model:
    """The person at rest with the texture of the best frame, and how face and head move.

    Raises:
        UserError: at level 2 morph targets and tracks would take too much.
    """
    best = performer.best
    assert best is not None
    if level > 1:
        raise UserError("An animated head is of `level=0` or 1.")
    iris = iris_colour(best.image, *best.shape, best.camera, best.head_points)
    still = np.zeros(len(load_open_face().expression_names), np.float32)
    model = head_model(head_mesh(kind, level), performer.identity, still, best.skin(), iris, True, name)
    moves = animation(performer, positions_mm(performer.moments, width, height))
    return Model(model.name, model.meshes, model.weights, moves)


def animation(performer: Performer, places: NDArray[np.floating]) -> Animation:
    """How face and head move, the head from place to place `[T,3]` (mm)."""
    moments = performer.moments
    return Animation(
        np.array([moment.seconds - moments[0].seconds for moment in moments]),
        np.array([moment.expression for moment in moments]),
        np.array([moment.quaternion for moment in moments]),
        np.asarray(places),
    )


def save_performer(
    performer: Performer, base: Path, video: dict[str, Any], kind: str, level: int, glb: bool, mark: str = MARK
) -> list[Path]:
    """Writes BASE.csv, .glb and, last, .json, which carry `mark`; the paths."""
    paths = [base.with_name(f"{base.name}.csv")]
    write_text(paths[0], csv_text(performer, video["fps"]))
    if glb:
        model = animated_model(performer, video["width"], video["height"], base.name, kind, level)
        paths += write_glb(base.with_name(f"{base.name}.glb"), replace(model, mark=mark))
    face = load_open_face()
    summary = {
        "software": mark,
        "schema": {"name": "tfface performance", "version": 1},
        "face_model": {"name": face.name, "checksum": face.checksum},
        "video": video,
        "frames": [moment.frame for moment in performer.moments],
        "identity_sigma": np.round(performer.identity, 4).tolist(),
        "csv": NOTE,
        "glb": "metres; the root moves with the head, depth from the first frame's, before a lens of 53 degrees",
    }
    paths.append(base.with_name(f"{base.name}.json"))
    write_text(paths[-1], json.dumps(summary, indent=1) + "\n")
    return paths
