"""Points of the face found in the picture, and the face moved to them.

A network's last layers tell a face's shape well and its place badly: a pixel's worth of where things are is lost before
they are asked. Here the features of stride 8, told by the deeper ones what they belong to, each give a heat map for
every one of N points of the face, whose centre of mass is where the point lies (soft-argmax), and how sure that is.
Then the face's numbers move to the points as a Kalman filter moves its state to a measurement:

    minimise  sum_j (d_j / tau_j)^2 + sum_i |J_i d - (point_i - projection_i)|^2 / sigma_i^2

over their change d: R-Net's identity, expression, rotation and camera (`MoveToPoints`), or the components of a posed
map (`ComponentsToPoints`). J is the points' derivative where the network put the face, tau (learnt, one a number) how
far it errs, sigma (learnt, one a point and picture) the points.
Dense points with uncertainties are those of Wood et al. 2022, which fits a face to them by an optimiser; the single
step inside the network is ours, so that it learns points that make a good face. Keras operations alone, float32.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from tfface.face.layout import CAMERA_SIZES, MM_PER_SHIFT, MOVING, SCALE_SHARE, Layout
from tfface.face.mean_map import mean_shape
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.models import blocks, maps
from tfface.models.coefficients import (
    EXPRESSION_SHARPNESS,
    EXPRESSION_START,
    euler_angles,
    expression_weights,
    map_components,
    pinhole_of,
    rotation_matrix,
)
from tfface.models.map_basis import posed_map_basis

CHANNELS = 64
REACH = 1.25
"""The heat maps' cells stand for an area this much larger than the crop, so that points just outside can be said."""
JAW_VERTICES = (
    *(45710, 31960, 19401, 42490, 29795, 4929, 30194, 30182, 15754),
    *(35984, 35996, 7855, 35625, 48120, 25186, 37678, 51312),
)
"""Where the jaw's landmarks lay when networks first learnt points: candidates beside the face itself."""
SIGMA_PX, LEAST_SIGMA_PX = 8.0, 0.75
TAU = {"identity": 0.5, "expression": 0.2, "turn": 0.15, "camera": 0.1, "component": 0.3}
"""How far the heads err before anything is learnt: standard deviations (of components too), raw expression, radians,
camera units."""


@lru_cache(maxsize=4)
def point_texels(resolution: int, count: int) -> NDArray[np.int32]:
    """Texels `[count]` of the flattened map: those of the 68 landmarks, then ever the farthest of the face's others."""
    topology = PositionMap(load_open_face(), resolution)
    texels, weights = (array[:68] for array in topology.landmark_samples(81))
    chosen = list(dict.fromkeys(texels[np.arange(len(texels)), weights.argmax(-1)].tolist()))[:count]
    # Presets have learnt these very points: neither what counts as face in a loss nor moved landmarks may change them.
    rim = topology.nearest_texels([*JAW_VERTICES, *topology.face.landmarks68_2d[17:]])
    candidates = np.flatnonzero((topology.regions > 0) | rim)
    places = mean_shape(resolution).reshape(-1, 3)
    nearest = np.linalg.norm(places[candidates, None] - places[chosen], axis=-1).min(1)
    while len(chosen) < count:
        chosen.append(int(candidates[nearest.argmax()]))
        nearest = np.minimum(nearest, np.linalg.norm(places[candidates] - places[chosen[-1]], axis=-1))
    return np.array(chosen, np.int32)


def located(features: Any, skips: list[Any], count: int) -> tuple[Any, Any]:
    """Points `[B,N,2]` in pixels of the 256-pixel crop, and their standard deviations `[B,N,1]`.

    Args:
        features: the encoder's last, of stride 32.
        skips: its deepest of strides 2, 4, 8 and 16.
        count: N.
    """
    x = blocks.upsampled(features, CHANNELS, "points16", skips[3])
    x = blocks.upsampled(x, CHANNELS, "points8", skips[2])
    heat = layers.Conv2D(count, 1, dtype="float32", name="points_heat")(x)
    doubt = layers.Conv2D(count, 1, dtype="float32", kernel_initializer="zeros", name="points_doubt")(x)
    return CentreOfMass(name="points")([heat, doubt])


