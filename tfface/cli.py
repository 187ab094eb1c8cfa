"""The `tfface` command: finds the command by its name and runs it, and how every command ends.

A command is a module `tfface.NAME` with `main(argv: list[str] | None = None) -> int`. It is imported only
when it is called, and imports what is heavy (TensorFlow, OpenCV) only when it works: help answers at once.
"""

from __future__ import annotations

import difflib
import importlib
import io
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tfface.errors import TRACEBACK_VARIABLE, Terminated, UserError, item_error
from tfface.quiet import quiet_tensorflow
from tfface.version import __version__

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

COMMANDS = {
    "predict": "photographs to textured 3D faces",
    "apply": "uses of a face: pose, maps, frontal view, light, swap, transfer, makeup, turntable",
    "fit": "fit the face model to photographs, without a network's training",
    "synthesize": "shards of synthetic faces to train on",
    "prepare": "photographs to shards for training without 3D truth",
    "train": "train a network; stopped runs resume",
    "sweep": "find out which hyperparameters work (Ray Tune)",
    "evaluate": "measure a network on a benchmark",
    "export": "a training run to a SavedModel, Keras, ONNX or TFLite file, or a preset",
    "app": "a page on this machine: drop photographs or a short video (needs the extra `app`)",
    "view": "results in the browser: turn them, and move their expressions",
    "info": "versions, devices, face model, networks, presets",
}

Main = Callable[..., int]
_held: dict[Path, tuple[int, list[Path]]] = {}
"""Folders that this process alone writes into: what holds the lock, and which folders it made for that."""


def share_cores() -> None:
    """Keeps OpenBLAS to one thread, when called before NumPy is imported.

    Its threads spin while they wait, and take the cores from those that read, find and save.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def progress_bar(console: Console | None = None, transient: bool = False) -> Progress:
    """How work on many things shows itself: what, a bar, how many of how many, the time left."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=transient)


@contextmanager
def counted(what: str, console: Console | None = None) -> Iterator[Callable[[int, int], None]]:
    """A bar for what the library does: a function of how many are done, and of how many."""
    with progress_bar(console) as progress:
        bar = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)


def run(main_function: Main, argv: list[str] | None = None) -> int:
    """Runs a command and gives its exit code.

    A `UserError` is printed to stderr as one line and gives its exit code, mostly 2; so is what a disk says (full,
    read-only), and that memory is short. Ctrl-C gives 130, SIGTERM where it is heard 143, a closed pipe (`| head`) 141.
    With TFFACE_TRACEBACK set, the line is followed by where it came from.
    TensorFlow says errors only (`tfface.quiet`). It keeps the memory it had unless `TF_CPU_ALLOCATOR_USE_BFC` says
    otherwise: large buffers given back and fetched anew for every operation cost a page fault every 4 KB, half of the
    time of a rendering's gradient.
    """
    quiet_tensorflow(ours=True)
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")
    speak_any_name()
    try:
        code = main_function(argv)
        sys.stdout.flush()
        return code
    except SystemExit as stop:  # of --help, or of arguments that tyro has refused
        return stop.code if isinstance(stop.code, int) else 2
    except UserError as error:
        return _print_error(error)
    except Terminated:
        print("terminated", file=sys.stderr)
        return 143
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (OSError, MemoryError) as error:
        return _print_error(error)
    finally:
        _let_go()


def _print_error(error: UserError | OSError | MemoryError) -> int:
    """Prints an error as one line to stderr; its exit code."""
    print(f"error: {item_error(error)}", file=sys.stderr)
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exception(error, file=sys.stderr)
    return getattr(error, "exit_code", 2)


def report_records(listed: Path, jobs: int, failed: dict[str, str]) -> int:
    """Prints how a conversion to shards went; 1 when something failed.

    Args:
        listed: the file beside the shards that says what failed.
        jobs: how many records there should be.
        failed: what failed, and why.
    """
    for key, reason in list(failed.items())[:10]:
        print(f"{key}: {reason}")
    if failed:
        print(f"{len(failed)} of {jobs} failed; all of them are listed in {listed}")
    out = listed.parent
    print(f"{out}: {jobs - len(failed)} records. Next: tfface train --data.records {shlex.quote(str(out))}")
    return 1 if failed else 0


