"""What evaluation says of codes: categories in use, what they tell of labels, their distance from
the prior."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from copying import IMAGES, SHAPE, UNIT, N, copying_game, measured

from iae_jax.data import Dataset
from iae_jax.metrics.codes import prior_vectors
from iae_jax.metrics.measurement import Trained
from iae_jax.objectives.grid import cell
from iae_jax.sampling import priors
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys, normal
from iae_jax.types import Encoder, Encoding, Game, Generator, Players


def test_categories_in_use():
    """Half of the images say category 0, the others 1: log 2 of log 3."""

    def encode(params, x, noise):
        bright = x.reshape(x.shape[0], -1).mean(-1) > np.median(UNIT[:22].reshape(22, -1).mean(1))
        return Encoding(logits=jnp.where(bright[:, None], *jnp.array([[50.0, 0, 0], [0, 50, 0]])))

    networks = Players(
        Encoder(lambda key: {}, encode, 0, True),
        Generator(lambda key: {}, lambda p, z, n: jnp.zeros((len(z.category), *SHAPE)), 0),
    )
    game = Game(networks, priors.categorical(3), cell("none"), Players(), ())
    found = measured(game, x=IMAGES[:22], labels=None)
    assert found["category_entropy"].value == pytest.approx(np.log(2), rel=1e-5)
    assert "code_norm" not in found and "cluster_accuracy" not in found
    # The truth: brighter or not, one image in eleven mislabelled; a third class never appears.
    bright = UNIT[:22].reshape(22, -1).mean(1) > np.median(UNIT[:22].reshape(22, -1).mean(1))
    labels = np.where(np.arange(22) % 11, bright, ~bright).astype(np.int32)
    validation = Dataset(IMAGES[:22], 1 - labels)  # names the two clusters the other way round
    found = measured(game, x=IMAGES[:22], labels=labels, validation=validation)
    wrong = np.mean(labels != bright)
    assert found["cluster_accuracy"].value == pytest.approx(wrong)
    # Without such a split, by the training images; with it, whatever those say.
    by_train = measured(game, x=IMAGES[:22], labels=labels, train=validation)
    assert by_train["cluster_accuracy"].value == pytest.approx(wrong)
    other = Dataset(IMAGES[:22], labels)
    by_other = measured(game, x=IMAGES[:22], labels=labels, train=other, validation=validation)
    assert by_other["cluster_accuracy"].value == pytest.approx(wrong) and wrong < 0.5
    assert found["category_usage"].value == pytest.approx(2 / 3, rel=1e-5)
    # By hand, of the table of cluster and label: rows [a, b], [c, d].
    table = np.array([[np.sum((bright == r) & (labels == c)) for c in (0, 1)] for r in (0, 1)])
    p = table / 22

    def entropy(q):
        return -np.sum(q[q > 0] * np.log(q[q > 0]))

    shared = entropy(p.sum(0)) + entropy(p.sum(1)) - entropy(p)
    nmi = 2 * shared / (entropy(p.sum(0)) + entropy(p.sum(1)))
    assert found["nmi"].value == pytest.approx(nmi, rel=1e-5)

    def pairs(n):
        return np.sum(n * (n - 1) / 2)

    by_chance = pairs(table.sum(0)) * pairs(table.sum(1)) / pairs(np.array(22))
    most = (pairs(table.sum(0)) + pairs(table.sum(1))) / 2
    ari = (pairs(table) - by_chance) / (most - by_chance)
    assert found["ari"].value == pytest.approx(ari, rel=1e-5) and abs(ari - nmi) > 0.01
    labels[0] = 2  # as many classes as clusters: the best matching, whatever validation says
    found = measured(game, x=IMAGES[:22], labels=labels, validation=validation)
    rest = np.mean((labels == bright)[1:]) * 21 / 22
    assert found["cluster_accuracy"].value == pytest.approx(rest)


def test_consistency_of_a_category_is_how_often_it_comes_back_as_another():
    """The generator writes the category into the first pixel, and each third one wrongly."""

    def encode(params, x, noise):
        return Encoding(logits=50.0 * jax.nn.one_hot(x[:, 0, 0, 0].astype(jnp.int32), 3))

    def write(params, z, noise):
        wrong = jnp.where(z.category[:, 2] > 0, 0, jnp.argmax(z.category, axis=-1))
        return jnp.zeros((len(wrong), *SHAPE)).at[:, 0, 0, 0].set(wrong + 0.5)

    networks = Players(
        Encoder(lambda key: {}, encode, 0, True), Generator(lambda key: {}, write, 0)
    )
    game = Game(networks, priors.categorical(3), cell("none"), Players(), ())
    found = measured(game, labels=None)["code_consistency"]
    # Of the codes of the prior that evaluate draws, one key an example.
    keys = example_keys(jax.random.key(3), 0, N)
    drawn = Draws(game, Players(), Noise(keys), {}).z_prior.category
    third = float(np.mean(np.asarray(drawn)[:, 2]))
    assert found.value == pytest.approx(third) and 0 < third < 1


def test_codes_are_probed_and_compared_with_the_prior():
    """z = x: the label is whether the first pixel is bright, which a line sees; q(z) is not
    N(0, I), and two samples of the prior are alike."""
    rng = np.random.default_rng(2)
    train, test = (rng.integers(0, 255, (n, *SHAPE), dtype=np.uint8) for n in (900, 500))
    labels = [(x.reshape(len(x), -1)[:, 0] > 120).astype(np.int32) for x in (train, test)]
    found = measured(
        copying_game(),
        x=test,
        labels=labels[1],
        train=Dataset(train, labels[0]),
        batch_size=100,
    )
    assert found["code_linear_accuracy"].value > 0.97
    assert 0.6 < found["code_nearest_accuracy"].value < 0.97
    assert found["two_sample_accuracy"].value > 0.65
    assert abs(found["two_sample_accuracy_prior"].value - 0.5) < 0.08
    assert found["sliced_wasserstein"].value > 3 * found["sliced_wasserstein_prior"].value


def test_the_prior_is_drawn_by_other_numbers_than_the_codes():
    """Else codes of a collapsed q(z|x) are the prior's samples, one by one, and nearer to them than
    two samples of the prior are."""
    game = Game(Players(), priors.prior("gaussian", 3, 2), None, Players())
    found = prior_vectors(Trained(game, Players(), IMAGES, seed=3), 0, N)
    keys = example_keys(jax.random.key(3), 0, N)
    encoder = Noise(keys)("encoder", normal(3))
    assert np.abs(found - np.asarray(encoder)).mean() > 0.5
    assert found.shape == (N, 3) and 0.5 < found.std() < 1.5


def test_lost_codes_are_measured_as_lost():
    """Not as a category that is used alone, and not left out."""
    networks = Players(
        Encoder(
            lambda key: {},
            lambda p, x, n: Encoding(
                jnp.full((len(x), 2), jnp.nan), logits=jnp.full((len(x), 3), jnp.nan)
            ),
            0,
            True,
        ),
        Generator(lambda key: {}, lambda p, z, n: jnp.zeros((len(z.category), *SHAPE)), 0),
    )
    found = measured(Game(networks, priors.prior("gaussian", 2, 3), cell("none"), Players(), ()))
    for metric in (
        "category_entropy",
        "category_usage",
        "cluster_accuracy",
        "nmi",
        "two_sample_accuracy",
        "sliced_wasserstein",
    ):
        assert np.isnan(found[metric].value), metric
