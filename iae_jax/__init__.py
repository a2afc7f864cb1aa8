"""Implicit autoencoders and their family as pure functions.

The public names, in reading order. Importing this loads jax, flax, optax and chex only; data,
checkpoints, figures and the launcher are imported where they are used.
"""

from iae_jax.devices.parallel import Chunk, compile_step
from iae_jax.errors import InputError
from iae_jax.game.check import check, inspect
from iae_jax.game.game import ALTERNATING, SIMULTANEOUS, TWO_TO_ONE
from iae_jax.game.optimizers import by_step
from iae_jax.game.step import init, train_step
from iae_jax.objectives.adversarial import R1, Adversary, Pairing
from iae_jax.objectives.grid import Objective, cell
from iae_jax.objectives.scoring import Losses, Scoring
from iae_jax.objectives.terms import Term
from iae_jax.objectives.weights import Weight
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.model import decode, encode, generate, reconstruct
from iae_jax.types import (
    Code,
    Discriminator,
    Encoder,
    Encoding,
    Game,
    Generator,
    Players,
    Prior,
    TrainState,
)

__all__ = [
    "ALTERNATING",
    "R1",
    "SIMULTANEOUS",
    "TWO_TO_ONE",
    "Adversary",
    "Chunk",
    "Code",
    "Discriminator",
    "Draws",
    "Encoder",
    "Encoding",
    "Game",
    "Generator",
    "InputError",
    "Losses",
    "Objective",
    "Pairing",
    "Players",
    "Prior",
    "Scoring",
    "Term",
    "TrainState",
    "Weight",
    "by_step",
    "cell",
    "check",
    "compile_step",
    "decode",
    "encode",
    "generate",
    "init",
    "inspect",
    "reconstruct",
    "train_step",
]
