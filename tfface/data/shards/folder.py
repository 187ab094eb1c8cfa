"""A folder of shards, whatever they hold: the files `faces-*.tfrecord` and the card `dataset.json` beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tfface.data.shards.pictures import check_pictures
from tfface.errors import UserError
from tfface.io.examples import decode_example, read_records
from tfface.io.files import write_text
from tfface.io.reading import must_exist, read_json_object, reading

DATASET_FILE = "dataset.json"
SHARD = "a shard of TFRecords"
REMAKE = "remove it and make it again"


def find_shards(folder: Path) -> list[Path]:
    """The shards of a folder in their order.

    Raises:
        UserError: when there are none, or the folder does not say what they hold.
    """
    shards = sorted(folder.glob("faces-*.tfrecord"))
    if not shards or not (folder / DATASET_FILE).exists():
        raise UserError(f"{folder} holds no shards of faces: make some with `tfface synthesize --out {folder}`.")
    return shards


def read_dataset_card(folder: Path) -> dict[str, Any]:
    """What the tool that made a folder of shards wrote about it.

    Raises:
        UserError: it cannot be read.
    """
    card: dict[str, Any] = read_json_object(folder / DATASET_FILE, "the card of a folder of shards", REMAKE)
    return card


def claim_folder(
    folder: Path,
    card: Mapping[str, Any],
    free: Collection[str] = (),
    check: Callable[[], None] = lambda: None,
    **usual: Any,
) -> None:
    """Writes what a folder of shards will hold, or checks that it already holds the same.

    Args:
        card: what there is to say.
        free: keys that may differ from what is there.
        check: called where the folder holds the same, before anything is written.
        usual: what older cards do not say.

    Raises:
        UserError: it holds something else.
    """
    card = json.loads(json.dumps(card))
    if (folder / DATASET_FILE).exists():
        there = {**usual, **read_dataset_card(folder)}
        different = [key for key in sorted({*card, *there} - {*free}) if there.get(key) != card.get(key)]
        if different:
            raise UserError(
                f"{folder} holds shards made with another {', '.join(different)}: choose another `out` or the same "
                "options."
            )
        check()
    write_text(folder / DATASET_FILE, json.dumps(card, indent=2) + "\n")


def raw_records(path: Path) -> Iterator[bytes]:
    """The records of one shard as they are stored.

    Raises:
        UserError: it is cut short or damaged.
    """
    records = read_records(must_exist(path, REMAKE))
    while True:
        with reading(path, SHARD, REMAKE):
            raw = next(records, None)
        if raw is None:
            return
        yield raw


def damaged_shard(shards: Iterable[Path]) -> UserError | None:
    """The first of `shards` that cannot be read through, in a sentence; None where all can."""
    for path in shards:
        try:
            for number, raw in enumerate(raw_records(path), 1):
                with reading(path, f"{SHARD} (record {number})", REMAKE):
                    check_pictures(decode_example(raw))
        except UserError as error:
            return error
    return None


def card_number(folder: Path, card: dict[str, Any], *keys: str) -> float:
    """A number above 0 of a folder's card, such as `settings`, `enlarge`.

    Raises:
        UserError: the card has none.
    """
    value: Any = card
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise UserError(f"{folder / DATASET_FILE} says {value!r} for {'.'.join(keys)}, no number above 0: {REMAKE}.")
    return value


def must_hold_records(shards: Iterable[Path], what: str) -> None:
    """Sees to it that there is something to read.

    Raises:
        UserError: all of `shards` are empty.
    """
    shards = list(shards)
    if not any(path.stat().st_size for path in shards):
        names = f"{shards[0]} to {shards[-1].name}" if len(shards) > 1 else f"{shards[0]}" if shards else "none"
        raise UserError(f"The shards for {what} ({names}) are all empty: {REMAKE}.")


def check_face_model(folder: Path, card: dict[str, Any], checksum: str) -> None:
    """Sees to it that shards mean this face model: coefficients of another one would be other faces.

    Raises:
        UserError: their card names another.
    """
    theirs = card.get("face_model", checksum)
    if theirs != checksum:
        raise UserError(
            f"{folder} holds faces of another face model ({str(theirs)[:10]} instead of {checksum[:10]}): make the "
            "shards again with this tfface."
        )
