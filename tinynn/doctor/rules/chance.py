"""Whether the network has learnt more than to give the same answer for all inputs."""

import numpy as np

from tinynn.doctor.record import TrainingRecord
from tinynn.doctor.rules.finding import FINE, NOTE, PROBLEM, UNKNOWN, Finding


def imbalance(record: TrainingRecord) -> Finding:
    """If nearly all samples are of one class, always predicting it is what is learnt first."""
    if not record.epochs or record.training_counts is None:
        return Finding("imbalance", UNKNOWN, "imbalance: no epoch with classes has ended")
    share = record.majority_share
    if share == 1:
        return Finding(
            "imbalance",
            NOTE,
            "All samples are of one class.",
            seen=f"y is {int(np.argmax(record.class_shares))} for all of them",
            cause="There is nothing to learn: whatever x is, one answer is right. Usually y is the "
            "wrong column, or x and y were cut from sorted data.",
            remedy="Look at y, for instance np.unique(y, return_counts=True).",
        )
    seen = f"class {int(np.argmax(record.class_shares))} has {share:.1%} of the samples"
    if share < 0.8:
        return Finding("imbalance", FINE, f"{seen}, no class has more")
    if record.guessing_loss == np.inf:
        return Finding("imbalance", UNKNOWN, f"{seen}; the loss of guessing is not known")
    if not record.at_chance:
        return Finding("imbalance", FINE, f"{seen}, and the network has learnt more than that")
    if not record.has_enough_steps:
        return Finding("imbalance", UNKNOWN, f"too few steps to tell: {seen}")
    return _majority_only(record, seen)


def _majority_only(record: TrainingRecord, seen: str) -> Finding:
    """Say whether a network at chance predicts nearly always the class of most samples."""
    major, share = int(np.argmax(record.class_shares)), record.majority_share
    predicted = record.training_counts[1] if record.training_counts else [0]
    row, others = record.epochs[-1], sum(predicted) - predicted[major]
    if others > (1 - share) * sum(predicted) or row["accuracy"] < share - (1 - share) / 4:
        return Finding("imbalance", UNKNOWN, f"{seen}, but other classes are predicted, too")
    repeat = f"more = np.repeat(np.flatnonzero(y != {major}), {round(share / (1 - share))})"
    return Finding(
        "imbalance",
        PROBLEM,
        "The classes are imbalanced, and "
        + ("nothing else is learnt." if others else f"only class {major} is predicted."),
        seen=f"{seen}; of {sum(predicted):,} training samples {predicted[major]:,} are predicted "
        f"as class {major}; accuracy {row['accuracy']:.1%}; the loss is {row['loss']:.4g}, "
        f"guessing by the classes' shares gives {record.guessing_loss:.4g}",
        cause=f"Always predicting class {major} is right nearly every time, and the few samples of "
        "other classes hardly count in the loss. The accuracy is only the share of that class.",
        remedy="Judge by per_class_report(p, y, names), not by accuracy. Repeat samples of the "
        f"rare classes (y: classes): {repeat}, then train on np.append(np.flatnonzero(y == "
        f"{major}), more) as indices of x and y. Try more epochs, or a larger learning rate. If it "
        "still predicts no other class, x may say little about y.",
    )


def at_chance(record: TrainingRecord) -> Finding:
    """After an epoch the loss should be lower than that of guessing."""
    if not record.epochs or record.guessing_loss == np.inf:
        return Finding("at_chance", UNKNOWN, f"the loss of guessing: {_why_unknown(record)}")
    seen = _compared(record)
    if not record.at_chance:
        return Finding("at_chance", FINE, seen)
    if not record.has_enough_steps:
        return Finding("at_chance", UNKNOWN, f"too few steps to tell: {seen}")
    before = record.epochs[-2]["loss"] if len(record.epochs) > 1 else 0.0
    if not record.classes and record.epochs[-1]["loss"] < 0.95 * before:
        return Finding("at_chance", UNKNOWN, f"too early to tell, the loss still falls: {seen}")
    epochs = len(record.epochs)
    seen = f"after {epochs} epoch{'s' * (epochs != 1)} {seen}"
    large = record.largest_update > 0.05
    slow = record.loss_falls and not large and record.relative_loss > 1.05
    if record.majority_share >= 0.8 and slow:  # if not, the labels may be shuffled
        return _slow(record, f"{seen}; it was {before:.4g} an epoch earlier")
    return _nothing_learnt(record, seen) if record.classes else _mean_only(record, seen)


def _why_unknown(record: TrainingRecord) -> str:
    stds = record.baseline.stds
    if record.majority_share == 1 or (stds.size and not stds.any()):
        return "all targets are equal"
    return "it is not known" if record.epochs else "no epoch has ended"


def _compared(record: TrainingRecord) -> str:
    """Compare the loss with that of guessing; if it is higher, give the accuracy too."""
    loss = record.epochs[-1]["loss"]
    guess = "guessing by the classes' shares" if record.classes else record.baseline.guess
    accuracy = ""
    if record.classes and loss > record.guessing_loss:
        accuracy = f"; accuracy {record.epochs[-1]['accuracy']:.1%}"
    return f"the loss is {loss:.4g}, {guess} gives {record.guessing_loss:.4g}{accuracy}"


def _slow(record: TrainingRecord, seen: str) -> Finding:
    rate = record.learning_rate
    tenfold = f" ({rate:g} -> {10 * rate:g})" if rate else ""
    return Finding(
        "at_chance",
        NOTE,
        "It learns slowly, and is not yet better than guessing.",
        seen=seen,
        cause="It is early, or the learning rate is low: the loss still falls in each epoch.",
        remedy=f"More epochs. Multiply the learning rate by 10{tenfold}, while the loss falls.",
    )


def _likely_cause(record: TrainingRecord) -> tuple[str, str]:
    """Return how the cause begins, and which learning rate to try."""
    if record.largest_update <= 0.05:
        return "No other problem was found, so most often ", "a larger learning rate"
    return (
        f"One step changed weights by {record.largest_update:.2g} times their norm, 1e-4 to 1e-2 "
        "is usual: the learning rate may be too high. Or "
    ), "a smaller learning rate from new initial weights on"


def _nothing_learnt(record: TrainingRecord, seen: str) -> Finding:
    begins, rate = _likely_cause(record)
    return Finding(
        "at_chance",
        PROBLEM,
        "Nothing is learnt.",
        seen=seen,
        cause=f"{begins}the labels do not belong to the inputs: one of the two was shuffled or "
        "sorted without the other. Or x says little about y, it is early, or a layer of your "
        "own has a wrong gradient.",
        remedy="Look at some images with their labels (plots.prediction_grid), and load, "
        "shuffle and split x and y by the same indices. If they are right: more epochs, "
        f"{rate}, check_gradients.",
    )


def _mean_only(record: TrainingRecord, seen: str) -> Finding:
    (begins, rate), worse = _likely_cause(record), record.relative_loss > 2
    return Finding(
        "at_chance",
        PROBLEM if worse else NOTE,
        f"The network predicts {'worse than' if worse else 'hardly better than'} "
        f"{record.baseline.guess}.",
        seen=seen,
        cause=f"{begins}it is early; or x says little about y, which is not the network's fault; "
        "or the targets do not belong to the inputs: one of the two was shuffled without the "
        "other.",
        remedy=f"More epochs, {rate}. Plot y against each column of x: is there anything to learn? "
        "Load, shuffle and split x and y by the same indices.",
    )
