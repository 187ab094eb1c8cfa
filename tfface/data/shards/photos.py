"""Shards of photographs as TFRecord files: what one record holds, and how they are read for training.

A record is one face, cropped as Deep3D does (`tfface.geometry.pos`) to S x S pixels.

| feature | type |
| --- | --- |
| `name` | the photograph's file name |
| `image` | JPEG, S x S |
| `landmarks68` | float32 [136], u and v in pixels of the crop |
| `skin_mask` | PNG, grey: 255 times the probability of skin by colour (`tfface.data.sources.skin`) |
| `mesh_mask`, `hull_mask` | PNG, grey: 255 times coverage (`tfface.data.sources.face_masks`) |
| `matrix` | float32 [6]: positions in the photograph to positions in the crop, row by row |
| `source` | JSON text: the photograph's `width`, `height`, and `zoom`, `tx`, `ty`, `size`, exactly as cropped |
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.data.shards.folder import DATASET_FILE, REMAKE, SHARD
from tfface.data.shards.pictures import decode_image, decode_png, encode_jpeg, encode_png
from tfface.errors import UserError
from tfface.geometry.pos import Deep3DCrop
from tfface.io.examples import Place, Value, decode_example, encode_example, read_place, record_places, write_records
from tfface.io.reading import reading
from tfface.parallel.ahead import in_threads

MASKS = ("skin_mask", "mesh_mask", "hull_mask")
PARTS = ("train", "validation", "test")
SHARES = (0.70, 0.15, 0.15)
_BUCKETS = 10_000


@dataclass(frozen=True, eq=False)
class PhotoRecord:
    """One face: crop `[S,S,3]` uint8 RGB, landmarks `[68,2]` in its pixels, masks `[S,S]` uint8, how it was cropped."""

    name: str
    image: NDArray[np.uint8]
    landmarks68: NDArray[np.float32]
    skin_mask: NDArray[np.uint8]
    mesh_mask: NDArray[np.uint8]
    hull_mask: NDArray[np.uint8]
    crop: Deep3DCrop


def cut_crop(image: NDArray[np.uint8], crop: Deep3DCrop) -> NDArray[np.uint8]:
    """The crop `[S,S,3]`: the photograph resized bicubically, black beyond its border, as upstream.

    Only the part that the crop sees is resized; the pixels are the same.
    """
    from PIL import Image

    (width, height), (left, top), size = crop.resized, crop.corner, crop.size
    first = max(left, 0), max(top, 0)
    last = min(left + size, width), min(top + size, height)
    result = np.zeros((size, size, 3), np.uint8)
    if first[0] >= last[0] or first[1] >= last[1]:
        raise UserError("The crop lies wholly outside the photograph: the landmarks are wrong.")
    scale = np.array([crop.width / width, crop.height / height] * 2)
    box = tuple(np.array([*first, *last]) * scale)
    shape = last[0] - first[0], last[1] - first[1]
    part = Image.fromarray(image).resize(shape, Image.Resampling.BICUBIC, box=box)
    result[first[1] - top : last[1] - top, first[0] - left : last[0] - left] = np.asarray(part)
    return result


def write_photo_shard(path: Path, records: Sequence[PhotoRecord]) -> None:
    """Write one shard, whole or not at all."""
    write_records(path, map(_example, records))


def _example(record: PhotoRecord) -> bytes:
    features: dict[str, Value] = {
        "name": os.fsencode(record.name),
        "image": encode_jpeg(record.image),
        "source": json.dumps(asdict(record.crop), sort_keys=True).encode(),
        **{mask: encode_png(getattr(record, mask)) for mask in MASKS},
        "landmarks68": record.landmarks68,
        "matrix": np.asarray(record.crop.matrix, np.float32),
    }
    return encode_example(features)


def find_photo_shards(folder: Path) -> list[Path]:
    """The shards of a folder in their order.

    Raises:
        UserError: when there are none.
    """
    shards = sorted(Path(folder).glob("photos-*.tfrecord"))
    if not shards or not (Path(folder) / DATASET_FILE).is_file():
        raise UserError(f"{folder} holds no prepared photographs: run `tfface prepare PHOTOS --out {folder}`.")
    return shards


def photo_places(folder: Path, part: str = "all", shares: tuple[float, float, float] = SHARES) -> list[Place]:
    """Where the faces of a folder lie, in its order; `read_record` and `read_photo` read one.

    Args:
        folder: of `tfface prepare`.
        part: "train", "validation", "test", or "all". A photograph's name decides, so it stays where it is.
        shares: of the three parts (Fan's are 70, 15 and 15 %).

    Raises:
        UserError: no shards, one is damaged, or another part.
    """
    if part not in (*PARTS, "all"):
        raise UserError(f"There is no part {part!r} of the photographs: choose from {', '.join(PARTS)}, all.")
    places: list[Place] = []
    for path in find_photo_shards(folder):
        with reading(path, SHARD, REMAKE):
            places += record_places(path)
    if part == "all":
        return places
    import tensorflow as tf

    ends = np.round(np.cumsum([0.0, *shares]) / sum(shares) * _BUCKETS)
    low, high = ends[PARTS.index(part) :][:2]
    names = [features["name"] for features in in_threads(_features, places)]
    buckets = tf.strings.to_hash_bucket_fast(tf.constant(names, tf.string, [len(names)]), _BUCKETS).numpy()
    return [place for place, bucket in zip(places, buckets, strict=True) if low <= bucket < high]


def read_record(place: Place) -> PhotoRecord:
    """A face, with all that its record holds.

    Raises:
        UserError: the record is damaged.
    """
    features = _features(place)
    with reading(place.path, SHARD, REMAKE):
        name, crop = os.fsdecode(features["name"]), Deep3DCrop(**json.loads(features["source"]))
        skin, mesh, hull = (decode_png(features[mask]) for mask in MASKS)
        image, landmarks = decode_image(features["image"]), features["landmarks68"].reshape(68, 2)
        return PhotoRecord(name, image, landmarks, skin, mesh, hull, crop)


def read_photo(place: Place, mask: str = "") -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A face: picture and mask together `[S,S,4]` uint8, and landmarks `[68,2]` in its pixels.

    Args:
        place: of its record.
        mask: one of `MASKS`; without one, all counts.

    Raises:
        UserError: the record is damaged.
    """
    features = _features(place)
    with reading(place.path, SHARD, REMAKE):
        image, landmarks = decode_image(features["image"]), features["landmarks68"].reshape(68, 2)
        counted = decode_png(features[mask]) if mask else np.full(image.shape[:2], 255, np.uint8)
        return np.dstack([image, counted]), landmarks


def _features(place: Place) -> dict[str, Any]:
    with reading(place.path, SHARD, REMAKE):
        return dict(decode_example(read_place(place)))
