"""What a config's fields mean: `build(config, shape) -> Game`."""

import dataclasses
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any, cast

import jax
import jax.numpy as jnp

from iae_jax import networks
from iae_jax.errors import InputError
from iae_jax.game.check import check_players, check_turns, checked, inspect
from iae_jax.game.game import TURNS
from iae_jax.kinds import instance, lookup, made
from iae_jax.networks.generators import Likelihood
from iae_jax.objectives import terms
from iae_jax.objectives.adversarial import R1, Adversary
from iae_jax.objectives.auxiliary import AuxiliaryLoss
from iae_jax.objectives.grid import Objective, cell
from iae_jax.objectives.scoring import SCORINGS, Scoring
from iae_jax.objectives.weights import Weight
from iae_jax.runs.config import Config, Network, Term
from iae_jax.runs.config_checks import (
    MAX_INT,
    check_auxiliary,
    check_images,
    check_labels,
    check_numbers,
    check_prior,
    check_types,
    check_weight,
    has_kl,
    learns_from_samples,
)
from iae_jax.runs.player_optimizers import optimizers
from iae_jax.runs.programs import MAX_KEPT, Asked
from iae_jax.runs.schedules import local_scale, r1_weight, term_weight
from iae_jax.sampling import priors
from iae_jax.sampling.augmentation import affine, diffaugment
from iae_jax.types import (
    Discriminator,
    Encoder,
    Game,
    Generator,
    Players,
    Prior,
)

Shape = tuple[int, ...]

MAX_UNITS = 2**20  # of a layer: the product of two is still a size
MAX_DEPTH = 1000  # each layer is traced

DECODERS = {"made": networks.made, "pixelcnn": networks.pixelcnn}  # autoregressive
POSTERIORS = ("flow", "hamiltonian", "langevin")  # that begin with a Gaussian


def adversary(term: Term, steps: int, what: str) -> Adversary:
    """How a term's discriminator plays. what: the term's field, for messages."""
    scoring = instance(Scoring, term.scoring, SCORINGS, f"{what}.scoring")
    if not 1 <= term.r1_interval_steps <= MAX_INT:
        raise InputError(
            f"r1_interval_steps is at least 1 and at most {MAX_INT}, not {term.r1_interval_steps}"
        )
    sides = ("numerator", "denominator") if term.r1_on == "both" else (term.r1_on,)
    weight = r1_weight(term, steps)
    penalties = tuple(R1(weight, term.r1_interval_steps, side) for side in sides)
    return Adversary(
        scoring,
        penalties if term.r1 else (),
        term.numerator_weight,
        term.denominator_weight,
        term.labelled_share,
    )


def auxiliary(config: Config, prior: Prior) -> tuple[AuxiliaryLoss, ...]:
    """The losses whose weight is not 0 throughout."""
    losses = config.auxiliary.built_in
    dense = prior.log_density or prior.log_probabilities
    if not (prior.init and dense) or has_kl(config):
        del losses["prior_fit"]
    found = list(losses.values())
    found += [_other(kind) for kind in config.auxiliary.others]
    return tuple(loss for loss in found if not loss.weight.absent)


def _other(kind: str) -> AuxiliaryLoss:
    """A loss that is not the package's. A number as its weight is one that never changes."""
    loss: Any
    loss, arguments = lookup(kind, {}, "auxiliary.others")
    if isinstance(loss, type) or arguments or not hasattr(loss, "loss"):
        loss = made(kind, {}, "auxiliary.others")
    missing = [name for name in ("name", "weight", "loss") if not hasattr(loss, name)]
    if missing:
        raise InputError(f"auxiliary.others: {kind!r} has no {' and no '.join(missing)}")
    if not isinstance(loss.name, str):
        raise InputError(f"auxiliary.others: the name of {kind!r} is a text, not {loss.name!r}")
    number = loss.weight
    if isinstance(number, (int, float)) and dataclasses.is_dataclass(loss):
        loss = dataclasses.replace(cast(Any, loss), weight=Weight(float(number)))
    if not isinstance(loss.weight, Weight):
        raise InputError(
            f"auxiliary.others: the weight of {kind!r} is an iae_jax.Weight, or of a dataclass a "
            f"number, not {loss.weight!r}"
        )
    check_weight(f"the weight of {loss.name}", loss.weight)
    found: AuxiliaryLoss = loss
    return found


