"""Each name of another library in tinynn/foreign_names.py gets its answer; the page shows them."""

import copy
import inspect
import pickle
from collections import Counter
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

import tinynn
from tinynn.foreign_names import ANSWERS, ROWS

PAGE = Path(__file__).parents[1] / "docs/coming-from.md"
LIBRARIES = {"S": "scikit-learn", "K": "Keras", "T": "PyTorch"}
BEFORE = """
import numpy as np
import tinynn
from tinynn import *

x, y = np.zeros((6, 4)), np.arange(6) % 3
layer = Dense(3)
model = Sequential([layer], input_shape=(4,))
loss, optimizer = SoftmaxCrossEntropy(), Adam()
trainer = Trainer(model, loss, optimizer)
history = History([{"epoch": 1, "loss": 0.5}])
"""
# where the rows of the page belong to
SUBJECTS = {
    "Names": ("tinynn",),
    "Models": ("Sequential", "Sequential()", "Sequential.predict()", "Sequential.backward()"),
    "Layers": (
        "Layer", "Layer()", "Dropout()", "LeakyReLU()", "GaussianNoise()", "Reshape()",
        "Softmax()", "Flatten()", "GELU()",
    ),
    "Weights of layers": ("parameter",),
    "Losses": ("Loss", "Loss()", "Loss.backward()"),
    "Optimizers": ("Optimizer", "Optimizer()", "Optimizer.step()"),
    "Callbacks": ("Callback", "Callback()", "CSVLogger()", "Checkpoint()"),
    "Training": (
        "Trainer", "Trainer()", "Trainer.fit()", "Trainer.evaluate()", "train_validation_split()",
        "History",
    ),
    "Texts and places": ("text", "place"),
}  # fmt: skip


def page():
    """Return docs/coming-from.md as the table says it."""
    subject_of = {of: subject for subject, places in SUBJECTS.items() for of in places}
    lines = [
        "# Coming from scikit-learn, Keras or PyTorch",
        "",
        "What you may type, and what to write in tinynn. tinynn says the same when you type it: "
        "the error is the usual one (AttributeError, TypeError, ImportError, or InputError), and "
        "ends with this answer. This page is made from [tinynn/foreign_names.py]"
        "(../tinynn/foreign_names.py): `pytest tests/test_coming_from.py --renew-texts`.",
        "",
        "Three things have another meaning here. `layer.bias` is the argument, True or False; the "
        "numbers are `layer.b`. `loss.backward(p, y)` returns the gradient of the predictions, for "
        "`model.backward`; it is no method of the loss's value, a float. `optimizer.step` gets the "
        "vectors: `optimizer.step(model.params, model.grads)`. The whole loop is in "
        "[examples/xor.py](../examples/xor.py). To use a network in scikit-learn, or to bring a "
        "model from or to other libraries, see [interop.md](interop.md).",
    ]
    for letter, library in LIBRARIES.items():
        lines += ["", f"## From {library}"]
        rows = [row for row in ROWS if letter in row.origin]
        for subject, found in groupby(rows, key=lambda row: subject_of[row.of]):
            lines += ["", f"**{subject}**", "", "| you type | also | in tinynn |", "|---|---|---|"]
            for row in found:
                also = [name for name in row.names.split() if name not in row.example]
                answer = f"`{row.answer}`" if row.answer.isidentifier() else row.answer
                shown = ", ".join(f"`{name}`" for name in also if not name.startswith("__"))
                lines.append(f"| `{row.example}` | {shown} | {answer} |")
    return "\n".join(lines) + "\n"


def test_the_page_shows_the_table(request):
    if request.config.getoption("renew_texts"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page()


def asked(line):
    """Run a line as someone would who knows another library; return its error."""
    names = {}
    exec(BEFORE, names)
    with pytest.raises((AttributeError, TypeError, ImportError, ValueError)) as caught:
        exec(line, names)
    return caught.value


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.example)
def test_each_example_gets_its_answer(row):
    told = f"Did you mean {row.answer}?" if row.answer.isidentifier() else row.answer
    assert str(asked(row.example)).endswith(told)


