"""Faces turned in depth: the turned picture shows each point of the face where its map says."""

from __future__ import annotations

import numpy as np
import pytest

from tfface.data.sources.turn import MeshedPhoto, Turn, turn_to
from tfface.face.open_model import load_open_face
from tfface.geometry.align import Pose, crop_transform, fit_pose, transform_points
from tfface.geometry.raster import interpolate, rasterize
from tfface.geometry.rotation import euler_to_matrix

SIZE = 200


@pytest.fixture(scope="module")
def scene() -> tuple[Pose, np.ndarray, np.ndarray, np.ndarray]:
    """Pose, vertices in pixels, photograph and texture: red grows with x in the face, green with y, blue behind it."""
    face = load_open_face()
    surface, millimetres = face.face(2), face.face(2).vertices(face.cage())
    rotation = euler_to_matrix(0.15, 0.1, 0.05)
    pose = Pose(rotation, 0.5, np.array([100.0, -100.0, 0.0]) - 0.5 * rotation @ face.centre)
    vertices = pose.to_image(millimetres)
    colors = np.concatenate([shade(millimetres), np.zeros((len(millimetres), 1))], axis=1)
    seen, weights, _ = rasterize(vertices, surface.triangles, SIZE, SIZE)
    photo = np.where(seen[..., None] >= 0, interpolate(seen, weights, surface.triangles, colors), [0.0, 0, 255])
    texture = np.zeros((256, 256, 3))
    from tfface.face.position_map import PositionMap

    texture[..., :2] = shade(PositionMap(face, 256).from_vertices(millimetres))
    return pose, vertices, photo.astype(np.uint8), texture.astype(np.uint8)


def shade(millimetres: np.ndarray) -> np.ndarray:
    offset = millimetres - load_open_face().centre
    return np.clip(offset[..., :2] + 128, 0, 255)


def test_a_turn_is_rigid_and_ends_at_its_yaw(scene: tuple[Pose, np.ndarray, np.ndarray, np.ndarray]) -> None:
    pose, vertices, _, _ = scene
    face = load_open_face()
    turned = turn_to(pose, 75.0, face.centre)(vertices)
    found = fit_pose(turned, face.face(2).vertices(face.cage()))
    assert found.degrees == pytest.approx((75.0, *pose.degrees[1:]), abs=0.01)
    assert found.scale_px_per_mm == pytest.approx(0.5, rel=1e-4)
    same = turn_to(pose, pose.degrees[0], face.centre)(vertices)
    np.testing.assert_allclose(same, vertices, atol=1e-2)


def test_the_turned_picture_shows_the_turned_face(scene: tuple[Pose, np.ndarray, np.ndarray, np.ndarray]) -> None:
    pose, vertices, photo, texture = scene
    face = load_open_face()
    surface = face.face(2)
    mesh = MeshedPhoto(photo, vertices, surface, vertices[face.landmarks68], texture)
    turn = turn_to(pose, 65.0, face.centre)
    matrix = crop_transform((0, 0, SIZE, SIZE), 256)
    picture = mesh.picture(turn, matrix, 256)
    placed = transform_points(matrix, turn(vertices))
    seen, weights, _ = rasterize(placed, surface.triangles, 256, 256)
    expected = interpolate(seen, weights, surface.triangles, shade(face.face(2).vertices(face.cage())))
    inside = seen >= 0
    assert np.abs(picture[inside][:, :2] - expected[inside]).mean() < 3.0
    assert (picture[[0, -1]] == [0, 0, 255]).all()  # the rim stays as it was
    # Rubber reaches from the face to the rim: no face colours far from it.
    assert (picture[~inside][:, 2] > 200).mean() > 0.9


def test_standing_still_gives_the_photograph(scene: tuple[Pose, np.ndarray, np.ndarray, np.ndarray]) -> None:
    pose, vertices, photo, texture = scene
    face = load_open_face()
    mesh = MeshedPhoto(photo, vertices, face.face(2), vertices[face.landmarks68], texture)
    still = Turn(pose, pose.rotation, face.centre)
    picture = mesh.picture(still, crop_transform((0, 0, SIZE, SIZE), SIZE), SIZE)
    assert np.abs(picture.astype(int) - photo).mean() < 3.0
