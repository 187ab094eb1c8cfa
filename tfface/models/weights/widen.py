"""A wider network that begins where a narrow one stands (Net2Net: Chen, Goodfellow and Shlens 2016), or one of larger
pictures where one of smaller pictures stands.

Every channel of the wide network copies one of the narrow network's; what reads a channel that has n copies takes an
n-th from each. Both then answer alike. A little noise on the kernels lets the copies become different in training.
A kernel over the whole of the last features is interpolated to their new size, its sum kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras

NOISE = 0.1
"""Standard deviation of the factor on every weight of a convolution."""


def widen(narrow: keras.Model, wide: keras.Model, noise: float = NOISE) -> None:
    """Gives `wide` the weights of `narrow`: the same layers by name, of a MobileNetV2 trunk and what follows it.

    Raises:
        ValueError: the networks differ by more than their numbers of channels.
    """
    random = np.random.default_rng(0)
    copied: dict[str, NDArray[np.int64]] = {}  # of every layer's output channels, which of narrow's they copy
    for layer in wide.layers:
        old = narrow.get_layer(layer.name)
        incoming = [copied[name] for name in _inputs(layer)]
        weights, copied[layer.name] = _widened(layer, old, incoming)
        if "Conv2D" in type(layer).__name__:
            weights[0] = weights[0] * random.normal(1.0, noise, weights[0].shape)
        layer.set_weights(weights)


def _inputs(layer: keras.layers.Layer) -> list[str]:
    """Names of the layers whose outputs this one reads."""
    if type(layer).__name__ == "InputLayer":
        return []
    tensors = layer.input if isinstance(layer.input, (list, tuple)) else [layer.input]
    return [tensor._keras_history.operation.name for tensor in tensors]


def _widened(
    layer: keras.layers.Layer, old: keras.layers.Layer, incoming: list[NDArray[np.int64]]
) -> tuple[list[Any], NDArray[np.int64]]:
    """A layer's new weights, and which of the narrow network's channels its outputs copy."""
    kind, weights = type(layer).__name__, old.get_weights()
    if kind in ("Conv2D", "Dense"):
        kernel, *bias = weights
        out = np.arange(layer.output.shape[-1]) % kernel.shape[-1]
        share = 1.0 / np.bincount(incoming[0])[incoming[0]]
        return [kernel[..., incoming[0], :][..., out] * share[:, None], *(each[out] for each in bias)], out
    if kind == "DepthwiseConv2D":
        kernel, *bias = weights
        kernel = _resized(kernel, layer.kernel_size[0])
        return [kernel[..., incoming[0], :], *(each[incoming[0]] for each in bias)], incoming[0]
    if kind == "BatchNormalization":
        return [each[incoming[0]] for each in weights], incoming[0]
    if kind == "Concatenate":
        starts = np.cumsum([0, *(places.max() + 1 for places in incoming)])
        return [], np.concatenate([places + start for places, start in zip(incoming, starts, strict=False)])
    if [each.shape for each in weights] != [tuple(each.shape) for each in layer.weights]:
        raise ValueError(f"layer {layer.name} is not one that can be widened")
    if kind == "Add" and any((places != incoming[0]).any() for places in incoming):
        raise ValueError(f"layer {layer.name} adds channels that copy different ones")
    return weights, incoming[0] if incoming else np.arange(_channels(layer))


def _resized(kernel: NDArray[np.floating], size: int) -> NDArray[np.floating]:
    """A depthwise kernel `[k,k,C,1]` as `[size,size,C,1]`, linear between the centres of its cells, its sum kept."""
    old = len(kernel)
    if old == size:
        return kernel
    at = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
    across = np.stack([np.interp(at, np.arange(old), row) for row in np.eye(old)], axis=1)
    across /= across.sum(0)
    return np.einsum("ai,bj,ijcd->abcd", across, across, kernel)


def _channels(layer: keras.layers.Layer) -> int:
    output = layer.output[0] if isinstance(layer.output, (list, tuple)) else layer.output
    return int(output.shape[-1])
