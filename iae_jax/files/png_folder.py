"""A folder of PNG files of images, which other programs read: 000000.png, 000001.png, ..."""

from pathlib import Path

import numpy as np

FILES = r"\d{6,}\.png"  # their names


def file_name(number: int) -> str:
    return f"{number:06d}.png"


def pixels(images: np.ndarray) -> np.ndarray:
    """f32[..., H, W, C] in [0, 1] -> uint8, rounded; uint8 as it is."""
    if images.dtype == np.uint8:
        return images
    return np.rint(255 * np.clip(np.nan_to_num(images), 0, 1)).astype(np.uint8)


def write(folder: Path, images: np.ndarray, first: int) -> None:
    """Writes images f32[N, H, W, 1 or 3] as PNGs from the number `first` on."""
    from PIL import Image

    for number, image in enumerate(pixels(images), first):
        one = image[..., 0] if image.shape[-1] == 1 else image
        Image.fromarray(one).save(folder / file_name(number))
