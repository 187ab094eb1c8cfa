"""Training: a batch is overfitted, stopped and resumed equals never stopped, rates and logs are what they say."""

from __future__ import annotations

import csv
import io
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import pytest
import yaml
from rich.console import Console

from tests.few_layers import few_layers
from tests.forked import begin, ended
from tfface import config as configuration
from tfface import export, models, weights
from tfface.config import Config, OptimConfig, override
from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.models.layers import maps
from tfface.models.networks import mnv2_prn
from tfface.models.weights import presets
from tfface.training import callbacks, position_map, schedule
from tfface.training.checkpoint import RunState, read_state
from tfface.training.metrics import LandmarkError
from tfface.training.start import start_from

QUIET = Console(file=io.StringIO())


def arrays(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "checkpoint.npz") as opened:
        return {key: opened[key] for key in opened.files if key != "state"}


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module", autouse=True)
def small_network(tiny: ModuleType) -> Iterator[None]:
    """Most tests are about training, not about a network: theirs compiles at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "build", tiny.build)
        yield


@pytest.fixture(scope="module")
def whole(tiny: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of three epochs with all that a run can write."""
    folder = tmp_path_factory.mktemp("whole")
    config = tiny.tiny_config(folder, run__tensorboard=True, run__pictures=2, optim__ema=0.9)
    assert position_map.train(config, tiny.make_datasets, QUIET).finished
    return folder


def test_one_batch_is_overfitted(tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "build", mnv2_prn.build)  # the real one
    config = tiny.tiny_config(tmp_path, loss__kind="mse")
    with few_layers():
        model = position_map.compiled(config, PositionMap(load_open_face(), tiny.MAP_SIZE))
    images, pixels = tiny.posed_faces(4, seed=3)
    units = maps.to_units(pixels, config.model.output)
    losses = []
    for _ in range(80):
        model.reset_metrics()
        losses.append(model.train_on_batch(images, units)[0])
    assert losses[-1] < losses[0] / 20


def test_a_run_writes_what_it_says(whole: Path) -> None:
    names = {path.name for path in whole.iterdir()}
    assert names == {
        *("config.yaml", "run.yaml", "checkpoint.npz", "best.weights.h5", "metrics.csv", "pictures.png", "tensorboard"),
    }
    table = rows(whole)
    assert [row["step"] for row in table] == ["4", "8", "12"]
    note = yaml.safe_load((whole / "run.yaml").read_text())
    assert note["val_loss"] == pytest.approx(min(float(row["val_loss"]) for row in table), rel=1e-5)
    assert note["finished"] and note["parameters"] > 0 and note["hours"] >= 0
    assert any((whole / "tensorboard").iterdir())


@pytest.mark.parametrize("stop", [4, 6])  # after an epoch, and inside one
def test_resumed_equals_never_stopped(
    tiny: ModuleType, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    config = tiny.tiny_config(tmp_path / "run", optim__ema=0.9)

    def until(self: callbacks.KeepCheckpoint, batch: int, logs: object = None) -> None:
        if self.state.step == stop + 1:  # the process dies here, one step after its last checkpoint
            raise RuntimeError("killed")
        if self.state.step == stop and stop % self.steps_per_epoch:
            self._save()

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.KeepCheckpoint, "on_train_batch_end", until)
        with pytest.raises(RuntimeError, match="killed"):
            position_map.train(config, tiny.make_datasets, QUIET)
    stopped = read_state(tmp_path / "run")
    assert stopped is not None and stopped.step == stop
    assert position_map.train(config, tiny.make_datasets, QUIET).step == 12
    once, again = arrays(whole), arrays(tmp_path / "run")
    assert once.keys() == again.keys()
    for key in once:
        np.testing.assert_allclose(again[key], once[key], rtol=1e-4, atol=1e-6, err_msg=key)
    for first, second in zip(rows(whole), rows(tmp_path / "run"), strict=True):
        for column in ("epoch", "step", "loss", "val_loss", "val_nme68", "learning_rate"):
            assert float(second[column]) == pytest.approx(float(first[column]), rel=1e-3), column


