"""`iae_jax.train` as a function of a program: paths as texts, a callback, what it refuses."""

import json

import pytest
import tiny

import iae_jax
from iae_jax.errors import InputError


@pytest.fixture
def config(data_directory):
    config = tiny.get_config()
    config.data.directory, config.steps, config.run.validate_steps = data_directory, 25, 20
    return config


@pytest.mark.heavy
def test_the_callback_has_each_line_of_the_log(config, tmp_path, monkeypatch):
    """Every run.log_steps steps and at the last one, with what was validated then."""
    monkeypatch.chdir(tmp_path)
    seen = []
    config.run.log_steps = 5

    def callback(step, metrics):
        lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
        seen.append((step, metrics, json.loads(lines[-1])))

    summary = iae_jax.train(config, "run", callback=callback)
    assert summary.step == 25 and [step for step, _, _ in seen] == [5, 10, 15, 20, 25]
    for step, metrics, line in seen:
        assert line.pop("step") == step and metrics == line  # it is written before
        validated = any(name.startswith("validation_") for name in metrics)
        assert validated == (step in (20, 25))


@pytest.mark.heavy
def test_what_a_callback_raises_ends_the_training(config, tmp_path):
    def callback(step, metrics):
        if step == 20:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        iae_jax.train(config, tmp_path / "run", callback=callback)
    assert iae_jax.load(str(tmp_path / "run")).run.step == 10  # the checkpoint before
    assert iae_jax.train(config, tmp_path / "run").step == 25


def test_what_is_no_config_or_path_is_refused(config, tmp_path):
    with pytest.raises(InputError, match="callback is a function, not int"):
        iae_jax.train(config, tmp_path / "none", callback=3)
    assert not (tmp_path / "none").exists()
    with pytest.raises(InputError, match="config is an iae_jax.Config, not dict"):
        iae_jax.train({"steps": 3}, tmp_path)
    for path in (3, None, ""):
        with pytest.raises(InputError, match="the path of a run is a text or a Path, not"):
            iae_jax.train(config, path)
