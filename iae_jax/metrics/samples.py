"""How much samples of the model vary.

Records. ms_ssim: MS-SSIM of pairs of prior samples, high if they vary little; ms_ssim_data: of the
split's images.
"""

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from iae_jax.metrics.measurement import Measurement, Trained, chosen, measured
from iae_jax.metrics.metric import PIXELS, Metric
from iae_jax.metrics.metric_inputs import MetricInputs
from iae_jax.metrics.quality import WINDOW, ms_ssim
from iae_jax.sampling.noise import to_unit
from iae_jax.types import Array

MAX_IMAGES = 1_000  # samples of the prior that are kept as they are


def x_prior(inputs: MetricInputs) -> Array:
    return inputs.draws.x_prior


METRICS = (Metric("x_prior", x_prior, PIXELS, ("generator",), rows=MAX_IMAGES),)


def similarity_of_pairs(trained: Trained) -> Iterator[Measurement]:
    """Of prior samples, beside as many real images."""
    samples, x = trained.streamed.rows.get("x_prior"), trained.x
    if samples is None or x.ndim != 4 or min(x.shape[1:3]) < WINDOW:
        return
    n = min(len(samples), len(x), MAX_IMAGES)
    if n < 2:
        return
    real = np.asarray(to_unit(jnp.asarray(x[chosen(len(x), n, trained.seed)])))
    for name, images in (("ms_ssim", samples[:n]), ("ms_ssim_data", real)):
        yield measured(name, n, PIXELS, lambda images: ms_ssim(images, trained.seed), images)


MEASURES = (similarity_of_pairs,)
