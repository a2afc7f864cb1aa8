"""Many seeds at once are the same seeds one by one."""

import functools

import games
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from iae_jax.devices import parallel
from iae_jax.devices.parallel import DATA, Chunk
from iae_jax.errors import InputError
from iae_jax.game.step import init, train_step
from iae_jax.runs.config import Config
from iae_jax.runs.divergence import not_finite
from iae_jax.runs.feed import initial_state
from iae_jax.types import Players

STEPS, BATCH = 6, 6
GAME = games.build("joint_reconstruction", "marginal_code")
POSITIONS = {
    seed: np.random.default_rng(seed).integers(0, 9, (STEPS, BATCH)).astype(np.int32)
    for seed in (3, 8)
}


def sample(key):
    """Asymmetric data in [0, 1]: f32[6, 3]."""
    return jax.random.uniform(key, (BATCH, 3)) ** np.array([0.5, 1.0, 3.0], np.float32)


start = jax.jit(jax.vmap(lambda key: init(GAME, key)))


def fresh(seeds):
    return start(jnp.stack([jax.random.key(seed) for seed in seeds]))


def seed_of(states, index):
    return jax.tree.map(lambda leaf: leaf[index], states)


@functools.cache
def chunk():
    """Of data that is drawn on the device."""
    return Chunk(GAME, samplers={"x": sample}, seeds=True)


def train(seeds, calls, states=None):
    """Calls of three steps each."""
    states, parts = fresh(seeds) if states is None else states, []
    for _ in range(calls):
        states, metrics = chunk()(states, {}, steps=3)
        parts.append(jax.device_get(metrics))
    return states, {name: np.concatenate([p[name] for p in parts], axis=1) for name in parts[0]}


@functools.cache
def alone(seed, drawn=True):
    """One seed, step by step, without scan or vmap: (state, losses)."""
    state, losses = seed_of(fresh([seed]), 0), []
    for t in range(STEPS):
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), DATA), t)
        x = sample(key) if drawn else games.batch(1, 9)[POSITIONS[seed][t]]
        state, metrics = step()(state, x)
        losses.append(metrics["reconstruction"])
    return state, np.array(losses)


step = functools.cache(lambda: jax.jit(lambda state, x: train_step(GAME, state, x)))


def assert_same(states, metrics, seeds, drawn=True):
    for index, seed in enumerate(seeds):
        expected, losses = alone(seed, drawn)
        found = seed_of(states, index)
        for a, b in zip(
            jax.tree.leaves((found.params, found.ema, found.step)),
            jax.tree.leaves((expected.params, expected.ema, expected.step)),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(metrics["reconstruction"][index], losses, rtol=1e-4)


@pytest.mark.heavy
def test_seeds_together_are_the_seeds_alone():
    assert_same(*train([3, 8], calls=2), [3, 8])


@pytest.mark.heavy
def test_positions_in_a_set_are_those_of_each_seed():
    """Oracle: the images at these positions, step by step."""
    positions = jnp.asarray(np.stack(list(POSITIONS.values())))
    sets = {"x": games.batch(1, 9)}
    found = Chunk(GAME, seeds=True)(fresh([3, 8]), {"x": positions}, sets=sets)
    assert_same(*found, [3, 8], drawn=False)


@pytest.mark.heavy
def test_data_drawn_on_several_devices_are_those_of_one():
    """Where a batch has nothing that is not drawn there."""
    several = Chunk(GAME, jax.devices("cpu")[:2], samplers={"x": sample})
    state, metrics = several(init(GAME, jax.random.key(3)), {}, steps=STEPS)
    expected, losses = alone(3)
    for a, b in zip(jax.tree.leaves(state.params), jax.tree.leaves(expected.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(metrics["reconstruction"], losses, rtol=1e-3)


def test_sources_that_are_drawn_do_not_follow_each_other(monkeypatch):
    """And "x" has the numbers that it has alone."""
    monkeypatch.setattr(parallel, "train_step", lambda game, state, batch, *_: (state, batch))

    def drawn(*names):
        chunk = Chunk(GAME, samplers=dict.fromkeys(names, sample))
        return chunk(init(GAME, jax.random.key(3)), {}, steps=2)[1]

    found = drawn("x", "y")
    np.testing.assert_array_equal(found["x"], drawn("x")["x"])
    assert not np.isclose(found["x"], found["y"]).all(axis=-1).any()


def test_seeds_differ_and_a_seed_is_itself():
    once, _ = train([0, 1], calls=1)
    again, _ = train([1, 2], calls=1)
    leaf = [jax.tree.leaves(s.params.generator)[0] for s in (seed_of(once, 0), seed_of(once, 1))]
    assert not np.allclose(leaf[0], leaf[1])
    np.testing.assert_allclose(
        jax.tree.leaves(seed_of(again, 0).params.generator)[0], leaf[1], rtol=1e-4, atol=1e-6
    )


def test_going_on_from_given_states():
    halfway, _ = train([5, 6], calls=1)
    on, _ = train([5, 6], calls=1, states=halfway)
    whole, _ = train([5, 6], calls=2)
    assert on.step.tolist() == [STEPS, STEPS]
    for a, b in zip(jax.tree.leaves(on.params), jax.tree.leaves(whole.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_the_initial_states_are_those_of_each_seed():
    config = Config(seed=4)
    config.run.seeds = 3
    states = initial_state(GAME, config, None)  # no network starts from data
    assert states.step.shape == (3,)
    for a, b in zip(
        jax.tree.leaves(seed_of(states, 1).params),
        jax.tree.leaves(init(GAME, jax.random.key(5)).params),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_seed_that_diverges_is_seen():
    rates = Players(*(optax.sgd(1e30) for _ in GAME.networks))
    wild = Chunk(GAME._replace(optimizers=rates), samplers={"x": sample}, seeds=True)
    _, metrics = wild(fresh([4, 7]), {}, steps=9)
    metrics = jax.device_get(metrics)
    bad = ~np.isfinite(np.stack(list(metrics.values()))).all(axis=(0, 1))
    assert bad.any()
    assert f"is not finite at step {20 + np.argmax(bad)}" in not_finite(metrics, 20)


def test_several_seeds_are_of_one_device():
    with pytest.raises(InputError, match="several seeds .* set run.devices=1"):
        Chunk(GAME, jax.devices("cpu")[:2], seeds=True)
