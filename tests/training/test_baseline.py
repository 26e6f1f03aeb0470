"""The loss of guessing, on numbers by hand, and the warning if a network stays above it."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from oracles import OwnAbsoluteError
from tinynn import (
    SGD,
    Adam,
    CrossEntropy,
    Dense,
    Doctor,
    Loss,
    MeanSquaredError,
    ReLU,
    Sequential,
    Softmax,
    SoftmaxCrossEntropy,
    Trainer,
    TrainingDiverged,
    checks,
    diagnose,
)
from tinynn.training.baseline import MOST, Baseline, constant_baseline

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 3))
LINE = X @ [1, 2, -1]
PRICES = (200_000 + 50_000 * LINE)[:, None]
SCALED = (PRICES - PRICES.mean()) / PRICES.std()


class Weighted(Loss):
    """A cross-entropy on probabilities in which class 1 counts fifty times."""

    classifies = True

    def forward(self, p, y):
        weights = np.where(y == 1, 50, 1)
        return float(-np.mean(weights * np.log(p[np.arange(len(y)), y])))

    def backward(self, p, y):
        return -(np.eye(2)[y] * np.where(y == 1, 50, 1)[:, None]) / p / len(p)


class Picky(OwnAbsoluteError):
    """Refuses a prediction that is the same for all samples."""

    def forward(self, p, y):
        if len(p) > 1 and (p == p[0]).all():
            raise RuntimeError("all alike")
        return super().forward(p, y)


def model(outputs=1, *last):
    return Sequential([Dense(16), ReLU(), Dense(outputs), *last], input_shape=(3,))


# What guessing costs


def test_for_numbers_the_loss_of_guessing_is_the_mean_of_the_variances_of_the_columns():
    y = np.array([[0.0, 10.0], [2.0, 10.0], [4.0, 16.0]])  # variances 8 / 3 and 8
    guess = constant_baseline(model(2), MeanSquaredError(), y)
    assert guess.loss == pytest.approx((8 / 3 + 8) / 2)
    assert guess.answer.tolist() == pytest.approx([2, 12])
    assert guess.stds.tolist() == pytest.approx([np.sqrt(8 / 3), np.sqrt(8)])
    assert guess.std == pytest.approx(np.sqrt((8 / 3 + 8) / 2))


def test_the_loss_of_guessing_is_exact_far_from_0_and_for_tiny_targets():
    for y in (1e9 + SCALED, 1e-6 * SCALED.astype(np.float32)):
        size = np.sqrt(constant_baseline(model(), MeanSquaredError(), y).loss)
        assert size == pytest.approx(y.std(dtype=float), rel=1e-5)


@pytest.mark.parametrize("labels", [[0, 0, 0, 1], [[1, 0], [1, 0], [1, 0], [0, 1]]])
@pytest.mark.parametrize(
    ("loss", "last"), [(CrossEntropy(), [Softmax]), (SoftmaxCrossEntropy(), [])]
)
def test_for_classes_the_loss_of_guessing_is_the_entropy_of_their_shares(labels, loss, last):
    guess = constant_baseline(model(2, *[kind() for kind in last]), loss, np.array(labels))
    assert guess.loss == pytest.approx(-0.75 * np.log(0.75) - 0.25 * np.log(0.25))
    assert guess.classes == 2


def test_for_soft_rows_the_loss_of_guessing_is_the_entropy_of_their_mean():
    y = np.array([[0.8, 0.2], [0.4, 0.6]])
    guess = constant_baseline(model(2, Softmax()), CrossEntropy(), y)
    assert guess.loss == pytest.approx(-0.6 * np.log(0.6) - 0.4 * np.log(0.4))


@pytest.mark.parametrize(
    ("loss", "last"), [(CrossEntropy(), [Softmax]), (SoftmaxCrossEntropy(), [])]
)
def test_the_floor_of_soft_rows_is_their_own_entropy_and_of_hard_ones_0(loss, last):
    net = model(2, *[kind() for kind in last])
    y = np.array([[0.9, 0.1], [0.1, 0.9]] * 4)
    guess = constant_baseline(net, loss, y)
    assert guess.loss == pytest.approx(np.log(2))
    assert guess.floor == pytest.approx(-0.9 * np.log(0.9) - 0.1 * np.log(0.1))
    assert constant_baseline(net, loss, np.eye(2)).floor == pytest.approx(0, abs=1e-12)
    assert constant_baseline(net, loss, np.array([0, 1])).floor == 0
    assert constant_baseline(net, loss, y[::2]).loss == np.inf  # all rows are the same


class Remembers(Loss):
    """A loss with state: each call makes the next ones larger, as an average over batches may."""

    def __init__(self):
        self.calls = 0

    def forward(self, p, y):
        self.calls += 1
        return float(np.mean((p - y) ** 2) * (1 + self.calls))

    def backward(self, p, y):
        return 2 * (p - y) / p.size * (1 + self.calls)


def test_the_state_of_a_loss_stays_as_it_is():
    loss, net, y = Remembers(), model(), RNG.normal(size=(40, 1))
    constant_baseline(net, loss, y)
    diagnose(net, loss, X[:40], y)
    assert loss.calls == 0
    Trainer(net, loss, SGD(0.01)).fit(X[:40], y, 2, 20, callbacks=[doctor := Doctor()])
    assert doctor.report().record.steps
    assert loss.calls == 4  # once a step


def test_a_class_that_does_not_occur_changes_nothing():
    for loss, last in ((CrossEntropy(), [Softmax()]), (SoftmaxCrossEntropy(), [])):
        guess = constant_baseline(model(3, *last), loss, np.array([0, 2]))
        assert guess.loss == pytest.approx(np.log(2))


def test_a_loss_of_ones_own_says_itself_what_guessing_costs():
    y = np.array([[0.0], [0.0], [3.0]])  # mean 1
    assert constant_baseline(model(), OwnAbsoluteError(), y).loss == pytest.approx(4 / 3)
    labels = np.array([0, 0, 0, 1])
    expected = -0.75 * np.log(0.75) - 50 * 0.25 * np.log(0.25)
    assert constant_baseline(model(2, Softmax()), Weighted(), labels).loss == pytest.approx(
        expected
    )


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (MeanSquaredError(), np.full((9, 1), 0.1)),  # nothing to tell apart
        (MeanSquaredError(), np.full((9, 1), 3, np.float32)),
        (OwnAbsoluteError(), np.zeros((9, 5))),  # another shape than the model's
        (Picky(), RNG.normal(size=(9, 1))),
    ],
)
def test_where_the_loss_of_guessing_is_not_known_it_is_infinite(loss, y):
    guess = constant_baseline(model(), loss, y)
    assert guess.loss == np.inf
    assert not guess.unscaled


def test_one_class_only_leaves_nothing_to_guess():
    assert constant_baseline(model(2, Softmax()), CrossEntropy(), np.zeros(5, int)).loss == np.inf
    assert constant_baseline(model(2), SoftmaxCrossEntropy(), np.zeros(5, int)).loss == np.inf


def test_of_large_data_an_evenly_distributed_part_is_taken(monkeypatch):
    monkeypatch.setattr("tinynn.training.baseline.MOST", 100)
    y = np.sort(RNG.normal(size=(1000, 1)), axis=0)
    assert constant_baseline(model(), MeanSquaredError(), y).loss == pytest.approx(
        y.var(), rel=0.05
    )
    assert MOST >= 10_000_000  # else some of the usual data


# Who is warned


def warned(y, optimizer, epochs=30, loss=None, x=X, net=None):
    trainer = Trainer(net or model(y.shape[1]), loss or MeanSquaredError(), optimizer)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.fit(x, y, epochs)
    return SimpleNamespace(texts=[str(w.message) for w in caught], trainer=trainer)


@pytest.mark.outcome
def test_a_hopeless_regression_is_warned_of_by_comparison_with_the_mean():
    run = warned(PRICES, Adam(0.01))
    guess = PRICES.var()
    assert run.trainer.history["loss"][-1] > 3 * guess
    text = (
        f"The loss is over twice the loss of always predicting the mean of y, {guess:.3g}, and "
        f"falls slowly or not at all. y has mean {PRICES.mean():.3g} and standard deviation "
        f"{PRICES.std():.3g}: train on (y - y.mean(axis=0)) / y.std(axis=0), and undo this "
        "on the model's predictions. callbacks=[Doctor()] tells more."
    )
    assert set(run.texts) == {text}  # one text, which Python shows once
    assert len(run.texts) > 1


@pytest.mark.outcome
def test_one_epoch_is_enough_where_targets_are_not_scaled():
    long = [np.tile(a, (10, 1)) for a in (X, PRICES)]
    assert len(warned(long[1], Adam(0.01), 1, x=long[0]).texts) == 1


@pytest.mark.first_cases(3)
@pytest.mark.outcome
@pytest.mark.parametrize(
    ("y", "optimizer"),
    [
        (SCALED, Adam(0.01)),
        (SCALED, Adam(0.001)),
        (SCALED, SGD(0.01)),
        (SCALED * 30, Adam(0.01)),
        (np.full((300, 1), 3.0), Adam(0.01)),
        (np.full((300, 1), 0.1), SGD(0.01)),
        (0.22 * SCALED + RNG.normal(size=(300, 1)), Adam(0.01)),  # a twentieth can be told
        (RNG.normal(size=(300, 1)), Adam(0.01)),
    ],
    ids=["Adam", "slow Adam", "SGD", "30", "equal", "nearly 0", "noisy", "noise"],
)
def test_a_regression_that_learns_what_there_is_to_learn_is_not_warned_of(y, optimizer):
    assert warned(y, optimizer).texts == []


def test_linear_regression_on_tiny_targets_is_fine():
    net = Sequential([Dense(1, lambda shape, rng: np.zeros(shape))], input_shape=(3,))
    run = warned(1e-6 * SCALED, SGD(0.1), net=net)
    assert run.texts == []
    assert run.trainer.history["loss"][-1] < 1e-13


def test_a_loss_that_is_not_known_is_not_warned_of():
    assert warned(PRICES, Adam(0.01), 3, loss=Picky()).texts == []


def test_a_weighted_loss_is_compared_with_what_guessing_costs_by_its_own_weights():
    y = (LINE > 0).astype(int)
    trainer = Trainer(model(2, Softmax()), Weighted(), SGD(1e-9))
    trainer.fit(X, y, 1)  # about ln 2 times 25.5, ten times what equal weights would cost


def rows(*losses):
    return [{"epoch": i + 1, "loss": loss} for i, loss in enumerate(losses)]


NUMBERS = Baseline(1.0, np.zeros(1), 0, np.ones(1))
FAR = Baseline(1.0, np.full(1, 50.0), 0, np.ones(1))


@pytest.mark.parametrize(
    ("history", "guess", "steps", "left", "expected"),
    [
        (rows(3.0, 1.99), NUMBERS, 64, 0, 0),  # under twice
        (rows(3.0, 2.99), NUMBERS, 64, 0, 1),
        (rows(3.0, 2.99), NUMBERS, 63, 0, 0),  # too early
        (rows(3.19, 3.0), NUMBERS, 64, 0, 1),  # in ten epochs it falls to 1.1
        (rows(3.21, 3.0), NUMBERS, 64, 0, 0),
        (rows(*[4.0] * 20, 2.9), NUMBERS, 64, 20, 0),  # a tenth of 1.1 an epoch, twenty are left
        (rows(*[3.0] * 40, 2.99), NUMBERS, 64, 20, 1),
        (rows(*[3.0] * 39, 2.99), NUMBERS, 64, 40, 0),  # more than half are left
        (rows(2.9, 3.0), NUMBERS, 64, 99, 0),
        (rows(9.0, 7.0, 5.0, 2.9, 3.0), NUMBERS, 64, 3, 0),  # one epoch rises
        (rows(2.9, 2.9, 2.9, 2.9, 3.0), NUMBERS, 64, 3, 1),
        (rows(3.0), NUMBERS, 64, 0, 0),  # nothing is known of the pace
        (rows(3.0), FAR, 64, 0, 1),
        (rows(3.0), FAR, 64, 1, 0),
        (rows(9.0, 9.0), Baseline(), 64, 0, 0),
    ],
)
def test_numbers_are_hopeless_above_twice_the_mean_at_a_pace_too_slow(
    history, guess, steps, left, expected
):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        checks.warn_if_worse_than_baseline(history, guess, steps, left)
    assert len(caught) == expected


@pytest.mark.parametrize(("above", "expected"), [(-0.01, 0), (0.01, 1)])
def test_the_limit_for_classes_is_twice_the_loss_of_guessing_among_them(above, expected):
    loss = 2 * np.log(3) + above
    for guess in (0.1, np.log(3)):  # also where one class is common
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            known = Baseline(guess, np.full(3, 1 / 3), 3)
            checks.warn_if_worse_than_baseline(
                [{"epoch": 1, "loss": loss, "accuracy": 0.5}], known, 1, 9
            )
        assert ["guessing among 3 classes" in str(w.message) for w in caught] == [True] * expected


# Validation targets


@pytest.mark.parametrize("which", ["x", "y"])
def test_one_outlier_in_sixty_does_not_count_as_another_scale(which):
    trainer = Trainer(model(), MeanSquaredError(), SGD(1e-9))
    held = {"x": X[200:260].copy(), "y": SCALED[200:260].copy()}
    held[which][3] = 3000
    doctor = Doctor()
    trainer.fit(
        X[:200], SCALED[:200], 1, validation_data=(held["x"], held["y"]), callbacks=[doctor]
    )
    titles = [finding.title for finding in doctor.report().problems]
    assert not any("scaled differently" in title for title in titles), titles
    held[which] *= 50
    with pytest.warns(UserWarning, match=f"^{which} runs from"):
        trainer.fit(
            X[:200], SCALED[:200], 1, validation_data=(held["x"], held["y"]), callbacks=[doctor]
        )
    assert "scaled differently" in " ".join(finding.title for finding in doctor.report().problems)


def test_validation_targets_on_another_scale_are_warned_of():
    trainer = Trainer(model(), MeanSquaredError(), SGD(1e-9))
    with pytest.warns(
        UserWarning, match=r"^y runs from -\S+ to \S+, but validation y from .* scaled y,"
    ):
        trainer.fit(X[:200], SCALED[:200], 1, validation_data=(X[200:], PRICES[200:]))
    trainer.fit(X[:200], SCALED[:200], 1, validation_data=(X[200:], SCALED[200:]))
    trainer.fit(X[:200], SCALED[:200], 1, validation_data=(X[200:203], 1e-9 * SCALED[200:203]))
    trainer.fit(X[:200], SCALED[:200], 1, validation_data=(X[200:], 0 * SCALED[200:]))


# What divergence is told


def told(x, y, rate, **fit):
    trainer = Trainer(model(), MeanSquaredError(), SGD(rate))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(TrainingDiverged) as caught:
            trainer.fit(x, y, 90, **fit)
    (advice,) = [line for line in str(caught.value).splitlines() if line.startswith("  Try ")]
    return advice


def test_divergence_of_targets_that_are_not_scaled_names_y_and_not_x():
    advice = told(X, PRICES, 0.01)
    assert advice.startswith(
        "  Try scaling y to mean 0 and standard deviation 1, (y - y.mean(axis=0)) / y.std(axis=0), "
        "and undoing this on the model's predictions (in this batch y is "
    )
    assert "; a smaller learning rate (now 0.01); or clipping the gradients" in advice
    assert "scaling x" not in advice


def test_divergence_of_inputs_that_are_not_scaled_names_x_before_a_rate_that_is_small():
    advice = told(1e6 * X, SCALED, 1e-6)
    assert in_order(advice, "scaling x to about 0 to 1 (in this batch -", "smaller learning rate")
    assert "scaling y" not in advice


def test_divergence_of_equal_targets_far_from_0_names_y_and_a_line_that_survives_them():
    advice = told(X, np.full((300, 1), 1e6), 0.1)
    assert advice.startswith(
        "  Try scaling y to mean 0 and standard deviation 1, std = y.std(axis=0)"
    )
    assert "np.where(std, std, 1), and undoing this" in advice
    assert "y is 1e+06 to 1e+06" in advice


def test_divergence_of_a_huge_rate_names_the_rate_first_and_no_data_that_are_scaled():
    advice = told(X, SCALED, 1e10)
    assert advice.startswith("  Try a smaller learning rate (now 1e+10); or clipping")


def test_divergence_on_validation_data_that_are_not_scaled_names_them():
    advice = told(X[:200], SCALED[:200], 1e-3, validation_data=(1e38 * X[200:], SCALED[200:]))
    assert advice.startswith("  Try scaling validation x as x is scaled (it runs from -")


def in_order(text, *parts):
    return [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)
