"""Heads on their side and upside down: a network that knows upright heads only, and crops that are turned for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.toy_network import MM_PER_RADIUS, disc_photo
from tfface.detect.base import Detection
from tfface.evaluation.landmark_set import OFFSET_PX, LandmarkSet
from tfface.evaluation.rotated import rotated
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry.align import crop_transform, square_box, transform_points
from tfface.geometry.upright import angle_between, landmark_instability, next_crop
from tfface.inference import Reconstructor
from tfface.runtime import Network, Serve, find_network

SIZE, CENTRE, RADIUS = 64, np.array([210.0, 170.0]), 60.0
BOX = square_box(CENTRE, 2.7 * RADIUS)
KNOWN_RAD = 0.9


def frontal_map() -> np.ndarray:
    """The mean face `[256,256,3]`, one unit long per disc radius, centred on its origin, least z 0."""
    face = load_open_face()
    points = (face.face(2).vertices(face.cage()) - face.centre) * [1, -1, 1] / MM_PER_RADIUS
    position_map = PositionMap(face, 256).from_vertices(points)
    position_map[..., 2] -= position_map[..., 2].min()
    return position_map


def photo(roll_rad: float) -> np.ndarray:
    """A red disc with a blue spot where the forehead of a head with this roll is."""
    forehead = CENTRE - 0.6 * RADIUS * np.array([np.sin(roll_rad), np.cos(roll_rad)])
    picture = disc_photo(340, 420, tuple(CENTRE), RADIUS)
    spot = disc_photo(340, 420, tuple(forehead), 12.0)
    return np.where((spot[..., :1] > 150), np.uint8([0, 0, 255]), picture)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It tells the roll of a head that is upright within 50 degrees, and three times the roll of any other."""
    import tensorflow as tf

    class Toy(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.face = tf.Variable(frontal_map(), trainable=False)

        @tf.function(input_signature=[tf.TensorSpec([None, SIZE, SIZE, 3], tf.float32)])
        def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            place = (tf.range(SIZE, dtype=tf.float32) + 0.5) * 256 / SIZE

            def centroid(weight: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                area = tf.reduce_sum(weight, axis=[1, 2]) + 1e-6
                u = tf.reduce_sum(weight * place, axis=[1, 2]) / area
                return tf.stack([u, tf.reduce_sum(weight * place[:, None], axis=[1, 2]) / area], -1), area

            red = tf.nn.relu(images[..., 0] - images[..., 1])
            blue = tf.nn.relu(images[..., 2] - images[..., 1])
            centre, area = centroid(red + blue)
            up = centroid(blue)[0] - centre
            roll = tf.atan2(-up[:, 0], -up[:, 1])
            roll = tf.where(tf.abs(roll) < KNOWN_RAD, roll, 3 * roll)[:, None, None]
            u, v, z = tf.unstack(self.face, axis=-1)
            turned = tf.stack(
                [tf.cos(roll) * u + tf.sin(roll) * v, tf.cos(roll) * v - tf.sin(roll) * u, z + 0 * roll], -1
            )
            radius = tf.sqrt(area / np.pi)[:, None, None, None] * 256 / SIZE
            return {"position_map": turned * radius + tf.pad(centre, [[0, 0], [0, 1]])[:, None, None]}

    folder = tmp_path_factory.mktemp("upright")
    module = Toy()
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    face = load_open_face()
    card = {"model": "toy", "views": 1, "image_size": SIZE, "parameters": 0, "commit": "", "card": {}}
    card["face_model"] = {"name": face.name, "checksum": face.checksum}
    (folder / "tfface.json").write_text(json.dumps(card))
    return folder


@pytest.fixture(scope="module")
def reconstructor(network: Path) -> Reconstructor:
    return Reconstructor(network)


@pytest.mark.parametrize("roll_deg", [0, 20, 90, 100, 180, -90, -150])
def test_a_head_in_a_given_box_is_found_whichever_way_up_it_is(reconstructor: Reconstructor, roll_deg: int) -> None:
    roll = np.radians(roll_deg)
    found = reconstructor(photo(roll), box=tuple(BOX))[0]
    assert abs(np.degrees(angle_between(np.radians(found.crop_roll_deg), roll))) < 4
    assert abs(np.degrees(angle_between(np.radians(found.pose.degrees[2]), roll))) < 4
    expected = transform_points(crop_transform((-1, -1, 1, 1), 2, -roll), frontal_map()) - [1, 1, 0]
    assert np.abs(found.position_map - (expected * RADIUS + [*CENTRE, 0])).mean() < 4


def test_without_upright_it_is_not(network: Path) -> None:
    found = Reconstructor(network, upright=False)(photo(np.pi), box=tuple(BOX))[0]
    assert found.crop_roll_deg == 0


def test_an_upright_detector_is_believed_and_costs_no_more_crops(network: Path) -> None:
    class Sees:
        def __init__(self, name: str) -> None:
            self.name = name

        def detect(self, image: np.ndarray) -> list[Detection]:
            left, top, right, bottom = square_box(CENTRE, 2 * RADIUS)
            return [Detection((left, top, right, bottom), 1.0, self.name)]

    class Counting(Network):
        def open(self) -> Serve:
            serve = super().open()
            return lambda batch: counts.append(len(batch)) or serve(batch)  # type: ignore[func-returns-value]

    crops: dict[str, int] = {}
    counts: list[int] = []
    found = find_network(network)
    for name in ("blazeface", "dlib", "mtcnn"):
        counts.clear()
        Reconstructor(Counting(found.folder, found.runtime, found.card), detector=Sees(name))(photo(0.1))
        crops[name] = sum(counts)
    assert crops == {"blazeface": 2, "dlib": 2, "mtcnn": 18}


def test_next_crop_turns_by_the_landmarks_but_not_by_too_much() -> None:
    landmarks = PositionMap(load_open_face()).landmarks(frontal_map()) * RADIUS + [*CENTRE, 0]
    for roll, expected in ((0.5, 0.5), (2.0, 0.0)):
        turned = transform_points(crop_transform((-1, -1, 1, 1), 2, -roll), landmarks - [*CENTRE, 0]) - [1, 1, 0]
        box, found = next_crop(turned + [*CENTRE, 0], BOX, 0.0)
        assert abs(found - expected) < 0.02
        assert next_crop(turned + [*CENTRE, 0], BOX, 0.0, turn=False)[1] == 0
    assert box[2] - box[0] > 0


def test_instability_counts_moves_size_and_place() -> None:
    landmarks = PositionMap(load_open_face()).landmarks(frontal_map()) * RADIUS + [*CENTRE, 0]
    from tfface.geometry.align import box_from_landmarks

    box = box_from_landmarks(landmarks)
    assert landmark_instability(landmarks, [landmarks], box, 0.0) == pytest.approx(0, abs=1e-6)
    side = box[2] - box[0]
    assert landmark_instability(landmarks, [], box + 0.3 * side * np.array([1, 0, 1, 0]), 0.0) == pytest.approx(
        0.3, abs=1e-3
    )
    half = square_box((box[:2] + box[2:]) / 2, side / 2)
    assert landmark_instability(landmarks, [], half, 0.0) == pytest.approx(np.log(2), abs=1e-3)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_rotated_benchmark_moves_with_its_photographs(degrees: int) -> None:
    """Each landmark's pixel keeps its colour."""
    picture = np.random.default_rng(0).integers(0, 255, (30, 50, 3), np.uint8)
    pixels = np.random.default_rng(1).integers(0, 30, (1, 68, 2))
    truth = np.concatenate([pixels + 0.5 + OFFSET_PX, np.ones((1, 68, 1))], axis=-1)
    box = np.array([[5.0, 5.0, 25.0, 25.0]])
    data = LandmarkSet("photos", ["a"], [Path("a")], {"usual": truth}, box, None, "")
    turned, read = rotated(data, degrees, lambda path: picture)
    found = (turned.truths["usual"][0, :, :2] - OFFSET_PX).astype(int)
    np.testing.assert_array_equal(read(Path("a"))[found[:, 1], found[:, 0]], picture[pixels[0, :, 1], pixels[0, :, 0]])
    assert turned.boxes[0, 2] - turned.boxes[0, 0] == 20 and (turned.truths["usual"][..., 2] == 1).all()
