"""One joint sample of given numbers, which tests of terms read."""

import games
import jax.numpy as jnp
import numpy as np

from iae_jax.objectives import auxiliary, terms
from iae_jax.objectives.auxiliary import Aggregated
from iae_jax.sampling import priors
from iae_jax.types import Code, Encoder, Encoding, Game, Players

RNG = np.random.default_rng(11)
B, D, K = 5, 2, 3


def random(*shape):
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def one_hot(*categories):
    return jnp.eye(K)[jnp.array(categories)]


LOGITS = 2 * random(B, K)
Q = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
X = random(B, 4)
VALUES = {
    "z": Code(random(B, D), one_hot(0, 2, 1, 1, 2), jnp.asarray(Q)),
    "x_hat": random(B, 4) + 3,
    "z_prior": Code(random(B, D) - 2, one_hot(1, 1, 0, 2, 0), one_hot(1, 1, 0, 2, 0)),
    "x_prior": random(B, 4) - 5,
    "encoding": Encoding(random(B, D), random(B, D), 0.7 * random(B, D) - 0.2, LOGITS),
}
Z, ENCODING = VALUES["z"], VALUES["encoding"]
LOG_LIKELIHOOD = random(B, K) - 2
WEIGHTS = RNG.normal(size=(6, K))  # of a discriminator that is linear
FOUND = {
    terms.log_likelihood: LOG_LIKELIHOOD,
    auxiliary.aggregated: Aggregated(probabilities=jnp.asarray(Q.mean(axis=0))),
}
# With a density of q(z|x), and nothing that is computed.
GAME = Game(
    Players(Encoder(None, None, 0, factorized=True)),
    priors.prior("gaussian", D, K),
    None,
    Players(),
)


def sample(step=0, found=None, **values):
    """One joint sample; values: other ones."""
    return games.drawn({"x": X}, FOUND | (found or {}), step, GAME, **(VALUES | values))


def value(term, draws=None):
    """The loss of encoder and generator of a term, or an auxiliary loss."""
    draws = sample() if draws is None else draws
    if isinstance(term, terms.Term):
        return term.loss(draws, None).autoencoder
    return term.loss(draws)
