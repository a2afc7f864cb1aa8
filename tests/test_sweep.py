"""A sweep that is broken off and continues. The launcher is replaced; the files are its own."""

import errno
import importlib
import json
import threading
from unittest import mock

import pytest
from sweeps import TWO, command, replace_launcher, trained, values

from experiments.mnist_reconstruction import get_config
from iae_jax import sweep
from iae_jax.errors import InputError
from iae_jax.files.lock import lock
from iae_jax.runs.config import to_dict
from iae_jax.runs.run_folder import locked
from iae_jax.runs.shared_config import shared_digest


@pytest.fixture
def launched(monkeypatch):
    return replace_launcher(monkeypatch)


def test_every_run_is_run_once_although_some_fail(tmp_path, launched, capsys):
    calls, failing = launched
    failing.add(("vae_20", 0))
    assert command(tmp_path, TWO, "--seeds=2") == 1
    both = [("deterministic_20", 0), ("vae_20", 0), ("deterministic_20", 1), ("vae_20", 1)]
    assert calls == both
    assert "vae_20" in capsys.readouterr().err
    assert values(tmp_path, "deterministic_20") == ([0, 1], [16, 17])
    assert values(tmp_path, "vae_20") == ([1], [7])
    failing.clear()
    calls.clear()
    assert command(tmp_path, TWO, "--seeds=3") == 0
    assert calls == [("vae_20", 0), ("deterministic_20", 2), ("vae_20", 2)]
    assert values(tmp_path, "vae_20") == ([0, 1, 2], [6, 7, 8])


@pytest.mark.parametrize(("statuses", "code"), [((75, 75), 75), ((75, -9), 75), ((75, 2), 1)])
def test_failures_that_may_pass_have_an_exit_code_of_their_own(
    tmp_path, monkeypatch, statuses, code
):
    """Of launchers that end so."""
    left = list(statuses)

    def popen(command, **options):
        status = left.pop(0)
        return mock.Mock(wait=lambda: status)

    monkeypatch.setattr(sweep.subprocess, "Popen", popen)
    assert command(tmp_path, TWO, "--seeds=1") == code and not left


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, 75), (errno.EACCES, 1)])
def test_a_full_disk_may_pass(tmp_path, launched, monkeypatch, number, code):
    """Where the sweep itself writes."""

    def write(*_):
        raise OSError(number, "it says why")

    monkeypatch.setattr(sweep, "merge", write)
    assert command(tmp_path, "--variants=vae_20", "--seeds=1") == code


def test_a_launcher_whose_sweep_was_killed_is_waited_for(tmp_path, launched, capsys):
    calls, _ = launched
    (run,) = sweep.runs_of(
        importlib.import_module("experiments.mnist_reconstruction"),
        ["vae_20"],
        range(1),
        tmp_path / "runs" / "mnist_reconstruction",
    )
    run.workdir.mkdir(parents=True)
    orphan = locked(run.workdir, "--workdir")
    threading.Timer(1.0, orphan.close).start()
    assert command(tmp_path, "--variants=vae_20", "--seeds=1") == 0 and orphan.closed
    assert calls == [("vae_20", 0)] and "waiting for it" in capsys.readouterr().err


def test_a_config_that_changed_is_run_again(tmp_path, launched, monkeypatch):
    """In another workdir: the launcher refuses one of another config."""
    calls, _ = launched
    assert command(tmp_path, "--variants=vae_20", "--seeds=2") == 0
    before = set((tmp_path / "runs").rglob("config.json"))

    def changed(variant, original=get_config):
        config = original(variant)
        config.steps += 1
        return config

    monkeypatch.setattr("experiments.mnist_reconstruction.get_config", changed)
    monkeypatch.setitem(trained.__globals__, "get_config", changed)
    assert command(tmp_path, "--variants=vae_20", "--seeds=1") == 0
    assert calls == [("vae_20", 0), ("vae_20", 1), ("vae_20", 0)]
    assert values(tmp_path, "vae_20") == ([0], [6])
    after = set((tmp_path / "runs").rglob("config.json"))
    assert before < after and len(after) == 3


def test_a_workdir_in_use_and_an_interrupt(tmp_path, launched, monkeypatch, capsys):
    calls, _ = launched
    module = importlib.import_module("experiments.mnist_reconstruction")
    folder = tmp_path / "runs" / "mnist_reconstruction"
    (run,) = sweep.runs_of(module, ["vae_20"], range(1), folder)
    run.workdir.mkdir(parents=True)
    with lock(run.workdir / ".lock", wait=False):
        assert command(tmp_path, "--variants=vae_20", "--seeds=1") == 1
    assert not calls and "another process is at work in" in capsys.readouterr().err

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep, "launch", interrupt)
    assert command(tmp_path, "--variants=vae_20", "--seeds=1") == 130
    assert capsys.readouterr().err.splitlines()[-1] == "interrupted: the same command continues"


