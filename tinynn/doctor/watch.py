"""The doctor: watches a run for what goes wrong, and names one cause, not ten symptoms.

    Doctor, at some steps -> looks -> chart -> rules, causes first -> HealthReport
    diagnose, just once   -> a look -'                                a page, a picture

What is measured stands in statistics.py, what is kept of it in record.py, what is made of it in
rules/, and how it is told in report.py; here is who asks, and when.
"""

import copy
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.doctor.record import FEW, Chart
from tinynn.doctor.report import HealthReport, judged
from tinynn.doctor.statistics import first_with_parameters, look_at, never_open, weights
from tinynn.errors import InputError
from tinynn.losses import Loss
from tinynn.metrics import classes_of
from tinynn.model import Sequential
from tinynn.parameters import Array
from tinynn.training.divergence import all_finite
from tinynn.training.guessing import Guess, best_guess, cost
from tinynn.training.run import Callback, Run

EVERY = 100  # steps between looks; more often at the start
MOST_LOOKS = 400  # then every second one is forgotten
SAMPLES = 1000  # that the model is asked about


def _some(data: Array) -> Array:
    """Return every so many of the samples: SAMPLES of them at most, from all over the data."""
    return data[:: -(-len(data) // SAMPLES)]


def _constant_columns(x: Array) -> bool:
    """Whether x is a table (N, D) of which a column says the same of all, two or more."""
    return x.ndim == 2 and len(x) > 1 and bool((x == x[0]).all(axis=0).any())


def _counts(model: Sequential, x: Array, y: Array) -> tuple[list[int], list[int]]:
    """Count how often each class is right, and how often it is predicted."""
    p = model.predict(x)
    right, said = (np.bincount(classes_of(a), minlength=p.shape[1]).tolist() for a in (y, p))
    return right, said


def diagnose(
    model: Sequential, loss: Loss, x: npt.ArrayLike, y: npt.ArrayLike, batch_size: int = 32
) -> HealthReport:
    """Look once at a model and its data, before or after training; nothing that is passed changes.

    x: (N, *input_shape), y: (N, ...), as for Trainer.fit; at most 1,000 samples of it are used.
    batch_size: 32; samples that are neighbours in y are taken to come in one batch. Raises
    InputError for data that do not fit.

    >>> from tinynn import CrossEntropy, Dense, Softmax, zeros
    >>> model = Sequential([Dense(3, zeros), Dense(2, zeros), Softmax()], input_shape=(1,))
    >>> report = diagnose(model, CrossEntropy(), [[0.0], [1.0]], [0, 1])
    >>> [problem.title for problem in report.problems]
    ['All units of a layer are the same.']
    """
    x, y = checks.one_step(model, Sequential, loss, Loss, x, y, "diagnose")
    checks.check_integer("batch_size", batch_size)
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), SAMPLES)).astype(int))
    model = copy.deepcopy(model)
    p = model.forward(x[chosen])
    chart = Chart([look_at(model, loss, x[chosen], y[chosen], step=1)], watched=False)
    chart.guess, chart.constant_columns = best_guess(model, loss, y), _constant_columns(x[chosen])
    if loss.classifies:
        chart.classes = p.shape[1]
        labels = classes_of(y)
        chart.shares = (np.bincount(labels, minlength=chart.classes) / len(labels)).tolist()
        batch = labels[: batch_size if len(labels) > batch_size else 0]
        chart.looks[0].labels = np.bincount(batch, minlength=chart.classes).tolist()
    return judged(chart)


