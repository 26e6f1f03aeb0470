"""Values as JSON, to and from a process that nobody trusts: numbers, texts, arrays, no pickle.

What cannot be written stays where it is; the other side gets its number, a Kept, and may give it
back in a later call.
"""

import base64
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinynn.errors import InputError

MOST = 10_000  # items that are taken from a generator, which may have no end


@dataclass(frozen=True)
class Kept:
    """A value of the other side: where it keeps it, and of which class it is."""

    place: int
    kind: str


def encode(value: Any, kept: list[Any]) -> Any:
    """Return a value as JSON can hold it. kept: where to keep what it cannot hold.

    >>> kept = []
    >>> decode(encode([1, (2.5, None)], kept), kept), encode(np.float32(2), kept)
    ([1, (2.5, None)], {'array': ['<f4', [], 'AAAAQA==']})
    >>> decode(encode(print, kept), []), decode(encode(print, kept), kept)
    (Kept(place=0, kind='builtin_function_or_method'), <built-in function print>)
    """
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biufc":
        data = base64.b64encode(np.asarray(value).tobytes()).decode()
        return {"array": [value.dtype.str, [*value.shape], data]}
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Kept):
        return {"kept": [value.place, value.kind]}
    if isinstance(value, np.random.Generator):
        return {"random": value.bit_generator.state}
    if isinstance(value, dict):
        return {"dict": [[encode(part, kept) for part in pair] for pair in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [encode(part, kept) for part in value]}
    if isinstance(value, Iterator):
        value = [*itertools.islice(value, MOST)]
    if isinstance(value, list):
        return [encode(part, kept) for part in value]
    place = next((i for i, other in enumerate(kept) if other is value), len(kept))
    kept[place:] = [value] if place == len(kept) else kept[place:]
    kind = type(value).__name__
    return {"kept": [place, f"{kind} of {value.dtype}" if kind == "ndarray" else kind]}


def decode(data: Any, kept: list[Any]) -> Any:
    """Return the value. kept: what this side keeps.

    Raises InputError, or another ValueError, if it is no value.
    """
    if isinstance(data, list):
        return [decode(part, kept) for part in data]
    if not isinstance(data, dict):
        return data
    ((kind, content),) = data.items()
    if kind == "array":
        dtype, shape, text = content
        if np.dtype(dtype).kind not in "biufc":
            raise InputError(f"no numbers: {dtype}")
        return np.frombuffer(base64.b64decode(text), dtype).reshape(shape).copy()
    if kind == "tuple":
        return tuple(decode(part, kept) for part in content)
    if kind == "dict":
        return {decode(key, kept): decode(part, kept) for key, part in content}
    if kind == "random":
        rng = np.random.default_rng(0)
        rng.bit_generator.state = content
        return rng
    place, name = content
    return kept[place] if kept else Kept(int(place), str(name))
