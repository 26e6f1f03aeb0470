"""Functions: a pair with a cache, static methods, or one that returns (loss, gradients)."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinynn.clinic.arguments import Arguments
from tinynn.clinic.names import array_of, matched
from tinynn.clinic.subject import Step, Subject, changes, is_number
from tinynn.parameters import Array

CACHES = ("cache", "caches", "ctx", "saved", "memory", "state", "tape", "residuals")
OUTS = ("out", "outputs", "output", "a", "probs", "p", "y_pred")
OPTIONAL = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def signature(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters of a function that a call by position may fill."""
    found = inspect.signature(function).parameters.values()
    return [p for p in found if p.kind not in (*OPTIONAL, inspect.Parameter.KEYWORD_ONLY)]


def argument_names(function: Callable[..., Any], count: int) -> tuple[str, ...]:
    """Return names for so many arguments: those of the signature, then argument3, ..."""
    names = [p.name for p in signature(function)][:count]
    return (*names, *(f"argument{i}" for i in range(len(names), count)))


@dataclass
class Pair(Subject):
    """`out, cache = f(x, W, b)` and `dx, dW, db = f_backward(dout, cache)`.

    backward may take, by name, what forward took (x, W) or returned (out) instead of the cache.
    """

    arguments: Arguments
    form: str = field(init=False, default="a pair of functions")

    def run(self, arrays: dict[str, Array]) -> tuple[Any, Any]:
        values = self.arguments.filled(arrays)
        result = self.called(values)
        out, cache = result, None
        if isinstance(result, tuple) and len(result) > 1:
            out, cache = result[0], result[1] if len(result) == 2 else result[1:]
        return out, (cache, values)

    def called(self, values: tuple[Any, ...]) -> Any:
        """Call forward."""
        return self.forward(*values)

    def step(self, arrays: dict[str, Array], dout: Any) -> Step:
        given = {name: array.copy() for name, array in arrays.items()}
        out, (cache, values) = self.run(arrays)
        used = self.arguments.in_place(values)
        changed = changes(self.forward, given, used)
        kept = np.copy(out) if isinstance(out, np.ndarray) else out
        held = {**{k: v.copy() for k, v in used.items()}, "dout": np.copy(dout)}
        dout = np.array(dout) if isinstance(dout, np.ndarray) else dout
        result = self.backward(*self.for_backward(dout, cache, values, out))
        if self.is_derivative and isinstance(result, np.ndarray):
            result = dout * result
        gradients = matched(result, [*self.arrays], [*self.arguments.names], self.backward)
        changed += changes(self.backward, held, {**used, "dout": dout})
        return Step(kept, gradients, {k: v.copy() for k, v in used.items()}, changed)

    @property
    def is_derivative(self) -> bool:
        """Whether backward is f'(x), or a formula of out: it takes one of these alone, no dout."""
        names = [p.name for p in signature(self.backward) if p.default is p.empty]
        outs = len(self.arrays) == 1 and names[0].lower() in OUTS if names else False
        return len(names) == 1 and (names[0] in self.arguments.names or outs)

    def for_backward(self, dout: Any, cache: Any, values: tuple[Any, ...], out: Any) -> list[Any]:
        """Return the arguments of backward."""
        names = [p.name for p in signature(self.backward) if p.default is p.empty]
        of_forward = dict(zip(self.arguments.names, values, strict=True))
        if len(names) == 1:
            of_loss = is_number(out) and (names[0].lower() in CACHES or cache is not None)
            alone = out if self.is_derivative else cache if of_loss else dout
            return [of_forward.get(names[0], alone)]
        if isinstance(cache, tuple) and len(names) == len(cache) + 1 > 2:
            return [dout, *cache]
        found = []
        for i, name in enumerate(names):
            if name in of_forward:
                found.append(of_forward[name])
            elif name.lower() in CACHES:
                found.append(cache)
            elif i and name.lower() in OUTS:
                found.append(out)
            elif i == 0 or array_of(name, ["out", "z", "a", "y"]):
                found.append(dout)
            else:
                found.append(cache if cache is not None else out)
        return found


class Context:
    """What static methods keep for backward: attributes, or what save_for_backward gets."""

    saved_tensors: tuple[Any, ...] = ()
    saved_values: tuple[Any, ...] = ()
    needs_input_grad = (True,) * 20

    def save_for_backward(self, *values: Any) -> None:
        """Keep values."""
        self.saved_tensors = self.saved_values = values


@dataclass
class StaticClass(Pair):
    """A class with static `forward(ctx, x, ...)` and `backward(ctx, dout)`."""

    form: str = field(init=False, default="a class with static forward and backward")
    is_derivative = False

    def called(self, values: tuple[Any, ...]) -> Any:
        context = Context()
        return self.forward(context, *values), context

    def for_backward(self, dout: Any, cache: Any, values: tuple[Any, ...], out: Any) -> list[Any]:
        return [cache, dout]


@dataclass
class LossAndGradients(Subject):
    """`loss, grads = f(params, x, y)`: a number, and gradients as a dict, an array or a tuple."""

    arguments: Arguments
    form: str = field(init=False, default="a function that returns a loss and its gradients")

    def run(self, arrays: dict[str, Array]) -> tuple[Any, Any]:
        values = self.arguments.filled(arrays)
        result = self.forward(*values)
        loss, gradients = split_loss(result)
        return loss, (gradients, values)

    def step(self, arrays: dict[str, Array], dout: Any) -> Step:
        given = {name: array.copy() for name, array in arrays.items()}
        loss, (result, values) = self.run(arrays)
        used = self.arguments.in_place(values)
        gradients = matched(result, [*self.arrays], [*self.arguments.names], self.backward)
        if isinstance(result, dict):
            gradients = {
                k: v.copy() if isinstance(v, np.ndarray) else v for k, v in gradients.items()
            }
        return Step(loss, gradients, used, changes(self.forward, given, used))


class NoGradients(ValueError):
    """A function returns no loss together with gradients."""


def split_loss(result: Any) -> tuple[Any, Any]:
    """Return the loss and the gradients of (loss, gradients), (gradients, loss), (loss, dW, db).

    Raises NoGradients for another result.
    """
    if isinstance(result, tuple) and len(result) > 1:
        if is_number(result[0]):
            return result[0], result[1] if len(result) == 2 else result[1:]
        if is_number(result[-1]):
            return result[-1], result[0] if len(result) == 2 else result[:-1]
    raise NoGradients("no loss and gradients")
