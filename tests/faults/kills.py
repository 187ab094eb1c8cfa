"""Kills commands at random moments and looks whether anything is lost: `python tests/faults/kills.py faces --times 50`.

Each scenario is a command that takes seconds. It is run once undisturbed. Then it is begun, killed by SIGKILL, SIGTERM
or SIGINT at a random moment, begun again, and so on; each time it ends, what it made is compared with the undisturbed
run's, and another folder is begun, until there were `--times` kills. After each kill no file that a reader would take
for a whole one may be broken, and no process may be left over.

Starting Python and importing TensorFlow takes longer than the work. So imports are done once, in a process that
begins each command as a child of its own (`fork`); a signal is the same for such a child. `--spawn` starts Python
anew instead.
"""

from __future__ import annotations

import csv
import hashlib
import importlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
NETWORK = "--model mnv2_light --model.width 0.1 --model.image-size 32 --model.map-size 8 --model.features 16"
STEPS = "--data.batch 4 --data.validation-size 4 --data.steps-per-epoch 4 --optim.epochs 4"
QUIET = "--run.tensorboard False --run.pictures 0 --device cpu --run.checkpoint-minutes 0.001"
ALIKE_PX = 1e-4


@dataclass(frozen=True)
class Scenario:
    """A command that is killed.

    Attributes:
        command: `tfface NAME`.
        arguments: what follows; OUT is its folder, PLACE the folder that all scenarios share.
        made: what came out, to be compared.
        broken: files that should be whole and are not.
        imports: what is imported before the command begins.
    """

    command: str
    arguments: str
    made: Callable[[Path], dict[str, object]]
    broken: Callable[[Path], list[str]]
    imports: tuple[str, ...] = ()


def losses(folder: Path) -> dict[str, object]:
    """Of a training: its table without times."""
    with (folder / "metrics.csv").open() as file:
        rows = [
            {k: v for k, v in row.items() if k not in ("minutes", "images_per_second")} for row in csv.DictReader(file)
        ]
    return {"metrics": rows}


def unreadable_run(folder: Path) -> list[str]:
    """Files of a training that cannot be read."""
    bad = []
    for path in [*folder.glob("checkpoint.npz"), *folder.glob("best.weights.h5")]:
        try:
            if path.suffix == ".npz":
                with np.load(path) as arrays:
                    json.loads(str(arrays["state"]))
            else:
                import h5py

                h5py.File(path).close()
        except Exception as error:
            bad.append(f"{path.name}: {error}")
    return bad


