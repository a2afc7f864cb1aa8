"""A run as data: typed dataclasses, and `build(config, shape) -> Game`.

Every field can be set on the command line: `--config.generator.noise=100`. A field that is not
there and a value of another type are refused. `run` holds what does not change the result (how
often to log, save, draw); all else is part of the run's identity.
"""

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import optax

from iae_jax import augmentation, game, networks, objectives, priors, terms
from iae_jax.scoring import SCORINGS
from iae_jax.types import Array, Game, InputError, Players, Weight


@dataclass
class Data:
    """name: digits, mnist, another set that TFDS has prepared, or npz:PATH. directory: where TFDS
    keeps its sets ("" is its default). The splits are TFDS slicing strings; choices are made on
    `validation`, `test` is only reported."""

    name: str = "digits"
    directory: str = ""
    train: str = "train[:1350]"
    validation: str = "train[1350:]"
    test: str = "test"


@dataclass
class Code:
    """z: a vector of `size` components, one of `categories` categories, or both.

    Weights of what is charged beside the objective's two terms. marginal_weight: of what is known
    of KL(q(z) || p(z)) without a discriminator: all of it for a category, mean and covariance for a
    vector. entropy_weight: of H(y|x). consistency_weight: of the distance between the codes of x
    and of a random affine change of it. recovery_weight: of -log q(z|x_hat), what it charges that z
    cannot be read off what was generated from it.
    """

    size: int = 10
    categories: int = 0
    marginal_weight: float = 0.0
    entropy_weight: float = 0.0
    consistency_weight: float = 0.0
    recovery_weight: float = 0.0


CHARGES = {
    "marginal_weight": terms.marginal_kl,
    "entropy_weight": terms.category_entropy,
    "consistency_weight": terms.code_consistency,
    "recovery_weight": terms.code_recovery,
}


@dataclass
class Network:
    """See networks.Layout."""

    kind: str = "conv"
    width: int = 32
    hidden: int = 256
    depth: int = 2
    precision: str = "float32"


@dataclass
class Optimizer:
    """kind: adam or sgd. rate: per step. decay: "constant", or "cosine" down to `final` times the
    rate at the last step."""

    kind: str = "adam"
    rate: float = 2e-4
    b1: float = 0.5
    b2: float = 0.99
    decay: str = "cosine"
    final: float = 0.05


@dataclass
class Encoder:
    """q(z|x). kind: deterministic, gaussian, or implicit with `noise` components of noise."""

    kind: str = "deterministic"
    noise: int = 0
    network: Network = field(default_factory=Network)
    optimizer: Optimizer = field(default_factory=Optimizer)


@dataclass
class Generator:
    """p(x|z). noise: size of the local code n. noise_at: "input" or "depth". The scale of n is 0
    until step `ramp_start_steps`, then rises to 1 in `ramp_steps` (0: it is 1 throughout): a
    generator that meets n at full scale before it has learned to read z ignores z.
    likelihood: none, bernoulli, or gaussian with standard deviation `deviation`."""

    noise: int = 0
    noise_at: str = "input"
    ramp_start_steps: int = 0
    ramp_steps: int = 0
    likelihood: str = "none"
    deviation: float = 0.1
    network: Network = field(default_factory=Network)
    optimizer: Optimizer = field(default_factory=Optimizer)


@dataclass
class Term:
    """One side of the objective and its discriminator.

    kind: see objectives.RECONSTRUCTIONS and REGULARIZATIONS. weight: of the whole term (for
    encoder and generator). scoring: see scoring.SCORINGS. r1: weight of the penalty, 0 for none,
    every `r1_interval_steps`, on the "numerator" or the "denominator"; it goes geometrically to
    `r1_final` times that at the last step (1: it stays). numerator_weight, denominator_weight: of
    whoever samples that side.
    """

    kind: str = "none"
    weight: float = 1.0
    scoring: str = "non_saturating"
    r1: float = 1.0
    r1_final: float = 1.0
    r1_interval_steps: int = 8
    r1_on: str = "numerator"
    numerator_weight: float = 1.0
    denominator_weight: float = 1.0
    network: Network = field(default_factory=Network)
    optimizer: Optimizer = field(default_factory=Optimizer)


@dataclass
class Run:
    """How often, in steps; nothing here changes the result.

    devices: 0 is all that this process has. keep: how many of the newest checkpoints stay, beside
    the best. resident_megabytes: a larger set is streamed instead of kept on the device. judge:
    train (once) a classifier on the labelled training set, for the measures that need one. cache:
    where judges are kept ("" is ~/.cache/iae_jax).
    """

    steps_per_call: int = 100
    log_steps: int = 100
    validate_steps: int = 500
    figure_steps: int = 500
    checkpoint_steps: int = 500
    keep: int = 2
    devices: int = 0
    resident_megabytes: int = 1024
    judge: bool = True
    cache: str = ""


