"""One step by the model's own methods, with a recording of all arrays between the layers.

    x -> [ layer ] -> [ layer ] -> p -> loss      model.forward, as in training, without copies
         [ layer ] <- [ layer ] <- dp <- loss     model.backward, then model.input_gradient

Recording changes nothing. So it also shows when a layer writes into an array that another layer
keeps: then each layer is right alone, and the two are wrong together.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
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
    """One layer (or the loss) has changed an array that another layer keeps."""

    by: Any
    method: str
    keeper: int
    kept_as: str


@dataclass
class Recording:
    """What each layer got and returned, by the layer's position: copies, which never change.

    inputs: x. outs: what forward returned. douts and dxs: what backward got and returned. changes:
    of arrays that layers keep. kept: these arrays, and their bytes.
    """

    inputs: dict[int, Array] = field(default_factory=dict)
    outs: dict[int, Array] = field(default_factory=dict)
    douts: dict[int, Array] = field(default_factory=dict)
    dxs: dict[int, Array] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    kept: dict[tuple[int, str, int], tuple[Array, bytes]] = field(default_factory=dict)
    inside: bool = False  # a method of a layer, which may call other methods of that layer

    def recorded(self, i: int, layer: Layer, method: str) -> Callable[..., Any]:
        """Return a method of a layer that also records its argument and its result."""
        real = getattr(layer, method)
        forward = method == "forward"

        def called(array: Array, *rest: Any, **named: Any) -> Any:
            if self.inside:
                return real(array, *rest, **named)
            (self.inputs if forward else self.douts)[i] = array.copy()
            self.inside = True
            try:
                result = real(array, *rest, **named)
            finally:
                self.inside = False
            if isinstance(result, np.ndarray):
                (self.outs if forward else self.dxs)[i] = result.copy()
            self.note_changes(layer, method, i)
            if forward:
                for name, value in vars(layer).items():
                    for k, kept in enumerate([] if name in layer._views else _arrays(value)):
                        self.kept[i, name, k] = kept, kept.tobytes()
            return result

        return called

    def note_changes(self, by: Any, method: str, own: int | None = None) -> None:
        """Record which kept arrays have changed; a layer may change its own."""
        for (i, name, k), (array, before) in self.kept.items():
            now = array.tobytes()
            if now != before:
                self.kept[i, name, k] = array, now
                if i != own:
                    self.changes.append(Change(by, method, i, name))


def _arrays(value: Any) -> list[Array]:
    """Return the arrays in the value of a layer's attribute."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [a for part in value for a in _arrays(part)] if isinstance(value, (list, tuple)) else []


@contextmanager
def recording(model: Sequential) -> Iterator[Recording]:
    """Record what all layers of a model do. The model is a copy."""
    record = Recording()
    wrapped = [
        {m: record.recorded(i, one, m) for m in METHODS} for i, one in enumerate(model.layers)
    ]
    before = [{m: vars(layer)[m] for m in METHODS if m in vars(layer)} for layer in model.layers]
    for layer, methods in zip(model.layers, wrapped, strict=True):
        vars(layer).update(methods)
    try:
        with input_replaced(model.layers[0], _unchangeable):
            yield record
    finally:
        for layer, own in zip(model.layers, before, strict=True):
            for method in METHODS:
                del vars(layer)[method]
            vars(layer).update(own)


def _unchangeable(x: Array) -> Array:
    """Return x itself if it is read-only, otherwise a copy: no layer may change the data."""
    return x.copy() if x.flags.writeable else x


@contextmanager
def input_replaced(layer: Layer, change: Callable[[Array], Array]) -> Iterator[None]:
    """Let a layer's forward get change(x) instead of x."""
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
    """One step of a model: what each layer got and returned, and all gradients.

    x and y: the batch; y with the weights of samples if there are any. recording: of the step. p:
    the prediction. douts: the dout of each layer, and dp. dxs: the dx of each layer. gradients: by
    the names of the report's rows, from the loss back: those of the step, and those that only
    model.input_gradient computes. others: the dx of model.input_gradient, also where the step has
    one. layers: for each name, its layer's position. new: the parameters after backward, which
    should not have changed them.
    """

    x: Array
    y: tuple[Array, ...]
    recording: Recording
    p: Array
    douts: dict[int, Array]
    dxs: dict[int, Array]
    gradients: dict[str, Array]
    others: dict[str, Array]
    layers: dict[str, int]
    new: dict[str, Array]

    def input_of(self, name: str) -> Array:
        """Return the input of a row's layer, or of the loss."""
        return self.recording.inputs.get(self.layers[name], self.p)

    def output_of(self, name: str) -> Array:
        """Return the output of a row's layer; for the loss, its input."""
        return self.recording.outs.get(self.layers[name], self.p)


def restorer(model: Sequential) -> Callable[[], None]:
    """Return a function that sets a model back to the step and the buffers that it has now.

    If it is called before each forward, random layers draw the same numbers each time.
    """
    step, buffers = model.step, model.buffers.copy()

    def restore() -> None:
        model.step, model.buffers = step, buffers

    return restore


def take_step(model: Sequential, loss: Loss, x: Array, *y: Array) -> Walk:
    """Take a step as training does, without the update, then compute dx; then restore the model.

    y: the answers, and the weights of samples if there are any.
    """
    params, last, restore = model.params.copy(), len(model.layers), restorer(model)
    restore()
    with recording(model) as step:
        out = model.forward(x)
        p = out.copy()
        step.kept[last, "p", 0] = out, out.tobytes()
        loss.forward(out, *y)
        step.note_changes(loss, "forward")
        dp = np.asarray(loss.backward(out, *y))
        step.note_changes(loss, "backward")
        step.douts[last] = dp.copy()
        model.backward(dp)
    new = {name: view.copy() for name, view in model.named_parameters().items()}
    written = [
        {f"{layer.name}.{k}": getattr(layer, f"d{k}").copy() for k in layer.parameters()}
        if layer.trainable
        else {}
        for layer in model.layers
    ]
    model.params = params  # a wrong backward may have changed them
    restore()
    with recording(model) as below:
        dx = model.input_gradient(loss.backward(model.forward(x), *y)).copy()
    restore()
    first, dxs = model.first_trainable, {**below.dxs, **step.dxs}
    below.dxs[0] = dx
    gradients, layers = {"loss.p": step.douts[last]}, {"loss.p": last}
    others = {}
    for i, layer in reversed([*enumerate(model.layers)]):
        of_x = [
            each.dxs[i] for each in (step, below) if i in each.dxs and (each is below or i > first)
        ]
        found = {**written[i]}
        if i in step.inputs and of_x:
            found[f"{layer.name}.x"] = of_x[0]
        others.update({f"{layer.name}.x": of_x[-1]} if of_x else {})
        gradients.update(found)
        layers.update(dict.fromkeys(found, i))
    step.changes.extend(below.changes)
    douts = {**below.douts, **step.douts}
    return Walk(x, y, step, p, douts, dxs, gradients, others, layers, new)


def gradients_alone(model: Sequential, loss: Loss, x: Array, *y: Array) -> dict[str, Array]:
    """Return the gradients that the layers compute one after the other, each on copies."""
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
