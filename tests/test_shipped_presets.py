"""The networks that ship, on faces that they never saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from tfface.data.synthetic.sample import SyntheticSettings
from tfface.data.synthetic.scene import FaceGenerator
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry.align import box_from_landmarks
from tfface.inference import Reconstructor
from tfface.metrics.landmarks import box_area_root, nme_2d
from tfface.models import presets

HELD_OUT = 5 << 40
NME_BOUND = 10.0  # per cent; the mean face in the middle of the crop scores about 25


@pytest.fixture(scope="module")
def people() -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Front picture, its true landmarks, side picture, its true landmarks; clean pictures of seeds no run has seen."""
    generator = FaceGenerator(SyntheticSettings(bank_size=6).clean())
    pairs = [generator.pair(HELD_OUT + index) for index in range(8)]
    return [
        (p.front.image, generator.landmarks(p, p.front), p.side.image, generator.landmarks(p, p.side)) for p in pairs
    ]


def _error(reconstruct: Reconstructor, people: list, views: int) -> float:
    fronts, front_points, sides, side_points = zip(*people, strict=True)
    boxes = [box_from_landmarks(points) for points in front_points]
    side_boxes = [box_from_landmarks(points) for points in side_points]
    more = (list(sides), side_boxes) if views == 2 else (None, None)
    maps = reconstruct.predict_crops(list(fronts), boxes, *more)
    found = PositionMap(load_open_face()).landmarks(maps, 81)[:, :68]
    truth = np.stack(front_points)
    return float(nme_2d(found, truth, box_area_root(truth)).mean())


@pytest.mark.parametrize("coefficients", [False, True])
@pytest.mark.parametrize("views", [1, 2])
def test_a_preset_follows_faces_it_never_saw(people: list, views: int, coefficients: bool) -> None:
    name = presets.default(views, coefficients)
    config = presets.model_config(name)
    assert config.views == views and (config.name == "rnet" or not coefficients)
    error = _error(Reconstructor(name, refine=0), people, views)
    assert error < NME_BOUND


def test_the_astronaut_looks_at_us(tmp_path: Path) -> None:
    from skimage import data

    faces = Reconstructor()(data.astronaut())
    assert len(faces) == 1
    assert np.abs(faces[0].pose.degrees).max() < 20
    left, right = faces[0].landmarks68[36:42, :2].mean(0), faces[0].landmarks68[42:48, :2].mean(0)
    np.testing.assert_allclose([left, right], [[199, 106], [247, 103]], atol=9)  # the eyes in the picture


@pytest.mark.parametrize("name", presets.available())
def test_cards_say_where_the_weights_come_from(name: str) -> None:
    card = yaml.safe_load((presets.PRESETS / name / "card.yaml").read_text())
    assert {"data", "command", "commit", "hours", "metrics", "limits"} <= set(card)
    assert len(card["limits"]) > 40 and "not written" not in card["limits"]
    assert (presets.PRESETS / name / "weights.npz").stat().st_size < 30e6
