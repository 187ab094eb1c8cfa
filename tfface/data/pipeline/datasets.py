"""From a folder of shards, or none, to batches: what `tfface.training` feeds the network.

`make_batches` needs no TensorFlow; its batches are in bytes, and `FinishBatch` makes images and maps of them inside the
network's graph, on any backend. `make_datasets` gives the same as `tf.data`, finished: (images `[B,S,S,3*views]` in
[0,1], position maps `[B,R,R,3]` in pixels of a 256-pixel crop). Maps of `tfface.data.shards.maps` have a fourth
channel, the weight of each texel's truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tfface.config import Config
from tfface.data.pipeline.batches import Batch, Batches, BatchMaker, FinishBatch, KeptValidation, Signature
from tfface.data.pipeline.samples import source_of

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
    return batches.training(start_step), batches.kept_validation()


def make_datasets(config: Config, start_step: int = 0) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """The same as `tf.data`.

    Args, raises:
        as in `make_batches`.
    """
    batches = Batches(config, source_of(config))
    return as_datasets(batches, batches.signature(), start_step, FinishBatch(config).into_graph())


def as_datasets(
    batches: BatchMaker, signature: Signature, start_step: int, finish: Callable[[Any], tuple[Any, Any]]
) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """Batches for training and validation as `tf.data`, each finished by `finish` in TensorFlow's graph."""
    import tensorflow as tf

    size = batches.config.data.batch

    def dataset(make: Callable[[], Iterator[Batch]], size: int | None) -> tf.data.Dataset:
        specs = {key: tf.TensorSpec((size, *shape), kind) for key, (shape, kind) in signature.items()}
        return tf.data.Dataset.from_generator(make, output_signature=specs)

    training = dataset(lambda: batches.training(start_step), size).map(finish, num_parallel_calls=2).prefetch(4)
    training = training.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    kept = batches.kept_validation()
    validation = dataset(lambda: iter(kept), None).map(finish)
    return training, validation.apply(tf.data.experimental.assert_cardinality(len(kept))).prefetch(2)
