"""The weakly supervised regime: losses fall, a resumed run equals one that never stopped, photographs are read."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

from tfface import models, train, weights
from tfface.config import Config, ModelConfig, override
from tfface.data.pipeline import weak as weak_batches
from tfface.data.shards.folder import DATASET_FILE
from tfface.data.shards.photos import PhotoRecord, photo_places, write_photo_shard
from tfface.errors import StoppedError, UserError
from tfface.face.layout import CROP_SIZE, camera_of
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry import ibug68
from tfface.geometry.pos import Deep3DCrop
from tfface.models.layers import coefficients, maps
from tfface.training import callbacks, columns, weak, weak_losses
from tfface.training.weak_face import FaceMaker, Renderer
from tfface.training.weak_pictures import FacePictures

SIZE, MAP_SIZE, FACES = 32, 16, 4
QUIET = Console(file=io.StringIO())


def tiny_rnet(config: ModelConfig) -> keras.Model:
    """R-Net with one convolution for a trunk; batch normalisation and dropout have states to resume."""
    images = keras.Input((config.image_size, config.image_size, 3), name="images")
    x = keras.layers.Conv2D(8, 4, 4, activation="relu", name="first")(images)
    x = keras.layers.BatchNormalization(name="normal", momentum=0.5)(x)
    x = keras.layers.Dropout(0.02, name="dropout", seed=3)(keras.layers.Flatten(name="flat")(x))
    layout = coefficients.layout_of(config)
    heads = [
        keras.layers.Dense(size, kernel_initializer="zeros", name=f"head_{part}")(x)
        for part, size in layout.sizes(raw=True).items()
    ]
    raw = keras.layers.Concatenate(name="raw")(heads)
    units = coefficients.PosedMap(config.map_size, config.output, asdict(layout), name="map")(raw)
    return keras.Model(images, units, name=config.name)


def weak_config(out: Path, **changes: Any) -> Config:
    base: dict[str, Any] = {
        "model": {"name": "rnet", "image_size": SIZE, "map_size": MAP_SIZE, "rotation": "columns", "camera": "framed"},
        "data": {"batch": FACES, "steps_per_epoch": 4, "validation_size": FACES},
        "optim": {"epochs": 3, "learning_rate": 3e-3},
        "weak": {"level": 0, "map": 1.0},
        "run": {"out": str(out), "tensorboard": False, "pictures": 0, "device": "cpu", "regime": "weak"},
    }
    return override(override(Config(), base), {key.replace("__", "."): value for key, value in changes.items()})


def describe(chips: tf.Tensor) -> tf.Tensor:
    """In place of the recognition network: a chip's colours on a coarse grid."""
    return tf.reshape(tf.nn.avg_pool2d(chips, 30, 30, "VALID"), [-1, 75])


