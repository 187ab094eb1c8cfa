"""A sweep from its options to its best trial: Ray's start, the search, the schedule, the outcome."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from tfface import config as configuration
from tfface.cli import counted
from tfface.config import Config
from tfface.errors import UserError
from tfface.io.reading import reading
from tfface.parallel.ray_cluster import cluster
from tfface.training import columns

SMALL: dict[str, Any] = {
    **{"model.width": 0.25, "model.decoder_width": 0.25, "model.features": 64, "model.views": 1},
    **{"model.image_size": 64, "model.map_size": 64},
    **{"data.steps_per_epoch": 16, "data.validation_size": 64, "data.shuffle": 128, "run.pictures": 2},
}
FACES = {"pairs": 256, "seed": 0, "textures": 64}
"""The faces of a small sweep: their number, first seed, and painted skins."""
MODEL_OF = {"rnet_loss_weights": "rnet", "ablation_fan": "rnet", "ablation_zhou2021": "prn_res"}
"""The network that a space is about, where it is not mnv2_prn."""
TRIAL_ENDS_WITHIN = 60
"""Seconds that a trial has to leave its process to the next one. After Ray's own two, on a busy machine, trials of
population-based training failed for good."""
PATHS = ("data.records", "data.backgrounds", "run.init")


class Sweep:
    """One sweep, begun or gone on with.

    Args:
        options: `tfface.sweep.Options`.
        storage: where it lies.
    """

    def __init__(self, options: Any, storage: Any) -> None:
        os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
        os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = "1"  # what a killed driver forgets
        os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # it ends the search as if all trials had been run
        self.options, self.storage, self.console = options, storage, Console()
        self.base = base_configuration(options)
        from tfface.tune import spaces  # Ray takes seconds

        self.domains = spaces.checked(spaces.find(options.space), self.base)
        self.default = spaces.default_point(self.domains, self.base)
        if self.default is None:
            self.console.print("The default configuration lies outside this space and is not run.")

    def run(self) -> int:
        """Runs all trials, or those that are left; writes the outcome; 1 if one failed for good."""
        from tfface.tune import outcome
        from tfface.tune.storage import LOCATION

        options = self.options
        variables = {LOCATION: self.storage.location, "TUNE_FUNCTION_THREAD_TIMEOUT_S": str(TRIAL_ENDS_WITHIN)}
        with cluster(options.address, options.cpus_per_trial, options.dashboard, variables=variables):
            must_fit(options)
            self._prepare()
            try:
                self._tuner().fit()
            except (KeyboardInterrupt, UserError):
                self._print_how_to_resume()
                raise
        trials = self.storage.trials()
        if not any(trial.curve for trial in trials):
            failures = {trial.failure for trial in trials if trial.failure}
            raise UserError(f"No trial of {self.storage.location} ended an epoch: {'; '.join(failures) or 'no error'}.")
        outcome.write(self.storage, trials, self.default, self.base, self.console)
        return self._failures(trials)

    def _failures(self, trials: list[Any]) -> int:
        failed = [trial for trial in trials if trial.status == "failed"]
        for trial in failed:
            self.console.print(f"{trial.name} failed for good: {trial.failure}", style="red", highlight=False)
        if failed:
            self._print_how_to_resume()
        return 1 if failed else 0

    def _print_how_to_resume(self) -> None:
        self.console.print(f"Go on with: tfface sweep --resume --storage {self.storage.location}")

    def _prepare(self) -> None:
        """The folder's own description, and the faces, where all nodes can read them."""
        from tfface.tune.storage import SWEEP_FILE

        if not self.options.resume:
            asked = {"options": self.options.kept(), "base": dict(configuration.flatten(self._base_tree()))}
            self.storage.write(yaml.safe_dump(asked, sort_keys=False), SWEEP_FILE)
        self.storage.check_room()
        if (faces := self._faces()) and self.storage.local:
            from tfface.data.synthetic.shard_set import ShardSet, make_with_ray

            folder = Path(faces["folder"])
            shards = ShardSet.of(folder, FACES["pairs"], 16, FACES["seed"], bank_size=FACES["textures"])
            with counted("shards of faces", self.console) as progress:
                make_with_ray(shards, progress)

    def _faces(self) -> dict[str, Any] | None:
        """What the trials' faces are: of their own for a small sweep; None where the configuration names some."""
        if self.base.data.records or self.options.size == "full" or self.options.config:
            return None
        return {**FACES, "folder": self.storage.path("faces") if self.storage.local else "", "inside": "faces"}

    def _base_tree(self) -> dict[str, Any]:
        return configuration.to_dict(self.base)

    def _tuner(self) -> Any:
        """Ray's tuner: a new one, or the stored one with what is left to do."""
        from ray import tune

        trainable, space = self._trainable(), {**self.domains, "sweep": self._shared()}
        stored = f"{self.storage.location}/trials"
        if self.options.resume and tune.Tuner.can_restore(stored):
            with reading(stored, "Ray's state of a sweep", "begin another sweep with another `storage`"):
                return tune.Tuner.restore(stored, trainable, resume_errored=True, param_space=space)
        return tune.Tuner(trainable, param_space=space, tune_config=self._tune_config(), run_config=self._run_config())

    def _shared(self) -> dict[str, Any]:
        options = self.options
        base = {key: value for key, value in configuration.flatten(self._base_tree()) if key not in self.domains}
        return {
            "base": base,
            "metric": options.metric,
            "milliseconds": options.milliseconds,
            "faces": self._faces(),
        }

    def _trainable(self) -> Any:
        """The function that runs a trial, with its code, so that other nodes need tfface alone."""
        from ray import cloudpickle, tune

        from tfface.tune import trainable

        cloudpickle.register_pickle_by_value(trainable)
        cpus, gpus = self.options.cpus_per_trial, self.options.gpus_per_trial
        return tune.with_resources(trainable.run_trial, {"cpu": cpus, "gpu": gpus})

    def _tune_config(self) -> Any:
        from ray import tune

        from tfface.tune import search

        options = self.options
        return tune.TuneConfig(
            num_samples=search.count(options, self.domains),
            search_alg=search.algorithm(options, self.domains, self.default, self.storage, concurrent(options)),
            scheduler=search.scheduler(options, self.domains, self.default),
            reuse_actors=True,  # TensorFlow is imported once per process, not once per trial
            trial_dirname_creator=lambda trial: f"trial_{trial.trial_id}",
        )

    def _run_config(self) -> Any:
        from ray import tune

        from tfface.tune import search
        from tfface.tune.progress import ProgressLines

        options = self.options
        progress = ProgressLines(self.storage.location, search.count(options, self.domains), options.max_epochs)
        return tune.RunConfig(
            name="trials",
            storage_path=self.storage.location,
            failure_config=tune.FailureConfig(max_failures=options.retries),
            checkpoint_config=tune.CheckpointConfig(num_to_keep=3 if options.scheduler == "pbt" else 1),
            callbacks=[progress],
            verbose=0,
        )


