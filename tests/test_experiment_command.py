"""The command of an experiment: flags, records, the results file, bad input."""

import json
from typing import NamedTuple

import pytest

from iae_jax.errors import InputError
from iae_jax.records.experiment import Measured, main


class Settings(NamedTuple):
    steps: int = 30
    rate: float = 0.5
    name: str = "ring"


def run(settings, seeds):
    """Two metrics whose values show the settings and the seeds."""
    values = [settings.steps + settings.rate * seed for seed in seeds]
    yield Measured("error", settings.name, values, 11, 4.24, "pixels")
    yield Measured("count", "other", list(seeds), 7, 1.0)
    return lambda path: path.write_bytes(b"drawn")


def of(*measured, draw=lambda path: None):
    """A run that measures this."""

    def running(settings, seeds):
        yield from measured
        return draw

    return running


def command(tmp_path, *flags):
    (tmp_path / "docs").mkdir(exist_ok=True)
    return main(
        "experiments/toy.py",
        run,
        Settings(),
        2,
        [f"--results={tmp_path / 'results'}", f"--figures={tmp_path / 'docs'}", *flags],
    )


def test_records(tmp_path):
    assert command(tmp_path, "--seeds=3", "--rate=2.5", "--name=grid") == 0
    written = json.loads((tmp_path / "results" / "toy.json").read_text())
    assert written["experiment"] == "toy"
    first, second = written["records"]
    assert first["metric"] == "error" and first["variant"] == "grid"
    assert first["values"] == [30.0, 32.5, 35.0] and first["mean"] == 32.5 and first["sd"] == 2.5
    assert (first["n_seeds"], first["seeds"], first["n_examples"]) == (3, [0, 1, 2], 11)
    assert first["extractor"] == "pixels" and first["seconds"] == [4.2]
    # What a reader types to get the same: only what was changed.
    assert first["command"] == "python -m experiments.toy --seeds=3 --rate=2.5 --name=grid"
    assert second["metric"] == "count" and second["extractor"] == ""
    keys = (
        "metric variant values mean sd n_seeds seeds n_examples extractor command seconds "
        "device date commit"
    )
    assert sorted(first) == sorted(keys.split())
    assert (tmp_path / "docs" / "toy.png").read_bytes() == b"drawn"


def test_one_seed_has_no_sd(tmp_path):
    assert command(tmp_path, "--seeds=1") == 0
    records = json.loads((tmp_path / "results" / "toy.json").read_text())["records"]
    assert records[0]["sd"] is None


def test_bad_input_is_one_line_and_loses_nothing(tmp_path, capsys):
    assert command(tmp_path) == 0
    before = (tmp_path / "results" / "toy.json").read_bytes()
    for flag, expected in (
        ("--seeds=0", "--seeds is from 1 to 1000, not 0"),
        ("--seeds=1000000000", "--seeds is from 1 to 1000, not 1000000000"),
        ("--first_seed=-1", "--first_seed is from 0 to below 2^31, not -1"),
        ("--stepz=3", "unrecognized arguments: --stepz=3: see --help"),
        ("--steps=abc", "argument --steps: invalid int value: 'abc': see --help"),
    ):
        capsys.readouterr()
        assert command(tmp_path, flag) == 2
        assert capsys.readouterr().err.splitlines() == [f"error: {expected}"]
    assert (tmp_path / "results" / "toy.json").read_bytes() == before


@pytest.mark.parametrize("flag", ["results", "figures"])
def test_a_folder_that_cannot_be_made_is_refused_before_the_run(tmp_path, capsys, flag):
    def never(settings, seeds):
        raise AssertionError("it ran")
        yield

    (tmp_path / "file").write_text("not a folder")
    folders = {"results": tmp_path, "figures": tmp_path} | {flag: tmp_path / "file"}
    status = main(
        "experiments/toy.py",
        never,
        Settings(),
        1,
        [f"--{name}={folder}" for name, folder in folders.items()],
    )
    assert status == 2 and f"choose another --{flag}" in capsys.readouterr().err


def test_folders_are_made(tmp_path):
    flags = [f"--{name}={tmp_path / 'new' / name}" for name in ("results", "figures")]
    assert main("experiments/toy.py", run, Settings(), 1, flags) == 0
    assert (tmp_path / "new" / "figures" / "toy.png").exists()


def test_a_figure_that_fails_does_not_cost_the_numbers(tmp_path):
    def broken(path):
        raise RuntimeError("no font")

    drawn_badly = of(Measured("error", "a", [1.0], 5, 1.0), draw=broken)
    with pytest.raises(RuntimeError, match="no font"):
        main(
            "experiments/toy.py",
            drawn_badly,
            Settings(),
            1,
            [f"--results={tmp_path}", f"--figures={tmp_path}"],
        )
    assert (tmp_path / "toy.json").exists()


