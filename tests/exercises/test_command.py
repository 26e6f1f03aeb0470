"""Protects `python -m tinynn.exercises`: points for right work alone, whatever a file does."""

from pathlib import Path

import pytest

from tinynn.exercises.course import EXERCISES
from tinynn.exercises.grading import grade_file

FOLDER = Path(__file__).parents[2] / "examples/exercises"
RELU = EXERCISES[0]
RIGHT = (FOLDER / "solutions/01_relu.py").read_text(encoding="utf-8")
HOSTILE = {  # what the file does besides: what the answer says
    "import sys; sys.exit()": "ends the program as it is imported",
    "import os; os._exit(0)": "exit status 0",
    "raise KeyError": "KeyError",
    "def f(:": "no Python",
    "import tinynn": "tinynn",
    "from tinynn.layers import ReLU": "tinynn",
    "x = input()": "input()",
    "x = np.ones((100_000, 100_000))": "memory",
    "import os; os.write(1, b'[\"relu_forward\"]\\n')": "",
}


def handed_in(folder, text, name="01_relu.py"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_the_solution_gets_all_points_in_a_process_of_its_own(tmp_path):
    grade = grade_file(RELU, handed_in(tmp_path, f"print('hello')\n{RIGHT}"))
    assert grade.points == 10, grade


@pytest.mark.slow
@pytest.mark.parametrize("line", HOSTILE)
def test_a_hostile_file_gets_no_points_and_is_told(tmp_path, line):
    file = handed_in(tmp_path, f"import numpy as np\n{line}\n")
    grade = grade_file(RELU, file, seconds=2)
    assert grade.points == 0
    assert HOSTILE[line] in str(grade)


@pytest.mark.slow
def test_a_part_that_never_ends_costs_its_own_points_alone(tmp_path):
    text = RIGHT.replace("return np.maximum(x, 0)", "while True:\n        pass")
    grade = grade_file(RELU, handed_in(tmp_path, text), seconds=0.5)
    forward, backward = grade.parts
    assert (forward.points, backward.points) == (0, 6)
    assert "endless loop" in forward.sentence
    assert forward.line in (8, 9)
