"""What a mode that reads a run refuses, and what it leaves as it was."""

import json

import numpy as np
import pytest
import tiny
from read_runs import read
from test_launch import launch

import iae_jax
from iae_jax.runs import reading, visualize
from iae_jax.runs.config import from_dict
from iae_jax.runs.ledger import ledger_of

pytestmark = pytest.mark.heavy


REFUSED = [
    ("vae", ["--mode=encode"], "or name others by --images"),
    ("gan", ["--mode=encode", "--images=npz:own.npz"], "has no encoder"),
    ("gan", ["--mode=interpolate", "--select=1,2"], "has no encoder"),
    ("vae", ["--mode=encode", "--images=npz:wide.npz"], "this model reads unit values [8, 8, 1]"),
    ("vae", ["--mode=encode", "--images=npz:none.npz"], "no file none.npz"),
    ("vae", ["--mode=encode", "--images=npz:own.npz", "--count=3"], "--count is for --mode=sample"),
    ("vae", ["--mode=encode", "--category=3"], "--category is for --mode=sample, not for"),
    ("vae", ["--mode=score", "--images=npz:own.npz", "--split=train"], "leave it or --images out"),
    ("vae", ["--mode=score", "--images=npz:own.npz", "--select=40"], "there are 40 images"),
    ("vae", ["--mode=score", "--images=npz:own.npz", "--select=a.png"], "have no names"),
    ("vae", ["--mode=score", "--images=images:set", "--select=a.png"], "no image a.png"),
    ("vae", ["--mode=score", "--images=a b:c:d"], "NAME:SPLIT of TFDS"),
    ("vae", ["--mode=interpolate", "--images=npz:own.npz", "--select=3"], "--select two or more"),
    ("vae", ["--mode=interpolate", "--images=npz:own.npz", "--count=21"], "this needs 42 images"),
    ("vae", ["--mode=sample", "--category=1"], "a category is of models with categories"),
    ("category", ["--mode=sample", "--category=4"], "a category is one of 4, from 0, not 4"),
    ("vae", ["--mode=sample", "--count=0"], "count"),
    ("category", ["--mode=traverse", "--images=npz:own.npz"], "is of codes of the prior"),
    ("vae", ["--output=x"], "--output is for --mode=evaluate, sample"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "words", "message"), REFUSED)
def test_what_cannot_be_done_is_one_line_and_writes_nothing(
    runs, folder, tmp_path, digits, kind, words, message
):
    np.savez(tmp_path / "own.npz", images=digits)
    np.savez(tmp_path / "wide.npz", images=np.repeat(digits, 2, axis=2))
    before = sorted(tmp_path.rglob("*"))
    if not any(word.startswith("--mode") for word in words):
        words = [*words, "--config=" + tiny.__file__]
    code, _, lines = launch(f"--workdir={runs[kind]}", *words)
    assert code == 2 and len(lines) == 1 and message in lines[0], lines
    assert sorted(tmp_path.rglob("*")) == before


def test_a_config_that_is_given_has_to_be_that_of_the_run(runs):
    given = f"--workdir={runs['vae']}", "--mode=sample", f"--config={tiny.__file__}:vae"
    code, _, lines = launch(*given)
    assert code == 2 and "(seed: 11 -> 0; steps: 10 -> 40): leave --config out" in lines[-1]
    assert launch(*given, "--config.steps=10", "--config.seed=11")[0] == 0


def test_an_evaluation_has_the_config_of_the_run(runs, monkeypatch):
    given = []
    monkeypatch.setattr(reading, "evaluate_run", lambda *words: given.append(words))
    assert launch(f"--workdir={runs['vae']}", "--mode=evaluate", "--split=validation")[0] == 0
    saved = from_dict(json.loads((runs["vae"] / "config.json").read_text()))
    noted = ledger_of(runs["vae"])
    place = runs["vae"]
    assert given == [(saved, place, "latest", "validation", noted, place)] and saved.seed == 11


def test_what_is_broken_off_leaves_the_file_of_before(runs, monkeypatch):
    words = "--mode=sample", "--count=300"
    before = read(runs["category"], *words)["x"]
    names = sorted(path.name for path in runs["category"].iterdir())
    decode, calls = iae_jax.runs.loaded.Model.decode, []

    def broken(model, *given, **named):
        calls.append(1)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return decode(model, *given, **named)

    monkeypatch.setattr(visualize, "CHUNK", 100)
    monkeypatch.setattr(iae_jax.runs.loaded.Model, "decode", broken)
    code, _, lines = launch(f"--workdir={runs['category']}", *words, "--category=1")
    assert code == 75 and "No space left" in lines[-1] and len(calls) == 2
    with np.load(runs["category"] / "samples.npz") as file:
        np.testing.assert_array_equal(file["x"], before)
    assert sorted(path.name for path in runs["category"].iterdir()) == names
