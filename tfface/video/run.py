"""A video from its frames to its files."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from tfface.detect.base import Detector
from tfface.detect.registry import load_detector
from tfface.errors import UserError
from tfface.inference import Reconstructor
from tfface.io.files import mark_of
from tfface.io.film import FAST, film
from tfface.io.results import own_name, photograph, stems
from tfface.runtime import find_network
from tfface.video.draw import draw_over
from tfface.video.files import save_performer
from tfface.video.look import Look
from tfface.video.person import Performer
from tfface.video.source import Frame, Video, open_video
from tfface.video.track import Tracker

LEAST_FRAMES = 5
"""A face seen in fewer is none, or nobody's of the performance."""
MOST_REPORTED, MOST_PEOPLE = 5, 64
_PEOPLE = ("", *(f"_{place}" for place in range(MOST_PEOPLE)))
_ENDS = ("_overlay.mp4", *(f"{each}{end}" for each in _PEOPLE for end in (".glb", ".json", ".csv")))
SAME_LOOK = 4.5
"""Colours (CIELAB) that differ by less are of one person who left and came back."""
Print = Callable[[str], None]


@dataclass
class Options:
    """What is made of a video.

    Attributes:
        smooth: 0 for none, 1 is usual.
        kind, level: of the animated mesh.
        formats: `glb` and `png` (here the overlay's MP4); the CSV and JSON are always written.
        seconds: so much of the video, or of the camera; None: all.
        codec: of the overlay (`tfface.io.film`).
    """

    smooth: float = 1.0
    kind: str = "face"
    level: int = 1
    formats: tuple[str, ...] = ("glb", "png")
    seconds: float | None = None
    overwrite: bool = False
    codec: str = FAST

    def check(self) -> None:
        """Raises `UserError` if a number is out of its range."""
        if not 0 <= self.smooth <= 100:
            raise UserError(f"`smooth={self.smooth:g}` is out of range: give 0 (none) to 100; 1 is usual.")
        if self.seconds is not None and not self.seconds > 0:
            raise UserError(f"`seconds={self.seconds:g}` is out of range: give more than 0.")


@dataclass
class _Counts:
    frames: int = 0
    broken: list[int] = field(default_factory=list)
    faceless: int = 0


def predict_video(
    source: Path,
    out: Path,
    reconstructor: Reconstructor,
    detector: Detector,
    options: Options,
    report: Print,
    show: Print,
) -> list[Path]:
    """Follows the faces of a video, and writes what comes of them.

    Args:
        source: a video file, or a camera's number.
        out: folder for the results.
        reconstructor, detector: the network, best one that finds points; what finds faces.
        options: of the results.
        report: takes sentences for people.
        show: takes the line that says how far it is.

    Returns:
        the results' paths.

    Raises:
        UserError: the video cannot be read, shows no face, or a result may not be written.
    """
    options.check()
    people: dict[int, Performer] = {}
    counts, start = _Counts(), time.perf_counter()
    with ExitStack() as stack:
        video = stack.enter_context(open_video(source))
        whose = _source(source, video)
        stem, mark = video.name if video.camera else stems([source])[0], mark_of(whose["sha256"])
        name = own_name(out, stem, whose, _ENDS, options.overwrite)
        film_path = out / f"{name}_overlay.mp4"
        add = stack.enter_context(film(film_path, video.fps, options.codec, mark)) if "png" in options.formats else None
        tracker, size = Tracker(detector), (0, 0)
        frames = takewhile(lambda frame: options.seconds is None or frame.seconds < options.seconds, video.frames())
        try:
            for frame in frames:
                picture = _one_frame(frame, reconstructor, tracker, people, options, counts, report)
                if picture is not None:
                    size = picture.shape[1], picture.shape[0]
                    if add is not None:
                        add(picture)
                rate = counts.frames / max(time.perf_counter() - start, 1e-6)
                show(f"frame {counts.frames} of {video.count or '?'}, {rate:.1f} a second, {len(people)} people")
        except KeyboardInterrupt:
            if not video.camera:
                raise
        _report_counts(counts, video, time.perf_counter() - start, report)
        people = _lasting(people, source, report)
    about_video = {"name": video.name, "fps": video.fps, "width": size[0], "height": size[1]}
    about_video |= {"frames": counts.frames, "broken": counts.broken}
    return ([film_path] if add is not None else []) + _save(people, out / name, about_video, options, mark)


def longest_performance(
    source: Path, reconstructor: Reconstructor, detector: Detector, seconds: float, report: Print
) -> tuple[Performer, float]:
    """Whoever is seen longest in the first `seconds` of a video, and its frames a second.

    Raises:
        UserError: the video cannot be read, or shows no face.
    """
    people: dict[int, Performer] = {}
    options, counts, tracker = Options(), _Counts(), Tracker(detector)
    with open_video(source) as video:
        for frame in video.frames():
            if frame.seconds >= seconds:
                break
            _one_frame(frame, reconstructor, tracker, people, options, counts, report)
        longest = max(people.values(), key=lambda each: len(each.moments), default=None)
        if longest is None or len(longest.moments) < LEAST_FRAMES:
            raise _no_face(source)
        return longest, video.fps


