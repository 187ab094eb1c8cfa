"""One harness for every network: parameters, shapes, units, precision, SavedModel, presets."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.few_layers import few_layers, two_layers
from tfface import models, weights
from tfface.config import MODELS, Config, ModelConfig, override
from tfface.errors import UserError
from tfface.face.mean_map import SHAPE_UNIT_MM
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry.camera import Camera
from tfface.geometry.rotation import euler_to_matrix
from tfface.models.exports.folder import write_export as write_saved_model
from tfface.models.layers import blocks, maps
from tfface.models.networks import dual_prn, mnv2_prn, prn_res
from tfface.models.weights import presets

SMALL = {
    **{"width": 0.1, "decoder_width": 0.1, "image_size": 32, "map_size": 32, "features": 8, "components": 8},
    "trunk": "mobilenet_v2",  # R-Net's; its other one is tested in test_coefficients.py
}
FAMILY = ("mnv2_prn", "mnv2_light", "mnv2_basis", "prn", "prn_res", "dual_prn", "rnet")
TINY = {name: override(Config(), {"model": {"name": name, **SMALL}}).model for name in FAMILY}
TINY["rnet_points"] = override(Config(model=TINY["rnet"]), {"model.points": 70}).model
CHANNELS = {"prn_res": 6, "dual_prn": 10, "rnet_points": 12}
"""Of what a network gives; 3 where it is not named. The last three are the answer."""


def small(config: ModelConfig) -> keras.Model:
    """The network of few layers."""
    with few_layers():
        return models.build(config)


@cache
def built(name: str) -> keras.Model:
    """The tiny network of this name; tests do not change it."""
    return small(TINY[name])


def images(config: ModelConfig, count: int = 2) -> np.ndarray:
    shape = (count, config.image_size, config.image_size, 3 * config.views)
    return np.random.default_rng(0).uniform(size=shape).astype(np.float32)


def test_mnv2_prn_is_the_network_of_lium2020() -> None:
    assert models.count_parameters("mnv2_prn") == 11_791_273
    one_view = models.build(override(Config(), {"model.views": 1}).model)
    assert one_view.count_params() == 11_790_409
    assert one_view.output_shape == (None, 256, 256, 3)
    assert sum(int(np.prod(v.shape)) for v in one_view.trainable_variables) == 11_758_633 - 864


def test_mnv2_prn_begins_with_a_signal_in_all_three_coordinates() -> None:
    config = override(Config(), {"model.views": 1, "model.image_size": 64, "model.map_size": 64}).model
    keras.utils.set_random_seed(0)
    model = models.build(config)
    steps = keras.Model(model.input, [model.get_layer(f"up{n}_relu").output for n in (15, 16)] + [model.output])
    first, second, units = (np.asarray(x) for x in steps(images(config), training=True))
    assert (np.abs(units[0] - units[1]).mean((0, 1)) > 1e-3).all()  # 4e-6 with Keras' own first weights
    for passed in (first, second):
        assert ((passed > 0).mean((0, 1, 2)) > 0.9).all()  # a channel that ReLU shuts stays shut


@pytest.mark.parametrize(
    ("name", "views", "parameters", "trainable"),
    [
        ("prn", 1, 13_365_508, 13_353_618),
        ("prn", 2, 13_366_276, 13_354_386),
        ("prn_res", 1, 13_365_508 + 742_851, 13_353_618 + 742_851),
    ],
)
def test_prn_and_its_refiner_have_the_published_parameters(
    name: str, views: int, parameters: int, trainable: int
) -> None:
    config = override(Config(model=MODELS[name]), {"model.views": views}).model
    model = models.build(config)
    assert model.count_params() == parameters
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == trainable
    assert config.output == ("tanh" if name == "prn_res" else "sigmoid")
    assert not any(v.path.endswith("bias") for v in model.trainable_variables if not v.path.startswith("refine"))


def test_every_network_of_maps_is_in_the_harness() -> None:
    assert set(FAMILY) <= set(MODELS)


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("views", [1, 2])
def test_forward(name: str, views: int) -> None:
    config = override(Config(model=TINY[name]), {"model.views": views}).model
    model = built(name) if config == TINY[name] else small(config)
    units = model(images(config))
    assert (
        units.shape == (2, 32, 32, CHANNELS.get(name, 3)) and keras.backend.standardize_dtype(units.dtype) == "float32"
    )
    assert model.get_config()["name"] == config.name
    pixels = models.predictor(model, config)(images(config))["position_map"]
    assert pixels.shape == (2, 256, 256, 3)
    corner = maps.to_pixels(keras.ops.convert_to_numpy(units)[:, -1, -1, -3:], config.output)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(pixels)[:, -1, -1], corner, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", TINY)
def test_config_round_trip_gives_the_same_network(name: str) -> None:
    model = built(name)
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(images(TINY[name])), model(images(TINY[name])))


@pytest.mark.parametrize(
    ("policy", "names"), [("mixed_float16", TINY), ("mixed_bfloat16", ("mnv2_light", "rnet_points"))]
)
def test_mixed_precision_gives_a_float32_map(policy: str, names: Iterable[str]) -> None:
    for name in names:
        config, model = TINY[name], built(name)
        keras.config.set_dtype_policy(policy)
        try:
            mixed = small(config)
        finally:
            keras.config.set_dtype_policy("float32")
        mixed.set_weights(model.get_weights())
        assert mixed.get_layer("stem_conv").compute_dtype == policy.removeprefix("mixed_")
        wide, narrow = model(images(config)), mixed(images(config))
        assert keras.backend.standardize_dtype(narrow.dtype) == "float32", name
        # The fused map of an untrained dual_prn fits a face to noise: any difference turns it round.
        compared = slice(0, 7) if name == "dual_prn" else slice(None)
        np.testing.assert_allclose(narrow[..., compared], wide[..., compared], atol=0.05, err_msg=name)


def test_skips_width_and_sizes() -> None:
    light = override(
        Config(model=TINY["mnv2_light"]), {"model.image_size": 64, "model.map_size": 64, "model.skips": True}
    )
    model = small(light.model)
    assert model.output_shape == (None, 64, 64, 3)
    assert {"up1_skip", "up2_skip", "up3_skip", "up4_skip"} <= {layer.name for layer in model.layers}
    wider = small(override(light, {"model.width": 0.5}).model)
    assert wider.count_params() > 1.5 * model.count_params()
    resized = small(override(Config(model=TINY["mnv2_prn"]), {"model.map_size": 48}).model)
    assert resized.output_shape == (None, 48, 48, 3)


def test_a_refiner_that_changes_nothing_gives_the_brief_map_however_often() -> None:
    config = dataclasses.replace(TINY["prn_res"], refinements=3)
    model = small(config)
    assert model.count_params() == built("prn_res").count_params()
    brief, *refined = np.split(np.asarray(model(images(config))), 4, axis=-1)
    for stage in refined:
        np.testing.assert_allclose(stage, brief, atol=1e-5)
    bias = model.get_layer(prn_res.REFINER).get_layer("refine_out").bias
    bias.assign(np.full(3, 0.1))
    brief, *refined = np.split(np.asarray(model(images(config))), 4, axis=-1)
    for number, stage in enumerate(refined, start=1):
        np.testing.assert_allclose(stage, np.tanh(np.arctanh(brief) + 0.1 * number), atol=1e-4)


@pytest.mark.parametrize("output", ["sigmoid", "tanh", "linear"])
def test_unsquashed_undoes_the_activation(output: str) -> None:
    before = np.linspace(-3, 3, 13, dtype=np.float32)
    squashed = keras.activations.get(output)(keras.ops.convert_to_tensor(before))
    np.testing.assert_allclose(prn_res.Unsquashed(output)(squashed), before, atol=1e-3)


def test_a_hidden_half_follows_the_seen_half() -> None:
    """The fused map is the shape, placed where the visible texels of the posed map say."""
    size, rng = 32, np.random.default_rng(0)
    face = load_open_face()
    camera = Camera(euler_to_matrix(0.6, 0.2, -0.4), np.inf, np.inf, np.array([120.0, 131.0]), face.centre)
    vertices = face.face(2).vertices(face.cage(rng.normal(0, 1, 150)))
    truth = PositionMap(face, size).from_vertices(vertices - face.centre) * [1, -1, 1]
    rotation = np.diag([1, -1, 1]) @ camera.rotation @ np.diag([1, -1, 1])
    posed = (0.8 * truth @ rotation.T + [120, 131, 40]).astype(np.float32)
    torn = posed.copy()
    torn[:, : size // 2] += rng.normal(0, 30, (size, size // 2, 3))
    visible = np.zeros((1, size, size, 1), np.float32)
    visible[:, :, size // 2 :] = 1
    shape = (truth / SHAPE_UNIT_MM).astype(np.float32)
    fused = dual_prn.FuseMaps(size)([torn[None], shape[None], visible])
    np.testing.assert_allclose(fused[0], posed, atol=0.5)
    assert np.abs(torn - posed).max() > 50


def test_resize_map_is_linear_interpolation_between_corners() -> None:
    columns, rows = np.meshgrid(np.linspace(0, 1, 9), np.linspace(0, 1, 9))
    plane = np.stack([2 * columns + rows, 5 - columns, rows], -1)[None].astype(np.float32)
    columns, rows = np.meshgrid(np.linspace(0, 1, 31), np.linspace(0, 1, 31))
    larger = np.stack([2 * columns + rows, 5 - columns, rows], -1)[None]
    np.testing.assert_allclose(blocks.ResizeMap(31)(plane), larger, atol=1e-5)
    random = np.random.default_rng(0).normal(size=(2, 5, 5, 3)).astype(np.float32)
    twice = keras.ops.convert_to_numpy(blocks.ResizeMap(9)(random))
    np.testing.assert_allclose(twice[:, ::2, ::2], random, atol=1e-6)
    np.testing.assert_allclose(twice[:, 1::2, ::2], (random[:, 1:] + random[:, :-1]) / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("output", "of_zero", "of_crop"), [("sigmoid", 0, 1 / 1.1), ("tanh", -1, 2 / 1.1 - 1), ("linear", -1, 1)]
)
def test_units(output: str, of_zero: float, of_crop: float) -> None:
    pixels = np.array([[0.0, 256.0, 100.0]])
    units = maps.to_units(pixels, output)
    np.testing.assert_allclose(units[0, :2], [of_zero, of_crop], atol=1e-12)
    np.testing.assert_allclose(maps.to_pixels(units, output), pixels, atol=1e-9)
    assert maps.pixels_per_unit(output) == pytest.approx(156 / (units[0, 1] - units[0, 2]))


def test_mirror_average_says_of_a_mirrored_picture_the_mirrored_map() -> None:
    config = dataclasses.replace(TINY["mnv2_light"], mirror_average=True)
    predict = models.predictor(small(config), config)
    picture = images(config, 2)
    first = np.asarray(predict(picture)["position_map"])
    second = np.asarray(predict(picture[:, :, ::-1])["position_map"])[:, :, ::-1]
    np.testing.assert_allclose(second * [-1, 1, 1] + [256, 0, 0], first, atol=1e-2)
    once = models.predictor(built("mnv2_light"), TINY["mnv2_light"])
    assert len(predict.outputs) == len(once.outputs) and predict.count_params() == once.count_params()


NIGHTLY = ("prn", "mnv2_prn")
"""Networks whose every kind of layer others have (prn_res, mnv2_light), which are exported whenever tests run."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.nightly) if n in NIGHTLY else n for n in FAMILY])
def test_saved_model_gives_the_same_numbers(name: str, tmp_path: Path) -> None:
    import tensorflow as tf

    config, model = TINY[name], built(name)
    folder = write_saved_model(model, config, tmp_path / "export", {"commit": "abc"})
    expected = keras.ops.convert_to_numpy(models.predictor(model, config)(images(config, 3))["position_map"])
    loaded = tf.saved_model.load(str(folder))
    for count in (1, 3):
        got = loaded.serve(tf.constant(images(config, 3)[:count]))["position_map"].numpy()
        np.testing.assert_allclose(got, expected[:count], rtol=1e-4, atol=1e-3)
    info = json.loads((folder / "tfface.json").read_text())
    assert info["parameters"] == model.count_params() and info["commit"] == "abc" and info["image_size"] == 32
    assert info["views"] == config.views and info["face_model"]["checksum"]


