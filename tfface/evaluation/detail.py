"""`evaluate --benchmark detail`: what detail adds to a base, on synthetic people with wrinkles who were never seen.

For each face, base and detailed surface alike: the angle between its normals and the true ones (wrinkles included) on
the skin that the photograph shows, after the similarity that fits the surface to the true one best; how far it lies
from the true surface there; how far all of the face's vertices lie from the true ones after a similarity; how far
the photograph's colours are from albedo times light; and how well lines are followed: the correlation of what is finer
than some texels, in what is added to the base and in what the true surface has over it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.detailing import Detailer
from tfface.evaluation import page
from tfface.evaluation.synthetic import EVALUATION_SEED
from tfface.face.open_model import load_open_face
from tfface.face.position_map import position_tables
from tfface.geometry.align import CROP_SIZE, crop_transform
from tfface.geometry.raster import vertex_normals
from tfface.io.files import MARK, write_text
from tfface.io.image import write_image
from tfface.io.warp import warp_image
from tfface.losses.detail import LARGEST_LINE, LINE_TEXELS
from tfface.metrics.reconstruction import known_correspondence
from tfface.result import FaceResult
from tfface.runtime import Network, find_network
from tfface.training.detail_shards import DETAIL_SETTINGS, DetailMaker
from tfface.training.detail_truth import DetailTruth, TrueFace, angle_deg
from tfface.viz.base_crop import MM_PER_UNIT, base_of
from tfface.viz.detail import Detail
from tfface.viz.detail_view import DetailView
from tfface.viz.sheet import contact_sheet
from tfface.viz.texture import sample_photo
from tfface.viz.unwrapped import Unwrapped, detailed_normals, unit, unwrap

FloatArray = NDArray[np.floating]
SHOWN = 6
"""People in the picture."""
FIGURES = ("normal_deg", "surface_mm", "shape_mm", "photometric", "freckle_deg", "lines")
SPOTS, SPOT_TEXELS, SPOT_DARKER = 60, 2.0, 0.35
"""Painted freckles: how many a chart, their radius in texels of 256, and how much darker than the skin."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A face on trial: the base, the true face, and what photograph and base are.

    Attributes:
        base: unrolled; truth: of it.
        result: the base's answer.
        true: looks truth up for other surfaces.
        vertices: `[53833,3]` true ones, mm.
    """

    base: Unwrapped
    result: FaceResult
    true: TrueFace
    vertices: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Surface:
    """A surface on trial: a base moved in the camera's axes.

    Attributes:
        unwrapped: where it lies, its normals, its albedo.
        vertices: `[53833,3]` the same as vertices, mm.
    """

    unwrapped: Unwrapped
    vertices: FloatArray


Method = Callable[[Shown], Surface]


def people(maker: DetailMaker, count: int) -> Iterable[Shown]:
    """Held-out people and what the base says of their photographs."""
    face = load_open_face()
    for seed in range(EVALUATION_SEED, EVALUATION_SEED + count):
        view, person, result = maker.seen(seed)
        assert result.decoded is not None
        base = unwrap(view.image, result.vertices, result.decoded)
        vertices = face.face(2).vertices(face.cage(person.identity, person.expression))
        yield Shown(base, result, TrueFace(person, view.camera, len(view.image)), vertices)


def as_it_is(shown: Shown) -> Surface:
    """The base alone."""
    assert shown.result.decoded is not None
    return Surface(shown.base, shown.result.decoded.turned)


def with_detailer(detailer: Detailer) -> Method:
    """The base with what a network in the chart says."""
    return lambda shown: displaced(shown, detailer.of(shown.base))


def displaced(shown: Shown, detail: Detail) -> Surface:
    """The base with a detail."""
    base, along = shown.base, detail.displacement
    normal = detailed_normals(base.position, base.normal, along)
    turned = as_it_is(shown).vertices
    share = position_tables(len(along)).to_vertices(along[..., None])
    moved = turned + share * vertex_normals(turned, load_open_face().face(2).triangles)
    return Surface(_moved(shown, base.normal * along[..., None], normal, detail.albedo), moved)


def offset(shown: Shown, albedo: FloatArray, shape_mm: FloatArray) -> Surface:
    """The base with offsets of maps in its crop `[S,S,3]` (Fan): of albedo, and of shape in mm in the camera's axes."""
    base, box = shown.base, shown.result.box
    u, v = (
        np.asarray((base.places[..., k] - box[k]) / (box[2] - box[0]) * len(albedo) - 0.5, np.float32) for k in range(2)
    )
    colours, moves = (
        np.asarray(cv2.remap(part.astype(np.float32), u, v, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE), np.float32)
        for part in (albedo, shape_mm)
    )
    down, right = np.gradient(base.position + moves, axis=(0, 1))
    normal = unit(np.cross(right, -down))
    normal = normal * np.where(np.sum(normal * base.normal, axis=-1, keepdims=True) < 0, -1, 1)
    return Surface(
        _moved(shown, moves, normal, colours), as_it_is(shown).vertices + position_tables(len(moves)).to_vertices(moves)
    )


