"""Protects the texts that are compared as a whole: stale, missing and unused ones are found."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TEXTS = sorted((TESTS / "texts").iterdir())
NAMES = ["answers.md", "explain_2_2_2.txt"]


@pytest.fixture
def compare(tmp_path):
    """Return a function that compares an answer and a page, in a copy of what that needs."""
    for name in (
        "conftest.py",
        "oracles.py",
        "test_error_messages.py",
        "explain/test_explain.py",
    ):
        shutil.copy(TESTS / name, tmp_path)
    shutil.copytree(TESTS / "rounding", tmp_path / "rounding")
    shutil.copytree(TESTS / "texts", tmp_path / "texts")

    def run(*options):
        """Return how many of the two tests fail, and what is said."""
        chosen = "test_the_answer and No_units or test_the_page_of_a_2_2_2"
        command = [sys.executable, "-m", "pytest", "--import-mode=importlib"]
        command += ["-o", "pythonpath=.", "-k", chosen]
        process = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True)
        return process.stdout.count("\nFAILED "), process.stdout + process.stderr

    return run


@pytest.mark.slow
def test_a_stale_text_fails_until_it_is_renewed_and_then_only_it_has_changed(compare, tmp_path):
    kept = {name: (tmp_path / "texts" / name).read_text() for name in NAMES}
    for name, right in zip(
        NAMES, ("units of Dense must be a whole number of 1 or more, got 0.", "0.5672"), strict=True
    ):
        assert right in kept[name]
        (tmp_path / "texts" / name).write_text(kept[name].replace(right, "another text"))
    failed, said = compare()
    assert failed == 2
    assert said.count("pytest --renew-texts") >= 2
    assert compare("--renew-texts")[0] == 0
    assert {name: (tmp_path / "texts" / name).read_text() for name in NAMES} == kept
    assert compare()[0] == 0


@pytest.mark.slow
def test_a_missing_text_fails(compare, tmp_path):
    (tmp_path / "texts/explain_2_2_2.txt").unlink()
    failed, said = compare()
    assert failed == 1
    assert "pytest --renew-texts" in said


@pytest.mark.slow
def test_texts_of_disturbed_weights_are_not_taken(compare):
    assert "no --rounding" in compare("--renew-texts", "--rounding=1")[1]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_text_is_one_that_a_test_compares(path):
    sources = [source.read_text(encoding="utf-8") for source in TESTS.rglob("test_*.py")]
    sources.remove(Path(__file__).read_text(encoding="utf-8"))
    assert any(f'{path.name}"' in source for source in sources), "it can go: nobody compares it"
