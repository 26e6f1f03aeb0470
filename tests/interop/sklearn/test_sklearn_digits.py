"""examples/sklearn_digits.py runs, and its two classifiers are as good as each other."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples/sklearn_digits.py"


def run(*arguments):
    done = subprocess.run(
        [sys.executable, EXAMPLE, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def accuracies(text):
    return [float(number) for number in re.findall(r"(0\.\d{4}) \(", text)]


def test_the_example_runs():
    text = run("--epochs", "1", "--jobs", "1")
    assert len(accuracies(text)) == 3
    assert "Five folds, 64-" in text


@pytest.mark.slow
def test_its_classifiers_are_as_good_as_each_other():
    sklearn, tinynn, single = accuracies(run("--epochs", "15"))
    assert min(sklearn, tinynn, single) > 0.96
    assert abs(tinynn - sklearn) < 0.01
    assert abs(single - sklearn) < 0.01
