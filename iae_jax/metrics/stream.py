"""What a trained game does to a set of images, batch by batch.

Every metric is a vector over the examples of a batch. Batches are padded to one size and masked
in one place, once for every metric, and their first two moments are summed in float64. An example's
noise depends on the seed and on its index alone, so no value depends on the batch size.
"""

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.errors import InputError
from iae_jax.metrics.feature_classifier import Judge
from iae_jax.metrics.frechet import Moments
from iae_jax.metrics.hog import Descriptor
from iae_jax.metrics.quality import partners
from iae_jax.objectives import terms
from iae_jax.sampling import draws
from iae_jax.sampling.draws import to_unit
from iae_jax.types import Array, Code, Game, Players, Prior

MOST_SAMPLES = 10_000  # drawn from the prior to be compared in features
MOST_IMAGES = 1_000  # of these, kept as images
REPEATS = 4  # reconstructions of one image, for the local spread
COLOURS = ("red", "green", "blue")
# The other reconstructions' noise; beyond the purposes that draws.py numbers.
REPEATED = 1000


def padded_batches(size: int, batch_size: int) -> Iterator[tuple[int, np.ndarray, int]]:
    """(first, indices i64[batch_size], count): the last batch repeats the last example, and only
    its first `count` rows are of the split."""
    for first in range(0, size, batch_size):
        indices = np.minimum(np.arange(first, first + batch_size), size - 1)
        yield first, indices, min(batch_size, size - first)


def _mean_distance(a: Array, b: Array) -> Array:
    """Mean absolute difference over everything but the examples: f32[B]."""
    return jnp.mean(jnp.abs(a - b).reshape(a.shape[0], -1), axis=-1)


def _known(said: Array, of: Array) -> Array:
    """1 or 0, and NaN where what it was said of is not finite: an argmax has an answer to that too.
    said: bool[B], of: f32[B, K]."""
    return jnp.where(jnp.isfinite(of).all(axis=-1), said.astype(jnp.float32), jnp.nan)


@functools.partial(jax.jit, static_argnames=("networks", "prior", "see", "wanted"))
def _vectors(
    networks: Players,
    prior: Prior,
    see: Callable[[Array], tuple[Array | None, Array]] | None,
    wanted: tuple[str, ...] | None,
    params: Players,
    key: Array,
    first: Array | int,
    x: Array,
    other: Array,
    labels: Array,
    noise_scale: Array | float,
) -> dict[str, Array]:
    """Every metric of one batch, f32[B] or f32[B, F]; what is not `wanted` is not computed.

    see: a judge's or a descriptor's apply. first: index of the first example. x, other: u8 or
    f32[B, ...]. labels: i32[B].
    """
    x, other = to_unit(x), to_unit(other)
    keys = draws.example_keys(key, first, x.shape[0])
    noise = draws.draw_noise(networks, prior, keys)
    drawn = draws.draw(networks, params, noise, x, noise_scale)
    found: dict[str, Array] = {}
    if see:
        logits, found["features"] = see(x)
        if logits is not None:
            verdict = jnp.argmax(logits, axis=-1)
            found["judge_accuracy"] = _known(verdict == labels, logits)
    if drawn.x_prior is not None:
        found["x_prior"] = drawn.x_prior
        if see:
            _, found["prior_features"] = see(drawn.x_prior)
    if drawn.z is not None:
        if drawn.z.vector is not None:
            found["code_vector"] = drawn.z.vector
            found["code_norm"] = jnp.linalg.norm(drawn.z.vector, axis=-1)
        if drawn.z.probabilities is not None:
            found["category"] = drawn.z.probabilities
            likeliest = jnp.argmax(drawn.z.probabilities, axis=-1)
            found["label_error"] = 100.0 * _known(likeliest != labels, drawn.z.probabilities)
    if drawn.x_hat is not None and drawn.x_prior is not None:
        found["pixel_error"] = _mean_distance(x, drawn.x_hat)
        found["random_pair_error"] = _mean_distance(x, other)
        found |= _local_spread(networks, params, keys, drawn, noise_scale)
        again, _ = draws.infer(networks, params, keys, drawn.x_prior)
        found["code_consistency"] = _code_distance(again, drawn.z_prior)
        if see:
            logits, features = see(drawn.x_hat)
            found["reconstruction_features"] = features
            found["feature_error"] = _mean_distance(found["features"], features)
            found["random_pair_feature_error"] = _mean_distance(found["features"], see(other)[1])
            if logits is not None:
                agreed = jnp.argmax(logits, axis=-1)
                found["label_agreement"] = _known(agreed == verdict, logits)
                found["label_agreement_true"] = _known(agreed == labels, logits)
        if _has_elbo(networks, prior):
            parts = [
                term.loss(None, drawn, jnp.zeros((), jnp.int32)).path
                for term in (terms.likelihood(), terms.analytic_kl())
            ]
            found["negative_elbo"] = sum(parts, start=jnp.zeros(()))
    return {name: value for name, value in found.items() if wanted is None or name in wanted}


