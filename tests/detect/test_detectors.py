"""Detectors on a real photograph: NASA's astronaut portrait of scikit-image, whose face is about (221, 130)."""

from __future__ import annotations

import numpy as np
import pytest

from tfface.detect.auto import Auto, turn_back
from tfface.detect.base import Detection
from tfface.detect.registry import load_detector
from tfface.errors import UserError

data = pytest.importorskip("skimage.data")
FACE = np.array([221, 130])


def centre(face: Detection) -> np.ndarray:
    box = face.crop_box()
    return (box[:2] + box[2:]) / 2


@pytest.mark.parametrize("name", ["dlib", "mtcnn"])
def test_both_find_the_astronaut_and_agree_on_the_crop(name: str) -> None:
    faces = load_detector(name).detect(data.astronaut())
    assert len(faces) == 1
    assert np.abs(centre(faces[0]) - FACE).max() < 12
    box = faces[0].crop_box()
    assert 110 < box[2] - box[0] < 170
    if name == "mtcnn":
        left_eye, right_eye, nose = faces[0].points5[:3]
        assert left_eye[0] < nose[0] < right_eye[0] and nose[1] > left_eye[1]


def test_a_large_photograph_gives_the_same_box() -> None:
    small = data.astronaut()
    large = np.repeat(np.repeat(small, 4, axis=0), 4, axis=1)
    found = load_detector("dlib").detect(large)[0]
    assert np.abs(centre(found) / 4 - FACE).max() < 12


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_auto_finds_a_face_that_lies_on_its_side(turns: int) -> None:
    auto = Auto()
    auto._second = load_detector("dlib")  # MTCNN may find it too, without knowing that it is turned
    photo = np.ascontiguousarray(np.rot90(data.astronaut(), turns))
    faces = auto.detect(photo)
    assert len(faces) == 1
    assert np.degrees(faces[0].roll_rad) % 360 == pytest.approx(90 * turns)
    expected = {1: (FACE[1], 512 - FACE[0]), 2: (512 - FACE[0], 512 - FACE[1]), 3: (512 - FACE[1], FACE[0])}
    assert np.abs(centre(faces[0]) - expected[turns]).max() < 12


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turn_back_is_exact(turns: int) -> None:
    image = np.zeros((40, 70))
    image[10:15, 50:60] = 1
    rows, columns = np.nonzero(np.rot90(image, turns))
    box = (float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))
    assert turn_back(Detection(box, 1.0, "dlib"), turns, image.shape).box == (50, 10, 60, 15)


def test_nothing_there_and_wrong_names() -> None:
    assert load_detector("dlib").detect(np.full((100, 100, 3), 90, np.uint8)) == []
    with pytest.raises(UserError, match="auto, dlib, mtcnn; did you mean mtcnn"):
        load_detector("mtcn")
