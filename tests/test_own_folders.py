"""Folders and zips as people have them: without flags, splits by other names, splits that are not
there. Oracle: the files written, each of one colour."""

import zipfile

import numpy as np
import pytest
from image_folders import save

from iae_jax.data import load, open_source, title
from iae_jax.errors import InputError


def write(folder, names):
    """One image for each name, of the grey value that is its place."""
    for value, name in enumerate(names):
        save(folder / name, np.full((2, 3), value, np.uint8))
    return folder


def values(source):
    """The grey values of all images: which files they are."""
    return load(source).x[:, 0, 0, 0].tolist()


def automatic(name, **options):
    return [open_source(name, f"auto:{s}", **options) for s in ("train", "validation", "test")]


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Validation"])
@pytest.mark.parametrize("train", ["train", "Train", "training"])
def test_folders_of_splits_are_used_without_flags(tmp_path, train, val):
    names = [f"{train}/{kind}/{i}.png" for kind in ("cat", "ant") for i in range(7)]
    names += [f"{val}/cat/{i}.png" for i in range(3)] + ["test/ant/0.png", "test/ant/1.png"]
    sources = automatic(f"{write(tmp_path / 'photos', names)}/")
    found = [sorted(values(source)) for source in sources]
    assert found == [list(range(14)), [14, 15, 16], [17, 18]]
    assert [source.labels().tolist() for source in sources[1:]] == [[1, 1, 1], [0, 0]]
    assert sources[0].class_names == ("ant", "cat")
    assert sources[0].notes == ("classes: 0 ant, 1 cat",)


@pytest.mark.parametrize(
    ("folders", "counts", "said"),
    [
        ({"": 20}, (16, 2, 2), ("validation", "test")),
        ({"train": 20, "test": 3}, (18, 2, 3), ("validation",)),
        ({"train": 20, "val": 5}, (20, 2, 3), ("test",)),
        ({"train": 20, "val": 5, "test": 4}, (20, 5, 4), ()),
    ],
)
@pytest.mark.parametrize("labelled", [False, True])
def test_a_split_that_is_not_there_is_cut_and_said(tmp_path, folders, counts, said, labelled):
    """Each image is in one of the three, and in none of another's folder."""
    inside = ("/cat", "/dog") if labelled else ("",)
    names = [
        f"{folder}{inside[i % len(inside)]}/{i:02}.png".strip("/")
        for folder, size in folders.items()
        for i in range(size)
    ]
    sources = automatic(f"images:{write(tmp_path, names)}")
    assert tuple(map(len, sources)) == counts
    found = [values(source) for source in sources]
    assert sorted(sum(found, [])) == list(range(len(names)))
    notes = [note for source in sources for note in source.notes if "no split" in note]
    assert [note.split(":")[0].split()[-1] for note in notes] == list(said)
    if len(folders) == 1:  # not the last in the order of their names
        assert found[2] != [18, 19] and found[0] != sorted(found[0])
        in_order = automatic(f"images:{tmp_path}", shuffled=False)
        assert values(in_order[2])[-1] == 19


def test_strings_of_the_user_are_as_before(tmp_path):
    write(tmp_path, [f"{i}.png" for i in range(10)])
    assert values(open_source(f"{tmp_path}/", "train[2:5]")) == [2, 3, 4]
    with pytest.raises(InputError, match="split 'test'.*there is train .10 examples"):
        open_source(f"{tmp_path}/", "test")


def test_too_few_images_are_not_cut(tmp_path):
    write(tmp_path, ["0.png", "1.png"])
    with pytest.raises(InputError, match="2 images are too few.*set data.train"):
        open_source(f"{tmp_path}/", "auto:train")


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["train", "val", "valid"], "has folders val and valid, which is one split"),
        (["val", "test"], "has folders test and val, and no folder train"),
        (["train", "tset"], "tset/0.png in .* is in none of the splits train, validation, test"),
    ],
)
def test_folders_that_are_no_clear_splits_are_refused(tmp_path, folders, message):
    with pytest.raises(InputError, match=message):
        open_source(f"{write(tmp_path, [f'{f}/0.png' for f in folders])}/", "train")


