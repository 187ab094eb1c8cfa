"""Dense truth of AFLW2000-3D from the user's own Basel Face Model file, which nobody may hand on.

The file is the structured `.mat` of face3d and 300W-LP: a struct `model` with `shapeMU` `[3V,1]`, `shapePC` `[3V,199]`,
`expMU`, `expPC` `[3V,29]`, `kpt_ind` `[68]` (from 1) and `tri`. An image's vertices are, with its `Shape_Para` a,
`Exp_Para` e and `Pose_Para` (pitch, yaw, roll, t, s),

    X = shapeMU + expMU + shapePC a + expPC e,  R = Rx Ry Rz of transposed axes,  (x, y, z) = s R X + t,  v = H + 1 - y

with H the picture's height, in pixels counted from 1. Each image is checked against its own `pt3d_68`.

Our vertices are another topology: the BFM's mean is laid onto ours by a similarity (68 points, then ICP), and each of
its vertices takes the nearest point of our mean's surface, once and for all. Vertices farther than `REACH_MM` from it
(neck, ears' backs, inner mouth) are left out. This correspondence is itself off by a millimetre or two, a floor that
methods trained on the BFM do not have.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.evaluation.landmark_set import OFFSET_PX
from tfface.face.open_model import OpenFace
from tfface.geometry.align import fit_similarity
from tfface.geometry.icp import NearestOnMesh, icp, inverse, move
from tfface.metrics.dense import dense_nme
from tfface.metrics.landmarks import box_area_root

FloatArray = NDArray[np.floating]
REACH_MM = 4.0
_FIELDS = ("shapeMU", "shapePC", "expMU", "expPC", "kpt_ind", "tri")
_AGREE_PX = 1.5


@dataclass(frozen=True)
class Bfm:
    """The model: `mean` `[3V]`, `shape` `[3V,S]`, `expression` `[3V,E]`, `landmarks` `[68]`, `triangles` `[F,3]`."""

    mean: NDArray[np.float32]
    shape: NDArray[np.float32]
    expression: NDArray[np.float32]
    landmarks: NDArray[np.int64]
    triangles: NDArray[np.int64]

    def vertices(self, shape: FloatArray, expression: FloatArray) -> NDArray[np.float64]:
        """`[V,3]` in the model's unit."""
        flat = self.mean + self.shape @ np.ravel(shape) + self.expression @ np.ravel(expression)
        return np.asarray(flat, np.float64).reshape(-1, 3)


def read_bfm(file: Path) -> Bfm:
    """The model in a structured `.mat`.

    Raises:
        UserError: the file is missing or of another form.
    """
    from scipy.io import loadmat

    if not file.is_file():
        raise UserError(f"--bfm {file} is no file; give BFM.mat as face3d makes it")
    try:
        model = loadmat(file)["model"][0, 0]
        arrays = {name: np.asarray(model[name]) for name in _FIELDS}
    except (KeyError, ValueError, IndexError, TypeError, NotImplementedError) as error:
        raise UserError(
            f"{file} is not face3d's BFM.mat with a struct `model` ({error}); see docs/evaluation.md"
        ) from error
    mean = arrays["shapeMU"].ravel() + arrays["expMU"].ravel()
    return Bfm(
        mean.astype(np.float32),
        arrays["shapePC"].astype(np.float32),
        arrays["expPC"].astype(np.float32),
        arrays["kpt_ind"].ravel().astype(np.int64) - 1,
        _triangles(arrays["tri"]) - 1,
    )


def _triangles(tri: NDArray[Any]) -> NDArray[np.int64]:
    array = np.asarray(tri, np.int64)
    return array.T if array.shape[0] == 3 and array.shape[1] != 3 else array


@dataclass(frozen=True)
class Correspondence:
    """For `kept` `[M]` of the BFM's vertices: three of ours `[M,3]` and their weights `[M,3]`."""

    kept: NDArray[np.int64]
    corners: NDArray[np.int64]
    weights: NDArray[np.float64]

    def apply(self, vertices: FloatArray) -> NDArray[np.float64]:
        """Our vertices `[53833,3]` at the BFM's `[M,3]`."""
        return np.asarray((np.asarray(vertices, np.float64)[self.corners] * self.weights[..., None]).sum(1))


