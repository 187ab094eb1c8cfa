"""Two commands do not write into one folder at the same time."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.inputs import picture, write_aflw_item
from tfface import cli, evaluate, predict, prepare, synthesize, train
from tfface.errors import UserError
from tfface.parallel.pool import shared

HOLDER = """
import sys
from pathlib import Path
from tfface.cli import alone_in
alone_in(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def taken(tmp_path: Path) -> Iterator[Path]:
    """A folder into which another process writes."""
    out = tmp_path / "out"
    with subprocess.Popen([sys.executable, "-c", HOLDER, out], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdin is not None
        assert other.stdout.readline() == b"held\n"
        yield out
        other.stdin.close()


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (predict.main, ["{photos}", "--model", "fast", "--out"]),
        (train.main, ["--model", "mnv2_light", "--run.out"]),
        (synthesize.main, ["--pairs", "2", "--out"]),
        (prepare.main, ["{photos}", "--out"]),
        (evaluate.main, ["--data", "{aflw}", "--model", "fast", "--out"]),
    ],
    ids=["predict", "train", "synthesize", "prepare", "evaluate"],
)
def test_the_second_is_told(
    command: cli.Main, arguments: list[str], taken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(picture("PNG"))
    write_aflw_item(tmp_path / "aflw", "image1")
    filled = [text.format(photos=tmp_path / "photos", aflw=tmp_path / "aflw") for text in arguments]
    assert cli.run(command, [*filled, str(taken)]) == 2
    printed = capsys.readouterr().err
    assert "Another command of tfface is writing into" in printed and printed.count("\n") == 1
    assert not list(taken.iterdir())


def test_a_folder_is_free_when_its_command_has_ended_however(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as a:
        assert a.stdout is not None and a.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match="Another command"):
            cli.alone_in(tmp_path)
        a.kill()
    assert cli.run(lambda _: cli.alone_in(tmp_path) or 0) == 0
    assert not list(tmp_path.iterdir())


def test_folders_that_were_made_for_nothing_are_gone(tmp_path: Path) -> None:
    def fails(_: object) -> int:
        cli.alone_in(tmp_path / "a" / "b")
        cli.alone_in(tmp_path / "a" / "b")
        assert (tmp_path / "a" / "b").is_dir()
        raise UserError("There is nothing to do.")

    assert cli.run(fails) == 2 and not list(tmp_path.iterdir())


def test_processes_that_cannot_be_begun_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where /dev/shm is read-only or missing."""

    def refuses(*_: object, **__: object) -> object:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(multiprocessing.get_context("spawn"), "Lock", refuses)
    with pytest.raises(UserError, match=r"Read-only file system.*/dev/shm"), shared(str, 2) as results:
        list(results([1]))