def bytes_of(folder: Path) -> dict[str, object]:
    """Of shards: their bytes."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob("*.tfrecord"))}


def unreadable_shards(folder: Path) -> list[str]:
    """Shards that are not whole."""
    from tfface.io.records import damaged_shard

    found = damaged_shard(sorted(folder.glob("*.tfrecord")))
    return [] if found is None else [str(found)]


def results(folder: Path) -> dict[str, object]:
    """Of predictions: the files, and what they say but for times."""
    told: dict[str, object] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.suffix == ".json":
            said = json.loads(path.read_text())
            told[path.name] = {key: value for key, value in said.items() if key != "timings_ms"}
        elif path.name == "report.html":
            told[path.name] = re.sub(r'"ms":[0-9.]+', "", path.read_text())
        else:
            told[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return told


def unreadable_results(folder: Path) -> list[str]:
    """Photographs that count as done and whose files are not all there and readable."""
    from tfface.io.image import read_image
    from tfface.io.mesh import read_mesh

    bad = []
    for path in folder.glob("*.json"):
        for name, read in ((f"{path.stem}.glb", read_mesh), (f"{path.stem}_overlay.png", read_image)):
            try:
                json.loads(path.read_text())
                read(folder / name)
            except Exception as error:
                bad.append(f"{name}: {error}")
    return bad


TRAINING = ("tfface.training.position_map", "tfface.config", "tfface.data.pipeline")
SCENARIOS = {
    "faces": Scenario(
        "train",
        f"{NETWORK} {STEPS} {QUIET} --data.workers 0 --data.textures 8 --out OUT",
        losses,
        unreadable_run,
        TRAINING,
    ),
    "shards": Scenario(
        "train", f"{NETWORK} {STEPS} {QUIET} --data.records PLACE/shards --out OUT", losses, unreadable_run, TRAINING
    ),
    "data": Scenario(
        "synthesize",
        "--out OUT --pairs 12 --pairs-per-shard 3 --workers 1 --textures 8 --image-size 64",
        bytes_of,
        unreadable_shards,
        ("tfface.synthesize", "tfface.data.synthetic.scene", "tfface.data.shards"),
    ),
    "predict": Scenario(
        "predict",
        "PLACE/photos --out OUT --formats glb png json --level 0 --texture-size 256",
        results,
        unreadable_results,
        ("tfface.predict", "tfface.inference", "tfface.stream"),
    ),
}


@dataclass(frozen=True)
class Options:
    """Kill a command again and again."""

    scenarios: tyro.conf.Positional[tuple[str, ...]] = tuple(SCENARIOS)
    """Which of faces, shards, data, predict."""
    times: int = 50
    """Kills of each."""
    place: Path = Path("out/kills")
    """Where everything is made."""
    seed: int = 0
    minutes: float = 60.0
    """Ends after so many of each scenario, with the number of kills that there was time for."""
    spawn: bool = False
    """Start Python anew for each command."""


def main(argv: list[str] | None = None) -> int:
    """Kills; 0 when nothing was lost."""
    options = tyro.cli(Options, args=argv, prog="kills")
    options.place.mkdir(parents=True, exist_ok=True)
    lost = 0
    for name in options.scenarios:
        report = Killer(name, options).run()
        print(json.dumps(report), flush=True)
        lost += len(report["faults"])
    return int(lost > 0)


class Killer:
    """Runs one scenario."""

    def __init__(self, name: str, options: Options) -> None:
        self.name, self.options, self.scenario = name, options, SCENARIOS[name]
        self.rng, self.place = random.Random(f"{options.seed} {name}"), options.place.resolve()
        self.faults: list[str] = []
        self.kills = dict.fromkeys((one.name for one in SIGNALS), 0)

    def run(self) -> dict[str, object]:
        """The report: kills by signal, folders finished, faults."""
        for module in () if self.options.spawn else self.scenario.imports:
            importlib.import_module(module)
        rounds, begun = 0, time.monotonic()
        whole = self.place / f"{self.name}-whole"
        self._clear(whole)
        seconds = self._until_end(whole)
        truth = self.scenario.made(whole)
        while sum(self.kills.values()) < self.options.times and time.monotonic() - begun < 60 * self.options.minutes:
            folder = self.place / f"{self.name}-{rounds}"
            self._clear(folder)
            self._killed_until_done(folder, seconds)
            if self.scenario.made(folder) != truth:
                self.faults.append(f"{folder} differs from the undisturbed {whole}")
            rounds += 1
        return {"scenario": self.name, "kills": self.kills, "rounds": rounds, "seconds": round(seconds, 1)} | {
            "faults": self.faults
        }

    def _killed_until_done(self, folder: Path, seconds: float) -> None:
        """Begins and kills; what is killed sooner than it can do anything still comes to its end by and by."""
        for attempt in range(1000):
            patience = self.rng.uniform(0, seconds * (0.9 + attempt / 20))
            child = self._begin(folder)
            if self._wait(child, patience) is not None:
                self._check_end(child, folder)
                return
            kind = self.rng.choice(SIGNALS)
            os.kill(child.pid, kind)
            self.kills[kind.name] += 1
            if self._wait(child, 60.0) is None:
                self.faults.append(f"{folder}: still there a minute after {kind.name}")
                os.killpg(child.pid, signal.SIGKILL)
            self._no_one_left(child, kind)
            self.faults += [f"{folder} after {kind.name}: {what}" for what in self.scenario.broken(folder)]

    def _until_end(self, folder: Path) -> float:
        start, child = time.monotonic(), self._begin(folder)
        self._wait(child, 1e6)
        self._check_end(child, folder)
        return time.monotonic() - start

    def _check_end(self, child: _Child, folder: Path) -> None:
        if child.code:
            log = (self.place / f"{self.name}.log").read_text(errors="replace")[-400:]
            self.faults.append(f"{folder}: exit code {child.code}: {log}")

    def _no_one_left(self, child: _Child, kind: signal.Signals) -> None:
        for _ in range(100):
            try:
                os.killpg(child.pid, 0)
            except (ProcessLookupError, PermissionError):
                return
            time.sleep(0.1)
        self.faults.append(f"processes of {self.name} are left 10 s after {kind.name}")
        os.killpg(child.pid, signal.SIGKILL)

    def _wait(self, child: _Child, seconds: float) -> int | None:
        end = time.monotonic() + seconds
        while child.code is None and time.monotonic() < end:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                child.code = os.waitstatus_to_exitcode(status)
            else:
                time.sleep(0.01)
        return child.code

    def _begin(self, folder: Path) -> _Child:
        argv = [
            word.replace("OUT", str(folder)).replace("PLACE", str(self.place))
            for word in self.scenario.arguments.split()
        ]
        if self.options.spawn:
            log = (self.place / f"{self.name}.log").open("wb")
            command = [sys.executable, "-m", f"tfface.{self.scenario.command}", *argv]
            return _Child(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True).pid)
        pid = os.fork()
        if pid == 0:
            self._be_the_command(argv)
        return _Child(pid)

    def _be_the_command(self, argv: Sequence[str]) -> None:
        """In the child: the command, and nothing of the parent's after it."""
        os.setsid()
        log = os.open(self.place / f"{self.name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        from tfface.cli import find_command, run

        code = 70
        try:
            sys.argv = [f"tfface {self.scenario.command}", *argv]
            code = run(find_command(self.scenario.command), list(argv))
        finally:
            sys.stdout.flush()
            os._exit(code)

    def _clear(self, folder: Path) -> None:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
        shards, photos = self.place / "shards", self.place / "photos"
        if "PLACE/shards" in self.scenario.arguments and not shards.is_dir():
            from tfface.synthesize import main as synthesize

            synthesize(
                f"--out {shards} --pairs 24 --pairs-per-shard 8 --workers 1 --textures 8 --image-size 64".split()
            )
        if "PLACE/photos" in self.scenario.arguments and not photos.is_dir():
            from tfface.data.people import People
            from tfface.io.image import write_image

            for number, seen in enumerate(People(occasions=4).photographs(0)[1]):
                write_image(photos / f"{number}.png", seen.image)


@dataclass
class _Child:
    pid: int
    code: int | None = None


if __name__ == "__main__":
    sys.exit(main())
