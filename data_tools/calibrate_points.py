"""`python data_tools/calibrate_points.py RUN_OR_PRESET`: how far a network's points may be trusted.

Draws synthetic people, lets the network look at a few pictures of each, and writes what was found to `trust.npz` beside
its weights, from where every export takes it (`tfface.face.found`). Without it, pictures are solved together with
what was found for the first such network. With `--cnet FOLDER` C-Net is trained anew as well, in that run's folder, and
the preset written with it: one command after a network with points was trained anew.
"""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray
from rich.progress import track

from tfface import weights
from tfface.cli import run
from tfface.data.synthetic.people import CALIBRATION_SEED, People
from tfface.data.synthetic.sample import narrower_jaw
from tfface.errors import UserError
from tfface.evaluation.person_sets import look
from tfface.face.found import Found, PointModel, Trust
from tfface.face.open_model import load_open_face
from tfface.face.several import Person, solve_together
from tfface.inference import Reconstructor
from tfface.io.files import TRUST_FILE
from tfface.losses.shared_identity import shape_metric

SIZES = (1, 2, 4)
"""Of the sets from which it is learnt what a found identity means."""
SHOWS_RIDGE, READOUT_RIDGE = (0.3, 1.0), (100.0, 300.0, 1000.0)
Look = tuple[NDArray[np.floating], NDArray[np.floating]]
"""What one picture says of the identity: information and vector (`several.Person`), without the prior."""


@dataclass(frozen=True)
class Options:
    """Calibrate a network's points for several pictures of one person."""

    source: tyro.conf.Positional[str]
    """A run's folder, or a preset's name."""
    people: int = 400
    pictures: int = 4
    """Of each."""
    inflation: tuple[float, ...] = (1.4, 2.0)
    """Candidates; the one that leaves the least error is taken."""
    cnet: Path | None = None
    """Then train C-Net on the preset, in this folder, and write the preset with it."""


def main(argv: list[str] | None = None) -> int:
    """Calibrates as `argv` says; 0."""
    options = tyro.cli(Options, args=argv, prog="calibrate_points")
    source = weights.find(options.source)
    network = Reconstructor(options.source, upright=False)
    if network.points is None:
        raise UserError(f"{source.name} finds no points: choose an R-Net with model.points.")
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
    """The trust that leaves the least error on a quarter of the people, learnt from the others, then from all."""
    plain = replace(points, trust=Trust())
    looks = [[_information(one, plain) for one in each] for each in track(found, description="solving")]
    learnt, metric = np.arange(len(true)) % 4 != 3, shape_metric().astype(np.float64)
    held = np.flatnonzero(~learnt)
    scores: dict[float, tuple[float, float, float]] = {}
    for choice in itertools.product(inflations, SHOWS_RIDGE, READOUT_RIDGE):
        trust = _trust(looks, true, learnt, *choice)
        away = np.array(
            [[trust.meant(solution) - true[person] for solution in _solutions(looks[person], trust)] for person in held]
        )
        errors = np.sqrt(np.einsum("psi,ij,psj->ps", away, metric, away)).mean(axis=0)
        scores[float(errors.mean())] = choice
        print(f"inflation, ridges {choice}: {' '.join(f'{error:.3f}' for error in errors)} mm rms of {SIZES}")
    trust = _trust(looks, true, np.ones(len(true), np.bool_), *scores[min(scores)])
    return replace(trust, strange=_strange(replace(points, trust=trust), found))


def _information(found: Found, plain: PointModel) -> Look:
    person = Person(plain)
    person.add(found)
    return person.information - np.eye(len(person.vector)), person.vector


def _trust(
    looks: list[list[Look]],
    true: NDArray[np.floating],
    learnt: NDArray[np.bool_],
    inflation: float,
    ridge: float,
    least: float,
) -> Trust:
    """What is learnt from some of the people: how identities show, then what a solution means."""
    usual = narrower_jaw(load_open_face())
    chosen = [(each, who) for each, who, counts in zip(looks, true, learnt, strict=True) if counts]
    trust = Trust(inflation=inflation, usual=usual, shows=shown_as(chosen, ridge))
    found = np.array([_solutions(each, trust) for each, _ in chosen]) - usual
    wanted = np.repeat(np.array([who for _, who in chosen])[:, None] - usual, len(SIZES), axis=1)
    size = len(usual)
    return replace(trust, readout=regressed(found.reshape(-1, size), wanted.reshape(-1, size), least))


def _solutions(looks: list[Look], trust: Trust) -> list[NDArray[np.float64]]:
    """The identities that the first of a person's pictures show, `SIZES` of them."""
    assert trust.shows is not None and trust.usual is not None
    scale, results = (Trust().inflation / trust.inflation) ** 2, []
    for size in SIZES:
        information = scale * sum(matrix for matrix, _ in looks[:size])
        vector = scale * sum(vector for _, vector in looks[:size])
        precision = np.eye(len(vector)) + trust.shows @ information @ trust.shows.T
        results.append(np.linalg.solve(precision, trust.usual + trust.shows @ vector))
    return results


def shown_as(people: list[tuple[list[Look], NDArray[np.floating]]], ridge: float) -> NDArray[np.float64]:
    """The matrix `[I,I]` that takes true identities to those that pictures show (`Trust.shows`): where points say
    little, or people are few, it stays near the unit matrix."""
    count = sum(len(looks) for looks, _ in people)
    information = sum(matrix for looks, _ in people for matrix, _ in looks) / count
    seen = sum(np.outer(vector, who) for looks, who in people for _, vector in looks) / count
    spread = sum(len(looks) * np.outer(who, who) for looks, who in people) / count
    unit = np.eye(len(spread))
    off = np.linalg.solve(information + ridge * np.trace(information) / len(unit) * unit, seen - information @ spread)
    return np.asarray(unit + np.linalg.solve(spread + ridge * np.trace(spread) / len(unit) * unit, off.T))


def regressed(found: NDArray[np.floating], true: NDArray[np.floating], ridge: float) -> NDArray[np.float64]:
    """The matrix `[I,I]` that takes found identities `[P,I]` nearest to true ones, and stays near the unit matrix."""
    unit = np.eye(found.shape[1])
    return np.asarray(unit + np.linalg.solve(found.T @ found + ridge * unit, found.T @ (true - found)))


def _strange(points: PointModel, found: list[list[Found]]) -> float:
    """Above the strangeness of one person's two pictures but for one pair in a hundred."""
    pairs = [solve_together(each[:2], points).strangeness[0] for each in track(found, description="pairs")]
    return float(np.quantile(pairs, 0.99))


if __name__ == "__main__":
    sys.exit(run(main))
