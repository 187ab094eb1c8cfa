"""An R-Net's raw numbers as a lit, posed face before its camera, in TensorFlow, for losses and pictures.

Coefficients to vertices, albedo, light and camera as `tfface.models.layers.coefficients` reads them; the landmarks are
those of the full mesh whatever level is rendered, straight from the coefficients. Of the mesh only the face itself (the
regions of `tfface.face.open_model`, without ears and neck) is compared with pictures: hair and clothes hide the rest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfface.config import Config
from tfface.face.layout import CROP_SIZE
from tfface.face.morphable import MorphableModel
from tfface.face.open_model import OpenFace, load_open_face
from tfface.geometry.harmonics import A0, AMBIENT
from tfface.geometry.pinhole import projected
from tfface.models.layers import coefficients
from tfface.render.camera import View, pinhole
from tfface.render.face_renderer import FaceRenderer, Rendering
from tfface.render.shade import vertex_normals

LIT_REGIONS = (1, 3)  # face and nose: skin, unlike eyes and lips
EVEN_LIGHT = np.array([1.0 / A0 - AMBIENT] + 8 * [0.0], np.float32)
"""`[9]` the light under which a surface has its albedo's colour."""


class PosedFace(NamedTuple):
    """A batch of faces over the network's crop; pixels are those of a 256-pixel crop.

    Attributes:
        identity, expression, albedo: `[B,*]` coefficients; expression weights as used.
        light: `[B,9]` or `[B,27]`.
        vertices: `[B,V,3]` in the camera's frame about where the camera looks, millimetres.
        points: `[B,V,2]` u, v.
        landmarks: `[B,68,2]` u, v.
        colours: `[B,V,3]` albedo, sRGB values in [0,1].
        focal_px, distance_mm: `[B,1]`, centre_px `[B,2]`: the pinhole.
    """

    identity: tf.Tensor
    expression: tf.Tensor
    albedo: tf.Tensor
    light: tf.Tensor
    vertices: tf.Tensor
    points: tf.Tensor
    landmarks: tf.Tensor
    colours: tf.Tensor
    focal_px: tf.Tensor
    distance_mm: tf.Tensor
    centre_px: tf.Tensor


class FaceMaker:
    """Raw numbers to `PosedFace`s and their pictures.

    Args:
        config: the run's configuration.
    """

    def __init__(self, config: Config) -> None:
        self.config, self.layout = config, coefficients.layout_of(config.model)
        self.face = load_open_face()
        self.model = MorphableModel(self.face, config.weak.level)
        self.regions = self.face.regions[: self.model.num_vertices]  # a level's vertices come first in the next one
        corners = self.regions[self.model.triangles]
        self.triangles = np.ascontiguousarray(self.model.triangles[(corners > 0).all(axis=1)])
        self.areas = vertex_areas(self.face, self.model, self.triangles)
        self.skin = np.isin(self.regions, LIT_REGIONS).astype(np.float32)
        self._landmarks = tf.constant(_landmark_components(self.face))
        self._centre = tf.constant(self.face.centre.astype(np.float32))

    def __call__(self, raw: tf.Tensor) -> PosedFace:
        """The faces of raw numbers `[B,N]`."""
        parts = self.layout.split(tf.cast(raw, tf.float32), raw=True)
        weights = coefficients.expression_weights(parts["expression"])
        rotation = coefficients.rotation_matrix(parts["angles"], self.layout.rotation)
        focal, distance, centre, shift = coefficients.pinhole_of(parts["camera"], self.layout.camera)

        def seen(points: tf.Tensor) -> tf.Tensor:
            return tf.matmul(points, rotation, transpose_b=True) + shift[:, None]

        def pixels(points: tf.Tensor) -> tf.Tensor:
            axis = (centre[:, :1], centre[:, 1:])
            x, y, z = tf.unstack(points, axis=-1)
            return tf.stack(projected(x, y, z, focal, distance, axis)[:2], axis=-1)

        shape = self.model.shape(parts["identity"], weights) - self._centre
        vertices = seen(tf.ensure_shape(shape, [None, self.model.num_vertices, 3]))  # a sparse product loses it
        flat = tf.concat([tf.ones_like(raw[:, :1]), parts["identity"], weights], axis=-1) @ self._landmarks
        landmarks = pixels(seen(tf.reshape(flat, [-1, 68, 3])))
        colours = self.model.albedo(parts["albedo"])
        light = parts["light"] if self.layout.light else tf.tile(EVEN_LIGHT[None], [tf.shape(raw)[0], 1])
        return PosedFace(
            *(parts["identity"], weights, parts["albedo"], light),
            *(vertices, pixels(vertices), landmarks, colours, focal, distance, centre),
        )

    def view(self, face: PosedFace, size: int) -> View:
        """The face before its camera, in pixels of a crop of `size`."""
        scale = size / CROP_SIZE
        eye = face.vertices - _place(face)
        return pinhole(eye, scale * face.focal_px[:, 0], scale * face.centre_px, face.distance_mm[:, 0])

    def normals(self, face: PosedFace) -> tf.Tensor:
        """Unit normals `[B,V,3]` in the camera's frame; 0 where the face is not compared."""
        return vertex_normals(face.vertices, self.triangles)

    def facing(self, face: PosedFace, normals: tf.Tensor) -> tf.Tensor:
        """How large each vertex's surroundings look, `[B,V]`: area times the cosine towards the camera, at least 0."""
        away = _place(face) - face.vertices
        cosine = tf.reduce_sum(normals * away, axis=-1) / tf.norm(away, axis=-1)
        return self.areas * tf.nn.relu(cosine)


class Renderer:
    """Pictures of `PosedFace`s `[B,S,S,*]`, compiled by XLA with their gradient.

    Args:
        maker: of the faces.
        size: side of the picture in pixels.
        smooth: gradients from silhouettes.
    """

    def __init__(self, maker: FaceMaker, size: int, smooth: bool = True) -> None:
        self._maker, self._size = maker, size
        self._renderer = FaceRenderer(maker.triangles, size, smooth=smooth)
        self._compiled = tf.function(self._render, jit_compile=True)

    def __call__(self, face: PosedFace) -> Rendering:
        """The faces over black; colours are not clipped."""
        return self._compiled(face)

    def _render(self, face: PosedFace) -> Rendering:
        return self._renderer(face.vertices, face.colours, face.light, lambda _: self._maker.view(face, self._size))


def _place(face: PosedFace) -> tf.Tensor:
    """Where the cameras stand, `[B,1,3]`."""
    return tf.pad(face.distance_mm, [[0, 0], [2, 0]])[:, None]


def vertex_areas(face: OpenFace, model: MorphableModel, triangles: NDArray[np.int32]) -> NDArray[np.float32]:
    """The area `[V]` round each vertex of the mean face, a third of its triangles', in square millimetres."""
    vertices = face.face(model.level).vertices(face.mean)
    corners = vertices[triangles]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=-1) / 6
    return np.bincount(triangles.ravel(), np.repeat(areas, 3), len(vertices)).astype(np.float32)


def _landmark_components(face: OpenFace) -> NDArray[np.float32]:
    """`[1 + identity + expression, 68*3]`: the mean landmarks about the centre and what each coefficient adds, mm."""
    components = face.linear_at(face.face(2).matrix[face.landmarks68_2d])
    return components.reshape(len(components), -1)
