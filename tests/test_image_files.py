"""Single image files: kinds of pixels, and damage. Oracle: the pixels written."""

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
from image_folders import GREY, IMAGES, RNG, opened, save, write_folder, zipped
from PIL import Image

from iae_jax.data import load
from iae_jax.errors import InputError


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "set")


def test_palette_and_cmyk_images_are_colour_images(tmp_path):
    few = Image.fromarray(IMAGES[0]).quantize(4)
    save(tmp_path / "a.png", few)
    save(tmp_path / "b.tif", Image.fromarray(255 - IMAGES[1]).convert("CMYK"))
    found = load(opened(tmp_path)).x
    palette = np.array(few.getpalette()).reshape(-1, 3)
    np.testing.assert_array_equal(found[0], palette[np.asarray(few)])
    np.testing.assert_array_equal(found[1], 255 - IMAGES[1])


def test_an_image_that_has_changed_since_opening_is_refused(tmp_path):
    save(tmp_path / "a.png", IMAGES[0])
    source = opened(tmp_path)
    save(tmp_path / "a.png", IMAGES[0].reshape(10, 2, 3))  # as many pixels
    with pytest.raises(InputError, match=r"a\.png in .* \(it was 4x5 when it was opened\)"):
        load(source)


def test_an_image_is_upright(tmp_path):
    """Stored 4 high and 5 wide, with an EXIF orientation that makes it 5 high and 4 wide."""
    picture, exif = Image.fromarray(IMAGES[0].transpose(1, 0, 2)), Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise
    picture.save(tmp_path / "a.png", exif=exif)
    save(tmp_path / "b.png", IMAGES[1])
    found = load(opened(tmp_path)).x
    np.testing.assert_array_equal(found[0], np.rot90(IMAGES[0].transpose(1, 0, 2), -1))
    np.testing.assert_array_equal(found[1], IMAGES[1])


def deflated(path):
    """Changes bytes inside the compressed pixels of the first file."""
    data = bytearray(path.read_bytes())
    data[60:75] = bytes(15)
    path.write_bytes(data)


def encrypted(path):
    """Sets the encryption bit in the header of the file and in the central directory."""
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    path.write_bytes(data)


def unknown_method(path):
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(mark) + offset] = 77
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (deflated, "cannot be read as an image"),
        (encrypted, "cannot be read as an image"),
        (unknown_method, "is packed by method 77"),
    ],
)
def test_a_zip_that_cannot_be_unpacked_is_refused(folder, damage, message):
    path = folder.parent / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        pixels = np.tile(IMAGES[0], (8, 8, 1))
        held = io.BytesIO()
        Image.fromarray(pixels).save(held, "BMP")
        archive.writestr("a.bmp", held.getvalue())
    damage(path)
    with pytest.raises(InputError, match=rf"a\.bmp in .* {message}") as error:
        load(opened(path))
    assert "\n" not in str(error.value)


def test_grey_images_have_one_channel(tmp_path):
    save(tmp_path / "a.png", GREY[0])
    save(tmp_path / "b.png", np.stack([GREY[1], np.full_like(GREY[1], 255)], -1))  # opaque
    images, _ = load(opened(tmp_path))
    np.testing.assert_array_equal(images[..., 0], GREY[:2])
    assert images.shape == (2, 5, 4, 1)


def test_a_grey_image_among_coloured_ones_is_repeated(tmp_path):
    save(tmp_path / "a.png", GREY[0])
    save(tmp_path / "b.png", IMAGES[1])
    images, _ = load(opened(tmp_path))
    np.testing.assert_array_equal(images[0], np.stack([GREY[0]] * 3, -1))
    np.testing.assert_array_equal(images[1], IMAGES[1])


def test_alpha(tmp_path):
    opaque = np.dstack([IMAGES[0], np.full((5, 4), 255, np.uint8)])
    save(tmp_path / "a.png", opaque)
    np.testing.assert_array_equal(load(opened(tmp_path)).x[0], IMAGES[0])
    opaque[2, 1, 3] = 254
    save(tmp_path / "b.png", opaque)
    with pytest.raises(InputError, match=r"b\.png in .* has transparent pixels: flatten"):
        load(opened(tmp_path))


def mixed_sizes(folder):
    save(folder / "z_1.png", IMAGES[0].transpose(1, 0, 2))


def sixteen_bits(folder):
    save(folder / "z_1.png", GREY[0].astype(np.uint16) * 256)


def deep_colour(folder):
    """A PPM with 16 bits per channel."""
    (folder / "z_1.ppm").write_bytes(b"P6 4 5 65535\n" + bytes(4 * 5 * 3 * 2))


def deep_png(folder):
    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 4, 5, 16, 2, 0, 0, 0)
    rows = zlib.compress(bytes(5 * (1 + 4 * 3 * 2)))
    (folder / "z_1.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def animation(folder):
    first, *rest = map(Image.fromarray, IMAGES[:2])
    first.save(folder / "z_1.webp", save_all=True, append_images=rest)


def program(folder):
    """EPS, for which Pillow starts another program."""
    Image.fromarray(IMAGES[0]).save(folder / "z_1.png", "EPS")


def no_image(folder):
    (folder / "z_1.png").write_text("<html>")


def empty_file(folder):
    (folder / "z_1.png").touch()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (mixed_sizes, r"z_1\.png in .* is 5x4 and a_7\.png is 4x5: set --config.data.size="),
        (sixteen_bits, r"z_1\.png in .* has pixels of kind I;16: convert it"),
        (deep_colour, r"z_1\.ppm in .* has pixels of kind RGB;16: convert it"),
        (deep_png, r"z_1\.png in .* has pixels of kind RGB;16: convert it"),
        (animation, r"z_1\.webp in .* cannot be read as an image \(it has several images\)"),
        (program, r"z_1\.png in .* cannot be read as an image"),
        (no_image, r"z_1\.png in .* cannot be read as an image .*: replace or remove it"),
        (empty_file, r"z_1\.png in .* cannot be read as an image"),
    ],
)
@pytest.mark.parametrize("pack", [lambda folder: folder, zipped])
def test_bad_files_are_refused_when_opened(folder, damage, message, pack):
    damage(folder)
    with pytest.raises(InputError, match=message) as error:
        opened(pack(folder), pattern=r"(\d)")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_truncated_image_is_refused_when_read(tmp_path, kept):
    save(tmp_path / "a.png", RNG.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: int(kept * len(data))])
    source = opened(tmp_path)
    with pytest.raises(InputError, match=r"a\.png in .* cannot be read as an image"):
        load(source)
