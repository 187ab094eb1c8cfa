"""Photographs of one person to one face: `python examples/2_photographs_of_one_person.py [FOLDER] [--out DIR]`.

A network that gives coefficients sees each photograph. Identity is then solved from the points found in all of them;
expression, pose and light stay each photograph's own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import samples

import tfface
from tfface.cli import run
from tfface.io.image import list_images


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--model", default="rnet_points", help="a preset or run that gives coefficients")
    parser.add_argument("--out", type=Path, default=Path("out/examples/2"))
    arguments = parser.parse_args(argv)
    photos = list_images(arguments.folder or samples.photographs(arguments.out / "photographs", 3))

    reconstruct = tfface.Reconstructor(arguments.model)
    alone = [reconstruct(tfface.read_image(photo))[0] for photo in photos]
    together = reconstruct.as_set(alone)
    for photo, face in zip(photos, together, strict=True):
        face.save(arguments.out, photo.stem)
    spread = np.std([face.decoded.parts["identity"] for face in alone if face.decoded is not None], axis=0).mean()
    print(f"{len(photos)} faces in {arguments.out}; alone, their identities differed by {spread:.2f} deviations")
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
