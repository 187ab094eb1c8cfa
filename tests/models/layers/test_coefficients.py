"""What R-Net's numbers mean: rotations, cameras, mirror images, the layout, and the same in NumPy."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfface.config import MODELS, Config, override
from tfface.errors import UserError
from tfface.face.coefficients import LAYOUT
from tfface.face.decoded import DecodedFace, averaged
from tfface.face.layout import CROP_SIZE, Layout, camera_of
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry.harmonics import harmonic_functions
from tfface.geometry.rotation import euler_to_matrix
from tfface.models.layers import coefficients, maps
from tfface.models.networks import rnet
from tfface.models.weights import imagenet
from tfface.render import camera as cameras
from tfface.render import shade

KINDS = (("euler", "deep3d"), ("euler", "fov30"), ("columns", "framed"), ("orbit", "orbit"))


def layout(rotation: str = "columns", camera: str = "framed", light: int = 27) -> Layout:
    config = replace(MODELS["rnet"], rotation=rotation, camera=camera, light=light)
    return coefficients.layout_of(config)


def some_raw(of: Layout, count: int = 3, spread: float = 0.4) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.normal(0, spread, (count, sum(of.sizes(raw=True).values()))).astype(np.float32)


def functions(normals: np.ndarray) -> np.ndarray:
    return np.stack(harmonic_functions(*normals.T), axis=-1)


def test_angles_are_those_of_the_conventions_and_columns_say_the_same() -> None:
    angles = np.random.default_rng(0).uniform(-1.2, 1.2, (20, 3)).astype(np.float32)
    matrices = np.asarray(coefficients.rotation_matrix(angles, "euler"))
    expected = [euler_to_matrix(yaw, pitch, roll) for pitch, yaw, roll in angles]
    np.testing.assert_allclose(matrices, expected, atol=1e-6)
    np.testing.assert_allclose(coefficients.euler_angles(matrices), angles, atol=1e-5)
    columns = np.concatenate([matrices[:, :, 0], matrices[:, :, 1]], axis=1) - np.float32([1, 0, 0, 0, 1, 0])
    np.testing.assert_allclose(coefficients.rotation_matrix(columns, "columns"), matrices, atol=1e-6)
    loose = np.asarray(coefficients.rotation_matrix(columns * 1.3 + 0.1, "columns"))
    np.testing.assert_allclose(loose @ loose.transpose(0, 2, 1), np.tile(np.eye(3), (20, 1, 1)), atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(loose), 1.0, atol=1e-5)


def test_an_orbit_is_the_camera_that_looks_from_there() -> None:
    numbers = np.array([[5, 3, 20, 10, 7, 7]], np.float32)
    points = np.random.default_rng(0).normal(0, 1, (1, 9, 3)).astype(np.float32)
    turned = points @ np.asarray(coefficients.rotation_matrix(numbers, "orbit")).transpose(0, 2, 1)
    seen = cameras.look_from(tf.constant(points), 18.0, 30.0, 10.0, 64).eye.numpy() + [0, 0, 10]
    np.testing.assert_allclose(turned, seen, atol=1e-5)


@pytest.mark.parametrize(("rotation", "camera"), KINDS)
def test_projection_is_the_camera_of_the_conventions(rotation: str, camera: str) -> None:
    of, face = layout(rotation, camera), load_open_face()
    raw = some_raw(of, 2)
    vectors = np.asarray(coefficients.coefficients(raw, of))
    units = coefficients.PosedMap(64, "linear", asdict(of))(raw)
    pixels = np.asarray(maps.to_pixels(np.asarray(units), "linear"))
    for vector, position_map in zip(vectors, pixels, strict=True):
        decoded = DecodedFace(of, vector)
        assert decoded.parts["expression"].min() >= 0
        expected = PositionMap(face, 64).from_vertices(decoded.camera.project(decoded.vertices_mm))
        np.testing.assert_allclose(position_map[..., :2], expected[..., :2], atol=0.2)  # blended, then projected
        relief = expected[..., 2] - expected[..., 2].min()
        slope = np.polyfit(relief.ravel(), position_map[..., 2].ravel(), 1)[0]
        np.testing.assert_allclose(position_map[..., 2], slope * relief, atol=0.2)
        assert slope == pytest.approx(1, abs=1e-3 if camera in ("framed", "orbit") else 0.25)


def test_deep3d_camera_is_upstreams() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(0, 60, (2, 30, 3)).astype(np.float32)
    angles, shift = rng.normal(0, 0.5, (2, 3)).astype(np.float32), rng.normal(0, 0.3, (2, 3)).astype(np.float32)
    turned = points @ np.asarray(coefficients.euler_matrix(angles)).transpose(0, 2, 1)
    ours = np.asarray(coefficients.project(turned, shift, "deep3d"))[..., :2]
    view = cameras.deep3d(tf.constant(points / 100), tf.constant(angles), tf.constant(shift), CROP_SIZE)
    np.testing.assert_allclose(ours, (view.points[..., :2] / view.points[..., 3:]).numpy(), atol=1e-3)


@pytest.mark.parametrize(("rotation", "camera"), KINDS)
def test_mirrored_numbers_are_those_of_the_mirrored_face(rotation: str, camera: str) -> None:
    of = layout(rotation, camera)
    posed = coefficients.PosedMap(48, "linear", asdict(of))
    raw = some_raw(of, 2)
    mirrored = np.asarray(coefficients.mirror_raw(raw, of))
    np.testing.assert_array_equal(coefficients.mirror_raw(mirrored, of), raw)
    first, second = (np.asarray(maps.to_pixels(np.asarray(posed(numbers)), "linear")) for numbers in (raw, mirrored))
    back = second[:, :, ::-1] * [-1, 1, 1] + [CROP_SIZE, 0, 0]
    assert np.abs(back - first).mean() < 0.3 and np.abs(first - second).mean() > 0.5
    normal = np.float32([[0.3, -0.5, 0.81]])
    lights = (np.asarray(of.split(numbers, raw=True)["light"])[0].reshape(3, 9) for numbers in (raw, mirrored))
    lit, lit_back = ((functions(n) @ light.T) for n, light in zip((normal, normal * [-1, 1, 1]), lights, strict=True))
    np.testing.assert_allclose(lit, lit_back, atol=1e-5)


def test_heads_of_basels_sizes_have_upstreams_parameters() -> None:
    sizes = Layout(LAYOUT["identity"], LAYOUT["expression"], LAYOUT["albedo"], 27, "euler", "deep3d").sizes(raw=True)
    assert tuple(sizes.values()) == (80, 64, 80, 3, 27, 3)
    assert sum((2048 + 1) * size for size in sizes.values()) == 526_593


def test_the_first_answer_of_both_trunks_is_the_mean_face_from_the_front() -> None:
    small = {"model.image_size": 32, "model.map_size": 16, "model.width": 0.1, "model.features": 8}
    for trunk in ("resnet50", "mobilenet_v2"):
        config = override(Config(model=MODELS["rnet"]), {"model.trunk": trunk, **small}).model
        model = rnet.build(config)
        heads = [layer for layer in model.layers if layer.name in rnet.HEADS]
        assert len(heads) == 6 and not any(np.any(weight) for layer in heads for weight in layer.get_weights())
        if trunk == "resnet50":
            of = rnet.layout_of(config)
            assert sum(layer.count_params() for layer in heads) == 2049 * sum(of.sizes(raw=True).values())
            assert model.count_params() - 2049 * sum(of.sizes(raw=True).values()) == 23_587_712
        image = np.random.default_rng(0).uniform(size=(1, 32, 32, 3)).astype(np.float32)
        pixels = np.asarray(maps.to_pixels(np.asarray(model(image)), config.output))[0]
        camera = camera_of(np.zeros(3), np.zeros(3), "deep3d")
        weights = np.full(52, np.asarray(coefficients.expression_weights(np.zeros(1)))[0], np.float32)
        face = load_open_face()
        expected = PositionMap(face, 16).from_vertices(
            camera.project(face.face(2).vertices(face.cage(expression=weights)))
        )
        np.testing.assert_allclose(pixels[..., :2], expected[..., :2], atol=0.05)


def test_orbit_and_even_light_leave_their_heads_out() -> None:
    changes = {"model.rotation": "orbit", "model.camera": "orbit", "model.light": 0, "model.trunk": "mobilenet_v2"}
    config = override(Config(model=MODELS["rnet"]), {**changes, "model.image_size": 32, "model.width": 0.1}).model
    model = rnet.build(config)
    assert model.get_layer("raw").output.shape[-1] == 150 + 52 + 40 + 6
    assert {layer.name for layer in model.layers} & set(rnet.HEADS) == set(rnet.HEADS) - {"head_light", "head_camera"}


def test_layout_survives_the_card_and_wrong_ones_are_reported() -> None:
    of = layout()
    described = of.described()
    assert Layout.from_card(described) == of
    assert described["parts"]["camera"]["to"] == sum(of.sizes(raw=False).values())
    assert len(described["expression_names"]) == of.expression
    with pytest.raises(UserError, match="export"):
        Layout.from_card({"parts": {}})
    with pytest.raises(UserError, match="fit"):
        of.split(np.zeros((1, 7)))


def test_decoded_colours_are_the_renderers() -> None:
    of = layout()
    decoded = DecodedFace(of, np.asarray(coefficients.coefficients(some_raw(of, 1, 0.2), of))[0])
    triangles = load_open_face().face(2).triangles
    normals = shade.vertex_normals(tf.constant(decoded.turned[None]), triangles)
    light = tf.constant(decoded.parts["light"][None])
    expected = shade.shade(tf.constant(decoded.albedo[None]), normals, light).numpy()[0]
    np.testing.assert_allclose(decoded.shaded, np.clip(expected, 0, 1), atol=2e-3)
    named = decoded.named()
    assert len(named["light_harmonics"]) == 3 and set(named["angles_rad"]) == {"pitch", "yaw", "roll"}
    assert named["expression_weights"]["jawOpen"] == pytest.approx(
        decoded.parts["expression"][load_open_face().expression_names.index("jawOpen")], abs=1e-4
    )


def test_a_set_shares_identity_and_albedo_only() -> None:
    of = layout()
    vectors = np.asarray(coefficients.coefficients(some_raw(of, 3), of))
    faces = [DecodedFace(of, vector) for vector in vectors]
    mean = averaged(faces)
    for face, before in zip(mean, faces, strict=True):
        np.testing.assert_allclose(face.parts["identity"], vectors[:, :150].mean(0), atol=1e-6)
        for part in ("expression", "angles", "light", "camera"):
            np.testing.assert_array_equal(face.parts[part], before.parts[part])
    trusting = averaged(faces, np.array([0.0, 2.0, 0.0]))
    np.testing.assert_allclose(trusting[0].parts["albedo"], faces[1].parts["albedo"], atol=1e-6)
    for wrong in (np.array([1.0, 1.0]), np.zeros(3), np.array([1.0, -1.0, 1.0])):
        with pytest.raises(UserError, match="weights"):
            averaged(faces, wrong)


def test_imagenets_file_gives_the_trunk_what_keras_gives_it(tmp_path: Path) -> None:
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    images = keras.Input((64, 64, 3))
    x = keras.layers.ZeroPadding2D(3, name="conv1_pad")(images)
    first = keras.layers.Conv2D(64, 7, 2, name="conv1_conv", bias_initializer="glorot_normal")(x)
    x = keras.layers.Conv2D(512, 1, name="between")(first)
    source = keras.Model(images, keras.layers.Conv2D(2048, 1, name="conv5_block3_3_conv")(x))
    whole, part = tmp_path / "resnet50_weights_notop.h5", tmp_path / "part.h5"
    for path, model in ((whole, source), (part, keras.Model(images, first))):
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)
    config = override(Config(model=MODELS["rnet"]), {"model.image_size": 64, "model.map_size": 16}).model
    model = rnet.build(config)
    assert imagenet.is_keras_file(whole) and not imagenet.is_keras_file(tmp_path / "best.weights.h5")
    with pytest.raises(UserError, match="conv5_block3_3_conv"):
        imagenet.load_resnet50(model, part)
    imagenet.load_resnet50(model, whole)
    picture = np.random.default_rng(0).uniform(size=(1, 64, 64, 3)).astype(np.float32)
    ours = keras.Model(model.input, model.get_layer("conv1_conv").output)(picture)
    theirs = keras.applications.resnet50.preprocess_input(255 * picture.copy())
    expected = keras.Model(images, source.get_layer("conv1_conv").output)(theirs)
    np.testing.assert_allclose(ours[:, 2:-2, 2:-2], expected[:, 2:-2, 2:-2], rtol=1e-3, atol=0.02)
    with pytest.raises(UserError, match="ResNet-50"):
        imagenet.load_resnet50(keras.Model(images, first), whole)
