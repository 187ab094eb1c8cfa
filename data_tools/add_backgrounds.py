"""Textures behind faces: `python data_tools/add_backgrounds.py --images DIR --textures DTD/images --out DIR`.

A picture's mask is its alpha channel, or a grey picture of the same name in `--masks` (white: keep). With `--black`,
black that hangs together with the rim is background (Lium 2020 took every black pixel, pupils and nostrils too). The
background is a random part of a random texture (the Describable Textures Dataset, or any), the same for a name and a
seed.
Other files of the folder (poses, meshes) can be copied along with `--copy`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Options:
    """Put random textures behind pictures with a mask."""

    images: Path
    """Folder of pictures, searched with its subfolders."""
    textures: Path
    """Folder of pictures for the backgrounds, searched with its subfolders."""
    out: Path
    """Folder for the results, with the same subfolders; what is there already is left."""
    masks: Path | None = None
    """Folder of grey masks with the pictures' names (any suffix): white is kept."""
    black: bool = False
    """Pictures without alpha channel or mask: take black that hangs together with the rim for background."""
    copy: bool = False
    """Also copy all other files."""
    seed: int = 0
    """Other seeds choose other textures."""


def main(argv: list[str] | None = None) -> int:
    """Compose all pictures; returns 1 when some failed."""
    import tyro
    from rich.progress import track

    options = tyro.cli(Options, args=argv, description=__doc__)
    from tfface.cli import check_out
    from tfface.errors import UserError, item_error

    check_out(options.out)
    if options.out.resolve().is_relative_to(options.images.resolve()):
        raise UserError(f"--out {options.out} lies in --images: its pictures would be taken for more of them.")
    pictures, others = _files(options.images)
    textures, _ = _files(options.textures)
    failed = left = 0
    names = _names(pictures)
    for path in track(pictures, "backgrounds"):
        target = options.out / path.relative_to(options.images).with_name(f"{names[path]}.png")
        if target.exists():
            left += 1
            continue
        try:
            _compose(path, target, textures, options)
        except Exception as error:
            failed += 1
            print(f"{path}: {item_error(error)}", file=sys.stderr)
    if options.copy:
        _copy(others, options)
    more = f", {failed} failed" if failed else ""
    more += f", {left} were there before and are left as they are" if left else ""
    print(f"{options.out}: {len(pictures) - failed - left} pictures{more}")
    return 1 if failed else 0


def _names(pictures: list[Path]) -> dict[Path, str]:
    """The results' names, none twice in a folder."""
    from itertools import groupby

    from tfface.io.results import stems

    found: dict[Path, str] = {}
    for _, group in groupby(sorted(pictures), key=lambda path: path.parent):
        paths = list(group)
        found.update(zip(paths, stems(paths), strict=True))
    return found


def _files(folder: Path) -> tuple[list[Path], list[Path]]:
    """Pictures and other files of a folder.

    Raises:
        UserError: there are no pictures.
    """
    from tfface.errors import UserError
    from tfface.io.image import IMAGE_SUFFIXES

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    pictures = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    if not pictures:
        raise UserError(f"{folder} holds no pictures, nor do its subfolders: name a folder of JPEG or PNG files.")
    return pictures, [path for path in files if path.suffix.lower() not in IMAGE_SUFFIXES]


def _compose(path: Path, target: Path, textures: list[Path], options: Options) -> None:
    import hashlib
    import os

    import numpy as np

    from tfface.data.sources.cutout import over_texture, read_cutout
    from tfface.io.image import read_image, write_image

    name = path.relative_to(options.images).as_posix()
    rng = np.random.default_rng(list(hashlib.sha1(os.fsencode(f"{options.seed}/{name}")).digest()))
    image, alpha = read_cutout(path, _mask_of(path, options), options.black)
    texture: np.ndarray = read_image(textures[int(rng.integers(len(textures)))])
    write_image(target, over_texture(image, alpha, texture, rng))


def _mask_of(path: Path, options: Options) -> Path | None:
    from tfface.errors import UserError

    if options.masks is None:
        return None
    stem = options.masks / path.relative_to(options.images).with_suffix("")
    found = sorted(stem.parent.glob(f"{stem.name}.*"))
    if not found:
        raise UserError(f"there is no mask {stem.name}.* in {stem.parent}")
    return found[0]


def _copy(files: list[Path], options: Options) -> None:
    import shutil

    from tfface.io.files import atomic_path

    for path in files:
        with atomic_path(options.out / path.relative_to(options.images)) as beside:
            shutil.copyfile(path, beside)


if __name__ == "__main__":
    from tfface.cli import run

    raise SystemExit(run(main))
