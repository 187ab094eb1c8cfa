"""Checks of `tfface.predict.Arguments`: what makes no sense is refused before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfface.cli import check_out
from tfface.errors import UserError
from tfface.io.files import refuse_foreign
from tfface.io.formats import REPORT

OF_PHOTOGRAPHS = (
    *("side_photo", "box", "side_box", "refine", "set", "way", "strict", "mat", "detail", "detail_model"),
    *("detail_strength", "ray", "address"),
)
"""Options that do nothing for a video."""


def _check(arguments: Any) -> None:
    """What goes with photographs and videos alike."""
    from tfface.detect.registry import DETECTORS, load_detector
    from tfface.geometry.align import check_recrop

    if arguments.detector not in DETECTORS:
        load_detector(arguments.detector)
    arguments.files.check()
    if arguments.recrop is not None:
        check_recrop(arguments.recrop)
    check_out(arguments.out)


def check_video(arguments: Any) -> None:
    """Sees to it that the options make sense for a video, before it is opened."""
    _check(arguments)
    for name in OF_PHOTOGRAPHS:
        if getattr(arguments, name) != getattr(type(arguments), name):
            argument = "strict=False" if name == "strict" else name
            raise UserError(f"`{argument}` goes with photographs, not with a video.")


def check_network(arguments: Any, card: Mapping[str, Any]) -> None:
    """Sees to it that the network says what is asked for, as its `tfface.json` tells."""
    asked = {"`detail`": arguments.detail, "`mat`": arguments.mat, "`formats=mat`": "mat" in arguments.files.formats}
    for argument, wanted in asked.items():
        if wanted and not card.get("coefficients"):
            raise UserError(
                f"{argument} needs an R-Net, and {arguments.model} predicts no coefficients: leave `model` out."
            )


def check_photographs(arguments: Any) -> None:
    """Sees to it that the options make sense, as far as that shows before the network is loaded."""
    from tfface.geometry.align import check_box

    _check(arguments)
    if arguments.way is not None:
        from tfface.one_person import check_way

        check_way(arguments.way, arguments.set or arguments.side_photo is not None)
    if arguments.detail_strength is not None:
        from tfface.detailing import check_strength

        check_strength(arguments.detail_strength)
        if not arguments.detail:
            raise UserError("`detail_strength` goes with `detail`.")
    for name in ("smooth", "seconds"):
        if getattr(arguments, name) != getattr(type(arguments), name):
            raise UserError(f"`{name}` goes with a video, not with photographs.")
    if arguments.photo.is_dir() and arguments.report and not (arguments.overwrite or arguments.ray):
        refuse_foreign([arguments.out / REPORT], "choose another `out`, or add `overwrite=True` or `report=False`")
    if arguments.detail_model != type(arguments).detail_model and not arguments.detail:
        raise UserError("`detail_model` goes with `detail`: add it, or leave the network out.")
    if arguments.set and not arguments.photo.is_dir():
        raise UserError(f"`set`: {arguments.photo} is not a folder; name the folder with one person's photographs.")
    if (arguments.set or arguments.side_photo) and arguments.refine:
        raise UserError("`refine` takes one photograph: tfface fit fits several of one person together.")
    for box in (arguments.box, arguments.side_box):
        if box is not None:
            check_box(box)
    if arguments.photo.is_dir() and (arguments.box or arguments.side_photo):
        raise UserError(f"{arguments.photo} is a folder: `box` and a side photograph go with one photograph only.")
