"""Autoregressive decoders: probabilities that sum to 1 over all images, which values are read,
samples by teacher forcing and by their frequencies. In float64."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from far_params import moved, normal

from iae_jax import networks
from iae_jax.errors import InputError
from iae_jax.networks.pixelcnn import PixelCNN
from iae_jax.networks.values import logistic
from iae_jax.runs.build import build
from iae_jax.runs.config import Config
from iae_jax.types import Code

CODE = 2
LAYOUT = networks.Layout("mlp", hidden=5, depth=1)
DECODERS = {
    "made": partial(networks.made, width=11),
    "pixelcnn": partial(networks.pixelcnn, layers=2, width=3, first=5, kernel=3),
    "window": partial(networks.pixelcnn, layers=2, width=3, first=3, kernel=1),
}


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def decoder(name, side, likelihood="bernoulli"):
    """A decoder of side x side images, and parameters with nothing at 0."""
    found = DECODERS[name](LAYOUT, (side, side, 1), CODE, likelihood)
    return found, moved(found, 0.7)


def every_image():
    """f64[512, 3, 3, 1]."""
    return np.array(list(itertools.product([0.0, 1.0], repeat=9))).reshape(-1, 3, 3, 1)


def log_probabilities(generator, params, z):
    """log p(x|z) of every image, for one z f64[CODE]."""
    x = jnp.asarray(every_image())
    return jax.jit(generator.log_likelihood)(params, Code(jnp.broadcast_to(z, (512, CODE))), x)


@pytest.mark.heavy
@pytest.mark.parametrize("name", DECODERS)
def test_probabilities_of_all_images_sum_to_1(name):
    generator, params = decoder(name, 3)
    found = [log_probabilities(generator, params, 2 * normal(seed, CODE)) for seed in (50, 51)]
    for one in found:
        np.testing.assert_allclose(np.exp(one).sum(), 1, rtol=1e-12)
        assert np.ptp(one) > 0.5
    assert np.abs(found[0] - found[1]).max() > 0.5  # z matters


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("first", "kernel", "read"),
    [
        (3, 1, {(2, 2), (2, 3), (2, 4), (3, 2)}),
        (5, 3, {(i, j) for i in range(6) for j in range(6) if (i, j) < (3, 3)}),
    ],
)
def test_a_pixel_reads_what_comes_before_it(first, kernel, read):
    """Exact zeros of the Jacobian, and no blind spot: everything before (3, 3), or a window."""
    network = PixelCNN(layers=3, width=3, first=first, kernel=kernel, numbers=2)
    x, z = normal(60, 1, 6, 6, 1), normal(61, 1, 6, 6, 2)
    leaves, tree = jax.tree.flatten(network.init(jax.random.key(0), x, z))
    params = tree.unflatten([0.7 * normal(i, *one.shape) for i, one in enumerate(leaves)])
    jacobian = jax.jit(jax.jacfwd(lambda x: network.apply(params, x, z)))(x)
    found = np.abs(np.asarray(jacobian)[0, :, :, 0, :, 0, :, :, 0]).sum(axis=2)
    assert found.shape == (6, 6, 6, 6)
    for here in itertools.product(range(6), repeat=2):
        of_here = {(int(i), int(j)) for i, j in zip(*np.nonzero(found[here]), strict=True)}
        assert all(one < here for one in of_here)
        if here == (3, 3):
            assert of_here == read


@pytest.mark.heavy
@pytest.mark.parametrize("name", DECODERS)
def test_samples_are_those_of_teacher_forcing_and_have_their_frequencies(name):
    """Oracle: the 512 enumerated probabilities, by a chi-squared statistic."""
    generator, params = decoder(name, 3)
    z, n = normal(70, CODE), 5_000
    many = Code(jnp.broadcast_to(z, (n, CODE)))
    x = jax.jit(generator.sample)(params, many, normal(71, n, 9))
    assert set(np.unique(x)) == {0.0, 1.0}
    index = np.asarray(x).reshape(n, 9).astype(int) @ (2 ** np.arange(8, -1, -1))
    expected = n * np.exp(np.asarray(log_probabilities(generator, params, z)))
    counts = np.bincount(index, minlength=512)
    # Rare images together, so that every cell has enough.
    rare = expected < 10
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    degrees = len(counts) - 1
    statistic = np.sum((counts - expected) ** 2 / np.maximum(expected, 1e-9))
    assert degrees > 20 and statistic < degrees + 4 * np.sqrt(2 * degrees)


def test_a_logistic_value_has_256_levels():
    """Oracles: probabilities sum to 1, and a quantile is the first level at which their sum
    reaches u."""
    values, levels = logistic(), np.arange(256) / 255
    for parameters in ([0.1, 0.3], [-0.7, -1.0], [0.4, 4.0], [0.2, -9.0]):
        given = jnp.broadcast_to(jnp.asarray(parameters), (256, 2))
        log_p = np.asarray(values.log_probability(given, jnp.asarray(levels)))
        np.testing.assert_allclose(np.exp(log_p).sum(), 1, rtol=1e-9)
        assert np.isfinite(log_p).all()
        u = np.random.default_rng(0).uniform(size=300)
        drawn = values.quantile(jnp.broadcast_to(jnp.asarray(parameters), (300, 2)), jnp.asarray(u))
        first = np.searchsorted(np.cumsum(np.exp(log_p)), u)
        np.testing.assert_allclose(np.asarray(drawn) * 255, first, atol=1e-6)
    assert len(set(first)) < 6  # the last scale is a quarter of a level


# ----------------------------------------------------------------------------------- by a config


def config_of(kind, likelihood="bernoulli", **changes):
    config = Config(batch_size=4)
    config.code.size, config.encoder.kind = CODE, "gaussian"
    config.generator.kind, config.generator.likelihood = kind, likelihood
    for field, value in changes.items():
        setattr(config.generator, field, value)
    for player in config.players:
        player.network.kind, player.network.hidden = "mlp", 5
    config.reconstruction.kind, config.regularization.kind = "likelihood", "analytic_kl"
    return config


def test_a_decoder_by_its_kind():
    game = build(config_of("pixelcnn(layers=1, width=3, first=3)", "logistic"), (4, 4, 1))
    generator = game.networks.generator
    assert generator.slow and generator.noise == 16 and not generator.factorized


def test_the_noise_of_a_decoder_is_never_scaled():
    """A ramp of the local code, as the preset digits has, leaves its samples ~ p(x|z)."""
    ramp = {"ramp_start_steps": 10, "ramp_steps": 20}
    assert build(config_of("made(width=3)", **ramp), (4, 4, 1)).local_scale == 1.0
    network = build(config_of("network", **ramp), (4, 4, 1))
    assert network.local_scale(jnp.asarray(20)) == 0.5


def test_a_decoder_of_another_precision_is_refused():
    config = config_of("made(width=3)")
    config.generator.network.precision = "bfloat16"
    with pytest.raises(InputError, match="a made computes in float32"):
        build(config, (4,))


def test_a_decoder_of_values_of_any_size_is_refused():
    with pytest.raises(InputError, match=r"values in \[0, 1\]"):
        build(config_of("made(width=3)"), (4,), "real")


@pytest.mark.parametrize(
    ("config", "shape", "message"),
    [
        (config_of("pixelcnn"), (4, 4, 3), r"grey images .* \(4, 4, 3\)"),
        (config_of("pixelcnn(first=4)"), (4, 4, 1), "first of the decoder is odd, not 4"),
        (config_of("pixelcnn(first=1)"), (4, 4, 1), "first of the decoder is from 3 to 15"),
        (config_of("pixelcnn(layers=-1)"), (4, 4, 1), "layers of the decoder is from 0 to 100"),
        (config_of("made(width=0)"), (4, 4, 1), "width of the decoder is from 1"),
        (config_of("made", "gaussian"), (4,), "is bernoulli or logistic, not 'gaussian'"),
        (config_of("made", noise=3), (4,), "set noise=0"),
        (config_of("nade"), (4,), "generator.kind is one of network, made, pixelcnn"),
    ],
)
def test_what_is_no_decoder_is_refused(config, shape, message):
    with pytest.raises(InputError, match=message):
        build(config, shape)
