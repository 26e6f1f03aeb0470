"""What an error tells one to write works as it stands, whatever holds the numbers."""

import re

import numpy as np
import pytest

from tinynn import (
    Adam,
    CrossEntropy,
    Dense,
    Flatten,
    InputError,
    MeanSquaredError,
    Sequential,
    Softmax,
    Trainer,
    accuracy,
    scale_pixels,
    standardise,
)

RNG = np.random.default_rng(0)
P = np.full((4, 3), 1 / 3)
IMAGES = RNG.random((6, 2, 3))
TABLE = np.column_stack([np.arange(6) % 3, RNG.random((6, 6))])


def network():
    return Sequential([Flatten(), Dense(3), Softmax()], input_shape=(2, 3))


def line():
    return Trainer(Sequential([Dense(1)], input_shape=(1,)), MeanSquaredError(), Adam())


MISTAKES = {  # name: what is given, what is done with it, and what the error tells to write
    "classes as floats": ([0.0, 1.0, 2.0, 1.0], lambda y: CrossEntropy().forward(P, y)),
    "classes from 1": ([1, 2, 3, 1], lambda y: CrossEntropy().forward(P, y)),
    "classes in a column": ([[0], [1], [2], [1]], lambda y: CrossEntropy().forward(P, y)),
    "classes as floats, in accuracy": ([0.0, 1.0], lambda y: accuracy([0, 1], y)),
    "one sample to predict": (IMAGES[0].tolist(), lambda x: network().predict(x)),
    "flat images": (IMAGES.reshape(6, 6).tolist(), lambda x: network().predict(x)),
    "shares of classes": ([[0.5, 0.5], [0.9, 0.1]], lambda y: accuracy([0, 1], y)),
    "numbers in a row": ([1.0, 2.0, 3.0], lambda x: line().model.predict(x)),
    "answers in a row": ([1.0, 2.0, 3.0], lambda y: line().fit([[1.0], [2.0], [3.0]], y, 1)),
    "a row to standardise": ([1.0, 2.0, 4.0], standardise),
    "floats to scale": ((255 * IMAGES).round().tolist(), scale_pixels),
    "greys to 16": (np.arange(17.0).tolist(), scale_pixels),
}


@pytest.mark.parametrize("kind", [list, np.array])
@pytest.mark.parametrize("name", MISTAKES)
def test_the_remedy_works(name, kind):
    given, act = MISTAKES[name]
    given = kind(given)
    with pytest.raises(InputError) as caught:
        act(given)
    code = re.search(r"np\.reshape\(x, \([^)]*\)\)|np\.asarray\(\w+\)(?:\[[^]]*\]|\.\w+\([^)]*\)|"
                     r" [-/] \d+)+", str(caught.value))  # fmt: skip
    assert code is not None, caught.value
    remedied = eval(code.group(), {"np": np, **dict.fromkeys(("x", "y", "p", "images"), given)})
    if name in ("floats to scale", "greys to 16"):
        assert np.shape(remedied) == np.shape(given)
        return
    act(remedied)


def test_a_column_too_many_is_cut_off_as_the_error_says():
    table = TABLE.tolist()
    with pytest.raises(InputError) as caught:
        network().predict(table)
    code = re.search(
        r"Then (table = .*), (x = .*), (y = .*)\. Then (x = .*)\. Only", str(caught.value)
    )
    names = {"np": np, "x": table}
    exec("; ".join(code.groups()), names)
    assert names["y"].tolist() == [0, 1, 2, 0, 1, 2]
    assert network().predict(names["x"]).shape == (6, 3)
