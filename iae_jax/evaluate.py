"""Metrics: what a trained game is worth, as records that say how they were measured.

Every metric is a vector over the examples of a batch. Batches are padded to one size and masked
in one place (`stream`), once for every metric, and their first two moments are summed in float64.
An example's noise depends on the seed and on its index alone, so no value depends on the batch
size.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax import draws, terms
from iae_jax.judge import Judge
from iae_jax.parallel import to_unit
from iae_jax.types import Array, Game, InputError, Players, Prior

MOST_SAMPLES = 10_000  # drawn from the prior for a Fréchet distance
REPEATS = 4  # reconstructions of one image, for the local spread
# The other reconstructions' noise; beyond the purposes that draws.py numbers.
REPEATED = 1000
PIXELS, CODE = "pixels", "code"


class Record(NamedTuple):
    """One measured number.

    n: the examples that it is a mean over; of a Fréchet distance, the generated ones. extractor:
    the space it is measured in: "pixels", "code", a judge's name, or "" for nats. config: hash.
    """

    metric: str
    value: float
    n: int
    seed: int
    split: str
    extractor: str = ""
    config: str = ""

    def to_json(self) -> dict[str, Any]:
        """For json.dump: a value that is not finite, which JSON has not, becomes None."""
        return self._asdict() | {"value": self.value if math.isfinite(self.value) else None}


class Moments:
    """Count, mean and covariance of vectors that arrive in batches, in float64."""

    def __init__(self) -> None:
        self.count = 0
        self.total: np.ndarray = np.zeros(())
        self.products: np.ndarray = np.zeros(())

    def add(self, values: np.ndarray) -> None:
        """values: f32[B] or f32[B, F]."""
        rows = np.asarray(values, np.float64).reshape(len(values), -1)
        self.count += len(rows)
        self.total = self.total + rows.sum(axis=0)
        self.products = self.products + rows.T @ rows

    @property
    def mean(self) -> np.ndarray:
        """f64[F]."""
        return self.total / self.count

    @property
    def covariance(self) -> np.ndarray:
        """f64[F, F], with the divisor n - 1."""
        centered = self.products - self.count * np.outer(self.mean, self.mean)
        return centered / max(self.count - 1, 1)


def frechet_distance(a: Moments, b: Moments) -> float:
    """|m_a - m_b|^2 + tr(A + B - 2 (AB)^(1/2)): the squared Wasserstein distance of two Gaussians
    (Dowson & Landau 1982; Heusel et al. 2017, eq. 6), in float64.

    The trace of (AB)^(1/2) is the sum of the singular values of A^(1/2) B^(1/2): real and
    non-negative for singular covariances too, where a general matrix square root is neither.
    NaN if a moment is not finite.
    """
    if not all(np.isfinite(m).all() for m in (a.total, a.products, b.total, b.products)):
        return math.nan
    product = _square_root(a.covariance) @ _square_root(b.covariance)
    overlap = np.linalg.svd(product, compute_uv=False).sum()
    spread = np.trace(a.covariance) + np.trace(b.covariance) - 2 * overlap
    return float(np.sum(np.square(a.mean - b.mean)) + max(spread, 0.0))


def _square_root(covariance: np.ndarray) -> np.ndarray:
    """Of a symmetric positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def padded_batches(size: int, batch_size: int) -> Iterator[tuple[int, np.ndarray, int]]:
    """(first, indices i64[batch_size], count): the last batch repeats the last example, and only
    its first `count` rows are of the split."""
    for first in range(0, size, batch_size):
        indices = np.minimum(np.arange(first, first + batch_size), size - 1)
        yield first, indices, min(batch_size, size - first)


def partners(size: int, seed: int) -> np.ndarray:
    """Another example for each: i64[size], a random permutation without fixed points."""
    order = np.random.default_rng(seed).permutation(size)
    found = np.empty(size, np.int64)
    found[order] = np.roll(order, 1)  # one cycle through all
    return found


def _mean_distance(a: Array, b: Array) -> Array:
    """Mean absolute difference over everything but the examples: f32[B]."""
    return jnp.mean(jnp.abs(a - b).reshape(a.shape[0], -1), axis=-1)


