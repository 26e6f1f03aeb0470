"""Protects the callbacks: the log, the progress bar, the checkpoint, early stopping."""

import csv
import errno
import io
import subprocess
import sys
import time

import numpy as np
import pytest

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
    FunctionCallback,
    LiveCurves,
    MeanSquaredError,
    PrintLog,
    ProgressBar,
    Sequential,
    Softmax,
    Trainer,
)

X, Y = random_data(20)


def trainer(cls=Trainer):
    model = Sequential([Dense(3), Softmax()], input_shape=(4,))
    return cls(model, CrossEntropy(), Adam(0.05))


class Scripted(Trainer):
    """A trainer whose validation metrics come from a list; it keeps the weights of each epoch."""

    script = ()
    figure = "loss"

    def evaluate(self, x, y):
        if len(x) == 1:  # the check before training
            return super().evaluate(x, y)
        kept = self.__dict__.setdefault("kept", [])
        kept.append(self.model.params.copy())
        return {"loss": 1.0, "accuracy": 0.5, self.figure: self.script[len(kept) - 1]}


def scripted(figures, figure="loss"):
    run = trainer(Scripted)
    run.script, run.figure = figures, figure
    return run


def read_rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# CSVLogger


def test_the_csv_is_the_history(tmp_path):
    path = tmp_path / "log.csv"
    history = trainer().fit(
        X, Y, 3, validation_data=(X[::-1], Y[::-1]), batch_size=8, callbacks=[CSVLogger(path)]
    )
    header = "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds"
    assert path.read_text().splitlines()[0] == header
    rows = [{name: float(value) for name, value in row.items()} for row in read_rows(path)]
    assert rows == history.epochs
    assert [row["epoch"] for row in read_rows(path)] == ["1", "2", "3"]


def test_the_csv_has_no_columns_for_what_is_not_measured(tmp_path):
    path = tmp_path / "log.csv"
    run = Trainer(Sequential([Dense(1)], input_shape=(4,)), MeanSquaredError(), SGD())
    run.fit(X, Y[:, None], 1, batch_size=20, callbacks=[CSVLogger(path)])
    assert path.read_text().splitlines()[0] == "epoch,loss,learning_rate,seconds"


def test_the_csv_can_be_followed_while_training_runs(tmp_path):
    path = tmp_path / "log.csv"
    counts = []
    follow = FunctionCallback(on_epoch_end=lambda run: counts.append(len(read_rows(path))))
    at_start = FunctionCallback(on_epoch_begin=lambda run: counts.append(len(read_rows(path))))
    trainer().fit(X, Y, 3, batch_size=20, callbacks=[CSVLogger(path), follow, at_start])
    assert counts == [0, 1, 1, 2, 2, 3]


