"""Adversarial terms: a pairing (which two sample sets a discriminator reads) times a scoring (what
each side minimizes), with gradient penalties.

Nothing is detached in a pairing: the encoder learns through every place where its code appears (but
a category that something was generated from is a sampled one-hot there, which has no gradient), and
the discriminator's own step differentiates only the discriminator's parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.objectives.scoring import NON_SATURATING, Losses, Scoring
from iae_jax.objectives.terms import (
    Discriminate,
    Term,
    TermOutput,
    encoding_of_sample,
    expectation,
)
from iae_jax.objectives.weights import at
from iae_jax.sampling.draws import Draws
from iae_jax.types import Array, Code, Encoding, Scheduled


class Side(NamedTuple):
    """One of the two sample sets: x f32[B, ...] or None, z or None."""

    x: Array | None
    z: Code | None


class Pairing(NamedTuple):
    """Which two sample sets a discriminator reads; it estimates KL(numerator || denominator)."""

    name: str
    numerator: Callable[[Draws], Side]
    denominator: Callable[[Draws], Side]
    reads: tuple[str, ...]


def as_read(z: Code | None, relaxed: bool) -> Code | None:
    """z as discriminators have it: a relaxed category is part of the vector, a point of the simplex
    among corners (Makhzani et al. 2015); any other is a logit of its own."""
    if z is None or z.category is None or not relaxed:
        return z
    parts = [z.category] if z.vector is None else [z.vector, z.category]
    return Code(vector=jnp.concatenate(parts, axis=-1))


def fixed_category(z: Code) -> Code:
    """The same code with its category as it was sampled: something was generated from it."""
    return z._replace(probabilities=z.category)


JOINT_RECONSTRUCTION = Pairing(
    "joint_reconstruction",  # KL(q(x,z) || r(x,z)): IAE
    lambda draws: Side(draws.x, draws.z),
    lambda draws: Side(draws.x_hat, fixed_category(draws.z)),
    reads=("x", "z"),
)
JOINT_CODE = Pairing(
    "joint_code",  # KL(q(z,x) || p(z) p_data(x)): AVB
    lambda draws: Side(draws.x, draws.z),
    lambda draws: Side(draws.x, draws.z_prior),
    reads=("x", "z"),
)
MARGINAL_CODE = Pairing(
    "marginal_code",  # KL(q(z) || p(z)): AAE, IAE
    lambda draws: Side(None, draws.z),
    lambda draws: Side(None, draws.z_prior),
    reads=("z",),
)
JOINT_MODEL = Pairing(
    "joint_model",  # KL(q(x,z) || p(x,z)): ALI, BiGAN
    lambda draws: Side(draws.x, draws.z),
    lambda draws: Side(draws.x_prior, draws.z_prior),
    reads=("x", "z"),
)
MARGINAL_DATA = Pairing(
    "marginal_data",  # KL(p_data || p(x)): GAN
    lambda draws: Side(draws.x, None),
    lambda draws: Side(draws.x_prior, None),
    reads=("x",),
)


def code_of_sample(draws: Draws) -> Code:
    """z ~ q(z|x) of a sample of the model."""
    return draws.code_of(draws.of(encoding_of_sample), "flipped_category")


FLIPPED_RECONSTRUCTION = Pairing(
    "flipped_reconstruction",  # KL(p(x,z) || p(x) q(z|x)): the flipped IAE
    lambda draws: Side(draws.x_prior, draws.z_prior),
    lambda draws: Side(draws.x_prior, draws.of(code_of_sample)),
    reads=("x", "z"),
)


def _shown(draws: Draws, side: Side) -> Side:
    return side._replace(z=as_read(side.z, draws.relaxed))


Sides = dict[str, Side]  # "numerator" and "denominator"
Penalty = Callable[[Discriminate, Sides, Array | int], Array]  # the last: step; -> f32[B] or f32[]


def logits_of(discriminate: Discriminate, side: Side) -> Array:
    """f32[B, C]: the discriminator's row of logits on one side."""
    return discriminate(side.x, None if side.z is None else side.z.vector)


