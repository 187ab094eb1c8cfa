"""The regime of `--model detail` in the face's chart: supervised by what synthetic people's skin really is.

Shards hold what a frozen base said of each photograph (`tfface synthesize --detail`): no step runs the base. Anything
else (checkpoints from which a run goes on as if it had not stopped, schedule, files) is the position-map regime's, on
every backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from rich.console import Console

from tfface import models
from tfface.config import Config
from tfface.data.pipeline.detail import make_batches
from tfface.data.shards.detail import MIDDLE, MM_LEVELS, TILT_LEVELS
from tfface.face.position_map import position_tables
from tfface.io.image import write_image
from tfface.losses.detail import DetailObjective, displacement_mm, slope_deg
from tfface.models.networks.detail import INPUTS, TILT_U
from tfface.training.checkpoint import RunState
from tfface.training.feed import FinishingModel
from tfface.training.pictures import Draw
from tfface.training.position_map import MakeDatasets, Session, run_session
from tfface.training.schedule import freeze
from tfface.viz.sheet import contact_sheet

METRICS = {"displacement_mm": displacement_mm, "slope_deg": slope_deg}
SHOWN_MM = 3.0
"""Of displacement, from grey to white in pictures."""


def train(
    config: Config,
    make_datasets: MakeDatasets | None = None,
    console: Console | None = None,
    extra_callbacks: Sequence[keras.callbacks.Callback] = (),
) -> RunState:
    """As `tfface.training.position_map.train`; the datasets are `tfface.data.pipeline.detail`'s by default."""
    topology, datasets = position_tables(config.model.map_size), make_datasets or make_batches
    return run_session(config, compiled, DetailSession, topology, datasets, console, extra_callbacks)


def compiled(config: Config) -> keras.Model:
    """The network with its loss, metrics and optimiser; its steps finish their batches."""
    network = models.build(config.model)
    model = FinishingModel(network, partial(finished, shown_too=bool(config.detail.shading)))
    freeze(model, config.optim.frozen)
    metrics = [keras.metrics.MeanMetricWrapper(function, name) for name, function in METRICS.items()]
    channels = 5 + (INPUTS["uv"] if config.detail.shading else 0)
    model.compile_for(config, DetailObjective(config.detail), metrics, channels)
    return model


def finished(batch: Any, shown_too: bool = False) -> tuple[Any, Any]:
    """A batch of `tfface.data.pipeline.detail` (alone in a tuple) as inputs `[B,R,R,12]` and truth `[B,R,R,5]`:
    albedo's offset, displacement in mm, weight; with `shown_too` the inputs behind it."""
    given = batch[0] if isinstance(batch, (tuple, list)) else batch
    levels = {name: ops.cast(given[name], "float32") for name in given if name != "mirrored"}
    turned = ops.convert_to_tensor(given["mirrored"])[:, None, None, None]
    lighting = levels["lighting"]
    tilt, seen = (lighting[..., :2] - 128) / TILT_LEVELS, lighting[..., 2:] / 255
    colours = [levels[name] / 255 for name in ("photo", "shaded", "albedo")]
    displacement = (levels["displacement"] - MIDDLE) / MM_LEVELS
    inputs = ops.concatenate([*colours, tilt, seen], axis=-1)
    truth = [(levels["albedo_offset"] - 128) / 255, displacement[..., None], levels["weight"][..., None] / 255]
    signs = np.ones(INPUTS["uv"], np.float32)
    signs[TILT_U] = -1  # a slope along u is one the other way in the mirror
    flipped = ops.flip(inputs, axis=2) * signs
    truth = ops.concatenate(truth, axis=-1)
    inputs, truth = ops.where(turned, flipped, inputs), ops.where(turned, ops.flip(truth, axis=2), truth)
    return inputs, ops.concatenate([truth, inputs], axis=-1) if shown_too else truth


class DetailSession(Session):
    """One process's part of a run."""

    def columns(self) -> tuple[str, ...]:
        """Of `metrics.csv`."""
        return tuple(f"{prefix}{name}" for name in METRICS for prefix in ("", "val_"))

    def pictures(self, validation: Any) -> Draw:
        inputs, truth = (ops.convert_to_numpy(part) for part in finished(next(iter(validation))))
        count = self.config.run.pictures
        return DetailPictures(inputs[:count], truth[:count], self.folder / "pictures.png")

    def _best(self, state: RunState) -> str:
        if not state.best_epoch:
            return super()._best(state)
        return f"Best validation loss {state.best:.4g} in epoch {state.best_epoch}. Next: tfface export {self.folder}"


class DetailPictures:
    """Photograph, true and predicted displacement of the same few samples.

    Args:
        inputs: `[N,R,R,12]`; truth: `[N,R,R,5]`.
        path: where the latest sheet is kept.
    """

    def __init__(self, inputs: NDArray[np.float32], truth: NDArray[np.float32], path: Path) -> None:
        self.inputs, self.truth, self.path = inputs, truth, path

    def __call__(self, model: keras.Model) -> NDArray[np.uint8]:
        """The sheet `[H,W,3]` uint8 RGB, a row a sample; also written to `path`."""
        answers = ops.convert_to_numpy(model(self.inputs, training=False))
        cells, size = [], self.inputs.shape[1]
        for inputs, truth, offset in zip(self.inputs, self.truth, answers, strict=True):
            weight = truth[..., 4:]
            cells += [_grey(inputs[..., :3]), _grey(0.5 + weight * truth[..., 3:4] / SHOWN_MM / 2)]
            cells += [_grey(0.5 + weight * offset[..., 3:] / SHOWN_MM / 2), _grey(0.5 + offset[..., :3])]
        names = ["photograph", "true displacement", "predicted", "albedo's offset"] * len(answers)
        sheet = contact_sheet(cells, names, 4, size)
        write_image(self.path, sheet, result=True)
        return sheet


def _grey(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    levels = np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(levels, (*levels.shape[:2], 3)))
