"""Parts of a listing done by Ray's workers: Ray Data hands them out, an actor a core has the network loaded once.

A part's results lie in a folder of its number; its rows of the table are written last. A part whose rows are there is
done. One that was lost with its machine is done again by another actor, which goes on from the results that are whole.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfface.cli import progress_bar
from tfface.errors import UserError, item_error
from tfface.fleet.listing import PART, Listing, listed
from tfface.fleet.table import FACES, failures_listed, join_parts, refuse_foreign_table, row_of_face, write_part
from tfface.io.results import stems
from tfface.parallel.ray_cluster import cluster
from tfface.saver import Saved
from tfface.stream import Batch

if TYPE_CHECKING:
    from rich.console import Console

Item = tuple[Path, str]
Predict = Callable[[Path, list[Item]], Iterable[tuple[Item, list[Saved] | Exception]]]
"""Predicts photographs, each with what its results are called, into a folder."""
DOWNLOADS = 16
MOST_DOWNLOADED, DOWNLOADED_AT_ONCE = 2**30, 2**20
"""Bytes of a photograph, and of a piece of it: no server fills the memory or the disk."""
MOST_ACTORS = 100_000
"""As many as the cluster has cores, also when machines join later."""


class Worker:
    """An actor's state: the network, and what it does with a part."""

    def __init__(self, listing: Listing, made_with: Mapping[str, Any], load: Callable[[], Predict]) -> None:
        self.listing, self.made_with, self.predict = listing, made_with, load()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Does part `row["part"]`, unless it is done; says how many photographs it has."""
        number = int(row["part"])
        paths, rows = self.listing.part(number), rows_file(self.listing, number)
        if not rows.is_file():
            with tempfile.TemporaryDirectory() as temporary:
                write_part(rows, self._do(paths, self.listing.file.parent / f"{number:06d}", Path(temporary)))
        return {"photographs": len(paths)}

    def _do(self, paths: list[str], folder: Path, temporary: Path) -> list[dict[str, Any]]:
        with ThreadPoolExecutor(DOWNLOADS) as pool:
            fetched = list(pool.map(lambda pair: _local(pair[1], temporary / str(pair[0])), enumerate(paths)))
        names = dict(zip(paths, stems([Path(path) for path in paths]), strict=True))
        outcome: dict[str, list[str] | Exception] = {
            path: there for path, there in zip(paths, fetched, strict=True) if isinstance(there, Exception)
        }
        where = {there: path for path, there in zip(paths, fetched, strict=True) if isinstance(there, Path)}
        todo, done = Batch(list(where), [names[path] for path in where.values()], []).left(folder, self.made_with)
        outcome |= {where[photo]: faces for photo, faces in done.items()}
        for (photo, _), saved in self.predict(folder, todo):
            outcome[where[photo]] = saved if isinstance(saved, Exception) else [each.base.name for each in saved]
        return [row for path in paths for row in _rows(path, outcome[path], folder)]


def _rows(path: str, outcome: list[str] | Exception, folder: Path) -> list[dict[str, Any]]:
    if isinstance(outcome, Exception):
        return [{"photograph": path, "error": item_error(outcome)}]
    return [row_of_face(path, f"{folder.name}/{name}", folder / f"{name}.json") for name in outcome]


def rows_file(listing: Listing, number: int) -> Path:
    """Where the rows of a part lie until all are done."""
    return listing.file.parent / "parts" / f"{number:06d}.parquet"


def _local(path: str, folder: Path) -> Path | Exception:
    """The photograph on this machine: itself, or what its URL names, fetched into a folder of its own."""
    if "://" not in path:
        return Path(path)
    try:
        import fsspec

        folder.mkdir()
        copy = folder / (Path(path.split("?")[0]).name or "photograph")
        with fsspec.open(path, "rb") as there, copy.open("wb") as file:
            while piece := there.read(DOWNLOADED_AT_ONCE):
                if file.tell() + len(piece) > MOST_DOWNLOADED:
                    raise ValueError(f"it has more than {MOST_DOWNLOADED:,} bytes")
                file.write(piece)
        return copy
    except Exception as error:  # whatever a server or its library says
        shutil.rmtree(folder, ignore_errors=True)
        return UserError(f"{path} cannot be fetched ({type(error).__name__}: {error}): is it there, and public?")


def predict_listed(
    source: Path,
    out: Path,
    made_with: Mapping[str, Any],
    load: Callable[[], Predict],
    console: Console,
    address: str = "",
    overwrite: bool = False,
    part: int = PART,
) -> int:
    """Predicts all photographs of a source (`tfface.fleet.listing.listed`) on a Ray cluster; how many failed.

    Args:
        out: folder of the results, which all machines see.
        made_with: what decides how results come out.
        load: makes what predicts, once in each worker.
        address: of a running cluster, or `auto`; empty: this machine's own cores.
        overwrite: do again what is done.
        part: photographs that a worker does at once.

    Raises:
        UserError: there is nothing to do, or Ray is missing or cannot be reached.
    """
    try:
        import pyarrow.parquet  # noqa: F401
        import ray.data  # noqa: F401
    except ImportError as error:
        raise UserError(f"`ray` needs a package that is missing ({error}): pip install 'tfface[ray]'.") from error
    if not overwrite:
        refuse_foreign_table(out)
    listing = listed(source, out, made_with, overwrite, part)
    rows = [rows_file(listing, number) for number in range(listing.parts)]
    if overwrite:
        for path in (out / FACES, *rows):
            path.unlink(missing_ok=True)
    if (out / FACES).is_file():
        failed = failures_listed(out)
        summary = f"all {listing.photographs} photographs were done before, {failed} failed"
        console.print(f"{out / FACES}: {summary} (--overwrite does them again).", markup=False, soft_wrap=True)
        return failed
    missing = [number for number, path in enumerate(rows) if not path.is_file()]
    start, done = time.perf_counter(), 0
    threads = {"OPENCV_FOR_THREADS_NUM": "1"}
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its advice on actors is for those who write them
    if missing:
        with cluster(address, variables=threads), progress_bar(console) as progress:
            bar = progress.add_task("photographs", total=listing.photographs)
            for count in _handed_out(missing, Worker, (listing, made_with, load)):
                done += count
                progress.advance(bar, count)
    seconds = time.perf_counter() - start
    faces, failed = join_parts(rows, out)
    summary = f"{faces} faces of {listing.photographs} photographs, {failed} failed"
    summary += f"; {done} in {seconds:.0f} s, {done / seconds:.1f} a second" if done else ""
    console.print(f"{out / FACES}: {summary}", markup=False, soft_wrap=True)
    return failed


def _handed_out(parts: list[int], worker: Any, given: tuple[Any, ...]) -> Iterable[int]:
    """How many photographs each part had, as they are done."""
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    actors = ray.data.ActorPoolStrategy(min_size=1, max_size=MOST_ACTORS)
    queue = ray.data.from_items([{"part": number} for number in parts], override_num_blocks=len(parts))
    done = queue.map(worker, fn_constructor_args=given, compute=actors, num_cpus=1)
    return (int(row["photographs"]) for row in done.iter_rows())
