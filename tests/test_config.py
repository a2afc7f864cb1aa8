"""A config's schedules and identity. The oracle is arithmetic done by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax.errors import InputError
from iae_jax.game.game import TWO_TO_ONE
from iae_jax.runs.build import build, noise_scale, optimizer, r1_weight
from iae_jax.runs.config import (
    Config,
    Generator,
    Optimizer,
    Term,
    completed,
    digest,
    hash_of,
    identity,
)


def at(schedule, *steps):
    return [float(schedule(jnp.float32(step))) for step in steps]


def test_r1_falls_by_equal_factors():
    falling = r1_weight(Term(r1=0.04, r1_final=0.25), steps=200)
    np.testing.assert_allclose(at(falling, 0, 100, 200), [0.04, 0.02, 0.01], rtol=1e-6)
    assert r1_weight(Term(r1=0.04), steps=200) == 0.04
    with pytest.raises(InputError, match="r1_final is a positive share"):
        r1_weight(Term(r1_final=0.0), steps=200)


def test_local_noise_is_ramped():
    ramp = noise_scale(Generator(noise=3, ramp_start_steps=10, ramp_steps=20))
    np.testing.assert_allclose(at(ramp, 0, 10, 25, 30, 99), [0, 0, 0.75, 1, 1])
    switch = noise_scale(Generator(noise=3, ramp_start_steps=10))
    np.testing.assert_allclose(at(switch, 10, 11), [0, 1])
    assert noise_scale(Generator(noise=3)) == 1.0


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
        ("kind", "adamw", "adam or sgd"),
        ("decay", "linear", "constant or cosine"),
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
    lengths = np.array([2.0, 2.0, 0.05, 2.0, 0.05, 2.0])  # the gradient's own is 5 or .05
    expected = -np.outer(rates * lengths, [0.6, 0.0, -0.8])
    np.testing.assert_allclose(moves, expected, rtol=1e-5, atol=1e-7)


def test_what_does_not_change_the_result_is_not_the_runs_identity():
    one, other = Config(), Config()
    other.run.log_steps, other.data.directory = 7, "elsewhere"
    assert digest(one) == digest(other)
    other.encoder.optimizer.b1 = 0.9
    assert digest(one) != digest(other)
    assert "run" not in identity(one) and identity(one)["data"]["name"] == "digits"


def test_a_saved_config_is_completed():
    saved = {"a": 3, "b": {"c": 5}, "gone": 1}
    defaults = {"a": 1, "b": {"c": 2, "new": 7}, "d": {"e": 4}, "f": 6}
    expected = {"a": 3, "b": {"c": 5, "new": 7}, "gone": 1, "d": {"e": 4}, "f": 6}
    assert completed(saved, defaults) == expected
    assert saved == {"a": 3, "b": {"c": 5}, "gone": 1}


def test_a_field_that_is_added_leaves_the_hash_as_it_was():
    config = Config(seed=3)
    config.code.size = 7
    plain, defaults = identity(config), identity(Config())
    before = hash_of(defaults, plain)
    assert before == digest(config)
    for one in (plain, defaults):
        one["new"], one["code"] = 5, one["code"] | {"added": 0.0}
    assert hash_of(defaults, plain) == before
    plain["code"]["added"] = 1.0
    assert hash_of(defaults, plain) != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"turns": "random"}, "turns is one of"),
        ({"average": 1.0}, "average is a decay"),
        ({"seed": -1}, "seed is at least 0"),
        ({"batch_size": 0}, "batch_size is at least 1"),
    ],
)
def test_a_config_that_cannot_be_built_is_refused(change, message):
    config = Config()
    for name, value in change.items():
        setattr(config, name, value)
    with pytest.raises(InputError, match=message):
        build(config, (8, 8, 1))


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("reconstruction", "r1", -1.0),
        ("regularization", "weight", -1.0),
        ("regularization", "numerator_weight", float("nan")),
        ("reconstruction", "weight", float("inf")),
        ("generator", "deviation", -1.0),
        ("code", "marginal_weight", -2.0),
        ("run", "resident_megabytes", -1),
    ],
)
def test_a_weight_below_0_is_refused(part, field, value):
    config = Config()
    setattr(getattr(config, part), field, value)
    with pytest.raises(InputError, match=f"{part}.{field} is at least 0"):
        build(config, (8, 8, 1))


def test_a_batch_without_a_variance_is_refused():
    config = Config(batch_size=2)
    build(config, (8, 8, 1))
    config.code.marginal_weight = 1.0
    with pytest.raises(InputError, match="2 codes have no variance: use a batch_size of"):
        build(config, (8, 8, 1))
    config.batch_size = 3
    build(config, (8, 8, 1))


def test_a_seed_beyond_32_bits_is_refused():
    config = Config(seed=2**32)
    with pytest.raises(InputError, match="seed is below 2"):
        build(config, (8, 8, 1))


def test_a_gaussian_likelihood_without_a_deviation_is_refused():
    config = Config()
    config.reconstruction.kind, config.generator.noise = "likelihood", 0
    config.generator.likelihood, config.generator.deviation = "gaussian", 0.0
    with pytest.raises(InputError, match="generator.deviation of a gaussian likelihood is above 0"):
        build(config, (8, 8, 1))
    config.generator.deviation = 0.1
    build(config, (8, 8, 1))
