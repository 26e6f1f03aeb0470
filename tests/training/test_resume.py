"""Protects resuming: a run that was stopped or killed ends with the bits of one that never was."""

import ast
import copy
import csv
import hashlib
import os
import signal
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import tinynn.training.resume
import tinynn.training.settings
from oracles import random_data
from tinynn import (
    SGD,
    Adam,
    AdamW,
    Callback,
    Checkpoint,
    CrossEntropy,
    CSVLogger,
    Dense,
    EarlyStopping,
    InputError,
    MeanSquaredError,
    ModelFormatError,
    ReLU,
    RMSProp,
    Sequential,
    Softmax,
    Trainer,
    TrainingDiverged,
    save_model,
)

BATCH, STEPS = 8, 7  # 50 samples: six batches of 8, one of 2
X, Y = random_data(50)
HELD_OUT = random_data(12, seed=1)


def falling(t):
    return 0.1 / t


OPTIMIZERS = {
    "adam": lambda: Adam(0.05),
    "momentum": lambda: SGD(0.05, momentum=0.9),
    "nesterov": lambda: SGD(0.05, momentum=0.9, nesterov=True),
    "rmsprop": lambda: RMSProp(0.01),
    "adamw": lambda: AdamW(0.05, weight_decay=0.1),
    "scheduled": lambda: Adam(falling),
}


class Interrupt(Callback):
    """Stops training after a step; `at` is no setting of the run, so it may differ."""

    at = None

    def on_step_end(self, trainer):
        trainer.stop = trainer.step == self.at


class Run:
    """A model, an optimizer and a trainer of their own, with callbacks that write to a folder."""

    def __init__(self, folder, optimizer="adam", log="log.csv", patience=9, **other):
        folder.mkdir(exist_ok=True)
        self.log, self.checkpoint = folder / log, folder / "run.npz"
        layers = other.get("layers") or [Dense(6), ReLU(), Dense(3), Softmax()]
        model = Sequential(layers, (4,), other.get("model_seed", 0), other.get("dtype", np.float32))
        loss = other.get("loss", CrossEntropy())
        make = other.get("make", OPTIMIZERS[optimizer])
        self.trainer = Trainer(model, loss, make(), other.get("seed", 0))
        self.stopper, self.interrupt = EarlyStopping(patience=patience), Interrupt()
        self.callbacks = [
            CSVLogger(self.log), self.stopper, self.interrupt, Checkpoint(self.checkpoint),
        ]  # fmt: skip

    def fit(self, epochs=4, stop_at=None, resume=False, **changed):
        self.interrupt.at = stop_at
        arguments = {"x": X, "y": Y, "batch_size": BATCH, "validation_data": HELD_OUT}
        arguments.update(epochs=epochs, callbacks=self.callbacks)
        arguments.update(resume_from=self.checkpoint if resume else None)
        self.trainer.fit(**{**arguments, **changed})
        return self

    def outcome(self):
        """All that must be the same, seconds aside."""
        with self.log.open(newline="") as file:
            rows = list(csv.DictReader(file))
        return {
            **self.memory(),
            "csv": [{**row, "seconds": ""} for row in rows],
        }

    def memory(self):
        trainer = self.trainer
        return {
            "params": trainer.model.params.tobytes(),
            "optimizer": frozen(trainer.optimizer.state()),
            "stopper": frozen(self.stopper.state()),
            "history": [{**row, "seconds": 0} for row in trainer.history.epochs],
            "epoch": trainer.epoch,
            "step": trainer.step,
        }


def frozen(state):
    return {k: v.tobytes() if isinstance(v, np.ndarray) else v for k, v in state.items()}


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """What four epochs without interruption end with, for each optimizer."""
    folder = tmp_path_factory.mktemp("straight")
    return {name: Run(folder / name, name).fit().outcome() for name in OPTIMIZERS}


@pytest.mark.slow
def test_the_oracle_is_not_a_trivial_run(straight):
    assert straight["adam"]["step"] == 4 * STEPS
    assert len(straight["adam"]["csv"]) == 4
    assert len({outcome["params"] for outcome in straight.values()}) == len(OPTIMIZERS)


@pytest.mark.first_cases(6)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    "stop_at",
    [1, 7, 18, *(pytest.param(at, marks=pytest.mark.slow) for at in (5, 6, 8, 13, 14, 27))],
)
def test_resume_after_a_stop_at_any_step_gives_the_same_bits(
    tmp_path, straight, optimizer, stop_at
):
    stopped = Run(tmp_path, optimizer).fit(stop_at=stop_at)
    assert stopped.trainer.step == stop_at
    resumed = Run(tmp_path, optimizer, log="other.csv").fit(resume=True)
    assert resumed.outcome() == straight[optimizer]


