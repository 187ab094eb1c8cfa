"""MakeHuman's CC0 masks and detail map, drawn anew in the face's UV chart; and ambient occlusion of the head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from tfface.face.build.cage import Cage
from tfface.face.open_model import OpenFace
from tfface.face.position_map import PositionMap
from tfface.geometry.raster import rasterize, vertex_normals
from tfface.io.reading import reading

MASK_FILES = {"lips": "mpfb_lips.jpg", "eyelids": "mpfb_eyelids.jpg", "ears": "mpfb_ears.jpg", "sss": "sss.png"}
MASK_SIZE = 512


def build_masks(textures: Path, cage: Cage, face: OpenFace) -> dict[str, NDArray[np.uint8]]:
    """`{name: [512,512] uint8}` resampled from MakeHuman's own chart, which the cage's vertices carry."""
    uv = cage.head_uv.copy()
    unknown = np.isnan(uv[:, 0])
    nearest = cKDTree(face.mean[~unknown]).query(face.mean[unknown])[1]
    uv[unknown] = uv[~unknown][nearest]
    own_uv = np.c_[face.face(2).matrix @ uv, np.zeros(len(face.face(2).uv))]
    lookup = PositionMap(face, MASK_SIZE).from_vertices(own_uv.astype(np.float32))
    masks = {}
    for name, file in MASK_FILES.items():
        image = _read_grey(textures / file)
        height, width = image.shape
        across, down = lookup[..., 0] * width - 0.5, (1 - lookup[..., 1]) * height - 0.5
        masks[name] = map_coordinates(image, [down, across], order=1, mode="nearest").round().astype(np.uint8)
    return masks


def _read_grey(path: Path) -> NDArray[np.float32]:
    with (
        reading(path, "a MakeHuman texture", "unpack the wheel again"),
        Image.open(path, formats=("JPEG", "PNG")) as image,
    ):
        return np.asarray(image.convert("L"), np.float32)


def build_ambient_occlusion(face: OpenFace) -> NDArray[np.float32]:
    """The cosine-weighted share of the sky that each vertex of the mean head (level 2) sees, in [0,1].

    Found with shadow maps: the head is rasterised from directions spread over the sphere; a vertex is lit from one when
    nothing lies more than 1.5 mm in front of it.
    """
    surface, size = face.head(2), 384
    vertices = surface.vertices(face.mean).astype(np.float64)
    normals = vertex_normals(vertices, surface.triangles)
    origin, extent = vertices.mean(0), np.ptp(vertices, axis=0).max() * 1.2
    lit, total = np.zeros(len(vertices)), np.zeros(len(vertices))
    for direction in _fibonacci_sphere(192):
        cosine = normals @ direction
        facing = cosine > 0.02
        points = _view_from(vertices - origin, direction) * (size / extent) + [size / 2, size / 2, 0]
        depth = rasterize(points, surface.triangles, size, size)[2]
        column, row = np.clip(points[:, :2].astype(int), 0, size - 1).T
        open_sky = points[:, 2] > depth[row, column] - 1.5 * size / extent
        lit[facing] += (cosine * open_sky)[facing]
        total[facing] += cosine[facing]
    return (lit / np.maximum(total, 1e-6)).astype(np.float32)


def _fibonacci_sphere(count: int) -> NDArray[np.float64]:
    height = 1 - 2 * (np.arange(count) + 0.5) / count
    angle = np.pi * (1 + 5**0.5) * np.arange(count)
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(angle), height, radius * np.sin(angle)], axis=1)


def _view_from(points: NDArray[np.float64], direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthographic u right, v down, z towards a viewer who stands in `direction`."""
    up = np.array([0.0, 1.0, 0.0]) if abs(direction[1]) < 0.95 else np.array([0.0, 0.0, 1.0])
    right = np.cross(up, direction)
    right /= np.linalg.norm(right)
    down = -np.cross(direction, right)
    return points @ np.stack([right, down, direction], axis=1)
