"""Implicit autoencoders and their family as pure functions.

The public names. Importing this loads jax, flax, optax and chex only; data sets of TFDS,
checkpoints, figures and the launcher are imported where they are used. What trains needs the extra
`train`. `config`, `networks` and `priors` are modules.
"""

from collections.abc import Callable
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
from iae_jax.runs import config
from iae_jax.runs.build import build
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
    Turn,
)

if TYPE_CHECKING:
    from iae_jax.runs.loaded import Model
    from iae_jax.runs.workdir import Summary


def load(path: str | Path, checkpoint: str | int = "latest", seed: int = 0) -> "Model":
    """The trained model in a run's folder, from that folder alone: see `runs.loaded.load`."""
    from iae_jax.runs import loaded  # which imports Orbax

    return loaded.load(path, checkpoint, seed)


def train(
    config: Config,
    path: str | Path,
    allow_config_change: bool = False,
    profile: bool = False,
    callback: Callable[[int, dict[str, float]], None] | None = None,
) -> "Summary":
    """Trains a config in a run's folder, or resumes it there: see `runs.train.train`."""
    from iae_jax.runs.train import train as run

    return run(config, path, allow_config_change, profile, callback)


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
    "Turn",
    "Weight",
    "__version__",
    "build",
    "cell",
    "check",
    "compile_step",
    "config",
    "decode",
    "encode",
    "generate",
    "init",
    "load",
    "networks",
    "priors",
    "reconstruct",
    "train",
    "train_step",
]
