"""Readers of the face models that people own: each gives a `tfface.face.linear_face.LinearFace`.

None of these models comes with this package, and most may not be handed on; a reader says where its files are to be
had and under which licence. `read_model(path)` finds out which of them a path holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfface.face.linear_face import LinearFace


def read_model(path: Path) -> LinearFace:
    """The model in a folder or file: BFM 2009 (front), the BFM of 300W-LP, or ICT-FaceKit.

    Raises:
        UserError: it holds none of them, or a file is missing or wrong.
    """
    from tfface.errors import UserError
    from tfface.face.readers import bfm2009, bfm_300wlp, ict

    for reader in (bfm2009, bfm_300wlp, ict):
        if reader.recognises(path):
            return reader.read(path)
    raise UserError(
        f"{path} holds no face model that can be read; give a folder (or file) of one of these. "
        f"{bfm2009.WHAT} {bfm_300wlp.WHAT} {ict.WHAT}"
    )
