"""Folders and zips of image files. Expected pixels are those that were written."""

import hashlib
import io
import os
import re
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from iae_jax.data import indices, load, open_source, stream, title
from iae_jax.errors import InputError

RNG = np.random.default_rng(17)
IMAGES = RNG.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
GREY = IMAGES[..., 0]
# The order of sorted paths is not that of the numbers.
NAMES = ["a_7.png", "b_0.png", "c_3.png", "d/e_3.webp", "d/f_10.png", "g_1.bmp"]


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)


@pytest.fixture
def folder(tmp_path):
    for name, image in zip(NAMES, IMAGES, strict=True):
        save(tmp_path / "set" / name, image, **({"lossless": True} if "webp" in name else {}))
    return tmp_path / "set"


def in_order(numbers):
    """Of images with labels: that of their paths' hashes."""
    return sorted(numbers, key=lambda number: hashlib.sha256(NAMES[number].encode()).digest())


def opened(path, split="train", pattern=""):
    return open_source(f"images:{path}", split, label_pattern=pattern)


def zipped(folder):
    path = folder.parent / "set.zip"
    with zipfile.ZipFile(path, "w") as file:
        for one in folder.rglob("*"):
            file.write(one, one.relative_to(folder))
    return path


@pytest.mark.parametrize("pack", [lambda folder: folder, zipped])
def test_images_are_those_that_were_written(folder, pack):
    (folder / "notes.txt").write_text("not an image")
    (folder / ".hidden.png").write_text("clutter")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "a_7.png").write_text("clutter")
    source = opened(pack(folder), pattern=r"_(\d+)\.")
    images, labels = load(source)
    order, known = in_order(range(6)), np.array([7, 0, 3, 3, 10, 1])
    assert order != sorted(order)
    np.testing.assert_array_equal(images, IMAGES[order])
    np.testing.assert_array_equal(labels, known[order])
    np.testing.assert_array_equal(source.labels(), known[order])
    assert source.classes == 11 and source.shape == (5, 4, 3) and len(source) == 6
    chosen = source.read(np.array([4, 1, 4]))
    few = [order[4], order[1], order[4]]
    np.testing.assert_array_equal(chosen.x, IMAGES[few])
    np.testing.assert_array_equal(chosen.labels, known[few])
    part = opened(pack(folder), "train[-2:]+train[:1]", r"_(\d+)\.")
    np.testing.assert_array_equal(load(part).labels, known[[*order[-2:], order[0]]])
    assert part.classes == 11


@pytest.mark.parametrize("pack", [lambda folder: folder, zipped])
def test_streamed_equals_resident(folder, pack):
    source = opened(pack(folder), pattern=r"_(\d+)\.")
    images, labels = load(source)
    batches = stream(source, 1, 2, 4, 2)
    for step in range(2, 9):  # across epochs
        seen, want = next(batches), indices(6, 1, step, 4)
        np.testing.assert_array_equal(seen.x, images[want])
        np.testing.assert_array_equal(seen.labels, labels[want])


def test_folders_are_classes_and_splits(tmp_path):
    for number, name in enumerate(["train/cat/x.png", "train/ant/y.png", "test/cat/z.png"]):
        save(tmp_path / name, IMAGES[number])
    train, test = load(opened(tmp_path)), load(opened(tmp_path, "test"))
    found = {image.tobytes(): label for image, label in zip(*train, strict=True)}
    assert found == {IMAGES[0].tobytes(): 1, IMAGES[1].tobytes(): 0}
    np.testing.assert_array_equal(test.x, IMAGES[[2]])
    assert list(test.labels) == [1]


@pytest.mark.parametrize("pack", [lambda folder: folder, zipped])
def test_a_folder_that_holds_all_others_is_passed_over(tmp_path, pack):
    """As a zip of a folder has it: `train` in it is a split all the same."""
    for number, name in enumerate(["train/cat/x.png", "train/ant/y.png", "test/cat/z.png"]):
        save(tmp_path / "all" / "faces" / "aligned" / name, IMAGES[number])
    path = pack(tmp_path / "all")
    np.testing.assert_array_equal(load(opened(path, "test")).x, IMAGES[[2]])
    assert sorted(opened(path).labels()) == [0, 1]
    save(tmp_path / "flat" / "faces" / "x.png", IMAGES[0])
    assert opened(pack(tmp_path / "flat")).classes is None


