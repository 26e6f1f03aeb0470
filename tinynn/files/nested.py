"""Nested Python values as JSON and arrays, for a file, and back to what they were.

    {"seen": (1, np.ones(9))}  ->  {"seen": {"a tuple": [1, {"array": "state.seen.1"}]}}
                                   and the array, by that name

What comes back is what went in, types and all: a tuple is no list, and NumPy's float32 no float,
or a run that goes on with it would round otherwise. What could not come back so is refused.
A configuration is written by configuration_json.py instead, as one text without arrays beside it,
in which NumPy's 3 is 3: it is compared, and may be made by hand.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from tinynn.errors import InputError
from tinynn.parameters import Array

PLAIN = (bool, int, float, str, type(None))
# what stands for a value that JSON does not know: {"a tuple": [...]}, or {kind: name of its array}
KINDS = ("array", "a scalar", "floats", "integers", "a tuple", "a table")
LONGEST_INTEGER = 10_000  # bits; Python writes no longer ones
LARGEST = sys.float_info.max
LONG = 64  # longer lists of numbers become arrays, and those of dictionaries a column for each key


def encode(value: Any, name: str, arrays: dict[str, Array]) -> Any:
    """Return `value` in JSON's types; what JSON does not know goes into `arrays`, by its place.

    Raises InputError, naming the place, for what could not come back as it was.

    >>> arrays = {}
    >>> encode({"best": (0.5, np.ones(2))}, "state", arrays)
    {'best': {'a tuple': [0.5, {'array': 'state.best.1'}]}}
    >>> arrays
    {'state.best.1': array([1., 1.])}
    """
    kind = type(value)
    if kind in PLAIN and not (kind is int and value.bit_length() > LONGEST_INTEGER):
        return value
    if isinstance(value, np.generic) or kind is np.ndarray:
        if value.dtype.kind not in "biuf" or not value.dtype.isnative or value.dtype.itemsize > 8:
            raise InputError(f"{name} is an array of {value.dtype}; files hold plain numbers.")
        arrays[name] = np.asarray(value)
        return {"array" if kind is np.ndarray else "a scalar": name}
    if kind is dict:
        for key in value:
            plain = type(key) is str and key.isprintable() and "." not in key
            if not plain or (len(value) == 1 and key in KINDS):
                raise InputError(
                    f"{name} has the key {key!r}, which a file could not tell apart: keys are "
                    "texts without a dot."
                )
        return {key: encode(item, f"{name}.{key}", arrays) for key, item in value.items()}
    if kind is tuple:
        return {"a tuple": [encode(item, f"{name}.{i}", arrays) for i, item in enumerate(value)]}
    if kind is list:
        for form, item_kind, dtype in (("floats", float, np.float64), ("integers", int, np.int64)):
            if len(value) >= LONG and all(type(item) is item_kind for item in value):
                try:
                    arrays[name] = np.array(value, dtype)
                    return {form: name}
                except OverflowError:  # whole numbers beyond 64 bits, which JSON can hold
                    break
        if len(value) >= LONG and all(type(item) is dict and item for item in value):
            table = _columns(value)
            if all(list(row) == [key for key in table[1] if key in row] for row in value):
                return {"a table": encode(table, name, arrays)}
        return [encode(item, f"{name}.{i}", arrays) for i, item in enumerate(value)]
    what = "a very long number" if kind is int else f"{value!r:.100}"
    raise InputError(
        f"{name} is {what}, a {kind.__name__}: it could not come back from a file as it "
        "is. Files give back numbers, texts, arrays, and of these lists, tuples and dict. Keep one "
        f"of them, and make it a {kind.__name__} again when it is read."
    )


def decode(value: Any, name: str, read: Callable[[str], Array]) -> Any:
    """Undo `encode`. read: returns the array of a name, or raises.

    An array's name is its place, so that a small file cannot name one array many times. Raises
    InputError for what `encode` has not written.

    >>> decode({"a tuple": [1, {"a scalar": "state.1"}]}, "state", lambda name: np.array(2.5))
    (1, np.float64(2.5))
    """
    if isinstance(value, list):
        return [decode(item, f"{name}.{i}", read) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if len(value) != 1 or next(iter(value)) not in KINDS:
        return {key: decode(item, f"{name}.{key}", read) for key, item in value.items()}
    ((kind, content),) = value.items()
    if kind == "a tuple":
        if not isinstance(content, list):
            raise InputError(f"should hold a tuple {name} as a list, but has {content!r:.100}.")
        return tuple(decode(item, f"{name}.{i}", read) for i, item in enumerate(content))
    if kind == "a table":
        return _rows(decode(content, name, read))
    if content != name:
        raise InputError(f"should hold an array {name}, but names {content!r:.100}.")
    array = read(name)
    wanted = {"a scalar": (0, None), "floats": (1, np.float64), "integers": (1, np.int64)}
    axes, dtype = wanted.get(kind, (array.ndim, None))
    if array.ndim != axes or (dtype and array.dtype != dtype):
        raise InputError(f"should hold {name} as {kind}, but has {array.dtype} {array.shape}.")
    if kind == "array":
        return array
    return array[()] if kind == "a scalar" else array.tolist()


def _columns(rows: list[dict[str, Any]]) -> list[Any]:
    """Return how many rows there are, and for each key the rows that have it, with their values.

    >>> _columns([{"a": 1}, {"a": 2, "b": 3}])
    [2, {'a': [[0, 1], [1, 2]], 'b': [[1], [3]]}]
    """
    columns: dict[str, list[list[Any]]] = {}
    for i, row in enumerate(rows):
        for key, value in row.items():
            at, values = columns.setdefault(key, [[], []])
            at.append(i)
            values.append(value)
    return [len(rows), columns]


def _rows(table: Any) -> list[dict[str, Any]]:
    """Undo `_columns`. Raises InputError for what that has not made."""
    try:
        number, columns = table
        if number > sum(len(at) for at, _ in columns.values()):
            raise InputError("has rows without anything in them")
        rows: list[dict[str, Any]] = [{} for _ in range(number)]
        for key, (at, values) in columns.items():
            for i, value in zip(at, values, strict=True):
                rows[i][key] = value
    except (TypeError, AttributeError, IndexError, ValueError) as error:
        raise InputError(f"should hold a table, but has {table!r:.100}: {error}") from error
    return rows


def count_values(text: str) -> int:
    """Return how many values a JSON text can hold at most, without making them.

    >>> count_values('[1, {"a": 2}]')
    4
    """
    return 1 + text.count(",") + text.count("[") + text.count("{")


def round_trip(value: Any, name: str) -> Any:
    """Return a value as it will come back from a file, or raise the InputError of `encode`."""
    arrays: dict[str, Array] = {}
    text = json.dumps(encode(value, name, arrays))
    return decode(json.loads(text), name, lambda place: arrays[place].copy())


def is_count(value: Any, most: float = 2**53) -> bool:
    """Whether what a file holds is a whole number, 0 or more.

    >>> is_count(3), is_count(3.0), is_count(True), is_count(-1)
    (True, False, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def are_numbers(*values: Any) -> bool:
    """Whether what a file holds are finite numbers.

    >>> are_numbers(1, 0.5), are_numbers(float("nan")), are_numbers("1")
    (True, False, False)
    """
    return all(type(value) in (int, float) and abs(value) <= LARGEST for value in values)
