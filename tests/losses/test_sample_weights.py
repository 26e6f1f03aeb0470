"""Protects weights of samples: L = (1/B) sum_n w_n l_n, wherever a loss is asked."""

import re
import warnings

import numpy as np
import pytest

from oracles import OwnAbsoluteError, numeric_gradient
from tinynn import (
    SGD,
    Adam,
    Callback,
    Checkpoint,
    CrossEntropy,
    Dense,
    Doctor,
    Layer,
    MeanSquaredError,
    ReLU,
    Sequential,
    Softmax,
    SoftmaxCrossEntropy,
    Trainer,
    TrainingDiverged,
    check_gradients,
    minibatches,
)
from tinynn.training.baseline import constant_baseline

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3))
Y = np.arange(30) % 3
ROWS = RNG.dirichlet(np.ones(3), 30)
NUMBERS = RNG.normal(size=(30, 2))
W = RNG.uniform(0, 3, 30)

LOSSES = {
    "squares": (MeanSquaredError(), NUMBERS, [Dense(2)]),
    "classes": (CrossEntropy(), Y, [Dense(3), Softmax()]),
    "rows": (CrossEntropy(), ROWS, [Dense(3), Softmax()]),
    "scores": (SoftmaxCrossEntropy(), Y, [Dense(3)]),
    "scores of rows": (SoftmaxCrossEntropy(), ROWS, [Dense(3)]),
}


def network(last, dtype=np.float32, seed=0):
    fresh = [type(layer)(**layer.config()) for layer in last]
    return Sequential([Dense(5), ReLU(), *fresh], (3,), seed=seed, dtype=dtype)


def predictions(name):
    """Return what suits a loss: numbers, probabilities or scores (30, C)."""
    loss = LOSSES[name][0]
    if loss.takes == "probabilities":
        return np.random.default_rng(1).dirichlet(np.ones(3), 30)
    return np.random.default_rng(1).normal(size=(30, 2 if loss.takes == "" else 3))


# By hand


def test_squares_by_hand():
    p, y, w = [[3.0, 0.0], [1.0, 2.0]], [[1.0, 0.0], [1.0, 1.0]], [2.0, 3.0]
    # samples: (4 + 0) / 2 = 2 and (0 + 1) / 2 = 0.5; (2 * 2 + 3 * 0.5) / 2
    assert MeanSquaredError().forward(p, y, w) == 2.75
    assert MeanSquaredError().backward(p, y, w).tolist() == [[2.0, 0.0], [0.0, 1.5]]


def test_surprise_by_hand():
    p, w = [[0.5, 0.5], [0.25, 0.75]], [4.0, 1.0]
    # samples: ln 2 and ln 4; (4 ln 2 + ln 4) / 2 = 3 ln 2
    assert CrossEntropy().forward(p, [0, 0], w) == pytest.approx(3 * np.log(2))
    # -1/p / B times w: -2 / 2 * 4 and -4 / 2 * 1
    assert CrossEntropy().backward(p, [0, 0], w) == pytest.approx(np.array([[-4, 0], [-2, 0]]))
    z = np.log(p)
    assert SoftmaxCrossEntropy().forward(z, [0, 0], w) == pytest.approx(3 * np.log(2))
    expected = np.array([[-0.5 * 2, 0.5 * 2], [-0.75 / 2, 0.75 / 2]])
    assert SoftmaxCrossEntropy().backward(z, [0, 0], w) == pytest.approx(expected)


