"""A face in front of a camera, under a light, as a picture with gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.geometry.harmonics import AMBIENT
from tfface.render.camera import View
from tfface.render.framebuffer import Framebuffer
from tfface.render.interpolate import interpolate
from tfface.render.rasterize import rasterize, size_of
from tfface.render.shade import shade, unit, vertex_normals
from tfface.render.silhouette import antialias, edge_neighbours

SILHOUETTE_JUMP_PX = 4.0  # a step of depth of that many pixels' size may be a silhouette


class Rendering(NamedTuple):
    """Pictures of a batch, row 0 at the top.

    Attributes:
        rgba: `[B,H,W,4]`, not clipped; colours are multiplied by alpha, so `rgb + (1 - alpha) * background` puts the
            face before a background.
        mask: `[B,H,W,1]`, 1 where the pixel's centre sees the mesh, else 0; no gradient.
        depth: `[B,H,W,1]` distance along the camera's axis in the vertices' unit, 0 in the background.
        normals: `[B,H,W,3]` unit normals in the camera's frame, 0 in the background.
    """

    rgba: tf.Tensor
    mask: tf.Tensor
    depth: tf.Tensor
    normals: tf.Tensor


class FaceRenderer:
    """Renders meshes that share their triangles, differentiably in vertices, albedo, light and camera.

    Call it inside `tf.function(jit_compile=True)` together with the gradient: several times faster than a plain graph
    on a CPU, and the way to run it on a GPU. It works eagerly, in a plain graph and in a SavedModel too. All is
    float32, whatever Keras' precision policy.

    Args:
        triangles: `[T,3]` counter-clockwise from outside.
        image_size: picture in pixels, a side or (height, width).
        shading: "vertex" lights the vertices and interpolates colours; "pixel" interpolates albedo and normals and
            lights every pixel, sharper on coarse meshes.
        smooth: antialias silhouettes; without, no gradient comes from them.
        cull: leave out triangles seen from behind.
        ambient: the constant light that zero coefficients stand for (0.8 as in Deep3D).

    Raises:
        UserError: triangles that are none, an impossible size, an unknown shading.
    """

    def __init__(
        self,
        triangles: NDArray[np.integer],
        image_size: int | Sequence[int] = 224,
        *,
        shading: Literal["vertex", "pixel"] = "vertex",
        smooth: bool = True,
        cull: bool = True,
        ambient: float = AMBIENT,
    ) -> None:
        self.triangles = np.ascontiguousarray(triangles, np.int32)
        if self.triangles.ndim != 2 or self.triangles.shape[1] != 3 or not len(self.triangles):
            raise UserError(f"A renderer needs triangles [T,3], not {self.triangles.shape}.")
        if shading not in ("vertex", "pixel"):
            raise UserError(f"Shading is 'vertex' or 'pixel', not {shading!r}.")
        self.image_size = size_of(image_size)
        self.shading, self.smooth, self.cull, self.ambient = shading, smooth, cull, ambient
        self._neighbours = edge_neighbours(self.triangles)

    def __call__(
        self, vertices: tf.Tensor, albedo: tf.Tensor, light: tf.Tensor, camera: Callable[[tf.Tensor], View]
    ) -> Rendering:
        """Render a batch.

        Args:
            vertices: `[B,V,3]`.
            albedo: `[B,V,3]` RGB.
            light: `[B,9]` (white) or `[B,27]` (nine each for R, G, B) spherical-harmonic coefficients, in the camera's
                frame.
            camera: vertices to `View`, such as `lambda v: camera.deep3d(v, angles, translation)`.
        """
        vertices, albedo, light = (tf.cast(x, tf.float32) for x in (vertices, albedo, light))
        view = camera(vertices)
        framebuffer = rasterize(view.points, self.triangles, self.image_size, cull=self.cull)
        colour, normals, depth = self._surface(view, albedo, light, framebuffer)
        rgba = tf.concat([colour, framebuffer.foreground_mask], axis=-1)
        if self.smooth:
            jump = SILHOUETTE_JUMP_PX * view.pixel_size
            mesh = tf.constant(self.triangles), tf.constant(self._neighbours)
            rgba = antialias(rgba, view.points, framebuffer, depth, jump, *mesh)
        return Rendering(rgba, framebuffer.foreground_mask, depth, normals)

    def _surface(
        self, view: View, albedo: tf.Tensor, light: tf.Tensor, framebuffer: Framebuffer
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Colours `[B,H,W,3]`, unit normals `[B,H,W,3]` and depth `[B,H,W,1]`, by one interpolation."""
        normals = vertex_normals(view.eye, self.triangles)
        colour = shade(albedo, normals, light, self.ambient) if self.shading == "vertex" else albedo
        picture = interpolate(tf.concat([colour, normals, -view.eye[..., 2:]], axis=-1), framebuffer)
        colour, normals, depth = tf.split(picture, [3, 3, 1], axis=-1)
        normals = unit(normals)
        if self.shading == "pixel":
            colour = shade(colour, normals, light, self.ambient)
        return colour, normals, depth
