"""Training without TensorFlow: the same run on JAX and PyTorch, and what else must not import it."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Python
from tests.training import backend_rnet, backend_run
from tfface import models
from tfface.errors import UserError
from tfface.models.layers import blocks
from tfface.train import parse
from tfface.training.checkpoint import read_state
from tfface.training.devices import choose_backend

OTHERS = [
    pytest.param(name, marks=pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed"))
    for name in ("jax", "torch")
]
WITHOUT = "import sys; sys.modules['tensorflow'] = None\n"
"""Importing TensorFlow is an error from then on."""
UNHURRIED = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
"""XLA makes code that it has sooner, and that runs for longer."""
SMALL = ["--pairs", "4", "--pairs-per-shard", "2", "--textures", "2", "--image-size", "64", "--workers", "1"]


@pytest.fixture(scope="module")
def shards(python, tmp_path_factory: pytest.TempPathFactory) -> Path:  # type: ignore[no-untyped-def]
    """Two shards, made without TensorFlow."""
    folder = tmp_path_factory.mktemp("shards")
    script = f"{WITHOUT}from tfface.synthesize import main; sys.exit(main(sys.argv[1:]))"
    done = python("-c", script, "--out", str(folder), *SMALL)
    assert done.returncode == 0, done.stderr
    return folder


def variables(backend: str) -> dict[str, str]:
    """The environment of a process on that backend."""
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    own = {"KERAS_BACKEND": backend, "XLA_FLAGS": UNHURRIED, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return {**os.environ, **own}


def start(backend: str, shards: Path, folder: Path, epochs: int) -> subprocess.Popen[bytes]:
    script = Path(__file__).with_name("backend_run.py")
    command = [sys.executable, str(script), str(shards), str(folder), str(epochs)]
    return subprocess.Popen(command, env=variables(backend), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process: subprocess.Popen[bytes]) -> None:
    said = process.communicate(timeout=300)[0].decode()
    assert process.returncode == 0, said[-3000:]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def whole(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs with TensorFlow."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "build", backend_run.build)
        backend_run.train_and_answer(str(shards), str(folder), "3")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("backend", OTHERS)
def test_a_run_that_was_killed_and_went_on_is_the_one_of_tensorflow(
    backend: str, shards: Path, whole: Path, tmp_path: Path
) -> None:
    """Killed inside the third epoch or later, then the rest: losses, columns, weights and answers are the same."""
    process = start(backend, shards, tmp_path / "run", 3000)
    deadline = time.monotonic() + 240
    while (state := read_state(tmp_path / "run")) is None or state.step < 10:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = read_state(tmp_path / "run")
    assert left is not None and left.step >= 10
    finish(start(backend, shards, tmp_path / "run", left.step // 4 + 2))
    theirs, ours = rows(whole), rows(tmp_path / "run")
    assert theirs[0].keys() == ours[0].keys() and len(ours) == left.step // 4 + 2
    for first, second in zip(theirs, ours, strict=False):
        for column in ("step", "loss", "val_loss", "val_nme68", "val_nme_face", "learning_rate"):
            assert float(second[column]) == pytest.approx(float(first[column]), rel=2e-3), column
    assert {path.name for path in (tmp_path / "run").iterdir()} == {path.name for path in whole.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("backend", OTHERS)
def test_weights_are_one_file_and_answers_agree(backend: str, shards: Path, whole: Path, tmp_path: Path) -> None:
    """A finished run of TensorFlow is gone on with: nothing is left to do, and its best weights answer the same."""
    folder = tmp_path / "run"
    folder.mkdir()
    for path in whole.iterdir():
        if path.is_file() and path.name != "answer.npy":
            (folder / path.name).write_bytes(path.read_bytes())
    finish(start(backend, shards, folder, 3))
    np.testing.assert_allclose(np.load(folder / "answer.npy"), np.load(whole / "answer.npy"), atol=1e-4)


def said_by_rnet(backend: str, folder: Path) -> dict[str, np.ndarray]:
    """What `backend_rnet.py` writes."""
    script = Path(__file__).with_name("backend_rnet.py")
    subprocess.run([sys.executable, str(script), str(folder / "said.npz")], env=variables(backend), check=True)
    with np.load(folder / "said.npz") as found:
        return dict(found)


@pytest.fixture(scope="module")
def tensorflows_rnet() -> dict[str, np.ndarray]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "INVERTED_RESIDUALS", backend_rnet.ONCE)
        return backend_rnet.answer_and_losses(learns=find_spec("torch") is not None)  # with JAX nothing is learnt


@pytest.mark.slow
@pytest.mark.parametrize("backend", OTHERS)
def test_a_small_rnet_answers_the_same_and_learns(
    backend: str, tensorflows_rnet: dict[str, np.ndarray], tmp_path: Path
) -> None:
    said = said_by_rnet(backend, tmp_path)
    np.testing.assert_allclose(said["answer"], tensorflows_rnet["answer"], atol=1e-4)
    if backend != "jax":  # which would compile for minutes
        assert np.isfinite(said["losses"]).all()
        assert said["losses"][0] == pytest.approx(tensorflows_rnet["losses"][0], rel=0.02)


def test_the_loader_imports_no_tensorflow(python, shards: Path) -> None:  # type: ignore[no-untyped-def]
    script = WITHOUT + (
        "from tfface.config import Config, override\n"
        "from tfface.data.pipeline.datasets import make_batches\n"
        "changes = {'data': {'records': sys.argv[1], 'batch': 2, 'validation_size': 4}, 'model.views': 1}\n"
        "training, validation = make_batches(override(Config(), changes))\n"
        "print(next(training)['images'].shape, len(list(validation)))\n"
    )
    done = python("-c", script, str(shards))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(2, 256, 256, 3) 2")


@pytest.mark.parametrize(
    ("backend", "options", "says"),
    [
        ("jacks", [], "there is no such backend here"),
        ("jax", ["--model", "rnet", "--run.regime", "weak"], "needs TensorFlow: leave KERAS_BACKEND=jax out"),
        ("jax", ["--strategy", "mirrored"], "run.strategy mirrored needs TensorFlow"),
    ],
)
def test_what_a_backend_cannot_do_is_told(
    backend: str, options: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend in ("jax", "torch") and find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    monkeypatch.setenv("KERAS_BACKEND", backend)
    with pytest.raises(UserError, match=says):
        choose_backend(parse(options))


@pytest.mark.slow
def test_export_writes_graphs_whatever_backend_trains(
    python: Python, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    done = python("-m", "tfface.export", "mnv2_prn_128", "--preset", f"{tmp_path}/preset")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "preset" / "network.onnx.zz").is_file()
    script = f"{WITHOUT}from tfface.export import main; from tfface.cli import run; sys.exit(run(main, sys.argv[1:]))"
    refused = python("-c", script, "fast", "--out", f"{tmp_path}/model")
    assert "--out needs TensorFlow" in refused.stderr and not (tmp_path / "model").exists()
