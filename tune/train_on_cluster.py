"""Train one network on several nodes of a Ray cluster (tfface/tune/cluster.py)."""

from __future__ import annotations

from tfface.cli import run
from tfface.tune.cluster import main

if __name__ == "__main__":
    raise SystemExit(run(main))
