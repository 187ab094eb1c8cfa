"""Vertices to maps and back."""

from __future__ import annotations

import numpy as np
import pytest

from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap


@pytest.fixture(scope="module")
def topology() -> PositionMap:
    return PositionMap(load_open_face(), 256)


def _vertices(seed: int) -> np.ndarray:
    face, rng = load_open_face(), np.random.default_rng(seed)
    return face.face(2).vertices(face.cage(rng.normal(0, 1, 150), rng.uniform(0, 0.3, 52)))


def test_round_trip_keeps_the_skin(topology: PositionMap) -> None:
    """At 256 texels the skin's mean error is at most 0.1 % of the square root of the face's box area."""
    skin = topology.surface.vertex_part == 0
    for seed in range(3):
        vertices = _vertices(seed)
        back = topology.to_vertices(topology.from_vertices(vertices))
        box = np.sqrt(np.prod(np.ptp(vertices, axis=0)[:2]))
        assert np.linalg.norm(back - vertices, axis=1)[skin].mean() <= 0.001 * box


def test_more_than_999_of_1000_texels_are_covered(topology: PositionMap) -> None:
    assert topology.coverage > 0.999


def test_maps_are_linear_in_the_cage(topology: PositionMap) -> None:
    face, cage = topology.face, load_open_face().cage(np.ones(10))
    direct = (topology.cage_matrix @ cage).reshape(256, 256, 3)
    np.testing.assert_allclose(direct, topology.from_vertices(face.face(2).vertices(cage)), atol=1e-3)


def test_landmarks_come_back(topology: PositionMap) -> None:
    vertices = _vertices(1)
    position_map = topology.from_vertices(vertices)
    found = topology.landmarks(position_map)
    error = np.linalg.norm(found - vertices[topology.face.landmarks68], axis=1)
    assert np.median(error) < 0.1 and error.max() < 1.5
    dense = topology.landmark_matrix() @ position_map.reshape(-1, 3)
    np.testing.assert_allclose(dense, found, atol=1e-3)


def test_batches_are_stacks_of_ones(topology: PositionMap) -> None:
    both = np.stack([_vertices(0), _vertices(1)])
    maps = topology.from_vertices(both)
    np.testing.assert_array_equal(maps[1], topology.from_vertices(both[1]))
    np.testing.assert_array_equal(topology.to_vertices(maps)[1], topology.to_vertices(maps[1]))


def test_weight_mask(topology: PositionMap) -> None:
    mask = topology.weight_mask((16, 4, 3, 0))
    assert sorted(np.unique(mask).tolist()) == [0, 3, 4, 16]
    assert 60 <= (mask == 16).sum() <= 80  # two may share a texel; those of the middle line have two
    np.testing.assert_array_equal(mask == 3, mask[:, ::-1] == 3)
    assert np.allclose(topology.weight_mask((8, 2, 1.5, 0)) * 2, mask)
    learnt = np.repeat((mask > 0).astype(np.float32)[..., None], 3, -1)
    assert (topology.landmarks(learnt) > 0.999).all(), "landmarks at the jaw's edge are blended from learnt texels only"
    assert (topology.to_vertices(learnt)[topology.face.regions > 0] > 0.999).all()
