"""The page as a file: whole, no address outside it, a policy that fits what stands in it."""

import hashlib
import json
import re
from base64 import b64encode
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynn.page.document import document, json_text
from tinynn.page.part import Part, text
from tinynn.page.write import write_page

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&<!-- \u2028 \x1b[2J"


@pytest.fixture
def page(run_folder, tmp_path, tree):
    write_page(run_folder(), tmp_path / "report.html")
    return tree(tmp_path / "report.html")


def test_parts_stand_in_their_order_with_a_link_to_each(tree):
    parts = [Part("b", "Second <b>", "<p>1 &lt; 2</p>"), Part("a", "First", "<p>text</p>")]
    page = tree(document(Part("status", "A run", "<h1>A run</h1>"), parts))
    sections = page.one("main").all("section")
    assert [section.attributes["id"] for section in sections] == ["b", "a"]
    assert sections[0].one("h2").text == "Second <b>"
    assert sections[0].one("p").text == "1 < 2"
    links = page.one("nav").all("a")
    assert [link.attributes["href"] for link in links] == ["#b", "#a"]
    assert [link.text for link in links] == ["Second <b>", "First"]
    assert page.one("title").text == "A run"


def test_a_script_or_a_style_of_two_parts_stands_once(tree):
    parts = [Part(name, name, "", scripts=("tables.js",)) for name in "ab"]
    page = tree(document(Part("status", "", ""), parts))
    contents = ["".join(script.texts) for script in page.all("script")]
    assert sum("table.sortable" in content for content in contents) == 1
    assert "const tinynn" in contents[0]  # what others share comes first


def test_the_policy_allows_what_stands_in_the_page_and_no_connection(page):
    policy = page.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data: blob:"
    assert "connect-src" not in rules
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        inlined = [one for one in page.all(tag) if "type" not in one.attributes]
        contents = ["".join(one.texts).encode() for one in inlined]
        hashes = [f"'sha256-{b64encode(hashlib.sha256(c).digest()).decode()}'" for c in contents]
        assert rules[rule].split() == hashes
        assert len(hashes) >= 1


def test_nothing_leads_outside_and_nothing_is_inline(page):
    for element in page.walk():
        for name, value in element.attributes.items():
            assert not name.startswith("on")
            assert name != "style"
            if name in ("src", "href"):
                assert value.startswith(("data:", "#"))
    assert not page.all("iframe")
    assert not page.all("form")


def test_headings_have_no_gaps_and_ids_are_unique(page):
    levels = [int(one.tag[1]) for one in page.walk() if re.fullmatch("h[1-6]", one.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [one.attributes["id"] for one in page.walk() if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    for one in page.walk():
        for name in ("aria-labelledby", "aria-describedby"):
            assert one.attributes.get(name, ids[0]) in ids
        if one.attributes.get("href", "").startswith("#"):
            assert one.attributes["href"][1:] in ids


def test_landmarks_language_and_texts_of_pictures(page):
    assert page.one("html").attributes["lang"] == "en"
    for landmark in ("header", "nav", "main", "footer"):
        page.one(landmark)
    assert all(image.attributes["alt"] for image in page.all("img"))
    assert all(one.attributes.get("aria-label") for one in page.all("svg", role="img"))
    for table in page.all("table"):
        assert table.one("caption").text
        heads = [head for head in table.all("th") if not head.attributes.get("scope")]
        assert not heads


@given(st.text())
@settings(deadline=None)
def test_no_text_becomes_markup(words):
    assert not set(text(words)) & set("<>\"'")


@given(st.text())
@settings(deadline=None)
def test_data_come_back_and_cannot_end_their_element(words):
    data = {words: [words, None, 1.5, {"</script>": "<!--"}]}
    written = json_text(data)
    assert json.loads(written) == data
    assert "<" not in written


def test_a_hostile_text_stays_text_in_a_part_and_in_its_data(tree):
    part = Part("a", HOSTILE, f"<p>{text(HOSTILE)}</p>", data={"name": HOSTILE})
    page = tree(document(Part("status", HOSTILE, ""), [part]))
    assert not page.all("img")
    (holder,) = page.all("script", id="data-a")
    assert json.loads("".join(holder.texts)) == {"name": HOSTILE}
    assert "\\x1b[2J" in page.one("section").one("p").text  # what steers a terminal is told


def test_not_a_number_is_refused_in_data():
    with pytest.raises(ValueError, match="JSON compliant"):
        json_text({"loss": float("nan")})