def test_the_csv_of_another_run_is_not_overwritten(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("precious")
    run = trainer()
    before = run.model.params.tobytes()
    with pytest.raises(FileExistsError, match=r"log\.csv exists already.* is not overwritten"):
        run.fit(X, Y, 1, batch_size=20, callbacks=[CSVLogger(path)])
    assert path.read_text() == "precious"
    assert run.model.params.tobytes() == before


def test_the_csv_of_another_run_is_not_overwritten_by_a_second_fit_either(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("precious")
    run = trainer()
    run.fit(X, Y, 1, batch_size=20)
    with pytest.raises(FileExistsError):
        run.fit(X, Y, 1, batch_size=20, callbacks=[CSVLogger(path)])
    assert path.read_text() == "precious"


def test_a_log_that_a_spreadsheet_holds_for_two_epochs_has_all_rows_in_the_end(
    tmp_path, held, monkeypatch
):
    """It waits for the spreadsheet once, not in each epoch."""
    monkeypatch.setattr("tinynn.files.locks.PATIENCE_SECONDS", 0.1)
    path = tmp_path / "log.csv"
    refusals, rows = [], []

    def act(run):
        rows.append(len(read_rows(path)))
        if run.epoch == 2:
            refusals.append(held(60))
        if run.epoch == 5:
            monkeypatch.undo()

    act_first = FunctionCallback(on_epoch_end=act)
    act_first.order = lambda trainer: -1
    with pytest.warns(UserWarning, match="Close it in the spreadsheet.*: a row could not be"):
        history = trainer().fit(X, Y, 6, 20, callbacks=[act_first, CSVLogger(path)])
    assert rows == [0, 1, 1, 1, 1, 5]
    assert [float(row["loss"]) for row in read_rows(path)] == history["loss"]
    assert 2 <= len(refusals[0]) <= 20


def test_a_log_that_is_held_to_the_end_costs_no_model_and_says_where_its_rows_are(
    tmp_path, held, monkeypatch
):
    monkeypatch.setattr("tinynn.files.locks.PATIENCE_SECONDS", 0.05)
    path = tmp_path / "log.csv"
    hold = FunctionCallback(on_epoch_end=lambda run: held(60) if run.epoch == 1 else None)
    with pytest.warns(UserWarning, match="could not be written") as caught:
        history = trainer().fit(X, Y, 3, 20, callbacks=[CSVLogger(path), hold])
    assert str(caught[-1].message).endswith("The History that fit returns has them.")
    assert [row["epoch"] for row in history.epochs] == [1, 2, 3]
    assert len(read_rows(path)) == 1


@pytest.mark.slow
def test_a_log_that_is_held_for_a_moment_gets_its_row_at_once(tmp_path, held):
    path, seen = tmp_path / "log.csv", []
    hold = FunctionCallback(on_epoch_end=lambda run: held(0.2))
    hold.order = lambda trainer: -1
    see = FunctionCallback(on_epoch_end=lambda run: seen.append(len(read_rows(path))))
    trainer().fit(X, Y, 2, 20, callbacks=[hold, CSVLogger(path), see])
    assert seen == [1, 2]


def test_a_second_fit_goes_on_with_its_own_csv(tmp_path):
    path = tmp_path / "log.csv"
    run = trainer()
    run.fit(X, Y, 2, batch_size=20, callbacks=[CSVLogger(path)])
    run.fit(X, Y, 1, batch_size=20, callbacks=[CSVLogger(path)])
    assert [row["epoch"] for row in read_rows(path)] == ["1", "2", "3"]
    rows = [{name: float(value) for name, value in row.items()} for row in read_rows(path)]
    assert rows == run.history.epochs


def blocked(path, first, last=0):
    """A folder takes the log's place in one epoch, and gives it back in another."""
    aside = path.with_name("aside")

    def act(run):
        if run.epoch == first:
            path.rename(aside)
            path.mkdir()
        if run.epoch == last:
            path.rmdir()
            aside.rename(path)

    return FunctionCallback(on_step_end=act)


def test_a_log_that_cannot_be_written_for_a_while_is_one_warning_and_made_whole(tmp_path):
    path = tmp_path / "log.csv"
    callbacks = [CSVLogger(path), blocked(path, 3, 5), Checkpoint(tmp_path / "run.npz")]
    with pytest.warns(UserWarning, match="rows from epoch 3 on are written as soon") as told:
        history = trainer().fit(X, Y, 6, batch_size=20, callbacks=callbacks)
    assert len(told) == 1
    assert [float(row["loss"]) for row in read_rows(path)] == history["loss"]
    assert (tmp_path / "run.npz").exists()


def test_a_log_that_can_be_written_again_only_at_the_end_is_made_whole_there(tmp_path):
    path = tmp_path / "log.csv"
    back = FunctionCallback(
        on_train_end=lambda run: (path.rmdir(), (tmp_path / "aside").rename(path))
    )
    with pytest.warns(UserWarning, match="rows from epoch 2 on are written as soon"):
        trainer().fit(X, Y, 4, batch_size=20, callbacks=[back, CSVLogger(path), blocked(path, 2)])
    assert [row["epoch"] for row in read_rows(path)] == ["1", "2", "3", "4"]


def test_a_log_that_stays_closed_says_which_rows_it_lacks_and_where_they_are(tmp_path):
    path = tmp_path / "log.csv"
    callbacks = [CSVLogger(path), blocked(path, 3)]
    with pytest.warns(UserWarning, match="log") as told:
        history = trainer().fit(X, Y, 5, batch_size=20, callbacks=callbacks)
    assert len(history.epochs) == 5
    assert str(told[-1].message) == (
        f"{path} lacks the rows from epoch 3 on, which could not be written to it. The History "
        "that fit returns has them."
    )


def test_a_log_that_was_deleted_is_written_anew(tmp_path):
    path = tmp_path / "log.csv"
    delete = FunctionCallback(on_step_end=lambda run: path.unlink() if run.epoch == 3 else None)
    trainer().fit(X, Y, 4, batch_size=20, callbacks=[CSVLogger(path), delete])
    assert [row["epoch"] for row in read_rows(path)] == ["1", "2", "3", "4"]


def test_a_log_that_a_spreadsheet_saved_is_kept_beside_the_whole_one(tmp_path):
    path = tmp_path / "log.csv"
    saved = []

    def save(run):
        if run.epoch == 3:
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b",", b";"))
            saved.append(path.read_bytes())

    callbacks = [CSVLogger(path), FunctionCallback(on_step_end=save)]
    with pytest.warns(UserWarning, match=r"its version is kept as log\.changed\.csv"):
        history = trainer().fit(X, Y, 4, batch_size=20, callbacks=callbacks)
    assert [float(row["loss"]) for row in read_rows(path)] == history["loss"]
    assert (tmp_path / "log.changed.csv").read_bytes() == saved[0]


