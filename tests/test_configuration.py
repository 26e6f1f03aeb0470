"""Protects what things tell of their own making: files and resumed runs are compared by it."""

import json
from functools import partial

import numpy as np
import pytest

from tinynn import SGD, Adam, CrossEntropy, Dense, he_normal, zeros
from tinynn.configuration import Configured, differences, plain


class Leaf(Configured):
    def __init__(self, slope, start=zeros, *, name="leaf"):
        self.slope = slope
        self.start = start
        self.name = name


class Bare(Configured):
    pass


class Forgetful(Configured):
    def __init__(self, slope=0.1):
        self.steepness = slope


def test_config_is_exactly_the_arguments_unchanged():
    slopes = [0.1, 0.2]
    config = Leaf(slopes, name="birch").config()
    assert config == {"slope": [0.1, 0.2], "start": zeros, "name": "birch"}
    assert config["slope"] is slopes
    assert Bare().config() == {}


def test_config_makes_a_twin():
    twin = Leaf(**Leaf(3, he_normal).config())
    assert (twin.slope, twin.start, twin.name) == (3, he_normal, "leaf")


def test_config_leaves_out_what_is_no_argument():
    leaf = Leaf(1)
    vars(leaf)["extra"] = 5
    assert "extra" not in leaf.config()


def test_config_says_which_argument_was_not_kept():
    with pytest.raises(ValueError) as error:
        Forgetful().config()
    assert str(error.value) == (
        "Forgetful cannot tell its configuration: its constructor takes 'slope' but does not keep "
        "it. Write self.slope = slope there."
    )


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (Bare(), "Bare()"),
        (Leaf("a", np.zeros), "Leaf(slope='a', start=zeros, name='leaf')"),
        (Dense(3), "Dense(units=3, initializer=he_normal)"),
        (SGD(0.5), "SGD(learning_rate=0.5, momentum=0.0)"),
        (Adam(), "Adam(learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-08)"),
        (CrossEntropy(), "CrossEntropy()"),
    ],
)
def test_repr_reads_like_the_call(thing, text):
    assert repr(thing) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        ("text", "text"),
        (2.5, 2.5),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.array([[1, 2]]), [[1, 2]]),
        ((1, (2, 3)), [1, [2, 3]]),
        ({"a": np.int64(3), 4: he_normal}, {"a": 3, "4": {"function": "he_normal"}}),
    ],
)
def test_plain_gives_json_types(value, expected):
    found = plain(value, "0.Dense")
    assert found == expected
    assert type(found) is type(expected)
    assert json.loads(json.dumps(found)) == expected


@pytest.mark.parametrize("value", [{1, 2}, object(), 1j, b"bytes", partial(zeros), [{"a": 1j}]])
def test_plain_refuses_what_json_has_not(value):
    with pytest.raises(ValueError, match=r"1\.Dense: .+ cannot be written to a file"):
        plain(value, "1.Dense")


@pytest.mark.parametrize(
    ("ours", "theirs", "lines"),
    [
        ({"units": 3}, {"units": 3}, []),
        ({"units": 3, "seed": 0}, {"units": 4, "seed": 0}, ["units: 3 against 4"]),
        ({"a": 1}, {"b": 2}, ["a: 1 against None", "b: None against 2"]),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 5}]}}, ["a.b[1].c: 2 against 5"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a: [1, 2] against [1]"]),
        ({"a": {"b": 1}}, {"a": 1}, ["a: {'b': 1} against 1"]),
    ],
)
def test_differences_names_each_place_in_one_line(ours, theirs, lines):
    assert differences(ours, theirs) == lines