@dataclass
class Config:
    """The default is the IAE of the digits; experiments/ has the others."""

    seed: int = 0
    steps: int = 3000
    batch_size: int = 64
    turns: str = "alternating"
    average: float = 0.999
    data: Data = field(default_factory=Data)
    code: Code = field(default_factory=Code)
    encoder: Encoder = field(default_factory=Encoder)
    generator: Generator = field(default_factory=Generator)
    reconstruction: Term = field(default_factory=lambda: Term(kind="joint_reconstruction"))
    regularization: Term = field(
        default_factory=lambda: Term(kind="marginal_code", r1_on="denominator")
    )
    affine: augmentation.Affine = field(default_factory=augmentation.Affine)
    run: Run = field(default_factory=Run)


def to_dict(config: Config) -> dict[str, Any]:
    """The config as JSON-able data."""
    return dataclasses.asdict(config)


def identity(config: Config) -> dict[str, Any]:
    """What the result depends on: all but `run` and where the data lies."""
    plain = to_dict(config)
    del plain["run"], plain["data"]["directory"]
    return plain


def digest(config: Config) -> str:
    """A short hash of the identity, for records."""
    return hashlib.sha256(json.dumps(identity(config), sort_keys=True).encode()).hexdigest()[:12]


def optimizer(
    config: Optimizer, steps: int, turns: game.Turns, player: str
) -> optax.GradientTransformation:
    """A player's optimizer; its rate is a schedule of steps, however often the player moves in one.
    Errors: InputError for a name that is not there or a rate that is not positive."""
    if not 0 < config.rate < math.inf:
        raise InputError(f"a learning rate is positive, not {config.rate}")
    for name, decay in (("b1", config.b1), ("b2", config.b2)):
        if not 0 <= decay < 1:
            raise InputError(f"{name} of adam is from 0 to below 1, not {decay}")
    if not 0 <= config.final < math.inf:
        raise InputError(f"final is a share of the rate, not {config.final}")
    if config.decay not in ("constant", "cosine"):
        raise InputError(f"decay is constant or cosine, not {config.decay!r}")
    rate: Any = config.rate
    if config.decay == "cosine":
        schedule = optax.cosine_decay_schedule(config.rate, steps, config.final)
        rate = game.by_step(schedule, turns, player)
    if config.kind == "adam":
        return optax.adam(rate, b1=config.b1, b2=config.b2)
    if config.kind == "sgd":
        return optax.sgd(rate)
    raise InputError(f"an optimizer is adam or sgd, not {config.kind!r}")


def noise_scale(config: Generator) -> Weight:
    """The scale of the local code as a function of the step."""
    if config.ramp_steps == 0 and config.ramp_start_steps == 0:
        return 1.0
    # A ramp of no length is a switch.
    length = max(config.ramp_steps, 1)

    def scale(step: Array) -> Array:
        return ((step - config.ramp_start_steps) / length).clip(0.0, 1.0)

    return scale


def r1_weight(term: Term, steps: int) -> Weight:
    """The weight of R1 as a function of the step. What holds a discriminator back at the start, so
    that the players can follow, blurs it at the end, when what is left to tell is fine."""
    if term.r1_final == 1.0:
        return term.r1
    if not 0 < term.r1_final < math.inf:
        raise InputError(f"r1_final is a positive share of r1, not {term.r1_final}")

    def weight(step: Array) -> Array:
        return term.r1 * jnp.power(term.r1_final, step / steps)

    return weight


def _adversary(term: Term, steps: int) -> objectives.Adversary:
    if term.scoring not in SCORINGS:
        raise InputError(f"scoring is one of {', '.join(SCORINGS)}, not {term.scoring!r}")
    if term.r1_interval_steps < 1:
        raise InputError(f"r1_interval_steps is at least 1, not {term.r1_interval_steps}")
    return objectives.Adversary(
        SCORINGS[term.scoring],
        terms.R1(r1_weight(term, steps), term.r1_interval_steps, term.r1_on) if term.r1 else None,
        term.numerator_weight,
        term.denominator_weight,
    )


def _layout(network: Network) -> networks.Layout:
    if min(network.width, network.hidden, network.depth) < 1:
        raise InputError(f"width, hidden and depth of a network are at least 1, not {network}")
    return networks.Layout(**dataclasses.asdict(network))


