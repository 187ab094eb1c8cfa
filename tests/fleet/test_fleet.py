"""Photographs in parts on Ray's workers: each exactly once, whatever becomes of a machine."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from rich.console import Console

from tfface.errors import UserError
from tfface.fleet.listing import Listing, listed
from tfface.fleet.run import Predict, Worker, _local, predict_listed, rows_file
from tfface.fleet.table import FACES, FAILURES, join_parts, refuse_foreign_table, schema
from tfface.io.formats import FileOptions
from tfface.io.image import write_image
from tfface.predict import Arguments, loaded

MADE_WITH = {"model": "fast"}


def _load(out: Path) -> partial[Predict]:
    files = FileOptions(formats=("json",))
    return partial(loaded, Arguments(photo=out, out=out, model="fast", files=files), MADE_WITH)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """Faces, and one picture without any."""
    folder = tmp_path_factory.mktemp("photographs")
    from PIL import Image

    portrait = np.asarray(Image.open(repository / "docs/pictures/astronaut.jpg").convert("RGB"))
    portrait = portrait[:, : portrait.shape[0]]
    for number in range(5):
        write_image(folder / f"{number}.png", np.roll(portrait, number, axis=1))
    write_image(folder / "empty.png", np.full((64, 64, 3), 90, np.uint8))
    return folder


def test_every_kind_of_list_says_the_same(tmp_path: Path, photographs: Path) -> None:
    paths = sorted(photographs.iterdir())
    text, table = photographs.parent / "list.txt", photographs.parent / "list.parquet"
    text.write_text("\n".join(f"{photographs.name}/{path.name}" for path in paths) + "\n\n")
    parquet.write_table(arrow.table({"number": [0] * len(paths), "url": [str(path) for path in paths]}), table)
    for number, source in enumerate((photographs, text, table)):
        found = listed(source, tmp_path / str(number), MADE_WITH, False, part=4)
        assert (found.photographs, found.parts) == (6, 2)
        assert [*found.part(0), *found.part(1)] == [str(path) for path in paths]
    assert Listing.read(found.file).part(1) == found.part(1)
    with pytest.raises(UserError, match="results of other photographs"):
        listed(photographs, tmp_path / "0", MADE_WITH, False, part=3)
    parquet.write_table(arrow.table({"one": ["a"], "two": ["b"]}), table)
    with pytest.raises(UserError, match="none of which is called path or url"):
        listed(table, tmp_path / "other", MADE_WITH, False)


def test_damaged_lists_are_reported(tmp_path: Path) -> None:
    """Found by `tests/faults/fuzz.py`: names that are no UTF-8, pages that are damaged, and no path at all."""
    whole = tmp_path / "whole.parquet"
    parquet.write_table(arrow.table({"path": [f"photograph-{number}.png" for number in range(40)]}), whole)
    data, refused = whole.read_bytes(), 0
    for place in range(4, len(data), 7):
        whole.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        try:
            listed(whole, tmp_path / "out", {}, True)
        except UserError as error:
            refused += 1
            assert "whole.parquet" in str(error) and "\n" not in str(error)
    assert refused > 10
    parquet.write_table(arrow.table({"path": ["a\0b.png"]}), whole)
    with pytest.raises(UserError, match="no path or URL"):
        listed(whole, tmp_path / "out", {}, True)
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "list.txt").write_text("loop.png\n")
    assert listed(tmp_path / "list.txt", tmp_path / "out", {}, True).photographs == 1


def _repeated(path: Path, text: str, rows: int) -> None:
    """A list that says `text` over and over, in a kilobyte or two."""
    column = arrow.DictionaryArray.from_arrays(arrow.array(np.zeros(rows, np.int32)), arrow.array([text]))
    parquet.write_table(arrow.table({"path": column}), path, compression="zstd", store_schema=False)


@pytest.mark.parametrize(
    ("text", "rows", "says"),
    [("x" * 3_000_000, 1000, "3,000,000 bytes, which no path"), ("a.png", 5_000_000, "5,000,000 rows")],
)
def test_a_small_list_does_not_fill_the_memory(tmp_path: Path, text: str, rows: int, says: str) -> None:
    _repeated(tmp_path / "a.parquet", text, rows)
    assert (tmp_path / "a.parquet").stat().st_size < 20_000
    with pytest.raises(UserError, match=says):
        listed(tmp_path / "a.parquet", tmp_path / "out", {}, False)
    assert not list((tmp_path / "out").iterdir())


def test_names_in_order_are_read_however_small_they_are_made(tmp_path: Path) -> None:
    table = arrow.table({"path": [f"/photographs/{number:08d}.png" for number in range(20_000)]})
    for encoding in ("DELTA_BYTE_ARRAY", "PLAIN"):
        path = tmp_path / f"{encoding}.parquet"
        parquet.write_table(table, path, compression="zstd", use_dictionary=False, column_encoding=encoding)
        assert listed(path, tmp_path / encoding, {}, False).photographs == 20_000


def test_a_long_line_of_a_list_is_told(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"x" * 100_000)
    with pytest.raises(UserError, match="list.txt"):
        listed(tmp_path / "list.txt", tmp_path / "out", {}, False)
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(UserError, match="not an ordinary file"):
        listed(tmp_path / "pipe.txt", tmp_path / "out", {}, False)


def test_a_download_ends_where_no_photograph_is_so_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")
    monkeypatch.setattr("tfface.fleet.run.MOST_DOWNLOADED", 3_000_000)
    (tmp_path / "a.png").write_bytes(bytes(4_000_000))
    answer = _local(f"file://{tmp_path}/a.png", tmp_path / "0")
    assert "more than 3,000,000 bytes" in str(answer) and not (tmp_path / "0").exists()
    (tmp_path / "a.png").write_bytes(b"x" * 2_500_000)
    copy = _local(f"file://{tmp_path}/a.png", tmp_path / "1")
    assert isinstance(copy, Path) and copy.read_bytes() == b"x" * 2_500_000


EVERY_BYTE = """
import sys
from pathlib import Path

