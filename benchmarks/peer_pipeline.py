"""A pipeline of 3DDFA_V2's form and size (Guo et al. 2020), rebuilt from its description, to measure speed against.

A MobileNet (Howard et al. 2017) half as wide sees 120 pixels and gives 62 numbers: a 3x4 pose, 40 of shape, 10 of
expression; 38,365 vertices are linear in them. Weights are random, which costs the same time. The face is found by one
look of our quickest network: less than the detector that it comes with takes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE, NUMBERS, VERTICES = 120, 62, 38_365
STAGES = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
"""Channels at full width and stride of each depthwise separable block."""


class PeerPipeline:
    """Photographs to vertices.

    Args:
        threads: that the network may use.
    """

    def __init__(self, threads: int) -> None:
        import onnxruntime

        from tfface.detect.blazeface.network import BlazeFaceNetwork

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(_network(), options, providers=["CPUExecutionProvider"])
        self._finder = BlazeFaceNetwork("short_range")
        random = np.random.default_rng(0)
        self.mean, self.scale = random.normal(size=NUMBERS).astype(np.float32), np.ones(NUMBERS, np.float32)
        self.shape = random.normal(size=3 * VERTICES).astype(np.float32)
        self.basis = random.normal(size=(3 * VERTICES, 50)).astype(np.float32)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """`[38365,3]` of the face that a portrait `[H,W,3]` shows."""
        box = self.find(image)
        return self.vertices(self.network(self.crop(image, box)), box)

    def find(self, image: NDArray[np.uint8]) -> NDArray[np.float64]:
        """The likeliest box `[4]`; the whole picture where there is none."""
        from tfface.detect.blazeface.search import covering_square, look

        found = look(self._finder, image, covering_square(image), 0.0, 0.3)
        return found.boxes[found.scores.argmax()] if len(found.scores) else covering_square(image)

    def crop(self, image: NDArray[np.uint8], box: NDArray[np.float64]) -> NDArray[np.float32]:
        """The network's input `[1,3,120,120]`."""
        from tfface.geometry.align import crop_transform
        from tfface.io.image import warp_image

        crop = warp_image(image, crop_transform(box, SIZE), SIZE, SIZE)
        return np.ascontiguousarray((np.float32(crop) - 127.5).transpose(2, 0, 1)[None] / 128)

    def network(self, crop: NDArray[np.float32]) -> NDArray[np.float32]:
        """62 numbers."""
        return self.session.run(None, {"crop": crop})[0][0] * self.scale + self.mean

    def vertices(self, numbers: NDArray[np.float32], box: NDArray[np.float64]) -> NDArray[np.float32]:
        """`[38365,3]` of the numbers, in pixels of the photograph."""
        pose = numbers[:12].reshape(3, 4)
        points = (self.shape + self.basis @ numbers[12:]).reshape(-1, 3)
        placed = points @ pose[:, :3].T + pose[:, 3]
        size = np.float32((box[2] - box[0]) / SIZE)
        return placed * size + np.float32([box[0], box[1], 0.0])


def _network() -> bytes:
    """The ONNX file; batch normalisation is taken to be folded into the convolutions."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random, nodes, weights = np.random.default_rng(1), [], []

    def convolution(source: str, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> str:
        name = f"convolution{len(nodes)}"
        shape = (outputs, inputs // groups, kernel, kernel)
        values = random.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)
        weights.append(numpy_helper.from_array(values, f"{name}/kernel"))
        weights.append(numpy_helper.from_array(np.zeros(outputs, np.float32), f"{name}/bias"))
        given = [source, f"{name}/kernel", f"{name}/bias"]
        pads = [kernel // 2] * 4
        nodes.append(helper.make_node("Conv", given, [name], strides=[stride] * 2, pads=pads, group=groups))
        nodes.append(helper.make_node("Relu", [name], [f"{name}/relu"]))
        return f"{name}/relu"

    channels = 16
    last = convolution("crop", 3, channels, 3, 2)
    for full, stride in STAGES:
        last = convolution(last, channels, channels, 3, stride, channels)
        last = convolution(last, channels, full // 2, 1, 1)
        channels = full // 2
    weights.append(numpy_helper.from_array(random.normal(0, 0.01, (channels, NUMBERS)).astype(np.float32), "heads"))
    nodes.append(helper.make_node("GlobalAveragePool", [last], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"]))
    nodes.append(helper.make_node("MatMul", ["flat", "heads"], ["numbers"]))
    entry = helper.make_tensor_value_info("crop", TensorProto.FLOAT, [1, 3, SIZE, SIZE])
    answer: Any = helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [1, NUMBERS])
    graph = helper.make_graph(nodes, "peer", [entry], [answer], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()
