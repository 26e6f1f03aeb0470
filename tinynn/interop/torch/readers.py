"""The layer of each kind of module, one function for each.

    PyTorch:  (B, C, H, W) -> Flatten -> rows in the order (C, H, W) -> Linear, weight (U, C H W)
    tinynn:   (B, H, W, C) -> Flatten -> rows in the order (H, W, C) -> Dense, W (H W C, U)

So kernels are transposed, and what meets the numbers of a flattened image is permuted.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynn.interop.torch.walk import Piece, Walk, numbers, refuse_changed, refused
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

Reader = Callable[[Walk, Piece], None]


def _only(piece: Piece, **values: Any) -> None:
    """Refuse a module that was made with other values of these arguments."""
    for name, value in values.items():
        has = getattr(piece.module, name)
        if has != value and has != (value, value):
            raise refused(piece, f"has {name}={has!r}; tinynn has a counterpart for {value!r} only")


def _needs(walk: Walk, piece: Piece, channels_first: bool) -> None:
    """Refuse a module that would get its samples in another order of axes than it means."""
    if channels_first and len(walk.shape) != 3:
        raise refused(piece, f"needs images, but gets samples of shape {walk.shape}")
    if walk.channels_first != channels_first:
        comes, means = ("first", "last") if walk.channels_first else ("last", "first")
        raise refused(piece, f"gets the channels {comes}, and tinynn knows it with these {means}")
    if walk.order is not None:
        raise refused(piece, "gets rows in the order (C, H, W), and tinynn has them as (H, W, C)")


def _width(walk: Walk, piece: Piece, name: str) -> None:
    """Refuse a module for another number of channels, or of features, than it would get."""
    width = getattr(piece.module, name)
    if not walk.shape or width != walk.shape[-1]:
        hint = ""
        if walk.channels_first and len(walk.shape) == 3 and walk.shape[0] == width:
            C, H, W = walk.shape
            hint = f" input_shape is that of tinynn, the channels last: ({H}, {W}, {C})."
        got = f"has {name}={width}, but gets samples of shape {walk.shape}"
        raise refused(piece, f"{got}, as tinynn has them.{hint}".rstrip("."))


def _plain(kind: type[Any], **names: str) -> Reader:
    """Return a reader of a module that treats each number alone; names: of its arguments."""

    def read(walk: Walk, piece: Piece) -> None:
        arguments = {ours: getattr(piece.module, its) for ours, its in names.items()}
        walk.add(piece, kind, {}, **arguments)

    return read


def _identity(walk: Walk, piece: Piece) -> None:
    """No layer: it returns what it is given."""


def _gelu(walk: Walk, piece: Piece) -> None:
    walk.add(piece, GELU, {}, exact=piece.module.approximate == "none")


def _softmax(walk: Walk, piece: Piece) -> None:
    axes, dim = len(walk.shape) + 1, piece.module.dim
    of_classes = 1 if walk.channels_first else axes - 1
    if dim is None or dim not in (of_classes, of_classes - axes):
        raise refused(piece, f"has dim={dim}; tinynn has it over the classes, dim={of_classes}")
    walk.add(piece, Softmax, {})


def _linear(walk: Walk, piece: Piece) -> None:
    linear = piece.module
    if len(walk.shape) == 1:
        _width(walk, piece, "in_features")
    W = walk.rows(numbers(linear.weight).T)  # (F, U)
    b = {} if linear.bias is None else {"b": numbers(linear.bias)}
    walk.add(piece, Dense, {"W": W, **b}, units=linear.out_features, bias=bool(b))
    walk.order = None


def _flattens_all(module: Any, axes: int) -> bool:
    return module.start_dim in (1, 1 - axes) and module.end_dim in (-1, axes - 1)


def _flatten(walk: Walk, piece: Piece) -> None:
    if not _flattens_all(piece.module, len(walk.shape) + 1):
        raise refused(piece, "flattens other axes than all of a sample; tinynn flattens all")
    if walk.channels_first:
        H, W, C = walk.shape
        if min(H * W, C) > 1:
            walk.order = np.arange(C * H * W).reshape(C, H, W).transpose(1, 2, 0).ravel()
    walk.channels_first = False
    walk.add(piece, Flatten, {})


def _unflatten(walk: Walk, piece: Piece) -> None:
    shape = tuple(piece.module.unflattened_size)
    axes = len(walk.shape) + 1
    if len(walk.shape) != 1 or piece.module.dim not in (1, 1 - axes) or min(shape) < 1:
        raise refused(piece, "gives another shape than to a whole row; tinynn has only that")
    _needs(walk, piece, channels_first=False)
    before, walk.shape = walk.shape, shape
    of_images, walk.shape = walk.next_is_of_images(), before
    if of_images:
        C, H, W = shape
        if min(C, H * W) > 1:
            raise refused(piece, "makes images (C, H, W) of rows; tinynn makes (H, W, C) of them")
        shape = (H, W, C)
    walk.add(piece, Reshape, {}, shape=shape)
    walk.channels_first = of_images


def _batch_norm(channels_first: bool | None) -> Reader:
    """Return a reader of a BatchNorm; None: of BatchNorm1d, which gets rows."""

    def read(walk: Walk, piece: Piece) -> None:
        norm = piece.module
        if channels_first is None and len(walk.shape) != 1:
            raise refused(piece, f"gets samples of shape {walk.shape}; tinynn has it for rows only")
        if channels_first is not None:
            _needs(walk, piece, channels_first)
        _only(piece, affine=True, track_running_stats=True)
        if norm.momentum is None:
            raise refused(piece, "has momentum=None, a mean of all batches; tinynn has none such")
        _width(walk, piece, "num_features")
        names = {"gamma": "weight", "beta": "bias"}
        names |= {name: name for name in ("running_mean", "running_var")}
        arrays = {ours: walk.rows(numbers(getattr(norm, its))) for ours, its in names.items()}
        momentum = 1 - float(norm.momentum)
        if 1 - round(momentum, 12) == norm.momentum:
            momentum = round(momentum, 12)  # 0.1, not 0.09999999999999998
        walk.add(piece, BatchNorm, arrays, momentum=momentum, epsilon=norm.eps)

    return read


def _layer_norm(walk: Walk, piece: Piece) -> None:
    norm = piece.module
    if walk.channels_first or norm.normalized_shape != walk.shape[-1:]:
        what = f"normalises over axes of {tuple(norm.normalized_shape)}"
        last = walk.shape[-1:]
        raise refused(piece, f"{what}; tinynn's over the last axis, the channels, {last} here")
    if norm.weight is None or norm.bias is None:
        raise refused(piece, "has no weight, or no bias; tinynn's LayerNorm has both")
    arrays = {"gamma": norm.weight, "beta": norm.bias}
    rows = {name: walk.rows(numbers(tensor)) for name, tensor in arrays.items()}
    walk.add(piece, LayerNorm, rows, epsilon=norm.eps)


def _zero_pad(walk: Walk, piece: Piece) -> None:
    _needs(walk, piece, channels_first=True)
    left, right, top, bottom = piece.module.padding
    walk.frame = (top, bottom), (left, right)


def _convolution(walk: Walk, piece: Piece) -> None:
    conv, stride = piece.module, pair(piece.module.stride)
    _needs(walk, piece, channels_first=True)
    _only(piece, dilation=1, groups=1, padding_mode="zeros")
    _width(walk, piece, "in_channels")
    padding = _padding(walk, piece, conv.kernel_size, stride)
    W = numbers(conv.weight).transpose(2, 3, 1, 0)  # (F, C, kh, kw) -> (kh, kw, C, F)
    b = {} if conv.bias is None else {"b": numbers(conv.bias)}
    arguments = {"size": _one(conv.kernel_size), "stride": _one(stride), "padding": padding}
    walk.frame = None
    walk.add(piece, Conv2D, {"W": W, **b}, filters=conv.out_channels, bias=bool(b), **arguments)


def _padding(walk: Walk, piece: Piece, size: Any, stride: Any) -> int | str:
    """Return the padding of Conv2D that makes the same frame as that of PyTorch's."""
    padding, same = piece.module.padding, frame_of("same", walk.shape, size, stride)
    if padding == "same":  # PyTorch has it with stride 1, where both pad alike
        return "same"
    rows, columns = (0, 0) if padding == "valid" else pair(padding)
    (top, bottom), (left, right) = walk.frame or ((0, 0), (0, 0))
    frame = (top + rows, bottom + rows), (left + columns, right + columns)
    as_one_number = len({*frame[0], *frame[1]}) == 1
    if as_one_number and not (walk.frame and frame == same):
        return int(frame[0][0])
    if frame == same:
        return "same"
    raise refused(
        piece,
        f"has zeros around the image, ((top, bottom), (left, right)) = {frame}; tinynn's Conv2D "
        f'has one number of them for all sides, or padding="same", here {same}',
    )


