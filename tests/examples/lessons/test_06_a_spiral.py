"""Lesson 6: no line tells two arms of a spiral apart, a network with hidden layers does."""

import numpy as np
import pytest

from tinynn import SGD, CrossEntropy, Dense, ReLU, Sequential, Softmax


def trained(x, y, hidden, seed):
    layers = [layer for units in hidden for layer in (Dense(units), ReLU())]
    model = Sequential([*layers, Dense(2), Softmax()], input_shape=x.shape[1:], seed=seed)
    loss, optimizer = CrossEntropy(), SGD(0.5)
    for _ in range(2000):
        model.backward(loss.backward(model.forward(x), y))
        optimizer.step(model.params, model.grads)
    return np.mean(model.predict(x).argmax(axis=1) == y)


def test_hidden_layers_with_relu_tell_the_arms_apart_and_nothing_else_does(lesson):
    six = lesson("06")
    for flat in ("no hidden layer", "two, without ReLU"):
        assert max(six.scores[flat]) < 0.65
    assert six.scores["two, with ReLU"][0] >= 0.99
    assert six.scores["two, with ReLU"][1] >= 0.96  # points that it has not seen
    shares = [right for right, _ in six.networks["two, with ReLU"][1]]
    assert shares[0] < 0.6 < 0.99 <= shares[-1]


def test_no_line_at_all_does_it(lesson):
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


def test_three_layers_without_a_bend_are_one(lesson):
    six = lesson("06")
    p = six.networks["two, without ReLU"][0].predict(six.x)
    of_z = np.exp(six.z[:, 1]) / np.exp(six.z).sum(axis=1)
    assert np.allclose(p[:, 1], of_z, atol=1e-4)
    assert six.agree > 0.99
    a, b, c = np.eye(3)  # corners: with them, all other points of a plane are known
    inner = six.networks["two, without ReLU"][0].layers[:3]

    def scores(point):
        row = point[None, :2].astype(np.float32)
        for layer in inner:
            row = layer.forward(row, training=False)
        return row[0]

    middle = scores((a + b + c) / 3)
    assert np.allclose(middle, (scores(a) + scores(b) + scores(c)) / 3, atol=1e-4)


def test_the_answer_to_the_first_question(lesson):
    """Deep: two layers of 8, with 114 parameters, outdo one of 128, with 642."""
    six = lesson("06")
    deep = np.mean([trained(six.x, six.y, (8, 8), seed) for seed in range(4)])
    wide = np.mean([trained(six.x, six.y, (128,), seed) for seed in range(2)])
    assert deep > wide + 0.1


def test_the_answer_to_the_second_question(lesson):
    """It is cos(angle - 4 pi r), so 1 on one arm and -1 on the other: the spiral unwound."""
    six = lesson("06")
    r = np.hypot(six.x[:, 0], six.x[:, 1])
    third = (six.x[:, 0] * np.cos(4 * np.pi * r) + six.x[:, 1] * np.sin(4 * np.pi * r)) / r
    assert third[six.y == 0].mean() > 0.95
    assert third[six.y == 1].mean() < -0.95
    assert trained(np.column_stack([six.x, third]), six.y, (), seed=0) == 1
