"""What is made of a face, written as the name's ending says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfface.io.files import MARK, json_text, write_text
from tfface.io.film import write_gif, write_mp4
from tfface.io.image import write_image
from tfface.io.model import write_glb


@dataclass(frozen=True)
class Film:
    """Frames `[H,W,3]` uint8 for `.gif` and `.mp4`."""

    frames: list[Any]
    fps: float


def write_made(path: Path, content: Any, mark: str = MARK) -> None:
    """A picture (`.png`), a model (`.glb`), a film (`.gif`, `.mp4`), or else what JSON says; each carries `mark`."""
    if path.suffix == ".png":
        write_image(path, content, result=True, mark=mark)
    elif path.suffix == ".glb":
        write_glb(path, replace(content, mark=mark))
    elif path.suffix == ".gif":
        write_gif(path, content.frames, content.fps, mark)
    elif path.suffix == ".mp4":
        write_mp4(path, content.frames, content.fps, mark=mark)
    else:
        write_text(path, json_text({"software": mark, **content}))
