"""A sweep that measures on another split than the experiment's. The launcher is replaced; oracle:
its words, and which files there are."""

import json
import shutil

import pytest
from sweeps import trained, values

from iae_jax import sweep


@pytest.fixture
def started(monkeypatch):
    """The words of each launch but a training's."""
    words_of = []

    def launch(module, run, *words):
        if not words:
            trained(run, run.changes)
            return
        words_of.append(words)
        for word in words:
            if word.startswith("--split=") and word != "--split=test":
                file = run.workdir / "evaluation_test.json"
                shutil.copy(file, file.with_name(f"evaluation_{word.partition('=')[2]}.json"))

    monkeypatch.setattr(sweep, "launch", launch)
    return words_of


def command(tmp_path, *words):
    return sweep.main(
        ["mnist_reconstruction", f"--runs={tmp_path}", "--variants=vae_20", "--seeds=2", *words]
    )


def test_a_tuning_is_a_record_and_reads_no_test_split(tmp_path, started):
    grid = "--grid=code.size=5,7"
    assert command(tmp_path, grid, "--split=validation") == 0
    assert started == [("--mode=evaluate", "--split=validation")] * 4
    own = tmp_path / "mnist_reconstruction"
    found = json.loads((own / "validation" / "mnist_reconstruction.json").read_text())["records"]
    assert {one["variant"] for one in found} == {"vae_20,code.size=5", "vae_20,code.size=7"}
    assert all(one["command"].endswith("=latest --split=validation") for one in found)
    assert all(one["seeds"] == [0, 1] for one in found)
    assert not (own / "mnist_reconstruction.json").exists()
    # What is recorded of one split is not taken for the other's.
    assert command(tmp_path, grid) == 0
    assert [words[1] for words in started[4:]] == ["--split=test"] * 4
    assert all(words[2].startswith("--test_reads=") for words in started[4:])
    both = [own / "mnist_reconstruction.json", own / "validation" / "mnist_reconstruction.json"]
    assert all(path.is_file() for path in both)
    started.clear()
    assert command(tmp_path, grid, "--split=validation") == 0 and not started
    assert {path.name for path in tmp_path.iterdir()} == {"mnist_reconstruction"}


def test_without_a_grid_the_projects_records_stay_as_they_are(tmp_path, started, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command(tmp_path, "--results=r", "--figures=f") == 0
    before = values(tmp_path, "vae_20")
    for words in (["--split=validation", "--results=r"], ["--split=train", "--results=r"]):
        assert command(tmp_path, *words) == 2
    assert command(tmp_path, "--split=validation") == 0
    assert values(tmp_path, "vae_20") == before
    # The experiment's own split, named.
    assert command(tmp_path, "--split=test", "--results=r", "--figures=f") == 0


def test_a_split_that_has_a_folder_of_its_own_is_one_line(tmp_path, started, capsys):
    assert command(tmp_path, "--split=validation", f"--results={tmp_path}") == 2
    error = capsys.readouterr().err
    assert "--results is of the test split" in error and error.count("\n") == 1
    assert command(tmp_path, "--split=held_out") == 2 and not started
