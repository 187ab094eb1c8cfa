"""Make shards of synthetic faces: the same as `tfface synthesize` (tfface/synthesize.py)."""

from __future__ import annotations

from tfface.cli import run
from tfface.synthesize import main

if __name__ == "__main__":
    raise SystemExit(run(main))
