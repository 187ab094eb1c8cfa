"""The skin's texture in the chart of the whole head: what the photograph shows, its mirror image, and the rest.

A guide, the face model's albedo in the light that fits the photograph (nine harmonics a colour, Ramamoorthi and
Hanrahan 2001), says what skin would look like everywhere. What differs from it is kept where the photograph shows it.
Elsewhere the mirrored texel's difference is taken, and where that is hidden too a smooth one, each shifted by a smooth
field so that it meets its neighbours without a seam: cloning by a membrane (Perez et al. 2003), the membrane spread by
pull and push (Gortler et al. 1996).

A texel counts as seen where the photograph shows the surface (`tfface.viz.visible`), and neither hair nor cap nor
collar lies on it (`tfface.viz.cover`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tfface.face.head_uv import FRAME, crop_in_head, head_uv
from tfface.face.open_model import MAX_LEVEL, AlbedoBasis, load_open_face
from tfface.face.position_map import blending, texel_tables
from tfface.geometry.harmonics import harmonic_functions
from tfface.geometry.subdivide import triangulate
from tfface.io.kept import kept
from tfface.io.warp import sample_image
from tfface.viz.chart_albedo import END, chart_albedo, chart_radius
from tfface.viz.completion import SMOOTH_TEXELS, as_bytes, completed, shrink
from tfface.viz.cover import skin_share
from tfface.viz.glasses import skin_round_eyes
from tfface.viz.mask import mask_share
from tfface.viz.shadows import without_shadows
from tfface.viz.texture import sample_photo
from tfface.viz.visible import head_normals, ramp, seen_in_picture

FloatArray = NDArray[np.floating]
UNLIKE = (0.2, 0.34)
"""What is made up goes by colours that differ from the guide's by less than this share, not by what differs more."""
STRANDS = 0.05
"""Of the texture's side: so wide is the surrounding that goes with such colours."""
MEAN_SHARE = 0.003
"""What the mean of all that is known counts in each texel that is made up: some twenty texels from what is known it
prevails, so that the rim's chance colour does not spread over the back of the head."""
FADE = 0.06
"""Of the texture's side: over so much gloss fades towards what is made up, so that it does not end in an edge where
hair was cut off. Shade stays: with it albedo was off by 6.6 and 6.9 % for 6.5 and 6.8 on light and dark skin."""
MADE_UP = 1e-3
"""What a texel counts that a photograph does not show, where several photographs' textures are merged."""


@dataclass(frozen=True, eq=False)
class SkinTexture:
    """A texture in the chart of `tfface.face.head_uv`.

    Attributes:
        colours: `[T,T,3]` uint8 RGB.
        origin: `[T,T,3]` uint8, shares of 255: red made up, green seen, blue mirrored.
        light: `[3]` what the light does to the face's colours on the whole, for what stands beside the skin.
    """

    colours: NDArray[np.uint8]
    origin: NDArray[np.uint8]
    light: NDArray[np.float32]


def skin_texture(
    image: NDArray[np.uint8],
    points: FloatArray,
    albedo: AlbedoBasis,
    coefficients: FloatArray | None,
    size: int,
    unlit: bool = False,
    seen: FloatArray | None = None,
    normals: FloatArray | None = None,
) -> SkinTexture:
    """The texture of a head in a photograph.

    Args:
        image: `[H,W,3]` uint8 RGB.
        points: `[61129,3]` `posed_head`.
        albedo: the face model's, with `coefficients` `[A]` of the person; None is the mean.
        size: side in texels, a power of two.
        unlit: the light that fits the photograph is taken out, but for its level and tint on the whole, which nothing
            in one photograph tells from the skin's.
        seen, normals: `[61129]` `seen_vertices` and `[61129,3]` `head_normals`, where they are known.
    """
    own = chart_albedo(albedo, coefficients, size)
    look = _look(image, points, own, seen, normals)
    plain, seen = look.plain(own), look.seen[inner_part(size)]
    share = skin_share(plain, seen, float(look.light.mean()))
    weight = look.seen * (1 - _outwards(1 - share, size)) * _tables(size).inside
    weight[inner_part(size)] *= skin_round_eyes(plain)
    skin = shrink(_of_face(share, 1, size)) * (1 - _unlike(look.shown, look.guide))[..., None]
    colours, origin = _completed(look.shown, look.guide, weight[..., None], skin)
    if unlit:
        lit = np.maximum(chart_values(look.shading, size), 0.02)
        colours = as_bytes(without_shadows(colours / np.float32(255) * look.light / lit))
    return SkinTexture(colours, origin, look.light)


