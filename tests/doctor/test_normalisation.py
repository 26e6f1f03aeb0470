"""What the doctor says of BatchNorm's running statistics in real trainings, and how it measures."""

import warnings

import numpy as np
import pytest

from tinynn import (
    Adam,
    BatchNorm,
    Callback,
    CrossEntropy,
    Dense,
    Doctor,
    Dropout,
    Flatten,
    LayerNorm,
    ReLU,
    Sequential,
    Softmax,
    Trainer,
    datasets,
    scale_pixels,
)
from tinynn.doctor.statistics import loss_in_mode


class StopAt(Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, trainer):
        trainer.stop = trainer.step == self.step


def network(*between, trainable=True):
    hidden = [
        layer for units in (128, 64) for layer in (Dense(units), *[kind() for kind in between])
    ]
    layers = [Flatten(), *hidden, Dense(10), Softmax()]
    model = Sequential(layers, input_shape=(28, 28))
    for layer in model.layers:
        layer.trainable = trainable or not isinstance(layer, BatchNorm)
    return model


def doctor_after(steps, batch_size, *between, **more):
    (x, y), _ = datasets.load_sample()
    doctor, model = Doctor(), network(*between, **more)
    trainer = Trainer(model, CrossEntropy(label_smoothing=0.1), Adam())
    stops = [doctor, StopAt(steps)]
    trainer.fit(scale_pixels(x[:3000]), y[:3000], 9, batch_size=batch_size, callbacks=stops)
    before = model.params.tobytes(), model.buffers.tobytes(), model.step
    report = doctor.report()
    assert (model.params.tobytes(), model.buffers.tobytes(), model.step) == before
    found = [finding for top in report.findings for finding in (top, *top.follows)]
    (finding,) = [finding for finding in found if finding.name == "running_statistics"]
    return finding


@pytest.mark.slow
@pytest.mark.outcome
@pytest.mark.parametrize(
    ("level", "steps", "batch_size", "between"),
    [
        ("fine", 200, 32, [BatchNorm, ReLU]),
        ("fine", 200, 32, [BatchNorm, ReLU, lambda: Dropout(0.5)]),
        ("fine", 400, 8, [BatchNorm, ReLU]),
        ("note", 6, 32, [lambda: BatchNorm(0.99), ReLU]),
        ("problem", 400, 2, [lambda: BatchNorm(0.1), ReLU]),
        ("unknown", 6, 32, [LayerNorm, ReLU]),
    ],
)
def test_real_trainings_whose_running_statistics_suit_or_do_not(level, steps, batch_size, between):
    finding = doctor_after(steps, batch_size, *between)
    assert finding.level == level, finding


def test_frozen_statistics_are_not_judged():
    assert doctor_after(6, 32, BatchNorm, ReLU, trainable=False).level == "unknown"


def test_the_loss_in_a_mode_has_the_weights_of_samples_and_no_smoothing():
    model = Sequential([BatchNorm(), Dense(3), Softmax()], input_shape=(4,), dtype=np.float64)
    rng = np.random.default_rng(0)
    x, y, w = rng.normal(3, 2, (20, 4)), rng.integers(0, 3, 20), rng.uniform(0, 2, 20)
    z = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
    for training, given in (({"0.BatchNorm"}, z), ((), x / np.sqrt(1 + 1e-5))):
        scores = np.exp(given @ model.layers[1].W)
        p = (scores / scores.sum(axis=1, keepdims=True))[np.arange(20), y]
        measured = loss_in_mode(model, CrossEntropy(0.2), x, y, w, training=training)
        assert measured == pytest.approx(np.mean(-w * np.log(p)))
    assert model.buffers.tolist() == [0] * 4 + [1] * 4
    model.buffers[:4] = 1e308
    model.params[4:] = 1e10
    assert loss_in_mode(model, CrossEntropy(), x, y, training=()) == np.inf


def test_units_that_dropout_drops_before_a_relu_are_not_inactive():
    layers = [Dense(200), Dropout(0.97), ReLU(), Dense(3), Softmax()]
    model, doctor = Sequential(layers, input_shape=(4,)), Doctor()
    x, y = np.random.default_rng(0).normal(size=(64, 4)), np.arange(64) % 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a loss above that of guessing
        Trainer(model, CrossEntropy(), Adam()).fit(x, y, 1, callbacks=[doctor])
    assert 0.4 < doctor.record.steps[0].inactive["2.ReLU"] < 0.6


def test_the_numbers_that_batch_norm_gets_are_those_of_the_smallest_of_a_batch():
    x, y = np.zeros((40, 4, 4, 3)), np.arange(40) % 2
    for frozen, batch_size, expected in ((False, 32, 32), (False, 2, 2), (True, 2, 32)):
        layers = [BatchNorm(), Flatten(), Dense(5), BatchNorm(), Dense(2), Softmax()]
        model, doctor = Sequential(layers, input_shape=(4, 4, 3)), Doctor()
        model.layers[3].trainable = not frozen
        trainer = Trainer(model, CrossEntropy(), Adam())
        trainer.fit(x, y, 1, batch_size=batch_size, callbacks=[doctor])
        assert doctor.record.numbers_normalised == expected


@pytest.mark.slow
@pytest.mark.outcome
@pytest.mark.parametrize(("batch_size", "rate"), [(2, 1e-3), (2, 1e-2), (8, 1e-3)])
def test_batches_of_two_are_named_before_what_follows_from_them(batch_size, rate):
    (x, y), _ = datasets.load_sample()
    doctor = Doctor()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a loss above that of guessing
        trainer = Trainer(network(BatchNorm, ReLU), CrossEntropy(), Adam(rate))
        trainer.fit(scale_pixels(x[:800]), y[:800], 3, batch_size=batch_size, callbacks=[doctor])
    problems = [problem.name for problem in doctor.report().problems]
    assert problems == (["small_batches"] if batch_size == 2 else [])
