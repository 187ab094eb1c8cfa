"""Tables that are made once, then read from the user's cache."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tfface.io.kept import Arrays, kept


class _Maker:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Arrays:
        self.times += 1
        return np.arange(12, dtype=np.int32).reshape(3, 4).T, np.array(0.25)


def test_what_is_kept_is_made_once_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFFACE_CACHE", str(tmp_path))
    make = _Maker()
    for _ in range(2):
        table, number = kept("table", "a" * 64, make)
        np.testing.assert_array_equal(table, np.arange(12).reshape(3, 4).T)
        assert number.shape == () and number == 0.25 and table.dtype == np.int32 and make.times == 1
    table[0, 0] = 99  # a copy of the page: what is kept stays as it is
    assert kept("table", "a" * 64, make)[0][0, 0] == 0
    kept("table", "b" * 64, make)
    assert make.times == 2
    for file in tmp_path.rglob("0.npy"):
        file.write_bytes(b"half of a")
    assert kept("table", "a" * 64, make)[0][3, 2] == 11 and make.times == 3
    assert kept("table", "a" * 64, make)[0][3, 2] == 11 and make.times == 3
    kept("table", "", make)
    assert make.times == 4
    for folder in (tmp_path / "tables").iterdir():
        os.utime(folder, (0, 0))
    kept("table", "d" * 64, make)
    assert len(list((tmp_path / "tables").iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("TFFACE_CACHE", str(tmp_path / "file"))
    make = _Maker()
    assert kept("table", "c" * 64, make)[1] == kept("table", "c" * 64, make)[1] == 0.25 and make.times == 2
