"""Batches for weak supervision: what the network sees, the picture that it must explain, where, and the landmarks.

A batch is (images `[B,S,S,3]` in [0,1], truth): truth has `image` `[B,S,S,3]`, the same crop before augmentation
damaged it; `mask` `[B,S,S]`, where its pixels count; and `landmarks` `[B,68,2]` in pixels of a 256-pixel crop
(photographs) or `map` `[B,R,R,3]` in pixels (synthetic faces, from which landmarks follow).

Prepared photographs are cropped again, from their 68 landmarks, as `tfface.predict` crops (`docs/conventions.md`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfface.config import Config
from tfface.data import augment
from tfface.data.batches import Batches, faces
from tfface.data.maps import mirror_maps
from tfface.data.photos import photo_dataset
from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.geometry.ibug68 import MIRRORED
from tfface.io.records import MAPS_KIND, find_shards, read_dataset_card

Batch = tuple[tf.Tensor, dict[str, tf.Tensor]]


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
    face = load_open_face()
    if config.data.records:
        folder = Path(config.data.records)
        find_shards(folder)
        if read_dataset_card(folder).get("kind") == MAPS_KIND:
            raise UserError(
                f"{folder} holds maps of photographs: weak supervision takes synthetic shards or --data photos."
            )
    train, valid, enlarged = faces(config, face, start_step)
    batches = FaceBatches(config, face, enlarged)
    return batches.training(train, start_step), batches.validation(valid)


class FaceBatches(Batches):
    """Synthetic faces as pictures to be explained, with their true maps."""

    def _augmented(self, batch: dict[str, tf.Tensor]) -> Batch:
        config = self.config.augment

        def move(base: tf.Tensor) -> tf.Tensor:
            return augment.compose(augment.random_similarities(tf.shape(base)[0], config), base)

        images, maps = self._crop(batch, move)
        if config.mirror:
            turned = tf.random.uniform([tf.shape(images)[0], 1, 1, 1]) < 0.5
            maps = tf.where(turned, mirror_maps(maps, augment.CROP_SIZE), maps)
            images = tf.where(turned, tf.reverse(images, axis=[2]), images)
        return augment.damage_pictures(images, config), self._truth(images, maps)

    def _plain(self, batch: dict[str, tf.Tensor]) -> Batch:
        images, maps = self._crop(batch, lambda base: base)
        return images, self._truth(images, maps)

    def _truth(self, images: tf.Tensor, maps: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"image": images, "mask": tf.ones_like(images[..., 0]), "map": maps}


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
        config, seed = self.config.data, self.config.data.seed + start_step
        tf.random.set_seed(seed)
        photos, valid = (
            photo_dataset(self.folder, part, shares=config.shares).map(self._chosen) for part in ("train", "validation")
        )
        valid = valid.take(config.validation_size)
        for part, what in ((photos, "training"), (valid, "validation")):
            if not any(True for _ in part.take(1)):
                raise UserError(f"{self.folder} has no photographs for {what}: prepare more, or change --data.shares.")
        batches = self._endless(photos, seed).batch(config.batch, drop_remainder=True)
        prepare = self._augmented if self.config.augment.enabled else self._plain
        training = batches.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(4)
        validation = valid.batch(config.batch).map(self._plain)
        return training, (validation.cache() if config.cache_validation else validation).prefetch(2)

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

    def _augmented(self, batch: dict[str, tf.Tensor]) -> Batch:
        config = self.config.augment
        base = crops_of(batch["landmarks"])
        images, truth = self._crop(batch, augment.compose(augment.random_similarities(tf.shape(base)[0], config), base))
        if config.mirror:
            turned = tf.random.uniform([tf.shape(images)[0], 1, 1]) < 0.5
            images, truth = _mirrored(images, truth, turned)
        return augment.damage_pictures(images, config), truth

    def _plain(self, batch: dict[str, tf.Tensor]) -> Batch:
        return self._crop(batch, crops_of(batch["landmarks"]))

    def _crop(self, batch: dict[str, tf.Tensor], transforms: tf.Tensor) -> Batch:
        size = self.config.model.image_size
        pictures = tf.cast(batch["picture"], tf.float32) / 255.0
        pictures = augment.warp_pictures(pictures, transforms, size, fill_mode="CONSTANT")
        images, mask = pictures[..., :3], pictures[..., 3]
        landmarks = tf.einsum("bij,bkj->bki", transforms[:, :, :2], batch["landmarks"]) + transforms[:, None, :, 2]
        seen = images * mask[..., None] if self.config.weak.masked_input else images
        return seen, {"image": images, "mask": mask, "landmarks": landmarks}


def crops_of(landmarks: tf.Tensor) -> tf.Tensor:
    """The maps `[B,2,3]` from pictures to their 256-pixel crops: the box of landmarks `[B,68,2]`, sqrt(2) its side."""
    low, high = tf.reduce_min(landmarks, axis=1), tf.reduce_max(landmarks, axis=1)
    scale = augment.CROP_SIZE / (np.sqrt(2.0) * tf.reduce_max(high - low, axis=1))
    shift = augment.CROP_SIZE / 2 - scale[:, None] * (low + high) / 2
    zero = tf.zeros_like(scale)
    rows = [scale, zero, shift[:, 0], zero, scale, shift[:, 1]]
    return tf.reshape(tf.stack(rows, axis=1), [-1, 2, 3])


def _mirrored(images: tf.Tensor, truth: dict[str, tf.Tensor], turned: tf.Tensor) -> Batch:
    """The pictures of which `turned` `[B,1,1]` is true are mirrored, with what belongs to them."""
    points = tf.gather(truth["landmarks"], MIRRORED, axis=1) * [-1.0, 1.0] + [augment.CROP_SIZE, 0.0]
    four = turned[..., None]
    return tf.where(four, tf.reverse(images, [2]), images), {
        "image": tf.where(four, tf.reverse(truth["image"], [2]), truth["image"]),
        "mask": tf.where(turned, tf.reverse(truth["mask"], [2]), truth["mask"]),
        "landmarks": tf.where(turned, points, truth["landmarks"]),
    }
