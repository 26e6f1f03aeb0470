"""What a constructor or a function is given: numbers in their range, objects of the right kind."""

import os
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.checks.tracebacks import short_traceback
from tinynn.errors import InputError
from tinynn.parameters import Array, Generator, Shape

NO_QUALITY = ("epoch", "learning_rate", "seconds")
RISING = ("accuracy", "acc", "precision", "recall", "f1", "auc", "r2", "iou", "score", "scores")
FALLING = ("loss", "error", "mse", "mae", "rmse", "perplexity")


def check_positive(name: str, value: Any) -> float:
    """A positive number, as a Python float: a NumPy float64 would turn float32 arrays into float64.

    >>> check_positive("epsilon", 0)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: epsilon must be a positive number, got 0.
    """
    if not 0 < _number(value) < np.inf:
        raise InputError(f"{name} must be a positive number, got {value!r}.")
    return float(value)


def check_unit_interval(name: str, value: Any) -> float:
    """A factor by which a memory fades at each step: at least 0, and below 1."""
    if not 0 <= _number(value) < 1:
        raise InputError(f"{name} must be at least 0 and below 1, got {value!r}.")
    return float(value)


def first_rate(value: Any) -> Any:
    """The learning rate that an optimizer is made with: not 0, which would teach it nothing."""
    if not callable(value):
        check_positive("learning_rate", python_number(value))
    return value


def rate(name: str, value: Any) -> Any:
    """A learning rate: a number, 0 or more, or a function of t; what it returns is seen later.

    >>> rate("learning_rate", np.float32(0.5))
    0.5
    """
    if isinstance(value, type):
        raise InputError(f"{name} is the class {value.__name__}; make one: {value.__name__}(...).")
    if callable(value):
        return value
    number = _number(python_number(value))
    if not 0 <= number < np.inf:
        raise InputError(f"{name} must be a positive number, or 0, got {value!r}.")
    return number


def asked_rate(schedule: Callable[[int], Any], t: int) -> float:
    """What a learning rate that is a function says of step t: a number, 0 or more."""
    try:
        value = schedule(t)
    except Exception as error:
        raise InputError(
            f"learning_rate is a function that must return a number for each step t, counted from "
            f"1, but for step {t} it raised {error!r}."
        ) from error
    if not 0 <= _number(value) < np.inf:
        raise InputError(
            f"learning_rate is a function that must return a number, 0 or more, but for step {t} "
            f"it returned {value!r}."
        )
    return float(value)


def python_number(value: Any) -> Any:
    """What was given, but NumPy's numbers as Python's: the same number, wherever it is kept.

    >>> python_number(np.float32(0.5)), python_number("text")
    (0.5, 'text')
    """
    single = isinstance(value, np.generic) or (isinstance(value, np.ndarray) and not value.ndim)
    return value.item() if single else value


def _number(value: Any) -> float:
    """A real number as a float, infinite if it is too large; NaN for anything else."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return np.nan
    try:
        return float(value)
    except OverflowError:  # of a whole number
        return np.inf


def a_loss(value: Any, loss: Any) -> float:
    """What a loss' forward returned: a number."""
    if not isinstance(value, Real) or isinstance(value, bool):
        hint = ' Forgot "return"?' if value is None else " Take the mean, as float(...)."
        raise InputError(
            f"{type(loss).__name__}.forward returned {value!r}; it must return one number, the "
            f"batch's mean loss.{hint}"
        )
    return float(value)


def monitored(monitor: Any) -> str:
    """The name of a metric."""
    if not isinstance(monitor, str):
        raise InputError(
            f"monitor must be the name of a metric, such as 'val_loss', got {monitor!r}. "
            "For the epochs to wait, write patience=."
        )
    if monitor in NO_QUALITY:
        raise InputError(
            f"monitor: {monitor!r} says nothing of how good the model is. Watch 'val_loss', "
            "'val_accuracy', or a metric that a callback writes into the history."
        )
    return monitor


def should_rise(monitor: str) -> bool:
    """A metric whose name tells whether it should rise, or fall.

    >>> should_rise("val_f1"), should_rise("val_loss")
    (True, False)
    """
    for word in reversed(monitor.lower().replace("-", "_").split("_")):
        if word.endswith(RISING) or word.endswith(FALLING):
            return word.endswith(RISING)
    raise InputError(
        f"monitor: should {monitor!r} rise or fall? Its name does not tell. End it with _score if "
        "more is better, with _loss if less is."
    )


