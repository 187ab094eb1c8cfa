"""The regime of position-map networks: the weighted map loss on posed faces (Lium 2020, section 4.3).

Adam, a learning rate that halves, early stopping on the validation loss, checkpoints from which a run that was killed
at any moment goes on as if it had not been; with TensorFlow, JAX or PyTorch, as KERAS_BACKEND says. A run's folder
holds `config.yaml`, `run.yaml` (command, commit, outcome), `checkpoint.npz`, `best.weights.h5`, `metrics.csv`,
`pictures.png` and `tensorboard/`.
"""

from __future__ import annotations

import shlex
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from tfface import models
from tfface.config import Config
from tfface.data.pipeline.batches import FinishBatch
from tfface.data.pipeline.datasets import make_batches
from tfface.data.pipeline.maps import library
from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.losses.map_objective import MapObjective
from tfface.models.layers import maps
from tfface.models.networks import prn_res
from tfface.training import callbacks, devices, run_folder
from tfface.training.checkpoint import RunState, diverged, has_finite_weights, load_checkpoint, terminated
from tfface.training.columns import OF_MAPS
from tfface.training.feed import Feed, FinishingModel, ValidationFeed
from tfface.training.metrics import FaceError, LandmarkError
from tfface.training.pictures import Draw, MeshPictures
from tfface.training.progress import ProgressLine
from tfface.training.schedule import freeze
from tfface.training.start import start_from

if TYPE_CHECKING:
    from tfface.training.multi_worker import Workers

MakeDatasets = Callable[..., tuple[Any, Any]]


def train(
    config: Config,
    make_datasets: MakeDatasets | None = None,
    console: Console | None = None,
    extra_callbacks: Sequence[keras.callbacks.Callback] = (),
) -> RunState:
    """Trains in `config.run.out`, going on from its checkpoint where there is one.

    Args:
        config: the run's configuration; `run.out` must be named.
        make_datasets: `(config, start_step) -> (training, validation)`, batches of
            `tfface.data.pipeline.datasets.make_batches` (the default), or of images `[B,S,S,3*views]` and maps
            `[B,R,R,3]` in pixels; also as `tf.data`.
        console: where progress goes.
        extra_callbacks: called last, when an epoch's checkpoint and row of metrics are written.

    Raises:
        UserError: the folder holds another run, or there is nothing to train on.
    """
    topology = PositionMap(load_open_face(), config.model.map_size)
    make_model, datasets = partial(compiled, topology=topology), make_datasets or make_batches
    return run_session(config, make_model, Session, topology, datasets, console, extra_callbacks)


def run_session(
    config: Config,
    make_model: Callable[[Config], keras.Model],
    kind: type[Session],
    topology: PositionMap,
    make_datasets: MakeDatasets,
    console: Console | None,
    extra_callbacks: Sequence[keras.callbacks.Callback],
) -> RunState:
    """What all regimes do: claims the run's folder, makes the network where it is to compute, with the weights that the
    run begins from if it is new, and trains it in a session of its kind, beside other workers if there are."""
    with joined(config) as (config, workers):
        scope = devices.prepare(config.run)
        folder = run_folder.claim(config)
        with scope:
            model = make_model(config)
        if not (folder / "checkpoint.npz").is_file():
            start_from(model, config)
        return kind(config, folder, model, topology, make_datasets, console, extra_callbacks, workers).run()


def joined(config: Config) -> AbstractContextManager[tuple[Config, Workers | None]]:
    """This process among the others that train the same network, or alone (`tfface.training.multi_worker`)."""
    if config.run.strategy != "multi_worker":
        return nullcontext((config, None))
    from tfface.training import multi_worker

    return multi_worker.joined(config)


def compiled(config: Config, topology: PositionMap) -> keras.Model:
    """The network with its loss, metric and optimiser; its steps finish their batches (`tfface.training.feed`)."""
    network = models.build(config.model)
    devices.avoid_broken_operations(network)
    model = FinishingModel(network, MapsInUnits(config))
    if config.optim.learns == "refiner":
        for layer in model.layers:
            layer.trainable = layer.name == prn_res.REFINER
    freeze(model, config.optim.frozen)
    metrics = [LandmarkError(topology.landmark_matrix()), FaceError.of(topology)]
    model.compile_for(config, MapObjective(config.loss, topology), metrics, channels=3)
    return model


