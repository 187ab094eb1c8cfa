"""ONNX files opened with ONNX Runtime: no TensorFlow, and half a second less to wait for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.io.reading import reading
from tfface.io.unpacking import unpacked
from tfface.parallel.ahead import cores

Serve = Callable[[NDArray[np.float32]], dict[str, NDArray[np.float32]]]


def open_onnx(
    path: Path,
    given: Mapping[str, NDArray[np.floating]] | None = None,
    threads: int | None = None,
) -> Serve:
    """What a network in a file says of pictures, by the names of its outputs.

    Args:
        path: `.onnx`, or the same compressed by zlib (`.onnx.zz`).
        given: the numbers that the file refers to by name, without holding them.
        threads: cores it may use; None for all that this process may.

    Raises:
        UserError: it is not an ONNX file, or ONNX Runtime is missing.
    """
    runtime = onnx_runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads or available_cores(), 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # other threads have work to do
    options.log_severity_level = 3
    arrays = {name: np.ascontiguousarray(value, np.float32) for name, value in (given or {}).items()}
    with reading(path, "an ONNX network", "the file is damaged, or its weights belong to another network"):
        data = unpacked(path) if path.suffix == ".zz" else path.read_bytes()
        options.add_external_initializers(
            list(arrays), [runtime.OrtValue.ortvalue_from_numpy(a) for a in arrays.values()]
        )
        session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names, entry = [output.name for output in session.get_outputs()], session.get_inputs()[0].name

    def serve(pictures: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        with reading(path, "a network that predicts faces", "export the model again"):
            return dict(zip(names, session.run(names, {entry: pictures}), strict=True))

    return serve


def available_cores() -> int:
    """How many cores this process may use: OMP_NUM_THREADS of those that it is bound to."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores(), int(wanted)) if wanted.isdecimal() and int(wanted) else cores()


def onnx_runtime() -> Any:
    """The package; it reports to nobody.

    Version 1.32 writes an identifier into the user's home folder and tells its maker over HTTPS what it runs, unless
    ORT_DISABLE_TELEMETRY is there when it is imported. Whoever wants that sets the variable to nothing.

    Raises:
        UserError: it is missing.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            f"ONNX Runtime cannot be imported ({error}): pip install onnxruntime, or give `runtime=tensorflow`."
        ) from error
    return onnxruntime
