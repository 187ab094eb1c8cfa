"""Processor seconds a photograph takes on Ray, against the single process: `python benchmarks/fleet.py PHOTOS`.

`tfface predict` and `tfface predict --ray` do the first `--few` and the first `--many` photographs of a folder. The
difference of what both took, over the photographs that it is of, leaves out what starting takes. Ray's workers are told
apart from the command, which waits for them, and from Ray's own processes (raylet, its servers). Both take processor
time as long as they run, whatever is done: on a core that others share, more than on one of their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import tyro

from tfface.cli import run

MARK = "TFFACE_FLEET_BENCHMARK"
COMMAND, WORKERS, RAYS_OWN = "the command", "workers", "Ray's own processes"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Options:
    """Measure `predict --ray` against `predict`."""

    photos: tyro.conf.Positional[Path]
    """Folder of photographs."""
    few: int = 30
    """So many in a first run."""
    many: int = 90
    """So many in a second one."""
    formats: tuple[str, ...] = ("glb", "json")
    """Which files are written."""


def main(argv: list[str] | None = None) -> int:
    """Prints the table; 0."""
    from tfface.io.image import list_images

    options = tyro.cli(Options, args=argv, prog="python benchmarks/fleet.py")
    photos = list_images(options.photos)
    if len(photos) < options.many:
        raise SystemExit(f"{options.photos} holds {len(photos)} photographs: give --many so many or fewer")
    print(f"{'processor seconds':34s}{f'{options.few} photos':>12s}{f'{options.many} photos':>12s}{'a photo':>10s}")
    each = {}
    for what, more in (("single process", ()), ("Ray", ("--ray",))):
        spent = [_spent(photos[:count], options.formats, more) for count in (options.few, options.many)]
        for part in sorted(spent[1]):
            few, many = (one.get(part, 0.0) for one in spent)
            each[what, part] = (many - few) / (options.many - options.few)
            print(f"{f'{what}, {part}':34s}{few:12.1f}{many:12.1f}{each[what, part]:10.3f}", flush=True)
    share = each["single process", COMMAND] / each["Ray", WORKERS]
    print(f"Ray's workers do {100 * share:.0f} % of the single process' photographs a processor second")
    return 0


def _spent(photos: list[Path], formats: tuple[str, ...], more: tuple[str, ...]) -> dict[str, float]:
    """Processor seconds of a run, by `COMMAND`, `WORKERS` and `RAYS_OWN`."""
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "photos"
        given.mkdir()
        for photo in photos:
            (given / photo.name).write_bytes(photo.read_bytes())
        command = [sys.executable, "-m", "tfface", "predict", str(given), "--out", str(Path(folder) / "out")]
        mark = uuid.uuid4().hex
        running = subprocess.Popen(
            [*command, "--formats", *formats, *more],
            env={**os.environ, MARK: mark},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        seen: dict[int, tuple[str, float]] = {}
        while running.poll() is None:
            seen.update(_processes(f"{MARK}={mark}".encode()))
            time.sleep(0.2)
        if running.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {running.returncode}")
    spent: dict[str, float] = defaultdict(float)
    for kind, seconds in seen.values():
        spent[kind] += seconds
    return spent


def _processes(mark: bytes) -> dict[int, tuple[str, float]]:
    """What each process is that was started with this mark, and its processor seconds so far."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark not in (folder / "environ").read_bytes().split(b"\0"):
                continue
            command = (folder / "cmdline").read_bytes()
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        kind = WORKERS if command.startswith(b"ray::MapWorker") else RAYS_OWN
        kind = COMMAND if b"tfface" in command.split(b"\0") else kind
        found[int(folder.name)] = (kind, (int(fields[11]) + int(fields[12])) / TICKS)
    return found


if __name__ == "__main__":
    raise SystemExit(run(main))
