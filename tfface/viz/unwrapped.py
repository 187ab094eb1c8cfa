"""A photograph and the face that a network found in it, unrolled into the face's chart: what `--model detail` is shown.

Each texel has the photograph's colour, the base's albedo and lit colour, whether the photograph shows it, and how much
brighter it would become if the surface rose by a millimetre a texel along u, and along v. The last two say which way
the light falls, in the chart's own axes: a crease is dark on one side and bright on the other, a freckle is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.face.decoded import DecodedFace
from tfface.face.open_model import PART_NAMES, load_open_face
from tfface.face.position_map import position_tables
from tfface.geometry.align import MAP_SIZE
from tfface.geometry.raster import vertex_normals
from tfface.viz.cover import skin_share
from tfface.viz.texture import sample_photo, visibility, within

FloatArray = NDArray[np.floating]
CHANNELS = 12
"""Of `Unwrapped.inputs`."""


@dataclass(frozen=True, eq=False)
class Unwrapped:
    """Maps `[R,R,*]` in the face's chart.

    Attributes:
        photo, albedo, shaded: colours in [0,1].
        tilt: `[R,R,2]` brightness a slope of 1 (mm a texel) along u and v adds.
        seen: `[R,R]` how well the photograph shows it, in [0,1]; 0 off the face's skin.
        position, normal: the base in the camera's axes (x right, y up, z to the camera), millimetres.
        places: `[R,R,3]` u, v and depth in pixels of the photograph.
    """

    photo: NDArray[np.float32]
    albedo: NDArray[np.float32]
    shaded: NDArray[np.float32]
    tilt: NDArray[np.float32]
    seen: NDArray[np.float32]
    position: NDArray[np.float32]
    normal: NDArray[np.float32]
    places: NDArray[np.float32]

    def inputs(self, size: int) -> NDArray[np.float32]:
        """`[size,size,12]` photo, shaded, albedo, tilt, seen; means over areas where that is less than R."""
        parts = (self.photo, self.shaded, self.albedo, self.tilt, self.seen[..., None])
        small = [cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA) for part in parts]
        return np.concatenate([part.reshape(size, size, -1) for part in small], axis=-1, dtype=np.float32)

    def bare(self) -> NDArray[np.float32]:
        """`[R,R]` how far each texel shows skin, and not hair or cloth that lies on it (`tfface.viz.cover`)."""
        light = self.shaded / np.maximum(self.albedo, 0.02)
        plain = np.clip(self.photo / np.maximum(light, 0.05), 0, 1.5)
        shown = self.seen > 0.5
        return skin_share(plain, self.seen, float(light[shown].mean()) if shown.any() else 1.0)


@lru_cache(maxsize=2)
def skin_of_chart(resolution: int) -> NDArray[np.float32]:
    """`[R,R]` 1 on the face's skin, 0 on eyes, the mouth's inside, ears and neck; soft at its edges."""
    face = load_open_face()
    skin = (face.regions > 0) & (face.face(2).vertex_part == PART_NAMES.index("skin"))
    mask = position_tables(resolution).from_vertices(skin.astype(np.float32)[:, None])[..., 0]
    inner = cv2.GaussianBlur((mask > 0.99).astype(np.float32), (0, 0), resolution / 128)
    return np.asarray(np.clip(2 * inner - 1, 0, 1), np.float32)


def unwrap(image: NDArray[np.uint8], vertices: FloatArray, decoded: DecodedFace) -> Unwrapped:
    """The maps of a face.

    Args:
        image: `[H,W,3]` uint8 RGB.
        vertices: `[53833,3]` u, v, depth in its pixels.
        decoded: the network's coefficients of it.
    """
    tables = position_tables(MAP_SIZE)
    triangles = tables.surface.triangles
    normals = vertex_normals(decoded.turned, triangles)
    seen = visibility(vertices, triangles)[:, None]
    packed = np.concatenate([vertices, seen, decoded.turned, normals, decoded.albedo], axis=1).astype(np.float32)
    places, seen, position, normal, albedo = np.split(tables.from_vertices(packed), [3, 4, 7, 10], axis=-1)
    normal = unit(normal)
    shading = decoded.shading(normal)
    return Unwrapped(
        sample_photo(image, places),
        albedo,
        np.asarray(np.clip(albedo * shading, 0, 1), np.float32),
        _tilt(decoded, position, normal, shading),
        np.asarray(seen[..., 0] * within(image, places) * skin_of_chart(MAP_SIZE), np.float32),
        position,
        normal,
        places,
    )


def slopes_to_normals(position: FloatArray, normal: FloatArray, along_u: FloatArray, along_v: FloatArray) -> FloatArray:
    """Unit normals `[R,R,3]` of a surface that rises over another along its normals.

    Args:
        position, normal: `[R,R,3]` of the surface below.
        along_u, along_v: `[R,R]` by how much it rises, mm a texel to the right and down.
    """
    dual_u, dual_v = _duals(position, normal)
    return unit(normal - along_u[..., None] * dual_u - along_v[..., None] * dual_v)


def detailed_normals(position: FloatArray, normal: FloatArray, displacement: FloatArray) -> FloatArray:
    """Unit normals `[R,R,3]` of a surface displaced by `[R,R]` mm along its normals."""
    along_v, along_u = (np.asarray(along) for along in np.gradient(displacement))
    return slopes_to_normals(position, normal, along_u, along_v)


def unit(vectors: FloatArray) -> NDArray[np.float32]:
    """`[...,3]` of length 1."""
    length = np.sqrt(dot(vectors, vectors))
    return np.asarray(vectors / np.maximum(length, 1e-6), np.float32)


def dot(first: FloatArray, second: FloatArray) -> FloatArray:
    """Scalar products `[...,1]` of vectors `[...,3]`, in a tenth of the time of NumPy's sum over so short an axis."""
    return np.asarray(np.einsum("...k,...k->...", first, second)[..., None])


LEAST_SPAN = 0.02
"""Of a texel's extent in mm^2 where 256 make the chart: where it is folded or nearly so, nothing tilts."""


def _duals(position: FloatArray, normal: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The duals `[R,R,3]` of a texel's two tangents: the surface's gradient is `h_u dual_u + h_v dual_v`."""
    down, right = (np.asarray(along) for along in np.gradient(position, axis=(0, 1)))
    dual_u, dual_v = np.cross(down, normal), np.cross(normal, right)
    span = dot(right, dual_u)
    least = LEAST_SPAN * (MAP_SIZE / len(position)) ** 2
    inverse = np.where(np.abs(span) > least, 1 / np.where(span == 0, 1, span), 0)
    return dual_u * inverse, dual_v * inverse


def _tilt(decoded: DecodedFace, position: FloatArray, normal: FloatArray, shading: FloatArray) -> NDArray[np.float32]:
    step, grey = 0.1, shading.mean(-1)
    parts = []
    for dual in _duals(position, normal):
        parts.append((decoded.shading(unit(normal - step * dual)).mean(-1) - grey) / step)
    return np.asarray(np.clip(np.stack(parts, -1), -1, 1), np.float32)
