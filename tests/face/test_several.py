"""One person's shape from points of several pictures: exact points give it back, and each error finds its place."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from tfface.errors import UserError
from tfface.face.found import Found, PointModel, Trust
from tfface.face.layout import Layout, camera_of
from tfface.face.open_model import load_albedo_basis, load_open_face
from tfface.face.position_map import PositionMap
from tfface.face.several import Person, expression_weights, raw_expression, solve_together, useful
from tfface.geometry.align import fit_similarity
from tfface.geometry.icp import move

SIZE, COUNT = 32, 90


def point_model(camera: str = "framed", **trust: object) -> PointModel:
    face = load_open_face()
    layout = Layout(face.num_identity, len(face.expression_names), len(load_albedo_basis().basis), 27, "euler", camera)
    topology = PositionMap(face, SIZE)
    texels = np.flatnonzero(topology.regions)[:: np.count_nonzero(topology.regions) // COUNT][:COUNT]
    deviations = [0.5] * face.num_identity + [0.2] * layout.expression + [0.15] * 3 + [0.1] * 3
    facts = {"map_size": SIZE, "looks": 1, "texels": texels.tolist(), "pairs": [[0, 1], [5, 9]]}
    card = {"coefficients": {"layout": asdict(layout)}, "points": {**facts, "unmoved_deviations": deviations}}
    model = PointModel.from_card(card)
    assert model is not None
    return replace(model, trust=Trust(**{"shrinkage": (0.0, 1.0), "inflation": 1.0, **trust}))


def picture(
    model: PointModel, identity: np.ndarray, yaw_deg: float, rng: np.random.Generator, sigma: float = 0.5
) -> Found:
    """What a network finds that errs by sigma pixels in points, whose heads say the usual face and the pose nearly."""
    layout, face = model.layout, load_open_face()
    usual = np.full(layout.expression, 0.05)
    expression = expression_weights(raw_expression(usual) + 0.2 * rng.normal(size=len(usual)))  # as heads err
    angles, numbers = np.array([0.1, np.deg2rad(yaw_deg), 0.05]), 0.02 * rng.normal(size=model.deviations.size - 55)
    shape = model.mean + face.centre
    shape = shape + np.tensordot(np.concatenate([identity, expression]), model.basis, (0, 1))
    points = camera_of(angles, numbers, layout.camera).project(shape)[:, :2] + sigma * rng.normal(size=(COUNT, 2))
    first, second = model.pairs.T
    predicted = {"identity": np.zeros(load_open_face().num_identity), "expression": usual}
    predicted |= {
        "albedo": np.zeros(layout.albedo),
        "angles": angles + 0.05,
        "light": np.zeros(27),
        "camera": numbers + 0.03,
    }
    return Found(
        np.concatenate([*predicted.values()]),
        points,
        np.full(COUNT, sigma),
        points[first] - points[second],
        np.full(len(first), sigma),
    )


def shape_error(model: PointModel, found: np.ndarray, true: np.ndarray) -> float:
    """Millimetres after the best similarity: place and size are the cameras'."""
    predicted, meant = (model.mean + np.tensordot(i, model.basis[:, : len(true)], (0, 1)) for i in (found, true))
    return float(np.linalg.norm(move(fit_similarity(predicted, meant), predicted) - meant, axis=1).mean())


@pytest.fixture(scope="module")
def somebody() -> np.ndarray:
    return np.random.default_rng(3).normal(size=load_open_face().num_identity)


@pytest.mark.parametrize("camera", ["framed", "deep3d"])
def test_a_side_picture_tells_what_a_front_picture_cannot(camera: str, somebody: np.ndarray) -> None:
    model, rng = point_model(camera), np.random.default_rng(0)
    front, side = (picture(model, somebody, yaw, rng) for yaw in (5.0, 70.0))
    alone = shape_error(model, solve_together([front], model).identity, somebody)
    both = shape_error(model, solve_together([front, side], model).identity, somebody)
    usual = shape_error(model, np.zeros_like(somebody), somebody)
    assert alone < 0.8 * usual and both < 0.8 * alone


def test_more_pictures_tell_more_and_the_running_form_agrees() -> None:
    model, rng = point_model(), np.random.default_rng(1)
    each = []
    for _ in range(4):
        somebody = rng.normal(size=model.layout.identity)
        pictures = [picture(model, somebody, yaw, rng, 2.0) for yaw in (-60, 10, 50, -20, 75, 0, 30, -75)]
        each.append([shape_error(model, solve_together(pictures[:n], model).identity, somebody) for n in (1, 2, 4, 8)])
    errors = np.mean(each, axis=0).tolist()
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.75 * errors[0]
    person = Person(model)
    for one in pictures:
        coefficients = person.add(one)
    assert shape_error(model, person.identity, somebody) < min(errors[0], 1.5 * each[-1][-1])  # linearised but once
    np.testing.assert_allclose(model.layout.split(coefficients)["identity"], person.identity, atol=1e-4)


