"""Words that readers could not know, and that are gone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PLACES = ("tfface", "data_tools", "benchmarks", "examples", "tune", "docs")
GONE = {
    "a system by the number of its folder": r"\b[Ss]eed[ _]00\d",
    "says no coefficients": r"\b(says|say) (no )?coefficients",
    "is no box": r"(?<![Tt]here )\bis no (box|folder|file|angle)\b",
    "are no numbers": r"\bare no (finite )?numbers\b",
    "names without meaning": r"\b(restlessness|best_change)\b",
    "refining, which fits the face model, for cropping again": r"\brefine(=\d|: int)",
}


@pytest.mark.parametrize("what", GONE)
def test_words_are_gone(what: str) -> None:
    files = [REPOSITORY / "README.md", *(p for place in PLACES for p in (REPOSITORY / place).rglob("*"))]
    texts = [path for path in files if path.suffix in (".py", ".md", ".yaml", ".sh")]
    assert len(texts) > 200
    found = [path.name for path in texts if re.search(GONE[what], path.read_text(encoding="utf-8"))]
    assert found == []
