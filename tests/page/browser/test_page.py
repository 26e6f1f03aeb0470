"""The page of a run in a real browser, offline: looks, keyboard, labels, contrast, live, hostile.

Run by `pytest -m browser -n 0`. It needs Debian's chromium and the extra browser.
"""

import json
import time

import numpy as np
import pytest

from tinynn import Callback, write_page
from tinynn.page.facts import read_run
from tinynn.page.scored import write_test_data
from tinynn.page.write import save_page

pytestmark = pytest.mark.browser

PHONE = {"width": 360, "height": 740}
WIDE = {"width": 1600, "height": 1000}
HOSTILE = '<img src=x onerror="window.hacked=1">\'&</script><script>window.hacked=1</script><!--'

CONTRAST = """() => {  // all texts that can be seen, with less contrast than they need
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour[3] !== 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  let count = 0;
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest("script, style, .unseen")) continue;
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const both = [light(numbers(style.color)), light(behind(element))].sort((a, b) => b - a);
    const ratio = (both[0] + 0.05) / (both[1] + 0.05);
    count += 1;
    if (ratio < (large ? 3 : 4.5)) found.push([element.textContent.slice(0, 40), ratio]);
  }
  return [count, found];
}"""

FOCUSED = """() => {
  const at = document.activeElement;
  const style = getComputedStyle(at);
  const name = at.getAttribute("aria-label") || at.labels?.[0]?.textContent || at.textContent;
  const box = at.getBoundingClientRect();
  return {
    tag: at.tagName, id: at.id, name: name.trim(), href: at.getAttribute("href"),
    outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    seen: box.width > 0 && box.bottom > 0 && box.top < innerHeight,
  };
}"""


def widths(page):
    return page.evaluate("[document.documentElement.scrollWidth, innerWidth]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_it_fits_its_window_and_all_texts_can_be_read(opened, finished, viewport, scheme):
    for path in (finished.first, finished.both):
        page = opened(path, viewport, color_scheme=scheme)
        page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
        last = "document.querySelectorAll('.x-axis span:last-child b')"
        page.evaluate(f"{last}.forEach((each) => each.textContent = '1,000,000')")  # a long run
        whole, inner = widths(page)
        assert whole <= inner
        count, weak = page.evaluate(CONTRAST)
        assert weak == []
        assert count > 100
        background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 20, 23)"}[scheme]


def test_long_numbers_at_the_end_of_an_axis_stay_within_a_phone(opened, run_folder, tmp_path):
    steps = [[step, 1, 0.5, 0.1] for step in (1000, 29_000)]
    folder = run_folder(notes=[{"began": "now", "epochs": 2}, {"steps": steps}], test=False)
    write_page(folder, tmp_path / "report.html")
    whole, inner = widths(opened(tmp_path / "report.html", PHONE))
    assert whole <= inner


def test_the_check_of_contrast_finds_a_weak_text(opened, finished):
    page = opened(finished.first)
    page.evaluate("document.querySelector('h1').style.color = '#aaaaaa'")
    _, weak = page.evaluate(CONTRAST)
    assert [name for name, _ in weak] == ["first"]


def test_at_twice_the_size_of_text_it_still_fits(opened, finished):
    page = opened(finished.first, {"width": 1280, "height": 900})
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    whole, inner = widths(page)
    assert whole <= inner
    zoomed = opened(finished.first, {"width": 640, "height": 450}, device_scale_factor=2)
    whole, inner = widths(zoomed)
    assert whole <= inner
    assert zoomed.evaluate(CONTRAST)[1] == []


def test_every_control_has_a_name(opened, finished):
    controls = {"button", "link", "checkbox", "slider", "textbox", "combobox", "image", "region"}
    for path in (finished.first, finished.both):
        page = opened(path)
        session = page.context.new_cdp_session(page)
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        seen = [node for node in nodes if node.get("role", {}).get("value") in controls]
        assert len(seen) > 20
        assert [n for n in seen if not n.get("name", {}).get("value", "").strip()] == []


