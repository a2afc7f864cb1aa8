"""Unpaired translation: its images against colorsys, its measures on translations that are known,
its games on small images."""

import colorsys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import translation as experiment
from iae_jax import init, train_step
from iae_jax.data import Dataset, load, open_source
from iae_jax.errors import InputError
from iae_jax.metrics import translation as metrics
from iae_jax.metrics.feature_classifier import FeatureClassifier
from iae_jax.metrics.measurement import Trained
from iae_jax.networks import translator
from iae_jax.presets import translation as preset
from iae_jax.runs.build import build
from iae_jax.sampling.colours import coloured, hue_of, ink, rgb, saturation
from iae_jax.types import Encoder, Encoding, Game, Generator, Players

SHAPE = (8, 8, 1)
RNG = np.random.default_rng(3)
HUES = np.array([0.0, 0.13, 0.4, 0.55, 0.71, 0.98], np.float32)


def test_hues_are_those_of_colorsys():
    expected = [colorsys.hsv_to_rgb(float(hue), 1.0, 1.0) for hue in HUES]
    np.testing.assert_allclose(rgb(jnp.asarray(HUES)), expected, atol=1e-6)


def test_ink_and_hue_come_back():
    grey = jnp.asarray(RNG.random((6, *SHAPE)) ** 2, jnp.float32)
    image = coloured(grey, jnp.asarray(HUES))
    np.testing.assert_allclose(image[2, 3, 5], 1 - grey[2, 3, 5] * (1 - rgb(jnp.float32(0.4))))
    np.testing.assert_allclose(ink(image), grey, atol=1e-6)
    # An angle in the plane of hues is within a twelfth of the hue of HSV.
    off = (np.asarray(hue_of(image)) - HUES + 0.5) % 1 - 0.5
    assert np.abs(off).max() < 0.02
    np.testing.assert_allclose(saturation(image), 1, rtol=1e-5)
    # Half as far from grey of the same ink, channel by channel.
    np.testing.assert_allclose(saturation((image + 1 - grey) / 2), 0.5, rtol=1e-5)


def small(variant, data_directory):
    """The variant on digits, with the networks' smallest sizes."""
    config = preset.get_config(variant)
    options = f"name='digits', directory={data_directory!r}"
    config.data.name, config.code.size = "digits", 8 * 8 * 3
    config.prior.kind = f"{preset.HERE}:coloured_images(split='train[700:]', {options})"
    if variant == "independent":
        config.encoder.kind = f"{preset.HERE}:any_colour(split='train[700:]', {options})"
        config.generator.kind = f"{preset.HERE}:any_grey(split='train[:700]', {options})"
    for player in config.players:
        player.network.width, player.network.hidden = 2, 6
    config.batch_size = 4
    return config


@pytest.mark.heavy
@pytest.mark.parametrize("variant", preset.VARIANTS)
def test_every_variant_is_a_game_whose_players_move(variant, data_directory):
    config = small(variant, data_directory)
    game = build(config, SHAPE)
    assert game.objective.regularization.heads == (("z",), ("x",))
    assert (game.networks.reconstruction_discriminator is None) == (variant == "l1_cycle")
    state = jax.jit(partial(init, game))(jax.random.key(1))
    x = jnp.asarray(RNG.random((4, *SHAPE)), jnp.float32)
    after, found = jax.jit(partial(train_step, game))(state, x)
    assert all(np.isfinite(value) for value in found.values())
    moving = {"regularization_discriminator"}
    if variant != "independent":
        moving |= {"encoder", "generator"}
    for name in moving:
        pairs = zip(
            *(jax.tree.leaves(getattr(one.params, name)) for one in (state, after)), strict=True
        )
        assert any((a != b).any() for a, b in pairs), name
    if variant == "l1_cycle":
        assert found["cycle_distance"] > 0.5


def test_the_prior_is_the_other_set(data_directory):
    prior = preset.coloured_images(192, "train[700:703]", "digits", data_directory)
    grey = load(open_source("digits", "train[700:703]", data_directory)).x / 255
    drawn = jax.vmap(prior.draw)(jax.random.split(jax.random.key(0), 40))
    found = np.asarray(prior.sample(None, drawn).vector).reshape(-1, 8, 8, 3)
    distances = np.abs(np.asarray(ink(found))[:, None] - grey[None]).max(axis=(2, 3, 4))
    assert distances.min(axis=1).max() < 1e-5 and set(distances.argmin(axis=1)) == {0, 1, 2}
    assert np.std(np.asarray(hue_of(found))) > 0.2
    with pytest.raises(InputError, match="192 values: set code.size"):
        preset.coloured_images(64, "train[700:703]", "digits", data_directory)


