"""Where a table of labels lies, and what it may say. Oracle: the label written beside each image,
whose grey value says which it is."""

import json

import numpy as np
import pytest
from image_folders import save, zipped

from iae_jax.data import load, open_source
from iae_jax.errors import InputError

FILES = ["b/3.png", "a.png", "c.png", "b/1.png"]  # not sorted; a grey value is a place here
ROWS = ["cat", "ant", "ant", "bee"]
LABELS, NAMES = [2, 0, 0, 1], ("ant", "bee", "cat")


def write(folder):
    for value, name in enumerate(FILES):
        save(folder / name, np.full((2, 3), value, np.uint8))
    return folder


def table(path, names=FILES, rows=ROWS):
    path.write_text(
        "file,label\n" + "".join(f"{n},{r}\n" for n, r in zip(names, rows, strict=True))
    )


def opened(path, **options):
    """Labels in the order of grey values, classes, notes."""
    source = open_source(str(path), "train", **options)
    images, labels = load(source)
    return labels[np.argsort(images[:, 0, 0, 0])].tolist(), source.class_names, source.notes


@pytest.mark.parametrize(
    ("inside", "place"), [("photos", ""), ("all/photos", ""), ("all/photos", "all")]
)
@pytest.mark.parametrize("names", ["photo", "path", "end"])
def test_a_table_above_the_images_is_found_and_said(tmp_path, inside, names, place):
    """With names from the images' folder on, from the table's, or of the files alone."""
    folder = tmp_path / "set"
    write(folder / inside)
    written = {
        "photo": FILES,
        "path": [(folder / inside / n).relative_to(folder / place).as_posix() for n in FILES],
        "end": [n.rpartition("/")[2] for n in FILES],
    }[names]
    table(folder / place / "labels.csv", written)
    said = "/".join(filter(None, (place, "labels.csv")))
    for path in (f"{folder}/", zipped(folder)):
        labels, classes, notes = opened(path)
        assert (labels, classes) == (LABELS, NAMES) and notes[0] == f"labels are from {said}"


def test_a_table_above_the_images_that_names_others_is_refused(tmp_path):
    write(tmp_path / "set" / "photos")
    table(tmp_path / "set" / "labels.csv", ["x.png"], ["cat"])
    with pytest.raises(InputError, match=r"^labels.csv names x.png and no image of the set, such"):
        open_source(f"{tmp_path}/set/", "train")


def test_two_tables_are_not_both_read(tmp_path):
    write(tmp_path / "set" / "photos")
    table(tmp_path / "set" / "labels.csv")
    table(tmp_path / "set" / "photos" / "labels.csv")
    with pytest.raises(InputError, match="has labels.csv and photos/labels.csv: leave one"):
        open_source(f"{tmp_path}/set/", "train")


def test_tables_that_contradict_each_other_are_refused(tmp_path):
    """One at the top, one in a split's folder: none wins."""
    for name in ("train/0.png", "train/1.png"):
        save(tmp_path / name, np.full((2, 3), int(name[6]), np.uint8))
    table(tmp_path / "labels.csv", ["train/0.png"], ["dog"])
    table(tmp_path / "train" / "labels.csv", ["0.png", "1.png"], ["cat", "cat"])
    with pytest.raises(InputError, match="say of train/0.png 'dog' and 'cat': leave one"):
        open_source(f"{tmp_path}/", "train")
    table(tmp_path / "labels.csv", ["train/0.png"], ["cat"])
    assert opened(f"{tmp_path}/")[0] == [0, 0]


def test_a_table_beside_the_folder_is_said_not_to_be_read(tmp_path):
    """And the advice, done, reads it."""
    for value, name in enumerate(["a.png", "b.png"]):
        save(tmp_path / "photos" / name, np.full((2, 3), value, np.uint8))
    assert opened(f"{tmp_path}/photos")[2] == ()
    table(tmp_path / "labels.csv", ["a.png", "b.png"], ["dog", "cat"])
    labels, _, (note,) = opened(f"{tmp_path}/photos")
    assert labels == [-1, -1] and note.startswith(f"{tmp_path}/labels.csv is not read: ")
    flag = note.split("--config.data.labels=")[1].split()[0]
    assert opened(f"{tmp_path}/photos", labels=flag)[0] == [1, 0]


@pytest.mark.parametrize("nested", [dict, list])
def test_json_may_have_its_table_under_labels(tmp_path, nested):
    write(tmp_path / "set")
    pairs = zip(FILES, ROWS, strict=True)
    (tmp_path / "set" / "labels.json").write_text(json.dumps({"labels": nested(pairs)}))
    assert opened(f"{tmp_path}/set/")[:2] == (LABELS, NAMES)


@pytest.mark.parametrize(
    "label", [{"id": 3}, ["cat"], [1, 1, 0], [0, 0, 0], [0.5, 0.5], [["a"]], []]
)
def test_a_label_that_is_no_word_and_no_number_is_refused(tmp_path, label):
    """Not read as the word of its text."""
    write(tmp_path / "set")
    rows = dict(zip(FILES, ROWS, strict=True)) | {"a.png": label}
    (tmp_path / "set" / "labels.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match="labels.json says of a.png .*: write one class") as error:
        open_source(f"{tmp_path}/set/", "train")
    assert "\n" not in str(error.value)


def test_json_of_one_hot_rows(tmp_path):
    write(tmp_path / "set")
    hot = [[0, 0, 1], [1, 0, 0], [1, 0, 0], [0, 1, 0]]
    (tmp_path / "set" / "labels.json").write_text(json.dumps(dict(zip(FILES, hot, strict=True))))
    assert opened(f"{tmp_path}/set/")[0] == LABELS
