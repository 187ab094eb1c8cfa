"""Batches for weak supervision: what the network sees, the picture that it must explain, where, and the landmarks.

A batch is (images `[B,S,S,3]` in [0,1], truth): truth has `image` `[B,S,S,3]`, the same crop before augmentation
damaged it; `mask` `[B,S,S]`, where its pixels count; and `landmarks` `[B,68,2]` in pixels of a 256-pixel crop
(photographs) or `map` `[B,R,R,3]` in pixels (synthetic faces, from which landmarks follow).

Prepared photographs are cropped again, from their 68 landmarks, as `tfface.predict` crops (`docs/conventions.md`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfface.config import Config
from tfface.data import augment
from tfface.data.ahead import in_threads
from tfface.data.batches import Batch, Batches, FinishBatch
from tfface.data.photos import photo_dataset
from tfface.data.pipeline import as_datasets
from tfface.data.sources import MapShards, source_of
from tfface.errors import UserError
from tfface.geometry.ibug68 import MIRRORED

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
        return PhotoBatches(config).datasets(start_step)
    if config.weak.masked_input:
        raise UserError(
            "weak.masked_input: only prepared photographs have masks; add --data photos --data.records DIR."
        )
    source = source_of(config)
    if isinstance(source, MapShards):
        raise UserError(
            f"{source.folder} holds maps of photographs: weak supervision takes synthetic shards or --data photos."
        )
    batches = Batches(config, source, undamaged=True)
    finish = FinishBatch(config).into_graph()

    def with_truth(batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, Truth]:
        images, maps = finish(batch)
        undamaged = tf.cast(batch["undamaged"], tf.float32) / 255
        return images, {"image": undamaged, "mask": tf.ones_like(undamaged[..., 0]), "map": maps}

    return as_datasets(batches, start_step, with_truth)


class PhotoBatches:
    """Prepared photographs as batches.

    Args:
        config: the run's configuration; `data.records` names the folder.
    """

    def __init__(self, config: Config) -> None:
        self.config, self.folder = config, Path(config.data.records)
        if config.weak.mask == "none" and config.weak.masked_input:
            raise UserError("weak.masked_input: name the mask with --weak.mask, such as hull.")

    def datasets(self, start_step: int) -> tuple[tf.data.Dataset, tf.data.Dataset]:
        """Training batches, endless and augmented, whose order follows `data.seed` and the step; and validation."""
        config = self.config.data
        photos, valid = (
            photo_dataset(self.folder, part, shares=config.shares).map(self._chosen) for part in ("train", "validation")
        )
        valid = valid.take(config.validation_size)
        for part, what in ((photos, "training"), (valid, "validation")):
            if not any(True for _ in part.take(1)):
                raise UserError(f"{self.folder} has no photographs for {what}: prepare more, or change --data.shares.")
        endless = self._endless(photos, config.seed + start_step).batch(config.batch, drop_remainder=True)
        training = self._finished(endless, config.batch, self._random(start_step)).prefetch(4)
        validation = self._finished(valid.batch(config.batch), None, lambda numbered: self._batch(numbered[1]))
        return training, (validation.cache() if config.cache_validation else validation).prefetch(2)

    def _finished(
        self, batches: tf.data.Dataset, size: int | None, make: Callable[[tuple[int, Batch]], Batch]
    ) -> tf.data.Dataset:
        side = self.config.model.image_size
        shapes = {"images": (side, side, 3), "image": (side, side, 3), "mask": (side, side), "landmarks": (68, 2)}
        kinds = {key: tf.float32 if key == "landmarks" else tf.uint8 for key in shapes}
        signature = {key: tf.TensorSpec((size, *shape), kinds[key]) for key, shape in shapes.items()}

        def generate() -> Iterator[Batch]:
            return in_threads(make, enumerate(batches.as_numpy_iterator()))

        def finish(batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, Truth]:
            found = {
                key: value if key == "landmarks" else tf.cast(value, tf.float32) / 255 for key, value in batch.items()
            }
            return found.pop("images"), found

        return tf.data.Dataset.from_generator(generate, output_signature=signature).map(finish)

    def _endless(self, photos: tf.data.Dataset, seed: int) -> tf.data.Dataset:
        """All photographs again and again, or chunk after chunk, each gone through `data.chunk_epochs` times."""
        config = self.config.data
        if not config.chunk:
            return photos.shuffle(config.shuffle, seed=seed).repeat()
        count = photos.reduce(np.int64(0), lambda total, _: total + 1)
        chunks = tf.data.Dataset.range((count + config.chunk - 1) // config.chunk)

        def gone_through(chunk: tf.Tensor) -> tf.data.Dataset:
            part = photos.skip(chunk * config.chunk).take(config.chunk)
            return part.shuffle(config.shuffle, seed=seed).repeat(config.chunk_epochs)

        return chunks.flat_map(gone_through).repeat()

    def _chosen(self, photo: dict[str, Any]) -> dict[str, tf.Tensor]:
        """Landmarks `[68,2]`, picture and mask together `[S,S,4]` uint8: a thousand of them wait to be shuffled."""
        chosen = self.config.weak.mask
        mask = tf.ones_like(photo["skin_mask"]) if chosen == "none" else photo[f"{chosen}_mask"]
        picture = tf.concat([photo["image"], mask[..., None]], axis=-1)
        return {"picture": tf.cast(tf.round(255.0 * picture), tf.uint8), "landmarks": photo["landmarks68"]}

    def _random(self, start_step: int) -> Callable[[tuple[int, Batch]], Batch]:
        """Makes training batches; what is random in one follows `data.seed` and its number."""
        config = self.config

        def make(numbered: tuple[int, Batch]) -> Batch:
            rng = np.random.default_rng([config.data.seed, start_step + numbered[0]])
            return self._batch(numbered[1], rng if config.augment.enabled else None)

        return make

    def _batch(self, photos: Batch, rng: np.random.Generator | None = None) -> Batch:
        """Pictures in bytes, as the network sees them and as they were; masks; and landmarks."""
        config, moves = self.config.augment, crops_of(photos["landmarks"])
        turned = np.zeros(len(moves), bool)
        if rng is not None:
            moves = augment.compose(augment.random_similarities(len(moves), config, rng), moves)
            turned = rng.random(len(moves)) < (0.5 if config.mirror else 0.0)
        landmarks = photos["landmarks"] @ moves[:, :, :2].swapaxes(1, 2) + moves[:, None, :, 2]
        landmarks = np.where(turned[:, None, None], _mirrored_landmarks(landmarks), landmarks)
        moves = np.where(turned[:, None, None], augment.mirrored(moves), moves)
        size, black = self.config.model.image_size, cv2.BORDER_CONSTANT
        pairs = zip(photos["picture"], moves, strict=True)
        pictures = np.stack([augment.warp_picture(picture, move, size, black) for picture, move in pairs])
        image, mask = np.ascontiguousarray(pictures[..., :3]), pictures[..., 3]
        seen = image.copy()
        if self.config.weak.masked_input:
            seen = np.asarray(image * (mask[..., None] / 255.0) + 0.5, np.uint8)
        if rng is not None:
            augment.damage_pictures(seen, config, rng)
        return {"images": seen, "image": image, "mask": mask, "landmarks": landmarks.astype(np.float32)}


def crops_of(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """The maps `[B,2,3]` from pictures to their 256-pixel crops: the box of landmarks `[B,68,2]`, sqrt(2) its side."""
    low, high = landmarks.min(1).astype(np.float64), landmarks.max(1)
    scale = augment.CROP_SIZE / (np.sqrt(2.0) * (high - low).max(1))
    shift = augment.CROP_SIZE / 2 - scale[:, None] * (low + high) / 2
    return np.concatenate([scale[:, None, None] * np.eye(2), shift[:, :, None]], axis=2)


def _mirrored_landmarks(landmarks: NDArray[np.floating]) -> NDArray[np.floating]:
    return landmarks[:, MIRRORED] * [-1.0, 1.0] + [augment.CROP_SIZE, 0.0]
