"""Wrinkles, folds, pores and scars as a displacement along the normal: millimetres in the face's chart.

Creases are grooves with raised rims, at the places of `SkinChart` on the face that everything is painted on. How deep
one is follows age (0 to 1, as the painted skin has it) and the expression's ARKit weights: raised brows fold the
forehead, frowns the glabella, smiles and squints the eyes' corners and the cheeks. What is only colour (freckles,
moles, make-up, beards) is flat here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.data.synthetic.head.albedo import SkinChart, Texels

FloatArray = NDArray[np.floating]
MOST_MM = 1.6
"""Nothing is deeper or higher."""
CAVITY_TEXELS = 0.006
"""Of the chart's side: the surroundings that a hollow is measured against."""


@dataclass(frozen=True)
class Relief:
    """How one person's expression pulls at the skin, from 0 to about 1; pairs are (picture's right, left)."""

    age: float
    brows_up: tuple[float, float]
    frown: float
    squint: tuple[float, float]
    smile: tuple[float, float]
    sneer: float
    pucker: float
    mouth_down: float

    @classmethod
    def of(cls, age: float, weights: Mapping[str, float]) -> Relief:
        """Of ARKit weights by name."""

        def pair(name: str) -> tuple[float, float]:
            return weights.get(f"{name}Left", 0.0), weights.get(f"{name}Right", 0.0)

        inner = weights.get("browInnerUp", 0.0)
        return cls(
            age,
            tuple(min(0.6 * inner + 0.8 * side, 1.3) for side in pair("browOuterUp")),  # type: ignore[arg-type]
            min(sum(pair("browDown")) / 2 + 0.3 * sum(pair("noseSneer")), 1.3),
            tuple(max(a, 0.7 * b) for a, b in zip(pair("eyeSquint"), pair("cheekSquint"), strict=True)),  # type: ignore[arg-type]
            pair("mouthSmile"),
            sum(pair("noseSneer")) / 2,
            weights.get("mouthPucker", 0.0),
            sum(pair("mouthFrown")) / 2 + 0.4 * weights.get("mouthShrugLower", 0.0),
        )


class _Rows(Texels):
    """Rows of a chart: where their texels lie, in millimetres."""

    def __init__(self, chart: SkinChart, lowest_mm: float, highest_mm: float) -> None:
        front = (chart.z > 60) & (chart.y > lowest_mm) & (chart.y < highest_mm)
        found = np.flatnonzero(front.any(1))
        self.rows = slice(int(found[0]), int(found[-1]) + 1)
        self.x, self.y = chart.x[self.rows], chart.y[self.rows]
        self.resolution = chart.resolution
        self.side = np.clip(self.x / 6 + 0.5, 0, 1)  # 1 on the picture's right, the person's left

    def noise(self, rng: np.random.Generator, scale_mm: float, octaves: int = 1) -> NDArray[np.float32]:
        """Smooth noise of about unit variance with features of about `scale_mm`."""
        height, total = len(self.x), np.zeros(self.x.shape, np.float32)
        for octave in range(octaves):
            count = 256 / scale_mm * 2**octave
            sizes = [int(np.clip(count * side / self.resolution, 3, side)) for side in (height, self.resolution)]
            grid = rng.standard_normal(sizes, dtype=np.float32)
            total += cv2.resize(grid, total.shape[::-1], interpolation=cv2.INTER_CUBIC) * 0.5**octave
        return total * np.float32(1.25)  # cubic interpolation evens out a fifth

    def by_side(self, pair: tuple[float, float]) -> FloatArray:
        """A number for each half of the face, blended over some millimetres."""
        return self.side * pair[0] + (1 - self.side) * pair[1]


