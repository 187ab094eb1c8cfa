"""What `data_tools/calibrate_points.py` learns from pictures of people whose identities show in a way that is known."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.data.tools import load_tool

SIZE = 5


@pytest.fixture(scope="module")
def calibrate() -> ModuleType:
    return load_tool(Path(__file__).resolve().parents[2], "calibrate_points")


def test_how_identities_show_is_learnt_from_single_pictures(calibrate: ModuleType) -> None:
    rng, shows = np.random.default_rng(0), 0.7 * np.eye(SIZE) + 0.4 * np.eye(SIZE, k=2)
    people = []
    for _ in range(400):
        who, looks = rng.normal(size=SIZE), []
        for _ in range(3):
            root = rng.normal(size=(SIZE, 3 * SIZE))  # a picture's information differs from another's
            information = root @ root.T
            looks.append((information, information @ (who @ shows) + root @ rng.normal(size=3 * SIZE)))
        people.append((looks, who))
    np.testing.assert_allclose(calibrate.shown_as(people, 1e-6), shows, atol=0.1)
    np.testing.assert_allclose(calibrate.shown_as(people, 1e6), np.eye(SIZE), atol=1e-3)


def test_what_is_found_is_taken_to_what_it_means(calibrate: ModuleType) -> None:
    rng, means = np.random.default_rng(1), np.diag([0.5, 1, 2, 1, 1]) + 0.1
    found = rng.normal(size=(300, SIZE))
    np.testing.assert_allclose(calibrate.regressed(found, found @ means, 1e-6), means, atol=1e-6)
    np.testing.assert_allclose(calibrate.regressed(found, found @ means, 1e9), np.eye(SIZE), atol=1e-4)
