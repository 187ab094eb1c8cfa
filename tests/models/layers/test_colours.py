"""Albedo and light from the picture."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tfface import models
from tfface.config import Config, override
from tfface.geometry.harmonics import harmonic_functions
from tfface.models.layers import maps
from tfface.models.layers.coefficients import PosedMap, layout_of
from tfface.models.layers.colours import EVEN_LIGHT, ColoursFromPicture, skin_texels
from tfface.models.networks import rnet

SIZE = 128
CONFIG = override(
    Config(), {"model.name": "rnet", "model.trunk": "mobilenet_v2", "model.width": 0.1, "model.image_size": SIZE}
).model
BUMPY = np.array([[0.1, 0.2, 0.3, -0.3, 0, 0.1, 0, 0, 0.1]] * 3) * [[1.0], [0.9], [0.7]]


class Scene:
    """A painted face of known light and albedo, and what the layer says of it."""

    def __init__(self, light: np.ndarray, albedo: np.ndarray, kinds: int = 27) -> None:
        self.layout = layout_of(dataclasses.replace(CONFIG, light=kinds))
        sizes = self.layout.sizes(raw=True)
        self.numbers = np.zeros((1, sum(sizes.values())), np.float32)
        posed = PosedMap(256, "linear", dataclasses.asdict(self.layout))(self.numbers)
        self.pixels = np.asarray(maps.ToPixels("linear")(posed))
        self.layer = ColoursFromPicture(dataclasses.asdict(self.layout))
        self.layer.build([(1, SIZE, SIZE, 3), self.numbers.shape, self.pixels.shape])
        self.places, self.normals = (np.asarray(each)[0] for each in self.layer.surface(self.pixels))
        self.colours = self.lit(light, albedo)
        self.picture = np.full((1, SIZE, SIZE, 3), 0.5, np.float32)
        column, row = np.floor(self.places * SIZE / 256).astype(int).T
        self.picture[0, row, column] = self.colours

    def lit(self, light: np.ndarray, albedo: np.ndarray) -> np.ndarray:
        surface = self.layer.mean + self.layer.basis @ albedo
        return np.asarray(surface * (np.stack(harmonic_functions(*self.normals.T), axis=-1) @ (light + EVEN_LIGHT).T))

    def found(self) -> tuple[np.ndarray, np.ndarray]:
        parts = self.layout.split(np.asarray(self.layer([self.picture, self.numbers, self.pixels]))[0], raw=True)
        light = np.broadcast_to(parts["light"].reshape(-1, 9), (3, 9))
        return light, parts["albedo"]


@pytest.fixture(scope="module")
def albedo() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.7, layout_of(CONFIG).albedo)


def test_normals_look_at_the_camera(albedo: np.ndarray) -> None:
    scene = Scene(BUMPY, albedo)
    assert (scene.normals[:, 2] > 0).mean() > 0.95
    side = scene.places[:, 0] - scene.places[:, 0].mean()
    assert np.corrcoef(side, scene.normals[:, 0])[0, 1] > 0.7
    assert len(skin_texels(256)[0]) > 500


def test_colours_come_back(albedo: np.ndarray) -> None:
    scene = Scene(BUMPY, albedo)
    even = np.abs(scene.lit(0 * BUMPY, 0 * albedo) - scene.colours).mean()
    error = np.abs(scene.lit(*scene.found()) - scene.colours)
    assert error.mean() < 0.02 < 0.1 < even
    light, _ = scene.found()
    assert np.corrcoef(light.ravel(), BUMPY.ravel())[0, 1] > 0.9


def test_something_before_the_face_is_left_out(albedo: np.ndarray) -> None:
    scene = Scene(BUMPY, albedo)
    scene.picture[:, SIZE // 2 + 8 :, : SIZE // 2] = [0.1, 0.8, 0.1]
    free = (scene.places[:, 1] < 128 + 8) | (scene.places[:, 0] > 128)
    assert 0.6 < free.mean() < 0.95
    error = np.abs(scene.lit(*scene.found()) - scene.colours)[free]
    assert error.mean() < 0.04


@pytest.mark.parametrize("kinds", [9, 0])
def test_white_light_and_none(kinds: int, albedo: np.ndarray) -> None:
    white = np.broadcast_to(BUMPY[:1], (3, 9)) * (kinds > 0)
    scene = Scene(white, albedo, kinds)
    if kinds:
        assert np.abs(scene.lit(*scene.found()) - scene.colours).mean() < 0.02
    else:
        np.testing.assert_array_equal(scene.layer([scene.picture, scene.numbers, scene.pixels]), scene.numbers)


def test_a_network_changes_nothing_else() -> None:
    model = models.build(CONFIG)
    plain, read = (
        rnet.predictor(model, dataclasses.replace(CONFIG, colours=colours))(
            np.random.default_rng(0).random((2, SIZE, SIZE, 3), np.float32)
        )
        for colours in ("heads", "picture")
    )
    np.testing.assert_array_equal(plain["position_map"], read["position_map"])
    layout = layout_of(CONFIG)
    before, after = (layout.split(np.asarray(answer["coefficients"])) for answer in (plain, read))
    for name in before:
        assert np.allclose(before[name], after[name]) == (name not in ("albedo", "light")), name
