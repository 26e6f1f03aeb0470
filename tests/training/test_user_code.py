"""Protects what users write around a training: schedules, hyper-parameters, callbacks, losses.

Nothing that such code does is lost when a run is resumed, or changes a result silently. Each test's
oracle is a run that never stopped, a number worked by hand, or the words of a refusal.
"""

import copy
import csv
import functools
import os
import pickle
import warnings
from collections import Counter, OrderedDict
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import tinynn.training.resume
from oracles import random_data
from tinynn import (
    SGD,
    Adam,
    Callback,
    Checkpoint,
    CrossEntropy,
    CSVLogger,
    Dense,
    EarlyStopping,
    Layer,
    Loss,
    Optimizer,
    ReLU,
    Sequential,
    Softmax,
    Trainer,
)

BATCH, STEPS = 8, 5  # 36 samples: four batches of 8, one of 4
X, Y = random_data(36)
HELD_OUT = random_data(12, seed=1)


class Stop(Callback):
    """Ends training after a step, or after an epoch's end, as Ctrl-C would."""

    affects_training = False
    at = epoch = None

    def on_step_end(self, trainer):
        trainer.stop = trainer.stop or trainer.step == self.at

    def on_epoch_end(self, trainer):
        trainer.stop = trainer.stop or trainer.epoch == self.epoch


class Killed(BaseException):
    """Stands for a process that dies."""


class Die(Callback):
    """Dies at a step's end, after the checkpoint of that step was written, or at an epoch's."""

    affects_training = False

    def __init__(self, event, step):
        self.event = event
        self.step = step

    def order(self, trainer):
        return 9 if self.event == "on_step_end" else 0

    def on_step_end(self, trainer):
        if (self.event, self.step) == ("on_step_end", trainer.step):
            raise Killed

    def on_epoch_end(self, trainer):
        if (self.event, self.step) == ("on_epoch_end", trainer.step):
            raise Killed


class Records(Callback):
    """Notes the rate of each step, and only watches."""

    affects_training = False

    def __init__(self):
        self.rates = []

    def on_step_end(self, trainer):
        self.rates.append(trainer.optimizer.rate(trainer.optimizer.t))


def fit(make=None, callbacks=(), epochs=4, path=None, resume=False, loss=None, **checkpoint):
    """Train the same small network; return its trainer. path: of a checkpoint."""
    model = Sequential([Dense(6), ReLU(), Dense(3), Softmax()], input_shape=(4,))
    trainer = Trainer(model, loss or CrossEntropy(), make() if make else Adam(0.01))
    callbacks = [one() if isinstance(one, type) else one for one in callbacks]
    if path:
        callbacks = [*callbacks, Checkpoint(path, **checkpoint)]
    resume_from = path if resume else None
    trainer.fit(X, Y, epochs, BATCH, HELD_OUT, callbacks, resume_from)
    return trainer


def outcome(trainer):
    return {
        "params": trainer.model.params.tobytes(),
        "memory": {name: v.tobytes() for name, v in trainer.optimizer.slots.items()},
        "t": trainer.optimizer.t,
        "rate": trainer.optimizer.rate(trainer.optimizer.t),
        "history": [{**row, "seconds": 0} for row in trainer.history.epochs],
        "step": trainer.step,
    }


def stopped_and_resumed(path, at, callbacks=(), **settings):
    """Train until a step, then go on in fresh objects, as another process would."""
    stop = Stop()
    stop.at = at
    fit(callbacks=[*callbacks, stop], path=path, **settings)
    return fit(callbacks=callbacks, path=path, resume=True, **settings)


# Schedules: functions of the step count


def falling_to_zero(t):
    return 1e-3 * (1 - (t - 1) / (4 * STEPS))  # negative beyond the run's last step


RATES = [0.01 / t for t in range(1, 4 * STEPS + 1)]


@pytest.mark.parametrize("schedule", [falling_to_zero, lambda t: RATES[t - 1]])
@pytest.mark.parametrize(
    "at", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (2 * STEPS, 4 * STEPS - 1))]
)
def test_a_schedule_is_asked_only_for_steps_that_the_run_can_reach(tmp_path, schedule, at):
    """With Checkpoint too, whatever it says beyond, or though it has no answer there."""
    asked = []

    def noted(t):
        asked.append(t)
        return schedule(t)

    def make():
        return Adam(noted)

    plain = outcome(fit(make))
    assert outcome(fit(make, path=tmp_path / "whole.npz")) == plain
    assert outcome(stopped_and_resumed(tmp_path / "part.npz", at, make=make)) == plain
    assert max(asked) == 4 * STEPS
    assert min(asked) == 1


def test_a_second_fit_asks_for_the_steps_that_follow(tmp_path):
    asked = []
    model = Sequential([Dense(3), Softmax()], input_shape=(4,))
    trainer = Trainer(model, CrossEntropy(), Adam(lambda t: asked.append(t) or 0.01))
    trainer.fit(X, Y, 1, BATCH)
    asked.clear()
    trainer.fit(X, Y, 2, BATCH, callbacks=[Checkpoint(tmp_path / "run.npz")])
    assert set(asked) == set(range(STEPS + 1, 3 * STEPS + 1))


def test_a_schedule_that_fails_is_reported_with_its_step():
    with pytest.raises(ValueError, match=r"for step 4 it raised IndexError\('list index out"):
        fit(lambda: Adam(lambda t: [0.1, 0.1, 0.1][t - 1]))


def iterator_of(rates):
    rates = iter(rates)
    return lambda t: next(rates)


def test_a_schedule_with_state_trains_as_it_says_without_a_checkpoint():
    records = Records()
    fit(lambda: Adam(iterator_of(RATES)), [records])
    assert records.rates == RATES


@pytest.mark.parametrize(
    "rates",
    [RATES, [0.01] * 7 + [0.001] * 13, [0.01] * 19 + [0.001], [0.01] * 10 + [0.02] * 10],
    ids=["falling", "in two", "at the end", "rising"],
)
def test_a_schedule_with_state_is_refused_where_a_checkpoint_could_not_keep_it(tmp_path, rates):
    """At the latest when it first returns another rate, before a wrong rate is used."""
    endless = [*rates, *[0.123] * 40]
    records = Records()
    with pytest.raises(ValueError, match="state of its own, which no checkpoint can save"):
        fit(lambda: Adam(iterator_of(endless)), [records], path=tmp_path / "run.npz")
    steps = len(records.rates) - 1  # the last was refused
    assert records.rates[:steps] == rates[:steps]


def test_a_schedule_that_a_callback_changes_is_refused_with_a_checkpoint(tmp_path):
    current = [0.01]

    class Plateau(Callback):
        def on_epoch_end(self, trainer):
            current[0] *= 0.5

    with pytest.raises(
        ValueError, match=r"returned 0\.01 for step 6 when training began, but 0\.005"
    ):
        fit(lambda: Adam(lambda t: current[0]), [Plateau], path=tmp_path / "run.npz")


