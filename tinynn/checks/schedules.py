"""The arguments of learning-rate schedules: numbers of steps, and shares of all steps."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinynn.checks.arguments import check_integer, check_positive, python_number, real_number
from tinynn.checks.calls import can_be_called
from tinynn.errors import InputError
from tinynn.origin import is_own


def _number(value: Any) -> float:
    """A real number as a float, infinite if it is too large; NaN for anything else."""
    return real_number(python_number(value))


def final_rate(learning_rate: float, value: Any) -> float:
    """The rate of the end, as a Python float: 0 or more, and at most that of the start."""
    if not 0 <= _number(value) <= learning_rate:
        raise InputError(
            f"final must be a number from 0 to learning_rate, {learning_rate:g}, got {value!r}."
        )
    return _number(value)


def steps_or_share(name: str, value: Any, least: int = 0) -> int | float:
    """A whole number of steps, or a share of all steps: a float below 1.

    >>> steps_or_share("warmup", 500), steps_or_share("warmup", 0.1)
    (500, 0.1)
    >>> steps_or_share("warmup", 1.5)
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: warmup must be a whole number of steps, 0 or more, or a share of all
        steps, a float below 1, got 1.5.
    """
    number = python_number(value)
    if isinstance(number, float) and (0 < number < 1 or (number == 0 == least)):
        return number
    if isinstance(number, int) and not isinstance(number, bool) and number >= least:
        return number
    raise InputError(
        f"{name} must be a whole number of steps, {least} or more, or a share of all steps, a "
        f"float below 1, got {value!r}."
    )


def decay_factor(value: Any) -> float:
    """What a rate is multiplied by so that it falls, as a Python float: above 0, below 1."""
    if not 0 < _number(value) < 1:
        raise InputError(f"factor must be above 0 and below 1, got {value!r}.")
    return _number(value)


def least_rate(value: Any) -> float:
    """The rate below which none falls, as a Python float: 0 or more."""
    if not 0 <= _number(value) < np.inf:
        raise InputError(f"least must be a number, 0 or more, got {value!r}.")
    return _number(value)


def refuse_long_warmup(schedule: str, warmup: int | float, steps: int) -> None:
    """Raise InputError if a warm-up takes more steps than there are."""
    if warmup > steps:
        raise InputError(
            f"{schedule} warms up for {warmup:,} steps, but there are only {steps:,} steps. Write "
            "a smaller warmup, or a share of all steps: warmup=0.1."
        )


def unknown_steps(schedule: Any) -> InputError:
    """The error for a schedule that is asked for a rate before it knows the number of steps."""
    arguments = {**schedule.config(), "steps": "epochs * batches"}
    written = ", ".join(f"{name}={value}" for name, value in arguments.items())
    return InputError(
        f"{type(schedule).__name__} does not know how many steps there will be. Trainer.fit tells "
        "the schedule that the optimizer has before fit. Without fit, or if a callback sets it, "
        f"write steps=: {type(schedule).__name__}({written})."
    )


def pieces(boundaries: Any, rates: Any) -> None:
    """What PiecewiseConstant needs: rising boundaries, and a learning rate after each."""
    for name, value in (("boundaries", boundaries), ("rates", rates)):
        if not isinstance(value, Sequence) or isinstance(value, str) or not len(value):
            raise InputError(f"{name} must be a list of numbers, got {value!r}.")
    if len(boundaries) != len(rates):
        raise InputError(
            f"PiecewiseConstant needs a rate for each boundary, got {len(boundaries)} boundaries "
            f"and {len(rates)} rates. The rate before the first boundary is learning_rate."
        )
    kinds = {type(steps_or_share("boundaries", value, least=1)) for value in boundaries}
    if len(kinds) > 1 or not (np.diff(boundaries) > 0).all():
        raise InputError(
            f"boundaries must rise, and be all numbers of steps or all shares, got {boundaries!r}."
        )
    for value in rates:
        if _number(value) != 0 or isinstance(value, bool):
            check_positive("each of rates", python_number(value))


def warn_if_mostly_zero(schedule: Any, first: int, last: int) -> None:
    """Warn if a schedule is 0 in the second half of a run's steps, the first to the last."""
    if is_own(type(schedule)) or schedule((first + last) // 2) or schedule(last):
        return
    warnings.warn(
        f"The learning rate of {schedule!r} is 0 in at least half of this run's {last - first + 1} "
        "steps, which change nothing. steps are counted in batches, not in epochs; with steps=None "
        "fit tells how many there are.",
        stacklevel=6,
    )


def drawn_schedules(schedules: Sequence[Any], labels: Any) -> None:
    """What plots.schedule draws: functions of the step, and a text for each or none."""
    if not schedules:
        raise InputError("plots.schedule needs one schedule or more.")
    for schedule in schedules:
        if not can_be_called(schedule) or isinstance(schedule, type):
            raise InputError(
                f"plots.schedule expects schedules, functions of the step t, got {schedule!r:.100}."
            )
    if labels is not None and (isinstance(labels, str) or len(labels) != len(schedules)):
        raise InputError(
            f"plots.schedule expects labels, a list with a text for each of the {len(schedules)} "
            f"schedules, got {labels!r}."
        )


def steps_to_draw(steps: Any, given: Sequence[int]) -> int:
    """The number of steps that plots.schedule draws: the largest of the schedules' own, if None."""
    if steps is None and not given:
        raise InputError("plots.schedule does not know how many steps to draw: write steps=1000.")
    return check_integer("steps", max(given) if steps is None else steps)


def steps_of_all(value: Any) -> int | None:
    """The number of all steps, 1 or more, or None: Trainer.fit tells it."""
    return None if value is None else check_integer("steps", value)
