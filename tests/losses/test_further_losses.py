"""Protects the further losses, label smoothing and class weights: values, gradients, training."""

import copy
import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import tinynn
from oracles import numeric_gradient, worst_error
from tinynn import (
    SGD,
    Adam,
    BinaryCrossEntropy,
    Callback,
    Checkpoint,
    CrossEntropy,
    Dense,
    Doctor,
    EarlyStopping,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    ReLU,
    Sequential,
    Sigmoid,
    SigmoidCrossEntropy,
    Softmax,
    SoftmaxCrossEntropy,
    Trainer,
    binary_accuracy,
    check_gradients,
    diagnose,
    explain_step,
    one_hot,
    softmax,
)
from tinynn.training.baseline import constant_baseline

CASES = json.loads((Path(__file__).parents[1] / "references/losses.json").read_text())["cases"]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 3))
LABELS = (X[:, 0] > 0) + (X[:, 1] > 0).astype(int)  # of three classes
YES = np.stack([X[:, 0] > 0, X[:, 1] > 0.5], axis=1).astype(float)
W = RNG.uniform(0, 3, 300)


def network(units, *last, dtype=np.float32):
    return Sequential([Dense(8), ReLU(), Dense(units), *last], input_shape=(3,), dtype=dtype)


# PyTorch's numbers


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['loss']} {case['arguments']}")
def test_value_and_gradient_are_those_of_pytorch(case):
    loss = getattr(tinynn, case["loss"])(**case["arguments"])
    p, y, dp = (np.array(case[name]) for name in ("p", "y", "dp"))
    weights = [] if case["weights"] is None else [case["weights"]]
    assert loss.forward(p, y, *weights) == pytest.approx(case["value"], rel=1e-10)
    assert loss.backward(p, y, *weights) == pytest.approx(dp, rel=1e-10, abs=1e-12)
    if case["loss"] != "SoftmaxCrossEntropy":
        return
    layer, apart = Softmax(), CrossEntropy(**case["arguments"])  # in two parts it is the same
    out = layer.forward(p)
    assert apart.forward(out, y, *weights) == pytest.approx(case["value"], rel=1e-10)
    dz = layer.input_gradient(apart.backward(out, y, *weights))
    assert dz == pytest.approx(dp, rel=1e-10, abs=1e-12)


# By hand


def test_absolute_errors_and_those_of_huber_by_hand():
    p, y = np.array([[3.0, 1.0], [-2.0, 0.5]]), np.array([[1.0, 1.0], [1.0, 0.0]])
    assert MeanAbsoluteError().forward(p, y) == (2 + 0 + 3 + 0.5) / 4
    assert MeanAbsoluteError().backward(p, y).tolist() == [[0.25, 0], [-0.25, 0.25]]
    # 2 (2 - 1) = 2;  0;  2 (3 - 1) = 4;  0.125
    assert Huber(2.0).forward(p, y) == (2 + 0 + 4 + 0.125) / 4
    assert Huber(2.0).backward(p, y).tolist() == [[0.5, 0], [-0.5, 0.125]]


def test_smoothing_and_class_weights_by_hand():
    p = np.array([[0.5, 0.25, 0.25]])
    # q = (0.7 + 0.1, 0.1, 0.1)
    assert CrossEntropy(0.3).forward(p, [0]) == pytest.approx((0.8 + 0.2 * 2) * math.log(2))
    assert CrossEntropy(0.3).backward(p, [0]) == pytest.approx(np.array([[-1.6, -0.4, -0.4]]))
    assert CrossEntropy(0, [5, 1, 1]).forward(p, [0]) == pytest.approx(5 * math.log(2))
    assert CrossEntropy(0, [5, 1, 1]).backward(p, [0]).tolist() == [[-10, 0, 0]]
    z = np.log(p)
    # softmax sum q - q, with q = (5 0.8, 0.1, 0.1)
    both = SoftmaxCrossEntropy(0.3, [5, 1, 1]).backward(z, [0])
    assert both == pytest.approx(np.array([[2.1 - 4, 1.05 - 0.1, 1.05 - 0.1]]))


