"""Find out which hyperparameters work: the same as `tfface sweep` (tfface/sweep.py)."""

from __future__ import annotations

from tfface.cli import run
from tfface.sweep import main

if __name__ == "__main__":
    raise SystemExit(run(main))
