"""Fuzzes every reader of ours with atheris, guided by coverage: `python tests/faults/fuzz.py --seconds 30`.

Each reader begins from a small good file (`test_readers.WRITERS`), for so many seconds of a core. It may read what
comes or say `UserError`; anything else is a crash, whose input is kept in `--out` and is worth a test. atheris has no
wheel for every Python: `pip install atheris` into an environment of one that it has (3.11), with tfface's packages on
its path.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import atheris
import tyro

COMPILED = ["tfface.geometry.raster", "tfface.data.synthetic.picture.shade", "tfface.io.examples"]
"""Numba's: it cannot compile what is instrumented."""

with atheris.instrument_imports(include=["tfface"], exclude=COMPILED, enable_loader_override=False):
    from tests.faults import test_readers as readers
    from tests.faults.inputs import picture, radiance, write_aflw_item
    from tfface.data.sources import facegen
    from tfface.errors import UserError
    from tfface.face.found import Trust
    from tfface.fleet.listing import listed
    from tfface.io.files import written_by_us
    from tfface.io.image import image_size, read_image
    from tfface.io.panorama import read_panorama
    from tfface.io.reading import read_matlab_numbers
    from tfface.tune.storage import Storage


def _facegen(path: Path) -> Any:
    camera = path.with_name("camera.xml")
    camera.write_text(readers.CAMERA_XML)
    return facegen.read_view(path, camera)


def _listing(path: Path) -> None:
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"path": ["a.png", "b.png"]}), path)


def _trial(path: Path) -> None:
    """The beginning of a sweep's storage, whose `path` is the one file that changes."""
    trial = path.parent / "trials" / "trial_a_00000"
    trial.mkdir(parents=True)
    config = {"optim.learning_rate": 0.1, "sweep": {}}
    (trial / "params.json").write_text(json.dumps(config))
    path.write_text(json.dumps({"epoch": 1, "error": 2.0, "config": config}) + "\n")


def _trials_with(path: Path) -> list[Any]:
    """The bytes as each of the files of a trial."""
    trial, data = path.parent / "trials" / "trial_a_00000", path.read_bytes()
    found = []
    for file in (trial / "result.json", trial / "params.json", trial.parent / "experiment_state-1.json"):
        before = file.read_bytes() if file.exists() else b"{}"
        file.write_bytes(data)
        try:
            found += Storage(str(path.parent)).trials()
        finally:
            file.write_bytes(before)
    return found


READERS: dict[str, tuple[str, Callable[[Path], object], Callable[[Path], Any]]] = {
    **readers.WRITERS,
    "png": ("a.png", lambda path: path.write_bytes(picture("PNG")), read_image),
    "jpeg": ("a.jpg", lambda path: path.write_bytes(picture("JPEG")), read_image),
    "size of a picture": ("a.tif", lambda path: path.write_bytes(picture("TIFF")), image_size),
    "facegen": ("pose.xml", lambda path: path.write_text(readers.POSE_XML.format(0.1)), _facegen),
    "matlab": ("a.mat", lambda path: write_aflw_item(path.parent, path.stem), read_matlab_numbers),
    "panorama": ("a.hdr", lambda path: path.write_bytes(radiance(8, 4, bytes(range(128)))), read_panorama),
    "photographs in parquet": ("a.parquet", _listing, lambda p: listed(p, p.parent / "out", {}, overwrite=True)),
    "trials of a sweep": ("some.json", _trial, _trials_with),
    "trust": ("trust.npz", lambda path: Trust().write(path), Trust.read),
    "mark": ("a.json", lambda path: path.write_text('{"software": "x"}'), written_by_us),
}


@dataclass(frozen=True)
class Options:
    """Fuzz readers."""

    seconds: int = 30
    """Of a core, for each."""
    only: tuple[str, ...] = ()
    out: Path = Path("out/fuzz")
    """Where inputs that crash are kept."""


def main() -> int:
    """Fuzzes; 1 when something crashed."""
    options = tyro.cli(Options, prog="fuzz")
    options.out.mkdir(parents=True, exist_ok=True)
    crashed = 0
    for name in options.only or READERS:
        log = options.out / f"{name.replace(' ', '_')}.log"
        pid = os.fork()
        if pid == 0:
            try:
                _fuzz(name, options, log)
            except BaseException:
                traceback.print_exc()
            os._exit(70)
        _, status, used = os.wait4(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        text = log.read_text(errors="replace")
        tried = re.findall(r"Tried (\d+) inputs", text)
        coverage = re.findall(r"cov: (\d+)", text)
        row = {
            "reader": name,
            "inputs": int(tried[-1]) if tried else 0,
            "coverage": int(coverage[-1]) if coverage else 0,
            "exit_code": code,
        }
        row["core_seconds"] = round(used.ru_utime + used.ru_stime)
        print(json.dumps(row), flush=True)
        crashed += code != 0
    return int(crashed > 0)


def _fuzz(name: str, options: Options, log: Path) -> None:
    """In a child, which ends here: after its seconds of a core, or by libFuzzer when something crashed."""
    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    file, write, read = READERS[name]
    folder, corpus = Path(tempfile.mkdtemp(dir="/dev/shm")), Path(tempfile.mkdtemp(dir="/dev/shm"))
    path = folder / file
    write(path)
    (corpus / "good").write_bytes(path.read_bytes())

    tried = 0

    def once(data: bytes) -> None:
        nonlocal tried
        tried += 1
        path.write_bytes(data)
        try:
            read(path)
        except UserError as error:
            assert "\n" not in str(error), "a sentence is one line"

    limits = ["-timeout=20", "-rss_limit_mb=4096"]
    atheris.Setup(
        [sys.argv[0], *limits, f"-artifact_prefix={options.out / name.replace(' ', '_')}-", str(corpus)], once
    )

    def end(*_: object) -> None:
        print(f"Tried {tried} inputs", flush=True)
        os._exit(0)

    signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, options.seconds)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