def test_smoothing_and_weights_of_yes_by_hand():
    p, y, ln2 = np.array([[0.5, 0.25]]), [[1, 0]], math.log(2)
    # q = (0.8, 0.2): -(3 0.8 ln 1/2 + 0.2 ln 1/2), and -(5 0.2 ln 1/4 + 0.8 ln 3/4)
    loss = BinaryCrossEntropy(0.4, [3, 5])
    expected = ((2.4 + 0.2) * ln2 + 2 * ln2 - 0.8 * math.log(0.75)) / 2
    assert loss.forward(p, y) == pytest.approx(expected)
    # 0.2 / 0.5 - 2.4 / 0.5, and 0.8 / 0.75 - 1 / 0.25, each / 2
    assert loss.backward(p, y) == pytest.approx(np.array([[-2.2, (0.8 / 0.75 - 4) / 2]]))
    z = np.array([[0.0, -math.log(3)]])
    assert SigmoidCrossEntropy(0.4, [3, 5]).forward(z, y) == pytest.approx(expected)
    # (2.4 + 0.2) 0.5 - 2.4, and (1 + 0.8) 0.25 - 1, each / 2
    dz = SigmoidCrossEntropy(0.4, [3, 5]).backward(z, y)
    assert dz == pytest.approx(np.array([[-0.55, -0.275]]))


def test_weights_of_yes_are_those_of_the_last_axis():
    y = np.arange(12).reshape(2, 3, 2) % 2  # all no, and all yes
    dz = SigmoidCrossEntropy(class_weights=[7, 3]).backward(np.zeros((2, 3, 2)), y)
    assert dz == pytest.approx(np.tile([0.5 / 12, -1.5 / 12], (2, 3, 1)))
    assert SigmoidCrossEntropy(class_weights=[3]).backward([0.0], [1]) == pytest.approx([-1.5])


# Finite differences, also with weights of samples


@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 0.0, 1.5]])
@pytest.mark.parametrize(
    ("loss", "p", "y"),
    [
        (MeanAbsoluteError(), X[:4], X[4:8]),
        (Huber(0.7), X[:4], X[4:8]),
        (BinaryCrossEntropy(), RNG.uniform(0.1, 0.9, (4, 3)), RNG.random((4, 3))),
        (SigmoidCrossEntropy(), X[:4], RNG.random((4, 3))),
        (BinaryCrossEntropy(0.2, [1, 2, 5]), softmax(X[:4]), softmax(X[4:8])),
        (SigmoidCrossEntropy(0.2, [1, 2, 5]), X[:4], softmax(X[4:8])),
        (CrossEntropy(0.2, [1, 2, 5]), RNG.dirichlet(np.ones(3), 4), [0, 2, 1, 2]),
        (SoftmaxCrossEntropy(0.2, [1, 2, 5]), X[:4], [0, 2, 1, 2]),
        (SoftmaxCrossEntropy(0, [1, 2, 5]), X[:4], RNG.dirichlet(np.ones(3), 4)),
    ],
)
def test_the_gradient_is_that_of_finite_differences_and_carries_the_weights(loss, p, y, weights):
    p = p.copy()
    p = p / p.sum(axis=1, keepdims=True) if loss.takes == "probabilities" else p
    given = () if weights is None else (weights,)
    numeric = numeric_gradient(lambda: loss.forward(p, y, *given), p, 1e-6)
    assert worst_error(loss.backward(p, y, *given), numeric) < 1e-5


