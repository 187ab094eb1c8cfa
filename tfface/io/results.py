"""What results are called: one rule for every command, and how a result tells whose it is.

A photograph's results are `STEM.obj`, `STEM_overlay.png` and so on; of several faces `STEM_0.obj`, `STEM_1.obj`. Two
photographs never share a name: where stems would meet (`a.jpg` and `a.png`; `group.png` with several faces beside
`group_0.png`) the suffix joins the stem (`a_jpg`), and where that is not enough, a number.

`STEM.json` says under `photograph` which one it is of (name and SHA-256), under `face` which of its faces, and under
`made_with` how it was made. So a folder that was done in part goes on with what is missing, a photograph of the same
name from another folder does not overwrite it, and what does not carry our mark is never touched.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfface.errors import UserError
from tfface.io.files import MARK, owner, refuse_foreign, written_by_us
from tfface.io.reading import must_exist, reading

PICTURES = ("overlay", "sheet", "depth", "colours", "stages", "texture", "shoulders", "eye", "tooth", "origin")
DETAIL = ("_normal.png", "_albedo.png", "_displacement.png", "_displacement.npy")
ENDS = (".json", ".obj", ".mtl", ".glb", ".ply", ".mat", *(f"_{name}.png" for name in PICTURES), *DETAIL)
LONGEST_STEM = 200
"""Bytes; file systems allow 255 with what is appended."""
_MOST_NAMES = 10_000


def stems(photographs: Sequence[Path]) -> list[str]:
    """The results' names of each photograph; none is, or begins the names of the faces of, another's.

    Capitals do not tell names apart: some file systems do not.
    """
    plain = [_short(photo.stem) for photo in photographs]
    folded = Counter(stem.casefold() for stem in plain)
    groups = {_group(key) for key in folded}
    chosen: list[str] = []
    for photo, stem in zip(photographs, plain, strict=True):
        alone = folded[stem.casefold()] == 1 and stem.casefold() not in groups
        chosen.append(stem if alone else _short(f"{photo.stem}_{photo.suffix[1:]}"))
    return _numbered(chosen)


def _group(name: str) -> str | None:
    """What a photograph is called among the names of whose faces this one could be; None of `name` without number."""
    found = re.fullmatch(r"(.*)_\d+", name, re.DOTALL)
    return None if found is None else found[1]


def _numbered(names: list[str]) -> list[str]:
    """The names, with `-2`, `-3` where one is an earlier one, or could be of a face of one, or the other way round."""
    given: list[str] = []
    taken: set[str] = set()
    groups: set[str | None] = set()
    following: Counter[str] = Counter()
    for name in names:
        candidate, number = name, max(following[name], 2)
        while (key := candidate.casefold()) in taken or key in groups or _group(key) in taken:
            candidate, number = f"{name}-{number}", number + 1
        following[name] = number  # the lower ones stay taken
        given.append(candidate)
        taken.add(key)
        groups.add(_group(key))
    return given


def _short(stem: str) -> str:
    """The stem, cut where a file system would not take it; its digest keeps it its own."""
    data = os.fsencode(stem)
    if len(data) <= LONGEST_STEM:
        return stem
    kept = data[: LONGEST_STEM - 9].decode("utf-8", errors="ignore").encode()  # no half of a letter
    return f"{os.fsdecode(kept)}-{hashlib.sha256(data).hexdigest()[:8]}"


def photograph(path: Path) -> dict[str, str]:
    """How a result names its photograph: never by where it lies.

    Raises:
        UserError: it cannot be read.
    """
    path = must_exist(path, "give a photograph")
    digest = hashlib.sha256()
    with reading(path, "a picture"), path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return {"name": path.name, "sha256": digest.hexdigest()}


def about(source: Mapping[str, str], number: int, count: int, made_with: Mapping[str, Any]) -> dict[str, Any]:
    """What a result's JSON says of where it came from; faces are counted from 0."""
    return {"photograph": dict(source), "face": {"number": number, "of": count}, "made_with": dict(made_with)}


