"""Draws the gallery: ten photographs and their heads from four sides, and the pictures that go worst.

`python scripts/draw_gallery.py docs/pictures --photographs DIR` takes every picture in DIR, in the order of names;
an empty DIR is filled first: the astronaut (NASA, public domain) and synthetic people, each the first of the seeds whom
a line of `WANTED` fits. `--earlier DIR2` draws the `NAME.glb` there, of an earlier version, above each row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray
from rich.progress import track
from skimage import data

from tfface.data.synthetic.sample import SyntheticSettings
from tfface.data.synthetic.scene import FaceGenerator, SyntheticPair, SyntheticView
from tfface.errors import UserError
from tfface.geometry.rotation import matrix_to_euler
from tfface.inference import Reconstructor
from tfface.io.image import list_images, read_image, write_image
from tfface.io.mesh import read_mesh
from tfface.io.model import Material, Model, NamedMesh
from tfface.metrics.landmarks import box_area_root, nme_2d
from tfface.result import FaceResult
from tfface.viz.model_view import model_view
from tfface.viz.sheet import contact_sheet

VIEWS = {"front": (0, 0), "35 degrees": (35, 0), "90 degrees": (90, 0), "from above": (15, 45)}
FIRST_SEED, PICTURES = 7_000_000, 120

Image = NDArray[np.uint8]
Wanted = Callable[[dict[str, float], float], bool]
"""Of labels and expression weights by name, and the absolute yaw in degrees."""

WANTED: dict[str, Wanted] = {
    "mouth open, turned": lambda person, yaw: person["jawOpen"] > 0.5 and 25 < yaw < 40,
    "beard": lambda person, yaw: person["beard"] > 0.6 and yaw < 20 and person["ita_deg"] > 30,
    "glasses": lambda person, yaw: bool(person["glasses"]) and 15 < yaw < 35,
    "dark skin": lambda person, yaw: person["ita_deg"] < -35 and yaw < 25,
    "eyes shut": lambda person, yaw: min(person["eyeBlinkLeft"], person["eyeBlinkRight"]) > 0.7 and yaw < 25,
    "hat": lambda person, yaw: bool(person["hat"]) and yaw < 25,
    "old, turned": lambda person, yaw: person["age"] > 0.8 and 35 < yaw < 45,
    "profile": lambda person, yaw: 75 < yaw < 90,
    "wide smile": lambda person, yaw: (
        min(person["mouthSmileLeft"], person["mouthUpperUpLeft"]) > 0.5 and not person["glasses"] and yaw < 15
    ),
}


@dataclass(frozen=True)
class Arguments:
    """Draws gallery.jpg and gallery_failures.jpg."""

    out: tyro.conf.Positional[Path]
    """Folder for the two pictures."""
    photographs: Path
    """Folder of photographs; filled when it is empty or missing."""
    earlier: Path | None = None
    """Folder with the NAME.glb of an earlier version."""
    size: int = 260
    """Side of one picture in pixels."""


def traits(generator: FaceGenerator, pair: SyntheticPair) -> dict[str, float]:
    """Labels and expression weights of a person by name."""
    return pair.labels | dict(zip(generator.face.expression_names, pair.expression.tolist(), strict=True))


def views(generator: FaceGenerator) -> Iterator[tuple[SyntheticPair, SyntheticView]]:
    """Both views of one person after the other."""
    for seed in range(FIRST_SEED, FIRST_SEED + 2000):
        pair = generator.pair(seed)
        yield pair, pair.front
        yield pair, pair.side


def draw_photographs(folder: Path) -> None:
    """The astronaut, and the first synthetic picture that each line of `WANTED` fits."""
    folder.mkdir(parents=True, exist_ok=True)
    write_image(folder / "astronaut.png", data.astronaut())
    bare = SyntheticSettings(image_size=512, occluder=0.0, covered_mouth=0.0, scarf=0.0, camera_strength=0.3)
    generator = FaceGenerator(bare)
    missing = dict(WANTED)
    for pair, view in views(generator):
        yaw = abs(np.degrees(matrix_to_euler(view.camera.rotation)[0]))
        fits = [name for name, wanted in missing.items() if wanted(traits(generator, pair), yaw)]
        for name in fits[:1]:
            write_image(folder / f"{name}.png", view.image)
            del missing[name]
        if not missing:
            return


def drawn(model: Model, size: int) -> list[Image]:
    """A model from every side."""
    return [model_view(model, size, *view) for view in VIEWS.values()]


def earlier_model(path: Path) -> Model:
    """The first mesh of another version's GLB."""
    mesh = read_mesh(path)
    quads = np.pad(mesh.triangles, ((0, 0), (0, 1)), constant_values=-1)
    skin = Material("skin", texture=mesh.texture)
    return Model("earlier", [NamedMesh("skin", mesh.vertices, quads, skin, mesh.uv)])


