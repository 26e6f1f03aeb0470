"""Protects modules of PyTorch as models: predictions, the order of channels, refusals."""

import numpy as np
import pytest
import torch
from torch import nn

from tinynn import (
    ELU,
    GELU,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    InputError,
    LeakyReLU,
    ReLU,
    Reshape,
)
from tinynn.interop.torch import from_torch, to_torch

torch.manual_seed(0)


def filled(module, seed=0):
    """Return a module in float64, with numbers of its own in place of each 0 and 1."""
    rng = np.random.default_rng(seed)
    for name, tensor in module.double().state_dict().items():
        if tensor.is_floating_point() and tensor.numel():
            spread = rng.uniform(0.5, 2, tensor.shape)
            numbers = spread if name.endswith("var") else rng.normal(0, 0.4, tensor.shape)
            tensor.copy_(torch.from_numpy(numbers))
    return module.eval()


def compared(module, shape, seed=0):
    """Assert that model and module predict the same. shape: of a sample of the module."""
    x = np.random.default_rng(seed).normal(size=(50, *shape))
    here = (*shape[1:], shape[0]) if len(shape) == 3 else shape
    model = from_torch(module, here).astype(np.float64)  # float32 if there are no weights
    with torch.no_grad():
        out = module(torch.from_numpy(x)).numpy()
    p = model.predict(np.moveaxis(x, 1, -1) if len(shape) == 3 else x)
    p = np.moveaxis(p, -1, 1) if p.ndim == 4 else p
    assert p.shape == out.shape
    np.testing.assert_allclose(p, out, rtol=0, atol=1e-12 * max(1, np.abs(out).max()))
    return model


