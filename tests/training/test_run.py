"""Protects the checks of each part of a checkpoint: what no training can write is reported."""

import numpy as np
import pytest

from tinynn import SGD, Adam, History
from tinynn.training.history import RunningTotals
from tinynn.training.schedule_table import ScheduleTable

ROW = {"epoch": 1, "loss": 0.5, "learning_rate": 0.1, "seconds": 1.0}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{**ROW, "epoch": 2}], "do not count their epochs from 1"),
        ([{**ROW, "epoch": True}], "do not count their epochs from 1"),
        ([{**ROW, "epoch": 1.0}], "do not count their epochs from 1"),
        (
            [{"epoch": 1, "loss": 0.5, "seconds": 1.0}],
            "row 1 of the history has only epoch, loss, seconds",
        ),
        (
            [ROW, {**ROW, "epoch": 2, "loss": np.inf}],
            "row 2 of the history has a metric that is not finite",
        ),
        ([{**ROW, "val_accuracy": "high"}], "row 1 of the history has a metric that is not finite"),
        ([ROW, {**ROW, "epoch": 2}, {**ROW, "epoch": 3}], "has 3 rows, not 2"),
        ([], "has 0 rows, not 2"),
    ],
)
def test_a_history_that_no_training_wrote_is_reported(rows, told):
    with pytest.raises(ValueError, match=told):
        History(rows).check(epochs=2)


def test_a_history_may_hold_metrics_of_any_kind_from_a_callback():
    History([{**ROW, "accuracy": 1, "mood": "good", "gap": np.inf}]).check(epochs=1)


@pytest.mark.parametrize(
    ("totals", "told"),
    [
        ({"n_samples": 4.0, "loss": 1.0}, "of 4.0 samples"),
        ({"n_samples": 11, "loss": 1.0}, "of 11 samples"),
        ({"n_samples": 4, "loss": np.nan}, "the totals are"),
        ({"n_samples": 4, "seconds": "long"}, "the totals are"),
        ({"n_samples": 0, "loss": 1.0}, "totals of 0 samples"),
        ({"n_samples": 4, "n_correct": 5}, "5 of 4 predictions were right"),
        ({"n_samples": 5}, "5 samples do not fill batches of"),
    ],
)
def test_running_totals_that_no_epoch_can_have_are_reported(totals, told):
    with pytest.raises(ValueError, match=told):
        RunningTotals(**totals).check(samples=10, batch_size=4)


@pytest.mark.parametrize("n_samples", [0, 4, 8, 10])
def test_running_totals_may_be_of_no_batch_of_whole_batches_or_of_all_samples(n_samples):
    RunningTotals(n_samples=n_samples).check(samples=10, batch_size=4)


PARAMS = np.ones(3, np.float32)
NUMBERS = {"learning_rate": 0.5, "momentum": 0.9}


@pytest.mark.parametrize(
    ("state", "numbers", "told"),
    [
        ({"t": 1, "velocity": np.zeros(4, np.float32)}, NUMBERS, r"velocity is float32 \(4,\)"),
        ({"t": 1, "velocity": np.zeros(3)}, NUMBERS, r"velocity is float64 \(3,\)"),
        ({"t": 1, "velocity": PARAMS * np.nan}, NUMBERS, "velocity holds NaN"),
        ({"t": 1, "velocity": PARAMS}, {"momentum": 0.9}, "hyper-parameters are"),
        ({"t": 1, "velocity": PARAMS}, {**NUMBERS, "beta": 1}, "hyper-parameters are"),
        ({"t": 1, "velocity": PARAMS}, {**NUMBERS, "momentum": 2.0}, "momentum"),
        ({"t": 1, "m": PARAMS, "v": PARAMS}, NUMBERS, "another optimizer"),
    ],
)
def test_a_state_that_no_optimizer_had_is_reported_and_changes_nothing(state, numbers, told):
    optimizer = SGD(0.1, momentum=0.5)
    optimizer.step(PARAMS.copy(), PARAMS)
    before, config = optimizer.state(), optimizer.config()
    with pytest.raises(ValueError, match=told):
        optimizer.check_state(state, numbers, PARAMS)
    assert optimizer.config() == config
    assert optimizer.t == 1
    assert np.array_equal(optimizer.state()["velocity"], before["velocity"])


def test_a_state_that_an_optimizer_had_is_accepted_also_where_its_rate_is_a_function():
    optimizer = Adam(lambda t: 0.1 / t)
    optimizer.step(PARAMS.copy(), PARAMS)
    numbers = {"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-8}
    optimizer.check_state(optimizer.state(), numbers, PARAMS)
    optimizer.check_state({"t": 0}, numbers, PARAMS)
    assert optimizer.beta1 == 0.9


RECORD = {"first": 1, "last": 9, "epochs": 3, "asked": {"1": [0.1, "a digest"]}}


@pytest.mark.parametrize(
    ("record", "scheduled"),
    [
        (None, True),
        (RECORD, False),
        ({**RECORD, "first": -1}, True),
        ({**RECORD, "asked": {"one": [0.1, "a digest"]}}, True),
        ({**RECORD, "asked": {"1": [0.1]}}, True),
    ],
)
def test_a_schedule_that_was_never_asked_is_reported(record, scheduled):
    ScheduleTable.check(RECORD, scheduled=True)
    ScheduleTable.check(None, scheduled=False)
    with pytest.raises(ValueError, match="its schedule is"):
        ScheduleTable.check(record, scheduled)
