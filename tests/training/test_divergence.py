"""Protects against training on broken numbers: it stops, says where, and loses nothing."""

import re
import time
from pathlib import Path

import numpy as np
import pytest

from oracles import random_data, real_network
from tinynn import (
    SGD,
    Adam,
    Callback,
    Checkpoint,
    ClipGradientNorm,
    ClipGradientValue,
    CrossEntropy,
    CSVLogger,
    Dense,
    Layer,
    MeanSquaredError,
    ReLU,
    Sequential,
    Softmax,
    SoftmaxCrossEntropy,
    Trainer,
    TrainingDiverged,
    check_gradients,
    datasets,
    diagnose,
    explain_step,
    one_hot,
    save_model,
    scale_pixels,
)
from tinynn.files.checkpoints import load_checkpoint


def network(*last):
    return Sequential([Dense(8), ReLU(), Dense(3), *last], input_shape=(4,))


class Poison(Callback):
    """Puts NaN into one array of parameters or gradients at one step."""

    def __init__(self, step, layer, name):
        self.step, self.layer, self.name = step, layer, name

    def on_gradients(self, trainer):
        if trainer.step == self.step:
            getattr(trainer.model.layers[self.layer], self.name)[..., 0] = np.nan


class Breaks(Layer):
    """Passes numbers on unchanged until it is told to break, forward or backward."""

    broken = ""

    def forward(self, x, training=True):
        return np.log(-np.abs(x)) if self.broken == "forward" else x.copy()

    def input_gradient(self, dout):
        return dout / np.float32(0) if self.broken == "backward" else dout.copy()


def stopped(model, loss, optimizer, callbacks=(), **fit):
    x, y = random_data(40)
    with pytest.raises(TrainingDiverged) as caught:
        Trainer(model, loss, optimizer).fit(
            x, y, **{"epochs": 50, "batch_size": 8, "callbacks": callbacks, **fit}
        )
    return str(caught.value)


@pytest.mark.outcome
@pytest.mark.parametrize("last", [(), (Softmax(),)])
def test_far_too_large_a_learning_rate_is_stopped_within_a_few_steps_and_the_last_losses_are_shown(
    last,
):
    loss = CrossEntropy() if last else SoftmaxCrossEntropy()
    x, y = random_data(40)
    trainer = Trainer(network(*last), loss, SGD(learning_rate=1e30))
    with pytest.raises(TrainingDiverged) as caught:
        trainer.fit(x, y, epochs=5, batch_size=8)
    text = str(caught.value)
    assert trainer.step < 10
    assert f"epoch {trainer.epoch}, step {trainer.step}" in text
    assert f"{trainer.recent_losses[-1]:.4g}" in text
    assert "smaller learning rate (now 1e+30)" in text


@pytest.mark.outcome
@pytest.mark.parametrize(
    ("last", "loss"), [((Softmax(),), CrossEntropy()), ((), SoftmaxCrossEntropy())]
)
def test_sgd_at_10_on_the_real_network_shows_it_within_a_few_steps(last, loss):
    (x, y), _ = datasets.load_sample()
    trainer = Trainer(real_network(*last), loss, SGD(learning_rate=10))
    with pytest.raises(TrainingDiverged, match=r"the output of \d\.Dense"):
        trainer.fit(scale_pixels(x), y, epochs=1)
    assert trainer.step < 10


@pytest.mark.parametrize(
    ("step", "layer", "name", "said"),
    [
        (3, 0, "dW", "step 4.*\n.*0.Dense.W"),
        (3, 2, "db", "step 4.*\n.*2.Dense.b"),
        (6, 0, "b", "step 7.*\n.*0.Dense.b"),
    ],
)
def test_the_array_in_which_it_began_is_named(step, layer, name, said):
    text = stopped(network(), SoftmaxCrossEntropy(), SGD(0.1), [Poison(step, layer, name)])
    assert re.search(said, text), text


