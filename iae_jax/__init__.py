"""Implicit autoencoders and their family as pure functions.

The public names. Importing this loads jax, flax, optax and chex only; data sets of TFDS,
checkpoints, figures and the launcher are imported where they are used. What trains needs the extra
`train`. `networks` and `priors` are
modules.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from iae_jax import networks
from iae_jax.data.dataset import ArraySource, Dataset
from iae_jax.devices.parallel import compile_step
from iae_jax.errors import InputError
from iae_jax.files.version import VERSION as __version__
from iae_jax.game.check import check
from iae_jax.game.game import ALTERNATING
from iae_jax.game.step import init, train_step
from iae_jax.metrics.measurement import Measurement, Trained
from iae_jax.metrics.metric import Metric
from iae_jax.metrics.metric_inputs import MetricInputs
from iae_jax.objectives.adversarial import R1, Adversary
from iae_jax.objectives.grid import cell
from iae_jax.objectives.scoring import Losses, Scoring
from iae_jax.objectives.weights import Weight
from iae_jax.runs.config import Config
from iae_jax.sampling import priors
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

if TYPE_CHECKING:
    from iae_jax.runs.loaded import Model


def load(path: str | Path, checkpoint: str = "latest", seed: int = 0) -> "Model":
    """The trained model in a run's folder, from that folder alone: see `runs.loaded.load`."""
    from iae_jax.runs import loaded  # which imports Orbax

    return loaded.load(path, checkpoint, seed)


__all__ = [
    "ALTERNATING",
    "R1",
    "Adversary",
    "ArraySource",
    "Code",
    "Config",
    "Dataset",
    "Discriminator",
    "Draws",
    "Encoder",
    "Encoding",
    "Game",
    "Generator",
    "InputError",
    "Losses",
    "Measurement",
    "Metric",
    "Players",
    "Prior",
    "Scoring",
    "MetricInputs",
    "TrainState",
    "Trained",
    "Weight",
    "__version__",
    "cell",
    "check",
    "compile_step",
    "decode",
    "encode",
    "generate",
    "init",
    "load",
    "networks",
    "priors",
    "reconstruct",
    "train_step",
]
