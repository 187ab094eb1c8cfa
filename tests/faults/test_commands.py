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
from tests.toy_network import save_toy_network
from tfface import app, apply, evaluate, export, fit, predict, sweep, synthesize, train, view
from tfface import config as configuration
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


P, F, T, E, X = predict.main, fit.main, train.main, evaluate.main, export.main
A, S, W, V, G = apply.main, synthesize.main, sweep.main, view.main, app.main
OUT = ["--out", "{out}"]
BOX = ["--box", "0", "0", "60", "60"]
TABLE: list[tuple[Callable[..., int], list[str], str]] = [
    (P, ["{root}/none.png", *OUT], "does not exist"),
    (P, ["{folder}", *OUT], "holds no pictures"),
    (P, ["{photo.png}", "--model", "nonesuch", *OUT], "nonesuch"),
    (P, ["{photo.png}", "--model", "{folder}", *OUT], "nor the folder of an exported model"),
    (P, ["{photo.png}", "--model", "{broken_graph}", *BOX, *OUT], "as a SavedModel"),
    (P, ["{photo.png}", "--model", "{broken_card}", *BOX, *OUT], "tfface.json"),
    (P, ["{photo.png}", "--model", "{broken_variables}", *BOX, *OUT], "as a SavedModel"),
    (P, ["{photo.png}", "--out", "{text}"], "is a file"),
    (P, ["{photo.png}", "--recrop", "-1", *OUT], "negative"),
    (P, ["{photo.png}", "--detail", "--detail-strength", "nan", *OUT], "--detail-strength"),
    (P, ["{photo.png}", "--detail-strength", "2", *OUT], "goes with --detail"),
    (P, ["{photo.png}", "--set", *OUT], "not a folder"),
    (P, ["{photo.png}", "--detector", "eyes", *OUT], "eyes"),
    (P, ["{photo.png}", "--model", "{model}", "--box", "0", "0", "1e-9", "1e-9", *OUT], "not a face's"),
    (P, ["{photo.png}", "--model", "{model}", "--box", "0", "0", "1e300", "1e300", *OUT], "not a face's"),
    (P, ["{photo.png}", "--model", "{model}", "--box", "0", "0", "inf", "inf", *OUT], "not a valid box"),
    (P, ["{photo.png}", "--model", "{model}", "--box", "nan", "0", "9", "9", *OUT], "not a valid box"),
    (P, ["{photo.png}", "--model", "{model}", "--box", "900", "900", "960", "960", *OUT], "outside the picture"),
    (P, ["{photo.png}", "{root}/none.png", *OUT], "does not exist"),
    (F, ["{root}/none.png", *OUT], "does not exist"),
    (F, ["{page.html}", "--landmarks", "{random.npy}", *OUT], "not a picture"),
    (F, ["{photo.png}", "--landmarks", "{few.npy}", *OUT], "68 points"),
    (F, ["{photo.png}", "--landmarks", "{endless.npy}", *OUT], "finite"),
    (F, ["{photo.png}", "--landmarks", "{objects.npy}", *OUT], "objects.npy"),
    (F, ["{photo.png}", "--landmarks", "{complex.npy}", *OUT], "are complex"),
    (F, ["{photo.png}", "--landmarks", "{open.json}", *OUT], "open.json"),
    (F, ["{photo.png}", "--landmarks", "{deep.json}", *OUT], "nested too deeply"),
    (F, ["{photo.png}", "--landmarks", "{page.html}", *OUT], "no landmarks"),
    (F, ["{photo.png}", "--landmarks", "{random.npy}", "--steps", "0", *OUT], "not a face's"),
    (F, ["{photo.png}", "--landmarks-file", "{text}", *OUT], "dlib's shape predictor"),
    (F, ["{photo.png}", "--landmarks-file", "{folder}", *OUT], "is a folder"),
    (F, ["{photo.png}", "--box", "0", "0", "1e300", "9", *OUT], "not a face's"),
    (F, ["{photo.png}", "--out", "{text}"], "is a file"),
    (T, ["--config", "{root}/none.yaml"], "does not exist"),
    (T, ["--config", "{loop.yaml}"], "loop.yaml"),
    (T, ["--config", "{latin.yaml}"], "latin.yaml"),
    (T, ["--config", "{list.yaml}"], "no mapping"),
    (T, ["--config", "{page.html}"], "page.html"),
    (T, ["--resume", "{folder}"], "not a run's folder"),
    (T, ["--resume", "{damaged_run}"], "width"),
    (T, ["--model", "mnv2_ligth"], "mnv2_light"),
    (T, ["--optim.learning-rate", "-1", *OUT], "optim.learning_rate"),
    (T, ["--optim.learning-rate", "nan", *OUT], "optim.learning_rate"),
    (T, ["--optim.learning-rate", "inf", *OUT], "optim.learning_rate"),
    (T, ["--optim.ema", "1.5", *OUT], "optim.ema"),
    (T, ["--model.width", "0", *OUT], "model.width"),
    (T, ["--data.workers", "-1", *OUT], "data.workers"),
    (T, ["--data.batch", "0", *OUT], "data.batch"),
    (T, ["--loss.landmarks", "-3", *OUT], "loss.landmarks"),
    (T, ["--init", "{root}/none.npz", *OUT], "none.npz"),
    (T, ["--init", "{folder}", *OUT], "nor the folder of an exported model"),
    (T, ["--data.records", "{folder}", *OUT], "holds no shards"),
    (T, ["--data.records", "{shards}", *OUT], "holds no shards"),
    (T, ["--data.backgrounds", "{text}", *OUT], "not a folder"),
    (T, ["--out", "{text}"], "is a file"),
    (E, ["--data", "{root}/none", *OUT], "is not a folder"),
    (E, ["--data", "{folder}", *OUT], "holds neither"),
    (E, ["--benchmark", "photos", "--data", "{folder}", *OUT], "holds no .pts"),
    (E, ["--benchmark", "scans", "--data", "{folder}", "--peers", "{folder}", *OUT], "holds no .obj"),
    (E, ["--benchmark", "now", "--data", "{folder}", "--peers", "{folder}", *OUT], "holds neither"),
    (E, ["--benchmark", "300w_lp", "--data", "{folder}", *OUT], "holds none of"),
    (E, ["--data", "{aflw}", "--peers", "{peers}", *OUT], "a.npz"),
    (E, ["--data", "{aflw}", "--peers", "{text}", *OUT], "not a folder"),
    (E, ["--data", "{aflw}", "--model", "nonesuch", *OUT], "nonesuch"),
    (E, ["--data", "{aflw}", "--limit", "0", *OUT], "--limit"),
    (E, ["--data", "{aflw}", "--side-yaw", "nan", *OUT], "--side-yaw"),
    (E, ["--data", "{aflw}", "--bfm", "{text}", *OUT], "text"),
    (E, ["--data", "{aflw}", "--out", "{report}"], "is not a result of tfface"),
    (E, ["--data", "{aflw}", "--out", "{text}"], "is a file"),
    (X, ["{run}"], "Say where to"),
    (X, ["{run}", *OUT], "best.weights.h5"),
    (X, ["{folder}", *OUT], "neither a preset"),
    (X, ["nonesuch", *OUT], "neither a preset"),
    (X, ["{run}", "--out", "{folder}"], "holds other files"),
    (X, ["{run}", "--out", "{text}"], "is a file"),
    (X, ["{run}", "--format", "stl", *OUT], "choose from saved_model"),
    (X, ["{run}", "--batch", "99999999999", *OUT], "give 1 to 4096"),
    (X, ["{run}", "--photos", "{folder}", *OUT], "holds no pictures"),
    (X, ["{run}", "--preset", ""], "is not a name"),
    (X, ["{run}", "--preset", "{folder}"], "holds other files"),
    (P, ["{photo.png}", "--recrop", "999999999", *OUT], "too many"),
    (P, ["{photo.png}", "--way", "nonesuch", *OUT], "choose together"),
    (P, ["{photo.png}", "--way", "mean", *OUT], "several photographs"),
    (P, ["{photo.png}", "--smooth", "nan", *OUT], "goes with a video"),
    (P, ["{photo.png}", "--min-score", "nan", *OUT], "not a number"),
    (P, ["{photo.png}", "--min-score", "-5", *OUT], "give 0 to 1"),
    (P, ["{list.mp4}", *OUT], "cannot be read as a video"),
    (P, ["{root}/none.mp4", *OUT], "does not exist"),
    (P, ["{list.mp4}", "--recrop", "999", *OUT], "too many"),
    (P, ["{list.mp4}", "--detail", *OUT], "not with a video"),
    (P, ["{list.mp4}", "--ray", *OUT], "not with a video"),
    (P, ["{list.mp4}", "--way", "mean", *OUT], "not with a video"),
    (P, ["{list.mp4}", "--out", "{text}"], "is a file"),
    (P, ["{photo.png}", "--detail-model", "nonesuch", *OUT], "goes with --detail"),
    (P, ["{photo.png}", "--detail", "--model", "fast", *OUT], "needs an R-Net"),
    (P, ["{photo.png}", "--mat", "--model", "fast", *OUT], "needs an R-Net"),
    (A, ["pose", "{folder}", *OUT], "holds no pictures"),
    (A, ["frontalise", "{photo.png}", "--size", "0", *OUT], "32 to 4096"),
    (A, ["relight", "{photo.png}", "--strength", "nan", *OUT], "0 to 2"),
    (A, ["relight", "{photo.png}", "--direction", "nan", "0", *OUT], "out of range"),
    (A, ["relight", "{photo.png}", "--panorama", "{page.html}", *OUT], "page.html"),
    (A, ["makeup", "{photo.png}", "--texture-size", "7", *OUT], "does not exist"),
    (A, ["turntable", "{photo.png}", "--fps", "0.001", *OUT], "0.1 to 60"),
    (A, ["turntable", "{photo.png}", "--seconds", "nan", *OUT], "0.1 to 60"),
    (S, ["--pairs", "0", *OUT], "at least 1"),
    (S, ["--pairs-per-shard", "0", *OUT], "at least 1"),
    (S, ["--seed", "-1", *OUT], "out of range"),
    (S, ["--workers", "-1", *OUT], "negative"),
    (S, ["--image-size", "0", *OUT], "16 to 4096"),
    (S, ["--supersample", "3", *OUT], "give 1 or 2"),
    (S, ["--textures", "0", *OUT], "painted skins"),
    (S, ["--backgrounds", "{folder}", *OUT], "holds no pictures"),
    (S, ["--address", "127.0.0.1:1", *OUT], "does not answer"),
    (S, ["--detail", "--base", "mnv2_points", *OUT], "predicts no coefficients"),
    (S, ["--base", "mnv2_points", *OUT], "goes with --detail"),
    (S, ["--detail", "--image-size", "64", *OUT], "does not go with --detail"),
    (S, ["--out", "{text}"], "is a file"),
    (W, ["--num-samples", "0", "--storage", "{out}"], "out of range"),
    (W, ["--max-epochs", "0", "--storage", "{out}"], "out of range"),
    (W, ["--cpus-per-trial", "nan", "--storage", "{out}"], "0 or more"),
    (W, ["--cpus-per-trial", "100000", "--storage", "{out}"], "cores"),
    (W, ["--seed", "-1", "--storage", "{out}"], "out of range"),
    (W, ["--space", "{loop.yaml}", "--storage", "{out}"], "endless"),
    (E, ["--data", "{aflw}", "--recrop", "999999999", *OUT], "--recrop"),
    (E, ["--data", "{aflw}", "--limit", "99999999999999999999999", *OUT], "--limit"),
    (E, ["--data", "{aflw}", "--detector", "", *OUT], "no detector"),
    (E, ["--data", "{aflw}", "--model", "{folder}", *OUT], "neither a preset"),
    (E, ["--data", "{aflw}", "--model", "", *OUT], "neither a preset"),
    (E, ["--data", "{aflw}", "--bfm", "{root}/none.mat", *OUT], "does not exist"),
    (E, ["--data", "{aflw}", "--parts", *OUT], "is of --benchmark synthetic"),
    (E, ["--benchmark", "scans", "--data", "{folder}", "--rotate", "90", *OUT], "is of --benchmark aflw2000"),
    (E, ["--benchmark", "sets", "--peers", "{peers}", *OUT], "sets does not look at it"),
    (E, ["--benchmark", "sets", "--model", "fast", *OUT], "no points and coefficients"),
    (E, ["--data", "{aflw}", "--out", "{loop}"], "a link to nothing"),
    (E, ["--data", "{aflw}", "--out", "{text}/sub"], "is a file"),
    (F, ["{photo.png}", "--steps", "99999999999", *OUT], "out of range"),
    (F, ["{photo.png}", "--steps", "-1", *OUT], "out of range"),
    (F, ["{photo.png}", "--detector", "nonesuch", *OUT], "no detector"),
    (F, ["{photo.png}", "--model", "{text}", *OUT], "neither a preset"),
    (F, ["{photo.png}", "--landmarks-file", "{root}/none.dat", *OUT], "does not exist"),
    (F, ["{folder}", *OUT], "is a folder"),
    (F, ["{zero}", *OUT], "not a picture"),
    (T, ["--out", "{loop}"], "a link to nothing"),
    (T, ["--out", "{text}/sub"], "is a file"),
    (T, ["--init", "{weights.npz}", *OUT], "cannot be read as a file of weights"),
    (T, ["--init", "{weights.h5}", *OUT], "cannot be read as a file of weights"),
    (T, ["--data.backgrounds", "{empty}", *OUT], "holds no pictures"),
    (T, ["--data.records", "{no_records}", *OUT], "are all empty"),
    (T, ["--data.records", "{other_face}", *OUT], "another face model"),
    (T, ["--data.seed", "-1", *OUT], "data.seed"),
    (T, ["--data.workers", "100000", *OUT], "data.workers"),
    (T, ["--data.batch", "1000000000000", *OUT], "data.batch"),
    (T, ["--model.image-size", "1000000000", *OUT], "model.image_size"),
    (T, ["--augment.scale", "2", "1", *OUT], "begins above its end"),
    (T, ["--augment.blur-probability", "5", *OUT], "augment.blur_probability"),
    (T, ["--augment.rotation-deg", "1e30", *OUT], "augment.rotation_deg"),
    (W, ["--space", "{raises.py}", "--storage", "{out}"], "division by zero"),
    (W, ["--space", "{syntax.py}", "--storage", "{out}"], "as a search space in Python"),
    (W, ["--set", "data.batch=[1", "--storage", "{out}"], "cannot be read as KEY=VALUE"),
    (W, ["--set", "data.batch=!!python/object:os.system {{}}", "--storage", "{out}"], "cannot be read as KEY=VALUE"),
    (W, ["--set", "data.records={folder}", "--storage", "{out}"], "holds no shards"),
    (W, ["--set", "data.records={no_records}", "--storage", "{out}"], "are all empty"),
    (W, ["--num-samples", "99999999999999999999", "--storage", "{out}"], "out of range"),
    (W, ["--metric", "", "--storage", "{out}"], "--metric is empty"),
    (W, ["--metric", "nonesuch", "--storage", "{out}"], "choose epoch, step, loss, val_loss"),
    (W, ["--model", "rnet", "--metric", "val_photometrics", "--storage", "{out}"], "val_photometric,"),
    (W, ["--model", "detail", "--storage", "{out}"], "position maps and R-Net"),
    (W, ["--model", "cnet", "--storage", "{out}"], "position maps and R-Net"),
    (W, ["--milliseconds", "--storage", "{out}"], "two objectives"),
    (W, ["--storage", "{text}"], "is a file"),
    (W, ["--storage", "nonesuch://x/y"], "as a storage"),
    (W, ["--resume", "--storage", "{sweep}"], "not a mapping"),
    (W, ["--resume", "--storage", "{odd_sweep}"], "num_samples is 'many'"),
    (W, ["--resume", "--storage", "{root}/none"], "holds no sweep"),
    (V, ["{empty}"], "not a result with a NAME.json"),
    (V, ["{photo.png}"], "not a result with a NAME.json"),
    (V, ["{root}/none"], "does not exist"),
    (G, ["--port", "-1"], "1 to 65535"),
    (G, ["--port", "99999999999999999999"], "1 to 65535"),
]


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
