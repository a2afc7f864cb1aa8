"""Other images than a run's own through its model: how they are read, how their labels are
numbered, what is said. Nothing is trained. Oracle: the files written."""

import csv
import re
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from image_folders import save

from iae_jax.data.reading import Reading
from iae_jax.errors import InputError
from iae_jax.runs import tables
from iae_jax.runs.config import Config
from iae_jax.runs.data_config import Data
from iae_jax.runs.images import open_images
from iae_jax.runs.loaded import Model
from iae_jax.runs.model_inputs import images as images_of
from iae_jax.runs.model_outputs import Codes
from iae_jax.runs.request import Request
from iae_jax.runs.visualize import _needed
from iae_jax.types import Players

GREY, COLOUR = (8, 8, 1), (8, 8, 3)
RNG = np.random.default_rng(29)
X = RNG.integers(0, 256, (6, 8, 8), dtype=np.uint8)


def model(shape=GREY, classes=None, names=(), **data):
    """Of a run that was trained on such data."""
    run = SimpleNamespace(config=Config(seed=3, data=Data(**data)), step=7, place="", images=None)
    return Model(run, Players(), shape, "unit", classes, tuple(names))


def write(folder, classes, side=8):
    """An image of each of `X` in its class's folder, "" for none."""
    for i, name in enumerate(classes):
        save(
            folder / name / f"{i}.png", X[i] if side == 8 else np.kron(X[i], np.ones((2, 2), "u1"))
        )
    return f"{folder}/"


def numbered(own, where, **options):
    """The number and the word of each image in the order of `X`."""
    images = open_images(own, "test", where, reading=Reading(**options))
    x, labels = images.read()
    places = [next(i for i, one in enumerate(X) if (one == image[..., 0]).all()) for image in x]
    order = np.argsort(places)
    return images.numbers[labels][order].tolist(), images.called(labels)[order].tolist()


@pytest.mark.parametrize(
    ("names", "classes", "expected"),
    [
        (("ant", "bee", "cat"), ["cat", "bee"], [2, 1]),
        (("0", "1", "2", "3"), ["3", "1"], [3, 1]),
        ((), ["3", "1"], [3, 1]),  # of a run whose classes are numbers
        ((), ["2", "1"], [2, 1]),  # which alone would count from 1
        (("1", "2", "3"), ["3", "2"], [2, 1]),
    ],
)
def test_labels_have_the_numbers_of_the_run(tmp_path, capsys, names, classes, expected):
    own = model(classes=len(names) or 10, names=names)
    assert numbered(own, write(tmp_path / "set", classes)) == (expected, classes)
    assert "-1" not in capsys.readouterr().err


def test_numbers_of_an_npz_are_matched_too(tmp_path):
    np.savez(tmp_path / "a.npz", images=X[:3], labels=[3, 2, 3])
    own = model(classes=3, names=("1", "2", "3"))
    assert numbered(own, f"{tmp_path}/a.npz") == ([2, 1, 2], ["3", "2", "3"])
    np.savez(tmp_path / "a.npz", images=X[:3], labels=[2, 1, 1])  # that alone would be 1, 0, 0
    assert numbered(model(classes=5), f"{tmp_path}/a.npz")[0] == [2, 1, 1]


def test_numbers_are_those_of_words_and_a_line_says_so(tmp_path, capsys):
    np.savez(tmp_path / "a.npz", images=X[:3], labels=[2, 0, -1])
    own = model(classes=3, names=("ant", "bee", "cat"))
    assert numbered(own, f"{tmp_path}/a.npz") == ([2, 0, -1], ["2", "0", ""])
    assert "labels are numbers, of the run's classes ant, bee, cat" in capsys.readouterr().err
    np.savez(tmp_path / "a.npz", images=X[:3], labels=[2, 1, 3])  # which number is "1"?
    assert numbered(own, f"{tmp_path}/a.npz") == ([-1, -1, -1], ["2", "1", "3"])


