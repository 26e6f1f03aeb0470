"""Protects the error of a mistake: one class, a short traceback, the whole one on demand."""

import inspect
import pickle
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest

import tinynn
from tinynn import CrossEntropy, Dense, InputError, Sequential, load_model

PACKAGE = Path(tinynn.__file__).parent
MISTAKES = [
    lambda: Sequential([Dense(512)], input_shape=(28, 28)),
    lambda: Dense(-1),
    lambda: CrossEntropy().forward([[0.5, 0.5]], [2]),
    lambda: tinynn.SGD(-1),
    lambda: tinynn.EarlyStopping(patience=0),
    lambda: tinynn.one_hot([3], 3),
    lambda: Sequential([Dense(2)], input_shape=(3,)).predict(np.zeros((2, 5))),
]


def lines_of_tinynn(error):
    found = traceback.extract_tb(error.__traceback__)
    return [frame for frame in found if PACKAGE in Path(frame.filename).parents]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_an_input_error_with_two_lines_of_tinynns_at_most(mistake):
    with pytest.raises(InputError) as caught:
        mistake()
    assert isinstance(caught.value, ValueError)
    assert len(lines_of_tinynn(caught.value)) <= 2


@pytest.mark.parametrize("mistake", MISTAKES[:4])
def test_whole_tracebacks_are_there_on_demand(mistake, monkeypatch):
    monkeypatch.setenv("TINYNN_TRACEBACKS", "whole")
    with pytest.raises(InputError) as caught:
        mistake()
    assert lines_of_tinynn(caught.value)[-1].name not in ("entered", "<lambda>")
    assert "checks" in Path(lines_of_tinynn(caught.value)[-1].filename).parts


def test_an_error_that_passes_through_other_code_keeps_its_lines():
    class Own(Dense):
        def output_shape(self, input_shape):
            return super().output_shape((2, 2))

    with pytest.raises(InputError, match="needs flat ones") as caught:
        Sequential([Own(2)], input_shape=(3,))
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names.count("output_shape") == 2


def test_an_error_of_other_code_keeps_its_class_and_its_lines():
    def broken(shape, rng):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine") as caught:
        Sequential([Dense(2, broken)], input_shape=(3,))
    assert type(caught.value) is ValueError
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "broken"


def test_a_missing_file_is_reported_in_two_lines():
    with pytest.raises(FileNotFoundError) as caught:
        load_model("nowhere.npz")
    assert len(lines_of_tinynn(caught.value)) <= 2


def test_a_missing_attribute_is_both():
    model = Sequential([Dense(2)], input_shape=(3,))
    assert not hasattr(model, "fit")
    with pytest.raises(AttributeError, match="Write Trainer"):
        _ = model.fit
    with pytest.raises(InputError, match="Write Trainer"):
        _ = model.fit


def test_tinynns_own_errors_are_input_errors():
    assert issubclass(tinynn.ModelFormatError, InputError)
    assert issubclass(tinynn.datasets.IDXFormatError, InputError)


def test_nothing_raises_a_bare_value_error():
    found = [
        f"{path.name}: {line.strip()}"
        for path in PACKAGE.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip().startswith(("raise ValueError", "return ValueError"))
    ]
    assert found == []


@pytest.mark.slow
def test_public_classes_say_where_they_stand():
    for name in tinynn.__all__:
        thing = getattr(tinynn, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert inspect.getsource(thing)
            assert thing.__module__.startswith("tinynn.")
    assert pickle.loads(pickle.dumps(InputError("x"))).args == ("x",)


def test_a_program_prints_the_mistake_and_where_it_was_made(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import tinynn\ntinynn.Dense(-1)\n")
    told = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert "line 2, in <module>" in told.stderr
    assert told.stderr.count("File ") <= 3
    assert told.stderr.splitlines()[-1].startswith("tinynn.errors.InputError: units of Dense")