@pytest.mark.first_cases(1)
@pytest.mark.parametrize(
    ("loss", "last", "y"),
    [
        (MeanAbsoluteError(), [], X[:, :2]),
        (Huber(0.5), [], X[:, :2]),
        (SigmoidCrossEntropy(), [], YES),
        (BinaryCrossEntropy(), [Sigmoid()], YES),
        (SigmoidCrossEntropy(0.1, [1, 4]), [], YES),
        (BinaryCrossEntropy(0.1, [1, 4]), [Sigmoid()], YES),
        (SoftmaxCrossEntropy(0.1, [1, 4]), [], LABELS // 2),
        (CrossEntropy(0.1, [1, 4]), [Softmax()], LABELS // 2),
    ],
)
def test_a_model_with_each_loss_is_right_trained_resumed_and_explained(loss, last, y, tmp_path):
    class Stop(Callback):
        affects_training = False

        def on_step_end(self, trainer):
            trainer.stop = trainer.step == 7

    def run():
        fresh = [type(layer)() for layer in last]
        return Trainer(network(2, *fresh), copy.deepcopy(loss), Adam(0.01))

    assert check_gradients(run().model, loss, X[:8], y[:8]).ok
    assert check_gradients(run().model, loss, X[:8], y[:8], sample_weight=W[:8]).ok
    whole, part, rest = run(), run(), run()
    held_out = (X[:50] + 0.01, y[:50])
    path = tmp_path / "run.npz"
    history = whole.fit(X, y, 3, 64, held_out, [doctor := Doctor()], sample_weight=W)
    part.fit(X, y, 3, 64, held_out, [Stop(), Checkpoint(path)], sample_weight=W)
    rest.fit(X, y, 3, 64, held_out, resume_from=path, sample_weight=W)
    assert rest.model.params.tobytes() == whole.model.params.tobytes()
    assert history["loss"][-1] < history["loss"][0]
    assert rest.history["loss"] == history["loss"]
    has_accuracy = loss.classifies or loss.boundary is not None
    assert ("val_accuracy" in history.epochs[0]) is has_accuracy
    assert whole.columns == list(history.epochs[0])
    assert str(doctor.report())
    assert "no equation" not in str(explain_step(run().model, loss, SGD(0.1), X[:2], y[:2]))
    assert not diagnose(run().model, loss, X, y).problems


# Extreme numbers


@pytest.mark.slow
@given(
    arrays(np.float32, (3, 2), elements=st.floats(width=32, allow_nan=False)),
    arrays(np.float32, (3, 2), elements=st.floats(0, 1, width=32)),
)
def test_sigmoid_cross_entropy_is_right_at_any_logits(z, y):
    loss, dz = SigmoidCrossEntropy().forward(z, y), SigmoidCrossEntropy().backward(z, y)
    assert dz.dtype == np.float32
    assert (np.abs(dz) <= 1 / 6 + 1e-7).all()
    exact = 0.0
    for one, answer in zip(z.ravel().tolist(), y.ravel().tolist(), strict=True):
        away = (one > 0) - answer
        linear = abs(one) * abs(away) if away else 0.0
        exact += (linear + math.log1p(math.exp(-abs(one)))) / 6
    assert loss == pytest.approx(exact, rel=1e-6)


PAIRS = st.tuples(array_shapes(max_dims=3, max_side=4), st.sampled_from([np.float32, np.float64]))


@st.composite
def predictions_and_numbers(draw):
    """Draw p and y of one shape, whose difference, times a million, is a float."""
    shape, dtype = draw(PAIRS)
    largest = float(np.finfo(dtype).max) * 2.0**-24
    width = np.dtype(dtype).itemsize * 8
    return [
        draw(arrays(dtype, shape, elements=st.floats(-largest, largest, width=width)))
        for _ in range(2)
    ]


@pytest.mark.slow
@given(predictions_and_numbers(), st.sampled_from([1e-3, 1.0, 1e6]))
def test_losses_of_numbers_are_right_at_any_size(pair, delta):
    p, y = pair
    error = [float(a) - float(b) for a, b in zip(p.ravel(), y.ravel(), strict=True)]
    each = [e * e / 2 if abs(e) <= delta else delta * (abs(e) - delta / 2) for e in error]
    for loss, numbers, limit in (
        (MeanAbsoluteError(), [abs(e) for e in error], 1.0),
        (Huber(delta), each, delta),
    ):
        exact = math.fsum(one / p.size for one in numbers)
        assert loss.forward(p, y) == pytest.approx(exact, rel=1e-6, abs=1e-300)
        dp = loss.backward(p, y)
        assert (dp.dtype, dp.shape) == (p.dtype, p.shape)
        assert (np.abs(dp) <= limit / p.size * (1 + 1e-6)).all()
        assert (np.sign(dp) * np.sign(p - y) >= 0).all()


@pytest.mark.slow
@given(PAIRS, st.data())
def test_binary_cross_entropy_is_right_at_any_probabilities(pair, data):
    shape, dtype = pair
    width = np.dtype(dtype).itemsize * 8
    p, y = (data.draw(arrays(dtype, shape, elements=st.floats(0, 1, width=width))) for _ in "py")
    exact, least = 0.0, math.log(1e-30)
    for one, answer in zip(p.ravel().tolist(), y.ravel().tolist(), strict=True):
        yes = max(math.log(one), least) if one else least
        no = max(math.log1p(-one), least) if one < 1 else least
        exact -= (answer * yes + (1 - answer) * no) / p.size
    assert BinaryCrossEntropy().forward(p, y) == pytest.approx(exact, rel=1e-5, abs=1e-7)
    dp = BinaryCrossEntropy().backward(p, y)
    assert (dp.dtype, dp.shape) == (p.dtype, p.shape)
    assert np.isfinite(dp).all()
    away = np.abs(p - y) > 1e-6  # where rounding does not decide
    assert (np.sign(dp[away]) == np.sign(p - y)[away]).all()


def test_logits_of_1e300_and_infinite_ones_are_exact():
    z = np.array([[1e300, -1e300, np.inf, -np.inf]])
    assert SigmoidCrossEntropy().forward(z, [[1, 0, 1, 0]]) == 0
    assert SigmoidCrossEntropy().backward(z, [[1, 0, 1, 0]]).tolist() == [[0, 0, 0, 0]]
    assert SigmoidCrossEntropy().forward(z[:, :2], [[0, 1]]) == 1e300
    assert SigmoidCrossEntropy().backward(z[:, :2], [[0, 1]]).tolist() == [[0.5, -0.5]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_of_exactly_0_and_1_cost_69_at_most_and_dp_is_not_0(dtype):
    p, cap = np.array([[0, 1, 0, 1]], dtype), 30 * math.log(10)
    assert BinaryCrossEntropy().forward(p, [[0, 1, 0, 1]]) == 0
    assert BinaryCrossEntropy().forward(p, [[1, 0, 1, 0]]) == pytest.approx(cap)
    dp = BinaryCrossEntropy().backward(p, [[1, 0, 0, 1]])
    assert dp == pytest.approx(np.array([[-0.25e30, 0.25e30, 0.25, -0.25]]), rel=1e-6)


def test_through_a_sigmoid_the_gradient_is_p_minus_y_down_to_the_floor():
    z = np.linspace(-60, 15, 76)[:, None].astype(np.float32)
    sigmoid = Sigmoid()
    p = sigmoid.forward(z)
    for y in (np.zeros_like(p), np.ones_like(p), np.full_like(p, 0.25)):
        dz = sigmoid.input_gradient(BinaryCrossEntropy().backward(p, y))
        assert dz == pytest.approx((p - y) / 76, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_errors_are_limited_and_do_not_overflow(dtype):
    p = np.array([[np.finfo(dtype).max / 4, -np.finfo(dtype).max / 4]], dtype)
    for loss, size in ((Huber(3.0), 3.0), (MeanAbsoluteError(), 1.0), (Huber(1e300), None)):
        dp = loss.backward(p, -p)
        assert dp.dtype == dtype
        assert np.isfinite(dp).all()
        if size:
            assert dp.tolist() == [[size / 2, -size / 2]]
    assert Huber(1.0).forward(p, -p) == pytest.approx(float(np.finfo(dtype).max) / 2)


def test_smoothing_gives_a_masked_class_no_part():
    z = np.array([[0.0, math.log(3), -np.inf]])
    loss, two = SoftmaxCrossEntropy(0.2), SoftmaxCrossEntropy(0.2)
    assert loss.forward(z, [0]) == pytest.approx(two.forward(z[:, :2], [0]))
    assert loss.backward(z, [0])[0, :2] == pytest.approx(two.backward(z[:, :2], [0])[0])
    assert loss.backward(z, [0])[0, 2] == 0
    assert loss.forward(z, [2]) == np.inf


# Evaluation, and what is called good


def test_evaluation_and_validation_are_scored_without_smoothing_but_with_class_weights():
    v = [1.0, 2.0, 4.0]
    trainer = Trainer(network(3), SoftmaxCrossEntropy(0.2, v), Adam(0.01))
    history = trainer.fit(X, LABELS, 2, 50, (X[:40] + 0.01, LABELS[:40]))
    p = trainer.model.predict(X[:40] + 0.01)
    expected = SoftmaxCrossEntropy(0, v).forward(p, LABELS[:40])
    assert history["val_loss"][-1] == pytest.approx(expected)
    assert trainer.evaluate(X[:40] + 0.01, LABELS[:40])["loss"] == pytest.approx(expected)
    assert trainer.loss.forward(p, LABELS[:40]) != pytest.approx(expected)
    assert trainer.loss.label_smoothing == 0.2


@pytest.mark.parametrize("kind", [BinaryCrossEntropy, SigmoidCrossEntropy])
def test_yes_or_no_is_scored_without_smoothing_too(kind):
    last = [Sigmoid()] if kind is BinaryCrossEntropy else []
    trainer = Trainer(network(2, *last), kind(0.2, [2, 5]), Adam(0.01))
    history = trainer.fit(X, YES, 1, 100, (X[:40] + 0.01, YES[:40]))
    p = trainer.model.predict(X[:40] + 0.01)
    expected = kind(0, [2, 5]).forward(p, YES[:40])
    assert history["val_loss"][-1] == pytest.approx(expected)
    assert trainer.evaluate(X[:40] + 0.01, YES[:40])["loss"] == pytest.approx(expected)
    assert trainer.loss.forward(p, YES[:40]) != pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [False, True])
def test_a_network_that_has_learnt_smoothed_labels_is_healthy(rows):
    y = one_hot(LABELS, 3) if rows else LABELS
    trainer = Trainer(network(3), SoftmaxCrossEntropy(0.4), Adam(0.02))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer.fit(X, y, 30, 32, (X[:60] + 0.001, y[:60]), [doctor := Doctor()])
    guess = trainer.baseline
    q = np.array([0.6 + 0.4 / 3, 0.4 / 3, 0.4 / 3])
    assert guess.floor == pytest.approx(-(q * np.log(q)).sum())
    assert doctor.report().healthy
    assert doctor.record.relative_loss < 0.3


def test_the_best_constant_of_shares_has_the_lowest_loss_of_all():
    model, y = network(3, Softmax()), np.array([0, 0, 0, 1, 1, 2])
    for loss in (CrossEntropy(0.3), CrossEntropy(0, [1, 5, 2]), CrossEntropy(0.3, [1, 5, 2])):
        guess = constant_baseline(model, loss, y)
        for other in RNG.dirichlet(np.ones(3), 200):
            assert loss.forward(np.tile(other, (6, 1)), y) >= guess.loss
        uniform = loss.forward(np.full((6, 3), 1 / 3), y)
        assert np.log(3) * guess.weight == pytest.approx(uniform)


@pytest.mark.parametrize("weights", [None, W])
@pytest.mark.parametrize(
    "loss",
    [
        MeanAbsoluteError(), Huber(0.3), Huber(50.0), MeanSquaredError(), SigmoidCrossEntropy(),
        SigmoidCrossEntropy(0.2), SigmoidCrossEntropy(0, [3, 0.2]),
        SigmoidCrossEntropy(0.2, [3, 0]),
    ],
)  # fmt: skip
def test_no_constant_is_better_than_the_best(loss, weights):
    y = RNG.exponential(size=(300, 2)) if loss.boundary is None else YES
    given = () if weights is None else (weights,)
    guess = constant_baseline(network(2), loss, y, *given)
    assert guess.loss == pytest.approx(loss.forward(np.tile(guess.answer, (300, 1)), y, *given))
    for off in (-0.1, -1e-3, 1e-3, 0.1):
        p = np.tile(guess.answer + off, (300, 1))
        assert loss.forward(p, y, *given) >= guess.loss


def test_the_best_constants_by_hand():
    y = np.array([[0.0], [1.0], [100.0]])
    assert constant_baseline(network(1), MeanAbsoluteError(), y).answer == [1]
    assert constant_baseline(network(1), MeanAbsoluteError(), y, np.array([5, 1, 1])).answer == [0]
    # where two pull with delta and one with its error: c - 0 + (c - 1) = 1
    assert constant_baseline(network(1), Huber(1.0), y).answer == pytest.approx([1.0])
    yes = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    guess = constant_baseline(network(2), SigmoidCrossEntropy(), yes)
    assert guess.answer == pytest.approx([np.log(3), -np.log(3)])
    assert guess.loss == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert guess.floor == pytest.approx(0, abs=1e-12)
    assert (guess.yes_or_no, guess.classes, guess.weight) == (True, 0, 1)
    guess = constant_baseline(network(2), SigmoidCrossEntropy(0, [2, 3]), yes)
    # shares 2 0.75 against 0.25, and 3 0.25 against 0.75
    assert guess.answer == pytest.approx([np.log(6), 0])
    assert guess.weight == pytest.approx((1.5 + 0.25 + 0.75 + 0.75) / 2)
    smoothed = constant_baseline(network(2), SigmoidCrossEntropy(0.2), yes)
    assert smoothed.floor == pytest.approx(-(0.9 * np.log(0.9) + 0.1 * np.log(0.1)))
    soft = np.array([[0.9], [0.1]])
    guess = constant_baseline(network(1), SigmoidCrossEntropy(), soft)
    assert guess.floor == pytest.approx(-(0.9 * np.log(0.9) + 0.1 * np.log(0.1)))


# Accuracy of yes or no


def test_accuracy_of_yes_or_no_is_the_share_of_right_numbers():
    trainer = Trainer(network(2), SigmoidCrossEntropy(), Adam(0.02))
    stopping = EarlyStopping("val_accuracy", patience=50)
    trainer.fit(X, YES, 20, 32, (X[:99] + 0.01, YES[:99]), [stopping])
    p = trainer.model.predict(X)
    expected = ((p > 0) == (YES > 0.5)).mean()
    assert expected > 0.9
    assert trainer.evaluate(X, YES)["accuracy"] == pytest.approx(expected)
    assert binary_accuracy(p, YES, boundary=0) == expected
    assert binary_accuracy([[0.6, 0.5], [0.4, 0.9]], [[1, 0], [1, 1]]) == 0.75


@pytest.mark.slow
def test_rare_labels_are_not_called_small_targets():
    rare = (X[:, :1] > 1.9).astype(float)  # 3 % of yes
    trainer = Trainer(network(1), SigmoidCrossEntropy(), Adam(0.01))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer.fit(X, rare, 20, 16, (X[:99] + 0.01, rare[:99]), [doctor := Doctor()])
    assert "targets are yes or no" in str(doctor.report())
    assert "standard deviation of the targets" not in str(doctor.report())


# What makes no sense


@pytest.mark.parametrize(
    ("last", "loss", "said"),
    [
        (Softmax(), BinaryCrossEntropy(), r"rows that sum to 1\. Use CrossEntropy\(\), or"),
        (Softmax(), SigmoidCrossEntropy(), r"it takes logits\. Remove Softmax\(\) for labels"),
        (Sigmoid(), SigmoidCrossEntropy(), r"or use BinaryCrossEntropy\(\)\."),
        (Sigmoid(), SoftmaxCrossEntropy(), r"takes logits\. Remove Sigmoid\(\)\.$"),
        (Sigmoid(), CrossEntropy(), r"Use Softmax\(\) instead of Sigmoid\(\)"),
    ],
)
def test_a_last_layer_that_does_not_fit_the_loss_is_refused(last, loss, said):
    with pytest.raises(ValueError, match=said):
        Trainer(network(2, last), loss, SGD())


@pytest.mark.parametrize(
    ("first", "second"), [(Sigmoid, Softmax), (Softmax, Sigmoid), (Sigmoid, Sigmoid)]
)
def test_a_sigmoid_or_softmax_of_probabilities_is_refused(first, second):
    loss = CrossEntropy() if second is Softmax else BinaryCrossEntropy()
    with pytest.raises(ValueError, match=r"gets probabilities instead of logits.* Remove one"):
        Trainer(network(2, first(), second()), loss, SGD())


@pytest.mark.parametrize("loss", [BinaryCrossEntropy(), SigmoidCrossEntropy()])
@pytest.mark.parametrize(
    ("y", "said"),
    [
        (np.array([0, 1, 1]), r"Use np.asarray\(y\)\[:, None\]"),
        (np.array([[0], [1], [2]]), r"For 3 classes end the model with Dense\(3\), Softmax\(\)"),
        (np.array([[-1], [1], [1]]), r"Use \(y \+ 1\) / 2"),
        (np.array([[0.5], [1.5], [0]]), r"y\[1, 0\] is 1.5. Each number of y"),
        (np.array([[0.5], [np.nan], [0]]), r"y\[1, 0\] is nan"),
    ],
)
def test_answers_that_are_not_yes_or_no_are_refused(loss, y, said):
    for method in (loss.forward, loss.backward):
        with pytest.raises(ValueError, match=said):
            method(np.full((3, 1), 0.5), y)
    with pytest.raises(ValueError, match=said):
        loss.check_targets(y, (1,))


@pytest.mark.parametrize("number", [-0.1, 1.1, np.nan])
def test_numbers_that_are_no_probabilities_are_refused(number):
    with pytest.raises(ValueError, match=r"from 0 to 1, but p\[0, 1\] is"):
        BinaryCrossEntropy().forward(np.array([[0.5, number]]), [[0, 1]])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"label_smoothing": 1}, "label_smoothing must be at least 0 and below 1"),
        ({"label_smoothing": -0.1}, "label_smoothing must be at least 0"),
        ({"class_weights": {0: 1, 1: 2}}, r"Write \[1, 2\]"),
        ({"class_weights": [1, -1]}, "that of class 1 is -1"),
        ({"class_weights": [0, 0]}, "are all 0"),
        ({"class_weights": []}, r"in their order, shape \(C,\), got \(0,\)"),
        ({"class_weights": [[1, 2]]}, r"shape \(C,\), got \(1, 2\)"),
        ({"class_weights": ["a", "b"]}, "one number for each class"),
    ],
)
@pytest.mark.parametrize("kind", [CrossEntropy, SoftmaxCrossEntropy])
def test_arguments_that_make_no_sense_are_refused(kind, arguments, said):
    with pytest.raises(ValueError, match=said):
        kind(**arguments)


