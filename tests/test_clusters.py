"""Clusters and probes against counting by hand and closed forms."""

import itertools

import numpy as np
import pytest
from scipy.stats import entropy

from iae_jax.metrics import clusters, probes

LABELS = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 1])
FOUND = np.array([2, 2, 0, 0, 0, 1, 1, 1, 4, 1])


def test_accuracy_is_of_the_best_matching():
    """2 -> 0 (2 of 3), 0 -> 1 (2 of 3), 1 -> 2 (3 of 4): 7 of 10."""
    assert clusters.accuracy(FOUND, LABELS) == pytest.approx(0.7)


def test_accuracy_is_that_of_the_best_permutation():
    rng = np.random.default_rng(3)
    labels, found = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    best = max(
        np.mean(np.array(order)[found] == labels) for order in itertools.permutations(range(4))
    )
    assert clusters.accuracy(found, labels) == pytest.approx(best)
    assert clusters.accuracy((labels + 3) % 4, labels) == 1.0
    # More clusters than labels: a label has one cluster only.
    assert clusters.accuracy(np.array([0, 1, 2, 2]), np.array([0, 0, 1, 1])) == 0.75


def test_a_cluster_is_named_on_one_split_and_judged_on_another():
    named = clusters.names(FOUND, LABELS, 6)
    assert list(named) == [1, 2, 0, -1, 2, -1]
    other, truth = np.array([0, 1, 2, 3, 4, 5, 2]), np.array([1, 2, 1, 0, 2, 2, 0])
    assert clusters.named_accuracy(other, truth, named) == pytest.approx(4 / 7)


def test_used_is_the_exponential_of_the_entropy():
    shares = np.bincount(FOUND, minlength=6) / 10
    assert clusters.used(FOUND, 6) == pytest.approx(np.exp(entropy(shares)) / 6)
    assert clusters.used(np.zeros(9, int), 5) == pytest.approx(1 / 5)
    assert clusters.used(np.arange(12) % 4, 4) == pytest.approx(1.0)


def test_probes_of_codes_whose_labels_are_known():
    """A line tells a half-plane and not a ring; a neighbour tells both. The scale of a component
    must not matter."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(2000, 2))
    half, ring = (z[:, 0] > 0).astype(int), (np.square(z).sum(1) > 1.4).astype(int)
    scaled = z * np.array([1e-3, 1e3])
    for labels, low, high in ((half, 0.97, 1.0), (ring, 0.4, 0.65)):
        found = probes.linear(scaled[:1500], labels[:1500], scaled[1500:], labels[1500:])
        assert low <= found <= high
        near = probes.nearest(scaled[:1500], labels[:1500], scaled[1500:], labels[1500:])
        assert near > 0.93
