"""Networks; no losses, no data.

`build(config)` makes the network that a configuration names. Keras is imported only when one is built.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from tfface.config import MODELS, ModelConfig

if TYPE_CHECKING:
    import keras


def build(config: ModelConfig) -> keras.Model:
    """The network from images `[B,S,S,3*views]` to maps `[B,R,R,C]` in network units, R = `config.map_size`; detail's
    inputs and outputs are its own (`tfface.models.networks.detail`).

    The last three channels are the answer; what stands before them is supervised in training only (`prn_res`,
    `dual_prn`).
    """
    if config.name in ("prn", "prn_res", "dual_prn", "rnet", "detail"):
        module = importlib.import_module(f"tfface.models.networks.{config.name}")
    else:
        from tfface.models.networks import mnv2_prn as module
    network: keras.Model = module.build(config)
    return network


def predictor(model: keras.Model, config: ModelConfig) -> keras.Model:
    """`model` as people use it: `{"position_map": [B,256,256,3]}` in pixels of a 256-pixel crop.

    R-Net's also gives `coefficients` `[B,N]` (`tfface.face.layout`); detail gives its two maps instead.
    """
    from tfface.models.networks import detail, rnet, served

    return {"detail": detail, "rnet": rnet}.get(config.name, served).predictor(model, config)


def input_shape(config: ModelConfig) -> tuple[int, int, int]:
    """What a network takes for one face, `[S,S,C]`."""
    from tfface.models.networks import detail

    channels = detail.INPUTS[config.space] if config.name == "detail" else 3 * config.views
    return config.image_size, config.image_size, channels


def count_parameters(name: str) -> int:
    """The number of parameters of the network `name` in its starting configuration."""
    return int(build(MODELS[name]).count_params())
