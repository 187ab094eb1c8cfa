"""Principal components of posed position maps: the smoothest decoder there is.

A posed map is `s R (mean + basis a) + t` seen through a camera: nearly linear in a hundred numbers whatever the pose.
So a network may end in those numbers and a fixed matrix, which costs nothing, has no creases, and can say nothing but
faces. The components are those of random faces under random poses, cameras and crops, found from the face model alone
(the same each time) and kept in the user's cache, in the network's linear units.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from tfface.face.expressions import sample_expression, shutting_weights
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry.align import CROP_SIZE
from tfface.geometry.camera import Camera
from tfface.geometry.rotation import euler_to_matrix
from tfface.io.kept import kept
from tfface.models.layers import maps
from tfface.models.layers.float32 import Float32Layer

NUM_SAMPLES = 1600


@keras.saving.register_keras_serializable(package="tfface")
class MapBasis(Float32Layer):
    """Coefficients `[B,K]` to a map `[B,R,R,3]` in `output` units: mean + coefficients @ components, float32.

    The mean and the components are weights that are not trained, so a saved network carries its own.
    """

    def __init__(self, resolution: int, count: int, output: str, **options: Any) -> None:
        super().__init__(**options)
        self.resolution, self.count, self.units = resolution, count, output

    def build(self, input_shape: Any) -> None:
        size = self.resolution**2 * 3
        mean = _Mean(self.resolution, self.count, self.units)
        self.mean = self.add_weight((size,), mean, trainable=False, name="mean")
        components = _Components(self.resolution, self.count, self.units)
        self.components = self.add_weight((self.count, size), components, trainable=False, name="components")

    def call(self, coefficients: Any) -> Any:
        flat = self.mean + ops.matmul(ops.cast(coefficients, "float32"), self.components)
        return ops.reshape(flat, (-1, self.resolution, self.resolution, 3))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], self.resolution, self.resolution, 3)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "resolution": self.resolution,
            "count": self.count,
            "output": self.units,
        }


class _Mean(keras.initializers.Initializer):
    """The mean posed map in network units."""

    def __init__(self, resolution: int, count: int, units: str) -> None:
        self.resolution, self.count, self.units = resolution, count, units

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return ops.convert_to_tensor(maps.to_units(posed_map_basis(self.resolution, self.count)[0], self.units), dtype)


class _Components(_Mean):
    """The components in network units a standard deviation."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        components = posed_map_basis(self.resolution, self.count)[1] / maps.pixels_per_unit(self.units)
        return ops.convert_to_tensor(components, dtype)


@lru_cache(maxsize=2)
def posed_map_basis(resolution: int, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean `[R*R*3]` and components `[count, R*R*3]`, scaled by their standard deviations, in pixels of the crop."""
    name = f"posed_maps_{resolution}_{count}"
    mean, components = kept(name, load_open_face().checksum, lambda: components_of_samples(resolution, count))
    return mean, components


def components_of_samples(
    resolution: int, count: int, samples: int = NUM_SAMPLES
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`posed_map_basis` found anew, of so many random maps."""
    maps = _sample_maps(resolution, samples, np.random.default_rng(0))
    mean = maps.mean(0)
    maps -= mean
    values, vectors = np.linalg.eigh((maps @ maps.T).astype(np.float64) / samples)
    best = np.argsort(-values)[:count]
    components = vectors[:, best].T.astype(np.float32) @ maps / np.float32(np.sqrt(samples))
    return mean, components


def _sample_maps(resolution: int, samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Random maps `[samples, R*R*3]` framed as crops are, with some room for bad framing."""
    face = load_open_face()
    topology = PositionMap(face, resolution).cage_matrix
    landmarks = face.face(2).matrix[face.landmarks68_2d]
    maps = np.empty((samples, resolution**2 * 3), np.float32)
    for index in range(samples):
        identity = rng.normal(0, 1, face.num_identity)
        shut = shutting_weights(face, identity)
        cage = face.cage(identity, sample_expression(rng, face.expression_names, 1.0, shut))
        camera = _random_camera(landmarks @ cage, face.centre, rng)
        points = camera.project(topology @ cage)
        points[:, 2] -= points[:, 2].min()
        maps[index] = points.ravel()
    return maps


def _random_camera(landmarks: NDArray[np.floating], origin: NDArray[np.floating], rng: np.random.Generator) -> Camera:
    yaw, pitch, roll = np.deg2rad([rng.uniform(-100, 100), rng.normal(0, 18), rng.uniform(-90, 90)])
    rotation = euler_to_matrix(yaw, pitch, roll)
    distance = float(np.exp(rng.uniform(np.log(400), np.log(3000))))
    points = Camera(rotation, distance, distance, np.zeros(2), origin).project(landmarks)[:, :2]
    low, high = points.min(0), points.max(0)
    scale = CROP_SIZE / (np.sqrt(2) * (high - low).max() * rng.uniform(0.75, 1.35))
    shift = rng.uniform(-0.12, 0.12, 2) * CROP_SIZE
    centre = CROP_SIZE / 2 + shift - (low + high) / 2 * scale
    return Camera(rotation, distance * scale, distance, centre, origin)
