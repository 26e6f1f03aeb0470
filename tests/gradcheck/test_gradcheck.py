"""Protects the checker: what is right passes, every planted bug is caught, and named."""

import copy
import re
from functools import cache

import numpy as np
import pytest

from oracles import InPlaceReLU
from tinynn import (
    ELU,
    BatchNorm,
    CrossEntropy,
    Dense,
    Flatten,
    GradientReport,
    Huber,
    InputError,
    Layer,
    MeanSquaredError,
    ReLU,
    Sequential,
    SigmoidCrossEntropy,
    Softmax,
    SoftmaxCrossEntropy,
    Tanh,
    check_gradients,
    softmax,
)
from tinynn.gradcheck.finite_differences import Probe, finite_difference

FEATURES = 4


class FlippedDW(Dense):
    def parameter_gradients(self, dout):
        self.dW = -self.x.T @ dout
        self.db = dout.sum(axis=0)


class FlippedDx(Dense):
    def input_gradient(self, dout):
        return -dout @ self.W.T


class InvertedMask(ReLU):
    def input_gradient(self, dout):
        return dout * ~self.mask


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
    """Its derivative below 0 is wrong."""

    def input_gradient(self, dout):
        return dout * np.where(self.mask, 1.0, 0.01)


class DiagonalSoftmax(Softmax):
    """Forgets that every output depends on every input."""

    def input_gradient(self, dout):
        return dout * self.out * (1 - self.out)


class ForgottenMean(CrossEntropy):
    def backward(self, p, y):
        return super().backward(p, y) * len(p)


def few_of(seeds, plain=3):
    """Return all seeds, of which all but the first three, say, are a long attack."""
    return [
        pytest.param(seed, marks=pytest.mark.slow if seed >= plain else ()) for seed in range(seeds)
    ]


def every_other(cases, name):
    """Return all cases, named by one of their parts; every other one is a long attack."""
    return [
        pytest.param(*case, marks=[pytest.mark.slow] * (n % 2), id=str(case[name]))
        for n, case in enumerate(cases)
    ]


def data(size=4):
    rng = np.random.default_rng(3)
    return rng.normal(size=(size, FEATURES)), np.arange(size) % FEATURES


def network(middle=Dense, relu=ReLU, softmax=Softmax, dtype=np.float32):
    """All square, as is the batch of 4: no wrong axis can give itself away by its shape."""
    layers = [Dense(FEATURES), relu(), middle(FEATURES), relu(), Dense(FEATURES), softmax()]
    return Sequential(layers, input_shape=(FEATURES,), seed=1, dtype=dtype)


def check(model, loss=None):
    return check_gradients(model, loss or CrossEntropy(), *data())


def report_on(middle=Dense, relu=ReLU, softmax=Softmax, loss=CrossEntropy):
    """Return what is found in a new network of these: the same each time, so it is kept."""
    return found(middle, relu, softmax, loss)


@cache
def found(middle, relu, softmax, loss):
    return check(network(middle, relu, softmax), loss())


def wrong(report):
    assert report.ok is all(row.ok for row in report.rows)
    return [row.name for row in report.rows if not row.ok]


def names(kind="Dense", relu="ReLU", softmax="Softmax"):
    """The rows for a network with a layer of this class in the middle, from the loss back."""
    rows = ["loss.p", f"5.{softmax}.x"]
    for dense, below in (("4.Dense", f"3.{relu}.x"), (f"2.{kind}", f"1.{relu}.x"), ("0.Dense", "")):
        rows += [f"{dense}.{key}" for key in "Wbx"] + [below]
    return rows[:-1]


def verdicts(report):
    return {row.name: row.verdict for row in report.rows if not row.ok}


# What is right


@pytest.mark.first_cases(1)
@pytest.mark.parametrize(
    ("loss", "last"), [(CrossEntropy(), Softmax), (SoftmaxCrossEntropy(), Tanh)]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_right_network_passes_with_a_row_for_every_array(dtype, loss, last):
    report = check(network(dtype=dtype, softmax=last), loss)
    assert report.ok
    rows = names(softmax=last.__name__)
    if isinstance(loss, SoftmaxCrossEntropy):
        assert report.rows[0].name == "loss.p"  # its z, here
    assert [row.name for row in report.rows] == rows
    biases = [row.endswith(".b") for row in rows]
    assert [row.shape for row in report.rows] == [(4,) if b else (4, 4) for b in biases]
    assert [row.checked for row in report.rows] == [4 if b else 16 for b in biases]
    assert report.diagnosis == ""
    assert report.culprit is None
    assert {row.skipped for row in report.rows} == {0}
    assert all(1e-14 < row.error < 1e-7 for row in report.rows)  # what rounding leaves is shown


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_same_seed_gives_the_same_report():
    assert check(network()) == check(network())


# What is planted


@pytest.mark.first_cases(2)
@pytest.mark.parametrize(
    ("middle", "expected"),
    [
        (FlippedDW, ["2.FlippedDW.W"]),
        (OneWrongEntry, ["2.OneWrongEntry.W"]),
        (WrongAxisInDb, ["2.WrongAxisInDb.b"]),
        (NoDb, ["2.NoDb.b"]),
        (Accumulated, ["2.Accumulated.W", "2.Accumulated.b"]),
        (FirstInputOfThisSize, ["2.FirstInputOfThisSize.W"]),
        (FirstInputEver, ["2.FirstInputEver.W"]),
        (LastInputButOne, ["2.LastInputButOne.W"]),
        (NaNInDW, ["2.NaNInDW.W"]),
        (InfiniteDb, ["2.InfiniteDb.b"]),
    ],
)
def test_a_planted_bug_is_caught_and_named(middle, expected):
    report = report_on(middle)
    assert [row.name for row in report.rows] == names(middle.__name__)
    assert wrong(report) == expected
    assert verdicts(report) == dict.fromkeys(expected, "WRONG")
    assert report.culprit.name == expected[0]


@pytest.mark.slow
@pytest.mark.parametrize("middle", [FlippedDx, UntransposedDx])
def test_a_wrong_dx_leaves_its_own_dw_right_and_feeds_all_below(middle):
    report = report_on(middle)
    kind = middle.__name__
    below = names(kind)[names(kind).index(f"2.{kind}.x") + 1 :]
    assert verdicts(report) == {f"2.{kind}.x": "WRONG", **dict.fromkeys(below, "follows")}
    assert report.culprit.name == f"2.{kind}.x"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layers", "first"),
    [({"relu": HalfOpenReLU}, "3.HalfOpenReLU.x"), ({"softmax": DiagonalSoftmax}, None)],
)
def test_a_wrong_layer_without_parameters_is_the_culprit(layers, first):
    first = first or "5.DiagonalSoftmax.x"
    report = report_on(**layers)
    rows = names(**{name: kind.__name__ for name, kind in layers.items()})
    below = rows[rows.index(first) + 1 :]
    assert verdicts(report) == {first: "WRONG", **dict.fromkeys(below, "follows")}


