"""Samples to batches of pictures in bytes, moved and damaged, with what their position maps are made from.

Everything random in batch n follows `data.seed` and n, so it is the same whoever asks, on every backend; a resumed run
repeats nothing. Threads work on several batches at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.config import Config
from tfface.data.pipeline import augment
from tfface.data.pipeline.face_noise import add_face_noise
from tfface.data.pipeline.maps import MapProjector, library, mirror_maps, transform_maps
from tfface.data.pipeline.samples import Sample, Source
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry.align import roll_from_landmarks
from tfface.parallel.ahead import in_threads, many_at_once

Batch = dict[str, NDArray[Any]]
Signature = dict[str, tuple[tuple[int, ...], type]]
"""Shapes, without the batch's size, and types of what a batch has."""


class BatchMaker(ABC):
    """What makes batches of jobs in threads, for training without end and for validation once through.

    Args:
        config: the run's configuration.
        num_samples: how many are for validation.
    """

    def __init__(self, config: Config, num_samples: int) -> None:
        self.config = config
        self.num_validation = -(-num_samples // config.data.batch)

    def training(self, start_step: int) -> Iterator[Batch]:
        """Batches without end, after `start_step` of them."""
        size = self.config.data.batch
        return in_threads(self._numbered, enumerate(many_at_once(self._training(start_step * size), size), start_step))

    def validation(self) -> Iterator[Batch]:
        """Plain batches, once through; the last one may be smaller."""
        return in_threads(self._batch, many_at_once(self._validation(), self.config.data.batch))

    def kept_validation(self) -> KeptValidation:
        """Those, as often as wanted."""
        return KeptValidation(self.validation, self.num_validation, self.config.data.cache_validation)

    def _numbered(self, numbered: tuple[int, list[Any]]) -> Batch:
        number, jobs = numbered
        random = np.random.default_rng([self.config.data.seed, number]) if self.config.augment.enabled else None
        return self._batch(jobs, random)

    @abstractmethod
    def _training(self, start: int) -> Iterator[Any]:
        """Jobs without end, after `start` samples."""

    @abstractmethod
    def _validation(self) -> Iterator[Any]:
        """The jobs that are held out."""

    @abstractmethod
    def _batch(self, jobs: list[Any], rng: np.random.Generator | None = None) -> Batch:
        """The batch of some jobs, augmented where there are random numbers."""


class Batches(BatchMaker):
    """A source's samples as batches, with augmentation for training and without for validation.

    A batch has `images` `[B,S,S,3*views]` uint8; `undamaged`, the same before its colours were changed, where asked
    for; the samples' truth; `move` `[B,2,3]`, from pixels of the first stored picture to the 256-pixel crop; `mirrored`
    `[B]`, whether left became right after that.

    Args:
        config: the run's configuration.
        source: of the samples.
        undamaged: also give the undamaged pictures.
    """

    def __init__(self, config: Config, source: Source, undamaged: bool = False) -> None:
        super().__init__(config, source.num_validation)
        self.source, self.undamaged = source, undamaged
        self.finish = FinishBatch(config)

    def _training(self, start: int) -> Iterator[Any]:
        return self.source.training(start)

    def _validation(self) -> Iterator[Any]:
        return self.source.validation()

    def signature(self) -> Signature:
        """Of its batches."""
        model = self.config.model
        picture = ((model.image_size, model.image_size, 3 * model.views), np.uint8)
        kept: dict[str, Any] = {key: (shape, np.float32) for key, shape in self.source.shapes.items()}
        kept |= {"images": picture, "move": ((2, 3), np.float32), "mirrored": ((), np.bool_)}
        return kept | {"undamaged": picture} if self.undamaged else kept

    def _batch(self, jobs: list[Any], rng: np.random.Generator | None = None) -> Batch:
        samples, config = [self.source.load(job) for job in jobs], self.config.augment
        batch: Batch = {key: np.stack([sample.truth[key] for sample in samples]) for key in self.source.shapes}
        batch["mirrored"] = np.zeros(len(samples), bool)
        if rng is not None and config.mirror:
            batch["mirrored"] = rng.random(len(samples)) < 0.5
        pictures = []
        for view in range(self.config.model.views):
            moves = self._moves(samples, view, batch)
            if rng is not None:
                moves = augment.compose(augment.random_similarities(len(samples), config, rng), moves)
            pictures.append(self._warped(samples, view, moves, batch["mirrored"]))
            batch.setdefault("move", moves.astype(np.float32))
        if self.undamaged:
            batch["undamaged"] = np.concatenate(pictures, axis=-1)
        if rng is not None:
            for each in pictures:
                augment.damage_pictures(each, config, rng)
            if config.face_noise:
                add_face_noise(pictures[0], self.finish.maps(batch), rng)
        batch["images"] = np.concatenate(pictures, axis=-1)
        return batch

    def _moves(self, samples: list[Sample], view: int, batch: Batch) -> NDArray[np.float64]:
        """From stored pictures to crops, before anything random `[B,2,3]`; the first view's face upright if asked."""
        sizes = (len(sample.pictures[view]) for sample in samples)
        moves = np.stack([augment.crop_transform(size, self.source.enlarged) for size in sizes])
        if view or not self.config.augment.upright:
            return moves
        landmarks = self.finish.topology.landmarks(self.finish.stored_maps(batch))
        rolls = np.array([roll_from_landmarks(points) for points in landmarks])
        return augment.compose(augment.similarities(rolls), moves)

    def _warped(
        self, samples: list[Sample], view: int, moves: NDArray[np.float64], mirrored: NDArray[np.bool_]
    ) -> NDArray[np.uint8]:
        size = self.config.model.image_size
        moves = np.where(mirrored[:, None, None], augment.mirrored(moves), moves)
        moved = (augment.warp_picture(s.pictures[view], move, size) for s, move in zip(samples, moves, strict=True))
        return np.stack(list(moved))


class FinishBatch:
    """A batch in bytes to what a network is fed: NumPy arrays, or tensors of any Keras backend inside its graph.

    Args:
        config: the run's configuration.
    """

    def __init__(self, config: Config) -> None:
        self.size = config.model.map_size

    @cached_property
    def topology(self) -> PositionMap:
        """Of the network's maps."""
        return PositionMap(load_open_face(), self.size)

    @cached_property
    def project(self) -> MapProjector:
        """Coefficients to maps."""
        return MapProjector(load_open_face(), self.size)

    def into_graph(self) -> FinishBatch:
        """To be called before a graph is traced."""
        self.project.into_graph()
        return self

    def __call__(self, batch: Any) -> tuple[Any, Any]:
        """Images `[B,S,S,3*views]` float32 in [0,1], and maps `[B,R,R,3]` (4 with weights) in pixels of the crop."""
        return library(batch["images"]).divide(batch["images"], np.float32(255)), self.maps(batch)

    def stored_maps(self, batch: Any) -> Any:
        """Maps in pixels of the first stored picture."""
        if "map" in batch:
            return batch["map"]
        return self.project(batch["identity"], batch["expression"], batch["camera"])

    def maps(self, batch: Any) -> Any:
        """Maps in pixels of the crop."""
        maps = transform_maps(self.stored_maps(batch), batch["move"])
        turned = batch["mirrored"][:, None, None, None]
        return library(maps).where(turned, mirror_maps(maps, augment.CROP_SIZE), maps)


class KeptValidation:
    """The validation batches, in order, as often as wanted; made when they are first asked for.

    Args:
        make: makes them, all.
        count: how many.
        keep: in memory; else they are made each time.
    """

    def __init__(self, make: Callable[[], Iterator[Batch]], count: int, keep: bool) -> None:
        self._make, self._count, self._keep = make, count, keep
        self._made: list[Batch] = []

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Batch]:
        if not self._keep:
            return self._make()
        if not self._made:
            self._made = list(self._make())
        return iter(self._made)
