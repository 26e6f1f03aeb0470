"""A page as a tree, read by Python's own parser, and a small run's folder, written by hand."""

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

VOID = {"meta", "link", "img", "input", "br", "hr"}
NAMES = ["cat", "dog", "cow"]
LOG = """epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds
1,1.0,0.5,0.9,0.6,0.01,2.0
2,0.5,0.75,0.7,0.8,0.005,2.0
"""
P_TEST = [  # the class of each row, and what it is taken for: the third and the last are wrong
    [0.8, 0.1, 0.1],
    [0.7, 0.2, 0.1],
    [0.1, 0.6, 0.3],
    [0.2, 0.7, 0.1],
    [0.1, 0.8, 0.1],
    [0.05, 0.9, 0.05],
]
LABELS = [0, 0, 0, 1, 1, 2]


class Element:
    """An element: its tag, attributes, children, and the text within it."""

    def __init__(self, tag, attributes=(), parent=None):
        self.tag, self.attributes, self.parent = tag, dict(attributes), parent
        self.children, self.texts = [], []

    def walk(self):
        yield self
        for child in self.children:
            yield from child.walk()

    def all(self, tag=None, **attributes):
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            one
            for one in self.walk()
            if tag in (None, one.tag)
            and all(one.attributes.get(name) == value for name, value in wanted.items())
        ]

    def one(self, tag=None, **attributes):
        (found,) = self.all(tag, **attributes)
        return found

    @property
    def text(self):
        """All text within, in its order, with single spaces."""
        pieces = (part if isinstance(part, str) else part.text for part in self.texts)
        return " ".join(" ".join(pieces).split())


class Tree(HTMLParser):
    """Builds the tree; an end tag without its start, or an element left open, is an error."""

    def __init__(self):
        super().__init__()
        self.root = self.here = Element("document")

    def handle_starttag(self, tag, attributes):
        element = Element(tag, attributes, self.here)
        self.here.children.append(element)
        self.here.texts.append(element)
        if tag not in VOID:
            self.here = element

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.here.tag == tag, f"</{tag}> within <{self.here.tag}>"
        self.here = self.here.parent

    def handle_data(self, data):
        self.here.texts.append(data)


@pytest.fixture(scope="session")
def tree():
    """Return a function that reads a page, from a path or from bytes."""

    def read(page):
        content = page if isinstance(page, bytes) else Path(page).read_bytes()
        parser = Tree()
        parser.feed(content.decode("utf-8"))
        parser.close()
        assert parser.here is parser.root
        return parser.root

    return read


@pytest.fixture
def run_folder(tmp_path):
    """Return a function that writes the folder of a run; what is given as None is left out."""

    def write(name="first", log=LOG, metrics=(), notes=(), test=True, health=None, **more):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "log.csv").write_text(log)
        if metrics:
            (folder / "metrics.json").write_text(json.dumps(metrics))
        if notes:
            (folder / "run.jsonl").write_text("".join(json.dumps(line) + "\n" for line in notes))
        if test:
            images = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4)
            arrays = {
                "p_test": np.array(P_TEST, np.float32),
                "labels": np.array(LABELS, np.uint8),
                "names": np.array(NAMES),
                "images": images,
                **more,
            }
            kept = {key: array for key, array in arrays.items() if array is not None}
            np.savez(folder / "test.npz", **kept)
        if health:
            (folder / "health.json").write_text(json.dumps(health))
        return folder

    return write
