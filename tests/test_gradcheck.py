"""Protects the checker: what is right passes, every planted bug is caught, and named."""

import re

import numpy as np
import pytest

from tinynn import (
    CrossEntropy,
    Dense,
    Flatten,
    GradientReport,
    Layer,
    MeanSquaredError,
    ReLU,
    Sequential,
    Softmax,
    SoftmaxCrossEntropy,
    check_gradients,
)
from tinynn.gradcheck import finite_difference

FEATURES = 4


class FlippedDW(Dense):
    def parameter_gradients(self, dout):
        self.dW = -self.x.T @ dout
        self.db = dout.sum(axis=0)


class FlippedDx(Dense):
    def input_gradient(self, dout):
        return -dout @ self.W.T


class UntransposedDx(Dense):
    def input_gradient(self, dout):
        return dout @ self.W


class WrongAxisInDb(Dense):
    def parameter_gradients(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=1)


class NoDb(Dense):
    def parameter_gradients(self, dout):
        self.dW = self.x.T @ dout


class Accumulated(Dense):
    def parameter_gradients(self, dout):
        self.dW += self.x.T @ dout
        self.db += dout.sum(axis=0)


class FirstInputEver(Dense):
    def forward(self, x, training=True):
        if training and "x" not in vars(self):
            self.x = x
        return x @ self.W + self.b


class FirstInputOfThisSize(Dense):
    def forward(self, x, training=True):
        if training:
            self.__dict__.setdefault("seen", {}).setdefault(len(x), x)
            self.x = self.seen[len(x)]
        return x @ self.W + self.b


class LastInputButOne(Dense):
    def forward(self, x, training=True):
        if training:
            self.x = vars(self).get("next", x)
            self.next = x
        return x @ self.W + self.b


class OneWrongEntry(Dense):
    def parameter_gradients(self, dout):
        super().parameter_gradients(dout)
        self.dW[2, 1] *= 1.001


class NaNInDW(Dense):
    def parameter_gradients(self, dout):
        super().parameter_gradients(dout)
        self.dW[2, 1] = np.nan


class InfiniteDb(Dense):
    def parameter_gradients(self, dout):
        super().parameter_gradients(dout)
        self.db[1] = np.inf


class HalfOpenReLU(ReLU):
    """Its slope under 0 is wrong."""

    def input_gradient(self, dout):
        return dout * np.where(self.open, 1.0, 0.01)


class DiagonalSoftmax(Softmax):
    """Forgets that every output depends on every input."""

    def input_gradient(self, dout):
        return dout * self.out * (1 - self.out)


class ForgottenMean(CrossEntropy):
    def backward(self, p, y):
        return super().backward(p, y) * len(p)


class Tanh(Layer):
    """A learner's own, right."""

    def forward(self, x, training=True):
        out = np.tanh(x)
        if training:
            self.out = out
        return out

    def input_gradient(self, dout):
        return dout * (1 - self.out**2)


def data(size=4):
    rng = np.random.default_rng(3)
    return rng.normal(size=(size, FEATURES)), np.arange(size) % FEATURES


def network(middle=Dense, relu=ReLU, softmax=Softmax, dtype=np.float32):
    """All square, as is the batch of 4: no wrong axis can give itself away by its shape."""
    layers = [Dense(FEATURES), relu(), middle(FEATURES), relu(), Dense(FEATURES), softmax()]
    return Sequential(layers, input_shape=(FEATURES,), seed=1, dtype=dtype)


def check(model, loss=None):
    return check_gradients(model, loss or CrossEntropy(), *data())


def wrong(report):
    assert report.ok is all(row.ok for row in report.rows)
    return [row.name for row in report.rows if not row.ok]


def names(kind):
    """The rows for a network with a layer of this class in the middle, from the loss back."""
    layers = ("4.Dense", f"2.{kind}", "0.Dense")
    return [f"{layer}.{key}" for layer in layers for key in "bW"] + ["x"]


# What is right


@pytest.mark.parametrize("loss", [CrossEntropy(), SoftmaxCrossEntropy()])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_right_network_passes_with_a_row_for_every_array(dtype, loss):
    report = check(network(dtype=dtype), loss)
    assert report.ok
    assert [row.name for row in report.rows] == names("Dense")
    assert [row.shape for row in report.rows] == [(4,), (4, 4)] * 3 + [(4, 4)]
    assert [row.checked for row in report.rows] == [4, 16] * 3 + [16]
    assert {row.skipped for row in report.rows} == {0}
    assert all(row.error < 1e-7 for row in report.rows)


def test_a_batch_of_one_and_labels_as_rows_pass():
    x, y = data()
    assert check_gradients(network(), CrossEntropy(), x[:1], y[:1]).ok
    assert check_gradients(network(), CrossEntropy(), x, np.eye(4)[y]).ok
    assert check_gradients(network(), MeanSquaredError(), x, x).ok


def test_samples_of_several_dimensions_pass():
    model = Sequential([Flatten(), Dense(3)], input_shape=(2, 2))
    report = check_gradients(model, SoftmaxCrossEntropy(), np.ones((3, 2, 2)), [0, 1, 2])
    assert report.ok
    assert report.rows[-1].shape == (3, 2, 2)