def with_offsets(network: Network) -> Method:
    """The base with what a network of `model.space` picture says."""
    serve, size = network.open(), int(network.card["image_size"])

    def method(shown: Shown) -> Surface:
        result = shown.result
        assert result.decoded is not None
        crop = warp_image(result.image, crop_transform(result.box, size), size, size) / np.float32(255)
        inputs = np.concatenate([crop, base_of(result.decoded, size)["render"]], axis=-1)[None]
        answer = serve(np.asarray(inputs, np.float32))
        return offset(shown, answer["albedo"][0], MM_PER_UNIT * answer["shape"][0])

    return method


def method_of(name: str) -> Method:
    """The method that a network's name or folder means."""
    network = find_network(name)
    if network.card.get("space") == "picture":
        return with_offsets(network)
    return with_detailer(Detailer(network))


def _moved(shown: Shown, moves: FloatArray, normal: FloatArray, albedo: FloatArray) -> Unwrapped:
    base, decoded = shown.base, shown.result.decoded
    assert decoded is not None
    per_mm = decoded.camera.pixels_per_mm * (shown.result.box[2] - shown.result.box[0]) / CROP_SIZE
    return replace(
        base,
        position=np.asarray(base.position + moves, np.float32),
        normal=np.asarray(normal, np.float32),
        places=np.asarray(base.places + per_mm * moves * [1, -1, 1], np.float32),
        albedo=np.asarray(np.clip(base.albedo + albedo, 0, 1), np.float32),
    )


def measured(shown: Shown, surface: Surface) -> tuple[dict[str, float], DetailTruth]:
    """The figures of a surface, and its truth."""
    there, decoded = surface.unwrapped, shown.result.decoded
    assert decoded is not None
    truth = shown.true.seen_by(there)
    weight = truth.weight
    colours = np.clip(there.albedo * decoded.shading(there.normal), 0, 1)
    face = load_open_face().regions > 0
    figures = {
        "normal_deg": _mean(angle_deg(there.normal, truth.normal), weight),
        "surface_mm": _mean(np.abs(truth.displacement), weight),
        "shape_mm": float(known_correspondence(surface.vertices[face], shown.vertices[face]).mean()),
        "photometric": _mean(np.linalg.norm(colours - there.photo, axis=-1), weight),
    }
    return figures, truth


def lines_followed(shown: Shown, surface: Surface, truth: DetailTruth) -> float:
    """Correlation of lines, on the skin that the photograph shows; `truth` is the base's. 0 for the base itself."""
    added = np.sum((surface.unwrapped.position - shown.base.position) * shown.base.normal, axis=-1)
    inside = cv2.erode(truth.weight, np.ones((9, 9), np.uint8)) > 0.9
    mine, true = (_lines(each)[inside] for each in (added, truth.displacement))
    size = float(np.sqrt((mine**2).sum() * (true**2).sum()))
    return float((mine * true).sum()) / size if size > 0 else 0.0


def _lines(displacement: FloatArray) -> NDArray[np.float32]:
    """What `losses.detail.lines` counts of it, in mm."""
    around = np.asarray(displacement, np.float32)
    for _ in range(2):
        around = np.asarray(cv2.blur(around, (LINE_TEXELS, LINE_TEXELS)), np.float32)
    return np.clip(displacement - around, -LARGEST_LINE / 10, LARGEST_LINE / 10).astype(np.float32)


def spotted(shown: Shown, seed: int) -> tuple[Shown, NDArray[np.float32]]:
    """The same face with freckles painted into the photograph, and where they are `[R,R]`."""
    base, rng = shown.base, np.random.default_rng(seed)
    rows, columns = np.nonzero(base.seen > 0.9)
    chosen = rng.choice(len(rows), min(SPOTS, len(rows)), replace=False)
    where, image = np.zeros(base.seen.shape, np.float32), shown.result.image.copy()
    per_texel = np.linalg.norm(np.gradient(base.places[..., :2], axis=1), axis=-1)
    for row, column in zip(rows[chosen], columns[chosen], strict=True):
        cv2.circle(where, (int(column), int(row)), round(SPOT_TEXELS), 1.0, -1)
        _darken(image, base.places[row, column, :2], max(SPOT_TEXELS * float(per_texel[row, column]), 0.8))
    photo = sample_photo(image, base.places)
    return replace(shown, base=replace(base, photo=photo), result=replace(shown.result, image=image)), where


