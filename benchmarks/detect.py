"""What each detector misses, invents and costs: `python benchmarks/detect.py --aflw2000 DIR --groups 12`.

On AFLW2000-3D's photographs, upright and turned by quarters: faces missed, other detections, how far the roll and the
crop are off. On group pictures composed of synthetic faces: found by size. Time is CPU time of one thread (OpenCV's
threads off) of detection alone, so that other processes change it little.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

EDGES_PX = (15, 24, 40, 64, 100, 160, 250, 400)
Image = NDArray[np.uint8]
Truth = NDArray[np.floating]


@dataclass(frozen=True)
class Options:
    """Measure detectors on one thread."""

    out: Path = Path("out/detect")
    """Folder for `results.json`."""
    aflw2000: Path | None = None
    """AFLW2000-3D's folder (docs/evaluation.md says what lies in it)."""
    detectors: tuple[str, ...] = ("blazeface", "dlib", "mtcnn")
    """Which ones."""
    turns: tuple[int, ...] = (0, 90, 180)
    """Degrees counter-clockwise by which the photographs are turned."""
    limit: int | None = None
    """Only the first so many photographs."""
    faceless: Path | None = None
    """A folder of pictures without faces, to count what is found there."""
    groups: int = 0
    """So many group pictures of synthetic faces, 1,600 x 1,200 pixels."""


def main(argv: list[str] | None = None) -> int:
    """Measures, prints, writes; 0."""
    import cv2
    import tyro

    from tfface.detect.registry import load_detector
    from tfface.io.files import write_text

    options = tyro.cli(Options, args=argv, description=__doc__)
    cv2.setNumThreads(1)
    pictures = list(_groups(options.groups))
    results: dict[str, Any] = {}
    for name in options.detectors:
        detector = load_detector(name)
        results[name] = {"photographs": {}}
        if pictures:
            results[name]["groups"] = group_figures(detector, pictures)
            print(name, "groups", json.dumps(results[name]["groups"]), flush=True)
        if options.faceless is not None:
            results[name]["faceless"] = faceless_figures(detector, options.faceless)
            print(name, "faceless", json.dumps(results[name]["faceless"]), flush=True)
        for degrees in options.turns if options.aflw2000 else ():
            results[name]["photographs"][degrees] = figures(detector, _photographs(options, degrees))
            print(name, degrees, json.dumps(results[name]["photographs"][degrees]), flush=True)
    write_text(options.out / "results.json", json.dumps(results, indent=1))
    return 0


def _photographs(options: Options, degrees: int) -> Iterator[tuple[Image, Truth]]:
    """Pictures and the 68 points `[68,2]` of the face that is meant, in our pixels."""
    from tfface.evaluation.aflw2000 import read_aflw2000
    from tfface.evaluation.landmark_set import OFFSET_PX
    from tfface.evaluation.rotated import rotated
    from tfface.io.image import read_image

    assert options.aflw2000 is not None
    data, read = read_aflw2000(options.aflw2000), read_image
    if degrees:
        data, read = rotated(data, degrees, read_image)
    truth = next(iter(data.truths.values()))
    for index in range(len(data.names) if options.limit is None else min(options.limit, len(data.names))):
        yield read(data.images[index]), truth[index][:, :2] - OFFSET_PX


def figures(detector: Any, photographs: Iterator[tuple[Image, Truth]]) -> dict[str, Any]:
    """Missed faces, other detections, roll, crop and time over photographs of one face each."""
    from tfface.geometry.align import roll_from_landmarks
    from tfface.geometry.upright import angle_between

    count = missed = others = doubtful = 0
    rolls, crops, spent, scores = [], [], [], []
    for image, points in photographs:
        faces, seconds = _timed(detector, image)
        spent.append(seconds * 1000)
        count += 1
        overlaps = [_overlap(face.crop_box(), points) for face in faces]
        best = int(np.argmax(overlaps)) if faces else -1
        if best < 0 or overlaps[best] < 0.1:
            missed, others = missed + 1, others + len(faces)
            continue
        face, others = faces[best], others + len(faces) - 1
        scores.append(face.score)
        doubtful += face.doubtful
        rolls.append(np.degrees(abs(angle_between(face.roll_rad, roll_from_landmarks(points)))))
        crops.append(_crop_error(face, points))
    return {
        "photographs": count,
        "missed": missed,
        "other_detections": others,
        "doubtful": doubtful,
        "roll_beyond_20_deg": int(np.sum(np.array(rolls) > 20)),
        "roll_error_deg_50_90_98": np.percentile(rolls or [0], [50, 90, 98]).round(1).tolist(),
        "centre_error": round(float(np.mean([away for away, _ in crops] or [0])), 3),
        "log_side_error": round(float(np.mean([size for _, size in crops] or [0])), 3),
        "score_0_2_10_50": np.percentile(scores or [0], [0, 2, 10, 50]).round(2).tolist(),
        "ms_mean": round(float(np.mean(spent)), 1),
        "ms_median": round(float(np.median(spent)), 1),
    }


