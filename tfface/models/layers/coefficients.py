"""What an R-Net says about a face, and the posed position map that follows from it, in Keras.

`tfface.face.layout` says what the numbers mean. A network's raw numbers are made coefficients by
`coefficients`: expression weights non-negative, the rotation as angles. In the raw vector the rotation is three Euler
angles as in Deep3D; or the first two columns of the matrix less the unit matrix's (Zhou et al. 2019, equation 15):
angles are singular at profile, columns nowhere; or the elevation and azimuth of a camera that looks at the face, in
degrees, each the sum of two numbers, and two numbers without use (Du's published code).
"""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from tfface.config import ModelConfig
from tfface.face.layout import (
    CAMERA_SIZES,
    MM_PER_SHIFT,
    MOVING,
    ORBIT_MM,
    PERSPECTIVE_SHARE,
    SCALE_SHARE,
    USUAL_DISTANCE_MM,
    Layout,
    usual_scale,
)
from tfface.face.open_model import OpenFace, load_albedo_basis, load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry.pinhole import euler_rows, projected
from tfface.models.layers import maps
from tfface.models.layers.float32 import Float32Layer

EXPRESSION_SHARPNESS, EXPRESSION_START = 4.0, -0.5
ORBIT_ELEVATION_DEG = 10.0
_SH_ODD_IN_X = (3, 4, 7)


def layout_of(config: ModelConfig) -> Layout:
    """The layout of a network for the open face model."""
    face = load_open_face()
    return Layout(
        face.num_identity,
        len(face.expression_names),
        len(load_albedo_basis().basis),
        config.light,
        config.rotation,
        config.camera,
    )


def rotation_matrix(numbers: Any, kind: str) -> Any:
    """`[B,3,3]` of the raw vector's numbers: angles (pitch, yaw, roll; R = Rz Ry Rx), columns, or an orbit."""
    if kind == "euler":
        return euler_matrix(numbers)
    if kind == "orbit":
        elevation, azimuth = ops.sum(numbers[:, 0:2], axis=-1), ops.sum(numbers[:, 2:4], axis=-1)
        up, across = np.pi / 180 * (elevation + ORBIT_ELEVATION_DEG), -np.pi / 180 * azimuth
        zero = ops.zeros_like(up)
        return ops.matmul(*(euler_matrix(ops.stack(a, axis=-1)) for a in ((up, zero, zero), (zero, across, zero))))
    first, second = ops.split(numbers + ops.convert_to_tensor([1.0, 0, 0, 0, 1, 0]), 2, axis=-1)
    x = _unit(first)
    y = _unit(second - ops.sum(x * second, axis=-1, keepdims=True) * x)
    return ops.stack([x, y, cross(x, y)], axis=-1)


def euler_matrix(angles: Any) -> Any:
    """`[B,3,3]` = Rz(roll) Ry(yaw) Rx(pitch) of angles (pitch, yaw, roll) `[B,3]` in radians."""
    rows = euler_rows(*(tuple(ops.unstack(f(angles), 3, axis=-1)) for f in (ops.cos, ops.sin)))
    return ops.stack([ops.stack(row, axis=-1) for row in rows], axis=-2)


def euler_angles(matrix: Any) -> Any:
    """The angles (pitch, yaw, roll) `[B,3]` in radians of `euler_matrix`."""
    sine = ops.clip(-matrix[:, 2, 0], -1.0, 1.0)
    pitch = ops.arctan2(matrix[:, 2, 1], matrix[:, 2, 2])
    roll = ops.arctan2(matrix[:, 1, 0], matrix[:, 0, 0])
    yaw = ops.arctan2(sine, ops.sqrt(1.0 - sine * sine))  # TFLite has no arcsine
    return ops.stack([pitch, yaw, roll], axis=-1)


def expression_weights(raw: Any) -> Any:
    """Non-negative ARKit weights: a soft ramp, `softplus(4 (x - 0.5)) / 4`, so that no unit is stuck at the start."""
    return ops.softplus(EXPRESSION_SHARPNESS * (raw + EXPRESSION_START)) / EXPRESSION_SHARPNESS


