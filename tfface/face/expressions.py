"""Expressions as people make them: combinations of ARKit's units, never 52 independent numbers.

A face is drawn in layers that people move apart: the mouth (at rest, smiling, speaking, laughing ...), the brows, the
lids, the gaze. Each has a few recipes with their shares; what a smile does to cheeks and lids comes with it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfface.face.open_model import OpenFace

FloatArray = NDArray[np.floating]


class Recipe(NamedTuple):
    """How often people make it, and the range of each unit's weight (names without side)."""

    share: float
    units: dict[str, tuple[float, float]]


MOUTHS = {
    "rest": Recipe(0.17, {"mouthPress": (0.0, 0.15), "mouthShrugLower": (0.0, 0.15), "mouthFrown": (0.0, 0.12)}),
    "parted": Recipe(0.09, {"jawOpen": (0.02, 0.14), "mouthLowerDown": (0.0, 0.15), "mouthUpperUp": (0.0, 0.1)}),
    "smile": Recipe(
        0.14,
        {
            "mouthSmile": (0.25, 0.95),
            "mouthDimple": (0.0, 0.45),
            "mouthPress": (0.0, 0.25),
            "mouthStretch": (0.0, 0.2),
            "mouthClose": (0.0, 0.03),
        },
    ),
    "teeth": Recipe(
        0.19,
        {
            "mouthSmile": (0.55, 1.0),
            "mouthUpperUp": (0.2, 0.7),
            "mouthLowerDown": (0.1, 0.6),
            "mouthDimple": (0.0, 0.4),
            "mouthStretch": (0.0, 0.3),
            "jawOpen": (0.0, 0.14),
        },
    ),
    "laugh": Recipe(
        0.08,
        {
            "mouthSmile": (0.6, 1.0),
            "jawOpen": (0.15, 0.55),
            "mouthUpperUp": (0.2, 0.7),
            "mouthLowerDown": (0.1, 0.5),
            "noseSneer": (0.0, 0.3),
        },
    ),
    "vowel": Recipe(
        0.07,
        {"jawOpen": (0.08, 0.4), "mouthLowerDown": (0.0, 0.5), "mouthStretch": (0.0, 0.4), "mouthUpperUp": (0, 0.3)},
    ),
    "round": Recipe(0.05, {"jawOpen": (0.05, 0.35), "mouthFunnel": (0.2, 0.9), "mouthPucker": (0.0, 0.4)}),
    "consonant": Recipe(
        0.04,
        {
            "jawOpen": (0.0, 0.3),
            "mouthClose": (0.0, 0.3),
            "mouthRollLower": (0.0, 0.6),
            "mouthRollUpper": (0.0, 0.4),
            "mouthPress": (0.0, 0.4),
        },
    ),
    "open": Recipe(0.05, {"jawOpen": (0.4, 1.0), "mouthStretch": (0.0, 0.4), "mouthLowerDown": (0.0, 0.4)}),
    "frown": Recipe(0.035, {"mouthFrown": (0.3, 0.9), "mouthShrugLower": (0.1, 0.7), "jawForward": (0.0, 0.6)}),
    "pressed": Recipe(0.03, {"mouthPress": (0.3, 1.0), "mouthRollLower": (0.0, 0.8), "mouthRollUpper": (0.0, 0.7)}),
    "kiss": Recipe(0.03, {"mouthPucker": (0.4, 1.0), "mouthFunnel": (0.0, 0.3)}),
    "disgust": Recipe(0.02, {"mouthUpperUp": (0.2, 0.8), "noseSneer": (0.3, 1.0), "mouthFrown": (0.0, 0.5)}),
    "tongue": Recipe(0.015, {"tongueOut": (0.4, 1.0), "jawOpen": (0.25, 0.6), "mouthLowerDown": (0.0, 0.3)}),
    "puff": Recipe(0.01, {"cheekPuff": (0.3, 1.0), "mouthPress": (0.0, 0.4), "mouthPucker": (0.0, 0.3)}),
    "aside": Recipe(
        0.02, {"mouthLeft": (0.2, 0.9), "mouthRight": (0.2, 0.9), "jawLeft": (0.0, 0.7), "jawRight": (0.0, 0.7)}
    ),
}
BROWS = {
    "rest": Recipe(0.52, {"browInnerUp": (0.0, 0.12), "browDown": (0.0, 0.4)}),
    "raised": Recipe(0.2, {"browInnerUp": (0.15, 0.9), "browOuterUp": (0.1, 0.9), "eyeWide": (0.0, 0.5)}),
    "knit": Recipe(0.17, {"browDown": (0.2, 0.95), "eyeSquint": (0.0, 0.4)}),
    "worried": Recipe(0.07, {"browInnerUp": (0.3, 0.9), "browDown": (0.0, 0.3)}),
    "doubtful": Recipe(0.04, {"browOuterUp": (0.3, 0.9), "browInnerUp": (0.0, 0.3)}),
}
SMILING = ("smile", "teeth", "laugh")
CHEEKS_OF_A_SMILE = {"cheekSquint": (0.2, 0.8), "eyeSquint": (0.0, 0.35)}
"""Weights that come with a smile of weight 1."""
LIDS = {"shut": 0.16, "wink": 0.06, "half": 0.13, "open": 0.65}
GAZE_DEG = (30.0, 25.0)
"""Turn of an eyeball, across and up or down, at weight 1 of its unit."""
SIDES = ("Left", "Right")


