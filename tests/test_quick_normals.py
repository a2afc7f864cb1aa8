"""Numbers that perturb: against N(0, 1), and one another."""

import jax
import numpy as np
from scipy.stats import kstest

from iae_jax.sampling.quick_normals import quick_normals


def drawn(examples, size):
    keys = jax.random.split(jax.random.key(3), examples)
    return np.asarray(jax.jit(jax.vmap(quick_normals(size)))(keys))


def test_they_are_normal():
    found = drawn(50, 4001)
    assert found.shape == (50, 4001)
    # Of 12 bits: the distance of the two distribution functions is at least 2 ** -13.
    assert kstest(found.ravel(), "norm").statistic < 0.004
    for power, expected in ((1, 0), (2, 1), (3, 0), (4, 3)):
        np.testing.assert_allclose((found**power).mean(), expected, atol=0.06)
    assert 3.3 < found.max() < 3.9 and -3.9 < found.min() < -3.3


def test_no_two_places_and_no_two_examples_are_alike():
    """Correlations of neighbours, of the halves that share words, of examples, and of squares."""
    found = drawn(400, 500)
    bound = 5 / np.sqrt(found.size)

    def correlation(a, b):
        return abs(np.corrcoef(a.ravel(), b.ravel())[0, 1])

    for a, b in ((found, found), (found**2, found**2)):
        assert correlation(a[:, 1:], b[:, :-1]) < bound
        assert correlation(a[:, :250], b[:, 250:]) < 1.5 * bound
        assert correlation(a[1:], b[:-1]) < bound
    each = np.abs(np.corrcoef(found) - np.eye(400)).max()  # 79,800 pairs of 500 numbers
    assert each < 5.5 / np.sqrt(500)
    assert len(np.unique(found[:, :20], axis=0)) == 400


def test_a_shorter_draw_is_not_padded():
    assert drawn(2, 1).shape == (2, 1) and drawn(2, 0).shape == (2, 0)
    assert np.abs(drawn(2, 3)).min() > 0
