"""An object with forward and backward: where it keeps its parameters and their gradients.

    self.W, self.dW                             attributes, as array_of reads their names
    self.params["W"], self.grads["W"]           dicts; the gradient's key may be "dW"
    self.params[0], self.grads[0]               lists
    self.W.data, self.W.grad                    an object for each parameter

The object itself is never changed: each use begins with a copy, in float64.
"""

import copy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinynn.clinic.arguments import Arguments
from tinynn.clinic.functions import argument_names, signature, split_loss
from tinynn.clinic.names import array_of, matched
from tinynn.clinic.subject import Step, Subject, changes, is_number
from tinynn.errors import InputError
from tinynn.parameters import Array

METHODS = (  # (forward, backward), or twice the one that does both
    ("forward", "backward"),
    ("__call__", "backward"),
    ("forward_propagation", "backward_propagation"),
    ("forward_pass", "backward_pass"),
    ("forward_prop", "backward_prop"),
    ("forward", "backprop"),
    ("loss", "loss"),
    ("loss_and_gradients", "loss_and_gradients"),
    ("gradient", "gradient"),
)
RATE = 0.5  # a learning rate, for a backward that takes one
OUTPUTS = ("output", "out", "outputs")  # where forward keeps what it does not return
Path = tuple[Any, ...]  # of attributes (str) and keys or places ([key])


def value_at(thing: Any, path: Path) -> Any:
    """Return what an object keeps at a path; None if nothing is there.

    >>> value_at(2.0, ("real",)), value_at({"a": [5]}, (["a"], [0]))
    (2.0, 5)
    """
    for part in path:
        try:
            thing = thing[part[0]] if isinstance(part, list) else getattr(thing, part)
        except (AttributeError, LookupError, TypeError):
            return None
    return thing


def output_of(thing: Any, result: Any) -> Any:
    """Return what forward returned; if that is nothing, what the object keeps as its output."""
    if result is not None:
        return result
    return next((vars(thing)[n] for n in OUTPUTS if n in vars(thing)), None)


def arrays_in(thing: Any) -> dict[str, tuple[Path, Array]]:
    """Return an object's arrays of floating-point numbers: name -> (path, array)."""
    found: dict[str, tuple[Path, Array]] = {}
    for name, value in vars(thing).items():
        parts: list[tuple[str, Path, Any]] = [(name, (name,), value)]
        if isinstance(value, dict):
            parts = [(f"{name}.{k}", (name, [k]), part) for k, part in value.items()]
        elif isinstance(value, (list, tuple)):
            parts = [(f"{name}[{i}]", (name, [i]), part) for i, part in enumerate(value)]
        for key, path, part in parts:
            for inner in ("data", "value"):
                held = vars(part).get(inner) if hasattr(part, "__dict__") else None
                if isinstance(held, np.ndarray) and hasattr(part, "grad"):
                    path, part = (*path, inner), held
                    break
            if isinstance(part, np.ndarray) and part.dtype.kind == "f":
                found[key] = path, part
    return found


def single_arrays(thing: Any, memo: dict[int, Any], depth: int = 0) -> dict[int, Any]:
    """Return, for deepcopy, a copy in float64 of each float32 array that an object reaches."""
    if isinstance(thing, np.ndarray):
        if thing.dtype == np.float32:
            memo.setdefault(id(thing), thing.astype(np.float64))
    elif depth < 4:
        inner = thing.values() if isinstance(thing, dict) else thing
        if hasattr(thing, "__dict__"):
            inner = vars(thing).values()
        if isinstance(inner, (list, tuple)) or inner is not thing:
            for part in inner:
                single_arrays(part, memo, depth + 1)
    return memo


