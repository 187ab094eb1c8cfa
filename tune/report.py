"""Tables and pictures of a sweep: `python tune/report.py DIR` (tfface/tune/report.py)."""

from __future__ import annotations

from tfface.cli import run
from tfface.tune.report import main

if __name__ == "__main__":
    raise SystemExit(run(main))