# EarlyStopping


@pytest.mark.parametrize(
    ("losses", "patience", "epochs", "best"),
    [
        ([5, 4, 3, 4, 5, 6, 1], 3, 6, 3),  # patience counts from the best
        ([5, 4, 4, 4, 1], 2, 4, 2),  # the same again is no improvement
        ([5, 6, 4, 6, 3, 6, 6, 1], 2, 7, 5),  # an improvement starts the count anew
        ([5, 6, 1], 1, 2, 1),
        ([5, 4, 3, 2, 1], 2, 5, 5),  # nothing to stop
        ([5, 1, 3, 2], 3, 4, 2),  # ends before patience does: still the best
    ],
)
def test_early_stopping_waits_and_goes_back_to_the_best_weights(losses, patience, epochs, best):
    run = scripted(losses)
    stopper = EarlyStopping(patience=patience)
    history = run.fit(X, Y, len(losses), 8, validation_data=(X[::-1], Y[::-1]), callbacks=[stopper])
    assert len(history.epochs) == epochs
    assert run.model.params.tobytes() == run.kept[best - 1].tobytes()
    assert len({kept.tobytes() for kept in run.kept}) == epochs  # else going back shows nothing
    assert stopper.best_epoch == best


def test_accuracy_should_rise():
    figures = [0.2, 0.6, 0.5, 0.4, 0.9]
    run = scripted(figures, "accuracy")
    stopper = EarlyStopping(monitor="val_accuracy", patience=2)
    history = run.fit(X, Y, 5, 8, validation_data=(X[::-1], Y[::-1]), callbacks=[stopper])
    assert len(history.epochs) == 4
    assert run.model.params.tobytes() == run.kept[1].tobytes()


def test_a_metric_of_training_can_be_watched():
    run = Trainer(trainer().model, CrossEntropy(), SGD(1e-30))  # nothing changes: never better
    history = run.fit(X, Y, 9, 20, callbacks=[EarlyStopping(monitor="loss", patience=3)])
    assert len(history.epochs) == 4


