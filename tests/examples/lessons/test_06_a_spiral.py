"""Lesson 6: no line separates two arms of a spiral; a network with hidden layers does."""

import numpy as np
import pytest

from tinynn import SGD, CrossEntropy, Dense, ReLU, Sequential, Softmax


def trained(x, y, hidden, seed):
    layers = [layer for units in hidden for layer in (Dense(units), ReLU())]
    model = Sequential([*layers, Dense(2), Softmax()], input_shape=x.shape[1:], seed=seed)
    loss, optimizer = CrossEntropy(), SGD(0.2)
    for _ in range(2000):
        model.backward(loss.backward(model.forward(x), y))
        optimizer.step(model.params, model.grads)
    return np.mean(model.predict(x).argmax(axis=1) == y)


def test_hidden_layers_with_relu_tell_the_arms_apart_and_nothing_else_does(lesson):
    six = lesson("06")
    for flat in ("no hidden layer", "two, without ReLU"):
        assert max(six.accuracies[flat]) < 0.65
    assert six.accuracies["two, with ReLU"][0] >= 0.995
    assert six.accuracies["two, with ReLU"][1] >= 0.96  # points that it has not seen
    shares = [right for right, _ in six.networks["two, with ReLU"][1]]
    assert shares[0] < 0.6 < 0.99 <= shares[-1]


def answers(model, x):
    """Return p of arm 1, computed from the weights with NumPy: with ReLU if the model has it."""
    *hidden, W, b = model.named_parameters().values()
    bent = any(isinstance(layer, ReLU) for layer in model.layers)
    for V, c in zip(hidden[::2], hidden[1::2], strict=True):
        x = np.maximum(x @ V + c, 0) if bent else x @ V + c
    z = x @ W + b
    return 1 / (1 + np.exp(z[:, 0] - z[:, 1]))


def test_the_shares_are_those_that_the_weights_give(lesson):
    six = lesson("06")
    line, bent = [0.53, 0.53], [1.00, 0.98]
    expected = {"no hidden layer": line, "two, without ReLU": line, "two, with ReLU": bent}
    for name, of_both in expected.items():
        model = six.networks[name][0]
        shares = [
            np.mean((answers(model, x) > 0.5) == y)
            for x, y in ((six.x, six.y), (six.x_new, six.y_new))
        ]
        assert shares == pytest.approx(of_both, abs=0.02)
        assert six.accuracies[name] == pytest.approx(shares, abs=0.004)


def test_without_relu_it_ends_with_the_line_of_the_network_without_hidden_layers(lesson):
    """A line is known by its three coefficients, up to a common factor."""
    six = lesson("06")
    one, two, three, _ = six.networks["two, without ReLU"][0].layers
    W, b = one.W @ two.W @ three.W, (one.b @ two.W + two.b) @ three.W + three.b
    first = six.networks["no hidden layer"][0].layers[0]
    lines = [np.append(V[:, 1] - V[:, 0], c[1] - c[0]) for V, c in ((W, b), (first.W, first.b))]
    ends, draws = (line / np.linalg.norm(line) for line in lines)
    np.testing.assert_allclose(ends, draws, atol=1e-3)


@pytest.mark.slow
def test_no_straight_line_separates_the_arms(lesson):
    """Any line can be shifted and turned until it runs through two points, and no other changes."""
    six = lesson("06")
    i, j = np.triu_indices(len(six.x), k=1)
    along = six.x[j] - six.x[i]  # (pairs, 2)
    across = six.x[None] - six.x[i][:, None]  # (pairs, points, 2)
    left = along[:, :1] * across[..., 1] - along[:, 1:] * across[..., 0] > 0
    agree = (left == six.y).sum(axis=1)
    most = (np.maximum(agree, len(six.x) - agree).max() + 2) / len(six.x)
    assert six.best <= most < 0.7
    assert six.best == pytest.approx(most, abs=0.02)


