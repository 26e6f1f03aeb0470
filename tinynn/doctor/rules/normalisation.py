"""Whether BatchNorm gets enough numbers in a batch, and predictions are as good as training is."""

from tinynn.doctor.record import TrainingRecord
from tinynn.doctor.rules.finding import FINE, NOTE, PROBLEM, UNKNOWN, Finding

MUCH = 0.12  # of the loss of guessing
FEW = 4  # numbers of a channel in a batch
LITTLE = 0.6  # of the loss of guessing; above it, little was learnt


def small_batches(record: TrainingRecord) -> Finding:
    """BatchNorm should get several numbers of each channel in a batch.

    Measured on Fashion-MNIST after three epochs, with learning rates of 0.0003 to 0.01, by the loss
    of guessing: in batches of 2 the training loss was 0.80 to 0.90, in batches of 4 it was 0.44 to
    0.46, in batches of 8 it was 0.30.
    """
    numbers = record.numbers_normalised
    if not numbers:
        return Finding("small_batches", UNKNOWN, "small batches: no BatchNorm that is trained")
    seen = f"BatchNorm normalises {numbers:,} numbers of a channel in a batch"
    if numbers >= FEW:
        return Finding("small_batches", FINE, seen)
    if not record.has_enough_steps:
        return Finding("small_batches", UNKNOWN, f"too early to tell: {seen}")
    if record.relative_loss < LITTLE:
        return Finding("small_batches", FINE, f"{seen}, and the network learns")
    return Finding(
        "small_batches",
        PROBLEM,
        "The batches are too small for BatchNorm.",
        seen=f"{seen}; the training loss is {record.epochs[-1]['loss']:.3g}, guessing gives "
        f"{record.guessing_loss:.3g}",
        cause="Two numbers, normalised, are -1 and 1, whatever they were: only which is larger is "
        "left. With three, little more is.",
        remedy="A batch_size of 16 or more. Or LayerNorm, which takes each sample alone.",
    )


def running_statistics(record: TrainingRecord) -> Finding:
    """Normalising by running statistics should cost little more than by those of the samples.

    Measured on Fashion-MNIST, by the loss of guessing: after 50 steps or more in batches of 4 or
    more, healthy networks had at most 0.10 more, and those with momentum 0.1 up to 0.26; after 6
    steps it was up to 0.26, in batches of 2 up to 1.5, and there with momentum 0.1 up to 5.9.
    """
    both, guessing = record.losses_by_statistics, record.above_floor(record.guessing_loss)
    if both is None or not 0 < guessing < float("inf"):
        title = "running statistics: no BatchNorm that is trained, or no loss of guessing"
        return Finding("running_statistics", UNKNOWN, title)
    batch, running = both
    seen = f"of the same samples the loss is {running:.3g} by the running statistics of BatchNorm"
    seen += f", {batch:.3g} by their own"
    if running - batch <= MUCH * guessing:
        return Finding("running_statistics", FINE, seen)
    name, share = max(record.batch_norm.items(), key=lambda item: item[1])
    if share > 0.01:
        return Finding(
            "running_statistics",
            NOTE,
            "The running statistics of BatchNorm have not converged.",
            seen=f"{seen}; {share:.0%} of those of {name} come from before training",
            cause="The running statistics start at mean 0 and variance 1, and each step replaces a "
            "share of 1 - momentum. So predictions and validation are worse than training.",
            remedy="More steps: with momentum 0.9, 50 are enough. Or a smaller momentum.",
        )
    return Finding(
        "running_statistics",
        PROBLEM,
        "The running statistics of BatchNorm do not suit the network.",
        seen=seen,
        cause="They average too few samples: batches are small, or momentum is (0.1 in PyTorch is "
        "0.9 here). Or weights change faster than the average follows.",
        remedy="BatchNorm(momentum=0.9), a batch_size of 16 or more, a smaller learning rate. Or "
        "LayerNorm, which needs no running statistics.",
    )
