"""Shards, and the batches made from them and from the generator itself."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tfface.config import Config, DataConfig, ModelConfig, override
from tfface.data.pipeline.datasets import make_batches, make_datasets
from tfface.data.pipeline.samples import source_of
from tfface.data.shards.faces import FaceRecord, camera_from_vector, iterate_records, write_shard
from tfface.data.shards.folder import DATASET_FILE, find_shards, read_dataset_card
from tfface.data.shards.pictures import encode_jpeg
from tfface.data.synthetic.shard_set import ShardSet
from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap

SMALL = ["--pairs-per-shard", "2", "--textures", "6", "--image-size", "96"]


def _make(repository: Path, out: Path, pairs: int, workers: int, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "data_tools/make_synthetic.py", "--out", str(out), "--pairs", str(pairs)]
    command += ["--workers", str(workers), *SMALL, *more]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    result = _make(repository, folder, 6, 2)
    assert result.returncode == 0, result.stderr
    assert "pairs a second" in result.stdout
    return folder


def _config(shards: Path | None, views: int = 1, size: int = 64) -> Config:
    model = ModelConfig(views=views, image_size=size, map_size=32, decoder="light")
    data = DataConfig(records=str(shards or ""), batch=4, validation_size=3, textures=6, workers=0, shuffle=8)
    return Config(model=model, data=data)


def test_a_stopped_run_goes_on_and_workers_change_nothing(shards: Path, tmp_path: Path, repository: Path) -> None:
    (tmp_path / "again").mkdir()
    assert _make(repository, tmp_path / "again", 2, 1).returncode == 0
    first = (tmp_path / "again" / "faces-00000.tfrecord").read_bytes()
    assert first == (shards / "faces-00000.tfrecord").read_bytes()
    written = (tmp_path / "again" / "faces-00000.tfrecord").stat().st_mtime_ns
    assert _make(repository, tmp_path / "again", 4, 0).returncode == 0
    assert (tmp_path / "again" / "faces-00000.tfrecord").stat().st_mtime_ns == written
    assert (tmp_path / "again" / "faces-00001.tfrecord").read_bytes() == (shards / "faces-00001.tfrecord").read_bytes()


def test_a_folder_of_other_faces_is_refused(shards: Path, repository: Path) -> None:
    result = _make(repository, shards, 6, 0, "--seed", "5")
    assert result.returncode == 2 and "made with another seed" in result.stderr


def test_a_folder_of_another_generators_faces_is_refused(shards: Path, tmp_path: Path) -> None:
    """Shards that another version drew, found by drawing one of their people again."""
    shutil.copy(shards / DATASET_FILE, tmp_path)
    there = next(iterate_records(find_shards(shards)[0]))
    pictures = (encode_jpeg(there["front/image"]), encode_jpeg(there["side/image"]))
    cameras = (there["front/camera"], there["side/camera"])
    settings = read_dataset_card(shards)["settings"]
    wanted = ShardSet.of(tmp_path, 4, 2, 0, image_size=settings["image_size"], bank_size=settings["bank_size"])

    def write(wider: float) -> None:
        identity = there["identity"] + np.float32(wider)
        record = FaceRecord(there["seed"], identity, there["expression"], pictures, cameras, {})
        write_shard(tmp_path / "faces-00000.tfrecord", [record])

    write(0.0)
    wanted.claim()
    write(0.2)
    with pytest.raises(UserError, match="another version of the generator"):
        wanted.claim()


def test_validation_maps_are_the_cameras_view_of_the_face(shards: Path) -> None:
    """The first validation sample is the first record's front picture, cropped to its middle."""
    face = load_open_face()
    record = next(iterate_records(find_shards(shards)[0]))
    camera = camera_from_vector(record["front/camera"], face.centre)
    points = camera.project(face.face(2).vertices(face.cage(record["identity"], record["expression"])))
    expected = (points[:, :2] - 48) * (256 * 1.25 / 96) + 128
    _, validation = make_datasets(_config(shards))
    images, maps = next(iter(validation))
    assert images.shape == (4, 64, 64, 3) and maps.shape == (4, 32, 32, 3)
    found = PositionMap(face, 32).to_vertices(maps[0].numpy())
    skin = face.regions == 1
    assert np.median(np.linalg.norm(found[skin, :2] - expected[skin], axis=1)) < 0.3
    assert float(maps[..., 2].numpy().min()) == 0


