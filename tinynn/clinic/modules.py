"""All code with gradients in a module: pairs of functions, classes, functions with (loss, grads).

A module may give inputs of its own, for what cannot be guessed:

    GRADCHECK = {"affine": (x, W, b), "Dense": (Dense(4, 3), x)}
"""

import copy
import inspect
import io
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from types import ModuleType
from typing import Any

import numpy as np

from tinynn.clinic.check import check_function
from tinynn.clinic.forms import is_static
from tinynn.clinic.functions import Context, NoGradients, signature, split_loss
from tinynn.clinic.objects import arrays_in, methods_of, output_of
from tinynn.clinic.places import place_of_error
from tinynn.clinic.report import Finding, FunctionReport
from tinynn.clinic.scenes import NUMBERS, SIZES, inputs_for, role_of
from tinynn.clinic.subject import is_number
from tinynn.errors import InputError
from tinynn.layers import Layer
from tinynn.losses import Loss

BACK = ("_backward", "_back", "_bwd", "_backprop", "_grad", "_gradient", "_prime", "_derivative")
FORWARD = ("_forward", "_fwd", "")


def check_module(module: ModuleType) -> list[FunctionReport]:
    """Check all code with gradients in a module, in the order of its lines."""
    given = getattr(module, "GRADCHECK", {})
    if not isinstance(given, dict):
        text = f'GRADCHECK must be a dict, {{"affine": (x, W, b)}}, got {type(given).__name__}.'
        return [_not_checked(module, text)]
    found = [*found_in(module)]
    names = {name: _stem(name) for name, _, _ in found}
    inputs = {n: given.get(n, given.get(stem)) for n, stem in names.items()}
    unknown = [key for key in given if key not in names and key not in names.values()]
    reports = [_safely(name, forward, backward, inputs[name])
               for name, forward, backward in found]  # fmt: skip
    if unknown:
        text = (
            f"GRADCHECK gives inputs for {unknown[0]!r}, which is no code with gradients here. "
            f"There is {', '.join(names) or 'none'}."
        )
        reports.append(_not_checked(module, text))
    return [report for report in reports if report is not None]


def _not_checked(module: ModuleType, text: str) -> FunctionReport:
    file = getattr(module, "__file__", None) or ""
    finding = Finding("", "GRADCHECK", file, 0, module.__name__, text)
    return FunctionReport(module.__name__, "a file", (), (finding,))


def _stem(name: str) -> str:
    """Return a function's name without what says that it is the forward one.

    >>> _stem("affine_forward"), _stem("forward_affine"), _stem("Dense")
    ('affine', 'affine', 'Dense')
    """
    end = next(end for end in FORWARD if name.endswith(end))
    return name[: len(name) - len(end)].removeprefix("forward_")


def _safely(
    name: str, forward: Any, backward: Callable[..., Any] | None, given: Any
) -> FunctionReport | None:
    """Check one of them: what prevents it is a finding, and the others are checked all the same."""
    if inspect.isclass(forward) and issubclass(forward, Loss):  # its backward takes p and y
        text = f"A loss of tinynn. Write check_gradients(model, {name}(...), x, y)."
        finding = Finding("", "not checked", "", 0, name, text)
        return FunctionReport(name, "a loss of tinynn", (), (finding,))
    try:
        return _checked(name, forward, backward, given)
    except (Exception, SystemExit) as error:
        text = f"It cannot be checked: {type(error).__name__}: {error}"
        finding = Finding("", "not checked", *place_of_error(error), name, text)
        return FunctionReport(name, "code that could not be run", (), (finding,))


def found_in(module: ModuleType) -> Iterator[tuple[str, Any, Callable[..., Any] | None]]:
    """Yield (name, forward or class, backward or None) for all code that has gradients."""
    own = {n: v for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__}
    functions = {n: v for n, v in own.items() if inspect.isfunction(v)}
    partners = {n: b for n in functions if (b := _partner(n, functions))}
    for name, value in own.items():
        if name in partners:
            yield name, value, functions[partners[name]]
        elif inspect.isclass(value) and _has_gradient(value):
            yield name, value, None
        elif name not in functions or name in partners.values():
            continue
        elif name in getattr(module, "GRADCHECK", {}) or _returns_two(value):
            yield name, value, None


def _partner(name: str, functions: dict[str, Any]) -> str | None:
    """Return the name of the function that computes the gradient of another."""
    stem, prefixes = _stem(name), ("backward_", "back_", "grad_", "d_")
    if stem == name and any(n != name and _stem(n) == name for n in functions):
        return None  # beside sigmoid_forward, sigmoid is what both use
    tries = [stem + end for end in BACK] + [start + stem for start in prefixes]
    tries += [name.replace("forward", "backward")]  # also max_pool_forward_naive
    return next((n for n in tries if n in functions and n != name), None)


def _has_gradient(kind: type) -> bool:
    return methods_of(kind) is not None


def _returns_two(function: Callable[..., Any]) -> bool:
    """Whether a function's name says that it returns a loss, or gradients."""
    name = function.__name__.lower()
    return any(part in name for part in ("loss", "cost", "grad", "entropy", "propagate", "mse"))


