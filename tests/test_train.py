"""The loop: resume, divergence, the journal. The oracle is an uninterrupted run, or a text."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny

from iae_jax import load
from iae_jax.errors import InputError
from iae_jax.game.step import init
from iae_jax.runs.build import build
from iae_jax.runs.checkpoint import Checkpoints
from iae_jax.runs.config import Config, identity
from iae_jax.runs.evaluation import evaluate_run
from iae_jax.runs.feed import next_stop
from iae_jax.runs.train import train
from iae_jax.runs.workdir import check_unchanged

ROOT = Path(__file__).parent.parent


def config_of(data_directory, variant="iae", **changes):
    config = tiny.get_config(variant)
    config.data.directory = data_directory
    for name, value in changes.items():
        setattr(config, name, value)
    return config


def state_of(config, workdir):
    game = build(config, (8, 8, 1))
    template = jax.eval_shape(lambda: init(game, jax.random.key(config.seed)))
    with Checkpoints(workdir / "checkpoints", keep=9) as checkpoints:
        state = checkpoints.restore(template).state
    return jax.tree.map(np.asarray, state.replace(key=jax.random.key_data(state.key)))


def assert_same_bits(one, other):
    for path, a in jax.tree_util.tree_leaves_with_path(one):
        b = dict(jax.tree_util.tree_leaves_with_path(other))[path]
        assert a.tobytes() == b.tobytes(), path


@pytest.fixture(scope="module")
def finished(data_directory, tmp_path_factory):
    """The workdir of a finished run of `config_of`."""
    workdir = tmp_path_factory.mktemp("finished") / "run"
    train(config_of(data_directory), workdir)
    return workdir


@pytest.fixture
def run(finished, tmp_path):
    """A copy of it."""
    return shutil.copytree(finished, tmp_path / "run")


def command(workdir, *arguments):
    return [
        sys.executable,
        "-m",
        "iae_jax.launch",
        f"--config={ROOT}/tests/tiny.py",
        f"--workdir={workdir}",
        *arguments,
    ]


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [1024, 0])  # from memory, and streamed
def test_a_killed_run_resumes_bit_for_bit(tmp_path, data_directory, megabytes, optimized):
    """Two programs, with a set in memory and with a streamed one, which XLA rounds alike where it
    optimizes."""
    whole, killed = config_of(data_directory, steps=200), config_of(data_directory, steps=200)
    whole.run.log_steps = killed.run.log_steps = 5
    killed.run.resident_megabytes = megabytes
    train(whole, tmp_path / "whole")
    arguments = [
        f"--config.data.directory={data_directory}",
        "--config.steps=200",
        "--config.run.log_steps=5",
        f"--config.run.resident_megabytes={megabytes}",
    ]
    process = subprocess.Popen(
        command(tmp_path / "killed", *arguments),
        cwd=ROOT,
        text=True,
        stderr=subprocess.PIPE,
        env=os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "0"},
    )
    limit = threading.Timer(240, process.kill)  # of a process that hangs
    limit.start()
    try:
        seen = any(line.startswith("step 25/") for line in process.stderr)
    finally:
        limit.cancel()
        process.kill()
        process.stderr.close()
    assert seen and process.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "checkpoints" / "200").exists()
    summary = train(killed, tmp_path / "killed")
    assert summary.step == 200
    assert_same_bits(state_of(whole, tmp_path / "whole"), state_of(whole, tmp_path / "killed"))
    lines = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("whole", "killed")
    ]
    for one, other in zip(*lines, strict=True):
        del one["seconds"], other["seconds"]
        assert one == other
    assert [line["step"] for line in lines[1]] == list(range(5, 201, 5))


@pytest.mark.heavy
def test_a_changed_config_is_refused_with_its_difference(run, data_directory):
    changed = config_of(data_directory, ema=0.5)
    changed.generator.optimizer.rate = 0.125
    with pytest.raises(InputError) as error:
        train(changed, run)
    assert "ema: 0.999 -> 0.5" in str(error.value)
    assert "generator.optimizer.rate: 0.0002 -> 0.125" in str(error.value)
    assert "\n" not in str(error.value)
    unimportant = config_of(data_directory)
    unimportant.run.log_steps = 2
    train(unimportant, run)  # how often to log is not the run's identity
    changed.steps = 45
    assert train(changed, run, allow_config_change=True).step == 45
    # Though there was no call that did not compile.
    assert json.loads((run / "run.json").read_text())["steps"] == 45


@pytest.mark.heavy
def test_what_is_trained_already_keeps_its_config(run, data_directory):
    """Nothing could read it by another one, nor would a further training save it."""
    before, changed = (run / "config.json").read_text(), config_of(data_directory)
    changed.generator.optimizer.rate = 0.125
    assert train(changed, run, allow_config_change=True).step == changed.steps
    assert (run / "config.json").read_text() == before
    assert load(run).run.step == changed.steps


@pytest.mark.heavy
def test_other_images_than_those_of_before_are_refused(tmp_path):
    images = np.random.default_rng(3).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
    config = config_of("", steps=20)
    config.data.name, config.data.train = f"npz:{tmp_path}/a.npz", "train[:20]"
    config.data.validation = config.data.test = "train[20:]"
    np.savez(tmp_path / "a.npz", images=images)
    train(config, tmp_path / "run")
    np.savez(tmp_path / "a.npz", images=images[[1, 0, *range(2, 40)]])
    with pytest.raises(InputError, match="the data set has other images than this run"):
        train(config, tmp_path / "run")
    with pytest.raises(InputError, match="has other images .*: name a copy of those by --data"):
        evaluate_run(config, tmp_path / "run", "latest", "test")
    config.steps = 30
    assert train(config, tmp_path / "run", allow_config_change=True).step == 30


@pytest.mark.heavy
def test_a_checkpoint_of_another_config_is_said_to_be_one(tmp_path, data_directory, capsys):
    config = config_of(data_directory, steps=10)
    train(config, tmp_path / "run")
    config.steps, config.encoder.optimizer.rate = 20, 0.125
    train(config, tmp_path / "run", allow_config_change=True)
    capsys.readouterr()
    load(tmp_path / "run")
    assert "another config" not in capsys.readouterr().err
    load(tmp_path / "run", checkpoint="10")
    said = capsys.readouterr().err
    assert "the checkpoint of step 10 is of another config (encoder.optimizer.rate: " in said


@pytest.mark.heavy
def test_the_summary_of_a_shorter_training_is_not_that_of_a_longer_one(tmp_path, data_directory):
    config = config_of(data_directory, steps=10)
    train(config, tmp_path / "run")
    assert (tmp_path / "run" / "run.json").exists()
    config.steps, config.run.log_steps = 20, 5

    def stop(step, metrics):
        raise RuntimeError(str(step))

    with pytest.raises(RuntimeError, match="15"):
        train(config, tmp_path / "run", allow_config_change=True, callback=stop)
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_test_split_that_is_not_there_is_refused_before_training(tmp_path, data_directory):
    config = config_of(data_directory)
    config.data.test = "tset"
    with pytest.raises(InputError, match=r"data\.test, for --mode=evaluate: split 'tset'"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_field_that_is_added_to_the_config_leaves_runs_as_they_were():
    """One that was saved before the field was there goes on while the field is at its default."""
    config = Config()
    saved = identity(config)
    del saved["encoder"]["optimizer"]["clip"]
    check_unchanged(saved, config)
    config.encoder.optimizer.clip = 1.0
    with pytest.raises(InputError, match=r"encoder.optimizer.clip: 0.0 -> 1.0"):
        check_unchanged(saved, config)


def test_calls_end_at_every_interval_wherever_the_run_starts():
    config = tiny.get_config()
    config.steps = 33
    run = config.run
    run.steps_per_call, run.log_steps, run.validate_steps = 8, 10, 1000
    run.figure_steps, run.checkpoint_steps = 1000, 15
    stops, step = [], 0
    while step < config.steps:
        step = next_stop(step, config)
        stops.append(step)
    assert stops == [8, 10, 15, 16, 20, 24, 30, 32, 33]


@pytest.mark.heavy
def test_a_broken_newest_checkpoint_falls_back(run, data_directory):
    config = config_of(data_directory)
    expected = state_of(config, run)
    for file in (run / "checkpoints" / "40").rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert train(config, run).step == 40  # trained again from 30
    assert_same_bits(expected, state_of(config, run))


@pytest.mark.heavy
def test_a_broken_newest_checkpoint_is_told_in_one_line(run, data_directory):
    """By the whole process: Orbax's threads say nothing either."""
    (run / "checkpoints" / "40" / "state" / "manifest.ocdbt").write_text("x")
    result = subprocess.run(
        command(run, f"--config.data.directory={data_directory}"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    warning, *rest = result.stderr.splitlines()
    assert "checkpoint 40" in warning and "manifest.ocdbt is not what was saved" in warning
    assert [line.split()[0] for line in rest] == ["resuming", "step"]


@pytest.mark.heavy
@pytest.mark.parametrize("variant", ["gan", "vae"])
def test_other_models_train_and_draw(tmp_path, data_directory, variant):
    own = config_of(data_directory, variant, ema=0.97)  # of no other test: it compiles
    summary = train(own, tmp_path)
    assert summary.figure.read_bytes().startswith(b"\x89PNG")
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["steps"] == 40 and record["steps_per_second"] > 0
    assert record["compile_seconds"] > 0 and record["peak_memory_megabytes"] > 0


def test_batches_that_cannot_be_divided_are_refused(tmp_path, data_directory):
    config = config_of(data_directory, batch_size=16)
    config.run.devices = 3
    with pytest.raises(InputError, match="batch of 16 is not divisible by 3 devices"):
        train(config, tmp_path)
    config.run.devices = 64
    with pytest.raises(InputError, match="run.devices is 64 and there are 8"):
        train(config, tmp_path)


def test_a_workdir_that_cannot_be_written_is_refused(tmp_path, data_directory):
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(InputError, match="choose another --workdir"):
        train(config_of(data_directory), tmp_path / "file" / "run")


@pytest.mark.heavy
def test_a_run_of_images_that_cannot_be_drawn_ends_without_a_picture(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 4, 2), dtype=np.uint8)
    np.savez(tmp_path / "two.npz", images=images)
    config = config_of("", steps=10)
    config.data.name, config.data.train = f"npz:{tmp_path}/two.npz", "train[:30]"
    config.data.validation = config.data.test = "train[30:]"
    summary = train(config, tmp_path / "run")
    assert (summary.step, summary.figure) == (10, None)
    assert (tmp_path / "run" / "checkpoints" / "10").exists()
