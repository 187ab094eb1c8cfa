"""Networks in each runtime say what Keras says; the default starts without TensorFlow; exports and wrong uses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from tests.few_layers import few_layers, two_layers
from tfface import cli, models
from tfface import config as configuration
from tfface.config import Config, override
from tfface.errors import UserError
from tfface.export import main as export
from tfface.geometry.align import crop_transform
from tfface.inference import Reconstructor
from tfface.io.image import write_image
from tfface.io.warp import warp_image
from tfface.models.weights import presets
from tfface.predict import main as predict
from tfface.runtime import find_network

BOXES = [(150, 50, 290, 190), (190, 60, 330, 200), (170, 0, 270, 100)]
HEAVY = ("tensorflow", "keras", "matplotlib", "trimesh", "scipy.io")


def crops(size: int, views: int) -> np.ndarray:
    one = [warp_image(data.astronaut(), crop_transform(box, size), size, size) / 255 for box in BOXES]
    return np.concatenate([np.float32(one)] * views, axis=-1)


@pytest.mark.parametrize("name", presets.available())
def test_a_presets_graph_says_what_keras_says(name: str) -> None:
    network = find_network(name)
    assert network.runtime == "onnx" and network.folder == presets.folder(name)
    model, config = presets.load(name)
    shape = models.input_shape(config)
    if config.name == "detail":
        pictures = np.random.default_rng(0).random((2, *shape), np.float32)
    else:
        pictures = crops(config.image_size, config.views)
    expected = models.predictor(model, config)(pictures)
    for count in (1, len(pictures)):
        got = network.open()(pictures[:count])
        assert set(got) == set(expected)
        for key, least in (
            ("position_map", 0.01),
            ("landmark_deviations", 1e-3),
            ("coefficients", 5e-3),
            ("displacement", 1e-3),
        ):
            if key in got:
                assert np.abs(got[key] - np.asarray(expected[key])[:count]).max() < least


def test_prediction_imports_nothing_heavy(python, tmp_path: Path) -> None:
    write_image(tmp_path / "astronaut.png", data.astronaut())
    script = f"""
import sys
from tfface.predict import main
code = main([{str(tmp_path / "astronaut.png")!r}, "--out", {str(tmp_path / "out")!r}])
print([name for name in {HEAVY!r} if name in sys.modules], code)
"""
    result = python("-c", script)
    assert result.stdout.splitlines()[-1] == "[] 0", result.stdout + result.stderr
    written = sorted(path.name.removeprefix("astronaut") for path in (tmp_path / "out").iterdir())
    pictures = [f"_{name}.png" for name in ("depth", "eye", "origin", "overlay", "sheet", "texture", "tooth")]
    assert written == [".glb", ".json", ".mtl", ".obj", *pictures]


def test_a_graph_for_another_face_model_is_left_for_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its card says of looks goes along."""
    monkeypatch.setenv("TFFACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(models, "build", two_layers)
    config = override(Config(), {"model": {"name": "mnv2_light", "image_size": 32, "map_size": 32}}).model
    folder, theirs = presets.save(two_layers(config), config, tmp_path / "mine", {}), presets.folder("rnet_points")
    shutil.copy(theirs / presets.GRAPH_FILE, folder)
    card = {**json.loads((theirs / "tfface.json").read_text()), "face_model": {"name": "x", "checksum": "y"}}
    (folder / "tfface.json").write_text(json.dumps({**card, "looks": 1}))
    with pytest.raises(UserError, match="another face model"):
        find_network(folder, runtime="onnx")
    network = find_network(folder)
    assert network.runtime == "tensorflow" and network.looks == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("looks", value) for value in ("many", -1, 10**9, 2.5)),
        *(("batch", value) for value in (0, "x", 10**9)),
        *(("face_maps", value) for value in (None, "x", 3, {"face/map/64": "x"}, {"face/map/64": 10**9})),
        *(("model", value) for value in (None, 3, ["rnet"])),
    ],
)
def test_a_card_with_odd_values_is_reported(key: str, value: object, tmp_path: Path) -> None:
    shutil.copytree(presets.folder("rnet_points"), tmp_path / "mine")
    card = tmp_path / "mine" / "tfface.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), key: value}))
    with pytest.raises(UserError, match="export the model again"):
        find_network(tmp_path / "mine", runtime="onnx")


