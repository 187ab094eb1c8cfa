"""The losses by which R-Net learns from pictures, put together: each by its name, weighed as `weak.*` says.

    photometric, landmarks, identity, regularisation, expression_range, flattening, monochromatic, map

Formulas and their sources stand in `tfface.losses`. A loss whose weight is 0 is not computed. Pictures that are
compared, their masks and what the network sees are three things: `Truth` names them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import tensorflow as tf

from tfface.config import Config
from tfface.face.coefficients import CARRIED_EXPRESSION_STD
from tfface.face.layout import CROP_SIZE
from tfface.face.position_map import PositionMap
from tfface.losses import coefficients, identity, landmarks, photometric
from tfface.losses.position_map import normalised_mask, weighted_map_loss
from tfface.losses.sampled_photometric import mask_at, sampled_photometric
from tfface.render.face_renderer import Rendering
from tfface.training.columns import active
from tfface.training.weak_face import FaceMaker, PosedFace, Renderer

DISTANCES = {
    "cosine": identity.cosine_distance,
    "l1": identity.l1_distance,
    "euclidean": identity.euclidean_distance,
}


class Truth(NamedTuple):
    """What a batch is compared with.

    Attributes:
        image: `[B,S,S,3]` RGB in [0,1], to be explained.
        mask: `[B,S,S]` in [0,1], where its pixels count.
        landmarks: `[B,68,2]` u, v in pixels of a 256-pixel crop.
        map: `[B,R,R,3+]` the posed map in network units; None where it is not known.
    """

    image: tf.Tensor
    mask: tf.Tensor
    landmarks: tf.Tensor
    map: tf.Tensor | None


class WeakLosses:
    """The unweighted losses of a batch.

    Args:
        config: the run's configuration.
        maker: raw numbers to faces.
        topology: of the network's maps.
        identity_network: chips to descriptors; None loads dlib's where the identity loss is on.

    Raises:
        UserError: the identity network's file is missing.
    """

    def __init__(
        self,
        config: Config,
        maker: FaceMaker,
        topology: PositionMap,
        identity_network: identity.Network | None = None,
    ) -> None:
        self.config, self.weak, self.maker = config, config.weak, maker
        self.size, self.names = config.model.image_size, active(config)
        loss = config.loss
        weights = loss.landmarks, loss.features, loss.face, loss.neck
        self._map_mask = normalised_mask(topology.weight_mask(weights))
        self._network = identity_network
        if "identity" in self.names and identity_network is None:
            from tfface.models.networks.dlib_face import load_identity_network

            self._network = load_identity_network()

    def __call__(
        self, raw: tf.Tensor, predicted_map: tf.Tensor, truth: Truth
    ) -> tuple[dict[str, tf.Tensor], PosedFace]:
        """Means over the batch by name, and the faces.

        Args:
            raw: `[B,N]` the network's raw numbers.
            predicted_map: `[B,R,R,C]` in network units; the last three channels are the answer.
            truth: see `Truth`.
        """
        face = self.maker(raw)
        drawn = self._renderer(face) if self._needs_picture else None
        values: dict[str, Callable[[], tf.Tensor]] = {
            "photometric": lambda: self._photometric(face, drawn, truth),
            "landmarks": lambda: self._landmarks(face, truth),
            "identity": lambda: self._identity(face, drawn, truth),
            "regularisation": lambda: coefficients.regularisation(
                face.identity, face.expression / CARRIED_EXPRESSION_STD, face.albedo
            ),
            "expression_range": lambda: coefficients.out_of_range(face.expression),
            "flattening": lambda: coefficients.flat_reflectance(face.colours, tf.constant(self.maker.skin)),
            "monochromatic": lambda: coefficients.monochromatic_light(face.light),
            "map": lambda: weighted_map_loss(truth.map, predicted_map[..., -3:], self._map_mask, self.config.loss.kind),
        }
        return {name: tf.reduce_mean(values[name]()) for name in self.names}, face

    @cached_property
    def _renderer(self) -> Renderer:
        with tf.init_scope():
            return Renderer(self.maker, self.size, smooth=self.weak.photometric_kind != "sampled")

    @property
    def _needs_picture(self) -> bool:
        rendered = "photometric" in self.names and self.weak.photometric_kind != "sampled"
        return rendered or "identity" in self.names

    def _photometric(self, face: PosedFace, drawn: Rendering | None, truth: Truth) -> tf.Tensor:
        if self.weak.photometric_kind == "sampled":
            normals = self.maker.normals(face)
            points = face.points * (self.size / CROP_SIZE)
            weights = self.maker.facing(face, normals) * mask_at(truth.mask, points)
            return sampled_photometric(truth.image, points, face.colours, normals, face.light, weights)
        assert drawn is not None
        picture, seen = drawn.rgba[..., :3], drawn.mask[..., 0]
        if self.weak.photometric_kind == "rendered":
            return photometric.robust_photometric(picture, truth.image, seen * truth.mask)
        if self.weak.photometric_kind == "masked":
            return photometric.masked_pixels(picture, truth.image, seen)
        scale = self.size / CROP_SIZE
        masked = truth.image * truth.mask[..., None]
        return photometric.aligned_pixels(picture, masked, scale * face.landmarks, scale * truth.landmarks)

    def _landmarks(self, face: PosedFace, truth: Truth) -> tf.Tensor:
        if self.weak.landmarks_kind == "squared":
            return landmarks.squared_landmarks(face.landmarks, truth.landmarks, image_size=CROP_SIZE)
        return landmarks.l1_landmarks(face.landmarks, truth.landmarks) * (landmarks.UNIT_SIZE_PX / CROP_SIZE)

    def _identity(self, face: PosedFace, drawn: Rendering | None, truth: Truth) -> tf.Tensor:
        assert drawn is not None and self._network is not None
        kind, scale = self.weak.identity_kind, self.size / CROP_SIZE
        image = truth.image * tf.stop_gradient(drawn.mask) if kind == "l1" else truth.image
        picture = tf.clip_by_value(drawn.rgba[..., :3], 0.0, 1.0)
        points = scale * face.landmarks, scale * truth.landmarks
        return identity.identity_loss(self._network, picture, image, *points, DISTANCES[kind])
