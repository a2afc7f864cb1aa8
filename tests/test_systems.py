"""Systems and machines that lack something: one line that says what to do."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr
from pathlib import Path
from unittest import mock

import jax
import numpy as np
import pytest
from test_launch import launch

import iae_jax.launch

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "error",
    [
        jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: too much"),
        jax.errors.JaxRuntimeError("INTERNAL: Generated function failed: Out of memory allocating"),
        jax.errors.JaxRuntimeError("INTERNAL: a kernel failed\nout of memory trying to allocate"),
        MemoryError("Unable to allocate 3 GiB"),
    ],
)
@pytest.mark.parametrize(
    ("mode", "advice"), [("train", "run.microbatches=2"), ("sample", "fewer or smaller images")]
)
def test_too_little_memory_is_one_line(monkeypatch, error, mode, advice):
    monkeypatch.setattr(iae_jax.launch, "main", mock.Mock(side_effect=error))
    code, _, lines = launch("--workdir=run", f"--mode={mode}")
    assert code == 2 and len(lines) == 1 and advice in lines[0]


def test_other_errors_of_the_device_are_raised(monkeypatch):
    error = jax.errors.JaxRuntimeError("INTERNAL: a bug")
    monkeypatch.setattr(iae_jax.launch, "main", mock.Mock(side_effect=error))
    with pytest.raises(jax.errors.JaxRuntimeError), redirect_stderr(io.StringIO()):
        launch("--workdir=run", "--mode=sample")


def start(tmp_path, code, *words, **environment):
    """The launcher in a process of its own, after `code`."""
    program = f"import sys; sys.argv[0] = 'iae-jax'; {code}; import iae_jax.launch as l; l.run()"
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
    )


@pytest.mark.slow
def test_a_system_without_locks_is_named(tmp_path):
    np.savez(tmp_path / "set.npz", images=np.arange(40 * 64).reshape(40, 8, 8).astype(np.uint8))
    words = ["--workdir=run", f"--config={ROOT / 'tests' / 'tiny.py'}", "--config.steps=5"]
    words += ["--config.data.name=npz:set.npz", "--config.data.test=train"]
    words += ["--config.data.train=train", "--config.data.validation=train"]
    done = start(tmp_path, "sys.modules['fcntl'] = None", *words)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        "error: training and sweeps run on Linux and macOS, not on "
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_home_that_cannot_be_written_to(tmp_path):
    """The flag that it names is one of the launcher."""
    words = ["--workdir=run", f"--config={ROOT / 'tests' / 'tiny.py'}", "--config.steps=5"]
    done = start(tmp_path, "pass", *words, HOME="/dev/null", TFDS_DATA_DIR="")
    assert done.returncode == 2
    assert "cannot write to /dev/null/tensorflow_datasets" in done.stderr
    assert "of a training --config.data.directory" in done.stderr.splitlines()[-1]
    given = f"--config.data.directory={tmp_path / 'tfds'}"
    done = start(tmp_path, "pass", *words, given, HOME="/dev/null")
    assert done.returncode == 0, done.stderr
