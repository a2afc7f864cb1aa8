"""Own gradients and turns, for every cell of the grid and every kind of code.

Oracle of a gradient: the derivative of that player's own loss alone (one pullback for each player
of the same forward pass). Oracle of a loss: who pays for what, added up here from the terms'
metrics. Oracle of a turn: bits.

What is computed once is not compiled: operations of the same shapes are compiled for all games
together.
"""

import chex
import games
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from iae_jax.errors import InputError
from iae_jax.game import check, game, step
from iae_jax.objectives import scoring
from iae_jax.objectives.adversarial import R1, Adversary
from iae_jax.objectives.auxiliary import ConditionalEntropy, MarginalKL
from iae_jax.objectives.weights import Weight
from iae_jax.sampling.noise import Noise, example_keys
from iae_jax.types import AUTOENCODER, DISCRIMINATORS, Players, Turn

IAE = ("joint_reconstruction", "marginal_code", "product")
# Two scorings, so that neither the two discriminators nor the two sides share a loss.
ADVERSARIES = (
    Adversary(scoring.NON_SATURATING, (R1(0.8),), numerator_weight=0.6),
    Adversary(scoring.KL, (R1(0.3),), denominator_weight=1.7),
)
# Every cell, the kinds of code in turn so that each row and each column meets all three, and IAE
# with all of them.
CASES = [
    (*cell, ("vector", "category", "product")[index % 3]) for index, cell in enumerate(games.CELLS)
] + [(*IAE[:2], "vector"), (*IAE[:2], "product")]


def played(row, column, code, **options):
    added = []
    if row != "marginal_data":
        added.append(MarginalKL(Weight(0.4)))
        if code != "vector":
            added.append(ConditionalEntropy(Weight(0.2)))
    return games.build(row, column, code, ADVERSARIES, tuple(added), **options)


def bits_equal(a, b):
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return [np.asarray(p).tobytes() == np.asarray(q).tobytes() for p, q in pairs]


@pytest.mark.heavy
@pytest.mark.parametrize("row,column,code", CASES)
def test_own_gradient_is_the_gradient_of_the_own_loss(row, column, code):
    built = played(row, column, code)
    params = step.init(built, jax.random.key(1)).params
    # Away from zero biases and from zero logits of a category's discriminator.
    params = jax.tree.map(lambda p: p + 0.1 * jnp.cos(jnp.arange(p.size).reshape(p.shape)), params)
    batch, noise = {"x": games.batch(2, 6)}, Noise(example_keys(jax.random.key(3), 0, 6))
    present = [name for name in Players._fields if getattr(params, name) is not None]

    def losses(params):
        return game.losses(built, params, noise, batch, jnp.int32(4))

    values, pull, metrics = jax.vjp(losses, params, has_aux=True)
    zeros = jax.tree.map(jnp.zeros_like, values)
    found, _ = game.own_gradients(losses, params, game.SIMULTANEOUS[0].movers)
    for name in Players._fields:
        if name not in present:
            assert getattr(found, name) is None and getattr(values, name) is None
            continue
        expected = getattr(pull(zeros._replace(**{name: jnp.ones(())}))[0], name)
        chex.assert_trees_all_close(getattr(found, name), expected, rtol=1e-5, atol=1e-6)
        assert max(float(jnp.abs(g).max()) for g in jax.tree.leaves(expected)) > 1e-4

    autoencoder = sum(
        metrics[name].mean()
        for name in ("reconstruction", "regularization", "marginal_kl", "conditional_entropy")
        if name in metrics
    )
    for name in set(present) & set(AUTOENCODER):
        np.testing.assert_allclose(getattr(values, name), autoencoder, rtol=1e-5)
    for name in set(present) - set(AUTOENCODER):
        loss = metrics[name].mean()
        assert getattr(values, name) >= loss  # plus R1, which is not negative


@pytest.mark.heavy
@pytest.mark.parametrize("movers", [AUTOENCODER, DISCRIMINATORS, ("generator",)], ids="+".join)
@pytest.mark.parametrize("row,column", games.CELLS)
def test_movers_move_and_the_others_do_not(row, column, movers):
    if movers == ("generator",) and (row, column) != IAE[:2]:
        return  # one cell shows that encoder and generator are apart
    built = played(row, column, "vector", turns=(Turn(movers),))
    before = step.init(built, jax.random.key(1))
    if not any(getattr(before.params, name) for name in movers):
        return  # a cell without discriminators
    after, _ = step.train_step(built, before, games.batch(2, 6))
    for name in Players._fields:
        same = bits_equal(getattr(before.params, name), getattr(after.params, name))
        if name in movers:
            assert not any(same), f"{name} has a parameter that did not move"
        else:
            assert all(same), f"{name} moved out of its turn"


