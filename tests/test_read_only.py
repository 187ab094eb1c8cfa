"""The package where it may write nothing but results: installed by another user, no home folder, a sealed container."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from tfface import cli
from tfface.errors import item_error
from tfface.parallel.compiled import compiled

NOWHERE = """
import sys
from numba.core import caching
for locator in caching.CacheImpl._locator_classes:
    locator.ensure_cache_path = lambda self: (_ for _ in ()).throw(OSError(30, "Read-only file system"))
from tfface.geometry import raster_loops
from tfface.data.synthetic.picture import shade
from tfface.io import examples
"""


def test_loops_are_compiled_where_nothing_may_be_kept() -> None:
    """Numba refuses to compile with a cache that it has no room for."""
    ran = subprocess.run([sys.executable, "-c", NOWHERE], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_loops_are_kept_where_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    @compiled(nogil=True)
    def doubled(values: np.ndarray) -> np.ndarray:
        return values * 2

    assert list(doubled(np.ones(2))) == [2, 2]
    assert [path for path in tmp_path.rglob("*") if path.suffix == ".nbc"]


def test_loops_work_where_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", full)

    @compiled(nogil=True)
    def doubled(values: np.ndarray) -> np.ndarray:
        return values * 2

    assert list(doubled(np.ones(2))) == [2, 2]


def test_want_of_memory_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    def hungry(_: object) -> int:
        return len(np.empty(1 << 60, np.uint8))

    assert cli.run(hungry) == 2
    assert capsys.readouterr().err.startswith("error: there is not enough memory")
    assert item_error(MemoryError(), Path("a.png")).startswith("a.png: there is not enough memory")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root to make folders read-only for itself")
def test_a_face_is_made_where_package_and_home_are_read_only(tmp_path: Path, repository: Path) -> None:
    from skimage import data

    from tfface.io.image import write_image

    write_image(tmp_path / "a.png", data.astronaut())
    sealed = {Path.home(), repository, Path(sys.prefix), Path(np.__file__).parents[1]}
    binds = "".join(f"mount --bind '{p}' '{p}' && mount -o remount,bind,ro '{p}' || exit 77;" for p in sorted(sealed))
    command = f"{binds} '{sys.executable}' -m tfface predict '{tmp_path}/a.png' --model fast --out '{tmp_path}/out'"
    where = {"cwd": repository, "env": {**os.environ, "PYTHONPATH": str(repository)}}
    ran = subprocess.run(["unshare", "-m", "sh", "-c", command], capture_output=True, text=True, check=False, **where)
    if ran.returncode == 77 or "unshare" in ran.stderr:
        pytest.skip("this machine lets nobody mount folders")
    assert (ran.returncode, ran.stderr) == (0, "") and (tmp_path / "out" / "a.glb").is_file()
