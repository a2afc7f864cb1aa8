"""Several processes on this machine. The oracle is one process with the same global batch."""

import json
import signal

import numpy as np
import pytest
from processes import PLAYERS, commands, ended, free_port, started, wait_for
from test_train import config_of, state_of

from iae_jax.runs.train import train

pytestmark = pytest.mark.slow


def sgd_config(data_directory, **changes):
    config = config_of(data_directory, **changes)
    for player in PLAYERS:
        getattr(config, player).optimizer.kind = "sgd"
        getattr(config, player).optimizer.rate = 0.05
    return config


@pytest.fixture(scope="module")
def alone(tmp_path_factory, data_directory):
    """(config, state) of one process on one device."""
    config = sgd_config(data_directory)
    train(config, tmp_path_factory.mktemp("alone"))
    return config, state_of(config, tmp_path_factory.getbasetemp() / "alone0")


def assert_close(one, other):
    import jax

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        (one.params, one.ema),
        (other.params, other.ema),
    )


@pytest.mark.parametrize(
    ("processes", "devices", "words"),
    [(2, 2, []), (4, 1, ["--config.run.resident_megabytes=0", "--config.run.microbatches=2"])],
)
def test_processes_are_one_process(tmp_path, data_directory, alone, processes, devices, words):
    config, expected = alone
    with started(commands(tmp_path, data_directory, processes, *words), devices) as running:
        outcomes = ended(running)
    assert [code for code, *_ in outcomes] == [0] * processes, outcomes
    assert_close(state_of(config, tmp_path), expected)
    # Process 0 speaks and writes, the others do not.
    assert "step 40/40" in outcomes[0][2] and "figure: " in outcomes[0][1]
    assert not any("step" in err or "figure" in out for _, out, err in outcomes[1:])
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20, 30, 40]
    assert json.loads((tmp_path / "run.json").read_text())["processes"] == processes


def test_a_run_resumes_with_other_processes_and_devices(tmp_path, data_directory):
    """8 devices of one process, then 4 of each of 2, then 1 of 1: the same as 1 of 1 throughout."""
    constant = [f"--config.{player}.optimizer.decay=constant" for player in PLAYERS]
    for processes, devices, steps in ((1, 8, 10), (2, 4, 20), (1, 1, 30)):
        words = [*constant, f"--config.steps={steps}", "--allow_config_change"]
        argv = commands(tmp_path / "several", data_directory, processes, *words)
        argv = argv if processes > 1 else [argv[0][:-3]]
        with started(argv, devices) as running:
            outcomes = ended(running)
        assert [code for code, *_ in outcomes] == [0] * processes, outcomes
    config = sgd_config(data_directory, steps=30)
    for player in PLAYERS:
        getattr(config, player).optimizer.decay = "constant"
    train(config, tmp_path / "one")
    assert_close(state_of(config, tmp_path / "several"), state_of(config, tmp_path / "one"))
    lines = (tmp_path / "several" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [10, 20, 30]


ABORTED = -signal.SIGABRT  # by JAX's runtime, which says why


@pytest.mark.parametrize(
    ("killed", "sent", "codes"),
    [
        (1, signal.SIGKILL, [(3, -9)]),
        (0, signal.SIGKILL, [(-9, 3), (-9, ABORTED)]),
        (1, signal.SIGTERM, [(143, 143)]),
    ],
)
def test_one_of_two_processes_ends(tmp_path, data_directory, killed, sent, codes):
    """None hangs. One that died is an error of the other; one that is asked to end ends both."""
    words = ["--config.steps=100000", "--config.run.checkpoint_steps=20"]
    with started(commands(tmp_path, data_directory, 2, *words), 1) as running:
        wait_for(running, tmp_path, 20)
        running[killed].send_signal(sent)
        outcomes = ended(running)
    assert tuple(code for code, *_ in outcomes) in codes, outcomes
    if sent == signal.SIGKILL:
        output = outcomes[1 - killed][2]
        assert "error: another process has died" in output or "another task died" in output
    else:
        output = outcomes[0][2].strip().splitlines()[-1]
        step = int(output.split("stopped at step ")[1].split()[0])
        assert (tmp_path / "checkpoints" / str(step)).is_dir()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config.seed=1"], "the configs are not the same on all processes"),
        (["--config.run.devices=9"], "another process stopped here"),
    ],
)
def test_a_process_that_cannot_start_stops_all(tmp_path, data_directory, words, message):
    argv = commands(tmp_path, data_directory, 2)
    argv[1] += words
    with started(argv, 1) as running:
        outcomes = ended(running)
    assert [code for code, *_ in outcomes] == [2, 2], outcomes
    assert message in outcomes[0][2]
    assert not tmp_path.joinpath("checkpoints").exists()


def test_a_folder_that_cannot_be_written_stops_all(tmp_path, data_directory):
    """Where the first process begins to write."""
    (tmp_path / "config.json").mkdir()
    with started(commands(tmp_path, data_directory, 2), 1) as running:
        outcomes = ended(running)
    assert [code for code, *_ in outcomes] == [2, 2], outcomes
    assert "config.json is a folder" in outcomes[0][2]
    assert "another process stopped here" in outcomes[1][2]


