"""Draws heads before and after: the network's crop as it is, and the mesh that people take away.

`python scripts/draw_heads.py docs/pictures` writes heads.jpg (the astronaut, NASA's portrait of Eileen Collins, public
domain), heads_synthetic.jpg (three synthetic faces that look aside), heads_full.jpg (head and shoulders of two of them)
and textures.jpg (their skin's).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from draw_gallery import around
from numpy.typing import NDArray
from skimage import data

from tfface.data.synthetic.sample import SyntheticSettings
from tfface.data.synthetic.scene import FaceGenerator
from tfface.geometry.rotation import matrix_to_euler
from tfface.inference import Reconstructor
from tfface.io.image import write_image
from tfface.io.model import Material, Model, NamedMesh
from tfface.result import FaceResult
from tfface.viz.model_view import model_view
from tfface.viz.sheet import contact_sheet

VIEWS = {"front": (0, 0), "35 degrees": (35, 0), "90 degrees": (90, 0), "from above": (15, 45), "from below": (0, -40)}
FULL_VIEWS = {"front": (0, 0), "35 degrees": (35, 0), "side": (90, 0), "behind": (180, 0), "from above": (20, 45)}
YAWS_DEG = (0.0, 20.0, 40.0)
FIRST_SEED = 300


def rows(result: FaceResult, size: int) -> tuple[list[NDArray[np.uint8]], list[str]]:
    """Two rows of views, before and after, and what is written under each."""
    mesh, head = result.mesh(textured=True), result.head("head")
    quads = np.pad(mesh.triangles, ((0, 0), (0, 1)), constant_values=-1)
    before = Model("before", [NamedMesh("skin", mesh.vertices, quads, Material("skin", texture=mesh.texture), mesh.uv)])
    pictures = [model_view(model, size, *view) for model in (before, head) for view in VIEWS.values()]
    return pictures, [f"{when}, {name}" for when in ("before", "after") for name in VIEWS]


def synthetic_faces() -> list[NDArray[np.uint8]]:
    """A picture for each of `YAWS_DEG`, of whoever looks that way first."""
    generator, found, seed = FaceGenerator(SyntheticSettings(image_size=512)), {}, FIRST_SEED
    while len(found) < len(YAWS_DEG):
        view = generator.pair(seed).front
        yaw = np.degrees(matrix_to_euler(view.camera.rotation)[0])
        for wanted in YAWS_DEG:
            if wanted not in found and abs(abs(yaw) - wanted) < 4:
                found[wanted] = view.image
                break
        seed += 1
    return [found[yaw] for yaw in YAWS_DEG]


def full(results: list[FaceResult], size: int) -> NDArray[np.uint8]:
    """A row of views of each head with its shoulders."""
    pictures = [model_view(result.head("full"), size, *view) for result in results for view in FULL_VIEWS.values()]
    return contact_sheet(pictures, list(FULL_VIEWS) * len(results), len(FULL_VIEWS), size)


def textures(results: list[FaceResult], size: int) -> NDArray[np.uint8]:
    """A row of each skin's texture: as photographed, where each texel is from, and without the photograph's light."""
    pictures, labels = [], ["photograph", "--texture photo", "seen, mirrored, made up", "--texture albedo"]
    for result in results:
        lit, unlit = result.skin(), result.skin(unlit=True)
        pictures += [around(result.image, result), lit.colours, lit.origin, unlit.colours]
    return contact_sheet(pictures, labels * len(results), len(labels), size)


def main(folder: Path, size: int = 300) -> None:
    """Writes the pictures."""
    reconstructor = Reconstructor()
    astronaut, others = data.astronaut(), synthetic_faces()
    results = [reconstructor(photograph)[0] for photograph in (astronaut, *others[:2])]
    write_image(folder / "heads_full.jpg", full(results[:2], size), result=True)
    write_image(folder / "textures.jpg", textures(results, size), result=True)
    for name, photographs in (("heads", [astronaut]), ("heads_synthetic", others)):
        pictures, labels = [], []
        for photograph in photographs:
            result = reconstructor(photograph)[0]
            for part, found in zip((pictures, labels), rows(result, size), strict=True):
                part += found
        write_image(folder / f"{name}.jpg", contact_sheet(pictures, labels, len(VIEWS), size), result=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
