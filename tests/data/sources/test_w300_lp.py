"""300W-LP to shards, with a small model of the Basel model's form, and training from them."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from tests.data.tools import killed, load_tool, plain_record
from tests.face.small_models import write_300wlp
from tfface.config import AugmentConfig, Config, DataConfig, ModelConfig
from tfface.data.pipeline.datasets import make_datasets
from tfface.data.shards.maps import decode_map, encode_map, iterate_map_records, write_dataset
from tfface.data.sources import w300_lp
from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.face.readers import bfm_300wlp
from tfface.geometry.align import Pose, box_from_landmarks, crop_transform, square_box, transform_points
from tfface.geometry.conventions import points_to_matlab, pose_to_300wlp
from tfface.geometry.rotation import euler_to_matrix
from tfface.io.image import write_image
from tfface.losses.position_map import normalised_mask, weighted_map_loss

SHAPE, EXPRESSION = np.array([800.0, -1200, 300, 900, 0]), np.array([0.3, 0.5, 0.2])
HEIGHT, WIDTH = 260, 300


def pose_at(yaw_deg: float) -> Pose:
    rotation = euler_to_matrix(np.deg2rad(yaw_deg), 0.1, -0.15)
    return Pose(rotation, 0.9, np.array([150.0, -130.0, 3.0]) - 0.9 * rotation @ load_open_face().centre)


@pytest.fixture(scope="module")
def bfm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bfm")
    write_300wlp(folder)
    return folder


@pytest.fixture(scope="module")
def data(bfm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight faces, each seen at yaw 5, -60 and 80 degrees; a noisy picture, points 2D in a folder of their own."""
    folder, model, rng = tmp_path_factory.mktemp("data"), bfm_300wlp.read(bfm), np.random.default_rng(0)
    for face in range(8):
        for index, yaw in enumerate((5.0, -60.0, 80.0)):
            name = folder / "AFW" / f"AFW_{face}_1_{index}"
            write_image(name.with_suffix(".jpg"), rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))
            pose = pose_at(yaw)
            points = points_to_matlab(pose.to_image(model.vertices(SHAPE, EXPRESSION))[model.landmarks68])
            parameters = {"Shape_Para": SHAPE[:, None], "Exp_Para": EXPRESSION[:, None]}
            savemat(name.with_suffix(".mat"), {**parameters, "Pose_Para": pose_to_300wlp(pose, HEIGHT)[None]})
            extra = folder / "landmarks" / "AFW" / f"{name.name}_pts.mat"
            extra.parent.mkdir(parents=True, exist_ok=True)
            savemat(extra, {"pts_3d": points[:, :2]})
    return folder


def photos_of(data: Path) -> list[w300_lp.Photo]:
    return [w300_lp.read_photo(mat) for mat in w300_lp.find_mats(data)]


def crop_of(points: np.ndarray, size: int) -> np.ndarray:
    box = box_from_landmarks(points)
    return crop_transform(square_box((box[:2] + box[2:]) / 2, float(box[2] - box[0]) * 1.25), size)


def test_dense_maps_are_the_posed_mesh_in_the_crop(bfm: Path, data: Path) -> None:
    """The small model is our own face, so the truth is known at all of our vertices."""
    face, photo = load_open_face(), photos_of(data)[1]
    maker = w300_lp.RecordMaker(bfm, 192)
    assert photo.yaw_deg == pytest.approx(-60, abs=1e-3) and maker.check(photo) < 1e-3
    view = maker(w300_lp.Job("x", (photo,))).views[0]
    assert view.image.shape == (192, 192, 3) and view.position_map.shape == (256, 256, 3)
    identity, expression = SHAPE / 1000, np.zeros(52)
    for name, value in zip(("jawOpen", "mouthSmileLeft", "browInnerUp"), EXPRESSION, strict=True):
        expression[face.expression_names.index(name)] = value
    whole = pose_at(-60.0).to_image(face.face(2).vertices(face.cage(identity, expression)))
    points = w300_lp.landmarks_of(photo)
    truth = transform_points(crop_of(points, 192), whole)
    found = PositionMap(face, 256).to_vertices(view.position_map)
    off = found - truth
    off[:, 2] -= np.median(off[:, 2])
    distance = np.linalg.norm(off, axis=1) / (192 / (1.25 * np.ptp(points[:, 1]) * 2**0.5))
    sure = PositionMap(face, 256).to_vertices(view.mask[..., None])[:, 0] > 250
    assert sure.mean() > 0.7 and np.median(distance[sure]) < 0.7 and np.median(distance) < 0.8
    assert np.quantile(distance, 0.99) < 8.0 and view.position_map[..., 2].min() == 0


