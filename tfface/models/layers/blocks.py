"""Building blocks of the networks, in Keras layers and `keras.ops` alone (any Keras backend runs them).

Encoder: MobileNetV2's inverted residual (expand 1x1, depthwise 3x3, project 1x1; Sandler et al. 2018), every
convolution with bias and batch normalisation, ReLU6. Decoders: PRNet's 4x4 transposed convolution, and a cheap one
(bilinear upsampling and a depthwise-separable convolution). All maps are `[B, height, width, channels]`.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from tfface.models.layers.float32 import Float32Layer
from tfface.models.layers.normalisation import BatchNormalization

INVERTED_RESIDUALS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""MobileNetV2's table 2: expansion, channels, repeats, stride of the first repeat."""
BN_MOMENTUM = 0.97
"""Of batch normalisation's running statistics. They start at a variance of 1 where the truth is a thousandth; with
Keras' 0.99 the first thousand steps validate with what is left of that 1."""


def scaled(channels: int, width: float, multiple: int = 8) -> int:
    """`channels * width`, rounded to a multiple of 8 as MobileNetV2 does (never below 8, never 10 % less)."""
    wanted = channels * width
    rounded = max(multiple, int(wanted + multiple / 2) // multiple * multiple)
    return rounded + multiple if rounded < 0.9 * wanted else rounded


def conv_bn(x: Any, channels: int, kernel: int, stride: int = 1, name: str = "", activate: bool = True) -> Any:
    """Convolution with bias, batch normalisation and (by default) ReLU6."""
    x = layers.Conv2D(channels, kernel, stride, padding="same", name=f"{name}_conv")(x)
    return _normalised(x, name, activate)


def depthwise_bn(x: Any, stride: int = 1, name: str = "") -> Any:
    """Depthwise 3x3 convolution with bias, batch normalisation and ReLU6."""
    x = layers.DepthwiseConv2D(3, stride, padding="same", name=f"{name}_depthwise")(x)
    return _normalised(x, f"{name}_depthwise", activate=True)


def _normalised(x: Any, name: str, activate: bool) -> Any:
    x = BatchNormalization(momentum=BN_MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if activate else x


def inverted_residual(x: Any, expansion: int, channels: int, stride: int, residual: bool, name: str) -> Any:
    """One inverted residual block; `residual` adds the input where shapes allow (repeats of a stage)."""
    y = conv_bn(x, expansion * x.shape[-1], 1, name=f"{name}_expand")
    y = depthwise_bn(y, stride, name=name)
    y = conv_bn(y, channels, 1, name=f"{name}_project", activate=False)
    return layers.Add(name=f"{name}_add")([x, y]) if residual else y


def mobilenet_v2(x: Any, width: float, last: int = 512) -> tuple[Any, list[Any]]:
    """The encoder: features `[B, S/32, S/32, last]` and the deepest features of strides 2, 4, 8 and 16."""
    x = conv_bn(x, scaled(32, width), 3, 2, name="stem")
    skips = []
    for stage, (expansion, channels, repeats, stride) in enumerate(INVERTED_RESIDUALS, start=1):
        if stride == 2:
            skips.append(x)
        for repeat in range(repeats):
            x = inverted_residual(
                x,
                expansion,
                scaled(channels, width),
                stride if repeat == 0 else 1,
                repeat > 0,
                f"stage{stage}_{repeat}",
            )
    return conv_bn(x, last, 1, name="head"), skips


def transposed(x: Any, channels: int, stride: int, name: str) -> Any:
    """PRNet's decoder step as Lium 2020 has it: 4x4 transposed convolution with bias, no batch normalisation.

    Nothing but first weights keeps the signal's size here. They are He's (2015) for the 16 / stride^2 taps that a pixel
    has; with Keras' own, what distinguishes two pictures is 4e-6 after 17 steps.
    """
    first = keras.initializers.VarianceScaling(2 * stride**2, "fan_out", "untruncated_normal")
    x = layers.Conv2DTranspose(channels, 4, stride, padding="same", kernel_initializer=first, name=name)(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)


COORDINATES_START = {"relu": (1.0, 0.2), "sigmoid": (8.0, -4.0), "tanh": (4.0, -2.0), "linear": (2.0, -1.0)}
"""Factor and bias that `transposed_coordinates` begins with: coordinates stand about .5 between its steps, and 0 to 1
there is the crop."""


def transposed_coordinates(x: Any, name: str, activation: str) -> Any:
    """`transposed` to the map's three coordinates. It begins with its first three inputs as they are.

    With random weights ReLU shuts one or two of three channels within a hundred steps, and those coordinates are lost.
    """
    factor, bias = COORDINATES_START[activation]
    first = {"kernel_initializer": PassedOn(factor), "bias_initializer": keras.initializers.Constant(bias)}
    # In float32 whatever the policy is: a 16-bit float knows a 256-pixel coordinate to an eighth of a pixel only.
    dtype = None if activation == "relu" else "float32"
    x = layers.Conv2DTranspose(3, 4, padding="same", dtype=dtype, name=name, **first)(x)
    return layers.Activation(activation, dtype=dtype, name=f"{name}_{activation}")(x)


@keras.saving.register_keras_serializable("tfface")
class PassedOn(keras.initializers.Initializer):
    """The kernel `[4,4,out,in]` of a transposed convolution of stride 1 that gives its first inputs, times `factor`."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        kernel = np.zeros(shape, np.float32)
        kernel[1, 1] = self.factor * np.eye(shape[2], shape[3])
        return ops.convert_to_tensor(kernel, dtype=dtype)

    def get_config(self) -> dict[str, float]:
        return {"factor": self.factor}


def plain_conv_bn(x: Any, channels: int, kernel: int, stride: int, name: str) -> Any:
    """PRNet's convolution: no bias, batch normalisation, ReLU."""
    x = layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return _bn_relu(x, name)


def bottleneck(x: Any, channels: int, stride: int, name: str) -> Any:
    """PRNet's residual block: 1x1 to half the channels, 4x4 with the stride, 1x1; normalised after the sum.

    The input is added as it is, or through a 1x1 convolution where shapes change.
    """
    shortcut = x
    if stride > 1 or x.shape[-1] != channels:
        shortcut = layers.Conv2D(channels, 1, stride, padding="same", use_bias=False, name=f"{name}_shortcut")(x)
    y = plain_conv_bn(x, channels // 2, 1, 1, f"{name}_in")
    y = plain_conv_bn(y, channels // 2, 4, stride, f"{name}_mid")
    y = layers.Conv2D(channels, 1, padding="same", use_bias=False, name=f"{name}_out_conv")(y)
    return _bn_relu(layers.Add(name=f"{name}_add")([y, shortcut]), f"{name}_out")


def transposed_bn(x: Any, channels: int, stride: int, name: str, activation: str = "relu") -> Any:
    """PRNet's decoder step: 4x4 transposed convolution without bias, batch normalisation, activation.

    The step that gives a map (any activation but ReLU) is float32 under every policy: see `transposed_coordinates`.
    """
    dtype = None if activation == "relu" else "float32"
    x = layers.Conv2DTranspose(channels, 4, stride, padding="same", use_bias=False, dtype=dtype, name=name)(x)
    x = BatchNormalization(momentum=BN_MOMENTUM, dtype=dtype, name=f"{name}_bn")(x)
    return layers.Activation(activation, dtype=dtype, name=f"{name}_{activation}")(x)


def _bn_relu(x: Any, name: str) -> Any:
    x = BatchNormalization(momentum=BN_MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def separable(x: Any, channels: int, name: str) -> Any:
    """Depthwise 3x3 and 1x1 convolution, both normalised: a 3x3 convolution at a fraction of its cost."""
    return conv_bn(depthwise_bn(x, name=name), channels, 1, name=name)


def flattened(x: Any) -> Any:
    """What is where in MobileNetV2's last features: `[B, features]`."""
    x = layers.DepthwiseConv2D(x.shape[1], name="whole_depthwise")(x)
    x = BatchNormalization(momentum=BN_MOMENTUM, name="whole_bn")(x)
    return layers.Flatten(name="whole")(x)


def upsampled(x: Any, channels: int, name: str, skip: Any | None = None) -> Any:
    """The light decoder's step: 1x1 to `channels`, twice the size (bilinear), the encoder's features, separable 3x3.

    The 1x1 goes before the upsampling because there it costs a quarter.
    """
    x = conv_bn(x, channels, 1, name=f"{name}_squeeze")
    x = layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_up")(x)
    if skip is not None:
        x = layers.Concatenate(name=f"{name}_skip")([x, skip])
    return separable(x, channels, name)


def interpolation_matrix(size_in: int, size_out: int) -> np.ndarray:
    """Linear interpolation `[size_out, size_in]` float32 that takes first to first and last to last sample."""
    position = np.linspace(0.0, size_in - 1.0, size_out)
    left = np.minimum(position.astype(int), max(size_in - 2, 0))
    matrix = np.zeros((size_out, size_in), np.float32)
    rows = np.arange(size_out)
    matrix[rows, left] = 1.0 - (position - left)
    if size_in > 1:
        matrix[rows, left + 1] += position - left
    return matrix


def interpolation_strips(size_in: int, size_out: int) -> tuple[np.ndarray, np.ndarray]:
    """`interpolation_matrix` in up to eight strips of as many outputs: which inputs `[S,W]` int32 each needs, and its
    matrix `[S, size_out/S, W]`."""
    matrix = interpolation_matrix(size_in, size_out)
    strips = next(count for count in (8, 4, 2, 1) if size_out % count == 0)
    parts = np.split(matrix, strips)
    first = [int(np.flatnonzero(part.any(0))[0]) for part in parts]
    wide = max(int(np.flatnonzero(part.any(0))[-1]) + 1 - start for part, start in zip(parts, first, strict=True))
    inputs = np.array([np.arange(wide) + min(start, size_in - wide) for start in first], np.int32)
    return inputs, np.stack([part[:, taken] for part, taken in zip(parts, inputs, strict=True)])


@keras.saving.register_keras_serializable(package="tfface")
class ResizeMap(Float32Layer):
    """A map `[B, r, r, C]` resized bilinearly to `[B, R, R, C]`, corner texels onto corner texels.

    Texel j of an r-texel map stands for uv j / (r - 1), hence align-corners. Bilinear interpolation is separable:
    matrix products, exact and with an exact gradient. A sample needs only its neighbours, so the map is interpolated
    strip by strip, which are one batch: an eighth of the products, the rest of which would be with 0. Float32.
    """

    def __init__(self, size: int, **options: Any) -> None:
        super().__init__(**options)
        self.size = size

    def call(self, x: Any) -> Any:
        height, width, channels = x.shape[1:]
        rows, of_rows = interpolation_strips(height, self.size)
        columns, of_columns = interpolation_strips(width, self.size)
        strips, wide = columns.shape
        along = np.einsum("sji,cd->sicjd", of_columns, np.eye(channels, dtype=np.float32))
        along = along.reshape(strips, wide * channels, self.size // strips * channels)
        x = ops.transpose(ops.take(ops.cast(x, "float32"), columns, axis=2), (0, 2, 1, 3, 4))
        x = ops.matmul(ops.reshape(x, (-1, strips, height, wide * channels)), along)
        x = ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, height, self.size * channels))
        x = ops.matmul(ops.convert_to_tensor(of_rows), ops.take(x, rows, axis=1))
        return ops.reshape(x, (-1, self.size, self.size, channels))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], self.size, self.size, input_shape[3])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}
