"""Protects ExponentialMovingAverage: its numbers, who sees it when, and its resume.

The oracle is the weighted sum over all steps in float64, written out, or a run that never stopped.
"""

import copy

import numpy as np
import pytest

from oracles import random_data
from tinynn import (
    Adam,
    Callback,
    Checkpoint,
    CrossEntropy,
    Dense,
    EarlyStopping,
    ExponentialMovingAverage,
    FunctionCallback,
    InputError,
    Layer,
    ReLU,
    Sequential,
    Softmax,
    Trainer,
    TrainingDiverged,
)

BATCH, STEPS = 8, 5  # 36 samples: four batches of 8, one of 4
X, Y = random_data(36)
HELD_OUT = random_data(12, seed=1)


class Centre(Layer):
    """Keeps a running mean of its input as a buffer, and subtracts it."""

    def buffer_shapes(self, input_shape):
        return {"running": input_shape}

    def forward(self, x, training=True):
        if training and self.trainable:
            self.running = 0.9 * self.running + 0.1 * x.mean(axis=0)
        return x - self.running

    def input_gradient(self, dout):
        return dout


class Notes(Callback):
    """Notes the weights at each event; by default it is called after the average's own callback."""

    affects_training = False

    def __init__(self):
        self.after_steps, self.in_validation, self.at_epochs = [], [], []

    def _weights(self, trainer):
        return trainer.model.params.copy(), trainer.model.buffers.copy()

    def on_step_end(self, trainer):
        self.after_steps.append(self._weights(trainer))

    def on_validation_begin(self, trainer):
        self.in_validation.append(self._weights(trainer))

    def on_validation_end(self, trainer):
        assert same(self.in_validation[-1], self._weights(trainer))

    def on_epoch_end(self, trainer):
        self.at_epochs.append(self._weights(trainer))


class Killed(BaseException):
    """Stands for a process that dies."""


class Die(Callback):
    """Dies the n-th time that an event comes, before or after the other callbacks."""

    affects_training = False

    def __init__(self, event, time, place):
        self.event, self.time, self.place = event, time, place
        self.times = 0
        for name in EVENTS:
            setattr(self, name, lambda trainer, name=name: self.come(name))

    def order(self, trainer):
        return self.place

    def come(self, event):
        self.times += event == self.event
        if event == self.event and self.times == self.time:
            raise Killed


EVENTS = [name for name in vars(Callback) if name.startswith("on_")]


def same(a, b):
    return [vector.tobytes() for vector in a] == [vector.tobytes() for vector in b]


def fit(callbacks=(), epochs=4, path=None, resume=False, batch=BATCH, **changed):
    layers = [Dense(6), Centre(), ReLU(), Dense(3), Softmax()]
    model = Sequential(layers, input_shape=(4,))
    trainer = Trainer(model, CrossEntropy(), Adam(0.05))
    callbacks = [*callbacks, Checkpoint(path, every_steps=1)] if path else callbacks
    given = {"validation_data": HELD_OUT, "resume_from": path if resume else None, **changed}
    trainer.fit(X, Y, epochs, batch, callbacks=callbacks, **given)
    return trainer


def outcome(trainer):
    return {
        "params": trainer.model.params.tobytes(),
        "buffers": trainer.model.buffers.tobytes(),
        "slots": [v.tobytes() for v in trainer.optimizer.slots.values()],
        "history": [{**row, "seconds": 0} for row in trainer.history.epochs],
    }


def by_hand(weights, decay):
    """Return the weighted mean of the weights after all steps, in float64."""
    shares = np.array([decay ** (len(weights) - 1 - i) for i in range(len(weights))])
    shares /= shares.sum()
    return [
        sum(share * each[k].astype(float) for share, each in zip(shares, weights, strict=True))
        for k in (0, 1)
    ]


def test_the_average_of_two_steps_is_worked_by_hand():
    # decay 0.5: A = 0.5 (0.5 w1) + 0.5 w2, divided by 1 - 0.5^2 = 0.75: w1 / 3 + 2 w2 / 3
    notes = Notes()
    trainer = fit([ExponentialMovingAverage(0.5), notes], 1, validation_data=None, batch=18)
    assert len(notes.after_steps) == 2
    (w1, _), (w2, _) = notes.after_steps
    np.testing.assert_allclose(trainer.model.params, w1 / 3 + 2 * w2 / 3, rtol=1e-6)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.999])
