"""Several workers train as one would with their batches together, also when one is lost on the way."""

from __future__ import annotations

import json
import socket
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import numpy as np
import pytest

from tests.forked import begin, ended
from tests.training import worker
from tfface import models
from tfface.config import Config, override
from tfface.errors import UserError
from tfface.training import multi_worker
from tfface.training.checkpoint import read_state


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def start_workers(folder: Path, epochs: int, pause: float) -> list[ForkServerProcess]:
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    started = []
    for index in range(2):
        place = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        environment = {"TF_CONFIG": json.dumps(place), "CUDA_VISIBLE_DEVICES": ""}
        log = folder.parent / f"worker{index}.log"
        started.append(begin(worker.main, str(folder), epochs, pause, log=log, **environment))
    return started


def arrays(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "checkpoint.npz") as opened:
        return {key: opened[key] for key in opened.files if key != "state"}


@pytest.mark.slow
def test_a_lost_worker_ends_in_a_run_like_one_worker_with_twice_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    workers = start_workers(folder, 100_000, 0.3)
    try:
        deadline = time.monotonic() + 400
        while (state := read_state(folder)) is None or state.step < 4:
            assert workers[0].exitcode is None and time.monotonic() < deadline, log(tmp_path)
            time.sleep(0.1)
        workers[1].kill()
        assert ended(workers[0]) == 2, log(tmp_path)
        assert "Another worker was lost" in log(tmp_path)
    finally:
        for process in workers:
            process.kill()
            process.join()
    stopped = read_state(folder)
    assert stopped is not None and stopped.step >= 4
    epochs = stopped.step // 2 + 2
    assert [ended(process) for process in start_workers(folder, epochs, 0.0)] == [0, 0], log(tmp_path)

    single = tmp_path / "single"
    monkeypatch.setattr(models, "build", worker.build)
    worker.train(str(single), epochs, data__batch=8)
    both, one = read_state(folder), read_state(single)
    assert both is not None and one is not None and both.step == one.step == 2 * epochs
    assert both.loss == pytest.approx(one.loss, rel=1e-3)
    assert both.best == pytest.approx(one.best, rel=1e-3)
    expected = arrays(single)
    for key, value in arrays(folder).items():  # the sums are rounded elsewhere, which Adam enlarges (8e-5 with AVX2)
        np.testing.assert_allclose(value, expected[key], rtol=2e-3, atol=3e-4, err_msg=key)


def log(folder: Path) -> str:
    """What the workers said."""
    return "\n".join(path.read_text()[-3000:] for path in sorted(folder.glob("worker*.log")))


def test_a_wrong_place_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    config = override(Config(), {"run.strategy": "multi_worker"})
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UserError, match="needs TF_CONFIG"), multi_worker.joined(config):
        pass
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}')
    with pytest.raises(UserError, match="no worker 1 among 1"), multi_worker.joined(config):
        pass
    with pytest.raises(UserError, match="max_minutes"), multi_worker.joined(override(config, {"run.max_minutes": 1})):
        pass
