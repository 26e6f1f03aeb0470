"""Charts: axes on which all numbers lie, lines where the numbers are, gaps where there are none."""

from math import nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynn.page.charts import Axis, Line, chart, linear_axis, log_axis

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(st.lists(st.floats(width=32), max_size=20), st.booleans())
@settings(deadline=None)
def test_all_numbers_lie_on_a_linear_axis_of_few_equal_steps(values, whole):
    axis = linear_axis(values, whole=whole)
    ticks = axis.ticks
    assert 2 <= len(ticks) <= 7
    step = (ticks[-1] - ticks[0]) / (len(ticks) - 1)
    assert step > 0
    for i, tick in enumerate(ticks):
        assert tick == pytest.approx(ticks[0] + i * step, abs=1e-6 * step)
        assert not whole or tick % 1 == 0
    for value in values:
        if axis.shows(value):
            assert -1e-4 <= axis.place(value) <= 1 + 1e-4
    assert all(axis.labels())


@given(st.lists(st.floats(1e-300, 1e300), max_size=20))
@settings(deadline=None)
def test_all_positive_numbers_lie_on_a_logarithmic_axis(values):
    axis = log_axis(values)
    assert 2 <= len(axis.ticks) <= 8
    for value in values:
        assert -1e-9 <= axis.place(value) <= 1 + 1e-9
    assert not axis.shows(0.0)
    assert not axis.shows(nan)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0.0, 1.0], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ([0, 25_785], ["0", "10,000", "20,000", "30,000"]),
        ([0, 7e-5], ["0", "2e-05", "4e-05", "6e-05", "8e-05"]),
        ([0.113, 0.121], ["0.112", "0.114", "0.116", "0.118", "0.120", "0.122"]),
    ],
)
def test_ticks_are_round_numbers(values, labels):
    assert linear_axis(values).labels() == labels


@pytest.mark.parametrize("value", [0.001, 0.0, -3.0, 2e-9, 12345.0])
def test_ticks_of_a_constant_have_different_texts(value):
    labels = linear_axis([value, value]).labels()
    assert len({*labels}) == len(labels)


def test_a_chart_of_epochs_has_whole_numbers_and_begins_at_0():
    assert linear_axis([1, 2, 3], 9, whole=True).labels() == ["0", "1", "2", "3"]
    assert linear_axis([15.0], 9, whole=True).labels() == [
        "0",
        "2",
        "4",
        "6",
        "8",
        "10",
        "12",
        "14",
        "16",
    ]
    assert linear_axis([], whole=True).ticks[0] == 0


def test_points_are_where_the_numbers_are(tree):
    axes = {"x_axis": Axis((0.0, 1.0, 2.0)), "y_axis": Axis((0.0, 5.0, 10.0))}
    line = Line("training", 0, [0, 1, 2], [0, 5, 10])
    markup, data = chart("c", "Loss", [line], "epoch", **axes)
    figure = tree(markup.encode())
    (path,) = figure.all("path", data_run="0")
    assert path.attributes["d"] == "M0.0 1000.0L500.0 500.0L1000.0 0.0"
    assert data["x"] == [0.0, 2.0]
    assert data["y"] == [0.0, 10.0]
    assert data["lines"][0]["texts"] == ["0", "5", "10"]
    label = figure.one("svg", role="img").attributes["aria-label"]
    assert label == "Loss by epoch. training: from 0 to 10, between 0 and 10."


def test_not_a_number_is_a_gap_and_a_single_point_a_dot(tree):
    line = Line("a", 0, [1, 2, 3, 4, 5], [1.0, 2.0, nan, 3.0, 4.0])
    markup, data = chart("c", "Loss", [line, Line("b", 1, [1], [2.0])], "epoch")
    drawing = tree(markup.encode()).one("svg", role="img")
    first, second = (path.attributes["d"] for path in drawing.all("path")[1:])  # after the grid
    assert first.count("M") == 2
    assert second.endswith("h0")
    assert data["lines"][0]["ys"] == [1.0, 2.0, None, 3.0, 4.0]


def test_a_name_of_a_line_stays_text(tree):
    lines = [Line("<img onerror=x>", 0, [1], [1.0]), Line("b", 1, [1], [1.0])]
    markup, _ = chart("c", "<i>", lines, "epoch")
    figure = tree(markup.encode())
    assert not figure.all("img")
    assert not figure.all("i")
    assert figure.all("li")[0].text == "<img onerror=x>"
