"""TFLite files opened with LiteRT (the package `ai-edge-litert`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.io.onnx_file import Serve, available_cores
from tfface.io.reading import reading


def open_tflite(path: Path) -> Serve:
    """What a network in a file says of as many pictures as it takes at once, by the names of its outputs.

    Args:
        path: `.tflite`, with one signature.

    Raises:
        UserError: it is not a TFLite file, or LiteRT is missing.
    """
    interpreter = _interpreter()
    with reading(path, "a TFLite network", "export the model again"):
        run = interpreter(str(path), num_threads=available_cores()).get_signature_runner()
        entry = next(iter(run.get_input_details()))

    def serve(pictures: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        with reading(path, "a network that predicts faces", "export the model again"):
            return {name: np.array(answer, np.float32) for name, answer in run(**{entry: pictures}).items()}

    return serve


def _interpreter() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise UserError(
            f"LiteRT cannot be imported ({error}): pip install ai-edge-litert, or give another `runtime`."
        ) from error
    return Interpreter