@keras.saving.register_keras_serializable(package="tfface")
class CentreOfMass(keras.layers.Layer):
    """Heat maps and doubts `[B,h,w,N]` to points `[B,N,2]` in pixels of the crop and deviations `[B,N,1]` in pixels."""

    def __init__(self, **options: Any) -> None:
        super().__init__(dtype="float32", **{k: v for k, v in options.items() if k != "dtype"})

    def call(self, inputs: Any) -> Any:
        heat, doubt = inputs
        height, width, count = heat.shape[1:]
        share = ops.softmax(ops.reshape(heat, (-1, height * width, count)), axis=1)
        centres = ops.convert_to_tensor(cell_centres(height, width))
        points = ops.einsum("btn,tc->bnc", share, centres)
        log = ops.sum(share * ops.reshape(doubt, (-1, height * width, count)), axis=1)
        return points, LEAST_SIGMA_PX + SIGMA_PX * ops.exp(ops.clip(log, -6.0, 3.0))[..., None]

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, _, _, count = input_shape[0]
        return (batch, count, 2), (batch, count, 1)


def cell_centres(height: int, width: int) -> NDArray[np.float32]:
    """`[height * width, 2]` u and v of the cells, in pixels of the crop."""
    half = maps.CROP_SIZE / 2
    u = half + half * REACH * (2 * (np.arange(width) + 0.5) / width - 1)
    v = half + half * REACH * (2 * (np.arange(height) + 0.5) / height - 1)
    return np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2).astype(np.float32)


