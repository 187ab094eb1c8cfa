"""Configurations as trees of keys: dotted overrides, YAML files, and errors that name the nearest right key."""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import yaml

from tfface.config.sections import MODELS, Config
from tfface.errors import UserError
from tfface.io.files import MARK, write_text
from tfface.io.reading import parse_yaml, read_text, reading


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration (or one section) as plain dicts, lists and scalars."""
    return {
        key: to_dict(value) if dataclasses.is_dataclass(value) else list(value) if isinstance(value, tuple) else value
        for key, value in ((f.name, getattr(config, f.name)) for f in dataclasses.fields(config))
    }


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`{"a": {"b": 1}}` as pairs `("a.b", 1)`; keys with dots in them are welcome too."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def from_dict(tree: Mapping[str, Any]) -> Config:
    """The defaults changed by a nested dict, as YAML gives it.

    Raises:
        UserError: a key or value that is none, naming the nearest right one.
    """
    return override(Config(), tree)


def override(config: Config, changes: Mapping[str, Any]) -> Config:
    """`config` with dotted keys changed: `override(config, {"loss.landmarks": 16, "model.views": 1})`.

    Another `model.name` (or `model`, for short) brings that network's own starting configuration with it.

    Raises:
        UserError: a key or value that is none, naming the nearest right one.
    """
    sections: dict[str, dict[str, Any]] = {}
    for key, value in flatten(changes):
        section, _, name = key.partition(".")
        if section == "model" and not name:
            name = "name"
        kind = _field_type(config, section, name, key)
        sections.setdefault(section, {})[name] = _checked(key, value, kind)
    named = sections.get("model", {}).get("name", config.model.name)
    if named != config.model.name:
        config = dataclasses.replace(config, model=MODELS.get(named, config.model))
    parts = {s: dataclasses.replace(getattr(config, s), **values) for s, values in sections.items()}
    return validated(dataclasses.replace(config, **parts))


def load(path: str | os.PathLike[str]) -> Config:
    """The configuration in a YAML file.

    Raises:
        UserError: the file is missing, not YAML, or holds a wrong key or value.
    """
    tree = read_yaml(path)
    try:
        return from_dict(tree)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def read_yaml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The mapping in a YAML file, read safely.

    Raises:
        UserError: the file is missing or does not hold a mapping.
    """
    text = read_text(path, "YAML", "name a YAML file of a configuration")
    with reading(path, "YAML", "name a YAML file of a configuration"):
        tree = parse_yaml(text)
        if not _is_tree(tree):
            raise ValueError("it holds no mapping of names to values")
    return dict(tree)


def _is_tree(tree: Any) -> bool:
    """A mapping whose keys are texts, and those of the mappings in it."""
    return isinstance(tree, dict) and all(
        isinstance(key, str) and (not isinstance(value, dict) or _is_tree(value)) for key, value in tree.items()
    )


def save(config: Config, path: str | os.PathLike[str]) -> None:
    """Writes the whole configuration as YAML; `load` gives it back."""
    write_text(path, f"# {MARK}\n{yaml.safe_dump(to_dict(config), sort_keys=False)}")


def validated(config: Config) -> Config:
    """`config` itself (with the source that `data.records` implies) if its values make sense.

    Raises:
        UserError: naming the first value that does not.
    """
    data = config.data
    if data.records and data.source == "synthetic":
        config = dataclasses.replace(config, data=dataclasses.replace(data, source="records"))
    if data.source == "photos":
        config = dataclasses.replace(config, run=dataclasses.replace(config.run, regime="weak"))
        if not data.records:
            raise UserError("data.source photos: name the folder of prepared photographs with `data.records`.")
    _check_network(config)
    _check_sizes(config)
    _check_ranges(config)
    return config


