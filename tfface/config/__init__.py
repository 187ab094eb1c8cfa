"""The configuration of a training run.

The same dotted keys serve the command line (`--data.batch 32`), a YAML file (`data: {batch: 32}`) and code
(`override(config, {"data.batch": 32})`). `sections` says what can be set, `tree` reads, changes and writes it.
"""

from tfface.config.sections import (
    MODELS,
    AugmentConfig,
    Config,
    DataConfig,
    DetailConfig,
    LossConfig,
    ModelConfig,
    OptimConfig,
    RunConfig,
    SetsConfig,
    WeakConfig,
)
from tfface.config.tree import flatten, from_dict, load, override, read_yaml, save, to_dict, validated

__all__ = [
    "MODELS",
    "AugmentConfig",
    "Config",
    "DataConfig",
    "DetailConfig",
    "LossConfig",
    "ModelConfig",
    "OptimConfig",
    "RunConfig",
    "SetsConfig",
    "WeakConfig",
    "flatten",
    "from_dict",
    "load",
    "override",
    "read_yaml",
    "save",
    "to_dict",
    "validated",
]
