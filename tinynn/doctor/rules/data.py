"""What can be wrong with the data: the scale of the inputs, and the order of the samples."""

import numpy as np

from tinynn.doctor.record import TrainingRecord
from tinynn.doctor.rules.finding import FINE, NOTE, PROBLEM, UNKNOWN, Finding


def inputs(record: TrainingRecord) -> Finding:
    """Inputs should have a size of about 1 and a mean near 0: initial weights suit such inputs."""
    largest = max(step.input_max for step in record.steps)
    std = max(step.input_std for step in record.steps)
    mean = float(np.median([step.input_mean for step in record.steps]))
    remedy = _scale_inputs(record)
    if largest < 0.05:
        return Finding(
            "inputs",
            PROBLEM,
            "The inputs are all 0." if largest == 0 else "The inputs are very small.",
            seen=f"the largest |x| is {largest:.2g}",
            cause="Usually x // 255, which makes nearly all numbers 0, or x scaled twice.",
            remedy=f"Scale once: {remedy}",
        )
    if std > 10:
        return Finding(
            "inputs",
            PROBLEM,
            "The inputs are not scaled.",
            seen=f"the largest |x| is {largest:.4g}; the loss began at {record.steps[0].loss:.3g}",
            cause="Initial weights are made for numbers of about size 1. Larger inputs make "
            "outputs, gradients and updates larger, too.",
            remedy=remedy,
        )
    if abs(mean) > 10 * max(std, 0.1):
        return Finding(
            "inputs",
            NOTE if record.has_learnt else PROBLEM,
            "The mean of the inputs is far from 0.",
            seen=f"x has standard deviation {std:.2g} and mean {mean:.4g}",
            cause="All samples share this mean, which is much larger than the differences between "
            "them: updates that suit the mean are far too large or too small for the differences.",
            remedy=remedy,
        )
    return Finding(
        "inputs",
        FINE,
        f"inputs have standard deviation {std:.2g}, the largest |x| is {largest:.3g}",
    )


def _scale_inputs(record: TrainingRecord) -> str:
    """Return how inputs are scaled; a constant column has a standard deviation of 0."""
    table = "for a table with axis=0 in both"
    if record.constant_columns:
        table = "for a table std = x.std(axis=0); x = (x - x.mean(axis=0)) / np.where(std, std, 1)"
    return (
        f"scale_pixels(x) for bytes, (x - x.mean()) / x.std() for other numbers, {table}. Use the "
        "same mean and standard deviation for validation and test data."
    )


def shuffling(record: TrainingRecord) -> Finding:
    """A batch should hold as many classes as one that is drawn at random."""
    if not record.class_shares or not any(step.labels for step in record.steps):
        return Finding("shuffling", UNKNOWN, "shuffling: not known, because there are no classes")
    found, expected = [], []
    for step in record.steps:
        size = sum(step.labels)
        found.append(sum(1 for count in step.labels if count))
        expected.append(sum(1 - (1 - share) ** size for share in record.class_shares))
    mean, chance = float(np.mean(found)), float(np.mean(expected))
    seen = f"{mean:.1f} classes in a batch, {chance:.1f} in one drawn at random"
    if chance < 2:
        return Finding("shuffling", UNKNOWN, "shuffling: the batches are too small to tell")
    if mean > 0.6 * chance:
        return Finding("shuffling", FINE, f"batches are shuffled ({seen})")
    if not record.from_training:
        return Finding(
            "shuffling",
            NOTE,
            "The data are sorted by class.",
            seen=f"of neighbouring samples: {seen}",
            cause="They are stored in this order. Trainer.fit shuffles them; a training loop of "
            "your own must do so too.",
            remedy="minibatches(x, y, batch_size, rng) shuffles again in every epoch.",
        )
    return Finding(
        "shuffling",
        PROBLEM,
        "The data are not shuffled.",
        seen=seen,
        cause="Sorted data: each batch trains the network for the few classes in it, and the next "
        "batch undoes that.",
        remedy="minibatches(x, y, batch_size, rng), which Trainer.fit uses, shuffles again in "
        "every epoch.",
    )
