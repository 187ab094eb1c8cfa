"""The NoW challenge (Sanyal et al. 2019), in the folders that its authors give out.

    imagepathsvalidation.txt (or imagepathstest.txt)   SUBJECT/CHALLENGE/IMAGE.jpg, a line each
    iphone_pictures/SUBJECT/CHALLENGE/IMAGE.jpg
    scans/SUBJECT/*.obj
    scans_lmks_onlypp/SUBJECT/*.pp                     7 points: eye corners, under the nose, mouth corners

Peers' folders hold `SUBJECT/CHALLENGE/IMAGE.obj` (or `.ply`) with the 7 points as `.npy` or `.txt`. The dataset's own
boxes are pickled files, which are never opened: faces are found by our detector.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError, item_error
from tfface.evaluation.scan_files import check_millimetres
from tfface.evaluation.scans import BASELINE, mean_surface
from tfface.face.open_model import load_open_face
from tfface.io.image import read_image
from tfface.io.landmarks import read_points
from tfface.io.mesh import read_mesh
from tfface.io.reading import files_in, read_text, reading, sibling
from tfface.metrics.reconstruction import NOW_LANDMARKS, now_distances

FloatArray = NDArray[np.floating]
LISTS = ("imagepathsvalidation.txt", "imagepathstest.txt")
PROTOCOL = (
    "NoW, non-metrical: a similarity from 7 landmarks, refined by scan-to-mesh distance, over the scan points within "
    "0.7 (outer eye distance + nose height) of the face's centre; distances in mm of all scan points of all images "
    "together. Images without a prediction are in no figure but `failed`."
)


@dataclass(frozen=True)
class NowItem:
    """An image of the challenge and the scan of its person."""

    subject: str
    challenge: str
    image: Path
    scan: Path
    points: Path

    @property
    def name(self) -> str:
        """SUBJECT/CHALLENGE/IMAGE."""
        return f"{self.subject}/{self.challenge}/{self.image.stem}"


@dataclass
class NowColumn:
    """One method: distances in mm `[N]` by image, and why others are missing."""

    distances: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


Answer = tuple[FloatArray, NDArray[np.integer], FloatArray]


def read_now(folder: Path, limit: int | None = None) -> tuple[list[NowItem], dict[str, str]]:
    """The images of the list that lies in `folder`, and those whose files are missing, and why.

    Raises:
        UserError: there is no list, or nothing of it is there.
    """
    file = next((folder / name for name in LISTS if (folder / name).is_file()), None)
    if file is None:
        raise UserError(f"{folder} holds neither {' nor '.join(LISTS)}; give the NoW folder with `data`")
    items: list[NowItem] = []
    broken = {}
    text = read_text(file, "NoW's list of pictures")
    for line in [line.strip() for line in text.splitlines() if line.strip()][:limit]:
        try:
            items.append(_item(folder, line))
        except Exception as error:
            broken[line] = item_error(error)
    if not items:
        raise UserError(f"nothing that {file} lists is there: {next(iter(broken.values()), 'it is empty')}")
    return items, broken


def _item(folder: Path, line: str) -> NowItem:
    parts = Path(line).parts
    if len(parts) < 3 or ".." in parts:
        raise UserError("the line is not SUBJECT/CHALLENGE/IMAGE")
    subject, challenge, name = parts[-3:]
    found = []
    for kind, suffix in (("scans", "obj"), ("scans_lmks_onlypp", "pp")):
        files = files_in(folder / kind / subject, "*", (f".{suffix}",))
        if not files:
            raise UserError(f"{kind}/{subject} holds no .{suffix} file")
        found.append(files[0])
    image = folder / "iphone_pictures" / subject / challenge / name
    return NowItem(subject, challenge, image, found[0], found[1])


def read_pp(file: Path) -> NDArray[np.float64]:
    """The points `[N,3]` that MeshLab picked, in their order."""
    points = []
    text = read_text(file, "MeshLab's points (.pp)")
    with reading(file, "MeshLab's points (.pp)"):
        for tag in re.findall(r"<point\b([^>]*)>", text):
            numbers = dict(re.findall(r'\b([xyz])="([^"]*)"', tag))
            points.append([float(numbers[axis]) for axis in "xyz"])
        return np.array(points, np.float64)


def evaluate_now(
    data: Path,
    networks: Iterable[Any] = (),
    peers: Path | None = None,
    limit: int | None = None,
    track: Callable[[list[Any], str], Iterable[Any]] = lambda items, what: items,
) -> dict[str, Any]:
    """Everything that `results.json` holds, and under `columns` the distances.

    Args:
        networks: `tfface.evaluation.networks.NetworkPredictor`s of one view.
        peers: a folder with a subfolder for each method.

    Raises:
        UserError: the data is not there, or a network takes two views.
    """
    items, broken = read_now(data, limit)
    answers: dict[str, Callable[[NowItem], Answer]] = {}
    for network in networks:
        if network.num_views != 1:
            raise UserError(f"{network.name} takes two views; NoW has single photographs: leave it out")
        answers[network.name] = partial(_ask, network)
    for folder in sorted(path for path in peers.iterdir() if path.is_dir()) if peers is not None else ():
        answers[folder.name] = partial(read_prediction, folder)
    mean = mean_surface(load_open_face())
    seven = mean.landmarks[list(NOW_LANDMARKS)]
    answers[BASELINE] = lambda item: (mean.vertices, mean.triangles, seven)
    columns = {name: measure_now(track(items, name), answer) for name, answer in answers.items()}
    return {
        "benchmark": "now",
        "images": len(items),
        "models": {name: figures_of(column, items) for name, column in columns.items()},
        "columns": columns,
        "broken": broken,
        "protocol": PROTOCOL,
    }


def _ask(network: Any, item: NowItem) -> Answer:
    image = read_image(item.image)
    vertices = network.vertices([(image, network.find_box(image))])
    upright = np.asarray(network.straightened(vertices), np.float64) * [1.0, -1.0, 1.0]
    return upright, network.triangles, network.landmarks_of(upright)[list(NOW_LANDMARKS)]


def read_prediction(folder: Path, item: NowItem) -> Answer:
    """A peer's mesh and its 7 landmarks for an image.

    Raises:
        UserError: one of them is missing or of another form.
    """
    stem = folder / item.subject / item.challenge / item.image.stem
    beside = stem.with_name(item.image.name)
    mesh_file, points_file = sibling(beside, (".obj", ".ply")), sibling(beside, (".npy", ".txt"))
    if mesh_file is None or points_file is None:
        raise UserError(f"{stem} has no mesh (.obj, .ply) or no landmarks (.npy, .txt)")
    points = read_points(points_file)
    if points.shape != (7, 3) or not np.isfinite(points).all():
        raise UserError(f"{points_file} holds points of shape {points.shape}, not 7 finite ones in three dimensions")
    mesh = read_mesh(mesh_file)
    return mesh.vertices, mesh.triangles, points


@lru_cache(maxsize=2)
def _scan(scan: Path, points: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    seven = read_pp(points)
    if seven.shape != (7, 3):
        raise UserError(f"{points} holds {len(seven)} points, not 7")
    vertices = read_mesh(scan).vertices
    check_millimetres(vertices, scan)
    return vertices, seven


def measure_now(items: Iterable[NowItem], answer: Callable[[NowItem], Answer]) -> NowColumn:
    """The distances of one method's answers (vertices, triangles, 7 landmarks)."""
    column = NowColumn()
    for item in items:
        try:
            vertices, triangles, seven = answer(item)
            scan, scan_seven = _scan(item.scan, item.points)
            column.distances[item.name] = now_distances((vertices, triangles), seven, scan, scan_seven)
        except Exception as error:
            column.failed[item.name] = item_error(error)
    return column


def figures_of(column: NowColumn, items: list[NowItem]) -> dict[str, Any]:
    """Median, mean and std of all points in mm, for each challenge and for `all`; and what failed."""
    groups = {"all": items}
    for item in items:
        groups.setdefault(item.challenge, []).append(item)
    result: dict[str, Any] = {}
    for name, members in groups.items():
        found = [column.distances[item.name] for item in members if item.name in column.distances]
        if found:
            values = np.concatenate(found)
            figures = {"median": np.median(values), "mean": values.mean(), "std": values.std()}
            result[name] = {key: float(value) for key, value in figures.items()} | {"images": len(found)}
    return {"groups": result, "failed": column.failed}