def _check_network(config: Config) -> None:
    """What the network is, and what may be asked of it."""
    model, data = config.model, config.data
    if model.name not in MODELS:
        raise UserError(f"model.name: there is no network {model.name!r}; {_nearest(model.name, MODELS)}.")
    if not model.name.startswith("mnv2_") and model.decoder != "full":
        raise UserError(f"model.decoder: {model.name} has a decoder of its own; leave it at full.")
    if config.optim.learns == "refiner" and model.name != "prn_res":
        raise UserError(f"optim.learns: {model.name} has no refiner; only prn_res has one.")
    if config.optim.frozen and (config.run.regime != "map" or model.space == "picture"):
        raise UserError("optim.frozen: only networks that learn from true maps can; leave it out.")
    if model.lines and (model.name != "detail" or model.space == "picture"):
        raise UserError("model.lines: only detail in the face's chart has lines of their own; leave it out.")
    if config.run.stages == "refiner" and model.name != "prn_res":
        raise UserError(f"run.stages: {model.name} has no refiner; take `model=prn_res`.")
    if config.run.stages == "transfer" and not data.transfer:
        raise UserError("run.stages: transfer needs data.transfer, the folder of shards to go on with.")
    if model.refinements < 1:
        raise UserError("model.refinements: must be 1 or more; a network without a refiner is prn.")
    if model.name == "detail" and model.views != 1:
        raise UserError("model.views: detail looks at one photograph; leave it at 1.")
    if model.points and model.decoder != "basis" and (model.name, model.trunk) != ("rnet", "mobilenet_v2"):
        raise UserError(
            "model.points: only mnv2_basis and rnet on `model.trunk=mobilenet_v2` find points; leave it at 0."
        )
    if model.points and model.rotation == "orbit":
        raise UserError("model.points: a camera that orbits cannot follow points; take `model.rotation=columns`.")
    if not 0 <= model.points <= 1000:
        raise UserError("model.points: must lie between 0 and 1000.")
    if config.run.regime == "weak":
        _check_weak(config)
    if model.confidences and model.name != "rnet":
        raise UserError(f"model.confidences: {model.name} has no coefficients to trust; only rnet has.")
    if config.run.regime == "sets" and not (model.confidences and config.run.init and config.sets.pictures > 1):
        raise UserError(
            "run.regime sets needs model.confidences, run.init (an R-Net) and sets.pictures of 2 or more: `model=cnet`."
        )


def _check_sizes(config: Config) -> None:
    """Of pictures and maps, and numbers that must be 1 or more."""
    model = config.model
    any_size = model.name == "rnet" and model.trunk == "resnet50"
    if model.image_size < 32 or (model.image_size % 32 and not any_size):
        raise UserError(
            f"model.image_size: {model.image_size} is not a multiple of 32; take {_multiple(model.image_size)}."
        )
    if model.lines and model.image_size % 64:
        raise UserError(f"model.image_size: with model.lines a multiple of 64, not {model.image_size}; take 256.")
    ratio = model.map_size * 32 // model.image_size
    if model.decoder == "light" and (
        ratio * model.image_size != model.map_size * 32 or ratio & (ratio - 1) or not ratio
    ):
        raise UserError(f"model.map_size: {model.map_size} is not {model.image_size // 32} doubled some times.")
    for key in ("data.batch", "data.validation_size", "data.steps_per_epoch", "optim.epochs", "model.map_size"):
        section, name = key.split(".")
        if getattr(getattr(config, section), name) < 1:
            raise UserError(f"{key}: must be 1 or more.")


_LEAST = {
    **dict.fromkeys(("model.width", "model.decoder_width"), 1e-6),
    **dict.fromkeys(("model.features", "model.components", "data.shuffle", "data.textures", "data.chunk_epochs"), 1),
    **dict.fromkeys(("optim.halve_every_epochs", "optim.patience"), 1),
    **dict.fromkeys(("data.workers", "data.chunk", "optim.warmup_steps", "optim.clipnorm", "optim.weight_decay"), 0),
    **dict.fromkeys(("optim.learning_rate", "optim.ema", "data.seed", "run.seed", "data.shares"), 0),
    **dict.fromkeys(("model.confidences", "sets.bad", "sets.prior"), 0),
    **dict.fromkeys(("sets.people", "sets.pictures"), 1),
    **dict.fromkeys(("run.pictures", "run.max_minutes", "run.checkpoint_minutes"), 0),
}
_MOST = {
    **{"sets.bad": 1, "sets.pictures": 1000, "optim.learning_rate": 3e38, "optim.ema": 0.9999999},
    **dict.fromkeys(("model.width", "model.decoder_width"), 64),
    **dict.fromkeys(("model.image_size", "model.map_size"), 4096),
    **dict.fromkeys(("model.features", "model.components", "model.confidences", "data.batch"), 65536),
    **{"data.workers": 1024, "run.pictures": 64, "augment.dropout_boxes": 1000, "augment.blur_sigma_px": 100},
    **dict.fromkeys(("data.textures", "optim.epochs"), 1e6),
    **dict.fromkeys(("data.validation_size", "data.steps_per_epoch", "data.shuffle", "sets.people"), 1e8),
    **dict.fromkeys(("data.seed", "run.seed"), 2**31 - 1),
    **{"augment.rotation_deg": 180, "augment.dropout_size": 1, "augment.shift": 10},
    **dict.fromkeys(("augment.scale", "augment.colour", "augment.noise_sigma", "augment.gamma"), 1000),
}
_RANGES = tuple(
    f"augment.{name}" for name in ("scale", "colour", "dropout_size", "blur_sigma_px", "noise_sigma", "gamma")
)


