"""Every reader on files that are damaged: it reads them or says so in one sentence, and throws nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import yaml

from tests.face.small_models import write_300wlp, write_bfm2009, write_ict, write_struct
from tests.faults.inputs import damages, write_aflw_item
from tfface import config as configuration
from tfface.data.shards.faces import FaceRecord, iterate_records, write_shard
from tfface.data.shards.folder import damaged_shard, read_dataset_card
from tfface.data.shards.pictures import encode_jpeg
from tfface.data.sources import facegen
from tfface.errors import UserError
from tfface.evaluation.aflw2000 import read_aflw2000
from tfface.evaluation.columns import read_peers
from tfface.evaluation.landmark_set import LandmarkSet
from tfface.evaluation.now import read_pp
from tfface.evaluation.scan_files import read_scans
from tfface.face.readers import read_model
from tfface.fit import read_landmarks
from tfface.io.dlib_file import read_dlib_network
from tfface.io.landmarks import read_points
from tfface.io.mesh import Mesh, read_mesh, write_mesh
from tfface.io.reading import read_arrays, read_json_object, read_rows, reading

Read = Callable[[Path], Any]
POINTS = np.arange(136.0).reshape(68, 2)
MESH = Mesh(np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 1]]), np.int32([[0, 1, 2], [2, 1, 3]]))
POSE_XML = (
    "<o><val><rend><pose><rotateToHcs><m_real>1</m_real><m_comp><m><item>0</item><item>0</item><item>{}</item></m>"
    "</m_comp></rotateToHcs></pose></rend></val></o>"
)
CAMERA_XML = (
    "<o><val><modelview><translation><m><item>0</item><item>0</item><item>-500</item></m></translation></modelview>"
    "<frustum><m>" + "".join(f"<item>{n}</item>" for n in (-1, 1, -1, 1, 5, 900)) + "</m></frustum></val></o>"
)


def _texture(path: Path) -> None:
    uv = np.float32([[0, 0], [1, 0], [0, 1], [1, 1]])
    write_mesh(path, Mesh(MESH.vertices, MESH.triangles, uv=uv, texture=np.zeros((8, 8, 3), np.uint8)))


def _record() -> FaceRecord:
    picture = encode_jpeg(np.full((32, 32, 3), 90, np.uint8))
    camera = np.ones(13, np.float32)
    return FaceRecord(1, np.zeros(150, np.float32), np.zeros(52, np.float32), (picture,) * 2, (camera,) * 2, {})


def _dlib(path: Path) -> None:
    """The beginning of a network of dlib's; it lacks its layers."""
    kind = b"loss_metric_2"
    head = b"\x01\x01" + b"\x01" + bytes([len(kind)]) + kind + b"\x01\x01\x81\x04" * 2
    path.write_bytes(head + b"\x01\x01\x01\x15input_rgb_image_sized" + b"\x01\x7f\x01\x7f" * 5 + bytes(60))


