"""Identity: random people from MakeHuman's sliders, aligned, and their principal components.

A person is a mixture of MakeHuman's macro targets (sex, age, origin, muscle, weight) plus every local slider at
random. The spreads were tuned against the landmark distances of scanned people (light-stage model ICT-FaceKit: outer
eyes 5.0 mm of standard deviation, face width 7.6, jaw 7.1, nose length 3.1, mouth 3.9); twice as much looks like
caricature.
MakeHuman's own faces are flatter than scanned ones (nose 26 mm in front of the plane of eyes and mouth corners, 37 in
the Basel mean; chin 22 mm behind it), which `MEAN_SHIFT` corrects.

The components are those of the symmetric and the antisymmetric part apart, so a mirrored face has the same
coefficients with the antisymmetric ones negated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfface.face.build.targets import Targets, find_modifiers
from tfface.face.traits import NAMES as TRAITS

EXCLUDED = (
    "head/head-trans",
    "neck/neck-trans",
    "asym/asymm-trunk",
    "neck/measure-neck-height",
    "neck/neck-scale-vert",
    "ears/ear-shape-pointed",
    "ears/ear-shape-triangle",
    "forehead/forehead-nubian",
)
SECTION_SPREAD = {
    "head": 0.18,
    "nose": 0.2,
    "mouth": 0.2,
    "eyes": 0.22,
    "chin": 0.18,
    "cheek": 0.22,
    "forehead": 0.13,
    "eyebrows": 0.2,
    "ears": 0.2,
    "neck": 0.15,
    "asym": 0.08,
}
SLIDER_SPREAD = {
    "nose/nose-trans-in-out": 0.03,
    "mouth/mouth-trans-in-out": 0.03,
    "head/head-back-scale-depth-decr-incr": 0.1,
    "nose/nose-point-down-up": 0.12,
    "head/head-angle-in-out": 0.1,
    "neck/neck-double-decr-incr": 0.1,
    "nose/nose-septumangle-decr-incr": 0.15,
    "chin/chin-height-decr-incr": 0.14,
    "mouth/mouth-trans-backward-forward": 0.1,
    "eyebrows/eyebrows-trans-backward-forward": 0.1,
    "forehead/forehead-scale-vert-decr-incr": 0.08,
}
MEAN_SHIFT = {
    "nose/nose-scale-depth-decr-incr": 0.6,
    "nose/nose-trans-backward-forward": 0.4,
    "nose/nose-volume-decr-incr": 0.3,
    "chin/chin-prominent-decr-incr": 0.6,
    "chin/chin-prognathism-decr-incr": 0.4,
}
HEAD_SHAPES = tuple(
    f"head/head-{shape}"
    for shape in ("diamond", "oval", "rectangular", "round", "square", "triangular", "invertedtriangular")
)
ORIGINS = ("african", "asian", "caucasian")
MM_PER_DM = 100.0


@dataclass(frozen=True)
class IdentityModel:
    """`mean [C,3]` and `basis [K,C,3]` in mm per standard deviation; `aligned [C] bool` are the face's vertices.

    The people that they come from: `coefficients [P,K]` in standard deviations, `traits [P,T]` (`face.traits`).
    """

    mean: NDArray[np.float64]
    basis: NDArray[np.float32]
    explained: NDArray[np.float64]
    aligned: NDArray[np.bool_]
    coefficients: NDArray[np.float64]
    traits: NDArray[np.float64]


class PersonSampler:
    """Random people as coefficients of MakeHuman's targets."""

    def __init__(self, targets: Targets) -> None:
        self.keys = list(targets.local) + [f"macro/{name}" for name in targets.macro]
        self.index = {key: i for i, key in enumerate(self.keys)}
        self.modifiers = find_modifiers(list(targets.local))
        self.sliders = sorted({slider for slider, _ in self.modifiers if not slider.startswith(EXCLUDED)})
        self.displacements = np.stack([*targets.local.values(), *targets.macro.values()])

    def sample(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], dict[str, float]]:
        """One person: coefficients `[len(keys)]`, and traits."""
        coefficients = np.zeros(len(self.keys), np.float32)
        traits = self._macro(coefficients, rng)
        for slider in self.sliders:
            if slider in HEAD_SHAPES:
                if rng.random() < 0.3:
                    self._apply(coefficients, slider, "", rng.uniform(0, 0.35))
                continue
            spread = SLIDER_SPREAD.get(slider, SECTION_SPREAD[slider.split("/")[0]])
            amount = rng.normal(MEAN_SHIFT.get(slider, 0.0), spread)
            if (slider, "") in self.modifiers:
                self._apply(coefficients, slider, "", amount)
            else:
                for side in "lr":
                    self._apply(coefficients, slider, side, amount + rng.normal(0, 0.03))
        return coefficients, traits

    def _apply(self, coefficients: NDArray[np.float32], slider: str, side: str, amount: float) -> None:
        amount = float(np.clip(amount, -1, 1))
        target = self.modifiers[slider, side].get("pos" if amount >= 0 else "neg")
        if target is not None:
            coefficients[self.index[target]] += abs(amount)

    def _macro(self, coefficients: NDArray[np.float32], rng: np.random.Generator) -> dict[str, float]:
        male = rng.beta(0.4, 0.4)
        origin = rng.dirichlet([0.4] * 3)
        ages = _ages(rng)
        muscle, weight = np.clip(rng.normal(0.5, 0.2, 2), 0, 1)
        for sex, sex_share in (("male", male), ("female", 1 - male)):
            for age, age_share in ages.items():
                share = sex_share * age_share
                for name, origin_share in zip(ORIGINS, origin, strict=True):
                    coefficients[self.index[f"macro/{name}-{sex}-{age}"]] += share * origin_share
                for muscle_name, muscle_share in _thirds(muscle, "muscle").items():
                    for weight_name, weight_share in _thirds(weight, "weight").items():
                        key = f"macro/universal-{sex}-{age}-{muscle_name}-{weight_name}"
                        coefficients[self.index[key]] += share * muscle_share * weight_share
        return {"male": male, **ages, **dict(zip(ORIGINS, origin, strict=True))}


