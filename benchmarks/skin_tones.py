"""Whether dark skin is taken for something else more often than light skin, lit from one side.

`python benchmarks/skin_tones.py --out FILE` paints the same synthetic people, before the same camera and in the same
light, in skins of three tones, and makes their textures where the truth lies, so that no network's error counts. Per
tone, in per cent, mean over pictures: skin that the photograph shows and the texture does not take from it (lost); hair
that it takes for skin (kept); how far the brightness of `--texture albedo` is off over the face, one factor free; how
much brighter than the rest it is where skin was lost; and by how much that factor is more than 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import tyro
from numpy.typing import NDArray
from rich.progress import track

from tfface.data.synthetic.colour import linear_to_srgb
from tfface.data.synthetic.head.mesh import CLOTH, HAIR, LASH, SKIN
from tfface.data.synthetic.picture.background import sample_background
from tfface.data.synthetic.picture.camera_effects import photograph
from tfface.data.synthetic.picture.light import Light
from tfface.data.synthetic.picture.shade import fill_cut
from tfface.data.synthetic.sample import SyntheticSettings, sample_camera, stream
from tfface.data.synthetic.scene import FaceGenerator, Person
from tfface.face.head_uv import FRAME
from tfface.face.open_model import MAX_LEVEL, load_albedo_basis
from tfface.geometry.camera import Camera
from tfface.geometry.raster import rasterize
from tfface.io.files import write_text
from tfface.io.warp import sample_image
from tfface.viz.chart_albedo import END, chart_radius
from tfface.viz.skin import chart_values, skin_texture
from tfface.viz.unwrapped import skin_of_chart
from tfface.viz.visible import seen_vertices

FloatArray = NDArray[np.floating]
Mask = NDArray[np.bool_]
FIRST_SEED, SIZE, LEAST_TEXELS = 8_100_000, 256, 100
TONES = {"light": (35.0, 90.0), "middle": (0.0, 35.0), "dark": (-90.0, 0.0)}
"""Individual typology angles in degrees."""
COLUMNS = ("lost", "kept", "albedo off", "brighter where lost", "albedo's factor")
BARE = SyntheticSettings(
    image_size=384, front_yaw_deg=30, occluder=0, covered_mouth=0, scarf=0, hat=0, glasses=0, camera_strength=0.3
)


@dataclass(frozen=True)
class Arguments:
    """Measures by skin tone."""

    out: Path
    """The table, Markdown."""
    people: int = 42
    """In each tone."""


def side_light(rng: np.random.Generator) -> Light:
    """A white lamp from one side, in a room."""
    azimuth, elevation = np.radians([rng.choice([-1, 1]) * rng.uniform(45, 90), rng.uniform(-5, 40)])
    across = np.cos(elevation)
    lamp = np.array([np.sin(azimuth) * across, np.sin(elevation), np.cos(azimuth) * across], np.float32)
    harmonics = np.zeros((9, 3), np.float32)
    harmonics[0] = rng.uniform(0.25, 0.6) / 0.282095 / np.pi
    strength, softness, hollow = rng.uniform(0.3, 1.0), rng.uniform(0.1, 0.9), rng.uniform(0.2, 0.8)
    return Light(harmonics, lamp, np.full(3, strength, np.float32), softness, 1.0, hollow)


def painted(generator: FaceGenerator, person: Person, skin: int, light: Light) -> Person:
    """The person with a skin (and its hair's colour) of the bank."""
    bank, colours = generator.bank, person.colours.copy()
    colours[SKIN], colours[HAIR], colours[LASH] = bank.base[skin], bank.hair[skin], 0.3 * bank.hair[skin]
    return replace(person, texture=np.ascontiguousarray(bank.textures[skin]), colours=colours, light=light)


def picture(generator: FaceGenerator, person: Person, camera: Camera, seed: int) -> NDArray[np.uint8]:
    """As `FaceGenerator` takes it."""
    radiance, visible, _, brightness = generator.render(person, camera)
    behind = 0.8 * sample_background(np.random.default_rng(seed), BARE.image_size, "")
    lit = np.asarray(radiance * (0.36 / max(brightness, 0.01)) + behind * (1 - visible[..., None]), np.float32)
    return photograph(lit, 1.0, np.random.default_rng(seed), BARE.camera_strength)


def what_is_seen(person: Person, camera: Camera) -> tuple[Mask, Mask]:
    """Pixels `[S,S]` of skin without hair's shade in it, and of hair."""
    mesh, points = person.mesh, camera.project(person.mesh.vertices)
    hit, weights, depth = rasterize(points, mesh.triangles[: mesh.num_solid], BARE.image_size, BARE.image_size)
    rag = np.float32(person.rag)
    fill_cut(points, mesh.triangles, mesh.num_solid, mesh.attributes, person.strands, rag, hit, weights, depth)
    attributes = (mesh.attributes[mesh.triangles[hit]] * weights[..., None]).sum(-2)
    kind = np.where(hit >= 0, mesh.material[hit], 255)
    kind[(kind == CLOTH) & (attributes[..., 3] < 0)] = SKIN
    return np.isin(kind, (SKIN, LASH)) & (attributes[..., 2] * person.scalp < 0.15), kind == HAIR


def measured(generator: FaceGenerator, person: Person, camera: Camera, seed: int) -> list[float]:
    """`COLUMNS` of one picture, as shares."""
    image, surface = picture(generator, person, camera, seed), generator.face.head(MAX_LEVEL)
    cage = generator.face.cage(person.identity, person.expression)
    points = np.asarray(camera.project(surface.vertices(cage)), np.float32)
    visible = seen_vertices(points)
    made = skin_texture(image, points, load_albedo_basis(), None, SIZE, True, visible)
    places = chart_values(np.concatenate([points[:, :2], visible[:, None]], axis=1), SIZE)
    face = chart_radius(SIZE) < END[0]
    inner = round(FRAME * (SIZE - 1))
    skin = np.pad(cv2.resize(skin_of_chart(256), (SIZE - 2 * inner,) * 2), inner) > 0.5
    shown = [sample_image(as_picture(part), places)[..., 0] for part in what_is_seen(person, camera)]
    bare, hair = (face & (places[..., 2] > 0.6) & (part > 240) for part in shown)
    bare &= skin
    green = made.origin[..., 1] > 127
    true = np.pad(cv2.resize(linear_to_srgb(person.albedo), (SIZE - 2 * inner,) * 2), [(inner, inner)] * 2 + [(0, 0)])
    off = np.log((grey(made.colours) + 8) / (255 * grey(true) + 8))
    factor = np.median(off[face & skin])
    off -= factor
    kept, brighter = some_mean(green, hair), some_mean(off, bare & ~green)
    return [1 - green[bare].mean(), kept, np.abs(off[face & skin]).mean(), brighter, np.expm1(factor)]


def some_mean(values: NDArray[np.generic], where: Mask) -> float:
    """Their mean there; NaN where there is hardly anything."""
    return float(values[where].mean()) if np.count_nonzero(where) >= LEAST_TEXELS else np.nan


def as_picture(mask: Mask) -> NDArray[np.uint8]:
    """255 where it is true."""
    return np.repeat(np.asarray(mask, np.uint8)[..., None] * np.uint8(255), 3, -1)


def grey(colours: FloatArray | NDArray[np.uint8]) -> FloatArray:
    """Luma of sRGB values `[...,3]`."""
    return np.asarray(colours @ np.array([0.3, 0.59, 0.11]))


def people(count: int) -> Iterator[tuple[str, list[float]]]:
    """Each person's numbers in each tone."""
    generator = FaceGenerator(BARE)
    angles = generator.bank.labels[:, 1]
    for number in track(range(count), "people"):
        seed = FIRST_SEED + number
        person, light = generator.person(seed), side_light(np.random.default_rng(seed))
        camera = sample_camera(stream(seed, "view front"), BARE, False, person.landmarks, generator.face.centre)
        for tone, (low, high) in TONES.items():
            skins = np.flatnonzero((angles > low) & (angles <= high))
            skin = int(skins[37 * number % len(skins)])
            yield tone, measured(generator, painted(generator, person, skin, light), camera, seed)


def main(arguments: Arguments) -> None:
    """Writes the table."""
    rows: dict[str, list[list[float]]] = {tone: [] for tone in TONES}
    for tone, numbers in people(arguments.people):
        rows[tone].append(numbers)
    lines = [
        "| skin | pictures | a fifth lost | " + " | ".join(COLUMNS) + " |",
        "| --- |" + " ---: |" * (2 + len(COLUMNS)),
    ]
    for tone, found in rows.items():
        shares = " | ".join(f"{100 * value:.1f}" for value in np.nanmean(found, axis=0))
        lines.append(f"| {tone} | {len(found)} | {sum(row[0] > 0.2 for row in found)} | {shares} |")
    write_text(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Arguments))
