"""ICT-FaceKit (USC Institute for Creative Technologies, MIT): a folder of OBJ files of one topology.

`generic_neutral_mesh.obj` is the mean; `identity000.obj` and so on are identity modes at one standard deviation; every
other OBJ is an expression at full strength. `vertex_indices.json` names the 68 points (`idx_to_landmark_verts`) and the
expressions. Each basis vector is a file minus the mean. The files are in centimetres; to be safe, the unit is the power
of ten that brings the distance of the outer corners of the eyes nearest to 90 mm. The 9,409 vertices of the face (ears
and neck's front with it) come first; only they are kept by default: mouth, eyeballs and lashes are other parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.linear_face import LinearFace, faced_outwards, natural_key
from tfface.geometry.ibug68 import OUTER_EYES
from tfface.io.obj import read_obj
from tfface.io.reading import files_in, guarded, read_json_object, reading, sibling

NEUTRAL_FILE, INDEX_FILE = "generic_neutral_mesh.obj", "vertex_indices.json"
FACE_VERTICES = 9_409
OUTER_EYES_MM = 90.0
LICENCE = "ICT-FaceKit, University of Southern California: MIT."
WHAT = (
    f"ICT-FaceKit is the folder FaceXModel of github.com/USC-ICT/ICT-FaceKit (licence: MIT) with {NEUTRAL_FILE}, "
    f"{INDEX_FILE}, identity*.obj and one .obj for each expression."
)
_ADVICE = "fetch it again from github.com/USC-ICT/ICT-FaceKit"


def recognises(path: Path) -> bool:
    """Whether `path` looks like this model."""
    return any(sibling(folder / NEUTRAL_FILE, (".obj",)) is not None for folder in (path, path / "FaceXModel"))


@guarded("ICT-FaceKit", WHAT.rstrip("."))
def read(path: Path, num_vertices: int = FACE_VERTICES) -> LinearFace:
    """The model of a folder.

    Args:
        path: `FaceXModel`, or the checkout that holds it.
        num_vertices: the leading vertices to keep.

    Raises:
        UserError: a file is missing or wrong.
    """
    folder = path / "FaceXModel" if (path / "FaceXModel").is_dir() else path
    landmarks = _landmarks(folder / INDEX_FILE)
    neutral = read_obj(_mesh(folder / NEUTRAL_FILE), _ADVICE)
    mean, polygons = neutral.vertices, neutral.triangles
    if not len(polygons):
        raise UserError(f"{folder / NEUTRAL_FILE} has no faces. {WHAT}")
    num_vertices = min(num_vertices, len(mean))
    if landmarks.max() >= num_vertices:
        raise UserError(f"{folder / INDEX_FILE} names vertex {landmarks.max()}, beyond the {num_vertices} of the face.")
    others = sorted({f.stem for f in files_in(folder, "*", (".obj",))} - {Path(NEUTRAL_FILE).stem}, key=natural_key)
    identities = [name for name in others if name.startswith("identity")]
    expressions = [name for name in others if not name.startswith("identity")]
    if not identities or not expressions:
        raise UserError(f"{folder} holds {len(identities)} identities and {len(expressions)} expressions. {WHAT}")
    unit = _unit(mean[landmarks])
    centre = mean[landmarks].mean(axis=0)
    triangles = polygons[(polygons < num_vertices).all(axis=1)]
    return LinearFace(
        name="ICT-FaceKit",
        mean=((mean[:num_vertices] - centre) * unit).astype(np.float32),
        id_basis=_basis(folder, identities, mean, num_vertices, unit),
        exp_basis=_basis(folder, expressions, mean, num_vertices, unit),
        triangles=faced_outwards(triangles, mean),
        landmarks68=landmarks,
        id_std=np.ones(len(identities), np.float32),
        exp_std=np.full(len(expressions), 0.5, np.float32),
        expression_names=tuple(expressions),
        licence=LICENCE,
    )


def _mesh(path: Path) -> Path:
    """The file, its suffix in any case."""
    return sibling(path, (path.suffix,)) or path


def _landmarks(path: Path) -> NDArray[np.int64]:
    if not path.is_file():
        raise UserError(f"{path} is missing. {WHAT}")
    content = read_json_object(path, "the indices of ICT-FaceKit", _ADVICE)
    with reading(path, "the indices of ICT-FaceKit", _ADVICE):
        found = np.asarray(content["idx_to_landmark_verts"], np.int64)
    if found.shape != (68,) or found.min() < 0:
        raise UserError(f"{path} names no 68 landmarks but {found.shape}. {WHAT}")
    return found


def _unit(landmarks: NDArray[np.float64]) -> float:
    """Millimetres of one unit of the files."""
    distance = float(np.linalg.norm(np.subtract(*landmarks[list(OUTER_EYES)])))
    if not distance > 0:
        raise UserError(f"The outer corners of the eyes in {NEUTRAL_FILE} are one point: a wrong file. {WHAT}")
    return float(10.0 ** np.round(np.log10(OUTER_EYES_MM / distance)))


def _basis(
    folder: Path, names: Sequence[str], mean: NDArray[np.float64], num_vertices: int, unit: float
) -> NDArray[np.float32]:
    basis = np.empty((len(names), num_vertices, 3), np.float32)
    for row, name in zip(basis, names, strict=True):
        vertices = read_obj(_mesh(folder / f"{name}.obj"), _ADVICE, with_faces=False).vertices
        if vertices.shape != mean.shape:
            raise UserError(f"{folder / name}.obj has {len(vertices)} vertices, the neutral mesh {len(mean)}. {WHAT}")
        row[:] = (vertices - mean)[:num_vertices] * unit
    return basis
