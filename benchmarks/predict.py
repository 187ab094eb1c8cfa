"""From photographs to meshes: how long each part takes, against a pipeline of 3DDFA_V2's form and size.

    python benchmarks/predict.py PHOTOS --threads 1 2 --peer 'python peer.py {photo}'

Every number of threads is measured in processes of its own that may use so many cores. Milliseconds are the median over
photographs; `busy` is the processors' time, which other work on the machine changes less than the clock's.
"""

from __future__ import annotations

import json
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `tfface predict` does; before NumPy is imported

import numpy as np  # noqa: E402
import tyro  # noqa: E402

from tfface.cli import run  # noqa: E402

GROWTH_FACES = (1, 2, 4, 8)
GROWTH_PIXELS = (0.25e6, 1e6, 4e6, 16e6)


@dataclass(frozen=True)
class Options:
    """Measure prediction."""

    photos: tyro.conf.Positional[Path]
    """Folder of photographs with a face each."""
    threads: tuple[int, ...] = (1, 2)
    """Cores that may be used, a column each."""
    limit: int = 20
    """Photographs at most."""
    model: tuple[str, ...] = ("mnv2_points",)
    """Networks."""
    peer: str | None = None
    """A command to run on a photograph, `{photo}` in it stands for the file: its cold start is measured too."""
    out: Path | None = None
    """A file for the numbers as JSON."""
    part: str = ""
    """Measure only this, in this process: network, memory, files, folder, faces or pixels."""


def main(argv: list[str] | None = None) -> int:
    """Prints the table; 0."""
    options = tyro.cli(Options, args=argv, prog="python benchmarks/predict.py")
    if options.part:
        print(json.dumps(PARTS[options.part](options)))
        return 0
    columns = {}
    for threads in options.threads:
        with _cores(threads):
            columns[threads] = _column(options)
    rows = list(dict.fromkeys(row for column in columns.values() for row in column))
    print(f"{'':58s}" + "".join(f"{threads} thread{'s' * (threads > 1)}".rjust(14) for threads in columns))
    for row in rows:
        print(f"{row:58s}" + "".join(f"{column.get(row, float('nan')):14.1f}" for column in columns.values()))
    if options.out is not None:
        options.out.write_text(json.dumps(columns, indent=1) + "\n", encoding="utf-8")
    return 0


@contextmanager
def _cores(count: int) -> Iterator[None]:
    """Processes that are begun inside may use so many cores."""
    before = os.sched_getaffinity(0)
    if len(before) < count:
        raise SystemExit(f"only {len(before)} cores may be used here: leave --threads {count} out")
    os.sched_setaffinity(0, set(sorted(before)[-count:]))
    os.environ["OMP_NUM_THREADS"] = str(count)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _column(options: Options) -> dict[str, float]:
    """Everything with the cores that this process may use now."""
    photo = str(_photos(options)[0])
    rows: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        predict = [sys.executable, "-m", "tfface", "predict", photo, "--out", folder]
        commands = {"--help": [*predict[:4], "--help"], "one photograph, all files": predict}
        commands["one photograph, glb and json"] = [*predict, "--formats", "glb", "json", "--overwrite"]
        if options.peer is not None:
            commands["the peer's command"] = shlex.split(options.peer.replace("{photo}", photo))
        for what, command in commands.items():
            subprocess.run(command, check=True, capture_output=True)  # whatever is cached is cached now
            again = partial(subprocess.run, command, check=True, capture_output=True)
            rows |= {f"cold start, {what}: {name}": value for name, value in _timed(again, 3)}
    for part in PARTS:
        own = [sys.executable, __file__, str(options.photos), "--part", part]
        own += ["--limit", str(options.limit), "--model", *options.model]
        done = subprocess.run(own, check=True, capture_output=True, text=True)
        rows.update(json.loads(done.stdout.splitlines()[-1]))
    return rows


def _timed(work: Callable[[], Any], times: int = 1) -> list[tuple[str, float]]:
    """Median milliseconds by the clock, and busy, of a piece of work in this process or its children."""
    clock, busy = [], []
    for _ in range(times):
        before, start = _busy(), time.perf_counter()
        work()
        clock.append(time.perf_counter() - start)
        busy.append(_busy() - before)
    return [("ms", 1000 * float(np.median(clock))), ("busy ms", 1000 * float(np.median(busy)))]


def _busy() -> float:
    spent = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in spent)


def _each(what: str, work: Callable[[Any], Any], items: list[Any]) -> dict[str, float]:
    """Median over items, after one that does not count."""
    work(items[0])
    found = [_timed(lambda item=item: work(item)) for item in items]
    return {f"{what}: {name}": float(np.median([each[k][1] for each in found])) for k, (name, _) in enumerate(found[0])}