def correspond(bfm: Bfm, face: OpenFace, level: int = 2) -> Correspondence:
    """Where the BFM's mean lies on ours.

    Raises:
        UserError: less than half of it lies there: the file holds something else.
    """
    from trimesh.triangles import points_to_barycentric

    surface = face.face(level)
    ours = surface.vertices(face.cage()).astype(np.float64)
    theirs = bfm.mean.astype(np.float64).reshape(-1, 3)
    start = inverse(fit_similarity(theirs[bfm.landmarks], ours[face.landmarks(level, 68)]))
    index = NearestOnMesh(ours, surface.triangles)
    motion = icp(index, theirs, start)
    placed = move(inverse(motion), theirs)
    nearest, triangle = index(placed)
    kept = np.flatnonzero(np.linalg.norm(nearest - placed, axis=-1) <= REACH_MM)
    if len(kept) < len(theirs) / 4:
        raise UserError(f"only {len(kept)} of the BFM's {len(theirs)} vertices lie on our face: is it the right file?")
    corners = surface.triangles[triangle[kept]].astype(np.int64)
    return Correspondence(kept, corners, points_to_barycentric(ours[corners], nearest[kept]))


@dataclass(frozen=True)
class BfmTruth:
    """AFLW2000-3D's whole faces. `heights` `[N]` are the pictures'; `files` their `.mat`."""

    bfm: Bfm
    correspondence: Correspondence
    files: list[Path]
    heights: list[int]
    note: str = field(default="")

    def measure(self, index: int, predicted: FloatArray) -> dict[str, float]:
        """Dense NME in per cent over the box of the 68 true points, in 2D and in 3D with raw and centred depth."""
        truth, points = self.item(index)
        at = self.correspondence.apply(predicted) + [OFFSET_PX, OFFSET_PX, 0.0]
        size = box_area_root(points[None])
        kept = truth[self.correspondence.kept][None]
        rules = {"dense_2d": None, "dense_3d_raw": "raw", "dense_3d_centred": "centred"}
        return {key: float(dense_nme(at[None], kept, rule, size)[0]) for key, rule in rules.items()}  # type: ignore[arg-type]

    def item(self, index: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Vertices `[V,3]` and the file's own 68 points `[68,3]` in the file's pixels.

        Raises:
            UserError: they do not agree.
        """
        from scipy.io import loadmat

        data = loadmat(self.files[index])
        vertices = posed(
            self.bfm.vertices(data["Shape_Para"], data["Exp_Para"]), data["Pose_Para"], self.heights[index]
        )
        points = np.asarray(data["pt3d_68"], np.float64).T
        off = np.linalg.norm(vertices[self.bfm.landmarks, :2] - points[:, :2], axis=-1).mean()
        if off > _AGREE_PX:
            raise UserError(
                f"the BFM's points lie {off:.1f} px from pt3d_68: the --bfm file is not the one it was made with"
            )
        return vertices, points


def posed(vertices: FloatArray, pose_para: FloatArray, height: int) -> NDArray[np.float64]:
    """Vertices `[V,3]` in pixels (u, v, depth) as 3DDFA poses them; see the module's docstring."""
    pitch, yaw, roll, *shift, scale = np.asarray(pose_para, np.float64).ravel()[:7]
    cp, sp, cy, sy, cr, sr = np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw), np.cos(roll), np.sin(roll)
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    placed = scale * np.asarray(vertices, np.float64) @ (about_x @ about_y @ about_z).T + shift
    placed[:, 1] = height + 1 - placed[:, 1]
    return placed


def bfm_truth(file: Path, images: list[Path], face: OpenFace) -> BfmTruth:
    """The dense truth of AFLW2000-3D's `images`, whose `.mat` files lie beside them.

    Raises:
        UserError: the model or one of them cannot be used.
    """
    from PIL import Image

    files = [image.with_suffix(".mat") for image in images]
    missing = next((path for path in files if not path.is_file()), None)
    if missing is not None:
        raise UserError(f"{missing} is missing: dense figures need AFLW2000-3D's .mat beside each photograph")
    heights = []
    for image in images:
        with Image.open(image) as opened:
            heights.append(opened.height)
    bfm = read_bfm(file)
    found = correspond(bfm, face)
    share = 100 * len(found.kept) / (len(bfm.mean) // 3)
    note = (
        f"dense: {len(found.kept)} of the BFM's vertices ({share:.0f} %), which lie within {REACH_MM:g} mm of our mean "
        "face, by nearest points; NME over the 68 true points' box"
    )
    return BfmTruth(bfm, found, files, heights, note)
