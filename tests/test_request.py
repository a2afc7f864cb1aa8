"""What lies where a mode writes, from before."""

import numpy as np
import pytest

from iae_jax.runs.request import _origin_in


def test_a_file_says_of_which_images_it_is(tmp_path):
    np.savez(tmp_path / "codes.npz", images="npz:a.npz", x=np.arange(9))
    assert _origin_in(tmp_path / "codes.npz") == {"images": "npz:a.npz"}


@pytest.mark.parametrize("kept", [None, 0, 3, 90, -30])
def test_a_damaged_file_is_of_no_images(tmp_path, kept):
    """Absent, empty, cut: it is replaced."""
    path = tmp_path / "codes.npz"
    np.savez(path, images="npz:a.npz", x=np.arange(9))
    data = path.read_bytes()
    path.unlink()
    if kept is not None:
        path.write_bytes(data[:kept])
    assert _origin_in(path) == {}


def test_an_array_alone_is_of_no_images(tmp_path):
    with (tmp_path / "codes.npz").open("wb") as file:
        np.save(file, np.arange(3))
    assert _origin_in(tmp_path / "codes.npz") == {}
