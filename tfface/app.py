"""`tfface app`: a page on this machine where one drops photographs or a short video (needs `tfface[app]`)."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from tfface.cli import run, share_cores
from tfface.errors import UserError, item_error

if TYPE_CHECKING:
    from tfface.inference import Reconstructor

HOST = "127.0.0.1"
MOST_FILES, MOST_BYTES, MOST_PIXELS, MOST_SECONDS = 12, 40 * 2**20, 40_000_000, 15.0
"""Of an upload: files, bytes and pixels of each, and how much of a video is looked at."""
KEPT_SECONDS = 900
"""Results are deleted after this time, and when the page's server ends."""
NEEDS = "The page needs Gradio: pip install 'tfface[app]'."
Progress = Callable[[float, str], Any]


@dataclass(frozen=True)
class Arguments:
    """Serves a page on this machine alone: drop photographs or a short video; see, turn and download."""

    port: int = 7860
    """Of 127.0.0.1."""
    model: str | None = None
    """A preset's name or a folder; without it, the best preset that gives coefficients."""
    runtime: Annotated[str | None, tyro.conf.arg(metavar="{onnx,tflite,tensorflow}")] = None
    """What runs the network."""


@dataclass(frozen=True)
class Made:
    """What the page shows.

    Attributes:
        report: sentences; model: a GLB, of a video the first person's, which moves; picture: a sheet; film: with the
            mesh; files: to download.
    """

    report: str
    model: Path | None
    picture: Path | None
    film: Path | None
    files: list[Path]


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until Ctrl-C; 0."""
    share_cores()
    return _serve(tyro.cli(Arguments, args=argv, prog="tfface app"))


def make(uploads: Sequence[Path], folder: Path, reconstructor: Reconstructor, progress: Progress) -> Made:
    """The results of an upload: a photograph, several of one person, or a video.

    Args:
        uploads: the files.
        folder: an empty one for the results.
        progress: takes the share that is done and what is being done.

    Raises:
        UserError: there are none or too many, one is too large, cannot be read, or shows no face.
    """
    from tfface.io.image import image_size
    from tfface.video.source import is_video

    if not uploads:
        raise UserError("Nothing was dropped: give a photograph, several of one person, or a short video.")
    if len(uploads) > MOST_FILES:
        raise UserError(f"{len(uploads)} files are too many: give up to {MOST_FILES}.")
    for path in uploads:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path.name} is too large: give files below {MOST_BYTES // 2**20} MB.")
    videos = [path for path in uploads if is_video(path)]
    if videos:
        if len(uploads) > 1:
            raise UserError("A video goes alone: drop one video, or photographs.")
        return _of_video(videos[0], folder, reconstructor, progress)
    for path in uploads:
        width, height = image_size(path)
        if width * height > MOST_PIXELS:
            raise UserError(f"{path.name} has {width} x {height} pixels: give up to {MOST_PIXELS // 10**6} megapixels.")
    return _of_photographs(uploads, folder, reconstructor, progress)


def _of_photographs(uploads: Sequence[Path], folder: Path, reconstructor: Reconstructor, progress: Progress) -> Made:
    from tfface.io.formats import FileOptions
    from tfface.io.image import read_image
    from tfface.io.results import stems
    from tfface.one_person import doubts

    results = []
    for place, path in enumerate(uploads):
        progress(0.6 * place / len(uploads), f"looking at {path.name}")
        results.append(reconstructor(read_image(path))[0])
    report = []
    if len(results) > 1:
        progress(0.6, "one person of all photographs")
        results = reconstructor.as_set(results)
        strangers = doubts(results, reconstructor.points).strangers
        report += [f"{uploads[number].name} seems to show another person." for number in strangers]
    files: list[Path] = []
    options = FileOptions(mesh="head", level=1, formats=("glb", "obj", "png"))
    for place, (result, stem) in enumerate(zip(results, stems(list(uploads)), strict=True)):
        progress(0.7 + 0.3 * place / len(results), f"writing {stem}")
        files += result.save(folder, stem, files=options)
        yaw, pitch, roll = result.pose.degrees
        doubt = " It may be no face." if result.doubtful else ""
        report.append(f"{stem}: yaw {yaw:.0f}, pitch {pitch:.0f}, roll {roll:.0f} degrees.{doubt}")
    shown, sheet = (next(path for path in files if path.name.endswith(end)) for end in (".glb", "_sheet.png"))
    return Made("\n\n".join(report), shown, sheet, None, files)


def _of_video(path: Path, folder: Path, reconstructor: Reconstructor, progress: Progress) -> Made:
    from tfface.detect.registry import load_detector
    from tfface.io.film import FOR_BROWSERS
    from tfface.video.run import Options, predict_video

    report: list[str] = []
    options = Options(kind="head", seconds=MOST_SECONDS, codec=FOR_BROWSERS)
    files = predict_video(
        path, folder, reconstructor, load_detector("auto"), options, report.append, lambda line: progress(0.5, line)
    )
    moving = next(each for each in files if each.suffix == ".glb")
    return Made("\n\n".join(report), moving, None, files[0], files)


def page(reconstructor: Reconstructor, room: Path) -> Any:
    """The page, as Gradio has it; results lie in folders of `room`.

    Raises:
        UserError: Gradio is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        import gradio
    except ImportError as error:
        raise UserError(NEEDS) from error

    def reconstruct(uploads: list[str] | None, progress: Any = gradio.Progress()) -> tuple[Any, ...]:  # noqa: B008
        for old in room.glob("made-*"):
            if time.time() - old.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix="made-", dir=room))
        try:
            made = make([Path(each) for each in uploads or []], folder, reconstructor, progress)
        except Exception as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise gradio.Error(sentence_of(error, uploads or []), print_exception=False) from error
        shown = [each and str(each) for each in (made.model, made.picture, made.film)]
        updates = (gradio.update(value=each, visible=each is not None) for each in shown)  # no empty frames
        return made.report, *updates, [str(each) for each in made.files]

    class Page(gradio.Blocks):
        """Also what Gradio itself cannot read of a request is reported in a sentence, without a traceback."""

        async def process_api(self, *given: Any, **named: Any) -> Any:
            try:
                return await super().process_api(*given, **named)
            except gradio.Error:
                raise
            except Exception as error:
                from tfface.io.reading import reason

                message = f"The request cannot be read ({reason(error)}): drop files on the page."
                raise gradio.Error(message, print_exception=False) from error

    with Page(title="tfface", analytics_enabled=False, delete_cache=(60, KEPT_SECONDS)) as blocks:
        gradio.Markdown(
            "# tfface\nDrop a photograph, several of one person, or a short video. Nothing leaves this machine."
        )
        with gradio.Row():
            with gradio.Column():
                uploads = gradio.File(label="photographs or a video", file_count="multiple")
                button = gradio.Button("Reconstruct", variant="primary")
                report = gradio.Markdown()
                files = gradio.Files(label="download")
            with gradio.Column():
                model = gradio.Model3D(label="the head: drag to turn", height=480, camera_position=(90, 90, 0.5))
                picture = gradio.Image(label="what was found", type="filepath")
                film = gradio.Video(label="the video with the mesh")
        button.click(reconstruct, uploads, [report, model, picture, film, files], concurrency_limit=1)
    return blocks


