"""Densities of encoders and generators, against scipy and by hand."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from iae_jax import networks
from iae_jax.networks import Likelihood
from iae_jax.types import Code

B, D, K, SHAPE = 4, 5, 3, (2, 3)
MLP = networks.Layout("mlp", hidden=16)


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


# ------------------------------------------------------------------------------------- encoders


def gaussian_encoder(layout=MLP, categories=0):
    """The encoder, parameters with which no two log variances are alike, x and noise."""
    encoder = networks.encoder(layout, SHAPE, "gaussian", D, categories)
    params = encoder.init(jax.random.key(0))
    params["params"][f"Dense_{1 + bool(categories)}"]["bias"] = jnp.linspace(-6.0, 2.0, D)
    return encoder, params, normal(1, B, *SHAPE), normal(2, B, D)


@pytest.mark.parametrize("categories", [0, K])
def test_log_density_of_a_gaussian_encoder(categories):
    encoder, params, x, noise = gaussian_encoder(categories=categories)
    found = encoder.apply(params, x, noise)
    vector, mean, log_variance = (np.asarray(part, np.float64) for part in found[:3])
    assert np.ptp(log_variance) > 5
    expected = scipy.stats.norm.logpdf(vector, mean, np.exp(log_variance / 2)).sum(axis=-1)
    chex.assert_shape(found.log_density, (B,))
    np.testing.assert_allclose(found.log_density, expected, rtol=1e-4)


def test_log_density_is_float32_in_a_bfloat16_encoder():
    """Oracle: log N(mean + SD * noise; mean, SD^2), which depends on noise and SD alone."""
    encoder, params, x, noise = gaussian_encoder(MLP._replace(precision="bfloat16"))
    found = encoder.apply(params, x, noise)
    of_noise = scipy.stats.norm.logpdf(np.asarray(noise, np.float64))
    expected = (of_noise - np.asarray(found.log_variance, np.float64) / 2).sum(axis=-1)
    assert found.log_density.dtype == jnp.float32
    np.testing.assert_allclose(found.log_density, expected, rtol=1e-6)


def test_gradient_of_a_log_density_is_that_of_the_negative_entropy():
    """The entropy of a Gaussian is half the sum of its log variances, up to a constant."""
    encoder, params, x, noise = gaussian_encoder()
    found = jax.grad(lambda p: jnp.sum(encoder.apply(p, x, noise).log_density))(params)
    expected = jax.grad(lambda p: -0.5 * jnp.sum(encoder.apply(p, x, noise).log_variance))(params)
    chex.assert_trees_all_close(found, expected, rtol=1e-5, atol=1e-6)
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(found)) > 0.1


@pytest.mark.parametrize(
    "kind, size, noise", [("deterministic", D, 0), ("implicit", D, 2), ("gaussian", 0, 0)]
)
def test_no_other_encoder_has_a_log_density(kind, size, noise):
    encoder = networks.encoder(MLP, SHAPE, kind, size, K, noise)
    params = encoder.init(jax.random.key(0))
    assert encoder.apply(params, normal(1, B, *SHAPE), normal(2, B, noise)).log_density is None


# ----------------------------------------------------------------------------------- generators


def generator_of(likelihood, shape=SHAPE, **options):
    """The generator, its parameters and codes that move it off its middle."""
    generator = networks.generator(MLP, shape, D, K, likelihood=likelihood, **options)
    params = jax.jit(generator.init)(jax.random.key(0))
    return generator, params, Code(3 * normal(1, B, D), jnp.eye(K)[jnp.array([0, 2, 1, 1])])


def test_mean_of_a_bernoulli_is_the_probability_of_one():
    generator, params, z = generator_of("bernoulli", (1,))
    mean = generator.mean(params, z)
    chex.assert_shape(mean, (B, 1))
    one = np.exp(generator.log_likelihood(params, z, jnp.ones((B, 1))))
    np.testing.assert_allclose(mean[:, 0], one, rtol=1e-5)
    assert np.ptp(one) > 0.05 and generator.factorized


@pytest.mark.parametrize("values", ["unit", "real"])
def test_mean_of_a_gaussian_is_where_its_density_is_largest(values):
    generator, params, z = generator_of(Likelihood("gaussian", 0.3), values=values)
    mean = generator.mean(params, z)
    chex.assert_shape(mean, (B, *SHAPE))
    largest = scipy.stats.norm.logpdf(0, 0, 0.3) * np.prod(SHAPE)
    np.testing.assert_allclose(generator.log_likelihood(params, z, mean), largest, rtol=1e-5)
    assert generator.factorized


def test_mean_of_a_category_alone():
    generator = networks.generator(MLP, SHAPE, 0, K, likelihood="bernoulli")
    params = generator.init(jax.random.key(0))
    mean = generator.mean(params, Code(category=jnp.eye(K)))
    np.testing.assert_array_equal(
        mean, generator.sample(params, Code(category=jnp.eye(K)), jnp.zeros((K, 0)))
    )


def test_an_implicit_generator_has_no_mean():
    generator = networks.generator(MLP, SHAPE, D)
    assert generator.mean is None and generator.log_likelihood is None


def test_the_name_of_a_likelihood_is_a_likelihood():
    (named, params, z), (full, _, _) = (
        generator_of("gaussian"),
        generator_of(Likelihood("gaussian")),
    )
    x = normal(2, B, *SHAPE)
    found, expected = (one.log_likelihood(params, z, x) for one in (named, full))
    np.testing.assert_array_equal(found, expected)
    mean = np.asarray(named.mean(params, z), np.float64)
    density = scipy.stats.norm.logpdf(x, mean, 0.1).sum(axis=(1, 2))
    np.testing.assert_allclose(found, density, rtol=1e-5)


# --------------------------------------------------------------------------------------- shapes


def encoder_at(x=(B, *SHAPE), noise=(B, 2)):
    encoder = networks.encoder(MLP, SHAPE, "implicit", D, noise=2)
    params = jax.eval_shape(encoder.init, jax.random.key(0))
    return jax.eval_shape(encoder.apply, params, jnp.zeros(x), jnp.zeros(noise))


def generator_at(vector=(B, D), category=(B, K), local=(B, 2)):
    generator = networks.generator(MLP, SHAPE, D, K, 2)
    params = jax.eval_shape(generator.init, jax.random.key(0))
    z = Code(jnp.zeros(vector), jnp.zeros(category))
    return jax.eval_shape(generator.sample, params, z, jnp.zeros(local))


def likelihood_at(vector=(B, D), x=(B, *SHAPE)):
    generator = networks.generator(MLP, SHAPE, D, likelihood="bernoulli")
    params = jax.eval_shape(generator.init, jax.random.key(0))
    return jax.eval_shape(generator.log_likelihood, params, Code(jnp.zeros(vector)), jnp.zeros(x))


def discriminator_at(x=(B, *SHAPE), vector=(B, D)):
    discriminator = networks.discriminator(MLP, SHAPE, ("x", "z"), D)
    params = jax.eval_shape(discriminator.init, jax.random.key(0))
    return jax.eval_shape(discriminator.apply, params, jnp.zeros(x), jnp.zeros(vector))


@pytest.mark.parametrize(
    "apply, wrong",
    [
        (encoder_at, {"x": (B, 3, 2)}),  # the same values in another order
        (encoder_at, {"noise": (B, 3)}),
        (encoder_at, {"noise": (1, 2)}),
        (generator_at, {"vector": (1, D)}),
        (generator_at, {"category": (B, K + 1)}),
        (generator_at, {"local": (B, 1)}),
        (likelihood_at, {"x": (B, 3, 2)}),
        (likelihood_at, {"x": (1, *SHAPE)}),
        (discriminator_at, {"x": (B, 3, 2)}),
        (discriminator_at, {"vector": (B, D - 1)}),
        (discriminator_at, {"vector": (1, D)}),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_wrong_shapes_are_refused(apply, wrong):
    apply()
    with pytest.raises(AssertionError, match="shape"):
        apply(**wrong)
