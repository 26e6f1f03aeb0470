"""Protects the page for teachers: it has each lesson, and its grader says what the page shows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
PAGE = (EXAMPLES / "TEACHING.md").read_text(encoding="utf-8")
LAYER = """
import numpy as np
from tinynn import Layer

class Tanh(Layer):
    def forward(self, x, training=True):
        self.x = x
        return {forward}

    def input_gradient(self, dout):
        return {gradient}
"""
HANDED_IN = {
    "anna_tanh.py": ("np.tanh(x)", "dout * (1 - np.tanh(self.x) ** 2)"),
    "boris_tanh.py": ("np.tanh(x)", "dout * (1 - self.x**2)"),
    "chen_tanh.py": ("x", "dout"),
}


def block(language, word):
    """Return the text of the page's one block of this language that has this word."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    (found,) = [text for text in blocks if word in text]
    return found


@pytest.mark.slow
def test_the_grader_prints_what_the_page_shows(tmp_path):
    (tmp_path / "grade.py").write_text(block("python", "check_gradients"))
    shown = ""
    for name, (forward, gradient) in HANDED_IN.items():
        (tmp_path / name).write_text(LAYER.format(forward=forward, gradient=gradient))
        command = [sys.executable, "-W", "error", "grade.py", name]
        shown += subprocess.check_output(command, cwd=tmp_path, text=True)
    assert shown == block("text", "_tanh.py")


def test_it_has_each_lesson_under_its_title_with_two_answers_and_a_row():
    sections = dict(re.findall(r"^### (\d+\. .*)\n\n((?:(?!#).*\n)*)", PAGE, re.MULTILINE))
    lessons = sorted((EXAMPLES / "lessons").glob("*.py"))
    assert len(sections) == len(lessons)
    for path in lessons:
        title = path.read_text(encoding="utf-8").splitlines()[1].removeprefix("# # ")
        title = title if path.stem[:2] != "00" else f"0. {title}"
        points = re.findall(r"^- \*\*(.*?)\*\*", sections[title], re.MULTILINE)
        assert points == ["Board", "Question 1", "Question 2", "A likely mistake"]
        assert f"| [{title}](lessons/{path.stem}.ipynb) |" in PAGE


def test_it_is_linked_and_its_links_exist():
    assert "(TEACHING.md)" in (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert (EXAMPLES / target).exists(), target
