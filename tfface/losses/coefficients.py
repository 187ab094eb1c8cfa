"""What keeps coefficients plausible where the picture does not say: one number a face, `[B]` (Deng et al. 2019).

- Regularisation (equation 4): `1.0 |a|^2 + 0.8 |b|^2 + 0.017 |d|^2` of identity, expression and albedo coefficients in
  standard deviations.
- Reflectance flattening (equation 5): the mean over skin vertices of `|T - mean of T|^2`, albedo in [0,1].
- Monochromatic light: `mean (g - g')^2` with g' the mean over red, green and blue.
- Beyond the range: ARKit expression weights are not deviations but amounts from 0 to 1; what lies beyond costs its
  square.
"""

from __future__ import annotations

import tensorflow as tf

IDENTITY_SHARE, EXPRESSION_SHARE, ALBEDO_SHARE = 1.0, 0.8, 1.7e-2
FLATTENING_WEIGHT = 5.0
MONOCHROMATIC_WEIGHT = 10.0


def regularisation(
    identity: tf.Tensor,
    expression: tf.Tensor,
    albedo: tf.Tensor,
    shares: tuple[float, float, float] = (IDENTITY_SHARE, EXPRESSION_SHARE, ALBEDO_SHARE),
) -> tf.Tensor:
    """The weighted sum of squares `[B]` of coefficients `[B,*]`."""
    parts = (identity, expression, albedo)
    squares = [share * tf.reduce_sum(part**2, axis=-1) for share, part in zip(shares, parts, strict=True)]
    return tf.add_n(squares)


def out_of_range(coefficients: tf.Tensor) -> tf.Tensor:
    """The sum `[B]` of squares of what lies beyond [0, 1], of coefficients `[B,K]`."""
    return tf.reduce_sum((coefficients - tf.clip_by_value(coefficients, 0.0, 1.0)) ** 2, axis=-1)


def flat_reflectance(albedo: tf.Tensor, skin: tf.Tensor) -> tf.Tensor:
    """Variance `[B]` of the skin's albedo.

    Args:
        albedo: `[B,V,3]` in [0,1].
        skin: `[V]` weights of at least 0, 1 where an even colour is likely (cheeks, nose, forehead).
    """
    share = (skin / tf.maximum(tf.reduce_sum(skin), 1e-6))[None, :, None]
    mean = tf.reduce_sum(share * albedo, axis=1, keepdims=True)
    return tf.reduce_sum(share * (albedo - mean) ** 2, axis=(1, 2))


def monochromatic_light(light: tf.Tensor) -> tf.Tensor:
    """How coloured a light is, `[B]`, of coefficients `[B,27]`: nine for red, nine for green, nine for blue."""
    colours = tf.reshape(light, [-1, 3, 9])
    return tf.reduce_mean((colours - tf.reduce_mean(colours, axis=1, keepdims=True)) ** 2, axis=(1, 2))
