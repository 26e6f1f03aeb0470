"""Protects attributes that users set: misspelt names and those of other libraries are refused."""

import copy
import pickle
from dataclasses import dataclass
from functools import cached_property, partial, update_wrapper, wraps
from types import MethodType, SimpleNamespace

import numpy as np
import pytest

from tinynn import (
    SGD,
    Adam,
    Callback,
    Checkpoint,
    CrossEntropy,
    CSVLogger,
    Dense,
    EarlyStopping,
    Flatten,
    InputError,
    Layer,
    Loss,
    MeanSquaredError,
    ReLU,
    Sequential,
    Softmax,
    SoftmaxCrossEntropy,
    Trainer,
)


def network():
    return Sequential([Dense(4), ReLU(), Dense(3), Softmax()], input_shape=(2,))


def trainer():
    return Trainer(network(), CrossEntropy(), SGD(0.1))


class Scale(Layer):
    """A layer of one's own: its arguments are read in forward, in the build, or in both."""

    def __init__(self, factor=2.0, start=1.0, copies=1):
        self.factor = factor
        self.start = start
        self.copies = copies

    def output_shape(self, input_shape):
        return (self.copies * input_shape[0],)

    def parameter_shapes(self, input_shape):
        return {"gain": (self.copies * input_shape[0],)}

    def initialize(self, rng):
        self.gain = np.full(self.gain.shape, self.start)

    def forward(self, x, training=True):
        if training:
            self.x = np.tile(x, self.copies)
        return np.tile(x, self.copies) * self.gain * self.factor

    def parameter_gradients(self, dout):
        self.dgain = (dout * self.x).sum(axis=0) * self.factor

    def input_gradient(self, dout):
        dx = dout * self.gain * self.factor
        return dx.reshape(len(dx), self.copies, -1).sum(axis=1)


def scaled():
    return Sequential([Scale(), Dense(2)], input_shape=(3,))


# What a model is made of stays


ANOTHER = r"To set weights|Set weights|make a new Sequential"


def replace_item(model):
    model.layers[0] = Dense(4)


def replace_slice(model):
    model.layers[:2] = [Dense(4), ReLU()]


def delete_item(model):
    del model.layers[0]


def add_in_place(model):
    model.layers += [Dense(2)]


@pytest.mark.first_cases(16)
@pytest.mark.parametrize(
    "change",
    [
        replace_item,
        replace_slice,
        delete_item,
        add_in_place,
        lambda model: model.layers.append(Dense(2)),
        lambda model: model.layers.insert(0, Dense(2)),
        lambda model: model.layers.extend([Dense(2)]),
        lambda model: model.layers.pop(),
        lambda model: model.layers.remove(model.layers[0]),
        lambda model: model.layers.clear(),
        lambda model: model.layers.reverse(),
        lambda model: model.layers.sort(key=id),
        lambda model: setattr(model, "layers", [Dense(2)]),
        lambda model: model.layers + [ReLU()],  # noqa: RUF005
        lambda model: [ReLU()] + model.layers,  # noqa: RUF005
    ],
)
@pytest.mark.parametrize("way", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_the_list_of_layers_cannot_be_changed_and_the_message_says_what_can(change, way):
    model = way(network())
    before, x = model.layers, np.ones((2, 2))
    out = model.predict(x)
    with pytest.raises(ValueError, match=r"model\.layers\[0\]\.W = .*new Sequential"):
        change(model)
    assert model.layers is before
    assert np.array_equal(model.predict(x), out)


def test_layers_read_like_any_sequence():
    model = network()
    assert [layer.name for layer in model.layers] == ["0.Dense", "1.ReLU", "2.Dense", "3.Softmax"]
    assert model.layers[1:-1:2] == (model.layers[1],)
    assert model.layers.index(model.layers[2]) == 2
    assert next(reversed(model.layers)) is model.layers[-1]
    assert len(model.layers) == 4


def test_layers_cannot_be_copied_alone_and_may_be_added_to_a_tuple():
    model, more = network(), ReLU()
    assert model.layers + (more,) == (*model.layers, more)  # noqa: RUF005
    with pytest.raises(ValueError, match=r"list\(model\.layers\).*copy\.deepcopy\(model\)"):
        model.layers.copy()


@pytest.mark.parametrize("name", ["layers", "input_shape", "dtype", "seed"])
def test_what_a_model_is_made_of_cannot_be_deleted(name):
    model = network()
    with pytest.raises(ValueError, match=rf"model\.{name} cannot be deleted.*new Sequential"):
        delattr(model, name)
    assert hasattr(model, name)


@pytest.mark.parametrize("name", ["units", "W", "db", "position"])
def test_what_a_layer_is_made_of_cannot_be_deleted(name):
    layer = network().layers[0]
    with pytest.raises(ValueError, match=rf"0\.Dense\.{name} cannot be deleted"):
        delattr(layer, name)
    assert hasattr(layer, name)


def test_caches_and_notes_can_be_deleted():
    model = network()
    model.forward(np.ones((2, 2)))
    layer = model.layers[0]
    layer._note = 1
    del layer.x, layer._note
    assert not hasattr(layer, "x")
    with pytest.raises(AttributeError):
        del layer.nowhere


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("input_shape", (5,)),
        ("output_shapes", [(9,)]),
        ("streams", None),
        ("seed", 7),
        ("dtype", np.float64),
    ],
)
def test_what_a_model_was_built_for_cannot_be_set(name, value):
    model = network()
    before = getattr(model, name)
    with pytest.raises(ValueError, match=rf"model\.{name} cannot be changed"):
        setattr(model, name, value)
    assert getattr(model, name) == before


