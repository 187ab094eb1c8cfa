"""The U-Net with two heads: shapes, where it begins, where it splits."""

from __future__ import annotations

from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from tfface import models
from tfface.config import Config, ModelConfig, override
from tfface.config.recipes import recipe
from tfface.errors import UserError
from tfface.models.networks.detail import without_lines
from tfface.models.weights import presets
from tfface.training.start import start_from


def small(space: str) -> ModelConfig:
    changes = {"model": "detail", "model.space": space, "model.width": 0.125, "model.image_size": 64}
    return override(Config(), changes).model


@pytest.mark.parametrize(("space", "inputs", "outputs"), [("uv", 12, 4), ("picture", 6, 6)])
def test_it_begins_as_the_base_and_says_maps_of_its_inputs_size(space: str, inputs: int, outputs: int) -> None:
    config = small(space)
    model = models.build(config)
    assert models.input_shape(config) == (64, 64, inputs)
    shown = np.random.default_rng(0).random((2, 64, 64, inputs), np.float32)
    answer = np.asarray(model(shown))
    assert answer.shape == (2, 64, 64, outputs) and not answer.any()
    answers = models.predictor(model, config)(shown)
    known = {"uv": {"albedo": (2, 64, 64, 3), "displacement": (2, 64, 64)}}.get(
        space, {"albedo": (2, 64, 64, 3), "shape": (2, 64, 64, 3)}
    )
    assert {name: tuple(answer.shape) for name, answer in answers.items()} == known


def test_heads_split_after_the_second_up_sampling() -> None:
    model = models.build(small("uv"))
    larger = [layer.name for layer in model.layers if isinstance(layer, keras.layers.UpSampling2D)]
    assert sorted(larger) == sorted(
        ["up3_larger", "up2_larger"] + [f"{h}{n}_larger" for h in ("albedo", "displacement") for n in (1, 0)]
    )
    first, second = (model.get_layer(f"{head}1_larger").input for head in ("albedo", "displacement"))
    assert first is second


def test_the_recipe_is_the_published_configuration() -> None:
    config = override(Config(), recipe("augmented_branch"))
    assert config.model.space == "picture" and models.input_shape(config.model) == (224, 224, 6)
    assert (config.weak.photometric, config.weak.landmarks, config.weak.identity) == (1.0, 1.0, 20.0)
    assert (config.detail.small, config.detail.symmetry) == (1e-4, 1e-4)
    assert (config.detail.smooth_shape, config.detail.smooth_albedo) == (0.08, 0.1)


def test_two_views_are_refused() -> None:
    with pytest.raises(UserError, match=r"model\.views"):
        override(Config(), {"model": "detail", "model.views": 2})


LINED = {"model": "detail", "model.width": 0.125, "model.image_size": 128, "model.map_size": 128, "model.lines": True}


def test_with_lines_it_begins_as_the_network_without_them_and_lines_follow_contrasts(tmp_path: Path) -> None:
    config = override(Config(), {**LINED, "run.init": str(tmp_path / "weights.npz")})
    part = without_lines(config.model)
    keras.utils.set_random_seed(0)
    plain, lined, rng = models.build(part), models.build(config.model), np.random.default_rng(0)
    for weight in plain.trainable_weights:
        weight.assign(weight + rng.normal(0, 0.02, weight.shape))
    presets.save(plain, part, tmp_path, {})
    start_from(lined, config)
    shown = rng.random((2, 128, 128, 12), np.float32)
    before = np.asarray(lined(shown))
    small = np.asarray(plain(shown.reshape(2, 64, 2, 64, 2, 12).mean((2, 4))))
    middle = before.reshape(2, 64, 2, 64, 2, 4).mean((2, 4))
    assert before.shape == (2, 128, 128, 4) and np.abs(small).max() > 0.01
    assert np.corrcoef(middle.ravel(), small.ravel())[0, 1] > 0.9
    lined.get_layer("lines_out").kernel.assign(rng.normal(0, 0.1, lined.get_layer("lines_out").kernel.shape))
    after = np.asarray(lined(shown))
    np.testing.assert_array_equal(after[..., :3], before[..., :3], err_msg="lines are of the surface alone")
    line = after[..., 3] - before[..., 3]
    assert np.abs(line).mean() > 1e-3
    assert np.abs(cv2.GaussianBlur(line[0], (0, 0), 12)).mean() < 0.05 * np.abs(line).mean(), "nothing wider than lines"


def test_lines_are_of_detail_in_the_chart_and_need_its_whole_size() -> None:
    with pytest.raises(UserError, match=r"model\.lines: only detail"):
        override(Config(), {"model.lines": True})
    with pytest.raises(UserError, match=r"model\.image_size.*64"):
        override(Config(), {**LINED, "model.image_size": 96})
