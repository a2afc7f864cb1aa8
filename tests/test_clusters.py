"""Clusters and probes against counts by hand and closed forms."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics
from scipy.stats import entropy

from iae_jax.data import Dataset
from iae_jax.metrics import clusters, probes
from iae_jax.metrics.evaluate import Trained, evaluate, validate
from iae_jax.objectives.grid import cell
from iae_jax.sampling import priors
from iae_jax.types import Encoder, Encoding, Game, Players

SHAPE = (4, 3, 1)

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


def test_a_cluster_is_named_on_one_split_and_measured_on_another():
    majority = clusters.majority_labels(FOUND, LABELS, 6)
    assert list(majority) == [1, 2, 0, -1, 2, -1]
    other, truth = np.array([0, 1, 2, 3, 4, 5, 2]), np.array([1, 2, 1, 0, 2, 2, 0])
    assert clusters.majority_accuracy(other, truth, majority) == pytest.approx(4 / 7)


def test_usage_is_the_exponential_of_the_entropy():
    shares = np.bincount(FOUND, minlength=6) / 10
    assert clusters.usage(FOUND, 6) == pytest.approx(np.exp(entropy(shares)) / 6)
    assert clusters.usage(np.zeros(9, int), 5) == pytest.approx(1 / 5)
    assert clusters.usage(np.arange(12) % 4, 4) == pytest.approx(1.0)


def test_probes_of_codes_whose_labels_are_known():
    """A line separates a half-plane and not a ring; a neighbour both. The scale of a component must
    not matter."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(2000, 2))
    half, ring = (z[:, 0] > 0).astype(int), (np.square(z).sum(1) > 1.4).astype(int)
    scaled = z * np.array([1e-3, 1e3])
    for labels, low, high in ((half, 0.97, 1.0), (ring, 0.4, 0.65)):
        found = probes.linear(scaled[:1500], labels[:1500], scaled[1500:], labels[1500:])
        assert low <= found <= high
        near = probes.nearest(scaled[:1500], labels[:1500], scaled[1500:], labels[1500:])
        assert near > 0.93


# Codes with labels


def categories_game(labelled=True):
    """z = (x_0, x_1); the likeliest category is 3 where x_2 > 0.6, else 2, 1 or 0 by thirds."""

    def encode(params, x, noise):
        flat = x.reshape(len(x), -1)
        which = jnp.where(flat[:, 2] > 0.6, 3, (flat[:, 2] * 5).astype(jnp.int32))
        return Encoding(vector=flat[:, :2], logits=2.0 * jax.nn.one_hot(which, 4))

    networks = Players(Encoder(lambda key: {}, encode, 0))
    game = Game(networks, priors.prior("gaussian", 2, 4), cell("none"), Players(), ())
    return game._replace(sources=frozenset({"x", "labelled"})) if labelled else game


def categories(x):
    third = x.reshape(len(x), -1)[:, 2] / 255
    return np.where(third > 0.6, 3, (third * 5).astype(int))


def measured(trained):
    return {record.metric: record for record in evaluate(trained)}


def test_errors_and_clusters_of_a_known_game():
    """Against scikit-learn and counts; labels follow the categories but for a third of them."""
    rng = np.random.default_rng(11)

    def labelled(size):
        x = rng.integers(0, 250, (size, *SHAPE), dtype=np.uint8)
        random = rng.integers(0, 3, size)
        labels = np.where(np.arange(size) % 3, categories(x) % 3, random).astype(np.int32)
        labels[::10] = -1
        return Dataset(x, labels)

    test, train, validation = labelled(60), labelled(80), labelled(70)
    # Training labels that would name the clusters otherwise: validation names them.
    train = train._replace(labels=np.where(train.labels < 0, -1, (train.labels + 1) % 3))
    trained = Trained(categories_game(), Players({}, None), *test, "test")
    found = measured(trained._replace(train=train, validation=validation))
    there, own = test.labels >= 0, categories(test.x)
    error = 100 * np.mean((own != test.labels)[there])
    assert found["test_error"].value == pytest.approx(error) and 0 < error < 100
    assert found["test_error"].n == there.sum() == 54
    nmi = sklearn.metrics.normalized_mutual_info_score(test.labels[there], own[there])
    ari = sklearn.metrics.adjusted_rand_score(test.labels[there], own[there])
    assert (found["nmi"].value, found["ari"].value) == pytest.approx((nmi, ari))
    # Four categories and three classes: a category's label is that of most validation examples.
    of_validation = categories(validation.x)
    votes = [
        np.bincount(validation.labels[(of_validation == k) & (validation.labels >= 0)], minlength=3)
        for k in range(4)
    ]
    named = np.argmax(votes, axis=1)
    accuracy = np.mean(named[own[there]] == test.labels[there])
    assert found["cluster_accuracy"].value == pytest.approx(accuracy)
    shares = np.bincount(own, minlength=4) / 60
    usage = np.exp(entropy(shares)) / 4
    assert found["category_usage"].value == pytest.approx(usage)
    mean = shares * np.exp(2) + 1 - shares
    expected = entropy(mean / mean.sum())
    assert found["category_entropy"].value == pytest.approx(expected, rel=1e-5)
    codes, learned = (d.x.reshape(len(d.x), -1)[:, :2] / 255.0 for d in (test, train))
    scale = learned[train.labels >= 0].std(axis=0)
    distances = np.abs((codes[:, None] - learned[train.labels >= 0]) / scale)
    nearest = np.square(distances).sum(-1).argmin(axis=1)
    right = train.labels[train.labels >= 0][nearest] == test.labels
    assert found["code_nearest_accuracy"].value == pytest.approx(right[there].mean())

    assert validate(trained) == {"label_error": pytest.approx(error)}
    assert "cluster_accuracy" not in measured(trained)
    assert "test_error" not in measured(trained._replace(game=categories_game(labelled=False)))
