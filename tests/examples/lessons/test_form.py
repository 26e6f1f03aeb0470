"""Protects the course: each lesson opens as a notebook and runs as a program."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

ROOT = Path(__file__).parents[3]
LESSONS = sorted((ROOT / "examples/lessons").glob("*.py"))
NUMBERS = [path.stem[:2] for path in LESSONS]


@pytest.fixture(params=LESSONS, ids=NUMBERS)
def path(request):
    return request.param


def cells(path):
    """Return the kind and the text of each cell."""
    parts = re.split(r"^# %%(.*)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert parts[0] == ""
    return list(zip(parts[1::2], parts[2::2], strict=True))


def test_it_is_a_notebook_in_the_percent_format(path):
    for kind, text in cells(path):
        assert kind in ("", " [markdown]")
        if kind:
            assert all(line.startswith("#") for line in text.strip().splitlines())
        else:
            ast.parse(text)


def test_it_begins_with_its_title_and_ends_with_what_it_proves_and_two_questions(path):
    found = cells(path)
    number = int(path.stem[:2])
    assert re.match(rf"# # {number}\. \w" if number else r"# # \w", found[0][1])
    last = found[-1][1]
    assert "# ## What this proves\n" in last
    questions = last.split("# ## Questions\n")[1]
    assert re.findall(r"^# (\d)\. ", questions, re.MULTILINE) == ["1", "2"]


def test_it_is_one_screen_to_three(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 165
    assert max(map(len, lines)) <= 100


def test_it_needs_nothing_but_numpy_matplotlib_and_tinynn(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    names = {alias.name for node in imports for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    allowed = {
        "numpy",
        "matplotlib",
        "tinynn",
        "pathlib",
        "functools",
        "itertools",
        "timeit",
        "warnings",
    }
    assert {name.split(".")[0] for name in names} <= allowed


def test_its_picture_is_drawn_and_not_blank(lesson, path):
    picture = lesson(path.stem[:2]).picture
    assert picture.shape[1] >= 600
    assert picture[..., :3].std() > 0.05


def test_the_syllabus_lists_it_with_its_thumbnail(path):
    syllabus = (ROOT / "examples/README.md").read_text(encoding="utf-8")
    assert f"(lessons/{path.name})" in syllabus
    thumbnail = f"images/lessons/{path.stem}.png"
    assert thumbnail in syllabus
    assert (ROOT / "examples" / thumbnail).exists()


def coarse(picture):
    """Return how dark the picture is, in squares of 20 pixels, in which letters blur to grey."""
    height, width = (size // 20 * 20 for size in picture.shape[:2])
    squares = picture[:height, :width, :3].reshape(height // 20, 20, width // 20, 20, 3)
    return 1 - squares.mean(axis=(1, 3))


def test_the_picture_of_the_syllabus_is_the_one_that_the_lesson_draws(lesson, path):
    """By this measure the pictures of two lessons are 0.9 apart or more.

    One lesson's, drawn with Matplotlib 3.10 and with 3.11, which set letters in different ways, or
    on two kinds of processor, are up to 0.25 apart. So a change in few letters is not noticed.
    """
    kept = f"examples/images/lessons/{path.stem}.png"
    picture, drawn = imread(ROOT / kept), lesson(path.stem[:2]).picture
    renew = (
        f"{kept} is not what the lesson draws. If the new picture is right: "
        f"python examples/lessons/{path.name} && cp runs/lessons/{path.stem}.png {kept}"
    )
    assert picture.shape == drawn.shape, renew
    apart = np.abs(coarse(picture) - coarse(drawn)).mean() / coarse(drawn).mean()
    assert apart < 0.3, renew


@pytest.mark.slow
def test_it_runs_as_a_program_in_seconds(tmp_path):
    """One does for all: the fixture `lesson` runs each of them as Python runs a program."""
    command = [sys.executable, "-W", "error", LESSONS[1]]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=90)
    assert process.returncode == 0, process.stderr
    assert process.stdout


def test_it_says_where_its_picture_is(lesson, path):
    told = lesson(path.stem[:2]).text.splitlines()
    assert any(line.endswith(f"{Path('runs/lessons', path.stem)}.png") for line in told)


def test_git_ignores_what_the_programs_write_wherever_they_are_started():
    """As a notebook, a lesson runs in its own folder."""
    assert "runs/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
