"""Checkpoints: round trip, old names, retention, Orbax silenced. The oracles are numpy copies."""

import json
import logging
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import absl.logging
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from states import CONFIG, TEMPLATE, advance, arrays, at, init, load, one_line, same, save

from iae_jax.errors import InputError
from iae_jax.files.checksums import MANIFEST
from iae_jax.runs import checkpoint_record, renamed
from iae_jax.runs.checkpoint import Checkpoints
from iae_jax.runs.config import Config, identity
from iae_jax.runs.config_difference import difference
from iae_jax.runs.orbax_manager import quiet_orbax
from iae_jax.runs.workdir import check_unchanged


@pytest.fixture(autouse=True)
def quiet():
    with quiet_orbax():
        yield


# --- round trip -----------------------------------------------------------------------------


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_a_restore_is_bitwise_the_state_that_was_saved(tmp_path, impl):
    state = at(12, seed=7, impl=impl)
    expected, noise = arrays(state), np.array(jax.random.normal(state.key, (4,)))
    with Checkpoints(tmp_path / "new" / "place", keep=2) as checkpoints:
        assert checkpoints.restore(state) is None
        checkpoints.save(state, CONFIG, {"error": 0.1}, {"lines": 31, "seconds": 2.5})
    template = jax.eval_shape(partial(init, impl=impl))
    with Checkpoints(str(tmp_path / "new" / "place"), keep=2) as checkpoints:
        assert difference(checkpoints.config(), CONFIG) == []
        restored = checkpoints.restore(template)
    assert same(restored.state, expected)
    assert restored.state.params.generator is None
    np.testing.assert_array_equal(jax.random.normal(restored.state.key, (4,)), noise)
    assert restored.metrics == {"error": 0.1} and restored.step == 12
    assert restored.extra == {"lines": 31, "seconds": 2.5}
    (device,) = {leaf.sharding for leaf in jax.tree.leaves(restored.state)}
    assert device == jax.sharding.SingleDeviceSharding(jax.devices()[0])


def test_seeds_that_are_trained_at_once_are_one_checkpoint(tmp_path):
    """Every array has a leading axis, the step too."""
    state = jax.tree.map(lambda *leaves: jnp.stack(leaves), at(5, seed=1), at(5, seed=2))
    with Checkpoints(tmp_path, keep=1) as checkpoints:
        checkpoints.save(state, CONFIG, {}, {})
    with Checkpoints(tmp_path, keep=1) as checkpoints:
        restored = checkpoints.restore(state)
    assert restored.step == 5 and same(restored.state, arrays(state))


def test_the_state_may_be_donated_before_and_after(tmp_path):
    state = at(5)
    expected, stepped = arrays(state), arrays(advance(state))
    donating = jax.jit(advance, donate_argnums=0)
    with Checkpoints(tmp_path, keep=1) as checkpoints:
        checkpoints.save(state, CONFIG, {}, {})
        donating(state)
        assert state.params.encoder["kernel"].is_deleted()
        restored = checkpoints.restore(TEMPLATE)
        assert same(restored.state, expected)
        assert same(donating(restored.state), stepped)
        assert same(checkpoints.restore(TEMPLATE).state, expected)


def test_a_save_runs_in_the_background_and_keeps_its_state(tmp_path):
    """The state's memory is overwritten again and again while it is saved."""
    state = at(5)
    expected = arrays(state)
    donating = jax.jit(advance, donate_argnums=0)
    with Checkpoints(tmp_path, keep=1) as checkpoints:
        checkpoints.save(state, CONFIG, {}, {})
        behind = not (tmp_path / "5" / MANIFEST).exists()
        for _ in range(50):
            state = donating(state)
    assert behind and (tmp_path / "5" / MANIFEST).exists()
    assert same(load(tmp_path).state, expected)


def test_an_empty_directory_holds_nothing(tmp_path):
    with Checkpoints(tmp_path, keep=1, best="error") as checkpoints:
        assert checkpoints.restore(TEMPLATE) is None and checkpoints.config() is None
        assert checkpoints.latest_step() is None and checkpoints.best_step() is None
        assert checkpoints.steps() == []


def with_old_names(state, own=checkpoint_record.named_arrays):
    """As the package named arrays before."""
    return {re.sub("^ema/", "average/", name): leaf for name, leaf in own(state).items()}


