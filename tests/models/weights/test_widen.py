"""Widened networks answer as the narrow ones do."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from tfface import models
from tfface.config import Config, override
from tfface.errors import UserError
from tfface.models.weights import presets
from tfface.models.weights.widen import widen
from tfface.training.start import start_from

SMALL = {"model.image_size": 64, "model.map_size": 16, "model.views": 1, "model.features": 48, "model.output": "linear"}
NETWORKS = {
    "basis": {"model.name": "mnv2_basis", "model.components": 12},
    "points": {"model.name": "mnv2_basis", "model.components": 12, "model.points": 70},
    "light": {"model.name": "mnv2_light"},
    "rnet": {"model.name": "rnet", "model.trunk": "mobilenet_v2", "model.points": 70, "model.camera": "framed"},
}


def _network(name: str, width: float) -> keras.Model:
    return models.build(override(Config(), {**SMALL, **NETWORKS[name], "model.width": width}).model)


def _answers(model: keras.Model) -> list[np.ndarray]:
    pictures = np.random.default_rng(0).random((2, *model.input_shape[1:]), np.float32)
    outputs = model(pictures, training=False)
    return [np.asarray(each) for each in (outputs.values() if isinstance(outputs, dict) else [outputs])]


@pytest.mark.parametrize("name", list(NETWORKS))
def test_a_wider_network_answers_alike(name: str) -> None:
    narrow, wide = _network(name, 0.35), _network(name, 0.8)
    rng = np.random.default_rng(1)
    for weight in narrow.trainable_weights:  # heads begin at zero, which would hide what lies before them
        weight.assign(weight + rng.normal(0, 0.02, weight.shape))
    assert wide.count_params() > 1.5 * narrow.count_params()
    widen(narrow, wide, noise=0.0)
    for mine, other in zip(_answers(wide), _answers(narrow), strict=True):
        assert np.ptp(other) > 1e-3
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-3 * float(np.abs(other).max()))
    widen(narrow, wide)
    kernel = np.asarray(wide.get_layer("stem_conv").kernel)
    copies = kernel[..., 0], kernel[..., np.asarray(narrow.get_layer("stem_conv").kernel).shape[-1]]
    assert 0.01 < np.abs(copies[0] - copies[1]).max() / np.abs(kernel).max() < 1.0, "copies can part"


def test_training_starts_from_a_narrower_preset(tmp_path: Path) -> None:
    narrow, config = _network("light", 0.35), override(Config(), {**SMALL, **NETWORKS["light"], "model.width": 0.35})
    presets.save(narrow, config.model, tmp_path, {})
    wider = override(config, {"model.width": 0.8, "run.init": str(tmp_path / "weights.npz")})
    wide = models.build(wider.model)
    start_from(wide, wider)
    old, new = (np.asarray(model.get_layer("stage1_0_project_bn").gamma) for model in (narrow, wide))
    np.testing.assert_allclose(new[: len(old)], old, rtol=1e-3)
    other = override(wider, {"model.features": 64})
    with pytest.raises(UserError):
        start_from(models.build(other.model), override(other, {"run.init": str(tmp_path / "preset.yaml")}))


def test_training_starts_from_a_preset_for_smaller_pictures(tmp_path: Path) -> None:
    config = override(Config(), {**SMALL, **NETWORKS["points"], "model.width": 0.35})
    small = models.build(config.model)
    rows = np.linspace(-1, 1, 2, dtype=np.float32)[:, None, None, None]  # from above to below
    small.get_layer("whole_depthwise").kernel.assign(
        np.broadcast_to(1 + rows, small.get_layer("whole_depthwise").kernel.shape)
    )
    presets.save(small, config.model, tmp_path, {})
    larger = override(config, {"model.image_size": 96, "run.init": str(tmp_path / "weights.npz")})
    large = models.build(larger.model)
    start_from(large, larger)
    for weight, old in zip(large.weights, small.weights, strict=True):
        new, old = np.asarray(weight), np.asarray(old)
        if new.shape == old.shape:
            np.testing.assert_allclose(new, old, rtol=2e-3, atol=1e-4, err_msg=weight.path)
    kernel = np.asarray(large.get_layer("whole_depthwise").kernel)[..., 0, 0]
    assert kernel.shape == (3, 3)
    np.testing.assert_allclose(kernel.sum(), 4.0, rtol=1e-3, err_msg="a constant feature counts as before")
    assert (np.diff(kernel.mean(1)) > 0.3).all() and np.ptp(kernel, axis=1).max() < 0.2, (
        "it still tells above from below"
    )


def test_other_networks_are_refused() -> None:
    with pytest.raises(ValueError):
        widen(_network("light", 0.35), _network("basis", 0.5))
