"""The mesh that people take away: skin with a clean border, eyeballs, teeth, gums, tongue and mouth, by name.

Networks and texels live on the face crop of `tfface.face.open_model`, whose border follows its quads. Here the whole
head is cut along smooth curves instead, the membranes over eyes and mouth are left out, and the parts of
`tfface.face.parts` stand in their place. Everything stays linear in the coefficients, so one topology serves all people
and all expressions, and an expression's offsets are a morph target.

Cuts are functions of the average face (mm from its chin), positive where the mesh stays:

    face    a plane over the crown and behind the ears, and one under the jaw
    head    skull and ears, a plane through the neck
    full    head and shoulders (`tfface.face.shoulders`), a plane through the chest and one through each arm
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.head_uv import head_uv
from tfface.face.open_model import OpenFace, load_open_face
from tfface.face.parts import MATERIALS as PART_MATERIALS
from tfface.face.parts import PART_NAMES, FaceParts, load_parts
from tfface.face.shoulders import Shoulders, bust, load_shoulders
from tfface.geometry.cut import Cut, cut, only_largest_removed, soft_minimum
from tfface.geometry.ibug68 import CHIN
from tfface.geometry.subdivide import subdivided, triangulate
from tfface.io.formats import MESHES
from tfface.io.kept import kept

FloatArray = NDArray[np.floating]
SKIN, SHOULDERS = "skin", "shoulders"
BLEND_MM, ARM_BLEND_MM = 30.0, 70.0
"""Cuts meet in corners as round as this; those through chest and arms."""
CHEST_MM, ARMS_MM = 165.0, 185.0
"""So far below the chin the chest is cut, and so far from the middle the arms."""
FLAT_MM = 30.0
"""So far from the neck's border the skin follows it into its plane."""
PARTS_LEVEL = 1
"""Eyes, teeth and tongue are subdivided this often at most: they are smooth by their normals."""


@dataclass(frozen=True)
class Piece:
    """A named part of the mesh.

    Attributes:
        name: `skin`, `shoulders`, `eye_left`, `teeth_upper` and so on.
        material: `skin`, `shoulders`, `eye`, `tooth`, `gum`, `tongue`, `flesh`.
        first, count: its vertices among those of `HeadMesh.vertices`.
        quads: `[Q,4]` int32 into its own vertices; -1 ends a triangle.
        uv: `[count,2]` float32, origin top-left: the skin's in `tfface.face.head_uv`, of the shoulders a disc round the
            neck, of the eyes one round the pupil, of teeth a row of 14 as wide as each other; None of parts in one
            colour.
    """

    name: str
    material: str
    first: int
    count: int
    quads: NDArray[np.int32]
    uv: NDArray[np.float32] | None = None

    @property
    def triangles(self) -> NDArray[np.int32]:
        """`[F,3]` counter-clockwise from outside."""
        return triangulate(self.quads)

    @property
    def rows(self) -> slice:
        """Its vertices among all."""
        return slice(self.first, self.first + self.count)


