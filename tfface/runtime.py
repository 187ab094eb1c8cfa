"""Networks opened with whichever runtime their files are for: ONNX Runtime, LiteRT or TensorFlow.

ONNX Runtime is the default: it starts without TensorFlow (a tenth of a second instead of two to ten), takes any number
of faces at once, gives Keras' numbers to a thousandth of a pixel from the very weights that training reads, and has
wheels for every system. LiteRT is a little faster on some processors, but its file is made for a fixed number of faces
and holds weights of its own (docs/exports.md has the measurements). A preset carries its graph; weights without one
(a training run's) are predicted with TensorFlow, unless another runtime is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface import weights
from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry.align import MAP_SIZE, MOST_RECROPS
from tfface.io.files import folder_digest
from tfface.io.onnx_file import open_onnx
from tfface.io.reading import read_arrays, read_json_object, reading
from tfface.quiet import quiet_tensorflow

RUNTIMES = ("onnx", "tflite", "tensorflow")
FORMAT_OF = {"onnx": "onnx", "tflite": "tflite", "tensorflow": "saved_model"}
"""The format in which weights are exported for a runtime."""
CROPS_AT_ONCE = {"onnx": 2, "tflite": 2, "tensorflow": 16}
"""A core takes as long for a crop however many it is given, and memory for all of them; graphics cards want many."""
AGAIN = "export the model again"
_NUMBERS = {"views": (1, 2), "image_size": (8, 4096), "looks": (1, MOST_RECROPS + 1), "batch": (1, 4096)}
"""What a card says in numbers, and from where to where."""
Answers = dict[str, NDArray[np.float32]]
Serve = Callable[[NDArray[np.float32]], Answers]


@dataclass(frozen=True)
class Network:
    """A network that can be opened.

    Attributes:
        folder: of an exported model, or of a preset.
        runtime: one of `RUNTIMES`.
        card: its `tfface.json`.
    """

    folder: Path
    runtime: str
    card: dict[str, Any]

    @property
    def looks(self) -> int:
        """How often it looks at a face, where nothing else is asked for."""
        return int(self.card.get("looks") or 2)

    def digest(self) -> str:
        """Changes when the network's files do."""
        return folder_digest(self.folder)

    def open(self) -> Serve:
        """What the network says of crops `[N,S,S,3*views]`, by name (docs/conventions.md).

        Raises:
            UserError: the files are damaged, or the runtime is not installed.
        """
        serve = {"onnx": _open_onnx, "tflite": _open_tflite, "tensorflow": _open_tensorflow}[self.runtime](self.folder)

        size = self.card.get("batch")

        def checked(crops: NDArray[np.float32]) -> Answers:
            answers = serve(crops) if size is None else _in_batches(serve, crops, size)
            _check_answers(self.folder, answers, len(crops), self.card["model"] == "detail")
            return answers

        return checked


def find_network(
    name: str | os.PathLike[str] | None = None,
    coefficients: bool = False,
    runtime: str | None = None,
) -> Network:
    """The network that a person means, in the form that a runtime opens.

    Args:
        name, coefficients: as `tfface.weights.find` has them.
        runtime: one of `RUNTIMES`; None for ONNX Runtime where the weights have a graph, else TensorFlow.

    Raises:
        UserError: there is no such network or runtime, or it cannot be exported for it.
    """
    if runtime is not None and runtime not in RUNTIMES:
        raise UserError(f"There is no runtime {runtime!r}: choose from {', '.join(RUNTIMES)}.")
    found = weights.find(name, coefficients)
    if found.is_exported:
        return _exported(found.path, runtime)
    graph = found.graph()
    if graph is not None and runtime in (None, "onnx"):
        try:
            return Network(graph.parent, "onnx", read_card(graph.parent))
        except UserError:
            if runtime == "onnx":
                raise  # else the graph is for another face model: TensorFlow makes one for this
    wanted = runtime or "tensorflow"
    folder = found.exported(FORMAT_OF[wanted])
    return Network(folder, wanted, read_card(folder))


def _exported(folder: Path, runtime: str | None) -> Network:
    kind = weights.exported_format(folder)
    made_for = next(
        name for name, form in FORMAT_OF.items() if form == kind or (name == "tensorflow" and kind == "keras")
    )
    if runtime not in (None, made_for):
        raise UserError(
            f"{folder} holds a model for `runtime={made_for}`, not {runtime}: leave `runtime` out, or export the "
            f"run or the preset that it was made from with `format={FORMAT_OF[runtime]}`."
        )
    return Network(folder, made_for, read_card(folder))