@pytest.mark.first_cases(4)
@pytest.mark.parametrize(
    ("of", "line"),
    [
        ("tinynn", "tinynn.{name}"),
        ("tinynn", "from tinynn import {name}"),
        ("Sequential", "model.{name}"),
        ("Optimizer()", "Adam({name}=1)"),
        ("Loss()", "CrossEntropy({name}=1)"),
        ("parameter", "layer.{name}"),
        ("Callback()", "EarlyStopping({name}=1)"),
        ("Trainer", "trainer.{name}"),
        ("History", "history.{name}"),
        ("Layer()", "LayerNorm({name}=1)"),
        ("Trainer()", "Trainer(model, loss, optimizer, {name}=1)"),
        ("Trainer.fit()", "trainer.fit(x, y, 1, {name}=1)"),
        ("text", "Sequential([{name!r}], input_shape=(4,))"),
        ("text", "Trainer(model, {name!r}, optimizer)"),
        ("text", "Dense(3, {name!r})"),
    ],
)
def test_each_name_gets_the_answer_of_its_row(of, line):
    for name, answer in ANSWERS[of].items():
        if name in ("bias", "__call__"):  # an argument of Dense; what Python itself looks up
            continue
        told = f"Did you mean {answer}?" if answer.isidentifier() else answer
        assert str(asked(line.format(name=name))).endswith(told)


def test_a_name_stands_once_at_each_place():
    counts = Counter((row.of, name) for row in ROWS for name in row.names.split())
    assert [one for one, times in counts.items() if times > 1] == []


def test_no_name_of_the_table_is_one_of_tinynn():
    assert not ANSWERS["tinynn"].keys() & {*tinynn.__all__, *vars(tinynn)}


def test_errors_keep_their_classes():
    for line, kind in (
        ("tinynn.Linear", AttributeError),
        ("from tinynn import Linear", ImportError),
        ("model.fit", AttributeError),
        ("Adam(lr=0.1)", TypeError),
        ("model(x)", TypeError),
        ("loss.backward()", TypeError),
        ("ReLU(inplace=True)", TypeError),
        ("history.history", AttributeError),
        ("Dense(8, 3)", tinynn.InputError),
    ):
        assert isinstance(asked(line), kind)


def test_probing_is_as_before():
    names = {}
    exec(BEFORE, names)
    assert not hasattr(tinynn, "Linear")
    assert not hasattr(tinynn, "__path__x")
    assert getattr(tinynn, "Linear", 5) == 5
    model, loss, layer = names["model"], names["loss"], names["layer"]
    for thing in (model, loss, layer, *(names[n] for n in ("optimizer", "trainer", "history"))):
        assert not hasattr(thing, "cuda")
        assert getattr(thing, "lr", 5) == 5
        assert type(copy.deepcopy(thing)) is type(pickle.loads(pickle.dumps(thing))) is type(thing)
        assert np.asarray(thing).shape == ()
        assert inspect.getmembers(thing)
    assert list(inspect.signature(tinynn.Adam).parameters) == [
        "learning_rate", "beta1", "beta2", "epsilon"
    ]  # fmt: skip


@pytest.mark.parametrize("thing", ["model", "layer", "loss"])
def test_what_only_answers_when_it_is_called_is_no_function_for_tinynn(thing):
    for line in (
        f"Adam(learning_rate={thing})",
        f"Dense(3, initializer={thing})",
        f"Trainer(model, loss, optimizer, metrics=[{thing}])",
        f"FunctionCallback(on_epoch_end={thing})",
    ):
        assert isinstance(asked(line), tinynn.InputError)


def test_a_class_without_arguments_says_so():
    assert str(asked("ReLU(3)")) == "ReLU() takes no arguments."
    said = "ReLU() got an unexpected keyword argument 'colour'. It takes no arguments."
    assert str(asked("ReLU(colour=3)")) == said
    assert list(inspect.signature(tinynn.ReLU).parameters) == []


def test_a_class_of_ones_own_calls_its_own_constructor_and_that_of_another_base():
    class Named:
        def __init__(self, name):
            self._name = name

    class Mine(tinynn.Callback, Named):
        pass

    assert Mine("a")._name == "a"


def test_an_error_within_a_call_keeps_its_text():
    class Mine(tinynn.Callback):
        def on_train_begin(self, trainer):
            {}.get(default=2)

    names = {"Mine": Mine}
    exec(BEFORE, names)
    with pytest.raises(TypeError) as caught:
        exec("trainer.fit(x, y, 1, callbacks=[Mine()])", names)
    assert str(caught.value) == "dict.get() takes no keyword arguments"


def test_an_argument_that_no_library_has_gets_the_nearest_or_all():
    assert str(asked("Adam(learningrate=1)")).endswith("Did you mean learning_rate?")
    assert str(asked("Dense(3, colour=1)")).endswith("Its arguments are units, initializer, bias.")
