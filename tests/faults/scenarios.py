"""Commands that `kills.py` kills and `disks.py` runs on full disks: what they make, and whether it is whole."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TOY = Path(__file__).resolve().parent.parent / "tune" / "toy"
NETWORK = "--model mnv2_light --model.image-size 32 --model.map-size 8 --model.views 1"
STEPS = "--data.batch 1 --data.validation-size 1 --data.steps-per-epoch 4 --optim.epochs 4 --data.shuffle 4"
QUIET = "--run.tensorboard False --run.pictures 0 --device cpu --run.checkpoint-minutes 0.0001"
SPACE = "optim.learning_rate: {loguniform: [0.0001, 0.01]}\n"
SWEEP = " ".join(
    f"--set {text}"
    for text in (
        *("data.records=PLACE/shards", "model.image_size=32", "model.map_size=16", "model.views=1", "data.batch=4"),
        *("data.steps_per_epoch=2", "data.validation_size=4", "run.pictures=0"),
    )
)
TIMES = ("minutes", "images_per_second")


@dataclass(frozen=True)
class Scenario:
    """A command that is killed.

    Attributes:
        command: `tfface NAME`.
        arguments: what follows; OUT is its folder, PLACE the folder that all scenarios share.
        made: what came out, to be compared.
        broken: files that should be whole and are not.
        reached: how far it came, by what is on the disk; a kill may not make that less.
        imports: what is imported before the command begins.
        again: its arguments once OUT holds sweep.yaml.
    """

    command: str
    arguments: str
    made: Callable[[Path], dict[str, object]]
    broken: Callable[[Path], list[str]]
    reached: Callable[[Path], float]
    imports: tuple[str, ...] = ()
    again: str = ""


def trained(folder: Path) -> dict[str, object]:
    """Of a training: its table without times, to six digits (the mean loss of an epoch that was interrupted is a
    mean of means), and all variables of network and optimiser."""
    with (folder / "metrics.csv").open() as file:
        rows = [{k: f"{float(v):.6g}" for k, v in row.items() if k not in TIMES} for row in csv.DictReader(file)]
    with np.load(folder / "checkpoint.npz") as arrays:
        variables = {name: hashlib.sha256(arrays[name].tobytes()).hexdigest() for name in arrays if name != "state"}
    return {"metrics": rows, "variables": variables}


def steps_done(folder: Path) -> float:
    """Of a training: the step of its checkpoint."""
    from tfface.training.checkpoint import read_state

    state = read_state(folder)
    return 0 if state is None else state.step


def files_done(pattern: str) -> Callable[[Path], float]:
    """Of what makes files one by one: how many there are."""
    return lambda folder: sum(1 for _ in folder.glob(pattern))


def trials_of(folder: Path) -> dict[str, object]:
    """Of a sweep: each trial's status, and what it reported of each epoch."""
    found: dict[str, object] = {}
    for trial in _trials(folder):
        curve = [{k: round(e[k], 6) for k in ("epoch", "error", "loss", "val_loss")} for e in trial.curve]
        found[json.dumps(trial.values, sort_keys=True)] = [trial.status, curve]
    return found


def _trials(folder: Path) -> list[Any]:
    from tfface.tune.storage import Storage

    return Storage(str(folder)).trials() if (folder / "trials").is_dir() else []


def epochs_done(folder: Path) -> float:
    """Of a sweep: all trials' epochs; one of each trial may be lost, and is not counted."""
    return sum(max(0, len(trial.curve) - 1) for trial in _trials(folder))


def unreadable_trials(folder: Path) -> list[str]:
    """Trials' checkpoints that cannot be read."""
    return [bad for trial in _trials(folder) if trial.checkpoint for bad in unreadable_run(Path(trial.checkpoint))]


def unreadable_run(folder: Path) -> list[str]:
    """Files of a training that cannot be read."""
    bad = []
    for path in [*folder.glob("checkpoint.npz"), *folder.glob("best.weights.h5")]:
        try:
            if path.suffix == ".npz":
                with np.load(path) as arrays:
                    json.loads(str(arrays["state"]))
            else:
                import h5py

                h5py.File(path).close()
        except Exception as error:
            bad.append(f"{path.name}: {error}")
    return bad


def bytes_of(folder: Path) -> dict[str, object]:
    """Of shards: their bytes."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob("[!.]*.tfrecord"))}


def unreadable_shards(folder: Path) -> list[str]:
    """Shards that are not whole."""
    from tfface.data.shards.folder import damaged_shard

    found = damaged_shard(sorted(folder.glob("[!.]*.tfrecord")))
    return [] if found is None else [str(found)]


def results(folder: Path) -> dict[str, object]:
    """Of predictions: the files, and what they say but for times."""
    found: dict[str, object] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.suffix == ".json":
            content = json.loads(path.read_text())
            found[path.name] = {key: value for key, value in content.items() if key != "timings_ms"}
        elif path.name == "report.html":
            found[path.name] = re.sub(r'"ms":[0-9.]+', "", path.read_text())
        else:
            found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def unreadable_results(folder: Path) -> list[str]:
    """Photographs that count as done and whose files are not all there and readable; a name that begins with a dot is a
    file that was not yet whole when its process was killed."""
    from tfface.io.image import read_image
    from tfface.io.mesh import read_mesh

    bad = []
    for path in folder.glob("[!.]*.json"):
        for name, read in ((f"{path.stem}.glb", read_mesh), (f"{path.stem}_overlay.png", read_image)):
            try:
                json.loads(path.read_text())
                read(folder / name)
            except Exception as error:
                bad.append(f"{name}: {error}")
    return bad


TRAINING = ("tfface.training.position_map", "tfface.config", "tfface.data.pipeline.datasets")
SCENARIOS = {
    "faces": Scenario(
        "train",
        f"{NETWORK} {STEPS} {QUIET} --data.workers 0 --data.textures 8 --out OUT",
        trained,
        unreadable_run,
        steps_done,
        TRAINING,
    ),
    "shards": Scenario(
        "train",
        f"{NETWORK} {STEPS} {QUIET} --data.records PLACE/shards --out OUT",
        trained,
        unreadable_run,
        steps_done,
        TRAINING,
    ),
    "sweep": Scenario(
        "sweep",
        f"--storage OUT --space PLACE/space.yaml --num-samples 2 --max-epochs 4 --scheduler none --seed 3 {SWEEP}"
        f" --cpus-per-trial {min(2, os.cpu_count() or 1)}",  # one after the other where two imports would share a core
        trials_of,
        unreadable_trials,
        epochs_done,
        again=f"--resume --storage OUT --cpus-per-trial {min(2, os.cpu_count() or 1)}",
    ),
    "data": Scenario(
        "synthesize",
        "--out OUT --pairs 12 --pairs-per-shard 3 --workers 1 --textures 8 --image-size 64",
        bytes_of,
        unreadable_shards,
        files_done("[!.]*.tfrecord"),
        ("tfface.synthesize", "tfface.data.synthetic.scene", "tfface.data.synthetic.shard_set"),
    ),
    "predict": Scenario(
        "predict",
        "PLACE/photos --out OUT --formats glb png json --level 0 --texture-size 256",
        results,
        unreadable_results,
        files_done("[!.]*.json"),
        ("tfface.predict", "tfface.inference", "tfface.stream"),
    ),
}
