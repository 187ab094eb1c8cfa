"""TensorFlow imported without what it says of itself, and sooner.

`TF_CPP_MIN_LOG_LEVEL` rules TensorFlow's own logging only. Six to eight lines of every import come from its libraries
before their logging is set up, and heed nothing. So the process's standard error is caught while TensorFlow is imported
and looks for devices, and what is more than information or a warning is passed on.

The import takes a core seven seconds where everything is installed. A tenth of them goes to looking for garbage among
modules that stay, and a quarter to packages that TensorFlow and Keras load in case somebody hands them a table, draws
a gallery or converts a function of JAX; a command of ours does none of that through them.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from types import ModuleType

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
SPARED = ("jax", "matplotlib", "pandas")
"""What TensorFlow and Keras load if it is there, and work without."""
_CHATTER = re.compile(
    r"^(WARNING: All log messages before absl::InitializeLog"
    r"|[IW]\d{4} \d\d:"  # Abseil's information and warnings
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IW] "  # TensorFlow's
    r"|To enable the following instructions"
    r"|E\d{4} .*failed call to cuInit.*(303|NO_DEVICE|no CUDA-capable device))"  # there is no GPU: `info` says so too
)


def quiet_tensorflow(ours: bool = False) -> None:
    """From now on TensorFlow's import says errors only; nothing where it is imported already, or where
    `TF_CPP_MIN_LOG_LEVEL` is 0.

    Args:
        ours: whether the process is a command's, so that nobody else's code asks TensorFlow and Keras for what is in
            `SPARED`; they then do not load it. Whoever imports it himself has it as ever.
    """
    os.environ.setdefault(LEVEL, "2")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # what it says of a damaged picture is said in a sentence
    waiting = any(isinstance(finder, _Finder) for finder in sys.meta_path)
    if os.environ[LEVEL] != "0" and "tensorflow" not in sys.modules and not waiting:
        sys.meta_path.insert(0, _Finder(ours))


def is_chatter(line: str) -> bool:
    """Whether a line of standard error is information, a warning, or that there is no GPU."""
    return bool(_CHATTER.match(line))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds TensorFlow as usual, also for who only asks whether it is there, and has it imported quietly, once; Keras
    too, which imports TensorFlow first where a program begins with `import keras`."""

    def __init__(self, ours: bool) -> None:
        self.ours = ours

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in ("tensorflow", "keras"):
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            sys.meta_path.insert(0, self)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, usual: importlib.abc.Loader, finder: _Finder) -> None:
        self.usual, self.finder = usual, finder

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.usual.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__loader__ = module.__spec__.loader = self.usual
        with _no_garbage(), _spared() if self.finder.ours else contextlib.nullcontext():
            if module.__name__ == "keras":
                self.usual.exec_module(module)
                return
            if self.finder in sys.meta_path:
                sys.meta_path.remove(self.finder)
            with _errors_only():
                self.usual.exec_module(module)
                module.config.list_physical_devices("GPU")  # says its part now and not later


class _Absent(importlib.abc.MetaPathFinder):
    """Says of `SPARED` that it is not installed, to the thread that made this."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if fullname in SPARED and threading.get_ident() == self.thread and fullname != os.environ.get("KERAS_BACKEND"):
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


@contextlib.contextmanager
def _spared() -> Iterator[None]:
    absent = _Absent()
    sys.meta_path.insert(0, absent)
    try:
        yield
    finally:
        sys.meta_path.remove(absent)


@contextlib.contextmanager
def _no_garbage() -> Iterator[None]:
    """Nothing is looked for among a hundred thousand objects that stay."""
    looks = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looks:
            gc.enable()


@contextlib.contextmanager
def _errors_only() -> Iterator[None]:
    """Catches what the process writes to standard error; passes on what is not chatter."""
    try:
        sys.stderr.flush()
        usual = os.dup(2)
    except (AttributeError, OSError, ValueError):  # there is no standard error
        yield
        return
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.flush()
            os.dup2(usual, 2)
            os.close(usual)
            caught.seek(0)
            for line in caught.read().decode(errors="replace").splitlines():
                if line and not is_chatter(line):
                    print(line, file=sys.stderr)