def sample_expression(
    rng: np.random.Generator, names: tuple[str, ...], strength: float, shut: FloatArray
) -> NDArray[np.float32]:
    """ARKit weights `[len(names)]` in [0,1].

    Args:
        names: the model's, in its order.
        strength: factor on all weights; 0 is the neutral face.
        shut: `[2]` blink weights that shut this person's left and right eye (`shutting_weights`).
    """
    mouth, wanted = _drawn(rng, MOUTHS)
    for name, amount in _drawn(rng, BROWS)[1].items():
        wanted[name] = max(wanted.get(name, 0.0), amount)
    if mouth in SMILING:
        for name, (low, high) in CHEEKS_OF_A_SMILE.items():
            wanted[name] = max(wanted.get(name, 0.0), wanted["mouthSmile"] * rng.uniform(low, high))
    for _ in range(rng.integers(0, 3)):  # and something that nobody asked for
        name = without_side(names[rng.integers(len(names))])
        if not name.startswith(("eyeBlink", "eyeLook", "jaw", "tongue", "mouthClose")):
            wanted[name] = max(wanted.get(name, 0.0), rng.beta(1.2, 5.0))
    weights = _on_both_sides(rng, names, wanted)
    _move_gaze(rng, names, weights)
    _move_lids(rng, names, weights, shut)
    _forbid_contradictions(rng, names, weights)
    return np.asarray(np.clip(weights * strength, 0.0, 1.0), np.float32)


def shutting_weights(face: OpenFace, identity: FloatArray) -> NDArray[np.float64]:
    """`[2]` the weights of `eyeBlinkLeft` and `eyeBlinkRight` at which this person's lids meet, at most 1."""
    mean, by_identity, by_blink = _lid_gaps(face)
    return np.asarray(np.clip((mean + identity @ by_identity) / by_blink, 0.5, 1.0))


@lru_cache(maxsize=2)
def _lid_gaps(face: OpenFace) -> tuple[FloatArray, FloatArray, FloatArray]:
    """How far the left and right eye are open in mm `[2]`, more by identity `[K,2]`, and less by a blink `[2]`."""
    upper, lower = face.landmarks68[[43, 44, 37, 38]], face.landmarks68[[47, 46, 41, 40]]
    rows = face.face(2).matrix[upper] - face.face(2).matrix[lower]
    gaps = (rows @ face.mean)[:, 1], np.stack([(rows @ part)[:, 1] for part in face.id_basis])
    blinks = [face.exp_basis[face.expression_names.index(f"eyeBlink{side}")] for side in SIDES]
    mean, by_identity = (gap.reshape(*gap.shape[:-1], 2, 2).mean(-1) for gap in gaps)
    shut = [
        -float((rows @ blink)[part, 1].mean()) for blink, part in zip(blinks, (slice(0, 2), slice(2, 4)), strict=True)
    ]
    return mean, by_identity, np.array(shut)