class MapsInUnits:
    """Batches as the network's loss wants them: images, and maps in network units.

    Args:
        config: the run's configuration.
    """

    def __init__(self, config: Config) -> None:
        self.model, self._finish = config.model, FinishBatch(config)
        self.into_graph = self._finish.into_graph

    def __call__(self, batch: Any) -> tuple[Any, Any]:
        """Of a batch of `tfface.data.pipeline.batches` alone in a tuple, or of images and maps in pixels."""
        batch = keras.tree.map_structure(
            keras.ops.convert_to_tensor, batch[0] if isinstance(batch[0], dict) else batch[:2]
        )
        images, pixels = self._finish(batch) if isinstance(batch, dict) else batch
        if pixels.shape[1] != self.model.map_size:
            raise UserError(
                f"The data's maps have {pixels.shape[1]} texels a side, the network's {self.model.map_size}."
            )
        truth = maps.to_units(pixels[..., :3], self.model.output)
        # The texels' weights follow, where the data has them.
        return images, library(pixels).concatenate([truth, pixels[..., 3:]], axis=-1)


class Session:
    """One process's part of a run. Another regime has other columns, data and pictures."""

    def __init__(
        self,
        config: Config,
        folder: Path,
        model: keras.Model,
        topology: PositionMap,
        make_datasets: MakeDatasets,
        console: Console | None = None,
        extra_callbacks: Sequence[keras.callbacks.Callback] = (),
        workers: Workers | None = None,
    ) -> None:
        self.config, self.folder, self.model, self.topology = config, folder, model, topology
        self.make_datasets, self.console = make_datasets, console or Console()
        self.extra_callbacks, self.workers = extra_callbacks, workers
        self.asked: Callable[[], bool] = lambda: False
        self.steps = config.data.steps_per_epoch
        limit = config.run.max_minutes
        self.deadline = time.monotonic() + 60 * limit if limit else float("inf")

    def run(self) -> RunState:
        """Fits until the run is finished, its time is up, or SIGTERM comes (with a checkpoint, then).

        `fit` counts epochs of equal length, so the rest of an epoch that was interrupted is a `fit` of its own; the
        checkpoint is read again after it, since `fit` ends by replacing the weights by their moving average.
        """
        state = load_checkpoint(self.folder, self.model)
        if self.workers is not None:
            self.workers.average_gradients(self.model.optimizer)
            state = self.workers.begin_alike(self.model, state)
        with callbacks.asked_to_stop() if self.workers is None else nullcontext(lambda: False) as self.asked:
            return self._until_done(state)

    def _until_done(self, state: RunState) -> RunState:
        state.finished = self._is_over(state)  # more epochs or patience may be asked for than when it finished
        while not state.finished:
            if state.step:
                self.console.print(f"Going on after step {state.step} (epoch {state.step // self.steps + 1}).")
            within = state.step % self.steps
            if not self._fit(state, within):
                run_folder.note_outcome(self.folder, state, self.model.count_params())
                if self.asked():
                    raise terminated(self.folder, state)
                self._print(f"Time is up; the same command goes on. {self._best(state)}")
                return state
            state = load_checkpoint(self.folder, self.model)
            run_folder.note_outcome(self.folder, state, self.model.count_params())
        self._print(f"Finished. {self._best(state)}")
        return state

    def _is_over(self, state: RunState) -> bool:
        over = state.step >= self.config.optim.epochs * self.steps
        return state.finished and (over or state.waited >= self.config.optim.patience)

    def _fit(self, state: RunState, within: int) -> bool:
        """Fits the rest of an epoch (`within` > 0) or all that is left; False when time was up."""
        config, epoch = self.config, state.step // self.steps
        training, validation = self.make_datasets(config, start_step=state.step)
        feed = Feed(training)
        if self.make_datasets is make_batches:
            self.model.finish.into_graph()
        progress = ProgressLine(state, self.steps, config.optim.epochs, config.data.batch, self.console)
        try:
            if not devices.is_tensorflows(training):
                with callbacks.ends_at_once(terminated(self.folder, state)):
                    feed.begin()
            with warnings.catch_warnings():
                # Said of validation data, whose length Keras does not know; KeepState minds the training data.
                warnings.filterwarnings("ignore", "\\s*Your input ran out of data")
                self.model.fit(
                    self.trained_on(training, feed),
                    validation_data=self.validated_on(validation),
                    initial_epoch=epoch,
                    epochs=epoch + 1 if within else config.optim.epochs,
                    steps_per_epoch=self.steps - within,
                    callbacks=self._callbacks(state, validation, progress),
                    verbose=0,
                    shuffle=False,
                )
        except callbacks.TimeIsUp:
            return False
        except Exception as error:
            raise self._cause(error, feed, state) from error
        finally:
            progress.close()
            feed.close()
        return True

    def _cause(self, error: Exception, feed: Feed, state: RunState) -> Exception:
        """What was the matter, where the backend says it in other words."""
        if isinstance(error, UserError) or feed.trouble is not None:
            return feed.trouble or error
        if devices.is_tensorflows(error) and not has_finite_weights(self.model):
            return diverged(self.folder, state.step + 1, "the weights are")
        return error

    def trained_on(self, training: Any, feed: Feed) -> Any:
        """What `fit` takes for training: `tf.data` as it is."""
        return training if devices.is_tensorflows(training) else feed()

    def validated_on(self, validation: Any) -> Any:
        """What `fit` takes for validation."""
        return validation if devices.is_tensorflows(validation) else ValidationFeed(validation)

    def _callbacks(self, state: RunState, validation: Any, progress: ProgressLine) -> list[Any]:
        config, folder, steps = self.config, self.folder, self.steps
        draw = self.pictures(validation) if config.run.pictures else None
        if self.workers is not None:
            from tfface.training.multi_worker import AverageOverWorkers
        chain: list[Any] = [
            callbacks.KeepState(state, folder, steps, self.parts()),
            *([AverageOverWorkers(self.workers, state)] if self.workers is not None else []),
            callbacks.KeepBest(state, folder, steps, config.optim.patience, config.optim.epochs),
        ]
        if config.run.tensorboard:
            chain.append(callbacks.TensorBoardLog(state, folder, draw))
        if config.optim.ema:
            chain.append(keras.callbacks.SwapEMAWeights())
        return [
            *chain,
            callbacks.WriteMetrics(state, folder, steps, config.data.batch, self.columns()),
            progress,
            callbacks.KeepCheckpoint(state, folder, steps, config.run.checkpoint_minutes, self.deadline, self.asked),
            *self.extra_callbacks,
        ]

    def parts(self) -> tuple[str, ...]:
        """Parts of the training loss, to be written beside it."""
        return ()

    def columns(self) -> tuple[str, ...]:
        """Of `metrics.csv`, what the network's logs hold beyond the losses."""
        return OF_MAPS

    def pictures(self, validation: Any) -> Draw:
        """What draws the network's state, and says it in TensorBoard."""
        images, truth = self._first_samples(validation, self.config.run.pictures)
        return MeshPictures(images, truth, self.topology, self.config.model.output, self.folder / "pictures.png")

    def _first_samples(self, validation: Any, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Images and maps in pixels of the first samples of some batches."""
        parts, finish = [], FinishBatch(self.config)
        for batch in validation:
            images, pixels = finish(batch) if isinstance(batch, dict) else map(np.asarray, batch)
            parts.append((images[:count], pixels[:count, ..., :3]))
            count -= len(images)
            if count <= 0:
                break
        images, pixels = (np.concatenate(part) for part in zip(*parts, strict=True))
        return images, pixels

    def _print(self, text: str) -> None:
        """People copy the command in it: it is not wrapped."""
        self.console.print(text, soft_wrap=True, markup=False)

    def _best(self, state: RunState) -> str:
        if not state.best_epoch:
            return f"No epoch is complete yet; the run is in {self.folder}."
        return (
            f"Best validation loss {state.best:.4g}, nme68 {state.best_nme68:.2f} %, in epoch {state.best_epoch}. "
            f"Next: tfface export {shlex.quote(str(self.folder))} --out DIR"
        )
