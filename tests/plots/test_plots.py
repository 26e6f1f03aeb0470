"""Protects the pictures: they show the numbers that they were given, and need no display."""

import io
import os
import subprocess
import sys
from contextlib import contextmanager

import matplotlib.image
import matplotlib.text
import numpy as np
import pytest
from matplotlib.cbook import is_math_text

from tinynn import (
    SGD,
    Conv2D,
    CrossEntropy,
    CSVLogger,
    Dense,
    Doctor,
    Flatten,
    History,
    InputError,
    ReLU,
    Sequential,
    Softmax,
    SoftmaxCrossEntropy,
    Trainer,
    explain_step,
    plots,
    reliability_curve,
)
from tinynn.plots.drawing import COLOURS
from tinynn.plots.predictions import RIGHT, WRONG

FULL = History([
    {"epoch": 1, "loss": 0.9, "accuracy": 0.5, "val_loss": 0.8, "val_accuracy": 0.6},
    {"epoch": 2, "loss": 0.4, "accuracy": 0.7, "val_loss": 0.7, "val_accuracy": 0.65},
])  # fmt: skip
BARE = History([{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 2.0}, {"epoch": 3, "loss": 1.0}])
CHEQUER = np.indices((4, 4)).sum(axis=0) % 2
MATRIX = np.array([[9, 1, 0], [2, 1, 5], [0, 0, 1200]])
NAMES = ["cat", "dog", "cow"]


def image_model(units=5):
    return Sequential([Flatten(), Dense(units), ReLU(), Dense(2)], input_shape=(3, 4))


DRAWINGS = {
    "learning_curves": lambda path=None: plots.learning_curves(FULL, path=path),
    "prediction_grid": lambda path=None: plots.prediction_grid(
        np.array([CHEQUER] * 3), np.eye(3), NAMES, y=[0, 0, 2], title="Three", path=path
    ),
    "confusion": lambda path=None: plots.confusion(MATRIX, NAMES, path=path),
    "first_layer": lambda path=None: plots.first_layer(image_model(), path=path),
    "feature_maps": lambda path=None: plots.feature_maps(
        Sequential([Conv2D(3, 3), ReLU()], (4, 4, 1)), CHEQUER[..., None], path=path
    ),
    "class_gradients": lambda path=None: plots.class_gradients(
        image_model(), np.array([CHEQUER[:3]]), "ab", path=path
    ),
    "calibration": lambda path=None: plots.calibration(reliability_curve(P, [0, 2, 2]), path=path),
}
each_drawing = pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)


def lines(panel):
    """What a panel shows: {label: [(epoch, value), ...]}."""
    drawn = panel.get_lines()
    return {
        line.get_label(): list(zip(*(axis.tolist() for axis in line.get_data()), strict=True))
        for line in drawn
    }


def legend(panel):
    return [text.get_text().replace(r"\$", "$") for text in panel.get_legend().get_texts()]


@pytest.mark.first_cases(2)
@each_drawing
def test_a_path_gets_a_real_png_that_is_not_blank(tmp_path, draw):
    draw(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = matplotlib.image.imread(tmp_path / "a.png")
    assert min(pixels.shape[:2]) > 100
    colours = np.uint8(pixels * 255).view(np.uint32)  # each of four numbers
    assert len(np.unique(colours)) > 2


@pytest.mark.first_cases(2)
@each_drawing
def test_without_a_path_nothing_is_written(tmp_path, monkeypatch, draw):
    monkeypatch.chdir(tmp_path)
    assert draw().axes
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("display", [None, "", "nonsense"])
def test_no_display_and_no_pyplot_is_needed_and_importing_loads_no_matplotlib(tmp_path, display):
    program = """
import os, sys, numpy as np, tinynn
display = os.environ.get("MPLBACKEND")
assert "matplotlib" not in sys.modules
from tinynn import plots
model = tinynn.Sequential([tinynn.Flatten(), tinynn.Dense(2)], input_shape=(4, 4))
plots.learning_curves(tinynn.History([{"epoch": 1, "loss": 1.0}]), path="a.png")
plots.prediction_grid(np.zeros((1, 4, 4)), np.eye(2)[:1], "ab", path="b.png")
plots.confusion(np.eye(2, dtype=int), "ab", path="c.png")
plots.first_layer(model, path="d.png")
plots.calibration(tinynn.reliability_curve(np.eye(2), [0, 1]), path="e.png")
plots.schedule(tinynn.CosineDecay(0.1), steps=9, path="f.png")
assert "matplotlib.pyplot" not in sys.modules
assert os.environ.get("MPLBACKEND") == display  # for programs that are started from here
"""
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    if display is not None:
        environment["MPLBACKEND"] = display
    subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, check=True, env=environment
    )
    assert sorted(path.stem for path in tmp_path.iterdir()) == [*"abcdef"]


