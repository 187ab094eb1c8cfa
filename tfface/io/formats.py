"""Which files a face becomes, and how fine they are: what `--mesh`, `--formats` and their like say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tfface.errors import UserError

MESHES = ("face", "head", "full")
FORMATS = ("obj", "glb", "ply", "png", "mat", "json")
REPORT, VIEW = "report.html", "view.html"
"""What a folder's pages are called."""
TEXTURES = ("photo", "albedo")
TEXTURE_SIZES = (256, 512, 1024, 2048, 4096)


@dataclass(frozen=True)
class FileOptions:
    """The files of a face."""

    mesh: Literal["face", "head", "full"] = "face"
    """face: to behind the ears; head: with skull and neck; full: with neck and shoulders."""
    level: int = 2
    """How fine the mesh is: 0, 1 or 2 (about 4,000, 17,000 and 57,000 vertices)."""
    formats: tuple[Literal["obj", "glb", "ply", "png", "mat", "json"], ...] = ("obj", "glb", "png")
    """obj: with MTL and texture; ply: with vertex colours; png: overlay, sheet, depth, origin; mat: as --mat. NAME.json
    is always written."""
    texture_size: int | None = None
    """Side of the skin's texture: 256, 512, 1024, 2048 or 4096; without it 512 where the photograph shows no more, else
    1024."""
    texture: Literal["photo", "albedo"] = "photo"
    """photo: as photographed; albedo: lit from all sides alike, for scenes with a light of their own."""
    blend_shapes: bool | None = None
    """The GLB moves by the 52 ARKit expressions; None: at level 0 (1 MB) and 1 (4 MB), not at 2 (16 MB)."""

    def check(self) -> FileOptions:
        """Itself.

        Raises:
            UserError: an option has a value that does not exist.
        """
        choices: tuple[tuple[str, tuple[str | int, ...], tuple[str | int, ...]], ...] = (
            ("mesh", (self.mesh,), MESHES),
            ("level", (self.level,), (0, 1, 2)),
            ("formats", self.formats, FORMATS),
            ("texture", (self.texture,), TEXTURES),
            ("texture_size", () if self.texture_size is None else (self.texture_size,), TEXTURE_SIZES),
        )
        for name, given, known in choices:
            for value in given:
                if value not in known:
                    raise UserError(f"{name} {value!r} does not exist: choose {', '.join(map(str, known))}.")
        return self

    @property
    def morphs(self) -> bool:
        """Whether the GLB has morph targets."""
        return self.level < 2 if self.blend_shapes is None else self.blend_shapes
