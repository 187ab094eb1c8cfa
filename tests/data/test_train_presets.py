"""The command for ten minutes of a GPU, tried on the processor."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.data.tools import load_tool
from tfface import models, weights
from tfface.errors import UserError
from tfface.models.weights import presets
from tfface.training.checkpoint import read_state

FACES = "--pairs 24 --pairs-per-shard 8 --first-pairs 16 --workers 1 --textures 2 --image-size 48"
SMALL = f"{FACES} --batch 4 --validation-size 8 --steps-per-epoch 4 --precision float32"
NETWORK = "--model mnv2_light --model.width 0.1 --model.image-size 32 --model.map-size 16 --model.features 16"
TOY = Path(__file__).parents[1] / "tune" / "toy"
"""Its `sitecustomize.py` has every process train three layers in place of a hundred."""


@pytest.fixture
def toy(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy network in the processes that a test begins, and in its own."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TOY), str(repository)]))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(models, "build", runpy.run_path(str(TOY / "sitecustomize.py"))["_build"])


@pytest.mark.slow
@pytest.mark.usefixtures("toy")
def test_faces_are_made_while_a_network_trains_and_it_becomes_a_preset(repository: Path, tmp_path: Path) -> None:
    command = [sys.executable, "data_tools/train_presets.py", "--out", str(tmp_path), *SMALL.split()]

    def until(minutes: float, epochs: int, pause: float) -> str:
        network = f"small {minutes} {NETWORK} --device cpu --optim.epochs {epochs}"
        variables = {**os.environ, "TFFACE_TOY_PAUSE": str(pause)}  # seconds before an epoch
        options = {"cwd": repository, "env": variables, "capture_output": True, "text": True}
        done = subprocess.run([*command, "--networks", network], **options)
        assert done.returncode == 0, done.stderr[-3000:]
        return str(done.stdout)

    stopped = until(0.051, 100_000, pause=4.0)
    assert "Time is up" in stopped and "no epoch is complete" in stopped
    state = read_state(tmp_path / "small")
    assert state is not None and state.step > 0
    printed = until(30, state.step // 4 + 1, pause=0.0)
    assert f"Going on after step {state.step}" in printed and "small: validation nme68" in printed
    folder = tmp_path / "presets" / "small"
    whole = (folder / "weights.npz").read_bytes()
    assert b"".join(path.read_bytes() for path in sorted(folder.glob("weights.npz.*"))) == whole
    model, config, _ = weights.find(str(folder)).network()
    assert config.width == 0.1 and all(np.isfinite(np.asarray(weight)).all() for weight in model.weights)


def test_networks_are_said_in_a_line(repository: Path) -> None:
    tool = load_tool(repository, "train_presets")
    assert tool.planned("prn 2.5 --model prn --model.views 1") == ("prn", 2.5, ["--model", "prn", "--model.views", "1"])
    assert {tool.planned(text)[2][1] for text in tool.NETWORKS} <= {*presets.available(), "mnv2_prn", "prn_res"}
    for wrong in ("prn", "prn soon --model prn", ""):
        with pytest.raises(UserError, match="NAME MINUTES OPTIONS"):
            tool.planned(wrong)
