"""Every experiment for a few steps at toy size; and, marked slow, what its issue of the slides
promises, from the real command (`make test-slow`)."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from experiments import (
    aae_priors,
    ali,
    avb_four_points,
    elbo_grid,
    gaussian_mixture,
    regression,
)
from iae_jax.metrics import quadrature
from iae_jax.records.experiment import run_to_end
from iae_jax.sampling import priors
from iae_jax.types import Encoder, Encoding, Generator, Players

ROOT = Path(__file__).parent.parent
PNG = b"\x89PNG\r\n\x1a\n"
GRID = {f"{row}/{column}" for row, column in elbo_grid.CELLS}
SETS_OF_MODELS = {"ring8/iae", "ring8/gan", "grid25/iae", "grid25/gan"}
TOYS = {
    "gaussian_mixture": (
        gaussian_mixture,
        {"steps": 6, "batch_size": 16, "hidden": 8},
        {
            "modes_captured": SETS_OF_MODELS,
            "high_quality_share": SETS_OF_MODELS,
            "mode_sd_ratio": SETS_OF_MODELS,
            "cluster_accuracy": {"ring8/iae", "grid25/iae"},
        },
    ),
    "avb_four_points": (
        avb_four_points,
        {"steps": 6, "batch_size": 16, "hidden": 8, "discriminator_hidden": 8, "samples": 50},
        {name: {"vae", "avb", "avb_adaptive_contrast"} for name in ("log_likelihood", "kl_qz_pz")},
    ),
    "aae_priors": (
        aae_priors,
        {"data": "digits", "steps": 6, "batch_size": 16, "hidden": 8},
        {"two_sample_accuracy": {"gaussian", "mixture", "swiss_roll"}},
    ),
    "regression": (
        regression,
        {"steps": 6, "batch_size": 16, "hidden": 8, "samples": 30},
        {"energy_distance": {"least_squares", "adversarial"}},
    ),
    "elbo_grid": (
        elbo_grid,
        {
            "steps": 4,
            "batch_size": 16,
            "hidden": 8,
            "discriminator_hidden": 8,
            "converge_steps": 4,
            "converge_batch_size": 16,
            "samples": 200,
        },
        {"elbo_gap": GRID},
    ),
    "ali": (
        ali,
        {"steps": 4, "batch_size": 8, "hidden": 8, "width": 2},
        {"pixel_error_ratio": {"plane/iae", "plane/ali", "digits/iae", "digits/ali"}},
    ),
}


@pytest.mark.parametrize("name", TOYS)
@pytest.mark.usefixtures("quick_compile")
def test_an_experiment_at_toy_size(name, tmp_path, monkeypatch):
    """It runs, says every value that its results file promises, once a seed, and draws."""
    module, small, promised = TOYS[name]
    monkeypatch.setattr(quadrature, "NODES", 12)
    monkeypatch.setattr(gaussian_mixture, "FOR_SPREAD", 400)
    many: list = []
    draw = run_to_end(many, module.run(module.Settings(**small), [0, 3]))
    found = {}
    for measured in many:
        assert len(measured.values) == 2 and np.all(np.isfinite(measured.values)), measured
        assert measured.n_examples > 0 and measured.seconds > 0
        found.setdefault(measured.metric, set()).add(measured.variant)
    for metric, variants in promised.items():
        assert found[metric] == variants
    picture = tmp_path / "figure.png"
    draw(picture)
    assert picture.read_bytes().startswith(PNG)


# ------------------------------------------------------------------ what the experiments compute


def test_which_number_of_the_model_is_a_cells_truth():
    """The slide's table, typed; every number is another one."""
    numbers = quadrature.Exact(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)
    likelihood, reconstruction, joint_code, marginal_code, joint_model = 1.0, 2.0, 3.0, 4.0, 5.0
    assert quadrature.Exact._fields[:5] == (
        "negative_log_likelihood",
        "joint_reconstruction",
        "joint_code",
        "marginal_code",
        "joint_model",
    )
    columns = {
        "none": 0.0,
        "analytic_kl": joint_code,
        "joint_code": joint_code,
        "marginal_code": marginal_code,
    }
    for row, first in (("likelihood", likelihood), ("joint_reconstruction", reconstruction)):
        for column, second in columns.items():
            assert elbo_grid.truth(row, column, numbers, None) == (first, second)
    assert elbo_grid.truth("joint_model", "none", numbers, None) == (joint_model, 0.0)
    assert elbo_grid.truth("marginal_data", "none", None, 8.0) == (8.0, 0.0)


def test_reconstruction_errors_of_ali():
    """A model that maps x to z = x / 2 and back to x + (0.3, -0.1)."""
    encoder = Encoder(lambda key: {}, lambda params, x, noise: Encoding(vector=x / 2), 0, False)
    generator = Generator(
        lambda key: {}, lambda params, z, n: 2 * z.vector + jnp.array([0.3, -0.1]), 0
    )
    played = SimpleNamespace(
        networks=Players(encoder, generator), prior=priors.gaussian(2), noise_scale=1.0
    )
    x = jax.random.normal(jax.random.key(0), (500, 2)) * jnp.array([1.0, 3.0])
    found = ali.measure(played, Players({}, {}), x, 0)
    assert found.error == pytest.approx(0.2, abs=1e-5)
    # E|x - x'| of independent Gaussians is 2 s / sqrt(pi); the shift adds little.
    assert found.random_pair_error == pytest.approx(2 * 2 / np.sqrt(np.pi), rel=0.1)
    assert found.ratio == pytest.approx(found.error / found.random_pair_error)
    assert found.consistency == pytest.approx((0.15 + 0.05) / 2, abs=1e-5)


