"""Commands of `data_tools/` as modules: a test that calls them so imports TensorFlow once."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def load_tool(repository: Path, name: str) -> ModuleType:
    """The module `data_tools/NAME.py`."""
    spec = importlib.util.spec_from_file_location(name, repository / "data_tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
