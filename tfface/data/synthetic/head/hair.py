"""Hair, hats and hoods: a sheet over the skull that hangs down below the brows, cut where the style ends.

The sheet's columns go round the head (angle phi, 0 in front), its rows from the crown down: `s` is the polar angle in
degrees from the crown to 90 (the height of the brows), then 90 plus the drop in millimetres. A style is the curve
`end(phi)`, a thickness and some waviness; strands are cut by noise where `end - s` reaches 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tfface.data.synthetic.head.mesh import HAIR, HAT, HeadMesh, Piece, grid_triangles

FloatArray = NDArray[np.floating]
_COLUMNS = 96
_SKULL_ROWS = np.concatenate([[1.0], np.linspace(8.0, 90.0, 18)])
_DROPS = np.concatenate([np.linspace(8.0, 80.0, 8), np.linspace(100.0, 260.0, 6)])
_CENTRE = np.array([0.0, 735.0, 48.0])


@dataclass(frozen=True)
class HairStyle:
    """A cut of the sheet.

    Attributes:
        end: `[96]` where each column ends, in `s`.
        thickness: mm above the skull.
        flare: mm outwards at the lower end.
        wave: amplitude in mm of the waves.
        curl: 0 straight strands to 1 frizz.
        scalp: 0 bald to 1 a full painted hairline beneath.
        material: hair or hat.
    """

    end: NDArray[np.float32]
    thickness: float
    flare: float
    wave: float
    curl: float
    scalp: float
    material: int = HAIR


def _turn() -> FloatArray:
    """The columns' angles in degrees, 0 in front, in (-180, 180]."""
    return np.linspace(-180.0, 180.0, _COLUMNS, endpoint=False)


def _ripple(rng: np.random.Generator, amplitude: float, most: int = 9) -> FloatArray:
    """A smooth periodic curve over the columns."""
    turn = np.deg2rad(_turn())
    curve = np.zeros(_COLUMNS)
    for frequency in range(1, most):
        curve += rng.normal() * np.cos(frequency * turn + rng.uniform(0, 6.3)) / np.sqrt(frequency)
    return amplitude * curve / 2


def _short_end(rng: np.random.Generator, front: float) -> FloatArray:
    nape, burns = rng.uniform(130, 175), rng.uniform(88, 112)
    knots = [0, 30, 50, 72, 84, 100, 118, 135, 180]
    temple = rng.uniform(60, 72)
    values = [front, front + 2, temple, 84, burns, 86, 105, nape - 10, nape]
    return np.interp(np.abs(_turn()), knots, values) + _ripple(rng, 2.5, 14)


def _fringe(rng: np.random.Generator, end: FloatArray) -> FloatArray:
    """Hair that falls over the forehead: straight, to one side, in curtains, or over an eye."""
    turn = _turn()
    kind, depth = rng.integers(4), rng.uniform(70, 93)
    if kind == 0:
        cover = np.where(np.abs(turn) < 62, depth, 0.0) + _ripple(rng, 2.0, 20)
    elif kind == 1:
        side = rng.choice([-1, 1])
        cover = np.where(np.abs(turn) < 68, 62 + (depth - 55) * np.clip((side * turn + 35) / 90, 0, 1.3), 0.0)
    elif kind == 3:
        side = rng.choice([-1, 1]) * turn - rng.uniform(-15, 25)
        cover = np.where((side > 0) & (side < 90), 72 + rng.uniform(15, 60) * np.clip(side / 40, 0, 1), 0.0)
        cover += _ripple(rng, 3.0, 20) * (cover > 0)
    else:
        cover = np.where(np.abs(turn) < 68, 58 + np.clip(np.abs(turn) - 8, 0, 60) * rng.uniform(0.4, 0.8), 0.0)
    return np.maximum(end, cover)


