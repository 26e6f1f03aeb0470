"""write_page: what became of a run, its figures, and nothing that the run has not left."""

import base64
import json
import math
import os
import re

import numpy as np
import pytest

from tinynn import InputError, write_page
from tinynn.files import locks
from tinynn.page.facts import read_run
from tinynn.page.scored import read_test_data, write_test_data

HOSTILE = "<img src=x onerror=alert(1)>\"'&</script><!--"
BEGAN = {"began": "2026-01-02 03:04:05 UTC", "epochs": 5, "about": {"seed": 7}}
ENDED = {"ended": "2026-01-02 03:05:05 UTC", "state": "ended", "why": ""}


@pytest.fixture
def written(tmp_path, tree):
    """Return a function that writes the page of one run or several, and reads it."""

    def write(*folders):
        write_page(folders[0] if len(folders) == 1 else folders, tmp_path / "report.html")
        return tree(tmp_path / "report.html")

    return write


def status(page):
    return page.one(id="status").text


def test_figures_of_the_test_are_those_worked_out_by_hand(run_folder, written):
    page = written(run_folder())
    figures = {one.one("dt").text: one.one("dd").text for one in page.one("header").all("div")}
    # 4 of 6 are right: sqrt(4/6 * 2/6 / 6) = 0.1925
    assert figures["Test accuracy"] == "0.6667 ± 0.1925 on 6 test samples"
    losses = -np.log([0.8, 0.7, 0.1, 0.7, 0.8, 0.05])
    assert figures["Test loss"] == f"{losses.mean():.4f} ± {losses.std() / math.sqrt(6):.4f}"
    assert figures["Validation accuracy"] == "0.8000 last epoch"
    assert figures["Training time"] == "4.0 s"


def test_the_matrix_counts_and_each_number_has_its_images(run_folder, written):
    page = written(run_folder())
    matrix = page.one("table", class_="matrix")
    rows = [[cell.text for cell in row.all("td")] for row in matrix.one("tbody").all("tr")]
    assert rows == [["2", "1", "0"], ["0", "2", "0"], ["0", "1", "0"]]
    for link in matrix.all("a"):
        group = page.one("section", id=link.attributes["href"][1:])
        assert len(group.all("img")) == int(link.text)
    assert {link.attributes["href"] for link in matrix.all("a")} == {
        "#cell-0-0", "#cell-0-1", "#cell-1-1", "#cell-2-1",
    }  # fmt: skip
    image = page.one("section", id="cell-2-1").one("img")
    assert image.attributes["alt"] == "test image 5: cow, taken for dog, 90.0%"


def test_the_most_confident_mistake_comes_first(run_folder, written):
    worst = written(run_folder()).one("ul", class_="images worst")
    assert [one.one("figcaption").text for one in worst.all("li")] == [
        "cow taken for dog 90.0% sure", "cat taken for dog 60.0% sure",
    ]  # fmt: skip


def test_each_class_has_its_scores(run_folder, written):
    page = written(run_folder())
    (table,) = [
        one for one in page.all("table") if one.one("caption").text == "Scores of each class"
    ]
    rows = {
        row.one("th").text: [cell.text for cell in row.all("td")]
        for row in table.one("tbody").all("tr")
    }
    assert rows["cat"] == ["1.000", "0.667", "0.800", "3", "dog (1)"]
    assert rows["dog"] == ["0.500", "1.000", "0.667", "2", ""]
    assert rows["cow"] == ["0.000", "0.000", "0.000", "1", "dog (1)"]


def test_many_images_stay_within_the_bytes_of_a_page(run_folder, written, monkeypatch):
    monkeypatch.setattr("tinynn.page.confusion.MOST_BYTES", 400)
    page = written(run_folder(images=np.zeros((6, 4, 4), np.uint8)))
    shown = page.one(id="cell-images").all("img")
    assert 1 <= len(shown) <= 2
    assert "1 of 2, the surest first" in page.one(id="cell-0-0").text


def test_of_many_classes_the_pairs_are_listed(run_folder, written):
    names = np.array([f"class {i}" for i in range(40)])
    p = np.full((6, 40), 0.01, np.float32)
    p[np.arange(6), [1, 1, 1, 3, 4, 5]] = 0.61
    page = written(run_folder(p_test=p, names=names, labels=np.array([0, 0, 1, 3, 4, 5], np.uint8)))
    assert not page.all("table", class_="matrix")
    assert "class 0 and class 1: 2 (class 0 taken for class 1 2" in page.one(id="quality").text