class Doctor(Callback):
    """Watch a training, and say what is wrong with it.

    every: 100, the steps between two looks; at first there are more, at steps 1, 2, 4, 8 and so on.
    The main job takes 1.3 to 1.6 % longer with it; a run of a few hundred steps, in which more of
    them are looked at, up to a tenth. Ask `report()` at any time, also after training has broken
    off. A resumed run is watched from where it goes on.

    >>> from tinynn import SGD, CrossEntropy, Dense, Softmax, Trainer
    >>> model = Sequential([Dense(2), Softmax()], input_shape=(1,), seed=1)
    >>> doctor = Doctor()
    >>> x = np.linspace(-1, 1, 40)[:, None]
    >>> y = (x[:, 0] > 0).astype(int)
    >>> _ = Trainer(model, CrossEntropy(), SGD(0.3)).fit(x, y, 9, callbacks=[doctor])
    >>> doctor.report().problems
    []
    """

    affects_training = False

    def __init__(self, every: int = EVERY) -> None:
        checks.check_integer("every", every)
        self.every = every
        self.trainer: Run | None = None
        self._forget()

    def _forget(self) -> None:
        self.chart = Chart()
        self.apart = self.every  # steps between looks, by now
        self.before: dict[str, Array] = {}  # the weights, where this step is looked at

    def report(self) -> HealthReport:
        """Judge what has been seen so far; of the data, up to 1,000 samples are asked for anew.

        Raises InputError before the first step.
        """
        trainer, chart = self.trainer, self.chart
        if trainer is None or not chart.looks:
            raise InputError("The doctor has seen nothing yet: give it to Trainer.fit(callbacks=).")
        chart.constant_columns = _constant_columns(_some(trainer.x))
        if not (np.isfinite(trainer.batch_loss) and all_finite(trainer)):
            chart.broke_off = trainer.step
        else:
            some = _some(trainer.x)
            chart.never_open = never_open(trainer.model, some)
            if chart.classes:
                chart.asked = _counts(trainer.model, some, _some(trainer.y))
            if chart.epochs and trainer.validation is not None:
                self._ask(trainer, *map(_some, trainer.validation))
        return judged(chart)

    def _ask(self, trainer: Run, x: Array, y: Array, weights: Array | None = None) -> None:
        """See of validation data how they are scaled, what guessing scores, what is predicted."""
        model, chart, given = trainer.model, self.chart, x
        for layer in model.layers[: first_with_parameters(model)]:
            given = layer.forward(given, training=False)
        size, apart = float(given.std(dtype=float)), np.abs(given - np.median(given))
        usual = float(given[apart <= np.quantile(apart, 0.95)].std(dtype=float))
        chart.held_out_size = usual if size > 5 * usual > 0 else size  # a few outliers may rule it
        if chart.guess.answer is not None:
            own = best_guess(model, trainer.loss, y, weights) if len(y) >= FEW else Guess()
            own = replace(own, loss=cost(trainer.loss, chart.guess.answer, y, weights))
            if own.std > 0:  # of numbers, which a few outliers may rule
                apart = np.abs(y - np.median(y, axis=0)).reshape(len(y), -1)
                usual = y[(apart <= np.quantile(apart, 0.95, axis=0)).all(axis=1)]
                without = best_guess(model, trainer.loss, usual) if len(usual) >= FEW else own
                own = replace(without, loss=np.inf) if own.std > 5 * without.std else own
            chart.held_out_guess = own
        if chart.classes:
            chart.held_out = _counts(model, x, y)

    def on_train_begin(self, trainer: Run) -> None:
        if not trainer.resumed:
            self._forget()
        self.trainer = trainer
        rate = trainer.optimizer.learning_rate
        self.chart.rate = None if callable(rate) else rate
        self.chart.epochs, self.chart.guess = trainer.history.epochs, trainer.guess
        if trainer.loss.classifies:
            self.chart.classes = trainer.model.output_shapes[-1][-1]
            counts = np.bincount(classes_of(trainer.y), minlength=self.chart.classes)
            self.chart.shares = (counts / counts.sum()).tolist()

    def on_gradients(self, trainer: Run) -> None:
        self.before = {}
        t = trainer.step
        early = t < self.every and t & (t - 1) == 0  # a power of 2
        if not early and t % self.apart:
            return
        self.chart.looks.append(look_at(trainer.model, trainer.loss, *trainer.batch, step=t))
        self.before = {name: W.copy() for name, W in weights(trainer.model).items()}
        if len(self.chart.looks) > MOST_LOOKS:
            self.apart *= 2
            self.chart.looks = [
                look for look in self.chart.looks if look.step < self.every
                or look.step % self.apart == 0
            ]  # fmt: skip

    def on_step_end(self, trainer: Run) -> None:
        for name, before in self.before.items():
            W = trainer.model.named_parameters()[name]
            size = max(float(np.linalg.norm(before)), 1e-30)
            self.chart.looks[-1].update[name] = float(np.linalg.norm(W - before)) / size

    def on_epoch_end(self, trainer: Run) -> None:
        self.chart.steps_per_epoch = trainer.step // trainer.epoch
