"""Protects the reliability diagram: each bin's numbers are drawn where they belong."""

import numpy as np
import pytest

from tinynn import plots, reliability_curve

# Four bins: 0.7 and 0.6, one of them right; 0.8 and 1, both right.
P = np.array([[0.7, 0.3], [0.4, 0.6], [0.2, 0.8], [1.0, 0.0]])
Y = [0, 0, 1, 0]


@pytest.fixture
def panels():
    return plots.calibration(reliability_curve(P, Y, bins=4)).axes


def test_accuracy_is_drawn_over_confidence_beside_the_diagonal(panels):
    diagonal, points = panels[0].get_lines()
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    assert points.get_xydata() == pytest.approx(np.array([[0.65, 0.5], [0.9, 1.0]]))
    assert diagonal.get_linestyle() != points.get_linestyle()


def test_the_samples_of_each_bin_stand_below_it(panels):
    bars = panels[1].patches
    assert [bar.get_height() for bar in bars] == [0, 0, 2, 2]
    assert [bar.get_x() for bar in bars] == [0, 0.25, 0.5, 0.75]
    assert panels[0].get_xlim() == panels[1].get_xlim()


def test_the_title_has_the_error_and_the_axes_say_what_they_count(panels):
    # 2/4 of |0.5 - 0.65| and 2/4 of |1 - 0.9|
    assert panels[0].get_title() == "Expected calibration error 0.125\n(4 samples, 4 bins)"
    assert panels[0].get_ylabel() == "accuracy (share of samples, 0 to 1)"
    assert panels[1].get_xlabel() == "confidence (mean probability in the bin, 0 to 1)"
    assert panels[1].get_ylabel() == "samples in the bin"


def test_points_at_the_corners_are_inside_the_frame():
    (panel, _) = plots.calibration(reliability_curve(np.eye(2), [0, 1])).axes
    for low, high in (panel.get_xlim(), panel.get_ylim()):
        assert low < 0
        assert high > 1


@pytest.mark.parametrize("other", [P, 0.5, None, (P, Y)])
def test_what_is_no_reliability_curve_is_refused_with_the_remedy(other):
    with pytest.raises(ValueError, match="Call reliability_curve first"):
        plots.calibration(other)
