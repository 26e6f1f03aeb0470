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
SHORT = ("01",)  # each of the others takes three to ten seconds, with what its tests do
# --rounding changes nothing there: they train no Sequential, or one whose first weights are zeros
SAME = ("02", "04", "05", "07", "14", "16")


def pytest_collection_modifyitems(items):
    """Tests of most lessons are about the outcome of trainings; most take long."""
    for item in items:
        if "lesson" in getattr(item, "fixturenames", ()):
            parameters = item.callspec.params if hasattr(item, "callspec") else {}
            path = parameters.get("path", item.path)  # of the lesson, or of its tests
            number = path.stem.removeprefix("test_")[:2]
            if number not in SAME:
                item.add_marker(pytest.mark.outcome)
            if number not in SHORT:
                item.add_marker(pytest.mark.slow)


def panels(figure):
    """Return of each panel its axes, and its curves (points, 2) by their names in the legend."""
    return [
        SimpleNamespace(
            axes=axes, curves={line.get_label(): line.get_xydata() for line in axes.lines}
        )
        for axes in figure.axes
    ]


@pytest.fixture(scope="session")
def lesson(tmp_path_factory):
    """Return a function that runs a lesson once and gives its names, and beside these:

    text (what it printed), picture (its pixels), drawn (what each panel of it shows).
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
                picture=picture,
                drawn=panels(names["figure"]),
            )
        return done[number]

    return run
