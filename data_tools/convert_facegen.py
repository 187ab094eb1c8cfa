"""FaceGen's exports to shards: `python data_tools/convert_facegen.py --data EXPORT --bfm BFM_FOLDER --out DIR`.

Each face gives two pairs, front with left and front with right (Lium 2020). Put backgrounds behind the pictures first:
`python data_tools/add_backgrounds.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """FaceGen's meshes, pictures, poses and cameras to shards that `tfface.train --data.records` reads."""

    data: Path
    """Folder with a folder NAME for each face: NAME.obj, NAME_front.png, NAME_front.xml, NAME_front_cam.xml, and the
    same for left and right."""
    out: Path
    """Folder for the shards; a run that was stopped goes on there."""
    bfm: Path
    """The Basel model of 300W-LP, in whose topology the meshes are: a folder with Model_Shape.mat, or BFM.mat."""
    image_size: int = 320
    """Side of the stored pictures in pixels; they show 1.25 times the crop."""
    records_per_shard: int = 250
    """How many pairs a file holds."""
    workers: int = 1
    """Processes."""


def main(argv: list[str] | None = None) -> int:
    """Convert; returns the exit code."""
    import tyro

    options = tyro.cli(Options, args=argv, description=__doc__)
    from tfface.cli import check_conversion, counted, report_records
    from tfface.data.shards.maps import ENLARGE, FAILED_FILE, write_dataset
    from tfface.data.sources.facegen import RecordMaker, find_jobs

    check_conversion(options.out, options.image_size, options.records_per_shard, options.workers)
    jobs = find_jobs(options.data)
    maker = RecordMaker(options.bfm, options.image_size)
    found = maker.correspondence
    print(f"{maker.model.name}: {100 * found.sure.mean():.0f} % of our face lies on it, {found.rms_mm:.2f} mm rms")
    card = {
        "source": "FaceGen",
        "truth": "dense",
        "views": 2,
        "settings": {"enlarge": ENLARGE, "image_size": options.image_size},
    }
    with counted("faces") as progress:
        failed = write_dataset(options.out, jobs, maker, card, options.records_per_shard, options.workers, progress)
    return report_records(options.out / FAILED_FILE, len(jobs), failed)


if __name__ == "__main__":
    from tfface.cli import run

    raise SystemExit(run(main))
