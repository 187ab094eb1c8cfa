"""Sets of pictures of one synthetic person: how much of the shape several pictures tell that one does not.

Everybody is seen on `SET_SIZE` occasions (any yaw to 90 degrees, each with another expression, light, hair, accident),
and once by two cameras, from the front (up to 45 degrees) and from the side (0 to 100). The shape is the neutral face
of the identity found, its error the mean distance in mm of the vertices of the face (not ears, scalp and neck) from
their true partners, after the best similarity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.data.synthetic.people import STEP, People, Seen, SyntheticPerson, noise, spoilt
from tfface.data.synthetic.sample import stream
from tfface.face.found import Trust
from tfface.face.open_model import load_open_face
from tfface.face.several import LEAST_WORTH, Together, solve_together
from tfface.geometry.ibug68 import NOSE_TIP
from tfface.inference import Reconstructor
from tfface.metrics.reconstruction import (
    Surface,
    align,
    box_diagonal_length,
    crop_mask,
    distances,
    known_correspondence,
)
from tfface.one_person import weighed
from tfface.result import FaceResult

FloatArray = NDArray[np.floating]
SIZES = (1, 2, 4, 8, 16)
SIDE_BINS_DEG = (0, 15, 30, 45, 60, 75, 90, 100)
MOST_FRONT_DEG = 45.0
NUM_POINTS = 4000
NME = ("usual", "front", "pair")
PAIR = ("front", "pair", "front, as the network says")
PROTOCOL = __doc__


class Shape:
    """The error in mm of identities."""

    def __init__(self) -> None:
        face = load_open_face()
        inner = np.flatnonzero(face.regions)
        chosen = inner[np.linspace(0, len(inner) - 1, NUM_POINTS).astype(int)]
        self._linear = face.linear_at(face.face(2).matrix[chosen])[: 1 + face.num_identity].astype(np.float64)

    def __call__(self, found: FloatArray, true: FloatArray) -> float:
        found_mm, true_mm = (self._linear[0] + np.tensordot(who, self._linear[1:], 1) for who in (found, true))
        return float(known_correspondence(found_mm, true_mm).mean())


def scan_nme(found: FloatArray, true: FloatArray) -> float:
    """The NME in per cent of the neutral face of an identity as `PROTOCOL` has it."""
    predicted, truth = neutral_surface(found), neutral_surface(true)
    points = truth.vertices[crop_mask(truth.vertices, truth.landmarks[NOSE_TIP])]
    moved = predicted.moved(align(predicted, truth, "icp", points))
    return 100 * float(distances(points, moved, "point").mean()) / box_diagonal_length(points)


def neutral_surface(identity: FloatArray) -> Surface:
    """The neutral face of an identity, in millimetres."""
    face = load_open_face()
    mesh = face.face(1)
    vertices = mesh.vertices(face.cage(identity))
    return Surface(vertices, mesh.triangles, vertices[_landmarks()])


@lru_cache(maxsize=1)
def _landmarks() -> NDArray[np.int64]:
    return load_open_face().landmarks(1)


def measure(
    reconstructor: Reconstructor,
    count: int,
    people: People | None = None,
    track: Callable[[Sequence[int]], Iterable[int]] = lambda numbers: numbers,
) -> list[dict[str, Any]]:
    """A row of errors in mm for each of `count` people.

    Args:
        reconstructor: of a network with coefficients.
        people: who.
        track: wraps the people's numbers to show progress.
    """
    people, shape, rows = people or People(), Shape(), []
    before: SyntheticPerson | None = None
    for number in track(range(count)):
        person = people(number)
        other = before or people(count)
        rows.append(_row(reconstructor, person, other, shape, stream(people.seed + STEP * number, "look")))
        before = person
    return rows


def _row(
    network: Reconstructor, person: SyntheticPerson, other: SyntheticPerson, shape: Shape, rng: np.random.Generator
) -> dict[str, Any]:
    true = person.identity

    def error(results: list[FaceResult], same_moment: bool = False) -> float:
        return shape(_together(network, results, same_moment).identity, true)

    sets: dict[str, Any] = {"usual": shape(np.zeros_like(true), true)}
    good, bad = look(network, person.occasions), []
    worse = look(network, [each.with_picture(spoilt(each.image, rng)) for each in person.occasions[1::3]])
    for index, result in enumerate(good):
        bad.append(worse[index // 3] if index % 3 == 1 else result)
    for name, results in (("good", good), ("bad", bad)):
        alone = [shape(_identity(result), true) for result in results]
        means = np.cumsum([_identity(result) for result in results], axis=0) / np.arange(1, len(results) + 1)[:, None]
        for size in (size for size in SIZES if size <= len(results)):
            figures = {"mean": shape(means[size - 1], true), "together": error(results[:size])}
            figures |= _by_confidences(network, results[:size], shape, true)
            figures |= {"one of them": float(np.mean(alone[:size])), "best of them": float(np.min(alone[:size]))}
            sets |= {f"{name} {size} {method}": value for method, value in figures.items()}
    return {**sets, **_pair_row(network, person, other, error, rng, shape), "side_yaw_deg": abs(person.side.yaw_deg)}


def _by_confidences(
    network: Reconstructor, results: list[FaceResult], shape: Shape, true: FloatArray
) -> dict[str, float]:
    """Errors of what C-Net says, and of the mean of what it weighs; nothing of a network without it."""
    points = network.points
    if points is None or points.confidences_of is None:
        return {}
    found = [each.found for each in results if each.found]
    confidences = np.array([each.confidences for each in results], np.float64)
    alike = [replace(each, confidences=np.ones_like(each.confidences)) for each in results]
    return {
        "mean of what C-Net weighs": shape(weighed(alike, points), true),
        "C-Net": shape(weighed(results, points), true),
        "both": shape(solve_together(found, points, confidences=confidences).identity, true),
    }


def _pair_row(
    network: Reconstructor,
    person: SyntheticPerson,
    other: SyntheticPerson,
    error: Callable[..., float],
    rng: np.random.Generator,
    shape: Shape,
) -> dict[str, float]:
    """Front and side, and what a wrong side picture does."""
    wrong = {
        "another person's": other.side,
        "the opposite": _mirrored(person.side),
        "black": person.side.with_picture(np.zeros_like(person.side.image)),
        "noise": person.side.with_picture(noise(person.side.image, rng)),
    }
    front, side, *others = look(network, [person.front, person.side, *wrong.values()])
    figures = {
        "front, as the network says": shape(_identity(front), person.identity),
        "side, as the network says": shape(_identity(side), person.identity),
        "front": error([front]),
        "pair, mean": shape((_identity(front) + _identity(side)) / 2, person.identity),
    }
    for name, result in zip(("", *wrong), (side, *others), strict=True):
        both = _together(network, [front, result], True)
        figures[f"side: {name}"] = shape(both.identity, person.identity)
        figures[f"strangeness: {name}"] = float(both.strangeness.max())
        figures[f"worth: {name}"] = float(both.worth[1] / both.worth[0])
    figures["pair"] = figures.pop("side: ")
    solved = {"front": _together(network, [front], False), "pair": _together(network, [front, side], True)}
    seen = {"usual": np.zeros_like(person.identity), **{name: each.identity for name, each in solved.items()}}
    return figures | {f"nme {name}": scan_nme(identity, person.identity) for name, identity in seen.items()}


def _mirrored(seen: Seen) -> Seen:
    left, top, right, bottom = seen.box
    width = seen.image.shape[1]
    return Seen(
        np.ascontiguousarray(seen.image[:, ::-1]), np.array([width - right, top, width - left, bottom]), -seen.yaw_deg
    )


def look(network: Reconstructor, pictures: Sequence[Seen]) -> list[FaceResult]:
    """What a network says of pictures."""
    return network.faces_in_boxes([each.image for each in pictures], [each.box for each in pictures])


def _together(network: Reconstructor, results: Sequence[FaceResult], same_moment: bool) -> Together:
    assert network.points is not None
    return solve_together([each.found for each in results if each.found], network.points, same_moment)


def _identity(result: FaceResult) -> FloatArray:
    assert result.decoded is not None
    return result.decoded.parts["identity"].astype(np.float64)


def summary(rows: list[dict[str, Any]], trust: Trust) -> dict[str, Any]:
    """Means, standard errors of the means, the pair by yaw of the side, and how often what is wrong is flagged."""
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    spread, yaw = np.sqrt(len(rows)), columns.pop("side_yaw_deg")
    figures = {name: columns.pop(name) for name in list(columns) if name.startswith(("strangeness", "worth"))}
    nme = {name: columns.pop(f"nme {name}") for name in NME}
    table = {name: [float(values.mean()), float(values.std() / spread)] for name, values in columns.items()}
    bins = []
    for low, high in zip(SIDE_BINS_DEG[:-1], SIDE_BINS_DEG[1:], strict=True):
        inside = (yaw >= low) & (yaw < high)
        if inside.any():
            bins.append([low, high, int(inside.sum()), *(float(columns[name][inside].mean()) for name in PAIR)])
    wide = yaw >= MOST_FRONT_DEG
    sides = {name: float(columns[name][wide].mean()) for name in columns if name.startswith(("front", "side", "pair"))}
    people = {name.partition(": ")[2] or "the right one": values for name, values in figures.items()}
    return {
        "people": len(rows),
        "mm": table,
        "side_above_45_mm": sides,
        "by_side_yaw": bins,
        "pair_below_front_percent": _fall(columns["front"], columns["pair"]),
        "nme_percent": {name: np.sort(values).tolist() for name, values in nme.items()},
        "nme_pair_below_front_percent": _fall(nme["front"], nme["pair"]),
        "told_as_two_people": {
            name: float((figures[f"strangeness: {_plain(name)}"] > trust.strange).mean()) for name in people
        },
        "told_as_useless": {name: float((figures[f"worth: {_plain(name)}"] < LEAST_WORTH).mean()) for name in people},
    }


def _fall(before: FloatArray, after: FloatArray) -> list[float]:
    """By how many per cent the mean falls, and the bounds of 95 % of bootstrap samples of people."""
    draws = np.random.default_rng(0).integers(len(before), size=(2000, len(before)))
    falls = 100 * (1 - after[draws].mean(axis=1) / before[draws].mean(axis=1))
    return [100 * float(1 - after.mean() / before.mean()), *map(float, np.quantile(falls, (0.025, 0.975)))]


def _plain(name: str) -> str:
    return "" if name == "the right one" else name
