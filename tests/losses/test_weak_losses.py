"""The weakly supervised losses: values computed by hand, zero at the truth, gradients, a batch as its samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from tfface.errors import UserError
from tfface.losses import coefficients, identity, landmarks, photometric, sampled_photometric, sampling

RNG = np.random.default_rng(0)


def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
    return tf.constant(RNG.uniform(low, high, shape), tf.float32)


IMAGE, OTHER, MASK = uniform(3, 12, 14, 3), uniform(3, 12, 14, 3), uniform(3, 12, 14)
POINTS, OTHER_POINTS = uniform(3, 68, 2, low=1, high=11), uniform(3, 68, 2, low=1, high=11)
VERTICES, WEIGHTS = uniform(3, 9, 2, low=1, high=11), uniform(3, 9)
NORMALS = tf.math.l2_normalize(uniform(3, 9, 3, low=-1), axis=-1)


def mean_colour_network(chips: tf.Tensor) -> tf.Tensor:
    """Descriptors [B,12]: the mean colours of the chip's quarters."""
    quarters = tf.nn.avg_pool2d(chips, chips.shape[1] // 2, chips.shape[1] // 2, "VALID")
    return tf.reshape(quarters, [tf.shape(chips)[0], 12])


# name: loss of (the prediction, everything else), the prediction, the truth that it should meet
CASES: dict[str, tuple[Callable[..., tf.Tensor], tf.Tensor, tuple[tf.Tensor, ...], tf.Tensor]] = {
    "robust": (photometric.robust_photometric, OTHER, (IMAGE, MASK), IMAGE),
    "masked": (photometric.masked_pixels, OTHER, (IMAGE, tf.ones_like(MASK)), IMAGE),
    "aligned": (photometric.aligned_pixels, OTHER, (IMAGE, POINTS, POINTS), IMAGE),
    "squared landmarks": (landmarks.squared_landmarks, OTHER_POINTS, (POINTS,), POINTS),
    "l1 landmarks": (landmarks.l1_landmarks, OTHER_POINTS, (POINTS,), POINTS),
    "identity": (
        lambda p, i, a, b: identity.identity_loss(mean_colour_network, p, i, a, b),
        OTHER,
        (IMAGE, POINTS, POINTS),
        IMAGE,
    ),
    "euclidean": (identity.euclidean_distance, uniform(3, 8), (tf.ones([3, 8]),), tf.ones([3, 8])),
    "l1": (identity.l1_distance, uniform(3, 8), (tf.ones([3, 8]),), tf.ones([3, 8])),
    "range": (coefficients.out_of_range, uniform(3, 8, low=-1, high=2), (), uniform(3, 8)),
    "flat": (
        lambda x: coefficients.flat_reflectance(x, tf.constant([1.0, 0.0, 2.0])),
        uniform(3, 3, 3),
        (),
        tf.ones([3, 3, 3]) * uniform(3, 1, 3),
    ),
    "light": (coefficients.monochromatic_light, uniform(3, 27), (), tf.tile(uniform(3, 9), [1, 3])),
    "regularisation": (lambda x: coefficients.regularisation(x, x, x), uniform(3, 4), (), tf.zeros([3, 4])),
    "sampled": (
        lambda c, i, p, w: sampled_photometric.sampled_colours(i, p, c, w),
        uniform(3, 9, 3),
        (IMAGE, VERTICES, WEIGHTS),
        sampling.sample(IMAGE, VERTICES),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_zero_at_the_truth_positive_elsewhere_and_gradients_are_finite(name: str) -> None:
    loss, predicted, rest, truth = CASES[name]
    for place, expected_zero in ((predicted, False), (truth, True)):
        with tf.GradientTape() as tape:
            tape.watch(place)
            value = loss(place, *rest)
        assert value.shape == (3,)
        assert np.all(np.abs(value) < 1e-6) if expected_zero else np.all(value > 1e-4)
        gradient = tape.gradient(value, place)
        assert np.isfinite(gradient).all()
        assert expected_zero or np.abs(gradient).max() > 0


@pytest.mark.parametrize("name", CASES)
def test_an_element_of_a_batch_is_a_batch_of_one(name: str) -> None:
    loss, predicted, rest, _ = CASES[name]
    whole = loss(predicted, *rest)
    single = [loss(predicted[i : i + 1], *(part[i : i + 1] for part in rest))[0] for i in range(3)]
    np.testing.assert_allclose(whole, tf.stack(single), rtol=1e-4, atol=1e-6)


def test_photometric_values_by_hand() -> None:
    image = tf.zeros([1, 2, 2, 3])
    predicted = tf.tensor_scatter_nd_update(image, [[0, 0, 0], [0, 1, 1]], [[0.3, 0.0, 0.4], [0.0, 1.0, 0.0]])
    mask = tf.constant([[[1.0, 1.0], [0.0, 0.5]]])
    robust = photometric.robust_photometric(predicted, image, mask)
    np.testing.assert_allclose(robust, [(0.5 * 1.0 + 1.0 * 0.5) / 2.5], atol=1e-3)
    np.testing.assert_allclose(photometric.robust_photometric(predicted, image, 0.0 * mask), [0.0])
    np.testing.assert_allclose(photometric.masked_pixels(predicted, image + 1.0, tf.zeros([1, 2, 2])), [1.25 / 4])


def test_landmark_values_by_hand() -> None:
    truth = np.zeros((1, 68, 2), np.float32)
    moved = truth.copy()
    moved[0, 0] = [3.0, 4.0]
    moved[0, 30] = [0.0, -2.0]
    np.testing.assert_allclose(landmarks.squared_landmarks(moved, truth), [(25 + 20 * 4) / 68], rtol=1e-6)
    np.testing.assert_allclose(
        landmarks.squared_landmarks(moved, truth, image_size=112), [4 * (25 + 20 * 4) / 68], rtol=1e-6
    )
    np.testing.assert_allclose(landmarks.l1_landmarks(moved, truth), [(7 + 2) / 68], rtol=1e-6)
    assert landmarks.POINT_WEIGHTS.sum() == 57 + 11 * 20


def test_coefficient_values_by_hand() -> None:
    two = tf.constant([[1.0, -1.0]])
    np.testing.assert_allclose(coefficients.regularisation(two, two, two), [2 + 1.6 + 0.034], rtol=1e-6)
    np.testing.assert_allclose(coefficients.out_of_range(tf.constant([[-0.5, 0.3, 3.0]])), [0.25 + 4.0], rtol=1e-6)
    albedo = tf.constant([[[0.0, 0.2, 0.0], [9.0, 9.0, 9.0], [1.0, 0.2, 0.0]]])
    np.testing.assert_allclose(coefficients.flat_reflectance(albedo, tf.constant([1.0, 0.0, 1.0])), [0.25], rtol=1e-6)
    light = tf.constant([[3.0] + 26 * [0.0]])
    np.testing.assert_allclose(coefficients.monochromatic_light(light), [(4 + 1 + 1) / 27], rtol=1e-6)


def test_samples_between_pixels_and_beyond_the_border() -> None:
    image = tf.reshape(tf.range(6.0), [1, 2, 3, 1])  # 0 1 2 / 3 4 5
    points = tf.constant([[[0.5, 0.5], [1.0, 0.5], [1.0, 1.0], [2.5, 1.5], [9.0, 9.0]]])
    np.testing.assert_allclose(sampling.sample(image, points)[0, :, 0], [0.0, 0.5, 2.0, 5.0, 5.0])
    edge = tf.constant([[[3.0, 1.5], [9.0, 9.0]]])
    np.testing.assert_allclose(sampling.sample(image, edge, "zero")[0, :, 0], [2.5, 0.0])
    np.testing.assert_allclose(sampling.inside(points, 2, 3)[0], [1, 1, 1, 1, 0])
    with pytest.raises(UserError, match="repeat"):
        sampling.sample(image, points, "mirror")


def test_gradient_of_a_sample_in_its_place_is_the_slope() -> None:
    slope = tf.constant([0.03, -0.02])
    across, down = np.meshgrid(np.arange(14) + 0.5, np.arange(12) + 0.5)
    image = tf.constant((0.03 * across - 0.02 * down)[None, ..., None], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(VERTICES)
        value = tf.reduce_sum(sampling.sample(tf.tile(image, [3, 1, 1, 1]), VERTICES))
    np.testing.assert_allclose(tape.gradient(value, VERTICES), np.broadcast_to(slope, (3, 9, 2)), atol=1e-6)


def test_fits_find_the_maps_that_moved_the_points() -> None:
    similarity = tf.constant([[[1.2, -0.5, 3.0], [0.5, 1.2, -2.0]]])
    affine = tf.constant([[[1.2, -0.9, 3.0], [0.1, 0.7, -2.0]]])
    for fit, matrix in ((sampling.fit_similarity, similarity), (sampling.fit_affine, affine)):
        moved = sampling.transform(matrix, POINTS[:1])
        np.testing.assert_allclose(fit(POINTS[:1], moved), matrix, atol=1e-4)


def test_aligned_pixels_undoes_a_shift_and_its_gradient_goes_through_the_warp() -> None:
    moved = tf.roll(IMAGE, [2, 1], axis=[1, 2])  # by one pixel across and two down
    shift = tf.constant([1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(moved)
        value = photometric.aligned_pixels(moved, IMAGE, POINTS + shift, POINTS)
    border = photometric.aligned_pixels(moved, IMAGE, POINTS, POINTS)
    assert np.all(value < 0.5 * border)  # what the roll brought round is all that is left
    expected = tf.pad(IMAGE[:, :10, :13], [[0, 0], [0, 2], [0, 1], [0, 0]])
    np.testing.assert_allclose(value, tf.reduce_mean((expected - IMAGE) ** 2, axis=(1, 2, 3)), atol=1e-5)
    assert np.isfinite(tape.gradient(value, moved)).all()


def test_chips_are_dlibs_chips() -> None:
    dlib = pytest.importorskip("dlib")
    points = np.full((68, 2), 300.0)
    points[list(identity.TEMPLATE_POINTS)] = identity.TEMPLATE @ [[280.0, 90.0], [-90.0, 280.0]] + 300
    points = np.round(points + RNG.normal(0, 6, points.shape))
    parts = [dlib.point(int(u), int(v)) for u, v in points]
    details = dlib.get_face_chip_details(dlib.full_object_detection(dlib.rectangle(0, 0, 9, 9), parts), 150, 0.25)
    matrix = identity.chip_matrices(tf.constant(points[None], tf.float32))[0].numpy()
    centre = matrix @ [75.0, 75.0, 1.0]
    np.testing.assert_allclose(np.hypot(*matrix[:, 0]) * 150, details.rect.width(), rtol=2e-3)
    np.testing.assert_allclose(centre, [details.rect.dcenter().x, details.rect.dcenter().y], atol=0.5)
    np.testing.assert_allclose(np.arctan2(matrix[1, 0], matrix[0, 0]), details.angle, atol=1e-3)


def test_cosine_ignores_length_and_opposite_is_two() -> None:
    first = tf.constant([[1.0, 2.0], [1.0, 0.0], [0.0, 1.0]])
    second = tf.constant([[2.0, 4.0], [0.0, 3.0], [0.0, -2.0]])
    np.testing.assert_allclose(identity.cosine_distance(first, second), [0.0, 1.0, 2.0], atol=1e-6)
    np.testing.assert_allclose(identity.euclidean_distance(first[1:], second[1:]), [10**0.5, 3.0], rtol=1e-6)


def test_sampled_photometric_pulls_vertices_and_colours_towards_the_photograph() -> None:
    """A photograph that is brighter to the right, and vertices too far left: the loss falls when they go right."""
    ramp = tf.tile(tf.linspace(0.0, 1.0, 14)[None, None, :, None], [1, 12, 1, 3])
    points = tf.constant([[[4.0, 6.0], [20.0, 6.0]]])
    albedo, normals = tf.fill([1, 2, 3], 0.6), tf.constant([[[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]])
    light = tf.zeros([1, 27])
    with tf.GradientTape() as tape:
        tape.watch([points, albedo, light])
        value = sampled_photometric.sampled_photometric(ramp, points, albedo, normals, light, tf.ones([1, 2]))
    by_place, by_albedo, by_light = tape.gradient(value, [points, albedo, light])
    expected = abs(3.5 / 13 - 0.6 * 0.8 * 0.886227) * 3**0.5
    np.testing.assert_allclose(value, [expected], atol=1.1e-3)
    assert by_place[0, 0, 0] < 0 < by_albedo[0, 0, 0]
    assert np.isfinite(by_light).all() and np.abs(by_place[0, 1]).max() == 0  # the second lies outside
    np.testing.assert_allclose(sampled_photometric.mask_at(ramp[..., 0], points), [[3.5 / 13, 0.0]], atol=1e-6)
