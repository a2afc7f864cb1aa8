"""The ledger of the test split: who adds a line, that none is lost, and what reports say of it."""

import csv
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import sweeps
from test_launch import launch

from iae_jax import sweep
from iae_jax.errors import InputError
from iae_jax.files.json_lines import append_line, read_lines
from iae_jax.metrics import evaluate
from iae_jax.records import overview, results
from iae_jax.records.experiment import load
from iae_jax.records.experiment_page import page
from iae_jax.runs.config import Config
from iae_jax.runs.evaluation import by_seed
from iae_jax.runs.ledger import Ledger, count, ledger_of, reads_of

ROOT = Path(__file__).parent.parent


def test_lines_of_several_at_once_are_all_there(tmp_path):
    """Of 3 to 60 kB, so that half a line would be seen."""
    path, go = tmp_path / "lines", threading.Barrier(6)

    def add(which):
        go.wait()
        for number in range(30):
            append_line(path, {"which": which, "number": number, "text": "x" * 2000 * (which + 1)})

    threads = [threading.Thread(target=add, args=(which,)) for which in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    found = [(line["which"], line["number"], len(line["text"])) for line in lines]
    assert sorted(found) == [(w, n, 2000 * (w + 1)) for w in range(6) for n in range(30)]
    assert read_lines(path) == lines


@pytest.mark.slow
def test_lines_of_several_processes_are_all_there(tmp_path):
    script = (
        "import sys, pathlib\n"
        "from iae_jax.files.json_lines import append_line\n"
        "for n in range(100):\n"
        "    line = {'who': sys.argv[2], 'n': n, 'x': 'y' * 9000}\n"
        "    append_line(pathlib.Path(sys.argv[1]), line)\n"
    )
    path = tmp_path / "lines"
    started = [
        subprocess.Popen([sys.executable, "-c", script, path, str(who)], cwd=ROOT)
        for who in range(4)
    ]
    assert [one.wait() for one in started] == [0, 0, 0, 0]
    found = sorted((int(line["who"]), line["n"]) for line in read_lines(path))
    assert found == [(who, n) for who in range(4) for n in range(100)]


def test_a_line_that_a_full_disk_has_cut_spoils_no_other(tmp_path):
    path = tmp_path / "lines"
    path.write_text('{"a": 1}\n{"b": ')
    append_line(path, {"c": 3})
    assert path.read_text().splitlines() == ['{"a": 1}', '{"b": ', '{"c": 3}']
    with pytest.raises(InputError, match=f"line 2 of {path} is damaged"):
        read_lines(path)


def test_a_link_is_not_written_through(tmp_path):
    (tmp_path / "lines").symlink_to(tmp_path / "other")
    with pytest.raises(OSError):
        append_line(tmp_path / "lines", {"a": 1})
    assert not (tmp_path / "other").exists()


@pytest.mark.heavy
def test_modes_that_measure_the_test_split_add_a_line_each(tmp_path, data_directory, monkeypatch):
    monkeypatch.chdir(ROOT)
    run, noted = tmp_path / "run", tmp_path / "test_reads.jsonl"
    common = [
        "--config=tests/tiny.py",
        f"--workdir={run}",
        "--config.steps=10",
        "--config.seed=3",
        "--config.run.classifier=False",
        f"--config.data.directory={data_directory}",
    ]
    assert launch(*common)[0] == 0
    for words in (["evaluate", "--split=validation"], ["score", "--split=train"]):
        assert launch(*common, f"--mode={words[0]}", *words[1:])[0] == 0
    assert not (run / "test_reads.jsonl").exists()
    for mode in ("score", "encode"):
        assert launch(*common, f"--mode={mode}")[0] == 0
    as_other = [f"--test_reads={noted}", "--read_as=some:variant,code.size=3"]
    assert launch(*common, "--mode=evaluate", *as_other)[0] == 0

    scored, encoded = map(json.loads, (run / "test_reads.jsonl").read_text().splitlines())
    evaluated = json.loads(noted.read_text())
    records = json.loads((run / "evaluation_test.json").read_text())["records"]
    assert evaluated["metrics"] == {one["metric"]: [one["value"]] for one in records}
    with (run / "scores_test.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    errors = [float(row["pixel_error"]) for row in rows]
    assert scored["metrics"]["pixel_error"][0] == pytest.approx(np.mean(errors), rel=1e-6)
    size = len(np.load(run / "codes_test.npz")["names"])
    for line, mode in ((evaluated, "evaluate"), (scored, "score"), (encoded, "encode")):
        assert (line["mode"], line["n"], line["seeds"]) == (mode, size, [3])
    assert (evaluated["experiment"], evaluated["variant"]) == ("some", "variant,code.size=3")
    assert (scored["experiment"], scored["variant"]) == ("", "")
    assert len({line["config"] for line in (evaluated, scored, encoded)}) == 1


@pytest.mark.heavy
@pytest.mark.parametrize("mode", ["evaluate", "score", "encode"])
def test_a_ledger_that_cannot_be_written_is_found_before_anything_is_measured(
    mode, tmp_path, data_directory, monkeypatch
):
    monkeypatch.chdir(ROOT)
    run = tmp_path / "run"
    common = [
        "--config=tests/tiny.py",
        f"--workdir={run}",
        "--config.steps=2",
        "--config.run.classifier=False",
        f"--config.data.directory={data_directory}",
    ]
    assert launch(*common)[0] == 0
    before = sorted(tmp_path.rglob("*"))
    (tmp_path / "link").symlink_to(tmp_path / "other")
    for path, why in (
        (tmp_path / "absent" / "lines", "No such file or directory"),
        (run, "Is a directory"),
        (tmp_path / "link", "Too many levels of symbolic links"),
    ):
        code, _, lines = launch(*common, f"--mode={mode}", f"--test_reads={path}")
        assert code == 2 and f"in {path} ({why}): name another file by --test_reads" in lines[-1]
    (tmp_path / "link").unlink()
    assert sorted(tmp_path.rglob("*")) == before


def test_the_line_has_a_place_for_each_seed():
    """Where a metric is of the first seed alone, or not finite."""

    def record(metric, value, seed):
        return evaluate.Record(metric, value, 5, seed, "test")

    config = Config()
    config.seed, config.run.seeds = 4, 3
    records = [record("a", 1.0, 4), record("b", 2.0, 4), record("a", 3.0, 6)]
    records.append(record("a", float("nan"), 5))
    assert by_seed(config, records) == {"a": [1.0, None, 3.0], "b": [2.0, None, None]}


def noting(monkeypatch):
    """Sweeps whose launcher trains nothing, and notes as the real one does."""
    sweeps.replace_launcher(monkeypatch)
    replaced = sweep.launch

    def launch(module, run, *words):
        replaced(module, run, *words)
        if "--mode=evaluate" in words:
            given = dict(word.split("=", 1) for word in words)
            ledger = ledger_of(run.workdir, given["--test_reads"], given["--read_as"])
            ledger.note("evaluate", Config(), [run.seed], 7, {"pixel_error": [run.seed / 2]})

    monkeypatch.setattr(sweep, "launch", launch)


def test_a_sweep_notes_beside_its_records(tmp_path, monkeypatch):
    noting(monkeypatch)
    assert sweeps.command(tmp_path, sweeps.TWO, "--seeds=2") == 0
    lines = read_lines(tmp_path / "r" / "test_reads.jsonl")
    assert [(line["experiment"], line["variant"], line["seeds"]) for line in lines] == [
        ("mnist_reconstruction", variant, [seed])
        for seed in (0, 1)
        for variant in ("deterministic_20", "vae_20")
    ]
    assert sweeps.command(tmp_path, sweeps.TWO, "--seeds=2") == 0  # nothing is measured again
    assert read_lines(tmp_path / "r" / "test_reads.jsonl") == lines


def test_reports_say_how_often(tmp_path, monkeypatch):
    noting(monkeypatch)
    assert sweeps.command(tmp_path, sweeps.TWO, "--seeds=3") == 0
    folder = tmp_path / "r"
    Ledger(folder / "test_reads.jsonl", "another", "x").note("evaluate", Config(), [0], 7, {})
    together = Ledger(folder / "test_reads.jsonl", "mnist_reconstruction", "old")
    together.note("evaluate", Config(), [0, 1, 2, 3], 7, {"pixel_error": [0.1, None, 0.3, 0.4]})
    assert count(reads_of(folder, "mnist_reconstruction")) == 10
    one = load(folder / "mnist_reconstruction.json")
    text = page(one, tmp_path / "f", tmp_path)
    assert "of 3 variants were measured on the test split at least 10 times" in text
    unread = one._replace(name="unread", reads=())
    assert "on the test split at least" not in page(unread, tmp_path / "f", tmp_path)
    assert overview.test_reads([unread, one]).endswith(": mnist_reconstruction 10.\n")
    assert overview.test_reads([unread]) == ""


def test_lines_of_runs_that_are_collected_by_hand_come_with_them(tmp_path, monkeypatch):
    sweeps.replace_launcher(monkeypatch)
    assert sweeps.command(tmp_path, "--variants=vae_20", "--seeds=1") == 0
    (run,) = (tmp_path / "runs").glob("mnist_reconstruction/vae_20/*")
    for value in (0.1, 0.2):
        ledger_of(run).note("evaluate", Config(), [0], 7, {"pixel_error": [value]})
    words = ["mnist_reconstruction", f"vae_20={run}", f"--directory={tmp_path / 'own'}"]
    for _ in range(2):
        assert results.main(words) == 0
    lines = reads_of(tmp_path / "own", "mnist_reconstruction")
    assert [line["metrics"]["pixel_error"] for line in lines] == [[0.1], [0.2]]
    assert {line["variant"] for line in lines} == {"vae_20"}


def test_every_record_of_a_test_split_has_a_line():
    lines = read_lines(ROOT / "results" / "test_reads.jsonl")
    noted = {
        (line["experiment"], line["variant"], line["config"], seed)
        for line in lines
        for seed in line["seeds"]
    }
    found = 0
    for path in sorted((ROOT / "results").glob("*.json")):
        for one in json.loads(path.read_text())["records"]:
            command = one["command"]
            by_launcher = "iae_jax.launch" in command or "iae_jax.sweep" in command
            if by_launcher and "--split=validation" not in command:
                for seed in one["seeds"]:
                    assert (path.stem, one["variant"], one["config"], seed) in noted
                    found += 1
    assert found > 1000