def squared_gradient(discriminate: Discriminate, side: Side) -> Array:
    """|grad E T|^2 with respect to x and the vector part of z, E over the category, whose square is
    at most the mean over categories of |grad T|^2, and that where it is one-hot: f32[B]. A category
    has no gradient, so that a discriminator of categories alone is not penalized."""
    vector = None if side.z is None else side.z.vector

    def total(read: tuple[Array | None, Array | None]) -> Array:
        return jnp.sum(expectation(side.z, discriminate(*read)))

    gradients = jax.tree.leaves(jax.grad(total)((side.x, vector)))
    squares = [jnp.sum(jnp.square(g).reshape(g.shape[0], -1), axis=-1) for g in gradients]
    return sum(squares, start=jnp.zeros(()))


@dataclass(frozen=True)
class R1:
    """A penalty: weight/2 times E |grad T|^2 on one side (Mescheder et al. 2018, eq. 9), with
    respect to everything that the discriminator reads there. Every `interval` steps, `interval`
    times as strong. R2 is the same on the other side."""

    weight: Scheduled
    interval: int = 1
    on: str = "numerator"

    def __post_init__(self) -> None:
        if self.on not in ("numerator", "denominator"):
            raise InputError(f"R1 is on 'numerator' or on 'denominator', not on {self.on!r}")

    def __call__(self, discriminate: Discriminate, sides: Sides, step: Array | int) -> Array:
        if not callable(self.weight) and self.weight == 0:
            return jnp.zeros(())
        side, weight = sides[self.on], at(self.weight, step)

        def value() -> Array:
            return 0.5 * weight * self.interval * squared_gradient(discriminate, side)

        if self.interval == 1:
            return value()
        shape = jax.eval_shape(value).shape
        # checkpoint: nothing of the penalty is stored for the steps that skip it.
        return jax.lax.cond(
            step % self.interval == 0, jax.checkpoint(value), lambda: jnp.zeros(shape)
        )


class Adversary(NamedTuple):
    """How an adversarial term is played.

    penalties: functions such as R1, each added to the discriminator's loss. numerator_weight,
    denominator_weight: multiply the loss of whoever samples that side: a reconstruction game with
    `numerator_weight` 0.1 gives the encoder a tenth of the gradient through the positive pair.
    labelled_share: of the numerator's samples, the share that are labelled images with the category
    of their label.
    """

    scoring: Scoring = NON_SATURATING
    penalties: tuple[Penalty, ...] = ()
    numerator_weight: Scheduled = 1.0
    denominator_weight: Scheduled = 1.0
    labelled_share: float = 0.0

    def __call__(self, pairing: Pairing) -> Term:
        """The divergence between a pairing's two sample sets, estimated by a discriminator."""

        def loss(draws: Draws, discriminate: Discriminate | None) -> TermOutput:
            assert discriminate is not None  # the game is refused otherwise
            sides = {
                "numerator": _shown(draws, pairing.numerator(draws)),
                "denominator": _shown(draws, pairing.denominator(draws)),
            }
            return self._output(draws, discriminate, sides, pairing)

        return Term(pairing.name, loss, pairing.reads)

    def _output(
        self, draws: Draws, discriminate: Discriminate, sides: Sides, pairing: Pairing
    ) -> TermOutput:
        numerator, denominator = sides["numerator"], sides["denominator"]
        a, b = logits_of(discriminate, numerator), logits_of(discriminate, denominator)
        chex.assert_rank([a, b], 2)
        losses = scored(self.scoring, a, b, numerator.z, denominator.z)
        step = draws.step
        autoencoder = (
            at(self.numerator_weight, step) * losses.numerator
            + at(self.denominator_weight, step) * losses.denominator
        )
        own = losses.discriminator
        if self.labelled_share:
            labelled = _shown(draws, draws.of(labelled_side))
            if "x" not in pairing.reads:
                labelled = labelled._replace(x=None)
            c, share = logits_of(discriminate, labelled), self.labelled_share
            other = scored(self.scoring, c, b, labelled.z, denominator.z).discriminator
            if isinstance(own, tuple) and isinstance(other, tuple):
                own = ((1 - share) * own[0] + share * other[0], own[1])
            elif not isinstance(own, tuple) and not isinstance(other, tuple):
                own = (1 - share) * own + share * other
        loss = own[0] + own[1] if isinstance(own, tuple) else own
        metrics = {
            "discriminator": loss,
            "numerator_logit": expectation(numerator.z, a),
            "denominator_logit": expectation(denominator.z, b),
        }
        penalty = sum(
            (one(discriminate, sides, step) for one in self.penalties), start=jnp.zeros(())
        )
        return TermOutput(autoencoder, loss + penalty, metrics)