@pytest.mark.parametrize("kind", [BinaryCrossEntropy, SigmoidCrossEntropy])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([1, 5], r"the weight of a yes, in their order, shape \(1,\), got \(2,\)\. .*=\[5\]\.$"),
        ([2, 5], r"weights 2 of no and 5 of yes write class_weights=\[2\.5\]\.$"),
        ([0, 5], r"got \(2,\)\.$"),
        ([[1]], r"shape \(K,\), got \(1, 1\)"),
        ({0: 1, 1: 5}, "got a dictionary. Write a list: the first number belongs to question 0"),
        ([-1], "that of question 0 is -1"),
        ([np.nan], "that of question 0 is nan"),
    ],
)
def test_weights_of_yes_that_make_no_sense_are_refused(kind, given, said):
    with pytest.raises(ValueError, match=said):
        kind(class_weights=given).forward([[0.5]], [[1]])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({0: 2.0, 2: 5.0}, r"Write \[2.0, 1, 5.0\]: class 1 has no weight in it, and gets 1 here"),
        ({1: 2, 4: 5}, r"\[1, 2, 1, 1, 5\]: the other classes have no weight in it, and get 1"),
        ({np.int64(0): 1, 1: 3}, r"Write \[1, 3\]\.$"),
        ({"shirt": 2}, "the first number belongs to class 0"),
        ({10**9: 2}, "the first number belongs to class 0"),
        ({}, "the first number belongs to class 0"),
    ],
)
def test_a_dictionary_of_class_weights_is_written_as_a_list(given, said):
    with pytest.raises(ValueError, match=said):
        CrossEntropy(class_weights=given)


