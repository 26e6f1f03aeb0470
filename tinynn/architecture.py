"""The layers of a model as JSON, for a file, and from JSON; and as a table, for a reader."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from tinynn.configuration import with_defaults
from tinynn.configuration_json import OBJECT, from_json, lookup, name_in_files, to_json
from tinynn.errors import InputError
from tinynn.initializers import INITIALIZERS
from tinynn.layers import LAYERS, Layer
from tinynn.origin import OWN, is_own
from tinynn.parameters import Shape

TINYNNS: dict[str, Any] = {**LAYERS, **INITIALIZERS}  # tinynn's own, which files name without OWN
# tinynn's names in files of formats 1 and 2, which did not mark the names of the user's own
IN_OLD_FORMATS = {"Flatten", "Dense", "ReLU", "Softmax", "zeros", "glorot_uniform", "he_normal"}


def layers_to_json(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """Return each layer's class, its arguments, and whether it is frozen, in JSON's types.

    The names of the user's own classes and functions begin with OWN. Raises InputError if a layer's
    arguments cannot be written.

    >>> from tinynn import Flatten
    >>> layers_to_json([Flatten()])
    [{'layer': 'Flatten', 'config': {}}]
    """
    known = _with_own(map(type, layers))
    entries = []
    for layer in layers:
        config = {k: to_json(v, f"{layer.name}: {k}", known) for k, v in layer.config().items()}
        frozen = {} if layer.trainable else {"trainable": False}
        kind = name_in_files(type(layer), known)
        entries.append({"layer": kind, "config": config, **frozen})
    return entries


def layers_from_json(
    entries: Iterable[Mapping[str, Any]], own: Iterable[Callable[..., Any]] = ()
) -> list[Layer]:
    """Return new layers, made from the entries that `layers_to_json` returns.

    own: the user's own classes and initializers that these layers need. Raises InputError if one of
    them has a name of tinynn's, and the entries use only tinynn's class of that name: it is then
    not clear which of the two is meant.
    """
    entries, known = [*entries], _with_own(own)
    _refuse_unused(entries, known)
    classes = {name: t for name, t in known.items() if isinstance(t, type) and issubclass(t, Layer)}
    layers = list[Layer]()
    for entry in entries:
        config = {name: from_json(value, known) for name, value in entry["config"].items()}
        layers.append(lookup(entry["layer"], classes)(**config))
        layers[-1].trainable = entry.get("trainable", True)
    return layers


def with_gained(entries: Sequence[Any], layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """Return a file's entries, with defaults for arguments that the classes have gained since."""
    known, filled = _with_own(map(type, layers)), []
    for entry, layer in zip_longest(entries, layers[: len(entries)]):
        if layer and entry["layer"] == name_in_files(type(layer), known):
            then, now = entry["config"], with_defaults(entry["config"], type(layer))
            gained = {k: to_json(now[k], layer.name, known) for k in now if k not in then}
            entry = {**entry, "config": {**then, **gained}}
        filled.append(entry)
    return filled


def of_older_format(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries of a file of format 1 or 2, with OWN before the names of the user's own.

    >>> of_older_format([{"layer": "Dense", "config": {"initializer": {"function": "ones"}}}])
    [{'layer': 'Dense', 'config': {'initializer': {'function': 'own.ones'}}}]
    """
    return _renamed(entries, lambda name: name if name in IN_OLD_FORMATS else OWN + name)


def _with_own(own: Iterable[Any]) -> dict[str, Any]:
    """Return classes and functions by their names in files: tinynn's, and those in `own`."""
    known = dict(TINYNNS)
    for thing in own:
        if known.setdefault(name_in_files(thing, known), thing) is not thing:
            raise InputError(
                f"Two of your own classes or functions have the name {thing.__name__}, but a file "
                "holds only their names. Give one of the two another name."
            )
    return known


def _refuse_unused(entries: Iterable[Mapping[str, Any]], known: Mapping[str, Any]) -> None:
    """Refuse a class or function of the user's with a name for which entries use tinynn's."""
    used = list[str]()
    _renamed(entries, lambda name: used.append(name) or name)  # type: ignore[func-returns-value]
    for name in used:
        if name in TINYNNS and OWN + name in known and OWN + name not in used:
            raise InputError(
                f"The configuration names tinynn's {name}, but layers= has your own {name}. Leave "
                "yours out. If an older tinynn made the configuration and yours is meant, write "
                f"{OWN + name!r} in the configuration."
            )


def _renamed(
    entries: Iterable[Mapping[str, Any]], rename: Callable[[str], str]
) -> list[dict[str, Any]]:
    """Return entries in which `rename` has replaced the name of each class and function."""

    def within(value: Any) -> Any:
        if isinstance(value, list):
            return [within(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.keys() == {"function"}:
            return {"function": rename(value["function"])}
        if value.keys() == OBJECT:
            return {"object": rename(value["object"]), "config": within(value["config"])}
        return {key: within(item) for key, item in value.items()}

    return [
        {
            **entry,
            "layer": rename(entry["layer"]),
            "config": {key: within(value) for key, value in entry["config"].items()},
        }
        for entry in entries
    ]


def table_of(layers: Sequence[Layer], input_shape: Shape, output_shapes: Sequence[Shape]) -> str:
    """Return a table with a line for each layer: its output shape, and three numbers.

    These are its parameters, its buffers (a column only if a layer has any), and how many
    multiplications with weights a sample needs; "-" for a layer of the user's own that does not
    tell, which the total leaves out.
    """
    width = max(14, *(len(layer.name) for layer in layers)) + 2
    sizes = []
    for one, shape in zip(layers, output_shapes, strict=True):
        views = one.parameters(), one.buffers()
        stored = (sum(view.size for view in each.values()) for each in views)
        sizes.append([*stored, multiplications(one, shape)])
    totals = [sum(number or 0 for number in column) for column in zip(*sizes, strict=True)]
    kept = [0, 1, 2] if totals[1] else [0, 2]  # columns
    widths = (12, 12, 17)

    def line(name: str, shape: Any, cells: Sequence[Any], note: str = "") -> str:
        texts = (f"{'-' if cells[k] is None else cells[k]:>{widths[k]}}" for k in kept)
        return f"{name:<{width}}{shape!s:<16}{''.join(texts)}{note}"

    def counts(numbers: Sequence[int | None]) -> list[str | None]:
        return [None if number is None else f"{number:,}" for number in numbers]

    heads = line("layer", "output shape", ("parameters", "buffers", "multiplications"))
    lines = [heads, f"{'input':<{width}}{input_shape}"]
    for layer, shape, numbers in zip(layers, output_shapes, sizes, strict=True):
        lines.append(
            line(layer.name, shape, counts(numbers), "" if layer.trainable else "  frozen")
        )
    return "\n".join([*lines, line("total", "", counts(totals))])


def multiplications(layer: Layer, output_shape: Shape) -> int | None:
    """Return how many multiplications with weights a sample needs; None if that is not known.

    Vectors, as those of BatchNorm, do not count: they cost what any other pass over an array costs.

    >>> from tinynn import Dense, Sequential
    >>> model = Sequential([Dense(10)], input_shape=(784,))
    >>> multiplications(model.layers[0], (10,))
    7840
    """
    told = layer.multiplications(output_shape)
    if told is not None or is_own(type(layer)):
        return told
    return sum(view.size for view in layer.parameters().values() if view.ndim > 1)
