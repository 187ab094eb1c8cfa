"""Networks, one file an architecture; no I/O, no losses.

`build(config)` makes the network that a configuration names. Keras is imported only when one is built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfface.config import MODELS, ModelConfig

if TYPE_CHECKING:
    import keras


def available() -> list[str]:
    """The names of the networks."""
    return list(MODELS)


def build(config: ModelConfig) -> keras.Model:
    """The network from images `[B,S,S,3*views]` to a map `[B,R,R,3]` in network units, R = `config.map_size`."""
    from tfface.models import mnv2_prn

    return mnv2_prn.build(config)


def predictor(model: keras.Model, config: ModelConfig) -> keras.Model:
    """`model` as people use it: `{"position_map": [B,256,256,3]}` in pixels of a 256-pixel crop."""
    from tfface.models import mnv2_prn

    return mnv2_prn.predictor(model, config)


def count_parameters(name: str) -> int:
    """The number of parameters of the network `name` in its starting configuration."""
    return int(build(MODELS[name]).count_params())
