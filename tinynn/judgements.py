"""What can be wrong with a training, and how one sees it: a judgement for each.

A judgement is a function of the chart. They stand in the order in which one brings about another:
unscaled images make steps too large, these close units for ever, and then the loss stays where
guessing is. So what comes first is the cause, and what it explains is hung beneath it.

The limits are no theory. They lie between what the healthy and the broken runs of
tests/test_doctor.py showed, with room on both sides: who is warned for nothing stops listening.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tinynn.chart import Chart, farthest

PROBLEM, NOTE, FINE, UNKNOWN = "problem", "note", "fine", "unknown"


@dataclass(frozen=True)
class Finding:
    """One thing that was judged.

    name: of the judgement. level: "problem", "note", "fine" or "unknown". title: in one line. seen:
    the numbers. cause: the usual one. remedy: what to try. follows: what it has brought about.
    """

    name: str
    level: str
    title: str
    seen: str = ""
    cause: str = ""
    remedy: str = ""
    follows: tuple["Finding", ...] = ()


# The judgements, causes first


def inputs(chart: Chart) -> Finding:
    """Initial weights are drawn for numbers of about size 1, around 0."""
    largest = max(look.largest for look in chart.looks)
    size = max(look.size for look in chart.looks)
    mean = float(np.median([look.mean for look in chart.looks]))
    remedy = (
        "scale_pixels(x) for bytes, (x - x.mean()) / x.std() for other numbers, for a table with "
        "axis=0 in both. The same for validation and test data."
    )
    if largest < 0.05:
        return Finding(
            "inputs",
            PROBLEM,
            "The inputs are all 0." if largest == 0 else "The inputs are very small.",
            seen=f"x goes up to {largest:.2g}",
            cause="x // 255, which leaves nothing, or x scaled twice.",
            remedy=f"Scale once: {remedy}",
        )
    if size > 10:
        return Finding(
            "inputs",
            PROBLEM,
            "The inputs are not scaled.",
            seen=f"x goes up to {largest:.4g}; the loss began at {chart.looks[0].loss:.3g}",
            cause="Initial weights are made for numbers of about size 1. With larger ones outputs, "
            "gradients and steps are larger, too.",
            remedy=remedy,
        )
    if abs(mean) > 10 * max(size, 0.1):
        return Finding(
            "inputs",
            NOTE if chart.has_learnt else PROBLEM,
            "The inputs lie far from 0.",
            seen=f"x spreads by {size:.2g} around {mean:.4g}",
            cause="What all samples have in common is many times what tells them apart: steps "
            "that suit the one are far too large, or too small, for the other.",
            remedy=remedy,
        )
    return Finding("inputs", FINE, f"inputs spread by {size:.2g}, {largest:.3g} at most")


def shuffling(chart: Chart) -> Finding:
    """Batches should hold the classes in the mixture of the data."""
    if not chart.shares or not any(look.labels for look in chart.looks):
        return Finding("shuffling", UNKNOWN, "shuffling: there are no classes to tell it by")
    found, expected = [], []
    for look in chart.looks:
        size = sum(look.labels)
        found.append(sum(1 for count in look.labels if count))
        expected.append(sum(1 - (1 - share) ** size for share in chart.shares))
    mean, chance = float(np.mean(found)), float(np.mean(expected))
    seen = f"{mean:.1f} classes in a batch, {chance:.1f} by chance"
    if chance < 2:
        return Finding("shuffling", UNKNOWN, "shuffling: the batches are too small to tell")
    if mean > 0.6 * chance:
        return Finding("shuffling", FINE, f"batches are mixed ({seen})")
    if not chart.watched:
        return Finding(
            "shuffling",
            NOTE,
            "The data are sorted by class.",
            seen=f"samples that follow each other: {seen}",
            cause="They are stored so. Trainer.fit shuffles them; a loop of your own must do so.",
            remedy="minibatches(x, y, batch_size, rng) shuffles anew in every epoch.",
        )
    return Finding(
        "shuffling",
        PROBLEM,
        "The data are not shuffled.",
        seen=seen,
        cause="Sorted data: each batch pulls the network towards the class that it holds, and the "
        "next pulls it away again.",
        remedy="minibatches(x, y, batch_size, rng), as Trainer.fit uses it, shuffles anew in every "
        "epoch.",
    )


def alike(chart: Chart) -> Finding:
    """Units that start alike get the same gradients, and stay alike."""
    if not chart.saw_the_start:
        return Finding("alike", UNKNOWN, "initial weights: their first step was not seen")
    layers = chart.looks[0].alike
    if not layers:
        return Finding("alike", FINE, "units start out different")
    return Finding(
        "alike",
        PROBLEM,
        "All units of a layer are the same.",
        seen=f"at the first step, all columns of {', '.join(layers)} are equal",
        cause="Weights that start at zero, or all at one number. Units that start alike get the "
        "same gradient at every step, so that they can never become different.",
        remedy="Draw weights at random: Dense(units) does, by he_normal.",
    )


def closed_from_the_start(chart: Chart) -> Finding:
    """At first about half of all units should be open."""
    if not chart.saw_the_start or not chart.looks[0].closed:
        return Finding("closed_from_the_start", UNKNOWN, "units closed at the start")
    name, share = max(chart.looks[0].closed.items(), key=lambda item: item[1])
    if share < 0.95:
        return Finding("closed_from_the_start", FINE, f"{share:.0%} of {name} closed at the start")
    if not chart.watched:
        return Finding(
            "closed_from_the_start",
            PROBLEM,
            "Nearly all units of a layer are closed.",
            seen=f"{share:.0%} of {name} let nothing pass",
            cause="Before training: biases, or weights, that start far below zero. After it: steps "
            "too large. No gradient gets through a closed unit, so that it cannot open again.",
            remedy="Fresh weights, as Dense(units) draws them, and a smaller learning rate.",
        )
    return Finding(
        "closed_from_the_start",
        PROBLEM,
        "Units were closed before training began.",
        seen=f"at the first step {share:.0%} of {name} let nothing pass",
        cause="Biases, or weights, that start far below zero. No gradient gets through a closed "
        "unit, so that it cannot open again.",
        remedy="Start as Dense(units) does: biases at 0, weights by he_normal.",
    )


def signal(chart: Chart) -> Finding:
    """Differences between samples should reach all layers, and so should the loss's slope."""
    first = chart.looks[0]
    if not chart.saw_the_start or len(first.slope) < 2:
        return Finding("signal", UNKNOWN, "gradients by depth, at the start")
    up = farthest(dict(reversed(first.spread.items())))
    down = farthest(first.slope)  # from the loss back
    top, below, *_ = first.slope
    if up is None or down is None or not (first.spread[top] or first.slope[below]):
        return Finding("signal", UNKNOWN, "gradients by depth: nothing to compare at the start")
    names = list(first.slope)
    ends = next((i for i, name in enumerate(names) if not first.slope[name]), 0)
    if ends and first.slope[names[ends - 1]] > 1e-20:  # else it has faded to 0
        return Finding(
            "signal",
            PROBLEM,
            "No gradient gets through.",
            seen=f"at the first step the slope of the loss is {first.slope[names[ends - 1]]:.2g} "
            f"at {names[ends - 1]} and 0 at {names[ends]}",
            cause="A layer between the two passes nothing back: its units are closed, or its "
            "backward returns zeros.",
            remedy="check_gradients(model, loss, x[:8], y[:8]) says which layer. Mend that.",
        )
    if chart.classes and first.spread[top] > 10:
        return Finding(
            "signal",
            PROBLEM,
            "The scores start out too large.",
            seen=f"at the first step they spread by {first.spread[top]:.3g}, and the loss is "
            f"{first.loss:.3g}; guessing gives {chart.guessing:.3g}",
            cause="Initial weights too large, as those of randn are: before it can learn, the "
            "network has to unlearn what it is sure of without a reason.",
            remedy="Dense(units), whose he_normal draws weights that suit the number of inputs.",
        )
    worst = max(up, down, key=lambda passage: passage.distance)
    seen = f"at the first step the spread of outputs goes {up}; the slope of the loss goes {down}"
    if worst.distance < np.log(1e2 if chart.at_guessing else 1e3):
        return Finding("signal", FINE, f"at the start the slope of the loss goes {down}")
    vanishes = worst.factor < 1
    return Finding(
        "signal",
        PROBLEM,
        "The gradient vanishes." if vanishes else "The gradient explodes.",
        seen=seen,
        cause=f"Initial weights too {'small' if vanishes else 'large'} for this depth"
        f"{', or a function as flat as sigmoid between layers' if vanishes else ''}: each layer "
        f"{'shrinks' if vanishes else 'enlarges'} what passes, forward and back.",
        remedy="ReLU after Dense(units, initializer=he_normal), or tanh after glorot_uniform.",
    )


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
            "the numbers overflow. Inputs or targets that are not scaled do the same.",
            remedy=remedy,
        )
    if not later:
        return Finding("large_steps", UNKNOWN, "steps: none was taken")
    worst, last = max(later, key=lambda look: look.loss), np.mean([k.loss for k in later[-3:]])
    if chart.classes:
        usual = max(first.loss, chart.guessing)
        thrown_back = worst.loss > 2 * usual and not last < 0.7 * usual
    else:
        thrown_back = worst.loss > 10 * first.loss and not last < 3 * first.loss
    if not thrown_back:
        return Finding("large_steps", FINE, "no step threw the loss back")
    before = [look for look in chart.looks if look.step < worst.step]
    moved = max(max(look.update.values(), default=0.0) for look in before)
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
    learnt = looks[0].loss < 0.5 * chart.guessing < np.inf  # before: there is little left to do
    far = chart.travelled > 0.1 if chart.at_guessing else largest >= 2e-5
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
        cause="Large steps have pushed their biases far below zero; a unit that is closed for "
        "every sample gets no gradient any more.",
        remedy="A smaller learning rate, from fresh weights on.",
    )