def test_a_class_that_the_run_does_not_know_is_said_and_keeps_its_word(tmp_path, capsys):
    own = model(classes=2, names=("ant", "cat"))
    where = write(tmp_path / "set", ["dog", "cat", "ant", "eel"])
    assert numbered(own, where) == ([-1, 1, 0, -1], ["dog", "cat", "ant", "eel"])
    line = "classes that the run does not know have the label -1: dog, eel"
    err = capsys.readouterr().err
    assert err.count(line) == 1 and "classes: 0" not in err  # the set's own numbers


def test_a_run_without_labels_keeps_those_of_the_images(tmp_path):
    images = open_images(model(), "test", write(tmp_path / "set", ["dog", "cat"]))
    assert images.class_names == ("cat", "dog")
    assert numbered(model(), f"{tmp_path}/set/") == ([1, 0], ["dog", "cat"])


@pytest.mark.parametrize("kind", ["folder", "npz"])
@pytest.mark.parametrize(
    "data",
    [
        {"name": "npz:a.npz", "arrays": "images=x_train,labels=y_train"},
        {"name": "a/", "size": 8},
        {"name": "a/", "label_pattern": r"_(\d)", "shuffled": False},
        {"name": "a/", "labels": "absent.csv"},
        {"name": "mnist", "train": "train[:9]", "validation": "train[9:]"},
    ],
)
def test_what_a_run_says_of_its_own_set_is_no_hindrance_for_another(tmp_path, data, kind):
    where = write(tmp_path / "set", [""] * 4)
    if kind == "npz":
        np.savez(tmp_path / "b.npz", images=X[:4])
        where = f"npz:{tmp_path}/b.npz"
    images = open_images(model(**data), "test", where)
    np.testing.assert_array_equal(images.read().x[..., 0], X[:4])


def test_another_file_with_the_runs_names_of_arrays_is_read_by_them(tmp_path):
    np.savez(tmp_path / "b.npz", x_train=X[:4], y_train=[1, 0, 2, 1])
    own = model(name="npz:a.npz", arrays="images=x_train,labels=y_train", classes=3)
    assert numbered(own, f"{tmp_path}/b.npz")[0] == [1, 0, 2, 1]


def test_flags_of_the_mode_say_how_files_are_read(tmp_path):
    np.savez(tmp_path / "b.npz", a=X[:3], b=[2, 0, 1], c=X[3:])
    own, where = model(classes=3), f"{tmp_path}/b.npz"
    assert numbered(own, where, arrays="images=a,labels=b")[0] == [2, 0, 1]
    folder = write(tmp_path / "set", [""] * 3)
    assert numbered(own, folder, label_pattern=r"(\d)\.png")[0] == [0, 1, 2]
    (tmp_path / "t.csv").write_text("file,label\n0.png,2\n1.png,0\n")
    assert numbered(own, folder, labels=f"{tmp_path}/t.csv")[0] == [2, 0, -1]
    large = write(tmp_path / "large", ["", ""], side=16)
    images = open_images(own, "test", large, reading=Reading(size=8))
    np.testing.assert_array_equal(images.read().x[..., 0], X[:2])  # means of four equal pixels


def test_grey_images_are_read_by_a_model_of_colours(tmp_path, capsys):
    images = open_images(model(COLOUR), "test", write(tmp_path / "set", ["", ""]))
    x = images.read().x
    np.testing.assert_array_equal(x, np.repeat(X[:2, ..., None], 3, axis=3))
    assert "grey images are read as colours" in capsys.readouterr().err


def test_what_is_done_to_read_images_is_said(tmp_path, capsys):
    np.savez(tmp_path / "b.npz", images=X / 255, other=X)
    open_images(model(), "test", f"{tmp_path}/b.npz")
    err = capsys.readouterr().err
    assert "images: float64 in [0, 1] is rounded to 8 bits" in err
    assert "arrays that are not read: other" in err


