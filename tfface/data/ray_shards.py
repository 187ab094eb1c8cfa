"""Shards of synthetic faces made by the workers of a Ray cluster: each shard by one task, exactly once by its name."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfface.cli import progress_bar
from tfface.data.shards import ShardSet

if TYPE_CHECKING:
    from rich.console import Console


def make_with_ray(shards: ShardSet, console: Console | None = None) -> None:
    """Makes the shards that are missing, a core each; Ray must be up. The folder must be one that all nodes see.

    A task that was lost with its node is done again by another one; a shard is whole or absent, and its bytes depend on
    its seeds alone, so it does not matter which of them made it.
    """
    import ray

    from tfface.data.synthetic.bank import AlbedoBank
    from tfface.face.open_model import load_open_face

    shards.claim()
    missing = shards.missing()
    if not missing:
        return
    settings = shards.settings
    AlbedoBank.open(load_open_face(), settings.bank_size, settings.texture_size)  # painted once, before the tasks
    task = ray.remote(num_cpus=1, max_retries=3)(_make)
    start = time.perf_counter()
    waiting: list[Any] = [task.remote(shards, index) for index in missing]
    with progress_bar(console) as progress:
        bar = progress.add_task("shards of faces", total=len(missing))
        while waiting:
            done, waiting = ray.wait(waiting)
            ray.get(done)
            progress.advance(bar, len(done))
    seconds = time.perf_counter() - start
    made = len(missing) * shards.pairs_per_shard
    message = f"{made} pairs in {seconds:.0f} s, {made / seconds:.1f} a second"
    print(message) if console is None else console.print(message, highlight=False)


def _make(shards: ShardSet, index: int) -> str:
    """In a worker: one shard; the name of its file."""
    shards.make(index)
    return Path(shards.path(index)).name
