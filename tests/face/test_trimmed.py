"""The face crop without its ragged rim."""

from __future__ import annotations

import numpy as np

from tests.effects.heads import photographed
from tfface.face.open_model import load_open_face
from tfface.face.trimmed import trimmed_face
from tfface.geometry.align import crop_transform, transform_points
from tfface.geometry.cut import edges_of
from tfface.io.warp import warp_image
from tfface.result import OVERLAY_PIXELS
from tfface.viz.overlay import face_window

EAR_MM = 79.0
"""So far from the middle are ears alone."""


def _border(faces: np.ndarray) -> np.ndarray:
    """The vertices of the border's loop, in their order; the crop has no other."""
    there = set(map(tuple, edges_of(np.pad(faces, [(0, 0), (0, 4 - faces.shape[1])], constant_values=-1)).tolist()))
    after = {a: b for a, b in there if (b, a) not in there}
    loop = [next(iter(after))]
    while len(loop) < len(after):
        loop.append(after[loop[-1]])
    assert after[loop[-1]] == loop[0]
    return np.array(loop)


def _turning(points: np.ndarray) -> float:
    """How far a closed curve turns in all, in full circles, where it is looked at every eight millimetres."""
    length = np.cumsum(np.linalg.norm(np.diff(points, axis=0, append=points[:1]), axis=1))
    chosen = points[np.searchsorted(length, np.arange(0, length[-1], 8.0))]
    along = np.roll(chosen, -1, axis=0) - chosen
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    return float(np.arccos(np.clip((along * np.roll(along, 1, axis=0)).sum(1), -1, 1)).sum() / (2 * np.pi))


def test_the_rim_is_smooth_and_what_people_look_at_stays() -> None:
    face = load_open_face()
    crop, shown, mean = face.face(2), trimmed_face(), face.mean_face().astype(np.float64)
    vertices = shown.matrix @ mean
    assert _turning(vertices[_border(shown.triangles)]) < 0.5 * _turning(mean[_border(crop.quads)])
    kept = set(shown.matrix[np.diff(shown.matrix.indptr) == 1].indices.tolist())
    assert kept.issuperset(face.landmarks68) and kept.issuperset(face.landmarks68_2d)
    assert kept.issuperset(np.flatnonzero(np.abs(mean[:, 0]) > EAR_MM))
    assert 0.95 < len(vertices) / len(mean) < 0.99


def test_it_goes_with_the_face() -> None:
    face, shown = load_open_face(), trimmed_face()
    mean = face.mean_face().astype(np.float64)
    np.testing.assert_allclose(shown.matrix.sum(1), 1.0, atol=1e-6)
    np.testing.assert_allclose(shown.matrix @ (2 * mean + 5), 2 * (shown.matrix @ mean) + 5, rtol=1e-5)
    assert shown.triangles.max() == shown.matrix.shape[0] - 1


def test_pictures_of_a_face_end_there() -> None:
    result, mean = photographed(), load_open_face().mean_face()
    matrix = crop_transform(face_window(result.vertices), OVERLAY_PIXELS)
    plain, drawn = warp_image(result.image, matrix, OVERLAY_PIXELS, OVERLAY_PIXELS), result.overlay()
    rim = _border(load_open_face().face(2).quads)
    top = transform_points(matrix, result.vertices[rim[mean[rim, 1].argmax()]][None])[0, :2].astype(int)
    for below, tinted in ((4, False), (40, True)):
        differs = (drawn != plain)[top[1] + below, top[0] - 3 : top[0] + 3].any()
        assert differs == tinted
