"""Python runs this at its start where this folder is on PYTHONPATH: every network is then one that compiles at once,
and every epoch lasts TFFACE_TOY_PAUSE seconds longer, so that there is time to kill something. With TFFACE_TOY_TRUNK
networks are the real ones, but MobileNetV2 has one block for each of its stages.

Workers of Ray are processes of their own, which a test cannot patch; the environment reaches them.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


class _Finder(MetaPathFinder):
    """Finds the modules of `PATCHES` as usual, and changes them after they were run."""

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in PATCHES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, PATCHES[name])
        return spec


class _Loader(Loader):
    def __init__(self, usual: Loader, patch: Callable[[Any], None]) -> None:
        self.usual, self.patch = usual, patch

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.usual.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.usual.exec_module(module)
        self.patch(module)


def _build(config: Any) -> Any:
    """A convolution and a dense layer, in the units that the configuration says."""
    import keras

    images = keras.Input((config.image_size, config.image_size, 3 * config.views), name="images")
    x = keras.layers.Conv2D(8, 4, 4, activation="relu", name="first")(images)
    x = keras.layers.Flatten(name="flat")(keras.layers.BatchNormalization(name="normal")(x))
    x = keras.layers.Dense(config.map_size**2 * 3, activation=config.output, name="second")(x)
    return keras.Model(images, keras.layers.Reshape((config.map_size, config.map_size, 3))(x), name=config.name)


def _small(models: Any) -> None:
    models.build = _build


def _slow(callbacks: Any) -> None:
    begin = callbacks.KeepState.on_epoch_begin

    def wait_and_begin(self: Any, epoch: int, logs: Any = None) -> None:
        time.sleep(float(os.environ.get("TFFACE_TOY_PAUSE", "0")))
        begin(self, epoch, logs)

    callbacks.KeepState.on_epoch_begin = wait_and_begin


def _short(blocks: Any) -> None:
    blocks.INVERTED_RESIDUALS = [(*stage[:2], 1, stage[3]) for stage in blocks.INVERTED_RESIDUALS]


PATCHES: dict[str, Callable[[Any], None]] = {"tfface.models": _small, "tfface.training.callbacks": _slow}
if os.environ.get("TFFACE_TOY_TRUNK"):
    PATCHES = {"tfface.models.layers.blocks": _short}
sys.meta_path.insert(0, _Finder())
