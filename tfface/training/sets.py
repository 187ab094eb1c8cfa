"""The regime of C-Net: what weighs the pictures of a person, trained on sets of pictures (Deng et al. 2019, section 4).

R-Net stays as `run.init` has it; what it makes of each picture is computed once (`tfface.training.set_features`), so
that training takes minutes of one core. Synthetic people: the shared identity's shape against the true one, in mm.
Photographs, a folder a person: how well the shared identity explains the points in every picture of the person.
Checkpoints, schedule, files are the position-map regime's; `best.weights.h5` holds R-Net and C-Net, and the card and
the calibration of R-Net's points lie beside it, so that an export of the run is a whole R-Net with C-Net.
"""

from __future__ import annotations

import dataclasses
import shlex
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from rich.console import Console
from rich.progress import track

from tfface import config as configuration
from tfface import models, weights
from tfface.config import Config
from tfface.errors import UserError
from tfface.face.position_map import position_tables
from tfface.io.files import TRUST_FILE
from tfface.losses.shared_identity import misfit, shape_error_mm, shape_metric, weighted_mean
from tfface.models.layers import confidences
from tfface.models.weights import presets
from tfface.training import devices, run_folder
from tfface.training.checkpoint import RunState
from tfface.training.position_map import Session
from tfface.training.schedule import optimizer_for
from tfface.training.set_features import Sets, sets_of

Batch = tuple[Any, dict[str, Any]]


def train(
    config: Config, console: Console | None = None, extra_callbacks: Sequence[keras.callbacks.Callback] = ()
) -> RunState:
    """Trains in `config.run.out`, going on from its checkpoint where there is one.

    Args:
        config: the run's configuration; `run.out` must be named, and `run.init` an R-Net.
        console: where progress goes.
        extra_callbacks: called last.

    Raises:
        UserError: the folder holds another run, or `run.init` is not an R-Net that C-Net can be trained on.
    """
    console, config = console or Console(), on_its_network(config)
    scope = devices.prepare(config.run)
    folder = run_folder.claim(config)
    with scope:
        network = with_weights(config)
        sets = sets_of(config, folder, network, partial(track, description="looking at people", console=console))
        model = SetNetwork(network, config, sets)
        model.compile(optimizer_for(model, config), jit_compile=False)
    tables, datasets = position_tables(config.model.map_size), partial(batches, sets=sets)
    state = SetSession(config, folder, model, tables, datasets, console, extra_callbacks).run()
    _write_beside(config, folder, state)
    return state


def on_its_network(config: Config) -> Config:
    """`config` with the network of `run.init` and C-Net on it.

    Raises:
        UserError: it is not an R-Net, or one without the points that C-Net is to weigh.
    """
    theirs, own = presets.config_beside(weights.find(config.run.init).file()), config.model
    if theirs is None or theirs.name != "rnet" or theirs.views != 1:
        raise UserError(f"run.init: C-Net needs an R-Net of one view, and {config.run.init} is none.")
    if own.confidences_of == "points" and not theirs.points:
        raise UserError(f"{config.run.init} finds no points: take `model.confidences_of=heads`.")
    model = dataclasses.replace(theirs, confidences=own.confidences, confidences_of=own.confidences_of)
    return dataclasses.replace(config, model=model)


def with_weights(config: Config) -> keras.Model:
    """The network of `config` with the weights of `run.init`, C-Net's too where it has one of the same size."""
    path = weights.find(config.run.init).file()
    theirs = presets.config_beside(path)
    assert theirs is not None
    source, network = models.build(theirs), models.build(config.model)
    presets.load_weights(source, path)
    for layer in network.layers:
        layer.trainable = layer.name.startswith("confidence_")
    named = {layer.name: layer for layer in source.layers if layer.weights}
    for layer in (layer for layer in network.layers if layer.name in named):
        values = named[layer.name].get_weights()
        if [value.shape for value in values] == [weight.shape for weight in layer.weights]:
            layer.set_weights(values)
    return network