def finished(folder: Path, stem: str, source: Mapping[str, str], made_with: Mapping[str, Any]) -> list[str] | None:
    """The names of a photograph's results, where all of them are there, made in the same way; None otherwise."""
    for base in _bases(stem):
        first = _own_summary(folder / f"{base}.json")
        if first is None:
            first = _own_summary(folder / f"{base}_0.json")
        if first is None:
            if not any(os.path.lexists(folder / f"{base}{end}") for end in ENDS):
                return None
            continue
        if not _is_of(first, source):
            continue
        count = first["face"].get("of")
        if not isinstance(count, int) or not 1 <= count <= _MOST_NAMES:
            return None
        names = [base] if count == 1 else [f"{base}_{number}" for number in range(count)]
        wanted = [about(source, number, count, made_with) for number in range(count)]
        there = [_own_summary(folder / f"{name}.json") for name in names]
        return names if all(_same(summary, want) for summary, want in zip(there, wanted, strict=True)) else None
    return None


def free_names(
    folder: Path,
    stem: str,
    count: int,
    source: Mapping[str, str],
    overwrite: bool = False,
    taken: Container[str] = (),
) -> list[str]:
    """Names for the `count` faces of a photograph: those of its earlier results, or new ones.

    Nothing that is not ours, and no result of another photograph, has any of them (unless `overwrite`), and none is
    among those `taken` for results that are being written.
    """
    for base in _bases(stem):
        names = [base] if count == 1 else [f"{base}_{number}" for number in range(count)]
        if any(name in taken for name in names):
            continue
        if overwrite or all(_is_free(folder, name, source) for name in names):
            return names
    raise _no_name_left(folder, stem)


def own_name(
    folder: Path,
    stem: str,
    source: Mapping[str, str],
    ends: Sequence[str],
    overwrite: bool = False,
) -> str:
    """What results are called of which each says itself whose it is (`tfface.io.files.mark_of`): `stem`, or the first
    numbered one of which no file is another's.

    Args:
        source: whose they are, as `photograph` says it.
        ends: what follows in the names of the files.

    Raises:
        UserError: one is there that is not ours (unless `overwrite`).
    """
    if overwrite:
        return stem
    for base in _bases(stem):
        paths = [folder / f"{base}{end}" for end in ends]
        refuse_foreign(paths)
        if not any(_is_anothers(path, source) for path in paths):
            return base
    raise _no_name_left(folder, stem)


def _no_name_left(folder: Path, stem: str) -> UserError:
    return UserError(f"{folder} has no free name left for {stem}: choose another `out`.")


def _is_anothers(path: Path, source: Mapping[str, str]) -> bool:
    """Whether a file of ours is of another photograph; one that does not say is taken to be of this one."""
    if owner(path) not in (None, "", source["sha256"][:16]):
        return True
    summary = _own_summary(path) if path.suffix == ".json" else None
    return summary is not None and not _is_of(summary, source)


def faces_in(folder: Path) -> list[str]:
    """What the results of faces in a folder are called, in order."""
    summaries = {path.stem: _own_summary(path) for path in sorted(folder.glob("*.json"))}
    return [name for name, each in summaries.items() if each is not None and isinstance(each.get("shape"), dict)]


def refuse_foreign_results(folder: Path, name: str) -> None:
    """Sees to it that results called `name` overwrite nothing that is not ours.

    Raises:
        UserError: there is such a file.
    """
    refuse_foreign(folder / f"{name}{end}" for end in ENDS)


def _bases(stem: str) -> Iterator[str]:
    """The stem, then numbered ones."""
    yield stem
    yield from (f"{stem}-{number}" for number in range(2, _MOST_NAMES))


def _is_free(folder: Path, name: str, source: Mapping[str, str]) -> bool:
    there = [folder / f"{name}{end}" for end in ENDS if os.path.lexists(folder / f"{name}{end}")]
    return all(written_by_us(path) and not _is_anothers(path, source) for path in there)


def _own_summary(path: Path) -> dict[str, Any] | None:
    """What a result's JSON says; None where it is none of ours that is whole."""
    if not written_by_us(path):
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    known = isinstance(content, dict) and isinstance(content.get("face", {}), dict)
    return {"software": MARK, "photograph": None, "face": {}, **content} if known else None


def _is_of(summary: Mapping[str, Any], source: Mapping[str, str]) -> bool:
    """Whether a result is of this photograph; one that does not say is taken to be."""
    theirs = summary["photograph"]
    return theirs is None or (isinstance(theirs, dict) and theirs.get("sha256") == source["sha256"])


def _same(summary: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    if summary is None:
        return False
    plain = json.loads(json.dumps(wanted))
    return all(summary.get(key) == plain[key] for key in ("face", "made_with")) and (
        isinstance(summary["photograph"], dict) and summary["photograph"].get("sha256") == plain["photograph"]["sha256"]
    )
