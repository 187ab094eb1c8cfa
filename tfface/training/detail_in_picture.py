"""The regime of `--model detail` with maps in the picture: Fan's augmented branch (equations 4 to 12).

A frozen base's face, as shards have it (`tfface.data.shards.detail`), gets an offset of its albedo and one of its
shape at each vertex, read bilinearly in two maps where the vertex lands. The sum is rendered and compared with the
photograph by the losses of weak supervision (`weak.*`: pixels, landmarks, recognition); `detail.*` keeps the maps
small, symmetric in the picture, and the mesh smooth. TensorFlow only: it renders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from rich.console import Console

from tfface import models
from tfface.config import Config
from tfface.data.pipeline.detail import DetailBatches
from tfface.face.decoded import DecodedFace
from tfface.face.layout import CROP_SIZE, Layout
from tfface.face.position_map import position_tables
from tfface.geometry.pinhole import projected
from tfface.losses import detail as regularisers
from tfface.losses.identity import Network
from tfface.losses.sampling import sample
from tfface.models.layers import coefficients
from tfface.training import columns
from tfface.training.checkpoint import RunState
from tfface.training.detail import DetailSession
from tfface.training.pictures import Draw
from tfface.training.position_map import MakeDatasets, run_session
from tfface.training.schedule import optimizer_for
from tfface.training.weak_face import FaceMaker, PosedFace
from tfface.training.weak_losses import Truth, WeakLosses
from tfface.viz.base_crop import MM_PER_UNIT, base_of

OWN = ("small", "symmetry", "smooth_shape", "smooth_albedo")


def train(
    config: Config,
    make_datasets: MakeDatasets | None = None,
    console: Console | None = None,
    extra_callbacks: Sequence[keras.callbacks.Callback] = (),
    identity_network: Network | None = None,
) -> RunState:
    """Trains in `config.run.out`, going on from its checkpoint where there is one; arguments as
    `tfface.training.detail.train`, and the recognition network (dlib's by default).

    Raises:
        UserError: the folder holds another run, or there is nothing to train on.
    """
    topology, datasets = position_tables(16), make_datasets or make_batches
    make_model = partial(compiled, identity_network=identity_network)
    return run_session(config, make_model, PictureSession, topology, datasets, console, extra_callbacks)


def compiled(config: Config, identity_network: Network | None = None) -> keras.Model:
    """The network with its losses and optimiser."""
    model = OffsetNetwork(models.build(config.model), config, identity_network)
    model.compile(optimizer_for(model, config), jit_compile=False)
    return model


class OffsetMaker(FaceMaker):
    """A base's faces and two maps to `PosedFace`s with offsets."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        fine, coarse = (self.face.face(level).vertices(self.face.mean) for level in (2, self.model.level))
        apart = coarse - fine[self.face.landmarks68_2d][:, None]
        self._landmark_vertices = np.linalg.norm(apart, axis=-1).argmin(1)  # dlib's places, as the truth has them

    def __call__(self, given: tuple[tf.Tensor, Mapping[str, tf.Tensor]]) -> PosedFace:
        """The faces of maps `[B,S,S,6]` and what `base_of` says."""
        maps, base = given
        points = base["points"] * (maps.shape[1] / CROP_SIZE)
        offsets = sample(maps, points)
        vertices = base["vertices"] + MM_PER_UNIT * offsets[..., 3:]
        focal, distance, centre = base["camera"][:, :1], base["camera"][:, 1:2], base["camera"][:, 2:]
        x, y, z = tf.unstack(vertices, 3, axis=-1)
        u, v, _ = projected(x, y, z, focal, distance, (centre[:, :1], centre[:, 1:]))
        placed = tf.stack([u, v], axis=-1)
        none = tf.zeros_like(focal)
        landmarks = tf.gather(placed, self._landmark_vertices, axis=1)
        colours = base["albedo"] + offsets[..., :3]
        return PosedFace(
            *(none, none, none, base["light"]), *(vertices, placed, landmarks, colours, focal, distance, centre)
        )


class OffsetNetwork(keras.Model):
    """The detail network with these losses as its own; its weight files are those of `network`."""

    def __init__(self, network: keras.Model, config: Config, identity_network: Network | None = None) -> None:
        super().__init__(inputs=network.input, outputs=network.output, name=network.name)
        maker = OffsetMaker(config)
        self._losses_of = WeakLosses(config, maker, position_tables(16), identity_network)
        self._smooth = regularisers.Smoothness(maker.triangles, maker.model.num_vertices)
        weights = {name: float(getattr(config.weak, name)) for name in self._losses_of.names}
        self._weights_of = weights | {name: float(getattr(config.detail, name)) for name in OWN}
        self._means = {name: keras.metrics.Mean(name=name) for name in (*self._weights_of, "offset_mm")}

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> tf.Tensor:
        """The weighted sum; each loss also goes into its mean."""
        truth = Truth(y["image"], tf.ones_like(y["image"][..., 0]), y["landmarks"], None)
        values, face = self._losses_of((y_pred, y), y_pred, truth)
        parts = (y_pred[..., :3], y_pred[..., 3:])
        values["small"] = sum(tf.reduce_mean(regularisers.small(part)) for part in parts)
        values["symmetry"] = sum(tf.reduce_mean(regularisers.symmetry(part)) for part in parts)
        values["smooth_shape"] = tf.reduce_mean(self._smooth(face.vertices / MM_PER_UNIT))
        values["smooth_albedo"] = tf.reduce_mean(self._smooth(face.colours))
        for name, value in values.items():
            self._means[name].update_state(value)
        self._means["offset_mm"].update_state(tf.norm(MM_PER_UNIT * parts[1], axis=-1))
        return tf.add_n([self._weights_of[name] * values[name] for name in self._weights_of])


class PictureSession(DetailSession):
    """One process's part of a run."""

    def parts(self) -> tuple[str, ...]:
        """The losses that are on, and how long the shape's offsets are."""
        return (*columns.active(self.config), *OWN, "offset_mm")

    def columns(self) -> tuple[str, ...]:
        return columns.both(self.parts())

    def pictures(self, validation: Any) -> Draw:
        """Offsets have no picture of their own in a run: `evaluate --benchmark detail` draws them."""
        return lambda model: np.zeros((1, 1, 3), np.uint8)


def make_batches(config: Config, start_step: int = 0) -> tuple[Iterator[Any], Any]:
    """Training batches without end after `start_step` of them, and validation batches: (inputs, truth)."""
    layout = coefficients.layout_of(config.model)
    batches = DetailBatches(config)
    kept = [with_base(batch, layout) for batch in batches.validation()]
    return (with_base(batch, layout) for batch in batches.training(start_step)), kept


def with_base(batch: dict[str, NDArray[Any]], layout: Layout) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
    """A batch of crops and coefficients as inputs `[B,S,S,6]` and what the losses need."""
    layout, size = base_layout(batch["coefficients"].shape[1], layout), batch["crop"].shape[1]
    faces = [base_of(DecodedFace(layout, row), size) for row in batch["coefficients"]]
    of_bases = {name: np.stack([face[name] for face in faces]) for name in faces[0]}
    image = (batch["crop"] / 255).astype(np.float32)
    inputs = np.concatenate([image, of_bases.pop("render")], axis=-1)
    return inputs, {**of_bases, "image": image, "landmarks": batch["landmarks"]}


def base_layout(count: int, layout: Layout) -> Layout:
    """The layout of `count` coefficients: `framed`, as the points' R-Nets have it, else with Deep3D's camera."""
    sizes = {camera: sum(replace(layout, camera=camera).sizes(raw=False).values()) for camera in ("framed", "deep3d")}
    return replace(layout, camera=next(camera for camera, size in sizes.items() if size == count))
