"""Shards of synthetic faces as TFRecord files: what one record holds.

A record is one person seen twice. It stores coefficients and cameras, never position maps: those are a matrix product
away (`tfface.data.pipeline.batches`), which keeps a record at some 30 kB and makes every geometric augmentation exact.

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

import numpy as np
from numpy.typing import NDArray

from tfface.data.shards.folder import REMAKE, SHARD, raw_records
from tfface.data.shards.pictures import decode_image
from tfface.geometry.camera import Camera
from tfface.io.examples import Value, decode_example, encode_example, write_records
from tfface.io.reading import reading

VIEWS = ("front", "side")
CAMERA_SIZE = 13


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


def write_shard(path: Path, records: list[FaceRecord]) -> None:
    """Write one shard, whole or not at all."""
    write_records(path, map(_example, records))


def _example(record: FaceRecord) -> bytes:
    features: dict[str, Value] = {
        "seed": np.array([record.seed], np.int64),
        "identity": record.identity,
        "expression": record.expression,
        "labels": json.dumps(record.labels, sort_keys=True).encode(),
    }
    for view, image, camera in zip(VIEWS, record.images, record.cameras, strict=True):
        features |= {f"{view}/image": image, f"{view}/camera": camera}
    return encode_example(features)


def iterate_records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of one shard as NumPy arrays, images decoded to RGB. For tools and tests."""
    for raw in raw_records(path):
        with reading(path, SHARD, REMAKE):
            record: dict[str, Any] = decode_example(raw)
            record["seed"], record["labels"] = int(record["seed"][0]), json.loads(record["labels"])
            for view in VIEWS:
                record[f"{view}/image"] = decode_image(record[f"{view}/image"])
        yield record
