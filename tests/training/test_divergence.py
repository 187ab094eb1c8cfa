"""A run whose numbers end to be numbers stops at once; what stood before it is kept, and the same command goes on."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

from tfface import models
from tfface.cli import run
from tfface.config import Config, override
from tfface.data.shards.faces import FaceRecord, write_shard
from tfface.data.shards.folder import DATASET_FILE
from tfface.data.shards.pictures import encode_jpeg
from tfface.errors import StoppedError, UserError
from tfface.face.open_model import load_open_face
from tfface.training import position_map, run_folder
from tfface.training.checkpoint import load_checkpoint, read_state, save_checkpoint

QUIET = Console(file=io.StringIO())
Datasets = Callable[..., tuple[tf.data.Dataset, tf.data.Dataset]]


@pytest.fixture(autouse=True)
def small_network(tiny: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "build", tiny.build)


def broken_from(tiny: ModuleType, first: int) -> Datasets:
    """The tiny data, whose pictures have no numbers from batch `first` on."""

    def make(config: Config, start_step: int = 0) -> tuple[tf.data.Dataset, tf.data.Dataset]:
        training, validation = tiny.make_datasets(config, start_step)

        def broken(number: tf.Tensor, batch: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            images = tf.where(number + start_step >= first, np.float32("nan"), batch[0])
            return images, batch[1]

        return training.enumerate().map(broken), validation

    return make


def test_broken_data_stop_a_run_and_it_goes_on(
    tiny: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny.tiny_config(tmp_path / "run")

    def command(_: object) -> int:
        position_map.train(config, broken_from(tiny, 6), QUIET)
        return 0

    assert run(command) == 1
    told = capsys.readouterr().err
    # What ReLU makes of NaN is the processor's: with AVX-512 it is 0, and the gradient alone is none.
    assert re.match(r"error: Step 7: the (weights are|training loss is) not finite any more", told)
    assert "--resume" in told and told.count("\n") == 1 and "--optim.learning-rate" in told
    state = read_state(tmp_path / "run")
    assert state is not None and state.step == 4 and np.isfinite(state.loss)
    with np.load(tmp_path / "run" / "checkpoint.npz") as arrays:
        assert all(np.isfinite(arrays[key]).all() for key in arrays.files if arrays[key].dtype.kind == "f")
    config = override(config, {"optim.learning_rate": config.optim.learning_rate / 10})
    assert position_map.train(config, tiny.make_datasets, QUIET).step == 12


def test_an_absurd_rate_stops_before_anything_is_written(tiny: ModuleType, tmp_path: Path) -> None:
    config = tiny.tiny_config(tmp_path, optim__learning_rate=1e30)
    with pytest.raises(StoppedError, match="not finite, and no checkpoint stands yet"):
        position_map.train(config, tiny.make_datasets, QUIET)
    assert not (tmp_path / "checkpoint.npz").exists() and not (tmp_path / "best.weights.h5").exists()


def test_a_checkpoint_never_holds_what_is_no_number(tiny: ModuleType, tmp_path: Path) -> None:
    config = tiny.tiny_config(tmp_path, optim__epochs=1)
    state = position_map.train(config, tiny.make_datasets, QUIET)
    good = (tmp_path / "checkpoint.npz").read_bytes()
    model = tiny.build(config.model)
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    model.weights[0].assign(np.full(model.weights[0].shape, np.inf))
    with pytest.raises(StoppedError, match="the weights are not finite"):
        save_checkpoint(tmp_path, model, state)
    assert (tmp_path / "checkpoint.npz").read_bytes() == good


@pytest.mark.parametrize("kind", ["empty", "html", "half", "flipped", "text", "no state", "odd state"])
def test_damaged_checkpoints_are_told(tiny: ModuleType, tmp_path: Path, kind: str) -> None:
    config = tiny.tiny_config(tmp_path)
    model = tiny.build(config.model)
    model.compile("adam", "mse")
    path = tmp_path / "checkpoint.npz"
    arrays = {"state": np.array('{"step": "many"}')} if kind == "odd state" else {"other": np.zeros(3)}
    np.savez(path, **arrays)
    data = path.read_bytes()
    flipped = bytes(byte ^ 0xFF if 30 < place < 90 else byte for place, byte in enumerate(data))
    content = {"empty": b"", "html": b"<html></html>", "half": data[: len(data) // 2], "flipped": flipped}
    path.write_bytes(content.get(kind, b"text" if kind == "text" else data))
    for read in (lambda: load_checkpoint(tmp_path, model), lambda: read_state(tmp_path)):
        with pytest.raises(UserError, match="checkpoint.npz cannot be read as a run's checkpoint"):
            read()


def test_sigterm_leaves_a_checkpoint_and_the_run_goes_on(
    tiny: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny.tiny_config(tmp_path / "run")

    class Batch(keras.callbacks.Callback):
        steps = 0

        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            Batch.steps += 1
            if Batch.steps == 5:
                os.kill(os.getpid(), signal.SIGTERM)

    def command(_: object) -> int:
        position_map.train(config, tiny.make_datasets, QUIET, [Batch()])
        return 0

    before = signal.getsignal(signal.SIGTERM)
    assert run(command) == 143
    assert "Stopped by SIGTERM after step 6" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before
    state = read_state(tmp_path / "run")
    assert state is not None and state.step == 6
    assert position_map.train(config, tiny.make_datasets, QUIET).step == 12


class _ClosedTerminal(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="not on this system")
@pytest.mark.usefixtures("capsys")  # the process's own output stays where it is
def test_a_closed_terminal_ends_a_run_with_a_checkpoint(tiny: ModuleType, tmp_path: Path) -> None:
    """Writing to it is an error, perhaps a moment before SIGHUP comes."""
    config = tiny.tiny_config(tmp_path / "run")
    console = Console(file=io.StringIO())

    class Batch(keras.callbacks.Callback):
        steps = 0

        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            Batch.steps += 1
            if Batch.steps == 2:  # the epoch's outcome cannot be printed
                console.file = _ClosedTerminal()
            if Batch.steps == 5:
                os.kill(os.getpid(), signal.SIGHUP)

    def command(_: object) -> int:
        position_map.train(config, tiny.make_datasets, console, [Batch()])
        return 0

    outside = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # else it is ignored, where the tests run under nohup
    try:
        assert run(command) == 143
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, outside)
    state = read_state(tmp_path / "run")
    assert state is not None and state.step == 6


def test_sigterm_while_the_first_batch_is_made_ends_at_once(
    tiny: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of faces on the fly a whole buffer is made first; batch systems do not wait for that."""
    config = tiny.tiny_config(tmp_path / "run")

    def slowly() -> Iterator[object]:
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("it went on")
        yield

    def command(_: object) -> int:
        position_map.train(config, lambda config, start_step: (slowly(), None), QUIET)
        return 0

    assert run(command) == 143
    assert "Stopped by SIGTERM before the first step" in capsys.readouterr().err


