"""Nested Python values as JSON and arrays, for a file, and from there back to the same values.

    {"seen": (1, np.ones(9))}  ->  {"seen": {"a tuple": [1, {"array": "state.seen.1"}]}}
                                   and the array, by that name

Values come back with their types: a tuple as a tuple, NumPy's float32 as a float32. With other
types a resumed run would round differently. Values for which this is not possible are refused.
configuration_json.py writes configurations. They differ in two ways: they are one text without
arrays beside it, and NumPy's 3 becomes 3, because they are compared and may be written by hand.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from tinynn.errors import InputError
from tinynn.parameters import Array

PLAIN = (bool, int, float, str, type(None))
# the keys that mark a value of a type that JSON lacks: {"a tuple": [...]}, {kind: name of array}
KINDS = ("array", "a scalar", "floats", "integers", "a tuple", "a table")
LONGEST_INTEGER = 10_000  # bits; Python refuses to write longer ones as text
LARGEST = sys.float_info.max
LONG = 64  # longer lists become arrays (of numbers), or tables with a column per key (of dicts)


def encode(value: Any, name: str, arrays: dict[str, Array]) -> Any:
    """Return `value` in JSON's types. Its arrays go into `arrays`, each named after its place.

    Raises InputError, which names the place, for a value that would not come back unchanged.

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
            raise InputError(
                f"{name} is an array of {value.dtype}, but files hold only booleans, whole numbers "
                "and floats, of up to 64 bits and in this machine's byte order."
            )
        arrays[name] = np.asarray(value)
        return {"array" if kind is np.ndarray else "a scalar": name}
    if kind is dict:
        for key in value:
            plain = type(key) is str and key.isprintable() and "." not in key
            if not plain or (len(value) == 1 and key in KINDS):
                raise InputError(
                    f"{name} has the key {key!r}, but keys must be texts without a dot, and not "
                    "the mark of a type in files. Give it another name."
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
    shown = "a very long number" if kind is int else f"{value!r:.100}"
    raise InputError(
        f"{name} is {shown}, a {kind.__name__}, which a file cannot give back unchanged. Files "
        "hold numbers, texts, arrays, and lists, tuples and dictionaries of these. Keep one of "
        f"them, and make a {kind.__name__} of it when it is read."
    )


def decode(value: Any, name: str, read: Callable[[str], Array]) -> Any:
    """Undo `encode`. read: a function that returns the array of a name, or raises.

    An array's name is its place: so a small file cannot use one array many times. Raises InputError
    for a value that `encode` does not write.

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
            raise InputError(f"should hold the tuple {name} as a list, but has {content!r:.100}.")
        return tuple(decode(item, f"{name}.{i}", read) for i, item in enumerate(content))
    if kind == "a table":
        return _rows(decode(content, name, read))
    if content != name:
        raise InputError(f"should hold the array {name} here, but names {content!r:.100}.")
    array = read(name)
    wanted = {"a scalar": (0, None), "floats": (1, np.float64), "integers": (1, np.int64)}
    axes, dtype = wanted.get(kind, (array.ndim, None))
    if array.ndim != axes or (dtype and array.dtype != dtype):
        raise InputError(f"should hold {name} as {kind}, but has {array.dtype} {array.shape}.")
    if kind == "array":
        return array
    return array[()] if kind == "a scalar" else array.tolist()


def _columns(rows: list[dict[str, Any]]) -> list[Any]:
    """Return the number of rows, and for each key the numbers of the rows with it, and its values.

    >>> _columns([{"a": 1}, {"a": 2, "b": 3}])
    [2, {'a': [[0, 1], [1, 2]], 'b': [[1], [3]]}]
    """
    columns: dict[str, list[list[Any]]] = {}
    for i, row in enumerate(rows):
        for key, value in row.items():
            indices, values = columns.setdefault(key, [[], []])
            indices.append(i)
            values.append(value)
    return [len(rows), columns]


def _rows(table: Any) -> list[dict[str, Any]]:
    """Undo `_columns`. Raises InputError for a table that it does not make."""
    try:
        n_rows, columns = table
        if n_rows > sum(len(indices) for indices, _ in columns.values()):
            raise InputError("some rows are empty")
        rows: list[dict[str, Any]] = [{} for _ in range(n_rows)]
        for key, (indices, values) in columns.items():
            for i, value in zip(indices, values, strict=True):
                rows[i][key] = value
    except (TypeError, AttributeError, IndexError, ValueError) as error:
        raise InputError(f"should hold a table, but has {table!r:.100}: {error}") from error
    return rows


def count_values(text: str) -> int:
    """Return how many values a JSON text holds at most, without parsing it.

    >>> count_values('[1, {"a": 2}]')
    4
    """
    return 1 + text.count(",") + text.count("[") + text.count("{")


def round_trip(value: Any, name: str) -> Any:
    """Return the value that a file would give back, or raise the InputError of `encode`."""
    arrays: dict[str, Array] = {}
    text = json.dumps(encode(value, name, arrays))
    return decode(json.loads(text), name, lambda place: arrays[place].copy())


def is_count(value: Any, most: float = 2**53) -> bool:
    """Whether a value from a file is a whole number from 0 to `most`.

    >>> is_count(3), is_count(3.0), is_count(True), is_count(-1)
    (True, False, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def are_numbers(*values: Any) -> bool:
    """Whether values from a file are all finite numbers.

    >>> are_numbers(1, 0.5), are_numbers(float("nan")), are_numbers("1")
    (True, False, False)
    """
    return all(type(value) in (int, float) and abs(value) <= LARGEST for value in values)
