"""Group pictures: synthetic heads of known sizes before one background, to measure detectors with."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.data.synthetic.picture.background import sample_background
from tfface.data.synthetic.picture.camera_effects import photograph
from tfface.data.synthetic.sample import sample_camera, stream
from tfface.data.synthetic.scene import FaceGenerator
from tfface.errors import UserError

HEAD = 1.4
"""Side of the square that a head takes up, over the side of its crop (which is `sqrt(2)` times its landmarks' box)."""


def group_picture(
    generator: FaceGenerator, seed: int, width: int, height: int, sizes_px: Sequence[float]
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A picture `[height,width,3]` uint8 RGB and the landmarks `[N,68,2]` of its faces in pixels.

    Args:
        generator: of settings without cut borders (`camera_strength` 0) whose `enlarge` is `HEAD`.
        seed: of the first person; the others follow.
        width, height: of the picture in pixels.
        sizes_px: longer side of each face's landmark box.

    Raises:
        UserError: the heads do not fit into the picture side by side.
    """
    rng = np.random.default_rng(seed)
    canvas = sample_background(rng, max(width, height))[:height, :width] * np.float32(rng.uniform(0.5, 1.0))
    landmarks = np.zeros((len(sizes_px), 68, 2))
    taken = np.zeros((height, width), bool)
    for index in np.argsort(sizes_px)[::-1]:
        head, points = _head(generator, seed + int(index), float(sizes_px[index]))
        left, top = _free_place(rng, taken, len(head))
        place = slice(top, top + len(head)), slice(left, left + len(head))
        canvas[place] = head[..., :3] + canvas[place] * (1 - head[..., 3:])
        taken[place] = True
        landmarks[index] = points + [left, top]
    return photograph(canvas, 1.0, rng, 0.0), landmarks


def _head(generator: FaceGenerator, seed: int, size_px: float) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Premultiplied linear RGB and coverage `[S,S,4]` of a person's head, and its landmarks `[68,2]`."""
    person = generator.person(seed)
    camera = sample_camera(
        stream(seed, "view front"), generator.settings, False, person.landmarks, generator.face.centre
    )
    radiance, visible, _, brightness = generator.render(person, camera)
    points = camera.project(person.landmarks)[:, :2].astype(np.float64)
    side = max(round(generator.settings.image_size * size_px / float(np.ptp(points, axis=0).max())), 1)
    exposure = 0.36 * person.light.exposure / max(brightness, 0.01)
    layers = np.concatenate([radiance * np.float32(exposure), visible[..., None]], axis=-1)
    shrunk = cv2.resize(layers, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, np.float32), points * side / generator.settings.image_size


def _free_place(rng: np.random.Generator, taken: NDArray[np.bool_], side: int) -> tuple[int, int]:
    height, width = taken.shape
    for _ in range(2000):
        if side > min(height, width):
            break
        left, top = int(rng.integers(width - side + 1)), int(rng.integers(height - side + 1))
        if not taken[top : top + side, left : left + side].any():
            return left, top
    raise UserError(f"A head of {side} pixels has no room in a picture of {width} x {height}: give fewer or smaller.")