@pytest.mark.parametrize("flag", ["--steps=0", "--steps=-3"])
def test_a_count_below_1_is_refused(tmp_path, capsys, flag):
    assert command(tmp_path, flag) == 2
    assert "error: --steps is at least 1" in capsys.readouterr().err


def test_a_value_that_is_not_a_number_is_refused(tmp_path, capsys):
    lost = of(Measured("error", "a", [float("nan")], 5, 1.0))
    status = main(
        "experiments/toy.py",
        lost,
        Settings(),
        1,
        [f"--results={tmp_path}", f"--figures={tmp_path}"],
    )
    assert status == 2 and "error of a is not finite" in capsys.readouterr().err
    assert not (tmp_path / "toy.json").exists()


def test_a_missing_value_is_refused(tmp_path, capsys):
    short = of(Measured("error", "a", [1.0], 5, 1.0))
    status = main(
        "experiments/toy.py",
        short,
        Settings(),
        2,
        [f"--results={tmp_path}", f"--figures={tmp_path}"],
    )
    assert status == 2 and "1 values for 2 seeds" in capsys.readouterr().err
    assert not (tmp_path / "toy.json").exists()


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--rate=-1", "from 0 up"),
        ("--rate=nan", "from 0 up"),
        ("--rate=inf", "from 0 up"),
        ("--rate=0", "above 0"),
    ],
)
def test_an_impossible_number_is_refused_before_the_run(tmp_path, capsys, flag, message):
    assert command(tmp_path, flag) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: --rate is") and message in lines[0]
    assert not (tmp_path / "results").exists()


def test_flags_are_not_abbreviated(tmp_path, capsys):
    assert command(tmp_path, "--step=5") == 2
    assert "unrecognized arguments: --step=5" in capsys.readouterr().err


def test_the_first_seed_is_a_flag(tmp_path):
    """Other seeds are a trial, and its record says which."""
    assert command(tmp_path, "--seeds=2", "--first_seed=7") == 0
    records = json.loads((tmp_path / "results" / "toy.json").read_text())["records"]
    assert records[0]["seeds"] == [7, 8]
    assert "--seeds=2 --first_seed=7" in records[0]["command"]


def test_a_trial_does_not_replace_the_reported_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main("experiments/toy.py", run, Settings(), 2, []) == 0
    reported = (tmp_path / "results" / "toy.json").read_bytes()
    assert (tmp_path / "docs" / "toy.png").exists()
    for flags in (["--steps=2"], ["--seeds=1"]):
        assert main("experiments/toy.py", run, Settings(), 2, flags) == 0
        trial = tmp_path / "runs" / "toy"
        assert (trial / "toy.json").exists() and (trial / "toy.png").exists()
        (trial / "toy.json").unlink()
    assert (tmp_path / "results" / "toy.json").read_bytes() == reported


@pytest.mark.parametrize("interrupted", [False, True])
def test_what_was_measured_before_a_failure_is_kept(tmp_path, capsys, interrupted):
    def failing(settings, seeds):
        yield Measured("error", "a", [1.0], 5, 1.0)
        if interrupted:
            raise KeyboardInterrupt
        raise InputError("the second variant diverged: lower its rate")

    folders = [f"--results={tmp_path}", f"--figures={tmp_path}"]
    if interrupted:
        with pytest.raises(KeyboardInterrupt):
            main("experiments/toy.py", failing, Settings(), 1, folders)
    else:
        assert main("experiments/toy.py", failing, Settings(), 1, folders) == 2
        assert "error: the second variant diverged" in capsys.readouterr().err
    kept = json.loads((tmp_path / "toy.json.partial").read_text())["records"]
    assert [(one["variant"], one["values"]) for one in kept] == [("a", [1.0])]
    assert not (tmp_path / "toy.json").exists()
    assert main("experiments/toy.py", run, Settings(), 1, folders) == 0
    assert not (tmp_path / "toy.json.partial").exists() and (tmp_path / "toy.json").exists()


def test_what_was_measured_is_there_before_the_next_variant(tmp_path):
    """So that a process that is killed leaves it."""

    def looking(settings, seeds):
        yield Measured("error", "a", [1.0], 5, 1.0)
        kept = json.loads((tmp_path / "toy.json.partial").read_text())["records"]
        assert [one["variant"] for one in kept] == ["a"]
        return lambda path: None

    folders = [f"--results={tmp_path}", f"--figures={tmp_path}"]
    assert main("experiments/toy.py", looking, Settings(), 1, folders) == 0