def test_three_layers_without_an_activation_function_are_one(lesson):
    six = lesson("06")
    p = six.networks["two, without ReLU"][0].predict(six.x)
    of_z = np.exp(six.z[:, 1]) / np.exp(six.z).sum(axis=1)
    assert np.allclose(p[:, 1], of_z, atol=1e-4)
    assert six.agree > 0.99
    a, b, c = np.eye(3)  # corners: with them, all other points of a plane are known
    inner = six.networks["two, without ReLU"][0].layers[:3]

    def logits(point):
        row = point[None, :2].astype(np.float32)
        for layer in inner:
            row = layer.forward(row, training=False)
        return row[0]

    middle = logits((a + b + c) / 3)
    assert np.allclose(middle, (logits(a) + logits(b) + logits(c)) / 3, atol=1e-4)


@pytest.mark.slow
def test_the_answer_to_the_first_question(lesson):
    """Deep: two layers of 8, with 114 parameters, outdo one of 128, with 642: 0.8 to 0.6."""
    six = lesson("06")
    deep = np.mean([trained(six.x, six.y, (8, 8), seed) for seed in range(2)])
    wide = trained(six.x, six.y, (128,), seed=0)
    assert deep > wide + 0.1


def test_the_answer_to_the_second_question(lesson):
    """It is cos(angle - 4 pi r), so 1 on one arm and -1 on the other: the spiral unwound."""
    six = lesson("06")
    r = np.hypot(six.x[:, 0], six.x[:, 1])
    third = (six.x[:, 0] * np.cos(4 * np.pi * r) + six.x[:, 1] * np.sin(4 * np.pi * r)) / r
    assert third[six.y == 0].mean() > 0.95
    assert third[six.y == 1].mean() < -0.95
    assert trained(np.column_stack([six.x, third]), six.y, (), seed=0) == 1


def test_the_picture_shows_at_six_moments_the_answers_around_the_points(lesson):
    """The share of each moment is counted again, by the background's colour at each point."""
    six = lesson("06")
    shares = []
    for panel in six.drawn[:6]:
        (ground,) = panel.axes.images
        p = ground.get_array()[:: 1 if ground.origin == "lower" else -1]
        left, right, bottom, top = ground.get_extent()
        right_ones = []
        for arm in (0, 1):
            points = panel.curves[f"arm {arm}"]
            np.testing.assert_array_equal(points, six.x[six.y == arm])
            across = ((points[:, 0] - left) / (right - left) * 150).astype(int)
            up = ((points[:, 1] - bottom) / (top - bottom) * 150).astype(int)
            right_ones.append((p[up, across] > 0.5) == arm)
        shares.append(np.mean(right_ones))
        orange, blue = ground.to_rgba([0, 1])
        assert orange[0] > orange[2]
        assert blue[2] > blue[0]
    counted = [right for right, _ in six.networks["two, with ReLU"][1]]
    assert shares == pytest.approx(counted, abs=0.03)  # a pixel is not a point
    assert max(shares[:3]) < 0.68  # 0.62 after 100, 0.57 after 500
    assert 0.68 < shares[3] < shares[4] - 0.05 < shares[5] - 0.05  # 0.75, 0.93, 1.00


def test_the_last_panel_is_what_the_weights_say_and_its_dashed_line_that_of_the_first(lesson):
    six = lesson("06")
    axes = six.drawn[5].axes
    grid = np.linspace(-1.15, 1.15, 150)
    corners = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    p = answers(six.networks["two, with ReLU"][0], corners).reshape(150, 150)
    shown = axes.images[0].get_array()
    np.testing.assert_allclose(shown, p, atol=0.05)  # the weights are a step further
    first = six.networks["no hidden layer"][0].layers[0]
    dashed = axes.collections[0].get_paths()[0].vertices
    logits = dashed @ first.W + first.b
    assert np.ptp(dashed[:, 0]) > 2  # from side to side
    np.testing.assert_allclose(logits[:, 0], logits[:, 1], atol=1e-3)
