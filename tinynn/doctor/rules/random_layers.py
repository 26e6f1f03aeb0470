"""What layers that act in training only, such as Dropout, do to a training and to its figures."""

from tinynn.doctor.record import TrainingRecord
from tinynn.doctor.rules.finding import FINE, NOTE, PROBLEM, UNKNOWN, Finding

HIGH_RATE = 0.7  # below this, no measured network failed to learn


def dropout_rate(record: TrainingRecord) -> Finding:
    """A high rate of Dropout should leave enough units to learn with.

    Measured after three epochs or more on Fashion-MNIST, with rates of 0.5 to 0.99: networks that
    became useful had 0.58 of the loss of guessing or less, the others 0.80 or more.
    """
    if not record.dropout:
        return Finding("dropout_rate", UNKNOWN, "the rate of dropout: there is no Dropout")
    name, rate = max(record.dropout.items(), key=lambda item: item[1])
    seen = f"the highest rate of dropout is {rate:g}, of {name}"
    if rate < HIGH_RATE:
        return Finding("dropout_rate", FINE, seen)
    if len(record.epochs) < 3 or not record.has_enough_steps:
        return Finding("dropout_rate", UNKNOWN, f"too early to tell: {seen}")
    if record.relative_loss < HIGH_RATE:
        return Finding("dropout_rate", FINE, f"{seen}, and the network learns")
    return Finding(
        "dropout_rate",
        PROBLEM,
        "The rate of dropout is too high.",
        seen=f"{name} sets {rate:.0%} of its numbers to 0; after {len(record.epochs)} epochs the "
        f"training loss is {record.epochs[-1]['loss']:.3g}, guessing gives "
        f"{record.guessing_loss:.3g}",
        cause="Too few units are left in each step: the mask changes the output more than x does.",
        remedy="Dropout(0.5) or less; 0.2 for inputs.",
    )


def training_mode(record: TrainingRecord) -> Finding:
    """A training loss above the validation loss may come from layers that act in training only."""
    row = record.epochs[-1] if record.epochs else {}
    if record.losses_by_mode is None or "val_loss" not in row:
        title = "training and validation mode: no random layers, or no validation data"
        return Finding("training_mode", UNKNOWN, title)
    training, prediction = record.losses_by_mode
    gap = row["loss"] - row["val_loss"]
    seen = (
        f"training loss {row['loss']:.3g}, validation loss {row['val_loss']:.3g}; of the same "
        f"training samples {training:.3g} in training and {prediction:.3g} in prediction"
    )
    explained = training - prediction
    if gap < 0.05 * row["val_loss"] or explained < max(0.5 * gap, 0.05 * prediction):
        return Finding("training_mode", FINE, seen)
    return Finding(
        "training_mode",
        NOTE,
        f"Training loss is above validation loss because of {', '.join(record.random_layers)}.",
        seen=seen,
        cause="These layers make training harder on purpose, and do nothing in validation.",
        remedy="Nothing to repair. To compare, score training samples by Trainer.evaluate.",
    )
