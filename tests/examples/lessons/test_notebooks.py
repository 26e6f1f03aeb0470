"""Protects what a notebook shows: each lesson runs in a real kernel, and its picture appears."""

from pathlib import Path

import pytest

LESSONS = sorted((Path(__file__).parents[3] / "examples/lessons").glob("*.py"))
FIGURE = """# %%
from tinynn import History, plots

plots.learning_curves(History([{"epoch": 1, "loss": 0.5}]))
"""

pytestmark = pytest.mark.notebook


def shown(notebook, folder):
    """Run all cells, with `folder` as the working one; return the formats of what each showed."""
    import nbclient

    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert {output.get("name") for output in outputs} <= {"stdout", None}  # and no warnings
    return [set(output["data"]) for output in outputs if "data" in output]


@pytest.mark.parametrize("path", LESSONS, ids=[path.stem[:2] for path in LESSONS])
def test_a_lesson_runs_cell_by_cell_and_shows_its_picture_once(path, tmp_path):
    import jupytext

    (formats,) = shown(jupytext.read(path), tmp_path)
    assert "image/png" in formats


def test_a_figure_of_the_library_is_shown_without_pyplot(tmp_path):
    import jupytext

    (formats,) = shown(jupytext.reads(FIGURE, "py:percent"), tmp_path)
    assert "image/png" in formats
