"""The second stage, and both together, on a picture whose coefficients are known."""

from __future__ import annotations

import numpy as np

from tests.fitting.people import SIZE, landmarks, nme, person, photo_of
from tfface.face.open_model import load_open_face
from tfface.face.position_map import position_tables
from tfface.fitting.person import fit_person, refine
from tfface.result import FaceResult


def test_a_known_face_is_found_and_colour_says_more_than_points() -> None:
    truth = person(7, 15.0, 0.6)
    steps = []
    found = fit_person([photo_of(truth)], 80, steps.append)[0]
    assert sum(steps) == 80
    assert nme(found.landmarks68, landmarks(truth)) < 1.0
    apart = np.linalg.norm(found.vertices[:, :2] - truth.vertices()[:, :2], axis=1).mean()
    assert apart < 0.015 * np.ptp(truth.vertices()[:, :2], axis=0).max()
    assert set(found.timings_ms) == {"landmarks", "photometric"}

    def error(colours: np.ndarray) -> float:
        seen = load_open_face().regions == 1
        return float(np.abs(colours - found.lit(found.albedo()))[seen].mean())

    image = photo_of(truth).image
    points = found.vertices[:, :2].astype(int)
    there = image[points[:, 1].clip(0, SIZE - 1), points[:, 0].clip(0, SIZE - 1)] / 255
    assert error(there) < 0.05  # the light and the albedo explain the picture
    assert found.first.light.any() == 0 and found.coefficients.light.any()
    assert found.stages(96).shape[2] == 3


def test_a_network_s_answer_is_refined() -> None:
    truth = person(8, -10.0, 0.0)
    vertices = truth.vertices() + [2.0, -1.0, 0.0]  # the network is a little off
    answer = FaceResult(
        image=photo_of(truth).image,
        position_map=position_tables(256).from_vertices(vertices),
        box=np.array([0.0, 0, SIZE, SIZE]),
        model="toy",
        timings_ms={"network": 1.0},
    )
    found = refine(answer, 8)
    assert found.model == "toy, fitted"
    assert set(found.timings_ms) == {"network", "coefficients", "photometric"}
    assert nme(found.landmarks68, answer.landmarks68) < 1.5
