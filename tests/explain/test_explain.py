"""Protects explain_step: its page shows the numbers of a real step, and nothing changes."""

from itertools import pairwise

import numpy as np
import pytest

from oracles import InPlaceReLU, real_network
from tinynn import (
    SGD,
    Adam,
    CrossEntropy,
    Dense,
    Flatten,
    Layer,
    MeanSquaredError,
    ReLU,
    Sequential,
    Softmax,
    SoftmaxCrossEntropy,
    datasets,
    explain_step,
    scale_pixels,
)

X = np.array([[1.0, 2.0], [-1.0, 1.0]])


class Halve(Layer):
    def forward(self, x, training=True):
        return x / 2

    def input_gradient(self, dout):
        return dout / 2


class Mix(Layer):
    """out = x (g1 + g2 + ...): parameters with three axes."""

    def __init__(self, many):
        self.many = many

    def parameter_shapes(self, input_shape):
        return {"g": (self.many, *input_shape, *input_shape)}

    def forward(self, x, training=True):
        self.x = x
        return x @ self.g.sum(axis=0)

    def parameter_gradients(self, dout):
        self.dg = np.tile(self.x.T @ dout, (self.many, 1, 1))

    def input_gradient(self, dout):
        return dout @ self.g.sum(axis=0).T


class Drop(Layer):
    """Each forward sets another half of the numbers to 0."""

    def __init__(self, rng):
        self.rng = rng

    def forward(self, x, training=True):
        self.kept = 2.0 * (self.rng.random(x.shape) < 0.5)
        return x * self.kept

    def input_gradient(self, dout):
        return dout * self.kept


def network_2_2_2():
    layers = [Dense(2), ReLU(), Dense(2), Softmax()]
    model = Sequential(layers, input_shape=(2,), dtype=np.float64)
    layers[0].W, layers[2].W = [[0.5, -0.5], [0.25, 0.5]], [[1, -1], [0.5, 1]]
    return model


def network_2_3_2():
    layers = [Dense(3), ReLU(), Dense(2)]
    model = Sequential(layers, input_shape=(2,), dtype=np.float64)
    layers[0].W, layers[2].W = [[1, 0, -1], [0, 1, 1]], [[1, 0], [0.5, -1], [0, 1]]
    return model


def test_the_page_of_a_2_2_2_network(the_text_of):
    """Forward and backward were computed with pencil and paper."""
    page = str(explain_step(network_2_2_2(), CrossEntropy(), SGD(0.1), X, [0, 0]))
    the_text_of("explain_2_2_2.txt", page)


def test_the_page_of_a_2_3_2_network_where_shapes_cannot_be_confused(the_text_of):
    """Computed with pencil and paper: every number here is a short fraction."""
    page = str(explain_step(network_2_3_2(), MeanSquaredError(), SGD(0.1), X, np.eye(2)))
    the_text_of("explain_2_3_2.txt", page)


def test_the_four_samples_of_xor_are_shown_number_by_number_and_four_of_a_wider_network_are_not():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    lines = str(explain_step(network_2_2_2(), CrossEntropy(), SGD(0.1), x, [0, 1, 1, 0])).split(
        "\n"
    )
    (relu,) = (line for line in lines if "max(x, 0)" in line)  # of x W1: W1's rows, and their sum
    assert relu.split()[-12:] == [
        "0", "0", "0.2500", "0.5000", "0.5000", "0", "0.7500", "0", "4", "of", "8", "inactive",
    ]  # fmt: skip
    wider = Sequential([Dense(4), ReLU(), Dense(2), Softmax()], input_shape=(2,))
    page = str(explain_step(wider, CrossEntropy(), SGD(), x, [0, 1, 1, 0]))
    assert "sample 1: first 3" in page


