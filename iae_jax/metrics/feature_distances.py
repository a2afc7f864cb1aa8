"""Sets of images compared in the features of an extractor.

Records. feature_error: mean absolute error of a feature of x_hat; feature_error_random_pair: of
another example of the split; feature_error_ratio: the former over the latter. Prior samples (10,000
at most) against the split: frechet_sample, kernel_distance, precision, recall, density, coverage,
different_bins. frechet_reconstruction: reconstructions against the images that they are of, 0 for
copies. frechet_reconstruction_unpaired: reconstructions of a random half of the split against the
other half; frechet_data_unpaired: the images of the one half themselves, the floor of it. With
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
from iae_jax.metrics.metric_inputs import MetricInputs
from iae_jax.metrics.quality import NEIGHBORS, Support, different_bins, kernel_distance, support
from iae_jax.metrics.stream import padded_batches
from iae_jax.sampling.noise import to_unit
from iae_jax.types import Array

MAX_SAMPLES = 10_000  # drawn from the prior to be compared in features


def feature_error(inputs: MetricInputs) -> Array:
    return mean_distance(inputs.of_x.features, inputs.of_x_hat.features)


def feature_error_random_pair(inputs: MetricInputs) -> Array:
    return mean_distance(inputs.of_x.features, inputs.of_other.features)


_IMAGES = ("features", "generator")
_RECONSTRUCTIONS = (*_IMAGES, "encoder")

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
        _RECONSTRUCTIONS,
        rows=ALL,
    ),
    Metric("feature_error", feature_error, FEATURES, _RECONSTRUCTIONS),
    Metric(
        "feature_error_random_pair",
        feature_error_random_pair,
        FEATURES,
        (*_RECONSTRUCTIONS, "pairs"),
    ),
)


def feature_error_ratio(trained: Trained) -> Iterator[Measurement]:
    """The error of ignoring x is 0 only if all x are one."""
    moments, extractor = trained.streamed.moments, trained.extractor
    if extractor is None or not {"feature_error", "feature_error_random_pair"} <= moments.keys():
        return
    error, other = moments["feature_error"], moments["feature_error_random_pair"]
    if other.mean[0] > 0:
        ratio = float(error.mean[0] / other.mean[0])
        yield Measurement("feature_error_ratio", ratio, error.count, extractor.extractor)


def distances(trained: Trained) -> Iterator[Measurement]:
    """Generated images against those of the split."""
    rows, extractor = trained.streamed.rows, trained.extractor
    if extractor is None or "prior_features" not in rows:
        return
    split, samples, real = rows["features"], rows["prior_features"], features_of_train(trained)
    yield from frechet_distances(trained, real)
    few = split[chosen(len(split), MAX_SAMPLES, trained.seed)]
    if min(len(few), len(samples)) > NEIGHBORS:
        yield from distances_of_samples(extractor.extractor, few, samples, real)


def frechet_distances(trained: Trained, real: np.ndarray | None) -> Iterator[Measurement]:
    """Of each set to the split. real: features of training images."""
    rows, extractor = trained.streamed.rows, trained.extractor
    if extractor is None or "prior_features" not in rows:
        return
    split, samples = rows["features"], rows["prior_features"]
    reconstructions = rows.get("reconstruction_features")
    truth, found = moments_of(split), {}
    for name, features in (
        ("frechet_sample", samples),
        ("frechet_reconstruction", reconstructions),
        ("frechet_data", real),
    ):
        if features is not None and min(len(features), len(split)) > 1:
            found[name] = frechet_distance(moments_of(features), truth)
            yield Measurement(name, found[name], len(features), extractor.extractor)
    if found.get("frechet_data", 0.0) > 0 and "frechet_sample" in found:
        ratio = found["frechet_sample"] / found["frechet_data"]
        yield Measurement("sample_ratio", ratio, len(samples), extractor.extractor)
    if reconstructions is None or len(split) < 4:
        return
    # Drawn: the halves of a file may be of different people, as those of MNIST's test split.
    one, other = np.array_split(chosen(len(split), len(split), trained.seed), 2)
    truth = moments_of(split[other])
    for name, features in (
        ("frechet_reconstruction_unpaired", reconstructions),
        ("frechet_data_unpaired", split),
    ):
        distance = frechet_distance(moments_of(features[one]), truth)
        yield Measurement(name, distance, len(one), extractor.extractor)


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


def features_of_train(trained: Trained) -> np.ndarray | None:
    """f32[N, F] of as many training images as the split has, 10,000 at most; None without any."""
    if trained.train is None or trained.extractor is None:
        return None
    count = min(len(trained.x), MAX_SAMPLES)
    return features_of(trained.extractor, trained.train.x, count, trained.seed, trained.batch_size)


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