def _ages(rng: np.random.Generator) -> dict[str, float]:
    """12 % between child and young, 43 % young, 45 % between young and old."""
    draw = rng.random()
    if draw < 0.12:
        young = rng.uniform(0.3, 1)
        return {"child": 1 - young, "young": young}
    if draw < 0.55:
        return {"young": 1.0}
    old = rng.beta(1.1, 1.6)
    return {"young": 1 - old, "old": old}


def _thirds(value: float, name: str) -> dict[str, float]:
    """Shares of the least, average and greatest target of a slider in [0,1]."""
    shares = {
        f"min{name}": max(0.0, 1 - 2 * value),
        f"average{name}": 1 - abs(2 * value - 1),
        f"max{name}": max(0.0, 2 * value - 1),
    }
    return {key: share for key, share in shares.items() if share > 0}


def build_identity(
    base_cage: NDArray[np.float64],
    targets: Targets,
    mirror: NDArray[np.int64],
    num_people: int,
    num_components: int,
) -> IdentityModel:
    """Sample people, align them rigidly (their size stays), and take the principal components.

    Args:
        base_cage: `[C,3]` the cage of the undeformed base mesh, in decimetres.
        targets: what the people are mixed from.
        mirror: `[C]` the mirror vertex of each.
        num_people, num_components: how many.
    """
    people, face, traits = sample_people(base_cage, targets, mirror, num_people, 0)
    mean = people.mean(0, dtype=np.float64)
    mean = (mean + mean[mirror] * [-1, 1, 1]) / 2
    deviations = people - mean.astype(np.float32)
    basis, explained = _principal_components(deviations, mirror, num_components)
    flat = basis.reshape(num_components, -1).astype(np.float64)
    of_people = deviations.reshape(num_people, -1) @ flat.T / np.square(flat).sum(1)
    return IdentityModel(mean, basis, explained, face, of_people, traits)


