"""Signals as requests to end, and what a run leaves when it is asked to."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from processes import ROOT, started, wait_for
from test_train import assert_same_bits, config_of, state_of

from iae_jax.files.atomic import new_file, new_folder
from iae_jax.runs import interruption
from iae_jax.runs.console import log
from iae_jax.runs.interruption import awaited, unwound
from iae_jax.runs.train import _announce, train


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_first_signal_is_a_request_and_a_second_one_is_not(monkeypatch, number):
    got, passed_on = [], []
    before = signal.signal(number, lambda *_: got.append("before"))
    try:
        with awaited(passed_on.append) as request:
            assert request.asked == 0
            send(number)
            assert request.asked == number and passed_on == [number] and not got
            send(number)  # at once: the same request
            assert not got
            monkeypatch.setattr(interruption, "ONE_SIGNAL_SECONDS", -1.0)
            send(number)
            assert got == ["before"] and passed_on == [number]
        send(number)
        assert got == ["before"] * 2
    finally:
        signal.signal(number, before)


def test_a_request_is_heard_though_nobody_reads_stderr(monkeypatch):
    """stderr is a pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as dead:
        monkeypatch.setattr(sys, "stderr", dead)
        with awaited(_announce) as request:
            os.kill(os.getpid(), signal.SIGTERM)
            assert request.asked == signal.SIGTERM
        log("nobody reads this")
        monkeypatch.undo()
        with contextlib.suppress(BrokenPipeError):
            dead.close()