def test_time_limit_ends_cleanly_and_goes_on(tiny: ModuleType, tmp_path: Path) -> None:
    config = tiny.tiny_config(tmp_path, run__max_minutes=1e-6, optim__epochs=1)
    state = position_map.train(config, tiny.make_datasets, QUIET)
    assert not state.finished and state.step == 1
    state = position_map.train(override(config, {"run.max_minutes": 0}), tiny.make_datasets, QUIET)
    assert state.finished and state.step == 4
    with pytest.raises(UserError, match="another model"):
        position_map.train(override(config, {"model.width": 0.3}), tiny.make_datasets, QUIET)


def test_training_data_that_ends_is_told(tiny: ModuleType, tmp_path: Path) -> None:
    def too_few(config: Config, start_step: int = 0):  # type: ignore[no-untyped-def]
        training, validation = tiny.make_datasets(config, start_step)
        return training.take(2), validation

    with pytest.raises(UserError, match="ended in step 2"):
        position_map.train(tiny.tiny_config(tmp_path), too_few, QUIET)
    assert read_state(tmp_path) is None


def test_early_stopping_waits_for_patience(tiny: ModuleType, tmp_path: Path) -> None:
    model = tiny.build(tiny.tiny_config(tmp_path).model)
    state = RunState()
    keep = callbacks.KeepBest(state, tmp_path, steps_per_epoch=1, patience=2, epochs=50)
    keep.set_model(model)
    losses = [3.0, 2.0, 2.5, 1.9, 1.95, 1.9, 1.0]
    for epoch, loss in enumerate(losses):
        state.step = epoch + 1
        keep.on_test_end({"loss": loss, "nme68": 10 * loss})
        keep.on_epoch_end(epoch)
        if state.finished:
            break
    assert (state.step, state.best, state.best_nme68, state.best_epoch) == (6, 1.9, 19.0, 4)
    assert model.stop_training


def test_a_run_starts_from_the_weights_of_another(tiny: ModuleType, whole: Path, tmp_path: Path) -> None:
    config = tiny.tiny_config(tmp_path, run__init=str(whole), optim__learning_rate=0.0, optim__epochs=1)
    assert position_map.train(config, tiny.make_datasets, QUIET).finished
    best = tiny.build(config.model)
    presets.load_weights(best, whole / "best.weights.h5")
    kept = arrays(tmp_path)
    for number, variable in enumerate(best.variables):
        if variable.trainable:
            np.testing.assert_array_equal(kept[f"model/{number}"], np.asarray(variable), err_msg=variable.path)
    assert float(rows(tmp_path)[0]["val_loss"]) < 2 * float(rows(whole)[-1]["val_loss"])


def test_two_views_start_from_what_one_view_knows(tiny: ModuleType, whole: Path, tmp_path: Path) -> None:
    """With the weights of a one-view network the two-view one says the same of the front, whatever the side shows."""
    one = tiny.tiny_config(tmp_path, run__init=str(whole), model__views=1)
    two = override(one, {"model.views": 2})
    topology = PositionMap(load_open_face(), one.model.map_size)
    single, double = (position_map.compiled(config, topology) for config in (one, two))
    start_from(single, one)
    start_from(double, two)
    rng = np.random.default_rng(0)
    front, side = rng.uniform(size=(2, 2, one.model.image_size, one.model.image_size, 3)).astype(np.float32)
    expected = single(front, training=False)
    np.testing.assert_allclose(double(np.concatenate([front, side], -1), training=False), expected, atol=1e-5)


def test_the_rate_reaches_the_optimiser() -> None:
    optimizer = schedule.make_optimizer(OptimConfig(learning_rate=0.1, halve_every_epochs=2), steps_per_epoch=3)
    variable = keras.Variable(np.zeros(1, np.float32))
    optimizer.build([variable])
    rates, moves = [], []
    for _ in range(13):
        rates.append(float(optimizer.learning_rate))
        before = float(variable[0])
        optimizer.apply([np.ones(1, np.float32)])
        moves.append(before - float(variable[0]))
    expected = [0.1] * 6 + [0.05] * 6 + [0.025]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)
    np.testing.assert_allclose(moves, expected, rtol=1e-3)  # Adam's step for a constant gradient is the rate


