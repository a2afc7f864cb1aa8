"""Games of 3-D data with 4 categories that learn from labels."""

import functools

import games
import jax
import jax.numpy as jnp
import optax

from iae_jax import networks
from iae_jax.game.check import check
from iae_jax.game.game import losses
from iae_jax.objectives.auxiliary import LabelCrossEntropy, SleepLoss
from iae_jax.objectives.grid import cell
from iae_jax.objectives.weights import Weight
from iae_jax.sampling import priors
from iae_jax.sampling.noise import Noise, example_keys
from iae_jax.types import Game, Labelled, Players

LOSSES = {"labels": LabelCrossEntropy(Weight(1.0)), "sleep": SleepLoss(Weight(1.0))}


@functools.cache
def semi(row, *auxiliary):
    """A game of 3-D data with 4 categories, and labelled images."""
    encoder = networks.encoder(games.LAYOUT, games.SHAPE, "deterministic", 0, 4)
    generator = None
    if row == "improved_gan" or "sleep" in auxiliary:
        generator = networks.generator(games.LAYOUT, games.SHAPE, 0, 4, noise=2)
    players = Players(encoder, generator)
    optimizers = Players(*(network and optax.sgd(0.1) for network in players))
    images = Labelled(games.batch(8, 6), jnp.array([3, 0, 1, 2, 2, 1]))
    objective = cell(row, auxiliary=tuple(LOSSES[name] for name in auxiliary))
    built = Game(players, priors.categorical(4), objective, optimizers)
    x = jax.ShapeDtypeStruct((6, 3), jnp.float32)
    labels = jax.ShapeDtypeStruct((6,), jnp.int32)
    return check(built, {"x": x, "labelled": x, "labels": labels}), images


def gradient_of(built, params):
    batch, noise = {"x": games.batch(3, 6)}, Noise(example_keys(jax.random.key(2), 0, 6))
    return jax.grad(lambda params: losses(built, params, noise, batch, 0)[0].encoder)(params)


def largest(tree):
    return max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(tree))
