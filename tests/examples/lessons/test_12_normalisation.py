"""Lesson 12: normalisation makes the factor of a layer independent of the size of its weights."""

from math import log, pi, sqrt

import numpy as np
import pytest

FACTORS = {"too small": 0.16, "glorot_uniform": sqrt(0.5), "he_normal": 1, "too large": 1.6}
NORMALISED = {"BatchNorm": sqrt(pi / (pi - 1)), "LayerNorm": 1}  # on the way back


def factor(deviations):
    """Return the mean factor from one to the next, by a line through the logarithms."""
    return np.exp(np.polyfit(np.arange(len(deviations)), np.log(deviations), 1)[0])


def test_weights_a_hundred_times_larger_return_the_same_and_have_a_hundredth_of_the_gradient(
    lesson,
):
    for kind, (before, norm, after, norm_after) in lesson("12").changes.items():
        if kind == "without":
            assert after > 5 * before
            assert norm_after > norm
        else:
            assert after == pytest.approx(before, rel=0.002)
            assert norm_after == pytest.approx(norm / 100, rel=0.01)


def test_the_factor_of_a_layer_depends_on_the_initialization_only_without_normalisation(lesson):
    """With 128 units each factor is up to 0.05 from its formula, over five seeds."""
    for (kind, name), (forward, backward) in lesson("12").measured.items():
        assert len(forward) == len(backward) == 20
        if kind == "without":
            assert factor(forward) == pytest.approx(FACTORS[name], rel=0.1)
            assert 1 / factor(backward) == pytest.approx(FACTORS[name], rel=0.1)
        else:
            assert forward == pytest.approx(np.ones(20), abs=0.01)
            assert 1 / factor(backward) == pytest.approx(NORMALISED[kind], rel=0.1)


def test_all_four_learn_with_batch_norm_and_one_without(lesson):
    ends = {key: losses[-1] for key, losses in lesson("12").curves.items()}
    for name in FACTORS:
        assert ends["BatchNorm", name] < 1
    assert ends["without", "he_normal"] < 2
    for name in ("too small", "glorot_uniform"):
        assert ends["without", name] == pytest.approx(log(10), abs=0.03)
    assert ends["without", "too large"] > 1000


def test_the_picture_shows_what_was_measured(lesson):
    twelve = lesson("12")
    there, back, learning = (panel.axes for panel in twelve.drawn)
    assert there.get_yscale() == back.get_yscale() == "log"
    for position, key in enumerate(twelve.curves):
        for panel, deviations in zip((there, back), twelve.measured[key], strict=True):
            layers, shown = panel.lines[position].get_xydata().T
            assert layers.tolist() == list(range(1, 21))
            np.testing.assert_allclose(shown, deviations)
        line = learning.lines[position]
        np.testing.assert_allclose(line.get_ydata(), twelve.curves[key])
        assert (line.get_linestyle() == ":") == (key[0] == "without")
        assert line.get_color() == twelve.colours[key[1]]


@pytest.mark.slow
def test_the_answer_to_the_first_question():
    """Two layers by hand, in NumPy only: independent images, a sum of 512 inputs after ReLU."""
    rng = np.random.default_rng(0)
    h = np.maximum(rng.normal(size=(1000, 512)), 0)
    assert np.mean(h**2) == pytest.approx(1 / 2, rel=0.01)
    assert h.var(axis=0).mean() == pytest.approx(1 / 2 - 1 / (2 * pi), rel=0.02)
    W = rng.normal(0, 0.3, size=(512, 4096))
    z, back = h @ W, np.sqrt(512 / 2) * 0.3  # dz W.T, and the mask
    over_images, over_units = z.std(axis=0).mean(), z.std(axis=1).mean()
    assert back / over_images == pytest.approx(sqrt(pi / (pi - 1)), rel=0.04)
    assert back / over_units == pytest.approx(1, rel=0.04)


def test_the_answer_to_the_second_question(lesson):
    twelve = lesson("12")
    for kind, depends in (("BatchNorm", True), ("LayerNorm", False)):
        model = twelve.network(twelve.initializers["he_normal"], twelve.KINDS[kind])
        few, all_ = model.forward(twelve.x[:10])[0], model.forward(twelve.x)[0]
        assert (np.abs(few - all_).max() > 0.1) == depends
        few, all_ = model.predict(twelve.x[:10])[0], model.predict(twelve.x)[0]
        np.testing.assert_allclose(few, all_, atol=1e-3)
