"""Lesson 2: a line stays at ln 2, hidden units get under 0.01; gradients by hand and explained."""

import re

import numpy as np
import pytest

LN2 = 0.6931471805599453


def test_a_straight_line_stays_at_the_loss_of_guessing(lesson):
    two = lesson("02")
    assert two.line_losses[-1] == pytest.approx(LN2, abs=1e-4)
    assert min(two.line_losses) > LN2 - 1e-9
    assert two.W[:, 1] - two.W[:, 0] == pytest.approx(0, abs=0.02)  # no preference is left


def test_hidden_units_solve_xor(lesson):
    two = lesson("02")
    assert two.losses[-1] < 0.01
    for (a, b), h in zip(two.x, two.h, strict=True):
        lead = h @ (two.W2[:, 1] - two.W2[:, 0]) + two.b2[1] - two.b2[0]
        assert (lead > 0) == (a != b)


def test_gradients_by_hand_are_those_of_explain_step(lesson):
    two = lesson("02")
    names = [update.name for update in two.step.updates]
    assert names == ["0.Dense.W", "0.Dense.b", "2.Dense.W", "2.Dense.b"]
    for update, by_hand in zip(two.step.updates, two.by_hand, strict=True):
        assert np.abs(by_hand).max() > 1e-3
        np.testing.assert_allclose(by_hand, update.gradient, rtol=1e-12, atol=1e-15)
    assert two.loss == pytest.approx(two.step.loss, rel=1e-12)


def test_the_page_of_explain_step_prints_the_numbers_that_are_printed_by_hand(lesson):
    page, by_hand = lesson("02").text.split("One training step: 4 samples")[1].split("by hand: ")
    loss, *lines = by_hand.split("The picture is in")[0].strip().splitlines()
    assert f" {loss.split()[-1]} " in page.split("\nLOSS")[1].splitlines()[0]
    printed = [number for line in lines for number in line.split()[1:]]
    assert len(printed) == 12
    update = page.split("UPDATE")[1].split("AGAIN")[0]
    rows = [re.findall(r"-?\d\.\d{4}|(?<= )0(?= )", line) for line in update.splitlines()[2:]]
    gradients = [row[len(row) // 3 : -(len(row) // 3)] for row in rows if row]
    assert [number for row in gradients for number in row] == printed


def test_gradients_by_hand_are_those_of_finite_differences(lesson):
    """Of a loss that is written out here, sample by sample."""
    two = lesson("02")
    parameters = two.start(2, 44)

    def loss():
        W1, b1, W2, b2 = parameters
        total = 0.0
        for bits in ((0, 0), (0, 1), (1, 0), (1, 1)):
            h = [max(bits[0] * W1[0, j] + bits[1] * W1[1, j] + b1[j], 0) for j in (0, 1)]
            z = [h[0] * W2[0, c] + h[1] * W2[1, c] + b2[c] for c in (0, 1)]
            right = bits[0] ^ bits[1]
            total += np.log(np.exp(z[0]) + np.exp(z[1])) - z[right]
        return total / 4

    for array, by_hand in zip(parameters, two.by_hand, strict=True):
        for index in np.ndindex(array.shape):
            kept = array[index]
            # Biases start at 0, and 0 0 lies on the kink of both units. They are active above,
            # but ReLU's derivative at the kink is 0, so only the step down is compared there.
            high = 0 if array is parameters[1] else 1e-6
            array[index] = kept + high
            above = loss()
            array[index] = kept - 1e-6
            below = loss()
            array[index] = kept
            difference = (above - below) / (high + 1e-6)
            assert by_hand[index] == pytest.approx(difference, abs=1e-5)


def test_the_share_of_seeds_is_that_of_the_text(lesson):
    two = lesson("02")
    solved = {units: sum(end < 0.1 for end in ended) for units, ended in two.ends.items()}
    assert 15 <= solved[2] <= 30  # about a fifth
    assert solved[8] >= 90  # nearly all
    assert two.ends[2][44] < 0.01


def test_the_answer_to_the_first_question(lesson):
    """Both diagonals give one sum, so any line that gains on one loses as much on the other."""
    x, rng = lesson("02").x, np.random.default_rng(1)
    sign = np.array([-1, 1, 1, -1])
    for scale in (0.1, 1, 10):
        leads = x @ rng.normal(0, scale, (2, 1000)) + rng.normal(0, scale, 1000)  # (4, 1000)
        assert leads[0] + leads[3] == pytest.approx(leads[1] + leads[2])
        assert np.logaddexp(0, -sign[:, None] * leads).mean(axis=0).min() > LN2 - 1e-12


def test_the_answer_to_the_second_question(lesson):
    """Two points share one h: p is 1/2 there. Three: 1/3 and 2/3. What is left costs nothing."""
    ended = np.array(lesson("02").ends[2])
    two_points = 2 * np.log(2) / 4
    three_points = (np.log(3) + 2 * np.log(3 / 2)) / 4
    assert f"{two_points:.2f} {three_points:.2f}" == "0.35 0.48"
    others = ended[ended > 0.1]
    expected = np.array([two_points, three_points, LN2])
    assert np.abs(others[:, None] - expected).min(axis=1).max() < 0.03
    assert np.sum(np.abs(others - three_points) < 0.03) > 30
    assert np.sum(np.abs(others - two_points) < 0.03) > 3


def test_the_picture_shows_both_losses(lesson):
    two = lesson("02")
    panel = two.drawn[0]
    assert panel.curves["guessing: ln 2"][:, 1] == pytest.approx(LN2)
    for name, losses in (("a straight line", two.line_losses), ("two hidden units", two.losses)):
        np.testing.assert_array_equal(panel.curves[name], list(enumerate(losses)))


def test_the_picture_shows_the_bits_before_and_after_the_hidden_units(lesson):
    """In both planes the background around a point has the colour of the point's right answer."""
    two = lesson("02")
    _, inputs, hidden = two.drawn
    bits = {0: np.array([[0, 0], [1, 1]]), 1: np.array([[0, 1], [1, 0]])}

    def behind(points):
        return np.maximum(points @ two.W1 + two.b1, 0)

    rng = np.random.default_rng(0)
    for panel, unit in ((inputs, lambda points: points), (hidden, behind)):
        background = panel.axes.collections[0]
        for answer, points in bits.items():
            drawn = panel.curves[f"right answer {answer}"]
            np.testing.assert_allclose(drawn, unit(points), atol=1e-12)
            assert all(background.get_paths()[answer].contains_points(drawn))
        anywhere = rng.uniform(*panel.axes.get_xlim(), (400, 2))
        lead = (behind(anywhere) if panel is inputs else anywhere) @ two.W2 + two.b2
        blue = background.get_paths()[1].contains_points(anywhere)
        assert np.mean(blue == (lead[:, 1] > lead[:, 0])) > 0.98
        orange, blue = background.get_facecolors()
        assert orange[0] > orange[2]
        assert blue[2] > blue[0]
