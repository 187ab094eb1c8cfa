"""`tiny`: the module of tiny networks and faces beside this file."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.training import tiny as module


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """The module `tiny.py`."""
    return module
