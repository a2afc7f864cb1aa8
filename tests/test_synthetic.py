"""Synthetic data sets. Expected values come from the distributions, computed here."""

import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest

from iae_jax.data import SyntheticSource, load, open_source
from iae_jax.data.planar import Mixture, mixture_of
from iae_jax.errors import InputError

RING = "planar:ring(modes=5, radius=1.5, deviation=0.3, scale=2.0)"
ANGLES = 2 * np.pi * np.arange(5) / 5
CENTRES = 3.0 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=-1)


def test_names_and_numbers():
    source = open_source(RING, "train")
    assert (source.shape, source.values, source.classes) == ((2,), "real", 5)
    assert len(source) == 10_000 and source.nbytes == 80_000
    eight, many = open_source("planar:ring", "test"), open_source("planar:grid(scale=0.5)", "test")
    assert (eight.classes, many.classes) == (8, 25)
    x, labels = load(many)
    line = np.array([-2, -1, 0, 1, 2])
    np.testing.assert_allclose(np.abs(x[..., None] - line).min(axis=-1), 0, atol=0.15)
    assert sorted(set(labels)) == list(range(25))


def test_fresh_examples_are_those_of_the_mixture():
    """By the same keys as ever: a mode, then a normal distribution around its centre."""
    source = open_source(RING, "train")
    key = jax.random.key(17)
    which, where = jax.random.split(key)
    mode = jax.random.randint(which, (6,), 0, 5)
    normal = jax.random.normal(where, (6, 2))
    x = source.sample(key, 6)
    np.testing.assert_allclose(x, CENTRES[mode] + 0.6 * normal, rtol=1e-5, atol=1e-6)
    scaled = mixture_of("ring(modes=5, radius=1.5, deviation=0.3)").scaled(2.0)
    np.testing.assert_array_equal(x, scaled.sample(key, 6)[0])
    assert x.dtype == np.float32
    compiled = jax.jit(source.sample, static_argnums=1)(key, 6)
    np.testing.assert_allclose(compiled, x, rtol=1e-6)


def test_fixed_examples_have_the_distribution_and_its_modes():
    x, labels = load(open_source(RING, "test"))
    np.testing.assert_allclose(np.bincount(labels) / 10_000, 0.2, atol=0.02)
    off = (x - CENTRES[labels]) / 0.6
    for axis in (0, 1):
        assert kstest(off[:, axis], "norm").pvalue > 1e-3
    assert abs(np.corrcoef(off.T)[0, 1]) < 0.04
    assert len(np.unique(x, axis=0)) == 10_000


def test_a_fixed_example_depends_on_split_and_position_alone():
    whole = load(open_source(RING, "test"))
    source = open_source(RING, "test[4000:4100]")
    assert len(source) == 100
    np.testing.assert_array_equal(load(source).x, whole.x[4000:4100])
    np.testing.assert_array_equal(source.labels(), whole.labels[4000:4100])
    for positions in ([7], [99, 3, 3], range(99, 40, -7)):
        found, want = source.read(list(positions)), 4000 + np.array(list(positions))
        np.testing.assert_array_equal(found.x, whole.x[want])
        np.testing.assert_array_equal(found.labels, whole.labels[want])
    np.testing.assert_array_equal(source[-1][0], whole.x[4099])
    both = load(open_source(RING, "validation[:50]+test[:50]")).x
    np.testing.assert_array_equal(both[50:], whole.x[:50])
    assert not np.isin(both[:50], whole.x).any()
    with pytest.raises(IndexError):
        source.read([100])


def half_moon(key, count):
    angle = jax.random.uniform(key, (count,), maxval=jnp.pi)
    return jnp.stack([jnp.cos(angle), jnp.sin(angle), angle], axis=-1), None


@pytest.fixture
def module(monkeypatch):
    found = types.ModuleType("a_users_distributions")
    found.moon = lambda split: SyntheticSource(split, half_moon, (3,), None)
    found.mixture = lambda: Mixture(np.float32([[0, 1], [2, 3]]), 0.1)
    found.moons = lambda split: SyntheticSource(split, half_moon, (2,), None)
    monkeypatch.setitem(sys.modules, "a_users_distributions", found)


def test_a_users_distribution(module):
    source = open_source("a_users_distributions:moon", "train[:1500]")
    x, labels = load(source)
    assert x.shape == (1500, 3) and (labels == -1).all() and source.classes is None
    np.testing.assert_allclose(x[:, 0], np.cos(x[:, 2]), atol=1e-6)
    assert kstest(x[:, 2] / np.pi, "uniform").pvalue > 1e-3
    assert source.sample(jax.random.key(0), 7).shape == (7, 3)
    assert open_source("planar:a_users_distributions:mixture", "test").classes == 2


@pytest.mark.parametrize(
    ("name", "split", "message"),
    [
        ("planar:ring8", "train", "a planar data set is one of ring, grid, or MODULE:NAME"),
        ("planar:", "train", "a planar data set is one of ring, grid"),
        ("planar:ring(modes=0)", "train", "modes of a planar data set is a whole number above 0"),
        ("planar:ring(modes=2.5)", "train", "modes is of type int, not 2.5"),
        ("planar:ring(modes=True)", "train", "not True"),
        ("planar:grid(side='5')", "train", "side is of type int, not '5'"),
        ("planar:grid(step=-1)", "train", "step of a planar data set is a positive number, not -1"),
        ("planar:ring(deviation=0.0)", "train", "deviation of a planar"),
        ("planar:ring(scale=1e999)", "train", "scale of .*, not inf"),
        ("planar:ring(side=5)", "train", "cannot be called so: .*side"),
        ("planar:ring", "train[:20000]", r"there is train \(10000 examples\), validation"),
        ("planar:ring", "extra", "split 'extra'"),
        ("planar:a_users_distributions:moon", "train", "a planar data set: .*cannot be called so"),
        ("a_users_distributions:moons", "train", r"x float32\[2, 3\] .* make it float32\[2, 2\]"),
    ],
)
def test_what_is_no_distribution_is_refused(module, name, split, message):
    with pytest.raises(InputError, match=message):
        open_source(name, split)


def test_labels_are_refused_without_classes_and_classes_without_labels():
    def labelled(key, count):
        return jnp.zeros((count, 2)), jnp.zeros(count, jnp.int32)

    def unlabelled(key, count):
        return jnp.zeros((count, 2)), None

    for sample, classes in ((labelled, None), (unlabelled, 3)):
        with pytest.raises(InputError, match="with classes samples int32"):
            SyntheticSource("train", sample, (2,), classes)
    with pytest.raises(InputError, match="values is 'any'"):
        SyntheticSource("train", labelled, (2,), 3, "any")
