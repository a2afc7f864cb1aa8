"""The README: its length, its links, and its examples, run as they stand there."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest

from iae_jax.presets import digits

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()
LOADED, OWN_LOOP = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_it_is_short_and_its_links_lead_somewhere():
    assert len(TEXT.splitlines()) <= 150
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    links = {
        (page, link)
        for page in pages
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text())
    }
    assert len(links) > 20
    assert [link for page, link in sorted(links) if not (page.parent / link).exists()] == []


@pytest.mark.heavy
def test_the_example_of_a_trained_model(monkeypatch, tmp_path):
    config = digits.get_config()
    config.steps = config.run.steps_per_call = 2
    config.generator.network.width = config.encoder.network.width = 2
    monkeypatch.setattr(digits, "get_config", lambda: config)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(LOADED, names)
    assert names["x"].shape == names["x_hat"].shape == (16, 8, 8, 1)
    said = re.search(r"z\.vector f32\[(\d+), (\d+)\]", LOADED)
    assert names["z"].vector.shape == tuple(map(int, said.groups()))
    assert all(values.shape == (16,) for values in names["scores"].values())


@pytest.mark.heavy
def test_the_example_of_a_loop_learns_something():
    assert len(OWN_LOOP.strip().splitlines()) <= 13
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 28, 28, 1), dtype=np.uint8)
    names = {"batches": [jax.numpy.asarray(x) / 255 for x in images]}
    exec(OWN_LOOP, names)
    assert names["x_hat"].shape == (4, 28, 28, 1)
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
