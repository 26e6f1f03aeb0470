"""Arguments that should be arrays: they must become arrays of numbers, and nothing may be lost."""

import os
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from tinynn.errors import InputError
from tinynn.parameters import Array
from tinynn.rows import Rows


def array(values: Any, name: str) -> Array:
    """An array, made from an array, a list, a table or a tensor if nothing is lost.

    Of a masked array NumPy would read the hidden numbers; of a set, a dictionary or a generator it
    would make an array of one object.

    >>> array({1, 2}, "y")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: y is a set, which has no order. Use a list from the start: list(y) has
        an arbitrary
        order.
    """
    if type(values) is np.ndarray:  # nearly always
        return values
    if isinstance(values, Rows):
        made_later: Any = values  # what is asked of x, it answers as an array does
        return made_later
    if isinstance(values, (list, tuple)):
        for i, each in enumerate(values):
            if isinstance(each, np.ndarray):
                refuse_masked(each, name, f"[{i}]")
            else:
                _refuse_sparse(each, name, f"[{i}]")
    refuse_masked(values, name)
    _refuse_sparse(values, name)
    try:
        made = np.asarray(values)
    except ValueError:  # NumPy's own message is hard to understand
        if not isinstance(values, (list, tuple)):
            raise
        shapes = [np.shape(each) for each in values] if _regular(values) else []
        other = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), 0)
        where = f" ({shapes[0]} at 0, {shapes[other]} at {other})" if other else ""
        raise InputError(
            f"{name} is a list whose samples differ in shape{where}; in an array, all samples have "
            "one shape."
        ) from None
    if not made.ndim and made.dtype.kind not in "biufc":
        raise InputError(f"{name} is {_not_an_array(values, name)}")
    if made.ndim == 2 and made.dtype == object and hasattr(values, "columns"):
        raise InputError(_table(list(values.columns), made, name))
    return made


def _regular(values: Sequence[Any]) -> bool:
    """Whether each entry of a list has a shape by itself."""
    try:
        return bool([np.shape(each) for each in values])
    except ValueError:
        return False


def _refuse_sparse(values: Any, name: str, at: str = "") -> None:
    """Refuse a sparse matrix: NumPy would make an array of one object of it."""
    method = next((known for known in ("toarray", "todense") if hasattr(values, known)), None)
    if method:
        x = name.split()[-1]  # of "validation x"
        remedy = f"np.vstack([row.{method}() for row in {x}])" if at else f"{x}.{method}()"
        raise InputError(
            f"{name}{at} is a sparse {type(values).__name__}, but a network needs all numbers, "
            f"including the zeros. Write {remedy}."
        )


def shortened(value: Any) -> str:
    """The repr of a value, cut to 60 characters at most.

    >>> shortened(b"a" * 100)
    "b'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..."
    """
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def refuse_masked(values: Any, name: str, at: str = "") -> None:
    """Refuse a masked array: the numbers under its mask are arbitrary."""
    masked = isinstance(values, np.ndarray) and hasattr(values, "filled")
    hidden = np.count_nonzero(np.ma.getmaskarray(values)) if masked else 0
    if hidden:
        raise InputError(
            f"{name}{at} is a masked array: {hidden:,} of its {values.size:,} numbers are masked, "
            "but tinynn would use the numbers under the mask. Fill them in, "
            f"{name.split()[-1]}{at}.filled(...), for instance with the mean, or leave those "
            "samples out."
        )


def _not_an_array(values: Any, name: str) -> str:
    """The end of a message: what was given instead of an array, and the code that makes one."""
    kind, name = type(values).__name__, name.split()[-1]  # of "validation x"
    if values is None:
        return 'None. Forgot "return" in the function that makes it?'
    if isinstance(values, (str, bytes, os.PathLike)):
        return f"{shortened(values)}. If that is a file, read it first, for instance by np.load."
    if isinstance(values, Mapping):
        keys = ", ".join(repr(key) for key in [*values][:5])
        return (
            f"a {kind} with the keys {keys}, not an array. Use one value, {name}[...]; or all: "
            f"list({name}.values()) if each is a sample, np.column_stack(list({name}.values())) if "
            "each is a column."
        )
    if isinstance(values, (set, frozenset)):
        return (
            f"a {kind}, which has no order. Use a list from the start: list({name}) has an "
            "arbitrary order."
        )
    if isinstance(values, Iterable):
        return f"a {kind}, not an array. Write list({name})."
    return f"a {kind}, from which NumPy cannot make an array of numbers."


def _table(columns: list[Any], table: Array, name: str) -> str:
    """The message for a table: which columns are not numbers, and what to do with them."""
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
        return f"{full} is a table of numbers of several types. Write {name}.astype(float)."
    named = ", ".join(map(repr, texts[:5])) + (", ..." if len(texts) > 5 else "")
    return (
        f"{full} is a table with columns that are not numbers: {named}. Leave them out, "
        f"{name}.drop(columns=[{named}]); or replace each text by a number, "
        f"np.unique(column, return_inverse=True)[1], and missing values by {name}.fillna(...)."
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
    tinynn.errors.InputError: fit expects numbers, got an array of object. The first entry that is
        not a number is '7', at 1.
    """
    if values.dtype.kind in "biuf":
        return values
    hint = as_numbers(values)
    if values.dtype.names:
        hint = " For named columns write np.column_stack([x[name] for name in x.dtype.names])."
    if values.dtype == object:
        odd = next(((i, v) for i, v in np.ndenumerate(values) if not _is_number(v)), None)
        hint = " All entries are numbers: write .astype(float)."
        if odd is not None:
            place = odd[0] if len(odd[0]) != 1 else odd[0][0]
            shown = textwrap.shorten(repr(odd[1]), 40)
            hint = f" The first entry that is not a number is {shown}, at {place}."
        if odd is not None and isinstance(odd[1], np.ndarray):
            hint = " Its entries are arrays: if all have one shape, write np.stack(...)."
    raise InputError(f"{expects}, got an array of {values.dtype}.{hint}")


def as_numbers(values: Array) -> str:
    """How to make numbers of an array of texts, dates or complex numbers; "" for other arrays.

    >>> as_numbers(np.array(["1.5", "2"])), as_numbers(np.array([1j]))
    (' All entries are numbers: write .astype(float).', ' Take .real, or stack .real and .imag.')
    """
    kind = values.dtype.kind
    if kind == "c":
        return " Take .real, or stack .real and .imag."
    if kind in "mM":
        since = "(x - x.min())" if kind == "M" else "x"
        return f" Make days of them: {since} / np.timedelta64(1, 'D')."
    if kind not in "SUT":
        return ""
    try:
        values.astype(float)
    except ValueError:
        return " Number its texts: names, numbers = np.unique(column, return_inverse=True)."
    return " All entries are numbers: write .astype(float)."
