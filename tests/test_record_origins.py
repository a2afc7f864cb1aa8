"""What a record says of where it comes from, beside its command: versions, the config's hash and
the draw of the labels. Oracle: what is installed, the configs, and arithmetic by hand."""

import ast
import json
import platform
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from test_results import workdir

from experiments import many_images, soak, streaming
from iae_jax.files.installed import VERSIONED, versions
from iae_jax.presets import digits
from iae_jax.records.merge import merge
from iae_jax.records.record import Trainings
from iae_jax.records.results import collect
from iae_jax.runs.config import to_dict
from iae_jax.runs.shared_config import shared_digest

ROOT = Path(__file__).parent.parent


def test_versions_are_of_what_is_installed(monkeypatch):
    found = versions()
    assert (found["python"], found["jax"]) == (platform.python_version(), metadata.version("jax"))
    assert found["iae_jax"] == metadata.version("iae_jax")
    assert {"jax", "jaxlib", "torch", "pythae"} == set(VERSIONED)

    def version(name):
        if name == "pythae":
            raise metadata.PackageNotFoundError
        return f"{name}'s"

    monkeypatch.setattr(metadata, "version", version)
    assert "pythae" not in versions() and versions()["torch"] == "torch's"


def test_whatever_makes_records_says_versions():
    """Of each `Trainings(...)` of the project."""
    calls = 0
    for path in (*ROOT.glob("experiments/*.py"), *ROOT.glob("iae_jax/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Trainings":
                given = Trainings._fields[: len(node.args)]
                assert "versions" in (*given, *(one.arg for one in node.keywords)), path
                calls += 1
    assert calls > 4


def test_a_soak_says_its_origins(tmp_path, monkeypatch):
    monkeypatch.setattr(soak, "killed", lambda *_: 1)
    monkeypatch.setattr(soak, "start", lambda *_: [])
    monkeypatch.setattr(soak, "end", lambda *_: [0])
    monkeypatch.setattr(soak, "final_state", lambda *_: [np.ones(2)])
    monkeypatch.setattr(soak, "lines_lost", lambda *_: 0)
    config = soak.get_config()
    config.steps = 77
    for one in soak.soak("single_process", 2, 77, tmp_path, 5):
        assert one["versions"] == versions()
        assert one["config"] == shared_digest(to_dict(config))


def test_streaming_says_its_origins(tmp_path, monkeypatch):
    run = {"peak_host_megabytes": 1.0, "steps_per_second": 2.0}
    monkeypatch.setattr(streaming, "make", lambda *_: None)
    monkeypatch.setattr(streaming, "trained", lambda *_: run)
    monkeypatch.setattr(streaming, "final_state", lambda *_: [np.ones(2)])
    config = streaming.get_config()
    config.steps = 80
    for one in streaming.measure(2000, 80, tmp_path):
        assert one["versions"] == versions()
        assert one["config"] == shared_digest(to_dict(config))


def test_many_images_say_their_origins(tmp_path, monkeypatch):
    costs = {name: many_images.Cost(3.0, 9.0) for name in ("train", *many_images.MODES)}
    monkeypatch.setattr(many_images, "measure", lambda *_: costs)
    assert many_images.main(["--images=300", f"--results={tmp_path}"]) == 0
    config = digits.get_config()
    config.data.name, config.steps = "images", many_images.STEPS
    config.encoder.network.width = config.generator.network.width = 4
    records = json.loads((tmp_path / "many_images.partial.json").read_text())["records"]
    assert len(records) == 8
    for one in records:
        assert one["versions"] == versions()
        assert one["config"] == shared_digest(to_dict(config))


def labelled(path, seed, count, draw):
    """A run with so many labels of each class."""
    folder = Path(workdir(path, seed, 0.9))
    config = json.loads((folder / "config.json").read_text())
    config["data"] |= {"labels_per_class": count, "draw": draw}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("count", "draw", "draws"),
    [(10, -1, [4, 9]), (10, 6, [6, 6]), (-1, 6, None), (0, -1, None)],
)
def test_the_draw_of_each_seeds_labels_is_recorded(tmp_path, count, draw, draws):
    folders = [labelled(tmp_path / f"{seed}", seed, count, draw) for seed in (4, 9)]
    whole = collect("mnist_reconstruction", "deterministic_20", folders)
    assert [one.get("draws") for one in whole] == [draws] * len(whole)
    first, second = (collect("mnist_reconstruction", "deterministic_20", [one]) for one in folders)
    assert [one.get("draws") for one in merge(second, first)] == [draws] * len(whole)


def test_an_older_record_had_the_draws_of_its_seeds(tmp_path):
    folders = [labelled(tmp_path / f"{seed}", seed, 10, -1) for seed in (9, 4)]
    old, new = (collect("mnist_reconstruction", "deterministic_20", [one]) for one in folders)
    for one in old:
        del one["draws"]
    assert merge(old, new)[0]["draws"] == [4, 9]
