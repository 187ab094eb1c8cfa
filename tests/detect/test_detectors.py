"""Detectors on a real photograph: NASA's astronaut portrait of scikit-image, whose face is about (221, 130)."""

from __future__ import annotations

import builtins
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from tfface.detect.base import Detection
from tfface.detect.registry import load_detector
from tfface.errors import UserError

data = pytest.importorskip("skimage.data")
FACE = np.array([221, 130])
PLACES = {0: (221, 130), 1: (130, 512 - 221), 2: (512 - 221, 512 - 130), 3: (512 - 130, 221)}
"""Of the face in the picture turned by so many quarters."""


def centre(face: Detection) -> np.ndarray:
    box = face.crop_box()
    return (box[:2] + box[2:]) / 2


@pytest.mark.parametrize("name", ["auto", "blazeface", "dlib", "mtcnn"])
def test_all_find_the_astronaut_and_agree_on_the_crop(name: str) -> None:
    if name == "mtcnn":
        pytest.importorskip("mtcnn")
    faces = load_detector(name).detect(data.astronaut())
    assert len(faces) == 1 and not faces[0].doubtful
    assert np.abs(centre(faces[0]) - FACE).max() < 12
    box = faces[0].crop_box()
    assert 110 < box[2] - box[0] < 170
    if name == "mtcnn":
        left_eye, right_eye, nose = faces[0].points5[:3]
        assert left_eye[0] < nose[0] < right_eye[0] and nose[1] > left_eye[1]


@pytest.mark.parametrize("name", ["blazeface", "dlib"])
def test_a_large_photograph_gives_the_same_box(name: str) -> None:
    large = np.repeat(np.repeat(data.astronaut(), 4, axis=0), 4, axis=1)
    found = load_detector(name).detect(large)[0]
    assert np.abs(centre(found) / 4 - FACE).max() < 12


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_auto_says_which_way_up_a_face_is(turns: int) -> None:
    photo = np.ascontiguousarray(np.rot90(data.astronaut(), turns))
    faces = load_detector("auto").detect(photo)
    assert len(faces) == 1
    assert abs((np.degrees(faces[0].roll_rad) - 90 * turns + 180) % 360 - 180) < 10
    assert np.abs(centre(faces[0]) - PLACES[turns]).max() < 12


def test_keypoints_lie_where_the_face_has_them() -> None:
    eye, other_eye, nose, mouth, ear, other_ear = load_detector("blazeface").detect(data.astronaut())[0].keypoints6
    assert ear[0] < eye[0] < nose[0] < other_eye[0] < other_ear[0]
    assert max(eye[1], other_eye[1]) < nose[1] < mouth[1]


def test_nothing_there_and_wrong_names() -> None:
    for name in ("blazeface", "dlib"):
        assert load_detector(name).detect(np.full((100, 100, 3), 90, np.uint8)) == []
    with pytest.raises(UserError, match="auto, blazeface, dlib, mtcnn; did you mean mtcnn"):
        load_detector("mtcn")


def test_a_missing_package_is_reported_and_the_default_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] in ("mtcnn", "dlib", "tensorflow"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match="pip install mtcnn"):
        load_detector("mtcnn")
    assert len(load_detector("auto").detect(data.astronaut())) == 1


def test_min_score_leaves_out_what_scores_less() -> None:
    (face,) = load_detector("blazeface").detect(data.astronaut())
    assert load_detector("blazeface", face.score - 0.01).detect(data.astronaut())
    assert load_detector("blazeface", min(face.score + 0.01, 1.0)).detect(data.astronaut()) == []


def test_dlib_may_be_asked_by_several_threads_at_once() -> None:
    """In a process of its own: what goes wrong there is a segmentation fault."""
    script = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from skimage import data\n"
        "from tfface.detect.dlib_hog import DlibHog\n"
        "detector, pictures = DlibHog(), [data.astronaut()[:, k:] for k in range(0, 160, 10)]\n"
        "with ThreadPoolExecutor(4) as pool:\n"
        "    found = [len(faces) for faces in pool.map(detector.detect, pictures)]\n"
        "print(found == [len(detector.detect(picture)) for picture in pictures])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.split()[-1] == "True", done.stderr[-300:]
