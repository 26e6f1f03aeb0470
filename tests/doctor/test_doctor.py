"""A few trainings, each broken in one way: the doctor names that way, and its remedy helps.

The rules are tested in test_rules.py, on records by hand; here is what is measured, and that a
training gives such records.
"""

import re
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import tinynn.doctor.statistics
import tinynn.training.trainer
from oracles import Scale
from tinynn import (
    SGD,
    Adam,
    Callback,
    CrossEntropy,
    Dense,
    Doctor,
    Flatten,
    Layer,
    MeanSquaredError,
    ReLU,
    Sequential,
    Softmax,
    Tanh,
    Trainer,
    TrainingDiverged,
    datasets,
    diagnose,
    glorot_uniform,
    he_normal,
    scale_pixels,
    stratified_split,
    zeros,
)

(IMAGES, LABELS), _ = datasets.load_sample()
REST, DRAWN = stratified_split(LABELS, 3000, np.random.default_rng(0))
X, Y = scale_pixels(IMAGES[REST]), LABELS[REST]
HELD_OUT = scale_pixels(IMAGES[DRAWN[:500]]), LABELS[DRAWN[:500]]


def narrow(shape, rng):
    return rng.normal(0, 0.01, shape)


class OneUse(Tanh):
    """What it remembers is used up by backward."""

    def forward(self, x, training=True):
        if training:
            self.remembered = [super().forward(x)]
        return np.tanh(x)

    def input_gradient(self, dout):
        return dout * (1 - np.square(self.remembered.pop()))


class DrawsAnew(Layer):
    """Draws anew whenever it is used."""

    rng = None

    def forward(self, x, training=True):
        if self.rng is None:
            self.rng = np.random.default_rng(5)
        self.mask = (self.rng.random(x.shape) > 0.3) / np.float32(0.7) if training else 1
        return (x * self.mask).astype(x.dtype)

    def input_gradient(self, dout):
        return (dout * self.mask).astype(dout.dtype)


class Divide(Layer):
    def forward(self, x, training=True):
        return x / np.float32(255)

    def input_gradient(self, dout):
        return dout / np.float32(255)


class MaxPool(Layer):
    """The largest of each 7 x 7 pixels; remembers which one it was."""

    def output_shape(self, input_shape):
        return (4, 4)

    def forward(self, x, training=True):
        tiles = x.reshape(-1, 4, 7, 4, 7)
        out = tiles.max(axis=(2, 4))
        if training:
            self.winners = tiles == out[:, :, None, :, None]
        return out

    def input_gradient(self, dout):
        return (self.winners * dout[:, :, None, :, None]).reshape(-1, 28, 28)


def network(*hidden, initializer=he_normal, bias=0.0, bend=ReLU):
    layers = [Flatten()]
    for units in hidden or (64, 64):
        layers += [Dense(units, initializer), bend()]
    model = Sequential([*layers, Dense(10, initializer), Softmax()], input_shape=(28, 28))
    for layer in model.layers[1:-2:2]:
        layer.b += bias
    return model


def run(model=None, optimizer=None, x=X, y=Y, held_out=HELD_OUT, epochs=3):
    """Train with a doctor at hand; return the report, the last loss, and the trainer."""
    doctor = Doctor()
    trainer = Trainer(model or network(), CrossEntropy(), optimizer or Adam())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of unscaled bytes, of losses above guessing
        try:
            trainer.fit(x, y, epochs, 32, held_out, [doctor])
        except TrainingDiverged:
            return SimpleNamespace(report=doctor.report(), loss=np.inf, trainer=trainer)
    loss = trainer.evaluate(*HELD_OUT)["loss"]
    return SimpleNamespace(report=doctor.report(), loss=loss, trainer=trainer)


def mixed(labels):
    return np.random.default_rng(0).permutation(labels)


def as_bytes(images):
    return np.rint(images * 255)


def deep_tanh():
    return network(*[64] * 10, initializer=glorot_uniform, bend=Tanh)