def test_a_zip_made_on_windows(tmp_path):
    """Its names have backslashes."""
    names = [f"photos\\train\\{i % 2 * 'cat' or 'dog'}\\{i}.png" for i in range(40)]
    names += [f"photos\\val\\dog\\{i}.png" for i in range(10)]
    names += [f"photos\\test\\cat\\{i}.png" for i in range(10)]
    write(tmp_path / "files", [f"{i}.png" for i in range(60)])
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as file:
        for i, name in enumerate(names):
            file.writestr(name, (tmp_path / "files" / f"{i}.png").read_bytes())
    with zipfile.ZipFile(tmp_path / "photos.zip") as file:
        assert "\\" in file.namelist()[0]
    sources = automatic(f"{tmp_path}/photos.zip")
    assert [sorted(values(source)) for source in sources] == [
        list(range(40)), list(range(40, 50)), list(range(50, 60)),
    ]  # fmt: skip
    assert [source.classes for source in sources] == [2, 2, 2]
    assert np.bincount(sources[0].labels()).tolist() == [20, 20]


def test_what_a_path_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "data" / "photos", ["a/0.png", "a/1.png"])
    np.savez("data/set.npz", images=np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    for name in ("data/photos", "./data/photos", "data/photos/", str(tmp_path / "data/photos")):
        assert sorted(values(open_source(name, "train"))) == [0, 1] and title(name) == "photos"
    for name in ("data/set.npz", "./data/set.npz", str(tmp_path / "data/set.npz")):
        assert len(open_source(name, "train")) == 2 and title(name) == "set"
    # A name of TFDS stays one, though there is a folder beside.
    write(tmp_path / "photos", ["a/0.png"])
    with pytest.raises(InputError, match="is a folder here: write --config.data.name=photos/"):
        open_source("photos", "train", labels="classes.csv")
    with pytest.raises(InputError, match="folder of that name write --config.data.name=photos/"):
        open_source("photos", "train", str(tmp_path / "tfds"))
    (tmp_path / "emnist" / "digits" / "3.0.0").mkdir(parents=True)
    (tmp_path / "emnist" / "digits" / "3.0.0" / "dataset_info.json").write_text("{}")
    with pytest.raises(InputError, match="no data set 'emnist/digits'"):
        open_source("emnist/digits", "train", str(tmp_path / "tfds"))


@pytest.mark.parametrize(
    "name", ["./absent.npz", "absent.npz", "absent.zip", "absent/", "~/absent"]
)
def test_a_path_that_is_not_there_is_no_name_for_tfds(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no (file|folder or zip) .*absent.*data.name"):
        open_source(name, "train")


def test_a_wrong_kind_is_told_the_right_one(tmp_path):
    write(tmp_path, ["0.png"])
    with pytest.raises(InputError, match=f"write --config.data.name=images:{tmp_path}$"):
        open_source(f"npz:{tmp_path}", "train")
    with pytest.raises(InputError, match="write --config.data.name=npz:x.npz$"):
        open_source("images:x.npz", "train")


def test_a_class_that_is_not_trained_is_said(tmp_path):
    write(tmp_path, ["train/cat/0.png", "train/dog/0.png", "test/Cat/0.png", "test/dog/1.png"])
    (note,) = [n for n in open_source(f"{tmp_path}/", "train").notes if "not in train" in n]
    assert note == "the class Cat is in test and not in train"


def test_test_images_without_folders_have_no_label(tmp_path):
    write(tmp_path, ["train/cat/0.png", "train/dog/0.png", "test/0.png", "test/1.png"])
    train, test = (open_source(f"{tmp_path}/", split) for split in ("train", "test"))
    assert sorted(train.labels()) == [0, 1] and test.labels().tolist() == [-1, -1]


def test_images_of_other_formats_are_said(tmp_path):
    write(tmp_path, ["0.png", "1.png"])
    for name in ("a.gif", "b.GIF", "c.heic", "notes.txt"):
        (tmp_path / name).write_text("")
    source = open_source(f"{tmp_path}/", "train")
    assert len(source) == 2
    assert source.notes == ("files are not read: 2 that end in .gif, 1 that end in .heic",)


def test_folders_of_one_image_each_are_said(tmp_path):
    write(tmp_path, [f"{i}/0.png" for i in range(101)])
    (note,) = open_source(f"{tmp_path}/", "train").notes
    assert note == "there are 101 classes of 101 images: are they classes?"


def test_a_file_of_no_kind_is_told_the_kinds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set.mat").write_text("")
    with pytest.raises(InputError, match="'set.mat' in .*none that is read: make it a folder"):
        open_source("set.mat", "train", str(tmp_path / "tfds"))
