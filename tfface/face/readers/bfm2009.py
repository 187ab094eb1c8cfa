"""The Basel Face Model 2009 with Guo's expressions, cut to the 35,709 vertices of Deep3DFaceReconstruction.

`01_MorphableModel.mat` has 53,490 vertices in micrometres; `Exp_Pca.bin` gives expressions for 53,215 of them:
an int32 count of components E, a float32 mean that is not used, then E float32 components of 3 x 53,215 numbers.
`trimIndex` says which vertices those are, `idx` which of them make up the front. Per standard deviation,

    identity_k = shapePC_k shapeEV_k,   expression_k = component_k std_exp_k,   albedo_k = texPC_k texEV_k / 255

of which the first 80, 64 and 80 are kept, as there. The origin is the centroid of the mean face. A ready-made
`BFM_model_front.mat` (decimetres) is read as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.linear_face import LinearFace, faced_outwards, rows
from tfface.face.readers import matlab
from tfface.io.reading import guarded, reading

NUM_IDENTITY, NUM_EXPRESSION, NUM_ALBEDO = 80, 64, 80
MM_PER_MICROMETRE = 1e-3
MM_PER_DECIMETRE = 100.0
MAIN_FILE, EXPRESSION_FILE = "01_MorphableModel.mat", "Exp_Pca.bin"
FRONT_FILE, TRIM_FILE, STD_FILE = "BFM_front_idx.mat", "BFM_exp_idx.mat", "std_exp.txt"
INFO_FILE, READY_FILE = "facemodel_info.mat", "BFM_model_front.mat"
FRONT_VERTICES = 35_709

LICENCE = (
    "Basel Face Model 2009, University of Basel: for research and teaching without commerce, not to be handed on; "
    "expression basis by Guo et al."
)
WHAT = (
    f"BFM 2009 is a folder with {MAIN_FILE} (ask for it at faces.dmi.unibas.ch/bfm; licence: research without "
    f"commerce, not to be handed on), {EXPRESSION_FILE} (github.com/Juyong/3DFace) and {FRONT_FILE}, {TRIM_FILE}, "
    f"{STD_FILE} (folder BFM/ of github.com/microsoft/Deep3DFaceReconstruction, MIT)."
)
# The 68 points of the front model, counted from 1 (iBUG order), as Deep3DFaceReconstruction's facemodel_info has them.
KEYPOINTS = (
    "16645 16889 16468 16265 32245 32940 33376 33655 33839 34023 34313 34767 35473 27817 27609 27209 27441 28112 28788 "
    "29178 29383 29550 30289 30455 30663 31057 31717 8162 8178 8188 8193 6516 7244 8205 9164 9884 2216 3887 4921 5829 "
    "4802 3641 10456 11354 12384 14067 12654 11493 5523 6026 7496 8216 8936 10396 10796 9556 8837 8237 7637 6916 5910 "
    "7385 8224 9065 10538 8830 8230 7630"
)


def recognises(path: Path) -> bool:
    """Whether `path` looks like this model."""
    return path.name in (MAIN_FILE, READY_FILE) or (path / MAIN_FILE).is_file() or (path / READY_FILE).is_file()


@guarded("Basel Face Model 2009", WHAT.rstrip("."))
def read(path: Path) -> LinearFace:
    """The front model from the original files, or from a ready-made `BFM_model_front.mat`.

    Args:
        path: the folder, or that file. Of upstream's index files `facemodel_info.mat` may be absent: triangles are
            then those of the original model, and the 68 points the published ones.

    Raises:
        UserError: a file is missing or wrong.
    """
    path = path.parent if path.name == MAIN_FILE else path
    ready = path if path.is_file() else path / READY_FILE
    if not (path / MAIN_FILE).is_file() and ready.is_file():
        return _read_ready(ready)
    names = ("shapeMU", "shapePC", "shapeEV", "texMU", "texPC", "texEV", "tl")
    main = matlab.load(path / MAIN_FILE, names, WHAT)
    cut = _selection(path, main)
    std = _deviations(path / STD_FILE)
    count = min(NUM_EXPRESSION, len(std))
    components = _expressions(path / EXPRESSION_FILE, len(cut.trim), len(std))
    expression = components[:count, cut.front] * (std[:count, None, None] * MM_PER_MICROMETRE)
    mean = main["shapeMU"].reshape(-1, 3)[cut.in_full_model] * MM_PER_MICROMETRE
    mean = mean - mean.mean(axis=0)
    identity = _scaled(main["shapePC"], main["shapeEV"], NUM_IDENTITY, MM_PER_MICROMETRE)[:, cut.in_full_model]
    albedo = _scaled(main["texPC"], main["texEV"], NUM_ALBEDO, 1 / 255)[:, cut.in_full_model]
    return _model(mean, identity, expression, cut, main["texMU"].reshape(-1, 3)[cut.in_full_model] / 255, albedo)


@dataclass(frozen=True)
class _Cut:
    """`trim` 53,215 of the full model's vertices; `front` of those; `in_full_model` the front's in the full model."""

    trim: NDArray[np.int64]
    front: NDArray[np.int64]
    triangles: NDArray[np.int64]
    landmarks: NDArray[np.int64]

    @property
    def in_full_model(self) -> NDArray[np.int64]:
        return self.trim[self.front]


def _selection(path: Path, main: dict[str, NDArray[Any]]) -> _Cut:
    trim = matlab.indices(matlab.load(path / TRIM_FILE, ["trimIndex"], WHAT)["trimIndex"])
    front = matlab.indices(matlab.load(path / FRONT_FILE, ["idx"], WHAT)["idx"])
    num_vertices = main["shapeMU"].size // 3
    if trim.max() >= num_vertices or front.max() >= len(trim):
        raise UserError(f"{TRIM_FILE} and {FRONT_FILE} in {path} do not fit a model of {num_vertices} vertices. {WHAT}")
    if (path / INFO_FILE).is_file():
        info = matlab.load(path / INFO_FILE, ["tri", "keypoints"], WHAT)
        return _Cut(trim, front, matlab.triangles(info["tri"]), matlab.indices(info["keypoints"]))
    if len(front) != FRONT_VERTICES:
        raise UserError(
            f"{path / FRONT_FILE} selects {len(front)} vertices instead of {FRONT_VERTICES}: the 68 points of such a "
            f"model must come from {INFO_FILE} beside it (same folder of Deep3DFaceReconstruction as {FRONT_FILE})."
        )
    triangles = _kept_triangles(matlab.triangles(main["tl"]), trim[front], num_vertices)
    return _Cut(trim, front, triangles, np.array(KEYPOINTS.split(), np.int64) - 1)


def _kept_triangles(triangles: NDArray[np.int64], kept: NDArray[np.int64], num_vertices: int) -> NDArray[np.int64]:
    """The triangles all of whose corners are kept, renumbered."""
    renumber = np.full(num_vertices, -1, np.int64)
    renumber[kept] = np.arange(len(kept))
    found = renumber[triangles]
    return found[(found >= 0).all(axis=1)]


def _deviations(path: Path) -> NDArray[np.float64]:
    if not path.is_file():
        raise UserError(f"{path} is missing; it cannot be computed from the other files. {WHAT}")
    with reading(path, "a list of numbers", WHAT.rstrip(".")):
        return np.atleast_1d(np.loadtxt(path, dtype=np.float64)).ravel()


def _expressions(path: Path, num_vertices: int, expected: int) -> NDArray[np.float32]:
    """`[E,V,3]` components of `Exp_Pca.bin`."""
    if not path.is_file():
        raise UserError(f"{path} is missing. {WHAT}")
    header = int(np.fromfile(path, "<i4", count=1)[0]) if path.stat().st_size >= 4 else 0
    size = 4 + 4 * 3 * num_vertices * (header + 1)
    if header != expected or path.stat().st_size != size:
        raise UserError(
            f"{path} has {path.stat().st_size} bytes and says {header} components, where {STD_FILE} and {TRIM_FILE} "
            f"make it {expected} components of {num_vertices} vertices: a broken or another file. {WHAT}"
        )
    numbers = np.fromfile(path, "<f4", offset=4 + 4 * 3 * num_vertices)
    return numbers.reshape(header, num_vertices, 3)


def _scaled(components: NDArray[Any], deviations: NDArray[Any], count: int, scale: float) -> NDArray[np.float32]:
    return rows(components[:, :count] * np.ravel(deviations)[:count], scale)


def _read_ready(path: Path) -> LinearFace:
    """`BFM_model_front.mat` as upstream's scripts write it: decimetres, per standard deviation."""
    names = ("meanshape", "meantex", "idBase", "exBase", "texBase", "tri", "keypoints")
    data = matlab.load(path, names, WHAT)
    mean = data["meanshape"].reshape(-1, 3) * MM_PER_DECIMETRE
    everything = np.arange(len(mean))
    cut = _Cut(everything, everything, matlab.triangles(data["tri"]), matlab.indices(data["keypoints"]))
    return _model(
        mean - mean.mean(axis=0),
        rows(data["idBase"], MM_PER_DECIMETRE),
        rows(data["exBase"], MM_PER_DECIMETRE),
        cut,
        data["meantex"].reshape(-1, 3) / 255,
        rows(data["texBase"], 1 / 255),
    )


def _model(
    mean: NDArray[Any],
    identity: NDArray[np.float32],
    expression: NDArray[Any],
    cut: _Cut,
    albedo_mean: NDArray[Any],
    albedo: NDArray[np.float32],
) -> LinearFace:
    return LinearFace(
        name="BFM 2009, front",
        mean=mean.astype(np.float32),
        id_basis=identity,
        exp_basis=np.asarray(expression, np.float32),
        triangles=faced_outwards(cut.triangles, mean),
        landmarks68=cut.landmarks,
        id_std=np.ones(len(identity), np.float32),
        exp_std=np.ones(len(expression), np.float32),
        expression_names=tuple(f"expression{k:02d}" for k in range(len(expression))),
        licence=LICENCE,
        albedo_mean=albedo_mean.astype(np.float32),
        albedo_basis=albedo,
    )
