"""What can go wrong on the way: the steps, and what they do to the units."""

import numpy as np

from tinynn.doctor.record import Chart, farthest
from tinynn.doctor.rules.finding import FINE, PROBLEM, UNKNOWN, Finding


def large_steps(chart: Chart) -> Finding:
    """No step should throw the loss far above where it began."""
    first, later = chart.looks[0], chart.looks[1:]
    tenth = f" ({chart.rate:g} -> {chart.rate / 10:g})" if chart.rate else ""
    remedy = (
        f"A tenth of the learning rate{tenth}, and again until the loss falls from the first steps "
        "on. If it never does, check_gradients looks for a slope that is wrong."
    )
    if chart.broke_off:
        return Finding(
            "large_steps",
            PROBLEM,
            "The steps are too large: training broke off.",
            seen=f"the loss began at {first.loss:.3g}; at step {chart.broke_off} it, or a weight, "
            "was NaN or infinite",
            cause="The learning rate is too high: each step lands farther beyond the valley, until "
            "the numbers overflow.",
            remedy=remedy,
        )
    if not later:
        return Finding("large_steps", UNKNOWN, "steps: none was taken")
    worst, last = max(later, key=lambda look: look.loss), np.mean([k.loss for k in later[-3:]])
    if chart.epochs:  # of small batches three may be high by chance
        last = min(last, chart.epochs[-1]["loss"])
    if chart.classes:
        usual = max(first.loss, chart.guessing if chart.guessing < np.inf else 0.0)
        usual, now = chart.above(usual), chart.above(float(last))
        thrown_back = chart.above(worst.loss) > 2 * usual and not now < 0.7 * usual
    else:
        thrown_back = worst.loss > 10 * first.loss and not last < 3 * first.loss
    if not thrown_back:
        return Finding("large_steps", FINE, "no step looked at threw the loss back")
    before = [look for look in chart.looks if look.step < worst.step]
    moved = max(max(look.update.values(), default=0.0) for look in before)
    if moved < (0.05 if chart.falls else 1e-3):
        return Finding("large_steps", FINE, "batches differ in their loss, but steps are small")
    return Finding(
        "large_steps",
        PROBLEM,
        "The steps are too large.",
        seen=f"the loss went from {first.loss:.3g} to {worst.loss:.3g} at step {worst.step}; a "
        f"step before had moved weights by {moved:.2g} times their size",
        cause="The learning rate is too high: a step lands beyond the valley, higher up than it "
        "began.",
        remedy=remedy,
    )


def small_steps(chart: Chart) -> Finding:
    """All steps together should be able to change the weights, say by a tenth of their size."""
    looks = [look for look in chart.looks if look.update]
    if not looks or looks[-1].step < 16:
        return Finding("small_steps", UNKNOWN, "the size of steps: there were fewer than 16")
    moved = [max(look.update.values()) for look in looks]
    largest, usual = max(moved), float(np.median(moved))
    if largest == 0:
        return Finding("small_steps", UNKNOWN, "the size of steps: nothing moves")
    fell = 1 - float(np.mean([look.loss for look in looks[-3:]])) / looks[0].loss
    learnt = (
        chart.above(looks[0].loss) < 0.5 * chart.above(chart.guessing) < np.inf
    )  # before: there is little left to do
    slow = chart.loss_at_guessing and chart.enough
    far = chart.travelled > 0.1 if slow else largest >= 2e-5
    if far or learnt or fell > 0.2:
        return Finding("small_steps", FINE, f"a step moves weights by {usual:.1e} of their size")
    tenfold = f" ({chart.rate:g} -> {10 * chart.rate:g})" if chart.rate else ""
    return Finding(
        "small_steps",
        PROBLEM,
        "The steps are too small.",
        seen=f"a step moves weights by {usual:.1e} of their size, 1e-4 to 1e-2 is usual; all "
        f"{looks[-1].step:,} together by {chart.travelled:.1e} at most; the loss is "
        f"{looks[-1].loss:.3g}, at first it was {looks[0].loss:.3g}",
        cause="The learning rate is too low, or there were too few steps.",
        remedy=f"Ten times the learning rate{tenfold}, and again until the loss falls.",
    )


def closed_by_training(chart: Chart) -> Finding:
    """Some units are closed for all images in any healthy run; nearly all should not be."""
    if not chart.never_open:
        return Finding("closed_by_training", UNKNOWN, "units closed by training: nobody asked")
    shares = {name: closed / count for name, (closed, count) in chart.never_open.items()}
    name = max(shares, key=lambda name: shares[name])
    closed, count = chart.never_open[name]
    seen = f"{closed} of {count} units of {name} are open for none of up to 1,000 samples"
    if shares[name] < 0.8:
        return Finding("closed_by_training", FINE, seen)
    return Finding(
        "closed_by_training",
        PROBLEM,
        "Most units of a layer never open.",
        seen=seen,
        cause="Usually large steps have pushed their biases far below zero; a unit that is closed "
        "for every sample gets no gradient any more.",
        remedy="A smaller learning rate, from fresh weights on.",
    )


def fading(chart: Chart) -> Finding:
    """What got through at the start should get through later, too: the median of three looks.

    Where nothing came of the training, or a class is never predicted, a factor of 100 is enough for
    a cause; else 1,000. A network for numbers that beats guessing may have small last weights.
    """
    looks = [look for look in chart.looks if look.step >= 16]
    if len(looks) < 3 or len(looks[0].slope) < 2:
        return Finding("fading", UNKNOWN, "gradients by depth, later: not enough looks")
    looks = looks[-3:]
    down = farthest(
        {name: float(np.median([look.slope[name] for look in looks])) for name in looks[0].slope}
    )
    if down is None:
        return Finding("fading", UNKNOWN, "gradients by depth, later: the loss has no slope")
    learnt = not chart.classes and 0 < chart.against_guessing < 0.5
    limit = 1e2 if chart.nothing_came_of_it else 1e3
    if learnt or down.distance < np.log(limit):
        return Finding("fading", FINE, f"at the last looks the slope of the loss goes {down}")
    vanishes = down.factor < 1
    return Finding(
        "fading",
        PROBLEM,
        f"The gradient has begun to {'vanish' if vanishes else 'explode'}.",
        seen=f"at steps {looks[0].step:,} to {looks[-1].step:,} the slope of the loss goes {down}",
        cause="Usually large steps have pushed units to where they are flat: ReLU is below 0, tanh "
        "and sigmoid far from it."
        if vanishes
        else "Large steps have made the weights large.",
        remedy="A smaller learning rate, from fresh weights on.",
    )