@pytest.mark.parametrize(
    ("monitor", "message"),
    [
        ("val_loss", "cannot watch 'val_loss'.* Give fit validation_data="),
        ("lose", "cannot watch 'lose': this training measures epoch, loss, accuracy"),
    ],
)
def test_a_metric_that_nobody_measures_is_refused_before_the_first_step(monitor, message):
    run = trainer()
    with pytest.raises(ValueError, match=message):
        run.fit(X, Y, 2, 8, callbacks=[EarlyStopping(monitor=monitor)])
    assert run.step == 0


@pytest.mark.parametrize("patience", [0, -1])
def test_early_stopping_needs_patience(patience):
    with pytest.raises(ValueError, match=r"patience must be .* 1 or more"):
        EarlyStopping(patience=patience)


@pytest.mark.parametrize(
    ("losses", "min_delta", "epochs", "best"),
    [
        ([5, 4.5, 4, 3.5, 1], 1, 4, 4),  # 1.5 since epoch 1, the last that counted
        ([5, 4, 3, 2, 1], 1, 4, 3),  # a change of exactly min_delta is none: 3 is 2 below 5
        ([5, 4.9, 4.8, 4.7, 1], 1, 4, 1),
    ],
)
def test_only_a_change_of_more_than_min_delta_is_an_improvement(losses, min_delta, epochs, best):
    run = scripted(losses)
    stopper = EarlyStopping(patience=3, min_delta=min_delta)
    history = run.fit(X, Y, epochs, 8, validation_data=(X[::-1], Y[::-1]), callbacks=[stopper])
    assert len(history.epochs) == epochs
    assert stopper.best_epoch == best
    assert run.model.params.tobytes() == run.kept[best - 1].tobytes()


def test_min_delta_counts_in_the_direction_of_a_metric_that_rises():
    run = scripted([0.2, 0.25, 0.5, 0.55, 0.6], "accuracy")
    stopper = EarlyStopping("val_accuracy", patience=2, min_delta=0.2)
    history = run.fit(X, Y, 5, 8, validation_data=(X[::-1], Y[::-1]), callbacks=[stopper])
    assert (len(history.epochs), stopper.best_epoch) == (5, 3)


@pytest.mark.parametrize(("mode", "best"), [("min", 2), ("max", 3)])
@pytest.mark.parametrize("name", ["loss", "accuracy", "gap"])
def test_the_mode_overrules_the_name(mode, best, name):
    run = scripted([0.5, 0.1, 0.9], name)
    stopper = EarlyStopping(f"val_{name}", 9, mode=mode)
    others = [FunctionCallback(on_epoch_begin=lambda run: None)]  # a callback that might measure it
    run.fit(X, Y, 3, 8, validation_data=(X[::-1], Y[::-1]), callbacks=[stopper, *others])
    assert stopper.best_epoch == best


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "rise"}, r"mode must be \"min\" \(lower is better\), .* got 'rise'"),
        ({"mode": None}, r"mode must be .* got None"),
        ({"min_delta": -0.1}, r"min_delta must be a number, 0 or more, got -0\.1.*mode=\"max\""),
        ({"min_delta": np.nan}, "min_delta must be a number, 0 or more, got nan"),
        ({"min_delta": "max"}, "min_delta must be a number, 0 or more, got 'max'"),
        ({"min_delta": True}, "min_delta must be a number, 0 or more, got True"),
    ],
)
def test_early_stopping_refuses_another_direction_and_another_change(arguments, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**arguments)


def test_early_stopping_used_again_starts_anew():
    stopper = EarlyStopping(patience=1)
    scripted([0.1, 0.2]).fit(X, Y, 2, 8, validation_data=(X[::-1], Y[::-1]), callbacks=[stopper])
    run = scripted([5, 4, 3, 4])
    history = run.fit(X, Y, 4, 8, validation_data=(X[::-1], Y[::-1]), callbacks=[stopper])
    assert len(history.epochs) == 4
    assert run.model.params.tobytes() == run.kept[2].tobytes()