def test_validation_and_the_trained_model_get_the_weighted_mean_of_all_steps(decay):
    notes = Notes()
    trainer = fit([notes, ExponentialMovingAverage(decay)])
    for epoch, seen in enumerate(notes.in_validation, start=1):
        expected = by_hand(notes.after_steps[: epoch * STEPS], decay)
        for k in (0, 1):
            np.testing.assert_allclose(seen[k], expected[k], rtol=2e-5, atol=1e-6)
    assert same(notes.in_validation[-1], (trainer.model.params, trainer.model.buffers))
    assert trainer.model.params.dtype == np.float32
    scores = trainer.evaluate(*HELD_OUT)
    assert {f"val_{k}": v for k, v in scores.items()}.items() <= trainer.history.epochs[-1].items()


def test_the_average_changes_no_step_and_no_metric_of_training():
    plain, averaged = Notes(), Notes()
    one, two = fit([plain]), fit([averaged, ExponentialMovingAverage(0.9)])
    for a, b in zip(plain.after_steps, averaged.after_steps, strict=True):
        assert same(a, b)
    for a, b in zip(plain.at_epochs, averaged.at_epochs, strict=True):
        assert same(a, b)
    assert one.history["loss"] == two.history["loss"]
    assert one.history["val_loss"] != two.history["val_loss"]
    assert one.model.params.tobytes() != two.model.params.tobytes()


def test_a_frozen_layer_keeps_its_bits():
    class Freeze(Callback):
        def on_train_begin(self, trainer):
            trainer.model.layers[0].trainable = False
            self.before = trainer.model.layers[0].W.tobytes()

    freeze = Freeze()
    trainer = fit([freeze, ExponentialMovingAverage(0.9)])
    assert trainer.model.layers[0].W.tobytes() == freeze.before


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("monitor", ["val_loss", "loss"])
def test_early_stopping_restores_the_average_of_its_best_epoch_in_any_order(first, monitor):
    # the first epoch is the best: the loss of validation rises, that of training falls
    class Worse(Trainer):
        def evaluate(self, x, y):
            return {"loss": float(len(self.history.epochs))}

    notes, stopper = (
        Notes(),
        EarlyStopping(monitor, patience=2, mode="max" if monitor == "loss" else "min"),
    )
    average = ExponentialMovingAverage(0.9)
    callbacks = [average, stopper] if first else [stopper, average]
    model = Sequential([Dense(6), Centre(), ReLU(), Dense(3), Softmax()], input_shape=(4,))
    trainer = Worse(model, CrossEntropy(), Adam(0.05))
    trainer.fit(X, Y, 6, BATCH, HELD_OUT, [*callbacks, notes])
    best = stopper.best_epoch
    assert best < len(trainer.history.epochs)
    assert same(notes.in_validation[best - 1], (model.params, model.buffers))
    assert not same(notes.at_epochs[best - 1], (model.params, model.buffers))


def test_with_early_stopping_and_no_validation_data_it_is_refused_before_the_first_step():
    callbacks = [EarlyStopping("loss"), ExponentialMovingAverage()]
    with pytest.raises(InputError, match=r"together need validation data.*validation_data=\(x_val"):
        fit(callbacks, validation_data=None)


def test_without_validation_data_the_average_is_left_in_the_model():
    notes = Notes()
    trainer = fit([notes, ExponentialMovingAverage(0.9)], validation_data=None)
    expected = by_hand(notes.after_steps, 0.9)
    np.testing.assert_allclose(trainer.model.params, expected[0], rtol=2e-5, atol=1e-6)


def test_an_interrupted_training_keeps_its_own_weights():
    class StopAt(Callback):
        affects_training = False

        def on_step_end(self, trainer):
            trainer.stop = trainer.step == 7

    notes = Notes()
    trainer = fit([ExponentialMovingAverage(0.9), notes, StopAt()])
    assert same(notes.after_steps[-1], (trainer.model.params, trainer.model.buffers))


