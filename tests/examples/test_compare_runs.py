"""examples/compare_runs.py draws what there is, also of a run that has only begun."""

import shutil

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


def test_a_folder_without_a_log_is_named(run_example, tmp_path):
    process = run_example(tmp_path, "compare_runs.py", tmp_path)
    assert process.returncode != 0
    assert f"{tmp_path} is no run" in process.stderr
