"""Protects what a notebook shows: each lesson runs in a real kernel, and its picture appears.

Beside each lesson lies the notebook made from it, with what its cells print and draw, because a
code host shows notebooks. To make them anew, in some minutes, then look at them:

    pytest tests/examples/lessons/test_notebooks.py -m notebook --renew-texts
"""

import base64
import io
import re
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"
LESSONS = sorted((EXAMPLES / "lessons").glob("*.py"))
each_lesson = pytest.mark.parametrize("path", LESSONS, ids=[path.stem[:2] for path in LESSONS])
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
FIGURE = """# %%
from tinynn import History, plots

plots.learning_curves(History([{"epoch": 1, "loss": 0.5}]))
"""

pytestmark = pytest.mark.notebook


def converted(path):
    """Return a lesson as a notebook, the same one each time: cells are usually named by chance."""
    import jupytext
    import nbformat

    notebook = jupytext.read(path)
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number}"
        cell.metadata.clear()  # of what only the conversion back would need
    return notebook


def shown(notebook, folder):
    """Run all cells, with `folder` as the working one; return the formats of what each showed."""
    import nbclient

    nbclient.NotebookClient(
        notebook,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        coalesce_streams=True,  # or what a cell prints would come in pieces, by chance
        record_timing=False,
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert {output.get("name") for output in outputs} <= {"stdout", None}  # and no warnings
    return [set(output["data"]) for output in outputs if "data" in output]


def in_256_colours(picture):
    """Return a PNG, in base64, that looks the same and is a third as large."""
    from PIL import Image

    smaller = io.BytesIO()
    image = Image.open(io.BytesIO(base64.b64decode(picture)))
    image.convert("RGB").quantize(256).save(smaller, "PNG", optimize=True)
    return base64.b64encode(smaller.getvalue()).decode("ascii")


def keep(notebook, path, folder):
    """Write a notebook that ran in a folder, without what tells of this machine and this run."""
    import nbformat

    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = None
            for output in cell.outputs:
                if "text" in output:
                    output.text = output.text.replace(f"{folder.resolve()}/", "")
                if "data" in output:
                    output.data["image/png"] = in_256_colours(output.data["image/png"])
    nbformat.write(notebook, path)


@each_lesson
def test_a_lesson_runs_cell_by_cell_and_shows_its_picture_once(path, tmp_path, request):
    notebook = converted(path)
    (formats,) = shown(notebook, tmp_path)
    assert "image/png" in formats
    if request.config.getoption("renew_texts"):
        keep(notebook, path.with_suffix(".ipynb"), tmp_path)


@each_lesson
def test_the_notebook_beside_a_lesson_is_made_from_it(path):
    """What its cells print and draw is not compared: other machines round otherwise."""
    import nbformat

    kept, lesson = path.with_suffix(".ipynb"), converted(path)
    advice = f"{kept.name} is not {path.name}: pytest {__file__} -m notebook --renew-texts"
    assert kept.exists(), advice
    notebook = nbformat.read(kept, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    assert notebook.metadata == lesson.metadata, advice
    assert notebook.cells == lesson.cells, advice


@each_lesson
def test_the_notebook_beside_a_lesson_shows_what_it_prints_and_draws(path):
    import nbformat

    kept = path.with_suffix(".ipynb")
    cells = nbformat.read(kept, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert ["image/png" in output.data for output in outputs if "data" in output] == [True]
    printed = "".join(output.get("text", "") for output in outputs)
    assert printed
    assert not re.search(r"(?<!runs)[/\\]\w+[/\\]", printed), "a path of the machine that made it"
    assert kept.stat().st_size < 400_000, "code hosts show small notebooks at once"


def test_the_syllabus_links_each_notebook_and_there_is_no_other():
    syllabus = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    notebooks = {path.with_suffix(".ipynb") for path in LESSONS}
    assert set((EXAMPLES / "lessons").glob("*.ipynb")) == notebooks
    for notebook in notebooks:
        assert f"(lessons/{notebook.name})" in syllabus


def test_a_figure_of_the_library_is_shown_without_pyplot(tmp_path):
    import jupytext

    (formats,) = shown(jupytext.reads(FIGURE, "py:percent"), tmp_path)
    assert "image/png" in formats
