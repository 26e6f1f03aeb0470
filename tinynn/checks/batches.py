"""The arrays that pass through a network: the batch, and what each layer's methods return."""

from math import prod
from pathlib import Path
from traceback import extract_tb
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.checks.arrays import array, numbers
from tinynn.errors import InputError
from tinynn.parameters import Array, Shape


def batch(x: npt.ArrayLike, input_shape: Shape, caller: str) -> Array:
    """A batch (B, *input_shape) of numbers for a model, read-only: no layer may change the data."""
    x = numbers(array(x, "x"), f"{caller} expects numbers")
    if isinstance(x, np.ndarray):  # else `Rows`, which make a new array for each batch
        x = x.view()
        x.flags.writeable = False
    if x.shape == input_shape:
        expected = ", ".join(map(str, ("B", *x.shape)))
        hint = "Give it np.asarray(x)[None]."
        if caller in ("forward", "predict"):
            hint = f"Write model.{caller}(np.asarray(x)[None])[0]."
        if len(x.shape) > 2 or x.shape[0] != x.shape[-1]:
            hint += (
                f" Are these {len(x)} samples? input_shape is the shape of one: "
                "input_shape=np.shape(x)[1:]."
            )
        raise InputError(f"{caller} expects a batch ({expected}), got one sample {x.shape}. {hint}")
    if input_shape == (1,) and x.ndim == 1:
        raise InputError(
            f"{caller} expects a batch (B, 1), got {x.shape}: {len(x)} numbers in a row. Give it a "
            "second axis: np.asarray(x)[:, None]."
        )
    if x.shape[1:] != input_shape:
        if x.ndim == 2 and x.shape[1] == prod(input_shape) + 1:
            raise InputError(_column_too_many(x, input_shape))
        raise InputError(
            f"The model was built for samples of shape {input_shape}, x has samples of "
            f"{x.shape[1:]}. {_of_images(x.shape[1:], input_shape)}input_shape is one sample's "
            "shape: input_shape=np.shape(x)[1:]."
        )
    return x


def _of_images(shape: Shape, input_shape: Shape) -> str:
    """What to do with images (H, W, C) whose channels stand first, or are missing, or too many.

    >>> _of_images((3, 32, 32), (32, 32, 3))
    'Channels stand last here: np.moveaxis(x, 1, -1). If that is not it: '
    >>> _of_images((28, 28), (28, 28, 1))
    'Give the images a channel: np.asarray(x)[..., None]. If that is not it: '
    """
    *size, channels = input_shape
    other = " If that is not it: "
    if shape == (prod(input_shape),):
        return f"Are these flat? Write np.reshape(x, {(-1, *input_shape)}).{other}"
    if len(input_shape) != 3:
        return ""
    if shape == (channels, *size):
        return f"Channels stand last here: np.moveaxis(x, 1, -1).{other}"
    if shape == tuple(size) and channels == 1:
        return f"Give the images a channel: np.asarray(x)[..., None].{other}"
    if len(shape) == 3 and shape[:2] == tuple(size):
        return f"The images have {shape[2]} channels, and the model takes {channels}.{other}"
    return ""


def _column_too_many(table: Array, input_shape: Shape) -> str:
    """The error for a table with one column more than the model has inputs: which may it be?"""
    found = []
    for k, rest in ((0, "1:"), (table.shape[1] - 1, ":-1")):
        column = table[:, k].astype(float)
        whole = bool(len(column)) and bool((column == np.rint(column)).all())
        if whole and len(column) > 2 and (np.diff(column) == 1).all():
            found.append(f"column {k} counts the rows: leave it out, x = np.asarray(x)[:, {rest}].")
        elif whole and 0 <= column.min() < column.max() < 100:
            found.append(
                f"column {k} holds whole numbers from {column.min():g} to {column.max():g}: is it "
                f"the label? Then table = np.asarray(x), x = table[:, {rest}], y = table[:, "
                f"{k - table.shape[1] * (k > 0)}].astype(int)."
            )
    inputs = f"({table.shape[1]},)"
    found = found or ["is one of them the answer, or a number of the row?"]
    return (
        f"x has {table.shape[1]} columns, one more than the {prod(input_shape)} numbers of a sample"
        f": {' Or '.join(found)}"
        + ("" if len(input_shape) == 1 else f" Then x = np.reshape(x, {(-1, *input_shape)}).")
        + f" Only if all are inputs: input_shape={inputs}."
    )


