"""Synthetic faces: same seed same bytes, labels that fit the picture, and dlib that sees faces in them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tfface.data.synthetic.head.bank import AlbedoBank
from tfface.data.synthetic.head.mesh import CLOTH, Clothes
from tfface.data.synthetic.sample import SyntheticSettings
from tfface.data.synthetic.scene import FaceGenerator, SyntheticPair
from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.geometry.raster import rasterize
from tfface.geometry.rotation import matrix_to_euler

SETTINGS = SyntheticSettings(bank_size=24)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def generator(cache: str) -> FaceGenerator:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFFACE_CACHE", cache)
        return FaceGenerator(SETTINGS)


def _digest(pair: SyntheticPair) -> str:
    parts = (pair.front.image, pair.side.image, pair.identity, pair.expression, pair.side.camera.rotation)
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def test_same_seed_same_bytes_whatever_came_before(generator: FaceGenerator) -> None:
    first = _digest(generator.pair(5))
    assert _digest(generator.pair(6)) != first
    assert _digest(generator.pair(5)) == first


def test_same_seed_same_bytes_in_another_process(
    generator: FaceGenerator, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process paints its own bank in an empty cache."""
    monkeypatch.setenv("TFFACE_CACHE", str(tmp_path_factory.mktemp("other")))
    code = (
        "import sys; sys.path[:0] = sys.argv[1].split('|')\n"
        "from tests.data.synthetic.test_synthetic import SETTINGS, FaceGenerator, _digest\n"
        "print(_digest(FaceGenerator(SETTINGS).pair(5)))"
    )
    command = [sys.executable, "-c", code, "|".join(sys.path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.split()[-1] == _digest(generator.pair(5))


def test_shapes_and_ranges(generator: FaceGenerator) -> None:
    pair = generator.pair(1)
    assert pair.identity.shape == (150,) and pair.identity.dtype == np.float32
    assert pair.expression.shape == (52,) and 0 <= pair.expression.min() <= pair.expression.max() <= 1
    for view in (pair.front, pair.side):
        assert view.image.shape == (256, 256, 3) and view.image.dtype == np.uint8
    assert abs(matrix_to_euler(pair.front.camera.rotation)[0]) <= np.deg2rad(45) + 1e-6


def test_most_landmarks_lie_inside_the_picture(generator: FaceGenerator) -> None:
    for seed in range(10):
        pair = generator.pair(seed)
        for view in (pair.front, pair.side):
            points = generator.landmarks(pair, view)[:, :2]
            assert ((points > 0) & (points < 256)).all(), seed


def test_picture_shows_the_face_where_the_truth_says(generator: FaceGenerator) -> None:
    """The truth's exact silhouette (level 2, the crop) lies inside what was drawn (level 1, the person)."""
    surface = generator.face.face(2)
    for seed in range(4):
        cage = generator.face.cage(generator.pair(seed).identity, generator.pair(seed).expression)
        person = generator.person(seed)
        for view in (generator.pair(seed).front, generator.pair(seed).side):
            points = view.camera.project(surface.vertices(cage))
            hit, _, _ = rasterize(points, surface.triangles, 256, 256)
            _, visible, _, _ = generator.render(person, view.camera)
            assert (visible[hit >= 0] > 0).mean() > 0.995


def test_dlib_finds_faces(generator: FaceGenerator) -> None:
    import dlib

    detector = dlib.get_frontal_face_detector()
    settings = replace(SETTINGS, front_yaw_deg=30.0, pitch_std_deg=6.0, roll_std_deg=5.0).clean()
    frontal = FaceGenerator(settings, generator.face)
    found = sum(bool(len(detector(frontal.pair(seed).front.image, 0))) for seed in range(20))
    assert found >= 18


def test_textures_depend_on_their_index_only(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFFACE_CACHE", str(tmp_path_factory.mktemp("bank")))
    face = load_open_face()
    short, long = AlbedoBank.open(face, 2, 64), AlbedoBank.open(face, 3, 64, num_threads=1)
    assert np.array_equal(short.textures, long.textures[:2])
    assert not np.array_equal(long.textures[0], long.textures[1])


def test_shoulders_face_outwards(generator: FaceGenerator) -> None:
    """Seen from inside they are the back of the neck where its front should be."""
    head = generator.head
    vertices = np.asarray(head.matrix @ generator.face.mean, np.float32)
    for open_mm in (None, 100.0):
        points = np.concatenate([vertices, head.shoulders(vertices, Clothes(1.0, 0.0, open_mm, 0.0))[0]])
        a, b, c = points[head.shoulder_triangles].transpose(1, 0, 2)
        normals, out = np.cross(b - a, c - a), (a + b + c) / 3 - points[head.border].mean(0)
        assert ((normals[:, [0, 2]] * out[:, [0, 2]]).sum(1) > 0).mean() > 0.97


def test_clothes_begin_at_the_neckline(generator: FaceGenerator) -> None:
    head, face = generator.head, generator.face
    vertices = np.asarray(head.matrix @ face.mean, np.float32)
    collar, low = (head.shoulders(vertices, Clothes(1.0, 0.0, open_mm, 40.0)) for open_mm in (None, 100.0))
    assert (collar[1][:, 3] > 0).all()
    points, keep = low[0], low[1][:, 3]
    neck = vertices[head.border].mean(0)
    assert (keep[points[:, 1] > neck[1] - 100] < 0).all() and (keep[points[:, 1] < neck[1] - 140] > 0).all()
    person, camera = generator.person(1), generator.pair(1).front.camera
    colours = np.where(np.arange(len(person.colours))[:, None] == CLOTH, 0.0, person.colours).astype(np.float32)
    dark = []
    for open_mm in (None, 400.0):
        mesh = head.assemble(vertices, np.zeros(len(vertices), np.float32), Clothes(1.0, 0.0, open_mm, 0.0), [], [])
        picture, visible, _, _ = generator.render(replace(person, mesh=mesh, colours=colours), camera)
        dark.append((picture.max(-1) < 0.02)[visible > 0].mean())
    assert dark[0] > dark[1] + 0.05, "black cloth is there with a collar and gone without"


def test_an_empty_background_folder_is_an_error(generator: FaceGenerator, tmp_path: object) -> None:
    empty = FaceGenerator(replace(SETTINGS, background_folder=str(tmp_path)), generator.face)
    with pytest.raises(UserError, match="No pictures lie in"):
        for seed in range(20):
            empty.pair(seed)
