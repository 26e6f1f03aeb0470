"""Protects the exercises: solutions get all points, what students hand in is graded rightly.

wrong/ has a file for each exercise: wrong lines with words that the answer must have, and right
lines of another kind. Each is put in the place of a line of the solution.
"""

import re
import runpy
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tinynn.exercises.answering import Answers
from tinynn.exercises.asking import Student
from tinynn.exercises.course import EXERCISES
from tinynn.exercises.grading import grade_student

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / "examples/exercises"
SUBMISSIONS = HERE / "wrong"


def grade(exercise, source):
    """Grade a text in this process, by the same requests and answers as between two."""
    path = Path(f"/submissions/{exercise.name}.py")
    module = ModuleType("submission")
    exec(compile(source, str(path), "exec"), vars(module))
    answers = Answers(module)
    names = [name for name, value in vars(module).items() if callable(value)]
    return grade_student(exercise, Student(path, source, answers.answer, names))


def text(exercise, folder=FOLDER / "solutions"):
    return (folder / f"{exercise.name}.py").read_text(encoding="utf-8")


@cache
def submissions(name):
    return runpy.run_path(str(SUBMISSIONS / f"{name}.py"))


def put(exercise, old, new):
    """Return the solution with other lines in the place of one of its own."""
    solution = text(exercise)
    assert solution.count(old) == 1, f"the solution has {old!r} {solution.count(old)} times"
    return solution.replace(old, new)


def part_of(exercise, function, source):
    """Grade one function alone."""
    parts = tuple(part for part in exercise.parts if part.function == function)
    (part,) = grade(replace(exercise, parts=parts), source).parts
    return part


def cases(key):
    """Return all submissions of a kind; those of each exercise after the first four are slow."""
    return [
        pytest.param(
            each, *case, id=f"{each.name}: {case[0]} {i}", marks=[pytest.mark.slow] * (i > 3)
        )
        for each in EXERCISES
        for i, case in enumerate(submissions(each.name)[key])
    ]


def test_each_exercise_has_its_file_its_solution_and_twenty_wrong_submissions():
    names = {exercise.name for exercise in EXERCISES}
    for folder in (FOLDER, FOLDER / "solutions", SUBMISSIONS):
        assert {path.stem for path in folder.glob("*.py")} == names
    assert all(len(submissions(name)["WRONG"]) >= 20 for name in names)
    assert all(exercise.points == 10 for exercise in EXERCISES)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda each: each.name)
def test_what_is_handed_out_is_not_begun_and_states_what_is_graded(exercise):
    given = text(exercise, FOLDER)
    assert grade(exercise, given).status == "not begun"
    for part in exercise.parts:
        assert f"def {part.function}({part.arguments}):" in given


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda each: each.name)
def test_the_solution_gets_all_points(exercise):
    found = grade(exercise, text(exercise))
    assert found.points == exercise.points, found


@pytest.mark.parametrize(("exercise", "what", "function", "old", "new", "says"), cases("WRONG"))
def test_a_wrong_submission_is_found_with_words_that_help(exercise, what, function, old, new, says):
    source = put(exercise, old, new)
    part = part_of(exercise, function, source)
    assert part.status == "wrong"
    assert says, part.sentence
    assert says in part.sentence
    begins = source[: source.index(f"def {function}(")].count("\n") + 1
    body = source.split("\n")[begins:]
    ends = begins + next((i for i, line in enumerate(body) if line[:1].strip()), len(body))
    assert begins <= part.line <= ends
    solution = [line.strip().removeprefix("return ") for line in text(exercise).split("\n")]
    secret = [line for line in solution if len(line) > 8 and line not in text(exercise, FOLDER)]
    assert not [line for line in secret if line in part.sentence]


