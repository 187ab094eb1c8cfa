"""Traits: what sex, age and origin say of identity."""

from __future__ import annotations

import numpy as np
import pytest

from tfface.data.synthetic.sample import NARROWER, SyntheticSettings, narrower_jaw, sample_identity, sample_traits
from tfface.data.synthetic.scene import FaceGenerator
from tfface.face.build import population
from tfface.face.open_model import load_open_face
from tfface.face.traits import NAMES, fit_traits, load_traits
from tfface.geometry.align import fit_similarity
from tfface.geometry.icp import NearestOnMesh, move


def _jaw_mm(identity: np.ndarray) -> float:
    """Width between the corners of the jaw."""
    face = load_open_face()
    points = face.face(2).vertices(face.cage(identity, np.zeros(len(face.exp_basis))))[face.landmarks68]
    return float(np.linalg.norm(points[4] - points[12]))


def test_men_have_wider_jaws_than_women_and_women_than_children() -> None:
    traits = load_traits()
    middle = dict(zip(NAMES, traits.mean, strict=True))
    widths = {}
    for name, change in {
        "men": {"male": 0.95, "child": 0.0},
        "women": {"male": 0.05, "child": 0.0},
        "girls": {"male": 0.05, "child": 0.7},
    }.items():
        wanted = np.array(list({**middle, **change}.values()))
        widths[name] = _jaw_mm(traits.identity(wanted, np.zeros(len(traits.left))).astype(np.float32))
    assert widths["men"] > widths["women"] + 2.0 > widths["girls"] + 2.5, widths


def test_everybody_together_is_standard_normal() -> None:
    """The first components, whose traits say most, over as many men as women."""
    drawn = []
    for seed in range(3000):
        rng = np.random.default_rng(seed)
        drawn.append(
            sample_identity(rng, sample_traits(rng, seed % 2 == 0, rng.uniform(-40, 60), rng.random(), 0), 1.0)
        )
    identities = np.array(drawn)
    assert identities.shape == (3000, load_open_face().num_identity)
    assert np.abs(identities).max() < 3.201
    np.testing.assert_allclose(identities.std(0), 1.0, atol=0.2)
    assert np.abs(identities.mean(0)).max() < 0.6


def test_the_mean_face_has_the_proportions_of_scanned_people() -> None:
    """Points of the scanned mean face, by which it was not built alone, lie on ours."""
    face, (numbers, landmarks, skin) = load_open_face(), population.scanned_points()
    surface = face.mean_face()
    motion = fit_similarity(landmarks, surface[face.landmarks68_2d][numbers], with_scale=False)
    places = move(motion, skin)
    off_mm = np.linalg.norm(NearestOnMesh(surface, face.face(2).triangles)(places)[0] - places, axis=1)
    assert np.median(off_mm) < 1.0


def test_the_fit_finds_what_people_were_made_with() -> None:
    rng = np.random.default_rng(0)
    effect, left = rng.normal(size=(2, 4)), np.tril(rng.normal(size=(4, 4))) + 3 * np.eye(4)
    traits = rng.random((20_000, 2))
    people = (traits - traits.mean(0)) @ effect + rng.normal(size=(20_000, 4)) @ left.T
    found = fit_traits(people, traits)
    np.testing.assert_allclose(found["effect"], effect, atol=0.35)
    np.testing.assert_allclose(found["left"] @ found["left"].T, left @ left.T, rtol=0.1, atol=0.6)


@pytest.mark.parametrize("age, beard", [(0.9, 0.0), (0.1, 0.5)])
def test_neither_the_old_nor_the_bearded_are_children(age: float, beard: float) -> None:
    child = NAMES.index("child")
    assert all(sample_traits(np.random.default_rng(seed), True, 40.0, age, beard)[child] == 0 for seed in range(200))


def test_synthetic_jaws_are_as_narrow_as_the_settings_ask() -> None:
    """The mean lower jaw: narrower by what `NARROWER` says, and nothing else moves."""
    face = load_open_face()
    rows = face.face(2).matrix[face.landmarks68]
    wide = rows @ face.mean
    narrow = rows @ face.cage(narrower_jaw(face), np.zeros(len(face.expression_names)))
    for landmark, share in NARROWER.items():
        width = [shape[16 - landmark, 0] - shape[landmark, 0] for shape in (wide, narrow)]
        assert 1 - width[1] / width[0] == pytest.approx(share, rel=0.2)
    assert np.linalg.norm((narrow - wide)[17:], axis=1).max() < 0.3
    plain, jaws = (FaceGenerator(SyntheticSettings(image_size=32, level=1, bank_size=2, narrow_jaw=x)) for x in (0, 1))
    step = jaws.person(3).identity - plain.person(3).identity
    np.testing.assert_allclose(step, narrower_jaw(face), atol=1e-5)