def test_called_twice_it_says_the_same_and_nothing_of_yours_changes():
    model, optimizer = network_2_2_2(), Adam(0.1)
    optimizer.step(model.params, model.grads + 1)
    dp = np.ones((1, 2))
    model.forward(X[:1])  # a backward is still to come
    remembered = [layer.__dict__.copy() for layer in model.layers]
    before = model.params.tobytes(), model.grads.tobytes(), repr(optimizer.state()), X.tobytes()
    pages = [str(explain_step(model, CrossEntropy(), optimizer, X, [0, 1])) for _ in range(2)]
    assert pages[0] == pages[1]
    after = model.params.tobytes(), model.grads.tobytes(), repr(optimizer.state()), X.tobytes()
    assert after == before
    for layer, old in zip(model.layers, remembered, strict=True):
        assert layer.__dict__.keys() == old.keys()
        assert all(layer.__dict__[name] is value for name, value in old.items())
    model.backward(dp)


def images():
    (x, y), _ = datasets.load_sample()
    return scale_pixels(x[:32]), y[:32]


def test_every_number_is_that_of_the_step():
    x, y = images()
    layers = [Flatten(), Dense(20), ReLU(), Dense(10)]
    model = Sequential(layers, input_shape=(28, 28), dtype=np.float64)
    told = explain_step(model, SoftmaxCrossEntropy(), SGD(0.5), x, y)

    flat = x.reshape(32, 784).astype(np.float64)
    W1, b1, W2, b2 = (a.copy() for a in model.named_parameters().values())

    def run(W1, b1, W2, b2):
        z1 = flat @ W1 + b1
        h = np.where(z1 > 0, z1, 0)
        z2 = h @ W2 + b2
        p = np.exp(z2) / np.exp(z2).sum(axis=1, keepdims=True)
        return z1, h, z2, p, -np.log(p[range(32), y])

    z1, h, z2, p, losses = run(W1, b1, W2, b2)
    dz2 = (p - np.eye(10)[y]) / 32
    dh = dz2 @ W2.T
    dz1 = dh * (z1 > 0)
    gradients = [flat.T @ dz1, dz1.sum(axis=0), h.T @ dz2, dz2.sum(axis=0)]
    after = [w - 0.5 * g for w, g in zip((W1, b1, W2, b2), gradients, strict=True)]
    names = ["0.Flatten", "1.Dense", "2.ReLU", "3.Dense"]

    def agree(ours, theirs):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)

    assert [row.name for row in told.forward] == ["x", *names]
    agree([row.array for row in told.forward], [x, flat, z1, h, z2])
    assert told.forward[3].note == f"{(z1 <= 0).sum()} of 640 inactive"
    assert [row.name for row in told.backward] == ["loss", "3.Dense", "2.ReLU"]
    agree([row.array for row in told.backward], [dz2, dh, dz1])
    agree([told.loss, *told.sample_losses], [losses.mean(), *losses])
    assert [u.name for u in told.updates] == ["1.Dense.W", "1.Dense.b", "3.Dense.W", "3.Dense.b"]
    agree([u.before for u in told.updates], [W1, b1, W2, b2])
    agree([u.gradient for u in told.updates], gradients)
    agree([u.after for u in told.updates], after)
    agree([told.loss_after], [run(*after)[4].mean()])
    agree([told.predicted_decrease], [0.5 * sum((g**2).sum() for g in gradients)])


def test_the_step_is_that_of_the_training_loop():
    x, y = images()
    loss = CrossEntropy()
    told = explain_step(real_network(Softmax()), loss, Adam(), x, y)
    model, optimizer = real_network(Softmax()), Adam()
    model.backward(loss.backward(model.forward(x), y))
    optimizer.step(model.params, model.grads)
    for update, after in zip(told.updates, model.named_parameters().values(), strict=True):
        assert update.after.tobytes() == after.tobytes()
    assert told.loss_after == loss.forward(model.predict(x), y)


