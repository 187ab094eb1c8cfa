"""The head as an artist's model: pieces of `tfface.face.head_mesh` with materials, about the head's centre.

Skin has the photograph's texture, eyes a drawn one in the photograph's iris colour, teeth, gums and tongue one colour
each. With morph targets the mesh is the person at rest and the weights show the photograph's expression; without them
the expression is in the vertices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.face.head_mesh import SHOULDERS, HeadMesh, Piece, head_mesh
from tfface.face.head_uv import on_square
from tfface.face.open_model import MAX_LEVEL, PART_NAMES, load_open_face
from tfface.face.shoulders import HOLE
from tfface.geometry.camera import Camera
from tfface.geometry.raster import vertex_normals
from tfface.io.model import Material, Model, NamedMesh
from tfface.viz.detail import Detail
from tfface.viz.skin import SkinTexture
from tfface.viz.texture import sample_photo
from tfface.viz.visible import seen_vertices

FloatArray = NDArray[np.floating]
EYE_PIXELS, TEETH_PIXELS, SHOULDERS_PIXELS = 256, 256, 256
SOFT_DEG, SOFT_REACH, REACH = 25.0, 0.12, 0.45
"""The colours round the neck's border are blurred by so many degrees over the first of these parts of the shoulders'
chart (of its half side), and become one over the second."""
IRIS_DEG, PUPIL_DEG = 23.0, 8.5
"""Half angles of iris and pupil, seen from the eyeball's middle."""
MIN_IRIS_PIXELS, MIN_IRIS_POINTS = 3.0, 12
"""An iris of fewer pixels in its radius, or of fewer vertices that are seen, tells no colour."""
EYE_PARTS = (PART_NAMES.index("left eye"), PART_NAMES.index("right eye"))
LID_MM = 0.4
"""What lies at least between an eyeball and lids that detail moves."""
WHITE = np.ones(3)
BROWN = (0.33, 0.22, 0.14)
"""Of irises that the photograph does not show."""
PLAIN = {
    "gum": Material("gum", (0.72, 0.42, 0.40), roughness=0.5, double_sided=True),
    "tongue": Material("tongue", (0.68, 0.36, 0.35), roughness=0.6),
    "flesh": Material("flesh", (0.32, 0.12, 0.11), roughness=0.8),
}


def head_model(
    mesh: HeadMesh,
    identity: FloatArray,
    expression: FloatArray,
    skin: SkinTexture | None,
    iris: tuple[float, float, float] = BROWN,
    blend_shapes: bool = False,
    name: str = "head",
) -> Model:
    """The model of a person.

    Args:
        mesh: what is shown, at which level.
        identity: `[K]` standard deviations; expression: `[52]` weights.
        skin: its texture, and the light that it was photographed in; None for plain skin in plain light.
        iris: sRGB in [0,1], as photographed.
        blend_shapes: the 52 ARKit expressions as morph targets.
    """
    names = load_open_face().expression_names
    shown = np.zeros_like(expression) if blend_shapes else expression
    vertices = _vertices(mesh, *(np.asarray(part, np.float32).tobytes() for part in (identity, shown)))
    targets = mesh.morph_targets() if blend_shapes else {}
    materials = _materials(skin, iris, mesh.kind == "full")
    rims = _rims(mesh, vertices)
    meshes = [
        NamedMesh(
            piece.name,
            vertices[piece.rows],
            piece.quads,
            materials[piece.material],
            _texel_centres(piece.uv, materials[piece.material].texture),
            {key: moves[piece.rows] for key, moves in targets.items()},
            _middle(vertices[piece.rows]) if piece.material == "eye" else (0.0, 0.0, 0.0),
            rims.get(piece.name),
        )
        for piece in mesh.pieces
    ]
    return Model(name, meshes, dict(zip(names, expression.tolist(), strict=True)) if blend_shapes else {})