@pytest.mark.heavy
@pytest.mark.parametrize("turns", game.TURNS.values(), ids=game.TURNS)
def test_turns_are_one_gradient_step_each(turns):
    """Oracle: plain SGD by hand, turn after turn, from the losses alone."""
    built = games.build(*IAE[:2], "vector", ADVERSARIES, turns=turns)
    state = step.init(built, jax.random.key(1))
    x = games.batch(2, 4)
    rates = dict(zip(Players._fields, games.RATES, strict=True))
    params = state.params
    for number, turn in enumerate(turns):
        key = jax.random.fold_in(jax.random.fold_in(state.key, 1), number)
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(4))
        noise = Noise(keys)

        def own_losses(params, noise=noise, turn=turn):
            values, metrics = game.losses(built, params, noise, {"x": x}, jnp.int32(0))
            names = [name for name in ("reconstruction", "regularization") if turn.has(name)]
            loss = sum((metrics[name].mean() for name in names), start=jnp.zeros(()))
            return values._replace(encoder=loss, generator=loss)

        values, pull = jax.vjp(own_losses, params)
        zeros = jax.tree.map(jnp.zeros_like, values)
        for name in turn.movers:
            # Of the own loss by the own parameters: an entry of the Jacobian's diagonal.
            own = getattr(pull(zeros._replace(**{name: jnp.ones(())}))[0], name)
            change = jax.tree.map(lambda g, rate=rates[name]: -rate * g, own)
            params = params._replace(**{name: optax.apply_updates(getattr(params, name), change)})
    after, metrics = step.train_step(built, state, x)
    chex.assert_trees_all_close(after.params, params, rtol=1e-5, atol=1e-6)
    # Also of phases, the last of which is by labels, and there are none.
    assert all(metrics[f"{name}_gradient_norm"] > 0 for name in Players._fields)
    assert after.step == 1


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ((Turn(AUTOENCODER, ("reconstruction",)), Turn(DISCRIMINATORS)), "loss regularization"),
        ((Turn(AUTOENCODER), Turn(DISCRIMINATORS, ("regularization",))), "without its reconstr"),
        ((Turn(AUTOENCODER, ("reconstruction", "regularization")),), "the loss marginal_kl"),
    ],
)
def test_turns_that_leave_a_loss_out_are_refused(turns, message):
    built = games.build(*IAE[:2])
    kl = MarginalKL(Weight(1.0))
    losses = built.objective._replace(auxiliary=(kl,) if "kl" in message else ())
    with pytest.raises(InputError, match=message):
        check.check(built._replace(turns=turns, objective=losses), games.SHAPE)


def test_lazy_r1_is_active_every_interval_steps():
    """The discriminator's loss minus its loss without R1 is the penalty: interval times the plain
    one at steps 0, k, 2k ..., and 0 between, also in the gradient."""
    interval = 3

    def penalty(r1):
        built = games.build(IAE[0], "none", IAE[2], (Adversary(penalties=(r1,)), Adversary()))
        params = step.init(built, jax.random.key(1)).params
        keys, batch = example_keys(jax.random.key(3), 0, 6), {"x": games.batch(2, 6)}

        @jax.jit
        def at(t):
            noise = Noise(keys)

            def loss(theta):
                moved = params._replace(reconstruction_discriminator=theta)
                values, metrics = game.losses(built, moved, noise, batch, t)
                without = metrics["reconstruction_discriminator"].mean()
                return values.reconstruction_discriminator - without

            value, gradient = jax.value_and_grad(loss)(params.reconstruction_discriminator)
            return value, optax.global_norm(gradient)

        return at

    plain, lazy = penalty(R1(0.8)), penalty(R1(0.8, interval))
    assert plain(jnp.int32(1))[0] > 1e-3
    for t in range(2 * interval + 1):
        factor = interval if t % interval == 0 else 0
        np.testing.assert_allclose(
            lazy(jnp.int32(t)), factor * np.array(plain(jnp.int32(t))), rtol=1e-4, atol=1e-7
        )