def test_a_damaged_shard_is_named_when_training_meets_it(tiny: ModuleType, tmp_path: Path) -> None:
    folder, shape = tmp_path / "shards", (60, 90)
    folder.mkdir()
    face = load_open_face()
    card = {"pairs_per_shard": 4, "settings": {"enlarge": 1.25}, "face_model": face.checksum}
    (folder / DATASET_FILE).write_text(json.dumps(card))
    picture = encode_jpeg(np.zeros((shape[0], shape[0], 3), np.uint8))
    camera = np.array([*np.eye(3).ravel(), 900, 1000, 30, 30], np.float32)
    record = FaceRecord(
        0, *(np.zeros(count, np.float32) for count in (face.num_identity, 52)), (picture,) * 2, (camera,) * 2, {}
    )
    shards = [folder / f"faces-{number:05d}.tfrecord" for number in range(3)]
    for shard in shards:
        write_shard(shard, [record] * 4)
    data = bytearray(shards[2].read_bytes())
    data[shape[1] :] = bytes(byte ^ 0xFF if place % 977 == 0 else byte for place, byte in enumerate(data[shape[1] :]))
    shards[2].write_bytes(bytes(data))
    config = tiny.tiny_config(tmp_path / "run", data__records=str(folder), model__views=1)
    with pytest.raises(UserError, match="faces-00002.tfrecord cannot be read as a shard"):
        position_map.train(config, console=QUIET)


def test_a_folder_with_somebody_elses_configuration_is_no_run(tiny: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mine: true\n")
    with pytest.raises(UserError, match="config.yaml is there and is not a result of tfface"):
        run_folder.claim(tiny.tiny_config(tmp_path))
    assert (tmp_path / "config.yaml").read_text() == "mine: true\n"
