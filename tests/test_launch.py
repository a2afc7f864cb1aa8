"""The command line, as a person uses it: exit codes, one line for an error, files for a success."""

import importlib
import io
import json
import logging
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import pytest
from absl import flags
from absl import logging as absl_logging
from absl.testing import flagsaver

import iae_jax.launch
import iae_jax.runs.evaluation
from iae_jax.runs.config import Config, to_dict

ROOT = Path(__file__).parent.parent


# These define flags of their own; flagsaver would remove what is defined while it saves.
for module in ("grain", "tensorflow_datasets", "array_record.python.array_record_data_source"):
    importlib.import_module(module)


def launch(*arguments):
    """The command in this process: (exit code, stdout, stderr lines)."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    argv = ["iae-jax", *arguments]  # ml_collections reads sys.argv for a config's fields
    with (
        flagsaver.flagsaver(),
        mock.patch.object(sys, "argv", argv),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        flags.FLAGS.unparse_flags()
        try:
            iae_jax.launch.guarded(iae_jax.launch.parse(argv))
        except SystemExit as stop:
            code = stop.code
    return code, out.getvalue(), err.getvalue().strip().splitlines()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say what to run and where"),
        (["--config=tests/tiny.py"], "--workdir"),
        (["--config=tests/absent.py"], "absent.py"),
        (["--config=tests/tiny.py:ali"], "a variant is iae, gan or vae"),
        (
            ["--config=tests/tiny.py", "--config.generator.nois=3"],
            "no config field generator.nois (do you mean generator.noise?)",
        ),
        (["--config=tests/tiny.py", "--config.generator.noise=much"], "invalid literal"),
        (
            [
                "--config=tests/tiny.py",
                "--config.reconstruction.kind=none",
                "--config.regularization.kind=none",
            ],
            "no term of this objective trains anything",
        ),
        (["--config=tests/tiny.py", "--config.steps=0"], "steps is at least 1"),
        (["--config=tests/tiny.py", "--config.run.log_steps=3"], "multiple of run.log_steps"),
        (["--config=tests/tiny.py", "--config.data.name=npz:absent.npz"], "absent.npz"),
        (
            ["--config=tests/tiny.py", "--config.regularization.kind=analytic_kl"],
            "use a gaussian encoder",
        ),
        (["--config=tests/tiny.py", "--mode=evaluate"], "train one there first"),
        (["--config=tests/tiny.py", "--mode=dance"], "dance"),
        (["--config=tests/tiny.py", "--config.run.checkpoints=memory://a"], "gs://BUCKET/FOLDER"),
        (["--config=tests/tiny.py", "--workdir=gs://bucket/run"], "--workdir is a folder"),
        *(
            (["--config=tests/tiny.py", f"--coordinator={bad}", "--processes=1"], "is HOST:PORT")
            for bad in ("localhost", " ", ":1", "localhost:abc", "localhost:65536", "localhost:²")
        ),
        (["--config=tests/tiny.py", "--workdir="], "say what to run and where"),
        (["--config=tests/tiny.py", "--workdir=runs/a\udcff"], "a name in UTF-8"),
        (["--config=tests/tiny.py", "--mode=sample", f"--count={10**22}"], "count"),
        (["--config=tests/tiny.py", "--config.batch_size=1000000000"], "use fewer"),
        (["--config=tests/tiny.py", f"--config.steps={2**31}"], "at most 2147483647"),
        (["--config=tests/tiny.py", f"--config.generator.noise={2**31}"], "at most 2147483647"),
    ],
)
def test_bad_input_is_one_line_and_makes_nothing(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(ROOT)
    workdir = tmp_path / "run"
    if arguments and not any("--workdir" in word for word in [message, *arguments]):
        arguments = [*arguments, f"--workdir={workdir}"]
    code, _, lines = launch(*arguments)
    assert code == 2, lines
    assert len(lines) == 1 and lines[0].startswith("error: ") and message in lines[0]
    assert "Traceback" not in lines[0]
    assert not workdir.exists()


def test_a_home_is_the_same_for_every_mode(tmp_path, monkeypatch):
    """A shell leaves the ~ of --workdir=~/run as it is."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("HOME", str(tmp_path))
    asked = []
    monkeypatch.setattr(iae_jax.launch, "keep_compiled", lambda cache: None)
    monkeypatch.setattr(
        iae_jax.launch,
        "train",
        lambda config, path, *_: asked.append(path) or mock.Mock(figure=None),
    )
    monkeypatch.setattr(
        iae_jax.launch.reading, "read", lambda mode, config, path, seeds: asked.append(path)
    )
    for words in ([], ["--mode=sample"]):
        assert launch("--config=tests/tiny.py", "--workdir=~/run", *words)[0] == 0
    assert asked == [tmp_path / "run", tmp_path / "run"]
    code, _, (line,) = launch("--config=tests/tiny.py", "--workdir=~nobody-at-all/run")
    assert code == 2 and "~nobody-at-all/run has no such home" in line