ADVICE = [  # what is wrong, and the flag that mends it
    ("sizes", "--size=8"),
    ("large", "--size=8"),
    ("arrays", "--arrays=images=x_train,labels=y_train"),
    ("beside", "--labels={}/labels.csv"),
]


@pytest.mark.parametrize(("case", "flag"), ADVICE)
def test_advice_names_a_flag_of_the_mode_which_works(tmp_path, capsys, case, flag):
    folder, where = tmp_path / "set", f"{tmp_path}/set/"
    if case == "arrays":
        where = f"{tmp_path}/b.npz"
        np.savez(tmp_path / "b.npz", x_train=X[:3], y_train=[2, 0, 1])
    else:
        write(folder, ["", ""], side=8 if case == "beside" else 16)
        save(folder / "2.png", np.zeros((8, 8) if case != "large" else (16, 16), np.uint8))
    (tmp_path / "labels.csv").write_text("file,label\n0.png,2\n1.png,0\n2.png,1\n")
    try:
        open_images(model(classes=3), "test", where)
        said = capsys.readouterr().err
    except InputError as error:
        said = str(error)
    assert flag.format(tmp_path) in said and "--config" not in said
    name, value = re.fullmatch("--(.*?)=(.*)", flag.format(tmp_path)).groups()
    options = {name: int(value) if name == "size" else value}
    images = open_images(model(classes=3), "test", where, reading=Reading(**options))
    assert len(images) == 3 and images.read().x.shape == (3, 8, 8, 1)


@pytest.mark.parametrize(
    ("where", "options", "message"),
    [
        ("npz:absent.npz", {}, "no file absent.npz: check the path in --images$"),
        ("absent/", {}, "no folder or zip absent: check the path in --images$"),
        ("images:b.npz", {}, "is not of that kind: write --images=npz:b.npz$"),
        ("npz:b.npz", {"size": 8}, "^--size is for images:PATH and the data set is npz:b.npz"),
        ("set/", {"arrays": "images=x"}, "^--arrays is for npz:PATH"),
        ("digits", {"labels": "a.csv"}, "^--labels is for images:PATH or npz:PATH"),
        ("set/", {"labels": "a.csv", "label_pattern": "(.)"}, "^--labels and --label_pattern are"),
        ("set/", {"labels": "absent.csv"}, "absent.csv cannot be read .*the path in --labels$"),
        ("npz:b.npz", {"labels": "a.csv"}, "^--labels of an array of images is an npy file"),
        ("npz:b.npz", {"arrays": "x"}, "^--arrays is images=NAME and any of"),
        ("no_such_set", {}, "no data set 'no_such_set'.*check --images and --directory, or run"),
        ("npz:b.npz", {}, r"reads unit values \[8, 8, 1\]: give images of that shape$"),
    ],
)
def test_messages_have_the_flags_of_the_mode(tmp_path, monkeypatch, where, options, message):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "set", ["", ""])
    np.savez("b.npz", images=np.repeat(X, 2, axis=2))
    own = model(directory=str(tmp_path))
    with pytest.raises(InputError, match=message) as error:
        open_images(own, "test", where, reading=Reading(**options))
    assert "\n" not in str(error.value) and "data." not in str(error.value).partition(" run: ")[0]


