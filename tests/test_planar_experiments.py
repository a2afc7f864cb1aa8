"""What the experiments of the mixtures, the regression and ALI are made of: their data, schedules,
networks and measures."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from iae_jax.data import load, open_source
from iae_jax.data.planar import ring
from iae_jax.metrics.measurement import Trained
from iae_jax.networks import discriminator
from iae_jax.presets import ali, gaussian_mixture, regression
from iae_jax.runs.build import build, layout, r1_weight
from iae_jax.sampling import priors
from iae_jax.types import Code, Generator, Players


def test_the_conditional_of_the_regression():
    """Share, means and deviation of the samples at one input."""
    c = jnp.full(60_000, 0.5)
    y = np.asarray(regression.conditional(jax.random.key(0), c))
    upper = y > 0.35
    assert upper.mean() == pytest.approx(0.625 * norm.cdf((1.299 - 0.35) / 0.16), abs=0.01)
    assert y[upper].mean() == pytest.approx(0.9 + 0.4 * np.sin(1.5), abs=0.01)
    assert y[~upper].mean() == pytest.approx(-0.35, abs=0.01)
    assert y[upper].std() == pytest.approx(0.16, abs=0.005)


def model(sample, noise, prior):
    """A trained model whose generator is this function of (z, noise)."""
    generator = Generator(lambda key: {}, lambda params, z, n: sample(z, n), noise)
    game = SimpleNamespace(networks=Players(generator=generator), prior=prior, relaxed=False)
    return Trained(game, Players(generator={}), np.zeros((1, 2), np.float32), seed=7)


def values_of(measurements):
    return {one.name: (float(one.value), one.n) for one in measurements}


def test_the_mixture_itself_meets_every_aim():
    """And one that lacks a mode, with half the SD, does not. 1 - exp(-9/2) of a round Gaussian of
    the plane is within 3 SDs."""
    centres = jnp.asarray(ring().centres)

    def samples(z, noise, deviation=0.01):
        return 1.5 * (centres[jnp.argmax(z.category, axis=-1)] + deviation * noise)

    found = values_of(
        gaussian_mixture.measure(model(samples, 2, priors.categorical(8)), "ring8", 20_000)
    )
    assert found["modes_captured"] == (8, 2_500) and found["mode_sd_ratio"][1] == 20_000
    assert found["high_quality_share"] == (pytest.approx(1 - np.exp(-4.5), abs=0.006), 2_500)
    assert found["mode_sd_ratio"][0] == pytest.approx(1, abs=0.05)

    def thin(z, noise):
        return samples(Code(category=z.category.at[:, 0].set(0)), noise, 0.005)

    found = values_of(
        gaussian_mixture.measure(model(thin, 2, priors.categorical(7)), "ring8", 20_000)
    )
    assert found["modes_captured"][0] == 7
    assert found["mode_sd_ratio"][0] == 0  # of the mode that is not there


@pytest.mark.parametrize("exact", [True, False])
def test_distances_of_the_regression(exact):
    """Of the conditional itself, and of its mean."""

    def samples(z, noise):
        c = z.vector[:, 0]
        share, upper, lower, deviation = regression.branches(c)
        y = share * upper + (1 - share) * lower
        if exact:
            up = jax.scipy.stats.norm.cdf(noise[:, 0]) < share
            y = jnp.where(up, upper, lower) + deviation * noise[:, 1]
        return jnp.stack([c, y], axis=-1)

    found = values_of(regression.measure(model(samples, 2, priors.gaussian(1)), 2_000))
    assert {name: n for name, (_, n) in found.items()} == {
        "energy_distance": 42_000,
        "worst_energy_distance": 2_000,
        "mean_error": 42_000,
        "energy_distance_ratio": 42_000,
    }
    if exact:
        assert abs(found["energy_distance"][0]) < 0.002
        assert found["mean_error"][0] < 0.05 and found["energy_distance_ratio"][0] < 0.005
    else:
        assert found["energy_distance"][0] > 0.5
        assert found["mean_error"][0] == pytest.approx(0, abs=1e-6)
        assert found["energy_distance_ratio"][0] == pytest.approx(1, abs=1e-6)


def test_schedules_of_the_mixture():
    """Values by hand at the corners and halfway."""
    config = gaussian_mixture.get_config("ring8/iae")
    hardening = config.auxiliary.entropy.weight.scheduled
    steps = jnp.array([0, 1000, 1200, 1400, 4000])
    np.testing.assert_allclose(jax.vmap(hardening)(steps), [1, 1, 1.5, 2, 2], rtol=1e-6)
    falling = r1_weight(config.reconstruction, config.steps)
    steps = jnp.array([0, 1400, 2050, 2700, 4000])
    expected = [0.2, 0.2, 0.2 / np.sqrt(10), 0.02, 0.02]
    np.testing.assert_allclose(jax.vmap(falling)(steps), expected, rtol=1e-5)


@pytest.mark.parametrize("rate", [0.1, lambda count: 0.1 / (1 + count)])
def test_the_fine_part_learns_late(rate):
    """Adam of a constant gradient moves by its rate."""
    optimizer = gaussian_mixture.two_rates(rate, 0.5, 0.9, fine_rate=5, start_steps=2, ramp_steps=4)
    params = {"coarse": {"a": jnp.zeros(2)}, "fine": jnp.zeros(3)}
    gradient, state = jax.tree.map(jnp.ones_like, params), optimizer.init(params)
    for step, risen in enumerate([0, 0, 0, 0.25, 0.5, 0.75, 1, 1]):
        updates, state = optimizer.update(gradient, state, params)
        own = 0.1 / (1 + step) if callable(rate) else 0.1
        np.testing.assert_allclose(updates["coarse"]["a"], -own, rtol=1e-5)
        np.testing.assert_allclose(updates["fine"], -5 * risen * own, rtol=1e-5)


def test_the_fine_part_of_the_discriminator():
    """0 at first; at x = 0 the cosines are 1 and the sines 0."""
    config = gaussian_mixture.get_config("ring8/iae")
    config.reconstruction.network.hidden = 8
    fine = gaussian_mixture.fine_discriminator(config, (2,), ("x", "z"))
    coarse = discriminator(layout(config.reconstruction.network), (2,), ("x", "z"), 0, 8)
    x, params = jnp.array([[0.0, 0.0], [0.3, -0.5]]), fine.init(jax.random.key(0))
    plain = coarse.apply(params["coarse"], x, None)
    assert plain.shape == (2, 8)
    np.testing.assert_array_equal(fine.apply(params, x, None), plain)
    params["fine"] = jnp.ones_like(params["fine"])
    more = fine.apply(params, x, None) - plain
    np.testing.assert_allclose(more[0], gaussian_mixture.WAVES, rtol=1e-5)
    assert np.all(np.abs(more[1]) < gaussian_mixture.WAVES)


def test_a_gan_with_the_prior_of_the_iae():
    """What its generator reads is what the IAE's reads; its discriminator reads x alone, by one
    logit. All but losses, encoder and code is as of the plain GAN."""
    iae, gan, own = (
        gaussian_mixture.get_config(f"grid25/{name}") for name in ("iae", "gan", "gan_categorical")
    )
    game, of_iae = build(own, (2,)), build(iae, (2,))
    assert (own.code, own.generator, own.prior) == (iae.code, iae.generator, iae.prior)
    assert game.networks.encoder is None and own.reconstruction.kind == "marginal_data"
    own.code, own.generator.noise = gan.code, gan.generator.noise
    assert own == gan
    key, params = jax.random.split(jax.random.key(1), 6), {}
    codes = [one.prior.sample(params, jax.vmap(one.prior.draw)(key)) for one in (game, of_iae)]
    assert codes[0].vector is None and codes[0].category.shape == (6, 25)
    np.testing.assert_array_equal(codes[0].category, codes[1].category)
    shapes = [
        jax.tree.map(jnp.shape, one.networks.generator.init(jax.random.key(0)))
        for one in (game, of_iae)
    ]
    assert shapes[0] == shapes[1] and game.networks.generator.noise == 4
    judge = game.networks.reconstruction_discriminator
    logits = judge.apply(judge.init(jax.random.key(0)), jnp.ones((6, 2)), None)
    assert logits.shape == (6, 1)


def test_digits_are_drawn_with_replacement():
    """Batches are of the split's images; a batch of as many as there are lacks 1/e of them."""
    source, stored = ali.digits("train[:300]"), load(open_source("digits", "train[:300]"))
    np.testing.assert_array_equal(load(source).x, stored.x)
    np.testing.assert_array_equal(source.labels(), stored.labels)
    drawn = np.asarray(source.sample(jax.random.key(0), 300))
    assert drawn.shape == (300, 8, 8, 1) and drawn.dtype == np.float32
    own = {image.tobytes() for image in stored.x}
    seen = {image.tobytes() for image in np.rint(255 * drawn).astype(np.uint8)}
    assert seen <= own
    assert len(seen) / len(own) == pytest.approx(1 - 1 / np.e, abs=0.06)
