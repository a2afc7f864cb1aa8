"""Divergences by quadrature against closed forms of Gaussian models."""

import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax.data.planar import Mixture, ring
from iae_jax.metrics import quadrature
from iae_jax.types import Code, Encoding, Players


@pytest.mark.heavy
def test_divergences_of_a_linear_gaussian_model():
    """With Gaussian data and linear maps every density of the slide is Gaussian: each divergence of
    `exact` against closed forms by covariance matrices."""
    scale, slope, shift, deviation = 0.8, 0.9, 0.3, 0.5
    centre = np.array([[0.4, -0.2]], np.float32)
    data = Mixture(centre, scale)

    def encode(params, x, noise):
        mean = slope * x + shift
        return Encoding(mean, mean, jnp.full_like(mean, 2 * np.log(deviation)))

    class Decoder:
        @staticmethod
        def sample(params, z: Code, noise):
            return 0.7 * z.vector - 0.1

    class Coder:
        apply = staticmethod(encode)

    s = 0.45
    numbers = quadrature.exact(data, s, Coder, Decoder, Players())
    # Per axis: (x, z) is Gaussian under each of the joints.
    total = {
        name: 0.0
        for name in (
            "joint_reconstruction",
            "joint_code",
            "marginal_code",
            "joint_model",
            "information",
            "negative_log_likelihood",
            "conditional_entropy",
        )
    }
    for m in centre[0].astype(float):
        variance = slope**2 * scale**2 + deviation**2
        q = (
            np.array([m, slope * m + shift]),
            np.array([[scale**2, slope * scale**2], [slope * scale**2, variance]]),
        )
        mean_z = slope * m + shift
        r = (
            np.array([0.7 * mean_z - 0.1, mean_z]),
            np.array([[0.49 * variance + s**2, 0.7 * variance], [0.7 * variance, variance]]),
        )
        p = (np.array([-0.1, 0.0]), np.array([[0.49 + s**2, 0.7], [0.7, 1.0]]))
        apart = (np.array([m, 0.0]), np.diag([scale**2, 1.0]))
        total["joint_reconstruction"] += gaussian_kl(q, r)
        total["joint_code"] += gaussian_kl(q, apart)
        total["joint_model"] += gaussian_kl(q, p)
        total["marginal_code"] += gaussian_kl(
            (np.array([mean_z]), np.array([[variance]])), (np.zeros(1), np.eye(1))
        )
        total["information"] += 0.5 * np.log(variance / deviation**2)
    for m in centre[0].astype(float):
        mean_z, shifted = slope * m + shift, (1 - 0.7 * slope) * m - 0.7 * shift + 0.1
        # x - g(z) = (1 - .7 slope) x - .7 (shift + deviation e) + .1
        square = ((1 - 0.7 * slope) * scale) ** 2 + (0.7 * deviation) ** 2 + shifted**2
        total["negative_log_likelihood"] += 0.5 * (np.log(2 * np.pi * s**2) + square / s**2)
        # x given z is Gaussian, too.
        left = scale**2 - (slope * scale**2) ** 2 / (slope**2 * scale**2 + deviation**2)
        total["conditional_entropy"] += 0.5 * np.log(2 * np.pi * np.e * left)
    for name, value in total.items():
        assert getattr(numbers, name) == pytest.approx(value, rel=5e-3, abs=5e-3), name


