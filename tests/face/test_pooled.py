"""Two populations as one basis; traits of half of the people; reading the scanned model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.face.small_cage import small_cage
from tfface.errors import UserError
from tfface.face.build.ict import EYEBALLS, FILE, arkit_names, read_ict, read_licence
from tfface.face.build.pooled import ELSEWHERE, PooledIdentity, pool, vertex_weights, without_rigid
from tfface.face.build.scanned import BLINK_REACH, both_sides_alike, front_of, join_expressions, opposite
from tfface.face.open_model import load_open_face
from tfface.face.traits import fit_shared_traits

HALF = 20


def _people(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 2 * HALF, 3)) * np.linspace(3, 1, count)[:, None, None]


@pytest.fixture(scope="module")
def pooled() -> tuple[PooledIdentity, np.ndarray, np.ndarray, np.ndarray]:
    """All components of 6 and 9, the mirror, and the two bases."""
    mirror = np.r_[np.arange(HALF, 2 * HALF), np.arange(HALF)]
    weights = np.random.default_rng(7).uniform(0.5, 1.5, HALF)
    first, second = _people(0, 6), _people(1, 9)
    return pool(first, second, mirror, np.r_[weights, weights], 30), mirror, first, second


def test_components_are_orthogonal_under_the_weights(pooled: tuple) -> None:
    basis, weights = pooled[0].basis.astype(np.float64), pooled[0].weights
    gram = np.einsum("kci,lci,c->kl", basis, basis, weights)
    size = np.sqrt(np.diag(gram))
    np.testing.assert_allclose(gram / np.outer(size, size), np.eye(len(basis)), atol=1e-5)
    assert (np.diff(size) <= 1e-6).all() and pooled[0].explained[-1] == pytest.approx(1.0)


def test_components_are_symmetric_or_antisymmetric(pooled: tuple) -> None:
    basis, mirror = pooled[0].basis, pooled[1]
    mirrored = basis[:, mirror] * [-1, 1, 1]
    size = np.linalg.norm(basis, axis=(1, 2))
    same, opposed = (np.linalg.norm(mirrored - sign * basis, axis=(1, 2)) / size for sign in (1, -1))
    assert (np.minimum(same, opposed) < 1e-5).all() and (same < 1).any() and (opposed < 1).any()


def test_half_of_the_variance_is_each_populations(pooled: tuple) -> None:
    """A vertex's variance is the mean of both populations', mirrored faces counted too."""
    joined, mirror, first, second = pooled
    of = lambda basis: (basis.astype(np.float64) ** 2).sum((0, 2))  # noqa: E731
    both = (of(first) + of(second)) / 2
    np.testing.assert_allclose(of(joined.basis), (both + both[mirror]) / 2, rtol=1e-5)


def test_coefficients_are_those_that_made_the_shape(pooled: tuple) -> None:
    wanted = np.random.default_rng(3).normal(size=(4, 30))
    found = pooled[0].coefficients(np.tensordot(wanted, pooled[0].basis, axes=1))
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_pooling_is_the_same_each_time_and_signs_are_fixed(pooled: tuple) -> None:
    joined, mirror, first, second = pooled
    again = pool(-first, second[::-1], mirror, joined.weights, 30)
    np.testing.assert_allclose(again.basis, joined.basis, atol=1e-5)
    once_more = pool(first, second, mirror, joined.weights, 30)
    assert once_more.basis.tobytes() == joined.basis.tobytes()


def test_rigid_motion_is_taken_out() -> None:
    rng = np.random.default_rng(0)
    shape, weights = rng.normal(0, 50, (30, 3)) + 700, rng.uniform(0, 1, 30)
    still = without_rigid(rng.normal(size=(1, 30, 3)), shape, weights)
    rigid = np.cross([0.01, -0.02, 0.03], shape) + [1.0, 2.0, 3.0]
    np.testing.assert_allclose(without_rigid(still + rigid, shape, weights), still, atol=1e-9)
    np.testing.assert_allclose(np.einsum("ci,c->i", still[0], weights), 0, atol=1e-9)


def test_vertices_weigh_as_their_area() -> None:
    square = np.array([[0.0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0], [4, 0, 0]])
    faces = np.array([[0, 1, 2, 3], [1, 4, 2, -1]])
    weights = vertex_weights(square, faces, np.array([True, True, True, True, False]))
    assert weights.sum() == pytest.approx(1.0) and weights[2] > weights[3]
    assert weights[4] / weights[0] == pytest.approx(ELSEWHERE * (1 / 3) / (2 / 3))


def test_traits_of_half_of_the_people_leave_everybody_standard_normal() -> None:
    """In one direction the people whose traits are known vary twice as much as all together, as pooling makes it."""
    rng = np.random.default_rng(0)
    traits = rng.random((4000, 2))
    people = rng.normal(0, [0.1, 1.0, 0.8], (4000, 3))
    people[:, 0] += (traits[:, 0] - traits[:, 0].mean()) / traits[:, 0].std() * np.sqrt(2)
    people[:, 1] += (traits[:, 1] - 0.5) * 1.2
    found = {name: array.astype(np.float64) for name, array in fit_shared_traits(people, traits).items()}
    total = found["effect"].T @ np.cov(traits.T) @ found["effect"] + found["left"] @ found["left"].T
    np.testing.assert_allclose(total, np.eye(3), atol=0.01)
    assert found["effect"][0, 0] * traits[:, 0].std() == pytest.approx(1.0, abs=0.02)
    assert found["effect"][1, 1] == pytest.approx(1.2, abs=0.1)


def test_both_sides_of_an_expression_are_alike() -> None:
    assert [opposite(name) for name in ("jawLeft", "mouthSmileRight", "jawOpen")] == [
        "jawRight", "mouthSmileLeft", "jawOpen",
    ]  # fmt: skip
    rng, mirror = np.random.default_rng(0), np.array([1, 0, 2])
    fields = {name: rng.normal(size=(3, 3)) for name in ("jawOpen", "mouthSmileLeft", "mouthSmileRight")}
    alike = both_sides_alike(fields, mirror)
    np.testing.assert_allclose(alike["mouthSmileRight"], alike["mouthSmileLeft"][mirror] * [-1, 1, 1])
    np.testing.assert_allclose(alike["jawOpen"], alike["jawOpen"][mirror] * [-1, 1, 1])


def test_scanned_expressions_take_the_place_of_made_ones_but_for_gaze_and_tongue() -> None:
    cage, rng = small_cage(), np.random.default_rng(0)
    count = cage.weights.shape[0]
    names = ["eyeBlinkLeft", "eyeLookUpLeft", "jawOpen", "tongueOut"]
    made = rng.normal(size=(4, count, 3))
    scanned = {name: rng.normal(size=(count, 3)) for name in names[:3]}
    joined = join_expressions(scanned, names, made, cage)
    np.testing.assert_array_equal(joined[0], scanned["eyeBlinkLeft"] * BLINK_REACH)
    np.testing.assert_array_equal(joined[[2, 3]], [scanned["jawOpen"], made[3]])
    eyes = np.concatenate([cage.eye(0), cage.eye(1)])
    np.testing.assert_array_equal(joined[1, eyes], made[1, eyes])
    skin = np.setdiff1d(np.arange(count), eyes)
    np.testing.assert_array_equal(joined[1, skin], scanned["eyeLookUpLeft"][skin])


def test_the_front_is_symmetric_and_holds_the_features() -> None:
    face = load_open_face()
    front = front_of(face)
    assert (front[face.cage_mirror] == front).all() and 2000 < front.sum() < 3000
    assert front[face.face(2).matrix[face.landmarks68[17:]].indices].all()


def test_names_of_the_scanned_expressions_become_arkits() -> None:
    one = np.ones((2, 3), np.float32)
    named = arkit_names({"browInnerUp_L": one, "browInnerUp_R": 2 * one, "eyeBlink_L": one, "jawOpen": one})
    assert set(named) == {"browInnerUp", "eyeBlinkLeft", "jawOpen"} and (named["browInnerUp"] == 3).all()


def _write(folder: Path, **changes: np.ndarray) -> None:
    count = EYEBALLS[1][1]
    arrays = {
        "neutral_cm": np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32),
        "identity_cm": np.ones((2, count, 3), np.float16),
        "shape_cm": np.ones((2, count, 3), np.float16),
        "shape_names": np.array(["jawOpen", "eyeBlink_L"]),
        "faces": np.array([[0, 1, 2, 3], [1, 2, 3, -1], [20000, 20001, 20002, -1]], np.int32),
        "landmarks68": np.arange(68, dtype=np.int32),
    }
    np.savez(folder / FILE, **{**arrays, **changes})


def test_the_scanned_model_is_read_in_millimetres(tmp_path: Path) -> None:
    _write(tmp_path)
    people = read_ict(tmp_path)
    assert people.modes.shape[0] == 2 and (people.modes == 10).all()
    assert people.triangles.tolist() == [[0, 1, 2], [1, 2, 3], [0, 2, 3]]
    assert set(people.expressions) == {"jawOpen", "eyeBlinkLeft"}


def test_a_wrong_scanned_model_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing.*`ict`"):
        read_ict(tmp_path)
    (tmp_path / FILE).write_bytes(b"nothing")
    with pytest.raises(UserError, match="not ICT-FaceKit's model"):
        read_ict(tmp_path)
    _write(tmp_path, landmarks68=np.arange(5))
    with pytest.raises(UserError, match="landmarks68 has the shape"):
        read_ict(tmp_path)
    _write(tmp_path, identity_cm=np.ones((2, 7, 3), np.float16))
    with pytest.raises(UserError, match="differ in vertices"):
        read_ict(tmp_path)


def test_the_licence_must_go_with_the_data(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="licence, which must go with the model"):
        read_licence(tmp_path)
    (tmp_path / "LICENSE").write_text("MIT License\n\nCopyright (c) 2020 USC Institute for Creative Technologies\n")
    assert "USC" in read_licence(tmp_path)