@pytest.mark.parametrize(
    ("notes", "metrics", "said"),
    [
        ([BEGAN, ENDED], {}, "Training ended after 2 epochs, 2026-01-02 03:05:05 UTC."),
        ([], {"test_accuracy": 0.5}, "Training ended after 2 epochs."),
        (
            [BEGAN, {**ENDED, "state": "stopped", "why": "a signal came, SIGINT"}], {},
            "Training was stopped after 2 of 5 epochs, 2026-01-02 03:05:05 UTC. A signal came, "
            "SIGINT.",
        ),
        (
            [BEGAN, {**ENDED, "state": "failed", "why": "TrainingDiverged: NaN."}], {},
            "Training broke off after 2 of 5 epochs, 2026-01-02 03:05:05 UTC. TrainingDiverged: "
            "NaN.",
        ),
        (
            [BEGAN], {},
            "Training broke off after 2 of 5 epochs. No process works in its folder any more, and "
            "it has left no note of an end: it was killed, or the machine went down.",
        ),
        (
            [BEGAN, ENDED, BEGAN], {},  # resumed, then killed
            "Training broke off after 2 of 5 epochs. No process works in its folder any more, and "
            "it has left no note of an end: it was killed, or the machine went down.",
        ),
        ([], {}, "The log has 2 epochs. No note tells how the run ended."),
    ],
)  # fmt: skip
def test_what_became_of_the_run_is_said(run_folder, written, notes, metrics, said):
    assert status(written(run_folder(notes=notes, metrics=metrics))) == said


@pytest.mark.parametrize("name", ["run.jsonl", "lock"])
def test_a_run_whose_file_is_locked_is_training(run_folder, written, name):
    folder = run_folder(notes=[BEGAN])
    with (folder / name).open("ab") as file:
        assert locks.lock(file.fileno())
        page = written(folder)
    assert status(page) == "Training. 2 of 5 epochs done."
    assert page.one("noscript").one("meta").attributes["http-equiv"] == "refresh"
    assert page.one("progress").attributes["value"] == "2"
    figures = page.one("header").text
    assert "Test accuracy" not in figures
    page = written(folder)  # its process is dead now
    assert "broke off" in status(page)
    assert not page.all("noscript")


def test_what_an_earlier_end_has_left_is_not_shown_of_a_resumed_run(run_folder, written):
    health = {"findings": [], "steps": []}
    folder = run_folder(notes=[BEGAN, ENDED, BEGAN], metrics={"test_accuracy": 1}, health=health)
    with (folder / "run.jsonl").open("ab") as file:
        assert locks.lock(file.fileno())
        page = written(folder)
    assert "Test" not in page.one("header").text
    assert [one.attributes["id"] for one in page.one("main").all("section")] == [
        "curves", "provenance",
    ]  # fmt: skip
    killed = written(folder)
    assert "broke off" in status(killed)
    assert "Test" not in killed.one("header").text
    assert not killed.all("section", id="quality")


@pytest.mark.parametrize(("seconds", "shown"), [(-60, False), (60, True)])
def test_of_a_run_that_was_resumed_and_stopped_only_later_files_are_shown(
    run_folder, written, seconds, shown
):
    again = {**BEGAN, "began": "2026-01-03 03:04:05 UTC+01:00"}
    stopped = {"ended": "2026-01-03 03:05:05 UTC", "state": "stopped", "why": "Ctrl-C"}
    folder = run_folder(notes=[BEGAN, ENDED, again, stopped], metrics={"test_accuracy": 1})
    for file in ("test.npz", "metrics.json"):
        os.utime(folder / file, (1_767_405_845 + seconds,) * 2)
    page = written(folder)
    assert ("Test" in page.one("header").text) == shown
    assert bool(page.all("section", id="quality")) == shown


def test_a_torn_last_line_is_left_out(run_folder):
    folder = run_folder(notes=[BEGAN])
    with (folder / "run.jsonl").open("a") as file:
        file.write('{"ended": "20')
    facts = read_run(folder)
    assert (facts.state, facts.epochs) == ("killed", 5)


def test_steps_that_a_resumed_run_did_again_count_once(run_folder):
    steps = [{"steps": [[10, 0.9, 0.1, 0.01], [20, 0.8, 0.2, 0.01]]}]
    again = [{"steps": [[20, 0.7, None, 0.01], [30, 0.6, 0.4, 0.01], "x", [1]]}]
    facts = read_run(run_folder(notes=[BEGAN, *steps, BEGAN, *again]))
    assert facts.steps["step"] == [10, 20, 30]
    assert facts.steps["loss"] == [0.9, 0.7, 0.6]
    assert math.isnan(facts.steps["accuracy"][1])