def several(adversary: Adversary, *pairings: Pairing) -> Term:
    """The sum of some pairings' divergences, each with a head of one discriminator to itself."""

    def loss(draws: Draws, discriminate: Discriminate | None) -> TermOutput:
        assert discriminate is not None  # the game is refused otherwise
        terms = [adversary(pairing) for pairing in pairings]
        found = [
            term.loss(draws, partial(discriminate, head=head)) for head, term in enumerate(terms)
        ]
        losses = [one.metrics.pop("discriminator") for one in found]
        metrics = {"discriminator": sum(losses, start=jnp.zeros(()))}
        for term, output in zip(terms, found, strict=True):
            metrics |= {f"{term.name}_{name}": value for name, value in output.metrics.items()}
        total = sum((one.autoencoder for one in found), start=jnp.zeros(()))
        own = sum((one.discriminator for one in found), start=jnp.zeros(()))
        return TermOutput(total, own, metrics)

    heads = tuple(pairing.reads for pairing in pairings)
    reads = tuple(name for name in ("x", "z") if any(name in one for one in heads))
    return Term(" + ".join(pairing.name for pairing in pairings), loss, reads, heads)


def scored(scoring: Scoring, a: Array, b: Array, z_a: Code | None, z_b: Code | None) -> Losses:
    """The losses f32[B] of logits f32[B, C] and f32[B, C'], exact over the categories of both. That
    of whoever samples one side passes no gradient to the other side's category."""
    # One axis for each side's category; a loss that reads one side has 1 in the other's place.
    losses = scoring.losses(a[:, :, None], b[:, None, :])

    def one(values: Array, z_a: Code | None = z_a, z_b: Code | None = z_b) -> Array:
        if values.shape[2] == 1:
            return expectation(z_a, values[:, :, 0])
        if values.shape[1] == 1:
            return expectation(z_b, values[:, 0, :])
        assert z_b is not None and z_b.probabilities is not None
        return expectation(z_a, jnp.sum(z_b.probabilities[:, None, :] * values, axis=-1))

    own = losses.discriminator
    return Losses(
        (one(own[0]), one(own[1])) if isinstance(own, tuple) else one(own),
        one(losses.numerator, z_b=jax.lax.stop_gradient(z_b)),
        one(losses.denominator, z_a=jax.lax.stop_gradient(z_a)),
    )


def labelled_encoding(draws: Draws) -> Encoding:
    """q(z|x) of the labelled images, one for each example of the batch."""
    return draws.encode(draws.data("labelled"))


def labelled_side(draws: Draws) -> Side:
    """Labelled images, and their codes with the category of their label."""
    encoding = draws.of(labelled_encoding)
    if encoding.logits is None:
        raise InputError("labels are of a category: give the code categories (code.categories)")
    category = jax.nn.one_hot(draws.data("labels"), encoding.logits.shape[-1])
    return Side(draws.data("labelled"), Code(encoding.vector, category, category))
