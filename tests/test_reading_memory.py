"""The memory of the modes that read a trained run does not grow with the number of images, and how
it is measured."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tiny
from PIL import Image

from iae_jax.runs.train import train

ROOT = Path(__file__).parent.parent
MAX_MEGABYTES = 2000
ADDRESSES = 12_000_000  # kilobytes: 12 GB
SAMPLES, IMAGES = 50_000, 200_000  # of 64x64x3: 2.5 GB as f32, 2.5 GB as uint8
PROGRAM = """
import sys
import iae_jax.launch as launch
from iae_jax.runs.memory import peak_host_megabytes
try:
    launch.guarded(launch.parse(sys.argv))
finally:
    print(round(peak_host_megabytes()))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of images of 64x64x3, and these."""
    folder = tmp_path_factory.mktemp("large")
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
    images = images.repeat(8, axis=1).repeat(8, axis=2)  # small as PNGs
    np.savez(folder / "set.npz", images=images)
    config = tiny.get_config()
    config.data.name, config.steps = f"npz:{folder / 'set.npz'}", 5
    config.data.train = config.data.validation = config.data.test = "train"
    train(config, folder / "run")
    return folder / "run", images


def megabytes(path, *words):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, f"--workdir={path}", *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


def test_the_peak_of_a_process_is_not_that_of_the_one_that_started_it():
    """300 MB of this one are in what getrusage says of its child."""
    own = bytearray(300 * 2**20)
    own[::4096] = b"1" * len(own[::4096])
    code = (
        "import importlib.util as u, sys; sys.modules['jax'] = type(sys)('jax'); "
        "sys.modules['jax'].Device = None; "
        "s = u.spec_from_file_location('memory', sys.argv[1]); m = u.module_from_spec(s); "
        "s.loader.exec_module(m); before = m.peak_host_megabytes(); "
        "x = bytearray(60 * 2**20); x[::4096] = b'1' * len(x[::4096]); "
        "print(before, m.peak_host_megabytes() - before)"
    )
    words = [sys.executable, "-c", code, str(ROOT / "iae_jax" / "runs" / "memory.py")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    before, more = map(float, done.stdout.split())
    assert before < 100 and 55 < more < 70


@pytest.mark.slow
def test_samples_within_a_limit_of_addresses(run, tmp_path):
    """As a scheduler may set it. The first of many are those of few."""
    path, _ = run
    for count in (8000, 8):
        words = [sys.executable, "-m", "iae_jax.launch", f"--workdir={path}", "--mode=sample"]
        words += [f"--count={count}", f"--output={tmp_path / str(count)}"]
        done = subprocess.run(
            ["bash", "-c", f'ulimit -v {ADDRESSES} && exec "$@"', "bash", *words],
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 0, done.stderr
    with (
        np.load(tmp_path / "8000" / "samples.npz") as many,
        np.load(tmp_path / "8" / "samples.npz") as few,
    ):
        x = many["x"]
        assert x.shape == (8000, 64, 64, 3) and few["x"].shape == (8, 64, 64, 3)
        assert x[:8].tobytes() == few["x"].tobytes()
        assert len(np.unique(x.reshape(8000, -1)[:, :16], axis=0)) == 8000


@pytest.mark.slow
def test_many_samples(run):
    path, _ = run
    assert megabytes(path, "--mode=sample", f"--count={SAMPLES}") < MAX_MEGABYTES
    with zipfile.ZipFile(path / "samples.npz") as file, file.open("x.npy") as member:
        assert np.lib.format.read_magic(member) == (2, 0)  # the header says the shape
        shape, _, dtype = np.lib.format.read_array_header_2_0(member)
    assert shape == (SAMPLES, 64, 64, 3) and dtype == np.float32
    (path / "samples.npz").unlink()


@pytest.mark.slow
def test_many_images(run, tmp_path):
    path, images = run
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        for i, image in enumerate(images):
            png = io.BytesIO()
            Image.fromarray(image).save(png, "PNG", compress_level=1)
            for number in range(i, IMAGES, len(images)):
                file.writestr(f"{number:06d}.png", png.getvalue())
    of_zip = (f"--images=images:{tmp_path / 'set.zip'}", f"--limits=entries={IMAGES}")
    assert megabytes(path, "--mode=encode", *of_zip) < MAX_MEGABYTES
    with np.load(path / "codes_set.npz") as codes:
        assert codes["vector"].shape == (IMAGES, 3)
        assert codes["names"][[0, -1]].tolist() == ["000000.png", f"{IMAGES - 1:06d}.png"]
    assert megabytes(path, "--mode=score", *of_zip) < MAX_MEGABYTES
    with (path / "scores_set.csv").open() as file:
        assert sum(1 for _ in file) == IMAGES + 1