def fading(chart: Chart) -> Finding:
    """What got through at the start should get through later, too: the median of five looks."""
    looks = [look for look in chart.looks if look.step >= 16][-5:]
    if len(looks) < 3 or len(looks[0].slope) < 2:
        return Finding("fading", UNKNOWN, "gradients by depth, later: not enough looks")
    down = farthest(
        {name: float(np.median([look.slope[name] for look in looks])) for name in looks[0].slope}
    )
    if down is None:
        return Finding("fading", UNKNOWN, "gradients by depth, later: the loss has no slope")
    if down.distance < np.log(1e3):
        return Finding("fading", FINE, f"at the last looks the slope of the loss goes {down}")
    vanishes = down.factor < 1
    return Finding(
        "fading",
        PROBLEM,
        f"The gradient has begun to {'vanish' if vanishes else 'explode'}.",
        seen=f"at steps {looks[0].step:,} to {looks[-1].step:,} the slope of the loss goes {down}",
        cause="Large steps have pushed units to where they are flat: ReLU is below 0, tanh and "
        "sigmoid far from it."
        if vanishes
        else "Large steps have made the weights large.",
        remedy="A smaller learning rate, from fresh weights on.",
    )


def stuck(chart: Chart) -> Finding:
    """An epoch should be enough to beat guessing."""
    if not chart.classes or not chart.epochs:
        return Finding("stuck", UNKNOWN, "loss against guessing: no epoch with classes has ended")
    if chart.commonest == 1:
        return Finding("stuck", UNKNOWN, "loss against guessing: all samples are of one class")
    loss = chart.epochs[-1]["loss"]
    seen = f"the loss is {loss:.4g}, guessing by the classes' shares gives {chart.guessing:.4g}"
    if loss > chart.guessing:  # though more are right: it is sure of what is wrong
        seen += f"; right are {chart.epochs[-1]['accuracy']:.1%}"
    if not chart.at_guessing:
        return Finding("stuck", FINE, seen)
    return Finding(
        "stuck",
        PROBLEM,
        "Nothing is learnt.",
        seen=f"after {len(chart.epochs)} epochs {seen}",
        cause="With nothing else wrong, the labels do not belong to the inputs: one of both was "
        "shuffled or sorted without the other. Or x says little about y.",
        remedy="Look at some images with their labels (plots.prediction_grid), and load, shuffle "
        "and split x and y by the same indices.",
    )


