"""`tfface apply WHAT PHOTO`: pose, maps, frontal view, other light, swap, transfer, makeup, turntable."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import tyro

from tfface.cli import check_out, run, share_cores
from tfface.errors import UserError, item_error

if TYPE_CHECKING:
    from tfface.inference import Reconstructor
    from tfface.result import FaceResult

Made = dict[str, Any]
"""What a file's name ends with, and what goes into it: a picture, a model, a film, or what JSON says."""


@dataclass(frozen=True, kw_only=True)
class Common(ABC):
    """What every use of a face takes."""

    photo: tyro.conf.Positional[Path]
    """A photograph, or a folder of photographs."""
    out: Path = Path("out")
    """Folder for the results; made when it is missing."""
    model: str | None = None
    """A preset's name, or the folder of an exported model or of a training run; without it, the best preset."""
    detector: Annotated[str, tyro.conf.arg(metavar="{auto,blazeface,dlib,mtcnn}")] = "auto"
    """What finds faces."""
    min_score: float | None = None
    """Least score of a face, on the detector's own scale."""
    box: tuple[float, float, float, float] | None = None
    """Left, top, right, bottom of the face in pixels, instead of detection."""
    face: int | None = None
    """Only this face of a photograph, counted from the largest, 0."""
    runtime: Annotated[str | None, tyro.conf.arg(metavar="{onnx,tflite,tensorflow}")] = None
    """What runs the network."""
    overwrite: bool = False
    """Overwrite files of --out that tfface did not write."""
    of_all_faces: ClassVar[bool] = False
    """One picture shows all faces of a photograph; else each has its own."""

    def check(self) -> None:  # noqa: B027  # most uses have nothing to check
        """What the arguments alone can tell, before anything is loaded."""

    def prepare(self, reconstructor: Reconstructor) -> Any:
        """What is read once, before any photograph."""
        return None

    @abstractmethod
    def make(self, faces: list[FaceResult], prepared: Any) -> Made:
        """The results of faces of one photograph (of one face, unless `whole`)."""


@dataclass(frozen=True, kw_only=True)
class Pose(Common):
    """Draws the head's box, its axes and its angles over the photograph: NAME_pose.png and .json."""

    of_all_faces: ClassVar[bool] = True

    def make(self, faces: list[FaceResult], prepared: Any) -> Made:
        from tfface.effects.pose import pose_drawn

        summaries = [face.summary() for face in faces]
        poses = [{name: each[name] for name in ("pose", "camera", "box_px")} for each in summaries]
        return {"_pose.png": pose_drawn(faces[0].image, faces), "_pose.json": {"faces": poses}}


@dataclass(frozen=True, kw_only=True)
class Maps(Common):
    """Writes depth, normals, PNCC, visibility and UV positions as 16-bit PNG, units in NAME_maps.json."""

    def make(self, faces: list[FaceResult], prepared: Any) -> Made:
        from tfface.effects.maps import face_maps

        maps = face_maps(faces[0])
        made: Made = {f"_map_{name}.png": each.levels for name, each in maps.items()}
        return {**made, "_maps.json": {f"map_{name}.png": each.describe() for name, each in maps.items()}}


@dataclass(frozen=True, kw_only=True)
class Frontalise(Common):
    """Turns the head to look straight ahead, what the photograph hides completed: NAME_frontal.png."""

    mesh: Literal["face", "head", "full"] = "head"
    """How much of the head is shown."""
    size: Annotated[int, tyro.conf.arg(metavar="PIXELS")] = 512
    """Side of the picture."""

    def check(self) -> None:
        _check_side(self.size)

    def make(self, faces: list[FaceResult], prepared: Any) -> Made:
        from tfface.effects.views import frontal

        return {"_frontal.png": frontal(faces[0], self.size, self.mesh)}


@dataclass(frozen=True, kw_only=True)
class Relight(Common):
    """Lights the head from elsewhere: NAME_relit.png."""

    light: Literal["left", "right", "above", "below", "front", "behind"] = "left"
    """From where, as one looks at the picture."""
    direction: tuple[float, float] | None = None
    """Azimuth (90: from the picture's right) and elevation (90: from above) in degrees, instead of --light."""
    panorama: Path | None = None
    """An equirectangular picture of surroundings to light the head with: Radiance HDR, or JPEG, PNG and so on."""
    shadows: bool = True
    """The head's own shadows too, where the light comes from one direction."""
    strength: float = 1.0
    """0 leaves the photograph as it is, 1 is the new light."""
    of_all_faces: ClassVar[bool] = True

    def check(self) -> None:
        if not 0 <= self.strength <= 2:
            raise UserError(f"--strength {self.strength} is out of range: give 0 to 2.")

    def prepare(self, reconstructor: Reconstructor) -> Any:
        from tfface.effects.relight import directed_light, panorama_light
        from tfface.io.panorama import read_panorama

        if self.panorama is not None:
            return panorama_light(read_panorama(self.panorama))
        return directed_light(*self._from())

    def _from(self) -> tuple[float, float]:
        """Azimuth and elevation."""
        from tfface.effects.relight import DIRECTIONS

        return self.direction or DIRECTIONS[self.light]

    def make(self, faces: list[FaceResult], prepared: Any) -> Made:
        from dataclasses import replace

        from tfface.effects.relight import relit

        picture, shadows_from = faces[0].image, self._from() if self.shadows and self.panorama is None else None
        for face in faces:
            picture = relit(replace(face, image=picture), prepared, self.strength, shadows_from)
        return {"_relit.png": picture}