def _checked(
    name: str, forward: Any, backward: Callable[..., Any] | None, given: Any
) -> FunctionReport | None:
    """Return the report; None for a loss without gradients, whose name promised them."""
    if given is not None:
        if not isinstance(given, (tuple, list)):
            given = (given,)
        if inspect.isclass(forward) and given and given[0] is forward and is_static(forward):
            given = given[1:]  # the class itself, where others give an object
        thing, inputs = (given[0], given[1:]) if inspect.isclass(forward) else (forward, given)
        if is_static(forward):
            thing, inputs = forward, given
        return _named(name, check_function(thing, *inputs, backward=backward))
    errors: list[BaseException] = []
    first: FunctionReport | None = None
    right: FunctionReport | None = None
    for thing, inputs in _attempts(forward, backward, errors):
        flat = len(inputs) == 1 and isinstance(inputs[0], np.ndarray) and inputs[0].ndim == 2
        if right and flat:
            continue
        try:
            report = check_function(thing, *inputs, backward=backward)
        except InputError as error:
            errors.append(error)
            continue
        if right:  # code such as a Flatten is also checked with samples that are not flat
            wrong = any(finding.mistake == "shape" for finding in report.findings)
            return _named(name, report if wrong else right)
        unlike = not report.ok and any(" has shape " in note for note in report.conventions)
        mistakes = {finding.mistake for finding in report.findings}
        if not mistakes & {"exception", "shape"} and not unlike:
            if first and report.ok and first.findings[0].mistake == "shape":
                continue  # what fits is square: the wrong shape does not show there
            if report.ok and flat:
                right = report
                continue
            return _named(name, report)
        first = first or report
    found = right or first
    if found:
        return _named(name, found)
    if any(isinstance(error, NoGradients) for error in errors):
        return None
    if not errors:
        errors.append(InputError("No inputs of usual shapes fit."))
    text = _advice(name, forward, errors[-1])
    finding = Finding("", "no inputs", *place_of_error(errors[-1]), name, text)
    return FunctionReport(name, "code that could not be run", (), (finding,))


def _advice(name: str, forward: Any, error: BaseException) -> str:
    """Say why no inputs were found, and what to write."""
    if inspect.isclass(forward) and issubclass(forward, Layer):
        return (
            "A layer of tinynn gets its parameters from Sequential. Write check_gradients("
            f"Sequential([{name}(...)], input_shape=...), MeanSquaredError(), x, y)."
        )
    return (
        f"No inputs of usual shapes fit; the last error: {type(error).__name__}: {error} "
        f"Give inputs in the file: GRADCHECK = {{{name!r}: (x, W, b)}}."
    )


def _named(name: str, report: FunctionReport) -> FunctionReport:
    return FunctionReport(name, report.form, report.rows, report.findings, report.conventions,
                          report.printed)  # fmt: skip


def _attempts(
    forward: Any, backward: Callable[..., Any] | None, errors: list[BaseException]
) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Yield the function, class or object to check, with inputs that its forward accepts."""
    if not inspect.isclass(forward) or is_static(forward):
        method = forward.forward if is_static(forward) else forward
        static = is_static(forward)

        def accepted(values: tuple[Any, ...]) -> bool:
            extra = (Context(),) if static else ()
            return _runs(method, (*extra, *values), errors, backward is not None or static)

        yield from ((forward, values) for values in inputs_for(method, int(static), accepted))
        return
    for thing in _objects(forward, errors):
        names = methods_of(thing) or ("forward", "backward")
        has_backward, method = names[0] != names[1], getattr(thing, names[0])

        def fits(values: tuple[Any, ...], method: Any = method, both: bool = has_backward) -> bool:
            twin = copy.deepcopy(method.__self__)

            def call(*values: Any) -> Any:
                return output_of(twin, getattr(twin, method.__name__)(*values))

            return _runs(call, values, errors, both)

        found = False
        for values in inputs_for(method, 0, fits):
            found = True
            yield thing, values
        if found:
            return


def _objects(kind: type, errors: list[BaseException]) -> Iterator[Any]:
    """Yield objects of a class, with small random numbers in its parameters."""
    try:
        names = [p for p in signature(kind) if p.default is inspect.Parameter.empty]
    except ValueError:
        names = []
    rng, known = np.random.default_rng(4), {**NUMBERS, **SIZES}
    shapes: tuple[dict[str, tuple[int, ...]], ...] = (
        {"W": (4, 3), "b": (3,), "gamma": (4,), "beta": (4,)},
        {"W": (3, 4), "b": (3, 1)},
        {"W": (3, 3, 3, 4), "b": (4,)},
        {"W": (4, 3, 3, 3), "b": (4,)},
    )
    for shape in shapes:
        for plain in ((4, 3), (4, 6, 3)):
            values = []
            for i, p in enumerate(names):
                number = known.get(p.name.lower(), plain[min(i, len(plain) - 1)])
                role = role_of(p.name)
                is_array = p.name.lower() not in known and role in shape
                values.append(rng.normal(size=shape[role]) if is_array else number)
            try:
                thing = kind(*values)
            except (Exception, SystemExit) as error:  # other arguments may do
                errors.append(error)
                continue
            yield _stirred(thing, rng)


def _stirred(thing: Any, rng: np.random.Generator) -> Any:
    """Give an object's arrays random numbers of usual size, in place."""
    for name, (path, array) in arrays_in(thing).items():
        owner = str(path[0]).lower()
        if array.flags.writeable and not owner.startswith(("d", "grad", "running")):
            array[...] = rng.uniform(0.3, 1, array.shape) * rng.choice([-1, 1], array.shape)
            if "gamma" in name:
                array[...] = np.abs(array)
    return thing


def _runs(
    call: Callable[..., Any],
    values: tuple[Any, ...],
    errors: list[BaseException],
    has_backward: bool,
) -> bool:
    """Whether forward runs with a copy of these values, and returns what has a gradient."""
    try:
        with redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            result = call(*copy.deepcopy(values))
        if not has_backward:
            split_loss(result)
            return True
    except (Exception, SystemExit) as error:  # other shapes may do
        errors.append(error)
        return False
    out = result[0] if isinstance(result, tuple) and result else result
    return is_number(out) or (isinstance(out, np.ndarray) and out.size > 0)
