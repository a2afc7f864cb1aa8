"""What is learned from labels, and that no other label is read."""

import games
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special
import scipy.stats
from test_train import config_of, state_of

from experiments.semisupervised import get_config
from iae_jax import networks
from iae_jax.data import labels as labelling
from iae_jax.data import open_source
from iae_jax.data.labels import ALL, labelled, subset
from iae_jax.devices.parallel import compile_chunk, compile_step
from iae_jax.errors import InputError
from iae_jax.game import game
from iae_jax.game.game import losses, noise_of
from iae_jax.game.step import init, train_step
from iae_jax.objectives import auxiliary as charges
from iae_jax.objectives import grid as objectives
from iae_jax.objectives import scoring, terms
from iae_jax.runs import train as training
from iae_jax.runs.config import Network
from iae_jax.runs.train import fingerprint
from iae_jax.sampling import draws, priors
from iae_jax.types import Augment, Code, Draws, Encoding, Labelled, Players, Told

RNG = np.random.default_rng(21)
B, K = 5, 3
STEP = jnp.int32(0)
LABELS = np.array([2, 0, 1, 1, 2, 0, -1, 2, 0, 2, -1, 0])


def normal(*shape):
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


def test_a_bank_holds_the_subset(tmp_path):
    images = RNG.integers(0, 256, (len(LABELS), 4, 3, 1), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=LABELS)
    source = open_source(f"npz:{tmp_path}/a.npz", "train")
    positions, (x, label) = labelled(source, 1, 4, categories=3)
    np.testing.assert_array_equal(x, images[positions])
    np.testing.assert_array_equal(label, LABELS[positions])
    assert labelled(source, 0, 4, 3) is None
    for categories in (2, 4):
        wrong = f"3 classes and the code {categories} categories: set code.categories=3"
        with pytest.raises(InputError, match=wrong):
            labelled(source, 1, 4, categories)
    for numbered, span in ((LABELS + 1, "1 to 3"), (np.where(LABELS == 1, 3, LABELS), "0 to 3")):
        labels = np.where(LABELS < 0, -1, numbered)
        np.savez(tmp_path / "b.npz", images=images, labels=labels)
        wrong = f"3 classes, with labels from {span}: use a data set whose labels are 0 to 2"
        with pytest.raises(InputError, match=wrong):
            labelled(open_source(f"npz:{tmp_path}/b.npz", "train"), 1, 4, 3)


def test_a_run_goes_on_with_the_labels_it_has_read_and_any_others(tmp_path):
    """What it is told by, see `fingerprint`, changes with the first and not with the second."""
    images = RNG.integers(0, 256, (len(LABELS), 4, 3, 1), dtype=np.uint8)

    def told(labels):
        np.savez(tmp_path / "a.npz", images=images, labels=labels)
        source = open_source(f"npz:{tmp_path}/a.npz", "train")
        return fingerprint(source, (chosen, Labelled(images[chosen], labels[chosen])))

    chosen = subset(LABELS, 1, 4)
    others = LABELS.copy()
    others[np.setdiff1d(np.arange(len(LABELS)), chosen)] = 1
    one = LABELS.copy()
    one[chosen[0]] = (one[chosen[0]] + 1) % K
    assert told(LABELS) == told(others) != told(one)


def test_a_step_that_reads_labels_is_refused_without_them():
    built, _ = semi("none", (charges.label_cross_entropy(),))
    with pytest.raises(InputError, match="give train_step the labelled images"):
        train_step(built, init(built, jax.random.key(1)), games.batch(3, 6))


# Seven images, no two alike.
BANK = Labelled(RNG.random((7, 3), np.float32), np.array([3, 0, 1, 2, 2, 1, 0]))


def places(x):
    """Which image of the bank each of x is, bit for bit."""
    same = (np.asarray(x)[:, None] == BANK.x).all(axis=-1)
    assert (same.sum(axis=1) == 1).all()
    return same.argmax(axis=1)


