"""What can be wrong with targets that are numbers: their scale."""

from dataclasses import replace

from tinynn.doctor.record import TrainingRecord
from tinynn.doctor.rules.finding import FINE, NOTE, PROBLEM, UNKNOWN, Finding
from tinynn.training.baseline import Baseline


def targets(record: TrainingRecord) -> Finding:
    """Targets should have a size of about 1, because an untrained network predicts such numbers.

    Other targets are a problem only if the network does not learn them: if its loss does not fall
    to half of that of guessing.
    """
    baseline = record.baseline
    if record.classes:
        return Finding("targets", FINE, f"targets are {record.classes} classes")
    if baseline.yes_or_no:
        return Finding("targets", FINE, "targets are yes or no, numbers from 0 to 1")
    if baseline.std == 0 and baseline.unscaled and not _constant_is_learnt(record):
        return _constant(record)
    if not baseline.std > 0 or baseline.loss == float("inf"):
        title = "targets: their scale; they are all equal, or it is not known"
        return Finding("targets", UNKNOWN, title)
    finding = _unscaled(record) or _small(record) or _of_different_scales(baseline)
    if finding is None:
        return Finding("targets", FINE, f"targets have {_size(baseline)}")
    return replace(finding, remedy=_scale_targets(baseline))


def _constant_is_learnt(record: TrainingRecord) -> bool:
    return bool(record.epochs) and record.epochs[-1]["loss"] < 0.01 * record.steps[0].loss


def _constant(record: TrainingRecord) -> Finding:
    return Finding(
        "targets",
        PROBLEM,
        "The targets are all equal, and not scaled.",
        seen=f"all rows of y are equal, their mean is {record.baseline.mean:.4g}; the loss began "
        f"at {record.steps[0].loss:.3g}",
        cause="Usually y is the wrong column: if all targets are equal, there is nothing to "
        "learn. And an untrained network predicts numbers of about size 1, far from these "
        "targets.",
        remedy="Look at y. If it is what you want: train on y - mean, with mean = "
        "y.mean(axis=0), and add the mean to predictions, p + mean.",
    )


def _unscaled(record: TrainingRecord) -> Finding | None:
    if not record.baseline.unscaled or (record.epochs and record.relative_loss < 0.5):
        return None
    return Finding(
        "targets",
        NOTE if record.epochs and record.relative_loss < 0.93 else PROBLEM,
        "The targets are not scaled.",
        seen=_seen(record),
        cause="An untrained network predicts numbers of about size 1, and an update changes them "
        "a little: it needs very many steps to reach such targets. Or the gradients, and so the "
        "updates, are far too large.",
    )


def _small(record: TrainingRecord) -> Finding | None:
    """Targets that differ little, if the network is worse than their mean, or is in validation."""
    baseline, ratio, seen = record.baseline, record.relative_loss, _seen(record)
    row, held_out = record.epochs[-1] if record.epochs else {}, record.validation_baseline.loss
    fails = 0.05 < ratio < 0.93 and held_out <= row.get("val_loss", 0.0)
    if not baseline.narrow or not record.has_enough_steps or not (ratio > 2 or fails):
        return None
    if fails:
        seen += f"; the validation loss is {row['val_loss']:.3g}, {baseline.guess} gives "
        seen += f"{held_out:.3g} there"
    return Finding(
        "targets",
        PROBLEM,
        "The targets are very small."
        if baseline.tiny
        else "The standard deviation of the targets is small.",
        seen=seen,
        cause="An untrained network predicts numbers of about size 1, and updates change them by "
        "more than such targets differ.",
    )


def _of_different_scales(baseline: Baseline) -> Finding | None:
    some = baseline.stds[baseline.stds > 0]
    if baseline.stds.size > 10 or some.max() <= 30 * some.min():
        return None
    return Finding(
        "targets",
        NOTE,
        "The columns of y have different scales.",
        seen=f"their standard deviations go from {some.min():.3g} to {some.max():.3g}",
        cause="In a mean of squares over all columns the largest column decides: errors in the "
        "others hardly count.",
    )


def _size(baseline: Baseline) -> str:
    return f"standard deviation {baseline.std:.3g} and mean {baseline.mean:.3g}"


def _seen(record: TrainingRecord) -> str:
    so_far = f"the loss began at {record.steps[0].loss:.3g}"
    if record.epochs:
        so_far = f"the loss is {record.epochs[-1]['loss']:.3g}"
    baseline = record.baseline
    return f"y has {_size(baseline)}; {so_far}, {baseline.guess} gives {baseline.loss:.3g}"


def _scale_targets(baseline: Baseline) -> str:
    """Return how targets are scaled; a constant column has a standard deviation of 0."""
    constant = ", and std = np.where(std, std, 1) for constant columns"
    constant = "" if baseline.stds.all() else constant
    return (
        f"With mean, std = y.mean(axis=0), y.std(axis=0) of the training data{constant}: train on "
        "(y - mean) / std, and undo it on predictions, p * std + mean. Scale validation targets "
        "by the same mean and std."
    )
