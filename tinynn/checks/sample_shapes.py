"""The shapes of samples and batches that layers need: flat ones, images, channels, two or more."""

from math import prod
from typing import Any

from tinynn.checks.arguments import check_integer
from tinynn.errors import InputError
from tinynn.parameters import Shape


def check_flat_samples(input_shape: Shape, layer: str) -> None:
    """Samples for a Dense: one row each.

    >>> check_flat_samples((28, 28), "0.Dense")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: 0.Dense gets samples of shape (28, 28) but needs flat ones, (784,).
        Put Flatten()
        before it.
    """
    if len(input_shape) != 1:
        remedy = "Put Flatten() before it."
        if layer.startswith("0.") and len(input_shape) > 1 and input_shape[0] != input_shape[1]:
            remedy += (
                f" Or is this the shape of {input_shape[0]:,} samples? input_shape is that of one: "
                "input_shape=np.shape(x)[1:]."
            )
        raise InputError(
            f"{layer} gets samples of shape {input_shape} but needs flat ones, "
            f"({prod(input_shape)},). {remedy}"
        )


def check_channels(input_shape: Shape, layer: str, least: int = 1) -> Shape:
    """Samples for a layer that normalises: their last axis has so many numbers, or more.

    >>> check_channels((1,), "1.LayerNorm", least=2)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: 1.LayerNorm gets samples of shape (1,), but needs 2 numbers or more
        along the last axis: a single one,
        minus its mean, is always 0.
    """
    if not input_shape:
        raise InputError(
            f"{layer} gets samples of shape (), single numbers. Give each sample an axis: "
            "input_shape=(1,), np.asarray(x)[:, None]."
        )
    if input_shape[-1] < least:
        raise InputError(
            f"{layer} gets samples of shape {input_shape}, but needs {least} numbers or more along "
            "the last axis: a single one, minus its mean, is always 0."
        )
    return input_shape


def two_numbers_a_channel(batch_shape: Shape, layer: str) -> None:
    """A batch (B, ..., C) for BatchNorm in training: a channel needs two numbers for a variance.

    >>> two_numbers_a_channel((1, 4), "1.BatchNorm")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: 1.BatchNorm gets a batch of shape (1, 4) in training: one number for
        each channel, which has no
        variance. Give forward two samples or more. To predict, use model.predict(x) or
        forward(x, training=False).
    """
    if prod(batch_shape[:-1]) == 1:
        raise InputError(
            f"{layer} gets a batch of shape {batch_shape} in training: one number for each "
            "channel, which has no variance. Give forward two samples or more. To predict, use "
            "model.predict(x) or forward(x, training=False)."
        )


def batch_size(model: Any, size: Any, samples: int) -> int:
    """The batch_size of fit: each batch, also the last, has as many samples as all layers need.

    >>> from tinynn import BatchNorm, Sequential
    >>> batch_size(Sequential([BatchNorm()], input_shape=(4,)), 32, samples=65)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: 0.BatchNorm needs 2 samples or more in each training batch, but 65
        samples in batches of 32 leave 1
        for the last one. Write batch_size=31, or leave 1 out: x[:64], y[:64].
    """
    size = check_integer("batch_size", size)
    needed = {one: check_integer(f"{one.name}.least_samples()", one.least_samples(), 0)
              for one in model.layers}  # fmt: skip
    layer = max(needed, key=lambda one: needed[one])
    least = needed[layer]
    if _smallest_batch(samples, size) >= least:
        return size
    text = f"{layer.name} needs {least} samples or more in each training batch, but "
    if samples < least:
        raise InputError(f"{text}x has {samples} in all.")
    others = (size + sign * k for k in range(1, samples + size) for sign in (-1, 1))
    fits = next(n for n in others if n > 0 and _smallest_batch(samples, n) >= least)
    if size < least:
        raise InputError(f"{text}batch_size is {size}. Write batch_size={fits}.")
    rest = samples % size
    raise InputError(
        f"{text}{samples:,} samples in batches of {size} leave {rest} for the last one. Write "
        f"batch_size={fits}, or leave {rest} out: x[:{samples - rest}], y[:{samples - rest}]."
    )


