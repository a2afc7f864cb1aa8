"""The files of tests/extending, as a stranger writes them: each is trained by the launcher, and
what it adds is compared with an oracle of its own.

Oracles: public functions composed by hand, autodiff, enumeration, quadrature, numpy.
"""

import functools
import itertools
import json
import subprocess
import sys
from pathlib import Path

import contrast
import jax
import jax.numpy as jnp
import masked_decoder
import numpy as np
import planar_flow
import pytest
import relativistic
import ring_prior
import second_reconstruction
import two_sets
import vectors
from test_launch import launch

from iae_jax import Code, Draws, init, reconstruct
from iae_jax.data import indices
from iae_jax.game.game import losses
from iae_jax.runs.build import build
from iae_jax.runs.data_sets import open_split
from iae_jax.runs.trained import trained
from iae_jax.sampling.noise import Noise, example_keys

FOLDER = Path(__file__).parent / "extending"
MAX_LINES = 60
MODULES = {
    module.__name__: module
    for module in (
        contrast, masked_decoder, planar_flow, relativistic, ring_prior, second_reconstruction,
        two_sets, vectors,
    )
}  # fmt: skip


def commands(name, workdir, directory):
    """The launcher's words that train and that evaluate the file's run."""
    words = [
        f"--config={FOLDER / name}.py", f"--workdir={workdir}", "--config.run.classifier=False",
    ]  # fmt: skip
    if MODULES[name].get_config().data.name == "digits":
        words.append(f"--config.data.directory={directory}")
    return [*words, "--mode=train"], [*words, "--mode=evaluate"]


@functools.cache
def launched(name, directory, tmp):
    """The workdir of the file's run, trained and evaluated by the launcher in this process."""
    workdir = Path(tmp) / name
    for words in commands(name, workdir, directory):
        code, _, err = launch(*words)
        assert code == 0, err
    return workdir


@pytest.fixture(scope="module")
def run_of(data_directory, tmp_path_factory):
    return functools.partial(
        launched, directory=data_directory, tmp=str(tmp_path_factory.mktemp("extending"))
    )


def config_of(name, data_directory):
    config = MODULES[name].get_config()
    if config.data.name == "digits":
        config.data.directory = data_directory
    return config


