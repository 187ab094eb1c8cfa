"""tfface: photographs of a face to an accurate, textured, aligned 3D face, in TensorFlow and Keras.

    import tfface

    for face in tfface.Reconstructor()(tfface.read_image("photo.jpg")):
        face.save("out", "photo")

Every name below is imported when it is first used: `import tfface` alone loads neither NumPy nor TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tfface.version import __version__

if TYPE_CHECKING:
    from tfface.errors import UserError
    from tfface.fit import fit_photograph
    from tfface.inference import Reconstructor
    from tfface.io.image import read_image
    from tfface.result import FaceResult
    from tfface.weights import list_presets

__all__ = [
    "FaceResult",
    "Reconstructor",
    "UserError",
    "__version__",
    "fit_photograph",
    "list_presets",
    "read_image",
]

_HOMES = {
    "FaceResult": "tfface.result",
    "Reconstructor": "tfface.inference",
    "UserError": "tfface.errors",
    "fit_photograph": "tfface.fit",
    "list_presets": "tfface.weights",
    "read_image": "tfface.io.image",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value  # found at once the next time
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
