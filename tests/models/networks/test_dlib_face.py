"""The identity network against dlib's own, on real face chips."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.io.dlib_file import read_dlib_network
from tfface.losses.identity import identity_loss
from tfface.models.networks import dlib_face


@pytest.fixture(scope="module")
def network(identity_weights: Path) -> keras.Model:
    return dlib_face.load_identity_network(identity_weights)


@pytest.fixture(scope="module")
def chips() -> NDArray[np.uint8]:
    """NASA's astronaut upright, flipped, turned, dark and on her side: `[5,150,150,3]`."""
    data = pytest.importorskip("skimage.data")
    cv2 = pytest.importorskip("cv2")
    chip = cv2.resize(data.astronaut()[40:220, 130:310], (150, 150), interpolation=cv2.INTER_AREA)
    turn = cv2.getRotationMatrix2D((75.0, 75.0), 20.0, 1.0)
    turned = cv2.warpAffine(chip, turn, (150, 150), borderMode=cv2.BORDER_REPLICATE)
    return np.stack([chip, chip[:, ::-1], turned, chip // 2, np.rot90(chip)])


def test_descriptors_are_dlibs(network: keras.Model, identity_weights: Path, chips: NDArray[np.uint8]) -> None:
    dlib = pytest.importorskip("dlib")
    recognition = dlib.face_recognition_model_v1(str(identity_weights))
    expected = np.array([recognition.compute_face_descriptor(np.ascontiguousarray(chip)) for chip in chips])
    found = np.asarray(network(chips / np.float32(255)))
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert np.linalg.norm(expected[0] - expected[4]) > 0.1  # the chips differ, so the agreement says something


def test_every_element_of_a_batch_is_its_own(network: keras.Model, chips: NDArray[np.uint8]) -> None:
    batch = (chips / 255).astype(np.float32)
    np.testing.assert_allclose(network(batch)[1:2], network(batch[1:2]), atol=1e-5)


def test_the_gradient_of_the_identity_loss_is_the_slope(network: keras.Model, chips: NDArray[np.uint8]) -> None:
    image = tf.constant(chips[:1] / 255, tf.float32)
    landmarks = tf.random.stateless_uniform([1, 68, 2], [1, 2], 30.0, 120.0)
    landmarks = tf.concat([landmarks[..., :1], tf.sort(landmarks[..., 1:], axis=1)], axis=-1)
    start = 0.7 * image + 0.1
    with tf.GradientTape() as tape:
        tape.watch(start)
        value = identity_loss(network, start, image, landmarks, landmarks)
    gradient = tape.gradient(value, start)
    step = 1e-2 * gradient / tf.norm(gradient)
    ahead, behind = (identity_loss(network, start + s * step, image, landmarks, landmarks) for s in (1.0, -1.0))
    np.testing.assert_allclose((ahead - behind) / 2e-2, tf.norm(gradient)[None], rtol=0.05)


def test_its_gradient_survives_onednn(identity_weights: Path) -> None:
    """TensorFlow's oneDNN, which `tfface train` asks for, ended the process where a shortcut was padded by `Pad`."""
    code = (
        "import sys, numpy as np, tensorflow as tf\n"
        "from tfface.models.networks.dlib_face import load_identity_network\n"
        "network = load_identity_network(sys.argv[1])\n"
        "@tf.function\n"
        "def slope(chips): return tf.gradients(network(chips)[:, :5], chips)[0]\n"
        "chips = np.random.default_rng(0).random((2, 150, 150, 3)).astype(np.float32)\n"
        "assert 0 < np.abs(slope(tf.constant(chips))).sum() < np.inf"
    )
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(identity_weights)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]


def test_wrong_files_are_reported(tmp_path: Path, identity_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = tmp_path / "cut.dat"
    cut.write_bytes(identity_weights.read_bytes()[:100_000])
    (tmp_path / "text.dat").write_text("no network")
    for name in ("cut.dat", "text.dat"):
        with pytest.raises(UserError, match="not dlib's face recognition network"):
            read_dlib_network(tmp_path / name)
    with pytest.raises(UserError, match="does not exist"):
        dlib_face.find_identity_weights(tmp_path / "none.dat")
    monkeypatch.setenv("TFFACE_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr(dlib_face, "PACKAGE", "no_such_package")
    with pytest.raises(UserError, match="fetch_identity.py"):
        dlib_face.find_identity_weights()
    monkeypatch.setenv("TFFACE_CACHE", str(identity_weights.parent))
    assert dlib_face.find_identity_weights().samefile(identity_weights)
