"""Held-out faces of our own generator, whose truth is exact: both views of each person.

Their seeds start at `EVALUATION_SEED`, far from those of training and validation. The pictures are written to
a folder, so that they can be looked at and read like any other benchmark's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.data.shards.faces import VIEWS, FaceRecord, camera_from_vector
from tfface.data.synthetic.records import record_stream
from tfface.data.synthetic.sample import SyntheticSettings
from tfface.evaluation.dense_truth import KnownFace, SyntheticTruth
from tfface.evaluation.landmark_set import OFFSET_PX, LandmarkSet
from tfface.face.open_model import OpenFace, load_open_face
from tfface.geometry.align import box_from_landmarks
from tfface.geometry.rotation import matrix_to_euler
from tfface.io.files import atomic_path
from tfface.metrics.expressions import openings
from tfface.metrics.landmarks import box_area_root

EVALUATION_SEED = 3 << 40
_FULL = SyntheticSettings()
_CLEAN = replace(_FULL.clean(), glasses=0.0, fringe=0.0, hanging_beard=0.0)
VARIANTS = {
    "full": _FULL,
    "clean": _CLEAN,
    "fringes": replace(_CLEAN, fringe=1.0),
    "covered": replace(_CLEAN, occluder=1.0, covered_mouth=0.15, scarf=0.3, glasses=0.5, hat=0.3),
    "dark": replace(_FULL, exposure=0.2, occluder=0.0, covered_mouth=0.0, scarf=0.0, hat=0.0),
}
"""Kinds of pictures; clean ones have nothing in front of the face and an honest camera."""
PROFILE_DEG = 60.0
OPEN_MOUTH, SHUT_MOUTH, SHUT_EYES = 8.0, 2.2, 2.8
"""Openings of landmarks in per cent of the face's size (`tfface.metrics.expressions`)."""


def make_synthetic(
    count: int,
    folder: Path,
    track: Callable[[Iterable[Any], int], Iterable[Any]] | None = None,
    variants: Iterable[str] = ("full",),
) -> LandmarkSet:
    """`count` persons seen twice, as a benchmark; pictures go to `folder`.

    Args:
        track: wraps the records (and their number) to show progress.
        variants: which of `VARIANTS` to draw: the same persons in the same poses before the same cameras.
    """
    face, seeds = load_open_face(), range(EVALUATION_SEED, EVALUATION_SEED + count)
    items: list[dict[str, Any]] = []
    for variant in variants:
        with record_stream(VARIANTS[variant], seeds, 0) as records:
            for record in records if track is None else track(records, count):
                items += views_of(record, face, folder, variant)
    truth = np.array([item["points"] for item in items], np.float64)
    sides: list[int | None] = [None if number % 2 else number + 1 for number in range(len(items))]
    return LandmarkSet(
        "synthetic",
        [item["image"].name for item in items],
        [item["image"] for item in items],
        {"exact": truth + [OFFSET_PX, OFFSET_PX, 0.0]},
        np.array([box_from_landmarks(points) for points in truth]),
        np.array([item["yaw_deg"] for item in items]),
        f"{count} synthetic persons from seed {EVALUATION_SEED} on, front and side, {' + '.join(variants)}, 68 exact "
        "points; boxes by 3DDFA's rule from them; networks of two views get both, and answer for the front",
        sides=sides,
        dense=SyntheticTruth(face, [item["known"] for item in items]),
        ita_deg=np.array([item["ita_deg"] for item in items]),
        parts=_parts(items, truth) if len(tuple(variants)) > 1 else {},
    )


def _parts(items: list[dict[str, Any]], truth: NDArray[np.float64]) -> dict[str, NDArray[np.bool_]]:
    """The variants, each from the front and from the side, then clean pictures by what the face does."""
    variant, yaw = (np.array([item[key] for item in items]) for key in ("variant", "yaw_deg"))
    side = np.arange(len(items)) % 2 == 1
    parts: dict[str, NDArray[np.bool_]] = {}
    for name in dict.fromkeys(variant.tolist()):
        parts |= {f"{name}, front": (variant == name) & ~side, f"{name}, side": (variant == name) & side}
    plain = variant == ("clean" if "clean" in variant else variant[0])
    wide = openings(truth, box_area_root(truth))
    parts["profiles"] = plain & (np.abs(yaw) > PROFILE_DEG)
    plain &= ~side
    parts["mouths open"] = plain & (wide["mouth_opening"] > OPEN_MOUTH)
    parts["mouths shut"] = plain & (wide["mouth_opening"] < SHUT_MOUTH)
    parts["eyes shut"] = plain & (wide["lids"] < SHUT_EYES)
    return {name: chosen for name, chosen in parts.items() if chosen.any()}


def views_of(record: FaceRecord, face: OpenFace, folder: Path, variant: str = "full") -> list[dict[str, Any]]:
    """Front and side of a person as items of a set of landmarks; writes their pictures into `folder`."""
    vertices = face.face(2).vertices(face.cage(record.identity, record.expression))
    landmarks_mm = vertices[face.landmarks68]
    items = []
    for view, jpeg, vector in zip(VIEWS, record.images, record.cameras, strict=True):
        camera = camera_from_vector(vector, face.centre)
        ending = "" if variant == "full" else f"_{variant}"
        path = folder / f"{record.seed - EVALUATION_SEED:05d}_{view}{ending}.jpg"
        with atomic_path(path) as beside:
            beside.write_bytes(jpeg)
        yaw, _, _ = matrix_to_euler(camera.rotation)
        known = KnownFace(record.identity, record.expression, camera)
        item = {"image": path, "points": camera.project(landmarks_mm), "yaw_deg": np.rad2deg(yaw), "known": known}
        items.append({**item, "variant": variant, "ita_deg": float(record.labels.get("ita_deg", np.nan))})
    return items
