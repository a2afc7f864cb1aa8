"""Weight-normalized layers, their start from data, and noise on each unit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax import networks
from iae_jax.errors import InputError
from iae_jax.game.step import init
from iae_jax.networks import Layout, Perturbation
from iae_jax.networks.layers import perturbed, unit_scale
from iae_jax.networks.weight_norm import WeightNorm
from iae_jax.runs.build import build
from iae_jax.runs.config import Config
from iae_jax.runs.feed import Feed, initial_state

SHAPE = (8, 8, 1)
NORMALIZED = Layout("weight_norm", width=7, hidden=5, depth=3)


def pixels(count, seed=0):
    return jnp.asarray(np.random.default_rng(seed).gamma(2, size=(count, *SHAPE)), jnp.float32)


def of(layout, **options):
    return networks.encoder(layout, SHAPE, "deterministic", 0, 3, 0, Perturbation(**options))


def test_a_layer_by_hand():
    x = jnp.array([[1.0, 2], [3, -1]])
    params = {"kernel": jnp.array([[3.0, 0], [4, -2]]), "scale": jnp.array([10.0, 1])}
    params["bias"] = jnp.array([0.5, -1])
    found = WeightNorm(2).apply({"params": params}, x)
    np.testing.assert_allclose(found, [[22.5, -3], [10.5, 0]], rtol=1e-6)


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_scales_learn_nothing_and_all_else_does(frozen):
    layer = WeightNorm(2, frozen)
    x = jax.random.normal(jax.random.key(0), (6, 4))
    params = layer.init(jax.random.key(1), x)
    gradient = jax.grad(lambda p: jnp.sum(jnp.sin(layer.apply(p, x))))(params)["params"]
    assert np.abs(gradient["kernel"]).min() > 1e-4 and np.abs(gradient["bias"]).min() > 1e-4
    assert np.all(gradient["scale"] == 0) == frozen


@pytest.mark.heavy
def test_an_encoder_starts_with_units_of_mean_0_and_variance_1():
    """Oracle: the layers by hand, of the images with the noise that is part of what they see."""
    encoder = of(NORMALIZED, pixel_noise=0.3, unit_noise=0.5)
    assert encoder.perturbations == 64 + 7 + 5 + 5
    x, drawn = pixels(400), jax.random.normal(jax.random.key(2), (400, encoder.perturbations))
    params = encoder.start(jax.random.key(1), x, drawn)["params"]
    trunk, (shown, *noise) = params["Trunk_0"], np.split(drawn, [64, 71, 76], axis=-1)
    h = np.asarray(x).reshape(400, -1) + 0.3 * shown
    layers = [trunk[f"WeightNorm_{level}"] for level in range(3)] + [params["WeightNorm_0"]]
    for layer, own in zip(layers, [*noise, None], strict=True):
        y = h @ (layer["kernel"] / np.sqrt((layer["kernel"] ** 2).sum(0))) * layer["scale"]
        y = y + layer["bias"]
        np.testing.assert_allclose(y.mean(0), 0, atol=1e-4)
        np.testing.assert_allclose(y.std(0), 1, rtol=1e-3)
        h = np.maximum(y, 0) + (0 if own is None else 0.5 * own)
    found = encoder.apply({"params": params}, x, drawn).logits
    np.testing.assert_allclose(found, y, rtol=1e-3, atol=1e-4)


@pytest.mark.heavy
def test_a_run_starts_from_its_own_training_set():
    """And the same state comes from any number of seeds at once; without images it is another."""
    config = Config(batch_size=4)
    config.code.size, config.code.categories = 0, 10
    config.reconstruction.kind, config.regularization.kind = "improved_gan", "none"
    config.generator.network.kind = "mlp"
    config.encoder.network.kind = "weight_norm"
    feed = Feed(config)
    game = build(config, feed.x.shape)
    one = initial_state(game, config, feed).params.encoder
    x = feed.some_x()
    assert len(np.unique(np.asarray(x).reshape(len(x), -1), axis=0)) > 200
    logits = game.networks.encoder.apply(one, x, jnp.zeros((len(x), 0))).logits
    np.testing.assert_allclose(logits.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(logits.std(0), 1, rtol=1e-3)
    config.run.seeds = 2
    both = initial_state(game, config, feed).params.encoder
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-4, atol=1e-5), both, one)
    without = init(game, jax.random.key(0)).params.encoder["params"]
    assert np.all(without["WeightNorm_0"]["scale"] == 1)


def test_noise_by_hand():
    h = jnp.arange(1.0, 13).reshape(2, 1, 2, 3)
    by = jnp.arange(14.0).reshape(2, 7)
    changed, rest = perturbed(h, by, added=True)
    first, second = [[1.0, 3, 5], [7, 9, 11]], [[14.0, 16, 18], [20, 22, 24]]
    np.testing.assert_array_equal(changed, [[first], [second]])
    np.testing.assert_array_equal(rest, [[6], [13]])
    scaled = unit_scale(jnp.array([[[3.0, 4]], [[0, -10]]]))
    np.testing.assert_allclose(scaled, [[[0.8485281, 1.1313708]], [[0, -1.4142135]]], rtol=1e-6)


UNITS = {  # of each layer, then the features
    "mlp": (Layout("mlp", hidden=5, depth=3), [5, 5, 5]),
    "weight_norm": (NORMALIZED, [7, 5, 5]),
    "conv": (Layout("conv", width=3, hidden=5), [4 * 4 * 3, 5]),
    "residual": (Layout("residual", width=2, hidden=5), [4 * 4 * 4, 5]),
}


@pytest.mark.heavy
@pytest.mark.parametrize("kind", UNITS)
def test_each_unit_has_noise_of_its_own(kind):
    """And only the example whose number it is; numbers of 0 are the encoder that is not taught."""
    layout, units = UNITS[kind]
    encoder, x = of(layout, unit_noise=0.5), pixels(3)
    assert encoder.perturbations == sum(units)
    params = encoder.init(jax.random.key(1))

    def logits(by):
        return encoder.apply(params, x, by).logits

    still = logits(jnp.zeros((3, sum(units))))
    by = jnp.eye(sum(units))[:, None] * jnp.array([[[0.0], [4], [0]]])
    moved = np.abs(jax.vmap(logits)(by) - still)
    assert moved[:, [0, 2]].max() < 1e-6
    dead = np.all(moved[:, 1] < 1e-6, axis=-1)  # behind a unit that is 0 on both sides of a ReLU
    assert dead.mean() < (0.5 if kind == "weight_norm" else 0.05)
    last = moved[-5:, 1]
    dense = params["params"]["WeightNorm_0" if kind == "weight_norm" else "Dense_0"]["kernel"]
    if kind == "weight_norm":
        dense = dense / jnp.linalg.norm(dense, axis=0)
    np.testing.assert_allclose(last, np.abs(2 * dense), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["mlp", "conv", "residual"])
def test_no_scale_of_a_layer_outgrows_the_noise(kind):
    """The first layer's weights and bias times 100 leave the logits, noise or not."""
    layout, units = UNITS[kind]
    encoder, x = of(layout, unit_noise=0.5), pixels(3)
    params = encoder.init(jax.random.key(1))
    large = jax.tree.map(jnp.array, params)
    trunk = large["params"]["Trunk_0"]
    if kind == "residual":
        # A block has two layers: the sum of its two parts grows by the last of each.
        first = trunk["Down_0"]
        layers = [first["Dense_0"], first["Conv_1"]]
    else:
        layers = [trunk["Dense_0" if kind == "mlp" else "Conv_0"]]
    for layer in layers:
        layer.update({name: 100 * value for name, value in layer.items()})
    by = jax.random.normal(jax.random.key(3), (3, sum(units)))
    for numbers in (by, jnp.zeros_like(by)):
        expected, found = (encoder.apply(p, x, numbers).logits for p in (params, large))
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_what_is_refused():
    with pytest.raises(InputError, match="set dropout or unit_noise to 0"):
        of(UNITS["mlp"][0], dropout=0.5, unit_noise=0.5)
    with pytest.raises(InputError, match="set the generator's to mlp"):
        networks.generator(NORMALIZED, SHAPE, 2)
    with pytest.raises(InputError, match="set the discriminator's to mlp"):
        networks.discriminator(NORMALIZED, SHAPE, ("x",))
