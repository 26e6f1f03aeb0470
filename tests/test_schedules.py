"""Protects learning-rate schedules: their numbers, what fit tells them, what a resume compares."""

import copy
import csv
import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles import random_data
from tinynn import (
    SGD,
    Adam,
    Callback,
    Checkpoint,
    CosineDecay,
    CrossEntropy,
    CSVLogger,
    Dense,
    Doctor,
    ExponentialDecay,
    FunctionCallback,
    InputError,
    LinearDecay,
    PiecewiseConstant,
    ReLU,
    Schedule,
    Sequential,
    Softmax,
    Trainer,
    explain_step,
    plots,
)

REFERENCE = json.loads(
    (Path(__file__).parent / "references/schedules.json").read_text(encoding="utf-8")
)
RATE, STEPS, WARMUP = (REFERENCE[name] for name in ("learning_rate", "steps", "warmup"))
TENTHS = {"boundaries": [20, 45], "rates": [RATE * 0.1, RATE * 0.01]}
AS_PYTORCH = {
    "cosine": CosineDecay(RATE, STEPS),
    "cosine to 0.01": CosineDecay(RATE, STEPS, final=0.01),
    "cosine after a warm-up": CosineDecay(RATE, STEPS, WARMUP),
    "linear": LinearDecay(RATE, STEPS),
    "linear to 0.03 after a warm-up": LinearDecay(RATE, STEPS, WARMUP, final=0.1 * RATE),
    "exponential": ExponentialDecay(RATE, 0.9),
    "exponential after a warm-up": ExponentialDecay(RATE, 0.9, warmup=WARMUP),
    "piecewise": PiecewiseConstant(RATE, **TENTHS),
    "piecewise after a warm-up": PiecewiseConstant(RATE, **TENTHS, warmup=WARMUP),
}
BATCH, PER_EPOCH = 8, 5  # 36 samples: four batches of 8, one of 4
X, Y = random_data(36)


def rates_of(schedule, steps):
    return [schedule(t) for t in range(1, steps + 1)]


# The numbers


@pytest.mark.parametrize("name", AS_PYTORCH)
def test_the_rates_are_those_of_pytorch(name):
    found = rates_of(AS_PYTORCH[name], STEPS)
    np.testing.assert_allclose(found, REFERENCE["rates"][name], rtol=1e-10, atol=1e-12)


def test_every_reference_is_compared():
    assert REFERENCE["rates"].keys() == AS_PYTORCH.keys()


def test_the_ends_and_the_middle_worked_out_by_hand():
    cosine = CosineDecay(0.8, steps=10, warmup=2, final=0.2)  # 8 steps after the warm-up
    assert rates_of(cosine, 3) == [0.4, 0.8, 0.8]
    assert cosine(7) == pytest.approx(0.5)  # half of the 8 steps are taken: 0.2 + 0.6 / 2
    assert cosine(10) == pytest.approx(0.2 + 0.3 * (1 + math.cos(math.pi * 7 / 8)))
    assert cosine(11) == cosine(10**9) == 0.2
    linear = LinearDecay(0.8, steps=10, warmup=2)
    assert rates_of(linear, 12) == pytest.approx(
        [0.4, 0.8, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0, 0]
    )
    shares = PiecewiseConstant(1.0, [0.5, 0.75], [0.1, 0.0], steps=8)
    assert rates_of(shares, 9) == [1, 1, 1, 1, 0.1, 0.1, 0, 0, 0]
    halves = ExponentialDecay(0.8, 0.5, every=2, steps=8, warmup=0.25)
    assert rates_of(halves, 7) == pytest.approx(
        [0.4, 0.8, 0.8, 0.8 / 2**0.5, 0.4, 0.4 / 2**0.5, 0.2]
    )


