"""The quick part of `kills.py` and `memory.py`: some kills of data generation and of predicting a folder."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("scenario", ["data", "predict"])
def test_killed_at_random_moments_nothing_is_lost(scenario: str, python: Python, tmp_path: Path) -> None:
    ran = python("-m", "tests.faults.kills", scenario, "--times", "2", "--place", str(tmp_path))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    report = json.loads(ran.stdout.splitlines()[-1])
    assert sum(report["kills"].values()) >= 2 and report["faults"] == []


def test_a_loss_is_noticed(python: Python, tmp_path: Path) -> None:
    """The judge is judged: predictions that differ are told."""
    script = (
        "import sys, random\n"
        "from tests.faults import kills\n"
        "from dataclasses import replace\n"
        "kills.SCENARIOS['data'] = replace(kills.SCENARIOS['data'], made=lambda folder: {'a': random.random()})\n"
        "sys.exit(kills.main(['data', '--times', '1', '--place', sys.argv[1]]))"
    )
    ran = python("-c", script, str(tmp_path))
    assert ran.returncode == 1 and "differs from the undisturbed" in ran.stdout
