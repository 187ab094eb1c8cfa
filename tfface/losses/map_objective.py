"""What training minimises: the weighted map loss of every map that a network gives, and the regularisers of each.

A network's output `[B,R,R,C]` ends in the answer. Before it stand earlier maps (`prn_res`: C = 3 + 3 refinements), the
parts of `dual_prn` (C = 10: posed map, shape, visibility, fused map), or those of networks with points (C = 12:
the map before it was moved, what was found, the answer; `tfface.models.layers.points.JoinedMaps`). dual_prn's extra
truths come from the true map: the shape is that map brought onto the mean face by a similarity, and a texel is visible
whose normal faces the camera (a texel hidden behind another part of the face counts as visible, the price of needing
nothing else).
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from tfface.config import LossConfig
from tfface.face.mean_map import mean_shape
from tfface.face.position_map import PositionMap
from tfface.geometry.map_ops import fit_similarities, normals, unapply_similarities
from tfface.losses import map_regularisers as regularisers
from tfface.losses.found_points import CHANNELS, FoundPoints
from tfface.losses.position_map import normalised_mask, weighted_map_loss

DUAL_CHANNELS = 10


class MapObjective(keras.losses.Loss):
    """True maps `[B,R,R,3]` (or 4, with the weights of texels) and a network's output to the loss of each sample.

    Args:
        config: the weights.
        topology: of the maps' resolution.
    """

    def __init__(self, config: LossConfig, topology: PositionMap) -> None:
        super().__init__(name="map_objective", dtype="float32")
        self.config = config
        ratios = (config.landmarks, config.features, config.face, config.neck)
        self.mask = normalised_mask(topology.weight_mask(ratios))
        self.support = (topology.weight_mask((1.0, 1.0, 1.0, 0.0)) > 0).astype(np.float32)
        self.texels, self.weights = topology.landmark_samples()
        self.mean = mean_shape(topology.resolution)
        self.found = FoundPoints(config, topology)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if y_pred.shape[-1] == DUAL_CHANNELS:
            return self._dual(y_true, y_pred)
        if y_pred.shape[-1] == CHANNELS:
            return self._with_points(y_true, y_pred)
        answer = self._of_map(y_true, y_pred[..., -3:])
        earlier = range(0, y_pred.shape[-1] - 3, 3)
        return sum((self.config.brief * self._of_map(y_true, y_pred[..., i : i + 3]) for i in earlier), answer)

    def _with_points(self, y_true: Any, y_pred: Any) -> Any:
        """Maps before and after they moved to their points, and what was found (`losses.found_points`)."""
        before, after = self._of_map(y_true, y_pred[..., :3]), self._of_map(y_true, y_pred[..., -3:])
        return after + self.config.brief * before + self.found(y_true, y_pred)

    def _of_map(self, y_true: Any, predicted: Any) -> Any:
        """The weighted map loss and the regularisers that are switched on."""
        config, truth = self.config, y_true[..., :3]
        total = weighted_map_loss(y_true, predicted, self.mask, config.kind)
        if config.symmetry:
            landmarks = regularisers.read_landmarks(predicted, self.texels, self.weights)
            total = total + config.symmetry * regularisers.landmark_symmetry(landmarks)
        if config.smoothness:
            total = total + config.smoothness * regularisers.smoothness(predicted, self.support)
        if config.edges:
            total = total + config.edges * regularisers.edge_lengths(truth, predicted, self.support)
        if config.normals:
            total = total + config.normals * regularisers.normal_difference(truth, predicted, self.support)
        return total

    def _dual(self, y_true: Any, y_pred: Any) -> Any:
        config, truth = self.config, y_true[..., :3]
        shape = ops.mean(ops.abs(y_pred[..., 3:6] - self._true_shape(truth)), axis=-1)
        faces_us = ops.cast(normals(truth)[..., 2] > 0, "float32")
        seen = ops.clip(y_pred[:, :-1, :-1, 6], 1e-6, 1 - 1e-6)
        entropy = -faces_us * ops.log(seen) - (1 - faces_us) * ops.log(1 - seen)
        total = self._of_map(y_true, y_pred[..., 7:]) + config.brief * self._of_map(y_true, y_pred[..., :3])
        total = total + config.shape * regularisers.mean_over(shape, self.support)
        return total + config.visibility * regularisers.mean_over(entropy, self.support[:-1, :-1])

    def _true_shape(self, truth: Any) -> Any:
        """Maps `[B,R,R,3]` brought onto the mean face, in its unit and frame."""
        size = self.mean.shape[0]
        flat = ops.reshape(truth, (-1, size**2, 3))
        mean = ops.broadcast_to(ops.reshape(self.mean, (1, -1, 3)), ops.shape(flat))
        weights = ops.broadcast_to(ops.reshape(self.support, (1, -1, 1)), ops.shape(flat[..., :1]))
        return ops.reshape(unapply_similarities(fit_similarities(mean, flat, weights), flat), (-1, size, size, 3))
