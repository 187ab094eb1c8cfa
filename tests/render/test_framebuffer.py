"""Rendering without tensorflow-graphics is told in a sentence, which names the version that setup installs."""

from __future__ import annotations


def test_the_sentence_says_how_to_install_it(python, repository) -> None:
    script = """
import sys
sys.modules["tensorflow_graphics"] = None  # as if it were not installed
from tfface.errors import UserError
try:
    import tfface.render.face_renderer
except UserError as error:
    print(error)
"""
    told = python("-c", script).stdout
    wanted = (repository / "requirements-no-deps.txt").read_text().splitlines()[-1]
    assert told.startswith("Rendering needs tensorflow-graphics") and f'--no-deps "{wanted}"' in told
