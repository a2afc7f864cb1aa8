"""Whether a training is healthy: a few words for each line that it prints, by what it logs.

A sign is an alarm: what is logged leaves little doubt. docs/troubleshooting.md has the healthy
range of every logged name, these signs, and what to do.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from iae_jax.kinds import instance
from iae_jax.objectives.scoring import SCORINGS, Scoring
from iae_jax.runs.config import Config
from iae_jax.types import DISCRIMINATORS, Game

READ = "docs/troubleshooting.md"
LEAST_STEPS = 500  # before them only a discriminator that has won is a sign
LATE = 0.5  # of the steps: an error that is high before is one that may still fall
NEAR = 0.8  # of the error of random pairs
WON, CLEAR, CHANCE = 0.1, 0.9, 0.99  # of a discriminator's loss at chance
TIMES = 30  # as large is far above
MAX_PAIRS = 100
SMALL = 2  # numbers of a code: so few, or a category, may leave as much of the error as a bad run
# First terms that are small only where x_hat is near x.
REBUILD = ("likelihood", "joint_reconstruction", "joint_model")

HEALTHY, SO_FAR = "healthy", "healthy so far"


class Seen(NamedTuple):
    """values: logged name -> value, those of validation with their prefix. losses: of each
    discriminator, as shares of its loss at chance. error: of validation images, as a share of the
    error of random pairs; None where it is not known, or too early to be a sign. early: whether it
    is too early for most signs."""

    values: Mapping[str, float]
    losses: Mapping[str, float]
    error: float | None
    early: bool

    @property
    def ignored(self) -> bool:
        return self.error is not None and self.error > NEAR

    @property
    def pairs(self) -> float:
        """The loss of the first term's discriminator; without one, as if it were right."""
        return self.losses.get(DISCRIMINATORS[0], 0.0)

    def far_above(self, one: str, other: str, least: float = 0.0) -> bool:
        """least: what the other counts as, if it is smaller."""
        known = one in self.values and other in self.values
        return known and abs(self.values[one]) > TIMES * max(least, abs(self.values[other]))


class Sign(NamedTuple):
    """words: in a line. section: of the page on troubleshooting. when: what is seen."""

    words: str
    section: str
    when: str
    shows: Callable[[Seen], bool]


_ERROR = f"after half of the steps the validation error is above {NEAR:g} of that of random pairs"
# The first that shows is told.
SIGNS = (
    Sign(
        "not finite",
        "Other trouble",
        "a logged value is not finite",
        lambda seen: not all(map(np.isfinite, seen.values.values())),
    ),
    Sign(
        "a discriminator has won",
        "Every logged name",
        f"a discriminator's loss is below {WON:g} of that at chance",
        lambda seen: any(loss < WON for loss in seen.losses.values()),
    ),
    Sign(
        "over-regularized",
        "Over-regularized",
        f"`encoder_gradient_norm` is above {TIMES} times the generator's, and `regularization` "
        f"above {TIMES} nats and {TIMES} times `reconstruction`",
        lambda seen: (
            not seen.early
            and seen.far_above("encoder_gradient_norm", "generator_gradient_norm")
            and seen.far_above("regularization", "reconstruction", least=1.0)
        ),
    ),
    Sign(
        "discriminator at chance",
        "A discriminator at chance",
        f"{_ERROR}, and `reconstruction_discriminator` above {CHANCE:g} of its value at chance",
        lambda seen: seen.ignored and seen.pairs > CHANCE,
    ),
    Sign(
        "collapsed codes",
        "Collapsed codes",
        f"{_ERROR}, and `reconstruction_discriminator` below {CLEAR:g} of its value at chance, "
        "or the term has no discriminator",
        lambda seen: seen.ignored and seen.pairs < CLEAR,
    ),
    Sign(
        "generator ignores z",
        "The generator ignores z",
        f"{_ERROR}, and `reconstruction_discriminator` from {CLEAR:g} to {CHANCE:g} of its value "
        "at chance",
        lambda seen: seen.ignored,
    ),
)


class Health:
    """The health of a training. x: validation images u8 or f32[N, ...]."""

    def __init__(self, config: Config, game: Game, x: np.ndarray) -> None:
        self.steps = config.steps
        self.chance: dict[str, float] = {}
        for role, field in zip(DISCRIMINATORS, ("reconstruction", "regularization"), strict=True):
            if getattr(game.networks, role) is not None:
                name = getattr(config, field).scoring
                scoring = instance(Scoring, name, SCORINGS, f"{field}.scoring")
                heads = max(1, len(getattr(game.objective, field).heads))
                if (chance := heads * loss_at_chance(scoring)) > 0:
                    self.chance[role] = chance
        # Codes that are to tell classes apart need not tell images apart.
        judged = config.reconstruction.kind in REBUILD and "labelled" not in game.sources
        self.of_pairs = error_of_pairs(x) if judged and config.code.size > SMALL else 0.0

    def sign(self, step: int, values: Mapping[str, float]) -> Sign | None:
        """What a line of metrics.jsonl shows, or None."""
        error = values.get("validation_pixel_error")
        known = error is not None and self.of_pairs > 0 and self.late(step)
        losses = {
            role: values[role] / chance for role, chance in self.chance.items() if role in values
        }
        share = error / self.of_pairs if known and error is not None else None
        seen = Seen(values, losses, share, step < LEAST_STEPS)
        return next((one for one in SIGNS if one.shows(seen)), None)

    def words(self, step: int, sign: Sign | None) -> str:
        """For whoever reads the line."""
        if sign is not None:
            return sign.words
        return HEALTHY if self.late(step) else SO_FAR

    def late(self, step: int) -> bool:
        return step >= max(LATE * self.steps, LEAST_STEPS)


def loss_at_chance(scoring: Scoring) -> float:
    """A discriminator's loss where it gives all examples one logit, the best one."""
    logits = jnp.linspace(-1, 1, 5)
    own = scoring.losses(logits, logits).discriminator
    return float(jnp.min(own[0] + own[1] if isinstance(own, tuple) else own))


def error_of_pairs(x: np.ndarray) -> float:
    """Mean absolute difference of two examples: what is left if a reconstruction ignores x."""
    order = np.random.default_rng(0).permutation(len(x))[: 2 * MAX_PAIRS]
    some = x[order].astype(np.float32) / (255 if x.dtype == np.uint8 else 1)
    return float(np.mean(np.abs(some - np.roll(some, 1, axis=0))))
