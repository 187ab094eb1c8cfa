"""Held-out faces of our own generator, whose truth is exact: both views of each person.

Their seeds start at `EVALUATION_SEED`, far from those of training and validation. The pictures are written to
a folder, so that they can be looked at and read like any other benchmark's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tfface.data.synthetic.sample import SyntheticSettings
from tfface.data.workers import record_stream
from tfface.evaluation.dense_truth import KnownFace, SyntheticTruth
from tfface.evaluation.landmark_set import OFFSET_PX, LandmarkSet
from tfface.face.open_model import OpenFace, load_open_face
from tfface.geometry.align import box_from_landmarks
from tfface.geometry.rotation import matrix_to_euler
from tfface.io.files import atomic_path
from tfface.io.records import VIEWS, FaceRecord, camera_from_vector

EVALUATION_SEED = 3 << 40


def make_synthetic(
    count: int,
    folder: Path,
    workers: int = 0,
    track: Callable[[Iterable[Any], int], Iterable[Any]] | None = None,
) -> LandmarkSet:
    """`count` persons seen twice, as a benchmark; pictures go to `folder`.

    Args:
        workers: processes that draw; the pictures are the same for any number.
        track: wraps the records (and their number) to show progress.
    """
    face = load_open_face()
    seeds = range(EVALUATION_SEED, EVALUATION_SEED + count)
    items: list[dict[str, Any]] = []
    with record_stream(SyntheticSettings(), seeds, workers) as records:
        for record in records if track is None else track(records, count):
            items += _views(record, face, folder)
    truth = np.array([item["points"] for item in items], np.float64)
    sides: list[int | None] = [None if number % 2 else number + 1 for number in range(len(items))]
    return LandmarkSet(
        "synthetic",
        [item["image"].name for item in items],
        [item["image"] for item in items],
        {"exact": truth + [OFFSET_PX, OFFSET_PX, 0.0]},
        np.array([box_from_landmarks(points) for points in truth]),
        np.array([item["yaw_deg"] for item in items]),
        f"{count} synthetic persons from seed {EVALUATION_SEED} on, front and side, 68 exact points; boxes by "
        "3DDFA's rule from them; networks of two views get both, and answer for the front",
        sides=sides,
        dense=SyntheticTruth(face, [item["known"] for item in items]),
        ita_deg=np.array([item["ita_deg"] for item in items]),
    )


def _views(record: FaceRecord, face: OpenFace, folder: Path) -> list[dict[str, Any]]:
    vertices = face.face(2).vertices(face.cage(record.identity, record.expression))
    landmarks_mm = vertices[face.landmarks68]
    items = []
    for view, jpeg, vector in zip(VIEWS, record.images, record.cameras, strict=True):
        camera = camera_from_vector(vector, face.centre)
        path = folder / f"{record.seed - EVALUATION_SEED:05d}_{view}.jpg"
        with atomic_path(path) as beside:
            beside.write_bytes(jpeg)
        yaw, _, _ = matrix_to_euler(camera.rotation)
        known = KnownFace(record.identity, record.expression, camera)
        item = {"image": path, "points": camera.project(landmarks_mm), "yaw_deg": np.rad2deg(yaw), "known": known}
        items.append({**item, "ita_deg": float(record.labels.get("ita_deg", np.nan))})
    return items