def _lasting(people: dict[int, Performer], source: Path, report: Print) -> dict[int, Performer]:
    """Those who were seen in enough frames, each once; raises `UserError` if there is none."""
    seen = {number: people[number] for number in sorted(people) if len(people[number].moments) >= LEAST_FRAMES}
    found = _one_each(seen, report)
    if not found:
        raise _no_face(source)
    return found


def _no_face(source: Path) -> UserError:
    return UserError(f"{source} shows no face that can be followed: give a video in which faces are larger.")


def _one_frame(
    frame: Frame,
    reconstructor: Reconstructor,
    tracker: Tracker,
    people: dict[int, Performer],
    options: Options,
    counts: _Counts,
    report: Print,
) -> Any:
    """Takes in a frame; the picture with what was found drawn over it, None of a broken one."""
    counts.frames += 1
    if frame.image is None:
        counts.broken.append(frame.number)
        if len(counts.broken) <= MOST_REPORTED:
            report(f"frame {frame.number} is broken and is passed over")
        return None
    tracks = tracker.faces(frame.image, frame.seconds)
    results = reconstructor.reconstruct([(frame.image, track.found) for track in tracks]) if tracks else []
    canvas, sure = np.array(frame.image), tracker.seen(tracks, results, frame.seconds)
    for track, result, seen in zip(tracks, results, sure, strict=True):
        if seen:
            performer = people.setdefault(track.number, Performer(reconstructor.points, options.smooth))
            draw_over(canvas, performer, performer.add(result, frame.number, frame.seconds), track.number)
    counts.faceless += not any(sure)
    return canvas


def _one_each(people: dict[int, Performer], report: Print) -> dict[int, Performer]:
    """Whoever comes back, and looks as before, is one person with who left."""
    looks = {number: Look.of(each.best) for number, each in people.items() if each.best is not None}
    kept: dict[int, Performer] = {}
    for number, performer in people.items():
        gone = [each for each in kept if kept[each].moments[-1].frame < performer.moments[0].frame]
        before = min(gone, key=lambda each: looks[each].unlike(looks[number]), default=number)
        if before != number and looks[before].unlike(looks[number]) < SAME_LOOK:
            report(f"number {number} of the overlay is number {before}, who came back")
            kept[before].join(performer)
        elif len(kept) < MOST_PEOPLE:
            kept[number] = performer
    return kept


def _report_counts(counts: _Counts, video: Video, seconds: float, report: Print) -> None:
    report(
        f"{video.name}: {counts.frames} frames in {seconds:.1f} s, {counts.frames / max(seconds, 1e-6):.1f} a second"
    )
    if len(counts.broken) > MOST_REPORTED:
        report(f"{len(counts.broken)} frames are broken and were passed over")
    if counts.faceless:
        report(f"{counts.faceless} frames show no face")


def _save(
    people: dict[int, Performer], base: Path, about_video: dict[str, Any], options: Options, mark: str
) -> list[Path]:
    """The files of each person, numbered where there are several."""
    written: list[Path] = []
    form = options.kind, options.level, "glb" in options.formats, mark
    for place, performer in enumerate(people[number] for number in sorted(people)):
        of_person = base if len(people) == 1 else base.with_name(f"{base.name}_{place}")
        written += save_performer(performer, of_person, about_video, *form)
    return written


def _source(path: Path, video: Video) -> dict[str, str]:
    """Whose the results are, as `tfface.io.results.photograph` says it; each recording of a camera is its own."""
    if video.camera:
        return {"name": video.name, "sha256": secrets.token_hex(32)}
    return photograph(path)


def follow(given: Any, console: Any) -> int:
    """`tfface predict VIDEO`, with what that command was given and the console that it speaks to; 0.

    Raises:
        UserError: as `predict_video`.
    """
    files = given.files
    detector = load_detector(given.detector, given.min_score)
    network = find_network(given.model, True, given.runtime)
    reconstructor = Reconstructor(network, detector, given.recrop or 0)
    options = Options(given.smooth, files.mesh, min(files.level, 1), files.formats, given.seconds, given.overwrite)
    with console.status("the first frame") as status:
        paths = predict_video(given.photo, given.out, reconstructor, detector, options, _print_line, status.update)
    for path in paths:
        console.print(f"{given.photo} -> {path}", markup=False, soft_wrap=True)
    return 0


def _print_line(line: str) -> None:
    print(f"tfface predict: {line}", file=sys.stderr)
