"""What a trained game is worth, as records that say how they were measured."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.data import Dataset
from iae_jax.metrics import clusters, probes
from iae_jax.metrics.distances import sliced_wasserstein, two_sample_accuracy
from iae_jax.metrics.feature_classifier import Judge
from iae_jax.metrics.frechet import Moments, frechet_distance
from iae_jax.metrics.hog import Descriptor
from iae_jax.metrics.quality import (
    NEIGHBORS,
    WINDOW,
    Support,
    different_bins,
    kernel_distance,
    ms_ssim,
    support,
)
from iae_jax.metrics.stream import COLOURS, MOST_IMAGES, MOST_SAMPLES, Seen, padded_batches, stream
from iae_jax.sampling import draws
from iae_jax.sampling.draws import to_unit
from iae_jax.types import Array, Game, Players

PIXELS, CODE = "pixels", "code"
MOST_CODES = 10_000  # that a probe reads, and that are compared with the prior
MOST_PRINCIPAL = 5_000  # training images that principal components are found in


class Record(NamedTuple):
    """One measured number.

    n: the examples that it is a mean over; of a distance, the generated ones. extractor: the space
    it is measured in: "pixels", "code", the name of a judge or a descriptor, or "" for nats.
    config: hash. low, high: a 95 % confidence interval, where there is one.
    """

    metric: str
    value: float
    n: int
    seed: int
    split: str
    extractor: str = ""
    config: str = ""
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, Any]:
        """For json.dump: a value that is not finite, which JSON has not, becomes None; an interval
        that is not there is left out."""
        plain = {name: value for name, value in self._asdict().items() if value is not None}
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in plain.items()
        }


class Book:
    """Records of one model on one split. A value of something that is not finite is NaN."""

    def __init__(self, seed: int, split: str, config: str) -> None:
        self.records: list[Record] = []
        self._common: dict[str, Any] = {"seed": seed, "split": split, "config": config}

    def note(
        self,
        metric: str,
        value: float,
        n: int,
        extractor: str,
        interval: tuple[float, float] | None = None,
    ) -> None:
        low, high = interval or (None, None)
        self.records.append(
            Record(metric, float(value), n, extractor=extractor, low=low, high=high, **self._common)
        )

    def mean(self, metric: str, moments: dict[str, Moments], extractor: str) -> None:
        if metric in moments and moments[metric].count:
            self.note(metric, moments[metric].mean[0], moments[metric].count, extractor)

    def of(
        self, metric: str, n: int, extractor: str, value: Callable[..., float], *arrays: np.ndarray
    ) -> None:
        """value(*arrays), which need not be able to bear what is not finite."""
        known = all(np.isfinite(array).all() for array in arrays)
        self.note(metric, value(*arrays) if known else math.nan, n, extractor)


def evaluate(
    game: Game,
    params: Players,
    images: np.ndarray,
    labels: np.ndarray | None,
    *,
    split: str,
    seed: int,
    noise_scale: Array | float,
    judge: Judge | Descriptor | None,
    batch_size: int = 500,
    config_hash: str = "",
    train: Dataset | None = None,
    validation: Dataset | None = None,
) -> list[Record]:
    """Everything that can be measured of a game on a split.

    Args:
      params: of the encoder and the generator, usually `state.average`.
      images: u8[N, ...], or f32[N, ...] as the networks read them. labels: i32[N], -1 for none.
      noise_scale: of the local code.
      judge: None leaves out everything that needs one; a descriptor, what needs labels.
      train: what probes learn from and bins are made of; as many of its images as the split has,
        drawn at random, give what a distance is between real images (`..._data`): the floor.
      validation: names the clusters, where there are more of them than classes; `train` if it is
        None.

    Returns: one record a metric.
      Of reconstructions. pixel_error: mean absolute error per pixel; random_pair_error: the same
        between an image and another one of the split, what ignoring x would give. label_agreement:
        the judge sees the same in x_hat as in x; label_agreement_true: it sees the true label in
        x_hat; judge_accuracy: in x. local_spread: mean absolute difference per pixel between
        reconstructions that differ in the local code alone, of colour images also of each channel
        (local_spread_red and so on) and of its mean over an image (local_tint_red and so on, which
        shapes do not change). pixel_error_ratio: pixel_error over random_pair_error;
        feature_error_ratio: the same of the images' features. pixel_error_pca: pixel_error of as
        many principal components of the training images as z has.
        negative_elbo: nats per example, where it is known.
      Of codes. code_norm: mean |z|; code_standard_deviation: of a component of z over the split,
        mean over components; code_consistency: |f(g(z, n)) - z| of codes of the prior, mean over
        components, and 1 where the likeliest category is another (a Gaussian encoder's noise counts
        too). code_nearest_accuracy, code_linear_accuracy: of the label, by the nearest
        training code and by logistic regression. two_sample_accuracy, sliced_wasserstein: q(z) and
        p(z); the same with `_prior`: two samples of p(z).
      Of a game that learns from labels. test_error (SPLIT_error): per cent of the labels that are
        not those of the encoder's likeliest category.
      Of categories. category_entropy: of their mean use, in nats (log K: all used);
        category_usage: exponential of the entropy of how often each is the likeliest, over K;
        cluster_accuracy: of the best matching if K is not above the number of classes, else of
        labels chosen on other examples; nmi, ari.
      Of the images' features, prior samples (10,000 at most) against the split: frechet_sample,
        kernel_distance, precision, recall, density, coverage, different_bins;
        frechet_reconstruction: reconstructions. ms_ssim: MS-SSIM of pairs of prior
        samples (ms_ssim_data: of the split's images), high if they vary little.

    Errors: InputError if there are no images.
    """
    options: dict[str, Any] = {
        "seed": seed,
        "noise_scale": noise_scale,
        "judge": judge,
        "batch_size": batch_size,
    }
    seen, book = stream(game, params, images, labels, **options), Book(seed, split, config_hash)
    moments = seen.moments
    book.mean("pixel_error", moments, PIXELS)
    if len(images) > 1:
        book.mean("random_pair_error", moments, PIXELS)
        of_pair(book, moments, "pixel_error", "random_pair_error", PIXELS)
    for kind in ("local_spread", "local_tint"):
        for metric in (kind, *(f"{kind}_{colour}" for colour in COLOURS)):
            book.mean(metric, moments, PIXELS)
    book.mean("negative_elbo", moments, "")
    if "labels" in game.objective.needs and "label_error" in moments:
        name = f"{split}_error"
        book.mean(name, moments | {name: moments["label_error"]}, CODE)
    book.mean("code_norm", moments, CODE)
    book.mean("code_consistency", moments, CODE)
    if "code_vector" in seen.rows:
        of_codes(book, game, seen.rows["code_vector"], seed)
    if "category" in seen.rows:
        use, n = seen.rows["category"], len(images)
        book.of("category_entropy", n, CODE, lambda q: _entropy(q.mean(0)), use)
        book.of("category_usage", n, CODE, lambda q: clusters.used(q.argmax(1), q.shape[1]), use)

    def encoded(data: Dataset) -> Seen:
        wanted = ("code_vector", "category")
        return stream(game, params, data.images, data.labels, **options, wanted=wanted)

    if labels is not None and (labels >= 0).any() and game.networks.encoder is not None:
        if train is not None and "code_vector" in seen.rows:
            few = _some(train, MOST_CODES, seed)
            of_probes(book, encoded(few), few.labels, seen, labels)
        if "category" in seen.rows:
            told = [labels, *(data.labels for data in (train, validation) if data)]
            classes = 1 + max(int(known.max()) for known in told if len(known))
            others = validation or train
            named = others and (encoded(others).rows["category"], others.labels)
            of_clusters(book, seen.rows["category"], labels, classes, named)
    if train is not None and {"code_vector", "x_prior"} <= seen.rows.keys():
        shown = _some(train, MOST_PRINCIPAL, seed).images
        of_principal(book, shown, images, seen.rows["code_vector"].shape[1], seed)
    if "x_prior" in seen.rows:
        of_images(book, images, seen.rows["x_prior"], seed)
    if judge is not None and "x_prior" in seen.rows:
        for metric in ("label_agreement", "label_agreement_true", "judge_accuracy"):
            book.mean(metric, moments, judge.extractor)
        if len(images) > 1:
            other = "random_pair_feature_error"
            of_pair(book, moments, "feature_error", other, judge.extractor)
        most = min(len(images), MOST_SAMPLES)
        real = train and features_of(judge, train.images, most, seed, batch_size)
        of_features(book, judge.extractor, seen.rows, real, seed)
    return book.records


def of_pair(
    book: Book, moments: dict[str, Moments], error: str, other: str, extractor: str
) -> None:
    """What is left of the error of ignoring x, which is 0 only if all images are one."""
    if {error, other} <= moments.keys() and moments[other].mean[0] > 0:
        ratio = moments[error].mean[0] / moments[other].mean[0]
        book.note(f"{error}_ratio", ratio, moments[error].count, extractor)


def of_codes(book: Book, game: Game, z: np.ndarray, seed: int) -> None:
    """q(z) beside p(z)."""
    code = Moments()
    code.add(z)
    few = z[_chosen(len(z), MOST_CODES, seed)]
    if len(few) < 2:
        return
    book.note("code_standard_deviation", _deviation(code), len(z), CODE)
    a, b = (
        np.asarray(game.prior.sample(draws.example_keys(jax.random.key(seed), at, len(few))).vector)
        for at in (0, len(few))
    )
    for metric, value in (
        ("two_sample_accuracy", two_sample_accuracy),
        ("sliced_wasserstein", sliced_wasserstein),
    ):
        book.of(metric, len(few), CODE, value, few, a)
        book.note(f"{metric}_prior", value(b, a), len(few), CODE)


def of_probes(
    book: Book, train: Seen, train_labels: np.ndarray, seen: Seen, labels: np.ndarray
) -> None:
    """What codes tell of labels; -1 is none."""
    known, there = labels >= 0, train_labels >= 0
    if len(set(train_labels[there])) < 2:
        return
    z, own = train.rows["code_vector"][there], seen.rows["code_vector"][known]
    told, asked = train_labels[there], labels[known]
    measures: dict[str, Callable[..., float]] = {
        "code_nearest_accuracy": lambda z, own: probes.nearest(z, told, own, asked),
        "code_linear_accuracy": lambda z, own: probes.linear(z, told, own, asked),
    }
    for metric, measure in measures.items():
        book.of(metric, len(asked), CODE, measure, z, own)


def of_clusters(
    book: Book,
    category: np.ndarray,
    labels: np.ndarray,
    classes: int,
    validation: tuple[np.ndarray, np.ndarray] | None,
) -> None:
    """category: f32[N, K]. validation: the same of other examples, and their labels."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    known, categories = labels >= 0, category.shape[1]
    truth, own = labels[known], category[known]
    measures: dict[str, Callable[[np.ndarray], float]] = {
        "nmi": lambda q: normalized_mutual_info_score(truth, q.argmax(1)),
        "ari": lambda q: adjusted_rand_score(truth, q.argmax(1)),
    }
    if categories <= classes:
        measures["cluster_accuracy"] = lambda q: clusters.accuracy(q.argmax(1), truth)
    elif validation is not None and (validation[1] >= 0).any():
        there = validation[1] >= 0
        other, told = validation[0][there].argmax(axis=1), validation[1][there]
        named = clusters.names(other, told, categories)
        measures["cluster_accuracy"] = lambda q: clusters.named_accuracy(q.argmax(1), truth, named)
    for metric, measure in measures.items():
        book.of(metric, len(truth), CODE, measure, own)


def of_principal(book: Book, train: np.ndarray, images: np.ndarray, size: int, seed: int) -> None:
    """What a linear code of the same size leaves of the images."""
    told, asked = (np.asarray(to_unit(jnp.asarray(x))).reshape(len(x), -1) for x in (train, images))
    if size < min(told.shape):
        value = probes.principal_error(told, asked, size, seed)
        book.note("pixel_error_pca", value, len(asked), PIXELS)


def of_images(book: Book, images: np.ndarray, samples: np.ndarray, seed: int) -> None:
    """How much prior samples vary, beside as many real images."""
    n = min(len(samples), len(images), MOST_IMAGES)
    if n < 2 or images.ndim != 4 or min(images.shape[1:3]) < WINDOW:
        return
    chosen = _chosen(len(images), n, seed)
    for metric, shown in (
        ("ms_ssim", samples[:n]),
        ("ms_ssim_data", np.asarray(to_unit(jnp.asarray(images[chosen])))),
    ):
        book.of(metric, n, PIXELS, lambda x: ms_ssim(x, seed), shown)


def of_features(
    book: Book, extractor: str, rows: dict[str, np.ndarray], real: np.ndarray | None, seed: int
) -> None:
    """Generated images against those of the split. real: features of training images."""
    split, samples = rows["features"], rows["prior_features"]
    truth = _moments(split)
    for metric, features in (
        ("frechet_sample", samples),
        ("frechet_reconstruction", rows.get("reconstruction_features")),
        ("frechet_data", real),
    ):
        if features is not None and min(len(features), len(split)) > 1:
            distance = frechet_distance(_moments(features), truth)
            book.note(metric, distance, len(features), extractor)
    few, n = split[_chosen(len(split), MOST_SAMPLES, seed)], len(samples)
    if min(len(few), n) <= NEIGHBORS:
        return
    if not (np.isfinite(few).all() and np.isfinite(samples).all()):
        for metric in ("kernel_distance", "different_bins", *Support._fields):
            book.note(metric, math.nan, n, extractor)
        return
    for metric, features in (("kernel_distance", samples), ("kernel_distance_data", real)):
        if features is not None:
            found = kernel_distance(features, few)
            n_compared = min(len(features), len(few))
            book.note(metric, found.value, n_compared, extractor, (found.low, found.high))
    for metric, value in support(few, samples)._asdict().items():
        book.note(metric, value, n, extractor)
    if real is not None:
        book.note("different_bins", different_bins(real, samples), n, extractor)
        book.note("different_bins_data", different_bins(real, few), len(few), extractor)


def features_of(
    judge: Judge | Descriptor, images: np.ndarray, n: int, seed: int = 0, batch_size: int = 500
) -> np.ndarray:
    """Its features of n images (all, if there are fewer) drawn at random: f32[n, F]."""
    chosen, found = _chosen(len(images), n, seed), []
    for _, indices, count in padded_batches(len(chosen), min(batch_size, len(chosen))):
        _, features = judge.apply(to_unit(jnp.asarray(images[chosen[indices]])))
        found.append(jax.device_get(features)[:count])
    return np.concatenate(found)


def validate(
    game: Game,
    params: Players,
    images: np.ndarray,
    noise_scale: Array | float,
    seed: int,
    n: int = 1000,
    batch_size: int = 500,
    labels: np.ndarray | None = None,
) -> dict[str, float]:
    """The few numbers to watch while training, on the first n images: pixel_error (what chooses the
    best checkpoint), label_error if the game learns from labels; nothing without an encoder."""
    if game.networks.encoder is None:
        return {}
    wanted: tuple[str, ...] = ("pixel_error",)
    if "labels" in game.objective.needs:
        wanted += ("label_error",)
    seen = stream(
        game,
        params,
        images[:n],
        None if labels is None else labels[:n],
        seed=seed,
        noise_scale=noise_scale,
        judge=None,
        batch_size=batch_size,
        wanted=wanted,
    )
    return {name: float(seen.moments[name].mean[0]) for name in wanted if name in seen.moments}


def _deviation(code: Moments) -> float:
    """Mean over components of the standard deviation over examples."""
    return float(np.mean(np.sqrt(np.maximum(np.diag(code.covariance), 0.0))))


def _entropy(probabilities: np.ndarray) -> float:
    """-sum p log p in nats."""
    used = probabilities[probabilities > 0]
    return float(-np.sum(used * np.log(used)))


def _chosen(size: int, most: int, seed: int) -> np.ndarray:
    """Indices of so many of `size` examples (all, if there are fewer), drawn at random."""
    return np.random.default_rng(seed).permutation(size)[:most]


def _some(data: Dataset, most: int, seed: int) -> Dataset:
    """So many of its examples, drawn at random."""
    chosen = _chosen(len(data.images), most, seed)
    return Dataset(data.images[chosen], data.labels[chosen])


def _moments(rows: np.ndarray) -> Moments:
    found = Moments()
    found.add(rows)
    return found
