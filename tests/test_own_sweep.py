"""Sweeps of presets and of config files of one's own, with the launcher replaced."""

import csv
import json

import numpy as np
import pytest
from sweeps import trained

from iae_jax import sweep
from iae_jax.records.experiment_module import config_of, module_of
from iae_jax.runs.config import to_dict

OWN = """from iae_jax.runs.config import Config

def get_config():
    return Config(steps=17)
"""
VARIED = """from iae_jax.runs.config import Config

VARIANTS, SEEDS = ("short", "long"), 1

def get_config(variant):
    return Config(steps={"short": 17, "long": 90}[variant])
"""


@pytest.fixture
def started(tmp_path, monkeypatch):
    """The launcher's words for each training; it leaves the files of a run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("iae_jax.records.experiment_module.ROOM", "experiments_of_another_folder")
    words, real = [], sweep.subprocess.Popen

    def popen(command, **_):
        assert command[1:3] == ["-m", "iae_jax.launch"]
        words.append(command[3:])
        if not any(word.startswith("--mode") for word in command):
            leave(command)
        return type("Process", (), {"wait": lambda self: 0, "send_signal": None})()

    monkeypatch.setattr(sweep.subprocess, "Popen", popen)
    assert real is not popen
    return words


def leave(command):
    flags = dict(word.lstrip("-").split("=", 1) for word in command[3:])
    name, _, variant = flags["config"].partition(":")
    config = config_of(module_of(name), variant)
    config.seed = int(flags["config.seed"])
    if "config.code.size" in flags:
        config.code.size = int(flags["config.code.size"])
    run = type("R", (), {"workdir": sweep.Path(flags["workdir"]), "seed": config.seed})
    run.variant = "vae_20"
    trained(run)
    (run.workdir / "config.json").write_text(json.dumps(to_dict(config)))
    assert np.load(run.workdir / "reconstructions.npz")


def records(path):
    return {(one["variant"], one["metric"]): one for one in json.loads(path.read_text())["records"]}


def test_a_config_file_without_variants(tmp_path, started):
    (tmp_path / "mine.py").write_text(OWN)
    assert sweep.main(["mine.py", "--seeds=2", "--csv=t/all.csv"]) == 0
    assert [words[0] for words in started] == ["--config=mine.py"] * 4
    assert [words[2] for words in started] == ["--config.seed=0"] * 2 + ["--config.seed=1"] * 2
    assert all(words[1].startswith("--workdir=runs/mine/") for words in started)
    record = records(tmp_path / "runs" / "mine" / "mine.json")["default", "pixel_error"]
    assert record["seeds"] == [0, 1]
    assert record["command"].startswith(
        "python -m iae_jax.launch --config=mine.py --workdir=DIR --config.seed=SEED;"
    )
    rows = list(csv.DictReader((tmp_path / "t" / "all.csv").open()))
    assert [(row["variant"], row["seed"]) for row in rows] == [("default", "0"), ("default", "1")]
    # Neither the project's folders nor a figure.
    assert {path.name for path in tmp_path.iterdir()} == {"mine.py", "runs", "t"}
    started.clear()
    assert sweep.main(["mine.py", "--seeds=2"]) == 0 and not started


def test_a_random_search_over_a_file_with_variants(tmp_path, started):
    (tmp_path / "varied.py").write_text(VARIED)
    words = ["varied.py", "--random=3", "--range=code.size=2..90", "--random_seed=5"]
    assert sweep.main([*words, "--csv=all.csv"]) == 0
    trainings = [one for one in started if len(one) == 4]
    assert len(trainings) == 6 and {one[0] for one in trainings} == {
        "--config=varied.py:short", "--config=varied.py:long",
    }  # fmt: skip
    sizes = [one[3].partition("code.size=")[2] for one in trainings]
    assert len(set(sizes)) == 3 and sizes[:3] == sizes[3:]
    rows = list(csv.DictReader((tmp_path / "all.csv").open()))
    assert [row["code.size"] for row in rows] == sizes and rows[0]["variant"] == "short"
    started.clear()
    assert sweep.main(words) == 0 and not started  # the same ones, which are there


def test_a_preset(tmp_path, started):
    assert sweep.main(["digits", "--seeds=1", "--first_seed=6"]) == 0
    assert started[0][0] == "--config=digits" and started[0][2] == "--config.seed=6"
    assert ("default", "pixel_error") in records(tmp_path / "runs" / "digits" / "digits.json")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent.py"], "there is no file absent.py"),
        (["digitz"], "no experiment or preset digitz (do you mean digits?)"),
        (["mine.py", "--variants=a"], "mine has no variants, and --variants names a"),
        (["needs.py"], "needs has no VARIANTS: name them, --variants=A,B"),
        (["wrong.py"], "get_config of wrong returns <class 'int'>, no Config"),
        (["empty.py"], "empty.py has no configs"),
        (["half.py"], "cannot run half.py (SyntaxError: "),
        (["reads.py"], "cannot run reads.py (FileNotFoundError: "),
        (["mine.py", "--range=code.size=1..3"], "--range is for --random=N: say how many"),
        (["mine.py", "--random=0", "--range=code.size=1..3"], "--random is from 1 to 10000"),
        (["mine.py", "--random=2", "--range=code.sise=1..3"], "code.sise (do you mean code.size?)"),
        (["mine.py", "--random=2", "--range=code.size=1..9.5"], "--grid and --range: "),
    ],
)
def test_bad_input_is_one_line_and_runs_nothing(tmp_path, started, capsys, words, message):
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "needs.py").write_text("def get_config(variant):\n    return 3\n")
    (tmp_path / "wrong.py").write_text("def get_config():\n    return 3\n")
    (tmp_path / "empty.py").touch()
    (tmp_path / "half.py").write_text("def get_config(:\n")
    (tmp_path / "reads.py").write_text("open('absent.txt')\n")
    assert sweep.main(words) == 2 and not started
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "runs").exists()
