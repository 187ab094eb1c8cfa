"""What a sweep searches: functions that give `{dotted configuration key: Ray Tune domain}`.

The keys are those of the command line (`--optim.learning-rate`) and of `config.yaml`. Every space holds the defaults of
`tfface.config`, so that they can be run as the trial that all others must beat. A space of your own is a Python file
with a function `space()`, or a YAML file:

    optim.learning_rate: {loguniform: [1.0e-4, 1.0e-2]}
    model.width: {choice: [0.25, 0.5, 1.0]}
    data.batch: 8                                       # the same in all trials
"""

from __future__ import annotations

import difflib
import importlib.util
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.search.sample import Categorical, Float, Integer

from tfface.config import Config, flatten, override, read_yaml, to_dict
from tfface.errors import UserError
from tfface.io.reading import reading

Domains = dict[str, Any]
DOMAINS: dict[str, Callable[..., Any]] = {
    name: getattr(tune, name)
    for name in ("choice", "uniform", "quniform", "loguniform", "qloguniform", "randint", "lograndint")
}
"""What a YAML file may say, as Ray Tune calls it; `choice` takes its list as one argument, the others as several."""

FIXED_IN_A_RUN = ("model.", "data.", "optim.ema", "optim.weight_decay", "run.")
"""Keys that a run keeps from its first step on, so that population-based training must not change them."""


def optim() -> Domains:
    """Learning rate, batch, schedule and optimiser (Adam, AdamW, clipping, averaging of the weights)."""
    return {
        "optim.learning_rate": tune.loguniform(5e-5, 5e-3),
        "optim.schedule": tune.choice(["halve", "cosine", "constant"]),
        "optim.weight_decay": tune.choice([0.0, 1e-4, 1e-2]),
        "optim.clipnorm": tune.choice([0.0, 1.0]),
        "optim.ema": tune.choice([0.0, 0.9, 0.99]),
        "data.batch": tune.choice([8, 16, 32]),
    }


def architecture() -> Domains:
    """Width, sizes and views of the networks with MobileNetV2's encoder."""
    return {
        "model.width": tune.choice([0.25, 0.5, 0.75, 1.0]),
        "model.decoder_width": tune.choice([0.25, 0.5, 1.0]),
        "model.features": tune.choice([64, 128, 256, 512]),
        "model.image_size": tune.choice([64, 128, 256]),
        "model.views": tune.choice([1, 2]),
        "model.output": tune.choice(["sigmoid", "tanh", "linear"]),
    }


def mask_weights() -> Domains:
    """The weighted map loss (16:4:3:0 in Lium 2020) and its kind; the face's own weight stays 3, since only ratios
    count."""
    return {
        "loss.landmarks": tune.loguniform(1.0, 64.0),
        "loss.features": tune.loguniform(1.0, 16.0),
        "loss.neck": tune.choice([0.0, 0.1, 0.3, 1.0]),
        "loss.kind": tune.choice(["mse", "l1"]),
    }


def augmentation() -> Domains:
    """How training pictures are moved and damaged."""
    chances = ("blur", "noise", "greyscale", "border", "gamma")
    return {
        "augment.enabled": tune.choice([True, False]),
        "augment.rotation_deg": tune.uniform(0.0, 90.0),
        "augment.shift": tune.uniform(0.0, 0.2),
        "augment.mirror": tune.choice([True, False]),
        "augment.dropout_boxes": tune.randint(0, 9),
        **{f"augment.{name}_probability": tune.uniform(0.0, 0.5) for name in chances},
    }


def rnet_loss_weights() -> Domains:
    """Weights of the losses by which R-Net learns from pictures alone."""
    return {
        "weak.photometric": tune.loguniform(0.2, 20.0),
        "weak.landmarks": tune.loguniform(1e-4, 1e-1),
        "weak.identity": tune.loguniform(0.02, 2.0),
        "weak.regularisation": tune.loguniform(1e-5, 1e-2),
        "weak.flattening": tune.loguniform(0.5, 50.0),
        "weak.monochromatic": tune.loguniform(1.0, 100.0),
    }


def ablation_zhou2021() -> Domains:
    """What Zhou 2021 claims to matter; a grid of 16: refiner, range of the output, augmentation, second view."""
    return {
        "model.name": tune.choice(["prn", "prn_res"]),
        "model.output": tune.choice(["sigmoid", "tanh"]),
        "model.views": tune.choice([1, 2]),
        "augment.enabled": tune.choice([True, False]),
    }