def _network(options: Options) -> dict[str, float]:
    """Networks alone."""
    from peer_pipeline import PeerPipeline

    from tfface.io.onnx_file import available_cores
    from tfface.runtime import find_network

    peer, rows = PeerPipeline(available_cores()), {}
    crop = np.zeros((1, 3, 120, 120), np.float32)
    rows |= _each("network alone, of the peer's form", peer.network, [crop] * 20)
    for name in options.model:
        network = find_network(name)
        serve, size = network.open(), network.card["image_size"]
        crops = np.random.default_rng(0).random((1, size, size, 3), np.float32)
        rows |= _each(f"network alone, {name}, a look", serve, [crops] * 20)
    return rows


def _memory(options: Options) -> dict[str, float]:
    """Photographs to vertices in memory."""
    from peer_pipeline import PeerPipeline

    from tfface.inference import Reconstructor
    from tfface.io.image import read_image
    from tfface.io.onnx_file import available_cores

    photos, peer = _photos(options), PeerPipeline(available_cores())
    rows = _each("photograph to 38,365 vertices, of the peer's form", lambda photo: peer(read_image(photo)), photos)
    for name in options.model:
        for looks in (1, 2):
            reconstruct = Reconstructor(name, recrop=looks - 1)
            what = f"photograph to 53,833 vertices, {name}, {looks} look{'s' * (looks > 1)}"
            rows |= _each(what, lambda photo, of=reconstruct: of(read_image(photo))[0].vertices, photos)
    reconstruct = Reconstructor(options.model[0])
    rows |= _each("of that, finding the face", lambda photo: reconstruct.find(read_image(photo)), photos)
    return rows


def _files(options: Options) -> dict[str, float]:
    """A face's files, when everything is loaded."""
    from tfface.inference import Reconstructor
    from tfface.io.formats import FileOptions
    from tfface.io.image import read_image

    reconstruct = Reconstructor(options.model[0])
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for what, formats in (("all", FileOptions().formats), ("glb and json", ("glb", "json"))):
            faces = [reconstruct(read_image(photo))[0] for photo in _photos(options)[:6]]
            given = FileOptions(formats=formats)
            rows |= _each(f"files of a face, {what}", lambda face, f=given: face.save(folder, "a", files=f), faces)
    return rows


def _folder(options: Options) -> dict[str, float]:
    """A folder's photographs a second, and the most memory."""
    from tfface.predict import main as predict

    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        for photo in _photos(options):
            (photos / photo.name).write_bytes(photo.read_bytes())
        for turn in range(2):
            out = str(Path(folder) / f"out{turn}")
            call = [str(photos), "--out", out, "--formats", "glb", "json", "--model", options.model[0]]
            with open(os.devnull, "w") as nowhere:
                before, sys.stdout, sys.stderr = (sys.stdout, sys.stderr), nowhere, nowhere
                found = dict(_timed(lambda call=call: predict(call)))
                sys.stdout, sys.stderr = before
    rows["a folder, glb and json: photographs a second"] = 1000 * len(_photos(options)) / found["ms"]
    rows["a folder, glb and json: photographs a busy second"] = 1000 * len(_photos(options)) / found["busy ms"]
    rows["most memory, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return rows


def _faces(options: Options) -> dict[str, float]:
    """The same face several times in a picture."""
    from tfface.inference import Reconstructor

    reconstruct, face, rows = Reconstructor(options.model[0]), _portrait(options, 300), {}
    for count in GROWTH_FACES:
        picture = np.tile(face, (1, count, 1))
        rows |= _each(f"faces in a picture, {count}", lambda picture: reconstruct(picture), [picture] * 5)
    return rows


def _pixels(options: Options) -> dict[str, float]:
    """The same picture at several sizes."""
    from tfface.inference import Reconstructor

    reconstruct, rows = Reconstructor(options.model[0]), {}
    for pixels in GROWTH_PIXELS:
        picture = _portrait(options, round(pixels**0.5))
        rows |= _each(f"picture of {pixels / 1e6:g} million pixels", lambda image: reconstruct(image), [picture] * 5)
    return rows


PARTS = {
    "network": _network,
    "memory": _memory,
    "files": _files,
    "folder": _folder,
    "faces": _faces,
    "pixels": _pixels,
}


def _portrait(options: Options, side: int) -> Any:
    import cv2

    from tfface.io.image import read_image

    return cv2.resize(read_image(_photos(options)[0]), (side, side), interpolation=cv2.INTER_CUBIC)


def _photos(options: Options) -> list[Path]:
    from tfface.io.image import list_images

    return list_images(options.photos)[: options.limit]


if __name__ == "__main__":
    raise SystemExit(run(main))
