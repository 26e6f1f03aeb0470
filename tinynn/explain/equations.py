"""The equations on the page: as each class tells them, and only where they still hold.

A class that writes a method anew inherits the equation of the old one, which is no longer what it
does. The page then says so, and shows no equation.
"""

from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from tinynn import checks
from tinynn.layers import Layer
from tinynn.losses import Loss
from tinynn.optimizers import Optimizer
from tinynn.parameters import Array

OWN = "(as this class has it)"  # of what a learner wrote, no equation is known
# for each of a class's `equations` the methods that it is of
LAYER = (("forward",), ("input_gradient", "backward"), ("parameter_gradients", "backward"))
LOSS = (("forward",), ("backward",))
STEP = (("update", "step"),) * 3


def layer_equations(layer: Layer) -> list[str]:
    """Return the equations of out, of dx and of the parameters' gradients."""
    return _where_they_hold(layer, layer.equations, LAYER)


def loss_equations(loss: Loss, y: Array) -> list[str]:
    """Return the equations of the loss and of dp: for y of classes, unless a class has others."""
    by = "equations_of_classes"
    if y.ndim == 1 and getattr(loss, by) and _depth(loss, by) <= _depth(loss, "equations"):
        return _where_they_hold(loss, loss.equations_of_classes, LOSS, by)
    return _where_they_hold(loss, loss.equations, LOSS)


def optimizer_equations(optimizer: Optimizer) -> list[str]:
    """Return the optimizer in short, its update, and the formula of what the gradient promises."""
    rate = optimizer.rate(optimizer.t)
    short, update, formula = _where_they_hold(optimizer, optimizer.equations(rate), STEP)
    return [
        repr(optimizer) if short == OWN else short,
        update,
        "" if formula == OWN else f"{formula} = ",
    ]


def update_rule(layers: Iterable[Layer], update: str) -> str:
    """Return how parameters get their gradients, for each kind of layer, then the update."""
    with_own = [layer for layer in layers if layer.parameters()]
    kinds = {type(layer): layer_equations(layer)[2] for layer in with_own}
    if len({*kinds.values()}) == 1 and OWN not in kinds.values():
        return f"{kinds.popitem()[1]},  {update}"
    known = [f"{kind.__name__}: {told};  " for kind, told in kinds.items() if told != OWN]
    return f"{''.join(known)}each array: {update}"


def _where_they_hold(
    thing: Any,
    equations: tuple[str, ...],
    methods: tuple[tuple[str, ...], ...],
    by: str = "equations",
) -> list[str]:
    """Return the equation of each method, as its class tells it, or OWN where it tells of another.

    methods: for each equation the names of those that do the work. One that a class below has
    written anew, or that was set on the object, is no longer what the equation was written of. by:
    the attribute that tells.

    >>> from tinynn import ReLU
    >>> class Leaky(ReLU):
    ...     def input_gradient(self, dout):
    ...         return dout * self.slope
    >>> _where_they_hold(Leaky(), Leaky.equations, (("forward",), ("input_gradient",)))
    ['out = max(x, 0)', '(as this class has it)']
    """
    checks.equations(equations, thing, len(methods))
    depth, told = _depth(thing, by), []
    for equation, names in zip_longest(equations, methods, fillvalue=""):
        anew = any(_depth(thing, name) < depth for name in names)
        told.append(OWN if anew or not equation else str(equation))
    return told


def _depth(thing: Any, name: str) -> int:
    """Return where a name is defined: 0 on the object, 1 in its class, then in those above it."""
    spaces = [vars(thing), *map(vars, type(thing).__mro__)]
    return next(i for i, space in enumerate(spaces) if name in space)
