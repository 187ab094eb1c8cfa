"""The face moved to points that are found in the picture.

A network's last layers tell a face's shape well and its place badly: a pixel's worth of where things are is lost before
they are asked. So `point_finder` finds N points of the face in the features, told by the deeper ones what they belong
to, and how far some pairs of them are apart, each with its deviation. Then the face's numbers move to what was found as
a Kalman filter moves its state to a measurement:

    minimise  sum_j (d_j / tau_j)^2 + sum_i |J_i d - (point_i - projection_i)|^2 / sigma_i^2

over their change d: R-Net's identity, expression, rotation and camera (`MoveToPoints`), or the components of a posed
map (`ComponentsToPoints`). J is the points' derivative where the network put the face, tau (learnt, one a number) how
far it errs, sigma (learnt, one a point and picture) the points; pairs are rows of the same kind.
Dense points with uncertainties are those of Wood et al. 2022, which fits a face to them by an optimiser; the single
step inside the network is ours, so that it learns points that make a good face. Keras operations alone, float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from tfface.config import ModelConfig
from tfface.errors import UserError
from tfface.face.found_points import landmark_points, point_texels
from tfface.face.layout import CAMERA_SIZES, MM_PER_SHIFT, MOVING, SCALE_SHARE, Layout
from tfface.geometry.ibug68 import EXPRESSIVE_PAIRS
from tfface.geometry.pinhole import projected
from tfface.geometry.rotation import euler_to_matrix
from tfface.models.layers import maps, point_finder
from tfface.models.layers.coefficients import (
    EXPRESSION_SHARPNESS,
    EXPRESSION_START,
    euler_angles,
    expression_weights,
    map_components,
    pinhole_of,
    rotation_matrix,
)
from tfface.models.layers.float32 import Float32Layer
from tfface.models.layers.map_basis import posed_map_basis
from tfface.models.layers.solve import Usual, gauss_newton_step

POINTS_LAYER, JOINED_LAYER = "points", "joined"
"""Names of the layer that finds the points, and of the one whose last input is the answer where that is a map's."""
TAU = {"identity": 0.5, "expression": 0.2, "turn": 0.15, "camera": 0.1, "component": 0.3}
"""How far the heads err before anything is learnt: standard deviations (of components too), raw expression, radians,
camera units."""
USUAL_POINT_PX, USUAL_GROWTH, USUAL_APART_PX = 4.0, 2.0, 4.0
"""How well exports expect points and differences to be known: what `tfface.models.solve` makes even first."""
USUAL_YAWS_DEG = (-45.0, 45.0)
"""How the faces are turned by which exports of `MoveToPoints` judge what points say of its numbers."""


