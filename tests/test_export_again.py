"""Exports onto earlier ones: what a person wrote there stays, and what cannot be made changes nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.few_layers import two_layers
from tfface import config as configuration
from tfface import models
from tfface.errors import UserError
from tfface.export import main as export
from tfface.models.weights import presets

SMALL = {"model": {"name": "mnv2_light", "image_size": 32, "map_size": 32}}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(models, "build", two_layers)
    folder, config = tmp_path / "run", configuration.override(configuration.Config(), SMALL)
    folder.mkdir()
    two_layers(config.model).save_weights(folder / "best.weights.h5")
    configuration.save(config, folder / "config.yaml")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_card_that_somebody_filled_in_is_kept(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tf2onnx")
    mine, again = tmp_path / "mine", [str(run), "--preset", str(tmp_path / "mine")]
    assert export(again) == 0 and export(again) == 0
    assert [path.name for path in mine.glob("card*")] == ["card.yaml"] and "before" not in capsys.readouterr().out
    card = mine / "card.yaml"
    written = card.read_text()
    for number in (1, 2):
        card.write_text(filled := written.replace("not written yet", f"never saw hair  # {number}"))
        assert export(again) == 0 and card.read_text() == written
        assert (mine / f"card-before-{number}.yaml").read_text() == filled
        assert f"card-before-{number}.yaml" in capsys.readouterr().out


def test_a_preset_whose_graph_cannot_be_made_stays_as_it_was(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    presets.save(two_layers(models_config(run)), models_config(run), mine, {"limits": "many"})
    before = contents(mine)
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(UserError, match=r"tfface\[export\]"):
        export([str(run), "--preset", str(mine)])
    assert contents(mine) == before


def test_weights_that_cannot_be_written_leave_the_preset_as_it_was(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, mine = models_config(run), tmp_path / "mine"
    presets.save(two_layers(config), config, mine, {"limits": "many"}, {"trust.npz": b"far"})
    before = contents(mine)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.savez_compressed", full)
    with pytest.raises(UserError, match="No space left on device"):
        presets.save(two_layers(config), config, mine, {"limits": "few"})
    assert contents(mine) == before


def test_another_networks_graph_does_not_stay_beside_new_weights(run: Path, tmp_path: Path) -> None:
    config, mine = models_config(run), tmp_path / "mine"
    presets.save(two_layers(config), config, mine, {}, {presets.GRAPH_FILE: b"graph"})
    presets.save(two_layers(config), config, mine, {})
    assert (mine / presets.GRAPH_FILE).exists(), "it says nothing of weights"
    other = configuration.override(configuration.Config(), {**SMALL, "model.map_size": 64}).model
    presets.save(two_layers(other), other, mine, {})
    assert not (mine / presets.GRAPH_FILE).exists()


def test_a_readme_that_somebody_filled_in_is_not_lost(run: Path, tmp_path: Path) -> None:
    arguments = [str(run), "--out", str(tmp_path / "out"), "--format", "keras"]
    assert export(arguments) == 0 and export(arguments) == 0
    readme = tmp_path / "out" / "README.md"
    readme.write_text(readme.read_text() + "Never saw hair.\n")
    before = contents(tmp_path / "out")
    with pytest.raises(UserError, match=r"README.md was changed by hand"):
        export(arguments)
    assert contents(tmp_path / "out") == before


def models_config(run: Path) -> configuration.ModelConfig:
    return configuration.load(run / "config.yaml").model
