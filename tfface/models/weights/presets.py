"""Presets: networks that come with their weights (docs/conventions.md).

`tfface/presets/NAME/` holds `preset.yaml` (the model part of a configuration), `weights.npz` (float16, keyed by the
weights' paths, and the face model's checksum), `card.yaml` (data, command, commit, hours, metrics, limits), and for
prediction without TensorFlow the graph without weights `network.onnx.zz`, with `tfface.json`.
"""

from __future__ import annotations

import difflib
import os
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from tfface import config as configuration
from tfface.config import ModelConfig
from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.io.files import TRUST_FILE, atomic_path, write_text
from tfface.io.reading import must_exist, read_arrays, reading
from tfface.io.unpacking import check_hdf5

if TYPE_CHECKING:
    import keras

FACE_MODEL = "face_model"
"""The entry of `weights.npz` that names the face model: its checksum."""
PRESETS = Path(__file__).resolve().parents[2] / "presets"
GRAPH_FILE = "network.onnx.zz"
"""A network's graph without weights, in a preset's folder (`tfface.models.exports.onnx_graph`)."""
MODEL_FILES = {"saved_model": "saved_model.pb", "keras": "model.keras", "onnx": "model.onnx", "tflite": "model.tflite"}
"""Formats of exported models, and the file by which the folder of one is known."""
EXPORTED = frozenset(
    {*MODEL_FILES.values(), "tfface.json", "config.json", "README.md", TRUST_FILE, "variables", "assets"}
    | {"fingerprint.pb", "saved_model.pbtxt", "keras_metadata.pb", "assets.extra"}
)
"""All that the folder of an exported model may hold, to be replaced by another."""
DEFAULT = "mnv2_points"
"""The preset that is used when none is named: the best."""
DEFAULT_WITH_COEFFICIENTS = "rnet_points"
"""The best one that also says identity, expression, albedo, light and camera."""


def available() -> list[str]:
    """The names of the presets that are there."""
    return sorted(path.parent.name for path in PRESETS.glob("*/preset.yaml"))


def default(coefficients: bool = False) -> str:
    """The preset that is used when none is named; one that predicts coefficients if they are needed.

    Raises:
        UserError: this copy of tfface has none.
    """
    return folder(DEFAULT_WITH_COEFFICIENTS if coefficients else DEFAULT).name


def folder(name: str) -> Path:
    """The folder of the preset `name`.

    Raises:
        UserError: there is none; it names the nearest one.
    """
    if name in (names := available()):
        return PRESETS / name
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(names) or 'none yet'}."
    raise UserError(f"There is no preset {name!r}: {hint}")


def card(name: str) -> dict[str, Any]:
    """The card of the preset `name`: data, command, commit, hours, metrics, limits."""
    return configuration.read_yaml(folder(name) / "card.yaml")


def model_config(name: str) -> ModelConfig:
    """The network of the preset `name`."""
    return _network_of(folder(name) / "preset.yaml")


def _network_of(path: Path) -> ModelConfig:
    return configuration.from_dict({"model": configuration.read_yaml(path)}).model


def weights_file(name: str) -> Path:
    """The file of weights in the folder of the preset `name`."""
    return folder(name) / "weights.npz"


def load(name: str) -> tuple[keras.Model, ModelConfig]:
    """The network of the preset `name` with its weights, and its configuration."""
    from tfface import models

    config = model_config(name)
    model = models.build(config)
    load_weights(model, weights_file(name))
    return model, config


def save(
    model: keras.Model,
    config: ModelConfig,
    target: Path,
    written_card: dict[str, Any],
    more: Mapping[str, bytes] | None = None,
) -> Path:
    """Writes a preset's folder, all of it or nothing; `weights.npz` gets its name last.

    Other weights' calibration of points is taken away, and another network's graph, unless they are in `more`.

    Args:
        more: files by their names that belong to it too.
    """
    files = {name: yaml_text(tree).encode() for name, tree in _trees(config, written_card).items()} | dict(more or {})
    before = target / "preset.yaml"
    same = before.is_file() and before.read_bytes() == files["preset.yaml"]
    arrays: dict[str, Any] = {v.path: np.asarray(v, np.float32).astype(np.float16) for v in _weights(model)}
    arrays[FACE_MODEL] = np.array(load_open_face().checksum)
    with ExitStack() as until_all_are_written:
        weights = until_all_are_written.enter_context(atomic_path(target / "weights.npz"))
        for name, content in files.items():
            until_all_are_written.enter_context(atomic_path(target / name)).write_bytes(content)
        with weights.open("wb") as file:
            np.savez_compressed(file, **arrays)
        for name in {TRUST_FILE, *([] if same else [GRAPH_FILE])} - set(files):
            (target / name).unlink(missing_ok=True)
    return target


