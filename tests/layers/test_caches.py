"""Protects pickles: a pickled model has its weights and its state, but no data."""

import copy
import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tinynn import CrossEntropy, Dense, Flatten, Layer, ReLU, Sequential, Softmax

MARK = 12345.678  # in every sample of the data


def back(thing):
    return pickle.loads(pickle.dumps(thing))


def data(size=500):
    return np.full((size, 4), MARK)


def holds_data(thing):
    """Whether the numbers of a sample lie in the pickle, in either precision."""
    text = pickle.dumps(thing)
    return any(np.full(3, MARK, dtype).tobytes() in text for dtype in (np.float32, np.float64))


class Own(Layer):
    """Passes x on, and keeps what a test says."""

    def forward(self, x, training=True):
        if training:
            self.keep(x)
        return x + 0

    def input_gradient(self, dout):
        return dout + 0


class KeepsX(Own):
    def keep(self, x):
        self.x = x


class KeepsXDeclared(Own):
    def __init__(self):
        self.x = None

    def keep(self, x):
        self.x = x


class KeepsATuple(Own):
    def keep(self, x):
        self.cache = (x, x.mean(axis=0), "text")


class KeepsADictionary(Own):
    def __init__(self):
        self.cache = {}

    def keep(self, x):
        self.cache["x"] = x


class KeepsAList(Own):
    def __init__(self):
        self.cache = []

    def keep(self, x):
        self.cache = [x, x]


class KeepsColumns(Own):
    def keep(self, x):
        self.columns = np.repeat(x, 9, axis=0).reshape(-1)


class KeepsTransposed(Own):
    def keep(self, x):
        self.rows = x.T.copy()


@dataclass
class Cache:
    x: Any


class KeepsAnObject(Own):
    def keep(self, x):
        self.cache = Cache(x)


LEAVERS = [
    KeepsX,
    KeepsXDeclared,
    KeepsATuple,
    KeepsADictionary,
    KeepsAList,
    KeepsColumns,
    KeepsTransposed,
    KeepsAnObject,
]


@pytest.mark.slow
def test_the_model_of_the_issue_is_as_small_as_its_weights():
    layers = [Flatten(), Dense(64), ReLU(), Dense(10), Softmax()]
    model = Sequential(layers, input_shape=(28, 28))
    model.forward(np.full((5000, 28, 28), MARK))
    assert len(pickle.dumps(model)) < 2.2 * model.params.nbytes
    assert not holds_data(model)
    assert np.array_equal(back(model).params, model.params)


@pytest.mark.first_cases(3)
@pytest.mark.parametrize("kind", LEAVERS)
def test_what_a_layer_of_ones_own_keeps_of_a_batch_is_not_pickled(kind):
    model = Sequential([kind(), Dense(2)], input_shape=(4,))
    model.forward(data())
    assert not holds_data(model)
    assert len(pickle.dumps(model)) < 6000
    twin, x = back(model), np.ones((3, 4))
    p = twin.forward(x)  # it works as one that never saw a batch does
    assert np.array_equal(p, model.forward(x))
    twin.backward(np.ones_like(p))
    model.backward(np.ones_like(p))
    assert np.array_equal(twin.grads, model.grads)


@pytest.mark.parametrize("kind", LEAVERS)
def test_a_single_layer_is_pickled_without_it_too(kind):
    layer = kind()
    Sequential([layer], input_shape=(4,)).forward(data())
    assert not holds_data(layer)


class RunningMean(Own):
    """Its state is made by the first forward, as in much code of users."""

    mean = None

    def keep(self, x):
        self.x = x
        now = x.mean(axis=0)
        self.mean = now if self.mean is None else 0.9 * self.mean + 0.1 * now
        self.count = vars(self).get("count", 0) + 1
        self.rng = vars(self).get("rng") or np.random.default_rng(3)
        self.drawn = self.rng.random()
        self.history = [*vars(self).get("history", []), float(self.mean.sum())]


class StateInADictionary(Own):
    def __init__(self):
        self.memory = {}

    def keep(self, x):
        self.memory["x"] = x
        self.memory["mean"] = x.mean(axis=0)