def test_how_it_came_about_is_told_and_the_log_can_be_saved_again(run_folder, written):
    about = {
        "command": "python a.py --out 'my run'", "commit": "ab" * 20, "seed": 3,
        "data": {"x": f"float32 (6, 4), SHA-256 {'0f' * 32}"}, "network": ["Dense(units=3)"],
        "versions": {"numpy": "2.0"},
    }  # fmt: skip
    folder = run_folder(notes=[{**BEGAN, "about": about}, ENDED], metrics={"schedule": "cosine"})
    section = written(folder).one("section", id="provenance")
    facts = {one.one("dt").text: one.one("dd").text for one in section.one("dl").all("div")}
    assert facts["command"] == "python a.py --out 'my run'"
    assert facts["commit"] == "ab" * 20
    assert facts["data"] == f"x: float32 (6, 4), SHA-256 {'0f' * 32}"
    assert facts["network"] == "Dense(units=3)"
    assert facts["versions"] == "numpy: 2.0"
    assert facts["schedule"] == "cosine"
    link = section.one("a", download="log.csv").attributes["href"]
    assert base64.b64decode(link.split(",")[1]) == (folder / "log.csv").read_bytes()


def test_what_the_doctor_says_is_shown_with_its_measurements(run_folder, written):
    problem = {
        "level": "problem", "title": "Units are dead.", "seen": "9 of 10", "cause": "a large step",
        "remedy": "a smaller one", "follows": [{"title": "It learns slowly.", "seen": "0.9"}],
    }  # fmt: skip
    step = {"step": 1, "update_ratio": {"1.Dense.W": 0.001}, "output_std": {"1.Dense": 0.5}}
    health = {
        "healthy": False, "findings": [problem, {"level": "fine", "title": "data are scaled"}],
        "steps": [step, {**step, "step": 2}], "dead": {"2.ReLU": [9, 10]},
    }  # fmt: skip
    section = written(run_folder(health=health)).one("section", id="doctor")
    finding = section.one("div", class_="finding").text
    for said in (
        "problem",
        "Units are dead.",
        "9 of 10",
        "a large step",
        "a smaller one",
        "It learns slowly.",
    ):
        assert said in finding
    assert section.one("ul", class_="fine").text == "data are scaled"
    section.one("figure", id="updates")
    assert "2.ReLU 9 10 90%" in section.text
    assert "1.Dense 0.5 0.5" in section.text


def test_a_run_with_a_log_alone_has_its_curves_alone(run_folder, written):
    page = written(run_folder(test=False))
    assert [one.attributes["id"] for one in page.one("main").all("section")] == [
        "curves",
        "provenance",
    ]
    titles = [one.text for one in page.all("span", class_="chart-title")]
    assert titles == ["Loss", "Accuracy", "Learning rate"]


def test_images_are_no_must(run_folder, written):
    page = written(run_folder(images=None))
    assert not page.all("img")
    matrix = page.one("table", class_="matrix").one("tbody")
    assert matrix.text == "cat 2 1 0 dog 0 2 0 cow 0 1 0"


def test_several_runs_are_overlaid_and_compared(run_folder, written):
    first, second = run_folder("first"), run_folder("second", test=False, notes=[BEGAN])
    page = written(first, second)
    (table,) = [one for one in page.all("table") if one.one("caption").text == "The runs"]
    assert table.attributes["class"] == "sortable"
    rows = [row.all("td") for row in table.one("tbody").all("tr")]
    assert [row[0].text for row in rows] == ["2", "2"]
    assert [cell.attributes.get("data-value") for cell in (rows[0][6], rows[1][6])] == [
        "0.666666666667", None,
    ]  # fmt: skip
    assert [row[-1].text for row in rows] == ["unknown", "killed"]
    loss = page.one("figure", id="curve-0")
    names = [one.text for one in loss.all("li")]
    assert names == [
        "first, training",
        "first, validation",
        "second, training",
        "second, validation",
    ]
    assert {path.attributes.get("data-run") for path in loss.all("path")} >= {"0", "1"}
    boxes = page.one("fieldset").all("label")
    assert [box.text for box in boxes] == ["first", "second"]
    assert len(page.one("section", id="provenance").all("a")) == 2


