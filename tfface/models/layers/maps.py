"""Position maps in pixels and in network units: the only place that scales one into the other.

A position map holds u, v and depth z in pixels of a 256-pixel crop. `sigmoid` networks see it divided by
1.1 * 256 = 281.6, so that points a little outside the crop can still be said (PRNet); `tanh` networks see the
same range [0, 281.6] stretched over [-1, 1]; `linear` networks see the crop as [-1, 1] and may leave it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import keras
import numpy as np
from keras import ops

from tfface.geometry.align import CROP_SIZE
from tfface.geometry.ibug68 import MIRRORED
from tfface.models.layers.float32 import Float32Layer

FULL_SCALE_PX = 1.1 * CROP_SIZE
"""The largest coordinate, in pixels, that a network can say."""


_SCALE_AND_SHIFT = {
    "sigmoid": (1.0 / FULL_SCALE_PX, 0.0),
    "tanh": (2.0 / FULL_SCALE_PX, -1.0),
    "linear": (2.0 / CROP_SIZE, -1.0),
}


def to_units(pixels: Any, output: str) -> Any:
    """A map in pixels `[..., 3]` in the network units of a `sigmoid`, `tanh` or `linear` output."""
    scale, shift = _SCALE_AND_SHIFT[output]
    return pixels * scale + shift


def to_pixels(units: Any, output: str) -> Any:
    """The inverse of `to_units`."""
    scale, shift = _SCALE_AND_SHIFT[output]
    return (units - shift) / scale


def pixels_per_unit(output: str) -> float:
    """How many pixels of the 256-pixel crop one network unit is."""
    return 1.0 / _SCALE_AND_SHIFT[output][0]


def last_map(units: Any) -> Any:
    """The answer `[B,R,R,3]` among the maps `[B,R,R,C]` that a network gives."""
    return units if units.shape[-1] == 3 else units[..., -3:]


def mirrored(pixels: Any) -> Any:
    """The map `[B,R,R,3]` in pixels of the mirrored crop: the UV chart is symmetric, so columns swap and u turns."""
    sign, shift = np.array([[-1, 1, 1], [CROP_SIZE, 0, 0]], np.float32)
    return ops.add(ops.multiply(flipped(pixels), sign), shift)


def flipped(x: Any) -> Any:
    """`x` `[B,H,W,C]` from right to left, as a gather: what flips costs more in exports."""
    return ops.take(x, np.arange(x.shape[2])[::-1].astype(np.int32), axis=2)


def averaged_with_mirror(
    images: Any, answers: dict[str, Any], mirrors: dict[str, Callable[[Any], Any]], joined: Collection[str] = ()
) -> tuple[Any, dict[str, Any]]:
    """New images, and the mean of a network's answers for them and for their mirror images, brought back.

    Args:
        images, answers: of the network as it is.
        mirrors: what brings back an answer; `[B,68]` of landmarks need none.
        joined: names of answers `[B,N,...]` that are not averaged but follow each other: `[B,2N,...]`.
    """
    once = keras.Model(images, answers)
    images = keras.Input(images.shape[1:], name="images")
    both = once(ops.concatenate([images, flipped(images)], axis=0))  # one batch: half the operations
    averaged = {}
    for name, answer in both.items():
        here, there = ops.unstack(ops.reshape(answer, (2, -1, *answer.shape[1:])), 2)
        back = mirrors.get(name, lambda x: ops.take(x, MIRRORED, axis=1))(there)
        averaged[name] = ops.concatenate([here, back], axis=1) if name in joined else (here + back) / 2
    return images, averaged


class UnitsLayer(Float32Layer):
    """A layer of maps in the network units of an output (`sigmoid`, `tanh` or `linear`)."""

    def __init__(self, output: str, **options: Any) -> None:
        super().__init__(**options)
        self.units = output

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "output": self.units}


@keras.saving.register_keras_serializable(package="tfface")
class ToPixels(Float32Layer):
    """Network units to pixels of a 256-pixel crop, float32."""

    def __init__(self, output_units: str = "sigmoid", **options: Any) -> None:
        super().__init__(**options)
        self.output_units = output_units

    def call(self, units: Any) -> Any:
        return to_pixels(ops.cast(units, "float32"), self.output_units)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "output_units": self.output_units}
