"""A Gauss-Newton step with a prior, and the positive definite system that it ends in.

Training takes Cholesky's factors, whose gradient is cheap. Neither ONNX nor TFLite knows a factorisation or a
triangular solve, so inside `plain_operations()` the same answer is made of products, sums and slices. Small systems are
eliminated. Large ones take a fixed number of steps of the method of conjugate gradients (Hestenes and Stiefel 1952).
Before that the unknowns are mixed so that the system of *usual* rows is the unit matrix. That mixture (Newton's
iteration for the inverse square root, Schulz 1933) follows from weights alone: whatever opens the graph calculates it
once, not for each picture. On real crops all texels are within .01 pixels of Cholesky's
(`tests/models/layers/test_solve.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

MOST_ELIMINATED = 48
"""Systems of at most so many unknowns are solved by elimination alone."""
ROOT_STEPS = 16
"""Of Newton's iteration: enough for systems whose eigenvalues lie a factor of 100,000 apart."""
TINY = 1e-30

_plain = False


@contextmanager
def plain_operations() -> Iterator[None]:
    """What is traced inside holds no operation that ONNX or TFLite lacks."""
    global _plain
    before, _plain = _plain, True
    try:
        yield
    finally:
        _plain = before


@dataclass(frozen=True)
class Usual:
    """What plain operations go by where they take conjugate gradients.

    Attributes:
        derivatives: gives a jacobian `[T,N,D,K]` and deviations `[N,1]` that follow from weights alone and are much
            like those of pictures.
        steps: how many are taken; the less pictures differ from what is usual, the fewer suffice.
    """

    derivatives: Callable[[], tuple[Any, Any]]
    steps: int

    def scaled(self, tau: Any) -> Usual:
        """The same by unknowns that are `tau` `[K]` times as small."""

        def scaled() -> tuple[Any, Any]:
            jacobian, sigma = self.derivatives()
            return jacobian * tau, sigma

        return Usual(scaled, self.steps)

    def rows(self) -> Any:
        """Rows times weights `[T,N*D,K]`."""
        jacobian, sigma = self.derivatives()
        return ops.reshape(jacobian / sigma[..., None], (jacobian.shape[0], -1, jacobian.shape[-1]))


def gauss_newton_step(jacobian: Any, residual: Any, sigma: Any, tau: Any, usual: Usual | None = None) -> Any:
    """The change `[B,K]` that minimises `sum_j (d_j / tau_j)^2 + sum_i |J_i d - r_i|^2 / sigma_i^2` over changes d.

    Args:
        jacobian: `[B,N,D,K]` (or `[1,N,D,K]`): of N places in pixels (D is 2), or of N colours in [0,1] (D is 3).
        residual: `[B,N,D]` from what they are to what they should be, in the same unit.
        sigma: `[B,N,1]` of the residual, likewise.
        tau: `[K]`.
        usual: plain operations need it for more than `MOST_ELIMINATED` numbers.
    """
    rows, size = residual.shape[1] * residual.shape[2], tau.shape[0]

    def flat(x: Any, last: int) -> Any:
        return ops.reshape(x, (-1, rows, last))

    weights = flat(ops.concatenate([1.0 / sigma] * residual.shape[2], axis=2), 1)
    right = flat(residual, 1)
    change = solve_with_prior(flat(jacobian * tau, size), weights, right, usual and usual.scaled(tau))
    return tau * change


