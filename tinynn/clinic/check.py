"""Is the gradient of anyone's code right? And if not: which array, which mistake, which line?

1. Two steps of the code, with other inputs in the first: does it keep what is old, or add up?
2. Each gradient of a first step against finite differences of sum(out * dout).
3. What differs is compared with what the usual mistakes compute.
4. The same where numbers of x are equal, for a maximum of several equal numbers.
"""

from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.clinic.case import FunctionCase
from tinynn.clinic.conventions import are_columns, loss_reduction, of_columns
from tinynn.clinic.forms import subject_of
from tinynn.clinic.losing import OF_LOSSES
from tinynn.clinic.names import TooManyGradients
from tinynn.clinic.patterns import OF_FUNCTIONS
from tinynn.clinic.pieces import OF_PIECES
from tinynn.clinic.places import function_of_error, own_method, place_of, place_of_error
from tinynn.clinic.printed import Printed
from tinynn.clinic.randomness import numpys_numbers_kept
from tinynn.clinic.report import Finding, FunctionReport, with_common
from tinynn.clinic.shapes import fits, wrong_shape
from tinynn.clinic.smooth import OF_FORMULAS
from tinynn.clinic.subject import Subject, is_number
from tinynn.clinic.ties import wrong_where_equal
from tinynn.errors import InputError
from tinynn.gradcheck.evidence import close
from tinynn.gradcheck.patterns import pattern
from tinynn.gradcheck.rows import Comparison, GradientRow
from tinynn.parameters import Array, Generator

PATTERNS = {**OF_FORMULAS, **OF_FUNCTIONS, **OF_LOSSES, **OF_PIECES}  # before gradcheck's own
MEANS = (  # a note, for two parameters or more
    "The parameters' gradients are means over the batch: dout is that of each sample's own loss, "
    "without the 1/B."
)
SINGLE = 1e-2, 1e3  # the tolerance for code in float32, and the step h of a difference, times 1e-5


@checks.short_traceback
def check_function(
    forward: Any,
    *inputs: Any,
    backward: Callable[..., Any] | None = None,
    tolerance: float | None = None,
    seed: int = 0,
) -> FunctionReport:
    """Compare the gradients of anyone's code with finite differences, and name what is wrong.

    forward: a function whose gradient is computed by `backward`, which gets dout and the cache; an
    object with forward(x) and backward(dout); a class with static forward(ctx, ...) and
    backward(ctx, dout); or a function that returns (loss, gradients). docs/clinic.md shows each.
    inputs: those of forward. Arrays of floating-point numbers are checked, also those in a dict or
    a list; they are cast to float64. tolerance: default 1e-6, as in `check_gradients`; 1e-2 for
    code that computes in float32. seed: default 0, for dout.

    No array and no object that it is given changes. Raises InputError if the code has none of these
    forms; what goes wrong in the code itself, as an exception, is a finding of the report.

    >>> def scale(x, w):
    ...     return x * w, (x, w)
    >>> def scale_backward(dout, cache):
    ...     x, w = cache
    ...     return dout * w, dout * x
    >>> x, w = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.5, 2.0])
    >>> report = check_function(scale, x, w, backward=scale_backward)
    >>> report.ok, report.findings[0].mistake, report.findings[0].array
    (False, 'not summed', 'w')
    """
    if tolerance is not None:
        checks.check_between("tolerance of check_function", tolerance, 0, 1)
    checks.check_integer("seed", seed, least=0)
    if backward is not None and not callable(backward):
        raise InputError(f"backward of check_function must be a function, got {backward!r}.")
    printed, name = Printed(), getattr(forward, "__name__", type(forward).__name__)
    form = "code that could not be run"
    with redirect_stdout(printed), numpys_numbers_kept():
        try:
            subject = subject_of(forward, inputs, backward)
            form = subject.form
            report = _Examination(subject, tolerance, np.random.default_rng(seed)).report()
        except InputError:
            raise
        except (Exception, SystemExit) as error:
            place = place_of_error(error)
            if not place.line and not isinstance(error, TooManyGradients):
                raise
            text = f"It raises {type(error).__name__}: {error}" if place.line else str(error)
            finding = Finding("", "exception", *place, function_of_error(error) or name, text)
            report = FunctionReport(name, form, (), (finding,))
    return replace(report, printed=printed.getvalue())