def test_the_tab_key_comes_to_all_and_shows_where_it_is(opened, finished):
    page = opened(finished.first)
    wanted = page.evaluate(
        "[...document.querySelectorAll('a[href], button, summary, input, select, [tabindex]')]"
        ".filter((each) => each.tabIndex >= 0 && !each.disabled && each.checkVisibility()).length"
    )
    reached = []
    for _ in range(wanted):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUSED))
    assert reached[0]["href"] == "#main"
    for one in reached:
        assert one["name"], one
        assert one["outline"], one
        assert one["seen"], one
    tags = [one["tag"] for one in reached]
    assert tags.count("SUMMARY") >= 2
    assert tags.count("BUTTON") >= 5
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED)["tag"] == "BODY"  # the last was the end


def test_values_by_keyboard_and_under_the_pointer(opened, finished):
    page = opened(finished.first)
    rows = (finished.folder / "first/log.csv").read_text().splitlines()[1:]
    loss, val_loss = ([row.split(",")[i] for row in rows] for i in (1, 3))
    chart = page.locator("#curve-0 .canvas")
    chart.focus()
    assert chart.get_attribute("aria-valuetext") == (
        f"epoch 3: training {float(loss[2]):.4f}, validation {float(val_loss[2]):.4f}"
    )
    page.keyboard.press("Home")
    said = chart.get_attribute("aria-valuetext")
    assert said.startswith(f"epoch 1: training {float(loss[0]):.4f}")
    shown = page.locator("#curve-0 .values").inner_text()
    assert f"training {float(loss[0]):.4f}" in shown.replace("\n", " ").replace("\xa0", " ")
    page.keyboard.press("Escape")
    assert page.locator("#curve-0 .values").is_hidden()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + 0.66 * box["width"], box["y"] + 50)
    for figure in ("#curve-0", "#curve-2"):  # charts of one axis show the same epoch
        assert page.locator(f"{figure} .values p").first.inner_text() == "epoch 2"
    page.mouse.move(5, 5)
    assert page.locator("#curve-0 .values").is_hidden()


def test_numbers_of_the_matrix_show_their_images_by_keyboard(opened, finished):
    page = opened(finished.first)
    assert page.locator(".cell.shown").count() == 1
    first = page.locator("table.matrix a[tabindex='0']")
    first.focus()
    page.keyboard.press("Enter")
    shown = page.locator(".cell.shown")
    assert shown.get_attribute("id") == first.get_attribute("href")[1:]
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    other = page.locator(".cell.shown").get_attribute("id")
    assert other != first.get_attribute("id")
    number = int(page.locator("table.matrix a[aria-current]").inner_text())
    assert 1 <= page.locator(".cell.shown img").count() <= number
    images = page.locator(".cell.shown img")
    assert images.first.evaluate("(image) => image.naturalWidth") == 28
    assert "taken for" in page.locator("#announcement").inner_text() or "recognised" in (
        page.locator("#announcement").inner_text()
    )


def test_a_table_is_sorted_by_any_column(opened, finished):
    page = opened(finished.first)
    table = page.locator("table.sortable", has_text="Scores of each class")
    for name, numbers in (("Recall", True), ("Class", False)):
        for _ in range(2):
            table.get_by_role("button", name=name).press("Enter")
            head = table.locator("th", has_text=name).first
            order = head.get_attribute("aria-sort")
            cells = table.locator(f"tbody tr > :nth-child({3 if numbers else 1})").all_inner_texts()
            values = [float(cell) for cell in cells] if numbers else cells
            key = None if numbers else str.lower
            assert values == sorted(values, key=key, reverse=order == "descending")


def test_cells_without_a_number_come_last_in_any_order(opened, run_folder, tmp_path):
    values = ["0.9", "nan", "0.7", "", "0.8", "inf", "0.95"]
    rows = "".join(f"{n},1,{value}\n" for n, value in enumerate(values, 1))
    folder = run_folder(log=f"epoch,loss,val_x\n{rows}", test=False)
    write_page(folder, tmp_path / "report.html")
    page = opened(tmp_path / "report.html")
    page.locator("summary").first.click()
    known = ["0.7000", "0.8000", "0.9000", "0.9500"]
    for ordered in (known[::-1], known):
        page.get_by_role("button", name="val x").click()
        assert page.locator("tbody td:nth-child(3)").all_inner_texts()[:4] == ordered


