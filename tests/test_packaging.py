"""The package as it is installed: metadata, data files, dependencies, scripts."""

from __future__ import annotations

import configparser
import hashlib
import importlib
import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import tfface

SUPPORTED = ["3.10", "3.11", "3.12", "3.13"]


@pytest.fixture(scope="module")
def setup_cfg(repository) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(repository / "setup.cfg")
    return parser


@pytest.fixture(scope="module")
def built(repository, tmp_path_factory) -> Path:
    """The files of a wheel, laid out by setuptools from the checkout."""
    folder = tmp_path_factory.mktemp("built")
    command = "from setuptools import setup; setup()"
    arguments = ["egg_info", "--egg-base", str(folder), "build_py", "--build-lib", str(folder / "lib")]
    script = [sys.executable, "-c", command, "--quiet", *arguments]
    result = subprocess.run(script, cwd=repository, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return folder


def built_metadata(built: Path) -> metadata.PackageMetadata:
    return metadata.PathDistribution(built / "tfface.egg-info").metadata


def test_versions_agree(built, repository):
    assert built_metadata(built)["Version"] == tfface.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", tfface.__version__)
    assert f"\n## {tfface.__version__}" in (repository / "CHANGELOG.md").read_text()
    assert f"\nversion: {tfface.__version__}\n" in (repository / "CITATION.cff").read_text()


def test_metadata_says_what_readers_ask(built):
    found = built_metadata(built)
    assert found["Name"] == "tfface" and found["Author"]
    assert found["License-Expression"] == "MIT" or found["License"] == "MIT"
    classified = {line.rsplit(" ", 1)[-1] for line in found.get_all("Classifier") if "Python :: 3." in line}
    assert classified == set(SUPPORTED)
    assert found["Requires-Python"] in (">=3.10,<3.14", "<3.14,>=3.10")
    assert set(found.get_all("Provides-Extra")) == {
        "app",
        "detect",
        "landmarks",
        "tune",
        "ray",
        "demo",
        "docs",
        "dev",
        "export",
        "tflite",
    }


def test_dead_dependencies_are_never_asked_for(built, repository):
    required = " ".join(built_metadata(built).get_all("Requires-Dist")).lower()
    assert "tensorflow>=2.21" in required
    assert not re.search("tensorflow-graphics|tensorflow-addons|openexr|tf-keras", required)
    assert "tensorflow-graphics==" in (repository / "requirements-no-deps.txt").read_text()


def test_non_commercial_data_is_opt_in(built):
    lines = [line for line in built_metadata(built).get_all("Requires-Dist") if "face_recognition" in line]
    assert len(lines) == 1
    assert 'extra == "landmarks"' in lines[0]


def test_every_data_file_is_built(built, repository):
    source = repository / "tfface"
    kept = [*source.glob("face/assets/*.npz"), *source.glob("face/assets/*.json")]
    kept += [source / "py.typed", *(path for path in source.glob("presets/**/*") if path.is_file())]
    assert kept
    for path in kept:
        copy = built / "lib" / "tfface" / path.relative_to(source)
        assert copy.is_file(), f"{path} is not in package_data of setup.cfg"


def test_every_module_is_built(built, repository):
    modules = {path.relative_to(repository) for path in (repository / "tfface").rglob("*.py")}
    assert {path.relative_to(built / "lib") for path in (built / "lib").rglob("*.py")} == modules


def test_face_model_is_the_one_of_its_card(repository):
    assets = repository / "tfface" / "face" / "assets"
    card = json.loads((assets / "open_face.json").read_text())
    assert hashlib.sha256((assets / "open_face.npz").read_bytes()).hexdigest() == card["sha256"]


def test_console_script_points_at_a_function(setup_cfg):
    name, target = setup_cfg["options.entry_points"]["console_scripts"].strip().split(" = ")
    module, function = target.split(":")
    assert name == "tfface"
    assert callable(getattr(importlib.import_module(module), function))


def test_tensorflow_graphics_needs_no_more_than_is_installed():
    from tensorflow_graphics.geometry import transformation
    from tensorflow_graphics.geometry.representation.mesh import normals
    from tensorflow_graphics.rendering import barycentrics, framebuffer, interpolate

    assert all((transformation, normals, barycentrics, framebuffer, interpolate))
    assert not {"tensorflow_addons", "OpenEXR", "tensorflow_datasets"} & set(sys.modules)


def test_opencv_imports_without_a_screen(python):
    result = python("-c", "import cv2, numpy as np; print(cv2.resize(np.zeros((4, 4, 3), np.uint8), (2, 2)).shape)")
    assert result.stdout == "(2, 2, 3)\n", result.stderr


def test_import_is_light(python):
    script = "import sys, tfface; print(sorted({'numpy', 'tensorflow', 'keras', 'cv2'} & set(sys.modules)))"
    assert python("-c", script).stdout == "[]\n"


@pytest.mark.parametrize(
    "path", [*(f"scripts/{name}.sh" for name in ("setup", "lint", "test", "test_wheel", "demo", "docs")), ".ci/run"]
)
def test_scripts_are_sound_and_stop_at_the_first_error(repository, path):
    assert subprocess.run(["bash", "-n", path], cwd=repository).returncode == 0
    assert os.access(repository / path, os.X_OK)
    assert "set -euo pipefail" in (repository / path).read_text()


def test_setup_refuses_an_unsupported_python_in_the_environment(repository, tmp_path):
    fake = tmp_path / "venv" / "bin"
    fake.mkdir(parents=True)
    for name in ("python", "pip"):
        (fake / name).write_text("#!/bin/sh\nexit 1\n")
        (fake / name).chmod(0o755)
    environment = {**os.environ, "VENV": str(tmp_path / "venv")}
    command = ["bash", "scripts/setup.sh"]
    result = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert "unsupported Python" in result.stderr
    assert not (tmp_path / "venv" / ".tfface-setup").exists()