# A process whose parameters are others than it says where it is asked at `what`.
OTHER = """
import sys, jax
from iae_jax import launch
from iae_jax.devices import multihost
same = multihost.check_same
def check_same(tree, what):
    off = 1e-6 if what == {what!r} else 0.0
    same(jax.tree.map(lambda leaf: leaf + off, tree) if off else tree, what)
multihost.check_same = check_same
sys.argv = ["launch", *sys.argv[1:]]
launch.run()
"""


@pytest.mark.parametrize("what", ["the parameters at the start", "the parameters at step 20"])
def test_parameters_that_drift_apart_stop_all(tmp_path, data_directory, what):
    argv = commands(tmp_path, data_directory, 2, "--config.run.checkpoint_steps=20")
    argv[1] = ["-c", OTHER.format(what=what), *argv[1][2:]]
    with started(argv, 1) as running:
        outcomes = ended(running)
    assert [code for code, *_ in outcomes] == [2, 2], outcomes
    assert f"{what} are not the same on all processes" in outcomes[0][2]
    assert not tmp_path.joinpath("checkpoints", "20").exists()


# A process that dies where its parameters are compared before the first step.
DYING = """
import os, sys
from iae_jax import launch
from iae_jax.devices import multihost
same = multihost.check_same
def check_same(tree, what):
    if what == "the parameters at the start":
        os.kill(os.getpid(), 9)
    same(tree, what)
multihost.check_same = check_same
sys.argv = ["launch", *sys.argv[1:]]
launch.run()
"""


def test_one_that_dies_before_the_first_step_is_an_error_of_the_other(tmp_path, data_directory):
    argv = commands(tmp_path, data_directory, 2)
    argv[1] = ["-c", DYING, *argv[1][2:]]
    with started(argv, 1) as running:
        outcomes = ended(running)
    assert [code for code, *_ in outcomes] in ([3, -9], [ABORTED, -9]), outcomes
    output = outcomes[0][2]
    assert "error: another process has died" in output or "another task died" in output
    assert "step 10/40" not in output


# A last save that takes longer than one that is done would wait for the others.
SLOW = """
import sys, time
import jax
from iae_jax import launch
from iae_jax.devices import multihost
from iae_jax.runs import checkpoint
own = jax.profiler.trace
jax.profiler.trace = lambda path: print("traced", flush=True) or own(path)
multihost.SHUTDOWN_SECONDS = 1
settle = checkpoint.Checkpoints.settle
def slowly(own):
    if own._pending == 40:
        time.sleep(6)
    settle(own)
checkpoint.Checkpoints.settle = slowly
sys.argv = ["launch", *sys.argv[1:]]
launch.run()
"""


def test_all_wait_for_the_last_save_and_the_first_one_traces(tmp_path, data_directory):
    argv = [
        ["-c", SLOW, *words[2:], "--profile"] for words in commands(tmp_path, data_directory, 2)
    ]
    with started(argv, 1) as running:
        outcomes = ended(running)
    assert [code for code, *_ in outcomes] == [0, 0], outcomes
    assert (tmp_path / "checkpoints" / "40" / "files.json").exists()
    assert (tmp_path / "run.json").exists()
    # By their files nobody could tell: two processes of one machine would write the same.
    assert ["traced" in out for _, out, _ in outcomes] == [True, False]
    assert len(list((tmp_path / "profile").rglob("*.xplane.pb"))) == 1


SHARED = """
import sys
import jax, numpy as np
from iae_jax.devices import multihost
multihost.join(sys.argv[1], 2, int(sys.argv[2]), 60, late=sys.exit)
own = [np.array([-0.0, 0.0, np.nan, 5e-324, -1.5]), np.float32(-0.0), np.zeros((2, 0), np.int8),
       jax.random.key(3, impl="rbg")]
other = [np.ones(5), np.float32(2), np.zeros((2, 0), np.int8), jax.random.key(8, impl="rbg")]
found = multihost.share(own if multihost.first() else other)
same = [a.tobytes() == b.tobytes() and a.shape == b.shape and a.dtype == b.dtype
        for a, b in zip(found[:3], own[:3])]
print(same, jax.random.key_data(found[3]).tolist() == jax.random.key_data(own[3]).tolist())
"""


def test_what_is_shared_has_the_same_bits(tmp_path):
    """Also where a sum with zeros would change them."""
    port = free_port()
    argv = [["-c", SHARED, f"localhost:{port}", str(process)] for process in range(2)]
    with started(argv, 1) as running:
        outcomes = ended(running)
    output = [(code, out.splitlines()[-1:]) for code, out, _ in outcomes]
    assert output == [(0, ["[True, True, True] True"])] * 2, outcomes


@pytest.mark.parametrize("process", [0, 1])
def test_a_process_that_never_comes_is_an_error(tmp_path, data_directory, process):
    """Reported in one line, without JAX's own; it may pass, since the process has not died."""
    argv = commands(tmp_path, data_directory, 2, "--join_seconds=3")[process : process + 1]
    with started(argv, 1) as running:
        ((code, _, err),) = ended(running)
    output = "error: the other processes did not come within --join_seconds=3: the same commands "
    assert code == 75 and err.splitlines() == [f"{output}again"]
