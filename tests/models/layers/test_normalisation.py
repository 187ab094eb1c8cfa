"""The fused batch normalisation against Keras' own: outputs, gradients, running statistics, files."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from tfface.models.layers.normalisation import BatchNormalization

SHAPE = (5, 7, 6, 3)


def _layers() -> list[keras.layers.Layer]:
    made = [kind(momentum=0.6, epsilon=1e-3) for kind in (BatchNormalization, keras.layers.BatchNormalization)]
    random = np.random.default_rng(0)
    weights = [random.uniform(0.5, 2.0, SHAPE[-1]).astype(np.float32) for _ in range(4)]
    for layer in made:
        layer.build((None, *SHAPE[1:]))
        layer.set_weights(weights)
    return made


def _step(layer: keras.layers.Layer, pictures: tf.Tensor) -> list[np.ndarray]:
    @tf.function
    def graph() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(pictures)
            out = layer(pictures, training=True)
            loss = tf.reduce_sum(out**3)
        return [out, *tape.gradient(loss, [pictures, *layer.trainable_variables])]

    return [np.asarray(each) for each in graph()]


def test_training_is_keras_own() -> None:
    pictures = tf.constant(np.random.default_rng(1).normal(0.3, 2.0, SHAPE).astype(np.float32))
    ours, theirs = _layers()
    for _ in range(2):
        for mine, other in zip(_step(ours, pictures), _step(theirs, pictures), strict=True):
            np.testing.assert_allclose(mine, other, rtol=2e-4, atol=2e-4)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5)
    assert np.ptp(ours.moving_variance) > 0.01, "the statistics moved"
    np.testing.assert_allclose(ours(pictures), theirs(pictures), rtol=1e-5)


def test_a_frozen_layer_keeps_its_statistics() -> None:
    pictures = tf.random.stateless_normal(SHAPE, (1, 2))
    ours, theirs = _layers()
    ours.trainable = theirs.trainable = False
    before = ours.get_weights()
    np.testing.assert_allclose(ours(pictures, training=True), theirs(pictures, training=True), rtol=1e-5, atol=1e-6)
    for now, then in zip(ours.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_sixteen_bits_and_flat_features_train_too() -> None:
    half = BatchNormalization(dtype="mixed_float16")
    out = half(np.random.default_rng(2).normal(50.0, 9.0, SHAPE).astype(np.float16), training=True)
    assert out.dtype == tf.float16
    np.testing.assert_allclose(np.asarray(out, np.float32).mean((0, 1, 2)), 0.0, atol=0.02)
    flat = BatchNormalization()(np.random.default_rng(3).normal(4.0, 2.0, (64, 3)).astype(np.float32), training=True)
    np.testing.assert_allclose(np.asarray(flat).mean(0), 0.0, atol=1e-5)


def test_weights_of_networks_with_keras_layer_fit() -> None:
    def network(kind: type[keras.layers.Layer]) -> keras.Model:
        x = keras.Input(SHAPE[1:])
        return keras.Model(x, kind(name="normal")(x))

    ours, theirs = network(BatchNormalization), network(keras.layers.BatchNormalization)
    assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
    copy = keras.Model.from_config(ours.get_config())
    assert isinstance(copy.get_layer("normal"), BatchNormalization)