def solve_with_prior(rows: Any, weights: Any, right: Any, usual: Usual | None = None) -> Any:
    """The x `[B,K]` that minimises `|weights (rows x - right)|^2 + |x|^2`.

    Args:
        rows: `[B,R,K]` (or `[1,R,K]`, the same for all).
        weights: `[B,R,1]`.
        right: `[B,R,1]`.
        usual: plain operations need it for more than `MOST_ELIMINATED` unknowns; with derivatives by x.
    """
    size = rows.shape[-1]
    if not _plain:
        matrix, side = _normal(rows, weights, right)
        factor = ops.cholesky(matrix + ops.eye(size))
        half = ops.solve_triangular(factor, side, lower=True)
        return ops.solve_triangular(ops.swapaxes(factor, 1, 2), half, lower=False)[..., 0]
    if size <= MOST_ELIMINATED:
        matrix, side = _normal(rows, weights, right)
        return _eliminated(ops.concatenate([matrix + ops.eye(size), side], axis=2))[..., size]
    assert usual is not None
    mixed = inverse_root(_mean_square(usual.rows()))
    matrix, side = _normal(ops.matmul(rows, mixed), weights, right)
    even = matrix + ops.matmul(ops.swapaxes(mixed, 0, 1), mixed)
    return ops.matmul(_conjugate_gradients(even, side, usual.steps)[..., 0], ops.swapaxes(mixed, 0, 1))


def _normal(rows: Any, weights: Any, right: Any) -> tuple[Any, Any]:
    """`[B,K,K]` and `[B,K,1]` of the normal equations, without the prior."""
    a = rows * weights
    across = ops.swapaxes(a, 1, 2)
    return ops.matmul(across, a), ops.matmul(across, right * weights)


def _mean_square(rows: Any) -> Any:
    """`[K,K]`, the mean over systems of `rows^T rows + 1`."""
    flat = ops.reshape(rows, (-1, rows.shape[-1]))
    return ops.matmul(ops.swapaxes(flat, 0, 1), flat) / rows.shape[0] + ops.eye(rows.shape[-1])


def _eliminated(rows: Any) -> Any:
    """Gauss' elimination of `[B,K,K+N]`: its first K columns become the unit matrix.

    No row is swapped, as a positive definite matrix needs none.
    """
    for k in range(rows.shape[-2]):
        pivot_row, column = rows[..., k : k + 1, :], rows[..., k : k + 1]
        others = np.zeros((rows.shape[-2], 1), np.float32)
        others[k] = 1.0
        rows = rows - (column - others) / pivot_row[..., k : k + 1] * pivot_row
    return rows


def inverse_root(matrix: Any) -> Any:
    """S `[K,K]` that makes a positive definite matrix nearly the unit matrix: `S^T matrix S = 1`.

    Its diagonal is made 1 first. Eigenvalues that Newton's iteration has not yet brought to 1 after `ROOT_STEPS` are
    below it, which is good enough for what is only to be made even.
    """
    scale = 1.0 / ops.sqrt(ops.sum(matrix * ops.eye(matrix.shape[0]), axis=1, keepdims=True))
    unit = matrix * scale * ops.swapaxes(scale, 0, 1)
    largest = ops.max(ops.sum(ops.abs(unit), axis=1))
    square, root = unit / largest, ops.eye(matrix.shape[0])
    for _ in range(ROOT_STEPS):
        nearer = 1.5 * ops.eye(matrix.shape[0]) - 0.5 * ops.matmul(root, square)
        square, root = ops.matmul(square, nearer), ops.matmul(nearer, root)
    return scale * root / ops.sqrt(largest)


def _conjugate_gradients(matrix: Any, right: Any, count: int) -> Any:
    """`[B,K,1]`: the sum over all steps is taken at once, which saves operations."""
    rest, direction, length = right, right, _product(right, right)
    directions, steps = [], []
    for _ in range(count):
        ahead = ops.matmul(matrix, direction)
        step = length / (_product(direction, ahead) + TINY)
        directions.append(direction)
        steps.append(step)
        rest = rest - step * ahead
        shorter = _product(rest, rest)
        direction = rest + shorter / (length + TINY) * direction
        length = shorter
    return ops.matmul(ops.concatenate(directions, axis=2), ops.concatenate(steps, axis=1))


def _product(a: Any, b: Any) -> Any:
    """`[B,1,1]` of `[B,K,1]`."""
    return ops.matmul(ops.swapaxes(a, 1, 2), b)