def check_conversion(out: Path, image_size: int, records_per_shard: int, workers: int = 1) -> None:
    """Sees to it that the numbers of a conversion to shards make sense, before anything is read.

    Raises:
        UserError: one does not, or `out` cannot be the results' folder.
    """
    if not 16 <= image_size <= 4096 or records_per_shard < 1 or not 0 <= workers <= 1024:
        raise UserError(
            "--image-size must be 16 to 4096, --records-per-shard at least 1, and --workers 0 to 1024: not "
            f"{image_size}, {records_per_shard} and {workers}."
        )
    check_out(out)


def check_out(folder: Path) -> None:
    """Sees to it that results can lie in the folder that `--out` names.

    Raises:
        UserError: it, or what it would lie in, is a file, a link to nothing, or not yours to write.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if os.path.lexists(place))
    if not there.is_dir():
        what = "is a file" if there.exists() else "is a link to nothing"
        raise UserError(f"--out {folder} is not a folder ({there} {what}): give a folder.")
    if not os.access(there, os.W_OK):
        raise UserError(f"--out {folder}: {there} may not be written: give another folder.")


def alone_in(folder: Path) -> None:
    """Sees to it that no other command writes into a results' folder until this one has ended (`run`); makes it.

    The lock is the kernel's, on the folder itself, and ends with the process, however that ends. Where there is none
    (Windows, some network file systems) nobody is kept out.

    Raises:
        UserError: another one writes there.
    """
    try:
        import fcntl
    except ImportError:
        return
    place = Path(os.path.realpath(folder))
    if place in _held:
        return
    made = [part for part in (place, *place.parents) if not part.exists()]
    place.mkdir(parents=True, exist_ok=True)
    handle = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise UserError(
            f"Another command of tfface is writing into {folder}: wait until it has ended, or choose another `out`."
        ) from None
    except OSError:  # a file system without locks
        os.close(handle)
        return
    _held[place] = handle, made


def _let_go() -> None:
    """Others may write into this command's folders; those that it made for nothing are gone."""
    while _held:
        _, (handle, made) = _held.popitem()
        for folder in made:
            with suppress(OSError):  # something lies in it
                folder.rmdir()
        os.close(handle)


def speak_any_name() -> None:
    """Names of files that are not UTF-8, or that the terminal's encoding lacks, are printed escaped; where the shell
    has closed a stream (`>&-`), what is printed is lost."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def print_nowhere() -> None:
    """What is printed from now on is lost: the terminal is gone, and to write to it is an error."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # no stream of the system's
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def training_convolutions() -> None:
    """oneDNN's convolutions, unless `TF_ENABLE_ONEDNN_OPTS` says otherwise; before TensorFlow is imported.

    TensorFlow takes them by itself on processors with VNNI or AMX only. Elsewhere too they train the networks of plain
    convolutions 1.3 to 2 times as fast; predicting a single photograph with a light network they are slower.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def usage() -> str:
    """The text of `tfface --help`."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            "usage: tfface COMMAND [OPTIONS]",
            "",
            "Photographs of a face to an accurate, textured, aligned 3D face.",
            "",
            "commands:",
            *lines,
            "",
            "`tfface COMMAND --help` says more; `tfface --version` prints the version.",
        ]
    )


def find_command(name: str) -> Main:
    """The `main` of the command called `name`.

    Raises:
        UserError: when there is no such command; it names the nearest one.
    """
    if name not in COMMANDS:
        near = difflib.get_close_matches(name.lower(), COMMANDS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else "choose one of " + ", ".join(COMMANDS) + "."
        raise UserError(f"There is no command {name!r}: {hint}")
    main_function: Main = importlib.import_module(f"tfface.{name}").main
    return main_function


def main(argv: list[str] | None = None) -> int:
    """`tfface NAME ...` calls `tfface.NAME.main` with the rest of the arguments."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if arguments else 2
    if arguments[0] in ("-V", "--version"):
        print(f"tfface {__version__}")
        return 0
    return find_command(arguments[0])(arguments[1:])


def console() -> int:
    """What the `tfface` console script runs."""
    return run(main)
