"""Protects the flat vector: names in order, views that share its memory, and nothing rebound."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from tinynn.parameters import copy_into, flat_vector


def test_vector_holds_the_arrays_in_the_given_order():
    vector, views = flat_vector({"b": (2,), "W": (2, 3), "a": (1,)}, np.float64)
    views["b"][:] = [1, 2]
    views["W"][:] = [[3, 4, 5], [6, 7, 8]]  # rows one after the other
    views["a"][:] = [9]
    assert list(views) == ["b", "W", "a"]
    assert vector.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_vector_starts_as_zeros_of_the_dtype_in_one_piece(dtype):
    vector, views = flat_vector({"W": (3, 4), "b": (4,)}, dtype)
    assert vector.shape == (16,)
    assert vector.dtype == views["W"].dtype == dtype
    assert vector.flags.c_contiguous
    assert views["W"].flags.c_contiguous
    assert not vector.any()


@given(st.lists(array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4), max_size=5))
def test_views_share_all_of_the_vector_and_overlap_nowhere(shapes):
    names = {str(i): shape for i, shape in enumerate(shapes)}
    vector, views = flat_vector(names, np.float32)
    for view in views.values():
        view += 1  # an element that two views share becomes 2, one that none has stays 0
    assert [view.shape for view in views.values()] == shapes
    assert vector.tolist() == [1] * vector.size


def test_no_parameters_make_an_empty_vector():
    vector, views = flat_vector({}, np.float32)
    assert vector.shape == (0,)
    assert vector.dtype == np.float32
    assert views == {}


@pytest.mark.parametrize(
    "value", [[[1, 2], [3, 4]], np.array([[1, 2], [3, 4]], np.uint8), np.array([[1.0, 2], [3, 4]])]
)
def test_copy_into_copies_numbers_of_any_real_type(value):
    vector, views = flat_vector({"W": (2, 2)}, np.float32)
    copy_into(views["W"], value, "W")
    assert vector.tolist() == [1, 2, 3, 4]
    assert not np.shares_memory(vector, value)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 3), (2, 1), (3, 2), (6,), (1, 2, 3), (0, 3)])
def test_copy_into_stretches_and_reshapes_nothing(shape):
    vector, views = flat_vector({"W": (2, 3)}, np.float32)
    with pytest.raises(ValueError) as error:
        copy_into(views["W"], np.ones(shape), "1.Dense.W")
    assert str(error.value) == f"1.Dense.W has shape (2, 3), the array assigned has {shape}."
    assert not vector.any()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (np.ones(2, complex), "complex128"),
        (np.array([1, None], object), "object"),
        (np.array(["1", "2"]), "<U1"),
        (np.array(["2020", "2021"], "datetime64[Y]"), "datetime64"),
    ],
)
def test_copy_into_refuses_what_is_no_real_number(value, kind):
    vector, views = flat_vector({"b": (2,)}, np.float32)
    with pytest.raises(ValueError, match=f"0.Dense.b takes real numbers.*{kind}"):
        copy_into(views["b"], value, "0.Dense.b")
    assert not vector.any()


def test_copy_into_is_right_when_the_source_overlaps_the_view():
    vector, views = flat_vector({"W": (3, 3)}, np.float32)
    vector[:] = range(9)
    copy_into(views["W"], views["W"].T, "W")
    assert vector.tolist() == [0, 3, 6, 1, 4, 7, 2, 5, 8]


def test_copy_into_is_right_when_the_source_is_a_shifted_part_of_the_vector():
    vector, views = flat_vector({"a": (1,), "b": (4,)}, np.float32)
    vector[:] = range(5)
    copy_into(views["b"], vector[:4], "b")
    assert vector.tolist() == [0, 0, 1, 2, 3]


def test_copy_into_of_the_view_itself_changes_nothing():
    vector, views = flat_vector({"b": (2,)}, np.float32)
    vector[:] = [1, 2]
    copy_into(views["b"], views["b"], "b")
    assert vector.tolist() == [1, 2]