def test_the_state_of_a_layer_of_ones_own_is_pickled():
    model = Sequential([RunningMean(), Dense(2)], input_shape=(4,))
    for _ in range(3):
        model.forward(np.random.default_rng(0).normal(size=(6, 4)))
    twin = back(model).layers[0]
    one = model.layers[0]
    assert np.array_equal(twin.mean, one.mean)
    assert (twin.count, twin.history) == (3, one.history)
    assert twin.rng.random() == one.rng.random()
    assert not hasattr(twin, "x")


def test_state_beside_a_cache_in_one_dictionary_is_pickled():
    model = Sequential([StateInADictionary()], input_shape=(4,))
    model.forward(data())
    assert back(model).layers[0].memory.keys() == {"mean"}


def test_pickling_changes_nothing_and_a_pending_backward_stays_valid():
    model = Sequential([RunningMean(), Dense(3), Softmax()], input_shape=(4,))
    x, y = np.random.default_rng(0).normal(size=(6, 4)), np.arange(6) % 3
    dp = CrossEntropy().backward(model.forward(x), y)
    states = [dict(vars(layer)) for layer in model.layers]
    draws = copy.deepcopy(model.layers[0].rng).random()
    pickle.dumps(model)
    for layer, state in zip(model.layers, states, strict=True):
        assert vars(layer).keys() == state.keys()
        assert all(vars(layer)[name] is value for name, value in state.items())
    assert model.layers[0].rng.random() == draws
    model.backward(dp)
    assert np.count_nonzero(model.grads)


@pytest.mark.parametrize("method", ["backward", "input_gradient"])
def test_backward_of_a_pickled_model_asks_for_a_forward(method):
    model = Sequential([Dense(3), Softmax()], input_shape=(4,))
    p = model.forward(np.ones((5, 4)))
    with pytest.raises(ValueError, match=f"{method} was called before forward"):
        getattr(back(model), method)(p)
    with pytest.raises(AttributeError, match=r"0\.Dense has no x\. Call forward first\?"):
        back(model).layers[0].backward(p)


class Tied(Layer):
    """Multiplies by the sum of another layer's W."""

    def __init__(self, source=None):
        self.source = source

    def forward(self, x, training=True):
        return x * self.source.W.sum()

    def input_gradient(self, dout):
        return dout * self.source.W.sum()


@pytest.mark.parametrize("way", [back, copy.deepcopy, lambda model: model.astype(np.float32)])
def test_layers_that_refer_to_each_other_still_do_in_a_copy(way):
    dense = Dense(2)
    model = Sequential([dense, Tied(dense)], input_shape=(4,))
    model.forward(np.ones((5, 4)))
    twin = way(model)
    assert twin.layers[1].source is twin.layers[0]
    twin.params *= 2
    assert twin.layers[1].source.W.sum() == pytest.approx(2 * dense.W.sum())


class Residual(Sequential):
    """A model of one's own, which keeps the batch itself."""

    def forward(self, x, training=True):
        out = super().forward(x, training)
        if training:
            self.given = x
        return out + x


def test_a_model_of_ones_own_is_pickled_without_its_batch():
    model = Residual([Dense(4)], input_shape=(4,))
    model.forward(data())
    assert not holds_data(model)
    x = np.ones((2, 4))
    assert np.array_equal(back(model).forward(x), model.forward(x))


class Picky(Own):
    """Takes only whole numbers, so it cannot be tried on other numbers."""

    def keep(self, x):
        assert (x % 1 == 0).all()
        self.words = x
        self.mean = x.mean(axis=0)


def test_a_layer_that_cannot_be_tried_is_pickled_whole():
    model = Sequential([Picky()], input_shape=(4,))
    model.forward(np.ones((5, 4)))
    assert back(model).layers[0].mean.tolist() == [1] * 4


class WithALock(Own):
    """It defines how it is copied, as an object must that cannot be pickled."""

    def __init__(self):
        import threading

        self.lock = threading.Lock()

    def keep(self, x):
        self.x = x

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "lock"}

    def __setstate__(self, state):
        import threading

        self.__dict__.update(state, lock=threading.Lock())


@pytest.mark.parametrize("way", [back, copy.deepcopy, copy.copy])
def test_a_layer_with_its_own_way_of_copying_is_copied_in_that_way(way):
    model = Sequential([WithALock(), Dense(2)], input_shape=(4,))
    model.forward(np.ones((5, 4)))
    twin = way(model)
    assert twin.layers[0].lock is not model.layers[0].lock
    assert np.array_equal(twin.predict(np.ones((5, 4))), model.predict(np.ones((5, 4))))