def test_a_request_is_heard_while_something_is_printed(monkeypatch):
    """stderr is a pipe that is full, in which the signal finds a print; its reader waits for the
    request."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        with awaited(_announce) as request:

            def read():
                time.sleep(0.2)
                send(signal.SIGTERM)
                time.sleep(0.2)
                os.read(reader, 10**6)

            thread = threading.Thread(target=read)
            thread.start()
            print("x" * 100_000, file=full, flush=True)
            thread.join()
            assert request.asked == signal.SIGTERM
        monkeypatch.undo()
    os.close(reader)


def test_another_thread_asks_nothing():
    asked = []

    def wait():
        with awaited() as request:
            asked.append(request.asked)

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join()
    assert asked == [0]


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [(signal.SIGTERM, SystemExit, 143), (signal.SIGINT, KeyboardInterrupt, None)],
)
def test_what_a_signal_finds_unfinished_is_removed(tmp_path, number, kind, code):
    """And what was there before stays."""
    for name in ("table.csv", "images/mark", "images/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"old {name}")
    before = signal.getsignal(signal.SIGTERM)
    with (
        pytest.raises(kind) as left,
        unwound(),
        new_file(tmp_path / "table.csv") as part,
        new_folder(tmp_path / "images", r"mark|\d\.png", "mark") as folder,
    ):
        part.write(b"half")
        for path in (folder / "mark", folder / "2.png"):
            path.write_text("half")
        if number == signal.SIGTERM:
            send(number)
        signal.default_int_handler(number, None)  # SIGINT may be ignored where tests run
    assert getattr(left.value, "code", None) == code
    assert signal.getsignal(signal.SIGTERM) == before
    assert {path.name for path in tmp_path.rglob("*")} == {"table.csv", "images", "mark", "1.png"}
    assert (tmp_path / "table.csv").read_text() == "old table.csv"
    assert (tmp_path / "images" / "mark").read_text() == "old images/mark"


def test_a_folder_takes_the_place_of_its_own_kind(tmp_path):
    for text in ("first", "second"):
        with new_folder(tmp_path / "images", "mark|new", "mark") as folder:
            (folder / "mark").write_text(text)
            (folder / "new").touch()
        assert {path.name for path in tmp_path.rglob("*")} == {"images", "mark", "new"}
    assert (tmp_path / "images" / "mark").read_text() == "second"


@pytest.mark.slow
def test_a_mode_that_is_ended_leaves_nothing(tmp_path, data_directory):
    config = config_of(data_directory, steps=2)
    train(config, tmp_path / "run")
    before = sorted((tmp_path / "run").iterdir())
    words = ["-m", "iae_jax.launch", f"--workdir={tmp_path}/run", f"--output={tmp_path}/new/out"]
    with started([[*words, "--mode=sample", "--format=png", "--count=10000000"]], 1) as running:
        limit = time.monotonic() + 120
        while not list(tmp_path.glob("new/out/.*.part/000*.png")) and time.monotonic() < limit:
            time.sleep(0.02)
        running[0].send_signal(signal.SIGTERM)
        _, output = running[0].communicate(timeout=60)
    assert running[0].returncode == 143, output
    assert "Traceback" not in output
    assert not (tmp_path / "new").exists() and sorted((tmp_path / "run").iterdir()) == before


@pytest.mark.slow
def test_a_run_that_was_asked_to_end_resumes_bit_for_bit(tmp_path, data_directory):
    """At moments that are no multiple of an interval (but of the one length of a call, so that one
    is compiled). Oracle: the run that was not interrupted."""
    config = config_of(data_directory, steps=616)
    config.run.steps_per_call, config.run.log_steps = 7, 56
    config.run.checkpoint_steps = config.run.validate_steps = 224
    train(config, tmp_path / "whole")
    words = [
        "-m",
        "iae_jax.launch",
        "--config=tests/tiny.py",
        f"--workdir={tmp_path}/broken",
        f"--config.data.directory={data_directory}",
        "--config.steps=616",
        "--config.run.steps_per_call=7",
        "--config.run.log_steps=56",
        "--config.run.checkpoint_steps=224",
        "--config.run.validate_steps=224",
    ]
    stops = []
    for moment, number, code in ((56, signal.SIGTERM, 143), (280, signal.SIGINT, 130)):
        with started([words], 1) as running:
            wait_for(running, tmp_path / "broken", moment)
            running[0].send_signal(number)
            _, output = running[0].communicate(timeout=120)
            assert running[0].returncode == code, output
        assert "stopping after these steps" in output
        stops.append(int(output.split("stopped at step ")[1].split()[0]))
    assert stops[0] < stops[1] < 616
    train(config, tmp_path / "broken")
    assert_same_bits(state_of(config, tmp_path / "whole"), state_of(config, tmp_path / "broken"))
    lines = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("whole", "broken")
    ]
    for line in lines[0] + lines[1]:
        del line["seconds"]
    assert lines[0] == lines[1] and len(lines[0]) == 11


@pytest.mark.slow
@pytest.mark.parametrize("to_both", [False, True])
def test_a_sweep_passes_a_signal_on_and_waits(tmp_path, to_both):
    """The launcher is replaced by a process that takes a second to save, and dies of a second
    signal."""
    child = (
        "import os, sys, time; from iae_jax.runs.interruption import awaited\n"
        "with awaited() as request:\n"
        "    open(sys.argv[1], 'w').write(str(os.getpid()))\n"
        "    limit = time.monotonic() + 90\n"
        "    while not request.asked and time.monotonic() < limit: time.sleep(0.01)\n"
        "    time.sleep(0.5)\n"
        "    open(sys.argv[1] + '.saved', 'w').close()\n"
        "sys.exit(128 + request.asked)\n"
    )
    pid = tmp_path / "pid"
    parent = (
        "import sys; from iae_jax import sweep; from pathlib import Path\n"
        f"sweep.sys.executable = {str(tmp_path / 'python')!r}\n"
        "sys.exit(sweep.main(['mnist_clustering', '--seeds=1', '--variants=k10'] + "
        f"[f'--{{name}}={tmp_path}/{{name}}' for name in ('runs', 'results', 'figures')]))\n"
    )
    (tmp_path / "child.py").write_text(child)
    (tmp_path / "python").write_text(
        f"#!/bin/bash\nexec {sys.executable} {tmp_path}/child.py {pid}\n"
    )
    (tmp_path / "python").chmod(0o755)
    with subprocess.Popen(
        [sys.executable, "-c", parent], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as sweep:
        limit = time.monotonic() + 60
        while not (pid.exists() and pid.read_text()) and time.monotonic() < limit:
            time.sleep(0.02)
        sweep.send_signal(signal.SIGTERM)
        if to_both:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid.read_text()), signal.SIGTERM)
        try:
            _, output = sweep.communicate(timeout=60)
        finally:
            sweep.kill()
    assert sweep.returncode == 143 and "interrupted: the same command continues" in output
    assert (tmp_path / "pid.saved").exists()
