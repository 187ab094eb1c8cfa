"""Masks, shards of photographs, and the command that makes them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.toy_network import disc_photo, save_toy_network
from tfface import prepare
from tfface.data.shards import photos
from tfface.data.sources import face_masks, skin
from tfface.detect import registry
from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.geometry.align import transform_points
from tfface.geometry.pos import Deep3DCrop
from tfface.io.examples import decode_example, read_place
from tfface.io.image import write_image


def test_skin_mixtures_are_densities() -> None:
    """Determinants belong to the inverses, weights sum to one, and the density integrates to one over its colours."""
    for mixture in (skin.SKIN, skin.OTHER):
        np.testing.assert_allclose(mixture.weights.sum(), 1.0, atol=2e-4)
        np.testing.assert_allclose(np.linalg.det(mixture.inverses) * mixture.determinants, 1.0, atol=2e-3)
        assert (np.linalg.eigvalsh(mixture.inverses) > 0).all()
    axes = [np.arange(-250, 500, 4.0), np.arange(40, 190, 4.0), np.arange(80, 240, 4.0)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    assert skin.SKIN.density(grid).sum() * 4.0**3 == pytest.approx(1.0, abs=0.02)


def test_skin_probability_of_known_colours() -> None:
    np.testing.assert_allclose(skin.to_ycbcr(np.array([255, 0, 0])), [76.245, 84.97, 255.5], atol=0.01)
    colors = np.array([[[220, 170, 150], [150, 100, 80]], [[60, 120, 200], [30, 160, 40]]], np.uint8)
    probability = skin.skin_probability(colors)
    assert (probability[0] > 0.9).all() and (probability[1] < 0.05).all()
    np.testing.assert_array_equal(skin.skin_mask(colors), np.round(255 * probability))


def test_mesh_mask_is_coverage_and_what_does_not_count_still_hides() -> None:
    square = np.array([[2, 2, 0], [2, 7, 0], [8.5, 7, 0], [8.5, 2, 0]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    mask = face_masks.mesh_mask(square, triangles, 10, 10)
    assert mask.sum() == pytest.approx(5 * 6.5) and mask[3, 8] == 0.5
    near = np.concatenate([square, square + [-3, 0, 5]]).astype(np.float32)
    both = np.concatenate([triangles, triangles + 4])
    counted = np.arange(8) < 4
    assert face_masks.mesh_mask(near, both, 10, 10, counted).sum() == pytest.approx(5 * 3)


def test_skin_of_the_open_face_and_its_hull() -> None:
    face = load_open_face()
    surface = face.face(2)
    points = (surface.vertices(face.cage()) - face.centre) * [1, -1, 1] * 0.5 + [64, 64, 0]
    counted = face_masks.skin_vertices(face)
    mask = face_masks.mesh_mask(points, surface.triangles, 128, 128, counted)
    whole = face_masks.mesh_mask(points, surface.triangles, 128, 128)
    hull = face_masks.hull_mask(points[face.landmarks81], 128, 128)
    assert (mask <= whole).all() and 0.4 < mask.sum() / whole.sum() < 0.95
    eye = points[face.landmarks68[36:42], :2].mean(0).astype(int)
    cheek = points[face.landmarks68[[2, 31]], :2].mean(0).astype(int)
    assert mask[eye[1], eye[0]] == 0 and mask[cheek[1], cheek[0]] == 1
    assert hull[eye[1], eye[0]] == 1 and hull[2, 2] == 0
    with pytest.raises(UserError, match="three"):
        face_masks.hull_mask(points[:2], 8, 8)


def test_hull_of_a_square() -> None:
    square = np.array([[2.5, 3.5], [6.5, 3.5], [6.5, 8.5], [2.5, 8.5], [4.0, 5.0]])
    mask = face_masks.hull_mask(square, 12, 10)
    expected = np.zeros((12, 10))
    expected[3:9, 2:7] = 1
    np.testing.assert_array_equal(mask, expected)


def test_cut_crop_is_resize_then_crop() -> None:
    from PIL import Image

    image = np.random.default_rng(0).integers(0, 255, (90, 120, 3)).astype(np.uint8)
    for crop in (Deep3DCrop(120, 90, 0.5, 60.0, 45.0, 32), Deep3DCrop(120, 90, 1.7, 20.0, 80.0, 48)):
        whole = Image.fromarray(image).resize(crop.resized, Image.Resampling.BICUBIC)
        left, top = crop.corner
        expected = np.asarray(whole.crop((left, top, left + crop.size, top + crop.size)))
        found = photos.cut_crop(image, crop)
        assert np.abs(found.astype(int) - expected).max() <= 1
    with pytest.raises(UserError, match="outside"):
        photos.cut_crop(image, Deep3DCrop(120, 90, 1.0, 900.0, 45.0, 32))


def record(name: str, size: int = 32) -> photos.PhotoRecord:
    rng = np.random.default_rng(len(name))
    smooth = np.tile(np.linspace(0, 255, size)[:, None, None], (1, size, 3)).astype(np.uint8)
    masks = [rng.integers(0, 255, (size, size)).astype(np.uint8) for _ in photos.MASKS]
    points = rng.uniform(0, size, (68, 2)).astype(np.float32)
    return photos.PhotoRecord(name, smooth, points, *masks, Deep3DCrop(640, 480, 1 / 3, 300.1, 200.7, size))


def test_records_come_back(tmp_path: Path) -> None:
    written = [record("a.jpg"), record("bb.jpg")]
    photos.write_photo_shard(tmp_path / "photos-00000.tfrecord", written)
    with pytest.raises(UserError, match="tfface prepare"):
        photos.photo_places(tmp_path)
    (tmp_path / "dataset.json").write_text('{"size": 32}')
    for expected, place in zip(written, photos.photo_places(tmp_path), strict=True):
        found = photos.read_record(place)
        assert found.name == expected.name and found.crop == expected.crop
        assert np.abs(found.image.astype(int) - expected.image).max() < 4
        for part in (*photos.MASKS, "landmarks68"):
            np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))
        matrix = decode_example(read_place(place))["matrix"]  # for other programs
        np.testing.assert_allclose(matrix.reshape(2, 3), expected.crop.matrix, rtol=1e-6)


def test_parts_share_the_photographs(tmp_path: Path) -> None:
    photos.write_photo_shard(tmp_path / "photos-00000.tfrecord", [record(f"{i}.jpg", 16) for i in range(200)])
    (tmp_path / "dataset.json").write_text('{"size": 16}')
    names = [{photos.read_record(p).name for p in photos.photo_places(tmp_path, part)} for part in photos.PARTS]
    assert sum(map(len, names)) == len(set.union(*names)) == 200
    assert 120 < len(names[0]) < 160 and min(map(len, names)) > 15
    with pytest.raises(UserError, match="train, validation, test"):
        photos.photo_places(tmp_path, "training")


class Whole:
    """A detector that takes the middle of the picture, unless it is blue."""

    def __init__(self, min_score: float | None) -> None:
        assert min_score is None

    def detect(self, image: NDArray[np.uint8]) -> list[object]:
        from tfface.detect.base import Detection

        if image[0, 0, 2] > 200:
            return []
        half = image.shape[0] / 2
        return [Detection((half * 0.2, half * 0.2, half * 1.8, half * 1.8), 1.0, "given")]


def test_prepare_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Discs become faces where they are; a photograph that is broken or empty is listed; a stopped run goes on."""
    monkeypatch.setattr(registry, "DETECTORS", {"auto": Whole})
    folder, out = tmp_path / "photos", tmp_path / "out"
    (folder / "more").mkdir(parents=True)
    centres = {"a.png": (200.0, 190.0), "more/b.png": (230.0, 220.0)}
    for name, centre in centres.items():
        write_image(folder / name, disc_photo(400, 400, centre, 60.0))
    write_image(folder / "blue.png", np.full((64, 64, 3), [0, 0, 255], np.uint8))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    command = [str(folder), "--out", str(out), "--model", str(save_toy_network(tmp_path / "toy")), "--size", "112"]
    command += ["--workers", "0", "--photos-per-shard", "2"]
    assert prepare.main(command) == 1
    with (out / "report.csv").open() as file:
        reasons = dict(list(csv.reader(file))[1:])
    assert set(reasons) == {"blue.png", "broken.jpg"} and "No face" in reasons["blue.png"]
    faces = {face.name: face for face in map(photos.read_record, photos.photo_places(out))}
    assert set(faces) == set(centres)
    for name, face in faces.items():
        nose = transform_points(face.crop.inverse, face.landmarks68[27:36]).mean(0)
        assert np.abs(nose - centres[name]).max() < 60.0 and face.mesh_mask.mean() > 0.2 * 255
        assert np.abs(face.landmarks68.mean(0) - 56).max() < 20
    before = (out / "photos-00000.tfrecord").stat().st_mtime_ns
    (out / "photos-00001.tfrecord").unlink()
    assert prepare.main(command) == 1
    assert (out / "photos-00000.tfrecord").stat().st_mtime_ns == before and (out / "photos-00001.tfrecord").exists()
    with pytest.raises(UserError, match="another size"):
        prepare.main([*command[:-6], "--size", "96", *command[-4:]])


def test_prepare_leaves_files_that_are_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    write_image(tmp_path / "photos" / "a.png", disc_photo(64, 64, (32, 32), 20))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.csv").write_text("mine\n")
    with pytest.raises(UserError, match=r"holds a report\.csv that tfface did not write"):
        prepare.main([str(tmp_path / "photos"), "--out", str(tmp_path / "out")])
    assert (tmp_path / "out" / "report.csv").read_text() == "mine\n"
    assert list((tmp_path / "out").iterdir()) == [tmp_path / "out" / "report.csv"]
