"""train_step: devices, microbatches, noise, seeds, the moving average.

Oracles: one device on the same global batch (for several devices), one step at a time (for
chunks), one seed at a time (for vmap), a recurrence in numpy (for the moving average).
"""

import functools
import os
import subprocess
import sys

import chex
import games
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from iae_jax import networks
from iae_jax.devices import parallel
from iae_jax.errors import InputError
from iae_jax.game import game, step
from iae_jax.game.check import check
from iae_jax.objectives import scoring
from iae_jax.objectives.adversarial import R1, Adversary
from iae_jax.objectives.auxiliary import Aggregated, MarginalKL
from iae_jax.objectives.consistency import Consistency
from iae_jax.objectives.grid import cell
from iae_jax.objectives.weights import Weight
from iae_jax.sampling import draws, model, priors
from iae_jax.sampling.noise import NUMBERS, Noise, example_keys, normal, to_unit, uniform
from iae_jax.types import Augment, Code, Encoding, Game, Players

# An implicit encoder, a generator with a local code, a product code whose marginal has means over
# the global batch, R1 every other step.
ADVERSARIES = (
    Adversary(scoring.NON_SATURATING, (R1(0.8, 2),)),
    Adversary(scoring.KL),
)
IAE = games.build(
    "joint_reconstruction",
    "marginal_code",
    "product",
    ADVERSARIES,
    (MarginalKL(Weight(3.0)),),
    ema_decay=0.15,
)
STEPS, SIZE = 4, 16
X = games.batch(5, STEPS, SIZE)
CPU = jax.devices("cpu")


def fresh(seed=1):
    return initialize(jax.random.key(seed))


initialize = jax.jit(functools.partial(step.init, IAE))
compiled = functools.cache(lambda devices: parallel.Chunk(IAE, CPU[:devices]))
one_step = functools.cache(lambda: parallel.compile_step(IAE, CPU[:1]))


def run(devices, batches=X, state=None):
    return jax.device_get(compiled(devices)(state or fresh(), batches))


def data_of(state):
    """A state as plain arrays, the key included."""
    return state.replace(key=jax.random.key_data(state.key))


@pytest.fixture(scope="module")
def alone():
    """The reference: one device."""
    return run(1)


def close(a, b):
    chex.assert_trees_all_close(
        (a[0].params, a[0].ema, a[1]), (b[0].params, b[0].ema, b[1]), rtol=1e-4, atol=2e-6
    )


def test_there_are_eight_devices():
    assert len(CPU) == 8


@pytest.mark.parametrize("devices", [2, 4, 8])
def test_several_devices_are_one_device(alone, devices):
    together = run(devices)
    close(together, alone)
    assert together[0].step == STEPS
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), fresh().params, alone[0].params)
    assert min(jax.tree.leaves(moved)) > 1e-4  # far above the tolerance


@pytest.mark.parametrize(("devices", "microbatches"), [(1, 2), (1, 8), (2, 4)])
def test_microbatches_are_the_whole(alone, devices, microbatches):
    """To 1e-5, with codes whose mean and covariance are those of the global batch."""
    cut = jax.device_get(parallel.Chunk(IAE, CPU[:devices], microbatches)(fresh(), X))
    chex.assert_trees_all_close(
        (cut[0].params, cut[1]), (alone[0].params, alone[1]), rtol=1e-5, atol=2e-6
    )


def test_a_microbatch_alone_is_not_the_whole(alone, monkeypatch):
    """What the test above would see if a microbatch had its own mean and covariance."""
    monkeypatch.setattr(draws.BatchMeans, "__call__", lambda self, name, value: value)
    wrong = jax.device_get(parallel.Chunk(IAE, CPU[:1], 2)(fresh(), X))
    with pytest.raises(AssertionError, match="Not equal"):
        close(wrong, alone)


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


@pytest.mark.parametrize("forgotten", ["of the gradients", "of the aggregated posterior"])
def test_a_forgotten_pmean_is_noticed(alone, monkeypatch, forgotten):
    pmean = jax.lax.pmean

    def partial(tree, axis_name):
        of_gradients = not isinstance(tree, Aggregated)
        skip = of_gradients == (forgotten == "of the gradients")
        return tree if skip else pmean(tree, axis_name)

    monkeypatch.setattr(jax.lax, "pmean", partial)
    wrong = jax.device_get(parallel.Chunk(IAE, CPU[:2])(fresh(), X))
    with pytest.raises(AssertionError, match="Not equal"):
        close(wrong, alone)


def test_a_chunk_is_its_steps_one_by_one(alone):
    state = fresh()
    for t in range(STEPS):
        state, metrics = one_step()(state, X[t])
        np.testing.assert_allclose(metrics["reconstruction"], alone[1]["reconstruction"][t], 1e-5)
    chex.assert_trees_all_close(state.params, alone[0].params, rtol=1e-5, atol=1e-6)