def group_figures(detector: Any, pictures: list[tuple[Image, Truth]]) -> dict[str, Any]:
    """The share of faces found by size, false faces, and time, on group pictures."""
    found: dict[str, list[bool]] = defaultdict(list)
    spent, false = [], 0
    for image, landmarks in pictures:
        faces, seconds = _timed(detector, image)
        spent.append(seconds * 1000)
        boxes = [face.crop_box() for face in faces]
        for points in landmarks:
            size = float(np.ptp(points, axis=0).max())
            place = int(np.clip(np.searchsorted(EDGES_PX, size) - 1, 0, len(EDGES_PX) - 2))
            seen = any(_overlap(box, points) >= 0.3 for box in boxes)
            found[f"{EDGES_PX[place]}-{EDGES_PX[place + 1]} px"].append(seen)
        false += sum(all(_overlap(box, points) < 0.1 for points in landmarks) for box in boxes)
    ordered = sorted(found.items(), key=lambda item: int(item[0].split("-")[0]))
    return {
        "found": {size: round(float(np.mean(seen)), 2) for size, seen in ordered},
        "faces": {size: len(seen) for size, seen in ordered},
        "false": false,
        "pictures": len(pictures),
        "ms_mean": round(float(np.mean(spent)), 1),
    }


def faceless_figures(detector: Any, folder: Path) -> dict[str, Any]:
    """What is found where there is no face: the best score by name, and how many of them are not doubtful."""
    from tfface.io.image import list_images, read_image

    pictures = [(path.name, detector.detect(read_image(path))) for path in list_images(folder)]
    best = {name: max(faces, key=lambda face: face.score) for name, faces in pictures if faces}
    scores = {name: round(float(face.score), 2) for name, face in best.items()}
    sure = sum(not face.doubtful for face in best.values())
    return {"pictures": len(pictures), "with_detections": len(best), "not_doubtful": sure, "scores": scores}


def _groups(count: int) -> Iterator[tuple[Image, Truth]]:
    from tfface.data.synthetic.group import HEAD, group_picture
    from tfface.data.synthetic.sample import SyntheticSettings
    from tfface.data.synthetic.scene import FaceGenerator

    if not count:
        return
    settings = SyntheticSettings(image_size=480, enlarge=HEAD, centre_jitter=0.0, size_jitter=(1.0, 1.0)).clean()
    generator = FaceGenerator(settings)
    for index in range(count):
        rng = np.random.default_rng(index)
        small, large = np.exp(rng.uniform(np.log(15), np.log(160), 9)), rng.uniform(160, 400, index % 2)
        yield group_picture(generator, 800_000 + 100 * index, 1600, 1200, [*small, *large])


def _timed(detector: Any, image: Image) -> tuple[list[Any], float]:
    start = time.process_time()
    faces = detector.detect(image)
    return faces, time.process_time() - start


def _overlap(box: NDArray[np.floating], points: Truth) -> float:
    from tfface.geometry.align import box_from_landmarks, overlap

    return overlap(box, box_from_landmarks(points))


def _crop_error(face: Any, points: Truth) -> tuple[float, float]:
    """How far the crop's centre is off, over its side, and the absolute logarithm of its side over the right one."""
    from tfface.geometry.align import crop_transform, refined_box, roll_from_landmarks, transform_points

    matrix = crop_transform((0, 0, 256, 256), 256, roll_from_landmarks(points))
    right, box = refined_box(transform_points(matrix, points), matrix), face.crop_box()
    away = np.linalg.norm((box[:2] + box[2:] - right[:2] - right[2:]) / 2) / (right[2] - right[0])
    return float(away), float(abs(np.log((box[2] - box[0]) / (right[2] - right[0]))))


if __name__ == "__main__":
    from tfface.cli import run

    raise SystemExit(run(main))
