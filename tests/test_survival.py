"""What a run survives. The oracle is an undisturbed run: its state, bit for bit, and its metrics,
line for line but for the seconds."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from unittest import mock

import pytest
from processes import wait_for
from test_train import assert_same_bits, command, config_of, state_of

from iae_jax.errors import InputError, TransientError
from iae_jax.files.metrics_log import MetricsLog
from iae_jax.runs.build import build
from iae_jax.runs.checkpoint import Checkpoints
from iae_jax.runs.train import train
from iae_jax.runs.trained import trained
from iae_jax.runs.workdir import Workdir

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
HALF, STEPS = 20, 40


def constant(data_directory, steps=STEPS):
    """A config whose first steps are those of a longer one."""
    config = config_of(data_directory, steps=steps)
    for player in (config.encoder, config.generator, config.reconstruction, config.regularization):
        player.optimizer.decay = "constant"
    return config


def words(data_directory, steps=STEPS):
    """The same on the command line."""
    players = ("encoder", "generator", "reconstruction", "regularization")
    return [
        f"--config.data.directory={data_directory}",
        f"--config.steps={steps}",
        "--allow_config_change",
        *(f"--config.{one}.optimizer.decay=constant" for one in players),
    ]


def lines(workdir):
    """Of its metrics log, without the seconds."""
    read = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in read]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, data_directory):
    workdir = tmp_path_factory.mktemp("whole")
    train(constant(data_directory), workdir)
    return workdir


@pytest.fixture(scope="module")
def half_way(tmp_path_factory, data_directory):
    workdir = tmp_path_factory.mktemp("half")
    train(constant(data_directory, HALF), workdir)
    return workdir


@pytest.fixture
def half(tmp_path, half_way):
    """A run that has gone half the way."""
    return shutil.copytree(half_way, tmp_path / "run")


def assert_nothing_lost(config, workdir, whole):
    assert_same_bits(state_of(config, whole), state_of(config, workdir))
    assert lines(workdir) == lines(whole)
    assert [line["step"] for line in lines(whole)] == [10, 20, 30, 40]


def test_a_full_disk(half, whole, data_directory):
    """Files beyond 64 kB cannot be written: a checkpoint and a figure have larger ones."""
    argv = command(half, *words(data_directory))
    full = subprocess.run(
        ["bash", "-c", 'ulimit -f 64 && exec "$@"', "bash", *argv],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert full.returncode == 75, full.stderr
    lines_of_stderr = full.stderr.splitlines()
    assert lines_of_stderr[-1].startswith(
        ("error: cannot write checkpoint 30", "error: a file in ")
    )
    assert "then " in lines_of_stderr[-1] and "Traceback" not in full.stderr
    assert (half / "checkpoints" / str(HALF)).is_dir()
    subprocess.run(argv, cwd=ROOT, capture_output=True, timeout=240, check=True)
    assert_nothing_lost(constant(data_directory), half, whole)


def test_a_workdir_that_cannot_be_written(data_directory):
    with pytest.raises(InputError, match="cannot write in /proc/.*choose another --workdir"):
        train(constant(data_directory), Path("/proc/iae_jax_run"))


def test_a_run_that_is_refused_leaves_no_workdir(tmp_path, data_directory):
    config = constant(data_directory)
    config.run.checkpoints = "/proc/iae_jax_checkpoints"
    with pytest.raises(InputError, match="/proc/iae_jax_checkpoints"):
        train(config, tmp_path / "new" / "and" / "newer")
    with pytest.raises(InputError, match="File name too long"):
        train(constant(data_directory), tmp_path / "new" / ("a" * 300))
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "thesis.tex").write_text("a")
    with pytest.raises(InputError, match="/proc/iae_jax_checkpoints"):
        train(config, tmp_path / "old")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old" / "thesis.tex").exists()


def test_a_run_whose_folder_is_read_only_by_now_is_as_it_was(half, data_directory, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in half.rglob("*")}

    def refused(path, *words, own=Path.open, **more):
        if words and words[0][0] in "wax":
            raise OSError(30, "Read-only file system", str(path))
        return own(path, *words, **more)

    def not_made(dir):
        raise OSError(30, "Read-only file system", str(dir))

    monkeypatch.setattr(Path, "open", refused)  # for root, no folder is read-only
    monkeypatch.setattr("tempfile.TemporaryFile", not_made)
    with pytest.raises(InputError, match="Read-only file system.*choose another --workdir"):
        train(constant(data_directory), half, allow_config_change=True)
    assert {path: path.stat().st_mtime_ns for path in half.rglob("*")} == before


def test_lines_that_are_lost_are_reported(half, whole, data_directory, capsys):
    """A pod's disk is new, and its checkpoints are elsewhere."""
    (half / "metrics.jsonl").unlink()
    train(constant(data_directory), half, allow_config_change=True)
    message = f"2 of 2 lines of {half / 'metrics.jsonl'} are missing"
    assert message in capsys.readouterr().err
    assert lines(half) == lines(whole)[2:]


