"""The examples as they stand, on their small defaults."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from tfface.io.mesh import read_mesh

NAMES = (
    "1_photograph_to_glb",
    "2_photographs_of_one_person",
    "3_train_on_synthetic_faces",
    "4_adapt_to_your_photographs",
    "5_your_own_face_model",
    "6_evaluate_against_a_peer",
)


@pytest.fixture
def example(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs an example in a folder of its own; what it wrote."""
    monkeypatch.syspath_prepend(repository / "examples")
    monkeypatch.chdir(tmp_path)

    def call(name: str, *arguments: str) -> Path:
        monkeypatch.setattr(sys, "argv", [name, *arguments, "--out", "out"])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(repository / "examples" / f"{name}.py"), run_name="__main__")
        assert not stop.value.code
        return tmp_path / "out"

    return call


def test_all_are_here_and_short(repository: Path) -> None:
    found = {path.stem: path.read_text() for path in (repository / "examples").glob("[0-9]*.py")}
    assert sorted(found) == sorted(NAMES)
    for name, text in found.items():
        assert len(text.splitlines()) < 60 and f"python examples/{name}.py" in text.splitlines()[0]


@pytest.mark.slow
def test_a_photograph_becomes_a_glb(example) -> None:
    mesh = read_mesh(example("1_photograph_to_glb") / "portrait_0.glb")
    assert len(mesh.vertices) > 50_000 and mesh.texture is not None


@pytest.mark.slow
def test_photographs_of_one_person_share_their_identity(example) -> None:
    out = example("2_photographs_of_one_person", "--model", "rnet_points")
    people = [
        json.loads(path.read_text())["coefficients"]["identity_sigma"] for path in sorted(out.glob("photo_*.json"))
    ]
    assert len(people) == 3
    np.testing.assert_array_equal(people[0], people[1])


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_a_small_network_is_trained(example) -> None:
    out = example("3_train_on_synthetic_faces")
    assert len((out / "run" / "metrics.csv").read_text().splitlines()) == 3
    assert (out / "portrait.glb").is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_a_network_adapts_to_photographs(example) -> None:
    out = example("4_adapt_to_your_photographs")
    assert "photometric" in (out / "run" / "metrics.csv").read_text() and (out / "photo_00.glb").is_file()


@pytest.mark.slow
def test_a_face_in_another_model(example) -> None:
    out = example("5_your_own_face_model")
    with np.load(out / "portrait.npz") as found:
        assert found["identity"].shape == (4,) and found["expression"].shape == (2,)
    extent = np.ptp(read_mesh(out / "portrait.obj").vertices, axis=0)
    assert 100 < extent[0] < 250  # a face in millimetres


@pytest.mark.slow
def test_a_table_against_another_method(example) -> None:
    results = json.loads((example("6_evaluate_against_a_peer") / "results.json").read_text())
    assert set(results["models"]) == {"mnv2_points", "another_method"}
