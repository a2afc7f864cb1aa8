"""The package as it is installed: its version, its commands, what it needs, and what is in the two
distributions. The oracles are pyproject.toml, a process that cannot import what a core install
lacks, and the tests of an unpacked source distribution. See test_wheel.py."""

import importlib
import os
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import chromium
import numpy as np
import pytest
import tiny
import yaml
from test_comparison import workdir

import iae_jax
from iae_jax.files import installed
from iae_jax.runs.train import train

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
# The distributions whose module has another name.
MODULES = {"ml-collections": "ml_collections", "pillow": "PIL", "scikit-learn": "sklearn",
           "tensorflow-datasets": "tensorflow_datasets"}  # fmt: skip
# JAX itself needs scipy.
ABSENT = [
    "array_record", "fcntl", "grain", "jinja2", "matplotlib", "ml_collections", "PIL", "resource",
    "sklearn", "tensorboardX", "tensorflow", "tensorflow_datasets", "tqdm", "wandb",
]  # fmt: skip
CORE = f"""
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        absent = name.partition(".")[0] in {ABSENT}
        return None if absent else self.finder.find_spec(name, path, target)

for name in {ABSENT}:
    sys.modules.pop(name, None)
sys.meta_path[:] = map(Without, sys.meta_path)
"""


def core(code, *words, **options):
    """A process in which only the packages of a core install can be imported."""
    command = [sys.executable, "-c", CORE + code, *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    # filelock, which JAX loads if it is there, says so where Windows' lack of fcntl is played.
    environment["PYTHONWARNINGS"] = "ignore:only soft file lock"
    return subprocess.run(command, capture_output=True, text=True, env=environment, **options)


def names(requirements):
    return [re.match(r"[\w.-]+", one)[0] for one in requirements]


def test_the_version_is_one(tmp_path):
    assert re.fullmatch(r"\d+\.\d+\.\d+", iae_jax.__version__) and "version" in PROJECT["dynamic"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == iae_jax.__version__
    (paper,) = citation["references"]
    assert paper["title"] == "Implicit Autoencoders" and "1805.09804" in paper["url"]
    assert f"## {iae_jax.__version__}" in (ROOT / "CHANGELOG.md").read_text() or (
        "Unreleased" in (ROOT / "CHANGELOG.md").read_text()
    )


def test_every_command_is_there():
    assert {
        "iae-jax",
        *(f"iae-jax-{name}" for name in ("prepare", "report", "sweep")),
    } == set(PROJECT["scripts"])
    for target in PROJECT["scripts"].values():
        module, _, name = target.partition(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_what_a_core_install_lacks_is_the_extra():
    wanted = {MODULES.get(name, name) for name in names(EXTRAS["train"])}
    assert wanted - {"importlib_resources"} == set(installed.TRAIN)
    assert not wanted & set(names(PROJECT["dependencies"]))
    assert any(one.startswith("iae_jax[train,tensorboard,export]") for one in EXTRAS["test"])


def test_the_tested_versions_are_of_all_that_is_tested():
    for version in ("3.11", "3.12"):
        text = (ROOT / "constraints" / f"python{version}.txt").read_text().lower().replace("_", "-")
        pinned = {line.partition("==")[0] for line in text.splitlines()}
        needed = names(PROJECT["dependencies"])
        needed += sum((names(EXTRAS[one]) for one in ("train", "tensorboard", "export")), [])
        needed += [one for one in names(EXTRAS["test"] + EXTRAS["docs"]) if one != "iae_jax"]
        missing = {name.lower().replace("_", "-") for name in needed} - pinned
        assert not missing, (version, missing)


def test_every_job_makes_what_there_is_and_each_week_all_tests_run():
    """With a browser, under a name that the tests look for."""
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    jobs = {path.stem: path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml")}
    jobs["run"] = (ROOT / ".ci" / "run").read_text()
    for text in jobs.values():
        assert set(re.findall(r"^[ -]*(?:run: )?make ([\w-]+)", text, re.MULTILINE)) <= targets
    weekly = yaml.safe_load(jobs["weekly"])
    assert [one["cron"].split()[2:] for one in weekly[True]["schedule"]] == [["*", "*", "1"]]
    steps = [step.get("run", "") for step in weekly["jobs"]["slow"]["steps"]]
    assert steps[0].split()[-1] in chromium.NAMES and steps[-1].startswith("make test-all")


@pytest.mark.heavy
@pytest.mark.parametrize(
    "words",
    [
        "iae_jax.launch.run()",
        "sys.exit(iae_jax.sweep.main(['digits']))",
        "sys.exit(iae_jax.data.prepare.main(['mnist']))",
    ],
)
def test_training_without_its_packages_is_one_line(tmp_path, words):
    module = ".".join(re.search(r"(iae_jax(?:\.\w+)+)\.\w+\(", words)[1].split("."))
    done = core(f"import {module}\n{words}", "--config=digits", "--workdir=r", cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == "", done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and line.endswith("pip install 'iae_jax[train]'")
    assert "tensorflow_datasets" in line and "PIL" in line and "jax," not in line


@pytest.mark.heavy
def test_a_run_is_read_by_a_core_install(tmp_path, data_directory):
    """`load`, `sample` and `encode` need neither data sets, figures nor what Windows lacks; their
    numbers are those of this process."""
    config = tiny.get_config("vae")
    config.data.directory, config.steps = data_directory, 20
    train(config, tmp_path / "run")
    assert f'"iae_jax": "{iae_jax.__version__}"' in (tmp_path / "run" / "run.json").read_text()
    model = iae_jax.load(tmp_path / "run")
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", x=images)
    done = core(
        "import iae_jax, numpy as np\n"
        "model = iae_jax.load('run')\n"
        "x = np.load('x.npz')['x']\n"
        "np.savez('found.npz', codes=model.encode(x).mean, samples=model.sample(3))\n"
        f"print([name for name in {ABSENT} if name in sys.modules])",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
    with np.load(tmp_path / "found.npz") as found:
        np.testing.assert_allclose(found["codes"], model.encode(images).mean, atol=1e-6)
        np.testing.assert_allclose(found["samples"], model.sample(3), atol=1e-6)


@pytest.mark.heavy
def test_runs_are_compared_by_a_core_install(tmp_path):
    """In a table; the page, which needs jinja2, where it is asked for is an error of one line."""
    workdir(tmp_path / "a", {"error": 0.25})
    code = "import sys, iae_jax.report\nsys.exit(iae_jax.report.main(sys.argv[1:]))"
    done = core(code, "a", cwd=tmp_path)
    assert done.returncode == 0 and "| error | 0.25 | 100 |  |" in done.stdout
    assert done.stderr.endswith("for report.html too: pip install 'iae_jax[train]'\n")
    done = core(code, "a", "--page", cwd=tmp_path)
    assert done.returncode == 2 and "error: a page needs jinja2: pip install" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.slow
def test_the_tests_of_an_unpacked_source_distribution_run(tmp_path):
    code = f"import setuptools.build_meta as b; print(b.build_sdist({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)
    (archive,) = tmp_path.glob("iae_jax-*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(tmp_path, filter="data")
    source = tmp_path / archive.name.removesuffix(".tar.gz")
    for name in (
        "CITATION.cff", "Makefile", "constraints/python3.12.txt", "tests/first_steps.npz",
        "experiments/cluster/slurm.sh", "results/ali.json", "docs/extending.md",
    ):  # fmt: skip
        assert (source / name).is_file(), name
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "tests/test_kinds.py"]
    done = subprocess.run(words, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
