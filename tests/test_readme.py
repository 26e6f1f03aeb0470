"""Protects the README: its files exist, its programs run, and its messages are today's."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
PROGRAMS = [block for block in BLOCKS if not block.startswith(">>>")]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda text: text.split("\n")[0])
def test_programs_run_as_they_stand(program, tmp_path):
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout


def test_sessions_print_what_they_show():
    sessions = "\n".join(block for block in BLOCKS if block.startswith(">>>"))
    test = doctest.DocTestParser().get_doctest(sessions, {}, "README", "README.md", 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert test.examples
    assert runner.run(test).failed == 0


def test_the_loop_by_hand_is_twelve_lines():
    assert len([line for line in PROGRAMS[0].splitlines() if line]) <= 12


def test_pictures_and_files_that_it_names_exist():
    root = Path(__file__).parents[1]
    named = re.findall(r'src="([^"]+)"', README) + re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(named) > 10
    assert [name for name in named if not (root / name).exists()] == []
