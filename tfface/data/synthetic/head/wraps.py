"""What hides the outline of a jaw: scarves wound round the neck, and beards that hang below the chin.

The true jaw stays where it is. A network that has seen these learns where it must be, instead of taking the edge of a
collar, a scarf or a beard for it. All lengths in millimetres, 68 landmarks in iBUG's order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.data.synthetic.head.mesh import CLOTH, HAIR, NUM_ATTRIBUTES, Piece, grid_triangles
from tfface.geometry.ibug68 import CHIN, JAW, JAW_ENDS, NUM_JAW

FloatArray = NDArray[np.floating]
_TURNS = 48
_SCARF_ROWS = 6
_BEARD_COLUMNS = 27


def scarf(landmarks: FloatArray, rng: np.random.Generator) -> Piece:
    """A band of cloth round the neck of a head with `landmarks` `[68,3]`, up to the chin or over it."""
    chin, ears = landmarks[CHIN], landmarks[list(JAW_ENDS)].mean(0)
    centre = np.array([ears[0], chin[1], ears[2] - 15.0])
    half_width = 0.5 * abs(landmarks[13, 0] - landmarks[3, 0]) * rng.uniform(1.02, 1.3)
    half_depth = chin[2] - centre[2] + rng.uniform(4.0, 20.0)
    turn = np.linspace(0.0, 2 * np.pi, _TURNS, endpoint=False)
    front = np.clip(np.cos(turn), 0.0, 1.0)
    top = rng.uniform(-14.0, 32.0) + rng.uniform(0.0, 22.0) * (1 - front)
    folds, phase = rng.integers(3, 9), rng.uniform(0, 6.3, _SCARF_ROWS)
    points = np.empty((_SCARF_ROWS, _TURNS, 3))
    for row, share in enumerate(np.linspace(0.0, 1.0, _SCARF_ROWS)):
        wide = 1.0 + 0.35 * share + rng.uniform(0.01, 0.05) * np.cos(folds * turn + phase[row])
        points[row, :, 0] = centre[0] + half_width * wide * np.sin(turn)
        points[row, :, 1] = centre[1] + top * (1 - share) - 130.0 * share
        points[row, :, 2] = centre[2] + half_depth * wide * np.cos(turn)
    attributes = np.zeros((_SCARF_ROWS, _TURNS, NUM_ATTRIBUTES), np.float32)
    attributes[..., 1] = rng.uniform(0.6, 0.95, _SCARF_ROWS)[:, None]
    attributes[..., 3] = 20.0  # kept whole
    attributes[..., 4] = turn / (2 * np.pi)
    attributes[..., 5] = np.linspace(0.0, 0.5, _SCARF_ROWS)[:, None]
    triangles = grid_triangles(_SCARF_ROWS, _TURNS, closed=True)
    return Piece(points.reshape(-1, 3).astype(np.float32), triangles, CLOTH, attributes.reshape(-1, NUM_ATTRIBUTES))


def hanging_beard(landmarks: FloatArray, rng: np.random.Generator) -> Piece:
    """Strands that hang from the jaw of a head with `landmarks` `[68,3]`."""
    along = np.linspace(2.0, 14.0, _BEARD_COLUMNS)
    jaw = np.stack([np.interp(along, np.arange(NUM_JAW), axis) for axis in landmarks[JAW].T], -1)
    away = jaw - (landmarks[list(JAW_ENDS)].mean(0) + [0.0, 15.0, -20.0])
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    length = rng.choice([rng.uniform(6, 24), rng.uniform(24, 85)], p=[0.7, 0.3])
    middle = np.exp(-(((along - 8) / rng.uniform(2.5, 6.0)) ** 2))  # longest below the chin
    drop = (length * (0.25 + 0.75 * middle))[:, None] * np.array([0.0, -1.0, 0.12])
    thick = rng.uniform(2.0, 7.0) * away
    rows = [jaw + [0.0, 9.0, 0.0] + 0.4 * away, jaw + thick, jaw + thick + drop / 2, jaw + 0.8 * thick + drop]
    attributes = np.zeros((4, _BEARD_COLUMNS, NUM_ATTRIBUTES), np.float32)
    attributes[..., 1] = 0.75
    attributes[..., 3] = np.array([4.0, 9.0, 4.0, -8.0])[:, None]
    attributes[..., 4] = np.linspace(0.0, 0.5, _BEARD_COLUMNS)
    attributes[..., 5] = np.linspace(0.0, 0.3, 4)[:, None]
    triangles = grid_triangles(4, _BEARD_COLUMNS, closed=False)
    return Piece(np.concatenate(rows).astype(np.float32), triangles, HAIR, attributes.reshape(-1, NUM_ATTRIBUTES))
