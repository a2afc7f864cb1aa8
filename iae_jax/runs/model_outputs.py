"""What a trained model says of a batch, as functions of its `Draws`."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from iae_jax.metrics.metric import mean_distance
from iae_jax.objectives.adversarial import as_read
from iae_jax.objectives.terms import log_prior_of_vector, log_probabilities
from iae_jax.sampling.draws import Draws
from iae_jax.types import DISCRIMINATORS, Array, Game, Generator, Players


class Codes(NamedTuple):
    """Codes of N images, what the model has of each.

    vector: f32[N, D], a sample of q(z|x). mean, deviation: f32[N, D] of a Gaussian q(z|x).
    probabilities: f32[N, K] of the categories. category: i32[N], the sampled one.
    """

    vector: Any = None
    mean: Any = None
    deviation: Any = None
    probabilities: Any = None
    category: Any = None


def encoded(draws: Draws) -> Codes:
    """q(z|x) and a sample of it."""
    encoding, z = draws.encoding, draws.z
    variance = encoding.log_variance
    return Codes(
        z.vector,
        encoding.mean,
        None if variance is None else jnp.exp(0.5 * variance),
        z.probabilities,
        None if z.category is None else jnp.argmax(z.category, axis=-1),
    )


def drawn(draws: Draws, category: int | None = None) -> Codes:
    """z ~ p(z), of one category if it is named."""
    z = draws.z_prior if category is None else draws.z_prior_of(category)
    own = None if z.category is None else jnp.argmax(z.category, axis=-1)
    return Codes(vector=z.vector, category=own)


def scored_by(networks: Players) -> tuple[str, ...]:
    """The discriminators that can score an image: those of a code need an encoder."""
    return tuple(
        role
        for role in DISCRIMINATORS
        if (network := getattr(networks, role)) is not None
        and (networks.encoder is not None or tuple(network.reads) == ("x",))
    )


def scored(draws: Draws, game: Game) -> dict[str, Array]:
    """See `Model.score`."""
    found, networks = dict[str, Array](), game.networks
    z = draws.z if networks.encoder is not None else None
    if z is not None and networks.generator is not None:
        found["pixel_error"] = mean_distance(draws.x, _x_hat(draws, networks.generator))
        if networks.generator.log_likelihood is not None:
            own = networks.generator.log_likelihood(draws.params.generator, z, draws.x)
            found["log_likelihood"] = own
    for role in scored_by(networks):
        network = getattr(networks, role)
        seen = draws.x if "x" in network.reads else None
        shown = as_read(z, game.relaxed)
        vector = shown.vector if shown is not None and "z" in network.reads else None
        logits = network.apply(getattr(draws.params, role), seen, vector)
        weights: Any = 1.0
        if logits.shape[-1] > 1:
            assert z is not None  # a discriminator with a logit for each category reads the code
            weights = z.probabilities
        found[role.replace("discriminator", "logit")] = jnp.sum(weights * logits, axis=-1)
    if z is not None and z.vector is not None and game.prior.log_density is not None:
        found["prior_log_density"] = log_prior_of_vector(draws, z)
    log_p = log_probabilities(draws)
    if z is not None and z.category is not None and log_p is not None:
        found["prior_log_probability"] = log_p[jnp.argmax(z.category, axis=-1)]
    return found


def _x_hat(draws: Draws, generator: Generator) -> Array:
    """The reconstruction; of a generator that is slow its mean, where that is known."""
    if generator.slow and generator.mean is not None:
        mean: Array = generator.mean(draws.params.generator, draws.z)
        return mean
    return draws.x_hat