def _one(two: Any) -> Any:
    """Return a pair of equal numbers as one."""
    return two[0] if two[0] == two[1] else tuple(two)


def _pool(kind: type[Any], **only: Any) -> Reader:
    def read(walk: Walk, piece: Piece) -> None:
        _needs(walk, piece, channels_first=True)
        _only(piece, padding=0, ceil_mode=False, **only)
        size, stride = pair(piece.module.kernel_size), pair(piece.module.stride)
        short = None if stride == size else _one(stride)
        walk.add(piece, kind, {}, size=_one(size), stride=short)

    return read


def _mean_of_image(walk: Walk, piece: Piece) -> None:
    """(B, C, H, W) becomes (B, C, 1, 1) in PyTorch, and with the Flatten after it (B, C)."""
    _needs(walk, piece, channels_first=True)
    _only(piece, output_size=1)
    walk.add(piece, GlobalAveragePool2D, {})
    following: Any = walk.rest[0].module if walk.rest else None
    if type(following).__name__ == "Flatten" and _flattens_all(following, axes=4):
        refuse_changed(walk.rest.pop(0))
        walk.channels_first = False
    else:
        walk.add(piece, Reshape, {}, shape=(1, 1, *walk.shape))


def _transpose(channels_first: bool) -> Reader:
    def read(walk: Walk, piece: Piece) -> None:
        if len(walk.shape) != 3 or walk.channels_first == channels_first:
            raise refused(piece, f"does not fit samples of shape {walk.shape} in this order")
        walk.channels_first = channels_first

    return read


