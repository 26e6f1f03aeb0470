"""RunPage: the page is true while a run trains, and after it has ended, in whatever way."""

import copy
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from tinynn import (
    Adam,
    Callback,
    Checkpoint,
    CrossEntropy,
    CSVLogger,
    Dense,
    Doctor,
    EarlyStopping,
    FunctionCallback,
    InputError,
    RunPage,
    Sequential,
    Softmax,
    Trainer,
    TrainingDiverged,
    normal,
    write_page,
)
from tinynn.page.facts import read_run
from tinynn.page.provenance import command_line, commit
from tinynn.page.steps import noted_steps

X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
HELD_OUT = (X[:10] + np.float32(0.1), Y[:10])


def fit(folder, callbacks=(), epochs=3, resume=None, page=None):
    model = Sequential([Dense(5, normal(0.1)), Dense(2), Softmax()], input_shape=(4,), seed=1)
    trainer = Trainer(model, CrossEntropy(), Adam(0.01), seed=2)
    page = page or RunPage(folder / "report.html")
    watching = [*callbacks, CSVLogger(folder / "log.csv"), page]
    trainer.fit(X, Y, epochs, 10, HELD_OUT, watching, resume)
    return trainer


def status(page):
    return page.one(id="status").text


def test_the_page_is_written_before_the_first_step_and_after_each_epoch(tmp_path, tree):
    seen = []

    class Look(Callback):
        affects_training = False

        def order(self, trainer):
            return 2

        def look(self, trainer):
            page = tree(tmp_path / "report.html")
            rows = page.all("tbody")
            epochs = [row.one("th").text for row in rows[-1].all("tr")] if rows else []
            seen.append((status(page).split(",")[0], epochs, bool(page.all("noscript"))))

        on_train_begin = on_epoch_end = on_train_end = look

    fit(tmp_path, [Look()])
    assert seen == [
        ("Training. 0 of 3 epochs done.", [], True),
        ("Training. 1 of 3 epochs done", ["1"], True),
        ("Training. 2 of 3 epochs done", ["1", "2"], True),
        ("Training. 3 of 3 epochs done", ["1", "2", "3"], True),
        ("Training ended after 3 epochs", ["1", "2", "3"], False),
    ]


def test_a_later_fit_that_is_refused_leaves_the_page_as_it_was(tmp_path):
    page = RunPage(tmp_path / "report.html")
    fit(tmp_path, page=page)
    before = (tmp_path / "report.html").read_bytes()
    with pytest.raises(FileExistsError):  # CSVLogger's, which begins before the page does
        fit(tmp_path, page=page)
    assert (tmp_path / "report.html").read_bytes() == before
    assert read_run(tmp_path).state == "ended"


def test_the_training_has_the_same_bits_and_the_page_the_numbers_of_the_log(tmp_path, tree):
    trainer = fit(tmp_path, [Doctor()])
    (tmp_path / "plain").mkdir()
    model = Sequential([Dense(5, normal(0.1)), Dense(2), Softmax()], input_shape=(4,), seed=1)
    plain = Trainer(model, CrossEntropy(), Adam(0.01), seed=2)
    plain.fit(X, Y, 3, 10, HELD_OUT)
    assert trainer.model.params.tobytes() == plain.model.params.tobytes()
    page = (tmp_path / "report.html").read_bytes()
    data = json.loads("".join(tree(page).one("script", id="data-curves").texts))
    facts = read_run(tmp_path)
    assert data["curve-0"]["lines"][0]["ys"] == [row["loss"] for row in plain.history.epochs]
    write_page(tmp_path, tmp_path / "again.html")
    again = json.loads("".join(tree(tmp_path / "again.html").one("script", id="data-curves").texts))
    assert again == data  # the folder has all that the live page had
    assert facts.about["seed"] == 2
    assert facts.about["samples"] == {"training": 40, "validation": 10}
    assert (
        tree(page).one("section", id="doctor").text
        == tree(tmp_path / "again.html").one("section", id="doctor").text
    )