@given(
    kind=st.sampled_from([CosineDecay, LinearDecay]),
    steps=st.integers(1, 300),
    warmup=st.one_of(st.integers(0, 300), st.floats(0, 1, exclude_max=True)),
    final=st.floats(0, 1e-3),
)
def test_a_rate_rises_to_its_peak_then_falls_to_its_end(kind, steps, warmup, final):
    warmup = min(warmup, steps) if isinstance(warmup, int) else warmup
    schedule = kind(1e-3, steps, warmup, final)
    rates = np.array(rates_of(schedule, steps + 2))
    taken = schedule.in_steps(schedule.warmup)
    assert 0 <= taken <= steps
    assert (np.diff(rates[:taken]) > 0).all()
    assert (np.diff(rates[max(taken - 1, 0) :]) <= 1e-18).all()
    assert rates.max() <= 1e-3
    assert ((rates > 0) | (rates >= final)).all()
    assert rates[-1] == rates[-2] == pytest.approx(final)
    if taken:
        assert rates[taken - 1] == 1e-3


@given(warmup=st.integers(0, 50), every=st.integers(1, 50), factor=st.floats(1e-3, 0.999))
def test_an_exponential_rate_falls_by_its_factor(warmup, every, factor):
    schedule = ExponentialDecay(0.1, factor, every, warmup=warmup)
    first = warmup + 1
    assert schedule(first) == 0.1
    assert schedule(first + every) == pytest.approx(0.1 * factor)
    assert schedule(first + 7) <= 0.1


