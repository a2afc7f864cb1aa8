"""What an encoder loses because one network serves all images (Cremer et al. 2018).

Records. amortization_gap: of a factorized Gaussian q(z|x), how many nats the ELBO gains on average
if each image has the mean and variance that are best for it.
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iae_jax.metrics.available import Available
from iae_jax.metrics.measurement import Measurement, Trained
from iae_jax.metrics.metric import CODE
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys, to_unit
from iae_jax.types import Array

RATE = 0.01  # of Adam, falling to 0
Gaussian = tuple[Array, Array]  # mean and log variance, f32[B, D] each


def amortization_gap(
    trained: Trained, images: int = 100, steps: int = 2000, samples: int = 200
) -> Iterator[Measurement]:
    """Of the first images.

    Args:
      steps: of the search, which begins at the encoder's own Gaussian; a draw of z in each.
      samples: of z for each image, the same noise for both bounds, other than the search's.
    """
    if Available(trained).missing(("encoder", "likelihood", "vector")):
        return
    game, params = trained.game, trained.params
    x = to_unit(jnp.asarray(trained.x[:images]))
    draws = Draws(game, params, Noise(example_keys(jax.random.key(0), 0, len(x))), {"x": x})
    first = draws.encoding
    if first.mean is None or first.log_variance is None or first.logits is not None:
        return
    if game.prior.log_density is None or game.prior.categories:
        return

    def bound(own: Gaussian, key: Array) -> Array:
        """f32[B], up to a constant, by one draw; the entropy in closed form."""
        mean, log_variance = own
        z = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(key, mean.shape)
        return 0.5 * jnp.sum(log_variance, axis=-1) - draws.energy(x, z)

    optimizer = optax.adam(optax.cosine_decay_schedule(RATE, steps))

    def improve(state: tuple[Gaussian, optax.OptState], key: Array) -> tuple[Any, None]:
        own, moments = state
        gradient = jax.grad(lambda own: -jnp.sum(bound(own, key)))(own)
        updates, moments = optimizer.update(gradient, moments)
        return (optax.apply_updates(own, updates), moments), None

    first_key, second_key = jax.random.split(jax.random.key(trained.seed))
    search, judge = jax.random.split(first_key, steps), jax.random.split(second_key, samples)

    @jax.jit
    def gain(begun: Gaussian) -> Array:
        (best, _), _ = jax.lax.scan(improve, (begun, optimizer.init(begun)), search)
        return jnp.mean(jax.lax.map(lambda key: bound(best, key) - bound(begun, key), judge))

    found = np.float64(gain((first.mean, first.log_variance)))
    yield Measurement("amortization_gap", float(found), len(x), CODE)