@lru_cache(maxsize=4)
def point_pairs(resolution: int, count: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Which `[P]` of `EXPRESSIVE_PAIRS` are measured, and the points `[P,2]` that stand for their landmarks.

    Those pairs are left out whose landmarks have no two points of their own.
    """
    points = landmark_points(resolution, count)[np.array(EXPRESSIVE_PAIRS)]
    usable = (points >= 0).all(1) & (points[:, 0] != points[:, 1])
    return np.flatnonzero(usable).astype(np.int32), points[usable]


def landmark_deviations(model: keras.Model, config: ModelConfig) -> dict[str, Any]:
    """How far the network expects its landmarks to be off: `{"landmark_deviations": [B,68]}`, standard deviations in
    pixels of the crop, in the graph of `model`; nothing of networks that do not know."""
    if not config.points:
        return {}
    chosen = landmark_points(config.map_size, config.points)
    if chosen.min() < 0:
        return {}
    sigma = model.get_layer(POINTS_LAYER).output[1]
    return {"landmark_deviations": ops.take(sigma[..., 0], chosen, axis=1)}


SIGHTING_MIRRORS: dict[str, Callable[[Any], Any]] = {
    "points": lambda x: ops.concatenate([maps.CROP_SIZE - x[..., :1], x[..., 1:]], axis=-1),
    "differences": lambda x: ops.concatenate([-x[..., :1], x[..., 1:]], axis=-1),
    "point_deviations": lambda x: x,
    "difference_deviations": lambda x: x,
}
"""What brings back what a mirrored picture says, by name (`sighting`); its points are those of `described`."""


def sighting(model: keras.Model, config: ModelConfig) -> dict[str, Any]:
    """What is measured in a picture, in the graph of `model` and in pixels of the crop: `points` `[B,N,2]`,
    `point_deviations` `[B,N]`, `differences` of pairs `[B,P,2]` and `difference_deviations` `[B,P]`; else nothing."""
    if not config.points:
        return {}
    found, sigma, apart, deviation = model.get_layer(POINTS_LAYER).output
    named = zip(SIGHTING_MIRRORS, (found, apart, sigma[..., 0], deviation[..., 0]), strict=True)
    return dict(named)


def described(model: keras.Model, config: ModelConfig) -> dict[str, Any]:
    """What `tfface.json` says under `points` about what `sighting` gives: the texels `[N]` of a flattened map of
    `map_size`, pairs `[P,2]` of them, and by how much the network's heads expect to be off (`MoveToPoints`). Where the
    mirrored picture is asked too, its points and pairs follow, at the mirrored texels."""
    texels, (_, pairs) = point_texels(config.map_size, config.points), point_pairs(config.map_size, config.points)
    looks = 1
    if config.mirror_average:
        row, column = np.divmod(texels, config.map_size)
        mirrored = row * config.map_size + config.map_size - 1 - column
        texels, pairs, looks = np.append(texels, mirrored), np.append(pairs, pairs + len(texels), axis=0), 2
    tau = np.exp(np.asarray(model.get_layer("raw").log_tau, np.float64))
    facts = {"texels": texels.tolist(), "pairs": pairs.tolist(), "unmoved_deviations": np.round(tau, 5).tolist()}
    return {"map_size": config.map_size, "looks": looks, **facts}


def found_in(features: Any, skips: list[Any], config: ModelConfig) -> tuple[Any, ...]:
    """What the network measures in the picture: points `[B,N,2]` in pixels of the 256-pixel crop and their deviations
    `[B,N,1]`, then differences of pairs `[B,P,2]` and their deviations `[B,P,1]`.

    Raises:
        UserError: there are too few points to compare any.
    """
    _, pairs = point_pairs(config.map_size, config.points)
    if not len(pairs):
        raise UserError(f"model.points: {config.points} points hold no two landmarks to compare: take 68 or more.")
    return point_finder.found(features, skips, config.points, pairs)


def measured(found: Any, seen: Any, jacobian: Any, pairs: NDArray[np.int32]) -> tuple[Any, Any, Any]:
    """What `gauss_newton_step` wants: derivatives `[B,M,2,K]`, residuals `[B,M,2]` and deviations `[B,M,1]`.

    Args:
        found: by `found_in`.
        seen: the points `[B,N,2]` as the face stands.
        jacobian: theirs, `[B,N,2,K]` or `[1,N,2,K]`.
        pairs: `[P,2]`, by `point_pairs`.
    """
    points, sigma, apart, deviation = found
    return (
        _with_pairs(jacobian, pairs),
        ops.concatenate([points - seen, apart - _between(seen, pairs)], axis=1),
        ops.concatenate([sigma, deviation], axis=1),
    )


def usually_measured(jacobian: Any, resolution: int, pairs: NDArray[np.int32]) -> tuple[Any, Any]:
    """Derivatives and deviations as `measured` gives them, of faces whose points are known as well as usual: towards
    the chart's rim, where outlines and hair are, less well."""
    row, column = np.divmod(point_texels(resolution, jacobian.shape[1]), resolution)
    middle = (resolution - 1) / 2
    away = ((row - middle) ** 2 + (column - middle) ** 2) / middle**2
    sigma = np.append(USUAL_POINT_PX * np.exp(USUAL_GROWTH * away), np.full(len(pairs), USUAL_APART_PX))
    return _with_pairs(jacobian, pairs), sigma.astype(np.float32)[:, None]


def _with_pairs(x: Any, pairs: NDArray[np.int32]) -> Any:
    return ops.concatenate([x, _between(x, pairs)], axis=1)


def _between(x: Any, pairs: NDArray[np.int32]) -> Any:
    return ops.take(x, pairs[:, 0], axis=1) - ops.take(x, pairs[:, 1], axis=1)


@keras.saving.register_keras_serializable(package="tfface")
class MoveToPoints(Float32Layer):
    """Raw numbers `[B,N']`, then what `found_in` gives, in pixels, to better raw numbers `[B,N']`.

    Args:
        resolution: of the map whose texels the points are.
        count: of points.
        layout: of the raw numbers, as a dict.
    """

    def __init__(self, resolution: int, count: int, layout: dict[str, Any], **options: Any) -> None:
        super().__init__(**options)
        self.resolution, self.count, self.layout = resolution, count, Layout(**layout)

    def build(self, input_shape: Any) -> None:
        components = map_components(self.resolution)
        chosen = components.reshape(len(components), -1, 3)[:, point_texels(self.resolution, self.count)]
        self.mean, self.basis = chosen[0], chosen[1:]  # [N,3], [identity + expression, N, 3], NumPy's
        _, self.pairs = point_pairs(self.resolution, self.count)
        moving = self._camera_columns()
        start = [*[TAU["identity"]] * self.layout.identity, *[TAU["expression"]] * self.layout.expression]
        start += [*[TAU["turn"]] * 3, *[TAU["camera"]] * moving]
        self.log_tau = self.add_weight((len(start),), _logs(start), name="log_tau")

    def _camera_columns(self) -> int:
        """How many of the camera's numbers move: all but the perspective, which points say little of."""
        return min(CAMERA_SIZES[self.layout.camera], 3)

    def call(self, inputs: Any) -> Any:
        raw, *found = inputs
        parts = self.layout.split(raw, raw=True)
        rotation = rotation_matrix(parts["angles"], self.layout.rotation)
        seen, jacobian = self.linearised(parts, rotation)
        change = gauss_newton_step(*measured(found, seen, jacobian, self.pairs), ops.exp(self.log_tau), self.usual())
        return self.moved(parts, rotation, change)

    def usual(self) -> Usual:
        """The mean face, turned to either side."""

        def derivatives() -> tuple[Any, Any]:
            sizes, turned = self.layout.sizes(raw=True), len(USUAL_YAWS_DEG)
            parts = {name: ops.zeros((turned, sizes[name])) for name in ("identity", "expression", "camera")}
            turns = np.array([euler_to_matrix(yaw, 0.0, 0.0) for yaw in np.deg2rad(USUAL_YAWS_DEG)], np.float32)
            _, jacobian = self.linearised(parts, ops.convert_to_tensor(turns))
            return usually_measured(jacobian, self.resolution, self.pairs)

        return Usual(derivatives, steps=28)

    def linearised(self, parts: dict[str, Any], rotation: Any) -> tuple[Any, Any]:
        """The points as the raw numbers have them `[B,N,2]`, and their derivatives `[B,N,2,K]`."""
        slope = ops.sigmoid(EXPRESSION_SHARPNESS * (parts["expression"] + EXPRESSION_START))
        weights = ops.concatenate([parts["identity"], expression_weights(parts["expression"])], axis=-1)
        mean, basis = ops.convert_to_tensor(self.mean), ops.convert_to_tensor(self.basis)
        flat = ops.reshape(basis, (basis.shape[0], -1))
        shape = mean + ops.reshape(ops.matmul(weights, flat), (-1, self.count, 3))
        turned = ops.matmul(shape, ops.swapaxes(rotation, 1, 2))
        focal, distance, centre, shift = pinhole_of(parts["camera"], self.layout.camera)
        x, y, z = ops.unstack(turned + shift[:, None], 3, axis=-1)
        u, v, k = projected(x, y, z, focal, distance, (centre[:, :1], centre[:, 1:]))
        seen = ops.stack([u, v], axis=-1)
        nearer, zero = k * k / focal, ops.zeros_like(k)
        rows = [ops.stack([k, zero, nearer * x], axis=-1), ops.stack([zero, -k, -nearer * y], axis=-1)]
        before = ops.stack(rows, axis=-2)  # [B,N,2,3]: pixels a millimetre
        turned_back = ops.reshape(
            ops.matmul(ops.reshape(before, (-1, 2 * self.count, 3)), rotation), (-1, self.count, 2, 3)
        )
        shapes = ops.einsum("bncd,ind->bnci", turned_back, basis)
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
            grown = SCALE_SHARE * (seen - centre[:, None])
            across, down = ops.stack([half * one, zero], axis=-1), ops.stack([zero, half * one], axis=-1)
            columns.append(ops.stack([across, down, grown], axis=-1))
        return seen, ops.concatenate(columns, axis=-1)

    def moved(self, parts: dict[str, Any], rotation: Any, change: Any) -> Any:
        """The raw numbers `[B,N]` after a step of `change` `[B,K]`, its turn about the axes of the turned face."""
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
class ComponentsToPoints(Float32Layer):
    """Components' coefficients `[B,K]`, then what `found_in` gives, in pixels, to better coefficients.

    A posed map is linear in its components, so here the step is exact. What components stand for the points is weights
    that are not trained, as `MapBasis` has them.

    Args:
        resolution: of the map whose texels the points are.
        count: of points.
    """

    def __init__(self, resolution: int, count: int, **options: Any) -> None:
        super().__init__(**options)
        self.resolution, self.count = resolution, count

    def build(self, input_shape: Any) -> None:
        components = input_shape[0][-1]
        _, self.pairs = point_pairs(self.resolution, self.count)
        mean, basis = posed_map_basis(self.resolution, components)
        texels = point_texels(self.resolution, self.count)
        mean, basis = (a.reshape(-1, self.resolution**2, 3)[:, texels, :2] for a in (mean, basis))
        constant = keras.initializers.Constant
        self.mean = self.add_weight(mean[0].shape, constant(mean[0]), trainable=False, name="mean")
        self.basis = self.add_weight(basis.shape, constant(basis), trainable=False, name="basis")  # [K,N,2]
        self.log_tau = self.add_weight((components,), constant(np.log(TAU["component"])), name="log_tau")

    def call(self, inputs: Any) -> Any:
        components, *found = inputs
        seen = self.mean + ops.reshape(
            ops.matmul(components, ops.reshape(self.basis, (self.basis.shape[0], -1))), (-1, self.count, 2)
        )
        jacobian = ops.transpose(self.basis, (1, 2, 0))[None]
        step = gauss_newton_step(
            *measured(found, seen, jacobian, self.pairs),
            ops.exp(self.log_tau),
            Usual(lambda: usually_measured(jacobian, self.resolution, self.pairs), steps=16),
        )
        return components + step

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "resolution": self.resolution, "count": self.count}


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
class JoinedMaps(maps.UnitsLayer):
    """The first map `[B,R,R,3]`, what `found_in` gives, and the answer `[B,R,R,3]`, joined for the loss
    (`tfface.losses.map_objective`): `[B,R,R,12]` in network units.

    Points stand at their texels; pairs (difference in u and v, deviation) at the first texels of the map, in the order
    of `EXPRESSIVE_PAIRS`; the rest is 0.
    """

    def call(self, inputs: Any) -> Any:
        first, points, sigma, apart, deviation, last = inputs
        resolution, count = first.shape[1], points.shape[1]
        found, texels = maps.to_units(points, self.units), point_texels(resolution, count)
        sigma, apart, deviation = (part / maps.pixels_per_unit(self.units) for part in (sigma, apart, deviation))
        found = _spread(ops.concatenate([found, sigma], axis=-1), texels, resolution)
        pairs = ops.concatenate([apart, deviation], axis=-1)
        return ops.concatenate(
            [first, found, _spread(pairs, point_pairs(resolution, count)[0], resolution), last], axis=-1
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[0][:-1], 12)


def _spread(values: Any, texels: NDArray[np.integer], resolution: int) -> Any:
    """`[B,N,C]` at `texels` `[N]` of a map `[B,R,R,C]` that is 0 elsewhere."""
    place = np.zeros((len(texels), resolution**2), np.float32)
    place[np.arange(len(texels)), texels] = 1.0
    return ops.reshape(ops.einsum("nt,bnc->btc", place, values), (-1, resolution, resolution, values.shape[-1]))
