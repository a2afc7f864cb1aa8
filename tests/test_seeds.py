"""Many seeds at once are the same seeds one by one."""

import games
import jax
import numpy as np
import optax
import pytest

from iae_jax import init, train_step
from iae_jax.devices.seeds import DATA, init_seeds, seed_of, train_seeds
from iae_jax.errors import InputError

STEPS = 7


def batch(key):
    """Asymmetric data in [0, 1]: f32[6, 3]."""
    return jax.random.uniform(key, (6, 3)) ** np.array([0.5, 1.0, 3.0], np.float32)


@pytest.fixture(scope="module")
def game():
    return games.build("joint_reconstruction", "marginal_code")


def alone(game, seed):
    """One seed, step by step, without scan or vmap."""
    state = init(game, jax.random.key(seed))
    step = jax.jit(lambda state, x: train_step(game, state, x))
    losses = []
    for t in range(STEPS):
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), DATA), t)
        state, metrics = step(state, batch(key))
        losses.append(metrics["reconstruction"])
    return state, np.array(losses)


def test_seeds_together_are_the_seeds_alone(game):
    states, metrics = train_seeds(game, batch, STEPS, [3, 8], calls=3)
    for index, seed in enumerate([3, 8]):
        expected, losses = alone(game, seed)
        found = seed_of(states, index)
        for a, b in zip(
            jax.tree.leaves((found.params, found.average, found.step)),
            jax.tree.leaves((expected.params, expected.average, expected.step)),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(metrics["reconstruction"][index], losses, rtol=1e-4)


def test_seeds_differ_and_a_seed_is_itself(game):
    once, _ = train_seeds(game, batch, 2, [0, 1])
    again, _ = train_seeds(game, batch, 2, [1])
    leaf = [jax.tree.leaves(s.params.generator)[0] for s in (seed_of(once, 0), seed_of(once, 1))]
    assert not np.allclose(leaf[0], leaf[1])
    np.testing.assert_allclose(
        jax.tree.leaves(seed_of(again, 0).params.generator)[0], leaf[1], rtol=1e-4, atol=1e-6
    )


def test_going_on_from_given_states(game):
    halfway, _ = train_seeds(game, batch, 4, [5])
    on, _ = train_seeds(game, batch, STEPS - 4, [5], states=halfway)
    whole, _ = train_seeds(game, batch, STEPS, [5])
    assert int(on.step[0]) == STEPS
    for a, b in zip(jax.tree.leaves(on.params), jax.tree.leaves(whole.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_reports_come_in_order(game):
    told = []
    train_seeds(game, batch, STEPS, [0, 1], lambda step, metrics: told.append((step, metrics)), 2)
    assert [step for step, _ in told] == [3, 6, 7]
    assert told[0][1]["reconstruction"].shape == (2,)


def test_init_seeds_is_init():
    game = games.build("joint_model", "none")
    states = init_seeds(game, [4, 9])
    for a, b in zip(
        jax.tree.leaves(seed_of(states, 1).params),
        jax.tree.leaves(init(game, jax.random.key(9)).params),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_seed_that_diverges_is_named(game):
    rates = [optax.sgd(1e30) if player else None for player in game.networks]
    with pytest.raises(InputError, match=r"not finite by step \d+ in the seeds \[4, 7\]"):
        train_seeds(game._replace(optimizers=type(game.optimizers)(*rates)), batch, 9, [4, 7])
    with pytest.raises(InputError, match="steps is at least 1"):
        train_seeds(game, batch, 0, [1])