def test_single_steps_are_noted_as_they_were(tmp_path):
    losses, right, rates = [], [], []

    def note(trainer):
        losses.append(trainer.batch_loss)
        rates.append(trainer.optimizer.rate(trainer.optimizer.t))
        p = trainer.model.forward(trainer.batch[0], training=False)
        right.append(p.argmax(axis=1) == trainer.batch[1])

    before = FunctionCallback(affects_training=False, on_gradients=note)
    fit(tmp_path, [before])
    steps = read_run(tmp_path).steps
    assert steps["step"] == list(range(1, 13))
    assert steps["loss"] == losses
    assert steps["accuracy"] == pytest.approx(np.mean(right, axis=1))
    assert steps["learning_rate"] == rates


def test_of_many_steps_means_are_noted(tmp_path, monkeypatch):
    monkeypatch.setattr("tinynn.page.steps.POINTS", 4)
    losses = []
    fit(
        tmp_path,
        [
            FunctionCallback(
                affects_training=False, on_step_end=lambda t: losses.append(t.batch_loss)
            )
        ],
    )
    steps = read_run(tmp_path).steps
    assert steps["step"] == [3, 6, 9, 12]
    assert steps["loss"] == pytest.approx(np.reshape(losses, (4, 3)).mean(axis=1))


def test_a_stop_says_why(tmp_path, tree):
    def stop(trainer):
        trainer.stop = trainer.step == 6

    page = RunPage(tmp_path / "report.html")
    fit(tmp_path, [FunctionCallback(affects_training=False, on_step_end=stop)], page=page)
    for read in (lambda: None, lambda: write_page(tmp_path, tmp_path / "report.html")):
        read()
        said = status(tree(tmp_path / "report.html"))
        assert said.startswith("Training was stopped after 1 of 3 epochs, ")
        assert said.endswith("The last step was 6, in epoch 2.")


def test_early_stopping_and_a_programs_reason_are_named(tmp_path, tree):
    fit(tmp_path, [EarlyStopping("val_accuracy", patience=1, min_delta=1.0)], epochs=9)
    said = status(tree(tmp_path / "report.html"))
    assert said.endswith("Val_accuracy has not improved for 1 epochs.")

    page = RunPage(tmp_path / "other.html")

    def stop(trainer):
        page.reason, trainer.stop = "the power will go", True

    for file in ("log.csv", "run.jsonl"):
        (tmp_path / file).unlink()
    fit(tmp_path, [FunctionCallback(affects_training=False, on_epoch_end=stop)], page=page)
    assert status(tree(tmp_path / "other.html")).endswith("The power will go.")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("no <b>"), "broke off after 1 of 3 epochs, .* RuntimeError: no <b>."),
        (TrainingDiverged("it is NaN"), "broke off after 1 of 3 epochs.* TrainingDiverged: it is"),
        (KeyboardInterrupt(), "was stopped after 1 of 3 epochs.* It was interrupted"),
        (SystemExit(3), "broke off after 1 of 3 epochs.* SystemExit: 3"),
    ],
)  # fmt: skip
def test_an_error_is_told_on_the_page_and_goes_on(tmp_path, tree, error, said):
    def fail(trainer):
        if trainer.epoch == 2:
            raise error

    with pytest.raises(type(error)) as caught:
        fit(tmp_path, [FunctionCallback(affects_training=False, on_step_end=fail), Doctor()])
    assert caught.value is error
    for read in (lambda: None, lambda: write_page(tmp_path, tmp_path / "report.html")):
        read()
        page = tree(tmp_path / "report.html")
        assert not page.all("noscript")
        page.one("section", id="doctor")
        assert re.search(said, status(page))


