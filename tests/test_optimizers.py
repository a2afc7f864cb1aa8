"""Optimizers of a config: rates by step, warm-up, clipping. The oracle is SGD by hand."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from iae_jax.errors import InputError
from iae_jax.game.game import PHASES, TWO_TO_ONE
from iae_jax.game.optimizers import Optimizer, by_turn, optimizer
from iae_jax.runs.build import build
from iae_jax.runs.config import Config
from iae_jax.runs.config_changes import set_fields


@pytest.mark.parametrize(
    ("decay", "rates"), [("constant", [0.1, 0.1, 0.1]), ("cosine", [0.1, 0.06, 0.02])]
)
@pytest.mark.parametrize(("player", "moves"), [("encoder", 1), ("regularization_discriminator", 2)])
def test_a_learning_rate_follows_its_schedule(decay, rates, player, moves):
    """SGD's move is the rate; half way down a cosine is the middle. A player that moves twice a
    step is as far along it as the others."""
    config = Optimizer(kind="sgd", rate=0.1, decay=decay, final=0.2)
    tx = optimizer(config, 4, TWO_TO_ONE, player)
    state, taken = tx.init(jnp.zeros(())), []
    for _ in range(5 * moves):
        update, state = tx.update(jnp.ones(()), state)
        taken.append(-float(update))
    for move in range(moves):
        np.testing.assert_allclose(taken[move :: 2 * moves], rates, rtol=1e-6)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("kind", "adamw", "encoder.optimizer.kind is one of adam, sgd, or MODULE:NAME"),
        ("decay", "linear", "decay is one of constant, cosine, warmup_cosine, not 'linear'"),
        ("rate", 0.0, "positive"),
        ("b1", 1.5, "b1 of adam"),
        ("b2", -0.1, "b2 of adam"),
        ("final", -1.0, "share of the rate"),
        ("warmup_steps", 10, "warmup_steps are from 0 to"),
        ("clip", -1.0, "largest norm"),
    ],
)
def test_an_optimizer_that_is_not_there_is_refused(field, value, message):
    config = Optimizer()
    setattr(config, field, value)
    with pytest.raises(InputError, match=message):
        optimizer(config, 10, TWO_TO_ONE, "encoder")


def test_a_rate_warms_up_and_a_gradient_is_clipped():
    """Oracle: SGD by hand, for a player of two moves a step."""
    config = Optimizer("sgd", rate=0.8, final=0.5, warmup_steps=2, clip=2.0)
    tx = optimizer(config, 4, TWO_TO_ONE, "reconstruction_discriminator")
    params = {"a": jnp.zeros(2), "b": jnp.zeros(())}
    memory = tx.init(params)
    moves = []
    for scale in (1.0, 1.0, 0.01, 1.0, 0.01, 1.0):
        gradient = {"a": scale * jnp.array([3.0, 0.0]), "b": scale * jnp.array(-4.0)}
        updates, memory = tx.update(gradient, memory, params)
        moves.append([*updates["a"].tolist(), float(updates["b"])])
    cosine = [0.8 * (0.25 + 0.25 * np.cos(np.pi * step / 4) + 0.5) for step in (0, 1, 2)]
    rates = np.repeat([cosine[0] / 2, cosine[1], cosine[2]], 2)
    lengths = np.array([2.0, 2.0, 0.05, 2.0, 0.05, 2.0])  # the gradient's own is 5 or 0.05
    expected = -np.outer(rates * lengths, [0.6, 0.0, -0.8])
    np.testing.assert_allclose(moves, expected, rtol=1e-5, atol=1e-7)


def test_a_cosine_after_a_warm_up():
    """Oracle: by hand, from 0 to the rate in 2 steps, and down a cosine in the 4 that are left."""
    config = Optimizer("sgd", rate=0.8, decay="warmup_cosine", final=0.25, warmup_steps=2)
    tx = optimizer(config, 6, TWO_TO_ONE, "encoder")
    state, taken = tx.init(jnp.zeros(())), []
    for _ in range(8):
        update, state = tx.update(jnp.ones(()), state)
        taken.append(-float(update))
    falling = [0.8 * (0.25 + 0.75 * (1 + np.cos(np.pi * step / 4)) / 2) for step in range(5)]
    np.testing.assert_allclose(taken, [0, 0.4, *falling, 0.2], rtol=1e-5, atol=1e-7)


def test_each_turn_has_moments_of_its_own():
    """Oracle: two optimizers apart."""
    own = optax.adam(0.1), optax.adam(0.02, b1=0.5)
    together = by_turn([own[0], None, own[1]])
    params = jnp.array([1.0, -2.0])
    memory, apart = together.init(params), [one.init(params) for one in own]
    for step, gradient in enumerate(jnp.array([[1.0, 0.5], [-3.0, 2.0], [0.1, -1.0]])):
        for number, turn in enumerate((0, 2)):
            found, memory = together.update((step + turn) * gradient, memory, params, turn=turn)
            expected, apart[number] = own[number].update((step + turn) * gradient, apart[number])
            np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_in_phases_the_encoder_follows_the_codes_by_their_discriminators_rate():
    config = Config(turns="phases", steps=8)
    config.auxiliary.marginal.weight.value = 0.0
    for player, rate in ((config.encoder, 0.1), (config.regularization, 0.5)):
        player.optimizer = Optimizer("sgd", rate=rate, decay="constant")
    game = build(config, (8, 8, 1))
    moves = game.optimizers.encoder
    memory, taken = moves.init(jnp.ones(())), {}
    for number, turn in enumerate(PHASES):
        if "encoder" in turn.movers:
            update, memory = moves.update(jnp.ones(()), memory, turn=number)
            taken[turn.losses] = -float(update)
    assert taken == {
        ("reconstruction",): pytest.approx(0.1),
        ("regularization",): pytest.approx(0.5),
        ("label_cross_entropy",): pytest.approx(0.1),
    }


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"prior.kind": "mixture(components=3)"}, "moves the generator by the loss regularization"),
        (
            {"reconstruction.kind": "none", "regularization.kind": "marginal_data"},
            "moves the generator by the loss regularization",
        ),
        ({"auxiliary.marginal.weight.value": 1.0}, "moves the encoder by the loss marginal_kl"),
    ],
)
def test_phases_that_would_never_train_something_are_refused(changed, message):
    config = Config(turns="phases", steps=8)
    config.auxiliary.marginal.weight.value = config.auxiliary.prior_fit.weight.value = 0.0
    config.prior.adversarial = True
    set_fields(config, changed)
    with pytest.raises(InputError, match=message):
        build(config, (8, 8, 1))
