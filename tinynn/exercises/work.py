"""What a grader asks of one function: numbers worked by hand, random numbers, the gradient check.

The first thing that is wrong is raised as Wrong: a sentence and a line for the student, without the
solution.
"""

import ast
import copy
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinynn.clinic import check_function
from tinynn.errors import InputError
from tinynn.exercises.asking import CallError, Student
from tinynn.exercises.wire import Kept, encode
from tinynn.parameters import Array

CODE = re.compile(r"[@=*/]|np\.|\w\(|\[.*\]")  # what would be a part of the solution
PLACEHOLDER = "NotImplementedError"
HINTS = {  # a part of the text of an exception: what to say besides
    "truth value of an array": "An if asks about one number, and it was given a whole array.",
    "could not be broadcast": "Two shapes do not fit: print both .shape before this line.",
    "mismatch in its core dimension": "Two shapes do not fit: print both .shape before this line.",
    "not aligned": "Two shapes do not fit: print both .shape before this line.",
    "is not defined": "Is it spelt as in the exercise, and assigned in this function?",
    "missing 1 required": "Is a function called with all its arguments?",
    "import of tinynn": "These exercises are written in NumPy alone.",
    "object is not callable": "Is an operator missing between a name and a bracket?",
    "object is not subscriptable": "What stands before the bracket is no array here.",
}


class NotBegun(Exception):
    """The function holds nothing but the placeholder."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class Wrong(Exception):
    """What is wrong with a function: a sentence, and the line of the student's file, or 0."""

    def __init__(self, sentence: str, line: int) -> None:
        super().__init__(sentence)
        self.sentence, self.line = sentence, line


class Work:
    """One function of a student.

    name: the function's. arguments: their names. changes: those that it may change in place.
    """

    def __init__(
        self, student: Student, name: str, arguments: tuple[str, ...], changes: tuple[str, ...] = ()
    ) -> None:
        self.student, self.name = student, name
        self.arguments, self.changes = arguments, changes
        if name not in student.names:
            raise Wrong(f"There is no function {name}. Do not rename it.", 0)

    def call(self, *values: Any) -> Any:
        """Return what the function returns for these values, of which it may get copies."""
        before = [_frozen(value) for value in values]
        try:
            result = self.student.call(self.name, values)
        except CallError as error:
            raise self._of_error(error) from error
        for name, old, new in zip(self.arguments, before, values, strict=True):
            if name not in self.changes and _frozen(new) != old:
                raise self.wrong(
                    f"It changes its argument {name} in place, which belongs to the caller. "
                    "Compute a new array, or work on a copy.",
                    name,
                )
        if result is None:
            raise self.wrong("It returns None. Is the line with return missing?")
        return result

    def by_hand(
        self, values: tuple[Any, ...], right: Any, mistakes: Mapping[str, Any] | None = None
    ) -> None:
        """Compare a result with numbers worked by hand, small enough to be shown.

        mistakes: sentence -> what a usual mistake returns for these values.
        """
        result = self.call(*copy.deepcopy(values))
        pairs = zip(self.arguments, values, strict=True)
        text = ", ".join(f"{name} = {shown(value)}" for name, value in pairs)
        text = f"For {text} it returns {shown(result)}, expected {shown(right)}."
        self._compare(result, right, text, mistakes or {})

    def like(
        self,
        formula: Callable[..., Any],
        values: tuple[Any, ...],
        mistakes: Mapping[str, Callable[..., Any]] | None = None,
        where: str = "",
    ) -> None:
        """Compare a result with that of a formula, for larger arrays.

        mistakes: sentence -> the formula of a usual mistake. where: what is special in the values.
        """
        with np.errstate(all="ignore"):
            right = formula(*copy.deepcopy(values))
            others = {s: wrong(*copy.deepcopy(values)) for s, wrong in (mistakes or {}).items()}
        result = self.call(*copy.deepcopy(values))
        sizes = [f"{n} of shape {v.shape}" for n, v in zip(self.arguments, values, strict=True)
                 if isinstance(v, np.ndarray)]  # fmt: skip
        text = f"The small example is right, but for {where or 'random ' + ', '.join(sizes)} "
        self._compare(result, right, text + "it returns other numbers than the equation.", others)

    def gradient(
        self,
        forward: Callable[..., Any],
        values: tuple[Any, ...],
        words: Mapping[str, str] | None = None,
    ) -> None:
        """Check the gradients by finite differences of a right forward function.

        words: the clinic's name of a mistake -> what to say of it, in place of the clinic's words.
        """
        self.student.error = None
        stub = self.student.function(self.name, self.arguments)
        try:
            report = check_function(forward, *values, backward=stub)
        except InputError as error:
            raise self.wrong(without_solution(str(error))) from error
        if report.ok:
            return
        finding = report.findings[0]
        if finding.mistake == "exception" and self.student.error:
            raise self._of_error(self.student.error)
        sentence = (words or {}).get(finding.mistake) or without_solution(finding.sentence)
        row = next((row for row in report.rows if row.name == finding.array and not row.ok), None)
        if row is not None:
            sentence = (
                f"d{row.name} is wrong. {sentence} (At {row.at} it is {row.backward:.4g}; finite "
                f"differences give {row.differences:.4g}.)"
            )
        elif finding.array:
            sentence = f"d{finding.array} is wrong. {sentence}"
        raise Wrong(sentence, finding.line)

    def wrong(self, sentence: str, item: str = "") -> Wrong:
        """Return a Wrong at the last line that assigns to a name, else at the last return."""
        lines = [node.lineno for node in self._nodes() if item and item in _assigned(node)]
        returns = [node.lineno for node in self._nodes() if isinstance(node, ast.Return)]
        definition = self.student.definitions.get(self.name)
        first = definition.lineno if definition else 0
        return Wrong(sentence, max(lines or returns or [first]))

    def _nodes(self) -> list[Any]:
        definition = self.student.definitions.get(self.name)
        return [*ast.walk(definition)] if definition else []

    def _compare(self, result: Any, right: Any, text: str, mistakes: Mapping[str, Any]) -> None:
        several = isinstance(right, tuple)
        if several and not (isinstance(result, (tuple, list)) and len(result) == len(right)):
            what = f"{len(result)} values" if isinstance(result, tuple) else kind_of(result)
            raise self.wrong(f"It returns {what}, expected {len(right)} values.")
        items = [*zip(result, right, strict=True)] if several else [(result, right)]
        for k, (found, expected) in enumerate(items):
            if same(found, expected):
                continue
            which = f"Value {k + 1} of {len(right)}: " if several else ""
            for sentence, wrong in mistakes.items():
                if same(found, wrong[k] if several else wrong):
                    raise self.wrong(f"{which}{sentence} {text}")
            raise self.wrong(f"{which}{_unlike(found, expected)}{text}")

    def _of_error(self, error: CallError) -> Exception:
        definition = self.student.definitions.get(error.function)
        if error.kind == PLACEHOLDER:
            if error.function != self.name:
                return Wrong(f"It calls {error.function}, which is not begun.", error.line)
            if definition and _only_placeholder(definition):
                return NotBegun(error.line)
            return Wrong("The placeholder still stands after your lines: delete its line, raise "
                         f"{PLACEHOLDER}.", error.line)  # fmt: skip
        known = error.function in self.student.names and error.function != self.name
        inside = f" in {error.function}" if known else ""
        if error.kind == "SystemExit":
            return Wrong(f"It ends the program{inside}, and returns nothing.", error.line)
        if error.kind == "EOFError":
            return Wrong(f"It asks for input(){inside}: there is nobody to answer.", error.line)
        if error.kind == "MemoryError":
            return Wrong(f"It needs more memory than there is{inside}.", error.line)
        hint = next((f" {HINTS[part]}" for part in HINTS if part in error.text), "")
        text = error.text if error.text.endswith((".", "?", "!")) else f"{error.text}."
        return Wrong(f"It raises{inside} {text}{hint}", error.line)


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
    size = float(np.abs(right).max(initial=0))
    return bool(np.allclose(array, right, rtol=0, atol=tolerance * size, equal_nan=True))


