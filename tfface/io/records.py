"""Shards of synthetic faces as TFRecord files: what one record holds.

A record is one person seen twice. It stores coefficients and cameras, never position maps: those are a matrix product
away (`tfface.data.batches`), which keeps a record at some 30 kB and makes every geometric augmentation exact.

| feature | type |
| --- | --- |
| `seed` | int64, the generator's seed |
| `identity`, `expression` | float32 [150], [52] |
| `front/image`, `side/image` | JPEG, square |
| `front/camera`, `side/camera` | float32 [13]: rotation (9, row by row), focal_px, distance_mm, centre_px (2) |
| `labels` | JSON text, what else the generator says of the person |
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.geometry.camera import Camera
from tfface.io.files import atomic_path

VIEWS = ("front", "side")
CAMERA_SIZE = 13
DATASET_FILE = "dataset.json"
MAPS_KIND = "maps"
"""`kind` of a folder whose shards hold maps instead (`tfface.data.map_records`)."""


@dataclass(frozen=True)
class FaceRecord:
    """One person seen from the front and the side; images as JPEG bytes, cameras as `[13]` float32."""

    seed: int
    identity: NDArray[np.float32]
    expression: NDArray[np.float32]
    images: tuple[bytes, bytes]
    cameras: tuple[NDArray[np.float32], NDArray[np.float32]]
    labels: dict[str, Any]


def camera_vector(camera: Camera) -> NDArray[np.float32]:
    """A camera as the 13 numbers of a record (its origin is the face model's centre)."""
    numbers = [*np.asarray(camera.rotation).ravel(), camera.focal_px, camera.distance_mm, *camera.centre_px]
    return np.array(numbers, np.float32)


def camera_from_vector(vector: NDArray[np.floating], origin_mm: NDArray[np.floating]) -> Camera:
    """The camera that `camera_vector` wrote."""
    rotation = np.asarray(vector[:9], np.float64).reshape(3, 3)
    return Camera(rotation, float(vector[9]), float(vector[10]), np.asarray(vector[11:13]), origin_mm)


def encode_jpeg(image: NDArray[np.uint8], quality: int = 95) -> bytes:
    """`[H,W,3]` RGB uint8 as JPEG."""
    good, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not good:
        raise UserError(f"An image of shape {image.shape} could not be written as JPEG: it must be [H,W,3] uint8.")
    return bytes(data)


def decode_image(data: bytes) -> NDArray[np.uint8]:
    """The `[H,W,3]` RGB uint8 picture that `encode_jpeg` wrote."""
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB), np.uint8)


def write_shard(path: Path, records: list[FaceRecord]) -> None:
    """Write one shard, whole or not at all."""
    import tensorflow as tf

    with atomic_path(path) as beside, tf.io.TFRecordWriter(str(beside)) as writer:
        for record in records:
            writer.write(_example(record).SerializeToString(deterministic=True))


def _example(record: FaceRecord) -> Any:
    import tensorflow as tf

    def text(value: bytes) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    def numbers(value: NDArray[np.float32]) -> Any:
        return tf.train.Feature(float_list=tf.train.FloatList(value=value.tolist()))

    features = {
        "seed": tf.train.Feature(int64_list=tf.train.Int64List(value=[record.seed])),
        "identity": numbers(record.identity),
        "expression": numbers(record.expression),
        "labels": text(json.dumps(record.labels, sort_keys=True).encode()),
    }
    for view, image, camera in zip(VIEWS, record.images, record.cameras, strict=True):
        features[f"{view}/image"] = text(image)
        features[f"{view}/camera"] = numbers(camera)
    return tf.train.Example(features=tf.train.Features(feature=features))


def parse_example(serialized: Any, num_identity: int, num_expression: int) -> dict[str, Any]:
    """A record's features as tensors; the images still JPEG. For use inside `tf.data`."""
    import tensorflow as tf

    spec: dict[str, Any] = {
        "identity": tf.io.FixedLenFeature([num_identity], tf.float32),
        "expression": tf.io.FixedLenFeature([num_expression], tf.float32),
        "seed": tf.io.FixedLenFeature([], tf.int64),
    }
    for view in VIEWS:
        spec[f"{view}/image"] = tf.io.FixedLenFeature([], tf.string)
        spec[f"{view}/camera"] = tf.io.FixedLenFeature([CAMERA_SIZE], tf.float32)
    return dict(tf.io.parse_single_example(serialized, spec))


def find_shards(folder: Path) -> list[Path]:
    """The shards of a folder in their order.

    Raises:
        UserError: when there are none, or the folder does not say what they hold.
    """
    shards = sorted(folder.glob("faces-*.tfrecord"))
    if not shards or not (folder / DATASET_FILE).exists():
        raise UserError(f"{folder} holds no shards of faces: make some with `tfface synthesize --out {folder}`.")
    return shards


def read_dataset_card(folder: Path) -> dict[str, Any]:
    """What the tool that made a folder of shards wrote about it."""
    return dict(json.loads((folder / DATASET_FILE).read_text()))


def iterate_records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of one shard as NumPy arrays, images decoded to RGB. For tools and tests."""
    import tensorflow as tf

    for raw in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        feature = tf.train.Example.FromString(raw).features.feature
        record: dict[str, Any] = {"seed": feature["seed"].int64_list.value[0]}
        for key in ("identity", "expression", "front/camera", "side/camera"):
            record[key] = np.array(feature[key].float_list.value, np.float32)
        for view in VIEWS:
            record[f"{view}/image"] = decode_image(feature[f"{view}/image"].bytes_list.value[0])
        record["labels"] = json.loads(feature["labels"].bytes_list.value[0])
        yield record
