"""The `Framebuffer` of tensorflow-graphics (Valentin et al. 2019), which rendering is built on; the only place that
imports it.

It stands apart from the other dependencies (requirements-no-deps.txt says why), so a plain `pip install tfface` lacks
it. Predicting, fitting and training on position maps do without.
"""

from __future__ import annotations

from tfface.errors import UserError

try:
    from tensorflow_graphics.rendering.framebuffer import Framebuffer, RasterizedAttribute
except ImportError as missing:
    raise UserError(
        f"Rendering needs tensorflow-graphics, which is not installed ({missing}): run "
        '`pip install --no-deps "tensorflow-graphics==2021.12.3"`.'
    ) from missing

__all__ = ["Framebuffer", "RasterizedAttribute"]