def test_runs_of_the_same_name_are_told_apart(run_folder, written, tmp_path):
    (tmp_path / "a").mkdir()
    run_folder("run")
    (tmp_path / "run").rename(tmp_path / "a/run")
    page = written(run_folder("run"), tmp_path / "a/run")
    rows = [one.text for one in page.one("fieldset").all("label")]
    assert rows == [str(tmp_path / "run"), str(tmp_path / "a/run")]


def test_what_a_run_says_stays_text(run_folder, written):
    about = {HOSTILE: HOSTILE, "command": HOSTILE, "network": [HOSTILE], "data": {HOSTILE: HOSTILE}}
    finding = dict.fromkeys(("title", "seen", "cause", "remedy"), HOSTILE)
    health = {
        "findings": [{**finding, "level": "problem", "follows": [finding]}],
        "steps": [{"step": 1, "update_ratio": {HOSTILE: 0.1}, "output_std": {HOSTILE: 1.0}}],
        "dead": {HOSTILE: [1, 2]},
    }
    folder = run_folder(
        HOSTILE.replace("/", ""),
        log=f'epoch,loss,"val_{HOSTILE.replace(chr(34), "")}"\n1,0.5,0.25\n',
        names=np.array([HOSTILE, f"{HOSTILE}2", "cow"]),
        notes=[{**BEGAN, "about": about}, {**ENDED, "state": "failed", "why": HOSTILE}],
        metrics={"schedule": HOSTILE, HOSTILE: [HOSTILE]},
        health=health,
    )
    for page in (written(folder), written(folder, folder)):
        assert page.all("script")
        for image in page.all("img"):
            assert image.attributes["src"].startswith("data:image/png;base64,")
            assert set(image.attributes) == {"src", "width", "height", "alt"}
        for element in page.walk():
            assert not [name for name in element.attributes if name.startswith("on")]
    assert HOSTILE in status(written(folder))


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("metrics.json", "{", "is not the JSON that a run leaves"),
        ("metrics.json", "[1]", r"should hold an object of JSON, but holds \[1\]"),
        ("metrics.json", "[" * 100_000, "is not the JSON that a run leaves"),
        ("health.json", "\x00", "is not the JSON that a run leaves"),
        ("test.npz", "no", "is not an .npz file"),
        ("log.csv", "a,b\n1,2\n", "is not a log that CSVLogger wrote"),
    ],
)
def test_a_broken_file_is_named(run_folder, tmp_path, file, content, said):
    folder = run_folder()
    (folder / file).write_text(content)
    with pytest.raises(InputError, match=said) as caught:
        write_page(folder, tmp_path / "report.html")
    assert file in str(caught.value)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"labels": None}, "it lacks labels"),
        ({"labels": np.array([0, 0, 0, 1, 1, 3])}, "labels should be below 3, but go from 0 to 3"),
        ({"names": np.array(["a"])}, "names should be 3 texts"),
        ({"p_test": np.full((6, 3), np.nan)}, "p_test should be finite numbers"),
        ({"p_test": np.full((6, 3), 0.5)}, "p_test should be probabilities"),
        ({"images": np.zeros((5, 4, 4), np.uint8)}, r"images should be uint8 \(6, H, W\)"),
        ({"images": np.zeros((6, 4, 4))}, "images should be uint8"),
        ({"images": np.zeros((6, 4, 0), np.uint8)}, "images have no pixels"),
    ],
)
def test_test_data_that_do_not_fit_are_refused(run_folder, tmp_path, arrays, said):
    with pytest.raises(InputError, match=said):
        write_page(run_folder(**arrays), tmp_path / "report.html")


@pytest.mark.parametrize("one_hot_rows", [False, True])
def test_test_data_come_back_as_they_were_left(tmp_path, one_hot_rows):
    p, images = np.eye(3)[[0, 2]], np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    labels = np.eye(3)[[0, 1]] if one_hot_rows else [0, 1]
    write_test_data(p, labels, ["a", "b", "\u6f22"], images, path=tmp_path / "test.npz")
    found = read_test_data(tmp_path)
    assert found.names == ("a", "b", "\u6f22")
    assert found.labels.tolist() == [0, 1]
    assert found.p.dtype == np.float32
    assert np.array_equal(found.p, p)
    assert np.array_equal(found.images, images)
    with pytest.raises(InputError, match=r"images should be uint8 \(2, H, W\)"):
        write_test_data(p, [0, 1], ["a", "b", "c"], images / 255, path=tmp_path / "test.npz")


