"""Folders and zips of image files for tests."""

import zipfile

import numpy as np
from PIL import Image

from iae_jax.data import open_source

RNG = np.random.default_rng(17)
IMAGES = RNG.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
GREY = IMAGES[..., 0]
# The order of sorted paths is not that of the numbers.
NAMES = ["a_7.png", "b_0.png", "c_3.png", "d/e_3.webp", "d/f_10.png", "g_1.bmp"]


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)


def write_folder(path):
    for name, image in zip(NAMES, IMAGES, strict=True):
        save(path / name, image, **({"lossless": True} if "webp" in name else {}))
    return path


def opened(path, split="train", pattern=""):
    return open_source(f"images:{path}", split, label_pattern=pattern)


def zipped(folder):
    path = folder.parent / "set.zip"
    with zipfile.ZipFile(path, "w") as file:
        for one in folder.rglob("*"):
            file.write(one, one.relative_to(folder))
    return path