WRITERS: dict[str, tuple[str, Callable[[Path], object], Read]] = {
    "obj": ("face.obj", lambda path: write_mesh(path, MESH), read_mesh),
    "textured obj": ("face.obj", _texture, read_mesh),
    "ply": ("face.ply", lambda path: write_mesh(path, MESH), read_mesh),
    "glb": ("face.glb", _texture, read_mesh),
    "npy": ("points.npy", lambda path: np.save(path, POINTS), read_points),
    "npz": ("points.npz", lambda path: np.savez(path, landmarks=POINTS), read_points),
    "json": ("points.json", lambda path: path.write_text(json.dumps(POINTS.tolist())), read_points),
    "pts": ("points.pts", lambda path: path.write_text("{\n1 2\n3 4\n}\n"), read_points),
    "txt": ("points.txt", lambda path: np.savetxt(path, POINTS), read_points),
    "picked points": ("scan.pp", lambda path: path.write_text('<point x="1" y="2" z="3"/>'), read_pp),
    "configuration": ("config.yaml", lambda path: configuration.save(configuration.Config(), path), configuration.load),
    "table": ("metrics.csv", lambda path: path.write_text("step,loss\n1,2\n3,4\n"), lambda p: read_rows(p, "a table")),
    "arrays": ("some.npz", lambda path: np.savez_compressed(path, a=POINTS), lambda p: read_arrays(p, "arrays")),
    "dlib network": ("net.dat", _dlib, read_dlib_network),
    "shard": ("faces-00000.tfrecord", lambda p: write_shard(p, [_record()] * 3), lambda p: list(iterate_records(p))),
    "card of shards": (
        "dataset.json",
        lambda path: path.write_text(json.dumps({"pairs": 1, "settings": {"enlarge": 1.25}})),
        lambda path: read_dataset_card(path.parent),
    ),
    "card of a model": (
        "tfface.json",
        lambda p: p.write_text('{"model": "x"}'),
        lambda p: read_json_object(p, "a card"),
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_damaged_file_is_read_or_reported(name: str, tmp_path: Path) -> None:
    file, write, read = WRITERS[name]
    path = tmp_path / file
    write(path)
    whole = path.read_bytes()
    for what, data in damages(whole).items():
        path.write_bytes(data)
        try:
            read(path)
        except UserError as error:
            assert str(tmp_path) in str(error) and "\n" not in str(error), what
    path.unlink()
    with pytest.raises(UserError, match="does not exist"):
        read(path)


def test_a_texture_whose_name_no_file_can_have_is_none(tmp_path: Path) -> None:
    """Found by `fuzz.py`: it was an OSError."""
    path = tmp_path / "face.obj"
    _texture(path)
    for name in ("face.mtl", "face_texture.png"):
        for file in (path, path.with_suffix(".mtl")):
            file.write_text(file.read_text().replace(name, "x" * 300))
    assert read_mesh(path).texture is None


def write_face3d(folder: Path) -> None:
    write_struct(folder / "BFM.mat")


@pytest.mark.parametrize("write", [write_300wlp, write_bfm2009, write_ict, write_face3d])
def test_damaged_face_models_are_read_or_reported(write: Callable[[Path], object], tmp_path: Path) -> None:
    write(tmp_path)
    for path in sorted(tmp_path.iterdir())[:6]:
        whole = path.read_bytes()
        for what, data in damages(whole).items():
            path.write_bytes(data)
            try:
                read_model(tmp_path)
            except UserError as error:
                assert str(tmp_path) in str(error) or any(
                    w in str(error) for w in ("wrong file", "belong", "finite")
                ), what
        path.write_bytes(whole)
    read_model(tmp_path)


@pytest.mark.parametrize("content", ["[1, 2", "- a\n- b", "1: 2", "a: &x [*x]", "\x00", "!!python/object:os.system {}"])
def test_odd_yaml_is_reported(content: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match="config.yaml"):
        configuration.load(path)
    path.write_text(yaml.safe_dump({"optim": {"learning_rate": float("nan")}}))
    with pytest.raises(UserError, match="learning_rate"):
        configuration.load(path)
    path.write_text("[" * 5000)
    with pytest.raises(UserError, match="nested too deeply"):
        configuration.read_yaml(path)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), 1e39])
def test_rates_that_are_none_are_reported(value: float) -> None:
    with pytest.raises(UserError, match="optim.learning_rate"):
        configuration.override(configuration.Config(), {"optim.learning_rate": value})


def test_facegen_files(tmp_path: Path) -> None:
    pose, camera = tmp_path / "pose.xml", tmp_path / "camera.xml"
    camera.write_text(CAMERA_XML)
    pose.write_text(POSE_XML.format(0.1))
    facegen.read_view(pose, camera)
    odd = {
        "unknown encoding": '<?xml version="1.0" encoding="klingon-8"?>' + POSE_XML.format(0),
        "a zero quaternion": POSE_XML.format(0).replace("<m_real>1<", "<m_real>0<"),
        "no number": POSE_XML.format("x"),
        "too large": POSE_XML.format("1e999"),
        "entities": '<!DOCTYPE o [<!ENTITY a "&b;">]>' + POSE_XML.format("&a;"),
    }
    for what, text in odd.items():
        pose.write_text(text)
        with pytest.raises(UserError, match="pose.xml"):
            print(what, facegen.read_view(pose, camera))


def test_peers_of_odd_forms_are_reported(tmp_path: Path) -> None:
    data = LandmarkSet("x", ["a"], [tmp_path / "a.jpg"], {"t": np.zeros((1, 68, 2))}, np.zeros((1, 4)), None, "")
    odd: dict[str, dict[str, Any]] = {
        "none of its keys": {"points": POINTS},
        "texts": {"landmarks": np.array([["a"]])},
        "one face too many": {"landmarks": np.zeros((2, 68, 2))},
        "objects": {"landmarks": np.array([{"a": 1}], object)},
    }
    for what, arrays in odd.items():
        np.savez(tmp_path / "peer.npz", **arrays)
        with pytest.raises(UserError, match="peer.npz"):
            print(what, read_peers(tmp_path, data))
    np.savez(tmp_path / "whole.npz", landmarks=np.zeros((1, 68, 2)))
    broken: dict[str, str] = {}
    assert [column.name for column in read_peers(tmp_path, data, broken)] == ["whole"] and list(broken) == ["peer.npz"]
    (tmp_path / "peer.npz").unlink()
    (tmp_path / "whole.npz").unlink()
    scipy.io.savemat(tmp_path / "PEER.MAT", {"landmarks": np.zeros((1, 68, 2)) + 4})
    assert read_peers(tmp_path, data)[0].name == "PEER"


