"""A config's game, `build(config, shape) -> Game`, and its data; what its fields mean there."""

import dataclasses
import math
from collections.abc import Collection
from functools import partial
from typing import Any

import jax.numpy as jnp
import optax

from iae_jax import networks
from iae_jax.data import Dataset, Source, load, open_source
from iae_jax.errors import InputError
from iae_jax.game import game
from iae_jax.objectives import auxiliary as charges
from iae_jax.objectives import grid as objectives
from iae_jax.objectives import terms
from iae_jax.objectives.scoring import SCORINGS
from iae_jax.runs.config import Code, Config, Encoder, Generator, Network, Optimizer, Term
from iae_jax.sampling import augmentation, priors
from iae_jax.types import Array, Game, Players, Weight

# Of a batch, without which its covariance is too close to a singular one.
EXAMPLES_A_COMPONENT = 3
CHARGES = {
    "marginal": charges.marginal_kl,
    "entropy": charges.conditional_entropy,
    "consistency": charges.augmentation_consistency,
    "recovery": charges.code_recovery,
    "flipped": charges.flipped_recovery,
    "label": charges.label_cross_entropy,
}
MOST = 2**31 - 1  # a step is int32
MOST_IMAGES = 2**28  # whose positions a call holds
STARTED = ("marginal", "flipped", "label")  # have a weight of their own in their first steps


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
    if not 0 <= config.warmup_steps < steps:
        raise InputError(f"warmup_steps are from 0 to below {steps}, not {config.warmup_steps}")
    if not 0 <= config.clip < math.inf:
        raise InputError(f"clip is the largest norm of a gradient, 0 for any, not {config.clip}")
    rate: Any = config.rate
    if config.decay == "cosine":
        rate = optax.cosine_decay_schedule(config.rate, steps, config.final)
    if config.warmup_steps:
        rate = _warmed_up(rate, config.warmup_steps)
    if callable(rate):
        rate = game.by_step(rate, turns, player)
    if config.kind == "adam":
        chosen = optax.adam(rate, b1=config.b1, b2=config.b2)
    elif config.kind == "sgd":
        chosen = optax.sgd(rate)
    else:
        raise InputError(f"an optimizer is adam or sgd, not {config.kind!r}")
    return optax.chain(optax.clip_by_global_norm(config.clip), chosen) if config.clip else chosen


def _warmed_up(rate: float | optax.Schedule, steps: int) -> optax.Schedule:
    """The rate, or the schedule, times what rises from 1 / steps to 1 in the first steps."""

    def schedule(count: Any) -> Any:
        full = rate(count) if callable(rate) else rate
        return full * jnp.minimum(1.0, (count + 1) / steps)

    return schedule


def noise_scale(config: Generator) -> Weight:
    """The scale of the local code as a function of the step."""
    if config.ramp_steps == 0 and config.ramp_start_steps == 0:
        return 1.0
    # A ramp of no length is a switch.
    length = max(config.ramp_steps, 1)

    def scale(step: Array) -> Array:
        return ((step - config.ramp_start_steps) / length).clip(0.0, 1.0)

    return scale


def blur(bounds: augmentation.DiffAugment) -> Weight | None:
    """How far images are blurred that discriminators are shown, as a function of the step."""
    if not bounds.blur or not bounds.blur_steps:
        return bounds.blur or None

    def pixels(step: Array) -> Array:
        return bounds.blur * (1.0 - step / bounds.blur_steps).clip(0.0)

    return pixels


def charge_weight(code: Code, charge: str) -> Weight:
    """The weight of a charge as a function of the step, if it has another in its first steps. That
    of the flipped term is 0 then: a generator that does not draw classes yet has nothing to teach.
    """
    later: float = getattr(code, f"{charge}_weight")
    first: float = getattr(code, f"{charge}_start_weight", 0.0)
    steps: int = getattr(code, f"{charge}_start_steps", 0)
    if not steps or first == later:
        return later

    def weight(step: Array) -> Array:
        return jnp.where(step < steps, first, later)

    return weight


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