def gradients_of(thing: Any, before: dict[str, tuple[Path, Array]]) -> dict[str, tuple[Path, Path]]:
    """Return, for each parameter, where it and its gradient are kept after a step.

    before: the object's arrays before its first step: only these may be parameters.
    """
    after = arrays_in(thing)
    pairs: dict[str, tuple[Path, Path]] = {}
    for name, (path, _) in before.items():
        if path[-1] in ("data", "value"):
            pairs[name] = path, (*path[:-1], "grad")
    for name, (path, _) in after.items():
        owner, *rest = path
        if not rest:
            match = array_of(name, [n for n, (p, _) in before.items() if len(p) == 1])
            if match and match != name:
                pairs[match] = before[match][0], path
        elif _keeps_gradients(owner):
            key = rest[0][0]
            for other, (place, _) in before.items():
                if len(place) == 2 and place[0] != owner and isinstance(place[1], list):
                    of = place[1][0]
                    by_name = isinstance(of, str) and array_of(str(key), [of]) == of
                    if key == of or by_name:
                        pairs[other] = place, path
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@dataclass
class Object(Subject):
    """An object with forward(x) and backward(dout), or with loss(x, y) -> (loss, gradients).

    thing: the object. arguments: of forward. paths: of each parameter: where it is, and where its
    gradient is, () if that is returned. without: the other arrays that it keeps and uses.
    """

    thing: Any
    arguments: Arguments
    paths: dict[str, tuple[Path, Path]]
    form: str = field(init=False, default="an object with forward and backward")

    def begun(self, arrays: dict[str, Array]) -> "Object":
        memo = single_arrays(self.thing, {})
        for name, (path, _) in self.paths.items():
            memo[id(value_at(self.thing, path))] = arrays[name].copy()
        thing = copy.deepcopy(self.thing, memo)
        forward, backward = (getattr(thing, f.__name__) for f in (self.forward, self.backward))
        return replace(self, arrays=self.arrays, forward=forward, backward=backward, thing=thing)

    @property
    def in_one(self) -> bool:
        """Whether one method returns the loss and all gradients."""
        return self.forward.__name__ == self.backward.__name__

    @property
    def updates(self) -> bool:
        """Whether backward takes a learning rate too, and subtracts the gradients itself."""
        needed = [p for p in signature(self.backward) if p.default is p.empty]
        return not self.in_one and len(needed) == 2

    def run(self, arrays: dict[str, Array]) -> tuple[Any, Any]:
        values = self.arguments.filled(arrays)
        result = self.forward(*values)
        result = output_of(self.thing, result)
        out, gradients = split_loss(result) if self.in_one else (result, None)
        return out, (gradients, values)

    def step(self, arrays: dict[str, Array], dout: Any) -> Step:
        mine = self.arguments.arrays()
        given = {name: arrays[name].copy() for name in mine}
        held = {name: np.copy(value_at(self.thing, p)) for name, (p, _) in self.paths.items()}
        out, (result, values) = self.run(arrays)
        used = self.arguments.in_place(values)
        changed = changes(self.forward, given, used)
        kept = np.copy(out) if isinstance(out, np.ndarray) else out
        if not self.in_one:
            before = {**{k: v.copy() for k, v in used.items()}, "dout": np.copy(dout)}
            dout = np.array(dout) if isinstance(dout, np.ndarray) else dout
            takes_none = is_number(out) and not signature(self.backward)
            rate = [RATE] if self.updates else []
            result = self.backward() if takes_none else self.backward(dout, *rate)
            if result is None:
                result = self._kept_gradient([*mine])
            changed += changes(self.backward, before, {**used, "dout": dout})
        found = {name: value_at(self.thing, path) for name, (_, path) in self.paths.items() if path}
        if result is not None:
            names = [*mine, *self.paths]
            found |= matched(result, names, [*self.arguments.names, *self.paths], self.backward)
        gradients = {k: np.copy(v) for k, v in found.items() if v is not None}
        new = {name: np.copy(value_at(self.thing, p)) for name, (p, _) in self.paths.items()}
        if self.updates:
            gradients |= {n: (held[n] - new[n]) / RATE for n in new if (held[n] != new[n]).any()}
            new = held
        return Step(kept, gradients, {**new, **used}, changed)

    def _kept_gradient(self, inputs: list[str]) -> dict[str, Any] | None:
        """Return the inputs' gradients that the object keeps as dx or dinputs."""
        named = {n: array_of(n, inputs) for n in vars(self.thing)}
        kept = {k: vars(self.thing)[n] for n, k in named.items() if k}
        return {k: v for k, v in kept.items() if isinstance(v, np.ndarray)} or None


def methods_of(thing: Any) -> tuple[str, str] | None:
    """Return the names of an object's or a class's forward and backward; None if it has none."""
    both = (names for names in METHODS if all(callable(getattr(thing, n, None)) for n in names))
    return next(both, None)


def object_of(thing: Any, name: str, inputs: tuple[Any, ...]) -> Object:
    """Return the Subject for an object and the inputs of its forward. It runs a step of a copy.

    Raises InputError if the object has neither pair of methods.
    """
    names = methods_of(thing)
    if names is None:
        raise InputError(
            f"check_function: {name} has no method forward(x) with backward(dout), and no method "
            "loss(x, y) that returns the loss and the gradients."
        )
    forward, backward = getattr(thing, names[0]), getattr(thing, names[1])
    arguments = Arguments(argument_names(forward, len(inputs)), inputs)
    before = _short(arrays_in(thing))
    every = {n: (path, ()) for n, (path, _) in before.items()}
    whole = Object(
        name, arguments.arrays(), frozenset(), forward, backward, thing, arguments, every
    )
    values = {n: array.astype(np.float64) for n, (_, array) in before.items()}
    with whole.alike():
        tried = whole.begun({**values, **whole.arrays})
        out = np.asarray(tried.run(whole.arrays)[0])
        tried = whole.begun({**values, **whole.arrays})
        dout = 1.0 if out.ndim == 0 else np.ones(out.shape)
        returned = tried.step({**whole.arrays, **values}, dout).gradients
    paths = gradients_of(tried.thing, before)
    paths |= {n: every[n] for n in returned if n in every and n not in paths}
    whole.without = tuple(n for n in before if n not in paths and _matters(whole, values, n, out))
    whole.paths = paths
    whole.parameters = frozenset(paths)
    whole.arrays |= {n: values[n].copy() for n in paths}
    return whole


def _matters(whole: Object, values: dict[str, Array], name: str, out: Array) -> bool:
    """Whether forward's output depends on one of the arrays that the object keeps."""
    arrays = {**values, **whole.arrays, name: values[name] * 1.5 + 0.25}
    try:
        with whole.alike():
            other = np.asarray(whole.begun(arrays).run(whole.arrays)[0])
    except Exception:  # it may refuse such numbers: then nothing is known
        return False
    return other.shape == out.shape and not np.array_equal(other, out, equal_nan=True)


def _short(arrays: dict[str, tuple[Path, Array]]) -> dict[str, tuple[Path, Array]]:
    """Name arrays by their last part, params.W as W, if no other but a gradient has the same."""
    own = [n for n, (path, _) in arrays.items() if not _keeps_gradients(path[0])]
    last = [n.rpartition(".")[2] for n in own]
    names = {n: s for n, s in zip(own, last, strict=True) if last.count(s) == 1}
    return {names.get(n, n): value for n, value in arrays.items()}


def _keeps_gradients(attribute: str) -> bool:
    """Whether an attribute's name says that it is a dict or a list of gradients."""
    return "grad" in attribute.lower() or attribute.lower().startswith("d")
