"""Fingerprints of data and functions: a resumed run compares them with those of its checkpoint.

The fingerprint of data is a checksum of their numbers. That of a function is made of its code and
of the values that it holds: defaults, variables of the function around it, attributes.
"""

from collections.abc import Mapping
from types import CodeType
from typing import Any

import numpy as np

from tinynn.functions import one_hot
from tinynn.parameters import Array


def checksum(*arrays: Array) -> str:
    """Return a SHA-256 of shapes, dtypes and contents; reads in pieces, copies no whole array."""
    import hashlib  # here, so that importing tinynn is fast

    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape} {array.dtype.str};".encode())
        for start in range(0, len(array), 4096):
            digest.update(np.ascontiguousarray(array[start : start + 4096]).data)
    return digest.hexdigest()


def data_fingerprint(array: Array) -> dict[str, Any]:
    """Return an array's shape, dtype, and a checksum of both and of its numbers."""
    return {"shape": list(array.shape), "dtype": array.dtype.str, "sha256": checksum(array)}


def data_differences(name: str, theirs: Mapping[str, Any] | None, ours: Array | None) -> list[str]:
    """Return one line that says how an array differs from the checkpoint's; no line if equal."""
    if theirs is None or ours is None:
        return [f"data: {name}: {'none' if theirs is None else 'some'} against "
                f"{'none' if ours is None else 'some'}"]  # fmt: skip
    now = data_fingerprint(ours)
    if now == theirs:
        return []
    dtype, shape = np.dtype(theirs["dtype"]), tuple(theirs["shape"])
    line = f"data: {name}: {dtype} {shape} against {ours.dtype} {ours.shape}"
    for array, words in _other_forms(ours, dtype, shape):
        if array.shape == shape and checksum(array.astype(dtype)) == theirs["sha256"]:
            return [f"{line}, the same numbers. Write {words.format(name=name.split()[-1])}."]
    if (dtype, shape) == (ours.dtype, ours.shape):
        return [f"data: {name}: other numbers, or in another order ({dtype} {shape})"]
    return [f"{line}, and other numbers"]


def _other_forms(array: Array, dtype: np.dtype[Any], shape: Any) -> list[tuple[Array, str]]:
    """Return the same data in other forms, each with the expression that makes it."""
    forms = [(array, f"{{name}}.astype(np.{dtype})")]
    if array.size and array.shape != shape and np.prod(shape) == array.size:
        forms.append((array.reshape(shape), f"{{name}}.reshape({shape})"))
    if array.ndim == 2 and len(shape) == 1:
        forms.append((array.argmax(axis=1), "{name}.argmax(axis=1), the classes of one-hot rows"))
    classes = array.ndim == 1 and array.dtype.kind in "iu" and len(shape) == 2
    if classes and array.min() >= 0 and array.max() < shape[1]:
        forms.append((one_hot(array, shape[1]), f"one_hot({{name}}, {shape[1]})"))
    if array.dtype == np.uint8 and dtype.kind == "f":
        forms.append((np.divide(array, 255, dtype=np.float32), "scale_pixels({name})"))
    return forms


def function_fingerprint(function: Any) -> dict[str, Any]:
    """Return a function's name, a digest of its code, and one of the values that it holds."""
    name = getattr(function, "__name__", type(function).__name__)
    code, holds = (_digest(repr(_describe(function, 6, with_code))) for with_code in (True, False))
    return {"function": name, "code": code, "holds": holds}


def _describe(thing: Any, depth: int, with_code: bool) -> Any:
    """Describe a value, or a function and the values it holds, alike in every process."""

    def describe(part: Any) -> Any:
        return _describe(part, depth - 1, with_code)

    kind = type(thing).__name__
    if thing is None or isinstance(thing, (bool, int, float, str, bytes)):
        return thing
    if isinstance(thing, np.generic | np.ndarray):
        return kind, checksum(np.atleast_1d(thing))
    if not depth:
        return kind
    if isinstance(thing, (list, tuple)):
        return kind, [describe(item) for item in thing]
    if isinstance(thing, Mapping):
        return kind, [(str(key), describe(item)) for key, item in thing.items()]
    if isinstance(thing, CodeType):
        return (thing.co_code.hex(), thing.co_names, describe(thing.co_consts)) if with_code else ()
    parts: list[Any] = [kind, getattr(thing, "__qualname__", "")]
    for name in ("__code__", "__defaults__", "__kwdefaults__", "__func__", "__self__"):
        parts.append(describe(getattr(thing, name, None)))
    for name in ("func", "args", "keywords"):  # of functools.partial
        parts.append(describe(getattr(thing, name, None)))
    cells = getattr(thing, "__closure__", None) or ()
    for cell in cells:
        try:
            parts.append(describe(cell.cell_contents))
        except ValueError:  # a name that has no value yet
            parts.append("empty")
    if not isinstance(thing, type):
        parts.append(describe(getattr(thing, "__dict__", None)))
        parts.append(describe(vars(type(thing)).get("__call__")))
    return parts


def _digest(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:16]
