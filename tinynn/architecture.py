"""The layers of a model as JSON, for a file, and from JSON; and as a table, for a reader."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tinynn import checks
from tinynn.configuration import from_json, lookup, to_json
from tinynn.initializers import INITIALIZERS
from tinynn.layers import LAYERS, Layer
from tinynn.parameters import Shape


def layers_to_json(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """Return each layer's class and arguments, and whether it is frozen, as JSON's types.

    Raises InputError if a layer cannot be described by its class's name and arguments.

    >>> from tinynn import Flatten
    >>> layers_to_json([Flatten()])
    [{'layer': 'Flatten', 'config': {}}]
    """
    known = checks.with_own({**LAYERS, **INITIALIZERS}, map(type, layers))
    entries = []
    for layer in layers:
        config = {k: to_json(v, f"{layer.name}: {k}", known) for k, v in layer.config().items()}
        frozen = {} if layer.trainable else {"trainable": False}
        entries.append({"layer": type(layer).__name__, "config": config, **frozen})
    return entries


def layers_from_json(
    entries: Iterable[Mapping[str, Any]], own: Iterable[Callable[..., Any]] = ()
) -> list[Layer]:
    """Return new layers from what `layers_to_json` returned.

    own: the user's own classes and initializers that these layers need.
    """
    known = checks.with_own({**LAYERS, **INITIALIZERS}, own)
    classes = {name: t for name, t in known.items() if isinstance(t, type) and issubclass(t, Layer)}
    layers = list[Layer]()
    for entry in entries:
        config = {name: from_json(value, known) for name, value in entry["config"].items()}
        layers.append(lookup(entry["layer"], classes)(**config))
        layers[-1].trainable = entry.get("trainable", True)
    return layers


def table_of(layers: Sequence[Layer], input_shape: Shape, output_shapes: Iterable[Shape]) -> str:
    """Return a table: each layer, the shape of a sample after it, its parameters and buffers.

    The column of buffers is there only if a layer has any.
    """
    width = max(14, *(len(layer.name) for layer in layers)) + 2
    sizes = [
        [sum(view.size for view in views.values()) for views in (one.parameters(), one.buffers())]
        for one in layers
    ]
    totals = [sum(column) for column in zip(*sizes, strict=True)]
    columns = 2 if totals[1] else 1

    def line(name: str, shape: Any, numbers: Iterable[int], note: str = "") -> str:
        counts = "".join(f"{number:>12,}" for number in [*numbers][:columns])
        return f"{name:<{width}}{shape!s:<16}{counts}{note}"

    heads = "".join(f"{head:>12}" for head in ("parameters", "buffers")[:columns])
    lines = [f"{'layer':<{width}}{'output shape':<16}{heads}", f"{'input':<{width}}{input_shape}"]
    for layer, shape, counts in zip(layers, output_shapes, sizes, strict=True):
        lines.append(line(layer.name, shape, counts, "" if layer.trainable else "  frozen"))
    return "\n".join([*lines, line("total", "", totals)])
