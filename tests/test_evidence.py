"""log p(x) of a linear Gaussian model, whose evidence and posterior are Gaussians: bounds from both
sides, quadrature, and what the code says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax.errors import InputError
from iae_jax.metrics import rates
from iae_jax.metrics.annealed import annealed, moved, step_lengths
from iae_jax.metrics.evaluate import evaluate, named
from iae_jax.metrics.evidence import importance, log_evidence
from iae_jax.metrics.measurement import Streamed, Trained
from iae_jax.metrics.stream import stream
from iae_jax.sampling import priors
from iae_jax.types import Encoder, Encoding, Game, Generator, Players

W = np.array([[1.0, 0.3], [-0.4, 1.2], [0.5, 0.5]])
NOISE = 0.6
EVIDENCE = W @ W.T + NOISE**2 * np.eye(3)
POSTERIOR = np.linalg.inv(np.eye(2) + W.T @ W / NOISE**2)
N = 400
X = np.random.default_rng(0).multivariate_normal(np.zeros(3), EVIDENCE, N).astype(np.float32)


def log_normal(x, covariance):
    square = np.sum(x * np.linalg.solve(covariance, x.T).T, axis=-1)
    return -0.5 * (square + np.linalg.slogdet(2 * np.pi * covariance)[1])


LOG_P = log_normal(X.astype(np.float64), EVIDENCE)


def log_likelihood(params, z, x):
    return jnp.sum(jax.scipy.stats.norm.logpdf(x, z.vector @ W.T.astype(np.float32), NOISE), -1)


def sample(params, z, noise):
    return z.vector @ W.T.astype(np.float32)


def encoder(scale=1.0, shift=0.0):
    """The exact posterior's mean, moved; SDs of its diagonal, scaled."""
    gain = (POSTERIOR @ W.T / NOISE**2).T.astype(np.float32)
    deviation = scale * np.sqrt(np.diag(POSTERIOR)).astype(np.float32)

    def apply(params, x, noise):
        mean = x @ gain + np.array([shift, 0.0], np.float32)
        each = jax.scipy.stats.norm.logpdf(noise) - np.log(deviation)
        log_variance = jnp.broadcast_to(2 * np.log(deviation), mean.shape)
        z = mean + deviation * noise
        return Encoding(z, mean, log_variance, log_density=each.sum(axis=-1))

    return Encoder(lambda key: {}, apply, 2, factorized=True)


def trained(own=None):
    generator = Generator(lambda key: {}, sample, 0, log_likelihood, lambda p, z: sample(p, z, 0))
    game = Game(Players(own or encoder(), generator), priors.gaussian(2), None, Players())
    return Trained(game, Players({}, {}), X, seed=3)


def measured(model, *extra):
    return {one.metric: one.value for one in evaluate(model, extra)}


def test_an_importance_weighted_bound_closes_in_on_the_evidence():
    """Increasing in the samples, never above the exact value; 1 sample is the ELBO."""
    model = trained(encoder(scale=1.4, shift=0.5))
    found = measured(model, *(importance(count) for count in (1, 4, 32, 500)))
    bounds = [-found[f"nll_iwae_{count}"] for count in (1, 4, 32, 500)]
    exact = LOG_P.mean()
    assert bounds[0] < bounds[1] - 0.1 and bounds[1] < bounds[2] - 0.02 < bounds[3]
    assert bounds[0] == pytest.approx(-found["negative_elbo"], abs=0.2)
    assert bounds[3] == pytest.approx(exact, abs=0.02)


def test_the_evidence_by_quadrature():
    model = trained()
    found = log_evidence(model.game, model.params, jnp.asarray(X[:7]))
    np.testing.assert_allclose(found, LOG_P[:7], atol=2e-4)
    wide = model.game._replace(prior=priors.gaussian(3))
    with pytest.raises(InputError, match="set code.size=2"):
        log_evidence(wide, model.params, jnp.asarray(X[:2]))


def test_a_bound_of_the_first_images():
    """Oracles: the bound of a set that has no other images, and their evidence."""
    model, few = trained(encoder(scale=1.4, shift=0.5)), 13
    (every, of_first) = named(
        [f"iae_jax.metrics.evidence:importance(samples=64{end})" for end in ("", f", images={few}")]
    )
    (own,) = of_first(model)
    alone = stream(model._replace(x=X[:few]), (every,)).moments["nll_iwae_64"]
    assert (own.name, own.n) == (f"nll_iwae_64_of_{few}", few)
    assert own.value == pytest.approx(float(alone.mean[0]), rel=1e-6)
    assert own.value == pytest.approx(-LOG_P[:few].mean(), abs=0.05)
    assert abs(LOG_P[:few].mean() - LOG_P.mean()) > 0.2
    # Without a density of q(z|x) there is no bound.
    generator = model.game.networks.generator._replace(log_likelihood=None)
    without = model.game._replace(networks=model.game.networks._replace(generator=generator))
    assert list(of_first(model._replace(game=without))) == []


