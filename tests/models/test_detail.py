"""The U-Net with two heads: shapes, where it begins, where it splits."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfface import models
from tfface.config import Config, ModelConfig, override
from tfface.config.recipes import recipe
from tfface.errors import UserError


def small(space: str) -> ModelConfig:
    changes = {"model": "detail", "model.space": space, "model.width": 0.125, "model.image_size": 64}
    return override(Config(), changes).model


@pytest.mark.parametrize(("space", "inputs", "outputs"), [("uv", 12, 4), ("picture", 6, 6)])
def test_it_begins_as_the_base_and_says_maps_of_its_inputs_size(space: str, inputs: int, outputs: int) -> None:
    config = small(space)
    model = models.build(config)
    assert models.input_shape(config) == (64, 64, inputs)
    shown = np.random.default_rng(0).random((2, 64, 64, inputs), np.float32)
    said = np.asarray(model(shown))
    assert said.shape == (2, 64, 64, outputs) and not said.any()
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