FLAT = {
    "Linear": lambda: [nn.Linear(5, 3)],
    "Linear without bias": lambda: [nn.Linear(5, 3, bias=False)],
    "BatchNorm1d": lambda: [nn.BatchNorm1d(5, eps=0.1)],
    "LayerNorm": lambda: [nn.LayerNorm(5, eps=0.1)],
    "ReLU": lambda: [nn.ReLU(inplace=False)],
    "LeakyReLU": lambda: [nn.LeakyReLU(0.3)],
    "ELU": lambda: [nn.ELU(0.7)],
    "GELU": lambda: [nn.GELU()],
    "GELU tanh": lambda: [nn.GELU(approximate="tanh")],
    "Sigmoid": lambda: [nn.Sigmoid()],
    "Tanh": lambda: [nn.Tanh()],
    "Softmax": lambda: [nn.Softmax(dim=1)],
    "Softmax from the end": lambda: [nn.Softmax(dim=-1)],
    "Dropout": lambda: [nn.Dropout(0.3)],
    "Identity": lambda: [nn.Identity(), nn.ReLU()],
    "nested": lambda: [nn.Sequential(nn.Linear(5, 4), nn.Sequential(nn.ReLU())), nn.Linear(4, 2)],
    "Unflatten": lambda: [nn.Linear(5, 12), nn.Unflatten(1, (1, 3, 4)), nn.Conv2d(1, 2, 2)],
    "Unflatten to one pixel": lambda: [nn.Unflatten(1, (5, 1, 1)), nn.Conv2d(5, 2, 1)],
    "Unflatten, not to an image": lambda: [nn.Unflatten(-1, (5, 1)), nn.Flatten()],
}
IMAGES = {
    "Conv2d": lambda: [nn.Conv2d(3, 4, 3)],
    "two sizes, strides": lambda: [nn.Conv2d(3, 4, (3, 2), stride=(2, 1), bias=False)],
    "padding 1": lambda: [nn.Conv2d(3, 4, 3, padding=1)],
    "padding 1, stride 2": lambda: [nn.Conv2d(3, 4, 3, 2, padding=1)],
    "padding same": lambda: [nn.Conv2d(3, 4, (3, 5), padding="same")],
    "padding valid": lambda: [nn.Conv2d(3, 4, 2, padding="valid")],
    "paddings that make same": lambda: [nn.Conv2d(3, 4, (5, 1), padding=(2, 0))],
    "zeros before it": lambda: [nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 2)],
    "zeros at all sides": lambda: [nn.ZeroPad2d(2), nn.Conv2d(3, 4, 4)],
    "zeros and padding": lambda: [nn.ZeroPad2d(1), nn.Conv2d(3, 4, 4, padding=1)],
    "BatchNorm2d": lambda: [nn.BatchNorm2d(3, eps=0.1)],
    "MaxPool2d": lambda: [nn.MaxPool2d(2)],
    "MaxPool2d with strides": lambda: [nn.MaxPool2d((2, 3), stride=(1, 2))],
    "AvgPool2d": lambda: [nn.AvgPool2d(3, 2)],
    "Softmax over channels": lambda: [nn.Conv2d(3, 4, 3), nn.Softmax(dim=1)],
    "mean": lambda: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)],
    "Identity, then images": lambda: [nn.Identity(), nn.MaxPool2d(2)],
    "mean, not flattened": lambda: [nn.AdaptiveAvgPool2d((1, 1)), nn.Conv2d(3, 2, 1)],
    "mean, later flattened": lambda: [nn.AdaptiveAvgPool2d(1), nn.Dropout(0.1), nn.Flatten()],
    "Flatten": lambda: [nn.ReLU(), nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 5 * 4, 2)],
    "Flatten, Dropout, ReLU": lambda: [
        nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.5), nn.ReLU(), nn.Linear(27, 2, bias=False),
    ],
    "Flatten, BatchNorm1d": lambda: [
        nn.AvgPool2d(2), nn.Flatten(), nn.BatchNorm1d(27, eps=0.1), nn.Tanh(), nn.Linear(27, 3),
    ],
    "Flatten, LayerNorm, Softmax": lambda: [
        nn.MaxPool2d(2), nn.Flatten(), nn.LayerNorm(27), nn.Softmax(1), nn.Linear(27, 3),
    ],
    "Flatten twice": lambda: [nn.MaxPool2d(2), nn.Flatten(), nn.Flatten(), nn.Linear(27, 3)],
    "Flatten of one channel": lambda: [nn.Conv2d(3, 1, 3), nn.Flatten()],
}  # fmt: skip


@pytest.mark.parametrize("name", FLAT)
def test_modules_of_rows(name):
    compared(filled(nn.Sequential(*FLAT[name]())), (5,))


@pytest.mark.parametrize("name", IMAGES)
def test_modules_of_images(name):
    compared(filled(nn.Sequential(*IMAGES[name]())), (3, 7, 6))


def random_module(seed):
    """Return a network of PyTorch as people write it, and the shape of its samples."""
    rng = np.random.default_rng(seed)
    pick = lambda *choices: choices[rng.integers(len(choices))]  # noqa: E731
    C, H, W = pick((1, 8, 9), (3, 10, 7), (2, 12, 12))
    shape, parts = (C, H, W), []
    for _ in range(rng.integers(1, 4)):
        F = int(rng.integers(1, 6))
        kernel, padding = pick((3, 1), (3, "same"), ((1, 3), (0, 1)), (2, 0), (1, 0))
        parts.append(nn.Conv2d(C, F, kernel, padding=padding, bias=bool(rng.integers(2))))
        parts += pick([], [nn.BatchNorm2d(F)])
        parts.append(pick(nn.ReLU(), nn.ELU(), nn.GELU(), nn.Tanh()))
        parts += pick([], [], [nn.MaxPool2d(2, 1)], [nn.AvgPool2d(2)], [nn.Dropout(0.2)])
        C = F
    if rng.integers(4):
        parts.append(nn.Flatten())
        width = nn.Sequential(*parts).eval()(torch.zeros(1, *shape)).shape[1]
        norms = [nn.BatchNorm1d(width)], [nn.LayerNorm(width, eps=0.1)], [nn.Dropout(0.1)]
        parts += pick([], *norms)
        parts += [nn.Linear(width, 4), pick(nn.Sigmoid(), nn.Softmax(1), nn.Identity())]
    cut = int(rng.integers(len(parts)))
    return nn.Sequential(nn.Sequential(*parts[:cut]), *parts[cut:]), shape


