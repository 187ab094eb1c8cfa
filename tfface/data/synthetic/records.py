"""Synthetic faces made by many processes, in the order of their seeds.

The workers import no TensorFlow: they start fast and stay small. What they make depends on the seed and the settings
alone, so the number of workers changes nothing but the speed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial

from tfface.data.shards.faces import FaceRecord, camera_vector
from tfface.data.shards.pictures import encode_jpeg
from tfface.data.synthetic.head.bank import AlbedoBank
from tfface.data.synthetic.sample import SyntheticSettings
from tfface.face.open_model import load_open_face
from tfface.parallel.pool import shared


@lru_cache(maxsize=1)  # a Ray worker makes shard after shard
def record_maker(settings: SyntheticSettings) -> Callable[[int], FaceRecord]:
    """What makes the record of a seed, in one thread."""
    import cv2

    from tfface.data.synthetic.scene import FaceGenerator

    cv2.setNumThreads(1)
    generator = FaceGenerator(settings)

    def make(seed: int) -> FaceRecord:
        pair = generator.pair(seed)
        return FaceRecord(
            seed=seed,
            identity=pair.identity,
            expression=pair.expression,
            images=(encode_jpeg(pair.front.image), encode_jpeg(pair.side.image)),
            cameras=(camera_vector(pair.front.camera), camera_vector(pair.side.camera)),
            labels=pair.labels,
        )

    return make


def paint_bank(settings: SyntheticSettings) -> None:
    """Paints the skins that these settings draw from, unless they are in the cache: before processes that all would."""
    size, face = settings.texture_size, load_open_face()
    AlbedoBank.open(face, settings.bank_size, size, painted_wrinkles=not settings.wrinkles)


@contextmanager
def record_stream(settings: SyntheticSettings, seeds: Iterable[int], workers: int) -> Iterator[Iterator[FaceRecord]]:
    """Records of `seeds`, in order, made by `workers` processes (0: in this one)."""
    if workers:
        paint_bank(settings)
    with shared(partial(record_maker, settings), workers) as records_of:
        yield records_of(seeds)
