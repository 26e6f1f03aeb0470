"""Arguments of constructors and functions: numbers in their range, objects of the right class."""

import copy
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.checks.calls import can_be_called
from tinynn.checks.tracebacks import short_traceback
from tinynn.errors import InputError
from tinynn.foreign_names import answer
from tinynn.parameters import Generator, Shape


def check_positive(name: str, value: Any) -> float:
    """A positive number, as a Python float (a NumPy float64 would turn float32 arrays to float64).

    >>> check_positive("epsilon", 0)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: epsilon must be a positive number, got 0.
    """
    if not 0 < real_number(value) < np.inf:
        raise InputError(f"{name} must be a positive number, got {value!r}.")
    return float(value)


def check_finite(name: str, value: Any) -> float:
    """A number, neither NaN nor infinite, as a Python float."""
    if not np.isfinite(real_number(value)):
        raise InputError(f"{name} must be a finite number, got {value!r}.")
    return float(value)


def check_between(name: str, value: Any, low: float, high: float) -> float:
    """A number between two limits, which it does not reach, as a Python float."""
    if not low < real_number(value) < high:
        raise InputError(f"{name} must be above {low} and below {high}, got {value!r}.")
    return float(value)


def check_flag(name: str, value: Any) -> bool:
    """True or False.

    >>> check_flag("bias of Dense", 0.5)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: bias of Dense must be True or False, got 0.5.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name} must be True or False, got {value!r}.")
    return bool(value)


def check_unit_interval(name: str, value: Any) -> float:
    """A decay rate, such as momentum or beta1: at least 0 and below 1, as a Python float."""
    if not 0 <= real_number(value) < 1:
        raise InputError(f"{name} must be at least 0 and below 1, got {value!r}.")
    return float(value)


def initial_rate(value: Any) -> Any:
    """The learning rate in an optimizer's constructor: a positive number, or a function of t."""
    if isinstance(value, (list, np.ndarray)) and np.size(value) > 1:
        raise InputError(
            "learning_rate must be a positive number, got an array of shape "
            f"{np.shape(value)}. {answer('learning_rate', 'place')}"
        )
    if not can_be_called(value):
        check_positive("learning_rate", python_number(value))
    return value


def rate(name: str, value: Any) -> Any:
    """A learning rate: a number, 0 or more, or a function of t, which is not called here.

    >>> rate("learning_rate", np.float32(0.5))
    0.5
    """
    if isinstance(value, type):
        raise InputError(
            f"{name} must be a number or a function, got the class {value.__name__}. Write "
            f"{value.__name__}(...)."
        )
    if can_be_called(value):
        return value
    return not_negative(name, value)


@short_traceback
def not_negative(name: str, value: Any) -> float:
    """A number, 0 or more, as a Python float.

    >>> not_negative("weight_decay", -0.01)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: weight_decay must be a number, 0 or more, got -0.01.
    """
    number = real_number(python_number(value))
    if not 0 <= number < np.inf:
        raise InputError(f"{name} must be a number, 0 or more, got {value!r}.")
    return number


def scheduled_rate(schedule: Callable[[int], Any], t: int) -> float:
    """The learning rate that a schedule, a function of t, returns for step t: 0 or more."""
    try:
        value = schedule(t)
    except InputError:  # tinynn's own schedules say what to write
        raise
    except Exception as error:
        raise InputError(
            f"learning_rate is a function that must return a number for each step t, counted from "
            f"1, but for step {t} it raised {error!r}."
        ) from error
    if not 0 <= real_number(value) < np.inf:
        raise InputError(
            f"learning_rate is a function that must return a number, 0 or more, but for step {t} "
            f"it returned {value!r}."
        )
    return float(value)


def python_number(value: Any) -> Any:
    """The value, but a number of NumPy's as the equal number of Python's.

    >>> python_number(np.float32(0.5)), python_number("text")
    (0.5, 'text')
    """
    single = isinstance(value, np.generic) or (isinstance(value, np.ndarray) and not value.ndim)
    return value.item() if single and not np.ma.is_masked(value) else value  # else 0 would do