def test_each_labelled_image_is_picked_as_often():
    """Within what a binomial distribution leaves in all but one of 10,000 banks."""
    count = 7000
    pick = jax.jit(lambda bank, key: draws.pick(bank, draws.example_keys(key, 0, count)))
    picked = pick(BANK, jax.random.key(4))
    place = places(picked.x)
    np.testing.assert_array_equal(picked.label, BANK.label[place])
    low, high = scipy.stats.binom.interval(1 - 1e-4 / 7, count, 1 / 7)
    found = np.bincount(place, minlength=7)
    assert low <= found.min() and found.max() <= high, found


def test_what_is_told_are_the_images_as_they_are():
    """And their codes, the category the label's, even where the encoding is of changed images.
    Oracle: the bank, and the encoder without perturbations."""
    encoder, plain = (
        networks.encoder(games.LAYOUT, games.SHAPE, "implicit", 2, 4, 2, pixel_noise=by)
        for by in (0.3, 0.0)
    )
    players, prior, needs = Players(encoder), priors.standard(2, 4), frozenset({"changed labels"})
    change = Augment(lambda x, by: x * (1 + by), 3)

    @jax.jit
    def tell(bank, key):
        params, keys = Players(encoder.init(key)), draws.example_keys(key, 0, B)
        noise = draws.draw_noise(players, prior, keys, needs, 3, training=True)
        picked = draws.pick(bank, keys)
        expected = plain.apply(params.encoder, picked.x, noise.encoder[:, :2]).vector
        return draws.tell(players, params, noise, picked, change), expected

    told, expected = tell(BANK, jax.random.key(2))
    label = BANK.label[places(told.x)]
    assert len(set(label)) > 2
    np.testing.assert_array_equal(told.z.category, np.eye(4)[label])
    np.testing.assert_array_equal(told.z.probabilities, np.eye(4)[label])
    np.testing.assert_allclose(told.z.vector, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(told.encoding.vector - expected).max(axis=1).min() > 1e-3


# ------------------------------------------------------------------------------------- terms


def drawn(**given):
    return Draws(jnp.zeros((B, 4)), *[None] * 7)._replace(**given)


def value(term, **given):
    return term.loss(None, drawn(**given), STEP).path


def test_cross_entropy_is_of_the_label():
    logits, label = normal(B, K), jnp.array([2, 0, 1, 1, 2])
    told = Told(None, Code(category=jnp.eye(K)[label]), Encoding(logits=logits))
    expected = -scipy.special.log_softmax(logits, axis=1)[np.arange(B), label]
    np.testing.assert_allclose(value(charges.label_cross_entropy(), told=told), expected, rtol=1e-5)


def test_a_teacher_is_the_target():
    own, taught, changed = (Encoding(logits=normal(B, K)) for _ in range(3))
    given = {"encoding": own, "taught": taught, "augmented": changed}
    for term, target in (
        (charges.augmentation_consistency(), own),
        (charges.augmentation_consistency(teacher=True), taught),
    ):
        p, q = (scipy.special.log_softmax(one.logits, axis=1) for one in (target, changed))
        expected = (np.exp(p) * (p - q)).sum(1)
        np.testing.assert_allclose(value(term, **given), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_labelled_pairs_are_a_share_of_what_is_shown(share):
    """Oracle: the sum by hand, with a discriminator that is a table."""
    x, x_hat, x_told = normal(B, 2), normal(B, 2), normal(B, 2) + 1
    q = jnp.asarray(scipy.special.softmax(normal(B, K), axis=1))
    chosen, label = jnp.eye(K)[jnp.array([0, 1, 2, 0, 1])], jnp.array([2, 2, 0, 1, 0])
    weights = normal(2, K)
    term = terms.adversarial(terms.JOINT_RECONSTRUCTION, scoring.KL, labelled_share=share)
    known = Code(category=jnp.eye(K)[label], probabilities=jnp.eye(K)[label])
    told = Told(x_told, known, Encoding())
    found = term.loss(
        lambda x, vector: x @ weights,
        drawn(x=x, z=Code(category=chosen, probabilities=q), x_hat=x_hat, told=told),
        STEP,
    )
    a, b, c = (np.asarray(one @ weights) for one in (x, x_hat, x_told))
    real = (q * np.logaddexp(0, -a)).sum(1)
    labelled = np.logaddexp(0, -c)[np.arange(B), label]
    fake = np.logaddexp(0, b)[np.arange(B), chosen.argmax(1)]
    expected = (1 - share) * real + share * labelled + fake
    np.testing.assert_allclose(found.discriminator, expected, rtol=1e-5)
    assert ("labels" in term.needs) == (share > 0)


def test_improved_gan_by_hand():
    real, fake = Encoding(logits=normal(B, K)), Encoding(logits=normal(B, K))
    matched = normal(2, 4)
    found = value(charges.improved_gan(), perturbed=real, flipped=fake, matched=matched)
    odds, odds_prior = (np.log(np.exp(one.logits).sum(1)) for one in (real, fake))
    expected = np.logaddexp(0, -odds) + np.logaddexp(0, odds_prior)
    expected += ((matched[0] - matched[1]) ** 2).sum()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def semi(row, charged, size=0):
    """A game of 3-D data with 4 categories, and a bank of labelled images."""
    encoder = networks.encoder(games.LAYOUT, games.SHAPE, "deterministic", size, 4)
    needs = objectives.cell(row, charges=charged).needs
    generator = discriminator = None
    if "generator" in needs:
        generator = networks.generator(games.LAYOUT, games.SHAPE, size, 4, noise=2)
    if row == "joint_reconstruction":
        discriminator = networks.discriminator(games.LAYOUT, games.SHAPE, ("x", "z"), size, 4)
    players = Players(encoder, generator, discriminator)
    optimizers = Players(*(network and optax.sgd(0.1) for network in players))
    labelled = Labelled(games.batch(8, 6), jnp.array([3, 0, 1, 2, 2, 1]))
    return game.build(
        players, priors.standard(size, 4), objectives.cell(row, charges=charged), optimizers
    ), labelled


def gradient_of(built, params):
    keys = draws.example_keys(jax.random.key(2), 0, 6)
    x, noise = games.batch(3, 6), noise_of(built, keys)

    return jax.grad(lambda params: losses(built, params, noise, STEP, x)[0].encoder)(params)


def largest(tree):
    return max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(tree))


def test_who_learns_from_flipped_recovery():
    """The encoder, and not the generator that made the images."""
    built, _ = semi("none", (charges.flipped_recovery(),))
    params = init(built, jax.random.key(1)).params
    gradient = gradient_of(built, params)
    assert largest(gradient.encoder) > 1e-4
    assert largest(gradient.generator) == 0


def test_each_player_of_the_improved_gan_learns_from_its_own_part():
    """Oracle: the gradient of each part alone, the other player's parameters held."""
    built, _ = semi("improved_gan", ())
    params = init(built, jax.random.key(1)).params
    gradient = gradient_of(built, params)
    encode, sample = built.networks.encoder.apply, built.networks.generator.sample
    keys = draws.example_keys(jax.random.key(2), 0, 6)
    x, noise = games.batch(3, 6), noise_of(built, keys)
    nothing = jnp.zeros((6, 0))

    def told(encoder):
        fake = sample(params.generator, noise.prior, noise.prior_local)
        odds = [jax.nn.logsumexp(encode(encoder, one, nothing).logits, -1) for one in (x, fake)]
        return jnp.mean(jnp.log1p(jnp.exp(-odds[0])) + jnp.log1p(jnp.exp(odds[1])))

    def matched(generator):
        fake = sample(generator, noise.prior, noise.prior_local)
        means = [encode(params.encoder, one, nothing).features.mean(0) for one in (x, fake)]
        return jnp.sum((means[0] - means[1]) ** 2)

    for found, expected in (
        (gradient.encoder, jax.grad(told)(params.encoder)),
        (gradient.generator, jax.grad(matched)(params.generator)),
    ):
        assert largest(expected) > 1e-4
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), found, expected
        )


