"""Tables and pictures of a sweep: `python tune/report.py DIR`, also while it runs. One HTML page in DIR/report."""

from __future__ import annotations

import html
import io
import math
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from tfface.evaluation.page import png_tag

PICTURES = {
    "curves": "Learning curves: the error after each epoch",
    "parallel": "Parallel coordinates: a line is a trial, the best ones dark",
    "importance": "Importance of the parameters (PED-ANOVA on these trials; few trials say little)",
    "front": "Error and time of a prediction: no trial beats those on the line in both",
}


@dataclass(frozen=True)
class Options:
    """Draw the report of a sweep."""

    storage: Annotated[str, tyro.conf.Positional]
    """The sweep's storage: a folder or URL."""


def main(argv: list[str] | None = None) -> int:
    """Writes the report; 0."""
    options = tyro.cli(Options, args=argv, prog="python tune/report.py", description=__doc__)
    from tfface.tune.storage import Storage

    print(write(Storage(options.storage)))
    return 0


def write(storage: Any) -> str:
    """Writes `report/` into the storage: index.html and its pictures. The page's path.

    Raises:
        UserError: there is no sweep, or no trial of it has ended an epoch.
    """
    from tfface.errors import UserError

    asked = storage.asked()
    trials = [trial for trial in storage.trials() if trial.curve]
    if not trials:
        raise UserError(f"No trial of {storage.location} has ended an epoch yet; look again later.")
    drawn = {name: picture for name in PICTURES if (picture := _draw(name, trials)) is not None}
    storage.filesystem.makedirs(storage.path("report"), exist_ok=True)
    for name, picture in drawn.items():
        with storage.filesystem.open(storage.path("report", f"{name}.png"), "wb") as file:
            file.write(picture)
    storage.write(page(asked, storage.trials(), drawn), "report", "index.html")
    return str(storage.path("report", "index.html"))


def _draw(name: str, trials: Sequence[Any]) -> bytes | None:
    """One of `PICTURES` as PNG; None where the trials do not give it."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
    good = {"curves": _curves, "parallel": _parallel, "importance": _importance, "front": _front}[name](axes, trials)
    data = io.BytesIO()
    if good:
        figure.savefig(data, format="png", dpi=110)
    plt.close(figure)
    return data.getvalue() if good else None


def _shades(trials: Sequence[Any]) -> list[Any]:
    """A colour for each trial: dark for the best ones."""
    import matplotlib.pyplot as plt

    order = sorted(range(len(trials)), key=lambda index: trials[index].error)
    ranks = {index: rank for rank, index in enumerate(order)}
    return [plt.get_cmap("viridis")(0.92 * ranks[i] / max(len(trials) - 1, 1)) for i in range(len(trials))]


def _curves(axes: Any, trials: Sequence[Any]) -> bool:
    from matplotlib.ticker import MaxNLocator

    from tfface.tune.progress import short

    for trial, colour in zip(trials, _shades(trials), strict=True):
        epochs, errors = ([entry[key] for entry in trial.curve] for key in ("epoch", "error"))
        axes.plot(epochs, errors, "o-", color=colour, label=short(trial), markersize=3)
    axes.set(xlabel="epoch", ylabel="error", yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for choose in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        choose("{x:g}")
    if len(trials) <= 16:
        axes.legend(title="trial", fontsize=8, ncols=2)
    axes.grid(alpha=0.3, which="both")
    return True


def _parallel(axes: Any, trials: Sequence[Any]) -> bool:
    keys = searched(trials)
    scales = [scale([trial.values[key] for trial in trials]) for key in keys]
    scales.append(scale([trial.error for trial in trials]))
    for number, colour in enumerate(_shades(trials)):
        axes.plot(range(len(keys) + 1), [s.places[number] for s in scales], color=colour, alpha=0.85)
    for column, found in enumerate(scales):
        axes.axvline(column, color="0.6", linewidth=0.8)
        for place, text in found.ticks:
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
            spot = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
            axes.annotate(text, (column, place), fontsize=8, bbox=box, **spot)
    axes.set_xticks(range(len(keys) + 1), [key.replace(".", ".\n") for key in [*keys, "error"]], fontsize=9)
    axes.set_yticks([])
    axes.set(xlim=(-0.1, len(keys) + 0.35), ylim=(-0.06, 1.06))
    return bool(keys)


def _importance(axes: Any, trials: Sequence[Any]) -> bool:
    found = importance(trials)
    if not found:
        return False
    names = sorted(found, key=found.__getitem__)
    bars = axes.barh(names, [found[name] for name in names], color="#3b6ea5")
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.set(xlabel="share of what sets the better trials apart", xlim=(0, 1.1 * max(found.values()) + 0.02))
    return True


def _front(axes: Any, trials: Sequence[Any]) -> bool:
    from tfface.tune.progress import short

    timed = [trial for trial in trials if trial.milliseconds is not None]
    if not timed:
        return False
    front = sorted(pareto(timed), key=lambda trial: trial.milliseconds)
    axes.plot([t.milliseconds for t in front], [t.error for t in front], "-", color="#3b6ea5")
    axes.scatter([t.milliseconds for t in timed], [t.error for t in timed], color="#3b6ea5", zorder=3)
    for trial in timed:
        place = (trial.milliseconds, trial.error)
        axes.annotate(short(trial), place, fontsize=8, xytext=(4, 4), textcoords="offset points")
    axes.set(xlabel="milliseconds", ylabel="error")
    axes.grid(alpha=0.3)
    return True


def pareto(trials: Sequence[Any]) -> list[Any]:
    """The trials that no other one beats in error and in time."""
    both = [(trial.error, trial.milliseconds) for trial in trials]

    def beaten(error: float, milliseconds: float) -> bool:
        return any(e <= error and ms <= milliseconds and (e, ms) != (error, milliseconds) for e, ms in both)

    return [trial for trial, (error, milliseconds) in zip(trials, both, strict=True) if not beaten(error, milliseconds)]


def searched(trials: Sequence[Any]) -> list[str]:
    """The keys in which the trials differ."""
    keys = list(trials[0].values)
    return [key for key in keys if len({str(trial.values.get(key)) for trial in trials}) > 1]


@dataclass(frozen=True)
class Scale:
    """Values of one key on an axis from 0 to 1."""

    places: list[float]
    ticks: list[tuple[float, str]]


def scale(values: Sequence[Any]) -> Scale:
    """Numbers keep their order (logarithmic over more than a decade); a few different values and words are spread."""
    different = sorted(set(values), key=lambda v: (isinstance(v, str), v))
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
    if not numbers or len(different) <= 4:
        place = {value: index / max(len(different) - 1, 1) for index, value in enumerate(different)}
        return Scale([place[v] for v in values], [(place[v], shown(v)) for v in different])
    low, high = float(min(values)), float(max(values))
    bend = math.log if low > 0 and high > 10 * low else float
    span = (bend(high) - bend(low)) or 1.0
    places = [(bend(v) - bend(low)) / span for v in values]
    return Scale(places, [(0.0, shown(low)), (1.0, shown(high))])


def shown(value: Any) -> str:
    """A searched value in a table."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def importance(trials: Sequence[Any]) -> dict[str, float]:
    """Each searched key's share of what sets the better trials apart (PED-ANOVA, Optuna); empty for less than four."""
    keys = searched(trials)
    if not keys or len(trials) < 4:
        return {}
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = {key: _distribution([trial.values[key] for trial in trials]) for key in keys}
    study = optuna.create_study()
    for trial in trials:
        params = {key: trial.values[key] for key in keys}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=trial.error))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _distribution(values: Sequence[Any]) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    different = sorted(set(values), key=str)
    if all(isinstance(value, float) for value in values) and len(different) > 4:
        low, high = min(values), max(values)
        return FloatDistribution(low, high, log=low > 0 and high > 10 * low)
    return CategoricalDistribution(different)


