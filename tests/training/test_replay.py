"""Protects the replay: each step has the training's bits, and nothing of the user's changes."""

import copy
import sys

import numpy as np
import pytest

import tinynn.training.replay
import tinynn.training.resume
from oracles import random_data
from tinynn import (
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    Callback,
    Checkpoint,
    ClipGradientNorm,
    CosineDecay,
    CrossEntropy,
    CSVLogger,
    Dense,
    Dropout,
    EarlyStopping,
    ExponentialMovingAverage,
    FunctionCallback,
    InputError,
    LinearDecay,
    MeanSquaredError,
    ModelFormatError,
    ReduceOnPlateau,
    ReLU,
    Replay,
    Sequential,
    Softmax,
    Trainer,
    TrainingDiverged,
    WhatIf,
    explain_step,
    save_model,
)

X, Y = random_data(50)  # batches of 8: seven steps in an epoch, the last one of two samples
WEIGHTS = np.random.default_rng(3).random(50)
EPOCHS, STEPS = 4, 28
ARGUMENTS = {
    "x": X, "y": Y, "epochs": EPOCHS, "batch_size": 8, "validation_data": random_data(12, seed=1),
    "sample_weight": WEIGHTS,
}  # fmt: skip


class Keep(Callback):
    """Copies all that a moment has, after each step, and again at the end of the epoch."""

    affects_training = False

    def __init__(self):
        self.steps = {}

    def order(self, trainer):
        return sys.maxsize  # after all others

    def on_train_begin(self, trainer):
        self.on_step_end(trainer)

    def on_step_end(self, trainer):
        self.steps[trainer.step] = bits(
            trainer.model, trainer.optimizer, trainer.batch, trainer.batch_loss,
            trainer.history, [one for one in trainer.callbacks if one.affects_training],
        )  # fmt: skip

    def on_epoch_end(self, trainer):
        self.on_step_end(trainer)


def bits(model, optimizer, batch, loss, history, callbacks):
    """All that must be the same, by its bytes; seconds aside."""
    numbers = {k: v for k, v in optimizer.config().items() if not callable(v)}
    return {
        "params": model.params.tobytes(),
        "buffers": model.buffers.tobytes(),
        "draws": model.streams.state(),
        "optimizer": frozen(optimizer.state()),
        "numbers": numbers,
        "rate": optimizer.rate(max(optimizer.t, 1)) if optimizer.t else None,
        "batch": [part.tobytes() for part in batch],
        "loss": np.float64(loss).tobytes(),
        "history": [{**row, "seconds": 0} for row in history.epochs],
        "callbacks": {type(one).__name__: frozen(one.state()) for one in callbacks},
    }


def frozen(state):
    return {k: v.tobytes() if isinstance(v, np.ndarray) else v for k, v in state.items()}


def of(moment):
    return bits(
        moment.model, moment.optimizer, moment.batch, moment.loss, moment.history, moment.callbacks
    )


def trainer(optimizer=None, seed=0, model_seed=0):
    layers = [Dense(6), BatchNorm(), ReLU(), Dropout(0.3), Dense(3), Softmax()]
    model = Sequential(layers, (4,), seed=model_seed)
    return Trainer(model, CrossEntropy(), optimizer or AdamW(CosineDecay(0.05, warmup=3)), seed)


