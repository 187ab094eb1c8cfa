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
    """What a network in a file says of pictures, by the names of its outputs; however many it takes at once.

    Args:
        path: `.tflite`, with one signature.

    Raises:
        UserError: it is no such file, or LiteRT is missing.
    """
    interpreter = _interpreter()
    with reading(path, "a TFLite network", "export the model again"):
        opened = interpreter(str(path), num_threads=available_cores())
        run = opened.get_signature_runner()
        entry, described = next(iter(run.get_input_details().items()))
        size = int(described["shape"][0])

    def serve(pictures: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        parts = [_run(pictures[i : i + size]) for i in range(0, len(pictures), size)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _run(pictures: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        missing = size - len(pictures)
        with reading(path, "a network that predicts faces", "export the model again"):
            answers = run(**{entry: np.pad(pictures, ((0, missing), (0, 0), (0, 0), (0, 0)))})
            return {name: np.array(answer[: len(pictures)], np.float32) for name, answer in answers.items()}

    return serve


def _interpreter() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise UserError(
            f"LiteRT cannot be imported ({error}): pip install ai-edge-litert, or give another --runtime."
        ) from error
    return Interpreter
