"""Protects the option --first-cases: each plain test is left with a case, and none with more."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def cases(*arguments):
    """Return how many cases of each plain test of a folder would run."""
    command = [sys.executable, "-m", "pytest", "-n", "0", "--collect-only", "-q", *arguments]
    process = subprocess.run(
        [*command, "tests/gradcheck"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = process.stdout.splitlines()
    return Counter(line.partition("[")[0] for line in lines if "::" in line)


@pytest.mark.slow
def test_each_plain_test_is_left_with_its_first_cases():
    every, few = cases(), cases("--first-cases=2")
    assert few == {test: min(2, number) for test, number in every.items()}
    assert max(every.values()) > 2
