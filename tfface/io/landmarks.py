"""Landmark files, whatever their form: points as rows of numbers.

- `.npy`: an array; `.npz`: `landmarks68` or `landmarks`
- `.json`, `.ljson`: a list of points, an object with `landmarks` (Menpo's too, whose labels say the order) or with
  `landmarks68_px` (what predict writes)
- `.pts`: 300-W's, the points in braces; `.txt`, `.csv`: numbers, parted by blanks or commas

300-W's `.pts` count pixels from 1 (`COUNTED_FROM_ONE`); the numbers are given as they stand in the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.geometry import ibug68
from tfface.io.reading import must_exist, read_array, read_arrays, read_json, read_text, reading

POINT_SUFFIXES = (".npy", ".npz", ".json", ".ljson", ".pts", ".txt", ".csv")
COUNTED_FROM_ONE = (".pts",)
_KEYS = ("landmarks68_px", "landmarks68", "landmarks")
_WHAT = "landmarks"
_ADVICE = "give points as .npy, .npz, .json, .pts or .txt"
_PARTS = {
    "chin": ibug68.JAW, "leyebrow": ibug68.LEFT_BROW, "reyebrow": ibug68.RIGHT_BROW, "nose": ibug68.NOSE,
    "leye": ibug68.LEFT_EYE, "reye": ibug68.RIGHT_EYE, "mouth": ibug68.MOUTH,
}  # fmt: skip


def read_points(path: Path, columns: int | None = None) -> NDArray[np.float64]:
    """The points `[N,D]` of a landmark file.

    Args:
        path: the file; its suffix says the form.
        columns: D where a text file's lines do not say it; None takes the numbers of a line.

    Raises:
        UserError: it cannot be read, or holds no table of numbers.
    """
    path = must_exist(path, _ADVICE)
    suffix = path.suffix.lower()
    if suffix not in POINT_SUFFIXES:
        raise UserError(f"{path} holds no landmarks that can be read: {_ADVICE}.")
    found: Any
    if suffix == ".npy":
        found = read_array(path, _WHAT, _ADVICE)
    elif suffix == ".npz":
        found = _named(read_arrays(path, _WHAT, advice=_ADVICE), path)
    elif suffix in (".json", ".ljson"):
        content = read_json(path, _WHAT, _ADVICE)
        with reading(path, _WHAT, _ADVICE):
            found = _from_json(content, path)
    else:
        text = read_text(path, _WHAT, _ADVICE)
        with reading(path, _WHAT, _ADVICE):
            found = _from_text(text, columns)
    with reading(path, _WHAT, _ADVICE):
        points = np.asarray(found, np.float64)
        if points.ndim != 2 or not points.size:
            raise ValueError(f"an array of shape {points.shape} is not a list of points")
    return points


def _named(arrays: dict[str, Any], path: Path) -> Any:
    key = next((key for key in _KEYS if key in arrays), None)
    if key is None:
        raise UserError(f"{path} has neither landmarks68 nor landmarks: {_ADVICE}.")
    return arrays[key]


def _from_json(content: Any, path: Path) -> Any:
    if isinstance(content, list):
        return content
    group = next(iter(content["groups"].values())) if "groups" in content else content
    found = _named(group, path)
    points = np.array(found["points"] if isinstance(found, dict) else found, np.float64)
    masks = {label["label"]: label["mask"] for label in group.get("labels", [])}
    return _in_order(points, masks) if masks.keys() >= _PARTS.keys() and len(points) == 68 else points


def _in_order(points: NDArray[np.float64], masks: dict[str, list[int]]) -> NDArray[np.float64]:
    """iBUG's order whatever the order of the labels."""
    ordered = np.empty_like(points)
    for part, place in _PARTS.items():
        ordered[place] = points[masks[part]]
    return ordered


def _from_text(text: str, columns: int | None) -> NDArray[np.float64]:
    if "{" in text and "}" in text:
        text = text[text.index("{") + 1 : text.index("}")]
    rows = [line.replace(",", " ").split() for line in text.splitlines() if line.strip()]
    if columns is None:
        return np.array(rows, np.float64)
    numbers = np.array([word for row in rows for word in row], np.float64)
    if numbers.size == 0 or numbers.size % columns:
        raise ValueError(f"its {numbers.size} numbers are not points of {columns}")
    return numbers.reshape(-1, columns)
