"""A training whose numbers are no numbers any more stops, and keeps what was good."""

import numpy as np
import pytest
from test_train import assert_same_bits, config_of, state_of

from iae_jax.runs.divergence import Diverged, not_finite
from iae_jax.runs.train import train


@pytest.mark.heavy
def test_a_loss_that_is_not_a_number_stops_the_run_and_keeps_the_good_checkpoint(
    tmp_path, data_directory
):
    good, run = config_of(data_directory), tmp_path / "run"
    train(good, run)
    before = state_of(good, run)
    bad = config_of(data_directory, steps=80)
    for player in (bad.encoder, bad.generator, bad.reconstruction, bad.regularization):
        player.optimizer.kind, player.optimizer.rate = "adam", 1e30
    with pytest.raises(Diverged, match=r"is not finite at step 4\d: .*checkpoint of step 40 is"):
        train(bad, run, allow_config_change=True)
    assert_same_bits(before, state_of(good, run))


@pytest.mark.heavy
def test_a_parameter_that_is_not_a_number_is_not_saved(tmp_path, data_directory, monkeypatch):
    """Losses may still be finite when a parameter no longer is: as if none were looked at."""
    monkeypatch.setattr("iae_jax.runs.train.not_finite", lambda *arguments: "")
    config = config_of(data_directory, steps=10)
    config.generator.optimizer.rate = 1e30
    with pytest.raises(Diverged, match=r"a parameter of the \w+ is not finite at step 10"):
        train(config, tmp_path)
    assert not [path for path in (tmp_path / "checkpoints").iterdir() if path.name.isdecimal()]


def test_the_first_step_and_its_terms_are_named():
    metrics = {
        "kept": np.array([1.0, 2, 3, 4]),
        "late": np.array([1.0, 2, 3, np.nan]),
        "first": np.array([1.0, 2, np.inf, 4]),
    }
    assert not_finite(metrics, 10) == "first is not finite at step 12"
    assert not_finite({"kept": metrics["kept"]}, 10) == ""
