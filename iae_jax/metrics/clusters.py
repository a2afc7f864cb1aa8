"""How well clusters found without labels agree with labels, and how evenly they are used.

Records. category_entropy: of the categories' mean use, in nats (log K: all are used).
category_usage: the exponential of the entropy of how often each is the likeliest, over K.
cluster_accuracy: of the best matching if K is not above the number of classes, else of labels that
were chosen on other examples. nmi: normalized mutual information; ari: adjusted Rand index.
"""

from collections.abc import Callable, Iterator

import numpy as np

from iae_jax.metrics.codes import CATEGORY
from iae_jax.metrics.measurement import Measurement, Trained, measured
from iae_jax.metrics.metric import CODE
from iae_jax.metrics.stream import stream


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


def majority_labels(clusters: np.ndarray, labels: np.ndarray, categories: int) -> np.ndarray:
    """The most frequent label of each cluster: i64[categories]; -1 for one without examples. To be
    chosen on a split that is not reported (the protocol of Makhzani et al. 2015 for more clusters
    than classes). clusters, labels: i[N]."""
    size = max(categories, int(labels.max()) + 1)
    found = counts(clusters, labels, size)[:categories]
    return np.where(found.any(axis=1), found.argmax(axis=1), -1)


def majority_accuracy(clusters: np.ndarray, labels: np.ndarray, majority: np.ndarray) -> float:
    """The share of examples whose label is their cluster's. A cluster without one is wrong."""
    return float(np.mean(majority[clusters] == labels))


def usage(clusters: np.ndarray, categories: int) -> float:
    """exp of the entropy of the clusters' shares, over how many there are: 1 if all are used alike,
    1 / K if one has everything."""
    shares = np.bincount(clusters, minlength=categories) / len(clusters)
    shares = shares[shares > 0]
    return float(np.exp(-np.sum(shares * np.log(shares))) / categories)


def entropy(probabilities: np.ndarray) -> float:
    """-sum p log p in nats."""
    used = probabilities[probabilities > 0]
    return float(-np.sum(used * np.log(used)))


def category_use(trained: Trained) -> Iterator[Measurement]:
    """How evenly categories are used."""
    q = trained.streamed.rows.get("category")
    if q is None:
        return
    yield measured("category_entropy", len(q), CODE, lambda q: entropy(q.mean(axis=0)), q)
    yield measured("category_usage", len(q), CODE, lambda q: usage(q.argmax(axis=1), q.shape[1]), q)


def agreement_with_labels(trained: Trained) -> Iterator[Measurement]:
    """Of the likeliest category with the label: nmi, ari, cluster_accuracy."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    q, labels = trained.streamed.rows.get("category"), trained.all_labels
    labelled = labels >= 0
    if q is None or not labelled.any():
        return
    truth, own, categories = labels[labelled], q[labelled], q.shape[1]
    values: dict[str, Callable[[np.ndarray], float]] = {
        "nmi": lambda q: normalized_mutual_info_score(truth, q.argmax(axis=1)),
        "ari": lambda q: adjusted_rand_score(truth, q.argmax(axis=1)),
    }
    others = [data for data in (trained.validation, trained.train) if data is not None]
    all_labels = [labels, *(data.labels for data in others)]
    if categories <= 1 + max(int(each.max()) for each in all_labels if len(each)):
        values["cluster_accuracy"] = lambda q: accuracy(q.argmax(axis=1), truth)
    elif others and (others[0].labels >= 0).any():
        there = others[0].labels >= 0
        of_others = stream(trained.on(others[0]), (CATEGORY,)).rows["category"][there]
        clusters = of_others.argmax(axis=1)
        majority = majority_labels(clusters, others[0].labels[there], categories)
        values["cluster_accuracy"] = lambda q: majority_accuracy(q.argmax(axis=1), truth, majority)
    for name, value in values.items():
        yield measured(name, len(truth), CODE, value, own)


MEASURES = (category_use, agreement_with_labels)
