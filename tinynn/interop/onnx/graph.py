"""The layers of a model as the nodes of an ONNX graph, one function for each kind of layer.

    input (B, H, W, C) -> Transpose -> Conv -> Relu -> MaxPool -> Transpose -> Flatten -> Gemm ->
                          `------- channels first, as Conv needs them ------'

Each node is an operator of ONNX; its numbers are initializers, named as the arrays of the model,
"0.Conv2D.W". The samples of the graph's input are those of the model: images have their channels
last. Operators of images want them first, so a Transpose stands before and after each run of such
layers. Layers that treat each number alone, softmax and the mean of an image take either order.
(ONNX, Operator Schemas, https://onnx.ai/onnx/operators, operator set 20.)
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from tinynn.interop.translation import library
from tinynn.layers import (
    ELU,
    GELU,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAveragePool2D,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    RandomFlip,
    RandomShift,
    ReLU,
    Rescale,
    Reshape,
    Sigmoid,
    Softmax,
    Tanh,
)
from tinynn.layers.windows import frame_of, pair
from tinynn.model import Sequential
from tinynn.parameters import Array, Shape

INPUT, OUTPUT = "input", "output"  # the names of the graph's two ends


class Graph:
    """Nodes in a row, each of which takes the tensor that the one before it returns.

    layer: to which nodes are being added. shape: of a sample before that layer, as in tinynn.
    channels_first: whether the tensor is (B, C, H, W) at this place.
    """

    layer: Any
    shape: Shape

    def __init__(self) -> None:
        self._onnx = library("onnx", "onnx")
        self.nodes, self.initializers = list[Any](), list[Any]()
        self.tensor, self.channels_first = INPUT, False

    def add(self, operator: str, *arrays: str, label: str = "", **attributes: Any) -> None:
        """Add a node: its inputs are the tensor of the node before, and initializers by name."""
        name = f"{self.layer.name}/{label or operator}"
        made = self._onnx.helper.make_node(
            operator, [self.tensor, *arrays], [name], name=name, **attributes
        )
        self.nodes.append(made)
        self.tensor = name

    def constant(self, name: str, values: Any, dtype: Any = np.float32) -> str:
        """Add an initializer of the layer, and return its full name."""
        full_name = f"{self.layer.name}.{name}"
        array = np.ascontiguousarray(np.asarray(values, dtype)).reshape(np.shape(values))
        self.initializers.append(self._onnx.numpy_helper.from_array(array, full_name))
        return full_name

    def parameters(self, *names: str) -> list[str]:
        """Add these arrays of the layer, those that it has, and return their names."""
        arrays = {**self.layer.parameters(), **self.layer.buffers()}
        return [self.constant(name, as_in_onnx(arrays[name])) for name in names if name in arrays]

    def order(self, channels_first: bool) -> None:
        """Transpose, if the channels do not stand there already: (B, ..., C) or (B, C, ...)."""
        axes = len(self.shape)
        if channels_first == self.channels_first or axes < 2:
            return
        to_first, to_last = (0, axes, *range(1, axes)), (0, *range(2, axes + 1), 1)
        perm, label = (to_first, "ChannelsFirst") if channels_first else (to_last, "ChannelsLast")
        self.add("Transpose", label=label, perm=perm)
        self.channels_first = channels_first


def as_in_onnx(array: Array) -> Array:
    """Return an array of a layer as operators want it: kernels (kh, kw, C, F) as (F, C, kh, kw).

    >>> as_in_onnx(np.zeros((3, 5, 1, 8))).shape, as_in_tinynn(np.zeros((8, 1, 3, 5))).shape
    ((8, 1, 3, 5), (3, 5, 1, 8))
    """
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array


def as_in_tinynn(array: Array) -> Array:
    """Return what `as_in_onnx` made of an array, as it was."""
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array


def graph_of(model: Sequential) -> Any:
    """Return the graph of a model, an onnx.GraphProto, from (batch, ...) to (batch, ...)."""
    graph = Graph()
    helper, number = graph._onnx.helper, graph._onnx.TensorProto.FLOAT
    for layer, shape in zip(model.layers, (model.input_shape, *model.output_shapes), strict=False):
        graph.layer, graph.shape = layer, shape
        NODES[type(layer)](graph, layer)
    graph.shape = model.output_shapes[-1]
    graph.order(channels_first=False)
    if not graph.nodes:
        graph.add("Identity")
    graph.nodes[-1].output[0] = OUTPUT
    ends = [
        helper.make_tensor_value_info(name, number, ["batch", *shape])
        for name, shape in ((INPUT, model.input_shape), (OUTPUT, model.output_shapes[-1]))
    ]
    return helper.make_graph(graph.nodes, "tinynn", ends[:1], ends[1:], graph.initializers)


def _nothing(graph: Graph, layer: Any) -> None:
    """In prediction a random layer returns its input."""


def _operator(name: str) -> Callable[[Graph, Any], None]:
    """Return a function that adds an operator without arguments."""
    return lambda graph, layer: graph.add(name)


def _leaky_relu(graph: Graph, layer: LeakyReLU) -> None:
    graph.add("LeakyRelu", alpha=float(layer.slope))


def _elu(graph: Graph, layer: ELU) -> None:
    graph.add("Elu", alpha=float(layer.alpha))


def _dense(graph: Graph, layer: Dense) -> None:
    graph.add("Gemm", *graph.parameters("W", "b"))


def _flatten(graph: Graph, layer: Flatten) -> None:
    if graph.channels_first and min(graph.shape[-1], prod(graph.shape[:-1])) == 1:
        graph.channels_first = False  # one channel, or one pixel: both orders lie alike in memory
    graph.order(channels_first=False)
    graph.add("Flatten", axis=1)


def _reshape(graph: Graph, layer: Reshape) -> None:
    graph.order(channels_first=False)
    shape = [0, *map(int, layer.shape)]  # 0: as many samples as there are
    graph.add("Reshape", graph.constant("shape", shape, np.int64))


def _rescale(graph: Graph, layer: Rescale) -> None:
    for operator, name in (("Mul", "scale"), ("Add", "offset")):
        values = np.asarray(getattr(layer, name), np.float32)
        if graph.channels_first:
            values = values.reshape((1,) * (len(graph.shape) - values.ndim) + values.shape)
            values = np.moveaxis(values, -1, 0)
        graph.add(operator, graph.constant(name, values))


def _gelu(graph: Graph, layer: GELU) -> None:
    graph.add("Gelu", approximate="none" if layer.exact else "tanh")


def _softmax(graph: Graph, layer: Softmax) -> None:
    graph.add("Softmax", axis=1 if graph.channels_first else -1)
    graph.add("Max", graph.constant("least", 1e-30))  # as Softmax does


def _batch_norm(graph: Graph, layer: BatchNorm) -> None:
    graph.order(channels_first=True)
    arrays = graph.parameters("gamma", "beta", "running_mean", "running_var")
    graph.add("BatchNormalization", *arrays, epsilon=float(layer.epsilon))


def _layer_norm(graph: Graph, layer: LayerNorm) -> None:
    graph.order(channels_first=False)
    arrays = graph.parameters("gamma", "beta")
    graph.add("LayerNormalization", *arrays, axis=-1, epsilon=float(layer.epsilon))


def _convolution(graph: Graph, layer: Conv2D) -> None:
    graph.order(channels_first=True)
    (top, bottom), (left, right) = frame_of(layer.padding, graph.shape, layer.size, layer.stride)
    graph.add(
        "Conv",
        *graph.parameters("W", "b"),
        kernel_shape=pair(layer.size),
        strides=pair(layer.stride),
        pads=[top, left, bottom, right],
    )


def _pool(operator: str) -> Callable[[Graph, Any], None]:
    def add(graph: Graph, layer: MaxPool2D | AveragePool2D) -> None:
        graph.order(channels_first=True)
        graph.add(operator, kernel_shape=pair(layer.size), strides=layer.strides)

    return add


def _mean_of_image(graph: Graph, layer: GlobalAveragePool2D) -> None:
    axes = graph.constant("axes", [2, 3] if graph.channels_first else [1, 2], np.int64)
    graph.add("ReduceMean", axes, keepdims=0)
    graph.channels_first = False


NODES: dict[type, Callable[[Graph, Any], None]] = {
    **dict.fromkeys((Dropout, RandomFlip, RandomShift, GaussianNoise), _nothing),
    **{ReLU: _operator("Relu"), Sigmoid: _operator("Sigmoid"), Tanh: _operator("Tanh")},
    LeakyReLU: _leaky_relu,
    ELU: _elu,
    GELU: _gelu,
    Softmax: _softmax,
    Flatten: _flatten,
    Reshape: _reshape,
    Rescale: _rescale,
    Dense: _dense,
    BatchNorm: _batch_norm,
    LayerNorm: _layer_norm,
    Conv2D: _convolution,
    MaxPool2D: _pool("MaxPool"),
    AveragePool2D: _pool("AveragePool"),
    GlobalAveragePool2D: _mean_of_image,
}
