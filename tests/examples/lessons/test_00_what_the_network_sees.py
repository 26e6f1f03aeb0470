"""Lesson 0: input_gradient is right, and a step along it raises the logit."""

import numpy as np
import pytest


def logits(weights, x):
    """Return logits (N, 10), and the masks of the units, by the weights and NumPy alone."""
    out, masks = np.reshape(x, (-1, 784)), []
    for i in range(0, len(weights), 2):
        out = out @ weights[i] + weights[i + 1]
        if i < len(weights) - 2:
            masks.append(out > 0)
            out = out * masks[-1]
    return out, np.hstack(masks)


def probabilities(weights, x):
    """Return the ten probabilities of one image: softmax of its logits."""
    z = logits(weights, x)[0][0]
    return np.exp(z - z.max()) / np.exp(z - z.max()).sum()


@pytest.fixture(scope="module")
def weights(lesson):
    model = lesson("00").model
    return [W.astype(np.float64) for W in model.named_parameters().values()]


@pytest.mark.parametrize("k", [1, 4, 6])
def test_the_input_gradient_is_the_derivative_at_every_pixel(lesson, weights, k):
    zero = lesson("00")
    image, h = zero.x[7].astype(np.float64).ravel(), 1e-6
    up, mask_up = logits(weights, image + h * np.eye(784))
    down, mask_down = logits(weights, image - h * np.eye(784))
    smooth = (mask_up == mask_down).all(axis=1)  # no unit of ReLU changes sides on the way
    assert smooth.mean() > 0.99
    differences = (up - down)[:, k] / (2 * h)
    backward = zero.gradient(zero.exact, image.reshape(1, 28, 28), np.eye(10)[k]).ravel()
    np.testing.assert_allclose(backward[smooth], differences[smooth], atol=1e-6)
    assert np.abs(differences).max() > 0.1


def test_the_derivative_in_one_direction_is_what_the_lesson_says(lesson):
    zero = lesson("00")
    assert zero.measured == pytest.approx(zero.predicted, rel=1e-6)
    assert f"{zero.predicted:.8e}" in zero.text


def test_the_images_shown_are_the_surest_mistakes_and_the_least_sure(lesson, weights):
    zero = lesson("00")
    z, _ = logits(weights, zero.x.astype(np.float64))
    e = np.exp(z - z.max(axis=1, keepdims=True))
    sure, answers = (e / e.sum(axis=1, keepdims=True)).max(axis=1), z.argmax(axis=1)
    wrong = answers != zero.y
    assert np.mean(~wrong) > 0.75
    assert wrong[zero.surest_mistakes].all()
    assert sure[zero.surest_mistakes].min() == pytest.approx(np.sort(sure[wrong])[-6], abs=1e-4)
    assert sure[zero.least_sure].max() == pytest.approx(np.sort(sure)[5], abs=1e-4)


def test_ascent_raises_the_logit_above_that_of_any_real_image(lesson, weights):
    zero = lesson("00")
    z, _ = logits(weights, np.concatenate(zero.ascent))
    assert z[-1, 1] > logits(weights, zero.x)[0][:, 1].max() + 2  # 9 to 18, by rounding
    assert z[20, 1] > z[0, 1]
    assert 0 <= zero.ascent[-1].min() <= zero.ascent[-1].max() <= 1


def test_a_shirt_becomes_a_coat_by_small_changes(lesson, weights):
    zero = lesson("00")
    first, last = (logits(weights, image)[0].argmax() for image in (zero.path[0], zero.path[-1]))
    assert (first, last, zero.y[zero.chosen]) == (6, 4, 6)
    assert 0 < np.abs(zero.change).mean() < 0.1
    assert len(zero.path) < 200


def test_the_answer_to_the_first_question(lesson, weights):
    """The same changes in other places do not make it a coat: the direction counts."""
    zero, rng = lesson("00"), np.random.default_rng(0)
    dealt = [rng.permutation(zero.change.ravel()) for _ in range(50)]
    z, _ = logits(weights, np.clip(zero.path[0].ravel() + np.array(dealt), 0, 1))
    assert np.mean(z.argmax(axis=1) == 6) > 0.6


def test_the_answer_to_the_second_question(lesson, weights):
    """With all units active it is the product of the four matrices."""
    zero = lesson("00")
    model = zero.model.astype(np.float64)
    for i in (1, 3, 5):
        model.layers[i].b += 1000.0**i  # so that every unit is active
    product = weights[0] @ weights[2] @ weights[4] @ weights[6]  # (784, 10)
    gradient = zero.gradient(model, zero.x[:1], np.eye(10)[3])
    assert all(model.layers[i].mask.all() for i in (2, 4, 6))
    np.testing.assert_allclose(gradient.ravel(), product[:, 3], atol=1e-9)


def test_the_printed_logits_are_those_of_the_images(lesson, weights):
    zero = lesson("00")
    z, _ = logits(weights, np.concatenate([zero.ascent[0], zero.ascent[200]]))
    highest = logits(weights, zero.x)[0][:, 1].max()
    printed = [zero.logit_at[0], zero.logit_at[-1], zero.best_real]
    assert printed == pytest.approx([*z[:, 1], highest], abs=1e-3)


def test_the_picture_shows_six_mistakes_and_the_six_least_sure_in_order(lesson, weights):
    zero = lesson("00")
    sureness, right = [], []
    for panel in zero.drawn[:12]:
        image = panel.axes.images[0].get_array().data  # without its mask
        (i,) = np.flatnonzero((zero.x == image).all(axis=(1, 2)))
        p = probabilities(weights, image)
        sureness.append(p.max())
        right.append(p.argmax() == zero.y[i])
    assert not any(right[:6])
    assert sureness[:6] == sorted(sureness[:6], reverse=True)
    assert sureness[6:] == sorted(sureness[6:])


def test_the_picture_shows_both_ascents(lesson):
    zero = lesson("00")
    *grey, shirt, change, coat = zero.drawn[12:]
    for panel, steps in zip(grey, (0, 20, 200), strict=True):
        image = panel.axes.images[0].get_array().data  # without its mask
        np.testing.assert_array_equal(image, zero.ascent[steps][0])
    first, difference, last = (p.axes.images[0].get_array().data for p in (shirt, change, coat))
    assert (zero.x[zero.chosen] == first).all()
    np.testing.assert_array_equal(last, zero.path[-1][0])
    np.testing.assert_allclose(first + difference, last, atol=1e-6)
    most = np.abs(difference).max()
    darker, _, brighter = change.axes.images[0].to_rgba([-most, 0, most])
    assert brighter[2] > brighter[0]  # more blue than red
    assert darker[0] > darker[2]
