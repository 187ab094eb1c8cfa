"""Shards for `--model detail`: photographs with what a frozen base says of them, and the truth behind each texel.

A record is one photograph of a synthetic person, or of somebody, with a weight of 0: nobody knows the truth. Maps are
`[R,R]` in the face's chart, R = 256 (`tfface.viz.unwrapped`, `tfface.training.detail_truth` say what they hold).

| feature | type |
| --- | --- |
| `photo`, `albedo`, `shaded` | JPEG: the photograph's colour, the base's albedo and lit colour |
| `lighting` | PNG: tilt along u and v (level = 127 tilt + 128), seen (level = 255 seen) |
| `displacement` | PNG of 16 bits, level = 2000 mm + 32768 |
| `albedo_offset` | JPEG, level = 255 offset + 128 |
| `weight` | grey PNG: how far the truth of a texel is known |
| `crop` | JPEG, 224 pixels: the crop that the base saw |
| `coefficients` | float32 `[N]` what the base said over it (`tfface.face.layout`) |
| `landmarks` | float32 `[68,2]` true ones in pixels of the crop at 256 |
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.data.shards.pictures import decode_image, decode_png, encode_jpeg, encode_png
from tfface.io.examples import Value, encode_example

KIND = "detail"
CROP_PIXELS = 224
TILT_LEVELS, MM_LEVELS, MIDDLE = 127.0, 2000.0, 32768
MAPS = ("photo", "shaded", "albedo", "lighting", "albedo_offset")


def encode(maps: dict[str, NDArray[Any]], coefficients: NDArray[np.float32], landmarks: NDArray[Any]) -> bytes:
    """One record.

    Args:
        maps: `photo`, `albedo`, `shaded` `[R,R,3]` in [0,1], `tilt` `[R,R,2]`, `seen`, `weight`, `displacement`
            `[R,R]`, `albedo_offset` `[R,R,3]`, `crop` uint8.
        coefficients, landmarks: see above.
    """
    lighting = np.concatenate([maps["tilt"] * TILT_LEVELS + 128, 255 * maps["seen"][..., None]], axis=-1)
    features: dict[str, Value] = {
        name: encode_jpeg(levels_of(255 * maps[name])) for name in ("photo", "albedo", "shaded")
    }
    features["albedo_offset"] = encode_jpeg(levels_of(255 * maps["albedo_offset"] + 128))
    features["lighting"] = encode_png(levels_of(lighting))
    features["weight"] = encode_png(levels_of(255 * maps["weight"]))
    features["displacement"] = encode_png(np.round(maps["displacement"] * MM_LEVELS + MIDDLE).astype(np.uint16))
    features["crop"] = encode_jpeg(maps["crop"])
    features["coefficients"] = np.asarray(coefficients, np.float32)
    features["landmarks"] = np.asarray(landmarks, np.float32)
    return encode_example(features)


def levels_of(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Numbers rounded to levels."""
    return np.asarray(np.clip(np.round(values), 0, 255), np.uint8)


def decode(features: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """A record's maps as levels: `MAPS` `[R,R,3]` uint8, `weight` uint8, `displacement` uint16; `crop`, `coefficients`,
    `landmarks`."""
    decoded = {name: decode_image(features[name]) for name in ("photo", "albedo", "shaded", "albedo_offset", "crop")}
    decoded |= {name: decode_png(features[name]) for name in ("lighting", "weight", "displacement")}
    landmarks = np.asarray(features["landmarks"], np.float32).reshape(68, 2)
    return {**decoded, "coefficients": np.asarray(features["coefficients"], np.float32), "landmarks": landmarks}