def test_log_likelihood_of_the_four_points():
    """A decoder that reads only the sign of z_1 has a closed form."""
    logits = np.array([3.0, -2.0, 0.5, -1.0], np.float32)

    def density(params, z, x):
        out = jnp.where(z.vector[:, :1] > 0, logits, -logits)
        return jnp.sum(x * out - jax.nn.softplus(out), axis=-1)

    def bernoulli(x, out):
        return np.prod(np.where(x == 1, 1 / (1 + np.exp(-out)), 1 / (1 + np.exp(out))))

    generator = Generator(lambda key: {}, lambda params, z, noise: z.vector, 0, density)
    played = SimpleNamespace(networks=Players(generator=generator))
    truth = np.mean(
        [np.log(0.5 * bernoulli(x, logits) + 0.5 * bernoulli(x, -logits)) for x in np.eye(4)]
    )
    found = avb_four_points.log_likelihood(played, Players())
    assert found == pytest.approx(truth, abs=1e-5)


def test_the_conditional_of_the_regression():
    """Share, means and deviation of the samples at one input."""
    c = jnp.full(60_000, 0.5)
    y = np.asarray(regression.conditional(jax.random.key(0), c))
    upper = y > 0.35
    assert upper.mean() == pytest.approx(0.625 * norm.cdf((1.299 - 0.35) / 0.16), abs=0.01)
    assert y[upper].mean() == pytest.approx(0.9 + 0.4 * np.sin(1.5), abs=0.01)
    assert y[~upper].mean() == pytest.approx(-0.35, abs=0.01)
    assert y[upper].std() == pytest.approx(0.16, abs=0.005)


def test_schedules_of_the_mixture():
    """Values by hand at the corners and halfway."""
    settings = gaussian_mixture.Settings(
        steps=1000,
        fine_from=0.4,
        soft_entropy_weight=1.0,
        entropy_weight=3.0,
        harden_from=0.2,
        harden_until=0.3,
    )
    hardening = gaussian_mixture.hardening(settings)
    steps = jnp.array([0, 200, 250, 300, 1000])
    np.testing.assert_allclose(jax.vmap(hardening)(steps), [1, 1, 2, 3, 3], rtol=1e-6)
    falling = gaussian_mixture.falling(settings, 0.5, 0.1)
    steps = jnp.array([0, 400, 550, 700, 1000])
    expected = [0.5, 0.5, 0.5 / np.sqrt(10), 0.05, 0.05]
    np.testing.assert_allclose(jax.vmap(falling)(steps), expected, rtol=1e-6)


# ------------------------------------------------------------------ slow


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """name -> {(metric, variant): values}, each experiment run once by its command."""
    done = {}

    def of(name, *flags):
        if (name, flags) not in done:
            folder = tmp_path_factory.mktemp(name)
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    f"experiments.{name}",
                    f"--results={folder}",
                    f"--figures={folder}",
                    *flags,
                ],
                cwd=ROOT,
                check=True,
            )
            records = json.loads((folder / f"{name}.json").read_text())["records"]
            done[name, flags] = {(r["metric"], r["variant"]): r["values"] for r in records}
        return done[name, flags]

    return of


@pytest.mark.slow
@pytest.mark.parametrize("name,modes", [("ring8", 8), ("grid25", 25)])
def test_mixture(measured, name, modes):
    found = {
        metric: np.array(values)
        for (metric, variant), values in measured("gaussian_mixture").items()
        if variant == f"{name}/iae"
    }
    good = (
        (found["modes_captured"] == modes)
        & (found["high_quality_share"] >= 0.97)
        & (found["cluster_accuracy"] >= 0.99)
        & (np.abs(found["mode_sd_ratio"] - 1) <= 0.15)
    )
    assert len(good) == 10 and good.sum() >= 9, found


@pytest.mark.slow
def test_four_points(measured):
    found = {key: np.array(values) for key, values in measured("avb_four_points").items()}
    good = (found["log_likelihood", "avb"] >= -1.42) & (found["kl_qz_pz", "avb"] <= 0.05)
    assert len(good) == 5 and good.sum() >= 4, found
    for variant in ("avb", "avb_adaptive_contrast"):
        assert max(found["log_likelihood", "vae"]) < min(found["log_likelihood", variant])
        assert max(found["elbo", "vae"]) < min(found["elbo", variant])
    # The adaptive contrast leaves a ridge that its discriminator does not see.
    assert min(found["kl_qz_pz", "vae"]) > max(found["kl_qz_pz", "avb"])
    for variant in ("vae", "avb", "avb_adaptive_contrast"):
        # A bound; .01 for what samples leave to chance.
        assert np.all(found["elbo", variant] <= found["log_likelihood", variant] + 0.01)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["gaussian", "mixture", "swiss_roll"])
def test_codes_follow_the_prior(measured, variant):
    assert max(measured("aae_priors", "--data=mnist")["two_sample_accuracy", variant]) <= 0.60


@pytest.mark.slow
def test_adversarial_regression(measured):
    found = measured("regression")
    ratio = np.array(found["energy_distance", "adversarial"]) / np.array(
        found["energy_distance", "least_squares"]
    )
    assert ratio.max() <= 0.10
    assert max(found["mean_error", "least_squares"]) < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("variant", sorted(GRID))
def test_every_term_is_estimated(measured, variant):
    assert max(measured("elbo_grid")["elbo_gap", variant]) <= 0.1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plane", "digits"])
def test_ali_and_iae_reconstruct(measured, name):
    """Half the error of random pairs, or less than .6 on the digits' six-dimensional code."""
    for model in ("iae", "ali"):
        ratios = measured("ali")["pixel_error_ratio", f"{name}/{model}"]
        assert max(ratios) < {"plane": 0.5, "digits": 0.6}[name], (model, ratios)
