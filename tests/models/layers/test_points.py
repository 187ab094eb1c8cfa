"""Points found in the picture, and the step that moves a face to them."""

from __future__ import annotations

import zlib
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from tfface import models
from tfface.config import MODELS, Config, LossConfig, override
from tfface.errors import UserError
from tfface.face.layout import Layout
from tfface.face.mean_map import mean_shape
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.losses.map_objective import MapObjective
from tfface.models.layers import blocks, coefficients, map_basis, maps, points
from tfface.models.networks import rnet
from tfface.models.weights import presets
from tfface.training.start import start_from

SIZE, COUNT = 32, 60
KINDS = [("columns", "framed"), ("euler", "deep3d"), ("euler", "fov30"), ("columns", "fov30")]


def layer_and_raw(rotation: str, camera: str, faces: int = 3) -> tuple[points.MoveToPoints, np.ndarray]:
    layout = rnet.layout_of(replace(MODELS["rnet"], rotation=rotation, camera=camera))
    sizes = layout.sizes(raw=True)
    rng = np.random.default_rng(4)
    spread = {"identity": 1.0, "expression": 0.4, "albedo": 1.0, "angles": 0.3, "light": 0.1, "camera": 0.1}
    raw = np.concatenate([rng.normal(0, spread[name], (faces, n)) for name, n in sizes.items()], axis=1)
    layer = points.MoveToPoints(SIZE, COUNT, asdict(layout))
    layer.build(None)
    return layer, raw.astype(np.float32)


def projected(layer: points.MoveToPoints, raw: np.ndarray) -> np.ndarray:
    """The points by way of the posed map, which knows nothing of the layer's derivatives."""
    units = coefficients.PosedMap(SIZE, "linear", asdict(layer.layout))(raw)
    pixels = np.asarray(maps.to_pixels(units, "linear")).reshape(len(raw), -1, 3)
    return pixels[:, points.point_texels(SIZE, COUNT), :2]


def no_pairs(layer: points.MoveToPoints | points.ComponentsToPoints, faces: int = 3) -> list[np.ndarray]:
    """Differences of pairs that nobody is sure of."""
    size = (faces, len(layer.pairs))
    return [np.zeros((*size, 2), np.float32), np.full((*size, 1), 1e5, np.float32)]


def steps(layer: points.MoveToPoints, raw: np.ndarray, change: np.ndarray) -> np.ndarray:
    parts = layer.layout.split(ops.convert_to_tensor(raw), raw=True)
    rotation = coefficients.rotation_matrix(parts["angles"], layer.layout.rotation)
    return np.asarray(layer.moved(parts, rotation, ops.convert_to_tensor(change)))


@pytest.mark.parametrize(("rotation", "camera"), KINDS)
def test_derivatives_are_those_of_the_posed_map(rotation: str, camera: str) -> None:
    layer, raw = layer_and_raw(rotation, camera)
    parts = layer.layout.split(ops.convert_to_tensor(raw), raw=True)
    matrix = coefficients.rotation_matrix(parts["angles"], rotation)
    at, jacobian = (np.asarray(a) for a in layer.linearised(parts, matrix))
    np.testing.assert_allclose(at, projected(layer, raw), atol=2e-3)
    rng = np.random.default_rng(0)
    for group in (slice(0, 150), slice(150, 202), slice(202, 205), slice(205, None)):
        change = np.zeros((len(raw), jacobian.shape[-1]), np.float32)
        change[:, group] = rng.normal(0, 1, change[:, group].shape)
        change *= 0.01 / np.abs(change).max()
        ahead, back = (projected(layer, steps(layer, raw, sign * change)) for sign in (1, -1))
        along = np.einsum("bncj,bj->bnc", jacobian, change)
        np.testing.assert_allclose((ahead - back) / 2, along, atol=0.01 * np.abs(along).max() + 2e-3)


@pytest.mark.parametrize(("rotation", "camera"), KINDS[:2])
def test_a_face_goes_where_sure_points_are_and_stays_where_doubtful_ones_are(rotation: str, camera: str) -> None:
    layer, raw = layer_and_raw(rotation, camera)
    change = np.random.default_rng(1).normal(0, 0.05, (len(raw), layer.log_tau.shape[0])).astype(np.float32)
    target = projected(layer, steps(layer, raw, change))
    sure, doubtful = (np.full((len(raw), COUNT, 1), sigma, np.float32) for sigma in (0.5, 1e4))
    before = np.abs(projected(layer, raw) - target).mean()
    after = np.abs(projected(layer, np.asarray(layer([raw, target, sure, *no_pairs(layer)]))) - target).mean()
    assert before > 3 and after < 0.1 * before
    unmoved = projected(layer, np.asarray(layer([raw, target, doubtful, *no_pairs(layer)])))
    np.testing.assert_allclose(unmoved, projected(layer, raw), atol=0.01)
    kept = layer.layout.split(np.asarray(layer([raw, target, sure, *no_pairs(layer)])), raw=True)
    np.testing.assert_array_equal(kept["albedo"], layer.layout.split(raw, raw=True)["albedo"])


