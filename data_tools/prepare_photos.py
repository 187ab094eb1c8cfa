"""Photographs to shards for weak supervision: the same as `tfface prepare` (tfface/prepare.py)."""

from __future__ import annotations

from tfface.cli import run
from tfface.prepare import main

if __name__ == "__main__":
    raise SystemExit(run(main))
