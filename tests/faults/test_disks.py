"""A disk that takes no more: a sentence that names the file, what was there stays, and nothing half-written is left."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import pytest

from tfface import config as configuration
from tfface.data.shards.faces import FaceRecord, write_shard
from tfface.data.shards.pictures import encode_jpeg
from tfface.errors import UserError
from tfface.io.image import write_image
from tfface.io.mesh import Mesh, write_mesh
from tfface.training.checkpoint import RunState, save_checkpoint

NOISE = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
POINTS = np.random.default_rng(0).normal(0, 50, (3000, 3)).astype(np.float32)


@contextmanager
def full_disk(size: int = 4096) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes: the system's own way to say that there is no room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _shard(folder: Path) -> None:
    jpeg = encode_jpeg(NOISE)
    record = FaceRecord(1, np.zeros(150, np.float32), np.zeros(52, np.float32), (jpeg,) * 2, (np.ones(13),) * 2, {})
    write_shard(folder / "faces-00000.tfrecord", [record] * 3)


def _network() -> keras.Model:
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64)])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


WRITERS: dict[str, Callable[[Path], object]] = {
    "picture": lambda folder: write_image(folder / "a.png", NOISE),
    "mesh": lambda folder: write_mesh(folder / "a.obj", Mesh(POINTS, np.int32([[0, 1, 2]]))),
    "glb": lambda folder: write_mesh(folder / "a.glb", Mesh(POINTS, np.int32([[0, 1, 2]]))),
    "shard": _shard,
    "configuration": lambda folder: configuration.save(configuration.Config(), folder / "a.yaml"),
    "checkpoint": lambda folder: save_checkpoint(folder, _network(), RunState()),
}
BEST_WEIGHTS = """
import sys
from pathlib import Path
from tests.faults.test_disks import _network, full_disk
from tfface.cli import run
from tfface.training.checkpoint import save_best

folder, network = Path(sys.argv[1]), _network()
save_best(folder, network)

def fill(argv):
    with full_disk():
        save_best(folder, network)
    return 0

raise SystemExit(run(fill))
"""


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_reported(name: str, tmp_path: Path) -> None:
    write = WRITERS[name]
    write(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with (
        full_disk(512 if name == "configuration" else 4096),
        pytest.raises(UserError, match="cannot be written") as error,
    ):
        write(tmp_path)
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    write(tmp_path)  # with room again it goes on


def test_a_disk_that_is_full_for_the_best_weights(
    python: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """In a process of its own: HDF5 cannot close a file that it could not write, and crashes at the next one."""
    ran = python("-c", BEST_WEIGHTS, str(tmp_path))
    assert ran.returncode == 2 and "best.weights.h5" in ran.stderr and "cannot be written" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["best.weights.h5"]


def _may_mount(folder: Path) -> bool:
    try:
        subprocess.run(["mount", "-t", "tmpfs", "tfface-disk", folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    subprocess.run(["umount", folder], check=True)
    return True


@pytest.mark.slow
def test_a_small_disk_fills_while_shards_are_made(
    python: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    if not _may_mount(tmp_path):
        pytest.skip("no tmpfs can be mounted here: that takes root on Linux")
    ran = python("-m", "tests.faults.disks", "data", "--shares", "0.5", "--place", str(tmp_path), timeout=600)
    assert ran.returncode == 0, ran.stdout + ran.stderr
