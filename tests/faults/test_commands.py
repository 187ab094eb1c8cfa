"""A table of wrong arguments and files for the commands: one sentence, the exit code, nothing half-written."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.faults.inputs import HTML, MAT_DAMAGES, picture, write_aflw_item
from tests.faults.wrong_input import BOX, TABLE
from tests.toy_network import save_toy_network
from tfface import config as configuration
from tfface import predict
from tfface.cli import run
from tfface.data.shards.faces import FaceRecord, write_shard
from tfface.data.shards.pictures import encode_jpeg

REPOSITORY = Path(__file__).resolve().parents[2]
POINTS = np.random.default_rng(0).uniform(20, 180, (68, 2))


def tool(name: str) -> Callable[[list[str]], int]:
    """The `main` of a command of `data_tools/`."""
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "data_tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look for it there
    spec.loader.exec_module(module)
    main: Callable[[list[str]], int] = module.main
    return main


def _shards(folder: Path, empty: bool = False, **card: object) -> None:
    import json

    folder.mkdir()
    jpeg = encode_jpeg(np.full((48, 48, 3), 90, np.uint8))
    record = FaceRecord(1, np.zeros(150, np.float32), np.zeros(52, np.float32), (jpeg,) * 2, (np.ones(13),) * 2, {})
    for number in range(3):
        path = folder / f"faces-{number:05d}.tfrecord"
        path.touch() if empty else write_shard(path, [record] * 2)
    card = {"pairs": 6, "pairs_per_shard": 2, "settings": {"enlarge": 1.25}, **card}
    (folder / "dataset.json").write_text(json.dumps(card))


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files and folders that the table names."""
    root = tmp_path_factory.mktemp("places")
    (root / "photo.png").write_bytes(picture("PNG"))
    (root / "folder").mkdir()
    (root / "folder" / "notes.txt").write_text("mine")
    (root / "text").write_text("hello")
    (root / "list.mp4").write_text(f"ffconcat version 1.0\nfile '{root}/other.mp4'\n")  # FFmpeg would open that
    (root / "page.html").write_bytes(HTML)
    (root / "loop.yaml").write_text("a: &x [*x]")
    (root / "latin.yaml").write_bytes(b"run: {out: caf\xe9}")
    (root / "list.yaml").write_text("- 1")
    (root / "weights.npz").write_bytes(b"PK\3\4 not one")
    (root / "weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(90))
    np.save(root / "random.npy", POINTS)
    np.save(root / "few.npy", POINTS[:9])
    np.save(root / "endless.npy", POINTS * np.inf)
    np.save(root / "complex.npy", POINTS + 1j)
    np.save(root / "objects.npy", np.array([{}], object), allow_pickle=True)
    (root / "open.json").write_text('{"landmarks": [[1, 2]')
    (root / "deep.json").write_text("[" * 100_000)
    (root / "empty").mkdir()
    (root / "zero").touch()
    (root / "loop").symlink_to(root / "loop")
    (root / "raises.py").write_text("1 / 0")
    (root / "syntax.py").write_text("def (:")
    (root / "sweep").mkdir()
    (root / "sweep" / "sweep.yaml").write_text("options: 3")
    (root / "odd_sweep").mkdir()
    (root / "odd_sweep" / "sweep.yaml").write_text("options: {num_samples: many, set: 3}")
    (root / "model").mkdir()
    save_toy_network(root / "model")
    for name in ("graph", "card", "variables"):
        save_toy_network(root / f"broken_{name}")
    (root / "broken_graph" / "saved_model.pb").write_bytes(HTML)
    (root / "broken_card" / "tfface.json").write_text('{"face_model": 3}')
    for file in (root / "broken_variables" / "variables").iterdir():
        os.truncate(file, file.stat().st_size // 2)
    (root / "run").mkdir()
    configuration.save(configuration.Config(), root / "run" / "config.yaml")
    (root / "damaged_run").mkdir()
    (root / "damaged_run" / "config.yaml").write_text("model: {name: mnv2_light, width: .nan}")
    _shards(root / "other_face", face_model="another")
    _shards(root / "no_records", empty=True)
    _shards(root / "odd_card", pairs_per_shard="many")
    write_aflw_item(root / "aflw", "image1")
    (root / "peers").mkdir()
    (root / "peers" / "a.npz").write_bytes(HTML)
    (root / "report").mkdir()
    (root / "report" / "results.json").write_text('{"mine": 1}')
    (root / "shards").mkdir()
    (root / "shards" / "faces-00000.tfrecord").write_bytes(b"x" * 99)
    return {path.name: path for path in root.iterdir()} | {"root": root}


@pytest.mark.parametrize("row", range(len(TABLE)), ids=lambda row: f"{TABLE[row][0].__module__}-{row}")
def test_wrong_input(
    row: int,
    places: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    command, arguments, message = TABLE[row]
    arguments = [_filled(text, places, tmp_path / "out") for text in arguments]
    before = {path: path.lstat().st_mtime_ns for path in places["root"].rglob("*")}
    assert run(command, arguments) == 2
    printed = capsys.readouterr().err
    assert message in printed and printed.strip().count("\n") == 0, printed
    assert "Traceback" not in printed and "unexpected" not in printed
    assert not list(tmp_path.iterdir())
    assert {path: path.lstat().st_mtime_ns for path in places["root"].rglob("*")} == before


def _filled(text: str, places: dict[str, Path], out: Path) -> str:
    for name, path in {**places, "out": out}.items():
        text = text.replace("{" + name + "}", str(path))
    return text


@pytest.mark.parametrize(
    ("folder", "message"), [("other_face", "another face model"), ("no_records", "all empty"), ("odd_card", "'many'")]
)
def test_shards_that_cannot_be_trained_on(
    folder: str, message: str, places: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tfface.data.pipeline.batches import Batches
    from tfface.data.pipeline.samples import source_of

    chosen = {"data.records": str(places[folder]), "data.validation_size": 2, "model.views": 1}
    config = configuration.override(configuration.Config(), chosen)

    def command(_: object) -> int:
        Batches(config, source_of(config))
        return 0

    assert run(command) == 2 and message in capsys.readouterr().err


@pytest.mark.parametrize("kind", MAT_DAMAGES)
def test_one_bad_item_is_named_and_the_others_are_done(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    mats = [write_aflw_item(data, f"image{number}") for number in range(1, 4)]
    MAT_DAMAGES[kind](mats[1])
    assert run(tool("convert_300wlp"), ["--data", str(data), "--out", str(out), "--image-size", "64"]) == 1
    printed = capsys.readouterr()
    assert "image2" in printed.out and "1 of 3 failed" in printed.out and "unexpected" not in printed.out + printed.err
    assert "Traceback" not in printed.err and len(list(out.glob("*.tfrecord"))) == 1


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("convert_300wlp", ["--data", "{aflw}", "--out", "{out}", "--image-size", "0"], "16 to 4096"),
        ("convert_300wlp", ["--data", "{aflw}", "--out", "{out}", "--records-per-shard", "0"], "at least 1"),
        ("convert_300wlp", ["--data", "{aflw}", "--out", "{out}", "--workers", "-1"], "0 to 1024"),
        ("convert_facegen", ["--data", "{aflw}", "--bfm", "{text}", "--out", "{text}"], "is a file"),
        ("profile_photos", ["--photos", "{aflw}", "--out", "{out}", "--image-size", "99999999"], "16 to 4096"),
        ("add_backgrounds", ["--images", "{aflw}", "--textures", "{aflw}", "--out", "{aflw}/sub"], "lies in --images"),
        ("sheet_synthetic", ["--out", "{photo.png}"], "not a result of tfface"),
        ("sheet_synthetic", ["--out", "{out}.jpg", "--rows", "0"], "must be 2 to 10000"),
    ],
)
def test_wrong_input_of_tools(
    name: str,
    arguments: list[str],
    says: str,
    places: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(tool(name), [_filled(text, places, tmp_path / "out") for text in arguments]) == 2
    assert says in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_pictures_with_suffixes_in_capitals_are_converted(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    for number in range(1, 5):
        mat = write_aflw_item(data, f"image{number}")
        mat.with_suffix(".jpg").rename(mat.with_suffix(".JPG"))
    assert run(tool("convert_300wlp"), ["--data", str(data), "--out", str(out), "--image-size", "64"]) == 0


def test_pictures_of_one_stem_both_get_backgrounds(tmp_path: Path) -> None:
    images, textures, out = (tmp_path / name for name in ("images", "textures", "out"))
    for folder in (images, textures):
        folder.mkdir()
    for name, kind in (("a.png", "PNG"), ("a.jpg", "JPEG"), ("broken.png", "")):
        (images / name).write_bytes(picture(kind) if kind else HTML)
    (textures / "t.png").write_bytes(picture("PNG"))
    arguments = ["--images", str(images), "--textures", str(textures), "--out", str(out), "--black"]
    assert run(tool("add_backgrounds"), arguments) == 1
    assert sorted(path.name for path in out.iterdir()) == ["a_jpg.png", "a_png.png"]


def test_a_disk_that_takes_nothing_is_reported(
    places: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    def full(*_: object, **__: object) -> tuple[int, str]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkstemp", full)
    out = tmp_path / "out"
    arguments = [str(places["photo.png"]), "--model", str(places["model"]), *BOX, "--out", str(out)]
    assert run(predict.main, arguments) == 2
    printed = capsys.readouterr().err
    assert "No space left on device" in printed and "cannot be written" in printed and printed.count("\n") == 1
    assert not list(out.iterdir())
