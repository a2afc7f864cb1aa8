"""The README: its length, its demo, and its examples, run as they stand there."""

import re
import subprocess
from pathlib import Path

import jax
import numpy as np
import pytest

import iae_jax
from iae_jax.presets import digits

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()
LOADED, OWN_LOOP = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_it_is_short():
    assert len(TEXT.splitlines()) <= 150


def test_the_demo_ends_with_the_page_of_its_run():
    """Trained, evaluated and drawn before; the path is the last that a reader sees."""
    words = ["make", "--no-print-directory", "-n", "demo", "DEMO=somewhere/run"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    *commands, last = [line for line in done.stdout.splitlines() if "somewhere/run" in line]
    launched = [line.partition("iae_jax.launch ")[2].split() for line in commands]
    assert [words[-1] for words in launched] == [
        "--workdir=somewhere/run", "--mode=evaluate", "--mode=page",
    ]  # fmt: skip
    assert last.startswith("echo ") and f"{ROOT}/somewhere/run/page.html" in last
    assert done.stdout.splitlines()[-1] == last


@pytest.fixture
def small(monkeypatch):
    """The preset of the examples, with two steps of small networks."""
    config = digits.get_config()
    config.steps = config.run.steps_per_call = 2
    config.generator.network.width = config.encoder.network.width = 2
    monkeypatch.setattr(digits, "get_config", lambda: config)


@pytest.mark.heavy
def test_the_example_of_a_trained_model(small, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(LOADED, names)
    assert names["x"].shape == names["x_hat"].shape == (16, 8, 8, 1)
    said = re.search(r"z\.vector f32\[(\d+), (\d+)\]", LOADED)
    assert names["z"].vector.shape == tuple(map(int, said.groups()))
    assert all(values.shape == (16,) for values in names["scores"].values())


@pytest.mark.heavy
def test_the_example_of_a_loop_learns_something(small):
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 8, 8, 1), dtype=np.uint8)
    # The example before it has imported these.
    names = {"iae_jax": iae_jax, "digits": digits}
    names["batches"] = [jax.numpy.asarray(x) / 255 for x in images]
    exec(OWN_LOOP, names)
    assert names["x_hat"].shape == (4, 8, 8, 1)
    assert int(names["state"].step) == 2
    assert all(np.isfinite(value) for value in names["metrics"].values())


@pytest.mark.parametrize("page", ["README.md", "docs/experiments.md", "docs/machines.md"])
def test_every_variant_of_a_command_exists(page):
    """Of each `iae-jax --config=NAME:VARIANT` and `sweep NAME --variants=...`."""
    from iae_jax import presets

    text = (ROOT / page).read_text().replace("\\\n", " ")
    known = set(sum((presets.variants_of(name) for name in presets.NAMES), []))
    named = re.findall(r"--config=([\w/:]+)", text)
    for name, variants in re.findall(r"(\w+) --variants=([\w/,]+)", text):
        named += [f"{name}:{variant}" for variant in variants.split(",")]
    assert [one for one in named if one not in known | set(presets.NAMES)] == []
