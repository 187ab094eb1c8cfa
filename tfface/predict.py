"""`tfface predict PHOTO [SIDE_PHOTO]`: photographs to aligned, textured 3D faces."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from tfface.cli import alone_in, progress_bar, run, share_cores
from tfface.errors import UserError, item_error
from tfface.io.formats import REPORT, FileOptions

if TYPE_CHECKING:
    from rich.console import Console

    from tfface.fleet.run import Predict
    from tfface.inference import Reconstructor
    from tfface.result import FaceResult
    from tfface.runtime import Network
    from tfface.saver import Saved, Saver
    from tfface.stream import Batch


@dataclass(frozen=True)
class Arguments:
    """Turns photographs of faces into textured 3D faces: .obj, .glb, overlay, sheet, depth and .json for each face."""

    photo: tyro.conf.Positional[Path]
    """A photograph, or a folder of photographs; or a video file, or a camera's number (docs/video.md)."""
    side_photo: tyro.conf.Positional[Path | None] = None
    """The same face at the same moment from another side: one shape and expression for both."""
    model: str | None = None
    """A preset's name, or the folder of an exported model or of a training run; without it, the best preset, for
    several photographs of one person or --mat the best of those that give coefficients."""
    out: Path = Path("out")
    """Folder for the results; made when it is missing."""
    detector: Annotated[str, tyro.conf.arg(metavar="{auto,blazeface,dlib,mtcnn}")] = "auto"
    """auto: blazeface, the best by measurement (docs/detection.md)."""
    min_score: float | None = None
    """Least score of a face, on the detector's own scale (blazeface: 0 to 1, usually 0.55)."""
    box: tuple[float, float, float, float] | None = None
    """Left, top, right, bottom of the face in pixels, instead of detection."""
    side_box: tuple[float, float, float, float] | None = None
    """The same for the side photograph."""
    recrop: int | None = None
    """How often to crop again from the network's own landmarks: once by default (`--model fast`: never)."""
    refine: bool = False
    """Then fit the face model to the photograph, from the network's answer on (seconds a face; see tfface.fit)."""
    set: bool = False
    """The folder holds photographs of one person: one identity and albedo for all, solved from all together (an
    R-Net's; docs/several.md), and FOLDER_neutral.obj and .glb, the face without expression."""
    way: Annotated[str | None, tyro.conf.arg(metavar="{together,cnet,both,mean}")] = None
    """How several photographs share an identity; without it the best by measurement (docs/several.md)."""
    strict: bool = True
    """With --set, leave out photographs that seem to show another person; --no-strict takes them."""
    runtime: Annotated[str | None, tyro.conf.arg(metavar="{onnx,tflite,tensorflow}")] = None
    """What runs the network; without it what its files are for: onnx (ONNX Runtime) for presets."""
    mat: bool = False
    """Also write NAME.mat with Deep3DFaceReconstruction's fields (an R-Net's)."""
    report: bool = True
    """Of a folder: also report.html, one page with every face, its numbers, a mesh to turn, and what failed."""
    smooth: float = 1.0
    """Of a video: how much expression and pose are smoothed; 0 is not at all."""
    seconds: float | None = None
    """Of a video or a camera: so much of it; without it all, of a camera until Ctrl-C."""
    detail: bool = False
    """Wrinkles and folds too: a displaced mesh with normal map and albedo, and NAME_normal.png, NAME_albedo.png and
    NAME_displacement.png and .npy (docs/detail.md)."""
    detail_model: str = "detail"
    """With --detail: the network, a preset's name or a folder."""
    detail_strength: float | None = None
    """With --detail: how strong lines and folds are: 0 is none, 1 the network's answer, 1.5 the default."""
    ray: bool = False
    """By Ray's workers, each with a core: PHOTO is a folder, or a text or Parquet file of paths or URLs, and --out gets
    faces.parquet too (docs/fleet.md)."""
    address: str = ""
    """Of a running Ray cluster, or `auto`; without it --ray takes this machine's cores."""
    overwrite: bool = False
    """Do again what is done in --out, and overwrite files there that tfface did not write."""
    files: tyro.conf.OmitArgPrefixes[FileOptions] = field(default_factory=FileOptions)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; 0, or 1 when photographs of a folder failed."""
    from rich.console import Console

    share_cores()
    return _run(tyro.cli(Arguments, args=argv, prog="tfface predict"), Console(highlight=False))


def _run(arguments: Arguments, console: Console) -> int:
    from tfface.io.image import unreadable_format
    from tfface.saver import print_results
    from tfface.video.source import is_video

    if is_video(arguments.photo):
        from tfface.predict_checks import check_video
        from tfface.video.run import follow

        check_video(arguments)
        return follow(arguments, console)
    if arguments.ray or arguments.address:
        return _predict_listed(arguments, console)
    batch = _batch(arguments)
    failures: list[str] = []
    for path in batch.unreadable:
        _failure(path, UserError(unreadable_format(path)), failures)
    network = _network(arguments)
    if arguments.photo.is_dir():
        alone_in(arguments.out)
    if arguments.set or (arguments.side_photo is not None and network.card["views"] == 1):
        return _predict_person(arguments, batch, network, console, failures)
    made_with = _made_with(arguments, network)
    if arguments.side_photo is not None:  # a network of two views makes one face of them
        batch = replace(batch, photos=batch.photos[:1], stems=batch.stems[:1])
    anew = arguments.overwrite or not arguments.photo.is_dir()
    todo, done = (batch.pairs, {}) if anew else batch.left(arguments.out, made_with)
    names = dict(done)
    with progress_bar(console, transient=True) as progress:
        task = progress.add_task("loading the network", total=len(todo))
        outcomes = _predicted(arguments, _reconstructor(arguments, network), made_with, todo) if todo else ()
        for (photo, _), outcome in outcomes:
            progress.update(task, description=photo.name.replace("[", r"\["))
            if isinstance(outcome, Exception):
                if not arguments.photo.is_dir():
                    raise UserError(item_error(outcome, photo)) from outcome
                _failure(photo, outcome, failures)
            else:
                print_results(outcome, console)
                names[photo] = [each.base.name for each in outcome]
            progress.advance(task)
    _print_outcome(arguments, len(batch.photos) + len(batch.unreadable), len(failures), len(done))
    if arguments.photo.is_dir() and arguments.report and (todo or not (arguments.out / REPORT).is_file()):
        faces = [(photo, name) for photo in batch.photos for name in names.get(photo, [])]
        _write_report(arguments, faces, failures)
    return 1 if failures else 0


def _predict_listed(arguments: Arguments, console: Console) -> int:
    """All photographs of a list, on Ray's workers."""
    from tfface.fleet.run import predict_listed
    from tfface.predict_checks import check_photographs

    if arguments.set or arguments.box or arguments.side_photo:
        raise UserError("--ray takes photographs one by one: leave --set, --box and a side photograph out.")
    check_photographs(arguments)
    made_with = _made_with(arguments, _network(arguments))
    where = arguments.photo, arguments.out
    load = partial(loaded, arguments, made_with)
    alone_in(arguments.out)
    return int(predict_listed(*where, made_with, load, console, arguments.address, arguments.overwrite) > 0)


