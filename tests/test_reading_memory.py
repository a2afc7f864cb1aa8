"""The memory of the modes that read a trained run does not grow with the number of images."""

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

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent
MAX_MEGABYTES = 2000
SAMPLES, IMAGES = 50_000, 200_000  # of 64x64x3: 2.5 GB as f32, 2.5 GB as uint8
PROGRAM = """
import sys, resource
import iae_jax.launch as launch
try:
    launch.guarded(launch.parse(sys.argv))
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
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


def test_many_samples(run):
    path, _ = run
    assert megabytes(path, "--mode=sample", f"--count={SAMPLES}") < MAX_MEGABYTES
    with zipfile.ZipFile(path / "samples.npz") as file, file.open("x.npy") as member:
        assert np.lib.format.read_magic(member) == (2, 0)  # the header says the shape
        shape, _, dtype = np.lib.format.read_array_header_2_0(member)
    assert shape == (SAMPLES, 64, 64, 3) and dtype == np.float32
    (path / "samples.npz").unlink()


def test_many_images(run, tmp_path):
    path, images = run
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        for i, image in enumerate(images):
            png = io.BytesIO()
            Image.fromarray(image).save(png, "PNG", compress_level=1)
            for number in range(i, IMAGES, len(images)):
                file.writestr(f"{number:06d}.png", png.getvalue())
    of_zip = f"--images=images:{tmp_path / 'set.zip'}"
    assert megabytes(path, "--mode=encode", of_zip) < MAX_MEGABYTES
    with np.load(path / "codes_set.npz") as codes:
        assert codes["vector"].shape == (IMAGES, 3)
        assert codes["names"][[0, -1]].tolist() == ["000000.png", f"{IMAGES - 1:06d}.png"]
    assert megabytes(path, "--mode=score", of_zip) < MAX_MEGABYTES
    with (path / "scores_set.csv").open() as file:
        assert sum(1 for _ in file) == IMAGES + 1