class WithAHandle(Own):
    """The idiom of Python's manual: all that the class above keeps, without one thing."""

    def __init__(self):
        import threading

        self.handle = threading.Lock()

    def keep(self, x):
        self.x = x

    def __getstate__(self):
        return {k: v for k, v in super().__getstate__().items() if k != "handle"}


class NetworkWithAHandle(Sequential):
    def __init__(self, *args, **kwargs):
        import threading

        super().__init__(*args, **kwargs)
        self.handle = threading.Lock()

    def __getstate__(self):
        return {k: v for k, v in super().__getstate__().items() if k != "handle"}


class CopiedByPickle(Own):
    def keep(self, x):
        self.x = x

    def __deepcopy__(self, memo):
        return back(self)


@pytest.mark.parametrize("way", [back, copy.deepcopy, copy.copy])
@pytest.mark.parametrize(
    "make",
    [
        lambda: Sequential([WithAHandle(), Dense(2)], input_shape=(4,)),
        lambda: NetworkWithAHandle([Dense(2)], input_shape=(4,)),
        lambda: NetworkWithAHandle([WithAHandle(), Dense(2)], input_shape=(4,)),
        lambda: Sequential([CopiedByPickle(), Dense(2)], input_shape=(4,)),
    ],
)
def test_a_state_of_ones_own_may_begin_with_that_of_the_class_above(make, way):
    model = make()
    x = data(5)
    p = model.forward(x)
    assert not holds_data(model)
    twin = way(model)
    assert not hasattr(twin, "handle")
    assert not hasattr(twin.layers[0], "handle")
    assert np.array_equal(twin.forward(x), p)
    twin.backward(np.ones_like(p))
    model.backward(np.ones_like(p))
    assert np.array_equal(twin.grads, model.grads)


def test_a_copy_has_what_a_batch_left_also_by_a_state_of_ones_own():
    model = Sequential([WithAHandle(), Dense(2)], input_shape=(4,))
    p = model.forward(data(5))
    twin = copy.deepcopy(model)
    assert np.array_equal(twin.layers[0].x, model.layers[0].x)
    twin.backward(np.ones_like(p))


class Context:
    def __init__(self):
        self.x = None
        self.count = 0


class KeepsInAContext(Own):
    def __init__(self):
        self.ctx = Context()

    def keep(self, x):
        self.ctx.x = x
        self.ctx.count += 1


def test_an_object_made_by_the_constructor_is_pickled_without_the_batch_in_it():
    model = Sequential([KeepsInAContext(), Dense(2)], input_shape=(4,))
    model.forward(data())
    ctx = model.layers[0].ctx
    assert not holds_data(model)
    twin = back(model).layers[0]
    assert (type(twin.ctx), twin.ctx.x, twin.ctx.count) == (Context, None, 1)
    assert model.layers[0].ctx is ctx
    assert ctx.x.shape == (500, 4)


class Countings(Own):
    least = 0

    def keep(self, x):
        if (x % 1).any() or (x < self.least).any():
            raise ValueError("whole numbers alone")
        self.x = x


class FromOne(Countings):
    least = 1


@pytest.mark.parametrize("kind", [Countings, FromOne])
def test_a_layer_that_takes_only_whole_numbers_is_pickled_without_its_batch(kind):
    model = Sequential([kind(), Dense(2)], input_shape=(4,))
    model.forward(np.full((500, 4), 12345))
    assert len(pickle.dumps(model)) < 6000
    assert not hasattr(back(model).layers[0], "x")


class StateIsATuple(Own):
    def keep(self, x):
        self.count = 3

    def __getstate__(self):
        return (1, super().__getstate__())

    def __setstate__(self, state):
        vars(self).update(state[1])


@pytest.mark.parametrize("way", [back, copy.deepcopy])
def test_a_state_of_ones_own_need_not_be_a_dictionary(way):
    model = Sequential([StateIsATuple(), Dense(2)], input_shape=(4,))
    p = model.forward(data(5))
    assert way(model).layers[0].count == 3
    assert np.array_equal(way(model).forward(data(5)), p)