@pytest.mark.slow
def test_a_forgotten_mean_is_the_losss_and_shows_everywhere():
    report = report_on(loss=ForgottenMean)
    assert verdicts(report) == {"loss.p": "WRONG", **dict.fromkeys(names()[1:], "follows")}
    for row in report.rows:  # B = 4
        assert row.backward == pytest.approx(4 * row.differences, rel=1e-5)


# What is said of it


class Doubled(Dense):
    def parameter_gradients(self, dout):
        super().parameter_gradients(dout)
        self.dW *= 2


class MeanTwice(Dense):
    def parameter_gradients(self, dout):
        super().parameter_gradients(dout / len(dout))


class MaskOfDout(ReLU):
    def input_gradient(self, dout):
        return dout * (dout > 0)


class UpdatesItself(Dense):
    """Its dx comes from the updated weights."""

    def parameter_gradients(self, dout):
        super().parameter_gradients(dout)
        self.W = self.W - 0.5 * self.dW


class LastRowForgotten(Dense):
    def parameter_gradients(self, dout):
        super().parameter_gradients(dout)
        self.dW[len(self.W) - 1 :] = 0


class StaleGradient(Dense):
    """Gives the gradient of the batch before."""

    def parameter_gradients(self, dout):
        now = self.x.T @ dout
        self.dW = vars(self).get("kept", now)
        self.kept = now
        self.db = dout.sum(axis=0)


class TransposedDW(Dense):
    def parameter_gradients(self, dout):
        super().parameter_gradients(dout)
        self.dW = dout.T @ self.x


DIAGNOSES = [
    ({"middle": FlippedDW}, "2.FlippedDW.W", "Only its sign is wrong"),
    ({"middle": FlippedDx}, "2.FlippedDx.x", "Only its sign is wrong"),
    ({"loss": ForgottenMean}, "loss.p", "Too large by the factor 4, the batch size. Is the 1/B"),
    ({"middle": MeanTwice}, "2.MeanTwice.W", "Too small by the factor 4, the batch size"),
    ({"middle": Doubled}, "2.Doubled.W", "It is 2 times the right gradient"),
    (
        {"middle": UntransposedDx},
        "2.UntransposedDx.x",
        "Exactly right if W is transposed: dout @ W.T",
    ),
    ({"middle": TransposedDW}, "2.TransposedDW.W", "Exactly right if transposed"),
    ({"middle": WrongAxisInDb}, "2.WrongAxisInDb.b", "Summed over the wrong axis"),
    ({"middle": NoDb}, "2.NoDb.b", "It is 0 everywhere"),
    ({"relu": MaskOfDout}, "3.MaskOfDout.x", "the mask was made from another array"),
    ({"relu": InvertedMask}, "3.InvertedMask.x", "The mask is inverted"),
    ({"relu": HalfOpenReLU}, "3.HalfOpenReLU.x", "Wrong only where x is 0 or less"),
    (
        {"softmax": DiagonalSoftmax},
        "5.DiagonalSoftmax.x",
        "each output depended only on its own input",
    ),
    ({"middle": FirstInputOfThisSize}, "2.FirstInputOfThisSize.W", "x is that of the batch before"),
    ({"middle": LastInputButOne}, "2.LastInputButOne.W", "x is that of the batch before"),
    ({"middle": StaleGradient}, "2.StaleGradient.W", "It is that of the batch before"),
    ({"middle": Accumulated}, "2.Accumulated.W", "It is the sum over two batches"),
    ({"middle": UpdatesItself}, "2.UpdatesItself.x", "backward changes W, and then computes"),
    (
        {"middle": LastRowForgotten},
        "2.LastRowForgotten.W",
        "Only row 3 is wrong: it is 0. Is a slice off by one",
    ),
    ({"middle": OneWrongEntry}, "2.OneWrongEntry.W", r"Only the entry \(2, 1\) is wrong\.$"),
    ({"middle": NaNInDW}, "2.NaNInDW.W", "1 of 16 numbers are NaN or infinite"),
]


@pytest.mark.first_cases(1)
@pytest.mark.parametrize(("parts", "culprit", "said"), every_other(DIAGNOSES, name=1))
def test_the_right_layer_the_right_array_and_the_right_mistake_are_named(parts, culprit, said):
    report = report_on(**parts)
    assert report.culprit.name == culprit
    patterns = [line for line in report.diagnosis.splitlines() if line.startswith("PATTERN")]
    assert re.search(said, patterns[0]), report.diagnosis
    assert str(report).count("<- starts here") == 1
    assert report.diagnosis in str(report)


