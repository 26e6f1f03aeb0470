"""Protects the names that others rely on: they exist, explain themselves, and load quickly."""

import importlib.metadata
import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tinynn

# Every public name that docs/design.md promises, with its parameters there, in their order. Others
# may follow, these stay.
PARAMETERS = {
    "Sequential": "layers input_shape seed dtype",
    "Flatten": "",
    "Dense": "units initializer bias",
    "LeakyReLU": "slope",
    "ELU": "alpha",
    "GELU": "exact",
    "Sigmoid": "",
    "Tanh": "",
    "normal": "std",
    "constant": "value",
    "he_uniform": "shape rng",
    "glorot_normal": "shape rng",
    "lecun_normal": "shape rng",
    "orthogonal": "shape rng",
    "ReLU": "",
    "BatchNorm": "momentum epsilon",
    "LayerNorm": "epsilon",
    "Reshape": "shape",
    "Rescale": "scale offset",
    "Dropout": "rate",
    "RandomFlip": "",
    "RandomShift": "pixels",
    "GaussianNoise": "std",
    "Softmax": "",
    "MeanSquaredError": "",
    "CrossEntropy": "label_smoothing class_weights",
    "SoftmaxCrossEntropy": "label_smoothing class_weights",
    "MeanAbsoluteError": "",
    "Huber": "delta",
    "BinaryCrossEntropy": "",
    "SigmoidCrossEntropy": "",
    "SGD": "learning_rate momentum nesterov",
    "RMSProp": "learning_rate rho epsilon",
    "Adam": "learning_rate beta1 beta2 epsilon",
    "CosineDecay": "learning_rate steps warmup final",
    "LinearDecay": "learning_rate steps warmup final",
    "ExponentialDecay": "learning_rate factor every steps warmup",
    "PiecewiseConstant": "learning_rate boundaries rates steps warmup",
    "Schedule": "learning_rate steps warmup",
    "AdamW": "learning_rate weight_decay beta1 beta2 epsilon",
    "Trainer": "model loss optimizer seed metrics",
    "History": "epochs",
    "CSVLogger": "path if_exists",
    "ProgressBar": "",
    "PrintLog": "",
    "LiveCurves": "path every_epochs",
    "RunPage": "path about",
    "write_page": "run_folder path network_limit",
    "Checkpoint": "path every_epochs every_steps if_exists",
    "EarlyStopping": "monitor patience min_delta mode",
    "ExponentialMovingAverage": "decay",
    "FunctionCallback": "affects_training events",
    "ClipGradientNorm": "limit",
    "ClipGradientValue": "limit",
    "ReduceOnPlateau": "monitor factor patience min_delta mode least",
    "minibatches": "x y batch_size rng start sample_weight",
    "stratified_split": "labels size rng",
    "train_validation_split": "x y size rng",
    "k_fold": "y k rng",
    "standardise": "x",
    "scale_pixels": "images",
    "one_hot": "labels classes",
    "softmax": "z",
    "log_softmax": "z",
    "he_normal": "shape rng",
    "glorot_uniform": "shape rng",
    "zeros": "shape rng",
    "accuracy": "p y",
    "binary_accuracy": "p y boundary",
    "confusion_matrix": "p y classes",
    "per_class_report": "p y names",
    "top_k_accuracy": "p y k",
    "roc_auc": "p y",
    "log_loss": "p y",
    "reliability_curve": "p y bins",
    "r2_score": "p y",
    "mean_absolute_error": "p y",
    "save_model": "model path",
    "load_model": "path layers",
    "compare_models": "a b",
    "check_gradients": "model loss x y",
    "check_function": "forward inputs backward tolerance seed",
    "Sequential.forward": "self x training",
    "Sequential.backward": "self dp",
    "Sequential.input_gradient": "self dp",
    "Sequential.predict": "self x batch_size",
    "Sequential.summary": "self",
    "Sequential.named_parameters": "self",
    "Sequential.config": "self",
    "Sequential.from_config": "config",
    "MeanSquaredError.forward": "self p y weights",
    "MeanSquaredError.backward": "self p y weights",
    "CrossEntropy.forward": "self p y weights",
    "CrossEntropy.backward": "self p y weights",
    "SoftmaxCrossEntropy.forward": "self p y weights",
    "SoftmaxCrossEntropy.backward": "self p y weights",
    "SGD.step": "self params grads",
    "Adam.step": "self params grads",
    "Trainer.fit": "self x y epochs batch_size validation_data callbacks resume_from sample_weight",
    "Trainer.evaluate": "self x y sample_weight",
    "Replay": "trainer x y epochs batch_size validation_data callbacks sample_weight checkpoints",
    "Replay.at": "self step",
    "Replay.what_if": "self from_step until changes",
    "influence": "model loss x y one_x one_y checkpoints",
    "datasets.load_fashion_mnist": "data_dir download",
    "datasets.load_sample": "",
    "datasets.read_idx": "path",
    "datasets.write_idx": "path array",
    "plots.learning_curves": "runs",
    "plots.prediction_grid": "images p names",
    "plots.confusion": "matrix names",
    "plots.first_layer": "model",
    "plots.feature_maps": "model image count path",
    "plots.class_gradients": "model images names path",
    "plots.schedule": "schedules",
    "plots.calibration": "curve path",
    "plots.what_if": "result path",
    "plots.influence": "result names count path",
}
DEFAULTS = {
    "Sequential": {"seed": 0, "dtype": tinynn.Sequential([tinynn.ReLU()], (1,)).dtype},
    "SGD": {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False},
    "RMSProp": {"learning_rate": 1e-3, "rho": 0.9, "epsilon": 1e-8},
    "AdamW": {"learning_rate": 1e-3, "weight_decay": 0.01, "beta1": 0.9, "beta2": 0.999},
    "Dense": {"initializer": tinynn.he_normal, "bias": True},
    "BatchNorm": {"momentum": 0.9, "epsilon": 1e-5},
    "LayerNorm": {"epsilon": 1e-5},
    "Rescale": {"offset": 0.0},
    "LeakyReLU": {"slope": 0.01},
    "ELU": {"alpha": 1.0},
    "GELU": {"exact": False},
    "Adam": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    "CosineDecay": {"steps": None, "warmup": 0, "final": 0.0},
    "LinearDecay": {"steps": None, "warmup": 0, "final": 0.0},
    "ExponentialDecay": {"every": 1, "steps": None, "warmup": 0},
    "PiecewiseConstant": {"steps": None, "warmup": 0},
    "CrossEntropy": {"label_smoothing": 0.0, "class_weights": None},
    "SoftmaxCrossEntropy": {"label_smoothing": 0.0, "class_weights": None},
    "Huber": {"delta": 1.0},
    "plots.schedule": {"steps": None, "labels": None, "path": None},
    "Trainer": {"seed": 0, "metrics": ()},
    "Trainer.fit": {
        "batch_size": 32,
        "validation_data": None,
        "callbacks": (),
        "resume_from": None,
        "sample_weight": None,
    },
    "Checkpoint": {"every_epochs": 1, "every_steps": None, "if_exists": "error"},
    "CSVLogger": {"if_exists": "error"},
    "LiveCurves": {"path": None, "every_epochs": 1},
    "EarlyStopping": {"monitor": "val_loss", "patience": 3, "min_delta": 0.0, "mode": "auto"},
    "ExponentialMovingAverage": {"decay": 0.999},
    "FunctionCallback": {"affects_training": True},
    "ReduceOnPlateau": {"monitor": "val_loss", "factor": 0.5, "patience": 2, "least": 0.0},
    "Sequential.forward": {"training": True},
    "Sequential.predict": {"batch_size": None},
    "minibatches": {"start": 0, "sample_weight": None},
    "top_k_accuracy": {"k": 5},
    "reliability_curve": {"bins": 10},
    "load_model": {"layers": ()},
    "datasets.load_fashion_mnist": {"data_dir": None, "download": True},
}
OTHERS = ["ModelFormatError", "ModelComparison", "GradientReport", "datasets", "plots"]
IN_DATASETS = [
    "CLASS_NAMES",
    "DatasetUnavailable",
    "IDXFormatError",
    "load_fashion_mnist",
    "load_sample",
    "read_idx",
    "write_idx",
]
IN_PLOTS = [path.removeprefix("plots.") for path in PARAMETERS if path.startswith("plots.")]


