"""Sweeps: spaces, grids, outcomes and reports; and real sweeps of a toy network that are killed and go on."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray import tune
from ray.tune.search.basic_variant import BasicVariantGenerator

from tests.training.test_backends import UNHURRIED
from tfface import sweep as run_sweep
from tfface import train
from tfface.config import Config, load, override, save
from tfface.data.synthetic.shard_set import ShardSet
from tfface.errors import UserError
from tfface.parallel.ray_cluster import cluster
from tfface.tune import outcome, progress, report, search, spaces, sweep
from tfface.tune.storage import Storage, Trial

REPOSITORY = Path(__file__).resolve().parent.parent.parent
TOY = os.pathsep.join([str(Path(__file__).with_name("toy")), str(REPOSITORY)])
SPACE = {"optim.learning_rate": {"loguniform": [1e-4, 1e-2]}, "loss.kind": {"choice": ["mse", "l1"]}}
SMALL = {
    **{"model.image_size": 32, "model.map_size": 16, "model.views": 1},
    **{"data.batch": 4, "data.steps_per_epoch": 2, "data.validation_size": 8, "data.shuffle": 8, "run.pictures": 0},
}


@pytest.mark.parametrize("name", sorted(spaces.SPACES))
def test_every_space_holds_the_defaults(name: str) -> None:
    domains = spaces.find(name)
    for size in ("full", "small"):
        base = sweep.base_configuration(run_sweep.Options(space=name, size=size))
        point = spaces.default_point(spaces.checked(domains, base), base)
        assert point is not None and set(point) == set(domains)


def test_spaces_of_users(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "from ray import tune\ndef space():\n    return {'data.batch': tune.choice([4, 8])}\n"
    )
    assert list(spaces.find(str(tmp_path / "own.py"))) == ["data.batch"]
    tree = {"optim": {"learning_rate": {"loguniform": [1e-4, 1e-2]}}, "data.batch": 8}
    domains = spaces.from_mapping(tree, "own.yaml")
    assert 1e-4 <= domains["optim.learning_rate"].sample() <= 1e-2 and domains["data.batch"] == 8
    with pytest.raises(UserError, match="did you mean optim"):
        spaces.find("optin")
    with pytest.raises(UserError, match="learning_rate"):
        spaces.checked({"optim.learning_rat": 1.0}, Config())
    for wrong in ({"data.batch": {"choice": [8, 4, 0]}}, {"data.batch": {"randint": [0, 9]}}):
        with pytest.raises(UserError, match="batch: must be 1 or more"):
            spaces.checked(spaces.from_mapping(wrong, "own.yaml"), Config())
    with pytest.raises(UserError, match="uniform does not take"):
        spaces.from_mapping({"loss.face": {"uniform": 3}}, "own.yaml")


def test_points_are_the_same_for_the_same_seed_and_grids_are_whole() -> None:
    domains = spaces.from_mapping(SPACE, "test")
    options = run_sweep.Options(num_samples=6, seed=4)
    assert search.sampled(options, domains) == search.sampled(options, domains)
    points = search.grid(options, domains)
    assert len(points) == 6 and {p["loss.kind"] for p in points} == {"mse", "l1"}
    assert sorted({p["optim.learning_rate"] for p in points}) == pytest.approx([1e-4, 1e-3, 1e-2])
    with pytest.raises(UserError, match="`num_samples=6`"):
        search.grid(run_sweep.Options(num_samples=5), domains)
    with pytest.raises(UserError, match="pbt"):
        search.scheduler(run_sweep.Options(scheduler="pbt"), spaces.architecture(), None)
    assert list(spaces.mutable(spaces.optim())) == ["optim.learning_rate", "optim.schedule", "optim.clipnorm"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of six trials as Ray leaves it when it is stopped: one failed, one is in its third epoch, one waits."""
    folder = tmp_path_factory.mktemp("stored") / "sweep"
    folder.mkdir()
    (folder / "sweep.yaml").write_text(yaml.safe_dump({"options": run_sweep.Options().kept()}))

    class Stop(tune.Callback):
        def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Any, **info: Any) -> None:
            if result["epoch"] == 3:
                raise KeyboardInterrupt

    def run(config: dict[str, Any]) -> None:
        number = config["number"]
        if number == 3:
            raise ValueError("no <such> thing")
        for epoch in (1, 2, 2) if number == 1 else (1, 2, 3) if number == 4 else (1, 2):
            tune.report({"epoch": epoch, "error": 9.0 - number - epoch, "milliseconds": 1.0 + number})
            time.sleep(2.0 * (number == 4))  # Ray notes its state once a second

    points = [{"number": number, "optim.learning_rate": 10.0 ** -(2 + number / 3)} for number in range(6)]
    settings = tune.TuneConfig(
        num_samples=6,
        search_alg=BasicVariantGenerator(points_to_evaluate=points),
        reuse_actors=True,
        trial_dirname_creator=lambda trial: f"trial_{trial.trial_id}",
    )
    place = tune.RunConfig(name="trials", storage_path=str(folder), callbacks=[Stop()], verbose=0)
    space = {"number": tune.choice([0]), "optim.learning_rate": tune.loguniform(1e-4, 1.0), "sweep": {}}
    one_by_one = tune.with_resources(run, {"cpu": os.cpu_count()})
    with pytest.MonkeyPatch.context() as patch, cluster(), pytest.raises(KeyboardInterrupt):
        patch.setenv("TUNE_GLOBAL_CHECKPOINT_S", "1")
        patch.setenv("TUNE_DISABLE_SIGINT_HANDLER", "1")
        tune.Tuner(one_by_one, param_space=space, tune_config=settings, run_config=place).fit()
    return folder


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_sweep_is_read_and_reported(stored: Path, tmp_path: Path, prefix: str) -> None:
    folder = shutil.copytree(stored, tmp_path / "moved")
    storage = Storage(f"{prefix}{folder}")
    trials = storage.trials()
    assert [t.status for t in trials] == [*["finished"] * 3, "failed", "running", "waiting"]
    assert all(Path(trial.folder).parent == folder / "trials" for trial in trials)
    assert [e["epoch"] for e in trials[1].curve] == [1, 2] and trials[4].error == 3.0 and trials[5].curve == []
    assert [trial.values["number"] for trial in trials] == list(range(6)) and trials[2].milliseconds == 3.0
    assert trials[3].failure == "ValueError: no <such> thing" and trials[3].curve == []
    page = Path(report.write(storage)).read_text()
    assert "no &lt;such&gt; thing" in page and page.count("data:image/png") == 4
    assert sorted(p.name for p in (folder / "report").iterdir()) == sorted(
        ["index.html", *(f"{name}.png" for name in report.PICTURES)]
    )
    assert len(report.pareto([trial for trial in trials if trial.curve])) == 4
    reference = outcome.find(trials, {"number": 0, "optim.learning_rate": 0.01})
    assert reference is trials[0] and "57 % less" in outcome.verdict(trials[4], reference)
    with pytest.raises(UserError, match="holds no sweep"):
        Storage(str(tmp_path / "nothing")).asked()


