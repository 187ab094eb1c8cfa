"""Kills commands at random moments and looks whether anything is lost: `python -m tests.faults.kills faces --times 50`.

Each scenario is a command that takes seconds. It is run once undisturbed. Then it is begun, killed by SIGKILL, SIGTERM
or SIGINT at a random moment, begun again, and so on; each time it ends, what it made is compared with the undisturbed
run's, and another folder is begun, until there were `--times` kills. After each kill no file that a reader would take
for a whole one may be broken, and no process may be left over.

Starting Python and importing TensorFlow takes longer than the work. So imports are done once, in a process that
begins each command as a child of its own (`fork`); a signal is the same for such a child. `--spawn` starts Python
anew instead, as sweeps always are. Trainings and sweeps train the three layers of `tests/tune/toy`: a network that
takes longer to build than to train is hardly ever killed while it trains.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import tyro

from tests.faults.scenarios import SCENARIOS, SPACE, TOY
from tfface.quiet import quiet_tensorflow

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
TOO_BUSY = "timed out during startup"
"""How Ray says that it could not start within half a minute, three times; the same command is begun again."""
MARK = "TFFACE_KILLS"
"""In the environment of what is started anew, to find what is left of it."""


@dataclass(frozen=True)
class Options:
    """Kill a command again and again."""

    scenarios: tyro.conf.Positional[tuple[str, ...]] = tuple(SCENARIOS)
    """Which of faces, shards, sweep, data, predict."""
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
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` ignores it, and children inherit that
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
        self.too_busy = 0
        self.kills = dict.fromkeys((one.name for one in SIGNALS), 0)
        self.spawns = options.spawn or not self.scenario.imports

    def run(self) -> dict[str, object]:
        """The report: kills by signal, folders finished, faults."""
        self.prepare()
        rounds, begun = 0, time.monotonic()
        whole = self.place / f"{self.name}-whole"
        self.clear(whole)
        seconds = self.until_end(whole)
        if self.faults:  # nothing to compare with
            return {"scenario": self.name, "faults": self.faults}
        truth = self.scenario.made(whole)
        while sum(self.kills.values()) < self.options.times and time.monotonic() - begun < 60 * self.options.minutes:
            folder = self.place / f"{self.name}-{rounds}"
            self.clear(folder)
            self._killed_until_done(folder, seconds)
            if self.scenario.made(folder) != truth:
                self.faults.append(f"{folder} differs from the undisturbed {whole}")
            rounds += 1
            so_far = {"scenario": self.name, "kills": self.kills, "rounds": rounds, "too_busy": self.too_busy}
            so_far |= {"faults": self.faults}
            print(json.dumps(so_far), file=sys.stderr, flush=True)
        return {"scenario": self.name, "kills": self.kills, "rounds": rounds, "seconds": round(seconds, 1)} | {
            "faults": self.faults
        }

    def prepare(self) -> None:
        """Imports what children need, with the toy network in place of the real ones."""
        quiet_tensorflow(ours=True)
        runpy.run_path(str(TOY / "sitecustomize.py"))
        for module in () if self.spawns else self.scenario.imports:
            importlib.import_module(module)

    def _killed_until_done(self, folder: Path, seconds: float) -> None:
        """Begins and kills; what is killed sooner than it can do anything still comes to its end by and by."""
        reached = 0.0
        for attempt in range(1000):
            patience = self.rng.uniform(0, seconds * (0.9 + attempt / 20))
            child = self.begin(folder)
            if self.wait(child, patience) is not None:
                if child.code and TOO_BUSY in self._log():
                    self.too_busy += 1
                    continue
                self._check_end(child, folder)
                return
            kind = self.rng.choice(SIGNALS)
            os.kill(child.pid, kind)
            self.kills[kind.name] += 1
            if self.wait(child, 60.0) is None:
                self.faults.append(f"{folder}: still there a minute after {kind.name}")
                os.killpg(child.pid, signal.SIGKILL)
            self._no_one_left(child, kind)
            self.faults += [f"{folder} after {kind.name}: {what}" for what in self.scenario.broken(folder)]
            before, reached = reached, self.scenario.reached(folder)
            if reached < before:
                self.faults.append(f"{folder} had come to {before:g}, and after {kind.name} to {reached:g}")

    def until_end(self, folder: Path) -> float:
        start, child = time.monotonic(), self.begin(folder)
        self.wait(child, 1e6)
        self._check_end(child, folder)
        return time.monotonic() - start

    def _check_end(self, child: _Child, folder: Path) -> None:
        if child.code:
            self.faults.append(f"{folder}: exit code {child.code}: {self._log()[-400:]}")

    def _log(self) -> str:
        return (self.place / f"{self.name}.log").read_text(errors="replace")

    def _no_one_left(self, child: _Child, kind: signal.Signals) -> None:
        end = time.monotonic() + 100.0  # Ray's agents see that they are alone after a minute
        while time.monotonic() < end:
            if not (_marked(str(self.place / self.name)) if self.spawns else _group_lives(child.pid)):
                return
            time.sleep(0.1)
        left = _marked(str(self.place / self.name)) if self.spawns else [child.pid]
        self.faults.append(f"processes of {self.name} are left 100 s after {kind.name}: {list(map(_words, left))}")
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if _group_lives(child.pid):
            os.killpg(child.pid, signal.SIGKILL)

    def wait(self, child: _Child, seconds: float) -> int | None:
        end = time.monotonic() + seconds
        while child.code is None and time.monotonic() < end:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                child.code = os.waitstatus_to_exitcode(status)
            else:
                time.sleep(0.01)
        return child.code

    def begin(self, folder: Path) -> _Child:
        again = self.scenario.again if (folder / "sweep.yaml").is_file() else ""
        words = (again or self.scenario.arguments).split()
        argv = [word.replace("OUT", str(folder)).replace("PLACE", str(self.place)) for word in words]
        if self.spawns:
            command = [sys.executable, "-m", f"tfface.{self.scenario.command}", *argv]
            places = os.pathsep.join([str(TOY), os.environ.get("PYTHONPATH", "")])
            environment = {**os.environ, "PYTHONPATH": places, MARK: str(self.place / self.name)}
            with (self.place / f"{self.name}.log").open("wb") as log:
                started = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=environment)
            return _Child(started.pid)
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

    def clear(self, folder: Path) -> None:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
        shards, photos = self.place / "shards", self.place / "photos"
        if "PLACE/shards" in self.scenario.arguments and not shards.is_dir():
            from tfface.synthesize import main as synthesize

            synthesize(
                f"--out {shards} --pairs 24 --pairs-per-shard 8 --workers 1 --textures 8 --image-size 64".split()
            )
        if "PLACE/space.yaml" in self.scenario.arguments:
            (self.place / "space.yaml").write_text(SPACE)
        if "PLACE/photos" in self.scenario.arguments and not photos.is_dir():
            from tfface.data.synthetic.people import People
            from tfface.io.image import write_image

            for number, seen in enumerate(People(occasions=4).photographs(0)[1]):
                write_image(photos / f"{number}.png", seen.image)


def _group_lives(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _marked(mark: str) -> list[int]:
    """Processes with this mark in their environment; those that ended and are not waited for yet have none."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARK}={mark}".encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:  # it has just ended
            continue
    return found


def _words(pid: int) -> str:
    """A process's command line; nothing once it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")[:200]
    return ""


@dataclass
class _Child:
    pid: int
    code: int | None = None


if __name__ == "__main__":
    sys.exit(main())
