"""Games and compiled programs that are kept for the next run of the process.

Oracles: JAX's own log of what it traces and compiles; the numbers of a game that was not kept.
"""

import jax
import numpy as np
import pytest
import tiny

from iae_jax import load
from iae_jax.objectives.auxiliary import MarginalKL
from iae_jax.runs import build as building
from iae_jax.runs.build import build
from iae_jax.runs.programs import MAX_KEPT, kept
from iae_jax.runs.train import train
from iae_jax.types import Game, Players

SHAPE = (8, 8, 1)


def changed(**fields):
    """The tiny config with these fields, "__" for the dots."""
    config = tiny.get_config("vae")
    for name, value in fields.items():
        *parts, last = name.split("__")
        section = config
        for part in parts:
            section = getattr(section, part)
        assert hasattr(section, last), name
        setattr(section, last, value)
    return config


def test_equal_configs_have_one_game():
    game = build(changed(), SHAPE)
    assert build(changed(), SHAPE) is game
    elsewhere = {"data__name": "npz:a.npz", "data__train": "train[:9]", "run__seeds": 3}
    assert build(changed(seed=7, metrics=("module:metric",), **elsewhere), SHAPE) is game


@pytest.mark.parametrize(
    "fields",
    [
        {"steps": 41}, {"batch_size": 17}, {"ema": 0.9}, {"encoder__optimizer__rate": 3e-4},
        {"auxiliary__marginal__weight__value": 0.5}, {"generator__ramp_steps": 21},
        {"data__labels_in_turn": True},
    ],
    ids=str,
)  # fmt: skip
def test_another_config_has_another(fields):
    assert build(changed(**fields), SHAPE) is not build(changed(), SHAPE)


@pytest.mark.parametrize("in_turn", [True, False])
def test_a_game_reads_labels_as_its_config_says(in_turn):
    assert build(changed(data__labels_in_turn=in_turn), SHAPE).labels_in_turn == in_turn


def test_other_data_and_another_class_of_loss_have_another():
    likelihood = {"generator__likelihood": "gaussian"}
    game = build(changed(**likelihood), SHAPE)
    assert build(changed(**likelihood), (8, 8, 3)) is not game
    assert build(changed(**likelihood), SHAPE, "real") is not game
    assert build(changed(**likelihood), SHAPE) is game

    class Twice(MarginalKL):
        def loss(self, draws):
            return 2 * super().loss(draws)

    Twice.__qualname__ = MarginalKL.__qualname__  # alike in print
    weighted = {"auxiliary__marginal__weight__value": 0.5}
    own = changed(**weighted)
    own.auxiliary.marginal = Twice(own.auxiliary.marginal.weight)
    assert repr(own) == repr(changed(**weighted))
    for config, kind in ((changed(**weighted), MarginalKL), (own, Twice)):
        assert type(build(config, SHAPE).objective.auxiliary[0]) is kind


def test_a_config_that_names_code_is_built_anew():
    """The module may have been edited and loaded again."""
    config = changed(encoder__optimizer__kind="optax:adam")
    assert build(config, SHAPE) is not build(config, SHAPE)


def test_a_game_does_not_change_with_the_config_that_it_was_built_of():
    config = changed(auxiliary__marginal__weight__value=0.625)
    game = build(config, SHAPE)
    config.auxiliary.marginal.weight.value = 8.0
    assert game.objective.auxiliary[0].weight.value == 0.625
    again = build(changed(auxiliary__marginal__weight__value=0.625), SHAPE)
    assert again.objective.auxiliary[0].weight.value == 0.625


def test_a_program_is_made_once_for_a_game_and_its_arguments():
    """Games that are equal are not the same: one may have a loss that changes."""
    made = []
    program = kept(lambda game, number: made.append((game.ema_decay, number)) or len(made))
    one, two = (Game(Players(), None, [], Players(), ema_decay=0.625) for _ in range(2))
    assert one == two and one is not two
    assert [program(one, 3), program(one, 4), program(one, 3), program(two, 3)] == [1, 2, 1, 3]
    for number in range(10, 10 + MAX_KEPT):
        program(two, number)
    assert program(one, 3) == len(made)  # made again: the oldest had to go


def compiled(caplog):
    """What JAX has compiled since the last call."""
    begins = "Finished XLA compilation of "
    found = [one.getMessage() for one in caplog.records if one.getMessage().startswith(begins)]
    caplog.clear()
    return [one.removeprefix(begins).split()[0] for one in found]


@pytest.mark.heavy
def test_a_second_run_and_a_second_model_compile_nothing(tmp_path, data_directory, caplog):
    """Another seed, and the same bits as of a game that nothing was kept of."""

    def trained(name, seed):
        config = changed(
            seed=seed, steps=4, run__steps_per_call=2, run__log_steps=2, run__validate_steps=2,
            run__checkpoint_steps=2, data__directory=data_directory, run__classifier=False,
        )  # fmt: skip
        train(config, tmp_path / name)
        model = load(tmp_path / name)
        return jax.tree.leaves(model.params), model.sample(3, seed=1)

    with jax.log_compiles(), caplog.at_level("WARNING"):
        trained("first", 0)
        assert any("_run" in one for one in compiled(caplog))
        params, samples = trained("second", 5)
        assert compiled(caplog) == []
        building._kept.cache_clear()
        others, expected = trained("anew", 5)
        assert any("_run" in one for one in compiled(caplog))
    assert [a.tobytes() for a in params] == [b.tobytes() for b in others]
    np.testing.assert_array_equal(samples, expected)