def affecting():
    return [ExponentialMovingAverage(0.9), EarlyStopping(patience=9), ClipGradientNorm(0.5)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A training with everything random in it, what it was after each step, and its checkpoints."""
    folder, keep = tmp_path_factory.mktemp("run"), Keep()
    watching = [keep, CSVLogger(folder / "log.csv"), Checkpoint(folder / "last.npz")]
    numbered = Checkpoint(folder / "run-{step}.npz", every_steps=5)
    trained = trainer()
    trained.fit(**ARGUMENTS, callbacks=[*affecting(), *watching, numbered])
    return folder, keep.steps, trained


def replay(run, checkpoints, **changed):
    begun, paths = changed.pop("of", None), None if checkpoints is None else run[0] / checkpoints
    arguments = {**ARGUMENTS, "callbacks": affecting(), "checkpoints": paths, **changed}
    return Replay(begun or trainer(), **arguments)


# Any step


@pytest.mark.first_cases(6)
@pytest.mark.parametrize(
    ("checkpoints", "step"),
    [
        *((None, step) for step in (0, 1, 6, 7, 8, 20, 28)),
        *(("run-{step}.npz", step) for step in (0, 3, 5, 7, 13, 14, 27, 28)),
    ],
)
def test_a_step_has_the_bits_that_the_training_had(run, checkpoints, step):
    now, then = of(replay(run, checkpoints).at(step)), run[1][step]
    if not step:  # a fresh Trainer has a batch of no samples, and no average yet
        del now["batch"]
    assert now == {name: then[name] for name in now}


def test_a_step_has_the_bits_of_a_training_that_was_really_stopped_there(run):
    stop = FunctionCallback(affects_training=False, on_step_end=stop_at(17))
    stopped = trainer()
    stopped.fit(**ARGUMENTS, callbacks=[*affecting(), stop])
    moment = replay(run, "run-{step}.npz").at(17)
    assert moment.model.params.tobytes() == stopped.model.params.tobytes()
    assert frozen(moment.optimizer.state()) == frozen(stopped.optimizer.state())
    assert (moment.step, moment.epoch) == (stopped.step, stopped.epoch) == (17, 3)


def stop_at(step):
    def stop(trainer):
        trainer.stop = trainer.step == step

    return stop


def test_a_trained_trainer_is_replayed_from_its_checkpoints(run):
    again = replay(run, "run-{step}.npz", of=run[2])
    assert of(again.at(9)) == run[1][9]


def test_the_next_batch_is_what_the_next_step_trains_on(run):
    again = replay(run, "run-{step}.npz")
    for step in (0, 6, 7, 12):
        following = again.at(step).next_batch
        assert [part.tobytes() for part in following] == run[1][step + 1]["batch"]
    assert again.at(STEPS).next_batch == ()


def test_a_moment_explains_the_step_that_follows():
    plain = Trainer(Sequential([Dense(3), Softmax()], (4,)), CrossEntropy(), SGD(0.1))
    again = Replay(plain, X, Y, epochs=1, batch_size=8)
    was = again.at(2)
    before = was.model.params.copy()
    page = explain_step(was.model, plain.loss, was.optimizer, *was.next_batch)
    assert f"{again.at(3).loss:.4f}"[:5] in str(page)
    assert np.array_equal(was.model.params, before)


def test_a_moment_belongs_to_the_caller(run):
    again = replay(run, None)
    moment = again.at(3)
    moment.model.params[:] = moment.model.grads[:] = 7
    moment.optimizer.t = 99
    moment.callbacks[0].average[0][:] = 7
    assert of(again.at(3)) == run[1][3]
    assert moment.model.params.base is not again.at(3).model.params.base


def test_a_step_from_the_middle_of_the_last_step_of_an_epoch_ends_the_epoch(tmp_path):
    """every_steps writes such a file, and nothing replaces it if epochs count in twos."""
    begun = copy.deepcopy(trainer())
    files = Checkpoint(tmp_path / "run-{step}.npz", every_epochs=2, every_steps=7)
    keep = Keep()
    begun.fit(**ARGUMENTS, callbacks=[*affecting(), files, keep])
    again = Replay(
        trainer(), **ARGUMENTS, callbacks=affecting(), checkpoints=tmp_path / "run-{step}.npz"
    )
    assert of(again.at(7)) == keep.steps[7]
    assert of(again.at(8)) == keep.steps[8]


# What if


class SetAfter(Callback):
    """Sets a number of the optimizer after a step, as a user's program would."""

    def __init__(self, step, **numbers):
        self.step, self.numbers = step, numbers

    def on_step_end(self, trainer):
        if trainer.step == self.step:
            for name, value in self.numbers.items():
                setattr(trainer.optimizer, name, value)


@pytest.mark.parametrize(
    ("step", "change"),
    [
        (0, {"beta1": 0.5}),
        (12, {"learning_rate": 0.2}),
        (12, {"beta1": 0.5, "weight_decay": 0.5}),
    ],
)
def test_a_change_has_the_bits_of_a_training_in_which_a_callback_made_it(run, step, change):
    made, losses = trainer(AdamW(0.05)), []
    note = FunctionCallback(
        affects_training=False, on_step_end=lambda trainer: losses.append(trainer.batch_loss)
    )
    if step:
        made.fit(**ARGUMENTS, callbacks=[*affecting(), SetAfter(step, **change), note])
    else:
        made = trainer(AdamW(**{"learning_rate": 0.05, **change}))
        made.fit(**ARGUMENTS, callbacks=[*affecting(), note])
    again = replay(run, None, of=trainer(AdamW(0.05)))
    result = again.what_if(from_step=step, **change)
    assert result.changed.losses == losses
    assert result.changed.model.params.tobytes() == made.model.params.tobytes()
    assert result.as_it_was.losses[:step] == losses[:step]
    assert result.as_it_was.losses[step + 1 :] != losses[step + 1 :]
    assert result.before == {name: getattr(AdamW(0.05), name) for name in change}


def test_as_it_was_ends_as_the_training_did(run):
    result = replay(run, "run-{step}.npz").what_if(from_step=11, learning_rate=0.0)
    course = result.as_it_was
    assert (course.first_step, course.last_step) == (11, STEPS)
    assert course.model.params.tobytes() == run[2].model.params.tobytes()
    rows = {7 * row["epoch"]: {**row, "seconds": 0} for row in run[2].history.epochs[1:]}
    assert {step: {**row, "seconds": 0} for step, row in course.rows.items()} == rows
    stands = result.changed.rows[14]["loss"] != result.changed.rows[28]["loss"]
    assert stands  # Dropout still draws, though the weights no longer move


def test_a_new_schedule_begins_at_the_change_and_the_caller_s_is_told_nothing(run):
    schedule = LinearDecay(0.1)
    result = replay(run, None).what_if(from_step=8, learning_rate=schedule)
    told = result.changed.optimizer.learning_rate
    assert told(9) == 0.1
    assert told(STEPS) < told(STEPS - 1) < 0.011
    with pytest.raises(InputError):
        schedule(3)


def test_it_runs_until_a_step(run):
    result = replay(run, None).what_if(from_step=8, until=10, learning_rate=1.0)
    assert [len(c.losses) for c in (result.as_it_was, result.changed)] == [10, 10]


def test_a_training_that_diverges_is_a_result():
    """The change saves the one, or ruins it."""
    x = np.arange(8.0)[:, None]
    for rate, other in ((1e5, 1e-3), (1e-3, 1e5)):
        begun = Trainer(Sequential([Dense(1)], (1,)), MeanSquaredError(), SGD(rate))
        again = Replay(begun, x, 2 * x, epochs=60, batch_size=4)
        result = again.what_if(from_step=2, learning_rate=other)
        was, changed = result.as_it_was, result.changed
        assert ("diverged" in was.diverged, "diverged" in changed.diverged) == (
            rate > 1,
            other > 1,
        )
        assert "diverged in epoch" in str(result)
    fast = Trainer(Sequential([Dense(1)], (1,)), MeanSquaredError(), SGD(1e5))
    again = Replay(fast, x, 2 * x, epochs=60, batch_size=4)
    with pytest.raises(TrainingDiverged):
        again.what_if(from_step=50, learning_rate=1e-3)
    with pytest.raises(TrainingDiverged):
        again.at(50)


def test_a_callback_that_acts_goes_on_acting(run):
    begun = trainer(SGD(0.1))
    halve = ReduceOnPlateau(patience=1, min_delta=100.0)
    again = Replay(begun, **ARGUMENTS, callbacks=[halve])
    result = again.what_if(from_step=3, learning_rate=0.4)
    assert result.changed.optimizer.learning_rate < 0.4
    assert halve.state() == ReduceOnPlateau(patience=1, min_delta=100.0).state()


# Nothing of the user's changes


class Acts(Callback):
    """Counts what it was told, on itself."""

    told = 0

    def on_step_end(self, trainer):
        self.told += 1

    def on_train_end(self, trainer):
        self.told += 1000


def test_nothing_of_the_user_s_changes(run, tmp_path):
    folder = run[0]
    mine, watching = [*affecting(), Acts()], [CSVLogger(tmp_path / "log.csv"), Acts()]
    watching[1].affects_training = False
    fresh = trainer()
    again = Replay(fresh, **ARGUMENTS, callbacks=[*mine, *watching])

    def everything():
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        own = [frozen(callback.state()) for callback in mine], mine[-1].told, watching[1].told
        return (
            files,
            own,
            bits(fresh.model, fresh.optimizer, (X, Y, WEIGHTS), 0.0, fresh.history, []),
            fresh.model.grads.tobytes(),
            sorted(vars(fresh)),
            [*tmp_path.iterdir()],
        )

    before = everything()
    again.at(9)
    again.what_if(from_step=3, until=9, learning_rate=1.0)
    replay(run, "run-{step}.npz", of=fresh).at(16)
    assert everything() == before


def test_no_callback_is_told_of_an_end_that_did_not_come(run):
    again = replay(run, None, callbacks=[Acts()])
    assert again.at(9).callbacks[0].told == 9


class Bar(Callback):
    affects_training = False
    events = []  # noqa: RUF012  # of all bars

    def on_epoch_begin(self, trainer):
        self.events.append("begin")

    def on_train_end(self, trainer):
        self.events.append("end")


def test_a_progress_bar_among_the_callbacks_shows_the_replay_and_is_closed(run, monkeypatch):
    monkeypatch.setattr(tinynn.training.replay, "ProgressBar", Bar)
    again = replay(run, None, callbacks=[*affecting(), Bar()])
    assert of(again.at(9)) == run[1][9]
    assert Bar.events == ["begin", "begin", "end"]
    again.what_if(from_step=2, until=3, learning_rate=0.1)
    assert Bar.events[3:] == 2 * ["begin", "end"]
    replay(run, None).at(9)
    assert len(Bar.events) == 7


def test_training_on_does_not_change_a_replay(run):
    begun = trainer()
    again = replay(run, None, of=begun)
    begun.fit(**ARGUMENTS)
    assert of(again.at(5)) == run[1][5]


# Refused


def test_another_training_is_told_as_by_resume(run):
    message = "comes from a run with other settings"
    for changed in ({"x": X + 1}, {"batch_size": 9}, {"callbacks": []}, {"of": trainer(seed=1)}):
        with pytest.raises(InputError, match=message):
            replay(run, "run-{step}.npz", **changed).at(6)
    with pytest.raises(InputError, match="is of another model"):
        replay(run, "run-{step}.npz", of=trainer(model_seed=1)).at(6)


def test_another_version_is_warned_of(run, monkeypatch):
    now = {**tinynn.training.resume.environment(), "numpy": "3.0"}
    monkeypatch.setattr(tinynn.training.resume, "environment", lambda: now)
    with pytest.warns(UserWarning, match="numpy: .* against 3.0"):
        replay(run, "run-{step}.npz").at(6)


@pytest.mark.parametrize("checkpoints", [None, "run-{step}.npz"])
def test_a_step_that_is_not_one_of_the_training(run, checkpoints):
    again = replay(run, checkpoints)
    for step in (-1, 2.5, True, "3"):
        with pytest.raises(InputError, match="step must be a whole number"):
            again.at(step)
    with pytest.raises(InputError, match="step must be a step of the training, 28 at most, got 29"):
        again.at(29)
    with pytest.raises(InputError, match=r"the step after from_step must be .* 28 at most, got 29"):
        again.what_if(from_step=28, learning_rate=1.0)
    with pytest.raises(InputError, match="until must be a step of the training"):
        again.what_if(from_step=3, until=29, learning_rate=1.0)
    with pytest.raises(InputError, match="until must be a whole number"):
        again.what_if(from_step=3, until=3, learning_rate=1.0)


def test_no_checkpoint_comes_before_the_step(run):
    again = replay(run, "last.npz")
    with pytest.raises(InputError, match=r"checkpoint at or before step 27: the first is .*last"):
        again.at(27)
    assert of(again.at(28)) == run[1][28]


def test_a_trainer_that_has_trained_is_no_beginning(run):
    with pytest.raises(InputError, match=r"has taken 28 steps\. Make model, optimizer"):
        replay(run, None, of=run[2])


def test_a_change_that_is_none(run):
    again = replay(run, None)
    with pytest.raises(InputError, match="what_if needs a change, such as learning_rate"):
        again.what_if(from_step=3)
    with pytest.raises(
        InputError, match=r"what_if changes learning_rate, .* of AdamW; got momentum"
    ):
        again.what_if(from_step=3, momentum=0.9)
    with pytest.raises(InputError, match="learning_rate must be a number, 0 or more, got -1"):
        again.what_if(from_step=3, learning_rate=-1)
    with pytest.raises(InputError, match="beta1 must be at least 0 and below 1, got 1"):
        again.what_if(from_step=3, beta1=1)


def test_files_that_are_no_checkpoints(run, tmp_path):
    save_model(trainer().model, tmp_path / "model.npz")
    with pytest.raises(ModelFormatError, match="is a model, not a checkpoint"):
        replay(run, tmp_path / "model.npz")
    with pytest.raises(FileNotFoundError, match=r"no such file; the \.npz files .* model\.npz"):
        replay(run, tmp_path / "none-{step}.npz")
    with pytest.raises(IsADirectoryError):
        replay(run, tmp_path)
    with pytest.raises(InputError, match="A path is a text"):
        Replay(trainer(), **ARGUMENTS, checkpoints=5)
    with pytest.raises(InputError, match="holds no path"):
        Replay(trainer(), **ARGUMENTS, checkpoints=[])
    with pytest.raises(InputError, match="trainer must be a Trainer"):
        Replay(trainer().model, **ARGUMENTS)


def test_a_training_that_ended_early(run):
    early = [EarlyStopping(patience=1, min_delta=100.0)]
    again = replay(run, None, callbacks=early)
    with pytest.raises(InputError, match="step is 20, but the training ended with step 14"):
        again.at(20)
    with pytest.raises(InputError, match="from_step is 20, but the training ended with step 14"):
        again.what_if(from_step=20, learning_rate=0.1)
    assert again.at(14).epoch == 2


def test_a_callback_that_cannot_be_copied(run, tmp_path):
    writer = Acts()
    message = r"cannot be copied: .* affects_training = False"
    with (tmp_path / "own.txt").open("w") as writer.file, pytest.raises(InputError, match=message):
        replay(run, None, callbacks=[writer])


def test_the_table_of_a_change(run):
    result = replay(run, None).what_if(from_step=8, until=21, learning_rate=0.5)
    assert isinstance(result, WhatIf)
    head, columns, numbers, losses, *rest = str(result).splitlines()
    assert head == "From step 9 on:"
    assert columns.split() == ["as", "it", "was", "changed"]
    assert numbers.split()[0] == "learning_rate"
    assert losses.startswith("loss of the last 13 steps")
    assert [line.split()[0] for line in rest] == ["val_loss", "val_accuracy"]


# Checkpoints, one for each step


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fit(folder, optimizer=None, **more):
    begun = trainer(optimizer or Adam(0.05))
    keeping = Checkpoint(folder / "run-{step}.npz", **more.pop("checkpoint", {}))
    begun.fit(**{**ARGUMENTS, "epochs": 2, **more}, callbacks=[keeping])
    return begun


def test_each_checkpoint_has_a_file_and_the_beginning_has_one(tmp_path):
    whole = fit(tmp_path)
    assert names(tmp_path) == ["run-0.npz", "run-14.npz", "run-7.npz"]
    for start in ("run-0.npz", "run-7.npz"):
        resumed = fit(tmp_path, resume_from=tmp_path / start)
        assert resumed.model.params.tobytes() == whole.model.params.tobytes()
    assert names(tmp_path) == ["run-0.npz", "run-14.npz", "run-7.npz"]


def test_files_of_another_run_are_told_kept_or_replaced(tmp_path):
    fit(tmp_path, epochs=3)
    (tmp_path / "run-best.npz").write_bytes(b"not a step's")
    before = names(tmp_path)
    with pytest.raises(FileExistsError, match="exists already, from another run"):
        fit(tmp_path, Adam(0.01))
    assert names(tmp_path) == before
    fit(tmp_path, Adam(0.01), checkpoint={"if_exists": "backup"})
    assert {"run-21.1.npz", "run-0.1.npz", "run-0.npz"} < {*names(tmp_path)}
    assert "run-21.npz" not in names(tmp_path)
    fit(tmp_path, Adam(0.02), epochs=1, checkpoint={"if_exists": "replace"})
    kept = [name for name in names(tmp_path) if ".1." not in name]
    assert kept == ["run-0.npz", "run-7.npz", "run-best.npz"]