@pytest.mark.parametrize("seed", range(30))
def test_random_networks_as_people_write_them(seed):
    module, shape = random_module(seed)
    model = compared(filled(module, seed), shape, seed)
    again = to_torch(model)
    x = np.random.default_rng(seed).normal(size=(9, *model.input_shape))
    with torch.no_grad():
        np.testing.assert_allclose(again(torch.from_numpy(x)), model.predict(x), atol=1e-11)


def test_a_module_that_takes_no_images_gets_the_arrays_as_they_are():
    module = filled(nn.Sequential(nn.Flatten(), nn.Linear(24, 2)))
    x = np.random.default_rng(0).normal(size=(5, 3, 2, 4))
    with torch.no_grad():
        np.testing.assert_allclose(
            from_torch(module, (3, 2, 4)).predict(x), module(torch.from_numpy(x)), atol=1e-12
        )


def test_layers_have_the_arguments_that_one_would_write():
    module = nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding="same"), nn.BatchNorm2d(8), nn.LeakyReLU(0.2), nn.Dropout()),
        *(nn.Conv2d(8, 4, (3, 5), 2, padding=1), nn.ELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        *(nn.GELU(), nn.Linear(4, 2, bias=False), nn.ReLU(), nn.Unflatten(1, (2, 1)), nn.Flatten()),
    )
    model = from_torch(module, (28, 28, 1), seed=7)
    assert list(map(repr, model.layers)) == list(
        map(
            repr,
            [
                *(Conv2D(8, 3), BatchNorm(), LeakyReLU(0.2), Dropout(0.5)),
                *(Conv2D(4, (3, 5), 2, 1), ELU(), GlobalAveragePool2D(), GELU(exact=True)),
                *(Dense(2, bias=False), ReLU(), Reshape((2, 1)), Flatten()),
            ],
        )
    )
    assert (model.seed, model.dtype, model.input_shape) == (7, np.float32, (28, 28, 1))


def test_the_model_has_copies():
    module = nn.Sequential(nn.Linear(3, 2))
    model = from_torch(module, (3,))
    model.params[:] = 0
    assert module[0].weight.abs().min() > 0


@pytest.mark.parametrize("momentum", [0.1, 0.3, 0.77, 0.9, 1.0, 1e-3])
def test_momentum_of_batch_norm_is_1_minus_that_of_pytorch(momentum):
    layer = from_torch(nn.Sequential(nn.BatchNorm1d(3, momentum=momentum)), (3,)).layers[0]
    assert layer.momentum == round(1 - momentum, 12)


def test_frozen_weights_make_a_frozen_layer():
    module = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 1))
    module[0].requires_grad_(False)
    assert [one.trainable for one in from_torch(module, (3,)).layers] == [False, True, True, True]


class Doubled(nn.Sequential):
    def forward(self, x):
        return super().forward(super().forward(x))


class MyLinear(nn.Linear):
    pass


def hooked(module):
    module.register_forward_hook(lambda module, x, out: out * 2)
    return module


def patched():
    relu = nn.ReLU()
    relu.forward = lambda x: -x
    return [relu]


def half_frozen():
    linear = nn.Linear(5, 5)
    linear.bias.requires_grad_(False)
    return [linear]


def shared():
    linear = nn.Linear(5, 5)
    return [linear, nn.ReLU(), linear]


def of_two_dtypes():
    return [nn.Linear(5, 5), nn.Linear(5, 5).double()]