def look_up(path):
    thing = tinynn
    for name in path.split("."):
        thing = getattr(thing, name)
    return thing


def everything_public():
    """Return the path of each public class and function."""
    paths = [name for name in tinynn.__all__ if name not in ("datasets", "plots")]
    paths += [f"datasets.{name}" for name in tinynn.datasets.__all__ if name != "CLASS_NAMES"]
    paths += [f"plots.{name}" for name in IN_PLOTS]
    return paths


def public_methods():
    """Return (class, name) for every public method and property of every public class."""
    classes = [look_up(path) for path in everything_public() if inspect.isclass(look_up(path))]
    return [
        (cls, name)
        for cls in classes
        for name, value in inspect.getmembers(cls)
        if not name.startswith("_")
        and (inspect.isroutine(value) or isinstance(value, property))
        and not hasattr(Exception, name)
        and not hasattr(tuple, name)
    ]


def test_tinynn_has_every_promised_name():
    promised = {path for path in PARAMETERS if "." not in path} | set(OTHERS)
    assert promised <= set(tinynn.__all__)
    assert set(IN_DATASETS) <= set(tinynn.datasets.__all__)


def test_every_name_in_all_is_there_once():
    assert len(set(tinynn.__all__)) == len(tinynn.__all__)
    for path in [*tinynn.__all__, *(f"datasets.{name}" for name in tinynn.datasets.__all__)]:
        assert look_up(path) is not None