def test_the_shapes_of_a_model_cannot_be_changed_in_place():
    with pytest.raises((TypeError, AttributeError)):
        network().output_shapes[0] = (9,)


@pytest.mark.parametrize(
    ("layer", "name", "value"),
    [
        (0, "units", 7),
        (0, "initializer", np.zeros),
        (1, "position", 0),
        (0, "built", False),
    ],
)
def test_what_a_layer_was_built_with_cannot_be_set(layer, name, value):
    model = network()
    before = getattr(model.layers[layer], name)
    with pytest.raises(ValueError, match=rf"{name} cannot be changed.*Make a new Sequential"):
        setattr(model.layers[layer], name, value)
    assert getattr(model.layers[layer], name) is before
    assert model.config() == network().config()


class HalfUnits(Dense):
    def forward(self, x, training=True):
        return super().forward(x, training) * self.units


@pytest.mark.parametrize("units", [7, "seven", None, 0.5])
def test_an_argument_that_would_make_other_shapes_cannot_be_set(units):
    model = Sequential([HalfUnits(4)], input_shape=(2,))
    with pytest.raises(ValueError, match=f"units cannot become {units!r}: .* other shapes"):
        model.layers[0].units = units
    assert model.layers[0].units == 4


def test_an_argument_of_ones_own_layer_can_be_set_unless_its_shapes_would_change():
    model, x = scaled(), np.ones((2, 3))
    out = model.layers[0].forward(x, training=False)
    model.layers[0].factor = 5.0
    assert np.array_equal(model.layers[0].forward(x, training=False), 2.5 * out)
    assert model.config()["layers"][0]["config"]["factor"] == 5.0
    model.layers[0].start = 3.0  # a helper of the user's own may read it: who knows?
    with pytest.raises(ValueError, match=r"copies cannot become 2: .* other shapes"):
        model.layers[0].copies = 2
    assert model.layers[0].copies == 1
    assert model.predict(x).shape == (2, 2)


def test_a_layer_that_is_not_built_yet_can_be_set():
    layer = Scale()
    layer.copies = 2
    assert Sequential([layer], input_shape=(3,)).output_shapes == ((6,),)


# What tinynn does not read


def patience(name):
    return lambda: setattr(EarlyStopping(), name, 5)


