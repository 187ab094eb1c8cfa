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
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.geometry.camera import Camera
from tfface.io.examples import Value, decode_example, encode_example, read_records, write_records
from tfface.io.files import atomic_path
from tfface.io.reading import must_exist, read_json_object, reading

VIEWS = ("front", "side")
CAMERA_SIZE = 13
DATASET_FILE = "dataset.json"
SHARD = "a shard of TFRecords"
REMAKE = "remove it and make it again"
_PICTURES = ("image", "map", "mask")
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
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ValueError("its image is not a picture")
    return np.asarray(image, np.uint8)


def write_shard(path: Path, records: list[FaceRecord]) -> None:
    """Write one shard, whole or not at all."""
    with atomic_path(path) as beside:
        write_records(beside, map(_example, records))


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
    """What the tool that made a folder of shards wrote about it.

    Raises:
        UserError: it cannot be read.
    """
    card: dict[str, Any] = read_json_object(folder / DATASET_FILE, "the card of a folder of shards", REMAKE)
    return card


def claim_folder(
    folder: Path,
    card: Mapping[str, Any],
    free: Collection[str] = (),
    check: Callable[[], None] = lambda: None,
    **usual: Any,
) -> None:
    """Writes what a folder of shards will hold, or checks that it already holds the same.

    Args:
        card: what there is to say.
        free: keys that may differ from what is there.
        check: called where the folder holds the same, before anything is written.
        usual: what older cards do not say.

    Raises:
        UserError: it holds something else.
    """
    card = json.loads(json.dumps(card))
    if (folder / DATASET_FILE).exists():
        there = {**usual, **read_dataset_card(folder)}
        different = [key for key in sorted({*card, *there} - {*free}) if there.get(key) != card.get(key)]
        if different:
            raise UserError(
                f"{folder} holds shards made with another {', '.join(different)}: choose another `out` or the same "
                "options."
            )
        check()
    with atomic_path(folder / DATASET_FILE) as beside:
        beside.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def iterate_records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of one shard as NumPy arrays, images decoded to RGB. For tools and tests."""
    for raw in raw_records(path):
        with reading(path, SHARD, REMAKE):
            record: dict[str, Any] = decode_example(raw)
            record["seed"], record["labels"] = int(record["seed"][0]), json.loads(record["labels"])
            for view in VIEWS:
                record[f"{view}/image"] = decode_image(record[f"{view}/image"])
        yield record


def raw_records(path: Path) -> Iterator[bytes]:
    """The records of one shard as they are stored.

    Raises:
        UserError: it is cut short or damaged.
    """
    records = read_records(must_exist(path, REMAKE))
    while True:
        with reading(path, SHARD, REMAKE):
            raw = next(records, None)
        if raw is None:
            return
        yield raw


def damaged_shard(shards: Iterable[Path]) -> UserError | None:
    """The first of `shards` that cannot be read through, in a sentence; None where all can."""
    for path in shards:
        try:
            for number, raw in enumerate(raw_records(path), 1):
                with reading(path, f"{SHARD} (record {number})", REMAKE):
                    _check_pictures(decode_example(raw))
        except UserError as error:
            return error
    return None


def _check_pictures(features: dict[str, Any]) -> None:
    for key, value in features.items():
        if key.endswith(_PICTURES) and cv2.imdecode(np.frombuffer(value, np.uint8), cv2.IMREAD_UNCHANGED) is None:
            raise ValueError(f"its {key} is not a picture")


def card_number(folder: Path, card: dict[str, Any], *keys: str) -> float:
    """A number above 0 of a folder's card, such as `settings`, `enlarge`.

    Raises:
        UserError: the card has none.
    """
    value: Any = card
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise UserError(f"{folder / DATASET_FILE} says {value!r} for {'.'.join(keys)}, no number above 0: {REMAKE}.")
    return value


def must_hold_records(shards: Iterable[Path], what: str) -> None:
    """Sees to it that there is something to read.

    Raises:
        UserError: all of `shards` are empty.
    """
    shards = list(shards)
    if not any(path.stat().st_size for path in shards):
        names = f"{shards[0]} to {shards[-1].name}" if len(shards) > 1 else f"{shards[0]}" if shards else "none"
        raise UserError(f"The shards for {what} ({names}) are all empty: {REMAKE}.")


def check_face_model(folder: Path, card: dict[str, Any], checksum: str) -> None:
    """Sees to it that shards mean this face model: coefficients of another one would be other faces.

    Raises:
        UserError: their card names another.
    """
    theirs = card.get("face_model", checksum)
    if theirs != checksum:
        raise UserError(
            f"{folder} holds faces of another face model ({str(theirs)[:10]} instead of {checksum[:10]}): make the "
            "shards again with this tfface."
        )
