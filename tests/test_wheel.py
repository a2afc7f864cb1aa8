"""The wheel: what stands on a package index, and its commands and library in an empty folder,
beside the packages of this environment and without this source tree. No network."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from test_export import READER

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PIP = [sys.executable, "-m", "pip"]
# So that a training takes seconds.
SMALL = (
    "--config.steps=6", "--config.run.steps_per_call=3", "--config.run.log_steps=3",
    "--config.run.validate_steps=6", "--config.run.figure_steps=6",
    "--config.run.checkpoint_steps=6", "--config.run.devices=1",
)  # fmt: skip
LOADED = """
import sys, iae_jax, numpy as np
model = iae_jax.load(sys.argv[1])
x = np.random.default_rng(1).random((5, 8, 8, 1), np.float32)
np.savez("given.npz", x=x, key=np.array([0, 7], np.uint32))
codes = model.encode(x, seed=7)
np.savez("expected.npz", vector=codes.vector, x_hat=model.reconstruct(x, seed=7),
         sample=model.sample(9, seed=7))
print(iae_jax.__file__)
"""


def relative(text):
    """Targets of links that are neither addresses nor places of the page."""
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    return [one for one in targets if not one.startswith(("https://", "#"))]


@pytest.fixture(scope="module")
def setup_file():
    spec = importlib.util.spec_from_file_location("setup_file", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_of_the_description_lead_to_the_repository_or_nowhere(setup_file):
    assert len(relative(README)) > 8
    known = setup_file.description(README, "https://example.org/owner/name/")
    unknown = setup_file.description(README)
    assert relative(known) == relative(unknown) == []
    base = "https://example.org/owner/name"
    assert f"[RESULTS.md]({base}/blob/HEAD/RESULTS.md)" in known
    assert re.search(rf"!\[MNIST: [^]]+\]\({base}/raw/HEAD/docs/\w+\.png\)", known)
    assert "all results: RESULTS.md." in unknown and "![" not in unknown
    for text in (known, unknown):
        assert "[arXiv:1805.09804](https://arxiv.org/abs/1805.09804)" in text
        for block in re.findall(r"```.*?```", README, re.DOTALL):
            assert block in text
    assert setup_file.description("[a](#b) [c](d.md#e)", "https://f") == (
        "[a](#b) [c](https://f/blob/HEAD/d.md#e)"
    )


class Installed(NamedTuple):
    """The wheel, and the folder that it is installed in, which has nothing else."""

    wheel: Path
    target: Path

    def run(self, folder, *words):
        """Python in a folder, with the wheel."""
        return subprocess.run(
            [sys.executable, *map(str, words)],
            capture_output=True,
            text=True,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(self.target)},
        )

    def command(self, folder, name, *words):
        return self.run(folder, self.target / "bin" / name, *words)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Built of a copy, which is gone before anything is run."""
    folder = tmp_path_factory.mktemp("wheel")
    source, target = folder / "source", folder / "installed"
    source.mkdir()
    shutil.copytree(
        ROOT / "iae_jax", source / "iae_jax", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "setup.py", "setup.cfg", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("iae_jax-*.whl")
    install = [*PIP, "install", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    shutil.rmtree(source)
    return Installed(wheel, target)


@pytest.mark.slow
def test_the_description_of_the_wheel_has_no_link_that_breaks(installed, setup_file):
    with zipfile.ZipFile(installed.wheel) as file:
        (name,) = [one for one in file.namelist() if one.endswith(".dist-info/METADATA")]
        found = message_from_bytes(file.read(name))
    assert found["Description-Content-Type"] == "text/markdown"
    text = found.get_payload(decode=True).decode()
    assert relative(text) == [] and text.startswith("# iae_jax\n")
    source = dict(one.split(", ", 1) for one in found.get_all("Project-URL")).get("Source", "")
    assert text.strip() == setup_file.description(README, source).strip()


@pytest.mark.slow
def test_the_commands_in_an_empty_folder(installed, tmp_path):
    listed = installed.command(tmp_path, "iae-jax", "--list")
    assert listed.returncode == 0 and "  mnist_reconstruction:global_10_local_100" in listed.stdout
    one = installed.command(tmp_path, "iae-jax", "--config=digits", "--list")
    assert one.returncode == 0 and one.stdout.startswith("The default: an implicit autoencoder")
    near = installed.command(tmp_path, "iae-jax", "--config=nosuch", "--workdir=r")
    assert near.returncode == 2 and "there is no preset nosuch" in near.stderr
    for name in ("sweep", "report", "prepare"):
        assert installed.command(tmp_path, f"iae-jax-{name}", "--help").returncode == 0
    templates = {path.name for path in (ROOT / "iae_jax/files/templates").iterdir()}
    found = {path.name for path in (installed.target / "iae_jax/files/templates").iterdir()}
    assert found == templates and "run.html" in found
    assert (installed.target / "iae_jax" / "py.typed").is_file() and not list(tmp_path.iterdir())
    assert not (installed.target / "experiments").exists()


@pytest.mark.slow
def test_a_run_is_picked_up_elsewhere(installed, tmp_path):
    """Trained in one folder, loaded in another process when that folder and its data are gone, and
    its export read by JAX alone."""
    empty, elsewhere = tmp_path / "empty", tmp_path / "elsewhere"
    empty.mkdir()
    elsewhere.mkdir()
    trained = installed.command(
        empty, "iae-jax", "--config=digits", "--workdir=r", "--config.data.directory=data", *SMALL
    )
    assert trained.returncode == 0, trained.stderr
    assert "step 6/6" in trained.stderr and (empty / "data" / "digits").is_dir()
    shutil.move(empty / "r", elsewhere / "kept")
    shutil.rmtree(empty)

    loaded = installed.run(elsewhere, "-c", LOADED, "kept")
    assert loaded.returncode == 0, loaded.stderr
    assert Path(loaded.stdout.strip()).is_relative_to(installed.target)
    exported = installed.command(
        elsewhere, "iae-jax", "--workdir=kept", "--mode=export", "--output=."
    )
    assert exported.returncode == 0, exported.stderr
    shutil.rmtree(elsewhere / "kept")
    done = subprocess.run(
        [sys.executable, "-c", READER], cwd=elsewhere, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with (
        np.load(elsewhere / "found.npz") as found,
        np.load(elsewhere / "expected.npz") as expected,
    ):
        assert np.ptp(expected["sample"]) > 0 and expected["sample"].shape == (9, 8, 8, 1)
        for name in ("vector", "x_hat", "sample"):
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, atol=1e-6)
