"""An exported R-Net through the command: coefficients by name, `.mat`, colours, sets of one person's photographs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import pytest
import scipy.io

from tests.toy_network import disc_photo, save_toy_network
from tfface.cli import run
from tfface.config import Config, ModelConfig, override
from tfface.face.layout import CROP_SIZE
from tfface.face.open_model import load_open_face
from tfface.geometry.align import crop_transform, transform_points
from tfface.inference import Reconstructor
from tfface.io.image import read_image, write_image
from tfface.models.exports.folder import write_export as write_saved_model
from tfface.models.layers import coefficients
from tfface.predict import main

BOX = (40.0, 20.0, 160.0, 140.0)


def small_rnet(config: ModelConfig) -> keras.Model:
    """Heads that say constants, but for identity, which follows the picture's brightness."""
    images = keras.Input((config.image_size, config.image_size, 3), name="images")
    features = keras.layers.GlobalAveragePooling2D()(images)
    layout, rng = coefficients.layout_of(config), np.random.default_rng(2)
    heads = []
    for part, size in layout.sizes(raw=True).items():
        head = keras.layers.Dense(size, kernel_initializer="zeros", name=f"head_{part}")
        heads.append(head(features))
        head.bias.assign(rng.normal(0, 0.15, size))
        if part == "identity":
            head.kernel.assign(rng.normal(0, 1.0, head.kernel.shape))
    raw = keras.layers.Concatenate(name="raw")(heads)
    units = coefficients.PosedMap(config.map_size, config.output, asdict(layout), name="map")(raw)
    return keras.Model(images, units, name=config.name)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    changes = {"image_size": 32, "map_size": 64, "rotation": "columns", "camera": "framed"}
    config = override(Config(), {"model": {"name": "rnet", **changes}}).model
    return write_saved_model(small_rnet(config), config, tmp_path_factory.mktemp("rnet") / "model", {})


def test_a_photograph_and_its_mat(model: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "disc.png", disc_photo(160, 200, (100, 80), 30))
    out, box = tmp_path / "out", [str(side) for side in BOX]
    arguments = [str(tmp_path / "disc.png"), "--model", str(model), "--out", str(out), "--recrop", "0", "--mat"]
    assert main([*arguments, "--box", *box]) == 0
    summary = json.loads((out / "disc.json").read_text())
    assert set(summary["coefficients"]["expression_weights"]) == set(load_open_face().expression_names)
    assert (
        summary["coefficients"]["camera"]["kind"] == "framed" and len(summary["coefficients"]["identity_sigma"]) == 150
    )
    points = np.array(summary["landmarks68_px"])
    np.testing.assert_allclose(summary["landmarks5_px"][2], points[30, :2], atol=1e-3)
    mat = scipy.io.loadmat(out / "disc.mat")
    num_vertices = len(load_open_face().regions)
    assert mat["face_shape"].shape == mat["face_texture"].shape == mat["face_color"].shape == (1, num_vertices, 3)
    assert mat["recon_img"].shape == (CROP_SIZE, CROP_SIZE, 4) and mat["cropped_img"].shape == (CROP_SIZE, CROP_SIZE, 3)
    np.testing.assert_allclose(mat["id"][0], summary["coefficients"]["identity_sigma"], atol=1e-4)
    assert mat["coeff"].shape == (1, 150 + 52 + 40 + 3 + 27 + 4)
    matrix = crop_transform(summary["box_px"], CROP_SIZE, np.radians(summary["crop_roll_deg"]))
    np.testing.assert_allclose(mat["lm_68p"], transform_points(matrix, points[:, :2]), atol=0.01)
    assert mat["lm_5p"].shape == (5, 2) and 0 < mat["face_texture"].max() <= 255
    assert np.ptp(mat["face_shape"][0, :, 1]) == pytest.approx(2.0, abs=0.5)  # decimetres from chin to forehead
    seen = read_image(out / "disc_colours.png")
    assert seen.shape[1] > 3 * seen.shape[0] and seen.std() > 20
    card = json.loads((model / "tfface.json").read_text())
    assert card["coefficients"]["parts"]["identity"] == {"from": 0, "to": 150, "unit": "standard deviations"}


def test_a_set_shares_its_identity(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    astronaut = pytest.importorskip("skimage.data").astronaut()
    pictures = [astronaut, np.asarray(astronaut * 0.5, np.uint8)[:, ::-1]]
    for name, picture in zip(("a", "b", "c"), (*pictures, np.full((64, 64, 3), 128, np.uint8)), strict=True):
        write_image(tmp_path / "set" / f"{name}.png", picture)
    options = ["--model", str(model), "--recrop", "0", "--detector", "dlib", "--out", str(tmp_path / "out")]
    assert main([str(tmp_path / "set"), *options, "--set"]) == 1
    assert "c.png" in capsys.readouterr().err
    together = [json.loads((tmp_path / "out" / f"{name}.json").read_text()) for name in "ab"]
    reconstructor = Reconstructor(model, "dlib", 0)
    each = [reconstructor(picture)[0] for picture in pictures]
    separate = np.array([result.decoded.parts["identity"] for result in each])
    shared = np.array([summary["coefficients"]["identity_sigma"] for summary in together])
    assert np.abs(separate[0] - separate[1]).max() > 0.05
    np.testing.assert_allclose(shared, np.tile(separate.mean(0), (2, 1)), atol=2e-5)
    moved = np.array(together[0]["landmarks68_px"]) - each[0].landmarks68
    assert 0.01 < np.abs(moved[:, :2]).mean() < 10
    only = reconstructor.as_set(each, [0.0, 1.0])
    np.testing.assert_allclose(only[0].decoded.parts["identity"], separate[1], atol=1e-6)
    np.testing.assert_allclose(only[1].landmarks68, each[1].landmarks68, atol=1.5)


def test_front_and_side_share_a_face_and_a_neutral_mesh(model: Path, tmp_path: Path) -> None:
    for name, centre in (("front", (100, 80)), ("side", (90, 70))):
        write_image(tmp_path / f"{name}.png", disc_photo(160, 200, centre, 30))
    box, out = [str(value) for value in BOX], tmp_path / "out"
    photos = [str(tmp_path / "front.png"), str(tmp_path / "side.png")]
    options = ["--model", str(model), "--recrop", "0", "--out", str(out), "--box", *box, "--side-box", *box]
    assert main([*photos, *options]) == 0
    both = [json.loads((out / f"{name}.json").read_text())["coefficients"] for name in ("front", "side")]
    assert both[0]["identity_sigma"] == both[1]["identity_sigma"]
    assert (out / "front_neutral.obj").is_file() and (out / "front_neutral.glb").is_file()
    assert run(main, [*photos, *options, "--refine"]) == 2


def test_what_a_map_network_cannot_do_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy = str(save_toy_network(tmp_path / "toy"))
    photo = tmp_path / "photos" / "disc.png"
    write_image(photo, disc_photo(160, 200, (100, 80), 30))
    box = [str(side) for side in BOX]
    assert run(main, [str(photo), "--model", toy, "--out", str(tmp_path / "o"), "--box", *box, "--mat"]) == 2
    assert "R-Net" in capsys.readouterr().err
    assert run(main, [str(photo), "--model", toy, "--set"]) == 2
    assert "folder" in capsys.readouterr().err