def test_a_card_of_points_without_coefficients_is_reported(tmp_path: Path) -> None:
    shutil.copytree(presets.folder("rnet_points"), tmp_path / "mine")
    card = tmp_path / "mine" / "tfface.json"
    kept = {key: value for key, value in json.loads(card.read_text()).items() if key != "coefficients"}
    card.write_text(json.dumps(kept))
    with pytest.raises(UserError, match="list of points"):
        Reconstructor(tmp_path / "mine", runtime="onnx")


@pytest.mark.parametrize("times", [-1, 999])
def test_looks_without_sense_are_reported(times: int) -> None:
    with pytest.raises(UserError, match="negative or too many"):
        Reconstructor("fast", recrop=times)


def test_a_graph_without_its_weights_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(presets.folder("rnet_points"), folder)
    with np.load(folder / "weights.npz") as file:
        kept = {name: file[name] for name in file.files[1:]}
    np.savez(folder / "weights.npz", **kept)
    with pytest.raises(UserError, match="belong to another network"):
        find_network(folder).open()


@pytest.fixture
def small() -> Iterator[None]:
    """Networks are built of few layers."""
    with few_layers():
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training run's folder with a small network of random weights."""
    folder = tmp_path_factory.mktemp("run")
    chosen = {"name": "mnv2_light", "image_size": 64, "map_size": 32, "width": 0.25, "mirror_average": True}
    config = override(Config(), {"model": chosen})
    with few_layers():
        model, random = models.build(config.model), np.random.default_rng(0)
    for weight in model.trainable_weights:  # as it starts, it says the same of all pictures
        if weight.name.endswith("kernel"):
            inputs = np.prod(weight.shape[:2]) * (1 if "depthwise" in weight.path else weight.shape[2])
            weight.assign(random.normal(0, np.sqrt(2 / inputs), weight.shape))
    model.save_weights(folder / "best.weights.h5")
    configuration.save(config, folder / "config.yaml")
    return folder


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("options", "runtime", "within"),
    [
        (["keras"], "tensorflow", 1e-3),
        (["onnx"], "onnx", 0.05),
        (["onnx", "--precision", "float16", "--batch", "2"], "onnx", 3.0),
        (["tflite"], "tflite", 0.05),
        (["tflite", "--precision", "float16", "--batch", "2"], "tflite", 3.0),
    ],
)
def test_every_export_predicts_what_keras_predicts(
    options: list[str], runtime: str, within: float, run: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tf2onnx" if runtime == "onnx" else "ai_edge_litert")
    photos, out = tmp_path / "photos", tmp_path / "exported"
    for turn in range(2):
        write_image(photos / f"{turn}.png", np.ascontiguousarray(data.astronaut()[:, :: 1 - 2 * turn]))
    assert export([str(run), "--format", *options, "--out", str(out), "--photos", str(photos)]) == 0
    card = json.loads((out / "tfface.json").read_text())
    assert card["agreement"]["largest_difference_px"] < within and "2 faces" in card["agreement"]["on"]
    assert (out / "README.md").read_text().startswith("---\nlibrary_name: tfface")
    assert json.loads((out / "config.json").read_text())["image_size"] == 64
    assert find_network(out).runtime == runtime
    maps = find_network(out).open()(np.random.default_rng(0).random((3, 64, 64, 3), np.float32))["position_map"]
    assert maps.shape == (3, 256, 256, 3) and np.ptp(maps, axis=0).max() > 0.1


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_an_rnet_is_written_as_tflite(tmp_path: Path) -> None:
    """Its angles and its colours have no operation that TFLite lacks."""
    pytest.importorskip("ai_edge_litert")
    changes = {"model.name": "rnet", "model.trunk": "mobilenet_v2", "model.points": 68, "model.image_size": 64}
    config = configuration.override(configuration.Config(), {**changes, "model.width": 0.35})
    models.build(config.model).save_weights(tmp_path / "best.weights.h5")
    configuration.save(config, tmp_path / "config.yaml")
    assert export([str(tmp_path), "--format", "tflite", "--out", str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out" / "tfface.json").read_text())["agreement"]["largest_difference_px"] < 0.05


@pytest.mark.usefixtures("small")
def test_a_preset_of_a_run_predicts_without_tensorflow(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("tf2onnx")
    assert export([str(run), "--preset", str(tmp_path / "mine")]) == 0
    assert find_network(tmp_path / "mine").runtime == "onnx"
    away = [
        Reconstructor(tmp_path / "mine", runtime=name).predict_box(data.astronaut(), BOXES[0])
        for name in ("onnx", "tensorflow")
    ]
    assert np.abs(away[0] - away[1]).max() < 0.01
    card = tmp_path / "mine" / "tfface.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "looks": 1}))
    assert export([str(run), "--preset", str(tmp_path / "mine")]) == 0
    assert find_network(tmp_path / "mine").looks == 1, "a preset keeps how often it looks"


def test_the_fast_preset_looks_once() -> None:
    fast, usual = (Reconstructor(name)(data.astronaut())[0] for name in ("fast", "mnv2_points"))
    away = np.linalg.norm((fast.vertices - usual.vertices)[:, :2], axis=1).mean()
    assert 0.1 < away < 3
    assert (
        find_network("fast").looks == 1
        and Reconstructor("fast").recrop == 0
        and Reconstructor("mnv2_points").recrop == 1
    )


@pytest.mark.usefixtures("small")
def test_serving_counts_versions(run: Path, tmp_path: Path) -> None:
    (tmp_path / "served" / "3").mkdir(parents=True)
    photos = tmp_path / "photos"
    write_image(photos / "a.png", data.astronaut())
    assert export([str(run), "--serving", "--out", str(tmp_path / "served"), "--photos", str(photos)]) == 0
    assert (tmp_path / "served" / "4" / "saved_model.pb").is_file()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "onxx", "--out", "x"], "choose from saved_model"),
        (["--format", "keras", "--precision", "int8", "--out", "x"], "choose from float32"),
        (["--format", "onnx", "--batch", "0", "--out", "x"], "A batch of 0: give 1"),
        (["--format", "onnx", "--serving", "--out", "x"], "--serving goes with"),
    ],
)
def test_wrong_exports_are_reported(arguments: list[str], message: str, run: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        export([str(run), *arguments])
    assert not list(tmp_path.iterdir())


def test_wrong_runtimes_and_formats_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = tmp_path / "a.png"
    write_image(photo, data.astronaut())
    for options, message in ((["--runtime", "torch"], "choose from onnx"), (["--formats", "objs"], "objs")):
        assert cli.run(predict, [str(photo), "--out", str(tmp_path / "out"), *options]) == 2
        assert message in capsys.readouterr().err


def test_only_what_is_asked_for_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    for name in "abcdefghij":
        write_image(photos / f"{name}.jpg", data.astronaut())
    (photos / "e.jpg").write_text("no picture")
    arguments = [str(photos), "--model", "rnet_points", "--out", str(out), "--formats", "glb", "json", "--no-report"]
    assert predict(arguments) == 1
    printed = capsys.readouterr()
    assert [line.split(" -> ")[0][-5:] for line in printed.out.split("\n") if line] == [
        f"{name}.jpg" for name in "abcdfghij"
    ]
    assert "e.jpg" in printed.err and "1 of 10" in printed.err
    assert {path.suffix for path in out.iterdir()} == {".glb", ".json"} and len(list(out.iterdir())) == 18
    assert predict(arguments) == 1 and "9 of 10 photographs were done before" in capsys.readouterr().err
