"""Disks that fill while a command writes: `python -m tests.faults.disks shards --shares 0.3 0.9` (root on Linux only).

Each scenario of `scenarios.py` is run once with room enough. Then its folder is a tmpfs with room for a share of what
that run wrote: the command must end with a sentence, with an exit code, and with no file that a reader would take for a
whole one. Then the disk is made larger, and the same command must go on to what the first run made.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from tests.faults import kills

SENTENCES = ("cannot be written", "less than 256 MB left")
RESERVE = {"sweep": 256 * 2**20}
"""What a command wants to be left beside what it writes."""
ENOUGH = "2g"


@dataclass(frozen=True)
class Options:
    """Fill disks."""

    scenarios: tyro.conf.Positional[tuple[str, ...]] = tuple(kills.SCENARIOS)
    """Which of faces, shards, sweep, data, predict."""
    shares: tuple[float, ...] = (0.02, 0.2, 0.4, 0.6, 0.8, 0.95)
    """Room on the disk, as parts of what the command writes."""
    place: Path = Path("out/disks")
    """Where everything is made."""


def main(argv: list[str] | None = None) -> int:
    """Fills; 0 when every command stood it."""
    options = tyro.cli(Options, args=argv, prog="disks")
    options.place.mkdir(parents=True, exist_ok=True)
    faults = 0
    for name in options.scenarios:
        report = _Filler(name, kills.Options(place=options.place)).fill(options.shares)
        print(json.dumps(report), flush=True)
        faults += len(report["faults"])
    return int(faults > 0)


class _Filler(kills.Killer):
    """Runs one scenario on disks of several sizes."""

    def fill(self, shares: tuple[float, ...]) -> dict[str, object]:
        self.prepare()
        arguments = self.scenario.arguments.replace("tensorboard False", "tensorboard True")  # more files to fail at
        self.scenario = replace(self.scenario, arguments=arguments)
        whole = self.place / f"{self.name}-whole"
        self.clear(whole)
        self.until_end(whole)
        truth = self.scenario.made(whole)
        size = sum(-(-path.stat().st_size // 4096) * 4096 for path in whole.rglob("*") if path.is_file())
        for share in shares:
            folder = self.place / f"{self.name}-disk"
            folder.mkdir(exist_ok=True)
            room = int(share * size) + RESERVE.get(self.name, 0)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "tfface-disk", folder], check=True)
            try:
                self._run_full(folder, share)
                subprocess.run(["mount", "-o", f"remount,size={ENOUGH}", folder], check=True)
                self.until_end(folder)
                if self.scenario.made(folder) != truth:
                    self.faults.append(f"{share:.0%}, then room: differs from the undisturbed {whole}")
            finally:
                subprocess.run(["umount", folder], check=True)
        return {
            "scenario": self.name,
            "bytes": size,
            "shares": shares,
            "sentence": self.sentence,
            "faults": self.faults,
        }

    def _run_full(self, folder: Path, share: float) -> None:
        child = self.begin(folder)
        self.wait(child, 1e6)
        log = (self.place / f"{self.name}.log").read_text(errors="replace")
        self.sentence = next((line for line in log.splitlines() if any(word in line for word in SENTENCES)), "")
        if not child.code or child.code < 0 or child.code == 70:
            self.faults.append(f"{share:.0%}: exit code {child.code}: {log[-600:]}")
        if "Traceback" in log or not self.sentence:
            self.faults.append(f"{share:.0%}: no sentence: {log[-1200:]}")
        self.faults += [f"{share:.0%}: {what}" for what in self.scenario.broken(folder)]


if __name__ == "__main__":
    sys.exit(main())
