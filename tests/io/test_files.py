"""Files are whole or absent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tfface.errors import UserError
from tfface.io.files import atomic_path, cache_folder, must_be_free
from tfface.models.weights.presets import EXPORTED

KILLED = """
import os, signal, sys
from tfface.io.files import atomic_path
with atomic_path(sys.argv[1]) as beside:
    beside.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_file_appears_when_its_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.txt"
    with atomic_path(target) as beside:
        beside.write_text("whole")
        assert not target.exists() and beside.suffix == ".txt"
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_a_failed_block_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a leftover goes after a day")
def test_what_a_killed_process_had_begun_goes_with_the_next_file(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert subprocess.run([sys.executable, "-c", KILLED, str(folder / "face.obj")]).returncode < 0
    (left,) = folder.iterdir()
    assert left.name.startswith(".face-") and left.read_text() == "half"
    left.with_suffix(".weights.h5").write_text("half")  # as Keras calls it
    left.with_suffix("").mkdir()  # as an export's folder is called
    mine = [".face-original.obj", ".face.obj", ".face-tfface-notes.obj", "face-tfface-0a1b2c3d-1-abcdefgh.obj"]
    for name in mine:
        (folder / name).write_text("mine")
    with atomic_path(folder / "new.obj") as beside:
        held = beside.name
        process = subprocess.run(
            [sys.executable, "-c", KILLED, str(folder / "other.obj")]
        )  # looks, while this one writes
        assert process.returncode < 0 and beside.exists()
        beside.write_text("whole")
    assert held not in {path.name for path in folder.iterdir()}
    there = {path.name for path in folder.iterdir() if "other" not in path.name}
    assert there == {*mine, "new.obj"}


def test_what_another_machine_had_begun_goes_after_a_day(tmp_path: Path) -> None:
    fresh, old = (tmp_path / f".face-tfface-0a1b2c3d-1-{name}.obj" for name in ("abcdefgh", "ijklmnop"))
    for path in (fresh, old):
        path.write_text("half")
    os.utime(old, (time.time() - 90_000,) * 2)
    with atomic_path(tmp_path / "new.obj") as beside:
        beside.write_text("whole")
    assert fresh.exists() and not old.exists()


def test_cache_folder_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TFFACE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("TFFACE_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "tfface"


def test_a_folder_with_a_persons_own_files_is_not_replaced(tmp_path: Path) -> None:
    for name in ("tfface.json", "model.onnx", "README.md", ".git"):
        (tmp_path / name).touch()
    must_be_free(tmp_path, "tfface.json")  # files are written one by one
    with pytest.raises(UserError, match=r"holds other files \(.git\)"):
        must_be_free(tmp_path, "tfface.json", "the model", EXPORTED)
    (tmp_path / ".git").unlink()
    must_be_free(tmp_path, "tfface.json", "the model", EXPORTED)


def test_a_user_without_a_home_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv("TFFACE_CACHE", raising=False)
    with pytest.raises(UserError, match="TFFACE_CACHE"):
        cache_folder()
    monkeypatch.setenv("TFFACE_CACHE", "somewhere")
    assert cache_folder() == Path("somewhere")
