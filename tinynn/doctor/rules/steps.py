"""What can be wrong with the updates of a training: too large, or too small."""

import numpy as np

from tinynn.doctor.record import TrainingRecord
from tinynn.doctor.rules.finding import FINE, PROBLEM, UNKNOWN, Finding


def large_steps(record: TrainingRecord) -> Finding:
    """No update should make the loss far larger than it was at first."""
    if record.diverged_at:
        return Finding(
            "large_steps",
            PROBLEM,
            "The steps are too large: the training diverged.",
            seen=f"the loss began at {record.steps[0].loss:.3g}; at step {record.diverged_at} the "
            "loss, or a weight, was NaN or infinite",
            cause="The learning rate is too high: each update goes farther past the minimum than "
            "the one before, until the numbers overflow.",
            remedy=_smaller_rate(record),
        )
    if not record.steps[1:]:
        return Finding("large_steps", UNKNOWN, "the size of steps: no step was taken")
    worst = max(record.steps[1:], key=lambda step: step.loss)
    if not _loss_jumped(record, worst.loss):
        return Finding("large_steps", FINE, "no recorded step made the loss far larger")
    before = [step for step in record.steps if step.number < worst.number]
    ratio = max(max(step.update_ratio.values(), default=0.0) for step in before)
    if ratio < (0.05 if record.loss_falls else 1e-3):
        seen = "the loss differs between batches, but the steps are small"
        return Finding("large_steps", FINE, seen)
    return Finding(
        "large_steps",
        PROBLEM,
        "The steps are too large.",
        seen=f"the loss went from {record.steps[0].loss:.3g} to {worst.loss:.3g} at step "
        f"{worst.number}; an earlier step changed weights by {ratio:.2g} times their norm",
        cause="The learning rate is too high: an update goes past the minimum, to where the loss "
        "is higher than before.",
        remedy=_smaller_rate(record),
    )


def _smaller_rate(record: TrainingRecord) -> str:
    rate = record.learning_rate
    tenth = f" ({rate:g} -> {rate / 10:g})" if rate else ""
    return (
        f"Divide the learning rate by 10{tenth}, again and again until the loss falls from the "
        "first steps on. If it never does, look for a wrong gradient with check_gradients."
    )


def _loss_jumped(record: TrainingRecord, worst: float) -> bool:
    """Whether the largest loss was far above the first one, and the last is not low again."""
    first, later = record.steps[0].loss, record.steps[1:]
    last = float(np.mean([step.loss for step in later[-3:]]))
    if record.epochs:  # the loss of three small batches may be high by chance
        last = min(last, record.epochs[-1]["loss"])
    if not record.classes:
        return worst > 10 * first and not last < 3 * first
    known = record.guessing_loss if record.guessing_loss < np.inf else 0.0
    usual = record.above_floor(max(first, known))
    return record.above_floor(worst) > 2 * usual and not record.above_floor(last) < 0.7 * usual


def small_steps(record: TrainingRecord) -> Finding:
    """All updates together should be able to change the weights by a tenth of their norm."""
    steps = [step for step in record.steps if step.update_ratio]
    if not steps or steps[-1].number < 16:
        return Finding("small_steps", UNKNOWN, "the size of steps: there were fewer than 16")
    idle = [row["epoch"] for row in record.epochs if row.get("learning_rate") == 0]
    if 2 * len(idle) > len(record.epochs):
        return _no_steps(record, idle)
    ratios = [max(step.update_ratio.values()) for step in steps]
    largest, usual = max(ratios), float(np.median(ratios))
    if largest == 0:
        return Finding("small_steps", UNKNOWN, "the size of steps: no weight changed")
    fell = 1 - float(np.mean([step.loss for step in steps[-3:]])) / steps[0].loss
    half_of_guessing = 0.5 * record.above_floor(record.guessing_loss)
    learnt_before = record.above_floor(steps[0].loss) < half_of_guessing < np.inf
    slow = record.loss_at_chance and record.has_enough_steps
    large_enough = record.total_update > 0.1 if slow else largest >= 2e-5
    if large_enough or learnt_before or fell > 0.2:
        seen = f"a step changes weights by {usual:.1e} of their norm"
        return Finding("small_steps", FINE, seen)
    rate = record.learning_rate
    tenfold = f" ({rate:g} -> {10 * rate:g})" if rate else ""
    return Finding(
        "small_steps",
        PROBLEM,
        "The steps are too small.",
        seen=f"a step changes weights by {usual:.1e} of their norm, 1e-4 to 1e-2 is usual; all "
        f"{steps[-1].number:,} together by {record.total_update:.1e} at most; the loss is "
        f"{steps[-1].loss:.3g}, at first it was {steps[0].loss:.3g}",
        cause="The learning rate is too low, or there were too few steps.",
        remedy=f"Multiply the learning rate by 10{tenfold}, again and again until the loss falls.",
    )


def _no_steps(record: TrainingRecord, idle: list[int]) -> Finding:
    return Finding(
        "small_steps",
        PROBLEM,
        "The learning rate is 0 in most epochs.",
        seen=f"{len(idle)} of {len(record.epochs)} epochs end with the learning rate 0, epoch "
        f"{idle[0]} is the first",
        cause="The schedule ends before the training does, and then no step changes a weight. "
        "Often its steps are counted in epochs, but they are batches.",
        remedy="Leave out steps=, and fit tells the schedule how many there are; or write steps = "
        f"epochs * {record.steps_per_epoch or 'batches'}.",
    )