def _last(kind: type[Any], *names: str) -> Reader:
    """Return a reader of one of our own modules, which have the channels last."""

    def read(walk: Walk, piece: Piece) -> None:
        _needs(walk, piece, channels_first=False)
        walk.add(piece, kind, {}, **{name: getattr(piece.module, name) for name in names})

    return read


READERS: dict[str, Reader] = {
    "Identity": _identity,
    "Linear": _linear,
    "Flatten": _flatten,
    "Unflatten": _unflatten,
    "ReLU": _plain(ReLU),
    "LeakyReLU": _plain(LeakyReLU, slope="negative_slope"),
    "ELU": _plain(ELU, alpha="alpha"),
    "GELU": _gelu,
    "Sigmoid": _plain(Sigmoid),
    "Tanh": _plain(Tanh),
    "Softmax": _softmax,
    "Dropout": _plain(Dropout, rate="p"),
    "BatchNorm1d": _batch_norm(None),
    "BatchNorm2d": _batch_norm(True),
    "BatchNormLast": _batch_norm(False),
    "LayerNorm": _layer_norm,
    "ZeroPad2d": _zero_pad,
    "Conv2d": _convolution,
    "MaxPool2d": _pool(MaxPool2D, dilation=1, return_indices=False),
    "AvgPool2d": _pool(AveragePool2D, divisor_override=None),
    "AdaptiveAvgPool2d": _mean_of_image,
    "ChannelsFirst": _transpose(True),
    "ChannelsLast": _transpose(False),
    "Column": _last(Flatten),
    "Reshape": _last(Reshape, "shape"),
    "Rescale": _last(Rescale, "scale", "offset"),
    "RandomFlip": _last(RandomFlip),
    "RandomShift": _last(RandomShift, "pixels"),
    "GaussianNoise": _plain(GaussianNoise, std="std"),
}