def objective(config: Config, prior: Prior) -> Objective:
    """The config's cell of the grid, with its auxiliary losses."""
    found = cell(
        config.reconstruction.kind,
        config.regularization.kind,
        adversary(config.reconstruction, config.steps, "reconstruction"),
        adversary(config.regularization, config.steps, "regularization"),
        term_weight(config.regularization),
        auxiliary(config, prior),
    )
    weighted = terms.scaled(term_weight(config.reconstruction), found.reconstruction)
    return found._replace(reconstruction=weighted)


def layout(network: Network) -> networks.Layout:
    for name, most in (("width", MAX_UNITS), ("hidden", MAX_UNITS), ("depth", MAX_DEPTH)):
        size = getattr(network, name)
        if not 1 <= size <= most:
            raise InputError(f"{name} of a network is at least 1 and at most {most}, not {size}")
    return networks.Layout(**dataclasses.asdict(network))


def encoder(config: Config, shape: Shape) -> Encoder:
    own, code = config.encoder, config.code
    name = own.kind.partition("(")[0]
    if ":" in name:
        return instance(Encoder, own.kind, {}, "encoder.kind", config, shape)
    if name not in (*networks.encoders.KINDS, *POSTERIORS):
        known = ", ".join((*networks.encoders.KINDS, *POSTERIORS))
        raise InputError(f"encoder.kind is one of {known}, or MODULE:NAME, not {own.kind!r}")
    base = networks.encoder(
        layout(own.network), shape, "gaussian" if name in POSTERIORS else own.kind, code.size,
        code.categories, own.noise,
        networks.Perturbation(own.pixel_noise, own.dropout, own.unit_noise),
    )  # fmt: skip
    if name not in POSTERIORS:
        return base
    if base.start is not None:
        raise InputError(
            f"a {name} does not start from data, as network.kind={own.network.kind} does: set "
            "encoder.network.kind=mlp"
        )
    flow = partial(networks.flow_posterior, own.network.hidden)
    makers = (flow, networks.hamiltonian, networks.langevin)
    table = dict(zip(POSTERIORS, makers, strict=True))
    return made(own.kind, table, "encoder.kind", base, code.size)


def generator(config: Config, shape: Shape, values: str = "unit") -> Generator:
    """values: "unit" if x is in [0, 1], "real" if it is any number."""
    own, code = config.generator, config.code
    name = own.kind.partition("(")[0]
    if ":" in name:
        return instance(Generator, own.kind, {}, "generator.kind", config, shape)
    if _autoregressive(config):
        if own.noise:
            raise InputError(f"a {name} has noise of its own, a number a value: set noise=0")
        if values != "unit":
            raise InputError(f"a {name} writes values in [0, 1], and x has any: use kind=network")
        if own.network.precision != "float32":
            raise InputError(f"a {name} computes in float32: set generator.network.precision so")
        of_code = code.size + code.categories
        what = (layout(own.network), shape, of_code, own.likelihood)
        return made(own.kind, DECODERS, "generator.kind", *what)
    if own.kind != "network":
        known = ", ".join(("network", *DECODERS))
        raise InputError(f"generator.kind is one of {known}, or MODULE:NAME, not {own.kind!r}")
    return networks.generator(
        layout(own.network), shape, code.size, code.categories, own.noise, own.noise_at,
        Likelihood(own.likelihood, own.deviation), values,
    )  # fmt: skip


def _autoregressive(config: Config) -> bool:
    return config.generator.kind.partition("(")[0] in DECODERS