def not_in_place(error: ValueError, layer: Any) -> None:
    """Raise an error that names the layer, if `error` is NumPy's for writing a read-only array.

    >>> from tinynn import ReLU
    >>> not_in_place(ValueError("output array is read-only"), ReLU())
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: ReLU.forward writes into its x, which is read-only, because it
        belongs to the caller.
        Write x = x * m there, not x *= m, or begin with x = x.copy().
    """
    if not str(error).endswith("is read-only"):
        return
    of_numpy = Path(np.__file__).parent
    lines = [f for f in extract_tb(error.__traceback__) if of_numpy not in Path(f.filename).parents]
    where = "".join(f" ({Path(f.filename).name}:{f.lineno}: {f.line})" for f in lines[-1:])
    raise InputError(
        f"{layer.name}.forward{where} writes into its x, which is read-only, because it belongs to "
        "the caller. Write x = x * m there, not x *= m, or begin with x = x.copy()."
    ) from error


def check_layer_output(
    array: Any, shape: Shape, layer: Any, method: str, dtype: npt.DTypeLike | None = None
) -> None:
    """What a layer's method returned: an array of this shape; NumPy might broadcast another one.

    dtype: the model's, which the array must have too; None if it does not matter.

    >>> from tinynn import ReLU
    >>> check_layer_output(None, (32, 784), ReLU(), "input_gradient")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: ReLU.input_gradient returned None; it must return dx, shaped like x:
        (32, 784).
        Forgot "return dx"?
    """
    if getattr(array, "shape", None) != shape or isinstance(array, np.ma.MaskedArray):
        what = "out, of shape" if method == "forward" else "dx, shaped like x:"
        got = f"an array of {array.shape}" if isinstance(array, np.ndarray) else f"{array!r:.60}"
        hint = f' Forgot "return {what.split(",")[0]}"?' if array is None else ""
        by_default = type(layer).output_shape.__module__ != type(layer).__module__  # in x's shape
        if isinstance(array, np.ma.MaskedArray):
            got, hint = f"a masked array of {array.shape}", " Write .filled(0)."
        elif isinstance(array, tuple):
            hint = " It is one array alone: what backward needs, forward keeps, as self.x = x."
        elif isinstance(array, list):
            hint = " Write np.array(...)."
        elif method == "forward" and by_default and np.shape(array)[:1] == shape[:1]:
            hint = (
                f" If {array.shape} is right, {type(layer).__name__} must say so: "
                f"def output_shape(self, input_shape): return {array.shape[1:]}."
            )
        raise InputError(
            f"{layer.name}.{method} returned {got}; it must return {what} {shape}.{hint}"
        )
    if dtype is not None and array.dtype != dtype:
        what, like = ("out", "x") if method == "forward" else ("dx", "dout")
        raise InputError(
            f"{layer.name}.{method} returned {array.dtype}, but {like} is {dtype}: {what} must be, "
            f"too. Is there a mask or a constant of {array.dtype}? Write mask.astype({like}.dtype)."
        )


def kink_mask(mask: Any, samples: int, layer: Any) -> Any:
    """What a layer's kink_mask returned: None, or booleans (B, ...).

    >>> from tinynn import ReLU
    >>> kink_mask(np.array([[1.0, -1.0]]), 1, ReLU())
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: ReLU.kink_mask returned an array of float64 (1, 2); it must return
        booleans (B, ...)
        that say on which side of its kink each number lies, here (1, ...), such as x > 0, or None.
    """
    if mask is None or (
        isinstance(mask, np.ndarray) and mask.dtype == bool and mask.shape[:1] == (samples,)
    ):
        return mask
    got = f"{mask!r:.60}"
    if isinstance(mask, np.ndarray):
        got = f"an array of {mask.dtype} {mask.shape}"
    raise InputError(
        f"{layer.name}.kink_mask returned {got}; it must return booleans (B, ...) that say on "
        f"which side of its kink each number lies, here ({samples}, ...), such as x > 0, or None."
    )


def output_gradient(
    dp: npt.ArrayLike, shape: Shape | None, dtype: npt.DTypeLike, caller: str
) -> tuple[Array, int]:
    """The gradient dp of forward's output, of this shape, in this dtype; and the number of samples.

    shape: that of the output; None if there was no forward.
    """
    if shape is None:
        raise InputError(
            f"{caller} was called before forward(x), but it needs what forward stores (predict "
            "stores nothing). Call model.forward(x) on this batch first."
        )
    if dp is None:
        raise InputError(
            f'{caller} expects dp, got None. Forgot "return dp" in the loss\' backward?'
        )
    dp = numbers(array(dp, "dp"), f"{caller} expects numbers")
    if dp.shape != shape:
        raise InputError(
            f"{caller}: forward returned an array of shape {shape}, so its gradient has that "
            f"shape too, but dp is {dp.shape}."
        )
    return dp.astype(dtype, copy=False), len(dp)
