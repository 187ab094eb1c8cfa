"""`tfface export`: a training run, or a preset, to the files that predict elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tyro
from numpy.typing import NDArray

from tfface.cli import run
from tfface.errors import UserError
from tfface.io.files import TRUST_FILE, must_be_free
from tfface.io.image import list_images
from tfface.io.reading import read_json_object

if TYPE_CHECKING:
    import keras

    from tfface.config import ModelConfig
    from tfface.models.exports.folder import Form

CALIBRATION_FACES = 48
CHECK_FACES = 16
Batches = Iterator[NDArray[np.float32]]


@dataclass(frozen=True)
class Options:
    """Write a model for prediction (--out), a preset (--preset), or both."""

    source: tyro.conf.Positional[str]
    """A run's folder, or a preset's name."""
    out: Path | None = None
    """Folder for the model and its tfface.json."""
    format: Annotated[str, tyro.conf.arg(metavar="{saved_model,keras,onnx,tflite}")] = "saved_model"
    """onnx and tflite predict without TensorFlow."""
    precision: Annotated[str, tyro.conf.arg(metavar="{float32,float16,int8}")] = "float32"
    """Of the weights. float16 halves the file; int8 (onnx: convolutions calculate with 8 bits, scaled by synthetic
    faces; tflite: weights are stored so) needs a look at the difference in the card."""
    batch: int | None = None
    """Faces at once; any number without it (tflite always takes a fixed number: 1)."""
    photos: Path | None = None
    """A folder of photographs on whose faces the export is compared with Keras; without it synthetic faces are."""
    serving: bool = False
    """Put the SavedModel into the next numbered folder below --out, as TensorFlow Serving wants."""
    preset: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Write the preset NAME, with a card filled in from the run. A path (with a /) puts it there."""
    average: tuple[str, ...] = ()
    """More runs or presets of the same network: what is written has the mean of all their weights. Networks trained
    from one another do better on photographs so."""


def main(argv: list[str] | None = None) -> int:
    """Exports as `argv` says; 0.

    Raises:
        UserError: there is nothing to export, or nowhere to put it.
    """
    options = tyro.cli(Options, args=argv, prog="tfface export")
    _check(options)
    out = _numbered(options.out) if options.serving and options.out is not None else options.out
    if out is not None:
        from tfface.models.weights.presets import EXPORTED

        must_be_free(out, "tfface.json", "the model", EXPORTED)
    from tfface.models.exports.backend import take_tensorflow

    graphs = take_tensorflow()
    if out is not None and not graphs:
        raise UserError("--out needs TensorFlow: install it, or write a preset with --preset DIR.")
    from tfface import weights
    from tfface.models.exports.about import must_be_as_written
    from tfface.models.exports.folder import Form

    form = Form(options.format, options.precision, options.batch)
    if out is not None:
        must_be_as_written(out)
    found = weights.find(options.source)
    model, config, card = found.network()
    if options.average:
        from tfface.models.weights.average import average_weights

        average_weights(model, [weights.find(other).network()[0] for other in options.average])
        card = {**card, "averaged_with": list(options.average)}
    if out is not None:
        _write(model, config, found.about(card), out, form, options.photos, found.path.parent)
    if options.preset is not None:
        trust = found.path.parent / TRUST_FILE
        more = {TRUST_FILE: trust.read_bytes()} if trust.is_file() and not options.average else {}
        _write_preset(options.preset, model, config, card, more, graphs)
    return 0


def _check(options: Options) -> None:
    """What the arguments alone can tell, before anything is loaded."""
    if options.out is None and options.preset is None:
        raise UserError("Say where to: --out DIR for a model, --preset NAME for a preset.")
    if options.serving and (options.format != "saved_model" or options.out is None):
        raise UserError("--serving goes with --out DIR and --format saved_model.")
    if options.photos is not None:
        list_images(options.photos)
    if options.preset is not None:
        if not options.preset.strip("./\\ "):
            raise UserError(f"--preset {options.preset!r} is not a name: give one, or a path with a / to a new folder.")
        must_be_free(_preset_folder(options.preset), "preset.yaml", "the preset")


def _preset_folder(name: str) -> Path:
    from tfface.models.weights import presets

    return Path(name) if "/" in name or "\\" in name else presets.PRESETS / name


def _numbered(folder: Path) -> Path:
    """The next version below a folder; TensorFlow Serving takes the highest number."""
    taken = [int(path.name) for path in folder.glob("*") if path.name.isdecimal()] if folder.is_dir() else []
    return folder / str(max(taken, default=0) + 1)