def sentence_of(error: Exception, uploads: Sequence[str]) -> str:
    """The sentence, with uploads called as people call them, not by where they lie meanwhile."""
    sentence = item_error(error)
    for each in uploads:
        sentence = sentence.replace(f"{Path(each).parent}{os.sep}", "")
    return sentence


def _check(port: int) -> None:
    """Checks what can be checked before a network is opened."""
    if not 1 <= port <= 65535:
        raise UserError(f"--port {port} is out of range: give 1 to 65535.")
    if find_spec("gradio") is None:
        raise UserError(NEEDS)
    with socket.socket() as tried:
        if os.name == "posix":  # as the server does: a port that was just left may be taken again
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError as error:
            raise UserError(f"Port {port} cannot be had ({error.strerror}): choose another with --port.") from error


def _serve(arguments: Arguments) -> int:
    _check(arguments.port)
    from tfface.inference import Reconstructor
    from tfface.io.files import begun_prefix, sweep_leftovers
    from tfface.runtime import find_network

    reconstructor = Reconstructor(find_network(arguments.model, True, arguments.runtime))
    sweep_leftovers(Path(tempfile.gettempdir()))  # photographs of a page that was killed
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does, and deletes what it kept
    with tempfile.TemporaryDirectory(prefix=begun_prefix("app")) as room:
        os.environ["GRADIO_TEMP_DIR"] = str(Path(room) / "gradio")
        blocks = page(reconstructor, Path(room))
        blocks.queue(max_size=8)
        print(f"tfface app: http://{HOST}:{arguments.port} (Ctrl-C ends it)")
        with suppress(KeyboardInterrupt):
            try:
                blocks.launch(
                    server_name=HOST,
                    server_port=arguments.port,
                    share=False,
                    quiet=True,
                    inbrowser=False,
                    max_file_size=MOST_BYTES,
                    allowed_paths=[room],
                )
            except OSError as error:
                raise UserError(f"Port {arguments.port} is taken: choose another with --port.") from error
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
