"""A sheet: pictures of one size in rows and columns, as one PNG."""

import io

import numpy as np

from iae_jax.files.png_folder import pixels


def sheet(x: np.ndarray) -> bytes:
    """f32[rows, columns, H, W, 1 or 3] in [0, 1] -> a PNG of rows * H by columns * W pixels."""
    from PIL import Image

    rows, columns, height, width, channels = x.shape
    joined = pixels(x).transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)
    file = io.BytesIO()
    Image.fromarray(joined[..., 0] if channels == 1 else joined).save(file, "png", optimize=True)
    return file.getvalue()