def test_early_stopping_used_again_in_a_second_fit_starts_anew():
    stopper = EarlyStopping(patience=1)
    run = scripted([0.1, 0.2, 5, 4, 6])
    run.fit(X, Y, 2, 8, validation_data=(X[::-1], Y[::-1]), callbacks=[stopper])
    run.fit(X, Y, 3, 8, validation_data=(X[::-1], Y[::-1]), callbacks=[stopper])
    assert run.history["epoch"] == [1, 2, 3, 4, 5]
    assert run.model.params.tobytes() == run.kept[3].tobytes()


def test_early_stopping_never_brings_in_another_models_weights():
    stopper = EarlyStopping(patience=5)
    scripted([0.1, 0.2]).fit(X, Y, 2, 8, validation_data=(X[::-1], Y[::-1]), callbacks=[stopper])
    run = scripted([3, 2, 1])
    run.fit(X, Y, 1, 8, validation_data=(X[::-1], Y[::-1]))
    run.fit(X, Y, 2, 8, validation_data=(X[::-1], Y[::-1]), callbacks=[stopper])
    assert run.model.params.tobytes() == run.kept[2].tobytes()


def test_an_interrupted_training_keeps_its_last_weights():
    # otherwise the checkpoint's run would go on from another place than it was left at
    run = scripted([1, 2, 3])
    last = []

    def stop(run):
        run.stop = run.step == 7
        last.append(run.model.params.copy())

    run.fit(
        X,
        Y,
        9,
        8,
        validation_data=(X[::-1], Y[::-1]),
        callbacks=[EarlyStopping(), FunctionCallback(on_step_end=stop)],
    )
    assert run.model.params.tobytes() == last[-1].tobytes()


# ProgressBar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def slow(run):
    time.sleep(0.06)  # tqdm redraws ten times a second


@pytest.mark.slow
def test_the_bar_is_silent_where_there_is_no_terminal(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    trainer().fit(X, Y, 2, 4, callbacks=[FunctionCallback(on_step_end=slow), ProgressBar()])
    assert stream.getvalue() == ""


@pytest.mark.slow
def test_the_bar_shows_loss_accuracy_images_per_second_and_time_left(monkeypatch):
    stream = Terminal()
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "stderr", stream)
    trainer().fit(X, Y, 2, 4, callbacks=[FunctionCallback(on_step_end=slow), ProgressBar()])
    shown = [line for line in stream.getvalue().split("\r") if "loss=" in line]
    assert shown
    for expected in (r"epoch 1/2", r"epoch 2/2", r"accuracy=0.", r" images/s", r"/20 ", r"<00:0"):
        assert any(expected in line for line in shown), expected


@pytest.mark.slow
def test_the_bar_shows_the_means_so_far(monkeypatch):
    stream = Terminal()
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "stderr", stream)
    means = []
    note = FunctionCallback(
        on_step_end=lambda run: means.append(run.totals.loss / run.totals.n_samples)
    )
    trainer().fit(X, Y, 1, 4, callbacks=[FunctionCallback(on_step_end=slow), note, ProgressBar()])
    lines = [line for line in stream.getvalue().split("\r") if "loss=" in line]
    shown = {line.split("loss=")[1].split(",")[0] for line in lines}
    assert shown
    assert shown <= {f"{mean:.4f}" for mean in means}


@pytest.mark.parametrize("stop_at", [5, 2, 7])
def test_the_bar_is_gone_when_training_ends_or_is_stopped(monkeypatch, stop_at):
    # otherwise the next thing that the program prints would stand in the bar's line
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    bar = ProgressBar()
    stop = FunctionCallback(on_step_end=lambda run: setattr(run, "stop", run.step == stop_at))
    trainer().fit(X, Y, 2, 4, callbacks=[stop, bar])
    assert "epoch 1/2" in stream.getvalue()
    assert stream.getvalue().split("\r")[-1].strip() == ""


def test_the_bar_works_in_a_training_with_no_epoch_left(tmp_path):
    path = tmp_path / "run.npz"
    trainer().fit(X, Y, 1, 20, callbacks=[ProgressBar(), Checkpoint(path)])
    run = trainer()
    run.fit(X, Y, 1, 20, callbacks=[ProgressBar(), Checkpoint(path)], resume_from=path)
    assert run.epoch == 1


