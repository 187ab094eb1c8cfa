"""`import tfface` is enough, and costs nothing until a name is used."""

from __future__ import annotations

import numpy as np
import pytest

import tfface
from tests.fitting.people import landmarks, person, photo_of
from tests.toy_network import disc_photo, save_toy_network

HEAVY = (
    "numpy",
    "scipy",
    "tensorflow",
    "keras",
    "cv2",
    "PIL",
    "yaml",
    "tyro",
    "rich",
    "numba",
    "trimesh",
    "matplotlib",
)


def test_the_import_alone_loads_nothing_else(python) -> None:
    script = f"""
import sys, tfface
ours = sorted(name for name in sys.modules if name.startswith("tfface"))
print(ours, [name for name in {HEAVY} if name in sys.modules])
"""
    assert python("-c", script).stdout == "['tfface', 'tfface.version'] []\n"


def test_every_name_is_there_and_is_what_its_room_has() -> None:
    assert set(tfface.__all__) <= set(dir(tfface))
    for name in tfface.__all__:
        assert getattr(tfface, name) is not None
    from tfface.inference import Reconstructor

    assert tfface.Reconstructor is Reconstructor
    with pytest.raises(AttributeError, match="no attribute 'Reconstructer'"):
        tfface.Reconstructer  # noqa: B018


def test_no_name_hides_a_module(repository) -> None:
    modules = {path.stem for path in (repository / "tfface").iterdir()}
    assert not modules & set(tfface.__all__)


def test_presets_are_listed_and_a_wrong_name_is_reported() -> None:
    assert "mnv2_points" in tfface.list_presets()
    with pytest.raises(tfface.UserError, match="did you mean 'mnv2_points'"):
        tfface.Reconstructor("mnv2_point")


def test_a_folder_is_read_without_any_network_of_ours(python, tmp_path) -> None:
    folder = save_toy_network(tmp_path)
    script = f"""
import sys, tfface
tfface.Reconstructor({str(folder)!r})
print([name for name in ("tfface.models.layers.blocks", "tfface.models.exports.about") if name in sys.modules])
"""
    result = python("-c", script)
    assert result.stdout == "[]\n", result.stderr


def test_a_photograph_becomes_a_result(tmp_path) -> None:
    face = tfface.Reconstructor(save_toy_network(tmp_path))(disc_photo(160, 200, (100, 80), 30), (40, 20, 160, 140))[0]
    assert isinstance(face, tfface.FaceResult)


def test_a_photograph_is_fitted() -> None:
    truth = person(11, -20.0, 0.0, 1)
    face = tfface.fit_photograph(photo_of(truth).image, landmarks(truth), steps=0)
    assert isinstance(face, tfface.FaceResult)
    inner = slice(17, 68)  # jaw points are taken to lie on the outline, these ones lie on the mesh
    assert np.linalg.norm((face.landmarks68[:, :2] - landmarks(truth))[inner], axis=1).mean() < 3
