"""An encoder that is perturbed in training: noise on x, and factors of its channels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax import networks
from iae_jax.game.game import losses
from iae_jax.game.step import init
from iae_jax.networks import Layout, Perturbation
from iae_jax.networks.layers import perturbed
from iae_jax.objectives.adaptive_contrast import moments
from iae_jax.objectives.auxiliary import CodeInformation, LabelCrossEntropy, sleep_encoding
from iae_jax.objectives.consistency import changed_encoding, teacher_encoding
from iae_jax.runs.build import build
from iae_jax.runs.config import Config
from iae_jax.sampling import priors
from iae_jax.sampling.augmentation import Affine, affine
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys, uniform
from iae_jax.types import Game, Players

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
    return networks.encoder(LAYOUT[kind], SHAPE, "implicit", 3, 2, 2, Perturbation(**options))


def test_perturbed_by_hand():
    h = jnp.arange(1.0, 13).reshape(2, 1, 2, 3)
    by = jnp.array([[0.0, 1, -1, 7], [0.5, 0, 2, 8]])
    changed, rest = perturbed(h, by)
    first, second = [[1.0, 4, 0], [4, 10, 0]], [[10.5, 8, 27], [15, 11, 36]]
    np.testing.assert_allclose(changed, [[first], [second]])
    np.testing.assert_array_equal(rest, [[7], [8]])
    same, none = perturbed(h, None)
    assert same is h and none is None


@pytest.mark.heavy
@pytest.mark.parametrize("kind", LAYOUT)
def test_numbers_of_0_change_nothing(kind):
    plain, both = of(kind), of(kind, pixel_noise=0.3, dropout=0.5)
    assert plain.perturbations == 0 and plain.noise == both.noise == 2
    assert both.perturbations == 16 * 16 * 2 + sum(CHANNELS[kind])
    params, own = plain.init(jax.random.key(1)), jnp.array([[0.3, -1.0]] * 4)
    jax.tree.map(np.testing.assert_array_equal, params, both.init(jax.random.key(1)))
    numbers = jnp.pad(own, ((0, 0), (0, both.perturbations)))
    found, expected = both.apply(params, X, numbers), plain.apply(params, X, own)
    np.testing.assert_allclose(found.vector, expected.vector, rtol=1e-6)
    np.testing.assert_allclose(found.logits, expected.logits, rtol=1e-6)


@pytest.mark.parametrize("kind", LAYOUT)
def test_pixel_noise_is_added_to_x(kind):
    plain, noisy = of(kind), of(kind, pixel_noise=0.3)
    params, own = plain.init(jax.random.key(1)), jnp.array([[0.3, -1.0]] * 4)
    pixels = jax.random.normal(jax.random.key(2), X.shape)
    moved = noisy.apply(params, X, jnp.concatenate([own, pixels.reshape(4, -1)], axis=-1))
    expected = plain.apply(params, X + 0.3 * pixels, own)
    np.testing.assert_allclose(moved.vector, expected.vector, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer, reader", [(0, "Conv_1"), (1, "Dense_0"), (2, "own")])
def test_perturbing_a_channel_scales_the_weights_that_read_it(layer, reader):
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

    def vector(by):
        return dropped.apply(params, X, jnp.concatenate([own, by], axis=-1)).vector

    still = vector(jnp.zeros((4, dropped.perturbations)))
    for place in range(dropped.perturbations):
        by = jnp.zeros((4, dropped.perturbations)).at[2, place].set(1.5)
        moved = np.abs(vector(by) - still).max(axis=-1)
        assert moved[2] > 1e-4 and not moved[[0, 1, 3]].any(), place


def drawn(kind, batch, count, **options):
    """Draws of a game whose encoder is perturbed, the same encoder without, and its parameters."""
    encoder, plain = of(kind, pixel_noise=0.3, dropout=0.5), of(kind)
    generator = networks.generator(LAYOUT[kind], SHAPE, 3, 2)
    params = Players(encoder.init(jax.random.key(1)), generator.init(jax.random.key(4)))
    ema = Players(encoder.init(jax.random.key(2)))
    prior = priors.prior("gaussian", 3, 2)
    game = Game(Players(encoder, generator), prior, None, Players(), **options)
    keys = example_keys(jax.random.key(3), 0, count)
    return Draws(game, params, Noise(keys), batch, ema=ema), plain, params


def test_perturbations_are_normal_and_no_two_uses_are_alike():
    draws, _, _ = drawn("mlp", {}, 2000)
    size = draws.encoder.perturbations
    tails = []
    for name in ("encoder", "sleep"):
        still, moved = draws.encoder_noise(name), draws.encoder_noise(name, perturbed=True)
        assert still.shape == moved.shape == (2000, 2 + size)
        np.testing.assert_array_equal(still[:, :2], moved[:, :2])
        assert still[:, :2].any() and not still[:, 2:].any()
        np.testing.assert_allclose(moved[:, 2:].mean(), 0, atol=0.01)
        np.testing.assert_allclose(moved[:, 2:].std(), 1, atol=0.01)
        tails.append(moved[:, 2:].ravel())
    assert abs(np.corrcoef(*tails)[0, 1]) < 0.01


@pytest.mark.heavy
def test_which_encodings_are_perturbed():
    """Those that the encoder learns from are; a code that others read, a teacher and the reader of
    x_hat are not. Oracle: the encoder without perturbations, and its apply."""
    change = affine(Affine(), SHAPE)
    batch = {"x": X, "labelled": X[::-1], "labels": jnp.array([1, 0, 1, 1])}
    draws, plain, params = drawn("conv", batch, 4, augment=change)

    def plainly(x, name, theta=params.encoder):
        return plain.apply(theta, x, draws.encoder_noise(name)[:, :2])

    def perturbedly(x, name):
        return draws.encoder.apply(params.encoder, x, draws.encoder_noise(name, perturbed=True))

    def changed(x, name):
        return change.apply(x, draws.noise(name, uniform(change.noise)), 0)

    for found, expected in (
        (draws.encoding, plainly(X, "encoder")),
        (teacher_encoding(draws), plainly(X, "encoder", draws.ema)),
        (changed_encoding(draws), perturbedly(changed(X, "augment"), "encoder")),
        (sleep_encoding(draws), perturbedly(draws.x_prior, "sleep")),
    ):
        np.testing.assert_allclose(found.logits, expected.logits, rtol=1e-4, atol=1e-5)

    def cross_entropy(encoding, labels):
        return -np.asarray(jax.nn.log_softmax(encoding.logits))[np.arange(4), labels]

    for augment, x in ((False, X[::-1]), (True, changed(X[::-1], "labelled_augment"))):
        found = LabelCrossEntropy(augment=augment).loss(draws)
        expected = cross_entropy(perturbedly(x, "encoder"), batch["labels"])
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    read = plainly(draws.x_hat, "code_information")
    squares = np.square(draws.z.vector - read.vector).sum(axis=-1)
    expected = 0.5 * squares + 1.5 * np.log(2 * np.pi)
    expected += cross_entropy(read, np.argmax(draws.z.category, axis=-1))
    np.testing.assert_allclose(CodeInformation().loss(draws), expected, rtol=1e-4)


def test_moments_are_of_an_encoder_that_is_not_perturbed():
    draws, plain, params = drawn("mlp", {"x": X}, 4)
    quiet = Draws(
        Game(Players(plain), priors.gaussian(3), None, Players()),
        params, Noise(draws.noise_source.keys), {"x": X},
    )  # fmt: skip
    for found, expected in zip(moments(draws), moments(quiet), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.heavy
def test_a_game_that_is_trained_perturbs():
    """Oracle: the cross entropy of labels by hand, of the encoder with the numbers it read."""
    config = Config(batch_size=4)
    config.code.size, config.code.categories, config.auxiliary.labels.weight.value = 0, 2, 1.0
    config.data.labels_per_class = -1
    config.reconstruction.kind = config.regularization.kind = "none"
    config.encoder.dropout = 0.5
    game = build(config, SHAPE)
    params = init(game, jax.random.key(1)).params
    labels = jnp.array([1, 0, 0, 1])
    batch = {"x": X[::-1], "labelled": X, "labels": labels}
    keys = example_keys(jax.random.key(3), 0, 4)
    _, metrics = losses(game, params, Noise(keys), batch, 0)
    draws = Draws(game, params, Noise(keys), batch)
    moved, still = (
        -np.asarray(jax.nn.log_softmax(encoding.logits))[np.arange(4), labels]
        for encoding in (
            game.networks.encoder.apply(params.encoder, X, draws.encoder_noise(perturbed=changed))
            for changed in (True, False)
        )
    )
    np.testing.assert_allclose(metrics["label_cross_entropy"], moved, rtol=1e-4, atol=1e-5)
    assert np.abs(moved - still).min() > 1e-3