@keras.saving.register_keras_serializable(package="tfface")
class MoveToPoints(keras.layers.Layer):
    """Raw numbers `[B,N']`, points `[B,N,2]` and deviations `[B,N,1]` in pixels to better raw numbers `[B,N']`.

    Args:
        resolution: of the map whose texels the points are.
        count: of points.
        layout: of the raw numbers, as a dict.
    """

    def __init__(self, resolution: int, count: int, layout: dict[str, Any], **options: Any) -> None:
        super().__init__(dtype="float32", **{k: v for k, v in options.items() if k != "dtype"})
        self.resolution, self.count, self.layout = resolution, count, Layout(**layout)

    def build(self, input_shape: Any) -> None:
        components = map_components(self.resolution)
        chosen = components.reshape(len(components), -1, 3)[:, point_texels(self.resolution, self.count)]
        self.mean, self.basis = chosen[0], chosen[1:]  # [N,3], [identity + expression, N, 3]
        moving = self._camera_columns()
        start = [*[TAU["identity"]] * self.layout.identity, *[TAU["expression"]] * self.layout.expression]
        start += [*[TAU["turn"]] * 3, *[TAU["camera"]] * moving]
        self.log_tau = self.add_weight((len(start),), _logs(start), name="log_tau")

    def _camera_columns(self) -> int:
        """How many of the camera's numbers move: all but the perspective, which points say little of."""
        return min(CAMERA_SIZES[self.layout.camera], 3)

    def call(self, inputs: Any) -> Any:
        raw, points, sigma = inputs
        parts = self.layout.split(raw, raw=True)
        rotation = rotation_matrix(parts["angles"], self.layout.rotation)
        projected, jacobian = self._linearised(parts, rotation)
        change = best_change(jacobian, points - projected, sigma, ops.exp(self.log_tau))
        return self._moved(parts, rotation, change)

    def _linearised(self, parts: dict[str, Any], rotation: Any) -> tuple[Any, Any]:
        """The points as the raw numbers have them `[B,N,2]`, and their derivatives `[B,N,2,K]`."""
        slope = ops.sigmoid(EXPRESSION_SHARPNESS * (parts["expression"] + EXPRESSION_START))
        weights = ops.concatenate([parts["identity"], expression_weights(parts["expression"])], axis=-1)
        flat = ops.convert_to_tensor(self.basis.reshape(len(self.basis), -1))
        shape = self.mean + ops.reshape(ops.matmul(weights, flat), (-1, self.count, 3))
        turned = ops.matmul(shape, ops.swapaxes(rotation, 1, 2))
        focal, distance, centre, shift = pinhole_of(parts["camera"], self.layout.camera)
        x, y, z = ops.unstack(turned + shift[:, None], 3, axis=-1)
        k = focal / (distance - z)
        projected = ops.stack([centre[:, :1] + k * x, centre[:, 1:] - k * y], axis=-1)
        nearer, zero = k * k / focal, ops.zeros_like(k)
        rows = [ops.stack([k, zero, nearer * x], axis=-1), ops.stack([zero, -k, -nearer * y], axis=-1)]
        before = ops.stack(rows, axis=-2)  # [B,N,2,3]: pixels a millimetre
        shapes = ops.einsum("bncd,ind->bnci", ops.matmul(before, rotation[:, None]), self.basis)
        ones = ops.ones_like(parts["identity"])
        shapes = shapes * ops.concatenate([ones, slope], axis=-1)[:, None, None]
        tx, ty, tz = ops.unstack(turned, 3, axis=-1)
        spin = ops.stack(  # columns: what a small turn about x, y and z does to a point
            [ops.stack(c, axis=-1) for c in ((zero, -tz, ty), (tz, zero, -tx), (-ty, tx, zero))], axis=-1
        )
        columns = [shapes, ops.matmul(before, spin)]
        if self.layout.camera in MOVING:
            columns.append(MM_PER_SHIFT * before)
        elif self.layout.camera == "framed":
            half, one = maps.CROP_SIZE / 2, ops.ones_like(k)
            grown = SCALE_SHARE * (projected - centre[:, None])
            across, down = ops.stack([half * one, zero], axis=-1), ops.stack([zero, half * one], axis=-1)
            columns.append(ops.stack([across, down, grown], axis=-1))
        return projected, ops.concatenate(columns, axis=-1)

    def _moved(self, parts: dict[str, Any], rotation: Any, change: Any) -> Any:
        layout = self.layout
        ends = np.cumsum([layout.identity, layout.expression, 3]).tolist()
        identity, expression, turn, camera = ops.split(change, ends, axis=-1)
        turned = ops.matmul(small_turn(turn), rotation)
        angles = (
            euler_angles(turned)
            if layout.rotation == "euler"
            else ops.concatenate([turned[:, :, 0], turned[:, :, 1]], axis=-1)
            - ops.convert_to_tensor([1.0, 0, 0, 0, 1, 0])
        )
        still = ops.zeros_like(parts["camera"][:, self._camera_columns() :])
        moved = {
            **parts,
            "identity": parts["identity"] + identity,
            "expression": parts["expression"] + expression,
            "angles": angles,
            "camera": parts["camera"] + ops.concatenate([camera, still], axis=-1),
        }
        return ops.concatenate(list(moved.values()), axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        own = {"resolution": self.resolution, "count": self.count, "layout": asdict(self.layout)}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="tfface")
class ComponentsToPoints(keras.layers.Layer):
    """Components' coefficients `[B,K]`, points `[B,N,2]` and deviations `[B,N,1]` in pixels to better coefficients.

    A posed map is linear in its components, so here the step is exact. What components stand for the points is weights
    that are not trained, as `MapBasis` has them.

    Args:
        resolution: of the map whose texels the points are.
        count: of points.
    """

    def __init__(self, resolution: int, count: int, **options: Any) -> None:
        super().__init__(dtype="float32", **{k: v for k, v in options.items() if k != "dtype"})
        self.resolution, self.count = resolution, count

    def build(self, input_shape: Any) -> None:
        components = input_shape[0][-1]
        mean, basis = posed_map_basis(self.resolution, components)
        texels = point_texels(self.resolution, self.count)
        mean, basis = (a.reshape(-1, self.resolution**2, 3)[:, texels, :2] for a in (mean, basis))
        constant = keras.initializers.Constant
        self.mean = self.add_weight(mean[0].shape, constant(mean[0]), trainable=False, name="mean")
        self.basis = self.add_weight(basis.shape, constant(basis), trainable=False, name="basis")  # [K,N,2]
        self.log_tau = self.add_weight((components,), constant(np.log(TAU["component"])), name="log_tau")

    def call(self, inputs: Any) -> Any:
        said, points, sigma = inputs
        projected = self.mean + ops.reshape(
            ops.matmul(said, ops.reshape(self.basis, (self.basis.shape[0], -1))), (-1, self.count, 2)
        )
        jacobian = ops.transpose(self.basis, (1, 2, 0))[None]
        return said + best_change(jacobian, points - projected, sigma, ops.exp(self.log_tau))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "resolution": self.resolution, "count": self.count}


