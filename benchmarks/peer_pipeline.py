"""A pipeline of 3DDFA_V2's form and size (Guo et al. 2020), rebuilt from its description, to measure speed against.

A MobileNet (Howard et al. 2017) half as wide sees 120 pixels and gives 62 numbers: a 3x4 pose, 40 of shape, 10 of
expression; 38,365 vertices are linear in them. The face is found as it is there: by FaceBoxes (Zhang et al. 2017) on
the whole picture, of at most 720 rows and 1,080 columns. Weights are random, which costs the same time. So boxes say
nothing: the middle of the picture is taken for the face, and overlapping boxes are not sorted out (that is left out).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE, NUMBERS, VERTICES = 120, 62, 38_365
MOST_ROWS, MOST_COLUMNS, MEAN_COLOUR = 720, 1080, np.float32([104, 117, 123])
STAGES = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
"""Channels at full width and stride of each depthwise separable block."""


class PeerPipeline:
    """Photographs to vertices.

    Args:
        threads: that the network may use.
    """

    def __init__(self, threads: int) -> None:
        self.session, self._finder = (_opened(graph, threads) for graph in (_network(), _finder()))
        random = np.random.default_rng(0)
        self.mean, self.scale = random.normal(size=NUMBERS).astype(np.float32), np.ones(NUMBERS, np.float32)
        self.shape = random.normal(size=3 * VERTICES).astype(np.float32)
        self.basis = random.normal(size=(3 * VERTICES, 50)).astype(np.float32)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """`[38365,3]` of the face that a portrait `[H,W,3]` shows."""
        box = self.find(image)
        return self.vertices(self.network(self.crop(image, box)), box)

    def find(self, image: NDArray[np.uint8]) -> NDArray[np.float64]:
        """The box `[4]` of the picture's middle, after the time that it takes to find one."""
        import cv2

        from tfface.detect.blazeface.search import covering_square

        scale = min(1.0, MOST_ROWS / image.shape[0], MOST_COLUMNS / image.shape[1])
        small = image if scale == 1 else cv2.resize(image, None, fx=scale, fy=scale)
        picture = np.ascontiguousarray((np.float32(small) - MEAN_COLOUR).transpose(2, 0, 1)[None])
        heads = self._finder.run(None, {"picture": picture})
        numbers = np.concatenate([head[0].reshape(6, -1) for head in heads], axis=1)
        numbers = np.clip(numbers, -4, 4)
        boxes, scores = np.exp(numbers[:4]), 1 / (1 + np.exp(numbers[4] - numbers[5]))
        assert np.isfinite(boxes[:, scores.argmax()]).all()
        return covering_square(image)

    def crop(self, image: NDArray[np.uint8], box: NDArray[np.float64]) -> NDArray[np.float32]:
        """The network's input `[1,3,120,120]`."""
        from tfface.geometry.align import crop_transform
        from tfface.io.warp import warp_image

        crop = warp_image(image, crop_transform(box, SIZE), SIZE, SIZE)
        return np.ascontiguousarray((np.float32(crop) - 127.5).transpose(2, 0, 1)[None] / 128)

    def network(self, crop: NDArray[np.float32]) -> NDArray[np.float32]:
        """62 numbers."""
        return self.session.run(None, {"picture": crop})[0][0] * self.scale + self.mean

    def vertices(self, numbers: NDArray[np.float32], box: NDArray[np.float64]) -> NDArray[np.float32]:
        """`[38365,3]` of the numbers, in pixels of the photograph."""
        pose = numbers[:12].reshape(3, 4)
        points = (self.shape + self.basis @ numbers[12:]).reshape(-1, 3)
        placed = points @ pose[:, :3].T + pose[:, 3]
        size = np.float32((box[2] - box[0]) / SIZE)
        return placed * size + np.float32([box[0], box[1], 0.0])


def _opened(network: bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # as ours
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])