def test_the_numbers_are_those_of_keras():
    """Keras' default, "sum_over_batch_size", divides by B; its example in the documentation of
    CategoricalCrossentropy: y_true [[0, 1, 0], [0, 0, 1]], y_pred [[0.05, 0.95, 0], [0.1, 0.8,
    0.1]], sample_weight [0.3, 0.7] gives 0.814: (0.3 * -ln 0.95 + 0.7 * -ln 0.1) / 2."""
    p, y = [[0.05, 0.95, 0.0], [0.1, 0.8, 0.1]], [1, 2]
    assert CrossEntropy().forward(p, y, [0.3, 0.7]) == pytest.approx(0.814, abs=5e-4)
    # by the sum of weights it would be 1.627, as by Keras' "mean_with_sample_weight"
    assert CrossEntropy().forward(p, y, [0.3, 0.7]) == pytest.approx(1.6272 / 2, abs=1e-4)
    # MeanSquaredError's example: [[0, 1], [0, 0]] and [[1, 1], [1, 0]], weights [0.7, 0.3]: 0.25
    p, y = [[1.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]]
    assert MeanSquaredError().forward(p, y, [0.7, 0.3]) == pytest.approx(0.25)


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_that_of_finite_differences(name):
    loss, y, _ = LOSSES[name]
    p = predictions(name)
    dp = loss.backward(p, y, W)
    numeric = numeric_gradient(lambda: loss.forward(p, y, W), p, 1e-6)
    assert dp == pytest.approx(numeric, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_is_the_weighted_mean_of_that_of_each_sample(name):
    loss, y, _ = LOSSES[name]
    p = predictions(name)
    each = [loss.forward(p[i : i + 1], y[i : i + 1]) for i in range(30)]
    assert loss.forward(p, y, W) == pytest.approx(np.dot(W, each) / 30)
    parts = [loss.backward(p[i : i + 1], y[i : i + 1])[0] * W[i] / 30 for i in range(30)]
    assert loss.backward(p, y, W) == pytest.approx(np.array(parts))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_of_1_and_none_are_the_same_bits(name, dtype):
    loss, y, _ = LOSSES[name]
    p = predictions(name).astype(dtype)
    assert loss.forward(p, y, np.ones(30)) == loss.forward(p, y) == loss.forward(p, y, None)
    ones, none = loss.backward(p, y, np.ones(30)), loss.backward(p, y)
    assert (ones == none).all()
    assert ones.dtype == none.dtype == dtype
    assert ones.flags.c_contiguous


@pytest.mark.parametrize("name", LOSSES)
def test_whole_weights_are_repetitions(name):
    loss, y, _ = LOSSES[name]
    p, often = predictions(name), np.arange(30) % 4
    repeated = loss.forward(np.repeat(p, often, axis=0), np.repeat(y, often, axis=0))
    assert loss.forward(p, y, often) == pytest.approx(repeated * often.sum() / 30)


def test_minibatches_are_on_average_the_whole():
    loss, y, last = LOSSES["classes"]
    model = network(last, np.float64)

    def gradient(x, y, w):
        model.backward(loss.backward(model.forward(x), y, w))
        return model.grads.copy()

    batches = minibatches(X, y, 5, np.random.default_rng(0), sample_weight=W)
    parts = [gradient(*batch) for batch in batches]
    assert np.mean(parts, axis=0) == pytest.approx(gradient(X, y, W), abs=1e-12)


def test_a_sample_of_weight_0_has_no_part_even_where_its_loss_is_infinite():
    z = np.array([[0.0, -np.inf], [0.0, 0.0]])
    assert SoftmaxCrossEntropy().forward(z, [1, 0]) == np.inf
    assert SoftmaxCrossEntropy().forward(z, [1, 0], [0, 1]) == pytest.approx(np.log(2) / 2)
    assert SoftmaxCrossEntropy().backward(z, [1, 0], [0, 1])[0].tolist() == [0, 0]


# What weights are


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([1, 2], r"one number for each sample, shape \(30,\), got \(2,\)"),
        (np.ones((30, 1)), r"Write np.asarray\(\w*weights?\)\[:, 0\]"),
        (1.0, r"got \(\)"),
        ([1.0] * 29 + [-1.0], "that of sample 29 is -1.0"),
        ([np.nan] + [1.0] * 29, "that of sample 0 is nan"),
        ([1.0] * 29 + [np.inf], "that of sample 29 is inf"),
        (["a"] * 30, "must be one number for each sample"),
        ([None] * 30, "must be one number for each sample"),
    ],
)
def test_weights_that_are_none_are_refused_before_anything_changes(weights, said):
    loss, y, last = LOSSES["classes"]
    with pytest.raises(ValueError, match=said):
        loss.forward(predictions("classes"), y, weights)
    model = network(last)
    trainer, before = Trainer(model, loss, SGD(0.1)), model.params.copy()
    for call in (
        lambda: trainer.fit(X, y, 1, sample_weight=weights),
        lambda: trainer.fit(X, y, 1, validation_data=(X + 1, y, weights)),
        lambda: trainer.evaluate(X, y, weights),
        lambda: check_gradients(model, loss, X, y, sample_weight=weights),
        lambda: minibatches(X, y, 5, np.random.default_rng(0), 0, weights),
    ):
        with pytest.raises(ValueError, match=said) as error:
            call()
        assert "sample_weight" in str(error.value)
    assert np.array_equal(model.params, before)
    assert trainer.history.epochs == []


