"""Lesson 3: the V of finite differences, with its bottom where theory says, and a bug they find."""

import re

import numpy as np
import pytest

from tinynn import SGD, Dense, ReLU, Sequential


def arms(h, errors, bottom, eps):
    """Return the slopes, on log-log axes, well to the left and well to the right of the bottom."""
    h, errors = np.asarray(h), np.asarray(errors)
    left = (h < bottom / 8) & (h > 20 * eps)
    right = (h > bottom * 8) & (h < 0.5)
    return [np.polyfit(np.log(h[arm]), np.log(errors[arm]), 1)[0] for arm in (left, right)]


def test_the_error_is_a_v_with_its_bottom_at_the_cube_root_of_eps(lesson):
    three = lesson("03")
    for dtype, h, errors in (
        (np.float64, three.steps, three.central64),
        (np.float32, three.steps32, three.central32),
    ):
        eps = float(np.finfo(dtype).eps)
        bottom = h[np.argmin(errors)]
        assert 1 / 6 < bottom / eps ** (1 / 3) < 6
        left, right = arms(h, errors, eps ** (1 / 3), eps)
        assert left == pytest.approx(-1, abs=0.15)
        assert right == pytest.approx(2, abs=0.15)
        assert eps ** (2 / 3) / 20 < min(errors) < eps ** (2 / 3) * 20


def test_the_right_arm_is_the_term_that_taylor_leaves(lesson):
    """h^2/6 L''' with L' = p - 1 and p = 1/(1 + exp(-w)): L''' = p (1 - p) (1 - 2p)."""
    three = lesson("03")
    p = 1 / (1 + np.exp(-three.weights))
    third = np.abs(p * (1 - p) * (1 - 2 * p)).mean()
    for h in (1e-3, 1e-2, 1e-1):
        error = three.central64[np.abs(three.steps / h - 1).argmin()]
        assert error == pytest.approx(h**2 / 6 * third, rel=0.02)


def test_the_bug_costs_what_the_text_prints_and_raises_nothing(lesson):
    """The two networks differ only in the T: both losses fall, but the wrong one not as far."""
    three = lesson("03")
    right, wrong = map(float, re.findall(r"^(?:My)?Dense: .* (\S+)$", three.text, re.M))
    assert right < 0.05
    assert 0.1 < wrong < 0.6


def test_how_much_the_bug_costs_depends_on_the_seed(lesson):
    three = lesson("03")

    def ends_at(layer, seed):
        layers = [Dense(4), ReLU(), layer, ReLU(), Dense(2)]
        model = Sequential(layers, input_shape=(2,), seed=seed, dtype=np.float64)
        optimizer = SGD(0.3)
        for _ in range(500):
            z = model.forward(three.x)
            model.backward(three.loss.backward(z, three.y))
            optimizer.step(model.params, model.grads)
        return three.loss.forward(z, three.y)

    costs = [ends_at(three.MyDense(4), seed) - ends_at(Dense(4), seed) for seed in range(8)]
    much = np.flatnonzero(np.array(costs) > 0.9 * costs[4])
    assert len(much) == 2
    assert 4 in much
    assert costs[4] > 0.3
    assert sum(cost < 0.01 for cost in costs) == 4


def test_the_report_points_at_the_bug(lesson):
    three = lesson("03")
    assert three.report.culprit.name == "2.MyDense.x"
    assert "if W is transposed" in three.report.diagnosis
    verdicts = [row.verdict for row in three.report.rows]
    assert verdicts == ["ok"] * 7 + ["WRONG"] + ["follows"] * 4
    mended = three.network(three.ReLU(), Dense(4), three.ReLU())
    assert three.check_gradients(mended, three.loss, three.x[:5], three.y[:5]).ok


def test_the_answer_to_the_first_question(lesson):
    """h + eps / h is smallest at the square root of eps, and there it is about as large as that."""
    three = lesson("03")
    root = float(np.finfo(np.float64).eps) ** 0.5
    assert 1 / 10 < three.steps[np.argmin(three.one64)] / root < 10
    assert 1 / 20 < min(three.one64) / root < 20
    left, right = arms(three.steps, three.one64, root, root**2)
    assert left == pytest.approx(-1, abs=0.15)
    assert right == pytest.approx(1, abs=0.15)


def test_the_answer_to_the_second_question(lesson):
    """The derivative is 1 - out^2, not 1 - x^2; for small x the two differ by 2/3 x^4 only."""
    three = lesson("03")

    class Mended(three.MyTanh):
        def input_gradient(self, dout):
            return dout * (1 - np.tanh(self.x) ** 2)

    def check(layer, x):
        return three.check_gradients(three.network(layer), three.loss, x, three.y[:5])

    report = check(three.MyTanh(), three.x[:5])
    assert report.culprit.name == "1.MyTanh.x"
    milder = check(three.MyTanh(), three.x[:5] / 10)
    assert milder.culprit.name == "1.MyTanh.x"
    assert milder.culprit.error < report.culprit.error / 100
    assert check(Mended(), three.x[:5]).ok
    for x in (0.1, 0.05):
        assert (1 - np.tanh(x) ** 2) - (1 - x**2) == pytest.approx(2 / 3 * x**4, rel=0.02)


def test_the_picture_shows_the_v_and_where_theory_has_its_bottom(lesson):
    """The curves are computed again at some steps, with the loss log(1 + exp(-w))."""
    three = lesson("03")
    vee = three.drawn[0]
    assert (vee.axes.get_xscale(), vee.axes.get_yscale()) == ("log", "log")
    w = np.linspace(-2, 2, 400)
    derivative = -1 / (1 + np.exp(w))
    for h, error in vee.curves["central, float64"][32:45:3]:  # where rounding does not count
        up, down = np.log1p(np.exp(-w - h)), np.log1p(np.exp(-w + h))
        assert error == pytest.approx(np.abs((up - down) / (2 * h) - derivative).mean(), rel=0.05)
    for h, error in vee.curves["one-sided, float64"][24:45:5]:
        up, here = np.log1p(np.exp(-w - h)), np.log1p(np.exp(-w))
        assert error == pytest.approx(np.abs((up - here) / h - derivative).mean(), rel=0.05)
    single = np.stack([three.steps32, three.central32], axis=1)
    np.testing.assert_array_equal(vee.curves["central, float32"], single)
    for name, bits in (("float32", 23), ("float64", 52)):  # eps is 2^-23, and 2^-52
        assert vee.curves[f"eps^(1/3), {name}"][:, 0] == pytest.approx(2 ** (-bits / 3))


def test_the_picture_shows_the_report(lesson):
    three = lesson("03")
    panel = three.drawn[1]
    places = [label.get_text() for label in panel.axes.get_yticklabels()]
    bars = {
        places[round(bar.get_y() + bar.get_height() / 2)]: (group.get_label(), bar.get_width())
        for group in panel.axes.containers
        for bar in group
    }
    assert bars == {row.name: (row.verdict, row.error) for row in three.report.rows}
    tolerance = panel.curves["tolerance"][0, 0]
    assert all((verdict == "ok") == (error < tolerance) for verdict, error in bars.values())
    assert tolerance == 1e-6
