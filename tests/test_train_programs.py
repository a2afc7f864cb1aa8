"""The compiled steps of a run: how often they are compiled, on how many devices, and their profile.
The oracle is JAX's own log, or a run on one device."""

import jax
import numpy as np
import pytest
from test_train import config_of, state_of

from iae_jax.errors import InputError
from iae_jax.runs.train import train

pytestmark = pytest.mark.heavy

# What JAX calls the compiled chunk under jit, and what pmap makes of it.
NAMES_OF_THE_STEP = ("jit(_run)", "jit(_fun)", "pmap(_run)")


@pytest.mark.parametrize("devices", [1, 2])
def test_a_step_is_compiled_once(tmp_path, data_directory, devices, caplog):
    config = config_of(data_directory, ema=0.97)  # of no other test, whose program would be found
    config.run.devices = devices
    with jax.log_compiles(), caplog.at_level("WARNING"):
        train(config, tmp_path)
    compiled = [
        r.getMessage()
        for r in caplog.records
        if r.getMessage().startswith("Finished XLA compilation of")
        and any(name in r.getMessage() for name in NAMES_OF_THE_STEP)
    ]
    assert len(compiled) == 1, compiled


def test_a_profile_traces_the_steps(tmp_path, data_directory):
    config = config_of(data_directory)
    config.run.steps_per_call = 20
    train(config, tmp_path, profile=True)
    (trace,) = (tmp_path / "profile").rglob("*.xplane.pb")
    assert b"jit__run" in trace.read_bytes()
    assert len(list((tmp_path / "profile").rglob("*.xplane.pb"))) == 1


def test_a_run_of_one_call_cannot_be_traced(tmp_path, data_directory):
    config = config_of(data_directory, steps=5)
    for _ in range(2):
        with pytest.raises(InputError, match="fewer run.steps_per_call"):
            train(config, tmp_path, profile=True)
        assert not (tmp_path / "profile").exists()
        assert not list((tmp_path / "checkpoints").glob("[0-9]*"))
    train(config, tmp_path)
    with pytest.raises(InputError, match="at most one call left after 5"):
        train(config, tmp_path, profile=True)


def test_several_devices_take_the_same_run(tmp_path, data_directory):
    one, four = config_of(data_directory), config_of(data_directory)
    for config in (one, four):
        for player in (
            config.encoder,
            config.generator,
            config.reconstruction,
            config.regularization,
        ):
            player.optimizer.kind, player.optimizer.rate = "sgd", 0.01
    four.run.devices = 4
    train(one, tmp_path / "one")
    train(four, tmp_path / "four")
    a, b = state_of(one, tmp_path / "one"), state_of(four, tmp_path / "four")
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=2e-4, atol=2e-6), a, b)