def test_a_function_of_a_module_gives_its_images(monkeypatch, tmp_path):
    """`json:test` is a split of TFDS's json, since the module has no `test`."""
    (tmp_path / "a_set_of_tests.py").write_text(
        "import numpy as np\nfrom iae_jax.data import ArraySource, Dataset\ndef cats(split, x):\n"
        "    return ArraySource(Dataset(np.full((5, 8, 8, 1), x, 'uint8'), np.zeros(5, int)), 1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    x = open_images(model(), "test", "a_set_of_tests:cats(x=7)").read().x
    assert x.shape == (5, *GREY) and (x == 7).all()
    with pytest.raises(InputError, match="no data set"):
        open_images(model(directory=str(tmp_path)), "test", "json:test")


def test_the_runs_own_images_have_no_flags_but_their_place(tmp_path):
    own = model(name=write(tmp_path / "set", ["", ""], side=16))
    save(tmp_path / "set" / "3.png", X[0])
    with pytest.raises(InputError, match="cannot be opened .*: set data.size=64.* by --images$"):
        open_images(own, "test")
    with pytest.raises(InputError, match="check data.name and --directory, or run"):
        open_images(model(directory=str(tmp_path), name="no_such_set"), "test")


def request(tmp_path, names, **options):
    return Request(model(), tmp_path, images=write(tmp_path / "set", names), **options)


def test_as_many_are_shown_as_there_are_unless_it_is_asked(tmp_path):
    """Of a set that is smaller than the number that a mode shows by default."""
    own = request(tmp_path, [""] * 5)
    assert len(_needed(own, 64)) == 5 and len(_needed(own, 12, each=2)) == 4
    assert len(_needed(own, 3)) == 3
    asked = request(tmp_path, [""] * 5, count=3)
    assert len(_needed(asked, 64)) == 3
    with pytest.raises(InputError, match="this needs 6 images and set has 5: lower --count"):
        _needed(asked, 12, each=2)


def test_whole_numbers_are_no_real_values():
    """8 bits would be read 255 times too large."""
    for kind in ("uint8", "int64"):
        with pytest.raises(InputError, match=rf"x is floats, not {kind}: x.astype\('float32'\)"):
            images_of(np.zeros((2, 3), kind), (3,), "real")
    assert images_of(np.zeros((2, 3), "uint8"), (3,), "unit").dtype == np.uint8
    assert images_of(np.full((2, 3), 7.5), (3,), "real").dtype == np.float32


def test_a_file_says_which_set_it_is_of(tmp_path):
    own = request(tmp_path, ["cat", "dog"])
    with own.npz("x", own.opened()) as writer:
        writer.append({"x": np.arange(3)})
    with np.load(tmp_path / "x.npz") as file:
        assert file["images"] == own.images and (file["step"], file["seed"]) == (7, 3)


class Means(Model):
    """Its code is the mean of an image, and so is its score."""

    def need(self, *players):
        pass

    def encode(self, x, seed=0, first=0):
        return Codes(vector=x.mean(axis=(1, 2)).astype(np.float32))

    def score(self, x, seed=0, first=0):
        return {"pixel_error": x.mean(axis=(1, 2, 3))}


def test_codes_and_scores_have_the_numbers_of_the_run_and_the_words_of_the_set(tmp_path):
    """In more parts than one."""
    words, numbers = ["dog", "cat", "ant", "dog"], [-1, 1, 0, -1]
    write(tmp_path / "set", words)
    run = SimpleNamespace(config=Config(), step=7, game=SimpleNamespace(networks=Players()))
    own = Means(run, Players(), GREY, "unit", 2, ("ant", "cat"))
    asked = Request(own, tmp_path, images=f"{tmp_path}/set/")
    with mock.patch.object(tables, "CHUNK", 3):
        tables.codes(asked)
        tables.scores(asked)
    with np.load(tmp_path / "codes_set.npz") as codes:
        places = [int(name.split("/")[1][0]) for name in codes["names"]]
        assert codes["labels"].tolist() == [numbers[i] for i in places]
        assert codes["classes"].tolist() == [words[i] for i in places]
        assert codes["class_names"].tolist() == ["ant", "cat"]
        means = [X[i].mean() for i in places]
        np.testing.assert_allclose(codes["vector"][:, 0], means, rtol=1e-6)
    with (tmp_path / "scores_set.csv").open(newline="") as file:
        rows = [(row["label"], row["class"]) for row in csv.DictReader(file)]
    assert rows == [("" if numbers[i] < 0 else str(numbers[i]), words[i]) for i in places]