REFUSED = [
    (lambda: network().layers[0], "w", "Did you mean W?"),
    (lambda: Dense(3), "w", "Did you mean W?"),
    (lambda: network().layers[0], "weight", "Did you mean W?"),
    (lambda: network().layers[0], "kernel", "Did you mean W?"),
    (lambda: network().layers[0], "biases", "Did you mean b?"),
    (lambda: network().layers[0], "requires_grad", "Did you mean trainable?"),
    (lambda: Flatten(), "frozen", "Did you mean trainable?"),
    (lambda: network().layers[0], "unit", "Did you mean units?"),
    (lambda: network().layers[0], "initialiser", "Did you mean initializer?"),
    (lambda: scaled().layers[0], "weight", "Its parameters are gain."),
    (lambda: scaled().layers[0], "gian", "Did you mean gain?"),
    (network, "trainable", "Layers are frozen one by one: model.layers[i].trainable = False."),
    (network, "parameters", "Write model.params"),
    (network, "gards", "Did you mean grads?"),
    (lambda: SGD(), "lr", "Did you mean learning_rate?"),
    (lambda: Adam(), "eps", "Did you mean epsilon?"),
    (lambda: Adam(), "beta_1", "Did you mean beta1?"),
    (lambda: SGD(), "weight_decay", "Use AdamW(weight_decay=0.01)."),
    (lambda: SGD(), "clipvalue", "callbacks=[ClipGradientValue(limit)]"),
    (lambda: SGD(), "clipnorm", "norm of all gradients, not of each array"),
    (lambda: SGD(), "global_clipnorm", "callbacks=[ClipGradientNorm(limit)]"),
    (MeanSquaredError, "label_smoothing", "Write CrossEntropy(label_smoothing=0.1)"),
    (SoftmaxCrossEntropy, "from_logits", "SoftmaxCrossEntropy()"),
    (MeanSquaredError, "reduction", "Every loss is a mean over the batch."),
    (EarlyStopping, "patience_", "Did you mean patience?"),
    (EarlyStopping, "restore_best_weights", "always restores the best weights"),
    (lambda: Checkpoint("run.npz"), "every_epoch", "Did you mean every_epochs?"),
    (lambda: CSVLogger("log.csv"), "filename", "Did you mean path?"),
    (trainer, "stop_training", "Did you mean stop?"),
    (trainer, "stopp", "Did you mean stop?"),
    (trainer, "learning_rate", "trainer.optimizer.learning_rate"),
]


@pytest.mark.parametrize(("make", "name", "said"), REFUSED, ids=[row[1] for row in REFUSED])
def test_an_attribute_that_tinynn_does_not_read_is_refused_with_what_is_meant(make, name, said):
    thing = make()
    before = dict(vars(thing))
    with pytest.raises(ValueError) as error:
        setattr(thing, name, 1)
    assert f"tinynn reads no {name} of " in str(error.value)
    assert said in str(error.value)
    assert vars(thing) == before


class Own(Callback):
    at = None
    limit: float
    __doc__ = "Reads what it declares, and what its methods mention."

    def __init__(self, first=1):
        self.first = first

    def on_train_begin(self, trainer):
        if hasattr(self, "asked"):
            trainer.stop = True

    @property
    def half(self):
        return self.whole / 2

    @half.setter
    def half(self, value):
        self.whole = 2 * value

    @cached_property
    def dear(self):
        return self.price * 2

    @staticmethod
    def of(thing):
        return thing.of_static

    def on_step_end(self, trainer):
        def inner():
            return [self.within for _ in range(2)]

        return inner()


@pytest.mark.parametrize(
    "name",
    ["at", "limit", "first", "asked", "whole", "half", "price", "of_static", "within"],
)
def test_what_a_class_of_ones_own_declares_or_mentions_can_be_set_from_outside(name):
    thing = Own()
    setattr(thing, name, 3)
    assert getattr(thing, name) == 3


def test_a_misspelt_attribute_of_a_class_of_ones_own_is_refused():
    with pytest.raises(ValueError, match=r"no frist of Own.*Did you mean first\?"):
        Own().frist = 2


class WithAnyName(Callback):
    def __init__(self, **settings):
        for name, value in settings.items():
            setattr(self, name, value)


class Bag(Callback):
    def load_state(self, state):
        self.__dict__.update(state)


def test_a_class_that_uses_setattr_may_have_any_attribute():
    assert WithAnyName(colour=1).colour == 1
    bag = Bag()
    bag.colour = 2
    assert bag.colour == 2


def logged(method):
    @wraps(method)
    def wrapper(*args):
        return method(*args)

    return wrapper


class Memo:
    """A decorator that is a class."""

    def __init__(self, function):
        self.function = function

    def __get__(self, thing, kind=None):
        return partial(self.function, thing)


