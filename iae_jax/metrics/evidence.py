"""log p(x) of a model whose densities are known: a bound by importance sampling, and its value by
quadrature where the code lies in the plane.

Records. nll_iwae_K: -log p(x) by K samples of q(z|x), an upper bound in the mean;
nll_iwae_K_of_N: of the first N images alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.errors import InputError
from iae_jax.metrics.measurement import Measure, Measurement, Trained
from iae_jax.metrics.metric import Metric
from iae_jax.metrics.metric_inputs import MetricInputs
from iae_jax.metrics.stream import stream
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys
from iae_jax.types import Array, Game, Players

FIRST = 1000  # of the numbers of repeated draws, see `MetricInputs.again`


def log_weight(draws: Draws) -> Array:
    """log p(x, z) / q(z|x) of the sample z ~ q(z|x) at hand: f32[B] in nats."""
    vector, log_q = draws.encoding.vector, draws.encoding.log_density
    assert vector is not None and log_q is not None  # the metric reads "kl" and "vector"
    return -draws.energy(draws.x, vector) - log_q


@dataclass(frozen=True)
class _Importance:
    samples: int

    def __call__(self, inputs: MetricInputs) -> Array:
        def add(total: Array, number: Array) -> tuple[Array, None]:
            return jnp.logaddexp(total, log_weight(inputs.again(number))), None

        nothing = jnp.full(inputs.draws.x.shape[:1], -jnp.inf)
        total, _ = jax.lax.scan(add, nothing, FIRST + jnp.arange(self.samples))
        return jnp.log(self.samples) - total


def importance(samples: int = 500, images: int = 0) -> Metric | Measure:
    """-log p(x) in nats by the importance-weighted bound of so many samples (Burda et al. 2016,
    eq. 8). One sample of a batch of images is in memory at a time.

    Args:
      samples: of q(z|x) for each image.
      images: so many, the first ones of the split; 0: all.

    Raises:
      InputError: there are no samples, or the images are no number.
    """
    if not (isinstance(samples, int) and samples > 0):
        raise InputError(f"samples of the importance-weighted bound are 1 or more, not {samples!r}")
    if not (isinstance(images, int) and images >= 0):
        raise InputError(f"images of the importance-weighted bound are 0 or more, not {images!r}")
    every = Metric(
        f"nll_iwae_{samples}", _Importance(samples), "", ("encoder", "likelihood", "kl", "vector")
    )
    if not images:
        return every

    def of_first(trained: Trained) -> Iterator[Measurement]:
        few = trained._replace(x=trained.x[:images], labels=trained.all_labels[:images])
        for name, moments in stream(few, (every,)).moments.items():
            yield Measurement(f"{name}_of_{images}", float(moments.mean[0]), moments.count)

    return of_first


def log_evidence(
    game: Game, params: Players, x: Array, reach: float = 5.0, nodes: int = 201
) -> Array:
    """log p(x) in nats by a sum over a grid of codes in the plane: f32[B].

    Args:
      x: f32[B, ...].
      reach: of the grid along each axis; what p(z) has beyond it is left out.
      nodes: along each axis.

    Raises:
      InputError: the code is no vector in the plane, or a density is unknown.
    """
    if game.prior.size != 2:
        raise InputError("log p(x) by quadrature is of a code in the plane: set code.size=2")
    line = np.linspace(-reach, reach, nodes)
    z = jnp.asarray(np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2), jnp.float32)
    log_area = 2 * np.log(line[1] - line[0])
    draws = Draws(game, params, Noise(example_keys(jax.random.key(0), 0, 1)), {})

    def of(one: Array) -> Array:
        every = jnp.broadcast_to(one, (len(z), *one.shape))
        return jax.nn.logsumexp(-draws.energy(every, z)) + log_area

    found: Array = jax.jit(partial(jax.lax.map, of))(x)
    return found
