"""Metrics: the name of one, whether it should rise or fall, and its value in the history."""

from numbers import Real
from typing import Any

import numpy as np

from tinynn.errors import InputError

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
    if mode not in MODES:
        raise InputError(
            f'mode must be "min" (lower is better), "max" (higher is better) or "auto" (the name '
            f"of the metric tells), got {mode!r}."
        )
    return str(mode)


def least_change(min_delta: Any) -> float:
    """The change of a metric that counts as an improvement, 0 or more, as a Python float."""
    real = isinstance(min_delta, Real) and not isinstance(min_delta, bool)
    if not (real and 0 <= min_delta < np.inf):
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
