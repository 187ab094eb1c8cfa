"""A contact sheet of synthetic faces to look at: `python data_tools/sheet_synthetic.py --out sheet.jpg`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

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


def main(argv: list[str] | None = None) -> int:
    """Draw the sheet and print the speed; returns the exit code."""
    import time

    import cv2
    import tyro

    from tfface.data.synthetic.scene import FaceGenerator
    from tfface.errors import UserError
    from tfface.io.files import refuse_foreign
    from tfface.io.image import write_image
    from tfface.viz.sheet import contact_sheet

    arguments = tyro.cli(Arguments, args=argv, description=__doc__)
    if not (2 <= arguments.rows * arguments.columns <= 10_000 and 8 <= arguments.tile <= 1024):
        raise UserError("--rows times --columns must be 2 to 10000, and --tile 8 to 1024 pixels.")
    if arguments.columns % 2 or arguments.out.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise UserError("--columns must be even (front and side), and --out a JPEG or PNG file.")
    refuse_foreign([arguments.out], "choose another `out`")
    settings = arguments.settings.clean() if arguments.clean else arguments.settings
    generator = FaceGenerator(settings)
    generator.pair(0)
    tiles, start = [], time.process_time()
    for seed in range(arguments.seed, arguments.seed + arguments.rows * arguments.columns // 2):
        pair = generator.pair(seed)
        for view in (pair.front, pair.side):
            image = view.image.copy()
            for u, v, _ in generator.landmarks(pair, view) if arguments.truth else ():
                cv2.circle(image, (int(u), int(v)), 1, (0, 255, 0), -1)
            tiles.append(image)
    seconds = time.process_time() - start
    print(f"{len(tiles) / seconds:.1f} images a second and core")
    sheet = contact_sheet(tiles, columns=arguments.columns, cell=arguments.tile, gap=0)
    write_image(arguments.out, sheet, result=True)
    return 0


if __name__ == "__main__":
    from tfface.cli import run

    raise SystemExit(run(main))