def test_the_page_of_the_real_network_fits_a_screen():
    told = explain_step(real_network(Softmax()), CrossEntropy(), Adam(), *images())
    page = str(told)
    lines = page.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 140
    figures = next(line for line in lines if "2.ReLU" in line)
    out = np.maximum(
        real_network(Softmax()).layers[1].forward(images()[0].reshape(32, 784), False), 0
    )
    share = f"{np.mean(out == 0):.0%}"
    assert share in figures
    assert f"{(out == 0).sum():,} of 16,384 inactive" in figures
    assert f"{out.max():.4f}" in figures
    assert "W <- W - 0.001 m / (sqrt(v) + 1e-08),  m and v: first and second moment of dW" in page
    three = [f"{w:.4f}" for w in real_network(Softmax()).layers[7].W[0, :3]]
    assert words(told, "7.Dense.W")[:5] == ["(128,10)", "7.Dense.W", *three]
    assert words(told, "7.Dense.b")[-2:] == ["0", "0.0010"]  # Adam's first step: the rate, for each


EXTENT = ["min", "mean", "max", "zero"]


def words(told, name):
    """The words of the page's line for this array, in forward or as a parameter."""
    return next(line.split() for line in str(told).splitlines() if f" {name} " in line)


def test_a_summary_has_three_numbers_the_range_and_the_zeros_of_each_array():
    """Worked by hand. dW = 12 x_i dp_j, for twelve samples that are all alike."""
    model = Sequential([Dense(4)], input_shape=(2,), dtype=np.float64)
    model.layers[0].W = [[1, 2, 3, 4], [0, 1, 0, -1]]
    x, y = [[1, 2]] * 12, [[1 - 24, 4, 3 + 24, 2 - 48]] * 12  # so that dp is 1, 0, -1, 2
    told = explain_step(model, MeanSquaredError(), SGD(0.5), x, y)
    assert words(told, "FORWARD")[2:] == ["sample", "1:", "first", "3", *EXTENT]
    out = "(12,4) 0.Dense out = x W + b 1.0000 4.0000 3.0000 1.0000 2.5000 4.0000 0%"
    dp = "(12,4) loss dp = 2 (p - y) / (B C) 1.0000 0 -1.0000 -1.0000 0.5000 2.0000 25%"
    W = "(2,4) 0.Dense.W 1.0000 2.0000 3.0000 12.0000 0 -12.0000 -24.0000 9.0000 48.0000 25%"
    b = "(4,) 0.Dense.b 0 0 0 12.0000 0 -12.0000 -12.0000 6.0000 24.0000 25%"
    assert words(told, "0.Dense") == out.split()
    assert words(told, "loss") == dp.split()
    assert words(told, "0.Dense.W") == f"{W} 1.5000 9.0000".split()  # mean |W|, mean |step|
    assert words(told, "0.Dense.b") == f"{b} 0 6.0000".split()
    assert "864.0000; of single samples 864.0000 to 864.0000" in str(told)
    assert str(told).endswith("The gradient predicts a decrease of 0.5 |grad|^2 = 2592.0000.")


@pytest.mark.parametrize("units", [1, 2])
def test_columns_stay_where_a_sample_has_fewer_than_three_numbers(units):
    model = Sequential([Dense(units)], input_shape=(1,), dtype=np.float64)
    model.layers[0].W = [[2.0] * units]
    x = np.arange(1.0, 13)[:, None]
    y = np.repeat(2 * x - 6 * units, units, axis=1)  # so that dp is 1
    lines = str(explain_step(model, MeanSquaredError(), SGD(0.01), x, y)).splitlines()
    heading = lines[1]
    columns = [heading.index(title) + len(title) for title in EXTENT]

    def figures(of):
        line = next(line for line in lines if f" {of} " in line)
        bounds = [columns[0] - 9, *columns]
        return [line[a:b].strip() for a, b in pairwise(bounds)]

    assert figures("0.Dense") == ["2.0000", "13.0000", "24.0000", "0%"]
    assert figures("loss") == ["1.0000", "1.0000", "1.0000", "0%"]
    assert figures("0.Dense.W") == ["78.0000", "78.0000", "78.0000", "0%"]  # 1 + 2 + ... + 12
    assert figures("0.Dense.b") == ["12.0000", "12.0000", "12.0000", "0%"]


