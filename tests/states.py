"""A small state to save in checkpoints, and what the tests of checkpoints do with it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iae_jax.runs.checkpoint import Checkpoints
from iae_jax.types import Players, TrainState

CONFIG = {"optimizer": {"rate": 2e-4, "betas": (0.5, 0.9)}, "name": "digits", "noise": None}


def optimizer():
    return optax.adam(1e-3)


def init(width=500, impl="threefry2x32"):
    """A state with two absent players, several dtypes and arrays without elements.

    OCDBT checks its own nodes, where arrays up to 1 kB are; the kernels are larger than that.
    """

    def network(n):
        half = jnp.zeros((n,), jnp.bfloat16)
        return {"kernel": jnp.zeros((n, width)), "half": half, "no_noise": jnp.zeros((0, width))}

    params = Players(encoder=network(3), regularization_discriminator=network(4))
    opt_state = Players(*(theta and optimizer().init(theta) for theta in params))
    ema = params._replace(regularization_discriminator=None)
    key = jax.random.key(0, impl=impl)
    return TrainState(jnp.zeros((), jnp.int32), key, params, opt_state, ema)


def at(step, seed=0, impl="threefry2x32"):
    """A state of that step, random in every other array."""
    rng = np.random.default_rng(seed)
    template = jax.eval_shape(partial(init, impl=impl)).replace(step=None, key=None)
    state = jax.tree.map(
        lambda a: jnp.asarray((9 * rng.standard_normal(a.shape)).astype(a.dtype)), template
    )
    return state.replace(step=jnp.int32(step), key=jax.random.key(seed, impl=impl))


@jax.jit
def advance(state):
    """A step that changes every array but the key."""
    params, opt_state = [], []
    for theta, memory in zip(state.params, state.opt_state, strict=True):
        if theta is not None:
            updates, memory = optimizer().update(jax.tree.map(jnp.cos, theta), memory)
            theta = optax.apply_updates(theta, updates)
        params.append(theta)
        opt_state.append(memory)
    ema = jax.tree.map(lambda a: a * 1.01, state.ema)
    return TrainState(state.step + 1, state.key, Players(*params), Players(*opt_state), ema)


def arrays(state):
    """numpy copies of every array; of a key, its data."""
    state = state.replace(key=jax.random.key_data(state.key))
    return jax.tree.map(lambda a: np.array(a, copy=True), state)


def same(state, expected):
    """Bitwise, dtypes and structure included."""
    got = arrays(state)
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    return all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True)
    )


TEMPLATE = jax.eval_shape(init)


def save(directory, *states, **options):
    with Checkpoints(directory, **{"keep": 3, **options}) as checkpoints:
        for state in states:
            checkpoints.save(state, CONFIG, {}, {"lines": int(state.step)})


def load(directory):
    with Checkpoints(directory, keep=3) as checkpoints:
        return checkpoints.restore(TEMPLATE)


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)
