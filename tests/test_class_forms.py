"""Labels as people write them: folders, patterns, CSV, JSON, arrays. Oracle: the label written
beside each image, whose grey value says which it is."""

import json

import numpy as np
import pytest
from image_folders import save

from iae_jax.data import load, open_source
from iae_jax.data.labels import labelled
from iae_jax.errors import InputError

FILES = ["b/3.png", "a.png", "c.png", "b/1.png"]  # not sorted; a grey value is a place here


@pytest.fixture
def folder(tmp_path):
    for value, name in enumerate(FILES):
        save(tmp_path / "set" / name, np.full((2, 3), value, np.uint8))
    return tmp_path / "set"


def of(name, **options):
    """The label of each image in the order of grey values, and the classes' names."""
    source = open_source(str(name), "train", **options)
    images, labels = load(source)
    order = np.argsort(images[:, 0, 0, 0])
    return labels[order].tolist(), source.class_names


WORDS = ([2, 0, 0, 1], ("ant", "bee", "cat"))
PLAIN = ["cat", "ant", "ant", "bee"]


def csv(header, labels=PLAIN, names=FILES, comma=","):
    rows = [comma.join(pair) for pair in zip(names, labels, strict=True)]
    return "\n".join([*([header] if header else []), *rows]) + "\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.csv", csv("file,label")),
        ("labels.csv", csv("File_Name,Class")),
        ("labels.csv", csv("image_id;category", comma=";")),
        ("labels.csv", csv("")),
        ("labels.csv", "\ufeff" + csv("path\tclass name", comma="\t").replace("\n", "\r\n")),
        ("labels.csv", csv("id,label", names=["3", "a", "c", "1"])),
        ("labels.csv", csv("file,label", names=[".\\b\\3.png", "./a.png", "c.png", "b\\1.png"])),
        ("labels.csv", csv("file,label,note", [f'"{label}","x, y"' for label in PLAIN])),
        ("labels.csv", csv("file,ant,bee,cat", ["0,0,1", "1,0,0", "1,0,0", "0,1,0"])),
        ("labels.json", json.dumps(dict(zip(FILES, PLAIN, strict=True)))),
        ("labels.json", json.dumps({"labels": list(zip(FILES, PLAIN, strict=True))})),
        (
            "labels.json",
            json.dumps([{"label": y, "file": x} for x, y in zip(FILES, PLAIN, strict=True)]),
        ),
    ],
)
@pytest.mark.parametrize("beside", [True, False])
def test_a_table_of_words(folder, tmp_path, name, text, beside):
    place = (folder if beside else tmp_path) / name
    place.write_bytes(text.encode())
    assert of(f"{folder}/", labels="" if beside else str(place)) == WORDS


def test_numbers_in_a_table(folder):
    def with_labels(*labels):
        (folder / "labels.csv").write_text(csv("file,label", map(str, labels)))
        return of(f"{folder}/")

    assert with_labels(10, 2, 0, 0) == ([10, 2, 0, 0], ())
    assert with_labels(3, 1, 2, 1) == ([2, 0, 1, 0], ("1", "2", "3"))
    assert with_labels("1.0", "", "0.0", "0.0") == ([1, -1, 0, 0], ())  # as pandas writes them


def test_tables_of_splits(tmp_path):
    for value, name in enumerate(["train/0.png", "train/1.png", "test/0.png"]):
        save(tmp_path / name, np.full((2, 3), value, np.uint8))
    (tmp_path / "train" / "labels.csv").write_text("file,label\n0.png,dog\n1.png,cat\n")
    (tmp_path / "test" / "labels.csv").write_text("file,label\n0.png,cat\n")
    assert of(f"{tmp_path}/") == ([1, 0], ("cat", "dog"))
    assert open_source(f"{tmp_path}/", "test").labels().tolist() == [0]


