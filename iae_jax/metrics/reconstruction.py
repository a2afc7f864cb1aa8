"""How near reconstructions are to x, and how far from each other.

Records. pixel_error: mean absolute error of a pixel; of a slow generator whose mean is known, that
of E[x|z]. random_pair_error: the same between x and another example of the split, as if x were
ignored. pixel_error_ratio: the former over the latter. local_spread: mean absolute difference of a
pixel between reconstructions that differ in the local code alone; of colour images also of each
channel (local_spread_red and so on) and of its mean over an image (local_tint_red and so on, which
shapes do not change).
"""

import itertools
from collections.abc import Callable, Iterator

import jax.numpy as jnp

from iae_jax.metrics.measurement import Measurement, Trained
from iae_jax.metrics.metric import PIXELS, Metric, mean_distance
from iae_jax.metrics.metric_inputs import MetricInputs
from iae_jax.types import Array

REPEATS = 4  # reconstructions of one x, for the local spread
REPEATED = 1000  # the number of the other reconstructions' noise, see `MetricInputs.again`
COLOURS = ("red", "green", "blue")


def pixel_error(inputs: MetricInputs) -> Array:
    draws = inputs.draws
    generator = draws.generator
    if generator.slow and generator.mean is not None:
        return mean_distance(draws.x, generator.mean(draws.params.generator, draws.z))
    return mean_distance(draws.x, draws.x_hat)


def random_pair_error(inputs: MetricInputs) -> Array:
    return mean_distance(inputs.draws.x, inputs.other)


def repeated(inputs: MetricInputs) -> list[Array]:
    """Reconstructions of one z with different local codes: f32[B, ...] each."""
    draws = inputs.draws
    if not draws.generator.noise:
        return [draws.x_hat]
    numbers = range(REPEATED + 1, REPEATED + REPEATS)
    return [draws.x_hat, *(inputs.again(number).decode(draws.z, "local") for number in numbers)]


def spread(of: list[Array]) -> Array:
    """Mean distance of all pairs: f32[B]."""
    pairs = list(itertools.combinations(of, 2))
    distances = [mean_distance(a, b) for a, b in pairs]
    return sum(distances, start=jnp.zeros(len(of[0]))) / max(1, len(pairs))


def local_spread(inputs: MetricInputs) -> Array:
    return spread(inputs.of(repeated))


def _of_channel(channel: int, mean: bool) -> Callable[[MetricInputs], Array]:
    def value(inputs: MetricInputs) -> Array:
        channels = [x[..., channel] for x in inputs.of(repeated)]
        return spread([jnp.mean(x, axis=(1, 2)) for x in channels] if mean else channels)

    return value


_SAMPLED, _COLOURED = ("encoder", "generator"), ("encoder", "generator", "colour")

PIXEL_ERROR = Metric("pixel_error", pixel_error, PIXELS, ("encoder", "reconstruction"))
RANDOM_PAIR_ERROR = Metric("random_pair_error", random_pair_error, PIXELS, (*_SAMPLED, "pairs"))
METRICS = (
    PIXEL_ERROR,
    RANDOM_PAIR_ERROR,
    Metric("local_spread", local_spread, PIXELS, _SAMPLED),
    *(
        Metric(f"{name}_{colour}", _of_channel(channel, mean), PIXELS, _COLOURED)
        for name, mean in (("local_spread", False), ("local_tint", True))
        for channel, colour in enumerate(COLOURS)
    ),
)


def pixel_error_ratio(trained: Trained) -> Iterator[Measurement]:
    """What remains of the error of ignoring x, which is 0 only if all x are one."""
    moments = trained.streamed.moments
    if {"pixel_error", "random_pair_error"} <= moments.keys():
        error, other = moments["pixel_error"], moments["random_pair_error"]
        if other.mean[0] > 0:
            ratio = float(error.mean[0] / other.mean[0])
            yield Measurement("pixel_error_ratio", ratio, error.count, PIXELS)


MEASURES = (pixel_error_ratio,)