@pytest.mark.parametrize(("devices", "pieces"), [(2, 1), (1, 3), (2, 3)])
def test_the_improved_gan_matches_features_of_the_global_batch(devices, pieces):
    """Oracle: one device, the batch as a whole."""
    built, labelled = semi("improved_gan", (charges.label_cross_entropy(),))
    x, cpu = games.batch(3, 1, 6), jax.devices("cpu")

    def stepped(devices, pieces):
        chunk = compile_chunk(built, cpu[:devices], pieces=pieces)
        state, metrics = chunk(init(built, jax.random.key(1)), x, labelled)
        return jax.device_get((state.params, metrics))

    found, whole = stepped(devices, pieces), stepped(1, 1)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, whole)
    before = init(built, jax.random.key(1)).params
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), whole[0], before)
    assert min(jax.tree.leaves(moved.generator)) > 1e-5


def test_a_classifier_is_a_game_without_a_generator():
    """Oracle: the cross entropy of the images that were picked, by hand."""
    built, labelled = semi("none", (charges.label_cross_entropy(),))
    state = init(built, jax.random.key(1))
    assert state.params.generator is None
    before = state.params
    _, metrics = compile_step(built)(init(built, jax.random.key(1)), games.batch(3, 6), labelled)
    key = jax.random.fold_in(jax.random.fold_in(state.key, 1), 0)
    picked = draws.pick(labelled, draws.example_keys(key, 0, 6))
    logits = built.networks.encoder.apply(before.encoder, picked.x, jnp.zeros((6, 0))).logits
    expected = -scipy.special.log_softmax(logits, axis=1)[np.arange(6), picked.label].mean()
    np.testing.assert_allclose(metrics["label_cross_entropy"], expected, rtol=1e-5)
    pairs = {(tuple(x.tolist()), int(y)) for x, y in zip(*labelled, strict=True)}
    assert {(tuple(x.tolist()), int(y)) for x, y in zip(*picked, strict=True)} <= pairs
    assert len(set(np.asarray(picked.label).tolist())) > 1


