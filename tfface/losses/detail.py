"""Losses of detail, in `keras.ops`, float32; one number a face, `[B]`.

Supervised, in the chart: differences of displacement (mm) and albedo, L1, and of the displacement's slopes from texel
to texel, which are what a normal is made of. Texels count by their weight. Lines are what is finer than some texels:
squares, since an L1 that is unsure of a sparse line answers with none.

By shading alone, for photographs, whose surface nobody knows: light and albedo stand still, and displacement explains
what is brighter and darker from texel to texel (Horn 1970; Fan leaves all three free).

Fan's regularisers (equations 8 to 11): a map's mean square, its mean squared difference from its mirror image, and
the mean over vertices of the mean squared difference from their neighbours.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from tfface.config import DetailConfig

RADIAN_DEG = 57.29578
TINY = 1e-6
CHART = 256.0
"""Texels a side, about a millimetre each."""
DARKEST_SKIN, LARGEST_MISS, AROUND = 0.05, 0.2, 9
"""Of shading: what albedo is at least, what a texel's error counts at most (hair, shadows), and the side in texels of
the surroundings whose mean says nothing (a light that is a little off)."""
LINE_TEXELS, LARGEST_LINE, LINE_SLOPES = 5, 2.5, 4.0
"""Of lines: surroundings are means over so many texels of means over so many; tenths of a millimetre up to which
squares count (far beyond, a nostril or a lip is elsewhere); how much slopes count."""


class DetailObjective(keras.losses.Loss):
    """True maps `[B,R,R,5]` (albedo's offset, displacement in mm, weight) and the network's `[B,R,R,4]` to the loss.

    With `config.shading` what the network was shown follows the truth, `[B,R,R,5+12]`.
    """

    def __init__(self, config: DetailConfig) -> None:
        super().__init__(name="detail_objective", dtype="float32")
        self.config = config

    def call(self, y_true: Any, y_pred: Any) -> Any:
        weight, config = y_true[..., 4], self.config
        albedo = ops.mean(ops.abs(y_pred[..., :3] - y_true[..., :3]), axis=-1)
        total = config.albedo * _mean(albedo, weight) + config.displacement * displacement_mm(y_true, y_pred)
        total = total + config.slopes * _mean(ops.minimum(_slopes(y_true, y_pred), 2.0), _inner(weight))
        if config.lines:
            total = total + config.lines * lines(y_true, y_pred)
        return total + config.shading * shading(y_true[..., 5:], y_pred) if config.shading else total


def shading(shown: Any, y_pred: Any) -> Any:
    """By how much the displacement's shading misses the photograph's, in shares of the light.

    Args:
        shown: `[B,R,R,12]` photograph, base in its light, its albedo, tilt along u and v, what is seen.
        y_pred: `[B,R,R,4]`; its albedo counts, and learns nothing here: a freckle is to stay one.
    """
    photo, lit, own = (ops.mean(shown[..., start : start + 3], axis=-1) for start in (0, 3, 6))
    skin = ops.maximum(own + ops.stop_gradient(ops.mean(y_pred[..., :3], axis=-1)), DARKEST_SKIN)
    due = photo / skin - lit / ops.maximum(own, DARKEST_SKIN)
    across, down = _steps(y_pred[..., 3])
    tilt, seen = shown[:, :-1, :-1, 9:11], _inner(shown[..., 11])
    apart = (due[:, :-1, :-1] - tilt[..., 0] * across - tilt[..., 1] * down)[..., None]
    around = ops.average_pool(apart, AROUND, strides=1, padding="same")
    return _mean(ops.minimum(ops.abs(apart - around)[..., 0], LARGEST_MISS), seen)


def lines(y_true: Any, y_pred: Any) -> Any:
    """Of the difference of displacements less its surroundings' mean, and of its slopes: mean squares, tenths of a
    millimetre, where no edge of the face is misplaced."""
    weight = y_true[..., 4:5]
    apart = (y_true[..., 3:4] - y_pred[..., 3:4]) * weight

    def around(x: Any) -> Any:
        for _ in range(2):
            x = ops.average_pool(x, LINE_TEXELS, strides=1, padding="same")
        return x

    fine = 10.0 * (apart - weight * around(apart) / (around(weight) + 1e-3))[..., 0]
    inside = weight[..., 0] * ops.cast(around(weight)[..., 0] > 0.98, "float32")
    across, down = fine[:, :-1, 1:] - fine[:, :-1, :-1], fine[:, 1:, :-1] - fine[:, :-1, :-1]
    slopes = _huber(ops.square(across) + ops.square(down))
    return _mean(_huber(ops.square(fine)), inside) + LINE_SLOPES * _mean(slopes, _inner(inside))


def _huber(squares: Any) -> Any:
    """Squares, straight on from `LARGEST_LINE`. Cut off there they would teach nothing about the deepest lines."""
    far = ops.sqrt(ops.maximum(squares, LARGEST_LINE**2))
    return ops.minimum(squares, LARGEST_LINE**2) + 2.0 * LARGEST_LINE * (far - LARGEST_LINE)


def displacement_mm(y_true: Any, y_pred: Any) -> Any:
    """How far displacements are off on average, mm."""
    return _mean(ops.abs(y_pred[..., 3] - y_true[..., 3]), y_true[..., 4])


def slope_deg(y_true: Any, y_pred: Any) -> Any:
    """How far slopes are off on average, in degrees where a texel of 256 is a millimetre: about the normals' error."""
    return RADIAN_DEG * _mean(ops.arctan(_slopes(y_true, y_pred)), _inner(y_true[..., 4]))


def _slopes(y_true: Any, y_pred: Any) -> Any:
    """The length of the difference of slopes, `[B,R-1,R-1]` mm a texel of 256."""
    across, down = _steps(y_pred[..., 3] - y_true[..., 3])
    return ops.sqrt(ops.square(across) + ops.square(down) + TINY)


def _steps(displacement: Any) -> tuple[Any, Any]:
    """To the right and down, `[B,R-1,R-1]` mm a texel of 256."""
    rise = displacement * (displacement.shape[1] / CHART)
    return rise[:, :-1, 1:] - rise[:, :-1, :-1], rise[:, 1:, :-1] - rise[:, :-1, :-1]


def _inner(weight: Any) -> Any:
    """The weights of texels whose neighbours to the right and below count too."""
    return weight[:, :-1, :-1] * weight[:, :-1, 1:] * weight[:, 1:, :-1]


def _mean(values: Any, weight: Any) -> Any:
    return ops.sum(values * weight, axis=(1, 2)) / (ops.sum(weight, axis=(1, 2)) + 1.0)


def small(maps: Any) -> Any:
    """Equation 8 of maps `[B,H,W,C]`: the mean over pixels of the squared length."""
    return ops.mean(ops.sum(ops.square(maps), axis=-1), axis=(1, 2))


def symmetry(maps: Any) -> Any:
    """Equation 9: the same of a map less its mirror image in the picture."""
    return small(maps - ops.flip(maps, axis=2))


class Smoothness:
    """Equations 10 and 11 on a mesh.

    Args:
        triangles: `[F,3]`.
        count: of vertices.
    """

    def __init__(self, triangles: NDArray[np.integer], count: int) -> None:
        edges = np.unique(np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
        neighbours = np.maximum(np.bincount(edges.ravel(), minlength=count), 1)
        self._edges = edges.astype(np.int32)
        self._weights = (1 / neighbours[edges]).sum(1).astype(np.float32) / np.float32(count)

    def __call__(self, values: Any) -> Any:
        """Of values `[B,V,C]` at the vertices, `[B]`."""
        first, second = (ops.take(values, self._edges[:, side], axis=1) for side in (0, 1))
        return ops.sum(ops.sum(ops.square(first - second), axis=-1) * self._weights, axis=1)