@pytest.fixture(scope="module")
def faces() -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Rendered faces of known coefficients: images, truth, raw numbers."""
    config = weak_config(Path("unused")).model
    config = override(Config(model=config), {"run.regime": "weak", "weak.level": 0})
    maker = FaceMaker(config)
    rng = np.random.default_rng(4)
    size = sum(maker.layout.sizes(raw=True).values())
    raw = rng.normal(0, 0.25, (FACES, size)).astype(np.float32)
    maker.layout.split(raw, raw=True)["light"][:] *= 0.15  # a view of `raw`: dim enough not to be clipped
    face = maker(tf.constant(raw))
    tf.config.run_functions_eagerly(True)
    images = np.clip(Renderer(maker, SIZE)(face).rgba[..., :3].numpy(), 0, 1)
    tf.config.run_functions_eagerly(False)
    units = coefficients.PosedMap(MAP_SIZE, "linear", asdict(maker.layout))(raw)
    pixels = np.asarray(maps.to_pixels(np.asarray(units), "linear"))
    truth = {"image": images, "mask": np.ones(images.shape[:3], np.float32), "map": pixels}
    return images, {**truth, "landmarks": face.landmarks.numpy()}, raw


@pytest.fixture
def regime(monkeypatch: pytest.MonkeyPatch, faces: Any) -> Any:
    """`weak.train` of a tiny network on those faces."""
    monkeypatch.setattr(models, "build", tiny_rnet)
    images, truth, _ = faces

    def datasets(config: Config, start_step: int = 0) -> tuple[tf.data.Dataset, tf.data.Dataset]:
        once = tf.data.Dataset.from_tensors((images, truth))
        return once.repeat(), once

    return lambda config: weak.train(config, datasets, QUIET, identity_network=describe)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_an_absurd_rate_stops_the_run(regime: Any, tmp_path: Path) -> None:
    changes = {"optim__learning_rate": 1e30, "weak__photometric_kind": "sampled", "weak__identity": 0}
    with pytest.raises(StoppedError, match="Step [1-4]: .* not finite"):
        regime(weak_config(tmp_path, **changes))
    assert not (tmp_path / "checkpoint.npz").exists() and not (tmp_path / "best.weights.h5").exists()


def test_every_loss_falls(regime: Any, tmp_path: Path) -> None:
    changes = {"optim__epochs": 2, "data__steps_per_epoch": 40, "optim__learning_rate": 4e-3, "run__tensorboard": True}
    regime(weak_config(tmp_path, weak__photometric_kind="sampled", weak__identity=0, **changes))
    table = rows(tmp_path)
    fallen = ("photometric", "landmarks", "map", "nme68")
    for name in fallen:
        for column in (name, f"val_{name}"):
            assert float(table[-1][column]) < 0.9 * float(table[0][column]), column
    assert 0 < float(table[-1]["val_nme_face"]) < 0.9 * float(table[0]["val_nme_face"])
    for name in set(columns.WEAK_LOSSES) - {*fallen, "identity"}:
        assert 0 <= float(table[-1][f"val_{name}"]) < 60, name
    assert any((tmp_path / "tensorboard").iterdir())
    model, _, _ = weights.find(tmp_path).network()
    assert model.output_shape == (None, MAP_SIZE, MAP_SIZE, 3)


@pytest.mark.slow
def test_a_resumed_run_equals_one_that_never_stopped(
    regime: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    changes = {"weak__photometric_kind": "sampled", "weak__identity": 0, "optim__ema": 0.9}
    regime(weak_config(whole, **changes))

    def until(self: callbacks.KeepCheckpoint, batch: int, logs: object = None) -> None:
        if self.state.step == 7:  # the process dies here, after its last checkpoint in the middle of an epoch
            raise RuntimeError("killed")
        if self.state.step == 6:
            self._save()

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.KeepCheckpoint, "on_train_batch_end", until)
        with pytest.raises(RuntimeError, match="killed"):
            regime(weak_config(broken, **changes))
    regime(weak_config(broken, **changes))
    for first, second in zip(rows(whole), rows(broken), strict=True):
        for column in set(first) - {"images_per_second", "minutes"}:
            assert float(second[column]) == pytest.approx(float(first[column]), rel=2e-3, abs=1e-6), column


@pytest.mark.usefixtures("eager")
def test_rendered_losses_fall_too(faces: Any, tmp_path: Path) -> None:
    """Steps down the gradients of the render's and the recognition's loss alone, from the mean face."""
    images, truth, raw = faces
    config = weak_config(tmp_path, weak__landmarks=0, weak__map=0, weak__identity=1.0)
    losses = weak_losses.WeakLosses(config, FaceMaker(config), PositionMap(load_open_face(), MAP_SIZE), describe)
    known = weak_losses.Truth(*(tf.constant(truth[name][:1]) for name in ("image", "mask", "landmarks")), None)
    guess, optimizer = tf.Variable(0.5 * raw[:1]), keras.optimizers.Adam(0.03)
    seen = []
    for _ in range(8):
        with tf.GradientTape() as tape:
            values, _ = losses(guess, tf.zeros([1, MAP_SIZE, MAP_SIZE, 3]), known)
            total = values["photometric"] + values["identity"]
        optimizer.apply([tape.gradient(total, guess)], [guess])
        seen.append((float(values["photometric"]), float(values["identity"])))
    assert seen[-1][0] < 0.8 * seen[0][0] and seen[-1][1] < seen[0][1]


@pytest.mark.usefixtures("eager")
def test_the_truth_costs_nothing_but_its_priors(faces: Any, tmp_path: Path) -> None:
    """Picture, landmarks, recognition and map of the true coefficients agree, whatever the photometric loss."""
    images, truth, raw = faces
    topology = PositionMap(load_open_face(), MAP_SIZE)
    units = maps.to_units(truth["map"], "linear")
    known = weak_losses.Truth(*(tf.constant(truth[name]) for name in ("image", "mask", "landmarks")), units)
    for kind, most in (("rendered", 5e-3), ("sampled", 0.08), ("aligned", 1e-3), ("masked", 5e-3)):
        config = weak_config(tmp_path, weak__photometric_kind=kind)
        losses = weak_losses.WeakLosses(config, FaceMaker(config), topology, describe)
        values, _ = losses(tf.constant(raw), tf.constant(units), known)
        assert float(values["photometric"]) < most, kind
        assert float(values["landmarks"]) < 1e-4 and float(values["map"]) < 1e-6
        assert float(values["identity"]) < 1e-3
        worse, _ = losses(tf.constant(raw[::-1].copy()), tf.constant(units[::-1].copy()), known)
        for name in ("photometric", "landmarks", "map"):
            assert float(worse[name]) > 2 * float(values[name]), (kind, name)
    pictures = FacePictures(images[:2], truth["landmarks"][:2], config, tmp_path / "pictures.png")
    sheet = pictures(lambda _, training: {"raw": tf.constant(raw[:2])})
    assert sheet.shape[1] > 5 * 224 and (tmp_path / "pictures.png").is_file()


def test_what_is_switched_off_is_not_there_and_what_is_frozen_stays(
    regime: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"weak__photometric_kind": "sampled", "weak__identity": 0, "weak__map": 0, "weak__train": "colour"}
    config = weak_config(tmp_path, optim__epochs=2, **changes)
    monkeypatch.setattr(weak_losses, "Renderer", None)  # nothing may be rasterised
    regime(config)
    table = rows(tmp_path)
    assert not {"identity", "map"} & set(table[0])
    assert float(table[0]["val_landmarks"]) == pytest.approx(float(table[1]["val_landmarks"]), rel=1e-4)
    assert float(table[1]["val_photometric"]) < float(table[0]["val_photometric"])
    network = weak.compiled(config, PositionMap(load_open_face(), MAP_SIZE))
    assert {variable.path for variable in network.trainable_variables} == {
        f"head_{part}/{what}" for part in ("albedo", "light") for what in ("kernel", "bias")
    }
    with pytest.raises(UserError, match="another weak.train"):
        regime(override(config, {"weak.train": "all", "optim.epochs": 3}))


def write_photos(folder: Path, count: int) -> np.ndarray:
    """Prepared photographs: the mean face's landmarks, dots on greys of their own; returns the landmarks."""
    face, size = load_open_face(), 64
    camera = camera_of(np.zeros(3), np.zeros(4), "framed")
    points = camera.project(face.face(2).vertices(face.mean)[face.landmarks68_2d])[:, :2] * (0.8 * size / CROP_SIZE) + 5
    images = np.full((count, size, size, 3), 90, np.uint8) + np.arange(count, dtype=np.uint8)[:, None, None, None]
    for u, v in points:
        images[:, int(v), int(u)] = 255, 60, 60
    mask = np.zeros((size, size), np.uint8)
    mask[:, : size // 2] = 255
    crop = Deep3DCrop(size, size, 1.0, size / 2, size / 2, size)
    records = [
        PhotoRecord(f"{n}.jpg", image, points.astype(np.float32), mask, 255 - mask, mask, crop)
        for n, image in enumerate(images)
    ]
    write_photo_shard(folder / "photos-00000.tfrecord", records)
    (folder / DATASET_FILE).write_text(json.dumps({"size": size}))
    return points


def test_photographs_are_cropped_as_predict_crops(tmp_path: Path) -> None:
    write_photos(tmp_path, 30)
    changes = {"data__records": str(tmp_path), "data__source": "photos", "weak__map": 0, "augment__enabled": False}
    config = weak_config(tmp_path / "run", **changes)
    training, validation = weak_batches.make_datasets(config)
    for images, truth in (next(iter(training)), next(iter(validation))):
        low, high = truth["landmarks"].numpy().min(1), truth["landmarks"].numpy().max(1)
        np.testing.assert_allclose((low + high) / 2, CROP_SIZE / 2, atol=1e-3)
        np.testing.assert_allclose((high - low).max(1), CROP_SIZE / np.sqrt(2), rtol=1e-5)
        np.testing.assert_array_equal(images, truth["image"])
        assert truth["mask"].shape == (len(images), SIZE, SIZE) and 0.3 < truth["mask"].numpy().mean() < 0.7
    still = {"rotation_deg": 0, "scale": [1, 1], "shift": 0, "colour": [1, 1], "dropout_boxes": 0}
    still |= {f"{kind}_probability": 0 for kind in ("blur", "noise", "greyscale", "border", "gamma")}
    turned = override(config, {"augment": {"enabled": True, **still}})
    seen = [found for _, found in weak_batches.make_datasets(turned)[0].take(4)]
    masks, plain = np.concatenate([found["mask"] for found in seen]), truth["mask"].numpy()[0]
    same, flipped = (np.abs(masks - mask).max((1, 2)) < 0.02 for mask in (plain, plain[:, ::-1]))
    assert (same ^ flipped).all() and same.any() and flipped.any()
    # the mean face is symmetric: its landmarks keep their numbers in the mirrored picture
    landmarks = np.concatenate([found["landmarks"] for found in seen])
    np.testing.assert_allclose(landmarks, np.broadcast_to(truth["landmarks"][:1], landmarks.shape), atol=0.01)
    masked = dataclasses.replace(config, weak=dataclasses.replace(config.weak, masked_input=True))
    images, truth = next(iter(weak_batches.make_datasets(masked)[1]))
    np.testing.assert_allclose(images, truth["image"] * truth["mask"][..., None], atol=0.51 / 255)
    chunked = override(config, {"data.chunk": 8, "data.chunk_epochs": 2, "augment.enabled": True})
    shapes = {tuple(images.shape) for images, _ in weak_batches.make_datasets(chunked)[0].take(12)}
    assert shapes == {(FACES, SIZE, SIZE, 3)}


@pytest.mark.parametrize("chunk", [0, 8])
def test_photographs_go_on_in_the_order_of_a_run_that_never_stopped(chunk: int, tmp_path: Path) -> None:
    write_photos(tmp_path, 30)
    changes = {"data__records": str(tmp_path), "data__source": "photos", "weak__map": 0, "data__batch": 3}
    config = weak_config(tmp_path / "run", **changes, data__chunk=chunk, data__chunk_epochs=2)
    batches = weak_batches.PhotoBatches(config)
    through = list(itertools.islice(batches.training(0), 32))
    for step in (1, 15, 29):
        resumed = next(weak_batches.PhotoBatches(config).training(step))
        for key, value in resumed.items():
            np.testing.assert_array_equal(value, through[step][key], err_msg=key)
    # the first pass sees every photograph once, each known by its grey
    plain = weak_batches.PhotoBatches(override(config, {"augment.enabled": False}))
    greys = np.concatenate([np.median(batch["image"], (1, 2, 3)) for batch in itertools.islice(plain.training(0), 32)])
    count = len(photo_places(tmp_path, "train"))
    first, second = (greys[start : start + (chunk or count)] for start in (0, chunk or count))
    assert len(set(first)) == len(first) and set(first) == set(second) and list(first) != list(second)
    assert len(set(greys[: 2 * count])) == count


@pytest.mark.slow
def test_the_command_learns_from_photographs(
    python: Any, identity_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As people run it: a process of its own, oneDNN, dlib's network, every loss; the trunk has a block a stage."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "tune" / "toy"))
    monkeypatch.setenv("TFFACE_TOY_TRUNK", "1")
    write_photos(tmp_path / "photos", 30)
    options = (
        "--model rnet --model.trunk mobilenet_v2 --model.width 0.35 --model.image-size 64 --model.map-size 32 "
        "--data photos --data.batch 2 --data.steps-per-epoch 2 --data.validation-size 2 --weak.level 0 --device cpu"
    )
    folders = ("--data.records", str(tmp_path / "photos"), "--out", str(tmp_path / "run"))
    run = python("-m", "tfface.train", *options.split(), *folders, "--optim.epochs", "1", timeout=400)
    assert run.returncode == 0, run.stderr[-2000:]
    table = rows(tmp_path / "run")
    assert [row["epoch"] for row in table] == ["1"] and "val_nme_face" not in table[0]
    for name in ("photometric", "landmarks", "identity", "regularisation"):
        values = [float(row[f"{prefix}{name}"]) for row in table for prefix in ("", "val_")]
        assert np.isfinite(values).all() and min(values) > 0, name


def test_regimes_on_the_command_line(tmp_path: Path) -> None:
    config = train.parse(["--model", "rnet", "--data", "photos", "--data.records", str(tmp_path)])
    assert config.run.regime == "weak" and config.data.source == "photos"
    assert train.parse(["--model", "rnet"]).run.regime == "map"
    for wrong, match in (
        (["--data", "photos"], "data.records"),
        (["--run.regime", "weak"], "R-Net"),
        (["--model", "rnet", "--data", "photos", "--data.records", "x", "--weak.map", "1"], "weak.map"),
        (["--preset", "autoencodr"], "autoencoder"),
    ):
        with pytest.raises(UserError, match=match):
            train.parse(wrong)


def test_recipes_of_du_and_fan(tmp_path: Path) -> None:
    photos = ["--data", "photos", "--data.records", str(tmp_path)]
    first = train.parse(["--preset", "autoencoder", *photos])
    assert first.model.name == "rnet" and first.model.image_size == 200 and first.data.chunk == 5000
    assert weak_losses.active(first) == ("photometric",) and first.weak.photometric_kind == "aligned"
    sizes = coefficients.layout_of(first.model).sizes(raw=True)
    assert sum(sizes.values()) == 248 and not sizes["light"] and not sizes["camera"]
    second = train.parse(["--preset", "base_branch", *photos])
    assert weak_losses.active(second) == ("photometric", "landmarks", "identity") and second.weak.identity == 20
    assert second.model.camera == "fov30" and second.data.shares == (0.7, 0.15, 0.15)
    with pytest.raises(UserError, match="masks"):
        weak_batches.make_datasets(train.parse(["--preset", "autoencoder"]))


def test_mirroring_the_68_points_twice_changes_nothing() -> None:
    assert ibug68.MIRRORED[ibug68.MIRRORED].tolist() == list(range(68))