def check_run(workdir):
    last = json.loads((workdir / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["step"] == 20 and all(np.isfinite(value) for value in last.values())
    assert json.loads((workdir / "evaluation_test.json").read_text())["records"]


@pytest.mark.heavy
@pytest.mark.parametrize("name", MODULES)
def test_a_file_is_short_and_its_run_is_trained_and_measured(name, run_of):
    assert len((FOLDER / f"{name}.py").read_text().splitlines()) <= MAX_LINES
    check_run(run_of(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_the_command_trains_it_in_a_process_of_its_own(name, data_directory, tmp_path):
    for words in commands(name, tmp_path / name, data_directory):
        command = [sys.executable, "-m", "iae_jax.launch", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    check_run(tmp_path / name)


# ------------------------------------------------------------------------ (a) an auxiliary loss


@pytest.mark.heavy
def test_the_second_reconstruction_is_that_of_the_reconstruction(data_directory, run_of):
    """Without noise, g(f(x_hat)) is the public reconstruction applied twice."""
    config = config_of("second_reconstruction", data_directory)
    config.generator.noise = 0
    game = build(config, (8, 8, 1))
    params = init(game, jax.random.key(1)).params
    x = jax.random.uniform(jax.random.key(2), (16, 8, 8, 1)) ** 2
    noise = Noise(example_keys(jax.random.key(3), 0, 16))
    _, metrics = losses(game, params, noise, {"x": x}, 0)
    key = jax.random.key(4)
    twice = reconstruct(game, params, reconstruct(game, params, x, key), key)
    expected = 0.5 * np.abs(np.asarray(twice) - x).reshape(16, -1).mean(axis=-1)
    np.testing.assert_allclose(metrics["second_reconstruction"], expected, rtol=1e-5)
    assert expected.min() > 0.01
    logged = json.loads((run_of("second_reconstruction") / "metrics.jsonl").read_text())
    assert 0 < logged["second_reconstruction"] < 0.5


# ------------------------------------------------------------------- (c) an autoregressive decoder

IMAGES = np.array(list(itertools.product([0, 1], repeat=9)), np.float32).reshape(-1, 3, 3, 1)


@pytest.fixture(scope="module")
def decoder():
    generator = masked_decoder.generator(masked_decoder.get_config(), (3, 3, 1))
    return generator, generator.init(jax.random.key(0))


def probabilities(decoder, z):
    generator, params = decoder
    many = Code(vector=jnp.tile(jnp.asarray(z), (len(IMAGES), 1)))
    return np.exp(np.asarray(generator.log_likelihood(params, many, IMAGES), np.float64))


def test_the_likelihood_of_all_images_sums_to_1(decoder):
    for z in ([0.0, 0.0], [1.5, -2.0]):
        np.testing.assert_allclose(probabilities(decoder, z).sum(), 1, rtol=1e-5)


def test_samples_have_the_probabilities_of_the_likelihood(decoder):
    """Chi-squared over the images that are expected at least 5 times, at 5 standard deviations."""
    generator, params = decoder
    count = 20_000
    z = Code(vector=jnp.tile(jnp.array([0.5, -1.0]), (count, 1)))
    noise = jax.random.normal(jax.random.key(3), (count, generator.noise))
    drawn = np.asarray(jax.jit(generator.sample)(params, z, noise)).reshape(count, 9)
    which = (drawn @ 2 ** np.arange(8, -1, -1)).astype(int)
    expected = count * probabilities(decoder, [0.5, -1.0])
    often = expected >= 5
    found = np.bincount(which, minlength=512)
    chi = np.sum((found - expected)[often] ** 2 / expected[often])
    assert chi < often.sum() + 5 * np.sqrt(2 * often.sum())
    assert often.sum() > 20


def test_a_slow_decoder_is_not_sampled_while_it_trains(run_of):
    workdir = run_of("masked_decoder")
    assert not list((workdir / "figures").glob("step_*.png"))
    records = json.loads((workdir / "evaluation_test.json").read_text())["records"]
    assert "negative_elbo" in {record["metric"] for record in records}


# -------------------------------------------------------------------------- (d) a scoring of pairs


def test_the_relativistic_losses_and_who_they_move():
    a, b = jnp.array([0.3, -1.0, 2.0]), jnp.array([1.1, -0.2, -0.5])
    found = relativistic.losses(a, b)
    np.testing.assert_allclose(found.discriminator, (a - b - 1) ** 2 / 2, rtol=1e-6)
    np.testing.assert_allclose(found.numerator, (a - b + 1) ** 2 / 2, rtol=1e-6)
    slope = a - b + 1
    for side, signs in (("numerator", (1, 0)), ("denominator", (0, -1))):
        gradients = jax.grad(
            lambda a, b, side=side: getattr(relativistic.losses(a, b), side).sum(), (0, 1)
        )(a, b)
        for gradient, sign in zip(gradients, signs, strict=True):
            np.testing.assert_allclose(gradient, sign * slope, rtol=1e-5)


@pytest.mark.heavy
def test_r1_is_on_both_sides(data_directory):
    """Oracle: |grad T|^2 on each side, by hand."""
    config = config_of("relativistic", data_directory)
    game = build(config, (8, 8, 1))
    params = init(game, jax.random.key(1)).params
    x = jax.random.uniform(jax.random.key(2), (6, 8, 8, 1)) ** 2
    keys = example_keys(jax.random.key(3), 0, 6)
    values, metrics = losses(game, params, Noise(keys), {"x": x}, 0)
    draws = Draws(game, params, Noise(keys), {"x": x})
    apply = game.networks.reconstruction_discriminator.apply
    theta, penalty = params.reconstruction_discriminator, 0.0
    for shown in (draws.x, draws.x_hat):
        gradients = jax.grad(lambda x, z: apply(theta, x, z).sum(), (0, 1))(shown, draws.z.vector)
        penalty += sum(float((np.asarray(g) ** 2).sum()) for g in gradients) / 6
    own = values.reconstruction_discriminator - metrics["reconstruction_discriminator"].mean()
    np.testing.assert_allclose(own, 0.5 * 0.1 * penalty, rtol=1e-4)


# ------------------------------------------------------------------------- (e) a set of vectors


@pytest.mark.heavy
def test_vectors_are_read_as_they_are(run_of):
    config = vectors.get_config()
    x, labels = open_split(config, "train").read(np.arange(400))
    assert x.min() < -0.5 and x.max() > 1.5
    upper = x[labels == 0]
    np.testing.assert_allclose(np.linalg.norm(upper, axis=-1).mean(), 1, atol=0.02)
    saved = json.loads((run_of("vectors") / "data.json").read_text())
    assert saved == {"shapes": {"x": [2]}, "values": "real", "classes": 2}


# ---------------------------------------------------------------------------------- (f) a metric


@pytest.mark.heavy
def test_the_metric_is_in_the_evaluation(data_directory, run_of):
    """Oracle: numpy on the public reconstruction (without noise) of all test images."""
    workdir, config = run_of("contrast"), config_of("contrast", data_directory)
    records = json.loads((workdir / "evaluation_test.json").read_text())["records"]
    (record,) = [one for one in records if one["metric"] == "contrast_ratio"]
    run = trained(config, workdir, "latest")
    x = open_split(config, "test")
    images = np.asarray(x.read(np.arange(len(x))).x, np.float32) / 255
    x_hat = np.asarray(reconstruct(run.game, run.params(), images, jax.random.key(0)))
    ratio = [own.std() / one.std() for own, one in zip(x_hat, images, strict=True)]
    np.testing.assert_allclose(record["value"], np.mean(ratio), rtol=1e-4)
    assert record["n"] == len(x) and record["extractor"] == "pixels"


# ---------------------------------------------------------------------------------- (g) a prior


def test_the_ring_is_the_prior_of_the_game_and_its_density_integrates_to_1(data_directory):
    game = build(config_of("ring_prior", data_directory), (8, 8, 1))
    draws = Draws(game, None, Noise(example_keys(jax.random.key(0), 0, 4000)), {})
    z = np.asarray(draws.z_prior.vector)
    distance, angle = np.linalg.norm(z, axis=-1), np.arctan2(*z.T)
    np.testing.assert_allclose([distance.mean(), distance.std()], [3, 0.1], atol=0.01)
    np.testing.assert_allclose(np.histogram(angle, 8)[0] / 4000, 1 / 8, atol=0.025)
    side = np.arange(-3.995, 4, 0.01)  # centres of cells: at 0 itself the density is 0 / 0
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    log_density = game.prior.log_density(None, Code(vector=jnp.asarray(grid)))
    np.testing.assert_allclose(np.exp(np.asarray(log_density)).sum() * 0.01**2, 1, atol=1e-3)


# ------------------------------------------------------------------------ (h) two sets in a batch


@pytest.mark.heavy
def test_the_second_set_is_in_the_batch(data_directory, run_of):
    config = config_of("two_sets", data_directory)
    game = build(config, (8, 8, 1), also={"y": (4, 6, 1)})
    assert game.sources == {"x", "y"}
    params = init(game, jax.random.key(1)).params
    x = jax.random.uniform(jax.random.key(2), (16, 8, 8, 1))
    y = jax.random.uniform(jax.random.key(3), (16, 4, 6, 1)) ** 3
    keys = example_keys(jax.random.key(4), 0, 16)
    _, metrics = losses(game, params, Noise(keys), {"x": x, "y": y}, 0)
    ours = np.asarray(Draws(game, params, Noise(keys), {"x": x}).x_prior).mean()
    expected = (ours - np.asarray(y).mean()) ** 2
    np.testing.assert_allclose(metrics["same_brightness"], np.full(16, expected), rtol=1e-4)
    saved = json.loads((run_of("two_sets") / "data.json").read_text())
    assert saved["shapes"] == {"x": [8, 8, 1], "y": [4, 6, 1]}
    # Its order is its own.
    assert not np.array_equal(indices(100, 0, 0, 16), indices(100, 0, 0, 16, name="y"))