class Decorated(Loss):
    @logged
    def forward(self, p, y):
        return float(self.weight * (p - y).mean())

    @Memo
    def backward(self, p, y):
        return np.full(p.shape, self.slope)


def test_methods_are_read_through_their_decorators():
    loss = Decorated()
    loss.weight, loss.slope = 2.0, 0.5
    assert (loss.weight, loss.slope) == (2.0, 0.5)


@dataclass
class Settings(Callback):
    limit: float = 1.0


def test_a_dataclass_and_a_subclass_of_ones_own_work():
    thing = Settings(limit=3.0)
    thing.limit = 4.0

    class Named(Sequential):
        title = ""

    model = Named([Dense(2)], input_shape=(3,))
    model.title = "the first"
    assert (thing.limit, model.title) == (4.0, "the first")
    with pytest.raises(ValueError, match=r"no titel of Named.*Did you mean title\?"):
        model.titel = "none"


def test_a_method_put_into_a_class_of_tinynn_is_read_too(monkeypatch):
    one = SGD()
    with pytest.raises(ValueError, match=r"tinynn reads no bound of SGD\. .*write _bound"):
        one.bound = 1
    monkeypatch.setattr(SGD, "clip", lambda self: self.bound, raising=False)
    one.bound = 1
    assert one.bound == 1


def test_a_method_of_an_instance_alone_is_read():
    layer = network().layers[1]

    def forward(self, x, training=True):
        return np.maximum(x, self.least)

    layer.forward = MethodType(forward, layer)
    layer.least = 0.5
    assert layer.forward(np.zeros((1, 4))).tolist() == [[0.5] * 4]


def test_a_mock_of_a_collaborator_can_be_put_in():
    run = trainer()
    run.optimizer = SimpleNamespace(step=None)
    assert run.optimizer.step is None


# What somebody may read


class Notes(Callback):
    """Leaves notes on all objects that it gets."""

    def on_train_begin(self, trainer):
        trainer.f1, trainer.losses, trainer.lowest = 0.5, [], 1
        for layer in trainer.model.layers:
            layer.norms = []
        trainer.model.note, trainer.optimizer.norm, trainer.loss.scale = 1, 2, 3


class Reads(Callback):
    def on_epoch_end(self, trainer):
        trainer.losses.append(trainer.f1)


def fit(run, *callbacks):
    x = np.ones((4, 2))
    run.fit(x, [0, 1, 2, 0], epochs=1, callbacks=callbacks)
    return run


def test_callbacks_may_leave_each_other_notes():
    run = fit(trainer(), Notes(), Reads())
    assert run.losses == [0.5]
    assert [layer.norms for layer in run.model.layers] == [[]] * 4


def test_a_script_may_leave_notes_on_the_trainer_and_under_a_name_of_its_own_anywhere():
    run = trainer()
    run.f1 = 0.5
    for thing in (run.model, run.loss, run.optimizer, run.model.layers[0]):
        thing._mine = 1
    assert run.f1 == 0.5


def remember(layer, x):
    layer.cache = x
    setattr(layer, "weight", x)  # noqa: B010


def remembered(layer):
    return layer.cache * layer.weight


class Square(Layer):
    def forward(self, x, training=True):
        remember(self, x)
        return x * x

    def input_gradient(self, dout):
        return dout * 2 * np.sqrt(remembered(self))


def test_functions_may_set_and_read_attributes_of_a_layer_of_ones_own():
    model = Sequential([Square(), Dense(2)], input_shape=(3,))
    model.forward(np.full((2, 3), 3.0))
    assert (remembered(model.layers[0]) == 9).all()


@pytest.mark.parametrize("kind", [Dense, ReLU])
def test_functions_may_set_attributes_of_a_layer_of_tinynn(kind):
    def keep(layer, x):
        layer.cache = x

    layer = kind(*[2] * (kind is Dense))
    keep(layer, 3)
    assert layer.cache == 3


class Wrapped(Loss):
    def __init__(self, function):
        update_wrapper(self, function)
        self.function = function

    def forward(self, p, y):
        return self.function(p, y)

    def backward(self, p, y):
        return np.ones_like(p)


def test_pythons_own_names_can_be_set():
    loss = Wrapped(remember)
    assert (loss.__name__, loss.__wrapped__) == ("remember", remember)


