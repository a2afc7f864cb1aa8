"""Tiny games that several test files play: 3-D data, one hidden layer of 5 units."""

import jax
import jax.numpy as jnp
import optax

from iae_jax import networks
from iae_jax.game import game
from iae_jax.objectives import grid as objectives
from iae_jax.objectives import terms
from iae_jax.objectives.grid import Adversary
from iae_jax.sampling import priors
from iae_jax.types import Game, Players

SHAPE = (3,)
LAYOUT = networks.Layout("mlp", hidden=5, depth=1)
CODES = {"vector": (2, 0), "category": (0, 4), "product": (2, 4)}  # size, categories
CELLS = [
    (row, column)
    for row in ("likelihood", "joint_reconstruction")
    for column in ("none", "analytic_kl", "joint_code", "marginal_code")
] + [("joint_model", "none"), ("marginal_data", "none")]
READS = {
    "joint_reconstruction": ("x", "z"),
    "joint_model": ("x", "z"),
    "marginal_data": ("x",),
    "joint_code": ("x", "z"),
    "marginal_code": ("z",),
}


def players(row: str, column: str, code: str = "vector") -> Players:
    """The networks that a cell of the grid needs, as noisy as the cell allows."""
    size, categories = CODES[code]
    encoder = None
    if row != "marginal_data":
        kind, noise = ("gaussian", 0) if column == "analytic_kl" else ("implicit", 2)
        encoder = networks.encoder(LAYOUT, SHAPE, kind, size, categories, noise)
    likelihood, local = ("bernoulli", 0) if row == "likelihood" else ("none", 2)
    generator = networks.generator(LAYOUT, SHAPE, size, categories, local, "depth", likelihood)
    discriminators = [
        name in READS
        and networks.discriminator(LAYOUT, SHAPE, READS[name], size, categories)
        or None
        for name in (row, column)
    ]
    return Players(encoder, generator, *discriminators)


def build(
    row: str,
    column: str,
    code: str = "vector",
    adversaries: tuple[Adversary, Adversary] = (Adversary(), Adversary()),
    charges: tuple[terms.Term, ...] = (),
    turns: tuple[tuple[str, ...], ...] = game.SIMULTANEOUS,
    decay: float = 0.999,
) -> Game:
    """The game of a cell under SGD, with a learning rate of its own for each player."""
    return game.build(
        players(row, column, code),
        priors.standard(*CODES[code]),
        objectives.cell(row, column, *adversaries, regularization_weight=0.7, charges=charges),
        Players(*(optax.sgd(rate) for rate in (0.11, 0.13, 0.17, 0.19))),
        turns,
        decay=decay,
    )


def batch(seed: int, *leading: int) -> jax.Array:
    """Asymmetric data in [0, 1]: f32[*leading, 3]."""
    uniform = jax.random.uniform(jax.random.key(seed), (*leading, *SHAPE))
    return uniform ** jnp.array([0.5, 1.0, 3.0])
