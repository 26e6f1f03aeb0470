"""Metrics: the functions that measure them, their names, values, and whether they should rise."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from numbers import Real
from typing import Any

import numpy as np

from tinynn.checks.arguments import python_number, real_number
from tinynn.checks.arrays import shortened
from tinynn.checks.calls import can_be_called
from tinynn.errors import InputError
from tinynn.parameters import Array

Metrics = Mapping[str, Callable[..., Any]]

NOT_A_METRIC = ("epoch", "learning_rate", "seconds")  # columns of the history
RISING = ("accuracy", "acc", "precision", "recall", "f1", "auc", "r2", "iou", "score", "scores")
FALLING = ("loss", "error", "mse", "mae", "rmse", "perplexity")
MODES = ("auto", "min", "max")


def metric_name(monitor: Any) -> str:
    """The name of a metric that a callback can monitor."""
    if not isinstance(monitor, str):
        raise InputError(
            f"monitor must be the name of a metric, such as 'val_loss', got {monitor!r}. "
            "For the epochs to wait, write patience=."
        )
    if monitor in NOT_A_METRIC:
        raise InputError(
            f"monitor must be a metric, but {monitor!r} does not tell how good the model is. Write "
            "'val_loss', 'val_accuracy', or the name of a metric that a callback writes into the "
            "history."
        )
    return monitor


def mode_name(mode: Any) -> str:
    """How a metric is judged: "auto", by its name, or "min" or "max"."""
    if not isinstance(mode, str) or mode not in MODES:
        raise InputError(
            f'mode must be "min" (lower is better), "max" (higher is better) or "auto" (the name '
            f"of the metric tells), got {mode!r}."
        )
    return str(mode)


def least_change(min_delta: Any) -> float:
    """The change of a metric that counts as an improvement, 0 or more, as a Python float."""
    real = isinstance(min_delta, Real) and not isinstance(min_delta, bool)
    if not 0 <= real_number(min_delta) < np.inf:
        hint = ' For the direction, write mode="min" or mode="max".' if real else ""
        raise InputError(f"min_delta must be a number, 0 or more, got {min_delta!r}.{hint}")
    return float(min_delta)


def should_rise(monitor: str, mode: str = "auto") -> bool:
    """Whether a metric should rise, by its name or the mode; an error if neither tells.

    >>> should_rise("val_f1"), should_rise("val_loss"), should_rise("val_gap", "max")
    (True, False, True)
    """
    if mode != "auto":
        return mode == "max"
    for word in reversed(monitor.lower().replace("-", "_").split("_")):
        if word.endswith(RISING) or word.endswith(FALLING):
            return word.endswith(RISING)
    raise InputError(
        f"monitor: the name {monitor!r} does not tell whether the metric should rise or fall. "
        'Write mode="max" if higher is better, or mode="min" if lower is better.'
    )


def check_metric(name: str, value: Any) -> float:
    """The value of a monitored metric in the history, as a Python float."""
    if not isinstance(value, Real):
        raise InputError(f"{name!r} in the history must be a number, got {value!r:.100}.")
    return float(value)


def named_metrics(metrics: Any, has_accuracy: bool) -> dict[str, Callable[..., Any]]:
    """Functions (p, y) -> number by their names, which are all different.

    has_accuracy: whether the accuracy is measured anyway.

    >>> from functools import partial
    >>> def top(p, y, k): ...
    >>> list(named_metrics([partial(top, k=3)], True))
    ['top']
    """
    if not isinstance(metrics, (list, tuple)):
        hint = " Write metrics=[...]." if can_be_called(metrics) else ""
        raise InputError(f"metrics must be a list of functions, got {metrics!r:.100}.{hint}")
    named: dict[str, Callable[..., Any]] = {}
    for metric in metrics:
        if not can_be_called(metric) or isinstance(metric, type):
            raise InputError(
                f"metrics must be functions (p, y) -> number, got {metric!r:.100}. Write the "
                "function itself, such as metrics=[tinynn.accuracy], or an object that can be "
                "called."
            )
        name = _name_of(metric)
        if not isinstance(name, str) or not name or name == "<lambda>":
            raise InputError(
                f"metrics: {metric!r:.100} has no name for its column. Write def my_metric(p, y): "
                "..., or give the object an attribute name = 'my_metric'."
            )
        if name == "loss" or (name == "accuracy" and has_accuracy):
            raise InputError(
                f"metrics: the {name} is measured anyway. Leave it out, or give the function "
                "another name."
            )
        if name in named:
            raise InputError(
                f"metrics: two functions have the name {name}, and each needs a column of its own. "
                f"Give one of them another name: metric.name = '{name}_2'."
            )
        named[name] = metric
    return named


def _name_of(metric: Any) -> Any:
    """The `name` of a metric, or its `__name__`, or that of a partial's function."""
    name = getattr(metric, "name", None) or getattr(metric, "__name__", None)
    return _name_of(metric.func) if name is None and isinstance(metric, partial) else name


def metrics_have_data(metrics: Metrics, validation: Any) -> None:
    """Validation data, if there are metrics: fit measures metrics on nothing else."""
    if metrics and validation is None:
        raise InputError(
            f"fit measures metrics ({', '.join(metrics)}) on validation data, and there are none. "
            "Write fit(..., validation_data=(x_val, y_val)); or Trainer(...) without metrics=."
        )


def measured(metrics: Metrics, outputs: Sequence[Array], y: Array) -> dict[str, float]:
    """The value of each metric, a finite Python float, for the outputs of all batches."""
    if not metrics:
        return {}
    p, y = np.concatenate(outputs), y.view()
    p.flags.writeable = y.flags.writeable = False  # what one metric changed, others would read
    values = {}
    for name, metric in metrics.items():
        got = f"for p of shape {p.shape} and y of shape {y.shape}"
        try:
            value = python_number(metric(p, y))
        except Exception as error:
            raise InputError(f"The metric {name} raised {error!r} {got}.") from error
        if not isinstance(value, Real) or isinstance(value, bool):
            hint = ' Forgot "return"?' if value is None else ""
            what = f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else None
            raise InputError(
                f"The metric {name} must return one number, but {got} it returned "
                f"{what or shortened(value)}.{hint}"
            )
        if not np.isfinite(real_number(value)):
            raise InputError(
                f"The metric {name} must return a finite number, but {got} it returned "
                f"{shortened(value)}. "
                "Does it divide by 0, where a class has no sample or is never predicted?"
            )
        values[name] = float(value)
    return values
