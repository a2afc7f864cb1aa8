"""The posterior of tests/extending/planar_flow.py. Oracle: automatic differentiation."""

import jax
import numpy as np
import planar_flow
import pytest


def test_the_planar_flow_has_the_determinant_of_its_jacobian():
    with jax.enable_x64(True):
        for seed in range(8):  # in half of them w.u is below -1
            w, u, z = jax.random.normal(jax.random.key(seed), (3, 3))
            u = u if seed % 2 else -2 * w + 0.1 * u
            _, log_det = planar_flow.planar(w, u, 0.3, z[None])
            jacobian = jax.jacfwd(lambda z, w=w, u=u: planar_flow.planar(w, u, 0.3, z[None])[0][0])(
                z
            )
            sign, expected = np.linalg.slogdet(jacobian)
            assert sign == 1
            np.testing.assert_allclose(log_det[0], expected, rtol=1e-10)


@pytest.mark.heavy
def test_the_density_of_the_posterior_is_a_change_of_variables():
    config = planar_flow.get_config()
    encoder = planar_flow.encoder(config, (8, 8, 1))
    params = encoder.init(jax.random.key(0))
    x = jax.random.uniform(jax.random.key(1), (5, 8, 8, 1))
    noise = jax.random.normal(jax.random.key(2), (5, 3))
    found = encoder.apply(params, x, noise)

    def one(e, x):
        return encoder.apply(params, x[None], e[None]).vector[0]

    jacobian = jax.vmap(jax.jacfwd(one))(noise, x)  # of z with respect to standard normal noise
    base = jax.scipy.stats.norm.logpdf(noise).sum(axis=-1)
    expected = base - np.linalg.slogdet(np.asarray(jacobian, np.float64))[1]
    np.testing.assert_allclose(found.log_density, expected, rtol=1e-4)
