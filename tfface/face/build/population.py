"""What people have on average beyond the mean face: identity coefficients that put it onto a mean of scanned people.

MakeHuman's targets are an artist's, and their mean is a small face: its eyes span 81 mm from corner to corner where
people's span 89, its mouth 45 where theirs spans 51, and its chin lies 9 mm farther back under the nose. Networks that
learnt from such faces take every chin for one that is turned up. The shifted face is where the cage begins on its way
onto the scanned mean (`tfface.face.build.scanned`), and the mean of a model that is built without scanned people.

The points are measured on the mean face of ICT-FaceKit (Li et al. 2020; USC Institute for Creative Technologies, MIT
licence; `FaceXModel/generic_neutral_mesh.obj`, light stage scans of adults): millimetres, x to the left of the person,
y up, z forward, one half of a symmetric face.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.face.build.landmarks import LANDMARKS68
from tfface.face.open_model import OpenFace
from tfface.geometry.align import fit_similarity
from tfface.geometry.icp import move
from tfface.geometry.raster import vertex_normals

# fmt: off
LANDMARKS = {
    30: (0.0, 4.1, 130.7),
    31: (-12.5, -11.4, 108.7),
    33: (0.0, -12.0, 115.7),
    36: (-44.6, 34.3, 86.0),
    37: (-38.7, 38.7, 93.6),
    38: (-27.8, 39.4, 95.3),
    39: (-18.4, 32.5, 92.0),
    40: (-27.3, 30.8, 94.1),
    41: (-38.6, 30.7, 92.3),
    48: (-25.3, -35.2, 101.9),
    51: (0.0, -24.8, 118.4),
    57: (0.0, -43.8, 115.5),
    62: (0.0, -33.2, 112.8),
    66: (0.0, -34.0, 112.5),
}
"""The inner landmarks that are the same place whoever draws them, by their number of 68."""
SURFACE = (
    (-18.2, 95.5, 93.9), (-37.2, 95.0, 84.9), (0.0, 94.2, 96.8), (-54.7, 88.7, 69.4), (-46.7, 80.6, 83.8),
    (-65.8, 78.8, 54.5), (-13.1, 78.1, 101.8), (-32.9, 74.4, 96.5), (-60.0, 69.9, 70.1), (-52.5, 62.6, 84.3),
    (-72.7, 62.1, 39.5), (0.0, 59.7, 107.5), (-23.5, 57.6, 105.4), (-41.2, 57.5, 97.8), (-65.1, 54.3, 62.2),
    (-70.6, 47.6, 47.4), (-51.5, 46.8, 89.9), (-59.1, 42.0, 77.7), (-2.9, 39.3, 106.1), (-74.9, 38.2, 28.9),
    (-71.7, 28.6, 47.3), (4.6, 27.9, 111.9), (-64.5, 27.5, 67.4), (17.1, 21.9, 98.2), (-8.6, 19.8, 112.3),
    (-35.7, 15.9, 94.2), (-53.4, 11.9, 86.9), (-72.7, 11.1, 27.8), (-21.2, 10.4, 100.9), (-70.9, 7.3, 48.5),
    (-66.0, 4.4, 67.8), (-13.3, 4.0, 118.5), (-37.0, 1.2, 97.3), (-70.1, -7.6, 33.2), (-26.4, -9.3, 101.4),
    (-58.4, -9.9, 78.4), (-65.3, -19.0, 56.0), (-38.5, -19.6, 96.8), (-50.5, -19.9, 85.7), (-17.4, -26.0, 111.8),
    (-66.2, -27.5, 30.5), (-58.3, -30.1, 69.7), (-64.1, -33.8, 48.3), (-46.8, -36.0, 85.5), (-57.2, -44.9, 61.3),
    (-18.1, -48.0, 106.4), (-35.7, -48.3, 93.5), (-56.9, -50.6, 35.1), (-46.4, -52.8, 77.1), (-8.2, -60.1, 109.3),
    (-24.0, -61.1, 99.7), (-45.5, -63.8, 58.0), (-35.5, -68.5, 78.4), (-41.3, -70.6, 38.7), (-20.2, -75.5, 94.2),
    (-4.1, -78.1, 100.2), (-24.2, -79.1, 59.8), (-16.6, -80.0, 80.7), (0.0, -82.5, 81.3), (0.0, -84.9, 64.8),
)
"""Points of the skin, without a name."""
# fmt: on
MIRRORED = {31: 35, 36: 45, 37: 44, 38: 43, 39: 42, 40: 47, 41: 46, 48: 54}
LANDMARK_NOISE_MM, SURFACE_NOISE_MM = 1.0, 1.1
OUTLIER_MM = 6.0
ROUNDS = 20


def scanned_points() -> tuple[list[int], NDArray[np.float64], NDArray[np.float64]]:
    """Numbers `[L]` and places `[L,3]` of landmarks, and points `[N,3]` of the skin: both halves, millimetres."""
    landmarks = {**LANDMARKS, **{MIRRORED[i]: _mirror(place) for i, place in LANDMARKS.items() if i in MIRRORED}}
    skin = [*SURFACE, *(_mirror(place) for place in SURFACE if place[0])]
    return list(landmarks), np.array(list(landmarks.values())), np.array(skin)


def _mirror(place: tuple[float, float, float]) -> tuple[float, float, float]:
    return -place[0], place[1], place[2]


def population_shift(face: OpenFace) -> NDArray[np.float64]:
    """The likeliest identity coefficients `[K]` of a face with the scanned points, each rigidly where it lies best.

    Gauss-Newton with a standard normal prior: landmarks are met by theirs, points of the skin by the plane of the
    surface next to them.
    """
    from scipy.spatial import cKDTree

    surface, (numbers, landmarks, skin) = face.face(2), scanned_points()
    basis = np.stack([surface.vertices(part) for part in face.id_basis]).astype(np.float32)
    mean = surface.vertices(face.mean).astype(np.float64)
    outside, chosen = np.flatnonzero(surface.vertex_part == 0), np.array(LANDMARKS68)[numbers]
    at_landmarks = basis[:, chosen].reshape(len(basis), -1) / LANDMARK_NOISE_MM
    found, vertices = np.zeros(len(basis)), mean
    motion = fit_similarity(landmarks, mean[chosen], with_scale=False)
    for _ in range(ROUNDS):
        normals = vertex_normals(vertices.astype(np.float32), surface.triangles)
        places = move(motion, skin)
        nearest = outside[cKDTree(vertices[outside]).query(places)[1]]
        off = np.einsum("ni,ni->n", places - vertices[nearest], normals[nearest])
        trust = 1 / SURFACE_NOISE_MM / np.sqrt(1 + np.square(off / OUTLIER_MM))
        at_skin = np.einsum("kni,ni->kn", basis[:, nearest], normals[nearest]) * trust
        system = np.concatenate([at_landmarks, at_skin], axis=1)
        missing = (move(motion, landmarks) - vertices[chosen]).ravel() / LANDMARK_NOISE_MM
        right = system @ np.concatenate([missing, off * trust]) - found
        found = found + np.linalg.solve(system @ system.T + np.eye(len(basis)), right)
        vertices = mean + np.tensordot(found, basis, axes=1)
        met = np.concatenate([vertices[chosen], places - off[:, None] * normals[nearest]])
        motion = fit_similarity(np.concatenate([landmarks, skin]), met, with_scale=False)
    return found