class SetNetwork(keras.Model):
    """C-Net on sets: features `[B,K,sides,F]` to confidences `[B,K,I]`, with the losses on the shared identity.

    Attributes:
        to_save: R-Net and C-Net, whose weights are kept as the best.
    """

    def __init__(self, network: keras.Model, config: Config, sets: Sets) -> None:
        pictures, sides, size = sets.arrays["features"].shape[1:]
        seen = keras.Input((pictures, sides, size), name="features")
        trusted = confidences.head(network)(ops.reshape(seen, (-1, size)))
        super().__init__(
            seen, ops.mean(ops.reshape(trusted, (-1, pictures, sides, trusted.shape[-1])), axis=2), name="cnet"
        )
        self.to_save = _Holder(network)
        self._prior, self._metric = config.sets.prior, shape_metric()
        self._error = keras.metrics.Mean(name="misfit" if config.sets.photos else "mm")

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The mean over people of the error in mm, or of the misfit to photographs."""
        found = weighted_mean(y["identities"], y_pred, y["shown"])
        if "true" in y:
            errors = shape_error_mm(found, y["true"], self._metric)
        else:
            errors = misfit(found, y["information"], y["vector"], y["shown"], self._prior)
        self._error.update_state(errors)
        return ops.mean(errors)


class _Holder:
    """Hides a network from Keras, which would count its weights to those of the one that holds it."""

    def __init__(self, network: keras.Model) -> None:
        self.network = network


def batches(config: Config, start_step: int = 0, *, sets: Sets) -> tuple[Iterator[Batch], list[Batch]]:
    """Endless batches of random sets, batch n the same whoever asks for it; and the people held out."""
    size, last = config.data.batch, len(sets) - sets.held_out
    held = [np.arange(start, min(start + size, len(sets))) for start in range(last, len(sets), size)]

    def training() -> Iterator[Batch]:
        step = start_step
        while True:
            rng = np.random.default_rng([config.data.seed, step])
            chosen = rng.integers(0, last, size)
            yield _batch(sets, chosen, rng.random((size, config.sets.pictures)), rng.random(size))
            step += 1

    fixed = np.random.default_rng(0)
    validation = [_batch(sets, some, fixed.random((len(some), config.sets.pictures)), None) for some in held]
    return training(), validation


def _batch(sets: Sets, chosen: Any, order: Any, share: Any) -> Batch:
    """People by their numbers; of each the pictures that come first in `order` `[B,K]`: two or more, or all."""
    arrays = {name: values[chosen] for name, values in sets.arrays.items()}
    there = arrays["shown"] > 0
    if share is not None:
        order = np.where(there, order, 2.0)
        count = 2 + np.floor(share * (there.sum(axis=1) - 1)).astype(int)
        there &= order.argsort(axis=1).argsort(axis=1) < count[:, None]
    features = arrays.pop("features").astype(np.float32)
    return features, {**arrays, "shown": there.astype(np.float32)}


class SetSession(Session):
    """A run of C-Net."""

    def columns(self) -> tuple[str, ...]:
        name = "misfit" if self.config.sets.photos else "mm"
        return name, f"val_{name}"

    def _best(self, state: RunState) -> str:
        if not state.best_epoch:
            return super()._best(state)
        out = shlex.quote(str(self.folder))
        best = f"{state.best:.4g}{'' if self.config.sets.photos else ' mm'}"
        return f"Best on people held out: {best}, in epoch {state.best_epoch}. Next: tfface export {out} --out DIR"


def _write_beside(config: Config, folder: Path, state: RunState) -> None:
    """Beside the weights: the calibration of R-Net's points, and its card with what C-Net was trained on."""
    source = weights.find(config.run.init)
    trust = source.file().parent / TRUST_FILE
    if trust.is_file():
        shutil.copyfile(trust, folder / TRUST_FILE)
    note, sets = configuration.read_yaml(folder / "run.yaml"), config.sets
    who = "people in photographs" if sets.photos else f"{sets.people} synthetic people"
    about = {
        "data": f"{who}, up to {sets.pictures} pictures each",
        **{name: note.get(name) for name in ("command", "commit", "hours")},
        "held_out_misfit" if sets.photos else "held_out_rms_mm": round(float(state.best), 4),
    }
    presets.write_yaml(folder / "card.yaml", {**source.card(), "cnet": about})