def test_a_nan_in_the_last_gradients_of_an_epoch_is_found_at_its_end():
    text = stopped(network(), SoftmaxCrossEntropy(), SGD(0.1), [Poison(5, 0, "dW")], epochs=1)
    assert "epoch 1, step 5" in text
    assert "0.Dense.W" in text


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_a_layer_that_breaks_is_named(way):
    breaks = Breaks()
    model = Sequential([Dense(8), breaks, ReLU(), Dense(3)], input_shape=(4,))

    class BreakIt(Callback):
        def on_step_end(self, trainer):
            if trainer.step == 3:
                breaks.broken = way

    text = stopped(model, SoftmaxCrossEntropy(), SGD(0.1), [BreakIt()])
    from_above = "the gradient of 0.Dense.W, 32 of 32 of its numbers; it came from 1.Breaks"
    named = "the output of 1.Breaks" if way == "forward" else from_above
    assert named in text


def test_gradients_are_reported_from_where_they_stopped_being_finite_down_to_the_first():
    model = Sequential([Dense(4), Dense(4), Dense(4)], input_shape=(4,))

    class BreakTheMiddle(Callback):
        def on_gradients(self, trainer):
            if trainer.step == 2:
                model.layers[1].dW[0, 0] = np.inf
                model.layers[0].db[:] = np.nan

    text = stopped(model, SoftmaxCrossEntropy(), SGD(0.1), [BreakTheMiddle()])
    assert (
        "the gradient of 1.Dense.W, 1 of 16 of its numbers; it came from 2.Dense; all gradients "
        "down to 0.Dense.b followed." in text
    )


def test_relu_does_not_hide_a_nan():
    out = ReLU().forward(np.array([[np.nan, -1.0, 2.0]]))
    assert np.isnan(out[0, 0])
    assert out[0, 1:].tolist() == [0, 2]


def test_relus_backward_does_not_hide_a_nan_either():
    relu = ReLU()
    relu.forward(np.array([[-1.0, 2.0, np.nan]]))
    assert np.isnan(relu.backward(np.full((1, 3), np.nan))).all()


def test_squares_that_adam_cannot_hold_end_training_and_are_named():
    """Divided by infinity every step is 0: the loss stays finite, and nothing would ever change."""
    x, y = np.full((4, 1), 1e12), np.full((4, 1), 1e10)
    model = Sequential([Dense(1)], input_shape=(1,))
    with pytest.raises(TrainingDiverged, match="the slot V of Adam, 1 of 2"):
        Trainer(model, MeanSquaredError(), Adam(0.1)).fit(x, y, epochs=50)


def test_the_losses_shown_are_the_last_five_of_this_training():
    x, y = random_data(40)
    trainer = Trainer(network(), SoftmaxCrossEntropy(), SGD(1e-9))
    trainer.fit(x, y, 2)
    first = list(trainer.recent_losses)
    assert len(first) == 4  # two steps an epoch
    trainer.fit(x, y, 7)
    assert len(trainer.recent_losses) == 5
    trainer.fit(x, y, 1)
    assert len(trainer.recent_losses) == 2
    losses = []

    class Note(Callback):
        def on_step_end(self, trainer):
            losses.append(f"{trainer.batch_loss:.4g}")

    poison = Poison(8, 0, "dW")
    text = stopped(network(), SoftmaxCrossEntropy(), SGD(0.1), [Note(), poison])
    assert f"Losses before: {', '.join(losses[-5:])}." in text


def test_a_square_that_overflows_is_reported_as_the_loss():
    model = Sequential([Dense(1)], input_shape=(1,), dtype=np.float64)
    model.params = [1e200, 0]
    with pytest.raises(TrainingDiverged, match="the loss itself"):
        Trainer(model, MeanSquaredError(), SGD()).fit([[1.0]], [[0.0]], epochs=1)


def test_the_last_good_checkpoint_and_the_log_stay_and_are_named(tmp_path):
    path, log = tmp_path / "run.npz", tmp_path / "log.csv"
    callbacks = [CSVLogger(log), Checkpoint(path), Poison(12, 0, "dW")]
    model = network()
    text = stopped(model, SoftmaxCrossEntropy(), Adam(), callbacks)
    assert f"The last good checkpoint is {path}" in text
    kept, training, _ = load_checkpoint(path, network())
    assert training["epoch"] == 2  # of 5 steps each; the NaN came in the third
    assert np.isfinite(kept.params).all()
    assert [line.split(",")[0] for line in log.read_text().split()] == ["epoch", "1", "2"]
    assert not np.isfinite(model.params).all()


