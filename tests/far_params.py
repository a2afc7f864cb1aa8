"""Parameters with nothing at 0, far from those of the start: an identity or a mask that only holds
there is seen."""

import jax
import jax.numpy as jnp


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape, jnp.float64)


def moved(made, scale=0.4):
    """Of anything that has an `init`."""
    leaves, tree = jax.tree.flatten(made.init(jax.random.key(0)))
    return tree.unflatten([scale * normal(i, *leaf.shape) for i, leaf in enumerate(leaves)])