@pytest.mark.parametrize("stop_at", [1, 6, 7, 8, 18])
def test_a_resumed_run_goes_on_with_its_own_log(tmp_path, straight, stop_at):
    Run(tmp_path).fit(stop_at=stop_at)
    assert Run(tmp_path).fit(resume=True).outcome() == straight["adam"]


@pytest.mark.parametrize("cut", [1, 20, -1, -20])
def test_a_torn_last_line_of_the_log_is_mended(tmp_path, straight, cut):
    Run(tmp_path).fit(stop_at=18)
    log = tmp_path / "log.csv"
    whole = log.read_bytes()
    log.write_bytes(whole[:cut] if cut < 0 else whole + b"3,0.123456789012345678"[:cut])
    assert Run(tmp_path).fit(resume=True).outcome() == straight["adam"]


def test_a_run_can_be_stopped_again_and_again(tmp_path, straight):
    Run(tmp_path).fit(stop_at=9)
    for i, stop_at in enumerate((10, 16, 21)):
        Run(tmp_path, log=f"{i}.csv").fit(stop_at=stop_at, resume=True)
    assert Run(tmp_path, log="last.csv").fit(resume=True).outcome() == straight["adam"]


def test_two_epochs_resumed_to_four_are_four(tmp_path, straight):
    assert Run(tmp_path).fit(epochs=2).trainer.step == 2 * STEPS
    assert Run(tmp_path).fit(epochs=4, resume=True).outcome() == straight["adam"]


def test_the_same_objects_can_resume_too(tmp_path, straight):
    run = Run(tmp_path).fit(stop_at=17)
    run.trainer.model.params *= 2  # whatever came between
    assert run.fit(resume=True).outcome() == straight["adam"]


def test_a_finished_run_resumed_trains_no_further(tmp_path, straight):
    Run(tmp_path).fit()
    assert Run(tmp_path).fit(resume=True).outcome() == straight["adam"]


def test_without_validation_too(tmp_path):
    def run(folder, **arguments):
        made = Run(folder)
        made.callbacks = [CSVLogger(made.log), made.interrupt, Checkpoint(made.checkpoint)]
        return made.fit(validation_data=None, **arguments)

    run(tmp_path / "a", stop_at=10)
    resumed, never_stopped = run(tmp_path / "a", resume=True), run(tmp_path / "b")
    assert resumed.outcome() == never_stopped.outcome()


# EarlyStopping remembers through a resume


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("stop_at", [3, 10, 14, 15, 20])
def test_early_stopping_keeps_its_state(tmp_path, stop_at):
    # labels by chance: the loss on others soon rises, and the best weights are of an early epoch
    never_stopped = Run(tmp_path / "a", patience=2).fit(epochs=30)
    last = never_stopped.trainer.epoch
    assert never_stopped.stopper.best_epoch == last - 2
    assert stop_at < last * STEPS < 30 * STEPS
    Run(tmp_path / "b", patience=2).fit(epochs=30, stop_at=stop_at)
    resumed = Run(tmp_path / "b", patience=2, log="other.csv").fit(epochs=30, resume=True)
    assert resumed.outcome() == never_stopped.outcome()


def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    first = Run(tmp_path, patience=2).fit(epochs=30)
    again = Run(tmp_path, patience=2).fit(epochs=30, resume=True)
    assert again.outcome() == first.outcome()


class Remembers(Callback):
    """A callback whose state has arrays and nested lists, as a user's own may."""

    def __init__(self):
        self.seen = []
        self.begun_with = None

    def on_train_begin(self, trainer):
        self.begun_with = list(self.seen)

    def on_step_end(self, trainer):
        self.seen.append({"step": trainer.step, "bias": trainer.model.layers[0].b.copy()})

    def state(self):
        return {"seen": self.seen}

    def load_state(self, state):
        self.seen = state["seen"]


