"""What is learned from labels, and that no other label is read."""

import games
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from labelled_games import semi
from test_train import config_of, state_of

from experiments.semisupervised import get_config
from iae_jax import networks
from iae_jax.data import labels as labelling
from iae_jax.data import open_source
from iae_jax.data.labels import ALL, labelled, subset
from iae_jax.devices.parallel import Chunk, compile_step
from iae_jax.errors import InputError
from iae_jax.game.step import _with_labelled, init, train_step
from iae_jax.objectives import scoring
from iae_jax.objectives.adversarial import (
    JOINT_RECONSTRUCTION,
    Adversary,
    labelled_encoding,
    labelled_side,
)
from iae_jax.objectives.auxiliary import LabelCrossEntropy
from iae_jax.runs import pictures
from iae_jax.runs import train as training
from iae_jax.runs.config import Config, Network
from iae_jax.runs.feed import Feed, LabelledSet
from iae_jax.sampling import priors
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys, normal, uniform
from iae_jax.types import Augment, Code, Encoder, Encoding, Game, Labelled, Players

RNG = np.random.default_rng(21)
B, K = 5, 3
LABELS = np.array([2, 0, 1, 1, 2, 0, -1, 2, 0, 2, -1, 0])


def random(*shape):
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def test_a_subset_is_balanced_and_a_pure_function():
    chosen = subset(LABELS, 2, draw=3)
    assert sorted(LABELS[chosen]) == [0, 0, 1, 1, 2, 2]
    assert list(chosen) == sorted(set(chosen))
    np.testing.assert_array_equal(chosen, subset(LABELS.copy(), 2, draw=3))
    drawn = {tuple(subset(LABELS, 1, draw)) for draw in range(20)}
    assert len(drawn) > 10  # of 4 * 2 * 4
    np.testing.assert_array_equal(subset(LABELS, ALL, 0), np.flatnonzero(LABELS >= 0))


@pytest.mark.parametrize(
    ("labels", "per_class", "draw", "message"),
    [
        (LABELS, 3, 0, r"class 1 has 2 examples and 3 labels per class were asked for"),
        (np.full(4, -1), 1, 0, "no example of the training split has a label"),
        (LABELS, -2, 0, "at least 1"),
        (LABELS, 1, -1, "draw is -1"),
    ],
)
def test_bad_subsets_are_refused(labels, per_class, draw, message):
    with pytest.raises(InputError, match=message):
        subset(labels, per_class, draw)


def test_the_labelled_images_are_the_subset(tmp_path):
    images = RNG.integers(0, 256, (len(LABELS), 4, 3, 1), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=LABELS)
    source = open_source(f"npz:{tmp_path}/a.npz", "train")
    positions, (x, label) = labelled(source, 1, 4, categories=3)
    np.testing.assert_array_equal(x, images[positions])
    np.testing.assert_array_equal(label, LABELS[positions])
    for categories in (2, 4):
        wrong = f"3 classes and the code {categories} categories: set code.categories=3"
        with pytest.raises(InputError, match=wrong):
            labelled(source, 1, 4, categories)
    np.savez(tmp_path / "b.npz", images=images, labels=np.where(LABELS == 1, 3, LABELS))
    wrong = "3 classes, with labels from 0 to 3: use a data set whose labels are 0 to 2"
    with pytest.raises(InputError, match=wrong):
        labelled(open_source(f"npz:{tmp_path}/b.npz", "train"), 1, 4, 3)


def test_a_run_goes_on_with_the_labels_it_has_read_and_any_others(tmp_path):
    """The fingerprint of its data changes with the first and not with the second."""
    images = RNG.integers(0, 256, (len(LABELS), 4, 3, 1), dtype=np.uint8)

    def fingerprint(labels):
        np.savez(tmp_path / "a.npz", images=images, labels=labels)
        config = Config()
        config.data.name, config.data.train = f"npz:{tmp_path}/a.npz", "train"
        feed = Feed(config)
        feed.labelled = LabelledSet(chosen, Labelled(images[chosen], labels[chosen]))
        return feed.fingerprint()

    chosen = subset(LABELS, 1, 4)
    others = LABELS.copy()
    others[np.setdiff1d(np.arange(len(LABELS)), chosen)] = 1
    one = LABELS.copy()
    one[chosen[0]] = (one[chosen[0]] + 1) % K
    assert fingerprint(LABELS) == fingerprint(others) != fingerprint(one)


def test_a_step_that_reads_labels_is_refused_without_them():
    built, _ = semi("none", "labels")
    assert built.sources == {"x", "labelled", "labels"}
    with pytest.raises(InputError, match="needs 'labelled' in the batch.*: set data.labels_per"):
        train_step(built, init(built, jax.random.key(1)), games.batch(3, 6))