def around(image: Image, result: FaceResult) -> Image:
    """The photograph, as much of it as shows the head."""
    left, top, right, bottom = result.box
    middle, half = ((left + right) / 2, (top + bottom) / 2), 0.75 * max(right - left, bottom - top)
    rows = slice(max(int(middle[1] - half), 0), int(middle[1] + half))
    return image[rows, max(int(middle[0] - half), 0) : int(middle[0] + half)]


def gallery(arguments: Arguments, reconstructor: Reconstructor) -> Image:
    """A row for each photograph: itself, and its head from every side; above it the earlier version's."""
    pictures, labels = [], []
    for path in track(list_images(arguments.photographs), "heads"):
        image = read_image(path)
        found = reconstructor(image)
        crop = around(image, found[0])
        before = None if arguments.earlier is None else arguments.earlier / f"{path.stem}.glb"
        if before is not None and before.is_file():
            pictures += [crop, *drawn(earlier_model(before), arguments.size)]
            labels += [f"{path.stem}, before", *VIEWS]
        pictures += [crop, *drawn(found[0].head("head"), arguments.size)]
        labels += [path.stem, *VIEWS]
    return contact_sheet(pictures, labels, 1 + len(VIEWS), arguments.size)


def failures(reconstructor: Reconstructor, size: int, rows: int = 4) -> Image:
    """Of `PICTURES` hard pictures those that went worst, with their errors, and how many had no face found."""
    generator = FaceGenerator(SyntheticSettings(image_size=512))
    worst: list[tuple[float, Image, FaceResult]] = []
    missed: list[Image] = []
    for pair, view in track(islice(views(generator), PICTURES), "failures", total=PICTURES):
        try:
            found = reconstructor(view.image)
        except UserError:  # no face was found
            missed.append(view.image)
            continue
        truth = generator.landmarks(pair, view)[None]
        error = float(nme_2d(found[0].landmarks68[None], truth, box_area_root(truth))[0])
        worst = sorted([*worst, (error, view.image, found[0])], key=lambda each: -each[0])[:rows]
    pictures, labels = [], []
    for error, image, result in worst:
        pictures += [image, *drawn(result.head("head"), size)]
        labels += [f"{error:.0f} % of the face", *VIEWS]
    pictures += missed[: 1 + len(VIEWS)]
    labels += [f"no face found ({len(missed)} of {PICTURES})"] * len(missed[: 1 + len(VIEWS)])
    return contact_sheet(pictures, labels, 1 + len(VIEWS), size)


def main(arguments: Arguments) -> None:
    """Writes both pictures."""
    if not arguments.photographs.is_dir() or not any(arguments.photographs.iterdir()):
        draw_photographs(arguments.photographs)
    reconstructor = Reconstructor()
    write_image(arguments.out / "gallery.jpg", gallery(arguments, reconstructor), result=True)
    write_image(arguments.out / "gallery_failures.jpg", failures(reconstructor, arguments.size), result=True)


if __name__ == "__main__":
    main(tyro.cli(Arguments))
