"""Protects the structure: which file may import which, how long files are, what is forbidden."""

import ast
import io
import re
import sys
import tokenize
from configparser import ConfigParser
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import tinynn
from tinynn import (
    Adam,
    Callback,
    CrossEntropy,
    Dense,
    Flatten,
    ReLU,
    Sequential,
    Softmax,
    Trainer,
)

PACKAGE = Path(tinynn.__file__).parent
README = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
EVIDENCE = (PACKAGE.parent / "docs/evidence.md").read_text(encoding="utf-8")
LAYERING = [
    "errors",
    "foreign_names",
    "origin",
    "reports",
    "notebook",
    "threads",
    "products",
    "parameters",
    "rows",
    "checks.calls",
    "checks.tracebacks",
    "checks.arguments",
    "checks.arrays",
    "checks.events",
    "checks.gradients",
    "checks.remembered",
    "checks.attributes",
    "checks.layers",
    "checks.sample_shapes",
    "checks.batches",
    "checks.optimizers",
    "checks.schedules",
    "checks.metrics",
    "checks.targets",
    "checks.predictions",
    "checks.scores",
    "checks.splits",
    "checks.weights",
    "checks.windows",
    "checks.samples",
    "checks.training",
    "checks",
    "configuration_json",
    "configuration",
    "functions",
    "logistic",
    "initializers.basic",
    "initializers.fixed",
    "initializers.scaled",
    "initializers",
    "streams",
    "layers.caches",
    "layers.basic",
    "layers.channels",
    "layers.normalisation",
    "layers.reshape",
    "layers.rescale",
    "layers.dropout",
    "layers.augmentation",
    "layers.windows",
    "layers.convolution",
    "layers.pooling",
    "layers.activations",
    "layers",
    "layers.kinks",
    "losses.weights",
    "losses.shares",
    "losses.basic",
    "losses.regression",
    "losses.binary",
    "losses",
    "architecture",
    "model",
    "schedules",
    "optimizers.slots",
    "optimizers.basic",
    "optimizers.rmsprop",
    "optimizers.adamw",
    "optimizers",
    "metrics.classes",
    "metrics.probabilities",
    "metrics.calibration",
    "metrics.numbers",
    "metrics",
    "batches",
    "splits",
    "scaling",
    "files.locks",
    "files.atomic",
    "files.earlier",
    "files.kinds",
    "files.npz",
    "files.nested",
    "files.lost_state",
    "files.models",
    "files.checkpoints",
    "files.comparison",
    "training.baseline",
    "training.fingerprints",
    "training.schedule_table",
    "training.history",
    "training.run",
    "training.settings",
    "training.clipping",
    "training.divergence",
    "training.run_state",
    "training.resume",
    "training.csv_log",
    "training.progress",
    "training.print_log",
    "training.function_callback",
    "training.monitor",
    "training.early_stopping",
    "training.reduce_on_plateau",
    "training.moving_average",
    "training.checkpoint",
    "training.trainer",
    "training.replayed",
    "training.replay_callbacks",
    "training.replay",
    "training.influence",
    "picture",
    "plots.drawing",
    "plots.curves",
    "plots.rates",
    "plots.predictions",
    "plots.weights",
    "plots.maps",
    "plots.gradients",
    "plots.scores",
    "plots.courses",
    "plots.influences",
    "plots",
    "training.live_curves",
    "explain.record",
    "explain.equations",
    "explain.window",
    "explain.page",
    "explain.figure",
    "explain.step",
    "explain",
    "gradcheck.walk",
    "gradcheck.between",
    "gradcheck.finite_differences",
    "gradcheck.rows",
    "gradcheck.evidence",
    "gradcheck.activations",
    "gradcheck.convolving",
    "gradcheck.dropping",
    "gradcheck.losses",
    "gradcheck.moving",
    "gradcheck.normalising",
    "gradcheck.patterns",
    "gradcheck.check",
    "gradcheck",
    "clinic.names",
    "clinic.printed",
    "clinic.arguments",
    "clinic.randomness",
    "clinic.subject",
    "clinic.functions",
    "clinic.objects",
    "clinic.forms",
    "clinic.places",
    "clinic.report",
    "clinic.conventions",
    "clinic.case",
    "clinic.shapes",
    "clinic.patterns",
    "clinic.losing",
    "clinic.pieces",
    "clinic.smooth",
    "clinic.ties",
    "clinic.check",
    "clinic.scenes",
    "clinic.modules",
    "clinic.worker",
    "clinic.process",
    "clinic.command",
    "clinic",
    "gradcheck.__main__",
    "doctor.statistics",
    "doctor.record",
    "doctor.depth",
    "doctor.rules.finding",
    "doctor.rules.data",
    "doctor.rules.targets",
    "doctor.rules.initial_weights",
    "doctor.rules.normalisation",
    "doctor.rules.random_layers",
    "doctor.rules.steps",
    "doctor.rules.hidden_layers",
    "doctor.rules.chance",
    "doctor.rules.held_out",
    "doctor.rules",
    "doctor.report",
    "doctor.watch",
    "doctor",
    "page.part",
    "page.document",
    "page.pictures",
    "page.tables",
    "page.charts",
    "page.notes",
    "page.steps",
    "page.scored",
    "page.facts",
    "page.network",
    "page.confusion",
    "page.quality",
    "page.health",
    "page.curves",
    "page.status",
    "page.provenance",
    "page.write",
    "page.run_page",
    "page",
    "exercises.wire",
    "exercises.answering",
    "exercises.asking",
    "exercises.words",
    "exercises.work",
    "exercises.drawing",
    "exercises.grading",
    "exercises.relu",
    "exercises.dense",
    "exercises.softmax",
    "exercises.loop",
    "exercises.momentum",
    "exercises.adam",
    "exercises.initialisation",
    "exercises.dropout",
    "exercises.batchnorm",
    "exercises.conv2d",
    "exercises.minibatches",
    "exercises.saving",
    "exercises.course",
    "exercises.command",
    "exercises.__main__",
    "exercises",
    "interop.translation",
    "interop.onnx.graph",
    "interop.onnx.writing",
    "interop.onnx.reading",
    "interop.onnx",
    "interop.torch._modules",
    "interop.torch.outward",
    "interop.torch.walk",
    "interop.torch.readers",
    "interop.torch.inward",
    "interop.torch",
    "interop.keras._layers",
    "interop.keras.outward",
    "interop.keras",
    "interop.sklearn.base",
    "interop.sklearn.one_thread",
    "interop.sklearn.sparse",
    "interop.sklearn.inputs",
    "interop.sklearn.arguments",
    "interop.sklearn.estimator",
    "interop.sklearn.classifier",
    "interop.sklearn.regressor",
    "interop.sklearn",
    "interop.mpi.job",
    "interop.mpi.settings",
    "interop.mpi.buffers",
    "interop.mpi.data_parallel",
    "interop.mpi",
    "interop",
]
DATASETS = ["datasets.idx", "datasets.download", "datasets.fashion_mnist"]
CORE = [
    "parameters",
    "functions",
    "initializers.basic",
    "layers.basic",
    "losses.basic",
    "model",
    "optimizers.basic",
    "batches",
    "training.trainer",
]
SOURCES = sorted(PACKAGE.rglob("*.py"))
LAYERS = sorted((PACKAGE / "layers").glob("*.py"))
RANDOM_ALLOWED = {"default_rng", "Generator", "SeedSequence"}


