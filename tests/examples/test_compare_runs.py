"""examples/compare_runs.py draws the epochs that a log has, also of a run that has only begun."""

import shutil

import pytest
from matplotlib.image import imread

HEAD = "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds\n"
ROWS = "1,0.9,0.5,0.8,0.6,0.001,1\n2,0.8,0.6,0.9,0.55,0.001,1\n"


def test_several_runs_in_one_picture(run_example, sample_run, tmp_path):
    shutil.copytree(sample_run.out, tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/log.csv").write_text(HEAD + ROWS)
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun/log.csv").write_text(HEAD)
    runs = ("a", "b/log.csv", "begun")
    process = run_example(tmp_path, "compare_runs.py", *runs, "--out", "c/d.png")
    assert process.returncode == 0, process.stderr
    assert "b/log.csv: 2 epochs, val_accuracy 0.5500, best 0.6000 in epoch 1" in process.stdout
    assert "begun: no epoch has ended yet, left out" in process.stdout
    assert imread(tmp_path / "c/d.png").std() > 0.05


def test_a_folder_without_a_log_is_named(run_here, tmp_path):
    process = run_here(tmp_path, "compare_runs.py", tmp_path)
    assert process.returncode != 0
    assert f"{tmp_path} cannot be read as a run" in process.stderr


@pytest.mark.slow
def test_the_broken_are_named_and_the_others_drawn(run_here, tmp_path):
    (tmp_path / "good.csv").write_text(HEAD + ROWS + "3,0.7,0.")  # and a row half written
    bad = {
        "binary.csv": (b"\xff\xfa\x00", "'utf-8' codec can't decode"),
        "text.csv": (b"step,loss\n1,0.5\n", "expected columns epoch, loss and others, with commas"),
        "date.csv": (b"epoch;loss\n1;05. Mai\n", "line 2: loss should be a number, got '05. Mai'"),
        "word.csv": (b"epoch,loss\n1,0.5\n2,low\n", "line 3: loss should be a number, got 'low'"),
        "short.csv": (b"epoch,loss\n1\n", "line 2: loss should be a number, got None"),
    }
    for name, (content, _) in bad.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    runs = [*bad, "nowhere", "folder", "good.csv"]
    process = run_here(tmp_path, "compare_runs.py", *runs)
    assert process.returncode == 1
    assert "good.csv: 2 epochs, val_accuracy 0.5500, best 0.6000 in epoch 1" in process.stdout
    assert imread(tmp_path / "runs/compare.png").std() > 0.05
    told = process.stderr.splitlines()
    whys = [*(why for _, why in bad.values()), "there is no nowhere", "there is no folder/log.csv"]
    for line, run, why in zip(told, runs[:-1], whys, strict=True):
        assert line.startswith(f"error: {run} cannot be read as a run: ")
        assert why in line


@pytest.mark.slow
def test_a_tilde_is_the_home_not_a_folder_of_that_name(run_here, tmp_path, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home/a.csv").write_text(HEAD + ROWS)
    process = run_here(tmp_path, "compare_runs.py", "~/a.csv", "--out=~/a.png")
    assert process.returncode == 0, process.stderr
    assert imread(tmp_path / "home/a.png").std() > 0.05
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


@pytest.mark.slow
def test_nan_is_never_the_best(run_example, tmp_path):
    rows = "1,0.9,0.5,0.8,nan,1,1\n2,0.8,0.6,0.9,0.55,1,1\n3,0.8,0.6,0.9,,1,1\n"
    (tmp_path / "a.csv").write_text(HEAD + rows)
    (tmp_path / "_b.csv").write_text("epoch,loss,note\n1,nan,so\n")
    process = run_example(tmp_path, "compare_runs.py", "a.csv", "_b.csv", MPLBACKEND="nonsense")
    assert process.returncode == 0, process.stderr
    assert "a.csv: 3 epochs, val_accuracy nan, best 0.5500 in epoch 2" in process.stdout
    assert "_b.csv: 1 epoch, loss nan\n" in process.stdout


@pytest.mark.parametrize(
    ("out", "why"),
    [
        ("a.csv", "--out a.csv should end in .png"),
        pytest.param(
            *("folder.png", "folder.png could not be drawn. IsADirectoryError"),
            marks=pytest.mark.slow,
        ),
        pytest.param(*("a.csv/b.png", "a.csv/b.png could not be drawn. "), marks=pytest.mark.slow),
    ],
)
def test_an_output_that_cannot_be_written_is_reported(run_here, tmp_path, out, why):
    (tmp_path / "a.csv").write_text(HEAD + ROWS)
    (tmp_path / "folder.png").mkdir()
    process = run_here(tmp_path, "compare_runs.py", "a.csv", "--out", out)
    assert process.returncode == 1
    assert process.stderr.startswith(f"error: {why}")
    assert "Traceback" not in process.stderr
    assert (tmp_path / "a.csv").read_text() == HEAD + ROWS
