"""Protects FunctionCallback: each event calls its function, a misspelled one is refused, resume."""

import sys

import pytest

from oracles import random_data
from tinynn import (
    Adam,
    Callback,
    Checkpoint,
    CrossEntropy,
    Dense,
    EarlyStopping,
    FunctionCallback,
    InputError,
    Sequential,
    Softmax,
    Trainer,
)

X, Y = random_data(20)
HELD_OUT = random_data(12, seed=1)
EVENTS = [name for name in vars(Callback) if name.startswith("on_")]


def fit(callbacks, epochs=2, path=None, resume=False):
    model = Sequential([Dense(3), Softmax()], input_shape=(4,))
    trainer = Trainer(model, CrossEntropy(), Adam(0.05))
    callbacks = [*callbacks, Checkpoint(path)] if path else callbacks
    trainer.fit(X, Y, epochs, 10, HELD_OUT, callbacks, path if resume else None)
    return trainer


def halve(trainer):
    trainer.model.grads *= 0.5


def test_each_event_calls_its_function_with_the_trainer_in_the_order_of_training():
    called = []
    functions = {name: lambda trainer, name=name: called.append((name, trainer)) for name in EVENTS}
    trainer = fit([FunctionCallback(**functions)], epochs=1)
    assert {owner for _, owner in called} == {trainer}
    step = ["on_step_begin", "on_gradients", "on_step_end"]
    validation = ["on_validation_begin", "on_validation_end"]
    begin, end = ["on_train_begin", "on_epoch_begin"], ["on_epoch_end", "on_train_end"]
    assert [name for name, _ in called] == [*begin, *step, *step, *validation, *end]


@pytest.mark.parametrize("event", ["on_gradients", "on_validation_begin", "on_epoch_end"])
@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_an_error_is_told_once_and_goes_on(event, kind):
    called = []

    def fail(trainer):
        raise kind("no more")

    def tell(trainer):
        called.append((trainer.epoch, sys.exc_info()[1]))

    watch = FunctionCallback(on_train_error=tell, on_train_end=lambda trainer: called.append("end"))
    with pytest.raises(kind) as caught:
        fit([watch, FunctionCallback(**{event: fail})])
    assert called == [(1, caught.value)]


def test_it_does_what_a_class_does():
    class Halve(Callback):
        def on_gradients(self, trainer):
            halve(trainer)

    by_class, by_function = fit([Halve()]), fit([FunctionCallback(on_gradients=halve)])
    assert by_function.model.params.tobytes() == by_class.model.params.tobytes()
    assert by_function.model.params.tobytes() != fit([]).model.params.tobytes()


def test_early_stopping_can_watch_what_a_function_writes():
    def score(trainer):
        trainer.history.epochs[-1]["val_f1"] = (0.9, 0.5, 0.4)[trainer.epoch - 1]

    stopper = EarlyStopping("val_f1", patience=2)
    fit([stopper, FunctionCallback(on_epoch_end=score)], epochs=3)
    assert stopper.best_epoch == 1


def no_argument():
    """Take nothing."""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"on_epoch_ends": print}, "no event on_epoch_ends. Did you mean on_epoch_end?"),
        ({"on_batch_end": print}, "no event on_batch_end. Did you mean on_.*_end?"),
        ({"xyz": print}, "no event xyz. The events are on_train_begin, on_epoch_begin,"),
        ({"on_epoch_end": None}, "must be a function of the trainer, got None. Write f, not f"),
        ({"on_epoch_end": 3}, "must be a function of the trainer, got 3"),
        ({"on_epoch_end": no_argument}, "of one argument, the trainer, but <function no_argument"),
        ({"on_epoch_end": lambda a, b: None}, "of one argument, the trainer, but <function"),
        ({}, "without a function does nothing"),
        ({"affects_training": print}, "must be True or False, got <built-in function print>"),
    ],
)
def test_what_would_never_be_called_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        FunctionCallback(**arguments)


def test_config_builds_an_equal_one_and_repr_names_the_functions():
    one = FunctionCallback(False, on_epoch_end=halve)
    assert one.config() == {"affects_training": False, "on_epoch_end": halve}
    assert FunctionCallback(**one.config()).config() == one.config()
    assert repr(one) == "FunctionCallback(affects_training=False, on_epoch_end=halve)"


def test_a_resumed_run_goes_on_with_the_same_functions_to_the_same_bits(tmp_path):
    def callbacks():
        return [FunctionCallback(on_gradients=lambda trainer: halve(trainer))]

    whole = fit(callbacks(), epochs=3)
    fit(callbacks(), 1, tmp_path / "run.npz")
    resumed = fit(callbacks(), 3, tmp_path / "run.npz", resume=True)
    assert resumed.model.params.tobytes() == whole.model.params.tobytes()


@pytest.mark.parametrize(
    "changed",
    [
        [FunctionCallback(on_gradients=lambda trainer: None)],
        [FunctionCallback(on_step_end=halve)],
        [FunctionCallback(on_gradients=halve, on_step_end=print)],
        [FunctionCallback(False, on_gradients=halve)],
        [],
    ],
)
def test_a_resumed_run_with_other_functions_is_refused(tmp_path, changed):
    fit([FunctionCallback(on_gradients=halve)], 1, tmp_path / "run.npz")
    with pytest.raises(InputError, match="callbacks"):
        fit(changed, 2, tmp_path / "run.npz", resume=True)


def test_functions_that_only_watch_are_not_compared(tmp_path):
    fit([FunctionCallback(False, on_epoch_end=print)], 1, tmp_path / "run.npz")
    watches = FunctionCallback(False, on_step_end=lambda trainer: None)
    resumed = fit([watches], 2, tmp_path / "run.npz", resume=True)
    assert resumed.model.params.tobytes() == fit([]).model.params.tobytes()
