"""Protects the arguments that objects return: files and resumed runs are compared by them."""

import json
import re
from collections import OrderedDict, defaultdict
from enum import Enum, IntEnum
from functools import partial
from types import FunctionType
from typing import NamedTuple

import numpy as np
import pytest

from tinynn import (
    SGD,
    Adam,
    BatchNorm,
    ClipGradientNorm,
    CosineDecay,
    CrossEntropy,
    Dense,
    Dropout,
    EarlyStopping,
    ExponentialDecay,
    Huber,
    Sequential,
    checks,
    constant,
    he_normal,
    normal,
    zeros,
)
from tinynn.configuration import Configured
from tinynn.configuration_json import from_json, to_json, unequal


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


@pytest.mark.parametrize(
    ("thing", "name", "value", "said"),
    [
        (CrossEntropy(), "label_smoothing", 3, "label_smoothing must be at least 0 and below 1"),
        (CrossEntropy(), "class_weights", [0, -1], "that of class 1 is -1"),
        (Huber(), "delta", 0, "delta must be a positive number"),
        (Dropout(0.5), "rate", 1, "rate of Dropout must be"),
        (BatchNorm(), "epsilon", -1, "epsilon must be a positive number"),
        (CosineDecay(0.1, steps=10, warmup=5), "steps", 2, "warms up for 5 steps"),
        (ExponentialDecay(0.1, 0.5), "factor", 2, "factor must be above 0 and below 1"),
        (EarlyStopping(), "patience", 0, "patience must be a whole number of 1 or more"),
        (ClipGradientNorm(1.0), "limit", 0, "limit must be a positive number"),
        (normal(0.1), "std", 0, "std must be a positive number"),
    ],
)
def test_an_argument_that_is_set_later_is_checked_as_in_the_constructor(thing, name, value, said):
    before = getattr(thing, name)
    with pytest.raises(ValueError, match=said):
        setattr(thing, name, value)
    assert getattr(thing, name) is before
    setattr(thing, name, before)
    assert getattr(thing, name) == before


def test_what_is_set_later_is_kept_as_the_constructor_keeps_it():
    loss = CrossEntropy()
    loss.label_smoothing = np.float32(0.5)
    assert type(loss.label_smoothing) is float
    optimizer, own = Adam(), Leaf(1)
    optimizer.learning_rate = 0  # which its constructor refuses, and its own check does not
    own.slope = "a user's constructor is not called"
    assert (optimizer.learning_rate, own.slope[:6]) == (0, "a user")


def test_to_set_an_argument_later_asks_for_no_hint(monkeypatch):
    """A callback may set one at each step; the hints of a missing attribute take a millisecond."""
    monkeypatch.setattr(checks, "absent", lambda thing, name: pytest.fail(f"asked for {name}"))
    for thing, name, value in ((CrossEntropy(), "label_smoothing", 0.5), (Dropout(0.5), "rate", 0)):
        setattr(thing, name, value)
        assert getattr(thing, name) == value


def test_the_arguments_of_a_built_layer_stay_fixed():
    model = Sequential([Dropout(0.5), Dense(2)], input_shape=(3,))
    for layer, name in zip(model.layers, ("rate", "units"), strict=True):
        with pytest.raises(ValueError, match=f"{name} cannot be changed|{name} cannot become"):
            setattr(layer, name, -1)


def test_config_leaves_out_what_is_not_an_argument():
    leaf = Leaf(1)
    vars(leaf)["extra"] = 5
    assert "extra" not in leaf.config()


