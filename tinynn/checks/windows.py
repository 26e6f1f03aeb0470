"""Layers that look through windows, convolution and pooling: their arguments, and their images."""

from math import prod
from typing import Any

import numpy as np

from tinynn.checks.arguments import check_flag, check_integer, initial_weights
from tinynn.checks.tracebacks import short_traceback
from tinynn.errors import InputError
from tinynn.parameters import Shape


@short_traceback
def convolution(
    filters: Any, size: Any, stride: Any, padding: Any, initializer: Any, bias: Any
) -> None:
    """The arguments of Conv2D.

    >>> from tinynn import Conv2D
    >>> Conv2D(16, 3, padding=3)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: padding of Conv2D must be below the size of the kernel, 3 x 3, got 3:
        a window of padding alone would make nothing of the image. Write padding="same" or at most
        padding=2.
    """
    check_integer("filters of Conv2D", filters)
    rows, columns = _pair("size of Conv2D", size)
    _pair("stride of Conv2D", stride)
    _padding(padding)
    if padding != "same" and padding >= min(rows, columns):
        raise InputError(
            f"padding of Conv2D must be below the size of the kernel, {rows} x {columns}, got "
            f"{padding}: a window of padding alone would make nothing of the image. Write "
            f'padding="same" or at most padding={min(rows, columns) - 1}.'
        )
    initial_weights("Conv2D expects", initializer)
    check_flag("bias of Conv2D", bias)


def _padding(value: Any) -> None:
    """The padding of Conv2D: "same", or a whole number."""
    if isinstance(value, (int, np.integer)):
        check_integer("padding of Conv2D", value, least=0)  # type: ignore[arg-type]
    elif not isinstance(value, str) or value != "same":
        no_padding = value is None or (isinstance(value, str) and value.lower() == "valid")
        hint = " Write padding=0 for no padding." if no_padding else ""
        raise InputError(
            f'padding of Conv2D must be "same" or a whole number, 0 or more, got {value!r}.{hint}'
        )


@short_traceback
def pooling(layer: str, size: Any, stride: Any) -> None:
    """The arguments of MaxPool2D and AveragePool2D."""
    _pair(f"size of {layer}", size)
    if stride is not None:
        _pair(f"stride of {layer}", stride)


def _pair(name: str, value: Any) -> tuple[int, int]:
    """A whole number of 1 or more, or a pair of them: (rows, columns).

    >>> _pair("size of Conv2D", (3, 3, 1))
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: size of Conv2D must be a whole number or a pair (rows, columns), such
        as 3 or (3, 5), got
        (3, 3, 1).
    """
    if np.ndim(value) == 0 and not isinstance(value, (set, dict, str)):
        number = check_integer(name, value)
        return number, number
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise InputError(
            f"{name} must be a whole number or a pair (rows, columns), such as 3 or (3, 5), got "
            f"{value!r}."
        )
    return check_integer(f"{name}: rows", value[0]), check_integer(f"{name}: columns", value[1])


def images_for_windows(
    input_shape: Shape, size: tuple[int, int], padding: int | str, layer: str
) -> None:
    """Samples for a layer with windows: images (H, W, C), on which a window finds place.

    size: of a window. padding: the width of the frame around an image, or "same".

    >>> images_for_windows((28, 28), (3, 3), "same", "0.Conv2D")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: 0.Conv2D gets samples of shape (28, 28) but needs images with a
        channel axis, (H, W, C). Put Reshape((28, 28, 1)) before it.
    >>> images_for_windows((1, 28, 28), (3, 3), "same", "0.Conv2D")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: 0.Conv2D gets images (H, W, C) of shape (1, 28, 28): are these 28 x 28
        pixels with their 1 channel first? Channels stand last here: give x as np.moveaxis(x, 1, -1)
        and input_shape=(28, 28, 1).
    """
    if len(input_shape) != 3:
        raise InputError(
            f"{layer} gets samples of shape {input_shape} but needs images with a channel axis, "
            f"(H, W, C). {_remedy(input_shape)}"
        )
    rows, columns, _ = input_shape
    room = 0 if padding == "same" else 2 * int(padding)
    fits = size[0] <= rows + room and size[1] <= columns + room
    first = layer.startswith("0.")
    if (first or not fits) and _channels_first(input_shape, size, loosely=first and not fits):
        C, H, W = input_shape
        raise InputError(
            f"{layer} gets images (H, W, C) of shape {input_shape}: are these {H} x {W} pixels "
            f"with their {C} channel{'s' if C > 1 else ''} first? Channels stand last here: give x "
            f"as np.moveaxis(x, 1, -1) and input_shape={(H, W, C)}."
        )
    if not fits:
        framed = f" ({rows + room} x {columns + room} with their padding)" if room else ""
        raise InputError(
            f"{layer} has windows of {size[0]} x {size[1]} pixels, but its images, {input_shape}, "
            f"have only {rows} x {columns}{framed}. Write a smaller size, or put fewer layers that "
            "make images smaller before it."
        )


def _remedy(input_shape: Shape) -> str:
    """What to write before a layer that gets samples without the three axes of images."""
    if len(input_shape) == 2:
        return f"Put Reshape({(*input_shape, 1)}) before it."
    side = round(prod(input_shape) ** 0.5)
    if len(input_shape) == 1 and side * side == prod(input_shape) and side > 1:
        return f"Put it before Flatten(), or put Reshape({(side, side, 1)}) before it."
    if len(input_shape) == 4:
        return "input_shape is the shape of one sample: input_shape=np.shape(x)[1:]."
    return "Put it before Flatten(), or put Reshape((H, W, C)) before it."


def _channels_first(shape: Shape, size: tuple[int, int], loosely: bool) -> bool:
    """Whether a shape (H, W, C) looks like (C, H, W): few rows, and as many channels as columns.

    loosely: about as many are enough. A window of one row that is longer, as for a signal, is meant
    for images of one row.

    >>> _channels_first((3, 32, 32), (3, 3), False), _channels_first((3, 48, 64), (5, 5), True)
    (True, True)
    >>> _channels_first((1, 16, 16), (1, 5), False)
    False
    """
    few, many = sorted(shape[1:])
    rows_of_signals = size[0] == 1 < size[1]
    return shape[0] in (1, 3, 4) and 4 < few <= many <= few * (1 + loosely) and not rows_of_signals