def loaded(arguments: Arguments, made_with: dict[str, Any]) -> Predict:
    """In a worker: what predicts photographs into a folder."""
    reconstructor = _reconstructor(arguments, _network(arguments))
    return lambda out, todo: _predicted(replace(arguments, out=out), reconstructor, made_with, todo)


def _write_report(arguments: Arguments, faces: list[tuple[Path, str]], failures: list[str]) -> None:
    """Writes the folder's page."""
    from tfface.report.page import write_report

    title = f"tfface predict {arguments.photo.resolve().name}"
    page = write_report(arguments.out, faces, failures, title, arguments.overwrite)
    print(f"{page}: {len(faces)} faces, {len(failures)} failures")


def _failure(photo: Path, error: Exception, failures: list[str]) -> None:
    """Tells that a photograph failed."""
    sentence = item_error(error, photo)
    failures.append(sentence.replace(str(photo), photo.name))
    print(f"tfface predict: {sentence}", file=sys.stderr)


def _print_outcome(arguments: Arguments, count: int, failed: int, done: int) -> None:
    if done:
        print(
            f"tfface predict: {done} of {count} photographs were done before, in {arguments.out}, and are left as they "
            "are (--overwrite does them again).",
            file=sys.stderr,
        )
    if failed:
        print(f"tfface predict: {failed} of {count} photographs failed; the others are done.", file=sys.stderr)