@functools.partial(jax.jit, static_argnames=("networks", "prior", "see", "wanted"))
def _vectors(
    networks: Players,
    prior: Prior,
    see: Callable[[Array], tuple[Array, Array]] | None,
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

    see: the judge's apply. first: index of the first example. x, other: u8 or f32[B, ...].
    labels: i32[B].
    """
    x, other = to_unit(x), to_unit(other)
    keys = draws.example_keys(key, first, x.shape[0])
    drawn = draws.draw(networks, prior, params, keys, x, noise_scale)
    found = {}
    if see:
        logits, found["features"] = see(x)
        _, found["prior_features"] = see(drawn.x_prior)
        verdict = jnp.argmax(logits, axis=-1)
        found["judge_accuracy"] = verdict == labels
    if drawn.x_hat is not None and drawn.z is not None:
        found["pixel_error"] = _mean_distance(x, drawn.x_hat)
        found["random_pair_error"] = _mean_distance(x, other)
        found["local_spread"] = _local_spread(networks, params, keys, drawn, noise_scale)
        if drawn.z.vector is not None:
            found["code_vector"] = drawn.z.vector
            found["code_norm"] = jnp.linalg.norm(drawn.z.vector, axis=-1)
        if drawn.z.probabilities is not None:
            found["category"] = drawn.z.probabilities
        if see:
            logits, found["reconstruction_features"] = see(drawn.x_hat)
            agreed = jnp.argmax(logits, axis=-1)
            found["label_agreement"] = agreed == verdict
            found["label_agreement_true"] = agreed == labels
        if _has_elbo(networks, prior):
            parts = [
                term.loss(None, drawn, jnp.zeros((), jnp.int32)).path
                for term in (terms.likelihood(), terms.analytic_kl())
            ]
            found["negative_elbo"] = sum(parts, start=jnp.zeros(()))
    return {name: value for name, value in found.items() if wanted is None or name in wanted}


def _local_spread(
    networks: Players, params: Players, keys: Array, drawn: Any, noise_scale: Array | float
) -> Array:
    """Mean distance between reconstructions of one z that differ in the local code: f32[B]."""
    if not networks.generator.noise:
        return jnp.zeros(drawn.x.shape[0])
    x_hats = [drawn.x_hat]
    for repeat in range(1, REPEATS):
        again = draws.purpose_keys(keys, REPEATED + repeat)
        x_hats.append(draws.generate(networks, params, again, drawn.z, noise_scale))
    pairs = [_mean_distance(a, b) for a, b in itertools.combinations(x_hats, 2)]
    return sum(pairs, start=jnp.zeros(())) / len(pairs)


def _has_elbo(networks: Players, prior: Prior) -> bool:
    """Whether log p(x|z) and KL(q(z|x) || p(z)) are both known."""
    return (
        networks.generator.log_likelihood is not None
        and networks.encoder.factorized
        and (prior.standard_normal or not prior.size)
    )


# Which examples a metric is over, if not over all.
_OF_LABELLED = ("judge_accuracy", "label_agreement_true")


def stream(
    game: Game,
    params: Players,
    images: np.ndarray,
    labels: np.ndarray | None,
    *,
    seed: int,
    noise_scale: Array | float,
    judge: Judge | None,
    batch_size: int,
    wanted: tuple[str, ...] | None = None,
) -> dict[str, Moments]:
    """The moments of every metric over the images. Errors: InputError if there are none."""
    size = len(images)
    if size == 0:
        raise InputError("there is nothing to evaluate: the split has no images")
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; it must be 1 or more")
    labels = np.full(size, -1, np.int32) if labels is None else labels
    other, key, see = partners(size, seed), jax.random.key(seed), judge and judge.apply
    moments: dict[str, Moments] = {}
    for first, indices, count in padded_batches(size, min(batch_size, size)):
        vectors = _vectors(
            game.networks, game.prior, see, wanted, params, key, first,
            images[indices], images[other[indices]], labels[indices], noise_scale,
        )
        rows = indices[:count]
        for name, padded in jax.device_get(vectors).items():
            values = padded[:count]
            if name in _OF_LABELLED:
                values = values[labels[rows] >= 0]
            elif name == "prior_features":
                values = values[rows < MOST_SAMPLES]
            if len(values):
                moments.setdefault(name, Moments()).add(values)
    return moments


def evaluate(
    game: Game,
    params: Players,
    images: np.ndarray,
    labels: np.ndarray | None,
    *,
    split: str,
    seed: int,
    noise_scale: Array | float,
    judge: Judge | None,
    batch_size: int = 500,
    config_hash: str = "",
    reference: np.ndarray | None = None,
) -> list[Record]:
    """Everything that can be measured of a game on a split.

    Args:
      params: of the encoder and the generator, usually `state.average`.
      images: u8[N, ...], or f32[N, ...] as the networks read them. labels: i32[N], -1 for none.
      noise_scale: of the local code.
      judge: None leaves out everything that needs one.
      reference: training images; as many as the split has, drawn at random, give the Fréchet
        distance that real images have (`frechet_distance_data`): the floor.

    Returns: one record a metric.
      pixel_error: mean absolute error per pixel of x_hat; random_pair_error: the same between an
        image and another one of the split, what ignoring x would give.
      label_agreement: the judge sees the same in x_hat as in x; label_agreement_true: it sees
        the true label in x_hat; judge_accuracy: in x.
      local_spread: mean absolute difference per pixel between reconstructions that differ in
        the local code alone.
      code_norm: mean |z|; code_standard_deviation: of a component of z over the split, mean over
        components; category_entropy: of the categories' mean use, in nats (log K: all used).
      frechet_distance: prior samples (10,000 at most) to the split in the judge's features;
        frechet_distance_reconstruction: reconstructions to the split.
      negative_elbo: nats per example, where it is known.

    Errors: InputError if there are no images.
    """
    moments = stream(
        game, params, images, labels,
        seed=seed, noise_scale=noise_scale, judge=judge, batch_size=batch_size,
    )
    records = []

    def note(metric: str, value: float, n: int, extractor: str) -> None:
        records.append(Record(metric, float(value), n, seed, split, extractor, config_hash))

    def note_mean(metric: str, extractor: str) -> None:
        if metric in moments and moments[metric].count:
            note(metric, moments[metric].mean[0], moments[metric].count, extractor)

    note_mean("pixel_error", PIXELS)
    if len(images) > 1:
        note_mean("random_pair_error", PIXELS)
    note_mean("local_spread", PIXELS)
    note_mean("code_norm", CODE)
    if code := moments.get("code_vector"):
        note("code_standard_deviation", _deviation(code), code.count, CODE)
    if category := moments.get("category"):
        note("category_entropy", _entropy(category.mean), category.count, CODE)
    note_mean("negative_elbo", "")
    if judge is None:
        return records
    for metric in ("label_agreement", "label_agreement_true", "judge_accuracy"):
        note_mean(metric, judge.extractor)
    real = moments["features"]
    for metric, name in (
        ("frechet_distance", "prior_features"),
        ("frechet_distance_reconstruction", "reconstruction_features"),
    ):
        if name in moments:
            found = moments[name]
            note(metric, frechet_distance(found, real), found.count, judge.extractor)
    if reference is not None:
        found = features_of(judge, reference, len(images), seed, batch_size)
        note("frechet_distance_data", frechet_distance(found, real), found.count, judge.extractor)
    return records


def features_of(
    judge: Judge, images: np.ndarray, n: int, seed: int = 0, batch_size: int = 500
) -> Moments:
    """The moments of the judge's features of n images (all, if there are fewer) drawn at random."""
    chosen = np.random.default_rng(seed).permutation(len(images))[:n]
    moments = Moments()
    for _, indices, count in padded_batches(len(chosen), min(batch_size, len(chosen))):
        _, features = judge.apply(to_unit(jnp.asarray(images[chosen[indices]])))
        moments.add(jax.device_get(features)[:count])
    return moments


def validate(
    game: Game,
    params: Players,
    images: np.ndarray,
    noise_scale: Array | float,
    seed: int,
    n: int = 1000,
    judge: Judge | None = None,
    batch_size: int = 500,
) -> dict[str, float]:
    """The few numbers to watch while training, on the first n images.

    pixel_error (what chooses the best checkpoint), and label_agreement if there is a judge. Of a
    game without an encoder: frechet_distance if there is a judge, else nothing.
    """
    if game.networks.encoder is not None:
        wanted: tuple[str, ...] = ("pixel_error", "label_agreement")
    elif judge is not None:
        wanted = ("features", "prior_features")
    else:
        return {}
    moments = stream(
        game, params, images[:n], None,
        seed=seed, noise_scale=noise_scale, judge=judge, batch_size=batch_size, wanted=wanted,
    )
    if game.networks.encoder is None:
        distance = frechet_distance(moments["prior_features"], moments["features"])
        return {"frechet_distance": distance}
    return {name: float(moments[name].mean[0]) for name in wanted if name in moments}


def _deviation(code: Moments) -> float:
    """Mean over components of the standard deviation over examples."""
    return float(np.mean(np.sqrt(np.maximum(np.diag(code.covariance), 0.0))))


def _entropy(probabilities: np.ndarray) -> float:
    """-sum p log p in nats."""
    used = probabilities[probabilities > 0]
    return float(-np.sum(used * np.log(used)))
