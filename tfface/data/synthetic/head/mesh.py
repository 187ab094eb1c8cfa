"""The renderer's mesh: the head with its chart, shoulders hung from the neck's border, and whatever a person adds.

A `Piece` is a bit of mesh with a material; `assemble` joins pieces into the arrays that `shade` reads. Attributes of a
vertex are (chart is valid, ambient occlusion, hair on the scalp, keep, strand across, strand along); where `keep` is
negative hair and hanging cloth are cut, and clothes leave the skin bare.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfface.face.open_model import OpenFace
from tfface.geometry.cut import border_loops

FloatArray = NDArray[np.floating]
SKIN, CLOTH, EYE, MOUTH, TEETH, FRAME, HAIR, HAT, LASH, GUM, TONGUE = range(11)
NUM_MATERIALS = 11
NUM_ATTRIBUTES = 6


@dataclass(frozen=True)
class Piece:
    """A part of the scene's mesh: vertices `[V,3]` mm, triangles `[F,3]`, a material, attributes `[V,6]`."""

    vertices: NDArray[np.float32]
    triangles: NDArray[np.int32]
    material: int
    attributes: NDArray[np.float32]


@dataclass(frozen=True)
class Clothes:
    """What is worn below the neck.

    Attributes:
        width: of the shoulders, 1 as usual.
        lift_mm: how much higher all of it begins.
        open_mm: how far below the neck the cloth begins; None for a collar round it.
        vee_mm: how much further down in front.
    """

    width: float
    lift_mm: float
    open_mm: float | None
    vee_mm: float


@dataclass(frozen=True)
class SceneMesh:
    """All pieces joined; the first `num_solid` triangles are opaque and one-sided, the rest are hair or cloth."""

    vertices: NDArray[np.float32]
    triangles: NDArray[np.int32]
    material: NDArray[np.uint8]
    attributes: NDArray[np.float32]
    uv: NDArray[np.float32]
    eye: NDArray[np.float32]
    num_solid: int


def plain_attributes(count: int, occlusion: float = 1.0) -> NDArray[np.float32]:
    """Attributes of `count` vertices outside the chart."""
    attributes = np.zeros((count, NUM_ATTRIBUTES), np.float32)
    attributes[:, 1], attributes[:, 3] = occlusion, 1.0
    return attributes


def grid_triangles(rows: int, columns: int, closed: bool) -> NDArray[np.int32]:
    """Triangles of a grid of vertices numbered row by row; `closed` joins the last column to the first."""
    row, column = np.mgrid[0 : rows - 1, 0 : columns if closed else columns - 1]
    after = (column + 1) % columns
    a, b = row * columns + column, row * columns + after
    c, d = (row + 1) * columns + column, (row + 1) * columns + after
    first = np.stack([a, c, b], -1).reshape(-1, 3)
    return np.concatenate([first, np.stack([b, c, d], -1).reshape(-1, 3)]).astype(np.int32)


