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

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.config import Config
from tfface.data.ahead import in_threads
from tfface.data.augment import add_noise_to_some, blur_some
from tfface.data.batches import Batch, KeptValidation
from tfface.data.sources import Features, Sample, _Shards
from tfface.errors import UserError
from tfface.io.examples import Value, encode_example
from tfface.io.records import decode_image, encode_jpeg, find_shards, read_dataset_card

KIND = "detail"
MAP_SIZE, CROP_PIXELS = 256, 224
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
        name: encode_jpeg(_levels(255 * maps[name])) for name in ("photo", "albedo", "shaded")
    }
    features["albedo_offset"] = encode_jpeg(_levels(255 * maps["albedo_offset"] + 128))
    features["lighting"] = _png(_levels(lighting))
    features["weight"] = _png(_levels(255 * maps["weight"]))
    features["displacement"] = _png(np.round(maps["displacement"] * MM_LEVELS + MIDDLE).astype(np.uint16))
    features["crop"] = encode_jpeg(maps["crop"])
    features["coefficients"] = np.asarray(coefficients, np.float32)
    features["landmarks"] = np.asarray(landmarks, np.float32)
    return encode_example(features)


def _levels(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(np.round(values), 0, 255), np.uint8)


def _png(levels: NDArray[Any]) -> bytes:
    good, data = cv2.imencode(".png", levels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert good
    return bytes(data)


def _unpng(data: bytes) -> NDArray[Any]:
    levels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if levels is None:
        raise ValueError("a map of it is not a picture")
    return np.asarray(levels)


def decode(features: Features) -> dict[str, NDArray[Any]]:
    """A record's maps as levels: `MAPS` `[R,R,3]` uint8, `weight` uint8, `displacement` uint16; `crop`, `coefficients`,
    `landmarks`."""
    decoded = {name: decode_image(features[name]) for name in ("photo", "albedo", "shaded", "albedo_offset", "crop")}
    decoded |= {name: _unpng(features[name]) for name in ("lighting", "weight", "displacement")}
    landmarks = np.asarray(features["landmarks"], np.float32).reshape(68, 2)
    return {**decoded, "coefficients": np.asarray(features["coefficients"], np.float32), "landmarks": landmarks}


class DetailShards(_Shards):
    """The source of such shards."""

    def __init__(self, config: Config, folder: Path) -> None:
        super().__init__(config, folder, 1, "pairs_per_shard")
        self.shapes = {}

    def _sample(self, features: Features, view: str | None) -> Sample:
        """Maps as large as the network has them, each texel the mean of those that it covers."""
        decoded, size = decode(features), self.config.model.image_size
        if self.config.model.space == "uv" and size != MAP_SIZE:
            decoded |= {name: pooled(decoded[name], size) for name in (*MAPS, *_TRUTH)}
        return Sample((), decoded)


def pooled(levels: NDArray[Any], size: int) -> NDArray[Any]:
    """Maps `[R,R]` or `[R,R,C]` as `[size,size]`, by the means over areas."""
    return np.asarray(cv2.resize(levels, (size, size), interpolation=cv2.INTER_AREA))


class DetailBatches:
    """Batches of levels as `decode` has them, stacked, with `mirrored` `[B]`; half of the training samples are.

    Args:
        config: the run's configuration; `data.records` names the shards.

    Raises:
        UserError: they are none of this kind.
    """

    def __init__(self, config: Config) -> None:
        folder = Path(config.data.records)
        if config.data.records:
            find_shards(folder)
        if not config.data.records or read_dataset_card(folder).get("kind") != KIND:
            raise UserError(
                "`model=detail` learns from shards with a base's answers: make some with "
                "`tfface synthesize --detail --out DIR` and name them with `data.records`."
            )
        self.config, self.source = config, DetailShards(config, folder)
        self.photographs = self._photographs()

    def _photographs(self) -> tuple[DetailShards, int] | None:
        """Shards of photographs, and how many of each batch are of them."""
        detail, batch = self.config.detail, self.config.data.batch
        count = round(detail.photographs_share * batch)
        if not detail.photographs:
            return None
        if not detail.shading or not 0 < count < batch:
            raise UserError(
                "detail.photographs needs detail.shading, the loss that they teach, and a detail.photographs_share "
                f"with some of a batch of {batch} for both: {count} are photographs now."
            )
        folder = Path(detail.photographs)
        find_shards(folder)
        none_held_out = replace(self.config, data=replace(self.config.data, validation_size=0))
        return DetailShards(none_held_out, folder), count

    def _groups(self, start_step: int) -> Iterator[list[Any]]:
        """What each batch is made of, each with its source."""
        sources = [(self.source, self.config.data.batch)]
        if self.photographs is not None:
            source, count = self.photographs
            sources = [(self.source, self.config.data.batch - count), (source, count)]
        endless = [(source, source.training(start_step * count), count) for source, count in sources]
        while True:
            yield [(source, job) for source, jobs, count in endless for job in itertools.islice(jobs, count)]

    def training(self, start_step: int) -> Iterator[Batch]:
        """Batches without end, after `start_step` of them."""
        data = self.config.data

        def make(numbered: tuple[int, list[Any]]) -> Batch:
            number, group = numbered
            rng = np.random.default_rng([data.seed, number])
            mirrored = rng.random(len(group)) < 0.5
            batch = self._batch(group, mirrored & self.config.augment.mirror & self.config.augment.enabled)
            if self.config.augment.enabled and self.config.model.space == "uv":
                freckle(batch, rng)
                blur_some(batch["photo"], self.config.augment, rng)
                add_noise_to_some(batch["photo"], self.config.augment, rng)
            return batch

        return in_threads(make, enumerate(self._groups(start_step), start_step))

    def validation(self) -> Iterator[Batch]:
        """Plain batches, once through."""
        jobs = ((self.source, job) for job in self.source.validation())
        groups = iter(lambda: list(itertools.islice(jobs, self.config.data.batch)), [])
        return in_threads(lambda group: self._batch(group, np.zeros(len(group), bool)), groups)

    @property
    def num_validation(self) -> int:
        """How many batches `validation` gives."""
        return -(-self.source.num_validation // self.config.data.batch)

    def _batch(self, jobs: list[tuple[DetailShards, Any]], mirrored: NDArray[np.bool_]) -> Batch:
        samples = [source.load(job).truth for source, job in jobs]
        kept = ("crop", "coefficients", "landmarks") if self.config.model.space == "picture" else (*MAPS, *_TRUTH)
        return {**{name: np.stack([sample[name] for sample in samples]) for name in kept}, "mirrored": mirrored}


_TRUTH = ("weight", "displacement")
SPOTTED, MOST_SPOTS, SPOT_TEXELS, DARKEST = 0.6, 300, (0.8, 4.0), 0.6
"""Of freckles: the share of samples with some, how many a chart, their radius in texels of 256, and how much light
they take."""


def freckle(batch: Batch, rng: np.random.Generator) -> None:
    """Paints freckles into a share of a batch, in place: photograph and true albedo are darker there; nothing moves."""
    size = batch["photo"].shape[1]
    for index in np.flatnonzero(rng.random(len(batch["photo"])) < SPOTTED):
        darker = np.zeros((size, size), np.float32)
        for _ in range(rng.integers(1, MOST_SPOTS)):
            place, radius = rng.uniform(0, size, 2), rng.uniform(*SPOT_TEXELS) * size / MAP_SIZE
            rows, columns = (slice(max(int(c - radius), 0), int(c + radius) + 2) for c in place)
            v, u = np.mgrid[rows.start : min(rows.stop, size), columns.start : min(columns.stop, size)]
            inside = np.clip(radius + 0.5 - np.hypot(v - place[0], u - place[1]), 0, 1) * rng.uniform(0.1, DARKEST)
            darker[rows, columns] = np.maximum(darker[rows, columns], inside)
        share = 1 - darker[..., None]
        batch["photo"][index] = batch["photo"][index] * share
        true = batch["albedo"][index] + (batch["albedo_offset"][index] - 128.0)
        batch["albedo_offset"][index] = _levels(true * share - batch["albedo"][index] + 128)


def make_batches(config: Config, start_step: int = 0) -> tuple[Iterator[Batch], KeptValidation]:
    """Training batches without end, after `start_step` of them, and validation batches."""
    batches = DetailBatches(config)
    kept = KeptValidation(batches.validation, batches.num_validation, config.data.cache_validation)
    return batches.training(start_step), kept