def test_a_resumed_run_goes_on_in_its_notes(tmp_path, tree):
    def stop(trainer):
        trainer.stop = trainer.step == 6

    checkpoint = Checkpoint(tmp_path / "run.npz", every_steps=6)
    stopper = FunctionCallback(affects_training=False, on_step_end=stop)
    fit(tmp_path, [stopper, checkpoint])
    fit(tmp_path, [checkpoint], resume=tmp_path / "run.npz")
    assert status(tree(tmp_path / "report.html")).startswith("Training ended after 3 epochs")
    steps = read_run(tmp_path).steps
    assert steps["step"] == list(range(1, 13))
    assert np.isnan(steps["accuracy"][6])  # the run was resumed within an epoch
    assert not np.isnan([*steps["accuracy"][:6], *steps["accuracy"][8:]]).any()


def test_a_new_run_replaces_the_notes_of_another(tmp_path):
    fit(tmp_path, epochs=3)
    (tmp_path / "log.csv").unlink()
    fit(tmp_path, epochs=1)
    lines = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert [line["epochs"] for line in lines if "began" in line] == [1]
    assert len(noted_steps(lines)["step"]) == 4


def test_what_a_program_adds_is_shown(tmp_path, tree):
    about = {"data_source": "<my data>", "folder": tmp_path, "shapes": {"x": (3, 4)}, 3: None}
    page = RunPage(tmp_path / "report.html", about)
    fit(tmp_path, page=page)
    assert "<my data>" in tree(tmp_path / "report.html").one("section", id="provenance").text


def test_what_a_program_adds_may_be_numpys(tmp_path, tree):
    page = RunPage(tmp_path / "report.html", {"mean": np.arange(3.0), "rate": np.float32(0.5)})
    fit(tmp_path, page=page)
    assert "mean [0. 1. 2.]" in tree(tmp_path / "report.html").one("section", id="provenance").text


def test_notes_that_are_held_for_a_moment_when_a_run_begins_are_written(tmp_path, held, tree):
    """As a virus scanner does with a file that has just changed."""
    page, refusals = RunPage(tmp_path / "report.html"), []
    page.order = lambda trainer: 2  # so that the log has been written by then
    hold = FunctionCallback(
        affects_training=False, on_train_begin=lambda trainer: refusals.append(held(0.3))
    )
    hold.order = lambda trainer: 1
    fit(tmp_path, [hold], page=page)
    assert "run.jsonl" in refusals[0]
    assert "Training ended after 3 epochs" in status(tree(tmp_path / "report.html"))
    assert (tmp_path / "run.jsonl").read_text(encoding="utf-8").count("steps") == 3


def test_a_page_does_not_take_the_place_of_its_notes(tmp_path):
    with pytest.raises(InputError, match="of which it is made"):
        fit(tmp_path, page=RunPage(tmp_path / "run.jsonl"))


@pytest.mark.parametrize(
    ("content", "what"), [(b"PK\x03\x04", "a zip file"), (b"\x01\x02", "a file of another kind")]
)
def test_a_page_does_not_take_the_place_of_a_file_that_is_no_page(tmp_path, content, what):
    path = tmp_path / "run.npz"
    path.write_bytes(content)
    words = rf"would replace .*run\.npz, which is {what}.* move that file away"
    with pytest.raises(InputError, match=words):
        fit(tmp_path, page=RunPage(path))
    fit(tmp_path)
    with pytest.raises(InputError, match=words):
        write_page(tmp_path, path)
    assert path.read_bytes() == content
    write_page(tmp_path, tmp_path / "report.html")  # an earlier page is replaced


