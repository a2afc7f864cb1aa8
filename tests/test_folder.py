"""Folders and zips of image files: names, splits, labels, order. Oracle: the pixels written."""

import hashlib
import os
import re
import zipfile

import numpy as np
import pytest
from image_folders import IMAGES, NAMES, opened, save, write_folder, zipped

from iae_jax.data import indices, load, open_source, stream, title
from iae_jax.errors import InputError


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "set")


def in_order(numbers):
    """The order of images with labels: by the hashes of their paths."""
    return sorted(numbers, key=lambda number: hashlib.sha256(NAMES[number].encode()).digest())


@pytest.mark.parametrize("pack", [lambda folder: folder, zipped])
def test_images_are_those_that_were_written(folder, pack):
    (folder / "notes.txt").write_text("not an image")
    (folder / ".hidden.png").write_text("clutter")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "a_7.png").write_text("clutter")
    source = opened(pack(folder), pattern=r"_(\d+)\.")
    images, labels = load(source)
    order, wanted = in_order(range(6)), np.array([7, 0, 3, 3, 10, 1])
    assert order != sorted(order)
    np.testing.assert_array_equal(images, IMAGES[order])
    np.testing.assert_array_equal(labels, wanted[order])
    np.testing.assert_array_equal(source.labels(), wanted[order])
    assert source.classes == 11 and source.shape == (5, 4, 3) and len(source) == 6
    chosen = source.read(np.array([4, 1, 4]))
    few = [order[4], order[1], order[4]]
    np.testing.assert_array_equal(chosen.x, IMAGES[few])
    np.testing.assert_array_equal(chosen.labels, wanted[few])
    part = opened(pack(folder), "train[-2:]+train[:1]", r"_(\d+)\.")
    np.testing.assert_array_equal(load(part).labels, wanted[[*order[-2:], order[0]]])
    assert part.classes == 11


@pytest.mark.parametrize("pack", [lambda folder: folder, zipped])
def test_streamed_equals_resident(folder, pack):
    source = opened(pack(folder), pattern=r"_(\d+)\.")
    images, labels = load(source)
    batches = stream(source, 1, 2, 4, 2)
    for step in range(2, 9):  # across epochs
        seen, want = next(batches), indices(6, 1, step, 4)
        np.testing.assert_array_equal(seen.x, images[want])
        np.testing.assert_array_equal(seen.labels, labels[want])


def test_folders_are_classes_and_splits(tmp_path):
    for number, name in enumerate(["train/cat/x.png", "train/ant/y.png", "test/cat/z.png"]):
        save(tmp_path / name, IMAGES[number])
    train, test = load(opened(tmp_path)), load(opened(tmp_path, "test"))
    found = {image.tobytes(): label for image, label in zip(*train, strict=True)}
    assert found == {IMAGES[0].tobytes(): 1, IMAGES[1].tobytes(): 0}
    np.testing.assert_array_equal(test.x, IMAGES[[2]])
    assert list(test.labels) == [1]


@pytest.mark.parametrize("pack", [lambda folder: folder, zipped])
def test_a_folder_that_contains_everything_is_ignored(tmp_path, pack):
    """As in a zip of a folder; `train` inside it is still a split."""
    for number, name in enumerate(["train/cat/x.png", "train/ant/y.png", "test/cat/z.png"]):
        save(tmp_path / "all" / "faces" / "aligned" / name, IMAGES[number])
    path = pack(tmp_path / "all")
    np.testing.assert_array_equal(load(opened(path, "test")).x, IMAGES[[2]])
    assert sorted(opened(path).labels()) == [0, 1]
    save(tmp_path / "flat" / "faces" / "x.png", IMAGES[0])
    assert opened(pack(tmp_path / "flat")).classes is None


@pytest.mark.parametrize(("between", "pattern"), [("/", ""), ("_", r"^(\d)_")])
def test_a_slice_has_all_classes(tmp_path, between, pattern):
    """With labels from folders and from names."""
    for number in range(60):
        name = f"{number // 20}{between}{number:02}.png"
        save(tmp_path / name, IMAGES[number % len(IMAGES)])
    first, rest = (opened(tmp_path, part, pattern) for part in ("train[:50%]", "train[50%:]"))
    assert len(first) == len(rest) == 30
    for part in (first, rest):
        assert min(np.bincount(part.labels(), minlength=3)) >= 5
    again = opened(tmp_path, "train[:50%]", pattern)
    assert load(again).x.tobytes() == load(first).x.tobytes()


