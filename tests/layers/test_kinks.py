"""Protects `kink_mask`: on which side of a kink numbers lie the layer is asked, and no cache."""

import numpy as np
import pytest

from oracles import InPlaceReLU
from tinynn import (
    SGD,
    CrossEntropy,
    Dense,
    Flatten,
    Layer,
    MeanSquaredError,
    ReLU,
    Sequential,
    Softmax,
    check_gradients,
    explain_step,
)
from tinynn.doctor.statistics import dead_units, statistics_of_step
from tinynn.gradcheck.finite_differences import side
from tinynn.layers.kinks import active_units

X = np.array([[-2.0, 3.0], [4.0, -5.0]])


class Silent(ReLU):
    """ReLU, as one who knows nothing of kink_mask writes it."""

    def kink_mask(self, x):
        return None


class Leaky(Layer):
    """out = x, or x / 10 under 0; it keeps a boolean array, which is nobody's affair."""

    def forward(self, x, training=True):
        if training:
            self.mask = x > 0
        return np.where(x > 0, x, x * 0.1)

    def input_gradient(self, dout):
        return np.where(self.mask, dout, dout * 0.1)


class LeakyWithMask(Leaky):
    def kink_mask(self, x):
        return x > 0


class Clip(Layer):
    """out = x between -1 and 1: two kinks."""

    def forward(self, x, training=True):
        if training:
            self.inside = abs(x) < 1
        return np.clip(x, -1, 1)

    def input_gradient(self, dout):
        return dout * self.inside


class ClipWithMask(Clip):
    def kink_mask(self, x):
        return abs(x) < 1


class Largest(Layer):
    """The larger one of each two neighbours: the kink is where both are equal."""

    def output_shape(self, input_shape):
        return (input_shape[0] // 2,)

    def forward(self, x, training=True):
        pairs = x.reshape(len(x), -1, 2)
        if training:
            self.first = pairs[..., 0] >= pairs[..., 1]
        return pairs.max(axis=-1)

    def input_gradient(self, dout):
        both = np.stack([dout * self.first, dout * ~self.first], axis=-1)
        return both.reshape(len(dout), -1)


class LargestWithMask(Largest):
    def kink_mask(self, x):
        pairs = x.reshape(len(x), -1, 2)
        return pairs[..., 0] >= pairs[..., 1]


class Dropping(Layer):
    """Stops the first number of each sample, and keeps a boolean array of that: it has no kink."""

    def forward(self, x, training=True):
        self.kept = np.ones(x.shape, bool)
        self.kept[:, 0] = False
        return x * self.kept

    def input_gradient(self, dout):
        return dout * self.kept


def test_relu_lets_pass_what_is_above_0_and_tells_so_without_a_forward():
    relu = ReLU()
    assert relu.kink_mask(np.array([[-1.0, 0.0, 2.0]])).tolist() == [[False, False, True]]
    assert "mask" not in vars(relu)


def test_relu_tells_of_the_batch_that_it_is_asked_about_not_of_the_last_one():
    relu = ReLU()
    relu.forward(X)
    assert relu.kink_mask(-X).tolist() == [[True, False], [False, True]]
    assert relu.mask.tolist() == [[False, True], [True, False]]  # what backward needs stays


@pytest.mark.parametrize("layer", [Flatten(), Dense(2), Softmax(), Leaky()])
def test_a_layer_without_a_kink_or_that_tells_of_none_has_no_mask(layer):
    assert layer.kink_mask(X) is None
    assert side(layer, X) == b""


@pytest.mark.parametrize("cached", [False, True])
def test_a_step_over_the_kink_is_known_by_the_mask_whatever_layers_keep(cached):
    """At 5e-8 even the shortest step, 1e-7, crosses the kink: only the mask knows that it does."""

    class Kept(ReLU):
        def forward(self, x, training=True):
            out = super().forward(x, training)
            if not cached:
                self.mask = self.mask.astype(x.dtype)  # nothing boolean is kept
            return out

    model = Sequential([Kept()], input_shape=(200,), dtype=np.float64)
    x = np.ones((1, 200))
    x[0, 0] = 5e-8
    row = check_gradients(model, MeanSquaredError(), x, np.full((1, 200), 9.0)).rows[1]
    assert (row.ok, row.checked, row.skipped) == (True, 199, 1)


def test_a_boolean_array_that_is_no_mask_of_a_kink_skips_nothing():
    class Watching(Layer):
        """Notes which numbers have an odd last digit, which changes no gradient."""

        def forward(self, x, training=True):
            self.odd = np.floor(x * 1e7) % 2 > 0  # differs at nearly each step
            return 3 * x

        def input_gradient(self, dout):
            return 3 * dout

    model = Sequential([Dense(4), Watching()], input_shape=(3,))
    report = check_gradients(model, MeanSquaredError(), np.eye(3), np.ones((3, 4)))
    assert report.ok
    assert report.skipped == 0


RIGHT = [Silent, Leaky, LeakyWithMask, Clip, ClipWithMask, Largest, LargestWithMask]
HALF = [pytest.param(x, marks=[pytest.mark.slow] * (n % 2)) for n, x in enumerate(RIGHT)]


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("layer", HALF)
@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 3))])
def test_a_right_layer_passes_with_and_without_a_mask(layer, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(8, 4)), rng.integers(0, 3, 8)
    hidden = [Dense(8), layer(), Dense(6), layer()]
    model = Sequential([*hidden, Dense(3), Softmax()], input_shape=(4,), seed=seed)
    report = check_gradients(model, CrossEntropy(), x, y)
    assert report.ok, report


