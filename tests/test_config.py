"""A config's schedules, checks and identity. The oracle is arithmetic done by hand."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax.errors import InputError
from iae_jax.objectives.weights import Weight, at
from iae_jax.runs.build import adversary, build
from iae_jax.runs.config import (
    Config,
    Generator,
    Term,
    digest,
    identity,
)
from iae_jax.runs.config_changes import completed, hash_of
from iae_jax.runs.config_checks import check_types
from iae_jax.runs.schedules import local_scale, r1_weight, term_weight


def values(schedule, *steps):
    return [float(at(schedule, jnp.float32(step))) for step in steps]


def test_r1_falls_by_equal_factors():
    falling = r1_weight(Term(r1=0.04, r1_final=0.25), steps=200)
    np.testing.assert_allclose(values(falling, 0, 100, 200), [0.04, 0.02, 0.01], rtol=1e-6)
    assert r1_weight(Term(r1=0.04), steps=200) == 0.04
    with pytest.raises(InputError, match="r1_final is a positive share"):
        r1_weight(Term(r1_final=0.0), steps=200)


def test_r1_falls_in_a_part_of_the_run():
    term = Term(r1=0.04, r1_final=0.25, r1_fall_from=0.25, r1_fall_until=0.75)
    found = values(r1_weight(term, steps=200), 0, 50, 100, 150, 200)
    np.testing.assert_allclose(found, [0.04, 0.04, 0.02, 0.01, 0.01], rtol=1e-6)
    for first, last in ((0.5, 0.5), (-0.1, 1.0), (0.0, 1.1)):
        with pytest.raises(InputError, match="r1_fall_from and r1_fall_until are shares"):
            r1_weight(Term(r1_final=0.5, r1_fall_from=first, r1_fall_until=last), steps=200)


def test_the_weight_of_a_term_rises():
    term = Term(weight=0.4, ramp_from=0.25, ramp_start_steps=10, ramp_steps=20)
    np.testing.assert_allclose(
        values(term_weight(term), 0, 10, 15, 30, 99), [0.1, 0.1, 0.175, 0.4, 0.4]
    )
    switch = Term(weight=0.4, ramp_start_steps=10)
    np.testing.assert_allclose(values(term_weight(switch), 0, 10, 11), [0.0, 0.0, 0.4])
    assert term_weight(Term(weight=0.4, ramp_from=0.5)) == 0.4
    for wrong in (Term(ramp_steps=-1), Term(ramp_from=-0.1)):
        with pytest.raises(InputError, match="0 or"):
            term_weight(wrong)


def test_r1_is_on_one_side_or_on_both():
    sides = {
        on: [penalty.on for penalty in adversary(Term(r1=0.5, r1_on=on), 10, "").penalties]
        for on in ("numerator", "denominator", "both")
    }
    assert sides == {
        "numerator": ["numerator"],
        "denominator": ["denominator"],
        "both": ["numerator", "denominator"],
    }
    assert adversary(Term(r1=0.0), 10, "").penalties == ()
    with pytest.raises(InputError, match="R1 is on 'numerator' or on 'denominator', not on 'real'"):
        adversary(Term(r1_on="real"), 10, "")


def test_local_noise_is_ramped():
    ramp = local_scale(Generator(noise=3, ramp_start_steps=10, ramp_steps=20))
    np.testing.assert_allclose(values(ramp, 0, 10, 25, 30, 99), [0, 0, 0.75, 1, 1])
    switch = local_scale(Generator(noise=3, ramp_start_steps=10))
    np.testing.assert_allclose(values(switch, 10, 11), [0, 1])
    assert local_scale(Generator(noise=3)) == 1.0


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        (Weight(2.0), [2, 2, 2, 2, 2]),
        (Weight(2.0, start=0.5, start_steps=10), [0.5, 0.5, 2, 2, 2]),
        (Weight(2.0, start=0.5, start_steps=10, ramp_steps=20), [0.5, 0.5, 0.5, 1.25, 2]),
        (Weight(2.0, ramp_steps=20), [0, 0.9, 1, 2, 2]),
        (Weight(0.0, start=1.0, start_steps=10), [1, 1, 0, 0, 0]),
        (Weight(0.0, start=1.0, ramp_steps=20), [1, 0.55, 0.5, 0, 0]),
    ],
)
def test_the_weight_of_an_auxiliary_loss_is_a_schedule(weight, expected):
    np.testing.assert_allclose(values(weight.scheduled, 0, 9, 10, 20, 30), expected, rtol=1e-6)
    assert not weight.absent


def test_a_weight_of_0_throughout_is_an_absent_loss():
    assert Weight().absent and Weight(0.0, start=1.0).absent and Weight(0.0, start_steps=5).absent
    config = Config()
    assert build(config, (8, 8, 1)).objective.auxiliary == ()
    marginal = config.auxiliary.marginal
    marginal.weight = Weight(0.0, start=1.0, start_steps=3)
    assert build(config, (8, 8, 1)).objective.auxiliary == (marginal,)


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
        ({"ema": 1.0}, "ema is a decay"),
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
    ("field", "value"),
    [
        ("reconstruction.r1", -1.0),
        ("regularization.weight", -1.0),
        ("regularization.numerator_weight", float("nan")),
        ("reconstruction.weight", float("inf")),
        ("generator.deviation", -1.0),
        ("auxiliary.marginal.weight.value", -2.0),
        ("auxiliary.labels.weight.start", float("inf")),
        ("auxiliary.sleep.weight.ramp_steps", -1),
        ("run.resident_megabytes", -1),
    ],
)
def test_a_weight_below_0_is_refused(field, value):
    config = Config()
    section = config
    *parts, last = field.split(".")
    for part in parts:
        section = getattr(section, part)
    setattr(section, last, value)
    with pytest.raises(InputError, match=f"{field} is at least 0"):
        build(config, (8, 8, 1))


def test_a_start_weight_without_first_steps_is_refused():
    config = Config()
    config.auxiliary.marginal.weight = Weight(1.0, start=3.0)
    with pytest.raises(InputError, match="set auxiliary.marginal.weight.start_steps"):
        build(config, (8, 8, 1))


def test_a_batch_without_a_variance_is_refused():
    config = Config(batch_size=2)
    build(config, (8, 8, 1))
    config.auxiliary.marginal.weight.value = 1.0
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


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("data.also", (0,), r"data.also is a list of texts, not \(0,\): quote each"),
        ("metrics", "codes", "metrics is a list of texts, not 'codes'"),
        ("seed", 1.5, "seed is of type int, not 1.5"),
        ("run.keep", True, "run.keep is of type int, not True"),
        ("encoder.optimizer.rate", "1e-3", "encoder.optimizer.rate is of type float, not '1e-3'"),
    ],
)
def test_a_value_of_another_type_is_refused(field, value, message):
    config = Config()
    *parts, last = field.split(".")
    part = functools.reduce(getattr, parts, config)
    setattr(part, last, value)
    with pytest.raises(InputError, match=message):
        check_types(config)
    with pytest.raises(InputError, match=message):
        build(config, (8, 8, 1))
    setattr(part, last, getattr(functools.reduce(getattr, parts, Config()), last))
    config.encoder.optimizer.rate = 1  # a whole number is a number
    check_types(config)


@pytest.mark.parametrize("name, most", [("width", 2**20), ("hidden", 2**20), ("depth", 1000)])
def test_a_network_that_is_too_large_to_trace_is_refused(name, most):
    config = Config()
    for value in (0, most + 1, 1_518_500_250):
        setattr(config.encoder.network, name, value)
        with pytest.raises(
            InputError, match=f"{name} of a network is at least 1 and at most {most}"
        ):
            build(config, (8, 8, 1))