@lru_cache(maxsize=1)
def _vertices(mesh: HeadMesh, identity: bytes, expression: bytes) -> NDArray[np.float32]:
    """`[N,3]` about the head's centre; a face's pictures and files ask for the same ones."""
    found = mesh.vertices(*(np.frombuffer(part, np.float32) for part in (identity, expression)))
    found -= load_open_face().centre.astype(np.float32)
    found.setflags(write=False)
    return found


def _rims(mesh: HeadMesh, vertices: NDArray[np.float32]) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Where skin and shoulders meet: the vertices of each, and the normals of both together, so that no edge shows."""
    if not len(mesh.seam):
        return {}
    pieces = mesh.pieces[:2]
    rows = [mesh.seam[:, k] - piece.first for k, piece in enumerate(pieces)]
    both = [vertex_normals(vertices[piece.rows], piece.triangles)[own] for piece, own in zip(pieces, rows, strict=True)]
    normals = sum(both) / np.maximum(np.linalg.norm(sum(both), axis=1, keepdims=True), 1e-6)
    return {piece.name: (own, normals.astype(np.float32)) for piece, own in zip(pieces, rows, strict=True)}


def with_detail(model: Model, mesh: HeadMesh, detail: Detail, maps: Mapping[str, NDArray[Any]]) -> Model:
    """The model with its skin displaced, a normal map, and its albedo for a texture (`Detail.maps`)."""
    skin = model.meshes[0]
    material = replace(skin.material, texture=maps["albedo"], normals=maps["normal"], roughness=0.6)
    eyes = [each for each in model.meshes if each.material.name == "eye"]
    vertices = _clear_of_eyes(skin.vertices, detail.displaced(mesh, skin.vertices), eyes)
    others = [
        replace(each, material=replace(each.material, texture=shoulders_texture(maps["albedo"]), roughness=0.6))
        if each.name == SHOULDERS
        else each
        for each in model.meshes[1:]
    ]
    return replace(model, meshes=[replace(skin, vertices=vertices, material=material), *others])


def _clear_of_eyes(
    before: NDArray[np.float32], moved: NDArray[np.float32], eyes: Sequence[NamedMesh]
) -> NDArray[np.float32]:
    """The skin's vertices `[N,3]` after they `moved`, none nearer to an eyeball than before and than `LID_MM`: sunken
    lids would let it through."""
    for eye in eyes:
        away = moved - np.array(eye.pivot, np.float32)
        radius = np.linalg.norm(eye.vertices - np.array(eye.pivot, np.float32), axis=1).max()
        now, least = np.linalg.norm(away, axis=1), np.linalg.norm(before - np.array(eye.pivot, np.float32), axis=1)
        least = np.minimum(least, radius + LID_MM)
        near = now < least
        moved = np.where(near[:, None], moved + away * (least / np.maximum(now, 1e-6) - 1)[:, None], moved)
    return np.asarray(moved, np.float32)


def _middle(ball: NDArray[np.float32]) -> tuple[float, float, float]:
    """Of a sphere's vertices `[V,3]`: eyes turn about it."""
    x, y, z = ((ball.min(0) + ball.max(0)) / 2).astype(np.float64).round(4).tolist()
    return x, y, z


def _texel_centres(uv: NDArray[np.float32] | None, texture: NDArray[np.uint8] | None) -> NDArray[np.float32] | None:
    """Our charts' 0 and 1 are the middles of the outer texels, renderers' the outer edges."""
    if uv is None or texture is None:
        return None
    return np.asarray((uv * (len(texture) - 1) + 0.5) / len(texture), np.float32)