def test_weights_that_are_all_0_are_refused():
    loss, y, last = LOSSES["classes"]
    trainer = Trainer(network(last), loss, SGD(0.1))
    with pytest.raises(ValueError, match="sample_weight is 0 for all samples"):
        trainer.fit(X, y, 1, sample_weight=np.zeros(30))
    with pytest.raises(ValueError, match="validation sample_weight is 0 for all samples"):
        trainer.fit(X, y, 1, validation_data=(X + 1, y, np.zeros(30)))
    with pytest.raises(ValueError, match="sample_weight is 0 for all samples"):
        trainer.evaluate(X, y, np.zeros(30))


def test_a_weight_too_large_for_the_models_precision_is_refused():
    loss, y, last = LOSSES["classes"]
    weights = np.ones(30)
    weights[3] = 1e300
    with pytest.raises(
        ValueError, match=re.escape("1e+300, that of sample 3, is out of the range of float32")
    ):
        Trainer(network(last), loss, SGD(0.1)).fit(X, y, 1, sample_weight=weights)
    Trainer(network(last, np.float64), loss, SGD(1e-308)).fit(
        X, y, 1, batch_size=30, sample_weight=weights
    )


@pytest.mark.parametrize("form", [list, np.float32, np.int64, bool])
def test_weights_may_be_a_list_or_of_any_numbers(form):
    loss, y, last = LOSSES["classes"]
    counts = np.arange(30) % 2
    given = counts.tolist() if form is list else counts.astype(form)
    ends = []
    for weights in (given, counts.astype(float)):
        model = network(last)
        Trainer(model, loss, SGD(0.1)).fit(X, y, 2, sample_weight=weights)
        ends.append(model.params)
    assert np.array_equal(*ends)


# A loss of one's own


class Weighted(OwnAbsoluteError):
    """Takes them, and notes how it was called."""

    def forward(self, p, y, weights=None):
        assert weights is not None, "called with three arguments, and the third is None"
        return float((np.abs(p - y) * weights[:, None]).mean())

    def backward(self, p, y, weights=None):
        return np.sign(p - y) * weights[:, None] / p.size


class Reducing(OwnAbsoluteError):
    """Has a third argument that is something else."""

    def forward(self, p, y, reduction="mean"):
        return super().forward(p, y)


class Half(Weighted):
    def backward(self, p, y):
        return np.sign(p - y) / p.size


class Any(Weighted):
    def forward(self, *args):
        return super().forward(*args)


@pytest.mark.parametrize(
    ("loss", "method"),
    [(OwnAbsoluteError(), "forward"), (Half(), "backward"), (Reducing(), "forward")],
)
def test_a_loss_that_takes_no_weights_is_refused_with_the_line_to_write(loss, method):
    model = network([Dense(2)])
    trainer = Trainer(model, loss, SGD(0.1))
    line = f"{type(loss).__name__}.{method} takes no weights. Write def {method}(self, p, y, "
    for call in (
        lambda: trainer.fit(X, NUMBERS, 1, sample_weight=W),
        lambda: trainer.evaluate(X, NUMBERS, sample_weight=W),
        lambda: check_gradients(model, loss, X, NUMBERS, sample_weight=W),
    ):
        with pytest.raises(ValueError, match=re.escape(line)):
            call()
    if method == "forward":
        trainer.fit(X, NUMBERS, 1)  # without weights it is called as ever


