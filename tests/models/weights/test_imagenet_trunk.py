"""torchvision's MobileNetV2 as the start of ours: read without PyTorch, and the same function."""

from __future__ import annotations

import collections
import os
import pickle
import struct
import sys
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import pytest

from tests.data.tools import load_tool
from tfface.errors import UserError
from tfface.models.layers import blocks
from tfface.models.weights import presets

TRUNK = 1_860_224


class Tensor:
    """What PyTorch's older form holds of a tensor."""

    def __init__(self, values: np.ndarray, key: str) -> None:
        self.values, self.key = values, key

    def __reduce__(self) -> tuple:
        stride = tuple(int(np.prod(self.values.shape[axis + 1 :])) for axis in range(self.values.ndim))
        place = Storage(self)
        return sys.modules["torch._utils"]._rebuild_tensor_v2, (place, 0, self.values.shape, stride, False, {})


class Storage:
    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


class Pickler(pickle.Pickler):
    def persistent_id(self, item: object) -> object:
        if not isinstance(item, Storage):
            return None
        kind = sys.modules["torch"].FloatStorage
        return ("storage", kind, item.tensor.key, "cpu", item.tensor.values.size, None)


def name_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names that a file of PyTorch means, for writing one."""
    package, utils = ModuleType("torch"), ModuleType("torch._utils")
    package.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})
    exec("def _rebuild_tensor_v2(*parts): ...", utils.__dict__)  # its module must be the one that is named
    monkeypatch.setitem(sys.modules, "torch", package)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)


def tensors() -> dict[str, np.ndarray]:
    """Random weights under torchvision's names."""
    rng, made, before, number = np.random.default_rng(0), {}, 32, 0

    def layer(name: str, norm: str, out: int, into: int, size: int) -> None:
        made[f"{name}.weight"] = rng.normal(0, 1 / np.sqrt(into * size**2), (out, into, size, size))
        for part, least, most in (
            ("weight", 0.5, 2),
            ("bias", -1, 1),
            ("running_mean", -1, 1),
            ("running_var", 1e-4, 2),
        ):
            made[f"{norm}.{part}"] = rng.uniform(least, most, out)

    layer("features.0.0", "features.0.1", 32, 3, 3)
    for expansion, channels, repeats, _ in blocks.INVERTED_RESIDUALS:
        for _ in range(repeats):
            number += 1
            inner, name, first = before * expansion, f"features.{number}.conv", int(expansion > 1)
            if first:
                layer(f"{name}.0.0", f"{name}.0.1", inner, before, 1)
            layer(f"{name}.{first}.0", f"{name}.{first}.1", inner, 1, 3)
            layer(f"{name}.{first + 1}", f"{name}.{first + 2}", channels, inner, 1)
            before = channels
    return {name: values.astype(np.float32) for name, values in made.items()}


def saved(path: Path, weights: dict[str, np.ndarray]) -> Path:
    """A file of PyTorch's older form."""
    keys = {name: str(index) for index, name in enumerate(weights)}
    with path.open("wb") as file:
        for header in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(header, file, 2)
        state = collections.OrderedDict((name, Tensor(values, keys[name])) for name, values in weights.items())
        Pickler(file, 2).dump(state)
        pickle.dump(list(keys.values()), file, 2)
        for values in weights.values():
            file.write(struct.pack("<q", values.size) + values.tobytes())
    return path


def normalised(x: np.ndarray, weights: dict[str, np.ndarray], norm: str, most: float = 6.0) -> np.ndarray:
    scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + 1e-5)
    return np.clip((x - weights[f"{norm}.running_mean"]) * scale + weights[f"{norm}.bias"], 0, most)


def test_the_trunk_is_the_same_function(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool, weights = load_tool(repository, "imagenet_trunk"), tensors()
    path = tmp_path / "trunk.npz"
    with monkeypatch.context() as patched:
        name_torch(patched)
        theirs = saved(tmp_path / "theirs.pth", weights)
    assert tool.main([str(theirs), "--out", str(path)]) == 0
    picture = keras.Input((64, 64, 3))
    features, _ = blocks.mobilenet_v2(picture, 1.0)
    network = keras.Model(picture, features)
    assert presets.load_trunk(network, path) == TRUNK
    image = np.random.default_rng(1).random((1, 64, 64, 3), np.float32)
    patch = (image[0, 20:23, 30:33] - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]  # stride 2, padded right and down
    stem = normalised(np.einsum("hwi,oihw->o", patch, weights["features.0.0.weight"]), weights, "features.0.1")
    for layer in ("stem_relu", "stage1_0_expand_relu"):
        seen = keras.Model(picture, network.get_layer(layer).output)(image)
        np.testing.assert_allclose(np.asarray(seen)[0, 10, 15], stem, atol=2e-4)
    expand = keras.Model(picture, network.get_layer("stage2_0_expand_relu").output)
    before = np.asarray(keras.Model(picture, network.get_layer("stage1_0_project_bn").output)(image))[0, 7, 9]
    expected = normalised(weights["features.2.conv.0.0.weight"][:, :, 0, 0] @ before, weights, "features.2.conv.0.1")
    np.testing.assert_allclose(np.asarray(expand(image))[0, 7, 9], expected, atol=2e-4)


def test_a_file_that_holds_more_than_tensors_is_refused(tmp_path: Path, repository: Path) -> None:
    tool, path, touched = load_tool(repository, "imagenet_trunk"), tmp_path / "evil.pth", tmp_path / "touched"

    class Evil:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {touched}",)

    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(UserError, match=r"evil\.pth"):
        tool.read_tensors(path)
    assert not touched.exists()
