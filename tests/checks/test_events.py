"""Protects a training from its callbacks: what they must not change is refused when it is changed.

The oracle is the words of each refusal, or a run without the callback.
"""

import copy
import pickle

import numpy as np
import pytest

from oracles import random_data
from tinynn import (
    SGD,
    Callback,
    Checkpoint,
    CrossEntropy,
    CSVLogger,
    Dense,
    EarlyStopping,
    FunctionCallback,
    InputError,
    LiveCurves,
    RunPage,
    Sequential,
    Softmax,
    Trainer,
)

X, Y = random_data(20)


def made():
    model = Sequential([Dense(3), Softmax()], input_shape=X.shape[1:])
    return Trainer(model, CrossEntropy(), SGD(0.1))


class Does(Callback):
    """Does something in an event."""

    affects_training = False

    def __init__(self, what, event):
        self.what, self.event = what, event

    def _in(self, event, trainer):
        if event == self.event:
            self.what(trainer)

    def on_epoch_begin(self, trainer):
        self._in("on_epoch_begin", trainer)

    def on_step_end(self, trainer):
        self._in("on_step_end", trainer)

    def on_epoch_end(self, trainer):
        self._in("on_epoch_end", trainer)


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("epoch", 0, "trainer.stop = True"),  # would train for ever
        ("step", 0, "trainer.stop = True"),
        ("x", X[:10], "trainer.samples"),
        ("y", Y[::-1], "trainer.samples"),
        ("n_samples", 3, "trainer.samples"),
        ("history", None, "trainer.history.epochs[-1]['name']"),
        ("totals", None, "trainer.history.epochs[-1]['name']"),
        ("seed", 7, "before training begins"),
        ("callbacks", [], "before training begins"),
        ("batch_size", 4, "call fit again"),  # a resumed run would go on with fit's
        ("epochs", 9, "call fit again"),
        ("optimizer", SGD(0.2), "trainer.optimizer.learning_rate = ..."),
        ("loss", CrossEntropy(), "another Trainer"),
        ("model", None, "another Trainer"),
        ("metrics", {}, "another Trainer"),
    ],
)
@pytest.mark.parametrize("event", ["on_epoch_begin", "on_step_end", "on_epoch_end"])
def test_a_callback_that_sets_what_only_fit_sets_is_refused_at_once(name, value, remedy, event):
    trainer = made()
    with pytest.raises(InputError) as refused:
        trainer.fit(X, Y, 3, 8, callbacks=[Does(lambda run: setattr(run, name, value), event)])
    assert str(refused.value).startswith(f"Does.{event} sets trainer.{name}, which only fit sets. ")
    assert remedy in str(refused.value)


def test_after_a_refusal_and_before_training_these_may_be_set():
    trainer = made()
    with pytest.raises(InputError, match="only fit sets"):
        trainer.fit(X, Y, 1, callbacks=[Does(lambda run: setattr(run, "seed", 3), "on_epoch_end")])
    trainer.seed = 3
    assert trainer.seed == 3


def row_of(trainer):
    return trainer.history.epochs[-1]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda run: row_of(run).pop("loss"), "'loss' of epoch 1 is None, not a number"),
        (lambda run: row_of(run).update(loss="low"), "'loss' of epoch 1 is 'low', not a number"),
        (lambda run: row_of(run).update(epoch=7), "the row of epoch 1 is {'epoch': 7"),
        (lambda run: row_of(run).update({3: 0.5}), "a metric has the name 3, not a text"),
        (lambda run: row_of(run).update({"": 0.5}), "a metric has the name '', not a text"),
        (lambda run: run.history.epochs.clear(), "it has 0 rows after 1 epochs"),
        (lambda run: run.history.epochs.append({}), "it has 2 rows after 1 epochs"),
        (lambda run: setattr(run.history, "epochs", None), "its epochs are None, not a list"),
        (lambda run: run.history.epochs.__setitem__(0, None), "the row of epoch 1 is None"),
    ],
)
@pytest.mark.parametrize("others", [False, True])
def test_a_history_that_nothing_could_go_on_from_is_refused(change, wrong, others, tmp_path):
    """With others that read the row after this callback, it is still this one that is named."""
    more = [CSVLogger(tmp_path / "log.csv"), EarlyStopping("loss")] if others else []
    with pytest.raises(InputError) as refused:
        made().fit(X, Y, 2, callbacks=[*more, Does(change, "on_epoch_end")])
    assert "Does.on_epoch_end has changed the history" in str(refused.value)
    assert wrong in str(refused.value)
    assert "trainer.history.epochs[-1]['name'] = ..." in str(refused.value)