DOTTED = frozenset(["tinynn", *(f"tinynn.{module}" for module in [*LAYERING, *DATASETS])])


def path_of(module):
    path = PACKAGE / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imported_by(nodes):
    """Return all modules that a file imports: inside of functions too, and for annotations."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def module_of(name):
    """Return the module in which a dotted name lies; "tinynn" is the package with all its names."""
    while name not in DOTTED:
        name = name.rpartition(".")[0]
    return name.removeprefix("tinynn.")


@cache
def nodes_of(text):
    """Return all nodes of a program, the module first."""
    return tuple(ast.walk(ast.parse(text)))


@cache
def nodes_in(path):
    return nodes_of(path.read_text(encoding="utf-8"))


def own_modules(module):
    """Return the modules of tinynn that one of them imports."""
    names = imported_by(nodes_in(path_of(module)))
    return {module_of(name) for name in names if name.split(".")[0] == "tinynn"}


@cache
def numbers_of_code_lines(text):
    """Return the numbers of the lines that hold code: no blanks, no comments, no docstrings."""
    lines = set()
    idle = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in idle and token.type != tokenize.ENDMARKER:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in nodes_of(text):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            docstring = node.body[0]
            lines.difference_update(range(docstring.lineno, docstring.end_lineno + 1))
    return lines


def code_lines(text):
    """Count the lines that hold code."""
    return len(numbers_of_code_lines(text))


def too_long(text, kind, most):
    """Return each function, or class, with more than so many lines of code: name and lines."""
    found = []
    for node in nodes_of(text):
        if isinstance(node, kind) and node.end_lineno - node.lineno >= most:
            whole = {*range(node.lineno, node.end_lineno + 1)}
            found.append((node.name, len(whole & numbers_of_code_lines(text))))
    return [(name, size) for name, size in found if size > most]


def dotted(node):
    """Return a.b.c for the expression a.b.c, "" for others."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def test_every_file_has_its_place_in_the_layering():
    places = {path_of(module) for module in [*LAYERING, *DATASETS]}
    folders = [PACKAGE, *(PACKAGE / folder for folder in ("datasets", "files", "training"))]
    inits = {folder / "__init__.py" for folder in folders}
    assert set(SOURCES) == places | inits


