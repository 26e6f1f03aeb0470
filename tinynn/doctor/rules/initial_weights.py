"""What can be wrong with initial weights: symmetric or inactive units, vanishing, exploding."""

import numpy as np

from tinynn.doctor.depth import ChangeByDepth, largest_change
from tinynn.doctor.record import TrainingRecord
from tinynn.doctor.rules.finding import FINE, PROBLEM, UNKNOWN, Finding
from tinynn.doctor.statistics import StepStatistics


def symmetric_units(record: TrainingRecord) -> Finding:
    """Units of a layer should start with different weights: equal ones get equal gradients."""
    if not record.has_first_step:
        return Finding("symmetric_units", UNKNOWN, "initial weights: step 1 was not recorded")
    layers = record.steps[0].symmetric_units
    if not layers:
        return Finding("symmetric_units", FINE, "no layer has units that are all equal")
    return Finding(
        "symmetric_units",
        PROBLEM,
        "All units of a layer are equal.",
        seen=f"at step 1 all columns of {', '.join(layers)} are equal",
        cause="The initial weights are all 0, or all the same number. Units with equal weights get "
        "equal gradients at every step, so they always stay equal.",
        remedy="Draw weights at random: Dense(units) does, by he_normal.",
    )


def inactive_at_start(record: TrainingRecord) -> Finding:
    """With usual initial weights about half of all units are active."""
    if not record.has_first_step or not record.steps[0].inactive:
        return Finding("inactive_at_start", UNKNOWN, "units that are inactive at step 1")
    name, share = max(record.steps[0].inactive.items(), key=lambda item: item[1])
    if share < 0.95:
        seen = f"at step 1 {share:.0%} of {name} are inactive"
        return Finding("inactive_at_start", FINE, seen)
    if not record.from_training:
        return Finding(
            "inactive_at_start",
            PROBLEM,
            "Nearly all units of a layer are inactive.",
            seen=f"{share:.0%} of the outputs of {name} are 0",
            cause="In a new network: biases, or weights, start far below 0. In a trained network: "
            "updates were too large. An inactive unit passes no gradient back, so training cannot "
            "make it active again.",
            remedy="New initial weights, as Dense(units) draws them, and a smaller learning rate.",
        )
    return Finding(
        "inactive_at_start",
        PROBLEM,
        "Units were inactive before training began.",
        seen=f"at step 1 {share:.0%} of the outputs of {name} are 0",
        cause="Biases, or weights, start far below 0. An inactive unit passes no gradient back, so "
        "training cannot make it active.",
        remedy="Start as Dense(units) does: biases at 0, weights by he_normal.",
    )


def signal_propagation(record: TrainingRecord) -> Finding:
    """Outputs and gradients should have about the same size in all layers."""
    first = record.steps[0]
    if not record.has_first_step or len(first.gradient) < 2:
        return Finding("signal_propagation", UNKNOWN, "gradients by depth, at step 1")
    forward = largest_change(dict(reversed(first.output_std.items())))
    backward = largest_change(first.gradient)
    top, below, *_ = first.gradient
    if forward is None or backward is None or not (first.output_std[top] or first.gradient[below]):
        title = "gradients by depth: nothing to compare at step 1"
        return Finding("signal_propagation", UNKNOWN, title)
    finding = _no_gradient(first) or _large_scores(record, top)
    if finding is not None:
        return finding
    worst = max(forward, backward, key=lambda change: change.distance)
    if worst.distance < np.log(1e2 if record.at_chance else 1e3):
        seen = f"at step 1 the gradient of the loss goes {backward}"
        return Finding("signal_propagation", FINE, seen)
    return _vanishing_or_exploding(worst.factor < 1, forward, backward)


def _no_gradient(first: StepStatistics) -> Finding | None:
    """A gradient that becomes exactly 0 between two layers, and has not vanished gradually."""
    names = list(first.gradient)
    end = next((i for i, name in enumerate(names) if not first.gradient[name]), 0)
    if not end or not first.gradient[names[end - 1]] > 1e-20:
        return None
    return Finding(
        "signal_propagation",
        PROBLEM,
        "A layer passes no gradient back.",
        seen=f"at step 1 the gradient of the loss is {first.gradient[names[end - 1]]:.2g} at "
        f"{names[end - 1]} and 0 at {names[end]}",
        cause="A layer between the two passes nothing back: all its units are inactive, or its "
        "backward returns zeros.",
        remedy="check_gradients(model, loss, x[:8], y[:8]) names the layer. Correct its backward.",
    )


def _large_scores(record: TrainingRecord, top: str) -> Finding | None:
    """Logits of an untrained classifier so large that its probabilities are near 0 and 1."""
    first = record.steps[0]
    if not record.classes or first.output_std[top] <= 10:
        return None
    known = record.guessing_loss < np.inf
    guessing = f"; guessing gives {record.guessing_loss:.3g}" if known else ""
    return Finding(
        "signal_propagation",
        PROBLEM,
        "The initial logits are too large.",
        seen=f"at step 1 the logits have standard deviation {first.output_std[top]:.3g}, and the "
        f"loss is {first.loss:.3g}{guessing}",
        cause="The initial weights are too large, as those of randn are: the network starts with "
        "wrong predictions of high probability, and must unlearn them first.",
        remedy="Dense(units): its he_normal draws weights that suit the number of inputs.",
    )


def _vanishing_or_exploding(
    vanishing: bool, forward: ChangeByDepth, backward: ChangeByDepth
) -> Finding:
    saturating = ", or a saturating function such as sigmoid between layers" if vanishing else ""
    return Finding(
        "signal_propagation",
        PROBLEM,
        f"The gradient {'vanishes' if vanishing else 'explodes'}.",
        seen=f"at step 1 the standard deviation of outputs goes {forward}; the gradient of the "
        f"loss goes {backward}",
        cause=f"The initial weights are too {'small' if vanishing else 'large'} for this "
        f"depth{saturating}: each layer makes outputs and gradients "
        f"{'smaller' if vanishing else 'larger'}.",
        remedy="ReLU after Dense(units, initializer=he_normal), or tanh after glorot_uniform.",
    )