# Arguments


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: CosineDecay(0), "learning_rate must be a positive number"),
        (lambda: CosineDecay(1.0, 0), "steps must be a whole number of 1 or more, got 0"),
        (lambda: CosineDecay(1.0, 10.0), "steps must be a whole number"),
        (lambda: CosineDecay(1.0, warmup=-1), "warmup must be a whole number of steps, 0 or more"),
        (lambda: CosineDecay(1.0, warmup=1.0), "or a share of all steps, a float below 1, got 1.0"),
        (lambda: CosineDecay(1.0, warmup=True), "warmup must be"),
        (lambda: CosineDecay(1.0, warmup=math.nan), "warmup must be"),
        (lambda: CosineDecay(1.0, 10, 11), "warms up for 11 steps, but there are only 10 steps"),
        (lambda: LinearDecay(0.1, final=0.2), "final must be a number from 0 to learning"),
        (lambda: LinearDecay(0.1, final="0"), "final must be a number"),
        (lambda: ExponentialDecay(0.1, 1.5), "factor must be above 0 and below 1"),
        (lambda: ExponentialDecay(0.1, 0.5, 0), "every must be a whole number of 1 or more"),
        (lambda: PiecewiseConstant(0.1, 5, [0.1]), "boundaries must be a list of numbers, got 5"),
        (lambda: PiecewiseConstant(0.1, [5], []), "rates must be a list of numbers"),
        (lambda: PiecewiseConstant(0.1, [5], [1, 2]), "got 1 boundaries and 2 rates"),
        (lambda: PiecewiseConstant(0.1, [5, 5], [1, 2]), "boundaries must rise"),
        (lambda: PiecewiseConstant(0.1, [0.5, 5], [1, 2]), "all numbers of steps or all shares"),
        (lambda: PiecewiseConstant(0.1, [0], [1]), "boundaries must be a whole number of steps, 1"),
        (lambda: PiecewiseConstant(0.1, [5], [-1]), "each of rates must be a positive number"),
        (lambda: Adam(CosineDecay), r"got the class CosineDecay. Write CosineDecay\(...\)"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_refused(make, told):
    with pytest.raises(InputError, match=told):
        make()


@pytest.mark.parametrize("kind", [CosineDecay, LinearDecay])
def test_without_the_number_of_steps_the_line_to_write_is_named(kind):
    told = rf"sets it, write steps=: {kind.__name__}\(learning_rate=0.1, steps=epochs \* batch"
    with pytest.raises(InputError, match=told):
        SGD(kind(0.1)).step(np.ones(2), np.ones(2))
    with pytest.raises(InputError, match=told):
        explain_step(model(), CrossEntropy(), SGD(kind(0.1)), X[:2], Y[:2])


def test_a_schedule_that_needs_no_number_of_steps_works_in_a_loop_of_ones_own():
    assert ExponentialDecay(0.1, 0.5)(2) == 0.05
    assert PiecewiseConstant(0.1, [1], [0.0])(2) == 0.0
    with pytest.raises(InputError, match="does not know how many steps"):
        ExponentialDecay(0.1, 0.5, warmup=0.1)(1)


def test_a_schedule_shows_its_arguments_and_can_be_built_again_from_them():
    for schedule in AS_PYTORCH.values():
        again = type(schedule)(**schedule.config())
        assert rates_of(again, STEPS) == rates_of(schedule, STEPS)
    assert repr(CosineDecay(0.1, warmup=5)) == (
        "CosineDecay(learning_rate=0.1, steps=None, warmup=5, final=0.0)"
    )
    assert "CosineDecay(learning_rate=0.1" in repr(SGD(CosineDecay(0.1)))


# In a training


def model():
    return Sequential([Dense(4), ReLU(), Dense(3), Softmax()], input_shape=(4,))


class Rates(Callback):
    """Notes the rate of each step."""

    affects_training = False

    def __init__(self):
        self.seen = []

    def on_step_end(self, trainer):
        self.seen.append(trainer.optimizer.rate(trainer.optimizer.t))


class Stop(Callback):
    affects_training = False
    at = None

    def on_step_end(self, trainer):
        trainer.stop = trainer.step == self.at


def run(schedule, epochs=4, path=None, resume=False, at=None, optimizer=Adam):
    """Train in fresh objects; return the trainer, and the rates of its steps."""
    trainer, rates, stop = Trainer(model(), CrossEntropy(), optimizer(schedule)), Rates(), Stop()
    stop.at = at
    callbacks = [rates, stop, *([Checkpoint(path)] if path else [])]
    trainer.fit(X, Y, epochs, BATCH, callbacks=callbacks, resume_from=path if resume else None)
    return trainer, rates.seen


def bits(trainer):
    rows = [{**row, "seconds": 0} for row in trainer.history.epochs]
    return trainer.model.params.tobytes(), rows, trainer.step


@pytest.mark.parametrize("kind", [CosineDecay, LinearDecay])
def test_a_schedule_that_is_0_in_half_of_the_steps_is_warned_of_before_the_first(kind):
    """As by steps in epochs, where they are batches."""
    with pytest.warns(UserWarning, match=rf"rate of {kind.__name__}.* 0 in at least half of this"):
        run(kind(0.1, steps=4))
    run(kind(0.1, steps=4, final=0.01))  # goes on with 0.01
    run(kind(0.1, steps=3 * PER_EPOCH))
    run(kind(0.1))


def test_fit_tells_the_steps_and_a_second_fit_begins_anew():
    expected = rates_of(CosineDecay(0.1, steps=4 * PER_EPOCH, warmup=2), 4 * PER_EPOCH)
    trainer, seen = run(CosineDecay(0.1, warmup=2))
    assert seen == expected
    assert trainer.history["learning_rate"] == expected[PER_EPOCH - 1 :: PER_EPOCH]
    again = Rates()
    trainer.fit(X, Y, 2, BATCH, callbacks=[again])
    assert again.seen == rates_of(CosineDecay(0.1, steps=2 * PER_EPOCH, warmup=2), 2 * PER_EPOCH)


def test_steps_that_are_given_are_counted_over_all_fits():
    trainer, seen = run(LinearDecay(0.1, steps=3 * PER_EPOCH), epochs=2)
    again = Rates()
    trainer.fit(X, Y, 2, BATCH, callbacks=[again])
    assert seen + again.seen == rates_of(LinearDecay(0.1, steps=3 * PER_EPOCH), 4 * PER_EPOCH)
    assert again.seen[-1] == 0


def test_a_second_training_with_the_same_object_begins_it_anew():
    schedule = CosineDecay(0.1)
    first, second = (run(schedule)[1] for _ in range(2))
    assert first == second


def test_a_warm_up_longer_than_the_training_is_refused_before_the_first_step():
    trainer = Trainer(model(), CrossEntropy(), Adam(CosineDecay(0.1, warmup=100)))
    before = trainer.model.params.copy()
    with pytest.raises(InputError, match="warms up for 100 steps, but there are only 10 steps"):
        trainer.fit(X, Y, 2, BATCH)
    assert (trainer.model.params == before).all()
    trainer.fit(X, Y, 20, BATCH)  # all of it is the warm-up
    assert trainer.history["learning_rate"][-1] == 0.1


MAKE = {
    "cosine": lambda: CosineDecay(0.1, warmup=0.2),
    "linear": lambda: LinearDecay(0.1, final=0.01, warmup=3),
    "exponential": lambda: ExponentialDecay(0.1, 0.8, warmup=0.1),
    "piecewise": lambda: PiecewiseConstant(0.1, [0.5, 0.75], [0.01, 0.0]),
    "steps given": lambda: CosineDecay(0.1, steps=13),
}


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize(
    "at", [2 * PER_EPOCH + 3, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, PER_EPOCH))]
)
def test_a_run_that_was_stopped_and_resumed_ends_with_the_same_bits(tmp_path, name, at):
    whole, seen = run(MAKE[name](), path=tmp_path / "whole.npz")
    _, before = run(MAKE[name](), path=tmp_path / "part.npz", at=at)
    resumed, after = run(MAKE[name](), path=tmp_path / "part.npz", resume=True)
    assert before + after == seen
    assert bits(resumed) == bits(whole) == bits(run(MAKE[name]())[0])


