"""What discriminators see of images: each change against numpy, a blur against scipy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from iae_jax.errors import InputError
from iae_jax.game.game import losses
from iae_jax.game.step import init
from iae_jax.runs.build import build
from iae_jax.runs.config import Config
from iae_jax.sampling.augmentation import (
    DIFFAUGMENT_NUMBERS,
    DiffAugment,
    blurred,
    diffaugment,
)
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys, uniform

STEP = jnp.int32(0)


def small(**bounds):
    """A config of images [8, 8, 1] with three categories. bounds: of its diffaugment."""
    config = Config(batch_size=4)
    config.code.size, config.code.categories = 0, 3
    config.regularization.kind = "none"
    for player in config.players:
        player.network.width, player.network.hidden = 2, 4
    config.diffaugment = DiffAugment(**bounds)
    return config


COLOURED = np.random.default_rng(2).random((1, 8, 12, 3)).astype(np.float32)


def seen(noise, **bounds):
    apply = diffaugment(DiffAugment(**bounds)).apply
    return np.asarray(apply(jnp.asarray(COLOURED), jnp.asarray([noise], jnp.float32), STEP))[0]


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
def test_each_bound_of_what_discriminators_see(bounds, noise, expected):
    x = COLOURED[0]
    if expected == "cut out":
        value = x.copy()
        value[4:8, 0:6] = 0
    else:
        value = expected(x)
    np.testing.assert_allclose(seen(noise, **bounds), value, atol=1e-6)


def test_what_discriminators_see_passes_gradients_to_the_image():
    change = diffaugment(DiffAugment(shift=0.25, cutout=0.5))
    noise = jnp.asarray([[0, 0, 0, 1.0, -1.0, -1.0, -1.0]])
    gradient = jax.grad(lambda x: change.apply(x, noise, STEP)[0, 3, 5, 1])(jnp.asarray(COLOURED))
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
    """To nothing at its last step; without steps it stays. A blur alone reads no numbers."""
    x, none = jnp.asarray(COLOURED), jnp.zeros((1, 0))
    fading = diffaugment(DiffAugment(blur=3.0, blur_steps=40))
    assert fading.noise == 0
    for step, deviation in ((0, 3.0), (10, 2.25), (39, 0.075), (40, 0.0), (1000, 0.0)):
        expected = gaussian(COLOURED[0], deviation) if deviation else COLOURED[0]
        found = fading.apply(x, none, jnp.int32(step))[0]
        np.testing.assert_allclose(found, expected, atol=1e-5)
    staying = diffaugment(DiffAugment(blur=3.0)).apply(x, none, jnp.int32(1000))
    np.testing.assert_allclose(staying[0], gaussian(COLOURED[0], 3.0), atol=1e-5)


@pytest.mark.parametrize(
    ("blur", "steps", "message"),
    [
        (3.0, 2**31, "blur_steps is at least 0 and at most"),
        (3.0, 3001, "would see no sharp image: .* at most .* 3000, not 3001"),
        (1e39, 0, "blur of an augmentation is from 0 to 1,000,000"),
    ],
)
def test_a_blur_that_cannot_be_is_refused(blur, steps, message):
    with pytest.raises(InputError, match=message):
        build(small(blur=blur, blur_steps=steps), (8, 8, 1))


@pytest.mark.heavy
@pytest.mark.parametrize("brightness, shift", [(0.5, 0.25), (0.0, 0.0)])
def test_discriminators_see_both_sides_alike_and_encoders_do_not(brightness, shift):
    plain = build(small(), (8, 8, 1))
    built = build(small(brightness=brightness, shift=shift, blur=2.0, blur_steps=4), (8, 8, 1))
    keys = example_keys(jax.random.key(0), 0, 4)
    params, x = init(built, jax.random.key(1)).params, jax.random.uniform(keys[0], (4, 8, 8, 1))
    numbers = np.zeros((4, DIFFAUGMENT_NUMBERS))
    noise = Noise(keys)
    if brightness:
        numbers = np.asarray(noise("diffaugment", uniform(DIFFAUGMENT_NUMBERS)))
    assert plain.diffaugment is None
    _, metrics = losses(built, params, noise, {"x": x}, jnp.int32(1))
    drawn = Draws(plain, params, noise, {"x": x})
    discriminator = built.networks.reconstruction_discriminator.apply
    for side, images, over in (
        ("numerator", x, drawn.z.probabilities),
        ("denominator", drawn.x_hat, drawn.z.category),
    ):
        changed = []
        for one, own in zip(np.asarray(images), numbers, strict=True):
            down, right = np.round(8 * shift * own[3:5]).astype(int)
            canvas = np.pad(one + brightness * own[0], ((2, 2), (2, 2), (0, 0)))
            changed.append(gaussian(canvas[2 - down : 10 - down, 2 - right : 10 - right], 1.5))
        logits = discriminator(params.reconstruction_discriminator, jnp.asarray(changed), None)
        expected = np.sum(np.asarray(logits) * np.asarray(over), axis=1)
        np.testing.assert_allclose(
            metrics[f"reconstruction_{side}_logit"], expected, rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("field", ["shift", "blur"])
def test_only_images_are_changed(field):
    config = small(**{field: 0.1})
    for player in config.players:
        player.network.kind = "mlp"
    with pytest.raises(InputError, match="leave its bounds at 0"):
        build(config, (3,))
