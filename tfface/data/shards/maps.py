"""Shards of pictures with their position maps: truths that come from elsewhere than our own coefficients.

A record holds one picture of a face, or a front and a side picture of one face, each with its map. Maps are on our
chart (`tfface.face.position_map`), in pixels of the stored picture, whose side is `enlarge` times the crop's box.

| feature | type |
| --- | --- |
| `key` | text, where it came from |
| `front/image` (`side/image`) | JPEG, square |
| `front/map` (`side/map`) | PNG of 16 bits: u, v and depth, level = 16 (pixel + 512): steps of 1/16 pixel |
| `front/mask` (`side/mask`) | grey PNG of 8 bits: how much each texel's truth is to be trusted |

`dataset.json` beside the shards has `kind` "maps", `views`, `records_per_shard`, `settings.enlarge` and the source.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.data.shards.faces import VIEWS
from tfface.data.shards.folder import REMAKE, SHARD, claim_folder, raw_records
from tfface.data.shards.pictures import decode_image, decode_png, encode_jpeg, encode_png
from tfface.errors import UserError, item_error
from tfface.geometry.align import box_from_landmarks, crop_transform, square_box, transform_points
from tfface.io.examples import Value, decode_example, encode_example, write_records
from tfface.io.files import write_text
from tfface.io.reading import read_json_object, reading
from tfface.io.warp import warp_image
from tfface.parallel.pool import shared

KIND = "maps"
"""`kind` of a folder with such shards."""
STEPS_PER_PX, OFFSET_PX = 16.0, 512.0
ENLARGE = 1.25
FAILED_FILE = "failed.json"


@dataclass(frozen=True)
class MapView:
    """One picture.

    Attributes:
        image: `[S,S,3]` uint8 RGB.
        position_map: `[256,256,3]` in its pixels.
        mask: `[256,256]` uint8.
    """

    image: NDArray[np.uint8]
    position_map: NDArray[np.floating]
    mask: NDArray[np.uint8]


@dataclass(frozen=True)
class MapRecord:
    """One face: a single view, or front and side."""

    key: str
    views: tuple[MapView, ...]


def crop_matrix(landmarks: NDArray[np.floating], size: int) -> NDArray[np.float64]:
    """The matrix `[2,3]` from a photograph to a stored picture: `ENLARGE` times the crop of its 68 points."""
    box = box_from_landmarks(landmarks)
    wide = square_box((box[:2] + box[2:]) / 2, float(box[2] - box[0]) * ENLARGE)
    return crop_transform(wide, size)


def moved_map(position_map: NDArray[np.floating], matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """A map `[R,R,3]` of a photograph in a crop of it: depth scales along, its least is 0."""
    moved = transform_points(matrix, position_map)
    moved[..., 2] -= moved[..., 2].min()
    return moved


def cropped_view(
    image: NDArray[np.uint8],
    landmarks: NDArray[np.floating],
    position_map: NDArray[np.floating],
    mask: NDArray[np.uint8],
    size: int,
) -> MapView:
    """A photograph `[H,W,3]` and its map, cropped round the 68 points `[68, 2 or 3]` to `size` pixels.

    Raises:
        UserError: the face lies outside the photograph.
    """
    matrix = crop_matrix(landmarks, size)
    picture = np.asarray(warp_image(image, matrix, size, size), np.uint8)
    return MapView(picture, moved_map(position_map, matrix), mask)


def encode_map(position_map: NDArray[np.floating]) -> bytes:
    """`[R,R,3]` pixels as PNG of 16 bits.

    Raises:
        UserError: a number is not finite or farther than 512 pixels outside the picture.
    """
    levels = np.round((np.asarray(position_map, np.float64) + OFFSET_PX) * STEPS_PER_PX)
    if not np.isfinite(levels).all() or levels.min() < 0 or levels.max() > 65535:
        raise UserError("a position map leaves the range of -512 to 3583 pixels: the face's pose or size is broken")
    plain = (cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT)
    return encode_png(levels.astype(np.uint16)[..., ::-1], *plain)


def decode_map(data: bytes) -> NDArray[np.float32]:
    """The inverse of `encode_map`, to 1/32 pixel."""
    return np.asarray(decode_png(data)[..., ::-1] / STEPS_PER_PX - OFFSET_PX, np.float32)


def _example(record: MapRecord) -> bytes:
    features: dict[str, Value] = {"key": os.fsencode(record.key)}
    for name, view in zip(VIEWS, record.views, strict=False):
        features[f"{name}/image"] = encode_jpeg(view.image)
        features[f"{name}/map"] = encode_map(view.position_map)
        features[f"{name}/mask"] = encode_png(view.mask)
    return encode_example(features)


def iterate_map_records(path: Path) -> Iterator[MapRecord]:
    """The records of one shard. For tools and tests."""
    for raw in raw_records(path):
        with reading(path, SHARD, REMAKE):
            features: dict[str, Any] = decode_example(raw)
            there = [name for name in VIEWS if f"{name}/image" in features]
            record = MapRecord(os.fsdecode(features["key"]), tuple(decode_view(features, name) for name in there))
        yield record


def decode_view(features: dict[str, Any], name: str) -> MapView:
    """One picture of a record's features."""
    image, position_map, mask = (features[f"{name}/{part}"] for part in ("image", "map", "mask"))
    return MapView(decode_image(image), decode_map(position_map), decode_png(mask))


