"""A step as the model itself takes it, with all that passes from layer to layer written down.

    x -> [ layer ] -> [ layer ] -> p -> loss      model.forward, as in training, without copies
         [ layer ] <- [ layer ] <- dp <- loss     model.backward, then model.input_gradient

Whoever listens at the layers changes nothing. So it is seen, too, when one of them writes into an
array that another one keeps: alone each is right, and together they are not.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.layers import Layer
from tinynn.losses import Loss
from tinynn.model import Sequential
from tinynn.parameters import Array

METHODS = ("forward", "parameter_gradients", "input_gradient", "backward")


@dataclass(frozen=True)
class Change:
    """One layer (or the loss) has written into an array that another layer keeps."""

    by: Any
    method: str
    keeper: int
    kept_as: str


@dataclass
class Heard:
    """What passed by the layers, by their positions: copies, so that nothing changes later.

    given: x. outs: what forward returned. douts and dxs: of backward. changes: see there.
    """

    given: dict[int, Array] = field(default_factory=dict)
    outs: dict[int, Array] = field(default_factory=dict)
    douts: dict[int, Array] = field(default_factory=dict)
    dxs: dict[int, Array] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    kept: dict[tuple[int, str, int], tuple[Array, bytes]] = field(default_factory=dict)
    inside: bool = False  # a method of a layer, which may call another one of its own

    def ear(self, i: int, layer: Layer, method: str) -> Callable[..., Any]:
        """Return a method of a layer that also writes down what it is given and returns."""
        real = getattr(layer, method)
        forward = method == "forward"

        def called(array: Array, *rest: Any, **named: Any) -> Any:
            if self.inside:
                return real(array, *rest, **named)
            (self.given if forward else self.douts)[i] = array.copy()
            self.inside = True
            try:
                result = real(array, *rest, **named)
            finally:
                self.inside = False
            if isinstance(result, np.ndarray):
                (self.outs if forward else self.dxs)[i] = result.copy()
            self.look(layer, method, i)
            if forward:
                for name, value in vars(layer).items():
                    for k, kept in enumerate([] if name in layer._views else _arrays(value)):
                        self.kept[i, name, k] = kept, kept.tobytes()
            return result

        return called

    def look(self, by: Any, method: str, own: int | None = None) -> None:
        """Write down which arrays that layers keep have changed; its own each may change."""
        for (i, name, k), (array, before) in self.kept.items():
            now = array.tobytes()
            if now != before:
                self.kept[i, name, k] = array, now
                if i != own:
                    self.changes.append(Change(by, method, i, name))


def _arrays(value: Any) -> list[Array]:
    """Return the arrays in what a layer keeps."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [a for part in value for a in _arrays(part)] if isinstance(value, (list, tuple)) else []


@contextmanager
def listening(model: Sequential) -> Iterator[Heard]:
    """Listen at all layers of a model, which is a copy."""
    heard = Heard()
    ears = [{m: heard.ear(i, one, m) for m in METHODS} for i, one in enumerate(model.layers)]
    before = [{m: vars(layer)[m] for m in METHODS if m in vars(layer)} for layer in model.layers]
    for layer, ear in zip(model.layers, ears, strict=True):
        vars(layer).update(ear)
    try:
        with handed(model.layers[0], _kept_as_it_is):
            yield heard
    finally:
        for layer, own in zip(model.layers, before, strict=True):
            for method in METHODS:
                del vars(layer)[method]
            vars(layer).update(own)


def _kept_as_it_is(x: Array) -> Array:
    """Return data that no layer can change: a model's own forward may have made them read-only."""
    return x.copy() if x.flags.writeable else x


@contextmanager
def handed(layer: Layer, change: Callable[[Array], Array]) -> Iterator[None]:
    """Let a layer's forward get change(x) in place of x."""
    own, real = vars(layer).get("forward"), layer.forward
    vars(layer)["forward"] = lambda x, *rest, **named: real(change(x), *rest, **named)
    try:
        yield
    finally:
        del vars(layer)["forward"]
        if own is not None:
            vars(layer)["forward"] = own


@dataclass(frozen=True)
class Walk:
    """One step of a model: what passed by each layer, and every gradient that came of it.

    x and y: the batch that it was taken at, y with the weights of samples if there are any. heard:
    of the step. douts: what each layer got from above. returned: its dx. gradients: by the names of
    the rows of a report, from the loss back: what the step computed, and below it what
    `input_gradient` did. others: of the same names, what `input_gradient` computed where the step
    did so too. layers: for each name, its layer's position. new: the parameters after backward,
    which should not have changed them.
    """

    x: Array
    y: tuple[Array, ...]
    heard: Heard
    p: Array
    douts: dict[int, Array]
    returned: dict[int, Array]
    gradients: dict[str, Array]
    others: dict[str, Array]
    layers: dict[str, int]
    new: dict[str, Array]

    def given(self, name: str) -> Array:
        """Return what the layer of a row, or the loss, got."""
        return self.heard.given.get(self.layers[name], self.p)

    def returned_by(self, name: str) -> Array:
        """Return what the layer of a row returned; for the loss, what it got."""
        return self.heard.outs.get(self.layers[name], self.p)