def test_the_same_rates_from_another_function_are_the_same_schedule(tmp_path):
    class Halving:
        def __call__(self, t):
            return 0.01 / 2 ** (t // STEPS)

    def halving(t):
        return 0.01 * 0.5 ** (t // STEPS)

    path = tmp_path / "run.npz"
    fit(lambda: Adam(halving), epochs=2, path=path)
    resumed = fit(lambda: Adam(Halving()), path=path, resume=True)
    assert outcome(resumed) == outcome(fit(lambda: Adam(halving)))


def test_a_schedule_for_another_number_of_epochs_is_another(tmp_path):
    def over(steps):
        return lambda: Adam(lambda t: 0.01 * (1 - (t - 1) / steps))

    fit(over(2 * STEPS), epochs=2, path=tmp_path / "run.npz")
    with pytest.raises(ValueError, match=r"learning_rate at t = 2: 0\.009.* against 0\.0095"):
        fit(over(4 * STEPS), path=tmp_path / "run.npz", resume=True)


# Hyper-parameters, whoever sets them


class SetsRate(Callback):
    """Halves the rate after each epoch, in a number of some kind."""

    def __init__(self, kind):
        self.kind = kind

    def on_epoch_end(self, trainer):
        trainer.optimizer.learning_rate = self.kind(trainer.optimizer.learning_rate / 2)


@pytest.mark.parametrize("kind", [float, np.float64, np.float32, np.float16])
@pytest.mark.parametrize("at", [STEPS + 2, pytest.param(2 * STEPS, marks=pytest.mark.slow)])
def test_a_rate_that_a_callback_sets_as_a_numpy_number_resumes_to_the_same_bits(tmp_path, kind, at):
    whole = fit(callbacks=[SetsRate(kind)])
    assert type(whole.optimizer.learning_rate) is float
    assert whole.model.params.dtype == np.float32
    resumed = stopped_and_resumed(tmp_path / "run.npz", at, [SetsRate(kind)])
    assert outcome(resumed) == outcome(whole)
    if kind is np.float64:
        assert outcome(whole) == outcome(fit(callbacks=[SetsRate(float)]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", np.nan), ("learning_rate", -1.0),
        ("learning_rate", "0.1"), ("learning_rate", None), ("learning_rate", np.array([0.1])),
        ("learning_rate", True), ("learning_rate", 10**400), ("learning_rate", SGD),
        ("beta1", 1.0), ("beta2", np.float32(1)), ("beta1", np.nan), ("epsilon", 0),
        ("epsilon", np.inf),
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_hyper_parameter_is_refused_when_it_is_set(name, value):
    optimizer = Adam()
    before = optimizer.config()
    with pytest.raises(ValueError, match=name):
        setattr(optimizer, name, value)
    with pytest.raises(ValueError, match=name):
        Adam(**{name: value})
    assert optimizer.config() == before


def test_momentum_is_a_float_whoever_sets_it():
    optimizer = SGD(0.1, momentum=np.float32(0.5))
    assert type(optimizer.momentum) is float
    optimizer.momentum = np.float64(0.25)
    assert type(optimizer.momentum) is float
    with pytest.raises(ValueError, match="momentum must be at least 0 and below 1, got 1"):
        optimizer.momentum = 1


class Every(Optimizer):
    """A user's own optimizer with a whole number and a flag: every n-th step goes by the sign."""

    def __init__(self, learning_rate=0.01, every=1, reverse=False):
        super().__init__(learning_rate)
        self.every = every
        self.reverse = reverse

    def update(self, params, grads, rate):
        if self.t % self.every == 0:
            params -= rate * (-1 if self.reverse else 1) * np.sign(grads)


class SetsEvery(Callback):
    def on_epoch_begin(self, trainer):
        trainer.optimizer.every = np.int64(trainer.epoch)
        trainer.optimizer.reverse = np.bool_(trainer.epoch == 2)


@pytest.mark.parametrize("at", [STEPS, STEPS + 2, 3 * STEPS + 1])
def test_whole_numbers_and_flags_of_an_optimizer_of_ones_own_are_resumed_as_they_were(tmp_path, at):
    whole = outcome(fit(Every, [SetsEvery]))
    assert outcome(stopped_and_resumed(tmp_path / "run.npz", at, [SetsEvery], make=Every)) == whole


class SetsFunction(Callback):
    def on_epoch_end(self, trainer):
        trainer.optimizer.learning_rate = falling_to_zero


class SetsNumber(Callback):
    def on_epoch_end(self, trainer):
        trainer.optimizer.learning_rate = 0.005


def test_a_number_that_becomes_a_function_is_refused_when_first_written(tmp_path):
    fit(callbacks=[SetsFunction])  # without a checkpoint nothing has to come back
    with pytest.raises(ValueError, match=r"learning_rate: 0.01 against a function of t"):
        fit(callbacks=[SetsFunction], path=tmp_path / "run.npz")
    with pytest.raises(ValueError, match=r"learning_rate: 0.01 against a function of t"):
        fit(callbacks=[SetsFunction], path=tmp_path / "late.npz", every_epochs=9)


@pytest.mark.parametrize("at", [2, STEPS + 1, 2 * STEPS])
def test_a_function_that_becomes_a_number_is_resumed_as_that(tmp_path, at):
    def make():
        return Adam(falling_to_zero)

    whole = outcome(fit(make, [SetsNumber]))
    resumed = stopped_and_resumed(tmp_path / "run.npz", at, [SetsNumber], make=make)
    assert outcome(resumed) == whole


# When callbacks are told


class HalvesAt(Callback):
    def __init__(self, event, optimizer=True):
        self.event = event
        self.optimizer = optimizer

    def halve(self, trainer):
        if self.optimizer:
            trainer.optimizer.learning_rate *= 0.5
        else:
            trainer.model.params *= 0.5

    def on_train_begin(self, trainer):
        if self.event == "on_train_begin":
            self.halve(trainer)

    def on_epoch_begin(self, trainer):
        if self.event == "on_epoch_begin":
            self.halve(trainer)

    def on_epoch_end(self, trainer):
        if self.event == "on_epoch_end":
            self.halve(trainer)


@pytest.mark.first_cases(3)
@pytest.mark.parametrize("event", ["on_train_begin", "on_epoch_begin", "on_epoch_end"])
@pytest.mark.parametrize("optimizer", [True, False], ids=["rate", "weights"])
@pytest.mark.parametrize(
    "at",
    [STEPS, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 3, STEPS + 1, 3 * STEPS))],
)
def test_what_a_callback_does_at_an_event_is_done_once_in_a_resumed_run_too(
    tmp_path, event, optimizer, at
):
    callbacks = [HalvesAt(event, optimizer)]
    resumed = outcome(stopped_and_resumed(tmp_path / "run.npz", at, callbacks))
    assert resumed == whole_with_halves(event, optimizer)


@cache
def whole_with_halves(event, optimizer):
    return outcome(fit(callbacks=[HalvesAt(event, optimizer)]))


def test_a_rate_that_is_set_when_training_begins_is_the_same_setting(tmp_path):
    class Sets(Callback):
        def on_train_begin(self, trainer):
            trainer.optimizer.learning_rate = 0.02

    whole = outcome(fit(callbacks=[Sets]))
    assert outcome(stopped_and_resumed(tmp_path / "run.npz", 7, [Sets])) == whole


class Sees(Callback):
    """Notes what a callback finds at an epoch's end and at the beginning of the next."""

    affects_training = False

    def __init__(self):
        self.seen = {}

    def on_epoch_begin(self, trainer):
        self.note("begin", trainer)

    def on_epoch_end(self, trainer):
        self.note("end", trainer)

    def note(self, event, trainer):
        x, y = trainer.batch
        self.seen[event, trainer.epoch] = (
            trainer.batch_loss, x.tobytes(), y.tobytes(), list(trainer.recent_losses),
            trainer.model.grads.tobytes() if event == "end" else b"",
        )  # fmt: skip


@pytest.mark.parametrize("every", [2, STEPS])
@pytest.mark.parametrize("death", [("on_epoch_end", 2 * STEPS), ("on_step_end", 2 * STEPS)])
def test_after_a_kill_at_the_last_step_of_an_epoch_callbacks_find_the_same_values(
    tmp_path, every, death
):
    whole, path = Sees(), tmp_path / "run.npz"
    never_stopped = fit(callbacks=[whole])
    with pytest.raises(Killed):
        fit(callbacks=[Die(*death)], path=path, every_steps=every, every_epochs=9)
    sees = Sees()
    resumed = fit(callbacks=[sees], path=path, resume=True, every_steps=every, every_epochs=9)
    assert outcome(resumed) == outcome(never_stopped)
    assert ("end", 2) in sees.seen
    for moment, found in sees.seen.items():
        assert found == whole.seen[moment], moment


def test_the_seconds_of_a_resumed_epoch_are_those_of_both_its_parts(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("tinynn.training.trainer.perf_counter", lambda: now[0])

    class Waits(Callback):
        affects_training = False

        def on_step_end(self, trainer):
            now[0] += 1

    stop = Stop()
    stop.at = 3
    fit(callbacks=[Waits, stop], epochs=1, path=tmp_path / "run.npz")
    now[0] += 500  # of nobody
    trainer = fit(callbacks=[Waits], epochs=1, path=tmp_path / "run.npz", resume=True)
    # the last second of the first part came after its step was counted
    assert trainer.history["seconds"] == [STEPS - 1]


# What a callback keeps


class Keeps(Callback):
    def __init__(self):
        self.kept = None

    def state(self):
        return {"kept": self.kept}

    def load_state(self, state):
        self.kept = state["kept"]


KEPT = [
    (1, 2), [(0.5, [1, (2,)]), "x"], {"a": (1, {"b": ()})}, np.float32(0.1), np.float64(1 / 3),
    np.int8(-3), np.uint64(2**64 - 1), np.bool_(True), [np.float32(1), 1.0, 1], np.array(3.5),
    [0.1 * i for i in range(500)], list(range(500)), [2**70] * 100, [True] * 100, [1, 2.0] * 50,
    [{"loss": 0.1 * i, "at": (i,)} for i in range(200)], [{} for _ in range(100)],
    [{"a": 1}, {"b": 2}] * 50, float("nan"), float("-inf"), -0.0, "", None, {}, (), [],
    np.ones((2, 3), np.float16), {"array": 1, "a tuple": 2}, {"tuple": 1}, [[0.5] * 100] * 3,
]  # fmt: skip


def alike(a, b):
    """Whether two values are the same in type and content, NaN too."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return repr(a) == repr(b)


@pytest.mark.first_cases(9)
@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: repr(kept)[:30])
def test_what_a_callback_keeps_comes_back_as_it_was(tmp_path, kept):
    first, second = Keeps(), Keeps()
    first.kept = kept
    fit(callbacks=[first], epochs=1, path=tmp_path / "run.npz")
    fit(callbacks=[second], epochs=2, path=tmp_path / "run.npz", resume=True)
    assert alike(second.kept, kept)


Point = type("Point", (tuple,), {})


@pytest.mark.first_cases(9)
@pytest.mark.parametrize(
    "kept",
    [
        Counter("aab"), OrderedDict(a=1), {1, 2}, Point((1, 2)), np.ma.array([1.0]), b"x", 1j,
        np.str_("x"), Path("a"), np.longdouble(1), {3: 4}, {"a tuple": [1]}, {"a scalar": "x"},
        {"array": 1}, [{"a table": 1}], abs, np.array(["a"]), np.datetime64("2026-01-01"),
    ],
    ids=lambda kept: repr(kept)[:30],
)  # fmt: skip
def test_what_could_not_come_back_is_refused_when_it_appears(tmp_path, kept):
    class Late(Keeps):
        def on_epoch_end(self, trainer):
            if trainer.epoch == 2:
                self.kept = [kept]

    with pytest.raises(ValueError, match=r"Late\.state\(\)\.kept"):
        fit(callbacks=[Late], path=tmp_path / "run.npz")
    early = Late()
    early.kept = kept
    with pytest.raises(ValueError, match=r"Late\.state\(\)\.kept"):
        fit(callbacks=[early], path=tmp_path / "other.npz")
    assert not (tmp_path / "other.npz").exists()


class WritesRow(Callback):
    def __init__(self, figure):
        self.figure = figure

    def config(self):
        return {}

    def on_epoch_end(self, trainer):
        trainer.history.epochs[-1]["val_f1"] = self.figure


class HasTuple(Callback):
    def __init__(self, limits=(0, (1, 2.5))):
        self.limits = limits


def test_an_argument_that_is_a_tuple_can_be_resumed(tmp_path):
    fit(callbacks=[HasTuple], epochs=1, path=tmp_path / "run.npz")
    fit(callbacks=[HasTuple], epochs=2, path=tmp_path / "run.npz", resume=True)
    with pytest.raises(ValueError, match="limits"):
        fit(callbacks=[HasTuple((0, 1))], epochs=3, path=tmp_path / "run.npz", resume=True)


@pytest.mark.first_cases(6)
@pytest.mark.parametrize("figure", [np.ones(2), [1], (1,), None, {"a": 1}, 1j], ids=repr)
@pytest.mark.parametrize("every_epochs", [1, 3])
def test_a_value_that_is_not_a_metric_is_refused_in_the_history_when_it_appears(
    tmp_path, figure, every_epochs
):
    steps = Records()
    with pytest.raises(ValueError, match=r"history\.epochs\[-1\]\['val_f1'\] is "):
        fit(
            callbacks=[WritesRow(figure), steps],
            path=tmp_path / "run.npz",
            every_epochs=every_epochs,
        )
    assert len(steps.rates) == STEPS


@pytest.mark.first_cases(1)
@pytest.mark.parametrize(
    "figure",
    [
        *(np.float32(0.1), "text", np.nan),
        *(pytest.param(x, marks=pytest.mark.slow) for x in (0.5, np.int64(3), 7, True)),
    ],
)
@pytest.mark.parametrize("at", [STEPS + 2, pytest.param(2 * STEPS, marks=pytest.mark.slow)])
def test_a_metric_of_ones_own_is_kept_and_logged_in_a_resumed_run_too(tmp_path, figure, at):
    def rows(name):
        with (tmp_path / name).open(newline="") as file:
            return [{**row, "seconds": ""} for row in csv.DictReader(file)]

    def callbacks(name):
        return [CSVLogger(tmp_path / name), WritesRow(figure)]  # the log stands first

    fit(callbacks=callbacks("whole.csv"), path=tmp_path / "whole.npz")
    stop = Stop()
    stop.at = at
    fit(callbacks=[*callbacks("part.csv"), stop], path=tmp_path / "part.npz")
    fit(callbacks=callbacks("part.csv"), path=tmp_path / "part.npz", resume=True)
    assert rows("part.csv") == rows("whole.csv")
    plain = figure.item() if isinstance(figure, np.generic) else figure
    assert [row["val_f1"] for row in rows("whole.csv")] == [str(plain)] * 4


def test_a_metric_that_comes_later_gets_its_column(tmp_path):
    class EverySecond(Callback):
        def on_epoch_end(self, trainer):
            if trainer.epoch % 2 == 0:
                trainer.history.epochs[-1]["val_f1"] = trainer.epoch / 10

    log = tmp_path / "log.csv"
    fit(callbacks=[EverySecond, CSVLogger(log)])
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["val_f1"] for row in rows] == ["", "0.2", "", "0.4"]
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]


class Single(Loss):
    """Half the squared distance to the class's number, in single precision."""

    classifies = True

    def forward(self, p, y):
        return np.float32(-np.log(p[np.arange(len(p)), y]).mean())

    def backward(self, p, y):
        dp = np.zeros_like(p)
        rows = np.arange(len(p))
        dp[rows, y] = -1 / p[rows, y] / len(p)
        return dp


@pytest.mark.parametrize("at", [3, STEPS, STEPS + 3])
def test_a_loss_of_ones_own_in_single_precision_is_logged_and_resumed(tmp_path, at):
    def run(name, **settings):
        log = CSVLogger(tmp_path / f"{name}.csv")
        path = tmp_path / f"{name}.npz"
        return fit(callbacks=[log, *settings.pop("more", [])], path=path, loss=Single(), **settings)

    whole, stop = run("whole"), Stop()
    stop.at = at
    run("part", more=[stop])
    resumed = run("part", resume=True)
    assert outcome(resumed) == outcome(whole)
    assert all(type(row["loss"]) is type(row["val_loss"]) is float for row in whole.history.epochs)


class HasNaN(Callback):
    def __init__(self, missing=np.nan):
        self.missing = missing


def test_nan_as_an_argument_is_the_same_as_nan(tmp_path):
    fit(callbacks=[HasNaN()], epochs=1, path=tmp_path / "run.npz")
    fit(callbacks=[HasNaN(float("nan"))], epochs=2, path=tmp_path / "run.npz", resume=True)
    with pytest.raises(ValueError, match="missing: nan against 1"):
        fit(callbacks=[HasNaN(1.0)], epochs=3, path=tmp_path / "run.npz", resume=True)


class Shrinks(Callback):
    """Changes its own argument, so that a new object has another value."""

    def __init__(self, limit=1.0):
        self.limit = limit

    def on_epoch_end(self, trainer):
        self.limit *= 0.9


class ShrinksAndKeeps(Shrinks):
    def state(self):
        return {"limit": self.limit}

    def load_state(self, state):
        self.limit = state["limit"]


class Weighted(CrossEntropy):
    def __init__(self, weight=1.0):
        self.weight = weight


class SetsWeight(Callback):
    def on_epoch_end(self, trainer):
        trainer.loss.weight = 0.5


def test_settings_that_change_during_training_are_refused_and_not_lost(tmp_path):
    with pytest.raises(ValueError, match=r"callbacks\[0\]\.limit: 1.0 against 0.9"):
        fit(callbacks=[Shrinks], path=tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"loss\.weight: 1.0 against 0.5"):
        fit(callbacks=[SetsWeight], path=tmp_path / "b.npz", loss=Weighted())
    whole = outcome(fit(callbacks=[ShrinksAndKeeps]))
    assert outcome(stopped_and_resumed(tmp_path / "c.npz", 7, [ShrinksAndKeeps])) == whole


# An optimizer and its model


@pytest.mark.parametrize("make", [Adam, SGD, lambda: SGD(0.1, 0.9)])
def test_an_optimizer_steps_no_second_model_of_the_same_size(make):
    optimizer = make()
    first, second = (Sequential([Dense(3), Softmax()], (4,), seed=seed) for seed in (0, 1))
    Trainer(first, CrossEntropy(), optimizer).fit(X, Y, 1, BATCH)
    before, t = second.params.copy(), optimizer.t
    with pytest.raises(ValueError, match="Make a new optimizer for a new model"):
        Trainer(second, CrossEntropy(), optimizer).fit(X, Y, 1, BATCH)
    with pytest.raises(ValueError, match="Make a new optimizer for a new model"):
        optimizer.step(second.params, second.grads)
    with pytest.raises(ValueError, match="Make a new optimizer for a new model"):
        optimizer.step(copy.deepcopy(first).params, first.grads)
    assert second.params.tobytes() == before.tobytes()
    assert optimizer.t == t
    Trainer(first, CrossEntropy(), optimizer).fit(X, Y, 1, BATCH)  # its own model goes on
    assert optimizer.t == 2 * t


def test_a_copy_of_both_belongs_together():
    trainer = fit(epochs=1)
    for twin in (
        copy.deepcopy(trainer),
        pickle.loads(pickle.dumps(trainer)),
        Trainer(
            pickle.loads(pickle.dumps(trainer.model)),
            CrossEntropy(),
            pickle.loads(pickle.dumps(trainer.optimizer)),
        ),
    ):
        twin.optimizer.step(twin.model.params, twin.model.grads)
        with pytest.raises(ValueError, match="Make a new optimizer"):
            copy.deepcopy(trainer).optimizer.step(twin.model.params, twin.model.grads)
    trainer.optimizer.step(trainer.model.params, trainer.model.grads)


def test_vectors_that_no_model_made_are_known_by_their_size():
    optimizer = Adam()
    for _ in range(3):
        optimizer.step(np.ones(4), np.ones(4))
    with pytest.raises(ValueError, match="Make a new optimizer"):
        optimizer.step(np.ones(5), np.ones(5))


def test_an_optimizer_that_has_loaded_a_state_belongs_to_the_model_that_it_steps_next():
    trained, fresh = fit(epochs=1), Adam(0.01)
    fresh.load_state(trained.optimizer.state())
    twin = copy.deepcopy(trained.model)
    fresh.step(twin.params, twin.grads)
    with pytest.raises(ValueError, match="Make a new optimizer"):
        fresh.step(trained.model.params, trained.model.grads)


# EarlyStopping


class Scores(Callback):
    """Writes a metric of its own, and notes the weights of each epoch."""

    script = (0.2, 0.6, 0.5, 0.7)

    def __init__(self):
        self.weights = []

    def on_epoch_end(self, trainer):
        trainer.history.epochs[-1]["val_f1"] = np.float32(self.script[trainer.epoch - 1])
        self.weights.append(trainer.model.params.tobytes())


@pytest.mark.parametrize("first", [True, False], ids=["after", "before"])
def test_a_metric_of_ones_own_can_be_watched_wherever_its_callback_stands(first):
    scores, stopper = Scores(), EarlyStopping("val_f1", patience=1)
    trainer = fit(callbacks=[scores, stopper] if first else [stopper, scores])
    assert len(trainer.history.epochs) == 3
    assert stopper.best_epoch == 2
    assert trainer.model.params.tobytes() == scores.weights[1]


@pytest.mark.parametrize(
    ("name", "rises"),
    [
        ("val_f1", True), ("macro_F1", True), ("val_precision", True), ("top5_accuracy", True),
        ("roc_auc", True), ("val_r2", True), ("val_rmse", False), ("my_loss", False),
        ("error_rate_error", False), ("f1_of_class_3", True), ("val-mae", False),
    ],
)  # fmt: skip
def test_the_name_of_a_metric_says_whether_it_should_rise(name, rises):
    class Writes(Callback):
        def on_epoch_end(self, trainer):
            trainer.history.epochs[-1][name] = float(trainer.epoch)

    stopper = EarlyStopping(name, patience=9)
    fit(callbacks=[Writes, stopper])
    assert stopper.best_epoch == (4 if rises else 1)


def test_a_metric_whose_name_does_not_say_whether_it_should_rise_is_refused():
    with pytest.raises(ValueError, match="'val_gap' does not tell whether the metric should rise"):
        fit(callbacks=[WritesRow(1.0), EarlyStopping("val_gap")])


@pytest.mark.parametrize("name", ["epoch", "learning_rate", "seconds"])
def test_a_column_that_is_not_a_metric_cannot_be_watched(name):
    with pytest.raises(ValueError, match=f"'{name}' does not tell how good the model is"):
        EarlyStopping(name)


def test_a_metric_that_nobody_wrote_is_refused_at_the_end_of_the_first_epoch():
    with pytest.raises(ValueError, match="cannot watch 'val_auc': this training measures epoch"):
        fit(callbacks=[WritesRow(1.0), EarlyStopping("val_auc")])


def test_a_metric_that_is_not_a_number_cannot_be_watched():
    with pytest.raises(ValueError, match="'val_f1' in the history must be a number, got 'good'"):
        fit(callbacks=[WritesRow("good"), EarlyStopping("val_f1")])


@pytest.mark.parametrize("epoch", [1, 3])
def test_whoever_stops_training_at_an_epochs_end_gets_the_best_weights(epoch):
    class Worse(Scores):
        script = (0.9, 0.6, 0.5, 0.7)

    scores, stop = Worse(), Stop()
    stop.epoch = epoch
    trainer = fit(callbacks=[scores, stop, EarlyStopping("val_f1", patience=9)])
    assert len(trainer.history.epochs) == epoch
    assert trainer.model.params.tobytes() == scores.weights[0]


def test_a_stop_at_an_epochs_end_can_be_resumed_from_its_last_weights(tmp_path):
    class Worse(Scores):
        script = (0.9, 0.6, 0.5, 0.95)

    def callbacks():
        return [Worse(), EarlyStopping("val_f1", patience=9)]

    whole = outcome(fit(callbacks=callbacks()))
    stop = Stop()
    stop.epoch = 2
    fit(callbacks=[*callbacks(), stop], path=tmp_path / "run.npz")
    assert outcome(fit(callbacks=callbacks(), path=tmp_path / "run.npz", resume=True)) == whole


# Files


@pytest.mark.slow
def test_a_long_history_can_be_kept(tmp_path):
    """Of 31,000 epochs: more than a text of JSON may hold."""
    path, model = tmp_path / "run.npz", Sequential([Dense(1)], input_shape=(4,))
    trainer = Trainer(model, Single(), SGD(1e-6))
    row = {"loss": 0.123456789012345, "learning_rate": 1e-6, "seconds": 0.00123456789}
    trainer.history.epochs += [
        {"epoch": i, **row, **({"val_f1": 0.5} if i % 5 == 0 else {}), "note": "x"}
        for i in range(1, 31_001)
    ]
    before = copy.deepcopy(trainer.history.epochs)
    small = Trainer(Sequential([Dense(3), Softmax()], (4,)), CrossEntropy(), SGD(1e-6))
    small.history.epochs += [{**r, "accuracy": 0.5} for r in before]
    small.fit(X, Y, 1, 36, callbacks=[Checkpoint(path)])
    again = Trainer(Sequential([Dense(3), Softmax()], (4,)), CrossEntropy(), SGD(1e-6))
    again.fit(X, Y, 31_002, 36, callbacks=[Checkpoint(path)], resume_from=path)
    assert again.history.epochs[:31_001] == small.history.epochs
    assert len(again.history.epochs) == 31_002


def test_two_checkpoints_with_two_paths_go_on_after_a_resume(tmp_path):
    paths = [tmp_path / "often.npz", tmp_path / "seldom.npz"]

    def run(stop_at=None, resume=None):
        stop = Stop()
        stop.at = stop_at
        model = Sequential([Dense(3), Softmax()], input_shape=(4,))
        trainer = Trainer(model, CrossEntropy(), Adam(0.01))
        checkpoints = [Checkpoint(paths[0], every_steps=2), Checkpoint(paths[1], every_epochs=2)]
        trainer.fit(X, Y, 4, BATCH, callbacks=[stop, *checkpoints], resume_from=resume)
        return outcome(trainer)

    run(stop_at=2 * STEPS + 2)
    kept = [path.read_bytes() for path in paths]
    whole = run(resume=paths[0])
    for path, content in zip(paths, kept, strict=True):
        path.write_bytes(content)
    assert run(resume=paths[1]) == whole
    other = tmp_path / "other.npz"
    fit(path=other, epochs=1)
    before = other.read_bytes()
    paths[1] = other
    with pytest.raises(FileExistsError, match="from another run"):
        run(resume=paths[0])
    assert other.read_bytes() == before


def test_a_program_that_changes_its_folder_changes_no_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()

    class Moves(Callback):
        affects_training = False

        def on_step_end(self, trainer):
            os.chdir(tmp_path / "elsewhere")

    fit(callbacks=[CSVLogger("log.csv"), Moves], path="run.npz", every_steps=2)
    monkeypatch.chdir(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "log.csv", "run.npz"]
    assert not list((tmp_path / "elsewhere").iterdir())
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 5
    fit(callbacks=[CSVLogger("log.csv"), Moves], epochs=5, path="run.npz", resume=True)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 6


def test_a_log_whose_disk_was_full_for_a_while_has_all_rows_in_the_end(tmp_path):
    log = CSVLogger(tmp_path / "log.csv")

    class FillsDisk(Callback):
        affects_training = False

        def on_epoch_end(self, trainer):
            full = trainer.epoch == 2  # for the row of the third epoch
            vars(log).pop("_append", None)
            if full:
                vars(log)["_append"] = self.fail

        def fail(self, rows):
            raise OSError(28, "No space left on device")

    with pytest.warns(UserWarning, match="a row could not be written to .*log.csv"):
        trainer = fit(callbacks=[log, FillsDisk])
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == trainer.history["loss"]


# Data that are the same in another form


@pytest.mark.first_cases(4)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y": Y.astype(np.int32)}, r"data: y: int64 .* int32 .*Write y\.astype\(np\.int64\)"),
        ({"y": np.eye(3)[Y]}, r"data: y: .*Write y\.argmax\(axis=1\), the classes"),
        ({"x": X.astype(np.float64)}, r"data: x: .*Write x\.astype\(np\.float32\)"),
        ({"x": X.astype(np.float64) + 1e-9}, r"data: x: float32 .* against float64"),
        ({"x": X[::-1]}, r"data: x: other numbers, or in another order"),
        ({"x": X[:-1], "y": Y[:-1]}, r"data: x: float32 \(36, 4\) against float32 \(35, 4\)"),
        ({"validation_data": (HELD_OUT[0].astype(float), HELD_OUT[1])},
         r"data: validation x: .*Write x\.astype\(np\.float32\)"),
        ({"validation_data": None}, r"data: validation x: some against none"),
    ],
)  # fmt: skip
def test_the_message_says_which_data_differ_and_whether_only_in_form(tmp_path, change, words):
    path = tmp_path / "run.npz"
    fit(epochs=1, path=path)
    model = Sequential([Dense(6), ReLU(), Dense(3), Softmax()], input_shape=(4,))
    data = {"x": X, "y": Y, "validation_data": HELD_OUT, **change}
    with pytest.raises(ValueError, match=words) as caught:
        Trainer(model, CrossEntropy(), Adam(0.01)).fit(
            **data, epochs=2, batch_size=BATCH, resume_from=path
        )
    others = {"x", "y", "validation x", "validation y"} - set(str(caught.value).split(": "))
    assert len(str(caught.value).splitlines()) == 1 + len(change) or others


def test_bytes_where_the_run_had_scaled_numbers_are_reported(tmp_path):
    images = np.random.default_rng(2).integers(0, 256, (36, 4)).astype(np.uint8)
    path = tmp_path / "run.npz"

    def run(x, **settings):
        model = Sequential([Dense(3), Softmax()], input_shape=(4,))
        Trainer(model, CrossEntropy(), Adam()).fit(x, Y, batch_size=BATCH, **settings)

    run(np.divide(images, 255, dtype=np.float32), epochs=1, callbacks=[Checkpoint(path)])
    warnings.simplefilter("ignore")  # that x holds bytes
    with pytest.raises(ValueError, match=r"Write scale_pixels\(x\)"):
        run(images, epochs=2, resume_from=path)


def test_functions_are_compared_without_byte_code_under_another_python(tmp_path, monkeypatch):
    """The same source gives other byte code there; the values in a function are the same."""

    class Applies(Callback):
        def __init__(self, function):
            self.function = function

    def holding(number, code):
        exec_names = {}
        exec(code, exec_names)
        return exec_names["make"](number)

    first = "def make(k):\n    def apply(x):\n        return x * k\n    return apply"
    second = (
        "def make(k):\n    def apply(x):\n        y = k * x\n        return y\n    return apply"
    )
    path = tmp_path / "run.npz"
    fit(callbacks=[Applies(holding(2, first))], epochs=1, path=path)
    with pytest.raises(ValueError, match=r"function\.code"):
        fit(callbacks=[Applies(holding(2, second))], epochs=2, path=path, resume=True)
    here = tinynn.training.resume.environment()
    monkeypatch.setattr(tinynn.training.resume, "environment", lambda: {**here, "python": "3.99"})
    with pytest.warns(UserWarning, match=r"python: 3\.\d+ against 3\.99"):
        fit(callbacks=[Applies(holding(2, second))], epochs=2, path=path, resume=True)
    with pytest.raises(ValueError, match=r"function\.holds"):
        fit(callbacks=[Applies(holding(3, second))], epochs=3, path=path, resume=True)


# What a reader found


class Scaled(Optimizer):
    """A user's own optimizer whose hyper-parameters are an array and a tuple of NumPy's numbers."""

    def __init__(self, learning_rate=0.01, scales=None, betas=()):
        super().__init__(learning_rate)
        self.scales = scales
        self.betas = betas

    def update(self, params, grads, rate):
        params -= np.float32(rate) * self.scales * self.betas[0] * grads


@pytest.mark.parametrize("at", [3, STEPS, STEPS + 2])
def test_arrays_among_hyper_parameters_are_resumed(tmp_path, at):
    def make():
        return Scaled(0.1, np.linspace(0.5, 1, 51, dtype=np.float32), (np.float32(0.5), 0.9))

    whole = outcome(fit(make))
    assert outcome(stopped_and_resumed(tmp_path / "run.npz", at, make=make)) == whole


def test_a_schedule_that_takes_anothers_place_in_mid_training_is_refused(tmp_path):
    class Swap(Callback):
        def on_epoch_begin(self, trainer):
            if trainer.epoch == 2:
                trainer.optimizer.learning_rate = lambda t: 0.02

    with pytest.raises(ValueError, match=r"learning_rate: a function of t against another one"):
        fit(lambda: Adam(falling_to_zero), [Swap], path=tmp_path / "run.npz")


@pytest.mark.parametrize("at", [3, STEPS, STEPS + 2])
def test_a_schedule_that_is_wrapped_when_training_begins_is_resumed(tmp_path, at):
    class Wraps(Callback):
        def on_train_begin(self, trainer):
            inner = falling_to_zero
            trainer.optimizer.learning_rate = lambda t: 0.5 * inner(t)

    def make():
        return Adam(falling_to_zero)

    whole = outcome(fit(make, [Wraps]))
    assert outcome(stopped_and_resumed(tmp_path / "run.npz", at, [Wraps], make=make)) == whole


def test_an_optimizer_steps_no_second_model_of_the_same_pickle():
    pickled = pickle.dumps(Sequential([Dense(3), Softmax()], (4,)))
    optimizer = Adam()
    Trainer(pickle.loads(pickled), CrossEntropy(), optimizer).fit(X, Y, 1, BATCH)
    with pytest.raises(ValueError, match="Make a new optimizer for a new model"):
        Trainer(pickle.loads(pickled), CrossEntropy(), optimizer).fit(X, Y, 1, BATCH)


class HoldsData(Callback):
    def __init__(self, x, y, names=(), writer=None):
        self.x = x
        self.y = y
        self.names = names
        self.writer = writer


def test_a_callback_with_data_of_its_own_costs_a_checkpoint_nothing(tmp_path):
    def callback(last):
        x = np.zeros((4000, 100), np.float32)
        x[-1] = last
        return HoldsData(x, [x[:, 0]], names=[], writer=open)

    path = tmp_path / "run.npz"
    fit(callbacks=[callback(1)], epochs=1, path=path)
    assert path.stat().st_size < 30_000
    fit(callbacks=[callback(1)], epochs=2, path=path, resume=True)
    with pytest.raises(ValueError, match=r"callbacks\[0\]\.x\.sha256"):
        fit(callbacks=[callback(2)], epochs=3, path=path, resume=True)


def test_a_callback_may_hold_objects_and_collect_in_a_list(tmp_path):
    class Records(Callback):
        def __init__(self, into, model, folder):
            self.into = into
            self.model_given = self.model = model
            self.folder = folder

        def on_epoch_end(self, trainer):
            self.into.append(trainer.epoch)

    model = Sequential([Dense(1)], (2,))
    for epochs in (2, 3):
        callback = Records([], model, Path("a"))
        resume = epochs == 3
        fit(callbacks=[callback], epochs=epochs, path=tmp_path / "run.npz", resume=resume)


def test_a_name_with_a_dot_can_be_the_name_of_a_metric(tmp_path):
    class Writes(Callback):
        def on_epoch_end(self, trainer):
            trainer.history.epochs[-1]["mAP@0.5 (100%25)"] = 0.25

    fit(callbacks=[Writes], epochs=1, path=tmp_path / "run.npz")
    trainer = fit(callbacks=[Writes], epochs=2, path=tmp_path / "run.npz", resume=True)
    assert trainer.history["mAP@0.5 (100%25)"] == [0.25, 0.25]


@pytest.mark.parametrize("at", [3, 3 * STEPS, 3 * STEPS + 1])
def test_a_rate_that_falls_to_0_at_the_end_is_allowed(tmp_path, at):
    class Linear(Callback):
        def on_epoch_end(self, trainer):
            trainer.optimizer.learning_rate = np.array(0.01 * (1 - trainer.epoch / trainer.epochs))

    whole = fit(callbacks=[Linear])
    assert whole.optimizer.learning_rate == 0
    assert type(whole.optimizer.learning_rate) is float
    assert outcome(stopped_and_resumed(tmp_path / "run.npz", at, [Linear])) == outcome(whole)
    with pytest.raises(ValueError, match="learning_rate must be a positive number"):
        Adam(0)


def test_a_table_that_ends_where_another_callback_stops_trains_with_a_checkpoint_too(tmp_path):
    stop, table = Stop(), [0.01] * 7
    stop.at = 7
    trainer = fit(lambda: Adam(lambda t: table[t - 1]), [stop], path=tmp_path / "run.npz")
    assert trainer.step == 7


def test_a_function_whose_names_have_no_value_yet_can_be_compared(tmp_path):
    class Applies(Callback):
        def __init__(self, function):
            self.function = function

    def function(x):
        return later(x)

    fit(callbacks=[Applies(function)], epochs=1, path=tmp_path / "run.npz")
    later = abs
    assert function(-1) == 1


class Mu(SGD):
    """Keeps a number of its own, which no checkpoint holds."""

    def update(self, params, grads, rate):
        self.mu = 0.5 * getattr(self, "mu", 1.0) + float(np.abs(grads).mean())
        params -= np.float32(rate * self.mu) * grads


class MuKept(Mu):
    def state(self):
        return {**super().state(), "mu": getattr(self, "mu", 1.0)}

    def load_state(self, state):
        self.mu = state["mu"]
        super().load_state({name: value for name, value in state.items() if name != "mu"})


def test_an_optimizers_number_that_would_be_lost_is_warned_of_and_one_that_is_kept_resumed(
    tmp_path,
):
    with pytest.warns(UserWarning, match="Mu has numbers of its own that change in training") as w:
        fit(Mu, path=tmp_path / "mu.npz")
    assert len(w) == 1
    whole = outcome(fit(MuKept))
    assert outcome(stopped_and_resumed(tmp_path / "run.npz", 7, make=MuKept)) == whole


def test_rows_whose_keys_are_in_another_order_come_back_so(tmp_path):
    first, second = Keeps(), Keeps()
    first.kept = [{"b": 1, "a": 2}, {"a": 3, "b": 4}] * 40
    fit(callbacks=[first], epochs=1, path=tmp_path / "run.npz")
    fit(callbacks=[second], epochs=2, path=tmp_path / "run.npz", resume=True)
    assert [list(row) for row in second.kept] == [["b", "a"], ["a", "b"]] * 40


@pytest.mark.parametrize("kept", [{"\0": 1}, {"\ud800": 1}, 10**5000], ids=["nul", "half", "long"])
def test_what_json_cannot_hold_is_refused_with_a_message(tmp_path, kept):
    keeps = Keeps()
    keeps.kept = kept
    with pytest.raises(ValueError, match=r"Keeps\.state\(\)\.kept"):
        fit(callbacks=[keeps], path=tmp_path / "run.npz")


def test_a_softmax_of_ones_own_that_returns_exactly_0_and_1_trains_on_soft_targets():
    """Without a floor it returns exactly 0 and 1; they must not be taken for targets."""

    class Shares(Layer):
        def forward(self, x, training=True):
            e = np.exp(x - x.max(axis=1, keepdims=True))
            self.p = e / e.sum(axis=1, keepdims=True)
            return self.p

        def input_gradient(self, dout):
            return self.p * (dout - (dout * self.p).sum(axis=1, keepdims=True))

    model = Sequential([Dense(2), Shares()], input_shape=(2,))
    x, y = np.array([[1, -1], [-1, 1]]), np.array([[0.99, 0.01], [0.01, 0.99]])
    trainer = Trainer(model, CrossEntropy(), SGD(1e-9))
    model.layers[0].W[:] = [[500, -500], [-500, 500]]
    history = trainer.fit(x, y, epochs=2, batch_size=1, validation_data=(2 * x, y))
    assert set(model.predict(x).ravel().tolist()) == {0, 1}
    expected = pytest.approx(0.3 * np.log(10))  # a hundredth of -log(1e-30)
    assert history["loss"] == [expected] * 2
    assert history["accuracy"] == history["val_accuracy"] == [1, 1]


def without_wraps(forward):
    return lambda self, *args: forward(self, *args)


def for_one_argument(forward):
    @functools.wraps(forward)
    def called(self, x, training=True):
        return forward(self, x)

    return called


@pytest.mark.parametrize(
    ("forward", "fits"),
    [
        (lambda self, x, training=True: x, True),
        (lambda self, x, train: x, True),
        (lambda self, x, *rest: x, True),
        (lambda self, x, training=True, mask=None: x, True),
        (without_wraps(lambda self, x, training: x), True),
        (for_one_argument(lambda self, x: x), True),
        (functools.partialmethod(lambda self, scale, x, training: scale * x, 2.0), True),
        (staticmethod(lambda x, training: x), True),
        (lambda self, x: x, False),
        (lambda self, x, *, training=True: x, False),
        (lambda self, x, training, mask: x, False),
    ],
)
def test_a_layer_of_ones_own_is_called_as_forward_x_training(forward, fits):
    kind = type("Own", (Layer,), {"forward": forward, "input_gradient": lambda self, dout: dout})
    refused = pytest.raises(ValueError, match=r"Own\.forward is called with two arguments")
    with nullcontext() if fits else refused:
        Sequential([kind()], input_shape=(3,)).predict(np.ones((2, 3)))


# What changes in training and no checkpoint keeps


class Annealed(Callback):
    """Scales gradients by a number of its own that grows."""

    def __init__(self):
        self.count = 0

    def on_gradients(self, trainer):
        self.count += 1
        trainer.model.grads *= 1 / self.count


class AnnealedKept(Annealed):
    def state(self):
        return {"count": self.count}

    def load_state(self, state):
        self.count = state["count"]


class Noisy(Callback):
    """Adds noise of a generator of its own."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def on_gradients(self, trainer):
        trainer.model.grads += self.rng.normal(size=trainer.model.grads.shape)


class Watches(Annealed):
    affects_training = False

    def on_gradients(self, trainer):
        self.count += 1


class BeganOnce(Callback):
    """Sets a number when training begins, as a resumed run does again."""

    def on_train_begin(self, trainer):
        self.begun = 1


@pytest.mark.parametrize(("kind", "name"), [(Annealed, "count"), (Noisy, "rng")])
def test_a_callbacks_number_that_would_be_lost_is_warned_of_once(tmp_path, kind, name):
    words = rf"{kind.__name__} has numbers of its own .*\({kind.__name__}\.{name}\): a resumed run"
    with pytest.warns(UserWarning, match=words) as warned:
        fit(callbacks=[kind], path=tmp_path / "run.npz")
    assert len(warned) == 1
    assert "Define state() and load_state()" in str(warned[0].message)
    assert "affects_training = False" in str(warned[0].message)


@pytest.mark.parametrize("kind", [AnnealedKept, Watches, BeganOnce])
def test_a_callbacks_number_that_is_kept_or_not_needed_is_not_warned_of(tmp_path, kind):
    whole = outcome(fit(callbacks=[kind()]))
    assert outcome(stopped_and_resumed(tmp_path / "run.npz", 7, callbacks=[kind])) == whole


class Growing(Loss):
    """Its gradient grows with each batch that it has seen."""

    takes, classifies = "probabilities", True

    def __init__(self):
        self.seen = 0

    def forward(self, p, y):
        self.seen += 1
        return CrossEntropy().forward(p, y)

    def backward(self, p, y):
        return CrossEntropy().backward(p, y) * (1 + self.seen)


class Drawing(Growing):
    """Draws from a generator that all of its class share."""

    rng = np.random.default_rng(0)

    def __init__(self):
        pass

    def forward(self, p, y):
        return CrossEntropy().forward(p, y)

    def backward(self, p, y):
        return CrossEntropy().backward(p, y) * self.rng.random()


class Remembering(Growing):
    """Keeps in forward what backward needs: a number and arrays that follow from the batch."""

    def __init__(self):
        pass

    def forward(self, p, y):
        self.mean, self.p = float(p.mean()), p
        return CrossEntropy().forward(p, y)

    def backward(self, p, y):
        return CrossEntropy().backward(self.p, y)


@pytest.mark.parametrize(("kind", "name"), [(Growing, "seen"), (Drawing, "its value")])
def test_what_a_loss_keeps_from_batch_to_batch_is_warned_of_once(tmp_path, kind, name):
    words = rf"{kind.__name__} has numbers .*\({kind.__name__}\.{name}\).* depend on p, y and its"
    with pytest.warns(UserWarning, match=words) as warned:
        fit(loss=kind(), path=tmp_path / "run.npz")
    assert len(warned) == 1


def test_what_a_loss_remembers_of_a_batch_alone_is_not_warned_of(tmp_path):
    whole = outcome(fit(loss=Remembering()))
    assert outcome(stopped_and_resumed(tmp_path / "run.npz", 7, loss=Remembering())) == whole


class GlobalNoise(Layer):
    def forward(self, x, training=True):
        return x + np.random.normal(size=x.shape).astype(x.dtype) if training else x  # noqa: NPY002  # its fault

    def input_gradient(self, dout):
        return dout


class ClassNoise(GlobalNoise):
    rng = np.random.default_rng(0)

    def forward(self, x, training=True):
        return x + self.rng.random(x.shape, np.float32) if training else x


class StreamNoise(GlobalNoise):
    def forward(self, x, training=True):
        return x + self.stream().random(x.shape, np.float32) if training else x


@pytest.mark.parametrize("kind", [GlobalNoise, ClassNoise])
def test_a_layer_that_draws_numbers_from_elsewhere_is_refused_before_the_first_step(tmp_path, kind):
    trainer = Trainer(
        Sequential([kind(), Dense(3), Softmax()], input_shape=(4,)), CrossEntropy(), Adam()
    )
    words = rf"0\.{kind.__name__} returns different numbers for the same input.* self\.stream\(\)"
    with pytest.raises(ValueError, match=words):
        trainer.fit(X, Y, 1, BATCH, callbacks=[Checkpoint(tmp_path / "run.npz")])
    assert trainer.step == 0


def test_a_layer_that_draws_from_its_stream_is_accepted(tmp_path):
    trainer = Trainer(
        Sequential([StreamNoise(), Dense(3), Softmax()], input_shape=(4,)), CrossEntropy(), Adam()
    )
    trainer.fit(X, Y, 1, BATCH, callbacks=[Checkpoint(tmp_path / "run.npz")])
    assert trainer.step == STEPS
