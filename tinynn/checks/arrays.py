"""What is given as an array: whatever becomes one with nothing lost, and holds numbers."""

import os
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from tinynn.errors import InputError
from tinynn.parameters import Array


def array(values: Any, name: str) -> Array:
    """An array, also of a list, a table or a tensor: of what becomes one with nothing lost.

    NumPy would take a masked array for what lies under its mask, and a set, a dictionary or a
    generator for one object.

    >>> array({1, 2}, "y")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: y is a set, which has no order. Keep it as a list from the start;
        list(y) is one in
        any order.
    """
    if type(values) is np.ndarray:  # nearly always
        return values
    if isinstance(values, (list, tuple)):
        for i, each in enumerate(values):
            if isinstance(each, np.ndarray):
                _refuse_masked(each, name, f"[{i}]")
            else:
                _refuse_sparse(each, name, f"[{i}]")
    _refuse_masked(values, name)
    _refuse_sparse(values, name)
    try:
        made = np.asarray(values)
    except ValueError:  # what NumPy says of it is hard to read
        if not isinstance(values, (list, tuple)):
            raise
        shapes = [np.shape(each) for each in values] if _regular(values) else []
        other = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), 0)
        where = f" ({shapes[0]} at 0, {shapes[other]} at {other})" if other else ""
        raise InputError(
            f"{name} is a list whose samples differ in shape{where}, which no array can hold."
        ) from None
    if not made.ndim and made.dtype.kind not in "biufc":
        raise InputError(f"{name} is {_no_array(values, name)}")
    if made.ndim == 2 and made.dtype == object and hasattr(values, "columns"):
        raise InputError(_table(list(values.columns), made, name))
    return made


def _regular(values: Sequence[Any]) -> bool:
    """Whether each entry of a list has a shape, ragged as they are among each other."""
    try:
        return bool([np.shape(each) for each in values])
    except ValueError:
        return False


def _refuse_sparse(values: Any, name: str, at: str = "") -> None:
    """Numbers that are all there: of a sparse matrix NumPy makes one object."""
    method = next((known for known in ("toarray", "todense") if hasattr(values, known)), None)
    if method:
        x = name.split()[-1]  # of "validation x"
        remedy = f"np.vstack([row.{method}() for row in {x}])" if at else f"{x}.{method}()"
        raise InputError(
            f"{name}{at} is a sparse {type(values).__name__}, but a network takes all the numbers, "
            f"the zeros too. Write {remedy}."
        )


def shortened(value: Any) -> str:
    """What Python writes for a value, in 60 characters at most.

    >>> shortened(b"a" * 100)
    "b'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..."
    """
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _refuse_masked(values: Any, name: str, at: str = "") -> None:
    """Numbers that are all there: under a mask stands anything."""
    masked = isinstance(values, np.ndarray) and hasattr(values, "filled")
    hidden = np.count_nonzero(np.ma.getmaskarray(values)) if masked else 0
    if hidden:
        raise InputError(
            f"{name}{at} is a masked array, {hidden:,} of whose {values.size:,} numbers are masked:"
            " what lies under the mask would be taken for numbers. Put in what is missing, "
            f"{name.split()[-1]}{at}.filled(...), for instance with the mean, or leave those "
            "samples out."
        )


def _no_array(values: Any, name: str) -> str:
    """What was given in place of an array, and the line that makes one."""
    kind, name = type(values).__name__, name.split()[-1]  # of "validation x"
    if values is None:
        return 'None. Forgot "return" in the function that makes it?'
    if isinstance(values, (str, bytes, os.PathLike)):
        return f"{shortened(values)}. If that is a file, read it first, as by np.load."
    if isinstance(values, Mapping):
        keys = ", ".join(repr(key) for key in [*values][:5])
        return (
            f"a {kind} with the keys {keys}. Take one by its name, {name}[...]; or all: "
            f"list({name}.values()) if each is a sample, np.column_stack(list({name}.values())) if "
            "each is a column."
        )
    if isinstance(values, (set, frozenset)):
        return (
            f"a {kind}, which has no order. Keep it as a list from the start; list({name}) is one "
            "in any order."
        )
    if isinstance(values, Iterable):
        return f"a {kind}, which gives one after another. Write list({name})."
    return f"a {kind}, of which NumPy makes no array."


def _table(columns: list[Any], table: Array, name: str) -> str:
    """Which columns of a table hold no numbers, and what to do with them."""
    full, name = name, name.split()[-1]  # of "validation x"
    odd = {
        c: [each for each in column if not _is_number(each)]
        for c, column in zip(columns, table.T, strict=True)
    }
    texts = [c for c, cells in odd.items() if not all(map(is_missing, cells))]
    gaps = ", ".join(repr(c) for c, cells in odd.items() if cells)
    if not texts and gaps:
        return (
            f"{full} is a table in which numbers are missing: column {gaps}. Put some in, for "
            f"instance the means: {name}.astype(float).fillna({name}.mean())."
        )
    if not texts:
        return f"{full} is a table of numbers of several kinds. Write {name}.astype(float)."
    named = ", ".join(map(repr, texts[:5])) + (", ..." if len(texts) > 5 else "")
    return (
        f"{full} is a table in which not all are numbers: column {named}. Leave such columns out, "
        f"{name}.drop(columns=[{named}]), or put a number in place of each text: "
        f"np.unique(column, return_inverse=True)[1], and of what is missing: {name}.fillna(...)."
    )


def is_missing(value: Any) -> bool:
    """Whether an object is what a table writes for nothing: None, or pandas.NA."""
    return value is None or type(value).__name__ == "NAType"


def _is_number(value: Any) -> bool:
    """Whether an object is a number."""
    return isinstance(value, (Real, np.bool_))


def numbers(values: Array, expects: str) -> Array:
    """An array of numbers, not of texts, dates or objects.

    >>> numbers(np.array([1.0, "7"], object), "fit expects numbers")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: fit expects numbers, got an array of object. The first that is none
        is '7', at 1.
    """
    if values.dtype.kind in "biuf":
        return values
    hint = ""
    if values.dtype.names:
        hint = " Of columns with names: np.column_stack([x[name] for name in x.dtype.names])."
    if values.dtype == object:
        odd = next(((i, v) for i, v in np.ndenumerate(values) if not _is_number(v)), None)
        hint = " All of them are numbers: write .astype(float)."
        if odd is not None:
            place = odd[0] if len(odd[0]) != 1 else odd[0][0]
            hint = f" The first that is none is {textwrap.shorten(repr(odd[1]), 40)}, at {place}."
        if odd is not None and isinstance(odd[1], np.ndarray):
            hint = " They are arrays: if all have one shape, write np.stack(...) of them."
    raise InputError(f"{expects}, got an array of {values.dtype}.{hint}")
