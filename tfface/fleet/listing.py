"""Which photographs there are to do, in parts that a worker does at once: one Parquet file, a row group a part.

So neither the driver nor a worker holds a hundred million paths, and what a part is does not change when a run is taken
up again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tfface.errors import UserError
from tfface.io.files import MARK, atomic_path
from tfface.io.image import photographs_in
from tfface.io.reading import must_exist, reading
from tfface.io.unpacking import MOST_UNPACKED, check_unpacked

FILE = "photographs.parquet"
PART = 200
"""Photographs of a part."""
COLUMNS = ("path", "url")
ROWS_AT_ONCE = 1 << 16
LEAST_ROWS, ROWS_PER_BYTE = 1_000_000, 100
"""A table may say that it has so many rows, or so many a byte of its file: numbered names take a tenth
of a byte at best."""
LONGEST_NAME = 1 << 16
_WHAT = "a list of photographs"


@dataclass(frozen=True)
class Listing:
    """Photographs in parts.

    Attributes:
        file: `photographs.parquet` in the results' folder, which all machines see.
        photographs, parts: how many there are.
    """

    file: Path
    photographs: int
    parts: int

    @classmethod
    def read(cls, file: Path) -> Listing:
        """The listing in a file that `listed` wrote."""
        import pyarrow.parquet as parquet

        with reading(file, _WHAT):
            about_table = parquet.read_metadata(file)
        return cls(file, about_table.num_rows, about_table.num_row_groups)

    def part(self, number: int) -> list[str]:
        """Paths and URLs of one part."""
        import pyarrow.parquet as parquet

        with reading(self.file, _WHAT):
            return list(parquet.ParquetFile(self.file).read_row_group(number)["path"].to_pylist())


def listed(source: Path, out: Path, made_with: Mapping[str, Any], overwrite: bool, part: int = PART) -> Listing:
    """Writes down what there is to do, unless that is done already.

    Args:
        source: a folder (and the folders in it), a text file with a path or URL a line, or a Parquet file, or a folder
            of them, with a column 'path' or 'url' (or a single one).
        out: folder of the results.
        made_with: what decides how results come out.
        overwrite: whether results of other photographs, or made otherwise, are replaced.
        part: photographs of a part.

    Raises:
        UserError: there are no photographs, or the folder holds results of others.
    """
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    before = _digest(out / FILE) if (out / FILE).exists() and not overwrite else None
    how = json.dumps([part, dict(made_with)], sort_keys=True)
    file, digest, count = out / FILE, hashlib.sha256(how.encode()), 0
    schema = arrow.schema([("path", arrow.string())], metadata={"software": MARK})
    with atomic_path(file.with_name(f"new-{FILE}")) as beside:
        rows = _paths(source)
        with parquet.ParquetWriter(beside, schema) as writer:
            while rows_of_part := list(islice(rows, part)):
                digest.update("\n".join([*rows_of_part, ""]).encode("utf-8", "surrogateescape"))
                writer.write_table(arrow.table({"path": rows_of_part}, schema), row_group_size=part)
                count += len(rows_of_part)
            writer.add_key_value_metadata({"digest": digest.hexdigest()})
        if not count:
            raise UserError(f"{source} names no photographs: give a folder, a text file or a Parquet file that does.")
    new = file.with_name(f"new-{FILE}")
    if before not in (None, digest.hexdigest()):
        new.unlink()
        raise UserError(
            f"{out} holds results of other photographs, or made otherwise: choose another `out`, or add "
            "`overwrite=True`."
        )
    new.replace(file)
    return Listing.read(file)


def _digest(file: Path) -> str:
    import pyarrow.parquet as parquet

    with reading(file, _WHAT):
        return (parquet.read_metadata(file).metadata or {}).get(b"digest", b"").decode()


def _paths(source: Path) -> Iterator[str]:
    if not source.exists():
        raise UserError(f"{source} does not exist: give a folder, a text file or a Parquet file.")
    tables = sorted(source.glob("*.parquet")) if source.is_dir() else [source] * (source.suffix == ".parquet")
    if tables:
        for table in tables:
            yield from _column(table)
    elif source.is_dir():
        found = photographs_in(source, deep=True)
        yield from sorted(os.path.realpath(path) for path in (*found.photographs, *found.unreadable))
    else:
        must_exist(source, "write a path or URL a line")
        with reading(source, _WHAT, "write a path or URL a line"), source.open(encoding="utf-8-sig") as lines:
            while line := lines.readline(LONGEST_NAME + 1):
                if len(line) > LONGEST_NAME:
                    raise ValueError(f"it has a line of more than {LONGEST_NAME:,} letters, which no path or URL has")
                if line.strip():
                    yield _absolute(line.strip(), source.parent)


def _column(table: Path) -> Iterator[str]:
    """Read as numbers of distinct values, as Parquet has them: a billion rows of one long text fit into a kilobyte."""
    import pyarrow.parquet as parquet

    with reading(table, _WHAT, "give a Parquet file with a column 'path' or 'url'"):
        opened = parquet.ParquetFile(table)
        names = opened.schema_arrow.names
        name = next((column for column in COLUMNS if column in names), names[0] if len(names) == 1 else None)
    if name is None:
        raise UserError(f"{table} has columns {', '.join(names)}, none of which is called path or url: rename one.")
    with reading(table, _WHAT, "give another Parquet file"):
        batches = _batches(table, opened, name)
    while True:
        with reading(table, _WHAT, "give another Parquet file"):
            batch = next(batches, None)
            values = [] if batch is None else _values(batch[0])
        if batch is None:
            return
        for value in values:
            if not isinstance(value, str) or "\0" in value:
                raise UserError(f"{table}: column {name} holds {value!r}, no path or URL: remove that row.")
            yield _absolute(value, table.parent)


def _batches(table: Path, opened: Any, name: str) -> Iterator[Any]:
    """The column in batches that fit into memory.

    Raises:
        ValueError: it says more rows than its bytes can name, or would fill the memory.
    """
    import pyarrow.parquet as parquet

    about = opened.metadata
    if about.num_rows > max(LEAST_ROWS, ROWS_PER_BYTE * table.stat().st_size):
        raise ValueError(f"it says that it has {about.num_rows:,} rows, which so small a file cannot name")
    chunks = []
    for place in (place for place in range(about.num_columns) if about.schema.column(place).path == name):
        for number in range(about.num_row_groups):
            # Arrow ends the process where it is asked about a chunk that it cannot read, and raises where it reads it
            next(opened.iter_batches(1, [number], [name]), None)
            chunks.append(about.row_group(number).column(place))
    largest = max((chunk.total_uncompressed_size for chunk in chunks), default=0)
    check_unpacked(table, largest)
    if any("DELTA" in encoding for chunk in chunks for encoding in chunk.encodings):
        # each row may repeat the one before, and Arrow makes no numbers of those
        size = min(ROWS_AT_ONCE, MOST_UNPACKED // max(largest, 1))
        return iter(opened.iter_batches(max(size, 1), columns=[name]))
    return iter(parquet.ParquetFile(table, read_dictionary=[name]).iter_batches(ROWS_AT_ONCE, columns=[name]))


def _values(column: Any) -> list[Any]:
    """The values of a batch.

    Raises:
        ValueError: one is longer than any path or URL.
    """
    import pyarrow as arrow
    import pyarrow.compute as compute

    distinct = column.dictionary if isinstance(column, arrow.DictionaryArray) else column
    if arrow.types.is_string(distinct.type) or arrow.types.is_large_string(distinct.type):
        longest = compute.max(compute.binary_length(distinct)).as_py() or 0
        if longest > LONGEST_NAME:
            raise ValueError(f"a row of it has {longest:,} bytes, which no path or URL has")
    return list(column.to_pylist())


def _absolute(path: str, beside: Path) -> str:
    return path if "://" in path else os.path.realpath(beside / path)