@pytest.mark.parametrize("layer", HALF)
def test_a_right_layer_passes_with_and_without_a_mask_in_a_large_network(layer):
    """Directions move all units at once, so that each may cross a kink somewhere."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 40)), rng.integers(0, 3, 16)
    model = Sequential([Dense(300), layer(), Dense(3), Softmax()], input_shape=(40,))
    report = check_gradients(model, CrossEntropy(), x, y)
    assert report.ok, report


@pytest.mark.slow
@pytest.mark.parametrize("layer", HALF)
def test_a_wrong_layer_is_found_with_and_without_a_mask(layer):
    class Wrong(layer):
        def input_gradient(self, dout):
            return 1.01 * super().input_gradient(dout)

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 4)), rng.integers(0, 3, 8)
    model = Sequential([Dense(6), Wrong(), Dense(3), Softmax()], input_shape=(4,))
    report = check_gradients(model, CrossEntropy(), x, y)
    assert report.culprit.name == "1.Wrong.x"


def test_a_model_with_a_forward_of_its_own_is_asked_in_its_own_order():
    class Doubled(Sequential):
        """Goes through the ReLU with what it gets, less 2: its kink lies at 2."""

        def forward(self, x, training=True):
            return super().forward(np.asarray(x, self.dtype) - 2, training)

    x = np.full((1, 200), 3.0)
    x[0, 0] = 2 + 5e-8  # 5e-8 from the kink, nearer than the shortest step
    model = Doubled([ReLU()], input_shape=(200,), dtype=np.float64)
    row = check_gradients(model, MeanSquaredError(), x, np.full((1, 200), 9.0)).rows[1]
    assert (row.ok, row.checked, row.skipped) == (True, 199, 1)


def test_a_unit_is_inactive_where_the_mask_is_false_and_its_output_is_0():
    for layer, passes in ((ReLU(), X > 0), (LeakyWithMask(), X == X), (Leaky(), None)):
        units = active_units(layer, X, layer.forward(X))
        assert units is None if passes is None else np.array_equal(units, passes)
    pool = LargestWithMask()
    assert active_units(pool, X, pool.forward(X)).shape == (2, 1)  # one of each pair comes out


def test_the_doctor_takes_no_other_boolean_array_for_inactive_units():
    model = Sequential([Dense(2), Dropping(), ReLU(), Dense(2), Softmax()], input_shape=(2,))
    p = model.forward(X)
    assert p.shape == (2, 2)
    step = statistics_of_step(model, CrossEntropy(), X, np.array([0, 1]), number=1)
    assert list(step.inactive) == ["2.ReLU"]
    assert list(dead_units(model, X)) == ["2.ReLU"]
    page = explain_step(model, CrossEntropy(), SGD(0.1), X, [0, 1])
    assert [bool(row.note) for row in page.forward] == [False, False, False, True, False, False]


def test_units_of_a_layer_that_works_in_place_are_counted_by_what_it_was_given():
    class InPlace(InPlaceReLU):
        def kink_mask(self, x):
            return x > 0

    model = Sequential([Dense(3), InPlace(), Dense(2), Softmax()], input_shape=(2,))
    model.layers[0].W, model.layers[0].b = [[1, 1, 1], [0, 0, 0]], [0, -9, 9]
    model.forward(X)
    step = statistics_of_step(model, CrossEntropy(), X, np.array([0, 1]), number=1)
    assert step.inactive["1.InPlace"] == 0.5  # of 6: z is -2 and 4, -11 and -5, 7 and 13
    assert dead_units(model, X) == {"1.InPlace": (1, 3)}


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (lambda x: np.sign(x), "returned an array of float64"),
        (lambda x: (x > 0).tolist(), r"returned \[\[False, True\]"),
        (lambda x: (x > 0).T, r"returned an array of bool \(2, 1\)"),
        (lambda x: bool((x > 0).any()), "returned True"),
    ],
)
def test_a_mask_that_is_none_is_refused_and_what_to_return_is_said(mask, said):
    class Odd(ReLU):
        def kink_mask(self, x):
            return mask(x)

    model = Sequential([Odd(), Dense(2)], input_shape=(2,))
    with pytest.raises(ValueError, match=said) as error:
        check_gradients(model, MeanSquaredError(), X[:1], X[:1])
    assert "such as x > 0" in str(error.value)


class Through(Layer):
    """out = max(x, 0) + min(x, 0), whose two kinks hide each other: nothing bends at 0.

    What backward says at 0 is 0, as ReLU does; a difference over it is 1.
    """

    def forward(self, x, training=True):
        if training:
            self.x = x
        return np.maximum(x, 0) + np.minimum(x, 0)

    def input_gradient(self, dout):
        return dout * (self.x > 0) + dout * (self.x < 0)


class ThroughWithMask(Through):
    def kink_mask(self, x):
        return x > 0


class OwnWay(Sequential):
    """Has a forward of its own."""

    def forward(self, x, training=True):
        return super().forward(x, training)


class OwnBackward(Sequential):
    """Doubles what comes from the loss."""

    def backward(self, dp):
        super().backward(2 * np.asarray(dp))


AT_0 = np.ones((1, 200))
AT_0[0, 0] = 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Sequential, OwnWay])
def test_a_kink_that_no_bend_tells_of_is_known_by_the_mask_alone(kind):
    found = []
    for layer in (Through, ThroughWithMask):
        model = kind([layer()], input_shape=(200,), dtype=np.float64)
        row = check_gradients(model, MeanSquaredError(), AT_0, np.full((1, 200), 9.0)).rows[1]
        found.append((row.verdict, row.skipped))
    assert found == [("WRONG", 0), ("ok", 1)]


@pytest.mark.slow
def test_a_layer_alone_is_judged_by_its_mask_too():
    """The layer gave the right dx for the dout that it got: what is wrong lies between."""
    model = OwnBackward([Dense(20), ThroughWithMask()], input_shape=(20,))
    model.layers[0].W = np.eye(20)
    report = check_gradients(model, MeanSquaredError(), AT_0[:, :20], np.full((1, 20), 9.0))
    assert "dx of 1.ThroughWithMask, but not its layer" in report.diagnosis


def test_units_of_a_layer_that_overwrites_what_it_was_asked_about_are_counted_right():
    class Below1(Layer):
        """Stops what is 1 or more, in place: 0 lies on the other side."""

        def forward(self, x, training=True):
            self.mask = x < 1
            x *= self.mask
            return x

        def input_gradient(self, dout):
            return dout * self.mask

        def kink_mask(self, x):
            return x < 1

    model = Sequential([Dense(2), Below1()], input_shape=(1,))
    model.layers[0].W, model.layers[0].b = [[1, 1]], [9, 0]
    x = np.array([[0.5], [2.0]])
    assert dead_units(model, x) == {"1.Below1": (1, 2)}
    step = statistics_of_step(model, MeanSquaredError(), x, np.zeros((2, 2)), number=1)
    assert step.inactive == {"1.Below1": 0.75}  # z is 9.5 and 0.5, 11 and 2