def test_each_picture_keeps_its_own_expression_unless_they_are_of_one_moment(somebody: np.ndarray) -> None:
    model, rng = point_model(), np.random.default_rng(2)
    pictures = [picture(model, somebody, yaw, rng) for yaw in (5.0, 60.0)]
    for same in (False, True):
        parts = [model.layout.split(c) for c in solve_together(pictures, model, same).coefficients]
        np.testing.assert_array_equal(parts[0]["identity"], parts[1]["identity"])
        assert np.allclose(parts[0]["expression"], parts[1]["expression"]) == same
        assert np.degrees(parts[1]["angles"][1] - parts[0]["angles"][1]) == pytest.approx(55, abs=3)


def test_doubtful_points_change_nothing_and_a_stranger_stands_out(somebody: np.ndarray) -> None:
    model, rng = point_model(), np.random.default_rng(5)
    pictures = [picture(model, somebody, yaw, rng, 1.0) for yaw in (0.0, 40.0, -40.0)]
    noise = replace(
        pictures[0],
        points=rng.uniform(0, 256, (COUNT, 2)),
        point_deviations=np.full(COUNT, 1e3),
        difference_deviations=np.full(2, 1e3),
    )
    alone = solve_together(pictures[1:2], model)
    for same_moment in (False, True):
        with_noise = solve_together([pictures[1], noise], model, same_moment)
        assert shape_error(model, alone.identity, with_noise.identity) < 0.3
        assert useful(with_noise.worth).tolist() == [True, False]
    other = -somebody
    stranger = picture(model, other, 20.0, rng, 1.0)
    strangeness = solve_together([*pictures, stranger], model).strangeness
    assert strangeness.argmax() == 3 and strangeness[3] > 0
    assert solve_together(pictures, model).strangeness.max() < 0


def test_identity_that_points_show_in_part_is_found_whole(somebody: np.ndarray) -> None:
    """A network that says half of what makes a person: where that is known, the whole comes back."""
    model, rng = point_model(), np.random.default_rng(6)
    half = 0.5 * somebody
    pictures = [picture(model, half, yaw, rng, 0.3) for yaw in (0.0, 60.0, -60.0)]
    knowing = replace(model, trust=Trust((1 / 0.3, 1.0), 1.0))  # 1 / (1 + 0.3 / 0.3)
    found = solve_together(pictures, knowing).identity
    assert shape_error(model, found, somebody) < 0.7 * shape_error(model, half, somebody)


def test_a_card_without_points_has_none_and_a_wrong_one_is_reported() -> None:
    assert PointModel.from_card({"model": "prn"}) is None
    card = {"coefficients": {"layout": asdict(point_model().layout)}, "points": {"texels": "none"}}
    with pytest.raises(UserError, match="list of points"):
        PointModel.from_card(card)


def mixed(size: int) -> np.ndarray:
    """How a network might show identities: three quarters of each coefficient, and some of the next one."""
    return 0.75 * np.eye(size) + 0.3 * np.eye(size, k=1)


def test_what_identities_show_as_is_undone_the_better_the_more_pictures_there_are(somebody: np.ndarray) -> None:
    """A network that shows others than it should, alike in all pictures; half a deviation from the mean is usual."""
    model, rng, shows = point_model(), np.random.default_rng(7), mixed(len(somebody))
    usual = 0.5 * np.ones_like(somebody)
    who = usual + somebody
    pictures = [picture(model, who @ shows, yaw, rng, 0.5) for yaw in (0.0, 60.0, -60.0, 30.0)]
    knowing = replace(model, trust=Trust((0.0, 1.0), 1.0, usual=usual, shows=shows))
    unknowing, aware = (
        [shape_error(model, solve_together(pictures[:n], of).identity, who) for n in (1, 4)] for of in (model, knowing)
    )
    assert aware[1] < 0.8 * aware[0] and aware[1] < 0.7 * unknowing[1]
    person = Person(knowing)
    np.testing.assert_array_equal(person.identity, usual)  # of whom nothing was seen
    for one in pictures:
        person.add(one)
    assert shape_error(model, person.identity, who) < 1.5 * aware[1]
    nothing = replace(
        pictures[0], point_deviations=np.full(COUNT, 1e4), difference_deviations=np.full(len(model.pairs), 1e4)
    )
    np.testing.assert_allclose(solve_together([nothing], knowing).identity, usual, atol=0.01)


def test_trust_comes_back_from_its_file(tmp_path: Path, somebody: np.ndarray) -> None:
    size = len(somebody)
    usual, shows = np.full(size, 0.25), mixed(size)
    Trust((0.5, 0.7), 1.5, usual, shows, 2 * np.eye(size), 0.02).write(tmp_path / "trust.npz")
    again = Trust.read(tmp_path / "trust.npz")
    assert (again.shrinkage, again.inflation, again.strange) == ((0.5, 0.7), 1.5, 0.02)
    np.testing.assert_allclose(again.meant(usual), usual)
    np.testing.assert_allclose(again.meant(usual + somebody), usual + 2 * somebody)
    np.testing.assert_allclose(again.shown(somebody), somebody @ shows, atol=1e-3)  # half precision
    np.testing.assert_array_equal(Trust().meant(somebody), somebody)
    (tmp_path / "trust.npz").write_bytes(b"no file of arrays")
    with pytest.raises(UserError, match="calibrate the network again"):
        Trust.read(tmp_path / "trust.npz")
