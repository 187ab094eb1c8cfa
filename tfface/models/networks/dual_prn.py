"""A posed map and a pose-free shape, fused (the idea of SADRNet, Ruan et al. 2021).

One encoder and the decoder's first seven steps are shared; then two heads of seven steps each say
- where each texel lies in the picture, and how surely it is seen (posed map and visibility);
- how the face differs from the mean face, whatever its pose (shape).
The similarity that takes the shape to the posed map, weighted by visibility, then places the whole shape: what is
hidden, or torn by a pose that training never showed, follows the seen part as a rigid head does.

Output `[B,R,R,10]`: posed map, shape (units and frame of `tfface.face.mean_map`), visibility in [0,1], and last the
fused map.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from tfface.config import ModelConfig
from tfface.face.mean_map import face_texels, mean_shape
from tfface.geometry.map_ops import apply_similarities, fit_similarities
from tfface.models.layers import blocks
from tfface.models.layers.float32 import Float32Layer
from tfface.models.networks import prn

SHARED_STEPS, HEAD_STEPS = 7, 7
OFFSET_SCALE = 0.1
"""Shape units in one unit of the shape head's output: a network's first numbers are about 1, people differ by mm."""
LEAST_VISIBILITY = 1e-3


def build(config: ModelConfig) -> keras.Model:
    """The network from images to posed map, shape, visibility and fused map `[B,map_size,map_size,10]`, float32."""
    images = keras.Input((config.image_size, config.image_size, 3 * config.views), name="images")
    shared = _steps(prn.encoder(images, config), prn.FULL_DECODER[:SHARED_STEPS], "up", config)
    in_head = prn.FULL_DECODER[SHARED_STEPS : SHARED_STEPS + HEAD_STEPS]
    seen, free = _steps(shared, in_head, "posed", config), _steps(shared, in_head, "shape", config)
    posed = prn.resized(blocks.transposed_bn(seen, 3, 1, "posed_map", config.output), config, "resize_posed")
    visible = prn.resized(blocks.transposed_bn(seen, 1, 1, "visibility", "sigmoid"), config, "resize_visibility")
    offset = prn.resized(blocks.transposed_bn(free, 3, 1, "shape_map", "linear"), config, "resize_shape")
    shape = AddMeanShape(config.map_size, name="mean_shape")(offset)
    fused = FuseMaps(config.map_size, name="fuse")([posed, shape, visible])
    joined = layers.Concatenate(dtype="float32", name="map")([posed, shape, visible, fused])
    return keras.Model(images, joined, name=config.name)


def _steps(x: Any, steps: tuple[tuple[int, int], ...], name: str, config: ModelConfig) -> Any:
    for number, (channels, stride) in enumerate(steps, start=1):
        x = blocks.transposed_bn(x, prn.decoder_channels(channels, config), stride, f"{name}{number}")
    return x


class _Constant(Float32Layer):
    """A layer with one array of the face model as a weight that is not trained: a saved network carries its own."""

    def __init__(self, resolution: int, **options: Any) -> None:
        super().__init__(**options)
        self.resolution = resolution

    def _keep(self, array: NDArray[np.float32], name: str) -> Any:
        return self.add_weight(array.shape, lambda shape, dtype=None: array, trainable=False, name=name)

    def compute_output_shape(self, input_shape: Any) -> Any:
        first = input_shape[0] if isinstance(input_shape[0], (tuple, list)) else input_shape
        return tuple(first)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "resolution": self.resolution}


@keras.saving.register_keras_serializable(package="tfface")
class AddMeanShape(_Constant):
    """Offsets `[B,R,R,3]` to shapes: the mean face plus `OFFSET_SCALE` times them."""

    def build(self, input_shape: Any) -> None:
        self.mean = self._keep(mean_shape(self.resolution), "mean")

    def call(self, offset: Any) -> Any:
        return self.mean + OFFSET_SCALE * offset


@keras.saving.register_keras_serializable(package="tfface")
class FuseMaps(_Constant):
    """Posed maps, shapes and visibilities to the shapes placed by the similarity that fits the posed maps best."""

    def build(self, input_shape: Any) -> None:
        self.texels = self._keep(face_texels(self.resolution), "texels")

    def call(self, inputs: Any) -> Any:
        posed, shape, visible = inputs
        weights = (visible + LEAST_VISIBILITY) * self.texels[..., None]
        flat = [ops.reshape(x, (-1, self.resolution**2, x.shape[-1])) for x in (shape, posed, weights)]
        placed = apply_similarities(fit_similarities(*flat), flat[0])
        return ops.reshape(placed, (-1, self.resolution, self.resolution, 3))
