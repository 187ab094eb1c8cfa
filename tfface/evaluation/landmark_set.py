"""A benchmark of photographs with 68 landmarks, and the crop that 3DDFA's protocol gives every method.

Landmark files count pixels from 1, as MATLAB does: the centre of the first pixel is (1, 1), in our image
frame (0.5, 0.5). Truths and peers' predictions stay in the file's frame, as published figures compare them;
what our networks say is moved by `OFFSET_PX` into it. Boxes are edges of pixels counted from 0, which is our
image frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError, item_error
from tfface.evaluation.dense_truth import DenseTruth

FloatArray = NDArray[np.floating]
OFFSET_PX = 0.5
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")


@dataclass(frozen=True)
class LandmarkSet:
    """Photographs and their true landmarks.

    Attributes:
        name: of the benchmark.
        names: of the N images, in the order of all arrays.
        images: their files.
        truths: ground truths by name, `[N,68,2 or 3]` pixels in the file's frame; the first is the published
            one.
        boxes: `[N,4]` square crops (left, top, right, bottom) in image pixels.
        yaw_deg: `[N]`, or None where the set has no poses.
        protocol: what was read, in words.
        broken: items that could not be read, and why.
        sides: for each item the number of the item that shows the same face from the side, None where none does;
            a network of two views is asked about those items only that have one.
        dense: the whole true meshes, where they are known.
        dense_absent: why they are not.
        ita_deg: `[N]` skin tones (`tfface.metrics.groups`), or None.
        parts: kinds of pictures that are reported apart, each as `[N]` bool.
    """

    name: str
    names: list[str]
    images: list[Path]
    truths: dict[str, NDArray[np.float64]]
    boxes: NDArray[np.float64]
    yaw_deg: NDArray[np.float64] | None
    protocol: str
    broken: dict[str, str] = field(default_factory=dict)
    sides: list[int | None] | None = None
    dense: DenseTruth | None = None
    dense_absent: str = ""
    ita_deg: NDArray[np.float64] | None = None
    parts: dict[str, NDArray[np.bool_]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.names:
            reason = next(iter(self.broken.values()), "it is empty")
            raise UserError(f"the {self.name} data holds no readable item: {reason}; check `data`")

    def first(self, count: int) -> LandmarkSet:
        """The first `count` items."""
        return replace(
            self,
            names=self.names[:count],
            images=self.images[:count],
            truths={name: truth[:count] for name, truth in self.truths.items()},
            boxes=self.boxes[:count],
            yaw_deg=None if self.yaw_deg is None else self.yaw_deg[:count],
            parts={name: chosen[:count] for name, chosen in self.parts.items()},
            ita_deg=None if self.ita_deg is None else self.ita_deg[:count],
            sides=None if self.sides is None else [_below(side, count) for side in self.sides[:count]],
        )


def _below(side: int | None, count: int) -> int | None:
    return side if side is not None and side < count else None


def squared(boxes: FloatArray) -> NDArray[np.float64]:
    """Boxes `[N,4]` that the picture's right or lower border cut short, square again from the upper left."""
    corners = np.array(boxes, np.float64)
    side = (corners[:, 2:] - corners[:, :2]).max(axis=1, keepdims=True)
    corners[:, 2:] = corners[:, :2] + side
    return corners


def read_each(files: list[Path], read: Callable[[Path], dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """What `read` gives for each file, and the files it failed on with the reason."""
    items, broken = [], {}
    for file in files:
        try:
            items.append(read(file))
        except Exception as error:
            broken[file.name] = item_error(error)
    return items, broken