def read_card(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The `tfface.json` of an exported model or of a preset.

    Raises:
        UserError: when the folder holds no such model, or one for another face model.
    """
    folder = Path(folder)
    path = folder / "tfface.json"
    if not path.is_file() or not (weights.exported_format(folder) or (folder / weights.presets.GRAPH_FILE).is_file()):
        raise UserError(f"{folder} is not an exported model (saved_model.pb and tfface.json): run `tfface export`.")
    card = read_json_object(path, "the card of an exported model", AGAIN)
    with reading(path, "the card of an exported model", AGAIN):
        checksum = card["face_model"]["checksum"]
        missing = {"model", "views", "image_size"} - set(card)
    if missing:
        raise UserError(f"{path} lacks {', '.join(sorted(missing))}: export the model again.")
    maps = card.setdefault("face_maps", {})
    if not isinstance(card["model"], str) or not isinstance(maps, dict):
        raise UserError(f"{path} says {card['model']!r} for model and {maps!r} for face_maps: {AGAIN}.")
    known = {key: card[key] for key in _NUMBERS if card.get(key) is not None or key in ("views", "image_size")}
    for key, value in {**known, **maps}.items():
        least, most = _NUMBERS.get(key, (2, 4096))
        if type(value) is not int or not least <= value <= most:
            raise UserError(f"{path} says {value!r} for {key}, no number from {least} to {most}: {AGAIN}.")
    if checksum != load_open_face().checksum:
        raise UserError(f"{folder} was trained for another face model than this tfface has: export or train it again.")
    return dict(card)


def _in_batches(serve: Serve, crops: NDArray[np.float32], size: int) -> Answers:
    """The answers of a network that takes `size` crops at once, neither more nor fewer."""
    parts = []
    for start in range(0, len(crops), size):
        part = crops[start : start + size]
        padded = np.concatenate([part, np.repeat(part[:1], size - len(part), axis=0)])
        parts.append({name: answer[: len(part)] for name, answer in serve(padded).items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _check_answers(folder: Path, answers: Answers, count: int, detail: bool = False) -> None:
    """Sees to it that a model says what `docs/conventions.md` asks of it.

    Raises:
        UserError: it gives no position maps (detail: no albedo), of another shape, or numbers that are not finite.
    """
    maps = answers.get("position_map")
    if detail:
        if "albedo" not in answers or not {"displacement", "shape"} & set(answers):
            raise UserError(f"{folder} should give albedo and displacement, but gives {', '.join(answers)}: {AGAIN}.")
    elif maps is None or maps.shape != (count, MAP_SIZE, MAP_SIZE, 3):
        found = "none" if maps is None else f"one of shape {maps.shape}"
        raise UserError(f"{folder} should give a position map [{count},256,256,3], but gives {found}: {AGAIN}.")
    for name, values in answers.items():
        if len(values) != count or not np.isfinite(values).all():
            raise UserError(f"{folder} gives {name} that are not finite numbers, one for each picture: {AGAIN}.")


def _open_onnx(folder: Path) -> Serve:
    graph = folder / weights.presets.GRAPH_FILE
    if not graph.is_file():
        return open_onnx(folder / "model.onnx")
    file = folder / "weights.npz"
    given = read_arrays(file, "weights", advice="the file is damaged, or does not fit its network")
    weights.presets.check_face_model(file, given)
    for name, resolution in read_card(folder)["face_maps"].items():
        face = load_open_face()
        components = face.linear_at(PositionMap(face, resolution).cage_matrix)
        given[name] = components.reshape(len(components), -1)
    return open_onnx(graph, given)


def _open_tflite(folder: Path) -> Serve:
    from tfface.io.tflite_file import open_tflite

    return open_tflite(folder / "model.tflite")


def _open_tensorflow(folder: Path) -> Serve:
    quiet_tensorflow()
    import tensorflow as tf

    if weights.exported_format(folder) == "keras":
        from tfface.models.exports.folder import load_keras

        serve: Any = load_keras(folder)
        module: Any = serve
    else:
        with reading(folder, "a SavedModel", AGAIN):
            module = tf.saved_model.load(str(folder))
        serve = getattr(module, "serve", None)
    if not callable(serve):
        raise UserError(f"{folder} has no function 'serve': export the model with `tfface export`.")

    def run(crops: NDArray[np.float32]) -> Answers:
        # copies: the array behind a TensorFlow tensor is read-only
        with reading(folder, "a model that predicts faces", AGAIN):
            return {name: np.array(answer, np.float32) for name, answer in serve(tf.constant(crops)).items()}

    run.module = module  # type: ignore[attr-defined]  # its variables live as long as it does
    return run
