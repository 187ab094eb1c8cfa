"""What a detail network says of a face, and the mesh and maps that come of it.

The network says how far the true surface lies from the base along its normals, and what its albedo lacks, in the face's
chart. Where the photograph does not show a texel the mirrored one is taken, shifted by a smooth field so that it meets
its neighbours (`tfface.viz.completion`): symmetry of the face, not of the picture. Towards the chart's rim and the
eyeballs detail fades away. The mesh is displaced by what its vertices can carry; the rest goes into a normal map in the
mesh's tangent space, as glTF has it (red along +u, green up in the picture of the texture, blue outwards).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.face.head_mesh import HeadMesh
from tfface.face.head_uv import to_face_chart
from tfface.face.open_model import PART_NAMES, load_albedo_basis, load_open_face
from tfface.face.position_map import position_tables
from tfface.geometry.align import MAP_SIZE
from tfface.geometry.raster import vertex_normals
from tfface.io.files import write_array
from tfface.io.image import write_image
from tfface.viz.chart_albedo import chart_albedo, in_head
from tfface.viz.completion import completed
from tfface.viz.skin import chart_values, inner_part
from tfface.viz.unwrapped import detailed_normals, dot, skin_of_chart, unit

FloatArray = NDArray[np.floating]
CARRIED_TEXELS = 1.6
"""Detail finer than this (standard deviation, texels of 256) is left to the normal map."""
RIM_TEXELS, END_TEXELS = 24.0, 8.0
"""Over so many texels of 256 detail fades outside the face, and towards the end of the chart."""
LIDS_TEXELS, EYES_TEXELS = 14.0, 4.0
"""Towards the eyes: displacement, which would fold the lids, and albedo."""
FOLD_TEXELS, STRENGTH = 4.0, 1.5
"""What is finer than so many texels of 256 (standard deviation) is made so many times as high. A network that learns by
least error answers with too little where it is unsure: 1.9 times too little for lines and folds. Marks that are only
dark grow, too, hence not all of it."""
MIDDLE_LEVEL, MM_PER_LEVEL = 32768, 0.001
"""Of the picture of the displacement: no displacement, and a level."""
STRAIGHT = (128, 128, 255)
"""A texel of a normal map that bends nothing."""
DISPLACEMENT_NOTE = {
    "mm_per_level": MM_PER_LEVEL,
    "level_of_none": MIDDLE_LEVEL,
    "convention": "along the base's normal, outwards positive, in the chart of the mesh's skin; the .npy has mm",
}


@dataclass(frozen=True, eq=False)
class Detail:
    """A face's detail, `[R,R,*]` in the face's chart, whole.

    Attributes:
        displacement: mm along the base's normals.
        albedo: `[R,R,3]` offset, sRGB values.
        network: which one said so.
    """

    displacement: NDArray[np.float32]
    albedo: NDArray[np.float32]
    network: str

    @classmethod
    def of(
        cls,
        displacement: FloatArray,
        albedo: FloatArray,
        seen: FloatArray,
        network: str,
        strength: FloatArray | float = STRENGTH,
    ) -> Detail:
        """What a network predicts, `[S,S]` and `[S,S,3]`; `seen` `[R,R]`: how well the photograph shows each texel;
        `strength`: of lines and folds, one or `[S,S]`."""
        own = np.concatenate([strengthened(displacement, strength)[..., None], albedo], axis=-1).astype(np.float32)
        finer = cv2.resize(own, seen.shape, interpolation=cv2.INTER_CUBIC)  # its texels are means over areas
        known = seen.astype(np.float32)[..., None]
        shares = cv2.merge([fading(len(seen), LIDS_TEXELS), *[fading(len(seen), EYES_TEXELS)] * 3])
        extended = completed(np.asarray(finer, np.float32), known, known)[0] * np.asarray(shares, np.float32)
        return cls(np.ascontiguousarray(extended[..., 0]), np.ascontiguousarray(extended[..., 1:]), network)

    @cached_property
    def carried(self) -> NDArray[np.float32]:
        """`[R,R]` mm, what a mesh's vertices can carry of the displacement."""
        sigma = CARRIED_TEXELS * len(self.displacement) / MAP_SIZE
        return np.asarray(cv2.GaussianBlur(self.displacement, (0, 0), sigma), np.float32)

    def displaced(self, mesh: HeadMesh, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
        """The skin's vertices of a head's mesh `[N,3]` in mm moved along their normals by `carried`."""
        skin = mesh.pieces[0]
        assert skin.uv is not None
        places = to_face_chart(skin.uv).astype(np.float32) * (len(self.carried) - 1)
        inside = ((places >= 0) & (places <= len(self.carried) - 1)).all(1)
        at = [np.ascontiguousarray(part) for part in np.clip(places, 0, None).T]
        along = np.concatenate(  # OpenCV's remap takes pictures less than 32,768 wide
            [cv2.remap(self.carried, u, v, cv2.INTER_LINEAR).ravel() for u, v in _halves(*at)]
        )
        moved = vertices + (along * inside)[:, None] * vertex_normals(vertices, skin.triangles)
        return np.asarray(moved, np.float32)

    def maps(
        self, albedo: FloatArray, identity: FloatArray, expression: FloatArray, size: int
    ) -> dict[str, NDArray[Any]]:
        """`albedo` and `normal` `[T,T,3]` uint8, `displacement` `[T,T]` float32 mm, of a face with these coefficients,
        in the chart of the whole head."""
        if size not in self._maps:
            self._maps[size] = {
                "albedo": self.albedo_texture(albedo, size),
                "normal": self.normal_texture(identity, expression, size),
                "displacement": self.displacement_texture(size),
            }
        return self._maps[size]

    @cached_property
    def _maps(self) -> dict[int, dict[str, NDArray[Any]]]:
        return {}

    def displacement_texture(self, size: int) -> NDArray[np.float32]:
        """`[T,T]` mm in the chart of the whole head, as the skin's texture is."""
        return in_head(self.displacement, size, cv2.INTER_CUBIC)

    def normal_texture(self, identity: FloatArray, expression: FloatArray, size: int) -> NDArray[np.uint8]:
        """`[T,T,3]` tangent-space normals of what the vertices do not carry, level = 127.5 n + 127.5."""
        inner = inner_part(size)  # elsewhere nothing is bent
        fine = in_head(self.displacement - self.carried, size, cv2.INTER_CUBIC)[inner]
        face = load_open_face()
        surface = face.head(2)
        vertices = surface.vertices(face.cage(identity, expression))
        normals = vertex_normals(vertices, surface.triangles)
        maps = chart_values(np.concatenate([vertices, normals], axis=1), size)[inner]
        position, normal = maps[..., :3], unit(maps[..., 3:])
        bent = detailed_normals(position, normal, fine)
        right = np.gradient(position, axis=1)
        right = unit(right - dot(right, normal) * normal)
        up = np.stack([_cross(normal, right, k) for k in range(3)], axis=-1)
        tangent_normals = np.concatenate([dot(bent, axis) for axis in (right, up, normal)], axis=-1)
        tangent_normals[..., 2] = np.maximum(tangent_normals[..., 2], 0.05)
        texture = np.full((size, size, 3), STRAIGHT, np.uint8)
        texture[inner] = np.round(np.clip(unit(tangent_normals), -1, 1) * 127.5 + 127.5)
        return texture

    def albedo_texture(self, coefficients: FloatArray | None, size: int) -> NDArray[np.uint8]:
        """`[T,T,3]` sRGB albedo in the chart of the whole head: the base's of `coefficients` and the offset."""
        base = chart_albedo(load_albedo_basis(), coefficients, size)
        channels = [np.ascontiguousarray(self.albedo[..., k]) for k in range(3)]
        offset = np.stack([in_head(each, size, cv2.INTER_CUBIC) for each in channels], axis=-1)
        return np.asarray(np.round(np.clip(base + offset, 0, 1) * 255), np.uint8)


def strengthened(displacement: FloatArray, strength: FloatArray | float) -> NDArray[np.float32]:
    """A displacement `[S,S]` whose lines and folds are so many times as high, everywhere or in each texel `[S,S]`."""
    around = cv2.GaussianBlur(np.asarray(displacement, np.float32), (0, 0), FOLD_TEXELS * len(displacement) / 256)
    return np.asarray(around + strength * (displacement - around), np.float32)


def displacement_levels(displacement: FloatArray) -> NDArray[np.uint16]:
    """A displacement in mm as 16-bit levels: `MIDDLE_LEVEL` is none, `MM_PER_LEVEL` a step."""
    return np.asarray(np.clip(np.round(displacement / MM_PER_LEVEL) + MIDDLE_LEVEL, 0, 65535), np.uint16)


def write_maps(maps: Mapping[str, NDArray[Any]], folder: Path, stem: str) -> list[Path]:
    """Writes `Detail.maps` as STEM_normal.png, STEM_albedo.png and STEM_displacement.png and .npy; their paths."""
    levels = {**maps, "displacement": displacement_levels(maps["displacement"])}
    written = [folder / f"{stem}_{name}.png" for name in levels]
    for path, picture in zip(written, levels.values(), strict=True):
        write_image(path, picture, result=True)
    written.append(folder / f"{stem}_displacement.npy")
    write_array(written[-1], maps["displacement"])
    return written


@lru_cache(maxsize=4)
def fading(resolution: int, eyes_texels: float) -> NDArray[np.float32]:
    """`[R,R]` how much of the detail counts: 1 on the face, 0 well outside it and on the eyes."""
    face, scale = load_open_face(), resolution / MAP_SIZE
    part = face.face(2).vertex_part
    eyes = np.isin(part, [PART_NAMES.index("left eye"), PART_NAMES.index("right eye")])
    masks = np.stack([face.regions > 0, eyes], axis=1).astype(np.float32)
    inner, eye = np.moveaxis(position_tables(resolution).from_vertices(masks), -1, 0)
    shape = np.pad((inner > 0.5) | (skin_of_chart(resolution) > 0), 1).astype(np.uint8)
    filled = np.asarray(cv2.morphologyEx(shape, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)))
    outside = cv2.distanceTransform(1 - filled, cv2.DIST_L2, 5)[1:-1, 1:-1] / (RIM_TEXELS * scale)
    line = np.minimum(np.arange(resolution), np.arange(resolution)[::-1]) / (END_TEXELS * scale)
    from_end = np.minimum(line[:, None], line[None])
    from_eye = cv2.distanceTransform((eye < 0.5).astype(np.uint8), cv2.DIST_L2, 5) / (eyes_texels * scale)
    share = np.clip(1 - outside, 0, 1) * np.clip(from_eye, 0, 1) * np.clip(from_end, 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def _halves(u: NDArray[np.float32], v: NDArray[np.float32]) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    count = len(u) // 30000 + 1
    return list(zip(np.array_split(u[None], count, axis=1), np.array_split(v[None], count, axis=1), strict=True))


def _cross(first: FloatArray, second: FloatArray, axis: int) -> FloatArray:
    i, j = (axis + 1) % 3, (axis + 2) % 3
    return first[..., i] * second[..., j] - first[..., j] * second[..., i]
