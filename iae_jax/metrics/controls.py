"""Controls: how near reconstructions come to x that no network makes.

Records. With `_pca`, what is recorded of the model without it, of a Gaussian with as many principal
components of the training examples as z has, which are its code: pixel_error_pca,
pixel_error_ratio_pca, label_agreement_pca, label_agreement_true_pca, feature_error_pca,
feature_error_ratio_pca, frechet_sample_pca, frechet_reconstruction_pca and
frechet_reconstruction_unpaired_pca. pixel_error_median, pixel_error_black: pixel_error of the
median of the training images, and of a black image, whatever x is. Of another example of the split
see `_random_pair` among the others.
"""

from collections.abc import Iterator
from functools import lru_cache

import jax.numpy as jnp
import numpy as np

from iae_jax.metrics import feature_distances, label_agreement
from iae_jax.metrics.measurement import Measurement, Streamed, Trained, some
from iae_jax.metrics.metric import PIXELS, Metric
from iae_jax.metrics.reconstruction import PIXEL_ERROR, RANDOM_PAIR_ERROR, pixel_error_ratio
from iae_jax.metrics.stream import means, padded_batches, stream
from iae_jax.sampling import priors
from iae_jax.sampling.noise import to_unit
from iae_jax.types import Array, Code, Encoder, Encoding, Game, Generator, Params, Players

MAX_TRAINING = 5_000  # examples that principal components, and a median, are found in
IN_FEATURES = (*label_agreement.METRICS, *feature_distances.METRICS)
OF_PRINCIPAL = (
    "pixel_error", "pixel_error_ratio", "label_agreement", "label_agreement_true", "feature_error",
    "feature_error_ratio", "frechet_sample", "frechet_reconstruction",
    "frechet_reconstruction_unpaired",
)  # fmt: skip


def in_features(model: Trained, also: tuple[Metric, ...] = ()) -> Iterator[Measurement]:
    """What its extractor sees of a model: classes, errors and Fréchet distances. also: metrics."""
    metrics = (*also, *IN_FEATURES)
    model = model._replace(streamed=stream(model, metrics))
    yield from means(model, metrics)
    for measure in (pixel_error_ratio, feature_distances.feature_error_ratio):
        yield from measure(model)
    real = feature_distances.features_of_train(model)
    yield from feature_distances.frechet_distances(model, real)


def _encode(params: Params, x: Array, noise: Array) -> Encoding:
    """The components of x, in units of their SD."""
    away = (x - params["mean"]).reshape(len(x), -1)
    return Encoding(vector=jnp.matmul(away, params["axes"].T, precision="highest") / params["sd"])


def _sample(params: Params, z: Code, noise: Array) -> Array:
    assert z.vector is not None
    away = jnp.matmul(z.vector * params["sd"], params["axes"], precision="highest")
    x = params["mean"] + away.reshape(-1, *params["mean"].shape)
    return jnp.clip(x, params["low"], params["high"])


@lru_cache
def _linear_game(size: int) -> Game:
    """One for each size, so that it is compiled once for all seeds."""
    networks = Players(Encoder(lambda key: {}, _encode, 0), Generator(lambda key: {}, _sample, 0))
    return Game(networks, priors.gaussian(size), None, Players())


def principal_model(trained: Trained) -> Trained | None:
    """Principal components as a model in the place of the trained one, with a code of its size:
    linear, in the range of values of the training examples; N(0, I) is the prior. None where z has
    no vector or too long a one, or where there is nothing to reconstruct or to learn from."""
    from sklearn.decomposition import PCA

    codes = trained.streamed.rows.get("code_vector")
    if trained.train is None or codes is None or "pixel_error" not in trained.streamed.moments:
        return None
    x = _unit(some(trained.train, MAX_TRAINING, trained.seed).x)
    flat, size = x.reshape(len(x), -1), codes.shape[1]
    if size >= min(flat.shape):
        return None
    found = PCA(size, svd_solver="randomized", random_state=trained.seed).fit(flat)
    sd = np.sqrt(found.explained_variance_)
    params = {
        "mean": found.mean_.reshape(x.shape[1:]).astype(np.float32),
        "axes": found.components_.astype(np.float32),
        "sd": np.where(sd > 0, sd, 1.0).astype(np.float32),
        "low": x.min(),
        "high": x.max(),
    }
    return trained._replace(
        game=_linear_game(size),
        params=Players(params, params),
        train=None,
        streamed=Streamed(),
    )


def principal_components(trained: Trained) -> Iterator[Measurement]:
    """What a linear code of the same size keeps of x."""
    model = principal_model(trained)
    if model is not None:
        yield from of_principal(model)


def of_principal(model: Trained) -> Iterator[Measurement]:
    """The measurements of `principal_model`, by their names."""
    for one in in_features(model, (PIXEL_ERROR, RANDOM_PAIR_ERROR)):
        if one.name in OF_PRINCIPAL:
            yield one._replace(name=f"{one.name}_pca")


def constant_images(trained: Trained) -> Iterator[Measurement]:
    """What one image in the place of every reconstruction leaves of x."""
    x = trained.x
    if trained.train is None or x.ndim != 4 or "pixel_error" not in trained.streamed.moments:
        return
    median = np.median(_unit(some(trained.train, MAX_TRAINING, trained.seed).x), axis=0)
    for name, image in (("median", median), ("black", np.zeros_like(median))):
        total = 0.0
        for first, _, size in padded_batches(len(x), trained.batch_size):
            total += np.abs(_unit(x[first : first + size]) - image).mean(axis=(1, 2, 3)).sum()
        yield Measurement(f"pixel_error_{name}", float(total / len(x)), len(x), PIXELS)


def _unit(x: np.ndarray) -> np.ndarray:
    return np.asarray(to_unit(jnp.asarray(x)))


MEASURES = (principal_components, constant_images)