def way_back(model: Sequential) -> Callable[[], None]:
    """Return what sets a model to the step and the buffers that it has now.

    Called before each forward it makes a model one function: with one draw of its random layers.
    """
    step, buffers = model.step, model.buffers.copy()

    def go_back() -> None:
        model.step, model.buffers = step, buffers

    return go_back


def own_walk(model: Sequential, loss: Loss, x: Array, *y: Array) -> Walk:
    """Take a step as training does, the update aside, then ask for dx. The model stays as it is.

    y: the answers, and weights of samples if there are any.
    """
    params, last, go_back = model.params.copy(), len(model.layers), way_back(model)
    go_back()
    with listening(model) as step:
        out = model.forward(x)
        p = out.copy()
        step.kept[last, "p", 0] = out, out.tobytes()
        loss.forward(out, *y)
        step.look(loss, "forward")
        dp = loss.backward(out, *y)
        step.look(loss, "backward")
        step.douts[last] = dp.copy()
        model.backward(dp)
    new = {name: view.copy() for name, view in model.named_parameters().items()}
    written = [
        {f"{layer.name}.{k}": getattr(layer, f"d{k}").copy() for k in layer.parameters()}
        if layer.trainable
        else {}
        for layer in model.layers
    ]
    model.params = params  # which a wrong backward may have changed
    go_back()
    with listening(model) as below:
        dx = model.input_gradient(loss.backward(model.forward(x), *y)).copy()
    go_back()
    first, returned = model.first_trainable, {**below.dxs, **step.dxs}
    below.dxs[0] = dx
    gradients, layers = {"loss.p": step.douts[last]}, {"loss.p": last}
    others = {}
    for i, layer in reversed([*enumerate(model.layers)]):
        of_x = [h.dxs[i] for h in (step, below) if i in h.dxs and (h is below or i > first)]
        found = {**written[i], **({f"{layer.name}.x": of_x[0]} if i in step.given and of_x else {})}
        others.update({f"{layer.name}.x": of_x[-1]} if of_x else {})
        gradients.update(found)
        layers.update(dict.fromkeys(found, i))
    step.changes.extend(below.changes)
    douts = {**below.douts, **step.douts}
    return Walk(x, y, step, p, douts, returned, gradients, others, layers, new)


def gradients_alone(model: Sequential, loss: Loss, x: Array, *y: Array) -> dict[str, Array]:
    """Return the gradients that the layers give one after the other, each on copies."""
    arrays = [x]
    for layer, shape in zip(model.layers, model.output_shapes, strict=True):
        out = layer.forward(arrays[-1].copy())
        checks.check_layer_output(out, (len(x), *shape), layer, "forward")
        arrays.append(out.copy())
    dout = loss.backward(arrays[-1].copy(), *y).copy()
    gradients = {"loss.p": dout}
    for layer, given in reversed([*zip(model.layers, arrays, strict=False)]):
        dout = layer.backward(dout.copy()).copy()
        checks.check_layer_output(dout, given.shape, layer, "input_gradient")
        gradients.update(
            {f"{layer.name}.{k}": getattr(layer, f"d{k}").copy() for k in layer.parameters()}
        )
        gradients[f"{layer.name}.x"] = dout
    return gradients


def together(model: Sequential, walk: Walk, name: str) -> str:
    """Say why a gradient is wrong in the model's own walk that is right layer by layer."""
    i = walk.layers[name]
    owner = model.layers[i].name if i < len(model.layers) else "the loss"
    said = (
        f"SUSPECT  d{name.rpartition('.')[2]} of {owner}, in the model's own forward and backward: "
        "each layer alone, on copies of all arrays, is right.\nPATTERN  "
    )
    for change in walk.heard.changes:
        if change.keeper == i:
            by = getattr(change.by, "name", type(change.by).__name__)
            x = "x" if change.method == "forward" else "dout"
            x = "p" if isinstance(change.by, Loss) else x
            return said + (
                f"{change.method} of {by} ({_place(getattr(change.by, change.method))}) changes in "
                f"place an array that {owner} keeps as {change.kept_as}, and needs in backward. "
                f"Write {x} = {x} * m there, not {x} *= m, or begin with {x} = {x}.copy()."
            )
    return said + (
        "One of them changes in place what it is given, and another still needs that. Begin "
        "forward with x = x.copy(), and input_gradient with dout = dout.copy(), where they write "
        "into it."
    )


def own_methods(model: Sequential) -> list[str]:
    """Return which of its ways through the layers a class of the user's own has written anew.

    >>> from tinynn import Dense
    >>> own_methods(Sequential([Dense(2)], input_shape=(3,)))
    []
    """
    ways = ("backward", "input_gradient", "forward")
    own = [way for way in ways if getattr(type(model), way) is not getattr(Sequential, way)]
    return [f"{type(model).__name__}.{way} ({_place(getattr(model, way))})" for way in own]


def between(model: Sequential, walk: Walk, name: str) -> str:
    """Say that a gradient is wrong though its layer did what it was asked to."""
    i = walk.layers[name]
    return (
        f"SUSPECT  d{name.rpartition('.')[2]} of {model.layers[i].name}, but not its layer: of the "
        "dout that it got, it gave the right one.\nPATTERN  What passes between the layers is not "
        f"what the chain rule says. Look at {' and '.join(own_methods(model))}."
    )


def _place(method: Any) -> str:
    code = getattr(method, "__func__", method).__code__
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}"