def test_what_a_table_leaves_open_is_said(folder):
    (folder / "labels.csv").write_text("file,label\na.png,x\nc.png,y\nz.png,y\n")
    source = open_source(f"{folder}/", "train")
    assert of(f"{folder}/")[0] == [-1, 0, 1, -1]
    assert source.notes[0] == (
        "labels are from labels.csv; 2 of 4 images have no label in labels.csv; 1 rows of "
        "labels.csv name no image, the first z.png"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na.png,x\na.png,y\n", "says of a.png 'x' and 'y': leave one"),
        ("file,label\na.png,x\n./a.png,y\n", "says of a.png 'x' and 'y'"),
        ("picture,kind\na.png,x\n", "has the columns picture, kind: call that of the file names"),
        ("file,image,label\na.png,b.png,x\n", "has the columns file, image, label: call"),
        ("file,label\nz.png,x\n", "names z.png and no image of the set, such as a.png"),
        ("file,label\na.png,x,y\n", "row 2 of labels.csv has 3 columns and the first 2: quote"),
        ("file,x,y\na.png,1,1\n", "its other columns are not one-hot"),
        ("file,label\n", "has no row"),
        ("", "has no row"),
    ],
)
def test_bad_tables_are_refused(folder, text, message):
    (folder / "labels.csv").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        open_source(f"{folder}/", "train")
    assert "\n" not in str(error.value)


def test_a_name_that_could_be_two_files_is_refused(folder):
    save(folder / "d" / "1.png", np.zeros((2, 3), np.uint8))
    (folder / "labels.csv").write_text("file,label\n1.png,x\na.png,y\n")
    with pytest.raises(InputError, match=r"1.png, which could be b/1.png or d/1.png: write its"):
        open_source(f"{folder}/", "train")


def test_two_sources_of_labels_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match="two sources of labels"):
        open_source(f"{folder}/", "train", labels="x.csv", label_pattern="(.)")
    with pytest.raises(InputError, match="absent.csv cannot be read .No such file.*data.labels"):
        open_source(f"{folder}/", "train", labels=f"{tmp_path}/absent.csv")
    (tmp_path / "x.txt").write_text("a")
    with pytest.raises(InputError, match="a .csv or .json file, not .*x.txt"):
        open_source(f"{folder}/", "train", labels=f"{tmp_path}/x.txt")


def test_classes_in_folders_0_to_10_are_in_the_order_of_numbers(tmp_path):
    for number in range(11):
        save(tmp_path / str(number) / "x.png", np.full((2, 3), number, np.uint8))
    assert of(f"{tmp_path}/") == (list(range(11)), tuple(map(str, range(11))))
    assert open_source(f"{tmp_path}/", "train").notes == ()  # nothing was renumbered


def test_words_by_a_pattern(folder):
    assert of(f"{folder}/", label_pattern=r"^(\w)") == ([1, 0, 2, 1], ("a", "b", "c"))
    with pytest.raises(InputError, match="matches no word and no number .* in a.png: change it"):
        of(f"{folder}/", label_pattern=r"/(\w)")


IMAGES = np.repeat(np.arange(5, dtype=np.uint8), 6).reshape(5, 2, 3) + 40