@pytest.mark.parametrize("size", [2, 10000])  # in numbers, and as a summary
def test_a_long_name_or_shape_pushes_no_column(size):
    class HalveButWithAVeryLongName(Halve):
        pass

    layers = [HalveButWithAVeryLongName(), Flatten(), Dense(1)]
    x, y = np.ones((size, 1, 2, 1)), np.ones((size, 1))
    told = explain_step(Sequential(layers, (1, 2, 1)), MeanSquaredError(), SGD(), x, y)
    lines = str(told).splitlines()[2:]
    starts = [a.index(b.equation) for a, b in zip(lines, told.forward, strict=False)]
    ends = [line.rindex("0%") for line in lines[:4]] if size > 2 else [0]
    assert len(starts) == 4
    assert len(set(starts)) == len(set(ends)) == 1


def test_many_inputs_are_summarised_also_where_outputs_are_few():
    model = Sequential([Dense(2), Softmax()], input_shape=(784,))
    told = explain_step(model, CrossEntropy(), SGD(), np.tile([0, 0.5, 1, 0.5], (2, 196)), [0, 1])
    lines = str(told).splitlines()
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 140
    line = "(2,784) x given 0 0.5000 1.0000 0 0.5000 1.0000 25%"
    assert words(told, "x") == line.split()


def test_many_parameters_are_summarised_also_where_inputs_and_outputs_are_few():
    told = explain_step(Sequential([Mix(100)], (2,)), MeanSquaredError(), SGD(), X, X)
    assert len(str(told).splitlines()) <= 20
    assert words(told, "0.Mix.g")[0] == "(100,2,2)"


def test_all_of_six_inputs_are_shown_each_sample_under_its_heading():
    model = Sequential([Dense(2), Softmax()], input_shape=(6,))
    x = np.arange(1, 13).reshape(2, 6)
    told = explain_step(model, CrossEntropy(), SGD(), x, [0, 1])
    assert words(told, "x") == ["x", "given", "(2,6)", *(f"{i}.0000" for i in range(1, 13))]
    heading, inputs, outputs, *_ = str(told).splitlines()[1:]
    second = heading.index("sample 2")
    assert inputs[second:].startswith("7.0000")
    assert outputs[second - 9 : second - 2].isspace()
    assert outputs[second - 2 :].split()[0] == f"{told.forward[1].array[1, 0]:.4f}"


@pytest.mark.parametrize(
    ("optimizer", "rule"),
    [
        (SGD(0.1, momentum=0.5), "velocity <- 0.5 velocity - 0.1 dW,  W <- W + velocity"),
        (SGD(lambda t: 0.25 if t == 1 else 9.0), "W <- W - 0.25 dW"),
    ],
)
def test_the_rule_is_the_optimizers_own(optimizer, rule):
    page = str(explain_step(network_2_2_2(), CrossEntropy(), optimizer, X, [0, 1]))
    assert rule in page
    assert ("|grad|^2" in page) == (not optimizer.momentum)


def test_a_step_that_is_too_large_goes_up():
    same = X[[0, 0]]  # with both labels: nothing is better than a half
    page = str(explain_step(network_2_2_2(), CrossEntropy(), SGD(50.0), same, [0, 1]))
    assert ", up " in page.splitlines()[-1]


def test_a_layer_of_ones_own_is_shown_without_an_equation():
    layers = [Dense(2), Halve(), Softmax()]
    page = str(explain_step(Sequential(layers, (2,)), CrossEntropy(), SGD(), X, [0, 1]))
    assert page.count("1.Halve     (no equation given)") == 2


def test_parameters_with_three_axes_are_shown_row_by_row():
    model = Sequential([Mix(2)], input_shape=(2,), dtype=np.float64)
    model.layers[0].g = [[[1, 0], [0, 1]], [[0, 1], [1, 0]]]
    told = explain_step(model, MeanSquaredError(), SGD(0.5), [[1, 2]], [[2, 4]])  # dp is 1, -1
    assert [line.split() for line in str(told).splitlines()[-5:-1]] == [
        ["0.Mix.g", "1.0000", "0", "1.0000", "-1.0000", "0.5000", "0.5000"],
        ["0", "1.0000", "2.0000", "-2.0000", "-1.0000", "2.0000"],
        ["0", "1.0000", "1.0000", "-1.0000", "-0.5000", "1.5000"],
        ["1.0000", "0", "2.0000", "-2.0000", "0", "1.0000"],
    ]


