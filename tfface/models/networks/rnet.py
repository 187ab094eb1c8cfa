"""R-Net: a photograph to the coefficients of a face, its pose, its light and its camera (Deng et al. 2019).

A trunk (ResNet-50, or MobileNetV2 for small machines), then one head for each part, weights and biases zero at the
start: the first answer is the mean face seen from the front. The posed map follows from the coefficients
(`tfface.models.layers.coefficients`), so R-Net trains under the same map loss and serves the same predictions as the
position-map networks, and its coefficients besides.

MobileNetV2's features end in a depthwise convolution over the whole feature map, which keeps where things are;
ResNet-50's are averaged, as upstream. With `config.points` the network also finds points of the face in the picture,
and what the heads say is moved to them (`tfface.models.layers.points`).

With the open face model's sizes there are 150 identity, 52 expression, 40 albedo, 3 (or 6) rotation, 27 (or 9, or no)
light and 3 (4, or no) camera numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import keras
from keras import layers

from tfface.config import ModelConfig
from tfface.geometry.align import MAP_SIZE
from tfface.models.layers import blocks, confidences, maps, points
from tfface.models.layers.coefficients import Coefficients, PosedMap, layout_of, mirror_raw
from tfface.models.layers.colours import ColoursFromPicture

UNMOVED = "unmoved_coefficients"
"""What the heads predict, before it is moved to the points that were found."""
HEADS = tuple(f"head_{part}" for part in ("identity", "expression", "albedo", "angles", "light", "camera"))


def build(config: ModelConfig) -> keras.Model:
    """The network from images `[B,S,S,3*views]` to its posed map in network units: `[B,R,R,3]`, or with points
    `[B,R,R,12]` (`points.JoinedMaps`). Its layer `raw` gives the raw numbers `[B,N']`, float32."""
    images = keras.Input((config.image_size, config.image_size, 3 * config.views), name="images")
    layout = asdict(layout_of(config))

    def posed(raw: Any, name: str) -> Any:
        return PosedMap(config.map_size, config.output, layout, name=name)(raw)

    def answered(answer: Any) -> keras.Model:
        if config.confidences:
            answer = confidences.beside(answer, shallow, features, config.confidences, layout["identity"])
        return keras.Model(images, answer, name=config.name)

    if config.trunk == "resnet50":
        features, shallow = resnet50(images)
    else:
        last, skips = blocks.mobilenet_v2(images, config.width, config.features)
        features, shallow = blocks.flattened(last), skips[1:]
    predicted = heads(features, config, "unmoved" if config.points else "raw")
    if not config.points:
        return answered(posed(predicted, "map"))
    found = points.found_in(last, skips, config)
    raw = points.MoveToPoints(config.map_size, config.points, layout, name="raw")([predicted, *found])
    answers = [posed(predicted, "unmoved_map"), *found, posed(raw, "moved_map")]
    return answered(points.JoinedMaps(config.output, name="map")(answers))


def _same(x: Any) -> Any:
    """What a mirrored picture says of what has no sides."""
    return x


def heads(features: Any, config: ModelConfig, name: str) -> Any:
    """Features `[B,F]` to raw numbers `[B,N']`, float32."""
    answers = [
        layers.Dense(size, kernel_initializer="zeros", dtype="float32", name=f"head_{part}")(features)
        for part, size in layout_of(config).sizes(raw=True).items()
        if size
    ]
    return layers.Concatenate(name=name, dtype="float32")(answers)


def resnet50(images: Any) -> tuple[Any, list[Any]]:
    """ResNet-50's averaged features `[B,2048]` of images scaled to [-1,1], and those of its first stages."""
    x = layers.Rescaling(2.0, -1.0, name="centred")(images)
    trunk = keras.applications.ResNet50(include_top=False, weights=None, pooling="avg", input_tensor=x)
    return trunk.output, [trunk.get_layer(f"conv{stage}_out").output for stage in ("2_block3", "3_block4")]


def predictor(model: keras.Model, config: ModelConfig) -> keras.Model:
    """`{"position_map": [B,256,256,3] pixels, "coefficients": [B,N]}`, averaged over the mirrored picture if asked; and
    where it knows them `"landmark_deviations"` `[B,68]` (`points.landmark_deviations`), what several pictures'
    shape is solved from (`points.sighting`), and C-Net's `"confidences"` `[B,identity]`."""
    layout, images = layout_of(config), model.input
    sighting = points.sighting(model, config)
    answers = {"numbers": model.get_layer("raw").output, **points.landmark_deviations(model, config), **sighting}
    if sighting:
        answers[UNMOVED] = model.get_layer("unmoved").output
    if config.confidences:
        answers["confidences"] = model.get_layer(confidences.LAYER).output
    if config.mirror_average:
        turned = partial(mirror_raw, layout=layout)
        mirrors: dict[str, Callable[[Any], Any]] = {
            "numbers": turned,
            UNMOVED: turned,
            "confidences": _same,
            **points.SIGHTING_MIRRORS,
        }
        images, answers = maps.averaged_with_mirror(images, answers, mirrors, sighting)
    numbers = answers.pop("numbers")
    units = PosedMap(config.map_size, config.output, asdict(layout), name="posed")(numbers)
    if config.map_size != MAP_SIZE:
        units = blocks.ResizeMap(MAP_SIZE, name="resize_to_256")(units)
    pixels = maps.ToPixels(config.output, name="position_map")(units)
    if config.colours == "picture":
        numbers = ColoursFromPicture(asdict(layout), name="colours")([images, numbers, pixels])
    numbers = Coefficients(asdict(layout), name="coefficients")(numbers)
    if sighting:
        answers[UNMOVED] = Coefficients(asdict(layout), name=UNMOVED)(answers[UNMOVED])
    served = {"position_map": pixels, "coefficients": numbers}
    for name, x in answers.items():
        served[name] = layers.Activation("linear", dtype="float32", name=f"{name}_served")(x)
    return keras.Model(images, served, name=f"{config.name}_predictor")
