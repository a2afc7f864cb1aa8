"""Tiny games that several test files play: 3-D data, one hidden layer of 5 units; and draws that
hold given values."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from iae_jax import networks
from iae_jax.game.check import check
from iae_jax.game.game import SIMULTANEOUS, Turns
from iae_jax.objectives import adversarial
from iae_jax.objectives.adversarial import Adversary, Pairing
from iae_jax.objectives.auxiliary import AuxiliaryLoss
from iae_jax.objectives.grid import cell
from iae_jax.sampling import priors
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys
from iae_jax.types import Discriminator, Game, Players

SHAPE = (3,)
LAYOUT = networks.Layout("mlp", hidden=5, depth=1)
RATES = (0.11, 0.13, 0.17, 0.19)  # of SGD, one for each player
CODES = {"vector": (2, 0), "category": (0, 4), "product": (2, 4)}  # size, categories
CELLS = [
    (row, column)
    for row in ("likelihood", "joint_reconstruction")
    for column in ("none", "analytic_kl", "joint_code", "marginal_code")
] + [
    ("joint_model", "none"),
    ("marginal_data", "none"),
    ("joint_reconstruction", "joint_model"),
    ("flipped_likelihood", "marginal_data"),
    ("flipped_reconstruction", "marginal_data"),
    ("cycle_reconstruction", "cycle_marginals"),
]
READS = {
    "joint_reconstruction": ("x", "z"),
    "flipped_reconstruction": ("x", "z"),
    "joint_model": ("x", "z"),
    "marginal_data": ("x",),
    "joint_code": ("x", "z"),
    "marginal_code": ("z",),
}


HEADS = {
    "cycle_reconstruction": (("x", "z"), ("x", "z")),
    "cycle_marginals": (("z",), ("x",)),
}
PAIRINGS = {one.name: one for one in vars(adversarial).values() if isinstance(one, Pairing)}


def players(row: str, column: str, code: str = "vector") -> Players:
    """The networks that a cell of the grid needs, as noisy as the cell allows."""
    size, categories = CODES[code]
    encoder = None
    if row != "marginal_data":
        gaussian = column == "analytic_kl" or row == "flipped_likelihood"
        kind, noise = ("gaussian", 0) if gaussian else ("implicit", 2)
        encoder = networks.encoder(LAYOUT, SHAPE, kind, size, categories, noise)
    likelihood, local = ("bernoulli", 0) if row == "likelihood" else ("none", 2)
    generator = networks.generator(LAYOUT, SHAPE, size, categories, local, "depth", likelihood)
    return Players(encoder, generator, *(discriminator(name, code) for name in (row, column)))


def discriminator(term: str, code: str = "vector") -> Discriminator | None:
    """That of a row or a column, None if it has none."""
    make = partial(networks.discriminator, LAYOUT, SHAPE)
    if term in HEADS:
        return networks.with_heads([make(reads, *CODES[code]) for reads in HEADS[term]])
    return make(READS[term], *CODES[code]) if term in READS else None


def build(
    row: str,
    column: str,
    code: str = "vector",
    adversaries: tuple[Adversary, Adversary] = (Adversary(), Adversary()),
    auxiliary: tuple[AuxiliaryLoss, ...] = (),
    turns: Turns = SIMULTANEOUS,
    ema_decay: float = 0.999,
) -> Game:
    """The game of a cell under SGD, with a learning rate of its own for each player."""
    game = Game(
        players(row, column, code),
        priors.prior("gaussian", *CODES[code]),
        cell(row, column, *adversaries, regularization_weight=0.7, auxiliary=auxiliary),
        Players(*(optax.sgd(rate) for rate in RATES)),
        turns,
        ema_decay=ema_decay,
    )
    return check(game, SHAPE)


def batch(seed: int, *leading: int) -> jax.Array:
    """Asymmetric data in [0, 1]: f32[*leading, 3]."""
    uniform = jax.random.uniform(jax.random.key(seed), (*leading, *SHAPE))
    return uniform ** jnp.array([0.5, 1.0, 3.0])


def drawn(
    batch: dict[str, Any],
    found: dict[Any, Any] | None = None,
    step: Any = 0,
    game: Game | None = None,
    **values: Any,
) -> Draws:
    """Draws that hold values instead of computing them.

    batch: with "x". found: what `of` returns, by its argument. values: encoding, z, x_hat, z_prior
    and x_prior, as far as they are read. game: without one, a game that has nothing but a
    Gaussian prior.
    """
    game = game or Game(Players(), priors.gaussian(2), None, Players())
    keys = example_keys(jax.random.key(0), 0, len(batch["x"]))
    draws = Draws(game, Players(), Noise(keys), batch, step)
    draws.__dict__.update(values)
    draws._found.update(found or {})
    return draws
