"""How many channels arrays have, and where: what is read, said or refused. Oracle: the arrays
written."""

import numpy as np
import pytest

from iae_jax.data import load, open_source
from iae_jax.data.pixels import check_examples, check_layout
from iae_jax.errors import InputError

RNG = np.random.default_rng(23)


def source(tmp_path, shape, **others):
    images = RNG.integers(0, 256, shape, dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=images, **others)
    return images, open_source(f"{tmp_path}/a.npz", "train")


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((9, 2, 16, 16), "channels first"),
        ((9, 2, 12, 16), "channels first"),
        ((9, 5, 16, 16), "channels first"),
        ((9, 7, 16, 12), "channels first"),
        ((9, 13, 16, 16), "channels first"),
        ((9, 32, 8, 8), "channels first"),
        ((9, 1, 5, 6), "channels first"),
        ((16, 12, 2, 90), "images last"),
    ],
)
def test_channels_that_are_not_last_are_refused(tmp_path, shape, said):
    order = r"\(0, 2, 3, 1\)" if said == "channels first" else r"\(3, 0, 1, 2\)"
    with pytest.raises(InputError, match=rf"{said}: make it \[N, H, W, C\].*images, {order}"):
        source(tmp_path, shape)
    with pytest.raises(InputError, match=said):
        check_examples(RNG.random(shape), "mine")


@pytest.mark.parametrize("shape", [(9, 16, 16, 2), (9, 5, 7, 4), (9, 16, 16), (9, 4, 5, 3)])
def test_images_of_few_channels_are_read_without_a_word(tmp_path, shape):
    images, found = source(tmp_path, shape)
    np.testing.assert_array_equal(load(found).x, images.reshape(*shape[:3], -1))
    assert found.notes == ()


@pytest.mark.parametrize("shape", [(9, 16, 16, 5), (9, 16, 12, 7), (9, 8, 8, 32)])
def test_images_of_many_channels_are_said_to_be(tmp_path, shape):
    images, found = source(tmp_path, shape)
    np.testing.assert_array_equal(load(found).x, images)
    _, height, width, channels = shape
    line = f"{channels} channels of {height}x{width}"
    assert found.notes == (f"images is uint8{list(shape)}: {line}",)


def test_vectors_have_no_channels():
    assert check_layout((5,), "x") == check_layout((5, 16), "x") == ""


def test_arrays_that_are_not_read_are_said(tmp_path):
    """Labels of another name would be missed in silence."""
    _, found = source(tmp_path, (9, 4, 5), y=np.arange(9), meta=np.arange(3))
    assert found.classes is None and found.notes == ("arrays that are not read: meta, y",)
    named = open_source(f"{tmp_path}/a.npz", "train", arrays="images=images,labels=y")
    assert named.classes == 9 and not any("not read" in note for note in named.notes)
