"""Checks of a config: numbers out of range, and fields that contradict each other."""

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import Any

from iae_jax.errors import InputError
from iae_jax.kinds import is_of
from iae_jax.objectives.weights import Weight
from iae_jax.runs.config import Config
from iae_jax.sampling.draws import Reads
from iae_jax.types import Game, Prior

MAX_INT = 2**31 - 1  # a step is int32
MAX_IMAGES = 2**28  # whose positions one call holds
MAX_SEEDS = 1000  # at once: they are all in memory


def check_types(part: Any, prefix: str = "") -> None:
    """Raises: InputError for a field, at any depth, whose value has another type than its default:
    one that Python has set, or a word of a list that a flag has made a number of."""
    for field in dataclasses.fields(part):
        name, value, kind = prefix + field.name, getattr(part, field.name), type(_default(field))
        if dataclasses.is_dataclass(kind):
            if not isinstance(value, kind):
                raise InputError(f"{name} is a {kind.__name__}, not {value!r}")
            check_types(value, f"{name}.")
            continue
        if kind is tuple:
            if not isinstance(value, (tuple, list)) or any(type(one) is not str for one in value):
                raise InputError(f"{name} is a list of texts, not {value!r}: quote each")
        elif not is_of(value, kind):
            raise InputError(f"{name} is of type {kind.__name__}, not {value!r}")


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def check_numbers(config: Config) -> None:
    """Raises: InputError for a number that is out of range."""
    run = config.run
    positive = {"steps": config.steps, "batch_size": config.batch_size} | {
        f"run.{name}": getattr(run, name)
        for name in (
            "steps_per_call", "log_steps", "validate_steps", "figure_steps", "checkpoint_steps",
            "keep", "microbatches", "seeds",
        )
    }  # fmt: skip
    positive |= {f"run.limits.{name}": one for name, one in dataclasses.asdict(run.limits).items()}
    for name, value in positive.items():
        if not 1 <= value <= MAX_INT:
            raise InputError(f"{name} is at least 1 and at most {MAX_INT}, not {value}")
    steps = min(config.steps, run.steps_per_call, run.log_steps)
    if steps * config.batch_size > MAX_IMAGES:
        raise InputError(
            f"a call of {steps} steps would read {steps * config.batch_size} images, more than "
            f"{MAX_IMAGES}: use fewer run.steps_per_call, or a smaller batch_size"
        )
    if run.seeds > MAX_SEEDS:
        raise InputError(f"run.seeds is at most {MAX_SEEDS}, not {run.seeds}")
    losses = {f"auxiliary.{name}": loss for name, loss in config.auxiliary.built_in.items()}
    not_negative = {
        "seed": config.seed,
        "data.size": config.data.size,
        "code.size": config.code.size,
        "code.categories": config.code.categories,
        "encoder.noise": config.encoder.noise,
        "generator.noise": config.generator.noise,
        "generator.ramp_start_steps": config.generator.ramp_start_steps,
        "generator.ramp_steps": config.generator.ramp_steps,
        "diffaugment.blur_steps": config.diffaugment.blur_steps,
        "run.devices": run.devices,
        "run.resident_megabytes": run.resident_megabytes,
        **{
            f"{name}.weight.{field}": getattr(loss.weight, field)
            for name, loss in losses.items()
            for field in ("start_steps", "ramp_steps")
        },
    }
    for name, value in not_negative.items():
        if value < 0 or (value > MAX_INT and name != "seed"):
            raise InputError(f"{name} is at least 0 and at most {MAX_INT}, not {value}")
    if config.seed + run.seeds > 2**32:
        raise InputError(f"seed is below 2^32, not {config.seed}")
    _check_weights(config, {name: loss.weight for name, loss in losses.items()})
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
    if config.data.labels_per_class < -1 or config.data.draw < -1:
        raise InputError("data.labels_per_class and data.draw are at least -1")
    if not 0 <= config.ema < 1:
        raise InputError(f"ema is a decay from 0 to below 1, not {config.ema}")
    for name, number in (
        ("marginal.examples_per_component", config.auxiliary.marginal.examples_per_component),
        ("sliced_wasserstein.directions", config.auxiliary.sliced_wasserstein.directions),
    ):
        if number < 1:
            raise InputError(f"auxiliary.{name} is at least 1, not {number}")


def _check_weights(config: Config, losses: dict[str, Weight]) -> None:
    sides = {"reconstruction": config.reconstruction, "regularization": config.regularization}
    weights: dict[str, float] = {
        "prior.rate": config.prior.rate,
        "encoder.pixel_noise": config.encoder.pixel_noise,
        "encoder.dropout": config.encoder.dropout,
        "encoder.unit_noise": config.encoder.unit_noise,
        "generator.deviation": config.generator.deviation,
        **{
            f"{side}.{name}": getattr(term, name)
            for side, term in sides.items()
            for name in ("weight", "r1", "numerator_weight", "denominator_weight")
        },
    }
    for name, number in weights.items():
        if not 0 <= number < math.inf:
            raise InputError(f"{name} is at least 0 and finite, not {number}")
    if config.generator.likelihood == "gaussian" and config.generator.deviation == 0:
        raise InputError("generator.deviation of a gaussian likelihood is above 0, not 0.0")
    for name, weight in losses.items():
        check_weight(f"{name}.weight", weight)
    for side, term in sides.items():
        if not 0 <= term.labelled_share < 1:
            raise InputError(
                f"{side}.labelled_share is from 0 to below 1, not {term.labelled_share}"
            )