@pytest.mark.parametrize(("between", "pattern"), [("/", ""), ("_", r"^(\d)_")])
def test_a_slice_has_all_classes(tmp_path, between, pattern):
    """Whether folders or names say which is which."""
    for number in range(60):
        name = f"{number // 20}{between}{number:02}.png"
        save(tmp_path / name, IMAGES[number % len(IMAGES)])
    first, rest = (opened(tmp_path, part, pattern) for part in ("train[:50%]", "train[50%:]"))
    assert len(first) == len(rest) == 30
    for part in (first, rest):
        assert min(np.bincount(part.labels(), minlength=3)) >= 5
    again = opened(tmp_path, "train[:50%]", pattern)
    assert load(again).x.tobytes() == load(first).x.tobytes()


def test_what_is_in_no_split_is_refused(tmp_path):
    for number, name in enumerate(["train/cat/x.png", "test/cat/y.png", "val/cat/z.png"]):
        save(tmp_path / name, IMAGES[number])
    with pytest.raises(InputError, match=r"val/cat/z\.png in .* is in none of the splits train, "):
        opened(tmp_path)
    (tmp_path / "val").rename(tmp_path / "validation")
    np.testing.assert_array_equal(load(opened(tmp_path, "validation")).x, IMAGES[[2]])
    save(tmp_path / "w_5.png", IMAGES[3])
    with pytest.raises(InputError, match=r"w_5\.png in .* is in none of the splits"):
        opened(tmp_path, pattern=r"(\d)")
    (tmp_path / "w_5.png").unlink()
    (tmp_path / "train").rename(tmp_path / "Train")
    with pytest.raises(InputError, match="has a folder Train: rename it to train"):
        opened(tmp_path)


def test_links_are_followed_but_not_in_circles(tmp_path):
    save(tmp_path / "elsewhere" / "cat" / "x.png", IMAGES[0])
    save(tmp_path / "elsewhere" / "ant" / "y.png", IMAGES[1])
    save(tmp_path / "set" / "test" / "cat" / "z.png", IMAGES[2])
    (tmp_path / "set" / "train").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "cat" / "round").symlink_to(tmp_path / "elsewhere")
    train, test = opened(tmp_path / "set"), opened(tmp_path / "set", "test")
    assert sorted(train.labels()) == [0, 1]
    np.testing.assert_array_equal(load(test).x, IMAGES[[2]])


def test_names_may_be_any_bytes(tmp_path):
    save(tmp_path / "cat" / "x.png", IMAGES[0])
    os.rename(os.fsencode(tmp_path / "cat" / "x.png"), os.fsencode(tmp_path / "cat") + b"/\xff.png")
    save(tmp_path / "ant" / "y.png", IMAGES[1])
    assert sorted(load(opened(tmp_path)).labels) == [0, 1]


def test_a_palette_and_the_inks_of_print_are_colours(tmp_path):
    few = Image.fromarray(IMAGES[0]).quantize(4)
    save(tmp_path / "a.png", few)
    save(tmp_path / "b.tif", Image.fromarray(255 - IMAGES[1]).convert("CMYK"))
    found = load(opened(tmp_path)).x
    palette = np.array(few.getpalette()).reshape(-1, 3)
    np.testing.assert_array_equal(found[0], palette[np.asarray(few)])
    np.testing.assert_array_equal(found[1], 255 - IMAGES[1])


def test_an_image_that_was_exchanged_meanwhile_is_refused(tmp_path):
    save(tmp_path / "a.png", IMAGES[0])
    source = opened(tmp_path)
    save(tmp_path / "a.png", IMAGES[0].reshape(10, 2, 3))  # as many pixels
    with pytest.raises(InputError, match=r"a\.png in .* \(it was 4x5 when it was opened\)"):
        load(source)


def test_a_zip_with_a_name_twice_is_refused(folder):
    path = zipped(folder)
    with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.write(folder / "g_1.bmp", "a_7.png")
    with pytest.raises(InputError, match=r"has two files a_7\.png"):
        opened(path, pattern=r"(\d)")


def test_a_zip_of_what_memory_would_not_hold_is_refused(folder, monkeypatch):
    monkeypatch.setattr("iae_jax.data.image_files.MAX_BYTES", 100)
    with pytest.raises(InputError, match=r"cannot be read as an image \(it has more than 100"):
        opened(zipped(folder), pattern=r"(\d)")