def absent(chart: Chart) -> Finding:
    """What is to be told apart should be there in training."""
    if not chart.held_out or not chart.shares:
        return Finding("absent", UNKNOWN, "classes that training lacks: no validation data")
    counts = chart.held_out[0]
    missing = [c for c, count in enumerate(counts) if count and not chart.shares[c]]
    if not missing:
        return Finding("absent", FINE, "training has all classes of the validation data")
    return Finding(
        "absent",
        PROBLEM,
        f"Training has no samples of {_classes(missing)}.",
        seen=f"of {sum(counts):,} validation samples, {sum(counts[c] for c in missing)} are of "
        f"{_classes(missing)}, of the training samples none",
        cause="Sorted data, of which the first part was taken for training and the rest for "
        "validation.",
        remedy="Split with stratified_split, which gives every class its share.",
    )


def _classes(numbers: list[int]) -> str:
    return f"{'class' if len(numbers) == 1 else 'classes'} {', '.join(map(str, numbers))}"


def validation(chart: Chart) -> Finding:
    """What training learns should be worth something on data held out."""
    if not chart.epochs or "val_loss" not in chart.epochs[-1]:
        return Finding("validation", UNKNOWN, "validation: none was given")
    row, size = chart.epochs[-1], float(np.median([look.size for look in chart.looks]))
    seen = f"training loss {row['loss']:.3g}, validation loss {row['val_loss']:.3g}"
    if size and chart.held_out_size is not None and not 0.1 < chart.held_out_size / size < 10:
        return Finding(
            "validation",
            PROBLEM,
            "Validation data are scaled otherwise.",
            seen=f"they spread by {chart.held_out_size:.2g}, the training data by {size:.2g}; "
            f"{seen}",
            cause="One of both was scaled and the other not.",
            remedy="Scale validation data as x is scaled: with the same function, and the mean and "
            "spread of x.",
        )
    if not chart.classes:
        return Finding("validation", UNKNOWN, "validation against guessing: there are no classes")
    labels = chart.held_out[0] if chart.held_out else [1]
    by_guessing = max(labels) / sum(labels)
    learnt = row["accuracy"] - chart.commonest
    if learnt > 0.2 and row["val_accuracy"] < by_guessing + 0.15 * learnt:
        return Finding(
            "validation",
            PROBLEM,
            "Validation is no better than guessing.",
            seen=f"{seen}; accuracy {row['accuracy']:.1%} in training, {row['val_accuracy']:.1%} "
            "in validation",
            cause="Training and validation data were prepared in two ways; or the labels of one of "
            "them are in another order than its inputs, and were learnt by heart.",
            remedy="Prepare validation data as x is prepared, and take the inputs and labels of "
            "each by the same indices.",
        )
    if chart.at_guessing:
        return Finding("validation", UNKNOWN, "validation: training itself is at guessing")
    return Finding("validation", FINE, f"validation beats guessing ({seen})")


