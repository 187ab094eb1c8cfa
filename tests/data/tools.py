"""Commands of `data_tools/` as modules: a test that calls them so imports TensorFlow once."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tfface.data.shards.maps import MapRecord, MapView


def plain_record(job: Any) -> MapRecord:
    """In a worker: a grey picture whose map is its job's number everywhere."""
    image, mask = np.full((16, 16, 3), 90, np.uint8), np.full((256, 256), 255, np.uint8)
    return MapRecord(job.key, (MapView(image, np.full((256, 256, 3), float(job.key), np.float32), mask),))


def killed(job: Any) -> MapRecord:
    """In a worker: what happens to it where memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError(job)


def load_tool(repository: Path, name: str) -> ModuleType:
    """The module `data_tools/NAME.py`."""
    spec = importlib.util.spec_from_file_location(name, repository / "data_tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
