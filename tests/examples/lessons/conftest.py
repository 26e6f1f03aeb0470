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


@pytest.fixture(scope="session")
def lesson(tmp_path_factory):
    """Return a function that runs a lesson once and gives its names, its text and its picture."""
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
            done[number] = SimpleNamespace(**names, text=text.getvalue(), picture=picture)
        return done[number]

    return run