class HeadMesh:
    """What every person's head has in common at one level of subdivision."""

    _COLLAR = ((1.07, 1.06, -15), (1.22, 1.17, -24), (1.6, 1.35, -38), (2.45, 1.45, -68), (2.9, 1.7, -240))
    _BARE = ((1.04, 1.03, -15), (1.14, 1.08, -27), (1.6, 1.25, -42), (2.45, 1.4, -72), (2.9, 1.7, -240))
    """Rings below the neck: its own size times these (across, deep), and mm up from where it ends."""
    _RAGGED_ROWS = 4
    """The last rows of the neck's triangles at level 1, which flare and end in a zigzag, are left out."""

    def __init__(self, face: OpenFace, level: int) -> None:
        self.face, self.surface = face, face.head(level)
        self.mean = self.surface.vertices(face.mean)
        self.drawn_on = self.surface.vertices(face.chart_mean)
        """`[V,3]` mm the face that hairlines and paint are placed on."""
        crop = face.head_to_face(level)
        chart = face.face(level).uv
        assert chart is not None
        self.uv = np.where(crop[:, None] >= 0, chart[np.maximum(crop, 0)], 0.0).astype(np.float32)
        part = self.surface.vertex_part
        self.attributes = plain_attributes(len(self.mean))
        self.attributes[:, 0] = crop >= 0
        self.attributes[:, 1] = face.ambient_occlusion[: len(self.mean)]
        self.eye = self._eye_directions(part)
        self.triangles = self._without_ragged_border(self.surface.triangles, level)
        corners = part[self.triangles]
        self.material = np.full(len(corners), SKIN, np.uint8)
        self.material[np.isin(corners, (2, 3)).all(1)] = EYE
        self.material[(corners == 4).all(1)] = MOUTH
        self.border = np.array(border_loops(self.triangles)[0])
        self.shoulder_triangles = self._shoulder_triangles()
        self.landmark_matrix = face.face(2).matrix[face.landmarks68_2d].astype(np.float32)
        self.matrix = self.surface.matrix.astype(np.float32)

    def _eye_directions(self, part: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit vectors `[V,3]` from the eyeball's centre, on the mean face; 0 elsewhere."""
        from tfface.data.synthetic.head.albedo import eye_sphere

        directions = np.zeros((len(part), 3), np.float32)
        for index in (2, 3):
            centre, radius = eye_sphere(self.face, self.face.mean, index)
            directions[part == index] = (self.mean[part == index] - centre) / radius
        return directions

    def _without_ragged_border(self, triangles: NDArray[np.int32], level: int) -> NDArray[np.int32]:
        for _ in range(self._RAGGED_ROWS * 2 ** (level - 1)):
            border = np.zeros(len(self.mean), bool)
            border[border_loops(triangles)[0]] = True
            triangles = triangles[~border[triangles].any(1)]
        return triangles

    def _shoulder_triangles(self) -> NDArray[np.int32]:
        """The rings below the border, wound like the head; ring 0 is the border itself."""
        count, rings = len(self.border), len(self._COLLAR) + 1
        grid = grid_triangles(rings, count, closed=True)
        numbers = np.concatenate([self.border, len(self.mean) + np.arange((rings - 1) * count)])
        return numbers[grid].astype(np.int32)

    def shoulders(self, vertices: FloatArray, clothes: Clothes) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Neck, collar and shoulders of a head `[V,3]`: `[5 rings of the border,3]` in mm, and their attributes."""
        border = vertices[self.border]
        centre = border.mean(0)
        kernel = np.ones(9) / 9
        smooth = np.stack([np.convolve(np.pad(axis, 4, mode="wrap"), kernel, "valid") for axis in border.T], -1)
        rings = self._COLLAR if clothes.open_mm is None else self._BARE
        rows = []
        for index, (across, deep, drop) in enumerate(rings):
            share = (index + 1) / len(rings)
            ring = border if index == 0 else smooth
            wide = across if index < 2 else across * clothes.width  # the neck is no wider on broad shoulders
            row = centre + (ring - centre) * np.array([wide, 1 - share, deep])
            row[:, 1] += drop + clothes.lift_mm * (1 - share)
            rows.append(row)
        points = np.concatenate(rows).astype(np.float32)
        attributes = plain_attributes(len(points), 0.9)
        if clothes.open_mm is not None:
            front = np.exp(-((points[:, 0] / 45) ** 2)) * (points[:, 2] > centre[2])
            attributes[:, 3] = centre[1] - clothes.open_mm - clothes.vee_mm * front - points[:, 1]
        return points, attributes

    def assemble(
        self, vertices: FloatArray, hair_field: FloatArray, clothes: Clothes, solid: list[Piece], soft: list[Piece]
    ) -> SceneMesh:
        """Join a head `[V,3]`, its shoulders and its pieces."""
        shoulders, worn = self.shoulders(vertices, clothes)
        attributes = self.attributes.copy()
        attributes[:, 2] = hair_field
        attributes[self.border, 3] = -0.5  # the skin goes on until the first ring's own `keep` wins
        points, rows = [vertices, shoulders], [attributes, worn]
        triangles = [self.triangles, self.shoulder_triangles]
        materials = [self.material, np.full(len(self.shoulder_triangles), CLOTH, np.uint8)]
        offset, num_solid = len(vertices) + len(shoulders), 0
        for piece in (*solid, *soft):
            if any(piece is other for other in soft) and not num_solid:
                num_solid = sum(map(len, triangles))
            points.append(piece.vertices)
            rows.append(piece.attributes)
            triangles.append(piece.triangles + np.int32(offset))
            materials.append(np.full(len(piece.triangles), piece.material, np.uint8))
            offset += len(piece.vertices)
        padding = ((0, offset - len(vertices)), (0, 0))
        joined = np.concatenate(triangles).astype(np.int32)
        return SceneMesh(
            np.concatenate(points).astype(np.float32),
            joined,
            np.concatenate(materials),
            np.concatenate(rows),
            np.pad(self.uv, padding),
            np.pad(self.eye, padding),
            num_solid or len(joined),
        )