def coefficients(raw: Any, layout: Layout) -> Any:
    """Raw numbers `[B,N']` to coefficients `[B,N]`: weights non-negative, the rotation as angles."""
    parts = layout.split(raw, raw=True)
    parts["expression"] = expression_weights(parts["expression"])
    if layout.rotation != "euler":
        parts["angles"] = euler_angles(rotation_matrix(parts["angles"], layout.rotation))
    return ops.concatenate(list(parts.values()), axis=-1)


def project(vertices: Any, camera: Any, kind: str) -> Any:
    """Turned vertices `[B,V,3]` (millimetres, about the face's centre) to u, v and depth in pixels of the crop.

    Depth is larger nearer and counts from the centre of the face.
    """
    focal, distance, centre, shift = pinhole_of(camera, kind)
    moved = vertices + shift[:, None]
    x, y, z = ops.unstack(moved, 3, axis=-1)
    u, v, _ = projected(x, y, z, focal, distance, (centre[:, :1], centre[:, 1:]))
    return ops.stack([u, v, vertices[..., 2] * (focal / (distance - shift[:, 2:]))], axis=-1)


def pinhole_of(camera: Any, kind: str) -> tuple[Any, Any, Any, Any]:
    """The camera's coefficients `[B,0]`, `[B,3]` or `[B,4]` as a pinhole over the 256-pixel crop.

    Returns:
        focal length in pixels `[B,1]`, distance in millimetres `[B,1]`, optical axis `[B,2]` in pixels, and the shift
        `[B,3]` in millimetres of the turned vertices.
    """
    half = maps.CROP_SIZE / 2
    if kind == "orbit":
        one = ops.ones((ops.shape(camera)[0], 1), "float32")
        return usual_scale() * ORBIT_MM * one, ORBIT_MM * one, half * ops.tile(one, (1, 2)), 0.0 * ops.tile(one, (1, 3))
    if kind in MOVING:
        one = ops.ones_like(camera[:, :1])
        focal, distance = MOVING[kind]
        return focal * one, distance * one, half * ops.tile(one, (1, 2)), MM_PER_SHIFT * camera
    distance = USUAL_DISTANCE_MM * ops.exp(-PERSPECTIVE_SHARE * ops.tanh(camera[:, 3:4]))
    focal = usual_scale() * ops.exp(SCALE_SHARE * camera[:, 2:3]) * distance
    return focal, distance, half + half * camera[:, :2], ops.zeros_like(camera[:, :3])


@keras.saving.register_keras_serializable(package="tfface")
class PosedMap(Float32Layer):
    """Raw numbers `[B,N']` to the posed map `[B,R,R,3]` in network units; the face model is a constant inside.

    The constant is not a weight: it follows from the face model that ships, so weight files stay small.
    """

    def __init__(self, resolution: int, output: str, layout: dict[str, Any], **options: Any) -> None:
        super().__init__(**options)
        self.resolution, self.units, self.layout = resolution, output, Layout(**layout)

    def build(self, input_shape: Any) -> None:
        self.linear = map_components(self.resolution)

    def call(self, raw: Any) -> Any:
        parts = self.layout.split(ops.cast(raw, "float32"), raw=True)
        weights = expression_weights(parts["expression"])
        factors = ops.concatenate([ops.ones_like(raw[:, :1]), parts["identity"], weights], axis=-1)
        flat = ops.matmul(factors, ops.convert_to_tensor(self.linear))
        vertices = ops.reshape(flat, (-1, self.resolution**2, 3))
        rotation = rotation_matrix(parts["angles"], self.layout.rotation)
        points = project(ops.matmul(vertices, ops.swapaxes(rotation, 1, 2)), parts["camera"], self.layout.camera)
        depth = points[..., 2:] - ops.min(points[..., 2:], axis=1, keepdims=True)
        points = ops.concatenate([points[..., :2], depth], axis=-1)
        return maps.to_units(ops.reshape(points, (-1, self.resolution, self.resolution, 3)), self.units)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], self.resolution, self.resolution, 3)

    def get_config(self) -> dict[str, Any]:
        own = {"resolution": self.resolution, "output": self.units, "layout": asdict(self.layout)}
        return {**super().get_config(), **own}


