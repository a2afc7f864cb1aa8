"""train_step: the noise of a step, seeds, the moving average.

Oracles: what SGD moved, one seed at a time (for vmap), a recurrence in numpy (for the
moving average).
"""

import chex
import games
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from stepped import CPU, IAE, SIZE, STEPS, X, fresh, initialize, one_step, run

from iae_jax import networks
from iae_jax.devices import parallel
from iae_jax.game import game, step
from iae_jax.game.check import check
from iae_jax.objectives.consistency import Consistency
from iae_jax.objectives.grid import cell
from iae_jax.objectives.weights import Weight
from iae_jax.sampling import draws, model, priors
from iae_jax.sampling.noise import Noise, example_keys, uniform
from iae_jax.types import Augment, Code, Encoding, Game, Players


def data_of(state):
    """A state as plain arrays, the key included."""
    return state.replace(key=jax.random.key_data(state.key))


@pytest.fixture(scope="module")
def alone():
    """The reference: one device."""
    return run(1)


@pytest.mark.heavy
def test_the_norms_of_gradients_are_logged():
    """Oracle: what SGD at a known rate moved."""
    state = fresh()
    after, metrics = one_step()(fresh(), X[0])
    squares = []
    for player, rate in zip(Players._fields, games.RATES, strict=True):
        moved = jax.tree.map(
            jnp.subtract, getattr(after.params, player), getattr(state.params, player)
        )
        squares.append(sum((leaf**2).sum() for leaf in jax.tree.leaves(moved)) / rate**2)
        found = metrics[f"{player}_gradient_norm"]
        np.testing.assert_allclose(found, np.sqrt(squares[-1]), rtol=1e-3)
    np.testing.assert_allclose(metrics["gradient_norm"], np.sqrt(sum(squares)), rtol=1e-3)


@pytest.mark.heavy
def test_the_seed_decides_every_bit(alone):
    chex.assert_trees_all_equal(data_of(run(1)[0]), data_of(alone[0]))
    other = run(1, state=fresh(2))[0]
    same = jax.tree.map(lambda a, b: (a == b).all(), other.params, alone[0].params)
    assert not any(jax.tree.leaves(same))
    # From the same parameters another key draws other noise.
    other = run(1, state=fresh().replace(key=jax.random.key(2)))[0]
    same = jax.tree.map(lambda a, b: (a == b).all(), other.params, alone[0].params)
    assert not any(jax.tree.leaves(same))


def test_the_key_stays_and_the_noise_changes_with_the_step():
    later = fresh().replace(step=jnp.int32(2))  # R1 on again, the same parameters
    (first, _), (second, _) = one_step()(fresh(), X[0]), one_step()(later, X[0])
    assert jax.random.key_data(first.key).tolist() == jax.random.key_data(fresh().key).tolist()
    assert not np.allclose(
        jax.tree.leaves(first.params.generator)[0], jax.tree.leaves(second.params.generator)[0]
    )


@pytest.mark.heavy
def test_vmap_over_seeds_is_each_seed_alone():
    keys = jax.random.split(jax.random.key(9), 3)

    def trained(key):
        return step.train_step(IAE, step.init(IAE, key), X[0])

    together = jax.jit(jax.vmap(trained))(keys)
    for index, key in enumerate(keys):
        mine = jax.tree.map(lambda leaf, i=index: leaf[i], (together[0].params, together[1]))
        state, metrics = one_step()(initialize(key), X[0])
        chex.assert_trees_all_close(mine, (state.params, metrics), rtol=1e-4, atol=1e-6)


def test_the_moving_average_follows_its_recurrence():
    """theta_bar <- d theta_bar + (1 - d) theta with d = min(decay, (t + 1) / (t + 10)), and
    nothing of the discriminators. Decay 0.15 is passed at the second step."""
    state = fresh()
    assert state.ema[2:] == (None, None)
    expected = jax.device_get(state.params[:2])
    for t, decay in enumerate((1 / 10, 0.15, 0.15)):
        state, _ = one_step()(state, X[t])
        expected = jax.tree.map(
            lambda old, new, d=decay: d * old + (1 - d) * np.asarray(new),
            expected,
            tuple(state.params[:2]),
        )
        chex.assert_trees_all_close(tuple(state.ema[:2]), expected, rtol=1e-5, atol=1e-6)


