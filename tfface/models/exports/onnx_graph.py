"""A network as an ONNX graph: without its weights, as presets carry it, or with them, as people exchange it.

tf2onnx converts the traced network with the weights as inputs, so that every one of them keeps its name and its shape.
A preset's graph (some hundred kilobytes) is the same whatever the weights are: `weights.npz` stays the one file of
weights, for training and for ONNX Runtime, which folds batch normalisation into convolutions when it opens the graph.
Only this file needs the packages of the extra `export`; what predicts needs ONNX Runtime alone (`tfface.io.onnx_file`).
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfface import models
from tfface.config import ModelConfig
from tfface.errors import UserError
from tfface.io.onnx_file import onnx_runtime
from tfface.io.reading import read_json_object
from tfface.models.exports.about import INFO, describe
from tfface.models.layers.coefficients import PosedMap, map_components
from tfface.models.layers.solve import plain_operations
from tfface.models.weights.presets import GRAPH_FILE

if TYPE_CHECKING:
    import onnx

OPSET = 18
FACE_MAP = "face/map/"
"""How the map of the face model's mean and components is called: then its resolution."""
LARGE_BYTES = 1 << 16
"""Constants of layers from this size on are inputs while converting: else each of their uses becomes a copy."""


def graph_files(model: keras.Model, config: ModelConfig, target: Path) -> dict[str, bytes]:
    """What a preset's folder needs to predict without TensorFlow, by name: its graph, compressed and without weights,
    which are external data under their paths in `model`; and `tfface.json`, which keeps how often the preset before it
    in `target` looked, and names those maps of the face model that are external too, with their resolutions.

    Raises:
        UserError: a package of the extra `export` is missing.
    """
    graph = _without_weights(model, config)
    names = [tensor.name for tensor in graph.graph.initializer if tensor.name.startswith(FACE_MAP)]
    maps = {name: int(name.removeprefix(FACE_MAP)) for name in names}
    before = target / INFO
    kept = read_json_object(before) if before.is_file() else {}
    looks = {"looks": kept["looks"]} if "looks" in kept else {}
    info = {key: value for key, value in describe(model, config).items() if key not in ("commit", "card")}
    text = json.dumps({**info, "face_maps": maps, **looks}, indent=2) + "\n"
    return {GRAPH_FILE: zlib.compress(graph.SerializeToString(deterministic=True), 9), INFO: text.encode()}


def _without_weights(model: keras.Model, config: ModelConfig) -> onnx.ModelProto:
    """`images [B,S,S,3*views] -> position_map [B,256,256,3]` and more (docs/conventions.md), any B, weights external.

    A map of the face model's shape, which follows from the face model that ships, is external too (`FACE_MAP`).
    """
    proto, weights, constants = _converted(models.predictor(model, config), config)
    for name, value in weights.items():
        _given_from_outside(proto, name, value)
    for name, value in constants.items():
        if name.startswith(FACE_MAP):
            _given_from_outside(proto, name, value)
        else:
            _embedded(proto, name, value)
    return proto


def with_weights(model: keras.Model, config: ModelConfig, half: bool, batch: int | None = None) -> onnx.ModelProto:
    """The same with its weights inside.

    Args:
        model, config: the network.
        half: store numbers in 16 bits; the graph makes them 32 again, in which it calculates.
        batch: how many pictures it takes at once; None for any number.
    """
    proto, weights, constants = _converted(models.predictor(model, config), config, batch)
    for name, value in {**weights, **constants}.items():
        _embedded(proto, name, value, half)
    return proto


def _converted(
    predictor: keras.Model, config: ModelConfig, batch: int | None = None
) -> tuple[onnx.ModelProto, Mapping[str, NDArray[Any]], Mapping[str, NDArray[Any]]]:
    """The graph with weights and large constants as inputs, and those by the names that they have there."""
    tf2onnx, tf = _converter()
    trainable, still = predictor.trainable_variables, predictor.non_trainable_variables
    weights = {variable.path: np.asarray(variable, np.float32) for variable in (*trainable, *still)}
    places = _large_constants(predictor)
    constants = {name: np.asarray(vars(layer)[attribute], np.float32) for name, (layer, attribute) in places.items()}
    given = {**weights, **constants}
    if len(given) < len(trainable) + len(still) + len(places):
        raise ValueError("two weights of the network have the same path")

    def answer(images: Any, *values: Any) -> Any:
        ends = len(trainable), len(weights)
        with _replaced(places, values[ends[1] :]):
            return predictor.stateless_call(
                list(values[: ends[0]]), list(values[ends[0] : ends[1]]), images, training=False
            )[0]

    shape = (batch, *models.input_shape(config))
    signature = [tf.TensorSpec(shape, tf.float32, name="images")]
    signature += [tf.TensorSpec(v.shape, tf.float32, name=f"given{i}") for i, v in enumerate(given.values())]
    with plain_operations():
        proto, _ = tf2onnx.convert.from_function(tf.function(answer), input_signature=signature, opset=OPSET)
    used = _renamed(proto, {f"given{i}": name for i, name in enumerate(given)})
    return proto, *({k: v for k, v in part.items() if k in used} for part in (weights, constants))


