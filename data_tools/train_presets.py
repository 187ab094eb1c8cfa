"""Ten minutes of somebody's GPU to presets: makes faces on all cores while networks train on the growing pool.

    KERAS_BACKEND=jax python data_tools/train_presets.py --out runs/gpu

No TensorFlow is needed, nor a network. One command makes shards in OUT/faces by a process for each core; as soon as
some are there, the networks of `--networks` train one after the other, each for its minutes, on what has been made by
then (`data.in_memory`: every picture is decoded once; the loader takes in new shards after each pass). The learning
rate stays, and a moving average of the weights is what is judged and kept, so it does not matter how far a run comes.
After each, OUT/presets/NAME is a preset (float16), whose weights lie in pieces below 16 MB beside it, to be carried:

    cat weights.npz.* > weights.npz

The same command goes on where it was stopped: shards that are missing are made, runs resume, minutes that were used
count. More minutes, shards or networks may be asked for then.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tfface.cli import run
from tfface.errors import StoppedError, UserError

PIECE_BYTES = 15 << 20
CARRIED = ("metrics.csv", "config.yaml", "run.yaml")
NETWORKS = (
    "mnv2_prn 2.5 --model mnv2_prn --model.views 1",
    "prn_res 3 --model prn_res",
    "mnv2_points 3.5 --model mnv2_points --init mnv2_points",
)


@dataclass(frozen=True)
class Options:
    """Train presets on a machine with an accelerator, for some minutes each."""

    out: Path
    """Folder for faces, runs and presets."""
    networks: tuple[str, ...] = NETWORKS
    """Each `NAME MINUTES OPTIONS`, with options of tfface train, which go before those below."""
    pairs: int = 100_000
    """The most people to make; what is made when training ends is kept."""
    first_pairs: int = 1024
    """How many to wait for before training begins."""
    workers: int = os.cpu_count() or 1
    """Processes that make faces."""
    pairs_per_shard: int = 64
    """How many people a file holds."""
    textures: int = 384
    """Painted skins; 45 ms each before the first face, on one core."""
    image_size: int = 256
    """Side of the pictures in pixels: 1.25 times the largest network's shows all that it can see."""
    batch: int = 128
    """Samples in a step."""
    steps_per_epoch: int = 500
    """Steps between validations."""
    validation_size: int = 512
    """Samples held out."""
    learning_rate: float = 3e-4
    """The learning rate, after 200 steps of climbing to it."""
    ema: float = 0.998
    """Momentum of the moving average of the weights."""
    precision: str = "mixed_bfloat16"
    """float32 on processors; mixed_bfloat16 or mixed_float16 on GPUs."""


def main(argv: list[str] | None = None) -> int:
    """Makes faces and trains; 0.

    Raises:
        UserError: a network is not said well, or the generator or a run failed.
    """
    import tyro

    options = tyro.cli(Options, args=argv, prog="python data_tools/train_presets.py")
    plan = [planned(text) for text in options.networks]
    options.out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # batch systems end jobs so; no process may stay behind
    faces = _make_faces(options)
    try:
        _wait_for_faces(options, faces)
        for name, minutes, more in plan:
            _train(options, name, minutes, more)
            print(f"{name}: {_pack(options.out / name, options.out / 'presets' / name)}", flush=True)
    finally:
        faces.terminate()
        faces.wait()
    return 0


def planned(text: str) -> tuple[str, float, list[str]]:
    """Name, minutes and options of tfface train.

    Raises:
        UserError: it is not of this form.
    """
    try:
        name, minutes_text, *options = shlex.split(text)
        minutes = float(minutes_text)
    except ValueError as error:
        raise UserError(f"--networks {text!r}: give NAME MINUTES OPTIONS, such as {NETWORKS[0]!r}.") from error
    return name, minutes, options