def _check_ranges(config: Config) -> None:
    """No number is infinite or none, none of a kind that cannot be below 0 is, and shares are shares."""
    for key, value in flatten(to_dict(config)):
        numbers = [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, (int, float))]
        if not all(math.isfinite(number) for number in numbers):
            raise UserError(f"{key}: {value} is not a finite number.")
        least, most = _LEAST.get(key, -math.inf), _MOST.get(key, math.inf)
        if key.startswith(("loss.", "weak.", "detail.", "augment.")):
            least = 0
        if key.startswith("augment.") and key.endswith("_probability"):
            most = 1
        for number in numbers:
            if number < least:
                raise UserError(f"{key}: {number:g} is too small; give {least:g} or more.")
            if number > most:
                raise UserError(f"{key}: {number:g} is too large; give at most {most:g}.")
        if key in _RANGES and numbers[0] > numbers[1]:
            raise UserError(f"{key}: {value} begins above its end; give the least, then the most.")
        if key == "data.shares" and not sum(numbers) > 0:
            raise UserError(f"{key}: {value} are not shares; give three, such as 0.7 0.15 0.15.")


def _check_weak(config: Config) -> None:
    if config.model.name != "rnet" or config.model.views != 1:
        raise UserError("run.regime weak: only R-Net with one view learns from pictures alone; add `model=rnet`.")
    if config.data.source == "photos" and config.weak.map:
        raise UserError("weak.map: photographs have no true maps; leave it at 0, or train on synthetic faces.")


def _field_type(config: Config, section: str, name: str, key: str) -> Any:
    if section not in typing.get_type_hints(Config):
        raise UserError(f"There is no configuration section {section!r} (in {key!r}); {_nearest(key, _all_keys())}.")
    hints = typing.get_type_hints(type(getattr(config, section)))
    if name not in hints:
        raise UserError(f"There is no configuration key {key!r}; {_nearest(key, _all_keys())}.")
    return hints[name]


def _checked(key: str, value: Any, kind: Any) -> Any:
    """`value` as `kind`, one of str, bool, int, float, Literal, tuples of them and lists of any length."""
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        if value not in choices or isinstance(value, bool):
            raise UserError(f"{key}: {value!r} is none of its values; {_nearest(str(value), map(str, choices))}.")
        return value
    if typing.get_origin(kind) is tuple:
        kinds = typing.get_args(kind)
        if kinds[-1] is Ellipsis:
            if not isinstance(value, (list, tuple)):
                raise UserError(f"{key}: {value!r} should be a list.")
            return tuple(_checked(key, part, kinds[0]) for part in value)
        if not isinstance(value, (list, tuple)) or len(value) != len(kinds):
            raise UserError(f"{key}: {value!r} should be {len(kinds)} numbers, such as [0.9, 1.2].")
        return tuple(_checked(key, part, part_kind) for part, part_kind in zip(value, kinds, strict=True))
    try:
        if kind in (int, float) and not isinstance(value, bool) and kind(value) == float(value):
            return kind(value)
    except (TypeError, ValueError, OverflowError):
        pass
    if kind in (str, bool) and isinstance(value, kind):
        return value
    raise UserError(f"{key}: {value!r} should be of type {kind.__name__}.")


def _all_keys() -> list[str]:
    return [key for key, _ in flatten(to_dict(Config()))]


def _nearest(word: str, words: typing.Iterable[str]) -> str:
    """'did you mean ...?' or, where nothing is near, the choices."""
    choices = list(words)
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    tail = [c for c in choices if c.split(".")[-1] == word.split(".")[-1]]
    if near or tail:
        return f"did you mean {(tail or near)[0]!r}"
    return "choose one of " + ", ".join(choices) if len(choices) < 12 else "see tfface train --help"


def _multiple(size: int) -> int:
    return max(32, round(size / 32) * 32)
