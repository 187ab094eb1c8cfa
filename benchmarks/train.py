"""Images a second in training: the real pipeline, the same network fed one constant batch, and NumPy batches.

    python benchmarks/train.py --records data/faces --model mnv2_basis --width 0.5 --image-size 128 --map-size 64

One network is compiled once and trained in all three ways, one after the other, in one process:

- constant: one batch, kept in memory; what the network alone can do;
- pipeline: `tfface.data.pipeline` with augmentation, as `tfface.train` runs it;
- numpy: the pipeline's batches as arrays into `train_on_batch`, one after the other, the way of the published scripts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfface.cli import run, training_convolutions

if TYPE_CHECKING:
    from tfface.config import Config


@dataclass(frozen=True)
class Options:
    """Measure the speed of training."""

    records: str
    """Folder of TFRecord shards (tfface synthesize)."""
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
    """Prints the table; 0."""
    import tyro

    options = tyro.cli(Options, args=argv, prog="python benchmarks/train.py")
    training_convolutions()
    rates = measure(options)
    constant = rates["constant"]
    print(f"{options.model} x {options.width}, {options.image_size} px, batch {options.batch}")
    for name, rate in rates.items():
        print(f"{name:10s} {rate:8.1f} images/s   {100 * (1 - rate / constant):5.1f} % below constant")
    return 0


def measure(options: Options) -> dict[str, float]:
    """Images a second by way of feeding: the median of all rounds after the first."""
    import numpy as np

    ways = _ways(options)
    times = {name: way(options.steps, options.rounds + 1)[1:] for name, way in ways.items()}
    return {name: options.steps * options.batch / float(np.median(taken)) for name, taken in times.items()}


def _ways(options: Options) -> dict[str, Callable[[int, int], list[float]]]:
    """Each way as a function that trains so many steps so many times, and gives the seconds of each time."""
    import tensorflow as tf

    from tfface.data.pipeline import make_datasets
    from tfface.face.open_model import load_open_face
    from tfface.face.position_map import PositionMap
    from tfface.models import maps
    from tfface.training import position_map

    config = _config(options)
    model = position_map.compiled(config, PositionMap(load_open_face(), options.map_size))

    def in_units(images: tf.Tensor, pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return images, maps.to_units(pixels[..., :3], config.model.output)

    real = make_datasets(config)[0].map(in_units)
    constant = tf.data.Dataset.from_tensors(next(iter(real))).cache().repeat()

    def fit(data: tf.data.Dataset) -> Callable[[int, int], list[float]]:
        def way(steps: int, rounds: int) -> list[float]:
            clock = _clock()
            model.fit(data, steps_per_epoch=steps, epochs=rounds, callbacks=[clock], verbose=0)
            return clock.seconds

        return way

    def from_numpy(steps: int, rounds: int) -> list[float]:
        arrays, seconds = real.as_numpy_iterator(), []
        for _ in range(rounds):
            start = time.perf_counter()
            for _ in range(steps):
                model.train_on_batch(*next(arrays))
            seconds.append(time.perf_counter() - start)
        return seconds

    return {"constant": fit(constant), "pipeline": fit(real), "numpy": from_numpy}


def _config(options: Options) -> Config:
    from tfface.config import Config, override

    names = {"name": "model", "width": "width", "image_size": "image_size", "map_size": "map_size"}
    model = {key: getattr(options, option) for key, option in names.items()}
    data = {"records": options.records, "batch": options.batch, "shuffle": 256}
    return override(Config(), {"model": model, "data": data})


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