@pytest.mark.slow
@pytest.mark.parametrize("first", ["import matplotlib", "import os"])
def test_the_display_that_pyplot_was_told_to_use_stays(first):
    program = f"""
{first}
from tinynn import plots
plots.blank(1, 1)
import matplotlib
assert matplotlib.get_backend() == "svg"
matplotlib.use("agg")  # a choice of the program itself comes first
plots.blank(1, 1)
assert matplotlib.get_backend().lower() == "agg"
"""
    subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        check=True,
        env={**os.environ, "MPLBACKEND": "svg"},
    )


@contextmanager
def full_disk():
    """No file can be longer than 1000 bytes."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.slow
def test_a_picture_that_cannot_be_written_leaves_the_earlier_one(tmp_path):
    path = tmp_path / "a.png"
    plots.confusion(MATRIX, NAMES, path=path)
    before = path.read_bytes()
    with pytest.raises(OSError, match="File too large"), full_disk():
        plots.confusion(np.eye(3, dtype=int), "abc", path=path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("name", "begins"), [
    ("a.png", b"\x89PNG"), ("a.PNG", b"\x89PNG"), ("a", b"\x89PNG"), ("a.pdf", b"%PDF"),
    ("a.jpg", b"\xff\xd8"), ("a.svg", b"<?xml"),
])  # fmt: skip
def test_a_picture_stands_where_it_was_told_to_in_the_format_of_its_ending(tmp_path, name, begins):
    plots.saved(plots.blank(1, 1), tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.slow
def test_names_of_classes_and_layers_are_shown_as_they_are():
    names = ["$a$", "_b", "$\\frac{\udce9$"]
    odd = type("$\\frac{$", (Dense,), {})
    model = Sequential([odd(3), ReLU(), type(names[0], (Dense,), {})(2)], input_shape=(2,), seed=1)
    x, doctor = np.eye(2), Doctor()
    Trainer(model, SoftmaxCrossEntropy(), SGD()).fit(x, [0, 1], 4, callbacks=[doctor])
    figures = [
        plots.confusion(MATRIX, names),
        plots.prediction_grid(np.zeros((3, 2, 2)), np.eye(3), names, y=[1, 2, 0], title=names[2]),
        doctor.report().figure(),
        explain_step(model, SoftmaxCrossEntropy(), SGD(), x, [0, 1]).figure(),
    ]
    for figure in figures:
        figure.savefig(io.BytesIO())
        texts = [text.get_text() for text in figure.findobj(matplotlib.text.Text)]
        named = [text for text in texts if "frac" in text]
        assert named
        assert not any(is_math_text(text) for text in named)


# Learning curves


def test_one_epoch_is_a_whole_number_on_the_axis():
    panel = plots.learning_curves(History([{"epoch": 1, "loss": 1.0}])).axes[0]
    low, high = panel.get_xlim()
    assert [tick for tick in panel.get_xticks() if low <= tick <= high] == [1]


@pytest.mark.slow
def test_names_are_shown_as_they_are():
    """No formula begins with $, nothing is hidden by _, and no letter stops the drawing."""
    for name in ("_old", "a$b$c_", "$\\frac{", "a\udce9"):
        panel = plots.learning_curves(BARE, BARE, labels=[name, "b"]).axes[0]
        shown = name.replace("\udce9", "\\udce9")
        assert legend(panel) == [f"{shown}, training", "b, training"]
        panel.figure.savefig(io.BytesIO())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"step,loss\n1,0.5\n", "expected columns epoch, loss and others, with commas between"),
        (b"step;loss\n1;0.5\n", "got 'step;loss\\n'"),
        (b"epoch;loss\n1;05. Mai\n", "line 2: loss should be a number, got '05. Mai'"),
        (b"\x89PNG\r\n\x1a\n\xff", "is not a log that CSVLogger wrote: a PNG picture"),
        (b"epoch,loss\n1," + b"x" * 99_999 + b"\n", "got 'xxxxxxxxxx"),
        (b"epoch,loss\n1,0.5\n2,0.4,9\n", "line 3 has more cells than the first line"),
        (b"\n1,2\n", "expected columns"),
        (b"epoch,accuracy\n", "expected columns"),
        (b"\xff\n", "is not a log that CSVLogger wrote: 'utf-8' codec"),
        (b"epoch,loss\n1,0.5\n2,x\n", "line 3: loss should be a number, got 'x'"),
        (b"epoch,loss,val_loss\n1,0.5\n", "line 2: val_loss should be a number, got None"),
    ],
)
def test_a_file_that_is_not_a_log_is_refused_with_a_message(tmp_path, content, why):
    (tmp_path / "log.csv").write_bytes(content)
    with pytest.raises(ValueError) as caught:
        plots.learning_curves(tmp_path / "log.csv")
    assert str(caught.value).startswith(str(tmp_path / "log.csv"))
    assert why in str(caught.value)
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


SAVED = {
    "as it was": "epoch,loss,val_loss\n1,0.5,0.25\n2,0.125,\n",
    "CRLF": "epoch,loss,val_loss\r\n1,0.5,0.25\r\n2,0.125,\r\n",
    "CR": "epoch,loss,val_loss\r1,0.5,0.25\r2,0.125,\r",
    "a byte order mark": "\ufeffepoch,loss,val_loss\r\n1,0.5,0.25\r\n2,0.125,\r\n",
    "semicolons": "epoch;loss;val_loss\r\n1;0.5;0.25\r\n2;0.125;\r\n",
    "decimal commas": "\ufeffepoch;loss;val_loss\r\n1;0,5;0,25\r\n2;0,125;\r\n",
    "tabs": "epoch\tloss\tval_loss\r\n1\t0,5\t0,25\r\n2\t0,125\t\r\n",
    "quotes": '"epoch","loss","val_loss"\n"1","0.5","0.25"\n"2","0.125",""\n',
    "blanks": "epoch, loss, val_loss\n1, 0.5, 0.25\n2, 0.125, \n",
    "whole numbers with a point": "epoch,loss,val_loss\n1.0,5E-1,.25\n2.0,1.25E-1,\n",
    "empty lines and columns": "epoch,loss,val_loss,,\n1,0.5,0.25,,\n\n2,0.125,,,\n",
}


@pytest.mark.first_cases(11)
@pytest.mark.parametrize("text", SAVED.values(), ids=SAVED)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_log_that_an_editor_or_a_spreadsheet_saved_is_read(tmp_path, text, encoding):
    text = text if encoding == "utf-8" else text.removeprefix("\ufeff")  # it writes its own
    (tmp_path / "log.csv").write_bytes(text.encode(encoding))
    (panel,) = plots.learning_curves(tmp_path / "log.csv").axes
    training, validation = panel.get_lines()
    assert np.array_equal(training.get_xydata(), [[1, 0.5], [2, 0.125]])
    assert np.array_equal(validation.get_ydata(), [0.25, np.nan], equal_nan=True)


def test_metrics_of_ones_own_and_the_byte_order_mark_of_a_spreadsheet_do_no_harm(tmp_path):
    (tmp_path / "log.csv").write_bytes(b"\xef\xbb\xbfepoch,loss,note\r\n1,0.5,so\r\n2,,\r\n")
    (panel,) = plots.learning_curves(tmp_path / "log.csv").axes
    (line,) = panel.get_lines()
    assert np.array_equal(line.get_xdata(), [1, 2])
    assert np.array_equal(line.get_ydata(), [0.5, np.nan], equal_nan=True)


def test_curves_show_every_number_of_the_history():
    accuracy, loss = plots.learning_curves(FULL).axes
    assert lines(accuracy) == {
        "training": [(1, 0.5), (2, 0.7)], "validation": [(1, 0.6), (2, 0.65)],
    }  # fmt: skip
    assert lines(loss) == {
        "training": [(1, 0.9), (2, 0.4)], "validation": [(1, 0.8), (2, 0.7)],
    }  # fmt: skip
    for panel, name in ((accuracy, "accuracy"), (loss, "loss")):
        assert (panel.get_xlabel(), panel.get_ylabel()) == ("epoch", name)
        assert panel.get_title() == f"{name.capitalize()} over the epochs"
        assert legend(panel) == ["training", "validation"]


def test_the_epoch_whose_weights_were_kept_is_marked():
    for panel in plots.learning_curves(FULL, kept=2).axes:
        mark = panel.get_lines()[-1]
        assert list(mark.get_xdata()) == [2, 2]
        assert legend(panel) == ["training", "validation", "kept: epoch 2"]


def test_training_and_validation_look_different():
    training, validation = plots.learning_curves(FULL).axes[0].get_lines()
    assert training.get_color() != validation.get_color()
    assert training.get_linestyle() != validation.get_linestyle()


def test_a_csv_gives_the_same_lines_as_the_history_it_logs(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.integers(0, 2, 20)
    model = Sequential([Dense(2), Softmax()], input_shape=(3,))
    history = Trainer(model, CrossEntropy(), SGD()).fit(
        x, y, 3, validation_data=(x[8::-1], y[8::-1]), callbacks=[CSVLogger(tmp_path / "log.csv")],
        batch_size=8,
    )  # fmt: skip
    ours, theirs = plots.learning_curves(history), plots.learning_curves(str(tmp_path / "log.csv"))
    assert len(ours.axes) == len(theirs.axes) == 2
    for a, b in zip(ours.axes, theirs.axes, strict=True):
        assert lines(a) == lines(b)
        assert sorted(lines(a)) == ["training", "validation"]


def test_a_run_without_accuracy_or_validation_shows_its_loss():
    (panel,) = plots.learning_curves(BARE).axes
    assert panel.get_ylabel() == "loss"
    assert lines(panel) == {"training": [(1, 3), (2, 2), (3, 1)]}


def test_several_runs_lie_over_each_other_and_each_keeps_to_its_own_epochs():
    accuracy, loss = plots.learning_curves(FULL, BARE).axes
    assert sorted(lines(accuracy)) == ["run 1, training", "run 1, validation"]
    assert lines(loss) == {
        "run 1, training": [(1, 0.9), (2, 0.4)],
        "run 1, validation": [(1, 0.8), (2, 0.7)],
        "run 2, training": [(1, 3), (2, 2), (3, 1)],
    }
    first, held_out, second = loss.get_lines()
    assert first.get_color() == held_out.get_color() != second.get_color()
    assert first.get_linestyle() == second.get_linestyle() != held_out.get_linestyle()


def test_more_runs_than_colours_are_drawn():
    (panel,) = plots.learning_curves(*[BARE] * (2 * len(COLOURS) + 1)).axes
    assert len(lines(panel)) == 2 * len(COLOURS) + 1
    styles = {(line.get_color(), line.get_marker()) for line in panel.get_lines()}
    assert len(styles) == 2 * len(COLOURS) + 1  # no two runs look the same


@pytest.mark.slow
@pytest.mark.parametrize(
    "runs", [9, *(pytest.param(runs, marks=pytest.mark.slow) for runs in (1, 2, 7, 15))]
)
def test_no_legend_of_several_runs_covers_curves_or_squashes_them(runs):
    labels = [f"/home/somebody/experiments/fashion_mlp.{i}" for i in range(runs)]
    figure = plots.learning_curves(*[FULL] * runs, labels=labels)
    figure.savefig(io.BytesIO())
    frame = figure.bbox
    for panel in figure.axes:
        curves, box = panel.get_window_extent(), panel.get_legend().get_window_extent()
        assert not curves.overlaps(box)
        assert curves.width > 5 * figure.dpi
        assert curves.height > 2.5 * figure.dpi
        assert box.x1 < frame.x1
        assert 0 < box.y0 < box.y1 < frame.y1


def test_runs_go_by_the_labels_given_or_by_their_folders(tmp_path):
    paths = [tmp_path / name / "log.csv" for name in ("wide", "deep")]
    for path in paths:
        path.parent.mkdir()
        path.write_text("epoch,loss\n1,0.5\n")
    (panel,) = plots.learning_curves(*paths).axes
    assert legend(panel) == ["wide, training", "deep, training"]
    (panel,) = plots.learning_curves(*paths, labels=["A", "B"]).axes
    assert legend(panel) == ["A, training", "B, training"]


def test_a_log_in_the_current_folder_has_a_name_too(tmp_path, monkeypatch):
    (tmp_path / "log.csv").write_text("epoch,loss\n1,0.5\n")
    monkeypatch.chdir(tmp_path)
    (panel,) = plots.learning_curves("log.csv", BARE).axes
    assert legend(panel) == [f"{tmp_path.name}, training", "run 2, training"]


@pytest.mark.parametrize("as_csv", [True, False])
@pytest.mark.parametrize("measured", [1, 2])
def test_what_was_measured_in_some_epochs_only_is_drawn_there(tmp_path, as_csv, measured):
    # two calls of fit, one of them without validation_data, leave such a history and such a log
    rows = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.4}]
    rows[measured - 1]["val_loss"] = 0.6
    run = History(rows)
    if as_csv:
        run = tmp_path / "log.csv"
        cells = [f"{row['epoch']},{row['loss']},{row.get('val_loss', '')}\n" for row in rows]
        run.write_text("epoch,loss,val_loss\n" + "".join(cells))
    (panel,) = plots.learning_curves(run).axes
    assert lines(panel)["training"] == [(1, 0.5), (2, 0.4)]
    assert [point for point in lines(panel)["validation"] if point[1] == point[1]] == [
        (measured, 0.6)
    ]


def test_curves_refuse_what_has_no_epochs(tmp_path):
    empty = tmp_path / "log.csv"
    empty.write_text("epoch,loss\n")
    for runs in ((), (History(),), (FULL, History()), (empty,)):
        with pytest.raises(ValueError, match="an epoch or more"):
            plots.learning_curves(*runs)


def test_curves_refuse_labels_for_another_number_of_runs():
    for labels in (["one"], ["one", "two", "three"], "ab"):
        with pytest.raises(ValueError, match="a text for each of the 2 runs, got"):
            plots.learning_curves(FULL, BARE, labels=labels)


def test_a_log_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        plots.learning_curves(tmp_path / "log.csv")


# Predictions

P = np.array([[0.75, 0.25, 0.0], [0.0, 0.9999, 0.0001], [0.125, 0.375, 0.5]], np.float32)
IMAGES = np.arange(3 * 4 * 5).reshape(3, 4, 5)


def test_the_grid_names_class_and_probability_and_marks_the_wrong_ones():
    figure = plots.prediction_grid(IMAGES, P, NAMES, y=[0, 2, 2], title="Shop window")
    assert figure.get_suptitle() == "Shop window"
    first, second, third = figure.axes
    assert first.get_title() == "cat 75.0 %\ntrue: cat"
    assert second.get_title() == "✗ dog > 99.9 %\ntrue: cow"
    assert third.get_title() == "cow 50.0 %\ntrue: cow"
    assert [panel.title.get_color() for panel in figure.axes] == [RIGHT, WRONG, RIGHT]
    frames = [panel.spines["top"] for panel in figure.axes]
    assert frames[0].get_linewidth() < frames[1].get_linewidth()
    assert frames[0].get_edgecolor() != frames[1].get_edgecolor()


def test_the_grid_shows_each_image_in_its_place_with_white_high():
    panels = plots.prediction_grid(IMAGES, P, NAMES, columns=2).axes
    assert len(panels) == 3  # the fourth place is empty, not a blank frame
    for panel, image in zip(panels, IMAGES, strict=True):
        (shown,) = panel.get_images()
        assert np.array_equal(shown.get_array(), image)
        assert shown.cmap(1.0)[:3] == (1, 1, 1)
        assert shown.cmap(0.0)[:3] == (0, 0, 0)
    places = [panel.get_subplotspec().get_geometry() for panel in panels]
    assert places == [(2, 2, 0, 0), (2, 2, 1, 1), (2, 2, 2, 2)]


def test_the_grid_marks_nothing_where_nobody_knows_the_answer():
    for panel in plots.prediction_grid(IMAGES, P, NAMES).axes:
        assert "✗" not in panel.get_title()
        assert panel.title.get_color() == RIGHT


@pytest.mark.parametrize(
    ("images", "p", "y"), [(IMAGES[:2], P, None), (IMAGES, P[:2], None), (IMAGES, P, [0, 1])]
)
def test_the_grid_refuses_other_numbers_of_images_and_predictions(images, p, y):
    with pytest.raises(ValueError, match=r"\d images, \d predictions"):
        plots.prediction_grid(images, p, NAMES, y=y)


# The confusion matrix


@pytest.mark.slow
def test_the_confusion_matrix_shows_every_count_in_its_cell():
    panel = plots.confusion(MATRIX, NAMES).axes[0]
    cells = {text.get_position(): text.get_text() for text in panel.texts}
    assert cells == {(j, i): str(MATRIX[i, j]) for i in range(3) for j in range(3)}
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("predicted class", "true class")
    for labels in (panel.get_xticklabels(), panel.get_yticklabels()):
        assert [label.get_text() for label in labels] == NAMES
    assert "1,218 images" in panel.get_title()


def test_the_confusion_matrix_is_coloured_by_the_share_of_each_row():
    (image,) = plots.confusion(MATRIX, NAMES).axes[0].get_images()
    expected = [[0.9, 0.1, 0], [0.25, 0.125, 0.625], [0, 0, 1]]
    assert np.allclose(image.get_array(), expected, atol=1e-12)
    assert image.get_clim() == (0, 1)


def test_a_class_without_samples_causes_no_division_by_zero():
    (image,) = plots.confusion(np.array([[1, 0], [0, 0]]), "ab").axes[0].get_images()
    assert image.get_array().tolist() == [[1, 0], [0, 0]]


# The first layer


@pytest.mark.slow
def test_the_first_layer_shows_the_strongest_units_first():
    model = image_model(units=5)
    W = model.layers[1].W
    W *= np.array([3, 1, 5, 2, 4]) / np.linalg.norm(W, axis=0)
    figure = plots.first_layer(model, count=3)
    assert "3 largest units" in figure.get_suptitle()
    for panel, unit in zip(figure.axes, (2, 4, 0), strict=True):
        (image,) = panel.get_images()
        assert np.array_equal(image.get_array(), W[:, unit].reshape(3, 4))
        low, high = image.get_clim()
        assert -low == high == abs(W[:, unit]).max()  # so that white is 0


def test_the_first_layer_shows_no_more_units_than_there_are():
    figure = plots.first_layer(image_model(units=5), count=48)
    assert len(figure.axes) == 5
    assert "5 largest units" in figure.get_suptitle()


@pytest.mark.parametrize("wrong", [True, 0, -1, 2.0])
def test_a_number_of_panels_that_is_none_is_refused(wrong):
    for name, draw in {
        "count": lambda: plots.first_layer(image_model(), count=wrong),
        "columns": lambda: plots.first_layer(image_model(), columns=wrong),
        "columns ": lambda: plots.prediction_grid(IMAGES, P, NAMES, columns=wrong),
    }.items():
        said = f"{name.strip()} must be a whole number of 1 or more, got {wrong}"
        with pytest.raises(InputError, match=said):
            draw()


@pytest.mark.slow
def test_a_unit_without_weights_is_white(tmp_path):
    model = image_model()
    model.params[:] = 0
    for panel in plots.first_layer(model, path=tmp_path / "a.png").axes:
        (image,) = panel.get_images()
        assert image.norm(0.0) == 0.5  # the middle of the colours


@pytest.mark.parametrize(
    "model",
    [
        Sequential([Dense(3)], input_shape=(4,)),
        Sequential([Flatten()], input_shape=(3, 4)),
        Sequential([Flatten(), Dense(2)], input_shape=(3, 4, 2)),
    ],
    ids=["flat samples", "no Dense", "colours"],
)
def test_a_first_layer_that_sees_no_images_is_refused(model):
    with pytest.raises(ValueError, match="begins with Conv2D, or with Flatten and Dense"):
        plots.first_layer(model)


def test_nan_is_not_drawn_as_class_0():
    p = np.eye(3)
    p[1, 2] = np.nan
    with pytest.raises(ValueError, match="prediction_grid: row 1 of p holds NaN; 1 of its 3 rows"):
        plots.prediction_grid(np.zeros((3, 4, 4)), p, "abc")


def test_true_classes_may_be_one_hot_rows_and_must_be_classes_of_p():
    p, images = np.array([[0.75, 0.25], [0.25, 0.75]]), np.zeros((2, 4, 4))
    one, other = (plots.prediction_grid(images, p, "ab", y) for y in ([0, 0], [[1, 0], [1, 0]]))
    titles = [[panel.get_title() for panel in figure.axes] for figure in (one, other)]
    assert titles[0] == titles[1]
    with pytest.raises(ValueError, match="y contains 2"):
        plots.prediction_grid(images, p, "ab", [0, 2])


def test_weights_of_nan_are_not_drawn_as_blank_pictures():
    model = Sequential([Flatten(), Dense(3)], input_shape=(4, 4))
    model.layers[1].W[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"first_layer: 1 of the 48 numbers of 1\.Dense\.W"):
        plots.first_layer(model)


@pytest.mark.parametrize(
    "matrix",
    [np.eye(2), np.full((2, 2), np.nan), np.ones((3, 2), int), [0, 1], [[1, 2, 3], [1, 2, 3]]],
)
def test_only_counts_are_drawn_as_a_confusion_matrix(matrix):
    with pytest.raises(ValueError, match=r"counts \(2, 2\) that confusion_matrix\(p, y, 2\)"):
        plots.confusion(matrix, "ab")


LONG = ["great white shark, white shark, man-eater, Carcharodon carcharias", "tench " * 60, "cat"]


@pytest.mark.slow
def test_long_names_of_classes_leave_the_images_their_room():
    """No text lies over another, and none leaves the picture."""
    p = np.eye(3)[np.arange(12) % 3]
    images = np.random.default_rng(0).random((12, 28, 28))
    grid = plots.prediction_grid(images, p, LONG, (np.arange(12) + 1) % 3)
    figure = plots.confusion(np.full((3, 3), 5), LONG)
    for drawn in (grid, figure):
        drawn.set_dpi(120)  # as in a file
        drawn.savefig(io.BytesIO())
        width, height = drawn.canvas.get_width_height()
        for text in drawn.findobj(matplotlib.text.Text):
            box = text.get_window_extent()
            if text.get_text():
                assert 0 <= box.x0 <= box.x1 <= width
                assert 0 <= box.y0 <= box.y1 <= height
    titles = [panel.title.get_window_extent() for panel in grid.axes]
    overlaps = [a.overlaps(b) for i, a in enumerate(titles) for b in titles[:i]]
    assert not any(overlaps)
