"""From a folder of shards, or none, to batches: what `tfface.training` feeds the network.

`make_batches` needs no TensorFlow; its batches are in bytes, and `FinishBatch` makes images and maps of them inside the
network's graph, on any backend. `make_datasets` gives the same as `tf.data`, finished: (images `[B,S,S,3*views]` in
[0,1], position maps `[B,R,R,3]` in pixels of a 256-pixel crop). Maps of `tfface.data.map_records` have a fourth
channel, the weight of each texel's truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from tfface.config import Config
from tfface.data.batches import Batch, Batches, FinishBatch, KeptValidation
from tfface.data.sources import source_of

if TYPE_CHECKING:
    import tensorflow as tf


def make_batches(config: Config, start_step: int = 0) -> tuple[Iterator[Batch], KeptValidation]:
    """Training batches without end, and validation batches.

    Args:
        config: the run's configuration; `data.records` names a folder of shards, else faces are made on the fly.
        start_step: how many training batches were consumed before; the stream goes on after them.

    Raises:
        UserError: there are too few shards, or other ones.
    """
    batches = Batches(config, source_of(config))
    kept = KeptValidation(batches.validation, batches.num_validation, config.data.cache_validation)
    return batches.training(start_step), kept


def make_datasets(config: Config, start_step: int = 0) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """The same as `tf.data`.

    Args, raises:
        as in `make_batches`.
    """
    batches = Batches(config, source_of(config))
    return as_datasets(batches, start_step, FinishBatch(config).into_graph())


class MakesBatches(Protocol):
    """What makes batches, such as `Batches`."""

    config: Config

    def training(self, start_step: int) -> Iterator[Batch]:
        """Batches without end, after `start_step` of them."""
        ...

    def validation(self) -> Iterator[Batch]:
        """Plain batches, once through; the last one may be smaller."""
        ...

    @property
    def num_validation(self) -> int:
        """How many batches `validation` gives."""
        ...

    def signature(self) -> dict[str, tuple[tuple[int, ...], type]]:
        """Shapes, without the batch's size, and types of what a batch has."""
        ...


def as_datasets(
    batches: MakesBatches, start_step: int, finish: Callable[[Any], tuple[Any, Any]]
) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """Batches for training and validation as `tf.data`, each finished by `finish` in TensorFlow's graph."""
    import tensorflow as tf

    data = batches.config.data

    def dataset(make: Callable[[], Iterator[Batch]], size: int | None) -> tf.data.Dataset:
        signature = {key: tf.TensorSpec((size, *shape), kind) for key, (shape, kind) in batches.signature().items()}
        return tf.data.Dataset.from_generator(make, output_signature=signature)

    training = dataset(lambda: batches.training(start_step), data.batch).map(finish, num_parallel_calls=2).prefetch(4)
    training = training.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    kept = KeptValidation(batches.validation, batches.num_validation, data.cache_validation)
    validation = dataset(lambda: iter(kept), None).map(finish)
    return training, validation.apply(tf.data.experimental.assert_cardinality(len(kept))).prefetch(2)
