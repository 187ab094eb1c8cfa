"""A contact sheet of synthetic faces to look at: `python data_tools/sheet_synthetic.py --out sheet.jpg`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import tyro

from tfface.data.synthetic.sample import SyntheticSettings


@dataclass(frozen=True)
class Arguments:
    """What to draw.

    Attributes:
        out: picture to write.
        seed: first seed.
        rows, columns: of the sheet; even columns show fronts, odd ones the same person's side view.
        tile: side of a face on the sheet in pixels.
        clean: leave out what hides the face and what a camera does.
        truth: draw the projected 68 landmarks.
        settings: of the generator.
    """

    out: Path = Path("synthetic.jpg")
    seed: int = 0
    rows: int = 8
    columns: int = 8
    tile: int = 200
    clean: bool = False
    truth: bool = False
    settings: SyntheticSettings = field(default_factory=SyntheticSettings)


def main(arguments: Arguments) -> None:
    """Draw the sheet and print the speed."""
    import time

    import cv2
    import numpy as np

    from tfface.data.synthetic.scene import FaceGenerator
    from tfface.io.files import atomic_path

    settings = arguments.settings.clean() if arguments.clean else arguments.settings
    generator = FaceGenerator(settings)
    generator.pair(0)
    tiles, start = [], time.process_time()
    for seed in range(arguments.seed, arguments.seed + arguments.rows * arguments.columns // 2):
        pair = generator.pair(seed)
        cage = generator.face.cage(pair.identity, pair.expression)
        landmarks = generator.head.landmark_matrix @ cage
        for view in (pair.front, pair.side):
            image = np.ascontiguousarray(view.image[..., ::-1])
            for u, v, _ in view.camera.project(landmarks) if arguments.truth else ():
                cv2.circle(image, (int(u), int(v)), 1, (0, 255, 0), -1)
            tiles.append(cv2.resize(image, (arguments.tile, arguments.tile), interpolation=cv2.INTER_AREA))
    seconds = time.process_time() - start
    print(f"{len(tiles) / seconds:.1f} images a second and core")
    rows = [np.hstack(tiles[k : k + arguments.columns]) for k in range(0, len(tiles), arguments.columns)]
    with atomic_path(arguments.out) as beside:
        cv2.imwrite(str(beside), np.vstack(rows))


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
