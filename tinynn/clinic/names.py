"""Which gradient belongs to which array: by its name, as people write it, or by its place.

W:    dW  d_W  grad_W  W_grad  gW  dW_  dLdW  dL_dW  dJdW  dweights (for weights)
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable
from typing import Any

BEFORE = ("dl_d", "dj_d", "dl/d", "dld", "djd", "gradient_", "grad_", "delta_", "grad", "d_", "d",
          "g_", "g")  # fmt: skip
AFTER = ("_gradient", "_grad", ".grad", "grad", "_bar")
TARGETS = ("y", "t", "y_true", "ytrue", "target", "targets", "labels", "true")
INPUTS = ("x", "inputs", "input", "a_prev", "data")


class TooManyGradients(ValueError):
    """Code returns more gradients than it was given arrays."""


def array_of(gradient: str, arrays: Iterable[str]) -> str | None:
    """Return the name of the array that a gradient's name belongs to; None if there is none.

    >>> array_of("dW1", ["x", "W1", "b1"]), array_of("grad_weights", ["weights"])
    ('W1', 'weights')
    >>> array_of("mask", ["x"]), array_of("dinputs", ["x", "W"])
    (None, 'x')
    """
    exact = {name: name for name in arrays}
    folded = {name.lower().strip("_"): name for name in exact}
    name = gradient.strip("_")
    tries = [name[len(p) :] for p in BEFORE if name.lower().startswith(p) and len(p) < len(name)]
    tries += [name[: -len(s)] for s in AFTER if name.lower().endswith(s)]
    for table, change in ((exact, str), (folded, str.lower)):
        for part in tries:
            if change(part).strip("_") in table:
                return table[change(part).strip("_")]
    of_input = any(part.lower() in INPUTS for part in tries)
    first = next(iter(exact), None)
    return first if of_input and first and first.lower() in INPUTS else None


def returned_names(function: Callable[..., Any]) -> list[str]:
    """Return the names in the last return of a function; "" for what is no plain name.

    >>> returned_names(array_of)
    []
    """
    returns = [node for node in ast.walk(tree_of(function)) if isinstance(node, ast.Return)]
    if not returns:
        return []
    value = max(returns, key=lambda node: node.lineno).value
    parts = [part for each in _elements(value) for part in _elements(each)]  # also loss, (dw, db)
    names = [part.id if isinstance(part, ast.Name) else getattr(part, "attr", "") for part in parts]
    return names if any(names) else []


def _elements(node: Any) -> list[Any]:
    return node.elts if isinstance(node, (ast.Tuple, ast.List)) else [node]


def tree_of(function: Callable[..., Any]) -> ast.AST:
    """Return a function's code as a tree, with the line numbers of its file; empty if unknown."""
    function = getattr(function, "__func__", function)
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return ast.Module([], [])
    return ast.increment_lineno(tree, first - 1)


def matched(
    result: Any, arrays: list[str], all_arguments: list[str], function: Callable[..., Any]
) -> dict[str, Any]:
    """Return, by the array's name, the gradients that a function returned.

    result: an array, a tuple or list in the order of the arrays, or a dict by names. arrays: those
    that have a gradient. all_arguments: these, and the others, which may have a place too. Raises
    TooManyGradients if they are more than there are arrays.
    """
    if isinstance(result, dict):
        found = {key: key if key in arrays else array_of(str(key), arrays) for key in result}
        return {name: result[key] for key, name in found.items() if name is not None}
    parts = [*result] if isinstance(result, (tuple, list)) else [result]
    known_names = [*arrays, *(name for name in all_arguments if name not in arrays)]
    names = [array_of(name, known_names) for name in returned_names(function)]
    known = [name for name in names if name is not None]
    if 0 <= len(names) - len(parts) <= 1 and len({*known}) == len(known) == len(parts):
        places: list[str] = known
    elif len(parts) <= len(arrays):
        targets = [name for name in arrays if name.lower() in TARGETS]
        places = [n for n in arrays if n not in targets] + targets if len(parts) == 1 else arrays
    else:
        places = all_arguments
    if len(parts) > len(places):
        raise TooManyGradients(f"It returns {len(parts)} gradients for {len(places)} arrays.")
    pairs = zip(places, parts, strict=False)
    return {name: part for name, part in pairs if part is not None and name in arrays}
