"""Protects the instrument --rounding: only new weights are disturbed, a little, in all processes.

Each program here is one that a test starts, with what pytest --rounding=N puts around it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinynn import Dense, Sequential, load_model, save_model

pytestmark = pytest.mark.slow  # no test of tinynn, but of the tests
INSTRUMENT = Path(__file__).parent / "rounding"
START = """
import json, sys
from tinynn import Dense, Sequential, load_model
def build(seed=3, dtype="float32", units=2):
    return Sequential([Dense(units)], input_shape=(500,), seed=seed, dtype=dtype)
"""


def run(code, number, path=(), check=True):
    """Return what a program prints that starts under the Nth rounding."""
    environment = {name: value for name, value in os.environ.items() if "ROUNDING" not in name}
    if number:
        environment["TINYNN_TESTS_ROUNDING"] = str(number)
    return subprocess.run(
        [sys.executable, "-c", START + code],
        env={**environment, "PYTHONPATH": os.pathsep.join(map(str, [INSTRUMENT, *path]))},
        capture_output=True,
        text=True,
        check=check,
        timeout=60,
    )


def printed(code, number, path=()):
    return json.loads(run(code, number, path).stdout)


@pytest.fixture(scope="module")
def weights():
    """The 1,000 weights of a model, as floats, under the rounding with each of these numbers."""
    code = "print(json.dumps(build().layers[0].W.ravel().tolist()))"
    return [np.array(printed(code, number)) for number in range(3)]


def test_run_twice_as_in_a_worker_of_xdist_it_disturbs_once(weights):
    again = f"import runpy; runpy.run_path({str(INSTRUMENT / 'sitecustomize.py')!r})\n"
    code = again + "print(json.dumps(build().layers[0].W.ravel().tolist()))"
    assert printed(code, 1) == weights[1].tolist()


@pytest.mark.parametrize("number", [1, 2])
def test_new_weights_differ_by_a_millionth_from_those_that_the_seed_draws(weights, number):
    apart = weights[number] / weights[0] - 1
    assert 0.9e-6 < apart.std() < 1.1e-6
    assert abs(apart.mean()) < 2e-7
    assert abs(apart).max() < 1e-5


def test_two_numbers_are_two_roundings(weights):
    assert (weights[1] != weights[2]).mean() > 0.9


def test_equal_models_stay_equal_and_only_they():
    code = """
same = (build().params == build().params).all()
rebuilt = (Sequential.from_config(build().config()).params == build().params).all()
other_seed = (build().params == build(seed=4).params)[:-2].any()
print(json.dumps([bool(same), bool(rebuilt), bool(other_seed)]))
"""
    assert printed(code, 1) == [True, True, False]


def test_a_copy_is_not_disturbed_again():
    code = """
import copy
model = build()
twins = copy.deepcopy(model), model.astype("float64")
print(json.dumps([bool((model.params == twin.params).all()) for twin in twins]))
"""
    assert printed(code, 1) == [True, True]


def test_a_loaded_model_is_what_the_file_says(tmp_path):
    model = Sequential([Dense(2)], input_shape=(500,), seed=3)
    save_model(model, tmp_path / "model.npz")
    code = f"print(json.dumps(load_model({str(tmp_path / 'model.npz')!r}).params.tolist()))"
    assert printed(code, 1) == load_model(tmp_path / "model.npz").params.tolist()
    assert printed(code, 1) == model.params.tolist()


@pytest.mark.parametrize("number", [0, 1])
def test_another_sitecustomize_on_the_path_is_run_too(tmp_path, number):
    (tmp_path / "sitecustomize.py").write_text("import builtins; builtins.was_here = 1\n")
    assert printed("print(json.dumps(was_here))", number, path=[tmp_path]) == 1


def test_an_input_error_has_no_longer_traceback_because_of_it():
    ends = [run("build(seed=-1)", number, check=False).stderr for number in (0, 1)]
    assert "seed must be" in ends[0]
    assert ends[0] == ends[1]


def test_this_process_and_its_programs_round_alike(request):
    """Whatever --rounding this run has."""
    number = request.config.getoption("rounding")
    code = "print(json.dumps(build().params.tolist()))"
    model = Sequential([Dense(2)], input_shape=(500,), seed=3)
    assert printed(code, number) == model.params.tolist()
    inherited = subprocess.run(
        [sys.executable, "-c", START + code], capture_output=True, text=True, check=True
    )
    assert json.loads(inherited.stdout) == model.params.tolist()
