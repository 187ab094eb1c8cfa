"""Error of a reconstructed surface against a scan or a true mesh, in millimetres and as NME.

Errors are distances of the *true* points (so nothing is gained by leaving a part out) from the aligned
prediction, unless a protocol says otherwise. Alignment decides much: ICP slides a wrong face onto the right
one and its error may correlate with the true error as little as 0.41 (M3DFB, arXiv 2505.18025), so
`compare` measures by several.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.geometry.align import Similarity, fit_similarity
from tfface.geometry.ibug68 import EYE_CORNERS, MOUTH_CORNERS, NOSE_BASE, NOSE_TIP, OUTER_EYES
from tfface.geometry.icp import NearestOnMesh, icp, inverse, move

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.integer]
Alignment = Literal["landmarks_rigid", "landmarks", "icp_rigid", "icp"]
Distance = Literal["point", "plane", "surface"]
RADIUS_MM = 95.0
"""Of the crop round the nose tip, as for Florence."""
NOW_LANDMARKS = (*EYE_CORNERS, NOSE_BASE, *MOUTH_CORNERS)


@dataclass(frozen=True)
class Surface:
    """A mesh with landmarks: `vertices` `[V,3]`, `triangles` `[F,3]`, `landmarks` `[68,3]`, in one unit."""

    vertices: FloatArray
    triangles: IntArray
    landmarks: FloatArray

    def __post_init__(self) -> None:
        if np.shape(self.landmarks) != (68, 3) or not np.isfinite(self.landmarks).all():
            raise UserError(f"a surface needs 68 finite landmarks to align by, not {np.shape(self.landmarks)}")

    def moved(self, motion: Similarity) -> Surface:
        """The same surface, moved."""
        return Surface(move(motion, self.vertices), self.triangles, move(motion, self.landmarks))


def known_correspondence(predicted: FloatArray, truth: FloatArray, with_scale: bool = True) -> NDArray[np.float64]:
    """Distances `[V]` of vertices from their partners, after the best similarity or rigid fit."""
    return np.linalg.norm(move(fit_similarity(predicted, truth, with_scale=with_scale), predicted) - truth, axis=-1)


def align(
    predicted: Surface,
    truth: Surface,
    alignment: Alignment,
    measured: FloatArray,
    index: NearestOnMesh | None = None,
) -> Similarity:
    """The motion that brings the prediction to the truth.

    `landmarks_rigid` and `landmarks` (similarity) use the 68 points only. `icp_rigid` and `icp` go on from
    there with nearest points on the predicted surface for the true points `measured` `[N,3]`; `index` is that
    surface's, when it is at hand.
    """
    with_scale = not alignment.endswith("rigid")
    start = fit_similarity(predicted.landmarks, truth.landmarks, with_scale=with_scale)
    if alignment.startswith("landmarks"):
        return start
    return icp(index or NearestOnMesh(predicted.vertices, predicted.triangles), measured, start, with_scale)


def distances(points: FloatArray, surface: Surface, kind: Distance = "surface") -> NDArray[np.float64]:
    """Distances `[N]` of `points` `[N,3]` from a surface.

    `surface`: from the nearest point of a triangle (NoW). `point`: from the nearest vertex (PRNet). `plane`:
    from the tangent plane there, `|n . (p - v)|` with v the nearest vertex and n its normal (Deep3D's
    Florence protocol).
    """
    if kind == "surface":
        nearest, _ = NearestOnMesh(surface.vertices, surface.triangles)(points)
        return np.linalg.norm(nearest - points, axis=-1)
    from scipy.spatial import cKDTree

    from tfface.geometry.raster import vertex_normals

    length, index = cKDTree(surface.vertices).query(points)
    if kind == "point":
        return np.asarray(length)
    normals = vertex_normals(np.asarray(surface.vertices, np.float64), np.asarray(surface.triangles))
    return np.abs(((points - surface.vertices[index]) * normals[index]).sum(-1))


def crop_mask(vertices: FloatArray, centre: FloatArray, radius: float = RADIUS_MM) -> NDArray[np.bool_]:
    """Which of `vertices` `[V,3]` lie within `radius` of `centre` `[3]`, such as the nose tip.

    Raises:
        UserError: when there is none.
    """
    mask = np.linalg.norm(np.asarray(vertices) - centre, axis=-1) <= radius
    if not mask.any():
        raise UserError(f"no vertex lies within {radius} of the nose tip; is the mesh in millimetres?")
    return mask


def now_error(predicted: Surface, truth: Surface) -> NDArray[np.float64]:
    """`now_distances` of surfaces with 68 landmarks, of which NoW's 7 are taken."""
    chosen = list(NOW_LANDMARKS)
    seven = np.asarray(predicted.landmarks)[chosen], np.asarray(truth.landmarks)[chosen]
    return now_distances((predicted.vertices, predicted.triangles), seven[0], truth.vertices, seven[1])


def now_distances(
    mesh: tuple[FloatArray, IntArray],
    seven: FloatArray,
    scan_vertices: FloatArray,
    scan_seven: FloatArray,
    with_scale: bool = True,
) -> NDArray[np.float64]:
    """Distances `[N]` of the scan's points from the prediction by NoW's protocol.

    Similarity from 7 landmarks (four eye corners from the picture's left, under the nose, mouth corners), refined by
    minimising scan-to-mesh distance, over the scan points within `0.7 (outer eye distance + nose height)` of the
    face's centre. `with_scale` is the published non-metrical challenge; without it, the metrical one. Predictions
    must not be cropped tightly.

    Args:
        mesh: vertices `[V,3]` and triangles `[F,3]` of the prediction.
        seven, scan_seven: `[7,3]` landmarks of both.
        scan_vertices: `[S,3]`.
    """
    centre, radius = _now_crop(np.asarray(scan_seven, np.float64))
    measured = np.asarray(scan_vertices)[crop_mask(scan_vertices, centre, radius)]
    start = fit_similarity(seven, scan_seven, with_scale=with_scale)
    index = NearestOnMesh(*mesh)
    return _from_surface(measured, index, icp(index, measured, start, with_scale))


