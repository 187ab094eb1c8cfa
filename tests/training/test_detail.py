"""Detail learns from its shards, goes on after a stop, becomes a preset, and shows on a face that is predicted."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from skimage import data

from tfface import export, models, synthesize
from tfface.config import Config, override
from tfface.data.pipeline.detail import DetailBatches, freckle, make_batches, pooled
from tfface.detailing import Detailer
from tfface.errors import UserError
from tfface.evaluation.detail import displaced, lines_followed, people
from tfface.inference import Reconstructor
from tfface.io.files import written_by_us
from tfface.io.image import write_image
from tfface.losses.detail import shading
from tfface.models.networks.detail import without_lines
from tfface.models.weights import presets
from tfface.training import detail
from tfface.training.detail_shards import DETAIL_SETTINGS, DetailMaker, DetailSet
from tfface.viz.detail import Detail
from tfface.viz.unwrapped import unwrap

SMALL = DETAIL_SETTINGS.__class__(**{**DETAIL_SETTINGS.__dict__, "bank_size": 4, "image_size": 160, "relief_size": 128})


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = DetailSet(tmp_path_factory.mktemp("detail"), 6, 3, 40, SMALL)
    made.claim()
    for index in made.missing():
        made.make(index)
    assert not made.missing()
    return made.folder


def config(shards: Path, out: Path, **changes: Any) -> Config:
    base = {
        "model": {"name": "detail", "width": 0.125, "image_size": 32, "map_size": 32},
        "data": {"records": str(shards), "batch": 2, "steps_per_epoch": 2, "validation_size": 3},
        "optim": {"epochs": 2, "learning_rate": 1e-3},
        "run": {"out": str(out), "tensorboard": True, "pictures": 2, "device": "cpu"},
    }
    return override(override(Config(), base), {key.replace("__", "."): value for key, value in changes.items()})


@pytest.fixture(scope="module")
def run(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    quiet = Console(quiet=True)
    assert not detail.train(config(shards, out, optim__epochs=1), console=quiet).step % 2
    assert detail.train(config(shards, out), console=quiet).step == 4  # goes on where the first one ended
    return out


def test_a_run_goes_on_and_leaves_what_runs_leave(run: Path) -> None:
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert 2 < float(rows[0]["val_slope_deg"]) < 40
    assert (run / "best.weights.h5").is_file() and written_by_us(run / "pictures.png")


def test_lines_are_learnt_over_a_network_that_stays(shards: Path, run: Path, tmp_path: Path) -> None:
    sizes = {"model__image_size": 64, "model__map_size": 64, "model__lines": True, "detail__lines": 1.0}
    still = {"optim__frozen": ["down", "level", "up", "albedo", "displacement"], "optim__epochs": 1}
    lined = config(shards, tmp_path / "lined", run__init=str(run), **sizes, **still)
    detail.train(lined, console=Console(quiet=True))
    before, after = models.build(without_lines(lined.model)), models.build(lined.model)
    presets.load_weights(before, run / "best.weights.h5")
    presets.load_weights(after, tmp_path / "lined" / "best.weights.h5")
    for layer in before.layers:
        for old, new in zip(layer.get_weights(), after.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(old, new, err_msg=layer.name)
    assert np.abs(after.get_layer("lines_out").get_weights()[0]).max() > 0
    export.main([str(tmp_path / "lined"), "--preset", str(tmp_path / "preset")])
    assert Detailer(tmp_path / "preset").size == 64


def test_lines_are_followed_by_what_has_them() -> None:
    shown = next(iter(people(DetailMaker("rnet_points", SMALL), 1)))
    truth, rng = shown.true.seen_by(shown.base), np.random.default_rng(0)
    noise = rng.normal(0, 0.1, truth.displacement.shape).astype(np.float32)

    def followed(displacement: np.ndarray) -> float:
        detail = Detail(np.asarray(displacement, np.float32), np.zeros_like(truth.albedo), "test")
        return lines_followed(shown, displaced(shown, detail), truth)

    assert followed(truth.displacement) > 0.99 and followed(0.3 * truth.displacement) > 0.8
    assert abs(followed(noise)) < 0.1 and followed(0 * noise) == 0
    swelling = 5 * np.exp(-((np.mgrid[:256, :256] - 128) ** 2).sum(0) / 2 / 40.0**2)
    assert abs(followed(swelling)) < 0.3, "a swelling is no line"


def test_batches_are_mirrored_whole_and_the_same_again(shards: Path, run: Path) -> None:
    first, again = (next(make_batches(config(shards, run))[0]) for _ in range(2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    plain, flipped = ({**first, "mirrored": np.full(2, value)} for value in (False, True))
    (inputs, truth), (turned, turned_truth) = (map(np.asarray, detail.finished(each)) for each in (plain, flipped))
    assert np.allclose(turned_truth, truth[:, :, ::-1])
    assert np.allclose(turned[..., 9], -inputs[:, :, ::-1, 9])  # a slope along u is the other way in the mirror
    assert np.allclose(turned[..., [0, 8, 10, 11]], inputs[:, :, ::-1][..., [0, 8, 10, 11]])


def test_photographs_are_blurred_and_noisy_as_asked(shards: Path, run: Path) -> None:
    plain = {"augment__blur_probability": 0.0, "augment__noise_probability": 0.0}
    changes = ({}, {"augment__blur_probability": 1.0}, {"augment__noise_probability": 1.0})
    sharp, blurred, noisy = (next(make_batches(config(shards, run, **{**plain, **each}))[0]) for each in changes)
    steps = [np.abs(np.diff(np.float32(each["photo"]), axis=2)).mean() for each in (sharp, blurred, noisy)]
    assert steps[1] < 0.95 * steps[0] and steps[2] > 1.02 * steps[0]
    assert all(np.array_equal(sharp[name], blurred[name]) for name in ("displacement", "weight", "lighting"))


def test_a_freckle_is_darker_and_flat(shards: Path, run: Path) -> None:
    plain = next(iter(DetailBatches(config(shards, run, model__image_size=128)).validation()))
    spotted = {name: np.array(levels) for name, levels in plain.items()}
    freckle(spotted, np.random.default_rng(3))
    (inputs, truth), (darker, still) = (map(np.asarray, detail.finished(each)) for each in (plain, spotted))
    change = inputs[..., :3] - darker[..., :3]
    assert change.min() >= 0 and 1e-4 < (change > 0.02).mean() < 0.2
    assert np.array_equal(truth[..., 3:], still[..., 3:]) and np.array_equal(inputs[..., 3:], darker[..., 3:])
    albedo, own = inputs[..., 6:9] + truth[..., :3], inputs[..., 6:9] + still[..., :3]
    lit = (inputs[..., :3].min(-1) > 0.2) & (albedo.min(-1) > 0.2) & (change.max(-1) > 0.02)
    shares = darker[..., :3][lit] / inputs[..., :3][lit], own[lit] / albedo[lit]
    assert np.abs(shares[0] - shares[1]).mean() < 0.02  # the same share of both


def test_a_record_says_what_unrolling_the_photograph_says(shards: Path, run: Path) -> None:
    maker = DetailMaker("rnet_points", SMALL)
    view, _, face = maker.seen(40)
    assert face.decoded is not None
    base = unwrap(view.image, face.vertices, face.decoded)
    stored = next(iter(DetailBatches(config(shards, run)).validation()))
    inputs = np.asarray(detail.finished(stored)[0])[0]
    assert np.abs(inputs - base.inputs(32)).mean() < 0.02
    assert pooled(np.ones((8, 8), np.uint16), 4).shape == (4, 4)


def test_shading_alone_tells_dents_from_freckles() -> None:
    rng = np.random.default_rng(0)
    bump = 2 * np.exp(-(((np.mgrid[0:48, 0:48] - 24) / 5.0) ** 2).sum(0)).astype(np.float32)
    along = [np.diff(bump, axis=1, append=0), np.diff(bump, axis=0, append=0)]
    slopes = [rise * 48 / 256 for rise in along]
    albedo, tilt = np.full((48, 48, 3), 0.5, np.float32), np.broadcast_to(np.float32([0.3, -0.2]), (48, 48, 2))
    lit = albedo * np.float32(0.8)
    photo = albedo * (0.8 + 0.3 * slopes[0] - 0.2 * slopes[1])[..., None]
    shown = np.concatenate([photo, lit, albedo, tilt, np.ones((48, 48, 1))], axis=-1)[None].astype(np.float32)
    said = {"flat": np.zeros((48, 48)), "true": bump, "wrong": -bump}
    maps = {name: np.dstack([np.zeros((48, 48, 3)), rise])[None].astype(np.float32) for name, rise in said.items()}
    losses = {name: float(np.asarray(shading(shown, each))[0]) for name, each in maps.items()}
    assert losses["true"] < 1e-6 < losses["flat"] < losses["wrong"]
    spot = (rng.random((48, 48, 1)) < 0.1).astype(np.float32) * -0.2
    spotted = np.array(shown)
    spotted[..., :3] = (lit + 0.8 * spot)[None]
    told = np.concatenate([np.broadcast_to(spot, (48, 48, 3)), np.zeros((48, 48, 1))], axis=-1)[None]
    assert float(np.asarray(shading(spotted, told.astype(np.float32)))[0]) < 1e-6  # the albedo says it all
    assert float(np.asarray(shading(spotted, maps["flat"]))[0]) > 0.01


def test_photographs_are_mixed_in_without_a_truth(shards: Path, run: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "in" / "her.png", data.astronaut())
    write_image(tmp_path / "in" / "grey.png", np.full((128, 128, 3), 128, np.uint8))
    out = str(tmp_path / "photographs")
    assert synthesize.main(["--detail", "--photographs", str(tmp_path / "in"), "--out", out, "--workers", "0"]) == 1
    made = config(shards, tmp_path / "run", detail__photographs=out, detail__shading=1.0, run__init=str(run))
    batch = next(make_batches(made)[0])
    truth = np.asarray(detail.finished(batch)[1])
    assert truth[0, ..., 4].max() > 0.9 and truth[1, ..., 4].max() == 0
    assert detail.train(made, console=Console(quiet=True)).step == 4
    with pytest.raises(UserError, match=r"detail\.shading"):
        make_batches(override(made, {"detail.shading": 0.0}))


def test_other_shards_are_refused(tmp_path: Path, shards: Path) -> None:
    with pytest.raises(UserError, match="synthesize --detail"):
        DetailBatches(override(config(shards, tmp_path), {"data.records": ""}))


def test_a_preset_of_it_adds_detail_to_a_face_and_its_files(run: Path, tmp_path: Path) -> None:
    assert export.main([str(run), "--preset", str(tmp_path / "own")]) == 0
    maker = DetailMaker("rnet_points", SMALL)
    _, _, face = maker.seen(41)
    detailed = Detailer(tmp_path / "own")(face)
    assert detailed.detail is not None and detailed.detail.displacement.shape == (256, 256)
    written = {path.name for path in detailed.save(tmp_path, "x")}
    assert {"x_normal.png", "x_albedo.png", "x_displacement.png", "x_displacement.npy", "x.glb"} <= written
    glb = (tmp_path / "x.glb").read_bytes()
    assert b"normalTexture" in glb and b"TANGENT" in glb and "norm x_normal.png" in (tmp_path / "x.mtl").read_text()
    assert all(written_by_us(tmp_path / name) for name in written)
    millimetres = np.load(tmp_path / "x_displacement.npy", allow_pickle=False)
    assert millimetres.shape == (1024, 1024) and millimetres.dtype == np.float32
    with pytest.raises(UserError, match="`detail_model`"):
        Reconstructor(tmp_path / "own")
    with pytest.raises(UserError, match="not a network of detail"):
        Detailer("rnet_points")