@pytest.mark.slow
@pytest.mark.parametrize("loss", [Weighted(), Any()])
def test_a_loss_of_ones_own_that_takes_weights_gets_them(loss):
    model = network([Dense(2)])
    history = Trainer(model, loss, SGD(0.01)).fit(
        X, NUMBERS, 2, validation_data=(X[:9] + 1, NUMBERS[:9], W[:9]), sample_weight=W
    )
    assert np.isfinite(history["val_loss"]).all()
    assert check_gradients(model, loss, X, NUMBERS, sample_weight=W).ok


@pytest.mark.slow
def test_without_weights_a_loss_is_called_with_two_arguments():
    calls = []

    class Counting(OwnAbsoluteError):
        def forward(self, *args, **named):
            calls.append((len(args), named))
            return super().forward(*args)

        def backward(self, *args, **named):
            calls.append((len(args), named))
            return super().backward(*args)

    trainer = Trainer(network([Dense(2)]), Counting(), SGD(0.01))
    trainer.fit(X, NUMBERS, 1, validation_data=(X + 1, NUMBERS))
    trainer.evaluate(X, NUMBERS)
    check_gradients(trainer.model, trainer.loss, X, NUMBERS)
    assert {number for number, _ in calls} == {2}
    assert all(named == {} for _, named in calls)


# Gradients of a whole network


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("name", LOSSES)
def test_the_checker_checks_with_weights(name):
    loss, y, last = LOSSES[name]
    assert check_gradients(network(last), loss, X[:8], y[:8], sample_weight=W[:8]).ok


@pytest.mark.slow
def test_the_checker_finds_a_loss_that_forgets_the_weights_in_backward():
    class Forgets(MeanSquaredError):
        def backward(self, p, y, weights=None):
            return super().backward(p, y)

    model = network([Dense(2)])
    report = check_gradients(model, Forgets(), X[:8], NUMBERS[:8], sample_weight=W[:8])
    assert report.culprit.name == "loss.p"
    assert "test_sample_weights.py" in report.diagnosis
    assert check_gradients(model, Forgets(), X[:8], NUMBERS[:8]).ok


# Training


def by_hand(model, loss, x, y, w, epochs, size, rate, seed=0):
    """Train by a loop that knows nothing of the Trainer; the order is that of its seed."""
    losses = []
    for epoch in range(1, epochs + 1):
        order = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, epoch)))
        order, total = order.permutation(len(x)), 0.0
        for start in range(0, len(x), size):
            part = order[start : start + size]
            p = model.forward(x[part])
            total += loss.forward(p, y[part], w[part]) * len(part)
            model.backward(loss.backward(p, y[part], w[part]))
            model.params -= np.float32(rate) * model.grads
        losses.append(total / len(x))
    return losses


@pytest.mark.parametrize("name", LOSSES)
def test_fit_is_the_loop_by_hand_with_weights(name):
    loss, y, last = LOSSES[name]
    model, twin = network(last), network(last)
    w = W.astype(np.float32)
    history = Trainer(model, loss, SGD(0.05)).fit(X, y, 3, batch_size=8, sample_weight=W)
    assert history["loss"] == pytest.approx(by_hand(twin, loss, X, y, w, 3, 8, 0.05), rel=1e-6)
    assert model.params == pytest.approx(twin.params, abs=1e-6)


def test_training_without_weights_is_what_it_is_with_weights_of_1():
    loss, y, last = LOSSES["classes"]
    ends = []
    for weights in (None, np.ones(30)):
        model = network(last)
        history = Trainer(model, loss, Adam()).fit(X, y, 3, batch_size=7, sample_weight=weights)
        ends.append((model.params.tobytes(), history["loss"]))
    assert ends[0] == ends[1]


