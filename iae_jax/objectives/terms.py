"""The terms of an objective: each a divergence (or a bound of one) in nats per example.

A term is a value. An adversarial term is a pairing (which two sample sets the discriminator is
shown) times a scoring (what each side minimizes). Nothing is detached in a pairing: the encoder
learns through every place where its code appears (but a category that something was generated from
is a sampled one-hot there, which has no gradient), and the discriminator's own step differentiates
only the discriminator's parameters.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.objectives.scoring import KL, Scoring
from iae_jax.sampling.draws import hard
from iae_jax.types import Array, Code, Draws, Weight

Discriminate = Callable[[Array | None, Array | None], Array]


class TermOutput(NamedTuple):
    """path: f32[B], the loss of encoder and generator. discriminator: f32[B], its own loss.
    metrics: name -> f32[B]."""

    path: Array
    discriminator: Array
    metrics: dict[str, Array]


class Term(NamedTuple):
    """name: of its divergence. loss: (discriminate | None, draws, step) -> TermOutput.
    reads: what its discriminator must read, () if it needs none. needs: which of "encoder",
    "generator", "factorized encoder", "likelihood", "category", "normal prior", "moments",
    "augment", "labels", "teacher" the game must offer; "recovery", "flipped": x_hat, x_prior have
    to be encoded; "changed labels": of labelled images changed ones; "whole": it reads what is
    known of the global batch alone."""

    name: str
    loss: Callable[[Discriminate | None, Draws, Array], TermOutput]
    reads: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


class Side(NamedTuple):
    """One of the two sample sets: x f32[B, ...] or None, z or None."""

    x: Array | None
    z: Code | None


class Pairing(NamedTuple):
    """Which two sample sets a discriminator is shown; it estimates KL(numerator || denominator)."""

    name: str
    numerator: Callable[[Draws], Side]
    denominator: Callable[[Draws], Side]
    reads: tuple[str, ...]
    needs: tuple[str, ...]


JOINT_RECONSTRUCTION = Pairing(
    "joint_reconstruction",  # KL(q(x,z) || r(x,z)): IAE
    lambda draws: Side(draws.x, draws.z),
    lambda draws: Side(draws.x_hat, hard(draws.z)),
    reads=("x", "z"),
    needs=("encoder", "generator"),
)
JOINT_CODE = Pairing(
    "joint_code",  # KL(q(z,x) || p(z) p_data(x)): AVB
    lambda draws: Side(draws.x, draws.z),
    lambda draws: Side(draws.x, draws.z_prior),
    reads=("x", "z"),
    needs=("encoder",),
)
MARGINAL_CODE = Pairing(
    "marginal_code",  # KL(q(z) || p(z)): AAE, IAE
    lambda draws: Side(None, draws.z),
    lambda draws: Side(None, draws.z_prior),
    reads=("z",),
    needs=("encoder",),
)
JOINT_MODEL = Pairing(
    "joint_model",  # KL(q(x,z) || p(x,z)): ALI, BiGAN
    lambda draws: Side(draws.x, draws.z),
    lambda draws: Side(draws.x_prior, draws.z_prior),
    reads=("x", "z"),
    needs=("encoder", "generator"),
)
MARGINAL_DATA = Pairing(
    "marginal_data",  # KL(p_data || p(x)): GAN
    lambda draws: Side(draws.x, None),
    lambda draws: Side(draws.x_prior, None),
    reads=("x",),
    needs=("generator",),
)
PAIRINGS = {
    pairing.name: pairing
    for pairing in (
        JOINT_RECONSTRUCTION,
        JOINT_CODE,
        MARGINAL_CODE,
        JOINT_MODEL,
        MARGINAL_DATA,
    )
}


class R1(NamedTuple):
    """weight/2 times E |grad T|^2 on one side (Mescheder et al. 2018, eq. 9), with respect to all
    that the discriminator reads there. Every `interval` steps, `interval` times as strong."""

    weight: Weight
    interval: int = 1
    on: str = "numerator"


def at(weight: Weight, step: Array) -> Array | float:
    """The value of a weight or schedule at a step."""
    return weight(step) if callable(weight) else weight


def expectation(z: Code | None, values: Array) -> Array:
    """E over the category of z: f32[B, C] -> f32[B]."""
    if z is None or z.probabilities is None:
        return values[:, 0]
    return jnp.sum(z.probabilities * values, axis=-1)


def logits_of(discriminate: Discriminate, side: Side) -> Array:
    """f32[B, C]: the discriminator's row of logits on one side."""
    return discriminate(side.x, None if side.z is None else side.z.vector)