class HeadMesh:
    """One topology of the open face: `pieces`, and their vertices for any coefficients.

    Attributes:
        kind: `face`, `head` or `full`; level: of subdivision.
        pieces: skin first, then shoulders where there are any.
        neck: vertices on the border below (the neck's, the chest's), which lie in one plane.
        seam: `[S,2]` vertices of the skin and the shoulders' at the same places.
    """

    def __init__(
        self, face: OpenFace, parts: FaceParts, kind: str, level: int, shoulders: Shoulders | None = None
    ) -> None:
        self.kind, self.level, self._face, self._parts, self._shoulders = kind, level, face, parts, shoulders
        of = face.checksum if shoulders is None else shoulders.checksum
        tables = kept(f"skin_{kind}{level}", of, lambda: _cut_skin(face, kind, level, shoulders))
        quads, uv, self.neck, self._normal, self.seam, (above,) = tables[:6]
        size = len(face.mean) + (0 if shoulders is None else len(shoulders.mean))
        self._skin = sp.csr_matrix(tables[6:9], shape=(len(uv), size))
        self._flatten = sp.csr_matrix(tables[9:], shape=(len(uv), len(self.neck)))
        below = (quads >= above).any(1)
        pieces = [Piece(SKIN, SKIN, 0, int(above), quads[~below], uv[:above])]
        if shoulders is not None:
            own = np.where(quads[below] >= 0, quads[below] - above, -1)
            pieces.append(Piece(SHOULDERS, SHOULDERS, int(above), int(len(uv) - above), own, uv[above:]))
        self._part_rows: list[sp.csr_matrix] = []
        for name, material, quads, matrix in _pieces_of_parts(parts, min(level, PARTS_LEVEL)):
            first = pieces[-1].first + pieces[-1].count
            places = _UNROLLED[name](matrix @ parts.mean) if name in _UNROLLED else None
            pieces.append(Piece(name, material, first, matrix.shape[0], quads, places))
            self._part_rows.append(matrix)
        self.pieces = tuple(pieces)

    @property
    def num_vertices(self) -> int:
        """Of all pieces together."""
        return self.pieces[-1].first + self.pieces[-1].count

    def vertices(self, identity: FloatArray, expression: FloatArray) -> NDArray[np.float32]:
        """`[N,3]` in millimetres in the face frame, all pieces in their order.

        Args:
            identity: up to 150 coefficients in standard deviations.
            expression: up to 52 ARKit weights.
        """
        cage = self._face.cage(identity, expression)
        if self._shoulders is not None:
            cage = np.concatenate([cage, self._shoulders.vertices(identity, expression)])
        return self._joined(cage, self._of_parts(identity, expression))

    def eyes(self, identity: FloatArray, expression: FloatArray) -> list[NDArray[np.float32]]:
        """The vertices `[V,3]` of the eyes' pieces alone, in their order, as `vertices` has them."""
        parts = self._of_parts(identity, expression).astype(np.float64)
        return [
            np.asarray(matrix @ parts, np.float32)
            for piece, matrix in zip(self.pieces[-len(self._part_rows) :], self._part_rows, strict=True)
            if piece.material == "eye"
        ]

    def _of_parts(self, identity: FloatArray, expression: FloatArray) -> NDArray[np.float32]:
        full = [np.zeros(len(basis), np.float32) for basis in (self._parts.id_basis, self._parts.exp_basis)]
        for row, given in zip(full, (identity, expression), strict=True):
            row[: len(given)] = given
        return self._parts.vertices(*full)

    def morph_targets(self) -> dict[str, NDArray[np.float32]]:
        """What each expression adds at weight 1: `[N,3]` mm by ARKit name, the same for every person."""
        names, skin = self._face.expression_names, self._face.exp_basis
        if self._shoulders is not None:
            skin = np.concatenate([skin, self._shoulders.exp_basis], axis=1)
        return {name: self._joined(*both) for name, *both in zip(names, skin, self._parts.exp_basis, strict=True)}

    def _joined(self, cage: FloatArray, parts: FloatArray) -> NDArray[np.float32]:
        skin = self._skin @ np.asarray(cage, np.float64)
        along = skin[self.neck] @ self._normal
        skin -= (self._flatten @ (along - along.mean()))[:, None] * self._normal
        rows = [skin, *(matrix @ np.asarray(parts, np.float64) for matrix in self._part_rows)]
        return np.concatenate(rows).astype(np.float32)


def _cut_skin(face: OpenFace, kind: str, level: int, shoulders: Shoulders | None) -> tuple[NDArray[Any], ...]:
    """The quads and uv of the skin and, after it, the shoulders; the vertices on the border below and its plane's
    normal; the seam, and how many vertices are the skin's; two matrices' arrays: of the vertices, and of
    `_flattening`."""
    uv: FloatArray
    if shoulders is None:
        surface, points = face.head(level), face.mean
        matrix, quads, uv = surface.matrix, surface.quads[surface.quad_part < 2], head_uv(face)
        seam, above = np.zeros((0, 2), np.int64), None
    else:
        points = np.concatenate([face.mean, shoulders.mean])
        matrix, quads, uv, seam, above = _parted(face, shoulders, level)
    mean = np.asarray(matrix @ points, np.float32)
    values, plane = _CUTS[kind](mean, face)
    done = cut(quads, values if shoulders else only_largest_removed(values, quads))
    old = done.matrix[: done.matrix.shape[0] - len(done.border)].indices
    seam = np.searchsorted(old, seam)
    neck, flatten = _flattening(done, mean, plane)
    new_uv = np.asarray(done.matrix @ uv[: len(mean)], np.float32)
    matrices = ((done.matrix @ matrix).tocsr(), flatten)
    arrays = [part for each in matrices for part in (each.data, each.indices, each.indptr)]
    count = np.array([len(new_uv) if above is None else above])
    return done.quads, new_uv, neck, plane.normal, seam, count, *arrays