@pytest.mark.parametrize(
    ("words", "joined"),
    [
        ([], None),
        (["--distributed"], ("", 0, -1)),
        (["--coordinator=a:1"], ("a:1", 0, -1)),
        (["--processes=4"], ("", 4, -1)),
        (["--process=0"], ("", 0, 0)),
    ],
)
def test_any_word_of_other_processes_joins_them(tmp_path, monkeypatch, words, joined):
    """One that was ignored would leave as many runs as there are processes."""
    monkeypatch.chdir(ROOT)
    asked = []
    monkeypatch.setattr(iae_jax.launch.multihost, "join", lambda *given: asked.append(given[:3]))
    monkeypatch.setattr(iae_jax.launch, "train", lambda *given: mock.Mock(figure=None))
    code, _, err = launch("--config=tests/tiny.py", f"--workdir={tmp_path}", *words)
    assert code == 0, err
    assert asked == ([] if joined is None else [joined])


@pytest.mark.heavy
def test_a_config_imports_its_neighbours(tmp_path):
    """By the console script too, whose path begins with its own folder."""
    (tmp_path / "neighbour.py").write_text("STEPS = 'none of a neighbour'")
    (tmp_path / "own.py").write_text(
        "import neighbour\n\ndef get_config():\n    raise ValueError(neighbour.STEPS)"
    )
    script = Path(sys.executable).parent / "iae-jax"
    for command in ([script], [sys.executable, "-m", "iae_jax.launch"]):
        result = subprocess.run(
            [*command, "--config=own.py", "--workdir=run"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": ""},
        )
        assert result.returncode == 2
        assert result.stderr.splitlines()[-1].endswith("ValueError: none of a neighbour")


def test_the_command_exits_with_2_after_one_line():
    result = subprocess.run(
        [sys.executable, "-m", "iae_jax.launch", "--config=tests/tiny.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr == (
        "error: say what to run and where: --config=digits --workdir=DIR, or see --list\n"
    )


def test_asyncio_says_nothing_unless_asked(monkeypatch):
    """Of a save that fails, Orbax leaves tasks whose errors it would print."""
    before, levels = logging.getLogger("asyncio").level, []
    monkeypatch.setattr(
        iae_jax.launch, "main", lambda argv: levels.append(logging.getLogger("asyncio").level)
    )
    assert launch("--config=tests/tiny.py")[0] == 0
    assert launch("--config=tests/tiny.py", "--verbosity=0")[0] == 0
    assert levels == [logging.CRITICAL, before]
    assert logging.getLogger("asyncio").level == before != logging.CRITICAL


@pytest.mark.heavy
@pytest.mark.parametrize("flag", ["--list", "--help_config"])
def test_a_reader_of_a_list_may_have_enough(flag):
    """As `head` has: the command is not at fault."""
    command = f"{sys.executable} -m iae_jax.launch {flag} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def test_programs_of_another_folder_are_not_run_because_a_run_names_it(tmp_path, monkeypatch):
    config = Config()
    config.run.cache = str(tmp_path / "theirs")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(json.dumps(to_dict(config)))
    kept = []
    monkeypatch.setattr(iae_jax.launch, "keep_compiled", kept.append)
    monkeypatch.setattr(iae_jax.launch.reading, "read", lambda *_: None)
    assert launch(f"--workdir={tmp_path / 'run'}", "--mode=sample")[0] == 0
    mine = ["--config=tests/tiny.py", f"--config.run.cache={tmp_path / 'mine'}"]
    monkeypatch.chdir(ROOT)
    assert launch(*mine, f"--workdir={tmp_path / 'run'}", "--mode=sample")[0] == 0
    assert kept == [Path.home() / ".cache" / "iae_jax", tmp_path / "mine"]


def test_help_lists_the_flags():
    code, out, _ = launch("--help")
    assert code == 0
    assert all(flag in out for flag in ("--config", "--workdir", "--mode", "--checkpoint"))


def test_a_warning_is_a_plain_line():
    """As of a broken checkpoint that is passed over."""
    handler = absl_logging.get_absl_handler()
    entry = logging.LogRecord("iae_jax", logging.WARNING, "a.py", 7, "%d is broken", (3,), None)
    with flagsaver.flagsaver(), mock.patch.object(sys, "argv", ["iae-jax"]):
        flags.FLAGS.unparse_flags()
        iae_jax.launch.parse(["iae-jax"])
        with iae_jax.launch.quiet():
            assert handler.format(entry) == "warning: 3 is broken"
    assert handler.format(entry).startswith("W")