def squared_gradient(discriminate: Discriminate, side: Side) -> Array:
    """|grad T|^2 with respect to x and the vector part of z: f32[B]. A category has no gradient,
    so that a discriminator of categories alone is not penalized."""
    vector = None if side.z is None else side.z.vector

    def total(read: tuple[Array | None, Array | None]) -> Array:
        return jnp.sum(expectation(side.z, discriminate(*read)))

    gradients = jax.tree.leaves(jax.grad(total)((side.x, vector)))
    squares = [jnp.sum(jnp.square(g).reshape(g.shape[0], -1), axis=-1) for g in gradients]
    return sum(squares, start=jnp.zeros(()))


def penalty(
    r1: R1 | None, discriminate: Discriminate, sides: dict[str, Side], step: Array
) -> Array:
    """The R1 penalty of this step: f32[B], or 0."""
    if r1 is None or (not callable(r1.weight) and r1.weight == 0):
        return jnp.zeros(())
    side, weight = sides[r1.on], at(r1.weight, step)

    def value() -> Array:
        return 0.5 * weight * r1.interval * squared_gradient(discriminate, side)

    if r1.interval == 1:
        return value()
    shape = jax.eval_shape(value).shape
    # checkpoint: nothing of the penalty is stored for the steps that skip it.
    return jax.lax.cond(step % r1.interval == 0, jax.checkpoint(value), lambda: jnp.zeros(shape))


def adversarial(
    pairing: Pairing,
    scoring: Scoring,
    r1: R1 | None = None,
    numerator_weight: Weight = 1.0,
    denominator_weight: Weight = 1.0,
    labelled_share: float = 0.0,
) -> Term:
    """A divergence between two sample sets, estimated by a discriminator.

    The weights multiply the loss of whoever samples that side: a reconstruction game with
    `numerator_weight` .1 tells the encoder only a tenth through the positive pair. labelled_share:
    of the numerator that the discriminator is shown, how much are labelled images with the category
    that their label says.
    """
    if r1 is not None and r1.on not in ("numerator", "denominator"):
        raise InputError(f"R1 is on 'numerator' or on 'denominator', not on {r1.on!r}")

    def loss(discriminate: Discriminate | None, draws: Draws, step: Array) -> TermOutput:
        assert discriminate is not None  # check() refuses the game otherwise
        sides = {"numerator": pairing.numerator(draws), "denominator": pairing.denominator(draws)}
        numerator, denominator = sides["numerator"], sides["denominator"]
        a = logits_of(discriminate, numerator)
        b = logits_of(discriminate, denominator)
        path = at(numerator_weight, step) * expectation(numerator.z, scoring.numerator(a)) + at(
            denominator_weight, step
        ) * expectation(denominator.z, scoring.denominator(b))
        real = expectation(numerator.z, scoring.positive(a))
        if labelled_share:
            assert draws.told is not None
            known = Side(draws.told.x if "x" in pairing.reads else None, draws.told.z)
            labelled = expectation(known.z, scoring.positive(logits_of(discriminate, known)))
            real = (1 - labelled_share) * real + labelled_share * labelled
        told = real + expectation(denominator.z, scoring.negative(b))
        metrics = {
            "discriminator": told,
            "numerator_logit": expectation(numerator.z, a),
            "denominator_logit": expectation(denominator.z, b),
        }
        return TermOutput(path, told + penalty(r1, discriminate, sides, step), metrics)

    needs = pairing.needs + (("labels",) if labelled_share else ())
    return Term(pairing.name, loss, pairing.reads, needs)