@pytest.mark.heavy
def test_divergences_of_a_bent_model():
    """Five modes, a bent encoder and a bent generator, against averages over samples in NumPy."""
    data, s, rng = ring(modes=5, radius=1.5, deviation=0.45), 0.45, np.random.default_rng(3)
    turn = np.array([[0.9, -0.4], [0.3, 1.1]])

    def code(x, xp):
        return 1.5 * xp.tanh(x @ turn), 0.3 + 0.25 / (1 + xp.exp(-2 * x[:, :1])) + 0 * x

    def decode(z, xp):
        return 1.6 * xp.sin(z @ turn.T)

    class Coder:
        @staticmethod
        def apply(params, x, noise):
            mean, spread = code(x, jnp)
            return Encoding(mean, mean, 2 * jnp.log(spread))

    class Decoder:
        @staticmethod
        def sample(params, z: Code, noise):
            return decode(z.vector, jnp)

    found = quadrature.exact(data, s, Coder, Decoder, Players())
    count = 8000

    def draw():
        centres = data.centres[rng.integers(5, size=count)].astype(float)
        return centres + data.deviation * rng.normal(size=(count, 2))

    def log_normal(x, mean, spread):
        each = -0.5 * ((x - mean) / spread) ** 2 - np.log(spread) - 0.5 * np.log(2 * np.pi)
        return each.sum(axis=-1)

    x = draw()
    mean, spread = code(x, np)
    z = mean + spread * rng.normal(size=(count, 2))
    others = code(draw(), np)
    log_q_z = np.array([np.log(np.mean(np.exp(log_normal(one, *others)))) for one in z])
    expected = {
        "negative_log_likelihood": -log_normal(x, decode(z, np), s).mean(),
        "joint_code": (log_normal(z, mean, spread) - log_normal(z, 0.0, 1.0)).mean(),
        "marginal_code": (log_q_z - log_normal(z, 0.0, 1.0)).mean(),
        "information": (log_normal(z, mean, spread) - log_q_z).mean(),
    }
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=0.03, abs=0.03), name


def gaussian_kl(a, b):
    (m, A), (n, B) = a, b
    inverse = np.linalg.inv(B)
    difference = n - m
    return 0.5 * (
        np.trace(inverse @ A)
        + difference @ inverse @ difference
        - len(m)
        + np.log(np.linalg.det(B) / np.linalg.det(A))
    )


def test_divergence_of_the_data_from_a_linear_model():
    """p(x) of g(z) = slope z + shift is Gaussian; one axis is wider than the data, one narrower."""
    slope, shift, s, scale = np.array([0.9, 0.3]), np.array([0.1, -0.4]), 0.5, 0.6
    centre = np.array([[0.4, -0.2]], np.float32)

    class Decoder:
        @staticmethod
        def sample(params, z: Code, noise):
            return z.vector * slope + shift

    found = quadrature.marginal_data(Mixture(centre, scale), s, Decoder, Players())
    truth = sum(
        gaussian_kl((np.array([m]), np.array([[scale**2]])), (np.array([b]), np.array([[v]])))
        for m, b, v in zip(centre[0].astype(float), shift, slope**2 + s**2, strict=True)
    )
    assert found == pytest.approx(truth, abs=2e-3)


@pytest.mark.heavy
def test_flipped_terms_of_a_linear_gaussian_model():
    """Per axis everything is Gaussian: KL of covariance matrices, and an expected square."""
    a, c, deviation, b, s = 0.6, 0.2, 0.7, 0.8, 0.5

    class Coder:
        @staticmethod
        def apply(params, x, noise):
            mean = a * x + c
            return Encoding(mean, mean, jnp.full_like(mean, 2 * np.log(deviation)))

    class Decoder:
        @staticmethod
        def sample(params, z: Code, noise):
            return b * z.vector + jnp.array([-0.1, 0.3])

    found = quadrature.flipped(s, Coder, Decoder, Players())
    reconstruction = likelihood = 0.0
    for m in (-0.1, 0.3):
        variance = b**2 + s**2
        p = (np.array([m, 0.0]), np.array([[variance, b], [b, 1.0]]))
        q = (
            np.array([m, a * m + c]),
            np.array([[variance, a * variance], [a * variance, a**2 * variance + deviation**2]]),
        )
        reconstruction += gaussian_kl(p, q)
        # z - a x - c under p.
        square = 1 - 2 * a * b + a**2 * variance + (a * m + c) ** 2
        likelihood += 0.5 * (np.log(2 * np.pi * deviation**2) + square / deviation**2)
    assert found.flipped_reconstruction == pytest.approx(reconstruction, rel=5e-3)
    assert found.flipped_likelihood == pytest.approx(likelihood, rel=5e-3)