def test_a_checkpoint_in_mid_epoch_is_not_replaced_by_a_broken_one(tmp_path):
    path = tmp_path / "run.npz"
    callbacks = [Checkpoint(path, every_steps=1), Poison(3, 0, "dW")]
    text = stopped(network(), SoftmaxCrossEntropy(), Adam(), callbacks)
    assert "epoch 1, step 3" in text
    assert "0.Dense.W" in text
    assert f"The last good checkpoint is {path}, of epoch 1, step 2" in text
    assert load_checkpoint(path, network())[1]["step"] == 2


def test_a_model_that_diverged_is_not_saved_over_a_good_one(tmp_path):
    model = network()
    save_model(model, tmp_path / "model.npz")
    before = (tmp_path / "model.npz").read_bytes()
    model.layers[2].b[1] = np.inf
    with pytest.raises(ValueError, match=r"2\.Dense\.b holds NaN or infinity"):
        save_model(model, tmp_path / "model.npz")
    assert (tmp_path / "model.npz").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.outcome
def test_adam_at_10_is_warned_of_by_comparison_with_guessing():
    x, y = random_data(40)
    expected = (
        r"The loss of epoch 1 is .*, but guessing among 3 classes gives 1\.1\. The learning rate "
        r"may be too high, or x may be unscaled: callbacks=\[Doctor\(\)\] tells which\."
    )
    with pytest.warns(UserWarning, match=expected):
        Trainer(network(), SoftmaxCrossEntropy(), Adam(10)).fit(x, y, epochs=1, batch_size=8)


@pytest.mark.outcome
def test_warnings_point_at_the_users_own_line():
    x, y = random_data(40)
    with pytest.warns(UserWarning) as caught:  # noqa: PT030
        Trainer(network(), SoftmaxCrossEntropy(), Adam(10)).fit((200 * abs(x)).astype("u1"), y, 1)
    assert len(caught) == 2
    assert {Path(warning.filename).name for warning in caught} == {Path(__file__).name}


@pytest.mark.outcome
def test_healthy_training_warns_of_nothing_and_numpy_warns_as_before():
    x, y = random_data(40)
    Trainer(network(), SoftmaxCrossEntropy(), Adam()).fit(0.1 * x, y, epochs=2)
    with pytest.warns(RuntimeWarning, match="overflow"):
        np.float32(1e38) * np.float32(10)


@pytest.mark.slow
def test_looking_for_nan_costs_under_one_per_cent_of_a_step():
    model = real_network()
    x = np.random.default_rng(0).random((32, 28, 28), np.float32)
    y = np.zeros(32, int)
    trainer = Trainer(model, SoftmaxCrossEntropy(), Adam())
    trainer.fit(x, y, epochs=20)
    p = model.forward(x)

    def median(action, times):
        seconds = []
        for _ in range(times):
            began = time.perf_counter()
            action()
            seconds.append(time.perf_counter() - began)
        return float(np.median(seconds))

    step = median(lambda: trainer._run_step(x, y), 200)
    look = median(lambda: np.isfinite(p).all() and np.isfinite(trainer.batch_loss), 2000)
    assert look < 0.01 * step, (look, step)


@pytest.mark.parametrize("model", [network(), network(Softmax())], ids=["scores", "probabilities"])
def test_validation_that_overflows_is_divergence_and_leaves_the_last_checkpoint(tmp_path, model):
    # one step an epoch: the weights meet the validation data before any batch does
    loss = SoftmaxCrossEntropy() if len(model.layers) == 3 else CrossEntropy()
    x, y = random_data(40)
    trainer = Trainer(model, loss, SGD(1e-3))
    keep = Checkpoint(tmp_path / "run.npz")
    trainer.fit(x, y, 1, batch_size=len(x), validation_data=(x[::-1], y[::-1]), callbacks=[keep])
    before = (tmp_path / "run.npz").read_bytes()
    with (
        pytest.warns(UserWarning, match="have one scale"),
        pytest.raises(TrainingDiverged, match=r"output of 0\.Dense for the validation") as caught,
    ):
        trainer.fit(x, y, 1, len(x), (1e38 * x, y), callbacks=[keep])
    assert "epoch 2, step 2" in str(caught.value)
    trainer.optimizer.learning_rate = 1e30
    with pytest.raises(TrainingDiverged, match="Training diverged in epoch 2, step 3"):
        trainer.fit(x, y, 1, len(x), (x[::-1], y[::-1]), callbacks=[keep])
    assert (tmp_path / "run.npz").read_bytes() == before


