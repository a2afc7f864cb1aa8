"""The command line, as a person uses it: exit codes, one line for an error, files for a success."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent


def launch(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "iae_jax.launch", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say what to run and where"),
        (["--config=tests/tiny.py"], "--workdir"),
        (["--config=tests/absent.py"], "absent.py"),
        (["--config=tests/tiny.py:ali"], "a variant is iae, gan or vae"),
        (["--config=tests/tiny.py", "--config.generator.nois=3"], "nois"),
        (["--config=tests/tiny.py", "--config.generator.noise=much"], "much"),
        (["--config=tests/tiny.py", "--config.steps=0"], "steps is at least 1"),
        (["--config=tests/tiny.py", "--config.data.name=npz:absent.npz"], "absent.npz"),
        (["--config=tests/tiny.py", "--config.regularization.kind=analytic_kl"],
         "use a gaussian encoder"),
        (["--config=tests/tiny.py", "--mode=evaluate"], "train one with --mode=train"),
        (["--config=tests/tiny.py", "--mode=dance"], "dance"),
    ],
)
def test_bad_input_is_one_line_and_makes_nothing(tmp_path, arguments, message):
    workdir = tmp_path / "run"
    if len(arguments) > 1 or "absent" in "".join(arguments) or ":" in "".join(arguments):
        arguments = [*arguments, f"--workdir={workdir}"]
    result = launch(*arguments)
    lines = result.stderr.strip().splitlines()
    assert result.returncode == 2, result.stderr
    assert len(lines) == 1 and lines[0].startswith("error: ") and message in lines[0]
    assert not workdir.exists()


def test_train_evaluate_sample_reconstruct(tmp_path):
    common = [
        "--config=tests/tiny.py", f"--workdir={tmp_path}/run", "--config.steps=20",
        f"--config.data.directory={tmp_path}/tfds", f"--config.run.cache={tmp_path}/cache",
    ]
    trained = launch(*common)
    assert trained.returncode == 0, trained.stderr
    assert Path(trained.stdout.split("figure: ")[1].strip()).exists()
    evaluated = launch(*common, "--mode=evaluate", "--checkpoint=best")
    assert evaluated.returncode == 0, evaluated.stderr
    content = json.loads((tmp_path / "run" / "evaluation_test.json").read_text())
    values = {record["metric"]: record for record in content["records"]}
    assert values["pixel_error"]["n"] == 297
    assert values["frechet_distance"]["extractor"].startswith("judge/digits/")
    assert launch(*common, "--mode=sample", "--count=7").returncode == 0
    assert np.load(tmp_path / "run" / "samples.npz")["x"].shape == (7, 8, 8, 1)
    assert launch(*common, "--mode=reconstruct", "--count=5").returncode == 0
    pair = np.load(tmp_path / "run" / "reconstructions.npz")
    assert pair["x"].shape == pair["x_hat"].shape == (5, 8, 8, 1)
    too_many = launch(*common, "--mode=reconstruct", "--count=1000")
    assert too_many.returncode == 2 and "ask for fewer" in too_many.stderr
