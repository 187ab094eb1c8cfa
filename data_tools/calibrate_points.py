"""`python data_tools/calibrate_points.py RUN_OR_PRESET`: how far a network's points may be trusted.

Draws synthetic people, lets the network look at a few pictures of each, and writes what was found to `trust.npz` beside
its weights, from where every export takes it (`tfface.face.found`). Without it, pictures are solved together with
what was found for the first such network. With `--cnet FOLDER` C-Net is trained anew as well, in that run's folder, and
the preset written with it: one command after a network with points was trained anew.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray
from rich.progress import track

from tfface import weights
from tfface.cli import run
from tfface.data.people import CALIBRATION_SEED, People
from tfface.errors import UserError
from tfface.evaluation.person_sets import Shape, look
from tfface.face.found import Found, PointModel, Trust
from tfface.face.several import solve_together
from tfface.inference import Reconstructor
from tfface.io.files import TRUST_FILE

RIDGE = (3.0, 10.0, 30.0)


@dataclass(frozen=True)
class Options:
    """Calibrate a network's points for several pictures of one person."""

    source: tyro.conf.Positional[str]
    """A run's folder, or a preset's name."""
    people: int = 800
    pictures: int = 4
    """Of each."""
    inflation: tuple[float, ...] = (1.5, 2.0, 3.0)
    """Candidates; the one that leaves the least error is taken."""
    cnet: Path | None = None
    """Then train C-Net on the preset, in this folder, and write the preset with it."""


def main(argv: list[str] | None = None) -> int:
    """Calibrates as `argv` says; 0."""
    options = tyro.cli(Options, args=argv, prog="calibrate_points")
    source = weights.find(options.source)
    network = Reconstructor(source.saved_model(), upright=False)
    if network.points is None:
        raise UserError(f"{source.name} finds no points that its export tells: name an R-Net with model.points.")
    people = People(CALIBRATION_SEED, options.pictures)
    found, true = [], []
    for number in track(range(options.people), description="looking"):
        identity, occasions = people.photographs(number)
        found.append([result.found for result in look(network, occasions) if result.found is not None])
        true.append(identity)
    best = calibrated(network.points, found, np.array(true), options.inflation)
    path = source.file().parent / TRUST_FILE
    best.write(path)
    print(f"wrote {path}")
    if options.cnet is not None:
        from tfface import export, train

        train.main(["--model", "cnet", "--init", options.source, "--out", str(options.cnet)])
        export.main([str(options.cnet), "--preset", options.source])
    return 0


def calibrated(
    points: PointModel, found: list[list[Found]], true: NDArray[np.floating], inflations: tuple[float, ...]
) -> Trust:
    """The trust that leaves the least error on a quarter of the people, its readout then learnt from all."""
    held, shape, scores = np.arange(len(true)) % 4 == 3, Shape(), {}
    for inflation in inflations:
        plain = replace(points, trust=replace(Trust(), inflation=inflation))
        solved = np.array(
            [solve_together(each, plain).found for each in track(found, description=f"inflation {inflation:g}")]
        )
        for ridge in RIDGE:
            readout = regressed(solved[~held], true[~held], ridge)
            meant = solved[held] @ readout
            error = float(np.mean([shape(*pair) for pair in zip(meant, true[held], strict=True)]))
            whole = regressed(solved, true, ridge)
            scores[error] = replace(plain.trust, readout=whole)
            print(f"inflation {inflation:g}, ridge {ridge:g}: {error:.3f} mm")
    best = scores[min(scores)]
    return replace(best, strange=_strange(replace(points, trust=best), found))


def regressed(found: NDArray[np.floating], true: NDArray[np.floating], ridge: float) -> NDArray[np.float64]:
    """The matrix `[I,I]` that takes found identities `[P,I]` nearest to true ones."""
    return np.linalg.solve(found.T @ found + ridge * np.eye(found.shape[1]), found.T @ true)


def _strange(points: PointModel, found: list[list[Found]]) -> float:
    """Above the strangeness of one person's two pictures but for one pair in a hundred."""
    pairs = [solve_together(each[:2], points).strangeness[0] for each in track(found, description="pairs")]
    return float(np.quantile(pairs, 0.99))


if __name__ == "__main__":
    sys.exit(run(main))
