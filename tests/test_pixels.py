"""Arrays of images as people store them: what is read, what is said, what is refused. Oracle: the
same images as uint8."""

import numpy as np
import pytest

from iae_jax.data import load, open_source
from iae_jax.data.pixels import check_examples
from iae_jax.errors import InputError

RNG = np.random.default_rng(11)
IMAGES = RNG.integers(0, 256, (12, 5, 4, 3), dtype=np.uint8)
IMAGES[0, 0, 0] = 0, 255, 7
MASKS = RNG.integers(0, 2, (12, 5, 4, 1), dtype=np.uint8)


def source(tmp_path, split="train", **arrays):
    options = {"arrays": arrays.pop("named")} if "named" in arrays else {}
    np.savez(tmp_path / "a.npz", **arrays)
    return open_source(f"{tmp_path}/a.npz", split, **options)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (IMAGES / 255, "images: float64 in [0, 1] is rounded to 8 bits"),
        ((IMAGES / 127.5 - 1).astype(np.float32), "float32 in [-1, 1] is read as [0, 255]"),
        (IMAGES.astype(np.float16), "images: float16 in [0, 255] is rounded to 8 bits"),
        (IMAGES.astype(np.int64), "images: int64 from 0 to 255 is read as uint8"),
        (IMAGES, None),
    ],
)
def test_numbers_of_any_common_range_are_the_same_images(tmp_path, images, said):
    found = source(tmp_path, images=images)
    np.testing.assert_array_equal(load(found).x, IMAGES)
    assert load(found).x.dtype == np.uint8
    assert found.notes == () if said is None else said in found.notes[0]


@pytest.mark.parametrize("value,pixel", [(np.uint8(200), 200), (0.25, 64), (np.float32(0), 0)])
def test_images_of_one_grey_can_be_read_and_are_nothing_to_learn(tmp_path, value, pixel):
    found = load(source(tmp_path, images=np.full((3, 5, 4, 1), value))).x
    np.testing.assert_array_equal(found, np.full((3, 5, 4, 1), pixel, np.uint8))
    with pytest.raises(InputError, match="nothing to learn"):
        check_examples(found, "photos")


@pytest.mark.parametrize("kind", [np.uint8, bool, np.float32, np.int32])
def test_masks_are_black_and_white(tmp_path, kind):
    found = source(tmp_path, images=MASKS.astype(kind))
    np.testing.assert_array_equal(load(found).x, np.where(MASKS, 255, 0))
    assert len(found.notes) == 1


def test_dark_images_are_said_to_be(tmp_path):
    found = source(tmp_path, images=np.minimum(IMAGES, 16))
    np.testing.assert_array_equal(load(found).x, np.minimum(IMAGES, 16))
    assert found.notes == (
        "images: no value is above 16 of 255, which is dark: are they of 8 bits?",
    )


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES * 1.5, "images is float64 from 0 to 382.5: scale it to"),
        (IMAGES / 50 - 2, r"images is float64 from -2 to 3.1: scale it"),
        (IMAGES / 255 - 0.5, "images is float64 from -0.5 to 0.5: scale it"),
        (IMAGES / 16, "images is float64 from 0 to 15.9375: scale it"),
        (IMAGES.astype(np.uint16) * 257, r"from 0 to 65535: make it uint8.*\(images // 257\)"),
        (IMAGES.astype(np.int64) - 128, "images is int64 from -128 to 127: make it uint8"),
        (np.where(IMAGES > 9, IMAGES / 255, np.nan), "not finite"),
        (IMAGES.astype(str), "no numbers"),
        (IMAGES.astype(complex), "no numbers"),
    ],
)
def test_other_numbers_are_refused(tmp_path, images, message):
    with pytest.raises(InputError, match=message) as error:
        source(tmp_path, images=images)
    assert "a.npz: " in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("shape", "said", "order"),
    [
        ((120, 3, 16, 16), "channels first", (0, 2, 3, 1)),
        ((120, 1, 16, 16), "channels first", (0, 2, 3, 1)),
        ((16, 16, 3, 120), "images last", (3, 0, 1, 2)),  # as SVHN's files
    ],
)
def test_axes_in_another_order_are_told_how_to_be_put_right(tmp_path, shape, said, order):
    """And the advice, done, is read."""
    images = RNG.integers(0, 256, shape, dtype=np.uint8)
    advice = str(order).replace("(", r"\(").replace(")", r"\)")
    wanted = rf"{said}: make it \[N, H, W, C\], as by numpy.transpose\(images, {advice}\)"
    with pytest.raises(InputError, match=wanted):
        source(tmp_path, images=images)
    np.save(tmp_path / "b.npy", images)
    with pytest.raises(InputError, match=wanted):
        open_source(f"{tmp_path}/b.npy", "train")
    right = source(tmp_path, images=np.transpose(images, order))
    assert (len(right), right.shape) == (120, (16, 16, min(shape[1], shape[2])))