def test_one_run_of_a_job_array(tmp_path, launched):
    calls, _ = launched
    assert command(tmp_path, TWO, "--seeds=2", "--only=2") == 0
    assert calls == [("deterministic_20", 1)]


def test_a_grid_is_every_combination_and_is_kept_apart(tmp_path, monkeypatch):
    """Oracle: the hashes of configs that are changed by hand, and the launcher's own words."""
    started = []

    def launch(experiment, run, *words):
        started.append([*run.flags, *words])
        if not words:
            trained(run, run.changes)

    monkeypatch.setattr(sweep, "launch", launch)
    grid = ["--grid=code.size=5,7", "--grid=generator.optimizer.rate=0.125,1e-3"]
    folder = tmp_path / "runs" / "mnist_reconstruction"
    words = ["mnist_reconstruction", f"--runs={tmp_path / 'runs'}", "--variants=vae_20", *grid]
    assert sweep.main([*words, "--seeds=2", "--only=6"]) == 0
    of_one = ["--config.code.size=7", "--config.generator.optimizer.rate=0.125"]
    of_one = ["--config.seed=1", *of_one]
    name = "vae_20,code.size=7,generator.optimizer.rate=0.125"
    noted = [
        f"--test_reads={folder / 'test_reads.jsonl'}",
        f"--read_as=mnist_reconstruction:{name}",
    ]
    assert started == [of_one, [*of_one, "--mode=evaluate", "--split=test", *noted]]
    assert sweep.main([*words, "--seeds=2"]) == 0
    assert sum("--mode=evaluate" in each for each in started) == 8
    records = json.loads((folder / "mnist_reconstruction.json").read_text())["records"]
    found = {one["variant"]: one for one in records if one["metric"] == "pixel_error"}
    assert len(found) == 4 and all(one["seeds"] == [0, 1] for one in found.values())
    config = get_config("vae_20")
    config.code.size, config.generator.optimizer.rate = 7, 0.001
    one = found["vae_20,code.size=7,generator.optimizer.rate=1e-3"]
    assert one["config"] == shared_digest(to_dict(config))
    assert "--config.code.size=7 --config.generator.optimizer.rate=0.001" in one["command"]
    assert not list(tmp_path.rglob("*.png"))


def test_a_module_chooses_its_split_and_first_seed(tmp_path, monkeypatch):
    """The launcher gets the split, and what it writes of that split is recorded."""
    module = importlib.import_module("experiments.mnist_reconstruction")
    monkeypatch.setattr(module, "SPLIT", "validation", raising=False)
    monkeypatch.setattr(module, "FIRST_SEED", 40, raising=False)
    launches = []

    def launch(experiment, run, *words):
        launches.append(words)
        if not words:
            trained(run)
            file = run.workdir / "evaluation_test.json"
            file.rename(file.with_name("evaluation_validation.json"))

    monkeypatch.setattr(sweep, "launch", launch)
    assert command(tmp_path, "--variants=vae_20", "--seeds=1") == 0
    assert ("--mode=evaluate", "--split=validation") in launches
    assert command(tmp_path, "--variants=vae_20", "--seeds=1", "--first_seed=2") == 0
    assert values(tmp_path, "vae_20")[0] == [2, 40]
    (record, *_) = json.loads((tmp_path / "r/mnist_reconstruction.json").read_text())["records"]
    assert record["command"].endswith("--checkpoint=latest --split=validation")


def test_seeds_that_are_trained_together_are_one_run(tmp_path, monkeypatch):
    """And what is recorded already is not run again, however many seeds are asked for."""
    module = importlib.import_module("experiments.mnist_reconstruction")
    monkeypatch.setattr(module, "TOGETHER", True, raising=False)
    monkeypatch.setattr(module, "SEEDS", 4, raising=False)
    started = []

    def launch(experiment, run, *words):
        started.append([*run.flags, *words])
        if not words:
            trained(run)
            path = run.workdir / "evaluation_test.json"
            evaluation = json.loads(path.read_text())
            evaluation["records"] = [
                {**one, "seed": run.seed + i, "value": 10 * i}
                for i in range(run.seeds)
                for one in evaluation["records"]
            ]
            path.write_text(json.dumps(evaluation))

    monkeypatch.setattr(sweep, "launch", launch)
    assert command(tmp_path, "--variants=vae_20", "--first_seed=5") == 0
    of_all = ["--config.seed=5", "--seeds=4"]
    ledger = tmp_path / "r" / "test_reads.jsonl"
    noted = [f"--test_reads={ledger}", "--read_as=mnist_reconstruction:vae_20"]
    assert started == [of_all, [*of_all, "--mode=evaluate", "--split=test", *noted]]
    assert values(tmp_path, "vae_20") == ([5, 6, 7, 8], [0, 10, 20, 30])
    (record,) = json.loads((tmp_path / "r" / "mnist_reconstruction.json").read_text())["records"]
    assert record["seconds"] == [30.0] and " --config.seed=SEED --seeds=COUNT;" in record["command"]
    for words in (["--first_seed=5"], ["--first_seed=6", "--seeds=2"]):
        assert command(tmp_path, "--variants=vae_20", *words) == 0
    assert len(started) == 2
    # Others join them; of all that take part, no time of a single seed is known.
    assert command(tmp_path, "--variants=vae_20", "--seeds=2") == 0
    assert values(tmp_path, "vae_20") == ([0, 1, 5, 6, 7, 8], [0, 10, 0, 10, 20, 30])
    (record,) = json.loads((tmp_path / "r" / "mnist_reconstruction.json").read_text())["records"]
    assert record["seconds"] == [30.0, 30.0]