def bright(images):
    """Class 1 for images that are brighter than 0.4."""
    mean = images.reshape(images.shape[0], -1).mean(axis=-1)
    return jnp.stack([jnp.full_like(mean, 0.4), mean], axis=-1), mean[:, None]


@pytest.fixture
def measured(monkeypatch, data_directory):
    return partial(measures, monkeypatch, data_directory)


def measures(monkeypatch, data_directory, hue, keep=True):
    """The measures of a translation: hue(noise, x) f32[B], and whether it keeps the digit."""
    seen = FeatureClassifier(bright, 2, 1, 1.0, "0123456789abcdef", 0.0, "bright")

    def judge(name, told, test, folder, classes):
        """Of its own set, whatever the run has been given: seeds have one judge."""
        assert (name, len(told.x), told.x.shape[1:], classes) == ("digits", 30, SHAPE, 10)
        return seen

    monkeypatch.setattr(metrics, "feature_classifier", judge)
    x = RNG.random((40, *SHAPE)).astype(np.float32) * np.linspace(0.4, 1.2, 40)[:, None, None, None]
    x = np.clip(x, 0, 1).astype(np.float32)

    def encode(params, x, noise):
        own = x if keep else jnp.zeros_like(x) + 0.9
        uniform = jax.scipy.stats.norm.cdf(noise[:, 0])
        return Encoding(vector=coloured(own, hue(uniform, x)).reshape(len(x), -1))

    networks = Players(
        Encoder(lambda key: {}, encode, 1),
        Generator(lambda key: {}, lambda p, z, n: ink(z.vector.reshape(-1, 8, 8, 3)), 0),
    )
    labels = (x.mean(axis=(1, 2, 3)) > 0.4).astype(np.int32)
    assert 5 < labels.sum() < 35
    game = Game(networks, None, None, Players())
    trained = Trained(game, Players({}, {}), x, labels, train=Dataset(x, labels))
    found = metrics.translations(
        trained, "digits", "train[:30]", images=40, directory=data_directory
    )
    return {one.name: one.value for one in found}, labels


def test_a_translation_that_keeps_the_digit_and_draws_the_hue(measured):
    found, _ = measured(lambda uniform, x: uniform)
    assert found["label_agreement"] == 1
    assert found["hue_entropy_share"] == pytest.approx(1, abs=0.03)
    assert found["hue_information"] < 0.02 and found["saturation"] == pytest.approx(1, rel=1e-4)
    assert found["cycle_error"] < 1e-5 and 0.01 < found["cycle_error_noisy"] < 0.1


def test_a_hue_that_the_image_says_has_no_entropy(measured):
    found, labels = measured(lambda uniform, x: jnp.where(x.mean(axis=(1, 2, 3)) > 0.4, 0.1, 0.6))
    share = labels.mean()
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert found["hue_entropy_share"] == 0
    assert found["hue_information"] == pytest.approx(entropy, rel=1e-3)


def test_a_translation_that_ignores_the_digit(measured):
    found, labels = measured(lambda uniform, x: uniform, keep=False)
    assert found["label_agreement"] == pytest.approx(labels.mean())
    assert found["cycle_error"] > 0.1


@pytest.mark.heavy
def test_a_network_from_image_to_image_sees_the_place_of_a_pixel():
    """A change of one pixel reaches the nearest most; noise changes the output."""
    encoder = translator.encoder(SHAPE, (8, 8, 3), 2, width=3, hidden=5)
    params = encoder.init(jax.random.key(0))
    x, noise = jnp.zeros((1, *SHAPE)), jnp.zeros((1, 2))

    def image(x, noise):
        return encoder.apply(params, x, noise).vector.reshape(8, 8, 3)

    change = np.abs(image(x.at[0, 6, 1].set(1.0), noise) - image(x, noise)).sum(axis=-1)
    assert change[6, 1] > 4 * np.median(change)
    assert np.abs(image(x, noise + 1) - image(x, noise)).max() > 1e-3
    with pytest.raises(InputError, match="a variant is one of iae"):
        preset.get_config("other")


def test_what_is_claimed_and_drawn(tmp_path):
    records = [
        {"metric": metric, "variant": variant, "seeds": [1, 2], "values": [mean, mean]}
        for metric, means in (("label_agreement", (0.95, 0.9)), ("hue_entropy_share", (0.5, 0.8)))
        for variant, mean in zip(("iae", "l1_cycle"), means, strict=True)
    ]
    assert [holds for _, holds in experiment.claims(records)] == [True, False]
    assert experiment.claims(records[:1]) == []
    x = np.full((5, 8, 8, 1), 0.3)
    there = np.full((2, 5, 8, 8, 3), 0.6)
    np.savez(tmp_path / metrics.FIGURE_FILE, x=x, translated=there, again=x)
    experiment.draw(tmp_path / "figure.png", {"iae": tmp_path})
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