def sample_style(rng: np.random.Generator, male: bool, age: float, hairline: float, fringe: float) -> HairStyle | None:
    """Bald (None), cropped, short, tied back, a fringe, or long hair; women's and men's in other shares.

    Args:
        fringe: the probability of a fringe with short or long hair.
    """
    share = [0.1, 0.14, 0.38, 0.04, 0.12, 0.22] if male else [0.01, 0.02, 0.06, 0.14, 0.14, 0.63]
    kind = rng.choice(6, p=share)
    front = float(np.clip(90 - np.rad2deg(np.arctan2(hairline - 735.0, 80.0)) - 3, 45, 66)) + rng.uniform(-3, 3)
    if kind == 0:
        return None
    end = _short_end(rng, front)
    if kind == 1:
        return HairStyle(end.astype(np.float32), rng.uniform(1.5, 4), 0, 0, 0.6, rng.uniform(0.5, 0.9))
    frizz = rng.random() ** 2
    thickness = rng.uniform(5, 16) + (rng.uniform(10, 35) if frizz > 0.6 else 0)
    if kind == 3:
        return HairStyle(np.minimum(end, 112).astype(np.float32), rng.uniform(3, 9), 0, 1.0, 0.1, 1.0)
    if kind == 4 or rng.random() < fringe:
        end = _fringe(rng, end)
    if kind == 5:
        opening, soft = 30 + 54 * rng.beta(1.1, 1.4), rng.uniform(4, 18)
        length = 90 + rng.choice([rng.uniform(45, 110), rng.uniform(110, 255)], p=[0.35, 0.65])
        turn = np.abs(_turn() + rng.normal(0, 7))
        hang = np.clip((turn - opening) / soft, 0, 1)
        end = np.maximum(end, np.where(hang > 0, front + (length - front) * hang, 0) + _ripple(rng, 5, 16) * hang)
    flare = rng.uniform(-6, 28) if kind == 5 else 0.0
    wave = rng.choice([rng.uniform(0, 1.5), rng.uniform(1.5, 5)])
    return HairStyle(end.astype(np.float32), thickness, flare, wave, frizz, rng.uniform(0.8, 1.0))


def sample_hat(rng: np.random.Generator) -> HairStyle:
    """A cap, a beanie, or a hood."""
    turn = np.abs(_turn())
    if rng.random() < 0.25:
        opening = rng.uniform(50, 75)
        end = np.where(turn > opening, 330.0, rng.uniform(45, 66) + np.clip(turn - opening + 12, 0, 12) * 3)
        return HairStyle(end.astype(np.float32), rng.uniform(14, 30), rng.uniform(-5, 20), 2.0, 0.0, 1.0, HAT)
    front, back = rng.uniform(58, 84), rng.uniform(80, 125)
    end = front + (back - front) * (turn / 180) ** rng.uniform(0.7, 1.6)
    return HairStyle(end.astype(np.float32), rng.uniform(6, 16), 0.0, 0.8, 0.0, 1.0, HAT)