@pytest.mark.parametrize(
    ("labels", "expected", "names"),
    [
        (["dog", "cat", "", "dog", "ant"], [2, 1, -1, 2, 0], ("ant", "cat", "dog")),
        (
            [b"dog", b"cat", b"\xc3\xa9", b"dog", b"ant"],
            [2, 1, 3, 2, 0],
            ("ant", "cat", "dog", "é"),
        ),
        (["10", "9", "0", "0", "9"], [10, 9, 0, 0, 9], ()),
        ([[1], [0], [3], [2], [1]], [1, 0, 3, 2, 1], ()),
        (np.eye(4)[[1, 0, 2, 2, 1]], [1, 0, 2, 2, 1], ()),
        (np.eye(4, dtype=bool)[[1, 0, 2, 2, 1]], [1, 0, 2, 2, 1], ()),
        ([3, 1, 2, 1, -1], [2, 0, 1, 0, -1], ("1", "2", "3")),
        ([3, 1, 4, 1, -1], [3, 1, 4, 1, -1], ()),  # numbers with gaps are kept
        ([2.0, 0.0, np.nan, 1.0, 0.0], [2, 0, -1, 1, 0], ()),
        ([True, False, False, True, True], [1, 0, 0, 1, 1], ()),
    ],
)
def test_labels_in_an_npz(tmp_path, labels, expected, names):
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=np.array(labels))
    assert of(tmp_path / "a.npz") == (expected, names)
    np.save(tmp_path / "images.npy", IMAGES)
    np.save(tmp_path / "labels.npy", np.array(labels))
    assert of(tmp_path / "images.npy", labels=f"{tmp_path}/labels.npy") == (expected, names)


@pytest.mark.parametrize("rows", [[1, 0, 2, 2, 1], [1, 3, 2, 2, 1]])
def test_columns_of_one_hot_rows_are_classes_though_none_has_the_last_or_first(tmp_path, rows):
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=np.eye(4)[rows])
    source = open_source(f"{tmp_path}/a.npz", "train")
    assert source.classes == 4 and sorted(source.labels()) == sorted(rows)


def test_both_splits_of_an_npz_have_one_numbering(tmp_path):
    np.savez(
        tmp_path / "a.npz",
        images=IMAGES, labels=np.array(["cat", "dog", "dog", "cat", "cat"]),
        test_images=IMAGES[:2], test_labels=np.array(["dog", "bee"]),
    )  # fmt: skip
    train, test = (open_source(f"{tmp_path}/a.npz", split) for split in ("train", "test"))
    assert train.labels().tolist() == [1, 2, 2, 1, 1] and test.labels().tolist() == [2, 0]
    assert train.class_names == test.class_names == ("bee", "cat", "dog")
    assert train.notes == ("classes: 0 bee, 1 cat, 2 dog",)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.eye(4)[[1, 0, 2, 2, 1]] + np.eye(4)[[0] * 5], "rows are not one-hot"),
        (np.maximum(np.eye(4)[[1, 0, 2, 2, 1]], [1, 0, 0, 0]), "rows are not one-hot"),
        (np.eye(4)[[1, 0, 2, 2, 1]] * [[0], [1], [1], [1], [1]], "rows are not one-hot"),
        (np.full((5, 4), 0.25), "rows are not one-hot"),
        ([0.5, 0, 0, 0, 0], r"labels is float64\[5\]; make it one whole number or word"),
        ([0, 1, np.inf, 0, 0], "labels is float64"),
        ([0, -2, 0, 0, 0], "number the classes from 0"),
    ],
)
def test_bad_labels_in_an_npz_are_refused(tmp_path, labels, message):
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=np.array(labels))
    with pytest.raises(InputError, match=message):
        open_source(f"{tmp_path}/a.npz", "train")


def test_the_advice_about_words_as_objects_works(tmp_path):
    """What the message says, done, is read."""
    labels = np.array(["dog", "cat", "ant", "dog", "ant"], dtype=object)
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=labels)
    with pytest.raises(InputError, match=r"write it again as labels\.astype\(str\)") as error:
        open_source(f"{tmp_path}/a.npz", "train")
    assert "allow_pickle" not in str(error.value)
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=labels.astype(str))
    assert of(tmp_path / "a.npz") == ([2, 1, 0, 2, 0], ("ant", "cat", "dog"))


def test_a_run_may_learn_from_labels_that_count_from_1(tmp_path):
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=[3, 1, 2, 1, 2])
    positions, (_, label) = labelled(open_source(f"{tmp_path}/a.npz", "train"), -1, 0, 3)
    assert label[np.argsort(positions)].tolist() == [2, 0, 1, 0, 1]