def test_a_page_that_cannot_be_written_is_a_warning(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tinynn.page.run_page.save_page", full)
    with pytest.warns(UserWarning, match=r"could not write .*No space left.*Training goes on"):
        trainer = fit(tmp_path)
    assert len(trainer.history.epochs) == 3
    assert read_run(tmp_path).state == "ended"  # the notes could be written


def test_two_runs_do_not_share_a_page(tmp_path, tree):
    def other(trainer):
        if trainer.epoch == 1:
            page = RunPage(tmp_path / "report.html")
            with pytest.warns(UserWarning, match="Another run is in this folder"):
                fit(tmp_path / "other", page=page, epochs=1)

    (tmp_path / "other").mkdir()
    fit(tmp_path, [FunctionCallback(affects_training=False, on_epoch_end=other)])
    assert status(tree(tmp_path / "report.html")).startswith("Training ended after 3 epochs")


def test_many_short_epochs_cost_pages_no_more_than_their_share(tmp_path, monkeypatch, tree):
    monkeypatch.setattr("tinynn.page.run_page.LEAST_SECONDS", 0.0)
    written = []
    monkeypatch.setattr("tinynn.page.run_page.save_page", lambda *page: written.append(page))
    fit(tmp_path, epochs=40)
    assert 2 <= len(written) <= 20  # at the beginning, at the end, and seldom in between
    assert read_run(tmp_path).steps["step"][-1] == 160


def test_a_copy_of_a_page_that_is_under_way_has_no_open_file(tmp_path):
    copies = []

    def copy_all(trainer):
        copies.append(copy.deepcopy(trainer.callbacks))

    fit(tmp_path, [FunctionCallback(affects_training=False, on_epoch_end=copy_all)])
    (page,) = [one for one in copies[0] if isinstance(one, RunPage)]
    assert page.notes is None
    assert page.path == tmp_path / "report.html"


@pytest.mark.parametrize("about", [["a"], "a", 3])
def test_about_is_a_dictionary(about):
    with pytest.raises(InputError, match="about of RunPage must be a dictionary"):
        RunPage("report.html", about)


def test_without_a_folder_training_does_not_begin(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no such folder"):
        fit(tmp_path, page=RunPage(tmp_path / "nowhere/report.html"))


def test_metrics_of_other_kinds_make_a_page(tmp_path, tree):
    def write(trainer):
        trainer.history.epochs[-1].update(
            val_f1=np.float32(0.5), word="<b>", val_nan=float("nan"), flag=True
        )

    fit(tmp_path, [FunctionCallback(affects_training=False, on_epoch_end=write)])
    titles = [one.text for one in tree(tmp_path / "report.html").all("span", class_="chart-title")]
    assert "f1" in titles


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.slow
def test_a_killed_run_says_so_when_its_page_is_written_again(tmp_path, tree):
    program = """
        import time, sys, numpy as np, tinynn
        x = np.random.default_rng(0).normal(size=(40, 4)); y = (x[:, 0] > 0).astype(int)
        model = tinynn.Sequential([tinynn.Dense(2), tinynn.Softmax()], input_shape=(4,))
        wait = tinynn.FunctionCallback(affects_training=False, on_epoch_begin=lambda t: (
            t.epoch == 3 and (print("now", flush=True), time.sleep(60))))
        tinynn.Trainer(model, tinynn.CrossEntropy(), tinynn.Adam()).fit(x, y, 9, callbacks=[
            tinynn.CSVLogger("log.csv"), tinynn.RunPage("report.html"), wait])
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"now\n"
        write_page(tmp_path, tmp_path / "alive.html")
        os.kill(process.pid, signal.SIGKILL)
    assert status(tree(tmp_path / "alive.html")).startswith("Training. 2 of 9 epochs done")
    assert status(tree(tmp_path / "report.html")).startswith("Training. 2 of 9 epochs done")
    write_page(tmp_path, tmp_path / "report.html")
    said = status(tree(tmp_path / "report.html"))
    assert said.startswith("Training broke off after 2 of 9 epochs.")
    assert "it was killed" in said


def test_the_commit_and_the_command_of_the_program(tmp_path, monkeypatch):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path)]
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    program = tmp_path / "a b.py"
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(program), raising=False)
    monkeypatch.setattr(sys, "orig_argv", ["python", str(program), "--seed", "3"])
    assert commit.__wrapped__() == ""
    program.write_text("1")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout
    assert commit.__wrapped__() == head.strip()
    program.write_text("2")
    assert commit.__wrapped__() == f"{head.strip()}-dirty"
    assert shlex.split(command_line()) == sys.orig_argv