def sample_people(
    base_cage: NDArray[np.float64], targets: Targets, mirror: NDArray[np.int64], num_people: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float64]]:
    """Random people `[P,C,3]` mm, rigidly aligned by `[C]` vertices of the face, and their traits `[P,T]`."""
    rng = np.random.default_rng(seed)
    sampler = PersonSampler(targets)
    drawn = [sampler.sample(rng) for _ in range(num_people)]
    coefficients = np.stack([each for each, _ in drawn])
    traits = np.array([[each.get(name, 0.0) for name in TRAITS] for _, each in drawn])
    displaced = coefficients @ sampler.displacements.reshape(len(sampler.keys), -1)
    people = (displaced.reshape(num_people, -1, 3) + base_cage.astype(np.float32)) * np.float32(MM_PER_DM)
    face = (base_cage[:, 2] > 0.3) & (base_cage[:, 1] > 6.45)
    return _align_all(people, face, mirror), face, traits


def _align_all(people: NDArray[np.float32], face: NDArray[np.bool_], mirror: NDArray[np.int64]) -> NDArray[np.float32]:
    """Generalised Procrustes alignment without scale, on the face's vertices, to a symmetric mean."""
    reference = people[0]
    for _ in range(3):
        people = _align(people, reference, face)
        reference = people.mean(0)
        reference = (reference + reference[mirror] * np.array([-1, 1, 1], np.float32)) / 2
    return people


def _align(people: NDArray[np.float32], reference: NDArray[np.float32], face: NDArray[np.bool_]) -> NDArray[np.float32]:
    points, target = people[:, face].astype(np.float64), reference[face].astype(np.float64)
    centre, target_centre = points.mean(1, keepdims=True), target.mean(0)
    covariance = np.einsum("nvi,vj->nij", points - centre, target - target_centre)
    left, _, right = np.linalg.svd(covariance)
    left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    rotation = (left @ right).astype(np.float32)
    moved = np.einsum("nvi,nij->nvj", people - centre.astype(np.float32), rotation)
    return moved + target_centre.astype(np.float32)


def _principal_components(
    deviations: NDArray[np.float32], mirror: NDArray[np.int64], count: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """`[count,C,3]` components scaled by their standard deviations, and the share of variance up to each."""
    num_people = len(deviations)
    mirrored = deviations[:, mirror] * np.array([-1, 1, 1], np.float32)
    values, components = [], []
    for part in ((deviations + mirrored) / 2, (deviations - mirrored) / 2):
        flat = part.reshape(num_people, -1)
        gram = (flat @ flat.T).astype(np.float64) / num_people
        eigenvalues, vectors = np.linalg.eigh(gram)
        best = np.argsort(-eigenvalues)[:count]
        values.append(np.maximum(eigenvalues[best], 0))
        components.append((flat.T @ vectors[:, best].astype(np.float32) / np.float32(np.sqrt(num_people))).T)
    all_values = np.concatenate(values)
    all_components: NDArray[np.float32] = np.concatenate(components).astype(np.float32)
    order = np.argsort(-all_values)[:count]
    basis = _fix_signs(all_components[order]).reshape(count, -1, 3)
    total = float((deviations.astype(np.float64) ** 2).sum() / num_people)
    return basis, np.cumsum(all_values[order]) / total


def _fix_signs(components: NDArray[np.float32]) -> NDArray[np.float32]:
    """Eigenvectors have no sign of their own: make each one's largest entry positive, so that builds agree."""
    largest = np.take_along_axis(components, np.abs(components).argmax(1)[:, None], axis=1)
    return components * np.where(largest < 0, -1, 1).astype(np.float32)
