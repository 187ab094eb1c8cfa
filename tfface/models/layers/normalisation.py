"""Batch normalisation that trains faster with TensorFlow.

Keras composes it, in training, of some twenty operations that each read and write the whole of the features; half of a
MobileNetV2's step on a CPU was spent there. TensorFlow has one operation for it.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfface")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' layer to float32's rounding; with TensorFlow features `[B,H,W,C]` are normalised in one operation."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not self._fusible(inputs, mask):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        gamma, beta = (ops.cast(weight, "float32") for weight in (self.gamma, self.beta))
        if not (training and self.trainable):
            mean, variance = (ops.convert_to_tensor(weight) for weight in (self.moving_mean, self.moving_variance))
            return tf.raw_ops.FusedBatchNormV3(
                x=inputs,
                scale=gamma,
                offset=beta,
                mean=mean,
                variance=variance,
                epsilon=self.epsilon,
                is_training=False,
            )[0]
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs, scale=gamma, offset=beta, mean=[], variance=[], epsilon=self.epsilon, is_training=True
        )
        count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
        # The operation's variance is the unbiased one, with which it does not normalise.
        self._remember(mean, variance * (count - 1.0) / count)
        return outputs

    def _fusible(self, inputs: Any, mask: Any) -> bool:
        usual = mask is None and self.axis in (-1, 3) and self.scale and self.center and not self.renorm
        return usual and keras.backend.backend() == "tensorflow" and len(inputs.shape) == 4

    def _remember(self, mean: Any, variance: Any) -> None:
        for weight, seen in ((self.moving_mean, mean), (self.moving_variance, variance)):
            weight.assign(weight * self.momentum + seen * (1.0 - self.momentum))
