"""What can be wrong with a training, and how one sees it: a judgement for each.

A judgement is a function of the chart. They stand in the order in which one brings about another:
unscaled images make steps too large, these close units for ever, and then the loss stays where
guessing is. So what comes first is the cause, and what it explains is hung beneath it.

The limits are no theory. They lie between what healthy and broken trainings on real images showed,
with room on both sides: who is warned for nothing stops listening. What only follows from others
(nothing is learnt, a class is never predicted) makes a smaller sign of a cause enough.
"""

from collections.abc import Callable

from tinynn.doctor.record import Chart
from tinynn.doctor.rules.course import closed_by_training, fading, large_steps, small_steps
from tinynn.doctor.rules.finding import FINE, NOTE, PROBLEM, UNKNOWN, Finding
from tinynn.doctor.rules.outcome import (
    absent,
    imbalance,
    never_predicted,
    overfitting,
    stuck,
    validation,
)
from tinynn.doctor.rules.start import (
    alike,
    closed_from_the_start,
    inputs,
    shuffling,
    signal,
    targets,
)

JUDGEMENTS: tuple[Callable[[Chart], Finding], ...] = (
    inputs, targets, shuffling, alike, closed_from_the_start, signal, large_steps, small_steps,
    closed_by_training, fading, imbalance, stuck, absent, validation, never_predicted, overfitting,
)  # fmt: skip
LATER = {"large_steps", "small_steps", "closed_by_training", "fading", "imbalance", "stuck",
         "absent", "validation", "never_predicted", "overfitting"}  # fmt: skip
EXPLAINS = {
    "inputs": LATER | {"signal"},
    "targets": LATER,
    "shuffling": LATER,
    "alike": LATER | {"closed_from_the_start", "signal"},
    "closed_from_the_start": LATER | {"signal"},
    "signal": LATER,
    "large_steps": LATER,
    "small_steps": LATER,
    "closed_by_training": LATER,
    "fading": LATER,
    "imbalance": LATER,
    "stuck": LATER,
    "absent": {"validation", "never_predicted", "overfitting"},
    "validation": {"never_predicted", "overfitting"},
}

__all__ = ["EXPLAINS", "FINE", "JUDGEMENTS", "NOTE", "PROBLEM", "UNKNOWN", "Finding"]
