"""The networks that ship, on faces that they never saw."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml

from tfface.data.synthetic.sample import SyntheticSettings
from tfface.data.synthetic.scene import FaceGenerator
from tfface.evaluate import main
from tfface.evaluation.networks import NetworkPredictor
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry.align import box_from_landmarks, crop_transform
from tfface.inference import Reconstructor
from tfface.io.warp import warp_image
from tfface.metrics.expressions import followed
from tfface.metrics.landmarks import box_area_root, nme_2d
from tfface.models.layers import point_finder
from tfface.models.layers.points import POINTS_LAYER
from tfface.models.weights import presets
from tfface.runtime import find_network

HELD_OUT = 5 << 40
NME_BOUND = 10.0  # per cent; the mean face in the middle of the crop scores about 25


@pytest.fixture(scope="module")
def people() -> tuple[list[np.ndarray], np.ndarray]:
    """Clean pictures of seeds no run has seen, turned as training's are, and their true landmarks `[N,68,3]`."""
    return _photographed(SyntheticSettings(bank_size=6), HELD_OUT, 8)


def _photographed(settings: SyntheticSettings, seed: int, count: int) -> tuple[list[np.ndarray], np.ndarray]:
    generator = FaceGenerator(settings.clean())
    seen = [generator.photograph(seed + number, seed + number) for number in range(count)]
    return [view.image for view, _ in seen], np.stack([view.camera.project(who.landmarks) for view, who in seen])


def _error(reconstruct: Reconstructor, people: tuple[list[np.ndarray], np.ndarray]) -> float:
    images, truth = people
    maps = reconstruct.predict_crops(images, [box_from_landmarks(points) for points in truth])
    found = PositionMap(load_open_face()).landmarks(maps, 81)[:, :68]
    return float(nme_2d(found, truth, box_area_root(truth)).mean())


@pytest.mark.parametrize("coefficients", [False, True])
def test_a_preset_follows_faces_it_never_saw(people: tuple[list[np.ndarray], np.ndarray], coefficients: bool) -> None:
    name = presets.default(coefficients)
    config = presets.model_config(name)
    assert config.views == 1 and (config.name == "rnet" or not coefficients)
    error = _error(Reconstructor(name, recrop=0), people)
    assert error < NME_BOUND


@pytest.fixture(scope="module")
def fronts() -> tuple[list[np.ndarray], np.ndarray]:
    """Pictures of many people and their true landmarks `[N,68,2]`."""
    images, points = _photographed(SyntheticSettings(bank_size=6, front_yaw_deg=20), HELD_OUT + 100, 40)
    return images, points[..., :2]


def test_the_default_preset_follows_mouths_and_lids(fronts: tuple[list[np.ndarray], np.ndarray]) -> None:
    images, truth = fronts
    maps = Reconstructor(recrop=0).predict_crops(images, [box_from_landmarks(points) for points in truth])
    figures = followed(PositionMap(load_open_face()).landmarks(maps, 81)[:, :68], truth)
    assert figures["mouth_opening"]["slope"] > 0.6 and figures["mouth_opening"]["correlation"] > 0.8
    assert figures["lids"]["slope"] > 0.4 and figures["lids"]["correlation"] > 0.6


def _finds_points(name: str) -> bool:
    config = presets.model_config(name)
    return bool(config.points)


@pytest.mark.parametrize("name", filter(_finds_points, presets.available()))
def test_no_point_of_a_preset_stands_at_its_bound(name: str, fronts: tuple[list[np.ndarray], np.ndarray]) -> None:
    """Where certainty stands at its bound nothing moves it any more: it is dead. One point is as certain as can be in a
    tenth of clean synthetic pictures, and in 1.5 % of photographs (docs/experiments.md, 160 pixels)."""
    model, config = presets.load(name)
    size = config.image_size
    boxes = [box_from_landmarks(points) for points in fronts[1]]
    crops = [warp_image(i, crop_transform(b, size), size, size) for i, b in zip(fronts[0], boxes, strict=True)]
    found = keras.Model(model.input, model.get_layer(POINTS_LAYER).output)(np.float32(crops) / 255)
    for sigma, least, usual in (
        (found[1], point_finder.POINT_LEAST_PX, point_finder.POINT_USUAL_PX),
        (found[3], point_finder.APART_LEAST_PX, point_finder.APART_USUAL_PX),
    ):
        lowest, highest = (float(point_finder.deviation(end, least, usual)) for end in (-8.0, 8.0))
        given_up = (sigma > 0.95 * highest).numpy()[..., 0].mean(axis=0)
        surest = np.sort((sigma < 1.05 * lowest).numpy()[..., 0].mean(axis=0))
        assert given_up.max() <= 0.05 and surest[-2] <= 0.05 and surest[-1] <= 0.15


def test_the_astronaut_looks_at_us(tmp_path: Path) -> None:
    from skimage import data

    faces = Reconstructor()(data.astronaut())
    assert len(faces) == 1
    assert np.abs(faces[0].pose.degrees).max() < 20
    left, right = faces[0].landmarks68[36:42, :2].mean(0), faces[0].landmarks68[42:48, :2].mean(0)
    np.testing.assert_allclose([left, right], [[199, 106], [247, 103]], atol=9)  # the eyes in the picture


def test_two_looks_that_agree_are_averaged() -> None:
    from skimage import data

    image, box = data.astronaut(), (175.0, 50.0, 275.0, 170.0)
    reconstruct = Reconstructor(upright=False)
    face = reconstruct(image, box=box)[0]
    first = Reconstructor(recrop=0, upright=False)(image, box=box)[0]
    second = reconstruct.predict_crops([image], [face.box], rolls_rad=[np.radians(face.crop_roll_deg)])[0]
    apart = np.abs(first.position_map - second)[..., :2].mean()
    mean = (first.position_map + 2 * second)[..., :2] / 3
    assert np.abs(face.position_map[..., :2] - mean).mean() < 0.02 * apart


def test_evaluation_looks_as_often_as_prediction_does() -> None:
    looks = {name: NetworkPredictor(find_network(name), name).recrop for name in ("fast", "mnv2_points")}
    assert looks == {"fast": 0, "mnv2_points": 1}
    assert NetworkPredictor(find_network("fast"), "fast", recrop=2).recrop == 2


def test_detail_brings_normals_nearer_to_the_truth(tmp_path: Path) -> None:
    assert main(["--benchmark", "detail", "--model", "detail", "--limit", "10", "--out", str(tmp_path)]) == 0
    base, detail = (json.loads((tmp_path / "results.json").read_text())["models"][name] for name in ("base", "detail"))
    assert detail["normal_deg"] < 0.92 * base["normal_deg"] and detail["surface_mm"] < 0.9 * base["surface_mm"]
    assert detail["shape_mm"] < 1.01 * base["shape_mm"] and detail["lines"] > 0.53  # 0.50 without lines of its own


@pytest.mark.parametrize("name", presets.available())
def test_cards_say_where_the_weights_come_from(name: str) -> None:
    card = yaml.safe_load((presets.PRESETS / name / "card.yaml").read_text())
    assert {"data", "command", "commit", "hours", "metrics", "limits"} <= set(card)
    assert len(card["limits"]) > 40 and "not written" not in card["limits"]
    assert presets.weights_file(name).stat().st_size < 30e6