def _batch(arguments: Arguments) -> Batch:
    """The photographs to do; checks what can be checked before the network is loaded."""
    from tfface.io.image import photographs_in, read_image
    from tfface.io.results import stems
    from tfface.predict_checks import check_photographs
    from tfface.stream import Batch

    check_photographs(arguments)
    if arguments.photo.is_dir():
        found = photographs_in(arguments.photo)
        return Batch(found.photographs, stems(found.photographs), found.unreadable)
    photos = [path for path in (arguments.photo, arguments.side_photo) if path is not None]
    for path in photos:
        read_image(path)
    return Batch(photos, stems(photos), [])


def _made_with(arguments: Arguments, network: Network) -> dict[str, Any]:
    """What decides how a photograph's results come out, beside the photograph."""
    chosen = ("detector", "min_score", "box", "side_box", "recrop", "refine", "set", "way", "strict", "mat", "detail")
    chosen_values = {name: getattr(arguments, name) for name in chosen}
    if chosen_values["recrop"] is None:
        chosen_values["recrop"] = network.looks - 1
    if arguments.detail:
        from tfface.runtime import find_network

        digest = find_network(arguments.detail_model, runtime=arguments.runtime).digest()
        chosen_values["detail"] = [digest, arguments.detail_strength]
    return {"model": network.digest(), **chosen_values, "files": asdict(arguments.files)}


def _reconstructor(arguments: Arguments, network: Network) -> Reconstructor:
    from tfface.detect.registry import load_detector
    from tfface.inference import Reconstructor

    return Reconstructor(network, load_detector(arguments.detector, arguments.min_score), arguments.recrop)


def _network(arguments: Arguments) -> Network:
    """The network that --model means; without it the best for what is asked."""
    from tfface.predict_checks import check_network
    from tfface.runtime import find_network

    several = arguments.set or arguments.side_photo is not None
    coefficients = several or arguments.mat or arguments.detail or "mat" in arguments.files.formats
    network = find_network(arguments.model, coefficients, arguments.runtime)
    check_network(arguments, network.card)
    return network


def _predicted(
    arguments: Arguments, reconstructor: Reconstructor, made_with: dict[str, Any], todo: list[tuple[Path, str]]
) -> Iterator[tuple[tuple[Path, str], list[Saved] | Exception]]:
    """Each photograph and what its results are called, with what was saved or what went wrong."""
    from tfface.io.image import image_size, read_image
    from tfface.stream import Searched, stream, together

    saver = _saver(arguments, made_with)
    single = arguments.side_photo is None and reconstructor.num_views == 1

    def find(item: tuple[Path, str]) -> Searched:
        image, start = read_image(item[0]), time.perf_counter()
        faces = reconstructor.find(image, arguments.box) if single else []  # pairs are searched by the reconstructor
        return Searched(image, faces, time.perf_counter() - start)

    def reconstruct(photographs: Sequence[Searched]) -> list[list[FaceResult]]:
        if single:
            faces = together(reconstructor, photographs)
        else:
            side = None if arguments.side_photo is None else read_image(arguments.side_photo)
            faces = [reconstructor(each.image, arguments.box, side, arguments.side_box) for each in photographs]
        if not arguments.refine:
            return faces
        from tfface.fitting.person import refine

        return [[refine(result) for result in results] for results in faces]

    def pixels(item: tuple[Path, str]) -> int:
        try:
            width, height = image_size(item[0])
        except UserError:
            return 0  # it will be reported when it is read
        return width * height

    yield from stream(reconstruct, todo, find, lambda item, results: saver(*item, results), pixels)


