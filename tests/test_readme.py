"""Protects what a reader sees first: files exist, programs run, figures and texts are today's."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").glob("*.md")),
    ROOT / "benchmarks/README.md",
]
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
README = TEXTS[ROOT / "README.md"]


def blocks(text, language):
    """Return the fenced blocks of a page that are marked with this language, "" for none."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [block for marked, block in fenced if marked == language]


PROGRAMS = {
    f"{page.name} {n}": block
    for page, text in TEXTS.items()
    for n, block in enumerate(blocks(text, "python"))
    if not block.startswith(">>>") and page.name != "TEACHING.md"  # whose grader test_teaching runs
}


def output_of(program, folder):
    file = folder / "mine.py"
    file.write_text(program, encoding="utf-8")
    process = subprocess.run(
        [sys.executable, "-W", "error", file.name],
        cwd=folder,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # steady beside other programs
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.first_cases(2)
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_run_as_they_stand(name, tmp_path):
    assert output_of(PROGRAMS[name], tmp_path)


def test_sessions_print_what_they_show():
    shown = [block for text in TEXTS.values() for block in blocks(text, "python")]
    sessions = "\n".join(block for block in shown if block.startswith(">>>"))
    test = doctest.DocTestParser().get_doctest(sessions, {}, "pages", "pages", 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert runner.run(test).failed == 0


def test_the_loop_by_hand_is_twelve_lines():
    assert len([line for line in PROGRAMS["README.md 0"].splitlines() if line]) <= 12


@pytest.mark.parametrize(("page", "n"), [("README.md", 1), ("docs/clinic.md", 0)])
def test_the_report_that_is_shown_is_that_of_the_program(page, n, tmp_path):
    report = output_of(PROGRAMS[f"{Path(page).name} {n}"], tmp_path).splitlines()
    (shown,) = [block for block in blocks(TEXTS[ROOT / page], "") if "WRONG" in block]
    assert [line for line in shown.splitlines() if line not in report] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pictures_and_files_that_it_names_exist(page):
    text = TEXTS[page]
    named = re.findall(r'src="([^"]+)"', text) + re.findall(r"\]\(([^)#:]+)\)", text)
    assert [name for name in named if not (page.parent / name).exists()] == []
    assert len(named) > 10 or page != ROOT / "README.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_tests_that_its_commands_name_exist(page):
    named = re.findall(r"(?<![\w/])(?:tests|examples|benchmarks)/[\w./-]*\w", TEXTS[page])
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_it_is_read_in_two_minutes():
    assert len(README.splitlines()) <= 130
