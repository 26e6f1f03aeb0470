"""Protects a logit of -inf, which masks a class: loss, gradient, training and resuming."""

import math

import numpy as np
import pytest

from oracles import numeric_gradient
from tinynn import (
    Adam,
    Callback,
    Checkpoint,
    CrossEntropy,
    Dense,
    Doctor,
    EarlyStopping,
    Layer,
    MeanSquaredError,
    ReLU,
    Sequential,
    Softmax,
    SoftmaxCrossEntropy,
    Trainer,
    TrainingDiverged,
    accuracy,
    check_gradients,
    diagnose,
    explain_step,
)

INF = np.inf
LOSS = SoftmaxCrossEntropy()
RNG = np.random.default_rng(0)
X = RNG.random((40, 4)).astype(np.float32)
Y = np.arange(40) % 3  # of the four classes, the last is never one


class Mask(Layer):
    """Makes the probability of one class 0."""

    def __init__(self, c):
        self.c = c

    def forward(self, x, training=True):
        out = x.copy()
        out[:, self.c] = -np.inf
        return out

    def input_gradient(self, dout):
        dx = dout.copy()
        dx[:, self.c] = 0
        return dx


def run(c=3, *last, loss=LOSS):
    model = Sequential([Dense(8), ReLU(), Dense(4), Mask(c), *last], input_shape=(4,))
    return Trainer(model, loss, Adam(0.01))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("y", [[0], [[1, 0, 0]]])
def test_loss_and_gradient_by_hand(y, dtype):
    # softmax of 0 and 1 is 1 / (1 + e) and e / (1 + e); the masked class has no part in it
    p = np.array([[0, 1, -INF]], dtype)
    assert LOSS.forward(p, y) == pytest.approx(math.log(1 + math.e), rel=1e-14)
    e = math.e
    expected = [[1 / (1 + e) - 1, e / (1 + e), 0]]
    assert LOSS.backward(p, y) == pytest.approx(np.array(expected), rel=1e-6)
    assert LOSS.backward(p, y)[0, 2] == 0


def test_soft_rows_by_hand():
    p, y = np.array([[0.0, math.log(3), -INF]]), [[0.5, 0.5, 0]]
    # as without the third class: log 4 - (log 3) / 2, and [1/4, 3/4] - [1/2, 1/2]
    assert LOSS.forward(p, y) == pytest.approx(math.log(4) - math.log(3) / 2, rel=1e-14)
    assert LOSS.backward(p, y) == pytest.approx(np.array([[-0.25, 0.25, 0]]), rel=1e-14)


def test_the_gradient_agrees_with_finite_differences_and_is_0_for_the_masked_class():
    p = RNG.normal(size=(3, 4))
    p[0, 3] = p[1, 0] = p[2, 1] = p[2, 2] = -INF
    y = np.array([0, 2, 3])
    dp = LOSS.backward(p, y)
    numeric = numeric_gradient(lambda: LOSS.forward(p, y), p)  # -inf + h stays -inf
    assert dp == pytest.approx(numeric, abs=1e-9)
    assert (dp[np.isneginf(p)] == 0).all()


def test_where_the_target_class_is_masked_the_loss_is_infinite():
    p = np.array([[0, 1, -INF], [0, 1, 2]])
    for y in ([2, 0], [[0.5, 0.25, 0.25], [1, 0, 0]]):
        assert LOSS.forward(p, y) == INF


def test_a_model_that_masks_a_class_trains_is_validated_evaluated_and_watched():
    trainer, doctor = run(), Doctor(every=1)
    held_out = (X[:9] + 0.01, Y[:9])
    history = trainer.fit(X, Y, 3, 8, held_out, callbacks=[doctor, EarlyStopping()])
    assert trainer.step == 15
    assert np.isfinite(history["loss"] + history["val_loss"]).all()
    scores = trainer.evaluate(X, Y)
    assert scores["accuracy"] == accuracy(trainer.model.predict(X), Y)
    # the loss, of the three classes that are left, in other words
    z = trainer.model.predict(X)[:, :3].astype(float)
    expected = np.log(np.exp(z).sum(axis=1)) - z[np.arange(40), Y]
    assert scores["loss"] == pytest.approx(expected.mean(), rel=1e-6)
    assert "no numbers" not in str(doctor.report())
    assert "diverge" not in str(doctor.report())