def test_a_line_that_a_killed_process_left_half_written_costs_a_curve_alone(stored: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(stored, tmp_path / "moved")
    rows = next(folder.glob("trials/trial_*00002/result.json"))
    rows.write_text(rows.read_text() + '{"epoch": 3, "err')
    assert [entry["epoch"] for entry in Storage(str(folder)).trials()[2].curve] == [2]
    state = max(folder.glob("trials/experiment_state*"))
    state.write_text(state.read_text()[:500])
    with pytest.raises(UserError, match="look again later"):
        Storage(str(folder)).trials()


def test_importance_finds_what_matters() -> None:
    trials = [
        Trial(str(n), "", {"a": n / 20, "b": float((7 * n) % 20)}, curve=[{"epoch": 1, "error": 5 + n}])
        for n in range(20)
    ]
    found = report.importance(trials)
    assert found["a"] > 0.8 and sum(found.values()) == pytest.approx(1.0)


def test_a_configuration_says_which_run_goes_on(tmp_path: Path) -> None:
    config = override(Config(), {"run.out": str(tmp_path), "optim.epochs": 7})
    save(config, tmp_path / "best.yaml")
    command = ["--config", str(tmp_path / "best.yaml"), "--resume"]
    with pytest.raises(UserError, match="not a run's folder"):
        train.parse(command)
    save(override(config, {"optim.epochs": 3}), tmp_path / "config.yaml")
    assert train.parse(command) == config  # and not what the run was begun with
    assert train.parse(["--resume", str(tmp_path)]).optim.epochs == 3


def test_a_disk_that_fills_up_ends_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Ray's own state is lost: on a full disk it truncates what it had."""
    lines = progress.ProgressLines(str(tmp_path), 1, 2)
    lines.setup()
    lines.on_step_end(1, [])
    usage = shutil.disk_usage(tmp_path)._replace(free=200 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match="less than 256 MB left: make room"):
        lines.on_step_end(2, [])


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards, made by two Ray workers; the bytes are those of one process."""
    folder = tmp_path_factory.mktemp("faces")
    command = [sys.executable, "data_tools/make_synthetic.py", "--pairs", "8", "--pairs-per-shard", "4"]
    command += ["--textures", "6", "--image-size", "64"]
    subprocess.run([*command, "--out", str(folder / "ray"), "--ray"], cwd=REPOSITORY, check=True, timeout=600)
    alone = ShardSet.of(folder / "alone", 8, 4, 0, bank_size=6, image_size=64)
    alone.claim()
    for index in alone.missing():
        alone.make(index)
    names = sorted(path.name for path in (folder / "ray").iterdir())
    assert names == ["dataset.json", "faces-00000.tfrecord", "faces-00001.tfrecord"]
    for name in names:
        assert (folder / "ray" / name).read_bytes() == (folder / "alone" / name).read_bytes()
    return folder / "ray"


Start = Callable[..., subprocess.Popen[str]]


def hears_ctrl_c() -> None:
    """A shell's background job, as these tests may be, has its children ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def start(faces: Path, tmp_path: Path) -> Any:
    """Starts a sweep of the toy network in a process of its own; it is killed in the end."""
    started: list[subprocess.Popen[str]] = []

    def begin(
        *arguments: str, pause: float = 0.0, space: Any = SPACE, backend: str = "tensorflow"
    ) -> subprocess.Popen[str]:
        (tmp_path / "space.yaml").write_text(yaml.safe_dump(space))
        settings = {**SMALL, "data.records": str(faces)}
        command = [sys.executable, "tune/run_sweep.py", "--storage", str(tmp_path / "sweep"), *arguments]
        if "--resume" not in arguments:
            command += ["--space", str(tmp_path / "space.yaml")]
            command += [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        environment = {**os.environ, "PYTHONPATH": TOY, "TFFACE_TOY_PAUSE": str(pause), "CUDA_VISIBLE_DEVICES": ""}
        environment |= {"KERAS_BACKEND": backend, "XLA_FLAGS": UNHURRIED}
        with (tmp_path / "sweep.log").open("a") as log:
            process = subprocess.Popen(
                command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log, text=True, preexec_fn=hears_ctrl_c
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def results(folder: Path) -> list[dict[str, Any]]:
    """All that the trials reported so far, as Ray reads it; nothing before it noted anything."""
    try:
        frames = tune.ExperimentAnalysis(str(folder / "trials")).trial_dataframes.values()
    except (ValueError, FileNotFoundError):
        return []
    return [row for frame in frames for row in frame.to_dict("records")]


def wait_for(process: subprocess.Popen[str], folder: Path, enough: Callable[[list[dict[str, Any]]], bool]) -> None:
    deadline = time.monotonic() + 600
    while not enough(results(folder)):
        log = (folder.parent / "sweep.log").read_text()
        assert process.poll() is None and time.monotonic() < deadline, log[-3000:]
        time.sleep(0.2)


@pytest.mark.slow
def test_a_killed_worker_and_a_killed_driver_cost_at_most_an_epoch(start: Start, tmp_path: Path) -> None:
    """And where the folder lies does not matter to what goes on in it."""
    folder = tmp_path / "sweep"
    options = ["--num-samples", "2", "--max-epochs", "5", "--scheduler", "none", "--seed", "3"]
    driver = start(*options, pause=1.5)
    wait_for(driver, folder, lambda done: any(r["epoch"] >= 2 for r in done))
    victim = next(r for r in results(folder) if r["epoch"] == 2)
    os.kill(victim["host_pid"], signal.SIGKILL)

    def is_back(result: dict[str, Any]) -> bool:
        return result["trial_id"] == victim["trial_id"] and result["host_pid"] != victim["host_pid"]

    wait_for(driver, folder, lambda done: any(map(is_back, done)))
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    before = {r["trial_id"]: r["epoch"] for r in results(folder)}
    folder = moved(folder)
    assert start("--resume", "--storage", str(folder)).wait(900) == 0, (tmp_path / "sweep.log").read_text()[-3000:]

    trials = Storage(str(folder)).trials()
    assert [trial.status for trial in trials] == ["finished", "finished"]
    domains = spaces.from_mapping(SPACE, "test")
    sampled = search.sampled(run_sweep.Options(num_samples=2, seed=3), domains)
    assert {trial.values["optim.learning_rate"] for trial in trials} == {1e-4, sampled[0]["optim.learning_rate"]}
    for trial in trials:
        assert [entry["epoch"] for entry in trial.curve] == [1, 2, 3, 4, 5]
    for name, epochs in epochs_in_order(folder).items():
        steps_back = [a - b + 1 for a, b in zip(epochs, epochs[1:], strict=False) if b <= a]
        assert all(lost <= 1 for lost in steps_back), (name, epochs)  # how many epochs were done again
    assert set(before) == {r["trial_id"] for r in results(folder)}
    continues_as_a_run(folder)


def moved(folder: Path) -> Path:
    """A sweep's folder in another place."""
    target = folder.parent / "elsewhere" / "moved"
    target.parent.mkdir()
    return folder.rename(target)


def epochs_in_order(folder: Path) -> dict[str, list[int]]:
    """The epochs that each trial reported, repeated ones too."""
    found: dict[str, list[int]] = {}
    for result in results(folder):
        found.setdefault(result["trial_id"], []).append(result["epoch"])
    return found


def continues_as_a_run(folder: Path) -> None:
    """`python -m tfface.train --config best.yaml --resume` goes on after the sweep's last epoch."""
    best = load(folder / "best.yaml")
    assert best.run.out == str(folder / "best") and best.optim.epochs == 100
    command = [sys.executable, "-m", "tfface.train", "--config", str(folder / "best.yaml"), "--resume"]
    command += ["--optim.epochs", "6"]
    environment = {**os.environ, "PYTHONPATH": TOY}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and "Going on after step 10 (epoch 6)" in done.stdout, done.stdout + done.stderr
    assert (folder / "best/metrics.csv").read_text().splitlines()[-1].startswith("6,12,")


@pytest.mark.slow
def test_populations_carry_weights_and_failures_are_told(start: Start, tmp_path: Path) -> None:
    """Population-based training in which some trials lack their first weights, are tried again, and fail for good."""
    folder = tmp_path / "sweep"
    space = {"optim.learning_rate": {"loguniform": [1e-5, 1e-2]}, "run.init": {"choice": ["", "nowhere"]}}
    options = ["--num-samples", "4", "--max-epochs", "6", "--scheduler", "pbt", "--seed", "3"]
    process = start(*options, space=space, backend="jax" if find_spec("jax") else "tensorflow")  # others: TensorFlow
    assert process.wait(900) == 1, (tmp_path / "sweep.log").read_text()[-3000:]
    trials = Storage(str(folder)).trials()
    failed = [trial for trial in trials if trial.status == "failed"]
    assert failed and all("nowhere" in trial.failure for trial in failed)
    assert (Path(failed[0].folder) / "error.txt").read_text().count("Failure #") == 2  # tried again once
    assert "failed for good" in (tmp_path / "sweep.log").read_text()
    good = [trial for trial in trials if trial.status == "finished"]
    # A trial that copies one that is an epoch ahead never has that epoch itself.
    assert len(good) + len(failed) == 4 and all(trial.curve[-1]["epoch"] == 6 for trial in good)
    known = {(r["epoch"], r["val_loss"]) for r in results(folder) if "val_loss" in r}
    copies = 0
    for trial in good:  # a run's history begins as its own, or as that of the trial whose weights it took over
        history = lineage(Path(trial.checkpoint))
        assert len(history) == 6 and (1, history[0]) in known
        copies += history[0] != trial.curve[0]["val_loss"]
    assert copies  # a trial that fell behind; with fewer epochs two trials side by side sometimes never did


def lineage(checkpoint: Path) -> list[float]:
    """The validation losses by which a run came to its weights."""
    with (checkpoint / "metrics.csv").open(newline="") as file:
        return [float(row["val_loss"]) for row in csv.DictReader(file)]


@pytest.mark.slow
def test_two_objectives_with_a_stored_study_go_on_in_another_folder(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    options = ["--num-samples", "3", "--max-epochs", "5", "--scheduler", "none", "--search", "optuna", "--milliseconds"]
    driver = start(*options, pause=1.5)
    wait_for(driver, folder, lambda done: len({r["trial_id"] for r in done}) == 2)
    driver.send_signal(signal.SIGINT)
    assert driver.wait(120) == 130
    begun, there = (folder / "study.journal").read_text(), moved(folder)
    done = start("--resume", "--storage", str(there)).wait(900)
    assert done == 0, (tmp_path / "sweep.log").read_text()[-3000:]
    assert not folder.exists()
    trials = Storage(str(there)).trials()
    assert [trial.status for trial in trials] == ["finished"] * 3 and all(trial.milliseconds for trial in trials)
    study = (there / "study.journal").read_text()
    assert study.startswith(begun) and len(study) > len(begun) and "optim.learning_rate" in study
    assert (there / "report" / "front.png").is_file()