def test_an_export_replaces_an_export_and_nothing_else(tmp_path: Path) -> None:
    config = TINY["mnv2_light"]
    folder = write_saved_model(two_layers(config), config, tmp_path / "export", {"commit": "a"})
    write_saved_model(two_layers(config), config, folder, {"commit": "b"})
    assert json.loads((folder / "tfface.json").read_text())["commit"] == "b"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="mine"):
        write_saved_model(two_layers(config), config, tmp_path / "mine", {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export", "mine"]


def test_preset_round_trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    monkeypatch.setattr(presets, "PRESETS", tmp_path / "presets")
    monkeypatch.setenv("TFFACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(models, "build", two_layers)
    config = TINY["mnv2_light"]
    model = models.build(config)
    presets.save(model, config, presets.PRESETS / "small", {"commit": "abc", "limits": "tiny"})
    assert presets.available() == ["small"] and presets.card("small")["limits"] == "tiny"
    loaded, its_config = presets.load("small")
    assert its_config == config
    np.testing.assert_allclose(loaded(images(config)), model(images(config)), atol=2e-3)
    folder = weights.find("small").saved_model()
    saved = tf.saved_model.load(str(folder))
    served = saved.serve(images(config))["position_map"].numpy()
    expected = keras.ops.convert_to_numpy(models.predictor(loaded, config)(images(config))["position_map"])
    np.testing.assert_allclose(served, expected, rtol=1e-4, atol=1e-3)
    before = (folder / "saved_model.pb").stat().st_mtime_ns
    assert weights.find("small").saved_model() == folder and (folder / "saved_model.pb").stat().st_mtime_ns == before
    presets.save(models.build(config), config, presets.PRESETS / "small", {})
    assert weights.find("small").saved_model() != folder
    with pytest.raises(UserError, match="'small'"):
        presets.folder("smal")
    with pytest.raises(UserError, match="does not fit"):
        presets.load_weights(mnv2_prn.build(TINY["mnv2_light"]), presets.PRESETS / "small" / "weights.npz")
