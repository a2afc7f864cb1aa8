"""Sets of images compared in the features of an extractor.

Records. feature_error_ratio: mean absolute error of a feature of x_hat over that of another example
of the split. Prior samples (10,000 at most) against the split: frechet_sample, kernel_distance,
precision, recall, density, coverage, different_bins. frechet_reconstruction: reconstructions. With
`_data`: training images, from which a feature classifier has learned too, so that a floor by other
images would be lower. sample_ratio: frechet_sample over frechet_data, 1 for samples as good as
real images.
"""

import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.metrics.extractor import Extractor
from iae_jax.metrics.frechet import frechet_distance, moments_of
from iae_jax.metrics.measurement import Measurement, Trained, chosen
from iae_jax.metrics.metric import ALL, FEATURES, Metric, mean_distance
from iae_jax.metrics.quality import (
    NEIGHBORS,
    Support,
    different_bins,
    kernel_distance,
    partners,
    support,
)
from iae_jax.metrics.stream import padded_batches
from iae_jax.sampling.noise import to_unit

MAX_SAMPLES = 10_000  # drawn from the prior to be compared in features


_IMAGES = ("features", "generator")

METRICS = (
    Metric("features", lambda inputs: inputs.of_x.features, FEATURES, _IMAGES, rows=ALL),
    Metric(
        "prior_features",
        lambda inputs: inputs.of_x_prior.features,
        FEATURES,
        _IMAGES,
        rows=MAX_SAMPLES,
    ),
    Metric(
        "reconstruction_features",
        lambda inputs: inputs.of_x_hat.features,
        FEATURES,
        (*_IMAGES, "encoder"),
        rows=ALL,
    ),
)


def feature_error_ratio(trained: Trained) -> Iterator[Measurement]:
    """The error of ignoring x is 0 only if all x are one."""
    rows, extractor = trained.streamed.rows, trained.extractor
    if extractor is None or "reconstruction_features" not in rows or len(trained.x) < 2:
        return
    features = rows["features"]
    other = features[partners(len(features), trained.seed)]
    error, of_other = (
        np.asarray(mean_distance(jnp.asarray(features), jnp.asarray(one)), np.float64).mean()
        for one in (rows["reconstruction_features"], other)
    )
    if of_other > 0:
        ratio = float(error / of_other)
        yield Measurement("feature_error_ratio", ratio, len(features), extractor.extractor)


def distances(trained: Trained) -> Iterator[Measurement]:
    """Generated images against those of the split."""
    rows, extractor, train = trained.streamed.rows, trained.extractor, trained.train
    if extractor is None or "prior_features" not in rows:
        return
    split, samples, real = rows["features"], rows["prior_features"], None
    if train is not None:
        count = min(len(split), MAX_SAMPLES)
        real = features_of(extractor, train.x, count, trained.seed, trained.batch_size)
    reconstructions = rows.get("reconstruction_features")
    yield from frechet_distances(extractor.extractor, split, samples, reconstructions, real)
    few = split[chosen(len(split), MAX_SAMPLES, trained.seed)]
    if min(len(few), len(samples)) > NEIGHBORS:
        yield from distances_of_samples(extractor.extractor, few, samples, real)


def frechet_distances(
    extractor: str,
    split: np.ndarray,
    samples: np.ndarray,
    reconstructions: np.ndarray | None,
    real: np.ndarray | None,
) -> Iterator[Measurement]:
    """Of each set to the split. real: features of training images."""
    truth, found = moments_of(split), {}
    for name, features in (
        ("frechet_sample", samples),
        ("frechet_reconstruction", reconstructions),
        ("frechet_data", real),
    ):
        if features is not None and min(len(features), len(split)) > 1:
            found[name] = frechet_distance(moments_of(features), truth)
            yield Measurement(name, found[name], len(features), extractor)
    if found.get("frechet_data", 0.0) > 0 and "frechet_sample" in found:
        ratio = found["frechet_sample"] / found["frechet_data"]
        yield Measurement("sample_ratio", ratio, len(samples), extractor)


def distances_of_samples(
    extractor: str, split: np.ndarray, samples: np.ndarray, real: np.ndarray | None
) -> Iterator[Measurement]:
    """Of features of prior samples, and of training images, to those of the split."""
    n = len(samples)
    if not (np.isfinite(split).all() and np.isfinite(samples).all()):
        for name in ("kernel_distance", "different_bins", *Support._fields):
            yield Measurement(name, math.nan, n, extractor)
        return
    for name, features in (("kernel_distance", samples), ("kernel_distance_data", real)):
        if features is not None:
            found = kernel_distance(features, split)
            compared = min(len(features), len(split))
            yield Measurement(name, found.value, compared, extractor, found.low, found.high)
    for name, value in support(split, samples)._asdict().items():
        yield Measurement(name, value, n, extractor)
    if real is not None:
        yield Measurement("different_bins", different_bins(real, samples), n, extractor)
        data = different_bins(real, split)
        yield Measurement("different_bins_data", data, len(split), extractor)


def features_of(
    extractor: Extractor, x: np.ndarray, count: int, seed: int = 0, batch_size: int = 500
) -> np.ndarray:
    """Its features of `count` images (all, if there are fewer) drawn at random: f32[count, F]."""
    where, found = chosen(len(x), count, seed), []
    for _, indices, size in padded_batches(len(where), min(batch_size, len(where))):
        _, features = extractor.apply(to_unit(jnp.asarray(x[where[indices]])))
        found.append(jax.device_get(features)[:size])
    return np.concatenate(found)


MEASURES = (feature_error_ratio, distances)
