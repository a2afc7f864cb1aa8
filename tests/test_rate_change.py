"""What a changed config does to the learning rates, against the cosine by hand."""

import math

import pytest
import tiny

from iae_jax.runs.config import Config
from iae_jax.runs.rate_change import rate_changes
from iae_jax.runs.train import train


def cosine(share, final):
    return final + (1 - final) * (1 + math.cos(math.pi * share)) / 2


def test_twice_the_steps_raise_the_rate_and_one_line_says_so():
    """At the end of a cosine to 5 % of the rate, which is halfway of twice the steps."""
    old, new = Config(steps=300), Config(steps=600)
    for config in (old, new):
        config.encoder.optimizer.rate = 4e-3
        config.regularization.optimizer.decay = "constant"
    text = rate_changes(old, new, 300)
    assert "\n" not in text and "at step 300: of encoder from 0.0002 (5%) to 0.0021 (52%)" in text
    # 2e-4 is the rate of the others.
    assert "; of generator, reconstruction from 1e-05 (5%) to 0.000105 (52%) of its larg" in text
    assert "regularization" not in text
    assert "--config.encoder.optimizer.rate=0.0002 --config.encoder.optimizer.decay=co" in text
    late = rate_changes(old, new, 200)
    before, after = cosine(2 / 3, 0.05), cosine(1 / 3, 0.05)
    assert f"from {4e-3 * before:.3g} ({before:.0%}) to {4e-3 * after:.3g} ({after:.0%})" in late


def test_a_rate_that_stays_is_not_mentioned():
    old, new = Config(steps=300), Config(steps=300, batch_size=32)
    assert rate_changes(old, new, 120) == ""
    new.steps = 301  # by less than a hundredth
    assert rate_changes(old, new, 120) == ""
    for player in ("encoder", "generator", "reconstruction", "regularization"):
        for config in (old, new):
            getattr(config, player).optimizer.decay = "constant"
    new.steps = 900
    assert rate_changes(old, new, 120) == ""
    new.generator.optimizer.rate = 1e-3
    assert "of generator from 0.0002 (100%) to 0.001 (100%)" in rate_changes(old, new, 120)
    old.generator.optimizer.warmup_steps = -1  # refused today: nothing is said of it
    assert rate_changes(old, new, 120) == ""


@pytest.mark.heavy
def test_a_run_that_goes_on_says_it(tmp_path, data_directory, capsys):
    config = tiny.get_config()
    config.data.directory, config.steps = data_directory, 20
    train(config, tmp_path)
    train(config, tmp_path)
    assert "learning rate" not in capsys.readouterr().err
    config.steps = 40
    train(config, tmp_path, allow_config_change=True)
    (told,) = [one for one in capsys.readouterr().err.splitlines() if "learning rate" in one]
    assert (
        "at step 20: of encoder, generator, reconstruction, regularization from 1e-05 (5%)" in told
    )
    assert "to 0.000105 (52%)" in told
