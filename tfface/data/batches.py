"""Records of synthetic faces, from shards or straight from the generator, to batches of pictures and maps.

Pictures are decoded, moved and coloured batch by batch. With one view, front and side pictures are samples of their
own; with two, the map is that of the front picture.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfface.config import Config
from tfface.data import augment
from tfface.data.face_noise import add_face_noise
from tfface.data.maps import MapProjector, mirror_maps, transform_maps
from tfface.data.roll import rolls_of_maps, upright_similarities
from tfface.data.synthetic.sample import SyntheticSettings
from tfface.errors import UserError
from tfface.face.open_model import OpenFace
from tfface.io.records import (
    VIEWS,
    card_number,
    check_face_model,
    find_shards,
    must_hold_records,
    parse_example,
    read_dataset_card,
)


def faces(config: Config, face: OpenFace, start_step: int) -> tuple[tf.data.Dataset, tf.data.Dataset, float]:
    """Training and validation records of synthetic faces, from shards or made on the fly, and how much more their
    pictures show than the crop's box (a factor on its side)."""
    if config.data.records:
        folder = Path(config.data.records)
        card = read_dataset_card(folder)
        check_face_model(folder, card, face.checksum)
        enlarged = float(card_number(folder, card, "settings", "enlarge"))
        return *coefficient_records(config, face, start_step), enlarged
    from tfface.data.live import live_records

    settings = SyntheticSettings(background_folder=config.data.backgrounds, bank_size=config.data.textures)
    return *live_records(config, settings, start_step, validation_pairs(config)), settings.enlarge


