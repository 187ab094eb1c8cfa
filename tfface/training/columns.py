"""Which columns `metrics.csv` has, by regime. No backend is imported: a sweep knows at once what may judge it."""

from __future__ import annotations

from tfface.config import Config

FIRST = ("epoch", "step", "loss", "val_loss")
LAST = ("learning_rate", "images_per_second", "minutes")
OF_MAPS = ("val_nme68", "val_nme_face")
"""Of networks of position maps, what their logs hold beyond the losses."""
WEAK_LOSSES = (
    *("photometric", "landmarks", "identity", "regularisation"),
    *("expression_range", "flattening", "monochromatic", "map"),
)


def active(config: Config) -> tuple[str, ...]:
    """The names of the weak losses that are switched on."""
    coloured = config.model.light == 27
    return tuple(name for name in WEAK_LOSSES if getattr(config.weak, name) and (name != "monochromatic" or coloured))


def both(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Each of these in training and in validation."""
    return tuple(f"{prefix}{name}" for name in parts for prefix in ("", "val_"))


def knows_maps(config: Config) -> bool:
    """Whether a run's faces come with true maps: synthetic ones do, photographs do not."""
    return config.data.source != "photos"


def of_weak(config: Config) -> tuple[str, ...]:
    """Of the weakly supervised regime: its losses, the landmark error, and where maps are known the face's."""
    return (*both((*active(config), "nme68")), *(("val_nme_face",) if knows_maps(config) else ()))


def of_run(config: Config) -> tuple[str, ...]:
    """All columns of a run on position maps or of the weakly supervised regime."""
    return (*FIRST, *(of_weak(config) if config.run.regime == "weak" else OF_MAPS), *LAST)