def check_numbers(config: Config) -> None:
    """Errors: InputError for a count that is out of range."""
    run = config.run
    positive = {
        "steps": config.steps,
        "batch_size": config.batch_size,
        **{
            f"run.{name}": getattr(run, name)
            for name in ("steps_per_call", "log_steps", "validate_steps", "figure_steps",
                         "checkpoint_steps", "keep")
        },
    }
    for name, value in positive.items():
        if value < 1:
            raise InputError(f"{name} is at least 1, not {value}")
    not_negative = {
        "seed": config.seed,
        "code.size": config.code.size,
        "code.categories": config.code.categories,
        "encoder.noise": config.encoder.noise,
        "generator.noise": config.generator.noise,
        "generator.ramp_start_steps": config.generator.ramp_start_steps,
        "generator.ramp_steps": config.generator.ramp_steps,
        "run.devices": run.devices,
        "run.resident_megabytes": run.resident_megabytes,
    }
    for name, value in not_negative.items():
        if value < 0:
            raise InputError(f"{name} is at least 0, not {value}")
    if config.seed >= 2**32:
        raise InputError(f"seed is below 2^32, not {config.seed}")
    sides = {"reconstruction": config.reconstruction, "regularization": config.regularization}
    weights = {
        "generator.deviation": config.generator.deviation,
        **{f"code.{name}": getattr(config.code, name) for name in CHARGES},
        **{
            f"{side}.{name}": getattr(term, name)
            for side, term in sides.items()
            for name in ("weight", "r1", "numerator_weight", "denominator_weight")
        },
    }
    for name, weight in weights.items():
        if not 0 <= weight < math.inf:
            raise InputError(f"{name} is at least 0 and finite, not {weight}")
    if run.checkpoint_steps % run.log_steps:
        # Else a resumed run would log the mean over a part of the interval.
        raise InputError(
            f"run.checkpoint_steps is a multiple of run.log_steps, and {run.checkpoint_steps} is "
            f"not one of {run.log_steps}"
        )
    if not 0 <= config.average < 1:
        raise InputError(f"average is a decay from 0 to below 1, not {config.average}")


def build(config: Config, shape: tuple[int, ...], values: str = "unit") -> Game:
    """The config's game for x f32[B, *shape] with values in [0, 1] ("unit") or any ("real").

    Pure, no arrays. Errors: InputError that names the fix.
    """
    check_numbers(config)
    size, categories = config.code.size, config.code.categories
    weights = {name: getattr(config.code, name) for name in CHARGES}
    charges = [terms.scaled(weights[name], CHARGES[name]()) for name in CHARGES if weights[name]]
    if weights["marginal_weight"] and config.batch_size <= size:
        raise InputError(
            f"{config.batch_size} codes have no covariance of {size} components: use a larger "
            "batch_size, or set code.marginal_weight to 0"
        )
    change = None
    if weights["consistency_weight"]:
        if len(shape) != 3:
            raise InputError(
                f"an affine change is of images and x has shape {shape}: set "
                "code.consistency_weight to 0"
            )
        change = augmentation.affine(config.affine)
    objective = objectives.cell(
        config.reconstruction.kind,
        config.regularization.kind,
        _adversary(config.reconstruction, config.steps),
        _adversary(config.regularization, config.steps),
        config.regularization.weight,
        tuple(charges),
    )
    objective = objective._replace(
        reconstruction=terms.scaled(config.reconstruction.weight, objective.reconstruction)
    )
    encoder = None
    if "encoder" in objective.reconstruction.needs:
        encoder = networks.encoder(
            _layout(config.encoder.network), shape, config.encoder.kind, size, categories,
            config.encoder.noise,
        )
    generator = networks.generator(
        _layout(config.generator.network), shape, size, categories, config.generator.noise,
        config.generator.noise_at, config.generator.likelihood, config.generator.deviation, values,
    )
    discriminators = [
        networks.discriminator(_layout(side.network), shape, term.reads, size, categories)
        if term.reads
        else None
        for side, term in (
            (config.reconstruction, objective.reconstruction),
            (config.regularization, objective.regularization),
        )
    ]
    players = Players(encoder, generator, *discriminators)
    parts: tuple[Encoder | Generator | Term, ...] = (
        config.encoder, config.generator, config.reconstruction, config.regularization,
    )
    if config.turns not in game.TURNS:
        raise InputError(f"turns is one of {', '.join(game.TURNS)}, not {config.turns!r}")
    turns = game.TURNS[config.turns]
    optimizers = Players(
        *(
            network and optimizer(part.optimizer, config.steps, turns, name)
            for network, part, name in zip(players, parts, Players._fields, strict=True)
        )
    )
    return game.build(
        players,
        priors.standard(size, categories),
        objective,
        optimizers,
        turns,
        noise_scale(config.generator),
        config.average,
        change,
    )
