"""What can be wrong before the first step: inputs, targets, their order, and initial weights."""

import numpy as np

from tinynn.doctor.record import Chart, farthest
from tinynn.doctor.rules.finding import FINE, NOTE, PROBLEM, UNKNOWN, Finding


def inputs(chart: Chart) -> Finding:
    """Initial weights are drawn for numbers of about size 1, around 0."""
    largest = max(look.largest for look in chart.looks)
    size = max(look.size for look in chart.looks)
    mean = float(np.median([look.mean for look in chart.looks]))
    table = "for a table with axis=0 in both"
    if chart.constant_columns:
        table = "for a table std = x.std(axis=0); x = (x - x.mean(axis=0)) / np.where(std, std, 1)"
    remedy = (
        f"scale_pixels(x) for bytes, (x - x.mean()) / x.std() for other numbers, {table}. The same "
        "for validation and test data."
    )
    if largest < 0.05:
        return Finding(
            "inputs",
            PROBLEM,
            "The inputs are all 0." if largest == 0 else "The inputs are very small.",
            seen=f"x goes up to {largest:.2g}",
            cause="Usually x // 255, which leaves nothing, or x scaled twice.",
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


def targets(chart: Chart) -> Finding:
    """A network starts out with outputs of about size 1, around 0: targets should be like that.

    What tells is whether it gets there all the same: to half of the loss of guessing.
    """
    guess, ratio = chart.guess, chart.against_guessing
    if chart.classes:
        return Finding("targets", FINE, f"targets are {chart.classes} classes")
    began = chart.looks[0].loss
    if (
        guess.std == 0
        and guess.unscaled
        and not (chart.epochs and chart.epochs[-1]["loss"] < 0.01 * began)
    ):
        return Finding(
            "targets",
            PROBLEM,
            "The targets are all equal, and not scaled.",
            seen=f"all rows of y are the same, of mean {guess.mean:.4g}; the loss began at "
            f"{began:.3g}",
            cause="Usually another column was meant: where all answers are the same there is "
            "nothing to learn. And a network starts out with outputs of about size 1, far from "
            "such a number.",
            remedy="Look at y. If it is what you mean: train on y - mean, with mean = "
            "y.mean(axis=0), and undo it on predictions, p + mean.",
        )
    if not guess.std > 0 or guess.loss == np.inf:
        return Finding("targets", UNKNOWN, "targets: their size; they are all equal, or not known")
    size = f"standard deviation {guess.std:.3g} and mean {guess.mean:.3g}"
    so_far = f"the loss began at {chart.looks[0].loss:.3g}"
    if chart.epochs:
        so_far = f"the loss is {chart.epochs[-1]['loss']:.3g}"
    seen = f"y has {size}; {so_far}, the mean of y gives {guess.loss:.3g}"
    remedy = (
        "With mean, std = y.mean(axis=0), y.std(axis=0) of the training data: train on "
        "(y - mean) / std, and undo it on predictions, p * std + mean. The same for validation "
        "targets, with the same two."
    )
    if not guess.stds.all():
        remedy = remedy.replace(
            ": train on", ", and std = np.where(std, std, 1), as a column is constant: train on", 1
        )
    if guess.unscaled and not (chart.epochs and ratio < 0.5):
        return Finding(
            "targets",
            NOTE if chart.epochs and ratio < 0.93 else PROBLEM,
            "The targets are not scaled.",
            seen=seen,
            cause="A network starts out with outputs of about size 1, and a step changes them a "
            "little: such targets take very many steps. Or they make gradients, and so steps, "
            "that are far too large.",
            remedy=remedy,
        )
    row, held_out = chart.epochs[-1] if chart.epochs else {}, chart.held_out_guess.loss
    fails = 0.05 < ratio < 0.93 and held_out <= row.get("val_loss", 0.0)
    if guess.narrow and chart.enough and (ratio > 2 or fails):
        if fails:
            seen += f"; validation loss {row['val_loss']:.3g}, there it gives {held_out:.3g}"
        return Finding(
            "targets",
            PROBLEM,
            "The targets are very small." if guess.tiny else "The targets spread little.",
            seen=seen,
            cause="A network starts out with outputs of about size 1, and steps change them by "
            "more than such targets differ.",
            remedy=remedy,
        )
    some = guess.stds[guess.stds > 0]
    if guess.stds.size <= 10 and some.max() > 30 * some.min():
        return Finding(
            "targets",
            NOTE,
            "The columns of y are of different sizes.",
            seen=f"their standard deviations go from {some.min():.3g} to {some.max():.3g}",
            cause="A mean of squares over all columns is that of the largest: how the others are "
            "predicted hardly counts.",
            remedy=remedy,
        )
    return Finding("targets", FINE, f"targets have {size}")


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
        return Finding("alike", FINE, "no layer's units must stay the same as each other")
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
            f"{first.loss:.3g}"
            + (f"; guessing gives {chart.guessing:.3g}" if chart.guessing < np.inf else ""),
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
