"""How well clusters found without labels agree with labels."""

import numpy as np


def accuracy(clusters: np.ndarray, labels: np.ndarray) -> float:
    """The share of examples whose cluster is the one matched to their label, under the best
    one-to-one matching (Kuhn 1955). clusters, labels: i[N]."""
    from scipy.optimize import linear_sum_assignment

    size = int(max(clusters.max(), labels.max())) + 1
    counts = np.zeros((size, size), np.int64)
    np.add.at(counts, (clusters, labels), 1)
    rows, columns = linear_sum_assignment(-counts)
    return float(counts[rows, columns].sum() / len(labels))