BROKEN = {  # name of the run: the rule that must come first, how to run it
    "bytes": ("inputs", lambda: run(x=as_bytes(X), held_out=(as_bytes(HELD_OUT[0]), HELD_OUT[1]))),
    "zeros": ("symmetric_units", lambda: run(network(initializer=zeros))),
    "narrow weights": (
        "signal_propagation",
        lambda: run(network(*[32] * 15, initializer=narrow), epochs=1),
    ),
    "Adam at 1": ("large_steps", lambda: run(optimizer=Adam(1.0))),
    "flat tanh": ("vanishing_gradients", lambda: run(deep_tanh(), Adam(0.02))),
    "mixed labels": ("at_chance", lambda: run(y=mixed(Y))),
}


@pytest.fixture(scope="module")
def broken():
    """Return a function that gives a broken run, trained at its first use."""
    done = {}

    def get(name):
        if name not in done:
            done[name] = BROKEN[name][1]()
        return done[name]

    return get


def causes(report):
    return [finding.name for finding in [*report.problems, *report.notes]]


@pytest.mark.first_cases(2)
@pytest.mark.outcome
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_run_is_recognised_with_the_right_cause_first_and_alone(broken, name):
    report = broken(name).report
    assert causes(report)[0] == BROKEN[name][0], report
    assert len(report.problems) == 1, report


def a_tenth_until_it_falls():
    """Do as the remedy says: a tenth of the rate, again and again, until the doctor is content."""
    for rate in (0.1, 0.01, 1e-3, 1e-4):
        tried = run(optimizer=Adam(rate))
        if not tried.report.problems:
            return tried
    raise AssertionError(tried.report)


REMEDIES = {
    "bytes": lambda: run(),
    "zeros": lambda: run(),
    "narrow weights": lambda: run(network(*[32] * 15)),
    "Adam at 1": a_tenth_until_it_falls,
    "flat tanh": lambda: run(deep_tanh(), Adam(0.001)),
    "mixed labels": lambda: run(),
}


@pytest.mark.slow
@pytest.mark.outcome
@pytest.mark.parametrize(
    "name", [pytest.param(x, marks=[pytest.mark.slow] * (n % 2)) for n, x in enumerate(REMEDIES)]
)
def test_the_remedy_that_is_printed_helps(broken, name):
    cured = REMEDIES[name]()
    assert not cured.report.problems, cured.report
    assert cured.loss < 0.8 * broken(name).loss
    assert cured.loss < 1.3  # guessing gives 2.3


@pytest.mark.slow
@pytest.mark.outcome
def test_a_healthy_run_has_no_problem_though_some_of_its_units_are_dead():
    report = run().report
    assert causes(report) == []
    assert str(report).startswith(
        "HEALTHY   No problem was found.\nFINE      inputs have standard deviation 0."
    )
    dead, units = max(report.record.dead.values())
    assert 0 < dead < units / 2
    labels, predicted = report.record.training_counts
    assert labels == np.bincount(Y[::3], minlength=10).tolist()
    assert sum(predicted) == 1000


@pytest.mark.outcome
def test_the_gradient_of_the_flat_tanh_has_vanished_in_numbers(broken):
    (problem,) = broken("flat tanh").report.problems
    found = re.fullmatch(
        r"at steps \d+ to 200 the gradient of the loss goes from 0\.\d+ \(21\.Dense\) to (\S+) "
        r"\(\d+\.Dense\): .*",
        problem.seen,
    )
    assert float(found[1]) < 1e-3
    assert "never_predicted" in [finding.name for finding in problem.follows]


# Numbers to be predicted

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(300, 3))
PRICES = (200_000 + 50_000 * ROWS @ [1, 2, -1])[:, None]


