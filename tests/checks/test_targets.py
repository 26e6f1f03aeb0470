"""Protects users' own losses and layers: what they state counts, not the name of the class."""

import ast
from pathlib import Path

import numpy as np
import pytest

import tinynn
from tinynn import (
    SGD,
    CrossEntropy,
    Dense,
    Flatten,
    InputError,
    Layer,
    Loss,
    MeanSquaredError,
    ReLU,
    Sequential,
    Softmax,
    SoftmaxCrossEntropy,
    Trainer,
    check_gradients,
    diagnose,
    explain_step,
    softmax,
)
from tinynn.checks.remembered import remembered
from tinynn.training.baseline import constant_baseline

X = np.random.default_rng(0).normal(size=(20, 3))
CLASSES = np.arange(20) % 3


class Pairs(Loss):
    """The score of the first should exceed that of the second by 1: y is pairs of positions."""

    def check_targets(self, y, output_shape):
        if y.ndim != 2 or y.shape[1:] != (2,) or y.dtype.kind not in "iu":
            raise ValueError(f"Pairs expects pairs of positions (N, 2), got {y.shape}.")

    def _gap(self, p, y):
        rows = np.arange(len(p))
        return p[rows, y[:, 0]] - p[rows, y[:, 1]] - 1

    def forward(self, p, y):
        return float(np.mean(self._gap(p, y) ** 2, dtype=float))

    def backward(self, p, y):
        dp, rows = np.zeros_like(p), np.arange(len(p))
        gradient = 2 * self._gap(p, y) / len(p)
        np.add.at(dp, (rows, y[:, 0]), gradient)
        np.add.at(dp, (rows, y[:, 1]), -gradient)
        return dp


class Lengths(Loss):
    """The mean of a sample's answers, however many there are: y is lists."""

    def _means(self, y, p):
        return np.array([np.mean(each) for each in y], p.dtype)[:, None]

    def forward(self, p, y):
        return float(np.mean((p - self._means(y, p)) ** 2))

    def backward(self, p, y):
        return 2 * (p - self._means(y, p)) / p.size


class Poisson(Loss):
    """A loss for counts, which are whole numbers but not classes."""

    def check_targets(self, y, output_shape):
        if (y < 0).any() or y.shape != (len(y), *output_shape):
            raise ValueError("Poisson expects counts, 0 or more, shaped like p.")

    def forward(self, p, y):
        return float(np.mean(np.exp(p) - y * p))

    def backward(self, p, y):
        return (np.exp(p) - y) / p.size


PAIRS = np.stack([CLASSES, (CLASSES + 1) % 3], axis=1)
COUNTS = (np.arange(20) % 7)[:, None]
LISTS = np.empty(20, object)
LISTS[:] = [[1.0] * (1 + i % 3) for i in range(20)]

OF_OTHER_KINDS = {
    "pairs": (Pairs(), 3, PAIRS),
    "sequences": (Lengths(), 1, LISTS),
    "counts": (Poisson(), 1, COUNTS),
}


@pytest.mark.parametrize("kind", OF_OTHER_KINDS)
def test_targets_of_another_kind_are_accepted_everywhere(kind):
    loss, units, y = OF_OTHER_KINDS[kind]
    model = Sequential([Dense(4), Dense(units)], input_shape=(3,))
    trainer = Trainer(model, loss, SGD(0.01))
    history = trainer.fit(X, y, epochs=2, validation_data=(X[:5] + 1, y[:5]))
    assert np.isfinite(history["val_loss"]).all()
    assert set(trainer.evaluate(X, y)) == {"loss"}
    assert check_gradients(model, loss, X, y).ok
    assert explain_step(model, loss, SGD(0.01), X, y).loss == pytest.approx(loss.forward(
        model.forward(X), y), rel=1e-6)  # fmt: skip
    assert diagnose(model, loss, X, y)


def test_a_gradient_of_another_precision_is_brought_to_the_models_by_all_that_look_at_a_step():
    class Linear(Dense):
        """A class of one's own, whose backward is asked in full."""

    model = Sequential([Linear(4), Linear(1)], input_shape=(3,))
    assert Poisson().backward(model.forward(X), COUNTS).dtype == np.float64
    assert explain_step(model, Poisson(), SGD(0.01), X, COUNTS).backward[0].array.dtype == "float32"
    assert diagnose(model, Poisson(), X, COUNTS)


CALLS = {
    "fit": lambda model, loss, x, y: Trainer(model, loss, SGD()).fit(x, y, 1),
    "validation_data": lambda model, loss, x, y: Trainer(model, loss, SGD()).fit(
        x, PAIRS, 1, validation_data=(x, y)
    ),
    "evaluate": lambda model, loss, x, y: Trainer(model, loss, SGD()).evaluate(x, y),
    "check_gradients": check_gradients,
    "explain_step": lambda model, loss, x, y: explain_step(model, loss, SGD(), x, y),
    "diagnose": diagnose,
}