class BackwardInOne(Dense):
    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return -dout @ self.W.T


class BackwardAround(FlippedDx):
    """What is wrong is in the half; this only calls both."""

    def backward(self, dout):
        self.parameter_gradients(dout)
        return self.input_gradient(dout)


class NegatedAfterwards(Dense):
    def backward(self, dout):
        return -super().backward(dout)


class SpoilsDout(Dense):
    def parameter_gradients(self, dout):
        super().parameter_gradients(dout)
        dout *= 2


class ReLUOfMinus(ReLU):
    def forward(self, x, training=True):
        out = super().forward(x, training)
        if training:
            self.mask = x < 0
        return out


class NoBiasInForward(Dense):
    def forward(self, x, training=True):
        if training:
            self.x = x
        return x @ self.W


class LossOfTheSum(MeanSquaredError):
    def forward(self, p, y):
        return super().forward(p, y) * len(p)


GUILTY = [
    ({"middle": BackwardInOne}, "dx of 2.BackwardInOne", BackwardInOne.backward),
    ({"middle": BackwardAround}, "dx of 2.BackwardAround", FlippedDx.input_gradient),
    ({"middle": NegatedAfterwards}, "dx of 2.NegatedAfterwards", NegatedAfterwards.backward),
    ({"middle": LastInputButOne}, "dW of 2.LastInputButOne", LastInputButOne.forward),
    ({"middle": UpdatesItself}, "dx of 2.UpdatesItself", UpdatesItself.parameter_gradients),
    ({"middle": SpoilsDout}, "dx of 2.SpoilsDout", SpoilsDout.parameter_gradients),
    ({"middle": NoBiasInForward}, "db of 2.NoBiasInForward", NoBiasInForward.forward),
    ({"relu": ReLUOfMinus}, "dx of 3.ReLUOfMinus", ReLUOfMinus.forward),
    ({"loss": ForgottenMean}, "dp of ForgottenMean", ForgottenMean.backward),
    ({"middle": FlippedDW}, "dW of 2.FlippedDW", FlippedDW.parameter_gradients),
]


@pytest.mark.first_cases(1)
@pytest.mark.parametrize(("parts", "what", "method"), every_other(GUILTY, name=1))
def test_the_method_that_is_named_is_the_learners_own(parts, what, method):
    report = report_on(**parts)
    line = method.__code__.co_firstlineno
    said = f"SUSPECT  {what}, by {method.__name__} (test_gradcheck.py:{line})"
    assert report.diagnosis.startswith(said), report.diagnosis


@pytest.mark.slow
def test_a_loss_with_an_own_forward_is_named_by_it():
    x, _ = data()
    text = check_gradients(network(), LossOfTheSum(), x, x).diagnosis
    line = LossOfTheSum.forward.__code__.co_firstlineno
    assert f"dp of LossOfTheSum, by forward (test_gradcheck.py:{line})" in text
    assert "Too small by the factor 4, the batch size. Is it divided by B again" in text


class SumOverSamples(Softmax):
    def input_gradient(self, dout):
        return self.out * (dout - (dout * self.out).sum(axis=0))


class NoSum(Softmax):
    def input_gradient(self, dout):
        return self.out * (dout + 1)


@pytest.mark.slow
@pytest.mark.parametrize("classes", [3, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", [SumOverSamples, NoSum])
@pytest.mark.parametrize("seed", few_of(6, plain=1))
def test_a_wrong_softmax_is_no_slice_and_no_matter_of_closed_units(kind, classes, seed):
    rng = np.random.default_rng(seed)
    layers = [Dense(6), ReLU(), Dense(classes), kind()]
    model = Sequential(layers, input_shape=(3,), seed=seed)
    x, y = rng.normal(size=(5, 3)), rng.integers(0, classes, 5)
    report = check_gradients(model, CrossEntropy(), x, y)
    assert report.culprit.name == f"3.{kind.__name__}.x"
    assert not re.search("slice|x is 0 or less|mask", report.diagnosis), report.diagnosis
    assert ("over the samples, axis 0" in report.diagnosis) is (kind is SumOverSamples)


@pytest.mark.slow
def test_a_row_that_is_wrong_but_was_written_is_no_slice():
    class HalfRow(Dense):
        def parameter_gradients(self, dout):
            super().parameter_gradients(dout)
            self.dW[-1] *= np.linspace(0.5, 0.9, self.units)

    assert "slice" not in report_on(HalfRow).diagnosis


@pytest.mark.slow
def test_one_wrong_entry_that_happens_to_be_closed_is_no_pattern():
    class OneEntry(ReLU):
        def input_gradient(self, dout):
            dx = super().input_gradient(dout)
            dx[tuple(np.argwhere(~self.mask)[0])] += 0.1
            return dx

    assert "x is 0 or less" not in report_on(relu=OneEntry).diagnosis


class SumOfSquares(MeanSquaredError):
    def backward(self, p, y):
        return 2 * (p - y)


@pytest.mark.slow
def test_a_mean_over_all_entries_that_is_missing_is_told_by_their_number():
    rng = np.random.default_rng(0)
    model = Sequential([Dense(6), ReLU(), Dense(4)], input_shape=(3,))
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 4))
    text = check_gradients(model, SumOfSquares(), x, y).diagnosis
    assert "Too large by the factor 20, the number of entries, B x C = 5 x 4" in text


