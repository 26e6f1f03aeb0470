"""What can be wrong with a training, and which numbers show it: a rule for each fault.

A rule is a function of the record. The rules are in the order in which one fault causes another:
unscaled images make updates too large, large updates make units dead, and then the loss stays at
that of guessing. So the first problem is the cause, and what it explains is printed below it.

The limits come from measurements on real images. They lie between the numbers of healthy and of
broken trainings, with room on both sides, because nobody reads warnings that are often wrong. If
the result of a training is bad (nothing is learnt, a class is never predicted), a weaker sign of a
cause is enough.

To add a rule, write a function in the file of its subject, and enter it in RULES at its place, in
EXPLAINS with the rules whose findings it explains, and in LATER if it may follow from others. A
problem explains only findings of rules that stand after its own in RULES.
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
from tinynn.doctor.rules.normalisation import running_statistics, small_batches
from tinynn.doctor.rules.random_layers import dropout_rate, training_mode
from tinynn.doctor.rules.steps import large_steps, small_steps
from tinynn.doctor.rules.targets import targets

RULES: tuple[Callable[[TrainingRecord], Finding], ...] = (
    inputs, targets, shuffling, symmetric_units, dropout_rate, inactive_at_start,
    signal_propagation, small_batches, large_steps, small_steps, dead_units, vanishing_gradients,
    imbalance, at_chance, missing_classes, running_statistics, validation, never_predicted,
    overfitting, training_mode,
)  # fmt: skip
# faults that appear during training, and may come from those before it
LATER = {"large_steps", "small_steps", "dead_units", "vanishing_gradients", "imbalance",
         "dropout_rate", "small_batches", "at_chance", "missing_classes", "running_statistics",
         "validation", "never_predicted", "overfitting", "training_mode"}  # fmt: skip
EXPLAINS = {  # for each rule, the rules whose findings a problem of it explains
    "inputs": LATER | {"signal_propagation"},
    "targets": LATER,
    "shuffling": LATER,
    "symmetric_units": LATER | {"inactive_at_start", "signal_propagation"},
    "dropout_rate": LATER | {"inactive_at_start", "signal_propagation"},
    "inactive_at_start": LATER | {"signal_propagation"},
    "signal_propagation": LATER,
    "small_batches": LATER,
    "large_steps": LATER,
    "small_steps": LATER,
    "dead_units": LATER,
    "vanishing_gradients": LATER,
    "imbalance": LATER,
    "at_chance": LATER,
    "missing_classes": {"validation", "never_predicted", "overfitting"},
    "running_statistics": {"validation", "never_predicted", "overfitting"},
    "validation": {"never_predicted", "overfitting"},
}

__all__ = ["EXPLAINS", "FINE", "NOTE", "PROBLEM", "RULES", "UNKNOWN", "Finding"]