def test_a_callback_of_ones_own_keeps_its_state(tmp_path):
    def run(stop_at=None, resume=False):
        made, memory = Run(tmp_path, log=f"{stop_at}.csv"), Remembers()
        made.callbacks.insert(0, memory)
        made.fit(epochs=2, stop_at=stop_at, resume=resume)
        return memory

    first, second = run(stop_at=5), run(resume=True)
    assert first.begun_with == []
    assert [entry["step"] for entry in second.begun_with] == [1, 2, 3, 4, 5]  # before the start
    assert [entry["step"] for entry in second.seen] == list(range(1, 2 * STEPS + 1))
    for ours, theirs in zip(first.seen, second.seen, strict=False):
        assert ours["bias"].tobytes() == theirs["bias"].tobytes()


# a process that dies


PROGRAM = """
import os, signal, sys
sys.path[:0] = sys.argv[1].split(os.pathsep)
from pathlib import Path
from threadpoolctl import threadpool_limits
from test_resume import Callback, Run, straight_on

threadpool_limits(1, user_api="blas")  # as tests have it: they go on with this run
folder, event, step = Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])

class Die(Callback):
    affects_training = False
    def on_gradients(self, trainer):
        self.maybe("on_gradients", trainer)
    def on_step_end(self, trainer):
        self.maybe("on_step_end", trainer)
    def on_epoch_end(self, trainer):
        self.maybe("on_epoch_end", trainer)
    def maybe(self, now, trainer):
        if (now, trainer.optimizer.t) == (event, step):
            os.kill(os.getpid(), signal.SIGKILL)

straight_on(folder, Die())
"""


def straight_on(folder, *callbacks, resume=False):
    """Train with a checkpoint at each third step, and return the outcome."""
    run = Run(folder)
    checkpoint = Checkpoint(run.checkpoint, 99, every_steps=3)
    run.callbacks = [*run.callbacks[:-1], *callbacks, checkpoint]
    return run.fit(resume=resume).outcome()


def start(folder, event, step):
    tests = os.pathsep.join(map(str, Path(__file__).parents[:2]))  # this file, and oracles.py
    arguments = [tests, str(folder), event, str(step)]
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, timeout=60
    )


@pytest.fixture(scope="module")
def never_killed(tmp_path_factory):
    return straight_on(tmp_path_factory.mktemp("never") / "run")


@pytest.mark.parametrize(
    ("event", "step"),
    [
        pytest.param("on_step_end", 5, marks=pytest.mark.slow),  # the log has only its header
        ("on_gradients", 8),  # after an epoch's row, which the checkpoint (step 6) has not
        pytest.param("on_step_end", 12, marks=pytest.mark.slow),  # when a checkpoint was due
        pytest.param("on_gradients", 15, marks=pytest.mark.slow),
        # all steps of the epoch are in the checkpoint, its end is not
        pytest.param("on_epoch_end", 21, marks=pytest.mark.slow),
        pytest.param("on_step_end", 28, marks=pytest.mark.slow),  # the very last
    ],
)
def test_resume_after_kill_gives_the_same_bits(tmp_path, never_killed, event, step):
    killed = start(tmp_path, event, step)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = straight_on(tmp_path, resume=True)
    assert resumed == never_killed
    assert resumed["step"] == 28
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.csv", "run.npz"]


# what must not differ


def changed(array, value):
    array = np.array(array)
    array.flat[-1] = value
    return array


def another_label(labels):
    return changed(labels, (labels[-1] + 1) % 3)


@pytest.mark.first_cases(9)
@pytest.mark.parametrize(
    ("other", "arguments", "message"),
    [
        ({}, {"batch_size": 9}, "batch_size: 8 against 9"),
        ({"seed": 1}, {}, "seed: 0 against 1"),
        ({"optimizer": "momentum"}, {}, "optimizer.class: Adam against SGD"),
        ({"make": lambda: Adam(0.06)}, {}, "optimizer.learning_rate: 0.05 against 0.06"),
        ({"optimizer": "scheduled"}, {}, "optimizer.learning_rate: 0.05 against a function of t"),
        ({"loss": MeanSquaredError()}, {"y": np.eye(3)[Y], "validation_data": None},
         "loss.class: CrossEntropy against MeanSquaredError"),
        ({"patience": 8}, {}, "callbacks.0..patience: 9 against 8"),
        ({}, {"callbacks": []}, "callbacks: .*EarlyStopping"),
        ({}, {"x": changed(X, 0.125)}, "data: "),
        ({}, {"x": X.astype(np.float64)}, "data: "),
        ({}, {"y": another_label(Y)}, "data: "),
        ({}, {"validation_data": (HELD_OUT[0], another_label(HELD_OUT[1]))}, "data: "),
        ({}, {"validation_data": (changed(HELD_OUT[0], 0.125), HELD_OUT[1])}, "data: "),
        ({}, {"validation_data": None}, "data: "),
        ({"layers": [Dense(7), ReLU(), Dense(3), Softmax()]}, {}, r"\[0\].*units: 6 against 7"),
        ({"layers": [Dense(6), Dense(3), Softmax()]}, {}, "another model .*:\n.*layers"),
        ({"model_seed": 1}, {}, "another model than this one .*:\n.*seed: 0 against 1"),
        ({"dtype": np.float64}, {}, "dtype: float32 against float64"),
    ],
)  # fmt: skip
def test_other_settings_are_refused_by_name_and_nothing_changes(
    tmp_path, other, arguments, message
):
    Run(tmp_path).fit(stop_at=10)
    log = (tmp_path / "log.csv").read_bytes()
    checkpoint = (tmp_path / "run.npz").read_bytes()
    run = Run(tmp_path, **other)
    before = run.memory()
    with pytest.raises(ValueError, match=message) as error:
        run.fit(resume=True, **arguments)
    assert str(tmp_path / "run.npz") in str(error.value)
    assert run.memory() == before
    assert run.trainer.totals.n_samples == 0
    assert (tmp_path / "log.csv").read_bytes() == log
    assert (tmp_path / "run.npz").read_bytes() == checkpoint


