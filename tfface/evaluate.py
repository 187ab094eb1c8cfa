"""`tfface evaluate`: what a network, or several, or a peer scores on a benchmark."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tfface.cli import alone_in, check_out, run
from tfface.errors import UserError

if TYPE_CHECKING:
    from tfface.evaluation.columns import Column, FindBox, ReadImage
    from tfface.evaluation.landmark_set import LandmarkSet
    from tfface.evaluation.networks import NetworkPredictor


DRAWN = ("synthetic", "sets", "detail")
"""Benchmarks without a folder."""
_PHOTOGRAPHS, _SCANS = ("aflw2000", "300w_lp", "photos"), ("florence", "scans")
ONLY_OF: dict[str, tuple[str, ...]] = {
    **{"rotate": _PHOTOGRAPHS, "parts": ("synthetic",), "bfm": ("aflw2000",), "side_yaw": _SCANS},
    **dict.fromkeys(("peers", "detector", "upright"), (*_PHOTOGRAPHS, "synthetic", *_SCANS, "now")),
    "recrop": (*_PHOTOGRAPHS, "synthetic", "sets", *_SCANS, "now"),
}
"""Options of some benchmarks only."""
MOST_ITEMS = 10_000_000


@dataclass(frozen=True)
class Options:
    """Measure networks on a benchmark: a table here, results.json, ced.png and report.html in --out."""

    out: Path
    """Folder for the results."""
    data: Path | None = None
    """The benchmark's folder (docs/evaluation.md says what lies in it); synthetic needs none."""
    benchmark: Literal["aflw2000", "300w_lp", "photos", "synthetic", "sets", "detail", "florence", "scans", "now"] = (
        "aflw2000"
    )
    """aflw2000, 300w_lp: 68 points by yaw. photos: any with .pts files of 68 points. synthetic: exact truth. sets:
    pictures of one synthetic person, together and alone, in mm (of networks with coefficients that find points).
    detail: networks of detail on synthetic faces with wrinkles, beside their base. florence, scans: textured scans,
    drawn from the front and the side, in mm. now: the NoW challenge."""
    model: tuple[str, ...] = field(default=())
    """Presets, or folders of exported models or training runs, a row each (default: the default preset, unless --peers
    is given)."""
    peers: Path | None = None
    """A folder of .npz or .mat files with other methods' landmarks, a row each (scans: of folders of meshes)."""
    detector: str | None = None
    """Crop by our own detection (auto, blazeface, dlib, mtcnn) instead of the benchmark's boxes."""
    recrop: int | None = None
    """How often networks look again, in an upright crop of the landmarks just found (default: as often as prediction
    does with each, mostly once); 0: one look at the benchmark's crop."""
    rotate: Literal[0, 90, 180, 270] = 0
    """aflw2000, 300w_lp, photos: turn the photographs counter-clockwise by so many degrees first."""
    upright: bool = False
    """Let networks of one view find out which way up each face is, as prediction with a given box does."""
    limit: int | None = None
    """Only the first so many items, for a quick look (synthetic, sets: so many persons, 100 if not given)."""
    parts: bool = False
    """synthetic: draw each person clean, full, with a fringe, covered and dark, and report these apart, and profiles,
    open and shut mouths and shut eyes too."""
    bfm: Path | None = None
    """aflw2000: your own Basel Face Model (face3d's BFM.mat), for dense figures."""
    side_yaw: float = 90.0
    """florence, scans: degrees between the front and the side view."""
    overwrite: bool = False
    """Overwrite files in --out that tfface did not write."""


def main(argv: list[str] | None = None) -> int:
    """Evaluates as `argv` says; 0, or 1 when an item was broken or failed."""
    import tyro

    options = tyro.cli(Options, args=argv, prog="tfface evaluate")
    _check_values(options)
    _check_places(options)
    alone_in(options.out)
    if options.benchmark in ("scans", "florence"):
        return _scans(options)
    if options.benchmark == "now":
        return _now(options)
    if options.benchmark == "sets":
        return _sets(options)
    if options.benchmark == "detail":
        return _detail(options)
    return _landmarks(options)