def test_a_file_imports_only_from_files_above_it():
    above, wrong = set(), {}
    for module in LAYERING:
        wrong[module] = own_modules(module) - above
        above.add(module)
    assert not {module: below for module, below in wrong.items() if below}


def test_tinynn_does_not_load_the_exercises():
    names = imported_by(nodes_in(PACKAGE / "__init__.py"))
    assert not [name for name in names if name.startswith("tinynn.exercises")]


@pytest.mark.parametrize("module", DATASETS)
def test_datasets_import_parameters_and_each_other_in_order(module):
    above = {"parameters", "files.atomic", "files.kinds", *DATASETS[: DATASETS.index(module)]}
    if module == "datasets.download":
        above = {"files.locks", "files.atomic"}  # it moves bytes, and knows no formats
    assert own_modules(module) <= {"errors", *above}


def test_the_reader_of_imports_sees_them_where_they_hide():
    text = """
from tinynn.model import Sequential
import tinynn.training.trainer
if TYPE_CHECKING:
    from tinynn.plots import confusion
def late():
    from tinynn import Dense
"""
    found = {module_of(name) for name in imported_by(nodes_of(text))}
    assert found == {"model", "training.trainer", "plots", "tinynn"}


def test_the_counter_of_lines_counts_code_alone():
    text = '"""Why."""\n\nx = 1  # so\n\n# a comment\ndef f():\n    """Two\n\n    lines."""\n'
    text += '    return """\n    text\n    """\n'
    assert code_lines(text) == 5  # x, def, and the three lines of the text that is no docstring


def test_the_finder_of_long_functions_and_classes_counts_what_stands_within():
    text = """
class Six:
    '''Why.'''

    x = 1

    def four(self):
        # a comment
        def two():
            return 2
        return two

class Three:
    def four(self):  # the same name hides nothing
        return 2
"""
    assert sorted(too_long(text, ast.FunctionDef, 1)) == [("four", 2), ("four", 4), ("two", 2)]
    assert too_long(text, ast.FunctionDef, 2) == [("four", 4)]
    assert too_long(text, ast.ClassDef, 5) == [("Six", 6)]
    assert too_long(text, ast.ClassDef, 2) == [("Six", 6), ("Three", 3)]


def test_a_file_and_each_function_in_it_are_short():
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        body = nodes_of(text)[0].body
        list_of_names = not any(isinstance(node, (ast.FunctionDef, ast.ClassDef)) for node in body)
        short = text.count("\n") <= 250 or code_lines(text) <= 250
        assert short or list_of_names, path  # such as checks/__init__.py
        assert not too_long(text, ast.FunctionDef, 50), path


@pytest.mark.parametrize("path", LAYERS, ids=lambda path: path.stem)
def test_a_layer_is_short(path):
    assert not too_long(path.read_text(encoding="utf-8"), ast.ClassDef, 80)


def test_the_core_is_read_in_one_sitting():
    lines = {module: code_lines(path_of(module).read_text(encoding="utf-8")) for module in CORE}
    assert sum(lines.values()) <= 735, lines
    assert max(lines.values()) <= 175, lines
    for page in (README, EVIDENCE):
        assert f"{sum(lines.values())} lines" in page


