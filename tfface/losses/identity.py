"""Does the rendered face look like the same person? One number a face, `[B]`, by a face recognition network.

Both pictures are cropped by their own 68 landmarks: the similarity of least squares from the network's template to the
landmarks, read bilinearly; the gradient flows through the pixels, the landmarks and so the crop. The network then gives
descriptors f: `1 - cos(f, f')` (Deng et al. 2019, equation 3), the Euclidean distance that dlib compares with 0.6, or
the L1 distance of Fan (equation 6).

The template is dlib's mean face (the nose, the eyes, the upper lip; brows and lower lip move too much), in units of a
chip without padding, put into a chip with a quarter of padding a side.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfface.losses.sampling import fit_similarity, warp

CHIP_SIZE = 150
CHIP_PADDING = 0.25
TEMPLATE_POINTS = (*range(27, 55), *range(60, 65))
TEMPLATE = np.array(
    [
        *((0.490127, 0.203352), (0.490127, 0.307009), (0.490127, 0.409805), (0.490127, 0.515625)),  # bridge of the nose
        *((0.366880, 0.587326), (0.426036, 0.609345), (0.490127, 0.628106), (0.554217, 0.609345), (0.613373, 0.587326)),
        *((0.121737, 0.216423), (0.187122, 0.178758), (0.265825, 0.179852)),  # left eye
        *((0.334606, 0.231733), (0.260918, 0.245099), (0.182743, 0.244077)),
        *((0.645647, 0.231733), (0.714428, 0.179852), (0.793132, 0.178758)),  # right eye
        *((0.858516, 0.216423), (0.797510, 0.244077), (0.719335, 0.245099)),
        *((0.254149, 0.780233), (0.340985, 0.745405), (0.428858, 0.727388), (0.490127, 0.742578)),  # upper lip
        *((0.551395, 0.727388), (0.639268, 0.745405), (0.726104, 0.780233)),
        *((0.290379, 0.784792), (0.428096, 0.778746), (0.490127, 0.785343), (0.552157, 0.778746), (0.689874, 0.784792)),
    ],
    np.float32,
)

Network = Callable[[tf.Tensor], tf.Tensor]


def chip_matrices(landmarks: tf.Tensor) -> tf.Tensor:
    """The maps `[B,2,3]` from positions in a face chip to positions in the picture with landmarks `[B,68,2]`."""
    template = tf.constant((TEMPLATE + CHIP_PADDING) / (1.0 + 2.0 * CHIP_PADDING) * CHIP_SIZE)
    return fit_similarity(template[None], tf.gather(landmarks, TEMPLATE_POINTS, axis=1))


def face_chips(images: tf.Tensor, landmarks: tf.Tensor) -> tf.Tensor:
    """Upright faces `[B,150,150,3]` of pictures `[B,H,W,3]` with landmarks `[B,68,2]`."""
    return warp(images, chip_matrices(landmarks), CHIP_SIZE, CHIP_SIZE)


def cosine_distance(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """`1 - cos` `[B]` of descriptors `[B,D]`."""
    first, second = (tf.math.l2_normalize(x, axis=-1, epsilon=1e-12) for x in (first, second))
    return 1.0 - tf.reduce_sum(first * second, axis=-1)


def euclidean_distance(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """The distance `[B]` of descriptors `[B,D]`; its gradient is 0 where they are equal."""
    square = tf.reduce_sum((first - second) ** 2, axis=-1)
    equal = square < 1e-16
    return tf.where(equal, 0.0, tf.sqrt(tf.where(equal, 1.0, square)))


def l1_distance(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """The mean absolute difference `[B]` of descriptors `[B,D]`."""
    return tf.reduce_mean(tf.abs(first - second), axis=-1)


def identity_loss(
    network: Network,
    predicted: tf.Tensor,
    image: tf.Tensor,
    predicted_landmarks: tf.Tensor,
    landmarks: tf.Tensor,
    distance: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = cosine_distance,
) -> tf.Tensor:
    """The distance `[B]` between the descriptors of a render and of the photograph.

    Args:
        network: chips `[B,150,150,3]` in [0,1] to descriptors `[B,D]` (`tfface.models.networks.dlib_face`).
        predicted, image: `[B,H,W,3]` RGB in [0,1]; the photograph is a constant for the gradient.
        predicted_landmarks, landmarks: `[B,68,2]` in the pixels of each.
        distance: of descriptors.
    """
    known = tf.stop_gradient(network(face_chips(image, landmarks)))
    return distance(network(face_chips(predicted, predicted_landmarks)), known)
