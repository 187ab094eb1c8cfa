"""Shards of `tfface.data.shards.detail` as batches for `--model detail`."""

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
from tfface.data.pipeline.augment import add_noise_to_some, blur_some
from tfface.data.pipeline.batches import Batch, BatchMaker, KeptValidation
from tfface.data.pipeline.samples import Features, Sample, ShardSource
from tfface.data.shards.detail import KIND, MAPS, decode, levels_of
from tfface.data.shards.folder import find_shards, read_dataset_card
from tfface.errors import UserError
from tfface.geometry.align import MAP_SIZE

_TRUTH = ("weight", "displacement")
SPOTTED, MOST_SPOTS, SPOT_TEXELS, DARKEST = 0.6, 300, (0.8, 4.0), 0.6
"""Of freckles: the share of samples with some, how many a chart, their radius in texels of 256, and how much light
they take."""
Job = tuple["DetailShards", Any]


class DetailShards(ShardSource):
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


class DetailBatches(BatchMaker):
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
        self.source = DetailShards(config, folder)
        super().__init__(config, self.source.num_validation)
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

    def _training(self, start: int) -> Iterator[Job]:
        size = self.config.data.batch
        sources = [(self.source, size)]
        if self.photographs is not None:
            source, count = self.photographs
            sources = [(self.source, size - count), (source, count)]
        endless = [(source, source.training(start // size * count), count) for source, count in sources]
        while True:  # each batch has its share of both
            yield from ((source, job) for source, jobs, count in endless for job in itertools.islice(jobs, count))

    def _validation(self) -> Iterator[Job]:
        return ((self.source, job) for job in self.source.validation())

    def _batch(self, jobs: list[Job], rng: np.random.Generator | None = None) -> Batch:
        samples = [source.load(job).truth for source, job in jobs]
        in_chart, augment = self.config.model.space == "uv", self.config.augment
        kept = (*MAPS, *_TRUTH) if in_chart else ("crop", "coefficients", "landmarks")
        batch: Batch = {name: np.stack([sample[name] for sample in samples]) for name in kept}
        batch["mirrored"] = np.zeros(len(jobs), bool)
        if rng is not None:
            batch["mirrored"] = (rng.random(len(jobs)) < 0.5) & augment.mirror
            if in_chart:
                freckle(batch, rng)
                blur_some(batch["photo"], augment, rng)
                add_noise_to_some(batch["photo"], augment, rng)
        return batch


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
        batch["albedo_offset"][index] = levels_of(true * share - batch["albedo"][index] + 128)


def make_batches(config: Config, start_step: int = 0) -> tuple[Iterator[Batch], KeptValidation]:
    """Training batches without end, after `start_step` of them, and validation batches."""
    batches = DetailBatches(config)
    return batches.training(start_step), batches.kept_validation()
