"""What a student is told of a value, and what he is not told: no part of a solution."""

import ast
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinynn.exercises.wire import Kept
from tinynn.parameters import Array, Shape

CODE = re.compile(r"[@=*/]|np\.|\w\(|\[.*\]")  # what would be a part of the solution
HINTS = {  # a part of the text of an exception: what to say besides
    "truth value of an array": "An if asks about one number, and it was given a whole array.",
    "could not be broadcast": "Two shapes do not fit: print both .shape before this line.",
    "mismatch in its core dimension": "Two shapes do not fit: print both .shape before this line.",
    "non-broadcastable output": "The result of the line is larger than what it changes in place.",
    "could not broadcast": "What stands on the right has another shape than its place on the left.",
    "shape-mismatch": "Two shapes do not fit: print both .shape before this line.",
    "is not a file in the archive": "The names differ from file to file: which has this one?",
    "cannot be empty": "Something is drawn from nothing: print what it is drawn from.",
    "not aligned": "Two shapes do not fit: print both .shape before this line.",
    "local variable": "It is used before a line of this function gives it a value.",
    "for ^:": "In Python ^ is no power: that is written **.",
    "bitwise_xor": "In Python ^ is no power: that is written **.",
    "Generator' object has no": "Its functions are normal, standard_normal, uniform, random ...",
    "tuple index out of range": "A shape has fewer numbers: how many axes can the array have?",
    "arrays used as indices": "They hold other numbers. A comparison gives True and False.",
    "is not defined": "Is it spelt as in the exercise, and assigned in this function?",
    "missing 1 required": "Is a function called with all its arguments?",
    "import of tinynn": "These exercises are written in NumPy alone.",
    "No module named": "These exercises are written in NumPy alone.",
    "module 'numpy' has no attribute": "NumPy has nothing of this name: is it spelt right?",
    "unexpected keyword": "No argument has this name: is it spelt right?",
    "arrays can be converted to Python scalars": "A function for one number, as those of math are, "
    "was given a whole array. NumPy has one for arrays.",
    "UnpicklingError": "pickle did not write this file: which function of NumPy reads it?",
    "builtin_function_or_method'": "A function stands there, and is not called: has it brackets?",
    "_ArrayFunctionDispatcher'": "A function stands there, and is not called: has it brackets?",
    "'method'": "A function stands there, and is not called: has it brackets?",
    "'function'": "A function stands there, and is not called: has it brackets?",
    "object is not callable": "Is an operator missing before a bracket, or has a number been given "
    "the name of a function?",
    "support item assignment": "What stands before the bracket is no array here.",
    "object is not subscriptable": "What stands before the bracket is no array here.",
}

NOT_CALLED = "builtin_function_or_method", "method", "function", "_ArrayFunctionDispatcher"


def same(found: Any, right: Any) -> bool:
    """Whether a result is right, to rounding: 1e-6 of the largest number, 1e-3 in float32.

    >>> same([1, 2], np.array([1.0, 2.0])), same(np.ones((1, 2)), np.ones(2)), same(None, 1.0)
    (True, False, False)
    """
    right = np.asarray(right)
    try:
        array = np.asarray(found)
    except ValueError:  # rows of different lengths
        return False
    if array.shape != right.shape or array.dtype.kind not in "biuf":
        return False
    if array.dtype.kind == "b" != right.dtype.kind:
        return False
    tolerance = 1e-3 if array.dtype in (np.float32, np.float16) else 1e-6
    size = float(np.abs(right[np.isfinite(right)]).max(initial=0)) or 1.0
    return bool(np.allclose(array, right, rtol=0, atol=tolerance * size, equal_nan=True))


def shown(value: Any, digits: int = 4) -> str:
    """Return a value as text, on one line.

    >>> shown((np.array([[1.0, -2.5]]), 3)), shown(1 / 3, 6)
    ('([[1, -2.5]], 3)', '0.333333')
    """
    if isinstance(value, tuple):
        return f"({', '.join(shown(part, digits) for part in value)})"
    if isinstance(value, Kept):
        return kind_of(value)
    if isinstance(value, (float, np.floating)) and not isinstance(value, np.ndarray):
        return f"{value + 0.0:.{digits}g}"
    if isinstance(value, (np.ndarray, list)):
        try:
            array = np.asarray(value)
        except ValueError:
            return "a list with rows of different lengths"
        if array.size > 40:
            return f"an array of shape {array.shape}"
        numbers: Any = {"float_kind": lambda number: f"{number + 0.0:.{digits}g}"}
        text = np.array2string(array, separator=", ", formatter=numbers)
        return " ".join(text.split())
    return str(value)[:100]


