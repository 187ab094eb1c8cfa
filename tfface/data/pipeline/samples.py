"""Where samples come from: shards of synthetic faces, shards of maps, or the generator itself.

A source hands out jobs, in an order that follows `data.seed` and the number of samples before, and turns a job into a
`Sample`. With one view, front and side pictures are samples of their own; with two, the truth is that of the front.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tfface.config import Config
from tfface.data.shards.faces import CAMERA_SIZE, VIEWS, FaceRecord
from tfface.data.shards.folder import (
    REMAKE,
    SHARD,
    card_number,
    check_face_model,
    find_shards,
    must_hold_records,
    read_dataset_card,
)
from tfface.data.shards.maps import KIND as MAPS_KIND
from tfface.data.shards.maps import decode_view
from tfface.data.shards.pictures import decode_image
from tfface.data.synthetic.records import record_stream
from tfface.data.synthetic.sample import SyntheticSettings
from tfface.data.synthetic.shard_set import MOST_SEEDS
from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.geometry.align import MAP_SIZE
from tfface.geometry.uv import bilinear_weights
from tfface.io.examples import Place, decode_example, read_place, record_places
from tfface.io.reading import reading

VALIDATION_SEED = MOST_SEEDS
Features = dict[str, Any]
Shapes = dict[str, tuple[int, ...]]


class Sample(NamedTuple):
    """What is known of a sample.

    Attributes:
        pictures: `[H,H,3]` uint8 RGB, as many as the network has views.
        truth: `identity`, `expression` and `camera` as in `tfface.data.shards.faces`, or `map` `[R,R,4]`, u, v and
            depth in pixels of the first picture and each texel's weight.
    """

    pictures: tuple[NDArray[np.uint8], ...]
    truth: dict[str, NDArray[np.float32]]


class Source(Protocol):
    """Where samples come from.

    Attributes:
        enlarged: pictures show this many times the side of the crop's box.
        shapes: of a sample's truth.
        num_validation: how many samples are held out.
    """

    enlarged: float
    shapes: Shapes
    num_validation: int

    def training(self, start: int) -> Iterator[Any]:
        """Jobs without end, after `start` samples."""
        ...

    def validation(self) -> Iterator[Any]:
        """The jobs of the samples that are held out."""
        ...

    def load(self, job: Any) -> Sample:
        """The sample of a job; called by many threads at once."""
        ...


def source_of(config: Config) -> Source:
    """The source that a configuration means.

    Raises:
        UserError: the folder of shards has too few, none, or other ones.
    """
    if not config.data.records:
        return LiveFaces(config)
    folder = Path(config.data.records)
    find_shards(folder)  # says so where there are none
    kind = read_dataset_card(folder).get("kind")
    return MapShards(config, folder) if kind == MAPS_KIND else FaceShards(config, folder)


class ShardSource(ABC):
    """Shards: every record has its place, so samples are read in any order; each pass over a folder has one of its own,
    and takes in the shards that were added meanwhile."""

    shapes: Shapes

    def __init__(self, config: Config, folder: Path, stored: int, per_shard: str) -> None:
        face, card = load_open_face(), read_dataset_card(folder)
        check_face_model(folder, card, face.checksum)
        self.config, self.folder = config, folder
        self.enlarged = card_number(folder, card, "settings", "enlarge")
        self.views: tuple[str | None, ...] = VIEWS[:stored] if config.model.views == 1 else (None,)
        self._records = -(-config.data.validation_size // len(self.views))
        self.num_validation = self._records * len(self.views)
        self._held_out = -(-self._records // int(card_number(folder, card, per_shard)))
        self._places: dict[Path, list[Place]] = {}
        self._kept: dict[Any, Sample] = {}
        self._split()

    def _split(self) -> tuple[list[Path], list[Path]]:
        """The shards for validation, the first ones, so that a folder may grow; and for training."""
        shards = find_shards(self.folder)
        if self._held_out >= len(shards):
            raise UserError(
                f"{self.folder} holds {len(shards)} shards, and {self._held_out} are held out for validation: make "
                "more shards, or lower `data.validation_size`."
            )
        valid, train = shards[: self._held_out], shards[self._held_out :]
        if valid:
            must_hold_records(valid, "validation")
        must_hold_records(train, "training")
        return valid, train

    def _jobs(self, shards: Iterable[Path], most: int | None = None) -> list[tuple[Place, str | None]]:
        for path in shards:
            if path not in self._places:
                with reading(path, SHARD, REMAKE):
                    self._places[path] = record_places(path)
        places = itertools.islice((place for path in shards for place in self._places[path]), most)
        return [(place, view) for place in places for view in self.views]

    def training(self, start: int) -> Iterator[tuple[Place, str | None]]:
        number, begun = divmod(start, len(self._jobs(self._split()[1])))
        return passes(lambda _: self._jobs(self._split()[1]), self.config.data.seed, number, begun)

    def validation(self) -> Iterator[tuple[Place, str | None]]:
        return iter(self._jobs(self._split()[0], self._records))

    def load(self, job: tuple[Place, str | None]) -> Sample:
        if job in self._kept:
            return self._kept[job]
        place, view = job
        with reading(place.path, SHARD, REMAKE):
            sample = self._sample(decode_example(read_place(place)), view)
        if self.config.data.in_memory:
            self._kept[job] = sample
        return sample

    @abstractmethod
    def _sample(self, features: Features, view: str | None) -> Sample:
        """The sample of a record's features: of one view, or of both for None."""


