"""Npz files written row by row, read by NumPy."""

import zipfile

import numpy as np
import pytest

from iae_jax.files.npz_writer import NpzWriter


def test_rows_are_the_arrays_that_numpy_reads(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "x": rng.random((7, 3, 2)).astype(np.float32),
        "labels": rng.integers(-1, 9, 7).astype(np.int32),
        "names": np.array([f"{'a' * i}.png" for i in range(7)]),
        "none": np.zeros((7, 0), np.uint8),
    }
    with NpzWriter(tmp_path / "rows.npz") as writer:
        for rows in (slice(0, 4), slice(4, 5), slice(5, 7)):
            part = {name: array[rows] for name, array in arrays.items()}
            writer.append({**part, "turned": part["x"].transpose(0, 2, 1), "absent": None})
        writer.add(step=12, absent=None)
        writer.reshape("x", (7, 6))
        assert not (tmp_path / "rows.npz").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["rows.npz"]
    with np.load(tmp_path / "rows.npz", allow_pickle=False) as file:
        found = dict(file)
    assert found.pop("step") == 12
    np.testing.assert_array_equal(found.pop("turned"), arrays["x"].transpose(0, 2, 1))
    np.testing.assert_array_equal(found.pop("x"), arrays.pop("x").reshape(7, 6))
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    assert zipfile.ZipFile(tmp_path / "rows.npz").testzip() is None


def test_an_error_leaves_what_was_there(tmp_path):
    np.savez(tmp_path / "rows.npz", x=np.arange(3))
    with pytest.raises(KeyError), NpzWriter(tmp_path / "rows.npz") as writer:
        writer.append({"x": np.arange(5)})
        raise KeyError("broken off")
    other = pytest.raises(ValueError, match="rows of x are float64")
    with other, NpzWriter(tmp_path / "rows.npz") as writer:
        writer.append({"x": np.arange(5)})
        writer.append({"x": np.arange(5.0)})
    assert [path.name for path in tmp_path.iterdir()] == ["rows.npz"]
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npz")["x"], np.arange(3))