def _network() -> bytes:
    """The ONNX file; batch normalisation is taken to be folded into the convolutions."""
    graph, channels = _Graph(), 16
    last = graph.convolution("picture", 3, channels, 3, 2)
    for full, stride in STAGES:
        last = graph.convolution(last, channels, channels, 3, stride, channels)
        last = graph.convolution(last, channels, full // 2, 1)
        channels = full // 2
    pooled = graph.node("Flatten", [graph.node("GlobalAveragePool", [last])])
    numbers = graph.node("MatMul", [pooled, graph.weights("heads", (channels, NUMBERS), 0.01)])
    return graph.file([numbers], 2)


def _finder() -> bytes:
    """FaceBoxes' form (Zhang et al. 2017): rapidly digested layers, three inceptions, anchors on three scales."""
    graph = _Graph()
    last = graph.pool(graph.both_signs("picture", 3, 24, 7, 4), 2)
    last = graph.pool(graph.both_signs(last, 48, 64, 5, 2), 2)
    for _ in range(3):
        pooled, once, twice = graph.pool(last, 1), *(graph.convolution(last, 128, 24, 1) for _ in range(2))
        twice = graph.convolution(graph.convolution(twice, 24, 32, 3), 32, 32, 3)
        parts = [graph.convolution(last, 128, 32, 1), graph.convolution(pooled, 128, 32, 1)]
        last = graph.node("Concat", [*parts, graph.convolution(once, 24, 32, 3), twice], axis=1)
    scales, channels = [(last, 128, 21)], 128
    for _ in range(2):
        last = graph.convolution(graph.convolution(last, channels, 128, 1), 128, 256, 3, 2)
        channels = 256
        scales.append((last, channels, 1))
    heads = [graph.convolution(*scale[:2], 6 * scale[2], 3) for scale in scales]  # four of a box and two scores
    return graph.file(heads, 4)


class _Graph:
    """An ONNX graph with random weights, that grows at its end."""

    def __init__(self) -> None:
        self._random, self._nodes, self._weights = np.random.default_rng(1), [], []

    def weights(self, name: str, shape: tuple[int, ...], deviation: float) -> str:
        from onnx import numpy_helper

        values = self._random.normal(0, deviation, shape).astype(np.float32)
        self._weights.append(numpy_helper.from_array(values, name))
        return name

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        from onnx import helper

        name = f"{kind}{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def convolution(self, source: str, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> str:
        return self.node("Relu", [self._linear(source, inputs, outputs, kernel, stride, groups)])

    def both_signs(self, source: str, inputs: int, outputs: int, kernel: int, stride: int) -> str:
        """The convolution and its negative, rectified (CReLU)."""
        linear = self._linear(source, inputs, outputs, kernel, stride, 1)
        return self.node("Relu", [self.node("Concat", [linear, self.node("Neg", [linear])], axis=1)])

    def pool(self, source: str, stride: int) -> str:
        return self.node("MaxPool", [source], kernel_shape=[3, 3], strides=[stride] * 2, pads=[1] * 4)

    def file(self, answers: list[str], rank: int) -> bytes:
        import onnx
        from onnx import TensorProto, helper

        entry = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, None, None])
        outputs: Any = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name in answers]
        graph = helper.make_graph(self._nodes, "peer", [entry], outputs, self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
        onnx.checker.check_model(model)
        return model.SerializeToString()

    def _linear(self, source: str, inputs: int, outputs: int, kernel: int, stride: int, groups: int) -> str:
        name, shape = f"layer{len(self._nodes)}", (outputs, inputs // groups, kernel, kernel)
        given = [self.weights(f"{name}/kernel", shape, float(np.sqrt(2 / np.prod(shape[1:]))))]
        given.append(self.weights(f"{name}/bias", (outputs,), 0.0))
        pads = [kernel // 2] * 4
        return self.node("Conv", [source, *given], strides=[stride] * 2, pads=pads, group=groups)