def _trees(config: ModelConfig, written_card: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {"preset.yaml": configuration.to_dict(config), "card.yaml": written_card}


def keep_card(target: Path, written_card: dict[str, Any]) -> Path | None:
    """Keeps the card that is there, which a person has filled in, beside the one that will be written.

    Returns:
        where; None where there is none, or it says just the same.
    """
    before = target / "card.yaml"
    if not before.is_file() or before.read_bytes() == yaml_text(written_card).encode():
        return None
    names = (target / f"card-before-{number}.yaml" for number in count(1))
    kept = next(path for path in names if not os.path.lexists(path))
    with atomic_path(kept) as beside:
        beside.write_bytes(before.read_bytes())
    return kept


def config_beside(path: Path) -> ModelConfig | None:
    """The network whose weights lie at `path`, as the preset's or the run's folder says; None where it does not."""
    preset, run = path.parent / "preset.yaml", path.parent / "config.yaml"
    if preset.is_file():
        return _network_of(preset)
    return configuration.load(run).model if run.is_file() else None


def load_weights(model: keras.Model, path: Path) -> None:
    """Loads `.npz` (keyed by the weights' paths) or Keras' `.weights.h5`.

    Raises:
        UserError: the file does not fit the network.
    """
    import keras

    what, advice = f"weights of the network {model.name}", "the file is damaged, or does not fit its configuration"
    if path.suffix != ".npz":
        must_exist(path, "give a file of weights")
        with reading(path, what, advice):
            check_hdf5(path)
            keras.Model(model.inputs, model.outputs).load_weights(path)  # without an optimiser, as it was saved
    else:
        arrays = read_arrays(path, what, advice=advice)
        check_face_model(path, arrays)
        with reading(path, what, advice):
            for variable in _weights(model):
                variable.assign(arrays[variable.path].astype(np.float32))
    if not all(bool(np.isfinite(np.asarray(variable)).all()) for variable in model.weights if _is_float(variable)):
        raise UserError(
            f"{path} holds weights that are not finite numbers: its training diverged; take an earlier one."
        )


def check_readable(path: Path) -> None:
    """Opens a file of weights, without reading them: what can be checked before a network is built.

    Raises:
        UserError: it is damaged, or another file.
    """
    path = must_exist(path, "give a file of weights")
    with reading(path, "a file of weights"):
        if path.suffix == ".npz":
            zipfile.ZipFile(path).close()
        else:
            import h5py

            h5py.File(path).close()


def check_face_model(path: Path, arrays: dict[str, Any]) -> None:
    """Takes the name of the face model out of the arrays of weights, which say faces in its numbers and nothing in
    another's.

    Raises:
        UserError: it is not the one that this tfface has.
    """
    theirs, ours = str(arrays.pop(FACE_MODEL, "an earlier one")), load_open_face().checksum
    if theirs != ours:
        raise UserError(
            f"{path} holds weights for another face model ({theirs[:10]} instead of {ours[:10]}): take a preset of "
            "this version of tfface, or train again."
        )


def _is_float(variable: Any) -> bool:
    return "float" in str(variable.dtype)


def load_trunk(model: keras.Model, path: Path) -> int:
    """Loads from `.npz` what has the same name and shape in `model`: the trunk that another network learnt.

    Returns:
        How many numbers were loaded.

    Raises:
        UserError: the file has none of the network's weights.
    """
    loaded = 0
    arrays = read_arrays(path, "weights of a trunk")
    with reading(path, "weights of a trunk"):
        for variable in _weights(model):
            if variable.path in arrays and arrays[variable.path].shape == tuple(variable.shape):
                variable.assign(arrays[variable.path].astype(np.float32))
                loaded += int(np.prod(variable.shape))
    if not loaded:
        raise UserError(f"{path} has none of the weights of {model.name}; name weights of a network with its trunk.")
    return loaded


def _weights(model: keras.Model) -> list[Any]:
    """Trainable weights and the statistics of batch normalisation, not the states of random generators."""
    return list(model.weights)


def yaml_text(tree: dict[str, Any]) -> str:
    """A card or a configuration, for people too."""
    return str(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True))


def write_yaml(path: Path, tree: dict[str, Any]) -> None:
    """Writes `yaml_text`."""
    write_text(path, yaml_text(tree))
