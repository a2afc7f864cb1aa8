"""Checkpoints. Expected values are numpy copies taken before; damage is done to the files."""

import json
import logging
import re
import resource
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import absl.logging
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from iae_jax.errors import InputError
from iae_jax.files.checksums import MANIFEST
from iae_jax.runs import checkpoint_record, renamed
from iae_jax.runs.checkpoint import Checkpoints
from iae_jax.runs.config import Config, difference, identity
from iae_jax.runs.orbax_manager import quiet_orbax
from iae_jax.runs.workdir import check_unchanged
from iae_jax.types import Players, TrainState

# When an array of many cannot be read, Orbax does not wait for the others.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

CONFIG = {"optimizer": {"rate": 2e-4, "betas": (0.5, 0.9)}, "name": "digits", "noise": None}


@pytest.fixture(autouse=True)
def quiet():
    with quiet_orbax():
        yield


def optimizer():
    return optax.adam(1e-3)


def init(width=500, impl="threefry2x32"):
    """A state with two absent players, several dtypes and arrays without elements.

    OCDBT checks its own nodes, where arrays up to 1 kB are; the kernels are larger than that.
    """

    def network(n):
        half = jnp.zeros((n,), jnp.bfloat16)
        return {"kernel": jnp.zeros((n, width)), "half": half, "no_noise": jnp.zeros((0, width))}

    params = Players(encoder=network(3), regularization_discriminator=network(4))
    opt_state = Players(*(theta and optimizer().init(theta) for theta in params))
    ema = params._replace(regularization_discriminator=None)
    key = jax.random.key(0, impl=impl)
    return TrainState(jnp.zeros((), jnp.int32), key, params, opt_state, ema)


def at(step, seed=0, impl="threefry2x32"):
    """A state of that step, random in every other array."""
    rng = np.random.default_rng(seed)
    template = jax.eval_shape(partial(init, impl=impl)).replace(step=None, key=None)
    state = jax.tree.map(
        lambda a: jnp.asarray((9 * rng.standard_normal(a.shape)).astype(a.dtype)), template
    )
    return state.replace(step=jnp.int32(step), key=jax.random.key(seed, impl=impl))


@jax.jit
def advance(state):
    """A step that changes every array but the key."""
    params, opt_state = [], []
    for theta, memory in zip(state.params, state.opt_state, strict=True):
        if theta is not None:
            updates, memory = optimizer().update(jax.tree.map(jnp.cos, theta), memory)
            theta = optax.apply_updates(theta, updates)
        params.append(theta)
        opt_state.append(memory)
    ema = jax.tree.map(lambda a: a * 1.01, state.ema)
    return TrainState(state.step + 1, state.key, Players(*params), Players(*opt_state), ema)


def arrays(state):
    """numpy copies of every array; of a key, its data."""
    state = state.replace(key=jax.random.key_data(state.key))
    return jax.tree.map(lambda a: np.array(a, copy=True), state)


def same(state, expected):
    """Bitwise, dtypes and structure included."""
    got = arrays(state)
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    return all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True)
    )


TEMPLATE = jax.eval_shape(init)


def save(directory, *states, **options):
    with Checkpoints(directory, **{"keep": 3, **options}) as checkpoints:
        for state in states:
            checkpoints.save(state, CONFIG, {}, {"lines": int(state.step)})


def load(directory):
    with Checkpoints(directory, keep=3) as checkpoints:
        return checkpoints.restore(TEMPLATE)


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


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


def test_a_save_goes_on_behind_the_caller_and_keeps_what_it_was_given(tmp_path):
    """The state's memory is written over again and again while it is saved."""
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


# --- damage ---------------------------------------------------------------------------------