def test_names_of_a_reference_stay_in_its_folder(tmp_path: Path) -> None:
    write_aflw_item(tmp_path / "images", "a")
    (tmp_path / "secret.jpg").write_bytes((tmp_path / "images" / "a.jpg").read_bytes())
    names = ["a.jpg", "../secret.jpg", str(tmp_path / "secret.jpg")]
    table = {"landmarks68_px": np.ones((3, 3, 68)), "yaw_deg": np.ones(3), "roi_box_px": np.tile([0, 0, 9, 9], (3, 1))}
    np.savez(tmp_path / "reference.npz", names=np.array(names), **table)
    found = read_aflw2000(tmp_path)
    assert found.names == ["a.jpg"] and set(found.broken) == set(names[1:])


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    paths = [tmp_path / f"faces-{number:05d}.tfrecord" for number in range(3)]
    for path in paths:
        write_shard(path, [_record()] * 2)
    assert damaged_shard(paths) is None
    data = bytearray(paths[1].read_bytes())
    data[60] ^= 0xFF
    paths[1].write_bytes(bytes(data))
    assert "faces-00001.tfrecord cannot be read as a shard" in str(damaged_shard(paths))


def test_suffixes_in_capitals_are_found(tmp_path: Path) -> None:
    write_mesh(tmp_path / "a.obj", MESH)
    (tmp_path / "a.obj").rename(tmp_path / "a.OBJ")
    np.savetxt(tmp_path / "a.TXT", np.random.default_rng(0).normal(0, 1, (68, 3)))
    scans, broken = read_scans(tmp_path)
    assert not broken and scans["a"].landmarks is not None
    write_aflw_item(tmp_path / "aflw", "image1")
    for file in list((tmp_path / "aflw").iterdir()):
        file.rename(file.with_suffix(file.suffix.upper()))
    assert read_aflw2000(tmp_path / "aflw").names == ["image1.JPG"]


@pytest.mark.parametrize("factor", [0.001, 0.1, 1000.0])
def test_scans_that_are_not_in_millimetres_are_reported(factor: float, tmp_path: Path) -> None:
    head = MESH.vertices * 200
    write_mesh(tmp_path / "head.obj", Mesh(head, MESH.triangles))
    write_mesh(tmp_path / "head.ply", Mesh(head * np.float32(factor), MESH.triangles))
    scans, broken = read_scans(tmp_path, millimetres=True)
    assert list(scans) == ["head.obj"] and "no head in millimetres" in broken["head.ply"]
    assert len(read_scans(tmp_path)[0]) == 2  # peers' meshes may have any scale


def test_landmarks_say_the_same_in_every_form(tmp_path: Path) -> None:
    points = np.random.default_rng(0).uniform(40, 200, (68, 2)).round(3)
    np.save(tmp_path / "a.npy", points)
    np.savez(tmp_path / "a.npz", landmarks68=points)
    np.savetxt(tmp_path / "a.txt", points, "%.3f")
    (tmp_path / "a.json").write_text(json.dumps({"landmarks68_px": points.tolist()}))
    lines = "".join(f"{u + 0.5:.3f} {v + 0.5:.3f}\n" for u, v in points)  # 300-W counts pixels from 1
    (tmp_path / "a.pts").write_text("version: 1\nn_points: 68\n{\n" + lines + "}\n")
    for suffix in (".npy", ".npz", ".txt", ".json", ".pts"):
        np.testing.assert_allclose(read_landmarks(tmp_path / f"a{suffix}"), points, atol=1e-9, err_msg=suffix)


def test_our_own_mistakes_stay_visible(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error, reading(tmp_path / "a", "a file"):
        raise ZeroDivisionError("in a parser")
    assert isinstance(error.value.__cause__, ZeroDivisionError)
    with pytest.raises(KeyboardInterrupt), reading(tmp_path / "a", "a file"):
        raise KeyboardInterrupt


def test_yaml_that_refers_to_itself_is_told_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 {x: 1}", *(f"a{k}: &a{k} {{p: *a{k - 1}, q: *a{k - 1}}}" for k in range(1, 60))]
    (tmp_path / "laughs.yaml").write_text("\n".join(lines))
    with pytest.raises(UserError, match="larger than any configuration"):
        configuration.load(tmp_path / "laughs.yaml")
