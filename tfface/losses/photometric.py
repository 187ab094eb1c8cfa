"""How much a rendered picture differs from the photograph. RGB in [0,1], `[B,H,W,3]`; one number a picture, `[B]`.

- Robust (Deng et al. 2019, equation 1, "L2,1"): the length of each pixel's RGB difference, averaged over a mask,
  `sum M (sqrt(eps + |I - Î|^2) - sqrt(eps)) / max(sum M, 1)`. The eps keeps the gradient finite at 0.
- Masked (Fan, equation 4): `mean over pixels of |M I - Î|^2`, with M the silhouette of the rendered face: outside
  it both are black.
- Aligned (Du 2020): the render is moved by the affine map that takes its 68 landmarks to the photograph's in least
  squares, then `mean (I - Î)^2` over the whole picture. The map is a constant for the gradient; the warp is not.
"""

from __future__ import annotations

import tensorflow as tf

from tfface.losses.sampling import fit_affine, warp

ROBUST_WEIGHT = 1.92
EPSILON = 1e-6


def robust_length(difference: tf.Tensor) -> tf.Tensor:
    """`sqrt(eps + |d|^2) - sqrt(eps)` over the last axis: the length, with a gradient of 0 at 0."""
    return tf.sqrt(EPSILON + tf.reduce_sum(difference**2, axis=-1)) - EPSILON**0.5


def robust_photometric(predicted: tf.Tensor, image: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """The robust loss `[B]`.

    Args:
        predicted, image: `[B,H,W,3]`.
        mask: `[B,H,W]` in [0,1], skin times silhouette; a constant for the gradient.
    """
    mask = tf.stop_gradient(mask)
    distance = robust_length(predicted - image)
    return tf.reduce_sum(mask * distance, axis=(1, 2)) / tf.maximum(tf.reduce_sum(mask, axis=(1, 2)), 1.0)


def masked_pixels(predicted: tf.Tensor, image: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Fan's pixel loss `[B]`.

    Args:
        predicted: `[B,H,W,3]` rendered over black.
        image: `[B,H,W,3]`.
        mask: `[B,H,W]` silhouette of the render; a constant for the gradient.
    """
    masked = tf.stop_gradient(mask)[..., None] * image
    return tf.reduce_mean(tf.reduce_sum((masked - predicted) ** 2, axis=-1), axis=(1, 2))


def aligned_pixels(
    predicted: tf.Tensor, image: tf.Tensor, predicted_landmarks: tf.Tensor, landmarks: tf.Tensor
) -> tf.Tensor:
    """Du's loss `[B]`: mean squared error of the whole picture after alignment by landmarks.

    Args:
        predicted: `[B,H,W,3]` rendered over black.
        image: `[B,H,W,3]` the photograph, masked or not.
        predicted_landmarks, landmarks: `[B,N,2]` in pixels of the render and of the photograph.
    """
    back = tf.stop_gradient(fit_affine(landmarks, predicted_landmarks))
    moved = warp(predicted, back, image.shape[1], image.shape[2], border="zero")
    return tf.reduce_mean((moved - image) ** 2, axis=(1, 2, 3))