def _make_faces(options: Options) -> subprocess.Popen[bytes]:
    """The process that makes faces, which gives way to training."""
    command = [sys.executable, "-m", "tfface.synthesize", "--out", str(options.out / "faces")]
    for name in ("pairs", "pairs_per_shard", "workers", "textures", "image_size"):
        command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    nice = ["nice", "-n", "10"] if shutil.which("nice") else []
    with (options.out / "faces.log").open("ab") as log:
        return subprocess.Popen([*nice, *command], stdout=log, stderr=log)


def _wait_for_faces(options: Options, faces: subprocess.Popen[bytes]) -> None:
    wanted = -(-min(options.first_pairs, options.pairs) // options.pairs_per_shard)
    wanted = max(wanted, -(-options.validation_size // options.pairs_per_shard) + 1)
    while len(list((options.out / "faces").glob("faces-*.tfrecord"))) < wanted:
        if faces.poll():
            raise StoppedError(f"No faces are being made: see {options.out / 'faces.log'}.")
        time.sleep(0.5)


def _train(options: Options, name: str, minutes: float, more: list[str]) -> None:
    """Trains one network for what is left of its minutes.

    Raises:
        UserError: its process failed.
    """
    left = minutes - _minutes_used(options.out / name)
    if left <= 0.05:
        return
    settings = {
        "data.records": options.out / "faces",
        "data.in_memory": "True",
        "data.batch": options.batch,
        "data.steps_per_epoch": options.steps_per_epoch,
        "data.validation_size": options.validation_size,
        "optim.learning_rate": options.learning_rate,
        "optim.schedule": "constant",
        "optim.warmup_steps": 200,
        "optim.ema": options.ema,
        "optim.epochs": 1_000_000,
        "optim.patience": 1_000_000,
        "run.precision": options.precision,
        "run.checkpoint_minutes": 1,
        "run.max_minutes": left,
        "run.out": options.out / name,
    }
    command = [sys.executable, "-m", "tfface.train"]
    for key, value in settings.items():
        command += [f"--{key.replace('_', '-')}", str(value)]
    code = subprocess.run([*command, *more]).returncode
    if code:
        raise StoppedError(f"{name} failed; the same command goes on.")


def _minutes_used(folder: Path) -> float:
    """How long a run has trained, as its files say; Keras, which would take the GPU's memory, is not asked."""
    from tfface.config.tree import read_yaml
    from tfface.io.reading import read_rows

    used = [0.0]
    if (folder / "run.yaml").is_file():
        used.append(60 * read_yaml(folder / "run.yaml").get("hours", 0.0))
    if (folder / "metrics.csv").is_file():
        rows = read_rows(folder / "metrics.csv", "a run's table", ("minutes",))
        used += [float(row["minutes"]) for row in rows]
    return max(used)


def _pack(folder: Path, target: Path) -> str:
    """Writes a run's best weights as a preset, and pieces of them; says how good they are."""
    from tfface.config.tree import read_yaml

    if not (folder / "best.weights.h5").is_file():
        return "no epoch is complete: give it more minutes, or fewer --steps-per-epoch"
    command = [sys.executable, "-m", "tfface.export", str(folder), "--preset", str(target.resolve())]
    on_processor = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    if subprocess.run(command, env=on_processor, stdout=subprocess.DEVNULL).returncode:
        raise StoppedError(f"{folder} could not be made a preset; the same command tries again.")
    for old in target.glob("weights.npz.*"):
        old.unlink()
    data = (target / "weights.npz").read_bytes()
    for number, first in enumerate(range(0, len(data), PIECE_BYTES)):
        (target / f"weights.npz.{number:02d}").write_bytes(data[first : first + PIECE_BYTES])
    for name in CARRIED:
        shutil.copy(folder / name, target)
    note = read_yaml(folder / "run.yaml")
    return f"validation nme68 {note['val_nme68']:.2f} % after {note['steps']} steps; preset in {target}"


if __name__ == "__main__":
    sys.exit(run(main))