def test_one_image_is_not_many_grey_ones(tmp_path):
    with pytest.raises(InputError, match=r"uint8\[9, 8, 3\], which looks like one image"):
        source(tmp_path, images=RNG.integers(0, 256, (9, 8, 3), dtype=np.uint8))
    assert source(tmp_path, images=RNG.integers(0, 256, (9, 8, 3, 1), dtype=np.uint8)).shape[2] == 1


def test_both_splits_have_one_scale(tmp_path):
    """Else one of them would be read 255 times as dark."""
    with pytest.raises(InputError, match="images has 0 to 255, test_images has 0 to 1: give all"):
        source(tmp_path, images=IMAGES.astype(float), test_images=IMAGES / 255)
    with pytest.raises(InputError, match="images has 0 to 255, test_images has 0 and 1"):
        source(tmp_path, images=IMAGES, test_images=MASKS.repeat(3, axis=3))


NAMED = {
    "x_train": IMAGES,
    "y_train": np.arange(12),
    "x_test": IMAGES[:5],
    "y_test": [3, 1, 0, 2, 5],
}


def test_arrays_of_other_names_are_read_by_a_flag_that_the_error_names(tmp_path):
    with pytest.raises(
        InputError, match=r"no array 'images', only x_train uint8\[12, 5, 4, 3\], y_"
    ):
        source(tmp_path, **NAMED)
    with pytest.raises(InputError) as error:
        source(tmp_path, **NAMED)
    flag = str(error.value).split("--config.data.arrays=")[1]
    assert flag == "images=x_train,test_images=x_test,labels=y_train,test_labels=y_test"
    test = source(tmp_path, "test", named=flag, **NAMED)
    np.testing.assert_array_equal(load(test).x, IMAGES[:5])
    assert test.labels().tolist() == [3, 1, 0, 2, 5] and test.classes == 12
    # What is not named is not read.
    some = source(tmp_path, named="images=x_test", **NAMED, y_other=np.array([{}], object))
    assert len(some) == 5 and some.classes is None


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("images=x", "no array 'x', only x_train"),
        ("image=x_train", "data.arrays is images=NAME and any of validation_images"),
        ("images", "data.arrays is images=NAME"),
        ("images=x_train,images=x_test", "data.arrays is images=NAME"),
        ("labels=y_train", "say too which array is images"),
        ("images=x_train,test_labels=y_test", "test_labels and no test_images"),
    ],
)
def test_bad_names_of_arrays_are_refused(tmp_path, named, message):
    with pytest.raises(InputError, match=message):
        source(tmp_path, named=named, **NAMED)


def test_validation_arrays(tmp_path):
    found = source(tmp_path, "auto:validation", images=IMAGES[:8], validation_images=IMAGES[8:])
    test = source(tmp_path, "auto:test", images=IMAGES[:8], validation_images=IMAGES[8:])
    both = [one.tobytes() for part in (found, test) for one in load(part).x]
    assert len(found) == len(test) == 2
    assert sorted(both) == sorted(one.tobytes() for one in IMAGES[8:])
    kept = source(tmp_path, "validation", images=IMAGES[:8], validation_images=IMAGES[8:])
    np.testing.assert_array_equal(load(kept).x, IMAGES[8:])
    assert test.notes == ("the data set has no split test: validation[2:] is used",)


def test_a_file_in_the_order_of_its_classes(tmp_path):
    """Parts of it that are cut have all classes; a slice that the user names is said not to."""
    images = RNG.integers(0, 256, (60, 3, 2), dtype=np.uint8)
    arrays = {"images": images, "labels": np.arange(60) // 20}
    parts = [
        source(tmp_path, f"auto:{split}", **arrays) for split in ("train", "validation", "test")
    ]
    assert [len(part) for part in parts] == [48, 6, 6]
    assert [len(np.unique(part.labels())) for part in parts] == [3, 3, 3]
    found = np.concatenate([load(part).x for part in parts])[..., 0]
    assert sorted(one.tobytes() for one in found) == sorted(one.tobytes() for one in images)
    by_image = {one.tobytes(): label for one, label in zip(images, arrays["labels"], strict=True)}
    labels = np.concatenate([part.labels() for part in parts])
    assert [by_image[one.tobytes()] for one in found] == labels.tolist()
    sliced = source(tmp_path, "train[:40]", **arrays)
    np.testing.assert_array_equal(load(sliced).x[..., 0], images[:40])
    assert sliced.notes == ("train[0:40] has 2 of 3 classes: is the file in their order?",)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.moveaxis(RNG.random((12, 16, 16, 3)), -1, 1), r"\[N, 3, 16, 16\], channels first"),
        (np.repeat(IMAGES[:1], 12, axis=0), "12 examples of mine .* are all the same"),
        (MASKS, "mine have only the values 0 and 1 of 255, which is black"),
    ],
)
def test_examples_of_any_source_are_looked_at(x, message):
    """Of image files and of a user's own `Source`."""
    with pytest.raises(InputError, match=message):
        check_examples(x, "mine")
    check_examples(IMAGES, "mine")
    check_examples(IMAGES[:1], "mine")
