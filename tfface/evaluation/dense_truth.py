"""Whole true meshes behind a benchmark's images, and what is measured against them image by image.

Predictions are our face's 53,833 vertices in pixels of the photograph (u, v, depth). Poses, predicted and true, are
those of the mean face fitted to the vertices in the same way (`tfface.geometry.align.fit_pose`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tfface.face.metric import metric_face
from tfface.face.open_model import OpenFace
from tfface.geometry.align import fit_pose
from tfface.geometry.camera import Camera
from tfface.metrics.dense import dense_nme
from tfface.metrics.landmarks import box_area_root
from tfface.metrics.pose import angle_errors_deg, geodesic_errors_deg
from tfface.metrics.reconstruction import known_correspondence
from tfface.metrics.smoothness import dihedral_cosines, share_within
from tfface.metrics.visibility import errors_by_visibility, visible_points

FloatArray = NDArray[np.floating]
RIGID_REGIONS = (1, 2, 3)


class DenseTruth(Protocol):
    """True meshes of a benchmark's items."""

    @property
    def note(self) -> str:
        """The protocol of its figures, in words."""

    def measure(self, index: int, predicted: FloatArray) -> dict[str, float]:
        """Figures of item `index` for predicted vertices `[53833,3]` in pixels of our image frame."""


@dataclass(frozen=True)
class KnownFace:
    """A synthetic face: coefficients and camera say every vertex."""

    identity: NDArray[np.float32]
    expression: NDArray[np.float32]
    camera: Camera


@dataclass(frozen=True)
class SyntheticTruth:
    """The generator's own faces, in the topology of the predictions."""

    face: OpenFace
    faces: list[KnownFace]
    note: str = (
        "dense: all 53,833 vertices, NME over the 68 true points' box; reconstruction: similarity by known "
        "correspondence in mm, beside the mean face; pose: of the mean face fitted to the vertices; smoothness: "
        "share of edges bent by less than 15 degrees (level 1); visible, hidden: 68 points by z-buffer"
    )

    def measure(self, index: int, predicted: FloatArray) -> dict[str, float]:
        """Dense NME in 2D and 3D, pose, millimetres, smoothness, landmarks by visibility."""
        known, face = self.faces[index], self.face
        surface = face.face(2)
        true_mm = surface.vertices(face.cage(known.identity, known.expression))
        truth = known.camera.project(true_mm)
        points = truth[face.landmarks68]
        size = box_area_root(points[None])
        seen = visible_points(points, truth, surface.triangles)
        mean = face.mean_face()
        by_sight = errors_by_visibility(predicted[face.landmarks68], points, seen, float(size[0]))
        return {
            "dense_2d": float(dense_nme(predicted[None], truth[None], None, size)[0]),
            "dense_3d_raw": float(dense_nme(predicted[None], truth[None], "raw", size)[0]),
            "dense_3d_centred": float(dense_nme(predicted[None], truth[None], "centred", size)[0]),
            "reconstruction_mm": float(known_correspondence(metric_face(predicted)[0], true_mm).mean()),
            "mean_face_mm": float(known_correspondence(mean, true_mm).mean()),
            **self._pose(predicted, truth, mean),
            **self._smoothness(predicted, truth),
            **{f"landmarks_{name}": value for name, value in by_sight.items()},
        }

    def _pose(self, predicted: FloatArray, truth: FloatArray, mean: FloatArray) -> dict[str, float]:
        weights = np.isin(self.face.regions, RIGID_REGIONS).astype(np.float64)
        found, true = (fit_pose(each, mean, weights).rotation[None] for each in (predicted, truth))
        angles = angle_errors_deg(found, true)[0]
        named = dict(zip(("yaw_error_deg", "pitch_error_deg", "roll_error_deg"), map(float, angles), strict=True))
        return {**named, "pose_error_deg": float(geodesic_errors_deg(found, true)[0])}

    def _smoothness(self, predicted: FloatArray, truth: FloatArray) -> dict[str, float]:
        triangles = self.face.face(1).triangles
        count = int(triangles.max()) + 1  # level 1 is the beginning of level 2
        values = {"smooth_share": predicted, "smooth_share_truth": truth}
        return {key: share_within(dihedral_cosines(each[:count], triangles)) for key, each in values.items()}