@dataclass(frozen=True, kw_only=True)
class Swap(Common):
    """Puts the face of another photograph on the heads of this one: NAME_swapped.png."""

    source: tyro.conf.Positional[Path]
    """The photograph whose largest face is taken."""
    of_all_faces: ClassVar[bool] = True

    def prepare(self, reconstructor: Reconstructor) -> Any:
        return _largest(reconstructor, self.source)

    def make(self, faces: list[FaceResult], prepared: Any) -> Made:
        from dataclasses import replace

        from tfface.effects.swap import swapped

        picture = faces[0].image
        for face in faces:
            picture = swapped(prepared, replace(face, image=picture))
        return {"_swapped.png": picture}


@dataclass(frozen=True, kw_only=True)
class Transfer(Common):
    """Gives the face the expression and the pose of another photograph or of a video: NAME_transfer.png (.mp4),
    _transfer.glb."""

    source: tyro.conf.Positional[Path]
    """The photograph whose largest face has the expression and the pose; or a video, whose longest seen one has."""
    keep_pose: bool = False
    """The expression only."""
    mesh: Literal["face", "head", "full"] = "head"
    """How much of the head is shown."""
    size: Annotated[int, tyro.conf.arg(metavar="PIXELS")] = 512
    """Side of the picture."""
    seconds: float = 15.0
    """So much of a video."""

    def check(self) -> None:
        _check_side(self.size)
        if not 0.1 <= self.seconds <= 600:
            raise UserError(f"--seconds {self.seconds:g} is out of range: give 0.1 to 600.")

    def prepare(self, reconstructor: Reconstructor) -> Any:
        from tfface.detect.registry import load_detector
        from tfface.video.run import longest_performance
        from tfface.video.source import is_video

        if not is_video(self.source):
            return _largest(reconstructor, self.source)
        detector = load_detector(self.detector, self.min_score)
        return longest_performance(self.source, reconstructor, detector, self.seconds, _print_line)

    def make(self, faces: list[FaceResult], prepared: Any) -> Made:
        from tfface.effects.views import model_with, seen_from

        face, turn = faces[0], faces[0].camera.rotation
        if isinstance(prepared, tuple):
            from tfface.io.made import Film
            from tfface.video.transfer import moving_head, pictures

            performer, fps = prepared
            kept = turn if self.keep_pose else None
            film = Film(list(pictures(face, performer, self.size, self.mesh, kept)), fps)
            return {"_transfer.mp4": film, "_transfer.glb": moving_head(face, performer, self.mesh, kept)}
        expression = prepared.shape[1]
        shown = model_with(face, expression, kind=self.mesh)
        moving = model_with(face, expression, kind=self.mesh, level=1, blend_shapes=True)
        turn = turn if self.keep_pose else prepared.camera.rotation
        return {"_transfer.png": seen_from(shown, turn, self.size, self.mesh), "_transfer.glb": moving}


@dataclass(frozen=True, kw_only=True)
class Makeup(Common):
    """Writes the face's UV picture to paint on (NAME_uv.png); with --uv brings what was painted to the photograph
    and the head: NAME_makeup.png, _makeup.glb."""

    uv: Path | None = None
    """The UV picture as it was edited; or, with transparency, a layer of paint in the same chart, for any face."""
    texture_size: int = 1024
    """Side of NAME_uv.png: 256, 512, 1024, 2048 or 4096."""

    def check(self) -> None:
        from tfface.io.formats import FileOptions

        FileOptions(texture_size=self.texture_size).check()

    def prepare(self, reconstructor: Reconstructor) -> Any:
        from tfface.io.image import read_layer

        return None if self.uv is None else read_layer(self.uv)

    def make(self, faces: list[FaceResult], prepared: Any) -> Made:
        from tfface.effects.makeup import made_up, painted_texture
        from tfface.effects.views import model_with

        if prepared is None:
            return {"_uv.png": faces[0].skin(self.texture_size).colours}
        painted = painted_texture(faces[0], prepared)
        model = model_with(faces[0], skin=painted, level=1, blend_shapes=True)
        return {"_makeup.png": made_up(faces[0], painted), "_makeup.glb": model}