def test_a_second_fit_is_resumed_where_it_was(tmp_path):
    """The schedule began anew with the second fit, and a resume does not begin it once more."""
    outcomes = []
    for at in (None, 2 * PER_EPOCH + 3):
        trainer = Trainer(model(), CrossEntropy(), Adam(CosineDecay(0.1)))
        path, stop = tmp_path / f"{at}.npz", Stop()
        trainer.fit(X, Y, 2, BATCH)
        stop.at = at
        trainer.fit(X, Y, 3, BATCH, callbacks=[stop, Checkpoint(path)])
        if at:
            trainer, _ = run(CosineDecay(0.1), 5, path, resume=True)
        outcomes.append(bits(trainer))
    assert outcomes[0] == outcomes[1]


def test_a_resume_with_other_epochs_is_refused_and_the_line_is_named(tmp_path):
    path = tmp_path / "run.npz"
    run(CosineDecay(0.1), epochs=2, path=path)
    told = (
        r"optimizer.learning_rate at t = 2: .* against .*; fit tells CosineDecay its number of "
        r"steps, which follows from epochs, 2 against 4. Write epochs=2, or CosineDecay\(..., "
        r"steps=10\)"
    )
    with pytest.raises(InputError, match=told):
        run(CosineDecay(0.1), epochs=4, path=path, resume=True)
    longer, _ = run(CosineDecay(0.1, steps=10), epochs=4, path=path, resume=True)
    assert longer.history["learning_rate"][2:] == [0, 0]
    given, _ = run(CosineDecay(0.1, steps=10), epochs=4)
    assert bits(longer) == bits(given)


def test_with_steps_that_are_given_a_run_is_resumed_with_other_epochs(tmp_path):
    path = tmp_path / "run.npz"
    run(CosineDecay(0.1, steps=20), epochs=2, path=path)
    longer, _ = run(CosineDecay(0.1, steps=20), epochs=4, path=path, resume=True)
    assert bits(longer) == bits(run(CosineDecay(0.1, steps=20), epochs=4)[0])


@pytest.mark.first_cases(2)
@pytest.mark.parametrize(
    ("other", "told"),
    [
        (CosineDecay(0.1, 20, 6), "learning_rate.warmup: 5 against 6"),
        (CosineDecay(0.1, 30, 5), "learning_rate.steps: 20 against 30"),
        (CosineDecay(0.2, 20, 5), "learning_rate.learning_rate: 0.1 against 0.2"),
        (LinearDecay(0.1, 20, 5), "learning_rate.class: CosineDecay against LinearDecay"),
        (0.1, "learning_rate: a function of t against 0.1"),
        (CosineDecay(0.1, None, 5), "learning_rate at t = 8: .* against"),
    ],
)
def test_another_schedule_is_refused(tmp_path, other, told):
    path = tmp_path / "run.npz"
    run(CosineDecay(0.1, 20, 5), epochs=2, path=path)
    with pytest.raises(InputError, match=told):
        run(other, epochs=3, path=path, resume=True)