# Checkpoint


def test_a_checkpoint_that_another_program_holds_is_a_warning_and_training_goes_on(
    tmp_path, held, monkeypatch
):
    monkeypatch.setattr("tinynn.files.locks.PATIENCE_SECONDS", 0.05)
    path, run, straight = tmp_path / "run.npz", trainer(), trainer()
    hold = FunctionCallback(
        affects_training=False, on_epoch_end=lambda run: held(60) if run.epoch == 2 else None
    )
    with pytest.warns(UserWarning, match="Close it in the spreadsheet") as caught:
        history = run.fit(X, Y, 3, 20, callbacks=[Checkpoint(path), hold])
    told = f"could not be written to {path}; kept is {path}, of epoch 1, step 1"
    assert [told in str(warning.message) for warning in caught] == [True, True]
    assert [row["epoch"] for row in history.epochs] == [1, 2, 3]
    assert run.checkpoint == f"{path}, of epoch 1, step 1"
    monkeypatch.undo()
    resumed = trainer()
    resumed.fit(X, Y, 3, 20, callbacks=[Checkpoint(path)], resume_from=path)
    straight.fit(X, Y, 3, 20)
    assert straight.model.params.tobytes() == run.model.params.tobytes()
    assert straight.model.params.tobytes() == resumed.model.params.tobytes()


def test_a_disk_that_is_full_for_a_checkpoint_still_ends_training(tmp_path, monkeypatch):
    def full(file, **arrays):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("numpy.savez", full)
    with pytest.raises(OSError, match=r"No space left on device: the checkpoint .* none yet"):
        trainer().fit(X, Y, 1, 20, callbacks=[Checkpoint(tmp_path / "run.npz")])


@pytest.fixture
def saves(monkeypatch):
    """Record (epoch, step, samples in this epoch) at every checkpoint."""
    seen = []
    original = Checkpoint._save

    def save(self, run):
        seen.append((run.epoch, run.step, run.totals.n_samples))
        original(self, run)

    monkeypatch.setattr(Checkpoint, "_save", save)
    return seen


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [(1, 3, 0), (2, 6, 0), (3, 9, 0), (4, 12, 0), (5, 15, 0)]),
        ({"every_epochs": 2}, [(2, 6, 0), (4, 12, 0), (5, 15, 0)]),  # and always the last
        (
            {"every_epochs": 9, "every_steps": 4},
            [(2, 4, 8), (3, 8, 16), (4, 12, 20), (5, 15, 0)],
        ),
    ],
)
def test_checkpoints_are_written_at_the_moments_asked_for(tmp_path, saves, settings, expected):
    path = tmp_path / "run.npz"
    trainer().fit(X, Y, 5, 8, callbacks=[Checkpoint(path, **settings)])
    assert saves == expected


@pytest.mark.parametrize(("stop_at", "expected"), [(1, (1, 1, 8)), (5, (2, 5, 16)), (6, (2, 6, 0))])
def test_a_run_told_to_stop_writes_one_more(tmp_path, saves, stop_at, expected):
    stop = FunctionCallback(on_step_end=lambda run: setattr(run, "stop", run.step == stop_at))
    trainer().fit(X, Y, 5, 8, callbacks=[Checkpoint(tmp_path / "run.npz", every_epochs=9), stop])
    assert saves == [expected]


def test_the_checkpoint_is_written_after_all_other_callbacks(tmp_path):
    path = tmp_path / "run.npz"
    there = []

    class Counter(Callback):
        count = 0

        def on_epoch_end(self, run):
            there.append(path.exists())
            self.count += 1

        def state(self):
            return {"count": self.count}

        def load_state(self, state):
            self.count = state["count"]

    trainer().fit(X, Y, 1, 20, callbacks=[Checkpoint(path), Counter()])
    assert there == [False]
    with np.load(path) as archive:
        assert '"count": 1' in str(archive["training"])


