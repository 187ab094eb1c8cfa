"""What a network of `--model detail` should say: the true surface and skin behind each texel of a base that is off.

A base puts a texel on some pixel of the photograph; the true surface that this pixel shows is another point than the
texel's own by a millimetre or two. So truth is looked up through the picture: where the texel lands, which true point,
which wrinkle, which colour is seen. The true head is first brought to the base by the similarity that fits these pairs
best: size and tilt of a whole head are not detail.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.data.synthetic.colour import linear_to_srgb
from tfface.data.synthetic.scene import Person
from tfface.face.open_model import load_open_face
from tfface.face.position_map import position_tables
from tfface.geometry.align import MAP_SIZE, fit_similarity
from tfface.geometry.camera import Camera
from tfface.geometry.icp import move
from tfface.geometry.raster import interpolate, rasterize, vertex_normals
from tfface.viz.unwrapped import Unwrapped, detailed_normals, skin_of_chart

FloatArray = NDArray[np.floating]
STEP_PX = 6.0
"""Depth that changes by more between neighbouring pixels is a silhouette."""
FARTHEST_MM = 8.0
"""A base that is farther off there is wrong, not coarse; such texels do not count."""
MOST_OFFSET = 0.5


@dataclass(frozen=True, eq=False)
class DetailTruth:
    """Maps `[R,R,*]` in the base's chart.

    Attributes:
        displacement: mm along the base's normals to the true surface, wrinkles included.
        albedo: `[R,R,3]` what is to be added to the base's, sRGB values; of the true one that is as bright on the
            whole as the base's.
        normal: `[R,R,3]` true unit normals, wrinkles included, in the base's axes.
        weight: `[R,R]` which texels' truth is known, in [0,1].
    """

    displacement: NDArray[np.float32]
    albedo: NDArray[np.float32]
    normal: NDArray[np.float32]
    weight: NDArray[np.float32]


class TrueFace:
    """One person's skin as a camera sees it: which true point each pixel shows.

    Args:
        person: with a displacement.
        camera: in pixels of a picture of `size`.
    """

    def __init__(self, person: Person, camera: Camera, size: int) -> None:
        assert person.displacement is not None
        surface = load_open_face().face(2)
        vertices = surface.vertices(load_open_face().cage(person.identity, person.expression))
        turned = np.asarray((vertices - camera.origin_mm) @ np.asarray(camera.rotation).T, np.float32)
        normals = vertex_normals(turned, surface.triangles)
        hit, weights, depth = rasterize(camera.project(vertices), surface.triangles, size, size)
        packed = np.concatenate([turned, surface.uv * (MAP_SIZE - 1)], axis=1).astype(np.float32)
        seen = interpolate(hit, weights, surface.triangles, packed)
        self.points, self.uv = seen[..., :3], np.ascontiguousarray(seen[..., 3:])
        filled = np.where(hit >= 0, depth, -1e4).astype(np.float32)
        kernel = np.ones((3, 3), np.uint8)
        unbroken = (cv2.dilate(filled, kernel) - cv2.erode(filled, kernel) < STEP_PX) & (hit >= 0)
        self.unbroken = unbroken.astype(np.float32)
        maps = position_tables(MAP_SIZE).from_vertices(np.concatenate([turned, normals], axis=1))
        position, normal = maps[..., :3], maps[..., 3:]
        normal = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
        shape = (MAP_SIZE, MAP_SIZE)
        self.relief = np.asarray(cv2.resize(person.displacement, shape, interpolation=cv2.INTER_AREA), np.float32)
        albedo = cv2.resize(linear_to_srgb(person.albedo), shape, interpolation=cv2.INTER_AREA)
        skin = skin_of_chart(MAP_SIZE)[..., None]
        normal = detailed_normals(position, normal, self.relief)
        self._maps = np.concatenate([normal, albedo, self.relief[..., None], skin], axis=-1).astype(np.float32)

    def seen_by(self, base: Unwrapped) -> DetailTruth:
        """The truth behind each texel of a base."""
        u, v = (np.ascontiguousarray(base.places[..., k] - 0.5, np.float32) for k in range(2))
        points, uv, unbroken = (
            np.asarray(cv2.remap(part, u, v, cv2.INTER_LINEAR), np.float32)
            for part in (self.points, self.uv, self.unbroken)
        )
        first, second = (
            np.asarray(cv2.remap(np.ascontiguousarray(part), uv[..., 0], uv[..., 1], cv2.INTER_LINEAR), np.float32)
            for part in (self._maps[..., :4], self._maps[..., 4:])
        )
        normal, albedo = first[..., :3], np.concatenate([first[..., 3:], second[..., :2]], axis=-1)
        relief, skin = second[..., 2], second[..., 3]
        weight = base.seen * (unbroken > 0.99) * skin
        some = weight > 0.5
        motion = fit_similarity(points[some], base.position[some])
        apart = np.sum((move(motion, points) - base.position) * base.normal, axis=-1) + relief * motion.scale
        weight = (weight * (np.abs(apart) < FARTHEST_MM)).astype(np.float32)
        turned = normal @ motion.rotation.T
        return DetailTruth(
            np.clip(apart, -FARTHEST_MM, FARTHEST_MM).astype(np.float32),
            _offset(albedo, base.albedo, weight),
            np.asarray(turned / np.maximum(np.linalg.norm(turned, axis=-1, keepdims=True), 1e-6), np.float32),
            weight,
        )


def _offset(true: FloatArray, base: FloatArray, weight: FloatArray) -> NDArray[np.float32]:
    """From the base's albedo to the true one, made as bright as it: no picture shows how bright a light is."""
    some = weight > 0.5
    gain = np.median(base[some], axis=0) / np.maximum(np.median(true[some], axis=0), 0.02)
    return np.asarray(np.clip(true * gain - base, -MOST_OFFSET, MOST_OFFSET), np.float32)


def angle_deg(first: FloatArray, second: FloatArray) -> NDArray[np.float64]:
    """Between unit vectors `[...,3]`."""
    return np.asarray(np.degrees(np.arccos(np.clip(np.sum(first * second, axis=-1), -1, 1))), np.float64)
