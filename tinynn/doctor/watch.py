"""The doctor: records a training, finds what goes wrong, and names the cause first.

    Doctor, at some steps -> StepStatistics -> TrainingRecord -> rules -> HealthReport
    diagnose, at one step -> StepStatistics --'                           a page, a picture

statistics.py measures a step, record.py keeps the numbers, rules/ has the rules, and report.py
makes the page and the picture. This file decides when a step is recorded.
"""

import copy
from dataclasses import replace
from math import prod

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.doctor.record import FEW_SAMPLES, TrainingRecord
from tinynn.doctor.report import HealthReport, apply_rules
from tinynn.doctor.statistics import (
    dead_units,
    loss_in_mode,
    random_layers,
    statistics_of_step,
    trained_weights,
)
from tinynn.errors import InputError
from tinynn.layers import BatchNorm, Dropout
from tinynn.losses import Loss
from tinynn.metrics import classes_of
from tinynn.model import Sequential
from tinynn.parameters import Array
from tinynn.schedules import Schedule
from tinynn.training.baseline import Baseline, constant_baseline, cost
from tinynn.training.divergence import all_finite
from tinynn.training.run import Callback, Run

EVERY = 100  # steps from one recorded step to the next; fewer at the start
MOST_STEPS = 400  # kept steps; when there are more, every second one is dropped
SAMPLES = 1000  # at most, that the model predicts for a report


def _some(data: Array) -> Array:
    """Return at most SAMPLES samples, at equal distances over the data."""
    return data[:: -(-len(data) // SAMPLES)]


def _constant_columns(x: Array) -> bool:
    """Whether x is a table (N, D) of two or more samples, and one of its columns is constant."""
    return x.ndim == 2 and len(x) > 1 and bool((x == x[0]).all(axis=0).any())


def _counts(model: Sequential, x: Array, y: Array) -> tuple[list[int], list[int]]:
    """Return how many samples are of each class, and how many are predicted as it."""
    p = model.predict(x)
    labels, predicted = (np.bincount(classes_of(a), minlength=p.shape[1]).tolist() for a in (y, p))
    return labels, predicted


def diagnose(
    model: Sequential, loss: Loss, x: npt.ArrayLike, y: npt.ArrayLike, batch_size: int = 32
) -> HealthReport:
    """Check a model and its data at one step, before or after training. It changes neither.

    x: (N, *input_shape), y: (N, ...), as for Trainer.fit; at most 1,000 samples are used.
    batch_size: default 32; the classes of the first batch_size samples show whether the data are
    sorted. Raises InputError for data that do not fit.

    >>> from tinynn import CrossEntropy, Dense, Softmax, zeros
    >>> model = Sequential([Dense(3, zeros), Dense(2, zeros), Softmax()], input_shape=(1,))
    >>> report = diagnose(model, CrossEntropy(), [[0.0], [1.0]], [0, 1])
    >>> [problem.title for problem in report.problems]
    ['All units of a layer are equal.']
    """
    x, y = checks.samples_of_step(model, Sequential, loss, Loss, x, y, "diagnose")
    checks.check_integer("batch_size", batch_size)
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), SAMPLES)).astype(int))
    model = copy.deepcopy(model)
    p = model.forward(x[chosen])
    step = statistics_of_step(model, loss, x[chosen], y[chosen], number=1)
    record = TrainingRecord([step], from_training=False)
    record.baseline, record.constant_columns = (
        constant_baseline(model, loss, y),
        _constant_columns(x[chosen]),
    )
    if loss.classifies:
        record.classes = p.shape[1]
        labels = classes_of(y)
        record.class_shares = (np.bincount(labels, minlength=record.classes) / len(labels)).tolist()
        batch = labels[: batch_size if len(labels) > batch_size else 0]
        record.steps[0].labels = np.bincount(batch, minlength=record.classes).tolist()
    return apply_rules(record)