@pytest.mark.usefixtures("quick_compile")
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
    monkeypatch.setattr(training, "draw_figure", lambda *_: None)  # of no label, and slow
    outside = (labels + rng.integers(1, 3, 60)) % 3  # each of them wrong
    outside[chosen] = labels[chosen]
    inside = labels.copy()
    inside[chosen[0]] = (labels[chosen[0]] + 1) % 3
    states = []
    for index, told in enumerate((labels, outside, inside)):
        path = tmp_path / f"{index}.npz"
        np.savez(path, images=images, labels=told, test_images=images, test_labels=labels)
        config = get_config(f"{method}/npz:{path}/10")
        config.code.categories, config.code.flipped_start_steps = 3, 2
        config.data.train, config.data.validation = "train[:50]", "train[50:]"
        config.data.labels_per_class = 2
        config.batch_size, config.steps, config.run = 4, 10, config_of(data_directory).run
        # As a set that the device's memory does not hold.
        config.run.resident_megabytes = 0 if method == "iae_best" else 1024
        for player in (
            config.encoder,
            config.generator,
            config.reconstruction,
            config.regularization,
        ):
            player.network = Network("mlp", hidden=8)
        training.train(config, tmp_path / str(index))
        states.append(jax.tree.leaves(state_of(config, tmp_path / str(index))))
    without, poisoned, changed = ([leaf.tobytes() for leaf in leaves] for leaves in states)
    assert without == poisoned
    assert without != changed