def test_parameters_have_the_promised_names_and_order():
    for path, promised in PARAMETERS.items():
        names = list(inspect.signature(look_up(path)).parameters)
        assert names[: len(promised.split())] == promised.split(), path


def test_further_parameters_have_defaults():
    for path, promised in PARAMETERS.items():
        parameters = list(inspect.signature(look_up(path)).parameters.values())
        for parameter in parameters[len(promised.split()) :]:
            assert parameter.default is not parameter.empty, f"{parameter} of {path}"


def test_defaults_are_the_promised_ones():
    for path, promised in DEFAULTS.items():
        parameters = inspect.signature(look_up(path)).parameters
        assert {name: parameters[name].default for name in promised} == promised, path


def test_every_picture_takes_a_path():
    for name in IN_PLOTS:
        parameters = inspect.signature(getattr(tinynn.plots, name)).parameters
        assert parameters["path"].default is None, name


def test_objects_have_the_promised_attributes():
    model = tinynn.Sequential([tinynn.Dense(2)], input_shape=(3,))
    assert all(hasattr(model, name) for name in ("params", "grads", "layers"))
    assert all(hasattr(model.layers[0], name) for name in ("W", "b", "dW", "db"))
    report = tinynn.check_gradients(model, tinynn.MeanSquaredError(), [[1, 2, 3]], [[0, 0]])
    assert report.ok is True
    assert len(report.rows) == 4  # p; W, b and x of 0.Dense
    assert tinynn.compare_models(model, model).identical is True
    assert tinynn.History().epochs == []


def test_the_errors_are_of_the_promised_kinds():
    assert issubclass(tinynn.ModelFormatError, ValueError)
    assert issubclass(tinynn.datasets.IDXFormatError, ValueError)
    assert issubclass(tinynn.datasets.DatasetUnavailable, Exception)


def test_every_public_name_has_a_docstring():
    for path in ["datasets", "plots", *everything_public()]:
        thing = look_up(path)
        assert inspect.getdoc(thing), path
        own = not inspect.isclass(thing) or vars(thing).get("__doc__")
        assert own, f"{path}: a class is not explained by its base"


def test_every_public_method_has_a_docstring():
    methods = public_methods()
    assert len(methods) > 500
    bare = [(kind, name) for kind, name in methods if not inspect.getdoc(getattr(kind, name))]
    assert not bare, "neither here nor where they were first promised"


def test_every_public_class_and_function_has_an_example():
    assert not [path for path in everything_public() if ">>>" not in (look_up(path).__doc__ or "")]


def test_importing_loads_nothing_heavy():
    code = "import json, sys, tinynn; print(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = {name.split(".")[0] for name in json.loads(answer.stdout)}
    assert {"numpy", "tinynn"} <= loaded
    assert not loaded & {"matplotlib", "requests", "tqdm", "PIL", "multiprocessing"}