def test_a_network_whose_gradient_is_zero_everywhere_passes():
    model = Sequential([Dense(2)], input_shape=(3,))
    model.params = np.zeros(model.params.size)
    assert check_gradients(model, MeanSquaredError(), np.ones((2, 3)), np.zeros((2, 2))).ok


def test_an_own_layer_is_checked():
    model = Sequential([Dense(4), Tanh(), Dense(4), Softmax()], input_shape=(FEATURES,))
    assert check(model).ok


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_model_and_the_data_are_left_as_they_were(dtype):
    model, (x, y) = network(dtype=dtype), data()
    dp = CrossEntropy().backward(model.forward(x), y)
    model.backward(dp)
    params, grads, states = (
        model.params.copy(),
        model.grads.copy(),
        [dict(vars(layer)) for layer in model.layers],
    )
    x.flags.writeable = y.flags.writeable = False  # writing to them is an error now
    check_gradients(model, CrossEntropy(), x, y)
    assert np.array_equal(model.params, params)
    assert np.array_equal(model.grads, grads)
    assert model.dtype == model.params.dtype == dtype
    for layer, state in zip(model.layers, states, strict=True):
        assert vars(layer).keys() == state.keys()
        assert all(vars(layer)[key] is value for key, value in state.items())
    model.backward(dp)  # the pending backward is as valid as before
    assert np.array_equal(model.grads, grads)


def test_a_large_network_is_checked_along_directions():
    model = Sequential([Dense(100), ReLU(), Dense(100), Softmax()], input_shape=(50,))
    x = np.random.default_rng(0).normal(size=(4, 50))
    report = check_gradients(model, CrossEntropy(), x, [0, 1, 2, 3])
    assert report.ok
    assert {row.checked + row.skipped for row in report.rows} == {8}
    assert all(row.at.startswith("direction (") for row in report.rows)


def test_the_same_seed_gives_the_same_report():
    assert check(network()) == check(network())


# What is planted


@pytest.mark.parametrize(
    ("middle", "expected"),
    [
        (FlippedDW, ["2.FlippedDW.W"]),
        (OneWrongEntry, ["2.OneWrongEntry.W"]),
        (WrongAxisInDb, ["2.WrongAxisInDb.b"]),
        (NoDb, ["2.NoDb.b"]),
        (Accumulated, ["2.Accumulated.b", "2.Accumulated.W"]),
        (FirstInputOfThisSize, ["2.FirstInputOfThisSize.W"]),
        (FirstInputEver, ["2.FirstInputEver.W"]),
        (LastInputButOne, ["2.LastInputButOne.W"]),
        (NaNInDW, ["2.NaNInDW.W"]),
        (InfiniteDb, ["2.InfiniteDb.b"]),
        (FlippedDx, ["0.Dense.b", "0.Dense.W", "x"]),
        (UntransposedDx, ["0.Dense.b", "0.Dense.W", "x"]),
    ],
)
def test_a_planted_bug_is_caught_and_named(middle, expected):
    model = network(middle)
    report = check(model)
    assert [row.name for row in report.rows] == names(middle.__name__)
    assert wrong(report) == expected


def test_a_wrong_layer_without_parameters_shows_in_all_below_it():
    assert wrong(check(network(relu=HalfOpenReLU))) == names("Dense")[2:]
    assert wrong(check(network(softmax=DiagonalSoftmax))) == names("Dense")


def test_a_forgotten_mean_in_the_loss_shows_everywhere():
    report = check(network(), ForgottenMean())
    assert wrong(report) == names("Dense")
    for row in report.rows:  # B = 4
        assert row.backward == pytest.approx(4 * row.differences, rel=1e-5)


def test_the_worst_entry_is_named_with_both_numbers():
    row = check(network(OneWrongEntry)).rows[3]
    assert row.name == "2.OneWrongEntry.W"
    assert row.at == "entry (2, 1)"
    assert row.backward == pytest.approx(1.001 * row.differences, rel=1e-6)
    assert row.error == pytest.approx(0.001, rel=0.01)


def test_a_nan_is_named_where_it_is():
    row = check(network(NaNInDW)).rows[3]
    assert row.name == "2.NaNInDW.W"
    assert not np.isfinite(row.error)
    assert row.at == "entry (2, 1)"
    assert np.isnan(row.backward)


def test_a_bug_is_caught_along_directions_too():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 100)), np.arange(4)
    for middle, expected in (
        (FlippedDW, ["0.FlippedDW.W"]),
        (NoDb, ["0.NoDb.b"]),
        (NaNInDW, ["0.NaNInDW.W"]),
        (OneWrongEntry, ["0.OneWrongEntry.W"]),
        (FirstInputOfThisSize, ["0.FirstInputOfThisSize.W"]),
    ):
        model = Sequential([middle(100), ReLU(), Dense(10), Softmax()], input_shape=(100,))
        assert wrong(check_gradients(model, CrossEntropy(), x, y)) == expected


