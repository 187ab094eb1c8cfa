"""The README's table: one command from a peer's file to Markdown."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from tfface.errors import UserError


@pytest.fixture
def tool(repository: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`benchmarks/accuracy_table.py`, in a house without presets."""
    spec = importlib.util.spec_from_file_location("accuracy_table", repository / "benchmarks" / "accuracy_table.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "accuracy_table", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "_presets", lambda: ())
    return module


def test_a_peers_numbers_stand_in_the_marked_part(tool: ModuleType, tmp_path: Path) -> None:
    data, peers = tmp_path / "aflw", tmp_path / "peers"
    (data / "images").mkdir(parents=True)
    peers.mkdir()
    points = np.random.default_rng(0).uniform(0, 40, (3, 68, 3))
    points[:, 0], points[:, 1] = 0, 40  # boxes of 40 x 40
    names = [f"{i}.jpg" for i in range(3)]
    for name in names:
        Image.new("RGB", (64, 64)).save(data / "images" / name)
    boxes = np.tile([0.0, 0, 50, 50], (3, 1))
    yaw = np.array([5.0, 40.0, 70.0])
    truth = points.transpose(0, 2, 1)
    np.savez(data / "reference.npz", names=names, landmarks68_px=truth, yaw_deg=yaw, roi_box_px=boxes)
    np.savez(peers / "shifted.npz", names=names, landmarks68_px=points + [0.4, 0, 0])
    readme = tmp_path / "README.md"
    readme.write_text("# x\n<!-- accuracy -->\nold\n<!-- /accuracy -->\nend\n")
    arguments = ["--aflw2000", str(data), "--aflw2000-peers", str(peers), "--out", str(tmp_path / "out")]
    assert tool.main([*arguments, "--markdown", str(readme)]) == 0
    text = readme.read_text()
    assert "| shifted | usual | 1.00 | 1.00 | 1.00 | 1.00 | 1.00 | 1.00 |" in text
    assert text.startswith("# x\n<!-- accuracy -->\n|") and text.endswith("<!-- /accuracy -->\nend\n")
    assert "old" not in text
    with pytest.raises(UserError, match="no lines"):
        (tmp_path / "other.md").write_text("mine\n")
        tool.write_markdown(tmp_path / "other.md", "table")


def test_nothing_to_measure_is_reported(tool: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to measure"):
        tool.main(["--out", str(tmp_path)])