@pytest.mark.parametrize(
    ("layers", "heading"),
    [
        ([Dense(2)], "dW = x.T dout, db = sum(dout),  W <- W - 0.1 dW"),
        ([Mix(1)], "each array: W <- W - 0.1 dW"),
        ([Mix(1), Dense(2)], "Dense: dW = x.T dout, db = sum(dout);  each array: W <- W - 0.1 dW"),
        ([type("Dense", (Mix,), {})(1)], "each array: W <- W - 0.1 dW"),
    ],
)
def test_the_gradient_equations_of_dense_are_shown_for_dense_only(layers, heading):
    page = str(explain_step(Sequential(layers, (2,)), MeanSquaredError(), SGD(0.1), X, X))
    assert next(line for line in page.splitlines() if line.startswith("UPDATE")) == (
        f"UPDATE        {heading}"
    )


def test_an_optimizer_of_ones_own_is_shown_without_an_equation():
    class Backwards(SGD):
        def update(self, params, grads, rate):
            params += rate * grads

    page = str(explain_step(network_2_2_2(), CrossEntropy(), Backwards(0.1), X, [0, 0]))
    assert "db = sum(dout),  (no equation given)" in page
    assert "|grad|^2" not in page


@pytest.mark.parametrize(
    ("loss", "y", "equations"),
    [
        (CrossEntropy, [0], ("L = mean of -log p[y]", "dp = -onehot(y) / p / B")),
        (CrossEntropy, [[0.25, 0.75]], ("L = mean of -sum y log p", "dp = -y / p / B")),
        (
            SoftmaxCrossEntropy,
            [0],
            ("L = mean of -log softmax(z)[y]", "dz = (softmax - onehot(y)) / B"),
        ),
        (
            SoftmaxCrossEntropy,
            [[0.25, 0.75]],
            ("L = mean of -sum y log softmax(z)", "dz = (softmax(z) - y) / B"),
        ),
    ],
)
def test_the_equations_are_those_of_labels_or_of_rows(loss, y, equations):
    layers = [Dense(2), Softmax()] if loss is CrossEntropy else [Dense(2)]
    told = explain_step(Sequential(layers, (2,)), loss(), SGD(), [[0, 0]], y)  # p is 1/2, 1/2
    assert (told.loss_equation, told.backward[0].equation) == equations
    assert all(f"{equation} " in str(told) for equation in equations)
    assert told.loss == pytest.approx(np.log(2))
    if len(np.shape(y)) == 2:
        dp = [[-0.5, -1.5]] if loss is CrossEntropy else [[0.25, -0.25]]
        assert told.backward[0].array.tolist() == dp


def test_a_random_layer_draws_the_same_again():
    rng = np.random.default_rng(3)
    model = Sequential([Drop(rng), Dense(1)], input_shape=(4,), dtype=np.float64)
    W, b = model.layers[1].W.copy(), 0
    x, y = np.arange(8.0).reshape(2, 4), np.ones((2, 1))
    told = explain_step(model, MeanSquaredError(), SGD(1e-9), x, y)
    kept = x * 2 * (np.random.default_rng(3).random((2, 4)) < 0.5)
    assert kept.any()
    assert told.loss == pytest.approx(np.mean((kept @ W - y) ** 2))
    dp = kept @ W - y
    W, b = W - 1e-9 * kept.T @ dp, b - 1e-9 * dp.sum()
    assert told.loss_after == pytest.approx(np.mean((kept @ W + b - y) ** 2), rel=1e-12)
    assert told.loss - told.loss_after == pytest.approx(told.predicted_decrease, rel=1e-3)
    assert "AGAIN  same batch: loss" in str(told)
    assert f"down {told.predicted_decrease:.1e}. " in str(told)  # not 0.0000
    assert rng.random() == np.random.default_rng(3).random()  # yours has not drawn