def test_a_second_fits_checkpoint_knows_its_own_data(tmp_path):
    others = changed(X, 0.125)
    Run(tmp_path).fit(epochs=1).fit(epochs=1, x=others)
    with pytest.raises(ValueError, match="data: "):
        Run(tmp_path).fit(epochs=3, resume=True)
    resumed = Run(tmp_path, log="other.csv").fit(epochs=3, resume=True, x=others)
    assert resumed.trainer.epoch == 3


def test_every_difference_is_named(tmp_path):
    Run(tmp_path).fit(stop_at=10)
    run = Run(tmp_path, seed=3, make=lambda: Adam(0.06, beta1=0.8))
    with pytest.raises(ValueError, match="other settings") as error:
        run.fit(resume=True, batch_size=9)
    lines = [line.strip() for line in str(error.value).splitlines()[1:]]
    assert sorted(lines) == [
        "batch_size: 8 against 9",
        "optimizer.beta1: 0.9 against 0.8",
        "optimizer.learning_rate: 0.05 against 0.06",
        "seed: 0 against 3",
    ]


def test_a_refused_checkpoint_leaves_a_trained_trainer_as_it_was(tmp_path):
    Run(tmp_path / "other", seed=1).fit(stop_at=10)
    run = Run(tmp_path / "own").fit(epochs=2)
    before = run.memory()
    with pytest.raises(ValueError, match="seed: 1 against 0"):
        run.fit(resume_from=tmp_path / "other" / "run.npz")
    assert run.memory() == before


@pytest.mark.parametrize(
    ("name", "other"), [("numpy", "9.9"), ("python", "2.7"), ("kernel", "Pentium")]
)
def test_another_environment_is_a_warning_that_names_it(
    tmp_path, straight, monkeypatch, name, other
):
    Run(tmp_path).fit(stop_at=10)
    ours = tinynn.training.resume.environment()
    monkeypatch.setattr(tinynn.training.resume, "environment", lambda: {**ours, name: other})
    run = Run(tmp_path)
    with pytest.warns(UserWarning, match=rf"{name}: .* against \[?'?{other}") as warned:
        run.fit(resume=True)
    assert [warning.filename for warning in warned] == [__file__]  # at the line that called fit
    assert run.outcome() == straight["adam"]


def test_the_environment_knows_versions_threads_and_the_processors_kernels():
    environment = tinynn.training.resume.environment()
    assert environment["numpy"] == np.__version__
    assert environment["blas"]
    assert environment["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    for threads in (1, 2):
        with threadpool_limits(threads):  # the library is asked, not the variables
            assert tinynn.training.resume.environment()["threads"] == [threads]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "value", "name"),
    [
        pytest.param("OPENBLAS_CORETYPE", "Prescott", "kernel", marks=pytest.mark.slow),
        ("NPY_DISABLE_CPU_FEATURES", None, "instructions"),
    ],
)
def test_another_processor_is_recognised_by_the_kernels_that_it_chooses(variable, value, name):
    """Environment variables let this processor choose the kernels of another."""
    if value is None:
        value = next(
            iter(tinynn.training.resume.environment()["instructions"].split()[-1:]), "AVX2"
        )
    program = "from tinynn.training.settings import environment; print(environment())"
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
        ).stdout
        for env in (dict(os.environ), {**os.environ, variable: value})
    ]
    here, there = map(ast.literal_eval, outputs)
    assert [key for key in here if here[key] != there[key]] == [name]