@pytest.mark.first_cases(3)
@pytest.mark.parametrize("value", [None, "text", [1], {"a": [None]}, -1, 1e999, True])
def test_settings_of_any_kind_make_a_page(run_folder, written, value):
    names = ("test", "parameters", "seed", "learning_rate", "about", "epochs", "samples")
    odd = dict.fromkeys(names, value)
    health = {"findings": value, "steps": value, "dead": value, "healthy": value}
    notes = [{"began": value, "about": odd, "epochs": value}, {"ended": value, "state": value}]
    folder = run_folder(metrics=odd, health=health, notes=notes)
    written(folder)
    written(folder, folder)


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="needs the folder of a run"):
        write_page(tmp_path / "nowhere", tmp_path / "report.html")
    for odd in (None, 3, [3], b"run"):
        with pytest.raises(InputError, match="needs the folder of a run, or a list of them; got"):
            write_page(odd, tmp_path / "report.html")
    with pytest.raises(InputError, match="got none"):
        write_page([], tmp_path / "report.html")
    for wrong in (None, 5, b"runs", [None]):
        with pytest.raises(InputError, match="needs the folder of a run, or a list of them"):
            write_page(wrong, tmp_path / "report.html")
    with pytest.raises(FileNotFoundError, match="There is no such file"):
        write_page(tmp_path, tmp_path / "report.html")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        write_page(tmp_path, tmp_path / "nowhere/report.html")


@pytest.mark.parametrize("name", ["log.csv", "run.jsonl", "test.npz"])
def test_no_page_takes_the_place_of_what_it_is_made_of(run_folder, name):
    folder = run_folder(notes=[BEGAN])
    before = (folder / name).read_bytes()
    with pytest.raises(InputError, match="of which it is made"):
        write_page(folder, folder / "." / name)
    assert (folder / name).read_bytes() == before


HUGE = 10**400  # a whole number that is no float


@pytest.mark.parametrize(
    "files",
    [
        {"metrics": {"parameters": HUGE, "test_accuracy": HUGE}},
        {"notes": [{**BEGAN, "epochs": HUGE}, {"steps": [[HUGE, 1, 1, 1], [1, HUGE, 1, 1]]}]},
        {"notes": [BEGAN, {"steps": [[1, 1.7e308, 1, 1], [2, -1.7e308, 1, 1]]}]},
        {"log": "epoch,loss,val_loss,seconds\n1,1.7e308,-1.7e308,1.7e308\n2,1,1,1.7e308\n"},
        {"health": {"findings": [{"level": []}], "steps": [], "dead": {"a": [HUGE, 1]}}},
    ],
    ids=["metrics", "notes", "steps", "log", "health"],
)
def test_numbers_of_any_size_make_a_page(run_folder, written, files):
    assert written(run_folder(**files)).one("section", id="curves")


def test_epochs_that_do_not_begin_at_1_lie_on_the_axis(run_folder, written):
    page = written(run_folder(log="epoch,loss\n11,3\n12,2\n", notes=[BEGAN]))
    data = json.loads("".join(page.one("script", id="data-curves").texts))["curve-0"]
    assert data["x"][0] == 0
    assert data["x"][1] >= 12


def test_a_page_of_a_run_without_an_epoch_says_so(run_folder, written):
    page = written(run_folder(log="epoch,loss\n", test=False))
    assert "No epoch has ended yet." in page.one("section", id="curves").text


def test_values_that_are_no_numbers_are_gaps(run_folder, written):
    page = written(
        run_folder(log="epoch,loss,val_x\n1,nan,a\n2,inf,\nnan,1,1\n3,0.5,2\n", test=False)
    )
    data = json.loads("".join(page.one("script", id="data-curves").texts))
    assert data["curve-0"]["lines"][0]["ys"] == [None, None, 0.5]
    assert re.search("not a number", str(data))


def test_a_page_has_room_for_long_names_and_calls_no_answer_certain(tmp_path, run_folder):
    """Float32 rounds a probability near 1 to 1."""
    p = np.array([[1.0, 0.0], [0.6, 0.4]], np.float32)
    images = np.zeros((2, 2, 2), np.uint8)
    folder = run_folder()
    write_test_data(p, [1, 0], ["shark, " * 40, "ray"], images, path=folder / "test.npz")
    write_page(folder, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "shark, shark, " in page
    assert "shark, " * 4 not in page
    assert "&gt; 99.9% sure" in page
    assert "100.0% sure" not in page