def test_the_validation_loss_is_weighted_and_no_accuracy_is():
    loss, y, last = LOSSES["classes"]
    trainer = Trainer(network(last), loss, SGD(0.1))
    held = (X + 1, y, W)
    row = trainer.fit(X, y, 1, validation_data=held, sample_weight=W).epochs[0]
    p = trainer.model.predict(X + 1).astype(float)
    each = -np.log(p[np.arange(30), y])
    right = (p.argmax(axis=1) == y).mean()
    assert row["val_loss"] == pytest.approx(np.dot(W, each) / 30, rel=1e-5)
    assert row["val_accuracy"] == pytest.approx(right)
    found = trainer.evaluate(X + 1, y, sample_weight=W)
    assert found == pytest.approx({"loss": row["val_loss"], "accuracy": right})
    assert trainer.evaluate(X + 1, y)["loss"] == pytest.approx(each.mean(), rel=1e-5)


def test_a_large_evaluation_in_parts_is_that_of_all():
    loss, _, last = LOSSES["classes"]
    x, y = np.tile(X, (100, 1)), np.tile(Y, 100)
    w = np.random.default_rng(5).uniform(0, 2, 3000)
    model = network(last)
    p = model.predict(x).astype(float)
    expected = np.dot(w, -np.log(p[np.arange(3000), y])) / 3000
    assert Trainer(model, loss, SGD()).evaluate(x, y, w)["loss"] == pytest.approx(
        expected, rel=1e-5
    )


def test_callbacks_see_the_weights_of_the_batch():
    seen = []

    class Watching(Callback):
        def on_gradients(self, trainer):
            seen.append(trainer.batch)

    loss, y, last = LOSSES["classes"]
    trainer = Trainer(network(last), loss, SGD(0.1))
    trainer.fit(X, y, 1, batch_size=8, callbacks=[Watching()], sample_weight=W)
    assert [len(batch) for batch in seen] == [3] * 4
    places = {row.tobytes(): i for i, row in enumerate(X)}
    for x, labels, weights in seen:
        at = [places[row.tobytes()] for row in x]
        assert np.array_equal(labels, y[at])
        assert np.array_equal(weights, W[at].astype(np.float32))
    trainer.fit(X, y, 1, callbacks=[Watching()])
    assert len(seen[-1]) == 2


def test_minibatches_with_weights_start_anywhere_and_without_are_pairs():
    whole = list(minibatches(X, Y, 8, np.random.default_rng(3), sample_weight=W))
    rest = list(minibatches(X, Y, 8, np.random.default_rng(3), 2, W))
    for a, b in zip(whole[2:], rest, strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(a, b, strict=True))
    plain = list(minibatches(X, Y, 8, np.random.default_rng(3)))
    for (x, y), (xw, yw, _) in zip(plain, whole, strict=True):
        assert np.array_equal(x, xw)
        assert np.array_equal(y, yw)


# What is to be beaten


def test_the_guess_is_that_of_the_weighted_classes():
    w = np.array([3.0, 1.0, 0.0, 0.0])
    model = network([Dense(3), Softmax()])
    guess = constant_baseline(model, CrossEntropy(), np.array([0, 1, 2, 2]), w)
    assert guess.answer == pytest.approx([0.75, 0.25, 0])
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert guess.loss == pytest.approx(entropy)  # the weights sum to 4, as the samples do
    rows = constant_baseline(model, CrossEntropy(), np.eye(3)[[0, 1, 2, 2]], w)
    assert (rows.loss, rows.answer.tolist()) == (pytest.approx(guess.loss), [0.75, 0.25, 0])


def test_the_guess_is_that_of_the_weighted_numbers():
    y, w = np.array([[1.0], [4.0], [100.0]]), np.array([2.0, 1.0, 0.0])
    guess = constant_baseline(network([Dense(1)]), MeanSquaredError(), y, w)
    assert guess.answer == pytest.approx([2.0])
    assert guess.loss == pytest.approx((2 * 1 + 1 * 4) / 3)
    assert guess.std == pytest.approx(np.sqrt(2))


