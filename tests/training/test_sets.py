"""C-Net: trained on sets of pictures through the shipped R-Net, killed and gone on with, and used."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from tfface import models, train, weights
from tfface.config import ModelConfig
from tfface.data.synthetic.people import People
from tfface.errors import UserError
from tfface.face.several import solve_alone
from tfface.inference import Reconstructor
from tfface.io.image import write_image
from tfface.losses.shared_identity import misfit, shape_error_mm, shape_metric, weighted_mean
from tfface.models.layers import confidences
from tfface.training.checkpoint import read_state

SMALL = [
    "--sets.people",
    "8",
    "--data.validation-size",
    "3",
    "--sets.pictures",
    "3",
    "--data.steps-per-epoch",
    "4",
    "--data.batch",
    "4",
]
LEAST = ["--optim.epochs", "2", "--run.tensorboard", "False", "--device", "cpu"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cnet") / "run"
    assert train.main(["--model", "cnet", "--out", str(folder), *SMALL, *LEAST]) == 0
    return folder


def test_a_run_that_goes_on_equals_one_that_never_stopped(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "features.npz").write_bytes((run / "features.npz").read_bytes())  # pictures are looked at once
    arguments = ["--model", "cnet", "--out", str(folder), *SMALL]
    assert train.main([*arguments, *LEAST, "--run.max-minutes", "1e-6"]) == 0
    state = read_state(folder)
    assert state is not None and state.step < 8 and not state.finished
    assert train.main([*arguments, *LEAST]) == 0
    rows = [(path / "metrics.csv").read_text().splitlines()[1:] for path in (run, folder)]
    losses = [np.array([row.split(",")[:4] for row in table], np.float64) for table in rows]
    assert losses[0].shape == (2, 4)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-6)  # a mean that was stopped is rounded once more
    with pytest.raises(UserError, match="other sets"):
        train.main([*arguments, *LEAST, "--sets.bad", "0.9"])


def test_what_is_kept_is_the_whole_r_net_and_confidences_of_each_coefficient(run: Path) -> None:
    found = weights.find(str(run))
    network, config, card = found.network()
    shipped = weights.find("rnet_points").network()[0]
    assert config.confidences == 16 and card["cnet"]["held_out_rms_mm"] > 0 and "limits" in card
    pictures = np.random.default_rng(0).random((2, config.image_size, config.image_size, 3), np.float32)
    ours, theirs = models.predictor(network, config)(pictures), models.predictor(shipped, _plain(config))(pictures)
    np.testing.assert_allclose(ours["position_map"], theirs["position_map"], atol=1e-3)
    trusted = np.asarray(ours["confidences"])
    assert trusted.shape == (2, 150) and (trusted > 0).all() and np.ptp(trusted, axis=0).max() > 0
    np.testing.assert_array_equal(network.get_layer("stem_conv").get_weights()[0], _stem(shipped))


def _plain(config: ModelConfig) -> ModelConfig:
    return dataclasses.replace(config, confidences=0)


def _stem(network: keras.Model) -> np.ndarray:
    return np.asarray(network.get_layer("stem_conv").get_weights()[0])


def test_photographs_of_people_are_learnt_from_by_their_points(run: Path, tmp_path: Path) -> None:
    people = People(11 << 40, 2)
    for number in range(4):
        for index, seen in enumerate(people.photographs(number)[1]):
            write_image(tmp_path / "photos" / f"person{number}" / f"{index}.png", seen.image)
    options = ["--init", str(run), "--sets.photos", str(tmp_path / "photos"), "--data.shares", "0.5", "0.5", "0"]
    assert train.main(["--model", "cnet", "--out", str(tmp_path / "run"), *options, *SMALL, *LEAST]) == 0
    assert "misfit" in (tmp_path / "run" / "metrics.csv").read_text()


def test_c_net_is_the_mean_by_confidences_and_both_is_together_where_all_are_alike() -> None:
    network = Reconstructor("rnet_points", upright=False)
    assert network.points is not None
    seen = People(12 << 40, 2).photographs(0)[1]
    faces = network.faces_in_boxes([each.image for each in seen], [each.box for each in seen])
    alike, first = np.ones(150, np.float32), np.full(150, 1e6, np.float32)
    told = [dataclasses.replace(face, confidences=alike) for face in faces]
    identity = {way: network.as_set(told, way=way)[0].decoded for way in ("together", "both", "cnet", "mean")}
    parts = {way: face.parts["identity"] for way, face in identity.items() if face is not None}
    np.testing.assert_allclose(parts["both"], parts["together"], atol=1e-5)
    alone = [solve_alone(face.found, network.points) for face in faces if face.found is not None]
    np.testing.assert_allclose(parts["cnet"], np.mean(alone, axis=0), atol=1e-5)
    trusting = [dataclasses.replace(told[0], confidences=first), told[1]]
    sure = network.as_set(trusting, way="cnet")[1].decoded
    assert sure is not None
    np.testing.assert_allclose(sure.parts["identity"], alone[0], atol=1e-4)
    with pytest.raises(UserError, match="cnet"):
        network.as_set([dataclasses.replace(face, confidences=None) for face in faces], way="cnet")


def test_losses_say_millimetres_and_a_minimum_at_what_the_points_say() -> None:
    metric, rng = shape_metric(), np.random.default_rng(0)
    some = np.float32(rng.normal(size=(2, 150)))
    assert 1 < float(np.mean(shape_error_mm(some, 0 * some, metric))) < 6
    np.testing.assert_allclose(np.asarray(shape_error_mm(some, some, metric)), 0.03, atol=0.01)
    spread = np.float32(rng.normal(size=(1, 2, 150, 160)))
    information = spread @ np.swapaxes(spread, 2, 3)
    vector, shown = np.float32(rng.normal(size=(1, 2, 150))), np.ones((1, 2), np.float32)
    best = np.linalg.solve(information.mean(1) + np.eye(150), vector.mean(1)[..., None])[..., 0].astype(np.float32)
    least = float(misfit(best, information, vector, shown, 1.0)[0])
    assert all(float(misfit(best + 0.01 * d, information, vector, shown, 1.0)[0]) > least for d in some)
    mean = weighted_mean(np.stack([some[:1], some[1:]], 1), np.float32([[[3.0] * 150, [1.0] * 150]]), shown)
    np.testing.assert_allclose(np.asarray(mean)[0], (3 * some[0] + some[1]) / 4, atol=1e-5)


def test_c_net_of_a_resnet_sees_shallow_features_too() -> None:
    config = ModelConfig(name="rnet", views=1, image_size=64, map_size=16, output="linear", confidences=4)
    network = models.build(config)
    assert network.get_layer(confidences.FEATURES_LAYER).output.shape[-1] == 256 + 512 + 2048
    assert confidences.head(network)(np.zeros((3, 2816), np.float32)).shape == (3, 150)


def test_c_net_needs_an_r_net_and_is_not_trained_otherwise(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="R-Net"):
        train.main(["--model", "cnet", "--init", "mnv2_points", "--out", str(tmp_path / "a")])
    with pytest.raises(UserError, match="C-Net"):
        train.main(["--model", "rnet", "--model.confidences", "8", "--out", str(tmp_path / "b")])
    with pytest.raises(UserError, match="not a folder"):
        train.main(["--model", "cnet", "--sets.photos", str(tmp_path / "none"), "--out", str(tmp_path / "c")])