def _parted(
    face: OpenFace, shoulders: Shoulders, level: int
) -> tuple[sp.csr_matrix, NDArray[np.int32], NDArray[np.float64], NDArray[np.int64], int]:
    """Head and shoulders as one surface, but with the vertices between them twice, since each has a place in two
    charts: the matrix of all vertices, the skin's first; quads; uv; the seam; how many are the skin's."""
    surface = bust(face, shoulders, level)
    pieces = [surface.quads[~surface.of_shoulders & (surface.part < 2)], surface.quads[surface.of_shoulders]]
    rows = [np.unique(quads[quads >= 0]) for quads in pieces]
    quads, first = [], 0
    for own, used in zip(pieces, rows, strict=True):
        quads.append(np.where(own >= 0, np.searchsorted(used, own) + first, -1).astype(np.int32))
        first += len(used)
    uv = np.concatenate([surface.head_uv[rows[0]], surface.uv[rows[1]]])
    shared = np.intersect1d(rows[0], rows[1])
    seam = np.stack([np.searchsorted(rows[0], shared), np.searchsorted(rows[1], shared) + len(rows[0])], -1)
    return surface.matrix[np.concatenate(rows)], np.concatenate(quads), uv, seam, len(rows[0])


@lru_cache(maxsize=9)
def head_mesh(kind: str = "face", level: int = 2) -> HeadMesh:
    """The open face's mesh of a kind at a level, built once.

    Raises:
        UserError: there is no such kind or level.
    """
    if kind not in MESHES:
        raise UserError(f"There is no mesh {kind!r}: choose {', '.join(MESHES)}.")
    face = load_open_face()
    shoulders = load_shoulders(face_model=face.checksum) if kind == "full" else None
    return HeadMesh(face, load_parts(face_model=face.checksum), kind, level, shoulders)


@dataclass(frozen=True)
class _Plane:
    """`normal . (x - point) = 0`; the normal points to the head."""

    point: NDArray[np.float64]
    normal: NDArray[np.float64]

    def __call__(self, points: FloatArray) -> NDArray[np.float64]:
        return np.asarray((points - self.point) @ self.normal, np.float64)


def _neck_plane(face: OpenFace, below: float, behind: float, rise: float) -> _Plane:
    """The plane that is `below` and `behind` the chin (mm), and rises by `rise` mm a mm to the back."""
    chin = face.mean_face()[face.landmarks68[CHIN]].astype(np.float64)
    normal = np.array([0.0, 1.0, rise])
    return _Plane(chin * [0, 1, 1] - [0.0, below, behind], normal / np.linalg.norm(normal))


def _cut_face(mean: FloatArray, face: OpenFace) -> tuple[NDArray[np.float64], _Plane]:
    """A plane over the crown and behind the ears, and one under the jaw."""
    neck = _neck_plane(face, 5.0, 63.0, 1.2)
    chin = face.mean_face()[face.landmarks68[CHIN]]
    back = _Plane(np.array([0.0, chin[1], chin[2] - 97.0]), np.array([0.0, 0.06, 1.0]) / np.hypot(0.06, 1.0))
    return soft_minimum(neck(mean), back(mean), BLEND_MM), neck


def _cut_head(mean: FloatArray, face: OpenFace) -> tuple[NDArray[np.float64], _Plane]:
    plane = _neck_plane(face, 24.0, 80.0, 0.35)
    return plane(mean), plane


def _cut_full(mean: FloatArray, face: OpenFace) -> tuple[NDArray[np.float64], _Plane]:
    """A plane through the chest above the armpits, and one through each arm."""
    chest = _neck_plane(face, CHEST_MM, 80.0, 0.0)
    return soft_minimum(chest(mean), ARMS_MM - np.abs(mean[:, 0]), ARM_BLEND_MM), chest


_CUTS: dict[str, Callable[[FloatArray, OpenFace], tuple[NDArray[np.float64], _Plane]]] = {
    "face": _cut_face,
    "head": _cut_head,
    "full": _cut_full,
}