def write_dataset(
    out: Path,
    jobs: Sequence[Any],
    make: Callable[[Any], MapRecord],
    card: dict[str, Any],
    records_per_shard: int = 250,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, str]:
    """Write shards of what `make` makes of each job; shards that are there already are left.

    Args:
        out: the folder.
        jobs: in their order; each has a `key`. `records_per_shard` of them go into a shard.
        make: picklable when `workers` is more than 1.
        card: what `dataset.json` says beyond the kind and the shards' size.
        workers: processes.
        progress: how many jobs are done, of how many.

    Returns:
        the keys that failed, and why; also in `failed.json`. A shard lacks those that failed.
    """
    from tfface.face.open_model import load_open_face

    checksum, sizes = load_open_face().checksum, {"records": len(jobs), "records_per_shard": records_per_shard}
    claim_folder(out, {"kind": KIND, "face_model": checksum, **card, **sizes}, face_model=checksum)
    earlier = out / FAILED_FILE
    failed: dict[str, str] = read_json_object(earlier, "a list of failures", REMAKE) if earlier.exists() else {}
    parts = [jobs[first : first + records_per_shard] for first in range(0, len(jobs), records_per_shard)]
    paths = [out / f"faces-{index:05d}.tfrecord" for index in range(len(parts))]
    missing = [index for index, path in enumerate(paths) if not path.exists()]
    done, total = 0, sum(len(parts[index]) for index in missing)
    with shared(partial(_attempts, make), workers if workers > 1 else 0) as results_of:
        for index in missing:
            records = []
            for job, result in zip(parts[index], results_of(parts[index]), strict=True):
                if isinstance(result, str):
                    failed[job.key] = result
                else:
                    records.append(result)
                done += 1
                progress(done, total)
            write_records(paths[index], map(_example, records))
    if failed:
        write_text(earlier, json.dumps(failed, indent=1) + "\n")
    return failed


def _attempts(make: Callable[[Any], MapRecord]) -> Callable[[Any], MapRecord | str]:
    """In each process: what makes a job's record, or says why not."""
    return partial(_attempt, make)


def _attempt(make: Callable[[Any], MapRecord], job: Any) -> MapRecord | str:
    """The record, or why there is none: one broken file must not end a run of hours."""
    try:
        record = make(job)
        for view in record.views:
            encode_map(view.position_map)
        return record
    except Exception as error:
        return item_error(error)