@pytest.mark.parametrize("n", [0, -1])
def test_a_sample_that_is_left_out_of_the_sum_is_told(n):
    kept = slice(1, None) if n == 0 else slice(None, -1)

    class OneLeftOut(Dense):
        def parameter_gradients(self, dout):
            self.dW = self.x[kept].T @ dout[kept]
            self.db = dout[kept].sum(axis=0)

    texts = report_on(OneLeftOut).diagnosis.splitlines()
    assert [text for text in texts if "PATTERN" in text] == 2 * [
        f"PATTERN  Sample {n % 4} is left out of the sum. Is a slice off by one?"
    ]


def test_a_bias_that_forward_forgets_and_a_wrong_bias_alone_are_told():
    text = report_on(NoBiasInForward).diagnosis
    assert "The loss does not depend on b at all. Is it forgotten in forward?" in text
    for kind in (NoBiasInForward, NoDb, InfiniteDb):
        assert "Only db is wrong: dW is right." in report_on(kind).diagnosis
    assert "Only db" not in report_on(Accumulated).diagnosis


@pytest.mark.slow
def test_where_the_loss_depends_on_nothing_neither_forward_nor_another_batch_is_blamed():
    class Decay(Dense):
        def parameter_gradients(self, dout):
            super().parameter_gradients(dout)
            self.dW += 0.1 * self.W

    model = network(Decay)
    model.layers[2].b = [-100] * 4  # no unit above is ever open
    text = check(model).diagnosis
    assert "PATTERN  No usual mistake: 0 would be right." in text


@pytest.mark.slow
def test_the_last_bias_forgotten_is_a_slice():
    class LastBiasForgotten(Dense):
        def parameter_gradients(self, dout):
            super().parameter_gradients(dout)
            self.db[-1] = 0

    assert (
        "Only entry 3 is wrong: it is 0. Is a slice off by one?"
        in report_on(LastBiasForgotten).diagnosis
    )


@pytest.mark.parametrize("derivative", [0, 1])
def test_a_wrong_derivative_of_inactive_units_is_told_though_only_two_are_inactive(derivative):
    class Leaky(ReLU):
        """Its derivative below 0 is 0.1."""

        def forward(self, x, training=True):
            super().forward(x, training)
            return np.where(x > 0, x, 0.1 * x)

        def input_gradient(self, dout):
            return dout * np.where(self.mask, 1, derivative)

    model = Sequential([Leaky(), Dense(2)], input_shape=(4,))
    x = [[1.0, 2.0, -3.0, 1.5], [2.0, 1.0, 3.0, -4.0]]
    text = check_gradients(model, SoftmaxCrossEntropy(), x, [0, 1]).diagnosis
    assert "Wrong only where x is 0 or less: the derivative there is another one." in text


class FirstColumnForgotten(Dense):
    def input_gradient(self, dout):
        dx = super().input_gradient(dout)
        dx[:, 0] = 0
        return dx


LARGE = [
    ([Dense(100), HalfOpenReLU(), Dense(10)], "1.HalfOpenReLU.x", "Wrong only where x is 0 or"),
    (
        [Dense(100), MaskOfDout(), Dense(10)],
        "1.MaskOfDout.x",
        "the mask was made from another array",
    ),
    (
        [LastRowForgotten(100), ReLU(), Dense(10)],
        "0.LastRowForgotten.W",
        "row 99 is wrong: it is 0. Is a slice off",
    ),
    (
        [Dense(100), FirstColumnForgotten(10)],
        "1.FirstColumnForgotten.x",
        "column 0 is wrong: it is 0. Is a slice",
    ),
    ([Dense(100), UntransposedDx(100), Dense(10)], "1.UntransposedDx.x", "if W is transposed"),
    (
        [OneWrongEntry(100), ReLU(), Dense(10)],
        "0.OneWrongEntry.W",
        r"times the differences|five digits",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("layers", "culprit", "said"), every_other(LARGE, name=1))
def test_in_a_large_network_entries_of_the_wrong_array_tell_the_pattern(layers, culprit, said):
    rng = np.random.default_rng(0)
    model = Sequential([*copy.deepcopy(layers), Softmax()], input_shape=(100,))
    report = check_gradients(
        model, CrossEntropy(), rng.normal(size=(20, 100)), rng.integers(0, 10, 20)
    )
    assert report.culprit.name == culprit
    assert report.culprit.at.startswith("direction")
    assert re.search(said, report.diagnosis), report.diagnosis


@pytest.mark.slow
def test_a_square_matrix_explains_why_there_was_no_error_of_shape():
    text = report_on(UntransposedDx).diagnosis
    assert "WHY NO SHAPE ERROR   W is square (4, 4)" in text
    assert "WHY NO SHAPE" not in report_on(FlippedDx).diagnosis


def test_the_method_is_named_with_its_file_and_line():
    line = FlippedDx.input_gradient.__code__.co_firstlineno
    text = report_on(FlippedDx).diagnosis
    assert f"dx of 2.FlippedDx, by input_gradient (test_gradcheck.py:{line})" in text
    assert 'Rows marked "follows" were computed from this array' in text
    assert "follows" not in report_on(FlippedDW).diagnosis


def test_a_layer_that_works_in_place_spoils_no_other_layers_row():
    model = Sequential([Dense(4), InPlaceReLU(), Dense(3), Softmax()], input_shape=(3,))
    x = np.random.default_rng(0).normal(size=(5, 3))
    report = check_gradients(model, CrossEntropy(), x, [0, 1, 2, 0, 1])
    assert report.ok, report


@pytest.mark.parametrize("size", [1e-3, 1.0])
def test_what_rounding_alone_explains_is_not_wrong(size):
    model = Sequential([Dense(4), ReLU(), Dense(3), Softmax()], input_shape=(3,))
    x = size * np.random.default_rng(0).normal(size=(5, 3))
    assert check_gradients(model, CrossEntropy(), x, [0, 1, 2, 0, 1]).ok
    line = Sequential([Dense(1)], input_shape=(1,), dtype=np.float64)
    line.layers[0].W = [[2.0]]
    report = check_gradients(line, MeanSquaredError(), [[1.0], [3.0]], [[2.0], [6.0]])
    assert report.ok, report


@pytest.mark.slow
def test_a_derivative_below_zero_is_not_said_to_be_0():
    class Leaky(ReLU):
        def forward(self, x, training=True):
            super().forward(x, training)
            return np.where(x > 0, x, 0.1 * x)

    model = Sequential([Dense(4), Leaky(), Dense(3), Softmax()], input_shape=(3,))
    x = np.random.default_rng(0).normal(size=(5, 3))
    text = check_gradients(model, CrossEntropy(), x, [0, 1, 2, 0, 1]).diagnosis
    assert "Wrong only where x is 0 or less: the derivative there is another one." in text


@pytest.mark.slow
def test_a_gradient_that_is_nearly_right_is_said_to_be_so():
    class Nearly(Dense):
        def parameter_gradients(self, dout):
            super().parameter_gradients(dout)
            self.dW *= 1 + 3e-6

    text = report_on(Nearly).diagnosis
    assert "Right to about five digits: an approximation, or a mistake that small" in text


@pytest.mark.slow
def test_what_fits_no_pattern_gets_none():
    class Sine(Dense):
        def parameter_gradients(self, dout):
            super().parameter_gradients(dout)
            self.dW *= 1 + np.sin(np.arange(self.dW.size)).reshape(self.dW.shape)

    assert re.search(
        r"No usual mistake: backward is 0\.\d\d to [12]\.\d\d times", report_on(Sine).diagnosis
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Doubled, "2 times"),
        pytest.param(FlippedDW, "its sign", marks=pytest.mark.slow),
        pytest.param(Accumulated, "two batches", marks=pytest.mark.slow),
    ],
)
def test_a_factor_shows_along_directions_too(kind, said):
    x, y = np.random.default_rng(0).normal(size=(4, 100)), np.arange(4)
    model = Sequential([kind(100), ReLU(), Dense(10), Softmax()], input_shape=(100,))
    assert said in check_gradients(model, CrossEntropy(), x, y).diagnosis


