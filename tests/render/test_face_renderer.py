"""Pictures of the open head: what they show, exported, in batches, under both kinds of shading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.geometry import raster
from tfface.render import camera
from tfface.render.face_renderer import FaceRenderer, Rendering
from tfface.render.silhouette import edge_neighbours

SIZE = 72
CENTRE = tf.constant([36.0, 36.0])


@pytest.fixture(scope="module")
def head() -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Vertices `[2,V,3]` of a head about its centre in millimetres, and its triangles (level 0)."""
    face = load_open_face()
    surface = face.head(0)
    vertices = surface.vertices(face.mean) - np.asarray(face.centre, np.float32)
    return np.stack([vertices, 0.9 * vertices]), surface.triangles


def _view(vertices: tf.Tensor) -> camera.View:
    angles = tf.constant([[0.1, 0.4, 0.0], [-0.1, -0.9, 0.2]])[: vertices.shape[0]]
    return camera.face_camera(vertices, camera.euler_matrix(angles), 220.0, 900.0, CENTRE)


def _light(colours: int) -> tf.Tensor:
    return tf.random.stateless_normal([2, 9 * colours], [1, 2]) * 0.2


@pytest.fixture(scope="module")
def rendered(head: tuple) -> Rendering:
    vertices, triangles = head
    return FaceRenderer(triangles, SIZE)(vertices, np.full_like(vertices, 0.6), _light(3), _view)


def test_mask_depth_and_normals_are_numbas(head: tuple, rendered: Rendering) -> None:
    vertices, triangles = head
    view = _view(tf.constant(vertices))
    for b in range(2):
        points, eye = view.points.numpy()[b], view.eye.numpy()[b]
        pixels = np.stack([points[:, 0], points[:, 1], -points[:, 2]], 1) / points[:, 3:]
        ids, weights, _ = raster.rasterize(pixels, triangles, SIZE, SIZE)
        mask = rendered.mask[b, ..., 0].numpy() > 0
        assert 800 < mask.sum() < SIZE * SIZE and (mask != (ids >= 0)).sum() <= 2
        attributes = np.concatenate([-eye[:, 2:], raster.vertex_normals(eye, triangles)], axis=1)
        expected = raster.interpolate(ids, weights, triangles, attributes)
        near = np.abs(rendered.depth[b].numpy() - expected[..., :1])[mask & (ids >= 0)]
        assert np.quantile(near, 0.99) < 0.5, "millimetres; numba's weights are not perspective-correct"
        found = rendered.normals[b].numpy()
        np.testing.assert_allclose(np.linalg.norm(found[mask], axis=-1), 1, atol=1e-4)
        assert np.quantile((found * expected[..., 1:]).sum(-1)[mask & (ids >= 0)], 0.05) > 0.8
        assert found[mask][:, 2].mean() > 0.4, "most of what a camera sees turns towards it"
    background = rendered.mask.numpy() == 0
    assert not rendered.depth.numpy()[background].any()


def test_the_picture_is_upright_and_smooth_at_its_border(head: tuple, rendered: Rendering) -> None:
    vertices, _ = head
    top = vertices[0, :, 1].argmax()
    points = _view(tf.constant(vertices)).points.numpy()[0, top]
    rows = np.flatnonzero(rendered.mask[0, ..., 0].numpy().any(1))
    assert abs(rows[0] + 0.5 - points[1] / points[3]) < 1.5
    alpha = rendered.rgba[..., 3].numpy()
    partial = (alpha > 0.01) & (alpha < 0.99)
    assert partial.sum() > 100 and alpha.min() >= -1e-5 and alpha.max() <= 1 + 1e-5
    assert (np.abs(alpha - rendered.mask[..., 0].numpy()) <= 0.5 + 1e-5)[partial].mean() > 0.97


def test_even_light_shows_the_albedo(head: tuple) -> None:
    vertices, triangles = head
    renderer = FaceRenderer(triangles, SIZE, smooth=False)
    picture = renderer(vertices, np.full_like(vertices, 0.6), tf.zeros([2, 27]), _view)
    seen = picture.mask.numpy()[..., 0] > 0
    np.testing.assert_allclose(picture.rgba.numpy()[seen][:, :3], 0.6 * 0.7089815, rtol=1e-4)
    assert not picture.rgba.numpy()[~seen].any()


def test_shading_by_pixel_agrees_with_shading_by_vertex(head: tuple, rendered: Rendering) -> None:
    vertices, triangles = head
    renderer = FaceRenderer(triangles, SIZE, shading="pixel")
    sharp = renderer(vertices, np.full_like(vertices, 0.6), _light(3), _view)
    np.testing.assert_array_equal(sharp.mask, rendered.mask)
    difference = np.abs(sharp.rgba.numpy() - rendered.rgba.numpy())
    assert 0 < np.median(difference[rendered.mask[..., 0].numpy() > 0][:, :3]) < 0.02


def test_white_light_makes_grey_from_grey(head: tuple) -> None:
    vertices, triangles = head
    colours = FaceRenderer(triangles, SIZE)(vertices, np.full_like(vertices, 0.6), _light(1), _view).rgba.numpy()
    np.testing.assert_allclose(colours[..., 0], colours[..., 2], atol=1e-6)
    assert colours[..., 0].std() > 0.05


def test_exported_with_any_batch(head: tuple, rendered: Rendering, tmp_path: Path) -> None:
    vertices, triangles = head
    renderer = FaceRenderer(triangles, SIZE)

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, vertices.shape[1], 3]), tf.TensorSpec([None, 27])])
        def render(self, mesh: tf.Tensor, light: tf.Tensor) -> tf.Tensor:
            angles = tf.tile(tf.constant([[0.1, 0.4, 0.0]]), [tf.shape(mesh)[0], 1])
            view = lambda v: camera.face_camera(v, camera.euler_matrix(angles), 220.0, 900.0, CENTRE)  # noqa: E731
            return renderer(mesh, tf.fill(tf.shape(mesh), 0.6), light, view).rgba

    tf.saved_model.save(Module(), str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    one = loaded.render(vertices[:1], _light(3)[:1]).numpy()
    assert (np.abs(one[0] - rendered.rgba[0].numpy()) > 1e-2).mean() < 1e-3
    two = loaded.render(vertices, _light(3)).numpy()
    assert two.shape == (2, SIZE, SIZE, 4) and (np.abs(two[0] - one[0]) > 1e-2).mean() < 1e-3


def test_mixed_precision_renders_in_float32(head: tuple) -> None:
    vertices, triangles = head
    half = tf.cast(tf.constant(vertices), tf.float16)
    picture = FaceRenderer(triangles, SIZE)(half, tf.fill(half.shape, tf.constant(0.6, tf.float16)), _light(3), _view)
    assert {part.dtype for part in picture} == {tf.float32}


def test_edge_neighbours_by_hand() -> None:
    square = np.array([[0, 1, 2], [0, 2, 3]])
    np.testing.assert_array_equal(edge_neighbours(square), [[-1, 1, -1], [-1, -1, 0]])


def test_wrong_arguments_are_reported(head: tuple) -> None:
    with pytest.raises(UserError, match="triangles"):
        FaceRenderer(np.zeros((4, 4), np.int32))
    with pytest.raises(UserError, match="gouraud"):
        FaceRenderer(head[1], shading="gouraud")  # type: ignore[arg-type]
