"""The layers of a network: which objects are accepted, and what their methods must return."""

import warnings
from collections.abc import Iterable, Mapping
from inspect import signature
from typing import Any

import numpy as np

from tinynn.errors import InputError
from tinynn.foreign_names import answer
from tinynn.origin import is_own
from tinynn.parameters import Shape


class Layers(tuple[Any, ...]):
    """The layers of a model: a tuple whose errors say what to write instead of changing a list.

    >>> Layers()[0] = "another"
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: model.layers cannot be changed: the arrays of all layers lie in one
        vector. Set
        weights by model.layers[0].W = ..., or make a new Sequential of new layers.
    """

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise InputError(
            "model.layers cannot be changed: the arrays of all layers lie in one vector. Set "
            "weights by model.layers[0].W = ..., or make a new Sequential of new layers."
        )

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = insert = extend = pop = remove = clear = reverse = sort = _refuse

    def __add__(self, more: Any) -> Any:
        return super().__add__(more) if isinstance(more, tuple) else self._refuse()

    __radd__ = _refuse

    def copy(self) -> Any:
        raise InputError(
            "model.layers is a tuple, which has no copy(). For a list of the same layers write "
            "list(model.layers); for a copy of the model with its weights, copy.deepcopy(model)."
        )


def fresh_layers(layers: Iterable[Any], layer_class: type[Any]) -> Layers:
    """Layers for a model: one or more, each a layer, used once and in no other model.

    >>> from tinynn import Layer, ReLU
    >>> fresh_layers([ReLU], Layer)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: layers[0] is not a layer, got <class 'tinynn.layers.basic.ReLU'>.
        Write
        ReLU().
    """
    if not isinstance(layers, Iterable) or (isinstance(layers, np.ndarray) and not layers.ndim):
        raise InputError(f"Sequential expects a list of layers, got {layers!r}. Write [...].")
    layers = Layers(layers)
    if not layers:
        raise InputError("Sequential needs one layer or more, got none.")
    places: dict[int, int] = {}
    for i, layer in enumerate(layers):
        if not isinstance(layer, layer_class):
            hint = f" Write {layer.__name__}()." if isinstance(layer, type) else ""
            if isinstance(layer, str):
                hint = f" {answer(layer.lower(), 'text')}".rstrip()
            raise InputError(f"layers[{i}] is not a layer, got {layer!r}.{hint}")
        kind = type(layer).__name__
        if is_own(layer.forward) and not _takes_training(layer.forward):
            raise InputError(
                f"{kind}.forward is called with two arguments: def forward(self, x, training=True)."
            )
        first = places.setdefault(id(layer), i)
        if first != i:
            raise InputError(
                f"layers[{first}] and layers[{i}] are the same {kind} object. A layer remembers "
                f"its own input: write {kind}() again."
            )
        if layer.built:
            raise InputError(
                f"layers[{i}] is part of another model already (as {layer.name}), and its arrays "
                f"lie there. Write a new {kind}, or copy.deepcopy the whole model."
            )
    return layers


def _takes_training(forward: Any) -> bool:
    """Whether a method can be called as forward(x, training)."""
    try:
        signature(forward, follow_wrapped=False).bind("x", True)  # of the wrapper, which is called
    except TypeError:
        return False
    except ValueError:
        return True  # a built-in function has no readable signature
    return True


def model_config(config: Any) -> Mapping[str, Any]:
    """What model.config() returns: a dictionary with four keys, and layers with two each.

    >>> model_config({"layers": [], "seed": 0})
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: from_config: the configuration lacks input_shape and dtype. Give what
        model.config() returns.
    """
    _refuse_incomplete(config, "the configuration", ("layers", "input_shape", "seed", "dtype"))
    entries = config["layers"]
    if not isinstance(entries, (list, tuple)):
        raise InputError(f"from_config: layers must be a list, got {entries!r:.100}.")
    for i, entry in enumerate(entries):
        _refuse_incomplete(entry, f"layers[{i}]", ("layer", "config"))
        _refuse_incomplete(entry["config"], f"the config of layers[{i}]", ())
    return config


def _refuse_incomplete(part: Any, name: str, keys: tuple[str, ...]) -> None:
    """Raise InputError unless a part of a configuration is a dictionary with these keys."""
    hint = "Give what model.config() returns."
    if isinstance(part, (str, bytes)):
        hint = "If this is its JSON, give json.loads(...) of it."
    if not isinstance(part, Mapping):
        raise InputError(f"from_config: {name} must be a dictionary, got {part!r:.100}. {hint}")
    missing = [key for key in keys if key not in part]
    if missing:
        raise InputError(f"from_config: {name} lacks {' and '.join(missing)}. {hint}")