@pytest.mark.parametrize("seed", [19, 38, 44])  # two draws in a row of one seed are the same set
def test_chance_gives_no_points_to_a_generator_of_its_own(seed):
    (exercise,) = (each for each in EXERCISES if each.name == "11_minibatches")
    name = ("a global generator", "hold_out")
    (old, new) = next(case[2:4] for case in submissions(exercise.name)["WRONG"] if case[:2] == name)
    np.random.seed(seed)  # noqa: NPY002 (what such a submission draws from)
    part = part_of(exercise, "hold_out", put(exercise, old, new))
    assert "Two calls with rngs of the same seed differ" in part.sentence


@pytest.mark.first_cases(12)
@pytest.mark.parametrize(("exercise", "what", "old", "new"), cases("RIGHT"))
def test_another_right_solution_gets_all_points(exercise, what, old, new):
    found = grade(exercise, put(exercise, old, new))
    assert found.points == exercise.points, found


def test_a_function_that_calls_a_wrong_one_is_told_so():
    exercise = next(each for each in EXERCISES if each.name.startswith("03"))
    found = grade(exercise, put(exercise, "p = e / e.sum(axis=1, keepdims=True)", "p = e"))
    assert "It calls softmax, which is not right yet" in str(found)
    assert str(found).count("It calls") == 1
    assert found.points == 3


def test_of_a_function_that_calls_a_wrong_one_no_more_is_said():
    """Its numbers tell nothing of its own lines: here train is right."""
    exercise = next(each for each in EXERCISES if each.name.startswith("06"))
    source = put(exercise, "m_hat = m / (1 - beta1**t)", "m_hat = m / (1 - beta1 * t)")
    *_, train = grade(exercise, source).parts
    text = "It calls adam_step, which is not right yet: repair adam_step first."
    assert (train.status, train.sentence) == ("wrong", text)
    assert "adam_step(" in source.splitlines()[train.line - 1]


@pytest.mark.parametrize("name", ["he_normal", "[he_normal][0]", "mine"])
def test_a_wrong_function_is_found_by_whatever_name_it_is_called(name):
    exercise = next(each for each in EXERCISES if each.name.startswith("07"))
    rule = "rule = glorot_uniform if layer == last else "
    source = put(exercise, f"{rule}he_normal", rule + name)
    source = source.replace("np.sqrt(2 / fan_in)", "np.sqrt(2 / fan_out)")
    source += "\n\ndef mine(*arguments):\n    return he_normal(*arguments)\n"
    *_, network = grade(exercise, source).parts
    assert network.sentence.startswith("It calls he_normal, which is not right yet")
    assert rule in source.splitlines()[network.line - 1]


def test_an_exception_cannot_look_like_a_grade():
    text_of_error = "\\n01_relu  ReLU: right, 10 of 10 points."
    source = put(EXERCISES[0], "return np.maximum(x, 0)", f'raise ValueError("{text_of_error}")')
    assert len(str(grade(EXERCISES[0], source)).splitlines()) == 4


def test_the_page_for_students_has_each_exercise_and_shows_an_answer_of_today():
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    for exercise in EXERCISES:
        assert f"| [{int(exercise.name[:2])}. {exercise.title}]({exercise.name}.py) |" in page
    for target in re.findall(r"\]\(([^)]+)\)", page):
        assert (FOLDER / target).exists(), target
    (shown,) = re.findall(r"^```text\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    given = text(EXERCISES[0], FOLDER).split('raise NotImplementedError("your lines")')
    found = grade(EXERCISES[0], given[0] + "return x * (x > 0)" + given[1]
                  + "dx = dout * (x >= 0)\n    return dx" + given[2])  # fmt: skip
    assert shown.startswith(f"{found}\n")


if __name__ == "__main__":  # read all answers: python tests/exercises/test_exercises.py 01_relu
    for one in EXERCISES:
        if one.name in sys.argv[1:] or not sys.argv[1:]:
            for what, function, old, new, _ in submissions(one.name)["WRONG"]:
                found = part_of(one, function, put(one, old, new))
                print(f"{what}: {found.line} {found.sentence}")