def real_number(value: Any) -> float:
    """A real number as a float, infinite if it is too large; NaN for anything else."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return np.nan
    try:
        return float(value)
    except OverflowError:  # of a whole number
        return np.inf


def loss_value(value: Any, loss: Any) -> float:
    """The number that the forward of a loss returned, as a Python float."""
    if not isinstance(value, Real) or isinstance(value, bool):
        hint = ' Forgot "return"?' if value is None else " Take the mean, as float(...)."
        raise InputError(
            f"{type(loss).__name__}.forward returned {value!r}; it must return one number, the "
            f"batch's mean loss.{hint}"
        )
    return real_number(value)


def check_integer(name: str, value: int, least: int = 1, most: int | None = None) -> int:
    """A whole number from `least` to `most`, as a Python int.

    >>> check_integer("batch_size", 64, most=50)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: batch_size must be a whole number from 1 to 50, got 64.
    """
    if (
        not isinstance(value, (int, np.integer))
        or isinstance(value, bool)
        or value < least
        or (most is not None and value > most)
    ):
        limits = f"of {least} or more" if most is None else f"from {least} to {most}"
        hint = ""
        if most is not None and isinstance(value, float) and 0 < value < 1:
            hint = f" For that share of all samples, write int({value} * {most + 1})."
        raise InputError(f"{name} must be a whole number {limits}, got {value!r}.{hint}")
    return int(value)


@short_traceback
def generator(rng: Any) -> Generator:
    """A Generator of random numbers. It must be passed in: tinynn has no global one.

    >>> generator(3)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: rng must be a Generator, got 3. Write np.random.default_rng(3).
    """
    seed = rng if isinstance(rng, (int, np.integer)) else 0
    known: Generator = instance(
        rng, np.random.Generator, "rng", f"Write np.random.default_rng({seed})."
    )
    return known


def instance(thing: Any, kind: type, name: str, remedy: str = "") -> Any:
    """An instance of a class.

    >>> from tinynn import CrossEntropy, Loss
    >>> instance(CrossEntropy, Loss, "loss")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: loss must be a Loss, got <class 'tinynn.losses.basic.CrossEntropy'>.
        Write
        CrossEntropy().
    """
    if not isinstance(thing, kind):
        if isinstance(thing, type) and issubclass(thing, kind):
            remedy = f"Write {thing.__name__}()."
        if isinstance(thing, str):
            remedy = remedy or answer(thing.lower(), "text")
        article = "an" if kind.__name__[0] in "AEIO" else "a"
        message = f"{name} must be {article} {kind.__name__}, got {thing!r}. {remedy}"
        raise InputError(message.rstrip())
    return thing


def instances(things: Any, kind: type, name: str) -> list[Any]:
    """A list of instances of a class."""
    if not isinstance(things, Iterable):
        raise InputError(f"{name} must be a list, got {things!r}. Write [...].")
    return [instance(thing, kind, f"{name}[{i}]") for i, thing in enumerate(things)]


@short_traceback
def dense(units: int, initializer: Any, bias: Any) -> None:
    """The arguments of Dense."""
    check_integer("units of Dense", units)
    check_flag("bias of Dense", bias)
    initial_weights("Dense expects", initializer)


def initial_weights(expects: str, initializer: Any) -> None:
    """The initializer of a layer: a function, or an object that can be called, not its class."""
    if isinstance(initializer, type):
        raise InputError(
            f"{expects} an initializer, got the class {initializer.__name__}. Write "
            f"{initializer.__name__}(...)."
        )
    if not can_be_called(initializer):
        hint = answer(initializer, "text") if isinstance(initializer, str) else ""
        if isinstance(initializer, (int, np.integer)):
            hint = answer("initializer", "place")
        message = f"{expects} an initializer such as tinynn.he_normal, got {initializer!r}. {hint}"
        raise InputError(message.rstrip())


def own_numbers(value: Any) -> Any:
    """An argument that is a number, or several, as a layer keeps it: a list, or an array, a copy.

    What the caller changes later then changes nothing; and a file can hold it, also if the caller
    gave a column of a table, or an array with gaps in memory.

    >>> own_numbers((1, 2)), own_numbers(np.arange(6.0)[::2]), own_numbers(0.5)
    ((1, 2), array([0., 2., 4.]), 0.5)
    """
    if isinstance(value, (list, tuple)):
        return copy.deepcopy(value)
    return value if isinstance(value, Real) or value is None else np.array(value)


@short_traceback
def rescaling(scale: Any, offset: Any) -> None:
    """The arguments of Rescale: finite numbers, or arrays of them."""
    for name, value in (("scale", scale), ("offset", offset)):
        try:
            numbers = np.asarray(value)
        except ValueError:  # a list of lists that differ in length
            numbers = np.array(None)
        if numbers.dtype.kind not in "iuf" or not np.isfinite(numbers).all():
            raise InputError(
                f"{name} of Rescale must be a finite number, or an array of such numbers, got "
                f"{value!r:.100}."
            )
    if not np.any(np.asarray(scale)):
        raise InputError(
            "scale of Rescale is 0, so all inputs would become equal. 1 // 255 is 0; 1 / 255 is "
            "not."
        )


def sample_shape(shape: Sequence[int], name: str = "input_shape") -> Shape:
    """The shape of one sample: a tuple of whole numbers, each 1 or more."""
    if not isinstance(shape, Sequence) or not all(
        isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n > 0 for n in shape
    ):
        hint = f" Write ({shape},)." if isinstance(shape, (int, np.integer)) else ""
        raise InputError(
            f"{name} must be the shape of one sample, such as (28, 28) or (2,), got "
            f"{shape!r}.{hint}"
        )
    return tuple(int(n) for n in shape)


def precision(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """The dtype of a model: float32 or float64."""
    try:
        known = np.dtype(dtype)
    except TypeError:  # not a dtype at all
        known = None
    if dtype is None or known not in (np.float32, np.float64):  # NumPy takes None for float64
        raise InputError(f"dtype must be float32 or float64, got {dtype!r}.")
    return known
