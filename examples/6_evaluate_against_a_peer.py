"""Measure networks against another method: `python examples/6_evaluate_against_a_peer.py [FOLDER --peers DIR]`.

FOLDER holds photographs with .pts files of 68 points beside them; each .npz in DIR holds another method's answers:
`landmarks68_px` [N,68,2 or 3] and `names` [N]. docs/evaluation.md has the other benchmarks. Without arguments synthetic
faces are the photographs, and a smaller network of ours stands for the other method.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import samples

import tfface
from tfface import evaluate
from tfface.cli import run
from tfface.evaluation.landmark_set import OFFSET_PX
from tfface.evaluation.photos import read_photos


def stand_in(folder: Path, target: Path) -> Path:
    """Writes what `rnet_points` finds as another method would hand it in: in the benchmark's pixels, with names."""
    data, reconstruct = read_photos(folder), tfface.Reconstructor("rnet_points")
    faces = [reconstruct(tfface.read_image(p), tuple(b))[0] for p, b in zip(data.images, data.boxes, strict=True)]
    landmarks = np.stack([face.landmarks68[:, :2] for face in faces]) + OFFSET_PX
    target.mkdir(parents=True, exist_ok=True)
    np.savez(target / "another_method.npz", landmarks68_px=landmarks, names=data.names)
    return target


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--model", nargs="+", default=["mnv2_points"], help="presets, runs or exported models")
    parser.add_argument("--out", type=Path, default=Path("out/examples/6"))
    arguments = parser.parse_args(argv)
    folder = arguments.folder or samples.annotated_faces(arguments.out / "faces", 4)
    peers = arguments.peers or stand_in(folder, arguments.out / "peers")
    options = ["--benchmark", "photos", "--data", str(folder), "--peers", str(peers), "--out", str(arguments.out)]
    return evaluate.main([*options, "--model", *arguments.model])


if __name__ == "__main__":
    raise SystemExit(run(main))