@pytest.mark.parametrize("call", CALLS)
def test_everywhere_a_loss_of_ones_own_may_say_that_y_does_not_fit(call):
    model = Sequential([Dense(3)], input_shape=(3,))
    before = model.params.copy()
    with pytest.raises(ValueError, match=r"Pairs expects pairs of positions \(N, 2\), got \(20,\)"):
        CALLS[call](model, Pairs(), X, CLASSES)
    assert np.array_equal(model.params, before)


def test_a_loss_without_a_check_of_its_own_is_asked_nothing_or_for_classes():
    class Own(Loss):
        def forward(self, p, y):
            return 1.0

        def backward(self, p, y):
            return np.zeros_like(p)

    Own().check_targets(PAIRS, (3,))
    loss = Own()
    loss.classifies = True
    loss.check_targets(CLASSES, (3,))
    with pytest.raises(ValueError, match="Own: there are 3 classes"):
        loss.check_targets(CLASSES + 1, (3,))


def test_a_subclass_of_a_loss_checks_what_its_parent_does_in_its_own_name():
    class Mine(MeanSquaredError):
        """Another name."""

    model = Sequential([Dense(1)], input_shape=(3,))
    with pytest.raises(ValueError, match=r"Mine: p is \(20, 1\), y is \(20,\)"):
        Trainer(model, Mine(), SGD()).fit(X, X[:, 0], 1)


class Warm(Softmax):
    """A subclass: a softmax all the same."""

    def forward(self, x, training=True):
        return super().forward(x / 2, training)

    def input_gradient(self, dout):
        return super().input_gradient(dout) / 2


class OwnSoftmax(Layer):
    """A user's own softmax, which says what it gives and takes."""

    takes, gives = "logits", "probabilities"

    def forward(self, x, training=True):
        self.out = softmax(x)
        return self.out

    def input_gradient(self, dout):
        return self.out * (dout - (dout * self.out).sum(axis=-1, keepdims=True))


class Other(Layer):
    def forward(self, x, training=True):
        return 2 * x

    def input_gradient(self, dout):
        return 2 * dout


CalledSoftmax = type("Softmax", (Other,), {"__module__": __name__})


@pytest.mark.parametrize("last", [Softmax, Warm, OwnSoftmax])
@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy, type("Mine", (SoftmaxCrossEntropy,), {})])
def test_probabilities_before_a_loss_that_takes_scores_are_refused_by_what_they_are(last, loss):
    model = Sequential([Dense(3), last()], input_shape=(3,))
    said = f"Softmax is applied twice: by 1.{last.__name__} and by {loss.__name__}"
    with pytest.raises(ValueError, match=said):
        Trainer(model, loss(), SGD())


def test_softmax_before_a_loss_of_ones_own_that_takes_scores_is_refused_too():
    class Margin(Pairs):
        takes = "logits"

    model = Sequential([Dense(3), Softmax()], input_shape=(3,))
    with pytest.raises(ValueError, match=r"applied twice: by 1\.Softmax and by Margin"):
        check_gradients(model, Margin(), X, PAIRS)
    assert check_gradients(model, Pairs(), X, PAIRS).ok  # which says nothing of it


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), MeanSquaredError()])
def test_a_layer_that_happens_to_be_called_softmax_is_not_accused(loss):
    for layers in ([Dense(1), CalledSoftmax()], [Dense(2), CalledSoftmax(), CalledSoftmax()]):
        units = layers[0].units
        if units == 1 and loss.classifies:
            continue
        model = Sequential(layers, input_shape=(3,))
        y = CLASSES % 2 if loss.classifies else X[:, :units]
        assert check_gradients(model, loss, X, y).ok


@pytest.mark.parametrize("first", [Softmax, Warm, OwnSoftmax])
@pytest.mark.parametrize("second", [Softmax, Warm, OwnSoftmax])
def test_two_softmaxes_are_refused_whatever_they_are_called(first, second):
    model = Sequential([Dense(3), first(), second()], input_shape=(3,))
    with pytest.raises(ValueError, match="the second one gets probabilities"):
        Trainer(model, CrossEntropy(), SGD())


def test_what_mixes_probabilities_may_follow_a_softmax():
    class Doubting(Layer):
        """out = 0.9 x + 0.1 / C: takes probabilities and gives such."""

        takes = gives = "probabilities"

        def forward(self, x, training=True):
            return (0.9 * x + 0.1 / x.shape[1]).astype(x.dtype)

        def input_gradient(self, dout):
            return 0.9 * dout

    model = Sequential([Dense(3), Softmax(), Doubting()], input_shape=(3,))
    assert check_gradients(model, CrossEntropy(), X, CLASSES).ok
    with pytest.raises(ValueError, match="is applied twice"):
        Trainer(model, SoftmaxCrossEntropy(), SGD())