def test_an_image_outside_all_splits_is_refused(tmp_path):
    for number, name in enumerate(["train/cat/x.png", "test/cat/y.png", "more/cat/z.png"]):
        save(tmp_path / name, IMAGES[number])
    with pytest.raises(InputError, match=r"more/cat/z\.png in .* is in none of the splits train, "):
        opened(tmp_path)
    (tmp_path / "more").rename(tmp_path / "validation")
    np.testing.assert_array_equal(load(opened(tmp_path, "validation")).x, IMAGES[[2]])
    save(tmp_path / "w_5.png", IMAGES[3])
    with pytest.raises(InputError, match=r"w_5\.png in .* is in none of the splits"):
        opened(tmp_path, pattern=r"(\d)")


def test_links_are_followed_but_not_in_circles(tmp_path):
    save(tmp_path / "elsewhere" / "cat" / "x.png", IMAGES[0])
    save(tmp_path / "elsewhere" / "ant" / "y.png", IMAGES[1])
    save(tmp_path / "set" / "test" / "cat" / "z.png", IMAGES[2])
    (tmp_path / "set" / "train").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "cat" / "round").symlink_to(tmp_path / "elsewhere")
    train, test = opened(tmp_path / "set"), opened(tmp_path / "set", "test")
    assert sorted(train.labels()) == [0, 1]
    np.testing.assert_array_equal(load(test).x, IMAGES[[2]])


def test_names_may_be_any_bytes(tmp_path):
    save(tmp_path / "cat" / "x.png", IMAGES[0])
    os.rename(os.fsencode(tmp_path / "cat" / "x.png"), os.fsencode(tmp_path / "cat") + b"/\xff.png")
    save(tmp_path / "ant" / "y.png", IMAGES[1])
    assert sorted(load(opened(tmp_path)).labels) == [0, 1]


def test_a_zip_with_a_name_twice_is_refused(folder):
    path = zipped(folder)
    with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.write(folder / "g_1.bmp", "a_7.png")
    with pytest.raises(InputError, match=r"has two files a_7\.png"):
        opened(path, pattern=r"(\d)")


def test_a_test_folder_alone_is_a_class(tmp_path):
    for number, name in enumerate(["test/x.png", "other/y.png"]):
        save(tmp_path / name, IMAGES[number])
    assert sorted(opened(tmp_path).labels()) == [0, 1]


def test_without_folders_there_are_no_labels(tmp_path):
    save(tmp_path / "x.png", IMAGES[0])
    assert list(load(opened(tmp_path)).labels) == [-1] and opened(tmp_path).classes is None


def test_bad_places_are_refused(tmp_path, folder):
    with pytest.raises(InputError, match="no folder or zip .*nothing"):
        opened(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="there is no image in .*empty"):
        opened(tmp_path / "empty")
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(InputError, match="neither a folder nor a readable zip"):
        opened(tmp_path / "text.zip")
    with pytest.raises(InputError, match="images in folders, which are classes, and others beside"):
        opened(folder)
    with pytest.raises(InputError, match="there is train"):
        opened(folder, "test", r"(\d)")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "is no regular expression with a group"),
        (r"\d", "is no regular expression with a group"),
        (r"x(\d)", "matches no word and no number below 100000 in a_7.png"),
        (r"7(_\d)?", "matches no word and no number below 100000 in a_7.png"),
    ],
)
def test_bad_label_patterns_are_refused(folder, pattern, message):
    with pytest.raises(InputError, match=re.escape(message)):
        opened(folder, pattern=pattern)


def test_a_label_pattern_is_for_image_files(tmp_path):
    with pytest.raises(
        InputError, match="label_pattern is for images:PATH and the data set is npz"
    ):
        open_source(f"npz:{tmp_path}/a.npz", "train", label_pattern="x")


def test_titles_name_no_folder():
    assert title("images:/some/where/faces.zip") == "faces" == title("npz:../faces.npz")
    assert title("svhn_cropped") == "svhn_cropped"
