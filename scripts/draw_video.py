"""Films a head whose performance is known, follows it, and says how well: `python scripts/draw_video.py docs/pictures`.

Writes video.jpg, frames of the overlay, and prints the table of docs/video.md. The head is the astronaut's (NASA's
portrait of Eileen Collins, public domain), moved by the face model's own expressions.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from tfface.detect.registry import load_detector
from tfface.effects.views import model_with, seen_from
from tfface.face.open_model import load_open_face
from tfface.geometry.rotation import euler_to_matrix
from tfface.inference import Reconstructor
from tfface.io.film import write_mp4
from tfface.io.image import write_image
from tfface.runtime import find_network
from tfface.video.run import Options, predict_video
from tfface.viz.sheet import contact_sheet

FRAMES, FPS, SIZE, NOISE = 75, 25, 400, 4.0
SHOWN = ("jawOpen", "mouthSmileLeft", "eyeBlinkLeft", "browOuterUpLeft")


def performance() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights `[T,52]`, and yaw, pitch, roll `[T,3]` in degrees."""
    names, t = load_open_face().expression_names, np.arange(FRAMES) / FPS
    weights, angles = np.zeros((FRAMES, len(names))), np.zeros((FRAMES, 3))
    weights[:, names.index("jawOpen")] = 0.35 * np.clip(np.sin(2 * np.pi * t), 0, 1)
    for side in ("Left", "Right"):
        weights[:, names.index(f"mouthSmile{side}")] = 0.35 + 0.35 * np.sin(2 * np.pi * t / 2.2)
        weights[:, names.index(f"eyeBlink{side}")] = np.clip(1 - np.abs((t % 1.5) - 0.7) / 0.12, 0, 1)
        weights[:, names.index(f"browOuterUp{side}")] = 0.4 * np.clip(np.sin(2 * np.pi * t / 1.6), 0, 1)
    angles[:, 0], angles[:, 1] = 28 * np.sin(2 * np.pi * t / 3), 8 * np.sin(2 * np.pi * t / 2.1)
    return weights, angles


def filmed(reconstructor: Reconstructor) -> Iterator[NDArray[np.uint8]]:
    """The performance, with some noise."""
    result, noise = reconstructor(data.astronaut())[0], np.random.default_rng(0)
    for weights, angles in zip(*performance(), strict=True):
        picture = seen_from(model_with(result, weights, level=1), euler_to_matrix(*np.radians(angles)), SIZE)
        yield np.clip(picture + noise.normal(0, NOISE, picture.shape), 0, 255).astype(np.uint8)


def measured(path: Path) -> dict[str, tuple[float, float, float]]:
    """Of each of `SHOWN` and yaw: jitter, the true jitter, and the correlation with the truth (of yaw the error's
    standard deviation in degrees)."""
    weights, angles = performance()
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = {}
    for name in SHOWN:
        own = np.array([float(row[name[0].upper() + name[1:]]) for row in rows])
        true = weights[:, load_open_face().expression_names.index(name)]
        found[name] = _jitter(own), _jitter(true), float(np.corrcoef(own, true)[0, 1])
    yaw = np.degrees([float(row["HeadYaw"]) for row in rows])
    found["yaw"] = _jitter(yaw), _jitter(angles[:, 0]), float((yaw - angles[:, 0]).std())
    return found


def _jitter(values: NDArray[np.floating]) -> float:
    return float(np.diff(values, 2).std())


def main(folder: Path) -> None:
    """Films, follows, measures, draws."""
    detector = load_detector("auto")
    network = find_network(None, True)
    reconstructor = Reconstructor(network, detector, 0)
    with tempfile.TemporaryDirectory() as room:
        film = Path(room) / "known.mp4"
        write_mp4(film, filmed(Reconstructor()), FPS, "mp4v")
        tables = []
        for smooth in (0.0, 1.0):
            out = Path(room) / f"smooth{smooth}"
            predict_video(film, out, reconstructor, detector, Options(smooth), print, lambda line: None)
            tables.append(measured(out / "known.csv"))
        reader, frames = cv2.VideoCapture(str(out / "known_overlay.mp4")), []
        while (read := reader.read())[0]:
            frames.append(np.ascontiguousarray(read[1][..., ::-1]))
    for name, (plain, true, follows) in tables[0].items():
        smooth_jitter, _, smooth_follows = tables[1][name]
        print(f"| {name} | {true:.3f} | {plain:.3f} | {smooth_jitter:.3f} | {follows:.2f} | {smooth_follows:.2f} |")
    chosen = np.linspace(0, len(frames) - 1, 10).astype(int)
    labels = [f"frame {number}" for number in chosen]
    sheet = contact_sheet([frames[number] for number in chosen], labels, 5, 300)
    write_image(folder / "video.jpg", sheet, result=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
