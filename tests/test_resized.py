"""Image files of any size, cropped and resized. Oracle: the mean over blocks, by numpy."""

import numpy as np
import pytest
from image_folders import save

from iae_jax.data import indices, load, open_source, stream
from iae_jax.errors import InputError

RNG = np.random.default_rng(23)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(12, 12), (12, 19), (25, 12)])
def test_the_middle_square_is_averaged(tmp_path, channels, height, width):
    image = RNG.integers(0, 256, (height, width, channels), dtype=np.uint8)
    save(tmp_path / "a.png", image[..., 0] if channels == 1 else image)
    save(tmp_path / "b.png", np.zeros((4, 4), np.uint8))
    top, left = (height - 12) // 2, (width - 12) // 2
    blocks = image[top : top + 12, left : left + 12].reshape(4, 3, 4, 3, channels)
    source = open_source(f"{tmp_path}/", "train", size=4)
    assert source.shape == (4, 4, channels)
    found = load(source).x.astype(float)
    # Pillow rounds after each direction.
    np.testing.assert_allclose(found[0], blocks.mean((1, 3)), atol=1.0)
    assert not found[1].any()


def test_images_of_the_size_are_untouched(tmp_path):
    image = RNG.integers(0, 256, (4, 7, 3), dtype=np.uint8)
    save(tmp_path / "a.png", image)
    source = open_source(f"{tmp_path}/", "train", size=4)
    np.testing.assert_array_equal(load(source).x[0], image[:, 1:5])


def test_what_is_done_is_said(tmp_path):
    for number, shape in enumerate([(12, 9), (4, 30), (3, 5), (2, 2)]):
        save(tmp_path / f"{number}.png", RNG.integers(0, 256, shape, dtype=np.uint8))
    source = open_source(f"{tmp_path}/", "train", size=4)
    assert source.notes == (
        "images are from 2x2 to 9x12: the middle square is resized to 4x4; 2 smaller ones are "
        "enlarged",
    )
    assert load(source).x.shape == (4, 4, 4, 1)
    (tmp_path / "one").mkdir()
    save(tmp_path / "one" / "a.png", RNG.integers(0, 256, (4, 4), dtype=np.uint8))
    assert open_source(f"{tmp_path}/one/", "train", size=4).notes == ()


def test_sizes_are_refused_without_the_flag_that_the_error_names(tmp_path):
    save(tmp_path / "a.png", np.zeros((4, 5), np.uint8))
    save(tmp_path / "b.png", np.zeros((6, 4), np.uint8))
    with pytest.raises(
        InputError, match="b.png in .* is 4x6 and a.png is 5x4: set --config.data.s"
    ):
        open_source(f"{tmp_path}/", "train")
    for size in (-1, 10_000):
        with pytest.raises(InputError, match=f"data.size is from 0 to 8192, not {size}"):
            open_source(f"{tmp_path}/", "train", size=size)


def test_resized_images_are_streamed_with_the_same_bits(tmp_path):
    for number in range(5):
        save(tmp_path / f"{number}.png", RNG.integers(0, 256, (9 + number, 12, 3), dtype=np.uint8))
    source = open_source(f"{tmp_path}/", "train", size=4)
    images = load(source).x
    batches = stream(source, 1, 0, 3, 2)
    for step in range(4):
        np.testing.assert_array_equal(next(batches).x, images[indices(5, 1, step, 3)])