@dataclass
class _Examination:
    """What is known so far of one piece of code."""

    subject: Subject
    tolerance: float | None
    rng: Generator
    rows: list[GradientRow] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def report(self) -> FunctionReport:
        subject = self.subject
        if not subject.arrays:
            raise InputError(
                f"check_function: {subject.name} got no array of floating-point numbers, so there "
                "is no gradient to check."
            )
        for name, array in subject.arrays.items():
            if not array.size or not np.isfinite(array).all():
                raise InputError(
                    f"check_function: {name} of {subject.name} must hold numbers, none of them NaN "
                    f"or infinite, got shape {array.shape}."
                )
        case = self._case()
        if case is not None:
            self._in_place(case)
            self._compare(case)
            if not self.findings and wrong_where_equal(case):
                self.found(case.x, "ties", "Right where all numbers of x differ, wrong where "
                           "several are equal: does each of the equal maxima get the whole dout? "
                           "They must share it, or one of them takes it.")  # fmt: skip
        return FunctionReport(
            subject.name, subject.form, tuple(self.rows), tuple(self.findings), tuple(self.notes)
        )

    def found(
        self, array: str, mistake: str, sentence: str, forward: bool = False, line: bool = True
    ) -> None:
        """Add a mistake."""
        function = self.subject.forward if forward else own_method(self.subject.backward)
        place = place_of(function, array if line else "", [*self.subject.arrays])
        name = getattr(function, "__qualname__", "").rpartition("<locals>.")[2]
        self.findings.append(Finding(array, mistake, *place, name, sentence))

    def _case(self) -> FunctionCase | None:
        """Run the steps. None if the code gives nothing that can be compared."""
        subject = self.subject
        inputs = [name for name in subject.arrays if name not in subject.parameters]
        x = inputs[0] if inputs else ""
        other = {n: a.copy() for n, a in subject.arrays.items()}
        for name in inputs:
            shuffled = self.rng.permutation(np.atleast_1d(other[name])).reshape(other[name].shape)
            other[name] = np.asarray(shuffled * self.rng.uniform(0.9, 1, other[name].shape))
        with subject.alike():  # first of all, for code that keeps the first x that it ever saw
            out = np.asarray(subject.begun(other).run(other)[0])
        number = is_number(out[()] if out.ndim == 0 else out)
        dout: Any = 1.0 if number else self.rng.normal(size=out.shape)
        if out.dtype.kind not in "f":
            kind = type(out.item()).__name__ if out.size == 1 else str(out.dtype)
            self.found("", "dtype", f"forward returns {kind}, and no real numbers with a "
                       "fraction: so there is no gradient.", forward=True)  # fmt: skip
            return None
        single = out.dtype in (np.float32, np.float16)
        tolerance, size = SINGLE if single else (1e-6, 1.0)
        if single:
            dout = dout if number else dout.astype(np.float32)
            self.notes.append(f"It computes in {out.dtype}: the tolerance is {tolerance}.")
        begun = subject.begun(other)
        with subject.alike():
            before = begun.step(other, dout if number else self.rng.normal(size=out.shape))
        with subject.alike():
            second = begun.step(subject.arrays, dout)
        with subject.alike():
            first = subject.begun(subject.arrays).step(subject.arrays, dout)
        outs = [subject.out(subject.arrays) for _ in range(2)]
        if not np.allclose(outs[0], outs[1], equal_nan=True):
            self.found("", "not repeatable", "It returns other numbers each time for the same "
                       "input, so no gradient can be checked. Draw random numbers from a generator "
                       "that it is given or keeps.", forward=True)  # fmt: skip
            return None
        if not np.isfinite(outs[0]).all():
            self.found("", "not finite", "forward returns NaN or infinity.", forward=True)
            return None
        columns = bool(x) and bool(are_columns(subject, x, np.asarray(outs[0])))
        self.second = second if np.allclose(second.out, first.out, equal_nan=True) else first
        return FunctionCase(subject, x, dout, first, other, before, columns,
                            self.tolerance or tolerance, size)  # fmt: skip

    def _in_place(self, case: FunctionCase) -> None:
        for function, name in dict.fromkeys(case.step.changed):
            text = (
                f"{function} changes in place its argument {name}, which belongs to the caller. "
                f"Begin it with {name} = {name}.copy()."
            )
            forward = function == getattr(self.subject.forward, "__name__", "")
            self.found("", "changed input", text, forward)

    def _compare(self, case: FunctionCase) -> None:
        wrong: list[Comparison] = []
        of_step: dict[str, Array] = {}
        for name, given in self._gradients(case):
            found = case.compare(name, given)
            history = self._of_second(case, name, found)
            wrong += [] if history.row.ok else [history]
            self.rows.append(history.row)
            of_step[name] = given
        missing = [n for n in self.subject.arrays if n not in case.step.gradients]
        missing += self.subject.without
        if not case.step.gradients:
            self.found("", "no gradient", "It gives no gradient. Does backward return it, or keep "
                       "it as dx, dW?")  # fmt: skip
        elif missing:
            self.notes.append(f"It gives no gradient of {', '.join(missing)}.")
        wrong = self._without_conventions(case, wrong)
        known = [row.name for row in self.rows if row.ok]
        for each in wrong:
            evidence = case.evidence(each, known)
            if close(evidence.at_probes(evidence.gradient), evidence.truth):
                self._accept(each.row.name)
                continue
            with np.errstate(all="ignore"):
                diagnosis = pattern(evidence, PATTERNS)
            text = of_columns(diagnosis.text) if case.columns else diagnosis.text
            if not each.row.checked:
                text = f"Nothing could be compared: the output jumps. {text}"
            self.found(each.row.name, diagnosis.mistake, text)
        self.findings = with_common(self.findings, [each.row.name for each in wrong], known)
        self._tell_conventions(case)

    def _accept(self, name: str) -> None:
        """Take a gradient for right that is right to five digits, and say so."""
        self.rows = [replace(row, ok=True) if row.name == name else row for row in self.rows]
        self.notes.append(
            f"d{name} is right to about five digits: an approximation, such as an epsilon in a "
            "logarithm that the gradient leaves out."
        )

    def _gradients(self, case: FunctionCase) -> Iterator[tuple[str, Array]]:
        """Yield the gradients that can be compared; the others are findings."""
        for name, given in case.step.gradients.items():
            array = self.subject.arrays[name]
            gradient = np.asarray(given)
            if gradient.dtype.kind == "b":
                self.found(name, "boolean", "It holds True and False, no numbers: multiply the "
                           "mask by dout.")  # fmt: skip
            elif gradient.dtype.kind not in "fiu":
                self.found(name, "dtype", f"It is no array of numbers, but {type(given).__name__}.")
            elif not fits(gradient, array):
                self.found(name, *wrong_shape(case, name, gradient.astype(np.float64)))
            else:
                if gradient.shape != array.shape:
                    self.notes.append(
                        f"d{name} has shape {gradient.shape}, {name} has {array.shape}."
                    )
                yield name, gradient.astype(np.float64).reshape(array.shape)

    def _of_second(self, case: FunctionCase, name: str, found: Comparison) -> Comparison:
        """Return the comparison of the second step, if only that one is wrong."""
        if not found.row.ok or name not in self.second.gradients:
            return found
        second = np.asarray(self.second.gradients[name], np.float64)
        if second.shape != found.gradient.shape or np.allclose(second, found.gradient):
            return found
        return case.compare(name, second)

    def _without_conventions(self, case: FunctionCase, wrong: list[Comparison]) -> list[Comparison]:
        """Drop what is wrong only by a convention: all add up, or all are means."""
        names = {each.row.name for each in wrong}
        mine = {n for n in case.step.gradients if n in self.subject.parameters}
        if not names or names != mine:
            return wrong

        def all_right(change: Callable[[Comparison], Array]) -> bool:
            changed = {e.row.name: case.compare(e.row.name, change(e)).row for e in wrong}
            if all(row.ok for row in changed.values()):
                self.rows = [changed.get(row.name, row) for row in self.rows]
                return True
            return False

        def added(each: Comparison) -> Array:
            shape = each.gradient.shape
            return each.gradient - np.asarray(case.step_before.gradients[each.row.name]).reshape(
                shape
            )

        size = self._samples(case)
        if "object" in self.subject.form and all_right(added):
            self.notes.append("Gradients add up: set them to 0 before each step.")
        elif size > 1 < len(mine) and not case.of_loss and all_right(lambda e: e.gradient * size):
            self.notes.append(MEANS)
        else:
            return wrong
        return []

    def _samples(self, case: FunctionCase) -> int:
        shape = self.subject.arrays[case.x].shape if case.x else ()
        return shape[1 if case.columns else 0] if shape else 1

    def _tell_conventions(self, case: FunctionCase) -> None:
        out = np.asarray(case.step.out)
        told = are_columns(self.subject, case.x, out) if case.x else None
        if told is not None:
            self.notes.append(f"Samples are {'columns' if told else 'rows'}.")
        if case.of_loss and case.x and abs(float(out)) > 1e-12:
            how = loss_reduction(self.subject, case.x, float(out), case.columns)
            if how:
                self.notes.append(f"The loss is the {how} over the batch.")