def test_the_tolerance_decides():
    x, y = data()
    assert not check_gradients(network(OneWrongEntry), CrossEntropy(), x, y, tolerance=9e-4).ok
    assert check_gradients(network(OneWrongEntry), CrossEntropy(), x, y, tolerance=1.1e-3).ok
    assert not check_gradients(network(), CrossEntropy(), x, y, tolerance=1e-16).ok


# Kinks


def kinked(distance, features):
    """x -> ReLU -> sum of squares, one sample; the first number lies `distance` from the kink."""
    x = np.linspace(1, 2, features)[None]
    x[0, 0] = distance
    return check_gradients(
        Sequential([ReLU()], input_shape=(features,)), MeanSquaredError(), x, x + 1
    ).rows[0]


@pytest.mark.parametrize("distance", [0.0, 0.9e-5, -0.9e-5])
def test_a_kink_within_the_step_is_skipped_and_counted(distance):
    row = kinked(distance, 200)
    assert (row.checked, row.skipped) == (199, 1)
    assert row.ok


@pytest.mark.parametrize("distance", [1.1e-5, -1.1e-5])
def test_a_kink_beyond_the_step_is_compared(distance):
    row = kinked(distance, 200)
    assert (row.checked, row.skipped) == (200, 0)
    assert row.ok


def test_a_pre_activation_of_exactly_zero_is_skipped_and_counted():
    model = Sequential([Dense(2), ReLU(), Dense(1)], input_shape=(2,))
    first, _, second = model.layers
    first.W, first.b = [[1, 1], [2, 1]], [0, 0]  # x = [2, -1] gives z = [0, 1]
    second.W = [[1], [1]]
    report = check_gradients(model, MeanSquaredError(), [[2.0, -1.0]], [[5.0]])
    skipped = {row.name: (row.checked, row.skipped) for row in report.rows}
    assert skipped == {
        "2.Dense.b": (1, 0),
        "2.Dense.W": (2, 0),
        "0.Dense.b": (1, 1),  # b[0] moves z[0] over its kink, b[1] does not
        "0.Dense.W": (2, 2),  # both weights of that unit
        "x": (0, 2),  # both features
    }


def test_more_than_one_percent_of_kinks_is_a_failure():
    for kinks, ok in ((2, True), (3, False)):
        x = np.linspace(1, 2, 200)[None]
        x[0, :kinks] = 0
        model = Sequential([ReLU()], input_shape=(200,))
        report = check_gradients(model, MeanSquaredError(), x, x + 1)
        assert (report.rows[0].skipped, report.ok) == (kinks, ok)
        assert ("TOO MANY SKIPPED: 1.5% of the steps" in str(report)) is not ok


def test_nothing_compared_is_no_success():
    row = kinked(0.0, 1)
    assert (row.checked, row.skipped) == (0, 1)
    assert not row.ok


# The pieces, and what is printed


def test_finite_difference_of_a_known_function():
    w = np.array([2.0, 3.0])
    # d(w0^3)/dw0 = 3 * 2^2, central differences add h^2
    slope = finite_difference(w, 0, 1e-3, 1e-3, lambda: (float(w[0] ** 3), b""))
    assert slope == pytest.approx(12 + 1e-6, abs=1e-9)
    assert w.tolist() == [2, 3]
    # along [0.6, 0.8]: the gradient of w0 * w1 is [3, 2]
    step = 1e-3 * np.array([0.6, 0.8])
    slope = finite_difference(w, ..., step, 1e-3, lambda: (float(w[0] * w[1]), b""))
    assert slope == pytest.approx(3 * 0.6 + 2 * 0.8)
    assert w.tolist() == [2, 3]


def test_finite_difference_is_nan_over_a_switch():
    w = np.zeros(1)
    assert np.isnan(finite_difference(w, 0, 1e-5, 1e-5, lambda: (0.0, (w > 0).tobytes())))
    assert w.tolist() == [0]


def test_the_report_prints_a_line_for_each_row():
    report = check(network(FlippedDW))
    lines = str(report).splitlines()
    assert isinstance(report, GradientReport)
    head = "gradient of shape worst rel. error at backward differences checked skipped"
    assert " ".join(lines[0].split()) == head
    assert len(lines) == 1 + len(report.rows)
    verdicts = {line.split()[1]: line.split()[0] for line in lines[1:]}
    assert verdicts == {
        name: "WRONG" if name == "2.FlippedDW.W" else "ok" for name in names("FlippedDW")
    }
    backward, differences = map(float, lines[4].split()[-4:-2])
    assert backward == pytest.approx(-differences, rel=1e-3)


def test_the_report_keeps_its_columns_apart_for_long_names():
    line = str(check(network(FirstInputOfThisSize))).splitlines()[3]
    assert re.match(r"\w+ +2\.FirstInputOfThisSize\.b +\(4,\) ", line)


def test_what_does_not_fit_raises_as_forward_does():
    with pytest.raises(ValueError, match="forward got samples of"):
        check_gradients(network(), CrossEntropy(), np.zeros((4, 7)), [0, 1, 2, 3])
    with pytest.raises(ValueError, match="CrossEntropy expects probabilities"):
        check_gradients(Sequential([Dense(4)], input_shape=(FEATURES,)), CrossEntropy(), *data())