def _local_spread(
    networks: Players, params: Players, keys: Array, drawn: Any, noise_scale: Array | float
) -> dict[str, Array]:
    """Mean distance between reconstructions of one z that differ in the local code, f32[B]; of
    colour images also that of each channel, and of its mean over the image: the tint."""
    x_hats = [drawn.x_hat]
    if networks.generator.noise:
        for repeat in range(1, REPEATS):
            again = draws.purpose_keys(keys, REPEATED + repeat)
            x_hats.append(draws.generate(networks, params, again, drawn.z, noise_scale))

    def spread(of: list[Array]) -> Array:
        pairs = list(itertools.combinations(of, 2))
        found = [_mean_distance(a, b) for a, b in pairs]
        return sum(found, start=jnp.zeros(len(drawn.x))) / max(1, len(pairs))

    found = {"local_spread": spread(x_hats)}
    if drawn.x.ndim == 4 and drawn.x.shape[-1] == len(COLOURS):
        for i, colour in enumerate(COLOURS):
            channel = [x[..., i] for x in x_hats]
            found[f"local_spread_{colour}"] = spread(channel)
            found[f"local_tint_{colour}"] = spread([jnp.mean(x, axis=(1, 2)) for x in channel])
    return found


def _code_distance(a: Code, b: Code) -> Array:
    """Mean absolute difference of a component, and whether the category differs: f32[B]."""
    parts = []
    if a.vector is not None and b.vector is not None:
        parts.append(_mean_distance(a.vector, b.vector))
    if a.probabilities is not None and b.category is not None:
        same = jnp.argmax(a.probabilities, axis=-1) == jnp.argmax(b.category, axis=-1)
        parts.append(1.0 - _known(same, a.probabilities))
    return sum(parts, start=jnp.zeros(()))


def _has_elbo(networks: Players, prior: Prior) -> bool:
    """Whether log p(x|z) and KL(q(z|x) || p(z)) are both known."""
    return (
        networks.generator.log_likelihood is not None
        and networks.encoder.factorized
        and (prior.standard_normal or not prior.size)
    )


# Which examples a metric is over, if not over all.
_OF_LABELLED = ("judge_accuracy", "label_agreement_true", "label_error")
# What is not a mean: its rows are kept, of the first `most` examples if it says so.
ROWS = {
    "features": None,
    "prior_features": MOST_SAMPLES,
    "reconstruction_features": None,
    "code_vector": None,
    "category": None,
    "x_prior": MOST_IMAGES,
}


class Seen(NamedTuple):
    """moments: of every metric. rows: name -> f32[N, F], what is not a mean."""

    moments: dict[str, Moments]
    rows: dict[str, np.ndarray]


def stream(
    game: Game,
    params: Players,
    images: np.ndarray,
    labels: np.ndarray | None,
    *,
    seed: int,
    noise_scale: Array | float,
    judge: Judge | Descriptor | None,
    batch_size: int,
    wanted: tuple[str, ...] | None = None,
) -> Seen:
    """Every metric over the images. Errors: InputError if there are none."""
    size = len(images)
    if size == 0:
        raise InputError("there is nothing to evaluate: the split has no images")
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; it must be 1 or more")
    labels = np.full(size, -1, np.int32) if labels is None else labels
    other, key, see = partners(size, seed), jax.random.key(seed), judge and judge.apply
    moments: dict[str, Moments] = {}
    rows: dict[str, list[np.ndarray]] = {}
    for first, indices, count in padded_batches(size, min(batch_size, size)):
        vectors = _vectors(
            game.networks,
            game.prior,
            see,
            wanted,
            params,
            key,
            first,
            images[indices],
            images[other[indices]],
            labels[indices],
            noise_scale,
        )
        own = indices[:count]
        for name, padded in jax.device_get(vectors).items():
            values = padded[:count]
            if name in _OF_LABELLED:
                values = values[labels[own] >= 0]
            if name in ROWS:
                most = ROWS[name]
                rows.setdefault(name, []).append(values if most is None else values[own < most])
            elif len(values):
                moments.setdefault(name, Moments()).add(values)
    return Seen(moments, {name: np.concatenate(parts) for name, parts in rows.items()})
