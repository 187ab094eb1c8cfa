"""`tfface train`: trains a network; a run that was stopped goes on."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import tyro

from tfface import config as configuration
from tfface.cli import alone_in, check_out, run, training_convolutions
from tfface.config import MODELS, Config, ModelConfig
from tfface.config.recipes import recipe
from tfface.errors import UserError

Options = Annotated[Config, tyro.conf.FlagConversionOff]

DESCRIPTION = """Train a network on synthetic faces, or with --data.records on TFRecord shards.

--model NAME starts from a network's own configuration: mnv2_prn, mnv2_light, or a preset. --config FILE starts from a
run's config.yaml; --resume DIR goes on with the run in DIR, --config FILE --resume with the one in its run.out.
--model cnet trains C-Net, what weighs several pictures of a person, on the R-Net that --init names (rnet_points).
--recipe lium2020 or zhou2021 sets that seed's losses, augmentation and rates; autoencoder or base_branch (--preset
means the same) makes the R-Net of Du 2020 or 001. --stages refiner or transfer trains in stages. Any value can be
given as well; the same --out goes on where it stopped. --device, --precision, --strategy, --out, --resume and --init
are short for --run.device and so on, --data for --data.source: --model rnet --data photos --data.records DIR trains on
photographs that tfface prepare prepared."""


SHORTHANDS = {
    "--data": "--data.source",
    "--preset": "--recipe",
    **{f"--{name}": f"--run.{name}" for name in ("device", "precision", "strategy", "out", "resume", "init")},
}
SHORTHANDS["--stages"] = "--run.stages"


def main(argv: list[str] | None = None) -> int:
    """Trains as `argv` says; 0.

    Raises:
        UserError: a wrong value, or nothing to train on.
    """
    config = parse(sys.argv[1:] if argv is None else argv)
    check_places(config)
    training_convolutions()
    from tfface.training import devices

    devices.choose_backend(config)
    from tfface.training import regimes, run_folder

    if not config.run.out:
        run = dataclasses.replace(config.run, out=run_folder.new_name(config))
        config = dataclasses.replace(config, run=run)
    if config.run.strategy != "multi_worker":  # whose processes share a folder
        alone_in(Path(config.run.out))
    regimes.train(config)
    return 0


def check_places(config: Config) -> None:
    """Looks at the files and folders that a configuration names, before anything heavy is imported.

    Raises:
        UserError: one is not there or not what it should be.
    """
    from tfface import weights
    from tfface.data.shards.folder import check_face_model, find_shards, must_hold_records, read_dataset_card
    from tfface.face.open_model import load_open_face
    from tfface.io.image import survey
    from tfface.models.weights import presets

    data, run_ = config.data, config.run
    if config.model.confidences and run_.regime != "sets":
        raise UserError("model.confidences: C-Net learns by itself, on an R-Net that stays: --model cnet --init RUN.")
    if config.sets.photos and not Path(config.sets.photos).is_dir():
        raise UserError(f"--sets.photos {config.sets.photos} is not a folder; name one that holds a folder a person.")
    if run_.init:
        presets.check_readable(weights.find(run_.init).file())
    for folder in filter(None, (data.records, data.transfer)):
        if data.source == "photos":
            from tfface.data.shards.photos import find_photo_shards

            find_photo_shards(Path(folder))
        else:
            must_hold_records(find_shards(Path(folder)), "training")
        check_face_model(Path(folder), read_dataset_card(Path(folder)), load_open_face().checksum)
    if data.backgrounds and not survey(data.backgrounds, deep=True).photographs:
        raise UserError(f"--data.backgrounds {data.backgrounds} holds no pictures: name a folder that does.")
    if run_.out:
        check_out(Path(run_.out))


def parse(argv: list[str]) -> Config:
    """The configuration that a command line means: a base (`--config`, `--run.resume`, `--model`), then changes to it.

    Raises:
        UserError: a file or value that is wrong.
    """
    rest, named = _take(_spelt_out(argv), ("--config", "--run.resume", "--model", "--recipe"))
    base = _base(named)
    return configuration.validated(
        tyro.cli(Options, args=rest, default=base, prog="tfface train", description=DESCRIPTION)
    )


def _spelt_out(argv: list[str]) -> list[str]:
    """`--device gpu` means `--run.device gpu`, and so on for `SHORTHANDS`."""
    parts = (argument.partition("=") for argument in argv)
    return [SHORTHANDS.get(flag, flag) + equals + value for flag, equals, value in parts]


def _base(named: dict[str, str]) -> Config:
    config = configuration.load(named["--config"]) if "--config" in named else Config()
    if "--run.resume" in named:
        folder = Path(named["--run.resume"] or config.run.out or ".")
        if not (folder / "config.yaml").is_file():
            raise UserError(f"{folder} is not a run's folder (it holds no config.yaml); see what lies under runs/.")
        if named["--run.resume"]:
            config = configuration.load(folder / "config.yaml")
        config = dataclasses.replace(config, run=dataclasses.replace(config.run, out=str(folder)))
    if named.get("--model") == "cnet":
        named["--model"] = "rnet_points"
        config = configuration.override(config, {"run.init": "rnet_points"})
        named.setdefault("--recipe", "cnet")
    if "--model" in named:
        config = dataclasses.replace(config, model=_named_model(named["--model"]))
    if "--recipe" in named:
        config = configuration.override(config, recipe(named["--recipe"]))
    return config


def _named_model(name: str) -> ModelConfig:
    """A network's starting configuration, or a preset's."""
    if name in MODELS:
        return MODELS[name]
    from tfface.models.weights import presets

    if name in presets.available():
        return dataclasses.replace(presets.model_config(name), confidences=0)  # C-Net is trained by itself
    return configuration.override(Config(), {"model.name": name}).model  # says which names are near


def _take(argv: list[str], flags: tuple[str, ...]) -> tuple[list[str], dict[str, str]]:
    """`argv` without these flags, and their values; `--flag VALUE` and `--flag=VALUE`."""
    rest, found, remaining = [], {}, list(argv)
    while remaining:
        flag, equals, value = remaining.pop(0).partition("=")
        if flag not in flags:
            rest.append(flag + equals + value)
            continue
        if not equals:
            bare = not remaining or remaining[0].startswith("--")
            if bare and flag == "--run.resume":
                found[flag] = ""
                continue
            if bare:
                raise UserError(f"{flag} needs a value after it; see tfface train --help.")
            value = remaining.pop(0)
        found[flag] = value
    return rest, found


if __name__ == "__main__":
    sys.exit(run(main))
