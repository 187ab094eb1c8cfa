"""Draws the pictures of docs/detail.md.

`python scripts/draw_detail.py docs/pictures NETWORK` writes wrinkles.jpg (synthetic people at rest, brows raised,
smiling, frowning, and the last one's relief), detail.jpg (the astronaut, NASA's portrait of Eileen Collins, public
domain, and two synthetic people: photograph, base, detail, its albedo, and both meshes turned), strength.jpg (the base
and three strengths) and freckles.jpg (people who are measured, with spots painted into their photographs).
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage import data

from tfface.data.synthetic.scene import FaceGenerator
from tfface.detailing import Detailer
from tfface.evaluation.detail import displaced, people, spotted
from tfface.inference import Reconstructor
from tfface.io.image import write_image
from tfface.result import FaceResult
from tfface.training.detail_shards import DETAIL_SETTINGS, DetailMaker
from tfface.viz.detail import STRENGTH
from tfface.viz.detail_view import DetailView
from tfface.viz.model_view import model_view
from tfface.viz.sheet import contact_sheet
from tfface.viz.unwrapped import detailed_normals, unwrap

SETTINGS = replace(
    DETAIL_SETTINGS.clean(), **{"front_yaw_deg": 12.0, "pitch_std_deg": 4.0, "roll_std_deg": 3.0},
    **{"enlarge": 1.0, "centre_jitter": 0.0, "size_jitter": (1.0, 1.0)},
)  # fmt: skip
FACES = {
    "at rest": {},
    "brows raised": {"browInnerUp": 0.9, "browOuterUp": 0.8},
    "smiling": {"mouthSmile": 0.9, "cheekSquint": 0.6, "eyeSquint": 0.5},
    "frowning": {"browDown": 0.9, "noseSneer": 0.6},
}
AGES = (0.15, 0.45, 0.7)
SHOWN_MM = 1.0
STRENGTHS = (1.0, STRENGTH, 2.5)
FRECKLED = (1, 2)
"""Of the people who are measured."""


def generator() -> FaceGenerator:
    """Of clean portraits."""
    return FaceGenerator(replace(SETTINGS, glasses=0.0, fringe=0.0, hanging_beard=0.0))


def wrinkles(faces: FaceGenerator, size: int) -> NDArray[np.uint8]:
    """A row for each of `AGES`."""
    cells, names, seed = [], [], 0
    for age in AGES:
        while faces.person(seed).labels["age"] < age:
            seed += 1
        for name, weights in FACES.items():
            person = faces.person(seed, expression_of(faces, weights))
            cells.append(photographed(faces, seed, weights))
            names.append(name)
        assert person.displacement is not None
        grey = np.clip(127.5 + 127.5 * person.displacement / SHOWN_MM, 0, 255).astype(np.uint8)
        cells.append(np.repeat(grey[..., None], 3, axis=-1))
        names.append("its relief, black -1 mm")
        seed += 1
    return contact_sheet(cells, names, len(FACES) + 1, size)


def expression_of(faces: FaceGenerator, weights: dict[str, float]) -> NDArray[np.float32]:
    """`[52]` weights of names that begin like these."""
    names = faces.face.expression_names
    return np.array([next((w for n, w in weights.items() if name.startswith(n)), 0.0) for name in names], np.float32)


def photographed(faces: FaceGenerator, seed: int, weights: dict[str, float]) -> NDArray[np.uint8]:
    """A person with an expression, before their own camera."""
    person = faces.person(seed, expression_of(faces, weights))
    view, _ = faces.photograph(seed, seed)
    radiance, visible, _, brightness = faces.render(person, view.camera)
    shown = radiance * np.float32(0.36 / max(brightness, 0.01)) + 0.6 * (1 - visible[..., None])
    return np.asarray(np.clip(shown, 0, 1) ** (1 / 2.2) * 255, np.uint8)


def detailed(result: FaceResult, detailer: Detailer, size: int) -> list[NDArray[np.uint8]]:
    """Photograph, base and detail as clay, albedo, and both meshes from the side."""
    assert result.decoded is not None
    base, face = unwrap(result.image, result.vertices, result.decoded), detailer(result)
    assert face.detail is not None
    view = DetailView(result.image, result.vertices, size)
    normals = detailed_normals(base.position, base.normal, face.detail.displacement)
    sides = [model_view(one.head("face", 2), size, 35.0, skin_as_clay=True) for one in (result, face)]
    albedo = view.colours(np.clip(base.albedo + face.detail.albedo, 0, 1))
    return [view.photograph, view.clay(base.normal), view.clay(normals), albedo, *sides]


def strengths(results: list[FaceResult], network: str, size: int) -> NDArray[np.uint8]:
    """A row for each: photograph, base, and the detail of `STRENGTHS`."""
    cells = []
    for result in results:
        assert result.decoded is not None
        base, view = (
            unwrap(result.image, result.vertices, result.decoded),
            DetailView(result.image, result.vertices, size),
        )
        cells += [view.photograph, view.clay(base.normal)]
        for strength in STRENGTHS:
            displacement = Detailer(network, strength=strength).of(base).displacement
            cells.append(view.clay(detailed_normals(base.position, base.normal, displacement)))
    names = ["photograph", "base", *(f"--detail-strength {strength:g}" for strength in STRENGTHS)]
    return contact_sheet(cells, names * len(results), len(names), size)


def freckles(detailer: Detailer, numbers: tuple[int, ...], size: int) -> NDArray[np.uint8]:
    """A row for each of these people of the benchmark: with spots, base, detail without spots and with them."""
    cells = []
    for number, shown in enumerate(people(DetailMaker("rnet_points", DETAIL_SETTINGS), max(numbers) + 1)):
        if number in numbers:
            spots, _ = spotted(shown, number)
            view = DetailView(spots.result.image, spots.result.vertices, size)
            surfaces = [displaced(one, detailer.of(one.base)) for one in (shown, spots)]
            normals = [shown.base.normal, *(surface.unwrapped.normal for surface in surfaces)]
            cells += [view.photograph, *map(view.clay, normals)]
    names = ["sixty spots", "base", "detail without spots", "detail with spots"]
    return contact_sheet(cells, names * len(numbers), len(names), size)


def main(folder: Path, network: str, size: int = 300) -> None:
    """Writes the pictures; `network` is of detail."""
    faces = generator()
    write_image(folder / "wrinkles.jpg", wrinkles(faces, size), result=True)
    reconstruct, detailer = Reconstructor("rnet_points"), Detailer(network)
    raised, smiling = (list(FACES.values())[number] for number in (1, 2))
    photographs = [data.astronaut(), photographed(faces, 8, raised), photographed(faces, 4, smiling)]
    results = [reconstruct(photo)[0] for photo in photographs]
    cells = [cell for result in results for cell in detailed(result, detailer, size)]
    names = ["photograph", "base", "with detail", "albedo", "base's mesh", "detailed mesh"] * len(photographs)
    write_image(folder / "detail.jpg", contact_sheet(cells, names, 6, size), result=True)
    write_image(folder / "strength.jpg", strengths(results, network, size), result=True)
    write_image(folder / "freckles.jpg", freckles(detailer, FRECKLED, size), result=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
