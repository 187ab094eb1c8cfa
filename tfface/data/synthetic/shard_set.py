"""A set of shards of synthetic faces in a folder: which files it has, which are missing, and how one is made.

Each shard holds the pairs of a fixed range of seeds and is written whole or not at all. So any number of processes, on
any number of machines, makes the same files, and a set that was interrupted goes on with the shards that are missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfface.data.shards.faces import iterate_records, write_shard
from tfface.data.shards.folder import claim_folder
from tfface.data.shards.pictures import decode_image
from tfface.data.synthetic.records import paint_bank, record_stream
from tfface.data.synthetic.sample import SyntheticSettings
from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.version import __version__

MOST_SEEDS = 1 << 40
"""From there on lie the seeds of faces made on the fly for validation."""
SAME_PICTURE = 2.0
"""Levels of 255 by which pictures of one person may differ on average: processors round differently."""


@dataclass(frozen=True)
class ShardSet:
    """Where the shards lie and what is in them."""

    folder: Path
    pairs: int
    """How many people; rounded up to whole shards."""
    pairs_per_shard: int
    seed: int
    """The first seed."""
    settings: SyntheticSettings

    def __post_init__(self) -> None:
        if min(self.pairs, self.pairs_per_shard) < 1:
            raise UserError(f"{self.pairs} pairs, {self.pairs_per_shard} a shard: give at least 1 of each.")
        if self.seed < 0 or self.seed + self.pairs > MOST_SEEDS:
            raise UserError(f"The seeds {self.seed} to {self.seed + self.pairs} are out of range: 0 to {MOST_SEEDS}.")

    @classmethod
    def of(cls, folder: Path, pairs: int, pairs_per_shard: int, seed: int, **settings: Any) -> ShardSet:
        """A set whose settings are the default ones but for `settings`."""
        return cls(folder, pairs, pairs_per_shard, seed, SyntheticSettings(**settings))

    def __len__(self) -> int:
        return -(-self.pairs // self.pairs_per_shard)

    def path(self, index: int) -> Path:
        """The file of a shard."""
        return self.folder / f"faces-{index:05d}.tfrecord"

    def seeds(self, index: int) -> range:
        """The people in a shard."""
        first = self.seed + index * self.pairs_per_shard
        return range(first, first + self.pairs_per_shard)

    def missing(self) -> list[int]:
        """The shards that are not there yet."""
        return [index for index in range(len(self)) if not self.path(index).exists()]

    def make(self, index: int) -> None:
        """Makes one shard in this process, unless it is there."""
        if self.path(index).exists():
            return
        with record_stream(self.settings, self.seeds(index), workers=0) as records:
            write_shard(self.path(index), list(records))

    def card(self) -> dict[str, Any]:
        """What `dataset.json` says of the set."""
        return {
            "pairs": self.pairs,
            "pairs_per_shard": self.pairs_per_shard,
            "seed": self.seed,
            "settings": asdict(self.settings),
            "face_model": load_open_face().checksum,
            "tfface": __version__,
        }

    def claim(self) -> None:
        """Writes the card, or checks that the folder holds the same faces (more pairs may be asked for).

        Raises:
            UserError: it holds other faces.
        """
        claim_folder(self.folder, self.card(), free=("pairs",), check=self._check_people)

    def _check_people(self) -> None:
        """Draws the first person of a shard that is there again, where others are to be added to it.

        Raises:
            UserError: this version of the generator draws somebody else (or paints them otherwise).
        """
        missing = self.missing()
        made = [index for index in range(len(self)) if index not in missing]
        if not (made and missing):
            return
        there = next(iterate_records(self.path(made[0])))
        with record_stream(self.settings, [there["seed"]], workers=0) as records:
            drawn = next(records)
        picture = decode_image(drawn.images[0]).astype(np.float32)
        same_shape = np.allclose(there["identity"], drawn.identity, atol=1e-3)
        same_expression = np.allclose(there["expression"], drawn.expression, atol=1e-3)
        same_picture = np.abs(picture - there["front/image"]).mean() < SAME_PICTURE
        if not (same_shape and same_expression and same_picture):
            raise UserError(
                f"{self.folder} holds faces of another version of the generator: choose another `out`, or remove "
                "its shards to draw them anew."
            )


def make_with_ray(shards: ShardSet, progress: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Makes the shards that are missing, a core each; Ray must be up. The folder must be one that all nodes see.

    A task that was lost with its node is done again by another one; a shard is whole or absent, and its bytes depend on
    its seeds alone, so it does not matter which of them made it.

    Args:
        shards: what to make, and where.
        progress: how many shards are done, of how many.
    """
    import ray

    shards.claim()
    missing = shards.missing()
    if not missing:
        return
    paint_bank(shards.settings)  # once, before the tasks
    task = ray.remote(num_cpus=1, max_retries=3)(_make)
    waiting: list[Any] = [task.remote(shards, index) for index in missing]
    while waiting:
        done, waiting = ray.wait(waiting)
        ray.get(done)
        progress(len(missing) - len(waiting), len(missing))


def _make(shards: ShardSet, index: int) -> None:
    """In a worker."""
    shards.make(index)