def test_config_says_which_argument_was_not_kept():
    with pytest.raises(ValueError) as error:
        Forgetful().config()
    assert str(error.value) == (
        "Forgetful has no configuration: its constructor takes 'slope' but does not store it. "
        "Write self.slope = slope in __init__."
    )


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (Bare(), "Bare()"),
        (Leaf("a", np.zeros), "Leaf(slope='a', start=zeros, name='leaf')"),
        (Dense(3), "Dense(units=3, initializer=he_normal, bias=True)"),
        (Dense(3, normal(std=0.01)), "Dense(units=3, initializer=normal(std=0.01), bias=True)"),
        (constant(2), "constant(value=2)"),
        (SGD(0.5), "SGD(learning_rate=0.5, momentum=0.0, nesterov=False)"),
        (Adam(), "Adam(learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-08)"),
        (CrossEntropy(), "CrossEntropy(label_smoothing=0.0, class_weights=None)"),
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
        (np.int16([[1, 2]]), {"array": [[1, 2]], "dtype": "<i2", "shape": [1, 2]}),
        ((1, (2, 3)), {"tuple": [1, {"tuple": [2, 3]}]}),
        ({"a": np.int64(3), "4": he_normal}, {"a": 3, "4": {"function": "he_normal"}}),
        ({"a": np.int64(3), 4: zeros}, {"dictionary": [["a", 3], [4, {"function": "zeros"}]]}),
        ({"tuple": [1]}, {"dictionary": [["tuple", [1]]]}),
    ],
)
def test_to_json_gives_json_types(value, expected):
    found = to_json(value, "0.Dense")
    assert found == expected
    assert type(found) is type(expected)
    assert json.loads(json.dumps(found)) == expected


@pytest.mark.parametrize("value", [{1, 2}, object(), 1j, b"bytes", partial(zeros), [{"a": 1j}]])
def test_to_json_refuses_what_json_does_not_have(value):
    with pytest.raises(ValueError, match=r"1\.Dense: .+ cannot be written to a file"):
        to_json(value, "1.Dense")


class Mode(Enum):
    FAST = "fast"


class Level(IntEnum):
    LOW = 1


class Word(str):
    pass


class Point(NamedTuple):
    x: int
    y: int


ONE_OF_A_KIND = [
    (Mode.FAST, "Its value can be: 'fast'."),
    (Level.LOW, "Its value can be: 1."),
    (Word("a"), "It is a Word; a str can be: str(...)."),
    (Point(1, 2), "It is a Point; a tuple can be: tuple(...)."),
    (OrderedDict(a=1), "It is a OrderedDict; a dict can be: dict(...)."),
    (defaultdict(int), "It is a defaultdict; a dict can be: dict(...)."),
    (np.ma.masked_array([1.0], [True]), "An array of float64, or of whole numbers, can be."),
    ({1, 2}, "A list, or a tuple, can be."),
    (b"bytes", "A text can be."),
    (np.array(["a"]), "An array of float64, or of whole numbers, can be."),
    (np.array([None]), "An array of float64, or of whole numbers, can be."),
    (np.array([1j]), "An array of float64, or of whole numbers, can be."),
    (np.longdouble(1) if np.longdouble(1).itemsize > 8 else 1j, " can be."),
    (np.datetime64("2020"), "An array of float64, or of whole numbers, can be."),
    (lambda x: x, "A function with a name can be: def f(...)."),
    (partial(zeros), "A function with a name can be: def f(...)."),
    (Leaf(1), "Its parts can be."),
]


@pytest.mark.parametrize(("value", "said"), ONE_OF_A_KIND, ids=[str(r[1]) for r in ONE_OF_A_KIND])
@pytest.mark.parametrize("inside", [lambda v: v, lambda v: [v], lambda v: {"a": (0, v)}])
def test_what_would_come_back_as_something_else_is_refused_for_a_file(value, said, inside):
    with pytest.raises(ValueError) as error:
        to_json(inside(value), "0.Gain: table", {})
    assert "0.Gain: table: " in str(error.value)
    assert said in str(error.value)


COME_BACK = [
    {0: 5.0},
    {(0, 1): "a", None: "b", True: "c", 2.5: "d", "text": "e"},
    {"0": "text", 0: "number"},
    (0, 1),
    (),
    [(1, 2), [3, (4,)]],
    {"function": "zeros"},
    {"tuple": [1]},
    {"dictionary": []},
    {"array": [1], "dtype": "<f8", "shape": [1]},
    {"a": {"tuple": (1, 2)}},
    np.inf,
    10**30,
    0.1,
    "",
    "\ud800 é",
    None,
    zeros,
    [zeros, {"he": he_normal}],
    np.float32(0.1),
    np.int64(3),
    np.bool_(True),
    np.str_("a"),
]
ARRAYS = [
    np.array([[0.1, np.nan], [np.inf, -0.0]]),
    np.array([0.1, 0.2], np.float32),
    np.zeros((0, 3)),
    np.array(2.5),
    np.array([True, False]),
    np.array([255], np.uint8),
    np.array([2**63], np.uint64),
    np.arange(3, dtype=">i4"),
]
KNOWN = {"zeros": zeros, "he_normal": he_normal}