REFUSED = {
    (5,): [
        (lambda: [nn.ReLU(), nn.PReLU()], r"1 \(PReLU\) has no counterpart in tinynn"),
        (lambda: [nn.Sequential(nn.ReLU(), nn.Softplus())], r"0\.1 \(Softplus\) has no"),
        (lambda: [nn.LogSoftmax(1)], r"0 \(LogSoftmax\)"),
        (lambda: [Doubled(nn.ReLU())], r"0 \(Doubled\) has no counterpart"),
        (lambda: [MyLinear(5, 2)], r"0 \(MyLinear\) has no counterpart"),
        (lambda: [nn.utils.parametrizations.weight_norm(nn.Linear(5, 2))], "ParametrizedLinear"),
        (lambda: [hooked(nn.Linear(5, 5))], r"0 \(Linear\) has a hook"),
        (lambda: [nn.ReLU(), hooked(nn.Identity())], r"1 \(Identity\) has a hook"),
        (lambda: [hooked(nn.Sequential(nn.ReLU()))], r"0 \(Sequential\) has a hook"),
        (patched, r"0 \(ReLU\) has a hook, or a forward of its own"),
        (half_frozen, "part of its weights frozen"),
        (shared, r"2 \(Linear\) shares its weights with 0 \(Linear\)"),
        (lambda: [nn.LazyLinear(2)], r"0 \(LazyLinear\)"),
        (lambda: [nn.Linear(5, 2, dtype=torch.complex64)], "numbers of complex64"),
        (of_two_dtypes, r"float32 and of float64\. Write module\.float"),
        (lambda: [nn.Linear(5, 2).half()], r"0 \(Linear\) has numbers of float16"),
        (lambda: [nn.Linear(5, 2, device="meta")], "device meta"),
        (lambda: [nn.Linear(4, 2)], r"0 \(Linear\) has in_features=4, but gets samples of shape"),
        (lambda: [nn.BatchNorm1d(5, affine=False)], "affine=False"),
        (lambda: [nn.BatchNorm1d(5, track_running_stats=False)], "track_running_stats=False"),
        (lambda: [nn.BatchNorm1d(5, momentum=None)], "momentum=None"),
        (lambda: [nn.BatchNorm1d(4)], "num_features=4"),
        (lambda: [nn.LayerNorm(5, elementwise_affine=False)], "no weight"),
        (lambda: [nn.LayerNorm(5, bias=False)], "no bias"),
        (lambda: [nn.Softmax(dim=0)], "dim=0"),
        (lambda: [nn.Softmax()], "dim=None"),
        (lambda: [nn.Dropout(1.0)], r"0 \(Dropout\) has no counterpart: rate of Dropout"),
        (lambda: [nn.LeakyReLU(-1.0)], r"0 \(LeakyReLU\) has no counterpart: slope"),
        (lambda: [nn.Conv2d(1, 1, 1)], r"0 \(Conv2d\) needs images"),
        (lambda: [nn.Conv1d(5, 1, 1)], r"0 \(Conv1d\) has no counterpart"),
        (lambda: [nn.Flatten(0)], r"0 \(Flatten\) flattens other axes"),
        (lambda: [nn.Linear(5, 12), nn.Unflatten(1, (3, 2, 2)), nn.Conv2d(3, 1, 1)], "Unflatten"),
        (lambda: [nn.Embedding(5, 2)], "Embedding"),
        (lambda: [nn.LSTM(5, 2)], "LSTM"),
        (lambda: [], "Sequential needs one layer or more"),
    ],
    (7, 6, 3): [
        (lambda: [nn.Conv2d(3, 4, 3, dilation=2)], r"0 \(Conv2d\) has dilation=\(2, 2\)"),
        (lambda: [nn.Conv2d(3, 3, 3, groups=3)], "groups=3"),
        (lambda: [nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular")], "padding_mode='circ"),
        (lambda: [nn.Conv2d(3, 4, 3, padding=(0, 1))], r"zeros around the image.*\(0, 0\), \(1, 1"),
        (lambda: [nn.Conv2d(3, 4, 1, padding=1)], "padding of Conv2D must be below"),
        (lambda: [nn.Conv2d(7, 4, 3)], r"in_channels=7, .*channels last: \(6, 3, 7\)"),
        (lambda: [nn.ConvTranspose2d(3, 4, 3)], "ConvTranspose2d"),
        (lambda: [nn.ZeroPad2d(1), nn.MaxPool2d(2)], r"1 \(MaxPool2d\) comes after a ZeroPad2d"),
        (lambda: [nn.ReLU(), nn.ZeroPad2d(1)], "ends with"),
        (lambda: [nn.MaxPool2d(3, padding=1)], "padding=1"),
        (lambda: [nn.MaxPool2d(2, ceil_mode=True)], "ceil_mode=True"),
        (lambda: [nn.MaxPool2d(2, dilation=2)], "dilation=2"),
        (lambda: [nn.MaxPool2d(2, return_indices=True)], "return_indices=True"),
        (lambda: [nn.MaxPool2d(8)], r"0 \(MaxPool2d\) has no counterpart: 0\.MaxPool2D has win"),
        (lambda: [nn.AvgPool2d(2, divisor_override=3)], "divisor_override=3"),
        (lambda: [nn.AdaptiveAvgPool2d(2)], "output_size=2"),
        (lambda: [nn.AdaptiveAvgPool2d((1, None))], "output_size"),
        (lambda: [nn.Dropout2d()], r"0 \(Dropout2d\) has no counterpart"),
        (lambda: [nn.GroupNorm(1, 3)], "GroupNorm"),
        (lambda: [nn.LayerNorm([3, 7, 6])], r"axes of \(3, 7, 6\)"),
        (lambda: [nn.MaxPool2d(2), nn.LayerNorm(3)], r"1 \(LayerNorm\)"),
        (lambda: [nn.MaxPool2d(2), nn.Softmax(-1)], "dim=-1"),
        (lambda: [nn.Softmax(-1), nn.Conv2d(3, 1, 1)], r"1 \(Conv2d\) gets the channels last"),
        (lambda: [nn.MaxPool2d(2), nn.Flatten()], r"rows in the order \(C, H, W\)"),
        (lambda: [nn.MaxPool2d(2), nn.Flatten(), nn.Unflatten(1, (27, 1))], "Unflatten"),
        (lambda: [nn.MaxPool2d(2), nn.Flatten(2)], "flattens other axes"),
        (lambda: [nn.AdaptiveAvgPool2d(1), nn.Flatten(1, 2)], "flattens other axes"),
        (lambda: [nn.AdaptiveAvgPool2d(1), hooked(nn.Flatten())], r"1 \(Flatten\) has a hook"),
        (lambda: [nn.MaxPool2d(2), nn.Linear(3, 2)], "Put Flatten"),
        (lambda: [nn.BatchNorm1d(3)], "for rows only"),
    ],
}


@pytest.mark.parametrize(
    ("shape", "parts", "words"),
    [(shape, *row) for shape, rows in REFUSED.items() for row in rows],
)
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_what_has_no_counterpart_is_refused_by_name_and_place(shape, parts, words):
    with pytest.raises(InputError, match=words):
        from_torch(nn.Sequential(*parts()), shape)


def test_only_a_sequential_is_read():
    with pytest.raises(InputError, match=r"nn\.Sequential.*got Linear"):
        from_torch(nn.Linear(2, 3), (2,))
    with pytest.raises(InputError, match="input_shape must be"):
        from_torch(nn.Sequential(nn.Linear(2, 3)), 2)
    with pytest.raises(InputError, match="seed"):
        from_torch(nn.Sequential(nn.Linear(2, 3)), (2,), seed=-1)


def test_gelu_has_its_two_forms():
    module = nn.Sequential(nn.GELU(), nn.GELU(approximate="tanh"))
    assert [one.exact for one in from_torch(module, (3,)).layers] == [True, False]
    assert isinstance(from_torch(module, (3,)).layers[0], GELU)