def test_components_go_where_sure_points_are() -> None:
    layer, rng = points.ComponentsToPoints(SIZE, COUNT), np.random.default_rng(2)
    start, change = (rng.normal(0, spread, (3, 64)).astype(np.float32) for spread in (1.0, 0.2))
    mean, basis = map_basis.posed_map_basis(SIZE, 64)
    texels = points.point_texels(SIZE, COUNT)

    def seen(coefficients: np.ndarray) -> np.ndarray:
        return (mean + coefficients @ basis).reshape(3, -1, 3)[:, texels, :2]

    sure, doubtful = (np.full((3, COUNT, 1), sigma, np.float32) for sigma in (0.1, 1e4))
    target = seen(start + change)
    layer.build([start.shape])
    assert np.abs(seen(start) - target).mean() > 2
    np.testing.assert_allclose(seen(np.asarray(layer([start, target, sure, *no_pairs(layer)]))), target, atol=0.2)
    np.testing.assert_allclose(layer([start, target, doubtful, *no_pairs(layer)]), start, atol=1e-3)


def test_a_face_takes_on_differences_that_are_sure_though_its_points_are_doubtful() -> None:
    size, count = 64, 128
    layer, rng = points.ComponentsToPoints(size, count), np.random.default_rng(2)
    start, change = (rng.normal(0, spread, (3, 192)).astype(np.float32) for spread in (1.0, 0.3))
    layer.build([start.shape])
    mean, basis = (np.asarray(part) for part in (layer.mean, layer.basis))
    _, pairs = points.point_pairs(size, count)
    before, target = (mean + np.einsum("bk,knc->bnc", x, basis) for x in (start, start + change))

    def apart(at: np.ndarray) -> np.ndarray:
        return at[:, pairs[:, 0]] - at[:, pairs[:, 1]]

    shifted = target + 6.0  # what all points share says nothing of differences
    doubtful, sure = np.full((3, count, 1), 6.0, np.float32), np.full((3, len(pairs), 1), 0.1, np.float32)
    answers = [
        layer([start, shifted, doubtful, *more]) for more in (no_pairs(layer), [apart(target).astype(np.float32), sure])
    ]
    without, with_pairs = (mean + np.einsum("bk,knc->bnc", np.asarray(a), basis) for a in answers)
    wrong = [np.abs(apart(at) - apart(target)).mean() for at in (before, without, with_pairs)]
    assert wrong[2] < 0.2 * wrong[1] < wrong[0]


def test_points_are_the_landmarks_then_all_over_the_face() -> None:
    chosen = points.point_texels(64, 128)
    assert zlib.crc32(chosen.tobytes()) == 1163256223  # presets have learnt these very points
    assert len(set(chosen.tolist())) == 128
    topology = PositionMap(load_open_face(), 64)
    assert (topology.weight_mask((1.0, 1.0, 1.0, 0.0)).ravel()[chosen] > 0).mean() > 0.95
    means = mean_shape(64).reshape(-1, 3)[chosen] * 100
    apart = np.linalg.norm(means[68:, None] - means, axis=-1)
    apart[apart == 0] = np.inf
    assert apart.min() > 5  # millimetres


def small(points_count: int = COUNT) -> Config:
    changes = {"model.trunk": "mobilenet_v2", "model.rotation": "columns", "model.camera": "framed"}
    sizes = {"model.image_size": 64, "model.map_size": SIZE, "model.width": 0.1, "model.output": "linear"}
    return override(Config(model=MODELS["rnet"]), {**changes, **sizes, "model.points": points_count})


def test_the_loss_reads_the_points_and_both_maps() -> None:
    topology = PositionMap(load_open_face(), SIZE)
    truth = np.random.default_rng(0).uniform(0.1, 0.6, (2, SIZE, SIZE, 3)).astype(np.float32)
    found = truth.reshape(2, -1, 3)[:, points.point_texels(SIZE, COUNT), :2]
    pixels = np.asarray(maps.to_pixels(found, "linear"))
    objective = MapObjective(LossConfig(kind="l1", expressive=1.0, certainty=0.0, gaps=0.0), topology)
    joined = points.JoinedMaps("linear")
    first, second = points.point_pairs(SIZE, COUNT)[1].T
    pairs = pixels[:, first] - pixels[:, second]
    sure = [np.full((2, count, 1), 1.0, np.float32) for count in (COUNT, len(first))]

    def output(before: np.ndarray, found: np.ndarray) -> np.ndarray:
        return np.asarray(joined([before, found, sure[0], pairs, sure[1], truth]))

    right = output(truth, pixels)
    np.testing.assert_allclose(objective.call(truth, right), 0, atol=1e-6)
    off = output(truth, pixels + 12.8)
    np.testing.assert_allclose(objective.call(truth, off), 0.1, rtol=1e-3)
    np.testing.assert_allclose(objective.call(truth, output(truth + 0.2, pixels)), 0.2, rtol=1e-3)


