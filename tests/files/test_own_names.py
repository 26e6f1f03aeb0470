"""Protects what is the user's own from what tinynn has, or gains, by the same name: in files both
stay what they are.

"tinynn gains" is done by hand here: a class is said to come from tinynn, and put into its table.
"""

import functools
import json

import numpy as np
import pytest

import tinynn
from tinynn import (
    SGD,
    Adam,
    Callback,
    Checkpoint,
    CrossEntropy,
    Dense,
    InputError,
    Layer,
    Sequential,
    Softmax,
    Trainer,
    compare_models,
    load_model,
    save_model,
)
from tinynn.architecture import TINYNNS
from tinynn.origin import is_own, marked_name


class Thinning(Layer):
    """The user's, written when tinynn had none; it halves, which is enough to know it by."""

    def __init__(self, rate=0.5):
        self.rate = rate

    def forward(self, x, training=True):
        return x * np.float32(self.rate)

    def input_gradient(self, dout):
        return dout * np.float32(self.rate)


USERS = Thinning


def of_tinynn(base, name):
    """Return a class of tinynn's, as it seems."""
    return type(name, (base,), {"__module__": f"tinynn.{name.lower()}"})


TINYNN_S = of_tinynn(Thinning, "Thinning")


@pytest.fixture
def tinynn_gains_it(monkeypatch):
    def gain():
        monkeypatch.setitem(TINYNNS, "Thinning", TINYNN_S)

    return gain


def network(*layers):
    return Sequential([Dense(3), *layers, Dense(2), Softmax()], input_shape=(4,))


X = np.linspace(-1, 1, 48, dtype=np.float32).reshape(12, 4)
Y = np.arange(12) % 2


def as_of_format(path, version):
    """Rewrite a file as tinynn wrote it when files did not tell whose a class is."""
    with np.load(path) as file:
        arrays = dict(file)
    for name in {"architecture", "training"} & {*arrays}:
        arrays[name] = np.array(str(arrays[name]).replace('"own.', '"'))
        assert '"own.' not in str(arrays[name])
    arrays["format"] = np.array(version)
    np.savez(path, **arrays)


# Models


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_file_of_a_users_class_loads_when_tinynn_has_one_too(tmp_path, version, tinynn_gains_it):
    model, path = network(USERS(0.25)), tmp_path / "model.npz"
    save_model(model, path)
    if version < 3:
        as_of_format(path, version)
    tinynn_gains_it()
    loaded = load_model(path, layers=[USERS])
    assert type(loaded.layers[1]) is USERS
    assert loaded.layers[1].rate == 0.25
    assert compare_models(path, model, layers=[USERS]).identical
    assert loaded.predict(X).tobytes() == model.predict(X).tobytes()
    for layers in ([], [TINYNN_S]):  # tinynn's is never taken for it
        with pytest.raises(InputError, match=r"'Thinning', which is your own, not tinynn's"):
            load_model(path, layers=layers)


def test_a_file_of_tinynns_class_is_never_made_with_the_users(tmp_path, tinynn_gains_it):
    tinynn_gains_it()
    path = tmp_path / "model.npz"
    save_model(network(TINYNN_S()), path)
    for layers in ([], [TINYNN_S]):
        assert type(load_model(path, layers).layers[1]) is TINYNN_S
    with pytest.raises(InputError, match="names tinynn's Thinning, but layers= has your own"):
        load_model(path, layers=[USERS])


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_users_class_named_as_one_that_tinynn_always_had_is_not_taken_for_it(tmp_path, version):
    path = tmp_path / "model.npz"
    save_model(network(), path)
    if version < 3:
        as_of_format(path, version)
    own = type("Dense", (Dense,), {"__module__": __name__})
    with pytest.raises(InputError, match="names tinynn's Dense, but layers= has your own"):
        load_model(path, layers=[own])
    assert type(load_model(path).layers[0]) is Dense


def test_a_model_may_have_both(tmp_path, tinynn_gains_it):
    tinynn_gains_it()
    path = tmp_path / "model.npz"
    model = network(USERS(), TINYNN_S())
    save_model(model, path)
    loaded = load_model(path, layers=[USERS])
    assert [*map(type, loaded.layers[1:3])] == [USERS, TINYNN_S]
    assert compare_models(loaded, model).identical


def test_models_that_differ_in_whose_class_it_is_are_different(tinynn_gains_it):
    tinynn_gains_it()
    (line,) = compare_models(network(USERS()), network(TINYNN_S())).differences
    assert line == "layers[1].layer: own.Thinning against Thinning"


def test_two_classes_of_the_users_with_one_name_are_refused(tmp_path):
    other = type("Thinning", (USERS,), {"__module__": __name__})
    with pytest.raises(
        InputError, match="Two of your own classes or functions have the name Thinning"
    ):
        save_model(network(USERS(), other()), tmp_path / "model.npz")


def he_normal(shape, rng):
    return np.full(shape, 0.5)


