"""Which weights a name or a folder means: one rule for every command, for training and for `tfface.Reconstructor`.

A person may name

- nothing: the preset that is best;
- a preset (`list_presets`);
- the folder of an exported model (`saved_model.pb`, `tfface.json`);
- the folder of a training run (`config.yaml`, `best.weights.h5`);
- the folder of a preset of one's own (`preset.yaml`, `weights.npz`);
- a file of weights, whose network is the one of the run or preset that it lies in.

A path that holds one of these comes before a preset of the same name.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfface import config as configuration
from tfface.config import DataConfig, ModelConfig
from tfface.errors import UserError
from tfface.io.files import TRUST_FILE, begun_prefix, cache_folder, sweep_leftovers
from tfface.io.reading import read_json_object
from tfface.models.weights import presets

if TYPE_CHECKING:
    import keras

PathLike = str | os.PathLike[str]
PACKAGE = Path(__file__).resolve().parent
SAVED_MODEL_FILES = ("saved_model.pb", "tfface.json")
WEIGHT_FILES = ("best.weights.h5", "weights.npz")
BESIDE_WEIGHTS = ("preset.yaml", "config.yaml", "run.yaml", "card.yaml", TRUST_FILE)
"""What an export is made of beside the weights."""
WEIGHT_SUFFIXES = (".h5", ".npz")
GRAPH_ROOMS = ("models", "face", "config", "geometry", "io", "parallel", "errors.py", "version.py", "weights.py")
"""What the graph of an exported network is made of: all that `tfface.models` imports, with its tables."""
GRAPH_PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy")


def list_presets() -> list[str]:
    """The names of the networks that ship with their weights."""
    return presets.available()


@dataclass(frozen=True)
class Weights:
    """Weights that were found.

    Attributes:
        name: for tables: the preset's, or the folder's.
        path: the folder of an exported model, or the file of weights.
    """

    name: str
    path: Path

    @property
    def is_exported(self) -> bool:
        """Whether all that is there is an exported model: a graph that predicts, but cannot be trained further."""
        return self.path.is_dir()

    def file(self) -> Path:
        """The file of weights (`.npz` or Keras' `.weights.h5`).

        Raises:
            UserError: it is an exported model.
        """
        if self.is_exported:
            raise UserError(
                f"{self.path} is an exported model, which predicts but cannot be trained or exported again: name the "
                "run or the preset that it was made from."
            )
        return self.path

    def network(self) -> tuple[keras.Model, ModelConfig, dict[str, Any]]:
        """The network with these weights, its configuration and its card.

        Raises:
            UserError: it is an exported model, or a file of which nothing says what network it is for.
        """
        from tfface import models

        config = presets.config_beside(self.file())
        if config is None:
            raise UserError(
                f"Nothing says which network {self.path} is for: leave the file in the folder of its run or preset, "
                "beside config.yaml or preset.yaml."
            )
        model = models.build(config)
        presets.load_weights(model, self.path)
        return model, config, self.card()

    def card(self) -> dict[str, Any]:
        """Data, command, commit, hours, metrics, limits: the preset's card, or one filled in from the run."""
        folder = self.file().parent
        card = folder / "card.yaml"
        if card.is_file():
            return configuration.read_yaml(card)
        return card_of_run(folder) if (folder / "config.yaml").is_file() else {}

    def about(self, card: dict[str, Any]) -> dict[str, Any]:
        """What an exported model's `tfface.json` says of these weights: commit, card, and how often to look at a face
        where that is not as usual."""
        graph = self.graph()
        card_of_graph = {} if graph is None else read_json_object(graph.with_name("tfface.json"))
        return {
            "commit": card.get("commit", ""),
            "card": card,
            **{k: card_of_graph[k] for k in ("looks",) if k in card_of_graph},
        }

    def graph(self) -> Path | None:
        """The graph that ONNX Runtime opens with these weights, where a preset's folder holds one."""
        path = self.path.parent / presets.GRAPH_FILE
        return path if self.path.name == "weights.npz" and path.is_file() else None

    def saved_model(self) -> Path:
        """The folder of the SavedModel, as `exported` has it."""
        return self.exported("saved_model")

    def exported(self, kind: str) -> Path:
        """The folder of the exported model; weights that are not exported yet are, once, into the user's cache.

        An export that is there is never replaced, since another process may be loading it.

        Args:
            kind: one of `tfface.models.weights.presets.MODEL_FILES`; ignored of what is exported already.
        """
        if self.is_exported:
            return self.path
        ending = "" if kind == "saved_model" else f"-{kind}"
        target = cache_folder() / "exported" / f"{self.name}-{_digest(self.path)}{ending}"
        if exported_format(target) is None:
            _export(self, target, kind)
        return target


def find(name: PathLike | None = None, coefficients: bool = False) -> Weights:
    """The weights that a person means.

    Args:
        name: a preset's name or a path (see above); None: the best preset, of those that give coefficients (identity,
            expression, albedo, light, camera) if they are needed.
        coefficients: see `name`.

    Raises:
        UserError: there is nothing of that name; it says what there is.
    """
    if name is None:
        name = presets.default(coefficients)
    text, path = os.fspath(name), Path(name)
    held = _held(path)
    if held is not None:
        folder = path if path.is_dir() else path.parent
        return Weights(folder.resolve().name, held)
    if text in presets.available():
        return Weights(text, presets.weights_file(text))
    if (path / "config.yaml").is_file():
        raise UserError(f"{path} is a run that has not ended an epoch yet: it holds no {WEIGHT_FILES[0]}.")
    raise UserError(_unknown(text))


def card_of_run(folder: Path) -> dict[str, Any]:
    """A model card filled in from a run's `config.yaml` and `run.yaml`."""
    config = configuration.load(folder / "config.yaml")
    path = folder / "run.yaml"
    note = configuration.read_yaml(path) if path.is_file() else {}
    steps = note.get("steps", 0)
    if type(steps) is not int or steps < 0:
        raise UserError(
            f"{path} gives {steps!r} for steps, which is not a number of steps: mend it, or remove the file."
        )
    return {
        "data": _described(config.data),
        "command": note.get("command", ""),
        "commit": note.get("commit", ""),
        "hours": note.get("hours", 0.0),
        "samples_seen": steps * config.data.batch,
        "parameters": note.get("parameters", 0),
        "machine": note.get("machine", ""),
        "metrics": {
            "validation_loss": note.get("val_loss"),
            "validation_nme68_percent": note.get("val_nme68"),
            "best_epoch": note.get("best_epoch"),
        },
        "limits": "not written yet",
    }


def _described(data: DataConfig) -> str:
    """What a run learnt from, as far as its configuration tells."""
    if data.source == "photos":
        return f"photographs prepared in {Path(data.records).name}, under weak supervision"
    where = f"shards in {Path(data.records).name}" if data.records else "made on the fly"
    return f"synthetic faces of the open face model, {where}; no photographs of people"


def _held(path: Path) -> Path | None:
    """What a path holds: the exported model's folder itself, or a file of weights."""
    if exported_format(path) is not None:
        return path
    if path.is_file() and path.suffix in WEIGHT_SUFFIXES:
        return path
    return next((path / name for name in WEIGHT_FILES if (path / name).is_file()), None)


def exported_format(folder: Path) -> str | None:
    """Which of `presets.MODEL_FILES` a folder holds, beside its `tfface.json`; None for other folders."""
    if not (folder / "tfface.json").is_file():
        return None
    return next((kind for kind, name in presets.MODEL_FILES.items() if (folder / name).is_file()), None)


def _unknown(name: str) -> str:
    """The one sentence about a name that means nothing."""
    names = presets.available()
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return (
        f"{name or 'An empty name'} is neither a preset ({', '.join(names) or 'there is none'}) nor the folder of an "
        f"exported model ({' and '.join(SAVED_MODEL_FILES)}) or of a training run (config.yaml and {WEIGHT_FILES[0]})"
        f"{hint}"
    )


def _export(weights: Weights, target: Path, kind: str) -> None:
    """Writes the exported model beside and renames it to `target`, unless another process was faster."""
    from tfface.models.exports.backend import take_tensorflow

    take_tensorflow()
    import keras

    from tfface.models.exports.folder import Form, write_export

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep_leftovers(target.parent)
        beside = tempfile.TemporaryDirectory(prefix=begun_prefix(target.name), dir=target.parent)
    except OSError as error:
        raise UserError(f"{target.parent} cannot be written ({error}): name another folder in TFFACE_CACHE.") from error
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        with beside as folder:
            model, config, card = weights.network()
            made = write_export(
                model, config, Path(folder) / "model", weights.about(card), Form(kind), weights.path.parent
            )
            _place(made, target)
    finally:
        keras.config.set_dtype_policy(policy)


def _place(made: Path, target: Path) -> None:
    try:
        os.rename(made, target)
    except OSError as error:  # a folder that holds files is there already
        if exported_format(target) is None:
            raise UserError(f"{target} is in the way of an exported model ({error}): delete it.") from error


def _digest(file: Path) -> str:
    """Changes when anything does that an export is made of: weights, configuration, card, code, tables, libraries."""
    digest_so_far = hashlib.sha256(digest_of_code().encode())
    for path in (file, *(file.parent / name for name in BESIDE_WEIGHTS)):
        if path.is_file():
            _add_file(digest_so_far, path.name, path.read_bytes())
    return digest_so_far.hexdigest()[:16]


@lru_cache(maxsize=1)
def digest_of_code() -> str:
    digest_so_far = hashlib.sha256()
    for path in _graph_files():
        _add_file(digest_so_far, path.relative_to(PACKAGE).as_posix(), path.read_bytes())
    for package in GRAPH_PACKAGES:
        try:
            _add_file(digest_so_far, package, metadata.version(package).encode())
        except metadata.PackageNotFoundError:
            continue
    return digest_so_far.hexdigest()


def _add_file(digest_so_far: Any, name: str, content: bytes) -> None:
    digest_so_far.update(f"{name} {len(content)}\n".encode())
    digest_so_far.update(content)


def _graph_files() -> Iterator[Path]:
    """All files of `GRAPH_ROOMS`, but for what Python and Numba keep in their caches."""
    for room in GRAPH_ROOMS:
        place = PACKAGE / room
        found = sorted(place.rglob("*")) if place.is_dir() else [place]
        yield from (path for path in found if path.is_file() and "__pycache__" not in path.parts)