class WrinkleMaker:
    """Displacement maps on one chart."""

    def __init__(self, chart: SkinChart) -> None:
        self.chart = chart
        self._layers = [
            (_forehead, _Rows(chart, 735, 800)),
            (_glabella, _Rows(chart, 712, 765)),
            (_eyes, _Rows(chart, 690, 740)),
            (_cheeks, _Rows(chart, 630, 700)),
            (_mouth, _Rows(chart, 612, 680)),
            (_grain, _Rows(chart, 590, 900)),
            (_scar, _Rows(chart, 600, 800)),
            (_bags, _Rows(chart, 680, 716)),
            (_chewed, _Rows(chart, 615, 705)),
            (_strays, _Rows(chart, 600, 800)),
            (_weathered, _Rows(chart, 600, 800)),
        ]
        lids = np.clip(np.minimum(*(np.hypot((np.abs(chart.x) - 31) / 17, (chart.y - 718) / 8),) * 2) - 0.9, 0, 0.4)
        skin = chart.skin * np.clip((chart.z - 20) / 20, 0, 1) * np.clip((chart.y - 600) / 10, 0, 1)
        unblurred = np.asarray(skin * (1 - chart.lips) * lids / 0.4, np.float32)
        self.skin = np.asarray(cv2.GaussianBlur(unblurred, (0, 0), chart.resolution / 200), np.float32)

    def __call__(self, relief: Relief, rng: np.random.Generator) -> NDArray[np.float32]:
        """`[R,R]` millimetres, outwards positive."""
        total = np.zeros_like(self.skin)
        for layer, place in self._layers:
            total[place.rows] += layer(place, relief, rng)
        return np.asarray(np.clip(total * self.skin, -MOST_MM, MOST_MM), np.float32)


def _forehead(c: _Rows, relief: Relief, rng: np.random.Generator) -> FloatArray:
    """Lines across it, which raised brows deepen."""
    strength = 0.16 * _old(relief, rng) + c.by_side(relief.brows_up) * (0.25 + 0.55 * relief.age)
    strength = strength * rng.uniform(0.6, 1.4)
    spacing = rng.uniform(6.5, 11.0)
    bend = rng.normal(0.0, 2.0) * (c.x / 40) ** 2
    place = (c.y - 745 + bend + 1.3 * c.noise(rng, 35) + 0.35 * c.noise(rng, 9)) / spacing + rng.random()
    line = np.floor(place)
    depth = np.take(rng.uniform(0.3, 1.2, 40).astype(np.float32), (line.astype(int) % 40)) * np.clip(
        1 + 0.5 * c.noise(rng, 30), 0, 2
    )
    place -= line
    return strength * depth * _crease((place - 0.5) * spacing, 1.3) * c.blob(0, 766, 42, 19, 5)


def _glabella(c: _Rows, relief: Relief, rng: np.random.Generator) -> FloatArray:
    """One or two lines between the brows, and one across the root of the nose."""
    strength = (0.2 * _old(relief, rng) + relief.frown * (0.4 + 0.5 * relief.age)) * rng.uniform(0.6, 1.3)
    total = np.zeros_like(c.x)
    for side in (-1, 1) if rng.random() < 0.75 else (rng.choice([-1, 1]),):
        x = side * rng.uniform(4, 7.5) + side * rng.uniform(0.0, 0.15) * (c.y - 738) + 0.5 * c.noise(rng, 20)
        reach = np.exp(-(np.abs((c.y - 740) / rng.uniform(8, 14)) ** 4))
        total += rng.uniform(0.5, 1.1) * _crease(c.x - x, 1.4) * reach
    across = _crease(c.y - rng.uniform(721, 726) + 0.05 * c.x**2 / 6, 1.3) * np.exp(-((c.x / 8) ** 4))
    return strength * (total + rng.uniform(0.3, 0.8) * across)


def _eyes(c: _Rows, relief: Relief, rng: np.random.Generator) -> FloatArray:
    """Crow's feet, and lines below the lids."""
    x = np.abs(c.x)
    pull = np.maximum(c.by_side(relief.squint), 0.8 * c.by_side(relief.smile))
    strength = (0.2 * _old(relief, rng) + pull * (0.2 + 0.55 * relief.age)) * rng.uniform(0.6, 1.3)
    away = np.hypot(x - 42, c.y - 717)
    angle = np.arctan2(c.y - 717, np.maximum(x - 42, 0.3)) + 0.1 * c.noise(rng, 14)
    rays = angle * rng.uniform(3.2, 4.6) + rng.random()
    feet = _crease((rays - np.floor(rays) - 0.5) * np.maximum(away, 3) / 3.8, 1.1)
    feet *= c.blob(56, 716, 11, 14, 4) * np.clip((away - 5) / 4, 0, 1)
    under = c.y - 705 + 0.012 * (x - 29) ** 2 - 0.15 * (x - 29) + 0.6 * c.noise(rng, 25)
    lines = _crease(under, 1.2) + 0.6 * _crease(under + rng.uniform(3.5, 5), 1.0)
    return strength * (feet + rng.uniform(0.3, 0.9) * lines * c.blob(29, 704, 16, 9, 4))


