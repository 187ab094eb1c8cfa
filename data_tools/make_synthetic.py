"""Make shards of synthetic faces: `python data_tools/make_synthetic.py --out DIR --pairs 20000`.

Each shard holds the pairs of a fixed range of seeds, so a run that was stopped goes on with the shards that are
missing, and any number of workers writes the same bytes.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfface.data.synthetic.sample import SyntheticSettings


@dataclass(frozen=True)
class Options:
    """Make shards of synthetic faces, a front and a side picture of each person."""

    out: Path
    """Folder for the shards; a run that was stopped goes on there."""
    pairs: int = 20_000
    """How many people (rounded up to whole shards)."""
    pairs_per_shard: int = 250
    """How many people a file holds."""
    seed: int = 0
    """First seed of the data set; other seeds are other people."""
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Processes that make faces."""
    image_size: int = 256
    """Side of the pictures in pixels."""
    supersample: int = 1
    """1: as rendered; 2: rendered at twice the size and averaged."""
    textures: int = 768
    """Painted skins that the faces choose from; painted once and kept in the user's cache."""
    backgrounds: Path | None = None
    """A folder of pictures for the backgrounds (the Describable Textures Dataset, say); else procedural ones."""


def main(argv: list[str] | None = None) -> int:
    """Make the shards that are missing; returns the exit code."""
    import tyro

    options = tyro.cli(Options, args=argv, description=__doc__)
    settings = _settings(options)
    card = _card(options, settings)
    _claim_folder(options.out, card)
    count = -(-options.pairs // options.pairs_per_shard)
    paths = [options.out / f"faces-{index:05d}.tfrecord" for index in range(count)]
    missing = [index for index, path in enumerate(paths) if not path.exists()]
    if missing:
        _make(options, settings, paths, missing)
    print(f"{options.out}: {count} shards, {count * options.pairs_per_shard} pairs")
    return 0


def _settings(options: Options) -> SyntheticSettings:
    from tfface.data.synthetic.sample import SyntheticSettings

    return SyntheticSettings(
        image_size=options.image_size,
        supersample=options.supersample,
        bank_size=options.textures,
        background_folder=str(options.backgrounds or ""),
    )


def _card(options: Options, settings: SyntheticSettings) -> dict[str, object]:
    from tfface import __version__
    from tfface.face.open_model import load_open_face

    return {
        "pairs": options.pairs,
        "pairs_per_shard": options.pairs_per_shard,
        "seed": options.seed,
        "settings": asdict(settings),
        "face_model": load_open_face().checksum,
        "tfface": __version__,
    }


def _claim_folder(out: Path, card: dict[str, object]) -> None:
    """Write what the folder will hold, or check that it already holds the same (more pairs may be asked for)."""
    from tfface.errors import UserError
    from tfface.io.files import atomic_path
    from tfface.io.records import DATASET_FILE, read_dataset_card

    comparable = json.loads(json.dumps(card))
    if (out / DATASET_FILE).exists():
        there = read_dataset_card(out)
        different = [key for key in comparable if key != "pairs" and there.get(key) != comparable[key]]
        if different:
            raise UserError(
                f"{out} holds faces made with another {', '.join(different)}: choose another --out or the same options."
            )
    with atomic_path(out / DATASET_FILE) as beside:
        beside.write_text(json.dumps(card, indent=2) + "\n")


def _make(options: Options, settings: SyntheticSettings, paths: list[Path], missing: list[int]) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from tfface.data.workers import record_stream
    from tfface.io.records import write_shard

    ranges = {index: _seeds(options, index) for index in missing}
    seeds = [seed for index in missing for seed in ranges[index]]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    start = time.perf_counter()
    with record_stream(settings, seeds, options.workers) as records, Progress(*columns) as progress:
        task = progress.add_task("pairs", total=len(seeds))
        for index in missing:
            shard = []
            for _ in ranges[index]:
                shard.append(next(records))
                progress.advance(task)
            write_shard(paths[index], shard)
    rate = len(seeds) / (time.perf_counter() - start)
    print(f"{rate:.1f} pairs a second, {rate / max(options.workers, 1):.1f} per core")


def _seeds(options: Options, index: int) -> range:
    first = options.seed + index * options.pairs_per_shard
    return range(first, first + options.pairs_per_shard)


if __name__ == "__main__":
    from tfface.cli import run

    raise SystemExit(run(main))