def test_an_image_that_stands_outside_a_zip_is_none_of_it(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        held = io.BytesIO()
        Image.fromarray(IMAGES[0]).save(held, "PNG")
        file.writestr("../../x.png", held.getvalue())
        file.writestr("y.png", held.getvalue())
    assert len(opened(tmp_path / "a.zip")) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_an_image_is_upright(tmp_path):
    """Held sideways: stored 4 high and 5 wide, and 5 high and 4 wide as EXIF says."""
    picture, exif = Image.fromarray(IMAGES[0].transpose(1, 0, 2)), Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter
    picture.save(tmp_path / "a.png", exif=exif)
    save(tmp_path / "b.png", IMAGES[1])
    found = load(opened(tmp_path)).x
    np.testing.assert_array_equal(found[0], np.rot90(IMAGES[0].transpose(1, 0, 2), -1))
    np.testing.assert_array_equal(found[1], IMAGES[1])


def deflated(path):
    """Bytes inside the compressed pixels of the zip's first file are changed."""
    data = bytearray(path.read_bytes())
    data[60:75] = bytes(15)
    path.write_bytes(data)


def encrypted(path):
    """The bit that says so is set, in the file's header and in the directory's."""
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    path.write_bytes(data)


def unknown_method(path):
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(mark) + offset] = 77
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [deflated, encrypted, unknown_method])
def test_a_zip_that_cannot_be_unpacked_is_refused(folder, damage):
    path = folder.parent / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        pixels = np.tile(IMAGES[0], (8, 8, 1))
        held = io.BytesIO()
        Image.fromarray(pixels).save(held, "BMP")
        archive.writestr("a.bmp", held.getvalue())
    damage(path)
    with pytest.raises(InputError, match=r"a\.bmp in .* cannot be read as an image") as error:
        load(opened(path))
    assert "\n" not in str(error.value)


def test_a_test_folder_alone_is_a_class(tmp_path):
    for number, name in enumerate(["test/x.png", "other/y.png"]):
        save(tmp_path / name, IMAGES[number])
    assert sorted(opened(tmp_path).labels()) == [0, 1]


def test_without_folders_there_are_no_labels(tmp_path):
    save(tmp_path / "x.png", IMAGES[0])
    assert list(load(opened(tmp_path)).labels) == [-1] and opened(tmp_path).classes is None


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
    """A PPM of 16 bits a channel."""
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
    """EPS, which Pillow hands to another program."""
    Image.fromarray(IMAGES[0]).save(folder / "z_1.png", "EPS")


def no_image(folder):
    (folder / "z_1.png").write_text("<html>")


def empty_file(folder):
    (folder / "z_1.png").touch()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (mixed_sizes, r"z_1\.png in .* is 5x4 and a_7\.png is 4x5: crop and resize"),
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


def test_bad_places_are_refused(tmp_path, folder):
    with pytest.raises(InputError, match="no folder or zip .*nothing"):
        opened(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="there is no image in .*empty"):
        opened(tmp_path / "empty")
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(InputError, match="neither a folder nor a readable zip"):
        opened(tmp_path / "text.zip")
    with pytest.raises(InputError, match="images in folders, which are classes, and others beside"):
        opened(folder)
    with pytest.raises(InputError, match="there is train"):
        opened(folder, "test", r"(\d)")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "is no regular expression with a group"),
        (r"\d", "is no regular expression with a group"),
        (r"x(\d)", "matches no number below 100000 in a_7.png"),
        (r"(\w)", "matches no number below 100000 in a_7.png"),
        (r"7(_\d)?", "matches no number below 100000 in a_7.png"),
    ],
)
def test_bad_label_patterns_are_refused(folder, pattern, message):
    with pytest.raises(InputError, match=re.escape(message)):
        opened(folder, pattern=pattern)


def test_a_label_pattern_is_for_image_files(tmp_path):
    with pytest.raises(
        InputError, match="label_pattern is for images:PATH and the data set is npz"
    ):
        open_source(f"npz:{tmp_path}/a.npz", "train", label_pattern="x")


def test_titles_name_no_folder():
    assert title("images:/some/where/faces.zip") == "faces" == title("npz:../faces.npz")
    assert title("svhn_cropped") == "svhn_cropped"
