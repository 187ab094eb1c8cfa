"""Where the vertices of our open face lie on another model's surface, found once and for all.

The other model's mean is brought onto ours by its 68 points. Then, a few times over, each vertex of our coarse face
looks for the nearest point of the other surface, and our identity is fitted to those points and to the 68 (those
above the jaw weightier), as `tfface.face.fit` does: our face takes the other's features, so that eyes come to lie on
eyes. From the full mesh of that face each vertex takes its nearest point, as three corners and their weights. A vertex
is *sure* where that point is near, the surfaces look the same way, and it belongs to the skin: the back of the neck,
the ears' backs and the inner mouth are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.fit import CoefficientFit
from tfface.face.linear_face import LinearFace
from tfface.face.open_model import PART_NAMES, OpenFace
from tfface.geometry.align import Similarity, fit_similarity
from tfface.geometry.ibug68 import COUNT, NUM_JAW
from tfface.geometry.icp import NearestOnMesh, inverse, move
from tfface.geometry.raster import vertex_normals

FloatArray = NDArray[np.floating]
REACH_MM = 3.0
MIN_COSINE = 0.5
ROUNDS = 6
LANDMARK_WEIGHT = 4.0
JAW_WEIGHT = 1.0


@dataclass(frozen=True)
class Correspondence:
    """Where points lie on a mesh.

    Attributes:
        corners: `[N,3]` vertices of the mesh.
        weights: `[N,3]` barycentric.
    """

    corners: NDArray[np.int64]
    weights: NDArray[np.float64]

    def __call__(self, vertices: FloatArray) -> NDArray[np.float64]:
        """The points `[...,N,3]` of the mesh whose vertices are `[...,V,3]`."""
        return np.asarray((np.asarray(vertices)[..., self.corners, :] * self.weights[..., None]).sum(-2))


@dataclass(frozen=True)
class FaceCorrespondence(Correspondence):
    """Our face crop's 53833 vertices (level 2) on another mesh.

    Attributes:
        sure: `[53833]` bool, where the correspondence means something.
        identity: `[150]` our identity of the other model's mean.
        motion: the similarity from our frame to the other model's.
        rms_mm: of the sure vertices' distances.
    """

    sure: NDArray[np.bool_]
    identity: NDArray[np.float64]
    motion: Similarity
    rms_mm: float

    @cached_property
    def coarse(self) -> NDArray[np.int64]:
        """An even selection of sure vertices for fits, a few thousand of them."""
        return np.flatnonzero(self.sure)[:: max(1, int(self.sure.sum()) // 4000)]


def correspond(face: OpenFace, other: LinearFace) -> FaceCorrespondence:
    """Our face on the mean of another model.

    Raises:
        UserError: less than a third of our face finds a place there: its 68 points or its unit are wrong.
    """
    from trimesh.triangles import points_to_barycentric

    surface = face.face(2)
    ours = surface.vertices(face.cage()).astype(np.float64)
    start = fit_similarity(other.mean[other.landmarks68], ours[face.landmarks68])
    placed = move(start, other.mean)
    nearest = NearestOnMesh(placed, other.triangles)
    identity, motion = _fitted_identity(face, nearest, placed[other.landmarks68])
    fitted = move(motion, surface.vertices(face.cage(identity)))
    found, triangle = nearest(fitted)
    distance = np.linalg.norm(found - fitted, axis=-1)
    facing = (vertex_normals(fitted, surface.triangles) * nearest.normals[triangle]).sum(-1) > MIN_COSINE
    skin = surface.vertex_part == PART_NAMES.index("skin")
    sure = (distance < REACH_MM) & facing & skin
    if sure.sum() < len(ours) / 3:
        raise UserError(
            f"Only {100 * sure.mean():.0f} % of our face finds a place within {REACH_MM:g} mm on {other.name}: its 68 "
            "points or its triangles are not what they should be; check the files."
        )
    corners = other.triangles[triangle].astype(np.int64)
    weights = points_to_barycentric(placed[corners], found)
    rms = float(np.sqrt((distance[sure] ** 2).mean()))
    back = inverse(start)
    combined = Similarity(back.scale * motion.scale, back.rotation @ motion.rotation, move(back, motion.translation))
    return FaceCorrespondence(corners, np.nan_to_num(weights), sure, identity, combined, rms)


def _fitted_identity(
    face: OpenFace, nearest: NearestOnMesh, landmarks: FloatArray
) -> tuple[NDArray[np.float64], Similarity]:
    """Our identity and motion for the placed mesh, from nearest points and the 68 landmarks `[68,3]`."""
    coarse, fine = face.face(0), face.face(2)
    skin = np.flatnonzero(coarse.vertex_part == PART_NAMES.index("skin"))
    rows = np.concatenate([coarse.matrix[skin].toarray(), fine.matrix[face.landmarks68].toarray()])
    mean = rows @ face.mean.astype(np.float64)
    basis = np.einsum("nc,kcd->knd", rows, face.id_basis, optimize=True)
    weights = np.repeat([1.0, JAW_WEIGHT, LANDMARK_WEIGHT], [len(skin), NUM_JAW, COUNT - NUM_JAW])
    identity, motion = np.zeros(len(basis)), Similarity(1.0, np.eye(3), np.zeros(3))
    for turn in range(ROUNDS):
        shape = move(motion, mean + np.tensordot(identity, basis, 1))
        found, _ = nearest(shape[: len(skin)])
        reach = REACH_MM * (3.0 if turn < 2 else 1.5)
        near = np.linalg.norm(found - shape[: len(skin)], axis=-1) < reach
        kept = np.concatenate([near, np.ones(len(landmarks), bool)])
        noise = 4.0 if turn < 2 else 2.0
        fit = CoefficientFit(mean[kept], basis[:, kept], np.ones(len(basis)), weights[kept], noise)
        identity, motion = fit(np.concatenate([found, landmarks])[kept], iterations=2)
    return identity, motion