def there_and_back(value):
    return from_json(json.loads(json.dumps(to_json(value, "here", dict(KNOWN)))), KNOWN)


def without_address(value):
    """Return a test's name for a value; a function's address differs in each process."""
    return re.sub(r" at 0x\w+", "", ascii(value))


@pytest.mark.parametrize("value", COME_BACK, ids=without_address)
def test_what_is_written_comes_back_equal(value):
    back = there_and_back(value)
    assert back == value
    assert type(back) is type(value.item() if isinstance(value, np.generic) else value)
    if isinstance(value, dict):
        assert [*map(type, back)] == [*map(type, value)]  # keys, of which 0 == False


@pytest.mark.parametrize("value", ARRAYS, ids=repr)
def test_an_array_comes_back_as_that_array(value):
    for back in (there_and_back(value), there_and_back({"a": (value,)})["a"][0]):
        assert isinstance(back, np.ndarray)
        assert (back.dtype, back.shape) == (value.dtype, value.shape)
        assert back.tobytes() == value.tobytes()


@pytest.mark.parametrize("dtype", ["O", "V8", "U3", "f4,f4", "c16", "M8[s]"])
def test_an_array_of_another_kind_in_a_file_is_refused(dtype):
    with pytest.raises((ValueError, TypeError)):
        from_json({"array": [1], "dtype": dtype, "shape": [1]}, {})


def test_two_functions_of_one_name_are_refused_for_a_file():
    def other():
        return zeros

    other.__name__ = "zeros"
    another = FunctionType(other.__code__, {}, "zeros")
    for value in ([another, other], {"a": other, "b": (another,)}):
        with pytest.raises(
            ValueError, match=r"0\.Gain: table: another function is also called zeros"
        ):
            to_json(value, "0.Gain: table", {})
    table = [{"function": "own.zeros"}, {"function": "zeros"}]
    assert to_json([other, zeros], "0.Gain: table", dict(KNOWN)) == table
    assert to_json([zeros, zeros], "0.Gain", dict(KNOWN)) == 2 * [{"function": "zeros"}]


@pytest.mark.parametrize(
    ("value", "same"),
    [
        (Mode.FAST, "fast"),
        (Level.LOW, 1),
        (Word("a"), "a"),
        (Point(1, 2), (1, 2)),
        (OrderedDict(a=1), {"a": 1}),
    ],
)
def test_in_a_comparison_a_value_of_another_class_counts_as_its_contents(value, same):
    found = to_json(value, "here")
    assert found == to_json(same, "here")
    assert unequal(found, json.loads(json.dumps(found))) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "lines"),
    [
        ({"units": 3}, {"units": 3}, []),
        ({"units": 3, "seed": 0}, {"units": 4, "seed": 0}, ["units: 3 against 4"]),
        ({"a": 1}, {"b": 2}, ["a: 1 against None", "b: None against 2"]),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 5}]}}, ["a.b[1].c: 2 against 5"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a: [1, 2] against [1]"]),
        ({"a": {"b": 1}}, {"a": 1}, ["a: {'b': 1} against 1"]),
        ({"a": np.nan}, {"a": float("nan")}, []),
        ({"a": np.nan}, {"a": 1.0}, ["a: nan against 1.0"]),
        ({"a": {"tuple": [1, 2]}}, {"a": {"tuple": [1, 3]}}, ["a[1]: 2 against 3"]),
        # what a version before wrote as lists, and as texts
        ({"a": {"tuple": [1, 2]}}, {"a": [1, 2]}, []),
        ({"a": [1, 2]}, {"a": {"tuple": [1, 3]}}, ["a[1]: 2 against 3"]),
        ({"a": {"dictionary": [[0, 5.0]]}}, {"a": {"0": 5.0}}, []),
        ({"a": [1.5]}, {"a": {"array": [1.5], "dtype": "<f8", "shape": [1]}}, []),
        # but of one version they are what they are
        (
            {"a": {"dictionary": [[0, 5.0]]}},
            {"a": {"dictionary": [[1, 5.0]]}},
            ["a.dictionary[0][0]: 0 against 1"],
        ),
    ],
)
def test_differences_names_each_place_in_one_line(ours, theirs, lines):
    assert unequal(ours, theirs) == lines
