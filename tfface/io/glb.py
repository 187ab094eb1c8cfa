"""Binary glTF 2.0 (Khronos 2017) as it is put together: buffer, accessors, file; and the file of one mesh.

No scene library has to be imported for it. Models of several meshes are `tfface.io.model`'s.
"""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tfface.io.files import MARK
from tfface.io.reading import reading

if TYPE_CHECKING:
    from tfface.io.mesh import Mesh

VERTICES, INDICES = 34962, 34963
"""What a view of the buffer is for."""
COMPONENTS = {"float32": 5126, "uint32": 5125, "uint16": 5123, "uint8": 5121}
JPEG_QUALITY = 95
_JSON, _BIN = 0x4E4F534A, 0x004E4942


class GlbFile:
    """The buffer as it grows, and what the tree says of it."""

    def __init__(self) -> None:
        self._parts, self._length, self._views, self._accessors = [], 0, [], []  # type: ignore[var-annotated]

    def view(self, data: bytes, target: int | None = None) -> int:
        """Adds bytes; the number of their view."""
        entry = {"buffer": 0, "byteOffset": self._length, "byteLength": len(data)}
        self._views.append(entry if target is None else {**entry, "target": target})
        self._parts += [data, bytes(-len(data) % 4)]
        self._length += len(data) + len(self._parts[-1])
        return len(self._views) - 1

    def accessor(
        self,
        values: NDArray[Any],
        kind: str,
        target: int | None = VERTICES,
        bounds: bool = False,
        normalized: bool = False,
    ) -> int:
        """Adds an array (of `COMPONENTS`); the number of its accessor."""
        view = self.view(np.ascontiguousarray(values).tobytes(), target)
        component = COMPONENTS[str(values.dtype)]
        entry: dict[str, Any] = {"bufferView": view, "componentType": component, "count": len(values), "type": kind}
        if bounds:
            low, high = zip(*((column.min(), column.max()) for column in values.T), strict=True)  # a tenth of min(0)
            entry |= {"min": np.array(low).tolist(), "max": np.array(high).tolist()}
        return self.add_accessor({**entry, "normalized": True} if normalized else entry)

    def picture(self, name: str, texture: NDArray[np.uint8], lossless: bool = False) -> dict[str, Any]:
        """Adds a texture `[T,T,3]` uint8 RGB; its entry among the images.

        A JPEG of `JPEG_QUALITY` with colours of full resolution: a quarter of a PNG's bytes and time.
        """
        import cv2

        jpeg = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        jpeg += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
        ending, how = (".png", []) if lossless else (".jpg", jpeg)
        data = bytes(cv2.imencode(ending, cv2.cvtColor(texture, cv2.COLOR_RGB2BGR), how)[1])
        kind = "image/png" if lossless else "image/jpeg"
        return {"name": name, "bufferView": self.view(data), "mimeType": kind}

    def add_accessor(self, entry: dict[str, Any]) -> int:
        """Adds an accessor as it stands; its number."""
        self._accessors.append(entry)
        return len(self._accessors) - 1

    def finished(self, tree: dict[str, Any], mark: str = MARK) -> bytes:
        """The file of a tree of nodes, meshes, materials; it carries `mark`."""
        document = {
            "asset": {"version": "2.0", "generator": mark},
            "scene": 0,
            **tree,
            "accessors": self._accessors,
            "bufferViews": self._views,
            "buffers": [{"byteLength": self._length}],
        }
        text = json.dumps(document, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        head = struct.pack("<4sIIII", b"glTF", 2, 28 + len(text) + self._length, len(text), _JSON)
        return b"".join([head, text, struct.pack("<II", self._length, _BIN), *self._parts])


def glb_bytes(mesh: Mesh, scale: float, mark: str = MARK) -> bytes:
    """The file of a mesh with its texture, else with vertex colours, with smooth normals.

    Args:
        mesh: in millimetres.
        scale: what a millimetre becomes; glTF has metres.
        mark: that it carries.
    """
    from tfface.geometry.raster import vertex_normals

    file = GlbFile()
    vertices = np.asarray(mesh.vertices * np.float64(scale), np.float32)
    attributes = {
        "POSITION": file.accessor(vertices, "VEC3", bounds=True),
        "NORMAL": file.accessor(unit_normals(vertex_normals(mesh.vertices, mesh.triangles)), "VEC3"),
    }
    tree: dict[str, Any] = {"scenes": [{"nodes": [0]}], "nodes": [{"name": "face", "mesh": 0}]}
    primitive: dict[str, Any] = {"attributes": attributes}
    if mesh.texture is not None and mesh.uv is not None:
        attributes["TEXCOORD_0"] = file.accessor(np.asarray(mesh.uv, np.float32), "VEC2")
        primitive["material"] = 0
        shading = {"baseColorTexture": {"index": 0}, "metallicFactor": 0.0, "roughnessFactor": 0.9}
        tree["materials"] = [{"name": "face", "pbrMetallicRoughness": shading}]
        tree["textures"] = [{"source": 0}]
        tree["images"] = [file.picture("face", mesh.texture, lossless=True)]
    elif mesh.colors is not None:
        opaque = np.full((len(mesh.colors), 1), 255, np.uint8)
        attributes["COLOR_0"] = file.accessor(np.hstack([mesh.colors, opaque]), "VEC4", normalized=True)
    triangles = mesh.triangles.astype(number_type(len(vertices))).reshape(-1, 1)
    primitive["indices"] = file.accessor(triangles, "SCALAR", INDICES)
    tree["meshes"] = [{"name": "face", "primitives": [primitive]}]
    return file.finished(tree, mark)


def number_type(count: int) -> type[np.unsignedinteger[Any]]:
    """The smallest type that numbers so many vertices; glTF keeps each type's last number for itself."""
    return np.uint16 if count < 2**16 else np.uint32


def unit_normals(normals: NDArray[np.floating]) -> NDArray[np.float32]:
    """Of length 1, as glTF demands; the normal of a point on no triangle is up."""
    length = np.sqrt(np.einsum("vi,vi->v", normals, normals))  # a fifth of norm's time
    result = np.asarray(normals / np.maximum(length, 1e-12)[:, None], np.float32)
    result[length == 0] = 0.0, 1.0, 0.0
    return result


def first_picture(path: Path) -> NDArray[np.uint8] | None:
    """The first picture `[H,W,3]` in a GLB file: the skin's, of ours; None where there is none.

    Raises:
        UserError: it is not a GLB file.
    """
    from PIL import Image

    with reading(path, "a GLB file"):
        data = path.read_bytes()
        length = struct.unpack_from("<I", data, 12)[0]
        tree = json.loads(data[20 : 20 + length])
        if not tree.get("images"):
            return None
        view = tree["bufferViews"][tree["images"][0]["bufferView"]]
        start = 20 + length + 8 + view.get("byteOffset", 0)
        with Image.open(io.BytesIO(data[start : start + view["byteLength"]]), formats=("JPEG", "PNG")) as picture:
            return np.asarray(picture.convert("RGB"), np.uint8)