def _saver(arguments: Arguments, made_with: dict[str, Any]) -> Saver:
    from tfface.saver import Saver

    detailed = None
    if arguments.detail:
        from tfface.detailing import Detailer

        detailed = Detailer(arguments.detail_model, arguments.runtime, strength=arguments.detail_strength)
    return Saver(arguments.out, made_with, arguments.files, arguments.mat, arguments.overwrite, detailed)


def _predict_person(arguments: Arguments, batch: Batch, network: Network, console: Console, failures: list[str]) -> int:
    """All photographs of one person at once: a folder's, where one that fails is reported and left out, or a pair."""
    from tfface.io.image import read_image
    from tfface.io.results import photograph
    from tfface.one_person import WAYS, best_way, doubts, save_neutral
    from tfface.saver import print_results

    reconstructor, made_with = _reconstructor(arguments, network), _made_with(arguments, network)
    boxes = [None] * len(batch.photos) if arguments.set else [arguments.box, arguments.side_box]
    read = []
    for photo, stem, box in zip(batch.photos, batch.stems, boxes, strict=True):
        try:
            read.append((photo, stem, reconstructor(read_image(photo), box)[0]))
        except Exception as error:  # whatever one photograph does, the others are done
            if not arguments.set:
                raise UserError(item_error(error, photo)) from error
            _failure(photo, error, failures)
    if not read:
        raise UserError(f"None of the {len(batch.photos)} photographs in {arguments.photo} shows a face.")
    read, together, left_out = _of_one_person(reconstructor, read, arguments)
    failures += [f"{photo} seems to show another person" for photo in left_out]
    saver, faces = _saver(arguments, made_with), []
    for (photo, stem, _), result in zip(read, together, strict=True):
        try:
            saved = saver(photo, stem, [result])
            print_results(saved, console)
            faces.append((photo, saved[0].base.name))
        except Exception as error:
            _failure(photo, error, failures)
    name = arguments.photo.resolve().name if arguments.set else batch.stems[0]
    whose = {"name": name, "sha256": sha256(os.fsencode(arguments.photo.resolve())).hexdigest()}
    source = whose if arguments.set else photograph(batch.photos[0])
    neutral = save_neutral(together, arguments.out, name, arguments.overwrite, arguments.files, source)
    how = WAYS[arguments.way or best_way(together[0], reconstructor.points)]
    counted = len(together) - len(doubts(together, reconstructor.points).useless)
    where = neutral[0] if neutral else arguments.out
    line = f"{where}  identity of {counted} photographs: {how} ({reconstructor.preset})"
    console.print(line, markup=False, soft_wrap=True)
    if arguments.set:
        _print_outcome(arguments, len(batch.photos) + len(batch.unreadable), len(failures), 0)
        if arguments.report:
            _write_report(arguments, faces, failures)
    return 1 if failures else 0


Read = list[tuple[Path, str, "FaceResult"]]


def _of_one_person(
    reconstructor: Reconstructor, read: Read, arguments: Arguments
) -> tuple[Read, list[FaceResult], list[Path]]:
    """The photographs that are taken, their faces with the shared identity, and the strangers', which are left out."""
    from tfface.one_person import doubts

    left_out: list[Path] = []
    while True:
        results = [result for _, _, result in read]
        together = reconstructor.as_set(results, same_moment=not arguments.set, way=arguments.way)
        doubt = doubts(together, reconstructor.points)
        leave = arguments.set and arguments.strict and len(read) > 2
        for number in doubt.strangers:
            _warn(read[number][0], f"seems to show another person than the {'rest' if arguments.set else 'other'}")
        if not (doubt.strangers and leave):
            break
        left_out.append(read[doubt.strangers[0]][0])
        print("tfface predict: it is left out; --no-strict takes it.", file=sys.stderr)
        del read[doubt.strangers[0]]
    for number in doubt.useless:
        _warn(read[number][0], "shows next to nothing of the face: the shape is the other photographs'")
    return read, together, left_out


def _warn(photo: Path, what: str) -> None:
    print(f"tfface predict: {photo} {what}.", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(run(main))
