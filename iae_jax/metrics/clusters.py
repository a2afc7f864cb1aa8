"""How well clusters found without labels agree with labels."""

import numpy as np


def counts(clusters: np.ndarray, labels: np.ndarray, size: int) -> np.ndarray:
    """i64[size, size]: how often each cluster meets each label."""
    found = np.zeros((size, size), np.int64)
    np.add.at(found, (clusters, labels), 1)
    return found


def accuracy(clusters: np.ndarray, labels: np.ndarray) -> float:
    """The share of examples whose cluster is the one matched to their label, under the best
    one-to-one matching (Kuhn 1955). clusters, labels: i[N]."""
    from scipy.optimize import linear_sum_assignment

    found = counts(clusters, labels, int(max(clusters.max(), labels.max())) + 1)
    rows, columns = linear_sum_assignment(-found)
    return float(found[rows, columns].sum() / len(labels))


def names(clusters: np.ndarray, labels: np.ndarray, categories: int) -> np.ndarray:
    """The most frequent label of each cluster: i64[categories]; -1 for one without examples. To be
    chosen on a split that is not reported (the protocol of Makhzani et al. 2015 for more clusters
    than classes). clusters, labels: i[N]."""
    size = max(categories, int(labels.max()) + 1)
    found = counts(clusters, labels, size)[:categories]
    return np.where(found.any(axis=1), found.argmax(axis=1), -1)


def named_accuracy(clusters: np.ndarray, labels: np.ndarray, named: np.ndarray) -> float:
    """The share of examples whose cluster's name is their label. A cluster without a name is
    wrong."""
    return float(np.mean(named[clusters] == labels))


def used(clusters: np.ndarray, categories: int) -> float:
    """exp of the entropy of the clusters' shares, over how many there are: 1 if all are used alike,
    1 / K if one has everything."""
    shares = np.bincount(clusters, minlength=categories) / len(clusters)
    shares = shares[shares > 0]
    return float(np.exp(-np.sum(shares * np.log(shares))) / categories)
