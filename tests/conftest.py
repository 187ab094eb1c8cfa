"""What every test shares: a quiet TensorFlow, and commands run as people run them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")

REPOSITORY = Path(__file__).resolve().parent.parent

Python = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def python() -> Python:
    """`python("-m", "tfface", "info")` runs that in a process of its own, in the checkout."""

    def call(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=timeout)

    return call