def check_metric(name: str, value: Any) -> float:
    """A metric that a callback wrote into the history, to be watched: a number."""
    if not isinstance(value, Real):
        raise InputError(f"{name!r} in the history must be a number, got {value!r:.100}.")
    return float(value)


def check_integer(name: str, value: int, least: int = 1, most: int | None = None) -> int:
    """A whole number of things, as a Python int.

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
            hint = f" For a share of all, write int({value} * {most + 1})."
        raise InputError(f"{name} must be a whole number {limits}, got {value!r}.{hint}")
    return int(value)


@short_traceback
def generator(rng: Any) -> Generator:
    """A source of random numbers, which is passed in: there is no global one.

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
    """An object of one kind.

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
        article = "an" if kind.__name__[0] in "AEIO" else "a"
        told = f"{name} must be {article} {kind.__name__}, got {thing!r}. {remedy}"
        raise InputError(told.rstrip())
    return thing


def instances(things: Any, kind: type, name: str) -> list[Any]:
    """A list of objects of one kind."""
    if not isinstance(things, Iterable):
        raise InputError(f"{name} must be a list, got {things!r}. Write [...].")
    return [instance(thing, kind, f"{name}[{i}]") for i, thing in enumerate(things)]


@short_traceback
def dense(units: int, initializer: Any) -> None:
    """What a Dense is made with."""
    check_integer("units of Dense", units)
    if not callable(initializer):
        raise InputError(
            f"Dense expects an initializer such as tinynn.he_normal, got {initializer!r}."
        )


def array(values: Any, name: str) -> Array:
    """An array, also of a list, a table or a tensor: of what becomes one with nothing lost.

    NumPy would take a masked array for what lies under its mask, and a set, a dictionary or a
    generator for one object.

    >>> array({1, 2}, "y")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: y is a set, which has no order. Keep it as a list from the start;
        list(y) is one in
        any order.
    """
    if type(values) is np.ndarray:  # nearly always
        return values
    if isinstance(values, (list, tuple)):
        for i, each in enumerate(values):
            if isinstance(each, np.ndarray):
                _refuse_masked(each, name, f"[{i}]")
            else:
                _refuse_sparse(each, name, f"[{i}]")
    _refuse_masked(values, name)
    _refuse_sparse(values, name)
    try:
        made = np.asarray(values)
    except ValueError:  # what NumPy says of it is hard to read
        if not isinstance(values, (list, tuple)):
            raise
        shapes = [np.shape(each) for each in values] if _regular(values) else []
        other = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), 0)
        told = f" ({shapes[0]} at 0, {shapes[other]} at {other})" if other else ""
        raise InputError(
            f"{name} is a list whose samples differ in shape{told}, which no array can hold."
        ) from None
    if not made.ndim and made.dtype.kind not in "biufc":
        raise InputError(f"{name} is {_no_array(values, name)}")
    if made.ndim == 2 and made.dtype == object and hasattr(values, "columns"):
        raise InputError(_table(list(values.columns), made, name))
    return made


def _regular(values: Sequence[Any]) -> bool:
    """Whether each entry of a list has a shape, ragged as they are among each other."""
    try:
        return bool([np.shape(each) for each in values])
    except ValueError:
        return False


def _refuse_sparse(values: Any, name: str, at: str = "") -> None:
    """Numbers that are all there: of a sparse matrix NumPy makes one object."""
    method = next((known for known in ("toarray", "todense") if hasattr(values, known)), None)
    if method:
        x = name.split()[-1]  # of "validation x"
        remedy = f"np.vstack([row.{method}() for row in {x}])" if at else f"{x}.{method}()"
        raise InputError(
            f"{name}{at} is a sparse {type(values).__name__}, but a network takes all the numbers, "
            f"the zeros too. Write {remedy}."
        )


def shortened(value: Any) -> str:
    """What Python writes for a value, in 60 characters at most.

    >>> shortened(b"a" * 100)
    "b'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..."
    """
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _refuse_masked(values: Any, name: str, at: str = "") -> None:
    """Numbers that are all there: under a mask stands anything."""
    masked = isinstance(values, np.ndarray) and hasattr(values, "filled")
    hidden = np.count_nonzero(np.ma.getmaskarray(values)) if masked else 0
    if hidden:
        raise InputError(
            f"{name}{at} is a masked array, {hidden:,} of whose {values.size:,} numbers are masked:"
            " what lies under the mask would be taken for numbers. Put in what is missing, "
            f"{name.split()[-1]}{at}.filled(...), for instance with the mean, or leave those "
            "samples out."
        )


def _no_array(values: Any, name: str) -> str:
    """What was given in place of an array, and the line that makes one."""
    kind, name = type(values).__name__, name.split()[-1]  # of "validation x"
    if values is None:
        return 'None. Forgot "return" in the function that makes it?'
    if isinstance(values, (str, bytes, os.PathLike)):
        return f"{shortened(values)}. If that is a file, read it first, as by np.load."
    if isinstance(values, Mapping):
        keys = ", ".join(repr(key) for key in [*values][:5])
        return (
            f"a {kind} with the keys {keys}. Take one by its name, {name}[...]; or all: "
            f"list({name}.values()) if each is a sample, np.column_stack(list({name}.values())) if "
            "each is a column."
        )
    if isinstance(values, (set, frozenset)):
        return (
            f"a {kind}, which has no order. Keep it as a list from the start; list({name}) is one "
            "in any order."
        )
    if isinstance(values, Iterable):
        return f"a {kind}, which gives one after another. Write list({name})."
    return f"a {kind}, of which NumPy makes no array."


def _table(columns: list[Any], table: Array, name: str) -> str:
    """Which columns of a table hold no numbers, and what to do with them."""
    full, name = name, name.split()[-1]  # of "validation x"
    texts = [c for c, column in zip(columns, table.T, strict=True) if not all(map(_is, column))]
    if not texts:
        return f"{full} is a table of numbers of several kinds. Write {name}.astype(float)."
    told = ", ".join(map(repr, texts[:5])) + (", ..." if len(texts) > 5 else "")
    return (
        f"{full} is a table in which not all are numbers: column {told}. Leave such columns out, "
        f"{name}.drop(columns=[{told}]), or put a number in place of each text: "
        f"np.unique(column, return_inverse=True)[1], and of what is missing: {name}.fillna(...)."
    )


def _is(value: Any) -> bool:
    """Whether an object is a number."""
    return isinstance(value, (Real, np.bool_))


def numbers(values: Array, expects: str) -> Array:
    """An array of numbers, not of texts, dates or objects.

    >>> numbers(np.array([1.0, "7"], object), "fit expects numbers")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: fit expects numbers, got an array of object. The first that is none
        is '7', at 1.
    """
    if values.dtype.kind in "biuf":
        return values
    hint = ""
    if values.dtype.names:
        hint = " Of columns with names: np.column_stack([x[name] for name in x.dtype.names])."
    if values.dtype == object:
        odd = next(((i, v) for i, v in np.ndenumerate(values) if not _is(v)), None)
        hint = " All of them are numbers: write .astype(float)."
        if odd is not None:
            place = odd[0] if len(odd[0]) != 1 else odd[0][0]
            hint = f" The first that is none is {textwrap.shorten(repr(odd[1]), 40)}, at {place}."
        if odd is not None and isinstance(odd[1], np.ndarray):
            hint = " They are arrays: if all have one shape, write np.stack(...) of them."
    raise InputError(f"{expects}, got an array of {values.dtype}.{hint}")


def sample_shape(shape: Sequence[int]) -> Shape:
    """The shape of one sample: whole numbers, 1 or more each."""
    if not isinstance(shape, Sequence) or not all(
        isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n > 0 for n in shape
    ):
        hint = f" Write ({shape},)." if isinstance(shape, (int, np.integer)) else ""
        raise InputError(
            "input_shape is the shape of one sample, such as (28, 28) or (2,), got "
            f"{shape!r}.{hint}"
        )
    return tuple(int(n) for n in shape)


def precision(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """The dtype of a model: float32 or float64."""
    try:
        known = np.dtype(dtype)
    except TypeError:  # no dtype of any kind
        known = None
    if known not in (np.float32, np.float64):
        raise InputError(f"dtype must be float32 or float64, got {dtype!r}.")
    return known
