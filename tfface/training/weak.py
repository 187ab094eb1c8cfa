"""The weakly supervised regime of R-Net: render what it says, compare with the picture, learn (Deng et al. 2019).

Pictures are photographs that `tfface prepare` prepared, or synthetic faces, whose landmarks and maps are
known: there one run can learn geometry from the map (`weak.map`) and albedo and light from the picture, before any
photograph. Losses stand in `tfface.training.weak_losses`. Everything else (checkpoints from which a run goes on as if
it had not stopped, schedule, early stopping, files) is the position-map regime's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console

from tfface import models
from tfface.config import Config
from tfface.data.shards.folder import damaged_shard
from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.io.reading import reason
from tfface.losses.identity import Network
from tfface.models.layers import maps
from tfface.models.networks import rnet
from tfface.training import columns
from tfface.training.checkpoint import RunState
from tfface.training.feed import Feed
from tfface.training.metrics import FaceError, landmark_errors
from tfface.training.pictures import Draw
from tfface.training.position_map import MakeDatasets, Session, run_session
from tfface.training.schedule import optimizer_for
from tfface.training.weak_face import FaceMaker
from tfface.training.weak_losses import Truth, WeakLosses
from tfface.training.weak_pictures import FacePictures

_OF_RECORDS = ("Feature", "feature", "parse", "JPEG", "PNG", "image", "records")
COLOUR_HEADS = ("head_albedo", "head_light")


def train(
    config: Config,
    make_datasets: MakeDatasets | None = None,
    console: Console | None = None,
    extra_callbacks: Sequence[keras.callbacks.Callback] = (),
    identity_network: Network | None = None,
) -> RunState:
    """As `tfface.training.position_map.train`.

    Args:
        make_datasets: `(config, start_step) -> (training, validation)` of images `[B,S,S,3]` and a dictionary:
            `image` and `mask`, and `landmarks` or `map` (`[B,R,R,3]` in pixels); `tfface.data.pipeline.weak` by
            default.
        identity_network: chips to descriptors; dlib's by default.

    Raises:
        UserError: as there, or the identity network is missing.
    """
    if make_datasets is None:
        from tfface.data.pipeline.weak import make_datasets as from_pictures

        make_datasets = from_pictures
    topology = PositionMap(load_open_face(), config.model.map_size)
    make_model = partial(compiled, topology=topology, identity_network=identity_network)
    return run_session(config, make_model, WeakSession, topology, make_datasets, console, extra_callbacks)


def compiled(config: Config, topology: PositionMap, identity_network: Network | None = None) -> keras.Model:
    """The network with its losses and optimiser."""
    network = models.build(config.model)
    freeze(network, config.weak.train)
    model = WeakNetwork(network, config, topology, identity_network)
    # The renderer is compiled by itself; the mesh's sparse product is not for XLA.
    model.compile(optimizer_for(model, config), jit_compile=False)
    return model


def freeze(network: keras.Model, train_what: str) -> None:
    """Holds still what `weak.train` does not name; batch normalisation then uses its running statistics."""
    chosen = {"heads": rnet.HEADS, "colour": COLOUR_HEADS}.get(train_what)
    for layer in network.layers:
        if chosen is not None and layer.weights:
            layer.trainable = layer.name in chosen


class WeakNetwork(keras.Model):
    """R-Net with its raw numbers as a second answer and the weak losses as its loss.

    Its layers and weights are those of `network`, so its weight files are R-Net's.
    """

    def __init__(
        self, network: keras.Model, config: Config, topology: PositionMap, identity_network: Network | None = None
    ) -> None:
        outputs = {"map": network.output, "raw": network.get_layer("raw").output}
        super().__init__(inputs=network.input, outputs=outputs, name=network.name)
        self._losses_of = WeakLosses(config, FaceMaker(config), topology, identity_network)
        self._weights_of = {name: float(getattr(config.weak, name)) for name in self._losses_of.names}
        self._means = [keras.metrics.Mean(name=name) for name in (*self._losses_of.names, "nme68")]
        self._face_error = FaceError.of(topology) if columns.knows_maps(config) else None

    def compute_loss(
        self,
        x: Any = None,
        y: Mapping[str, tf.Tensor] | None = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """The weighted sum; each loss and the landmark error also go into its mean."""
        assert y is not None
        truth = Truth(y["image"], y["mask"], y["landmarks"], y.get("map"))
        losses, face = self._losses_of(y_pred["raw"], y_pred["map"], truth)
        size = tf.shape(truth.image)[0]
        for mean, value in zip(self._means, losses.values(), strict=False):
            mean.update_state(value, sample_weight=size)
        self._means[-1].update_state(landmark_errors(truth.landmarks, face.landmarks))
        if self._face_error is not None and not training:
            self._face_error.update_state(truth.map, y_pred["map"])
        return tf.add_n([self._weights_of[name] * value for name, value in losses.items()])


class WeakSession(Session):
    """One process's part of a weakly supervised run."""

    def parts(self) -> tuple[str, ...]:
        """The losses that are on, and the landmark error."""
        return (*columns.active(self.config), "nme68")

    def columns(self) -> tuple[str, ...]:
        """Each of them in training and in validation, and where maps are known the error of the face."""
        return columns.of_weak(self.config)

    def prepared(self, images: tf.Tensor, truth: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Maps in network units, and the landmarks that follow from them where there are no others."""
        result: dict[str, tf.Tensor] = {name: truth[name] for name in ("image", "mask", "landmarks") if name in truth}
        if "map" not in truth:
            return images, result
        if truth["map"].shape[1] != self.topology.resolution:
            raise UserError(f"The data's maps have {truth['map'].shape[1]} texels a side, not model.map_size.")
        pixels = truth["map"]
        if "landmarks" not in result:
            flat = tf.reshape(pixels[..., :2], [-1, self.topology.resolution**2, 2])
            result["landmarks"] = tf.einsum("lt,btc->blc", tf.constant(self.topology.landmark_matrix()), flat)
        units = maps.to_units(pixels[..., :3], self.config.model.output)
        return images, {**result, "map": tf.concat([units, pixels[..., 3:]], axis=-1)}

    def trained_on(self, training: tf.data.Dataset, feed: Feed) -> tf.data.Dataset:
        return training.map(self.prepared)

    def validated_on(self, validation: tf.data.Dataset) -> tf.data.Dataset:
        return validation.map(self.prepared)

    def _cause(self, error: Exception, feed: Feed, state: RunState) -> Exception:
        """Names the shard, or the folder where its records are of another form, at which TensorFlow stopped."""
        cause = super()._cause(error, feed, state)
        folder = Path(self.config.data.records)
        kinds = (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError)
        if cause is error and self.config.data.records and isinstance(error, (*kinds, tf.errors.UnknownError)):
            damaged = damaged_shard(sorted(folder.glob("[!.]*.tfrecord")))
            if damaged is not None:
                return damaged
            if any(word in str(error) for word in _OF_RECORDS):
                return UserError(
                    f"{folder} holds records that this run cannot read ({reason(error)}): make the shards again."
                )
        return cause

    def pictures(self, validation: tf.data.Dataset) -> Draw:
        images, truth = next(iter(validation.map(self.prepared).unbatch().batch(self.config.run.pictures)))
        return FacePictures(
            np.asarray(images), np.asarray(truth["landmarks"]), self.config, self.folder / "pictures.png"
        )
