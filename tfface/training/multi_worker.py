"""One network trained by several machines (data parallelism): `--strategy multi_worker`.

Every worker holds the whole network and its own samples. Before each step of the optimiser the gradients are replaced
by their mean over the workers, so n workers with batches of b take the step that one worker with a batch of n b takes:
exactly so for networks without batch normalisation; with it, each worker normalises by its own batch, and the running
statistics are averaged before each validation. All workers validate on the same samples and so agree on when to stop.
The first worker's folder is the run's; the others keep theirs in a temporary folder. A run starts from the first
worker's weights or checkpoint, so no shared disk is needed.

Keras 3 does not fit under TensorFlow's MultiWorkerMirroredStrategy (keras-team/keras#20585: its trainer is handed
values of several replicas that it cannot convert). That strategy is used here for what still works, connecting the
workers by the addresses in TF_CONFIG; the means are TensorFlow's collective reductions.

TF_CONFIG is `{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}`, the same on all
machines but for the index. When a worker is lost, the others end with an error; started again, all go on from the
first worker's last checkpoint.
"""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfface.config import Config
from tfface.errors import UserError
from tfface.training.checkpoint import RunState

TIMEOUT_SECONDS = 600.0
"""How long a worker waits for the others; compiling takes them a minute."""
LOST = "Another worker was lost ({what}): start all workers again: the run goes on from its last checkpoint."
_GROUP_KEY, _FIRST_INSTANCE = 20_585, 10_000


class Workers:
    """This worker among the others, connected. Make it before TensorFlow has computed anything.

    Raises:
        UserError: TF_CONFIG is missing or wrong.
    """

    def __init__(self) -> None:
        self.index, self.count = place()
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy()  # kept: it watches the other workers' health
        self._next_key = _FIRST_INSTANCE

    @property
    def is_first(self) -> bool:
        """Whether this worker's folder is the run's."""
        return self.index == 0

    def average_gradients(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Makes every step of the optimiser one with the mean gradients of all workers."""
        apply, key = optimizer.apply, self._key()

        def apply_mean(grads: Sequence[tf.Tensor | None], trainable_variables: Any = None) -> Any:
            there = [grad for grad in grads if grad is not None]
            flat = tf.concat([tf.reshape(grad, [-1]) for grad in there], axis=0)  # one message, not hundreds
            parts = iter(tf.split(self._reduce(flat, key, "Div"), [grad.shape.num_elements() for grad in there]))
            mean = [None if grad is None else tf.reshape(next(parts), grad.shape) for grad in grads]
            return apply(mean, trainable_variables)

        optimizer.apply = apply_mean

    def mean(self, values: Sequence[Any]) -> list[Any]:
        """The mean of each array over the workers."""
        return [self._exchange(np.asarray(value), "Div") for value in values]

    def begin_alike(self, model: keras.Model, state: RunState) -> RunState:
        """Gives all workers the first one's variables, optimiser and state."""
        variables = [*model.variables, *model.optimizer.variables]
        fields = {key: value for key, value in dataclasses.asdict(state).items() if isinstance(value, (int, float))}
        numbers = np.array([float(value) for value in fields.values()], np.float64)
        arrays = [*(keras.ops.convert_to_numpy(variable) for variable in variables), numbers]
        mine = arrays if self.is_first else [np.zeros_like(array) for array in arrays]
        *values, numbers = [self._exchange(array, "Id") for array in mine]
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        same: dict[str, Any] = {
            key: type(value)(number) for (key, value), number in zip(fields.items(), numbers, strict=True)
        }
        return dataclasses.replace(state, **same)

    def _exchange(self, value: np.ndarray, final: str) -> np.ndarray:
        """One array; unsigned integers (states of random generators) and truth values travel as int64."""
        kind = value.dtype
        value = value.astype(np.int64) if kind.kind in "bu" else value
        return np.asarray(self._reduce(tf.constant(value), self._key(), final)).astype(kind)

    def _reduce(self, value: tf.Tensor, key: int, final: str) -> tf.Tensor:
        return tf.raw_ops.CollectiveReduceV2(
            input=value,
            group_size=self.count,
            group_key=_GROUP_KEY,
            instance_key=key,
            ordering_token=[],
            merge_op="Add",
            final_op=final,
            communication_hint="auto",
            timeout_seconds=TIMEOUT_SECONDS,
        )

    def _key(self) -> int:
        """A name for a reduction, the same one on all workers, since all ask in the same order."""
        self._next_key += 1
        return self._next_key


@contextmanager
def joined(config: Config) -> Iterator[tuple[Config, Workers | None]]:
    """The workers, connected, and the configuration of this one's part: samples and, but for the first, a folder of
    its own; None where the configuration asks for no others.

    Raises:
        UserError: TF_CONFIG is missing or wrong, a time limit is asked for, or another worker was lost.
    """
    if config.run.strategy != "multi_worker":
        yield config, None
        return
    if config.run.max_minutes:
        raise UserError("run.max_minutes: workers' clocks differ; with multi_worker, give run.max_minutes 0.")
    workers = Workers()
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, seed=config.data.seed + workers.index))
    with tempfile.TemporaryDirectory(prefix="tfface-worker-") as folder:
        if not workers.is_first:
            run = dataclasses.replace(config.run, out=folder, tensorboard=False, pictures=0)
            config = dataclasses.replace(config, run=run)
        try:
            yield config, workers
        except tf.errors.OpError as error:
            raise UserError(LOST.format(what=error.message.splitlines()[0])) from error


class AverageOverWorkers(keras.callbacks.Callback):
    """Before each validation: the running statistics, and the mean training loss of the epoch, of all workers."""

    def __init__(self, workers: Workers, state: RunState) -> None:
        super().__init__()
        self.workers, self.state = workers, state

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        statistics = [v for v in self.model.non_trainable_variables if v.dtype == "float32"]
        *means, loss = self.workers.mean([*map(keras.ops.convert_to_numpy, statistics), np.float64(self.state.loss)])
        for variable, mean in zip(statistics, means, strict=True):
            variable.assign(mean)
        self.state.loss = float(loss)


def place() -> tuple[int, int]:
    """This worker's index and how many there are, as TF_CONFIG says.

    Raises:
        UserError: it is missing or wrong.
    """
    try:
        tree = json.loads(os.environ["TF_CONFIG"])
        index, count = int(tree["task"]["index"]), len(tree["cluster"]["worker"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            "`run.strategy=multi_worker` needs TF_CONFIG in the environment, such as "
            '{"cluster": {"worker": ["host1:4000", "host2:4000"]}, "task": {"type": "worker", "index": 0}}.'
        ) from error
    if not 0 <= index < count:
        raise UserError(f"TF_CONFIG: there is no worker {index} among {count}.")
    return index, count
