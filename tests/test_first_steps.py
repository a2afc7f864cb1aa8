"""The first 30 steps of games and variants are those of the record from before the core was
rebuilt.

`tests/first_steps.md` says which were equal bit for bit when the core was rebuilt, and why others
were not. Other machines and other versions round otherwise. Adam divides each gradient by its own
size, so that a parameter whose gradient is nearly 0 moves by the full rate in a direction that
rounding decides, and such differences grow from step to step: hence a tight tolerance at first and
a loose one later, which still tells another game, seed or schedule.
"""

import itertools

import first_steps
import numpy as np
import pytest
import recorded_games

from iae_jax.runs.config import Config

PLAYED = dict(
    itertools.chain(
        recorded_games.variants(),
        recorded_games.games(),
        recorded_games.small_problems(),
        recorded_games.code_problems(),
    )
)
# As different as can be: between them they have every kind of code, noise, term and loss.
QUICK = (
    "iae:product",
    "vae:gaussian",
    "avb:adaptive_contrast",
    "ali:product",
    "iae:least_squares",
    "iae:diffaugment",
    "iae:worst",
    "improved_gan:devices_pieces",
    "regression:adversarial",
)
EARLY, EARLY_TOLERANCE, LATE_TOLERANCE = 5, 1e-4, 2e-2
# In these deep and narrow networks an error of rounding grows a hundredfold in 10 steps.
AMPLIFYING, AMPLIFYING_STEPS = ("svhn_reconstruction", "celeba_reconstruction"), 3
BFLOAT16, BFLOAT16_TOLERANCE = "/full/", 5e-2  # two digits: of the first step


def windows(name):
    """(steps, tolerance): how near a game's metrics are to the record."""
    if BFLOAT16 in name:
        return ((slice(1), BFLOAT16_TOLERANCE),)
    if name.startswith(AMPLIFYING):
        return ((slice(AMPLIFYING_STEPS), EARLY_TOLERANCE),)
    return ((slice(EARLY), EARLY_TOLERANCE), (slice(EARLY, None), LATE_TOLERANCE))


def metrics_of(name, data_directory):
    """metric -> f32[30], for several seeds f32[S, 30]."""
    played = PLAYED[name]
    if not isinstance(played, Config):
        return first_steps.metrics_of(name, played)
    played.data.directory = data_directory
    return first_steps.metrics_of_seeds(played)


@pytest.mark.heavy
@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in PLAYED],
)
def test_the_first_steps_are_those_of_the_record(name, data_directory):
    found, then = metrics_of(name, data_directory), first_steps.recorded(name)
    assert found.keys() == then.keys() and found
    for metric, expected in then.items():
        # Of a metric's usual size: some pass through 0.
        size = np.abs(expected).mean()
        for steps, tolerance in windows(name):
            np.testing.assert_allclose(
                found[metric][..., steps],
                expected[..., steps],
                rtol=tolerance,
                atol=tolerance * size,
                err_msg=metric,
            )


def test_every_game_of_the_record_is_compared():
    with np.load(first_steps.RECORD) as record:
        assert {key.split("|")[0] for key in record.files} == set(PLAYED)
    assert set(QUICK) <= set(PLAYED)