def _check_values(options: Options) -> None:
    """Numbers, and what a benchmark would not look at."""
    from tfface.geometry.align import check_recrop

    if options.recrop is not None:
        check_recrop(options.recrop)
    if options.limit is not None and not 1 <= options.limit <= MOST_ITEMS:
        raise UserError(f"--limit {options.limit} is out of range: give 1 to {MOST_ITEMS}")
    if not math.isfinite(options.side_yaw) or abs(options.side_yaw) > 180:
        raise UserError(f"--side-yaw {options.side_yaw} is not an angle: give degrees from -180 to 180")
    for each in fields(options):
        known = ONLY_OF.get(each.name, (options.benchmark,))
        if options.benchmark not in known and getattr(options, each.name) != each.default:
            flag = f"--{each.name.replace('_', '-')}"
            raise UserError(f"{flag} is of --benchmark {', '.join(known)}: {options.benchmark} does not look at it")
    if options.detector is not None:
        from tfface.detect.registry import check_detector

        check_detector(options.detector)


def _check_places(options: Options) -> None:
    """Checks what can be checked before anything is read: in the first second."""
    from tfface import weights
    from tfface.io.files import refuse_foreign, written_by_us
    from tfface.io.reading import must_exist

    check_out(options.out)
    if not options.overwrite:
        refuse_foreign(options.out / name for name in ("results.json", "ced.png", "ced_points.png", "report.html"))
    if options.benchmark not in DRAWN:
        _folder(options)
    elif (options.out / "images").exists() and not (options.overwrite or written_by_us(options.out / "results.json")):
        raise UserError(f"{options.out / 'images'} is there and may hold your pictures: choose another --out")
    if options.peers is not None and not options.peers.is_dir():
        raise UserError(f"--peers {options.peers} is not a folder: docs/evaluation.md says what lies in it")
    if options.bfm is not None:
        must_exist(options.bfm, "give your Basel Face Model, face3d's BFM.mat")
    for name in options.model:
        weights.find(name)


def _scans(options: Options) -> int:
    from tfface.evaluation.scan_report import print_scans, write_scan_report
    from tfface.evaluation.scans import evaluate_scans

    folder = _folder(options)
    run = evaluate_scans(
        folder,
        options.peers,
        list(_with_several_views(predictor for _, predictor in _predictors(options, options.peers is not None))),
        options.benchmark,
        options.limit,
        options.side_yaw,
        track=_track,
    )
    results = write_scan_report(options.out, run)
    print_scans(results)
    print(f"wrote {options.out / 'results.json'}, ced.png, ced_points.png and report.html")
    return int(bool(results["broken"]) or any(method["failed"] for method in results["models"].values()))


def _with_several_views(networks: Iterable[NetworkPredictor]) -> Iterable[NetworkPredictor]:
    """Networks that find points also solve the front and the side together, and all views."""
    from tfface.evaluation.scan_render import MOST_VIEWS

    for network in networks:
        yield network
        if network.finds_points:
            yield from (network.of_several(count) for count in (2, MOST_VIEWS))


def _now(options: Options) -> int:
    from tfface.evaluation.now import evaluate_now
    from tfface.evaluation.now_report import print_now, write_now_report

    folder = _folder(options)
    networks = [predictor for _, predictor in _predictors(options, options.peers is not None)]
    results = write_now_report(options.out, evaluate_now(folder, networks, options.peers, options.limit, _track))
    print_now(results)
    print(f"wrote {options.out / 'results.json'}, ced.png and report.html")
    return int(bool(results["broken"]) or any(model["failed"] for model in results["models"].values()))


def _sets(options: Options) -> int:
    from rich.progress import track

    from tfface import weights
    from tfface.evaluation.person_sets import measure, summary
    from tfface.evaluation.person_sets_report import PICTURES, print_sets, write_sets_report
    from tfface.inference import Reconstructor
    from tfface.runtime import find_network

    _draws_its_own(options)
    # All networks are opened before the first long run.
    networks = {}
    for given in options.model or (None,):
        name = weights.find(given, coefficients=True).name
        network = Reconstructor(find_network(given, True), recrop=options.recrop)
        if network.points is None:
            raise UserError(f"{name} has no points and coefficients to solve several pictures by: take rnet_points.")
        networks[name] = network, network.points.trust
    results = {}
    for name, (network, trust) in networks.items():
        rows = measure(network, options.limit or 100, track=partial(track, description=name))
        results[name] = summary(rows, trust)
    write_sets_report(options.out, results)
    print_sets(results)
    print(f"wrote {options.out / 'results.json'}, {', '.join(PICTURES)} and report.html")
    return 0


def _detail(options: Options) -> int:
    from rich.progress import track

    from tfface.evaluation import detail, page
    from tfface.models.weights import presets

    _draws_its_own(options)
    count, base = options.limit or 200, presets.DEFAULT_WITH_COEFFICIENTS
    methods = {Path(name).name: detail.method_of(name) for name in options.model or ("detail",)}
    outcome = detail.run(methods, count, base, lambda items, total: track(items, "measuring", total))
    detail.write_report(options.out, outcome, base, count)
    page.print_tables([(f"{count} synthetic people with wrinkles", detail.table(outcome.means()))])
    print(f"wrote {options.out / 'results.json'}, detail.jpg and report.html")
    return 0


