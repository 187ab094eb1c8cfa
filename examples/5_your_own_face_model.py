"""Your own face model: `python examples/5_your_own_face_model.py [MODEL] [--photo PHOTO]`.

MODEL is a folder or file of the Basel Face Model (2009, or as 300W-LP has it) or of ICT-FaceKit, as its owner ships it.
A photograph is reconstructed with our face, and the face is expressed in the other model: its coefficients, its mesh.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import samples

import tfface
from tfface.cli import run
from tfface.face.coefficients import ModelBridge
from tfface.face.open_model import load_open_face
from tfface.face.readers import read_model
from tfface.io.mesh import Mesh, write_mesh


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/examples/5"))
    arguments = parser.parse_args(argv)
    theirs = read_model(arguments.model or samples.face_model(arguments.out / "model"))
    print(f"{theirs.name}: {len(theirs.mean)} vertices, {len(theirs.id_basis)} identities. {theirs.licence}")

    photo = arguments.photo or samples.portrait(arguments.out)
    face = tfface.Reconstructor("rnet_points")(tfface.read_image(photo))[0]
    assert face.decoded is not None
    parts = face.decoded.parts
    found = ModelBridge(load_open_face(), theirs).to_other(parts["identity"], parts["expression"])
    vertices = theirs.vertices(found.identity, found.expression)
    write_mesh(arguments.out / f"{photo.stem}.obj", Mesh(vertices.astype(np.float32), theirs.triangles))
    np.savez(arguments.out / f"{photo.stem}.npz", identity=found.identity, expression=found.expression)
    print(f"{arguments.out / photo.stem}.obj and .npz; {found.rms_mm:.2f} mm from our face")
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