def gaze_degrees(names: tuple[str, ...], weights: FloatArray) -> tuple[float, float]:
    """How far both eyes look to the person's left and up, on average, in degrees."""
    place = {name: float(weights[index]) for index, name in enumerate(names)}
    left = place["eyeLookOutLeft"] + place["eyeLookInRight"] - place["eyeLookInLeft"] - place["eyeLookOutRight"]
    up = sum(place[f"eyeLookUp{side}"] - place[f"eyeLookDown{side}"] for side in SIDES)
    return GAZE_DEG[0] * left / 2, GAZE_DEG[1] * up / 2


def without_side(name: str) -> str:
    """An ARKit name without Left or Right, but where they say which way and not which half."""
    if name in ("mouthLeft", "mouthRight", "jawLeft", "jawRight"):
        return name
    return name.removesuffix("Left").removesuffix("Right")


def _drawn(rng: np.random.Generator, recipes: dict[str, Recipe]) -> tuple[str, dict[str, float]]:
    shares = np.array([recipe.share for recipe in recipes.values()])
    name = list(recipes)[rng.choice(len(recipes), p=shares / shares.sum())]
    return name, {unit: float(rng.uniform(*limits)) for unit, limits in recipes[name].units.items()}


def _on_both_sides(rng: np.random.Generator, names: tuple[str, ...], wanted: dict[str, float]) -> NDArray[np.float64]:
    """Both sides nearly alike; in one face of eight only one side moves much."""
    lazy = rng.choice(SIDES) if rng.random() < 0.12 else ""
    share = rng.uniform(0.0, 0.6)
    weights = np.zeros(len(names))
    for index, name in enumerate(names):
        amount = wanted.get(without_side(name), 0.0)
        if amount:
            amount *= share if lazy and name.endswith(lazy) and without_side(name) != name else 1.0
            weights[index] = amount * (1 + rng.normal(0.0, 0.08))
    return weights


def _move_gaze(rng: np.random.Generator, names: tuple[str, ...], weights: NDArray[np.float64]) -> None:
    """Both eyes look one way: mostly near the middle, now and then far aside or down."""
    spread = 1.0 if rng.random() < 0.8 else 2.2
    left, up = np.clip(rng.normal(0.0, (8.0, 5.0)) * spread, -26, 26) / GAZE_DEG
    sideways = {"OutLeft": left, "InRight": left, "InLeft": -left, "OutRight": -left}
    amounts = {**sideways, **{f"Up{side}": up for side in SIDES}, **{f"Down{side}": -up for side in SIDES}}
    for ending, amount in amounts.items():
        if f"eyeLook{ending}" in names:
            weights[names.index(f"eyeLook{ending}")] = max(amount, 0.0)


def _move_lids(
    rng: np.random.Generator, names: tuple[str, ...], weights: NDArray[np.float64], shut: FloatArray
) -> None:
    """Eyes shut, one winks, both half shut, or open as far as people's are."""
    kind = rng.choice(list(LIDS), p=list(LIDS.values()))
    # Scanned people were asked to open their eyes wide: in photographs a fifth of that is lid.
    winks, usual = rng.choice(SIDES), rng.beta(2.5, 10.0)
    half = rng.uniform(0.45, 0.85)
    for side, weight in zip(SIDES, shut, strict=True):
        index = names.index(f"eyeBlink{side}")
        if kind == "shut" or (kind == "wink" and side == winks):
            weights[index] = weight * rng.uniform(0.96, 1.1)
        else:
            weights[index] = weight * (half if kind == "half" else usual + rng.normal(0.0, 0.03))
        if kind != "open":
            weights[names.index(f"eyeWide{side}")] = 0.0
    if kind == "shut":  # what lowers the lids as well would draw them over each other
        for ending in ("Down", "Up"):
            for side in SIDES:
                weights[names.index(f"eyeLook{ending}{side}")] = 0.0


def _forbid_contradictions(rng: np.random.Generator, names: tuple[str, ...], weights: NDArray[np.float64]) -> None:
    """Lips close no further than the jaw opens; the mouth and the jaw go to one side, and that the same."""
    place = {name: index for index, name in enumerate(names)}
    other = rng.choice(SIDES)
    for part in ("mouth", "jaw"):
        weights[place[f"{part}{other}"]] = 0.0
    weights[place["mouthClose"]] = min(weights[place["mouthClose"]], max(weights[place["jawOpen"]], 0.0))