def _draws_its_own(options: Options) -> None:
    if options.data is not None:
        raise UserError(f"--benchmark {options.benchmark} draws its own faces; leave --data out")


def _landmarks(options: Options) -> int:
    from tfface.evaluation import report
    from tfface.io import image

    data = _read(options)
    read_image: ReadImage = image.read_image
    if options.rotate:
        from tfface.evaluation.rotated import rotated

        data, read_image = rotated(data, options.rotate, image.read_image)
    columns = _columns(options, data, read_image)
    results = report.collect(data, columns)
    report.print_table(results)
    report.write_report(options.out, data, columns, results, read_image)
    print(f"wrote {options.out / 'results.json'}, ced.png and report.html")
    return int(bool(data.broken) or any(column.failed for column in columns))


def _read(options: Options) -> LandmarkSet:
    if options.benchmark == "synthetic":
        return _synthetic(options)
    folder = _folder(options)
    if options.benchmark == "photos":
        from tfface.evaluation.photos import read_photos

        data = read_photos(folder)
    elif options.benchmark == "300w_lp":
        from tfface.evaluation.w300_lp import read_300w_lp

        data = read_300w_lp(folder, options.limit)
    else:
        from tfface.evaluation.aflw2000 import read_aflw2000

        data = read_aflw2000(folder)
    data = data if options.limit is None else data.first(options.limit)
    return data if options.benchmark != "aflw2000" else _with_bfm(data, options.bfm)


def _with_bfm(data: LandmarkSet, bfm: Path | None) -> LandmarkSet:
    from dataclasses import replace

    from tfface.evaluation.bfm import bfm_truth
    from tfface.face.open_model import load_open_face

    if bfm is None:
        return replace(data, dense_absent="give your Basel Face Model with --bfm BFM.mat")
    return replace(data, dense=bfm_truth(bfm, data.images, load_open_face()))


def _folder(options: Options) -> Path:
    if options.data is None:
        raise UserError(f"--benchmark {options.benchmark} needs --data: the folder that it lies in")
    if not options.data.is_dir():
        raise UserError(f"--data {options.data} is not a folder; give the one that {options.benchmark} lies in")
    return options.data


def _synthetic(options: Options) -> LandmarkSet:
    from rich.progress import track

    from tfface.evaluation.synthetic import VARIANTS, make_synthetic

    _draws_its_own(options)
    return make_synthetic(
        options.limit or 100,
        options.out / "images",
        track=lambda records, count: track(records, total=count, description="drawing faces"),
        variants=tuple(VARIANTS) if options.parts else ("full",),
    )


def _columns(options: Options, data: LandmarkSet, read_image: ReadImage) -> list[Column]:
    from tfface.evaluation.columns import predict_column, read_peers

    peers = [] if options.peers is None else read_peers(options.peers, data, data.broken)
    columns: list[Column] = []
    find_box = None if options.detector is None else _finder(options.detector)
    for name, predictor in _predictors(options, bool(peers)):
        track = partial(_track, what=name)
        columns.append(predict_column(predictor, data, read_image, find_box, track))
    return _distinct([*columns, *peers])


def _predictors(options: Options, with_peers: bool) -> Iterable[tuple[str, Any]]:
    from tfface import weights
    from tfface.evaluation.networks import NetworkPredictor
    from tfface.runtime import find_network

    names = options.model if options.model or with_peers else (None,)
    # All names are checked before the first long run.
    for called, network in [(weights.find(name).name, find_network(name)) for name in names]:
        predictor = NetworkPredictor(network, called, options.detector or "auto", options.upright, options.recrop)
        yield called, predictor


def _finder(detector: str) -> FindBox:
    from tfface.evaluation.detection import box_finder

    return box_finder(detector)


def _track(items: list[Any], what: str) -> Iterable[Any]:
    from rich.progress import track

    return track(items, description=what)


def _distinct(columns: list[Column]) -> list[Column]:
    from dataclasses import replace

    seen: dict[str, int] = {}
    result = []
    for column in columns:
        seen[column.name] = seen.get(column.name, 0) + 1
        number = seen[column.name]
        result.append(column if number == 1 else replace(column, name=f"{column.name} ({number})"))
    return result


if __name__ == "__main__":
    sys.exit(run(main))