class BatchNormOfOne(BatchNorm):
    """Forgets that the mean depends on every sample."""

    def input_gradient(self, dout):
        g = dout * self.gamma
        normalised = (self.centred - self.rest) / self.std
        return (g - normalised * (g * normalised).mean(axis=0)) / self.std


def normed(seed, norm=BatchNorm):
    rng = np.random.default_rng(seed)
    layers = [Dense(5), norm(), ReLU(), Dense(4), norm(), ReLU(), Dense(3)]
    model = Sequential(layers, input_shape=(3,), seed=seed)
    model.params += rng.normal(0, 0.1, model.params.size)
    x, y = rng.normal(size=(2, 3)), rng.integers(0, 3, 2)
    return check_gradients(model, SoftmaxCrossEntropy(), x, y)


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("seed", few_of(20))
def test_a_right_batch_norm_of_two_samples_passes_though_its_loss_is_very_curved(seed):
    report = normed(seed)
    assert report.ok, report


@pytest.mark.slow
@pytest.mark.parametrize("seed", few_of(8, plain=1))
def test_a_wrong_batch_norm_is_found_though_its_loss_is_very_curved(seed):
    assert normed(seed, BatchNormOfOne).culprit.name == "4.BatchNormOfOne.x"


@pytest.mark.slow
def test_an_error_just_over_the_tolerance_is_found_and_just_under_it_is_not():
    for error, ok in ((1.3e-6, False), (0.7e-6, True)):

        class Off(Dense):
            def parameter_gradients(self, dout, error=error):
                super().parameter_gradients(dout)
                self.dW *= 1 + error

        reports = [report_on(Off), normed_off(Off)]
        assert [report.ok for report in reports] == [ok, ok]


def normed_off(kind):
    layers = [Dense(5), BatchNorm(), ReLU(), kind(3)]
    x, y = data()
    return check_gradients(Sequential(layers, input_shape=(4,)), SoftmaxCrossEntropy(), x, y % 3)


class Log(Layer):
    """Knows positive numbers only."""

    def forward(self, x, training=True):
        if training:
            self.x = x
        assert (x > 0).all()
        return np.log(x)

    def input_gradient(self, dout):
        return dout / self.x


class Embedding(Layer):
    """A row of E for each word, which is a number from 0 to words - 1."""

    def __init__(self, words, units):
        self.words, self.units = words, units

    def output_shape(self, input_shape):
        return (*input_shape, self.units)

    def parameter_shapes(self, input_shape):
        return {"E": (self.words, self.units)}

    def initialize(self, rng):
        self.E = rng.normal(size=self.E.shape)

    def forward(self, x, training=True):
        words = x.astype(int)
        if training:
            self.seen = words
        return self.E[words]

    def parameter_gradients(self, dout):
        self.dE = np.zeros(self.E.shape)
        np.add.at(self.dE, self.seen, dout)

    def input_gradient(self, dout):
        return np.zeros(self.seen.shape)


class LastWordWins(Embedding):
    """A word that occurs twice has the sum of both gradients."""

    def parameter_gradients(self, dout):
        self.dE = np.zeros(self.E.shape)
        self.dE[self.seen] += dout