def test_curves_of_a_run_are_hidden_and_stay_so(opened, finished):
    page = opened(finished.both)
    lines = page.locator("#curve-0 path[data-run='1']")
    assert lines.first.is_visible()
    page.get_by_role("checkbox", name="second").press("Space")
    assert not lines.first.is_visible()
    assert page.locator("#curve-0 path[data-run='0']").first.is_visible()
    page.reload()
    assert not page.get_by_role("checkbox", name="second").is_checked()
    assert not lines.first.is_visible()
    page.get_by_role("checkbox", name="second").press("Space")
    assert lines.first.is_visible()


def test_without_scripts_figures_tables_and_pictures_stand_there(opened, finished):
    page = opened(finished.first, java_script_enabled=False)
    assert page.locator(".figures").first.is_visible()
    assert page.locator("#curve-0 svg path").count() >= 3
    assert page.locator("table.matrix").is_visible()
    assert page.locator(".worst img").first.is_visible()
    assert page.locator(".cell img").first.is_hidden()
    page.locator("table.matrix a").first.click()
    assert page.locator(".cell:target img").first.is_visible()
    page.locator("summary").first.click()
    assert page.locator("details table").first.is_visible()
    assert page.locator("fieldset").count() == 0


def test_the_log_is_saved_byte_for_byte(opened, finished, tmp_path):
    page = opened(finished.first)
    with page.expect_download() as download:
        page.get_by_role("link", name="Save log.csv").click()
    assert download.value.suggested_filename == "log.csv"
    download.value.save_as(tmp_path / "log.csv")
    expected = (finished.folder / "first/log.csv").read_bytes()
    assert (tmp_path / "log.csv").read_bytes() == expected