@dataclass(frozen=True, kw_only=True)
class Turntable(Common):
    """Turns the head once round: NAME_turntable.gif and .mp4."""

    mesh: Literal["face", "head", "full"] = "head"
    """How much of the head is shown."""
    size: Annotated[int, tyro.conf.arg(metavar="PIXELS")] = 400
    """Side of the pictures."""
    seconds: float = 4.0
    """Of one turn."""
    fps: float = 15.0
    """Pictures a second."""

    def check(self) -> None:
        _check_side(self.size)
        if not (0.1 <= self.seconds <= 60 and 0.1 <= self.fps <= 60):
            raise UserError(f"--seconds {self.seconds:g}, --fps {self.fps:g} are out of range: give 0.1 to 60 of each.")

    def make(self, faces: list[FaceResult], prepared: Any) -> Made:
        from tfface.effects.views import model_with, turntable
        from tfface.io.made import Film

        count = max(round(self.seconds * self.fps), 2)
        model = model_with(faces[0], kind=self.mesh)
        film = Film(list(turntable(model, count, self.size, self.mesh)), self.fps)
        return {"_turntable.gif": film, "_turntable.mp4": film}


def _named(kind: type[Common]) -> Any:
    return Annotated[kind, tyro.conf.subcommand(kind.__name__.lower())]


def _commands() -> Any:
    kinds = (Pose, Maps, Frontalise, Relight, Swap, Transfer, Makeup, Turntable)
    union: Any = _named(kinds[0])
    for kind in kinds[1:]:
        union = union | _named(kind)
    return union


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; 0, or 1 when photographs of a folder failed."""
    share_cores()
    return _run(tyro.cli(_commands(), args=argv, prog="tfface apply", description=__doc__))


def _run(job: Common) -> int:
    from tfface.detect.registry import DETECTORS, load_detector
    from tfface.geometry.align import check_box
    from tfface.inference import Reconstructor
    from tfface.io.image import photographs_in, read_image, unreadable_format
    from tfface.io.results import stems

    job.check()
    if job.detector not in DETECTORS:
        load_detector(job.detector)
    if job.box is not None:
        check_box(job.box)
    check_out(job.out)
    folder = job.photo.is_dir()
    if folder and job.box is not None:
        raise UserError(f"{job.photo} is a folder: --box goes with one photograph only.")
    photos, failed = [job.photo], 0
    if folder:
        found = photographs_in(job.photo)
        photos = found.photographs
        for path in found.unreadable:
            print(f"tfface apply: {unreadable_format(path)}", file=sys.stderr)
            failed += 1
    else:
        read_image(job.photo)
    detector = load_detector(job.detector, job.min_score)
    reconstructor = Reconstructor(job.model, detector, runtime=job.runtime)
    prepared = job.prepare(reconstructor)
    for photo, stem in zip(photos, stems(photos), strict=True):
        try:
            faces = reconstructor(read_image(photo), job.box)
            for path in _results(job, photo, stem, _chosen(job, faces), prepared):
                print(f"{photo} -> {path}")
        except Exception as error:
            reason = item_error(error, photo)
            if not folder:
                raise UserError(reason) from error
            print(f"tfface apply: {reason}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


def _chosen(job: Common, faces: list[FaceResult]) -> list[FaceResult]:
    if job.face is None:
        return faces
    if not 0 <= job.face < len(faces):
        raise UserError(f"There is no face {job.face}: {len(faces)} were found, counted from 0.")
    return [faces[job.face]]


def _results(job: Common, photo: Path, stem: str, faces: list[FaceResult], prepared: Any) -> list[Path]:
    """Makes and writes the results of a photograph; their paths."""
    from tfface.io.files import mark_of
    from tfface.io.made import write_made
    from tfface.io.results import own_name, photograph

    groups, source = [faces] if job.of_all_faces else [[face] for face in faces], photograph(photo)
    numbers = [""] if len(groups) == 1 else [f"_{number}" for number in range(len(groups))]
    base, written = "", list[Path]()
    for number, group in zip(numbers, groups, strict=True):
        made = job.make(group, prepared)
        if not written:  # all faces' files have the same endings
            ends = [f"{each}{end}" for each in numbers for end in made]
            base = own_name(job.out, stem, source, ends, job.overwrite)
        for end, content in made.items():
            written.append(job.out / f"{base}{number}{end}")
            write_made(written[-1], content, mark_of(source["sha256"]))
    return written


def _largest(reconstructor: Reconstructor, path: Path) -> FaceResult:
    from tfface.io.image import read_image

    try:
        return reconstructor(read_image(path))[0]
    except UserError as error:
        raise UserError(item_error(error, path)) from error


def _print_line(line: str) -> None:
    print(f"tfface apply: {line}", file=sys.stderr)


def _check_side(size: int) -> None:
    if not 32 <= size <= 4096:
        raise UserError(f"--size {size} is out of range: give 32 to 4096 pixels.")


if __name__ == "__main__":
    sys.exit(run(main))
