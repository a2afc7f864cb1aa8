"""Image files of a folder or a zip: opened with Pillow, checked and decoded."""

import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from iae_jax.errors import InputError, first_line

# Only these of Pillow's formats: others start programs (EPS), and a suffix can be wrong.
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
GREY, COLOUR = ("1", "L", "LA"), ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV")
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange height and width
MAX_BYTES = 2**28  # of one file in a zip, unpacked


def open_zip(path: Path) -> zipfile.ZipFile | None:
    """The zip, or None if the path is a folder.

    Raises:
      InputError: it is neither.
    """
    if path.is_dir():
        return None
    if not path.exists():
        raise InputError(f"no folder or zip {path}: check the path after images:")
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(
            f"{path} is neither a folder nor a readable zip ({first_line(error)}): give the path "
            "of a folder or zip of images"
        ) from error


@lru_cache(maxsize=4)
def common_shape(
    path: Path, version: tuple[int, int, int], names: tuple[str, ...]
) -> tuple[int, int, int]:
    """(H, W, C) of all images, from their headers alone.

    Cached, so that a run that opens several splits reads the headers once.

    Args:
      path: the folder or zip.
      version: of the folder or zip; another one is read again.
      names: of all image files.

    Raises:
      InputError: a file that is no image or has several, 16 bits per channel, another size.
    """
    from PIL import ExifTags

    archive, first, colour = open_zip(path), None, False
    for name in names:
        try:
            with open_image(path, archive, name) as image:
                size, mode = image.size, image.mode
                if getattr(image, "is_animated", False):
                    raise ValueError("it has several images")
                if mode in GREY + COLOUR and any(map(_has_16_bits, image.tile)):
                    mode += ";16"  # Pillow would keep 8 of them
                # From info, which holds the header: getexif() of any PNG would read its pixels.
                if "exif" in image.info:
                    sideways = image.getexif().get(ExifTags.Base.Orientation) in SIDEWAYS
                    size = size[::-1] if sideways else size
        except Exception as error:  # Pillow and zipfile document no complete list
            raise _damaged(path, name, error) from error
        if mode not in GREY + COLOUR:
            raise InputError(
                f"{name} in {path} has pixels of kind {mode}: convert it to 8 bits per channel"
            )
        first = first or (name, size)
        if size != first[1]:
            raise InputError(
                f"{name} in {path} is {size[0]}x{size[1]} and {first[0]} is "
                f"{first[1][0]}x{first[1][1]}: crop and resize all images to one size"
            )
        colour = colour or mode not in GREY
    assert first is not None
    return (first[1][1], first[1][0], 3 if colour else 1)


def decode(
    path: Path, archive: zipfile.ZipFile | None, name: str, shape: tuple[int, int, int]
) -> np.ndarray:
    """The pixels of one image, uint8[H, W, C], rotated as its EXIF data say.

    Raises:
      InputError: transparent pixels, or a file that is damaged or has changed.
    """
    from PIL import ImageOps

    try:
        with open_image(path, archive, name) as image:
            if "exif" in image.info:
                ImageOps.exif_transpose(image, in_place=True)
            if image.has_transparency_data:
                image = image.convert("RGBA")
                if image.getchannel("A").getextrema()[0] < 255:
                    raise InputError(
                        f"{name} in {path} has transparent pixels: flatten it onto a background"
                    )
            pixels = np.asarray(image.convert("L" if shape[-1] == 1 else "RGB"))
        if pixels.shape[:2] != shape[:2]:
            raise ValueError(f"it was {shape[1]}x{shape[0]} when it was opened")
    except InputError:
        raise
    except Exception as error:  # as above
        raise _damaged(path, name, error) from error
    return pixels.reshape(shape)


def open_image(path: Path, archive: zipfile.ZipFile | None, name: str) -> Any:
    """Pillow's image; pixels are not read yet."""
    from PIL import Image

    if archive is None:
        return Image.open(path / name, formats=FORMATS)
    if archive.getinfo(name).file_size > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes")
    # Only the header is unpacked until pixels are read.
    return Image.open(archive.open(name), formats=FORMATS)


def _has_16_bits(tile: Any) -> bool:
    """Whether a tile of an image, as Pillow describes it, has 16 bits per channel."""
    codec, *_, arguments = tile
    max_value = arguments[-1] if codec.startswith("ppm") and isinstance(arguments, tuple) else 0
    return ";16" in str(arguments) or (isinstance(max_value, int) and max_value > 255)


def _damaged(path: Path, name: str, error: Exception) -> InputError:
    return InputError(
        f"{name} in {path} cannot be read as an image ({first_line(error)}): replace or remove it"
    )