def _adversary(term: Term, steps: int, labelled_share: float = 0.0) -> objectives.Adversary:
    if term.scoring not in SCORINGS:
        raise InputError(f"scoring is one of {', '.join(SCORINGS)}, not {term.scoring!r}")
    if term.r1_interval_steps < 1:
        raise InputError(f"r1_interval_steps is at least 1, not {term.r1_interval_steps}")
    return objectives.Adversary(
        SCORINGS[term.scoring],
        terms.R1(r1_weight(term, steps), term.r1_interval_steps, term.r1_on) if term.r1 else None,
        term.numerator_weight,
        term.denominator_weight,
        labelled_share,
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
            for name in (
                "steps_per_call",
                "log_steps",
                "validate_steps",
                "figure_steps",
                "checkpoint_steps",
                "keep",
                "pieces",
            )
        },
    }
    for name, value in positive.items():
        if not 1 <= value <= MOST:
            raise InputError(f"{name} is at least 1 and at most {MOST}, not {value}")
    steps = min(config.steps, run.steps_per_call, run.log_steps)
    if steps * config.batch_size > MOST_IMAGES:
        raise InputError(
            f"a call of {steps} steps would read {steps * config.batch_size} images, more than "
            f"{MOST_IMAGES}: use fewer run.steps_per_call, or a smaller batch_size"
        )
    not_negative = {
        "seed": config.seed,
        "code.size": config.code.size,
        "code.categories": config.code.categories,
        "encoder.noise": config.encoder.noise,
        **{
            f"code.{name}_start_steps": getattr(config.code, f"{name}_start_steps")
            for name in STARTED
        },
        "generator.noise": config.generator.noise,
        "generator.ramp_start_steps": config.generator.ramp_start_steps,
        "generator.ramp_steps": config.generator.ramp_steps,
        "diffaugment.blur_steps": config.diffaugment.blur_steps,
        "run.devices": run.devices,
        "run.resident_megabytes": run.resident_megabytes,
    }
    for name, value in not_negative.items():
        if value < 0 or (value > MOST and name != "seed"):
            raise InputError(f"{name} is at least 0 and at most {MOST}, not {value}")
    if config.seed >= 2**32:
        raise InputError(f"seed is below 2^32, not {config.seed}")
    sides = {"reconstruction": config.reconstruction, "regularization": config.regularization}
    weights = {
        "encoder.pixel_noise": config.encoder.pixel_noise,
        "encoder.dropout": config.encoder.dropout,
        "generator.deviation": config.generator.deviation,
        **{f"code.{name}_weight": getattr(config.code, f"{name}_weight") for name in CHARGES},
        "code.marginal_start_weight": config.code.marginal_start_weight,
        "code.label_start_weight": config.code.label_start_weight,
        **{
            f"{side}.{name}": getattr(term, name)
            for side, term in sides.items()
            for name in ("weight", "r1", "numerator_weight", "denominator_weight")
        },
    }
    for name, weight in weights.items():
        if not 0 <= weight < math.inf:
            raise InputError(f"{name} is at least 0 and finite, not {weight}")
    if config.generator.likelihood == "gaussian" and config.generator.deviation == 0:
        raise InputError("generator.deviation of a gaussian likelihood is above 0, not 0.0")
    for name in STARTED:
        if getattr(config.code, f"{name}_start_weight", 0) and not getattr(
            config.code, f"{name}_start_steps"
        ):
            raise InputError(
                f"{name}_start_weight is of the first steps: set code.{name}_start_steps"
            )
    if run.checkpoint_steps % run.log_steps:
        # Else a resumed run would log the mean over a part of the interval.
        raise InputError(
            f"run.checkpoint_steps is a multiple of run.log_steps, and {run.checkpoint_steps} is "
            f"not one of {run.log_steps}"
        )
    if config.diffaugment.blur_steps > config.steps:
        raise InputError(
            f"discriminators would see no sharp image: diffaugment.blur_steps is at most the run's "
            f"steps, {config.steps}, not {config.diffaugment.blur_steps}"
        )
    if not 0 <= config.code.labelled_share < 1:
        raise InputError(
            f"code.labelled_share is from 0 to below 1, not {config.code.labelled_share}"
        )
    if config.data.labels_per_class < -1 or config.data.draw < -1:
        raise InputError("data.labels_per_class and data.draw are at least -1")
    if not 0 <= config.average < 1:
        raise InputError(f"average is a decay from 0 to below 1, not {config.average}")