@pytest.mark.parametrize("samples", [0, 2.5])
def test_no_samples_are_refused(samples):
    with pytest.raises(InputError, match="1 or more"):
        importance(samples)
    with pytest.raises(InputError, match="images of .* are 0 or more, not -1"):
        importance(5, images=-1)


def test_what_a_code_says():
    """Oracle: Gaussians throughout. The encoder is the exact posterior but for its correlation."""
    model = trained()
    found = measured(model, *named(["iae_jax.metrics.rates:MEASURES"]))
    gain = POSTERIOR @ W.T / NOISE**2
    variance = np.diag(POSTERIOR)
    means = X @ gain.T
    each = 0.5 * (variance + means**2 - 1 - np.log(variance)).sum(axis=1)
    assert found["kl_code"] == pytest.approx(each.mean(), rel=1e-4)
    assert found["kl_code"] + found["distortion"] == pytest.approx(found["negative_elbo"])
    # By the same samples, up to their noise.
    assert found["information"] + found["marginal_kl"] == pytest.approx(each.mean(), abs=0.35)
    assert 0 < found["information"] < np.log(N)
    assert found["active_units"] == 2
    assert "posterior" not in found


def test_of_a_vector_that_depends_on_its_category_the_marginal_kl_is_left_out():
    model = trained()
    rows = {"posterior": np.zeros((5, 4), np.float32), "code_vector": np.ones((5, 2), np.float32)}
    game = model.game._replace(prior=priors.prior("gaussian", 2, 3, given=True))
    given = model._replace(game=game, streamed=Streamed({}, rows))
    (found,) = rates.information(given)
    assert found.name == "information" and found.value == pytest.approx(0.0, abs=1e-5)


def test_a_component_that_does_not_vary_is_not_active():
    still = encoder()

    def apply(params, x, noise):
        encoding = still.apply(params, x, noise)
        return encoding._replace(mean=encoding.mean * np.array([1.0, 0.01], np.float32))

    model = trained(still._replace(apply=apply))
    found = measured(model, *named(["iae_jax.metrics.rates:MEASURES"]))
    assert found["active_units"] == 1


# ------------------------------------------------------------------- bounds from both sides


def test_a_move_leaves_the_posterior_as_it_is():
    """Oracle: mean and covariance of exact samples, before and after, and they moved."""
    root, n = np.linalg.cholesky(POSTERIOR), 20_000
    with jax.enable_x64(True):
        z = jax.random.normal(jax.random.key(0), (n, 2), jnp.float64) @ root.T
        precision = np.linalg.inv(POSTERIOR)
        after, taken = moved(
            lambda z: 0.5 * jnp.sum(z @ precision * z, axis=-1),
            z, jnp.asarray(0.55), jax.random.key(1), 3,
        )  # fmt: skip
    share = float(np.asarray(taken).mean())
    assert 0.5 < share < 0.98
    assert np.abs(np.mean(np.asarray(after), axis=0)).max() < 0.02
    np.testing.assert_allclose(np.cov(np.asarray(after).T), POSTERIOR, atol=0.012)
    assert np.abs(np.asarray(after) - np.asarray(z)).mean() > 0.1


def test_annealing_bounds_the_evidence_from_both_sides():
    """Data simulated from the model, with their z, which is an exact sample of p(z|x)."""
    rng, chains = np.random.default_rng(5), 300
    z = rng.normal(size=(chains, 2))
    x = z @ W.T + NOISE * rng.normal(size=(chains, 3))
    exact = log_normal(x, EVIDENCE).mean()
    with jax.enable_x64(True):
        given = jnp.asarray(x)

        def prior(z):
            return -jnp.sum(jax.scipy.stats.norm.logpdf(z), axis=-1)

        def likelihood(z):
            return -jnp.sum(jax.scipy.stats.norm.logpdf(given, z @ W.T, NOISE), axis=-1)

        start = jnp.asarray(rng.normal(size=(chains, 2)))
        steps = step_lengths(prior, likelihood, start, jax.random.key(0), 60, 4)
        again = jnp.asarray(rng.normal(size=(chains, 2)))
        lower = annealed(prior, likelihood, again, jax.random.key(1), steps, 4)
        upper = annealed(
            prior, likelihood, jnp.asarray(z), jax.random.key(2), steps, 4, reverse=True
        )
    low, high = (float(np.asarray(one.log_weight).mean()) for one in (lower, upper))
    weight = np.exp(np.asarray(lower.log_weight) - log_normal(x, EVIDENCE))
    assert low < exact < high < low + 0.5
    # Unbiased for p(x), which is sharper than a bound.
    assert abs(weight.mean() - 1) < 4 * weight.std() / np.sqrt(chains)
    assert 0.3 < float(lower.accepted[-1]) < 1 and len(steps) == 60
