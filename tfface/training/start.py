"""The weights that training starts from: `run.init`, also where they are of a network that is a little different."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import keras
import numpy as np

from tfface import models, weights
from tfface.config import Config, ModelConfig, validated
from tfface.errors import UserError
from tfface.io.reading import reading
from tfface.models.networks.detail import without_lines
from tfface.models.weights import imagenet, presets
from tfface.models.weights.widen import NOISE, widen

SHARE_TRUNKS = ("rnet", "mnv2_prn", "mnv2_light", "mnv2_basis")


def start_from(model: keras.Model, config: Config) -> None:
    """Loads the weights that `run.init` names: a run's folder, a weights file, or a preset.

    A network of two views also starts from weights of one: it then gives what that one gave for the front picture, and
    learns from there what the side picture adds. `prn_res` also starts from a `prn` of the same configuration, detail
    with lines from the same without, networks on MobileNetV2 from narrower ones or those of another picture size, and
    from another one's trunk (`.npz`), R-Net's ResNet-50 from ImageNet's (Keras' `.h5`).
    """
    if not config.run.init:
        return
    path = weights.find(config.run.init).file()
    if config.model.name == "rnet" and imagenet.is_keras_file(path):
        imagenet.load_resnet50(model, path)
        return
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Skipping nested container")  # of a prn for a prn_res, which is seen to
            presets.load_weights(model, path)
    except UserError as misfit:
        if config.model.name == "prn_res":
            copy_part(model, dataclasses.replace(config.model, name="prn"), path)
        elif config.model.lines:
            copy_part(model, without_lines(config.model), path)
        elif not (copy_one_view(model, config, path) or copy_smaller(model, config, path)):
            if config.model.name not in SHARE_TRUNKS or path.suffix != ".npz":
                raise misfit
            presets.load_trunk(model, path)


def copy_one_view(target: keras.Model, config: Config, path: Path) -> bool:
    """Loads the weights of the same network with one view into one with two; False where they are not such."""
    if config.model.views != 2:
        return False
    single = models.build(dataclasses.replace(config.model, views=1))
    try:
        presets.load_weights(single, path)
    except UserError:
        return False
    copy_padded(single, target)
    return True


def copy_smaller(target: keras.Model, config: Config, path: Path) -> bool:
    """Loads the weights of the same network on a narrower trunk or for another picture size
    (`tfface.models.weights.widen`); False where they are not such."""
    theirs = presets.config_beside(path)
    if config.model.name not in SHARE_TRUNKS or theirs is None:
        return False
    ours, narrower = config.model, theirs.width < config.model.width
    if theirs.width > ours.width or (not narrower and theirs.image_size == ours.image_size):
        return False
    smaller = dataclasses.replace(ours, width=theirs.width, image_size=theirs.image_size)
    try:
        small = models.build(validated(dataclasses.replace(config, model=smaller)).model)
        presets.load_weights(small, path)
    except UserError:
        return False
    with reading(path, f"weights of a smaller {ours.name}", "begin with weights of the same width and picture size"):
        widen(small, target, noise=NOISE if narrower else 0.0)
    return True


def copy_part(target: keras.Model, part: ModelConfig, path: Path) -> None:
    """Loads the weights of a network that is a part of `target`, layer by layer."""
    network = models.build(part)
    presets.load_weights(network, path)
    for layer in network.layers:
        if layer.weights:
            target.get_layer(layer.name).set_weights(layer.get_weights())


def copy_padded(source: keras.Model, target: keras.Model) -> None:
    """Copies weights; where `target`'s kernel takes more input channels than `source`'s, the new ones start at zero."""
    for old, new in zip(source.weights, target.weights, strict=True):
        value = np.zeros(new.shape, np.float32)
        value[tuple(slice(size) for size in old.shape)] = np.asarray(old)
        new.assign(value)
