"""All that the doctor knows of a training: what the rules are applied to."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from tinynn.doctor.statistics import StepStatistics
from tinynn.training.baseline import Baseline

ENOUGH_STEPS = 64  # after which a training is judged by what was learnt
FEW_SAMPLES = 10  # of a class; with fewer it may be chance that none is predicted right


@dataclass
class TrainingRecord:
    """All that is known of a training.

    steps: the statistics of its recorded steps. epochs: the rows of its history. classes: how many,
    or None. class_shares: the share of each class in the data. baseline: the loss of always giving
    the same best answer, whatever x is. dead: for each layer with a kink, how many units are
    inactive for all of up to 1,000 training samples, and how many units there are. training_counts:
    how many of these samples are of each class, and how many are predicted as it;
    validation_counts: the same for validation data.

    validation_input_std: for validation data, the standard deviation of the input of the first
    layer with parameters. validation_baseline: the loss there of the answer that is best in
    training, with the mean and the standard deviation of the validation targets if they are
    numbers.

    random_layers: the layers that draw random numbers. losses_by_mode: if there are any, the loss
    of up to 1,000 training samples in training mode, and in prediction. dropout: the rate of each
    Dropout. numbers_normalised: how many numbers of a channel a training batch has, at the
    BatchNorm, of those that are not frozen, that has the fewest; 0 if there is none. batch_norm:
    for each of them, the share that the numbers from before training still have in its running
    statistics. losses_by_statistics: if there are any, the loss of the same samples without
    dropout, normalised by their own statistics, and by the running ones, which predictions use.

    learning_rate: the optimizer's, the highest of a Schedule, or None for a function.
    steps_per_epoch: 0 before an epoch has ended. constant_columns: whether x is a table with
    constant columns. from_training: False if `diagnose` recorded a single step. diverged_at: the
    step at which a number was NaN or infinite, or 0.
    """

    steps: list[StepStatistics] = field(default_factory=list)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    classes: int | None = None
    class_shares: list[float] = field(default_factory=list)
    baseline: Baseline = field(default_factory=Baseline)
    dead: dict[str, tuple[int, int]] = field(default_factory=dict)
    training_counts: tuple[list[int], list[int]] | None = None
    validation_counts: tuple[list[int], list[int]] | None = None
    validation_input_std: float | None = None
    validation_baseline: Baseline = field(default_factory=Baseline)
    random_layers: list[str] = field(default_factory=list)
    losses_by_mode: tuple[float, float] | None = None
    dropout: dict[str, float] = field(default_factory=dict)
    numbers_normalised: int = 0
    batch_norm: dict[str, float] = field(default_factory=dict)
    losses_by_statistics: tuple[float, float] | None = None
    learning_rate: float | None = None
    steps_per_epoch: int = 0
    constant_columns: bool = False
    from_training: bool = True
    diverged_at: int = 0

    @property
    def guessing_loss(self) -> float:
        """The loss of always giving the same best answer; infinite where it is not known."""
        return self.baseline.loss

    @property
    def relative_loss(self) -> float:
        """The loss of the last epoch, divided by that of guessing; 0 if one of them is not known.

        With soft targets no loss is below their entropy, so this is subtracted from both.
        """
        last = self.epochs[-1]["loss"] if self.epochs else self.baseline.floor
        return self.above_floor(last) / self.above_floor(self.guessing_loss)

    def above_floor(self, loss: float) -> float:
        """Return how far a loss is above the lowest possible loss."""
        return float(loss) - self.baseline.floor

    @property
    def loss_falls(self) -> bool:
        """Whether each of the last epochs, four or fewer, had a lower loss than the one before."""
        losses = [row["loss"] for row in self.epochs[-4:]]
        return len(losses) > 1 and all(later < before for before, later in pairwise(losses))

    @property
    def majority_share(self) -> float:
        """The share of the largest class: the accuracy of always predicting it."""
        return max(self.class_shares, default=0.0)

    @property
    def has_first_step(self) -> bool:
        """Whether the first recorded step is step 1, whose weights are the initial ones."""
        return self.steps[0].number == 1

    @property
    def total_update(self) -> float:
        """The most that all updates together can have changed weights, divided by their norm."""
        steps = [step for step in self.steps if step.update_ratio]
        ratios = [max(step.update_ratio.values()) for step in steps]
        lengths = [later.number - step.number for step, later in pairwise(steps)]
        return float(np.dot(ratios[:-1], lengths) + sum(ratios[-1:]))

    @property
    def largest_update(self) -> float:
        """The largest update-to-weight ratio; weights of about 0 are left out."""
        ratios = [r for step in self.steps for r in step.update_ratio.values() if r < 1e3]
        return max(ratios, default=0.0)

    @property
    def has_learnt(self) -> bool:
        """Whether the loss has fallen to half of what it was, and below that of guessing."""
        last = float(np.mean([step.loss for step in self.steps[-3:]]))
        fell = self.above_floor(last) < 0.5 * self.above_floor(self.steps[0].loss)
        return fell and not (self.at_chance or self.diverged_at)

    @property
    def loss_at_chance(self) -> bool:
        """Whether the last epoch had the loss of guessing or a higher one; False if none ended."""
        return self.relative_loss >= 0.93

    @property
    def at_chance(self) -> bool:
        """Whether the loss is at chance, and accuracy and validation show no learning either."""
        if not self.loss_at_chance:
            return False
        row = self.epochs[-1]
        if not self.classes:
            return not row.get("val_loss", np.inf) < 0.93 * self.validation_baseline.loss < np.inf
        accuracy = max(row["accuracy"], row.get("val_accuracy", 0))
        return bool(accuracy <= self.majority_share + 0.1 * (1 - self.majority_share))

    @property
    def has_enough_steps(self) -> bool:
        """Whether there were enough steps to judge the training by what was learnt."""
        return bool(self.epochs) and self.steps[-1].number >= ENOUGH_STEPS

    @property
    def never_predicted(self) -> list[int]:
        """Classes that occur and are never predicted: in validation data, or else in training."""
        labels, predicted = self.validation_counts or self.training_counts or ([], [])
        return [c for c, count in enumerate(labels) if count and not predicted[c]]

    @property
    def has_failed(self) -> bool:
        """Whether it is at chance, or never predicts a class that has ten samples or more."""
        labels, _ = self.validation_counts or self.training_counts or ([], [])
        return self.at_chance or any(labels[c] >= FEW_SAMPLES for c in self.never_predicted)
