"""Images a second in training, on each backend of Keras that is here: with the loader, and with one constant batch.

    python benchmarks/train.py --records data/faces --model mnv2_basis --width 0.5 --image-size 128 --map-size 64

One run; each backend has a process of its own, in which one network is compiled once and trained in both ways:

- constant: one batch, kept in memory; what the network alone can do;
- pipeline: `tfface.data.pipeline.datasets` with augmentation, as `tfface.train` runs it;
- loader: the same batches, with nothing trained.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tyro

from tfface.cli import run, training_convolutions
from tfface.errors import UserError

if TYPE_CHECKING:
    from tfface.config import Config


@dataclass(frozen=True)
class Options:
    """Measure the speed of training."""

    records: str
    """Folder of TFRecord shards (tfface synthesize)."""
    backend: tuple[str, ...] = ()
    """tensorflow, jax, torch; those that are here if not given."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Of one backend: print what the table is made of."""
    precision: str = "float32"
    """float32, mixed_float16 or mixed_bfloat16."""
    in_memory: bool = False
    """Keep decoded pictures in memory."""
    model: str = "mnv2_basis"
    """Network."""
    width: float = 0.5
    """Factor on its channels."""
    image_size: int = 128
    """Side of its pictures."""
    map_size: int = 64
    """Side of its maps."""
    batch: int = 32
    """Samples in a step."""
    steps: int = 20
    """Steps in a turn."""
    rounds: int = 3
    """Turns of each way, after one that does not count; the median counts."""


def main(argv: list[str] | None = None) -> int:
    """Prints the table; 0.

    Raises:
        UserError: a backend's process failed.
    """
    from tfface.training.devices import installed_backends

    argv = sys.argv[1:] if argv is None else argv
    options = tyro.cli(Options, args=argv, prog="python benchmarks/train.py")
    if options.json:
        os.environ["KERAS_BACKEND"] = options.backend[0]
        training_convolutions()
        print(json.dumps(measure(options)))
        return 0
    print(f"{options.model} x {options.width}, {options.image_size} px, batch {options.batch}, {options.precision}")
    print("images a second  constant  pipeline  below constant  loader alone")
    for backend in options.backend or installed_backends():
        command = [sys.executable, __file__, *argv, "--backend", backend, "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise UserError(f"{backend} failed; what it said stands above.")
        rates = json.loads(done.stdout.splitlines()[-1])
        lost = 100 * (1 - rates["pipeline"] / rates["constant"])
        print(f"{backend:15s} {rates['constant']:9.1f} {rates['pipeline']:9.1f} {lost:13.1f} % {rates['loader']:13.1f}")
    return 0


def measure(options: Options) -> dict[str, float]:
    """Images a second by way of feeding: the median of all rounds after the first."""
    import numpy as np

    times = {name: way(options.steps, options.rounds + 1)[1:] for name, way in _ways(options).items()}
    return {name: options.steps * options.batch / float(np.median(taken)) for name, taken in times.items()}


def _ways(options: Options) -> dict[str, Callable[[int, int], list[float]]]:
    """Each way as a function that trains so many steps so many times, and gives the seconds of each time."""
    from tfface.data.pipeline.datasets import make_batches
    from tfface.face.open_model import load_open_face
    from tfface.face.position_map import PositionMap
    from tfface.training import devices, position_map
    from tfface.training.feed import Feed

    config = _config(options)
    with devices.prepare(config.run):
        model = position_map.compiled(config, PositionMap(load_open_face(), options.map_size))
    model.finish.into_graph()

    def fit(data: Iterator[Any], steps: int, rounds: int) -> list[float]:
        clock, feed = _clock(), Feed(data)
        model.fit(feed(), steps_per_epoch=steps, epochs=rounds, callbacks=[clock], verbose=0, shuffle=False)
        feed.close()
        return clock.seconds

    def load(steps: int, rounds: int) -> list[float]:
        batches, seconds = make_batches(config)[0], []
        for _ in range(rounds):
            start = time.perf_counter()
            for _ in range(steps):
                next(batches)
            seconds.append(time.perf_counter() - start)
        return seconds

    batch = next(make_batches(config)[0])
    return {
        "constant": lambda steps, rounds: fit(itertools.repeat(batch), steps, rounds),
        "pipeline": lambda steps, rounds: fit(make_batches(config)[0], steps, rounds),
        "loader": load,
    }


def _config(options: Options) -> Config:
    from tfface.config import Config, override

    names = {"name": "model", "width": "width", "image_size": "image_size", "map_size": "map_size"}
    model = {key: getattr(options, option) for key, option in names.items()}
    data = {"records": options.records, "batch": options.batch, "in_memory": options.in_memory, "validation_size": 64}
    return override(Config(), {"model": model, "data": data, "run.precision": options.precision})


def _clock() -> Any:
    """A callback whose `seconds` are those of each epoch."""
    import keras

    class Clock(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            self._start = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            self.seconds.append(time.perf_counter() - self._start)

    return Clock()


if __name__ == "__main__":
    sys.exit(run(main))
