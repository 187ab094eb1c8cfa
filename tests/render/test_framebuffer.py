"""Rendering without tensorflow-graphics ends in a sentence, which names the version that setup installs."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from tfface.errors import UserError


def test_the_sentence_says_how_to_install_it(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("tensorflow_graphics.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorflow_graphics", None)  # as if it were not installed
    wanted = (repository / "requirements-no-deps.txt").read_text().splitlines()[-1]
    with pytest.raises(UserError, match="Rendering needs tensorflow-graphics") as error:
        runpy.run_path(str(repository / "tfface" / "render" / "framebuffer.py"))
    assert f'--no-deps "{wanted}"' in str(error.value)