def test_a_checkpoint_holds_both(tmp_path):
    notes = Notes()
    fit([ExponentialMovingAverage(0.9), notes], path=tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz") as file:
        assert file["0.Dense.W"].tobytes() == notes.after_steps[-1][0][:24].tobytes()
    average = ExponentialMovingAverage(0.9)
    resumed = fit([average], path=tmp_path / "run.npz", resume=True)  # no epoch is left
    assert same(average.average, notes.in_validation[-1])
    assert same(average.average, (resumed.model.params, resumed.model.buffers))


@pytest.fixture(scope="module")
def whole():
    return outcome(fit([ExponentialMovingAverage(0.9), EarlyStopping(patience=9)]))


@pytest.mark.slow
@pytest.mark.parametrize("place", [-9, 9], ids=["before", "after"])
@pytest.mark.parametrize(
    ("event", "time"),
    [
        ("on_epoch_begin", 2), ("on_gradients", 8), ("on_step_end", 1), ("on_step_end", 8),
        ("on_step_end", 2 * STEPS), ("on_validation_begin", 2), ("on_validation_end", 2),
        ("on_epoch_end", 2), ("on_train_end", 1),
    ],
)  # fmt: skip
def test_a_run_killed_at_any_event_resumes_to_the_same_bits(tmp_path, whole, event, time, place):
    def callbacks():
        return [EarlyStopping(patience=9), ExponentialMovingAverage(0.9)]

    path = tmp_path / "run.npz"
    with pytest.raises(Killed):
        fit([*callbacks(), Die(event, time, place)], path=path)
    if not path.exists():  # killed before the first checkpoint was written
        return
    assert outcome(fit(callbacks(), path=path, resume=True)) == whole


@pytest.mark.slow
def test_another_decay_is_refused_on_resume(tmp_path):
    fit([ExponentialMovingAverage(0.9)], 1, path=tmp_path / "run.npz")
    with pytest.raises(InputError, match=r"decay: 0\.9 against 0\.8"):
        fit([ExponentialMovingAverage(0.8)], path=tmp_path / "run.npz", resume=True)


def test_a_second_fit_begins_a_new_average():
    average, notes = ExponentialMovingAverage(0.9), Notes()
    trainer = fit([average])
    trainer.fit(X, Y, 1, BATCH, HELD_OUT, [average, notes])
    assert average.steps == STEPS
    expected = by_hand(notes.after_steps, 0.9)
    np.testing.assert_allclose(trainer.model.params, expected[0], rtol=2e-5, atol=1e-6)


def test_after_an_error_in_validation_the_model_has_its_own_weights():
    class Broken(Trainer):
        def evaluate(self, x, y):
            raise KeyboardInterrupt

    notes = Notes()
    model = Sequential([Dense(6), ReLU(), Dense(3), Softmax()], input_shape=(4,))
    callbacks = [ExponentialMovingAverage(0.9), notes]
    with pytest.raises(KeyboardInterrupt):
        Broken(model, CrossEntropy(), Adam(0.05)).fit(X, Y, 1, BATCH, HELD_OUT, callbacks)
    assert same(notes.after_steps[-1], (model.params, model.buffers))
    assert not same(notes.in_validation[-1], (model.params, model.buffers))


def test_a_training_that_diverges_says_so_as_ever():
    class Breaks(Callback):
        def on_step_end(self, trainer):
            if trainer.step == STEPS:
                trainer.model.params[0] = np.nan

    for callbacks in ([Breaks()], [ExponentialMovingAverage(0.9), Breaks()]):
        with pytest.raises(TrainingDiverged, match=r"in epoch 1, step 5\.[^$]*: 0\.Dense\.W, 1"):
            fit(callbacks)


@pytest.mark.parametrize("decay", [1, -0.1, np.nan, "0.9", None])
def test_another_decay_than_0_to_1_is_refused(decay):
    with pytest.raises(InputError, match="decay must be at least 0 and below 1, got"):
        ExponentialMovingAverage(decay)


def test_the_state_of_another_model_is_refused():
    average = ExponentialMovingAverage()
    trainer = fit([average], 1)
    other = Trainer(Sequential([Dense(3), Softmax()], (4,)), CrossEntropy(), Adam())
    with pytest.raises(InputError, match="the average of another model"):
        average.check(other)
    average.check(trainer)
    bad = copy.deepcopy(average.state())
    bad["params"][0] = np.nan
    with pytest.raises(InputError, match="finite"):
        average.load_state(bad)


def test_two_threads_and_one_give_the_same_bits(monkeypatch):
    size = 2**17 + 3  # so long that two threads share it
    results = []
    for enough in (2**17, 2**30):
        monkeypatch.setattr("tinynn.threads.WORTH_A_THREAD", enough)
        model = Sequential([Dense(1)], input_shape=(size,))
        average = ExponentialMovingAverage(0.9)
        trainer = Trainer(model, CrossEntropy(), Adam())
        for step in range(3):
            model.params = np.random.default_rng(step).normal(size=size + 1).astype(np.float32)
            average.on_step_end(trainer)
        results.append(average.average[0].tobytes())
    assert results[0] == results[1]


@pytest.mark.parametrize("event", ["on_validation_begin", "on_validation_end"])
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_an_error_of_another_callback_in_validation_leaves_the_models_own_weights(event, first):
    def fails(trainer):
        raise RuntimeError("mine")

    seen, average = Notes(), ExponentialMovingAverage(0.5)
    failing = FunctionCallback(**{event: fails})
    callbacks = [failing, average] if first else [average, failing]
    model = Sequential([Dense(4), ReLU(), Dense(3), Softmax()], input_shape=X.shape[1:])
    with pytest.raises(RuntimeError, match="mine"):
        Trainer(model, CrossEntropy(), Adam(0.01)).fit(
            X, Y, 1, BATCH, HELD_OUT, callbacks=[*callbacks, seen]
        )
    assert np.array_equal(model.params, seen.after_steps[-1][0])
