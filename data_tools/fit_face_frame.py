"""The numbers of `tfface.detect.blazeface.frame`, from synthetic faces: `python data_tools/fit_face_frame.py`.

Draws synthetic people from the front and the side, looks at each with BlazeFace in squares that are a little off, and
fits by least squares how keypoints and box lead to the crop of the true landmarks and to their roll. Prints the rule to
put into `FRAME_RULE`, and how far it is off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FIRST_SEED = 900_000
"""Far from the seeds of training and test faces."""


@dataclass(frozen=True)
class Options:
    """Fit the rule that leads from BlazeFace's keypoints to a face's crop and roll."""

    faces: int = 500
    """Synthetic people, each seen twice."""
    looks: int = 3
    """Squares, each a little off and turned, in which each picture is looked at."""
    ridge: float = 0.005
    """How strongly weights are held small."""


def main(argv: list[str] | None = None) -> int:
    """Fits and prints; 0."""
    import tyro

    options = tyro.cli(Options, args=argv, description=__doc__)
    seen = [pair for picture in _pictures(options.faces) for pair in _looks(*picture, options.looks)]
    rule = fit(seen, options.ridge)
    print(f"{len(seen)} looks\n{rule}")
    _report(seen, rule)
    return 0


def _pictures(faces: int) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.floating], np.random.Generator]]:
    """Pictures, their true landmarks `[68,2]` in pixels, and random numbers."""
    from tfface.cli import progress_bar
    from tfface.data.synthetic.sample import SyntheticSettings
    from tfface.data.synthetic.scene import FaceGenerator

    settings = SyntheticSettings(
        image_size=320, enlarge=2.4, centre_jitter=0.15, size_jitter=(0.7, 1.3), front_yaw_deg=60, roll_std_deg=12
    )
    generator = FaceGenerator(settings)
    matrix = generator.face.face(2).matrix[generator.face.landmarks68]
    from rich.console import Console

    with progress_bar(Console(stderr=True), transient=True) as progress:
        for seed in progress.track(range(faces), description="drawing faces"):
            pair = generator.pair(FIRST_SEED + seed)
            points = np.asarray(matrix @ generator.face.cage(pair.identity, pair.expression), np.float32)
            for view in (pair.front, pair.side):
                yield view.image, view.camera.project(points)[:, :2].astype(float), np.random.default_rng(seed)


def _looks(
    image: NDArray[np.uint8], points: NDArray[np.floating], rng: np.random.Generator, count: int
) -> Iterator[tuple[Any, Any]]:
    """What is seen, and the true frame."""
    from tfface.detect.blazeface.frame import Frame
    from tfface.detect.blazeface.network import BlazeFaceNetwork
    from tfface.detect.blazeface.second_look import look_twice
    from tfface.geometry.align import crop_transform, refined_box, roll_from_landmarks, transform_points

    network, roll = BlazeFaceNetwork("short_range"), roll_from_landmarks(points)
    matrix = crop_transform((0, 0, image.shape[1], image.shape[0]), 256, roll)
    box = refined_box(transform_points(matrix, points), matrix)
    true = Frame((box[:2] + box[2:]) / 2, float(box[2] - box[0]), roll)
    for _ in range(count):
        off = Frame(
            true.centre + rng.uniform(-0.08, 0.08, 2) * true.side,
            true.side * rng.uniform(0.87, 1.15),
            roll + np.radians(rng.uniform(-35, 35)),
        )
        seen = look_twice(network, image, off)
        if seen is not None and seen.logit > 0:
            yield seen, true


def fit(seen: list[tuple[Any, Any]], ridge: float) -> Any:
    """The rule of least squares over looks and their mirror images."""
    from tfface.detect.blazeface.frame import MIRRORED, FrameRule, centred

    middle, points = centred(np.array([each.keypoints for each, _ in seen]))
    box_sides = np.array([(each.box[2:] - each.box[:2]).mean() for each, _ in seen])
    points = points / box_sides[:, None]
    centre = np.array([frame.centre[0] - 1j * frame.centre[1] for _, frame in seen])
    towards = np.exp(1j * np.array([frame.roll_rad for _, frame in seen]))
    offset = (centre - middle) / box_sides

    def solve(target: NDArray[np.complex128], mirrored: NDArray[np.complex128]) -> NDArray[np.complex128]:
        rows = np.concatenate([points, -np.conj(points)[:, list(MIRRORED)]])
        goal = np.concatenate([target, mirrored])
        normal = rows.conj().T @ rows + ridge * len(rows) * np.eye(rows.shape[1])
        return np.asarray(np.linalg.solve(normal, rows.conj().T @ goal))

    side = np.median([frame.side for _, frame in seen] / box_sides)
    return FrameRule(solve(towards, np.conj(towards)), solve(offset, -np.conj(offset)), float(side))


def _report(seen: list[tuple[Any, Any]], rule: Any) -> None:
    from tfface.detect.blazeface.frame import face_frame
    from tfface.geometry.upright import angle_between

    found = [face_frame(each.box, each.keypoints, rule) for each, _ in seen]
    pairs = [(frame, true) for frame, (_, true) in zip(found, seen, strict=True)]
    roll = np.degrees([abs(angle_between(frame.roll_rad, true.roll_rad)) for frame, true in pairs])
    away = np.array([(frame.centre - true.centre) / true.side for frame, true in pairs])
    size = np.log([frame.side / true.side for frame, true in pairs])
    print(f"roll off by, in degrees: {np.percentile(roll, [50, 90, 95]).round(1)} (50, 90, 95 % of looks)")
    plain = np.array([_eyes_and_mouth(each.keypoints) for each, _ in seen])
    off = np.degrees([abs(angle_between(one, true.roll_rad)) for one, (_, true) in zip(plain, seen, strict=True)])
    print(f"by the eyes' line and the way to the mouth alone: {np.percentile(off, [50, 90, 95]).round(1)}")
    print(f"centre off by {away.std(0).round(3)} of the side (mean {away.mean(0).round(3)}), log side {size.std():.3f}")


def _eyes_and_mouth(keypoints: NDArray[np.floating]) -> float:
    across, down = keypoints[1] - keypoints[0], keypoints[3] - (keypoints[0] + keypoints[1]) / 2
    right = across + [down[1], -down[0]]
    return float(np.arctan2(-right[1], right[0]))


if __name__ == "__main__":
    from tfface.cli import run

    raise SystemExit(run(main))
