"""`python -m tfface`: the same as the `tfface` command."""

from __future__ import annotations

from tfface.cli import console

if __name__ == "__main__":
    raise SystemExit(console())