def test_a_models_file_is_refused(tmp_path):
    run = Run(tmp_path)
    save_model(run.trainer.model, tmp_path / "model.npz")
    before = run.memory()
    with pytest.raises(ModelFormatError, match=r"model\.npz is a model, not a checkpoint"):
        run.fit(resume_from=tmp_path / "model.npz")
    assert run.memory() == before
    assert not run.log.exists()


def test_a_checkpoint_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run\.npz"):
        Run(tmp_path).fit(resume=True)


@pytest.mark.parametrize("shape", [(10,), (10, 3), (9000, 2), (4096, 1)])
def test_the_checksum_is_of_shape_dtype_and_every_byte(shape):
    checksum = tinynn.training.settings.checksum
    a = np.random.default_rng(0).normal(size=shape)
    content = hashlib.sha256(f"{a.shape} {a.dtype.str};".encode() + a.tobytes()).hexdigest()
    assert checksum(a) == content
    assert checksum(np.asfortranarray(a)) == content  # how it lies in memory does not matter
    others = [changed(a, 0), a[::-1], a.astype(np.float32), a.reshape(-1, 1, 1), a[:-1]]
    assert len({content, *map(checksum, others)}) == 6
    assert checksum(a, a) != content


class HalveEachEpoch(Callback):
    """Sets the learning rate from outside, as many programs do."""

    def on_epoch_end(self, trainer):
        trainer.optimizer.learning_rate *= 0.5


def rate_of(first):
    return lambda t: first / t


def small_run(path, rate=0.05, epochs=4, resume=False, callbacks=()):
    model = Sequential([Dense(3), Softmax()], input_shape=(4,), seed=0)
    trainer = Trainer(model, CrossEntropy(), Adam(rate))
    callbacks = [*callbacks, Checkpoint(path)]
    trainer.fit(X, Y, epochs, 8, callbacks=callbacks, resume_from=path if resume else None)
    return trainer


def test_a_learning_rate_set_from_outside_is_resumed_as_it_was(tmp_path):
    whole = small_run(tmp_path / "whole.npz", callbacks=[HalveEachEpoch()])
    small_run(tmp_path / "part.npz", epochs=2, callbacks=[HalveEachEpoch()])
    small_run(tmp_path / "part.npz", epochs=3, resume=True, callbacks=[HalveEachEpoch()])
    again = small_run(tmp_path / "part.npz", resume=True, callbacks=[HalveEachEpoch()])
    assert again.history["learning_rate"] == whole.history["learning_rate"]
    assert again.model.params.tobytes() == whole.model.params.tobytes()


def test_another_learning_rate_function_is_refused_though_its_code_is_the_same(tmp_path):
    small_run(tmp_path / "run.npz", rate_of(0.1), epochs=1)
    small_run(tmp_path / "run.npz", rate_of(0.1), epochs=2, resume=True)
    with pytest.raises(ValueError, match=r"learning_rate at t = 1: 0\.1 against 0\.5"):
        small_run(tmp_path / "run.npz", rate_of(0.5), resume=True)


class AddsAFigure(Callback):
    def on_epoch_end(self, trainer):
        trainer.history.epochs[-1]["size of the weights"] = "large"


def test_a_callbacks_own_metrics_in_the_history_come_back(tmp_path):
    path = tmp_path / "run.npz"
    small_run(path, epochs=1, callbacks=[AddsAFigure()])
    trainer = small_run(path, epochs=2, resume=True, callbacks=[AddsAFigure()])
    assert trainer.history["size of the weights"] == ["large", "large"]


class KeepsTwo(Callback):
    best_params = np.zeros(2)  # a name that EarlyStopping uses, too

    def state(self):
        return {"best_params": self.best_params}

    def load_state(self, state):
        self.best_params = state["best_params"]


def test_a_callbacks_own_arrays_may_have_any_name_and_shape(tmp_path):
    path = tmp_path / "run.npz"
    small_run(path, epochs=1, callbacks=[KeepsTwo()])
    small_run(path, epochs=2, resume=True, callbacks=[KeepsTwo()])


def test_a_learning_rate_function_that_returns_whole_numbers_can_be_resumed(tmp_path):
    path = tmp_path / "run.npz"
    for epochs in (1, 2):
        small_run(path, lambda t: t % 1, epochs=epochs, resume=epochs > 1)  # whole: 0


