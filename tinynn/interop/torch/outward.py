"""A model as an nn.Sequential of PyTorch: a function for each kind of layer."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.interop.translation import library, refuse_untranslatable
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
    Layer,
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

# The attribute of a module with what PyTorch has no place for: the initializer, whether a layer
# without weights is frozen, its dtype, and arguments as they were written, 3 or (3, 3).
MARK = "as_in_tinynn"
MARKED = ("initializer", "size", "stride", "momentum")
OF_IMAGES = (Conv2D, MaxPool2D, AveragePool2D, GlobalAveragePool2D)
OF_NUMBERS = (ReLU, LeakyReLU, ELU, GELU, Sigmoid, Tanh, Dropout, GaussianNoise)


@checks.short_traceback
def to_torch(model: Sequential) -> Any:
    """Return an nn.Sequential of PyTorch with the same layers and copies of the same weights.

    It takes what model.predict takes, as a tensor of the model's dtype: samples (B,
    *model.input_shape), images with the channels last. A module ChannelsFirst stands before, and
    ChannelsLast after, each run of layers for which PyTorch wants the channels first. It is in
    evaluation mode, so module(x) is model.predict(x) up to rounding. To train it, call
    module.train() first. Its weights are nn.Parameter; those of a frozen layer have
    requires_grad=False, and a frozen BatchNorm uses its running statistics in training as well.

    What differs: Softmax of PyTorch may return 0, where tinynn's returns 1e-30 (train on logits,
    with nn.CrossEntropyLoss); random layers draw other numbers; momentum of BatchNorm there is 1 -
    momentum here. The running variance is the same: both divide by n - 1.

    Needs the library torch. Raises InputError if the model has a layer of your own.

    >>> import torch
    >>> from tinynn import Dense, ReLU, Sequential
    >>> model = Sequential([Dense(4), ReLU(), Dense(2)], input_shape=(3,))
    >>> to_torch(model)
    Sequential(
      (0): Linear(in_features=3, out_features=4, bias=True)
      (1): ReLU()
      (2): Linear(in_features=4, out_features=2, bias=True)
    )
    """
    torch = library("torch", "torch")
    from tinynn.interop.torch import _modules

    refuse_untranslatable(model, "to_torch")
    modules, channels_first = list[Any](), False
    input_shapes = (model.input_shape, *model.output_shapes[:-1])
    shapes = zip(input_shapes, model.output_shapes, strict=True)
    for layer, (shape, output_shape) in zip(model.layers, shapes, strict=True):
        wanted = _order(layer, shape, channels_first)
        if wanted != channels_first:
            modules.append(_modules.ChannelsFirst() if wanted else _modules.ChannelsLast())
        with torch.random.fork_rng(devices=[]):  # new modules draw weights: not from the caller's
            made = MODULES[type(layer)](torch.nn, layer, shape)
        made.to(getattr(torch, model.dtype.name))
        marked = {name: value for name, value in layer.config().items() if name in MARKED}
        setattr(made, MARK, {**marked, "trainable": layer.trainable, "dtype": model.dtype.name})
        made.requires_grad_(layer.trainable)
        modules += _with_company(torch.nn, layer, made, shape)
        channels_first = wanted and len(output_shape) == 3
    if channels_first:
        modules.append(_modules.ChannelsLast())
    return torch.nn.Sequential(*modules).eval()


def _order(layer: Layer, shape: Shape, channels_first: bool) -> bool:
    """Return whether a layer's module gets its samples with the channels first."""
    if isinstance(layer, OF_IMAGES) or (isinstance(layer, BatchNorm) and len(shape) == 3):
        return True
    if isinstance(layer, Flatten) and min((*shape[-1:], prod(shape[:-1]))) == 1:
        return channels_first  # one channel, or one pixel: both orders lie alike in memory
    return channels_first and isinstance(layer, OF_NUMBERS)


def _with_company(nn: Any, layer: Layer, made: Any, shape: Shape) -> list[Any]:
    """Return a layer's module with the modules that must stand before or after it."""
    from tinynn.interop.torch import _modules

    if isinstance(layer, Conv2D) and _needs_zeros(layer):
        (top, bottom), (left, right) = frame_of("same", shape, layer.size, layer.stride)
        return [nn.ZeroPad2d((left, right, top, bottom)), made]
    if isinstance(layer, GlobalAveragePool2D):
        return [made, nn.Flatten()]  # (B, C, 1, 1) -> (B, C)
    if isinstance(layer, BatchNorm) and not layer.trainable:
        return [_modules.Frozen(made)]
    return [made]


