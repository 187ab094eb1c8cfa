"""300W-LP (or AFLW2000-3D) to shards: `python data_tools/convert_300wlp.py --data 300W_LP --bfm BFM_FOLDER --out DIR`.

With the Basel model of 300W-LP (yours: nobody may hand it on) each picture gets a whole position map; without it the 68
landmarks alone are truth. `--pairs` makes front and side pairs of one face for networks of two views. A run that was
stopped goes on with the shards that are missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfface.data.sources.w300_lp import Photo, RecordMaker


@dataclass(frozen=True)
class Options:
    """300W-LP or AFLW2000-3D to shards that `tfface.train --data.records` reads."""

    data: Path
    """Folder with AFW, HELEN, IBUG and LFPW, or one with .jpg and .mat files side by side."""
    out: Path | None = None
    """Folder for the shards; a run that was stopped goes on there. Not needed with --check."""
    bfm: Path | None = None
    """Folder with Model_Shape.mat and Model_Exp.mat, or face3d's BFM.mat. Without it: 68 landmarks alone."""
    pairs: bool = False
    """Front and side pairs of one face (|yaw| up to 45 degrees, and 45 to 100); without it, every picture by itself."""
    flips: bool = False
    """Also the mirrored copies (AFW_Flip and so on); training mirrors pictures anyway."""
    check: bool = False
    """Only print how far the model's 68 points lie from the files' own, in pixels."""
    limit: int | None = None
    """At most so many pictures."""
    image_size: int = 320
    """Side of the stored pictures in pixels; they show 1.25 times the crop."""
    records_per_shard: int = 250
    """How many records a file holds."""
    workers: int = 1
    """Processes."""


def main(argv: list[str] | None = None) -> int:
    """Convert; returns the exit code."""
    import tyro

    options = tyro.cli(Options, args=argv, description=__doc__)
    from tfface.cli import check_conversion
    from tfface.data.sources.w300_lp import RecordMaker
    from tfface.errors import UserError

    if options.check and options.bfm is None:
        raise UserError("--check compares the Basel model with the files' points: name the model with --bfm.")
    if not options.check and options.out is None:
        raise UserError("Name the folder for the shards with --out, or give --check.")
    if options.out is not None:
        check_conversion(options.out, options.image_size, options.records_per_shard, options.workers)
    maker = RecordMaker(options.bfm, options.image_size)
    photos, broken = _photos(options)
    return _check(maker, photos) if options.check else _convert(options, maker, photos, broken)


def _photos(options: Options) -> tuple[list[Photo], dict[str, str]]:
    """The pictures, and what cannot be read."""
    from rich.progress import track

    from tfface.data.sources.w300_lp import find_mats, read_photo
    from tfface.errors import UserError, item_error

    photos, broken = [], {}
    for mat in track(find_mats(options.data, options.flips)[: options.limit], "reading poses"):
        try:
            photos.append(read_photo(mat))
        except Exception as error:
            broken[f"{mat.parent.name}/{mat.stem}"] = item_error(error)
    if not photos:
        raise UserError(f"{options.data}: none of its pictures can be read; the first: {next(iter(broken.values()))}")
    return photos, broken


def _convert(options: Options, maker: RecordMaker, photos: list[Photo], broken: dict[str, str]) -> int:
    from tfface.cli import counted, report_records
    from tfface.data.shards.maps import ENLARGE, FAILED_FILE, write_dataset
    from tfface.data.sources.w300_lp import jobs
    from tfface.errors import UserError

    assert options.out is not None
    todo = jobs(photos, options.pairs)
    if not todo:
        raise UserError(f"{options.data} has no face both from the front and from the side: leave out --pairs.")
    if maker.bfm is None:
        print("no --bfm: the 68 landmarks alone are truth; the rest of each map is our own model's guess, of weight 0")
    else:
        found = maker.correspondence
        print(f"{maker.model.name}: {100 * found.sure.mean():.0f} % of our face lies on it, {found.rms_mm:.2f} mm rms")
    card = {
        "source": "300W-LP or AFLW2000-3D; research only",
        "truth": "landmarks" if maker.bfm is None else "dense",
        "views": 2 if options.pairs else 1,
        "settings": {"enlarge": ENLARGE, "image_size": options.image_size, "pairs": options.pairs},
    }
    with counted("faces") as progress:
        failed = write_dataset(options.out, todo, maker, card, options.records_per_shard, options.workers, progress)
    return report_records(options.out / FAILED_FILE, len(todo) + len(broken), {**broken, **failed})


def _check(maker: RecordMaker, photos: list[Photo]) -> int:
    import numpy as np
    from rich.progress import track

    from tfface.errors import UserError

    errors = [error for photo in track(photos, "checking") if (error := maker.check(photo)) is not None]
    if not errors:
        raise UserError("None of the pictures has 68 points of its own to compare with.")
    share = 100 * np.mean(np.array(errors) < 1)
    print(
        f"{len(errors)} pictures: the model's 68 points lie {np.mean(errors):.3f} px from the files' own on average, "
        f"{np.max(errors):.3f} px at most; {share:.1f} % of the pictures within a pixel"
    )
    return 0 if share > 99 else 1


if __name__ == "__main__":
    from tfface.cli import run

    raise SystemExit(run(main))