def adaptive_contrast(r1: R1 | None = None) -> Term:
    """KL(q(z,x) || p(z) p_data(x)), where the discriminator only has to tell the standardized code
    from N(0, I), and the rest is in closed form (Mescheder et al. 2017, section 3.3).

    With r(z|x) the Gaussian of q's own mean m and deviation s, KL(q || p) = KL(q || r) +
    E_q[log r - log p]; the first is the discriminator's, on (x, (z - m) / s) against (x, N(0, I)).
    """

    def standardized(draws: Draws) -> Side:
        moments = draws.moments
        assert draws.z is not None and draws.z.vector is not None and moments is not None
        return Side(draws.x, Code(vector=(draws.z.vector - moments.mean) / moments.deviation))

    pairing = Pairing(
        "adaptive_contrast",
        standardized,
        JOINT_CODE.denominator,
        JOINT_CODE.reads,
        ("encoder", "moments"),
    )
    inner = adversarial(pairing, KL, r1)

    def loss(discriminate: Discriminate | None, draws: Draws, step: Array) -> TermOutput:
        output = inner.loss(discriminate, draws, step)
        side, moments = standardized(draws), draws.moments
        assert side.z is not None and side.z.vector is not None and moments is not None
        assert draws.z is not None and draws.z.vector is not None
        known = jnp.sum(
            0.5 * (draws.z.vector**2 - side.z.vector**2) - jnp.log(moments.deviation), axis=-1
        )
        return output._replace(path=output.path + known)

    return inner._replace(loss=loss)


def without_discriminator(
    name: str, value: Callable[[Draws], Array], needs: tuple[str, ...]
) -> Term:
    """A term that is known: value(draws) is f32[B], or f32[] that holds for the batch."""

    def loss(discriminate: Discriminate | None, draws: Draws, step: Array) -> TermOutput:
        values = jnp.broadcast_to(value(draws), draws.x.shape[:1])
        return TermOutput(values, jnp.zeros_like(values), {})

    return Term(name, loss, needs=needs)


def likelihood() -> Term:
    """-E_q(z|x) log p(x|z), exact over the category."""

    def value(draws: Draws) -> Array:
        assert draws.log_likelihood is not None
        return -expectation(draws.z, draws.log_likelihood)

    needs = ("encoder", "generator", "likelihood")
    return without_discriminator("negative_log_likelihood", value, needs)


def category_conditional_kl(logits: Array) -> Array:
    """KL(q(y|x) || uniform): f32[B, K] -> f32[B]."""
    return jnp.log(logits.shape[-1]) - category_conditional_entropy(logits)


def category_conditional_entropy(logits: Array) -> Array:
    """H(q(y|x)): f32[B, K] -> f32[B]."""
    return -jnp.sum(jax.nn.softmax(logits) * jax.nn.log_softmax(logits), axis=-1)


def analytic_kl() -> Term:
    """KL(q(z|x) || p(z)) of a factorized Gaussian to N(0, I), and of a category to uniform."""

    def value(draws: Draws) -> Array:
        encoding, kl = draws.encoding, jnp.zeros(())
        assert encoding is not None
        if encoding.mean is not None and encoding.log_variance is not None:
            kl += 0.5 * jnp.sum(
                jnp.exp(encoding.log_variance) + encoding.mean**2 - 1 - encoding.log_variance, -1
            )
        if encoding.logits is not None:
            kl += category_conditional_kl(encoding.logits)
        return kl

    return without_discriminator("kl_of_code", value, ("encoder", "factorized encoder"))


def nothing() -> Term:
    """0: this side of the objective is absent."""
    return without_discriminator("nothing", lambda draws: jnp.zeros(()), ())


def scaled(weight: Weight, term: Term) -> Term:
    """`weight` times what the term charges encoder and generator; the discriminator learns on."""

    def loss(discriminate: Discriminate | None, draws: Draws, step: Array) -> TermOutput:
        output = term.loss(discriminate, draws, step)
        return output._replace(path=at(weight, step) * output.path)

    return term._replace(loss=loss)