def _converter() -> tuple[Any, Any]:
    try:
        import tf2onnx
    except ImportError as error:
        raise UserError(
            f"Writing ONNX needs a package that is missing ({error}): pip install 'tfface[export]'."
        ) from error
    import tensorflow as tf

    tf2onnx.logging.set_level(logging.ERROR)
    return tf2onnx, tf


def _large_constants(predictor: keras.Model) -> dict[str, tuple[keras.layers.Layer, str]]:
    """Arrays that layers hold beside their weights: name to layer and attribute."""
    found = {}
    for layer in predictor._flatten_layers(include_self=False):
        for attribute, value in vars(layer).items():
            if isinstance(value, np.ndarray) and value.nbytes >= LARGE_BYTES and value.dtype == np.float32:
                own = f"constant/{layer.name}/{attribute}"
                of_face = isinstance(layer, PosedMap) and value is map_components(layer.resolution)
                found[f"{FACE_MAP}{layer.resolution}" if of_face else own] = (layer, attribute)
    return found


@contextmanager
def _replaced(places: Mapping[str, tuple[keras.layers.Layer, str]], values: Any) -> Iterator[None]:
    before = [vars(layer)[attribute] for layer, attribute in places.values()]
    try:
        for (layer, attribute), value in zip(places.values(), values, strict=True):
            vars(layer)[attribute] = value
        yield
    finally:
        for (layer, attribute), value in zip(places.values(), before, strict=True):
            vars(layer)[attribute] = value


def _renamed(proto: onnx.ModelProto, names: Mapping[str, str]) -> set[str]:
    """Gives inputs their names and drops those that nothing uses; the names that are left."""
    graph = proto.graph
    read = {name for node in graph.node for name in node.input}
    kept = []
    for value in graph.input:
        if value.name in names and value.name in read:
            kept.append(names[value.name])
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = names.get(name, name)
    inputs = [value for value in graph.input if value.name not in names]
    del graph.input[:]
    graph.input.extend(inputs)
    return set(kept)


def _given_from_outside(proto: onnx.ModelProto, name: str, value: NDArray[Any]) -> None:
    from onnx import TensorProto

    tensor = proto.graph.initializer.add(name=name, data_type=TensorProto.FLOAT, dims=value.shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in (("location", "weights.npz"), ("offset", "0"), ("length", str(value.nbytes))):
        tensor.external_data.add(key=key, value=text)


def _embedded(proto: onnx.ModelProto, name: str, value: NDArray[Any], half: bool = False) -> None:
    import onnx

    if not half:
        proto.graph.initializer.append(onnx.numpy_helper.from_array(value.astype(np.float32), name))
        return
    proto.graph.initializer.append(onnx.numpy_helper.from_array(value.astype(np.float16), f"{name}/half"))
    cast = onnx.helper.make_node("Cast", [f"{name}/half"], [name], f"{name}/cast", to=onnx.TensorProto.FLOAT)
    proto.graph.node.insert(0, cast)


def make_int8(path: Path, pictures: Iterator[NDArray[np.float32]]) -> None:
    """Makes the convolutions of an ONNX file calculate with 8 bits, scaled by what they say of pictures.

    Everything after them (points, the step to them, maps) stays as it is: a pixel needs more than 8 bits.

    Args:
        path: the file, which is replaced.
        pictures: batches of crops.

    Raises:
        UserError: ONNX Runtime is missing.
    """
    onnxruntime = onnx_runtime()
    from onnxruntime import quantization

    folded = path.with_suffix(".folded.onnx")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folded)
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    class Reader(quantization.CalibrationDataReader):
        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            batch = next(pictures, None)
            return None if batch is None else {"images": batch}

    quantization.quantize_static(
        str(folded),
        str(path),
        Reader(),
        op_types_to_quantize=["Conv"],
        per_channel=True,
        extra_options={"CalibMaxIntermediateOutputs": 2},  # else it keeps every feature of every face
    )
    folded.unlink()
