"""Which configurations a sweep tries (random, grid, Optuna) and which it stops early (ASHA, population-based)."""

from __future__ import annotations

import itertools
import math
import os
from typing import Any

import numpy as np
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, PopulationBasedTraining, TrialScheduler
from ray.tune.search import ConcurrencyLimiter, SearchGenerator
from ray.tune.search.basic_variant import BasicVariantGenerator
from ray.tune.search.sample import Categorical, Float, Integer, LogUniform

from tfface.errors import UserError
from tfface.tune import spaces
from tfface.tune.storage import LOCATION


def count(options: Any, domains: spaces.Domains) -> int:
    """How many trials there will be."""
    return len(grid(options, domains)) if options.search == "grid" else options.num_samples


def algorithm(options: Any, domains: spaces.Domains, default: dict[str, Any] | None, storage: Any, at_once: int) -> Any:
    """Ray's search algorithm; the default configuration comes first. Of Optuna's trials `at_once` run together.

    Random and grid searches settle all their points now, from the seed, so that a resumed sweep has the same ones.
    """
    if options.search == "optuna":
        return MovedSearch(ConcurrencyLimiter(optuna_search(options, default, storage), max_concurrent=at_once))
    points = grid(options, domains) if options.search == "grid" else sampled(options, domains)
    if default is not None:
        points = [default] + [point for point in points if point != default]
    return BasicVariantGenerator(points_to_evaluate=points[: count(options, domains)])


def sampled(options: Any, domains: spaces.Domains) -> list[dict[str, Any]]:
    """`num_samples` random points, the same for the same seed."""
    random = np.random.RandomState(options.seed)
    searched = {key: domains[key] for key in sorted(domains) if spaces.is_domain(domains[key])}
    return [
        {key: spaces.plain(domain.sample(random_state=random)) for key, domain in searched.items()}
        for _ in range(options.num_samples)
    ]


def grid(options: Any, domains: spaces.Domains) -> list[dict[str, Any]]:
    """All combinations; of a range its ends and its middle.

    Raises:
        UserError: there are more than `num_samples`.
    """
    searched = {key: levels(key, domain) for key, domain in domains.items() if spaces.is_domain(domain)}
    total = math.prod(map(len, searched.values()))
    if total > options.num_samples:
        raise UserError(f"The grid has {total} points: give `num_samples={total}`, or give a smaller `space` file.")
    return [dict(zip(searched, point, strict=True)) for point in itertools.product(*searched.values())]


def levels(key: str, domain: Any) -> list[Any]:
    """What a grid tries of one key."""
    if isinstance(domain, Categorical):
        return list(domain.categories)
    if not isinstance(domain, (Float, Integer)):
        raise UserError(f"{key}: a grid knows choices and ranges only.")
    low, high = domain.lower, domain.upper
    if isinstance(domain, Integer):
        return sorted({int(low), int(low + high - 1) // 2, int(high) - 1})
    middle = math.sqrt(low * high) if isinstance(domain.sampler, LogUniform) else (low + high) / 2
    return [low, middle, high]


def optuna_search(options: Any, default: dict[str, Any] | None, storage: Any) -> Any:
    """TPE; the study lies in the storage as a journal where that is a folder, else in Ray's own state of the search."""
    import optuna
    from optuna.storages import JournalStorage
    from ray.tune.search.optuna import OptunaSearch

    from tfface.tune.journal import Journal

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = None
    if storage.local:
        study = JournalStorage(Journal(storage.path(Journal.name)))
    several = ["error", "milliseconds"] if options.milliseconds else "error"
    return OptunaSearch(
        metric=several,
        mode=["min", "min"] if options.milliseconds else "min",
        points_to_evaluate=[default] if default is not None else None,
        seed=options.seed,
        storage=study,
        study_name="sweep",
    )


class MovedSearch(SearchGenerator):
    """Ray's search that goes on where its sweep lies now: its state has the folder of before for trials to come.

    That is in no public name: Ray moves the trials that have begun, and looks after the others in `experiment.spec`.
    """

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes up what was stored."""
        super().set_state(state)
        written = state["experiment"].spec["storage"]
        if written.storage_filesystem.type_name == "local":
            written.storage_fs_path = os.environ.get(LOCATION, written.storage_fs_path)


class KeepDefault(AsyncHyperBandScheduler):
    """ASHA on real epochs that lets the default configuration run to the end, to compare the best with."""

    default: dict[str, Any] | None = None

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        decision = str(super().on_trial_result(tune_controller, trial, result))
        values = self.default
        if values is not None and all(trial.config.get(key) == value for key, value in values.items()):
            return TrialScheduler.CONTINUE
        return decision


def scheduler(options: Any, domains: spaces.Domains, default: dict[str, Any] | None) -> Any:
    """Ray's trial scheduler.

    Raises:
        UserError: population-based training has nothing that it may change.
    """
    if options.scheduler == "none":
        return FIFOScheduler()
    if options.scheduler == "asha":
        epochs = options.max_epochs
        first = max(1, epochs // 4)  # before that, errors say more of the first weights than of the trial
        asha = KeepDefault(
            "epoch", "error", "min", max_t=epochs, grace_period=first, reduction_factor=3, stop_last_trials=False
        )
        asha.default = default
        return asha
    mutable = spaces.mutable(domains)
    if not mutable:
        raise UserError("`scheduler=pbt`: this space changes nothing that may change inside a run (loss, rate, ...).")
    return PopulationBasedTraining(
        time_attr="epoch",
        metric="error",
        mode="min",
        perturbation_interval=max(1, options.max_epochs // 6),
        hyperparam_mutations=mutable,
    )
