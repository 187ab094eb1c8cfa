"""Which weights a name or a folder means: every spelling, one sentence where there are none, and the exports kept."""

from __future__ import annotations

import os
from pathlib import Path

import grimp
import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.few_layers import two_layers
from tests.forked import begin, ended
from tests.toy_network import save_toy_network
from tfface import config as configuration
from tfface import models, weights
from tfface.config import Config, ModelConfig, override
from tfface.errors import UserError
from tfface.models.weights import presets

TINY = override(Config(), {"model": {"name": "mnv2_light", "image_size": 32, "map_size": 32}}).model


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a preset, a run and an exported model, and an empty cache; the preset `small` ships."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(presets, "PRESETS", tmp_path / "ships")
    monkeypatch.setattr(presets, "DEFAULT", "small")
    monkeypatch.setattr(models, "build", two_layers)
    monkeypatch.setenv("TFFACE_CACHE", str(tmp_path / "cache"))
    model = two_layers(TINY)
    presets.save(model, TINY, tmp_path / "ships" / "small", {"commit": "abc"})
    presets.save(model, TINY, tmp_path / "mine", {"commit": "def"})
    (tmp_path / "run").mkdir()
    model.save_weights(tmp_path / "run" / "best.weights.h5")
    configuration.save(Config(model=TINY), tmp_path / "run" / "config.yaml")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (None, "ships/small/weights.npz"),
        ("small", "ships/small/weights.npz"),
        ("mine", "mine/weights.npz"),
        ("run", "run/best.weights.h5"),
        (Path("run"), "run/best.weights.h5"),
        ("mine/weights.npz", "mine/weights.npz"),
        ("run/best.weights.h5", "run/best.weights.h5"),
    ],
)
def test_every_spelling_gives_weights_a_network_and_an_export(own: Path, name: str | Path | None, found: str) -> None:
    import tensorflow as tf

    meant = weights.find(name)
    assert meant.file().resolve() == own / found and meant.name == (own / found).parent.name
    network, config, _ = meant.network()
    picture = np.random.default_rng(0).uniform(size=(1, 32, 32, 3)).astype(np.float32)
    exported = tf.saved_model.load(str(weights.find(name).saved_model()))
    served = exported.serve(picture)["position_map"].numpy()
    expected = keras.ops.convert_to_numpy(models.predictor(network, config)(picture)["position_map"])
    np.testing.assert_allclose(served, expected, rtol=1e-4, atol=1e-3)


def test_an_exported_model_predicts_but_has_no_weights_to_train(own: Path) -> None:
    save_toy_network(own / "toy")
    assert weights.find("toy").saved_model() == Path("toy") and weights.find("toy").name == "toy"
    with pytest.raises(UserError, match="name the run or the preset"):
        weights.find("toy").file()


def test_a_folder_that_holds_a_model_comes_before_a_preset_and_another_does_not(own: Path) -> None:
    (own / "small").mkdir()
    assert weights.find("small").file() == own / "ships" / "small" / "weights.npz"
    save_toy_network(own / "small")
    assert weights.find("small").saved_model() == Path("small")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("smal", "did you mean 'small'"),
        ("ships", r"neither a preset \(small\) nor the folder of an exported model"),
        ("photo.jpg", "neither a preset"),
        ("begun", "has not ended an epoch"),
    ],
)
def test_what_is_no_model_is_reported(own: Path, name: str, message: str) -> None:
    (own / "photo.jpg").touch()
    configuration.save(Config(model=TINY), own / "begun" / "config.yaml")
    with pytest.raises(UserError, match=message):
        weights.find(name)


def test_weights_away_from_their_configuration_have_no_network(own: Path) -> None:
    os.rename(own / "run" / "best.weights.h5", own / "alone.h5")
    assert weights.find("alone.h5").file() == Path("alone.h5")
    with pytest.raises(UserError, match="which network"):
        weights.find("alone.h5").network()


def test_weights_of_another_face_model_are_refused(own: Path) -> None:
    path = own / "ships" / "small" / "weights.npz"
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    for theirs in (
        {**arrays, presets.FACE_MODEL: np.array("another")},
        {k: arrays[k] for k in arrays if k != presets.FACE_MODEL},
    ):
        np.savez(path, **theirs)
        with pytest.raises(UserError, match="for another face model .* train again"):
            weights.find("small").network()


def test_an_export_is_made_anew_for_other_weights_cards_code_and_tables(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = weights.find("small").saved_model()
    (own / "ships" / "small" / "card.yaml").write_text("commit: other\n")
    second = weights.find("small").saved_model()
    package = own / "package"
    for room in weights.GRAPH_ROOMS:
        path = package / room if room.endswith(".py") else package / room / "assets" / "table.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("before")
    monkeypatch.setattr(weights, "PACKAGE", package)
    found = {first, second}
    for room in weights.GRAPH_ROOMS:
        (next(package.glob(f"{room}/**/*.npz"), package / room)).write_text(f"after {room}")
        weights.digest_of_code.cache_clear()
        found.add(weights.find("small").saved_model())
    assert len(found) == 2 + len(weights.GRAPH_ROOMS)
    weights.digest_of_code.cache_clear()


def test_the_key_covers_all_that_networks_import() -> None:
    modules = grimp.build_graph("tfface").find_upstream_modules("tfface.models", as_package=True)
    rooms = {name.split(".")[1] for name in modules if "." in name}
    assert rooms <= {room.removesuffix(".py") for room in weights.GRAPH_ROOMS}


def test_an_export_that_another_process_finished_first_is_kept(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner: list[tuple[Path, int]] = []

    def overtaken(config: ModelConfig) -> keras.Model:
        monkeypatch.setattr(models, "build", two_layers)
        folder = weights.find("small").saved_model()
        inner.append((folder, (folder / "saved_model.pb").stat().st_ino))
        return two_layers(config)

    monkeypatch.setattr(models, "build", overtaken)
    folder = weights.find("small").saved_model()
    assert inner == [(folder, (folder / "saved_model.pb").stat().st_ino)]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_folder_in_the_way_and_a_cache_that_cannot_be_written_are_reported(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = weights.find("small").saved_model()
    (folder / "tfface.json").unlink()
    with pytest.raises(UserError, match="in the way"):
        weights.find("small").saved_model()
    (own / "file").touch()
    monkeypatch.setenv("TFFACE_CACHE", str(own / "file"))
    with pytest.raises(UserError, match="TFFACE_CACHE"):
        weights.find("small").saved_model()


def predict_once(name: str, answer: Path) -> None:
    """In a process of its own: the sum of what a network says of a picture, by its SavedModel."""
    models.build = two_layers
    picture = np.random.default_rng(0).random((1, 32, 32, 3), dtype=np.float32)
    network = tf.saved_model.load(str(weights.find(name).saved_model()))
    answer.write_text(str(network.serve(picture)["position_map"].numpy().sum()))


@pytest.mark.slow
def test_processes_that_meet_an_empty_cache_at_once_all_predict(tmp_path: Path) -> None:
    presets.save(two_layers(TINY), TINY, tmp_path / "mine", {})
    name, log, answers = str(tmp_path / "mine"), tmp_path / "log", [tmp_path / f"answer{k}" for k in range(2)]
    begun = [begin(predict_once, name, answer, log=log, TFFACE_CACHE=str(tmp_path)) for answer in answers]
    assert [ended(process) for process in begun] == [0, 0], log.read_text()
    texts = {answer.read_text() for answer in answers}
    assert len(texts) == 1 and float(texts.pop())
    assert len(list((tmp_path / "exported").iterdir())) == 1