# Seven images, no two alike.
IMAGES = Labelled(RNG.random((7, 3), np.float32), np.array([3, 0, 1, 2, 2, 1, 0]))


def picked(key, count, images=IMAGES):
    """A batch with labelled images."""
    return _with_labelled({"x": jnp.zeros((count, 3))}, images, example_keys(key, 0, count))


def places(x):
    """Which of the seven images each of x is, bit for bit."""
    same = (np.asarray(x)[:, None] == IMAGES.x).all(axis=-1)
    assert (same.sum(axis=1) == 1).all()
    return same.argmax(axis=1)


def test_each_labelled_image_is_picked_as_often():
    """Within what a binomial distribution leaves in all but one of 10,000 cases."""
    count = 7000
    batch = picked(jax.random.key(4), count)
    place = places(batch["labelled"])
    np.testing.assert_array_equal(batch["labels"], IMAGES.label[place])
    low, high = scipy.stats.binom.interval(1 - 1e-4 / 7, count, 1 / 7)
    found = np.bincount(place, minlength=7)
    assert low <= found.min() and found.max() <= high, found


def test_labelled_pairs_are_of_the_images_as_they_are():
    """And their codes, the category the label's, even where the cross entropy is of changed images
    and of a perturbed encoder. Oracle: the images, and the encoder without perturbations."""
    encoder, plain = (
        networks.encoder(games.LAYOUT, games.SHAPE, "implicit", 2, 4, 2, networks.Perturbation(by))
        for by in (0.3, 0.0)
    )
    change = Augment(lambda x, by, step: x * (1 + by), 3)
    built = Game(Players(encoder), priors.prior("gaussian", 2, 4), None, Players(), augment=change)
    batch = picked(jax.random.key(2), B)
    noise = Noise(example_keys(jax.random.key(2), 0, B))
    params = Players(encoder.init(jax.random.key(2)))
    drawn = Draws(built, params, noise, batch)
    x, z = labelled_side(drawn)
    label, own = IMAGES.label[places(x)], noise("encoder", normal(2))
    assert len(set(label)) > 2
    np.testing.assert_array_equal(z.category, np.eye(4)[label])
    np.testing.assert_array_equal(z.probabilities, np.eye(4)[label])
    expected = plain.apply(params.encoder, x, own).vector
    np.testing.assert_allclose(z.vector, expected, rtol=1e-5, atol=1e-6)

    pixels = 0.3 * noise("perturbation/encoder", normal(3))
    for augment, changed in ((False, x), (True, x * (1 + noise("labelled_augment", uniform(3))))):
        logits = plain.apply(params.encoder, changed + pixels, own).logits
        expected = -scipy.special.log_softmax(logits, axis=1)[np.arange(B), label]
        found = LabelCrossEntropy(augment=augment).loss(drawn)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


# ------------------------------------------------------------------------------------- terms