class Sawtooth(Schedule):
    """A user's own schedule, which needs the number of steps."""

    def __init__(self, learning_rate, teeth=2, steps=None, warmup=0):
        super().__init__(learning_rate, steps, warmup)
        self.teeth = teeth

    def after_warmup(self, s):
        return self.learning_rate * (1 - (self.teeth * self.share_done(s)) % 1)


def test_a_schedule_class_of_the_users_own_is_told_its_steps_resumed_and_compared(tmp_path):
    path = tmp_path / "run.npz"
    whole, seen = run(Sawtooth(0.1))
    assert seen[0] == seen[2 * PER_EPOCH] == 0.1
    run(Sawtooth(0.1), path=path, at=7)
    with pytest.raises(InputError, match=r"learning_rate.teeth: 2 against 3"):
        run(Sawtooth(0.1, teeth=3), path=path, resume=True)
    assert bits(run(Sawtooth(0.1), path=path, resume=True)[0]) == bits(whole)


def test_a_function_with_the_same_rates_goes_on_with_a_schedules_run(tmp_path):
    path = tmp_path / "run.npz"
    run(LinearDecay(0.1, steps=20), path=path, at=7)
    resumed, _ = run(lambda t: LinearDecay(0.1, steps=20)(t), path=path, resume=True)
    assert bits(resumed) == bits(run(LinearDecay(0.1))[0])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_copy_of_an_optimizer_and_its_model_goes_on_alike(copied):
    """The copy keeps what fit told the schedule."""
    trainer, _ = run(CosineDecay(0.1, warmup=2), at=7)
    pair = trainer.model, trainer.optimizer
    again = copied(pair)
    for network, optimizer in (pair, again):
        for _ in range(3):
            optimizer.step(network.params, np.ones_like(network.params))
    assert pair[0].params.tobytes() == again[0].params.tobytes()
    assert again[1].rate(11) == CosineDecay(0.1, steps=20, warmup=2)(11)


def test_a_resumed_optimizer_asks_again_for_a_step_that_it_knew_of_another_run(tmp_path):
    """The optimizer keeps the last answer; it is of a schedule that was told other steps."""
    path = tmp_path / "run.npz"
    whole, _ = run(CosineDecay(0.1), epochs=4)
    run(CosineDecay(0.1), epochs=4, path=path, at=PER_EPOCH - 1)
    trainer, _ = run(CosineDecay(0.1), epochs=1)  # its last answer is of step 5
    trainer.history.epochs.clear()
    trainer.fit(X, Y, 4, BATCH, callbacks=[Checkpoint(path)], resume_from=path)
    assert trainer.model.params.tobytes() == whole.model.params.tobytes()


def test_the_log_and_explain_step_have_the_rate_of_the_step(tmp_path):
    trainer = Trainer(model(), CrossEntropy(), SGD(CosineDecay(0.1, warmup=0.5)))
    trainer.fit(X, Y, 2, BATCH, callbacks=[CSVLogger(tmp_path / "log.csv")])
    with (tmp_path / "log.csv").open(newline="") as file:
        written = [float(row["learning_rate"]) for row in csv.DictReader(file)]
    assert written == trainer.history["learning_rate"]
    assert written[0] == 0.1
    page = str(explain_step(model(), CrossEntropy(), SGD(LinearDecay(0.5, 10)), X[:2], Y[:2]))
    assert "SGD 0.5" in page
    after = str(explain_step(trainer.model, CrossEntropy(), trainer.optimizer, X[:2], Y[:2]))
    assert "SGD 0 " in after


@pytest.mark.outcome
@pytest.mark.parametrize("schedule", [CosineDecay(0.05, warmup=0.3), LinearDecay(0.05)])
def test_the_doctor_finds_no_problem_in_a_warm_up_or_in_a_rate_of_0(schedule):
    x = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
    y = (x @ [1.0, -2.0, 0.5, 0.0] > 0).astype(int)
    network = Sequential([Dense(16), ReLU(), Dense(2), Softmax()], input_shape=(4,))
    doctor = Doctor(every=1)
    Trainer(network, CrossEntropy(), Adam(schedule)).fit(x, y, 8, 32, callbacks=[doctor])
    assert doctor.report().problems == []
    short = Doctor(every=1)  # stopped within the warm-up
    trainer = Trainer(copy.deepcopy(network), CrossEntropy(), Adam(CosineDecay(1e-3, 10**6, 2000)))
    trainer.fit(x, y, 3, 32, callbacks=[short])
    assert short.report().problems == []


