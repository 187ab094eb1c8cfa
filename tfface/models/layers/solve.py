"""Symmetric positive definite systems, in training by Cholesky's factors and in exports by plain operations.

Neither ONNX nor TFLite knows a factorisation or a triangular solve. Inside `plain_operations()` the same answer is made
of products, sums and slices: small systems by elimination, larger ones by a fixed number of steps of the method of
conjugate gradients (Hestenes and Stiefel 1952), before which blocks along the diagonal are made unit matrices. On real
crops all unknowns are within .001 pixels of Cholesky's (`tests/models/layers/test_solve.py`); training keeps Cholesky,
whose gradient is cheaper.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from keras import ops

BLOCK = 16
"""Side of the blocks along the diagonal that are eliminated at once."""
MOST_ELIMINATED = 48
"""Systems of at most so many unknowns are solved by elimination alone."""
STEPS = 36
"""Of conjugate gradients: 25 bring points of real faces within .01 pixels."""
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


def solve_positive(matrix: Any, right: Any) -> Any:
    """x `[B,K,1]` with `matrix @ x = right`.

    Args:
        matrix: `[B,K,K]`, symmetric and positive definite.
        right: `[B,K,1]`.
    """
    if not _plain:
        factor = ops.cholesky(matrix)
        half = ops.solve_triangular(factor, right, lower=True)
        return ops.solve_triangular(ops.swapaxes(factor, 1, 2), half, lower=False)
    if matrix.shape[-1] <= MOST_ELIMINATED:
        return eliminated(ops.concatenate([matrix, right], axis=2), downwards_only=False)[..., matrix.shape[-1] :]
    return _by_conjugate_gradients(matrix, right)


def eliminated(rows: Any, downwards_only: bool) -> Any:
    """Gauss' elimination of `[...,K,K+N]`: its first K columns become the unit matrix, or upper triangular.

    No row is swapped, as a positive definite matrix needs none.
    """
    for k in range(rows.shape[-2]):
        pivot_row, column = rows[..., k : k + 1, :], rows[..., k : k + 1]
        others = np.zeros((rows.shape[-2], 1), np.float32)
        others[k] = 1.0
        if downwards_only:
            column = column * (np.arange(len(others)) > k).astype(np.float32)[:, None]
            others[k] = 0.0
        rows = rows - (column - others) / pivot_row[..., k : k + 1] * pivot_row
    return rows


def _by_conjugate_gradients(matrix: Any, right: Any) -> Any:
    size = matrix.shape[-1]
    blocks = -(-size // BLOCK)
    padded = blocks * BLOCK
    if padded > size:
        matrix = ops.pad(matrix, ((0, 0), (0, padded - size), (0, padded - size)))
        matrix = matrix + np.diag(np.float32(np.arange(padded) >= size))
        right = ops.pad(right, ((0, 0), (0, padded - size), (0, 0)))
    scale = _inverse_factors(matrix, blocks)

    def scaled(x: Any) -> Any:
        columns = x.shape[-1]
        product = ops.matmul(scale, ops.reshape(x, (-1, blocks, BLOCK, columns)))
        return ops.reshape(product, (-1, padded, columns))

    even = scaled(ops.swapaxes(scaled(matrix), 1, 2))
    found = _conjugate_gradients(even, scaled(right))
    back = ops.matmul(ops.swapaxes(scale, 2, 3), ops.reshape(found, (-1, blocks, BLOCK, 1)))
    return ops.reshape(back, (-1, padded, 1))[:, :size]


def _inverse_factors(matrix: Any, blocks: int) -> Any:
    """S `[B,N,b,b]` that make the blocks along the diagonal `[B,N,b,b]` unit matrices: `S D S^T = 1`."""
    diagonal = ops.stack([matrix[:, i : i + BLOCK, i : i + BLOCK] for i in range(0, blocks * BLOCK, BLOCK)], axis=1)
    unit = np.eye(BLOCK, dtype=np.float32)
    rows = eliminated(ops.concatenate([diagonal, ops.zeros_like(diagonal) + unit], axis=3), downwards_only=True)
    pivots = ops.sum(rows[..., :BLOCK] * unit, axis=-1, keepdims=True)
    return rows[..., BLOCK:] / ops.sqrt(pivots)


def _conjugate_gradients(matrix: Any, right: Any) -> Any:
    found, rest, direction = 0.0 * right, right, right
    length = ops.sum(rest * rest, axis=1, keepdims=True)
    for _ in range(STEPS):
        ahead = ops.matmul(matrix, direction)
        step = length / (ops.sum(direction * ahead, axis=1, keepdims=True) + TINY)
        found, rest = found + step * direction, rest - step * ahead
        shorter = ops.sum(rest * rest, axis=1, keepdims=True)
        direction = rest + shorter / (length + TINY) * direction
        length = shorter
    return found
