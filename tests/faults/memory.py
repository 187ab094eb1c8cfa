"""Memory over many predictions and training steps: `python tests/faults/memory.py --predictions 10000 --steps 2000`.

Writes what the process holds (resident, MB) to OUT/memory.csv and draws OUT/memory.png; fails where the last half is
more than `--most-mb` above what the first tenth reached.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

WARM_SHARE = 0.1


@dataclass(frozen=True)
class Options:
    """Measure memory."""

    predictions: int = 10_000
    steps: int = 2_000
    out: Path = Path("out/memory")
    model: str = "fast"
    photo_pixels: int = 160
    every: int = 50
    most_mb: float = 40.0
    minutes: float = 60.0
    """Ends predictions after so many, with as many as there was time for."""


def resident_mb() -> float:
    """What this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def predictions(options: Options, note: Callable[[int], None]) -> None:
    """Photographs one by one, each face's JSON written; detection left out: its network is fixed, and takes most of
    the time."""
    from tfface.inference import Reconstructor
    from tfface.io.formats import FileOptions

    files, end = FileOptions(formats=("json",)), time.monotonic() + 60 * options.minutes
    network, rng = Reconstructor(options.model, recrop=0, upright=False), np.random.default_rng(0)
    size = options.photo_pixels
    for number in range(options.predictions):
        image = rng.integers(0, 255, (size, size + number % 7, 3), np.uint8)
        (face,) = network.faces_in_boxes([image], [(10.0, 10.0, size - 10.0, size - 10.0)])
        face.save(options.out / "results", str(number % 500), overwrite=True, files=files)
        note(number + 1)
        if time.monotonic() > end:
            break


def steps(options: Options, note: Callable[[int], None]) -> None:
    """Steps of one run on faces made on the fly, with checkpoints and validation between."""
    import keras

    from tfface.train import parse
    from tfface.training import position_map

    class Note(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            self.count = getattr(self, "count", 0) + 1
            note(self.count)

    network = "--model mnv2_light --model.width 0.1 --model.image-size 32 --model.map-size 8 --model.features 16"
    epochs = f"--data.steps-per-epoch 100 --optim.epochs {max(1, options.steps // 100)} --optim.patience 1000"
    rest = "--data.batch 4 --data.validation-size 8 --data.workers 0 --data.textures 8 --device cpu --run.pictures 0"
    shards = options.out / "shards"
    if not shards.is_dir():
        from tfface.synthesize import main as synthesize

        synthesize(f"--out {shards} --pairs 64 --pairs-per-shard 16 --workers 1 --textures 8 --image-size 64".split())
    config = parse(f"{network} {epochs} {rest} --data.records {shards} --out {options.out / 'run'}".split())
    position_map.train(config, extra_callbacks=[Note()])


def main() -> int:
    """Measures; 1 when memory grew."""
    options, grew = tyro.cli(Options, prog="memory"), 0
    options.out.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, int, float]] = []
    for what, count, work in (("predictions", options.predictions, predictions), ("steps", options.steps, steps)):

        def note(number: int, what: str = what) -> None:
            if number % options.every == 0:
                rows.append((what, number, round(resident_mb(), 1)))

        if not count:
            continue
        work(options, note)
        held = np.array([mb for name, _, mb in rows if name == what])
        warm, late = held[: max(1, int(len(held) * WARM_SHARE))].max(), np.median(held[len(held) // 2 :])
        print(
            f"{what}: {len(held) * options.every}, {warm:.0f} MB at first, {late:.0f} MB later, {held[-1]:.0f} at last"
        )
        grew += late - warm > options.most_mb
    with (options.out / "memory.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("what", "count", "resident_mb"), *rows])
    _draw(rows, options.out / "memory.png")
    return int(grew > 0)


def _draw(rows: list[tuple[str, int, float]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.5), layout="constrained")
    for place, what in enumerate(("predictions", "steps")):
        axes = figure.add_subplot(1, 2, place + 1)
        chosen = [(count, mb) for name, count, mb in rows if name == what]
        axes.plot(*zip(*chosen, strict=True) if chosen else ([], []))
        axes.set(xlabel=what, ylabel="resident memory (MB)", ylim=(0, 1.2 * max((mb for _, mb in chosen), default=1)))
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    sys.exit(main())