def _flattening(done: Cut, mean: FloatArray, plane: _Plane) -> tuple[NDArray[np.int64], sp.csr_matrix]:
    """The border that lies in the neck's plane on the average face, and how its offsets fade into the skin `[N,B]`."""
    from scipy.spatial import cKDTree

    points = done.matrix @ mean.astype(np.float64)
    neck = done.border[np.abs(plane(points[done.border])) < 0.5]
    distance, nearest = cKDTree(points[neck]).query(points)
    share = np.clip(1 - distance / FLAT_MM, 0, 1)
    weight = share * share * (3 - 2 * share)
    near = np.flatnonzero(weight)
    matrix = sp.csr_matrix((weight[near], (near, nearest[near])), shape=(len(points), len(neck)))
    return neck, matrix


_PIECES = (
    ("eye_left", "eye", ("left eyeball",), ("sclera", "iris", "pupil")),
    ("eye_right", "eye", ("right eyeball",), ("sclera", "iris", "pupil")),
    ("teeth_upper", "tooth", ("upper teeth",), ("tooth",)),
    ("teeth_lower", "tooth", ("lower teeth",), ("tooth",)),
    ("gums", "gum", ("upper teeth", "lower teeth"), ("gum",)),
    ("tongue", "tongue", ("tongue",), ("tongue",)),
    ("mouth", "flesh", ("mouth cavity",), ("flesh",)),
)
"""Name and material of each piece, and which parts and materials of the model's it is."""


def _pieces_of_parts(parts: FaceParts, level: int) -> list[tuple[str, str, NDArray[np.int32], sp.csr_matrix]]:
    """Each piece's name, material, quads, and the matrix `[V,P]` of its vertices."""
    matrix, quads, origin = subdivided(sp.identity(len(parts.mean), format="csr"), parts.quads, level)
    found = []
    for name, material, part_names, materials in _PIECES:
        chosen = np.isin(parts.part[origin], [PART_NAMES.index(part) for part in part_names])
        chosen &= np.isin(parts.material[origin], [PART_MATERIALS.index(each) for each in materials])
        own = quads[chosen]
        used = np.unique(own[own >= 0])
        numbers = np.full(matrix.shape[0] + 1, -1, np.int32)
        numbers[used] = np.arange(len(used))
        found.append((name, material, numbers[own], matrix[used]))
    return found


def _eye_uv(points: FloatArray) -> NDArray[np.float32]:
    """A disc round the pupil: the radius is the angle from straight ahead, the square's border the back of the eye."""
    middle = (points.min(0) + points.max(0)) / 2
    x, y, z = (points - middle).T
    across = np.hypot(x, y)
    radius = np.arctan2(across, z) / (2 * np.pi) / np.maximum(across, 1e-9)
    return np.stack([0.5 + radius * x, 0.5 - radius * y], -1).astype(np.float32)


UPPER_TEETH_MM, LOWER_TEETH_MM = (8.5, 6.6, 7.6, 7.0, 6.8, 10.0, 10.0), (5.3, 5.9, 6.8, 7.0, 7.1, 11.0, 10.5)
"""Widths of teeth from the middle outwards in mm, as usual in adults."""


def _teeth_uv(points: FloatArray, widths_mm: tuple[float, ...]) -> NDArray[np.float32]:
    """u: which tooth along the arch, 1/14 each, from one molar to the other; v: from the top down."""
    x, y, z = points.T
    angle = np.arctan2(x, z - z.min())
    bins = np.linspace(-np.pi / 2, np.pi / 2, 33)
    middles, radius = (bins[1:] + bins[:-1]) / 2, np.hypot(x, z - z.min())
    place = np.clip(np.digitize(angle, bins) - 1, 0, len(middles) - 1)
    outer = np.array([radius[place == k].max() if (place == k).any() else np.nan for k in range(32)])
    known = np.isfinite(outer)
    outer = np.interp(middles, middles[known], outer[known])
    arch = np.stack([outer * np.sin(middles), outer * np.cos(middles)], -1)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(arch, axis=0), axis=1))])
    along = np.interp(angle, middles, along - np.interp(0.0, middles, along))
    tooth = np.interp(np.abs(along), np.cumsum((0.0, *widths_mm)), np.arange(len(widths_mm) + 1))
    return np.stack([0.5 + np.sign(along) * tooth / 14, (y.max() - y) / np.ptp(y)], -1).astype(np.float32)


_UNROLLED: dict[str, Callable[[FloatArray], NDArray[np.float32]]] = {
    "eye_left": _eye_uv,
    "eye_right": _eye_uv,
    "teeth_upper": lambda points: _teeth_uv(points, UPPER_TEETH_MM),
    "teeth_lower": lambda points: _teeth_uv(points, LOWER_TEETH_MM),
}
"""How the pieces that have a texture are laid out."""