def test_without_the_model_the_landmarks_are_met(data: Path) -> None:
    photo, face = photos_of(data)[2], load_open_face()
    view = w300_lp.RecordMaker(None, 192)(w300_lp.Job("x", (photo,))).views[0]
    topology = PositionMap(face, 256)
    points = w300_lp.landmarks_of(photo)
    expected = transform_points(crop_of(points, 192), points)
    off = np.linalg.norm(topology.landmarks(view.position_map)[:, :2] - expected, axis=1)
    assert off.mean() < 0.5 and off.max() < 3.0
    assert (topology.landmarks(view.mask[..., None])[:, 0] > 250).all() and 0.02 < (view.mask > 0).mean() < 0.15


def test_pairs_are_of_one_face(data: Path) -> None:
    jobs = w300_lp.jobs(photos_of(data), pairs=True)
    assert len(jobs) == 8
    for job in jobs:
        front, side = job.photos
        assert front.face == side.face and abs(front.yaw_deg) <= 45 < abs(side.yaw_deg)
    assert len(w300_lp.jobs(photos_of(data), pairs=False)) == 24


def test_maps_keep_their_precision() -> None:
    position_map = np.random.default_rng(0).uniform(-500, 900, (256, 256, 3))
    assert np.abs(decode_map(encode_map(position_map)) - position_map).max() <= 1 / 32 + 1e-4
    with pytest.raises(UserError, match="leaves the range"):
        encode_map(position_map * 10)