def test_resident_indices_are_explicit_batches():
    """Cut over two devices, with a copy of the data on each. Oracle: the images themselves, on the
    same two devices, so that an order of summation does not differ."""
    images = np.random.default_rng(3).integers(0, 256, (50, 3), dtype=np.uint8)
    indices = np.random.default_rng(4).integers(0, 50, (STEPS, SIZE))
    placed = parallel.place(images, CPU[:2])
    found = compiled(2)(fresh(), jnp.asarray(indices), sets={"x": placed})
    explicit = run(2, to_unit(jnp.asarray(images[indices])))
    (state, metrics), (expected, values) = jax.device_get(found), explicit
    for name in ("params", "ema", "opt_state"):
        one, other = getattr(state, name), getattr(expected, name)
        chex.assert_trees_all_close(one, other, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(metrics, values, rtol=1e-5, atol=1e-6)


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


# ------------------------------------------------------------------------------------- noise


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


def test_noise_belongs_to_the_example_of_the_global_batch():
    """Every example has its own noise, wherever the batch is cut; every name another."""
    key = jax.random.key(7)
    keys = example_keys(key, 0, 8)
    cut = [example_keys(key, start, 2) for start in (0, 2, 4, 6)]
    bits = np.concatenate([jax.random.key_data(part) for part in cut])
    np.testing.assert_array_equal(jax.random.key_data(keys), bits)
    # The keys are the same bits; what a processor makes of them may be rounded by the array's size.
    whole = Noise(keys)("local", normal(3))
    parts = np.concatenate([Noise(part)("local", normal(3)) for part in cut])
    np.testing.assert_array_max_ulp(np.asarray(whole), parts, maxulp=2)
    assert len(np.unique(whole)) == whole.size
    kinds = [Noise(keys)(name, normal(3)) for name in NUMBERS]
    assert len(np.unique(np.stack(kinds))) == len(NUMBERS) * 8 * 3
    many = Noise(example_keys(key, 0, 4000))("encoder", normal(2))
    np.testing.assert_allclose(many.mean(axis=0), 0, atol=0.06)  # 4 standard errors
    np.testing.assert_allclose(np.cov(many.T), np.eye(2), atol=0.09)


def test_a_sampled_category_has_the_frequency_of_its_probability():
    logits = jnp.log(jnp.array([0.1, 0.2, 0.7]))
    keys = example_keys(jax.random.key(1), 0, 4000)
    encoding = Encoding(logits=jnp.tile(logits, (4000, 1)))
    z = draws.Draws(IAE, Players(), Noise(keys), {}).code_of(encoding)
    np.testing.assert_allclose(z.category.mean(axis=0), [0.1, 0.2, 0.7], atol=0.03)
    np.testing.assert_allclose(z.probabilities[5], [0.1, 0.2, 0.7], atol=1e-6)


# ------------------------------------------------------------------------------------- input


@pytest.mark.parametrize("size,devices", [(10, 4), (3, 2), (0, 2)])
def test_a_batch_that_cannot_be_cut_is_refused(size, devices):
    with pytest.raises(InputError, match=f"use a multiple of {devices}"):
        parallel.check_divisible(size, devices)
    chunk = parallel.Chunk(IAE, CPU[:devices])
    with pytest.raises(InputError, match=f"batch of {size} is not divisible by {devices} devices"):
        chunk(fresh(), jnp.zeros((1, size, 3)))


def test_bytes_are_scaled_to_the_unit_interval_and_floats_are_not():
    scaled = to_unit(jnp.array([0, 51, 255], jnp.uint8))
    np.testing.assert_allclose(scaled, [0, 0.2, 1], rtol=2e-7)  # one ulp
    np.testing.assert_array_equal(to_unit(jnp.array([-3.0, 7.0])), [-3.0, 7.0])


def test_optimizer_state_is_kept_per_player():
    """Oracle: optax's own count in a GAN whose discriminator moves twice a step."""
    built = games.build("marginal_data", "none", turns=game.TWO_TO_ONE)
    built = built._replace(optimizers=Players(*[optax.adam(1e-3)] * 4))
    state, _ = parallel.Chunk(built, CPU[:1])(step.init(built, jax.random.key(1)), X)
    counts = [int(opt_state[0].count) for opt_state in state.opt_state]
    assert counts == [0, STEPS, 2 * STEPS, 0]


def test_programs_are_kept_for_the_next_process(tmp_path):
    """In processes of their own: the folder that the user chose stays."""
    script = (
        "import sys, jax, pathlib\n"
        "from iae_jax.devices.parallel import keep_compiled\n"
        "keep_compiled(pathlib.Path(sys.argv[1]))\n"
        "jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)\n"
        "jax.jit(lambda x: x @ x)(jax.numpy.ones((3, 3)))\n"
    )
    ours, chosen = tmp_path / "ours", tmp_path / "chosen"
    plain = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    for environment in (plain, plain | {"JAX_COMPILATION_CACHE_DIR": str(chosen)}):
        subprocess.run([sys.executable, "-c", script, ours], env=environment, check=True)
        if environment is plain:
            kept = sorted(path.name for path in ours.iterdir())
            assert any("lambda" in name for name in kept)
    assert any("lambda" in path.name for path in chosen.iterdir())
    assert sorted(path.name for path in ours.iterdir()) == kept