def delete(path):
    path.unlink()


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    """One bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    directory = tmp_path_factory.mktemp("two")
    save(directory, at(1, seed=1), at(2, seed=2))
    return directory


@pytest.mark.parametrize("damage", [delete, truncate, flip])
def test_damage_to_any_file_is_seen_or_harmless(two, tmp_path, damage, caplog):
    expected = {1: arrays(at(1, seed=1)), 2: arrays(at(2, seed=2))}
    fell_back = []
    for file in sorted(path for path in (two / "2").rglob("*") if path.is_file()):
        caplog.clear()
        shutil.copytree(two, tmp_path, dirs_exist_ok=True)
        damage(tmp_path / file.relative_to(two))
        restored = load(tmp_path)
        assert same(restored.state, expected[restored.step]), file
        assert restored.extra == {"lines": restored.step}
        warnings = [r.getMessage() for r in caplog.records if r.name == "iae_jax.runs.checkpoint"]
        assert len(warnings) == (restored.step == 1), file
        if warnings:
            assert warnings[0].startswith(f"checkpoint 2 in {tmp_path} is broken")
            assert "\n" not in warnings[0]
            fell_back.append(file.relative_to(two / "2"))
        shutil.rmtree(tmp_path / "2")
    # The checks above hold if nothing is ever seen; the files that hold arrays and record must be.
    files = [path for path in (two / "2" / "state").rglob("d/*") if path.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size).relative_to(two / "2")
    assert {largest, Path("record/metadata")} <= set(fell_back)


def test_after_a_fallback_the_broken_one_is_set_aside_and_its_step_saved_again(two, tmp_path):
    shutil.copytree(two, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "2" / "state")
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        assert checkpoints.restore(TEMPLATE).step == 1
        assert checkpoints.steps() == [1] and checkpoints.latest_step() == 1
        assert (tmp_path / "2").exists()  # reading changes nothing
        checkpoints.save(at(2, seed=9), CONFIG, {}, {"lines": 2})
        assert checkpoints.steps() == [1, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "2.broken"]
    assert same(load(tmp_path).state, arrays(at(2, seed=9)))


def test_if_all_are_broken_nothing_starts_from_scratch(two, tmp_path):
    shutil.copytree(two, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "1" / "record")
    shutil.rmtree(tmp_path / "2" / "state")
    with pytest.raises(InputError, match=rf"cannot read checkpoint 1, 2 in {tmp_path}") as error:
        load(tmp_path)
    one_line(error)
    assert (tmp_path / "1").exists() and (tmp_path / "2").exists()


def test_a_step_that_is_asked_for_is_that_step_or_an_error(two, tmp_path):
    shutil.copytree(two, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "2" / "state")
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        for step in (2, 3):
            with pytest.raises(InputError, match=f"checkpoint {step} in") as error:
                checkpoints.restore(TEMPLATE, step)
            one_line(error)
        assert checkpoints.restore(TEMPLATE, 1).step == 1


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (jax.eval_shape(partial(init, width=501)), r"float32\[3, 500\] .* float32\[3, 501\]"),
        (TEMPLATE.replace(params=TEMPLATE.params._replace(encoder=None)), "encoder.* absent here"),
        (jax.eval_shape(partial(init, impl="rbg")), "key<fry>.* key<rbg>"),
    ],
)
def test_a_state_of_another_config_is_refused(two, template, message):
    with Checkpoints(two, keep=2) as checkpoints:
        with pytest.raises(InputError, match=message) as error:
            checkpoints.restore(template)
        assert "workdir" in one_line(error)
        assert checkpoints.restore(TEMPLATE).step == 2  # it is not broken


# --- killed, full, unwritable ---------------------------------------------------------------


def test_a_save_that_is_killed_leaves_the_one_before(tmp_path):
    program = f"""
import os, signal, sys
from pathlib import Path
sys.path[:0] = {[str(Path(__file__).parents[1]), str(Path(__file__).parent)]!r}
import numpy as np
from test_checkpoint import at, save
from iae_jax.types import Players
save({str(tmp_path)!r}, at(1, seed=1))
def in_the_middle(event, args):
    # the last thing that Orbax does to a checkpoint is to give it its name
    if event == "os.rename" and Path(os.fspath(args[1])).name == "2":
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(in_the_middle)
save({str(tmp_path)!r}, at(2, seed=2))
"""
    given = [sys.executable, "-c", program]
    done = subprocess.run(given, capture_output=True, text=True, timeout=240)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = [path for path in tmp_path.iterdir() if path.name != "1"]
    assert left and not (tmp_path / "2").exists()  # it was in the middle
    assert same(load(tmp_path).state, arrays(at(1, seed=1)))
    save(tmp_path, at(3, seed=3))
    assert same(load(tmp_path).state, arrays(at(3, seed=3)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "3"]


def test_what_is_not_a_save_is_left_alone(tmp_path):
    """Of what a directory holds, only what a killed save left is removed."""
    (tmp_path / "thesis.tex").write_text("a")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "b").write_text("b")
    (tmp_path / "7.orbax-checkpoint-tmp").mkdir()
    (tmp_path / "7.orbax-checkpoint-tmp" / "c").write_text("c")
    save(tmp_path, at(8, seed=1))
    assert (tmp_path / "thesis.tex").read_text() == "a"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["8", "docs", "thesis.tex"]
    assert (tmp_path / "docs" / "b").exists()


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path, caplog):
    save(tmp_path, at(1))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Checkpoints(tmp_path, keep=1) as checkpoints:
        resource.setrlimit(resource.RLIMIT_FSIZE, (700, limit[1]))  # no file may be larger
        try:
            with pytest.raises(InputError) as error:
                checkpoints.save(at(2), CONFIG, {}, {})
                checkpoints.settle()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        message = one_line(error)
        assert not caplog.records
        told = f"write checkpoint 2 to {tmp_path} .*File too large.*disk may be full"
        assert re.search(told, message)
        assert checkpoints.steps() == [1]
        assert same(checkpoints.restore(TEMPLATE).state, arrays(at(1)))
        checkpoints.save(at(2), CONFIG, {}, {})  # space was freed
        checkpoints.settle()
        assert checkpoints.steps() == [2]
    assert same(load(tmp_path).state, arrays(at(2)))


def test_a_directory_that_cannot_be_made_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=f"{tmp_path}/file/checkpoints.*workdir") as error:
        Checkpoints(tmp_path / "file" / "checkpoints", keep=1)
    one_line(error)


def test_orbax_is_quiet_even_under_verbose_absl(two, caplog):
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.INFO, "absl")
    absl.logging.info("ours")
    assert load(two).step == 2
    assert [record.getMessage() for record in caplog.records] == ["ours"]


def test_silence_ends_with_its_block_and_is_no_effect_of_an_import():
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
