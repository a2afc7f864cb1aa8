"""Implicit autoencoders and their family as pure functions.

The names in reading order. Importing this loads jax, flax and optax only; data, checkpoints,
figures and the launcher are imported where they are used.
"""

from iae_jax.devices.parallel import compile_chunk, compile_step
from iae_jax.errors import InputError
from iae_jax.game.game import (
    ALTERNATING,
    SIMULTANEOUS,
    TWO_TO_ONE,
    build,
    by_step,
    losses,
    noise_of,
    own_gradients,
)
from iae_jax.game.step import init, train_step
from iae_jax.objectives.grid import Adversary, Objective, cell, check
from iae_jax.objectives.scoring import HINGE, KL, LEAST_SQUARES, NON_SATURATING, REVERSE_KL, Scoring
from iae_jax.objectives.terms import R1, Pairing, Term, adversarial
from iae_jax.sampling.draws import draw, example_keys
from iae_jax.sampling.model import decode, encode, generate, reconstruct
from iae_jax.types import Code, Game, Players, TrainState

__all__ = [
    "draw",
    "example_keys",
    "ALTERNATING",
    "SIMULTANEOUS",
    "TWO_TO_ONE",
    "build",
    "by_step",
    "losses",
    "noise_of",
    "own_gradients",
    "Adversary",
    "Objective",
    "cell",
    "check",
    "compile_chunk",
    "compile_step",
    "decode",
    "encode",
    "generate",
    "reconstruct",
    "HINGE",
    "KL",
    "LEAST_SQUARES",
    "NON_SATURATING",
    "REVERSE_KL",
    "Scoring",
    "init",
    "train_step",
    "R1",
    "Pairing",
    "Term",
    "adversarial",
    "Code",
    "Game",
    "InputError",
    "Players",
    "TrainState",
]
