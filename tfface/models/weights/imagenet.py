"""ImageNet's weights for R-Net's ResNet-50, from a file that the user names: only its trunk is there.

Keras' file (`resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5`, or the one with the classifier) is read by the
layers' names. It was trained on blue, green, red in 0..255 less ImageNet's mean m; R-Net's trunk sees red, green, blue
in [-1,1]. So the first convolution K takes the difference in: `K (127.5 (x + 1) - m) = (127.5 K) x + K (127.5 - m)`.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import keras
import numpy as np

from tfface.errors import UserError
from tfface.io.reading import reading
from tfface.io.unpacking import check_hdf5

MEAN_BGR = np.array([103.939, 116.779, 123.68], np.float32)
HALF_RANGE = 127.5
FIRST, LAST = "conv1_conv", "conv5_block3_3_conv"


def is_keras_file(path: Path) -> bool:
    """Whether it is a file of Keras' applications by its name, not weights of a run."""
    return path.suffix in (".h5", ".hdf5") and not path.name.endswith(".weights.h5")


def load_resnet50(model: keras.Model, path: Path) -> None:
    """Loads the trunk of `model`, an R-Net with ResNet-50; its heads stay as they are.

    Raises:
        UserError: another trunk, or the file has no ResNet-50.
    """
    names = {layer.name for layer in model.layers}
    if not {FIRST, LAST} <= names:
        raise UserError(f"{path} is for ResNet-50: choose `model.trunk=resnet50`, or start from other weights.")
    with reading(path, "weights by layers' names", "take the file of Keras' applications"):
        check_hdf5(path)
        with h5py.File(path, "r") as file:
            missing = {FIRST, LAST} - set(file.get("model_weights", file))
        if not missing:
            keras.Model(model.inputs, model.outputs).load_weights(path, by_name=True, skip_mismatch=True)
    if missing:
        raise UserError(f"{path} has no layer {missing.pop()} of a ResNet-50: take the file of Keras' applications.")
    _fold_in_scaling(model.get_layer(FIRST))


def _fold_in_scaling(layer: keras.layers.Layer) -> None:
    kernel, bias = (np.asarray(variable) for variable in (layer.kernel, layer.bias))
    layer.bias.assign(bias + np.einsum("hwio,i->o", kernel, HALF_RANGE - MEAN_BGR))
    layer.kernel.assign(HALF_RANGE * kernel[:, :, ::-1])
