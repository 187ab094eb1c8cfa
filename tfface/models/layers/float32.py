"""Layers that calculate in 32 bits: 16 know a 256-pixel coordinate to an eighth of a pixel only."""

from __future__ import annotations

from typing import Any

import keras


class Float32Layer(keras.layers.Layer):
    """A layer in float32, whatever the policy is or a file of it says."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})
