"""Layers that are frozen do not move, nor their batch statistics."""

from __future__ import annotations

import io
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from rich.console import Console

from tfface import models
from tfface.config import override
from tfface.errors import UserError
from tfface.models.weights import presets
from tfface.training.position_map import train


def test_frozen_layers_stay(tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "build", tiny.build)
    config = override(tiny.tiny_config(tmp_path / "run"), {"optim.frozen": ["first", "normal"], "optim.epochs": 1})
    network = models.build(config.model)
    before, start = {v.path: np.asarray(v) for v in network.weights}, tmp_path / "start.weights.h5"
    network.save_weights(start)
    train(override(config, {"run.init": str(start)}), tiny.make_datasets, Console(file=io.StringIO()))
    presets.load_weights(network, tmp_path / "run" / "best.weights.h5")
    moved = {v.path: bool(np.abs(np.asarray(v) - before[v.path]).max() > 0) for v in network.weights}
    assert not any(moved[path] for path in moved if path.startswith(("first", "normal")))
    assert moved["second/kernel"]
    for changes in ({"run.regime": "weak"}, {"model.name": "detail", "model.space": "picture"}):
        with pytest.raises(UserError):
            override(config, changes)
    other = override(config, {"optim.frozen": ["stage1"], "run.out": str(tmp_path / "other")})
    with pytest.raises(UserError, match=r"optim\.frozen.*'stage1'.*first"):
        train(other, tiny.make_datasets, Console(file=io.StringIO()))
