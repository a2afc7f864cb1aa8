"""The gap below log p(x) of a linear Gaussian model, whose posterior is known; and a decoder that
does not learn."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from test_evidence import LOG_P, POSTERIOR, N, encoder, measured, trained

import iae_jax
from iae_jax.errors import InputError
from iae_jax.metrics.evaluate import named
from iae_jax.metrics.posterior_gap import bound_gap
from iae_jax.objectives import scoring
from iae_jax.objectives.adversarial import Adversary
from iae_jax.objectives.grid import cell
from iae_jax.presets import posteriors
from iae_jax.runs.train import train
from iae_jax.types import Discriminator

GAP = "iae_jax.metrics.posterior_gap:bound_gap(images=350, samples=64)"


def divergence(scale, shift):
    """KL between the encoder's Gaussian and the exact posterior, of one covariance each."""
    own = np.diag(scale**2 * np.diag(POSTERIOR))
    moved = np.array([shift, 0.0])
    inverse = np.linalg.inv(POSTERIOR)
    log_dets = np.linalg.slogdet(POSTERIOR)[1] - np.linalg.slogdet(own)[1]
    return 0.5 * (np.trace(inverse @ own) + moved @ inverse @ moved - 2 + log_dets)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.3), (1.4, 0.5)])
def test_the_gap_is_the_divergence_from_the_posterior(scale, shift):
    found = measured(trained(encoder(scale, shift)), *named([GAP]))
    expected = divergence(scale, shift)
    # 350 x 64 samples of a log ratio whose SD is about 1.
    assert found["bound_gap"] == pytest.approx(expected, abs=0.03) and expected > 0.1
    assert found["evidence"] == pytest.approx(LOG_P[:350].mean(), abs=1e-3)
    assert "discriminator_error" not in found


@pytest.mark.heavy
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.3), (1.4, 0.5)])
def test_what_amortization_costs(scale, shift):
    """Of a Gaussian posterior, the best factorized Gaussian has its mean, and the variances of one
    component given the others."""
    found = measured(
        trained(encoder(scale, shift)),
        *named(["iae_jax.metrics.amortization:amortization_gap(images=300, samples=1000)"]),
    )
    inverse = np.linalg.inv(POSTERIOR)
    left = 0.5 * (np.log(np.diag(inverse)).sum() + np.linalg.slogdet(POSTERIOR)[1])
    expected = divergence(scale, shift) - left
    assert found["amortization_gap"] == pytest.approx(expected, abs=0.015) and expected > 0.2


def test_a_discriminator_is_graded_by_the_ratio_that_it_estimates():
    """T is the log ratio and a constant."""
    model = trained(encoder(1.4, 0.5))
    own = model.game.networks.encoder

    def ratio(params, x, vector):
        encoding = own.apply({}, x, jnp.zeros_like(vector))
        deviation = jnp.exp(0.5 * encoding.log_variance)
        log_q = jax.scipy.stats.norm.logpdf(vector, encoding.mean, deviation)
        log_p = jax.scipy.stats.norm.logpdf(vector)
        return jnp.sum(log_q - log_p, axis=-1, keepdims=True) + params["more"]

    judge = Discriminator(lambda key: {"more": 0.0}, ratio, ("x", "z"))
    networks = model.game.networks._replace(regularization_discriminator=judge)
    params = model.params._replace(regularization_discriminator={"more": jnp.float32(-0.25)})
    graded = model._replace(game=model.game._replace(networks=networks), params=params)
    found = measured(graded, *named([GAP]))
    assert found["discriminator_error"] == pytest.approx(0.25, abs=1e-4)
    assert found["bound_gap_estimated"] == pytest.approx(found["bound_gap"] - 0.25, abs=1e-4)
    assert N > 350
    # Of standardized codes, or of pairs with generated x, T is another ratio; and without its
    # parameters there is none.
    kl = Adversary(scoring.KL)
    for column, its in (
        ("adaptive_contrast", params),
        ("joint_model", params),
        ("joint_code", model.params),
    ):
        played = graded.game._replace(objective=cell("likelihood", column, kl, kl))
        few = graded._replace(game=played, params=its, x=graded.x[:3])
        names = {one.name for one in bound_gap(few, images=3, samples=2)}
        assert names == {"evidence", "bound_gap"}
    played = graded.game._replace(objective=cell("likelihood", "joint_code", kl, kl))
    few = graded._replace(game=played, x=graded.x[:3])
    assert "discriminator_error" in {one.name for one in bound_gap(few, images=3, samples=2)}


@pytest.fixture(scope="module")
def decoder(data_directory, tmp_path_factory):
    config = tiny.get_config("vae")
    config.data.directory, config.code.size, config.steps = data_directory, 2, 10
    path = tmp_path_factory.mktemp("decoder") / "run"
    train(config, path)
    return path


def frozen_config(decoder, data_directory):
    config = tiny.get_config("vae")
    config.data.directory, config.code.size, config.steps, config.seed = data_directory, 2, 10, 5
    config.generator.kind = f"iae_jax.presets.posteriors:frozen(run={str(decoder)!r})"
    return config


@pytest.mark.heavy
def test_a_frozen_decoder_is_that_of_its_run(decoder, data_directory, tmp_path):
    train(frozen_config(decoder, data_directory), tmp_path / "run")
    before, after = (iae_jax.load(path).params for path in (decoder, tmp_path / "run"))
    # Averages of what does not move, up to their rounding.
    chex.assert_trees_all_close(before.generator, after.generator, rtol=1e-5)
    moved = jax.tree.map(lambda a, b: not np.array_equal(a, b), before.encoder, after.encoder)
    assert any(jax.tree.leaves(moved))


@pytest.mark.heavy
def test_a_decoder_that_is_not_there_or_of_another_code_is_refused(decoder, tmp_path):
    config = posteriors.get_config("frozen/iaf")
    with pytest.raises(InputError, match="--config=posteriors:joint/gaussian --workdir="):
        posteriors.frozen(config, (8, 8, 1), str(tmp_path / "none"))
    for shape, size in (((28, 28, 1), 2), ((8, 8, 1), 3)):
        config.code.size = size
        with pytest.raises(InputError, match="of other images or of another code"):
            posteriors.frozen(config, shape, str(decoder))
