"""A model of several named meshes with materials, as artists exchange it: GLB with morph targets, OBJ with MTL, PLY.

Vertices are millimetres in OBJ and PLY, metres in GLB, as glTF wants; y is up and the face looks along +z in all three.
OBJ keeps quads; GLB and PLY are triangles. The same model gives the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.geometry.raster import vertex_normals, vertex_tangents
from tfface.geometry.subdivide import triangulate
from tfface.io.files import MARK, atomic_path, write_text
from tfface.io.glb import COMPONENTS, INDICES, GlbFile, number_type, unit_normals
from tfface.io.image import write_image
from tfface.io.mesh import MM_TO_M, Mesh, rows_of_text, write_mesh
from tfface.io.warp import sample_image

LEAST_MOVE_MM = 0.02
"""Morph targets leave out vertices that move less."""
MOST_TEXTS = 32
"""Parts of OBJ files that are kept as text: two for each of a model's meshes, some megabytes in all."""
_texts: dict[tuple[Any, ...], str] = {}


@dataclass(frozen=True, eq=False)
class Material:
    """How a mesh looks.

    Attributes:
        color: sRGB in [0,1]; multiplies nothing where there is a texture.
        texture: `[T,T,3]` uint8 RGB or None.
        normals: `[T,T,3]` uint8, a normal map in tangent space, green up; or None.
        roughness: 0 is a mirror, 1 is chalk.
        double_sided: its back is seen too.
    """

    name: str
    color: tuple[float, float, float] = (1.0, 1.0, 1.0)
    texture: NDArray[np.uint8] | None = None
    roughness: float = 0.9
    double_sided: bool = False
    normals: NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False)
class NamedMesh:
    """A mesh of a model.

    Attributes:
        vertices: `[V,3]` float32 mm; quads: `[Q,4]` int32, -1 ends a triangle; counter-clockwise from outside.
        uv: `[V,2]` origin top-left, or None.
        targets: morph targets by name, offsets `[V,3]` mm at weight 1.
        pivot: the point in mm about which the mesh's node turns.
        rim: vertices `[S]` where another mesh goes on, and the normals `[S,3]` of both together there; or None.
    """

    name: str
    vertices: NDArray[np.float32]
    quads: NDArray[np.int32]
    material: Material
    uv: NDArray[np.float32] | None = None
    targets: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    pivot: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rim: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None

    @cached_property
    def triangles(self) -> NDArray[np.int32]:
        """`[F,3]`."""
        return triangulate(self.quads)

    @cached_property
    def normals(self) -> NDArray[np.float32]:
        """`[V,3]` at its `vertices`."""
        return self.normals_at(self.vertices)

    def normals_at(self, vertices: NDArray[np.floating]) -> NDArray[np.float32]:
        """`[V,3]` with its vertices where they are given."""
        found = vertex_normals(np.asarray(vertices, np.float32), self.triangles)
        if self.rim is not None:
            found[self.rim[0]] = self.rim[1]
        return found


@dataclass(frozen=True, eq=False)
class Animation:
    """How a model's morph targets and its root move.

    Attributes:
        seconds: `[T]` float, rising.
        weights: `[T,K]` of the morph targets, in their order.
        rotations: `[T,4]` unit quaternions x, y, z, w.
        positions: `[T,3]` mm.
    """

    seconds: NDArray[np.floating]
    weights: NDArray[np.floating]
    rotations: NDArray[np.floating]
    positions: NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Model:
    """Meshes under one name, the weights (by target) with which its morph targets show it, how it moves, and the mark
    that its files carry."""

    name: str
    meshes: Sequence[NamedMesh]
    weights: Mapping[str, float] = field(default_factory=dict)
    animation: Animation | None = None
    mark: str = MARK

    def joined(self) -> Mesh:
        """One mesh of triangles with a colour a vertex, mm, as morph targets' weights show it."""
        vertices, triangles, colors, first = [], [], [], 0
        for mesh in self.meshes:
            vertices.append(mesh.vertices + sum(self.weights.get(n, 0) * t for n, t in mesh.targets.items()))
            triangles.append(mesh.triangles + first)
            colors.append(_vertex_colors(mesh))
            first += len(mesh.vertices)
        joined = np.concatenate(vertices).astype(np.float32)
        return Mesh(joined, np.concatenate(triangles).astype(np.int32), colors=np.concatenate(colors))


