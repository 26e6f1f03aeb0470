"""Learning-rate schedules: the learning rate as a function of the step count t, from 1.

    rate |      ________            warm-up: the rate rises to learning_rate in equal steps;
         |    /         \\           then `after_warmup`, which each schedule states by itself
         |  /             \\__
         +---------------------- t

An optimizer takes one in place of a learning rate: Adam(CosineDecay(1e-3, warmup=0.05)). It asks
`schedule(t)` once for each step. In the code s counts the steps since the end of the warm-up, from
0, and n is how many steps there are from there to the end.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

from tinynn import checks
from tinynn.configuration import Configured


class Schedule(Configured, ABC):
    """The contract: `after_warmup(s)`, the learning rate s steps after the end of the warm-up.

        rate(t) = learning_rate t / w     in the w steps of the warm-up, t = 1, ..., w
        rate(t) = after_warmup(t - 1 - w) from then on

    learning_rate: the highest learning rate, positive; the warm-up ends with it.
    steps: the number of all steps, with the warm-up. Default None: `Trainer.fit` tells it. Each fit
    then begins the schedule anew, and a resumed run must have as many epochs in all. If steps are
    given, they are counted over the life of the optimizer; a second fit goes on where the first
    ended, and a run may be resumed with other epochs. In a loop of your own, write steps.
    warmup: steps of the warm-up, a whole number, or a float below 1: a share of all steps. Default
    0. (Goyal et al., Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour, 2017, section
    2.2, gradual warmup.)
    Raises InputError outside of these; for a warm-up of more than all steps; and if a rate needs
    the number of steps while nobody has told it. One object may serve several trainings, one after
    the other, but not at once: it knows only what the latest fit told it. A schedule of your own
    need not be an object: any function of t will do.

    >>> class InverseSquareRoot(Schedule):
    ...     def __init__(self, learning_rate, warmup=0, steps=None):
    ...         super().__init__(learning_rate, steps, warmup)
    ...     def after_warmup(self, s):
    ...         return self.learning_rate / (1 + s) ** 0.5
    >>> schedule = InverseSquareRoot(0.4, warmup=2)
    >>> [schedule(t) for t in (1, 2, 3, 6)]
    [0.2, 0.4, 0.4, 0.2]
    """

    _first: int = 1  # the first and the last step of the run, as `begin` was told
    _last: int | None = None

    @checks.short_traceback
    def __init__(
        self, learning_rate: float, steps: int | None = None, warmup: int | float = 0
    ) -> None:
        self.learning_rate = checks.check_positive("learning_rate", learning_rate)
        self.steps = checks.steps_of_all(steps)
        self.warmup = checks.steps_or_share("warmup", warmup)
        if self.steps is not None:
            checks.refuse_long_warmup(type(self).__name__, self.warmup, self.steps)

    def begin(self, first: int, last: int) -> None:
        """Tell the first and the last step of a run; without effect if `steps` are given."""
        if self.steps is None:
            checks.refuse_long_warmup(type(self).__name__, self.warmup, max(last - first + 1, 1))
            self._first, self._last = first, last

    @property
    def all_steps(self) -> int:
        """The number of all steps. Raises InputError if it is not known."""
        if self.steps is not None:
            return self.steps
        if self._last is None:
            raise checks.unknown_steps(self)
        return self._last - self._first + 1

    def in_steps(self, steps_or_share: int | float) -> int:
        """Return a number of steps as it is, a share of all steps as the nearest number of steps.

        >>> CosineDecay(0.1, steps=1000).in_steps(0.25)
        250
        """
        if isinstance(steps_or_share, int) or not steps_or_share:
            return int(steps_or_share)
        return round(steps_or_share * self.all_steps)

    def __call__(self, t: int) -> float:
        """Return the learning rate of step t."""
        taken = max(t - self._first, 0)  # steps of the run before this one
        warmup = self.in_steps(self.warmup)
        if taken < warmup:
            return self.learning_rate * (taken + 1) / warmup
        return self.after_warmup(taken - warmup)

    @abstractmethod
    def after_warmup(self, s: int) -> float:
        """Return the learning rate when s steps, 0 or more, have been taken since the warm-up."""

    def share_done(self, s: int) -> float:
        """Return s / n, the share of the steps after the warm-up that have been taken: 0 to 1."""
        n = self.all_steps - self.in_steps(self.warmup)
        return s / n if s < n else 1.0


class _Falling(Schedule):
    """What LinearDecay and CosineDecay share: the learning rate falls to `final`."""

    @checks.short_traceback
    def __init__(
        self,
        learning_rate: float,
        steps: int | None = None,
        warmup: int | float = 0,
        final: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, steps, warmup)
        self.final = checks.final_rate(self.learning_rate, final)


class LinearDecay(_Falling):
    """After the warm-up the learning rate falls to `final` in equal steps.

        rate = final + (learning_rate - final) (1 - s / n)

    s: steps since the warm-up, from 0; n: how many there are from there to the end. After the last
    step the rate is `final`.

    learning_rate, steps, warmup: as for `Schedule`. final: from 0 to learning_rate, default 0.
    (Li, Yumer and Ramanan, Budgeted Training, 2020, section 4.)

    >>> schedule = LinearDecay(0.1, steps=10)
    >>> [round(schedule(t), 3) for t in (1, 6, 10, 11)]
    [0.1, 0.05, 0.01, 0.0]
    """

    def after_warmup(self, s: int) -> float:
        return self.final + (self.learning_rate - self.final) * (1 - self.share_done(s))


class CosineDecay(_Falling):
    """After the warm-up the learning rate falls to `final` as half a cosine: slowly at both ends.

        rate = final + 1/2 (learning_rate - final) (1 + cos(pi s / n))

    s: steps since the warm-up, from 0; n: how many there are from there to the end. After the last
    step the rate is `final`.

    learning_rate, steps, warmup: as for `Schedule`. final: from 0 to learning_rate, default 0.
    (Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017, equation 5,
    without restarts.)

    >>> schedule = CosineDecay(0.1, steps=12, warmup=2)
    >>> [round(schedule(t), 3) for t in (1, 2, 3, 8, 12, 13)]
    [0.05, 0.1, 0.1, 0.05, 0.002, 0.0]
    """

    def after_warmup(self, s: int) -> float:
        half_cosine = 0.5 * (1 + math.cos(math.pi * self.share_done(s)))
        return self.final + (self.learning_rate - self.final) * half_cosine


class ExponentialDecay(Schedule):
    """After the warm-up the learning rate falls smoothly: `every` steps multiply it by `factor`.

        rate = learning_rate factor^(s / every)

    s: steps since the warm-up, from 0.

    learning_rate, steps, warmup: as for `Schedule`; the number of steps is needed only for a
    warm-up that is a share. factor: above 0, below 1. every: steps, 1 or more; default 1. Raises
    InputError outside of these. (The form of Keras' ExponentialDecay; with every=1 that of
    PyTorch's ExponentialLR.)

    >>> schedule = ExponentialDecay(0.1, factor=0.5, every=10)
    >>> [round(schedule(t), 3) for t in (1, 6, 11, 21)]
    [0.1, 0.071, 0.05, 0.025]
    """

    @checks.short_traceback
    def __init__(
        self,
        learning_rate: float,
        factor: float,
        every: int = 1,
        steps: int | None = None,
        warmup: int | float = 0,
    ) -> None:
        super().__init__(learning_rate, steps, warmup)
        self.factor = checks.decay_factor(factor)
        self.every = checks.check_integer("every", every)

    def after_warmup(self, s: int) -> float:
        return self.learning_rate * self.factor ** (s / self.every)


class PiecewiseConstant(Schedule):
    """The learning rate stays the same for some steps, then takes another value.

        rate = learning_rate     in the first boundaries[0] steps, after the warm-up
        rate = rates[i]          after boundaries[i] steps, until boundaries[i + 1]

    learning_rate, steps, warmup: as for `Schedule`. boundaries: rising numbers of steps, counted
    from the first, with the warm-up; or floats below 1, shares of all steps. rates: one for each
    boundary, 0 or more. Raises InputError outside of these. (He, Zhang, Ren and Sun, Deep Residual
    Learning for Image Recognition, 2016, section 4.2: a tenth at a half and at three quarters.)

    >>> schedule = PiecewiseConstant(0.1, boundaries=[2, 4], rates=[0.01, 0.001])
    >>> [schedule(t) for t in (1, 2, 3, 4, 5, 6)]
    [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    """

    @checks.short_traceback
    def __init__(
        self,
        learning_rate: float,
        boundaries: Sequence[int | float],
        rates: Sequence[float],
        steps: int | None = None,
        warmup: int | float = 0,
    ) -> None:
        super().__init__(learning_rate, steps, warmup)
        checks.pieces(boundaries, rates)
        self.boundaries = [*map(checks.python_number, boundaries)]  # lists of its own
        self.rates = [*map(checks.python_number, rates)]

    def after_warmup(self, s: int) -> float:
        taken = s + self.in_steps(self.warmup)
        rate = self.learning_rate
        for boundary, after in zip(self.boundaries, self.rates, strict=True):
            rate = after if taken >= self.in_steps(boundary) else rate
        return float(rate)