def _write(
    model: keras.Model,
    config: ModelConfig,
    about: dict[str, Any],
    out: Path,
    form: Form,
    photos: Path | None,
    beside: Path,
) -> None:
    """Writes the model of the weights in the folder `beside`, compares it with Keras, and says in its card how far they
    differ."""
    from tfface.models.exports.folder import write_about, write_export

    def calibration() -> Batches:
        yield from (_synthetic(config, start, 8) for start in range(0, CALIBRATION_FACES, 8))

    crops, what = _crops(config, photos)
    write_export(model, config, out, about, replace(form, pictures=calibration), beside)
    away = _largest_difference(model, config, out, crops)
    unit = "mm" if config.name == "detail" else "px"
    agreement = {f"largest_difference_{unit}": round(away, 4), "from": "Keras, of 256 a crop", "on": what}
    write_about(out, {**read_json_object(out / "tfface.json"), "agreement": agreement})
    unit_name = {"px": "pixels of 256", "mm": "mm"}[unit]
    print(f"{form.format} in {out}: at most {away:.2g} {unit_name} from Keras, on {what}")


def _largest_difference(model: keras.Model, config: ModelConfig, out: Path, crops: NDArray[np.float32]) -> float:
    """Over all texels of the maps, in pixels of the 256-pixel crop; of detail in mm."""
    from tfface import models
    from tfface.runtime import find_network

    name, scale = "position_map", 1.0
    if config.name == "detail":
        name, scale = ("displacement", 1.0) if config.space == "uv" else ("shape", 100.0)
    got = find_network(out).open()(crops)[name]
    return scale * float(np.abs(got - np.asarray(models.predictor(model, config)(crops)[name])).max())


def _crops(config: ModelConfig, photos: Path | None) -> tuple[NDArray[np.float32], str]:
    """Crops `[N,S,S,3*views]` to compare on, and what they are of."""
    if photos is None or config.name == "detail":
        return _synthetic(config, CALIBRATION_FACES, CHECK_FACES), f"{CHECK_FACES} synthetic faces"
    from tfface.detect.registry import load_detector
    from tfface.geometry.align import crop_transform
    from tfface.io.image import read_image
    from tfface.io.warp import warp_image

    detector, crops, size = load_detector("auto"), [], config.image_size
    for path in list_images(photos)[: 4 * CHECK_FACES]:
        image = read_image(path)
        for face in detector.detect(image)[:1]:
            matrix = crop_transform(face.crop_box(), size, face.roll_rad)
            crops.append(np.float32(warp_image(image, matrix, size, size) / 255))
    if len(crops) < config.views:
        raise UserError(f"No face was found in the photographs in {photos}: name others with --photos.")
    views = [np.roll(crops, view, axis=0) for view in range(config.views)]
    return np.concatenate(views, axis=-1), f"{len(crops)} faces of photographs"


def _synthetic(config: ModelConfig, first: int, count: int) -> NDArray[np.float32]:
    """Crops `[N,S,S,3*views]` of the face model's random faces; of detail what it is shown of them."""
    if config.name == "detail":
        from tfface.training.detail_shards import shown_to

        return shown_to(config, range(first, first + count))
    from tfface.data.synthetic.sample import SyntheticSettings
    from tfface.data.synthetic.scene import FaceGenerator

    generator = FaceGenerator(SyntheticSettings(image_size=config.image_size))
    pairs = [generator.pair(first + index) for index in range(count)]
    views = [[pair.front.image for pair in pairs], [pair.side.image for pair in pairs]][: config.views]
    return np.concatenate([np.asarray(view, np.float32) / 255 for view in views], axis=-1)


def _write_preset(
    name: str, model: keras.Model, config: ModelConfig, card: dict[str, Any], more: dict[str, bytes], graph: bool
) -> None:
    """Writes a preset with the files `more`; nothing, where its graph cannot be made."""
    from tfface.models.weights import presets

    target = _preset_folder(name)
    if graph:
        from tfface.models.exports.onnx_graph import graph_files

        more = {**more, **graph_files(model, config, target)}
    kept = presets.keep_card(target, card)
    presets.save(model, config, target, card, more)
    if not graph:
        print("Weights alone: the graph that predicts without TensorFlow is written where TensorFlow is installed.")
    print(f"Preset in {target}; fill in the limits in its card.yaml.")
    if kept is not None:
        print(f"The card that was there says something else: it is {kept.name} now. Take over what still holds.")


if __name__ == "__main__":
    sys.exit(run(main))
