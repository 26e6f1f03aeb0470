"""`python -m tinynn.exercises FOLDER`: grade a student's folder, or with --csv a class's.

Exit status: 0 if all is right, 1 if not, 2 if there is nothing to grade.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from tinynn.clinic.process import SECONDS
from tinynn.errors import escape_control
from tinynn.exercises.course import EXERCISES
from tinynn.exercises.grading import Exercise, Grade, grade_file


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tinynn.exercises",
        description="Grade the exercises in a folder: what is right, what is wrong, and where.",
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--csv", action="store_true", help="FOLDER holds a folder for each student: print a table"
    )
    parser.add_argument(
        "--only", nargs="+", metavar="N", help="grade these exercises alone: --only 1 2"
    )
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="limit of time for a file (%(default)g)"
    )
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        parser.error(f"there is no folder {options.folder}")
    if not 0 < options.seconds < 1e6:
        parser.error(f"--seconds must be a positive number, got {options.seconds:g}")
    chosen: Sequence[Exercise] = EXERCISES
    if options.only:
        known = {str(int(each.name[:2])): each for each in EXERCISES}
        unknown = [n for n in options.only if n.lstrip("0") not in known]
        if unknown:
            parser.error(f"--only: there is no exercise {unknown[0]}, only {', '.join(known)}")
        chosen = [known[n.lstrip("0")] for n in options.only]
    grade = _grade_class if options.csv else _grade_one
    return grade(options.folder, chosen, options.seconds)


def _grade_one(folder: Path, exercises: Sequence[Exercise], seconds: float) -> int:
    """Print what is found, as soon as it is found."""
    if not any((folder / f"{each.name}.py").is_file() for each in exercises):
        names = ", ".join(f"{each.name}.py" for each in exercises)
        print(f"{folder} holds no exercise, which would be called {names}.", file=sys.stderr)
        return 2
    points = 0
    for exercise in exercises:
        grade = grade_file(exercise, folder / f"{exercise.name}.py", seconds)
        print(grade, flush=True)
        points += grade.points
    most = sum(each.points for each in exercises)
    print(f"In all: {points} of {most} points.")
    return 0 if points == most else 1


def _grade_class(folder: Path, exercises: Sequence[Exercise], seconds: float) -> int:
    """Print a row for each student, as soon as it is graded."""
    students = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not students:
        print(f"{folder} holds no folder of a student.", file=sys.stderr)
        return 2
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["name", *(each.name for each in exercises), "total", "notes"])
    all_right = True
    for student in students:
        grades = [grade_file(each, student / f"{each.name}.py", seconds) for each in exercises]
        points = [grade.points for grade in grades]
        all_right = all_right and all(grade.status == "right" for grade in grades)
        table.writerow([cell(student.name), *points, sum(points), cell(_notes(grades))])
        sys.stdout.flush()
    return 0 if all_right else 1


def _notes(grades: list[Grade]) -> str:
    """Say what the points do not tell: which files are not there, or could not be graded."""
    told = [(g.exercise.name, g.trouble or g.status) for g in grades]
    notes = [f"{name}: {text}" for name, text in told if text not in ("right", "wrong")]
    return "; ".join(notes)


def cell(text: str) -> str:
    """Return a text that a spreadsheet shows, and does not take for a formula.

    >>> cell("anna"), cell("=1+1"), cell("@sum")
    ('anna', "'=1+1", "'@sum")
    """
    text = " ".join(escape_control(text).split())
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