def test_a_checkpoint_with_old_names_is_restored_and_continued(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint_record, "named_arrays", with_old_names)
        save(tmp_path, at(3, seed=3))
    names = json.loads((tmp_path / "3" / "record" / "metadata").read_text())["arrays"]
    assert "average/encoder/kernel" in names and not any(name[:4] == "ema/" for name in names)
    assert same(load(tmp_path).state, arrays(at(3, seed=3)))
    save(tmp_path, at(3, seed=3), at(4, seed=4))  # the first one is there already
    assert same(load(tmp_path).state, arrays(at(4, seed=4)))
    monkeypatch.setattr(renamed, "ARRAYS", {})
    with Checkpoints(tmp_path, keep=3) as checkpoints, pytest.raises(InputError, match="absent"):
        checkpoints.restore(TEMPLATE, 3)


# --- retention ------------------------------------------------------------------------------


def test_the_last_ones_and_the_best_one_are_kept(tmp_path):
    errors = {1: 0.5, 2: 0.1, 3: 0.9, 4: float("nan"), 5: 0.3, 6: None, 7: 0.4}
    state = at(0)
    for step, error in errors.items():  # reopened every time: the best one is remembered on disk
        with Checkpoints(tmp_path, keep=2, best="error") as checkpoints:
            metrics = {"other": float(step)} | ({} if error is None else {"error": error})
            checkpoints.save(state.replace(step=jnp.int32(step)), CONFIG, metrics, {})
    assert sorted(int(path.name) for path in tmp_path.iterdir()) == [2, 6, 7]
    with Checkpoints(tmp_path, keep=2, best="error") as checkpoints:
        assert checkpoints.best_step() == 2 and checkpoints.latest_step() == 7
        assert checkpoints.restore(TEMPLATE, checkpoints.best_step()).step == 2
        assert checkpoints.restore(TEMPLATE).step == 7


def test_without_a_metric_only_the_last_ones_are_kept(tmp_path):
    with Checkpoints(tmp_path, keep=1) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(at(step), CONFIG, {"error": step}, {})
            checkpoints.settle()
            assert checkpoints.steps() == [step] and checkpoints.best_step() is None
    assert [path.name for path in tmp_path.iterdir()] == ["3"]


def test_an_earlier_step_is_refused_and_the_same_state_is_not_saved_twice(tmp_path):
    save(tmp_path, at(5), at(5))
    for state in (at(4), at(5, seed=1)):
        with pytest.raises(InputError, match="holds checkpoint 5.*new workdir") as error:
            save(tmp_path, state)
        one_line(error)
    assert same(load(tmp_path).state, arrays(at(5)))


def test_orbax_is_quiet_even_under_verbose_absl(tmp_path, caplog):
    save(tmp_path, at(2))
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.INFO, "absl")
    absl.logging.info("ours")
    assert load(tmp_path).step == 2
    assert [record.getMessage() for record in caplog.records] == ["ours"]


def test_orbax_is_quiet_in_the_block_only_and_not_after_an_import():
    program = f"""
import logging, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import orbax.checkpoint
def state():
    return list(logging.getLogger("absl").filters), sys.unraisablehook
before = state()
from iae_jax.runs import checkpoint, train
from iae_jax.runs.orbax_manager import quiet_orbax
assert state() == before, "imports"
with quiet_orbax():
    assert len(state()[0]) == len(before[0]) + 1 and state()[1] != before[1]
    with quiet_orbax():
        pass
    assert len(state()[0]) == len(before[0]) + 1 and state()[1] != before[1]
assert state() == before, "afterwards"
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=240)


# --- configs --------------------------------------------------------------------------------


def test_a_config_that_was_saved_with_old_names_is_the_same_config():
    config = Config()
    config.auxiliary.marginal.weight.value = 0.5
    config.affine.vat_radius = 3.0
    saved = json.loads(json.dumps(identity(config)))
    for new in ("ema", "auxiliary", "prior"):  # `prior` was not there then
        del saved[new]
    del saved["affine"]["vat_radius"]
    saved |= {"average": 0.999}
    saved["affine"]["worst"] = 3.0
    saved["code"] |= {"marginal_weight": 0.5, "teacher": False}
    check_unchanged(saved, config)
    saved["average"], saved["affine"]["worst"] = 0.5, 2.0
    with pytest.raises(InputError, match="ema: 0.5 -> 0.999") as error:
        check_unchanged(saved, config)
    assert "affine.vat_radius: 2.0 -> 3.0" in one_line(error)


# --- difference -----------------------------------------------------------------------------


def test_difference_names_each_field():
    old = {"optimizer": {"rate": 2e-4, "betas": (0.5, 0.9)}, "gone": 1, "noise": None}
    new = {"optimizer": {"rate": 4e-4, "betas": [0.5, 0.9], "clip": 1.0}, "noise": {"size": 3}}
    assert difference(old, new) == [
        "optimizer.rate: 0.0002 -> 0.0004",
        "optimizer.clip: (added) -> 1.0",
        "gone: 1 -> (removed)",
        "noise: None -> {'size': 3}",
    ]
    assert difference(old, old) == []