def test_other_callbacks_are_called_in_the_order_given():
    order = []
    first, second = (
        FunctionCallback(on_epoch_end=lambda run, i=i: order.append(i)) for i in (1, 2)
    )
    trainer().fit(X, Y, 2, 20, callbacks=[first, second])
    assert order == [1, 2, 1, 2]


def test_a_new_checkpoint_takes_the_place_of_the_old(tmp_path):
    path = tmp_path / "run.npz"
    sizes = []
    run = trainer()
    note = FunctionCallback(on_epoch_begin=lambda run: sizes.append(path.exists()))
    run.fit(X, Y, 3, 20, callbacks=[Checkpoint(path), note])
    assert sizes == [False, True, True]
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]
    with np.load(path) as archive:
        assert np.array_equal(archive["0.Dense.W"], run.model.layers[0].W)


@pytest.mark.parametrize(
    "settings", [{"every_epochs": 0}, {"every_steps": 0}, {"every_epochs": -1}, {"every_steps": -5}]
)
def test_a_checkpoint_that_would_never_come_is_refused(settings):
    with pytest.raises(ValueError, match=f"{next(iter(settings))} must be .* 1 or more"):
        Checkpoint("run.npz", **settings)


# callbacks of one's own


def test_a_callback_of_ones_own_needs_only_the_event_it_cares_for():
    class HalveAfter(Callback):
        def __init__(self, epoch):
            self.epoch = epoch

        def on_epoch_end(self, trainer):
            if trainer.epoch == self.epoch:
                trainer.optimizer.learning_rate /= 2

    history = trainer().fit(X, Y, 4, 20, callbacks=[HalveAfter(2)])
    assert history["learning_rate"] == [0.05, 0.05, 0.025, 0.025]
    assert HalveAfter(2).config() == {"epoch": 2}
    assert HalveAfter(2).state() == {}


def test_an_error_in_a_callback_reaches_the_user():
    def fail(run):
        raise RuntimeError("my own")

    with pytest.raises(RuntimeError, match="my own"):
        trainer().fit(X, Y, 1, 20, callbacks=[FunctionCallback(on_step_end=fail)])


@pytest.mark.parametrize(
    ("callback", "config"),
    [
        (CSVLogger("log.csv"), {"path": "log.csv", "if_exists": "error"}),
        (ProgressBar(), {}),
        (
            EarlyStopping("loss", 7, 0.1, "min"),
            {"monitor": "loss", "patience": 7, "min_delta": 0.1, "mode": "min"},
        ),
        (
            Checkpoint("a", 2, 3, "backup"),
            {"path": "a", "every_epochs": 2, "every_steps": 3, "if_exists": "backup"},
        ),
        (PrintLog(), {}),
        (LiveCurves("a.png", 2), {"path": "a.png", "every_epochs": 2}),
    ],
)
def test_config_holds_the_arguments(callback, config):
    assert callback.config() == config


FULL_DISK = """
import resource, signal, sys
import numpy as np
from tinynn import Adam, CrossEntropy, CSVLogger, Dense, Sequential, Softmax, Trainer

model = Sequential([Dense(2), Softmax()], input_shape=(2,))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
x, y = np.eye(2), np.array([0, 1])
Trainer(model, CrossEntropy(), Adam()).fit(x, y, epochs=50, callbacks=[CSVLogger(sys.argv[1])])
"""


@pytest.mark.slow
def test_a_disk_that_fills_up_keeps_whole_rows_and_says_so(tmp_path):
    log = tmp_path / "log.csv"
    command = [sys.executable, "-c", FULL_DISK, str(log), "200"]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0  # a log costs no trained model
    assert f"a row could not be written to {log}; those before it are kept" in process.stderr
    text = log.read_text()
    assert 100 < len(text) <= 200
    assert text.endswith("\n")
    assert {line.count(",") for line in text.splitlines()} == {4}