def test_a_users_initializer_is_not_taken_for_tinynns_of_that_name(tmp_path):
    path = tmp_path / "model.npz"
    save_model(Sequential([Dense(2, he_normal)], input_shape=(4,)), path)
    assert load_model(path, layers=[he_normal]).layers[0].initializer is he_normal
    with pytest.raises(InputError, match="'he_normal', which is your own, not tinynn's"):
        load_model(path)
    save_model(Sequential([Dense(2)], input_shape=(4,)), path)
    with pytest.raises(InputError, match="names tinynn's he_normal, but layers= has your own"):
        load_model(path, layers=[he_normal])
    assert load_model(path).layers[0].initializer is tinynn.he_normal


def test_a_users_initializer_of_an_older_file_stays_the_users(tmp_path, monkeypatch):
    def uniform(shape, rng):
        return np.full(shape, 0.5)

    path = tmp_path / "model.npz"
    save_model(Sequential([Dense(2, uniform)], input_shape=(4,)), path)
    as_of_format(path, 2)
    monkeypatch.setitem(TINYNNS, "uniform", tinynn.zeros)
    assert load_model(path, layers=[uniform]).layers[0].initializer is uniform
    with pytest.raises(InputError, match="'uniform', which is your own, not tinynn's"):
        load_model(path)


def test_a_configuration_that_an_older_tinynn_made_is_never_made_with_another_class(
    tinynn_gains_it,
):
    text = json.dumps(network(USERS(0.25)).config())
    old = json.loads(text.replace("own.", ""))
    assert Sequential.from_config(old, layers=[USERS]).layers[1].rate == 0.25
    tinynn_gains_it()
    with pytest.raises(InputError, match=r"write 'own\.Thinning' in the"):
        Sequential.from_config(old, layers=[USERS])
    assert type(Sequential.from_config(json.loads(text), layers=[USERS]).layers[1]) is USERS


# Trainings


def run(path=None, layer=USERS, loss=CrossEntropy, optimizer=Adam, callback=None, **more):
    """Train, for two epochs of four without `resume_from`, and return the parameters."""
    model = network(layer())
    callbacks = [callback()] if callback else []
    callbacks += [Checkpoint(path)] if path else []
    epochs = 4 if more or not path else 2
    Trainer(model, loss(), optimizer()).fit(X, Y, epochs, 5, callbacks=callbacks, **more)
    return model.params.tobytes()


class Halving(Callback):
    def on_gradients(self, trainer):
        trainer.model.grads /= 2


class OwnLoss(CrossEntropy):
    pass


class AdamW(Adam):
    pass


@pytest.mark.first_cases(1)
@pytest.mark.parametrize(
    "version", [3, *(pytest.param(earlier, marks=pytest.mark.slow) for earlier in (1, 2))]
)
@pytest.mark.parametrize(
    ("part", "own"),
    [("layer", USERS), ("loss", OwnLoss), ("optimizer", AdamW), ("callback", Halving)],
    ids=["layer", "loss", "optimizer", "callback"],
)
def test_a_run_with_a_users_class_goes_on_with_it_and_not_with_tinynns(
    tmp_path, tinynn_gains_it, part, own, version
):
    path = tmp_path / "run.npz"
    run(path, **{part: own})
    if version < 3:
        as_of_format(path, version)
    tinynn_gains_it()
    resumed = run(tmp_path / "new.npz", **{part: own}, resume_from=path)
    assert resumed == run(**{part: own})
    gained = TINYNN_S if part == "layer" else of_tinynn(own, own.__name__)
    name = own.__name__
    with pytest.raises(InputError, match=rf"own\.{name} against {name}"):
        run(**{part: gained}, resume_from=path)


def test_a_run_with_tinynns_class_does_not_go_on_with_a_users(tmp_path, tinynn_gains_it):
    tinynn_gains_it()
    path = tmp_path / "run.npz"
    own = type("Adam", (Adam,), {"__module__": __name__})
    run(path, layer=TINYNN_S)
    for parts, name in (({}, "Thinning"), ({"layer": TINYNN_S, "optimizer": own}, "Adam")):
        with pytest.raises(InputError, match=rf"{name} against own\.{name}"):
            run(**parts, resume_from=path)


@pytest.mark.slow
@pytest.mark.parametrize("version", [1, 2])
def test_an_older_run_with_a_users_class_named_as_one_of_tinynns_goes_on(tmp_path, version):
    path = tmp_path / "run.npz"
    own = type("SGD", (SGD,), {"__module__": __name__})
    run(path, optimizer=own)
    as_of_format(path, version)
    assert run(path, optimizer=own, resume_from=path) == run(optimizer=own)


# Whose it is


def test_what_is_the_users_own_is_known_from_what_is_tinynns():
    @functools.wraps(tinynn.he_normal)
    def half(shape, rng):
        return tinynn.he_normal(shape, rng) / 2

    inherited = type("Dense", (Dense,), {"__module__": __name__})
    beside = type("Dense", (Dense,), {"__module__": "tinynn_extras.layers"})
    for own in (inherited, beside, he_normal, half, USERS.forward, USERS().forward, print, np.tanh):
        assert is_own(own)
    for tinynns in (Dense, Dense.forward, Dense(2).forward, tinynn.he_normal, tinynn.save_model):
        assert not is_own(tinynns)
    assert (marked_name(inherited), marked_name(Dense)) == ("own.Dense", "Dense")
