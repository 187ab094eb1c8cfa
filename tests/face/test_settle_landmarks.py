"""Landmarks of another convention are found again on our mesh from where they lie in pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.data.tools import load_tool
from tfface.face.open_model import load_open_face
from tfface.geometry.rotation import euler_to_matrix


def test_moved_landmarks_are_found_again(repository: Path) -> None:
    tool = load_tool(repository, "settle_landmarks")
    face, rng = load_open_face(), np.random.default_rng(2)
    mesh = face.face(2)
    mean, before = mesh.vertices(face.mean), face.landmarks68
    truth = before.copy()
    for number, other in ((36, 45), (48, 54), (8, 8), (57, 57)):  # two pairs, and two of the middle
        near = np.flatnonzero(np.abs(np.linalg.norm(mean - mean[before[number]], axis=-1) - 2.5) < 0.6)
        middle = mesh.mirror[near] == near
        truth[number] = near[middle if number == other else ~middle][0]
        truth[other] = mesh.mirror[truth[number]]
    assert (truth != before).sum() == 6
    vertices = np.array([(mean @ euler_to_matrix(*turn).T)[:, :2] for turn in rng.normal(0, 0.5, (24, 3))])
    references = vertices[:, truth] + rng.normal(0, 1.0, (24, 68, 2))
    photographs = tool.Photographs(vertices.astype(np.float32), (references,), np.ones(24))
    settled = tool.settle(photographs, before, mean, mesh.mirror, 5.0, 0.02)
    assert np.linalg.norm(mean[settled] - mean[truth], axis=-1).max() < 1.5
    assert np.linalg.norm(mean[settled] - mean[truth], axis=-1).mean() < 0.3
    assert photographs.score(settled) < photographs.score(before)
    stays = tool.settle(photographs, before, mean, mesh.mirror, 5.0, 100.0)
    np.testing.assert_array_equal(stays, before)
