"""Columns of the table: what each network, and each peer's file of predictions, says about a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError, item_error
from tfface.evaluation.landmark_set import OFFSET_PX, LandmarkSet
from tfface.io.reading import files_in, read_arrays, read_matlab, reading

FloatArray = NDArray[np.floating]
ReadImage = Callable[[Path], NDArray[np.uint8]]
_KEYS = ("landmarks68_px", "landmarks")


class Found(NamedTuple):
    """A face that was found: its square crop `box` `[4]`, and how the head is turned, counter-clockwise."""

    box: FloatArray
    roll_rad: float = 0.0


FindBox = Callable[[NDArray[np.uint8], FloatArray], "Found | None"]


class Predictor(Protocol):
    """Whatever finds 68 landmarks in a crop."""

    name: str

    def landmarks(self, image: NDArray[np.uint8], box: FloatArray) -> FloatArray:
        """`[68,3]` u, v, depth in image pixels, for RGB `[H,W,3]` and a square box `[4]`."""


@dataclass(frozen=True)
class Column:
    """One method's answers.

    Attributes:
        name: of the method.
        landmarks: `[N,68,2 or 3]` in the benchmark's pixels; NaN where there is none.
        failed: why, by image name, for each NaN.
        missed: images where the detector found no face; their landmarks come from the benchmark's own box.
        skipped: images that a network of two views cannot be asked about (no side view of the same face).
        dense: figures of the whole mesh by image name, where the benchmark knows it.
        crop: where the crops came from, in words.
    """

    name: str
    landmarks: NDArray[np.float64]
    failed: dict[str, str] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    crop: str = "the benchmark's boxes"
    skipped: list[str] = field(default_factory=list)
    dense: dict[str, dict[str, float]] = field(default_factory=dict)


def predict_column(
    predictor: Predictor,
    data: LandmarkSet,
    read_image: ReadImage,
    find_box: FindBox | None = None,
    track: Callable[[list[int]], Iterable[int]] = lambda items: items,
) -> Column:
    """Runs a network over a benchmark.

    Args:
        find_box: a detector of ours instead of the benchmark's boxes; gets the image and the benchmark's box
            (to tell which of several faces is meant) and gives None when it finds no face.
        track: wraps the indices to show progress.
    """
    asked = _Asked(predictor, data, read_image, find_box)
    column = Column(predictor.name, np.full((len(data.names), 68, 3), np.nan), crop=_crop_note(find_box, predictor))
    pair = getattr(predictor, "num_views", 1) == 2
    if pair and data.sides is None:
        raise UserError(
            f"{predictor.name} takes a front and a side view, and {data.name} has single photographs: measure it with "
            "the `benchmark` synthetic, florence or scans"
        )
    for i in track(list(range(len(data.names)))):
        side = data.sides[i] if pair and data.sides is not None else None
        if pair and side is None:
            column.skipped.append(data.names[i])
            continue
        try:
            column.landmarks[i] = asked.about(i, side, column)
        except Exception as error:
            column.failed[data.names[i]] = item_error(error)
    return column


def _crop_note(find_box: FindBox | None, predictor: Predictor) -> str:
    recrop = getattr(predictor, "recrop", 0)
    crop = "the benchmark's boxes" if find_box is None else "our detector (the benchmark's box where it misses)"
    return crop + (f", then {recrop} more of the landmarks found" if recrop else "")


_OFFSET = np.array([OFFSET_PX, OFFSET_PX, 0.0])


@dataclass(frozen=True)
class _Asked:
    """A network and the benchmark that it is asked about."""

    predictor: Any
    data: LandmarkSet
    read_image: ReadImage
    find_box: FindBox | None

    def about(self, i: int, side: int | None, column: Column) -> FloatArray:
        """The landmarks `[68,3]` of item `i` in the benchmark's pixels; what else is found goes into `column`."""
        image, face = self._view(i, column)
        sides = [] if side is None else [self._view(side, column)]
        views = [(picture, found.box) for picture, found in [(image, face), *sides]]
        turned = {"roll_rad": face.roll_rad} if face.roll_rad else {}
        points = np.asarray(self.predictor.landmarks(image, face.box, *views[1:], **turned))
        if points.shape != (68, 3) or not np.isfinite(points).all():
            raise UserError(f"the network's landmarks are not 68 finite points but {points.shape}")
        if self.data.dense is not None and hasattr(self.predictor, "vertices"):
            vertices = self.predictor.vertices(views, **turned)
            column.dense[self.data.names[i]] = self.data.dense.measure(i, vertices)
        return np.asarray(points + _OFFSET)

    def _view(self, i: int, column: Column) -> tuple[Any, Found]:
        image, box = self.read_image(self.data.images[i]), self.data.boxes[i]
        found = Found(box) if self.find_box is None else self.find_box(image, box)
        if found is None and self.data.names[i] not in column.missed:
            column.missed.append(self.data.names[i])
        return image, Found(box) if found is None else found


def read_peers(folder: Path, data: LandmarkSet, broken: dict[str, str] | None = None) -> list[Column]:
    """A column from each `.npz` or `.mat` file of `folder`.

    A file holds `landmarks68_px` (or `landmarks`) `[N,68,3]`, `[N,68,2]` or transposed, in the benchmark's
    pixels, and usually `names` [N]; without `names` the order must be the benchmark's. Images that it lacks
    count as failed.

    Args:
        broken: takes the files that cannot be read, and why; without it, the first ends everything.

    Raises:
        UserError: no such file, or none (with `broken`) or one of them (without) is of this form.
    """
    files = files_in(folder, "*", (".npz", ".mat"))
    if not files:
        raise UserError(f"{folder} holds no .npz or .mat of predictions; see docs/evaluation.md for their form")
    columns: list[Column] = []
    for file in files:
        try:
            columns.append(_read_peer(file, data))
        except UserError as error:
            if broken is None or (file == files[-1] and not columns):
                raise
            broken[file.name] = item_error(error)
    return columns


def _read_peer(file: Path, data: LandmarkSet) -> Column:
    arrays = _load(file)
    key = next((key for key in _KEYS if key in arrays), None)
    if key is None:
        raise UserError(f"{file} has none of {', '.join(_KEYS)}; see docs/evaluation.md for the form of peers' files")
    with reading(file, "a method's predictions", "see docs/evaluation.md for the form of peers' files"):
        points = np.asarray(arrays[key], np.float64)
    points = points.transpose(0, 2, 1) if points.ndim == 3 and points.shape[1] in (2, 3) else points
    if points.ndim != 3 or points.shape[1] != 68 or points.shape[2] not in (2, 3):
        raise UserError(f"{key} in {file} has shape {points.shape}; it should be [N, 68, 3] or [N, 68, 2]")
    names = [str(name).strip() for name in np.ravel(arrays["names"])] if "names" in arrays else data.names
    if len(names) != len(points):
        raise UserError(f"{file} has {len(points)} predictions for {len(names)} images; add an array of names to it")
    row = {name: i for i, name in enumerate(names)}
    landmarks = np.full((len(data.names), *points.shape[1:]), np.nan)
    for i, name in enumerate(data.names):
        if name in row:
            landmarks[i] = points[row[name]]
    bad = ~np.isfinite(landmarks).all(axis=(1, 2))
    landmarks[bad] = np.nan
    failed = {data.names[i]: "no finite prediction in the peer's file" for i in np.flatnonzero(bad)}
    return Column(file.stem, landmarks, failed, crop="the peer's own")


def _load(file: Path) -> dict[str, np.ndarray]:
    if file.suffix.lower() == ".mat":
        return read_matlab(file)
    return read_arrays(file, "a method's predictions")