def sizes_of(names: Sequence[str], values: Sequence[Any]) -> str:
    """Return the names and shapes of arrays of random numbers.

    >>> sizes_of(["x", "t"], [np.ones(3), 2])
    'random x of shape (3,)'
    """
    pairs = zip(names, values, strict=True)
    sizes = [f"{n} of shape {v.shape}" for n, v in pairs if isinstance(v, np.ndarray)]
    return f"random {', '.join(sizes)}"


def of_arguments(definition: ast.FunctionDef, right: tuple[str, ...]) -> tuple[str, str]:
    """Return why a function cannot be called as the exercise does, and what else is to be said.

    >>> of_arguments(ast.parse("def loss(y, p): return p").body[0], ("p", "y"))[0]
    'Its arguments have changed places: the exercise calls it with p, y.'
    """
    arguments = definition.args
    names = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
    needed = len(names) - len(arguments.defaults)
    called = f"the exercise calls it with {', '.join(right)}"
    if needed > len(right) or (len(names) < len(right) and not arguments.vararg):
        return f"Its arguments are {', '.join(names) or 'none'}, and {called}.", ""
    if (*names,) != right and sorted(names) == sorted(right):
        return f"Its arguments have changed places: {called}.", ""
    other = (*names[: len(right)],) != right and not arguments.vararg
    return "", f"Its arguments have other names: {called}, in this order. " if other else ""


def shape_of(value: Any) -> Shape | None:
    """Return the shape of an array or of nested lists; None of lists of different lengths."""
    try:
        return np.shape(value)
    except ValueError:
        return None


def kind_of(value: Any) -> str:
    """Return what kind of value it is, in words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}" if value.ndim else "one number"
    if isinstance(value, Kept) and value.kind in NOT_CALLED:
        return "a function that is not called"
    if isinstance(value, Kept):
        return f"an object of class {value.kind}"
    if value is None or isinstance(value, (int, float)):
        return "None" if value is None else "one number"
    return "a text" if isinstance(value, str) else f"a {type(value).__name__}"


def without_solution(sentence: str) -> str:
    """Return the clinic's words without those that are code.

    >>> without_solution("W is transposed: dout @ W.T. Look there.")
    'W is transposed. Look there.'
    >>> without_solution("It is a mean: b acts on each of them; write sum(dout).")
    'It is a mean: b acts on each of them.'
    """
    parts = re.split(r"(?<=[.:;?]) ", sentence)
    code = [bool(CODE.search(part)) for part in parts]
    kept = [f"{part[:-1]}." if part[-1] in ":;" and next_is_code else part
            for part, is_code, next_is_code in zip(parts, code, [*code[1:], True], strict=True)
            if not is_code]  # fmt: skip
    text = " ".join(kept)
    return text or "No usual mistake."


def unlike(found: Any, right: Any) -> str:
    """Say what is wrong with a result of another shape or kind; "" if it is of the right one.

    >>> unlike(np.ones((1, 3)), np.ones(3)), unlike("3", 3.0)
    ('Its shape is (1, 3), expected (3,).', 'It is a text, and no array of numbers.')
    """
    if not isinstance(found, (np.ndarray, list, int, float)):
        return f"It is {kind_of(found)}, and no array of numbers."
    try:
        array: Array = np.asarray(found)
    except ValueError:
        return "Its rows have different lengths."
    if array.dtype.kind == "b" != np.asarray(right).dtype.kind:
        return "It holds True and False, and no numbers."
    if array.dtype.kind == "c":
        return "Its numbers are complex."
    if array.shape != np.shape(right):
        return f"Its shape is {array.shape}, expected {np.shape(right)}."
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return "It holds NaN or infinity."
    return ""


def hint(text: str) -> str:
    """Return what to say of an exception besides its text; "" if nothing is known.

    >>> hint("name 'p' is not defined")
    ' Is it spelt as in the exercise, and assigned in this function?'
    """
    return next((f" {HINTS[part]}" for part in HINTS if part in text), "")
