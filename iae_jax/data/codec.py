"""Image codec: the bytes of one image file <-> uint8[H, W, C]."""

import io

import numpy as np

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # number of channels -> Pillow's mode


def encode_png(image: np.ndarray) -> bytes:
    """uint8[H, W, C], C = 1, 3 or 4 -> the bytes of a PNG file; lossless."""
    from PIL import Image

    pixels = image[:, :, 0] if image.shape[-1] == 1 else image
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, format="PNG")
    return file.getvalue()


def decode_image(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The bytes of a PNG or JPEG file -> uint8[H, W, C].

    Args:
      data: the file.
      shape: (H, W, C) that the image has to have.

    Raises:
      ValueError: another size.
      Exception: whatever Pillow raises for bytes that are not an image.
    """
    from PIL import Image

    # Trying these two formats only saves a third of the time that a small image takes.
    image: Image.Image = Image.open(io.BytesIO(data), formats=("PNG", "JPEG"))
    mode = _MODES[shape[-1]]
    return np.asarray(image if image.mode == mode else image.convert(mode)).reshape(shape)
