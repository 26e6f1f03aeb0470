"""Protects ReduceOnPlateau: PyTorch's rates, exact on resume, no schedule beside it."""

import json
from pathlib import Path

import pytest

from oracles import random_data
from tinynn import (
    Adam,
    Callback,
    Checkpoint,
    CosineDecay,
    CrossEntropy,
    Dense,
    EarlyStopping,
    InputError,
    ReduceOnPlateau,
    ReLU,
    Sequential,
    Softmax,
    Trainer,
)

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "references/plateau.json").read_text(encoding="utf-8")
)
X, Y = random_data(36)
HELD_OUT = random_data(12, seed=1)


def trainer(learning_rate=0.1):
    model = Sequential([Dense(6), ReLU(), Dense(3), Softmax()], input_shape=(4,))
    return Trainer(model, CrossEntropy(), Adam(learning_rate))


class Script(Callback):
    """Writes a metric into each row, and notes the rates with which the next epoch begins."""

    affects_training = False

    def __init__(self, name, script):
        self.name, self.script = name, script
        self.rates = []

    def on_epoch_begin(self, trainer):
        self.rates.append(trainer.optimizer.learning_rate)

    def on_epoch_end(self, trainer):
        trainer.history.epochs[-1][self.name] = self.script[trainer.epoch - 1]


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("case", REFERENCE["cases"])
def test_the_rates_are_those_of_pytorch(case, mode):
    losses, expected = REFERENCE["losses"], REFERENCE["cases"][case]
    sign = 1 if mode == "min" else -1
    script = Script("mood", [sign * loss for loss in losses])
    reduce = ReduceOnPlateau("mood", mode=mode, **expected["arguments"])
    run = trainer(REFERENCE["learning_rate"])
    run.fit(X, Y, len(losses), 36, callbacks=[reduce, script])
    after = [*script.rates[1:], run.optimizer.learning_rate]
    assert after == pytest.approx(expected[mode], rel=1e-10)
    assert len(set(expected[mode])) > 2


def test_the_name_of_a_metric_tells_its_direction():
    for name, falls in (("val_loss", True), ("val_accuracy", False)):
        script = Script(name, [1.0, 0.9, 0.8, 0.7])
        run = trainer()
        reduce = ReduceOnPlateau(name, patience=2)
        run.fit(X, Y, 4, 36, HELD_OUT, callbacks=[script, reduce])
        assert run.optimizer.learning_rate == (0.1 if falls else 0.05)


def test_a_rate_below_the_least_one_is_not_raised():
    run = trainer(0.001)
    run.fit(
        X, Y, 3, 36, callbacks=[Script("a_loss", [1.0] * 3), ReduceOnPlateau("a_loss", least=1)]
    )
    assert run.optimizer.learning_rate == 0.001


class Stop(Callback):
    affects_training = False
    at = None

    def on_step_end(self, trainer):
        trainer.stop = trainer.step == self.at


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("at", [7, 23, 28])
def test_a_run_that_was_stopped_and_resumed_ends_with_the_same_bits(tmp_path, at):
    """Five steps an epoch: before any plateau; after one epoch of waiting; with a lower rate."""

    def run(name, stop_at=None, resume=False):
        one, stop, path = trainer(0.3), Stop(), tmp_path / name
        stop.at = stop_at
        callbacks = [
            ReduceOnPlateau(),
            stop,
            EarlyStopping(patience=99),
            Checkpoint(path),
        ]
        one.fit(X, Y, 9, 8, HELD_OUT, callbacks, resume_from=path if resume else None)
        rows = [{**row, "seconds": 0} for row in one.history.epochs]
        return one.model.params.tobytes(), rows, one.optimizer.learning_rate

    whole = run("whole.npz")
    assert len({row["learning_rate"] for row in whole[1]}) > 2
    run("part.npz", stop_at=at)
    assert run("part.npz", resume=True) == whole


def test_a_second_fit_forgets_the_best_value_of_the_first():
    run, reduce = trainer(), ReduceOnPlateau("a_loss", patience=1)
    run.fit(X, Y, 1, 36, callbacks=[Script("a_loss", [0.1]), reduce])
    run.fit(X, Y, 1, 36, callbacks=[Script("a_loss", [0, 0.2]), reduce])
    assert run.optimizer.learning_rate == 0.1


@pytest.mark.parametrize("schedule", [CosineDecay(0.1), lambda t: 0.1])
def test_a_schedule_is_refused_before_the_first_step(schedule):
    run = trainer(schedule)
    with pytest.raises(InputError, match="the optimizer has a schedule"):
        run.fit(X, Y, 2, 8, HELD_OUT, [ReduceOnPlateau()])
    assert run.step == 0


def test_a_metric_that_nothing_measures_is_refused_in_the_callbacks_own_name():
    with pytest.raises(InputError, match=r"ReduceOnPlateau cannot watch .*validation_data"):
        trainer().fit(X, Y, 2, 8, callbacks=[ReduceOnPlateau()])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"factor": 1.0}, "factor must be above 0 and below 1, got 1.0"),
        ({"factor": 0}, "factor must be above 0 and below 1, got 0"),
        ({"patience": 0}, "patience must be a whole number of 1 or more"),
        ({"least": -1}, "least must be a number, 0 or more, got -1"),
        ({"monitor": "seconds"}, "monitor must be a metric"),
        ({"mode": "up"}, "mode must be"),
    ],
)
def test_a_wrong_argument_is_refused(arguments, told):
    with pytest.raises(InputError, match=told):
        ReduceOnPlateau(**arguments)