def base_configuration(options: Any) -> Config:
    """What all trials share: the network's configuration, made small if asked, then `--set`.

    Raises:
        UserError: a wrong key or value.
    """
    from tfface import train

    if options.config:
        base = configuration.load(options.config)
    else:
        model = options.model or MODEL_OF.get(options.space, "mnv2_prn")
        weak = ["--run.regime", "weak"] if model == "rnet" else []
        base = train.parse(["--model", model, *weak])
        if options.size == "small":
            base = configuration.override(base, small_for(base))
    changes = dict(_assignment(text) for text in options.set)
    for key in PATHS:
        value = str(changes.get(key, ""))
        if value and Path(value).exists():
            changes[key] = str(Path(value).resolve())
    base = configuration.override(base, changes)
    if not options.address:  # other machines may see other folders
        train.check_places(base)
    _check_judged(base, options.metric)
    return configuration.override(base, {"optim.epochs": options.max_epochs, "optim.patience": options.max_epochs})


def _check_judged(base: Config, metric: str) -> None:
    """Whether trials can run, and have the column that they are judged by.

    Raises:
        UserError: they cannot, or have not.
    """
    if base.model.name == "detail" or base.run.regime == "sets" or base.run.stages:
        raise UserError("A sweep trains networks of position maps and R-Net, in one stage: choose another `model`.")
    there = columns.of_run(base)
    if metric not in there:
        raise UserError(f"`metric={metric}`: these runs' metrics.csv has no such column; choose {', '.join(there)}.")


def small_for(base: Config) -> dict[str, Any]:
    """`SMALL`, but for what a network has smaller already, and R-Net on the small one of its trunks."""
    values = dict(configuration.flatten(configuration.to_dict(base)))
    small = {key: min(value, values[key]) for key, value in SMALL.items()}
    return {**small, "model.trunk": "mobilenet_v2"} if base.model.name == "rnet" else small


def _assignment(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"`set={text}`: write KEY=VALUE, such as data.batch=8.")
    with reading(f"`set={text}`", "KEY=VALUE", "write the value as YAML has it, such as data.batch=8"):
        return key, yaml.safe_load(value)


def must_fit(options: Any) -> None:
    """Sees to it that this machine's own cluster can run a trial; a foreign one may grow.

    Raises:
        UserError: no trial would ever start.
    """
    import ray

    gpus = ray.cluster_resources().get("GPU", 0)
    if not options.address and options.gpus_per_trial > gpus:
        raise UserError(f"`gpus_per_trial={options.gpus_per_trial:g}`: this machine has {gpus:g} GPUs that Ray sees.")


def concurrent(options: Any) -> int:
    """How many trials fit on the cluster at once."""
    import ray

    there = ray.cluster_resources()
    fits = [there.get("CPU", 1) / options.cpus_per_trial] if options.cpus_per_trial else []
    fits += [there.get("GPU", 0) / options.gpus_per_trial] if options.gpus_per_trial else []
    return max(1, int(min(fits, default=1)))