def test_a_callback_cannot_call_the_fit_that_is_running():
    trainer = made()
    with pytest.raises(InputError, match=r"Does.on_epoch_end calls trainer.fit, which is still"):
        trainer.fit(X, Y, 2, callbacks=[Does(lambda run: run.fit(X, Y, 1), "on_epoch_end")])
    assert len(trainer.history.epochs) == 1
    trainer.fit(X, Y, 1)  # the Trainer is not lost
    assert [row["epoch"] for row in trainer.history.epochs] == [1, 2]


def test_evaluate_in_a_callback_and_a_copy_that_a_callback_makes_are_free():
    copies = []

    def work(run):
        run.evaluate(X, Y)
        run.callbacks[0].what = None  # as a function within a function cannot be pickled
        copies.extend([copy.deepcopy(run), pickle.loads(pickle.dumps(run))])

    trainer = made()
    trainer.fit(X, Y, 1, callbacks=[Does(work, "on_epoch_end")])
    whole = trainer.fit(X, Y, 1)
    for each in copies:
        each.seed, each.callbacks = 0, []
        assert each.fit(X, Y, 1)["loss"] == whole["loss"]
        assert np.array_equal(each.model.params, trainer.model.params)


@pytest.mark.parametrize(
    ("kinds", "names"),
    [
        ((CSVLogger, Checkpoint), "CSVLogger and Checkpoint"),
        ((Checkpoint, RunPage), "Checkpoint and RunPage"),
        ((RunPage, LiveCurves), "RunPage and LiveCurves"),
        ((Checkpoint, Checkpoint), "Checkpoint and Checkpoint"),
    ],
)
@pytest.mark.parametrize("other", ["run", "./folder/../run", "link"])
def test_two_callbacks_that_would_replace_each_others_file_are_refused(
    kinds, names, other, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("run")
    trainer = made()
    with pytest.raises(InputError, match=f"{names} would both write run. Give each a path"):
        trainer.fit(X, Y, 1, callbacks=[kinds[0]("run"), kinds[1](other)])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["folder", "link"]
    assert not trainer.history.epochs


def test_callbacks_without_a_path_or_with_two_share_no_file(tmp_path):
    files = [Checkpoint(tmp_path / "a.npz"), Checkpoint(tmp_path / "b.npz")]
    made().fit(X, Y, 1, callbacks=[*files, EarlyStopping("loss")])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def method(function):
    return lambda: type("Mine", (Callback,), {"on_epoch_end": function})


async def awaited(self, trainer):
    pass


def yielding(self, trainer):
    yield


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (method(awaited), "Mine.on_epoch_end is async, and nobody awaits it. Write def instead"),
        (method(yielding), "Mine.on_epoch_end has a yield in it, so a call would do nothing"),
        (method(lambda self: None), r"Write def on_epoch_end\(self, trainer\)"),
        (method(lambda: None), r"Write def on_epoch_end\(self, trainer\)"),
        (method(None), "Mine.on_epoch_end must be a method, got None"),
        (
            lambda: FunctionCallback(on_step_end=lambda run: (yield)),
            "on_step_end has a yield in it",
        ),
    ],
)
def test_an_event_that_could_not_be_told_is_refused_when_the_class_is_made(make, words):
    with pytest.raises(InputError, match=words):
        make()


@pytest.mark.parametrize("order", ["first", None, 0.5])
def test_an_order_is_a_whole_number(order):
    class Mine(Callback):
        def order(self, trainer):
            return order

    with pytest.raises(InputError, match=r"Mine\.order returned .*; it must return a whole number"):
        made().fit(X, Y, 1, callbacks=[Mine(), EarlyStopping("loss")])


def test_a_state_that_would_not_come_back_is_refused():
    class Mine(Callback):
        def state(self):
            return {"count": 1}

    with pytest.raises(InputError, match=r"Mine has state\(\), but no load_state\(self, state\)"):
        made().fit(X, Y, 1, callbacks=[Mine()])
