"""The config of a run is one, whether the launcher reads its flags or a sweep, and wherever its
files lie. Oracle: what the launcher would train."""

import json
from unittest import mock

import numpy as np
import pytest
from image_folders import save
from test_launch import launch

import iae_jax.launch
from iae_jax.errors import InputError
from iae_jax.records.comparison import column
from iae_jax.records.experiment_module import module_of
from iae_jax.records.results import collect
from iae_jax.records.variants import changed_config, done, runs_of
from iae_jax.runs.config import Config, to_dict
from iae_jax.runs.data_config import Data
from iae_jax.runs.data_sets import open_split
from iae_jax.runs.evaluation import identity_of
from iae_jax.runs.shared_config import shared_digest

OWN = """
from iae_jax.runs.config import Config, Data

def get_config():
    config = Config()
    config.data = Data("mnist", shuffled=False, train="train[:55000]", validation="train[55000:]",
                       labels_per_class=3)
    return config
"""


@pytest.mark.parametrize(
    ("changes", "splits"),
    [
        (("data.name=photos/",), ("", "", True)),
        (("data.name=photos/", "data.train=train[:9]"), ("train[:9]", "", True)),
        (("data.name=fashion_mnist",), ("train[:55000]", "train[55000:]", False)),
        (("code.size=7",), ("train[:55000]", "train[55000:]", False)),
    ],
)
def test_a_sweep_reads_changes_as_the_launcher_does(tmp_path, monkeypatch, changes, splits):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    trained = []
    monkeypatch.setattr(
        iae_jax.launch, "train", lambda config, *_: trained.append(config) or mock.Mock(figure=None)
    )
    words = [f"--config.{change}" for change in changes]
    assert launch("--config=own.py", "--workdir=run", *words)[0] == 0
    module = module_of("own.py")
    config = changed_config(module, "", changes)
    assert to_dict(config) == to_dict(trained[0])
    assert (config.data.train, config.data.validation, config.data.shuffled) == splits
    (run,) = runs_of(module, [""], range(1), tmp_path, [changes])
    record = {"variant": run.name, "config": shared_digest(to_dict(trained[0])), "seeds": [0]}
    assert done(run, [record])


def write(folder, seed):
    rng = np.random.default_rng(seed)
    for i in range(30):
        save(folder / f"{i}.png", rng.integers(0, 256, (6, 5), dtype=np.uint8))
    return f"{folder}/"


def evaluated(workdir, name, seed):
    """What a run leaves that was trained and evaluated on a folder."""
    workdir.mkdir()
    config = Config(seed=seed, data=Data(name))
    record = {
        "metric": "pixel_error", "value": 1.5 + seed, "n": 3, "seed": seed, "split": "test",
        "extractor": "pixels", "config": "c",
    }  # fmt: skip
    evaluation = {
        "data": identity_of(config, "test", open_split(config, "test")),
        "checkpoint": "latest", "step": 9, "classifier_test_accuracy": None, "records": [record],
    }  # fmt: skip
    run = {
        "steps": 9, "steps_per_second": 2.0, "compile_seconds": 1.0, "training_seconds": 3.0,
        "peak_memory_megabytes": 7.0, "device": "1 x cpu", "cores": 2, "commit": "a",
    }  # fmt: skip
    contents = {"config": to_dict(config), "run": run, "evaluation_test": evaluation}
    for file, content in contents.items():
        (workdir / f"{file}.json").write_text(json.dumps(content))
    return evaluation["data"]


def test_seeds_of_a_set_that_was_moved_are_of_one_model(tmp_path, monkeypatch):
    """And those of another set with the same name, in another folder, are not."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    places = [write(tmp_path / "a" / "photos", 1), write(tmp_path / "b" / "faces", 1)]
    other = write(tmp_path / "c" / "photos", 2)
    runs = [tmp_path / name for name in "012"]
    sets = [*places, other]
    said = [evaluated(runs[seed], sets[seed], seed) for seed in range(3)]
    assert said[0] == said[1] != said[2] and said[0].startswith("3 images, ")
    records = {one["metric"]: one for one in collect("own.py", "", runs[:2])}
    assert records["pixel_error"]["values"] == [1.5, 2.5]
    assert len(column(f"{runs[0]},{runs[1]}", "test").values) == 2
    with pytest.raises(InputError, match="seeds were trained with different configs or images"):
        collect("own.py", "", [runs[0], runs[2]])


def test_a_set_of_tfds_is_called_by_its_name(data_directory):
    config = Config(data=Data("digits", directory=data_directory))
    assert identity_of(config, "test", open_split(config, "test")) == "digits test"
    config.data.test = "test[:9]"
    assert identity_of(config, "test", open_split(config, "test")) == "digits test[:9]"
