"""A constructor's arguments as JSON: written, read, and compared.

    (0, 1)  ->  {"tuple": [0, 1]}  ->  (0, 1)

Functions and classes are written as their names; an object that is called like a function, such as
normal(std=0.01), as its class and its own arguments. files/nested.py writes the state of a
training: it keeps arrays beside the text, and each number with its type.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np

from tinynn.checks.calls import can_be_called
from tinynn.errors import InputError
from tinynn.origin import OWN

# A value of a type that JSON lacks is written as a dictionary with one of these sets of keys.
PLAIN = (bool, int, float, str, type(None), dict, list, tuple, np.ndarray)
ARRAY = {"array", "dtype", "shape"}
OBJECT = {"object", "config"}
CODES = ({"function"}, {"tuple"}, {"dictionary"}, ARRAY, {*ARRAY, "order"}, OBJECT)


def to_json(value: Any, where: str, known: dict[str, Any] | None = None) -> Any:
    """Return `value` in JSON's types, from which `from_json` makes it again.

    known: for a file, all classes and functions by their names in it (see `name_in_files`); those
    in `value` are added. Values that would come back changed are then refused: a second function of
    one name, an enum, an instance of a subclass of dict or list. Without `known`, for a comparison,
    enums count as their values, and such instances as plain dictionaries and lists.
    Raises InputError, with `where` in it, if `value` cannot be written.

    >>> to_json({"units": np.int64(3), "initializer": np.zeros, "range": (0, 1)}, "0.Dense")
    {'units': 3, 'initializer': {'function': 'zeros'}, 'range': {'tuple': [0, 1]}}
    """
    if isinstance(value, np.str_) or (isinstance(value, np.generic) and _is_simple(value.dtype)):
        value = value.item()
    if known is not None and type(value) not in PLAIN and isinstance(value, (*PLAIN, Enum)):
        raise _unwritable(value, where)
    if isinstance(value, Enum):
        value = value.value
    for base in (int, float, str):
        if isinstance(value, base) and type(value) not in PLAIN:
            value = base(value)
    if isinstance(value, dict):
        if all(type(key) is str for key in value) and not _is_coded(value):
            return {key: to_json(item, where, known) for key, item in value.items()}
        pairs = [[to_json(key, where, known), to_json(v, where, known)] for key, v in value.items()]
        return {"dictionary": pairs}
    if isinstance(value, (list, tuple)):
        items = [to_json(item, where, known) for item in value]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, np.ndarray) and _is_simple(value.dtype):
        coded = {"array": value.tolist(), "dtype": value.dtype.str, "shape": list(value.shape)}
        columns = value.flags.f_contiguous and not value.flags.c_contiguous
        return {**coded, "order": "F"} if columns else coded  # rounding may depend on the order
    if can_be_called(value) and getattr(value, "__name__", "<lambda>") != "<lambda>":
        return {"function": _name(value, where, known)}
    if has_config(value):
        config = {k: to_json(v, f"{where}: {k}", known) for k, v in value.config().items()}
        return {"object": _name(type(value), where, known), "config": config}
    if isinstance(value, PLAIN) and not isinstance(value, np.ndarray):
        return value
    raise _unwritable(value, where)


def has_config(value: Any) -> bool:
    """Whether a value is an object that is called like a function, and tells its own arguments.

    >>> from tinynn import ReLU, normal
    >>> has_config(normal(std=0.01)), has_config(normal), has_config(np.zeros), has_config(ReLU())
    (True, False, False, False)
    """
    called = can_be_called(value) and not isinstance(value, type)
    return called and callable(getattr(value, "config", None))


def _name(thing: Any, where: str, known: dict[str, Any] | None) -> str:
    """Return the name of a function or class; for a file, refuse a second thing of one name."""
    name: str = thing.__name__ if known is None else name_in_files(thing, known)
    if known is not None and known.setdefault(name, thing) != thing:
        raise InputError(
            f"{where}: another function is also called {thing.__name__}, but a file holds only "
            "the names of functions. Give one of the two another name."
        )
    return name


def _is_coded(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() in CODES


def _is_simple(dtype: np.dtype[Any]) -> bool:
    """Whether a list can hold the numbers of an array of this dtype exactly."""
    return dtype.kind in "biuf" and dtype.itemsize <= 8


def _unwritable(value: Any, where: str) -> InputError:
    kind, writable = type(value), ""
    if isinstance(value, (set, frozenset)):
        writable = "A list, or a tuple, can be."
    elif isinstance(value, Enum):
        writable = f"Its value can be: {value.value!r}."
    elif isinstance(value, (dict, list, tuple, int, float, str)):
        like = next(base for base in kind.__mro__ if base.__module__ == "builtins")
        writable = f"It is a {kind.__name__}; a {like.__name__} can be: {like.__name__}(...)."
    elif isinstance(value, bytes):
        writable = "A text can be."
    elif isinstance(value, (np.ndarray, np.generic)):
        writable = "An array of float64, or of whole numbers, can be."
    elif kind.__module__.startswith("numpy.random"):
        writable = "A seed can be; and a layer draws from the model's numbers by self.stream()."
    elif can_be_called(value):
        writable = "A function with a name can be: def f(...)."
    return InputError(
        f"{where}: {value!r} cannot be written to a file. {writable or 'Its parts can be.'} Give "
        "constructors only numbers, texts, lists, tuples, dictionaries, arrays, and functions "
        "that have a name."
    )


def from_json(value: Any, known: Mapping[str, Any]) -> Any:
    """Undo `to_json`. known: classes and functions by their names in files.

    >>> from_json({"range": {"tuple": [0, 1]}, "start": {"function": "zeros"}}, {"zeros": np.zeros})
    {'range': (0, 1), 'start': <built-in function zeros>}
    """
    if isinstance(value, list):
        return [from_json(item, known) for item in value]
    if not _is_coded(value):
        is_dict = isinstance(value, dict)
        return {k: from_json(item, known) for k, item in value.items()} if is_dict else value
    if "function" in value:
        return lookup(value["function"], known)
    if "object" in value:
        arguments = {name: from_json(item, known) for name, item in value["config"].items()}
        return lookup(value["object"], known)(**arguments)
    if "tuple" in value:
        return tuple(from_json(item, known) for item in value["tuple"])
    if "dictionary" in value:
        return {from_json(k, known): from_json(item, known) for k, item in value["dictionary"]}
    dtype = np.dtype(str(value["dtype"]))
    if not _is_simple(dtype):
        raise InputError(f"The configuration has an array of {dtype}; only numbers are possible.")
    array = np.array(value["array"], dtype).reshape(value["shape"])
    return np.asarray(array, order=value.get("order"))


def name_in_files(thing: Any, known: Mapping[str, Any]) -> str:
    """Return the name of a class or function in files. That of the user's own begins with OWN.

    So tinynn's classes and the user's cannot be confused. known: tinynn's classes and functions by
    name; it may have others too.

    >>> name_in_files(np.zeros, {"zeros": np.zeros}), name_in_files(np.ones, {})
    ('zeros', 'own.ones')
    """
    name: str = thing.__name__
    return name if known.get(name) is thing else OWN + name


def lookup(name: str, known: Mapping[str, Any]) -> Any:
    """Return the class or function that a file names. InputError, with the remedy, if unknown.

    A name without OWN that tinynn does not have also means the user's own: older versions of tinynn
    wrote it so.
    """
    own = OWN + name.removeprefix(OWN)
    if name in known or own in known:
        return known[name] if name in known else known[own]
    plain = name.removeprefix(OWN)
    if plain in known:
        whose = "which is your own, not tinynn's. Pass it in"
    elif name == own:
        whose = "which is your own. Pass it in"
    else:
        whose = "which tinynn does not have. If it is your own, pass it in"
    raise InputError(f"The configuration names {plain!r}, {whose}: layers=[{plain}].")


def unequal(ours: Any, theirs: Any, where: str = "") -> list[str]:
    """Return a line for each difference between two values in JSON's types.

    >>> unequal({"units": 3, "seed": 0}, {"units": 4, "seed": 0})
    ['units: 3 against 4']
    """
    code, other = (_is_coded(value) and {*value} for value in (ours, theirs))
    both_arrays = code and other and "array" in code & other
    if (code != other and not both_arrays) or code == {"tuple"}:
        ours, theirs = _as_older_versions(ours), _as_older_versions(theirs)
    if isinstance(ours, dict) and isinstance(theirs, dict):
        names = [*ours, *(name for name in theirs if name not in ours)]
        pairs = [(f"{where}.{n}" if where else n, ours.get(n), theirs.get(n)) for n in names]
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = [(f"{where}[{i}]", a, b) for i, (a, b) in enumerate(zip(ours, theirs, strict=True))]
    else:
        same = ours == theirs and type(ours) is type(theirs)  # 3.0 units are not 3
        same = same or (ours != ours and theirs != theirs)  # NaN
        return [] if same else [f"{where}: {ours} against {theirs}"]
    return [line for name, a, b in pairs for line in unequal(a, b, name)]


def _as_older_versions(value: Any) -> Any:
    """Return a value as older versions wrote it: tuples and arrays as lists, keys as texts."""
    if not _is_coded(value):
        return value
    if "dictionary" in value:
        return {str(key): item for key, item in value["dictionary"]}
    return value.get("tuple", value.get("array", value))
