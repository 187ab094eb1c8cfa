"""Ray's start and end: a cluster that runs already, or one of this machine's own for the time of a command."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfface.errors import Terminated, UserError

OBJECT_STORE_BYTES = 80 * 1024**2
"""Tasks exchange files, not objects; Ray's least is 75 MB."""
ATTEMPTS = 3
"""A busy machine may not start Ray within the 30 seconds that Ray gives itself."""

TOKEN_ADVICE = (
    "if it asks for a token (InvalidAuthToken), set RAY_AUTH_MODE=token and the head's RAY_AUTH_TOKEN (or its "
    "~/.ray/auth_token) here and wherever `ray start` runs."
)
"""`ray start --head` turns tokens on by itself where an earlier Ray left a token file; those who join do not."""


@contextmanager
def cluster(
    address: str = "",
    cpus_per_task: float = 1.0,
    dashboard: bool = False,
    quiet: bool = True,
    variables: dict[str, str] | None = None,
) -> Iterator[None]:
    """Ray for the time of a `with`.

    Args:
        address: of a running cluster, or `auto`; empty: this machine's own (docs/sweeps.md says what guards its ports).
        cpus_per_task: how many threads TensorFlow and OpenMP have in each worker.
        dashboard: Ray's dashboard, on 127.0.0.1.
        quiet: whether what the workers print is left out.
        variables: of the environment of this process and the workers.

    Raises:
        UserError: it cannot be reached or started.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's is 15: beside other work its workers would stand still
    import ray

    threads = str(max(1, int(cpus_per_task)))
    environment = {
        **{name: threads for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")},
        **{"TF_CPP_MIN_LOG_LEVEL": "3", "TF_FORCE_GPU_ALLOW_GROWTH": "true"},
        **(variables or {}),
    }
    os.environ.update(variables or {})
    if address:
        _must_answer(address)
    settings: dict[str, Any] = {"address": address} if address else own_cluster(dashboard)
    settings |= {"log_to_driver": not quiet, "logging_level": "ERROR"}
    before = signal.getsignal(signal.SIGTERM)
    _end_at_sigterm(_terminate)
    try:
        _start({"runtime_env": {"env_vars": environment}, **settings})
        _end_at_sigterm(_terminate)
        yield
    finally:
        ray.shutdown()
        _end_at_sigterm(before or signal.SIG_DFL)


def _terminate(*_: object) -> None:
    raise Terminated


def _end_at_sigterm(act: Any) -> None:
    """Ray takes the signal for itself and leaves its processes to find out; only the main thread may ask for it."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, act)


def _must_answer(address: str) -> None:
    """Of HOST:PORT; Ray itself tries for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError, OverflowError) as error:
        raise UserError(f"`address={address}` does not answer ({error}): start Ray there, or give another.") from error


def own_cluster(dashboard: bool) -> dict[str, Any]:
    """What `ray.init` is given for this machine alone; the object store in a file where /dev/shm (64 MB in many
    containers) cannot hold it. `ray.init` has no public names for the address of a node and that file's place."""
    own: dict[str, Any] = {"address": "local", "include_dashboard": dashboard, "dashboard_host": "127.0.0.1"}
    own |= {"_node_ip_address": "127.0.0.1", "object_store_memory": OBJECT_STORE_BYTES}
    room = shutil.disk_usage("/dev/shm").free if Path("/dev/shm").is_dir() else 0
    if sys.platform == "linux" and room < 2 * OBJECT_STORE_BYTES:
        own["_plasma_directory"] = tempfile.gettempdir()
    return own


def _start(settings: dict[str, Any]) -> None:
    import ray

    for attempt in range(ATTEMPTS):
        try:
            ray.init(**settings)
            return
        except Exception as error:  # Ray says a slow start by a plain Exception
            ray.shutdown()
            last = attempt == ATTEMPTS - 1 or "timed out during startup" not in str(error)
            if last:
                where = "this machine" if settings["address"] == "local" else settings["address"]
                advice = f"; {TOKEN_ADVICE}" if settings["address"] != "local" else ""
                raise UserError(f"Ray cannot be reached or started on {where}: {error}{advice}") from error
