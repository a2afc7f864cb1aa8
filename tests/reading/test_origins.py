"""What is written says what it is of, and replaces nothing that is of something else. The runs are
of files, which move, change and go."""

import contextlib
import shutil
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import tiny
from image_folders import save
from read_runs import read
from test_launch import launch

import iae_jax
from iae_jax.errors import InputError
from iae_jax.runs import evaluation
from iae_jax.runs.train import train

pytestmark = pytest.mark.heavy
SIZES = {"train": 20, "val": 6, "test": 5}


def write(folder, seed, splits=SIZES):
    rng = np.random.default_rng(seed)
    for split in splits:
        for i in range(SIZES[split]):
            image = rng.integers(0, 256, (8, 8), dtype=np.uint8)
            save(folder / split / ("dog", "cat")[i % 2] / f"{i}.png", image)
    return folder


def train_in(where, name, workdir, batch_size=16, checkpoints=""):
    """A run of a folder that lies in `where`, as from there."""
    config = tiny.get_config("vae")
    config.data.name, config.steps = name, 10
    config.batch_size, config.run.checkpoints = batch_size, checkpoints
    with contextlib.chdir(where):
        train(config, workdir)


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A run of the folder `photos`, beside it."""
    where = tmp_path_factory.mktemp("files")
    write(where / "photos", seed=1)
    train_in(where, "photos/", "run")
    return where


@pytest.fixture
def here(once, tmp_path, monkeypatch):
    """A copy of it, to start from."""
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(*words):
    """The one line of a command that does nothing."""
    code, out, err = launch(*words)
    assert (code, out) == (2, ""), (out, err)
    return err[-1]


@pytest.mark.parametrize("mode", ["encode", "score"])
def test_the_same_words_in_another_folder_are_other_images(here, monkeypatch, mode):
    for seed in (2, 3):
        write(here / str(seed) / "some", seed, splits=("test",))
    run, output = f"--workdir={here / 'run'}", f"--output={here / 'o'}"
    words = run, f"--mode={mode}", "--images=some/", output
    monkeypatch.chdir(here / "2")
    assert launch(*words)[0] == 0
    (path,) = [one for one in (here / "o").iterdir() if "some" in one.name]
    before = path.read_bytes()
    monkeypatch.chdir(here / "3")
    assert "is of other images (some/): move it away" in refused(*words)
    assert path.read_bytes() == before
    monkeypatch.chdir(here)  # the same images by other words
    for same in ("--images=2/some/", f"--images=images:{here / '2' / 'some'}"):
        assert launch(run, f"--mode={mode}", same, output)[0] == 0
    monkeypatch.setenv("HOME", str(here))
    assert launch(run, f"--mode={mode}", "--images=~/2/some/", output)[0] == 0


def test_the_codes_of_another_model_are_kept_in_another_folder_than_its_own(here):
    train_in(here, "photos/", "second", batch_size=8)
    words = "--mode=encode", f"--output={here / 'o'}"
    first = read(here / "run", *words)
    text = refused("--workdir=second", *words)
    assert f"is of another model (config {first['config']}): move it away" in text
    assert read(here / "run", *words)["config"] == first["config"]


def test_changed_test_images_are_others(here):
    write(here / "changed", seed=1)
    shutil.rmtree(here / "changed" / "test")
    write(here / "changed", seed=4, splits=("test",))
    for mode in ("encode", "score", "evaluate"):
        text = refused("--workdir=run", f"--mode={mode}", "--data=changed/")
        assert "changed/: the test images are others than in the training: name the place" in text
    assert not (here / "run" / "test_reads.jsonl").exists()
    of_training = "--mode=encode", "--split=train", "--data=changed/"
    assert len(read(here / "run", *of_training)["labels"]) == SIZES["train"]


def test_moved_images_are_the_same(here):
    first = read(here / "run", "--mode=encode")
    shutil.move("photos", "moved")
    for mode in ("encode", "evaluate", "reconstruct"):
        text = refused("--workdir=run", f"--mode={mode}")
        assert "no folder or zip photos" in text and "say by --data where its files lie" in text
    said = refused("--workdir=run", "--mode=encode", "--data=moved")
    assert said == "error: --data=moved is no path: write --data=moved/"
    again = read(here / "run", "--mode=encode", "--data=moved/")
    np.testing.assert_array_equal(again["mean"], first["mean"])
    assert again["fingerprint"] == first["fingerprint"]


def test_labels_that_are_gone_are_told(here):
    rng, lines = np.random.default_rng(5), ["file,label"]
    for i in range(40):
        save(here / "flat" / f"{i}.png", rng.integers(0, 256, (8, 8), dtype=np.uint8))
        lines.append(f"{i}.png,{('dog', 'cat')[i % 2]}")
    (here / "flat" / "labels.csv").write_text("\n".join(lines))
    train_in(here, "flat/", "second")
    said = "these images have no labels, and the run has 2 classes"
    for there in (True, False):
        code, _, err = launch("--workdir=second", "--mode=encode")
        assert code == 0 and (said in err) != there, err
        (here / "flat" / "labels.csv").unlink(missing_ok=True)


def test_images_of_a_zip_from_windows_are_selected_by_name(here):
    with zipfile.ZipFile("win.zip", "w") as file:
        for path in sorted((here / "photos" / "test").rglob("*.png")):
            info = zipfile.ZipInfo()
            info.filename = f"{path.parent.name}\\{path.name}"  # which its __init__ would change
            file.writestr(info, path.read_bytes())
    words = "--mode=reconstruct", "--images=win.zip"
    assert read(here / "run", *words, "--select=1.png")["names"].tolist() == ["cat/1.png"]
    assert read(here / "run", *words, "--select=dog/4.png")["names"].tolist() == ["dog/4.png"]


def test_what_cannot_be_written_is_known_before_minutes_of_measuring(here):
    (here / "file").write_text("")
    with mock.patch.object(evaluation, "evaluate", side_effect=AssertionError):
        text = refused("--workdir=run", "--mode=evaluate", "--output=file")
    assert "cannot write in file" in text and "choose another --output" in text
    assert not (here / "run" / "test_reads.jsonl").exists()
    before = sorted((here / "run").iterdir())
    assert launch("--workdir=run", "--mode=evaluate", "--output=o")[0] == 0
    assert sorted(path.name for path in (here / "o").iterdir()) == [
        "evaluation_test.json", "test_reads.jsonl",
    ]  # fmt: skip
    assert sorted((here / "run").iterdir()) == before


def test_a_home_is_the_same_in_every_place(here, monkeypatch):
    monkeypatch.setenv("HOME", str(here / "home"))
    train_in(here, "photos/", "second", checkpoints="~/kept")
    assert any((here / "home" / "kept").iterdir()) and not Path("~").exists()
    (here / "home").rename(here / "house")
    monkeypatch.setenv("HOME", str(here / "house"))
    assert launch("--workdir=second", "--mode=sample", "--count=1")[0] == 0
    assert launch("--workdir=run", "--mode=score", "--test_reads=~/reads.jsonl")[0] == 0
    assert (here / "house" / "reads.jsonl").is_file() and not Path("~").exists()


def test_an_empty_flag_is_no_flag(here):
    """As an unset variable of a shell leaves it."""
    for flag in ("images", "select", "data", "output", "test_reads"):
        text = refused("--workdir=run", "--mode=encode", f"--{flag}=")
        assert text == f"error: --{flag} is empty: say what it is, or leave it out"


def test_in_python_nothing_is_said_of_flags(here):
    for path, words in (("nowhere", {}), ("run", {"checkpoint": "x"})):
        with pytest.raises(InputError) as caught:
            iae_jax.load(path, **words)
        assert "--" not in str(caught.value)
    assert iae_jax.load("run", checkpoint=np.int64(10)).run.step == 10