def test_cross_entropy_is_of_the_label():
    logits, label = random(B, K), jnp.array([2, 0, 1, 1, 2])
    batch = {"x": jnp.zeros((B, K)), "labelled": logits, "labels": label}
    encoder = Encoder(None, lambda params, x, noise: Encoding(logits=x), 0)
    drawn = games.drawn(batch, game=Game(Players(encoder), None, None, Players()))
    expected = -scipy.special.log_softmax(logits, axis=1)[np.arange(B), label]
    np.testing.assert_allclose(LabelCrossEntropy().loss(drawn), expected, rtol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_labelled_pairs_are_a_share_of_what_a_discriminator_reads(share):
    """Oracle: the sum by hand, with a discriminator that is a table."""
    x, x_hat, x_labelled = random(B, 2), random(B, 2), random(B, 2) + 1
    q = jnp.asarray(scipy.special.softmax(random(B, K), axis=1))
    chosen, label = jnp.eye(K)[jnp.array([0, 1, 2, 0, 1])], jnp.array([2, 2, 0, 1, 0])
    weights = random(2, K)
    term = Adversary(scoring.KL, labelled_share=share)(JOINT_RECONSTRUCTION)
    drawn = games.drawn(
        {"x": x, "labelled": x_labelled, "labels": label},
        {labelled_encoding: Encoding(logits=random(B, K))},
        z=Code(category=chosen, probabilities=q),
        x_hat=x_hat,
    )
    found = term.loss(drawn, lambda x, vector: x @ weights)
    a, b, c = (np.asarray(one @ weights) for one in (x, x_hat, x_labelled))
    real = (q * np.logaddexp(0, -a)).sum(1)
    labelled = np.logaddexp(0, -c)[np.arange(B), label]
    fake = np.logaddexp(0, b)[np.arange(B), chosen.argmax(1)]
    expected = (1 - share) * real + share * labelled + fake
    np.testing.assert_allclose(found.discriminator, expected, rtol=1e-5)
    assert ("labelled" in drawn.reads.batch) == (share > 0)


def test_a_classifier_is_a_game_without_a_generator():
    """Oracle: the cross entropy of the images that were picked, by hand."""
    built, images = semi("none", "labels")
    state = init(built, jax.random.key(1))
    assert state.params.generator is None
    before = state.params
    _, metrics = compile_step(built)(init(built, jax.random.key(1)), games.batch(3, 6), images)
    key = jax.random.fold_in(jax.random.fold_in(state.key, 1), 0)
    batch = picked(key, 6, images)
    x, label = batch["labelled"], batch["labels"]
    logits = built.networks.encoder.apply(before.encoder, x, jnp.zeros((6, 0))).logits
    expected = -scipy.special.log_softmax(logits, axis=1)[np.arange(6), label].mean()
    np.testing.assert_allclose(metrics["label_cross_entropy"], expected, rtol=1e-5)
    pairs = {(tuple(x.tolist()), int(y)) for x, y in zip(*images, strict=True)}
    assert {(tuple(x.tolist()), int(y)) for x, y in zip(x, label, strict=True)} <= pairs
    assert len(set(np.asarray(label).tolist())) > 1


@pytest.mark.parametrize(("devices", "microbatches"), [(1, 1), (2, 1), (1, 3), (2, 3)])
def test_labels_are_read_in_turn(devices, microbatches):
    """Six in a step, of seven: oracle, the cross entropy of images 0 to 5, then of 6, 0, ..., 4."""
    built, _ = semi("none", "labels")
    chunk = Chunk(built._replace(labels_in_turn=True), jax.devices("cpu")[:devices], microbatches)
    state = init(built, jax.random.key(1))
    for places in ([0, 1, 2, 3, 4, 5], [6, 0, 1, 2, 3, 4], [5, 6, 0, 1, 2, 3]):
        params = jax.device_get(state.params)
        x, label = (np.asarray(leaf)[places] for leaf in IMAGES)
        logits = built.networks.encoder.apply(params.encoder, x, jnp.zeros((6, 0))).logits
        expected = -scipy.special.log_softmax(logits, axis=1)[np.arange(6), label].mean()
        state, metrics = chunk(state, games.batch(3, 1, 6), labelled=IMAGES)
        np.testing.assert_allclose(metrics["label_cross_entropy"], expected, rtol=1e-5)


def test_so_many_labels_are_not_read_in_turn():
    many = Labelled(jnp.zeros((46_001, 3)), jnp.zeros(46_001, jnp.int32))
    built = semi("none", "labels")[0]._replace(labels_in_turn=True)
    with pytest.raises(InputError, match="set data.labels_in_turn to False"):
        train_step(built, init(built, jax.random.key(1)), games.batch(3, 6), labelled=many)


@pytest.mark.heavy
@pytest.mark.parametrize(
    "method", ["supervised", "improved_gan", "aae", "iae_faithful", "iae_best"]
)
def test_no_label_outside_the_subset_is_read(tmp_path, monkeypatch, data_directory, method):
    """All other labels are poisoned: not a bit of the trained state changes. One of the subset
    changed, and it does."""
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)
    labels = np.tile(np.arange(3), 20)
    chosen = subset(labels[:50], 2, draw=0)
    monkeypatch.setattr(labelling, "subset", lambda *_: chosen)
    monkeypatch.setattr(pictures, "shows", lambda *_: False)  # of no label, and slow
    outside = (labels + rng.integers(1, 3, 60)) % 3  # each of them wrong
    outside[chosen] = labels[chosen]
    inside = labels.copy()
    inside[chosen[0]] = (labels[chosen[0]] + 1) % 3
    states = []
    for index, given in enumerate((labels, outside, inside)):
        path = tmp_path / f"{index}.npz"
        np.savez(path, images=images, labels=given, test_images=images, test_labels=labels)
        config = get_config(f"{method}/npz:{path}/10")
        config.code.categories, config.auxiliary.sleep.weight.start_steps = 3, 2
        config.data.train, config.data.validation = "train[:50]", "train[50:]"
        config.data.labels_per_class = 2
        config.batch_size, config.steps, config.run = 4, 10, config_of(data_directory).run
        # As a set that the device's memory does not hold.
        config.run.resident_megabytes = 0 if method == "iae_best" else 1024
        for player in config.players:
            player.network = Network("mlp", hidden=8)
        training.train(config, tmp_path / str(index))
        states.append(jax.tree.leaves(state_of(config, tmp_path / str(index))))
    without, poisoned, changed = ([leaf.tobytes() for leaf in leaves] for leaves in states)
    assert without == poisoned
    assert without != changed
