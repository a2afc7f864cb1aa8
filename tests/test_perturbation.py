"""An encoder that is perturbed in training: what is added to x, what multiplies its channels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax import init, networks
from iae_jax.game.game import losses, noise_of
from iae_jax.networks import Layout
from iae_jax.networks.layers import perturbed
from iae_jax.runs.build import build
from iae_jax.runs.config import Config
from iae_jax.sampling import draws, priors
from iae_jax.sampling.augmentation import Affine, affine
from iae_jax.types import Labelled, Players

LAYOUT = {
    "mlp": Layout("mlp", hidden=5, depth=3),
    "conv": Layout("conv", width=3, hidden=5),
    "residual": Layout("residual", width=2, hidden=5),
}
SHAPE = (16, 16, 2)
# Of mlp: two layers and the features; of the others: the levels 16 -> 8 -> 4 and the features.
CHANNELS = {"mlp": [5, 5, 5], "conv": [3, 6, 5], "residual": [4, 8, 5]}
X = jax.random.uniform(jax.random.key(5), (4, *SHAPE))


def of(kind, **options):
    return networks.encoder(LAYOUT[kind], SHAPE, "implicit", 3, 2, noise=2, **options)


def test_perturbed_by_hand():
    h = jnp.arange(1.0, 13).reshape(2, 1, 2, 3)
    by = jnp.array([[0.0, 1, -1, 7], [0.5, 0, 2, 8]])
    changed, rest = perturbed(h, by)
    first, second = [[1.0, 4, 0], [4, 10, 0]], [[10.5, 8, 27], [15, 11, 36]]
    np.testing.assert_allclose(changed, [[first], [second]])
    np.testing.assert_array_equal(rest, [[7], [8]])
    same, none = perturbed(h, None)
    assert same is h and none is None


@pytest.mark.parametrize("kind", LAYOUT)
def test_numbers_of_0_change_nothing(kind):
    plain, both = of(kind), of(kind, pixel_noise=0.3, dropout=0.5)
    assert plain.perturbations == 0 and plain.noise == both.noise == 2
    assert both.perturbations == 16 * 16 * 2 + sum(CHANNELS[kind])
    params, own = plain.init(jax.random.key(1)), jnp.array([[0.3, -1.0]] * 4)
    jax.tree.map(np.testing.assert_array_equal, params, both.init(jax.random.key(1)))
    numbers = jnp.pad(own, ((0, 0), (0, both.perturbations)))
    said, again = plain.apply(params, X, own), both.apply(params, X, numbers)
    np.testing.assert_allclose(said.vector, again.vector, rtol=1e-6)
    np.testing.assert_allclose(said.logits, again.logits, rtol=1e-6)


@pytest.mark.parametrize("kind", LAYOUT)
def test_pixel_noise_is_added_to_x(kind):
    plain, noisy = of(kind), of(kind, pixel_noise=0.3)
    params, own = plain.init(jax.random.key(1)), jnp.array([[0.3, -1.0]] * 4)
    pixels = jax.random.normal(jax.random.key(2), X.shape)
    moved = noisy.apply(params, X, jnp.concatenate([own, pixels.reshape(4, -1)], axis=-1))
    expected = plain.apply(params, X + 0.3 * pixels, own)
    np.testing.assert_allclose(moved.vector, expected.vector, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer, reader", [(0, "Conv_1"), (1, "Dense_0"), (2, "own")])
def test_a_perturbed_channel_is_one_whose_readers_weights_are_scaled(layer, reader):
    plain, dropped = of("conv"), of("conv", dropout=0.5)
    params, own = plain.init(jax.random.key(1)), jnp.array([[0.3, -1.0]] * 4)
    channel, number = 1, 1.5  # times 1.75
    place = sum(CHANNELS["conv"][:layer]) + channel
    by = jnp.zeros((4, dropped.perturbations)).at[:, place].set(number)
    found = dropped.apply(params, X, jnp.concatenate([own, by], axis=-1))
    weights = jax.tree.map(jnp.array, params)
    trunk = weights["params"]["Trunk_0"]
    if reader == "Conv_1":
        kernel = trunk["Conv_1"]["kernel"]
        trunk["Conv_1"]["kernel"] = kernel.at[:, :, channel].multiply(1.75)
    elif reader == "Dense_0":  # reads 4 x 4 positions of 6 channels, and the noise
        kernel = trunk["Dense_0"]["kernel"]
        trunk["Dense_0"]["kernel"] = kernel.at[channel:96:6].multiply(1.75)
    else:
        for name in ("Dense_0", "Dense_1"):
            kernel = weights["params"][name]["kernel"]
            weights["params"][name]["kernel"] = kernel.at[channel].multiply(1.75)
    expected = plain.apply(weights, X, own)
    np.testing.assert_allclose(found.vector, expected.vector, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.logits, expected.logits, rtol=1e-5, atol=1e-6)
    still = plain.apply(params, X, own)
    assert np.abs(found.vector - still.vector).max() > 1e-2


@pytest.mark.parametrize("kind", ["mlp", "residual"])
def test_every_channel_and_only_the_own_example_is_perturbed(kind):
    dropped = of(kind, dropout=0.5)
    params, own = dropped.init(jax.random.key(1)), jnp.array([[0.3, -1.0]] * 4)

    def said(by):
        return dropped.apply(params, X, jnp.concatenate([own, by], axis=-1)).vector

    still = said(jnp.zeros((4, dropped.perturbations)))
    for place in range(dropped.perturbations):
        by = jnp.zeros((4, dropped.perturbations)).at[2, place].set(1.5)
        moved = np.abs(said(by) - still).max(axis=-1)
        assert moved[2] > 1e-4 and not moved[[0, 1, 3]].any(), place


def test_only_what_teaches_is_perturbed_and_no_two_uses_alike():
    encoder = of("mlp", pixel_noise=0.3, dropout=0.5)
    generator = networks.generator(LAYOUT["mlp"], SHAPE, 3, 2)
    players, prior = Players(encoder, generator), priors.standard(3, 2)
    keys = draws.example_keys(jax.random.key(3), 0, 2000)
    needs = frozenset({"recovery", "flipped", "moments"})
    still = draws.draw_noise(players, prior, keys, needs)
    noise = draws.draw_noise(players, prior, keys, needs, training=True)
    for name in ("encoder", "recovery", "perturbed", "flipped"):
        own, numbers = getattr(still, name), getattr(noise, name)
        assert own.shape == numbers.shape == (2000, 2 + encoder.perturbations)
        np.testing.assert_array_equal(own[:, :2], numbers[:, :2])
        assert own[:, :2].any() and not own[:, 2:].any()
        if name in ("encoder", "recovery"):
            assert not numbers[:, 2:].any()
        else:
            np.testing.assert_allclose(numbers[:, 2:].mean(), 0, atol=0.01)
            np.testing.assert_allclose(numbers[:, 2:].std(), 1, atol=0.01)
    np.testing.assert_array_equal(noise.encoder[:, :2], noise.perturbed[:, :2])
    assert noise.moments.shape[-1] == 2 + encoder.perturbations and not noise.moments[..., 2:].any()
    tails = noise.perturbed[:, 2:].ravel(), noise.flipped[:, 2:].ravel()
    assert abs(np.corrcoef(*tails)[0, 1]) < 0.01
    z, _ = draws.infer(players, Players(encoder.init(jax.random.key(1))), keys[:4], X)
    own = jnp.pad(draws.noise(keys[:4], draws.ENCODER_NOISE, 2), ((0, 0), (0, 527)))
    expected = encoder.apply(encoder.init(jax.random.key(1)), X, own)
    np.testing.assert_allclose(z.vector, expected.vector, rtol=1e-5)


def test_who_is_perturbed():
    """The encodings that an encoder is taught by are; a code, a teacher and what reads x_hat are
    not. Oracle: the encoder without perturbations, and its apply."""
    encoder, plain = of("conv", pixel_noise=0.3, dropout=0.5), of("conv")
    generator = networks.generator(LAYOUT["conv"], SHAPE, 3, 2)
    players, prior = Players(encoder, generator), priors.standard(3, 2)
    params = Players(encoder.init(jax.random.key(1)), generator.init(jax.random.key(4)))
    teacher, bank = encoder.init(jax.random.key(2)), Labelled(X[:3], jnp.array([1, 0, 1]))
    keys = draws.example_keys(jax.random.key(3), 0, 4)
    change = affine(Affine(), SHAPE)
    needs = frozenset({"recovery", "flipped", "labels", "changed labels"})
    noise = draws.draw_noise(players, prior, keys, needs, change.noise, training=True)
    picked = draws.pick(bank, keys)
    drawn = draws.draw(players, params, noise, X, augment=change, labelled=picked, teacher=teacher)
    changed = change.apply(X, noise.augment)
    told = change.apply(picked.x, noise.labelled)
    for found, expected in (
        (drawn.encoding, plain.apply(params.encoder, X, noise.encoder[:, :2])),
        (drawn.taught, plain.apply(teacher, X, noise.encoder[:, :2])),
        (drawn.recovered, plain.apply(params.encoder, drawn.x_hat, noise.recovery[:, :2])),
        (drawn.perturbed, encoder.apply(params.encoder, X, noise.perturbed)),
        (drawn.augmented, encoder.apply(params.encoder, changed, noise.perturbed)),
        (drawn.flipped, encoder.apply(params.encoder, drawn.x_prior, noise.flipped)),
        (drawn.told.encoding, encoder.apply(params.encoder, told, noise.perturbed)),
    ):
        np.testing.assert_allclose(found.logits, expected.logits, rtol=1e-4, atol=1e-5)
    without = draws.draw_noise(players, prior, keys, needs - {"changed labels"}, change.noise)
    drawn = draws.draw(players, params, without, X, augment=change, labelled=picked)
    expected = plain.apply(params.encoder, picked.x, noise.encoder[:, :2])
    np.testing.assert_allclose(drawn.told.encoding.logits, expected.logits, rtol=1e-4, atol=1e-5)


def test_a_game_that_is_trained_perturbs():
    """Oracle: the cross entropy of labels by hand, of the encoder with what was drawn."""
    config = Config(batch_size=4)
    config.code.size, config.code.categories, config.code.label_weight = 0, 2, 1.0
    config.reconstruction.kind = config.regularization.kind = "none"
    config.encoder.dropout = 0.5
    game = build(config, SHAPE)
    params = init(game, jax.random.key(1)).params
    noise = noise_of(game, draws.example_keys(jax.random.key(3), 0, 4))
    told = Labelled(X, jnp.array([1, 0, 0, 1]))
    _, metrics = losses(game, params, noise, jnp.int32(0), X[::-1], labelled=told)
    said = [
        -jax.nn.log_softmax(game.networks.encoder.apply(params.encoder, X, read).logits)
        for read in (noise.perturbed, noise.encoder)
    ]
    perturbed, still = (np.asarray(one)[np.arange(4), told.label] for one in said)
    np.testing.assert_allclose(metrics["label_cross_entropy"], perturbed, rtol=1e-4, atol=1e-5)
    assert np.abs(perturbed - still).min() > 1e-3