def test_a_variant_may_be_a_path(tmp_path, monkeypatch):
    """As those of the semi-supervised table, METHOD/SET/LABELS."""
    module = importlib.import_module("experiments.semisupervised")
    runs = sweep.runs_of(module, list(module.preset.VARIANTS), range(2), tmp_path)
    assert len({run.workdir for run in runs}) == len(runs) == 2 * len(module.preset.VARIANTS)
    assert not any(a.workdir in b.workdir.parents for a in runs for b in runs)
    started = []

    def launch(experiment, run, *words):
        started.append((run.variant, run.workdir.is_dir()))
        raise InputError("as it may be")

    monkeypatch.setattr(sweep, "launch", launch)
    flags = [f"--{name}={tmp_path / name}" for name in ("runs", "results", "figures")]
    # The second is none of those that it has without --variants.
    words = ["semisupervised", *flags, "--variants=aae/mnist/100,full/cifar10/all", "--seeds=1"]
    assert sweep.main(words) == 1
    assert started == [("aae/mnist/100", True), ("full/cifar10/all", True)]


def test_bad_input_is_one_line_and_runs_nothing(tmp_path, launched, capsys):
    calls, _ = launched
    (tmp_path / "r").mkdir()
    for words, message in (
        (["--variants=vae_21"], "a variant is one of"),
        (["--seeds=0"], "--seeds is from 1"),
        (["--variants=vae_20,vae_20"], "--variants has vae_20 twice"),
        (["--grid=code.size"], "--grid is FIELD=VALUE,VALUE"),
        (["--grid=code.size=1,,2"], "--grid is FIELD=VALUE,VALUE"),
        (["--grid=code.size=1", "--grid=code.size=2"], "a field twice: code.size"),
        (["--grid=run.microbatches=1,2"], "variants do not differ in run.microbatches"),
        (["--grid=seed=1,2"], "variants do not differ in seed"),
        ([TWO, "--grid=code.size=20,3,20"], "--grid has code.size=20 twice"),
        (["--grid=code.sise=1"], "sise"),
        (["--grid=code.size=much"], "much"),
        ([TWO, "--only=6"], "--only is from 0 to 5"),
        ([TWO, "--only=-2"], "--only is from 0"),
    ):
        assert command(tmp_path, *words) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and message in error and error.count("\n") == 1
    for name, message in (
        ("nothing", "there is no experiment or preset nothing: see iae-jax --list"),
        ("benchmark", "has no configs"),
    ):
        assert sweep.main([name]) == 2
        assert message in capsys.readouterr().err
    (tmp_path / "r" / "mnist_reconstruction.json").write_text("{")
    assert command(tmp_path, TWO) == 2
    assert "is damaged: move it away" in capsys.readouterr().err.splitlines()[-1]
    assert not calls


def test_a_folder_that_is_a_file_stops_one_run(tmp_path, launched, capsys):
    (tmp_path / "runs" / "mnist_reconstruction").mkdir(parents=True)
    (tmp_path / "runs" / "mnist_reconstruction" / "deterministic_20").touch()
    assert command(tmp_path, TWO, "--seeds=1") == 1
    assert launched[0] == [("vae_20", 0)]
    assert "continuing with the others" in capsys.readouterr().err


@pytest.mark.heavy
def test_seeds_of_another_config_are_named_before_they_are_replaced(
    tmp_path, launched, monkeypatch, capsys
):
    assert command(tmp_path, "--variants=vae_20", "--seeds=2") == 0
    other = get_config("vae_20")
    other.batch_size += 1
    module = importlib.import_module("experiments.mnist_reconstruction")
    monkeypatch.setattr(module, "get_config", lambda _: other)
    monkeypatch.setattr(
        sweep, "collect", lambda *_: [{"variant": "vae_20", "config": "new", "metric": "m"}]
    )
    monkeypatch.setattr(sweep, "merge", lambda old, _: old)
    assert command(tmp_path, "--variants=vae_20", "--seeds=1") == 0
    assert "vae_20: seeds [0, 1] had another config and are replaced" in capsys.readouterr().err
