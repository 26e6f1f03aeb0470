"""How good the network is on validation data, and for each class."""

import numpy as np

from tinynn.doctor.record import FEW_SAMPLES, TrainingRecord
from tinynn.doctor.rules.finding import FINE, NOTE, PROBLEM, UNKNOWN, Finding


def missing_classes(record: TrainingRecord) -> Finding:
    """Each class of the validation data should occur in training."""
    if not record.validation_counts or not record.class_shares:
        return Finding("missing_classes", UNKNOWN, "missing classes: no validation data")
    counts = record.validation_counts[0]
    missing = [c for c, count in enumerate(counts) if count and not record.class_shares[c]]
    if not missing:
        title = "training has all classes of the validation data"
        return Finding("missing_classes", FINE, title)
    return Finding(
        "missing_classes",
        PROBLEM,
        f"Training has no samples of {_classes(missing)}.",
        seen=f"of {sum(counts):,} validation samples, {sum(counts[c] for c in missing)} are of "
        f"{_classes(missing)}; of the training samples, none",
        cause="Usually the data are sorted, and the first part was taken for training and the rest "
        "for validation.",
        remedy="Split with stratified_split, which gives both parts the same share of each class.",
    )


def _classes(numbers: list[int]) -> str:
    return f"{'class' if len(numbers) == 1 else 'classes'} {', '.join(map(str, numbers))}"


def validation(record: TrainingRecord) -> Finding:
    """What training learns should be better than guessing on validation data, too."""
    if not record.epochs or "val_loss" not in record.epochs[-1]:
        return Finding("validation", UNKNOWN, "validation: there are no validation data")
    row = record.epochs[-1]
    seen = f"training loss {row['loss']:.3g}, validation loss {row['val_loss']:.3g}"
    what, difference = _scaled_differently(record)
    if difference:
        return Finding(
            "validation",
            PROBLEM,
            f"Validation {what} are scaled differently.",
            seen=f"{difference}; {seen}",
            cause="One of the two was scaled and the other was not.",
            remedy="Scale validation data as the training data: with the same function, and the "
            "mean and standard deviation of the training data.",
        )
    if record.classes:
        seen += f"; accuracy {row['accuracy']:.1%} in training, {row['val_accuracy']:.1%} in "
        seen += "validation"
    return _against_guessing(record, seen)


def _against_guessing(record: TrainingRecord, seen: str) -> Finding:
    known, beats, fails, guessing = (_of_classes if record.classes else _of_numbers)(record)
    if not known:
        return Finding("validation", UNKNOWN, "validation: the loss of guessing is not known there")
    if record.at_chance:
        return Finding("validation", UNKNOWN, "validation: training itself is at chance")
    if fails:
        return Finding(
            "validation",
            PROBLEM,
            "Validation is no better than guessing.",
            seen=f"{seen}; {guessing}",
            cause="Training and validation data were prepared differently. Or, in one of them, "
            "the targets are in another order than the inputs, or x says little about y, and the "
            "network memorised the training data.",
            remedy="Prepare validation data as x is prepared, and take the inputs and targets of "
            "each by the same indices.",
        )
    if not beats:
        title = f"validation is not yet better than guessing ({seen})"
        return Finding("validation", UNKNOWN, title)
    return Finding("validation", FINE, f"validation is better than guessing ({seen}; {guessing})")


def _of_classes(record: TrainingRecord) -> tuple[bool, bool, bool, str]:
    """Return whether guessing is known, whether the network beats it, or clearly fails; a text."""
    row, counts = record.epochs[-1], record.validation_counts
    labels = counts[0] if counts else [1]
    majority, accuracy = max(labels) / sum(labels), row["val_accuracy"]
    learnt = row["accuracy"] - record.majority_share
    fails = learnt > 0.2 and accuracy < majority + 0.15 * learnt
    return (
        counts is not None,
        accuracy > majority,
        fails,
        (f"always predicting the largest class gives {majority:.1%}"),
    )


def _of_numbers(record: TrainingRecord) -> tuple[bool, bool, bool, str]:
    """Return the same for targets that are numbers."""
    guess = record.validation_baseline.loss
    beats = record.epochs[-1]["val_loss"] < guess < np.inf
    fails = record.relative_loss < 0.25 and guess < np.inf and not beats
    return guess < np.inf, beats, fails, f"{record.baseline.guess} gives {guess:.3g}"