def test_what_numpy_loads_only_for_drawing_is_not_loaded_before():
    """Some 30 ms: a quoted annotation is enough to save them (parameters.Generator)."""
    code = "import sys, numpy; a = 'numpy.random' in sys.modules; import tinynn; " + (
        "sys.exit(('numpy.random' in sys.modules) > a)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_type_checkers_are_told_that_it_is_typed():
    assert (Path(tinynn.__file__).parent / "py.typed").is_file()


def test_the_version_is_that_of_the_installed_package():
    assert tinynn.__version__ == importlib.metadata.version("tinynn")


PURE = """
import sys

for name in ("matplotlib", "requests", "urllib3", "tqdm", "threadpoolctl", "PIL"):
    sys.modules[name] = None  # as if it were not installed
from tinynn import *
import numpy as np

def trainer(watching):
    layers = [Flatten(), Dense(180), ReLU(), Dense(80), ReLU(), Dense(10), Softmax()]
    model = Sequential(layers, input_shape=(28, 28))
    assert model.params.size > 156_000  # enough for a second thread
    run = Trainer(model, CrossEntropy(), Adam())
    return run, [CSVLogger("log.csv"), EarlyStopping(), watching, Checkpoint("run.npz")]

(x, y), (x_val, y_val) = datasets.load_sample()
x, x_val = scale_pixels(x[:320]), scale_pixels(x_val[:50])
doctor = Doctor()
run, callbacks = trainer(doctor)
run.fit(x, y[:320], 2, validation_data=(x_val, y_val[:50]), callbacks=callbacks)
run, callbacks = trainer(Doctor())
history = run.fit(
    x, y[:320], 3, validation_data=(x_val, y_val[:50]), callbacks=callbacks, resume_from="run.npz"
)
assert len(history.epochs) == 3 and history["loss"][2] < history["loss"][0]
save_model(run.model, "model.npz")
assert compare_models(load_model("model.npz"), run.model).identical
small = Sequential([Dense(4), ReLU(), Dense(3), Softmax()], input_shape=(5,))
batch = np.random.default_rng(0).normal(size=(6, 5)), np.arange(6) % 3
assert check_gradients(small, CrossEntropy(), *batch).ok
print(doctor.report(), explain_step(small, CrossEntropy(), SGD(), *batch))
print(per_class_report(run.model.predict(x), y[:320], datasets.CLASS_NAMES))
"""


def test_numpy_is_all_that_training_saving_loading_and_checking_need(tmp_path):
    command = [sys.executable, "-W", "error", "-c", PURE]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert process.returncode == 0, process.stderr


WITHOUT = """
import sys

for name in ("matplotlib", "requests", "urllib3", "tqdm", "threadpoolctl", "PIL"):
    sys.modules[name] = None  # as if it were not installed
import warnings
from pathlib import Path
import numpy as np
from tinynn import *
from tinynn.datasets import download

def said(act):
    try:
        act()
    except Exception as error:
        return f"{type(error).__name__}: {error}"

model = Sequential([Dense(3), Softmax()], input_shape=(2,))
x, y = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 3
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    history = Trainer(model, CrossEntropy(), Adam()).fit(
        x, y, 2, callbacks=[ProgressBar(), RunPage("report.html"), Doctor()]
    )
assert len(history.epochs) == 2 and Path("report.html").exists()
print(*[warning.message for warning in caught], sep="\\n")
step = explain_step(model, CrossEntropy(), SGD(), x, y)
print(said(step.figure), said(lambda: plots.learning_curves(history)), sep="\\n")
print(said(lambda: download.fetch(["http://127.0.0.1:9/a"], Path("a.gz"), lambda path: None)))
"""


def test_whoever_needs_more_than_numpy_is_told_what_to_install_and_no_training_ends(tmp_path):
    command = [sys.executable, "-c", WITHOUT]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert process.returncode == 0, process.stderr
    bar, figure, curves, download = process.stdout.splitlines()
    assert bar.startswith("ProgressBar shows nothing: tqdm cannot be imported")
    assert "pip install tqdm." in bar
    assert "PrintLog()" in bar
    for picture in (figure, curves):
        assert picture.startswith("ImportError: Pictures need matplotlib")
        assert picture.endswith("Install it: pip install matplotlib")
    assert download.startswith("DownloadFailed: a.gz could not be downloaded")
    assert download.endswith("pip install requests tqdm")


@pytest.mark.slow
def test_a_class_is_graded_without_a_progress_bar_too(tmp_path):
    exercises = Path(tinynn.__file__).parents[1] / "examples/exercises"
    (tmp_path / "anna").mkdir()
    shutil.copy(exercises / "solutions/01_relu.py", tmp_path / "anna")
    code = (
        "import sys; sys.modules['tqdm'] = None; from tinynn.exercises.command import main; "
        f"sys.exit(main([{str(tmp_path)!r}, '--csv', '--only', '1']))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert "anna,10,10," in process.stdout
