"""Train a small network on synthetic faces: `python examples/3_train_on_synthetic_faces.py [--pairs N --epochs N]`.

The default sizes only show the steps: a network that is of use wants some thousand pairs and some hours. A run that was
stopped goes on when the same command is given again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import samples

import tfface
from tfface import synthesize, train
from tfface.cli import run


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=16, help="how many people")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--photo", type=Path, help="what the trained network is tried on")
    parser.add_argument("--out", type=Path, default=Path("out/examples/3"))
    arguments = parser.parse_args(argv)
    faces, trained = arguments.out / "faces", arguments.out / "run"

    small = ["--textures", "8"] if arguments.pairs < 1000 else []
    synthesize.main(["--out", str(faces), "--pairs", str(arguments.pairs), "--pairs-per-shard", "8", *small])
    options = ["--model", "mnv2_light", "--data.records", str(faces), "--out", str(trained)]
    if arguments.pairs < 1000:
        options += ["--model.width", "0.25", "--data.batch", "4", "--data.validation-size", "4"]
        options += ["--data.steps-per-epoch", "4", "--data.shuffle", "16"]
    train.main([*options, "--optim.epochs", str(arguments.epochs)])

    photo = arguments.photo or samples.portrait(arguments.out)
    face = tfface.Reconstructor(trained)(tfface.read_image(photo))[0]
    print("\n".join(str(path) for path in face.save(arguments.out, photo.stem)))
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