def prediction_batches(model: Any, samples: int, size: Any = None) -> list[slice]:
    """The batches of predict: of a given size, or, for None, of one that keeps the memory small.

    That is 1,024 samples, or as many as have 16 MB in the largest array of a sample's way: x, or
    the output of a layer. A few such arrays exist at once, so images need less than 100 MB.

    >>> from tinynn import Conv2D, Dense, Sequential
    >>> prediction_batches(Sequential([Dense(10)], input_shape=(784,)), 1500)
    [slice(0, 1024, None), slice(1024, 2048, None)]
    >>> prediction_batches(Sequential([Conv2D(16, 3)], input_shape=(28, 28, 1)), 500)
    [slice(0, 334, None), slice(334, 668, None)]
    """
    if size is None:
        largest = max(1, *(prod(shape) for shape in (model.input_shape, *model.output_shapes)))
        size = min(1024, max(1, 2**24 // (largest * model.dtype.itemsize)))
    check_integer("batch_size", size)
    return [slice(first, first + size) for first in range(0, samples, size)]


def _smallest_batch(samples: int, size: int) -> int:
    """Return the number of samples in the smallest batch of an epoch."""
    return samples % size or min(samples, size)


def images(input_shape: Shape, layer: str, least: int = 1) -> None:
    """Samples that are images: (H, W), or (H, W, C) with channels; H and W at least `least`.

    >>> images((784,), "0.RandomFlip")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: 0.RandomFlip gets samples of shape (784,), but needs images: (H, W) or
        (H, W, C). Put it before Flatten(), or put Reshape((28, 28)) before it.
    """
    if len(input_shape) not in (2, 3):
        side = round(prod(input_shape) ** 0.5)
        square = len(input_shape) == 1 and side * side == prod(input_shape)
        raise InputError(
            f"{layer} gets samples of shape {input_shape}, but needs images: (H, W) or (H, W, C). "
            f"Put it before Flatten(), or put Reshape("
            f"{(side, side) if square else '(H, W, C)'}) before it."
        )
    if min(input_shape[:2]) < least:
        raise InputError(
            f"{layer} gets images of {input_shape[0]} x {input_shape[1]} pixels: a shift by "
            f"{least - 1} would leave nothing of them. Write at most "
            f"{layer.rpartition('.')[2]}({min(input_shape[:2]) - 1})."
        )


def same_size(shape: Shape, input_shape: Shape, layer: str) -> None:
    """The shape that Reshape gives to samples: it holds as many numbers as a sample has.

    >>> same_size((28, 28, 1), (785,), "0.Reshape")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: 0.Reshape makes samples of shape (28, 28, 1), which is 784 numbers,
        but gets samples of shape (785,), which is 785.
    """
    if prod(shape) != prod(input_shape):
        raise InputError(
            f"{layer} makes samples of shape {shape}, which is {prod(shape):,} numbers, but gets "
            f"samples of shape {input_shape}, which is {prod(input_shape):,}."
        )


def fits_a_sample(name: str, shape: Shape, input_shape: Shape, layer: str) -> None:
    """An array that acts on each sample: a number, or of the shape of a sample's last axes.

    >>> fits_a_sample("scale", (3,), (28, 28, 1), "0.Rescale")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: 0.Rescale: scale has shape (3,), which does not fit samples of shape
        (28, 28, 1). It must be a number, or have the shape of a sample or of its last axes.
    """
    aligned = zip(reversed(shape), reversed(input_shape), strict=False)
    if len(shape) > len(input_shape) or any(ours not in (1, n) for ours, n in aligned):
        raise InputError(
            f"{layer}: {name} has shape {shape}, which does not fit samples of shape "
            f"{input_shape}. It must be a number, or have the shape of a sample or of its last "
            "axes."
        )
