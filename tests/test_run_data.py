"""The data of a run: what is said of it, whose splits it has, and that it is what its images are,
not where they lie."""

import json
import shutil
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import tiny
from image_folders import save
from test_launch import launch

import iae_jax
import iae_jax.launch
from iae_jax.data import ArraySource, Dataset
from iae_jax.errors import InputError
from iae_jax.runs.config import Config, digest, identity
from iae_jax.runs.data_checks import check_splits, lines_about
from iae_jax.runs.data_config import Data
from iae_jax.runs.data_sets import open_split
from iae_jax.runs.setup import set_up
from iae_jax.runs.workdir import check_unchanged

TINY = str(Path(__file__).parent / "tiny.py")
SPLITS = ("train", "validation", "test")


def write(folder, sizes, seed):
    rng = np.random.default_rng(seed)
    for split, size in sizes.items():
        for i in range(size):
            image = rng.integers(0, 256, (8, 8), dtype=np.uint8)
            save(folder / split / ("dog", "cat")[i % 2] / f"{i}.png", image)
    return folder


def of(name, **fields):
    config = Config()
    config.data = Data(name, **fields)
    return config


def test_the_counts_of_folders_are_those_of_a_run(tmp_path):
    sizes = {"train": 1400, "validation": 100, "test": 50}
    config = of(f"{write(tmp_path / 'photos', sizes, 0)}/")
    sources = [open_split(config, split) for split in SPLITS]
    assert [len(source) for source in sources] == [1400, 100, 50]
    lines = lines_about(config.data.name, *sources)
    assert lines == [
        "photos: 1400 training, 100 validation, 50 test images of 8x8x1, 2 classes",
        "classes: 0 cat, 1 dog",
    ]


def test_validation_is_of_images_from_all_over_the_split(tmp_path):
    """In the order of their classes, as many files are."""
    labels = np.repeat([0, 1, 2], 900)
    images = np.zeros((2700, 8, 8, 1), np.uint8) + labels[:, None, None, None].astype(np.uint8)
    few = {"images": images[::90], "labels": labels[::90]}
    np.savez(
        tmp_path / "set.npz", **few, validation_images=images, validation_labels=labels,
        test_images=few["images"], test_labels=few["labels"],
    )  # fmt: skip
    config = tiny.get_config("vae")
    config.data = of(f"npz:{tmp_path}/set.npz").data
    found = set_up(config).validation
    assert np.bincount(found.labels).tolist() == [334, 333, 333]
    assert (found.x[:, 0, 0, 0] == found.labels).all()


@pytest.mark.heavy
def test_a_moved_set_is_the_same_and_another_one_is_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = {"train": 20, "val": 6, "test": 4}
    write(tmp_path / "photos", sizes, seed=1)

    def run(name, *words):
        given = [f"--config={TINY}", "--workdir=run", "--config.steps=10", *words]
        return launch(*given, f"--config.data.name={name}")

    code, _, err = run("photos/")
    assert code == 0, err
    assert "photos: 20 training, 6 validation, 4 test images of 8x8x1, 2 classes" in err
    assert "classes: 0 cat, 1 dog" in err
    saved = json.loads(Path("run/data.json").read_text())
    assert (saved["classes"], saved["class_names"]) == (2, ["cat", "dog"])

    Path("elsewhere").mkdir()
    shutil.move("photos", "elsewhere/faces")
    moved = f"{tmp_path}/elsewhere/faces"
    code, _, err = run(moved)
    assert code == 0 and "this run is trained to step 10 already" in err
    assert json.loads(Path("run/config.json").read_text())["data"]["name"] == moved
    shutil.move(moved, "gone")
    for words in (["--mode=sample", "--count=2"], ["--mode=encode", "--images=gone/"]):
        code, _, err = launch("--workdir=run", *words)
        assert code == 0, err  # nothing of the run's own set is read
    assert iae_jax.load("run").class_names == ("cat", "dog")
    shutil.move("gone", moved)
    shutil.make_archive("packed", "zip", moved)
    code, _, err = run("images:packed.zip", "--mode=encode")
    assert code == 0, err

    before = Path("run/codes_test.npz").read_bytes()
    write(tmp_path / "others", sizes, seed=2)
    for words in ([], ["--mode=encode"]):
        code, _, err = run("others/", *words)
        assert code == 2 and "has other images than" in err[-1], err
        assert err[:-1] == ([] if words else ["resuming from step 10"])
    assert Path("run/codes_test.npz").read_bytes() == before

    write(tmp_path / "third", sizes, seed=3)
    Path("third/train/ant").mkdir()
    save(Path("third/train/ant/0.png"), np.full((8, 8), 7, np.uint8))
    code, _, err = run("third/", "--allow_config_change")
    assert code == 0 and "this run is trained to step 10 already" in err
    assert json.loads(Path("run/data.json").read_text())["class_names"] == ["cat", "dog"]
    assert json.loads(Path("run/config.json").read_text())["data"]["name"] == moved


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (of("npz:a.npz"), of("/data/b.npz"), True),
        (of("images:a"), of("images:/b.zip"), True),
        (of("a/b"), of("c/"), True),
        (of("a/", labels="x.csv"), of("a/", labels="/y.json"), True),
        (of("digits", also=("y=a/",)), of("digits", also=("y=/b/",)), True),
        (of("npz:a.npz"), of("digits"), False),
        (of("mnist"), of("fashion_mnist"), False),
        (of("module:name"), of("module:other"), False),
        (of("a/"), of("a/", labels="x.csv"), False),
        (of("a/", size=8), of("a/", size=9), False),
        (of("digits", also=("y=a/",)), of("digits", also=("z=a/",)), False),
        (of("npz:a.npz", arrays="images=x"), of("npz:a.npz", arrays="images=y"), False),
    ],
)
def test_a_config_does_not_change_by_where_files_lie(old, new, same):
    saved = identity(old)
    if same:
        check_unchanged(saved, new)
    else:
        with pytest.raises(InputError, match="has another config .data."):
            check_unchanged(saved, new)


