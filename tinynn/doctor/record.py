"""All that the doctor knows of a run, and how what passes through layers is told."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from tinynn.doctor.statistics import Look
from tinynn.training.guessing import Guess

ENOUGH = 64  # steps, to be judged by what was learnt
FEW = 10  # samples of a class: of fewer it may be chance that none is recognised


@dataclass
class Chart:
    """All that is known of a run.

    looks: at its steps. epochs: the rows of its history. classes: how many, or None. shares: of
    each class in the data. guess: what one scores who never looks at x. never_open: for each layer
    that closes units, how many let nothing pass for any of up to 1,000 training samples, and how
    many there are. asked: how often each class is right, and how often predicted, in these samples;
    held_out: in validation data. held_out_size: the standard deviation of what the lowest layer
    with parameters gets of these. held_out_guess: what guessing as in training scores on their
    targets, with the mean and the standard deviation that they have if they are numbers. rate: the
    optimizer's learning rate. steps_per_epoch: 0 before the first has ended. constant_columns:
    whether x is a table in which some are. watched: a training; False: one look at a model.
    broke_off: at which step a number was NaN or infinite, or 0.
    """

    looks: list[Look] = field(default_factory=list)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    classes: int | None = None
    shares: list[float] = field(default_factory=list)
    guess: Guess = field(default_factory=Guess)
    never_open: dict[str, tuple[int, int]] = field(default_factory=dict)
    asked: tuple[list[int], list[int]] | None = None
    held_out: tuple[list[int], list[int]] | None = None
    held_out_size: float | None = None
    held_out_guess: Guess = field(default_factory=Guess)
    rate: float | None = None
    steps_per_epoch: int = 0
    constant_columns: bool = False
    watched: bool = True
    broke_off: int = 0

    @property
    def guessing(self) -> float:
        """The loss of one who never looks at x; infinite where it is not known."""
        return self.guess.loss

    @property
    def against_guessing(self) -> float:
        """The loss of the last epoch as a share of that of guessing; 0 where one is not known.

        Of soft targets no loss is below their own entropy: what is above it is compared.
        """
        last = self.epochs[-1]["loss"] if self.epochs else self.guess.floor
        return self.above(last) / self.above(self.guessing)

    def above(self, loss: float) -> float:
        """Return how far a loss is above the least that there can be."""
        return float(loss) - self.guess.floor

    @property
    def falls(self) -> bool:
        """Whether each of the last epochs, four or fewer, had a lower loss than the one before."""
        losses = [row["loss"] for row in self.epochs[-4:]]
        return len(losses) > 1 and all(later < before for before, later in pairwise(losses))

    @property
    def commonest(self) -> float:
        """The accuracy of one who always says the commonest class."""
        return max(self.shares, default=0.0)

    @property
    def saw_the_start(self) -> bool:
        """Whether the first look is of the first step, and so of the initial weights."""
        return self.looks[0].step == 1

    @property
    def travelled(self) -> float:
        """How far all steps together can have moved weights, as a share of their size."""
        looks = [look for look in self.looks if look.update]
        sizes = [max(look.update.values()) for look in looks]
        lengths = [later.step - look.step for look, later in pairwise(looks)]
        return float(np.dot(sizes[:-1], lengths) + sum(sizes[-1:]))

    @property
    def has_learnt(self) -> bool:
        """Whether the loss has fallen to half of what it was, and below guessing."""
        last = float(np.mean([look.loss for look in self.looks[-3:]]))
        fell = self.above(last) < 0.5 * self.above(self.looks[0].loss)
        return fell and not (self.at_guessing or self.broke_off)

    @property
    def loss_at_guessing(self) -> bool:
        """Whether epochs have ended, and the last had the loss of guessing, or a higher one."""
        return self.against_guessing >= 0.93

    @property
    def at_guessing(self) -> bool:
        """Whether, besides, nothing shows that more was learnt, in training or after it."""
        if not self.loss_at_guessing:
            return False
        row = self.epochs[-1]
        if not self.classes:
            return not row.get("val_loss", np.inf) < 0.93 * self.held_out_guess.loss < np.inf
        right = max(row["accuracy"], row.get("val_accuracy", 0))
        return bool(right <= self.commonest + 0.1 * (1 - self.commonest))

    @property
    def enough(self) -> bool:
        """Whether there were enough steps for the training to be judged by what was learnt."""
        return bool(self.epochs) and self.looks[-1].step >= ENOUGH

    @property
    def unpredicted(self) -> list[int]:
        """Classes of which no sample is recognised: in validation data, or else in training."""
        labels, predicted = self.held_out or self.asked or ([], [])
        return [c for c, count in enumerate(labels) if count and not predicted[c]]

    @property
    def nothing_came_of_it(self) -> bool:
        """Whether guessing is as good, or a class of ten samples or more is never predicted."""
        labels, _ = self.held_out or self.asked or ([], [])
        return self.at_guessing or any(labels[c] >= FEW for c in self.unpredicted)

    @property
    def largest_step(self) -> float:
        """How far a step moved weights at most, as a share of their size: of those not at 0."""
        moved = [m for look in self.looks for m in look.update.values() if m < 1e3]
        return max(moved, default=0.0)


@dataclass(frozen=True)
class Passage:
    """What becomes of a number on its way through the layers.

    values: what it is at each layer passed, in that order.
    """

    values: dict[str, float]

    @property
    def factor(self) -> float:
        """The last by the first."""
        first, *_, last = self.values.values()
        return last / first

    @property
    def distance(self) -> float:
        """How far the factor is from 1, alike for a tenth and ten; infinite for 0."""
        with np.errstate(divide="ignore"):
            return abs(float(np.log(self.factor)))

    def __str__(self) -> str:
        (first, begins), *_, (last, ends) = self.values.items()
        pairs = list(pairwise(self.values.items()))
        steepest = max((Passage(dict(pair)) for pair in pairs), key=lambda pair: pair.distance)
        if len(pairs) > 1 and not steepest.distance < 0.6 * self.distance < np.inf:
            where = "most of it from {} to {}".format(*steepest.values)
        else:
            where = f"a factor of about {self.factor ** (1 / len(pairs)):.2g} a layer"
        return f"from {begins:.2g} ({first}) to {ends:.2g} ({last}): {where}"


def farthest(values: dict[str, float]) -> Passage | None:
    """Return the passage from the first layer to that where the number has changed most, or None.

    >>> print(farthest({"4.Dense": 0.3, "2.Dense": 0.03, "0.Dense": 0.003}))
    from 0.3 (4.Dense) to 0.003 (0.Dense): a factor of about 0.1 a layer
    >>> print(farthest({"4.Dense": 0.3, "2.Dense": 0.2, "0.Dense": 0.002}))
    from 0.3 (4.Dense) to 0.002 (0.Dense): most of it from 2.Dense to 0.Dense
    """
    names = list(values)
    if len(names) < 2 or not 1e-30 < values[names[0]] < np.inf:
        return None
    passages = [
        Passage({name: values[name] for name in names[: end + 1]}) for end in range(1, len(names))
    ]
    return max(passages, key=lambda passage: passage.distance)