def best_change(jacobian: Any, residual: Any, sigma: Any, tau: Any) -> Any:
    """The change `[B,K]` that minimises what this module's text says.

    Args:
        jacobian: `[B,N,D,K]` (or `[1,N,D,K]`): of N places in pixels (D is 2), or of N colours in [0,1] (D is 3).
        residual: `[B,N,D]` from what they are to what they should be, in the same unit.
        sigma: `[B,N,1]` of the residual, likewise.
        tau: `[K]`.
    """
    rows, size = residual.shape[1] * residual.shape[2], tau.shape[0]
    a = ops.reshape(jacobian * tau / sigma[..., None], (-1, rows, size))
    at = ops.swapaxes(a, 1, 2)
    factor = ops.cholesky(ops.matmul(at, a) + ops.eye(size))
    half = ops.solve_triangular(factor, ops.matmul(at, ops.reshape(residual / sigma, (-1, rows, 1))), lower=True)
    return tau * ops.solve_triangular(ops.swapaxes(factor, 1, 2), half, lower=False)[..., 0]


def small_turn(vector: Any) -> Any:
    """Rotation matrices `[B,3,3]` about axes `[B,3]` by their lengths in radians (Rodrigues)."""
    angle = ops.sqrt(ops.sum(ops.square(vector), axis=-1, keepdims=True) + 1e-12)
    x, y, z = ops.unstack(vector / angle, 3, axis=-1)
    zero = ops.zeros_like(x)
    rows = ((zero, -z, y), (z, zero, -x), (-y, x, zero))
    cross = ops.stack([ops.stack(row, axis=-1) for row in rows], axis=-2)
    sine, cosine = ops.sin(angle)[..., None], ops.cos(angle)[..., None]
    return ops.eye(3) + sine * cross + (1 - cosine) * ops.matmul(cross, cross)


class _logs(keras.initializers.Initializer):
    """The logarithms of given numbers."""

    def __init__(self, numbers: list[float]) -> None:
        self.numbers = numbers

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return ops.log(ops.convert_to_tensor(np.array(self.numbers, np.float32), dtype))


@keras.saving.register_keras_serializable(package="tfface")
class JoinedMaps(keras.layers.Layer):
    """The first map, the points in a map of their own, and the answer: `[B,R,R,3]`, `[B,N,2]`, `[B,R,R,3]` to
    `[B,R,R,8]` in network units, for the loss (`tfface.losses.map_objective`).

    The points' two channels hold u and v at the points' texels and 0 elsewhere.
    """

    def __init__(self, output: str, **options: Any) -> None:
        super().__init__(dtype="float32", **{k: v for k, v in options.items() if k != "dtype"})
        self.units = output

    def call(self, inputs: Any) -> Any:
        first, points, last = inputs
        resolution, count = first.shape[1], points.shape[1]
        place = np.zeros((count, resolution**2), np.float32)
        place[np.arange(count), point_texels(resolution, count)] = 1.0
        sparse = ops.einsum("nt,bnc->btc", place, maps.to_units(points, self.units))
        return ops.concatenate([first, ops.reshape(sparse, (-1, resolution, resolution, 2)), last], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[0][:-1], 8)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "output": self.units}
