"""TensorFlow's import says errors only, and ONNX Runtime reports to nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tfface.quiet import is_chatter

IMPORT = """
from importlib.util import find_spec
from tfface.quiet import quiet_tensorflow
quiet_tensorflow()
assert find_spec("tensorflow")  # who asks whether it is there
import tensorflow as tf
print(tf.__version__)
"""


@pytest.mark.parametrize(
    ("line", "drop"),
    [
        ("WARNING: All log messages before absl::InitializeLog() is called are written to STDERR", True),
        ("I0000 00:00:1795809417.965152   14764 port.cc:153] oneDNN custom operations are on.", True),
        ("W0000 00:00:1758131437.322781 3722519 computation_placer.cc:177] computation placer registered.", True),
        ("E0000 00:00:1795808201.094155 10065 cuda_platform.cc:52] failed call to cuInit: UNKNOWN ERROR (303)", True),
        ("E0000 00:00:1795808201.094155 10065 cuda_dnn.cc:52] Loaded runtime CuDNN library: 8.1 is too old", False),
        ("2026-11-27 20:01:49.1: E tensorflow/core/x.cc:1] out of memory", False),
        ("Traceback (most recent call last):", False),
    ],
)
def test_information_and_warnings_are_chatter_and_errors_are_not(line: str, drop: bool) -> None:
    assert is_chatter(line) == drop


@pytest.mark.parametrize("home", ["folder", "file"])
def test_onnx_runtime_writes_nothing_into_the_home_folder_and_says_nothing(home: str, tmp_path: Path) -> None:
    """A file in its place: what cannot be written there is no matter either."""
    place = tmp_path / "home"
    place.mkdir() if home == "folder" else place.touch()
    code = "from tfface.runtime import find_network; find_network('fast').open()"
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(place), "TFFACE_CACHE": str(tmp_path / "cache")}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout + ran.stderr == ""
    assert [path.name for path in tmp_path.rglob("*") if "cache" not in path.parts[-2:]] == ["home"]


@pytest.mark.slow
def test_an_import_says_nothing_and_what_is_written_later_arrives() -> None:
    code = IMPORT + "import os; os.write(2, b'later\\n')"
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stderr == "later\n"
    assert ran.stdout.startswith("2.")


@pytest.mark.slow
@pytest.mark.parametrize("first", ["tensorflow", "keras"])
def test_a_command_is_spared_what_it_does_not_use_and_has_it_when_it_asks(first: str) -> None:
    code = (
        "import gc, sys\nfrom tfface.quiet import SPARED, quiet_tensorflow\nquiet_tensorflow(ours=True)\n"
        f"import {first}\nprint([name for name in SPARED if name in sys.modules], gc.isenabled())\n"
        "import matplotlib.pyplot"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0 and ran.stdout == "[] True\n", ran.stdout + ran.stderr
