"""Pictures of a weakly supervised run: photograph, render, overlay, albedo and shape of a few validation samples."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfface.config import Config
from tfface.face.layout import CROP_SIZE
from tfface.io.image import write_image
from tfface.training.weak_face import EVEN_LIGHT, FaceMaker, PosedFace, Renderer
from tfface.viz.sheet import contact_sheet

SIDE = 224
COLUMNS = ("photograph", "render", "overlay", "albedo", "shape")
SHAPE_GREY = 0.75
SHAPE_LIGHT = (-0.35, -0.12, 0.3, -0.1, 0.0, 0.0, 0.0, 0.0, 0.0)
PREDICTED_COLOUR, TRUTH_COLOUR = (255, 60, 60), (70, 230, 90)


class FacePictures:
    """Draws the same few samples again and again.

    Args:
        images: `[N,S,S,3]` float32 in [0,1], as the network sees them.
        landmarks: `[N,68,2]` true ones in pixels of a 256-pixel crop.
        config: the run's configuration.
        path: where the latest sheet is kept.
    """

    def __init__(self, images: NDArray[np.float32], landmarks: NDArray[np.float32], config: Config, path: Path) -> None:
        self.images, self.landmarks, self.path = images, landmarks, path
        self._maker = FaceMaker(config)
        self._render = Renderer(self._maker, SIDE)

    def __call__(self, model: keras.Model) -> NDArray[np.uint8]:
        """The sheet `[H,W,3]` uint8 RGB, a row a sample; also written to `path`."""
        face = self._maker(model(self.images, training=False)["raw"])
        width = face.light.shape[-1]
        grey = tf.fill(tf.shape(face.colours), SHAPE_GREY)
        drawn = {
            "render": self._draw(face),
            "albedo": self._draw(face._replace(light=_same(np.tile(EVEN_LIGHT, width // 9), face))),
            "shape": self._draw(face._replace(light=_same(np.tile(SHAPE_LIGHT, width // 9), face), colours=grey)),
        }
        cells = [cell for index in range(len(self.images)) for cell in self._row(index, face, drawn)]
        sheet = contact_sheet(cells, list(COLUMNS) * len(self.images), len(COLUMNS), SIDE)
        write_image(self.path, sheet, result=True)
        return sheet

    def _draw(self, face: PosedFace) -> NDArray[np.float32]:
        return np.asarray(self._render(face).rgba)

    def _row(self, index: int, face: PosedFace, drawn: dict[str, NDArray[np.float32]]) -> list[NDArray[np.uint8]]:
        import cv2

        photo = cv2.resize(self.images[index], (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        rgba = drawn["render"][index]
        overlay = _bytes(np.clip(rgba[..., :3], 0, 1) + (1 - rgba[..., 3:]) * photo)
        for points, colour in (
            (self.landmarks[index], TRUTH_COLOUR),
            (np.asarray(face.landmarks[index]), PREDICTED_COLOUR),
        ):
            for u, v in np.clip(points * (SIDE / CROP_SIZE), -SIDE, 2 * SIDE).astype(int):
                cv2.circle(overlay, (int(u), int(v)), 1, colour, -1, cv2.LINE_AA)
        others = (_bytes(drawn[name][index, ..., :3]) for name in ("albedo", "shape"))
        return [_bytes(photo), _bytes(rgba[..., :3]), overlay, *others]


def _same(light: NDArray[np.floating] | tuple[float, ...], face: PosedFace) -> tf.Tensor:
    """One light `[L]` for every face of the batch."""
    return tf.broadcast_to(tf.constant(np.asarray(light, np.float32)), tf.shape(face.light))


def _bytes(picture: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8))
