"""Deep3D's crop: against projections made by hand, and back."""

from __future__ import annotations

import numpy as np
import pytest

from tfface.errors import UserError
from tfface.geometry import align, pos
from tfface.geometry.rotation import euler_to_matrix


@pytest.mark.parametrize("angles", [(0.0, 0.0, 0.0), (0.5, -0.2, 0.3)])
def test_pos_finds_the_camera_that_projected_the_points(angles: tuple[float, float, float]) -> None:
    rotation = euler_to_matrix(*angles)
    points = 37.0 * pos.DEEP3D_POINTS @ rotation[:2].T + [210.0, 140.0]
    scale, translation = pos.pos_scale_translation(points)
    assert scale == pytest.approx(37.0)
    np.testing.assert_allclose(translation, [210.0, 140.0])


def test_two_lengths_are_averaged() -> None:
    points = pos.DEEP3D_POINTS[:, :2] * [30.0, 50.0] + [1.0, 2.0]
    assert pos.pos_scale_translation(points)[0] == pytest.approx(40.0)


@pytest.mark.parametrize("size", [224, 112])
def test_crop_of_its_own_reference(size: int) -> None:
    width, height, scale = 401, 300, 50.0
    upright = pos.DEEP3D_POINTS[:, :2] * scale + [210.0, 140.0]  # y up
    crop = pos.deep3d_crop(np.stack([upright[:, 0], height - 1 - upright[:, 1]], axis=1), (width, height), size)
    zoom = 102 / 50 * size / 224
    assert crop.zoom == pytest.approx(zoom)
    assert crop.resized == (int(401 * zoom), int(300 * zoom))
    left = crop.resized[0] / 2 - size / 2 + (210.0 - 200.5) * zoom
    assert crop.corner == (int(left), int(crop.resized[1] / 2 - size / 2 + 10.0 * zoom))
    moved = align.transform_points(crop.matrix, np.array([210.0, height - 140.0]))
    np.testing.assert_allclose(moved, [size / 2, size / 2], atol=1.0)  # the origin of the reference is the centre
    np.testing.assert_allclose(align.transform_points(crop.inverse, moved), [210.0, height - 140.0])


def test_crop_by_hand() -> None:
    """A photograph of 1000 x 800, zoom 0.5, the face's origin at (300, 500 upwards): 500 x 400, from (38, 38)."""
    crop = pos.Deep3DCrop(1000, 800, 0.5, 300.0, 500.0)
    assert crop.resized == (500, 400)
    assert crop.corner == (250 - 112 - 100, 200 - 112 - 50)
    np.testing.assert_allclose(crop.matrix, [[0.5, 0, -38], [0, 0.5, -38]])


def test_five_points_average_the_eye_corners() -> None:
    points = np.arange(136, dtype=np.float64).reshape(68, 2)
    np.testing.assert_allclose(pos.five_points(points)[:, 0], [75, 87, 60, 96, 108])


def test_points_in_one_place_are_reported() -> None:
    with pytest.raises(UserError, match="one place"):
        pos.deep3d_crop(np.full((5, 2), 7.0), (100, 100))