class Doctor(Callback):
    """Record a training, and report what is wrong with it.

    every: default 100: every 100th step is recorded, and before that also steps 1, 2, 4, 8 and so
    on. With it examples/fashion_mlp.py takes 1.3 to 1.6 % longer; a run of a few hundred steps, of
    which a larger share is recorded, up to 10 %. Call `report()` at any time, also after a training
    has diverged. A resumed run is recorded from the step at which it resumes. Raises InputError if
    every is not a whole number of 1 or more.

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
        self._reset()

    def _reset(self) -> None:
        self.record = TrainingRecord()
        self.interval = self.every  # steps from one recorded step to the next; grows
        self.before: dict[str, Array] = {}  # the weights before this step, if it is recorded

    def report(self) -> HealthReport:
        """Apply the rules to the record so far; the model predicts up to 1,000 samples for it.

        Raises InputError before the first step.
        """
        trainer, record = self.trainer, self.record
        if trainer is None or not record.steps:
            raise InputError("The doctor has recorded no step: give it to Trainer.fit(callbacks=).")
        record.constant_columns = _constant_columns(_some(trainer.x))
        if not (np.isfinite(trainer.batch_loss) and all_finite(trainer)):
            record.diverged_at = trainer.step
        else:
            some = _some(trainer.x)
            record.dead = dead_units(trainer.model, some)
            self._record_modes(trainer)
            if record.classes:
                record.training_counts = _counts(trainer.model, some, _some(trainer.y))
            if record.epochs and trainer.validation is not None:
                self._record_validation(trainer, *map(_some, trainer.validation))
        return apply_rules(record)

    def _record_modes(self, trainer: Run) -> None:
        """Record what layers that act differently in training and in prediction do to the loss."""
        model, record = trainer.model, self.record
        data = [_some(each) for each in (trainer.x, trainer.y, *trainer.weights)]
        record.random_layers = random_layers(model, data[0][:2])
        norms = [one for one in model.layers if isinstance(one, BatchNorm) and one.trainable]
        record.batch_norm = {one.name: one.momentum**model.step for one in norms}
        names = {layer.name for layer in model.layers}

        def loss(training: set[str]) -> float:
            return loss_in_mode(model, trainer.loss, *data, training=training)

        if record.random_layers or norms:
            predicting = loss(set())
        if record.random_layers:
            record.losses_by_mode = loss(names), predicting
        if norms:
            record.losses_by_statistics = loss(names - {*record.random_layers}), predicting

    def _record_validation(
        self, trainer: Run, x: Array, y: Array, weights: Array | None = None
    ) -> None:
        """Record the scale of validation data, the loss of guessing there, and the predictions."""
        model, record, given = trainer.model, self.record, checks.entering(trainer.model, x)
        loss = trainer.loss.for_evaluation()
        std, distance = float(given.std(dtype=float)), np.abs(given - np.median(given))
        usual = float(given[distance <= np.quantile(distance, 0.95)].std(dtype=float))
        record.validation_input_std = usual if std > 5 * usual > 0 else std  # usual: no outliers
        if record.baseline.answer is not None:
            own = (
                constant_baseline(model, loss, y, weights) if len(y) >= FEW_SAMPLES else Baseline()
            )
            own = replace(own, loss=cost(loss, record.baseline.answer, y, weights))
            if own.std > 0:  # targets are numbers, and a few outliers may decide their std
                distance = np.abs(y - np.median(y, axis=0)).reshape(len(y), -1)
                inliers = y[(distance <= np.quantile(distance, 0.95, axis=0)).all(axis=1)]
                enough = len(inliers) >= FEW_SAMPLES
                without = constant_baseline(model, loss, inliers) if enough else own
                own = replace(without, loss=np.inf) if own.std > 5 * without.std else own
            record.validation_baseline = own
        if record.classes:
            record.validation_counts = _counts(model, x, y)

    def on_train_begin(self, trainer: Run) -> None:
        if not trainer.resumed:
            self._reset()
        self.trainer = trainer
        rate = trainer.optimizer.learning_rate
        if isinstance(rate, Schedule):
            rate = rate.learning_rate  # the highest
        self.record.learning_rate = None if callable(rate) else rate
        layers = trainer.model.layers
        self.record.dropout = {one.name: one.rate for one in layers if isinstance(one, Dropout)}
        places = [
            prod(trainer.model.output_shapes[i][:-1])
            for i, one in enumerate(layers)
            if isinstance(one, BatchNorm) and one.trainable
        ]
        of_batch = min(trainer.batch_size, trainer.n_samples)
        self.record.numbers_normalised = of_batch * min(places, default=0)
        self.record.epochs, self.record.baseline = trainer.history.epochs, trainer.baseline
        if trainer.loss.classifies:
            self.record.classes = trainer.model.output_shapes[-1][-1]
            counts = np.bincount(classes_of(trainer.y), minlength=self.record.classes)
            self.record.class_shares = (counts / counts.sum()).tolist()

    def on_gradients(self, trainer: Run) -> None:
        self.before = {}
        t = trainer.step
        early = t < self.every and t & (t - 1) == 0  # a power of 2
        if not early and t % self.interval:
            return
        step = statistics_of_step(trainer.model, trainer.loss, *trainer.batch, number=t)
        self.record.steps.append(step)
        self.before = {name: W.copy() for name, W in trained_weights(trainer.model).items()}

    def on_step_end(self, trainer: Run) -> None:
        for name, before in self.before.items():
            W = trainer.model.named_parameters()[name]
            norm = max(float(np.linalg.norm(before)), 1e-30)
            self.record.steps[-1].update_ratio[name] = float(np.linalg.norm(W - before)) / norm
        if len(self.record.steps) > MOST_STEPS:
            self.interval *= 2
            self.record.steps = [
                step for step in self.record.steps if step.number < self.every
                or step.number % self.interval == 0
            ]  # fmt: skip

    def on_epoch_end(self, trainer: Run) -> None:
        self.record.steps_per_epoch = trainer.step // trainer.epoch
