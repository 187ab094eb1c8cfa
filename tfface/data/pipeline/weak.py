"""Batches for weak supervision: what the network sees, the picture that it must explain, where, and the landmarks.

A batch is (images `[B,S,S,3]` in [0,1], truth): truth has `image` `[B,S,S,3]`, the same crop before augmentation
damaged it; `mask` `[B,S,S]`, where its pixels count; and `landmarks` `[B,68,2]` in pixels of a 256-pixel crop
(photographs) or `map` `[B,R,R,3]` in pixels (synthetic faces, from which landmarks follow).

Prepared photographs are cropped again, from their 68 landmarks, as `tfface.predict` crops (`docs/conventions.md`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfface.config import Config
from tfface.data.pipeline import augment
from tfface.data.pipeline.batches import Batch, Batches, BatchMaker, FinishBatch, Signature
from tfface.data.pipeline.datasets import as_datasets
from tfface.data.pipeline.samples import MapShards, passes, source_of
from tfface.data.shards.photos import photo_places, read_photo
from tfface.errors import UserError
from tfface.geometry.ibug68 import MIRRORED
from tfface.io.examples import Place

Truth = dict[str, Any]


def make_datasets(config: Config, start_step: int = 0) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """Training data without end, and validation data once through.

    Args:
        config: the run's configuration.
        start_step: how many training batches were consumed before.

    Raises:
        UserError: nothing to train on.
    """
    if config.data.source == "photos":
        photographs = PhotoBatches(config)
        return as_datasets(photographs, photographs.signature(), start_step, _with_landmarks)
    if config.weak.masked_input:
        raise UserError(
            "weak.masked_input: only prepared photographs have masks; add `data.source=photos` and `data.records`."
        )
    source = source_of(config)
    if isinstance(source, MapShards):
        raise UserError(
            f"{source.folder} holds maps of photographs: weak supervision takes synthetic shards, or "
            "`data.source=photos`."
        )
    batches = Batches(config, source, undamaged=True)
    finish = FinishBatch(config).into_graph()

    def with_truth(batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, Truth]:
        images, maps = finish(batch)
        undamaged = tf.cast(batch["undamaged"], tf.float32) / 255
        return images, {"image": undamaged, "mask": tf.ones_like(undamaged[..., 0]), "map": maps}

    return as_datasets(batches, batches.signature(), start_step, with_truth)


class PhotoBatches(BatchMaker):
    """Prepared photographs as batches; what is random in one follows `data.seed` and its number.

    A pass is all photographs; with `data.chunk` as many, chunk after chunk, each `data.chunk_epochs` times.

    Args:
        config: the run's configuration; `data.records` names the folder.
    """

    def __init__(self, config: Config) -> None:
        folder = Path(config.data.records)
        if config.weak.mask == "none" and config.weak.masked_input:
            raise UserError("weak.masked_input: name the mask with `weak.mask`, such as hull.")
        self._mask = "" if config.weak.mask == "none" else f"{config.weak.mask}_mask"
        self._train, valid = (photo_places(folder, part, config.data.shares) for part in ("train", "validation"))
        self._valid = valid[: config.data.validation_size]
        for part, what in ((self._train, "training"), (self._valid, "validation")):
            if not part:
                raise UserError(f"{folder} has no photographs for {what}: prepare more, or change `data.shares`.")
        super().__init__(config, len(self._valid))

    def _training(self, start: int) -> Iterator[Place]:
        return passes(self._pass, self.config.data.seed, *self._reached(start))

    def _validation(self) -> Iterator[Place]:
        return iter(self._valid)

    def signature(self) -> Signature:
        """Of its batches."""
        side = self.config.model.image_size
        shapes = {"images": (side, side, 3), "image": (side, side, 3), "mask": (side, side)}
        return {**{key: (shape, np.uint8) for key, shape in shapes.items()}, "landmarks": ((68, 2), np.float32)}

    def _pass(self, number: int) -> list[Place]:
        data = self.config.data
        if not data.chunk:
            return self._train
        first = data.chunk * (number // data.chunk_epochs % self._chunks)
        return self._train[first : first + data.chunk]

    @property
    def _chunks(self) -> int:
        return -(-len(self._train) // (self.config.data.chunk or len(self._train)))

    def _reached(self, start: int) -> tuple[int, int]:
        """The pass to which so many photographs lead, and how many of it came before."""
        times = self.config.data.chunk_epochs if self.config.data.chunk else 1
        rounds, rest = divmod(start, times * len(self._train))
        number = rounds * times * self._chunks
        while rest >= len(self._pass(number)):
            rest -= len(self._pass(number))
            number += 1
        return number, rest

    def _batch(self, jobs: list[Place], rng: np.random.Generator | None = None) -> Batch:
        """Pictures in bytes, as the network sees them and as they were; masks; and landmarks."""
        stored, points = zip(*(read_photo(place, self._mask) for place in jobs), strict=True)
        config, moves = self.config.augment, crops_of(np.stack(points))
        turned = np.zeros(len(moves), bool)
        if rng is not None:
            moves = augment.compose(augment.random_similarities(len(moves), config, rng), moves)
            turned = rng.random(len(moves)) < (0.5 if config.mirror else 0.0)
        landmarks = np.stack(points) @ moves[:, :, :2].swapaxes(1, 2) + moves[:, None, :, 2]
        landmarks = np.where(turned[:, None, None], _mirrored_landmarks(landmarks), landmarks)
        moves = np.where(turned[:, None, None], augment.mirrored(moves), moves)
        size, black = self.config.model.image_size, cv2.BORDER_CONSTANT
        pairs = zip(stored, moves, strict=True)
        pictures = np.stack([augment.warp_picture(picture, move, size, black) for picture, move in pairs])
        image, mask = np.ascontiguousarray(pictures[..., :3]), pictures[..., 3]
        seen = image.copy()
        if self.config.weak.masked_input:
            seen = np.asarray(image * (mask[..., None] / 255.0) + 0.5, np.uint8)
        if rng is not None:
            augment.damage_pictures(seen, config, rng)
        return {"images": seen, "image": image, "mask": mask, "landmarks": landmarks.astype(np.float32)}


def _with_landmarks(batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, Truth]:
    found = {key: value if key == "landmarks" else tf.cast(value, tf.float32) / 255 for key, value in batch.items()}
    return found.pop("images"), found


def crops_of(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """The maps `[B,2,3]` from pictures to their 256-pixel crops: the box of landmarks `[B,68,2]`, sqrt(2) its side."""
    low, high = landmarks.min(1).astype(np.float64), landmarks.max(1)
    scale = augment.CROP_SIZE / (np.sqrt(2.0) * (high - low).max(1))
    shift = augment.CROP_SIZE / 2 - scale[:, None] * (low + high) / 2
    return np.concatenate([scale[:, None, None] * np.eye(2), shift[:, :, None]], axis=2)


def _mirrored_landmarks(landmarks: NDArray[np.floating]) -> NDArray[np.floating]:
    return landmarks[:, MIRRORED] * [-1.0, 1.0] + [augment.CROP_SIZE, 0.0]