def check_weight(name: str, weight: Weight) -> None:
    """Raises: InputError for a weight that is below 0, not finite, or of no step."""
    for field in ("value", "start"):
        number = getattr(weight, field)
        if not 0 <= number < math.inf:
            raise InputError(f"{name}.{field} is at least 0 and finite, not {number}")
    if weight.start and not (weight.start_steps or weight.ramp_steps):
        raise InputError(f"{name}.start is of the first steps: set {name}.start_steps")


def check_auxiliary(config: Config, present: Collection[str]) -> None:
    """Raises: InputError for a setting that would teach the encoder nothing. present: names of the
    auxiliary losses whose weight is not 0."""
    losses, encoder, affine = config.auxiliary, config.encoder, config.affine
    consistent = losses.consistency.name in present
    labels = losses.labels.name in present
    perturbs = encoder.pixel_noise or encoder.dropout or encoder.unit_noise
    if losses.consistency.teacher and not consistent:
        raise InputError(
            "a teacher is for consistency: set auxiliary.consistency.weight.value above 0"
        )
    if losses.consistency.teacher and not config.ema:
        raise InputError("a teacher is the averaged encoder: set ema above 0")
    if losses.labels.augment and not labels:
        raise InputError(
            "auxiliary.labels.augment is of labelled images: set auxiliary.labels.weight.value"
        )
    if losses.labels.augment and not affine.changes:
        raise InputError(
            "labelled images are changed within the bounds of affine, which are 0: set one, or "
            "auxiliary.labels.augment to False"
        )
    changed = affine.changes or affine.vat_radius or losses.consistency.teacher or perturbs
    if consistent and not changed:
        raise InputError(
            "consistency is of an image and a change of it: set a bound of affine, or "
            "auxiliary.consistency.weight.value to 0"
        )
    teaches = consistent or labels or losses.sleep.name in present or config.auxiliary.others
    if encoder.denoising and not perturbs:
        raise InputError(
            "denoising is of a perturbed image: set encoder.pixel_noise, encoder.dropout or "
            "encoder.unit_noise"
        )
    reads_perturbed = encoder.denoising or config.reconstruction.kind == "improved_gan"
    if perturbs and not (teaches or reads_perturbed):
        raise InputError(
            "pixel_noise, dropout and unit_noise perturb what the encoder learns from labels, "
            "consistency or the sleep loss, and none of these is there: set encoder.pixel_noise, "
            "encoder.dropout and encoder.unit_noise to 0, or encoder.denoising"
        )


def check_images(config: Config, shape: tuple[int, ...]) -> None:
    """Raises: InputError for changes of images where x is none."""
    if len(shape) == 3:
        return
    losses: Any = config.auxiliary
    if not losses.consistency.weight.absent or losses.labels.augment:
        raise InputError(
            f"an affine change is of images and x has shape {shape}: set "
            "auxiliary.consistency.weight.value to 0 and auxiliary.labels.augment to False"
        )
    if config.diffaugment.changes or config.diffaugment.blur:
        raise InputError(
            f"diffaugment changes images and x has shape {shape}: leave its bounds at 0"
        )


def check_prior(config: Config, game: Game, reads: Mapping[str, Reads]) -> None:
    """Raises: InputError for a prior that nothing trains, for one that is trained on codes that
    nothing else makes, and for settings of a prior that learns where it does not.

    reads: what the game's terms read.
    """
    own, fit = config.prior, config.auxiliary.prior_fit.name
    if game.prior.init is None:
        if own.adversarial or own.rate != 1:
            raise InputError(
                "prior.adversarial and prior.rate are of a prior that learns: choose such a "
                "prior.kind, or leave them at False and 1"
            )
        return
    if [name for name, one in reads.items() if "encoder" in one.players] == [fit]:
        raise InputError(
            f"a prior learns from codes and {config.reconstruction.kind} has none: use a fixed "
            "prior, or prior.adversarial=True and auxiliary.prior_fit.weight.value=0"
        )
    # A sampled category passes no gradient on.
    sampled = game.prior.log_probabilities is None and learns_from_samples(config, game.prior)
    sampled = sampled and any("prior" in one.noise for one in reads.values())
    if fit not in reads and not has_kl(config) and not sampled:
        raise InputError(
            "nothing trains the prior: set auxiliary.prior_fit.weight.value above 0, or "
            "prior.adversarial=True beside a discriminator that reads samples of it"
        )


def has_kl(config: Config) -> bool:
    """Whether the regularization has the log density of the prior in it."""
    term = config.regularization
    return term.kind in ("analytic_kl", "sampled_kl") and term.weight > 0


def learns_from_samples(config: Config, prior: Prior) -> bool:
    """Whether a prior that learns does so from discriminators that read its samples."""
    return bool(prior.size) and (config.prior.adversarial or prior.log_density is None)


def check_labels(config: Config, game: Game) -> None:
    """Raises: InputError for labels that are read and not there, or the reverse, and for a
    generator that nothing trains on x."""
    generates = config.regularization.kind in ("marginal_data", "joint_model", "cycle_marginals")
    if config.reconstruction.kind == "none" and game.networks.generator and not generates:
        raise InputError(
            "code_information and sleep are of generated images, and nothing trains a generator on "
            "x: set reconstruction.kind"
        )
    share, reads = config.reconstruction.labelled_share, game.objective.reconstruction.reads
    if share and set(reads) != {"x", "z"} or config.regularization.labelled_share:
        raise InputError(
            "labelled_share is of the pairs (x, z) of a reconstruction's discriminator, and "
            f"{config.reconstruction.kind} has none: set labelled_share to 0"
        )