@pytest.mark.slow
def test_a_network_with_points_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    once = tuple((*stage[:2], 1, stage[3]) for stage in blocks.INVERTED_RESIDUALS)
    monkeypatch.setattr(blocks, "INVERTED_RESIDUALS", once)  # a trunk that is traced in half the time
    config = small()
    model = models.build(config.model)
    assert model.output.shape[1:] == (SIZE, SIZE, 12)
    topology = PositionMap(load_open_face(), SIZE)
    optimizer = keras.optimizers.Adam(0.002)
    optimizer.build(model.trainable_variables)  # variables that are made inside a step make TensorFlow trace it twice
    model.compile(optimizer, loss=MapObjective(config.loss, topology), jit_compile=False)
    images = np.random.default_rng(0).uniform(0, 1, (4, 64, 64, 3)).astype(np.float32)
    truth = np.tile(np.asarray(model(images[:1]))[..., -3:] + 0.1, (4, 1, 1, 1))
    losses = [float(model.train_on_batch(images, truth)) for _ in range(24)]
    assert np.isfinite(losses).all() and np.mean(losses[-4:]) < 0.8 * np.mean(losses[:4])
    moved = model.get_layer("raw").log_tau
    assert np.ptp(np.asarray(moved)[:150]) > 0  # how far to trust the heads is learnt


def test_a_position_map_network_with_points_starts_from_those_of_rnet(tmp_path: Path) -> None:
    source = models.build(small().model)
    presets.save(source, small().model, tmp_path, {})
    sizes = {
        "model.views": 1,
        "model.image_size": 64,
        "model.map_size": SIZE,
        "model.width": 0.1,
        "model.components": 8,
    }
    config = override(Config(model=MODELS["mnv2_basis"]), {**sizes, "model.points": COUNT, "run.init": str(tmp_path)})
    target = models.build(config.model)
    start_from(target, config)
    assert target.output.shape[1:] == (SIZE, SIZE, 12)
    kernels = [np.asarray(model.get_layer("points_heat").kernel) for model in (source, target)]
    np.testing.assert_allclose(*kernels, atol=1e-3)
    answer = models.predictor(target, config.model)(np.zeros((1, 64, 64, 3), np.float32))["position_map"]
    assert answer.shape == (1, 256, 256, 3)


def test_points_need_a_trunk_that_has_features_of_stride_8() -> None:
    with pytest.raises(UserError, match="mobilenet_v2"):
        override(Config(model=MODELS["rnet"]), {"model.points": 64})
    with pytest.raises(UserError, match="68 or more"):
        models.build(small(20).model)
    with pytest.raises(UserError, match="orbit"):
        override(small(), {"model.rotation": "orbit"})
    assert isinstance(rnet.layout_of(small().model), Layout)


def test_other_networks_start_from_a_trunk_that_learnt_elsewhere(tmp_path: Path) -> None:
    source = models.build(small().model)
    presets.save(source, small().model, tmp_path, {})
    config = override(Config(model=MODELS["mnv2_basis"]), {"model.views": 1, "run.init": str(tmp_path)})
    sizes = {"model.image_size": 64, "model.map_size": SIZE, "model.width": 0.1, "model.components": 8}
    config = override(config, sizes)
    target = models.build(config.model)
    first = np.asarray(target.get_layer("basis").mean)
    start_from(target, config)
    for name in ("stem_conv", "stage3_1_project_conv", "head_conv"):
        kernels = [np.asarray(model.get_layer(name).kernel) for model in (source, target)]
        np.testing.assert_allclose(*kernels, atol=1e-3)  # presets are float16
    np.testing.assert_array_equal(target.get_layer("basis").mean, first)
    with pytest.raises(UserError, match="does not fit"):
        start_from(models.build(config.model), override(config, {"model.name": "dual_prn"}))


def test_shipped_points_are_those_that_networks_learnt() -> None:
    """`ComponentsToPoints` keeps its points in the weights file; `point_texels` must still name them."""
    model, config = presets.load("mnv2_points")
    mean = maps.to_pixels(np.asarray(model.get_layer("basis").mean).reshape(-1, 3), config.output)
    texels = points.point_texels(config.map_size, config.points)
    learnt = np.asarray(model.get_layer("moved").mean)
    np.testing.assert_allclose(mean[texels, :2], learnt, atol=0.1)