def test_a_model_that_masks_a_class_is_resumed_to_the_same_bits(tmp_path):
    class Stop(Callback):
        affects_training = False

        def on_step_end(self, trainer):
            trainer.stop = trainer.step == 7

    whole, part, rest = run(), run(), run()
    path = tmp_path / "run.npz"
    whole.fit(X, Y, 3, 8, (X[:9] + 0.01, Y[:9]))
    part.fit(X, Y, 3, 8, (X[:9] + 0.01, Y[:9]), callbacks=[Stop(), Checkpoint(path)])
    rest.fit(X, Y, 3, 8, (X[:9] + 0.01, Y[:9]), resume_from=path)
    assert (part.step, rest.step) == (7, 15)
    assert rest.model.params.tobytes() == whole.model.params.tobytes()
    assert rest.history["val_loss"] == whole.history["val_loss"]


@pytest.mark.slow
def test_a_model_that_masks_a_class_is_checked_explained_and_diagnosed():
    model = run().model
    assert check_gradients(model, LOSS, X[:5], Y[:5]).ok
    assert not diagnose(model, LOSS, X, Y).problems
    assert "-inf" in str(explain_step(model, LOSS, Adam(), X[:2], Y[:2]))
    assert explain_step(model, LOSS, Adam(), X[:2], Y[:2]).figure().axes


def test_a_mask_before_softmax_works_as_well():
    trainer = run(3, Softmax(), loss=CrossEntropy())
    trainer.fit(X, Y, 2, 8)
    assert np.isfinite(trainer.evaluate(X, Y)["loss"])
    assert trainer.model.predict(X)[:, 3].max() <= 1e-30


def test_a_masked_target_class_is_reported_with_its_sample():
    y = Y.copy()
    y[17] = 3
    with pytest.raises(ValueError) as error:
        run().evaluate(X, y)
    assert str(error.value) == (
        "evaluate: the loss is infinite. The model returns -inf for class 3 of sample 17, though "
        "it is the sample's answer (mask other classes only)."
    )
    with pytest.raises(
        TrainingDiverged, match=r"the output of 3\.Mask: -inf for class 3 of sample"
    ):
        run().fit(X, y, 1)
    with pytest.raises(TrainingDiverged, match="for the validation data: -inf for class 3 of samp"):
        run().fit(X, Y, 1, validation_data=(X[10:20] + 0.01, y[10:20]))


@pytest.mark.parametrize("score", [INF, np.nan])
def test_other_scores_that_are_not_finite_are_still_a_divergence(score):
    class Puts(Mask):
        def forward(self, x, training=True):
            out = x.copy()
            out[0, self.c] = score
            return out

    model = Sequential([Dense(4), Puts(3)], input_shape=(4,))
    with pytest.raises(TrainingDiverged, match=r"the output of 1\.Puts"):
        Trainer(model, LOSS, Adam()).fit(X, Y, 1)


def test_a_row_of_nothing_but_masks_is_a_divergence_and_so_is_a_mask_on_numbers():
    class All(Mask):
        def forward(self, x, training=True):
            return np.full_like(x, -np.inf)

    model = Sequential([Dense(4), All(0)], input_shape=(4,))
    with pytest.raises(TrainingDiverged, match=r"the output of 1\.All"):
        Trainer(model, LOSS, Adam()).fit(X, Y, 1)
    numbers = Sequential([Dense(4), Mask(3)], input_shape=(4,))
    with pytest.raises(TrainingDiverged, match=r"the output of 1\.Mask"):
        Trainer(numbers, MeanSquaredError(), Adam()).fit(X, X, 1)
