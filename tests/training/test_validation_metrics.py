"""Protects Trainer(metrics=...): measured on all samples at once, in each place that shows metrics.

The oracle is a number worked by hand, or NumPy on the model's own predictions.
"""

import csv
from functools import partial

import numpy as np
import pytest

import tinynn
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
    InputError,
    LiveCurves,
    MeanSquaredError,
    PrintLog,
    ProgressBar,
    Sequential,
    Softmax,
    Trainer,
)
from tinynn.plots import learning_curves

X, Y = random_data(20)
HELD_OUT = random_data(12, seed=1)


def largest(p, y):
    return p.max()


def samples(p, y):
    assert len(p) == len(y)
    return len(p)


def top(p, y, k=2):
    return np.mean([label in np.argsort(row)[-k:] for row, label in zip(p, y, strict=True)])


class Spread:
    name = "spread"

    def __call__(self, p, y):
        return np.ptp(p)


def make(metrics, loss=None):
    return Trainer(
        Sequential([Dense(3), Softmax()], input_shape=(4,)),
        loss or CrossEntropy(),
        Adam(0.05),
        metrics=metrics,
    )


def fit(metrics, callbacks=(), epochs=2, **changed):
    trainer = make(metrics)
    trainer.fit(X, Y, epochs, 10, **{"validation_data": HELD_OUT, **changed}, callbacks=callbacks)
    return trainer


def test_a_metric_gets_all_samples_at_once_and_not_the_mean_of_batches():
    x, y = random_data(2500)  # evaluate predicts 1024 at a time
    trainer = make([samples, largest])
    scores = trainer.evaluate(x, y)
    assert scores["samples"] == 2500
    assert scores["largest"] == float(trainer.model.predict(x).max())
    assert type(scores["largest"]) is float
    assert list(scores) == ["loss", "accuracy", "samples", "largest"]


def test_metrics_are_columns_of_the_history_the_log_the_bar_and_the_print(
    tmp_path, monkeypatch, capsys
):
    shown = []
    monkeypatch.setattr("tqdm.tqdm.set_postfix", lambda bar, metrics, **_: shown.append(metrics))
    log = tmp_path / "log.csv"
    trainer = fit([top, Spread()], [CSVLogger(log), ProgressBar(), PrintLog()])
    row = trainer.history.epochs[-1]
    names = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "val_top", "val_spread"]
    assert list(row) == trainer.columns == [*names, "learning_rate", "seconds"]
    p = trainer.model.predict(HELD_OUT[0])
    assert row["val_top"] == top(p, HELD_OUT[1])
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(each["val_top"]) for each in rows] == trainer.history["val_top"]
    assert shown[-1]["val_spread"] == f"{row['val_spread']:.4f}"
    assert f"val_spread {row['val_spread']:.4f}" in capsys.readouterr().out


@pytest.mark.slow
def test_metrics_have_a_panel_among_the_learning_curves_of_a_history_and_of_a_log(tmp_path):
    class Writes(Callback):
        def on_epoch_end(self, trainer):
            trainer.history.epochs[-1]["val_comment"] = "fine"  # has no curve

    log, picture = tmp_path / "log.csv", tmp_path / "curves.png"
    trainer = fit([top], [Writes(), CSVLogger(log), LiveCurves(picture)])
    assert picture.stat().st_size > 0
    for run in (trainer.history, log):
        panels = learning_curves(run, path=tmp_path / "again.png").axes
        assert [panel.get_ylabel() for panel in panels] == ["accuracy", "loss", "top"]
        (line,) = panels[2].get_lines()
        assert list(line.get_ydata()) == trainer.history["val_top"]


def test_early_stopping_watches_a_metric():
    values = iter([0.5, 0.9, 0.6, 0.7])

    def my_score(p, y):
        return next(values)

    weights = []

    class Keeps(Callback):
        def on_epoch_end(self, trainer):
            weights.append(trainer.model.params.tobytes())

    stopper = EarlyStopping("val_my_score", patience=2)
    trainer = fit([my_score], [Keeps(), stopper], epochs=9)
    assert stopper.best_epoch == 2
    assert trainer.model.params.tobytes() == weights[1]


def test_early_stopping_on_a_metric_that_this_run_lacks_is_refused_before_the_first_step():
    with pytest.raises(InputError, match="cannot watch 'val_top': this training measures epoch"):
        fit([], [EarlyStopping("val_top", mode="max")])


