"""Data sets of a user's own: arrays, vectors, and functions that a name calls."""

import sys
import types

import numpy as np
import pytest

from iae_jax.data import ArraySource, Dataset, indices, load, open_source, select, stream, title
from iae_jax.errors import InputError

RNG = np.random.default_rng(3)
VECTORS = RNG.normal(size=(9, 4))
LABELS = np.array([0, 2, -1, 1, 1, 0, 2, 2, -1])


@pytest.mark.parametrize(
    ("x", "values", "dtype"),
    [
        (VECTORS, "real", np.float32),
        (VECTORS.astype(np.float16), "real", np.float32),
        (RNG.random((9, 2, 3, 1)), "unit", np.float32),
        (RNG.integers(0, 256, (9, 5), dtype=np.uint8), "unit", np.uint8),
    ],
)
def test_arrays_of_any_rank(x, values, dtype):
    source = ArraySource(Dataset(x, LABELS), 3, values)
    assert (source.shape, source.values, source.classes) == (x.shape[1:], values, 3)
    assert source.dtype == dtype and source.sample is None and len(source) == 9
    found = load(source)
    assert found.x.dtype == dtype and found.labels.dtype == np.int32
    assert source.nbytes == found.x.nbytes
    np.testing.assert_array_equal(found.x, x.astype(dtype))
    np.testing.assert_array_equal(found.labels, LABELS)
    np.testing.assert_array_equal(source.read([8, 0, 8]).x, x[[8, 0, 8]].astype(dtype))
    np.testing.assert_array_equal(source[4][0], x[4].astype(dtype))
    assert source.read([]).x.shape == (0, *x.shape[1:])
    batch = next(stream(source, 2, 5, 4, 1))
    np.testing.assert_array_equal(batch.x, x[indices(9, 2, 5, 4)].astype(dtype))


NONE = np.full(9, -1)


@pytest.mark.parametrize(
    ("x", "labels", "classes", "values", "message"),
    [
        (VECTORS, NONE, None, "unit", r"x is from -\d.* scale it to \[0, 1\]"),
        (VECTORS, NONE, None, "reel", "values is 'reel': choose one of unit, real"),
        (VECTORS > 0, NONE, None, "unit", "x is bool"),
        (np.arange(18).reshape(9, 2), NONE, None, "real", "x is int64 .*'real': make x float32"),
        (np.zeros((9, 2), np.uint8), NONE, None, "real", "x is uint8 .*'real': make x float32"),
        (np.where(VECTORS > 1, np.nan, 0), NONE, None, "real", "not finite"),
        (VECTORS[:, 0], NONE, None, "real", r"x is float32\[9\]"),
        (VECTORS[:0], NONE[:0], None, "real", r"x is float32\[0, 4\]"),
        (VECTORS, NONE[:8], None, "real", r"labels are int64\[8\]"),
        (VECTORS, LABELS / 2, 3, "real", "labels are float64"),
        (VECTORS, LABELS, 2, "real", "labels are from -1 to 2 and classes is 2"),
        (VECTORS, LABELS, None, "real", "labels are from -1 to 2 and classes is None"),
        (VECTORS, LABELS - 1, 3, "real", "labels are from -2 to 1"),
    ],
)
def test_bad_arrays_are_refused(x, labels, classes, values, message):
    with pytest.raises(InputError, match=message):
        ArraySource(Dataset(x, labels), classes, values)


def own(split, size=9, values="real"):
    """What a user would write."""
    parts = {
        "train": Dataset(VECTORS[:size], LABELS[:size]),
        "test": Dataset(VECTORS[size:], LABELS[size:]),
    }
    return ArraySource(select(split, parts), 3, values)


@pytest.fixture
def module(monkeypatch):
    found = types.ModuleType("a_users_data")
    found.own, found.three, found.number = own, lambda split: 3, 3
    monkeypatch.setitem(sys.modules, "a_users_data", found)


def test_a_name_calls_a_function_with_the_split(module):
    whole = open_source("a_users_data:own", "train")
    np.testing.assert_array_equal(load(whole).x, VECTORS.astype(np.float32))
    assert whole.values == "real" and whole.shape == (4,)
    part = open_source("a_users_data:own(size=6)", "test[1:]+train[:1]")
    np.testing.assert_array_equal(load(part).labels, LABELS[[7, 8, 0]])
    assert title("a_users_data:own(size=6)") == "a_users_data:own(size=6)"


@pytest.mark.parametrize(
    ("name", "split", "message"),
    [
        ("a_users_data:own", "test", "there is train"),
        ("a_users_data:three", "train", "a_users_data:three returns a int: return an iae_jax"),
        ("a_users_data:number", "train", "is not a function"),
        ("a_users_data:others", "train", "the module a_users_data has no 'others'"),
        ("a_users_data:own(count=3)", "train", "cannot be called so: .*count"),
        ("a_users_data:own(size=3", "train", "data.name is NAME or NAME"),
        ("no_such_module:own", "train", "data.name: cannot import 'no_such_module'"),
    ],
)
def test_names_of_no_data_set_are_refused(module, name, split, message):
    with pytest.raises(InputError, match=message):
        open_source(name, split)


@pytest.mark.parametrize(
    "option",
    [
        {"label_pattern": "x"},
        {"shuffled": False},
        {"labels": "x.csv"},
        {"size": 8},
        {"arrays": "x"},
    ],
)
def test_options_of_image_files_are_refused_for_others(module, option):
    for name in ("a_users_data:own", "planar:ring", "digits"):
        with pytest.raises(InputError, match=f"is for .*:PATH and the data set is {name}"):
            open_source(name, "train", **option)


def test_a_version_of_tfds_is_not_a_function(tmp_path):
    directory = str(tmp_path)
    open_source("digits", "test", directory)
    assert len(open_source("digits:1.0.0", "test", directory)) == 297
    assert len(open_source("digits:1.*.*", "test", directory)) == 297
    with pytest.raises(InputError, match="digits:9.0.0"):
        open_source("digits:9.0.0", "test", directory)


def test_a_path_may_begin_with_a_digit_and_hold_colons(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("2024:a(1).npz", images=RNG.integers(0, 256, (3, 2, 2, 1), dtype=np.uint8))
    assert len(open_source("npz:2024:a(1).npz", "train")) == 3
    assert title("npz:2024:a(1).npz") == "2024:a(1)"