import pyarrow
from pyarrow import parquet

from tfface.errors import UserError
from tfface.fleet.listing import listed

table, sentences = Path(sys.argv[1]), 0
parquet.write_table(pyarrow.table({"path": ["a.png", "b.png"]}), table)
good = table.read_bytes()
for place in range(len(good)):
    table.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
    try:
        listed(table, table.parent / "out", {}, overwrite=True)
    except UserError as error:
        sentences += "a.parquet" in str(error)
print(sentences)
"""


def test_no_damaged_byte_of_a_list_ends_the_process(tmp_path: Path, python: Callable[..., Any]) -> None:
    """Arrow ends it where it is asked about a part that it cannot read."""
    tried = python("-c", EVERY_BYTE, str(tmp_path / "a.parquet"))
    assert tried.returncode == 0, tried.stderr[-500:]
    assert int(tried.stdout) > 50


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    part = tmp_path / "parts" / "000000.parquet"
    part.parent.mkdir()
    part.write_bytes(b"PAR1 none")
    with pytest.raises(UserError, match="000000.parquet cannot be read"):
        join_parts([part], tmp_path)
    assert part.exists() and not (tmp_path / FACES).exists()


def test_a_persons_own_table_is_neither_taken_for_ours_nor_overwritten(tmp_path: Path) -> None:
    parquet.write_table(arrow.table({"mine": [1]}), tmp_path / FACES)
    with pytest.raises(UserError, match="not a result of tfface"):
        refuse_foreign_table(tmp_path)
    (tmp_path / FACES).write_bytes(b"PAR1 none")
    with pytest.raises(UserError, match="cannot be read as a table of faces"):
        refuse_foreign_table(tmp_path)
    parquet.write_table(schema().empty_table(), tmp_path / FACES)
    refuse_foreign_table(tmp_path)
    (tmp_path / FAILURES).write_text("mine")
    with pytest.raises(UserError, match="failures.txt is there"):
        refuse_foreign_table(tmp_path)


def test_a_part_goes_on_where_it_was_stopped(tmp_path: Path, photographs: Path) -> None:
    paths = [f"file://{path}" if path.stem == "1" else str(path) for path in sorted(photographs.iterdir())]
    source = tmp_path / "list.txt"
    source.write_text("\n".join([*paths, f"file://{tmp_path}/gone.jpg"]))
    out = tmp_path / "out"
    listing = listed(source, out, MADE_WITH, False, part=7)
    worker = Worker(listing, MADE_WITH, _load(out))
    assert worker({"part": 0}) == {"photographs": 7}
    before = {path: path.stat().st_mtime_ns for path in (out / "000000").glob("*.json")}
    assert {path.stem for path in before} == {"0", "1", "2", "3", "4"}
    rows_file(listing, 0).unlink()
    (out / "000000" / "2.json").unlink()
    worker({"part": 0})
    changed = [path.stem for path, when in before.items() if path.stat().st_mtime_ns != when]
    assert changed == ["2"]
    assert join_parts([rows_file(listing, 0)], out) == (5, 2)
    rows = parquet.read_table(out / FACES).to_pylist()
    assert Counter(row["photograph"] for row in rows) == Counter(listing.part(0))
    faces = [row for row in rows if row["error"] is None]
    assert {row["results"] for row in faces} == {f"000000/{number}" for number in range(5)}
    assert all(len(row["landmarks68_px"]) == 204 and len(row["identity_sigma"]) == 150 for row in faces)
    failures = (out / FAILURES).read_text()
    assert "empty.png: No face was found" in failures and "gone.jpg cannot be fetched" in failures
    assert predict_listed(source, out, MADE_WITH, _load(out), Console(quiet=True), part=7) == 2  # as was listed before


@pytest.mark.slow
def test_a_machine_that_stops_loses_no_photograph(tmp_path: Path, photographs: Path) -> None:
    from ray.cluster_utils import Cluster

    many = tmp_path / "many"
    many.mkdir()
    for number in range(40):
        shutil.copy(photographs / f"{number % 5}.png", many / f"{number:02d}.png")
    out = tmp_path / "out"
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 80 * 2**20})
    try:
        second = nodes.add_node(num_cpus=1, object_store_memory=80 * 2**20)
        stopped = threading.Event()

        def stop() -> None:
            while len(list((out / "parts").glob("*.parquet"))) < 2:
                time.sleep(0.2)
            nodes.remove_node(second, allow_graceful=False)
            stopped.set()

        threading.Thread(target=stop, daemon=True).start()
        console = Console(quiet=True)
        failed = predict_listed(many, out, MADE_WITH, _load(out), console, nodes.address, part=4)
    finally:
        nodes.shutdown()
    assert stopped.is_set() and failed == 0
    rows = parquet.read_table(out / FACES).to_pylist()
    assert [row["photograph"] for row in rows] == [str(path) for path in sorted(many.iterdir())]
    assert all((out / f"{row['results']}.json").is_file() for row in rows)
    assert predict_listed(many, out, MADE_WITH, _load(out), console, part=4) == 0