@lru_cache(maxsize=2)
def map_components(resolution: int) -> NDArray[np.float32]:
    """`[1 + identity + expression, R*R*3]`: the mean map about the face's centre and what each coefficient adds, mm."""
    face = load_open_face()
    components = face.linear_at(PositionMap(face, resolution).cage_matrix)
    return components.reshape(len(components), -1)


class LayoutLayer(Float32Layer):
    """A layer of numbers that a layout, given as a dict, describes."""

    def __init__(self, layout: dict[str, Any], **options: Any) -> None:
        super().__init__(**options)
        self.layout = Layout(**layout)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layout": asdict(self.layout)}


@keras.saving.register_keras_serializable(package="tfface")
class Coefficients(LayoutLayer):
    """`coefficients` as a layer."""

    def call(self, raw: Any) -> Any:
        return coefficients(ops.cast(raw, "float32"), self.layout)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], sum(self.layout.sizes(raw=False).values()))


def mirror_raw(raw: Any, layout: Layout) -> Any:
    """The raw numbers of the mirrored photograph."""
    order, signs = _mirror_table(layout)
    return ops.take(raw, order, axis=-1) * signs


@lru_cache(maxsize=4)
def _mirror_table(layout: Layout) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    face = load_open_face()
    light = np.tile([-1.0 if i in _SH_ODD_IN_X else 1.0 for i in range(9)], layout.light // 9)
    angles = {"euler": [1, -1, -1], "columns": [1, -1, -1, -1, 1, 1], "orbit": [1, 1, -1, -1, 1, 1]}[layout.rotation]
    camera = [-1, 1, 1, 1][: CAMERA_SIZES[layout.camera]]
    parts = [
        (np.arange(layout.identity), _identity_signs(face)),
        (_other_side(face.expression_names), np.ones(layout.expression)),
        (np.arange(layout.albedo), np.ones(layout.albedo)),  # skin is much the same on both sides
        *((np.arange(len(signs)), np.array(signs)) for signs in (angles, light, camera)),
    ]
    starts = np.cumsum([0] + [len(order) for order, _ in parts])[:-1]
    order = np.concatenate([order + start for (order, _), start in zip(parts, starts, strict=True)])
    return order.astype(np.int32), np.concatenate([signs for _, signs in parts]).astype(np.float32)


def _identity_signs(face: OpenFace) -> NDArray[np.float64]:
    """1 for symmetric components, -1 for antisymmetric ones."""
    mirrored = face.id_basis[:, face.cage_mirror] * np.array([-1, 1, 1], np.float32)
    return np.sign(np.sum(face.id_basis * mirrored, axis=(1, 2)))


def _other_side(names: tuple[str, ...]) -> NDArray[np.int64]:
    """For each expression the one of the other side of the face."""
    swap = {"Left": "Right", "Right": "Left"}
    place = {name: index for index, name in enumerate(names)}

    def other(name: str) -> str:
        for side, opposite in swap.items():
            if name.endswith(side):
                return name.removesuffix(side) + opposite
        return name

    return np.array([place.get(other(name), index) for index, name in enumerate(names)])


def cross(first: Any, second: Any) -> Any:
    """The cross product of vectors `[...,3]`, of operations that ONNX has."""
    (a, b, c), (x, y, z) = ops.unstack(first, 3, axis=-1), ops.unstack(second, 3, axis=-1)
    return ops.stack([b * z - c * y, c * x - a * z, a * y - b * x], axis=-1)


def _unit(vector: Any) -> Any:
    return vector / ops.maximum(ops.sqrt(ops.sum(ops.square(vector), axis=-1, keepdims=True)), 1e-8)