def _cheeks(c: _Rows, relief: Relief, rng: np.random.Generator) -> FloatArray:
    """The fold from nose to mouth with the cheek before it, and lines of laughter beside it."""
    x = np.abs(c.x)
    smile = c.by_side(relief.smile)
    strength = (0.25 * _old(relief, rng) + 0.08 + smile * (0.6 + 0.5 * relief.age)) * rng.uniform(0.6, 1.3)
    beside = x - (16 + (678 - c.y) * 0.56 + 0.8 * c.noise(rng, 40))
    reach = np.exp(-(np.abs((c.y - 662) / 17) ** 4)) * (np.abs(beside) < 25)
    bulge = 0.9 * np.exp(-(((beside - 6) / 5) ** 2))
    fold = (_crease(beside, 1.9) + bulge) * reach
    outer = _crease(beside - rng.uniform(10, 14), 1.5) * np.exp(-(((c.y - 655) / 14) ** 4))
    return strength * fold + smile * relief.age * rng.uniform(0.1, 0.6) * outer


def _mouth(c: _Rows, relief: Relief, rng: np.random.Generator) -> FloatArray:
    """Lines from its corners down, fine ones above the lip, and the furrow above the chin."""
    x = np.abs(c.x)
    old = _old(relief, rng)
    down = x - (27 + (648 - c.y) * 0.15 + 0.5 * c.noise(rng, 25))
    corner = _crease(down, 1.6) * np.exp(-(np.abs((c.y - 637) / 11) ** 4)) * (np.abs(down) < 12)
    place = c.x / rng.uniform(3.2, 4.5) + 0.25 * c.noise(rng, 15) + rng.random()
    fine = _crease((place - np.floor(place) - 0.5) * 3.8, 0.9) * c.blob(0, 668, 18, 5, 4)
    chin = _crease(c.y - 634 + 0.012 * c.x**2, 2.6) * np.exp(-((c.x / 17) ** 4))
    depth = (0.18 * old + 0.7 * relief.mouth_down) * rng.uniform(0.5, 1.2)
    return depth * corner + (0.08 * old + 0.35 * relief.pucker) * fine + (0.15 + 0.5 * relief.mouth_down) * chin


def _grain(c: _Rows, relief: Relief, rng: np.random.Generator) -> FloatArray:
    """Unevenness of old skin, pores of nose and cheeks, and bumps of the nose's sides when it is wrinkled."""
    uneven = (0.02 + 0.05 * relief.age) * c.noise(rng, 7, 2)
    pores = -rng.uniform(0.01, 0.05) * np.clip(c.noise(rng, 1.6) - 0.3, 0, 2)
    pores *= 0.4 + c.blob(0, 685, 14, 14) + c.blob(30, 690, 18, 16)
    place = c.y + 0.9 * np.abs(c.x)
    bunny = _crease((place / 6 - np.floor(place / 6) - 0.5) * 6, 1.2) * c.blob(11, 706, 7, 9, 4)
    return uneven + pores + 0.6 * relief.sneer * bunny


def _scar(c: _Rows, relief: Relief, rng: np.random.Generator) -> FloatArray:
    """Now and then one, sunken or raised, and a few bumps."""
    total = np.zeros_like(c.x)
    if rng.random() < 0.08:
        x, y, turn = rng.uniform(-55, 55), rng.uniform(625, 785), rng.uniform(0, np.pi)
        along = (c.x - x) * np.cos(turn) + (c.y - y) * np.sin(turn)
        across = (c.y - y) * np.cos(turn) - (c.x - x) * np.sin(turn) + 0.02 * along**2 * rng.normal()
        length = rng.uniform(5, 18)
        sign = rng.choice([1.0, 1.0, -0.7])
        total += sign * rng.uniform(0.3, 0.8) * _crease(across, 1.3) * np.exp(-((along / length) ** 4))
    for _ in range(rng.poisson(0.8)):
        x, y, size = rng.uniform(-55, 55), rng.uniform(625, 785), rng.uniform(1.0, 2.2)
        total += rng.uniform(0.2, 0.7) * np.exp(-((c.x - x) ** 2 + (c.y - y) ** 2) / size**2)
    return total