def test_two_views_stack_their_pictures_and_follow_the_front(shards: Path) -> None:
    single = next(iter(make_datasets(_config(shards))[1]))
    double = next(iter(make_datasets(_config(shards, views=2))[1]))
    assert double[0].shape[-1] == 6
    np.testing.assert_allclose(double[0][0, ..., :3], single[0][0], atol=1e-6)
    np.testing.assert_allclose(double[0][0, ..., 3:], single[0][1], atol=1e-6)
    np.testing.assert_allclose(double[1][0], single[1][0], rtol=2e-6, atol=1e-4)


def test_training_batches_never_end_and_are_augmented(shards: Path) -> None:
    training, validation = make_datasets(_config(shards))
    batches = list(training.take(12))
    assert len(batches) == 12
    plain = next(iter(validation))[0].numpy()
    assert all(np.isfinite(maps.numpy()).all() for _, maps in batches)
    assert min(np.abs(images.numpy()[0] - plain[0]).mean() for images, _ in batches) > 0.01


def test_a_run_goes_on_at_the_very_sample(shards: Path) -> None:
    config = _config(shards)
    through, kept = make_batches(config)
    batches = list(itertools.islice(through, 7))  # a pass is two batches
    resumed = next(make_batches(config, start_step=5)[0])
    assert resumed.keys() == batches[5].keys()
    for key, value in resumed.items():
        np.testing.assert_array_equal(value, batches[5][key], err_msg=key)
    assert len(kept) == len(list(kept)) == 1
    in_memory = make_batches(override(config, {"data.in_memory": True}), start_step=5)[0]
    np.testing.assert_array_equal(next(in_memory)["images"], resumed["images"])


def test_a_pass_sees_every_picture_once_and_shards_that_came_meanwhile(shards: Path, tmp_path: Path) -> None:
    folder = tmp_path / "growing"
    shutil.copytree(shards, folder)
    last = find_shards(folder)[-1]
    last.rename(tmp_path / last.name)
    source = source_of(_config(folder))
    jobs = source.training(0)
    first, second = ([next(jobs) for _ in range(4)] for _ in range(2))
    assert set(first) == set(second) and len(set(first)) == 4 and first != second
    (tmp_path / last.name).rename(last)
    assert len({next(jobs) for _ in range(8)}) == 8
    held_out = {place for place, _ in source.validation()}
    assert len(held_out) == 2 and held_out.isdisjoint({place for place, _ in first})


@pytest.mark.parametrize("views", [1, 2])
def test_faces_on_the_fly_go_on_in_the_order_of_a_run_that_never_stopped(views: int) -> None:
    config = override(_config(None, views), {"data.shuffle": 5, "data.batch": 2})
    through = list(itertools.islice(make_batches(config)[0], 4))
    resumed = next(make_batches(config, start_step=3)[0])
    for key, value in resumed.items():
        np.testing.assert_array_equal(value, through[3][key], err_msg=key)
    cameras = np.concatenate([batch["camera"] for batch in through])
    assert len(np.unique(cameras, axis=0)) == 8  # nobody comes twice


def test_too_few_shards_are_reported(shards: Path) -> None:
    config = _config(shards)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, validation_size=500))
    with pytest.raises(UserError, match="held out for validation"):
        make_datasets(config)


def test_a_folder_without_shards_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="tfface synthesize"):
        make_datasets(_config(tmp_path))