def test_runs_of_before_splits_could_be_empty_are_as_they_were():
    """Their configs name all three, and their hashes are in records."""
    before = {"train": "train[:1350]", "validation": "train[1350:]", "test": "test"}
    check_unchanged(identity(of("digits", **before)), of("digits"))
    assert digest(of("digits", **before)) == digest(of("digits")) == digest(Config())
    explicit = {"train": "train[:55000]", "validation": "train[55000:]"}
    check_unchanged(identity(of("mnist", **explicit, test="test")), of("mnist", **explicit))
    assert digest(of("mnist", **explicit, test="test")) == digest(of("mnist", **explicit))
    assert digest(of("mnist", **explicit)) != digest(of("mnist"))
    assert len(open_split(of("digits"), "train")) == 1350


PRESET = """
from iae_jax.runs.config import Config, Data

def get_config(name="mnist"):
    config = Config()
    config.data = Data(name, label_pattern="_(.)" if name != "mnist" else "", shuffled=False,
                       train="train[:55000]", validation="train[55000:]", labels_per_class=3)
    return config
"""


@pytest.mark.parametrize(
    ("words", "splits"),
    [
        (["--config.data.name=photos/"], ("", "", "", True)),
        (["--config.data.name=npz:a.npz"], ("", "", "", True)),
        (["--config.data.name=photos/", "--config.data.test=train"], ("", "", "train", True)),
        (["--config.data.name=fashion_mnist"], ("train[:55000]", "train[55000:]", "", False)),
        ([], ("train[:55000]", "train[55000:]", "", False)),
    ],
)
def test_the_splits_of_a_preset_are_of_its_own_set(tmp_path, monkeypatch, words, splits):
    (tmp_path / "preset.py").write_text(PRESET)
    seen = []
    monkeypatch.setattr(
        iae_jax.launch, "train", lambda config, *_: seen.append(config) or mock.Mock(figure=None)
    )
    code, _, err = launch(f"--config={tmp_path}/preset.py", f"--workdir={tmp_path}/run", *words)
    assert code == 0, err
    data = seen[0].data
    assert (data.train, data.validation, data.test, data.shuffled) == splits
    assert data.labels_per_class == 3


def test_the_files_of_a_preset_may_lie_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "preset.py").write_text(PRESET)
    seen = []
    monkeypatch.setattr(
        iae_jax.launch, "train", lambda config, *_: seen.append(config) or mock.Mock(figure=None)
    )
    words = [f"--config={tmp_path}/preset.py:images:a.zip", "--config.data.name=images:/b/a.zip"]
    assert launch(*words, f"--workdir={tmp_path}/run")[0] == 0
    assert (seen[0].data.train, seen[0].data.label_pattern) == ("train[:55000]", "_(.)")


def test_a_split_beside_one_of_the_user_is_not_cut(tmp_path):
    """It might have the user's images."""
    write(tmp_path, {"train": 10}, 3)
    config = of(f"{tmp_path}/", validation="train[8:]")
    with pytest.raises(InputError, match="split 'test'.*there is train"):
        open_split(config, "test")


def test_images_that_are_in_two_splits_are_said(tmp_path):
    write(tmp_path, {"train": 10}, 4)
    config = of(f"{tmp_path}/", train="train[:8]", validation="train[6:9]", test="train[8:]")
    lines = lines_about("x", *(open_split(config, split) for split in SPLITS))
    assert lines[-1] == "2 of 3 validation examples are training examples too"


def test_splits_of_other_shapes_are_refused():
    def source(*shape, values="unit"):
        x = np.zeros((4, *shape), np.float32)
        return ArraySource(Dataset(x, np.full(4, -1)), None, values)

    check_splits(source(3, 2, 1), {"test": source(3, 2, 1)})
    for other in (source(2, 3, 1), source(3, 2, 1, values="real")):
        with pytest.raises(InputError, match=r"data.test has examples .* and data.train \[3, 2, 1"):
            check_splits(source(3, 2, 1), {"test": other})
