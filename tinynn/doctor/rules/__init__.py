"""What can be wrong with a training, and how one sees it: a rule for each.

A rule is a function of the record. Rules stand in the order in which one fault brings about
another: unscaled images make updates too large, these make units dead, and then the loss stays at
that of guessing. So the first problem is the cause, and what it explains is printed beneath it.

The limits come from measurements: they lie between what healthy and broken trainings on real images
showed, with room on both sides, because nobody reads warnings that are often wrong. Where a result
is bad too (nothing is learnt, a class is never predicted), a weaker sign of a cause is enough.

A further rule: a function in the file of its subject, its place in RULES, and in EXPLAINS what
follows from it.
"""

from collections.abc import Callable

from tinynn.doctor.record import TrainingRecord
from tinynn.doctor.rules.chance import at_chance, imbalance
from tinynn.doctor.rules.data import inputs, shuffling
from tinynn.doctor.rules.finding import FINE, NOTE, PROBLEM, UNKNOWN, Finding
from tinynn.doctor.rules.held_out import (
    missing_classes,
    never_predicted,
    overfitting,
    validation,
)
from tinynn.doctor.rules.hidden_layers import dead_units, vanishing_gradients
from tinynn.doctor.rules.initial_weights import (
    inactive_at_start,
    signal_propagation,
    symmetric_units,
)
from tinynn.doctor.rules.steps import large_steps, small_steps
from tinynn.doctor.rules.targets import targets

RULES: tuple[Callable[[TrainingRecord], Finding], ...] = (
    inputs, targets, shuffling, symmetric_units, inactive_at_start, signal_propagation, large_steps,
    small_steps, dead_units, vanishing_gradients, imbalance, at_chance, missing_classes, validation,
    never_predicted, overfitting,
)  # fmt: skip
LATER = {"large_steps", "small_steps", "dead_units", "vanishing_gradients", "imbalance",
         "at_chance", "missing_classes", "validation", "never_predicted",
         "overfitting"}  # fmt: skip
EXPLAINS = {
    "inputs": LATER | {"signal_propagation"},
    "targets": LATER,
    "shuffling": LATER,
    "symmetric_units": LATER | {"inactive_at_start", "signal_propagation"},
    "inactive_at_start": LATER | {"signal_propagation"},
    "signal_propagation": LATER,
    "large_steps": LATER,
    "small_steps": LATER,
    "dead_units": LATER,
    "vanishing_gradients": LATER,
    "imbalance": LATER,
    "at_chance": LATER,
    "missing_classes": {"validation", "never_predicted", "overfitting"},
    "validation": {"never_predicted", "overfitting"},
}

__all__ = ["EXPLAINS", "FINE", "NOTE", "PROBLEM", "RULES", "UNKNOWN", "Finding"]
