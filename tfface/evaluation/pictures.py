"""Pictures of a report: the curve of errors, and faces with their true and predicted landmarks."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfface.evaluation.landmark_set import OFFSET_PX
from tfface.geometry.ibug68 import STROKES
from tfface.io.files import MARK, atomic_path
from tfface.metrics.curves import ced

FloatArray = NDArray[np.floating]
_TRUE, _PREDICTED = "#4caf50", "#ff3db8"


def plot_ced(
    errors: Mapping[str, FloatArray],
    maximum: float,
    path: Path,
    measure: str = "NME of 68 points in 2D (% of the root of the box area)",
    share_of: str = "images (%)",
) -> None:
    """Writes the cumulative error distribution of each method to a PNG at `path`; `measure` names the errors."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for name, values in errors.items():
        thresholds, share = ced(values, maximum)
        axes.plot(thresholds, 100 * share, label=name)
    axes.set(
        xlabel=measure, ylabel=share_of, xlim=(0, maximum), ylim=(0, 100),
    )  # fmt: skip
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    with atomic_path(path) as beside:
        figure.savefig(beside, dpi=110, metadata={"Software": MARK})


def draw_landmarks(image: NDArray[np.uint8], truth: FloatArray, predicted: FloatArray, caption: str) -> bytes:
    """A PNG of the face with true (green) and predicted (magenta) landmarks `[68,2 or 3]` in file pixels."""
    from matplotlib.figure import Figure

    height, width = image.shape[:2]
    figure = Figure(figsize=(3, 3.25), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(image, extent=(0, width, height, 0))
    for points, colour in ((truth, _TRUE), (predicted, _PREDICTED)):
        _draw_strokes(axes, np.asarray(points)[:, :2] - OFFSET_PX, colour)
    both = np.concatenate([truth[:, :2], predicted[:, :2]])
    centre, half = (both.min(0) + both.max(0)) / 2, 0.6 * np.ptp(both, axis=0).max()
    axes.set(
        xlim=(centre[0] - half, centre[0] + half),
        ylim=(centre[1] + half, centre[1] - half),
        xticks=[],
        yticks=[],
    )
    axes.set_title(caption.encode("utf-8", "replace").decode(), fontsize=8)  # names may be no UTF-8
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=90)
    return stream.getvalue()


def _draw_strokes(axes: object, points: FloatArray, colour: str) -> None:
    for start, stop, closed in STROKES:
        stroke = points[start:stop]
        stroke = np.vstack([stroke, stroke[:1]]) if closed else stroke
        axes.plot(stroke[:, 0], stroke[:, 1], "-o", color=colour, linewidth=0.8, markersize=1.8)  # type: ignore[attr-defined]