def discriminator(
    config: Config, term: Term, shape: Shape, reads: tuple[str, ...]
) -> Discriminator:
    if ":" in term.discriminator:
        made_of = (config, shape, reads)
        return instance(Discriminator, term.discriminator, {}, "discriminator", *made_of)
    code = config.code
    part = code.categories if code.relaxed else 0  # of the vector, see `adversarial.as_read`
    found = networks.discriminator(
        layout(term.network), shape, reads, code.size + part, code.categories - part
    )
    if term.discriminator == "quadratic":
        return networks.with_quadratic(found)
    if term.discriminator != "network":
        raise InputError(
            f"discriminator is network, quadratic or MODULE:NAME, not {term.discriminator!r}"
        )
    return found


def _discriminators(config: Config, side: Term, shape: Shape, term: terms.Term) -> Discriminator:
    """The discriminator of a term; with a head for each of its pairings, if it has several."""
    if not term.heads:
        return discriminator(config, side, shape, term.reads)
    return networks.with_heads([discriminator(config, side, shape, own) for own in term.heads])


def batch_of(config: Config, shape: Shape, also: Mapping[str, Shape]) -> dict[str, Any]:
    """Shapes and types of the config's batch."""
    size = config.batch_size
    batch = {
        name: jax.ShapeDtypeStruct((size, *one), jnp.float32)
        for name, one in {"x": shape, **also}.items()
    }
    if config.data.labels_per_class:
        batch["labelled"] = batch["x"]
        batch["labels"] = jax.ShapeDtypeStruct((size,), jnp.int32)
    return batch


def build(
    config: Config, shape: Shape, values: str = "unit", also: Mapping[str, Shape] | None = None
) -> Game:
    """The config's game for x f32[B, *shape] with values in [0, 1] ("unit") or any ("real").

    also: the shapes of further sources in the batch. Pure, no arrays. A player is there if a term
    reads it. For an equal config it is the same game, so that what was compiled of it is found
    again; not if the config names code (MODULE:NAME), which may have changed.

    Raises:
      InputError: the message names the fix.
    """
    check_types(config)
    check_numbers(config)
    asked = Asked.of(config, shape, values, also or {})
    return _kept(asked) if asked.keeps else _made(config, shape, values, also or {})


@lru_cache(maxsize=MAX_KEPT)
def _kept(asked: Asked) -> Game:
    return _made(asked.config, asked.shape, asked.values, dict(asked.also))


def _made(config: Config, shape: Shape, values: str, also: Mapping[str, Shape]) -> Game:
    """See `build`."""
    own = config.prior
    prior = priors.prior(
        own.kind, config.code.size, config.code.categories, own.category, own.conditional
    )
    if prior.init and not learns_from_samples(config, prior):
        prior = priors.fixed_samples(prior)
    played = objective(config, prior)
    check_auxiliary(config, [loss.name for loss in played.auxiliary])
    check_images(config, shape)
    if config.turns not in TURNS:
        raise InputError(f"turns is one of {', '.join(TURNS)}, not {config.turns!r}")
    # Encoder and generator are made when a term first reads them.
    makers: tuple[Any, ...] = (
        lambda: encoder(config, shape),
        lambda: priors.with_prior(generator(config, shape, values), prior),
        *(
            _discriminators(config, side, shape, term) if term.reads else None
            for side, term in zip(
                (config.reconstruction, config.regularization), played[:2], strict=True
            )
        ),
    )
    game = Game(
        cast(Any, Players(*makers)),
        priors.in_player(prior),
        played,
        Players(),
        TURNS[config.turns],
        # Scaled, the noise of an autoregressive decoder would draw from another p(x|z).
        1.0 if _autoregressive(config) else local_scale(config.generator),
        config.ema,
        affine(config.affine, shape) if len(shape) == 3 else None,
        diffaugment(config.diffaugment) if len(shape) == 3 else None,
        config.code.relaxed,
        config.encoder.denoising,
        config.data.labels_in_turn,
    )
    reads, players = inspect(game, batch_of(config, shape, also))
    moves = optimizers(config, players, own.rate if prior.init else 1.0)
    game = game._replace(networks=players, optimizers=moves)
    check_players(game)
    check_turns(game, reads)
    game = checked(game, reads)
    check_prior(config, game, reads)
    check_labels(config, game)
    return game