@dataclass(frozen=True, eq=False)
class _Look:
    """A photograph in the head's chart `[T,T,...]`: what it `shown`, how well `seen`, and the `guide`; the light on
    each vertex of the head, `shading` `[V,3]`, and on the face on the whole, `light` `[3]`."""

    shown: NDArray[np.uint8]
    seen: NDArray[np.float32]
    guide: NDArray[np.float32]
    shading: NDArray[np.float32]
    light: NDArray[np.float32]

    def plain(self, own: FloatArray) -> NDArray[np.float32]:
        """The colours of the face's own chart with the light divided out `[R,R,3]`; `own` is its albedo."""
        inner = inner_part(len(own))
        plain = np.asarray(cv2.multiply(self.shown[inner], own[inner], None, 1 / 255, cv2.CV_32F), np.float32)
        plain /= np.maximum(self.guide[inner], np.float32(0.02))
        return plain


def _look(
    image: NDArray[np.uint8], points: FloatArray, own: FloatArray, seen: FloatArray | None, normals: FloatArray | None
) -> _Look:
    tables = _tables(len(own))
    normals = head_normals(points) if normals is None else normals
    seen = seen_in_picture(image, points, seen, normals)
    u, v, share = (tables.plane(column) for column in (*points.T[:2], seen))
    shown = sample_image(image, np.moveaxis(np.array([u, v]), 0, -1))
    mask = _mask(shown, share)
    if mask is not None:
        share *= 1 - mask
        seen = seen * (1 - _at_vertices(mask))
    shading, light = _shading(image, points, normals, seen, own)
    guide = tables.gather(shading)
    guide *= own
    return _Look(shown, share, guide, shading, light)