def page(asked: dict[str, Any], trials: Sequence[Any], drawn: dict[str, bytes]) -> str:
    """The HTML page, its pictures inside."""
    options = asked["options"]
    parts = [f"<h2>{html.escape(PICTURES[name])}</h2>{png_tag(picture)}" for name, picture in drawn.items()]
    title = f"Sweep: {options['space']} of {options['model']}"
    judged = f"Judged by {options['metric']}, at the epoch with the least validation loss, whose weights a run keeps."
    style = (
        "body{font:15px/1.45 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em}"
        "table{border-collapse:collapse;font-size:13px}td,th{padding:.25em .7em;border-bottom:1px solid #ddd;"
        "text-align:left}img{max-width:100%}.failed{color:#b00}"
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{style}</style><h1>{html.escape(title)}</h1><p>{html.escape(judged)} Search: "
        f"{options['search']}, scheduler: {options['scheduler']}, at most {options['max_epochs']} epochs.</p>"
        f"{_rows(trials)}{''.join(parts)}</html>\n"
    )


def _rows(trials: Sequence[Any]) -> str:
    keys = list(dict.fromkeys(key for trial in trials for key in trial.values))
    timed = any(trial.milliseconds is not None for trial in trials)
    head = ["trial", "error", *(["ms"] if timed else []), "epochs", "status", *keys]
    rows = []
    for trial in sorted(trials, key=lambda t: t.error):
        ms = [shown(trial.milliseconds)] if timed else []
        epochs = str(trial.curve[-1]["epoch"]) if trial.curve else "0"
        status = trial.status + (f": {trial.failure}" if trial.failure else "")
        cells = [trial.name, f"{trial.error:.4g}", *ms, epochs, status, *(shown(trial.values.get(k, "")) for k in keys)]
        rows.append(f'<tr class="{trial.status}">' + "".join(f"<td>{html.escape(c)}</td>" for c in cells) + "</tr>")
    return "<table><tr>" + "".join(f"<th>{html.escape(h)}</th>" for h in head) + "</tr>" + "".join(rows) + "</table>"


if __name__ == "__main__":
    from tfface.cli import run

    sys.exit(run(main))