def regression(y, optimizer, epochs=30, x=ROWS, held_out=None):
    doctor, model = Doctor(), Sequential([Dense(16), ReLU(), Dense(1)], input_shape=(3,))
    trainer = Trainer(model, MeanSquaredError(), optimizer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(x, y, epochs, validation_data=held_out, callbacks=[doctor])
    return SimpleNamespace(report=doctor.report(), model=model, trainer=trainer)


@pytest.mark.outcome
def test_a_regression_whose_targets_are_not_scaled_is_named_and_the_remedy_helps():
    hopeless = regression(PRICES, Adam(0.01))
    (problem,) = hopeless.report.problems
    assert problem.title == "The targets are not scaled."
    assert "at_chance" in [finding.name for finding in problem.follows]
    guess = PRICES.var()  # by hand: what the mean of y gives
    assert f"the mean of y gives {guess:.3g}" in problem.seen
    assert hopeless.trainer.history["loss"][-1] > 2 * guess

    mean, std = PRICES.mean(axis=0), PRICES.std(axis=0)
    cured = regression((PRICES - mean) / std, Adam(0.01))
    assert cured.report.problems == []
    assert cured.report.healthy
    p = cured.model.predict(ROWS) * std + mean
    assert np.mean((p - PRICES) ** 2) < 0.1 * guess


def test_unscaled_targets_are_why_a_training_diverges():
    doctor, model = Doctor(), Sequential([Dense(16), ReLU(), Dense(1)], input_shape=(3,))
    with pytest.raises(TrainingDiverged):
        Trainer(model, MeanSquaredError(), SGD(0.05)).fit(ROWS, PRICES, 9, callbacks=[doctor])
    (problem,) = doctor.report().problems
    assert problem.name == "targets"
    assert [finding.name for finding in problem.follows] == ["large_steps"]


def test_one_step_is_enough_for_targets_that_are_not_scaled():
    model = Sequential([Dense(16), ReLU(), Dense(1)], input_shape=(3,))
    (problem,) = diagnose(model, MeanSquaredError(), ROWS, PRICES).problems
    assert problem.seen.startswith(
        f"y has standard deviation {PRICES.std():.3g} and mean {PRICES.mean():.3g}; the loss began "
    )
    assert diagnose(model, MeanSquaredError(), ROWS, PRICES / 1e5).problems == []


def test_a_constant_column_of_a_table_is_seen_by_the_doctor_and_by_diagnose():
    x = np.column_stack([1000 * ROWS, np.ones(len(ROWS))])
    y = (PRICES - PRICES.mean()) / PRICES.std()
    model = Sequential([Dense(16), ReLU(), Dense(1)], input_shape=(4,))
    doctor = Doctor()
    Trainer(model, MeanSquaredError(), SGD(1e-12)).fit(x, y, 1, callbacks=[doctor])
    for report in (doctor.report(), diagnose(model, MeanSquaredError(), x, y)):
        assert "np.where(std, std, 1)" in report.problems[0].remedy
    few = diagnose(model, MeanSquaredError(), x + ROWS[:, :1], y)
    assert "np.where" not in few.problems[0].remedy


def test_validation_targets_on_another_scale_are_noticed():
    y = (PRICES - PRICES.mean()) / PRICES.std()
    report = regression(y[:200], SGD(0.05), 9, ROWS[:200], (ROWS[200:], PRICES[200:])).report
    (problem,) = report.problems
    assert problem.title == "Validation targets are scaled differently."
    assert f"their standard deviation is {PRICES[200:].std():.3g}" in problem.seen
    few = regression(y[:290], SGD(0.05), 9, ROWS[:290], (ROWS[:1], y[:1] + 15))
    assert not few.report.record.validation_baseline.stds.size  # of one sample none can be told


def test_guessing_in_validation_is_what_the_mean_of_the_training_targets_scores_there():
    y = (PRICES - PRICES.mean()) / PRICES.std()
    record = regression(y[:200], SGD(0.05), 2, ROWS[:200], (ROWS[200:], y[200:])).report.record
    expected = np.mean((y[200:] - y[:200].mean()) ** 2)
    assert record.validation_baseline.loss == pytest.approx(expected)
    assert record.baseline.loss == pytest.approx(y[:200].var())


# Classes of which one is rare

POINTS = RNG.normal(size=(3000, 8))
SIDES = (POINTS[:, 0] + POINTS[:, 1] > 0).astype(int)
ONE_IN_A_HUNDRED = (POINTS[:, 0] > np.quantile(POINTS[:, 0], 0.99)).astype(int)


@pytest.mark.slow
@pytest.mark.outcome
def test_a_class_of_one_in_a_hundred_is_reported_as_imbalance_and_the_remedy_helps():
    """Its labels belong to the inputs; a learning rate of 0.01 is too small to find out."""
    x, y = POINTS, ONE_IN_A_HUNDRED
    report = watched(binary(), x, y, optimizer=SGD(0.01), epochs=5)
    (problem,) = report.problems
    assert problem.title == "The classes are imbalanced, and only class 0 is predicted."
    assert report.record.training_counts == (np.bincount(y[::3]).tolist(), [1000, 0])

    times = int(re.search(r"y != 0\), (\d+)\)", problem.remedy)[1])
    assert times == 99
    more = np.repeat(np.flatnonzero(y != 0), times)
    rows = np.append(np.flatnonzero(y == 0), more)
    model = Sequential(binary(), input_shape=(8,))
    Trainer(model, CrossEntropy(), SGD(0.1)).fit(x[rows], y[rows], 5)
    found = model.predict(x).argmax(axis=1)[y == 1]
    assert found.mean() > 0.8  # recall


# Healthy runs of other kinds

SPREAD = RNG.standard_t(2, (2000, 4)).clip(-60, 60)
BEGINNING = slice(1280)  # 40 steps: too few to judge what was learnt


def watched(layers, x, y, loss=None, optimizer=None, epochs=8, batch_size=32, held_out=None):
    doctor = Doctor()
    model = Sequential(layers, input_shape=x.shape[1:])
    trainer = Trainer(model, loss or CrossEntropy(), optimizer or SGD(0.1))
    trainer.fit(x, y, epochs, batch_size, held_out, [doctor])
    return doctor.report()


def begun(layers, x, y, optimizer=None, **more):
    return watched(layers, x[BEGINNING], y[BEGINNING], None, optimizer or Adam(), 1, **more)


def binary(*last):
    return [Dense(16), ReLU(), *(last or [Dense(2)]), Softmax()]


HEALTHY = {
    "two classes": lambda: watched(
        binary(), POINTS[:2000], SIDES[:2000], held_out=(POINTS[2000:], SIDES[2000:])
    ),
    "a line": lambda: watched(
        [Dense(8), ReLU(), Dense(1)], POINTS, POINTS[:, :1], MeanSquaredError(), Adam(0.003)
    ),
    "one class only": lambda: watched(binary(), POINTS[:200], SIDES[:200] * 0),
    "batches of one": lambda: watched(
        binary(), POINTS[:500], SIDES[:500], batch_size=1, optimizer=SGD(0.01), epochs=3
    ),
    "a last layer that starts at zero": lambda: begun(binary(Dense(2, zeros)), POINTS, SIDES),
    "no hidden layer, from zero": lambda: begun([Dense(2, zeros), Softmax()], POINTS, SIDES),
    "inputs with outliers": lambda: watched(binary(), SPREAD, (SPREAD[:, 0] > 0).astype(int)),
    "a first layer of zeros under a random one": lambda: begun(
        [Flatten(), Dense(64, zeros), Tanh(), Dense(10), Softmax()], X, Y
    ),
    "a matrix of ones that is no Dense's": lambda: begun(
        [Scale(), Flatten(), Dense(32), ReLU(), Dense(10), Softmax()], X, Y
    ),
    "large numbers, scaled by a layer": lambda: begun(
        [Divide(), Flatten(), Dense(32), ReLU(), Dense(10), Softmax()], X * 255.5, Y,
        held_out=(HELD_OUT[0] * 255.5, HELD_OUT[1]),
    ),
    "a mask that has another shape than the output": lambda: begun(
        [MaxPool(), Flatten(), Dense(64), ReLU(), Dense(10), Softmax()], X, Y
    ),
    "an autoencoder": lambda: watched(
        [Flatten(), Dense(64), ReLU(), Dense(784)], X[BEGINNING], X[BEGINNING].reshape(-1, 784),
        MeanSquaredError(), Adam(), epochs=2,
    ),
}  # fmt: skip


HALF = [pytest.param(x, marks=[pytest.mark.slow] * (n % 2)) for n, x in enumerate(HEALTHY)]


@pytest.mark.first_cases(3)
@pytest.mark.outcome
@pytest.mark.parametrize("name", HALF)
def test_healthy_runs_of_other_kinds_get_no_problem(name):
    report = HEALTHY[name]()
    assert report.problems == [], report


def test_a_mask_of_another_shape_than_the_output_tells_of_no_inactive_units():
    record = HEALTHY["a mask that has another shape than the output"]().record
    assert [list(step.inactive) for step in record.steps[:2]] == [["3.ReLU"]] * 2
    assert list(record.dead) == ["3.ReLU"]


def test_columns_of_years_have_a_mean_far_from_0():
    years = RNG.integers(1990, 1998, (500, 2))
    model = Sequential(binary(), input_shape=(2,))
    y = (years[:, 0] > years[:, 1]).astype(int)
    report = diagnose(model, CrossEntropy(), years, y)
    assert [problem.title for problem in report.problems] == [
        "The mean of the inputs is far from 0."
    ], report
    scaled = (years - years.mean(axis=0)) / years.std(axis=0)
    assert diagnose(model, CrossEntropy(), scaled, y).problems == []


def test_diagnose_finds_nothing_in_one_sample_or_in_a_perfect_fit():
    model = Sequential([Dense(4), ReLU(), Dense(2), Softmax()], input_shape=(8,))
    assert causes(diagnose(model, CrossEntropy(), POINTS[:1], SIDES[:1])) == []
    model = Sequential([Dense(4), ReLU(), Dense(1)], input_shape=(8,))
    assert causes(diagnose(model, MeanSquaredError(), POINTS, model.predict(POINTS))) == []


def test_the_doctor_changes_nothing_of_a_training():
    watched, alone = network(64), network(64)
    run(watched, epochs=1)
    Trainer(alone, CrossEntropy(), Adam()).fit(X, Y, 1, 32, HELD_OUT)
    assert watched.params.tobytes() == alone.params.tobytes()


@pytest.mark.parametrize("own", [OneUse, DrawsAnew])
def test_layers_that_change_as_they_are_used_train_to_the_same_bits_with_a_doctor(own):
    def trained(*callbacks):
        model = network(32, 32, bend=own)
        Trainer(model, CrossEntropy(), Adam()).fit(X[:500], Y[:500], 3, callbacks=callbacks)
        return model.params.tobytes()

    assert trained(Doctor(every=5)) == trained()


def test_the_first_steps_are_recorded_and_every_hundredth():
    report = run(network(8), epochs=4).report
    steps = [step.number for step in report.record.steps]
    assert steps == [1, 2, 4, 8, 16, 32, 64, 100, 200, 300]


@pytest.mark.slow
def test_of_a_long_run_few_steps_are_kept(monkeypatch):
    monkeypatch.setattr("tinynn.doctor.watch.MOST_STEPS", 20)
    doctor = Doctor(every=8)
    Trainer(network(4), CrossEntropy(), Adam()).fit(X, Y, 10, 64, callbacks=[doctor])
    steps = [step.number for step in doctor.record.steps]
    assert len(steps) <= 20
    assert steps[:3] == [1, 2, 4]
    assert steps[3:] == list(range(steps[3], steps[-1] + 1, steps[3]))
    assert steps[-1] > 400


def test_a_step_that_is_dropped_at_once_leaves_its_update_to_no_other(monkeypatch):
    """The 21st recorded step is step 57, which is odd: it is the first to be dropped."""

    def updates(every):
        doctor = Doctor(every)
        Trainer(network(4), CrossEntropy(), Adam()).fit(X[:2000], Y[:2000], 1, callbacks=[doctor])
        return {step.number: step.update_ratio for step in doctor.record.steps}

    all_steps = updates(1)
    monkeypatch.setattr("tinynn.doctor.watch.MOST_STEPS", 20)
    kept = updates(3)
    assert list(kept)[:4] == [1, 2, 6, 12]
    assert all(kept[number] == all_steps[number] for number in kept)


def test_a_new_training_starts_a_new_record():
    doctor = Doctor()
    for _ in range(2):
        trainer = Trainer(network(4), CrossEntropy(), Adam())
        trainer.fit(X[:64], Y[:64], 1, callbacks=[doctor])
    assert [step.number for step in doctor.record.steps] == [1, 2]


def test_what_is_unknown_is_reported_as_unknown():
    model = Sequential([Dense(1)], input_shape=(1,))
    doctor = Doctor()
    x = np.linspace(-1, 1, 20)[:, None]
    Trainer(model, MeanSquaredError(), SGD(0.1)).fit(x, 2 * x, 3, callbacks=[doctor])
    report = doctor.report()
    assert not report.problems
    unknown = {finding.name for finding in report.findings if finding.level == "unknown"}
    assert unknown >= {
        "shuffling",
        "signal_propagation",
        "imbalance",
        "validation",
        "never_predicted",
    }
    assert "\nUNKNOWN   " in str(report)


def test_of_a_resumed_run_the_initial_weights_are_unknown(tmp_path):
    class StopAtThree(Callback):
        affects_training = False

        def on_step_end(self, trainer):
            trainer.stop = trainer.step == 3

    path = tmp_path / "run.npz"
    first = [StopAtThree(), tinynn.Checkpoint(path)]
    Trainer(network(4), CrossEntropy(), Adam()).fit(X, Y, 2, callbacks=first)
    doctor = Doctor()
    Trainer(network(4), CrossEntropy(), Adam()).fit(X, Y, 2, callbacks=[doctor], resume_from=path)
    assert doctor.record.steps[0].number == 4
    unknown = {f.name for f in doctor.report().findings if f.level == "unknown"}
    assert unknown >= {"symmetric_units", "inactive_at_start", "signal_propagation"}


def test_before_the_first_step_there_is_nothing_to_report():
    with pytest.raises(ValueError, match="has recorded no step"):
        Doctor().report()


# diagnose


@pytest.mark.parametrize(
    ("cause", "model", "x", "y"),
    [
        ("inputs", network(32), as_bytes(X), Y),
        ("shuffling", network(32), X[np.argsort(Y)], np.sort(Y)),  # a note: fit shuffles
        ("symmetric_units", network(32, initializer=zeros), X, Y),
        ("inactive_at_start", network(32, bias=-9), X, Y),
        ("signal_propagation", network(*[32] * 12, initializer=narrow), X, Y),
    ],
)
def test_one_step_is_enough_for_what_is_wrong_before_training(cause, model, x, y):
    before = model.params.tobytes()
    report = diagnose(model, CrossEntropy(), x, y)
    assert causes(report) == [cause]
    assert model.params.tobytes() == before


def test_a_gradient_that_vanishes_between_two_layers_and_comes_back_is_found_there():
    model = network(64, 64, 64)
    model.layers[5].W *= 1e-4
    model.layers[3].W *= 1e4
    (problem,) = diagnose(model, CrossEntropy(), X, Y).problems
    assert problem.name == "signal_propagation"
    assert re.search(r"\(3\.Dense\): most of it from 5\.Dense to 3\.Dense$", problem.seen)


def test_a_gradient_too_small_for_float32_has_vanished():
    model = network(*[32] * 60, initializer=narrow, bend=Tanh)
    (problem,) = diagnose(model, CrossEntropy(), X, Y).problems
    assert problem.title == "The gradient vanishes."
    assert "to 0 (" in problem.seen


def test_sorted_data_are_a_note_of_diagnose_because_fit_shuffles_them():
    report = diagnose(network(32), CrossEntropy(), X[np.argsort(Y)], np.sort(Y))
    assert (report.problems, [note.name for note in report.notes]) == ([], ["shuffling"])


def test_diagnose_does_not_say_that_units_were_inactive_before_training():
    """One step cannot show that. The remedy, new initial weights, helps in both cases."""
    (problem,) = diagnose(network(32, bias=-9), CrossEntropy(), X, Y).problems
    assert problem.title == "Nearly all units of a layer are inactive."
    assert "New initial weights" in problem.remedy
    assert diagnose(network(32), CrossEntropy(), X, Y).problems == []


def test_diagnose_finds_nothing_in_a_sound_model_and_says_what_is_unknown():
    model = network(32)
    model.forward(X[:2])
    report = diagnose(model, CrossEntropy(), X, Y)
    assert causes(report) == []
    assert "the size of steps: no step was taken" in str(report)
    model.backward(np.ones((2, 10)))  # what the model remembered is still there


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((None, CrossEntropy(), X, Y), "model must be a Sequential"),
        ((network(4), CrossEntropy, X, Y), "Write CrossEntropy"),
        ((network(4), CrossEntropy(), X, Y[:5]), "the same number of samples"),
        ((network(4), CrossEntropy(), X[0], Y[:28]), "got one sample"),
    ],
)
def test_diagnose_refuses_what_does_not_fit(arguments, text):
    with pytest.raises(ValueError, match=text):
        diagnose(*arguments)