def test_the_teacher_is_the_averaged_encoder():
    """Oracle: cross entropy less entropy by hand, of a teacher that is not the encoder; and a step
    of SGD down its slope."""
    network = networks.encoder(games.LAYOUT, games.SHAPE, "deterministic", 0, 4)
    built = check(
        Game(
            Players(network),
            priors.prior("gaussian", 0, 4),
            cell("none", auxiliary=(Consistency(Weight(1.0), teacher=True),)),
            IAE.optimizers,
            augment=Augment(lambda x, by, step: x * (1 + by), 3),
        ),
        games.SHAPE,
    )
    state, x = step.init(built, jax.random.key(1)), X[0]
    params = jax.device_get(state.params.encoder)
    average = jax.tree.map(lambda leaf: -0.5 * leaf, params)
    after, metrics = step.train_step(built, state.replace(ema=Players(average)), x)

    def by_hand(teacher):
        key = jax.random.fold_in(jax.random.fold_in(state.key, 1), 0)
        by = Noise(example_keys(key, 0, SIZE))("augment", uniform(3))

        def consistency(params):
            target, found = (
                jax.nn.log_softmax(network.apply(theta, images, jnp.zeros((SIZE, 0))).logits)
                for theta, images in ((teacher, x), (params, x * (1 + by)))
            )
            return jnp.mean(jnp.sum(jnp.exp(target) * (target - found), axis=-1))

        return jax.value_and_grad(consistency)(params)

    expected, slope = by_hand(average)
    np.testing.assert_allclose(metrics["augmentation_consistency"], expected, rtol=1e-4)
    moved = jax.tree.map(lambda theta, down: theta - 0.11 * down, params, slope)
    chex.assert_trees_all_close(after.params.encoder, moved, rtol=1e-5, atol=1e-6)
    assert abs(by_hand(params)[0] - expected) > 0.1 * expected


def samples(built, params, seed, scale=1.0):
    x = X[0]
    key = jax.random.key(seed)
    z = model.encode(built, params, x, key)
    fixed = Code(vector=jnp.ones_like(z.vector), category=jnp.eye(4)[jnp.arange(len(x)) % 4])
    return z.vector, model.decode(built, params, fixed, key, scale)


def test_noise_of_size_0_is_deterministic_and_noise_is_not():
    silent = check(
        Game(
            Players(
                networks.encoder(games.LAYOUT, games.SHAPE, "deterministic", 2, 4),
                networks.generator(games.LAYOUT, games.SHAPE, 2, 4),
                *IAE.networks[2:],
            ),
            IAE.prior,
            cell("joint_reconstruction", "marginal_code"),
            IAE.optimizers,
        ),
        games.SHAPE,
    )
    quiet = step.init(silent, jax.random.key(1)).params
    for one, other in zip(samples(silent, quiet, 1), samples(silent, quiet, 2), strict=True):
        np.testing.assert_array_equal(one, other)
    noisy = fresh().params
    for one, other in zip(samples(IAE, noisy, 1), samples(IAE, noisy, 2), strict=True):
        assert (np.abs(one - other).max(axis=-1) > 1e-4).all()


def test_local_scale_0_makes_a_noisy_generator_deterministic():
    params = fresh().params
    np.testing.assert_array_equal(samples(IAE, params, 1, 0.0)[1], samples(IAE, params, 2, 0.0)[1])
    assert not np.allclose(samples(IAE, params, 1, 0.5)[1], samples(IAE, params, 1, 1.0)[1])


def test_the_game_passes_its_local_scale_at_the_step():
    """A schedule that is 0 before step 3: until then the key does not matter to x_hat."""
    built = check(
        Game(
            Players(
                networks.encoder(games.LAYOUT, games.SHAPE, "deterministic", 2),
                networks.generator(games.LAYOUT, games.SHAPE, 2, noise=2),
                networks.discriminator(games.LAYOUT, games.SHAPE, ("x", "z"), 2),
            ),
            priors.gaussian(2),
            cell("joint_reconstruction"),
            IAE.optimizers,
            local_scale=lambda t: jnp.where(t < 3, 0.0, 1.0),
        ),
        games.SHAPE,
    )
    params = step.init(built, jax.random.key(1)).params

    def logit(seed, t):
        noise = Noise(example_keys(jax.random.key(seed), 0, SIZE))
        metrics = game.losses(built, params, noise, {"x": X[0]}, jnp.int32(t))[1]
        return metrics["reconstruction_denominator_logit"]

    np.testing.assert_array_equal(logit(1, 2), logit(2, 2))
    assert (logit(1, 3) != logit(2, 3)).all()


def test_a_sampled_category_has_the_frequency_of_its_probability():
    logits = jnp.log(jnp.array([0.1, 0.2, 0.7]))
    keys = example_keys(jax.random.key(1), 0, 4000)
    encoding = Encoding(logits=jnp.tile(logits, (4000, 1)))
    z = draws.Draws(IAE, Players(), Noise(keys), {}).code_of(encoding)
    np.testing.assert_allclose(z.category.mean(axis=0), [0.1, 0.2, 0.7], atol=0.03)
    np.testing.assert_allclose(z.probabilities[5], [0.1, 0.2, 0.7], atol=1e-6)


def test_optimizer_state_is_kept_per_player():
    """Oracle: optax's own count in a GAN whose discriminator moves twice a step."""
    built = games.build("marginal_data", "none", turns=game.TWO_TO_ONE)
    built = built._replace(optimizers=Players(*[optax.adam(1e-3)] * 4))
    state, _ = parallel.Chunk(built, CPU[:1])(step.init(built, jax.random.key(1)), X)
    counts = [int(opt_state[0].count) for opt_state in state.opt_state]
    assert counts == [0, STEPS, 2 * STEPS, 0]
