"""A sweep on a Ray cluster of two nodes (processes of this machine), one of which is stopped in the middle.

`python tests/tune/two_nodes.py` prints which node each epoch ran on and ends with 0 when all trials finished.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent.parent
TOY = os.pathsep.join([str(Path(__file__).with_name("toy")), str(REPOSITORY)])
SETTINGS = {
    **{"model.image_size": 32, "model.map_size": 16, "model.views": 1, "run.pictures": 0},
    **{"data.batch": 4, "data.steps_per_epoch": 2, "data.validation_size": 8, "data.shuffle": 8},
}


def main() -> int:
    """Runs it; 0 when all trials finished although a node was stopped."""
    environment = {**os.environ, "PYTHONPATH": TOY, "TFFACE_TOY_PAUSE": "2", "RAY_USAGE_STATS_ENABLED": "0"}
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    with tempfile.TemporaryDirectory(prefix="nodes-") as folder, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        storage = Path(folder) / "sweep"
        head = node(["--head", "--port", str(port), "--include-dashboard=false"], environment)
        time.sleep(10)
        second = node(["--address", f"127.0.0.1:{port}"], environment)
        time.sleep(5)
        driver = subprocess.Popen(sweep_command(storage, port, Path(folder)), cwd=REPOSITORY, env=environment)
        try:
            return watch(driver, second, storage)
        finally:
            for process in (driver, second, head):
                stop(process)


def node(arguments: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """A Ray node of one core, in a process group of its own."""
    ray = Path(sys.executable).with_name("ray")
    command = [str(ray), "start", *arguments, "--num-cpus=1", "--object-store-memory=80000000"]
    command += ["--node-ip-address=127.0.0.1", "--block"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)


def sweep_command(storage: Path, port: int, folder: Path) -> list[str]:
    """Four trials of four epochs on eight faces."""
    faces = folder / "faces"
    make = ["data_tools/make_synthetic.py", "--out", str(faces), "--pairs", "8", "--pairs-per-shard", "4"]
    make += ["--textures", "6", "--image-size", "64", "--workers", "1"]
    subprocess.run([sys.executable, *make], cwd=REPOSITORY, check=True)
    settings = {**SETTINGS, "data.records": faces}
    command = [sys.executable, "tune/run_sweep.py", "--address", f"127.0.0.1:{port}", "--storage", str(storage)]
    command += ["--space", "mask_weights", "--num-samples", "4", "--max-epochs", "4", "--scheduler", "none"]
    return command + [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


def watch(driver: subprocess.Popen[bytes], second: subprocess.Popen[bytes], storage: Path) -> int:
    """Stops the second node when both have reported, and waits for the sweep's end."""
    deadline = time.monotonic() + 900
    while len({result["node"] for result in results(storage)}) < 2:
        assert driver.poll() is None and time.monotonic() < deadline, "trials did not run on both nodes"
        time.sleep(0.5)
    print("trials run on both nodes; the second one is stopped now", flush=True)
    stop(second)
    code = driver.wait(900)
    for result in results(storage):
        print(result["trial_id"], "epoch", result["epoch"], "node", result["node"][:6])
    finished = {result["trial_id"] for result in results(storage) if result["epoch"] == 4}
    print(f"{len(finished)} of 4 trials finished")
    return code or (len(finished) != 4)


def results(storage: Path) -> list[dict[str, Any]]:
    """What the trials reported."""
    lines = [line for path in sorted(storage.glob("trials/*/result.json")) for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines if line.endswith("}")]


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kills a process; a node with all that it started in its group."""
    if process.poll() is None:
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
    process.wait()


if __name__ == "__main__":
    sys.exit(main())