# The figure


@pytest.mark.slow
def test_the_figure_shows_the_four_and_the_headline(broken, tmp_path):
    report = broken("Adam at 1").report
    figure = report.figure(tmp_path / "health.png")
    assert figure.get_suptitle() == "The steps are too large."
    assert [panel.get_title() for panel in figure.axes] == [
        "Loss",
        "Update-to-weight ratio",
        "Outputs and gradients by depth",
        "Units dead for all of up to 1,000 samples",
    ]
    losses = figure.axes[0].get_lines()[0].get_ydata()
    assert list(losses) == [step.loss for step in report.record.steps]
    assert [bar.get_height() for bar in figure.axes[3].patches] == [
        dead / units for dead, units in report.record.dead.values()
    ]
    assert (tmp_path / "health.png").stat().st_size > 20_000


@pytest.mark.parametrize("optimizer", [SGD(10), SGD(1e20)], ids=["few steps", "diverged at step 2"])
def test_every_run_can_be_drawn(optimizer):
    assert run(optimizer=optimizer, epochs=1).report.figure().axes


def test_the_mean_of_y_is_drawn_as_guessing_where_numbers_are_predicted():
    figure = regression(PRICES / 1e5, Adam(0.01), 2).report.figure()
    (line,) = [one for one in figure.axes[0].get_lines() if one.get_label() == "guessing"]
    assert line.get_ydata()[0] == pytest.approx((PRICES / 1e5).var())


