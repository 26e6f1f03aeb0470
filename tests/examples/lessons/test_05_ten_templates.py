"""Lesson 5: logits are dot products with templates; ten templates recognise 4 in 5 images."""

import numpy as np
import pytest

from tinynn import datasets


@pytest.fixture(scope="module")
def data():
    """The same images, scaled here: rows of 784 numbers from 0 to 1."""
    (x, y), (x_test, y_test) = datasets.load_sample()
    return x.reshape(-1, 784) / 255.0, y, x_test.reshape(-1, 784) / 255.0, y_test


def test_a_logit_is_a_dot_product_with_the_template(lesson, data):
    five, (_, _, x_test, _) = lesson("05"), data
    columns = np.stack([template.ravel() for template in five.templates], axis=1).astype(float)
    z = x_test @ columns + five.dense.b  # (1000, 10)
    logs = np.log(five.p_test.astype(float))  # log p_i - log p_j = z_i - z_j
    assert np.allclose(logs - logs[:, :1], z - z[:, :1], atol=1e-3)
    assert np.allclose(five.p_hand, five.p_model, atol=1e-5)


def test_ten_templates_recognise_four_in_five_images_never_seen(lesson, data):
    """Over eight seeds it is 0.811 to 0.825."""
    five, (_, _, x_test, y_test) = lesson("05"), data
    z = [[np.vdot(t, row.reshape(28, 28)) for t in five.templates] for row in x_test]
    assert np.mean((np.array(z) + five.dense.b).argmax(axis=1) == y_test) >= 0.8
    assert five.right >= 0.8
    assert min(five.recognised, key=five.recognised.get) == "Shirt"


def test_a_template_is_a_weighted_sum_of_images(lesson, data):
    """The text's equation, in the same order, adding up for each image how often it was added."""
    five, (x, y, _, _) = lesson("05"), data
    answers = y[:, None] == np.arange(10)
    W, b, added = np.zeros((784, 10)), np.zeros(10), np.zeros((6000, 10))
    for t in range(25 * 120):
        if t % 120 == 0:
            key = np.random.SeedSequence(0, spawn_key=(1, t // 120 + 1))
            order = np.random.default_rng(key).permutation(6000)
        batch = order[t % 120 * 50 :][:50]
        e = np.exp(x[batch] @ W + b)
        step = 0.1 / (1 + (t + 1) / 500) * (answers[batch] - e / e.sum(axis=1, keepdims=True)) / 50
        W += x[batch].T @ step
        b += step.sum(axis=0)
        added[batch] += step
    templates = np.stack([template.ravel() for template in five.templates], axis=1)
    assert np.allclose(x.T @ added, templates, atol=1e-3)
    assert (added * answers).sum() > 0 > (added * ~answers).sum()


def test_the_answer_to_the_first_question(lesson):
    """Zero: what a step adds to one template it takes from the others; p and y both sum to 1."""
    templates = lesson("05").templates
    assert np.abs(templates).max() > 0.1
    assert np.abs(templates.sum(axis=0)).max() < 1e-4


def test_the_answer_to_the_second_question(lesson, data):
    """An average ignores the other classes; training weakens what two classes have in common."""
    x, y, x_test, y_test = data
    averages = np.stack([x[y == c].mean(axis=0) for c in range(10)], axis=1)
    distances = ((x_test[:, :, None] - averages) ** 2).sum(axis=1)
    share = np.mean(distances.argmin(axis=1) == y_test)
    z = x_test @ averages - (averages**2).sum(axis=0) / 2
    assert np.mean(z.argmax(axis=1) == y_test) == pytest.approx(share, abs=0.002)
    assert 0.6 < share < lesson("05").right - 0.1


def test_the_picture_shows_each_template(lesson):
    five = lesson("05")
    templates = five.model.named_parameters()["1.Dense.W"].T.reshape(10, 28, 28)
    for c, panel in enumerate(five.drawn[:10]):
        (image,) = panel.axes.images
        np.testing.assert_array_equal(image.get_array(), templates[c])
        low, high = image.get_clim()
        assert 0 < high == -low
        against, _, towards = image.to_rgba([low, 0, high])
        assert towards[2] > towards[0]  # blue for
        assert against[0] > against[2]  # red against


def test_the_picture_shows_a_boot_and_how_its_logits_add_up(lesson, data):
    five, (_, _, x_test, y_test) = lesson("05"), data
    photograph, *laid_over, bars = five.drawn[11:]
    image = np.asarray(photograph.axes.images[0].get_array(), float)
    (place,) = np.flatnonzero(np.isclose(x_test, image.ravel(), atol=1e-6).all(axis=1))
    assert datasets.CLASS_NAMES[y_test[place]] == "Ankle boot"

    z = [np.vdot(image, t) + b for t, b in zip(five.templates, five.dense.b, strict=True)]
    for panel, c in zip(laid_over, np.argsort(z)[:-3:-1], strict=True):  # the two largest
        shown = panel.axes.images[0].get_array()
        np.testing.assert_allclose(shown, image * five.templates[c], atol=1e-6)
        assert shown.sum() + five.dense.b[c] == pytest.approx(z[c], abs=1e-4)

    assert [bar.get_width() for bar in bars.axes.patches] == pytest.approx(z, abs=1e-4)
    for bar in bars.axes.patches:
        red, _, blue, _ = bar.get_facecolor()
        assert (blue > red) == (bar.get_width() > 0)