@pytest.fixture(scope="module")
def shards(bfm: Path, data: Path, tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    tool = load_tool(repository, "convert_300wlp")
    out, printed = tmp_path_factory.mktemp("out") / "shards", io.StringIO()
    broken = data / "AFW" / "AFW_9_1_0.mat"
    broken.write_bytes(b"broken")
    write_image(broken.with_suffix(".jpg"), np.zeros((40, 40, 3), np.uint8))
    command = ["--data", str(data), "--out", str(out), "--bfm", str(bfm), "--pairs", "--image-size", "160"]
    with contextlib.redirect_stdout(printed):
        assert tool.main([*command, "--records-per-shard", "2"]) == 1
        broken.unlink()
        assert tool.main(["--data", str(data), "--bfm", str(bfm), "--check", "--limit", "3"]) == 0
    assert "AFW_9_1_0" in printed.getvalue() and "8 records" in printed.getvalue()
    assert "100.0 % of the pictures within a pixel" in printed.getvalue()
    assert len(list(out.glob("faces-*.tfrecord"))) == 4
    return out


def _config(shards: Path, views: int, map_size: int = 256) -> Config:
    model = ModelConfig(name="mnv2_light", views=views, image_size=160, map_size=map_size, decoder="light")
    data = DataConfig(records=str(shards), batch=2, validation_size=2, shuffle=2)
    return Config(model=model, data=data)


def test_training_reads_them_and_maps_follow_their_pictures(shards: Path) -> None:
    first = next(iterate_map_records(sorted(shards.glob("*.tfrecord"))[0]))
    for views, map_size in ((2, 256), (1, 64)):
        config = _config(shards, views, map_size)
        training, validation = make_datasets(config)
        images, maps = next(iter(validation))
        assert images.shape == (2, 160, 160, 3 * views) and maps.shape == (2, map_size, map_size, 4)
        expected = (first.views[0].position_map - [80, 80, 0]) * (256 * 1.25 / 160) + [128, 128, 0]
        step = np.linspace(0, 255, map_size)
        exact = np.isin(step, np.arange(256))
        found = maps[0].numpy()[exact][:, exact]
        chosen = step[exact].astype(int)
        difference = found[..., :3] - expected[np.ix_(chosen, chosen)]
        difference[..., 2] -= difference[..., 2].mean()  # the least depth is that of the smaller map's texels
        assert np.abs(difference).max() < 0.1
        for pictures, augmented in training.take(3):
            assert pictures.shape[-1] == 3 * views and np.isfinite(augmented.numpy()).all()
            np.testing.assert_allclose(augmented.numpy()[..., 2].min((1, 2)), 0, atol=1e-3)


def test_augmented_maps_are_similarities_of_the_stored_ones(shards: Path) -> None:
    config = _config(shards, 2)
    plain = {record.key: record.views[0] for path in shards.glob("*.tfrecord") for record in iterate_map_records(path)}
    steady = AugmentConfig(mirror=False)
    training, _ = make_datasets(dataclasses.replace(config, augment=steady))
    for position_map in next(iter(training))[1].numpy():
        off = []
        for view in plain.values():
            stored = view.position_map.reshape(-1, 3)[::97]
            system = np.concatenate([stored[:, :2], np.ones((len(stored), 1))], 1)
            moved = position_map.reshape(-1, 4)[::97, :3]
            linear, residual, *_ = np.linalg.lstsq(system, moved[:, :2], rcond=None)
            scale = np.sqrt(abs(np.linalg.det(linear[:2])))
            depth = np.abs(moved[:, 2] - stored[:, 2] * scale).max()
            off.append(max(float(np.sqrt(residual.max() / len(stored))), float(depth)))
        assert min(off) < 0.1


def test_single_pictures_are_no_pairs(data: Path, tmp_path: Path) -> None:
    from tfface.data.shards.maps import write_dataset

    jobs = w300_lp.jobs(photos_of(data), pairs=False)[:4]
    card = {"views": 1, "settings": {"enlarge": 1.25}}
    assert not write_dataset(tmp_path, jobs, w300_lp.RecordMaker(None, 64), card, 2)
    with pytest.raises(UserError, match="model.views=1"):
        make_datasets(_config(tmp_path, 2))
    images, maps = next(iter(make_datasets(_config(tmp_path, 1))[1]))
    assert images.shape[-1] == 3 and 0 < maps[..., 3].numpy().mean() < 0.2


def test_workers_change_nothing_and_a_killed_one_is_reported(tmp_path: Path) -> None:
    jobs, card = [w300_lp.Job(str(number), ()) for number in range(6)], {"kind": "maps"}
    for workers in (1, 2):
        assert write_dataset(tmp_path / str(workers), jobs, plain_record, card, 4, workers) == {}
    for number in range(2):
        name = f"faces-{number:05d}.tfrecord"
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    with pytest.raises(UserError, match="A process was killed"):
        write_dataset(tmp_path / "killed", jobs, killed, card, 4, 2)
    assert not list((tmp_path / "killed").glob("*.tfrecord"))


def test_the_loss_leaves_unknown_texels_out() -> None:
    rng, mask = np.random.default_rng(0), normalised_mask(np.ones((8, 8)))
    truth, predicted, known = rng.normal(size=(2, 8, 8, 3)), rng.normal(size=(2, 8, 8, 3)), np.ones((2, 8, 8, 1))

    def loss(*parts: np.ndarray) -> np.ndarray:
        return np.asarray(weighted_map_loss(np.concatenate(parts, axis=-1), predicted, mask))

    np.testing.assert_allclose(loss(truth, known), loss(truth))
    known[:, :4] = 0
    half = loss(truth, known)
    truth[:, :4] += 100.0
    np.testing.assert_allclose(loss(truth, known), half)
    np.testing.assert_allclose(half, np.square(truth - predicted)[:, 4:].mean((1, 2, 3)) / 2, rtol=1e-5)