# A model that gives no numbers, outside of training

LOOKS = {
    "evaluate": lambda model, loss, x, y: Trainer(model, loss, SGD()).evaluate(x, y),
    "diagnose": diagnose,
    "check_gradients": check_gradients,
    "explain_step": lambda model, loss, x, y: explain_step(model, loss, SGD(), x, y),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(
    "loss", [SoftmaxCrossEntropy(), CrossEntropy(), MeanSquaredError()], ids=lambda loss: repr(loss)
)
def test_weights_of_nan_have_no_score_and_are_not_called_healthy(look, loss):
    x, y = random_data(40)
    model = network(*[Softmax()] * (type(loss) is CrossEntropy))
    model.layers[2].W[0, 0] = np.nan
    y = y if loss.classifies else one_hot(y, 3)
    with pytest.raises(ValueError) as error:
        LOOKS[look](model, loss, x, y)
    assert str(error.value) == (
        f"{look}: 1 of the 24 numbers of 2.Dense.W are NaN or infinite. Has training diverged? Go "
        "back to weights from before it, and train with a smaller learning rate."
    )
    assert np.isnan(model.predict(x)).any()  # which is what it says


@pytest.mark.parametrize("look", LOOKS)
def test_the_layer_that_gives_no_numbers_is_named(look):
    x, y = random_data(40)
    breaks = Breaks()
    breaks.broken = "forward"
    model = Sequential([Dense(8), breaks, Dense(3)], input_shape=(4,))
    with (
        np.errstate(all="ignore"),
        pytest.raises(ValueError, match=rf"{look}: .*1\.Breaks returns"),
    ):
        LOOKS[look](model, SoftmaxCrossEntropy(), x, y)


def test_evaluate_says_what_is_wrong_with_the_data_first():
    x, y = random_data(40)
    trainer = Trainer(network(), SoftmaxCrossEntropy(), SGD())
    broken = x.copy()
    broken[7, 1] = np.nan
    with pytest.raises(ValueError, match="x holds NaN or infinity, first in sample 7"):
        trainer.evaluate(broken, y)
    with pytest.raises(ValueError, match=r"x holds .*e\+.*\. This is too large for"):
        trainer.evaluate(x.astype(float) * 1e300, y)


def test_squares_that_float32_cannot_hold_are_not_divergence():
    model = Sequential([Dense(1)], input_shape=(1,))
    model.params = [1e30, 0]
    history = Trainer(model, MeanSquaredError(), SGD(0.25)).fit([[1.0]], [[0.0]], epochs=1)
    assert history["loss"] == [pytest.approx(1e60, rel=1e-6)]


def test_evaluate_reports_a_loss_that_overflows_as_the_loss():
    model = Sequential([Dense(1)], input_shape=(1,), dtype=np.float64)
    model.params = [1e200, 0]
    with pytest.raises(ValueError, match="the loss is NaN or infinite, but the predict"):
        Trainer(model, MeanSquaredError(), SGD()).evaluate([[1.0]], [[0.0]])


@pytest.mark.parametrize("kind", [ClipGradientNorm, ClipGradientValue, None])
def test_clipping_is_advised_only_where_it_is_not_used(kind):
    x, y = random_data(40)
    callbacks = [] if kind is None else [kind(3)]
    with pytest.raises(TrainingDiverged) as error:
        Trainer(network(Softmax()), CrossEntropy(), SGD(1e38)).fit(x, y, 9, callbacks=callbacks)
    limit = f"or a smaller limit of {kind.__name__} (now 3)." if kind else ""
    assert (limit or "give fit callbacks=[ClipGradientNorm(1)].") in str(error.value)
    assert ("give fit callbacks" in str(error.value)) is (kind is None)