def weighed(x, k=1.0, *, shift=0.0):
    return k * x + shift


class Weigher:
    def __init__(self, k):
        self.k = k

    def __call__(self, x):
        return self.k * x

    def method(self, x):
        return self.k + x


def holding(held):
    return lambda x: (held, x)


def with_default(shift):
    def function(x, *, shift=shift):
        return x + shift

    return function


class HoldsFunction(Callback):
    def __init__(self, function):
        self.function = function


@pytest.mark.first_cases(3)
@pytest.mark.parametrize(
    "make",
    [
        lambda k: partial(weighed, k=k),
        lambda k: partial(partial(weighed, k), shift=1.0),
        lambda k: holding([1, k]),
        lambda k: holding({"k": k}),
        lambda k: holding(np.array([k, 1.0])),
        lambda k: holding(holding(k)),
        Weigher,
        lambda k: Weigher(k).method,
        with_default,
    ],
    ids=["partial", "nested", "list", "dictionary", "array", "closure", "object", "method", "kw"],
)
def test_a_callbacks_function_that_holds_another_number_is_another_setting(tmp_path, make):
    path = tmp_path / "run.npz"
    small_run(path, epochs=1, callbacks=[HoldsFunction(make(0.5))])
    small_run(path, epochs=2, resume=True, callbacks=[HoldsFunction(make(0.5))])
    with pytest.raises(ValueError, match=r"callbacks\[0\]\.function\.code"):
        small_run(path, epochs=3, resume=True, callbacks=[HoldsFunction(make(0.25))])


def test_a_callback_that_holds_an_object_of_another_class_is_another_setting(tmp_path):
    path = tmp_path / "run.npz"
    small_run(path, epochs=1, callbacks=[HoldsFunction(Fraction(1, 3))])
    small_run(path, epochs=2, resume=True, callbacks=[HoldsFunction(Fraction(1, 2))])
    with pytest.raises(ValueError, match=r"callbacks\[0\]\.function\.object"):
        small_run(path, epochs=3, resume=True, callbacks=[HoldsFunction(Decimal(1))])


def test_numpys_whole_numbers_are_as_good_as_pythons(tmp_path):
    for resume_from in (None, tmp_path / "run.npz"):
        model = Sequential([Dense(3), Softmax()], input_shape=(4,))
        trainer = Trainer(model, CrossEntropy(), Adam(), seed=np.int64(3))
        callbacks = [Checkpoint(tmp_path / "run.npz")]
        epochs = 1 if resume_from is None else 2
        trainer.fit(X, Y, epochs, np.int64(8), callbacks=callbacks, resume_from=resume_from)
    assert len(trainer.history.epochs) == 2


class Holds(Callback):
    """Keeps whatever it is given in checkpoints."""

    def __init__(self, memory):
        self.memory = [memory]

    def config(self):
        return {}

    def state(self):
        return {"memory": self.memory[0]}

    def load_state(self, state):
        self.memory[0] = state.pop("memory")


@pytest.mark.first_cases(5)
@pytest.mark.parametrize(
    "memory",
    [{1, 2}, np.array([None]), np.array(1j), np.arange(3).astype(">i4"), {1: 2}, {"a.b": 1},
     {"array": "name"}, {"array": np.ones(2)}, b"bytes", "long" * 2**22],
    ids=lambda memory: str(memory)[:20],
)  # fmt: skip
def test_what_could_not_be_read_back_is_refused_before_the_first_step(tmp_path, memory):
    steps = []

    class CountsSteps(Callback):
        def on_step_end(self, trainer):
            steps.append(trainer.step)

    with pytest.raises(ValueError):
        small_run(tmp_path / "run.npz", callbacks=[Holds(memory), CountsSteps()])
    assert not list(tmp_path.iterdir())
    assert steps == []


@pytest.mark.parametrize(
    "memory", [np.float32(0.1), np.arange(6.0).reshape(2, 3), [None, True, "x", {"y": 1.5}], np.inf]
)
def test_what_can_be_read_back_comes_back(tmp_path, memory):
    small_run(tmp_path / "run.npz", epochs=1, callbacks=[Holds(memory)])
    callback = Holds(None)
    small_run(tmp_path / "run.npz", epochs=2, resume=True, callbacks=[callback])
    assert np.array_equal(callback.memory[0], memory)