def test_of_one_step_the_inactive_share_of_a_batch_is_drawn():
    figure = diagnose(network(8), CrossEntropy(), X, Y).figure()
    assert figure.axes[3].get_title() == "Inactive outputs in a batch"


@pytest.mark.slow
def test_a_model_without_a_kink_can_be_drawn():
    model = Sequential([Flatten(), Dense(10, glorot_uniform), Softmax()], input_shape=(28, 28))
    assert run(model).report.figure().axes
    assert diagnose(model, CrossEntropy(), X, Y).figure().axes


def test_the_statistics_of_a_step_by_hand():
    """x = [[1], [3]]: 2 x has standard deviation 2; softmax of (2x, 0) has gradient p - y."""
    model = Sequential([Dense(2), Softmax()], input_shape=(1,), dtype=np.float64)
    model.layers[0].W = [[2.0, 0.0]]
    x, y = np.array([[1.0], [3.0]]), np.array([0, 1])
    model.forward(x)
    step = tinynn.doctor.statistics.statistics_of_step(model, CrossEntropy(), x, y, number=7)
    p = 1 / (1 + np.exp(-2 * x[:, 0]))  # of class 0
    assert (step.number, step.input_max, step.labels, step.predicted) == (7, 3.0, [1, 1], [2, 0])
    assert step.loss == pytest.approx(-(np.log(p[0]) + np.log(1 - p[1])) / 2)
    assert step.output_std == {"0.Dense": pytest.approx(np.sqrt(4 / 2))}  # variances 4 and 0
    gradients = np.array([[p[0] - 1, 1 - p[0]], [p[1], -p[1]]])
    assert step.gradient == {"0.Dense": pytest.approx(np.sqrt((gradients**2).mean()))}
    assert step.symmetric_units == []