@pytest.mark.slow
def test_a_layer_for_positive_numbers_gets_no_others():
    for seed in range(5):
        x = np.random.default_rng(seed).uniform(0.01, 0.5, size=(4, 3))
        model = Sequential([Log(), Dense(3), Softmax()], input_shape=(3,))
        assert check_gradients(model, CrossEntropy(), x, [0, 1, 2, 0]).ok


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("words", [[[1, 2], [4, 4], [0, 1]], [[1], [2], [4]], [[4, 3]]])
def test_words_have_no_gradient_and_an_embedding_passes(words):
    y = np.arange(len(words))
    for kind, ok in ((Embedding, True), (LastWordWins, np.size(words) < 6)):
        layers = [kind(5, 3), Flatten(), Dense(3), Softmax()]
        model = Sequential(layers, input_shape=(len(words[0]),))
        report = check_gradients(model, CrossEntropy(), words, y)
        assert report.ok is ok, report
        assert f"0.{kind.__name__}.x" not in {row.name for row in report.rows}
        assert report.skipped == 0


@pytest.mark.slow
def test_integers_that_are_mere_numbers_have_their_row():
    for kind, wrong_row in ((Dense, None), (FlippedDx, "0.FlippedDx.x")):
        model = Sequential([kind(3), Tanh(), Dense(2)], input_shape=(2,))
        report = check_gradients(model, SoftmaxCrossEntropy(), [[1, 2], [3, -4]], [0, 1])
        assert report.rows[-1].name == f"0.{kind.__name__}.x"
        assert (report.culprit.name if report.culprit else None) == wrong_row


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("seed", few_of(50))
def test_a_right_network_of_any_build_gets_no_diagnosis(seed):
    rng = np.random.default_rng(seed)
    layers = []
    for _ in range(rng.integers(0, 4)):
        layers += [Dense(int(rng.integers(1, 7))), (ReLU, Tanh)[rng.integers(2)]()]
    classes = int(rng.integers(2, 6))
    kind = rng.integers(3)
    loss = (CrossEntropy, SoftmaxCrossEntropy, MeanSquaredError)[kind]()
    layers += [Dense(classes), *([Softmax()] if kind == 0 else [])]
    features, size = int(rng.integers(1, 6)), int(rng.integers(1, 6))
    model = Sequential(layers, input_shape=(features,), seed=seed)
    model.params += rng.normal(0, 0.1, model.params.size)  # no bias of 0, no z of exactly 0
    x = rng.normal(size=(size, features))
    y = rng.normal(size=(size, classes)) if kind == 2 else rng.integers(0, classes, size)
    report = check_gradients(model, loss, x, y)
    assert report.ok, report
    assert report.diagnosis == ""


def test_the_worst_entry_is_named_with_both_numbers():
    row = report_on(OneWrongEntry).culprit
    assert row.name == "2.OneWrongEntry.W"
    assert row.at == "entry (2, 1)"
    assert row.backward == pytest.approx(1.001 * row.differences, rel=1e-6)
    assert row.error == pytest.approx(0.001, rel=0.01)


def test_a_nan_is_named_where_it_is():
    row = report_on(NaNInDW).culprit
    assert row.name == "2.NaNInDW.W"
    assert not np.isfinite(row.error)
    assert row.at == "entry (2, 1)"
    assert np.isnan(row.backward)


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (NoDb, "0.NoDb.b"),
        (OneWrongEntry, "0.OneWrongEntry.W"),
        pytest.param(FlippedDW, "0.FlippedDW.W", marks=pytest.mark.slow),
        pytest.param(NaNInDW, "0.NaNInDW.W", marks=pytest.mark.slow),
        pytest.param(FirstInputOfThisSize, "0.FirstInputOfThisSize.W", marks=pytest.mark.slow),
    ],
)
def test_a_bug_is_caught_along_directions_too(first, expected):
    x, y = np.random.default_rng(0).normal(size=(4, 100)), np.arange(4)
    model = Sequential([first(100), ReLU(), Dense(10), Softmax()], input_shape=(100,))
    assert wrong(check_gradients(model, CrossEntropy(), x, y)) == [expected]


@pytest.mark.slow
def test_the_tolerance_decides():
    x, y = data()
    assert not check_gradients(network(OneWrongEntry), CrossEntropy(), x, y, tolerance=9e-4).ok
    assert check_gradients(network(OneWrongEntry), CrossEntropy(), x, y, tolerance=1.1e-3).ok


# Kinks


def kinked_report(distance, features):
    """x -> ReLU -> sum of squares, one sample; the first number lies `distance` from the kink."""
    x = np.linspace(1, 2, features)[None]
    x[0, 0] = distance
    model = Sequential([ReLU()], input_shape=(features,))
    return check_gradients(model, MeanSquaredError(), x, x + 1)


def kinked(distance, features):
    return kinked_report(distance, features).rows[1]


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("distance", [0.0, 0.9e-7, -0.9e-7])
def test_a_kink_within_the_shortest_step_is_skipped_and_counted(distance):
    row = kinked(distance, 200)
    assert (row.checked, row.skipped) == (199, 1)
    assert row.ok


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("distance", [1.1e-7, -1.1e-7, 0.9e-5, -0.9e-5, 1.1e-5])
def test_a_kink_beyond_the_shortest_step_is_compared(distance):
    row = kinked(distance, 200)
    assert (row.checked, row.skipped) == (200, 0)
    assert row.ok


def test_parameters_on_a_kink_are_moved_and_the_report_tells_how_many_steps_crossed_it():
    model = Sequential([Dense(2), ReLU(), Dense(1)], input_shape=(2,))
    first, _, second = model.layers
    first.W, first.b = [[1, 1], [2, 1]], [0, 0]  # x = [2, -1] gives z = [0, 1]
    second.W = [[1], [1]]
    report = check_gradients(model, MeanSquaredError(), [[2.0, -1.0]], [[5.0]])
    # Of 16 entries: z[0] itself, both weights of that unit, b[0], and both features of 0.Dense.x.
    assert report.moved == 6 / 16
    assert "MOVED    At the model's own parameters 37.5% of the steps crossed" in str(report)
    assert {row.skipped for row in report.rows} == {0}
    assert report.ok
    assert first.b.tolist() == [0, 0]