def head_light(
    image: NDArray[np.uint8], points: FloatArray, albedo: FloatArray, seen: FloatArray | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """How the photograph sees and lights a head.

    Args:
        image: `[H,W,3]` uint8 RGB.
        points: `[61129,3]` `posed_head`.
        albedo: `[T,T,3]` in the head's chart (`chart_albedo`).
        seen: `[61129]` `seen_vertices`, where it is known.

    Returns:
        of each vertex how well it is seen `[V]`, its normal in the picture's frame (y up) `[V,3]` and the light's
        colour on it `[V,3]`; the light's colour on the face on the whole `[3]`.
    """
    normals = head_normals(points)
    seen = seen_in_picture(image, points, seen, normals)
    shading, light = _shading(image, points, normals, seen, albedo)
    return seen, normals, shading, light


def merged_skin(skins: Sequence[SkinTexture]) -> SkinTexture:
    """One texture of several photographs: each texel from those that see it, by how well they do; what none sees is the
    mean of what each made up.

    Photographs differ in light and exposure, so each later one's colours are first brought, channel by channel, to the
    mean that those before it have where both see the skin.

    Args:
        skins: at least one, of one size.
    """
    total: FloatArray = np.zeros(1, np.float32)
    shares, seen = total, total
    for number, skin in enumerate(skins):
        colours, origin = skin.colours.astype(np.float32), skin.origin.astype(np.float32) / 255
        weight = origin[..., 1:2] + MADE_UP
        if number:
            both = np.minimum(origin[..., 1:2], seen)
            known = (both * total / shares).sum((0, 1))
            colours = colours * (known + 1) / ((both * colours).sum((0, 1)) + 1)
        total, shares = total + weight * colours, shares + weight
        seen = np.maximum(seen, origin[..., 1:2])
    mirrored = np.maximum(np.minimum(seen[:, ::-1], 1 - seen), 0)
    origin = np.concatenate([1 - seen - mirrored, seen, mirrored], axis=-1)
    return SkinTexture(as_bytes(total / shares / 255), as_bytes(origin), skins[0].light)


def inner_part(size: int) -> tuple[slice, slice]:
    """The face's own chart in the head's."""
    start = round(FRAME * (size - 1))
    return (slice(start, size - start),) * 2


def _mask(shown: NDArray[np.uint8], seen: FloatArray) -> NDArray[np.float32] | None:
    """`mask_share` in the head's chart `[T,T]`."""
    inner = inner_part(len(seen))
    share = mask_share(shown[inner] / np.float32(255), seen[inner])
    return None if share is None else _of_face(share, 0, len(seen))


def _of_face(share: FloatArray, beyond: float, size: int) -> NDArray[np.float32]:
    """A map of the face's own chart in the head's `[T,T]`, `beyond` it one value."""
    result = np.full((size, size), beyond, np.float32)
    result[inner_part(size)] = share
    return result


def _at_vertices(values: FloatArray) -> FloatArray:
    """What a map `[T,T]` of the head's chart has at each vertex `[V]`."""
    column, row = np.round(head_uv(load_open_face()) * (len(values) - 1)).astype(int).T
    return values[row, column]


def _completed(
    shown: NDArray[np.uint8], guide: FloatArray, seen: FloatArray, skin: FloatArray
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """What is seen, then its mirror image, then what is smooth, as differences from the guide.

    What is made up goes by what is surely `skin` alone: hair and collar say nothing of it.
    """
    difference = np.asarray(cv2.addWeighted(shown, 1 / 255, guide, -1, 0, dtype=cv2.CV_32F), np.float32)
    difference, from_mirror = completed(difference, seen, skin + np.float32(1e-4), MEAN_SHARE, FADE)
    origin = cv2.merge([1 - seen - from_mirror, seen, from_mirror])
    difference += guide
    return as_bytes(difference), as_bytes(np.asarray(origin, np.float32))


def _unlike(shown: NDArray[np.uint8], guide: FloatArray) -> NDArray[np.float32]:
    """1 where a colour is none that the skin could have in this light, `[S,S]` of at most `SMOOTH_TEXELS`."""
    small = (min(len(guide), SMOOTH_TEXELS),) * 2
    seen, usual = (cv2.resize(part, small, interpolation=cv2.INTER_AREA) for part in (shown, guide))
    beside = seen / np.float32(255) - usual
    apart, large = (np.sqrt(np.einsum("rcx,rcx->rc", each, each)) for each in (beside, usual))
    apart /= large + np.float32(0.1)
    blurred = cv2.GaussianBlur(np.asarray(apart, np.float32), (0, 0), small[0] / 200)
    reach = 2 * round(small[0] * STRANDS / 2) + 1
    unlike = ramp(np.asarray(blurred, np.float32), *UNLIKE)
    around = cv2.dilate(unlike, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    return np.asarray(cv2.GaussianBlur(around, (0, 0), reach / 4), np.float32)


def _outwards(unlike: FloatArray, size: int) -> NDArray[np.float32]:
    """What lies beyond such colours in the face's own chart is not skin either: above them on the upper half, and
    outside them on each side; in the head's chart `[T,T]`."""
    result, half = np.array(unlike, np.float32), len(unlike) // 2
    for part, axis in ((result[half - 1 :: -1], 0), (result[:, half:], 1), (result[:, half - 1 :: -1], 1)):
        np.maximum.accumulate(part, axis=axis, out=part)
    return np.pad(result, (size - len(result)) // 2, mode="edge")


def _shading(
    image: NDArray[np.uint8], points: FloatArray, normals: FloatArray, seen: FloatArray, albedo: FloatArray
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The light's colour on each vertex `[V,3]`, and on the face on the whole `[3]`: harmonics fitted to what is seen
    of the face, robustly."""
    face, inner = load_open_face(), _some_of_face()
    chosen = inner[seen[inner] > 0.5]
    if len(chosen) < MIN_LIT:
        return np.ones((len(points), 3), np.float32), np.ones(3, np.float32)
    target, functions = sample_photo(image, points[chosen][None])[0], _harmonics(normals[chosen]).T
    own = sample_image(albedo, head_uv(face)[chosen][None] * (len(albedo) - 1) + 0.5)[0]
    weight, light = np.ones((len(chosen), 1)), np.zeros((9, 3))
    damping = np.diag([0.0] + [0.02] * 3 + [0.1] * 5) * len(chosen)
    for _ in range(4):
        for channel in range(3):
            rows = functions * own[:, channel, None]
            normal = rows.T @ (weight * rows) + damping * np.square(own[:, channel]).mean()
            light[:, channel] = np.linalg.solve(normal + 1e-9 * np.eye(9), rows.T @ (weight[:, 0] * target[:, channel]))
        apart = np.linalg.norm(functions @ light * own - target, axis=1, keepdims=True)
        weight = 1 / (1 + (apart / 0.08) ** 2)
    shading = light.T.astype(np.float32) @ _harmonics(normals)
    usual = np.maximum(np.median(shading[:, chosen], axis=1), 0.01)[:, None]
    return np.asarray(_as_seen(shading / usual, chosen) * usual, np.float32).T, np.asarray(usual[:, 0], np.float32)


@lru_cache(maxsize=1)
def _some_of_face() -> NDArray[np.int64]:
    """Vertices of the head that light is fitted to."""
    face = load_open_face()
    return crop_in_head(face)[np.flatnonzero(np.isin(face.regions, (1, 3)))[::9]]


def _harmonics(normals: FloatArray) -> NDArray[np.float32]:
    """`[9,V]` at unit normals `[V,3]`."""
    return np.stack(harmonic_functions(*np.ascontiguousarray(normals.T, np.float32)))


def _as_seen(shading: FloatArray, chosen: NDArray[np.int64]) -> FloatArray:
    """Shading `[3,V]` no brighter, darker or more tinted than that of the vertices `chosen`: harmonics fitted to a face
    from the front say nothing of what faces backwards or up."""
    bright = np.maximum((shading[0] + shading[1] + shading[2]) / 3, 0.05)
    clipped = np.clip(bright, *np.percentile(bright[chosen], (10, 90)))
    tints = (colour / bright for colour in shading)
    return np.stack([np.clip(tint, *np.percentile(tint[chosen], (30, 70))) * clipped for tint in tints])


MIN_LIT = 100
"""Vertices of the face that must be seen before a light is fitted."""


def chart_values(values: FloatArray, size: int) -> NDArray[np.float32]:
    """Values `[61129,C]` at the head's vertices in its chart `[T,T,C]`."""
    return _tables(size).gather(np.asarray(values, np.float32))


@dataclass(frozen=True, eq=False)
class _HeadTables:
    """What takes vertices to texels, and how far each is inside the face's end."""

    blending: sp.csr_array
    inside: NDArray[np.float32]

    def plane(self, values: FloatArray) -> NDArray[np.float32]:
        """`[V]` to `[T,T]`."""
        return np.asarray((self.blending @ np.asarray(values, np.float32)).reshape(self.inside.shape))

    def gather(self, values: FloatArray) -> NDArray[np.float32]:
        """`[V,C]` to `[T,T,C]`."""
        return np.asarray(cv2.merge([self.plane(column) for column in values.T]), np.float32)


@lru_cache(maxsize=2)
def _tables(size: int) -> _HeadTables:
    face = load_open_face()
    which, weights = kept(f"head_texels{size}", face.checksum, lambda: _texels(size))
    radius = chart_radius(size)
    return _HeadTables(blending(which, weights, len(head_uv(face))), 1 - ramp(radius, *END))


def _texels(size: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The head's vertices `[T,T,3]` that each texel blends, and their weights `[T,T,3]`."""
    face = load_open_face()
    surface = face.head(MAX_LEVEL)
    triangles = triangulate(surface.quads[surface.quad_part < 2])
    triangle_id, weights, _ = texel_tables(head_uv(face), triangles, size)
    return triangles[triangle_id], weights
