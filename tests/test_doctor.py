"""Runs on real images, each broken in one way: the doctor names that way, and its remedy helps."""

import re
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import tinynn.doctor
import tinynn.trainer
import tinynn.vitals
from tinynn import (
    SGD,
    Adam,
    Callback,
    CrossEntropy,
    Dense,
    Doctor,
    EarlyStopping,
    Flatten,
    Layer,
    MeanSquaredError,
    ReLU,
    Sequential,
    Softmax,
    Trainer,
    TrainingDiverged,
    datasets,
    diagnose,
    glorot_uniform,
    he_normal,
    minibatches,
    scale_pixels,
    stratified_split,
    zeros,
)
from tinynn.chart import Chart
from tinynn.doctor import HealthReport
from tinynn.judgements import JUDGEMENTS, Finding
from tinynn.judgements.course import overfitting, validation
from tinynn.vitals import Look

(IMAGES, LABELS), _ = datasets.load_sample()
REST, DRAWN = stratified_split(LABELS, 3000, np.random.default_rng(0))
X, Y = scale_pixels(IMAGES[REST]), LABELS[REST]
HELD_OUT = scale_pixels(IMAGES[DRAWN[:500]]), LABELS[DRAWN[:500]]


def narrow(shape, rng):
    return rng.normal(0, 0.01, shape)


def wide(shape, rng):
    return rng.normal(0, 0.2, shape)


class Tanh(Layer):
    def forward(self, x, training=True):
        out = np.tanh(x)
        if training:
            self.slope = 1 - out**2
        return out

    def input_gradient(self, dout):
        return dout * self.slope


class OneUse(Tanh):
    """What it remembers is used up by backward."""

    def forward(self, x, training=True):
        if training:
            self.remembered = [super().forward(x)]
        return np.tanh(x)

    def input_gradient(self, dout):
        return dout * (1 - np.square(self.remembered.pop()))


class Dropout(Layer):
    """Draws anew whenever it is used."""

    rng = None

    def forward(self, x, training=True):
        if self.rng is None:
            self.rng = np.random.default_rng(5)
        self.mask = (self.rng.random(x.shape) > 0.3) / np.float32(0.7) if training else 1
        return (x * self.mask).astype(x.dtype)

    def input_gradient(self, dout):
        return (dout * self.mask).astype(dout.dtype)


class Gain(Layer):
    gain: np.ndarray

    def parameter_shapes(self, input_shape):
        return {"gain": input_shape}

    def initialize(self, rng):
        self.gain = np.ones(self.gain.shape)

    def forward(self, x, training=True):
        if training:
            self.x = x
        return x * self.gain

    def parameter_gradients(self, dout):
        self.dgain = (dout * self.x).sum(axis=0)

    def input_gradient(self, dout):
        return dout * self.gain


class Scale(Layer):
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


class Sigmoid(Layer):
    def forward(self, x, training=True):
        out = 1 / (1 + np.exp(-x))
        if training:
            self.slope = out * (1 - out)
        return out

    def input_gradient(self, dout):
        return dout * self.slope


def network(*hidden, initializer=he_normal, bias=0.0, bend=ReLU):
    layers = [Flatten()]
    for units in hidden or (512, 256, 128):
        layers += [Dense(units, initializer), bend()]
    model = Sequential([*layers, Dense(10, initializer), Softmax()], input_shape=(28, 28))
    for layer in model.layers[1:-2:2]:
        layer.b += bias
    return model


def sorted_batches(x, y, batch_size, rng, start=0):
    order = np.argsort(y, kind="stable")
    firsts = range(start * batch_size, len(x), batch_size)
    return ((x[i], y[i]) for i in (order[first : first + batch_size] for first in firsts))


def run(model=None, optimizer=None, x=X, y=Y, held_out=HELD_OUT, epochs=3, batches=None, more=()):
    """Train with a doctor at hand; return the report, the last losses, and the trainer."""
    doctor = Doctor()
    trainer = Trainer(model or network(), CrossEntropy(), optimizer or Adam())
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of unscaled bytes, of losses above guessing
        patch.setattr(tinynn.trainer, "minibatches", batches or minibatches)
        try:
            trainer.fit(x, y, epochs, 32, held_out, [doctor, *more])
        except TrainingDiverged:
            return SimpleNamespace(report=doctor.report(), loss=np.inf, trainer=trainer)
    scored = HELD_OUT if held_out is None else held_out
    loss = trainer.evaluate(*scored)["loss"]
    return SimpleNamespace(report=doctor.report(), loss=loss, trainer=trainer)