def test_a_callback_that_cannot_take_its_state_leaves_all_as_it_was(tmp_path):
    class Forgets(Holds):
        def load_state(self, state):
            if state["memory"] == 5:
                raise KeyError("no such thing")
            super().load_state(state)

    first, second = Holds(1), Forgets(2)
    small_run(tmp_path / "run.npz", epochs=1, callbacks=[Holds(4), Forgets(5)])
    with pytest.raises(ModelFormatError, match="Forgets cannot take its state"):
        small_run(tmp_path / "run.npz", resume=True, callbacks=[first, second])
    assert (first.memory[0], second.memory[0]) == (1, 2)


def test_fewer_epochs_than_are_done_are_refused(tmp_path):
    small_run(tmp_path / "run.npz", epochs=3)
    with pytest.raises(ValueError, match="is of epoch 3, but epochs=2"):
        small_run(tmp_path / "run.npz", epochs=2, resume=True)


def test_another_runs_checkpoint_is_not_overwritten(tmp_path):
    small_run(tmp_path / "run.npz", epochs=1)
    before = (tmp_path / "run.npz").read_bytes()
    with pytest.raises(FileExistsError, match="from another run, and is not overwritten"):
        small_run(tmp_path / "run.npz", epochs=1)
    assert (tmp_path / "run.npz").read_bytes() == before


def test_another_runs_checkpoint_is_not_overwritten_by_a_resumed_or_second_run_either(tmp_path):
    small_run(tmp_path / "run.npz", epochs=1)
    small_run(tmp_path / "other.npz", epochs=2)
    before = (tmp_path / "other.npz").read_bytes()
    x, y = np.zeros((8, 4), np.float32), np.zeros(8, int)
    model = Sequential([Dense(3), Softmax()], input_shape=(4,))
    again = Trainer(model, CrossEntropy(), SGD(0.1))
    again.fit(x, y, 1, callbacks=[Checkpoint(tmp_path / "own.npz")])
    again.fit(x, y, 1, callbacks=[Checkpoint(tmp_path / "own.npz")])  # its own may be replaced
    resumed = Trainer(copy.deepcopy(model), CrossEntropy(), SGD(0.1))
    for trainer, options in ((again, {}), (resumed, {"resume_from": tmp_path / "own.npz"})):
        with pytest.raises(FileExistsError, match="from another run, and is not overwritten"):
            trainer.fit(x, y, 3, callbacks=[Checkpoint(tmp_path / "other.npz")], **options)
        assert (tmp_path / "other.npz").read_bytes() == before


def falls_at(step):
    return lambda t: 0.05 if t < step else 0.01


def test_a_learning_rate_that_falls_at_another_step_is_refused(tmp_path):
    small_run(tmp_path / "run.npz", rate=falls_at(18), epochs=3)  # of 7 steps each
    with pytest.raises(ValueError, match="learning_rate: not the same from t = 16 to 21"):
        small_run(tmp_path / "run.npz", rate=falls_at(19), resume=True)
    small_run(tmp_path / "run.npz", rate=falls_at(18), resume=True)


def test_rates_that_neither_run_could_reach_are_not_compared(tmp_path):
    small_run(tmp_path / "run.npz", rate=falls_at(100), epochs=1)
    small_run(tmp_path / "run.npz", rate=falls_at(200), epochs=2, resume=True)


def clipped_at(limit):
    def clip(grads):
        np.clip(grads, -limit, limit, out=grads)

    return clip


class Applies(Callback):
    def __init__(self, function):
        self.function = function

    def on_gradients(self, trainer):
        self.function(trainer.model.grads)


def test_a_callbacks_function_with_another_number_inside_is_refused(tmp_path):
    small_run(tmp_path / "run.npz", epochs=1, callbacks=[Applies(clipped_at(1.0))])
    with pytest.raises(ValueError, match="callbacks"):
        small_run(tmp_path / "run.npz", resume=True, callbacks=[Applies(clipped_at(0.5))])
    small_run(tmp_path / "run.npz", resume=True, callbacks=[Applies(clipped_at(1.0))])


