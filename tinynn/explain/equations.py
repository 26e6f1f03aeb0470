"""The equations on the page: those that each class gives, as long as they are true.

A class that overrides a method inherits the equation of the old method, but no longer does what
this equation says. The page then shows no equation.
"""

from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from tinynn import checks
from tinynn.layers import Layer
from tinynn.losses import Loss
from tinynn.losses.shares import ClassShares
from tinynn.optimizers import Optimizer
from tinynn.parameters import Array

UNKNOWN = "(no equation given)"  # for a method that the user wrote
# for each entry of a class's `equations`, the methods that it describes
LAYER = (("forward",), ("input_gradient", "backward"), ("parameter_gradients", "backward"))
LOSS = (("forward",), ("backward",))
STEP = (("update", "step"),) * 3


def layer_equations(layer: Layer) -> list[str]:
    """Return the equations of out, of dx and of the parameters' gradients."""
    return _where_they_hold(layer, layer.equations, LAYER)


def loss_equations(loss: Loss, y: Array) -> list[str]:
    """Return the equations of the loss and of dp; for classes y (B,), those of classes if given.

    With label smoothing or class weights they are those of rows, in the shares of the classes.
    """
    if isinstance(loss, ClassShares) and loss.changes_shares:
        texts = _where_they_hold(loss, loss.equations, LOSS)
        return [text if text == UNKNOWN else loss.in_shares(text, y) for text in texts]
    by = "equations_of_classes"
    if y.ndim == 1 and getattr(loss, by) and _depth(loss, by) <= _depth(loss, "equations"):
        return _where_they_hold(loss, loss.equations_of_classes, LOSS, by)
    return _where_they_hold(loss, loss.equations, LOSS)


def optimizer_equations(optimizer: Optimizer) -> list[str]:
    """Return the optimizer's short name, its update, and the formula of the predicted decrease."""
    rate = optimizer.rate(optimizer.t)
    short, update, formula = _where_they_hold(optimizer, optimizer.equations(rate), STEP)
    return [
        repr(optimizer) if short == UNKNOWN else short,
        update,
        "" if formula == UNKNOWN else f"{formula} = ",
    ]


def update_rule(layers: Iterable[Layer], update: str) -> str:
    """Return the equations of parameters' gradients, for each class of layer, and the update.

    Frozen layers, whose parameters stay as they are, have none. Layers of one class may differ, as
    Dense with and without a bias.
    """
    trained = [layer for layer in layers if layer.parameters() and layer.trainable]
    kinds = {(type(layer).__name__, layer_equations(layer)[2]): None for layer in trained}
    texts = {text for _, text in kinds}
    if len(texts) == 1 and UNKNOWN not in texts:
        return f"{texts.pop()},  {update}"
    known = [f"{kind}: {text};  " for kind, text in kinds if text != UNKNOWN]
    return f"{''.join(known)}each array: {update}"


def _where_they_hold(
    thing: Any,
    equations: tuple[str, ...],
    methods: tuple[tuple[str, ...], ...],
    by: str = "equations",
) -> list[str]:
    """Return the equations; UNKNOWN for one that is missing, or whose method was overridden.

    methods: for each equation, the names of the methods that it describes. A method is overridden
    if a subclass, or the object itself, has another one than the class that gives the equations.
    by: the attribute that holds the equations.

    >>> from tinynn import ReLU
    >>> class Leaky(ReLU):
    ...     def input_gradient(self, dout):
    ...         return dout * np.where(self.mask, 1, 0.1)
    >>> _where_they_hold(Leaky(), Leaky.equations, (("forward",), ("input_gradient",)))
    ['out = max(x, 0)', '(no equation given)']
    """
    checks.equations(equations, thing, len(methods))
    depth, texts = _depth(thing, by), []
    for equation, names in zip_longest(equations, methods, fillvalue=""):
        overridden = any(_depth(thing, name) < depth for name in names)
        texts.append(UNKNOWN if overridden or not equation else str(equation))
    return texts


def _depth(thing: Any, name: str) -> int:
    """Return where a name is defined: 0 on the object, 1 in its class, 2 and more in its bases."""
    spaces = [vars(thing), *map(vars, type(thing).__mro__)]
    return next(i for i, space in enumerate(spaces) if name in space)