def never_predicted(chart: Chart) -> Finding:
    """Every class that occurs should be predicted now and then."""
    if not chart.held_out or not chart.epochs:
        return Finding("never_predicted", UNKNOWN, "classes never predicted: no validation data")
    labels, predicted = chart.held_out
    missing = [c for c, count in enumerate(labels) if count >= 10 and not predicted[c]]
    if not missing:
        return Finding("never_predicted", FINE, "every class is predicted")
    return Finding(
        "never_predicted",
        NOTE,
        f"No sample is taken for {_classes(missing)}.",
        seen=f"of {sum(labels):,} validation samples, {sum(labels[c] for c in missing)} are of "
        f"{_classes(missing)}",
        cause="It is early, or the class is rare, or the last layers cannot say it: a ReLU right "
        "before Softmax, Softmax twice.",
        remedy="More epochs. If that does not help, end with Dense(classes) and one Softmax.",
    )


def overfitting(chart: Chart) -> Finding:
    """Validation loss that rises while training loss falls: it is learning by heart."""
    losses = [row["val_loss"] for row in chart.epochs if "val_loss" in row]
    if len(losses) < 3:
        return Finding("overfitting", UNKNOWN, "overfitting: fewer than 3 epochs with validation")
    best = int(np.argmin(losses))
    falls = chart.epochs[-1]["loss"] < chart.epochs[best]["loss"]
    if not falls or min(losses[-2:]) < 1.05 * losses[best]:  # one epoch alone may be chance
        return Finding("overfitting", FINE, "validation loss does not rise")
    return Finding(
        "overfitting",
        NOTE,
        f"It overfits from about epoch {best + 1}.",
        seen=f"since then validation loss rose from {losses[best]:.3g} to {losses[-1]:.3g}, while "
        f"training loss fell from {chart.epochs[best]['loss']:.3g} to "
        f"{chart.epochs[-1]['loss']:.3g}",
        cause="It begins to learn single images by heart. That is usual, and no fault.",
        remedy="EarlyStopping() keeps the weights of the best epoch. More images help more.",
    )


JUDGEMENTS: tuple[Callable[[Chart], Finding], ...] = (
    inputs, shuffling, alike, closed_from_the_start, signal, large_steps, small_steps,
    closed_by_training, fading, stuck, absent, validation, never_predicted, overfitting,
)  # fmt: skip
LATER = {"large_steps", "small_steps", "closed_by_training", "fading", "stuck", "absent",
         "validation", "never_predicted", "overfitting"}  # fmt: skip
EXPLAINS = {
    "inputs": LATER | {"signal"},
    "shuffling": LATER,
    "alike": LATER | {"closed_from_the_start", "signal"},
    "closed_from_the_start": LATER | {"signal"},
    "signal": LATER,
    "large_steps": LATER,
    "small_steps": LATER,
    "closed_by_training": LATER,
    "fading": LATER,
    "stuck": LATER,
    "absent": {"validation", "never_predicted", "overfitting"},
    "validation": {"never_predicted", "overfitting"},
}