def _bags(c: _Rows, relief: Relief, rng: np.random.Generator) -> FloatArray:
    """Swollen skin below the eyes, and the furrow that ends it."""
    edge = c.y - rng.uniform(690, 696) - 0.014 * (np.abs(c.x) - 30) ** 2 + 0.5 * c.noise(rng, 20)
    swollen = np.exp(-(((edge - 4.5) / 4) ** 2)) * c.blob(31, 700, 15, 12, 4)
    furrow = _crease(edge, 1.5) * c.blob(28, 693, 15, 9, 4)
    return 0.2 * _old(relief, rng) * (rng.uniform(0, 1.4) * swollen + rng.uniform(0, 1.2) * furrow)


def _chewed(c: _Rows, relief: Relief, rng: np.random.Generator) -> FloatArray:
    """Long lines down old cheeks, one beside the other, which a smile deepens."""
    beside = np.abs(c.x) - (24 + (678 - c.y) * rng.uniform(0.2, 0.6)) + 0.004 * (c.y - 655) ** 2 + c.noise(rng, 18)
    place = beside / rng.uniform(4.5, 8.0)
    line = np.floor(place)
    depth = np.take(rng.uniform(0.0, 1.2, 16).astype(np.float32), line.astype(int) % 16)
    strength = (0.06 * _old(relief, rng) + 0.3 * relief.age * c.by_side(relief.smile)) * rng.uniform(0.2, 1.3)
    lines = depth * _crease((place - line - 0.5) * 5.0, 1.1) * np.clip(beside / 4, 0, 1)
    return strength * lines * c.blob(44, 658, 22, 28, 4)


def _strays(c: _Rows, relief: Relief, rng: np.random.Generator) -> FloatArray:
    """Lines anywhere, as people sleep and squint them in: no two faces have the same."""
    total = np.zeros_like(c.x)
    for _ in range(rng.poisson(1.5 + 4 * _old(relief, rng))):
        x, y, turn = rng.uniform(-62, 62), rng.uniform(608, 792), rng.normal(0.0, 0.9)
        length, bend, width = rng.uniform(4, 20), rng.normal(0, 0.012), rng.uniform(0.8, 1.9)
        near = np.nonzero((np.abs(c.x - x) < 1.4 * length + 6) & (np.abs(c.y - y) < 1.4 * length + 6))
        right, up = c.x[near] - x, c.y[near] - y
        along, across = right * np.cos(turn) + up * np.sin(turn), up * np.cos(turn) - right * np.sin(turn)
        line = _crease(across + bend * along**2, width) * np.exp(-((along / length) ** 4))
        total[near] += rng.uniform(0.08, 0.5) * line
    return total


def _weathered(c: _Rows, relief: Relief, rng: np.random.Generator) -> FloatArray:
    """Fine lines that cross each other, in patches of old skin."""
    patches = np.clip(c.noise(rng, 45) + 0.3, 0, 1)
    total = np.zeros_like(c.x)
    for turn in rng.normal((0.5, 2.2), 0.4):
        spacing = rng.uniform(2.4, 4.0)
        place = (np.abs(c.x) * np.cos(turn) + c.y * np.sin(turn) + 1.2 * c.noise(rng, 12)) / spacing
        total += _crease((place - np.floor(place) - 0.5) * spacing, 0.8) * np.clip(1 + c.noise(rng, 9), 0, 2)
    return 0.03 * _old(relief, rng) * rng.uniform(0, 1.3) * patches * total


def _old(relief: Relief, rng: np.random.Generator) -> float:
    """Wrinkles that stay at rest, 0 for the young to some 3."""
    return float(3.0 * np.clip(relief.age - 0.2, 0, 0.8) * rng.uniform(0.5, 1.3))


def _crease(distance_mm: FloatArray, width_mm: float) -> FloatArray:
    """A groove of depth 1 with raised rims, at signed distances from its line."""
    away = np.abs(distance_mm) / width_mm
    return 0.38 * np.exp(-(((away - 2.1) / 1.1) ** 2)) - np.exp(-(away**2))


def relief_slopes(displacement_mm: NDArray[np.float32]) -> NDArray[np.float32]:
    """What shading reads of a displacement map `[R,R]`: its slopes along u and v (mm a chart's side), and how hollow
    each texel is (mm below its surroundings, at least 0), `[R,R,3]`."""
    scale = len(displacement_mm) - 1
    along_v, along_u = np.gradient(displacement_mm)
    around = cv2.GaussianBlur(displacement_mm, (0, 0), CAVITY_TEXELS * len(displacement_mm))
    hollow = np.maximum(around - displacement_mm, 0)
    return np.ascontiguousarray(np.stack([along_u * scale, along_v * scale, hollow], -1), np.float32)
