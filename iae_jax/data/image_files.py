"""Image files of a folder or a zip: opened with Pillow, checked and decoded."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from iae_jax.data.file_set import FileSet, open_files
from iae_jax.data.limits import Limits
from iae_jax.errors import InputError, first_line

# Only these of Pillow's formats: others start programs (EPS), and a suffix can be wrong.
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
GREY, COLOUR = ("1", "L", "LA"), ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV")
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange height and width


class Headers(NamedTuple):
    """What the headers of all images say.

    sizes: (width, height), upright -> (the first file of that size, how many there are).
    colour: whether one of them is not grey.
    """

    sizes: dict[tuple[int, int], tuple[str, int]]
    colour: bool


@lru_cache(maxsize=4)
def headers(
    path: Path,
    version: tuple[int, int, int],
    names: tuple[str, ...],
    bounds: tuple[tuple[str, int], ...],
) -> Headers:
    """Cached, so that a run that opens several splits reads the headers once.

    Args:
      path: the folder or zip.
      version: of the folder or zip; another one is read again.
      names: of all image files.
      bounds: the fields of the limits.

    Raises:
      InputError: a file that is no image or has several, 16 bits per channel, or too many pixels.
    """
    from PIL import ExifTags

    files, colour = open_files(path, Limits(**dict(bounds))), False
    sizes: dict[tuple[int, int], tuple[str, int]] = {}
    for name in names:
        try:
            with open_image(files, name) as image:
                size, mode = image.size, image.mode
                if getattr(image, "is_animated", False):
                    raise ValueError("it has several images")
                if mode in GREY + COLOUR and any(map(_has_16_bits, image.tile)):
                    mode += ";16"  # Pillow would keep 8 of them
                # From info, which holds the header: getexif() of any PNG would read its pixels.
                if "exif" in image.info:
                    sideways = image.getexif().get(ExifTags.Base.Orientation) in SIDEWAYS
                    size = size[::-1] if sideways else size
        except InputError:
            raise
        except Exception as error:  # Pillow and zipfile document no complete list
            raise _damaged(path, name, error) from error
        if mode not in GREY + COLOUR:
            raise InputError(
                f"{name} in {path} has pixels of kind {mode}: convert it to 8 bits per channel"
            )
        first, count = sizes.get(size, (name, 0))
        sizes[size] = (first, count + 1)
        colour = colour or mode not in GREY
    return Headers(sizes, colour)


def common_shape(found: Headers, path: Path, side: int) -> tuple[tuple[int, int, int], str]:
    """(H, W, C) of all images, and a line about what is done for it, or "".

    Args:
      side: all are cropped and resized to side x side; 0: they have to have one size.

    Raises:
      InputError: they have several.
    """
    channels = 3 if found.colour else 1
    (first, (one, _)), *others = found.sizes.items()
    if not side:
        for other, (name, _) in others:
            raise InputError(
                f"{name} in {path} is {other[0]}x{other[1]} and {one} is {first[0]}x{first[1]}: "
                "set --config.data.size=64 or another side, to which all are then cropped and "
                "resized when they are read, or give them one size"
            )
        return (first[1], first[0], channels), ""
    small, large = (pick(found.sizes, key=min) for pick in (min, max))
    enlarged = sum(count for size, (_, count) in found.sizes.items() if min(size) < side)
    if small == large == (side, side):
        return (side, side, channels), ""
    sizes = f"{small[0]}x{small[1]}"
    sizes = f"from {sizes} to {large[0]}x{large[1]}" if others else sizes
    more = f"; {enlarged} smaller ones are enlarged" if enlarged else ""
    note = f"images are {sizes}: the middle square is resized to {side}x{side}{more}"
    return (side, side, channels), note


def decode(
    files: FileSet, name: str, shape: tuple[int, int, int], resized: bool = False
) -> np.ndarray:
    """The pixels of one image, uint8[H, W, C], rotated as its EXIF data say.

    resized: its middle square is made of that size, by the mean over the area of each pixel if it
    is larger, else bicubic.

    Raises:
      InputError: transparent pixels, a file that is damaged or has changed, or one too large.
    """
    from PIL import ImageOps

    try:
        with open_image(files, name) as image:
            if "exif" in image.info:
                ImageOps.exif_transpose(image, in_place=True)
            if image.has_transparency_data:
                image = image.convert("RGBA")
                if image.getchannel("A").getextrema()[0] < 255:
                    raise InputError(
                        f"{name} in {files.path} has transparent pixels: flatten it onto a "
                        "background"
                    )
            image = image.convert("L" if shape[-1] == 1 else "RGB")
            pixels = np.asarray(_square(image, shape[0]) if resized else image)
        if pixels.shape[:2] != shape[:2]:
            raise ValueError(f"it was {shape[1]}x{shape[0]} when it was opened")
    except InputError:
        raise
    except Exception as error:  # as above
        raise _damaged(files.path, name, error) from error
    return pixels.reshape(shape)


@contextmanager
def open_image(files: FileSet, name: str) -> Iterator[Any]:
    """Pillow's image, while its file is open; pixels are not read yet.

    Raises:
      InputError: it has, or says that it has, too many pixels, or the file is too large.
    """
    with files.opened(name) as file, _identified(file) as image:
        width, height = image.size
        if width * height > files.limits.pixels:
            said = f"{name} in {files.path} has {width}x{height} pixels"
            raise files.limits.above("pixels", width * height, said)
        yield image


def _identified(file: IO[bytes]) -> Any:
    """As `PIL.Image.open`, which has a limit of its own that belongs to the whole process, and does
    not say how large an image is that is above it."""
    from PIL import Image

    if not set(FORMATS) <= Image.OPEN.keys():
        Image.init()
    start = file.read(16)
    for name in FORMATS:
        make, accepts = Image.OPEN[name]
        if accepts is None or accepts(start) is True:
            file.seek(0)
            try:
                return make(file, "")
            except (SyntaxError, IndexError, TypeError, struct.error):  # another format
                continue
    raise ValueError(f"it is none of {', '.join(FORMATS)}")


def _square(image: Any, side: int) -> Any:
    """The middle square of an image, side x side."""
    from PIL.Image import Resampling

    own = min(image.size)
    left, top = ((length - own) // 2 for length in image.size)
    method = Resampling.BOX if own >= side else Resampling.BICUBIC
    return image.resize((side, side), method, box=(left, top, left + own, top + own))


def _has_16_bits(tile: Any) -> bool:
    """Whether a tile of an image, as Pillow describes it, has 16 bits per channel."""
    codec, *_, arguments = tile
    max_value = arguments[-1] if codec.startswith("ppm") and isinstance(arguments, tuple) else 0
    return ";16" in str(arguments) or (isinstance(max_value, int) and max_value > 255)


def _damaged(path: Path, name: str, error: Exception) -> InputError:
    return InputError(
        f"{name} in {path} cannot be read as an image ({first_line(error)}): replace or remove it"
    )