def own_classes(layers: Any) -> list[Any]:
    """Classes and initializers of the caller's own, for a file that uses them.

    >>> from tinynn import Dense
    >>> own_classes(Dense)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: layers must be a list of your own classes, got <class
        'tinynn.layers.basic.Dense'>. Write
        layers=[Dense].
    """
    if not isinstance(layers, (list, tuple, set, frozenset)):
        hint = f" Write layers=[{layers.__name__}]." if hasattr(layers, "__name__") else ""
        raise InputError(f"layers must be a list of your own classes, got {layers!r}.{hint}")
    for thing in layers:
        if not callable(thing) or not hasattr(thing, "__name__"):
            raise InputError(
                f"layers must be a list of classes, such as [{type(thing).__name__}], not of "
                f"{thing!r}."
            )
    return list(layers)


def shape_after(shape: Any, layer: Any) -> Shape:
    """What a layer's output_shape returned: the shape of a sample, a tuple of whole numbers.

    >>> from tinynn import ReLU
    >>> shape_after(4, ReLU())
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: ReLU.output_shape returned 4; it must return the shape of one sample,
        a tuple such
        as (4,).
    """
    if not _is_shape(shape):
        hint = ' Forgot "return"?' if shape is None else ""
        raise InputError(
            f"{layer.name}.output_shape returned {shape!r}; it must return the shape of one "
            f"sample, a tuple such as ({shape if isinstance(shape, int) else 4},).{hint}"
        )
    return tuple(shape)


def parameter_shapes(shapes: Any, buffers: Any, layer: Any) -> None:
    """Names and shapes of a layer's parameters and buffers: no other attribute has such a name."""
    for returned, kind, example in (
        (shapes, "parameter", '{"W": (784, 512), "b": (512,)}'),
        (buffers, "buffer", '{"running_mean": (512,)}'),
    ):
        if not isinstance(returned, Mapping) or not all(map(_is_shape, returned.values())):
            hint = ' Forgot "return"?' if returned is None else ""
            raise InputError(
                f"{layer.name}.{kind}_shapes returned {returned!r}; it must return the shape of "
                f"each {kind} by its name, such as {example}.{hint}"
            )
    there = {
        *layer.parameters(),
        *layer.buffers(),
    }  # from an attempt that failed
    early = [name for name in (*shapes, *buffers) if _is_array_of(layer, name)]
    if early and not there:
        raise InputError(
            f"{layer.name} has no {early[0]} of its own before the model is built, but one was "
            f"assigned to it. Build the model first, then assign: model.layers[{layer.position}]."
            f"{early[0]} = ..., or fill it in initialize(self, rng)."
        )
    names = [*shapes, *(f"d{name}" for name in shapes), *buffers]
    taken = {*dir(layer)} if names else set()
    taken -= {*there, *(f"d{name}" for name in layer.parameters())}
    for name in names:
        if name in taken or names.count(name) > 1:
            kind = "buffer" if name in buffers else "parameter"
            raise InputError(
                f"{layer.name} has a {kind} {name!r}, but also another attribute of that name. "
                "Rename one of the two."
            )


def _is_shape(shape: Any) -> bool:
    """Whether this is a tuple (or list) of whole numbers, 0 or more each."""
    return isinstance(shape, (tuple, list)) and all(
        isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n >= 0 for n in shape
    )


def _is_array_of(layer: Any, name: str) -> bool:
    return isinstance(vars(layer).get(name), (np.ndarray, list))


def check_initial_values(W: Any, shape: Shape, layer: str) -> Any:
    """What an initializer returned: an array of the shape that it was asked for."""
    if np.shape(W) != shape:
        hint = ' Forgot "return"?' if W is None else ""
        if np.shape(W) == shape[::-1]:
            hint = " Is that its transpose? (fan_in, fan_out) is the order here."
        got = "None" if W is None else f"shape {np.shape(W)}"
        raise InputError(
            f"The initializer of {layer} was asked for shape {shape}, but returned {got}.{hint}"
        )
    return W


def something_trainable(model: Any) -> None:
    """Warn if training cannot change the model, because all layers are frozen."""
    if model.params.size and not any(one.trainable for one in model.layers if one.parameters()):
        warnings.warn(
            "All layers are frozen (trainable = False): training will change nothing.",
            stacklevel=5,
        )


def in_no_model(layer: str) -> InputError:
    """The error for a layer that draws random numbers, but is in no model."""
    return InputError(
        f"{layer} is in no model, but it draws random numbers from its model's seed and step. Make "
        "a model of it, Sequential([...], input_shape=...), and call that model."
    )


def equations(texts: Any, thing: Any, most: int) -> None:
    """The `equations` of a class: a tuple of texts.

    >>> from tinynn import ReLU
    >>> equations("out = 2 x", ReLU(), 3)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: ReLU.equations must be a tuple of up to 3 texts, got 'out = 2 x'.
        Write
        ('out = 2 x',).
    """
    fine = isinstance(texts, (tuple, list)) and all(isinstance(text, str) for text in texts)
    if not fine or len(texts) > most:
        hint = f" Write ({texts!r},)." if isinstance(texts, str) else ""
        hint = ' Forgot "return"?' if texts is None else hint
        hint = " Write @property above it." if callable(texts) else hint
        raise InputError(
            f"{type(thing).__name__}.equations must be a tuple of up to {most} texts, got "
            f"{texts!r:.100}.{hint}"
        )