class FaceShards(ShardSource):
    """Shards of `tfface.data.shards.faces`: coefficients and cameras."""

    def __init__(self, config: Config, folder: Path) -> None:
        super().__init__(config, folder, len(VIEWS), "pairs_per_shard")
        self.shapes = _coefficient_shapes()

    def _sample(self, features: Features, view: str | None) -> Sample:
        sample = face_sample(features, view)
        if {key: value.shape for key, value in sample.truth.items()} != self.shapes:
            raise ValueError("its records are of another form")
        return sample


class MapShards(ShardSource):
    """Shards of `tfface.data.shards.maps`. Where the network's map is smaller than the stored one, the chart is sampled
    bilinearly."""

    def __init__(self, config: Config, folder: Path) -> None:
        stored, size = int(card_number(folder, read_dataset_card(folder), "views")), config.model.map_size
        if config.model.views > stored:
            raise UserError(f"{folder} holds single pictures, and the network wants pairs: choose `model.views=1`.")
        super().__init__(config, folder, stored, "records_per_shard")
        self.shapes = {"map": (size, size, 4)}
        line = np.linspace(0.0, 1.0, size)
        self._texels = bilinear_weights(np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2), MAP_SIZE)

    def _sample(self, features: Features, view: str | None) -> Sample:
        views = [decode_view(features, name) for name in (VIEWS if view is None else (view,))]
        weight = (views[0].mask / 255).astype(np.float32)
        maps = np.concatenate([views[0].position_map, weight[..., None]], axis=-1)
        if self.shapes["map"] != maps.shape:
            flat, (texels, weights) = maps.reshape(-1, 4), self._texels
            maps = np.einsum("nkc,nk->nc", flat[texels], weights).reshape(self.shapes["map"])
        return Sample(tuple(each.image for each in views), {"map": np.asarray(maps, np.float32)})


class LiveFaces:
    """Faces made on the fly by `data.workers` processes: a seed each, from `data.seed` on, gone through once.

    They leave in a random order, out of a buffer of `data.shuffle`. Which one leaves follows from the seed and the
    number of those before, so a resumed run makes the faces of the buffer again, and goes on in the same order.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.settings = SyntheticSettings(background_folder=config.data.backgrounds, bank_size=config.data.textures)
        self.enlarged, self.shapes = self.settings.enlarge, _coefficient_shapes()
        self.views: tuple[str | None, ...] = VIEWS if config.model.views == 1 else (None,)
        self._records = -(-config.data.validation_size // len(self.views))
        self.num_validation = self._records * len(self.views)

    def training(self, start: int) -> Iterator[tuple[Features, str | None]]:
        data = self.config.data
        places, held = _random_places(data.seed, data.shuffle), list(range(data.shuffle))
        for number, place in enumerate(itertools.islice(places, start), data.shuffle):
            held[place] = number
        first = sorted(held)
        with closing(
            self._jobs(itertools.chain(first, itertools.count(start + data.shuffle)), data.seed << 32)
        ) as jobs:
            made = dict(zip(first, jobs, strict=False))
            buffer = [made[number] for number in held]
            for place, job in zip(places, jobs, strict=True):
                yield buffer[place]
                buffer[place] = job

    def validation(self) -> Iterator[tuple[Features, str | None]]:
        return self._jobs(range(self.num_validation), VALIDATION_SEED)

    def _jobs(self, numbers: Iterable[int], seed: int) -> Generator[tuple[Features, str | None], None, None]:
        """The jobs of these numbers, which ascend: each record has as many as the network tells views apart."""
        views, wanted = len(self.views), deque[list[int]]()

        def seeds() -> Iterator[int]:
            for record, of_record in itertools.groupby(numbers, lambda number: number // views):
                wanted.append([number % views for number in of_record])
                yield seed + record

        with record_stream(self.settings, seeds(), self.config.data.workers) as records:
            for record in records:
                features = _features(record)
                yield from ((features, self.views[view]) for view in wanted.popleft())

    def load(self, job: tuple[Features, str | None]) -> Sample:
        return face_sample(*job)


def passes(jobs_of: Callable[[int], Sequence[Any]], seed: int, number: int = 0, begun: int = 0) -> Iterator[Any]:
    """Jobs without end, pass after pass, each in an order that follows from the seed and the pass's number.

    Args:
        jobs_of: the jobs of a pass, by its number; asked for as the pass begins.
        seed: of the orders.
        number: the first pass.
        begun: how many of its jobs came before.
    """
    for each in itertools.count(number):
        jobs = jobs_of(each)
        order = np.random.default_rng([seed, each]).permutation(len(jobs))
        yield from (jobs[index] for index in order[begun:])
        begun = 0


def _random_places(seed: int, size: int, block: int = 4096) -> Iterator[int]:
    """Random numbers below `size`, without end."""
    for number in itertools.count():
        yield from np.random.default_rng([seed, number]).integers(size, size=block).tolist()


def face_sample(features: Features, view: str | None) -> Sample:
    """One picture of a record of `tfface.data.shards.faces`, or both for `view` None, and its coefficients."""
    names = VIEWS if view is None else (view,)
    truth = {"identity": features["identity"], "expression": features["expression"]}
    truth["camera"] = features[f"{names[0]}/camera"]
    return Sample(tuple(decode_image(features[f"{name}/image"]) for name in names), truth)


def _coefficient_shapes() -> Shapes:
    face = load_open_face()
    return {"identity": (face.num_identity,), "expression": (len(face.expression_names),), "camera": (CAMERA_SIZE,)}


def _features(record: FaceRecord) -> Features:
    features: Features = {"identity": record.identity, "expression": record.expression}
    for view, image, camera in zip(VIEWS, record.images, record.cameras, strict=True):
        features |= {f"{view}/image": image, f"{view}/camera": camera}
    return features
