"""Draws what people do with a face: `python scripts/draw_uses.py docs/pictures` writes uses.jpg and relight.jpg.

The photographs are the astronaut (NASA's portrait of Eileen Collins, public domain) and synthetic faces.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from tfface.data.synthetic.sample import SyntheticSettings
from tfface.data.synthetic.scene import FaceGenerator
from tfface.effects.makeup import made_up, painted_texture
from tfface.effects.maps import face_maps
from tfface.effects.pose import pose_drawn
from tfface.effects.relight import DIRECTIONS, directed_light, panorama_light, relit
from tfface.effects.swap import swapped
from tfface.effects.views import frontal, model_with, seen_from, turntable
from tfface.face.head_uv import from_face_chart
from tfface.face.open_model import load_open_face
from tfface.geometry.align import crop_transform
from tfface.geometry.ibug68 import INNER_LIPS, MOUTH_CORNERS, NOSE_BRIDGE, OUTER_EYES, OUTER_LIPS
from tfface.inference import Reconstructor
from tfface.io.image import write_image
from tfface.io.warp import warp_image
from tfface.result import FaceResult
from tfface.viz.overlay import face_window
from tfface.viz.sheet import contact_sheet

Picture = NDArray[np.uint8]
SIZE = 300
SEEDS = (300, 306, 309)


def near(result: FaceResult, picture: Picture) -> Picture:
    """The head's part of a picture of the result's photograph, none of what lies outside it."""
    left, top, right, bottom = face_window(result.vertices, 1.5)
    height, width = picture.shape[:2]
    side = min(right - left, height, width)
    corner = np.clip([(left + right - side) / 2, (top + bottom - side) / 2], 0, [width - side, height - side])
    return warp_image(picture, crop_transform(np.concatenate([corner, corner + side]), SIZE), SIZE, SIZE)


def paint(size: int = 1024) -> Picture:
    """A layer `[size,size,4]`: lips, cheeks and lids painted in the chart of the head."""
    face = load_open_face()
    points = from_face_chart(face.face(2).uv[face.landmarks68]) * (size - 1)
    layer = np.zeros((size, size, 4), np.float32)
    lips = np.zeros((size, size), np.float32)
    cv2.fillPoly(lips, [np.round(points[OUTER_LIPS]).astype(np.int32)], 1.0)
    cv2.fillPoly(lips, [np.round(points[INNER_LIPS]).astype(np.int32)], 0.0)
    lids, cheeks = np.zeros_like(lips), np.zeros_like(lips)
    for eye in (slice(36, 40), slice(42, 46)):
        rim = points[eye]
        above = rim[::-1] - [0, size * 0.022]
        cv2.fillPoly(lids, [np.round(np.concatenate([rim, above])).astype(np.int32)], 1.0)
    for outer, corner in zip(OUTER_EYES, MOUTH_CORNERS, strict=True):
        middle = 0.5 * points[outer] + 0.5 * points[corner] + [(points[outer, 0] - points[NOSE_BRIDGE, 0]) * 0.15, 0]
        cv2.circle(cheeks, np.round(middle).astype(int).tolist(), int(size * 0.045), 1.0, -1)
    for shape, colour, cover, soft in (
        (cheeks, (225, 90, 100), 0.45, 0.016),
        (lids, (60, 70, 160), 0.6, 0.005),
        (lips, (175, 20, 50), 0.75, 0.002),
    ):
        alpha = cover * cv2.GaussianBlur(shape, (0, 0), soft * size)
        layer[..., :3] = np.where(alpha[..., None] > layer[..., 3:], colour, layer[..., :3])
        layer[..., 3] = np.maximum(layer[..., 3], alpha)
    layer[..., 3] *= 255
    return np.asarray(layer + 0.5, np.uint8)


def sunset(rows: int = 64) -> NDArray[np.float64]:
    """A panorama in linear light: blue above, dark below, and an orange sun behind the camera, to its left."""
    elevation = np.linspace(90, -90, rows)[:, None, None]
    sky = np.clip(elevation / 90, 0, 1) * np.array([0.15, 0.3, 0.8]) + 0.05
    picture = np.repeat(sky, 2 * rows, axis=1)
    picture[rows // 3 : rows // 2, rows // 8 : rows // 3] += [14.0, 5.0, 1.0]
    return picture


def as_bytes(levels: NDArray[np.uint16]) -> Picture:
    """A 16-bit map to look at."""
    return np.asarray(np.repeat(np.atleast_3d(levels), 3 // np.atleast_3d(levels).shape[2], axis=2) >> 8, np.uint8)


def uses(astronaut: FaceResult, others: list[FaceResult]) -> tuple[list[Picture], list[str]]:
    """Pictures of every use, and what is written under each."""
    maps = {name: as_bytes(each.levels) for name, each in face_maps(astronaut).items()}
    maps = {name: near(astronaut, each) if each.shape == astronaut.image.shape else each for name, each in maps.items()}
    smiling, layer = others[2], paint()
    head = model_with(smiling, astronaut.shape[1])
    turns = list(turntable(model_with(astronaut), 8, SIZE))
    shown = {
        "photograph A": near(astronaut, astronaut.image),
        "photograph B": near(others[0], others[0].image),
        "photograph C": near(smiling, smiling.image),
        "pose of C": near(smiling, pose_drawn(smiling.image, [smiling])),
        "frontalise C": frontal(smiling, SIZE),
        **{f"maps: {name}": picture for name, picture in maps.items()},
        "swap: A's face on B": near(others[0], swapped(astronaut, others[0])),
        "swap: B's face on A": near(astronaut, swapped(others[0], astronaut)),
        "transfer: A's expression on C": seen_from(head, astronaut.camera.rotation, SIZE),
        "makeup: a layer of paint": as_bytes(np.asarray(layer[..., :3], np.uint16) * layer[..., 3:]),
        "makeup on A": near(astronaut, made_up(astronaut, painted_texture(astronaut, layer))),
        **{f"turntable, {45 * k} degrees": turns[k] for k in (1, 2, 3, 5, 7)},
    }
    return list(shown.values()), list(shown)


def main(folder: Path) -> None:
    """Writes both pictures."""
    reconstructor = Reconstructor()
    generator = FaceGenerator(SyntheticSettings(image_size=512))
    astronaut = reconstructor(data.astronaut())[0]
    others = [reconstructor(generator.pair(seed).front.image)[0] for seed in SEEDS]
    write_image(folder / "uses.jpg", contact_sheet(*uses(astronaut, others), 5, SIZE), result=True)
    lights = {"photograph": None, **{name: directed_light(*place) for name, place in DIRECTIONS.items()}}
    lights["a sunset's panorama"] = panorama_light(sunset())
    pictures, labels = [], []
    for result in (astronaut, others[0]):
        for name, light in lights.items():
            pictures.append(near(result, result.image if light is None else relit(result, light)))
            labels.append(name)
    write_image(folder / "relight.jpg", contact_sheet(pictures, labels, len(lights), SIZE), result=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
