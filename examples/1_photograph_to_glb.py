"""A photograph to textured 3D faces: `python examples/1_photograph_to_glb.py [PHOTO] [--out DIR]`.

Each face becomes a .glb, which Blender and three.js open. Millimetres become metres there, as glTF wants it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import samples

import tfface
from tfface.cli import run
from tfface.io.mesh import write_mesh


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", nargs="?", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/examples/1"))
    arguments = parser.parse_args(argv)
    photo = arguments.photo or samples.portrait(arguments.out)

    reconstruct = tfface.Reconstructor()
    for number, face in enumerate(reconstruct(tfface.read_image(photo))):
        target = arguments.out / f"{photo.stem}_{number}.glb"
        write_mesh(target, face.mesh(textured=True))
        yaw, pitch, roll = face.pose.degrees
        print(f"{target}: yaw {yaw:.0f}, pitch {pitch:.0f}, roll {roll:.0f} degrees")
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