class HairSheet:
    """The sheet bound to a head: each of its skull vertices is a weighted mean of nearby head vertices."""

    def __init__(self, head: HeadMesh) -> None:
        turn, polar = np.deg2rad(_turn()), np.deg2rad(_SKULL_ROWS)
        self.out = np.stack([np.sin(turn), np.zeros(_COLUMNS), np.cos(turn)], -1)
        self.ray = np.sin(polar)[:, None, None] * self.out + np.cos(polar)[:, None, None] * np.array([0, 1.0, 0])
        self.matrix = self._bind(head)
        self.along = np.concatenate([_SKULL_ROWS, 90.0 + _DROPS])
        self.triangles = grid_triangles(len(self.along), _COLUMNS, closed=True)

    def _bind(self, head: HeadMesh) -> sp.csr_matrix:
        """Rows average the head's vertices whose direction from the skull's centre is nearly the ray's."""
        from scipy.spatial import cKDTree

        usable = np.flatnonzero((head.drawn_on[:, 1] > 722) & (np.abs(head.drawn_on[:, 0]) < 77))
        direction = head.drawn_on[usable] - _CENTRE
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        distance, near = cKDTree(direction).query(self.ray.reshape(-1, 3), k=8)
        weight = np.exp(-((distance / (distance[:, :1] + 0.04)) ** 2))
        weight /= weight.sum(1, keepdims=True)
        rows = np.repeat(np.arange(len(weight)), 8)
        shape = (len(weight), len(head.drawn_on))
        return sp.csr_matrix((weight.ravel(), (rows, usable[near].ravel())), shape, dtype=np.float32)

    def build(self, head: FloatArray, style: HairStyle, rng: np.random.Generator) -> Piece:
        """The sheet on a head `[V,3]` in millimetres."""
        skull = (self.matrix @ head).reshape(len(_SKULL_ROWS), _COLUMNS, 3)
        rise = np.clip((style.end[None] - _SKULL_ROWS[:, None]) / 12, 0.15, 1.0)[..., None]
        skull = skull + self.ray * (style.thickness * rise)
        drop = _DROPS[:, None, None]
        outward = style.flare * (drop / 150) ** 2 - 8.0 * np.clip(drop / 60, 0, 1) * (style.flare < 4)
        hanging = skull[-1][None] + self.out * outward - np.array([0, 1.0, 0]) * drop
        points = np.concatenate([skull, hanging])
        phase = np.deg2rad(_turn())[None, :] * rng.integers(6, 20) + self.along[:, None] / rng.uniform(10, 30)
        waves = np.cos(phase + rng.uniform(0, 6.3)) + 0.7 * np.cos(2.7 * phase + rng.uniform(0, 6.3))
        lumps = rng.normal(0, style.curl * 2.0, waves.shape)
        push = style.wave * np.clip(self.along[:, None] / 90, 0.1, 1.4) * waves + lumps
        points = points + np.concatenate([self.ray, np.broadcast_to(self.out, hanging.shape)]) * push[..., None]
        attributes = np.zeros((*points.shape[:2], 6), np.float32)
        attributes[..., 1] = np.clip(0.65 + 0.35 * (90 - self.along[:, None]) / 60, 0.5, 1.0)
        sharp = 6.0 if style.material == HAT else 1.0  # cloth ends in a hem, hair in strands
        attributes[..., 3] = (style.end[None] - self.along[:, None]) * sharp
        attributes[..., 4] = np.abs(_turn())[None] / 180.0
        attributes[..., 5] = self.along[:, None] / 180.0
        return Piece(
            points.reshape(-1, 3).astype(np.float32), self.triangles, style.material, attributes.reshape(-1, 6)
        )


def scalp_field(head: HeadMesh, hairline: float) -> NDArray[np.float32]:
    """`[V]` 1 where hair grows on the skin behind the chart (nape, behind the ears), 0 on the face."""
    x, y, z = head.drawn_on.T
    edge = hairline - np.clip(np.abs(x) - 35, 0, 40) ** 1.35 * 0.33
    top = np.clip((y - edge) / 14, 0, 1)
    back = np.clip((40 - z) / 14, 0, 1) * np.clip((y - (645 + 10 * np.clip((z + 60) / 80, 0, 1))) / 18, 0, 1)
    side = np.clip((64 - z) / 10, 0, 1) * np.clip((y - 735) / 12, 0, 1)
    ear = np.clip((np.abs(x) - 70) / 3, 0, 1) * (y < 738) * (y > 668) * (z > 20)
    field = np.clip(np.maximum(np.maximum(top, back), side) * (1 - ear), 0, 1)
    ragged = np.cos(0.31 * x + 2) + np.cos(0.43 * y) + np.cos(0.37 * z + 0.2 * x) + np.cos(0.6 * x - 0.2 * y)
    field = np.clip(field * (1.2 + 0.2 * ragged), 0, 1) ** 1.5
    return np.where(head.surface.vertex_part == 0, field, 0.0).astype(np.float32)
