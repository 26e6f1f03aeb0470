"""Lessons as a learner runs them: from top to bottom, in an empty folder."""

import io
import os
import runpy
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
from matplotlib.image import imread

LESSONS = Path(__file__).parents[3] / "examples/lessons"
SHORT = ("01", "06")  # each of the others takes three to ten seconds, with what its tests do


def pytest_collection_modifyitems(items):
    """Tests of lessons are about the outcome of trainings; most take long."""
    for item in items:
        if "lesson" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.outcome)
            parameters = item.callspec.params if hasattr(item, "callspec") else {}
            path = parameters.get("path", item.path)  # of the lesson, or of its tests
            if path.stem.removeprefix("test_")[:2] not in SHORT:
                item.add_marker(pytest.mark.slow)


def prose(path):
    """Return the text of the markdown cells, on one line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return " ".join(" ".join(line[1:] for line in lines if line.startswith("#")).split())


def panels(figure):
    """Return of each panel its words, its curves (points, 2) by label, and its legend."""
    shown = []
    for axes in figure.axes:
        legend = axes.get_legend()
        shown.append(
            SimpleNamespace(
                axes=axes,
                words=(axes.get_title(), axes.get_xlabel(), axes.get_ylabel()),
                curves={line.get_label(): line.get_xydata() for line in axes.lines},
                legend=[text.get_text() for text in legend.get_texts()] if legend else [],
            )
        )
    return shown


@pytest.fixture(scope="session")
def lesson(tmp_path_factory):
    """Return a function that runs a lesson once and gives its names, and beside these:

    text (what it printed), prose (what its cells of text say), picture (its pixels), drawn (what
    each panel of it shows).
    """
    done = {}

    def run(number):
        if number not in done:
            (path,) = LESSONS.glob(f"{number}_*.py")
            folder = tmp_path_factory.mktemp(f"lesson_{number}")
            before, text = Path.cwd(), io.StringIO()
            os.chdir(folder)
            plt.switch_backend("agg")  # or there would be a window, where there is a display
            try:
                with redirect_stdout(text):
                    names = runpy.run_path(str(path), run_name="__main__")
            finally:
                os.chdir(before)
                plt.close("all")
            picture = imread(folder / f"runs/lessons/{path.stem}.png")
            done[number] = SimpleNamespace(
                **names,
                text=text.getvalue(),
                prose=prose(path),
                picture=picture,
                drawn=panels(names["figure"]),
            )
        return done[number]

    return run