def test_a_trainer_that_diverged_resumes_from_its_last_good_checkpoint(tmp_path):
    class Poison(Callback):
        affects_training = False
        armed = True

        def on_gradients(self, trainer):
            if trainer.epoch == 3 and self.armed:
                trainer.model.grads[:] = np.nan

    path, poison = tmp_path / "run.npz", Poison()
    model = Sequential([Dense(3), Softmax()], input_shape=(4,), seed=0)
    trainer = Trainer(model, CrossEntropy(), Adam(0.05))
    with pytest.raises(TrainingDiverged, match="of epoch 2"):
        trainer.fit(X, Y, 4, 8, callbacks=[poison, Checkpoint(path)])
    poison.armed = False
    trainer.fit(X, Y, 4, 8, callbacks=[poison, Checkpoint(path)], resume_from=path)
    whole = small_run(tmp_path / "whole.npz")
    assert trainer.model.params.tobytes() == whole.model.params.tobytes()


# Callbacks of the user's own that only watch


class Watcher(Callback):
    """Looks on, though its class did not say so at first."""

    def __init__(self, every=1):
        self.every = every


ONLY_WATCHES = (
    "\n  If your callback only watches, write affects_training = False in its class: then it is "
    "not compared."
)


@pytest.mark.parametrize(
    ("before", "after"),
    [((), (Watcher(),)), ((Watcher(),), ()), ((Watcher(1),), (Watcher(2),))],
    ids=["new", "left out", "another argument"],
)
def test_the_refusal_of_a_users_callback_says_how_one_that_only_watches_is_not_compared(
    tmp_path, before, after
):
    small_run(tmp_path / "run.npz", epochs=1, callbacks=before)
    with pytest.raises(InputError) as error:
        small_run(tmp_path / "run.npz", epochs=2, resume=True, callbacks=after)
    assert "callbacks" in str(error.value)
    assert str(error.value).endswith(ONLY_WATCHES)


def test_a_refusal_that_is_not_of_a_users_callback_does_not_speak_of_these(tmp_path):
    small_run(tmp_path / "run.npz", epochs=1, callbacks=[Watcher()])
    with pytest.raises(InputError) as error:
        small_run(tmp_path / "run.npz", 0.5, epochs=2, resume=True, callbacks=[Watcher()])
    assert "affects_training" not in str(error.value)
    small_run(tmp_path / "stopping.npz", epochs=1, callbacks=[EarlyStopping("loss")])
    with pytest.raises(InputError, match="callbacks: ") as error:
        small_run(tmp_path / "stopping.npz", epochs=2, resume=True)
    assert "affects_training" not in str(error.value)


def test_a_run_goes_on_when_a_callback_says_that_it_only_watches(tmp_path, monkeypatch):
    whole = small_run(tmp_path / "whole.npz", epochs=2)
    small_run(tmp_path / "run.npz", epochs=1, callbacks=[Watcher(1), Holds(4)])
    monkeypatch.setattr(Watcher, "affects_training", False)
    holds = Holds(0)
    again = small_run(tmp_path / "run.npz", epochs=2, resume=True, callbacks=[holds, Watcher(2)])
    assert again.model.params.tobytes() == whole.model.params.tobytes()
    assert holds.memory == [4]
    small_run(tmp_path / "run.npz", epochs=3, resume=True, callbacks=[Holds(0)])  # or without it


def test_a_callback_that_changes_in_training_is_refused_with_the_same_advice(tmp_path):
    class Counting(Watcher):
        def on_step_end(self, trainer):
            self.every += 1

    with pytest.raises(InputError, match=r"callbacks\[0\]\.every: 1 against") as error:
        small_run(tmp_path / "run.npz", epochs=1, callbacks=[Counting()])
    assert str(error.value).endswith(ONLY_WATCHES)


@pytest.mark.parametrize("make", [lambda: SGD(0.05, 0.9), lambda: Adam(0.05)])
def test_a_checkpoint_from_before_sgd_had_nesterov_goes_on_with_the_same_bits(tmp_path, make):
    straight = Run(tmp_path / "straight", make=make).fit().outcome()
    run = Run(tmp_path / "old", make=make)
    run.fit(stop_at=STEPS + 2)
    with np.load(run.checkpoint) as file:
        arrays = dict(file)
    told = str(arrays["training"])
    assert (told.count('"nesterov": false') == 2) == isinstance(make(), SGD)
    arrays["training"] = np.array(told.replace(', "nesterov": false', ""))
    assert "nesterov" not in str(arrays["training"])
    np.savez(run.checkpoint, **arrays)
    again = Run(tmp_path / "old", make=make)
    assert again.fit(resume=True).outcome() == straight
    if isinstance(make(), SGD):
        ahead = Run(tmp_path / "old", make=lambda: SGD(0.05, 0.9, nesterov=True))
        with pytest.raises(InputError, match=r"optimizer\.nesterov: False against True"):
            ahead.fit(resume=True)