def _materials(skin: SkinTexture | None, iris: tuple[float, float, float], shoulders: bool) -> dict[str, Material]:
    """By name; in the light of the skin's photograph, so that eyes and teeth do not shine out of a dark one."""
    texture, light = (None, np.ones(3)) if skin is None else (skin.colours, np.clip(skin.light, 0.2, 1.0))
    eye = eye_texture(iris, light)
    tooth = Material("tooth", texture=tooth_texture(light), roughness=0.35, double_sided=True)
    plain = {name: replace(one, color=tuple((light * one.color).tolist())) for name, one in PLAIN.items()}
    face = Material("skin", (0.80, 0.65, 0.56), texture, roughness=0.75, double_sided=True)
    below = replace(
        face, name=SHOULDERS, texture=shoulders_texture(texture) if shoulders and texture is not None else None
    )
    return {
        "skin": face,
        SHOULDERS: below,
        "eye": Material("eye", texture=eye, roughness=0.15),
        **plain,
        "tooth": tooth,
    }


def shoulders_texture(skin: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`[size,size,3]` the shoulders' chart: at the neck the colours that the skin's texture `[T,T,3]` has along its
    border, softer farther away, and then one even colour, their mean."""
    from scipy.ndimage import gaussian_filter1d

    across = np.arange(SHOULDERS_PIXELS) / (SHOULDERS_PIXELS - 1) - 0.5
    row, column = across[:, None], across[None]
    away = 2 * np.hypot(row, column)[..., None] - HOLE
    turns = np.radians(np.arange(360))
    border = sample_photo(skin, on_square(turns, np.ones(360))[None] * (len(skin) - 1) + 0.5)[0]
    at = np.round(np.degrees(np.arctan2(column, row))).astype(int) % 360
    colour = border[at]
    for softer, reach in (
        (gaussian_filter1d(border, SOFT_DEG, axis=0, mode="wrap")[at], SOFT_REACH),
        (border.mean(0), REACH),
    ):
        share = np.clip(away / reach, 0, 1)
        colour = colour + (softer - colour) * share * share * (3 - 2 * share)
    return np.asarray(np.clip(colour, 0, 1) * 255 + 0.5, np.uint8)


def eye_texture(iris: tuple[float, float, float], light: FloatArray = WHITE) -> NDArray[np.uint8]:
    """`[size,size,3]` an eyeball as `Piece.uv` of eyes unrolls it: pupil, iris with fibres and a dark ring, sclera in
    the light `[3]`."""
    in_light, of_iris, pupil = _eye_parts()
    channels = zip(in_light, of_iris, np.asarray(light, np.float32), np.array(iris, np.float32), strict=True)
    colours = [np.clip(own * lit + part * tint + pupil, 0, 1) for own, part, lit, tint in channels]
    return np.stack([(colour * np.float32(255) + np.float32(0.5)).astype(np.uint8) for colour in colours], axis=-1)


@lru_cache(maxsize=1)
def _eye_parts() -> tuple[NDArray[np.float32], ...]:
    """What an eyeball's picture has of the light's colour and of the iris's `[3,size,size]`, and of neither
    `[size,size]`."""
    size = EYE_PIXELS
    row, column = (np.mgrid[0:size, 0:size] + 0.5) / size - 0.5
    degrees, turn = np.hypot(row, column) * 360.0, np.arctan2(row, column)
    soft = 360.0 / size  # edges are a texel wide

    def inside(limit: float, width: float = soft) -> NDArray[np.float64]:
        return np.asarray(np.clip((limit - degrees) / width + 0.5, 0, 1))

    fibres = sum(np.sin(k * turn + k * k) for k in (9, 17, 29, 41)) / 4
    share = np.clip((degrees - PUPIL_DEG) / (IRIS_DEG - PUPIL_DEG), 0, 1)
    tone = 0.9 + 0.25 * (1 - share) + 0.12 * fibres - 0.55 * np.clip((share - 0.75) / 0.25, 0, 1) ** 2
    shade = np.clip(degrees / 90 - 0.3, 0, 1)
    white = np.stack([tint - shade * less for tint, less in ((0.74, 0.2), (0.72, 0.3), (0.70, 0.3))])
    iris, pupil = inside(IRIS_DEG, 2 * soft), inside(PUPIL_DEG)
    parts = white * (1 - iris) * (1 - pupil), np.stack([tone * iris * (1 - pupil)] * 3), 0.02 * pupil
    return tuple(part.astype(np.float32) for part in parts)


def tooth_texture(light: FloatArray = WHITE) -> NDArray[np.uint8]:
    """`[T,T,3]` a row of 14 teeth as `Piece.uv` of teeth unrolls them, in the light `[3]`; darker between them, and
    towards the molars."""
    along = (np.arange(TEETH_PIXELS) + 0.5) / TEETH_PIXELS
    gap = np.minimum(along * 14 % 1, 1 - along * 14 % 1)
    tone = 0.62 + 0.38 * np.clip(gap / 0.12, 0, 1) ** 0.5
    cheeks = 1 - 0.6 * np.abs(2 * along[:, None] - 1) ** 1.5  # keep the light from the molars, red least
    row = tone[:, None] * cheeks ** [0.8, 1.1, 1.2] * [0.90, 0.87, 0.80] * light
    return np.repeat(np.asarray(np.clip(row, 0, 1) * 255 + 0.5, np.uint8)[None], TEETH_PIXELS, axis=0)


def iris_colour(
    image: NDArray[np.uint8],
    identity: FloatArray,
    expression: FloatArray,
    camera: Camera,
    head: FloatArray,
    seen: FloatArray | None = None,
) -> tuple[float, float, float]:
    """The iris's colour, sRGB in [0,1]: the middle of what the photograph shows of both eyes, or brown.

    Args:
        image: `[H,W,3]` uint8 RGB.
        identity, expression, camera: of the person in it.
        head: `[61129,3]` where the camera sees the head (`tfface.viz.posed_head`); it may hide the eyes.
        seen: `[61129]` `tfface.viz.visible.seen_vertices` of it, where it is known.
    """
    face, mesh = load_open_face(), head_mesh("face", 1)
    balls = [np.asarray(camera.project(ball), np.float64) for ball in mesh.eyes(identity, expression)]
    cage = face.cage(identity, expression)
    seen = seen_vertices(head) if seen is None else seen
    colours = []
    pieces = [piece for piece in mesh.pieces if piece.material == "eye"]
    for piece, ball, (lid, matrix) in zip(pieces, balls, _lids(), strict=True):
        eye = ball + (head[lid] - camera.project(matrix @ cage)).mean(0)
        chosen = eye[_iris_vertices(piece)]
        if np.ptp(eye[:, 0]) / 2 * np.sin(np.radians(IRIS_DEG)) < MIN_IRIS_PIXELS:
            continue
        here, there = (part[:, :2] - chosen[0, :2] for part in (chosen, head[lid]))
        nearest = (here @ there.T - np.square(there).sum(1) / 2).argmax(1)
        apart = np.linalg.norm(here - there[nearest], axis=1)
        open_eye = (apart < np.ptp(eye[:, 0]) / 20) & (seen[lid][nearest] > 0.2)
        if open_eye.sum() >= MIN_IRIS_POINTS:
            colours.append(sample_photo(image, chosen[open_eye][None])[0])
    if not colours:
        return BROWN
    red, green, blue = np.median(np.concatenate(colours), axis=0).tolist()
    return red, green, blue


@lru_cache(maxsize=1)
def _lids() -> list[tuple[NDArray[np.int64], Any]]:
    """Of each eye's membrane, of which what is not hidden is the open eye: vertices of the head, and what the cage
    makes them of."""
    surface = load_open_face().head(MAX_LEVEL)
    rows = [np.flatnonzero(surface.vertex_part == part) for part in EYE_PARTS]
    return [(own, surface.matrix[own]) for own in rows]


def _iris_vertices(piece: Piece) -> NDArray[np.bool_]:
    """`[V]` which vertices of an eye lie well inside the iris, off the pupil."""
    assert piece.uv is not None
    degrees = np.linalg.norm(piece.uv - 0.5, axis=1) * 360.0
    return np.asarray((degrees > PUPIL_DEG + 3) & (degrees < IRIS_DEG - 4))
