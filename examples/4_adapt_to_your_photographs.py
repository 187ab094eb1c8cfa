"""Adapt a network to your photographs, without 3D truth: `python examples/4_adapt_to_your_photographs.py [FOLDER]`.

Photographs are prepared (faces cropped, landmarks and masks found), then an R-Net learns by rendering what it predicts
and comparing that with the picture. Give at least some hundred photographs and more epochs; defaults show the steps.
The renderer is tensorflow-graphics: `pip install --no-deps "tensorflow-graphics==2021.12.3"`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import samples

import tfface
from tfface import prepare, train
from tfface.cli import run
from tfface.io.image import list_images


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--model", default="rnet_points", help="the R-Net to start from")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2, help="of an epoch")
    parser.add_argument("--out", type=Path, default=Path("out/examples/4"))
    arguments = parser.parse_args(argv)
    folder = arguments.folder or samples.photographs(arguments.out / "photographs", 10)
    shards, trained = arguments.out / "shards", arguments.out / "run"

    prepare.main([str(folder), "--out", str(shards), "--workers", "0", "--model", arguments.model])
    options = ["--model", arguments.model, "--run.init", arguments.model, "--run.regime", "weak"]
    options += ["--data", "photos", "--data.records", str(shards), "--data.shares", "0.5", "0.5", "0"]
    options += ["--data.batch", "2", "--data.steps-per-epoch", str(arguments.steps)]
    options += ["--weak.photometric-kind", "sampled", "--weak.identity", "0"]  # no renderer's and no dlib's time
    train.main([*options, "--optim.epochs", str(arguments.epochs), "--out", str(trained)])

    photo = list_images(folder)[0]
    face = tfface.Reconstructor(trained)(tfface.read_image(photo))[0]
    print("\n".join(str(path) for path in face.save(arguments.out, photo.stem)))
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
