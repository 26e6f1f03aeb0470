"""The line of the caller's file in which a gradient is computed, or an exception was raised."""

import ast
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tinynn.clinic.names import array_of, tree_of
from tinynn.origin import is_in_package, is_own

STANDARD = sysconfig.get_path("stdlib")


class Place(NamedTuple):
    """A line of a file; line 0 if it is not known."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{Path(self.file).name}:{self.line}" if self.line else "an unknown line"


def own_method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method; for tinynn's Layer.backward, the user's own one that it calls."""
    thing = getattr(function, "__self__", None)
    if thing is None or is_own(function):
        return function
    methods = (getattr(thing, name, None) for name in ("input_gradient", "parameter_gradients"))
    return next((method for method in methods if method and is_own(method)), function)


def place_of(function: Callable[..., Any], array: str, arrays: list[str]) -> Place:
    """Return the line of a function that last computes the gradient of one of the arrays.

    If no line assigns to a name of it, this is the function's return, or its first line.
    """
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return Place("", 0)
    lines, returns = [], []
    for node in ast.walk(tree_of(function)):
        if isinstance(node, ast.Return):
            returns.append(_line_in_return(node, arrays.index(array) if array in arrays else 0))
        targets = list(getattr(node, "targets", ()))
        if isinstance(node, (ast.AugAssign, ast.AnnAssign)):
            targets = [node.target]
        for target in targets:
            for part in getattr(target, "elts", [target]):
                if _is_gradient(part, array, arrays):
                    lines.append(getattr(node, "lineno", 0))
    return Place(code.co_filename, max(lines or returns or [code.co_firstlineno]))


def _line_in_return(node: ast.Return, i: int) -> int:
    parts = getattr(node.value, "elts", [])
    return parts[i].lineno if i < len(parts) else node.lineno


def _is_gradient(target: ast.AST, array: str, arrays: list[str]) -> bool:
    """Whether a target is a name of this gradient: dW, self.dW, grads["W"], dW[...], W.grad."""
    short = array.rpartition(".")[2]
    if isinstance(target, ast.Name):
        return array_of(target.id, arrays) == array
    if isinstance(target, ast.Attribute):
        if target.attr == "grad":
            return getattr(target.value, "attr", getattr(target.value, "id", "")) == short
        return array_of(target.attr, arrays) == array
    if isinstance(target, ast.Subscript):
        key: Any = target.slice.value if isinstance(target.slice, ast.Constant) else None
        if isinstance(key, str):
            return key == short or array_of(key, arrays) == array
        return array.endswith(f"[{key}]") or _is_gradient(target.value, array, arrays)
    return False


def place_of_error(error: BaseException) -> Place:
    """Return the last line of the caller's own code that an exception passed through."""
    own = _own_frames(error)
    return Place(own[-1].filename, own[-1].lineno or 0) if own else Place("", 0)


def function_of_error(error: BaseException) -> str:
    """Return the name of the function in which that line stands; "" if there is none."""
    own = _own_frames(error)
    return own[-1].name if own else ""


def _own_frames(error: BaseException) -> list[traceback.FrameSummary]:
    frames = traceback.extract_tb(error.__traceback__)
    return [
        f
        for f in frames
        if not is_in_package(f.filename)
        and "site-packages" not in f.filename
        and not f.filename.startswith(("<", STANDARD))
        and f.filename.endswith(".py")
    ]