def validation_pairs(config: Config) -> int:
    """How many records hold `data.validation_size` samples: with one view each record gives two."""
    return -(-config.data.validation_size // (2 if config.model.views == 1 else 1))


class Batches:
    """Records to batches, with augmentation for training and without for validation.

    Args:
        config: the run's configuration.
        face: the face model.
        enlarged: the records' pictures show this many times the side of the crop's box.
    """

    def __init__(self, config: Config, face: OpenFace, enlarged: float) -> None:
        self.config = config
        self.enlarged = enlarged
        self.face = face
        self.num_validation = validation_pairs(config) * (2 if config.model.views == 1 else 1)

    @cached_property
    def _project(self) -> MapProjector:
        with tf.init_scope():  # asked for while `map` traces a graph, used by several of them
            return MapProjector(self.face, self.config.model.map_size)

    def training(self, records: tf.data.Dataset, start_step: int) -> tf.data.Dataset:
        """Augmented batches. Random numbers follow `data.seed` and the step, so a resumed run repeats none."""
        config = self.config
        tf.random.set_seed(config.data.seed + start_step)
        samples = records.map(self._decode, num_parallel_calls=tf.data.AUTOTUNE)
        samples = self._per_view(samples)
        samples = samples.shuffle(config.data.shuffle, seed=config.data.seed + start_step)
        batches = samples.batch(config.data.batch, drop_remainder=True)
        prepare = self._augmented if config.augment.enabled else self._plain
        batches = batches.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(4)
        return batches.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))

    def validation(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Plain batches, kept in memory."""
        samples = self._per_view(records.map(self._decode))
        batches = samples.batch(self.config.data.batch, drop_remainder=False)
        count = -(-self.num_validation // self.config.data.batch)
        batches = batches.map(self._plain).apply(tf.data.experimental.assert_cardinality(count))
        return (batches.cache() if self.config.data.cache_validation else batches).prefetch(2)

    def _decode(self, record: dict[str, Any]) -> dict[str, tf.Tensor]:
        sample = {key: record[key] for key in ("identity", "expression")}
        for view in VIEWS:
            sample[f"{view}/image"] = tf.io.decode_jpeg(record[f"{view}/image"], channels=3)
            sample[f"{view}/camera"] = record[f"{view}/camera"]
        return sample

    def _per_view(self, samples: tf.data.Dataset) -> tf.data.Dataset:
        """One view: each picture is a sample. Two views: both stay together."""
        if self.config.model.views == 2:
            return samples

        def split(sample: dict[str, tf.Tensor]) -> tf.data.Dataset:
            shared = {key: tf.stack([sample[key]] * 2) for key in ("identity", "expression")}
            images = tf.stack([sample[f"{view}/image"] for view in VIEWS])
            cameras = tf.stack([sample[f"{view}/camera"] for view in VIEWS])
            return tf.data.Dataset.from_tensor_slices({**shared, "front/image": images, "front/camera": cameras})

        return samples.flat_map(split)

    def _augmented(self, batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        config = self.config.augment

        def move(base: tf.Tensor) -> tf.Tensor:
            return augment.compose(augment.random_similarities(tf.shape(base)[0], config), base)

        images, maps = self._crop(batch, move)
        pictures = [augment.damage_pictures(image, config) for image in tf.split(images, self.config.model.views, 3)]
        if config.face_noise:
            pictures[0] = add_face_noise(pictures[0], maps)
        images = tf.concat(pictures, axis=3)
        if config.mirror:
            turned = tf.random.uniform([tf.shape(images)[0], 1, 1, 1]) < 0.5
            maps = tf.where(turned, mirror_maps(maps, augment.CROP_SIZE), maps)
            images = tf.where(turned, tf.reverse(images, axis=[2]), images)
        return images, maps

    def _plain(self, batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        return self._crop(batch, lambda base: base)

    def _crop(self, batch: dict[str, tf.Tensor], move: Callable[[tf.Tensor], tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Each view resampled through its own transform; the map follows the first view."""
        images, first, maps = [], None, self._maps(batch)
        for view in VIEWS[: self.config.model.views]:
            pictures = batch[f"{view}/image"]
            size = tf.shape(pictures)[1]
            base = augment.crop_transforms(tf.shape(pictures)[0], size, self.enlarged)
            if self.config.augment.upright and first is None:
                base = augment.compose(upright_similarities(rolls_of_maps(maps)), base)
            transforms = move(base)
            moved = augment.warp_pictures(pictures, transforms, self.config.model.image_size)  # bytes: half the time
            images.append(tf.cast(moved, tf.float32) / 255)
            first = transforms if first is None else first
        return tf.concat(images, axis=3), transform_maps(maps, first)

    def _maps(self, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        """The first view's maps `[B,R,R,3]` in pixels of its stored picture."""
        return self._project(batch["identity"], batch["expression"], batch["front/camera"])


def coefficient_records(config: Config, face: OpenFace, start_step: int) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """Training and validation records of a folder of shards of `tfface.io.records`."""
    folder = Path(config.data.records)
    per_shard = int(card_number(folder, read_dataset_card(folder), "pairs_per_shard"))

    def parse(raw: tf.Tensor) -> dict[str, tf.Tensor]:
        return parse_example(raw, face.num_identity, len(face.expression_names))

    return shard_records(config, per_shard, validation_pairs(config), parse, start_step)


def shard_records(
    config: Config, per_shard: int, num_valid: int, parse: Callable[[tf.Tensor], dict[str, tf.Tensor]], start_step: int
) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """Training and validation records of a folder; the first shards are for validation, so that a folder may grow.

    Args:
        config: the run's configuration.
        per_shard: how many records a shard holds.
        num_valid: how many records to hold out.
        parse: a serialised record to its features.
        start_step: how many training batches were consumed before.
    """
    folder = Path(config.data.records)
    shards = [str(path) for path in find_shards(folder)]
    held_out = -(-num_valid // per_shard)
    if held_out >= len(shards):
        raise UserError(
            f"{folder} holds {len(shards)} shards, and {held_out} are held out for validation: make more shards, "
            "or lower --data.validation-size."
        )
    must_hold_records(map(Path, shards[:held_out]), "validation")
    must_hold_records(map(Path, shards[held_out:]), "training")
    valid, train = shards[:held_out], shards[held_out:]
    files = tf.data.Dataset.from_tensor_slices(train).shuffle(len(train), seed=config.data.seed + start_step)
    records = files.repeat().interleave(tf.data.TFRecordDataset, cycle_length=4, num_parallel_calls=2)
    return records.map(parse), tf.data.TFRecordDataset(valid).take(num_valid).map(parse)
