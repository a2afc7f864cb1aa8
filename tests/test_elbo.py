"""The Aggregated-ELBO slide. Oracle: sums over every (x, z), written as loops, on random tables."""

import math

import numpy as np
import pytest

from iae_jax.objectives import elbo

SHAPES = [(2, 3), (5, 2), (4, 7), (1, 3), (6, 1)]


def tables(shape, seed, zeros):
    """p_data, q(z|x), p(z), p(x|z). Zeros only where the model is not made impossible by them."""
    rng = np.random.default_rng(seed)
    x, z = shape
    p_data, q, p_z, p = (rng.gamma(0.7, size=s) + 0.05 for s in (x, (x, z), z, (z, x)))
    if zeros:
        p_data[0] = 0 if x > 1 else p_data[0]
        q[-1, 1:] = 0
        p[0, 0] = 0 if x > 1 else p[0, 0]
    return [t / t.sum(axis=-1, keepdims=True) for t in (p_data, q, p_z, p)]


def average(p_data, q, value):
    """E_{q(x,z)} value(x, z)."""
    return sum(
        p_data[i] * q[i, j] * value(i, j)
        for i in range(q.shape[0])
        for j in range(q.shape[1])
        if p_data[i] * q[i, j] > 0
    )


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_line_is_the_elbo(shape, zeros):
    p_data, q, p_z, p = tables(shape, 1, zeros)
    expected = average(p_data, q, lambda i, j: math.log(p[j, i] * p_z[j] / q[i, j]))
    lines = elbo.lines(p_data, q, p_z, p)
    assert set(lines) == {"vae", "avb", "aae", "iae", "ali"}
    for name, line in lines.items():
        assert line.bound == pytest.approx(expected, abs=1e-10), name
    evidence = sum(
        weight * math.log(sum(p_z[j] * p[j, i] for j in range(shape[1])))
        for i, weight in enumerate(p_data)
        if weight > 0
    )
    assert expected <= evidence + 1e-12


def test_the_bound_is_tight_only_for_the_true_posterior():
    p_data, q, p_z, p = tables((4, 3), 2, False)
    joint = p_z[:, None] * p
    posterior = (joint / joint.sum(axis=0)).T
    evidence = float(p_data @ np.log(joint.sum(axis=0)))
    for line in elbo.lines(p_data, posterior, p_z, p).values():
        assert line.bound == pytest.approx(evidence, abs=1e-10)
    assert elbo.lines(p_data, q, p_z, p)["vae"].bound < evidence - 1e-3


@pytest.mark.parametrize("shape", SHAPES[:3])
def test_offset_of_every_cell(shape):
    """The docstring of objectives/grid.py: each cell minus -ELBO."""
    p_data, q, p_z, p = tables(shape, 3, False)
    q_z = [sum(p_data[i] * q[i, j] for i in range(shape[0])) for j in range(shape[1])]
    minus_elbo = -average(p_data, q, lambda i, j: math.log(p[j, i] * p_z[j] / q[i, j]))
    h_x_given_z = -average(p_data, q, lambda i, j: math.log(p_data[i] * q[i, j] / q_z[j]))
    information = average(p_data, q, lambda i, j: math.log(q[i, j] / q_z[j]))
    h_data = -sum(weight * math.log(weight) for weight in p_data)
    lines = elbo.lines(p_data, q, p_z, p)
    rows = {"likelihood": ("vae", 0.0), "joint_reconstruction": ("iae", -h_x_given_z)}
    columns = {
        "analytic_kl": ("vae", 0.0),
        "joint_code": ("avb", 0.0),
        "marginal_code": ("aae", information),
    }
    for row, (row_line, row_offset) in rows.items():
        for column, (column_line, column_offset) in columns.items():
            total = lines[row_line].reconstruction + lines[column_line].regularization
            offset = row_offset - column_offset
            assert total - minus_elbo == pytest.approx(offset, abs=1e-10), (row, column)
    assert h_x_given_z + information == pytest.approx(h_data, abs=1e-10)
    # Adversarial x analytic KL is not the ELBO: off by H(x|z), which depends on the encoder,
    # while IAE is off by H_data, which does not.
    assert h_x_given_z > 0.05
    other = tables(shape, 4, False)[1]
    moved = elbo.lines(p_data, other, p_z, p)
    gap = [
        cell["iae"].reconstruction + cell["vae"].regularization + cell["vae"].bound
        for cell in (lines, moved)
    ]
    assert abs(gap[0] - gap[1]) > 1e-3
    assert lines["iae"].rest == pytest.approx(moved["iae"].rest, abs=1e-12)


def test_divergence_and_entropy_by_hand():
    a, b = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.25, 0.5])
    assert elbo.kl(a, b) == pytest.approx(math.log(2), abs=1e-12)
    assert elbo.kl(b, a) == math.inf
    assert elbo.entropy(a) == pytest.approx(math.log(2), abs=1e-12)
    assert elbo.entropy(b) == pytest.approx(1.5 * math.log(2), abs=1e-12)
