"""What is wrong between the layers, though each layer alone is right.

A layer changes an array that another one keeps, or a model's own method breaks the chain rule.
"""

from pathlib import Path
from typing import Any

from tinynn.gradcheck.walk import Walk
from tinynn.losses import Loss
from tinynn.model import Sequential


def suspect_in_place(model: Sequential, walk: Walk, name: str) -> str:
    """Say which array was changed in place, if layers are right alone and wrong together."""
    i = walk.layers[name]
    owner = model.layers[i].name if i < len(model.layers) else "the loss"
    answer = (
        f"SUSPECT  d{name.rpartition('.')[2]} of {owner}, in the model's own forward and backward: "
        "each layer alone, on copies of all arrays, is right.\nPATTERN  "
    )
    for change in walk.recording.changes:
        if change.keeper == i:
            by = getattr(change.by, "name", type(change.by).__name__)
            x = "x" if change.method == "forward" else "dout"
            x = "p" if isinstance(change.by, Loss) else x
            return answer + (
                f"{change.method} of {by} ({_place(getattr(change.by, change.method))}) changes in "
                f"place an array that {owner} keeps as {change.kept_as}, and needs in backward. "
                f"Write {x} = {x} * m there, not {x} *= m, or begin with {x} = {x}.copy()."
            )
    return answer + (
        "One layer changes in place the array that it is given, and another layer still needs this "
        "array. If forward writes into x, begin it with x = x.copy(); if input_gradient writes "
        "into dout, begin it with dout = dout.copy()."
    )


def overridden_methods(model: Sequential) -> list[str]:
    """Return which of Sequential's passes through the layers a user's own class overrides.

    >>> from tinynn import Dense
    >>> overridden_methods(Sequential([Dense(2)], input_shape=(3,)))
    []
    """
    names = ("backward", "input_gradient", "forward")
    own = [name for name in names if getattr(type(model), name) is not getattr(Sequential, name)]
    return [f"{type(model).__name__}.{name} ({_place(getattr(model, name))})" for name in own]


def suspect_model(model: Sequential, walk: Walk, name: str) -> str:
    """Say that a gradient is wrong though its layer is right: the layer got a wrong dout."""
    i = walk.layers[name]
    return (
        f"SUSPECT  d{name.rpartition('.')[2]} of {model.layers[i].name}, but not its layer: for "
        "the dout that it got, it returned the right one.\nPATTERN  The arrays between the layers "
        f"do not follow the chain rule. Look at {' and '.join(overridden_methods(model))}."
    )


def _place(method: Any) -> str:
    code = getattr(method, "__func__", method).__code__
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}"
