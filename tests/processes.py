"""Processes of a run on this machine, for tests that start several or kill one.

Every process has a time limit, and a test ends those that it started and no others.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIMIT_SECONDS = 240
PLAYERS = ("encoder", "generator", "reconstruction", "regularization")
# SGD, since Adam hides a gradient that is a multiple of what it should be.
SGD = [f"--config.{player}.optimizer.kind=sgd" for player in PLAYERS] + [
    f"--config.{player}.optimizer.rate=0.05" for player in PLAYERS
]


def free_port():
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def started(commands, devices):
    """A process for each command, each with as many virtual devices; all are ended at the end."""
    environment = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    processes = [
        subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for command in commands
    ]
    try:
        yield processes
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


def ended(processes):
    """[(exit code, stdout, stderr)] once all have ended."""
    limit = time.monotonic() + LIMIT_SECONDS
    output = [process.communicate(timeout=limit - time.monotonic()) for process in processes]
    return [(process.returncode, *text) for process, text in zip(processes, output, strict=True)]


def commands(workdir, data_directory, processes, *words):
    port = free_port()
    return [
        [
            "-m",
            "iae_jax.launch",
            "--config=tests/tiny.py",
            f"--workdir={workdir}",
            f"--config.data.directory={data_directory}",
            "--config.run.devices=0",
            *SGD,
            *words,
            f"--coordinator=localhost:{port}",
            f"--processes={processes}",
            f"--process={process}",
        ]
        for process in range(processes)
    ]


def wait_for(running, workdir, step):
    """Until the metrics log has the step."""
    limit, log = time.monotonic() + LIMIT_SECONDS, workdir / "metrics.jsonl"
    while time.monotonic() < limit:
        if log.exists() and f'"step": {step},' in log.read_text():
            return
        assert all(process.poll() is None for process in running), ended(running)
        time.sleep(0.02)
    raise AssertionError(f"step {step} was not reached")