def test_no_constant_answer_beats_the_guess():
    model, y = network([Dense(2)]), NUMBERS
    guess = constant_baseline(model, MeanSquaredError(), y, W)
    for move in RNG.normal(size=(20, 2)) * 0.1:
        p = np.repeat(guess.answer[None] + move, 30, axis=0)
        assert MeanSquaredError().forward(p, y, W) > guess.loss


def test_large_weights_alone_are_no_reason_to_warn():
    """A loss of 20 ln 3 is no more than guessing, where the weights are 20."""
    loss, y, last = LOSSES["classes"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = Trainer(network(last), loss, SGD(1e-6)).fit(
            X, y, 1, batch_size=1, sample_weight=np.full(30, 20.0)
        )
    assert history["loss"][0] > 2 * np.log(3)


def test_the_doctor_looks_at_the_weighted_loss():
    loss, y, last = LOSSES["classes"]
    doctor = Doctor(every=1)
    trainer = Trainer(network(last), loss, SGD(1e-9))
    held = (X + 1, y, 20 * W)
    trainer.fit(X, y, 1, 30, held, callbacks=[doctor], sample_weight=20 * W)
    model = network(last)
    expected = loss.forward(model.predict(X), y, (20 * W).astype(np.float32))
    assert doctor.record.steps[0].loss == pytest.approx(expected, rel=1e-4)
    assert doctor.report()
    own = constant_baseline(model, loss, y, 20 * W).loss
    assert doctor.record.baseline.loss == pytest.approx(own)
    assert doctor.record.validation_baseline.loss == pytest.approx(doctor.record.baseline.loss)


# Resuming


class StopAt(Callback):
    affects_training = False

    def __init__(self, step):
        self.step = step

    def on_step_end(self, trainer):
        trainer.stop = trainer.step == self.step


HELD = (X + 1, Y, W[::-1].copy())


def stopped(path, step=6, weights=W, held=HELD):
    trainer = Trainer(network([Dense(3), Softmax()]), CrossEntropy(), Adam())
    callbacks = [StopAt(step), Checkpoint(path, every_steps=1)]
    trainer.fit(X, Y, 4, 8, held, callbacks=callbacks, sample_weight=weights)
    return path


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("step", [1, 4, 6, 11])
def test_a_resumed_run_ends_with_the_same_bits(tmp_path, step):
    whole = Trainer(network([Dense(3), Softmax()]), CrossEntropy(), Adam())
    whole.fit(X, Y, 4, 8, HELD, sample_weight=W)
    path = stopped(tmp_path / "run.npz", step)
    again = Trainer(network([Dense(3), Softmax()], seed=9), CrossEntropy(), Adam())
    again.model = network([Dense(3), Softmax()])
    again.fit(X, Y, 4, 8, HELD, resume_from=path, sample_weight=W)
    assert again.model.params.tobytes() == whole.model.params.tobytes()
    for column in ("loss", "val_loss", "accuracy"):
        assert again.history[column] == whole.history[column]


@pytest.mark.parametrize(
    ("weights", "held", "said"),
    [
        (None, HELD, "data: sample_weight: some against none"),
        (W * 2, HELD, "data: sample_weight: other numbers"),
        (W, HELD[:2], "data: validation sample_weight: some against none"),
        (W, (*HELD[:2], W), "data: validation sample_weight: other numbers"),
    ],
)
def test_a_run_that_is_resumed_with_other_weights_is_refused(tmp_path, weights, held, said):
    path = stopped(tmp_path / "run.npz")
    trainer = Trainer(network([Dense(3), Softmax()]), CrossEntropy(), Adam())
    with pytest.raises(ValueError, match=said):
        trainer.fit(X, Y, 4, 8, held, resume_from=path, sample_weight=weights)


def test_a_run_without_weights_is_not_resumed_with_some(tmp_path):
    path = stopped(tmp_path / "run.npz", weights=None, held=HELD[:2])
    trainer = Trainer(network([Dense(3), Softmax()]), CrossEntropy(), Adam())
    with pytest.raises(ValueError, match="data: sample_weight: none against some"):
        trainer.fit(X, Y, 4, 8, HELD[:2], resume_from=path, sample_weight=W)


def test_the_same_weights_in_another_form_may_be_resumed_with(tmp_path):
    counts = np.arange(30) % 3
    path = stopped(tmp_path / "run.npz", weights=counts)
    trainer = Trainer(network([Dense(3), Softmax()]), CrossEntropy(), Adam())
    trainer.fit(X, Y, 4, 8, HELD, resume_from=path, sample_weight=counts.astype(float).tolist())
    assert len(trainer.history.epochs) == 4


def test_what_was_given_is_not_changed():
    given = W.copy()
    loss, y, last = LOSSES["classes"]
    trainer = Trainer(network(last, np.float64), loss, SGD(0.1))
    trainer.fit(X, y, 1, sample_weight=given)
    trainer.evaluate(X, y, given)
    assert np.array_equal(given, W)


def test_a_resumed_run_has_the_weights_of_the_batch_before_at_hand(tmp_path):
    seen = []

    class AtBegin(Callback):
        affects_training = False

        def on_train_begin(self, trainer):
            seen.append(trainer.batch)

        def on_step_end(self, trainer):
            seen.append(trainer.batch)

    path = stopped(tmp_path / "run.npz", 6)
    for start in (None, path):
        trainer = Trainer(network([Dense(3), Softmax()]), CrossEntropy(), Adam())
        trainer.fit(X, Y, 4, 8, HELD, [AtBegin()], resume_from=start, sample_weight=W)
    whole, resumed = seen[:17], seen[17:]
    assert len(whole[6]) == len(resumed[0]) == 3  # after step 6
    assert all(np.array_equal(a, b) for a, b in zip(whole[6], resumed[0], strict=True))


@pytest.mark.slow
def test_layers_that_are_right_alone_are_said_to_be_with_weights_too():
    class Square(Layer):
        def forward(self, x, training=True):
            if training:
                self.x = x
            return x * x

        def input_gradient(self, dout):
            return 2 * dout * self.x

    class Spoils(Layer):
        """Writes into what it is given, which the layer before keeps."""

        def forward(self, x, training=True):
            x += 1
            return x

        def input_gradient(self, dout):
            return dout

    class Keeps(Square):
        def forward(self, x, training=True):
            self.out = x * x
            self.x = x
            return self.out

        def input_gradient(self, dout):
            return 2 * dout * np.sqrt(self.out) * np.sign(self.x)

    model = Sequential([Dense(4), Keeps(), Spoils(), Dense(2)], (3,))
    report = check_gradients(model, MeanSquaredError(), X, NUMBERS, sample_weight=W)
    assert "each layer alone, on copies of all arrays, is right" in report.diagnosis


def test_the_doctor_weighs_the_numbers_that_are_held_out():
    y = NUMBERS.copy()
    y[:3] += 40
    w = np.ones(30)
    w[:3] = 0
    doctor = Doctor()
    trainer = Trainer(network([Dense(2)]), MeanSquaredError(), SGD(1e-4))
    trainer.fit(X, y, 1, 30, (X + 1, y, w), callbacks=[doctor], sample_weight=w)
    doctor.report()
    held = doctor.record.validation_baseline
    assert held.mean == pytest.approx(np.sqrt(np.mean(NUMBERS[3:].mean(axis=0) ** 2)), rel=1e-5)
    assert held.loss == pytest.approx(NUMBERS[3:].var(axis=0).mean() * 27 / 30, rel=1e-5)


def test_a_weighted_training_that_diverges_says_so():
    x = np.arange(8.0)[:, None] * 1e4
    trainer = Trainer(Sequential([Dense(1)], (1,)), MeanSquaredError(), SGD(1e6))
    with pytest.raises(TrainingDiverged, match="scaling x"):
        trainer.fit(x, x, epochs=9, sample_weight=np.ones(8))