def _vertex_colors(mesh: NamedMesh) -> NDArray[np.uint8]:
    texture = mesh.material.texture
    if texture is None or mesh.uv is None:
        return np.tile(np.round(np.array(mesh.material.color) * 255), (len(mesh.vertices), 1)).astype(np.uint8)
    places = mesh.uv[None] * np.array(texture.shape[1::-1], np.float32)
    parts = [sample_image(texture, part)[0] for part in np.array_split(places, len(mesh.uv) // 30000 + 1, axis=1)]
    return np.concatenate(parts).astype(np.uint8)


def write_ply(path: Path, model: Model) -> list[Path]:
    """Writes one mesh with vertex colours, binary, mm; the paths written."""
    write_mesh(path, model.joined(), model.mark)
    return [path]


def write_obj(path: Path, model: Model) -> list[Path]:
    """Writes NAME.obj (an object a mesh, quads, uv, normals), NAME.mtl and the textures; the paths written.

    The first textured material's picture is NAME_texture.png, another's NAME_MATERIAL.png. Vertices are where the morph
    targets' weights move them.
    """
    pictures = _write_pictures(path, model)
    lines = [f"# {model.mark}; millimetres, y up\nmtllib {path.stem}.mtl\n"]
    first, first_uv = 1, 1
    for mesh in model.meshes:
        vertices, normals = mesh.vertices, mesh.normals
        if mesh.targets:
            vertices = vertices + sum(model.weights.get(name, 0) * move for name, move in mesh.targets.items())
            normals = mesh.normals_at(vertices)
        lines += [f"o {mesh.name}\nusemtl {mesh.material.name}\n", rows_of_text("v %.4f %.4f %.4f\n", vertices)]
        lines.append(rows_of_text("vn %.4f %.4f %.4f\n", normals))
        if mesh.uv is not None:
            lines.append(_lasting(_obj_uv, mesh.uv))
        lines.append(_lasting(_obj_faces, mesh.quads, first, None if mesh.uv is None else first_uv))
        first, first_uv = first + len(vertices), first_uv + (0 if mesh.uv is None else len(mesh.uv))
    write_text(path, "".join(lines), errors="surrogateescape")
    materials = path.with_name(f"{path.stem}.mtl")
    write_text(materials, _mtl(model, pictures, path), errors="surrogateescape")
    return [path, materials, *(path.with_name(picture) for picture in pictures.values())]


def _obj_uv(uv: NDArray[np.floating]) -> str:
    return rows_of_text("vt %.6f %.6f\n", uv * [1.0, -1.0] + [0.0, 1.0])


def _obj_faces(quads: NDArray[np.int32], first: int, first_uv: int | None) -> str:
    """Quads, then triangles, each corner as `v/vt/vn`."""
    is_quad = quads[:, 3] >= 0
    text = ""
    for faces in (quads[is_quad], quads[~is_quad][:, :3]):
        if not len(faces):
            continue
        numbers = faces.astype(np.int64)
        if first_uv is None:
            corners, form = np.stack([numbers + first] * 2, -1), "%d//%d"
        else:
            corners, form = np.stack([numbers + first, numbers + first_uv, numbers + first], -1), "%d/%d/%d"
        text += rows_of_text("f " + " ".join([form] * faces.shape[1]) + "\n", corners.reshape(len(faces), -1))
    return text


def _lasting(text_of: Callable[..., str], array: NDArray[Any], *more: Any) -> str:
    """`text_of(array, *more)`, kept: corners and places in textures are the same for everybody, and to write them as
    text takes longer than all else in an OBJ."""
    key = (text_of, hashlib.blake2b(np.ascontiguousarray(array).tobytes()).digest(), array.shape, array.dtype.str, more)
    if key not in _texts:
        while len(_texts) >= MOST_TEXTS:
            _texts.pop(next(iter(_texts)), None)
        _texts[key] = text_of(array, *more)
    return _texts[key]


def _materials(model: Model) -> list[Material]:
    """Each material once, in order."""
    return list({mesh.material.name: mesh.material for mesh in model.meshes}.values())


def _write_pictures(path: Path, model: Model) -> dict[str, str]:
    names: dict[str, str] = {}
    for material in _materials(model):
        if material.texture is not None:
            names[material.name] = f"{path.stem}_{'texture' if not names else material.name}.png"
            write_image(path.with_name(names[material.name]), material.texture, result=True, mark=model.mark)
    return names


def _mtl(model: Model, pictures: Mapping[str, str], path: Path) -> str:
    lines = [f"# {model.mark}\n"]
    for material in _materials(model):
        gloss, shine = 0.3 * (1 - material.roughness), round((1 - material.roughness) * 500)
        color = (1.0, 1.0, 1.0) if material.name in pictures else material.color
        lines.append(f"newmtl {material.name}\nKa 0 0 0\nKd {color[0]:.4f} {color[1]:.4f} {color[2]:.4f}\n")
        lines.append(f"Ks{f' {gloss:.3f}' * 3}\nNs {shine}\nillum 2\n")
        if material.name in pictures:
            lines.append(f"map_Kd {pictures[material.name]}\n")
        if material.normals is not None:
            lines.append(f"norm {path.stem}_normal.png\n")
    return "".join(lines)


def write_glb(path: Path, model: Model) -> list[Path]:
    """Writes a GLB: a node a mesh under one root, PBR materials, normals, morph targets as sparse accessors."""
    data = _Glb().scene(model)
    with atomic_path(path) as beside:
        beside.write_bytes(data)
    return [path]


WRITERS = {"obj": write_obj, "glb": write_glb, "ply": write_ply}


class _Glb:
    """A model as a glTF 2.0 file."""

    def __init__(self) -> None:
        self.file = GlbFile()
        self.images: list[dict[str, Any]] = []

    def scene(self, model: Model) -> bytes:
        materials = _materials(model)
        described = [self._material(material) for material in materials]
        places = {material.name: place for place, material in enumerate(materials)}
        meshes = [self._mesh(mesh, places[mesh.material.name], model.weights) for mesh in model.meshes]
        nodes = [_node(mesh, place) for place, mesh in enumerate(model.meshes)]
        root = {"name": model.name, "children": list(range(len(nodes)))}
        scenes = [{"nodes": [len(nodes)]}]
        tree = {"scenes": scenes, "nodes": [*nodes, root], "meshes": meshes, "materials": described}
        if model.animation is not None:
            moving = [place for place, mesh in enumerate(model.meshes) if mesh.targets]
            tree["animations"] = [self._animation(model.animation, moving, len(nodes))]
        return self.file.finished({**tree, **self._textures()}, model.mark)

    def _animation(self, moves: Animation, moving: Sequence[int], root: int) -> dict[str, Any]:
        """Linear steps from frame to frame: one track of weights for all meshes that have any, two for the root."""
        times = self.file.accessor(np.asarray(moves.seconds, np.float32)[:, None], "SCALAR", None, bounds=True)
        tracks = {
            "weights": (np.asarray(moves.weights, np.float32).reshape(-1, 1), "SCALAR"),
            "rotation": (np.asarray(moves.rotations, np.float32), "VEC4"),
            "translation": (np.asarray(moves.positions * MM_TO_M, np.float32), "VEC3"),
        }
        samplers = [
            {"input": times, "output": self.file.accessor(values, kind, None), "interpolation": "LINEAR"}
            for values, kind in tracks.values()
        ]
        channels = [{"sampler": 0, "target": {"node": node, "path": "weights"}} for node in moving]
        channels += [{"sampler": k, "target": {"node": root, "path": list(tracks)[k]}} for k in (1, 2)]
        return {"name": "performance", "samplers": samplers, "channels": channels}

    def _textures(self) -> dict[str, Any]:
        if not self.images:
            return {}
        sampler = {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}
        textures = [{"source": place, "sampler": 0} for place in range(len(self.images))]
        return {"textures": textures, "images": self.images, "samplers": [sampler]}

    def _material(self, material: Material) -> dict[str, Any]:
        looks: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": material.roughness}
        if material.texture is None:
            looks["baseColorFactor"] = [*(round(_linear(value), 5) for value in material.color), 1.0]
        else:
            looks["baseColorTexture"] = {"index": len(self.images)}
            self.images.append(self.file.picture(material.name, material.texture))
        more: dict[str, Any] = {"doubleSided": True} if material.double_sided else {}
        if material.normals is not None:
            more["normalTexture"] = {"index": len(self.images)}
            self.images.append(self.file.picture(f"{material.name}_normal", material.normals, lossless=True))
        return {"name": material.name, "pbrMetallicRoughness": looks, **more}

    def _mesh(self, mesh: NamedMesh, material: int, weights: Mapping[str, float]) -> dict[str, Any]:
        vertices = np.asarray(mesh.vertices, np.float32)
        placed = (vertices - np.array(mesh.pivot, np.float32)) * np.float32(MM_TO_M)
        normals = unit_normals(mesh.normals)
        attributes = {
            "POSITION": self.file.accessor(placed, "VEC3", bounds=True),
            "NORMAL": self.file.accessor(normals, "VEC3"),
        }
        if mesh.uv is not None:
            attributes["TEXCOORD_0"] = self.file.accessor(np.asarray(mesh.uv, np.float32), "VEC2")
            if mesh.material.normals is not None:  # else each program makes tangents of its own
                tangents = vertex_tangents(vertices, mesh.triangles, mesh.uv, normals)
                attributes["TANGENT"] = self.file.accessor(tangents, "VEC4")
        primitive: dict[str, Any] = {"attributes": attributes, "material": material, "mode": 4}
        numbers = mesh.triangles.astype(number_type(len(vertices))).reshape(-1)
        primitive["indices"] = self.file.accessor(numbers, "SCALAR", INDICES)
        described: dict[str, Any] = {"name": mesh.name, "primitives": [primitive]}
        if mesh.targets:
            primitive["targets"] = [{"POSITION": self._sparse(moves)} for moves in mesh.targets.values()]
            described["weights"] = [round(float(weights.get(name, 0.0)), 5) for name in mesh.targets]
            described["extras"] = {"targetNames": list(mesh.targets)}
        return described

    def _sparse(self, moves: NDArray[np.floating]) -> int:
        """Offsets in metres of the vertices that move; the rest are 0 without being stored."""
        moving = np.flatnonzero(np.abs(moves).max(1) > LEAST_MOVE_MM)
        offsets = np.asarray(moves[moving] * MM_TO_M, np.float32)
        low, high = (np.zeros(3), np.zeros(3)) if not len(moving) else (offsets.min(0), offsets.max(0))
        if len(moving) < len(moves):  # those that stay count too
            low, high = np.minimum(low, 0), np.maximum(high, 0)
        entry: dict[str, Any] = {"componentType": COMPONENTS["float32"], "count": len(moves), "type": "VEC3"}
        entry |= {"min": low.tolist(), "max": high.tolist()}
        if len(moving):
            kind = number_type(len(moves))
            numbers = self.file.view(moving.astype(kind).tobytes())
            places = {"bufferView": numbers, "componentType": COMPONENTS[np.dtype(kind).name]}
            entry["sparse"] = {
                "count": len(moving),
                "indices": places,
                "values": {"bufferView": self.file.view(offsets.tobytes())},
            }
        return self.file.add_accessor(entry)


def _node(mesh: NamedMesh, place: int) -> dict[str, Any]:
    moved = {"translation": [round(value * MM_TO_M, 7) for value in mesh.pivot]} if any(mesh.pivot) else {}
    return {"name": mesh.name, "mesh": place, **moved}


def _linear(value: float) -> float:
    """A channel in sRGB as linear light."""
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)
