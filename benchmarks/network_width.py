"""What a look of the network `fast` costs at several widths: `python benchmarks/network_width.py`.

Weights are random, which costs the same time; everything behind the encoder (points, the step, maps) stays as it is.
Networks look by turns, beside the peer's (`peer_pipeline.py`). Milliseconds are processor time of one thread.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro

from tfface.cli import run


@dataclass(frozen=True)
class Options:
    """Measure widths."""

    widths: tuple[float, ...] = (0.35, 0.5, 0.75, 1.0)
    """Of MobileNetV2's channels."""
    preset: str = "fast"
    """Whose network is made as wide."""
    looks: int = 60
    """So many of each."""


def main(argv: list[str] | None = None) -> int:
    """Prints a row a network; 0."""
    from peer_pipeline import SIZE, PeerPipeline

    options = tyro.cli(Options, args=argv, prog="python benchmarks/network_width.py")
    rng, peer = np.random.default_rng(0), PeerPipeline(1)
    crop = rng.random((1, 3, SIZE, SIZE), np.float32)
    looks: dict[str, Callable[[], object]] = {"of the peer's form": lambda: peer.network(crop)}
    for width in options.widths:
        name, look = _network(options.preset, width, rng)
        looks[name] = look
    spent: dict[str, list[float]] = {name: [] for name in looks}
    for _ in range(options.looks):
        for name, look in looks.items():
            start = time.process_time()
            look()
            spent[name].append(1000 * (time.process_time() - start))
    for name, times in spent.items():
        quarter, half = np.percentile(times[3:], [25, 50])
        print(f"{name:44s} {half:6.2f} ms (a quarter of the looks below {quarter:.2f})")
    return 0


def _network(preset: str, width: float, rng: np.random.Generator) -> tuple[str, Callable[[], object]]:
    """What it is called, and a look of it at a random picture."""
    from tfface import models
    from tfface.io.onnx_file import open_onnx
    from tfface.models.exports import onnx_graph
    from tfface.models.weights import presets

    config = replace(presets.load(preset)[1], width=width)
    network = models.build(config)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(onnx_graph.with_weights(network, config, half=False).SerializeToString())
        serve = open_onnx(path, threads=1)
    picture = rng.random((1, config.image_size, config.image_size, 3), np.float32)
    return f"{preset} {width:g} wide, {network.count_params():,} parameters", lambda: serve(picture)


if __name__ == "__main__":
    raise SystemExit(run(main))
