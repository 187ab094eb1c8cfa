"""Shards of synthetic faces made by the workers of a Ray cluster: each shard by one task, exactly once by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tfface.data.shards import ShardSet


def make_with_ray(shards: ShardSet, told: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Makes the shards that are missing, a core each; Ray must be up. The folder must be one that all nodes see.

    A task that was lost with its node is done again by another one; a shard is whole or absent, and its bytes depend on
    its seeds alone, so it does not matter which of them made it.

    Args:
        shards: what to make, and where.
        told: how many shards are done, of how many.
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
    waiting: list[Any] = [task.remote(shards, index) for index in missing]
    while waiting:
        done, waiting = ray.wait(waiting)
        ray.get(done)
        told(len(missing) - len(waiting), len(missing))


def _make(shards: ShardSet, index: int) -> str:
    """In a worker: one shard; the name of its file."""
    shards.make(index)
    return Path(shards.path(index)).name