def test_cosine_and_warm_up() -> None:
    rate = schedule.LearningRate(1.0, "cosine", 1, 100, warmup_steps=10)
    assert float(rate(0)) == pytest.approx(0.1) and float(rate(50)) == pytest.approx(0.505)
    assert float(rate(100)) == pytest.approx(0.01) == float(rate(500))


def test_landmark_error_is_the_one_of_the_topology(tiny: ModuleType) -> None:
    topology = PositionMap(load_open_face(), tiny.MAP_SIZE)
    _, truth = tiny.posed_faces(3, seed=5)
    predicted = truth + np.random.default_rng(0).normal(0, 3, truth.shape).astype(np.float32)
    metric = LandmarkError(topology.landmark_matrix())
    for part in (slice(0, 1), slice(1, 3)):
        metric.update_state(truth[part], predicted[part])
    true, found = topology.landmarks(truth)[..., :2], topology.landmarks(predicted)[..., :2]
    side = np.sqrt(np.prod(true.max(1) - true.min(1), axis=-1))
    expected = 100 * np.mean(np.linalg.norm(found - true, axis=-1).mean(1) / side)
    assert float(metric.result()) == pytest.approx(expected, rel=1e-4)
    shifted = truth + np.float32([3, 4, 0])
    metric.reset_state()
    metric.update_state(truth, shifted)
    assert float(metric.result()) == pytest.approx(100 * np.mean(5 / side), rel=1e-3)


def test_export_of_a_run(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import tensorflow as tf

    assert export.main([str(whole), "--out", str(tmp_path / "saved"), "--preset", str(tmp_path / "small")]) == 0
    assert "saved_model in" in capsys.readouterr().out
    model, config, card = weights.find(whole).network()
    image = np.random.default_rng(0).uniform(size=(1, 32, 32, 3)).astype(np.float32)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    served = loaded.serve(image)["position_map"].numpy()
    expected = models.predictor(model, config)(image)["position_map"]
    np.testing.assert_allclose(served, keras.ops.convert_to_numpy(expected), rtol=1e-4, atol=1e-3)
    written = configuration.read_yaml(tmp_path / "small" / "card.yaml")
    assert written["metrics"]["validation_nme68_percent"] == card["metrics"]["validation_nme68_percent"] > 0
    assert export.main([str(whole), "--average", str(whole), "--preset", str(tmp_path / "mean")]) == 0
    assert configuration.read_yaml(tmp_path / "mean" / "card.yaml")["averaged_with"] == [str(whole)]
    with np.load(tmp_path / "small" / "weights.npz") as alone, np.load(tmp_path / "mean" / "weights.npz") as mean:
        assert all(np.array_equal(alone[key], mean[key]) for key in alone.files)
    with pytest.raises(UserError, match="neither a preset"):
        export.main([str(tmp_path), "--out", str(tmp_path / "x")])


def test_killed_at_any_moment_it_goes_on(tiny: ModuleType, tmp_path: Path) -> None:
    """A process that checkpoints all the time is killed with SIGKILL while it trains; the checkpoint left is whole."""
    process = begin(tiny.train_until_killed, tmp_path, log=tmp_path / "log")
    deadline = time.monotonic() + 120
    while (state := read_state(tmp_path)) is None or state.step < 6:
        assert process.exitcode is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    assert ended(process) == -signal.SIGKILL
    left = read_state(tmp_path)
    assert left is not None and left.step >= 6
    epochs = left.step // 4 + 2
    config = tiny.tiny_config(tmp_path, optim__epochs=epochs)
    assert position_map.train(config, tiny.make_datasets, QUIET).step == epochs * 4
    assert [int(row["epoch"]) for row in rows(tmp_path)] == list(range(1, epochs + 1))