def _darken(image: NDArray[np.uint8], place: FloatArray, radius: float) -> None:
    """A round spot at a place (u, v), in the image itself."""
    rows, columns = (slice(max(int(c - radius - 2), 0), max(int(c + radius + 3), 0)) for c in place[::-1])
    part = image[rows, columns]
    v, u = np.mgrid[: part.shape[0], : part.shape[1]] + 0.5
    inside = np.clip(radius + 0.5 - np.hypot(u + columns.start - place[0], v + rows.start - place[1]), 0, 1)
    image[rows, columns] = np.uint8(part * (1 - SPOT_DARKER * inside[..., None]))


def _mean(values: FloatArray, weight: FloatArray) -> float:
    return float((values * weight).sum() / max(float(weight.sum()), 1e-6))


@dataclass(frozen=True, eq=False)
class Outcome:
    """What an evaluation comes to.

    Attributes:
        rows: the figures of each person, by method; the base's first.
        pictures: a few people: photograph, then the surface and the albedo of each method, and the true surface.
    """

    rows: dict[str, list[dict[str, float]]]
    pictures: NDArray[np.uint8]

    def means(self) -> dict[str, dict[str, float]]:
        """Over people."""
        return {
            n: {key: float(np.mean([row[key] for row in each])) for key in FIGURES} for n, each in self.rows.items()
        }


def run(
    methods: dict[str, Method],
    count: int,
    base: str,
    track: Callable[[Iterable[Any], int], Iterable[Any]] = lambda items, _: items,
) -> Outcome:
    """Tries the base, and each method on it, on `count` people."""
    tried: dict[str, Method] = {"base": as_it_is, **methods}
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in tried}
    cells: list[NDArray[np.uint8]] = []
    for number, shown in enumerate(track(people(DetailMaker(base, DETAIL_SETTINGS), count), count)):
        view = DetailView(shown.result.image, shown.result.vertices) if number < SHOWN else None
        cells += [] if view is None else [view.photograph]
        freckled, where = spotted(shown, number)
        behind = shown.true.seen_by(shown.base)
        for name, method in tried.items():
            surface = method(shown)
            figures, truth = measured(shown, surface)
            normals = surface.unwrapped.normal, method(freckled).unwrapped.normal
            figures["freckle_deg"] = _mean(angle_deg(*normals), where * truth.weight)
            figures["lines"] = lines_followed(shown, surface, behind)
            rows[name].append(figures)
            if view is not None:
                cells += [view.clay(surface.unwrapped.normal), view.colours(surface.unwrapped.albedo)]
        if view is not None:
            weight = truth.weight[..., None]
            cells.append(view.clay(weight * truth.normal + (1 - weight) * shown.base.normal))
    names = ["photograph", *(f"{name}{part}" for name in tried for part in ("", ", albedo")), "true"]
    sheet = contact_sheet(cells, names * min(count, SHOWN), len(names), len(cells[0]))
    return Outcome(rows, sheet)


def write_report(out: Path, outcome: Outcome, base: str, count: int) -> dict[str, Any]:
    """Writes results.json, detail.jpg and report.html into `out`; what results.json holds."""
    protocol = (
        f"{count} synthetic persons with wrinkles from seed {EVALUATION_SEED} on, one photograph each; base {base}, "
        "one look at the true landmarks' box, jittered; normals and surface on the skin that is seen, shape on all "
        "vertices of the face; photometric: mean length of the colour difference, in [0,1]; freckles: how much "
        "normals turn where spots are painted into the photograph; lines: correlation of what is finer than "
        f"means of {LINE_TEXELS} texels over means of {LINE_TEXELS}, with the true surface"
    )
    means = outcome.means()
    summary = {"benchmark": "detail", "models": means, "people": outcome.rows, "protocol": protocol}
    write_text(out / "results.json", json.dumps({"software": MARK, **summary, "versions": page.versions()}, indent=1))
    write_image(out / "detail.jpg", outcome.pictures, result=True)
    head, rows = table(means)
    write_text(out / "report.html", page.page("detail", page.table(head, rows), page.paragraph(protocol)))
    return summary


def table(means: dict[str, dict[str, float]]) -> tuple[list[str], list[list[str]]]:
    """Head and rows; in brackets the difference from the base."""
    base, rows = means["base"], []
    for name, figures in means.items():
        changes = [f"{figures[key]:.3f} ({100 * (figures[key] / base[key] - 1):+.1f} %)" for key in FIGURES[:-2]]
        rows.append([name, *changes, f"{figures['freckle_deg']:.2f}", f"{figures['lines']:.2f}"])
    return ["", "normals, degrees", "seen surface, mm", "shape, mm", "photometric", "freckles, degrees", "lines"], rows
