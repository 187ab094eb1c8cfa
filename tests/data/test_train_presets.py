"""The command for ten minutes of a GPU, tried on the processor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.data.tools import load_tool
from tfface import weights
from tfface.errors import UserError
from tfface.models import presets
from tfface.training.checkpoint import read_state

FACES = "--pairs 48 --pairs-per-shard 16 --first-pairs 32 --workers 1 --textures 2 --image-size 48"
SMALL = f"{FACES} --batch 4 --steps-per-epoch 4"
NETWORK = "--model mnv2_light --model.width 0.1 --model.image-size 32 --model.map-size 16 --model.features 16"


@pytest.mark.slow
def test_faces_are_made_while_a_network_trains_and_it_becomes_a_preset(repository: Path, tmp_path: Path) -> None:
    command = [sys.executable, "data_tools/train_presets.py", "--out", str(tmp_path), *SMALL.split()]
    command += ["--validation-size", "8", "--precision", "float32"]

    def until(minutes: float, epochs: int) -> str:
        network = f"small {minutes} {NETWORK} --device cpu --optim.epochs {epochs}"
        done = subprocess.run([*command, "--networks", network], cwd=repository, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    assert "Time is up" in until(0.051, 100_000)  # its first step takes as long, so there is no preset to export yet
    state = read_state(tmp_path / "small")
    assert state is not None and state.step > 0
    told = until(30, state.step // 4 + 1)
    assert f"Going on after step {state.step}" in told and "small: validation nme68" in told
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