def test_on_paper_all_is_there_in_light_colours(opened, finished):
    page = opened(finished.first, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.locator("nav.sections").is_hidden()
    background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert background == "rgb(255, 255, 255)"
    assert page.evaluate(CONTRAST)[1] == []
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    for mark in (".try-bar", ".try-legend"):  # drawn as backgrounds, which paper has not by itself
        style = page.locator(mark).first.evaluate("(each) => getComputedStyle(each)")
        assert style["printColorAdjust"] == "exact"


def test_on_paper_without_scripts_what_can_be_opened_is_there(opened, finished):
    page = opened(finished.first, java_script_enabled=False)
    assert page.locator("details table").first.is_hidden()
    page.emulate_media(media="print")
    assert page.locator("details table").first.is_visible()


def test_hostile_names_stay_text(opened, run_folder, tmp_path):
    about = {HOSTILE: HOSTILE, "command": HOSTILE}
    finding = dict.fromkeys(("title", "seen", "cause", "remedy"), HOSTILE)
    step = {"step": 1, "update_ratio": {HOSTILE: 0.1, "b": 0.1}, "output_std": {HOSTILE: 1.0}}
    health = {"findings": [{**finding, "level": "problem"}], "steps": [step]}
    folder = run_folder(
        HOSTILE.replace("/", ""),
        log=f'epoch,loss,"val_{HOSTILE.replace(chr(34), "")}"\n1,0.5,0.25\n',
        names=np.array([HOSTILE, f"{HOSTILE}2", "cow"]),
        notes=[
            {"began": HOSTILE, "about": about},
            {"ended": HOSTILE, "state": "failed", "why": HOSTILE},
        ],
        metrics={"schedule": HOSTILE},
        health=health,
    )
    for folders in (folder, [folder, folder]):
        write_page(folders, tmp_path / "report.html")
        page = opened(tmp_path / "report.html")
        page.locator("#curve-0 .canvas").focus()  # values and legends are made by scripts
        for link in page.locator("table.matrix a").all()[:2]:
            link.dispatch_event("click")
        assert page.evaluate("window.hacked") is None
        assert page.locator("img:not([src^='data:image/png'])").count() == 0
        assert HOSTILE in page.locator("body").inner_text()


class Reader(Callback):
    """Reads the live page in a browser after each epoch, as a person who waits before it."""

    affects_training = False

    def __init__(self, opened, path):
        self.opened, self.path, self.seen = opened, path, []
        self.page = None

    def order(self, trainer):
        return 2  # after RunPage

    def on_epoch_end(self, trainer):
        if self.page is None:
            self.page = self.opened(self.path, {"width": 1000, "height": 700})
            self.page.locator("nav.sections a", has_text="How it came about").click()
            self.page.mouse.wheel(0, 60)
            self.page.wait_for_timeout(200)
            self.page.locator("details").first.evaluate("(each) => each.open = true")
        self.look(f"{trainer.epoch} of {trainer.epochs} epochs done")

    def on_train_end(self, trainer):
        self.look("Training ended after 3 epochs")

    def look(self, words):
        """Wait until the page, which reads itself anew, says so; note where its reader is."""
        find = "(words) => document.getElementById('status')?.textContent.includes(words)"
        self.page.wait_for_function(find, arg=words, timeout=30_000)
        self.page.wait_for_timeout(200)
        self.seen.append(
            self.page.evaluate(
                "[document.querySelector('nav [aria-current]')?.hash, "
                "Math.round(document.getElementById('provenance').getBoundingClientRect().top), "
                "document.querySelector('details').open, location.hash]"
            )
        )


def test_a_live_page_renews_itself_and_its_reader_keeps_the_place(opened, train, tmp_path):
    reader = Reader(opened, tmp_path / "report.html")
    train(tmp_path, callbacks=[reader])
    assert len(reader.seen) == 4
    section, top, is_open, place = reader.seen[0]
    assert (section, is_open, place) == ("#provenance", True, "#provenance")
    for later in reader.seen[1:]:
        assert later[0] == section
        assert abs(later[1] - top) <= 2
        assert later[2:] == [True, "#provenance"]
    write_test_data(np.eye(2), [0, 0], ["a", "b"], path=tmp_path / "test.npz")
    write_page(tmp_path, tmp_path / "report.html")
    reader.page.get_by_text("Test accuracy").first.wait_for()  # figures of the test have followed
    loads = []
    reader.page.on("load", lambda page: loads.append(page))
    reader.page.wait_for_timeout(6000)
    assert loads == []  # there is nothing to come: the page reads itself no more


def test_a_reader_stops_the_reloading_of_a_live_page(opened, run_folder, tmp_path):
    facts = read_run(run_folder(notes=[{"began": "now", "epochs": 5}], test=False))
    facts.state = "training"
    save_page([facts], tmp_path / "report.html")  # reads itself anew every two seconds
    page = opened(tmp_path / "report.html")
    loads = []
    page.on("load", lambda page: loads.append(page))
    page.wait_for_timeout(2800)
    assert len(loads) == 1
    page.get_by_role("button", name="Stop reloading").click()
    page.wait_for_timeout(4500)
    assert len(loads) == 1
    page.get_by_role("button", name="Reload again").press("Enter")
    page.wait_for_timeout(2800)
    assert len(loads) == 3  # at once, and after two seconds


def test_a_page_that_does_not_reload_has_no_button_for_it(opened, finished):
    for path in (finished.first, finished.both):
        assert opened(path).get_by_role("button", name="Stop reloading").count() == 0


@pytest.mark.parametrize(
    "control", ["#curve-1 .canvas", "summary", "nav a[href='#provenance']", ".sort >> nth=1"]
)
def test_a_page_that_is_read_anew_keeps_what_has_the_focus(opened, run_folder, tmp_path, control):
    facts = read_run(run_folder(notes=[{"began": "now", "epochs": 5}], test=False))
    save_page([facts], tmp_path / "report.html")
    page = opened(tmp_path / "report.html")
    page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
    page.locator(control).focus()
    page.reload()
    assert page.locator(control).evaluate("(each) => each === document.activeElement")


def test_a_page_without_news_says_so(opened, tmp_path, monkeypatch, run_folder):
    monkeypatch.setattr("tinynn.page.status.time", lambda: time.time() - 3600)
    folder = run_folder(notes=[{"began": "now", "epochs": 5}])
    facts = read_run(folder)
    facts.state = "training"
    save_page([facts], tmp_path / "report.html")
    page = opened(tmp_path / "report.html")
    assert (
        "No news for 60 minutes: the run may have been killed."
        in page.locator("header").inner_text()
    )
    data = json.loads(page.locator("#data-status").text_content())
    assert data["reload"] >= 2
