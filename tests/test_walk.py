"""Walking a folder of images: links, unreadable folders, patterns, the order, cached headers."""

import os
import zipfile

import numpy as np
import pytest
from PIL import Image

from iae_jax.data import image_files, load, open_source
from iae_jax.errors import InputError


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (2, 2), value).save(path)


def found(path, pattern=""):
    images, labels = load(open_source(f"images:{path}", "train", label_pattern=pattern))
    return sorted(zip(images[:, 0, 0, 0].tolist(), labels.tolist(), strict=True))


def test_links_between_folders_do_not_loop(tmp_path):
    write(tmp_path / "ant" / "a.png", 10)
    write(tmp_path / "bee" / "b.png", 20)
    (tmp_path / "ant" / "other").symlink_to(tmp_path / "bee")
    (tmp_path / "bee" / "other").symlink_to(tmp_path / "ant")
    (tmp_path / "bee" / "up").symlink_to(tmp_path.parent)
    # ant, ant/other (which is bee), bee, bee/other (which is ant).
    assert found(tmp_path) == [(10, 0), (10, 3), (20, 1), (20, 2)]


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    for i, name in enumerate(("ant", "bee", "cat")):
        write(tmp_path / name / "x.png", i)
    scandir = os.scandir

    def denied(path):
        if os.path.basename(path) == "bee":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(
        InputError, match="bee in .* cannot be read .Permission denied.: change its"
    ):
        found(tmp_path)


def test_a_pattern_does_not_see_a_folder_that_contains_everything(tmp_path):
    for name, value in (("0_3.png", 7), ("1_4.png", 8)):
        write(tmp_path / "files" / name, value)
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in ("0_3.png", "1_4.png"):
            file.write(tmp_path / "files" / name, f"set_5/{name}")
    assert found(path, r"_(\d+)") == [(7, 3), (8, 4)]
    assert found(path, r"^(\d)_") == [(7, 0), (8, 1)]


def test_a_plain_bitmap_is_read_whatever_it_is_called(tmp_path):
    (tmp_path / "x.pgm").write_text("P1\n2 2\n0 1\n1 1\n")
    assert found(tmp_path) == [(255, -1)]


@pytest.mark.parametrize("kind", ["images", "npz"])
def test_an_empty_path_is_not_a_name_for_tfds(kind):
    with pytest.raises(InputError, match=f"'{kind}:': give {kind}:PATH"):
        open_source(f"{kind}:", "train")
    with pytest.raises(
        InputError, match="~nobody-at-all/x has no such home .*: write the path in full"
    ):
        open_source(f"{kind}:~nobody-at-all/x", "train")


@pytest.mark.parametrize("name", ["set.npy", "set/"])
def test_labels_in_no_home_are_one_line(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "set.npy", np.zeros((3, 8, 8), np.uint8))
    (tmp_path / "set").mkdir()
    write(tmp_path / "set" / "a.png", 20)
    with pytest.raises(InputError, match="~nobody-at-all/x.npy has no such home"):
        open_source(name, "train", labels="~nobody-at-all/x.npy")


def test_unshuffled_neighbours_stay_on_one_side_of_a_split(tmp_path):
    labels = [3, 1, 1, 0, 2, 3, 0, 2, 1, 0]
    for number, label in enumerate(labels):
        write(tmp_path / f"{number:02}_{label}.png", 20 * number)
    name, pattern = f"images:{tmp_path}", r"_(\d+)\."
    for split, numbers in (("train[:60%]", range(6)), ("train[60%:]", range(6, 10))):
        images, found = load(open_source(name, split, None, pattern, shuffled=False))
        assert images[:, 0, 0, 0].tolist() == [20 * number for number in numbers]
        assert found.tolist() == [labels[number] for number in numbers]
        mixed = load(open_source(name, split, None, pattern)).x[:, 0, 0, 0].tolist()
        assert mixed != sorted(mixed)
    with pytest.raises(InputError, match="shuffled is for .* and the data set is digits"):
        open_source("digits", "train", shuffled=False)


@pytest.mark.parametrize("pack", [False, True])
def test_headers_are_read_once_until_files_change(tmp_path, monkeypatch, pack):
    names, path = ["a.png", "b.png", "c.png"], tmp_path / "all.zip" if pack else tmp_path / "files"

    def packed():
        for number, name in enumerate(names):
            write(tmp_path / "files" / name, number)
        if pack:
            path.unlink(missing_ok=True)
            with zipfile.ZipFile(path, "w") as file:
                for name in names:
                    file.write(tmp_path / "files" / name, name)

    packed()
    read, opened = [], image_files.open_image
    monkeypatch.setattr(
        image_files, "open_image", lambda *which: read.append(which[-1]) or opened(*which)
    )
    for split in ("train[:1]", "train[1:2]", "train[2:]"):
        assert open_source(f"images:{path}", split).shape == (2, 2, 1)
    assert read == names
    names.append("d.png")
    packed()
    assert len(open_source(f"images:{path}", "train")) == 4
    assert read[3:] == names
