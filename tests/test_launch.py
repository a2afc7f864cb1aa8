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

import numpy as np
import pytest
from absl import flags
from absl import logging as absl_logging
from absl.testing import flagsaver

import iae_jax.launch
import iae_jax.runs.evaluation

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
        (["--config=tests/tiny.py", "--mode=evaluate"], "train one with --mode=train"),
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
def test_train_evaluate_sample_reconstruct(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    common = [
        "--config=tests/tiny.py",
        f"--workdir={tmp_path}/run",
        "--config.steps=20",
        f"--config.data.directory={tmp_path}/tfds",
        f"--config.run.cache={tmp_path}/cache",
    ]
    code, out, err = launch(*common)
    assert code == 0, err
    assert Path(out.split("figure: ")[1].strip()).exists()
    assert launch(*common, "--mode=evaluate", "--checkpoint=best")[0] == 0
    content = json.loads((tmp_path / "run" / "evaluation_test.json").read_text())
    values = {record["metric"]: record for record in content["records"]}
    assert values["pixel_error"]["n"] == 297
    assert values["frechet_sample"]["extractor"].startswith("classifier/digits/")
    assert launch(*common, "--mode=sample", "--count=7")[0] == 0
    assert np.load(tmp_path / "run" / "samples.npz")["x"].shape == (7, 8, 8, 1)
    assert launch(*common, "--mode=reconstruct", "--count=5")[0] == 0
    pair = np.load(tmp_path / "run" / "reconstructions.npz")
    assert pair["x"].shape == (5, 8, 8, 1) and pair["x_hat"].shape == (3, 5, 8, 8, 1)
    other = launch(*common, "--mode=sample", "--config.batch_size=8")
    assert other[0] == 2 and "give the flags that it was trained with" in other[2][-1]
    assert launch(*common, "--mode=interpolate", "--count=3")[0] == 0
    ways = np.load(tmp_path / "run" / "interpolations.npz")["x"]
    assert ways.shape == (3, 12, 8, 8, 1)
    assert launch(*common, "--mode=traverse")[0] == 0
    moved = np.load(tmp_path / "run" / "traversals.npz")["x"]
    assert moved.shape == (3, 12, 8, 8, 1) and np.all(np.std(moved, axis=1).max(axis=(1, 2, 3)) > 0)
    code, out, _ = launch(*common, "--mode=encode", "--split=validation")
    assert code == 0 and out.strip().endswith("codes_validation.npz")
    codes = np.load(tmp_path / "run" / "codes_validation.npz")
    assert codes["vector"].shape == (150, 3) and set(codes["labels"]) == set(range(10))
    for name in ("samples", "reconstructions", "interpolations", "traversals"):
        assert (tmp_path / "run" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    for bad in ("²", "٤", "9" * 5000, "-1", ""):
        code, _, lines = launch(*common, "--mode=sample", f"--checkpoint={bad}")
        assert code == 2 and "--checkpoint is latest, best or a step" in lines[-1]
    code, _, lines = launch(*common, "--mode=reconstruct", "--count=1000")
    assert code == 2 and "this needs 1000 images and test has 297: lower --count" in lines[-1]


@pytest.mark.heavy
def test_views_of_a_category_and_of_a_plane(tmp_path, monkeypatch):
    """A column for each category; a picture of a code of two components."""
    monkeypatch.chdir(ROOT)
    common = [
        "--config=tests/tiny.py",
        f"--workdir={tmp_path}/run",
        "--config.steps=10",
        "--config.code.categories=4",
        "--config.code.size=2",
        f"--config.data.directory={tmp_path}/tfds",
    ]
    assert launch(*common)[0] == 0
    assert launch(*common, "--mode=traverse", "--count=5")[0] == 0
    assert np.load(tmp_path / "run" / "traversals.npz")["x"].shape == (5, 4, 8, 8, 1)
    assert launch(*common, "--mode=interpolate", "--count=2")[0] == 0
    assert launch(*common, "--mode=encode")[0] == 0
    codes = np.load(tmp_path / "run" / "codes_test.npz")
    np.testing.assert_allclose(codes["probabilities"].sum(axis=1), 1.0, rtol=1e-5)
    assert codes["vector"].shape == (297, 2)
    assert (tmp_path / "run" / "codes_test.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.heavy
@pytest.mark.parametrize(("split", "named"), [("test", 150), ("validation", None)])
def test_clusters_are_not_named_on_the_split_that_is_measured(tmp_path, monkeypatch, split, named):
    monkeypatch.chdir(ROOT)
    common = [
        "--config=tests/tiny.py",
        f"--workdir={tmp_path}/run",
        "--config.steps=10",
        "--config.code.categories=12",
        f"--config.data.directory={tmp_path}/tfds",
        "--config.run.classifier=false",
    ]
    assert launch(*common)[0] == 0
    given = []
    monkeypatch.setattr(
        iae_jax.runs.evaluation, "evaluate", lambda trained, *_: given.append(trained) or []
    )
    assert launch(*common, "--mode=evaluate", f"--split={split}")[0] == 0
    others = given[0].validation
    assert (others and len(others.x)) == named and len(given[0].train.x) > 1000


@pytest.mark.heavy
def test_a_model_without_an_encoder_shows_what_it_can(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    common = [
        "--config=tests/tiny.py:gan",
        f"--workdir={tmp_path}/run",
        "--config.steps=10",
        f"--config.data.directory={tmp_path}/tfds",
    ]
    assert launch(*common)[0] == 0
    for mode in ("interpolate", "traverse", "sample"):
        assert launch(*common, f"--mode={mode}", "--count=2")[0] == 0
    for mode in ("reconstruct", "encode"):
        code, _, lines = launch(*common, f"--mode={mode}")
        assert code == 2 and "has no encoder" in lines[-1]


@pytest.mark.heavy
@pytest.mark.parametrize("flag", ["--list", "--help_config"])
def test_a_reader_of_a_list_may_have_enough(flag):
    """As `head` has: the command is not at fault."""
    command = f"{sys.executable} -m iae_jax.launch {flag} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


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