class Delegate:
    def __getattr__(self, name):
        if name == "colour":
            return "red"
        raise AttributeError(f"no {name} here")


class Both(Callback, Delegate):
    pass


def test_the_getattr_of_another_base_class_is_used():
    assert Both().colour == "red"
    with pytest.raises(AttributeError, match="no color here"):
        Both().color  # noqa: B018
    assert copy.deepcopy(pickle.loads(pickle.dumps(Both()))).colour == "red"


class Inner(Delegate):
    """It knows nothing before its constructor has run, as in copying."""

    def __getattr__(self, name):
        return getattr(self.__dict__["inner"], name)


class CallbackOfAnother(Callback, Inner):
    def __init__(self):
        self.inner = SimpleNamespace(colour="blue")


class LayerOfAnother(Layer, Inner):
    def __init__(self):
        self.inner = SimpleNamespace(colour="blue")

    def forward(self, x, training=True):
        return x

    def input_gradient(self, dout):
        return dout


@pytest.mark.parametrize("kind", [CallbackOfAnother, LayerOfAnother])
def test_a_class_that_delegates_to_another_object_is_copied(kind):
    thing = kind()
    for twin in (thing, copy.copy(thing), copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
        assert twin.colour == "blue"


def test_a_callback_of_ones_own_may_get_the_model():
    callback = Both()
    callback.model = callback.trainer = None
    with pytest.raises(ValueError, match="Each method of a callback gets the trainer"):
        EarlyStopping().model = None


class ManyNames(Layer):
    """Its attributes have names of other libraries, and names that are similar to each other."""

    def __init__(self, rate=0.5, activation=None):
        self.rate = rate
        self.activation = activation
        self.trainable = True
        self.ratio, self.rates, self.rate_ = 1, [], 2
        [setattr(self, name, 0) for name in ("kernel", "weight", "frozen")]

    def forward(self, x, training=True):
        return x

    def input_gradient(self, dout):
        return dout


def test_a_class_of_ones_own_may_have_any_attributes():
    layer = Sequential([ManyNames()], input_shape=(2,)).layers[0]
    layer.trainable, layer.kernel, layer.cache, layer.norms = False, 1, 2, 3
    layer.rates2, layer.rate2 = 4, 5
    assert (layer.rate_, layer.frozen) == (2, 0)
    fresh = Wrapped(remember)
    with pytest.raises(ValueError, match="tinynn reads no label_smoothing of Wrapped"):
        fresh.label_smoothing = 0.1
    with pytest.raises(ValueError, match=r"no funtion of Wrapped\. Did you mean function\?"):
        fresh.funtion = 0.1


def scale_by_rate(layer, x):
    return x * layer.rate


class ReadByAHelper(Layer):
    def __init__(self, rate):
        self.rate = rate

    def forward(self, x, training=True):
        return scale_by_rate(self, x)

    def input_gradient(self, dout):
        return scale_by_rate(self, dout)


def test_an_argument_that_a_function_reads_in_forward_can_be_set():
    model = Sequential([ReadByAHelper(2.0)], input_shape=(1,))
    model.layers[0].rate = 3.0
    assert model.forward([[1.0]]) == [[3.0]]


class Freezer(Callback):
    def on_train_begin(self, trainer):
        trainer.model.layers[0].requires_grad = False


def test_a_callback_that_sets_an_attribute_of_another_library_is_refused():
    with pytest.raises(ValueError, match=r"no requires_grad of 0\.Dense\. Did you mean trainable"):
        fit(trainer(), Freezer())


# What is not there


ABSENT = [
    (lambda: Dense(3), "W", "Dense has no W yet: Sequential gives a layer its parameters."),
    (lambda: Scale(), "gain", "Scale has no gain yet: Sequential gives a layer its parameters."),
    (lambda: network().layers[0], "weight", "0.Dense has no weight. Did you mean W?"),
    (lambda: network().layers[0], "weights", "0.Dense has no weights. Did you mean W?"),
    (lambda: network().layers[0], "kernel", "0.Dense has no kernel. Did you mean W?"),
    (lambda: network().layers[0], "w", "0.Dense has no w. Did you mean W?"),
    (lambda: network().layers[0], "biases", "0.Dense has no biases. Did you mean b?"),
    (lambda: network().layers[0], "grad", "0.Dense has no grad. Did you mean dW?"),
    (lambda: network().layers[0], "weight_grad", "0.Dense has no weight_grad. Did you mean dW?"),
    (lambda: network().layers[1], "weight", "1.ReLU has no weight. It has no parameters."),
    (lambda: network().layers[0], "x", "0.Dense has no x. Call forward first?"),
    (lambda: ReLU(), "mask", "ReLU has no mask. Call forward first?"),
    (lambda: network().layers[0], "zzz", "0.Dense has no zzz."),
    (network, "weights", "Sequential has no weights. Write model.params, one flat vector, or"),
    (network, "parameters", "Sequential has no parameters. Write model.params, one flat"),
    (network, "fit", "Sequential has no fit. Write Trainer(model, loss, optimizer).fit(x, y, "),
    (network, "compile", "Sequential has no compile. Write Trainer(model, loss, optimizer).fit("),
    (network, "train", "Sequential has no train. There is no mode: write model.forward(x, train"),
    (network, "eval", "Sequential has no eval. There is no mode"),
    (network, "zero_grad", "Sequential has no zero_grad. Each backward overwrites model.grads"),
    (network, "state_dict", "Sequential has no state_dict. Write model.params"),
    (network, "save", "Sequential has no save. Write save_model(model, path)"),
    (network, "evaluate", "Sequential has no evaluate. Write Trainer(model, loss, optimizer).eval"),
    (network, "add", "Sequential has no add. Give all layers at once: Sequential([...])."),
    (network, "predicts", "Sequential has no predicts. Did you mean predict?"),
    (lambda: Adam(), "zero_grad", "Adam has no zero_grad. Each backward overwrites model.grads"),
    (lambda: Adam(), "lr", "Adam has no lr. Did you mean learning_rate?"),
    (trainer, "x", "Trainer has no x yet: one of its methods sets it."),
    (trainer, "predict", "Trainer has no predict. Write trainer.model.predict(x)."),
]


@pytest.mark.parametrize(("make", "name", "said"), ABSENT, ids=[row[1] for row in ABSENT])
def test_for_a_name_of_another_library_or_a_similar_name_the_right_one_is_named(make, name, said):
    thing = make()
    assert not hasattr(thing, name)
    with pytest.raises(AttributeError) as error:
        getattr(thing, name)
    assert str(error.value).startswith(said)


def test_an_error_within_a_property_is_not_hidden():
    class Broken(Callback):
        @property
        def best(self):
            return self.nowhere

    with pytest.raises(AttributeError, match="Broken has no nowhere"):
        Broken().best  # noqa: B018


@pytest.mark.parametrize(
    "make", [network, lambda: Dense(3), lambda: Adam(), CrossEntropy, EarlyStopping, trainer]
)
def test_pythons_own_protocols_work(make):
    thing = make()
    for twin in (copy.copy(thing), copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
        assert type(twin) is type(thing)
        assert vars(twin).keys() == vars(thing).keys()
    assert not hasattr(thing, "__array__")
    assert not hasattr(thing, "_repr_html_")


@pytest.mark.parametrize(
    ("make", "name", "value", "words"),
    [
        (lambda: Adam(), "rate", 0.1, "Adam.rate is a method, .* Did you mean learning_rate?"),
        (lambda: network(), "predict", None, "Sequential.predict is a method, and None cannot be"),
        (EarlyStopping, "order", 3, "EarlyStopping.order is a method, and 3 cannot be called"),
        (trainer, "fit", 3, "Trainer.fit is a method"),
        (lambda: Dense(3), "name", "first", "Dense.name cannot be set: .* its position and its"),
        (trainer, "columns", [], "Trainer.columns cannot be set: it follows from others"),
    ],
)
def test_a_method_is_not_lost_and_what_follows_from_others_is_not_set(make, name, value, words):
    thing = make()
    before = getattr(thing, name)
    with pytest.raises(InputError, match=words):
        setattr(thing, name, value)
    assert getattr(thing, name) == before


def test_a_method_may_be_replaced_by_a_function():
    model = network()
    model.predict = lambda x: x
    assert model.predict(3) == 3