def test_what_one_step_runs_through_is_counted():
    """All functions that a step of training enters, checks included, counted as they are called."""
    hidden = [Dense(512), ReLU(), Dense(256), ReLU(), Dense(128), ReLU()]
    model = Sequential([Flatten(), *hidden, Dense(10), Softmax()], input_shape=(28, 28))
    x, y, entered = np.ones((64, 28, 28), np.float32), np.arange(64) % 10, set()

    def note(frame, event, argument):
        if event == "call" and PACKAGE in Path(frame.f_code.co_filename).parents:
            entered.add(frame.f_code)

    class Count(Callback):
        affects_training = False

        def on_step_end(self, trainer):
            sys.setprofile(note if trainer.step == 1 else None)

    try:
        Trainer(model, CrossEntropy(), Adam()).fit(x, y, 1, 32, callbacks=[Count()])
    finally:
        sys.setprofile(None)
    lines = {}
    for code in entered:
        path = Path(code.co_filename)
        numbers = [number for *_, number in code.co_lines() if number]
        of_code = numbers_of_code_lines(path.read_text(encoding="utf-8"))
        own = of_code & {*range(code.co_firstlineno, max(numbers) + 1)}
        lines[path] = lines.get(path, set()) | own
    count = sum(map(len, lines.values()))
    for page in (README, EVIDENCE):
        quoted = re.search(r"functions of (?:about )?(\d+) lines", page)
        assert float(quoted[1]) == pytest.approx(count, rel=0.1)


def test_no_randomness_is_global():
    for path in SOURCES:
        used = {dotted(node) for node in nodes_in(path) if isinstance(node, ast.Attribute)}
        draws = {name for name in used if name.startswith(("np.random.", "numpy.random."))}
        if path_of("clinic.randomness") == path:  # others' code draws from it; it is put back
            draws -= {"np.random.get_state", "np.random.seed", "np.random.set_state"}
        assert {name.split(".")[2] for name in draws} <= RANDOM_ALLOWED, path
        imported = imported_by(nodes_in(path))
        assert not {name for name in imported if name.split(".")[0] in ("random", "secrets")}, path
        assert not {name for name in imported if name.startswith("numpy.random")}, path


def test_nothing_is_ever_unpickled():
    banned = {"pickle", "marshal", "shelve", "dill", "joblib"}
    for path in SOURCES:
        for node in nodes_in(path):
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert ast.literal_eval(node.value) is False, path
        imported = imported_by(nodes_in(path))
        assert not {name for name in imported if name.split(".")[0] in banned}, path


def test_there_is_no_utils():
    root = PACKAGE.parent
    rooms = [PACKAGE, root / "tests", root / "examples", root / "benchmarks"]
    found = [path for room in rooms for path in room.rglob("*.py")]
    assert len(found) > len(SOURCES)  # the tests, at least, are among them
    names = {path.stem for path in found} | {path.parent.name for path in found}
    assert not names & {"utils", "util", "helpers", "core", "common", "misc"}


def test_an_installed_tinynn_has_all_its_folders():
    metadata = ConfigParser()
    metadata.read(PACKAGE.parent / "setup.cfg", encoding="utf-8")
    folders = {init.parent.relative_to(PACKAGE.parent) for init in PACKAGE.rglob("__init__.py")}
    listed = set(metadata["options"]["packages"].split())
    assert listed == {".".join(folder.parts) for folder in folders}


def test_every_extra_that_is_asked_for_is_there():
    metadata = ConfigParser()
    metadata.read(PACKAGE.parent / "setup.cfg", encoding="utf-8")
    known = set(metadata["options.extras_require"])
    for name in (".ci/run", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        text = (PACKAGE.parent / name).read_text(encoding="utf-8")
        asked = {
            extra
            for found in re.findall(r"-e '?\.\[([\w,]+)\]", text)
            for extra in found.split(",")
        }
        assert asked <= known, f"{name}: pip only warns of an extra that is not there"


def test_the_source_distribution_holds_all_that_stands_in_the_checkout():
    """Its tests read some of these files, such as .gitignore."""
    root = PACKAGE.parent
    words = (root / "MANIFEST.in").read_text(encoding="utf-8").split()
    by_itself = {".git", "MANIFEST.in", "PKG-INFO", "setup.cfg", "tinynn"}
    ignored = [line.strip("/") for line in (root / ".gitignore").read_text("utf-8").splitlines()]
    here = [path.name for path in root.iterdir() if path.name not in by_itself]
    kept = [name for name in here if not any(fnmatch(name, each) for each in ignored)]
    assert len(kept) > 10
    assert [name for name in kept if name not in words] == []
