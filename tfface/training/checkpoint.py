"""Checkpoints: one file that holds all that a stopped run needs, replaced whole.

`checkpoint.npz` holds the variables of the network and of the optimiser by number, and the state of the run as JSON. A
run that goes on from it equals one that never stopped.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfface.errors import StoppedError
from tfface.io.files import atomic_path
from tfface.io.reading import read_arrays, reading

CHECKPOINT = "checkpoint.npz"
BEST = "best.weights.h5"
WHAT = "a run's checkpoint"
_DAMAGED = "it is damaged; take another `run.out`, or start from best.weights.h5 with `run.init`"
_MISFIT = (
    "it does not fit this configuration's network and optimiser; take another `run.out`, or start from its weights "
    "with `run.init`"
)


@dataclass
class RunState:
    """Where a run stands."""

    step: int = 0
    """Training steps done, over all epochs; also how many batches of data were consumed."""
    best: float = float("inf")
    """The least validation loss so far."""
    best_nme68: float = float("nan")
    """The landmark error at that time, in percent."""
    best_epoch: int = 0
    """The epoch (from 1) of that time."""
    waited: int = 0
    """Epochs since then."""
    finished: bool = False
    """Early stopping or the last epoch ended the run."""
    loss: float = 0.0
    """Mean training loss over the steps of the epoch under way."""
    parts: dict[str, float] = field(default_factory=dict)
    """The same of the loss's parts, in regimes that have them."""
    seconds: float = 0.0
    """Time spent training, over all sessions."""


def save_checkpoint(folder: Path, model: keras.Model, state: RunState) -> None:
    """Writes `folder/checkpoint.npz`.

    Raises:
        UserError: a weight is not a finite number, and the checkpoint that is there stays; or the disk is full.
    """
    sync = getattr(model, "jax_state_sync", None)  # on JAX, variables lag behind `fit` until asked
    if sync is not None:
        sync()
    arrays: dict[str, Any] = {}
    for part, variables in _parts(model):
        for number, variable in enumerate(variables):
            arrays[f"{part}/{number}"] = np.asarray(keras.ops.convert_to_numpy(variable))
    if not all(np.isfinite(array).all() for array in arrays.values() if array.dtype.kind == "f"):
        raise diverged(folder, state.step, "the weights are")
    arrays["state"] = np.array(json.dumps(dataclasses.asdict(state)))
    with atomic_path(folder / CHECKPOINT) as beside, beside.open("wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())


def diverged(folder: Path, step: int, what: str) -> StoppedError:
    """What to say when numbers are not numbers any more. Nothing of it is on the disk: the last checkpoint is good."""
    path = folder / CHECKPOINT
    how = "a lower `optim.learning_rate` (a tenth, say), and look for broken samples in the data"
    if not path.is_file():
        return StoppedError(f"Step {step}: {what} not finite, and no checkpoint stands yet: start with {how}.")
    return StoppedError(
        f"Step {step}: {what} not finite any more; the checkpoint before it is kept. Go on from it with "
        f"tfface train --resume {shlex.quote(str(folder))} and {how}."
    )


def terminated(folder: Path, state: RunState) -> StoppedError:
    """What to say when SIGTERM ended a run; exit code 143, as of a process that a signal ended."""
    where = f"after step {state.step}, with a checkpoint in {folder}" if state.step else "before the first step"
    stopped = StoppedError(f"Stopped by SIGTERM {where}: the same command goes on.")
    stopped.exit_code = 143
    return stopped


def has_finite_weights(model: keras.Model) -> bool:
    """Whether all weights are numbers."""
    arrays = (np.asarray(keras.ops.convert_to_numpy(variable)) for variable in model.variables)
    return all(np.isfinite(array).all() for array in arrays if array.dtype.kind == "f")


def load_checkpoint(folder: Path, model: keras.Model) -> RunState:
    """Restores a compiled `model` and its optimiser, and gives the run's state; a fresh state where there is none.

    Raises:
        UserError: the checkpoint is of another network or optimiser, or damaged.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        return RunState()
    optimizer = model.optimizer
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    arrays = read_arrays(path, WHAT, ("state",), _DAMAGED)
    state = _state_of(path, arrays)
    with reading(path, WHAT, _MISFIT):
        for part, variables in _parts(model):
            for number, variable in enumerate(variables):
                variable.assign(arrays[f"{part}/{number}"])
    return state


def _parts(model: keras.Model) -> tuple[tuple[str, list[Any]], ...]:
    """All variables of the network (weights, statistics, states of random generators) and of its optimiser."""
    return ("model", model.variables), ("optimizer", model.optimizer.variables)


HDF5_ROOM = 1 << 20
"""Bytes that a file of small weights takes beside them; a quarter of large ones is ample."""


def save_best(folder: Path, model: keras.Model) -> None:
    """Writes `folder/best.weights.h5`: of a network that is a part of another one (`whole`), that one's."""
    saved = model.to_save.network if hasattr(model, "to_save") else model
    with atomic_path(folder / BEST) as beside:
        named = beside.with_name(beside.stem + ".weights.h5")  # Keras insists on the ending
        size = sum(int(np.prod(weight.shape)) * 4 for weight in saved.weights)
        try:
            # HDF5 cannot close a file that it could not write, and crashes when the process ends: is there room?
            named.write_bytes(bytes(size + size // 4 + HDF5_ROOM))
            # A view without the optimiser, which Keras would save too.
            keras.Model(saved.inputs, saved.outputs).save_weights(named)
            named.replace(beside)
        finally:
            named.unlink(missing_ok=True)


def read_state(folder: Path) -> RunState | None:
    """The state in a run's checkpoint, without its network; None where there is none.

    Raises:
        UserError: it is damaged.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    return _state_of(path, read_arrays(path, WHAT, ("state",), _DAMAGED))


def _state_of(path: Path, arrays: dict[str, Any]) -> RunState:
    with reading(path, WHAT, _DAMAGED):
        values = _known(json.loads(str(arrays["state"])))
        for field in dataclasses.fields(RunState):
            default = getattr(RunState(), field.name)
            allowed = (int, float) if isinstance(default, float) else type(default)
            if field.name in values and not isinstance(values[field.name], allowed):
                raise ValueError(f"its state says {values[field.name]!r} for {field.name}")
        return RunState(**values)


def _known(values: dict[str, Any]) -> dict[str, Any]:
    names = {f.name for f in dataclasses.fields(RunState)}
    return {key: value for key, value in values.items() if key in names}
