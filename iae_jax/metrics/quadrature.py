"""Exact divergences, by quadrature, of a model in the plane whose densities are known: the
reference for sampled terms (the Aggregated-ELBO slide).

The data are a mixture of Gaussians, q(z|x) is Gaussian, p(x|z) = N(g(z), deviation^2 I) and
p(z) = N(0, I). Sums run over a grid of x and Gauss-Hermite nodes or a grid of z.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.data.planar import Mixture
from iae_jax.types import Array, Code, Encoder, Encoding, Generator, Players

NODES = 64  # of the grid of x along each axis
HERMITE = 6  # nodes of z along each axis
REACH = 3.5  # of the grid of x along each axis; the data lie within
COARSE, COARSE_REACH = 81, 4.5  # nodes and reach of the grid of z along each axis, of flipped terms


class Exact(NamedTuple):
    """Nats, of one model. Divergences by their pairing's name; negative_log_likelihood is
    E -log p(x|z); conditional_entropy is H(x|z) and information I(z;x), both under q(x, z)."""

    negative_log_likelihood: float
    joint_reconstruction: float
    joint_code: float
    marginal_code: float
    joint_model: float
    conditional_entropy: float
    information: float


def exact(
    data: Mixture, deviation: float, encoder: Encoder, generator: Generator, params: Players
) -> Exact:
    """Every term of the slide for one model.

    x runs over a grid weighted by p_data, z over Gauss-Hermite nodes of q(z|x), and
    q(z) = sum_x p_data(x) q(z|x) over the same grid. deviation: SD of p(x|z), whose mean g(z) the
    generator returns for noise 0.
    """
    x, weight = data_grid(data)
    encoding = encoder.apply(params.encoder, x, jnp.zeros((len(x), 2)))
    assert encoding.mean is not None and encoding.log_variance is not None
    mean, spread = encoding.mean, jnp.exp(0.5 * encoding.log_variance)
    nodes, masses = hermite()
    means = jax.jit(lambda z: generator.sample(params.generator, Code(vector=z), jnp.zeros((1, 2))))
    totals = np.zeros(4)
    for e, share in zip(nodes, masses, strict=True):
        z = mean + spread * e
        values = _log_densities(x, z, means(z), deviation, mean, spread, jnp.log(weight))
        totals += share * np.array([np.sum(np.asarray(weight * v, np.float64)) for v in values])
    log_p_x_given_z, log_q_z_given_x, log_q_z, log_p_z = totals
    entropy = -float(np.sum(np.asarray(weight * data.log_density(x), np.float64)))
    information = log_q_z_given_x - log_q_z
    return Exact(
        negative_log_likelihood=-log_p_x_given_z,
        joint_reconstruction=-entropy + information - log_p_x_given_z,
        joint_code=log_q_z_given_x - log_p_z,
        marginal_code=log_q_z - log_p_z,
        joint_model=-entropy + log_q_z_given_x - log_p_z - log_p_x_given_z,
        conditional_entropy=entropy - information,
        information=information,
    )


class Flipped(NamedTuple):
    """Nats, of one model, over its own samples. flipped_reconstruction: KL(p(x, z) || p(x) q(z|x)).
    flipped_likelihood: E_p(x, z) -log q(z|x)."""

    flipped_reconstruction: float
    flipped_likelihood: float


def flipped(deviation: float, encoder: Encoder, generator: Generator, params: Players) -> Flipped:
    """The terms of the flipped rows for one model: z runs over a grid weighted by p(z), x over
    Gauss-Hermite nodes of p(x|z). deviation: as of `exact`."""
    line = np.linspace(-COARSE_REACH, COARSE_REACH, COARSE)
    z = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2).astype(np.float32)
    log_p_z = jax.scipy.stats.norm.logpdf(z).sum(axis=-1)
    log_weight = log_p_z - jax.nn.logsumexp(log_p_z)
    means = generator.sample(params.generator, Code(vector=jnp.asarray(z)), jnp.zeros((1, 2)))
    weight = np.exp(np.asarray(log_weight, np.float64))
    nodes, masses = hermite()
    totals = np.zeros(2)
    for e, share in zip(nodes, masses, strict=True):
        x = means + deviation * e
        encoding = encoder.apply(params.encoder, x, jnp.zeros((len(x), 2)))
        values = _flipped(x, jnp.asarray(z), means, deviation, encoding, log_p_z, log_weight)
        totals += share * np.array([np.sum(weight * np.asarray(one, np.float64)) for one in values])
    return Flipped(*totals.tolist())


@jax.jit
def _flipped(
    x: Array, z: Array, means: Array, deviation: float, encoding: Encoding, log_p_z: Array,
    log_weight: Array,
) -> tuple[Array, Array]:  # fmt: skip
    """Both integrands for each pair of rows: f32[N] each."""
    normal = jax.scipy.stats.norm.logpdf
    assert encoding.mean is not None and encoding.log_variance is not None
    log_q = normal(z, encoding.mean, jnp.exp(0.5 * encoding.log_variance)).sum(axis=-1)

    def model(one: Array) -> Array:
        return jax.nn.logsumexp(log_weight + normal(one, means, deviation).sum(axis=-1))

    log_p_x = jax.lax.map(model, x, batch_size=64)
    log_joint = log_p_z + normal(x, means, deviation).sum(axis=-1)
    return log_joint - log_p_x - log_q, -log_q


def hermite() -> tuple[np.ndarray, np.ndarray]:
    """Nodes f32[N, 2] of N(0, I) and their masses."""
    node, mass = np.polynomial.hermite_e.hermegauss(HERMITE)
    nodes = np.stack(np.meshgrid(node, node), axis=-1).reshape(-1, 2).astype(np.float32)
    return nodes, np.outer(mass, mass).reshape(-1) / (2 * np.pi)


def data_grid(data: Mixture) -> tuple[Array, Array]:
    """x f32[N, 2] and the mass of p_data at each, without the nodes where it is negligible."""
    line = np.linspace(-REACH, REACH, NODES)
    x = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2).astype(np.float32)
    mass = np.exp(np.asarray(data.log_density(jnp.asarray(x)), np.float64))
    kept = mass > 1e-7 * mass.max()
    return jnp.asarray(x[kept]), jnp.asarray(mass[kept] / mass[kept].sum(), jnp.float32)


@jax.jit
def _log_densities(
    x: Array,
    z: Array,
    decoded: Array,
    deviation: float,
    mean: Array,
    spread: Array,
    log_weight: Array,
) -> tuple[Array, Array, Array, Array]:
    """log p(x|z), q(z|x), q(z), p(z) for each pair of rows: f32[N] each."""
    normal = jax.scipy.stats.norm.logpdf

    def aggregated(one: Array) -> Array:
        return jax.nn.logsumexp(log_weight + normal(one, mean, spread).sum(axis=-1))

    return (
        normal(x, decoded, deviation).sum(axis=-1),
        normal(z, mean, spread).sum(axis=-1),
        jax.lax.map(aggregated, z, batch_size=64),
        normal(z).sum(axis=-1),
    )


def marginal_data(data: Mixture, deviation: float, generator: Generator, params: Players) -> float:
    """KL(p_data || p(x)) in nats; p(x) is a sum over a fine grid of z."""
    x, weight = data_grid(data)
    line = np.linspace(-4, 4, 161)
    z = jnp.asarray(np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2), jnp.float32)
    log_p_z = jax.scipy.stats.norm.logpdf(z).sum(axis=-1)
    log_p_z -= jax.nn.logsumexp(log_p_z)
    means = generator.sample(params.generator, Code(vector=z), jnp.zeros((1, 2)))

    def model(one: Array) -> Array:
        density = jax.scipy.stats.norm.logpdf(one, means, deviation).sum(axis=-1)
        return jax.nn.logsumexp(log_p_z + density)

    log_p_x = jax.jit(lambda x: jax.lax.map(model, x, batch_size=64))(x)
    return float(np.sum(np.asarray(weight * (data.log_density(x) - log_p_x), np.float64)))