def test_without_validation_data_metrics_are_refused_before_the_first_step():
    trainer = make([top])
    with pytest.raises(InputError, match=r"metrics \(top\) on validation data.*validation_data="):
        trainer.fit(X, Y, 1)
    assert trainer.step == 0


def test_they_change_no_bit_of_training_and_get_no_weights():
    weights = np.linspace(0, 2, 12)
    plain = fit([], validation_data=(*HELD_OUT, weights))
    measured = fit([top], validation_data=(*HELD_OUT, weights))
    assert measured.model.params.tobytes() == plain.model.params.tobytes()
    without = fit([top])
    assert measured.history["val_top"] == without.history["val_top"]
    assert measured.history["val_loss"] != without.history["val_loss"]


def test_names():
    three = partial(top, k=1)
    three.name = "top_1"
    trainer = fit([top, three, Spread(), partial(largest)])
    shown = {"val_top", "val_top_1", "val_spread", "val_largest"}
    assert shown <= set(trainer.history.epochs[0])
    regression = Trainer(
        Sequential([Dense(1)], (4,)), MeanSquaredError(), SGD(), metrics=[lambda_named_accuracy]
    )
    assert "accuracy" in regression.evaluate(X, Y[:, None])


def lambda_named_accuracy(p, y):
    return 1


lambda_named_accuracy.__name__ = "accuracy"


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ([top, partial(top, k=1)], r"two functions have the name top.*metric\.name = 'top_2'"),
        ([tinynn.accuracy], "the accuracy is measured anyway. Leave it out"),
        ([lambda p, y: 1], "has no name for its column. Write def my_metric"),
        (top, r"must be a list of functions, got <function top.*Write metrics=\[\.\.\.\]"),
        (["accuracy"], r"must be functions \(p, y\) -> number, got 'accuracy'"),
        ([Spread], r"must be functions \(p, y\) -> number, got <class"),
    ],
)
def test_what_is_no_list_of_named_functions_is_refused(metrics, message):
    with pytest.raises(InputError, match=message):
        make(metrics)


def raises(p, y):
    raise KeyError("no such class")


def nothing(p, y):
    p.max()


def is_nan(p, y):
    return np.float64(np.nan)


def rows(p, y):
    return p.max(axis=1)


def changes(p, y):
    p -= 1
    return 1.0


def changes_y(p, y):
    y.sort()
    return 1.0


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (raises, r"The metric raises raised KeyError\('no such class'\) for p of shape \(12, 3\)"),
        (nothing, 'The metric nothing must return one number, .* returned None. Forgot "return"?'),
        (is_nan, r"The metric is_nan must return a finite number, .* returned nan\. Does it"),
        (rows, r"The metric rows must return one number, .* returned an array of shape \(12,\)"),
        (changes, "The metric changes raised .*read-only"),
        (changes_y, "The metric changes_y raised .*read-only"),
    ],
)
def test_a_metric_that_gives_no_number_or_changes_data_is_named(metric, message):
    y = HELD_OUT[1].copy()
    with pytest.raises(InputError, match=message):
        make([metric]).evaluate(HELD_OUT[0], y)
    np.testing.assert_array_equal(y, HELD_OUT[1])
    y.sort()  # what the caller gave can still be changed
    with pytest.raises(InputError, match=message):
        fit([metric])


def test_a_resumed_run_may_measure_other_metrics(tmp_path):
    path = tmp_path / "run.npz"
    fit([top], [Checkpoint(path)], epochs=1)
    resumed = fit([largest], [Checkpoint(path)], epochs=2, resume_from=path)
    assert "val_top" in resumed.history.epochs[0]
    assert "val_largest" in resumed.history.epochs[1]
    assert resumed.model.params.tobytes() == fit([top]).model.params.tobytes()


@pytest.mark.parametrize(
    ("name", "rises"),
    [
        ("val_top_k_accuracy", True), ("val_roc_auc", True), ("val_log_loss", False),
        ("val_r2_score", True), ("val_mean_absolute_error", False),
    ],
)  # fmt: skip
def test_the_names_of_tinynns_metrics_tell_whether_they_should_rise(name, rises):
    assert tinynn.checks.should_rise(name) is rises