def _needs_zeros(layer: Conv2D) -> bool:
    """Whether a ZeroPad2d must stand before a Conv2d.

    PyTorch has padding="same" for a stride of 1 alone, and warns if a side of the kernel is even.
    """
    odd = all(side % 2 for side in pair(layer.size))
    return layer.padding == "same" and not (odd and pair(layer.stride) == (1, 1))


def _filled(module: Any, **arrays: Array | None) -> Any:
    """Return a module after copies of arrays have taken the place of its tensors, by name."""
    import torch

    for name, array in arrays.items():
        if array is not None:
            values = torch.from_numpy(np.array(array, order="C"))  # a copy
            getattr(module, name).data = values
    return module


def _own(name: str, *arguments: str) -> Callable[[Any, Any, Shape], Any]:
    """Return a function that makes one of our own modules, of these arguments of the layer."""

    def make(nn: Any, layer: Any, shape: Shape) -> Any:
        from tinynn.interop.torch import _modules

        return getattr(_modules, name)(*(getattr(layer, one) for one in arguments))

    return make


def _theirs(name: str, **arguments: str) -> Callable[[Any, Any, Shape], Any]:
    """Return a function that makes a module of PyTorch; arguments: by the layer's names."""

    def make(nn: Any, layer: Any, shape: Shape) -> Any:
        values = {its: float(getattr(layer, ours)) for its, ours in arguments.items()}
        return getattr(nn, name)(**values)

    return make


def _dense(nn: Any, layer: Dense, shape: Shape) -> Any:
    linear = nn.Linear(shape[0], int(layer.units), bias=layer.bias)
    return _filled(linear, weight=layer.W.T, bias=layer.b if layer.bias else None)  # (U, F)


def _flatten(nn: Any, layer: Flatten, shape: Shape) -> Any:
    from tinynn.interop.torch import _modules

    return nn.Flatten() if shape else _modules.Column()


def _gelu(nn: Any, layer: GELU, shape: Shape) -> Any:
    return nn.GELU(approximate="none" if layer.exact else "tanh")


def _batch_norm(nn: Any, layer: BatchNorm, shape: Shape) -> Any:
    from tinynn.interop.torch import _modules

    kinds = {1: nn.BatchNorm1d, 3: nn.BatchNorm2d}
    kind = kinds.get(len(shape), _modules.BatchNormLast)
    made = kind(shape[-1], eps=float(layer.epsilon), momentum=1 - float(layer.momentum))
    running = {name: getattr(layer, name) for name in ("running_mean", "running_var")}
    return _filled(made, weight=layer.gamma, bias=layer.beta, **running)


def _layer_norm(nn: Any, layer: LayerNorm, shape: Shape) -> Any:
    made = nn.LayerNorm(shape[-1], eps=float(layer.epsilon))
    return _filled(made, weight=layer.gamma, bias=layer.beta)


def _convolution(nn: Any, layer: Conv2D, shape: Shape) -> Any:
    padding = 0 if _needs_zeros(layer) else layer.padding
    sizes = pair(layer.size), pair(layer.stride), padding
    made = nn.Conv2d(shape[-1], int(layer.filters), *sizes, bias=layer.bias)
    weight = layer.W.transpose(3, 2, 0, 1)  # (kh, kw, C, F) -> (F, C, kh, kw)
    return _filled(made, weight=weight, bias=layer.b if layer.bias else None)


def _pool(name: str) -> Callable[[Any, Any, Shape], Any]:
    def make(nn: Any, layer: MaxPool2D | AveragePool2D, shape: Shape) -> Any:
        return getattr(nn, name)(pair(layer.size), layer.strides)

    return make


MODULES: dict[type, Callable[[Any, Any, Shape], Any]] = {
    Dense: _dense,
    Flatten: _flatten,
    ReLU: _theirs("ReLU"),
    LeakyReLU: _theirs("LeakyReLU", negative_slope="slope"),
    ELU: _theirs("ELU", alpha="alpha"),
    GELU: _gelu,
    Sigmoid: _theirs("Sigmoid"),
    Tanh: _theirs("Tanh"),
    Softmax: lambda nn, layer, shape: nn.Softmax(dim=-1),
    Dropout: _theirs("Dropout", p="rate"),
    BatchNorm: _batch_norm,
    LayerNorm: _layer_norm,
    Conv2D: _convolution,
    MaxPool2D: _pool("MaxPool2d"),
    AveragePool2D: _pool("AvgPool2d"),
    GlobalAveragePool2D: lambda nn, layer, shape: nn.AdaptiveAvgPool2d(1),
    Reshape: _own("Reshape", "shape"),
    Rescale: _own("Rescale", "scale", "offset"),
    RandomFlip: _own("RandomFlip"),
    RandomShift: _own("RandomShift", "pixels"),
    GaussianNoise: _own("GaussianNoise", "std"),
}