@pytest.mark.parametrize("last", [Softmax, Warm, OwnSoftmax])
def test_rows_that_sum_to_1_of_one_number_are_all_1(last):
    model = Sequential([Dense(1), last()], input_shape=(3,))
    with pytest.raises(ValueError, match=f"Dense\\(2\\), {last.__name__}\\(\\)"):
        Trainer(model, MeanSquaredError(), SGD())


class OwnLoss(Loss):
    """Minus the mean of the logarithm, of probabilities or of scores."""

    classifies = True

    def forward(self, p, y):
        p = p if self.takes == "probabilities" else softmax(p)
        return float(-np.mean(np.log(p[np.arange(len(y)), y])))

    def backward(self, p, y):
        raise NotImplementedError


@pytest.mark.parametrize("takes", ["probabilities", "logits"])
def test_the_guess_is_made_in_what_the_loss_takes_or_the_last_layer_gives(takes):
    loss = type("Mine", (OwnLoss,), {"takes": takes})()
    guess = constant_baseline(
        Sequential([Dense(2)], input_shape=(3,)), loss, np.array([0, 0, 0, 1])
    )
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert guess.loss == pytest.approx(entropy)
    own = constant_baseline(
        Sequential([Dense(2), Warm()], input_shape=(3,)), CrossEntropy(), np.array([0, 0, 0, 1])
    )
    assert own.answer == pytest.approx([0.75, 0.25])


def test_differences_below_the_floor_of_a_loss_are_refused_by_its_floor_and_not_by_its_name():
    model = Sequential([Dense(2), Softmax()], input_shape=(1,))
    model.layers[0].W = [[1000, -1000]]

    class Mine(CrossEntropy):
        """Another name."""

    class Brier(Loss):
        takes = "probabilities"

        def forward(self, p, y):
            return float(((p - np.eye(2)[y]) ** 2).mean())

        def backward(self, p, y):
            return 2 * (p - np.eye(2)[y]) / p.size

    with pytest.raises(
        ValueError, match="a probability below 1e-29, too near to the floor of Mine"
    ):
        check_gradients(model, Mine(), [[1.0]], [1])
    check_gradients(model, Brier(), [[1.0]], [1])  # has no floor: is not refused

    class Floored(Brier):
        """Has an attribute `floor` that has nothing to do with probabilities."""

        takes, floor = "", 0.5

    check_gradients(model, Floored(), [[1.0]], [1])


@pytest.mark.parametrize("loss", [CrossEntropy(), tinynn.BinaryCrossEntropy()])
def test_a_change_between_forward_and_backward_is_seen(loss):
    """Backward looks at numbers again only if they are not those that forward has looked at."""
    p = np.array([[0.5, 0.5], [0.25, 0.75]], np.float32)
    y = np.array([0, 1]) if loss.classifies else np.array([[0, 1], [1, 1]])
    rows = np.eye(2)[y] if loss.classifies else y
    for answers in (y, rows):
        for array in (p, answers):
            loss.forward(p, answers)
            loss.backward(p, answers)
            kept = array.copy()
            array[1] = 3
            with pytest.raises(InputError, match="3"):
                loss.backward(p, answers)
            with pytest.raises(InputError, match="3"):  # again, though it is known by now
                loss.backward(p, answers)
            array[:] = kept
            loss.backward(p, answers)


def test_what_forward_has_looked_at_backward_need_not():
    looks = []
    most = remembered(lambda numbers: looks.append(numbers.shape) or numbers.max())
    p, y = np.arange(6.0).reshape(2, 3), np.array([1, 2])
    for _ in range(2):  # forward, backward
        assert (most(p), most(y)) == (5, 2)
    assert looks == [(2, 3), (2,)]
    same_bytes = p.view(np.int64)
    assert most(same_bytes) == same_bytes.max()
    assert most(p.T) == most(p.reshape(-1)) == most(p.astype(">f8")) == most(p.astype(int)) == 5
    assert len(looks) == 7  # other shapes and dtypes of the same bytes, or of other ones
    large, things = np.zeros(2**9 + 1), np.array([[1], [2]], object)
    for _ in range(2):  # these are never kept: to compare large ones takes longer than to look
        assert (most(large), most(things)) == (0, 2)
    assert len(looks) == 11


def test_checks_know_no_class_of_ours_by_its_name():
    """A name alone in quotes would be compared with; in a sentence it is advice."""
    ours = {
        name for name in tinynn.__all__
        if isinstance(kind := getattr(tinynn, name), type)
        and issubclass(kind, (Layer, Loss, tinynn.Optimizer))
    }  # fmt: skip
    assert {"Dense", "Softmax", "CrossEntropy", "SGD"} <= ours
    bases = {"Layer", "Loss", "Optimizer"}  # of which attributes.py tells the kinds
    for path in (Path(tinynn.__file__).parent / "checks").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in ours - bases:
                raise AssertionError(f"{path.name}:{node.lineno}: {node.value!r}")
    assert Flatten().takes == ReLU().gives == Dense(2).takes == ""