XOR = [[0, 0], [0, 1], [1, 0], [1, 1]]


class OwnReLU(Layer):
    """Right, but tells nobody by a boolean array where its kinks are."""

    def forward(self, x, training=True):
        if training:
            self.x = x
        return np.where(x > 0, x, 0)

    def input_gradient(self, dout):
        return dout * (self.x > 0)


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("relu", [ReLU, OwnReLU])
@pytest.mark.parametrize("units", [2, 4, 8])
@pytest.mark.parametrize("seed", few_of(5, plain=1))
def test_a_right_network_for_xor_passes_though_a_sample_of_zeros_lies_on_the_kink(
    seed, units, relu
):
    layers = [Dense(units), relu(), Dense(2), Softmax()]
    model = Sequential(layers, input_shape=(2,), seed=seed)
    report = check_gradients(model, CrossEntropy(), XOR, [0, 1, 1, 0])
    assert report.ok, report
    assert 0 < report.moved < 0.2
    assert report.diagnosis == ""


@pytest.mark.parametrize("seed", few_of(40))
def test_a_right_network_passes_where_the_slope_bends_at_a_sample(seed):
    model = Sequential([Dense(4), ELU(), Dense(2), Softmax()], input_shape=(2,), seed=seed)
    report = check_gradients(model, CrossEntropy(), XOR, [0, 1, 1, 0])
    assert report.ok, report


class DrawsAnew(Layer):
    """Right, but draws another mask each time."""

    rng = None

    def forward(self, x, training=True):
        self.rng = self.rng or np.random.default_rng(0)
        self.mask = (self.rng.random(x.shape) > 0.5) / 0.5
        return x * self.mask

    def input_gradient(self, dout):
        return dout * self.mask


def test_a_layer_that_draws_anew_each_time_is_named_and_not_accused():
    layers = [Dense(6), ReLU(), DrawsAnew(), Dense(3), Softmax()]
    model = Sequential(layers, input_shape=(4,))
    with pytest.raises(ValueError, match=r"2\.DrawsAnew returns other numbers each time"):
        check_gradients(model, CrossEntropy(), np.ones((5, 4)), [0, 1, 2, 0, 1])


@pytest.mark.slow
@pytest.mark.parametrize("relu", [ReLU, OwnReLU])
def test_a_wrong_layer_is_found_also_where_samples_lie_on_the_kink(relu):
    model = Sequential([FlippedDx(8), relu(), Dense(2), Softmax()], input_shape=(2,))
    report = check_gradients(model, CrossEntropy(), XOR, [0, 1, 1, 0])
    assert report.culprit.name == "0.FlippedDx.x"
    model = Sequential([NoDb(8), relu(), Dense(2), Softmax()], input_shape=(2,))
    report = check_gradients(model, CrossEntropy(), XOR, [0, 1, 1, 0])
    assert report.culprit.name == "0.NoDb.b"


@pytest.mark.slow
def test_where_many_samples_lie_near_kinks_a_shorter_step_crosses_few():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1000, 50)), rng.integers(0, 10, 1000)
    layers = [Dense(300), ReLU(), Dense(100), ReLU(), Dense(10), Softmax()]
    report = check_gradients(Sequential(layers, input_shape=(50,)), CrossEntropy(), x, y)
    assert report.ok, report
    assert report.moved is None
    assert report.skipped < 0.05


def test_more_than_one_percent_of_kinks_is_a_failure():
    for kinks, ok in ((4, True), (5, False)):  # of 200 in p and 200 in x
        x = np.linspace(1, 2, 200)[None]
        x[0, :kinks] = 0
        model = Sequential([ReLU()], input_shape=(200,))
        report = check_gradients(model, MeanSquaredError(), x, x + 1)
        assert (report.rows[1].skipped, report.ok) == (kinks, ok)
        assert ("TOO MANY SKIPPED: 1.2% of the steps" in str(report)) is not ok


def test_nothing_compared_is_no_success():
    row = kinked(0.0, 1)
    assert (row.checked, row.skipped) == (0, 1)
    assert not row.ok
    assert row.verdict == "none"
    report = kinked_report(0.0, 1)
    line = next(line for line in str(report).splitlines() if line.startswith("none"))
    assert line.split() == ["none", "0.ReLU.x", "(1,", "1)", "-", "-", "-", "-", "0", "1"]
    assert not report.ok
    assert report.culprit is None  # and nobody is blamed
    assert report.diagnosis == ""


# The pieces, and what is printed


def entry(at):
    return Probe(f"entry ({at},)", at, np.ones(()), 1e-5)


def test_finite_difference_of_a_known_function():
    w = np.array([2.0, 3.0])
    # d(w0^3)/dw0 = 3 * 2^2, central differences add h^2
    slope, bend = finite_difference(w, entry(0), 1e-3, 8.0, lambda: (float(w[0] ** 3), b""))
    assert slope == pytest.approx(12 + 1e-6, abs=1e-9)
    assert bend == pytest.approx(1e-3 * 12)  # h times the second derivative, 6 w0
    assert w.tolist() == [2, 3]
    # along [0.6, 0.8]: the gradient of w0 * w1 is [3, 2]
    along = Probe("direction (0,)", ..., np.array([0.6, 0.8]), 1e-4)
    slope, _ = finite_difference(w, along, 1e-3, 6.0, lambda: (float(w[0] * w[1]), b""))
    assert slope == pytest.approx(3 * 0.6 + 2 * 0.8)
    assert w.tolist() == [2, 3]