def ablation_fan() -> Domains:
    """Where Fan's R-Net differs from Deep3D's; for a grid of 8."""
    return {
        "weak.photometric_kind": tune.choice(["rendered", "masked"]),
        "weak.landmarks_kind": tune.choice(["squared", "l1"]),
        "weak.identity_kind": tune.choice(["cosine", "l1"]),
    }


SPACES: dict[str, Callable[[], Domains]] = {
    function.__name__: function
    for function in (
        *(optim, architecture, mask_weights, augmentation),
        *(rnet_loss_weights, ablation_zhou2021, ablation_fan),
    )
}


def find(name: str) -> Domains:
    """The space called `name`, or the one in a user's Python or YAML file of that name.

    Raises:
        UserError: there is none.
    """
    if name in SPACES:
        return SPACES[name]()
    path = Path(name)
    if path.suffix not in (".py", ".yaml", ".yml") or not path.is_file():
        near = difflib.get_close_matches(name, SPACES, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else "choose one of " + ", ".join(SPACES) + ", or name a file."
        raise UserError(f"`space`: there is no search space {name!r}; {hint}")
    return _from_python(path) if path.suffix == ".py" else from_mapping(read_yaml(path), str(path))


def from_mapping(tree: Mapping[str, Any], source: str) -> Domains:
    """A space as YAML says it: `{key: {domain: arguments}}`, or a plain value."""
    domains: Domains = {}
    for key, value in _leaves(tree):
        if isinstance(value, Mapping):
            ((name, arguments),) = value.items()
            try:
                value = DOMAINS[name](arguments) if name == "choice" else DOMAINS[name](*arguments)
            except (TypeError, ValueError) as error:
                raise UserError(f"{source}: {key}: {name} does not take {arguments!r}: {error}.") from error
        domains[key] = value
    return domains


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Dotted keys with what they hold: a value, or a mapping of one domain's name."""
    found = []
    for key, value in tree.items():
        if isinstance(value, Mapping) and not (len(value) == 1 and next(iter(value)) in DOMAINS):
            found += _leaves(value, f"{prefix}{key}.")
        else:
            found.append((f"{prefix}{key}", value))
    return found


def _from_python(path: Path) -> Domains:
    spec = importlib.util.spec_from_file_location("tfface_user_space", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # nothing of ours beside a user's file
    try:
        with reading(path, "a search space in Python", "mend it"):
            spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    if not callable(getattr(module, "space", None)):
        raise UserError(f"{path} has no function space() that gives a dict of dotted keys and Ray Tune domains.")
    with reading(path, "a search space in Python", "space() gives a dict of dotted keys and Ray Tune domains"):
        return dict(module.space())


def checked(domains: Domains, base: Config) -> Domains:
    """`domains`, if every key is one of the configuration and takes such values: all choices, both ends of a range.

    Raises:
        UserError: naming the key.
    """
    if not domains:
        raise UserError("The search space is empty; give it at least one key.")
    for key, domain in domains.items():
        known = dict(flatten(to_dict(base)))  # the parts of a network only fit together, so they are checked by key
        for value in _outermost(domain):
            override(base, {key: known.get(key, value) if key.startswith("model.") else value})
    return domains


def _outermost(domain: Any) -> list[Any]:
    """A choice's values, both ends of a range, or the value itself; of any other domain a sample."""
    if isinstance(domain, Categorical):
        return list(domain.categories)
    if isinstance(domain, Integer):
        return [int(domain.lower), int(domain.upper) - 1]
    if isinstance(domain, Float) and math.isfinite(domain.lower) and math.isfinite(domain.upper):
        return [domain.lower, domain.upper]
    return [plain(domain.sample())] if is_domain(domain) else [domain]


def is_domain(value: Any) -> bool:
    """Whether something is to be searched, rather than fixed."""
    return isinstance(value, tune.search.sample.Domain)


def plain(value: Any) -> Any:
    """NumPy's scalars as Python's."""
    return value.item() if hasattr(value, "item") else value


def default_point(domains: Domains, base: Config) -> dict[str, Any] | None:
    """The base's own values of what is searched; None where they lie outside the space."""
    values = dict(flatten(to_dict(base)))
    point = {key: values[key] for key, domain in domains.items() if is_domain(domain)}
    return point if all(domains[key].is_valid(value) for key, value in point.items()) else None


def mutable(domains: Domains) -> Domains:
    """What population-based training may change inside a run."""
    return {key: d for key, d in domains.items() if is_domain(d) and not key.startswith(FIXED_IN_A_RUN)}