def _from_surface(points: FloatArray, index: NearestOnMesh, motion: Similarity) -> NDArray[np.float64]:
    """Distances `[N]` of `points` from the mesh of `index` after `motion`, measured in the mesh's own frame."""
    back = move(inverse(motion), points)
    return np.linalg.norm(index(back)[0] - back, axis=-1) * motion.scale


def _now_crop(seven: FloatArray) -> tuple[FloatArray, float]:
    bridge, under_nose = (seven[1] + seven[2]) / 2, seven[4]
    width, height = np.linalg.norm(seven[0] - seven[3]), np.linalg.norm(bridge - under_nose)
    return under_nose + 0.3 * (bridge - under_nose), 0.7 * float(width + height)


def region_errors(predicted: Surface, truth: Surface, regions: IntArray, names: dict[int, str]) -> dict[str, float]:
    """Mean distance of each facial region, in the manner of REALY: every region is aligned on its own.

    After a similarity from landmarks, each region of the truth (`regions` `[V]` labels its vertices) is
    brought to the prediction by its own rigid ICP and measured alone, so a wrong jaw does not spoil the nose.
    (REALY also deforms the prediction before it measures; that step is left out.) Labels that `names` does
    not hold are skipped.
    """
    near = crop_mask(truth.vertices, truth.landmarks[NOSE_TIP])
    start = fit_similarity(predicted.landmarks, truth.landmarks)
    index = NearestOnMesh(predicted.vertices, predicted.triangles)
    result = {}
    for label, name in names.items():
        points = truth.vertices[near & (regions == label)]
        if len(points) >= 3:
            motion = icp(index, points, start, with_scale=False)
            result[name] = float(_from_surface(points, index, motion).mean())
    return result


def summary(values: FloatArray, length: float | None = None) -> dict[str, float]:
    """Mean, median, std and root mean square of distances; `nme` in per cent of `length` when it is given."""
    result = {
        "mean": float(np.mean(values)), "median": float(np.median(values)),
        "std": float(np.std(values)), "rms": float(np.sqrt(np.mean(np.square(values)))),
    }  # fmt: skip
    return result if length is None else {**result, "nme": 100.0 * result["mean"] / length}


def outer_eye_length(surface: Surface) -> float:
    """The 3D distance of the outer eye corners: PRNet's normaliser for Florence."""
    return float(np.linalg.norm(np.subtract(*np.asarray(surface.landmarks)[list(OUTER_EYES)])))


def box_diagonal_length(vertices: FloatArray) -> float:
    """The diagonal of the 3D bounding box of vertices `[V,3]`: Lium's normaliser for Florence."""
    return float(np.linalg.norm(np.ptp(vertices, axis=0)))


@dataclass(frozen=True)
class Comparison:
    """One prediction against one scan.

    Attributes:
        table: a row of figures for each alignment (surface distances), for both ICPs by point and by plane, and for
            NoW. Each is a `summary` with `nme` over the outer eye distance, and with `nme_box_predicted` and
            `nme_box_truth` (Lium 2020): over the diagonal of the box of the aligned prediction, and of the true points
            that are measured.
        motion: the similarity ICP's, which brings the prediction to the scan.
        measured: `[V]` which of the scan's vertices count.
        errors: `[N]` their distances in mm from the surface after `motion`.
    """

    table: dict[str, dict[str, float]]
    motion: Similarity
    measured: NDArray[np.bool_]
    errors: NDArray[np.float64]


def compare(predicted: Surface, truth: Surface) -> Comparison:
    """Every alignment and distance of this module side by side."""
    mask = crop_mask(truth.vertices, truth.landmarks[NOSE_TIP])
    points = np.asarray(truth.vertices)[mask]
    index = NearestOnMesh(predicted.vertices, predicted.triangles)
    motions = {name: align(predicted, truth, name, points, index) for name in get_args(Alignment)}
    moved = {name: predicted.moved(motion) for name, motion in motions.items()}
    values = {str(name): _from_surface(points, index, motion) for name, motion in motions.items()}
    for name in ("icp_rigid", "icp"):
        for kind in ("point", "plane"):
            values[f"{name}_{kind}"] = distances(points, moved[name], kind)
    if predicted.vertices.shape == truth.vertices.shape:
        values["known"] = known_correspondence(predicted.vertices, truth.vertices)
    values["now"] = now_error(predicted, truth)
    table = {
        name: _row(value, moved.get(_alignment_of(name), moved["icp"]), truth, points) for name, value in values.items()
    }
    return Comparison(table, motions["icp"], mask, values["icp"])


def _alignment_of(measure: str) -> Alignment:
    return "icp_rigid" if measure.startswith("icp_rigid") else measure  # type: ignore[return-value]


def _row(values: FloatArray, moved: Surface, truth: Surface, points: FloatArray) -> dict[str, float]:
    row = summary(values, outer_eye_length(truth))
    row["nme_box_predicted"] = 100.0 * row["mean"] / box_diagonal_length(moved.vertices)
    row["nme_box_truth"] = 100.0 * row["mean"] / box_diagonal_length(points)
    return row
