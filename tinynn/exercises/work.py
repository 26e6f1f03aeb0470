"""What a grader asks of one function: numbers worked by hand, random numbers, the gradient check.

The first thing that is wrong is raised as Wrong: a sentence and a line for the student, without the
solution.
"""

import ast
import copy
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinynn.clinic import check_function
from tinynn.clinic.check import MEANS
from tinynn.clinic.report import Finding, FunctionReport
from tinynn.errors import InputError
from tinynn.exercises.asking import CallError, Student
from tinynn.exercises.wire import encode
from tinynn.exercises.words import (
    hint,
    kind_of,
    of_arguments,
    same,
    shape_of,
    shown,
    sizes_of,
    unlike,
    without_solution,
)

PLACEHOLDER = "NotImplementedError"


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
        definition = student.definitions.get(name)
        trouble, self.renamed = of_arguments(definition, arguments) if definition else ("", "")
        if trouble:
            raise Wrong(trouble, definition.lineno if definition else 0)

    def call(self, *values: Any, where: str = "") -> Any:
        """Return what the function returns for these values, of which it may get copies.

        where: what is special in the values, told with an exception.
        """
        before = [_frozen(value) for value in values]
        try:
            result = self.student.call(self.name, values)
        except CallError as error:
            raise self._of_error(error, where) from error
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
        self,
        values: tuple[Any, ...],
        right: Any,
        mistakes: Mapping[str, Any] | None = None,
        items: str = "",
        as_text: Callable[[Any], str] = shown,
        where: str = "",
    ) -> None:
        """Compare a result with numbers worked by hand, small enough to be shown.

        mistakes: sentence -> what a usual mistake returns for these values. items: if the result
        is a tuple, the names of what it holds, "w, b". as_text: how values are shown. where: what
        is special in the values, told with an exception.
        """
        result = self.call(*copy.deepcopy(values), where=where)
        pairs = zip(self.arguments, values, strict=True)
        text = ", ".join(f"{name} = {as_text(value)}" for name, value in pairs)
        both, near = (as_text(result), as_text(right)), ""
        if both[0] == both[1]:
            both = shown(result, 9), shown(right, 9)
            if as_text is shown and both[0] != both[1]:
                near = " Is a number rounded, or a small one added?"
        text = f"For {text} it returns {both[0]}, expected {both[1]}.{near}"
        self._compare(result, right, text, mistakes or {}, items)

    def like(
        self,
        formula: Callable[..., Any],
        values: tuple[Any, ...],
        mistakes: Mapping[str, Callable[..., Any]] | None = None,
        where: str = "",
        items: str = "",
    ) -> None:
        """Compare a result with that of a formula, for larger arrays.

        mistakes: sentence -> the formula of a usual mistake. where: what is special in the values.
        items: as in by_hand.
        """
        with np.errstate(all="ignore"):
            right = formula(*copy.deepcopy(values))
            others = {s: wrong(*copy.deepcopy(values)) for s, wrong in (mistakes or {}).items()}
        where = where or sizes_of(self.arguments, values)
        result = self.call(*copy.deepcopy(values), where=where)
        text = f"The small example is right, but for {where} "
        self._compare(
            result, right, text + "it returns other numbers than the equation.", others, items
        )

    def gradient(
        self,
        forward: Callable[..., Any],
        values: tuple[Any, ...],
        words: Mapping[str, str] | None = None,
        of: str = "",
    ) -> None:
        """Check the gradients by finite differences of a right forward function.

        words: the clinic's name of a mistake -> what to say of it, in place of the clinic's words.
        of: the arrays of which there is a gradient, "x, gamma"; "" for all of floating point.
        """
        given = dict(zip(inspect.signature(forward).parameters, values, strict=True))
        arrays = of.split(", ") if of else [
            name for name, value in given.items()
            if isinstance(value, np.ndarray) and value.dtype.kind == "f"
        ]  # fmt: skip
        shapes = self._shapes(given, np.shape(forward(*values)), arrays)
        self.student.error = None
        stub = self.student.function(self.name, self.arguments, one=len(arrays) == 1)
        try:
            report = check_function(forward, *values, backward=stub)
        except InputError as error:
            raise self.wrong(without_solution(str(error))) from error
        if MEANS in report.conventions:  # elsewhere a matter of taste; here dout is given
            raise self.wrong(
                "The gradients of the parameters are divided by the number of samples. If L is a "
                "mean over the samples, its 1/B is already in dout.",
                f"d{report.rows[1].name}",
            )
        if report.ok and not shapes:
            return
        if report.ok:
            raise self.wrong(shapes)
        first, *others = report.findings
        if first.mistake == "exception" and self.student.error:
            raise self._of_error(self.student.error, sizes_of([*given], values))
        told = [_of_finding(first, report, words or {})]
        for finding in others:
            place = f"Line {finding.line}: " if finding.line != first.line else ""
            told.append(place + _of_finding(finding, report, words or {}))
        raise Wrong(" ".join(told), first.line)

    def _shapes(self, given: dict[str, Any], out: tuple[int, ...], names: list[str]) -> str:
        """Call the function once: does it return all gradients, in their order?

        given: forward's arguments. out: the shape of its result. names: of what it is a gradient.
        Return what is to be said of a gradient whose shape is not that of its array.
        """
        given = {**given, "dout": np.random.default_rng(1).normal(size=out)}
        passed = [copy.deepcopy(given[name]) for name in self.arguments]
        result = self.call(*passed, where=sizes_of(self.arguments, passed))
        arrays = {name: given[name] for name in names}
        order = ", ".join(f"d{name}" for name in arrays)
        if len(arrays) == 1:
            result = [result]
        else:
            self.check_count(result, order, "gradients")
        for part, name in zip(result, arrays, strict=True):
            if shape_of(part) is None:
                raise self.wrong(f"d{name} has rows of different lengths.", f"d{name}")
            if not isinstance(part, (np.ndarray, list, float, int)):
                raise self.wrong(f"d{name} is {kind_of(part)}, and no array.", f"d{name}")
        found = [shape_of(part) for part in result]
        right = [array.shape for array in arrays.values()]
        if found != right and sorted(map(str, found)) == sorted(map(str, right)):
            raise self.wrong(f"The gradients must be returned in this order: {order}.")
        others = [f"d{name} has shape {shape}, and {name} has {array.shape}: they must be equal."
                  for shape, (name, array) in zip(found, arrays.items(), strict=True)
                  if shape != array.shape]  # fmt: skip
        return " ".join(others)

    def check_count(self, result: Any, items: str, what: str = "values") -> None:
        """Raise what is wrong with a result that must hold so many items, "w, b"."""
        count = len(items.split(", "))
        if not isinstance(result, (tuple, list)) or len(result) != count:
            found = f"{len(result)} values" if isinstance(result, tuple) else kind_of(result)
            raise self.wrong(f"It returns {found}, expected {count} {what}: {items}.")

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

    def _compare(
        self, result: Any, right: Any, text: str, mistakes: Mapping[str, Any], items: str
    ) -> None:
        names = items.split(", ") if items else [""]
        if not items:
            result, right = (result,), (right,)
            mistakes = {sentence: (wrong,) for sentence, wrong in mistakes.items()}
        else:
            self.check_count(result, items)
        wrong = [k for k in range(len(names)) if not same(result[k], right[k])]
        if not wrong:
            return
        other = [k for k in wrong if len(shape_of(result[k]) or ()) != np.ndim(right[k])]
        k, *_ = *other, *wrong  # what has other axes makes the numbers of others wrong
        name = names[k]
        fitting = [each for each, values in mistakes.items() if same(result[k], values[k])]
        whole = [each for each in fitting if all(map(same, result, mistakes[each]))]
        sentence = next(iter([*whole, *fitting]), "") or unlike(result[k], right[k])
        begin = f"{name} is wrong." if name else ""
        raise self.wrong(" ".join(filter(None, (begin, sentence, text))), name)

    def _of_error(self, error: CallError, where: str = "") -> Exception:
        definition = self.student.definitions.get(error.function)
        if error.kind == PLACEHOLDER:
            if error.function != self.name:
                return Wrong(f"It calls {error.function}, which is not begun.", error.line)
            if definition and _only_placeholder(definition):
                return NotBegun(error.line)
            return Wrong("The placeholder still stands among your lines: delete its line, raise "
                         f"{PLACEHOLDER}.", error.line)  # fmt: skip
        known = error.function in self.student.names and error.function != self.name
        inside = f" in {error.function}" if known else ""
        if error.kind == "SystemExit":
            return Wrong(f"It ends the program{inside}, and returns nothing.", error.line)
        if error.kind == "EOFError":
            return Wrong(f"It asks for input(){inside}: there is nobody to answer.", error.line)
        if error.kind.endswith("MemoryError"):
            return Wrong(f"It needs more memory than there is{inside}.", error.line)
        text = error.text if error.text.endswith((".", "?", "!")) else f"{error.text}."
        begin = f"For {where.rstrip(',')} it" if where else "It"
        line = error.line or self.wrong("").line
        return Wrong(f"{begin} raises{inside} {text}{hint(text)}", line)


def _of_finding(finding: Finding, report: FunctionReport, words: Mapping[str, str]) -> str:
    """Return the clinic's finding in words that do not hold the solution."""
    sentence = words.get(finding.mistake) or without_solution(finding.sentence)
    if finding.mistake == "other" and finding.mistake not in words:
        sentence = "It is none of the usual mistakes: work out one of its numbers by hand."
    if not finding.array:
        return sentence
    row = next((row for row in report.rows if row.name == finding.array and not row.ok), None)
    numbers = "" if row is None else (
        f" (At {row.at} it is {row.backward:.4g}; finite differences give {row.differences:.4g}.)"
    )  # fmt: skip
    return f"d{finding.array} is wrong. {sentence}{numbers}"


def _frozen(value: Any) -> str:
    """Return a value's numbers as text, to see later whether they have changed."""
    return json.dumps(encode(value, []))


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