def test_a_layer_that_draws_from_elsewhere_is_not_compared_in_silence():
    elsewhere = np.random.default_rng(3)

    class DropElsewhere(Drop):
        def forward(self, x, training=True):
            self.rng = elsewhere
            return super().forward(x, training)

    model = Sequential([DropElsewhere(None), Dense(1)], input_shape=(40,), dtype=np.float64)
    told = explain_step(model, MeanSquaredError(), SGD(1e-6), np.ones((2, 40)), np.ones((2, 1)))
    assert "AGAIN  same batch, other random numbers: loss" in str(told)


def test_the_backward_that_is_shown_is_the_one_that_training_calls():
    class Own(Halve):
        def backward(self, dout):
            return 3 * dout

    def network():
        return Sequential([Dense(2), Own(), Dense(2)], input_shape=(2,))

    told = explain_step(network(), MeanSquaredError(), SGD(), X, X)
    model, loss = network(), MeanSquaredError()
    model.backward(loss.backward(model.forward(X), X))
    np.testing.assert_array_equal(told.updates[0].gradient, model.layers[0].dW)


def test_the_picture_has_a_panel_for_each_array_and_says_the_numbers(tmp_path):
    told = explain_step(network_2_2_2(), CrossEntropy(), SGD(0.1), X, [0, 0])
    figure = told.figure(tmp_path / "step.png")
    assert (tmp_path / "step.png").read_bytes().startswith(b"\x89PNG")
    titles = [panel.get_title() for panel in figure.axes if panel.axison]
    names = ["0.Dense", "1.ReLU", "2.Dense", "3.Softmax"]
    assert titles == ["x", *names, *(f"d {name}" for name in names)]
    panels = {panel.get_title(): panel for panel in figure.axes}
    texts = [text.get_text() for text in panels["d 2.Dense"].texts]
    assert texts == ["-0.07", "0.07", "-0.31", "0.31"]
    texts = [text.get_text() for text in panels["d 3.Softmax"].texts]
    assert texts == ["-0.59", "0.00", "-1.32", "0.00"]  # not -0.00
    np.testing.assert_array_equal(panels["0.Dense"].images[0].get_array(), [[1, 0.5], [-0.25, 1]])
    colours = panels["0.Dense"].images[0].norm
    assert (colours.vmin, colours.vmax) == (-1, 1)  # white is 0


@pytest.mark.slow
def test_the_picture_of_a_large_network_has_no_numbers():
    figure = explain_step(real_network(Softmax()), CrossEntropy(), Adam(), *images()).figure()
    assert not any(panel.texts for panel in figure.axes)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((None, CrossEntropy(), SGD(), X, [0, 1]), "model must be a Sequential"),
        ((network_2_2_2(), CrossEntropy, SGD(), X, [0, 1]), r"Write CrossEntropy\(\)"),
        ((network_2_2_2(), CrossEntropy(), SGD, X, [0, 1]), r"Write SGD\(\)"),
        ((network_2_2_2(), CrossEntropy(), SGD(), X[0], [0, 1]), r"one sample \(2,\)"),
        ((network_2_2_2(), CrossEntropy(), SGD(), X, [0]), "the same number of samples"),
        ((network_2_2_2(), CrossEntropy(), SGD(), X, [0, 2]), "y contains 2"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        explain_step(*arguments)


def test_a_layer_that_works_in_place_changes_no_number_of_another():
    pages = []
    for layer in (ReLU(), InPlaceReLU()):
        model = Sequential([Dense(2), layer, Dense(2), Softmax()], input_shape=(2,))
        model.layers[0].W = [[0.5, -0.5], [0.25, 0.5]]
        model.layers[2].W = [[1, -1], [0.5, 1]]
        pages.append(explain_step(model, CrossEntropy(), SGD(0.1), [[1, 2], [-1, 1]], [0, 0]))
    for ours, theirs in zip(*([*page.forward, *page.backward] for page in pages), strict=True):
        assert ours.array.tolist() == theirs.array.tolist()
    for ours, theirs in zip(*(page.updates for page in pages), strict=True):
        assert ours.after.tolist() == theirs.after.tolist()
