"""A bank of painted faces: made once on demand, kept in the user's cache folder, read by memory map."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.data.synthetic.head import albedo
from tfface.data.synthetic.head.albedo import SkinChart, SkinPainter, sample_skin
from tfface.face.open_model import OpenFace
from tfface.io.files import atomic_path, cache_folder
from tfface.io.reading import read_arrays, reading

LABELS = ("male", "ita_deg", "age", "beard", "hairline")


@dataclass(frozen=True)
class AlbedoBank:
    """Albedo textures and what they show.

    Attributes:
        textures: `[N,R,R,4]` uint8: the square root of linear RGB and how bare the skin is, each times 255.
        base: `[N,3]` linear RGB of the bare skin.
        hair: `[N,3]` linear RGB of the hair.
        labels: `[N,5]` in the order of `LABELS`.
    """

    textures: NDArray[np.uint8]
    base: NDArray[np.float32]
    hair: NDArray[np.float32]
    labels: NDArray[np.float32]

    @classmethod
    def open(
        cls,
        face: OpenFace,
        count: int,
        resolution: int,
        num_threads: int | None = None,
        painted_wrinkles: bool = True,
    ) -> AlbedoBank:
        """The bank of `count` textures `resolution` texels wide; painted when the cache does not hold it.

        Texture i depends only on i, the resolution and the face model, whoever paints it; without `painted_wrinkles` it
        is the same skin, smooth.
        """
        source = hashlib.sha256(Path(albedo.__file__).read_bytes()).hexdigest()[:10]
        kind = "" if painted_wrinkles else "smooth-"
        path = cache_folder() / f"albedo-{kind}{face.checksum[:10]}-{source}-{resolution}-{count}.npy"
        if not (path.exists() and path.with_suffix(".npz").exists()):
            cls._paint(path, face, count, resolution, num_threads or os.cpu_count() or 1, painted_wrinkles)
        advice = "remove it and it is painted again"
        facts = read_arrays(path.with_suffix(".npz"), "painted faces", ("base", "hair", "labels"), advice)
        with reading(path, "painted faces", advice):
            textures = np.load(path, mmap_mode="r", allow_pickle=False)
        return cls(textures, facts["base"], facts["hair"], facts["labels"])

    @staticmethod
    def _paint(path: Path, face: OpenFace, count: int, resolution: int, num_threads: int, wrinkles: bool) -> None:
        chart = SkinChart(face, resolution)
        skins, streams = [], []
        for index in range(count):
            rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([0x51C1, index])))
            skins.append(sample_skin(rng))
            streams.append(rng)
        facts: dict[str, Any] = {
            "base": np.array([skin.base for skin in skins], np.float32),
            "hair": np.array([skin.hair for skin in skins], np.float32),
            "labels": np.array([[getattr(skin, name) for name in LABELS] for skin in skins], np.float32),
        }
        with atomic_path(path) as beside, ThreadPoolExecutor(num_threads) as pool:
            shape = (count, resolution, resolution, 4)
            textures = np.lib.format.open_memmap(beside, "w+", np.uint8, shape)
            _claim_room(beside)
            each = zip(skins, streams, strict=True)
            jobs = pool.map(lambda pair: SkinPainter(chart, pair[0], pair[1], wrinkles=wrinkles).paint(), each)
            for index, texture in enumerate(jobs):
                textures[index] = texture
            textures.flush()
        with atomic_path(path.with_suffix(".npz")) as beside:
            np.savez(beside, **facts)


def _claim_room(path: Path) -> None:
    """Takes the file's room on the disk now: a memory map whose disk is full ends the process without a word.

    Raises:
        OSError: there is not enough.
    """
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
