"""`tfface synthesize --out DIR --pairs 20000`: shards of synthetic faces to train on.

Each shard holds the pairs of a fixed range of seeds, so a run that was stopped goes on with the shards that are
missing, and any number of workers writes the same bytes.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from tyro.conf import FlagCreatePairsOff as Flag

from tfface.cli import alone_in, check_out
from tfface.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tfface.data.synthetic.shard_set import ShardSet


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
    detail: Flag[bool] = False
    """Make shards for `--model detail`: one photograph of each person, with wrinkles, and what --base says of it."""
    base: str = "rnet_points"
    """With --detail: the frozen R-Net, a preset or a folder."""
    photographs: Path | None = None
    """With --detail: a folder of photographs instead of people, to learn from by shading (detail.photographs)."""
    ray: Flag[bool] = False
    """Make the shards as tasks of Ray, a core each, instead of in processes of this command."""
    address: str = ""
    """A running Ray cluster to make them on (auto, or host:port); folders must then be ones that all nodes share."""


def main(argv: list[str] | None = None) -> int:
    """Make the shards that are missing; returns the exit code."""
    options = tyro.cli(Options, args=argv, prog="tfface synthesize", description=__doc__)
    _check(options)
    shards = _shards(options)
    if options.ray or options.address:
        from tfface.cli import counted
        from tfface.data.synthetic.shard_set import make_with_ray
        from tfface.parallel.ray_cluster import cluster

        with cluster(options.address), counted("shards of faces") as progress:
            make_with_ray(shards, progress)
    else:
        alone_in(options.out)
        shards.claim()
        missing = shards.missing()
        if missing:
            (_make_one_by_one if options.detail else _make)(shards, missing, options.workers)
    if options.photographs is not None:
        from tfface.io.image import photographs_in

        print(f"{options.out}: {len(shards)} shards, {shards.pairs} photographs")
        found = photographs_in(options.photographs)
        return int(shards.pairs < len(found.photographs) + len(found.unreadable))
    people = "people" if options.detail else "pairs"
    print(f"{options.out}: {len(shards)} shards, {len(shards) * options.pairs_per_shard} {people}")
    return 0


def _check(options: Options) -> None:
    from tfface.io.image import list_images, survey

    if options.workers < 0:
        raise UserError(f"--workers {options.workers} is negative: give 1 or more, or 0 to work in this process.")
    check_out(options.out)
    for name in ("image_size", "supersample") if options.detail else ("base",):
        if getattr(options, name) != getattr(Options, name):
            without = "goes with --detail" if name == "base" else "does not go with --detail"
            raise UserError(f"--{name.replace('_', '-')} {without}: leave it out.")
    if options.photographs is not None:
        if not options.detail:
            raise UserError("--photographs goes with --detail: photographs without truth teach nothing else.")
        list_images(options.photographs)
    if options.backgrounds is not None and not survey(options.backgrounds, deep=True).photographs:
        raise UserError(f"--backgrounds {options.backgrounds} holds no pictures: put JPEG or PNG files into it.")


def _shards(options: Options) -> ShardSet:
    from tfface.data.synthetic.shard_set import ShardSet

    if options.photographs is not None:
        return _photographs(options, options.photographs)
    if options.detail:
        from tfface.training.detail_shards import DETAIL_SETTINGS, DetailSet

        where = (options.out.resolve(), options.pairs, options.pairs_per_shard, options.seed)
        backgrounds = str(options.backgrounds or "")
        settings = replace(DETAIL_SETTINGS, bank_size=options.textures, background_folder=backgrounds)
        return DetailSet(*where, settings, options.base)
    return ShardSet.of(
        options.out.resolve(),
        options.pairs,
        options.pairs_per_shard,
        options.seed,
        image_size=options.image_size,
        supersample=options.supersample,
        bank_size=options.textures,
        background_folder=str(options.backgrounds or ""),
    )


def _photographs(options: Options, folder: Path) -> ShardSet:
    """Those of a folder that show a face; the others are reported."""
    from tfface.io.image import photographs_in, unreadable_format
    from tfface.training.detail_shards import DetailPhotographs, with_faces

    found = photographs_in(folder)
    good, failures = with_faces(found.photographs, options.base)
    for failure in (*map(unreadable_format, found.unreadable), *failures):
        print(f"tfface synthesize: {failure}", file=sys.stderr)
    if not good:
        raise UserError(f"No photograph in {folder} shows a face: give others.")
    return DetailPhotographs.of_photographs(options.out.resolve(), good, options.pairs_per_shard, options.base)


def _make(shards: ShardSet, missing: list[int], workers: int) -> None:
    from tfface.cli import progress_bar
    from tfface.data.shards.faces import write_shard
    from tfface.data.synthetic.records import record_stream

    seeds = [seed for index in missing for seed in shards.seeds(index)]
    start = time.perf_counter()
    with record_stream(shards.settings, seeds, workers) as records, progress_bar() as progress:
        task = progress.add_task("pairs", total=len(seeds))
        for index in missing:
            shard = []
            for _ in shards.seeds(index):
                shard.append(next(records))
                progress.advance(task)
            write_shard(shards.path(index), shard)
    rate = len(seeds) / (time.perf_counter() - start)
    print(f"{rate:.1f} pairs a second, {rate / max(workers, 1):.1f} per core")


def _make_one_by_one(shards: ShardSet, missing: list[int], workers: int) -> None:
    """Shards that are made one by one, each in one process."""
    from tfface.cli import progress_bar
    from tfface.parallel.pool import shared

    with progress_bar() as progress, shared(partial(_maker, shards), workers if workers > 1 else 0) as made:
        task = progress.add_task("shards", total=len(missing))
        for _ in made(missing):
            progress.advance(task)


def _maker(shards: ShardSet) -> Callable[[int], None]:
    """In each process: what makes a shard by its number."""
    return shards.make


if __name__ == "__main__":
    from tfface.cli import run

    raise SystemExit(run(main))
