"""Pictures of predicted meshes over their input images, for TensorBoard and the run's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from tfface.face.position_map import PositionMap
from tfface.geometry.uv import bilinear_weights
from tfface.io.image import write_image
from tfface.models.layers import maps

SIDE = 512
MESH_COLOUR, LANDMARK_COLOUR, TRUTH_COLOUR = (90, 220, 255), (255, 60, 60), (70, 230, 90)


Draw = Callable[[keras.Model], NDArray[np.uint8]]
"""Draws what a network says now, `[H,W,3]` uint8 RGB."""


class MeshPictures:
    """Draws the same few validation samples again and again.

    Args:
        images: `[N,S,S,3*views]` float32 in [0,1]; the first view is drawn on.
        truth: `[N,R,R,3]` their maps in pixels of a 256-pixel crop.
        topology: of the maps' resolution.
        output: the network's unit (`ModelConfig.output`).
        path: where the latest picture is kept.
    """

    def __init__(
        self, images: NDArray[np.float32], truth: NDArray[np.float32], topology: PositionMap, output: str, path: Path
    ) -> None:
        self.images, self.topology, self.output, self.path = images, topology, output, path
        self.true_landmarks = topology.landmarks(truth)
        coarse = topology.face.face(0)
        self.edges = np.unique(np.sort(coarse.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
        self.texels, self.weights = bilinear_weights(coarse.uv, topology.resolution)

    def __call__(self, model: keras.Model) -> NDArray[np.uint8]:
        """The strip of pictures `[512, 512*N, 3]` uint8 RGB; also written to `path`."""
        units = keras.ops.convert_to_numpy(maps.last_map(model(self.images, training=False)))
        predicted = np.asarray(maps.to_pixels(units, self.output), np.float32)
        strip = np.concatenate([self._draw(index, predicted[index]) for index in range(len(predicted))], axis=1)
        write_image(self.path, strip, result=True)
        return strip

    def _draw(self, index: int, position_map: NDArray[np.float32]) -> NDArray[np.uint8]:
        import cv2

        picture = np.clip(self.images[index, ..., :3] * 255, 0, 255).astype(np.uint8)
        canvas = np.ascontiguousarray(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR))
        flat = position_map.reshape(-1, 3)
        points = _on_canvas((flat[self.texels] * self.weights[..., None]).sum(1))
        mesh = canvas.copy()
        cv2.polylines(mesh, list(points[self.edges]), False, MESH_COLOUR, 1, cv2.LINE_AA)
        canvas = cv2.addWeighted(canvas, 0.65, mesh, 0.35, 0)
        for landmarks, colour in (
            (self.true_landmarks[index], TRUTH_COLOUR),
            (self.topology.landmarks(position_map), LANDMARK_COLOUR),
        ):
            for point in _on_canvas(landmarks):
                cv2.circle(canvas, (int(point[0]), int(point[1])), 3, colour, -1, cv2.LINE_AA)
        return np.asarray(canvas, np.uint8)


def _on_canvas(points: NDArray[np.float32]) -> NDArray[np.int32]:
    """Pixels of a 256-pixel crop as pixels of the canvas; far away points are pulled in for OpenCV's sake."""
    return np.clip(points[:, :2] * (SIDE / maps.CROP_SIZE), -SIDE, 2 * SIDE).astype(np.int32)
