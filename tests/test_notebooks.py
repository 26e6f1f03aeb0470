"""Protects what people see while a model trains and after: in a real kernel, and outside of one."""

import io
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import tinynn
from tinynn import (
    Adam,
    Callback,
    Checkpoint,
    CrossEntropy,
    CSVLogger,
    Dense,
    History,
    InputError,
    LiveCurves,
    PrintLog,
    ProgressBar,
    Sequential,
    Softmax,
    Trainer,
    plots,
)
from tinynn.reports import Report
from tinynn.training import live_curves, progress
from tinynn.training.csv_log import read_log

BEFORE = """
import numpy as np
from tinynn import *

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(40, 4)), rng.integers(0, 3, 40)
HELD_OUT = rng.normal(size=(8, 4)), rng.integers(0, 3, 8)
CURVES = History([{"epoch": 1, "loss": 0.5}])

def trainer():
    return Trainer(Sequential([Dense(3), Softmax()], input_shape=(4,)), CrossEntropy(), Adam(0.05))

def train(epochs, *callbacks):
    return trainer().fit(X, Y, epochs, 8, HELD_OUT, callbacks=callbacks)

class StopAt(Callback):
    affects_training = False
    def on_step_end(self, trainer):
        trainer.stop = trainer.step == 8
"""
REPORTS = {  # a cell that ends with each, and what its table or page begins with
    "train(2)": "epoch    loss  accuracy  val_loss",
    "check_gradients(trainer().model, CrossEntropy(), X, Y)": "         gradient of  shape ",
    "per_class_report([0, 1, 1, 1], [0, 1, 1, 0], ['cat', 'dog'])": "class  precision  recall",
    "compare_models(trainer().model, trainer().model)": "identical: compared structure",
    "diagnose(trainer().model, CrossEntropy(), X, Y)": "HEALTHY   No problem was found.\nFINE",
    "explain_step(trainer().model, CrossEntropy(), Adam(), X[:2], Y[:2])": "One training step: 2",
}
FILES = "CSVLogger('log.csv'{0}), Checkpoint('run.npz'{0})"
CELLS = {
    "before": BEFORE,
    **{cell: f"history = {cell}\nhistory" for cell in REPORTS},
    "curves before pyplot": "plots.learning_curves(CURVES)",
    "bar": "history = train(3, ProgressBar())",
    "bar, printed": "history = train(2, PrintLog(), ProgressBar())",
    "bar, 25 epochs": "history = train(25, ProgressBar())",
    "bar, stopped": "history = train(3, StopAt(), ProgressBar())",
    "live": "history = train(3, LiveCurves())",
    "live, path": "history = train(3, LiveCurves('live.png', every_epochs=2))",
    "files": f"history = train(2, {FILES.format('')})",
    "files again": f"history = train(2, {FILES.format('')})",
    "files backed up": "history = train(3, {})".format(FILES.format(", if_exists='backup'")),
    "files replaced": "history = train(1, {})".format(FILES.format(", if_exists='replace'")),
    "curves, then more": "plots.learning_curves(CURVES)\nprint('after')",
    "curves, then show": """
        import matplotlib.pyplot as plt
        plots.learning_curves(CURVES)
        plt.show()
        print('after')
        """,
    "curves last": "plots.learning_curves(CURVES)",
    "curves kept": "figure = plots.learning_curves(CURVES)\nfigure",
    "curves kept, again": "figure",
    "curves to a path, last": "plots.learning_curves(CURVES, path='curves.png')",
    "curves to a path": "figure = plots.learning_curves(CURVES, path='curves.png')",
    "open figures": "print(plt.get_fignums())",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def shown(folder):
    """Run all cells in one kernel; return the outputs of each, which are those of a saved file."""
    import nbclient
    import nbformat

    cells = [nbformat.v4.new_code_cell(textwrap.dedent(cell)) for cell in CELLS.values()]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(
        notebook,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    return dict(zip(CELLS, (cell.outputs for cell in notebook.cells), strict=True))


def texts(outputs):
    """Return what each output says as text; none may be a warning or an error."""
    assert {output.output_type for output in outputs} <= {
        "stream",
        "display_data",
        "execute_result",
    }
    assert {output.get("name") for output in outputs} <= {None, "stdout"}
    return [output.text if "text" in output else output.data["text/plain"] for output in outputs]


def pictures(outputs):
    texts(outputs)
    return [output for output in outputs if "image/png" in output.get("data", {})]


@pytest.mark.notebook
@pytest.mark.parametrize("cell", REPORTS)
def test_a_cell_that_ends_with_a_report_shows_its_table(shown, cell):
    (text,) = texts(shown[cell])
    assert text.startswith(REPORTS[cell])


@pytest.mark.notebook
def test_the_bar_leaves_a_line_an_epoch_with_its_metrics(shown):
    (text,) = texts(shown["bar"])
    lines = text.split("\n")
    assert [line.split(":")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    for line in lines:
        assert "100%|██████████| 40/40 [" in line
        for part in (" images/s", " loss=", " accuracy=", " val_loss=", " val_accuracy="):
            assert part in line
    assert "\r" not in text


@pytest.mark.notebook
def test_the_bar_and_printed_lines_do_not_mix(shown):
    bars, printed = shown["bar, printed"][0], shown["bar, printed"][1:]
    assert len(texts([bars])[0].split("\n")) == 2
    lines = "".join(texts(printed)).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]


@pytest.mark.notebook
def test_bars_of_many_epochs_come_in_outputs_of_twenty(shown):
    lines = [text.split("\n") for text in texts(shown["bar, 25 epochs"])]
    assert [len(block) for block in lines] == [20, 5]
    numbers = [line.split("/")[0] for block in lines for line in block]
    assert numbers == [f"epoch {epoch}" for epoch in range(1, 26)]


@pytest.mark.notebook
def test_the_bar_of_a_stopped_training_shows_how_far_it_came(shown):
    (text,) = texts(shown["bar, stopped"])
    first, second = text.split("\n")
    assert " 40/40 " in first
    assert "epoch 2/3:  60%|" in second


@pytest.mark.notebook
@pytest.mark.parametrize("cell", ["live", "live, path"])
def test_live_curves_are_one_picture(shown, folder, cell):
    outputs = shown[cell]
    assert len(pictures(outputs)) == len(outputs) == 1
    if cell == "live, path":
        assert (folder / "live.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.notebook
def test_a_cell_that_writes_files_is_refused_the_second_time_until_it_says_what_to_do(
    shown, folder
):
    assert shown["files"] == []
    (error,) = shown["files again"]
    assert error.ename == "FileExistsError"
    for way in ("resume_from", "another path", "if_exists='backup'", "if_exists='replace'"):
        assert way in error.evalue
    assert shown["files backed up"] == shown["files replaced"] == []
    names = sorted(path.name for path in folder.iterdir() if path.suffix in (".csv", ".npz"))
    assert names == ["log.1.csv", "log.csv", "run.1.npz", "run.npz"]
    assert len(read_log(folder / "log.1.csv")) == 2
    assert len(read_log(folder / "log.csv")) == 1


@pytest.mark.notebook
@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.startswith("curves")])
def test_a_picture_is_shown_once_wherever_it_stands_in_the_cell(shown, cell):
    assert len(pictures(shown[cell])) == (0 if cell == "curves to a path" else 1)


@pytest.mark.notebook
def test_show_puts_the_picture_where_it_stands_and_none_is_left_open(shown):
    picture, text = shown["curves, then show"]
    assert "image/png" in picture.data
    assert text.text == "after\n"
    assert texts(shown["open figures"]) == ["[]\n"]


# Outside of a kernel


rng = np.random.default_rng(0)
X, Y = rng.normal(size=(40, 4)), rng.integers(0, 3, 40)


def trainer():
    model = Sequential([Dense(3), Softmax()], input_shape=(4,))
    return Trainer(model, CrossEntropy(), Adam(0.05))


@pytest.mark.slow
def test_each_report_shows_at_a_prompt_what_print_shows():
    model = trainer().model
    reports = [
        History([{"epoch": 1, "loss": 0.5}]),
        tinynn.check_gradients(model, CrossEntropy(), X, Y),
        tinynn.check_function(lambda x: (3 * x, None), X, backward=lambda dout, _: 3 * dout),
        tinynn.per_class_report([0, 1], [0, 1], ["cat", "dog"]),
        tinynn.reliability_curve([0.2, 0.9], [0, 1]),
        tinynn.compare_models(model, model),
        tinynn.diagnose(model, CrossEntropy(), X, Y),
        tinynn.explain_step(model, CrossEntropy(), Adam(), X[:2], Y[:2]),
        tinynn.influence(model, CrossEntropy(), X, Y, X[0], Y[0]),
        tinynn.Replay(trainer(), X, Y, 2).what_if(from_step=1, learning_rate=0.1),
    ]
    kinds = {kind for kind in Report.__subclasses__() if kind.__name__ in dir(tinynn)}
    assert {type(report) for report in reports} >= kinds
    for report in reports:
        assert repr(report) == str(report)
        assert len(str(report)) > 10


def test_a_history_is_a_table_also_of_what_callbacks_wrote_and_what_was_not_measured():
    rows = [
        {"epoch": 1, "loss": 1.5, "learning_rate": 1e-4, "seconds": 12.34},
        {"epoch": 2, "loss": 2e-7, "learning_rate": 0.01, "seconds": 0.04, "mood": "go\x1bod"},
    ]
    assert str(History(rows)).split("\n") == [
        "epoch     loss  learning_rate  seconds      mood",
        "    1   1.5000         0.0001     12.3          ",
        "    2  2.0e-07           0.01      0.0  go\\x1bod",
    ]
    assert str(History()) == "No epoch has ended."


@pytest.mark.parametrize(("epochs", "lines"), [(20, 21), (21, 22), (1000, 22)])
def test_a_long_history_shows_its_first_and_last_ten_epochs(epochs, lines):
    table = str(History([{"epoch": i, "loss": 1 / i} for i in range(1, epochs + 1)])).split("\n")
    assert len(table) == lines
    numbers = [line.split()[0] for line in table[1:]]
    assert numbers[:10] == [str(i) for i in range(1, 11)]
    assert numbers[-10:] == [str(i) for i in range(epochs - 9, epochs + 1)]
    assert ("..." in numbers) == (epochs > 20)


def test_the_printed_log_has_a_line_an_epoch(capsys):
    run = trainer()
    run.fit(X, Y, 10, callbacks=[PrintLog()], validation_data=(X[:8] + 1, Y[:8]))
    lines = capsys.readouterr().out.splitlines()
    row = run.history.epochs[1]
    assert len(lines) == 10
    assert lines[1] == (
        f"epoch  2/10  loss {row['loss']:.4f}  accuracy {row['accuracy']:.4f}  "
        f"val_loss {row['val_loss']:.4f}  val_accuracy {row['val_accuracy']:.4f}  "
        f"{row['seconds']:.1f} s"
    )


def test_the_printed_log_has_what_callbacks_behind_it_measure(capsys):
    class Measures(Callback):
        affects_training = False

        def on_epoch_end(self, trainer):
            trainer.history.epochs[-1]["steps"] = trainer.step

    trainer().fit(X, Y, 1, 8, callbacks=[PrintLog(), Measures()])
    assert "  steps 5  " in capsys.readouterr().out


class Broken(io.StringIO):
    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


def test_nobody_who_reads_the_printed_log_is_a_warning_once(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Broken())
    run = trainer()
    with pytest.warns(UserWarning, match="PrintLog prints no more: .*Training goes on") as told:
        run.fit(X, Y, 3, callbacks=[PrintLog()])
    assert len(told) == 1
    assert run.epoch == 3


class Shown:
    """An output beneath a cell: what was shown in it, one after the other."""

    made: list["Shown"] = []  # noqa: RUF012

    def __init__(self):
        self.contents = []
        self.made.append(self)

    def show(self, contents):
        self.contents.append(contents)


@pytest.fixture
def outputs(monkeypatch):
    """As in a notebook; return the outputs that are made."""
    for module in (progress, live_curves):
        monkeypatch.setattr(module, "in_notebook", lambda: True)
        monkeypatch.setattr(module, "Output", Shown)
    monkeypatch.setattr(Shown, "made", [])
    return Shown.made


@pytest.mark.slow
def test_live_curves_are_drawn_after_the_epochs_asked_for_and_after_the_last(outputs):
    trainer().fit(X, Y, 5, callbacks=[LiveCurves(every_epochs=2)])
    (output,) = outputs
    images = [contents["image/png"] for contents in output.contents]
    assert len(images) == len(set(images)) == 3  # after 2, 4 and 5
    trainer().fit(X, Y, 4, callbacks=[LiveCurves(every_epochs=2)])
    assert len(outputs[1].contents) == 2


@pytest.mark.slow
def test_live_curves_write_a_file_outside_of_a_notebook(tmp_path):
    sizes = []

    class Looks(Callback):
        affects_training = False

        def on_epoch_begin(self, trainer):
            path = tmp_path / "a.png"
            sizes.append(path.read_bytes() if path.exists() else b"")

    trainer().fit(X, Y, 3, callbacks=[Looks(), LiveCurves(tmp_path / "a.png")])
    assert sizes[0] == b""
    assert sizes[1][:4] == sizes[2][:4] == b"\x89PNG"
    assert sizes[1] != sizes[2]


def test_live_curves_say_so_where_they_can_draw_nothing():
    with pytest.warns(UserWarning, match=r"no notebook. Give it a path: LiveCurves\('curves.png'"):
        trainer().fit(X, Y, 3, callbacks=[LiveCurves()])


def test_live_curves_refuse_a_folder_that_is_not_there_before_training(tmp_path):
    run = trainer()
    with pytest.raises(FileNotFoundError, match="no such folder"):
        run.fit(X, Y, 3, callbacks=[LiveCurves(tmp_path / "nowhere/a.png")])
    assert run.step == 0


def test_curves_that_cannot_be_drawn_are_a_warning_once(tmp_path, monkeypatch):
    def fails(*_):
        raise RuntimeError("a broken matplotlib")

    monkeypatch.setattr(live_curves, "draw_curves", fails)
    run = trainer()
    with pytest.warns(UserWarning, match="no more: RuntimeError: a broken matplotlib") as told:
        run.fit(X, Y, 3, callbacks=[LiveCurves(tmp_path / "a.png")])
    assert len(told) == 1
    assert run.epoch == 3


def test_a_bar_that_a_notebook_cannot_show_costs_no_training(outputs, monkeypatch):
    def fails(*_):
        raise RuntimeError("no connection")

    monkeypatch.setattr(Shown, "show", fails)
    run = trainer()
    run.fit(X, Y, 3, 8, callbacks=[ProgressBar()])
    assert run.epoch == 3


@pytest.mark.slow
def test_watchers_change_no_bit_and_a_run_may_be_resumed_without_them(tmp_path, outputs, capsys):
    plain, watched, resumed = trainer(), trainer(), trainer()
    plain.fit(X, Y, 4, 8)
    watchers = [ProgressBar(), PrintLog(), LiveCurves()]
    watched.fit(X, Y, 2, 8, callbacks=[*watchers, Checkpoint(tmp_path / "run.npz")])
    resumed.fit(X, Y, 4, 8, resume_from=tmp_path / "run.npz")
    assert resumed.model.params.tobytes() == plain.model.params.tobytes()
    resumed = trainer()
    resumed.fit(X, Y, 4, 8, callbacks=watchers, resume_from=tmp_path / "run.npz")
    assert resumed.model.params.tobytes() == plain.model.params.tobytes()


# Files of earlier runs


def test_another_runs_files_are_replaced_or_renamed_as_asked(tmp_path):
    log, checkpoint = tmp_path / "log.csv", tmp_path / "run.npz"
    log.write_text("precious")
    checkpoint.write_text("precious, too")

    def train(epochs, if_exists):
        callbacks = [CSVLogger(log, if_exists), Checkpoint(checkpoint, if_exists=if_exists)]
        trainer().fit(X, Y, epochs, callbacks=callbacks)

    train(1, "backup")
    assert (tmp_path / "log.1.csv").read_text() == "precious"
    assert (tmp_path / "run.1.npz").read_text() == "precious, too"
    train(2, "backup")
    assert len(read_log(tmp_path / "log.2.csv")) == 1
    before = (tmp_path / "run.2.npz").read_bytes()
    assert len(read_log(log)) == 2
    train(3, "replace")
    assert len(read_log(log)) == 3
    assert (tmp_path / "run.2.npz").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize("if_exists", ["backup", "replace"])
def test_what_a_run_goes_on_with_is_neither_replaced_nor_renamed(tmp_path, if_exists):
    log, checkpoint = tmp_path / "log.csv", tmp_path / "run.npz"
    callbacks = [CSVLogger(log, if_exists), Checkpoint(checkpoint, if_exists=if_exists)]
    run = trainer()
    run.fit(X, Y, 1, callbacks=callbacks)
    run.fit(X, Y, 1, callbacks=callbacks)
    trainer().fit(X, Y, 3, callbacks=callbacks, resume_from=checkpoint)
    assert [row["epoch"] for row in read_log(log)] == ["1", "2", "3"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.csv", "run.npz"]


def test_a_checkpoint_that_is_to_be_replaced_stands_until_the_first_new_one(tmp_path):
    path = tmp_path / "run.npz"
    path.write_text("an earlier run's")
    seen = []

    class Looks(Callback):
        affects_training = False

        def on_step_end(self, trainer):
            seen.append(path.read_bytes()[:10])

    trainer().fit(X, Y, 1, 40, callbacks=[Looks(), Checkpoint(path, if_exists="replace")])
    assert seen == [b"an earlier"]
    assert path.read_bytes().startswith(b"PK")


@pytest.mark.parametrize("kind", [CSVLogger, Checkpoint])
def test_another_word_for_if_exists_is_refused_at_once(kind):
    with pytest.raises(InputError, match="if_exists must be 'error', 'replace' or 'backup', got"):
        kind("file", if_exists="append")


# Pictures and pyplot

KNOWN = """
import matplotlib
matplotlib.use("agg")
{pyplot}
from tinynn import History, plots
history = History([{{"epoch": 1, "loss": 0.5}}])
plots.learning_curves(history)
plots.learning_curves(history, path="a.png")
import matplotlib.pyplot as plt
print(plt.get_fignums())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pyplot", "known"), [("import matplotlib.pyplot", "[1]\n"), ("", "[]\n")], ids=["yes", "no"]
)
def test_pyplot_shows_a_picture_if_the_program_uses_it_and_the_picture_is_not_saved(
    tmp_path, pyplot, known
):
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", KNOWN.format(pyplot=pyplot)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (process.stdout, process.stderr) == (known, "")


def test_a_display_that_does_not_work_costs_no_picture(monkeypatch):
    import matplotlib.pyplot as plt

    def fails(**_):
        raise ImportError("headless")

    monkeypatch.setattr(plt, "figure", fails)
    assert plots.learning_curves(History([{"epoch": 1, "loss": 0.5}])).axes
