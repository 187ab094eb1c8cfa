"""Procedural skin in the UV chart: layers of melanin, blood and paint in millimetres of the mean face.

The logarithm of linear albedo starts at a base tone (CIELAB from the individual typology angle, L = 50 + b tan(ITA));
melanin and haemoglobin layers are subtracted from it; hair, lips and make-up are blended over it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.data.synthetic.colour import HAEMOGLOBIN, MELANIN, lab_to_linear
from tfface.face.open_model import OpenFace
from tfface.geometry.raster import interpolate, rasterize

FloatArray = NDArray[np.floating]

_HAIR_COLOURS = np.array(
    [
        [0.012, 0.009, 0.008],
        [0.03, 0.017, 0.011],
        [0.07, 0.038, 0.02],
        [0.16, 0.085, 0.04],
        [0.35, 0.22, 0.11],
        [0.18, 0.06, 0.025],
        [0.35, 0.34, 0.33],
    ]
)
_LIP_LINE_Y = 653.0


@dataclass
class SkinParameters:
    """What a face is painted from; lengths in millimetres, strengths about 0 to 1."""

    male: bool
    ita_deg: float
    lightness: float
    a: float
    b: float
    age: float
    hair: NDArray[np.floating]
    brow_thickness: float
    brow_density: float
    brow_height: float
    brow_arch: float
    brow_inner: float
    brow_outer: float
    brow_lightness: float
    beard: float
    moustache: bool
    chin_beard: bool
    lip_red: float
    lipstick: float
    lipstick_hue: float
    eyeshadow: float
    freckles: float
    redness: float
    eye_bags: float
    lashes: float
    hairline: float

    @property
    def darkness(self) -> float:
        """0 for the lightest skin, 1 for the darkest."""
        return float(np.clip((45 - self.ita_deg) / 90, 0, 1))

    @property
    def base(self) -> NDArray[np.float32]:
        """Linear RGB of the bare skin."""
        return lab_to_linear(self.lightness, self.a, self.b)


def sample_skin(rng: np.random.Generator) -> SkinParameters:
    """Random skin, hair colour, brows, lips, beard and make-up."""
    male = bool(rng.random() < 0.5)
    ita = rng.uniform(5, 62) if rng.random() < 0.6 else rng.uniform(-50, 62)
    b = float(np.clip(rng.normal(15.5 if ita > 10 else 13.5, 2.5), 8, 22))
    dark = ita < 4
    share = np.array([0.75, 0.22, 0, 0, 0, 0, 0.03] if dark else [0.25, 0.2, 0.2, 0.14, 0.1, 0.05, 0.06])
    painted = not male and rng.random() < 0.5
    beard = rng.choice([0.0, rng.uniform(0.1, 0.4), rng.uniform(0.5, 0.97)], p=[0.45, 0.33, 0.22]) if male else 0.0
    return SkinParameters(
        male=male,
        ita_deg=float(ita),
        lightness=float(np.clip(50 + b * np.tan(np.deg2rad(ita)), 27, 79)),
        a=float(np.clip(rng.normal(11, 2.2), 5, 18)),
        b=b,
        age=float(rng.random() ** 1.4),
        hair=_HAIR_COLOURS[rng.choice(7, p=share)] * rng.uniform(0.7, 1.35),
        brow_thickness=rng.uniform(2.4, 5.0) if male else rng.uniform(1.3, 3.6),
        brow_density=rng.uniform(0.35, 0.97),
        brow_height=rng.normal(0, 1.5),
        brow_arch=rng.uniform(1.0, 6.0),
        brow_inner=rng.uniform(6, 15),
        brow_outer=rng.uniform(48, 57),
        brow_lightness=rng.uniform(0.0, 0.7),
        beard=float(beard),
        moustache=bool(rng.random() < 0.65),
        chin_beard=bool(rng.random() < 0.3),
        lip_red=rng.uniform(0.1, 0.6),
        lipstick=rng.uniform(0.3, 1.0) if painted else 0.0,
        lipstick_hue=rng.uniform(-0.1, 0.6),
        eyeshadow=rng.uniform(0.2, 1.0) if painted and rng.random() < 0.7 else 0.0,
        freckles=max(0.0, rng.normal(-0.2, 0.5)) if ita > 25 else 0.0,
        redness=rng.uniform(0.03, 0.3),
        eye_bags=rng.uniform(0.02, 0.25),
        lashes=rng.uniform(0.35, 0.8) if male else rng.uniform(0.55, 1.0),
        hairline=rng.uniform(772, 800),
    )


class Texels:
    """Where texels lie: `x` and `y` in millimetres."""

    x: FloatArray
    y: FloatArray

    def blob(self, cx: float, cy: float, sx: float, sy: float, power: float = 2.0) -> FloatArray:
        """A soft spot round (+-cx, cy) with half widths sx, sy in millimetres, on both sides."""
        return np.exp(-(np.abs((np.abs(self.x) - cx) / sx) ** power + np.abs((self.y - cy) / sy) ** power))


class SkinChart(Texels):
    """What every texel of the chart shows on the face it was drawn on: position, part, CC0 masks, at `resolution`."""

    def __init__(self, face: OpenFace, resolution: int) -> None:
        surface = face.face(2)
        assert surface.uv is not None
        self.resolution = resolution
        points = np.zeros((len(surface.uv), 3), np.float32)
        points[:, :2] = surface.uv * (resolution - 1) + 0.5
        mean = surface.vertices(face.chart_mean)
        part = np.eye(5, dtype=np.float32)[surface.vertex_part]
        hit, weights, _ = rasterize(points, surface.triangles, resolution, resolution)
        maps = interpolate(hit, weights, surface.triangles, np.concatenate([mean, part], 1))
        self._fill_holes(maps, hit < 0)
        self.position, parts = maps[..., :3], maps[..., 3:]
        self.x, self.y, self.z = np.moveaxis(self.position, -1, 0)
        self.skin = np.clip(parts[..., 0] + parts[..., 1], 0, 1)
        self.eyes = (parts[..., 2], parts[..., 3])
        self.mouth = parts[..., 4]
        self.lips = cv2.GaussianBlur(self._mask(face, "lips"), (0, 0), resolution / 340) * self.skin
        detail = self._mask(face, "sss")
        self.detail = detail - cv2.GaussianBlur(detail, (0, 0), resolution / 43)
        self._eye_centres = [eye_sphere(face, face.chart_mean, part_index) for part_index in (2, 3)]

    def _fill_holes(self, maps: FloatArray, holes: NDArray[np.bool_]) -> None:
        from scipy.ndimage import distance_transform_edt

        rows, columns = distance_transform_edt(holes, return_distances=False, return_indices=True)
        maps[holes] = maps[rows[holes], columns[holes]]

    def _mask(self, face: OpenFace, name: str) -> NDArray[np.float32]:
        size = (self.resolution, self.resolution)
        image = cv2.resize(face.uv_masks[name], size, interpolation=cv2.INTER_AREA)
        return np.asarray(image, np.float32) / np.float32(255)

    @cached_property
    def lid_margin(self) -> NDArray[np.float32]:
        """1 where the eyelashes grow: skin close to the eyeball, stronger on the upper lid."""
        total = np.zeros_like(self.x)
        for (centre, radius), inside in zip(self._eye_centres, self.eyes, strict=True):
            gap = np.linalg.norm(self.position - centre, axis=-1) - radius
            near = np.exp(-(((gap - 0.9) / 1.1) ** 2)) * (1 - inside)
            near *= (np.abs(self.x - centre[0]) < 20) & (np.abs(self.y - centre[1]) < 13)
            total += near * np.where(self.y > centre[1] - 1.5, 1.0, 0.35) * self.skin
        return np.clip(total, 0, 1).astype(np.float32)

    def noise(self, rng: np.random.Generator, scale_mm: float, octaves: int = 1) -> NDArray[np.float32]:
        """Smooth noise of unit variance with features of about `scale_mm`."""
        size = (self.resolution, self.resolution)
        total = np.zeros(size, np.float32)
        for octave in range(octaves):
            count = int(np.clip(256 / scale_mm * 2**octave, 2, self.resolution))
            grid = rng.standard_normal((count, count), dtype=np.float32)
            total += cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC) * 0.5**octave
        return total / total.std()


def eye_sphere(face: OpenFace, cage: FloatArray, part: int) -> tuple[FloatArray, float]:
    """Centre and radius in millimetres of the sphere through the eye membrane of a cage `[C,3]`."""
    surface = face.head(1)
    points = surface.vertices(cage)[surface.vertex_part == part].astype(np.float64)
    solution = np.linalg.lstsq(np.c_[2 * points, np.ones(len(points))], (points**2).sum(1), rcond=None)[0]
    return solution[:3], float(np.sqrt(solution[3] + solution[:3] @ solution[:3]))


class SkinPainter:
    """Paints one face; `paint` gives the texture of `AlbedoBank`. Without `wrinkles` it is the same but for these."""

    def __init__(self, chart: SkinChart, skin: SkinParameters, rng: np.random.Generator, wrinkles: bool = True) -> None:
        self.chart, self.skin, self.rng, self.wrinkles = chart, skin, rng, wrinkles
        shape = (chart.resolution, chart.resolution)
        self.log = np.tile(np.log(skin.base), (*shape, 1)).astype(np.float32)
        self.bare = np.ones(shape, np.float32)  # 1 skin, 0 hair, eye or mouth

    def _melanin(self, amount: FloatArray) -> None:
        self.log -= np.asarray(amount, np.float32)[..., None] * MELANIN

    def _blood(self, amount: FloatArray) -> None:
        self.log -= np.asarray(amount, np.float32)[..., None] * HAEMOGLOBIN

    def _cover(self, mask: FloatArray, log_colour: FloatArray) -> None:
        mask = np.asarray(mask, np.float32)[..., None]
        self.log += (np.asarray(log_colour, np.float32) - self.log) * mask

    def paint(self) -> NDArray[np.uint8]:
        """`[R,R,4]`: the square root of linear RGB, and how bare the skin is, each times 255."""
        for layer in (self._base, self._sockets, self._wrinkles, self._spots, self._eyeshadow, self._lips):
            layer()
        for layer in (self._beard, self._brows, self._lids):
            layer()
        chart = self.chart
        self._cover(np.clip(chart.eyes[0] + chart.eyes[1], 0, 1), np.log([0.62, 0.55, 0.52]))
        self._cover(chart.mouth, np.log([0.06, 0.015, 0.015]))
        self.bare *= chart.skin
        colour = np.sqrt(np.clip(np.exp(self.log), 0.0, 1.0))
        return (np.dstack([colour, np.clip(self.bare, 0, 1)]) * 255 + 0.5).astype(np.uint8)

    def _base(self) -> None:
        c, rng, skin = self.chart, self.rng, self.skin
        self._melanin(0.06 * c.noise(rng, 90, 3) + 0.02 * c.noise(rng, 7, 2))
        self._blood(0.04 * c.noise(rng, 30, 3) + 0.025 * c.noise(rng, 4))
        red = skin.redness * (1 - 0.6 * skin.darkness)
        ears = 0.8 * np.clip((np.abs(c.x) - 64) / 8, 0, 1) * (c.z < 75)
        nose = 0.9 * c.blob(0, 679, 11, 10) + 0.5 * c.blob(0, 632, 14, 8) + 0.3 * c.blob(0, 740, 22, 10)
        self._blood(red * (c.blob(38, 683, 17, 15) * rng.uniform(0.3, 1.6) + nose + ears))
        self._melanin(-0.1 * c.blob(0, 765, 38, 26) - 0.05 * c.blob(0, 690, 8, 20))
        self._melanin(0.1 * np.clip((np.abs(c.x) - 50) / 25, 0, 1) + 0.08 * np.clip((628 - c.y) / 20, 0, 1))
        self.log += 1.7 * c.detail[..., None] * np.array([1, 0.8, 0.7], np.float32) * rng.uniform(0.6, 1.5)

    def _sockets(self) -> None:
        c, bags = self.chart, self.skin.eye_bags
        self._melanin(bags * c.blob(29, 708, 13, 5.5) + 0.5 * bags * c.blob(17, 714, 7, 8))
        self._melanin(0.08 * c.blob(30, 728, 15, 6))
        self._blood(0.5 * bags * c.blob(28, 709, 13, 6) + 0.06 * c.blob(30, 728, 15, 6))

    def _wrinkles(self) -> None:
        c, rng, age = self.chart, self.rng, self.skin.age
        x, before = np.abs(c.x), self.log.copy()
        fold = np.exp(-(((x - (15 + (676 - c.y) * 0.52 + c.noise(rng, 40))) / 1.6) ** 2)) * c.blob(25, 662, 16, 13, 4)
        self._melanin((0.06 + 0.3 * age * rng.random()) * fold + 0.06 * c.blob(0, 640, 13, 3))
        old = max(0.0, age - 0.35)
        lines = np.maximum(0, np.sin((c.y + 2 * c.noise(rng, 40)) / rng.uniform(1.1, 1.7))) ** 2
        self._melanin(0.5 * old * lines * c.blob(0, 765, 40, 14, 4))
        feet = np.maximum(0, np.sin(np.arctan2(c.y - 718, np.maximum(x - 40, 0.5)) * 12 + c.noise(rng, 20))) ** 2
        self._melanin(0.5 * old * feet * c.blob(51, 718, 7, 9, 3))
        under = np.maximum(0, np.sin((c.y - 0.1 * x + c.noise(rng, 30)) / 0.9)) ** 2
        self._melanin(0.4 * old * under * c.blob(29, 706, 13, 4))
        self._melanin(0.25 * old * c.blob(4.5, 737, 1.0, 7))
        if not self.wrinkles:
            self.log = before

    def _spots(self) -> None:
        c, rng, skin = self.chart, self.rng, self.skin
        if skin.freckles > 0:
            speckle = np.clip(c.noise(rng, 1.8) - 1.4, 0, 1)
            self._melanin(skin.freckles * 0.9 * speckle * (c.blob(26, 690, 24, 16) + 0.6 * c.blob(0, 690, 12, 14)))
        if rng.random() < 0.07:
            self._blood(0.5 * np.clip(c.noise(rng, 2.5) - 2.0, 0, 1))
        for _ in range(rng.poisson(1.5)):
            x, y, size = rng.uniform(-60, 60), rng.uniform(620, 780), rng.uniform(0.6, 1.4)
            self._melanin(0.9 * np.exp(-(((c.x - x) ** 2 + (c.y - y) ** 2) / size**2)) * (c.z > 40))

    def _eyeshadow(self) -> None:
        if self.skin.eyeshadow:
            paint = np.log(self.rng.uniform([0.08, 0.04, 0.06], [0.5, 0.35, 0.5]))
            place = self.chart.blob(30, 727 + self.rng.uniform(-2, 3), self.rng.uniform(12, 18), 6.5, 2.5)
            self._cover(0.55 * self.skin.eyeshadow * place, paint)

    def _lips(self) -> None:
        c, skin = self.chart, self.skin
        self._blood(c.lips * (skin.lip_red * (1 - 0.35 * skin.darkness) + 0.04 * c.noise(self.rng, 2.5)))
        self._melanin(c.lips * (0.05 + 0.2 * skin.darkness))
        if skin.lipstick:
            hue = skin.lipstick_hue
            self._cover(
                0.75 * skin.lipstick * c.lips,
                np.log([0.45 - 0.2 * max(hue - 0.3, 0), 0.05 + 0.1 * hue, 0.07 + 0.12 * hue]),
            )
        self._melanin(0.7 * c.lips * np.exp(-(((c.y - _LIP_LINE_Y) / 1.0) ** 2)))

    def _beard(self) -> None:
        c, rng, skin = self.chart, self.rng, self.skin
        if skin.beard <= 0:
            return
        knots, low = [0, 15, 25, 40, 52, 60, 66, 76], rng.uniform(-10, 4)
        upper = np.array([637, 638.5, 658, 664, 672, 692, 712, 716]) + np.array([0, 0, 1, 1, 1, 0.7, 0.2, 0]) * low
        edge = np.interp(np.abs(c.x), knots, upper) + 2 * c.noise(rng, 15)
        mask = np.clip((z_front := c.z - 38) / 14, 0, 1) / (1 + np.exp((c.y - edge) / 2.2)) * (z_front > 0)
        if skin.chin_beard:
            mask *= np.clip((38 - np.abs(c.x)) / 10, 0, 1)
        if skin.moustache:
            mask = np.maximum(mask, c.blob(0, 667, 22, 4.5, 4))
        mask = np.clip(mask, 0, 1) * (1 - c.lips) * np.clip((c.y - 598) / 14, 0, 1)
        mask = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), c.resolution / 170) * (1 - c.lips)
        grain = 0.55 + 0.6 * (0.5 + 0.5 * np.clip(0.7 * c.noise(rng, 1.6) + 0.3 * c.noise(rng, 15), -1, 1))
        amount = np.clip(skin.beard * mask * grain, 0, 0.97)
        hair = np.log(skin.hair)
        self._cover(
            amount, hair + 0.25 * c.noise(rng, 2)[..., None] if skin.beard > 0.45 else 0.5 * (hair + self.log) - 0.15
        )
        self.bare *= 1 - amount

    def _brows(self) -> None:
        c, rng, skin = self.chart, self.rng, self.skin
        along = (np.abs(c.x) - skin.brow_inner) / (skin.brow_outer - skin.brow_inner)
        inside = np.clip(along, -0.3, 1.3)
        middle = 732.0 + skin.brow_height + skin.brow_arch * np.sin(np.clip(inside, 0, 1.2) * np.pi * 0.62)
        middle -= 12.0 * np.clip(inside - 0.7, 0, 1) + 0.6 * c.noise(rng, 20)
        width = skin.brow_thickness * (1 - 0.65 * np.clip(inside, 0, 1) ** 2) * np.clip(0.7 + inside, 0.3, 1)
        mask = np.exp(-(np.abs((c.y - middle) / np.maximum(width, 0.6)) ** 3)) * (c.z > 70)
        mask *= np.clip((along + 0.1) / 0.2, 0, 1) * np.clip((1.04 - along) / 0.15, 0, 1)
        strokes = np.sin((c.x * np.sign(c.x) + 0.8 * c.y) * 2.2 + 2 * c.noise(rng, 6))
        amount = np.clip(mask * skin.brow_density * (0.85 + 0.15 * strokes + 0.2 * c.noise(rng, 2)), 0, 0.97) * c.skin
        self._cover(
            amount, np.log(skin.hair) * (1 - 0.35 * skin.brow_lightness) + self.log * 0.35 * skin.brow_lightness
        )
        self.bare *= 1 - amount

    def _lids(self) -> None:
        self._cover(np.clip(self.chart.lid_margin * self.skin.lashes, 0, 0.95), np.log([0.02, 0.014, 0.012]))