def test_half_a_line_does_not_count(half, whole, data_directory, capsys):
    """What a machine that died left of the last one."""
    path = half / "metrics.jsonl"
    path.write_text(path.read_text()[:-9])
    train(constant(data_directory), half, allow_config_change=True)
    assert f"1 of 2 lines of {path} are missing" in capsys.readouterr().err
    assert lines(half) == [lines(whole)[0], *lines(whole)[2:]]


@pytest.mark.parametrize("rubbish", [b"\xff\xfe\x00rubbish", b"rubbish{", b"7", b""])
def test_rubbish_in_the_place_of_a_line_is_cut(half, whole, data_directory, rubbish, capsys):
    path = half / "metrics.jsonl"
    first, _ = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + rubbish + b"\n" + rubbish)
    train(constant(data_directory), half, allow_config_change=True)
    assert f"1 of 2 lines of {path} are missing" in capsys.readouterr().err
    assert lines(half) == [lines(whole)[0], *lines(whole)[2:]]


def test_rubbish_that_another_program_adds_is_no_record(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl", 0)
    log.write({"step": 1})
    with log.path.open("ab") as file:
        file.write(b"\xff\n")
    log.write({"step": 2})
    assert log.records() == [{"step": 1}, {"step": 2}]


def test_reading_while_a_training_deletes(half, data_directory, monkeypatch):
    """It reads what is there then, and does not try for ever."""
    config, original, calls = constant(data_directory, HALF), Checkpoints.restore, []

    def deleted(self, template, step=None):
        calls.append(step)
        if len(calls) < 3:
            raise FileNotFoundError(2, "No such file or directory", "10")
        return original(self, template, step)

    monkeypatch.setattr(Checkpoints, "restore", deleted)
    assert trained(config, half, "latest").step == HALF and len(calls) == 3
    monkeypatch.setattr(Checkpoints, "restore", mock.Mock(side_effect=FileNotFoundError))
    with pytest.raises(TransientError, match="try again"):
        trained(config, half, "latest")


def test_two_runs_do_not_share_their_checkpoints(tmp_path, data_directory):
    config = constant(data_directory, 10)
    config.run.checkpoints = str(tmp_path / "kept")
    game = build(config, (8, 8, 1))
    with Workdir(tmp_path / "one", config, game, False):
        with pytest.raises(InputError, match="another process trains in .*kept.*run.checkpoints"):
            Workdir(tmp_path / "two", config, game, False)
        # The refused one has let go of its own folder.
        config.run.checkpoints = ""
        Workdir(tmp_path / "two", config, game, False).__exit__()
    config.run.checkpoints = str(tmp_path / "kept")
    Workdir(tmp_path / "two", config, game, False).__exit__()


def test_the_newest_checkpoint_is_deleted(half, whole, data_directory):
    shutil.rmtree(half / "checkpoints" / str(HALF))
    train(constant(data_directory), half, allow_config_change=True)
    assert_nothing_lost(constant(data_directory), half, whole)


def test_an_array_is_cut_off(half, whole, data_directory):
    """The largest file of the newest checkpoint."""
    files = [path for path in (half / "checkpoints" / str(HALF)).rglob("*") if path.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    os.truncate(largest, largest.stat().st_size - 100)
    train(constant(data_directory), half, allow_config_change=True)
    assert_nothing_lost(constant(data_directory), half, whole)


def test_the_clock_jumps_back(half, whole, data_directory, monkeypatch):
    """A year at the restart and an hour at every call. The older checkpoint has the newer files."""
    now, looks = time.time() - 365 * 86400, iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: now - 3600 * next(looks))
    monkeypatch.setattr(time, "time_ns", lambda: int(1e9 * (now - 3600 * next(looks))))
    for path in (half / "checkpoints" / "10").rglob("*"):
        os.utime(path, (now + 10**9, now + 10**9))
    config = constant(data_directory)
    config.run.keep = 1
    train(config, half, allow_config_change=True)
    assert_nothing_lost(config, half, whole)
    newest = max(int(path.name) for path in (half / "checkpoints").glob("[0-9]*"))
    assert newest == STEPS and next(looks) > 0
    text = (half / "metrics.jsonl").read_text()
    seconds = [json.loads(line)["seconds"] for line in text.splitlines()]
    assert seconds == sorted(seconds) and seconds[0] > 0


def test_a_second_job_on_a_workdir_is_refused(tmp_path, data_directory):
    """The first one continues and ends as if it had been alone."""
    steps, config = 300, constant(data_directory, 300)
    train(config, tmp_path / "whole")
    argv = command(tmp_path / "run", *words(data_directory, steps))
    with subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, text=True) as first:
        try:
            wait_for([first], tmp_path / "run", 50)
            first.send_signal(signal.SIGSTOP)  # however slow the second one starts
            second = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=240)
            first.send_signal(signal.SIGCONT)
            _, output = first.communicate(timeout=240)
        finally:
            first.kill()
    assert second.returncode == 2 and not second.stdout
    assert second.stderr == (
        f"error: another process trains in {tmp_path / 'run'}: wait for it, or choose another "
        "--workdir\n"
    )
    assert first.returncode == 0, output
    assert_same_bits(state_of(config, tmp_path / "whole"), state_of(config, tmp_path / "run"))
    assert lines(tmp_path / "run") == lines(tmp_path / "whole")
