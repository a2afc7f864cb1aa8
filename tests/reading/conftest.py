"""Runs that have lost their data set, and images to read with them."""

import json
import shutil

import numpy as np
import pytest
import tiny
from PIL import Image
from read_runs import COPIES

from iae_jax.runs.data_sets import open_split
from iae_jax.runs.train import train

KINDS = ("vae", "gan", "category")


@pytest.fixture(scope="session")
def trained(data_directory, tmp_path_factory):
    """kind -> the folder of a run, whose data set is no longer where its config says."""
    found = {}
    for kind in KINDS:
        config = tiny.get_config("iae" if kind == "category" else kind)
        config.data.directory, config.steps, config.seed = data_directory, 10, 11
        if kind == "category":
            config.code.categories, config.generator.noise = 4, 2
        found[kind] = tmp_path_factory.mktemp(kind) / "run"
        train(config, found[kind])
        file = found[kind] / "config.json"
        plain = json.loads(file.read_text())
        plain["data"]["directory"] = "/dev/null/gone"
        file.write_text(json.dumps(plain))
    return found


@pytest.fixture
def runs(trained, tmp_path, monkeypatch):
    """Copies of them, and another folder to start from."""
    monkeypatch.chdir(tmp_path)
    return {kind: shutil.copytree(path, tmp_path / kind) for kind, path in trained.items()}


@pytest.fixture(scope="session")
def digits(data_directory):
    config = tiny.get_config()
    config.data.directory = data_directory
    return open_split(config, "test").read(np.arange(40)).x


@pytest.fixture
def folder(tmp_path, digits):
    """Images in two classes, the first six equal."""
    for i, image in enumerate(digits[:20]):
        path = tmp_path / "set" / ("cats" if i < 12 else "dogs") / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits[0, ..., 0] if i < COPIES else image[..., 0]).save(path)
    return tmp_path / "set"
