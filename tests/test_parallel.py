"""Chunks of steps, devices and microbatches.

Oracles: one device on the same global batch; one step at a time.
"""

import functools
import os
import re
import subprocess
import sys

import chex
import games
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from stepped import CPU, IAE, SIZE, STEPS, X, compiled, fresh, one_step, run

from iae_jax.devices import parallel
from iae_jax.errors import InputError
from iae_jax.game import step
from iae_jax.game.game import ALTERNATING
from iae_jax.objectives.auxiliary import Aggregated
from iae_jax.sampling import draws
from iae_jax.sampling.noise import to_unit


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


@pytest.mark.heavy
@pytest.mark.parametrize("devices", [2, 4, 8])
def test_several_devices_are_one_device(alone, devices):
    together = run(devices)
    close(together, alone)
    assert together[0].step == STEPS
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), fresh().params, alone[0].params)
    assert min(jax.tree.leaves(moved)) > 1e-4  # far above the tolerance


@pytest.mark.heavy
@pytest.mark.parametrize(("devices", "microbatches"), [(1, 2), (1, 8), (2, 4)])
def test_microbatches_are_the_whole(alone, devices, microbatches):
    """To 1e-5, with codes whose mean and covariance are those of the global batch."""
    cut = jax.device_get(parallel.Chunk(IAE, CPU[:devices], microbatches)(fresh(), X))
    chex.assert_trees_all_close(
        (cut[0].params, cut[1]), (alone[0].params, alone[1]), rtol=1e-5, atol=2e-6
    )


@pytest.mark.heavy
def test_a_microbatch_alone_is_not_the_whole(alone, monkeypatch):
    """What the test above would see if a microbatch had its own mean and covariance."""
    monkeypatch.setattr(draws.BatchMeans, "__call__", lambda self, name, value: value)
    wrong = jax.device_get(parallel.Chunk(IAE, CPU[:1], 2)(fresh(), X))
    with pytest.raises(AssertionError, match="Not equal"):
        close(wrong, alone)


@pytest.mark.heavy
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


def test_a_turn_is_one_exchange(monkeypatch):
    """Of all gradients and metrics: one all-reduce of one array for each turn, in a game without
    other means over the batch."""

    def exchanged():
        """How many arrays each all-reduce of a step has."""
        game = games.build("joint_reconstruction", "marginal_code")._replace(turns=ALTERNATING)
        each = jax.pmap(
            functools.partial(step.train_step, game, axis_name="devices"),
            axis_name="devices",
            in_axes=(None, 0),
            devices=CPU[:2],
        )
        shapes = jax.eval_shape(functools.partial(step.init, game), jax.random.key(0))
        text = each.lower(shapes, jnp.zeros((2, 4, 3))).as_text()
        return [found.count("%") for found in re.findall(r"all_reduce.?\((.*?)\)", text)]

    assert exchanged() == [1, 1]
    monkeypatch.setattr(step, "_mean_over_devices", jax.lax.pmean)
    assert sum(exchanged()) > 20  # one of each array


@pytest.mark.heavy
def test_a_chunk_is_its_steps_one_by_one(alone):
    state = fresh()
    for t in range(STEPS):
        state, metrics = one_step()(state, X[t])
        np.testing.assert_allclose(metrics["reconstruction"], alone[1]["reconstruction"][t], 1e-5)
    chex.assert_trees_all_close(state.params, alone[0].params, rtol=1e-5, atol=1e-6)


@pytest.mark.heavy
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


@pytest.mark.parametrize("size,devices", [(10, 4), (3, 2), (0, 2)])
def test_a_batch_that_cannot_be_cut_is_refused(size, devices):
    with pytest.raises(InputError, match=f"use a multiple of {devices}"):
        parallel.check_divisible(size, devices)
    chunk = parallel.Chunk(IAE, CPU[:devices])
    with pytest.raises(InputError, match=f"batch of {size} is not divisible by {devices} devices"):
        chunk(fresh(), jnp.zeros((1, size, 3)))


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
            kept = sorted(path.name for path in (ours / "compiled").iterdir())
            assert any("lambda" in name for name in kept)
    assert any("lambda" in path.name for path in chosen.iterdir())
    assert sorted(path.name for path in (ours / "compiled").iterdir()) == kept