def test_finite_difference_is_nan_over_a_switch():
    w = np.zeros(1)
    found = finite_difference(w, entry(0), 1e-5, 0.0, lambda: (0.0, (w > 0).tobytes()))
    assert np.isnan(found).all()
    assert w.tolist() == [0]


def test_finite_difference_tells_the_bend_of_a_kink():
    w = np.zeros(1)
    found = finite_difference(w, entry(0), 1e-5, 0.0, lambda: (abs(float(w[0])), b""))
    assert found == (0, 2)  # slopes of -1 and 1


def test_the_report_prints_a_line_for_each_row():
    report = report_on(FlippedDW)
    lines = str(report).splitlines()
    assert isinstance(report, GradientReport)
    head = "gradient of shape worst rel. error at backward differences checked skipped"
    assert " ".join(lines[0].split()) == head
    rows = lines[1 : 1 + len(report.rows)]
    assert "\n".join(lines[1 + len(report.rows) :]) == report.diagnosis
    said = {line.split()[1]: line.split()[0] for line in rows}
    assert said == {
        name: "WRONG" if name == "2.FlippedDW.W" else "ok" for name in names("FlippedDW")
    }
    culprit = next(line for line in rows if line.endswith("<- starts here"))
    backward, differences = map(float, culprit.split()[-7:-5])
    assert backward == pytest.approx(-differences, rel=1e-3)


def test_the_report_keeps_its_columns_apart_for_long_names():
    lines = str(report_on(FirstInputOfThisSize)).splitlines()
    line = next(line for line in lines if "OfThisSize.b" in line)
    assert re.match(r"\w+ +2\.FirstInputOfThisSize\.b +\(4,\) ", line)


def test_what_does_not_fit_raises_as_forward_does():
    with pytest.raises(ValueError, match="x has samples of"):
        check_gradients(network(), CrossEntropy(), np.zeros((4, 7)), [0, 1, 2, 3])
    with pytest.raises(ValueError, match="CrossEntropy expects probabilities"):
        check_gradients(Sequential([Dense(4)], input_shape=(FEATURES,)), CrossEntropy(), *data())


# Mistakes of losses


class HuberWithoutClip(Huber):
    def backward(self, p, y):
        return (p - y) / p.size


class WithoutClassWeights(SoftmaxCrossEntropy):
    def backward(self, p, y):
        return (softmax(p) - np.eye(p.shape[1])[y]) / len(p)


class WithoutSmoothing(SoftmaxCrossEntropy):
    def backward(self, p, y):
        return (softmax(p) - np.eye(p.shape[1])[y]) / len(p)


class WithoutSampleWeights(MeanSquaredError):
    def backward(self, p, y, weights=None):
        return super().backward(p, y)


class MeanOverSamplesOnly(SigmoidCrossEntropy):
    def backward(self, p, y):
        return super().backward(p, y) * p.shape[1]


class SumOfLabels(SigmoidCrossEntropy):
    def backward(self, p, y):
        return super().backward(p, y) * p.size


@pytest.mark.first_cases(1)
@pytest.mark.parametrize(
    ("loss", "y", "weights", "said"),
    [
        (HuberWithoutClip(0.1), data(5)[0][:, :3], None, "Is delta missing there"),
        (WithoutClassWeights(0, [1, 3, 5]), [0, 1, 2, 1, 0], None, "Is class_weights missing"),
        (WithoutSmoothing(0.2), [0, 1, 2, 1, 0], None, "Is label_smoothing missing"),
        (WithoutSampleWeights(), data(5)[0][:, :3], [1, 2, 3, 4, 5], "without the weights of sam"),
        (MeanOverSamplesOnly(), np.eye(5, 3), None, "factor 3, the numbers of a sample, C"),
        (SumOfLabels(), np.eye(5, 3), None, "factor 15, the number of entries, B x C = 5 x 3"),
    ],
)
def test_the_usual_mistakes_of_losses_are_named(loss, y, weights, said):
    model = Sequential([Dense(3)], input_shape=(FEATURES,), seed=1)
    report = check_gradients(model, loss, data(5)[0], y, sample_weight=weights)
    assert report.culprit.name == "loss.p"
    assert said in report.diagnosis
    right = next(kind for kind in type(loss).__mro__ if kind.__module__.startswith("tinynn"))
    right = right(**loss.config())
    assert check_gradients(model, right, data(5)[0], y, sample_weight=weights).ok


@pytest.mark.parametrize("tolerance", [5, 0, -1, np.nan, "x", True])
def test_a_tolerance_that_lets_all_pass_or_nothing_is_refused(tolerance):
    with pytest.raises(InputError, match="tolerance must be above 0 and below 1, got"):
        check_gradients(network(), CrossEntropy(), *data(), tolerance)


@pytest.mark.parametrize("seed", [True, None, -1, "a", 1.5])
def test_a_seed_that_is_no_whole_number_is_refused(seed):
    with pytest.raises(InputError, match="seed must be a whole number of 0 or more, got"):
        check_gradients(network(), CrossEntropy(), *data(), seed=seed)


@pytest.mark.parametrize("seed", range(5))
def test_of_entries_that_are_wrong_by_one_factor_the_first_is_shown(seed):
    """Their errors differ by rounding alone, so that each processor would show another one."""

    class Halved(Dense):
        def parameter_gradients(self, dout):
            super().parameter_gradients(dout)
            self.db *= 0.5

    model = Sequential([Halved(6), Dense(3), Softmax()], input_shape=(FEATURES,), seed=seed)
    x, y = data()
    rows = check_gradients(model, CrossEntropy(), x, y % 3).rows
    assert [row.at for row in rows if not row.ok] == ["entry (0,)"]
