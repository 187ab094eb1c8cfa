"""ICT-FaceKit's light model as the builder reads it: the mean, 100 identity modes and expressions of scanned people.

`ict-facekit.npz` holds what the OBJ files of ICT-FaceKit (Li et al. 2020; (c) 2020 USC Institute for Creative
Technologies, MIT licence) hold: `neutral_cm [26719,3]`, `identity_cm [100,26719,3]`, `shape_cm [57,26719,3]` with
`shape_names`, `faces [26384,4]` (-1 ends a triangle) and `landmarks68`. Head and neck come first, then mouth, eye
sockets, gums, teeth and eyeballs. The file is never part of this project.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.geometry.subdivide import triangulate

FILE, LICENCE_FILE = "ict-facekit.npz", "LICENSE"
COMMIT = "da5f95a607f5e6b37755b38d3385d7f2853732e5"
LICENCE = "MIT, (c) 2020 USC Institute for Creative Technologies"
NUM_SKIN = 11_248
EYEBALLS = ((21_451, 22_221), (23_021, 23_791))
"""The outer shells of the eyeballs, of the person's left (x > 0) and right."""
UPPER_TEETH, LOWER_TEETH = (17_039, 19_247), (19_247, 21_451)
MM_PER_CM = 10.0
_SHAPES = {
    "neutral_cm": (None, 3),
    "identity_cm": (None, None, 3),
    "shape_cm": (None, None, 3),
    "shape_names": (None,),
    "faces": (None, 4),
    "landmarks68": (68,),
}


@dataclass(frozen=True)
class ScannedPeople:
    """A model of scanned people on a mesh of its own, millimetres, x to the person's left, y up, z forward.

    Attributes:
        mean: `[V,3]`.
        modes: `[K,V,3]` offsets of the identity modes at one standard deviation.
        expressions: ARKit's names, with Left and Right, and offsets `[V,3]` at full weight.
        triangles: `[F,3]` of the skin.
        landmarks68: `[68]` vertices in iBUG's order, as detectors of outlines place them.
        eyeballs: for the left and the right eye its vertices.
        teeth: those of the upper and of the lower teeth.
    """

    mean: NDArray[np.float64]
    modes: NDArray[np.float32]
    expressions: dict[str, NDArray[np.float32]]
    triangles: NDArray[np.int64]
    landmarks68: NDArray[np.int64]
    eyeballs: tuple[NDArray[np.int64], NDArray[np.int64]]
    teeth: tuple[NDArray[np.int64], NDArray[np.int64]]


def read_ict(folder: Path) -> ScannedPeople:
    """The model in `folder / "ict-facekit.npz"`.

    Raises:
        UserError: the file is missing or is not that model.
    """
    arrays = _arrays(folder / FILE)
    faces = arrays["faces"].astype(np.int64)
    skin = faces[(faces < NUM_SKIN).all(1)]
    names = [str(name) for name in arrays["shape_names"]]
    offsets = arrays["shape_cm"].astype(np.float32) * np.float32(MM_PER_CM)
    return ScannedPeople(
        arrays["neutral_cm"].astype(np.float64) * MM_PER_CM,
        arrays["identity_cm"].astype(np.float32) * np.float32(MM_PER_CM),
        arkit_names(dict(zip(names, offsets, strict=True))),
        triangulate(skin.astype(np.int32)).astype(np.int64),
        arrays["landmarks68"].astype(np.int64),
        (np.arange(*EYEBALLS[0]), np.arange(*EYEBALLS[1])),
        (np.arange(*UPPER_TEETH), np.arange(*LOWER_TEETH)),
    )


def read_licence(folder: Path) -> str:
    """The text of ICT-FaceKit's licence, `folder / "LICENSE"`: it goes with whatever is made of the model.

    Raises:
        UserError: it is missing or another one.
    """
    path = folder / LICENCE_FILE
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if "MIT License" not in text or "USC" not in text:
        raise UserError(f"{path} is not ICT-FaceKit's licence, which must go with the model: put it there.")
    return text


def arkit_names(shapes: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Shapes named `browDown_L` as `browDownLeft`; two halves of what ARKit has once (`browInnerUp`) are added."""
    result: dict[str, NDArray[np.float32]] = {}
    for name, offsets in shapes.items():
        core, _, side = name.partition("_")
        if core in ("browInnerUp", "cheekPuff"):
            result[core] = result[core] + offsets if core in result else offsets
        else:
            result[core + {"L": "Left", "R": "Right", "": ""}[side]] = offsets
    return result


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    if not path.is_file():
        raise UserError(f"{path} is missing: give `ict` the folder that holds {FILE}, or leave `ict` out.")
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in _SHAPES}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is not ICT-FaceKit's model ({error}): make the file anew.") from error
    for name, shape in _SHAPES.items():
        found = arrays[name].shape
        if len(found) != len(shape) or any(w is not None and w != f for w, f in zip(shape, found, strict=True)):
            raise UserError(f"{path} is not ICT-FaceKit's model: {name} has the shape {found}; make the file anew.")
    count = len(arrays["neutral_cm"])
    if count < EYEBALLS[1][1] or any(arrays[name].shape[1] != count for name in ("identity_cm", "shape_cm")):
        raise UserError(f"{path} is not ICT-FaceKit's model: its arrays differ in vertices; make the file anew.")
    return arrays