def shown(value: Any) -> str:
    """Return a value as text, on one line.

    >>> shown((np.array([[1.0, -2.5]]), 3))
    '([[1, -2.5]], 3)'
    """
    if isinstance(value, tuple):
        return f"({', '.join(map(shown, value))})"
    if isinstance(value, Kept):
        return f"an object of class {value.kind}"
    if isinstance(value, (float, np.floating)) and not isinstance(value, np.ndarray):
        return f"{value + 0.0:.4g}"
    if isinstance(value, (np.ndarray, list)):
        try:
            array = np.asarray(value)
        except ValueError:
            return "a list with rows of different lengths"
        if array.size > 40:
            return f"an array of shape {array.shape}"
        numbers = {"float_kind": lambda number: f"{number + 0.0:.4g}"}
        text = np.array2string(array, separator=", ", formatter=numbers)
        return " ".join(text.split())
    return str(value)[:100]


def kind_of(value: Any) -> str:
    """Return what kind of value it is, in words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}" if value.ndim else "one number"
    if isinstance(value, Kept):
        return f"an object of class {value.kind}"
    return "one number" if isinstance(value, (int, float)) else f"a {type(value).__name__}"


def without_solution(sentence: str) -> str:
    """Return the clinic's words without those that are code.

    >>> without_solution("W is transposed: dout @ W.T. Look there.")
    'W is transposed. Look there.'
    """
    parts = re.split(r"(?<=[.:;?]) ", sentence)
    kept = [part for part in parts if not CODE.search(part)]
    text = " ".join(part if part[-1] in ".?" else f"{part[:-1]}." for part in kept)
    return text or "No usual mistake."


def _frozen(value: Any) -> str:
    """Return a value's numbers as text, to see later whether they have changed."""
    return json.dumps(encode(value, []))


def _unlike(found: Any, right: Any) -> str:
    """Say what is wrong with a result of another shape or kind; "" if it is of the right one."""
    if not isinstance(found, (np.ndarray, list, int, float)):
        return f"It is {kind_of(found)}, and no array of numbers. "
    try:
        array: Array = np.asarray(found)
    except ValueError:
        return "Its rows have different lengths. "
    if array.dtype.kind == "b" != np.asarray(right).dtype.kind:
        return "It holds True and False, and no numbers. "
    if array.shape != np.shape(right):
        return f"Its shape is {array.shape}, expected {np.shape(right)}. "
    if array.dtype.kind in "fc" and not np.isfinite(array).all():
        return "It holds NaN or infinity. "
    return ""


def _assigned(node: Any) -> list[str]:
    targets = [*getattr(node, "targets", ())]
    if isinstance(node, (ast.AugAssign, ast.AnnAssign)):
        targets = [node.target]
    parts = [part for target in targets for part in getattr(target, "elts", [target])]
    parts = [part.value if isinstance(part, ast.Subscript) else part for part in parts]
    return [part.id for part in parts if isinstance(part, ast.Name)]


def _only_placeholder(definition: ast.FunctionDef) -> bool:
    """Whether a function has nothing but a docstring and the placeholder."""
    body = definition.body[1:] if ast.get_docstring(definition) else definition.body
    return len(body) == 1 and isinstance(body[0], ast.Raise)
