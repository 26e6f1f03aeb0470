"""What tinynn answers to a mistake: texts/answers.md, a page to read, is what it says today.

A new mistake gets a heading, a program and an empty block of text on that page; --renew-texts then
fills in the answer, for review.
"""

import re
import textwrap
import traceback
import warnings
from pathlib import Path
from typing import NamedTuple

import pytest

import tinynn

PAGE = Path(__file__).parent / "texts/answers.md"
PROGRAM = re.compile(r"^```python\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
ANSWER = re.compile(r"^```text\n(.*?)^```\n", re.DOTALL | re.MULTILINE)


class Row(NamedTuple):
    """A mistake, programs that make it, and the answer to each, as the page has them."""

    mistake: str
    programs: list[str]
    answer: str


def read_page():
    """Return what runs before every program, and the rows of the page."""
    head, *sections = PAGE.read_text(encoding="utf-8").split("\n## ")
    rows = []
    for section in sections:
        (answer,) = ANSWER.findall(section)
        rows.append(Row(section.split("\n")[0], PROGRAM.findall(section), answer))
    return PROGRAM.findall(head)[0], rows


BEFORE, TABLE = read_page()


def as_on_the_page(error, folder):
    """Return an answer in lines of 100 characters at most."""
    text = f"{type(error).__name__}: {error}".replace(str(folder), "{folder}")
    how = {"width": 100, "break_long_words": False, "break_on_hyphens": False}
    return "".join(f"{part}\n" for line in text.split("\n") for part in textwrap.wrap(line, **how))


def renew(mistake, answer):
    """Write an answer into its section of the page."""
    head, *sections = PAGE.read_text(encoding="utf-8").split("\n## ")
    for i, section in enumerate(sections):
        if section.startswith(f"{mistake}\n"):
            sections[i] = ANSWER.sub(lambda _: f"```text\n{answer}```\n", section)
    PAGE.write_text("\n## ".join([head, *sections]), encoding="utf-8")


def answer_to(lines):
    """Make a mistake; return what was raised."""
    names = {}
    exec(BEFORE, names)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((ValueError, OSError, AttributeError, UserWarning)) as caught:
            exec(lines, names)
    return caught.value


def frames(error):
    """Return how many lines of tinynn stand between the mistake and its answer."""
    package = Path(tinynn.__file__).parent
    found = traceback.extract_tb(error.__traceback__)
    return sum(package in Path(frame.filename).parents for frame in found)


@pytest.mark.parametrize(
    ("row", "lines"),
    [
        pytest.param(row, lines, id=row.mistake.replace(" ", "_"))
        for row in TABLE
        for lines in row.programs
    ],
)
def test_the_answer(row, lines, tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    error = answer_to(lines)
    answer = as_on_the_page(error, tmp_path)
    if request.config.getoption("renew_texts") and lines == row.programs[0]:
        renew(row.mistake, answer)
    else:
        assert answer == row.answer, "If this is the better answer: pytest --renew-texts"
    if not isinstance(error, UserWarning):  # a warning points at the line by itself
        assert frames(error) <= 2, "".join(traceback.format_tb(error.__traceback__))


def test_the_page_has_nothing_that_is_not_tried():
    """Each program is one of a section, each section has one, and none is there twice."""
    text = PAGE.read_text(encoding="utf-8")
    programs = [lines for row in TABLE for lines in row.programs]
    assert all(row.programs for row in TABLE)
    assert text.count("```") == 2 * (1 + len(programs) + len(TABLE))
    assert len(re.findall(r"^#+ ", text, re.MULTILINE)) == 1 + len(TABLE)
    assert len(set(programs)) == len(programs)
    assert len({row.mistake for row in TABLE}) == len(TABLE)


def test_the_evidence_states_how_many_there_are():
    evidence = (Path(__file__).parents[1] / "docs/evidence.md").read_text(encoding="utf-8")
    assert f"tests/test_error_messages.py` | pass: {len(TABLE)} answers |" in evidence


def test_validation_data_that_are_other_samples_on_one_scale_are_taken_without_a_word():
    names = {}
    exec(BEFORE, names)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(
            "images += np.random.default_rng(0).random(images.shape)\n"
            "trainer.fit(images[:40], labels[:40], 1, validation_data=(images[40:], labels[40:]))\n"
            "counts = np.random.default_rng(0).integers(0, 9, (60, 28, 28))\n"
            "trainer.fit(counts, labels, 1)",  # whole numbers are not yet bytes
            names,
        )


@pytest.mark.parametrize(
    "mistake",
    ["np.zeros((2, 3)) @ np.zeros((2, 3))", "one_hot([7], 3)", "self.there_is_no_such_array"],
)
def test_a_mistake_in_a_layer_of_ones_own_keeps_all_of_its_traceback(mistake):
    """Otherwise its author would not see the line that is wrong."""
    lines = (
        "class Wrong(Silent):\n"
        "    def forward(self, x, training=True):\n"
        f"        return {mistake}\n"
        "Trainer(Sequential([Wrong()], input_shape=(4,)), MeanSquaredError(), Adam()).fit(\n"
        "    np.ones((2, 4)), np.ones((2, 4)), epochs=1)\n"
    )
    error = answer_to(lines)
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert "forward" in names[-4:]
    assert frames(error) > 2