# plots.schedule


@pytest.mark.slow
def test_the_picture_shows_the_rates_of_each_step(tmp_path):
    path = tmp_path / "schedule.png"
    figure = plots.schedule(CosineDecay(0.1, warmup=0.1), steps=50, path=path)
    (panel,) = figure.axes
    (line,) = panel.get_lines()
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 51))
    np.testing.assert_allclose(line.get_ydata(), rates_of(CosineDecay(0.1, 50, 5), 50))
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("step", "learning rate")
    assert path.stat().st_size > 5000


def test_several_schedules_are_drawn_with_their_labels_and_none_is_changed():
    schedule = CosineDecay(0.1)
    figure = plots.schedule(schedule, LinearDecay(0.1, 40), lambda t: 0.05, steps=40)
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["CosineDecay", "LinearDecay", "<lambda>"]
    with pytest.raises(InputError, match="does not know how many steps"):
        schedule(1)
    figure = plots.schedule(schedule, LinearDecay(0.1, 40), labels=["_a", "$b"], steps=40)
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == ["_a", r"\$b"]


@pytest.mark.parametrize(
    ("arguments", "named", "told"),
    [
        ((), {"steps": 5}, "needs one schedule or more"),
        ((0.1,), {"steps": 5}, "expects schedules, functions of the step t, got 0.1"),
        ((CosineDecay(0.1),), {}, r"how many steps to draw: write steps="),
        ((CosineDecay(0.1),), {"steps": 0}, "steps must be a whole number"),
        ((CosineDecay(0.1),), {"steps": 5, "labels": "one"}, "a text for each of the 1 schedules"),
    ],
)
def test_a_picture_of_nothing_is_refused(arguments, named, told):
    with pytest.raises(InputError, match=told):
        plots.schedule(*arguments, **named)


def test_piecewise_constant_keeps_lists_of_its_own_of_pythons_numbers():
    boundaries, rates = [2, 4], [0.01, 0.001]
    schedule = PiecewiseConstant(0.1, boundaries, rates)
    boundaries[0], rates[0] = 1, 5.0
    assert [schedule(t) for t in (2, 3, 5)] == [0.1, 0.01, 0.001]
    numpys = PiecewiseConstant(0.1, tuple(np.array([2, 4])), tuple(np.float32([0.5, 0.25])))
    assert [numpys(t) for t in (2, 3, 5)] == [0.1, 0.5, 0.25]
    assert {type(each) for each in numpys.boundaries} == {int}


def test_a_run_with_a_tuple_of_boundaries_resumes_one_with_a_list(tmp_path):
    path, x, y = tmp_path / "run.npz", np.eye(4), np.arange(4) % 2

    def fit(kind, epochs, **more):
        model = Sequential([Dense(2), Softmax()], input_shape=(4,))
        schedule = PiecewiseConstant(0.1, kind([1, 3]), kind([0.01, 0.001]))
        return Trainer(model, CrossEntropy(), SGD(schedule)).fit(x, y, epochs, **more)

    fit(list, 2, callbacks=[Checkpoint(path)])
    assert fit(tuple, 4, resume_from=path)["loss"] == fit(list, 4)["loss"]


@pytest.mark.parametrize("event", ["on_train_begin", "on_epoch_begin"])
def test_a_schedule_that_a_callback_sets_needs_its_steps_and_the_message_says_so(event):
    def fit(schedule):
        def set_it(trainer):
            trainer.optimizer.learning_rate = schedule

        model = Sequential([Dense(2), Softmax()], input_shape=(4,))
        sets = [FunctionCallback(**{event: set_it})]
        Trainer(model, CrossEntropy(), SGD(0.1)).fit(np.eye(4), [0, 1, 0, 1], 2, callbacks=sets)

    with pytest.raises(InputError, match=r"has before fit\. Without fit, or if a callback sets it"):
        fit(CosineDecay(0.1))
    fit(schedule := CosineDecay(0.1, steps=2))
    assert schedule(3) == 0
