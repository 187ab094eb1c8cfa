"""Configuration: round trips, overrides, command lines, and errors that name the right thing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

from tfface import config as configuration
from tfface.config import Config, override, sections
from tfface.errors import UserError
from tfface.train import parse


def test_yaml_round_trip(tmp_path: Path) -> None:
    changed = override(
        Config(), {"loss.landmarks": 8, "augment": {"scale": [0.7, 1.3]}, "model": "mnv2_light", "run.out": "somewhere"}
    )
    assert changed.loss.landmarks == 8.0 and changed.augment.scale == (0.7, 1.3)
    configuration.save(changed, tmp_path / "config.yaml")
    assert configuration.load(tmp_path / "config.yaml") == changed
    assert configuration.load(tmp_path / "config.yaml") != Config()


def test_naming_a_network_brings_its_own_start() -> None:
    light = override(Config(), {"model.name": "mnv2_light", "model.width": 0.5}).model
    assert (light.decoder, light.views, light.width) == ("light", 1, 0.5)
    assert override(Config(model=light), {"model.name": "mnv2_light"}).model.width == 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss.landmrks": 1}, "'loss.landmarks'"),
        ({"landmarks": 1}, "'loss.landmarks'"),
        ({"optimiser.patience": 1}, "'optim.patience'"),
        ({"loss.kind": "l2"}, "'l1'"),
        ({"model.name": "mnv2_pnr"}, "'mnv2_prn'"),
        ({"data.batch": "many"}, "data.batch"),
        ({"data.batch": 1.5}, "data.batch"),
        ({"data.batch": True}, "data.batch"),
        ({"data.batch": 0}, "data.batch"),
        ({"augment.scale": 1.0}, "augment.scale"),
        ({"model.image_size": 250}, "256"),
        ({"model": "mnv2_light", "model.map_size": 60}, "model.map_size"),
    ],
)
def test_wrong_keys_and_values_name_the_right_one(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        override(Config(), changes)


def test_yaml_numbers_and_unsafe_tags(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("optim: {learning_rate: 1e-3}")  # YAML 1.1 reads 1e-3 as a string
    assert configuration.load(path).optim.learning_rate == 1e-3
    path.write_text("run: {out: !!python/object/apply:os.getcwd []}")
    with pytest.raises(UserError, match="config.yaml"):
        configuration.load(path)
    with pytest.raises(UserError, match="absent.yaml"):
        configuration.load(tmp_path / "absent.yaml")


def test_every_field_is_explained() -> None:
    source = Path(sections.__file__).read_text(encoding="utf-8").splitlines()
    for section in dataclasses.fields(Config):
        for field in dataclasses.fields(getattr(Config(), section.name)):
            number = next(i for i, line in enumerate(source) if line.startswith(f"    {field.name}: "))
            assert source[number + 1].strip().startswith('"""'), field.name


def test_command_line(tmp_path: Path) -> None:
    config = parse(
        ["--model", "mnv2_light", "--model.width", "0.5", "--data.records", "shards", "--augment.mirror", "False"]
    )
    assert (config.model.name, config.model.width, config.model.image_size) == ("mnv2_light", 0.5, 128)
    assert config.data.source == "records" and not config.augment.mirror
    configuration.save(config, tmp_path / "config.yaml")
    resumed = parse([f"--resume={tmp_path}", "--optim.epochs", "7"])
    assert resumed.run.out == str(tmp_path) and resumed.optim.epochs == 7 and resumed.model == config.model
    assert parse(["--config", str(tmp_path / "config.yaml")]) == config
    with pytest.raises(UserError, match="mnv2_prn"):
        parse(["--model", "mnv2_prm"])


def test_a_wrong_name_is_one_line(python) -> None:  # type: ignore[no-untyped-def]
    wrong = python("-m", "tfface.train", "--model", "mnv2_prm")
    assert wrong.returncode == 2 and "mnv2_prn" in wrong.stderr and "Traceback" not in wrong.stderr


def test_saved_yaml_is_plain(tmp_path: Path) -> None:
    configuration.save(Config(), tmp_path / "c.yaml")
    assert yaml.safe_load((tmp_path / "c.yaml").read_text())["data"]["batch"] == 16
