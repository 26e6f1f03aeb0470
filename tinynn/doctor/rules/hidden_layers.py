"""What training can do to hidden layers: dead units, vanishing or exploding gradients."""

import numpy as np

from tinynn.doctor.depth import ChangeByDepth, largest_change
from tinynn.doctor.record import TrainingRecord
from tinynn.doctor.rules.finding import FINE, PROBLEM, UNKNOWN, Finding


def dead_units(record: TrainingRecord) -> Finding:
    """Most units of a layer should not be dead; healthy networks have some dead units, too."""
    if not record.dead:
        return Finding("dead_units", UNKNOWN, "dead units: they were not counted")
    shares = {name: dead / count for name, (dead, count) in record.dead.items()}
    name = max(shares, key=lambda name: shares[name])
    dead, count = record.dead[name]
    seen = f"{dead} of {count} units of {name} are inactive for all of up to 1,000 samples"
    if shares[name] < 0.8:
        return Finding("dead_units", FINE, seen)
    return Finding(
        "dead_units",
        PROBLEM,
        "Most units of a layer are dead.",
        seen=seen,
        cause="Usually large updates have moved their biases far below 0. A unit that is inactive "
        "for every sample gets no gradient, so it no longer learns.",
        remedy="A smaller learning rate, from new initial weights on.",
    )


def vanishing_gradients(record: TrainingRecord) -> Finding:
    """Gradients should reach all layers also later: the median of the last three recorded steps.

    If the training is at chance or never predicts a class, a factor of 100 is a problem; if not,
    1,000. A network for numbers that is far better than their mean may have small gradients.
    """
    steps = [step for step in record.steps if step.number >= 16][-3:]
    if len(steps) < 3:
        title = "gradients by depth, later: too few recorded steps"
        return Finding("vanishing_gradients", UNKNOWN, title)
    names = [name for name in steps[0].gradient if all(name in step.gradient for step in steps)]
    if len(names) < 2:
        title = "gradients by depth, later: they are known of one layer only"
        return Finding("vanishing_gradients", UNKNOWN, title)
    backward = largest_change(
        {name: float(np.median([step.gradient[name] for step in steps])) for name in names}
    )
    if backward is None:
        title = "gradients by depth, later: the gradient of the loss is 0"
        return Finding("vanishing_gradients", UNKNOWN, title)
    learnt = not record.classes and 0 < record.relative_loss < 0.5
    if learnt or backward.distance < np.log(1e2 if record.has_failed else 1e3):
        seen = f"at the last recorded steps the gradient of the loss goes {backward}"
        return Finding("vanishing_gradients", FINE, seen)
    when = f"at steps {steps[0].number:,} to {steps[-1].number:,}"
    return _vanishing_or_exploding(backward, when)


def _vanishing_or_exploding(backward: ChangeByDepth, when: str) -> Finding:
    vanishing = backward.factor < 1
    return Finding(
        "vanishing_gradients",
        PROBLEM,
        f"The gradient has begun to {'vanish' if vanishing else 'explode'}.",
        seen=f"{when} the gradient of the loss goes {backward}",
        cause="Usually large updates have made units saturate: ReLU is inactive, tanh and sigmoid "
        "are far from 0."
        if vanishing
        else "Large updates have made the weights large.",
        remedy="A smaller learning rate, from new initial weights on.",
    )