def check_taught(config: Config, charged: Collection[str]) -> None:
    """Errors: InputError for what would teach the encoder nothing. charged: keys of CHARGES."""
    code, encoder, affine = config.code, config.encoder, config.affine
    perturbs = encoder.pixel_noise or encoder.dropout
    if code.teacher and "consistency" not in charged:
        raise InputError("a teacher is asked for consistency: set code.consistency_weight")
    if code.teacher and not config.average:
        raise InputError("a teacher is the averaged encoder: set average above 0")
    if code.change_labelled and "label" not in charged:
        raise InputError("change_labelled is of labelled images: set code.label_weight")
    if code.change_labelled and not affine.changes:
        raise InputError(
            "labelled images are changed within the bounds of affine, which are 0: set one, or "
            "code.change_labelled to False"
        )
    if "consistency" in charged and not (
        affine.changes or affine.worst or code.teacher or perturbs
    ):
        raise InputError(
            "consistency is of an image and a change of it: set a bound of affine, or "
            "code.consistency_weight to 0"
        )
    teaches = {"consistency", "flipped", "label"} & set(charged)
    if perturbs and not teaches and config.reconstruction.kind != "improved_gan":
        raise InputError(
            "pixel_noise and dropout perturb what labels, consistency or flipped recovery teach, "
            "and nothing of these is charged: set encoder.pixel_noise and encoder.dropout to 0"
        )


def build(config: Config, shape: tuple[int, ...], values: str = "unit") -> Game:
    """The config's game for x f32[B, *shape] with values in [0, 1] ("unit") or any ("real").

    Pure, no arrays. Errors: InputError that names the fix.
    """
    check_numbers(config)
    size, categories = config.code.size, config.code.categories
    charged = {name: charge_weight(config.code, name) for name in CHARGES}
    charged = {name: weight for name, weight in charged.items() if weight}
    block, teacher = config.batch_size // EXAMPLES_A_COMPONENT, config.code.teacher
    made = CHARGES | {
        "marginal": partial(charges.marginal_kl, block),
        "consistency": partial(charges.augmentation_consistency, teacher),
        "label": partial(charges.label_cross_entropy, config.code.change_labelled),
    }
    check_taught(config, charged.keys())
    if "marginal" in charged and size and config.batch_size < EXAMPLES_A_COMPONENT:
        raise InputError(
            f"{config.batch_size} codes have no variance: use a batch_size of at least "
            f"{EXAMPLES_A_COMPONENT}, or set code.marginal_weight to 0"
        )
    change = None
    if "consistency" in charged or config.code.change_labelled:
        if len(shape) != 3:
            raise InputError(
                f"an affine change is of images and x has shape {shape}: set "
                "code.consistency_weight to 0 and code.change_labelled to False"
            )
        change = augmentation.affine(config.affine, shape)
    shown = augmentation.diffaugment(config.diffaugment)
    fading = blur(config.diffaugment)
    if (shown or fading) and len(shape) != 3:
        raise InputError(
            f"diffaugment changes images and x has shape {shape}: leave its bounds at 0"
        )
    objective = objectives.cell(
        config.reconstruction.kind,
        config.regularization.kind,
        _adversary(config.reconstruction, config.steps, config.code.labelled_share),
        _adversary(config.regularization, config.steps),
        config.regularization.weight,
        tuple(terms.scaled(weight, made[name]()) for name, weight in charged.items()),
    )
    if config.reconstruction.kind == "none" and "generator" in objective.needs:
        raise InputError(
            "recovery and flipped recovery are of generated images, and nothing trains a generator "
            "on x: set reconstruction.kind"
        )
    if config.code.labelled_share and set(objective.reconstruction.reads) != {"x", "z"}:
        raise InputError(
            "labelled_share is of the pairs (x, z) that a reconstruction's discriminator is shown, "
            f"and {config.reconstruction.kind} has none: set code.labelled_share to 0"
        )
    objective = objective._replace(
        reconstruction=terms.scaled(config.reconstruction.weight, objective.reconstruction)
    )
    encoder = None
    if "encoder" in objective.needs:
        encoder = networks.encoder(
            _layout(config.encoder.network),
            shape,
            config.encoder.kind,
            size,
            categories,
            config.encoder.noise,
            config.encoder.pixel_noise,
            config.encoder.dropout,
        )
    generator = None
    if "generator" in objective.needs:
        generator = networks.generator(
            _layout(config.generator.network),
            shape,
            size,
            categories,
            config.generator.noise,
            config.generator.noise_at,
            config.generator.likelihood,
            config.generator.deviation,
            values,
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
        config.encoder,
        config.generator,
        config.reconstruction,
        config.regularization,
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
        shown,
        fading,
    )


def open_split(config: Config, split: str) -> Source:
    """One of the config's splits: "train", "validation" or "test"."""
    data, part = config.data, getattr(config.data, split)
    return open_source(data.name, part, data.directory or None, data.label_pattern, data.shuffled)


def load_split(config: Config, split: str) -> Dataset:
    """All images of one of the config's splits."""
    return load(open_split(config, split))