def _scaled_differently(record: TrainingRecord) -> tuple[str, str]:
    """Return what of the validation data has another scale than in training, and the numbers."""
    std, there = float(np.median([s.input_std for s in record.steps])), record.validation_input_std
    if std and there is not None and not 0.1 < there / std < 10:
        return "data", f"their standard deviation is {there:.2g}, in training {std:.2g}"
    training, held_out = record.baseline, record.validation_baseline
    apart = abs(held_out.mean - training.mean) > 10 * max(training.std, held_out.std)
    both = training.std > 0 < held_out.std
    if both and (apart or not 0.1 < held_out.std / training.std < 10):
        return "targets", (
            f"their standard deviation is {held_out.std:.3g} and their mean {held_out.mean:.3g}, "
            f"in training {training.std:.3g} and {training.mean:.3g}"
        )
    return "", ""


def never_predicted(record: TrainingRecord) -> Finding:
    """Every class that occurs should sometimes be predicted."""
    counted = record.validation_counts or record.training_counts
    if counted is None or not record.epochs:
        title = "classes that are never predicted: they were not counted"
        return Finding("never_predicted", UNKNOWN, title)
    labels, data = counted[0], "validation" if record.validation_counts else "training"
    if not record.never_predicted:
        return Finding("never_predicted", FINE, f"every class of the {data} data is predicted")
    seen = "; ".join(
        f"class {c} has {labels[c]:,} of {sum(labels):,} {data} samples"
        for c in record.never_predicted[:10]
    )
    missing = [c for c in record.never_predicted if labels[c] >= FEW_SAMPLES]
    if not missing or not record.has_enough_steps:
        return Finding(
            "never_predicted",
            UNKNOWN,
            f"{_classes(record.never_predicted)} never predicted, but there are too few steps or "
            f"samples to tell ({seen})",
        )
    return _not_predicted(record, missing, seen)


def _not_predicted(record: TrainingRecord, missing: list[int], seen: str) -> Finding:
    shares, classes = record.class_shares, record.classes or 1
    rare = [c for c in missing if shares and shares[c] < 0.3 / classes]
    if rare:
        cause = (
            f"Training has few samples of {_classes(rare)}, "
            f"{', '.join(f'{shares[c]:.1%}' for c in rare)} of all: they hardly count in the loss."
        )
        remedy = (
            "More epochs. Repeat the indices of the samples of a rare class, so that they count "
            "more. Judge by per_class_report, not by accuracy."
        )
    else:
        cause = (
            "It is early, or another problem keeps the network from learning more, or the last "
            "layers cannot predict it: a ReLU right before Softmax, Softmax twice."
        )
        remedy = "More epochs. If that does not help, end with Dense(classes) and one Softmax."
    title = f"No sample is predicted as {_classes(missing)}."
    return Finding("never_predicted", NOTE, title, seen, cause, remedy)


def overfitting(record: TrainingRecord) -> Finding:
    """Validation loss that rises while training loss falls."""
    losses = [row["val_loss"] for row in record.epochs if "val_loss" in row]
    if len(losses) < 3:
        return Finding("overfitting", UNKNOWN, "overfitting: fewer than 3 epochs with validation")
    best = int(np.argmin(losses))
    if min(losses[-2:]) < 1.05 * losses[best]:  # a single epoch may be high by chance
        seen = "one of the last two validation losses is within 5% of the best"
        return Finding("overfitting", FINE, seen)
    then, now = record.epochs[best]["loss"], record.epochs[-1]["loss"]
    if now >= then:
        title = "overfitting: validation loss rises, but training loss does too"
        return Finding("overfitting", UNKNOWN, title)
    return Finding(
        "overfitting",
        NOTE,
        f"It overfits from about epoch {best + 1}.",
        seen=f"since then validation loss rose from {losses[best]:.3g} to {losses[-1]:.3g}, while "
        f"training loss fell from {then:.3g} to {now:.3g}",
        cause="It begins to memorise single samples. That is usual, and not a fault.",
        remedy="EarlyStopping() keeps the weights of the best epoch. More samples help more.",
    )