def test_class_weights_of_another_number_of_classes_are_refused():
    with pytest.raises(ValueError, match=r"shape \(3,\), got \(2,\)"):
        Trainer(network(3), SoftmaxCrossEntropy(0, [1, 2]), SGD()).fit(X, LABELS, 1)
    for delta in (0, -1, np.inf, "a"):
        with pytest.raises(ValueError, match="delta must be a positive number"):
            Huber(delta)


def test_class_weights_are_a_copy_and_may_be_a_part_of_an_array(tmp_path):
    given = np.array([1.0, 9.0, 2.0])
    loss = SoftmaxCrossEntropy(0, given[::2])
    given[:] = 0
    assert loss.class_weights.tolist() == [1, 2]
    stops = [Checkpoint(tmp_path / "run.npz")]  # which a part with gaps in memory could not be
    Trainer(network(2), loss, SGD(0.1)).fit(X[:32], LABELS[:32] // 2, 1, callbacks=stops)
    assert (tmp_path / "run.npz").exists()


# Resume, and equations


def test_class_weights_and_smoothing_are_compared_on_resume(tmp_path):
    path, data = tmp_path / "run.npz", (X, LABELS)

    def fit(loss, epochs, **more):
        Trainer(network(3), loss, SGD(0.1)).fit(*data, epochs, **more)

    fit(SoftmaxCrossEntropy(0.1, [1, 2, 3]), 1, callbacks=[Checkpoint(path)])
    fit(SoftmaxCrossEntropy(0.1, [1, 2, 3]), 2, resume_from=path)
    for other in (SoftmaxCrossEntropy(0.2, [1, 2, 3]), SoftmaxCrossEntropy(0.1, [1, 2, 4])):
        with pytest.raises(ValueError, match=r"label_smoothing|class_weights"):
            fit(other, 2, resume_from=path)


@pytest.mark.parametrize(
    ("loss", "y", "equation", "gradient"),
    [
        (
            SoftmaxCrossEntropy(0.1), [0, 1],
            "L = mean of -sum q log softmax(z),  q = 0.9 onehot(y) + 0.1 / C",
            "dz = (softmax(z) - q) / B,  q = 0.9 onehot(y) + 0.1 / C",
        ),
        (
            SoftmaxCrossEntropy(0, [1, 2]), np.eye(2),
            "L = mean of -sum q log softmax(z),  q = v y, v = class_weights",
            "dz = (softmax(z) sum q - q) / B,  q = v y, v = class_weights",
        ),
        (
            SigmoidCrossEntropy(0.1, [1, 2]), np.eye(2),
            "L = mean of v q log(1 + e^-z) + (1 - q) log(1 + e^z),  q = 0.9 y + 0.1 / 2,"
            "  v = class_weights",
            "dz = ((v q + 1 - q) sigmoid(z) - v q) / (B K),  q = 0.9 y + 0.1 / 2,"
            "  v = class_weights",
        ),
        (
            SigmoidCrossEntropy(0.1), np.eye(2),
            "L = mean of log(1 + e^z) - z q,  q = 0.9 y + 0.1 / 2",
            "dz = (sigmoid(z) - q) / (B K),  q = 0.9 y + 0.1 / 2",
        ),
    ],
)  # fmt: skip
def test_the_equations_are_true_with_smoothing_and_class_weights(loss, y, equation, gradient):
    step = explain_step(network(2), loss, SGD(0.1), X[:2], y)
    assert step.loss_equation == equation
    assert step.backward[0].equation == gradient