def mixed(labels):
    return np.random.default_rng(0).permutation(labels)


def as_bytes(images):
    return np.rint(images * 255)


def sigmoids():
    return network(128, 128, 128, initializer=glorot_uniform, bend=Sigmoid)


def randn(shape, rng):
    return rng.normal(size=shape)


class Blocked(Dense):
    """Forgets to pass the gradient on."""

    def input_gradient(self, dout):
        return np.zeros_like(self.x)


def blocked(middle):
    layers = [Flatten(), Dense(64), ReLU(), middle, ReLU(), Dense(10), Softmax()]
    return Sequential(layers, input_shape=(28, 28))


def deep_tanh():
    return network(*[128] * 10, initializer=glorot_uniform, bend=Tanh)


WITHOUT_SHIRTS = Y != 6
FEW = slice(200)
BY_CLASS = np.argsort(Y, kind="stable")
SORTED_SPLIT = {
    "x": X[BY_CLASS[:2400]], "y": Y[BY_CLASS[:2400]],
    "held_out": (X[BY_CLASS[2400:]], Y[BY_CLASS[2400:]]),
}  # fmt: skip

BROKEN = {  # name of the run: the judgement that must come first, how to run it
    "bytes": ("inputs", lambda: run(x=as_bytes(X), held_out=(as_bytes(HELD_OUT[0]), HELD_OUT[1]))),
    "scaled twice": ("inputs", lambda: run(x=X / 255, held_out=(HELD_OUT[0] / 255, HELD_OUT[1]))),
    "all black": ("inputs", lambda: run(x=X // 255, held_out=(HELD_OUT[0] // 255, HELD_OUT[1]))),
    "around 100": ("inputs", lambda: run(x=X + 100, held_out=(HELD_OUT[0] + 100, HELD_OUT[1]))),
    "sorted": ("shuffling", lambda: run(batches=sorted_batches)),
    "zeros": ("alike", lambda: run(network(initializer=zeros))),
    "biases of -5": ("closed_from_the_start", lambda: run(network(bias=-5))),
    "narrow weights": ("signal", lambda: run(network(*[64] * 15, initializer=narrow))),
    "wide weights": ("signal", lambda: run(network(*[256] * 15, initializer=wide))),
    "sigmoids": ("signal", lambda: run(sigmoids(), SGD(0.1))),
    "randn weights": ("signal", lambda: run(network(256, 128, initializer=randn))),
    "nothing passes back": ("signal", lambda: run(blocked(Blocked(64)))),
    "SGD at 10": ("large_steps", lambda: run(optimizer=SGD(10))),
    "Adam at 1": ("large_steps", lambda: run(optimizer=Adam(1.0))),
    "SGD at 1e20": ("large_steps", lambda: run(optimizer=SGD(1e20))),  # breaks off at step 2
    "Adam at 1e-7": ("small_steps", lambda: run(optimizer=Adam(1e-7))),
    "SGD at 3e-4": ("small_steps", lambda: run(optimizer=SGD(3e-4))),
    "SGD at 3e-4, an epoch": ("small_steps", lambda: run(optimizer=SGD(3e-4), epochs=1)),
    "much momentum": ("closed_by_training", lambda: run(optimizer=SGD(0.15, 0.9))),
    "flat tanh": ("fading", lambda: run(deep_tanh(), Adam(0.01))),
    "mixed labels": ("stuck", lambda: run(y=mixed(Y))),
    "mixed validation": ("validation", lambda: run(held_out=(HELD_OUT[0], mixed(HELD_OUT[1])))),
    "validation in bytes": (
        "validation", lambda: run(held_out=(as_bytes(HELD_OUT[0]), HELD_OUT[1]))
    ),
    "no shirts": ("absent", lambda: run(x=X[WITHOUT_SHIRTS], y=Y[WITHOUT_SHIRTS])),
    "sorted before it was split": ("absent", lambda: run(**SORTED_SPLIT)),
    "narrow layers": ("never_predicted", lambda: run(network(*[16] * 20))),
    "200 images": ("overfitting", lambda: run(x=X[FEW], y=Y[FEW], epochs=20)),
}  # fmt: skip
NO_PROBLEM = {"200 images", "narrow layers"}  # but a note


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


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_run_is_recognised_with_the_right_cause_first_and_alone(broken, name):
    report = broken(name).report
    assert causes(report)[0] == BROKEN[name][0]
    assert len(report.problems) == (name not in NO_PROBLEM), report


def test_every_judgement_has_its_broken_run():
    assert {judgement.__name__ for judgement in JUDGEMENTS} == {
        cause for cause, _ in BROKEN.values()
    }


def tenth_until_it_falls(optimizer, rate, factor):
    """Do as the remedy says: change the rate, again and again, until the doctor is content."""
    for _ in range(25):
        rate *= factor
        tried = run(optimizer=optimizer(rate))
        if not tried.report.problems:
            return tried
    raise AssertionError(tried.report)


REMEDIES = {
    "bytes": lambda: run(),
    "scaled twice": lambda: run(),
    "all black": lambda: run(),
    "around 100": lambda: run(x=X - X.mean(), held_out=(HELD_OUT[0] - X.mean(), HELD_OUT[1])),
    "sorted": lambda: run(batches=minibatches),
    "zeros": lambda: run(),
    "biases of -5": lambda: run(),
    "narrow weights": lambda: run(network(*[64] * 15)),
    "wide weights": lambda: run(network(*[256] * 15, initializer=he_normal)),
    "sigmoids": lambda: run(network(128, 128, 128), SGD(0.1)),
    "randn weights": lambda: run(network(256, 128)),
    "nothing passes back": lambda: run(blocked(Dense(64))),
    "SGD at 10": lambda: tenth_until_it_falls(SGD, 10.0, 0.1),
    "Adam at 1": lambda: tenth_until_it_falls(Adam, 1.0, 0.1),
    "SGD at 1e20": lambda: tenth_until_it_falls(SGD, 1e20, 0.1),
    "Adam at 1e-7": lambda: tenth_until_it_falls(Adam, 1e-7, 10),
    "SGD at 3e-4": lambda: tenth_until_it_falls(SGD, 3e-4, 10),
    "SGD at 3e-4, an epoch": lambda: tenth_until_it_falls(SGD, 3e-4, 10),
    "much momentum": lambda: run(optimizer=SGD(0.015, 0.9)),
    "flat tanh": lambda: run(deep_tanh(), Adam(0.001)),
    "mixed labels": lambda: run(),
    "mixed validation": lambda: run(),
    "validation in bytes": lambda: run(),
    "sorted before it was split": lambda: run(),  # X and Y come from stratified_split
    "narrow layers": lambda: run(network(*[16] * 20), epochs=15),
    "no shirts": lambda: run(),  # X and Y come from stratified_split
    "200 images": lambda: run(x=X[FEW], y=Y[FEW], epochs=20, more=[EarlyStopping()]),
}


@pytest.mark.parametrize("name", REMEDIES)
def test_the_remedy_that_is_printed_helps(broken, name):
    finding = broken(name).report.findings[0]
    assert f"  try     {finding.remedy[:40]}" in str(broken(name).report)
    cured = REMEDIES[name]()
    assert not cured.report.problems, cured.report
    assert cured.loss < 0.95 * broken(name).loss
    assert cured.loss < 1.5  # guessing gives 2.3


def test_the_remedies_for_other_cases_help_too(broken):
    """x with a spread of 1 in place of bytes; glorot_uniform in a deep network of tanh."""
    raw, held = as_bytes(X), as_bytes(HELD_OUT[0])
    x, held_out = ((a - raw.mean()) / raw.std() for a in (raw, held))
    cured = run(x=x, held_out=(held_out, HELD_OUT[1]))
    assert not cured.report.problems
    assert cured.loss < 0.95 * broken("bytes").loss

    sick, cured = (
        run(network(*[64] * 15, initializer=initializer, bend=Tanh))
        for initializer in (narrow, glorot_uniform)
    )
    assert causes(sick.report)[0] == "signal"
    assert "a factor of about 0.0" in sick.report.findings[0].seen
    assert not cured.report.problems
    assert cured.loss < 0.5 * sick.loss


def test_every_remedy_is_tried(broken):
    assert REMEDIES.keys() == BROKEN.keys()
    told = {finding.remedy for name in BROKEN for finding in broken(name).report.findings}
    assert len(told - {""}) >= len(JUDGEMENTS) - 2  # what vanishes and explodes share theirs


def test_a_note_explains_no_problem(monkeypatch):
    judgements = (
        lambda chart: Finding("inputs", "note", "The inputs lie far from 0."),
        lambda chart: Finding("stuck", "problem", "Nothing is learnt."),
    )
    monkeypatch.setattr("tinynn.doctor.JUDGEMENTS", judgements)
    report = tinynn.doctor.judged(Chart())
    assert [problem.name for problem in report.problems] == ["stuck"]
    assert [note.name for note in report.notes] == ["inputs"]


def test_what_follows_hangs_under_its_cause(broken):
    (problem,) = broken("Adam at 1").report.problems
    follows = [result.name for result in problem.follows]
    assert "closed_by_training" in follows
    assert "stuck" in follows
    page = str(broken("Adam at 1").report)
    assert page.splitlines()[0] == "PROBLEM   The steps are too large."
    assert re.search(r"\n  follows .*\(.*", page)
    assert "A tenth of the learning rate (1 -> 0.1)" in page


def test_a_healthy_run_gets_no_problem_and_a_closed_unit_is_none():
    report = run().report
    assert causes(report) == []
    assert str(report).startswith("HEALTHY   No problem was found.\nFINE      inputs spread by 0.")
    closed, units = max(report.chart.never_open.values())
    assert 0 < closed < units / 2


RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(3000, 8))
SIDES = (POINTS[:, 0] + POINTS[:, 1] > 0).astype(int)
QUADRANTS = (POINTS[:, 0] * POINTS[:, 1] > 0).astype(int)
RARE = (POINTS[:, 0] > 1.28).astype(int)  # one in ten
SPREAD = RNG.standard_t(2, (2000, 4)).clip(-60, 60)


def watched(layers, x, y, loss=None, optimizer=None, epochs=8, batch_size=32, held_out=None):
    doctor = Doctor()
    model = Sequential(layers, input_shape=x.shape[1:])
    trainer = Trainer(model, loss or CrossEntropy(), optimizer or SGD(0.1))
    trainer.fit(x, y, epochs, batch_size, held_out, [doctor])
    return doctor.report()


def binary(*last):
    return [Dense(16), ReLU(), *(last or [Dense(2)]), Softmax()]


HEALTHY = {
    "two classes": lambda: watched(
        binary(), POINTS[:2000], SIDES[:2000], held_out=(POINTS[2000:], SIDES[2000:])
    ),
    "a last layer that starts at zero": lambda: watched(binary(Dense(2, zeros)), POINTS, SIDES),
    "no hidden layer, from zero": lambda: watched([Dense(2, zeros), Softmax()], POINTS, SIDES),
    "batches of one": lambda: watched(
        binary(), POINTS[:500], SIDES[:500], batch_size=1, optimizer=SGD(0.01), epochs=3
    ),
    "batches of four": lambda: watched(
        binary(), POINTS[:400, :2], QUADRANTS[:400], optimizer=SGD(0.05), epochs=20, batch_size=4
    ),
    "a rare class": lambda: watched(
        binary(), POINTS[:2000], RARE[:2000], held_out=(POINTS[2000:], RARE[2000:])
    ),
    "inputs with outliers": lambda: watched(binary(), SPREAD, (SPREAD[:, 0] > 0).astype(int)),
    "a first layer of zeros under a random one": lambda: watched(
        [Flatten(), Dense(64, zeros), Tanh(), Dense(10), Softmax()], X, Y, optimizer=Adam()
    ),
    "a matrix of ones that is no Dense's": lambda: watched(
        [Gain(), Flatten(), Dense(32), ReLU(), Dense(10), Softmax()], X, Y, optimizer=Adam()
    ),
    "large numbers, scaled by a layer": lambda: watched(
        [Scale(), Flatten(), Dense(32), ReLU(), Dense(10), Softmax()], X * 255.5, Y,
        optimizer=Adam(), held_out=(HELD_OUT[0] * 255.5, HELD_OUT[1]),
    ),
    "a mask that is no layer of switches": lambda: watched(
        [MaxPool(), Flatten(), Dense(64), ReLU(), Dense(10), Softmax()], X, Y, optimizer=Adam()
    ),
    "features around 20": lambda: watched(
        [Dense(32), ReLU(), Dense(1)], POINTS + 20, POINTS[:, :1], MeanSquaredError(), Adam(0.001)
    ),
    "an autoencoder": lambda: watched(
        [Flatten(), Dense(128), ReLU(), Dense(784)], X, X.reshape(-1, 784), MeanSquaredError(),
        Adam(),
    ),
    "one class only": lambda: watched(binary(), POINTS[:200], SIDES[:200] * 0),
    "a line": lambda: watched(
        [Dense(8), ReLU(), Dense(1)], POINTS, POINTS[:, :1], MeanSquaredError(), Adam(0.003)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_runs_of_other_kinds_get_no_problem(name):
    report = HEALTHY[name]()
    assert report.problems == [], report


def test_labels_of_no_meaning_are_noticed_though_one_class_is_common():
    y = (RNG.random(3000) > 0.9).astype(int)  # guessing by shares gives 0.33, not ln 2
    report = watched(binary(), POINTS, y, epochs=2)
    assert [problem.name for problem in report.problems] == ["stuck"], report


def test_a_validation_loss_that_is_higher_once_is_chance_and_twice_is_overfitting():
    def judged(*val_losses):
        rows = [{"loss": 1 / (i + 1), "val_loss": v} for i, v in enumerate(val_losses)]
        return overfitting(Chart(epochs=rows)).level

    assert judged(0.812, 0.735, 0.802) == "fine"
    assert judged(0.812, 0.735, 0.802, 0.76) == "fine"
    assert judged(0.812, 0.735, 0.802, 0.801) == "note"


def test_few_images_learnt_by_heart_are_still_better_than_guessing():
    two_of_each = BY_CLASS[::150]
    report = run(network(256, 128), x=X[two_of_each], y=Y[two_of_each], epochs=100).report
    assert report.problems == [], report
    for accuracy, level in ((0.47, "fine"), (0.3, "fine"), (0.15, "problem")):
        report.chart.epochs[-1]["val_accuracy"] = accuracy
        assert validation(report.chart).level == level


def test_columns_of_years_are_said_to_lie_far_from_0():
    years = RNG.integers(1990, 1998, (2000, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a loss above guessing
        report = watched(binary(), years, (years[:, 0] > years[:, 1]).astype(int))
    assert [problem.title for problem in report.problems] == ["The inputs lie far from 0."], report
    scaled = (years - years.mean(axis=0)) / years.std(axis=0)
    assert watched(binary(), scaled, (years[:, 0] > years[:, 1]).astype(int)).problems == []


def test_a_network_that_is_trained_already_is_not_said_to_step_too_little():
    trained = run(network(64), epochs=150, x=X[FEW], y=Y[FEW]).trainer.model
    report = run(trained, SGD(1e-3), x=X[FEW], y=Y[FEW]).report
    assert max(max(look.update.values()) for look in report.chart.looks) < 2e-5
    assert report.problems == [], report


def test_a_mask_of_another_shape_than_the_output_is_not_told_as_closed_units():
    chart = HEALTHY["a mask that is no layer of switches"]().chart
    assert [list(look.closed) for look in chart.looks[:2]] == [["3.ReLU"]] * 2
    assert list(chart.never_open) == ["3.ReLU"]


def test_where_all_are_of_one_class_nobody_is_at_guessing():
    chart = Chart(classes=2, shares=[1.0, 0.0], epochs=[{"loss": 1e-4, "accuracy": 1.0}])
    assert not chart.at_guessing
    chart = Chart(classes=2, shares=[0.5, 0.5], epochs=[{"loss": 0.7, "accuracy": 0.5}])
    assert chart.at_guessing
    chart.epochs[-1]["val_accuracy"] = 0.8
    assert not chart.at_guessing


@pytest.mark.parametrize(
    ("optimizer", "batch_size", "epochs"), [(SGD(0.01), 3000, 15), (Adam(), 3000, 3)]
)
def test_after_few_steps_it_is_too_early_to_tell(optimizer, batch_size, epochs):
    layers = [Flatten(), Dense(64), ReLU(), Dense(10), Softmax()]
    report = watched(layers, X, Y, CrossEntropy(), optimizer, epochs, batch_size)
    assert report.problems == [], report
    assert "too early to tell" in str(report)


def test_who_is_right_in_validation_is_not_at_guessing():
    layers, few = [Flatten(), Dense(10), Softmax()], slice(600)
    report = watched(layers, X[few], Y[few], optimizer=SGD(0.01), epochs=1, held_out=HELD_OUT)
    assert report.chart.epochs[-1]["val_accuracy"] > 0.25
    assert report.chart.epochs[-1]["loss"] > 0.93 * report.chart.guessing
    assert not report.chart.at_guessing
    assert report.problems == [], report


def test_one_look_at_one_sample_or_at_a_perfect_fit_finds_nothing():
    model = Sequential([Dense(4), ReLU(), Dense(2), Softmax()], input_shape=(8,))
    assert causes(diagnose(model, CrossEntropy(), POINTS[:1], SIDES[:1])) == []
    model = Sequential([Dense(4), ReLU(), Dense(1)], input_shape=(8,))
    assert causes(diagnose(model, MeanSquaredError(), POINTS, model.predict(POINTS))) == []


def test_a_cause_in_numbers(broken):
    seen = {name: broken(name).report.findings[0].seen for name in BROKEN}
    assert seen["bytes"].startswith("x goes up to 255; the loss began at ")
    assert seen["sorted"] == "1.0 classes in a batch, 9.7 by chance"
    assert seen["biases of -5"].endswith("100% of 2.ReLU let nothing pass")
    assert re.fullmatch(
        r"at steps 16 to 200 the slope of the loss goes from 0\.\d+ \(21\.Dense\) to \S+e-0[5-9] "
        r"\(\d+\.Dense\): a factor of about 0\.\d+ a layer",
        seen["flat tanh"],
    )
    assert re.fullmatch(
        r"at the first step the slope of the loss is 0\.\d+ at 3\.Blocked and 0 at 1\.Dense",
        seen["nothing passes back"],
    )
    shirts = np.count_nonzero(HELD_OUT[1] == 6)
    assert seen["no shirts"] == (
        f"of 500 validation samples, {shirts} are of class 6, of the training samples none"
    )
    assert "guessing by the classes' shares gives 2.303" in seen["mixed labels"]


def test_nothing_is_changed_by_being_watched():
    watched, alone = network(64), network(64)
    run(watched, more=[])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Trainer(alone, CrossEntropy(), Adam()).fit(X, Y, 3, 32, HELD_OUT)
    assert watched.params.tobytes() == alone.params.tobytes()


@pytest.mark.parametrize("own", [OneUse, Dropout])
def test_layers_that_change_as_they_are_used_train_to_the_same_bits_with_a_doctor(own):
    def trained(*callbacks):
        model = network(32, 32, bend=own)
        Trainer(model, CrossEntropy(), Adam()).fit(X[:500], Y[:500], 3, callbacks=callbacks)
        return model.params.tobytes()

    assert trained(Doctor(every=5)) == trained()


def test_looks_come_at_the_first_steps_and_every_hundredth():
    report = run(network(8), epochs=4).report
    steps = [look.step for look in report.chart.looks]
    assert steps == [1, 2, 4, 8, 16, 32, 64, 100, 200, 300]


def test_the_looks_of_a_long_run_stay_few(monkeypatch):
    monkeypatch.setattr("tinynn.doctor.MOST_LOOKS", 20)
    doctor = Doctor(every=8)
    Trainer(network(4), CrossEntropy(), Adam()).fit(X, Y, 10, 64, callbacks=[doctor])
    steps = [look.step for look in doctor.chart.looks]
    assert len(steps) <= 20
    assert steps[:3] == [1, 2, 4]
    assert steps[3:] == list(range(steps[3], steps[-1] + 1, steps[3]))
    assert steps[-1] > 400


def test_the_doctor_forgets_an_earlier_training():
    doctor = Doctor()
    for _ in range(2):
        trainer = Trainer(network(4), CrossEntropy(), Adam())
        trainer.fit(X[:64], Y[:64], 1, callbacks=[doctor])
    assert [look.step for look in doctor.chart.looks] == [1, 2]


def test_what_it_cannot_judge_it_says():
    model = Sequential([Dense(1)], input_shape=(1,))
    doctor = Doctor()
    x = np.linspace(-1, 1, 20)[:, None]
    Trainer(model, MeanSquaredError(), SGD(0.1)).fit(x, 2 * x, 3, callbacks=[doctor])
    report = doctor.report()
    assert not report.problems
    unknown = {finding.name for finding in report.findings if finding.level == "unknown"}
    assert unknown >= {"shuffling", "signal", "stuck", "validation", "never_predicted"}
    assert "\nUNKNOWN   " in str(report)


def test_a_resumed_run_judges_no_initial_weights(tmp_path):
    class StopAtThree(Callback):
        observes = True

        def on_step_end(self, trainer):
            trainer.stop = trainer.step == 3

    path = tmp_path / "run.npz"
    first = [StopAtThree(), tinynn.Checkpoint(path)]
    Trainer(network(4), CrossEntropy(), Adam()).fit(X, Y, 2, callbacks=first)
    doctor = Doctor()
    Trainer(network(4), CrossEntropy(), Adam()).fit(X, Y, 2, callbacks=[doctor], resume_from=path)
    assert doctor.chart.looks[0].step == 4
    unknown = {f.name for f in doctor.report().findings if f.level == "unknown"}
    assert unknown >= {"alike", "closed_from_the_start", "signal"}


def test_before_the_first_step_there_is_nothing_to_report():
    with pytest.raises(ValueError, match="has seen nothing yet"):
        Doctor().report()


# diagnose


@pytest.mark.parametrize(
    ("cause", "model", "x", "y"),
    [
        ("inputs", network(32), as_bytes(X), Y),
        ("shuffling", network(32), X[np.argsort(Y)], np.sort(Y)),  # a note: fit shuffles
        ("alike", network(32, initializer=zeros), X, Y),
        ("closed_from_the_start", network(32, bias=-9), X, Y),
        ("signal", network(*[32] * 12, initializer=narrow), X, Y),
    ],
)
def test_one_look_is_enough_for_what_is_wrong_before_training(cause, model, x, y):
    before = model.params.tobytes()
    report = diagnose(model, CrossEntropy(), x, y)
    assert causes(report) == [cause]
    assert model.params.tobytes() == before


def test_a_slope_that_is_lost_between_two_layers_and_comes_back_is_found_there():
    model = network(64, 64, 64)
    model.layers[5].W *= 1e-4
    model.layers[3].W *= 1e4
    (problem,) = diagnose(model, CrossEntropy(), X, Y).problems
    assert problem.name == "signal"
    assert re.search(r"\(3\.Dense\): most of it from 5\.Dense to 3\.Dense$", problem.seen)


def test_a_slope_too_small_for_float32_has_vanished():
    model = network(*[32] * 60, initializer=narrow, bend=Tanh)
    (problem,) = diagnose(model, CrossEntropy(), X, Y).problems
    assert problem.title == "The gradient vanishes."
    assert "to 0 (" in problem.seen


def test_sorted_data_are_a_note_to_one_look_because_fit_shuffles_them():
    report = diagnose(network(32), CrossEntropy(), X[np.argsort(Y)], np.sort(Y))
    assert (report.problems, [note.name for note in report.notes]) == ([], ["shuffling"])


def test_units_that_training_closed_are_not_said_to_have_been_so_before():
    dead = run(network(32, 32), SGD(3.0)).trainer.model
    assert np.isfinite(dead.params).all()  # it died, and did not break off
    (problem,) = diagnose(dead, CrossEntropy(), X, Y).problems
    assert problem.title == "Nearly all units of a layer are closed."
    cured = run(network(32, 32), SGD(0.1))  # fresh weights, and a smaller learning rate
    assert not cured.report.problems
    assert cured.loss < 1.5


def test_one_look_at_a_sound_model_finds_nothing_and_says_what_it_did_not_see():
    model = network(32)
    model.forward(X[:2])
    report = diagnose(model, CrossEntropy(), X, Y)
    assert causes(report) == []
    assert "steps: none was taken" in str(report)
    model.backward(np.ones((2, 10)))  # what the model remembered is still there


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((None, CrossEntropy(), X, Y), "model must be a Sequential"),
        ((network(4), CrossEntropy, X, Y), "Write CrossEntropy"),
        ((network(4), CrossEntropy(), X, Y[:5]), "as many samples as each other"),
        ((network(4), CrossEntropy(), X[0], Y[:28]), "got one sample"),
    ],
)
def test_diagnose_refuses_what_does_not_fit(arguments, text):
    with pytest.raises(ValueError, match=text):
        diagnose(*arguments)


# The figure


def test_the_figure_shows_the_four_and_the_headline(broken, tmp_path):
    report = broken("Adam at 1").report
    figure = report.figure(tmp_path / "health.png")
    assert figure.get_suptitle() == "The steps are too large."
    assert [panel.get_title() for panel in figure.axes] == [
        "Loss",
        "How far a step moves weights",
        "What gets through, by depth",
        "Units open for none of 1,000 samples",
    ]
    losses = figure.axes[0].get_lines()[0].get_ydata()
    assert list(losses) == [look.loss for look in report.chart.looks]
    assert [bar.get_height() for bar in figure.axes[3].patches] == [
        closed / units for closed, units in report.chart.never_open.values()
    ]
    assert (tmp_path / "health.png").stat().st_size > 20_000


@pytest.mark.parametrize("name", ["zeros", "SGD at 10", "no shirts"])
def test_every_run_can_be_drawn(broken, name):
    assert broken(name).report.figure().axes


def test_a_model_without_closing_units_can_be_drawn():
    model = Sequential([Flatten(), Dense(10, glorot_uniform), Softmax()], input_shape=(28, 28))
    assert run(model).report.figure().axes
    assert diagnose(model, CrossEntropy(), X, Y).figure().axes


def test_a_look_by_hand():
    """x = [[1], [3]]: spread of 2 x is 2; softmax of (2x, 0) has slopes p - y."""
    model = Sequential([Dense(2), Softmax()], input_shape=(1,), dtype=np.float64)
    model.layers[0].W = [[2.0, 0.0]]
    x, y = np.array([[1.0], [3.0]]), np.array([0, 1])
    model.forward(x)
    look = tinynn.vitals.look_at(model, CrossEntropy(), x, y, step=7)
    p = 1 / (1 + np.exp(-2 * x[:, 0]))  # of class 0
    assert (look.step, look.largest, look.labels, look.predicted) == (7, 3.0, [1, 1], [2, 0])
    assert look.loss == pytest.approx(-(np.log(p[0]) + np.log(1 - p[1])) / 2)
    assert look.spread == {"0.Dense": pytest.approx(np.sqrt(4 / 2))}  # variances 4 and 0
    slopes = np.array([[p[0] - 1, 1 - p[0]], [p[1], -p[1]]])
    assert look.slope == {"0.Dense": pytest.approx(np.sqrt((slopes**2).mean()))}
    assert look.alike == []


def test_the_cause_is_the_first_and_the_rest_follows():
    chart = Chart([Look(1, 2.3, 255.0, 90.0), Look(2, 99.0, 255.0, 90.0)], classes=10)
    chart.shares = [0.1] * 10
    chart.looks[0].update = {"W": 1.0}
    report = tinynn.doctor.judged(chart)
    assert causes(report) == ["inputs"]
    assert [finding.name for finding in report.problems[0].follows] == ["large_steps"]
    assert isinstance(report, HealthReport)
    assert isinstance(report.problems[0], Finding)
