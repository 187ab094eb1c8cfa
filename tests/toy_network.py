"""A small network with the contract of the real ones, whose answer is known: it sees a red disc and puts a face there.

The disc's centre and radius in the crop place and scale the mean face, turned by a fixed pose; it takes its landmarks
to be off by a twentieth of the radius. In a network of two views the radius is the side view's.
"""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.detect.base import Detection
from tfface.face.metric import DISTANCE_MM
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry.rotation import euler_to_matrix

POSE_DEG = (25.0, -10.0, 8.0)
MM_PER_RADIUS = 70.0


def unit_map() -> NDArray[np.float32]:
    """`[256,256,3]` the posed usual face as a camera a metre away sees it, one unit long per disc radius, centred on
    its origin, least z 0."""
    face = load_open_face()
    turned = (face.mean_face() - face.centre) @ euler_to_matrix(*np.radians(POSE_DEG)).T
    turned[:, :2] /= 1 - turned[:, 2:] / DISTANCE_MM
    points = turned * [1, -1, 1] / MM_PER_RADIUS
    position_map = PositionMap(face, 256).from_vertices(points)
    position_map[..., 2] -= position_map[..., 2].min()
    return position_map


def save_toy_network(folder: Path, size: int = 64, views: int = 1) -> Path:
    """Writes the SavedModel and its `tfface.json`."""
    shutil.copytree(_saved(size, views).name, folder, dirs_exist_ok=True)
    return folder


@cache
def _saved(size: int, views: int) -> TemporaryDirectory[str]:
    """The network, traced once in a process; deleted with it."""
    import tensorflow as tf

    class Toy(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unit = tf.Variable(unit_map(), trainable=False)

        @tf.function(input_signature=[tf.TensorSpec([None, size, size, 3 * views], tf.float32)])
        def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            centre, radius = disc(images[..., :3])
            if views == 2:
                radius = disc(images[..., 3:])[1]
            shift = tf.concat([centre, tf.zeros_like(centre[:, :1])], axis=-1)
            position_map = self.unit * radius[:, None, None, None] + shift[:, None, None, :]
            return {"position_map": position_map, "landmark_deviations": tf.repeat(radius[:, None] / 20, 68, axis=1)}

    def disc(view: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Centre `[B,2]` and radius `[B]` in pixels of a 256-pixel crop."""
        red = tf.nn.relu(view[..., 0] - view[..., 1])
        area = tf.reduce_sum(red, axis=[1, 2]) + 1e-6
        place = (tf.range(size, dtype=tf.float32) + 0.5) * 256 / size
        u = tf.reduce_sum(red * place, axis=[1, 2]) / area
        v = tf.reduce_sum(red * place[:, None], axis=[1, 2]) / area
        return tf.stack([u, v], axis=-1), tf.sqrt(area / np.pi) * 256 / size

    module = Toy()
    saved = TemporaryDirectory(prefix="tfface-toy-")
    tf.saved_model.save(module, saved.name, signatures={"serving_default": module.serve})
    face = load_open_face()
    card = {"model": "toy", "views": views, "image_size": size, "parameters": 0, "commit": "", "card": {}}
    card["face_model"] = {"name": face.name, "checksum": face.checksum}
    (Path(saved.name) / "tfface.json").write_text(json.dumps(card))
    return saved


def disc_photo(height: int, width: int, centre: tuple[float, float], radius: float) -> NDArray[np.uint8]:
    """A grey picture with a red disc, antialiased."""
    v, u = np.mgrid[:height, :width] + 0.5
    inside = np.clip(radius - np.hypot(u - centre[0], v - centre[1]) + 0.5, 0, 1)[..., None]
    return np.uint8(np.round(inside * [255, 0, 0] + (1 - inside) * [90, 90, 90]))


class Discs:
    """Finds the red discs of a picture."""

    def detect(self, image: np.ndarray) -> list[Detection]:
        red = ((image[..., 0] > 150) & (image[..., 1] < 80)).astype(np.uint8)
        found = []
        for left, top, width, height, area in cv2.connectedComponentsWithStats(red)[2][1:]:
            if area > 200:
                half, u, v = max(width, height), left + width / 2, top + height / 2
                found.append(Detection((u - half, v - half, u + half, v + half), 0.9, "blazeface"))
        return sorted(found, key=lambda each: -each.area)
