"""How good and how varied generated images are: distances and shares between two sets of features
(f[N, F], of a named extractor), and the diversity of one set of images.

Everything is computed in blocks of rows, so that memory does not grow with the product of the
sizes. The Fréchet distance needs moments only: `frechet.py`.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

BLOCK = 1000  # rows at once
# Of a kernel distance: a block gives one estimate, and there must be several.
MAX_KERNEL_BLOCK, MIN_BLOCKS = 500, 5
NEIGHBORS = 5  # as Naeem et al.; Kynkäänniemi et al. take 3
BINS, LEVEL = 100, 0.05  # LEVEL: of the test for each bin
CONFIDENCE = 0.95  # of intervals


class Estimate(NamedTuple):
    """low, high: where the value lies with 95 % confidence."""

    value: float
    low: float
    high: float


def kernel_distance(a: np.ndarray, b: np.ndarray, block: int = 0, seed: int = 0) -> Estimate:
    """The squared maximum mean discrepancy with the kernel (x.y / F + 1)^3, without bias (KID:
    Bińkowski et al. 2018, section 4.1). 0 for equal distributions; an estimate can be negative.

    The mean over disjoint blocks, which are independent, and Student's interval of it (infinite
    for a single block). block: its rows; 0 is a fifth of them, at most 500. Blocks are drawn at
    random: of rows in the order of their labels, each block would have another distribution. Of
    the longer set only as many rows are used as the other has.

    Raises:
      ValueError: fewer than 2 rows.
    """
    from scipy.stats import t

    n = min(len(a), len(b))
    if n < 2:
        raise ValueError(f"a kernel distance is of at least 2 samples each, not {n}")
    count = max(1, n // (block or max(2, min(MAX_KERNEL_BLOCK, n // MIN_BLOCKS))))
    rng = np.random.default_rng(seed)
    a, b = (x[rng.permutation(len(x))[:n]] for x in (a, b))
    values = np.array(
        [
            _discrepancy(x, y)
            for x, y in zip(np.array_split(a, count), np.array_split(b, count), strict=True)
        ]
    )
    reach = np.inf
    if count > 1:
        quantile = t.ppf((1 + CONFIDENCE) / 2, count - 1)
        reach = float(quantile * values.std(ddof=1) / np.sqrt(count))
    mean = float(values.mean())
    return Estimate(mean, mean - reach, mean + reach)


def _discrepancy(a: np.ndarray, b: np.ndarray) -> float:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / a.shape[1] + 1) ** 3

    def within(x: np.ndarray) -> float:  # over different pairs
        values = kernel(x, x)
        return float((values.sum() - np.trace(values)) / (len(x) * (len(x) - 1)))

    return within(a) + within(b) - 2 * float(kernel(a, b).mean())


class Support(NamedTuple):
    """precision: the share of generated samples within the support of the real ones. recall: of
    real samples within that of the generated ones. density: how many real neighbourhoods contain a
    generated sample, over how many contain a real one; can exceed 1. coverage: the share of real
    neighbourhoods that contain a generated sample."""

    precision: float
    recall: float
    density: float
    coverage: float


def support(real: np.ndarray, fake: np.ndarray, neighbors: int = NEIGHBORS) -> Support:
    """How the supports of two sets overlap.

    A neighbourhood is the ball around a sample that reaches to its k-th neighbour in its own set
    (Kynkäänniemi et al. 2019; Naeem et al. 2020, section 3).

    Raises:
      ValueError: a set does not have more samples than neighbours.
    """
    if min(len(real), len(fake)) <= neighbors:
        raise ValueError(f"each set needs more than {neighbors} samples")
    real, fake = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    of_real, of_fake = _radii(real, neighbors), _radii(fake, neighbors)
    held = np.zeros(len(fake))  # in how many real neighbourhoods
    covered = np.zeros(len(real), bool)
    recalled = np.zeros(len(real), bool)
    for rows, distances in _distances(fake, real):
        inside = distances <= of_real
        held[rows] = inside.sum(axis=1)
        covered |= inside.any(axis=0)
        recalled |= (distances <= of_fake[rows, None]).any(axis=0)
    return Support(
        float((held > 0).mean()),
        float(recalled.mean()),
        float(held.mean() / neighbors),
        float(covered.mean()),
    )


def _distances(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """(rows of a, their squared distances to all of b), a block at a time."""
    squares = np.square(b).sum(axis=1)
    for first in range(0, len(a), BLOCK):
        rows = slice(first, first + BLOCK)
        block = a[rows]
        product = np.square(block).sum(axis=1)[:, None] + squares - 2 * block @ b.T
        yield rows, np.maximum(product, 0.0)


def _radii(x: np.ndarray, neighbors: int) -> np.ndarray:
    """Squared distance of each sample to its k-th neighbour: f64[N]."""
    found = np.empty(len(x))
    for rows, distances in _distances(x, x):
        # The nearest of all is the sample itself, exactly.
        distances[np.arange(len(distances)), np.arange(len(x))[rows]] = 0.0
        found[rows] = np.partition(distances, neighbors, axis=1)[:, neighbors]
    return found


def different_bins(
    reference: np.ndarray, samples: np.ndarray, bins: int = BINS, seed: int = 0
) -> float:
    """The share of bins whose share of the samples differs significantly from their share of the
    reference (NDB: Richardson & Weiss 2018, section 3): near the level of the test, 0.05, for
    equal distributions, more where modes are missing or too heavy. Bins are found by k-means of
    the reference."""
    from scipy.stats import norm
    from sklearn.cluster import KMeans

    bins = max(2, min(bins, len(reference) // 10))
    means = KMeans(bins, n_init=1, random_state=seed).fit(np.asarray(reference, np.float64))
    of_samples = means.predict(np.asarray(samples, np.float64))
    counts = [np.bincount(found, minlength=bins) for found in (means.labels_, of_samples)]
    sizes = [len(reference), len(samples)]
    pooled = sum(counts) / sum(sizes)
    deviation = np.sqrt(pooled * (1 - pooled) * (1 / sizes[0] + 1 / sizes[1]))
    difference = np.abs(counts[0] / sizes[0] - counts[1] / sizes[1])
    z = difference / np.maximum(deviation, np.finfo(np.float64).tiny)
    return float((z > norm.ppf(1 - LEVEL / 2)).mean())


WINDOW, SIGMA = 11, 1.5
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # weights, from the finest


def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multi-scale structural similarity of pairs (MS-SSIM: Wang et al. 2003): f64[N], 1 for equal
    images. a, b: f[N, H, W, C] in [0, 1]. As many of the five scales are used as the sides have
    room for a window of 11, and their weights are scaled to sum to 1.

    Raises:
      ValueError: sides of fewer than 11 pixels.
    """
    from scipy.ndimage import correlate1d

    offsets = np.arange(WINDOW) - WINDOW // 2
    window = np.exp(-0.5 * np.square(offsets / SIGMA))
    window /= window.sum()
    cut = WINDOW // 2

    def blurred(x: np.ndarray) -> np.ndarray:
        for axis in (1, 2):
            x = correlate1d(x, window, axis=axis)
        return x[:, cut:-cut, cut:-cut]

    def halved(x: np.ndarray) -> np.ndarray:
        n, h, w, c = x.shape
        even = x[:, : h // 2 * 2, : w // 2 * 2]
        return even.reshape(n, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))

    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    side, levels = min(a.shape[1:3]), 1
    if side < WINDOW:
        raise ValueError(f"an image needs sides of at least {WINDOW}, not {side}")
    while levels < len(SCALES) and side >> levels >= WINDOW:
        levels += 1
    weights = np.array(SCALES[:levels]) / sum(SCALES[:levels])
    found = np.ones(len(a))
    for level, weight in enumerate(weights):
        mean_a, mean_b = blurred(a), blurred(b)
        variances = blurred(a * a) - mean_a**2 + blurred(b * b) - mean_b**2
        structure = (2 * (blurred(a * b) - mean_a * mean_b) + 0.03**2) / (variances + 0.03**2)
        if level == levels - 1:
            luminance = (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
            structure = structure * luminance
        # A negative mean has no real power: it counts as 0, the least similarity.
        found *= np.maximum(structure.mean(axis=(1, 2, 3)), 0.0) ** weight
        a, b = halved(a), halved(b)
    return found


def partners(size: int, seed: int) -> np.ndarray:
    """Another example for each: i64[size], a random permutation without fixed points."""
    order = np.random.default_rng(seed).permutation(size)
    found = np.empty(size, np.int64)
    found[order] = np.roll(order, 1)  # one cycle through all
    return found


def ms_ssim(images: np.ndarray, seed: int = 0) -> float:
    """Mean MS-SSIM of random pairs of one set: how little it varies (Odena et al. 2017, section
    4.2). Each image is in two pairs."""
    other = partners(len(images), seed)
    total = 0.0
    for first in range(0, len(images), BLOCK):
        rows = slice(first, first + BLOCK)
        total += similarity(images[rows], images[other[rows]]).sum()
    return total / len(images)
