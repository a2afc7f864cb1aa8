"""Affine changes, against scipy's affine_transform, centroids and areas; what discriminators are
shown, against numpy; the term against numpy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.ndimage
import scipy.special
import scipy.stats

from iae_jax import init, losses, networks, noise_of
from iae_jax.errors import InputError
from iae_jax.game import game
from iae_jax.objectives import auxiliary as charges
from iae_jax.objectives.grid import cell
from iae_jax.runs.build import blur, build
from iae_jax.runs.config import Config
from iae_jax.sampling import draws, priors
from iae_jax.sampling.augmentation import (
    NUMBERS,
    SHOWN_NUMBERS,
    Affine,
    DiffAugment,
    affine,
    blurred,
    diffaugment,
)
from iae_jax.types import Encoding, Players

BOUNDS = Affine(rotation=20.0, scale=0.3, shear=0.4, shift=3.0)
SHAPE = (13, 17, 2)


def image():
    """f32[1, 13, 17, 2]: nothing about it is symmetric, and its edge is empty."""
    x = np.zeros((1, 13, 17, 2), np.float32)
    x[0, 4:9, 5:12] = np.random.default_rng(0).random((5, 7, 2))
    return x


def changed(*noise):
    return np.asarray(affine(BOUNDS, SHAPE).apply(jnp.asarray(image()), jnp.asarray([noise])))


def test_no_change_at_zero():
    np.testing.assert_allclose(changed(*[0.0] * NUMBERS), image(), atol=1e-6)


@pytest.mark.parametrize("edge", ["zero", "nearest"])
def test_it_is_scipys_affine_transform(edge):
    """What is seen beyond the edge is 0, or the nearest pixel of an image that reaches it."""
    x = image() if edge == "zero" else np.random.default_rng(3).random((1, 13, 17, 2))
    noise = np.array([0.7, -0.6, 0.5, -0.8, 0.4, -0.9])
    angle = np.deg2rad(20.0 * noise[0])
    # A pixel is read from where its row and column (in this order) are mapped to.
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    tall, wide = np.exp(-0.3 * noise[2:4])
    read = np.array([[tall, 0.0], [0.4 * 0.6, wide]]) @ turn
    centre, shift = np.array([6.0, 8.0]), 3.0 * noise[4:6]
    layers = [
        scipy.ndimage.affine_transform(
            x[0, ..., c],
            read,
            centre - read @ (centre + shift),
            order=1,
            mode={"zero": "constant", "nearest": "nearest"}[edge],
        )
        for c in range(2)
    ]
    expected = np.stack(layers, axis=-1)
    change = affine(Affine(rotation=20.0, scale=0.3, shear=0.4, shift=3.0, edge=edge), SHAPE)
    found = change.apply(jnp.asarray(x, jnp.float32), jnp.asarray([noise], jnp.float32))[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def centroid(x):
    weights = x[0].sum(-1)
    rows, columns = np.indices(weights.shape)
    return np.array([(weights * rows).sum(), (weights * columns).sum()]) / weights.sum()


def test_each_number_does_what_its_bound_says():
    before = centroid(image())
    down = centroid(changed(0, 0, 0, 0, 1.0, 0)) - before
    np.testing.assert_allclose(down, [3.0, 0.0], atol=1e-4)
    right = centroid(changed(0, 0, 0, 0, 0, 0.5)) - before
    np.testing.assert_allclose(right, [0.0, 1.5], atol=1e-4)
    # Its area grows by the scale of either side.
    for number in (2, 3):
        noise = np.zeros(NUMBERS)
        noise[number] = 1.0
        assert changed(*noise).sum() == pytest.approx(np.exp(0.3) * image().sum(), rel=0.05)
    assert not np.allclose(changed(1.0, 0, 0, 0, 0, 0), image(), atol=0.1)
    assert changed(1.0, 0, 0, 0, 0, 0).sum() == pytest.approx(image().sum(), rel=0.05)


def test_each_image_has_a_change_of_its_own():
    x = jnp.asarray(np.repeat(image(), 3, axis=0))
    noise = jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (3, NUMBERS)), jnp.float32)
    together = affine(BOUNDS, SHAPE).apply(x, noise)
    for i in range(3):
        alone = affine(BOUNDS, SHAPE).apply(x[i : i + 1], noise[i : i + 1])
        np.testing.assert_allclose(together[i], alone[0], atol=1e-6)


@pytest.mark.parametrize("name", ["rotation", "scale", "shear", "shift", "cutout", "noise"])
@pytest.mark.parametrize("bound", [-1.0, float("nan"), float("inf")])
def test_bounds_are_refused(name, bound):
    with pytest.raises(InputError, match=f"{name} of an augmentation"):
        affine(Affine(**{name: bound}), SHAPE)


def test_an_edge_is_zero_or_nearest():
    with pytest.raises(InputError, match="zero or nearest, not 'mirror'"):
        affine(Affine(edge="mirror"), SHAPE)


def test_colours_change_by_numbers_of_their_own():
    """Oracle: numpy, on top of the change without colours; pixel noise has the numbers behind."""
    rng = np.random.default_rng(4)
    noise = rng.uniform(-1, 1, (2, NUMBERS + 3 + 13 * 17 * 2)).astype(np.float32)
    x = rng.random((2, *SHAPE)).astype(np.float32)
    bounds = dataclasses.replace(BOUNDS, brightness=0.2, saturation=0.5, contrast=0.3, noise=0.1)
    change = affine(bounds, SHAPE)
    assert change.noise == noise.shape[1]
    expected = np.array(affine(BOUNDS, SHAPE).apply(jnp.asarray(x), jnp.asarray(noise[:, :6])))
    for one, (b, s, c) in zip(expected, noise[:, 6:9], strict=True):
        one += 0.2 * b
        one[...] = one.mean(-1, keepdims=True) + (1 + 0.5 * s) * (one - one.mean(-1, keepdims=True))
        one[...] = one.mean() + (1 + 0.3 * c) * (one - one.mean())
    expected += 0.1 * noise[:, 9:].reshape(x.shape)
    found = change.apply(jnp.asarray(x), jnp.asarray(noise))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    only = affine(Affine(saturation=0.5), SHAPE)
    assert only.noise == NUMBERS + 3 and affine(Affine(), SHAPE).noise == NUMBERS


def test_a_square_is_cut_out_between_colours_and_noise():
    """Oracle: a loop over pixels, on top of the change without the square."""
    rng = np.random.default_rng(5)
    noise = rng.uniform(-1, 1, (3, NUMBERS + 3 + 2 + 13 * 17 * 2)).astype(np.float32)
    noise[0, 9:11] = 1, -1  # at a corner, where a quarter of the square is seen
    x = rng.random((3, *SHAPE)).astype(np.float32)
    coloured = dataclasses.replace(BOUNDS, brightness=0.5)
    change = affine(dataclasses.replace(coloured, cutout=0.4, noise=0.1), SHAPE)
    assert change.noise == noise.shape[1]
    expected = np.array(affine(coloured, SHAPE).apply(jnp.asarray(x), jnp.asarray(noise[:, :9])))
    cut = np.zeros(3)
    for one, (down, right), i in zip(expected, noise[:, 9:11], range(3), strict=True):
        for r in range(13):
            for c in range(17):
                high = abs(r - 12 * (down + 1) / 2) < 0.4 * 13 / 2
                if high and abs(c - 16 * (right + 1) / 2) < 0.4 * 17 / 2:
                    one[r, c] = 0
                    cut[i] += 1
    assert cut[0] == 3 * 4 and 5 * 6 <= cut.max() <= 6 * 7
    expected += 0.1 * noise[:, 11:].reshape(x.shape)
    found = change.apply(jnp.asarray(x), jnp.asarray(noise))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_noise_is_added_to_each_value_after_the_change():
    """Oracle: numpy, on top of the change without noise."""
    noise = np.random.default_rng(1).uniform(-1, 1, (2, NUMBERS + 13 * 17 * 2)).astype(np.float32)
    x = np.concatenate([image(), image()[:, ::-1]])
    noisy = affine(Affine(20.0, 0.3, 0.4, 3.0, noise=0.25), SHAPE)
    assert noisy.noise == noise.shape[1] and affine(BOUNDS, SHAPE).noise == NUMBERS
    added = 0.25 * noise[:, NUMBERS:].reshape(x.shape)
    moved = affine(BOUNDS, SHAPE).apply(jnp.asarray(x), jnp.asarray(noise[:, :NUMBERS]))
    found = noisy.apply(jnp.asarray(x), jnp.asarray(noise))
    np.testing.assert_allclose(found, np.asarray(moved) + added, atol=1e-6)


def test_consistency_of_a_category_is_the_kl_to_a_target_without_gradient():
    target = np.log([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    other = np.log([[0.2, 0.2, 0.6], [0.1, 0.1, 0.8]])
    none = [None] * 5

    def value(own, changed):
        drawn = draws.Draws(
            jnp.zeros((2, 1)),
            *none[:4],
            Encoding(logits=own),
            None,
            None,
            augmented=Encoding(logits=changed),
        )
        return charges.augmentation_consistency().loss(None, drawn, jnp.int32(0)).path

    # Logits are known up to a constant.
    found = value(jnp.asarray(target) + 3.0, jnp.asarray(other) - 2.0)
    expected = (np.exp(target) * (target - other)).sum(1)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    own, changed = jax.grad(lambda *logits: value(*logits).sum(), argnums=(0, 1))(
        jnp.asarray(target), jnp.asarray(other)
    )
    np.testing.assert_array_equal(own, 0)
    np.testing.assert_allclose(changed, np.exp(other) - np.exp(target), atol=1e-6)


def test_consistency_of_a_vector_is_half_the_squared_distance():
    own, other = np.array([[0.5, -1.0], [2.0, 0.25]]), np.array([[1.5, 1.0], [2.0, -0.25]])
    logits = np.array([[0.5, 0.3], [-0.1, 0.7]])

    def value(own, changed, both=False):
        here, there = (
            Encoding(z, logits=w if both else None)
            for z, w in ((own, logits), (changed, 2 * logits))
        )
        none = [None] * 5
        drawn = draws.Draws(jnp.zeros((2, 1)), *none[:4], here, None, None, augmented=there)
        return charges.augmentation_consistency().loss(None, drawn, jnp.int32(0)).path

    np.testing.assert_allclose(value(own, other), [2.5, 0.125], rtol=1e-6)
    of_own, of_other = jax.grad(lambda *z: value(*z).sum(), argnums=(0, 1))(own, other)
    np.testing.assert_array_equal(of_own, 0)
    np.testing.assert_allclose(of_other, [[1.0, 2.0], [0.0, -0.5]], rtol=1e-6)
    p, q = scipy.special.softmax(logits, axis=1), scipy.special.softmax(2 * logits, axis=1)
    of_category = scipy.stats.entropy(p, q, axis=1)
    np.testing.assert_allclose(value(own, other, True), [2.5, 0.125] + of_category, rtol=1e-5)


def small(size=0, **weights):
    config = Config(batch_size=4)
    config.code.size, config.code.categories = size, 3
    config.regularization.kind = "none"
    for network in (config.encoder, config.generator, config.reconstruction):
        network.network.width, network.network.hidden = 2, 4
    for name, value in weights.items():
        setattr(config.code, name, value)
    return config


def test_a_game_changes_its_images_where_a_term_needs_it():
    built = build(small(consistency_weight=2.0), (8, 8, 1))
    keys = draws.example_keys(jax.random.key(0), 0, 4)
    params, x = init(built, jax.random.key(1)).params, jax.random.uniform(keys[0], (4, 8, 8, 1))
    noise = noise_of(built, keys)
    assert noise.augment.shape == (4, NUMBERS)
    assert float(jnp.abs(noise.augment).max()) <= 1 and float(noise.augment.min()) < 0
    _, metrics = losses(built, params, noise, jnp.int32(0), x)
    encode = built.networks.encoder.apply
    own = encode(params.encoder, x, noise.encoder).logits
    moved = built.augment.apply(x, noise.augment)
    other = encode(params.encoder, moved, noise.encoder).logits
    p, q = (np.asarray(jax.nn.log_softmax(one), np.float64) for one in (own, other))
    expected = 2.0 * (np.exp(p) * (p - q)).sum(1)
    np.testing.assert_allclose(metrics["augmentation_consistency"], expected, atol=1e-6)
    assert expected.max() > 1e-5
    assert noise_of(build(small(), (8, 8, 1)), keys).augment is None


def test_what_cannot_be_changed_is_refused():
    config = small(consistency_weight=1.0)
    for network in (config.encoder, config.generator, config.reconstruction):
        network.network.kind = "mlp"
    with pytest.raises(InputError, match="set code.consistency_weight to 0"):
        build(config, (3,))
    layout = networks.Layout("mlp", hidden=3)
    players = Players(
        networks.encoder(layout, (3,), "deterministic", 0, 4),
        networks.generator(layout, (3,), 0, 4, likelihood="bernoulli"),
    )
    objective = cell("likelihood", "none", charges=(charges.augmentation_consistency(),))
    with pytest.raises(InputError, match="give the game an augment"):
        game.build(
            players, priors.standard(0, 4), objective, Players(optax.sgd(1.0), optax.sgd(1.0))
        )


COLOURED = np.random.default_rng(2).random((1, 8, 12, 3)).astype(np.float32)


def shown(noise, **bounds):
    apply = diffaugment(DiffAugment(**bounds)).apply
    return np.asarray(apply(jnp.asarray(COLOURED), jnp.asarray([noise], jnp.float32)))[0]


@pytest.mark.parametrize(
    ("bounds", "noise", "expected"),
    [
        ({"brightness": 0.5}, [-0.6, 1, 1, 1, 1, 1, 1], lambda x: x - 0.3),
        (
            {"saturation": 1.0},
            [1, -0.25, 1, 1, 1, 1, 1],
            lambda x: 0.75 * x + 0.25 * x.mean(-1, keepdims=True),
        ),
        ({"contrast": 0.5}, [1, 1, 0.8, 1, 1, 1, 1], lambda x: 1.4 * x - 0.4 * x.mean()),
        # 2 rows down and 1.5 columns, to the even one of two, to the left.
        (
            {"shift": 0.25},
            [1, 1, 1, 1, -0.5, 1, 1],
            lambda x: np.pad(x[:-2, 2:], ((2, 0), (0, 2), (0, 0))),
        ),
        # A square of 4x6 about row 5.25 and column 2.75.
        ({"cutout": 0.5}, [1, 1, 1, 1, 1, 0.5, -0.5], "cut out"),
    ],
)
def test_each_bound_of_what_discriminators_are_shown(bounds, noise, expected):
    x = COLOURED[0]
    if expected == "cut out":
        value = x.copy()
        value[4:8, 0:6] = 0
    else:
        value = expected(x)
    np.testing.assert_allclose(shown(noise, **bounds), value, atol=1e-6)


def test_what_is_shown_passes_gradients_to_the_image():
    change = diffaugment(DiffAugment(shift=0.25, cutout=0.5))
    noise = jnp.asarray([[0, 0, 0, 1.0, -1.0, -1.0, -1.0]])
    gradient = jax.grad(lambda x: change.apply(x, noise)[0, 3, 5, 1])(jnp.asarray(COLOURED))
    expected = np.zeros_like(COLOURED)
    expected[0, 1, 8, 1] = 1.0
    np.testing.assert_array_equal(gradient, expected)


def test_no_bound_is_no_change():
    assert diffaugment(DiffAugment()) is None
    with pytest.raises(InputError, match="contrast of an augmentation"):
        diffaugment(DiffAugment(contrast=-0.1))


def gaussian(image, deviation):
    """What scipy says of an image [H, W, C], beyond whose edge nothing is weighed."""

    def filtered(x):
        return scipy.ndimage.gaussian_filter(
            x, (deviation, deviation, 0), mode="constant", truncate=30
        )

    return filtered(image) / filtered(np.ones_like(image))


@pytest.mark.parametrize("deviation", [0.4, 1.3, 6.0])
def test_a_blur_against_scipy(deviation):
    x = np.random.default_rng(3).random((2, 6, 9, 3)).astype(np.float32)
    x[1, 2:5, 3:6] = 0
    expected = np.stack([gaussian(one, deviation) for one in x])
    np.testing.assert_allclose(blurred(jnp.asarray(x), deviation), expected, atol=1e-5)
    np.testing.assert_array_equal(blurred(jnp.asarray(x), 0.0), x)


def test_a_blur_fades():
    fading = blur(DiffAugment(blur=3.0, blur_steps=40))
    found = [float(fading(jnp.int32(step))) for step in (0, 10, 39, 40, 1000)]
    np.testing.assert_allclose(found, [3.0, 2.25, 0.075, 0.0, 0.0], rtol=1e-6)
    assert blur(DiffAugment(blur=3.0)) == 3.0 and blur(DiffAugment(cutout=0.5)) is None
    with pytest.raises(InputError, match="blur_steps is at least 0 and at most"):
        build(with_blur(small(), 3.0, 2**31), (8, 8, 1))
    with pytest.raises(InputError, match="would see no sharp image: .* at most .* 3000, not 3001"):
        build(with_blur(small(), 3.0, 3001), (8, 8, 1))
    with pytest.raises(InputError, match="blur of an augmentation is from 0 to 1,000,000"):
        build(with_blur(small(), 1e39, 0), (8, 8, 1))


def with_blur(config, pixels, steps):
    config.diffaugment.blur, config.diffaugment.blur_steps = pixels, steps
    return config


@pytest.mark.parametrize("brightness, shift", [(0.5, 0.25), (0.0, 0.0)])
def test_discriminators_are_shown_both_sides_alike_and_encoders_are_not(brightness, shift):
    config = small()
    plain = build(config, (8, 8, 1))
    config.diffaugment.brightness, config.diffaugment.shift = brightness, shift
    with_blur(config, 2.0, 4)
    built = build(config, (8, 8, 1))
    keys = draws.example_keys(jax.random.key(0), 0, 4)
    params, x = init(built, jax.random.key(1)).params, jax.random.uniform(keys[0], (4, 8, 8, 1))
    noise = noise_of(built, keys)
    numbers_of = np.zeros((4, SHOWN_NUMBERS)) if noise.shown is None else np.asarray(noise.shown)
    assert (noise.shown is None) == (not brightness) and numbers_of.shape == (4, SHOWN_NUMBERS)
    assert noise_of(plain, keys).shown is None
    _, metrics = losses(built, params, noise, jnp.int32(1), x)
    drawn = draws.draw(plain.networks, params, noise_of(plain, keys), x)
    tell = built.networks.reconstruction_discriminator.apply
    for side, image, over in (
        ("numerator", x, drawn.z.probabilities),
        ("denominator", drawn.x_hat, drawn.z.category),
    ):
        seen = []
        for one, numbers in zip(np.asarray(image), numbers_of, strict=True):
            down, right = np.round(8 * shift * numbers[3:5]).astype(int)
            canvas = np.pad(one + brightness * numbers[0], ((2, 2), (2, 2), (0, 0)))
            seen.append(gaussian(canvas[2 - down : 10 - down, 2 - right : 10 - right], 1.5))
        logits = tell(params.reconstruction_discriminator, jnp.asarray(seen), None)
        expected = np.sum(np.asarray(logits) * np.asarray(over), axis=1)
        np.testing.assert_allclose(
            metrics[f"reconstruction_{side}_logit"], expected, rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("field", ["shift", "blur"])
def test_only_images_are_shown_changed(field):
    config = small()
    setattr(config.diffaugment, field, 0.1)
    for network in (config.encoder, config.generator, config.reconstruction):
        network.network.kind = "mlp"
    with pytest.raises(InputError, match="leave its bounds at 0"):
        build(config, (3,))
