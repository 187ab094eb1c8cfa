"""The open face model that ships with the package, in NumPy.

A linear model of the head on a cage of quads, `cage = mean + identity . id_basis + expression . exp_basis`, refined by
Catmull-Clark subdivision. It is built by `data_tools/build_face_model.py` from the CC0 MakeHuman data; what it was made
of stands in `provenance`. The camera-facing part, the *face crop*, carries the UV chart, the landmarks and the regions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.landmarks import in_3d
from tfface.geometry.subdivide import subdivided, triangle_quad, triangulate
from tfface.io.files import atomic_path, write_text
from tfface.io.kept import kept
from tfface.io.reading import read_arrays, read_json_object

ASSETS = Path(__file__).parent / "assets"
PART_NAMES = ("skin", "neck", "left eye", "right eye", "mouth")
PART_MATERIALS = ("skin", "skin", "eye", "eye", "flesh")
"""Of each part: what `tfface.face.head_mesh` calls its material."""
REGION_NAMES = ("none", "face", "eyes", "nose", "mouth")
MAX_LEVEL = 2


@dataclass(frozen=True)
class Surface:
    """A mesh that is a linear function of the cage.

    Attributes:
        matrix: sparse `[V, cage vertices]`.
        quads: `[Q,4]` int32; -1 in the last place makes a triangle (the cage's poles only).
        triangles: `[F,3]` int32, counter-clockwise from outside.
        quad_part: `[Q]` uint8, an index into `PART_NAMES`.
        vertex_part: `[V]` uint8 the same of each vertex.
        mirror: `[V]` the vertex on the other side of the face.
        uv: `[V,2]` float32, origin top-left; empty where the surface has no chart (the head).
    """

    matrix: sp.csr_matrix
    quads: NDArray[np.int32]
    triangles: NDArray[np.int32]
    quad_part: NDArray[np.uint8]
    vertex_part: NDArray[np.uint8]
    mirror: NDArray[np.int64]
    uv: NDArray[np.float32]

    def vertices(self, cage: NDArray[np.floating]) -> NDArray[np.float32]:
        """`[V,3]` in the unit of `cage` `[C,3]`."""
        return np.asarray(self.matrix @ cage, np.float32)

    @property
    def triangle_part(self) -> NDArray[np.uint8]:
        """`[F]` an index into `PART_NAMES`: skin and neck are skin, the others membranes that `face.parts` replaces."""
        return self.quad_part[triangle_quad(self.quads)]


class OpenFace:
    """The open model: mean, bases, surfaces, landmarks, regions, masks. See the module's docstring."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], provenance: dict[str, Any], checksum: str) -> None:
        self.name = str(arrays["name"])
        self.provenance = provenance
        self.checksum = checksum
        self.mean: NDArray[np.float32] = arrays["mean"].astype(np.float32)
        self.chart_mean: NDArray[np.float32] = arrays.get("chart_mean", arrays["mean"]).astype(np.float32)
        """`[C,3]` mm MakeHuman's mean face, on which chart, regions and what is painted on the skin were laid out."""
        self.id_basis: NDArray[np.float32] = arrays["id_basis"].astype(np.float32)
        self.exp_basis: NDArray[np.float32] = arrays["exp_basis"].astype(np.float32)
        self.expression_names = tuple(str(name) for name in arrays["exp_names"])
        self.cage_mirror: NDArray[np.int64] = arrays["mirror"].astype(np.int64)
        self.regions: NDArray[np.uint8] = arrays["regions"]
        self.landmarks81: NDArray[np.int64] = arrays["landmarks81"].astype(np.int64)
        self.centre: NDArray[np.float64] = arrays["centre"].astype(np.float64)
        self.ambient_occlusion: NDArray[np.float32] = arrays["ambient_occlusion"].astype(np.float32)
        self.uv_masks = {key[5:]: value for key, value in arrays.items() if key.startswith("mask_")}
        self._arrays = arrays
        self._levels: dict[tuple[bool, int], Surface] = {}

    @cached_property
    def landmarks68(self) -> NDArray[np.int64]:
        """`[68]` vertices of the face crop at level 2, iBUG order, as 3D data sets place them (`face.landmarks`)."""
        return in_3d(self.landmarks68_2d)

    @property
    def landmarks68_2d(self) -> NDArray[np.int64]:
        """The same 68 as detectors of outlines such as dlib's place them: the first of `landmarks81`."""
        return self.landmarks81[:68]

    def landmarks_of(self, count: int) -> NDArray[np.int64]:
        """`landmarks68`, or dlib's 81 where `count` is 81."""
        return self.landmarks68 if count == 68 else self.landmarks81[:count]

    @property
    def num_identity(self) -> int:
        """How many identity components there are."""
        return len(self.id_basis)

    @cached_property
    def face_cage(self) -> NDArray[np.int64]:
        """The cage's vertices that the face crop uses."""
        used = np.unique(self._arrays["quads"][self._arrays["quad_in_face"]]).astype(np.int64)
        return used[used >= 0]

    @property
    def crop_quads(self) -> NDArray[np.int64]:
        """The quads of `head(0)` that the face crop has, in its order."""
        return np.flatnonzero(self._arrays["quad_in_face"])

    def cage(
        self, identity: NDArray[np.floating] | None = None, expression: NDArray[np.floating] | None = None
    ) -> NDArray[np.float32]:
        """Cage vertices `[C,3]` in millimetres.

        Args:
            identity: up to 150 coefficients in standard deviations; None is the mean person.
            expression: 52 ARKit weights, usually in [0,1] (`expression_names`); None is the neutral face.

        Raises:
            UserError: when there are more coefficients than components.
        """
        given = {"identity": (identity, self.id_basis), "expression": (expression, self.exp_basis)}
        for what, (coefficients, basis) in given.items():
            if coefficients is not None and len(coefficients) > len(basis):
                raise UserError(f"{len(coefficients)} {what} coefficients given; {self.name} has {len(basis)}.")
        return linear_sum(self.mean, *given.values())

    def linear_at(self, rows: sp.spmatrix) -> NDArray[np.float32]:
        """`[1 + identity + expression, N, 3]` mm: the mean's places about the face's centre, then what each coefficient
        adds to them, where `rows` `[N, cage vertices]` says what places are made of (a surface's, a map's)."""
        components = np.concatenate([self.mean[None], self.id_basis, self.exp_basis])
        columns = components.transpose(1, 0, 2).reshape(len(self.mean), -1)
        places = np.asarray(rows @ columns, np.float32).reshape(rows.shape[0], len(components), 3).transpose(1, 0, 2)
        places = np.ascontiguousarray(places)
        places[0] -= self.centre.astype(np.float32)
        return places

    def head(self, level: int) -> Surface:
        """The whole head and neck, subdivided `level` times (0 to 2): 3,816, 15,307 or 61,129 vertices."""
        return self._surface(False, level)

    def face(self, level: int) -> Surface:
        """The front of the face with its ears, subdivided `level` times: 3,378, 13,507 or 53,833 vertices."""
        return self._surface(True, level)

    @lru_cache(maxsize=8)  # noqa: B019
    def mean_face(self, level: int = MAX_LEVEL) -> NDArray[np.float32]:
        """`[V,3]` the face that people have on average, in millimetres, neutral; read-only."""
        vertices = self.face(level).vertices(self.mean)
        vertices.setflags(write=False)
        return vertices

    def landmarks(self, level: int, count: int = 68) -> NDArray[np.int64]:
        """Vertices of the face crop at `level` for 68 or 81 landmarks (at lower levels the nearest vertices)."""
        if level == MAX_LEVEL:
            return self.landmarks_of(count)
        mean = self.face(MAX_LEVEL).vertices(self.mean)
        coarse = self.face(level).vertices(self.mean)
        targets = mean[self.landmarks_of(count)]
        return np.argmin(np.linalg.norm(coarse[None] - targets[:, None], axis=-1), axis=1)

    def head_to_face(self, level: int) -> NDArray[np.int64]:
        """For each vertex of `head(level)` the same vertex of `face(level)`, or -1."""
        from scipy.spatial import cKDTree

        head, face = self.head(level).vertices(self.mean), self.face(level).vertices(self.mean)
        distance, nearest = cKDTree(face).query(head)
        return np.where(distance < 1e-3, nearest, -1)

    def _surface(self, face_only: bool, level: int) -> Surface:
        if not 0 <= level <= MAX_LEVEL:
            raise UserError(f"Subdivision level {level} does not exist; choose 0, 1 or 2.")
        if (face_only, level) not in self._levels:
            name, columns = f"{'face' if face_only else 'head'}{level}", len(self.mean)
            *matrix, quads, part, of_vertices, mirror, uv = kept(
                name, self.checksum, lambda: self._build(face_only, level)
            )
            surface = sp.csr_matrix(tuple(matrix), shape=(len(mirror), columns))
            self._levels[face_only, level] = Surface(surface, quads, triangulate(quads), part, of_vertices, mirror, uv)
        return self._levels[face_only, level]

    def _build(self, face_only: bool, level: int) -> tuple[NDArray[Any], ...]:
        """The matrix of a `Surface` in its three arrays, quads, their part, vertices' part, mirror and uv."""
        quads, part = self._arrays["quads"].astype(np.int32), self._arrays["quad_part"]
        cage = self.face_cage if face_only else np.arange(len(self.mean))
        if face_only:
            inside = self._arrays["quad_in_face"]
            renumber = np.full(len(self.mean) + 1, -1, np.int32)  # the last entry keeps -1 (no fourth corner)
            renumber[cage] = np.arange(len(cage))
            quads, part = renumber[quads[inside]], part[inside]
        matrix = sp.identity(len(self.mean), format="csr")[cage]
        matrix, quads, origin = subdivided(matrix, quads, level)
        part = part[origin]
        uv = self._arrays["uv"][: matrix.shape[0] if face_only else 0].astype(np.float32)
        mirror = self._mirror(matrix)
        of_vertices = _vertex_part(matrix.shape[0], quads, part)
        return matrix.data, matrix.indices, matrix.indptr, quads, part, of_vertices, mirror, uv

    def _mirror(self, matrix: sp.csr_matrix) -> NDArray[np.int64]:
        """The vertex whose row of the matrix is the mirror image; found on the symmetric mean."""
        from scipy.spatial import cKDTree

        vertices = matrix @ self.mean.astype(np.float64)
        return np.asarray(cKDTree(vertices).query(vertices * [-1, 1, 1])[1], np.int64)


def _vertex_part(num_vertices: int, quads: NDArray[np.int32], part: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A vertex belongs to the highest-numbered part of the quads round it (eyes and mouth win over skin)."""
    result = np.zeros(num_vertices, np.uint8)
    used = quads >= 0
    np.maximum.at(result, quads[used], np.repeat(part, 4).reshape(quads.shape)[used])
    return result


def linear_sum(
    mean: NDArray[np.float32], *terms: tuple[NDArray[np.floating] | None, NDArray[np.float32]]
) -> NDArray[np.float32]:
    """`mean` `[V,3]` and what coefficients add to it: each term is up to K of them (or None) and a basis `[K,V,3]`."""
    total = mean.copy()
    for coefficients, basis in terms:
        if coefficients is not None:
            total += np.tensordot(np.asarray(coefficients, np.float32), basis[: len(coefficients)], axes=1)
    return total


@dataclass(frozen=True, eq=False)
class AlbedoBasis:
    """Albedo as sRGB values in [0,1] on the UV chart: `mean [R,R,3]`, `basis [A,R,R,3]` per standard deviation."""

    mean: NDArray[np.float32]
    basis: NDArray[np.float32]


def load_asset(name: str, folder: Path | None = None) -> tuple[dict[str, NDArray[Any]], dict[str, Any], str]:
    """Arrays of `name.npz` in a folder (by default what ships), its card `name.json`, and its checksum.

    Raises:
        UserError: when a file is missing or not the one its card describes.
    """
    path, card, checksum = _checked(name, folder or ASSETS)
    return read_arrays(path, "a face model", advice="reinstall tfface"), card, checksum


def _checked(name: str, folder: Path) -> tuple[Path, dict[str, Any], str]:
    """An asset's file, its card and its checksum, which is the one that the card tells."""
    path, card_path = folder / f"{name}.npz", folder / f"{name}.json"
    if not path.exists() or not card_path.exists():
        raise UserError(
            f"The face model {path} is missing: run `python data_tools/build_face_model.py` or reinstall tfface."
        )
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    card = read_json_object(card_path, "the card of a face model", "reinstall tfface")
    if checksum != card.get("sha256"):
        raise UserError(f"{path} is not the face model that {card_path.name} describes: reinstall tfface.")
    return path, card, checksum


def save_asset(folder: Path, name: str, arrays: dict[str, NDArray[Any]], card: dict[str, Any]) -> str:
    """Write an asset with its card, as `load_asset` reads it; returns its checksum."""
    path = folder / f"{name}.npz"
    with atomic_path(path) as beside:
        np.savez_compressed(beside, **arrays)  # type: ignore[arg-type]
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    write_text(folder / f"{name}.json", json.dumps({**card, "sha256": checksum}, indent=2) + "\n")
    return checksum


@lru_cache(maxsize=1)
def load_open_face() -> OpenFace:
    """The model that ships with the package.

    Raises:
        UserError: when the file is missing or not the one its card describes.
    """
    return OpenFace(*load_asset("open_face"))


@lru_cache(maxsize=1)
def load_albedo_basis() -> AlbedoBasis:
    """The albedo that goes with `load_open_face`, stored in 8 bits a number.

    Raises:
        UserError: when the file is missing or not the one its card describes.
    """
    checksum = _checked("open_face_albedo", ASSETS)[2]
    return AlbedoBasis(*kept("albedo", checksum, _albedo))


def _albedo() -> tuple[NDArray[Any], NDArray[Any]]:
    arrays, _, _ = load_asset("open_face_albedo")
    steps = arrays["steps"].astype(np.float32)[:, None, None, None]
    return arrays["mean"].astype(np.float32) / np.float32(255), arrays["basis"].astype(np.float32) * steps
